"""A trial of the schedule: once, on a small instance, its numbers are compared with those of the unrolled graph.

The proof (`proof`) shows that every value is there before it is read; that nothing was rewritten into something else
only numbers can show. Verdicts and derivations rest on numbers, so those who give them run by `Unrolled.tried`, which
makes this trial first. The same equations are compared over a few steps, so a trial does not grow with T; only where
the parameters are few are they of the same sizes.
"""

from __future__ import annotations

from collections.abc import Collection
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BPTTError

if TYPE_CHECKING:
    from ..facade import Unrolled
    from .graph import UnrolledGraph
    from .numbers import Run

__all__ = ["fault"]

STEPS = 5
LARGE = 20_000  # numbers in the parameters, beyond which smaller sizes are tried
TOLERANCE = 1e-9  # of the largest number; sums in another order differ by about 1e-15
SEED = 0


def fault(u: UnrolledGraph, batched: bool, hot: Collection[str], wide: bool) -> str:
    """What is wrong with the schedule, as a text to send; "" if nothing was found.

    Args:
        batched: whether there are several examples. hot: inputs that are one-hot. wide: whether a step is as large as
            `Layout` asks.
    """
    small = _small(u)
    small.schedule.wide, small.schedule.large = wide, 0
    try:
        data = small.instance(SEED, 2 if batched else None)
    except BPTTError:  # no random numbers inside the domain of every function: there is nothing to compare
        return ""
    for key in hot:
        array = data[key]
        if array.dtype.kind == "f":
            data[key] = np.eye(array.shape[-1])[
                np.random.default_rng(SEED).integers(array.shape[-1], size=array.shape[:-1])
            ]
    plain = small.numbers.run(data, schedule=False)
    try:
        differs = _difference(small.numbers.run(data), plain)
    except (ArithmeticError, IndexError, KeyError, TypeError, ValueError) as error:
        differs = f"it ends in {type(error).__name__}: {error}"
    if not differs:
        return ""
    sizes = {
        name: small.shapes[name]
        for name in (*small.recurrence.inputs, *small.recurrence.defined)
        if name in small.shapes
    }
    return (
        f"a fault of bpttgraph: the schedule over time does not compute what the equations say ({differs}). The"
        " unrolled graph is used instead, and nothing here is wrong. Please report this: equations"
        f" {'; '.join(small.recurrence.equations)}; {'; '.join(small.conventions)}; sizes {sizes};"
        f" {'batch of 2, ' if batched else ''}seed {SEED}"
    )


def _small(u: UnrolledGraph) -> Unrolled:
    """The same recurrence and options over a few steps: as many as a delay or a chunk of truncation needs to show."""
    rule = u.truncation
    reach = max([abs(r.delay) for r in u.recurrence.reads if r.delay is not None] + [0])
    chunk = rule.window if rule is not None and rule.window <= 10 * STEPS else 0
    least = max(STEPS, 2 * max(reach, chunk), u.recurrence.steps_hint)
    steps = {block: min(n, least) for block, n in u.steps.items()}
    if _numbers(u) > LARGE:
        try:
            smaller = u.over(steps, None)
        except BPTTError:  # these equations need the sizes given
            return u.over(steps, u.given_sizes)
        if all(len(smaller.shapes[name]) == len(shape) for name, shape in u.shapes.items() if name in smaller.shapes):
            return smaller
    return u.over(steps, u.given_sizes)


def _numbers(u: UnrolledGraph) -> int:
    return sum(prod(slot.shape) for slot in u.slots.values() if slot.role == "parameter")


def _difference(quick: Run, plain: Run) -> str:
    """Where two runs differ, in words; "" if they do not, or if the numbers are not finite."""
    pairs: list[tuple[str, Any, Any]] = [("the loss", quick.loss, plain.loss)]
    pairs += [(f"dE/d{name}", quick.gradients[name], plain.gradients[name]) for name in plain.gradients]
    if not all(np.all(np.isfinite(b)) for _, _, b in pairs):
        return ""
    largest = 1.0 + max(float(np.abs(b).max(initial=0.0)) for _, _, b in pairs)
    for what, a, b in pairs:
        off = float(np.abs(a - b).max(initial=0.0))
        if not off <= TOLERANCE * largest:  # also where it is no number
            return f"{what} is off by {off:.3g}"
    return ""
