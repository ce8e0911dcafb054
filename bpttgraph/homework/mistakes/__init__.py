"""The catalogue of mistakes: every way in which a hand-derived BPTT gradient is known to go wrong, as rewrites of the
backward graph.

    >>> import bpttgraph as bg
    >>> from bpttgraph.homework.mistakes import mutants
    >>> found = {m.key: m for m in mutants(bg.cell("rnn").unroll(4))}
    >>> found["truncated:sliding:2"].clause
    'BPTT is truncated: each loss is sent back over a window of 2 steps (sliding:2)'

An entry knows no cell: it looks for places in any unrolled recurrence and says what is done wrong there (`places`,
`reverse`).
Sources: the course materials' most frequent errors as collected in the project's references; each is tested to be
wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import chains, ends, functions, handed_in, links, matrices, operands, sums  # noqa: F401  (they fill the catalogue)
from .base import CATALOGUE, Entry, Mutant, Site
from .handed_in import clipped, multiplied
from .networks import networks
from .places import Places
from .reverse import Reverse
from .trial import Trial, compatible

if TYPE_CHECKING:
    from ...unrolled import Unrolled

__all__ = [
    "CATALOGUE",
    "Entry",
    "Mutant",
    "Places",
    "Reverse",
    "Site",
    "Trial",
    "clipped",
    "compatible",
    "multiplied",
    "mutants",
    "networks",
]


def mutants(u: Unrolled | Site, batch: int | None = None) -> list[Mutant]:
    """All mistakes of the catalogue that can be made in this recurrence, the plain ones first; each thing done only
    once.

    Example:
        >>> import bpttgraph as bg
        >>> any(m.key == "link-dropped:h<-y" for m in mutants(bg.cell("rnn").unroll(3)))
        True
    """
    site = u if isinstance(u, Site) else Site(u)
    site.batch = batch or site.batch
    found: dict[object, Mutant] = {}
    for e in CATALOGUE.values():
        for m in e.mutants(site):
            old = found.get(m.signature)
            if old is None or m.rank < old.rank:
                found[m.signature] = m
    return sorted(found.values(), key=lambda m: (m.rank, m.key))
