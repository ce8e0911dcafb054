"""Pictures without time: the inside of one step (view `cell`), and any small expression. Left to right.

A `Network` is plain data, parts and wires; `network_layout` makes the same `Layout` of marks as the grid does, so that
every format and engine works alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..core.names import to_latex, to_mathml, to_unicode
from .free import place_by_dot
from .geometry import Path, join, rounded
from .labels import Outline, mathml_label, stacked, words
from .layers import Layers, arrange_layers
from .legend import legend_marks
from .marks import Layout, Mark
from .rows import Rows
from .scene import Scene
from .theme import THEMES, Style, Theme

__all__ = ["Network", "Part", "Wire", "network_layout", "network_scene"]

_GAP = 54.0


@dataclass(frozen=True, slots=True)
class Part:
    """One node: `style` is a node style of the theme, or "op" for an operation in a circle.

    `mathml` is its label (by default its name); `lines` are words under it, such as value and gradient.
    """

    id: str
    style: str
    mathml: str = ""
    tex: str = ""
    title: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wire:
    """One edge; `id` is unique."""

    id: str
    source: str
    target: str
    cls: str = "forward"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """Parts (arguments first) and wires. `first` stand at the left border, `top` on one line above all others."""

    title: str
    parts: Mapping[str, Part]
    wires: tuple[Wire, ...]
    notes: tuple[str, ...] = ()
    first: frozenset[str] = frozenset()
    top: frozenset[str] = frozenset()
    legend: tuple[tuple[str, str], ...] = field(default=())


def network_scene(net: Network, labels: str, theme: str, view: str, fit: str | None = None) -> Scene:
    """The parts of a scene that legend and figure read."""
    rows = Rows({}, {}, 0, 0)
    return Scene(net.title, net.notes, view, labels, theme, False, (), {}, (), rows, net.legend, fit=fit or "")


def _label(part: Part) -> Outline:
    text = to_unicode(part.id)
    label = mathml_label(part.mathml or to_mathml(part.id), part.title or text, 15.0)
    return stacked(label, *[words(line, 8.5) for line in part.lines], gap=4.0) if part.lines else label


def _style(part: Part, theme: Theme) -> Style:
    return replace(theme.node["value"], shape="ellipse") if part.style == "op" else theme.node[part.style]


def _box(label: Outline, style: Style, part: Part) -> tuple[float, float]:
    if part.style == "op" and not part.lines:
        return 25.0, 25.0
    wide = label.width * 1.25 + 16 if style.shape == "ellipse" else label.width + 20
    tall = label.height * (1.3 if style.shape == "ellipse" else 1.0) + 14
    return max(wide, 36.0), max(tall, 30.0)


def _ports(
    layers: Layers, wires: tuple[Wire, ...], size: dict[str, tuple[float, float]]
) -> dict[tuple[int, bool], float]:
    """How far above or below the middle of its box each wire ends (True) or starts (False): in the order of where it
    comes from."""
    out: dict[tuple[int, bool], float] = {}
    for end in (True, False):
        by: dict[str, list[tuple[float, int]]] = {}
        for i, w in enumerate(wires):
            way = layers.route[i]
            near = way[-2] if end else way[1]
            by.setdefault(w.target if end else w.source, []).append((layers.y[near], i))
        for name, found in by.items():
            found.sort()
            room = max(size[name][1] - 16, 0.0)
            step = min(9.0, room / max(1, len(found) - 1))
            if not end:  # what leaves a node leaves it in its middle
                step = 0.0
            level = [k for k, (_, i) in enumerate(found) if wires[i].cls == "cell-line"]
            # The cell line runs straight through; the others stand below it.
            middle = level[0] if level else (len(found) - 1) / 2
            for k, (_, i) in enumerate(found):
                out[i, end] = (k - middle) * (min(step, 7.5) if level else step)
    return out


LARGE = 40  # above so many parts, dot arranges better than we do


def network_layout(net: Network, scene: Scene) -> Layout:
    """All coordinates."""
    theme = THEMES[scene.theme]
    names = list(net.parts)
    labels = {n: _label(p) for n, p in net.parts.items()}
    style = {n: _style(p, theme) for n, p in net.parts.items()}
    size = {n: _box(labels[n], style[n], p) for n, p in net.parts.items()}
    pairs = [(w.source, w.target) for w in net.wires]
    note = ""
    if len(names) > LARGE and not net.top:
        places, note = place_by_dot(names, size, pairs)
        if places is not None:
            middles, paths = places
            boxes = {n: (18 + middles[n][0], middles[n][1], *size[n]) for n in names}
            moved = [tuple((18 + x, y) for x, y in path) for path in paths]
            return legend_marks(scene, theme, _marks(net, theme, style, labels, boxes, moved))
    layers = arrange_layers(names, pairs, {n: s[1] for n, s in size.items()}, net.first, net.top)
    count = max([*(int(c) for c in layers.column.values()), 0]) + 1
    wide = [max([size[n][0] for n in names if layers.column[n] == c], default=24.0) for c in range(count)]
    centre, x = [], 18.0
    for w in wide:
        centre.append(x + w / 2)
        x += w + _GAP
    ports = _ports(layers, net.wires, size)
    paths = [_way(layers, i, wire, centre, wide, size, ports) for i, wire in enumerate(net.wires)]
    boxes = {n: (centre[layers.column[n]], layers.y[n], *size[n]) for n in names}
    made = legend_marks(scene, theme, _marks(net, theme, style, labels, boxes, paths))
    return replace(made, note=note and f"arranged without dot: {note}")


def _marks(
    net: Network,
    theme: Theme,
    style: dict[str, Style],
    labels: dict[str, Outline],
    boxes: dict[str, tuple[float, float, float, float]],
    paths: list[Path],
) -> list[Mark]:
    marks: list[Mark] = []
    order = {"parameter": 0, "forward": 2, "recurrent": 1, "cell-line": 3}
    for wire, path in sorted(zip(net.wires, paths), key=lambda p: order.get(p[0].cls, 0)):
        ends, cls = (wire.source, wire.target), f"edge {wire.cls}"
        marks.append(Mark(wire.id, "edge", cls, theme.edge[wire.cls], path=path, title=wire.title, ends=ends))
    for n, part in net.parts.items():
        tex = part.tex or (to_latex(n) if not part.mathml else "")
        if part.lines:  # small words under the name, in mathematics as the name is
            small = [r"\scriptstyle\mathsf{" + line.replace(" ", r"\ ") + "}" for line in part.lines]
            tex = r"\substack{" + r"\\".join([r"\displaystyle " + (tex or to_latex(n)), *small]) + "}"
        title = part.title or to_unicode(n)
        marks.append(
            Mark(n, "node", f"node {part.style}", style[n], box=boxes[n], label=labels[n], title=title, tex=tex)
        )
    return marks


def _way(
    layers: Layers,
    index: int,
    wire: Wire,
    centre: list[float],
    wide: list[float],
    size: dict[str, tuple[float, float]],
    ports: dict[tuple[int, bool], float],
) -> Path:
    """Curves between the columns, straight through each column that it passes."""
    way = layers.route[index]
    x, y = centre[layers.column[way[0]]] + size[wire.source][0] / 2, layers.y[way[0]] + ports[index, False]
    path: Path = ()
    for k in way[1:]:
        c = layers.column[k]
        last = k is way[-1]
        ny = layers.y[k] + (ports[index, True] if last else 0.0)
        # The curve ends at the border of the column, so that it cannot touch a neighbour in it.
        border = centre[c] - wide[c] / 2
        left = centre[layers.column[way[way.index(k) - 1]]] + wide[layers.column[way[way.index(k) - 1]]] / 2
        piece: Path = rounded([(x, y), (left, y)]) if left > x + 0.01 else ()
        pull = (border - left) * 0.5
        bend: Path = ((left, y), (left + pull, y), (border - pull, ny), (border, ny))
        if abs(ny - y) < 0.01:
            bend = rounded([(left, y), (border, ny)])
        end = centre[c] - size[wire.target][0] / 2 if last else centre[c] + wide[c] / 2
        run: Path = rounded([(border, ny), (end, ny)]) if end > border + 0.01 else ()
        pieces = [p for p in (path, piece, bend, run) if p]
        path = join(*pieces)
        x, y = end, ny
    return path
