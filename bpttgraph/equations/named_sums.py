"""Sums over steps with names of their own: J = log(1 + sum_t L[t]) · v is S = sum_t L[t] and J = log(1 + S) · v.

For a number of steps nothing changes. For any number of steps it does: what a total of one's own passes back to each
L[t] depends on all steps, but the same for all of them, and only through the sums. With a name for each it is one
number ∂J/∂S.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, count

from .model import Recurrence
from .syntax import Binary, Equation, Expr, Name, Negate, Reduce
from .text import show
from .trees import calls, children, depends, names_in, rebuild

__all__ = ["named_sums"]

_PRODUCTS = ("*", "@", " ")


def named_sums(rec: Recurrence) -> tuple[Recurrence, tuple[str, ...]]:
    """The recurrence with a name for each sum that an equation without a step does more with than add; and these names.

    >>> from bpttgraph.equations.model import from_text
    >>> read, names = named_sums(from_text("h[t] = tanh(w*h[t-1]); J = log(1 + sum_t h[t])"))
    >>> names, [show(d.equation) for d in read.definitions[1:]]
    (('S',), ['S = (sum_t (h[t]))', 'J = log((1 + S))'])
    """
    sums: dict[tuple[str | None, str], str] = {}  # by block and text
    names = _free(rec)
    made: list[Equation] = []
    for e in rec.program.equations:
        block = e.left[0].block or e.block
        while (
            e.left[0].index is None and (found := next(_entangled(e.right, False, {*sums.values()}), None)) is not None
        ):
            text = show(found)
            name = Name(sums.get((block, text)) or next(names), None, found.span, e.left[0].block)
            if (block, text) not in sums:
                sums[block, text] = name.name
                made.append(Equation((name,), found, found.span, f"{name.name} = {text}", e.block))
            right = _with(e.right, text, replace(name, block=block))
            e = replace(e, right=right)
        made.append(e)
    if not sums:
        return rec, ()
    program = replace(rec.program, equations=tuple(made))
    read = Recurrence(program, rec.let, title=rec.title, conventions=rec.conventions)
    return read, tuple(b for b in read.once if b not in rec.once)


def _entangled(e: Expr, factor: bool, named: set[str]) -> Iterator[Reduce]:
    """The sums that are not just added: what they are multiplied with, or an argument of, has several steps in it.

    `factor`: whether such a thing stands around `e`. `named`: what sums are called already. What stands within another
    sum comes before it.
    """
    match e:
        case Reduce(kind, variable):
            inner = _entangled(e.body, True, named)
            yield from (r for r in inner if not depends(r, variable) or r.variable == variable)
            yield from [e] if factor and kind == "sum" else []
        case Negate(operand):
            yield from _entangled(operand, factor, named)
        case Binary("+" | "-", left, right):
            yield from chain(_entangled(left, factor, named), _entangled(right, factor, named))
        case Binary(operator, left, right) if operator in (*_PRODUCTS, "/"):
            yield from _entangled(left, factor or _of_steps(right, named), named)
            yield from _entangled(right, factor or operator == "/" or _of_steps(left, named), named)
        case _:
            for part in children(e):
                yield from _entangled(part, True, named)


def _with(e: Expr, text: str, name: Name) -> Expr:
    """The expression with a name in every place of the sum that is written so."""
    return rebuild(e, lambda x: name if isinstance(x, Reduce) and show(x) == text else x)


def _of_steps(e: Expr, named: set[str]) -> bool:
    return any(name.index is not None or name.name in named for name, _ in names_in(e))


def _free(rec: Recurrence) -> Iterator[str]:
    """S, S_1, S_2, …, as far as nothing is called so."""
    taken = {name.name for e in rec.program.equations for name, _ in names_in(e.right)}
    taken |= {name.name for e in rec.program.equations for name in e.left}
    taken |= {call.function for e in rec.program.equations for call in calls(e.right)}
    return (name for name in chain(["S"], (f"S_{i}" for i in count(2))) if name not in taken)
