"""Indices of Tensors: as what they are recorded, and what an index reads of an array that was filled by assignment."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import arrays as A
from ..errors import BPTTError
from .messages import key_text
from .value import V, Value

__all__ = ["indices", "stored"]


def indices(key: Any) -> tuple[Any, ...]:
    """An index as a tuple, with lists as arrays, and Tensors of whole numbers as their values."""
    out = []
    for k in key if isinstance(key, tuple) else (key,):
        if isinstance(k, Value):
            value = np.asarray(k.data)
            if value.dtype.kind == "f" and np.all(value == np.round(value)):
                raise BPTTError(
                    "an index must be an integer array, not a Tensor", "write x[np.argmax(y)] or x[i.data.astype(int)]"
                )
            k = value
        elif isinstance(k, list):
            k = np.asarray(k) if k else np.zeros(0, int)
        if isinstance(k, float) or (isinstance(k, np.ndarray) and k.dtype.kind == "f"):
            raise BPTTError(
                f"an index must be an integer, a slice or a mask, not {key_text(k)}",
                "write x[int(i)] or x[i.astype(int)]",
            )
        if isinstance(k, np.ndarray) and k.flags.writeable:
            k = k.copy()
        elif isinstance(k, np.integer):
            k = int(k)
        out.append(k)
    return tuple(out)


def stored(node: V, key: tuple[Any, ...]) -> tuple[V, V | None]:
    """What was assigned to this very place, if that can be seen from the indices; else the value to index.

    A loop that fills `h[:, t]` and reads `h[:, t - 1]` reads what it stored: the graph shows the recurrence, not the
    array around it.
    """
    if not all(isinstance(k, int | slice) for k in key):
        return node, None
    while node.op is A.put:
        place = node.attrs["key"]
        if place == key:
            stored: Any = node.args[1]
            if (
                stored.shape == np.shape(node.value[key])
                and np.asarray(stored.value).dtype == np.asarray(node.value).dtype
            ):
                return node, stored
            break
        pairs = [(a, b) for a, b in zip(place, key) if isinstance(a, int) and isinstance(b, int)]
        if not all(isinstance(k, int | slice) for k in place) or not any(
            a != b and (a < 0) == (b < 0) for a, b in pairs
        ):
            break
        node = node.args[0]  # type: ignore[assignment]
    return node, None
