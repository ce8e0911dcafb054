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
from ...errors import BPTTError, nearest
from ..answers.asked import asked, delta_step, target_of
from ..answers.files import Numbers, numbers_of, rounded_alike
from ..answers.formulas import Formulas
from ..answers.given import Answer, Given
from ..answers.reading import Raw
from ..programs.functions import call, run_file
from ..truth.forward import returned_loss

if TYPE_CHECKING:
    from ...unrolled import Unrolled
    from ..truth.truth import Truth

__all__ = ["to_answer"]


def _unknown(u: Unrolled, source: str, keys: list[str]) -> BPTTError:
    names = [f"d{n}" for n in u.numbers.leaf_nodes]
    return BPTTError(
        f"{source}: nothing here is called {', '.join(k[:60] for k in keys[:5])}", nearest(keys[0][:60], names)
    )


def to_answer(truth: Truth, raw: Raw, ascending: bool = False) -> Answer:
    """Tie an answer to the instance of `truth`: evaluate formulas, run a function, put arrays under the recurrence's
    names.

    `ascending` is the order in which formulas' products over steps are read, where they have none of their own.

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
        return _formulas(truth, raw, ascending)
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


def _formulas(truth: Truth, raw: Raw, ascending: bool) -> Answer:
    """Evaluate formulas on the values of the forward pass, and how far rounding carries this very arrangement."""
    u = truth.u
    formulas = Formulas(u, raw.text, truth.run.batch or 1, ascending)
    gradients = asked(u, formulas)
    nodes, equations_of = [], []
    for name, a in gradients.items():
        known = u.nodes.get(name)
        target = known if known is not None else truth.candidates(delta_step(name) or ("", 0))[0]
        nodes.append(formulas.total(a.base, a.steps, target))
        equations_of.append(formulas.equation(a.base, a.steps[-1]))
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
    notes = (*formulas.notes, *(a.note for a in gradients.values() if a.note))
    return Answer(
        given, "formulas", truth.data, raw.source, notes, formulas.text, tuple(sorted(formulas.ordered)), ascending
    )


def _unread(truth: Truth, formulas: Formulas) -> dict[Any, Any]:
    """Data that the recurrence does not read but the formulas do: targets of steps whose loss does not count."""
    admitted, batch = truth.run._admitted, truth.run.batch or 1
    return {
        node: np.broadcast_to(admitted.array(key)[row], (batch, *node.shape))
        for node, (key, row) in formulas.unread.items()
    }
