"""A picture as plain painting orders: closed shapes to fill, lines to stroke, glyphs to fill. PDF and PNG are written
from it.

Why not let Graphviz write PDF and PNG: the labels are outlines, which DOT cannot hold, and Graphviz' own text needs
fonts that a slim machine does not have. Three kinds of order are all that a picture needs, and both formats are
simple for these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from .geometry import Path, Point, arrow_head, shorten
from .marks import Layout, Mark

__all__ = ["Order", "orders"]


@dataclass(frozen=True, slots=True)
class Order:
    """Fill and stroke some paths, one colour each ("none" for neither). `move` is (x, y, scale), applied to the
    points."""

    paths: tuple[Path, ...]
    fill: str = "none"
    stroke: str = "none"
    width: float = 1.0
    dash: tuple[float, ...] = ()
    move: tuple[float, float, float] = (0.0, 0.0, 1.0)


def _straight(points: list[Point]) -> Path:
    out = [points[0]]
    for a, b in pairwise(points):
        out += [a, b, b]
    return tuple(out)


def _box(x: float, y: float, w: float, h: float, radius: float) -> Path:
    """A rounded box; an ellipse if the radius is "all of it" in both directions (`radius` < 0)."""
    rx, ry = (w / 2, h / 2) if radius < 0 else (min(radius, w / 2, h / 2),) * 2
    k = 1 - 0.5523
    a, b, c, d = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    out: list[Point] = [(a + rx, b)]

    def line(p: Point) -> None:
        out.extend((out[-1], p, p))

    line((c - rx, b))
    out.extend([(c - rx * k, b), (c, b + ry * k), (c, b + ry)])
    line((c, d - ry))
    out.extend([(c, d - ry * k), (c - rx * k, d), (c - rx, d)])
    line((a + rx, d))
    out.extend([(a + rx * k, d), (a, d - ry * k), (a, d - ry)])
    line((a, b + ry))
    out.extend([(a, b + ry * k), (a + rx * k, b), (a + rx, b)])
    return tuple(out)


@lru_cache(maxsize=2048)
def _glyph(data: str) -> tuple[Path, ...]:
    """A glyph's SVG path (M, L, Q, C, Z with absolute coordinates) as Béziers."""
    paths: list[Path] = []
    out: list[Point] = []
    for command, body in re.findall(r"([MLQCZ])([^MLQCZ]*)", data):
        v = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", body)]
        p = list(zip(v[::2], v[1::2]))
        if command == "M":
            if len(out) > 1:
                paths.append(tuple(out))
            out = [p[0]]
            p, command = p[1:], "L"
        if command == "L":
            for q in p:
                out += [out[-1], q, q]
        elif command == "Q":
            for c, q in zip(p[::2], p[1::2]):
                a = out[-1]
                out.append((a[0] + 2 * (c[0] - a[0]) / 3, a[1] + 2 * (c[1] - a[1]) / 3))
                out.append((q[0] + 2 * (c[0] - q[0]) / 3, q[1] + 2 * (c[1] - q[1]) / 3))
                out.append(q)
        elif command == "C":
            out += p
    if len(out) > 1:
        paths.append(tuple(out))
    return tuple(paths)


def _shape(m: Mark) -> Iterator[Order]:
    s = m.style
    if m.box is not None:
        x, y, w, h = m.box
        for grow in (4.0, 0.0) if s.double else (0.0,):
            radius = -1.0 if s.shape == "ellipse" else s.radius + grow * (s.radius > 2)
            yield Order((_box(x, y, w + 2 * grow, h + 2 * grow, radius),), s.fill, s.stroke, s.width, s.dash)
    elif m.path:
        line = shorten(m.path, s.head) if s.head else m.path
        yield Order((line,), "none", s.stroke, s.width, s.dash)
        if s.head:
            yield Order((_straight([*arrow_head(m.path, s.head), arrow_head(m.path, s.head)[0]]),), s.stroke)
        if s.dot:
            yield Order((_box(*m.path[0], 2 * s.dot, 2 * s.dot, -1.0),), s.stroke)


def orders(layout: Layout) -> Iterator[Order]:
    """Everything on the paper, in the order of painting."""
    yield Order((_box(layout.width / 2, layout.height / 2, layout.width, layout.height, 0.0),), layout.paper)
    for m in layout.marks:
        yield from _shape(m)
        if m.label is not None:
            x, y = m.label_point
            for g in m.label.glyphs:
                yield Order(_glyph(g.path), m.ink or layout.ink, move=(x + g.x, y + g.y, g.scale))
