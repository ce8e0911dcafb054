"""Derivatives along directions, by forward evaluations only: a few random ones check a gradient of any size.

The cost does not depend on the number of parameters: K directions are K forward passes, stacked. If one of them disagrees, `locate`
goes from all parameters to single tensors and by bisection to an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff import Plan
from .oracle import COMPLEX_STEP, Probe

if TYPE_CHECKING:
    from ..graph import Node
    from ..recurrence import Unrolled

__all__ = ["Directional", "locate"]

Array = np.ndarray[Any, Any]


class Directional:
    """Measure how the total loss, summed over the batch, changes along directions in the space of all leaves.

    Args:
        u: the unrolled recurrence. leaves: its leaves' arrays, batch in front, in float64.

    Attributes:
        oracle: "the complex step", or "central differences" if an operation of the graph cannot go complex.
    """

    def __init__(self, u: Unrolled, leaves: Mapping[Node, Array]):
        self.u, self.leaves = u, dict(leaves)
        self.plan = Plan([u.node(u.total)])
        self.analytic = all(n.op is None or n.op.analytic for n in self.plan.nodes)
        self.oracle = "the complex step" if self.analytic else "central differences"
        self._probes: dict[str, list[Probe]] = {}

    def along(self, directions: Mapping[str, Array]) -> tuple[Array, Array]:
        """Derivatives (K,) along K directions, `(K, *shape)` by name, and the oracle's own estimate of its error."""
        with np.errstate(all="ignore"):
            if self.u.edge_cuts:
                return self._truncated(directions)
            count = len(next(iter(directions.values())))
            if self.analytic:
                return np.imag(self._losses(directions, 1j * COMPLEX_STEP)) / COMPLEX_STEP, np.zeros(count)
            h = 2e-2
            table: list[Any] = [
                (self._losses(directions, s) - self._losses(directions, -s)) / (2 * s) for s in (h, h / 2, h / 4, h / 8)
            ]
            noise = float(np.abs(self._losses(directions, 0.0)).max()) * 1e-15 * 8 / h
        last, power = table, 4.0
        while len(table) > 1:
            last, table = table, [(power * b - a) / (power - 1) for a, b in pairwise(table)]
            power *= 4
        return table[0], np.abs(last[0] - last[1]) + 4 * noise

    def _losses(self, directions: Mapping[str, Array], step: complex) -> Array:
        values: dict[Node, Any] = dict(self.leaves)
        for name, d in directions.items():
            node = self.u.node(name)
            values[node] = self.leaves[node] + step * d.reshape(len(d), 1, *node.shape)
        count = len(next(iter(directions.values())))
        loss = np.asarray(self.plan(values)[self.plan.outputs[0]])
        if self.u.node(self.u.total).batched:
            loss = loss.sum(axis=-1)
        return np.broadcast_to(loss.reshape(-1)[:count], (count,))

    def _truncated(self, directions: Mapping[str, Array]) -> tuple[Array, Array]:
        """With truncation: perturbations stop at cut edges, which differ from loss to loss, so each name and group on its own."""
        value: Any = 0.0
        error: Any = 0.0
        for name, d in directions.items():
            if name not in self._probes:
                groups = self.u._numbers.groups()
                self._probes[name] = [Probe(self.u, name, heads, cut, self.leaves) for heads, cut in groups]
            for probe in self._probes[name]:
                flat = d.reshape(len(d), -1)
                if self.analytic:
                    value = value + probe.complex_step(None, flat).sum(axis=(0, 2)) * self.u.weight
                else:
                    best, estimate = probe.differences(None, flat)
                    value = value + best.sum(axis=(0, 2)) * self.u.weight
                    error = error + estimate.sum(axis=(0, 2)) * self.u.weight
        return value, error + np.zeros(np.shape(value))


Compare = Callable[[Mapping[str, Array]], bool]


def locate(agrees: Compare, shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> tuple[str, tuple[int, ...]] | None:
    """The first entry on which two gradients disagree: all tensors, one tensor, then half of it, and so on.

    Args:
        agrees: whether they agree along given directions. shapes: the tensors.

    Returns:
        Name and index of an entry; None if everything agrees.
    """
    rng = np.random.default_rng(seed)

    def directions(name: str, start: int, stop: int) -> dict[str, Array]:
        d = np.zeros((8, int(np.prod(shapes[name]))))
        d[:, start:stop] = rng.normal(size=(8, stop - start))
        return {name: d.reshape(8, *shapes[name])}

    if agrees({n: rng.normal(size=(8, *s)) for n, s in shapes.items()}):
        return None
    for name, shape in shapes.items():
        start, stop = 0, int(np.prod(shape))
        if agrees(directions(name, start, stop)):
            continue
        while stop - start > 1:
            middle = (start + stop) // 2
            if agrees(directions(name, start, middle)):
                start = middle
            else:
                stop = middle
        return name, tuple(int(i) for i in np.unravel_index(start, shape)) if shape else ()
    return None
