"""∂h[j]/∂h[j−1] and ∂⁺h[k]/∂W as factors in a student's formula: Jacobians by reverse passes within one step.

In numerator layout the derivative of a vector by a vector is a matrix, that of a number by a vector is a row, and that
of a vector by a matrix W is a matrix with a column for each entry of W (`Value.by` has the shape of W). Without a plus
the derivative goes over all paths; with one, what earlier steps computed is held constant. What goes over several steps
is put together from the steps, so that a sum over T of them is linear in T.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...core import primitives as P
from ...core.autodiff import backward
from ...core.graph import Node, constant
from ...errors import BPTTError
from .columns import ONE, ZERO, Value, elementwise, product

if TYPE_CHECKING:
    from ...unrolled import Unrolled

__all__ = ["Derivatives", "in_denominator_layout"]

MOST_ROWS = 64


class _Before:
    """The edges by which values of other steps were computed, as a container."""

    def __init__(self, others: set[int]):
        self.others = others

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and key[1] in self.others


class Derivatives:
    """The derivatives between the variables of an unrolled recurrence, each made once.

    Args:
        count: is told of every value that is made, so that the work stays bounded.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> made = Derivatives(u, lambda value: None)
        >>> made.of(u.node("h[3]"), u.node("h[1]")).node.shape, made.of(u.node("h[2]"), u.node("W_hh"), True).by
        ((4, 4), (4, 4))
    """

    def __init__(self, u: Unrolled, count: Callable[[Value], object]):
        self.u, self.count = u, count
        self._others: dict[Node, list[Node]] = {}
        self._direct: dict[tuple[Node, Node], Value] = {}
        self._total: dict[tuple[Node, Node], Value] = {}
        self._of_step: dict[int | None, list[Node]] = {}
        for node in u.nodes.values():
            self._of_step.setdefault(node.step, []).append(node)

    def of(self, top: Node, bottom: Node, immediate: bool = False) -> Value:
        """∂top/∂bottom in numerator layout; zero if nothing leads from `bottom` to `top`."""
        if top is bottom:
            return ONE
        if len(top.shape) > 1:
            raise BPTTError("the derivative of a matrix", "write the derivative of a vector of each step")
        if bottom.role != "parameter" and len(bottom.shape) > 1:
            raise BPTTError(
                "the derivative by a matrix has three axes", "write the outer product, as in outer(delta[t], h[t-1])"
            )
        if immediate or top.step is None or self._near(top, bottom):
            return self.direct(top, bottom)
        return self._through(top, bottom)

    def _near(self, top: Node, bottom: Node) -> bool:
        """Whether all paths between the two stay within one step, or end with the first one back."""
        return bottom.role != "parameter" and bottom.step == top.step

    def _through(self, top: Node, bottom: Node) -> Value:
        """The sum over what the step of `top` reads of other steps. No recursion over the steps."""
        pending = [top]
        while pending:
            node = pending[-1]
            if (node, bottom) in self._total:
                pending.pop()
                continue
            reads = [n for n in self.others(node) if n is bottom or n.serial > bottom.serial]
            far = [n for n in reads if n is not bottom and not self._near(n, bottom) and (n, bottom) not in self._total]
            if far:
                pending += far
                continue
            value = self.direct(node, bottom) if bottom.role == "parameter" or bottom in reads else ZERO
            for n in reads:
                if n is not bottom:
                    inner = self.direct(n, bottom) if self._near(n, bottom) else self._total[n, bottom]
                    part = product([self.direct(node, n), inner], [True], False, lambda said: None)
                    self.count(part)
                    value = elementwise("+", value, part)
            self._total[node, bottom] = value
            pending.pop()
        return self._total[top, bottom]

    def others(self, top: Node) -> list[Node]:
        """The variables of other steps that the step of `top` reads on its way to it (all variables, of a total)."""
        if top not in self._others:
            found: dict[int, Node] = {}
            stack, seen = [top], {top.serial}
            while stack:
                node = stack.pop()
                for arg in node.args:
                    if arg.serial in seen:
                        continue
                    seen.add(arg.serial)
                    if arg.name is not None and arg.step is not None and arg.step != top.step and top.step is not None:
                        found[arg.serial] = arg
                    else:
                        stack.append(arg)
            self._others[top] = [found[serial] for serial in sorted(found)]
        return self._others[top]

    def direct(self, top: Node, bottom: Node) -> Value:
        """The derivative over paths within the step of `top`."""
        if top.op is None:
            return ZERO
        if (top, bottom) not in self._direct:
            others = self.others(top)
            near = self._of_step.get(top.step, []) if top.step is not None else list(self.u.nodes.values())
            beside = [] if bottom.role == "parameter" else [n for n in near if n is not top and n.role != "parameter"]
            targets = {n.serial: n for n in (bottom, *others, *beside) if (top, n) not in self._direct}
            self._make(top, [*targets.values()], {n.serial for n in others})
        return self._direct[top, bottom]

    def _make(self, top: Node, targets: list[Node], others: set[int]) -> None:
        """All derivatives of one variable within its step: a reverse pass for each of its entries."""
        rows = int(np.prod(top.shape))
        if rows > MOST_ROWS:
            raise BPTTError(f"a Jacobian of {rows} rows", f"choose at most {MOST_ROWS} units with --size")
        made: dict[Node, Value] = dict.fromkeys(targets, ZERO)
        for unit in np.eye(rows):
            seed = constant(unit) if top.shape else constant(1.0)
            cut = _Before(others) if others else ()
            found = backward({top: P.expand(seed, shape=top.shape)}, targets, cut)
            for target in targets:
                entries = self._each(target, found)
                if entries is None:
                    continue
                by = target.shape if len(target.shape) > 1 else None
                if by and top.shape:
                    entries = P.reshape(entries, shape=(int(np.prod(by)),))
                if top.shape:
                    entries = P.outer(constant(unit), entries) if target.shape else entries * constant(unit)
                row = Value(entries, not top.shape and len(target.shape) == 1, by if top.shape else None)
                made[target] = elementwise("+", made[target], row)
        for target, value in made.items():
            self.count(value)
            self._direct[top, target] = value

    @staticmethod
    def _each(target: Node, found: object) -> Node | None:
        """The adjoint for each example: that of a parameter is summed over them where it arrives."""
        if target.role != "parameter":
            return found.adjoints.get(target)  # type: ignore[attr-defined,no-any-return]
        total: Node | None = None
        for _, _, part in found.contributions[target]:  # type: ignore[attr-defined]
            own = part
            if part.op is not None and part.op.name == "batch_sum":
                own = part.args[0]
            elif part.op is not None and part.op.name == "batch_outer":
                own = P.outer(*part.args)
            total = own if total is None else total + own
        return total


def in_denominator_layout(value: Value) -> Value:
    """The transpose: the derivative of a number by a vector is a column, a Jacobian has a row for each thing below.

    Example:
        >>> in_denominator_layout(Value(constant(np.ones(3)), row=True)).row
        False
    """
    if value.node is None or not value.node.shape:
        return value
    if len(value.node.shape) == 1:
        return Value(value.node, not value.row)
    if value.by:
        return Value(P.transpose(value.node), not value.row, value.by)
    return Value(P.transpose(value.node))
