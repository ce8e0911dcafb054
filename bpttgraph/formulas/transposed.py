"""Jᵀ v as a person writes it: the step from Jacobians (numerator layout) to adjoints shaped like their variable.

(A B)ᵀ v is Bᵀ (Aᵀ v), diag(d) v is d ∘ v, a row turned is a column, (diag(y) − y yᵀ) v is y ∘ v − y (yᵀ v), and what
stands in a block of zeros is stacked. Nothing is differentiated here.
"""

from __future__ import annotations

from .expr import (
    Add,
    Diag,
    Expr,
    Identity,
    Neg,
    Ones,
    Product,
    Rows,
    Stack,
    Tagged,
    Transpose,
    Zeros,
    add,
    dot,
    hadamard,
    neg,
    num,
    outer,
    padding,
    product,
    rows,
    stack,
    transpose,
)  # fmt: skip

__all__ = ["outer_of", "turned", "turned_times"]


def turned_times(j: Expr, v: Expr) -> Expr:
    """Jᵀ v, simplified. `v` is a scalar where J has one row.

    >>> from bpttgraph.formulas.expr import diag, num, power, product, subtract, symbol
    >>> from bpttgraph.formulas.printers import to_text
    >>> h, W, g = symbol("h[2]", (3,)), symbol("W", (3, 3)), symbol("h̄[2]", (3,))
    >>> to_text(turned_times(product(diag(subtract(num(1), power(h, num(2))), 3), W), g))
    'Wᵀ ((1 − h₂²) ∘ h̄₂)'
    """
    match j:
        case Tagged(_, arg, _):
            return turned_times(arg, v)
        case Neg(_, arg):
            return neg(turned_times(arg, v))
        case Identity():
            return v
        case Zeros(shape):
            return Zeros((shape[1], 1)) if shape[1] > 1 or v.shape else num(0)
        case Diag(_, arg):
            return hadamard(arg, v)
        case Product(shape, factors) if shape:
            lead = [f for f in factors if not f.shape]
            for f in factors:
                if f.shape:
                    v = turned_times(f, v)
            return product(*lead, v)
        case Add(shape, terms) if shape and all(t.shape == shape for t in terms):
            return add(*[turned_times(t, v) for t in terms])
        case Stack(_, parts):
            found, start = [], 0
            for p in parts:
                if not isinstance(p, Zeros):
                    found.append(turned_times(p, rows(v, start, start + p.shape[0])))
                start += p.shape[0]
            return add(*found)
        case Rows(_, Identity(whole), start, stop):
            return stack(*padding(v, start, whole[0] - stop))
    if j.shape == ():
        return product(j, v)
    if v.shape == ():
        return product(v, transpose(j)) if j.shape[0] == 1 else product(transpose(j), v)
    if j.shape[1] == 1 and v.shape == j.shape and j.shape[0] > 1:  # by a scalar: one number
        return dot(j, v)
    return product(transpose(j), v)


def turned(v: Expr) -> Expr:
    """vᵀ, seen through a tag."""
    return transpose(v)


def outer_of(left: Expr, right: Expr) -> Expr:
    """left rightᵀ, with whatever sign is in front of either in front of all."""
    if isinstance(left, Neg):
        return neg(outer_of(left.arg, right))
    if isinstance(right, Ones | Transpose) or right.shape:
        if isinstance(right, Neg):
            return neg(outer_of(left, right.arg))
        return outer(left, right)
    return product(left, right)
