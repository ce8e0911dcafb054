"""Which chains of states a recurrence has, and how one network starts from another's last state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BPTTError
from ..formulas.steps import moved
from .chain import Chain
from .paths import Paths
from .terms import Factors

if TYPE_CHECKING:
    from ..unrolled import Unrolled

__all__ = ["chains_of", "junction"]

_DATA = ("input", "target", "upstream")


def chains_of(u: Unrolled, factors: Factors, title: str) -> list[Chain]:
    """The chains of all blocks, the last block first; none of them may feed another within a step or from step to step.

    >>> import bpttgraph as bg
    >>> u = bg.cell("bidirectional").unroll(6)
    >>> [(c.states, c.direction) for c in chains_of(u, u.derive("c").local_factors, "…")]
    [(['f[4]'], 1), (['r[4]'], -1)]
    """
    v = factors.paths.variables
    found: list[Chain] = []
    leading = leading_bases(factors.paths)
    for block in reversed(u.recurrence.blocks or (None,)):
        middle = u.steps[block] // 2 + 1
        column = u.offset[block] + middle
        order = [n for n, x in v.items() if x.column == column and x.base in leading]
        here: list[Chain] = []
        for direction in (1, -1):
            reach: dict[str, int] = {}
            for link in u.links:
                source = v[link.source]
                if source.base in leading and source.column == column and link.delay * direction > 0:
                    if (v[link.target].block or None) != block:
                        raise _tangled(title)
                    # a loss of the step itself may read what was carried along already
                    reach[link.source] = max(reach.get(link.source, 0), abs(link.delay))
            now = [n for n in order if n in reach]
            if now:
                here.append(Chain(factors, block, column, middle, direction, now, reach))
        for c in here:
            others = {n for x in here if x is not c for n in (*x.states, *x.before)}
            if any(c.within(s, n, c.before) for s in c.now for n in others):
                raise _tangled(title)
        found += here
    names = {n for c in found for n in c.now}
    for link in u.links:  # another block is read by a first state only
        a, b = v[link.source], v[link.target]
        if (
            a.block
            and b.block
            and a.block != b.block
            and b.role != "initial"
            and a.role not in ("parameter", *_DATA)
            and names
        ):
            raise _tangled(title)
    return found


def leading_bases(paths: Paths) -> set[str]:
    """The bases of what a loss depends on, data left out."""
    leads = {name for _, name in paths.heads}
    for name in reversed(list(paths.variables)):
        if any(x.target in leads for x in paths.readers.get(name, ())):
            leads.add(name)
    return {paths.variables[n].base for n in leads if paths.variables[n].role not in _DATA}


def _tangled(title: str) -> BPTTError:
    return BPTTError(f"{title} has chains of states that feed each other, so it has no single product of Jacobians",
                     "use .recursions, or .at(steps=…)")  # fmt: skip


def junction(u: Unrolled, c: Chain, chains: list[Chain]) -> Chain | None:
    """The chain whose last states the first states of `c` are made of, if there is one."""
    blocks = list(u.recurrence.blocks)
    if c.block not in blocks or c.direction < 0:
        return None
    first = {moved(n, -c.middle) for n in c.states}
    before = {u.vgraph.variables[x.source].block for x in u.links if x.target in first} - {c.block, None}
    return next((x for x in chains if x.block in before), None)
