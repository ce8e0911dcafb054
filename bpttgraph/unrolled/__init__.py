"""The unrolled recurrence: its graph with shared parameter nodes, its numbers, and the run over an instance.

This room is not called `recurrence`, because `bpttgraph.recurrence` is the public function. Names are loaded on first
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .folded import fold
    from .numbers import Run
    from .unroll import Unrolled

__all__ = ["Run", "Unrolled", "fold"]

_WHERE = {"Run": "numbers", "Unrolled": "unroll", "fold": "folded"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module("." + _WHERE[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
