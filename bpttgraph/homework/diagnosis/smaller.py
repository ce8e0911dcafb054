"""The same question on another instance: few steps, small sizes, one example, so that answers are evaluated quickly and
nothing hides.

    >>> import bpttgraph as bg
    >>> u = bg.cell("rnn").unroll(9, sizes={"h": 7})
    >>> small = generic(Truth(u, u.instance(batch=3)))
    >>> small.u.columns, small.run.batch, small.value("b_h").shape
    (4, None, (4,))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import BPTTError
from ..truth.truth import Truth

__all__ = ["alike", "alone", "generic"]

STEPS = 4
MOST_STEPS = 12


def generic(truth: Truth) -> Truth:
    """With sizes that all differ.

    Raises:
        BPTTError: with fewer steps it would be another question.
    """
    return _smaller(truth, None)


def alike(truth: Truth) -> Truth:
    """With the sizes that were asked for, which an answer may need."""
    u = truth.u
    return _smaller(truth, {n: s[0] for n, s in u.shapes.items() if len(s) == 1 and n not in u.parameters})


def alone(truth: Truth) -> Truth:
    """The steps that were asked for, with one example."""
    if truth.u.columns > MOST_STEPS:
        raise BPTTError("too many steps to look at each")
    return Truth(truth.u, truth.u.instance(seed=3, batch=None))


def _smaller(truth: Truth, sizes: Mapping[str, Any] | None) -> Truth:
    u = truth.u
    last, every = u.loss_steps == (u.steps[None],) if None in u.steps else False, len(u.loss_steps) == u.columns
    if u.recurrence.blocks or u.truncation is not None or not (last or every):
        raise BPTTError("other steps would be another question")
    numbers = {name: () for name, shape in u.shapes.items() if not shape and name not in u.recurrence.targets}
    if sizes is None:
        sizes = 1 if not any(u.shapes.values()) else {n: s for n, s in numbers.items() if n in u.slots}  # type: ignore[assignment]
    made = u.recurrence.unroll(STEPS, "last" if last else "every", sizes, None, u.inputs, u.reduce)
    return Truth(made, made.instance(seed=3, batch=None))
