"""Numbers for formulas, with NumPy and nothing else.

This is the witness for derivations: it knows products, transposes and diag, but no derivative, so a formula that
evaluates to the gradient is right by itself and not because the reverse pass said so.

A formula is evaluated as it is printed: what prints as its argument has the value of its argument, and every value has
the shape that its place wants, so that a number cannot stand for a matrix in a product and pass.

Inside, every value is an array (…, rows, columns), scalars (…, 1, 1); axes in front are a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np

from ..errors import BPTTError, Fault, nearest
from ..formulas.expr import (
    Add,
    Apply,
    Blocks,
    Column,
    Diag,
    Divide,
    Dot,
    Entry,
    Expr,
    Hadamard,
    Identity,
    Literal,
    Neg,
    Num,
    Ones,
    Partial,
    Power,
    Product,
    Rows,
    Stack,
    Symbol,
    Tagged,
    Transpose,
    Unit,
    Zeros,
)
from ..formulas.printers import to_text

__all__ = ["evaluate", "lift", "matrix_value", "unlift"]


def lift(value: Any, dims: tuple[int, ...]) -> Any:
    """An array of a variable of shape `dims` (batch in front) as (…, rows, columns)."""
    value = np.asarray(value)
    return value[..., None, None] if not dims else value[..., None] if len(dims) == 1 else value


def unlift(value: Any, shape: tuple[int, ...]) -> Any:
    """Back to numbers, one-dimensional arrays for columns, matrices for the rest."""
    return value[..., 0, 0] if not shape else value[..., 0] if shape[1] == 1 else value


def evaluate(expr: Expr, values: Mapping[str, Any]) -> Any:
    """The number, vector (1-d) or matrix that `expr` is, given the values of its symbols by name.

    >>> from bpttgraph.formulas.expr import product, diag, symbol
    >>> h = symbol("h", (2,))
    >>> evaluate(product(diag(h, 2), h), {"h": [1.0, 3.0]})
    array([1., 9.])
    """
    return unlift(matrix_value(expr, values), expr.shape)


def matrix_value(expr: Expr, values: Mapping[str, Any]) -> Any:
    """The value as an array (…, rows, columns)."""

    def go(e: Expr) -> Any:
        value = read(e)
        if value.shape[-2:] != (e.shape or (1, 1)):
            raise Fault(
                f"a formula of shape {e.shape} is printed as one of shape {value.shape[-2:]}: {to_text(e)[:60]}",
                "report this",
            )
        return value

    def read(e: Expr) -> Any:
        match e:
            case Symbol(shape, name, dims):
                if name not in values:
                    raise BPTTError(f"no value given for {name}", nearest(name, list(values)))
                value = lift(values[name], dims)
                return np.swapaxes(value, -1, -2) if len(dims) == 1 and shape != (dims[0], 1) else value
            case Num(_, value):
                return np.full((1, 1), float(value))
            case Literal(_, entries):
                return np.array(entries)
            case Add(_, terms):
                return reduce(np.add, map(go, terms))
            case Neg(_, arg):
                return -go(arg)
            case Product(_, factors):
                return reduce(_times, [(f.shape == (), go(f)) for f in factors])[1]
            case Hadamard(_, factors):
                return reduce(np.multiply, map(go, factors))
            case Power(_, base, exponent):
                return go(base) ** (
                    int(exponent.value)
                    if isinstance(exponent, Num) and exponent.value == int(exponent.value)
                    else go(exponent)
                )
            case Divide(_, top, bottom):
                return go(top) / go(bottom)
            case Diag(shape, arg):
                return go(arg) * np.eye(shape[0])
            case Transpose(_, arg):
                return np.swapaxes(go(arg), -1, -2)
            case Identity(shape):
                return np.eye(shape[0])
            case Ones(shape):
                return np.ones(shape)
            case Zeros(shape):
                return np.zeros(shape)
            case Stack(_, parts):
                found = [go(p) for p in parts]
                lead = np.broadcast_shapes(*[f.shape[:-2] for f in found])
                return np.concatenate([np.broadcast_to(f, lead + f.shape[-2:]) for f in found], axis=-2)
            case Rows(_, arg, start, stop):
                return go(arg)[..., start:stop] if arg.shape[0] == 1 != arg.shape[1] else go(arg)[..., start:stop, :]
            case Dot(_, left, right):
                return np.sum(go(left) * go(right), axis=(-2, -1), keepdims=True)
            case Tagged(_, arg, _):
                return go(arg)
            case Unit(_, arg):
                return go(arg)
            case Column(_, arg, index):
                return go(arg) @ go(index)
            case Apply(_, op, (arg,)) if op.notation == "hidden" or op.name == "reshape":
                return go(arg)
            case Apply():
                return _apply(e, [go(a) for a in e.args])
            case Entry(_, arg, indices) if all(isinstance(i, int) for i in indices):
                i, j = (*[int(n) - 1 for n in indices], 0)[:2]
                return go(arg)[..., i : i + 1, j : j + 1]
            case Blocks(_, grid):
                return np.concatenate([np.concatenate([go(x) for x in r], axis=-1) for r in grid], axis=-2)
            case Partial(_, target, source):
                raise BPTTError(f"∂{target}/∂{source} has no closed formula here, so no numbers")
        raise TypeError(f"not an expression: {e!r}")

    return go(expr)


def _times(a: tuple[bool, Any], b: tuple[bool, Any]) -> tuple[bool, Any]:
    if a[0] or b[0]:
        return a[0] and b[0], a[1] * b[1]
    return False, a[1] @ b[1]


def _apply(e: Apply, args: list[Any]) -> Any:
    attrs = dict(e.attrs)
    if e.entrywise:
        return e.op.value(*args, **attrs)
    native = [_native(*triple) for triple in zip(args, e.args, e.arg_dims)]
    result = e.op.value(*native, **attrs)
    if e.shape and min(e.shape) > 1 and all(len(d) < 2 for d in e.arg_dims):  # of the entries of a matrix
        return result.reshape(*result.shape[:-1], *e.shape)
    # a function of the table gives the shape it has in the graph
    if e.shape and e.shape[0] == 1 != e.shape[1] and all(len(d) < 2 for d in e.arg_dims):
        return result[..., None, :]  # a row
    return result[..., None, None] if not e.shape else result[..., None] if e.shape[1] == 1 else result


def _native(value: Any, e: Expr, dims: tuple[int, ...]) -> Any:
    """An argument as the graph has it."""
    if not e.shape and any(n > 1 for n in dims):
        raise Fault(f"a number stands for an array of shape {dims}: {to_text(e)[:60]}", "report this")
    if len(dims) == 1 and e.shape == (1, *dims):
        return value[..., 0, :]  # a row
    if len(dims) == 1 and min(e.shape, default=1) > 1:  # the entries of a matrix as one vector
        return value.reshape(*value.shape[:-2], *dims)
    return value[..., 0, 0] if not dims else value[..., 0] if len(dims) == 1 else value
