"""Notation presets: the same formula in the symbols of the text that a course follows.

The sign ∂⁺ means opposite things in the literature: Pascanu et al. mark the *immediate* derivative with it, Werbos the
*total* ("ordered") one. A preset rewrites the derivative symbols of a tree, never anything else, and `legend` says in
words what each symbol means, so that a page cannot be misread.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ..errors import BPTTError, expect, nearest
from .expr import Expr, Num, Partial, Symbol

__all__ = ["NOTATIONS", "in_notation", "legend"]

NOTATIONS: dict[str, str] = {
    "pascanu": (
        "∂⁺ is the immediate derivative: everything else that the equation reads is held fixed; d is the total one"
    ),
    "werbos": (
        "∂⁺ is the total (ordered) derivative; ∂ is the derivative of one equation, everything else it reads held fixed"
    ),
    "goodfellow": "W⁽ᵗ⁾ is a private copy of W that only step t reads; the gradient by W is the sum over the copies",
    "d2l": "f_h is the function that computes h: ∂f_h/∂w is the derivative of this one equation, ∂h/∂w the total one",
}
_NAME = re.compile(r"((?:[^.\[\]]+\.)?)([^\[\].]+)(\[[^\[\]]+\])?", re.DOTALL)


def checked(notation: str) -> str:
    expect(notation, str, "a notation", f"write one of {', '.join(NOTATIONS)}")
    if notation not in NOTATIONS:
        raise BPTTError(f'there is no notation "{notation}"', nearest(notation, list(NOTATIONS)))
    return notation


def legend(notation: str) -> str:
    """What the symbols of a preset mean.

    >>> legend("werbos").split(";")[0]
    '∂⁺ is the total (ordered) derivative'
    """
    return NOTATIONS[checked(notation)]


def in_notation(e: Any, notation: str, gradient: bool = False) -> Any:
    """The formula with the derivative symbols of a preset. `gradient`: the whole is the left side dE/dW of a statement.

    >>> from bpttgraph.formulas.expr import partial
    >>> from bpttgraph.formulas.printers import to_text
    >>> use = partial("h[2]", (3,), "W_hh", (3, 3), immediate=True)
    >>> [to_text(in_notation(use, n)) for n in ("pascanu", "werbos", "goodfellow", "d2l")]
    ['∂⁺h₂/∂W_hh', '∂h₂/∂W_hh', '∂h₂/∂W⁽²⁾_hh', '∂f_h[2]/∂W_hh']
    """
    if checked(notation) == "pascanu":
        return e
    if isinstance(e, tuple):
        return tuple(in_notation(x, notation, gradient) for x in e)
    if isinstance(e, Partial):
        return _derivative(e, notation, gradient)
    if not isinstance(e, Expr) or isinstance(e, Num | Symbol):
        return e
    return e.mapped(lambda x: in_notation(x, notation, gradient))


def _derivative(e: Partial, notation: str, gradient: bool) -> Partial:
    if notation == "werbos":
        return replace(e, immediate=e.total or gradient, total=False)
    if notation == "d2l" and e.total:
        return replace(e, total=False)
    if not e.immediate:
        return e
    target = _NAME.fullmatch(e.target)
    by_parameter = "[" not in e.source
    if target is None or not target[3]:
        return e
    if notation == "d2l":
        return replace(e, immediate=False, target=f"{target[1]}f_{target[2]}{target[3]}")
    if not by_parameter:
        return e
    source = _NAME.fullmatch(e.source)
    if source is None:
        return e
    copy = f"({target[3][1:-1]}) {source[1][:-1]}".strip()
    return replace(e, immediate=False, source=f"{copy}.{source[2]}")
