"""The SVG of a picture: one group per thing, with ids, classes, titles and outlined labels.

The shapes inside the groups come from Graphviz if `shapes` is given, and from here otherwise, so that both have the
same ids, order and labels by construction. This writer needs nothing but Python; it is also the oracle for what
Graphviz has drawn.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from .geometry import Path, arrow_head, shorten
from .labels import Outline
from .marks import Layout, Mark

__all__ = ["mark_id", "number", "path_data", "write_svg"]


def number(v: float) -> str:
    """Short and the same everywhere: at most two decimals, no minus zero."""
    text = f"{v:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def mark_id(m: Mark) -> str:
    """A valid and unique XML id: letters and digits stay, everything else becomes its code point."""
    safe = re.sub(r"[^A-Za-z0-9.-]", lambda c: f"_{ord(c[0]):x}_", m.id)
    return f"{m.kind}-{m.panel}{safe}"


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _text(text: str) -> str:
    return escape(_clean(text))


def _attribute(text: str) -> str:
    return escape(_clean(text), {'"': "&quot;", "'": "&#39;"})


def path_data(path: Path) -> str:
    """The `d` of a chain of Béziers."""
    points = [f"{number(x)},{number(y)}" for x, y in path]
    return f"M{points[0]}C" + " ".join(points[1:])


def _paint(m: Mark) -> str:
    s = m.style
    out = f'fill="{s.fill}" stroke="{s.stroke}"'
    if s.stroke != "none":
        out += f' stroke-width="{number(s.width)}"'
    if s.dash:
        out += f' stroke-dasharray="{",".join(number(d) for d in s.dash)}"'
    return out


def _own_shapes(m: Mark, dx: float, dy: float) -> str:
    s = m.style
    if m.box is not None:
        x, y, w, h = m.box
        x, y = x - dx, y - dy
        out = ""
        for grow in (4.0, 0.0) if s.double else (0.0,):
            paint = _paint(m)
            if s.shape == "ellipse":
                rx, ry = number(w / 2 + grow), number(h / 2 + grow)
                out += f'<ellipse cx="{number(x)}" cy="{number(y)}" rx="{rx}" ry="{ry}" {paint}/>'
            else:
                left, top = number(x - w / 2 - grow), number(y - h / 2 - grow)
                radius = s.radius + grow * (s.radius > 2)  # square corners stay square
                size = f'width="{number(w + 2 * grow)}" height="{number(h + 2 * grow)}" rx="{number(radius)}"'
                out += f'<rect x="{left}" y="{top}" {size} {paint}/>'
        return out
    if not m.path:
        return ""
    path = tuple((x - dx, y - dy) for x, y in m.path)
    line = shorten(path, s.head) if s.head else path
    return f'<path d="{path_data(line)}" {_paint(m)}/>' + _endings(m, dx, dy)


def _endings(m: Mark, dx: float, dy: float) -> str:
    """Arrow head and dot. Graphviz' own heads grow with the line's width and stop short of the box; ours do not."""
    s, out = m.style, ""
    path = tuple((x - dx, y - dy) for x, y in m.path)
    if s.head:
        corners = " ".join(f"{number(x)},{number(y)}" for x, y in arrow_head(path, s.head))
        out += f'<polygon points="{corners}" fill="{s.stroke}"/>'
    if s.dot:
        x, y = path[0]
        out += f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(s.dot)}" fill="{s.stroke}"/>'
    return out


def _label(m: Mark, outline: Outline, ink: str, as_text: bool, dx: float, dy: float) -> str:
    x, y = m.label_point
    x, y = x - dx, y - dy
    colour = m.ink or ink
    if as_text:
        size = 15 if m.id == "title" and m.kind == "text" else 13 if m.kind == "node" else 10
        face = "serif" if m.kind in ("node", "mark") else "sans-serif"
        # Words keep their left edge, whatever font they meet; names stay in the middle of their box.
        words = m.kind in ("text", "band")
        x -= outline.width / 2 if words else 0
        anchor = "start" if words else "middle"
        where = f'x="{number(x)}" y="{number(y + size * 0.34)}" text-anchor="{anchor}"'
        return f'<text {where} font-family="{face}" font-size="{size}" fill="{colour}">{_text(outline.text)}</text>'
    if not outline.glyphs:
        return ""
    uses = "".join(
        f'<use href="#{g.key}" transform="translate({number(x + g.x)} {number(y + g.y)}) scale({g.scale:.4g})"/>'
        for g in outline.glyphs
    )
    return f'<g class="label" fill="{colour}" stroke="none" aria-label="{_attribute(outline.text)}">{uses}</g>'


def write_svg(
    layout: Layout, labels: str = "math", shapes: dict[str, str] | None = None, offset: tuple[float, float] = (0.0, 0.0)
) -> str:
    """The whole picture as text.

    Args:
        labels: "math" for outlines, "text" for editable text.
        shapes: what Graphviz drew, by `mark_id`; whatever is missing is drawn here.
        offset: add this to Graphviz' coordinates to get ours.
    """
    dx, dy = offset
    w, h = number(layout.width), number(layout.height)
    glyphs: dict[str, str] = {}
    body: list[str] = []
    for m in layout.marks:
        name = mark_id(m)
        extra = ""
        if m.kind in ("node", "edge", "arc", "rail", "band"):
            extra = f' data-id="{_attribute(m.id)}"'
        if m.ends != ("", ""):
            extra += f' data-source="{_attribute(m.ends[0])}" data-target="{_attribute(m.ends[1])}"'
        inner = f"<title>{_text(m.title)}</title>" if m.title else ""
        if shapes and name in shapes:
            inner += shapes[name] + (_endings(m, dx, dy) if m.path else "")
        else:
            inner += _own_shapes(m, dx, dy)
        if m.label is not None:
            inner += _label(m, m.label, layout.ink, labels == "text", dx, dy)
            glyphs.update((g.key, g.path) for g in m.label.glyphs)
        body.append(f'<g id="{name}" class="{m.cls}"{extra}>{inner}</g>')
    wide, high = number(layout.width * layout.scale), number(layout.height * layout.scale)
    defs = "".join(f'<path id="{k}" d="{d}"/>' for k, d in glyphs.items()) if labels == "math" else ""
    move = f' transform="translate({number(dx)} {number(dy)})"' if offset != (0.0, 0.0) else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {w} {h}" role="img" '
        f'aria-label="{_attribute(layout.title)}">\n<title>{_text(layout.title)}</title>\n'
        f"<desc>{_text(layout.description)}</desc>\n<defs>{defs}</defs>\n"
        f'<rect class="paper" width="{w}" height="{h}" fill="{layout.paper}"/>\n'
        f'<g class="picture"{move}>\n' + "\n".join(body) + "\n</g>\n</svg>\n"
    )
