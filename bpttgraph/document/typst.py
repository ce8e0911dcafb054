"""Documents as Typst, and as PDF through the `typst` wheel: one file, pictures inside, no package, no network.

What a user wrote stands in quoted strings only, which Typst never reads as code. Formulas are cut into pieces
(`typst_math`), and Typst chooses where a line ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..formulas.typst import quoted
from ..machine.optional import require
from .blocks import (
    Beside,
    Block,
    Bullets,
    Code,
    Display,
    Heading,
    Inline,
    Math,
    Mono,
    Para,
    Picture,
    Row,
    Strong,
    Table,
    Text,
    Verdict,
)
from .fonts import asset
from .formats import Format
from .typst_math import pieces, typst_math

if TYPE_CHECKING:
    from .blocks import Sheet

__all__ = ["compile_pdf", "write_typst"]

WHOLE = 12  # rows of a table that stay on one page, if none is high
WIDE = 1250.0  # points; a wider picture gets a page that lies on its side
_MARKS = {"right": ('rgb("0b6b3a")', "✓"), "wrong": ('rgb("b3261e")', "✗"), "none": ("luma(45%)", "–")}


def _string(text: str) -> str:
    """Text as a string: control characters but line ends are left out."""
    return quoted(
        "".join(c if c >= " " and not "\ud800" <= c <= "\udfff" else "\n" if c == "\n" else " " for c in text)
    )


def _inline(part: Inline) -> str:
    match part:
        case Math():
            return f"${typst_math(part.mathml)}$"
        case Mono(text):
            return f"#raw({_string(text)})"
        case Strong(text):
            return f"#strong({_string(text)})"
    return f"#{_string(part)}"


def _run(text: Text) -> str:
    return "".join(map(_inline, text))


def _parts(m: Math) -> str:
    """A formula as arguments of `row` or `formula`."""
    shown = {"part": "$display({})$", "times": "times", "infix": "infix(${}$)"}
    return ", ".join(shown[kind].format(text) for kind, text in pieces(m.mathml) if text)


def _row(r: Row) -> str:
    given = [("left", r.left and f"$display({typst_math(r.left.mathml)})$")]
    given += [("relation", r.relation and f"${r.relation}$"), ("note", r.note and f"${typst_math(r.note.mathml)}$")]
    named = [f"{key}: {value}" for key, value in given if value] + (["rule: true"] if r.rule else [])
    return f"  row({', '.join([*named, _parts(r.right)])}),"


def _cell(text: Text) -> str:
    if len(text) == 1 and isinstance(text[0], Math):
        return f"[#formula({_parts(text[0])})]"
    return "[" + "".join(_tall(part) for part in text) + "]"


def _tall(part: Inline) -> str:
    """A formula within a line of a table, where the line may be as high as it needs."""
    shown = _inline(part)
    return f"#tall($display({shown[1:-1]})$)" if "frac(" in shown or "mat(" in shown else shown


def _table(t: Table) -> str:
    lines = ["  table.header(" + ", ".join(map(_cell, t.head)) + "),"]
    lines += ["  " + ", ".join(map(_cell, row)) + "," for row in t.rows]
    body = "\n".join(lines)
    options = ("numbers: true, " if t.style == "triangle" else "") + (
        "whole: false, " if len(t.rows) > WHOLE or "mat(" in body else ""
    )
    return f"#caption[{_run(t.caption)}]\n#grid-of({len(t.head)}, {options}\n{body}\n)"


def _block(b: Block) -> str:
    match b:
        case Heading(level, text, _):
            return "=" * level + " " + _run(text)
        case Para(text, style):
            return f"#{style}[{_run(text)}]" if style in ("lead", "note") else _run(text)
        case Bullets(items):
            return "\n".join(f"- {_run(item)}" for item in items)
        case Code(text, _):
            return f"#raw({_string(text)}, block: true)"
        case Display(rows, _):
            return "#lines(\n" + "\n".join(map(_row, rows)) + "\n)"
        case Table():
            return _table(b)
        case Picture(svg, alt, caption, _):
            drawn = f"picture({_string(svg)}, {_string(alt)}{', most: 13cm' * _lies(svg)})[{_run(caption)}]"
            return f"#page(flipped: true, {drawn})" if _lies(svg) else f"#{drawn}"
        case Beside(blocks, picture):
            return "\n\n".join(_flow((*blocks, picture)))
        case Verdict(state, text):
            colour, mark = _MARKS[state]
            return f'#verdict({colour}, "{mark}")[{_run(text)}]'
    raise TypeError(f"not a block: {b!r}")


def _lies(svg: str) -> bool:
    """Whether a picture is so wide that its names can be read only on a page that lies on its side."""
    found = re.search(r'<svg[^>]* width="([0-9.]+)[a-z]*" height="([0-9.]+)', svg)
    return found is not None and float(found[1]) > WIDE and float(found[1]) > 1.5 * float(found[2])


def _flow(blocks: Sequence[Block]) -> Iterator[str]:
    """All blocks; what introduces a formula or a table stays on one page with its beginning."""
    for b, following in zip_longest(blocks, blocks[1:]):
        shown = _block(b)
        introduces = isinstance(b, Para) and b.style in ("", "step") and isinstance(following, Display | Table | Code)
        yield f"#block(sticky: true)[{shown}]" if introduces else shown


def write_typst(document: Sheet) -> str:
    """The Typst source."""
    head = f"#set document(title: {_string(document.title)}, date: none)\n"
    return head + asset("page.typ") + "\n" + "\n\n".join(_flow(document.blocks)) + "\n"


def compile_pdf(source: str) -> bytes:
    """The PDF of a Typst source, with Typst's own fonts and the math font of the HTML page; the same bytes each time.

    Raises:
        BPTTError: the `typst` package is not installed.
    """
    typst = require("typst", "a PDF document")
    found = find_spec("ziamath")  # it carries STIX Two Math, whole; importing it takes time and warns
    fonts = [str(Path(found.origin).parent / "fonts")] if found and found.origin else []
    # Typst brings no Chinese, Japanese or Korean letters: for these alone, what is installed is looked through
    own = not any("\u2e80" <= c <= "\uffef" for c in source)
    run: Any = typst.compile  # its own types want fonts and text alike to be bytes
    return bytes(run(source.encode(), font_paths=fonts, ignore_system_fonts=own))


def write_pdf(document: Sheet) -> bytes:
    return compile_pdf(write_typst(document))


FORMATS = (
    Format(
        "typ",
        "derivation.typ",
        write_typst,
        "the Typst source of the PDF, to change it",
        "text/plain",
        also=("typst",),
        reader="the `typst` program or package",
    ),
    Format(
        "pdf",
        "derivation.pdf",
        write_pdf,
        "a paper, A4",
        "application/pdf",
        needs="typst",
    ),
)
