"""The words of the language: functions by all their names."""

from __future__ import annotations

from functools import cache

from .spellings import ALIASES

__all__ = ["known_function", "known_functions", "whole_words"]


@cache
def known_functions() -> frozenset[str]:
    """The functions that equations may call. The rule table is read with the first text, not before."""
    from .functions import FUNCTIONS

    return frozenset(FUNCTIONS)


@cache
def whole_words() -> frozenset[str]:
    """Words that LaTeX mode keeps whole although they stand there as a run of letters."""
    return known_functions() | ALIASES.keys() | {"target", "prod", "loss"}


def known_function(name: str) -> str | None:
    """The canonical name of a known function ("σ" and "ReLU" are "sigmoid" and "relu"), or None."""
    if name in ALIASES:
        return ALIASES[name]
    # Slides spell Softmax and ReLU with capitals.
    return next((n for n in (name, name.lower()) if n in known_functions()), None)
