"""The words of the language: functions by all their names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

__all__ = ["known_function", "known_functions", "whole_words"]


@cache
def _words() -> Mapping[str, str]:
    """Every function that equations may call and every other spelling of one, with its own name. The rule table is
    read with the first text, not before."""
    from .functions import ALIASES, FUNCTIONS

    return {name: name for name in FUNCTIONS} | ALIASES


@cache
def known_functions() -> frozenset[str]:
    """The functions that equations may call."""
    return frozenset(_words().values())


@cache
def whole_words() -> frozenset[str]:
    """Words that LaTeX mode keeps whole although they stand there as a run of letters."""
    return frozenset({*_words(), "target", "prod", "loss"})


def known_function(name: str) -> str | None:
    """The canonical name of a known function ("σ" and "ReLU" are "sigmoid" and "relu"), or None."""
    words = _words()
    # Slides spell Softmax and ReLU with capitals. Norm is a layer; the norm of a vector has a small letter.
    lower = name.lower()
    return words.get(name) or (lower if lower in known_functions() and name != "Norm" else None)
