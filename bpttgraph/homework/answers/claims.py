"""Jacobians as answers: `∂h[t]/∂h[t-1] = …`, `∂h[t]/∂h[k] = ∏ …`, `∂h[t]/∂W = ∑ …`, at every pair of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...core import primitives as P
from ...core.graph import Node, constant
from ...equations.syntax import Equation, Index, Partial
from ...equations.text import show
from .columns import Value

if TYPE_CHECKING:
    from .formulas import Formulas

__all__ = ["Claim", "claims"]

MOST_PAIRS = 2_000


@dataclass(frozen=True)
class Claim:
    """What one line says of a derivative, as nodes.

    Args:
        steps: the pairs of steps at which it says it. given: what it says there. true: what it is, in numerator layout.
        held: what it is while all other values of the earlier step are held constant, where that is another thing.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.answers.formulas import Formulas
        >>> made = Formulas(bg.cell("rnn").unroll(3), "dh[t]/dh[t-1] = diag(1-h[t]^2) W_hh")
        >>> [c.name for c in claims(made)], claims(made)[0].steps
        (['dh[t]/dh[t-1]'], [(1, 0), (2, 1), (3, 2)])
    """

    name: str
    equation: Equation
    steps: list[tuple[int | None, int | None]]
    given: list[Node]
    true: list[Node]
    held: list[Node]


def claims(formulas: Formulas, all_of_them: bool = False) -> list[Claim]:
    """What the lines of an answer say of derivatives of variables; with `all_of_them` also of those of the loss.

    Raises:
        BPTTError: a line that cannot be evaluated, or says nothing at any step.
    """
    found = []
    for (of, by), lines in formulas.jacobians.items():
        for line in lines if of or all_of_them else ():
            assert line.partial is not None
            right = line.right
            if isinstance(right, Partial) and show(right) == show(line.partial):
                raise formulas.error(f"{show(right)} is defined by itself", right, "write what it equals")
            found.append(_claim(formulas, of, by, line, line.partial))
    return found


def _claim(formulas: Formulas, of: str, by: str, line: Equation, partial: Partial) -> Claim:
    steps, given, true, held = [], [], [], []
    for above, below in _pairs(formulas, partial.top.index, partial.bottom.index):
        top, bottom = formulas.ends(partial, of, by, above, below)
        if top is None or bottom is None or not formulas.speaks(line, of, by, above, below):
            continue
        truth = formulas.derivatives.of(top, bottom, partial.immediate)
        value = formulas.pair_value(line, of, by, above, below)
        steps.append((above, below))
        wide = int(np.prod(bottom.shape)) if len(bottom.shape) > 1 else 0
        shape = (*top.shape, *(bottom.shape if not (wide and top.shape) else (wide,)))
        true.append(_whole(truth, shape))
        given.append(_whole(value, shape))
        if bottom in formulas.derivatives.others(top):
            held.append(_whole(formulas.derivatives.direct(top, bottom), shape))
    if not steps:
        raise formulas.error("this derivative is at no step of the recurrence", line.left[0], "write ∂h[t]/∂h[t-1]")
    name = show(partial) if partial.immediate else show(partial).replace("∂", "d")
    return Claim(name, line, steps, given, true, held if len(held) == len(steps) else [])


def _pairs(formulas: Formulas, above: Index | None, below: Index | None) -> list[tuple[int | None, int | None]]:
    """The steps of a left side: every t, and every k before it."""
    last = formulas.last

    def at(index: Index | None, value: int) -> int | None:
        if index is None:
            return None
        return (0 if index.variable is None else last if index.variable == "T" else value) + index.offset

    free = {i.variable for i in (above, below) if i is not None and i.variable not in (None, "T")}
    if len(free) < 2:
        return list(dict.fromkeys((at(above, t), at(below, t)) for t in range(1, last + 1)))
    pairs = [(at(above, t), at(below, k)) for t in range(1, last + 1) for k in range(1, t + 1)]
    return [p for p in dict.fromkeys(pairs) if p[0] is not None and p[1] is not None and p[1] < p[0]][:MOST_PAIRS]


def _whole(value: Value, shape: tuple[int, ...]) -> Node:
    """The node of a value, with zero and the identity written out in a shape."""
    if value.node is not None:
        return value.node
    if value.one and len(shape) == 2 and shape[0] == shape[1]:
        return constant(np.eye(shape[0]))
    whole: Node = P.expand(constant(1.0 if value.one else 0.0), shape=shape)
    return whole
