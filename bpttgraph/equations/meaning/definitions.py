"""Functions that go by several definitions: it is said by which one they are read. Convolutions are refused."""

from __future__ import annotations

import re
from dataclasses import replace

from ...errors import BPTTError
from ..notes import Note
from ..syntax import Call, Name, Program
from ..text import brief
from ..trees import calls

__all__ = ["DEFINED", "say_definitions"]

DEFINED = {
    "hard_sigmoid": "clip(x/5 + 1/2, 0, 1), as in Keras 2 and ONNX; for that of PyTorch write clip(x/6 + 1/2, 0, 1)",
    "layer_norm": "(x − mean(x)) / √(variance(x) + 0.00001), without gain and bias, which equations write beside it",
    "step": "1 where its argument is above 0, else 0; its derivative is 0, so no gradient passes through it (through a "
    "letter in its place one can: --let 'S=step, surrogate=sigmoid(25 x)')",
    "sign": "1, 0 or −1; its derivative is 0, so no gradient passes through it",
    "mean_squared_error": "the mean of (y − target)² over the entries, without a factor ½",
    "binary_cross_entropy": "the sum of −target log y − (1 − target) log(1 − y) over the entries, which is no mean",
}
"""The functions of the language whose name does not settle their value, with the value."""


_CONVOLUTION = re.compile(r"(?i)conv(?:[123]d|olve|olution)?(?:_\w+)?")


def _as_kernel(call: Call) -> str:
    """What to write for `conv(W, h[t-1])`: a function of the value with the kernel as its parameter."""
    kernels = [brief(a) for a in call.args if isinstance(a, Name) and a.index is None]
    values = [brief(a) for a in call.args if not (isinstance(a, Name) and a.index is None)]
    if not values or len(values) + len(kernels) > 3:
        return ""
    return f"write k({', '.join([*values, *kernels])}) for the call, a function of which only the name is known"


def say_definitions(program: Program) -> Program:
    """A note at the first call of each function that has more than one definition.

    Raises:
        BPTTError: a call of a convolution.
    """
    first = {call.function: call for e in reversed(program.equations) for call in calls(e.right)}
    for name, call in first.items():
        if _CONVOLUTION.fullmatch(name):
            raise BPTTError(
                f"{name} is a convolution, which this language has not",
                _as_kernel(call) or "let another letter stand for it, such as k(x[t], W)",
                text=program.text,
                span=call.span,
            )
    notes = [Note.at(f"{name} is {DEFINED[name]}", call.span) for name, call in first.items() if name in DEFINED]
    return replace(program, notes=(*program.notes, *notes)) if notes else program
