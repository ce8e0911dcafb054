"""Paths: every line of a picture is a chain of cubic Béziers, p0 c c p1 c c p2 …, which DOT, SVG and PDF all
understand."""

from __future__ import annotations

import math
from itertools import pairwise

__all__ = ["Path", "Point", "arrow_head", "curve", "cut_strokes", "flatten", "join", "parallel", "rounded", "shorten"]

Point = tuple[float, float]
Path = tuple[Point, ...]


def _line(a: Point, b: Point) -> list[Point]:
    (ax, ay), (bx, by) = a, b
    return [(ax + (bx - ax) / 3, ay + (by - ay) / 3), (ax + 2 * (bx - ax) / 3, ay + 2 * (by - ay) / 3), b]


def rounded(points: list[Point], radius: float = 8.0) -> Path:
    """A polyline with its corners rounded; it never leaves the polyline's own corner triangles."""
    kept = [p for i, p in enumerate(points) if i == 0 or math.dist(p, points[i - 1]) > 0.01]
    if len(kept) == 1:
        kept.append(kept[0])
    out = [kept[0]]
    for before, corner, after in zip(kept, kept[1:], kept[2:]):
        d0, d1 = math.dist(before, corner), math.dist(corner, after)
        r = min(radius, d0 / 2, d1 / 2)
        a = (corner[0] + (before[0] - corner[0]) * r / d0, corner[1] + (before[1] - corner[1]) * r / d0)
        b = (corner[0] + (after[0] - corner[0]) * r / d1, corner[1] + (after[1] - corner[1]) * r / d1)
        k = 0.5523
        out += _line(out[-1], a)
        out.append((a[0] + (corner[0] - a[0]) * k, a[1] + (corner[1] - a[1]) * k))
        out.append((b[0] + (corner[0] - b[0]) * k, b[1] + (corner[1] - b[1]) * k))
        out.append(b)
    return tuple(out + _line(out[-1], kept[-1]))


def curve(a: Point, b: Point) -> Path:
    """An S-curve that leaves and arrives vertically; it stays between the heights of its ends."""
    if abs(a[0] - b[0]) < 0.01:
        return (a, *_line(a, b))
    pull = (b[1] - a[1]) * 0.55
    return a, (a[0], a[1] + pull), (b[0], b[1] - pull), b


def join(*paths: Path) -> Path:
    """One path from several that continue each other."""
    out = list(paths[0])
    for path in paths[1:]:
        if math.dist(path[0], path[-1]) > 0.01 or len(path) > 4:
            out += path[1:]
    return tuple(out)


def _at(segment: Path, t: float) -> Point:
    u = 1 - t
    w = (u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t)
    return sum(a * p[0] for a, p in zip(w, segment)), sum(a * p[1] for a, p in zip(w, segment))


def flatten(path: Path, steps: int = 12) -> list[Point]:
    """Points along the path; straight pieces need only their ends."""
    out = [path[0]]
    for i in range(0, len(path) - 1, 3):
        piece = path[i : i + 4]
        (ax, ay), (bx, by) = piece[0], piece[3]
        bend = max(abs((p[0] - ax) * (by - ay) - (p[1] - ay) * (bx - ax)) for p in piece[1:3])
        n = 1 if bend < 0.01 * (1 + math.dist(piece[0], piece[3])) else steps
        out += [_at(piece, k / n) for k in range(1, n + 1)]
    return out


def shorten(path: Path, by: float) -> Path:
    """The path without the last stretch that an arrow head covers. The head keeps pointing where the path ended."""
    *start, a, b, c, end = path
    direction = (end[0] - b[0] if b != end else end[0] - a[0], end[1] - b[1] if b != end else end[1] - a[1])
    if direction == (0, 0):
        direction = (end[0] - c[0], end[1] - c[1])
    tangent = (end[0] - c[0], end[1] - c[1])
    length = math.hypot(*tangent)
    if length > 1e-9:
        direction = tangent
    norm = math.hypot(*direction) or 1.0
    dx, dy = direction[0] / norm * by, direction[1] / norm * by
    # Shifting the end with its control keeps the tangent there.
    return (*start, a, b, (c[0] - dx, c[1] - dy), (end[0] - dx, end[1] - dy))


def arrow_head(path: Path, length: float) -> tuple[Point, Point, Point]:
    """The triangle of an arrow that ends where `path` (unshortened) ends."""
    tip, back = path[-1], shorten(path, length)[-1]
    dx, dy = (tip[0] - back[0]) * 0.36, (tip[1] - back[1]) * 0.36
    return (back[0] - dy, back[1] + dx), tip, (back[0] + dy, back[1] - dx)


def cut_strokes(path: Path, distance: float, count: int, size: float = 6.0) -> list[Path]:
    """Short strokes across the path at that arc length: two for a cut, one for a partial cut."""
    points = flatten(path)
    total = sum(math.dist(a, b) for a, b in pairwise(points))
    left = min(distance, total * 0.6)
    for a, b in pairwise(points):
        piece = math.dist(a, b)
        if piece >= left and piece > 0:
            ux, uy = (b[0] - a[0]) / piece, (b[1] - a[1]) / piece
            strokes = []
            for k in range(count):
                along = left + (k - (count - 1) / 2) * 4.0
                x, y = a[0] + ux * along, a[1] + uy * along
                # Slanted, as a cut in a wire is drawn.
                sx, sy = -uy * size + ux * 2.2, ux * size + uy * 2.2
                strokes.append(((x - sx, y - sy), *_line((x - sx, y - sy), (x + sx, y + sy))))
            return strokes
        left -= piece
    return []


def parallel(path: Path, aside: float) -> Path:
    """The path beside this one, to the right of its direction (left if negative), by moving each leg of its
    controls."""
    out: list[Point] = []
    for i in range(0, len(path) - 1, 3):
        legs = [(a, b) for a, b in pairwise(path[i : i + 4])]
        whole = (path[i], path[i + 3])
        normals = [_right(a, b) or _right(*whole) or (0.0, 0.0) for a, b in legs]
        moved = [_shift(path[i], normals[0], aside)]
        moved += [_corner(path[i + k], normals[k - 1], normals[k], aside) for k in (1, 2)]
        moved.append(_shift(path[i + 3], normals[2], aside))
        out += moved if not out else moved[1:]
    return tuple(out)


def _right(a: Point, b: Point) -> Point | None:
    length = math.dist(a, b)
    return ((a[1] - b[1]) / length, (b[0] - a[0]) / length) if length > 1e-6 else None


def _shift(p: Point, normal: Point, by: float) -> Point:
    return p[0] + normal[0] * by, p[1] + normal[1] * by


def _corner(p: Point, n: Point, m: Point, by: float) -> Point:
    """Where two legs meet after both have moved; with a limit where they almost fold back."""
    size = max(1 + n[0] * m[0] + n[1] * m[1], 0.4)
    return p[0] + (n[0] + m[0]) / size * by, p[1] + (n[1] + m[1]) / size * by
