"""A cause: what a diagnosis says of one wrong gradient, in words, keys and places of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from ...errors import Span
    from .line_by_line import Line

__all__ = ["Cause"]

Array = np.ndarray[Any, Any]


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
        lines: the lines of such an answer on which the gradient depends, each judged by itself.

    Example:
        >>> cause = Cause("exact", "∂E/∂W is exactly what you get if ∂E/∂W is doubled.", (("scale:2:W",),))
        >>> cause.mistakes[0]
        ('scale:2:W',)
    """

    certainty: Literal["exact", "consistent", "unexplained"]
    text: str
    mistakes: tuple[tuple[str, ...], ...] = ()
    lesson: str = ""
    missing: str = ""
    edges: tuple[tuple[str, str], ...] = ()
    triangle: Array | None = None
    span: Span | None = None
    lines: tuple[Line, ...] = ()
