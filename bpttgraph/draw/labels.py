"""Labels as vector outlines: mathematics through ziamath (STIX Two Math), words through ziafont (DejaVu Sans).

Both fonts travel inside those packages, so a picture looks the same on a machine without any font, and a label's size
is known before anything is laid out. Outlines are cached; labels that differ only in their step number (`h[1]` …
`h[50]`) share one rendering and swap the digits, because rendering 450 labels one by one would take longer than
everything else together.
"""

from __future__ import annotations

import re
import warnings
import xml.etree.ElementTree as ET
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ..core.names import to_mathml, to_unicode

__all__ = ["Glyph", "Outline", "in_line", "math_label", "mathml_label", "stacked", "words"]

MATH_SIZE = 15.0
WORD_SIZE = 10.0


@dataclass(frozen=True, slots=True)
class Glyph:
    """One outline, an SVG path in its own units (y downwards), placed at (x, y) and scaled."""

    key: str
    path: str
    x: float
    y: float
    scale: float


@dataclass(frozen=True, slots=True)
class Outline:
    """A label: glyphs around the origin, which is the middle of its ink. `text` is what a screen reader says."""

    text: str
    width: float
    height: float
    glyphs: tuple[Glyph, ...]


def _floats(element: ET.Element, *names: str) -> list[float]:
    return [float(element.get(n, "0")) for n in names]


def _collect(svg: ET.Element, text: str, factor: float = 1.0) -> Outline:
    """The glyphs of a ziamath or ziafont drawing, centred. Rules such as fraction bars come as rectangles."""
    symbols: dict[str, tuple[str, list[float]]] = {}
    glyphs: list[Glyph] = []
    for e in svg.iter():
        tag = e.tag.rsplit("}", 1)[-1]
        if tag == "symbol":
            path = e.find("{*}path")
            data = "" if path is None else re.sub(r"\s+", " ", path.get("d", "")).strip()
            symbols[e.get("id", "")] = (data, [float(v) for v in e.get("viewBox", "0 0 1 1").split()])
        elif tag == "use":
            name = next((v for k, v in e.attrib.items() if k.endswith("href")), "#")[1:]
            data, box = symbols.get(name, ("", [0.0, 0.0, 1.0, 1.0]))
            x, y, _, height = _floats(e, "x", "y", "width", "height")
            if data and box[3]:
                scale = height / box[3]
                key = f"g{zlib.crc32(data.encode()):08x}"
                glyphs.append(Glyph(key, data, x - box[0] * scale, y - box[1] * scale, scale))
        elif tag == "rect" and e.get("fill", "black") not in ("none", "white"):
            x, y, w, h = _floats(e, "x", "y", "width", "height")
            data = f"M 0 0 L {w:g} 0 L {w:g} {h:g} L 0 {h:g} Z"
            glyphs.append(Glyph(f"g{zlib.crc32(data.encode()):08x}", data, x, y, 1.0))
    boxes = [_extent(g) for g in glyphs] or [(0.0, 0.0, 0.0, 0.0)]
    left, top = min(b[0] for b in boxes), min(b[1] for b in boxes)
    right, bottom = max(b[2] for b in boxes), max(b[3] for b in boxes)
    cx, cy = (left + right) / 2, (top + bottom) / 2
    placed = (replace(g, x=(g.x - cx) * factor, y=(g.y - cy) * factor, scale=g.scale * factor) for g in glyphs)
    return Outline(text, (right - left) * factor, (bottom - top) * factor, tuple(placed))


@lru_cache(maxsize=4096)
def _bounds(path: str) -> tuple[float, float, float, float]:
    numbers = [float(v) for v in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", path)]
    xs, ys = numbers[::2] or [0.0], numbers[1::2] or [0.0]
    return min(xs), min(ys), max(xs), max(ys)


def _extent(g: Glyph) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = _bounds(g.path)
    return g.x + x0 * g.scale, g.y + y0 * g.scale, g.x + x1 * g.scale, g.y + y1 * g.scale


@lru_cache(maxsize=4096)
def mathml_label(fragment: str, text: str, size: float = MATH_SIZE) -> Outline:
    """Any MathML fragment as an outline."""
    # Rendered at ziamath's own size and scaled afterwards: its coordinates are rounded, and small sizes would show
    # that.
    return _collect(_math_writer()(f"<math>{fragment}</math>", size=24).svgxml(), text, size / 24)


@lru_cache(maxsize=16)
def _digits(size: float) -> dict[str, Glyph]:
    """The glyph of each digit as it stands in a subscript."""
    drawn = mathml_label("<msub><mi>h</mi><mn>0123456789</mn></msub>", "", size).glyphs[1:]
    return dict(zip("0123456789", drawn))


@lru_cache(maxsize=4096)
def _pattern(prefix: str, digits: int, size: float) -> tuple[Outline, tuple[int, ...]]:
    """A label with all-zero step digits, and which of its glyphs are those digits."""
    zero = mathml_label(to_mathml(f"{prefix}[{'0' * digits}]"), "", size)
    places = tuple(i for i, g in enumerate(zero.glyphs) if g.key == _digits(size)["0"].key)
    if len(places) == digits:
        return zero, places
    one = mathml_label(to_mathml(f"{prefix}[{'1' * digits}]"), "", size)  # the name itself has a zero
    if len(zero.glyphs) != len(one.glyphs):
        return zero, ()
    return zero, tuple(i for i, (a, b) in enumerate(zip(zero.glyphs, one.glyphs)) if a.key != b.key)


@lru_cache(maxsize=8192)
def math_label(name: str, size: float = MATH_SIZE) -> Outline:
    """The name of a variable as mathematics."""
    step = re.fullmatch(r"(.*)\[(\d+)\]", name, re.DOTALL)
    if step and step[2].isascii():
        outline, places = _pattern(step[1], len(step[2]), size)
        if len(places) == len(step[2]):
            glyphs = list(outline.glyphs)
            for place, digit in zip(places, step[2]):
                d = _digits(size)[digit]
                glyphs[place] = replace(glyphs[place], key=d.key, path=d.path)
            return Outline(to_unicode(name), outline.width, outline.height, tuple(glyphs))
    return mathml_label(to_mathml(name), to_unicode(name), size)


@lru_cache(maxsize=1)
def _word_font() -> Any:
    with warnings.catch_warnings():
        # Both packages find their fonts in a way that newer Pythons warn about; users can do nothing about it.
        warnings.simplefilter("ignore", DeprecationWarning)
        from ziafont.font import Font

        class Plain(Font):
            """Without the tables for kerning and Arabic: reading them takes longer than all the rest of a picture."""

            def _readtables(self) -> None:
                super()._readtables()
                for table in ("GPOS", "GSUB"):
                    self.tables.pop(table, None)

        return Plain()


@lru_cache(maxsize=1024)
def _letter(c: str) -> tuple[str, str, float]:
    """Key and path of a letter at 12 points (empty for a space), and how far the next letter stands from it."""
    font = _word_font()
    glyph = font.glyph(c)
    path = glyph.svgpath()
    data = "" if path is None else re.sub(r"\s+", " ", path.get("d", "")).strip()
    return f"g{zlib.crc32(data.encode()):08x}", data, glyph.advance() * 12 / font.info.layout.unitsperem


@lru_cache(maxsize=1)
def _math_writer() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from ziamath.zmath import Math

        Math("<math><mi>x</mi></math>")  # loads the font
        return Math


@lru_cache(maxsize=2048)
def words(text: str, size: float = WORD_SIZE) -> Outline:
    """Plain words as an outline. The height is that of the font, so that lines of words share a baseline."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    glyphs, x = [], 0.0
    for c in shown:
        key, data, advance = _letter(c)
        if data:
            glyphs.append(Glyph(key, data, x, 0.0, 1.0))
        x += advance
    height = -_bounds(_letter("d")[1])[1]
    left = min([_extent(g)[0] for g in glyphs], default=0.0)
    right = max([_extent(g)[2] for g in glyphs], default=0.0)
    scale, cx = size / 12, (left + right) / 2
    placed = tuple(replace(g, x=(g.x - cx) * scale, y=height / 2 * scale, scale=scale) for g in glyphs)
    return Outline(shown, (right - left) * scale, height * scale, placed)


def in_line(*outlines: Outline, gap: float) -> Outline:
    """Several labels after each other, their middles level."""
    width = sum(o.width for o in outlines) + gap * (len(outlines) - 1)
    glyphs: list[Glyph] = []
    left = -width / 2
    for o in outlines:
        glyphs += [replace(g, x=g.x + left + o.width / 2) for g in o.glyphs]
        left += o.width + gap
    return Outline("".join(o.text for o in outlines), width, max(o.height for o in outlines), tuple(glyphs))


def stacked(*outlines: Outline, gap: float = 3.5) -> Outline:
    """Several labels under each other, centred."""
    height = sum(o.height for o in outlines) + gap * (len(outlines) - 1)
    glyphs: list[Glyph] = []
    top = -height / 2
    for o in outlines:
        glyphs += [replace(g, y=g.y + top + o.height / 2) for g in o.glyphs]
        top += o.height + gap
    return Outline(" ".join(o.text for o in outlines), max(o.width for o in outlines), height, tuple(glyphs))
