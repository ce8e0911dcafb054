"""Derivatives along directions, by forward evaluations only: a few random ones check a gradient of any size.

The cost does not depend on the number of parameters: K directions are K forward passes, stacked. If one of them
disagrees, `locate` goes from all parameters to single tensors and by bisection to an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .oracle import Move, Probe

if TYPE_CHECKING:
    from ..core.graph import Node
    from ..unrolled import Unrolled

__all__ = ["Directional", "locate"]

Array = np.ndarray[Any, Any]


class Directional:
    """Measure how the total loss, summed over the batch, changes along directions in the space of some variables.

    Args:
        u: the unrolled recurrence. names: the variables. leaves: the leaves' arrays, batch in front, in float64.

    Attributes:
        oracle: "the complex step", or "central differences" if an operation of the graph cannot go complex.
    """

    def __init__(self, u: Unrolled, names: Iterable[str], leaves: Mapping[Node, Array]):
        self.u = u
        names = list(names)
        self.probes = [Probe(u, names, heads, cut, leaves) for heads, cut in u.numbers.groups()]
        self.analytic = all(p.analytic for p in self.probes)
        self.oracle = "the complex step" if self.analytic else "central differences"

    def along(self, directions: Mapping[str, Array], scale: float = 1.0) -> tuple[Array, Array]:
        """Derivatives (K,) along K directions, `(K, *shape)` by name, and the oracle's own estimate of its error.

        `scale`: what the steps of differences are multiplied by; the complex step knows none.
        """
        for p in self.probes:
            p.scale = scale
        move: Move = {(name, None): d.reshape(len(d), -1) for name, d in directions.items()}
        with np.errstate(all="ignore"):
            found = [
                m for p in self.probes for m in (p.complex_step([move]) if self.analytic else p.differences([move]))
            ]
        value, estimate = (
            sum(a.sum(axis=(0, 2)) for a in arrays) for arrays in zip(*[(m.value, m.estimate) for m in found])
        )
        return value * self.u.weight, estimate * self.u.weight


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
