"""The nodes of formulas: immutable, each with a shape. They are made by the functions of `expr.py`.

Shapes are () for a scalar and (rows, columns) for all else. Sums and products are flat: a tree is as deep as one
equation is nested, never as long as time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

from ..core.primitives import Primitive

Shape = tuple[int, ...]
Number = int | float | Fraction


@dataclass(frozen=True, slots=True)
class Expr:
    """A formula. `shape` is () or (rows, columns)."""

    shape: Shape

    def mapped(self, change: Callable[[Any], Any]) -> Any:
        """The same node with `change` applied to every formula directly inside it; all else stays.

        >>> Neg((), Num((), 2)).mapped(lambda x: Symbol((), "a", ()))
        Neg(shape=(), arg=Symbol(shape=(), name='a', dims=()))
        """
        return replace(self, **{f.name: _mapped(getattr(self, f.name), change) for f in fields(self)})


def _mapped(part: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(part, tuple):
        return tuple([_mapped(p, change) for p in part])
    return change(part) if isinstance(part, Expr) else part


@dataclass(frozen=True, slots=True)
class Symbol(Expr):
    """A named variable; `dims` is its shape in the graph: (), (n,) or (m, n)."""

    name: str
    dims: Shape


@dataclass(frozen=True, slots=True)
class Num(Expr):
    """A number that is not negative (a negative one is `Neg`)."""

    value: Number


@dataclass(frozen=True, slots=True)
class Literal(Expr):
    """A constant array, by rows."""

    entries: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Add(Expr):
    terms: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Neg(Expr):
    arg: Expr


@dataclass(frozen=True, slots=True)
class Product(Expr):
    """An ordered matrix product; scalar factors may stand anywhere."""

    factors: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Hadamard(Expr):
    """An elementwise product a ∘ b of equal shapes."""

    factors: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Power(Expr):
    """An elementwise power."""

    base: Expr
    exponent: Expr


@dataclass(frozen=True, slots=True)
class Divide(Expr):
    """An elementwise quotient."""

    top: Expr
    bottom: Expr


@dataclass(frozen=True, slots=True)
class Diag(Expr):
    """The diagonal matrix of a vector."""

    arg: Expr


@dataclass(frozen=True, slots=True)
class Transpose(Expr):
    arg: Expr


@dataclass(frozen=True, slots=True)
class Identity(Expr):
    pass


@dataclass(frozen=True, slots=True)
class Ones(Expr):
    """A column of ones."""


@dataclass(frozen=True, slots=True)
class Zeros(Expr):
    pass


@dataclass(frozen=True, slots=True)
class Apply(Expr):
    """A function of the rule table (or an abstract one, φ, φ') applied to arguments."""

    op: Primitive
    args: tuple[Expr, ...]
    attrs: tuple[tuple[str, Any], ...]
    arg_dims: tuple[Shape, ...]

    @property
    def entrywise(self) -> bool:
        """Whether each entry depends on that entry of the arguments only; argmax compares all of them."""
        return self.op.kind == "elementwise"


@dataclass(frozen=True, slots=True)
class Stack(Expr):
    """Blocks on top of each other, [a; b]."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Rows(Expr):
    """Rows start+1 … stop of a vector or matrix."""

    arg: Expr
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Dot(Expr):
    """aᵀb as a scalar."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Partial(Expr):
    """A derivative by its symbol: ∂h₃/∂h₂; immediate, ∂⁺h₂/∂W (all else the equation reads held fixed); total, dE/dh₂.

    By a matrix it is a rank-3 array; its `shape` then counts the entries of the matrix, row by row, as columns.
    """

    target: str
    source: str
    immediate: bool = False
    total: bool = False


@dataclass(frozen=True, slots=True)
class Tagged(Expr):
    """An expression with the ids of the links it stands for (separated by spaces). Only MathML shows them."""

    arg: Expr
    ids: str


@dataclass(frozen=True, slots=True)
class Entry(Expr):
    """One entry of a vector or matrix, (W)ᵢⱼ. Each index is a number from 1, or a letter such as "i"."""

    arg: Expr
    indices: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Unit(Expr):
    """The unit vector of a class: `arg` is known to be one-hot."""

    arg: Expr


@dataclass(frozen=True, slots=True)
class Column(Expr):
    """The column of a matrix that a one-hot `index` picks: W x where x is the unit vector of a class."""

    arg: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class BigSum(Expr):
    """Σ of `body` for `index` from `lower` to `upper`; empty, and 0, if upper < lower."""

    index: str
    lower: Expr
    upper: Expr
    body: Expr


@dataclass(frozen=True, slots=True)
class BigProduct(Expr):
    """The ordered product of `body`, the largest index on the left: J_t J_{t−1} … J_{k+1}; empty, and I, if upper <
    lower.

    `rising`: the smallest index on the left, for what runs backwards in time.
    """

    index: str
    lower: Expr
    upper: Expr
    body: Expr
    rising: bool = False


@dataclass(frozen=True, slots=True)
class Blocks(Expr):
    """A matrix made of matrices."""

    rows: tuple[tuple[Expr, ...], ...]
