"""The same entries in another shape, or with their axes in another order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import arrays as A, primitives as P
from ...errors import BPTTError
from ..dispatch import FUNCTIONS, METHODS
from ..tensor import lift
from .axes import axes_of, shape_of

__all__ = [
    "at_least",
    "broadcast_to",
    "expand_dims",
    "moveaxis",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "tile",
    "transpose",
]


def reshape(x: Any, *shape: Any, newshape: Any = None, order: str = "C", **more: Any) -> Any:
    if newshape is not None or "shape" in more:
        shape = (more.get("shape", newshape),)
    wanted = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    if order != "C":
        raise BPTTError("reshape works in C order only", "transpose first: x.T.reshape(...)")
    wanted, size = tuple(int(n) for n in wanted), int(np.prod(shape_of(x)))
    if wanted.count(-1) == 1:
        rest = -int(np.prod(wanted))
        if rest and size % rest == 0:
            wanted = tuple(size // rest if n == -1 else n for n in wanted)
    if int(np.prod(wanted)) != size or -1 in wanted:
        raise BPTTError(
            f"reshape: shape {shape_of(x)} has {size} entries, which do not fill {wanted}",
            "use -1 for one axis to have it computed",
        )
    return P.reshape(x, shape=wanted)


def ravel(x: Any, order: str = "C") -> Any:
    return P.reshape(x, shape=(int(np.prod(shape_of(x))),))


def transpose(x: Any, *axes: Any) -> Any:
    chosen = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list)) else axes or None
    n = len(shape_of(x))
    if chosen is None:
        return x.T
    order = tuple(a if a < 0 else a - n for a in chosen)
    if sorted(order) != list(range(-n, 0)):
        raise BPTTError(
            f"transpose: axes {tuple(chosen)} are not an order of the {n} axes of shape {shape_of(x)}",
            f"name each of 0 to {n - 1} once",
        )
    return (
        P.transpose(x)
        if n == 2 and order == (-1, -2)
        else x
        if order == tuple(range(-n, 0))
        else A.permute(x, order=order)
    )


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    order = list(range(-len(shape_of(x)), 0))
    (a,), (b,) = axes_of(x, axis1), axes_of(x, axis2)
    order[a], order[b] = order[b], order[a]
    return transpose(x, tuple(order))


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    n = len(shape_of(x))
    start, end = ([int(a) % n for a in (v if isinstance(v, tuple | list) else (v,))] for v in (source, destination))
    order = [i for i in range(n) if i not in start]
    for d, s in sorted(zip(end, start)):
        order.insert(d, s)
    return transpose(x, tuple(order))


def squeeze(x: Any, axis: Any = None) -> Any:
    n = len(shape_of(x))
    gone = {i - n for i, s in enumerate(shape_of(x)) if s == 1} if axis is None else set(axes_of(x, axis))
    return reshape(x, tuple(s for i, s in enumerate(shape_of(x)) if i - n not in gone))


def expand_dims(x: Any, axis: Any) -> Any:
    return P.reshape(x, shape=np.expand_dims(np.broadcast_to(0, shape_of(x)), axis).shape)


def broadcast_to(x: Any, shape: Any) -> Any:
    return P.expand(lift(x), shape=(shape,) if isinstance(shape, int) else tuple(shape))


def at_least(n: int) -> Callable[[Any], Any]:
    return lambda x: x if len(shape_of(x)) >= n else P.reshape(x, shape=(1,) * (n - len(shape_of(x))) + shape_of(x))


def tile(x: Any, reps: Any) -> Any:
    reps = (reps,) if isinstance(reps, int) else tuple(reps)
    n = max(len(reps), len(shape_of(x)))
    reps, shape = (1,) * (n - len(reps)) + reps, (1,) * (n - len(shape_of(x))) + shape_of(x)
    spread = P.reshape(x, shape=tuple(k for s in shape for k in (1, s)))
    spread = P.expand(spread, shape=tuple(k for r, s in zip(reps, shape) for k in (r, s)))
    return P.reshape(spread, shape=tuple(r * s for r, s in zip(reps, shape)))


FUNCTIONS.update(
    {
        np.reshape: reshape,
        np.ravel: ravel,
        np.transpose: transpose,
        np.swapaxes: swapaxes,
        np.moveaxis: moveaxis,
        np.squeeze: squeeze,
        np.expand_dims: expand_dims,
        np.broadcast_to: broadcast_to,
        np.atleast_1d: at_least(1),
        np.atleast_2d: at_least(2),
        np.tile: tile,
    }
)

METHODS.update(
    {
        "reshape": reshape,
        "view": reshape,
        "ravel": ravel,
        "flatten": ravel,
        "transpose": transpose,
        "swapaxes": swapaxes,
        "squeeze": squeeze,
    }
)
