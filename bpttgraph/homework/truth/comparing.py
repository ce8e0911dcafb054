"""Comparing one gradient with the truth: how far off it may be, whether it is right, and the layout in which it was
handed in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.rounding import swamped
from ..answers.given import Given
from .truth import SAFETY, SINGLE, Truth

__all__ = ["digits_apart", "each", "openness", "radius_of", "relaid", "solid", "status_of"]

Array = np.ndarray[Any, Any]
VAGUE = 0.1  # digits that leave more open than this share of the gradient decide nothing


def radius_of(truth: Truth, g: Given) -> Array:
    """How far a right answer may be off: rounding, in our arrangement of the sum or in the student's, and the digits
    typed.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> truth = Truth(u, u.instance())
        >>> g = Given("b_h", truth.value("b_h").round(3), half=np.full(4, 5e-4))
        >>> bool(radius_of(truth, g).max() < 5.001e-4)
        True
    """
    radius = truth.radius(g.name, g.unit)
    if g.rounding is not None:
        own = np.abs(g.rounding) * SAFETY * g.unit
        radius = np.maximum(radius, np.minimum(own, 1e3 * radius)) if own.shape == radius.shape else radius
    return radius if g.half is None or g.half.shape != radius.shape else radius + g.half


def status_of(truth: Truth, g: Given) -> tuple[Any, Array]:
    """Right, right to the digits given, undecidable as rounding or the digits leave too much open; None for anything
    else.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> truth = Truth(u, u.instance())
        >>> b = truth.value("b_h")
        >>> status_of(truth, Given("b_h", b))[0], status_of(truth, Given("b_h", 2 * b))[0]
        ('right', None)
        >>> status_of(truth, Given("b_h", b.round(3), half=np.full(4, 5e-4)))[0]
        'right to the digits given'
    """
    true, radius = truth.value(g.name), radius_of(truth, g)
    if g.value.shape != true.shape:
        return None, radius
    error = np.abs(g.value - true)
    if not np.all(error <= radius) and truth.doubts(error, radius):
        radius = radius_of(truth, g)
    right = "undecidable" if openness(truth, g) else "right"
    if g.half is None:
        return (right if np.all(error <= radius) else None), radius
    known = np.isfinite(
        g.half
    )  # of a key, some entries may be all that is given: half a unit of the others is infinite
    error, half, close = error[known], g.half[known], radius[known]
    if np.all(error <= close - half):
        return right, radius
    if not np.all(error <= close):
        return None, radius
    vague = np.linalg.norm(half) > VAGUE * np.linalg.norm(true[known])
    return ("undecidable" if vague or right != "right" else "right to the digits given"), radius


def openness(truth: Truth, g: Given) -> str:
    """Why rounding leaves too much open for an answer that agrees to be right, in words; "" if it does not.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> data = u.instance()
        >>> truth = Truth(u, {**data, "x": 1e6 * data["x"]})
        >>> openness(truth, Given("b_y", truth.value("b_y"))), openness(truth, Given("b_h", truth.value("b_h")))[:23]
        ('', 'rounding alone may move')
    """
    # the loss itself has no path, and its gradient is 1
    true, radius = truth.value(g.name), truth.radius(g.name, g.unit)
    if g.unit > SINGLE and np.linalg.norm(radius) > VAGUE * np.linalg.norm(true) and np.any(g.value != true):
        return f"half precision may move it by {np.max(radius):.0e}, and its largest entry is {np.abs(true).max():.0e}"
    return swamped(np.maximum(truth.scale(g.name), np.abs(true)), radius)


def digits_apart(truth: Truth, g: Given) -> float:
    """Decimal digits by which an answer is told apart from the truth: what chance would have to hit for another
    convention to fit.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> truth = Truth(u, u.instance())
        >>> b = truth.value("b_h")
        >>> digits_apart(truth, Given("b_h", b)), digits_apart(truth, Given("b_h", 2 * b)) > 40
        (0.0, True)
    """
    true = truth.value(g.name)
    if true.shape != g.value.shape:
        return np.inf
    with np.errstate(all="ignore"):
        digits = np.log10(np.abs(g.value - true) / np.maximum(radius_of(truth, g), 1e-300))
    return float(np.sum(np.maximum(digits, 0.0)))


def solid(a: Array) -> tuple[int, ...]:
    """The axes that are longer than one.

    Example:
        >>> solid(np.zeros((3, 1, 2)))
        (3, 2)
    """
    return tuple(n for n in a.shape if n != 1)


def each(g: Given, lay: Callable[[Array], Array]) -> Given:
    """The answer with its arrays in another layout.

    Example:
        >>> each(Given("W", np.zeros((2, 3)), half=np.ones((2, 3))), np.transpose).half.shape
        (3, 2)
    """
    half, rounding = (None if a is None or a.shape != g.value.shape else lay(a) for a in (g.half, g.rounding))
    return dataclasses.replace(g, value=lay(g.value), half=half, rounding=rounding)


def relaid(g: Given, true: Array, transposed: bool) -> Given:
    """The same numbers in the shape of the truth, read as transposed if the other matrices of the answer are.

    Example:
        >>> relaid(Given("W", np.zeros((2, 3))), np.zeros((3, 2)), False).value.shape
        (3, 2)
    """
    if g.value.size != true.size or (g.value.shape == true.shape and not (transposed and g.value.ndim == 2)):
        return g
    laid = each(g, (lambda a: a.T) if g.value.ndim == true.ndim == 2 else (lambda a: a.reshape(true.shape)))
    return laid if laid.value.shape == true.shape else g
