"""How wide a formula is, roughly, in letters: where lines must break is decided before anything is printed."""

from __future__ import annotations

from fractions import Fraction

from ..core.names import to_unicode
from .expr import (
    Add,
    Apply,
    BigProduct,
    BigSum,
    Blocks,
    Column,
    Diag,
    Divide,
    Dot,
    Entry,
    Expr,
    Hadamard,
    Literal,
    Neg,
    Num,
    Partial,
    Power,
    Product,
    Rows,
    Stack,
    Symbol,
    Tagged,
    Transpose,
    Unit,
)  # fmt: skip

__all__ = ["plain_number", "width"]


def plain_number(value: int | float | Fraction) -> str:
    """A number as a person writes it: 2, 0.5, 1/3."""
    if isinstance(value, Fraction):
        return str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
    return f"{value}" if isinstance(value, int) else f"{value:.12g}"


def width(e: Expr) -> int:
    """How wide a formula is, roughly, in letters."""
    match e:
        case Symbol(_, name):
            text = to_unicode(name)
            return max(1, len(text.replace("[", "").replace("]", "").replace("_", "")))
        case Tagged(_, arg, _) | Neg(_, arg):
            return width(arg)
        case Partial():
            return max(width(Symbol((), e.target, ())), width(Symbol((), e.source, ()))) + 1
        case Divide(_, top, bottom):
            return max(width(top), width(bottom)) + 1
        case Transpose(_, arg):
            return width(arg) + (3 if isinstance(arg, Product) else 1)
        case Stack(_, parts):
            return 2 + max(width(p) for p in parts)
        case Diag(_, arg) | Rows(_, arg):
            return width(arg) + 6
        case Power(_, base, exponent):
            return width(base) + width(exponent)
        case Apply(_, op, args):
            return len(op.symbol or op.name) + 2 + sum(width(a) for a in args)
        case Product(_, parts) | Hadamard(_, parts):
            # a sum among factors stands in brackets
            return sum(width(p) + (2 if isinstance(p, Add) else 1) for p in parts)
        case Add(_, parts):
            return sum(width(p) + 2 for p in parts)
        case Dot(_, left, right):
            return width(left) + width(right) + 2
        case Literal(_, entries):
            return 2 + max(sum(len(plain_number(x)) + 1 for x in row) for row in entries)
        case Unit(_, arg):
            return width(arg) + 1
        case Column(_, arg, index):
            return width(arg) + width(index) + 4
        case Num(_, value):
            return len(plain_number(value))
        case Entry(_, arg, indices):
            return width(arg) + len(indices) + 1
        case BigSum(_, _, _, _, body) | BigProduct(_, _, _, _, body):
            return width(body) + 3
        case Blocks(_, grid):
            return 2 + max(sum(width(x) + 2 for x in row) for row in grid)
    return 1
