"""Derivatives as graphs: from the rule table to reverse mode, forward mode and numbers.

* `backward(seeds, targets)` builds the reverse pass (Werbos' ordered derivatives: the adjoint of a node is the sum,
  over its consumers, of their adjoint times the local derivative) and returns nodes, not numbers: they can be
  evaluated, printed, drawn or differentiated again.
* `forward(tangents, outputs)` builds the forward pass (real-time recurrent learning is this, applied to a recurrence).
* `evaluate(nodes, values)` computes numbers.

All three walk the nodes in order of their serial number: linear time, no recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import BPTTError
from .graph import Node, needed
from .primitives import expand, sum_to

__all__ = ["Backward", "backward", "evaluate", "evaluate_absolute", "forward", "pullback", "pushforward"]

EdgeKey = tuple[int, int, int]
"""An edge: the serial numbers of source and target, and the slot."""


def pullback(node: Node, slot: int, g: Node) -> Node | None:
    """The VJP of one edge: what a cotangent `g` of `node` contributes to its argument number `slot` (None for
    nothing)."""
    assert node.op is not None
    part = node.op.pull(node, slot, g, node, node.args, _reverse)
    return None if part is None else sum_to(part, node.args[slot])


def pushforward(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    """The JVP of one node: the change of `node` for given changes of its arguments (None for no change)."""
    assert node.op is not None
    op = node.op
    result: Node | None = None
    if op.joint:
        # linear in all arguments together: the operation itself, applied to the changes
        if op.signs is None or not any(t is None for t in tangents):
            result = op(*[t if t is not None else a.zeros() for t, a in zip(tangents, node.args)], **node.attrs)
            return result
        (only,) = [t if sign > 0 else -t for t, sign in zip(tangents, op.signs) if t is not None]
        result = expand(only, shape=node.shape)
        return result
    for slot, t in enumerate(tangents):
        part = None if t is None else op.push(node, slot, t, _reverse)
        if part is not None:
            part = expand(part, shape=node.shape)
            result = part if result is None else result + part
    return result


def _reverse(linear: Callable[[Node], Node | None], node: Node, like: Node, g: Node) -> Node | None:
    """The cotangent of an unknown small t, shaped like `like`, from that of `linear(t)`: a little graph of `node`,
    transposed."""
    t = like.blank()
    if node.batched:
        t.batched = True
    change = linear(t)
    return None if change is None else backward({change: g}, [t], since=t.serial).adjoints.get(t)


@dataclass
class Backward:
    """A reverse pass.

    Attributes:
        adjoints: node -> its adjoint (the total derivative of the seeded outputs by it), for all nodes on a path to a
            target.
        contributions: target -> the summands of its adjoint, as (consumer, slot, cotangent), one for each use.
    """

    adjoints: dict[Node, Node] = field(default_factory=dict)
    contributions: dict[Node, list[tuple[Node, int, Node]]] = field(default_factory=dict)


def backward(
    seeds: Mapping[Node, Node], targets: Iterable[Node], cut: Container[EdgeKey] = (), since: int = -1
) -> Backward:
    """Build the reverse pass from `seeds` (output -> its cotangent) to `targets`, not passing the edges in `cut`.

    Only nodes on a path from a target to an output are visited. Every use of a target keeps its own summand. Nodes made
    before number `since` are not looked at (they cannot depend on a target made later).
    """
    order = needed(seeds, since, cut)
    wanted = set(targets)
    on_path: set[int] = {node.serial for node in wanted}
    for node in order:  # a node is on a path if one of its arguments is
        if node.serial in on_path:
            continue
        if any(a.serial in on_path and (a.serial, node.serial, i) not in cut for i, a in enumerate(node.args)):
            on_path.add(node.serial)
    result = Backward(contributions={target: [] for target in wanted})
    sums = result.adjoints
    for output, seed in seeds.items():
        if output.serial in on_path:
            sums[output] = sums[output] + seed if output in sums else seed
    for node in reversed(order):
        if node.serial not in on_path or node not in sums:
            continue
        for slot, arg in enumerate(node.args):
            if arg.serial not in on_path or (arg.serial, node.serial, slot) in cut:
                continue
            part = pullback(node, slot, sums[node])
            if part is None:
                continue
            sums[arg] = sums[arg] + part if arg in sums else part
            if arg in wanted:
                result.contributions[arg].append((node, slot, part))
    return result


def forward(tangents: Mapping[Node, Node], outputs: Iterable[Node]) -> dict[Node, Node]:
    """Build the forward pass: the change of each node (of those that change) for the given changes of some nodes."""
    changed: dict[Node, Node] = dict(tangents)
    for node in needed(outputs):
        if node in changed or node.op is None:
            continue
        incoming = [changed.get(a) for a in node.args]
        if any(t is not None for t in incoming):
            result = pushforward(node, incoming)
            if result is not None:
                changed[node] = result
    return changed


# -- numbers -----------------------------------------------------------------------------------------------------------


def _own_value(node: Node) -> Any:
    """The value of a leaf that is not given one: a constant's, or a Tensor's."""
    if "value" in node.attrs:
        return node.attrs["value"]
    if hasattr(node, "value"):
        return node.value
    raise BPTTError(f"no value given for {node.name}", f'add "{node.name}" to the data')


class Plan:
    """A graph made ready for repeated evaluation: nodes in order, with the places of their arguments."""

    def __init__(self, outputs: Sequence[Node]):
        self.nodes = needed(outputs)
        place = {node.serial: i for i, node in enumerate(self.nodes)}
        self.place = place
        self.outputs = [place[node.serial] for node in outputs]
        self.leaves = [(i, n) for i, n in enumerate(self.nodes) if n.op is None]
        self.steps = [
            (i, n.op.value, [place[a.serial] for a in n.args], n.attrs)
            for i, n in enumerate(self.nodes)
            if n.op is not None
        ]

    def __call__(self, values: Mapping[Node, Any]) -> list[Any]:
        """The values of all nodes, in the order of `nodes`; `values` gives the leaves (and may override any node)."""
        slots: list[Any] = [None] * len(self.nodes)
        given: set[int] = set()
        for node, value in values.items():
            i = self.place.get(node.serial)
            if i is not None:
                slots[i] = value
                given.add(i)
        for i, node in self.leaves:
            if i not in given:
                slots[i] = _own_value(node)
        for i, function, args, attrs in self.steps:
            if i not in given:
                slots[i] = function(*[slots[a] for a in args], **attrs)
        return slots

    def results(self, values: Mapping[Node, Any], look: Callable[[Node, list[Any]], None] | None = None) -> list[Any]:
        """The values of the outputs alone, given the leaves: nothing is kept longer than it is read.

        `look(node, arguments)` sees every node that has a kink or does not take all arguments.
        """
        slots: list[Any] = [values[n] if n in values else _own_value(n) if n.op is None else None for n in self.nodes]
        for (i, function, args, attrs), spent in zip(self.steps, self._spent):
            given = [slots[a] for a in args]
            op = self.nodes[i].op
            if look is not None and op is not None and (op.kink is not None or op.domain is not None):
                look(self.nodes[i], given)
            slots[i] = function(*given, **attrs)
            for a in spent:
                slots[a] = None
        return [slots[i] for i in self.outputs]

    @cached_property
    def _spent(self) -> list[list[int]]:
        """For each step, the places that nothing reads after it."""
        return list(last_reads([args for _, _, args, _ in self.steps], self.outputs))


def last_reads(reads: Sequence[Iterable[int]], kept: Iterable[int]) -> Iterator[list[int]]:
    """For each step of a computation that reads these places, those that no later step reads and nobody wants to
    keep."""
    seen = set(kept)
    found = []
    for args in reversed(reads):
        found.append([a for a in set(args) if a not in seen])
        seen.update(args)
    return reversed(found)


def evaluate(outputs: Sequence[Node], values: Mapping[Node, Any]) -> list[Any]:
    """Numbers for `outputs`, given arrays for the leaves.

    >>> from bpttgraph.core.graph import constant, leaf
    >>> from bpttgraph.core.primitives import tanh
    >>> x = leaf("x")
    >>> y = tanh(x)
    >>> dx = backward({y: constant(1.0)}, [x]).adjoints[x]
    >>> [round(float(v), 6) for v in evaluate([y, dx], {x: np.float64(0.5)})]
    [0.462117, 0.786448]
    """
    plan = Plan(outputs)
    slots = plan(values)
    return [slots[i] for i in plan.outputs]


def evaluate_absolute(outputs: Sequence[Node], values: Mapping[Node, Any], seeds: Container[Node]) -> list[Any]:
    """S for a reverse pass: the sum of the absolute values of all path products, instead of their sum.

    Everything that does not depend on `seeds` is evaluated as it is. What depends on them is linear in them, and is
    evaluated with the absolute value of every factor and a plus for every minus. Unit roundoff times S bounds, up to a
    modest factor, the rounding error of any way to compute the same sum (N. Higham, Accuracy and Stability of Numerical
    Algorithms, 2002, chapter 3).

    >>> from bpttgraph.core.graph import leaf
    >>> g, x = leaf("g"), leaf("x")
    >>> evaluate_absolute([g * x - g * x], {g: np.float64(1.0), x: np.float64(-3.0)}, {g})
    [np.float64(6.0)]
    """
    nodes = needed(outputs, known=values)
    slots: dict[int, Any] = {}
    linear: set[int] = set()
    reads = [() if n in values else tuple(a.serial for a in n.args) for n in nodes]
    for node, spent in zip(nodes, last_reads(reads, [n.serial for n in outputs])):
        depends = node in seeds or any(a.serial in linear for a in node.args)
        if depends:
            linear.add(node.serial)
        if node in values:
            slots[node.serial] = np.abs(values[node]) if depends else values[node]
        elif node.op is None:
            slots[node.serial] = _own_value(node)
        elif not depends:
            slots[node.serial] = node.op.value(*[slots[a.serial] for a in node.args], **node.attrs)
        else:
            args = [np.abs(slots[a.serial]) for a in node.args]
            name = node.op.name
            slots[node.serial] = (
                args[0] if name == "neg" else sum(args) if name == "sub" else node.op.value(*args, **node.attrs)
            )
        for serial in spent:
            del slots[serial]
    return [slots[node.serial] for node in outputs]
