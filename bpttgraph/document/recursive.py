"""The recursions of a symbolic derivation in the order in which a reader can compute them, for pages and the
terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..derive.recursions import Recursion

if TYPE_CHECKING:
    from ..derive import SymbolicDerivation

__all__ = ["Loop", "Plan", "compared", "plan"]

STEPS = 4  # unrolled graphs with which the recursions are compared


@dataclass(frozen=True)
class Loop:
    """`lines` of one loop over time, downwards (−1) or upwards (+1), and what is computed once `after` it; 0 for no
    loop."""

    direction: int
    block: str
    lines: tuple[Recursion, ...]
    after: tuple[Recursion, ...]

    @property
    def ranges(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(r.range for r in self.lines))


@dataclass(frozen=True)
class Plan:
    """What sums of forward values are called, terminal conditions, loops in order, and the sums that are the
    gradients."""

    values: tuple[Recursion, ...]
    terminal: tuple[Recursion, ...]
    loops: tuple[Loop, ...]
    sums: tuple[Recursion, ...]

    @property
    def all(self) -> list[Recursion]:
        return [*self.values, *self.terminal, *(r for x in self.loops for r in (*x.lines, *x.after)), *self.sums]


def plan(g: SymbolicDerivation) -> Plan:
    """The recursions in order.

    Raises:
        BPTTError: if truncation cuts differently for different losses, so that no one recursion computes the gradient.
    """
    statements = list(g.recursions)
    sums = [r for r in statements if r.kind == "gradient"]
    moving = [r for r in statements if r.kind in ("adjoint", "delta")]
    loops = []
    for loop in g.system.order:
        if isinstance(loop, str):  # the adjoint of what has no step
            loops.append(Loop(0, "", (), tuple(r for r in moving if r.key == loop)))
            continue
        lines = [r for k in loop.keys for r in moving if r.key == k]
        border = "0" if loop.direction < 0 else "T+1"
        after = tuple(r for r in lines if r.first == r.last == border)
        loops.append(Loop(loop.direction, loop.block, tuple(r for r in lines if r not in after), after))
    values, terminal = (tuple(r for r in statements if r.kind == kind) for kind in ("value", "terminal"))
    return Plan(values, terminal, tuple(loops), tuple(sums))


def compared(g: SymbolicDerivation) -> list[int]:
    """Compare the recursions with the unrolled statements of a few steps, term for term: the numbers of steps.

    Raises:
        BPTTError: if they differ (then this program is wrong).
    """
    listed = [] if isinstance(g.loss, str) else list(g.loss)
    first = max([1, g.recurrence.steps_hint, *listed])
    numbers = [n for n in range(first, first + STEPS + g.reach) if g.read_in(g.unrolled(n))][:STEPS]
    for n in numbers:
        g.at(steps=n)
    return numbers
