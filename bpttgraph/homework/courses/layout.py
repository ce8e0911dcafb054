"""The layout of a course's array: which axis is the batch (N), which the steps (T), and what it is called in the
recurrence.

    array x: N, T, D                      one name for both; feature axes are letters or words, with a factor (4H)
    array Wx: D, 4H = Wx.T                the course's Wx is the transpose of the recurrence's
    array b: n_a, 1 = b                   an axis of one is dropped
    array bias: 2, 3H = b_x; b_h          the rows of the course's array are parameters of their own
    array x: T of V                       class indices, which become one-hot vectors of length V

The recurrence's own layout is (T, N, features).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import BPTTError

__all__ = ["Layout", "Sizes", "layout"]

Array = np.ndarray[Any, Any]
_LINE = re.compile(r"(\w+)\s*:\s*([^=]+?)\s*(?:=\s*(.+?)\s*)?")
_AXIS = re.compile(r"([1-9]\d{0,2})?\s*([^\W\d]\w*)?")
_PART = re.compile(r"([^\W\d]\w*(?:\[0\])?)(\.T)?")


@dataclass(frozen=True)
class Layout:
    """One array of a course.

    Attributes:
        name: the course's. axes: "N", "T", a number, or a size such as "4H". classes: for indices, the size of the
            one-hot vector.
        parts: names in the recurrence, several if a numbered axis holds them. transposed: whether features are in
            reverse order.

    Example:
        >>> wx = layout("Wx: D, 4H = Wx.T")
        >>> wx.inward(np.zeros((3, 20)))["Wx"].shape, wx.outward({"Wx": np.zeros((20, 3))}).shape
        ((20, 3), (3, 20))
        >>> layout("x: n_x, N, T").inward(np.zeros((3, 10, 4)))["x"].shape
        (4, 10, 3)
    """

    name: str
    axes: tuple[str, ...]
    parts: tuple[str, ...]
    transposed: bool = False
    classes: str = ""

    @property
    def features(self) -> tuple[str, ...]:
        """The axes that one example has at one step, in the equations: none for a number."""
        apart = {"N", "T", "1", *([str(len(self.parts))] if len(self.parts) > 1 else [])}
        return tuple(a for a in self.axes if a not in apart) + ((self.classes,) if self.classes else ())

    def lettered(self, shape: tuple[int, ...]) -> list[tuple[int, str, int]]:
        """The letters of one example of this shape in the equations: place, letter and factor of each axis that has
        one."""
        features = self.features[::-1] if self.transposed else self.features
        if len(features) != len(shape):
            return []  # class indices
        read = [(i, _AXIS.fullmatch(axis)) for i, axis in enumerate(features)]
        return [(i, m[2], int(m[1] or 1)) for i, m in read if m and m[2]]

    def inward(self, array: Array, sizes: Mapping[str, int] | None = None) -> dict[str, Array]:
        """The course's array as the recurrence's."""
        axes = list(self.axes_of(array.ndim))
        if self.classes and array.ndim == len(axes):
            array = np.eye((sizes or {})[self.classes])[array]
        if self.classes:
            axes.append(self.classes)
        for axis in reversed(range(len(axes))):
            if axes[axis] == "1":
                array = array.reshape(array.shape[:axis] + array.shape[axis + 1 :])
                del axes[axis]
        if len(self.parts) == 1:
            return {self.parts[0]: array.transpose(self._order(axes))}
        split = axes.index(str(len(self.parts)))
        pieces = np.moveaxis(array, split, 0)
        del axes[split]
        return {part: piece.transpose(self._order(axes)) for part, piece in zip(self.parts, pieces)}

    def outward(self, arrays: Mapping[str, Array]) -> Array:
        """The recurrence's arrays as the course's (a sequence of one-hot vectors stays one, with the vector last)."""
        first = arrays[self.parts[0]]
        full = [a for a in (*self.axes, *([self.classes] if self.classes else [])) if a != "1"]
        if len(self.parts) > 1:
            full.remove(str(len(self.parts)))
        if first.ndim == len(full) - 1 and "N" in full:
            full.remove("N")
        back = np.argsort(self._order(full))
        if len(self.parts) > 1:
            return np.stack([arrays[p].transpose(back) for p in self.parts], axis=self.axes.index(str(len(self.parts))))
        array = first.transpose(back)
        for axis, label in enumerate(a for a in self.axes if a != "N" or "N" in full):
            if label == "1":
                array = np.expand_dims(array, axis)
        return array

    def axes_of(self, dimensions: int) -> tuple[str, ...]:
        """The axes of an array of so many dimensions: a single example needs no N, and no axis of one."""
        wanted = self.axes
        for drop in ((), ("N",), ("1",), ("N", "1")):
            kept = tuple(a for a in wanted if a not in drop)
            if dimensions in (len(kept), len(kept) + bool(self.classes)):
                return kept
        raise BPTTError(
            f"{self.name} has {dimensions} axes, but the profile gives it {len(wanted)}: ({', '.join(wanted)})",
            "hand arrays in as the course has them",
        )

    def _order(self, axes: list[str]) -> list[int]:
        front = [axes.index(a) for a in ("T", "N") if a in axes]
        rest = [k for k in range(len(axes)) if k not in front]
        return front + (rest[::-1] if self.transposed else rest)


def layout(line: str) -> Layout:
    """Read `Wx: D, 4H = Wx.T`.

    Raises:
        BPTTError: the line does not say what an array looks like.

    Example:
        >>> layout("bias: 2, 3H = b_x; b_h").parts
        ('b_x', 'b_h')
    """
    match = _LINE.fullmatch(line.strip())
    fix = "write for example  # array Wx: D, 4H = Wx.T"
    if match is None:
        raise BPTTError(f"{line[:60]!r} describes no array", fix)
    name, shape, right = match[1], match[2], match[3] or match[1]
    shape, mark, classes = (s.strip() for s in shape.partition(" of "))
    axes = tuple(a.strip().replace(" ", "") for a in shape.split(","))
    if mark and not _AXIS.fullmatch(classes):
        raise BPTTError(f"array {name}: {classes[:40]!r} is no size", "write for example  # array x: T of V")
    for axis in axes:
        if not axis or not _AXIS.fullmatch(axis):
            raise BPTTError(f"array {name}: {axis[:40]!r} is no axis", "axes are N, T, a number, or a size such as 4H")
    if len({a for a in axes if a in ("N", "T")}) < sum(a in ("N", "T") for a in axes):
        raise BPTTError(f"array {name}: N or T stands there twice", fix)
    found = [_PART.fullmatch(part.strip()) for part in right.split(";")]
    if any(f is None for f in found) or len({bool(f[2]) for f in found if f}) > 1:
        raise BPTTError(f"array {name}: {right[:40]!r} names nothing of the recurrence", fix)
    parts = tuple(f[1] for f in found if f)
    if len(parts) > 1 and axes.count(str(len(parts))) != 1:
        raise BPTTError(
            f"array {name} holds {len(parts)} parameters, but no axis of {len(parts)}",
            "write for example  # array bias: 2, 3H = b_x; b_h",
        )
    return Layout(name, axes, parts, bool(found[0] and found[0][2]), classes)


class Sizes(dict[str, int]):
    """The sizes that letters stand for, found from arrays; arrays that contradict each other are an error that names
    both.

    Example:
        >>> sizes = Sizes()
        >>> sizes.learn("answer.npz", layout("Wx: D, 4H = Wx.T"), np.zeros((3, 20)))
        >>> dict(sizes)
        {'D': 3, 'H': 5}
    """

    def __init__(self) -> None:
        self.source: dict[str, str] = {}

    def learn(self, source: str, layout: Layout, array: Array) -> None:
        """Compare the shape of an array with its axes."""
        for axis, size in zip(layout.axes_of(array.ndim), array.shape):
            match = _AXIS.fullmatch(axis)
            assert match is not None
            factor, label = int(match[1] or 1), match[2]
            known = 1 if label is None else self.get(label)
            if size % factor or (known is not None and known * factor != size):
                because = "" if label is None or label not in self else f"; {label} = {known} from {self.source[label]}"
                said = (
                    f"{source}: {layout.name} has shape {array.shape}, but the profile says ({', '.join(layout.axes)})"
                )
                raise BPTTError(said + because, "hand arrays in as the course has them")
            if label is not None and known is None:
                self[label], self.source[label] = size // factor, layout.name
        if layout.classes and array.ndim > len(layout.axes_of(array.ndim)):
            self.setdefault(layout.classes, array.shape[-1])
