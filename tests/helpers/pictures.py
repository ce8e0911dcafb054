"""Pictures of the cells, read from their SVG."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

import bpttgraph as bg
from bpttgraph.draw.geometry import Path, flatten
from bpttgraph.draw.marks import Layout, Mark

CELLS = ["rnn", "elman", "deep-rnn", "lstm", "lstm-peephole", "gru", "bidirectional", "seq2seq"]


@cache
def unrolled(name: str, steps: int = 3, truncate: str | None = None) -> Any:
    return bg.cell(name).unroll(steps=steps, truncate=truncate)


def dense(path: Path) -> Any:
    """Points along a path, at most three apart."""
    return np.array([
        (a[0] + (b[0] - a[0]) * k / n, a[1] + (b[1] - a[1]) * k / n)
        for a, b in pairwise(flatten(path, 24))
        for n in [int(max(abs(b[0] - a[0]), abs(b[1] - a[1])) / 3) + 1]
        for k in range(n + 1)
    ])  # fmt: skip


def inside(points: Any, r: tuple[float, ...]) -> bool:
    x, y = points[:, 0], points[:, 1]
    return bool(np.any((r[0] < x) & (x < r[2]) & (r[1] < y) & (y < r[3])))


def lines(p: Layout) -> list[Mark]:
    return [m for m in p.marks if m.kind in ("edge", "arc", "rail")]
