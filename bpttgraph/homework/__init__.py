"""Homework: is a gradient right, and if not, which term is missing?

An answer (formulas, arrays or a Python function) is read, compared with the truth parameter by parameter, and a wrong
one is explained by the mistake that reproduces it. The rooms, from the ground up: `answers` and `programs` (what was
handed in), `truth`, `mistakes`, `diagnosis`, `verdict`, and `courses` on top of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answers.given import Answer, Given
    from .diagnosis.cause import Cause
    from .truth.truth import Truth
    from .verdict.findings import ParameterVerdict
    from .verdict.verdict import Verdict
    from .verifying import verify

__all__ = ["Answer", "Cause", "Given", "ParameterVerdict", "Truth", "Verdict", "verify"]

_WHERE = {
    "Answer": "answers.given",
    "Cause": "diagnosis.cause",
    "Given": "answers.given",
    "ParameterVerdict": "verdict.findings",
    "Truth": "truth.truth",
    "Verdict": "verdict.verdict",
    "verify": "verifying",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _WHERE:
        value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
