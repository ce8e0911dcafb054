"""Homework: is a gradient right, and if not, which term is missing?

An answer (formulas, arrays or a Python function) is read, compared with the truth parameter by parameter, and a wrong
one is explained by the mistake that reproduces it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .judge import verify
    from .model import Answer, Cause, Given, ParameterVerdict, Verdict
    from .truth import Truth

__all__ = ["Answer", "Cause", "Given", "ParameterVerdict", "Truth", "Verdict", "verify"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in __all__:
        where = "judge" if name == "verify" else "truth" if name == "Truth" else "model"
        value = getattr(import_module(f".{where}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
