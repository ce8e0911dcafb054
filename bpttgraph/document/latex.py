r"""Documents as a LaTeX article: one file with the pictures as TikZ inside, and packages that every TeX has.

It compiles with pdfLaTeX (Debian: texlive-latex-recommended, -latex-extra, -pictures). The macros at its head break
long formulas by their true width; what stands between `\begin{derivation}` and its end can be copied into a paper
together with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from .blocks import (
    Beside,
    Block,
    Bullets,
    Code,
    Display,
    Heading,
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
from .latex_text import code, flow, math, run, text

if TYPE_CHECKING:
    from .blocks import Sheet

__all__ = ["block", "drawing", "letters", "table", "write_latex"]

MARKS = {"right": r"$\checkmark$", "wrong": r"$\times$", "none": "--"}
_HEADINGS = {2: "section", 3: "subsection", 4: "subsubsection"}


def _row(r: Row) -> str:
    parts = [math(r.note.latex) if r.note else "", math(r.left.latex) if r.left else ""]
    parts += [r.relation.replace("−", "-"), flow(r.right.latex)]
    return ("\\deriverule\n" if r.rule else "") + r"\derive" + "".join(f"{{{p}}}" for p in parts)


def display(rows: Sequence[Row]) -> str:
    """Lines of formulas, aligned at their relations."""

    def widest(found: list[Math]) -> str:
        return math(max(found, key=lambda m: m.width).latex) if found else ""

    notes, sides = [r.note for r in rows if r.note], [r.left for r in rows if r.left]
    head = f"\\begin{{derivation}}{{{widest(notes)}}}{{{widest(sides)}}}\n"
    return head + "\n".join(map(_row, rows)) + "\n\\end{derivation}"


def _cell(parts: Text) -> str:
    whole = parts[0] if len(parts) == 1 else None
    if not isinstance(whole, Math):
        return run(parts)
    return rf"\cell{{{flow(whole.latex)}}}" + (r"\tall" if r"\frac" in whole.latex else "")


def letters(parts: Text) -> int:
    """How long a text is."""
    return sum(
        ceil(1.3 * p.width) + 4 if isinstance(p, Math) else len(p if isinstance(p, str) else p.text) for p in parts
    )


def table(t: Table, line: int = 104, size: str = "small") -> str:
    """A table that may go on over pages; too wide for a `line` of so many letters, its columns share the line."""
    every = [t.head, *t.rows]
    wide = [max(letters(row[i]) for row in every) + 3 for i in range(len(t.head))]
    formulas = t.style != "triangle" and any(isinstance(p, Math) for row in t.rows for cell in row for p in cell)
    if sum(wide) <= line and not formulas:
        columns = ("r" if t.style == "triangle" else "l") * len(wide)
    else:
        least = [min(w, max(_longest_word(row[i]) for row in every) + 3) for i, w in enumerate(wide)]
        line = max(line, sum(least))
        spare = (line - sum(least)) / max(sum(wide) - sum(least), 1)
        columns = "".join(_paragraph((n + min(spare, 1) * (w - n)) / line) for w, n in zip(wide, least))
    lines = [" & ".join(rf"\textbf{{{run(cell)}}}" for cell in t.head) + r" \\ \midrule \endhead"]
    lines += [" & ".join(map(_cell, row)) + (r" \\[3pt]" if formulas else r" \\") for row in t.rows]
    body = "\n".join(lines)
    return (
        f"\\par{{\\{size}\\color{{soft}}{run(t.caption)}\\par}}\\nobreak\n"
        f"{{\\{size}\\setlength\\tabcolsep{{4pt}}\n\\begin{{longtable}}[l]{{@{{}}{columns}@{{}}}}\n{body}\n\\bottomrule\n\\end{{longtable}}}}"
    )


def _longest_word(parts: Text) -> int:
    """What cannot be broken; a formula can be."""
    return max((min(letters((p,)), 24) if isinstance(p, Math) else max(map(len, _words(p))) for p in parts), default=0)


def _words(p: str | Mono | Strong) -> list[str]:
    return (p if isinstance(p, str) else p.text).split(" ")


def _paragraph(share: float) -> str:
    return rf">{{\raggedright\arraybackslash}}p{{\dimexpr {share:.3f}\linewidth-2\tabcolsep\relax}}"


def drawing(p: Picture, width: str, height: str) -> str:
    if not p.tikz:
        raise ValueError(f"the picture {p.file} has no TikZ")
    return f"\\begin{{lrbox}}{{\\drawing}}%\n{p.tikz}\\end{{lrbox}}\\fitdrawing{{{width}}}{{{height}}}"


def listing(b: Code) -> str:
    lines = r"\\".join(code(line) or r"\strut" for line in b.text.split("\n"))
    return f"{{\\footnotesize\\ttfamily\\raggedright\\hangafter=1 {lines}\\par}}"


def block(b: Block) -> str:
    """One block of the article."""
    match b:
        case Heading(1, title, _):
            return rf"{{\LARGE\bfseries\raggedright {run(title)}\par}}\bigskip"
        case Heading(level, title, _):
            return rf"\needroom{{9\baselineskip}}\{_HEADINGS[min(level, 4)]}{{{run(title)}}}"
        case Para(parts, style):
            return rf"{{\color{{soft}}{run(parts)}\par}}" if style in ("lead", "note") else run(parts)
        case Bullets(items):
            return "\\begin{itemize}\n" + "\n".join(rf"\item {run(i)}" for i in items) + "\n\\end{itemize}"
        case Code(words, _):
            return rf"\needroom{{{min(words.count(chr(10)) + 1, 45)}\baselineskip}}" + listing(b)
        case Display(rows, _):
            return display(rows)
        case Table():
            return table(b)
        case Picture(_, _, caption, _):
            return (
                drawing(b, r"\dimexpr\linewidth+2.4cm\relax", r".8\textheight")
                + f"\n{{\\small\\color{{soft}}{run(caption)}\\par}}"
            )
        case Beside(blocks, picture):
            return "\n\n".join(map(block, (*blocks, picture)))
        case Verdict(state, parts):
            return rf"\verdict{{{state}}}{{{MARKS[state]}}}{{{run(parts)}}}"
    raise TypeError(f"not a block: {b!r}")


def write_latex(document: Sheet) -> str:
    """The source of the article."""
    head = f"% {text(document.title)}\n" + asset("article.tex") + asset("formulas.tex")
    return head + "\\begin{document}\n\n" + "\n\n".join(map(block, document.blocks)) + "\n\n\\end{document}\n"


FORMATS = (
    Format(
        "tex",
        "derivation.tex",
        write_latex,
        "a LaTeX article with the pictures as TikZ inside",
        "text/x-tex",
        also=("latex",),
        pictures="tikz",
        reader="LaTeX",
    ),
)
