"""Rows or columns: one convention for the whole text, from the side on which its matrices stand.

`x_t W` with the matrix on the right says that vectors are rows; `W x_t` that they are columns. So do products of two
vectors that make a matrix: `S_t = S_{t-1} + k_t^T v_t` adds rows, `v_t k_t^T` columns. A vector written with ᵀ before
a matrix (`x_t^T W`) says nothing: it was turned for this product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from ..kinds import Habits, capital, chains, looks, matrices, scales, terms
from ..notes import Note
from ..products import factors
from ..syntax import Equation, Expr, Program
from ..text import brief
from ..trees import names_in

__all__ = ["rows_or_columns"]


def rows_or_columns(program: Program) -> Program:
    """The program with `rows` set if its vectors stand left of its matrices, and nowhere right of them."""
    habits = Habits(matrices=matrices((e.left, e.right) for e in program.equations))
    found = [pair for e in program.equations for pair in _evidence(e, habits)]
    lying = [pair for rows, pair in found if rows]
    standing = [pair for rows, pair in found if not rows]
    if not lying:
        return program
    product = _product(*lying[0])
    span = lying[0][0].span
    if not standing:
        note = Note.at(f"vectors are read as rows, as in {product}", span)
        return replace(program, rows=True, notes=(*program.notes, note))
    note = Note.at(f"vectors look like rows in {product}, but like columns in {_product(*standing[0])}: "
                   "each product was read as it is written", span)  # fmt: skip
    return replace(program, notes=(*program.notes, note))


def _product(left: Expr, right: Expr) -> str:
    return f"{brief(left, 30)} {brief(right, 31)}"


def _evidence(equation: Equation, habits: Habits) -> Iterator[tuple[bool, tuple[Expr, Expr]]]:
    """Two factors that speak for rows (True) or for columns (False)."""
    for parts in chains(equation.right):
        seen = [(p, looks(p, habits)) for p in parts]
        seen = [pair for pair in seen if pair[1].axes]
        for i, ((a, first), (b, second)) in enumerate(pairwise(seen)):
            after = seen[i + 2][1] if i + 2 < len(seen) else None
            if first.rank == 2 and second.rank == 1 and not second.row:
                yield False, (a, b)
            # g[t] S[t-1] is a number times a matrix, S[t-1] (I - k[t] k[t]^T) a product of matrices
            fixed = second.rank == 2 and any(n.index is None and capital(n.name) for n, _ in names_in(b))
            if first.rank == 1 and not (first.row or scales(a)) and fixed and (after is None or after.rank == 2):
                yield True, (a, b)
    if len(equation.left) == 1 and equation.left[0].name in habits.matrices and capital(equation.left[0].name):
        for term in terms(equation.right):
            pairs = [(p, look) for p in factors(term)[0] if not scales(p) and (look := looks(p, habits)).axes]
            if len(pairs) == 2 and all(look.rank == 1 for _, look in pairs) and pairs[0][1].row != pairs[1][1].row:
                yield pairs[0][1].row, (pairs[0][0], pairs[1][0])
