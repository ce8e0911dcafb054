"""Equations: from a lecture's text, or a Python function of one step, to the folded model of a recurrence.

`recurrence(text_or_function)`, `cell(name)` and `cells()` are the ways in. Names are loaded on first use: the parser
needs no NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .library import cell, cells
    from .model import Recurrence

__all__ = ["Recurrence", "cell", "cells", "recurrence"]

_WHERE = {"cell": "library", "cells": "library", "Recurrence": "model"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module("." + _WHERE[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def recurrence(
    text_or_function: str | Callable[..., Any], let: Mapping[str, Any] | None = None, layers: int | None = None
) -> Recurrence:
    """A recurrence from equations as the lecture writes them, or from a Python function of one step.

    Args:
        text_or_function: equations in plain text, Unicode or LaTeX; or `def step(h, x, *, W_h, W_x, b)` with NumPy
            calls inside.
        let: what abstract functions stand for, `{"phi": "tanh"}` or `{"f(x, h; w, u)": "tanh(w x + u h)"}`.
        layers: how many layers there are, where a letter of the text counts them, `h_t^{(l)}`.

    Raises:
        BPTTError: with the line, a caret and one fix.

    Example:
        >>> rec = recurrence(r"h_t = \\phi(W_{xh} x_t + W_{hh} h_{t-1})", let={"phi": "tanh"})
        >>> rec.parameters
        ('W_xh', 'W_hh')
    """
    if callable(text_or_function):
        from ..errors import BPTTError
        from .tracing import from_function

        if layers is not None:
            raise BPTTError("a Python function has no letter that counts layers", "leave layers out")

        return from_function(text_or_function, let)
    from .early import checked
    from .model import from_text

    return checked(from_text(text_or_function, let, layers))
