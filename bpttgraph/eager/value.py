"""Value: a node that knows its value. What a Tensor is before it is given operators and NumPy's manners.

The modules between here and `tensor` (the reverse pass on numbers, indexing, messages) need no more than this of it.
"""

from __future__ import annotations

import warnings
from typing import Any, Self, TypeVar

import numpy as np

from ..core.admitting import plain_numbers
from ..core.graph import Node
from ..errors import BPTTError, expect

__all__ = ["PromotionNote", "Value", "admitted", "current", "raw"]

Array = np.ndarray[Any, Any]
_PLAIN = (np.ndarray, float, int)


class PromotionNote(UserWarning):
    """Integers were made floating point, because integers have no derivative."""


class Value(Node):
    """A node with a number or an array; `latest` is what it became when something was assigned into it."""

    __slots__ = ("latest", "value")
    priority = 1

    value: Any
    latest: Self | None

    @property
    def data(self) -> Any:
        return self.value if self.latest is None else self.latest.value

    @data.setter
    def data(self, value: Any) -> None:
        if self.op is not None:
            raise BPTTError(
                "the data of a computed Tensor cannot be set",
                "set that of the leaf it was computed from, and compute again",
            )
        self.value = admitted(raw(value))
        self.shape = np.shape(self.value)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def dtype(self) -> Any:
        return np.asarray(self.data).dtype

    def item(self) -> Any:
        """The number in a Tensor of one entry, without its derivative."""
        if self.size != 1:
            raise BPTTError(
                f"item() needs a Tensor of one entry; this one has shape {self.shape}", "use x.data for the whole array"
            )
        return np.asarray(self.data).item()

    def numpy(self) -> Array:
        """The value as an array, without its derivative."""
        return np.array(self.data)

    def named(self, name: str) -> Self:
        """Give this value a name (`"h[3]"`) for graphs and messages; returns itself."""
        expect(name, str, "the name of a tensor", 'write a text, such as "h[3]"')
        self.name = self.base = name
        head, bracket, tail = name.partition("[")
        if bracket and tail[:-1].isdigit():
            self.base, self.step = head, int(tail[:-1])
        if self.op is None:
            self.role = "input"
        return self


V = TypeVar("V", bound=Value)


def current(x: V) -> V:
    """What stands for `x` now: itself, or what it became by the last assignment into it."""
    return x if x.latest is None else x.latest


def raw(x: Any) -> Any:
    """The value of a Tensor, also inside lists and tuples; anything else as it is."""
    if isinstance(x, Value):
        return x.data
    if isinstance(x, list | tuple):
        return type(x)(raw(v) for v in x)
    return x if x.__class__ in _PLAIN else plain_numbers(x, "an argument")


def admitted(data: Any, what: str = "a tensor") -> Any:
    """Data as a Python float or complex, a NumPy number or an array of floats; integers promoted."""
    if type(data) is float or type(data) is complex:
        return data
    if isinstance(data, bool | int):
        return float(data)
    plain_numbers(data, what)
    try:
        array = np.asarray(data)
    except BPTTError:
        raise BPTTError(
            f"{what} cannot be made of a list with Tensors in it", "write np.stack([a, b]) or bg.stack([a, b])"
        ) from None
    except (ValueError, TypeError):
        raise BPTTError(
            f"{what} needs numbers in rows of equal length", "pad the rows, or make one tensor for each"
        ) from None
    if array.dtype.kind in "biu":
        if array.ndim:
            warnings.warn(
                f"integers of shape {array.shape} were made float64: integers have no derivative",
                PromotionNote,
                stacklevel=4,
            )
        array = array.astype(float)
    elif array.dtype.kind not in "fc":
        raise BPTTError(
            f"{what} needs numbers, not {type(data).__name__} of {array.dtype}", "give floats: np.array(x, dtype=float)"
        )
    return array.copy() if array.ndim else array[()]
