"""Several Tensors as one: nested lists, along an axis, along a new one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from ...core import arrays as A, primitives as P
from ...core.admitting import plain_numbers
from ...errors import BPTTError
from ..dispatch import FUNCTIONS
from ..tensor import Tensor
from .axes import shape_of
from .making import astype, type_of
from .shapes import at_least, expand_dims, ravel

__all__ = ["append", "array", "arrayed", "column_stack", "concatenate", "hstack", "stack", "vstack"]


def array(data: Any, dtype: Any = None, **_: Any) -> Any:
    """Nested lists of numbers and Tensors as one Tensor; without a Tensor in them, a plain array."""
    if isinstance(data, Tensor):
        return data if dtype is None else astype(data, dtype)
    if isinstance(data, list | tuple):
        parts = [array(d) for d in data]
        if any(isinstance(p, Tensor) for p in parts):
            made = stack(parts)
            return made if dtype is None else astype(made, dtype)
    kind = None if dtype is None else type_of(dtype)
    plain_numbers(data, "an argument")
    try:
        return np.array(data, dtype=kind)
    except (TypeError, ValueError):
        raise BPTTError(f"array: {data!r:.60} does not hold numbers", "write bg.array([a, b])") from None


def arrayed(x: Any) -> Any:
    """Lists and tuples, with Tensors in them or not, as one Tensor or array."""
    return array(x) if isinstance(x, list | tuple) else x


def stack(arrays: Any, axis: int = 0) -> Any:
    """Join Tensors of one shape along a new axis."""
    how = "write bg.stack([a, b], axis=0)"
    if not isinstance(arrays, Iterable):
        raise BPTTError(f"stack: {arrays!r:.60} is no list of Tensors", how)
    arrays = list(arrays)
    if not arrays or isinstance(axis, bool) or not isinstance(axis, Integral):
        raise BPTTError(f"stack: {f'axis={axis!r:.60} is no axis' if arrays else 'nothing to join'}", how)
    parts = [arrayed(a) for a in arrays]
    shapes = [shape_of(p) for p in parts]
    if len(set(shapes)) > 1:
        raise BPTTError(
            f"stack: shapes {', '.join(map(str, shapes))} differ",
            "np.concatenate joins along an axis that is already there",
        )
    return concatenate([expand_dims(p, axis) for p in parts], axis)


def concatenate(arrays: Sequence[Any], axis: Any = 0) -> Any:
    parts = [arrayed(a) for a in arrays]
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    ranks = {len(shape_of(p)) for p in parts}
    if ranks == {0}:
        raise BPTTError("concatenate: scalars have no axis to be joined along", "write np.stack([a, b])")
    if len(ranks) > 1:
        raise BPTTError(
            f"concatenate: shapes {', '.join(str(shape_of(p)) for p in parts)} have different numbers of axes",
            "add an axis: x[None]",
        )
    n = ranks.pop()
    if not -n <= axis < n:
        raise BPTTError(
            f"concatenate: axis {axis} does not exist in shape {shape_of(parts[0])}", "np.stack joins along a new axis"
        )
    return P.concat(*parts) if n == 1 else A.join(*parts, axis=axis if axis < 0 else axis - n)


def append(x: Any, values: Any, axis: Any = None) -> Any:
    x, values = arrayed(x), arrayed(values)
    return concatenate([ravel(x), ravel(values)], 0) if axis is None else concatenate([x, values], axis)


def vstack(arrays: Any) -> Any:
    return concatenate([at_least(2)(arrayed(a)) for a in arrays], 0)


def hstack(arrays: Any) -> Any:
    parts = [at_least(1)(arrayed(a)) for a in arrays]
    return concatenate(parts, 0 if len(shape_of(parts[0])) == 1 else 1)


def column_stack(arrays: Any) -> Any:
    return concatenate(
        [a if len(shape_of(a)) > 1 else P.reshape(a, shape=(*shape_of(a), 1)) for a in map(arrayed, arrays)], 1
    )


FUNCTIONS.update(
    {
        np.array: array,
        np.asarray: array,
        np.stack: stack,
        np.concatenate: concatenate,
        np.append: append,
        np.vstack: vstack,
        np.hstack: hstack,
        np.column_stack: column_stack,
    }
)
