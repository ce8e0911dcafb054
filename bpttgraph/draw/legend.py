"""The title above a picture, the legend and the conventions below it, and the paper around it all."""

from __future__ import annotations

from dataclasses import replace

from ..core.names import to_mathml, to_unicode
from .backward import cross, fault_style, width_of
from .geometry import Path, cut_strokes, rounded
from .labels import Outline, in_line, mathml_label, words
from .marks import Layout, Mark
from .pages import choose
from .scene import Scene
from .theme import Style, Theme

__all__ = ["extent", "legend_marks", "moved"]

MARGIN = 18.0
_SAMPLE = 30.0
_LINE = 21.0


def extent(marks: list[Mark]) -> tuple[float, float, float, float]:
    xs, ys = [0.0], []
    for m in marks:
        if m.box:
            x, y, w, h = m.box
            xs += [x - w / 2, x + w / 2]
            ys += [y - h / 2, y + h / 2]
        for x, y in m.path:
            xs.append(x)
            ys.append(y)
        if m.label and m.label_at:
            xs += [m.label_at[0] - m.label.width / 2, m.label_at[0] + m.label.width / 2]
            ys += [m.label_at[1] - m.label.height / 2, m.label_at[1] + m.label.height / 2]
    return min(xs), min(ys, default=0.0), max(xs), max(ys, default=0.0)


def _sample(key: str, x: float, y: float, theme: Theme, index: int) -> list[Mark]:
    """The little picture before a legend entry."""
    what, _, name = key.partition(":")
    left, right = x, x + _SAMPLE
    line: Path = rounded([(left, y), (right, y)])
    if what == "edge":
        return [Mark(f"legend {index}", "stroke", f"legend {name}", theme.edge[name], path=line)]
    if what in ("faded", "gradient", "pale"):
        style = theme.edge[what]
        if what == "gradient":  # the way back points to the left
            width = width_of(float(name) if name else None, style.width)
            style, line = replace(style, width=width, head=7.0 + 1.1 * width), tuple(reversed(line))
        return [Mark(f"legend {index}", "stroke", f"legend {what}", style, path=line)]
    if what == "fault":
        way: Path = tuple(reversed(line))
        crossed = [
            Mark(f"legend {index} {k}", "stroke", "legend fault", replace(theme.edge["mark"], width=2.4), path=p)
            for k, p in enumerate(cross(way))
        ]
        return [Mark(f"legend {index}", "stroke", "legend fault", fault_style(theme), path=way), *crossed]
    if what == "cut":
        style = replace(theme.edge["recurrent"], dash=(5.0, 3.5) if name == "cut" else ())
        strokes = cut_strokes(line, _SAMPLE * 0.42, 2 if name == "cut" else 1)
        marks = [Mark(f"legend {index}", "stroke", "legend cut", style, path=line)]
        return marks + [
            Mark(f"legend {index} {k}", "stroke", "legend cut-mark", theme.edge["mark"], path=p)
            for k, p in enumerate(strokes)
        ]
    if what == "op":
        circle = replace(theme.node["value"], shape="ellipse")
        box = (x + _SAMPLE / 2, y, 15.0, 15.0)
        return [Mark(f"legend {index}", "mark", "legend op", circle, box=box)]
    style = theme.node["delay" if what == "delay" else name]
    inset = 4.0 if style.double else 0.0
    box = (x + _SAMPLE / 2, y, _SAMPLE - 4 - inset, 14.0 - inset / 2)
    return [
        Mark(
            f"legend {index}", "mark", f"legend {name or what}", replace(style, radius=min(style.radius, 6.0)), box=box
        )
    ]


def legend_marks(scene: Scene, theme: Theme, drawing: list[Mark]) -> Layout:
    """Add title, legend and notes, and move everything to its place on the paper."""
    if not scene.fit:
        return _compose(scene, theme, drawing)
    return choose(scene.fit, lambda aside, grow: _compose(scene, theme, drawing, aside, grow), moved)


def _compose(scene: Scene, theme: Theme, drawing: list[Mark], aside: bool = False, grow: float = 1.0) -> Layout:
    """The legend below the drawing or to its right; its words and those of title and notes `grow` times as large."""
    _, top, right, bottom = extent(drawing)
    entries = [(key, words(text, 10.0 * grow)) for key, text in scene.legend]
    widest = max([_SAMPLE + 7 + o.width for _, o in entries], default=0.0)
    title = _title(scene, 15.0 * min(grow, 1.3))
    notes = words("; ".join(scene.notes), 9.5 * grow) if scene.notes else None
    # At least wide enough for three legend columns, so that a picture of one step is not followed by a tower of words.
    width = max(right - MARGIN, 0.0 if aside else 3 * (widest + 18) - 18, title.width)
    if notes:
        width = max(width, min(notes.width, right - MARGIN if aside else 700.0))
    # Small pictures are centred over their legend.
    shift = max(0.0, (width - (right - MARGIN)) / 2)
    columns = 1 if aside else max(1, int((width + 18) // (widest + 18)))
    columns = -(-len(entries) // -(-len(entries) // columns)) if entries else 1
    marks: list[Mark] = []
    x0, y0 = (MARGIN + width + 30, top + 16) if aside else (MARGIN, bottom + 34)
    for k, (key, outline) in enumerate(entries):
        x, line = x0 + (k % columns) * (widest + 18), y0 + _LINE * grow * (k // columns)
        marks += _sample(key, x, line, theme, k)
        at = (x + _SAMPLE + 7 + outline.width / 2, line)
        marks.append(Mark(f"legend words {k}", "text", "legend", Style(), label=outline, label_at=at, ink=theme.ink))
    below = _LINE * grow * (-(-len(entries) // columns) if entries else 0)
    y = bottom + 34 + (0.0 if aside else below + 2)
    for k, note in enumerate(_wrap("; ".join(scene.notes), width, 9.5 * grow)):
        o = words(note, 9.5 * grow)
        at = (MARGIN + o.width / 2, y)
        marks.append(Mark(f"notes {k}", "text", "notes", Style(), label=o, label_at=at, ink=theme.faint))
        y += 14 * grow
    if aside:
        y, width = max(y, y0 + below), width + 30 + widest
    rise = (MARGIN + 21 + 15 * grow if scene.title else MARGIN) - top
    body = [moved(m, shift, rise) for m in drawing] + [moved(m, 0.0, rise) for m in marks]
    if scene.title:
        at = (MARGIN + title.width / 2, MARGIN + 8 * grow)
        body.append(Mark("title", "text", "title", Style(), label=title, label_at=at, ink=theme.ink))
    steps = ", ".join(s.label for s in scene.slots if s.label)
    nodes, arrows = (sum(m.kind == k for m in drawing) for k in ("node", "edge"))
    description = f"{scene.title}: {nodes} nodes, {arrows} arrows; {steps}. " + "; ".join(scene.notes)
    height = y + rise + MARGIN - 8
    return Layout(
        round(width + 2 * MARGIN, 2), round(height, 2), theme.paper, theme.ink, scene.title, description, tuple(body)
    )


def _title(scene: Scene, size: float) -> Outline:
    """Words, with the gradient that a view shows as mathematics."""
    name = scene.data.wrt
    before, found, after = scene.title.rpartition(f"∂E/∂{to_unicode(name)}") if name else ("", "", "")
    if not found or name is None:
        return words(scene.title, size)
    formula = f"<mrow><mo>∂</mo><mi>E</mi><mo>/</mo><mo>∂</mo>{to_mathml(name)}</mrow>"
    parts = [words(before.rstrip() + " ", size), mathml_label(formula, found, size * 1.1)]
    return in_line(*parts, *([words(after, size)] if after else []), gap=size * 0.35)


def _wrap(text: str, width: float, size: float = 9.5) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and words(lines[-1] + " " + word, size).width <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def moved(m: Mark, dx: float, dy: float) -> Mark:
    def r(v: float) -> float:
        return round(v, 2)

    box = (r(m.box[0] + dx), r(m.box[1] + dy), r(m.box[2]), r(m.box[3])) if m.box else None
    at = (r(m.label_at[0] + dx), r(m.label_at[1] + dy)) if m.label_at else None
    return replace(m, box=box, path=tuple((r(x + dx), r(y + dy)) for x, y in m.path), label_at=at)
