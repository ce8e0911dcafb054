"""Truth: the gradient on an instance, and how far rounding may carry a right answer from it.

Two sources that share no derivative rule must agree: the reverse pass, and forward evaluations with a complex step. If they do not,
the tool says that it is itself broken; no answer is judged then. Errors are measured in u·S: unit roundoff times the sum of the
absolute values of all path products.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff import evaluate_absolute
from ..rounding import rounding_error

if TYPE_CHECKING:
    from ..graph import Node
    from ..recurrence import Run, Unrolled

__all__ = ["Truth", "U"]

Array = np.ndarray[Any, Any]
U = 2.0**-53
SAFETY = 16.0  # standard deviations of the rounding of our own arrangement of the sum
ARRANGEMENT = 4.0  # and units of u·S for another one


class Truth:
    """The true gradient of an unrolled recurrence on one instance.

    Args:
        u: the unrolled recurrence. data: the instance; its numbers are taken as exact and widened to float64.

    Attributes:
        u, data: as given. run: the numbers, in float64.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> truth = Truth(u, u.instance())
        >>> bool((truth.radius("W_hh") < 1e-13).all())
        True
    """

    def __init__(self, u: Unrolled, data: Mapping[str, Any]):
        self.u = u
        self.data = {k: _wide(v) for k, v in data.items()}
        self.run: Run = u.run(self.data)
        self._read: dict[tuple[str, str], Array] = {}

    def value(self, name: str) -> Array:
        """The gradient by a parameter, an initial state or any variable, in the shape of `run.gradients`."""
        return self.run.gradient(name)

    def scale(self, name: str) -> Array:
        """S, the sum of the absolute values of all path products, entry by entry, in the shape of `value`."""
        return self._reading(name, "scale")

    def rounding(self, name: str) -> Array:
        """Standard deviation of the rounding error of the reverse pass, in units of u, in the shape of `value`."""
        return self._reading(name, "rounding")

    def radius(self, name: str, unit: float = U) -> Array:
        """How far rounding may carry a right answer, computed with unit roundoff `unit`, entry by entry."""
        unit = max(unit, U)
        return (SAFETY * self.rounding(name) + ARRANGEMENT * self.scale(name)) * unit

    def _reading(self, name: str, kind: str) -> Array:
        if (name, kind) not in self._read:
            numbers = self.run.numbers
            together = list(numbers.leaf_nodes) if name in numbers.leaf_nodes else [name]
            if name in self.u.leaves and name not in numbers.leaf_nodes:  # a whole sequence
                parts = [self._reading(n.name or "", kind) for _, n in self.u.leaves[name]]
                self._read[name, kind] = np.stack(parts)
                return self._read[name, kind]
            groups = {
                n: self.run._gradient_nodes[n] if n in numbers.leaf_nodes else numbers.adjoint(self.u.node(n))
                for n in together
            }
            seeds = set(numbers.seeds.values())
            read = rounding_error if kind == "rounding" else lambda nodes, given: evaluate_absolute(nodes, given, seeds)
            flat = self.run._evaluate([node for nodes in groups.values() for node in nodes], None, read)
            for n, nodes in groups.items():
                found, flat = flat[: len(nodes)], flat[len(nodes) :]
                target = numbers.leaf_nodes.get(n) or self.u.node(n)
                self._read[n, kind] = np.abs(self.run._shaped(target, [np.asarray(f, float) for f in found]))
        return self._read[name, kind]

    # -- kinks --------------------------------------------------------------------------------------------------------

    @cached_property
    def _on_kink(self) -> list[tuple[Node, float]]:
        """Kinked units, each with its distance from the kink in standard deviations of rounding (in units of u)."""
        plan = self.run.numbers.forward_plan
        kinked = [n for n in plan.nodes if n.op is not None and n.op.kink is not None]
        if not kinked:
            return []
        given: dict[Node, Any] = {n: self.run._slots[n.serial] for n in plan.nodes}
        found = []
        with np.errstate(all="ignore"):
            errors = iter(rounding_error([a for n in kinked for a in n.args], given))
            for node in kinked:
                assert node.op is not None and node.op.kink is not None
                noise = sum(next(errors) for _ in node.args)
                distance = np.abs(node.op.kink(*[given[a] for a in node.args], **node.attrs))
                least = np.min(np.where(distance == 0, 0.0, distance / np.maximum(noise, 1e-300)))
                found.append((node, float(least)))
        return found

    def undecidable(self, name: str, unit: float = U) -> str:
        """The unit that sits on its kink, in words, if the gradient by `name` passes one; "" if it is decidable."""
        from ..graph import needed

        target = None
        for node, distance in self._on_kink:
            if distance > SAFETY * max(unit, U):
                continue
            if target is None:
                sources = self.u.leaves[name] if name in self.u.leaves else [(None, self.u.node(name))]
                target = {n.serial for _, n in sources}
            if any(n.serial in target for n in needed([node])):
                assert node.op is not None
                return f"{node.op.name} in {node.name or node.owner} sits on its kink"
        return ""


def _wide(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind == "f" else value
