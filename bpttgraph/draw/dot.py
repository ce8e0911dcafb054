"""The DOT text of a picture, with every position given: `neato -n2` (or `dot -Knop2`) draws it exactly as laid out.

Lines that are not arrows of the graph (rails, cut marks, brackets) are edges from an invisible node to itself, which
is how DOT can hold a free spline. Coordinates have y upwards here.
"""

from __future__ import annotations

import re

from .geometry import Path, shorten
from .marks import Layout, Mark
from .svg import mark_id, number

__all__ = ["ORIGIN", "write_dot"]

ORIGIN = "paper"  # the invisible node that free lines hang on


def _quote(text: str) -> str:
    """A quoted DOT string that Graphviz shows as it stands: no escapes such as \\N, no entities, no line ends."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return '"' + text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') + '"'


def _name(m_id: str) -> str:
    """The name of a node. Backslashes in names are kept by Graphviz as they are, so names with any are spelled in
    code."""
    if "\\" in m_id or '"' in m_id or not m_id.isprintable() or m_id == ORIGIN:
        return '"' + re.sub(r"[^A-Za-z0-9.-]", lambda c: f"_{ord(c[0]):x}_", m_id) + ' "'
    return f'"{m_id}"'


def _attributes(pairs: dict[str, str]) -> str:
    return "[" + ", ".join(f"{k}={v}" for k, v in pairs.items()) + "]"


def _line_style(m: Mark, rounded: bool = False, filled: bool = False) -> str:
    words = ["rounded"] * rounded + ["filled"] * filled + ["dashed"] * bool(m.style.dash)
    return '"' + ",".join(words or ["solid"]) + '"'


def _node(m: Mark, height: float, text: bool) -> str:
    assert m.box is not None
    s = m.style
    x, y, w, h = m.box
    solid = s.fill != "none"
    pairs = {
        "id": f'"{mark_id(m)}"',
        "label": _quote(m.label.text) if text and m.label else '""',
        "pos": f'"{number(x)},{number(height - y)}!"',
        "width": f"{w / 72:.4f}",
        "height": f"{h / 72:.4f}",
        "shape": "ellipse" if s.shape == "ellipse" else "box",
        "style": _line_style(m, s.shape == "box" and s.radius > 2, solid),
        "color": '"transparent"' if s.stroke == "none" else f'"{s.stroke}"',
        "penwidth": number(s.width),
    }
    if solid:
        pairs["fillcolor"] = f'"{s.fill}"'
    if s.double:
        pairs["peripheries"] = "2"
    if m.title:
        pairs["tooltip"] = _quote(m.title)
    name = m.panel + m.id if m.kind == "node" else mark_id(m)
    return f"{_name(name)} {_attributes(pairs)};"


def _spline(path: Path, head: float, dot: float, height: float) -> str:
    line = shorten(path, head) if head else path
    pos = [f"{number(x)},{number(height - y)}" for x, y in line]
    if head:
        pos.insert(0, f"e,{number(path[-1][0])},{number(height - path[-1][1])}")
    if dot:
        # Graphviz sets the dot beyond the start point; start it so much further back that it sits on the rail.
        (x, y), (_, ny) = path[0], path[1]
        back = 3.1 if ny < y else -3.1
        pos.insert(0, f"s,{number(x)},{number(height - y - back)}")
    return '"' + " ".join(pos) + '"'


def _edge(m: Mark, height: float) -> str:
    s = m.style
    pairs = {"id": f'"{mark_id(m)}"', "pos": _spline(m.path, s.head, s.dot, height), "color": f'"{s.stroke}"'}
    pairs |= {"penwidth": number(s.width), "style": _line_style(m), "arrowsize": number((s.head or 7) / 10)}
    pairs["dir"] = "both" if s.dot and s.head else "forward" if s.head else "none"
    if s.dot and s.head:
        pairs["arrowtail"] = "dot"
    if m.title:
        pairs["edgetooltip"] = _quote(m.title)
    source, target = (m.panel + e for e in m.ends) if m.ends[0] else (ORIGIN, ORIGIN)
    ends = [n if n == ORIGIN and not m.ends[0] else _name(n) for n in (source, target)]
    return f"{ends[0]} -> {ends[1]} {_attributes(pairs)};"


def write_dot(layout: Layout, text: bool = True) -> str:
    """The picture as DOT. With `text` it has readable labels; without, Graphviz draws the shapes only."""
    height = layout.height
    w, h = number(layout.width), number(height)
    wide, high = layout.width * layout.scale / 72, height * layout.scale / 72
    size = f', size="{wide:.4f},{high:.4f}!"' if text and layout.scale != 1.0 else ""
    shown = {m.panel + m.id for m in layout.marks if m.kind == "node"}
    lines = [
        f"digraph {_quote(layout.title)} {{",
        "  // Every position is given: any engine (dot -Tsvg, neato -n2 -Tsvg) draws it as it is.",
        f'  graph [layout=nop2, bb="0,0,{w},{h}", bgcolor="{layout.paper}", pad=0, margin=0, splines=true{size}];',
        f'  node [fixedsize=true, fontname="serif", fontsize=13, fontcolor="{layout.ink}"];',
        f"  {_hidden(ORIGIN, '0', '0')}",
        f"  {_hidden('corner', w, h)}",
    ]
    free: list[str] = []
    members: dict[str, list[str]] = {}
    bands = [m for m in layout.marks if m.kind == "band"]
    for m in layout.marks:
        if m.kind in ("node", "mark", "dot", "cell"):
            members.setdefault(_band_of(m, bands) if m.kind == "node" else "", []).append(_node(m, height, text))
        elif m.kind in ("edge", "arc", "rail", "stroke"):
            for end in m.ends if m.kind in ("edge", "arc") and m.ends[0] else ():
                if m.panel + end not in shown:  # folded away: the arrow ends at the ellipsis, its node is not drawn
                    x, y = m.path[0] if end == m.ends[0] else m.path[-1]
                    lines.append("  " + _hidden(_name(m.panel + end), number(x), number(height - y)))
                    shown.add(m.panel + end)
            free.append(_edge(m, height))
        if text and m.label and m.kind in ("text", "stroke"):
            free.append(_words(m, height))
    for k, m in enumerate(bands):
        lines += _band(m, k, height, text, members.get(m.panel + m.id, []))
    return (
        "\n".join([*lines, *("  " + line for line in members.get("", [])), *("  " + line for line in free), "}"]) + "\n"
    )


def _hidden(name: str, x: str, y: str) -> str:
    return f'{name} [style=invis, shape=point, width=0, height=0, label="", pos="{x},{y}!"];'


def _words(m: Mark, height: float) -> str:
    """Words that belong to no shape: the title, the legend, the notes."""
    assert m.label is not None
    x, y = m.label_point
    pairs = {
        "shape": "plaintext",
        "label": _quote(m.label.text),
        "pos": f'"{number(x)},{number(height - y)}!"',
        "fontname": '"sans-serif"',
        "fontsize": number(m.label.height / 0.76) if not m.tex else "10",
        "fontcolor": f'"{m.ink}"',
        "fixedsize": "false",
    }
    return f'"{mark_id(m)} words" {_attributes(pairs)};'


def _band_of(m: Mark, bands: list[Mark]) -> str:
    assert m.box is not None
    for band in bands:
        assert band.box is not None
        x, y, w, h = band.box
        if abs(m.box[0] - x) < w / 2 and abs(m.box[1] - y) < h / 2:
            return band.panel + band.id
    return ""


def _band(m: Mark, index: int, height: float, text: bool, members: list[str]) -> list[str]:
    assert m.box is not None
    x, y, w, h = m.box
    corners = (x - w / 2, height - y - h / 2, x + w / 2, height - y + h / 2)
    pairs = {
        "id": f'"{mark_id(m)}"',
        "bb": '"' + ",".join(map(number, corners)) + '"',
        "color": f'"{m.style.stroke}"',
        "style": _line_style(m, True, m.style.fill != "none"),
        "penwidth": number(m.style.width),
        "label": '""',
    }
    if m.style.fill != "none":
        pairs["fillcolor"] = f'"{m.style.fill}"'
    if text and m.label:
        lx, ly = m.label_point
        pairs |= {"label": _quote(m.label.text), "lp": f'"{number(lx)},{number(height - ly)}"', "fontsize": "10"}
        pairs |= {"fontname": '"sans-serif"', "fontcolor": f'"{m.ink}"'}
    # A cluster needs a member to be drawn.
    inside = members or [_hidden(f'"band {index}"', number(x), number(height - y))]
    return [f"  subgraph cluster_{index} {{", f"    graph {_attributes(pairs)};", *("    " + i for i in inside), "  }"]
