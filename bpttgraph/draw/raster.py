"""A PNG without any graphics library: NumPy fills polygons with exact horizontal and four-fold vertical antialiasing.

Every scan line finds where the outline crosses it; the running sum of the crossings is the winding number, so shapes
may overlap themselves. Lines are filled too, as the outline of their stroke.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from .geometry import Path, Point, flatten
from .marks import Layout
from .paint import Order, orders

__all__ = ["write_png"]

_SUB = 4
_STRIP = 16  # rows of pixels that are filled at once
_PIXELS = 4e7
Floats = NDArray[np.floating]


def _coverage(polygons: list[Floats], width: int, height: int) -> Iterator[tuple[int, int, Floats]]:
    """Left, top and the covered share of each pixel, strip by strip, clipped to the paper.

    A strip is only as wide as what is filled in it: a thin line across the whole picture costs what it covers.
    """
    if (box := _rectangle(polygons)) is not None:
        yield from _covered_box(*box, width, height)
        return
    a = np.vstack(polygons)
    y0, y1 = max(0, math.floor(a[:, 1].min())), min(height, math.ceil(a[:, 1].max()) + 1)
    if y0 >= y1 or a[:, 0].max() <= 0 or a[:, 0].min() >= width:
        return
    b = np.vstack([np.roll(p, -1, axis=0) for p in polygons])
    sign = np.where(b[:, 1] > a[:, 1], 1.0, -1.0)
    low, high = np.minimum(a[:, 1], b[:, 1]), np.maximum(a[:, 1], b[:, 1])
    # The sub-scan-lines that each side crosses, all sides at once. Places are intp: bincount and repeat take nothing
    # wider.
    first = np.ceil((low - y0) * _SUB - 0.5).astype(np.intp).clip(0, (y1 - y0) * _SUB)
    last = np.ceil((high - y0) * _SUB - 0.5).astype(np.intp).clip(0, (y1 - y0) * _SUB)
    count = last - first
    side = np.repeat(np.arange(len(a), dtype=np.intp), count)
    line = np.arange(len(side), dtype=np.intp) - np.repeat(np.cumsum(count) - count, count) + first[side]
    y = y0 + (line + 0.5) / _SUB
    x = a[side, 0] + (y - a[side, 1]) * (b[side, 0] - a[side, 0]) / (b[side, 1] - a[side, 1])
    x, turn = x.clip(0, width - 1e-9), sign[side]
    strip = line // (_SUB * _STRIP)
    by_strip = np.argsort(strip, kind="stable")
    for mine in np.split(by_strip, np.flatnonzero(np.diff(strip[by_strip])) + 1):
        if not len(mine):
            return
        top = int(strip[mine[0]]) * _STRIP
        rows = min(_STRIP, y1 - y0 - top)
        left = int(x[mine].min())
        stride = int(x[mine].max()) - left + 2
        pixel = x[mine].astype(np.intp)
        part = x[mine] - pixel
        at = (line[mine] - top * _SUB) * stride + pixel - left
        size = rows * _SUB * stride
        cells = np.bincount(at, turn[mine] * (1 - part), size) + np.bincount(at + 1, turn[mine] * part, size)
        winding = np.cumsum(cells.reshape(-1, stride), axis=1)[:, :-1]
        covered = np.minimum(np.abs(winding), 1.0).reshape(rows, _SUB, stride - 1).mean(axis=1)
        yield left, y0 + top, covered


def _rectangle(polygons: list[Floats]) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom if this is one upright rectangle, as the cells of a heat map are."""
    if len(polygons) != 1 or len(polygons[0]) > 9:  # corners without a radius stand there twice
        return None
    points = polygons[0].tolist()
    xs, ys = {x for x, _ in points}, {y for _, y in points}
    if len(xs) != 2 or len(ys) != 2 or len({(x, y) for x, y in points}) != 4:
        return None
    if any(a != b and a[0] != b[0] and a[1] != b[1] for a, b in pairwise([*points, points[0]])):
        return None
    return min(xs), min(ys), max(xs), max(ys)


def _covered_box(
    x0: float, y0: float, x1: float, y1: float, width: int, height: int
) -> Iterator[tuple[int, int, Floats]]:
    """Like `_coverage`: the part of each column times the share of sub-scan-lines in each row."""
    left, right = max(0, math.floor(x0)), min(width, math.ceil(x1))
    top, bottom = max(0, math.floor(y0)), min(height, math.ceil(y1))
    if left >= right or top >= bottom:
        return
    columns = np.arange(left, right)
    across = np.minimum(columns + 1, x1) - np.maximum(columns, x0)
    lines = top + (np.arange((bottom - top) * _SUB) + 0.5) / _SUB
    down = ((y0 <= lines) & (lines < y1)).reshape(-1, _SUB).mean(axis=1)
    yield left, top, np.outer(down, across)


def _dashes(points: list[Point], dash: tuple[float, ...]) -> list[list[Point]]:
    if not dash:
        return [points]
    out: list[list[Point]] = [[points[0]]]
    left, on = dash[0], True
    for a, b in pairwise(points):
        length = math.dist(a, b)
        done = 0.0
        while length - done > left:
            done += left
            p = (a[0] + (b[0] - a[0]) * done / length, a[1] + (b[1] - a[1]) * done / length)
            if on:
                out[-1].append(p)
            else:
                out.append([p])
            on = not on
            left = dash[0] if on else dash[-1]
        left -= length - done
        if on:
            out[-1].append(b)
    return [piece for piece in out if len(piece) > 1]


def _slabs(path: Path, width: float, dash: tuple[float, ...], scale: float) -> list[Floats]:
    """The outline of a stroked path: one side there, the other side back. Corners are rounded already, so mitres stay
    small."""
    polygons = []
    for piece in _dashes([(x * scale, y * scale) for x, y in flatten(path, 18)], tuple(d * scale for d in dash)):
        p = np.array(piece)
        p = p[np.concatenate([[True], np.hypot(*np.diff(p, axis=0).T) > 1e-6])]
        if len(p) < 2:
            continue
        along = np.diff(p, axis=0) / np.hypot(*np.diff(p, axis=0).T)[:, None]
        normal = np.column_stack([-along[:, 1], along[:, 0]])
        mean = np.vstack([normal[:1], normal[:-1] + normal[1:], normal[-1:]])
        size = np.maximum((mean * np.vstack([normal, normal[-1:]])).sum(axis=1), 0.2)
        offset = mean / size[:, None] * (width * scale / 2)
        polygons.append(np.vstack([p + offset, (p - offset)[::-1]]))
    return polygons


def _blend(image: Floats, polygons: list[Floats], colour: str) -> None:
    if not polygons:
        return
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)], dtype=image.dtype)
    for x, y, share in _coverage(polygons, image.shape[1], image.shape[0]):
        part = image[y : y + share.shape[0], x : x + share.shape[1]]
        part += (rgb - part) * share.astype(image.dtype)[:, :, None]


def _fill(order: Order, scale: float) -> list[Floats]:
    mx, my, zoom = order.move
    steps = 4 if order.move[2] != 1.0 else 12
    return [(_flat(path, steps) * zoom + (mx, my)) * scale for path in order.paths]


@lru_cache(maxsize=4096)
def _flat(path: Path, steps: int) -> Floats:
    return np.array(flatten(path, steps))


def _paint(image: Floats, order: Order, scale: float) -> None:
    if order.fill != "none":
        _blend(image, _fill(order, scale), order.fill)
    if order.stroke != "none":
        _blend(image, [s for path in order.paths for s in _slabs(path, order.width, order.dash, scale)], order.stroke)


def write_png(layout: Layout, scale: float = 2.0) -> bytes:
    """The picture at `scale` pixels per point (2 is 144 pixels per inch); coarser if it would not fit into memory."""
    scale = min(scale * layout.scale, math.sqrt(_PIXELS / (layout.width * layout.height)))
    width, height = math.ceil(layout.width * scale - 0.1), math.ceil(layout.height * scale - 0.1)
    image = np.full((height, width, 3), 255.0, dtype=np.float32)
    for colour, batch in groupby(
        orders(layout), key=lambda o: o.fill if o.stroke == "none" and o.move[2] != 1.0 else None
    ):
        if colour is not None:  # the glyphs of one label
            _blend(image, [p for order in batch for p in _fill(order, scale)], colour)
            continue
        for order in batch:
            _paint(image, order, scale)
    rows = np.zeros((height, width * 3 + 1), dtype=np.uint8)
    rows[:, 1:] = np.rint(image).astype(np.uint8).reshape(height, -1)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    density = round(scale * 72 / 0.0254)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"pHYs", struct.pack(">IIB", density, density, 1))
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )
