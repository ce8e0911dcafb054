"""The words that homework shares: what was given, what is true, what the verdict is and why.

Readers of answers make an `Answer`; `Truth` knows the gradient and how far rounding may carry an answer from it; a
diagnosis gives a `Cause`; all of it ends in one `Verdict`. Arrays are float64 and in the recurrence's own layout
(`run.gradients`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from ..errors import Span
    from ..unrolled import Unrolled

__all__ = ["Answer", "Cause", "Forward", "Given", "ParameterVerdict", "Status", "Verdict"]

Array = np.ndarray[Any, Any]
Status = Literal["right", "right to the digits given", "convention", "wrong", "undecidable"]


@dataclass(frozen=True)
class Given:
    """What an answer says about one quantity.

    Args:
        name: a parameter ("W_hh"), an initial state ("h[0]") or an adjoint of a variable ("h[2]").
        value: the numbers, in the shape in which they were handed in.
        half: half a unit of the last digit typed, entry by entry; None for numbers of full precision.
        unit: unit roundoff of the type it was computed in (2⁻⁵³, or 2⁻²⁴ for float32).
        text: the student's own words for it, for an answer in formulas; span: where it stands in them.
        rounding: standard deviation of the rounding of the student's own arrangement, in units of u; None if it is not
            known.
        aside: whether it is an adjoint beside gradients that are the answer, and none of them reads it.
    """

    name: str
    value: Array
    half: Array | None = None
    unit: float = 2.0**-53
    text: str = ""
    span: Span | None = None
    rounding: Array | None = None
    aside: bool = False


@dataclass(frozen=True)
class Forward:
    """A forward pass that was run and is not that of the equations; the gradient is judged against it.

    Args:
        text: how it differs, for people. off: by how much, relative to its largest value.
        own: its gradients, by differences of it, each with an estimate of their error, in the recurrence's own layout.
        digits: names of gradients that are right to these digits only, where the forward pass itself was not seen.
    """

    text: str
    off: float
    own: Mapping[str, tuple[Array, Array]]
    digits: tuple[str, ...] = ()

    @property
    def near(self) -> bool:
        """Whether it is the same function in other digits, so that mistakes can still be recognised."""
        return self.off < 1e-5


@dataclass(frozen=True)
class Answer:
    """An answer as handed in: what is given, by name, and the instance that it was computed on (None: choose one).

    `text` is that of an answer in formulas; `ordered` are its lines whose products over steps have no order of their
    own, and `ascending` says how they were read. `forward` is the forward pass that a function ran, if it is another
    one.
    """

    given: Mapping[str, Given]
    kind: Literal["arrays", "formulas", "function"]
    data: Mapping[str, Any] | None = None
    source: str = ""  # file name or "formulas", for messages
    notes: tuple[str, ...] = ()
    text: str = ""
    ordered: tuple[int, ...] = ()
    ascending: bool = False
    forward: Forward | None = None


@dataclass(frozen=True)
class Cause:
    """Why an answer is wrong.

    Args:
        certainty: "exact" when one cause reproduces the answer, "consistent" when several do, "unexplained" otherwise.
        mistakes: keys of the catalogue that fit (all ties), each a tuple of one key, or of two for a pair.
        text: one sentence for a student: what the answer is exactly what you get of.
        lesson: one sentence that teaches; missing: the line of the derivation that is missing or wrong, in Unicode
            mathematics.
        edges: the computation graph's edges (source name, target name) that the mistake dropped or changed, for a
            picture.
        triangle: the fitted coefficients (T, T), for a picture; None if the triangle says nothing.
        span: the place in the student's own line, for an answer in formulas.
    """

    certainty: Literal["exact", "consistent", "unexplained"]
    text: str
    mistakes: tuple[tuple[str, ...], ...] = ()
    lesson: str = ""
    missing: str = ""
    edges: tuple[tuple[str, str], ...] = ()
    triangle: Array | None = None
    span: Span | None = None


@dataclass(frozen=True)
class ParameterVerdict:
    """The verdict on one quantity of the answer."""

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
class Verdict:
    """The verdict on an answer. `right` means that nothing in it is wrong: other conventions and the digits given count
    as right."""

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

    def report(self, feedback: str | None = None) -> str:
        """The verdict as text; `feedback` is "none", "verdict", "where", "why" or "full" (with the true numbers)."""
        from .feedback import as_text

        return as_text(self, feedback or self.feedback)

    def to_json(self, feedback: str | None = None) -> str:
        """The verdict as JSON text, as open as `feedback` allows."""
        from .feedback import as_json

        return as_json(self, feedback or self.feedback)

    def __str__(self) -> str:
        return self.report()

    def __bool__(self) -> bool:
        return self.right

    def _repr_html_(self) -> str:
        from .feedback import as_html

        return as_html(self, self.feedback)
