"""Documents as Markdown that GitHub (and most others) typeset: `$…$`, `$$…$$`, tables, one picture beside the file.

Text from the user is escaped character by character, so no name can become markup; names inside formulas are safe by
`names`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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
from .formats import Format

if TYPE_CHECKING:
    from .blocks import Sheet

__all__ = ["write_markdown"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|$~])")
_MARKS = {"right": "✓ ", "wrong": "✗ ", "none": "– "}
_PAGE = 24  # rows of one display; longer ones go on in the next, as no renderer breaks a display


def _text(text: str) -> str:
    text = "".join(c if c.isprintable() else " " for c in text)
    return _SPECIAL.sub(r"\\\1", text).replace("&", "&amp;")


def _inline(part: Inline) -> str:
    match part:
        case Math():
            return f"${_safe(part.latex)}$"
        case Mono(text):
            ticks = "``" if "`" in text else "`"
            return ticks + "".join(c if c.isprintable() else " " for c in text) + ticks
        case Strong(text):
            return f"**{_text(text)}**"
    return _text(part)


def _safe(latex: str) -> str:
    """A formula in one line; a bar would end a table's cell."""
    return latex.replace("\n", " ").replace("|", r"\vert ").replace(r"\left\vert ", r"\left\vert ").strip()


def _run(text: Text) -> str:
    return "".join(map(_inline, text))


def _fence(text: str) -> str:
    text = "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"


def _row(row: Row, notes: bool) -> str:
    relation = {"−": "-", "=": "=", "+": "+", "": ""}[row.relation]
    left = row.left.latex + " " if row.left else ""
    note = rf" && \quad \scriptstyle {row.note.latex}" if notes and row.note else ""
    return f"{left}&{relation} {row.right.latex}{note}"


def _display(d: Display) -> str:
    notes = any(r.note for r in d.rows)
    if len(d.rows) == 1 and not notes:
        r = d.rows[0]
        return f"$$\n{r.left.latex + ' ' if r.left else ''}{r.relation} {r.right.latex}\n$$"
    pages = [d.rows[i : i + _PAGE] for i in range(0, len(d.rows), _PAGE)]
    return "\n\n".join(
        "$$\n\\begin{aligned}\n" + " \\\\\n".join(_row(r, notes) for r in page) + "\n\\end{aligned}\n$$"
        for page in pages
    )


def _table(t: Table) -> str:
    align = "--:" if t.style == "triangle" else "---"
    lines = [" | ".join(map(_run, t.head)), " | ".join([align] * len(t.head))]
    lines += [" | ".join(_run(cell) for cell in row) for row in t.rows]
    return _run(t.caption) + "\n\n" + "\n".join(f"| {line} |" for line in lines)


def _block(b: Block) -> str:
    match b:
        case Heading(level, text, _):
            return "#" * level + " " + _run(text)
        case Para(text, _):
            return _run(text)
        case Bullets(items):
            return "\n".join(f"- {_run(item)}" for item in items)
        case Code(text, _):
            return _fence(text)
        case Display():
            return _display(b)
        case Table():
            return _table(b)
        case Picture(_, alt, caption, file):
            return f"![{_text(alt)}]({file})\n\n{_run(caption)}"
        case Beside(blocks, picture):
            return "\n\n".join(map(_block, (*blocks, picture)))
        case Verdict(state, text):
            return f"> **{_MARKS[state].strip()}** {_run(text)}"
    raise TypeError(f"not a block: {b!r}")


def write_markdown(document: Sheet) -> str:
    """The text of the file."""
    return "\n\n".join(map(_block, document.blocks)) + "\n"


FORMATS = (
    Format(
        "md",
        "derivation.md",
        write_markdown,
        "Markdown with formulas, for a repository or a wiki; pictures are files beside it",
        "text/markdown",
        also=("markdown",),
        pictures="beside",
    ),
)
