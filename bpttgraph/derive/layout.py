"""How sums and statements are laid out: one term a line, the left side in front, in three languages."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import combining

from .expr import Expr, Num, Tagged, Zeros, split_sign
from .latex import LatexPrinter
from .mathml import MathMLPrinter
from .printers import QUOTIENT, Printer, UnicodePrinter
from .typst import TypstPrinter

__all__ = ["FORMS", "latex_sum", "mathml_sum", "signed_terms", "typst_sum", "unicode_sum"]

_ZERO = Num((), 0)


def _split(term: Expr) -> tuple[int, Expr]:
    """The sign of a term in front of its line, whatever tags surround it."""
    sign, rest = split_sign(term)
    if isinstance(rest, Tagged) and isinstance(rest.arg, Tagged):
        inner, arg = _split(rest.arg)
        return sign * inner, Tagged(arg.shape, arg, rest.ids)
    return sign, rest


def _visible(terms: Sequence[Expr]) -> list[Expr]:
    """Without the terms that are plainly 0 (a factor of theirs is)."""
    return [
        t for t in terms if not isinstance(inner := t.arg if isinstance(t, Tagged) else t, Zeros) and inner != _ZERO
    ]


def _shown(printer: Printer, terms: Sequence[Expr]) -> list[tuple[int, str]]:
    """Sign and text of each term; a sum that stands alone needs no brackets."""
    signed = [_split(t) for t in _visible(terms)]
    alone = len(signed) == 1 and signed[0][0] > 0
    return [(s, printer.show(e, 0 if alone else QUOTIENT)) for s, e in signed]


def signed_terms(terms: Sequence[Expr]) -> list[tuple[int, Expr]]:
    """The terms that are not plainly 0, each with the sign that stands in front of its line; (1, 0) if there is none."""
    return [_split(t) for t in _visible(terms)] or [(1, _ZERO)]


def latex_sum(terms: Sequence[Expr], left: Expr | None = None) -> str:
    r"""`left = term + term …`, aligned, one term a line.

    >>> from bpttgraph.derive.expr import symbol
    >>> print(latex_sum([symbol("a"), symbol("b")], symbol("c")))
    \begin{aligned}
    c &= a \\
    &\quad + b
    \end{aligned}
    """
    printer = LatexPrinter()
    signed = _shown(printer, terms) or [(1, "0")]
    lead = f"{printer.show(left)} " if left is not None else ""
    first = ("-" if signed[0][0] < 0 else "") + signed[0][1]
    if len(signed) == 1:
        return f"{lead}= {first}" if lead else first
    lines = [f"{lead}&= {first}" if lead else f"& {first}"]
    lines += [rf"&\quad {'-' if s < 0 else '+'} {text}" for s, text in signed[1:]]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def unicode_sum(terms: Sequence[Expr], left: Expr | None = None) -> str:
    """The same for a terminal, the signs in one column."""
    printer = UnicodePrinter()
    signed = _shown(printer, terms) or [(1, "0")]
    lead = f"{printer.show(left)} = " if left is not None else ""
    out = [lead + ("−" if signed[0][0] < 0 else "") + signed[0][1]]
    indent = " " * max(sum(not combining(c) for c in lead) - 2, 0)
    out += [f"{indent}{'−' if s < 0 else '+'} {text}" for s, text in signed[1:]]
    return "\n".join(out)


def mathml_sum(terms: Sequence[Expr], left: Expr | None = None) -> str:
    """The same as a `<math>` element with a table: one row a term."""
    printer = MathMLPrinter()
    signed = _shown(printer, terms) or [(1, "<mn>0</mn>")]
    rows = []
    for i, (sign, text) in enumerate(signed):
        lead = printer.show(left) if left is not None and i == 0 else ""
        relation = "<mo>=</mo>" if lead else ""
        if i:
            relation = f'<mo form="infix">{"−" if sign < 0 else "+"}</mo>'
        elif sign < 0:
            text = f'<mrow><mo form="prefix">−</mo>{text}</mrow>'
        cells = [(lead, "right"), (relation, "center"), (text, "left")]
        body = "".join(f'<mtd style="text-align:{side};padding:0.35em 0.15em">{cell}</mtd>' for cell, side in cells)
        rows.append(f"<mtr>{body}</mtr>")
    namespace = 'xmlns="http://www.w3.org/1998/Math/MathML"'
    return f'<math {namespace} display="block"><mtable displaystyle="true">{"".join(rows)}</mtable></math>'


def typst_sum(terms: Sequence[Expr], left: Expr | None = None) -> str:
    """The same as Typst mathematics, the summands aligned behind the equals sign."""
    printer = TypstPrinter()
    signed = _shown(printer, terms) or [(1, "0")]
    lead = f"{printer.show(left)} &= " if left is not None else "&"
    out = lead + ("- " if signed[0][0] < 0 else "") + signed[0][1]
    return out + "".join(f" \\\n  &quad {'-' if s < 0 else '+'} {text}" for s, text in signed[1:])


FORMS = {"latex": latex_sum, "unicode": unicode_sum, "mathml": mathml_sum, "typst": typst_sum}
