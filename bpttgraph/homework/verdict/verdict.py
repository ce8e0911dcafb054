"""The verdict on an answer: what was found out, and how it is told as text, JSON and HTML."""

from __future__ import annotations

from dataclasses import dataclass

from .feedback import as_html, as_json, as_text
from .findings import Findings

__all__ = ["Verdict"]


@dataclass
class Verdict(Findings):
    """The verdict on an answer. `right` means that nothing in it is wrong: other conventions and the digits given count
    as right.

    Example:
        >>> import bpttgraph as bg
        >>> verdict = bg.verify(bg.cell("rnn"), "db_y = sum_t (y[t] - target[t])")
        >>> verdict.right, verdict.wrong
        (True, ())
        >>> print(verdict.report("verdict"))
        Right: the gradient.
    """

    def report(self, feedback: str | None = None) -> str:
        """The verdict as text; `feedback` is "none", "verdict", "where", "why" or "full" (with the true numbers)."""
        return as_text(self, feedback or self.feedback)

    def to_json(self, feedback: str | None = None) -> str:
        """The verdict as JSON text, as open as `feedback` allows."""
        return as_json(self, feedback or self.feedback)

    def __str__(self) -> str:
        return self.report()

    def __bool__(self) -> bool:
        return self.right

    def _repr_html_(self) -> str:
        return as_html(self, self.feedback)
