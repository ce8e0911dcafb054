"""Where everything stands: time to the right, layers upwards, the same node at the same place in every step.

The grid is ours, not Graphviz's: its own layout of an unrolled LSTM takes minutes at 50 steps and scrambles time. The
result is a flat list of `Mark`s (bands, rails, edges, nodes, words), in points, y downwards; DOT, SVG, PDF and PNG
are written from it.
"""

from __future__ import annotations

from dataclasses import replace

from .backward import arc_marks
from .geometry import Path, cut_strokes, parallel, rounded
from .grid import Grid, chain, item_width, make_grid
from .heat import contributions
from .labels import Outline, math_label, mathml_label, words
from .legend import legend_marks
from .marks import Layout, Mark
from .panels import arrange, highlight
from .routes import travel
from .scene import Edge, Item, Scene
from .template import ROW_HEIGHT, loops, net_of
from .theme import Style, Theme

__all__ = ["Layout", "Mark", "layout"]


def layout(scene: Scene) -> Layout:
    """Coordinates for everything in the scene."""
    marks, grid = _body(scene)
    theme = grid.theme
    if scene.view == "paths" and scene.data.terms:
        pictures = [highlight(marks, term, scene, theme) for term in scene.data.terms]
        marks = arrange(pictures, scene.data.terms, scene, theme)
    if scene.view == "contributions" or scene.data.counted:
        marks = contributions(marks, scene, theme)
    return legend_marks(scene, theme, marks)


def _body(scene: Scene) -> tuple[list[Mark], Grid]:
    """One picture of the graph, without title and legend."""
    labels = {i.id: _label(i) for i in scene.items.values()}
    # Words in the picture cannot grow with those around it, so on a page of given size they start larger.
    band_labels = [words(s.label, 14.0 if scene.fit else 10.0) for s in scene.slots]
    grid = make_grid(scene, labels, band_labels)
    theme = grid.theme
    marks: list[Mark] = _bands(grid, band_labels)
    edges: list[Mark] = []
    ends: dict[str, float] = {}
    cuts: list[Mark] = []
    for e in scene.edges:
        style = theme.edge[e.cls]
        if e.cut == "cut":
            style = replace(style, dash=(5.0, 3.5))
        if e.target in scene.hidden:
            style = replace(style, head=0.0)
        path = grid.path(e)
        if e.twin:
            path = parallel(path, 5.0 * e.twin)
        if e.cls == "parameter":
            ends[e.source] = max(ends.get(e.source, 0.0), path[0][0])
        cls = " ".join(["edge", e.cls, *([f"cut-{e.cut}"] if e.cut else [])])
        edges.append(Mark(e.id, "edge", cls, style, path=path, title=e.title, ends=(e.source, e.target)))
        if e.cut:
            where = 14.0 if e.source_slot is None or not travel(e) else _to_gutter(grid, e, path)
            strokes = cut_strokes(path, where, 2 if e.cut == "cut" else 1, 6.0 + style.width / 2)
            cuts += [
                Mark(f"{e.id} {k}", "stroke", "cut-mark", theme.edge["mark"], path=p) for k, p in enumerate(strokes)
            ]
    # What belongs together is painted together; the cell line above the arrows that branch off from it.
    order = {"parameter": 0, "recurrent": 1, "cell-line": 2, "forward": 3}
    edges.sort(key=lambda m: order[m.cls.split()[1]])
    for name, end in ends.items():
        y = grid.rail_y[name]
        marks.append(Mark(name, "rail", "rail", theme.rail(), path=rounded([(grid.rail_x, y), (end, y)])))
    nodes = _nodes(grid, labels) + _delays(grid)
    if scene.view == "backward":
        edges = [replace(m, style=_faded(m.style, theme)) for m in edges]
        cuts += arc_marks(grid, edges, marks + cuts + nodes)
    marks += edges + cuts + nodes
    return marks, grid


def _label(item: Item) -> Outline:
    if item.label is None and item.role == "parameter":
        label = math_label(item.id, 13.0)
        return label if label.height <= 14.5 else math_label(item.id, 13.0 * 14.5 / label.height)
    if item.label is None:
        return math_label(item.id, 15.0)
    label = mathml_label(item.label.mathml, item.label.text, 15.0)
    if label.height > ROW_HEIGHT - 5:  # a fraction: as large as fits
        label = mathml_label(item.label.mathml, item.label.text, 15.0 * (ROW_HEIGHT - 5) / label.height)
    return label


def _faded(style: Style, theme: Theme) -> Style:
    faded = theme.edge["faded"]
    return replace(faded, head=min(style.head, faded.head), dot=min(style.dot, 1.8), dash=style.dash)


def _to_gutter(grid: Grid, e: Edge, path: Path) -> float:
    """How far along an arrow its cut is drawn: in the gutter, and behind the bend where other arrows part from it."""
    assert e.source_slot is not None
    straight = grid.ways.mode[e.id] == "straight"
    inside = min(15.0, grid.gutter / 2) if straight else grid.gutter_offset(net_of(e, grid.scene))
    border = grid.centre[e.source_slot] + travel(e) * (grid.half[e.source_slot] + inside)
    return abs(border - path[0][0]) + (0 if straight else 16)


def _nodes(grid: Grid, labels: dict[str, Outline]) -> list[Mark]:
    out = []
    for i in grid.scene.items.values():
        style = grid.theme.node[i.style]
        if i.role == "parameter":
            width = item_width(labels[i.id], style)
            box = (grid.rail_x - width / 2, grid.rail_y.get(i.id, grid.bottom + 20), width, 17.0)
        else:
            box = grid.place(i.id)
        out.append(
            Mark(
                i.id,
                "node",
                f"node {i.style}",
                style,
                box=box,
                label=labels[i.id],
                title=i.title,
                tex=i.label.tex if i.label else "",
            )
        )
    return out


def _bands(grid: Grid, band_labels: list[Outline]) -> list[Mark]:
    scene, theme = grid.scene, grid.theme
    marks: list[Mark] = []
    shade = 0
    height = grid.bottom - grid.top
    for k, slot in enumerate(scene.slots):
        if slot.kind == "outside":
            continue
        x, h = grid.centre[k], grid.half[k]
        style = Style(stroke=theme.band_line, fill=theme.bands[shade], width=0.8, shape="box", radius=9.0)
        shade = 1 - shade
        box = (x, grid.top + height / 2, 2 * h, height)
        name = f"{slot.block or ''} {slot.label}".strip()
        if slot.kind == "ellipsis":
            style = replace(style, dash=(4.0, 3.0), fill="none")
        label = band_labels[k]
        at = (x - h + 9 + label.width / 2, grid.top + 15) if slot.kind == "step" else (x, grid.top + 15)
        title = f"{slot.hidden} steps not shown" if slot.hidden else slot.label
        marks.append(Mark(name, "band", "band", style, box=box, label=label, label_at=at, title=title, ink=theme.faint))
        if slot.kind == "ellipsis":
            marks += _ellipsis(grid, k, name, slot.hidden, slot.block)
    top = min([grid.top, *(y - 14 for y in grid.rail_y.values()), *(y - 18 for _, y in grid.total_at.values())])
    for block in dict.fromkeys(s.block for s in scene.slots):
        mine = [k for k, s in enumerate(scene.slots) if s.block == block]
        if block is None:
            continue
        left, right = grid.centre[mine[0]] - grid.half[mine[0]], grid.centre[mine[-1]] + grid.half[mine[-1]]
        y = top - 12
        label = words(block, 11.5)
        line: Path = rounded([(left, y + 5), (left, y), (right, y), (right, y + 5)], 4)
        marks.append(
            Mark(
                f"block {block}",
                "stroke",
                "bracket",
                theme.edge["bracket"],
                path=line,
                label=label,
                label_at=((left + right) / 2, y - 10),
                ink=theme.faint,
            )
        )
    return marks


def _ellipsis(grid: Grid, slot: int, name: str, hidden: int, block: str | None) -> list[Mark]:
    """Dots where the arrows go in and out, and in words how many steps are not shown."""
    x = grid.centre[slot]
    rows = sorted({grid.scene.item(n).row for n in grid.scene.hidden if grid.scene.item(n).block == block})
    marks = []
    for r in rows:
        for k in (-1, 0, 1):
            dot = Style(stroke="none", fill=grid.theme.faint, shape="ellipse")
            box = (x + 8 * k, grid.row_y[r], 3.6, 3.6)
            marks.append(Mark(f"{name} {r} {k}", "dot", "ellipsis", dot, box=box))
    middle = (grid.row_y[rows[0]] + grid.row_y[rows[1]]) / 2 if len(rows) > 1 else grid.row_y[0] - 22
    size = 12.0 if grid.scene.fit else 9.5
    for k, line in enumerate((f"{hidden} step{'s' * (hidden > 1)}", "not shown")):
        at = (x, middle + (k - 0.5) * (size + 3.5))
        marks.append(
            Mark(
                f"{name} words {k}", "text", "note", Style(), label=words(line, size), label_at=at, ink=grid.theme.faint
            )
        )
    return marks


def _delays(grid: Grid) -> list[Mark]:
    """In the folded graph, a small square on each way back: the value waits there for so many steps."""
    seen: dict[object, Mark] = {}
    for e in grid.scene.edges:
        if not (grid.scene.folded and e.delay and loops(e, grid.scene)):
            continue
        net = net_of(e, grid.scene)
        if net in seen:
            continue
        assert e.source_slot is not None
        sign = 1 if e.delay > 0 else -1
        x = grid.centre[e.source_slot] + sign * (grid.half[e.source_slot] + 24 + chain(grid.ways, net))
        y = (
            grid.lane_y(grid.scene.item(e.source).row + 1, ("out", net))
            if grid.ways.exit_top[e.id]
            else (grid.row_y[grid.scene.item(e.source).row])
        )
        sense = "−" if e.delay > 0 else "+"
        label = mathml_label(
            f"<mrow><mi>t</mi><mo>{sense}</mo><mn>{abs(e.delay)}</mn></mrow>", f"t{sense}{abs(e.delay)}", 11.0
        )
        box = (x, y, max(30.0, label.width + 8), 18.0)
        seen[net] = Mark(
            f"delay {e.source} {e.delay}",
            "mark",
            "delay",
            grid.theme.node["delay"],
            box=box,
            label=label,
            tex=f"t{'-' if e.delay > 0 else '+'}{abs(e.delay)}",
        )
    return list(seen.values())
