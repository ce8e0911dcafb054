"""Syntax trees as wholes: children of a node, a walk over nodes or names, a tree rebuilt with some nodes changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from .syntax import Binary, Call, Expr, Name, Negate, Partial, Reduce, Stack, Transposed, step_letters

__all__ = ["calls", "children", "depends", "names_in", "rebuild", "walk"]


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct parts of an expression."""
    match expr:
        case Call():
            return expr.args + expr.parameters
        case Negate() | Transposed():
            return (expr.operand,)
        case Binary():
            return (expr.left, expr.right)
        case Stack():
            return expr.items
        case Reduce():
            return (expr.body,)
        case Partial():
            return (expr.top, expr.bottom)
    return ()


def walk(expr: Expr) -> Iterator[tuple[Expr, int]]:
    """Every node with its depth, parents first, without recursion."""
    pending = [(expr, 1)]
    while pending:
        node, depth = pending.pop()
        yield node, depth
        pending += [(child, depth + 1) for child in reversed(children(node))]


def depends(expr: Expr, variable: str) -> bool:
    """Whether a name in it is read at a step given by `variable`."""
    return any(
        isinstance(node, Name) and node.index is not None and variable in step_letters(node.index)
        for node, _ in walk(expr)
    )


def names_in(e: Expr, bound: tuple[Reduce, ...] = ()) -> Iterator[tuple[Name, tuple[Reduce, ...]]]:
    """Every name in an expression, with the sums and products it stands in."""
    if isinstance(e, Name):
        yield e, bound
    inner = (*bound, e) if isinstance(e, Reduce) else bound
    for child in children(e):
        yield from names_in(child, inner)


def rebuild(e: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The expression with `change` applied to every part, from the leaves up."""
    if isinstance(e, Call):
        e = replace(
            e,
            args=tuple(rebuild(a, change) for a in e.args),
            parameters=tuple(rebuild(a, change) for a in e.parameters),
        )
    elif isinstance(e, Binary):
        e = replace(e, left=rebuild(e.left, change), right=rebuild(e.right, change))
    elif isinstance(e, Negate | Transposed):
        e = replace(e, operand=rebuild(e.operand, change))
    elif isinstance(e, Stack):
        e = replace(e, items=tuple(rebuild(i, change) for i in e.items))
    elif isinstance(e, Reduce):
        e = replace(e, body=rebuild(e.body, change))
    elif isinstance(e, Partial):
        top, bottom = rebuild(e.top, change), rebuild(e.bottom, change)
        if isinstance(top, Name) and isinstance(bottom, Name):
            e = replace(e, top=top, bottom=bottom)
    return change(e)


def calls(e: Expr) -> Iterator[Call]:
    """Every function call in an expression."""
    if isinstance(e, Call):
        yield e
    for child in children(e):
        yield from calls(child)
