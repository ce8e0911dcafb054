"""A layered layout of our own for small free-form graphs: left to right, long wires passing between the nodes.

Columns by longest path, order within a column by the mean of the neighbours, heights by pulling towards them. It is
deterministic, and good for the inside of a cell; large expressions are Graphviz' business.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Layers", "arrange_layers"]

Key = Hashable
_SWEEPS = 16
_MOST_BENDS = 400


@dataclass(slots=True)
class Layers:
    """Where everything stands: the column and height of each node, and the nodes and bends that each wire passes."""

    column: dict[Key, int]
    y: dict[Key, float]
    route: list[list[Key]] = field(default_factory=list)


def _columns(nodes: Sequence[str], wires: Sequence[tuple[str, str]], first: frozenset[str]) -> dict[Key, int]:
    column: dict[Key, int] = dict.fromkeys(nodes, 0)
    for _ in nodes:
        changed = False
        for a, b in wires:
            if column[b] <= column[a]:
                column[b], changed = column[a] + 1, True
        if not changed:
            break
    # What nothing leads to stands just before its reader, unless it belongs at the left border.
    targets = {b for _, b in wires}
    read: dict[str, list[str]] = {}
    for a, b in wires:
        read.setdefault(a, []).append(b)
    for n in nodes:
        readers = [column[b] for b in read.get(n, ())]
        if n not in targets and n not in first and readers:
            column[n] = max(0, min(readers) - 1)
    return column


def arrange_layers(
    nodes: Sequence[str],
    wires: Sequence[tuple[str, str]],
    height: Mapping[str, float],
    first: frozenset[str] = frozenset(),
    top: frozenset[str] = frozenset(),
    gap: float = 20.0,
) -> Layers:
    """Columns and heights.

    Args:
        nodes: arguments before results. wires: (source, target), no cycles.
        height: of each node. first: nodes at the left border.
        top: nodes on one straight line above all others.
    """
    column = _columns(nodes, wires, first)
    high: dict[Key, float] = {n: height[n] for n in nodes}
    route: list[list[Key]] = []
    links: dict[tuple[Key, Key], None] = {}
    # Wires run side by side; where there are very many, those of one source run as one until they part.
    together = sum(column[b] - column[a] for a, b in wires) > _MOST_BENDS
    for i, (a, b) in enumerate(wires):
        way: list[Key] = [a]
        for c in range(column[a] + 1, column[b]):
            bend = (a if together else i, c)
            column[bend], high[bend] = c, 12.0
            way.append(bend)
        way.append(b)
        route.append(way)
        links.update(dict.fromkeys(pairwise(way)))
    on_top: set[Key] = set(top)
    for i, (a, b) in enumerate(wires):
        if a in top and b in top:
            on_top |= {k for k in route[i] if not isinstance(k, str)}
    before: dict[Key, list[Key]] = {k: [] for k in column}
    after: dict[Key, list[Key]] = {k: [] for k in column}
    for x, y in links:
        before[y].append(x)
        after[x].append(y)
    ranks: list[list[Key]] = [[] for _ in range(max(column.values(), default=0) + 1)]
    for k in column:
        ranks[column[k]].append(k)
    place: dict[Key, float] = {}
    for rank in ranks:
        rank.sort(key=lambda k: k not in on_top)
        place.update({k: float(i) for i, k in enumerate(rank)})
    for sweep in range(_SWEEPS):
        near = before if sweep % 2 == 0 else after
        for rank in ranks if sweep % 2 == 0 else reversed(ranks):
            mean = {k: sum(place[n] for n in near[k]) / len(near[k]) if near[k] else place[k] for k in rank}
            rank.sort(key=lambda k: (k not in on_top, mean[k], place[k]))
            place.update({k: float(i) for i, k in enumerate(rank)})
    return Layers(column, _heights(ranks, before, after, high, on_top, gap), route)


def _heights(
    ranks: list[list[Key]],
    before: dict[Key, list[Key]],
    after: dict[Key, list[Key]],
    high: dict[Key, float],
    on_top: set[Key],
    gap: float,
) -> dict[Key, float]:
    """Pull everything towards the mean of its neighbours; what would overlap is pushed apart, in its order."""
    y: dict[Key, float] = {}
    for rank in ranks:
        at = 0.0
        for k in rank:
            y[k] = 0.0 if k in on_top else at + high[k] / 2
            at = max(at, y[k] + high[k] / 2) + gap
    for sweep in range(3 * _SWEEPS):
        for rank in ranks if sweep % 2 == 0 else reversed(ranks):
            wish = {}
            for k in rank:
                if not isinstance(k, str) and before[k][0] not in on_top:  # wires run straight on as far as they can
                    wish[k] = 0.0 if k in on_top else y[before[k][0]]
                    continue
                near = (before[k] + after[k]) if sweep > 8 else (before[k] if sweep % 2 == 0 else after[k])
                wish[k] = 0.0 if k in on_top else sum(y[n] for n in near) / len(near) if near else y[k]
            _separate(rank, wish, high, on_top, gap)
            y.update(wish)
    return y


def _separate(rank: list[Key], wish: dict[Key, float], high: dict[Key, float], on_top: set[Key], gap: float) -> None:
    """Blocks of touching nodes move to the mean of their wishes (pool adjacent violators); nothing rises above the top
    line."""
    floor = None
    blocks: list[tuple[list[Key], float]] = []  # members, and the height of the first
    for k in rank:
        if k in on_top:
            floor = high[k] / 2 + 2.2 * gap
            continue
        blocks.append(([k], wish[k]))
        while len(blocks) > 1 and blocks[-1][1] < blocks[-2][1] + _span(blocks[-2][0], high, gap):
            (a, ya), (b, yb) = blocks[-2:]
            span = _span(a, high, gap)
            blocks[-2:] = [(a + b, (ya * len(a) + (yb - span) * len(b)) / (len(a) + len(b)))]
    low = floor
    for members, start in blocks:
        at = start
        if low is not None:
            at = max(at, low + high[members[0]] / 2)
        for i, k in enumerate(members):
            if i:
                at += high[members[i - 1]] / 2 + gap + high[k] / 2
            wish[k] = at
        low = at + high[members[-1]] / 2 + gap


def _span(members: list[Key], high: dict[Key, float], gap: float) -> float:
    """From the middle of the first to where the middle of a following flat node may be."""
    return sum(high[k] for k in members) - high[members[0]] / 2 + gap * len(members)
