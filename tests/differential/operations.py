"""The functions of the language in plain NumPy, real and complex, for the oracle. Shares no code with the package."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_erfc = np.vectorize(math.erfc, otypes=[float])


def _flat(x: Array) -> Array:
    return x.reshape(*x.shape[:2], -1)


def _phi(x: Array) -> Array:
    """The normal distribution function, by erfc, as 1 + erf has no digits left far below zero.

    For an imaginary part so small that the first order is exact.
    """
    slope = np.exp(-(x.real**2) / 2) / math.sqrt(2 * math.pi)
    return 0.5 * _erfc(-x.real / math.sqrt(2)) + (1j * x.imag * slope if np.iscomplexobj(x) else 0)


def _softplus(x: Array) -> Array:
    """log(1 + eˣ), of which a tiny value keeps its digits, real and imaginary part each."""
    value = np.logaddexp(0, x.real)
    if not np.iscomplexobj(x):
        return value
    up = x.real > 0
    return value + 1j * (np.angle(1 + np.exp(np.where(up, -x, x))) + np.where(up, x.imag, 0))


def _log_softmax(x: Array) -> Array:
    x = x - x.real.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def _extreme(sign: int) -> Callable[..., Array]:
    """max (+1) or min (-1): of two arguments entry by entry, or of all entries of one."""

    def find(x: Array, y: Array | None = None) -> Array:
        if y is not None:
            return np.where(sign * (x.real - y.real) >= 0, x, y)
        return np.take_along_axis(_flat(x), np.argmax(sign * _flat(x).real, -1)[..., None], -1)[..., 0]

    return find


def _gap(x: Array, y: Array | None = None) -> Any:
    """How far two arguments are from each other, or the entries of one."""
    return x - y if y is not None else np.diff(np.sort(_flat(x), -1), axis=-1)


def _stack(*parts: Array) -> Array:
    parts = tuple(p[..., None] if p.ndim == 2 else p for p in parts)
    lead = np.broadcast_shapes(*[p.shape[:2] for p in parts])
    return np.concatenate([np.broadcast_to(p, (*lead, p.shape[2])) for p in parts], axis=2)


def _matmul(a: Array, b: Array) -> Array:
    if a.ndim == 2 or b.ndim == 2:  # a number times anything
        return a.reshape(*a.shape, *[1] * (b.ndim - 2)) * b.reshape(*b.shape, *[1] * (a.ndim - 2))
    return (a @ b[..., None])[..., 0] if b.ndim == 3 else a @ b


OPS: dict[str, Callable[..., Array]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
    "matmul": _matmul,
    "T": lambda a: np.swapaxes(a, 2, 3),
    "stack": _stack,
    "concat": _stack,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.where(x.real > 0, x, 0),
    "softplus": _softplus,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * _phi(x),
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "identity": lambda x: x,
    "abs": lambda x: np.where(x.real < 0, -x, x),
    "leaky_relu": lambda x, s=0.01: np.where(x.real > 0, x, s * x),
    "elu": lambda x, a=1.0: np.where(x.real > 0, x, a * (np.exp(np.where(x.real > 0, 0, x)) - 1)),
    "clip": lambda x, low, high: np.where(x.real < low.real, low, np.where(x.real > high.real, high, x)),
    "softmax": lambda x: np.exp(_log_softmax(x)),
    "log_softmax": _log_softmax,
    "max": _extreme(1),
    "min": _extreme(-1),
    "sum": lambda x: _flat(x).sum(-1),
    "mean": lambda x: _flat(x).mean(-1),
    "norm": lambda x: np.sqrt((_flat(x) ** 2).sum(-1)),
    "dot": lambda a, b: (_flat(a) * _flat(b)).sum(-1),
    "squared_error": lambda a, b: 0.5 * ((_flat(a) - _flat(b)) ** 2).sum(-1),
    "cross_entropy": lambda y, d: -np.where(d == 0, 0, d * np.log(np.where(d == 0, 1, y))).sum(-1),
    "outer": lambda a, b: a[..., :, None] * b[..., None, :],
    "diag": lambda a: a[..., :, None] * np.eye(a.shape[-1]),
    # of one's own: what the package knows of them stands in `own`
    "wave": lambda x: x / (1 + x * x / 4),
    "hump": lambda x: np.exp(-x * x),
    "blend": lambda x, y: x * y / (1 + y * y),
}
ENTRYWISE = ("add", "sub", "mul", "div", "pow", "max", "min", "clip", "leaky_relu", "elu", "blend")
# the distance of each argument from a kink
KINKS: dict[str, Callable[..., Any]] = {
    "relu": lambda x: x,
    "abs": lambda x: x,
    "leaky_relu": lambda x, s=0: x,
    "elu": lambda x, a=1: x,
    "max": _gap,
    "min": _gap,
    "clip": lambda x, low, high: np.minimum(abs(x - low), abs(x - high)),
    "norm": lambda x: np.sqrt((_flat(x) ** 2).sum(-1)),
}
