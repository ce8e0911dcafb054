"""Shapes and axes, as all families of functions read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import arrays as A, primitives as P
from ...errors import BPTTError
from ..value import raw

__all__ = ["axes_of", "is_complex", "keep", "shape_of", "to_last"]

Shape = tuple[int, ...]


def shape_of(x: Any) -> Shape:
    return x.shape if hasattr(x, "shape") else np.shape(x)


def axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    """Axes as negative numbers, sorted."""
    n = len(shape_of(x))
    if axis is None:
        return tuple(range(-n, 0))
    chosen = axis if isinstance(axis, tuple | list) else (axis,)
    out = []
    for a in chosen:
        a = int(a)
        if not -n <= a < n:
            raise BPTTError(
                f"axis {a} does not exist in shape {shape_of(x)}",
                f"axes are 0 to {n - 1}, or -1 for the last" if n else "a scalar has no axes",
            )
        out.append(a if a < 0 else a - n)
    if len(set(out)) < len(out):
        raise BPTTError(f"axis {axis} names one axis twice", "name each axis once")
    return tuple(sorted(out))


def keep(y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return P.reshape(y, shape=P.kept(shape_of(x), axes)) if keepdims else y


def to_last(x: Any, axes: tuple[int, ...]) -> Any:
    """The chosen axes, flattened, as the last one."""
    n = len(shape_of(x))
    kept = tuple(i for i in range(-n, 0) if i not in axes)
    if kept + axes != tuple(range(-n, 0)):
        x = A.permute(x, order=kept + axes)
    if len(axes) != 1:
        x = P.reshape(x, shape=(*shape_of(x)[: len(kept)], int(np.prod(shape_of(x)[len(kept) :]))))
    return x


def is_complex(x: Any) -> bool:
    return bool(np.iscomplexobj(raw(x)))
