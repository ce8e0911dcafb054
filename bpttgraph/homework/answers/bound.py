"""Functions in a student's formulas: those that `let` binds, and the derivatives that a prime means, as in `φ'(z)`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...core import primitives as P
from ...core.autodiff import backward
from ...core.graph import Node, constant
from ...core.primitive import Elementwise
from ...equations.binding import bind
from ...equations.functions import canonical
from ...equations.syntax import Call, Equation, Expr, Name, Span
from ...equations.trees import calls
from ...errors import BPTTError

__all__ = ["ARGUMENT", "Bound", "is_elementwise", "slope"]

ARGUMENT = "·"
"""The name of the argument in the formula of a function."""
_ELEMENTWISE = frozenset(op.word for op in P.TABLE.values() if isinstance(op, Elementwise) and len(op.rule or ()) == 1)


class Bound:
    """The functions of a recurrence that are bound by `let`, for a text that belongs to it.

    Example:
        >>> sorted(Bound({"phi": "tanh", "f(x, h)": "x + h"}, "").called)
        ['f', 'phi']
    """

    def __init__(self, let: Mapping[str, Any], text: str):
        self.let, self.text = let, text
        self.called = frozenset(head.partition("(")[0].strip() for head in let)
        self._formulas: dict[str, Expr] = {}
        self._heads = {canonical(head.partition("(")[0].strip()): head for head in let}

    def put(self, equations: Iterable[Equation]) -> list[Equation]:
        """The equations with what `let` says in the place of its functions; those with a prime stay."""
        found = list(equations)
        names = {canonical(c.function) for e in found for c in calls(e.right)}
        used = {head: self.let[head] for name, head in self._heads.items() if name in names}
        return bind(found, used, self.text) if used else found

    def formula(self, name: str, span: Span) -> Expr | None:
        """What a bound function is of its argument `ARGUMENT`; None if it is no bound one."""
        head = self._heads.get(canonical(name))
        if head is None:
            return None
        if head not in self._formulas:  # kept, for values are remembered by the expression that they are of
            argument = Name(ARGUMENT, None, span)
            call = Equation((argument,), Call(name, (argument,), (), span), span, "")
            self._formulas[head] = bind([call], {head: self.let[head]}, self.text)[0].right
        return self._formulas[head]


def is_elementwise(name: str) -> bool:
    """Whether a function takes each entry by itself, so that its derivative is a vector.

    Example:
        >>> is_elementwise("tanh"), is_elementwise("softmax")
        (True, False)
    """
    return name in _ELEMENTWISE or name == "hardtanh"


def slope(y: Node, x: Node) -> Node:
    """The derivative of `y`, a function of `x` entry by entry, by `x`.

    Example:
        >>> x = constant(0.0)
        >>> slope(P.tanh(x), x).shape
        ()
    """
    if y.shape != x.shape:
        raise BPTTError(
            "the derivative of a function of several numbers", "write it out, entry by entry or with diag(…)"
        )
    found = backward({y: P.expand(constant(1.0), shape=y.shape)}, [x]).adjoints.get(x)
    return found if found is not None else P.expand(constant(0.0), shape=x.shape)
