"""Presentation MathML as items."""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET

from .grammar import MARKS, Item, Items

__all__ = ["mathml"]

_APPLY, _TIMES = "\u2061", "\u2062"


def mathml(text: str) -> Items:
    """A MathML element as items."""
    return _elements([ET.fromstring(re.sub(r' xmlns="[^"]*"', "", text))])


def _elements(elements: list[ET.Element]) -> Items:
    """Elements side by side; a function and its bracket belong together."""
    found: Items = []
    i = 0
    while i < len(elements):
        if i + 2 < len(elements) and elements[i + 1].text == _APPLY:
            function = elements[i]
            name = "1₊" if function.tag == "msub" else "".join(function.itertext())
            found.append(("call", name, _commas(list(elements[i + 2])[1:-1])))
            i += 3
            continue
        found += _element(elements[i])
        i += 1
    return found


def _commas(elements: list[ET.Element]) -> list[Items]:
    """Parts between commas; a comma may stand in a row of its own."""
    parts: list[list[ET.Element]] = [[]]
    if len(elements) == 1 and elements[0].tag == "mrow" and any(c.tag == "mo" and c.text == "," for c in elements[0]):
        elements = list(elements[0])
    for e in elements:
        if e.tag == "mo" and e.text == ",":
            parts.append([])
        else:
            parts[-1].append(e)
    return [_elements(p) for p in parts]


def _text(e: ET.Element) -> str:
    return "".join(e.itertext()).replace("−", "-").replace(" ", "")


def _is_name(e: ET.Element) -> bool:
    return e.tag in ("mi", "mover", "mtext") or (e.tag == "mrow" and len(e) > 0 and all(c.tag == "mi" for c in e))


def _head(e: ET.Element) -> str:
    head = _text(e) if e.tag != "mover" else _text(e[0]) + MARKS[(e[1].text or "")]
    return unicodedata.normalize("NFD", head)


def _above(e: ET.Element) -> bool:
    """Whether what stands above belongs to the name: a layer in brackets, or a word."""
    return _text(e).startswith("(") or e.get("mathvariant") == "normal"


def _raised(e: ET.Element) -> Item:
    return ("T",) if _text(e) == "⊤" else ("^", _elements([e]))


def _element(e: ET.Element) -> Items:
    children = list(e)
    tag, text = e.tag, (e.text or "").strip()
    if tag == "mn":
        return [("num", float(text))]
    if tag == "mo":
        return [] if text in ("", _TIMES) else [("op", text.replace("−", "-"))]
    if tag == "mi":
        if text in ("I", "𝟏"):
            return [("unit", "I" if text == "I" else "ones")]
        return [("name", _head(e), "", "")]
    if tag == "mspace":
        return []
    if tag in ("math", "mtd", "mphantom"):
        return _elements(children)
    if tag == "mfrac":
        mark = "".join(children[0][0].itertext())[:1] if children[0].tag == "mrow" and len(children[0]) == 2 else ""
        if mark == "∂" or (
            "".join(children[0][0].itertext() if mark else "") == "d" and children[0][0].get("mathvariant") == "normal"
        ):
            total = mark == "d"
            immediate = children[0][0].tag == "msup"
            names = [_elements([c[1]])[0] for c in children]
            return [("d", "d" if total else "∂+" if immediate else "∂", *names)]
        return [("frac", _elements([children[0]]), _elements([children[1]]))]
    if tag == "mover":
        return [("name", _head(e), "", "")]
    if tag == "munderover":
        below = list(children[1])
        return [("big", _text(children[0]), _text(below[0]), _elements(below[2:]), _elements([children[2]]))]
    if tag == "mtable":  # of a sum or a long product, which goes on below
        return [x for row in children for cell in row for x in _elements([cell])]
    if tag == "mrow":
        return _row(children)
    if tag in ("msub", "msup", "msubsup") and _is_name(children[0]):
        named = _head(children[0])
        if tag == "msub" and named == "𝐞":
            return [("e", _elements([children[1]]))]
        below = _text(children[1]) if tag != "msup" else ""
        above = children[-1] if tag != "msub" else None
        if above is not None and set(_text(above)) == {"′"}:
            named, above = named + "'" * len(_text(above)), None
        if above is None:
            return [("name", named, below, "")]
        if _above(above):
            return [("name", named, below, _text(above))]
        first: Item = (
            ("unit", "I" if named == "I" else "ones")
            if named in ("I", "𝟏") and not below
            else ("name", named, below, "")
        )
        return [first, _raised(above)]
    if tag == "msup":
        return [("(", _elements([children[0]])), _raised(children[1])]
    if tag == "msub":
        inside = list(children[0])
        return [("(", _elements(inside[1:-1])), _place(children[1])]
    raise ValueError(f"<{tag}>")


def _place(e: ET.Element) -> Item:
    text = _text(e)
    if text.startswith(":,"):
        return ("column", _elements(list(e)[2:]))
    if ":" in text:
        a, b = text.split(":")
        return ("rows", int(a), int(b))
    return ("at", _commas([e] if e.tag != "mrow" else list(e)))


def _row(children: list[ET.Element]) -> Items:
    signs = [(c.text or "").strip() if c.tag == "mo" else "" for c in children]
    if len(signs) == 5 and signs[0] == "∂" and signs[2] == "/":
        return [("d", "∂", _element(children[1])[0], _element(children[4])[0])]
    if len(signs) > 2 and signs[0] in ("(", "[", "|") and signs[-1] in (")", "]", "|"):
        inside = children[1:-1]
        if (
            signs[0] == "["
            and len(inside) == 1
            and inside[0].tag == "mtable"
            and "displaystyle" not in inside[0].attrib
        ):
            return [("mat", [[_elements([cell]) for cell in row] for row in inside[0]])]
        return [(signs[0], _elements(inside))]
    return _elements(children)
