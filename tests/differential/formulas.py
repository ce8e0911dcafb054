"""Comparisons of what is derived: Jacobians, path counts, the five levels, symbolic T, recursions, printed code,
verdicts."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import bpttgraph as bg

from .compare import Array, Subject
from .data import STEP
from .oracle import World
from .paths import Links

LEVELS = ("chain", "local", "matrix", "elements", "numbers")


LOST = 1e-12  # what the complex step leaves of a gradient that is 0
OFF = 3.7e-6  # of no size that a step of difference quotients has, which are recognised


def chosen(s: Subject, most: int = 3) -> list[str]:
    """Some of the parameters and initial states, others for other seeds."""
    keys = sorted(s.leaf_keys)
    start = s.case.data_seed % max(1, len(keys))
    return (keys[start:] + keys[:start])[:most]


def total(s: Subject, key: str) -> Array:
    """The gradient summed over the batch, in the shape of the variable."""
    found = s.gradients[key]
    return found if found.ndim == len(s.case.shapes[key.partition("[")[0]]) else found.sum(0)


# -- Jacobians and paths -----------------------------------------------------------------------------------------------


def place(key: str) -> tuple[str, Any]:
    n, _, step = key.partition("[")
    return n, int(step[:-1]) if step else None


def pairs(s: Subject) -> Iterator[tuple[str, str]]:
    """Some pairs (output, by) of named values."""
    names, by = sorted(s.values), sorted({*s.values, *s.leaf_keys})
    start = s.case.data_seed
    for i in range(5):
        yield names[(start * 7 + 3 * i) % len(names)], by[(start * 11 + 5 * i) % len(by)]
    late = [n for n in names if n.endswith(f"[{s.case.steps}]")]
    for i in range(min(3, len(late))):
        yield late[(start + i) % len(late)], by[(start * 13 + 7 * i + 1) % len(by)]


def compare_jacobians(s: Subject) -> str | None:
    for out, by in pairs(s):
        (n, step), (m, at) = place(out), place(by)
        rows, columns = s.case.shapes[n], s.case.shapes[m]
        size = int(np.prod(columns))
        eye = (STEP * 1j * np.eye(size)).reshape(size, 1, *columns)
        with np.errstate(all="ignore"):
            w = World(s.case, s.world.data, shift={(m, at): eye}, outputs=s.outputs)
            value = np.imag(np.broadcast_to(w.value(n, step), (size, s.batch, *rows))) / STEP
        want = np.moveaxis(value, 0, -1).reshape(s.batch, *rows, *columns)
        got = np.asarray(s.run.jacobian(out, by))
        if got.shape == (*rows, *columns):
            got = np.broadcast_to(got, want.shape)
        if found := s.differs(got, want, s.size * (1 + float(np.abs(want).max(initial=0)))):
            return f"d{out}/d{by}: {found}"
    return None


def compare_paths(s: Subject) -> str | None:
    links = Links(s.case, s.outputs)
    for key in [*chosen(s, 6), *sorted(s.values)[:2]]:
        want = links.count(place(key))
        if want is None or key not in s.u.vgraph.variables:
            continue
        d = s.u.derive(key)
        if d.count != sum(want.values()):
            return f"{key}: {d.count} paths, by hand {sum(want.values())}"
        if d.count_by_step != dict(want):
            return f"{key}: by step {d.count_by_step}, by hand {dict(want)}"
        if d.count <= 200 and len(set(d.terms)) != d.count:
            return f"{key}: {len(set(d.terms))} different terms of {d.count}"
    return None


# -- formulas ----------------------------------------------------------------------------------------------------------


def compare_levels(s: Subject) -> str | None:
    for key in chosen(s):
        d, want = s.u.derive(key), total(s, key)
        for level in LEVELS:
            if level == "chain" and d.count > 200:
                continue
            got = np.asarray(d.value_at(level, s.run))
            got = got.sum(0) if got.ndim == want.ndim + 1 else got  # of each example
            if found := s.differs(got, want, s.scale(key)):
                return f"d{key} at level {level}: {found}"
    return None


def compare_forms(s: Subject) -> str | None:
    """All levels in all languages: no exception, and something is printed (`printed` reads what)."""
    for key in chosen(s, 1):
        d = s.u.derive(key)
        for level in LEVELS:
            if level in ("chain", "local") and d.count > 200:
                continue
            for form in ("latex", "unicode", "mathml", "typst"):
                text = d.statement(level, form, s.data if level == "numbers" else None)
                if not text or "None" in text or "nan" in text.lower():
                    return f"d{key} at level {level} as {form}: {text[:80]!r}"
    return None


def general(s: Subject, key: str) -> str:
    """The name for any number of steps: r[4], the state before the first of a state that runs backwards, is r[T+1] for
    T = 3."""
    n, step = place(key)
    return f"{n}[T+{step - s.case.steps}]" if step is not None and step > s.case.steps and n != "all" else key


def symbolic(s: Subject, key: str) -> Any:
    c, key = s.case, general(s, key)
    if key not in s.symbolic:
        loss = c.loss if isinstance(c.loss, str) else list(c.loss)
        s.symbolic[key] = s.rec.derive(key, loss=loss, reduce=c.reduce, sizes=c.sizes)
    return s.symbolic[key]


def compare_symbolic(s: Subject) -> str | None:
    """The recursions instantiated at T = 1 … 6 are those of the unrolled graph, which are right for the T of the
    case."""
    first = 1 if isinstance(s.case.loss, str) else max(s.case.loss)
    for key in chosen(s, 2):
        g = symbolic(s, key)
        for steps in sorted({first, s.case.steps, *range(first, 7)[s.case.data_seed % 2 :: 2]}):
            names = s.rec.unroll(**{**s.case.options(), "steps": steps}).vgraph.variables
            if s.case.steps != steps and general(s, key) != key:
                continue
            if key not in names:
                continue
            d = g.at(steps=steps)
            if steps == s.case.steps:
                got, want = np.asarray(d.value_at("matrix", s.run)), total(s, key)
                got = got.sum(0) if got.ndim == want.ndim + 1 else got
                if found := s.differs(got, want, s.scale(key)):
                    return f"d{key} at {steps} steps: {found}"
    return None


def compare_closed(s: Subject) -> str | None:
    """The closed form evaluated: its sum, and with losses of single steps its triangle."""
    for key in chosen(s, 2):
        got = np.asarray(symbolic(s, key).closed_form.contributions(s.u, s.run))
        if found := s.differs(got.sum((0, 1)), total(s, key), s.scale(key)):
            return f"d{key}: {found}"
        inside = s.triangles[key][:, 1:]
        if key in s.case.parameters and s.case.plain_total and np.abs(s.triangles[key][:, 0]).max(initial=0) == 0:
            if np.abs(inside.sum((0, 1)) - total(s, key)).max(initial=0) > 1e-9 * s.scale(key):
                continue
            if found := s.differs(got, inside, s.scale(key)):
                return f"d{key}: triangle: {found}"
    return None


# -- printed code ------------------------------------------------------------------------------------------------------


def arguments(s: Subject, code: Any, example: int) -> dict[str, Any]:
    """What the printed function takes: sequences whose row t is step t (rows before the first step stand at the end, as
    in Python)."""
    c = s.case
    values: dict[str, dict[Any, Array]] = {}
    for n, v in s.values.items():
        base, step = place(n)
        values.setdefault(base, {})[step] = v
    for key in s.world.data:
        base, step = place(key)
        base_name = key if key.startswith("dE_d") else base
        if key in c.parameters or step is not None:
            values.setdefault(base_name, {})[step] = s.world.leaf(key, None, None)
        else:
            # of a loss that is given, the step of its output
            ahead = c.defined[key[4:]].index if key.startswith("dE_d") else 0
            for t in range(1, c.steps + 1):
                values.setdefault(base_name, {})[t + ahead] = s.world.leaf(key, t, None)
    if c.total is not None:
        values.setdefault(c.total, {})[None] = s.world.value(c.total, None)
    found: dict[str, Any] = dict.fromkeys(code.lengths, c.steps)
    for argument, base in code.arguments.items():
        if base not in values:
            raise LookupError(f"the printed function asks for {base}")
        rows = {step: v[0, example if v.shape[1] > 1 else 0] for step, v in values[base].items()}
        if set(rows) == {None}:
            found[argument] = rows[None]
            continue
        rows.pop(None, None)
        found[argument] = np.zeros((c.steps + 8, *next(iter(rows.values())).shape))
        for step, row in rows.items():
            found[argument][step] = row
    return found


def run_code(s: Subject, code: Any, keys: list[str]) -> str | None:
    """The text in a namespace of its own; `code` says which argument is which name of the equations."""
    space: dict[str, Any] = {}
    exec(compile(code.text, "<printed>", "exec"), space)
    function = space[code.function]
    if list(inspect.signature(function).parameters) != [*code.lengths, *code.arguments]:
        return "the function takes other arguments than the code says"
    sums: dict[str, Any] = {}
    for example in range(s.batch):
        for key, value in function(**arguments(s, code, example)).items():
            sums[key] = sums.get(key, 0) + np.asarray(value)
    for key in keys:
        named = general(s, key)
        if named not in sums:
            return f"the code returns no d{key}"
        if found := s.differs(sums[named], total(s, key), s.scale(key)):
            return f"d{key}: {found}"
    return None


def compare_code(s: Subject) -> str | None:
    """The printed NumPy code of one gradient, executed."""
    for key in chosen(s, 2):
        g = symbolic(s, key)
        if s.case.steps < g.least:
            continue
        if found := run_code(s, g.printed(), [key]):
            return found
    return None


def compare_code_all(s: Subject) -> str | None:
    """The printed code of all gradients, executed: parameters and initial states."""
    g = symbolic(s, "all")
    return None if s.case.steps < g.least else run_code(s, g.printed(), s.leaf_keys)


# -- verdicts ----------------------------------------------------------------------------------------------------------


def compare_check(s: Subject) -> str | None:
    """The check of a derivation, on the data of the case and on its own instance."""
    for key in chosen(s, 1):
        for data in (s.data, None):
            report = s.u.derive(key).check(data)
            if not report.right:
                where = "its own instance" if data is None else "the data"
                return f"the check of d{key} on {where} says: " + " ".join(str(report).split())[-160:]
    return None


def compare_verify(s: Subject) -> str | None:
    """A right answer is right; one with an entry changed, far beyond rounding, is wrong."""
    answer = {k: s.cleared(k) for k in s.leaf_keys}
    if all(np.abs(s.gradients[k]).max(initial=0.0) <= LOST for k in answer):
        return None  # hump(50): the complex step cannot tell
    verdict = bg.verify(s.u, answer, data=s.data)
    # of ½|b − b|², and of tanh(50), nothing is left but rounding, so that 0 is no answer that could be told from others
    lost = {n for n in answer if np.abs(answer[n]).max(initial=0.0) <= LOST}
    undecided = {n for n, p in verdict.parameters.items() if p.status == "undecidable" and n in lost}
    if any(not p.status.startswith("right") for n, p in verdict.parameters.items() if n not in undecided):
        return "a right answer is wrong: " + " ".join(str(verdict).split())[:160]
    key = chosen(s, 1)[0]
    spoilt = np.array(answer[key], float)
    spoilt.flat[s.case.data_seed % spoilt.size] += OFF * s.scale(key)
    if bg.verify(s.u, {**answer, key: spoilt}, data=s.data).parameters[key].status.startswith("right"):
        return f"d{key} with an entry off by {OFF * s.scale(key):.1e} is right"
    return None


def compare_instance(s: Subject) -> str | None:
    """The package's own instance: what the recurrence reads and nothing else, inside the domain of its functions; its
    run is right."""
    c = s.case
    given = s.u.instance(seed=c.data_seed % 7, batch=c.batch)
    data = {}
    for key, value in given.items():
        n = key.partition("[")[0]
        whole = np.asarray(value).dtype.kind == "i"
        data[key] = np.eye(c.shapes[n][0])[value] if whole else value
        proper = c.kinds.get(n) != "distribution" or (
            np.all(data[key] >= 0) and np.abs(data[key].sum(-1) - 1).max() < 1e-12
        )
        if not proper:
            return f"{key} is no distribution"
    own = Subject(replace(c, kinds=dict.fromkeys(c.kinds, ""), single=frozenset(), absent=frozenset()))
    own.__dict__.update(u=s.u, rec=s.rec)
    own.__dict__["world"] = World(own.case, data, outputs=s.outputs)
    with np.errstate(all="ignore"):
        finite = np.isfinite(own.loss)
    if not finite:
        s.u.run(given).finite()  # squares of squares outgrow any number: then it says so
        return "the instance lies outside the domain of a function: the loss is not finite"
    if extra := set(own.world.data) ^ set(data):
        return f"the instance and what is read differ by {sorted(extra)[0]}"
    run = s.u.run(given)
    return own.differs(run.loss, own.loss, own.size * own.batch * c.steps)


def compare_truncation(s: Subject) -> str | None:
    """Windows and chunks leave out cells of the triangle, and nothing else."""
    c = s.case
    backwards = any(
        n.op == "name" and isinstance(n.value[1], int) and n.value[1] > 0 for e in c.equations for n in e.right.walk()
    )
    apart = any(
        e.index if isinstance(e.index, int) else isinstance(e.index, tuple) and e.index[1] < 0 for e in c.equations
    )
    if c.steps < 2 or not c.plain_total or backwards or apart:
        return None
    for rule, window, stride in (("sliding:2", 2, 1), ("chunk:2", 2, 2), ("3;2", 3, 2)):
        run = s.rec.unroll(**c.options(), truncate=rule).run(s.data)
        for key in c.parameters:
            if key not in s.leaf_keys:
                continue
            kept = s.triangles[key].copy()
            if np.abs(kept.sum((0, 1)) - total(s, key)).max(initial=0) > 1e-9 * s.scale(key):
                continue  # a use without a step
            for t in range(1, c.steps + 1):
                low = -(-t // stride) * stride - window  # the gradient is not sent from step low + 1 back to low
                if low >= (1 if window == stride else 0):  # chunks keep the initial state
                    kept[t - 1, : low + 1] = 0
            if found := s.differs(run.gradients[key], kept.sum((0, 1)), s.scale(key)):
                return f"{rule}: d{key}: {found}"
    return None
