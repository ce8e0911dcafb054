"""How values are computed into memory that is there already: NumPy calls with `out`, one list of `(function,
arguments)`.

Only the *values* of primitives stand here, no derivative. What is not in this list is computed by the primitive itself
and copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .values import Value

__all__ = ["Instruction", "emit"]

Array = np.ndarray[Any, Any]
Instruction = tuple[Callable[..., Any], tuple[Any, ...]]
Scratch = Callable[[int, tuple[int, ...]], Array]


def emit(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction]:
    """The calls that compute `value` from the arrays `ins` into `out`; `scratch(i, shape)` lends an array."""
    special = _SPECIAL.get(value.op)
    if special is not None:
        found = special(value, ins, out, scratch)
        if found is not None:
            return found
    op = value.primitive
    assert op is not None, value
    if op.ufunc is not None and op.kink is None:  # maximum and minimum take `out` by name alone
        return [(op.ufunc, (*ins, out))]
    return [(_store, (out, op.value, tuple(ins), value.attrs))]


def _store(out: Array, function: Callable[..., Any], ins: Sequence[Any], attrs: dict[str, Any]) -> None:
    out[...] = function(*ins, **attrs)


def _negative(x: Any, out: Array) -> Instruction:
    """−x. Not `np.negative`: of a column that lies in rows of 64 bytes NumPy 2.4.6 negates other numbers, wherever the
    result has gaps as well."""
    return np.multiply, (x, -1.0, out)


def _sum(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction]:
    signs, number = value.attrs["signs"], value.attrs["number"]
    calls: list[Instruction] = []
    at: Any = ins[0]
    if signs[0] < 0:  # then all are: number − a − b
        calls.append((np.subtract, (number, at, out)))
        at, number = out, 0.0
    for sign, term in zip(signs[1:], ins[1:]):
        calls.append((np.add if sign > 0 else np.subtract, (at, term, out)))
        at = out
    if number:
        calls.append((np.add, (at, number, out)))
    return calls


def _product(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction]:
    factor = value.attrs["factor"]
    calls: list[Instruction] = []
    at: Any = ins[0]
    for term in ins[1:]:
        calls.append((np.multiply, (at, term, out)))
        at = out
    if factor == -1.0:
        calls.append(_negative(at, out))
    elif factor != 1.0:
        calls.append((np.multiply, (at, factor, out)))
    return calls


def _product_of(a: Array, b: Array, out: Array) -> list[Instruction]:
    """A matrix product; `dot` is the quicker call, but wants memory without gaps."""
    if not out.flags.c_contiguous and out.T.flags.c_contiguous:
        return [(np.dot, (b.T, a.T, out.T))]
    return [(np.dot if out.flags.c_contiguous else np.matmul, (a, b, out))]


def _matvec(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction] | None:
    a, x = ins
    if value.args[0].rows is not None:
        return None
    return _product_of(a, x, out) if x.ndim == 1 else _product_of(x, a.T, out)


def _vecmat(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction] | None:
    x, a = ins
    return _product_of(x, a, out) if value.args[1].rows is None else None


def _batch_outer(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction] | None:
    a, b = ins
    if any(arg.rows is None for arg in value.args):
        return None
    return _product_of(a.T, b, out)


def _batch_sum(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction]:
    return [(np.add.reduce, (ins[0], 0, None, out))]


def _sigmoid(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction]:
    return [_negative(ins[0], out), (np.exp, (out, out)), (np.add, (out, 1.0, out)), (np.reciprocal, (out, out))]


def _softmax(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction] | None:
    if not value.shape:
        return None
    one = scratch(0, (*out.shape[:-1], 1))
    return [
        (np.maximum.reduce, (ins[0], -1, None, one, True)),
        (np.subtract, (ins[0], one, out)),
        (np.exp, (out, out)),
        (np.add.reduce, (out, -1, None, one, True)),
        (np.divide, (out, one, out)),
    ]


def _dot(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction] | None:
    if not out.ndim:
        return None
    both = scratch(0, np.broadcast_shapes(ins[0].shape, ins[1].shape))
    return [(np.multiply, (*ins, both)), (np.add.reduce, (both, -1, None, out))]


def _cross_entropy(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction] | None:
    if not out.ndim:
        return None
    y, target = ins
    log = scratch(0, np.broadcast_shapes(y.shape, target.shape))
    return [
        (np.equal, (target, 0.0, log)),
        (np.add, (y, log, log)),  # where the target is 0 the logarithm does not count, even of 0
        (np.log, (log, log)),
        (np.multiply, (target, log, log)),
        (np.add.reduce, (log, -1, None, out)),
        _negative(out, out),
    ]


def _copy(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction]:
    return [(np.copyto, (out, ins[0]))]


# -- class numbers (see `lookups`) -------------------------------------------------------------------------------------


def _one_hot(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction]:
    return [(out.fill, (0.0,)), (_put, (out, np.arange(len(out)), ins[0], 1.0))]


def _put(out: Array, rows: Array, classes: Array, number: float) -> None:
    out[rows, classes] = number


def _columns(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction]:
    table = ins[0] if value.attrs["table"] else ins[0].T
    return [(table.take, (ins[1], 0, out, "clip"))]  # "clip": the numbers were checked, and NumPy need not look again


def _cross_entropy_at(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction]:
    y, classes = ins
    return [(_take, (y, np.arange(len(y)), classes, out)), (np.log, (out, out)), _negative(out, out)]


def _take(source: Array, rows: Array, classes: Array, out: Array) -> None:
    out[...] = source[rows, classes]


def _add_at(value: Value, ins: Sequence[Any], out: Array, scratch: Scratch) -> list[Instruction]:
    return [(np.copyto, (out, ins[0])), (_increase, (out, np.arange(len(out)), ins[1], value.attrs["amount"]))]


def _increase(out: Array, rows: Array, classes: Array, amount: float) -> None:
    out[rows, classes] += amount


_SPECIAL: dict[str, Callable[..., list[Instruction] | None]] = {
    "Σ": _sum,
    "Π": _product,
    "matvec": _matvec,
    "vecmat": _vecmat,
    "batch_outer": _batch_outer,
    "batch_sum": _batch_sum,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "dot": _dot,
    "cross_entropy": _cross_entropy,
    "copy": _copy,
    "neg": lambda v, ins, out, s: [_negative(ins[0], out)],
    "one_hot": _one_hot,
    "columns": _columns,
    "cross_entropy_at": _cross_entropy_at,
    "add_at": _add_at,
    "table": lambda v, ins, out, s: [(np.copyto, (out, ins[0].T))],
    "relu": lambda v, ins, out, s: [(partial(np.maximum, out=out), (ins[0], 0.0))],
    "step": lambda v, ins, out, s: [(np.greater, (ins[0], 0.0, out))],
}
