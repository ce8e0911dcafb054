"""Are two formulas the same formula? Compared as trees, not as text.

A formula is multiplied out into a sum of monomials: a coefficient, scalar factors (any order), and an ordered chain of
matrices in which diag(a) v is a ∘ v, (A B)ᵀ is Bᵀ Aᵀ, and the factors of ∘ may stand in any order. Sums may stand in
any order; a sum over steps may be counted from another first step. Nothing is known of functions, so this never calls
two different formulas the same; it may fail to see that two are equal.

Notation is a renaming: `names={"δ_g": "δz", "h": "y"}` reads our symbols as those of a paper, step by step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from fractions import Fraction
from typing import Any

from .nodes import (
    Add,
    BigSum,
    Diag,
    Divide,
    Dot,
    Expr,
    Hadamard,
    Identity,
    Neg,
    Num,
    Ones,
    Partial,
    Power,
    Product,
    Symbol,
    Tagged,
    Transpose,
    Zeros,
)  # fmt: skip
from .steps import renamed

__all__ = ["canonical", "put", "same"]

Link = tuple[Any, ...]
"""One factor of a chain: ("name" or another kind, what identifies it …, is it a column)."""
Monomial = tuple[tuple[Any, ...], tuple[Link, ...]]
"""Scalar factors, sorted, and the chain of matrices, in order."""
Poly = dict[Monomial, Fraction]
_ONE: Monomial = ((), ())
_UNIT: Link = ("I", "matrix")


def same(a: Expr, b: Expr, names: Mapping[str, str] | None = None) -> bool:
    """Whether two formulas are the same up to notation and the order of sums; `names` rename the symbols of `a`.

    >>> from bpttgraph.formulas.expr import add, diag, hadamard, product, symbol, transpose
    >>> W, h, d = symbol("W", (3, 3)), symbol("h[t]", (3,)), symbol("δ[t+1]", (3,))
    >>> same(add(h, product(transpose(W), diag(h, 3), d)), add(product(transpose(W), hadamard(d, h)), h))
    True
    >>> same(product(W, d), product(transpose(W), d)), same(product(W, d), product(W, h))
    (False, False)
    """
    return canonical(a, names) == canonical(b)


def canonical(e: Expr, names: Mapping[str, str] | None = None) -> tuple[tuple[Monomial, Fraction], ...]:
    """The monomials of a formula with their coefficients, in a fixed order: equal exactly if the formulas are the
    same."""
    if names:
        e = renamed(e, lambda name: _renamed(name, names))
    return _sorted(_poly(e))


def put(e: Any, name: str, meaning: Expr) -> Any:
    """`e` with the definition `meaning` of `name[t]` (a formula for step t) in the place of name[t], name[t+1], …

    >>> from bpttgraph.formulas.expr import add, symbol
    >>> from bpttgraph.formulas.printers import to_text
    >>> to_text(put(symbol("δ[t+1]"), "δ", add(symbol("a[t]"), symbol("b[t-1]"))))
    'aₜ₊₁ + bₜ'
    """
    if isinstance(e, tuple):
        return tuple(put(x, name, meaning) for x in e)
    if isinstance(e, Symbol):
        base, _, step = e.name.partition("[t")
        return renamed(meaning, lambda n: _moved(n, "t", int(step[:-1] or 0))) if step and base == name else e
    if not isinstance(e, Expr) or isinstance(e, Num):
        return e
    return e.mapped(lambda x: put(x, name, meaning))


def _renamed(name: str, names: Mapping[str, str]) -> str:
    base, bracket, step = name.partition("[")
    return names.get(base, base) + bracket + step


def _moved(name: str, letter: str, by: int) -> str:
    """h[t-1] moved by 2 is h[t+1]."""

    def change(m: re.Match[str]) -> str:
        offset = int(m[1] or 0) + by
        return f"[{letter}{offset:+d}]" if offset else f"[{letter}]"

    return re.sub(rf"\[{letter}([+-]\d+)?\]", change, name)


def _sorted(p: Poly) -> tuple[tuple[Monomial, Fraction], ...]:
    return tuple(sorted(((m, c) for m, c in p.items() if c), key=repr))


def _added(*parts: Poly) -> Poly:
    total: Poly = {}
    for part in parts:
        for m, c in part.items():
            total[m] = total.get(m, Fraction(0)) + c
    return total


def _scaled(parts: Iterable[tuple[Monomial, Fraction]]) -> Poly:
    return _added(*[{m: c} for m, c in parts])


def _atom(link: Link, scalar: bool = False) -> Poly:
    return {((link,), ()) if scalar else ((), (link,)): Fraction(1)}


def _join(a: Monomial, b: Monomial) -> Monomial:
    """The ordered product of two monomials: a diagonal beside a vector is entrywise."""
    chain = list(a[1])
    for link in b[1]:
        if chain and _UNIT in (link, chain[-1]):
            chain[-1] = link if chain[-1] == _UNIT else chain[-1]
        elif chain and chain[-1][0] == "diag" and link[-1] == "column":
            chain[-1] = _entrywise(chain[-1][1], (link,))
        elif chain and link[0] == "diag" and chain[-1][0] == "T" and chain[-1][-1] == "row":
            chain[-1] = ("T", _entrywise((chain[-1][1],), link[1]), "row")
        elif chain and link[0] == "diag" == chain[-1][0]:
            chain[-1] = ("diag", _entrywise(chain[-1][1], link[1])[1], "matrix")
        else:
            chain.append(link)
        while len(chain) > 1 and chain[-1][-1] == "column" and chain[-2][0] == "diag":
            chain[-2:] = [_entrywise(chain[-2][1], (chain[-1],))]
    return tuple(sorted(a[0] + b[0], key=repr)), tuple(chain)


def _entrywise(*parts: tuple[Link, ...]) -> Link:
    """∘ of columns, each given as a chain."""
    found: list[Any] = []
    for chain in parts:
        found += chain[0][1] if len(chain) == 1 and chain[0][0] == "∘" else [chain]
    return ("∘", tuple(sorted(found, key=repr)), "column")


def _times(a: Poly, b: Poly) -> Poly:
    return _scaled((_join(m, n), c * d) for m, c in a.items() for n, d in b.items())


def _hadamard(a: Poly, b: Poly) -> Poly:
    def one(m: Monomial, n: Monomial) -> Monomial:
        scalars = tuple(sorted(m[0] + n[0], key=repr))
        return scalars, m[1] or n[1] if not m[1] or not n[1] else (_entrywise(m[1], n[1]),)

    return _scaled((one(m, n), c * d) for m, c in a.items() for n, d in b.items())


def _turned(p: Poly) -> Poly:
    return _scaled(((s, tuple(_turn(x) for x in reversed(chain))), c) for (s, chain), c in p.items())


def _turn(link: Link) -> Link:
    if link[0] == "T":
        return tuple(link[1])
    return link if link[0] in ("diag", "I") else ("T", link, "row" if link[-1] == "column" else "matrix")


def _diagonal(m: Monomial) -> Monomial:
    return m[0], (("diag", m[1], "matrix") if m[1] else _UNIT,)


def _dotted(m: Monomial, n: Monomial) -> Monomial:
    """aᵀ b is bᵀ a."""
    return tuple(sorted((*m[0], *n[0], ("·", *sorted((m[1], n[1]), key=repr))), key=repr)), ()


def _kind(shape: tuple[int, ...]) -> str:
    return "column" if shape and shape[1] == 1 else "matrix"


def _poly(e: Expr) -> Poly:
    match e:
        case Num(_, value):
            return {_ONE: Fraction(value)}
        case Zeros():
            return {}
        case Identity():
            return {((), (_UNIT,)): Fraction(1)}
        case Ones():
            return _atom(("1", "column"))
        case Tagged(_, arg, _):
            return _poly(arg)
        case Symbol(shape, name):
            return _atom(("name", name, _kind(shape)), not shape)
        case Neg(_, arg):
            return {m: -c for m, c in _poly(arg).items()}
        case Add(_, terms):
            return _added(*[_poly(t) for t in terms])
        case Product(_, factors):
            result: Poly = {_ONE: Fraction(1)}
            for f in factors:
                result = _times(result, _poly(f))
            return result
        case Hadamard(_, factors):
            result = _poly(factors[0])
            for f in factors[1:]:
                result = _hadamard(result, _poly(f))
            return result
        case Power(_, base, Num(_, value)) if value == int(value) and 1 <= value <= 8:
            result = _poly(base)
            for _ in range(int(value) - 1):
                result = _hadamard(result, _poly(base))
            return result
        case Diag(_, arg):
            return _scaled((_diagonal(m), c) for m, c in _poly(arg).items())
        case Transpose(_, arg):
            return _turned(_poly(arg))
        case Dot(_, left, right):
            a, b = _poly(left), _poly(right)
            return _scaled((_dotted(m, n), c * d) for m, c in a.items() for n, d in b.items())
        case Divide(_, top, bottom):
            below = ("1/", _sorted(_poly(bottom)), _kind(bottom.shape))
            return _hadamard(_poly(top), _atom(below, not bottom.shape))
        case Partial(shape, target, source, immediate, total):
            return _atom(("∂", target, source, immediate, total, "matrix"), not shape)
        case BigSum(_, index, Num(_, low), upper, body):
            by = int(low) - 1  # counted from 1
            moved = renamed(body, lambda n: _moved(n, index, by))
            return _summed(
                e.shape, index, {_ONE: Fraction(1)}, _added(_poly(upper), {_ONE: Fraction(-by)}), _poly(moved)
            )
        case BigSum(_, index, lower, upper, body):
            return _summed(e.shape, index, _poly(lower), _poly(upper), _poly(body))
    # whatever else there is: its kind and its parts
    parts = [_part(getattr(e, f.name)) for f in fields(e) if f.name not in ("shape", "arg_dims")]
    return _atom((type(e).__name__, *parts, _kind(e.shape)), not e.shape)


def _summed(shape: tuple[int, ...], index: str, low: Poly, high: Poly, body: Poly) -> Poly:
    """Σ of a sum is the sum of the Σ."""
    ends = (_sorted(low), _sorted(high))
    return _added(
        *[
            {m: c * d for m, d in _atom(("Σ", index, *ends, monomial, _kind(shape)), not shape).items()}
            for monomial, c in body.items()
        ]
    )


def _part(x: Any) -> Any:
    if isinstance(x, Expr):
        return _sorted(_poly(x))
    if isinstance(x, tuple):
        return tuple(_part(y) for y in x)
    return getattr(x, "symbol", None) or getattr(x, "name", x)
