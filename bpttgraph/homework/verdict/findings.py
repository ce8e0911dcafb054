"""What was found out about an answer, gradient by gradient; `feedback` and `verdict` say how it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..diagnosis.cause import Cause

if TYPE_CHECKING:
    from ...unrolled import Unrolled

__all__ = ["Findings", "ParameterVerdict", "Status"]

Array = np.ndarray[Any, Any]
Status = Literal["right", "right to the digits given", "convention", "wrong", "undecidable"]


@dataclass(frozen=True)
class ParameterVerdict:
    """The verdict on one quantity of the answer.

    Example:
        >>> import bpttgraph as bg
        >>> p = bg.verify(bg.cell("rnn"), "db_y = 2 * (y[T] - target[T])").parameters["b_y"]
        >>> p.status, p.given.shape == p.true.shape == p.radius.shape
        ('wrong', True)
    """

    name: str
    status: Status
    given: Array
    true: Array
    radius: Array  # how far a right answer may be off, entry by entry: rounding and digits typed together
    convention: str = ""  # for "convention": the exact map, in words
    because: Cause | None = None  # for "wrong"
    note: str = ""  # for "undecidable": the unit on its kink, or what else stands in the way

    @property
    def cause(self) -> str | None:
        """Why it is wrong, as a sentence; None if it is not, or if nothing explains it."""
        return self.because.text if self.because is not None and self.because.certainty != "unexplained" else None


@dataclass
class Findings:
    """What is known of an answer. `right` means that nothing in it is wrong: other conventions and the digits given
    count as right."""

    parameters: dict[str, ParameterVerdict]
    title: str = ""
    conventions: tuple[str, ...] = ()
    instance: str = ""
    oracle: str = ""
    notes: list[str] = field(default_factory=list)
    scale: dict[str, Array] = field(default_factory=dict, repr=False)  # S of each gradient
    unit: dict[str, float] = field(default_factory=dict, repr=False)
    feedback: str = "why"  # how much `str` says
    forward: str = ""  # how the forward pass that was run differs from the equations
    unrolled: Unrolled | None = field(default=None, repr=False)  # the recurrence, for a picture

    @property
    def right(self) -> bool:
        return bool(self.parameters) and all(p.status not in ("wrong", "undecidable") for p in self.parameters.values())

    @property
    def wrong(self) -> tuple[str, ...]:
        """The names of the gradients that are wrong."""
        return tuple(n for n, p in self.parameters.items() if p.status == "wrong")
