"""Steps in names: h[3] read from step 2 is h[t+1], and back.

A symbolic formula is an ordinary formula whose names stand at t, t+1, T or k. It is made by shifting the names of a
concrete one, and instantiated by shifting them back; sums and products over steps are then written out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from .expr import (
    Add,
    BigProduct,
    BigSum,
    Expr,
    Hadamard,
    Identity,
    Num,
    Partial,
    Product,
    Symbol,
    Tagged,
    add,
    num,
    product,
)

__all__ = [
    "at_steps",
    "bound",
    "fill",
    "folded",
    "moved",
    "near",
    "parts_of_name",
    "rebased",
    "renamed",
    "step_text",
    "substituted",
    "symbols_of",
    "value_of",
]

_STEP = re.compile(r"\[(-?\d+)\]")
_SYMBOLIC = re.compile(r"\[([A-Za-z]\w*)((?:[+-]\d+)?)\]")


def step_text(letter: str, offset: int) -> str:
    """
    >>> step_text("t", -1), step_text("T", 0)
    ('t-1', 'T')
    """
    return letter if offset == 0 else f"{letter}{offset:+d}"


def parts_of_name(name: str) -> set[str]:
    """The letters and words that a name is made of, which no index beside it may be called.

    >>> sorted(parts_of_name("W_hk[t]"))
    ['W', 'hk', 't']
    """
    return set(re.findall(r"[^\W\d_]+", name))


def renamed(e: Any, change: Callable[[str], str]) -> Any:
    """The formula with every name (also in derivatives and link ids) changed."""
    if isinstance(e, tuple):
        return tuple(renamed(x, change) for x in e)
    if not isinstance(e, Expr):
        return e
    if isinstance(e, Symbol):
        return replace(e, name=change(e.name))
    if isinstance(e, Partial):
        return replace(e, target=change(e.target), source=change(e.source))
    if isinstance(e, Tagged):
        ids = " ".join("->".join(map(change, i.split("->"))) for i in e.ids.split())
        return replace(e, arg=renamed(e.arg, change), ids=ids)
    if isinstance(e, Num):
        return e
    return e.mapped(lambda x: renamed(x, change))


def substituted(e: Any, part: Expr, instead: Expr) -> Any:
    """The formula with `instead` in every place of `part`."""
    if e == part:
        return instead
    if isinstance(e, tuple):
        return tuple(substituted(x, part, instead) for x in e)
    if not isinstance(e, Expr) or isinstance(e, Num):
        return e
    return e.mapped(lambda x: substituted(x, part, instead))


def moved(name: str, by: int) -> str:
    """
    >>> moved("h[3]", -2)
    'h[1]'
    """
    return _STEP.sub(lambda m: f"[{int(m[1]) + by}]", name)


def rebased(letter: str, base: int) -> Callable[[str], str]:
    """A renaming that reads step `base` as `letter`: h[3] is h[t+1] from base 2.

    >>> rebased("t", 2)("h[3]"), rebased("T", 4)("W")
    ('h[t+1]', 'W')
    """
    return lambda name: _STEP.sub(lambda m: f"[{step_text(letter, int(m[1]) - base)}]", name)


def at_steps(values: Mapping[str, int]) -> Callable[[str], str]:
    """A renaming that puts numbers in the place of letters; letters not given stay.

    >>> at_steps({"t": 2, "T": 5})("h[t-1]"), at_steps({"t": 2})("h[T]")
    ('h[1]', 'h[T]')
    """

    def change(name: str) -> str:
        return _SYMBOLIC.sub(lambda m: f"[{values[m[1]] + int(m[2] or 0)}]" if m[1] in values else m[0], name)

    return change


def value_of(e: Expr, values: Mapping[str, int]) -> int:
    """The number of a bound such as k+1 or max(1, t−3)."""
    match e:
        case Num(_, value):
            return int(value)
        case Symbol(_, name):
            return values[name]
        case Add(_, terms):
            return sum(value_of(t, values) for t in terms)
    if hasattr(e, "arg"):
        return -value_of(e.arg, values)
    args = [value_of(a, values) for a in getattr(e, "args", getattr(e, "factors", ()))]
    name = e.op.name if hasattr(e, "op") else "product"
    if name == "maximum":
        return max(args)
    if name == "minimum":
        return min(args)
    if name == "ceil_divide":
        return -(-args[0] // args[1])
    result = 1
    for a in args:
        result *= a
    return result


def bound(text: str) -> Expr:
    """A step such as 2, T or T-1 as a formula."""
    if text.lstrip("-").isdigit():
        return num(int(text))
    return add(Symbol((), text[0], ()), num(int(text[1:] or 0)))


def near(name: str, last: int) -> str:
    """The name with its step counted from the end, if it stands in the second half of `last` steps.

    >>> near("h[7]", 8), near("h[2]", 8)
    ('h[T-1]', 'h[2]')
    """
    step = _STEP.search(name)
    return rebased("T", last)(name) if step and 2 * int(step[1]) > last else name


def folded(e: Any, last: int) -> Any:
    """The formula with Σ for sums of alike terms that reach from the first half of `last` steps into the second.

    >>> from bpttgraph.formulas.expr import symbol
    >>> from bpttgraph.formulas.printers import to_text
    >>> to_text(folded(add(*[symbol(f"E[{t}]") for t in range(1, 9)], symbol("y[8]")), 8))
    '∑[k=1..T] Eₖ + y₈'
    """
    if isinstance(e, tuple):
        return tuple(folded(x, last) for x in e)
    if not isinstance(e, Expr) or isinstance(e, Num | Symbol | Partial):
        return e
    if isinstance(e, Add):
        return add(*_rows([folded(x, last) for x in e.terms], last))
    return e.mapped(lambda x: folded(x, last))


def _rows(terms: list[Expr], last: int) -> Iterator[Expr]:
    """Runs of terms that say the same one step later as Σ."""

    def place(e: Expr) -> int | None:
        return max((int(m[1]) for x in symbols_of(e) if (m := _STEP.search(x.name))), default=None)

    while terms:
        step, row = place(terms[0]), 1
        letter = next(x for x in "kijlmn" if not any(s.name == x for s in symbols_of(terms[0])))
        general = terms[0] if step is None else renamed(terms[0], rebased(letter, step))
        while step is not None and row < len(terms) and terms[row] == renamed(general, at_steps({letter: step + row})):
            row += 1
        if step is not None and 2 * step <= last < 2 * (step + row - 1):
            yield BigSum(
                terms[0].shape, letter, bound(str(step)), bound(step_text("T", step + row - 1 - last)), general
            )
        else:
            yield from terms[:row]
        terms = terms[row:]


def symbols_of(e: object) -> set[Symbol]:
    """All symbols in a formula."""
    found: set[Symbol] = set()
    todo: list[object] = [e]
    while todo:
        x = todo.pop()
        if isinstance(x, Symbol):
            found.add(x)
        elif isinstance(x, tuple):
            todo.extend(x)
        elif isinstance(x, Expr):
            todo.extend(getattr(x, f) for f in x.__dataclass_fields__ if f not in ("shape", "op", "attrs"))
    return found


def fill(e: Any, values: Mapping[str, int]) -> Any:
    """The formula at given steps: names with numbers, Σ and Π written out."""
    if isinstance(e, tuple):
        return tuple(fill(x, values) for x in e)
    if not isinstance(e, Expr):
        return e
    if isinstance(e, BigSum | BigProduct):
        low, high = value_of(e.lower, values), value_of(e.upper, values)
        parts = [fill(e.body, {**values, e.index: i}) for i in range(low, high + 1)]
        if isinstance(e, BigSum):
            return add(*parts)
        unit: list[Expr] = [] if not e.shape else [Identity(e.shape)]
        return product(*unit, *(parts if e.rising else reversed(parts)))
    if isinstance(e, Symbol | Partial | Num):
        return renamed(e, at_steps(values))
    if isinstance(e, Tagged):
        return fill(e.arg, values)
    if isinstance(e, Add):  # a Σ written out is a sum itself, or one term, which may be a product
        summands = [(x.terms if isinstance(x, Add) else (x,)) for x in fill(e.terms, values)]
        return replace(e, terms=tuple(y for x in summands for y in x))
    if isinstance(e, Product | Hadamard):
        kind = type(e)
        parts = [(x.factors if isinstance(x, kind) else (x,)) for x in fill(e.factors, values)]
        return replace(e, factors=tuple(y for x in parts for y in x))
    return e.mapped(lambda x: fill(x, values))
