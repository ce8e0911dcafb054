"""What a check compares, and how much of it: directions, steps and losses, measured by an oracle.

A `Series` is one comparison: the gradient by a variable, or its contributions dE_t/dW through the uses at some steps k,
along some directions. Large parameters and long sequences are sampled, so that the cost grows like the number of steps:
some entries one by one, and a few random directions, which see every entry at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .oracle import Measured, Move, Probe

if TYPE_CHECKING:
    from ..unrolled import Unrolled

__all__ = ["Along", "Series", "measure", "series_of"]

Array = np.ndarray[Any, Any]
MOST_ENTRIES = 400  # of one parameter are moved one by one
MOST_MOVES = 40_000  # entries times steps, beyond which fewer entries are moved one by one
FEWEST = 4  # however long the sequence is
DIRECTIONS = 8  # random ones, where not all entries are moved one by one
ROUGH = 2  # of them for central differences
MOST_STEPS = 24  # steps k of the triangle that are measured
LONG = 100  # steps; of longer triangles a few k and t are looked at, along `ROUGH` random directions
FEW_STEPS = 3  # besides the first and the last


class Along:
    """Directions along which arrays by a variable are compared: entries one by one, or `count` random ones."""

    def __init__(self, size: int, entries: Array | None = None, count: int = 0):
        self.size, self.entries = size, entries
        if entries is None:  # a wrong gradient is orthogonal to a random direction with probability zero
            self.directions = np.random.default_rng(1).normal(size=(count, size))
        else:
            self.directions = np.zeros((len(entries), size))
            self.directions[np.arange(len(entries)), entries] = 1.0

    def of(self, array: Array) -> Array:
        """An array seen along the directions: its last axis, the entries, becomes that of the directions."""
        return array @ self.directions.T if self.entries is None else array[..., self.entries]

    def bound(self, array: Array) -> Array:
        """The same for bounds, which add up."""
        return array @ np.abs(self.directions).T if self.entries is None else array[..., self.entries]

    def index(self, p: int, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The index of an entry, or the number of a random direction."""
        if self.entries is None:
            return (p,)
        return tuple(int(i) for i in np.unravel_index(int(self.entries[p]), shape)) if shape else ()


class Series:
    """One comparison, as an oracle measures it.

    Args:
        u: the unrolled recurrence. name: the variable. along: the directions. analytic: by the complex step, or by
            differences.
        steps: the columns k of the triangle that are measured; None for the whole gradient. losses: its rows t.

    Attributes:
        value, estimate: the derivatives and the oracle's estimate of its error: (P, B), or (losses, steps, P) summed
            over the batch.
        kept: which of them are decidable, (P,) or (steps, P). unit: what decides against the others, in words.
    """

    def __init__(
        self,
        u: Unrolled,
        name: str,
        along: Along,
        analytic: bool,
        steps: Sequence[int] | None = None,
        losses: Iterable[int] = (),
    ):
        self.u, self.name, self.along, self.analytic, self.steps, self.losses = (
            u,
            name,
            along,
            analytic,
            steps,
            tuple(losses),
        )
        count = len(along.directions)
        self.value: Any = 0.0 if steps is None else np.zeros((len(self.losses), len(steps), count))
        self.estimate: Any = 0.0 if steps is None else np.zeros((len(self.losses), len(steps), count))
        self.kept = np.ones(count if steps is None else (len(steps), count), bool)
        self.unit = ""
        self._place = {t: i for i, t in enumerate(self.losses)}

    def moves(self, probe: Probe) -> list[Move]:
        """What has to move: all uses, or those of each step. Where a group of losses has no use in a step, nothing
        moves."""
        steps: Sequence[int | None] = [None] if self.steps is None else self.steps
        return [{(self.name, k): self.along.directions} for k in steps]

    def take(self, probe: Probe, found: Iterator[Measured]) -> None:
        """Add what was found for the losses of a group."""
        weight = self.u.weight
        if self.steps is None:
            m = next(found)
            self.value = self.value + m.value.sum(axis=0) * weight
            self.estimate = self.estimate + m.estimate.sum(axis=0) * weight
            self.kept &= m.kept
            self.unit = self.unit or m.unit
            return
        heads = [i for i, h in enumerate(probe.heads) if h.step in self._place]
        rows = [self._place[probe.heads[i].step] for i in heads]
        for j, m in zip(range(len(self.steps)), found):
            np.add.at(self.value[:, j], rows, m.value[heads].sum(axis=-1) * weight)
            np.add.at(self.estimate[:, j], rows, m.estimate[heads].sum(axis=-1) * weight)
            self.kept[j] &= m.kept
            self.unit = self.unit or m.unit


def measure(probe: Probe, series: Sequence[Series]) -> None:
    """Measure several series in common forward passes."""
    for analytic in (True, False):
        some = [s for s in series if s.analytic is analytic]
        found = (probe.complex_step if analytic else probe.differences)([m for s in some for m in s.moves(probe)])
        for s in some:
            s.take(probe, found)


def series_of(u: Unrolled, name: str, analytic: bool, triangle: bool) -> list[Series]:
    """The comparisons for one variable: by complex step (if `analytic`) and by differences, of the gradient and of the
    triangle."""
    node = u.node(name)
    size = int(np.prod(node.shape))
    entries, sampled = _sample(np.arange(size), min(MOST_ENTRIES, max(MOST_MOVES // u.columns, FEWEST)))
    oracles = (True, False) if analytic else (False,)
    found = [Series(u, name, Along(size, entries), a) for a in oracles]
    if sampled:
        found += [Series(u, name, Along(size, count=DIRECTIONS if a else ROUGH), a) for a in oracles]
    steps = np.array(sorted({k for use in node.uses if (k := u.use_step(use.node)) is not None}), int)
    if not triangle or not len(steps):
        return found
    losses = list(range(1, 1 + max(u.steps.get(u.loss_block, u.columns), max(h.step for h in u.heads))))
    along = Along(size, entries)
    long = u.columns > LONG
    if not long:
        steps, _ = _sample(steps, MOST_STEPS)
    else:
        steps = np.array(sorted({steps[0], steps[-1], *_sample(steps, FEW_STEPS)[0]}))
        along = Along(size, count=ROUGH)
        heads = sorted({h.step for h in u.heads})
        near = {t for k in steps for t in [h for h in heads if h >= k][:FEW_STEPS]}
        losses = sorted({heads[0], *near, heads[-1]})
    return found + [Series(u, name, along, a, steps.tolist(), losses) for a in oracles]


def _sample(places: Array, most: int) -> tuple[Array, bool]:
    """At most so many of some places, and whether some are left out."""
    if len(places) <= most:
        return places, False
    return np.sort(np.random.default_rng(0).choice(places, most, replace=False)), True
