"""Where things stand in a picture: rectangles, and whether they overlap."""

from __future__ import annotations

from bpttgraph.draw.marks import Mark


def rectangle(m: Mark) -> tuple[float, float, float, float]:
    assert m.box is not None
    x, y, w, h = m.box
    grow = 4.0 if m.style.double else 0.0
    return x - w / 2 - grow, y - h / 2 - grow, x + w / 2 + grow, y + h / 2 + grow


def words_at(m: Mark) -> tuple[float, float, float, float]:
    assert m.label is not None
    x, y = m.label_point
    return x - m.label.width / 2, y - m.label.height / 2, x + m.label.width / 2, y + m.label.height / 2


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
