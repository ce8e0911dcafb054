"""Columns and rows: what the operators of a student's formula mean for vectors, told apart from their transposes.

`a @ b.T` is an outer product, `a.T @ b` a number, and a column beside a row an error that says so. Zero and the
identity have any shape: what is not defined after the last step, and the product of no factors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core import primitives as P
from ...core.graph import Node, constant
from ...errors import BPTTError

__all__ = ["ONE", "ZERO", "Value", "elementwise", "matmul", "solid"]


@dataclass(frozen=True, slots=True)
class Value:
    """A node read as a column (the default), as a row, or as the zero or the identity of any shape (`node` is then
    None).

    Example:
        >>> ZERO.zero, ONE.zero, Value(constant(np.ones(3)), row=True).node.shape
        (True, False, (3,))
    """

    node: Node | None
    row: bool = False
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


def matmul(a: Value, b: Value, juxtaposed: bool) -> Value:
    """`a @ b` with columns and rows told apart.

    Example:
        >>> a, b = Value(constant(np.ones(3))), Value(constant(np.ones(3)), row=True)
        >>> matmul(a, b, False).node.shape, matmul(b, a, False).node.shape
        ((3, 3), ())
    """
    if a.zero or b.zero:
        return ZERO
    if a.one or b.one:
        return b if a.one else a
    assert a.node is not None and b.node is not None
    x, y = a.node, b.node
    ranks = (len(x.shape), len(y.shape))
    if 0 in ranks:
        return Value(x * y, a.row or b.row)
    if ranks == (1, 1):
        if b.row and not a.row:
            return Value(P.outer(x, y))
        if juxtaposed and not a.row:
            raise BPTTError("two columns side by side", "write a * b (elementwise), outer(a, b), or a.T @ b")
        if x.shape != y.shape:
            raise BPTTError(
                f"a column {x.shape} times a column {y.shape}", "the outer product is outer(a, b) or a @ b.T"
            )
        return Value(P.matmul(x, y))
    if ranks == (2, 1) and b.row:
        raise BPTTError(f"a matrix {x.shape} times a row {y.shape}", "transpose the row, or put it first")
    if ranks == (1, 2) and not a.row:
        raise BPTTError(f"a column {x.shape} times a matrix {y.shape}", "write a.T @ M, or M.T @ a")
    return Value(P.matmul(x, y), row=ranks == (1, 2))


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
    if operator in "+-" and (a.one or b.one):  # the identity of an empty product, beside a matrix
        other = y if a.one else x
        if len(other.shape) == 2:
            eye = constant(np.eye(other.shape[0]))
            x, y = (eye, y) if a.one else (x, eye)
    if len(x.shape) == len(y.shape) == 1 and a.row != b.row and operator in "+-*/":
        raise BPTTError("a column beside a row", "transpose one of them; a @ b.T is the outer product")
    if len(x.shape) == len(y.shape) and x.shape != y.shape:
        raise BPTTError(
            f"shapes {x.shape} and {y.shape} do not fit together elementwise", "a matrix product is written with @"
        )
    table: dict[str, Any] = {"+": P.add, "-": P.sub, "*": P.mul, "/": P.div, "^": P.power}
    if operator == "*" and 0 < min(len(x.shape), len(y.shape)) < max(len(x.shape), len(y.shape)):
        raise BPTTError(
            f"shapes {x.shape} and {y.shape} do not fit together elementwise", "a matrix product is written with @"
        )
    return Value(table[operator](x, y), (a.row and bool(x.shape)) or (b.row and bool(y.shape)))
