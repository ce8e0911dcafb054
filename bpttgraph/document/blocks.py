"""What a document is made of, whatever it is written in: blocks of text, formulas, tables, one picture.

The content is put together once from these blocks; the writers only decide how each block looks. A formula is
kept as MathML (which Typst's is made from) and as LaTeX, so no writer has to know where it came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ..core.names import to_latex as name_latex, to_mathml as name_mathml
from ..formulas.expr import Expr
from ..formulas.latex import LatexPrinter
from ..formulas.mathml import MathMLPrinter
from ..formulas.printers import width

if TYPE_CHECKING:
    from ..draw.figure import Figure
    from .choice import Choice

__all__ = [
    "Beside",
    "Block",
    "Bullets",
    "Code",
    "Display",
    "Heading",
    "Inline",
    "Math",
    "Mono",
    "Para",
    "Picture",
    "Row",
    "Sheet",
    "Strong",
    "Table",
    "Text",
    "Verdict",
    "formula",
    "name",
    "para",
    "words",
]


_LATEX, _MATHML = LatexPrinter(widest=88), MathMLPrinter(widest=88)


@dataclass(frozen=True, slots=True)
class Math:
    """A formula in both notations, without `<math>` and without dollars. `width` in letters, roughly."""

    mathml: str
    latex: str
    width: int = 0


@dataclass(frozen=True, slots=True)
class Mono:
    """Program text within a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    text: str


Inline = str | Math | Mono | Strong
Text = tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """`level` 1 is the title of the document; `anchor` is its id in the page."""

    level: int
    text: Text
    anchor: str


@dataclass(frozen=True, slots=True)
class Para:
    """A paragraph; `style` is "", "lead" (under the title) or "note" (set apart)."""

    text: Text
    style: str = ""


@dataclass(frozen=True, slots=True)
class Bullets:
    items: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Program text of its own; `label` says what it is to those who cannot see it."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a display: `left relation right`, with a note in the margin; `rule` draws a line above it."""

    right: Math
    left: Math | None = None
    relation: str = ""
    note: Math | None = None
    rule: bool = False


@dataclass(frozen=True, slots=True)
class Display:
    """Lines of formulas, aligned at their relations."""

    rows: tuple[Row, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Table:
    """`head` names the columns, the first cell of a row the row, if `named`. `style` is "" or "triangle" (numbers)."""

    caption: Text
    head: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    style: str = ""
    named: bool = True


@dataclass(frozen=True, slots=True)
class Picture:
    """`svg` for pages and Typst, `tikz` for LaTeX; `file` is its name beside a Markdown document."""

    svg: str
    alt: str
    caption: Text
    file: str = "forward.svg"
    tikz: str = ""


@dataclass(frozen=True, slots=True)
class Beside:
    """A picture beside the formulas that it shows; below them where there is no room (and in formats that only go
    down)."""

    blocks: tuple[Block, ...]
    picture: Picture


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the check: `state` is "right", "wrong" or "none"."""

    state: str
    text: Text


Block = Heading | Para | Bullets | Code | Display | Table | Picture | Beside | Verdict


@dataclass
class Sheet:
    """What a writer is given. `title` is plain text, `blocks` the content in reading order; `detail` chooses what
    slides show. `figure` is the forward picture, `choice` what was asked and checked."""

    title: str
    blocks: tuple[Block, ...] = field(repr=False)
    detail: str = "full"
    figure: Figure | None = field(default=None, repr=False)
    choice: Choice | None = field(default=None, repr=False)


def para(*parts: Inline, style: str = "") -> Para:
    return Para(parts, style)


def name(variable: str) -> Math:
    """A variable's name as a formula."""
    return Math(name_mathml(variable), name_latex(variable), len(variable))


def formula(e: Expr) -> Math:
    """An expression of a derivation as a formula."""
    return Math(_MATHML.show(e), _LATEX.show(e), width(e))


def words(text: str) -> Math:
    """Plain words inside a formula."""
    safe = "".join(c if c.isalnum() or c in " .,=:…⋮" else " " for c in text)
    return Math(f"<mtext>{escape(text)}</mtext>", rf"\text{{{safe}}}", len(text))
