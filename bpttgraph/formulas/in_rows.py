"""Formulas for those whose vectors are rows, x W instead of W x (d2l.ai, most code): the same formulas, transposed.

Inside, every vector is a column. A statement about a vector is turned as a whole, (A B v)ᵀ = vᵀ Bᵀ Aᵀ, and vᵀ is then
the row that the lecture calls v; a statement about a number or a matrix keeps its shape, and a vector in it that was a
column becomes vᵀ. Jacobians stay in numerator layout, which for rows means δ_{t−1} = δ_t ∂h_t/∂h_{t−1}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from . import nodes as n
from .expr import add, diag, divide, dot, hadamard, neg, power, product, tagged, transpose
from .steps import symbols_of

__all__ = ["in_rows"]


def in_rows(left: n.Expr, terms: Sequence[n.Expr], dims: n.Shape | None = None) -> tuple[n.Expr, tuple[n.Expr, ...]]:
    """A statement left = Σ terms with vectors as rows. `dims` is the shape of what the statement is about, where `left`
    is no symbol (∂E/∂b).

    >>> from bpttgraph.formulas.expr import symbol
    >>> from bpttgraph.formulas.printers import to_text
    >>> U, h, d = symbol("U", (3, 2)), symbol("h[1]", (3,)), symbol("δ[2]", (2,))
    >>> [to_text(e) for e in in_rows(symbol("h̄[1]", (3,)), [product(U, d)])[1]]
    ['δ₂ Uᵀ']
    >>> [to_text(e) for e in in_rows(symbol("G", (3, 2)), [product(h, transpose(d))])[1]]
    ['h₁ᵀ δ₂']
    """
    if dims is None:
        dims = left.dims if isinstance(left, n.Symbol) else ()
    if any(_is_row(x) for x in symbols_of((left, *terms))):
        return left, tuple(terms)  # turned already
    flip = len(dims) == 1 and all(t.shape in ((), (dims[0], 1)) for t in terms)
    if isinstance(left, n.Symbol):
        left = _turned(left, flip)
    return left, tuple(_turned(t, flip) for t in terms)


def _is_row(s: n.Symbol) -> bool:
    return len(s.dims) == 1 and s.shape != (s.dims[0], 1)


def _turned(e: Any, flip: bool) -> Any:
    """The formula with its vectors as rows, transposed as a whole if `flip`. Recursion is over one equation."""
    match e:
        case n.Symbol(_, name, dims) if len(dims) == 1:
            row = n.Symbol((1, dims[0]), name, dims)
            return row if flip else transpose(row)
        case n.Transpose(_, arg):
            return _turned(arg, not flip)
        case n.Product(_, factors):
            scalars = [_turned(f, False) for f in factors if not f.shape]
            matrices = [_turned(f, flip) for f in factors if f.shape]
            return product(*scalars, *(reversed(matrices) if flip else matrices))
        case n.Add(_, terms):
            return add(*[_turned(t, flip) for t in terms])
        case n.Hadamard(_, factors):
            return hadamard(*[_turned(f, flip) for f in factors])
        case n.Neg(_, arg):
            return neg(_turned(arg, flip))
        case n.Tagged(_, arg, ids):
            return tagged(_turned(arg, flip), ids)
        case n.Power(_, base, exponent):
            return power(_turned(base, flip), _turned(exponent, flip))
        case n.Divide(_, top, bottom):
            return divide(_turned(top, flip), _turned(bottom, flip))
        case n.Dot(_, a, b):
            return dot(_turned(a, True), _turned(b, True))
        case n.Diag(shape, arg):
            return diag(_turned(arg, True), shape[0])
        case n.Ones(shape) if shape[1] == 1:
            ones = n.Ones((1, shape[0]))
            return ones if flip else transpose(ones)
        case n.Literal(shape, entries) if shape[1] == 1:
            turned = n.Literal((1, shape[0]), tuple(zip(*entries)))
            return turned if flip else transpose(turned)
        case n.Unit(shape, arg):
            unit = n.Unit((1, shape[0]), _turned(arg, True))
            return unit if flip else transpose(unit)
        case n.Column(_, arg, index):
            return product(_turned(index, flip), _turned(arg, flip)) if flip else product(*_both(arg, index))
        case n.Stack(shape, parts) if shape[1] == 1:
            blocks = n.Blocks((1, shape[0]), (tuple(_turned(_whole(p), True) for p in parts),))
            return blocks if flip else transpose(blocks)
        case n.Rows(shape, arg, start, stop) if arg.shape[1:] == (1,):
            cut = n.Rows((1, shape[0]), _turned(arg, True), start, stop)
            return cut if flip else transpose(cut)
        case n.Apply(shape, _, args, _, dims):
            # of a number, a row or entries of either: functions of a matrix keep their matrix
            vector = shape[1:] == (1,) and all(len(d) < 2 for d in dims)
            inside = tuple(_turned(a, len(d) == 1) for a, d in zip(args, dims))
            applied = replace(e, shape=(1, shape[0]) if vector else shape, args=inside)
            return applied if flip == vector or not shape else transpose(applied)
        case n.BigSum(shape, body=body):
            return replace(e, shape=shape[::-1] if flip else shape, body=_turned(body, flip))
        case n.BigProduct(shape, body=body, rising=rising):
            if flip:
                return replace(e, shape=shape[::-1], body=_turned(body, True), rising=not rising)
            return replace(e, body=_turned(body, False))
        case n.Num() | n.Entry() | n.Partial() | n.Symbol() | n.Identity() | n.Zeros() | n.Ones() | n.Literal():
            return transpose(e) if flip else e
        case n.Expr():  # a matrix made of parts: they keep their places
            made: n.Expr = e.mapped(lambda x: _turned(x, False))
            return transpose(made) if flip else made
    raise TypeError(f"not a formula: {e!r}")


def _both(*parts: n.Expr) -> list[Any]:
    return [_turned(p, False) for p in parts]


def _whole(part: n.Expr) -> n.Expr:
    """A number in a stack, as the one entry that it is."""
    return part if part.shape else product(part, n.Ones((1, 1)))
