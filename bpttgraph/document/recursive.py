"""The recursions of a symbolic derivation in the order in which a reader can compute them, for pages and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..derive.recursions import Recursion, names_of
from .closed import symbolic_of

if TYPE_CHECKING:
    from ..derive import SymbolicDerivation
    from .choice import Choice

__all__ = ["Loop", "Plan", "compared", "plan"]

FAR = 10**6  # a number of steps that no written step reaches
STEPS = 4  # unrolled graphs with which the recursions are compared


@dataclass(frozen=True)
class Loop:
    """`lines` of one loop over time, downwards (−1) or upwards (+1), and what is computed once `after` it."""

    direction: int
    block: str
    lines: tuple[Recursion, ...]
    after: tuple[Recursion, ...]

    @property
    def ranges(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(r.range for r in self.lines))


@dataclass(frozen=True)
class Plan:
    """Terminal conditions, loops in order, and the sums that are the gradients."""

    terminal: tuple[Recursion, ...]
    loops: tuple[Loop, ...]
    sums: tuple[Recursion, ...]

    @property
    def all(self) -> list[Recursion]:
        return [*self.terminal, *(r for x in self.loops for r in (*x.lines, *x.after)), *self.sums]


def plan(g: SymbolicDerivation, choice: Choice, wrt: Sequence[str]) -> Plan:
    """The recursions in order; gradients by initial states in `wrt` are added to those of the parameters.

    Raises:
        BPTTError: if truncation cuts differently for different losses, so that no one recursion computes the gradient.
    """
    statements = list(g.recursions)
    sums = [r for r in statements if r.kind == "gradient"]
    moving = [r for r in statements if r.kind in ("adjoint", "delta")]
    for n in wrt:
        if n not in g.names:  # an initial state
            extra = symbolic_of(choice.unrolled, n, choice.notation, choice.onehot).recursions
            moving = [_widest(r, extra) for r in moving]
            sums += [r for r in extra if r.kind == "gradient" and _read(r, extra) <= {x.key for x in moving}]
    loops = []
    for loop in g._recursions.loops:
        lines = [r for k in loop.keys for r in moving if r.key == k]
        border = "0" if loop.direction < 0 else "T+1"
        after = tuple(r for r in lines if r.first == r.last == border)
        loops.append(Loop(loop.direction, loop.block, tuple(r for r in lines if r not in after), after))
    return Plan(tuple(r for r in statements if r.kind == "terminal"), tuple(loops), tuple(sums))


def _widest(r: Recursion, others: Sequence[Recursion]) -> Recursion:
    """The same line for more steps, if the gradient by an initial state needs it there: m̄[1], say, which no parameter reads."""

    def ends(x: Recursion) -> list[int]:
        return sorted(FAR + int(e[1:] or 0) if e.startswith("T") else int(e or 0) for e in (x.first, x.last))

    for other in others:
        if (other.key, other.kind, other.terms) == (r.key, r.kind, r.terms):
            (low, high), (least, most) = ends(r), ends(other)
            if least <= low and high <= most:
                r = other
    return r


def _read(r: Recursion, lines: Sequence[Recursion]) -> set[str]:
    """The adjoints that a line reads."""
    keys = {x.key for x in lines if x.kind in ("adjoint", "delta")}
    return keys & {n.partition("[")[0] for n in names_of(r.terms)}


def compared(g: SymbolicDerivation) -> list[int]:
    """Compare the recursions with the unrolled statements of a few steps, term for term: the numbers of steps.

    Raises:
        BPTTError: if they differ (then this program is wrong).
    """
    listed = [] if isinstance(g.loss, str) else list(g.loss)
    first = max([1, g.recurrence.steps_hint, *listed])
    numbers = list(range(first, first + STEPS))
    for n in numbers:
        g.at(steps=n)
    return numbers
