"""`verify`: the verdict on an answer, gradient by gradient.

In this order: right (within rounding), right to the digits given, another convention, undecidable here, wrong; a wrong
one is handed to the diagnosis. There are no tolerances to choose: how far rounding and the digits typed may carry a
right answer is computed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..equations import Recurrence
from ..errors import BPTTError, expect
from ..unrolled import Unrolled
from . import conventions
from .answers import Raw, read_answer, split_data, steps_of, to_answer
from .comparing import digits_apart, radius_of, relaid, status_of
from .feedback import level
from .forward import Ran, last_digits
from .generic import faults, visible
from .meant import inner, settle_alike, shaped
from .model import Answer, Cause, Given, ParameterVerdict, Verdict
from .quotients import recognised
from .truth import Truth

__all__ = ["judge", "verify"]

Array = np.ndarray[Any, Any]
STEPS = 5  # of an instance that we choose
ANOTHER = Cause(
    "unexplained",
    "Wrong for the forward pass that was run as well; as that is another function, no cause is looked for.",
)


def verify(
    recurrence: Recurrence | Unrolled,
    answer: Any,
    data: Mapping[str, Any] | None = None,
    *,
    seed: int | None = None,
    batch: int | None = None,
    feedback: str = "why",
    certify: bool = False,
    profile: str | None = None,
) -> Verdict:
    """Judge a gradient that somebody has derived.

    Args:
        recurrence: a `Recurrence` (unrolled over the steps of the data, or 5), or an `Unrolled` with its loss steps and
            truncation.
        answer: a mapping from names to arrays or formulas, a text of formulas, the path of a file (`.npz`, `.json`,
            `.csv`, or formulas in any other), `"file.py:function"`, or a function.
        data: the instance on which arrays were computed. By default the one in the answer's file, or `u.instance(seed,
            batch)`.
        seed, batch: of that instance (0 and None).
        certify: also prove the truth by ball arithmetic (needs `bpttgraph[certify]`; small models).
        feedback: how much `str(verdict)` says: "none", "verdict", "where", "why" or "full" (with the true numbers).
        profile: a course, such as "cs231n-lstm": `answer` and `data` are in its names and layout, and its equations
            count; of `recurrence`, the steps, losses and truncation.

    Returns:
        A `Verdict`: `.right`, `.parameters[name].status` and `.cause`, `.report()`, `.to_json()`.

    Raises:
        BPTTError: the answer cannot be read, or does not fit the recurrence; the instance hides mistakes and was ours
            to choose.

    Example:
        >>> import bpttgraph as bg
        >>> verdict = bg.verify(bg.cell("rnn"), "db_y = sum_t (y[t] - target[t])")
        >>> verdict.parameters["b_y"].status
        'right'
    """
    whole = "give bpttgraph.recurrence(…), bpttgraph.cell(…), or one unrolled"
    expect(recurrence, (Recurrence, Unrolled), "what an answer is compared with", whole)
    expect(data, (Mapping, type(None)), "data", "give a mapping from names to arrays, as u.instance() does")
    if profile is not None:
        from .profiled import unrolling, verify as by_profile

        return by_profile(
            profile, answer, data, seed=seed, batch=batch, feedback=feedback, certify=certify, **unrolling(recurrence)
        )
    raw = read_answer(answer)
    if isinstance(recurrence, Recurrence):
        own = (
            steps_of(Raw("", data=dict(data)), recurrence.inputs)
            if data is not None
            else steps_of(raw, recurrence.inputs)
        )
        recurrence = recurrence.unroll(own or (None if recurrence.blocks else max(STEPS, recurrence.steps_hint)))
    u = recurrence
    if u.recurrence.abstract:
        names = ", ".join(u.recurrence.abstract)
        raise BPTTError(
            f"{names}: abstract, so there are no numbers to compare", f"bind with --let {u.recurrence.abstract[0]}=tanh"
        )
    raw = dataclasses.replace(raw, numbers=dict(raw.numbers))
    brought = data if data is not None else split_data(u, raw)
    if brought:
        instance = "the instance handed in" if data is None else "the data given"
        data = _one_hot(u, brought)
    else:
        seed = raw.settings.get("seed", 0) if seed is None else seed
        batch = raw.settings.get("batch") if batch is None else batch
        instance = f"a generic random instance, seed {seed}" + (f", batch of {batch}" if batch else "")
        data = u.instance(seed, batch)
    # what we evaluate ourselves may be evaluated where everything shows; arrays were computed on the instance of the
    # seed
    ours = not brought and bool(raw.text or raw.function)
    truth = visible(u, data) if ours else Truth(u, data)
    truth.run.finite()
    hidden = faults(truth)
    serious = [sentence for bad, sentence in hidden if bad]
    if serious and not brought:
        raise BPTTError(f"this instance is not generic, so mistakes could hide: {serious[0]}",
                        "choose at least 3 steps; the answer may bring its own data as well")  # fmt: skip
    verdict = _judged(truth, raw)
    verdict.instance = f"{instance}: T = {', '.join(map(str, u.steps.values()))}" + (
        f", batch of {truth.run.batch}" if truth.run.batch else ""
    )
    verdict.notes += [u.schedule.fault] if u.schedule.fault else []
    verdict.notes += [f"this instance cannot show everything: {sentence}" for _, sentence in hidden]
    if certify:
        verdict.oracle += "; " + truth.certify([n for n in verdict.parameters if n in truth.run.numbers.leaf_nodes])
    level(feedback)
    verdict.feedback = feedback
    return verdict


def _judged(truth: Truth, raw: Raw) -> Verdict:
    """The verdict; products over steps that are printed without an order are read in the one in which the answer is
    right."""
    answer = to_answer(truth, raw)
    if not answer.ordered:
        return judge(truth, answer)
    other = to_answer(truth, raw, ascending=True)
    wrong, also = (judge(truth, a, explain=False).wrong for a in (answer, other))
    chosen = other if len(also) < len(wrong) else answer
    verdict = judge(truth, chosen)
    if chosen is answer and wrong and also and not any(p.cause for p in verdict.parameters.values()):
        explained = judge(truth, other)
        if any(p.cause for p in explained.parameters.values()):
            chosen, verdict = other, explained
    sides = ("earliest", "latest") if chosen is other else ("latest", "earliest")
    lines = f"line{'s' if len(answer.ordered) > 1 else ''} {', '.join(map(str, answer.ordered))}"
    better, worse = (also, wrong) if chosen is other else (wrong, also)
    if wrong or also:
        how = (
            "in the other order it is wrong as well"
            if better
            else f"in the other order d{', d'.join(worse)} would be wrong"
        )
        verdict.notes.append(f"{lines}: the product over steps is read with the {sides[0]} step on the left; {how}")
    return verdict


def _one_hot(u: Unrolled, data: Mapping[str, Any]) -> dict[str, Any]:
    """Class targets that a CSV or JSON file wrote as numbers with a point are still classes."""
    found = {}
    for key, value in data.items():
        array = np.asarray(value)
        slot = u.slots.get(key)
        if (
            slot is not None
            and slot.classes
            and array.dtype.kind == "f"
            and array.shape[1:] != slot.shape
            and np.all((array == np.round(array)) & (np.abs(array) < 2**53))
        ):
            array = array.astype(int)
        found[key] = array
    return found


@np.errstate(all="ignore")  # numbers that were handed in may be of any size; what overflows fits nothing
def judge(truth: Truth, answer: Answer, explain: bool = True) -> Verdict:
    """The verdict on an answer that is tied to the instance of `truth`, with or without causes."""
    oracle = truth.agree()
    forward = answer.forward
    if forward is not None:
        truth = Ran(truth, forward)
        explain = explain and forward.near
    given = {name: shaped(truth, g, answer) for name, g in answer.given.items()}
    settle_alike(truth, given)
    found = inner(truth, given)
    for name, g in given.items():
        if name in found:
            continue
        status, radius = status_of(truth, g)
        if status == "right" and forward is not None and name in forward.digits:
            status = "right to the digits given"
        if status:
            note = "the digits given leave too much open" if status == "undecidable" else ""
            found[name] = ParameterVerdict(name, status, g.value, truth.value(name), radius, note=note)
    quotients = recognised(truth, {n: g for n, g in given.items() if n not in found and answer.kind != "formulas"})
    for name in (n for n, q in quotients.items() if q.right):
        value, radius = truth.value(name), radius_of(truth, given[name])
        found[name] = ParameterVerdict(
            name, "right to the digits given", given[name].value, value, radius, note=str(quotients[name])
        )
    rest = {n: g for n, g in given.items() if n not in found}
    if rest and answer.kind == "function" and forward is None:
        forward = last_digits(truth, given, rest.keys())
        if forward is not None:
            return judge(truth, dataclasses.replace(answer, forward=forward), explain)
    factor = _other_convention(truth, given, found) if rest else 1.0
    wrong = [n for n in given if n not in found]
    if any(not given[n].aside for n in wrong) and (beside := [n for n in wrong if given[n].aside]):
        # what no gradient reads may inherit what is wrong in them, so that it says nothing of itself
        lines = dict.fromkeys(g.span.line for g in (given[n] for n in beside) if g.span is not None)
        inherited = (
            f"line {line}: not the gradient that its name says; no gradient that is asked for reads it"
            for line in lines
        )
        answer = dataclasses.replace(answer, notes=(*answer.notes, *inherited))
        given = {n: g for n, g in given.items() if n not in beside}
        wrong = [n for n in wrong if n in given]
    turned = [name for name in wrong if given[name].value.shape != truth.value(name).shape]
    for name in wrong:
        # an answer that is wrong in another layout is explained in ours
        g = given[name] = relaid(given[name], truth.value(name), bool(turned) and name in truth.u.parameters)
        if factor != 1.0:
            half = None if g.half is None else g.half / abs(factor)
            g = given[name] = dataclasses.replace(g, value=g.value / factor, half=half)
        unit = truth.undecidable(name, g.unit)
        value = truth.value(name)
        if g.value.shape != value.shape:
            raise BPTTError(
                f"{answer.source}: the gradient by {name} has shape {g.value.shape}, but {name} has shape"
                f" {value.shape}",
                "hand it in in the shape of the parameter, or transposed",
            )
        status = "undecidable" if unit else "wrong"
        found[name] = ParameterVerdict(name, status, g.value, value, radius_of(truth, g), note=unit)  # type: ignore[arg-type]
    if turned:
        answer = dataclasses.replace(
            answer,
            notes=(*answer.notes, f"{', '.join(turned)}: read in the shape of the parameter, transposed or flattened"),
        )
    mixed = _mixed({n: p for n, p in found.items() if n in truth.u.parameters})
    unexplained = [n for n in wrong if found[n].status == "wrong"] if explain else []
    causes = _causes(truth, dataclasses.replace(answer, given=given), unexplained)
    if forward is not None and not forward.near:
        causes = {n: ANOTHER for n in wrong if found[n].status == "wrong"}
    for name in (n for n in causes if n in quotients):
        causes[name] = Cause("exact", f"∂E/∂{name}: {quotients[name]}.", (("differences",),))
    for name, cause in causes.items():
        found[name] = dataclasses.replace(found[name], because=cause)
    scale, said = {n: truth.scale(n) for n in given}, forward.text if forward is not None else ""
    return Verdict(
        {n: found[n] for n in given},
        truth.u.recurrence.title,
        tuple(truth.u.conventions),
        described(truth),
        oracle,
        [*filter(None, (said,)), *answer.notes, *mixed],
        forward=said,
        scale=scale,
        unit={n: g.unit for n, g in given.items()},
        unrolled=truth.u,
    )


def described(truth: Truth) -> str:
    return f"T = {', '.join(map(str, truth.u.steps.values()))}"


def _other_convention(truth: Truth, given: Mapping[str, Given], found: dict[str, ParameterVerdict]) -> float:
    """Mark what is right in another convention; returns the factor that the whole answer has."""
    tried = 0

    def fits(name: str, value: Array, radius: Array) -> bool:
        nonlocal tried
        tried += 1
        g = given[name]
        extra = g.half if g.half is not None else 0.0
        return g.value.shape == value.shape and bool(np.all(np.abs(g.value - value) <= radius + extra))

    names = {n: g.unit for n, g in given.items() if n not in truth.alias}
    if not {n for n in given if n not in found} & names.keys():
        return 1.0
    right = {n for n, p in found.items() if n in names and p.status.startswith("right")}
    others, factor = conventions.find(truth, names, right, fits)
    others = {n: c for n, c in others.items() if n not in found}  # too few digits to decide stay too few
    chance = sum(digits_apart(truth, given[n]) for n in others) < np.log10(max(tried, 1)) + 1
    for name, convention in others.items():
        g = given[name]
        true, radius = (convention.apply(a) for a in (truth.value(name), truth.radius(name, g.unit)))
        radius = np.abs(radius) + (g.half if g.half is not None else 0.0)
        if chance:
            note = f"too few digits to tell whether it is meant in another convention ({convention.words})"
            found[name] = ParameterVerdict(
                name, "undecidable", g.value, truth.value(name), radius_of(truth, g), note=note
            )
        else:
            found[name] = ParameterVerdict(name, "convention", g.value, true, radius, convention=convention.words)
    return 1.0 if chance else factor


def _mixed(found: Mapping[str, ParameterVerdict]) -> list[str]:
    """A note on matrices that are laid out differently from the rest."""
    matrices = {n: "transposed" in p.convention for n, p in found.items() if p.given.ndim == 2 and p.status != "wrong"}
    turned = [f"d{n}" for n, t in matrices.items() if t]
    if not turned or len(turned) == len(matrices):
        return []
    verb = "are" if len(turned) > 1 else "is"
    return [
        f"{', '.join(turned)} {verb} transposed, other matrices are not: handed in with their parameter, the update"
        " would be wrong"
    ]


def _causes(truth: Truth, answer: Answer, wrong: list[str]) -> dict[str, Cause]:
    """What the diagnosis says of the wrong ones."""
    if not wrong or find_spec("bpttgraph.homework.diagnosis") is None:
        return {}
    diagnose = import_module(".diagnosis", __package__).diagnose
    return dict(diagnose(truth, answer, wrong))
