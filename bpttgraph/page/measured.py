"""Checked values for the page: what the complex step measures, from forward evaluations alone.

Nothing here reads a derivative rule. `by_use` measures each ∂E_t/∂W through the use at step k and the whole gradient
with `check.oracle.Probe`; `local` measures one factor: the source of a link moves, everything else that the target's
equation reads stays. The radii are those of `check`: what rounding may do, from a running error analysis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff import evaluate
from ..check.gradients import SAFETY
from ..check.oracle import COMPLEX_STEP, Probe
from ..rounding import rounding_error

if TYPE_CHECKING:
    from ..recurrence import Run, Unrolled
    from ..variables import Link

__all__ = ["Measured", "by_use", "local"]

UNIT = 2.0**-53
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Measured:
    """`gradient` and its `radius`, and (t, k) -> (value, radius), all flat; k counts the steps of the use's own block."""

    gradient: Array
    radius: Array
    cells: dict[tuple[int, int], tuple[Array, Array]]

    def agrees(self, value: Array) -> bool:
        return within(value, self.gradient, self.radius)


def within(value: Array, truth: Array, radius: Array | float) -> bool:
    """Entry by entry; what is not a number agrees with nothing."""
    return bool(np.all(np.abs(np.ravel(value) - np.ravel(truth)) <= np.ravel(radius)))


def by_use(u: Unrolled, name: str, run: Run) -> Measured:
    """Measure ∂E/∂name on a run of one example, and for a parameter each (t, k) of its triangle."""
    target = u.node(name)
    size = int(np.prod(target.shape))
    entries = np.arange(size)
    gradient = np.zeros(size)
    values: dict[tuple[int, int], Array] = {}
    with np.errstate(all="ignore"):
        for heads, cut in u._numbers.groups():
            probe = Probe(u, name, heads, cut, run.leaves)
            gradient += probe.complex_step(None, entries).sum(axis=(0, 2)) * u.weight
            for k in probe.copies if target.role == "parameter" else ():
                for head, row in zip(heads, probe.complex_step(k, entries).sum(axis=-1) * u.weight):
                    values[head.step, k] = values.get((head.step, k), 0.0) + row
    bounds = SAFETY * UNIT * run.triangle(name, rounding_error)
    bounds = bounds.reshape(*bounds.shape[:2], size)
    cells = {(t, k): (v, bounds[t - 1, k - 1]) for (t, k), v in values.items() if 1 <= k <= bounds.shape[1]}
    return Measured(gradient, bounds.sum(axis=(0, 1)), cells)


def local(u: Unrolled, link: Link, run: Run) -> Array:
    """The Jacobian of one link, (dim target, dim source); by a matrix, its entries row by row."""
    target, source = u.node(link.target), u.node(link.source)
    held = {n: run.array(n.name) for n in u.graph.nodes if n.name is not None and n is not target}
    size = int(np.prod(source.shape))
    lead = (1,) if source.batched or source.role == "parameter" else ()
    unit = np.eye(size).reshape(size, *lead, *source.shape)
    with np.errstate(all="ignore"):
        moved = evaluate([target], {**held, source: held[source] + 1j * COMPLEX_STEP * unit})[0]
    slope = np.imag(np.asarray(moved)) / COMPLEX_STEP
    rows = int(np.prod(target.shape))
    return np.broadcast_to(slope.reshape(-1, rows) if slope.size > rows else slope.reshape(1, rows), (size, rows)).T
