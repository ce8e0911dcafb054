"""One statement of the backward recursions, for a range of steps, and how it prints."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..formulas.expr import Expr
from ..formulas.in_rows import in_rows
from ..formulas.layout import FORMS, Printed, check_form, statement
from ..formulas.steps import symbols_of

__all__ = ["Recursion", "names_of", "steps_from", "without_step"]

_NAME = re.compile(r"(.*)\[(-?\d+)\]$")


def steps_from(text: str, last: int) -> int:
    """The number that a text such as T-1 or 2 stands for."""
    return int(text) if text.lstrip("-").isdigit() else last + int(text[1:] or 0)


def without_step(name: str) -> tuple[str, int | None]:
    match = _NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, None)


@dataclass(frozen=True, slots=True)
class Recursion(Printed):
    """`left` = sum of `terms` for the steps from `first` to `last` (texts such as "T", "1"), in that order.

    `kind` is "adjoint", "delta", "gradient", "terminal" or "value" (what a sum of forward values is called); `of` is
    the variable, without its step.
    `condition` says for which numbers of steps it holds, if not for all.
    `uses` of a gradient: (first, last, block, summands for step t), whose sums are the terms.

    Example:
        >>> import bpttgraph as bg
        >>> last = bg.cell("rnn").derive("W_hh").recursions[-1]
        >>> last.kind, last.of, last.unicode()
        ('gradient', 'W_hh', '∂E/∂W_hh = ∑[t=1..T] δ_h[t] hₜ₋₁ᵀ')
    """

    key: str
    kind: str
    left: Expr
    terms: tuple[Expr, ...]
    first: str = ""
    last: str = ""
    block: str = ""
    dims: tuple[int, ...] = ()
    of: str = ""
    uses: tuple[tuple[str, str, str, tuple[Expr, ...]], ...] = ()
    condition: str = ""

    @property
    def summed(self) -> bool:
        """Whether it stands for no step, but adds up the uses of all of them: a gradient, or the adjoint of what has no
        step."""
        return self.kind == "gradient" or bool(self.uses)

    @property
    def range(self) -> str:
        """For which steps, in words of mathematics."""
        if not self.first or self.kind in ("terminal", "gradient"):
            return self.condition
        text = f"t = {self.first}" if self.first == self.last else f"t = {self.first}, …, {self.last}"
        return text.replace("-", "−")

    def turned(self) -> Recursion:
        """The same with vectors as rows."""
        left, terms = in_rows(self.left, self.terms, self.dims)
        uses = tuple((*use[:3], in_rows(self.left, use[3], self.dims)[1]) for use in self.uses)
        return replace(self, left=left, terms=terms, uses=uses)

    def written(self, form: str, width: int | None = None) -> str:
        check_form(form, width)
        text, steps = statement(form, self.terms, self.left, width), self.range
        return FORMS[form](width).for_steps(text, steps) if steps else text


def names_of(e: object) -> set[str]:
    """The names of all symbols in a formula."""
    return {x.name for x in symbols_of(e)}
