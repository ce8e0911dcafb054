"""The derivatives of the functions in a recurrence, as people write them: by the stored value, or with a prime.

>>> import bpttgraph as bg
>>> slopes = Slopes(bg.cell("rnn").unroll(3))
>>> list(slopes.written("t"))
['(1 - h[t]^2)']
>>> [show(e) for e in slopes.primed("t+1")]
["tanh'((((W_hh @ h[t]) + (W_xh @ x[t+1])) + b_h))"]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...equations.functions import canonical
from ...equations.language import parse_expression
from ...equations.syntax import Call, Expr, Index, Name
from ...equations.text import show
from ...equations.trees import rebuild, walk
from ..answers.bound import is_elementwise

if TYPE_CHECKING:
    from ...unrolled import Unrolled

__all__ = ["Slopes", "elementwise"]

BY_VALUE = {"tanh": ("(1 - {0}^2)",), "sigmoid": ("({0} * (1 - {0}))", "(1 - {0})")}
"""φ′ by the value of φ; and the part of it that is most often left out."""


@dataclass(frozen=True)
class _Use:
    """One function in an equation: of which argument, and the variable that is its value, or "" inside an equation."""

    function: str
    argument: Expr
    variable: str
    offset: int
    value: str


class Slopes:
    """The functions of a recurrence that take each entry by itself.

    Args:
        u: the unrolled recurrence.
    """

    def __init__(self, u: Unrolled):
        self.u = u
        self.uses: list[_Use] = []
        for d in u.recurrence.definitions:
            if d.kind != "every" or d.index is None or d.index.variable is None or d.block is not None:
                continue
            for e, _ in walk(d.right):
                if isinstance(e, Call) and len(e.args) == 1 and elementwise(e):
                    value = d.bases[0] if e is d.right and len(d.bases) == 1 else ""
                    name = canonical(e.function)
                    self.uses.append(_Use(name, e.args[0], d.index.variable, d.index.offset, value))

    @property
    def functions(self) -> list[str]:
        """The functions, each once."""
        return list(dict.fromkeys(use.function for use in self.uses))

    def written(self, step: str) -> Iterator[str]:
        """φ′ of every function whose value, or whose argument, has a name, by that name; of others with a prime."""
        found: dict[str, None] = {}
        for use in self.uses:
            forms = BY_VALUE.get(use.function, ())
            if use.value and forms:
                found |= dict.fromkeys(form.format(f"{use.value}[{step}]") for form in forms)
            elif forms and isinstance(use.argument, Name):
                value = f"{use.function}({show(self._at(use, step).args[0])})"
                found |= dict.fromkeys(form.format(value) for form in forms)
                found[value] = None
            elif use.function not in ("identity", "tanh", "sigmoid"):
                found[show(self._primed(use, step))] = None
        yield from found

    def of(self, name: str, step: str) -> Iterator[str]:
        """φ′ of the function whose value a name is."""
        for use in self.uses:
            if use.value == name:
                forms = BY_VALUE.get(use.function)
                yield forms[0].format(f"{name}[{step}]") if forms else show(self._primed(use, step))

    def primed(self, step: str, function: str = "") -> Iterator[Call]:
        """φ′ of the argument of every function, or of one of them."""
        for use in self.uses:
            if function in ("", use.function):
                yield self._primed(use, step)

    def _primed(self, use: _Use, step: str) -> Call:
        call = self._at(use, step)
        return replace(call, function=f"{use.function}'")

    def _at(self, use: _Use, step: str) -> Call:
        """The function at a step."""
        place = parse_expression(f"x[{step}]")
        assert isinstance(place, Name) and place.index is not None
        letter, shift = place.index.variable, place.index.offset - use.offset

        def moved(e: Expr) -> Expr:
            if isinstance(e, Name) and e.index is not None and e.index.variable == use.variable:
                return replace(e, index=Index(letter, e.index.offset + shift))
            return e

        return Call(use.function, (rebuild(use.argument, moved),), (), place.span)


def elementwise(e: Call) -> bool:
    """Whether a call, with or without a prime, is of a function that takes each entry by itself."""
    return is_elementwise(canonical(e.function.rstrip("'")))
