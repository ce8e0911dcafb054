"""Between a course and the recurrence: arrays and sizes are turned into the recurrence's layout, verdicts back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import BPTTError
from ..answers.files import Numbers
from .layout import Layout
from .profile import Profile

if TYPE_CHECKING:
    from ...unrolled import Unrolled
    from ..verdict.findings import ParameterVerdict
    from ..verdict.verdict import Verdict

__all__ = ["inward", "outward", "sizes_of", "unrolled_for"]

Array = np.ndarray[Any, Any]


def unrolled_for(p: Profile, data: Mapping[str, Array], steps: int | None, options: Mapping[str, Any]) -> Unrolled:
    """Unrolled with the sizes of the data."""
    sizes = {**sizes_of(p.unroll(3), data), **(options.get("sizes") or {})}
    return p.unroll(steps, **{**options, "sizes": sizes})


def sizes_of(u: Unrolled, data: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes in which a recurrence must be unrolled for this data. `u` is any unrolling of it.

    Example:
        >>> import bpttgraph as bg
        >>> sizes_of(bg.cell("rnn").unroll(3), {"W_hh": np.zeros((7, 7)), "x": np.zeros((3, 5))})["x"]
        5
    """
    sizes: dict[str, Any] = {}
    for name, slot in u.slots.items():
        array = np.asarray(data.get(name, 0.0))
        # the number of classes follows from the weights, that of an upstream gradient from its variable
        if slot.role == "upstream" or (slot.classes and array.dtype.kind in "iu") or not slot.shape:
            continue
        shape = array.shape[array.ndim - len(slot.shape) :]
        if len(shape) == len(slot.shape):
            sizes[name.partition("[")[0]] = shape[0] if len(shape) == 1 else shape
    return sizes


def inward(
    p: Profile, numbers: Mapping[str, Numbers], shapes: Mapping[str, tuple[int, ...]], source: str
) -> dict[str, Numbers]:
    """Gradients in the course's layout as the recurrence's. Axes in another order are left to the verdict, which knows
    transposes."""
    found: dict[str, Numbers] = {}
    for name, n in numbers.items():
        a = p.arrays[name]
        wanted = shapes.get(name, n.value.shape)
        if sorted(k for k in n.value.shape if k > 1) != sorted(k for k in wanted if k > 1):
            said = f"{source}: the gradient by {name} has shape {n.value.shape}, but {name} has shape {wanted}"
            raise BPTTError(said, "hand it in in the shape of the array")
        try:
            values = a.inward(n.value)
            halves = None if n.half is None else a.inward(n.half)
        except (BPTTError, ValueError, IndexError):
            if len(a.parts) > 1:
                said = f"{source}: the gradient by {name} has shape {n.value.shape}"
                raise BPTTError(
                    f"{said}, but {name} has ({', '.join(a.axes)})", "hand it in in the shape of the array"
                ) from None
            values, halves = {a.parts[0]: n.value}, None if n.half is None else {a.parts[0]: n.half}
        for part, value in values.items():
            found[part] = Numbers(value, None if halves is None else halves[part], n.unit)
    return found


def outward(p: Profile, verdict: Verdict) -> Verdict:
    """The verdict in the course's names and layout."""

    def turned(name: str, array: Any, shape: tuple[int, ...]) -> Any:
        a = p.of.get(name)
        if a is None or np.shape(array) != shape or len(a.parts) > 1 or not shape:
            return array
        return a.outward({name: np.asarray(array)})

    names = {
        name: p.of[name].name if name in p.of and len(p.of[name].parts) == 1 else name for name in verdict.parameters
    }
    found: dict[str, ParameterVerdict] = {}
    for name, v in verdict.parameters.items():
        shape = np.shape(verdict.scale.get(name, v.true))
        same = v.given.shape if v.status == "convention" and v.given.ndim == len(shape) else shape
        arrays = {k: turned(name, getattr(v, k), same) for k in ("given", "true", "radius")}
        because = v.because
        if because is not None and because.certainty == "unexplained" and name in p.of:
            because = replace(because, text=_turned_words(because.text, p.of[name], v.true.shape))
        if because is not None:
            because = replace(because, text=_renamed(because.text, names))
        found[names[name]] = replace(v, name=names[name], because=because, **arrays)
        if name in verdict.scale:
            verdict.scale[name] = turned(name, verdict.scale[name], shape)
    verdict.parameters = found
    verdict.notes = [_renamed(note, names) for note in verdict.notes]
    verdict.scale = {names.get(k, k): v for k, v in verdict.scale.items()}
    verdict.unit = {names.get(k, k): v for k, v in verdict.unit.items()}
    return verdict


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """Gradients in a sentence, dW or ∂E/∂W, by the names of the course's arrays."""
    found = re.compile(
        r"(?<!\w)(d|∂E/∂)(" + "|".join(sorted(map(re.escape, names), key=len, reverse=True)) + r")(?![\w\[])"
    )
    return found.sub(lambda m: m[1] + names[m[2]], text) if names else text


def _turned_words(text: str, a: Layout, shape: tuple[int, ...]) -> str:
    """What a sentence says of rows, columns and entries of the recurrence's array, said of the course's."""

    def entry(match: re.Match[str]) -> str:
        mark = np.zeros(shape)
        mark[tuple(int(i) for i in match[1].split(","))] = 1.0
        there = np.argwhere(a.outward({a.parts[0]: mark}))[0] if len(a.parts) == 1 else []
        return f"the entry [{', '.join(str(int(i)) for i in there)}]" if len(there) else match[0]

    text = re.sub(r"the entry \[([\d, ]+)\]", entry, text)
    if a.transposed:
        text = re.sub(r"\b(row|column)(s?)\b", lambda m: ("column" if m[1] == "row" else "row") + m[2], text)
    return text
