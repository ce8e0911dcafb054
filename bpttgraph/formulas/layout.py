"""How sums and statements are laid out: one term a line, the left side in front, in the languages `FORMS`.

With a `width` (in letters, roughly) long lines are broken where a person would: a sum in a term becomes a line for each
summand, a Σ over a sum a Σ for each, a long product goes on in the next line, a wide matrix is shown some columns at a
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import BPTTError, expect, nearest, whole
from .expr import Add, BigSum, Blocks, Entry, Expr, Num, Tagged, Zeros, signed as signed_by, split_sign, tagged
from .latex import LatexPrinter
from .mathml import MathMLPrinter
from .printers import UnicodePrinter
from .typst import TypstPrinter
from .walk import QUOTIENT, Printer
from .width import width as width_of

__all__ = [
    "FORMS",
    "Printed",
    "apart",
    "check_form",
    "opened",
    "signed_terms",
    "statement",
]

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
    signed = [_split(t) for t in opened(_visible(terms), printer.widest)]
    alone = len(signed) == 1 and signed[0][0] > 0
    return [(s, printer.show(e, 0 if alone else QUOTIENT)) for s, e in signed]


def opened(terms: Sequence[Expr], width: int | None) -> list[Expr]:
    """The summands, those wider than `width` in parts: a sum as its summands, a Σ over a sum as a Σ for each.

    >>> from bpttgraph.formulas.expr import add, num, symbol
    >>> body = add(symbol("alpha[t]"), symbol("beta[t]"))
    >>> [statement("unicode", [x]) for x in opened([BigSum((), "t", num(1), symbol("T"), body)], 10)]
    ['∑[t=1..T] αₜ', '∑[t=1..T] βₜ']
    """
    found: list[Expr] = []
    for term in terms:
        sign, e = split_sign(term)
        ids = e.ids if isinstance(e, Tagged) else ""
        inner = e.arg if isinstance(e, Tagged) else e
        parts: list[Expr] = [term]
        if width is not None and width_of(e) > width:
            if isinstance(inner, Add):
                parts = opened(inner.terms, width)
            elif isinstance(inner, BigSum) and isinstance(inner.body, Add):
                bodies = [split_sign(x) for x in opened(inner.body.terms, width)]
                parts = [signed_by(s, replace(inner, body=x)) for s, x in bodies]
            if parts != [term]:
                signed = [split_sign(x) for x in parts]
                parts = [signed_by(s * sign, tagged(x, ids) if ids else x) for s, x in signed]
        found += parts
    return found


def apart(left: Expr, right: Expr, width: int | None) -> list[tuple[Expr, Expr]]:
    """A matrix of matrices that is wider than `width`, some columns at a time: [left] of columns 1 to 6 = …"""
    if not isinstance(right, Blocks) or width is None or width_of(right) <= width:
        return [(left, right)]
    widths = [max(width_of(x) + 2 for x in column) for column in zip(*right.rows)]
    groups: list[list[int]] = [[]]
    for i, w in enumerate(widths):
        if groups[-1] and sum(widths[j] for j in groups[-1]) + w > width:
            groups.append([])
        groups[-1].append(i)
    if len(groups) == 1:
        return [(left, right)]
    sizes = [next((x.shape[1] for x in column if x.shape), 1) for column in zip(*right.rows)]
    found: list[tuple[Expr, Expr]] = []
    for group in groups:
        start, stop = sum(sizes[: group[0]]), sum(sizes[: group[-1] + 1])
        rows = tuple(tuple(r[i] for i in group) for r in right.rows)
        found.append((Entry((), left, (":", f"{start + 1}…{stop}")), Blocks((right.shape[0], stop - start), rows)))
    return found


def signed_terms(terms: Sequence[Expr]) -> list[tuple[int, Expr]]:
    """The terms that are not plainly 0, each with the sign that stands in front of its line; (1, 0) if there is
    none."""
    return [_split(t) for t in _visible(terms)] or [(1, _ZERO)]


def statement(form: str, terms: Sequence[Expr], left: Expr | None = None, width: int | None = None) -> str:
    r"""`left = term + term …` in a language, one term a line.

    >>> from bpttgraph.formulas.expr import symbol
    >>> print(statement("latex", [symbol("a"), symbol("b")], symbol("c")))
    \begin{aligned}
    c &= a \\
    &\quad + b
    \end{aligned}
    """
    printer = FORMS[form](width)
    signed = _shown(printer, terms) or [(1, printer.show(_ZERO))]
    return printer.statement(signed, "" if left is None else printer.show(left))


def check_form(form: str, width: int | None = None) -> None:
    """Refuse what is none of the languages, and no width of a line."""
    expect(form, str, "a form of writing", f"write one of {', '.join(FORMS)}")
    if form not in FORMS:
        raise BPTTError(f'a derivation cannot be written as "{form}"', nearest(form, list(FORMS)))
    if width is not None:
        whole(width, 1, "the width of a line", "write how many letters fit in it, such as width=80, or None")


class Printed:
    """What is written in all languages by one method `written(form, width)`; `width` breaks long lines, None never
    does."""

    __slots__ = ()

    def written(self, form: str, width: int | None = None) -> str:
        """The text in a form, one of `FORMS`: "latex", "unicode", "mathml", "typst"."""
        raise NotImplementedError

    def latex(self, width: int | None = None) -> str:
        """As LaTeX, without dollar signs."""
        return self.written("latex", width)

    def unicode(self, width: int | None = None) -> str:
        """As text, with the signs of mathematics that Unicode has."""
        return self.written("unicode", width)

    def mathml(self, width: int | None = None) -> str:
        """As a `<math>` element."""
        return self.written("mathml", width)

    def typst(self, width: int | None = None) -> str:
        """As Typst mathematics, without dollar signs."""
        return self.written("typst", width)

    def __str__(self) -> str:
        return self.unicode()


FORMS: dict[str, type[Printer]] = {
    "latex": LatexPrinter,
    "unicode": UnicodePrinter,
    "mathml": MathMLPrinter,
    "typst": TypstPrinter,
}
"""The languages. A new one is a subclass of `Printer` and a line here."""
