"""The way back: one orange arc beside every arrow that carries the gradient, with the local Jacobian it multiplies by.

An arc runs parallel to its arrow and never on it: to its right where the arrow goes up, above it where it runs along a
row. Where several gradients come to one variable their arcs join, as their sum does.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ..core.names import to_latex, to_mathml, to_unicode
from .geometry import Path, Point, flatten, parallel, rounded
from .grid import Grid
from .labels import Outline, mathml_label, stacked, words
from .marks import Mark
from .place import Crowd, around, beside
from .routes import travel
from .scene import Edge
from .template import ROW_HEIGHT
from .theme import Style, Theme

__all__ = ["arc_marks", "fraction", "fraction_of", "width_of"]

ASIDE = 10.0


def width_of(norm: float | None, plain: float) -> float:
    """The width of an arc: a step of 10 in the norm is 1.7 points, 1 is in the middle; never invisible, never a bar."""
    if norm is None:
        return plain
    return min(max(3.2 + 1.7 * math.log10(norm), 0.7), 6.5) if norm > 0 else 0.7


def fraction(edge: Edge, immediate: bool = False) -> tuple[str, str]:
    """The fraction of an arrow; ∂⁺ if it is immediate, as always by a parameter."""
    return fraction_of(edge.target, edge.source, immediate or edge.cls == "parameter")


def fraction_of(target: str, source: str, immediate: bool = False) -> tuple[str, str]:
    """∂target/∂source as MathML and in words."""
    sign = "<msup><mo>∂</mo><mo>+</mo></msup>" if immediate else "<mo>∂</mo>"
    top, bottom = to_mathml(target), to_mathml(source)
    mathml = f"<mfrac><mrow>{sign}{top}</mrow><mrow><mo>∂</mo>{bottom}</mrow></mfrac>"
    return mathml, f"∂{'⁺' * immediate}{to_unicode(target)}/∂{to_unicode(source)}"


def _tex(edge: Edge, immediate: bool, norm: float | None) -> str:
    plus = "^{+}" * (immediate or edge.cls == "parameter")
    out = rf"\frac{{\partial{plus} {to_latex(edge.target)}}}{{\partial {to_latex(edge.source)}}}"
    return out if norm is None else rf"\substack{{\displaystyle {out}\\ {_number(norm)}}}"


def _number(norm: float) -> str:
    return f"{norm:.2g}" if 1e-3 <= norm < 1e4 or norm == 0 else f"{norm:.0e}".replace("e-0", "e-").replace("e+0", "e+")


def arc_path(grid: Grid, edge: Edge, forward: Path) -> Path:
    """The arc from target back to source."""
    scene = grid.scene
    if edge.cls != "parameter" and travel(edge) and grid.ways.mode[edge.id] == "straight":
        return _over(grid, edge, forward)
    if edge.cls != "parameter" and travel(edge):
        # To the right of the way: below where it runs along a row, so that arcs above the row stay free.
        side = ASIDE if travel(edge) > 0 else -ASIDE
        return tuple(reversed(parallel(forward, side)))
    source = scene.item(edge.source)
    up = forward[0][1] > forward[-1][1]
    back = tuple(reversed(parallel(forward, ASIDE if up else -ASIDE)))
    if source.slot is None:
        return (*back[:-1], (back[-1][0], forward[0][1]))
    return back


def _over(grid: Grid, edge: Edge, forward: Path) -> Path:
    """A flat arc above the row, from the side of the later state to the side of the earlier one."""
    (ax, ay), (bx, by) = forward[-1], forward[0]
    lift = ROW_HEIGHT / 2 - 6.0
    start: Point = (ax, ay - lift)
    end: Point = (bx, by - lift)
    pull, rise = abs(bx - ax) * 0.3, 15.0
    sign = 1.0 if bx > ax else -1.0
    return start, (ax + sign * pull, ay - lift - rise), (bx - sign * pull, by - lift - rise), end


def fault_style(theme: Theme) -> Style:
    """An arc over which an answer sends nothing, or something wrong."""
    return replace(theme.edge["gradient"], stroke=theme.ink, width=2.2, head=9.0, dash=(4.0, 3.5))


def cross(path: Path) -> list[Path]:
    """A cross on the middle of a way."""
    points = flatten(path)
    x, y = (
        points[len(points) // 2]
        if len(points) > 2
        else ((points[0][0] + points[-1][0]) / 2, (points[0][1] + points[-1][1]) / 2)
    )
    return [rounded([(x - 6, y - 6 * s), (x + 6, y + 6 * s)], 0.0) for s in (1, -1)]


def _start(grid: Grid, edge: Edge) -> float | None:
    """Arcs that join are labelled where they are still apart, at their start."""
    return 30.0 if edge.cls == "parameter" or grid.ways.mode.get(edge.id, "straight") != "straight" else None


def _label(grid: Grid, edge: Edge) -> Outline:
    data = grid.scene.data
    mathml, text = fraction(edge, edge.id in data.immediate)
    handed = data.labels.get(edge.id)
    label = mathml_label(handed or mathml, data.jacobians.get(edge.id, text) if handed else text, 13.0)
    norm = data.norms.get(edge.id)
    return label if norm is None else stacked(label, words(_number(norm), 8.5))


def arc_marks(grid: Grid, drawn: list[Mark], obstacles: list[Mark]) -> list[Mark]:
    """The arcs of every shown edge that carries the gradient, then their labels.

    Args:
        drawn: the arrows, in any order, by their ids.
        obstacles: everything else that labels must keep away from.
    """
    scene, theme = grid.scene, grid.theme
    forward = {m.id: m for m in drawn}
    crowd = Crowd()
    for m in (*obstacles, *drawn):
        if m.path:
            crowd.add_path(m.path, m.style.width + 2)
        elif m.box and m.kind != "band":
            x, y, w, h = m.box
            crowd.add(around(x, y, w + 12, h + 8))
        if m.label and (m.label_at or m.kind == "band"):
            crowd.add(around(*m.label_point, m.label.width + 8, m.label.height + 6))
    arcs: list[Mark] = []
    labels: list[tuple[Mark, Edge]] = []
    for e in scene.edges:
        if not scene.data.carries(e.id) or e.cut == "cut":
            continue
        norm = scene.data.norms.get(e.id)
        style = replace(theme.edge["gradient"], width=width_of(norm, 3.2))
        style = replace(style, head=7.0 + 1.1 * style.width)
        if e.id in scene.data.faulty:
            style = fault_style(theme)
        if e.source in scene.hidden:
            style = replace(style, head=0.0)
        path = arc_path(grid, e, forward[e.id].path)
        jacobian = scene.data.jacobians.get(e.id)
        said = fraction(e, e.id in scene.data.immediate)[1]
        said += f" = {jacobian}" if jacobian else ""
        said += f", norm {_number(norm)}" if norm is not None else ""
        arc = Mark(e.id, "arc", f"arc {e.cls}", style, path=path, title=said, ends=(e.target, e.source))
        crowd.add_path(path, style.width + 2)
        arcs.append(arc)
        if e.id in scene.data.faulty:
            (x, y), *_ = cross(path)[0]
            crowd.add(around(x + 6, y + 6, 16, 16))
            for k, stroke in enumerate(cross(path)):
                arcs.append(
                    Mark(f"{e.id} fault {k}", "stroke", "fault", replace(theme.edge["mark"], width=2.4), path=stroke)
                )
        labels.append((arc, e))
    found = []
    for arc, e in labels:
        if e.target in scene.hidden and grid.ways.mode.get(e.id, "straight") != "straight":
            continue  # several arcs come out of the ellipsis as one
        outline = _label(grid, e)
        for x, y in beside(arc.path, outline.width, outline.height, _start(grid, e)):
            spot = around(x, y, outline.width + 3, outline.height + 3)
            if crowd.free(spot):
                crowd.add(spot)
                ink = theme.gradient_ink
                found.append(
                    Mark(
                        f"{e.id} label",
                        "text",
                        "jacobian",
                        arc.style,
                        label=outline,
                        label_at=(x, y),
                        ink=ink,
                        tex=_tex(e, e.id in scene.data.immediate, scene.data.norms.get(e.id)),
                    )
                )
                break
    return arcs + found
