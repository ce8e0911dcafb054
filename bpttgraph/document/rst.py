r"""Documents as reStructuredText, for Sphinx and docutils: `math` directives, `list-table`, pictures beside the file.

Text from the user is escaped character by character, and what begins a block is kept from looking like a bullet, a
field or a directive; names inside formulas are safe by `names`. Nothing in it is an extension: `sphinx-build -W` and
`rst2html --halt=warning` are content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from textwrap import indent, wrap
from unicodedata import east_asian_width

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
    Sheet,
    Strong,
    Table,
    Text,
    Verdict,
)
from .formats import Format

__all__ = ["write_rst"]

_SPECIAL = re.compile(r"[\\`*|_@]|:(?=\S)|(?<=:):")
_PLAIN = re.compile(r":math:`|\*\*\w|``\w|\[|\w+\b(?![.)](\s|$))")  # begins nothing but a paragraph
_MARKS = {"right": "✓", "wrong": "✗", "none": "–"}
_LINES = "==-~"  # under a heading, by its level; the title has one above as well
_PAGE = 24  # rows of one display; longer ones go on in the next
_LONGEST = 2000  # letters of a line of a formula; docutils reads no line of more than 10,000


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", _clean(text))


def _latex(latex: str) -> str:
    r"""A formula in one line; it may not end in a backslash, which would take the sign after it along.

    docutils has no `\dots`.
    """
    latex = re.sub(r"\\dots(?![A-Za-z])", r"\\ldots", _clean(latex).replace("`", "'")).strip()
    return latex + " {}" if latex.endswith("\\") else latex


def _inline(part: Inline) -> str:
    match part:
        case Math():
            return f":math:`{_latex(part.latex)}`"
        case Mono(text):
            text = _clean(text).strip()
            quoted = text.replace("\\", r"\\").replace("`", r"\`")
            return f":literal:`{quoted}`" if "`" in text or text.endswith("\\") else f"``{text}``"
        case Strong(text):
            return f"**{_text(text.strip())}**"
    return _text(part)


def _empty(part: Inline) -> bool:
    return not (part if isinstance(part, str) else part.latex if isinstance(part, Math) else part.text).strip()


def _run(parts: Text) -> str:
    """One line. What is marked needs a space around it, or one that is escaped and not seen."""
    out = ""
    merged: list[Inline] = []
    for plain, group in groupby(parts, lambda p: isinstance(p, str)):
        run = list(group)
        merged += ["".join(p for p in run if isinstance(p, str))] if plain else run
    marked = False
    for part in merged:
        if not isinstance(part, str) and _empty(part):
            continue
        shown, free = _inline(part), isinstance(part, str)
        beside = not out or out[-1].isspace() or shown[:1].isspace()
        if not beside and (not free or (marked and shown[0] not in ".,;!?)")):
            out += "\\ "
        out += shown
        marked = not free
    return out.strip()


def _begun(parts: Text) -> str:
    """A line that begins a block, and is no more than a paragraph."""
    line = _run(parts)
    return line if not line or _PLAIN.match(line) else "\\ " + line


def _heading(level: int, parts: Text) -> str:
    title = _begun(parts) or "\\ "
    line = _LINES[level - 1] * max(4, sum(2 if east_asian_width(c) in "WF" else 1 for c in title))
    return f"{line}\n{title}\n{line}" if level == 1 else f"{title}\n{line}"


def _directive(name: str, argument: str, options: dict[str, str], content: str) -> str:
    head = f".. {name}:: {argument}".rstrip() + "".join(f"\n   :{k}: {v}".rstrip() for k, v in options.items())
    return head + ("\n\n" + indent(content, "   ") if content.strip() else "")


def _row(row: Row, notes: bool) -> str:
    left = _latex(row.left.latex) + " " if row.left else ""
    note = rf" && \quad {_latex(row.note.latex)}" if notes and row.note else ""
    line = f"{left}& {row.relation.replace('−', '-')} {_latex(row.right.latex)}{note}"
    return "\n".join(wrap(line, _LONGEST, break_long_words=False, break_on_hyphens=False))


def _display(d: Display) -> str:
    notes = any(r.note for r in d.rows)
    out = []
    for page in [d.rows[i : i + _PAGE] for i in range(0, len(d.rows), _PAGE)]:
        rows = " \\\\\n".join(_row(r, notes) for r in page)
        whole = (
            f"\\begin{{aligned}}\n{rows}\n\\end{{aligned}}" if len(d.rows) > 1 or notes else rows.replace("& ", "", 1)
        )
        out.append(_directive("math", "", {}, whole))
    return "\n\n".join(out)


def _table(t: Table) -> str:
    options = {"header-rows": "1", "stub-columns": "1"} if t.named else {"header-rows": "1"}
    if not t.rows:
        return _begun(t.caption)
    lines = []
    for row in (t.head, *t.rows):
        lines += [("  - " if i else "* - ") + _begun(cell) for i, cell in enumerate(row)]
    body = "\n".join(line.rstrip() for line in lines)
    return _directive("list-table", _run(t.caption), {**options, "widths": "auto", "align": "left"}, body)


def _code(b: Code) -> str:
    text = "".join(c if c.isprintable() or c in "\n\t" else " " for c in b.text).expandtabs(8)
    # with an option the indentation of the first line is its own
    kind = "python" if "NumPy code" in b.label else "text"
    return _directive("code-block", kind, {"class": "listing"}, text) if text.strip() else ""


def _block(b: Block, level: int) -> str:
    match b:
        case Heading(_, text, _):
            return _heading(level, text)
        case Para(text, _):
            return _begun(text)
        case Bullets(items):
            return "\n".join(f"- {_begun(item)}" for item in items)
        case Code():
            return _code(b)
        case Display():
            return _display(b)
        case Table():
            return _table(b)
        case Picture(_, alt, caption, file):
            return _directive("figure", file, {"alt": _clean(alt)}, _begun(caption))
        case Beside(blocks, picture):
            return "\n\n".join(_written((*blocks, picture), level))
        case Verdict(state, text):
            return _directive("admonition", f"{_MARKS[state]} The check", {}, _begun(text) or _MARKS[state])
    raise TypeError(f"not a block: {b!r}")


def _written(blocks: Iterable[Block], level: int = 0) -> list[str]:
    """All blocks; a heading is at most one level below the one before it."""
    out = []
    for b in blocks:
        level = min(b.level, level + 1, len(_LINES)) if isinstance(b, Heading) else level
        out.append(_block(b, level))
    return [text for text in out if text]


def write_rst(document: Sheet) -> str:
    """The text of the file."""
    return "\n\n".join(_written(document.blocks)) + "\n"


FORMATS = (
    Format(
        "rst",
        "derivation.rst",
        write_rst,
        "reStructuredText with formulas, for a course that is built with Sphinx; pictures are files beside it",
        "text/x-rst",
        pictures="beside",
        reader="Sphinx or docutils",
    ),
)
