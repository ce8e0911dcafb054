"""Checked values for the page: what the complex step measures, from forward evaluations alone.

Nothing here reads a derivative rule. `by_use` measures each ∂E_t/∂W through the use at step k and the whole gradient
with `check.oracle.Probe`; `local` measures one factor: the source of a link moves, everything else that the target's
equation reads stays. The radii are those of `check`: what rounding may do, from a running error analysis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..check.oracle import COMPLEX_STEP, Probe
from ..check.readings import Reading, radii_of_uses, whole_radii
from ..check.series import Along, Series, measure
from ..core.autodiff import evaluate

if TYPE_CHECKING:
    from ..core.variables import Link
    from ..unrolled import Run, Unrolled

__all__ = ["Measured", "by_use", "local"]

UNIT = 2.0**-53
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Measured:
    """`gradient` and its `radius`, and (t, k) -> (value, radius), all flat; k counts the steps of the use's own
    block."""

    gradient: Array
    radius: Array
    cells: dict[tuple[int, int], tuple[Array, Array]]

    def agrees(self, value: Array) -> bool:
        return within(value, self.gradient, self.radius)


def within(value: Array, truth: Array, radius: Array | float) -> bool:
    """Entry by entry; what is not a number agrees with nothing."""
    return bool(np.all(np.abs(np.ravel(value) - np.ravel(truth)) <= np.ravel(radius)))


def by_use(u: Unrolled, name: str, run: Run, errors: Reading | None = None) -> Measured:
    """Measure ∂E/∂name on a run of one example, and for a parameter each (t, k) of its triangle; `errors` reads the
    rounding."""
    node = u.node(name)
    along = Along(int(np.prod(node.shape)), np.arange(int(np.prod(node.shape))))
    steps = sorted({max(use.step, 1) for use in node.uses if use.step is not None}) if node.role == "parameter" else []
    losses = sorted({h.step for h in u.heads})
    whole, uses = Series(u, name, along, True), Series(u, name, along, True, steps, losses)
    with np.errstate(all="ignore"):
        for heads, cut in u.numbers.groups():
            measure(Probe(u, [name], heads, cut, run.leaves), [whole, uses])
    radii = radii_of_uses(run, [(name, k) for k in steps], losses, errors) if steps else {}
    cells = {
        (t, k): (uses.value[i, j], UNIT * np.ravel(radii[name, k][1][i]))
        for i, t in enumerate(losses)
        for j, k in enumerate(steps)
    }
    _, radius = whole_radii(run, [name], errors)[name]
    return Measured(whole.value.sum(axis=1), UNIT * np.ravel(radius), cells)


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
