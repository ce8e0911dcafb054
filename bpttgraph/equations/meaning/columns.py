"""A column of functions: `[i; f; g] = [σ; σ; tanh] W [h; x]` applies each to its own part of what stands behind."""

from __future__ import annotations

from dataclasses import replace

from ...errors import BPTTError
from ..notes import Note
from ..syntax import Binary, Call, Equation, Expr, Name, Program, Stack
from ..trees import names_in, walk
from ..vocabulary import known_functions

__all__ = ["apply_columns"]


def apply_columns(program: Program) -> Program:
    """Each equation with a column of functions as one for what they are applied to, and one for each.

    Raises:
        BPTTError: a column that stands elsewhere, or has not as many functions as there are names on the left.
    """
    if not any(is_column(node) for e in program.equations for node, _ in walk(e.right)):
        return program
    taken = {n.name for e in program.equations for n in (*e.left, *(n for n, _ in names_in(e.right)))}
    equations: list[Equation] = []
    notes: list[Note] = []
    for e in program.equations:
        column, body = first_factor(e.right)
        if body is None or not is_column(column):
            wrong = next((node for node, _ in walk(e.right) if is_column(node)), None)
            if wrong is not None:
                raise BPTTError(
                    "a column of functions must stand before all that it is applied to",
                    "write [i[t]; f[t]] = [σ; tanh] (W x[t])",
                    text=program.text,
                    span=wrong.span,
                )
            equations.append(e)
            continue
        assert isinstance(column, Stack)
        if not all(map(is_function, column.items)):
            hint = "give each function its argument, such as tanh(x[t])"
            raise BPTTError("functions and vectors in one column", hint, text=program.text, span=column.span)
        if len(column.items) != len(e.left):
            raise BPTTError(
                f"{len(column.items)} functions for {len(e.left)} names on the left",
                "name as many parts as there are functions: [i[t]; f[t]] = [σ; tanh] (W x[t])",
                text=program.text,
                span=column.span,
            )
        net = tuple(replace(n, name=_fresh(f"{n.name}_net", taken)) for n in e.left)
        equations.append(replace(e, left=net, right=body))
        for name, inner, function in zip(e.left, net, column.items):
            assert isinstance(function, Name)
            applied = Call(function.name, (inner,), (), function.span)
            equations.append(replace(e, left=(name,), right=applied))
        names = ", ".join(n.name for n in net)
        notes.append(
            Note.at(f"the functions of the column are applied to parts of one size, named {names}", column.span)
        )
    return replace(program, equations=tuple(equations), notes=(*program.notes, *notes))


def is_column(e: Expr) -> bool:
    """Whether a stack has functions in the place of vectors."""
    return isinstance(e, Stack) and any(map(is_function, e.items))


def is_function(e: Expr) -> bool:
    return isinstance(e, Name) and e.index is None and e.name in known_functions()


def first_factor(e: Expr) -> tuple[Expr, Expr | None]:
    """The first factor of a product, and the product of the others."""
    factors: list[Binary] = []
    while isinstance(e, Binary) and e.operator in (" ", "@"):
        factors.append(e)
        e = e.left
    rest: Expr | None = None
    for product in reversed(factors):
        rest = product.right if rest is None else replace(product, left=rest)
    return e, rest


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    taken.add(name)
    return name
