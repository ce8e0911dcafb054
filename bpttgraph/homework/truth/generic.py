"""Which instances hide mistakes. On a generic one none of the catalogue can hide; others are refused for grading, or
flagged.

`faults` lists what an instance cannot show: one step hides everything that is carried, h[0] = 0 hides the first use, a
symmetric matrix hides its transpose, tiny weights hide the derivative of the nonlinearity, a single example hides a
mean over the batch, and units that are saturated many steps in a row hide the longest paths behind the rounding of
double precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from .truth import Truth

if TYPE_CHECKING:
    from ...unrolled import Unrolled

__all__ = ["faults", "hidden_window", "visible"]

MOST_TRIANGLE = 200_000  # numbers in the triangle of one parameter
FADES = 8  # steps over which a path may fade to nothing
TINY = 0.03  # weights below this make every function nearly linear


def faults(truth: Truth) -> list[tuple[bool, str]]:
    """What the instance of `truth` cannot show, as (serious, sentence). Serious faults refuse an instance that we chose
    ourselves.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(2)
        >>> [sentence[:5] for serious, sentence in faults(Truth(u, u.instance())) if serious]
        ['T = 2']
    """
    u, data = truth.u, truth.data
    found: list[tuple[bool, str]] = []
    steps = min(u.steps.values())
    if steps < 3:
        found.append((True, f"T = {steps}: with fewer than 3 steps, what is carried over several steps does not show"))
    for key, rows in u.leaves.items():
        node = rows[0][1]
        value = np.asarray(data.get(key, 0.0), float)
        largest = np.abs(value).max(initial=0.0)
        square = len(node.shape) == 2 and node.shape[0] == node.shape[1] > 1
        if node.role == "initial" and not largest and key.partition("[")[0] in u.recurrence.states:
            found.append((True, f"{key} = 0: the use of a weight at the first step does not show"))
        elif node.role == "parameter" and square and np.array_equal(value, value.T):
            found.append((True, f"{key} is symmetric: a missing transpose does not show"))
        elif node.role == "parameter" and len(node.shape) == 2 and largest < TINY:
            found.append(
                (True, f"{key} is tiny (at most {largest:.1g}): the derivative of the nonlinearity hardly shows")
            )
        elif node.role == "upstream" and len(value) > 1 and np.all(value == value[:1]):
            found.append((True, f"{key} is the same at every step: a shift by one step does not show"))
    found += _sizes(truth)
    window = hidden_window(truth)
    if window is not None:
        found.append(
            (
                False,
                (
                    f"what reaches back {window} steps or more lies below the rounding of double precision: "
                    "BPTT truncated there cannot be told from the full gradient"
                ),
            )
        )
    return found


def _sizes(truth: Truth) -> list[tuple[bool, str]]:
    """A batch that may be mistaken for another axis, or that is none."""
    u, batch = truth.u, truth.run.batch
    if batch is None:
        return []
    if batch == 1:
        return [(False, "a batch of one: a mean over the batch does not show")]
    axes = {"T": max(u.steps.values())} | {name: u.shapes[name][0] for name in u.recurrence.states if u.shapes[name]}
    same = [name for name, size in axes.items() if size == batch]
    return (
        [(False, f"{same[0]} and the batch are both {batch}: exchanged axes do not show in the shapes")] if same else []
    )


def visible(u: Unrolled, data: Mapping[str, Any]) -> Truth:
    """The truth on an instance of our own, with smaller inputs and biases if saturated units would hide the longest
    paths.

    A unit with |h| near 1 lets little through, and 20 of them in a row nothing: smaller inputs keep them awake. If that
    is not enough (a hundred steps), the instance stays as it is and the verdict says what it cannot show.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> hidden_window(visible(u, u.instance())) is None
        True
    """
    first = truth = Truth(u, data)
    for _ in range(3):
        if hidden_window(truth) is None:
            return truth
        truth = Truth(u, {key: 0.5 * np.asarray(v) if _drives(u, key) else v for key, v in truth.data.items()})
    return truth if hidden_window(truth) is None else first


def _drives(u: Unrolled, key: str) -> bool:
    """Inputs and biases: what pushes units to their limits without being part of a path."""
    slot = u.slots.get(key)
    return slot is not None and (slot.role == "input" or (slot.role == "parameter" and len(slot.shape) == 1))


def hidden_window(truth: Truth) -> int | None:
    """The shortest truncation that rounding hides, None if the longest paths show (or the model is too large for a
    triangle).

    A proof, not a guess: the terms dE_t/dW through step k with t − k at least that are computed for every parameter,
    and together they lie within the radius of the gradient, so no answer in double precision could be rejected for
    lacking them.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(20)
        >>> data = u.instance()
        >>> hidden_window(Truth(u, data)), hidden_window(Truth(u, {**data, "x": 20 * data["x"]}))
        (None, 12)
    """
    u, run = truth.u, truth.run
    steps = max(u.steps.values())
    small = all(steps**2 * prod(node.shape) <= MOST_TRIANGLE for node in u.parameters.values())
    if steps < FADES or len(u.steps) > 1 or not small:
        return None
    lags = np.arange(steps)[:, None] - np.arange(steps)[None]
    triangles = []
    for name in u.parameters:
        triangle = run.contributions(name)
        if triangle.shape[:2] != (steps, steps):
            continue
        radius = np.maximum(truth.radius(name), np.finfo(float).tiny)
        if np.any(np.abs(triangle[lags == steps - 1].sum(axis=0)) > radius):
            return None  # the longest path shows
        triangles.append((triangle, radius))
    shortest = None
    # what is cut for reasons of its own (truncation asked for, loss on the last step only) does not count as hidden
    reach = [w for w in range(1, steps) if any(np.any(t[lags == w]) for t, _ in triangles)]
    for window in reversed(reach):
        if any(np.any(np.abs(t[lags >= window].sum(axis=0)) > r) for t, r in triangles):
            break
        shortest = window
    return shortest
