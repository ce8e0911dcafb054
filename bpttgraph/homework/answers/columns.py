"""Columns and rows: what the operators of a student's formula mean for vectors, told apart from their transposes.

Of columns `a @ b.T` is an outer product and `a.T @ b` a number, of rows the other way round; a column added to a row is
an error that says so. Zero and the
identity have any shape: what is not defined after the last step, and the product of no factors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ...core import primitives as P
from ...core.graph import Node, constant
from ...equations.products import Factor, arrange
from ...errors import BPTTError

__all__ = ["ONE", "ZERO", "Value", "elementwise", "product", "solid"]


@dataclass(frozen=True, slots=True)
class Value:
    """A node read as a column (the default) or as a row, or as the zero or the identity of any shape (`node` is then
    None).

    The derivative of a vector by a matrix is a matrix as well, with a column for each of its entries, or, if it is
    called a row, a row for each; `by` is then the shape of the matrix below.

    Example:
        >>> ZERO.zero, ONE.zero, Value(constant(np.ones(3)), row=True).node.shape
        (True, False, (3,))
    """

    node: Node | None
    row: bool = False
    by: tuple[int, ...] | None = None
    one: bool = False

    @property
    def zero(self) -> bool:
        return self.node is None and not self.one


ZERO, ONE = Value(None), Value(None, one=True)


def solid(value: Value) -> Node:
    """The node of a value; for zero and the identity, a number.

    Example:
        >>> solid(ONE).shape
        ()
    """
    return value.node if value.node is not None else constant(1.0 if value.one else 0.0)


def product(parts: list[Value], explicit: list[bool], rows: bool, say: Callable[[str], None]) -> Value:
    """What stands side by side, as in a recurrence (`equations.products`).

    Args:
        explicit: for each gap, whether `@` stands in it. rows: whether plain vectors are rows. say: gets a word for a
            product that had to be guessed: "beside" (two vectors, entry by entry), "turned" (a column left of a
            matrix, or a row right of one).

    Raises:
        BPTTError: shapes that do not fit. Undecided: two readings.

    Example:
        >>> a, b = Value(constant(np.ones(3))), Value(constant(np.ones(3)), row=True)
        >>> product([a, b], [True], False, print).node.shape, product([b, a], [True], False, print).node.shape
        ((3, 3), ())
    """
    if any(p.zero for p in parts):
        return ZERO
    kept = [i for i, p in enumerate(parts) if p.node is not None]
    if len(kept) < 2:
        return parts[kept[0]] if kept else ONE
    gaps = [any(explicit[a:b]) for a, b in pairwise(kept)]
    chain = [Factor(len(solid(parts[i]).shape), parts[i].row, parts[i]) for i in kept]
    if any(f.rank > 2 for f in chain):
        raise BPTTError("a product with a tensor of three axes", "write a line for each of its parts")

    def make(kind: str, a: Value, b: Value) -> Value:
        return _one_product(kind, a, b, say, any(gaps))

    return arrange(chain, gaps, rows, make).payload


def _one_product(kind: str, a: Value, b: Value, say: Callable[[str], None], explicit: bool) -> Value:
    x, y = solid(a), solid(b)
    if kind == "scale":
        return Value(x * y, (a if x.shape else b).row, a.by or b.by)
    if a.by or b.by:
        return _contracted(kind, a, b)
    if kind == "outer":
        return Value(P.outer(x, y))
    if kind in ("beside", "dot") and x.shape != y.shape:
        which = "row" if a.row and b.row else "column"
        raise BPTTError(
            f"a {which} {x.shape} times a {which} {y.shape}",
            "the outer product is outer(a, b), or a @ b.T of columns, a.T @ b of rows",
        )
    if kind == "beside":
        say("beside")
        return Value(x * y, a.row)
    if kind == "@" and not explicit and ((len(x.shape) == 1 and not a.row) or (len(y.shape) == 1 and b.row)):
        say("turned")
    vector = a if len(x.shape) == 1 else b
    return Value(P.matmul(x, y), row=vector.row and len(x.shape) != len(y.shape))


def _contracted(kind: str, a: Value, b: Value) -> Value:
    """The product with the derivative of a vector by a matrix: a row before it gives a matrix of that shape, and so
    does, in the other layout, a column behind it."""
    x, y = solid(a), solid(b)
    last = b if b.by and not b.row and not a.by else a if a.by and a.row and not b.by else None
    if kind != "@" or last is None or last.by is None or x.shape[-1] != y.shape[0]:
        raise BPTTError(
            "the derivative of a vector by a matrix is multiplied here by what it cannot be contracted with",
            "put it last, behind the row dE[t]/dh[t] or the Jacobian dh[t]/dh[k]; in denominator layout first",
        )
    made = P.matmul(x, y)
    if len(made.shape) == 1:
        return Value(P.reshape(made, shape=last.by))
    return Value(made, last.row, last.by)


def elementwise(operator: str, a: Value, b: Value) -> Value:
    """`a + b`, `a - b`, `a * b`, `a / b` or `a ^ b`, entry by entry.

    Example:
        >>> a = Value(constant(np.ones(3)))
        >>> elementwise("+", ZERO, a) is a, elementwise("*", ZERO, a).zero
        (True, True)
    """
    if operator == "+" and (a.zero or b.zero):
        return b if a.zero else a
    if operator == "-" and b.zero:
        return a
    if operator == "*" and (a.zero or b.zero):
        return ZERO
    if operator == "*" and (a.one or b.one):
        return b if a.one else a
    if operator == "/" and a.zero:
        return ZERO
    x, y = solid(a), solid(b)
    if a.by or b.by:
        alike = operator in "+-" and (a.by, a.row) == (b.by, b.row)
        if not alike and not (operator in "*/" and not (y if a.by else x).shape and (a.by or operator == "*")):
            raise BPTTError(
                "the derivative of a vector by a matrix has three axes",
                "add it to another one, or contract it with the row before it",
            )
    if operator in "+-" and (a.one or b.one):  # the identity of an empty product, beside a matrix
        other = y if a.one else x
        if len(other.shape) == 2:
            eye = constant(np.eye(other.shape[0]))
            x, y = (eye, y) if a.one else (x, eye)
    if len(x.shape) == len(y.shape) == 1 and a.row != b.row and operator in "+-*/":
        raise BPTTError("a column beside a row", "transpose one of them; the outer product is outer(a, b)")
    if len(x.shape) == len(y.shape) and x.shape != y.shape:
        raise BPTTError(
            f"shapes {x.shape} and {y.shape} do not fit together elementwise", "a matrix product is written with @"
        )
    table: dict[str, Any] = {"+": P.add, "-": P.sub, "*": P.mul, "/": P.div, "^": P.power}
    if operator == "*" and 0 < min(len(x.shape), len(y.shape)) < max(len(x.shape), len(y.shape)):
        raise BPTTError(
            f"shapes {x.shape} and {y.shape} do not fit together elementwise",
            "a matrix product is written with @; what is multiplied first stands in brackets: (a * b) c.T",
        )
    return Value(table[operator](x, y), (a.row and bool(x.shape)) or (b.row and bool(y.shape)), a.by or b.by)
