"""The forward pass that was run: is it that of the equations, to how many digits, and what is the truth if it is
not?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.rounding import rounding_error
from ..answers.files import Numbers
from ..answers.given import Forward
from ..programs.functions import by_differences
from .truth import SAFETY, Truth, U

if TYPE_CHECKING:
    from ...core.graph import Node

__all__ = ["Off", "Ran", "digits", "forward_of", "loss_off", "relative", "returned_loss", "values_off"]

Array = np.ndarray[Any, Any]
Off = tuple[float, str]
"""How far it is off, relative to the largest value, and from which step on, in words."""
LOSSES = ("loss", "L", "E", "J")  # a function may return its loss beside the gradients, under one of these names
WIDE = 2.0  # times the radius of our own arrangement: students add up in other orders


def values_off(truth: Truth, variable: str, given: Array) -> Off | None:
    """Compare the values of a variable at all steps, `(T, [N,] n)`; None if they differ by rounding only.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> truth = Truth(u, u.instance())
        >>> h = np.stack([truth.run.values[f"h[{t}]"] for t in (1, 2, 3)])
        >>> values_off(truth, "h", h), values_off(truth, "h", h * [[1], [1.5], [1]])[1]
        (None, ', from step 2 on')
    """
    nodes = [truth.u.node(f"{variable}[{t + 1}]") for t in range(len(given))]
    true = [np.asarray(truth.run.values[n.name]) for n in nodes if n.name]
    beyond = [
        t
        for t, (a, b, r) in enumerate(zip(given, true, _rounding(truth, nodes)), 1)
        if not np.all(np.abs(a - b) <= np.reshape(r, b.shape) + WIDE * U * np.abs(b))
    ]
    if not beyond:
        return None
    return relative(np.asarray(given, float), np.stack(true)), f", from step {beyond[0]} on"


def loss_off(truth: Truth, given: float) -> Off | None:
    """Compare the loss.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> truth = Truth(u, u.instance())
        >>> loss = float(np.sum(truth.run.loss))
        >>> loss_off(truth, loss), loss_off(truth, 2 * loss)
        (None, (1.0, ''))
    """
    nodes = [truth.u.node(head.name) for head in truth.u.heads]
    sizes = [np.abs(truth.run.values[n.name]).sum() for n in nodes if n.name]
    radius = sum(float(np.sum(r)) for r in _rounding(truth, nodes)) + WIDE * U * float(sum(sizes)) * len(nodes)
    true = float(np.sum(truth.run.loss))
    return None if abs(given - true) <= radius else (relative(np.asarray(given), np.asarray(true)), "")


def _rounding(truth: Truth, nodes: list[Node]) -> list[Array]:
    return [WIDE * SAFETY * U * np.abs(np.asarray(e)) for e in truth.run.read_nodes(nodes, None, rounding_error)]


def relative(given: Array, true: Array) -> float:
    """The largest error, relative to the largest true value; 1 if that is no number.

    Example:
        >>> relative(np.array([1.0, 2.5]), np.array([1.0, 2.0]))
        0.25
    """
    with np.errstate(all="ignore"):
        found = float(np.abs(given - true).max(initial=0.0) / max(float(np.abs(true).max(initial=0.0)), 1e-300))
    return found if np.isfinite(found) else 1.0


def returned_loss(
    truth: Truth,
    function: Any,
    data: Mapping[str, Any],
    numbers: dict[str, Numbers],
    target: Callable[[str], str | None],
    inward: Callable[[Mapping[str, Numbers]], Mapping[str, Numbers]] = lambda own: own,
) -> Forward | None:
    """The loss that a function returned beside its gradients is taken out of `numbers`; another one has gradients of
    its own.

    Args:
        data: what the function gets. target: whose gradient, in `data`, a key of `numbers` is. inward: to the
            recurrence's layout.
    """
    key = next((k for k, n in numbers.items() if k in LOSSES and n.value.size == 1 and target(k) is None), None)
    off = None if key is None else loss_off(truth, float(numbers.pop(key).value))
    if key is None or off is None:
        return None
    names = [n for n in map(target, numbers) if n is not None and n in data]
    own = inward({n: Numbers(v, e) for n, (v, e) in by_differences(function, data, key, names).items()})
    return forward_of("the loss", off, own)


def forward_of(what: str, off: Off, numbers: Mapping[str, Numbers]) -> Forward:
    """The sentence, and what to judge the gradient against: its own gradients by differences, each with half of its
    uncertainty."""
    own = {k: (n.value, np.zeros(n.value.shape) if n.half is None else n.half) for k, n in numbers.items()}
    largest = max((float(np.abs(v).max(initial=0.0)) for v, _ in own.values()), default=0.0)
    error = max((float(e.max(initial=0.0)) for _, e in own.values()), default=0.0)
    alike = digits(off[0])
    agrees = f"agrees to {alike} digits" if alike > 1 else "is another"
    judged = digits(error / max(largest, 1e-300))
    return Forward(
        f"the forward pass that was run is not that of the equations: {what} {agrees}{off[1]}; "
        f"the gradient is judged against the forward pass that was run, by differences of it (to {judged} digits)",
        off[0], own,
    )  # fmt: skip


def digits(error: float) -> int:
    """Decimal digits that agree, of a relative error.

    Example:
        >>> digits(3e-5), digits(2.0)
        (4, 0)
    """
    return max(0, int(np.floor(-np.log10(max(error, 1e-17)))))


class Ran(Truth):
    """The truth for a forward pass that was run and is not that of the equations: its own gradients, to within their
    errors."""

    def __init__(self, truth: Truth, forward: Forward):
        self.__dict__.update(truth.__dict__)
        self.forward = forward

    def value(self, name: str) -> Array:
        own = self.forward.own.get(name)
        return super().value(name) if own is None else own[0]

    @cached_property
    def _apart(self) -> float:
        """How far its gradients are from those of the equations, in units of S."""
        pairs = ((np.abs(v - Truth.value(self, n)), self.scale(n)) for n, (v, _) in self.forward.own.items())
        return max((float(np.max(a / np.maximum(s, 1e-300), initial=0.0)) for a, s in pairs), default=0.0)

    def radius(self, name: str, unit: float = U) -> Array:
        radius = super().radius(name, unit)
        if name not in self.forward.own:
            return radius
        # where it is nearly that of the equations, a mistake that is tried out on ours is off by as much
        shared = 4 * self._apart * self.scale(name) if self.forward.near else 0.0
        return np.asarray(radius + self.forward.own[name][1] + shared)
