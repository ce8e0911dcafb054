"""Finding free places for labels beside lines: no box, no line and no other label under them.

Everything that is in the way is kept in a coarse grid of cells, so that the cost grows with the number of labels only.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from .geometry import Path, Point, flatten

__all__ = ["Crowd", "Rect", "around", "beside"]

Rect = tuple[float, float, float, float]  # left, top, right, bottom
_CELL = 36.0


def around(x: float, y: float, width: float, height: float) -> Rect:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


class Crowd:
    """What stands on the paper already."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], list[Rect]] = defaultdict(list)

    def _cells(self, r: Rect) -> Iterator[tuple[int, int]]:
        for i in range(math.floor(r[0] / _CELL), math.floor(r[2] / _CELL) + 1):
            for j in range(math.floor(r[1] / _CELL), math.floor(r[3] / _CELL) + 1):
                yield i, j

    def add(self, r: Rect) -> None:
        for cell in self._cells(r):
            self.cells[cell].append(r)

    def add_path(self, path: Path, width: float) -> None:
        """A line, as a row of small squares."""
        for (ax, ay), (bx, by) in pairwise(flatten(path, 8)):
            n = max(1, int(math.hypot(bx - ax, by - ay) / 4))
            for k in range(n + 1):
                self.add(around(ax + (bx - ax) * k / n, ay + (by - ay) * k / n, width, width))

    def free(self, r: Rect) -> bool:
        return not any(
            r[0] < o[2] and o[0] < r[2] and r[1] < o[3] and o[1] < r[3] for c in self._cells(r) for o in self.cells[c]
        )


def beside(path: Path, width: float, height: float, start: float | None = None) -> Iterator[Point]:
    """Places for a label of that size beside a line, the best first: close to it, near its middle or `start` points
    along it, above before below and right before left."""
    points = flatten(path, 10)
    pieces = [(a, b, math.dist(a, b)) for a, b in pairwise(points)]
    total = sum(length for _, _, length in pieces) or 1.0
    middle = total / 2 if start is None else min(start, total / 2)
    steps = [0.0] + [sign * 5.0 * k for k in range(1, 19) for sign in (1, -1)]
    for gap in (6.5, 10.0, 16.0):
        for off in steps:
            place = middle + off
            if not 6.0 <= place <= total - 6.0:
                continue
            for a, b, length in pieces:
                if place > length:
                    place -= length
                    continue
                ux, uy = ((b[0] - a[0]) / length, (b[1] - a[1]) / length) if length else (1.0, 0.0)
                x, y = a[0] + ux * place, a[1] + uy * place
                sides = [(uy, -ux), (-uy, ux)]
                for nx, ny in sorted(sides, key=lambda n: (round(n[1]), -round(n[0]))):
                    reach = abs(nx) * width / 2 + abs(ny) * height / 2 + gap
                    yield x + nx * reach, y + ny * reach
                break
