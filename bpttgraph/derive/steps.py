"""Steps in names: h[3] read from step 2 is h[t+1], and back.

A symbolic formula is an ordinary formula whose names stand at t, t+1, T or k. It is made by shifting the names of a
concrete one, and instantiated by shifting them back; sums and products over steps are then written out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from .expr import Add, BigProduct, BigSum, Expr, Identity, Num, Partial, Symbol, Tagged, add, product

__all__ = ["at_steps", "fill", "moved", "rebased", "renamed", "step_text", "substituted", "value_of"]

_STEP = re.compile(r"\[(-?\d+)\]")
_SYMBOLIC = re.compile(r"\[([A-Za-z]\w*)((?:[+-]\d+)?)\]")


def step_text(letter: str, offset: int) -> str:
    """
    >>> step_text("t", -1), step_text("T", 0)
    ('t-1', 'T')
    """
    return letter if offset == 0 else f"{letter}{offset:+d}"


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
    return replace(e, **{f.name: renamed(getattr(e, f.name), change) for f in fields(e) if f.name not in ("shape", "op", "attrs")})


def substituted(e: Any, part: Expr, instead: Expr) -> Any:
    """The formula with `instead` in every place of `part`."""
    if e == part:
        return instead
    if isinstance(e, tuple):
        return tuple(substituted(x, part, instead) for x in e)
    if not isinstance(e, Expr) or isinstance(e, Num):
        return e
    kept = ("shape", "op", "attrs", "arg_dims")
    return replace(e, **{f.name: substituted(getattr(e, f.name), part, instead) for f in fields(e) if f.name not in kept})


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
    return replace(e, **{f.name: fill(getattr(e, f.name), values) for f in fields(e) if f.name not in ("shape", "op", "attrs")})
