"""Tying an answer to an instance: formulas are evaluated, a function is run, and arrays are put under the recurrence's
names.

A gradient may be called `dW_hh`, `W_hh`, `dE/dW_hh`, `∂L/∂W_hh`, `grad_W_hh` or `W_hh.grad`; `dh0` is that of the
initial state h[0], `dh[2]` that of the variable h[2], `dx` that of a whole input sequence.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.rounding import rounding_error
from ...equations.text import brief
from ...errors import BPTTError, nearest
from ..answers.asked import Asked, asked, delta_step, target_of
from ..answers.claims import claims
from ..answers.files import Numbers, numbers_of, rounded_alike
from ..answers.formulas import Formulas
from ..answers.given import PLAIN, Answer, Given, Reading
from ..answers.reading import Raw
from ..programs.functions import call, run_file
from ..truth.comparing import status_of
from ..truth.forward import returned_loss
from .jacobians import measured

if TYPE_CHECKING:
    from ...core.graph import Node
    from ...unrolled import Unrolled
    from ..truth.truth import Truth

__all__ = ["to_answer"]


def _unknown(u: Unrolled, source: str, keys: list[str]) -> BPTTError:
    names = [f"d{n}" for n in u.numbers.leaf_nodes]
    return BPTTError(
        f"{source}: nothing here is called {', '.join(k[:60] for k in keys[:5])}", nearest(keys[0][:60], names)
    )


def to_answer(truth: Truth, raw: Raw, reading: Reading = PLAIN) -> Answer:
    """Tie an answer to the instance of `truth`: evaluate formulas, run a function, put arrays under the recurrence's
    names.

    `reading` says how formulas are read where their text leaves it open.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.answers.reading import read_answer
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> answer = to_answer(Truth(u, u.instance()), read_answer("db_y = sum_t (y[t] - target[t])"))
        >>> list(answer.given), answer.kind
        (['b_y'], 'formulas')
    """
    u = truth.u
    if raw.text:
        return _formulas(truth, raw, reading)
    numbers, kind = raw.numbers, "function" if raw.ran else "arrays"
    if raw.function is not None:
        kind = "function"
        names = list(u.parameters)
        made = (
            run_file(raw.function, truth.data, names)
            if isinstance(raw.function, str)
            else call(raw.function, truth.data, names)
        )
        numbers = {k: numbers_of(v, f"{raw.source}: {k}") for k, v in made.items()}
        raw = dataclasses.replace(
            raw, forward=returned_loss(truth, raw.function, truth.data, numbers, lambda key: target_of(u, key))
        )
    given: dict[str, Given] = {}
    unknown, notes = [], []
    numbers = rounded_alike(numbers)
    for key, n in numbers.items():
        name = target_of(u, key)
        if name is None:
            unknown.append(key)
            continue
        if name in given:
            raise BPTTError(f"{raw.source}: {name} is given twice", "give each gradient once")
        given[name] = Given(name, n.value.astype(float), n.half, n.unit)
    for key in unknown:
        if _second_bias(truth, key, numbers[key], given, numbers):
            notes.append(f"{key}: a second bias of the same sum; its gradient equals that of the one bias here")
        elif delta_step(key) is None:
            raise _unknown(u, raw.source, [key])
        else:
            given[key] = Given(key, numbers[key].value.astype(float), numbers[key].half, numbers[key].unit)
    if not given:
        raise _unknown(u, raw.source, unknown or ["(nothing)"])
    return Answer(given, kind, truth.data, raw.source, tuple(notes), forward=raw.forward)  # type: ignore[arg-type]


def _second_bias(truth: Truth, key: str, n: Numbers, given: dict[str, Given], numbers: Mapping[str, Numbers]) -> bool:
    """b_ih and b_hh where there is one b: both have its gradient. One of them is then judged as b."""
    stem = re.sub(r"^(d|grad_|dE/d|dL/d)", "", key).removesuffix(".grad").removesuffix("_grad")
    if not re.fullmatch(r"b(ias)?_?(ih|hh|xh|hx|i|h)?(_l\d+)?", stem):
        return False
    alike = [
        p
        for p, node in truth.u.parameters.items()
        if len(node.shape) == 1 and node.shape == n.value.shape and p.startswith("b")
    ]
    near = [p for p in alike if p in given] or [
        p for p in alike if np.all(np.abs(n.value - truth.value(p)) <= truth.radius(p, n.unit))
    ]
    if not near:
        return False
    name = near[0]
    if name not in given:
        given[name] = Given(name, n.value.astype(float), n.half, n.unit)
        return True
    half = sum(h for h in (given[name].half, n.half) if h is not None)
    return bool(
        np.all(np.abs(given[name].value - n.value) <= 2 * truth.radius(name, max(n.unit, given[name].unit)) + half)
    )


# -- formulas ----------------------------------------------------------------------------------------------------------


def _formulas(truth: Truth, raw: Raw, reading: Reading) -> Answer:
    """Evaluate formulas on the values of the forward pass, and how far rounding carries this very arrangement."""
    u = truth.u
    formulas = Formulas(u, raw.text, truth.run.batch or 1, reading)
    gradients = asked(u, formulas)
    nodes, equations_of = [], []
    for name, a in gradients.items():
        nodes.append(formulas.total(a.base, a.steps, _target(truth, name)))
        equations_of.append(formulas.equation(a.base, a.steps[-1]))
    said = claims(formulas, not gradients)
    unread = _unread(truth, formulas)
    with np.errstate(all="ignore"):
        values = truth.run.read_nodes(nodes, unread)
        errors = truth.run.read_nodes(nodes, unread, rounding_error)
    given = {}
    for name, node, value, error, e in zip(gradients, nodes, values, errors, equations_of):
        shared = u.nodes.get(name) in truth.run.shared_leaves
        value, error = np.asarray(value, float), np.asarray(error, float)
        if not np.all(np.isfinite(value)):
            raise BPTTError(f"the formula for {e.left[0].name} gives {value[~np.isfinite(value)][0]}",
                            "look for a division by zero or a power", text=formulas.text, span=e.span)  # fmt: skip
        if node.batched and (truth.run.batch is None or shared):
            value, error = (a.sum(axis=0) if a.ndim > len(node.shape) else a for a in (value, error))
        given[name] = Given(name, value, None, 2.0**-53, e.text, e.span, error, gradients[name].aside)
    disagreeing = _other_sides(truth, formulas, gradients, given, unread)
    notes = (*formulas.notes, *disagreeing, *(a.note for a in gradients.values() if a.note))
    return Answer(
        given,
        "formulas",
        truth.data,
        raw.source,
        notes,
        formulas.text,
        tuple(sorted(formulas.ordered)),
        reading,
        open=tuple(sorted(formulas.open)),
        jacobians=tuple(measured(truth, said, formulas.text, unread)),
    )


def _other_sides(
    truth: Truth, formulas: Formulas, gradients: Mapping[str, Asked], given: dict[str, Given], unread: Any
) -> list[str]:
    """Put what is wrong by another right side of `a = b = c` in the place of what is right by the first one."""
    notes: list[str] = []
    for base, number, e in formulas.others[:MOST_SIDES]:
        changed = formulas.changed(base, number, e.right)
        try:
            nodes = [changed.total(a.base, a.steps, _target(truth, name)) for name, a in gradients.items()]
            with np.errstate(all="ignore"):
                values = truth.run.read_nodes(nodes, unread)
        except BPTTError:
            if not _same(truth, formulas, changed, base, unread):
                notes.append(
                    f"line {e.span.line}: the right side {brief(e.right)} was left out: it cannot be evaluated"
                )
            continue
        for (name, g), node, value in zip(list(given.items()), nodes, values):
            value = np.asarray(value, float)
            if node.batched and (truth.run.batch is None or _shared(truth, name)):
                value = value.sum(axis=0) if value.ndim > len(node.shape) else value
            other = dataclasses.replace(g, value=value)
            if status_of(truth, g)[0] is not None and status_of(truth, other)[0] is None:
                given[name] = other
                notes.append(f"line {e.span.line}: the right sides are not equal; {brief(e.right)} is another one")
    return list(dict.fromkeys(notes))


def _same(truth: Truth, formulas: Formulas, changed: Formulas, base: str, unread: Any) -> bool:
    """Whether a value is the same by another right side, at all its steps; False if that cannot be evaluated.

    Raises:
        BPTTError: it is not.
    """
    steps: list[int | None] = [*formulas.steps_of(base)] or [None]
    try:
        pairs = [(formulas.value(base, t).node, changed.value(base, t).node) for t in steps]
    except BPTTError:
        return False
    nodes = [(a, b) for a, b in pairs if a is not None and b is not None]
    with np.errstate(all="ignore"):
        values = truth.run.read_nodes([n for pair in nodes for n in pair], unread)
    for a, b in zip(values[::2], values[1::2]):
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-9, atol=1e-12):
            line = formulas.defined[base][0]
            raise formulas.error(
                f"the right sides of {line.left[0].name} are not equal", line, "keep the one that you mean"
            )
    return True


MOST_SIDES = 24


def _shared(truth: Truth, name: str) -> bool:
    return truth.u.nodes.get(name) in truth.run.shared_leaves


def _target(truth: Truth, name: str) -> Node:
    known = truth.u.nodes.get(name)
    return known if known is not None else truth.candidates(delta_step(name) or ("", 0))[0]


def _unread(truth: Truth, formulas: Formulas) -> dict[Any, Any]:
    """Data that the recurrence does not read but the formulas do: targets of steps whose loss does not count."""
    admitted, batch = truth.run._admitted, truth.run.batch or 1
    return {
        node: np.broadcast_to(admitted.array(key)[row], (batch, *node.shape))
        for node, (key, row) in formulas.unread.items()
    }
