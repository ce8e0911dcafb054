"""Sums and their like, and other functions along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import arrays as A, primitives as P
from ...errors import BPTTError
from ..dispatch import FUNCTIONS, METHODS
from .axes import axes_of, is_complex, keep, shape_of, to_last
from .elementwise import absolute, modulus_squared
from .joining import arrayed, concatenate
from .making import astype
from .picking import stretch
from .shapes import ravel, swapaxes

__all__ = [
    "cumsum",
    "diff",
    "gradient",
    "log_softmax",
    "logsumexp",
    "max_",
    "mean",
    "min_",
    "norm",
    "prod",
    "softmax",
    "std",
    "sum_",
    "var",
]


def sum_(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    x = arrayed(x)
    axes = axes_of(x, axis)
    x = x if dtype is None else astype(x, dtype)
    return keep(P.total(x, axes), x, axes, keepdims) if axes else x


def mean(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    x = arrayed(x)
    axes = axes_of(x, axis)
    return sum_(x, axis, dtype, keepdims) / float(_count(x, axes))


def _count(x: Any, axes: tuple[int, ...], less: int = 0) -> int:
    """How many entries are summed over, less the degrees of freedom that are gone."""
    return int(np.prod([shape_of(x)[a] for a in axes])) - less


def var(
    x: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False, correction: Any = None
) -> Any:
    x = arrayed(x)
    axes = axes_of(x, axis)
    count = _count(x, axes, ddof if correction is None else correction)
    total = sum_(modulus_squared(x - mean(x, axis, dtype, True)), axis, None, keepdims)
    if count <= 0:  # NumPy: nan and a warning
        return total * np.nan
    return total / float(count)


def std(
    x: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False, correction: Any = None
) -> Any:
    """The standard deviation; where it is 0 its subgradient 0 is used."""
    x = arrayed(x)
    axes = axes_of(x, axis)
    count = _count(x, axes, ddof if correction is None else correction)
    deviation = x - mean(x, axis, dtype, True)
    length = (
        norm(deviation, axis=axes if axis is not None else None, keepdims=keepdims)
        if shape_of(x)
        else absolute(deviation)
    )
    return length / float(count) ** 0.5 if count > 0 else length * np.nan


def max_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest entry; entries that tie for it share its derivative evenly."""
    x = arrayed(x)
    axes = axes_of(x, axis)
    if not axes:
        return x
    return keep(P.largest(to_last(x, axes)), x, axes, keepdims)


def min_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return -max_(-arrayed(x), axis, keepdims)


def prod(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product, as a tree of products: its derivative is right at zeros too."""
    x = arrayed(x)
    axes = axes_of(x, axis)
    if not axes:
        return x
    y = to_last(x, axes)
    while shape_of(y)[-1] > 1:
        half = shape_of(y)[-1] // 2
        both = y[..., :half] * y[..., half : 2 * half]
        y = both if shape_of(y)[-1] % 2 == 0 else concatenate([both, y[..., -1:]], axis=-1)
    y = y[..., 0] if shape_of(y)[-1] else y.sum(-1) + 1.0
    return keep(y, x, axes, keepdims)


def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    x = arrayed(x)
    if axis is None:
        x, axis = ravel(x), -1
    return A.cumsum(x, axis=axes_of(x, axis)[0], reverse=False)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector norms, and the Frobenius norm. At 0 the subgradient 0 is used."""
    x = arrayed(x)
    axes = axes_of(x, axis)
    if not axes:
        return absolute(x)
    flat = to_last(absolute(x) if is_complex(x) else x, axes)
    if ord in (None, 2, "fro") and (len(axes) == 1 or ord != 2):
        y = P.norm(flat)
    elif len(axes) > 1 and not (axis is None and len(shape_of(x)) == 1):
        raise BPTTError(
            f"np.linalg.norm with ord={ord!r} of a matrix has no rule here",
            "use the Frobenius norm (ord=None), or choose one axis",
        )
    elif ord == 1:
        y = sum_(absolute(flat), -1)
    elif ord in (np.inf, -np.inf):
        y = max_(absolute(flat), -1) if ord > 0 else min_(absolute(flat), -1)
    elif isinstance(ord, int | float):
        y = sum_(absolute(flat) ** ord, -1) ** (1.0 / ord)
    else:
        raise BPTTError(f"np.linalg.norm with ord={ord!r} has no rule here", "use ord=1, 2, np.inf or None")
    return keep(y, x, axes, keepdims)


def _along(function: Any, x: Any, axis: int) -> Any:
    """A function of the last axis, along another one."""
    (a,) = axes_of(x, axis) or (None,)
    return function(x) if a in (None, -1) else swapaxes(function(swapaxes(x, a, -1)), a, -1)


def softmax(x: Any, axis: int = -1) -> Any:
    return _along(P.softmax, x, axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    return _along(P.log_softmax, x, axis)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    axes = axes_of(x, axis)
    return keep(P.logsumexp(to_last(x, axes)), x, axes, keepdims) if axes else x


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    (a,) = axes_of(x, axis)
    for _ in range(n):
        x = stretch(x, a, 1, None) - stretch(x, a, None, -1)
    return x


def gradient(x: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    if edge_order != 1 or any(np.ndim(s) for s in spacing):
        raise BPTTError("np.gradient is supported with even spacing and edge_order=1 only", "use np.diff")
    axes = [
        a - len(shape_of(x)) if a >= 0 else a
        for a in (range(len(shape_of(x))) if axis is None else (axis,) if isinstance(axis, int) else axis)
    ]
    steps = list(spacing) * (len(axes) if len(spacing) == 1 else 1) or [1.0] * len(axes)
    found = []
    for a, h in zip(axes, steps):
        first = (stretch(x, a, 1, 2) - stretch(x, a, 0, 1)) / h
        inside = (stretch(x, a, 2, None) - stretch(x, a, None, -2)) / (2.0 * h)
        final = (stretch(x, a, -1, None) - stretch(x, a, -2, -1)) / h
        found.append(concatenate([first, inside, final], a))
    return found[0] if len(found) == 1 else found


def _first(function: Callable[..., Any]) -> Callable[..., Any]:
    """As a reduction of a universal function: along the first axis, unless another one is named."""
    return lambda x, axis=0, **options: function(x, axis=axis, **options)


FUNCTIONS.update(
    {
        np.sum: sum_,
        np.mean: mean,
        np.average: mean,
        np.var: var,
        np.std: std,
        np.max: max_,
        np.min: min_,
        np.amax: max_,
        np.amin: min_,
        np.prod: prod,
        np.cumsum: cumsum,
        np.linalg.norm: norm,
        np.diff: diff,
        np.gradient: gradient,
        np.add.reduce: _first(sum_),
        np.multiply.reduce: _first(prod),
        np.maximum.reduce: _first(max_),
        np.minimum.reduce: _first(min_),
    }
)

METHODS.update(
    {
        "sum": sum_,
        "mean": mean,
        "var": var,
        "std": std,
        "max": max_,
        "min": min_,
        "prod": prod,
        "cumsum": cumsum,
        "norm": norm,
        "softmax": softmax,
        "log_softmax": log_softmax,
        "logsumexp": logsumexp,
    }
)
