"""The line of the derivation that a mistake leaves out, as the derivation writes it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ...errors import BPTTError

if TYPE_CHECKING:
    from ...derive.recursions import Recursion
    from ...unrolled import Unrolled
    from .base import Line

__all__ = ["missing_line"]


def missing_line(u: Unrolled, line: Line) -> str:
    """The statement at stake, in Unicode; for a link, the summand that belongs to it is named first.

    >>> import bpttgraph as bg
    >>> print(missing_line(bg.cell("rnn").unroll(3), ("link", "h", "h")))
    W_hhᵀ δ_h[t+1]  in  h̄ₜ = W_hyᵀ δ_y[t] + W_hhᵀ δ_h[t+1]
    """
    if not line:
        return ""
    try:
        recursions = _recursions(u)
    except (BPTTError, RecursionError):
        return ""
    if line[0] == "link":
        for r in recursions:
            for term in r.terms:
                if any(_bases(i) == line[1:] for i in getattr(_inside(term), "ids", "").split()):
                    return f"{_text(term)}  in  {_line(r)}"
        line = ("variable", line[1])
    kinds = ("gradient",) if line[0] == "parameter" else ("delta", "adjoint")
    for kind in kinds:
        for r in recursions:
            if r.kind == kind and r.of == line[1] and r.kind != "terminal":
                return _line(r)
    return ""


@lru_cache(maxsize=4)
def _recursions(u: Unrolled) -> tuple[Recursion, ...]:
    return tuple(u.recurrence.derive("all").recursions)


def _inside(term: object) -> object:
    while type(term).__name__ == "Neg":
        term = term.arg  # type: ignore[attr-defined]
    return term


def _bases(link: str) -> tuple[str, ...]:
    return tuple(name.partition("[")[0] for name in link.split("->"))


def _text(term: object) -> str:
    from ...derive import to_text

    return to_text(term)  # type: ignore[arg-type]


def _line(r: Recursion) -> str:
    return " ".join(r.unicode().partition("    for ")[0].split())
