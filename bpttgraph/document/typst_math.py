"""MathML to Typst mathematics, cut into pieces between which a line may end.

Documents keep each formula once, as MathML; Typst's is made from it here. Every character that came from a name is
written as a letter, a quoted string or an escape, so that none can reach Typst's code mode.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import lru_cache
from math import inf

from ..formulas.typst import quoted

__all__ = ["pieces", "typst_math"]

LONGEST = 42
"""Letters within one pair of brackets; around more of them, the brackets are opened, and a line may end inside."""

_INFIX = frozenset("+−-=∘·↦")  # a line may end before these
_OPEN, _CLOSE = frozenset("([{⟨"), frozenset(")]}⟩")
_TIMES, _APPLY = "\u2062", "\u2061"  # invisible: a product, a function and its argument
_ACCENTS = {
    "^": "hat", "¯": "macron", "~": "tilde", "˙": "dot", "¨": "dot.double", "ˇ": "caron", "→": "arrow", "˘": "breve",
    "´": "acute", "`": "grave",
}  # fmt: skip


@lru_cache(maxsize=4096)
def typst_math(mathml: str) -> str:
    """The formula in one piece, without dollars.

    >>> typst_math("<msup><mi>W</mi><mo>⊤</mo></msup>"), typst_math("<mi>tanh</mi>")
    ('W^⊤', 'upright("tanh")')
    """
    return " ".join(text for _, text in _tokens(_read(mathml)))


@lru_cache(maxsize=4096)
def pieces(mathml: str) -> tuple[tuple[str, str], ...]:
    """The formula as (kind, text): "part" for what stays together, "times" between factors, "infix" for + − = ∘.

    >>> pieces('<mrow><mi>a</mi><mo>&#x2062;</mo><mi>b</mi><mo>+</mo><mi>c</mi></mrow>')
    (('part', 'a'), ('times', 'thin'), ('part', 'b'), ('infix', '+'), ('part', 'c'))
    """
    out: list[tuple[str, str]] = []
    depth = 0
    for kind, text in _tokens(_read(mathml), LONGEST):
        depth += (kind == "open") - (kind == "close")
        free = depth == 0 and kind != "close"
        if free and kind in ("times", "infix") and out and out[-1][0] == "part":
            out.append((kind, text))
        elif out and out[-1][0] == "part":
            out[-1] = ("part", f"{out[-1][1]} {text}".strip())
        else:
            out.append(("part", text))
    return tuple(out)


def _read(mathml: str) -> ET.Element:
    """One element. Our printers write no prefixes, so a default namespace is all there can be."""
    return ET.fromstring(re.sub(r' xmlns="[^"]*"', "", f"<mrow>{mathml}</mrow>"))


def _tokens(e: ET.Element, longest: float = inf) -> list[tuple[str, str]]:
    """What stands beside each other in an element: (kind, text). Rows that hold no bracket are looked through, and so
    are brackets around more than `longest` letters."""
    if e.tag == "mtable" and e.get("displaystyle"):  # a product over several lines: Typst finds its own line ends
        found = []
        for i, cell in enumerate(e.findall("mtr/mtd")):  # each but the first begins with a space and a dot
            line = _children(cell, longest)
            found += [("times", "thin"), *line[2:]] if i else line
        return found
    if e.tag == "msup" and _fenced(e[0]) and letters(e) > longest:
        return _opened(e[0], longest, _joined(_tokens(e[1])))
    if e.tag in ("mrow", "mtd"):
        if not _fenced(e):
            return _children(e, longest)
        return _opened(e, longest) if letters(e) > longest else [("part", f"lr({_joined(_children(e))})")]
    return [_operator(e) if e.tag == "mo" else ("part", _show(e))]


def _children(e: ET.Element, longest: float = inf) -> list[tuple[str, str]]:
    return [token for child in e for token in _tokens(child, longest)]


def _fenced(e: ET.Element) -> bool:
    return e.tag == "mrow" and len(e) > 1 and e[0].tag == e[-1].tag == "mo" and e[0].get("stretchy") == "true"


def _opened(e: ET.Element, longest: float, script: str = "") -> list[tuple[str, str]]:
    """A bracket too wide for a line: its sides are large by themselves, so that lines may end between them."""
    first, last = (f"stretch({_character(side.text or '')}, size: #165%)" for side in (e[0], e[-1]))
    inner = [token for child in e[1:-1] for token in _tokens(child, longest)]
    return [("part", first), *inner, ("part", f"attach({last}, t: {script})" if script else last)]


def letters(e: ET.Element) -> float:
    """How wide a formula is, roughly, in letters."""
    if e.tag in ("mi", "mn", "mo", "mtext"):
        return len(e.text or "") + (1 if e.text in _INFIX else 0)
    inner = [letters(child) for child in e]
    if e.tag == "mfrac":
        return max(inner)
    if e.tag in ("msub", "msup", "msubsup"):
        return inner[0] + 0.7 * max(inner[1:])
    return sum(inner) if e.tag != "mtable" or e.get("displaystyle") else max(inner, default=0)


def _joined(tokens: list[tuple[str, str]]) -> str:
    return " ".join("thin" if kind == "times" else text for kind, text in tokens)


def _operator(e: ET.Element) -> tuple[str, str]:
    text = e.text or ""
    if text == _TIMES:
        return "times", "thin"
    if text == _APPLY:
        return "part", ""
    if text in _INFIX and e.get("form") != "prefix":
        return "infix", _character(text)
    kind = "open" if text in _OPEN else "close" if text in _CLOSE else "part"
    return kind, 'class("normal", \\u{2f})' if text == "/" else _character(text)


def _character(text: str) -> str:
    """Operators and other marks: plain where Typst has no use for them, escaped elsewhere."""
    return "".join(c if c in "+−=∂⊤∘·∑∏⋯⋮⋱…↦" else f"\\u{{{ord(c):x}}}" for c in text)


def _word(text: str, upright: bool) -> str:
    if len(text) == 1 and text.isalpha():
        return f"upright({text})" if upright else text
    return f"upright({quoted(text)})"


def _scripts(base: str, below: str, above: str) -> str:
    """A base with what stands below and above it, in Typst's short form where the base is one letter or one call."""
    if base in ("V", "W") and set(below) & set("bdfhklt") and not above:
        below = f"#h(-.3em) {below}"  # the font keeps tall subscripts far away from these letters, browsers do not
    if not re.fullmatch(r"\w|(accent|limits|upright)\([^()]*\)", base):
        named = ", ".join(f"{side}: {text}" for side, text in (("b", below), ("t", above)) if text)
        return f"attach({base}, {named})"
    short = [(mark, text) for mark, text in (("_", below), ("^", above)) if text]
    return base + "".join(mark + (text if re.fullmatch(r"\w|\d+|⊤", text) else f"({text})") for mark, text in short)


def _show(e: ET.Element) -> str:
    """An element as an argument of a function: commas and semicolons in it are escaped already."""
    parts = [] if e.tag == "mtable" else [_joined(_tokens(child)) for child in e]
    text = e.text or ""
    match e.tag:
        case "mi":
            return _word(text, e.get("mathvariant") == "normal")
        case "mn":
            return text if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else quoted(text)
        case "mtext":
            return quoted(text)
        case "mspace":
            width = re.fullmatch(r"[0-9.]+em", e.get("width", ""))
            return f"#h({width[0]})" if width else ""
        case "mfrac":
            return f"frac({parts[0]}, {parts[1]})"
        case "msub":
            return _scripts(parts[0], parts[1], "")
        case "msup":
            return _scripts(parts[0], "", parts[1])
        case "msubsup":
            return _scripts(*parts)
        case "munder":
            return _scripts(f"limits({parts[0]})", parts[1], "")
        case "munderover":
            return _scripts(f"limits({parts[0]})", *parts[1:])
        case "mover":
            mark = _ACCENTS.get(e[1].text or "")
            return f"accent({parts[0]}, {mark})" if mark else _scripts(f"limits({parts[0]})", "", parts[1])
        case "mtable":
            rows = "; ".join(", ".join(_joined(_children(cell)) for cell in row) for row in e)
            return f"mat(delim: #none, {'row-gap: #.6em, ' if 'frac(' in rows else ''}{rows})"
    raise TypeError(f"no Typst for <{e.tag}>")
