"""Products of vectors, matrices and stacks of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import arrays as A, primitives as P
from ...errors import BPTTError
from ..dispatch import FUNCTIONS, METHODS
from ..tensor import Tensor, lift
from .axes import shape_of
from .joining import arrayed
from .picking import diagonal
from .reductions import sum_
from .shapes import ravel

__all__ = ["dot", "einsum", "inner", "kron", "matmul", "outer", "tensordot", "trace"]


def matmul(a: Any, b: Any) -> Any:
    """`a @ b` as NumPy's: vectors, matrices and stacks of matrices."""
    if not (isinstance(a, Tensor) or isinstance(b, Tensor)):
        return P.matmul(a, b)
    a, b = lift(a), lift(b)
    n, m = len(a.shape), len(b.shape)
    op = P.PRODUCTS.get((n, m))
    if op is not None:
        return a.record(op, (a, b), {})
    if not n or not m:
        raise BPTTError(
            f"matrix product (@): shapes {a.shape} and {b.shape}: a scalar has no axis to sum over", "write a * b"
        )
    if m == 1:
        return A.einsum(a, b, spec=A.explicit_spec("...i,i", [a.shape, b.shape]))
    if n == 1:
        return A.einsum(a, b, spec=A.explicit_spec("i,...ij", [a.shape, b.shape]))
    return P.matmat(a, b)


def dot(a: Any, b: Any) -> Any:
    a, b = arrayed(a), arrayed(b)
    n, m = len(shape_of(a)), len(shape_of(b))
    if not n or not m:
        return a * b
    return P.matmul(a, b) if n <= 2 and m <= 2 else tensordot(a, b, ((n - 1,), (max(0, m - 2),)))


def inner(a: Any, b: Any) -> Any:
    n, m = len(shape_of(a)), len(shape_of(b))
    return a * b if not n or not m else tensordot(a, b, ((n - 1,), (m - 1,)))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    n, m = len(shape_of(a)), len(shape_of(b))
    if isinstance(axes, int):
        axes = (tuple(range(n - axes, n)), tuple(range(axes)))
    left, right = ((x,) if isinstance(x, int) else tuple(x) for x in axes)
    letters = "abcdefghijklmnopqrstuvwxyz"
    first = list(letters[:n])
    second = list(letters[n : n + m])
    for i, j in zip(left, right):
        second[j] = first[i]
    result = [c for c in first if c not in second] + [c for c in second if c not in first]
    return A.einsum(a, b, spec=f"{''.join(first)},{''.join(second)}->{''.join(result)}")


def outer(a: Any, b: Any) -> Any:
    return P.outer(ravel(arrayed(a)), ravel(arrayed(b)))


def kron(a: Any, b: Any) -> Any:
    n = max(len(shape_of(a)), len(shape_of(b)))
    sa, sb = (1,) * (n - len(shape_of(a))) + shape_of(a), (1,) * (n - len(shape_of(b))) + shape_of(b)
    left = P.reshape(a, shape=tuple(k for s in sa for k in (s, 1)))
    right = P.reshape(b, shape=tuple(k for s in sb for k in (1, s)))
    return P.reshape(left * right, shape=tuple(s * t for s, t in zip(sa, sb)))


def einsum(*operands: Any, **options: Any) -> Any:
    """`np.einsum` with a specification in letters."""
    options.pop("optimize", None)
    if options or not isinstance(operands[0], str):
        raise BPTTError(
            "np.einsum is supported with a specification in letters only", 'write np.einsum("ij,jk->ik", a, b)'
        )
    spec, *args = operands
    return A.einsum(*args, spec=A.explicit_spec(spec, [shape_of(a) for a in args]))


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return sum_(diagonal(x, offset, axis1, axis2), -1)


FUNCTIONS.update(
    {
        np.matmul: matmul,
        np.dot: dot,
        np.vdot: lambda a, b: dot(ravel(A.conj(a)), ravel(b)),
        np.inner: inner,
        np.tensordot: tensordot,
        np.outer: outer,
        np.kron: kron,
        np.einsum: einsum,
        np.trace: trace,
        np.multiply.outer: lambda a, b: tensordot(a, b, 0),
    }
)

METHODS.update(
    {
        "dot": dot,
        "trace": trace,
    }
)
