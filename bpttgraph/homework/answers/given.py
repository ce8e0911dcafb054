"""What was handed in: an answer, gradient by gradient, and the forward pass that it belongs to.

Arrays are float64 and, but for their own layout, in the names of the recurrence (`run.gradients`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from ...errors import Span

__all__ = ["PLAIN", "Answer", "Forward", "Given", "Reading"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Reading:
    """How an answer is read where its text leaves it open.

    Attributes:
        ascending: products over steps have their earliest factor on the left. denominator: the derivative of a number
            by a vector is a column, and Jacobians are transposed. immediate: ∂h[k]/∂W without a plus holds earlier
            steps constant. wide: a matrix without a step behind a product over steps is a factor of every step.
        diagonal_first: a vector before diag(…) is multiplied by it.
    """

    ascending: bool = False
    denominator: bool = False
    immediate: bool = False
    wide: bool = False
    diagonal_first: bool = False


PLAIN = Reading()


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

    Example:
        >>> typed = Given("W", np.array([0.031]), half=np.array([0.0005]))
        >>> typed.name, typed.half.tolist()
        ('W', [0.0005])
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

    Example:
        >>> Forward("h agrees to 7 digits", off=3e-8, own={}).near
        True
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
    own, `open` says what else it leaves open, `reading` how it was read, and `jacobians` are those that it gives.
    `forward` is the forward pass that a function ran, if it is another one.

    Example:
        >>> Answer({"W": Given("W", np.zeros((2, 2)))}, "arrays", source="answer.npz").given["W"].value.shape
        (2, 2)
    """

    given: Mapping[str, Given]
    kind: Literal["arrays", "formulas", "function"]
    data: Mapping[str, Any] | None = None
    source: str = ""  # file name or "formulas", for messages
    notes: tuple[str, ...] = ()
    text: str = ""
    ordered: tuple[int, ...] = ()
    reading: Reading = PLAIN
    forward: Forward | None = None
    open: tuple[str, ...] = ()
    jacobians: tuple[Any, ...] = ()
