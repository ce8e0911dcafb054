"""Sums over the steps whose summand goes on behind a plus sign: `-\\sum_t y_t \\log p_t + (1 - y_t) \\log(1 - p_t)`.

A sum ends at the next plus or minus. Where the left side has no step, a term behind it that reads step t belongs to
the sum, for outside of it there is no t.
"""

from __future__ import annotations

from dataclasses import replace

from ..notes import Note
from ..syntax import Binary, Equation, Expr, Negate, Program, Reduce
from ..text import brief
from ..trees import names_in

__all__ = ["long_sums"]


def long_sums(program: Program) -> Program:
    """The program with such terms inside their sums."""
    notes: list[Note] = []
    equations = tuple(_read(e, notes) for e in program.equations)
    return replace(program, equations=equations, notes=(*program.notes, *notes)) if notes else program


def _read(e: Equation, notes: list[Note]) -> Equation:
    if len(e.left) > 1 or e.left[0].index is not None or not isinstance(e.right, Binary):
        return e
    terms: list[tuple[str, Expr]] = []
    first: Expr = e.right
    while isinstance(first, Binary) and first.operator in ("+", "-"):
        terms.append((first.operator, first.right))
        first = first.left
    result = first
    for operator, term in reversed(terms):
        longer = _longer(result, operator, term) if _reads_step(term) else None
        if longer is not None:
            sentence = f"{brief(term)} behind the sum over t was read as a part of its summand, for it reads step t"
            notes.append(Note.at(sentence, term.span))
        result = longer or Binary(operator, result, term, e.right.span)
    return replace(e, right=result)


def _longer(e: Expr, operator: str, term: Expr) -> Expr | None:
    """A product that ends with a sum over t, with one more term in the sum."""
    match e:
        case Reduce("sum", "t", body=body):
            return replace(e, body=Binary(operator, body, term, e.span))
        case Negate(operand):
            inner = _longer(operand, operator, term)
            return inner and replace(e, operand=inner)
        case Binary(" " | "*" | "@", _, right):
            inner = _longer(right, operator, term)
            return inner and replace(e, right=inner)
    return None


def _reads_step(e: Expr) -> bool:
    return any(
        n.index and n.index.variable == "t" and not any(r.variable == "t" for r in bound) for n, bound in names_in(e)
    )
