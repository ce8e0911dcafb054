"""The error for a Tensor on its way into a plain array: it names the line and says what to write instead.

NumPy asks a Tensor for its numbers in `np.asarray(x)`, but also when it is assigned into a plain array, `h[:, t] = x`.
The two are told apart by the instruction that the calling frame is at, so that the message can answer the question that
is really asked.

The calling frame also tells what the array is called that a Tensor is stored in, which gives the steps of a recurrence
their names.
"""

from __future__ import annotations

import linecache
import opcode
import re
import sys
from types import FrameType
from typing import Any

from ..errors import BPTTError
from .value import Value

__all__ = ["assigned_name", "explain_assignment", "explain_conversion", "lost"]


def _caller() -> FrameType | None:
    """The first frame outside of this package and of NumPy."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("bpttgraph", "numpy"):
        frame = frame.f_back
    return frame


def assigned_name(array: Value, key: tuple[Any, ...]) -> str | None:
    """A name for what is stored at one step of an array: `h[:, t] = …` at t = 0 stores `h[1]`. None if this cannot be
    told."""
    steps = [k for k in key if isinstance(k, int)]
    frame = _caller()
    if frame is None or len(steps) != 1 or steps[0] < 0:
        return None
    for name, value in frame.f_locals.items():
        if value is array and name.isidentifier():
            return f"{name}[{steps[0] + 1}]"
    return None


def explain_assignment(x: Value) -> BPTTError | None:
    """The error to raise if `x` is being assigned into a plain array; None if it is not."""
    frame = _caller()
    if frame is None or opcode.opname[frame.f_code.co_code[frame.f_lasti]] != "STORE_SUBSCR":
        return None
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    found = re.search(r"([A-Za-z_]\w*)\s*\[.*\]\s*\S?\S?=", line)
    name = found.group(1) if found else "h"
    array = frame.f_locals.get(name, frame.f_globals.get(name))
    shape = str(tuple(array.shape)) if array is not None and hasattr(array, "shape") else "shape"
    where = f" (line {frame.f_lineno}: {line})" if line else ""
    return BPTTError(
        f"{_label(x)} was assigned into the plain array {name}{where}; a plain array keeps numbers only, so "
        "the derivative would be lost",
        f"make {name} a Tensor: {name} = np.zeros({shape}, like=x) with any Tensor x, or {name} = bg.zeros({shape}); "
        "then the same assignment is recorded",
    )


def explain_conversion(x: Value) -> BPTTError:
    """The error to raise when NumPy asks `x` for plain numbers."""
    return explain_assignment(x) or BPTTError(
        f"{_label(x)} would become a plain array here, and its derivative would be lost",
        "for the numbers write x.data; to join Tensors write np.stack([...]) or bg.array([...]) instead of "
        "np.array([...])",
    )


def lost(x: Value, what: str, instead: str) -> BPTTError:
    label = f"the Tensor {x.name}" if x.name else "a Tensor"
    return BPTTError(
        f"{what} would turn {label} of shape {x.shape} into plain numbers, and its derivative would be lost", instead
    )


def _label(x: Value) -> str:
    return f"the Tensor {x.name}" if x.name else f"a Tensor of shape {x.shape}"
