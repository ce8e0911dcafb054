"""Documents as one HTML page: native MathML, the math font and the picture inside, readable without network and script.

Every text goes through `_text`; attributes hold nothing that a user wrote except through `_attribute`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

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
from .fonts import asset, font_face
from .formats import Format

if TYPE_CHECKING:
    from .blocks import Sheet

__all__ = ["write_html"]

_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'  # HTML implies it; leaving it out keeps pages small
WIDEST = 1500  # a wider picture is scrolled instead of shrunk to the page: its labels would be too small
PART = 12  # rows of formulas in one element
_MARKS = {"right": "✓", "wrong": "✗", "none": "–"}


def _clean(text: str) -> str:
    """Without what neither HTML nor XML can hold."""
    return "".join(
        "\ufffd" if (c < " " and c not in "\n\t") or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" else c
        for c in text
    )


def _text(text: str) -> str:
    return escape(_clean(text))


def _attribute(text: str) -> str:
    return escape(_clean(text).replace("\n", " "), {'"': "&quot;", "'": "&#39;"})


def _anchor(text: str) -> str:
    """An id: letters, digits and hyphens; everything else becomes its code point."""
    return re.sub(r"[^A-Za-z0-9-]", lambda c: f"_{ord(c[0]):x}", text)


def _math(m: Math) -> str:
    return f"<math>{m.mathml}</math>"


def _inline(part: Inline) -> str:
    match part:
        case Math():
            return _math(part)
        case Mono(text):
            return f"<code>{_text(text)}</code>"
        case Strong(text):
            return f"<strong>{_text(text)}</strong>"
    return _text(part)


def _run(text: Text) -> str:
    return "".join(map(_inline, text))


def _row(row: Row, notes: bool) -> str:
    left = row.left.mathml if row.left else ""
    relation = f'<mo form="infix">{row.relation}</mo>' if row.relation else ""
    note = f'<mtd class="n">{row.note.mathml if row.note else ""}</mtd>' if notes else ""
    rule = ' class="rule"' if row.rule else ""
    cells = f'<mtd class="l">{left}</mtd><mtd class="r">{relation}</mtd><mtd class="t">{row.right.mathml}</mtd>'
    return f"<mtr{rule}>{note}{cells}</mtr>"


def _display(d: Display) -> str:
    """Formulas of many rows as several elements: a browser cannot break one over printed pages."""
    notes = any(r.note for r in d.rows)
    sides = [r.left for r in d.rows if r.left]
    body = ""
    for rows in [d.rows[i : i + PART] for i in range(0, len(d.rows), PART)]:
        first, *rest = rows
        if sides and not any(r.left for r in rows):  # keeps the column as wide as above
            widest = max(sides, key=lambda m: m.width)
            first = replace(first, left=Math(f"<mphantom>{widest.mathml}</mphantom>", "", widest.width))
        table = "".join(_row(r, notes) for r in (first, *rest))
        body += f'<math display="block"><mtable displaystyle="true">{table}</mtable></math>'
    wide = max((r.right.width for r in d.rows), default=0) > 34
    # only what may have to be scrolled is a stop for the keyboard
    role = f' tabindex="0" role="group" aria-label="{_attribute(d.label)}"' if wide else ""
    return f'<div class="formula"{role}>{body}</div>'


def _table(t: Table, number: int) -> str:
    head = "".join(f'<th scope="col">{_run(cell)}</th>' for cell in t.head)
    rows = []
    for row in t.rows:
        cells = [f'<th scope="row">{_run(row[0])}</th>' if t.named else f"<td>{_run(row[0])}</td>"]
        cells += [f"<td>{_run(cell)}</td>" for cell in row[1:]]
        rows.append("<tr>" + "".join(cells) + "</tr>")
    style = f' class="{t.style}"' if t.style else ""
    # a caption element would be as narrow as its table
    return (
        f'<p class="caption" id="table-{number}">{_run(t.caption)}</p>'
        f'<div class="scroll" tabindex="0" role="group" aria-labelledby="table-{number}">'
        f'<table{style} aria-labelledby="table-{number}">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _picture(p: Picture, number: int) -> str:
    svg = _own_ids(p.svg[p.svg.index("<svg") :].rstrip(), f"p{number}-")
    width = re.match(r'<svg[^>]* width="([0-9.]+)"', svg)
    fit = "fit" if width and float(width[1]) <= WIDEST else "wide"
    return (
        f'<figure class="{fit}"><div class="picture" tabindex="0" role="group"'
        f' aria-label="{_attribute(p.alt)}">{svg}</div><figcaption>{_run(p.caption)}</figcaption></figure>'
    )


def _own_ids(svg: str, prefix: str) -> str:
    """The picture with ids of its own: two pictures of one page may name the same things."""
    svg = re.sub(r'(?<![-\w])id="', f'id="{prefix}', svg)
    return re.sub(r'(href="|url\()#', rf"\g<1>#{prefix}", svg)


def _block(b: Block, number: int) -> str:
    match b:
        case Heading(level, text, anchor):
            return f'<h{level} id="{_anchor(anchor)}">{_run(text)}</h{level}>'
        case Para(text, style):
            return f'<p class="{style}">{_run(text)}</p>' if style else f"<p>{_run(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{_run(item)}</li>" for item in items) + "</ul>"
        case Code(text, label):
            return f'<pre tabindex="0" aria-label="{_attribute(label)}"><code>{_text(text)}</code></pre>'
        case Display():
            return _display(b)
        case Table():
            return _table(b, number)
        case Picture():
            return _picture(b, number)
        case Beside(blocks, picture):
            left = "".join(_block(x, number) for x in blocks)
            return f'<div class="beside"><div>{left}</div>{_picture(picture, number)}</div>'
        case Verdict(state, text):
            mark = f'<span class="mark" aria-hidden="true">{_MARKS[state]}</span>'
            return f'<p class="verdict {state}">{mark} {_run(text)}</p>'
    raise TypeError(f"not a block: {b!r}")


def write_html(document: Sheet) -> str:
    """The page."""
    body = "\n".join(_block(b, n) for n, b in enumerate(document.blocks)).replace(_NAMESPACE, "")
    for operator in "∂/":  # set as letters: the operator dictionary would space ∂E / ∂h wide apart
        body = body.replace(f"<mo>{operator}</mo>", f'<mo lspace="0" rspace="0">{operator}</mo>')
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(document.title)}</title>\n<style>\n{font_face()}{asset('page.css')}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"<script>\n{asset('page.js')}</script>\n</body>\n</html>\n"
    )


FORMATS = (
    Format(
        "html",
        "derivation.html",
        write_html,
        "one page with font and pictures inside, light or dark as the reader's system is; prints on paper",
        "text/html",
        reader="a browser",
    ),
)
