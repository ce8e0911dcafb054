"""Lines of a derivation as rows of a display: statements, signs, long sums broken, the notation of a course applied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..formulas.expr import Expr, Num, Tagged
from ..formulas.layout import signed_terms
from ..formulas.nodes import Zeros
from ..formulas.notation import in_notation
from .blocks import Math, Row, formula, name, words

if TYPE_CHECKING:
    from ..derive import Statement

__all__ = [
    "in_line",
    "is_step",
    "led",
    "listed",
    "plain_rows",
    "ratio",
    "rows_of",
    "shape_words",
    "signed",
    "statement_rows",
    "untagged",
]

ONE_LINE = 64  # letters of a statement that stay in one line
MOST_TERMS = 24  # summands of one statement; of more, the first and the last ones
BEGUN = 12


def ratio(top: str, below: str) -> Math:
    """∂E/∂W in one line, for headings."""
    a, b = name(top), name(below)
    mathml = f"<mrow><mo>∂</mo>{a.mathml}<mo>/</mo><mo>∂</mo>{b.mathml}</mrow>"
    return Math(mathml, rf"\partial {a.latex} / \partial {b.latex}", a.width + b.width + 3)


def is_step(letter: str, value: int) -> Math:
    """t = 3."""
    return Math(f"<mrow><mi>{letter}</mi><mo>=</mo><mn>{value}</mn></mrow>", f"{letter}={value}", 3)


def shape_words(shape: tuple[int, ...], rows: bool = False) -> str:
    """The shape of a variable in words; `rows`: the lecture's vectors are rows."""
    if not shape:
        return "number"
    return f"{'row' if rows else 'column'} of {shape[0]}" if len(shape) == 1 else " × ".join(map(str, shape))


def listed(items: Iterable[int]) -> str:
    """
    >>> listed([1, 2, 3]), listed(range(1, 10)), listed([2])
    ('1, 2 and 3', '1 to 9', '2')
    """
    numbers = list(items)
    if len(numbers) > 6 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers[:-1])) + (" and " if len(numbers) > 1 else "") + str(numbers[-1])


def signed(term: Expr) -> list[tuple[int, Expr]]:
    """The summands of a term with their signs; none if it is plainly 0."""
    inner = term.arg if isinstance(term, Tagged) else term
    if isinstance(inner, Zeros) or inner == Num((), 0):
        return []
    return signed_terms([term])


def led(m: Math, sign: int, first: bool) -> Math:
    """With its minus sign in front, if it begins a line after an equals sign."""
    if not first or sign > 0:
        return m
    return Math(f'<mrow><mo form="prefix">−</mo>{m.mathml}</mrow>', f"-{m.latex}", m.width + 1)


def in_line(terms: list[tuple[int, Expr]]) -> Math:
    """A short sum in one line."""
    parts = [formula(e) for _, e in terms]
    mathml, latex = "", ""
    for (sign, _), m in zip(terms, parts):
        form = "infix" if mathml else "prefix"
        shown = sign < 0 or bool(mathml)
        mathml += (f'<mo form="{form}">{"−" if sign < 0 else "+"}</mo>' if shown else "") + m.mathml
        latex += ((" - " if sign < 0 else " + ") if shown else "") + m.latex
    return Math(f"<mrow>{mathml}</mrow>", latex.strip(), sum(m.width + 3 for m in parts))


def rows_of(
    left: Expr,
    terms: Sequence[Expr],
    notes: Sequence[Math | None] = (),
    rule: bool = False,
    split: bool = False,
) -> list[Row]:
    """`left = term + term …`: one line if it is short, else one line a term (always, with `split`).

    Args:
        notes: for the margin, one for each term (then each has its line). rule: a line above.
    """
    pairs: list[tuple[int, Expr, Math | None]] = []
    for i, term in enumerate(terms):
        note = notes[i] if i < len(notes) else None
        pairs += [(sign, e, note if j == 0 else None) for j, (sign, e) in enumerate(signed(term))]
    if not pairs:
        pairs = [(1, Num((), 0), None)]
    short = [(s, e) for s, e, _ in pairs]
    if not split and not notes and sum(formula(e).width + 3 for _, e in short) <= ONE_LINE:
        return [Row(in_line(short), formula(left), "=", None, rule)]
    out: list[Row] = []
    for j, (sign, e, note) in enumerate(pairs):
        if len(pairs) > MOST_TERMS and BEGUN <= j < len(pairs) - 2:
            if j == BEGUN:
                out.append(Row(words(f"… {len(pairs) - BEGUN - 2} more"), None, "+"))
            continue
        relation = "=" if j == 0 else "+" if sign > 0 else "−"
        out.append(
            Row(led(formula(e), sign, j == 0), formula(left) if j == 0 else None, relation, note, rule and j == 0)
        )
    return out


def statement_rows(s: Statement, notation: str = "pascanu", *, gradient: bool = False, **how: Any) -> list[Row]:
    """A statement in a notation; `gradient` if its left side is dE/dW."""
    return rows_of(in_notation(s.left, notation, gradient), in_notation(s.terms, notation), **how)


def plain_rows(left: Expr, terms: Sequence[Expr], notation: str, *, gradient: bool = False) -> list[Row]:
    """The same for formulas at step t, which walk no edge of a picture."""
    return rows_of(in_notation(untagged(left), notation, gradient), in_notation(untagged(terms), notation))


def untagged(e: Any) -> Any:
    """Without the ids of links: formulas for step t walk no edge of a picture."""
    if isinstance(e, tuple):
        return tuple(map(untagged, e))
    if isinstance(e, Tagged):
        return untagged(e.arg)
    if not isinstance(e, Expr) or isinstance(e, Num):
        return e
    return e.mapped(untagged)
