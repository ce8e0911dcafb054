"""Entries picked out by their places, and put into other places: what is an index, written as a function."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import arrays as A, primitives as P
from ...errors import BPTTError
from ..dispatch import FUNCTIONS, METHODS
from ..indexing import indices
from ..value import raw
from .axes import axes_of, shape_of
from .shapes import moveaxis, ravel, swapaxes

__all__ = [
    "array_split",
    "diag",
    "diagonal",
    "flip",
    "pad",
    "pick",
    "repeat",
    "roll",
    "rot90",
    "sort",
    "split",
    "stretch",
    "take",
    "take_along_axis",
    "tril",
    "triu",
]


def pick(x: Any, key: Any) -> Any:
    return A.getitem(x, key=indices(key))


def stretch(x: Any, axis: int, start: Any, stop: Any, step: Any = None) -> Any:
    return pick(x, (..., slice(start, stop, step), *[slice(None)] * (-axis - 1)))


def take(x: Any, indices: Any, axis: Any = None) -> Any:
    if axis is None:
        x, axis = ravel(x), 0
    (a,) = axes_of(x, axis)
    return pick(x, (..., np.asarray(indices), *[slice(None)] * (-a - 1)))


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    (a,) = axes_of(x, axis)
    grid: list[Any] = list(np.indices(np.shape(indices), sparse=True))
    grid[a] = np.asarray(raw(indices))
    return pick(x, tuple(grid))


def sort(x: Any, axis: Any = -1) -> Any:
    if axis is None:
        x, axis = ravel(x), -1
    return take_along_axis(x, np.argsort(raw(x), axis=axis, kind="stable"), axis)


def flip(x: Any, axis: Any = None) -> Any:
    axes = axes_of(x, axis)
    return pick(x, tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(-len(shape_of(x)), 0)))


def roll(x: Any, shift: int, axis: Any = None) -> Any:
    if axis is None:
        return P.reshape(roll(ravel(x), shift, 0), shape=shape_of(x))
    n = shape_of(x)[axis]
    return take(x, (np.arange(n) - shift) % n, axis)


def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    for _ in range(k % 4):
        x = flip(swapaxes(x, *axes), axes[0])
    return x


def repeat(x: Any, repeats: Any, axis: Any = None) -> Any:
    if axis is None:
        x, axis = ravel(x), 0
    return take(x, np.repeat(np.arange(shape_of(x)[axis]), repeats), axis)


def split(x: Any, sections: Any, axis: int = 0) -> list[Any]:
    (a,) = axes_of(x, axis)
    n = shape_of(x)[a]
    if isinstance(sections, int):
        if n % sections:
            raise BPTTError(
                f"split: axis {axis} of shape {shape_of(x)} does not divide into {sections} equal parts",
                "use np.array_split, or give the borders",
            )
        borders = [n // sections * i for i in range(1, sections)]
    else:
        borders = list(sections)
    return [stretch(x, a, s, e) for s, e in zip([0, *borders], [*borders, n])]


def array_split(x: Any, sections: Any, axis: int = 0) -> list[Any]:
    if isinstance(sections, int):
        n, extra = divmod(shape_of(x)[axis], sections)
        sections = list(np.cumsum([n + 1] * extra + [n] * (sections - extra))[:-1])
    return split(x, [int(s) for s in sections], axis)


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = shape_of(x)[-2:]
    i = np.arange(max(0, min(rows + min(offset, 0), columns - max(offset, 0))))
    return pick(x, (..., i - min(offset, 0), i + max(offset, 0)))


def diag(x: Any, k: int = 0) -> Any:
    if len(shape_of(x)) == 1:
        if k == 0:
            return P.diag(x)
        i, n = np.arange(shape_of(x)[0]), shape_of(x)[0] + abs(k)
        return A.scatter(x, key=(i - min(k, 0), i + max(k, 0)), shape=(n, n))
    return diagonal(x, k)


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant" or np.any(np.asarray(constant_values) != 0):
        raise BPTTError(f"np.pad with mode={mode!r} has no rule here", "pad with zeros, or use np.concatenate")
    widths = np.broadcast_to(np.asarray(pad_width), (len(shape_of(x)), 2))
    key = tuple(slice(int(b), int(b) + n) for (b, _), n in zip(widths, shape_of(x)))
    return A.scatter(x, key=key, shape=tuple(int(n + b + e) for (b, e), n in zip(widths, shape_of(x))))


def triu(x: Any, k: int = 0) -> Any:
    return x * np.triu(np.ones(shape_of(x)[-2:]), k)


def tril(x: Any, k: int = 0) -> Any:
    return x * np.tril(np.ones(shape_of(x)[-2:]), k)


FUNCTIONS.update(
    {
        np.take: take,
        np.take_along_axis: take_along_axis,
        np.sort: sort,
        np.flip: flip,
        np.flipud: lambda x: flip(x, 0),
        np.fliplr: lambda x: flip(x, 1),
        np.roll: roll,
        np.rot90: rot90,
        np.repeat: repeat,
        np.split: split,
        np.array_split: array_split,
        np.hsplit: lambda x, s: split(x, s, 1 if len(shape_of(x)) > 1 else 0),
        np.vsplit: lambda x, s: split(x, s, 0),
        np.diagonal: diagonal,
        np.diag: diag,
        np.pad: pad,
        np.triu: triu,
        np.tril: tril,
    }
)

METHODS.update(
    {
        "take": take,
        "repeat": repeat,
        "diagonal": diagonal,
    }
)
