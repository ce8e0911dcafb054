"""New Tensors: filled, like another one, of another type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import arrays as A, primitives as P
from ...errors import BPTTError
from ..dispatch import FUNCTIONS, METHODS
from ..tensor import Tensor, constant
from ..value import raw
from .axes import shape_of
from .shapes import broadcast_to

__all__ = ["astype", "copy", "full_like", "linspace", "type_of", "zeros"]


def zeros(shape: Any, dtype: Any = float) -> Tensor:
    """A Tensor of zeros, to be filled by assignment: `h = bg.zeros((N, T, H)); h[:, t] = …`."""
    try:
        made = np.zeros(shape, type_of(dtype))
    except (TypeError, ValueError):
        raise BPTTError(f"zeros: {shape!r:.60} is no shape", "write bg.zeros((3, 4))") from None
    return constant(made)


def type_of(dtype: Any) -> Any:
    """A type of numbers as NumPy has it."""
    try:
        return np.dtype(dtype)
    except TypeError:
        raise BPTTError(f"dtype={dtype!r:.60} is no type of numbers", "write dtype=float, or np.float32") from None


def _filled(maker: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: _fillable(maker(*[raw(a) for a in args], **{k: raw(v) for k, v in kwargs.items()}))


def _fillable(value: Any) -> Any:
    return constant(value) if np.asarray(value).dtype.kind in "fc" else value


def full_like(x: Any, fill_value: Any, dtype: Any = None, shape: Any = None, **_: Any) -> Any:
    like = np.zeros_like(raw(x), dtype=dtype, shape=shape)
    return (
        broadcast_to(fill_value, like.shape)
        if isinstance(fill_value, Tensor)
        else _fillable(np.full_like(like, fill_value))
    )


def copy(x: Any, **_: Any) -> Any:
    return P.identity(x)


def astype(x: Any, dtype: Any, **_: Any) -> Any:
    """Another floating type, recorded; to integers or booleans there is no derivative, and the result is a plain
    array."""
    kind = type_of(dtype)
    if kind.kind not in "fc":
        return np.asarray(raw(x)).astype(kind)
    origin = np.asarray(raw(x)).dtype
    return x if kind == origin else A.cast(x, dtype=kind, origin=origin)


def linspace(start: Any, stop: Any, num: int = 50) -> Any:
    steps = np.linspace(0.0, 1.0, num).reshape(-1, *[1] * max(len(shape_of(start)), len(shape_of(stop))))
    return start * (1.0 - steps) + stop * steps


FUNCTIONS.update(
    {
        np.zeros: _filled(np.zeros),
        np.ones: _filled(np.ones),
        np.empty: _filled(np.zeros),
        np.eye: _filled(np.eye),
        np.identity: _filled(np.identity),
        np.full: lambda shape, fill_value, **k: full_like(np.zeros(shape), fill_value),
        np.zeros_like: _filled(np.zeros_like),
        np.ones_like: _filled(np.ones_like),
        np.empty_like: _filled(np.zeros_like),
        np.full_like: full_like,
        np.copy: copy,
        np.linspace: linspace,
    }
)

METHODS.update(
    {
        "astype": astype,
        "copy": copy,
        "stop_gradient": A.stop_gradient,
    }
)
