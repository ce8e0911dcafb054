"""The alternative reverse pass: backpropagation in which some edges are differentiated wrongly.

All mistakes are tried in one pass: adjoints are arrays with one row a mistake in front, `(M, B, *shape)`, and `(M, 1,
*shape)` for what all examples share. At every edge the right VJP from the rule table is applied to all rows; then the
rows whose mistake touches this edge are overwritten by what the mistake makes of it. A mistake at an edge is a factor
(0: dropped, 2: counted twice) or a `Rewrite` of the `Pull`, the terms of which the VJP is made: the cotangent, the
function's value, the operands, who receives the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.autodiff import pullback
from ...core.graph import Node, leaf, needed
from ...core.primitives import sum_to
from .places import Edge, Places

if TYPE_CHECKING:
    from ...unrolled import Unrolled
    from ...unrolled.numbers import Run

__all__ = ["Change", "Pull", "Reverse", "Rewrite"]

Array = np.ndarray[Any, Any]


@dataclass
class Pull:
    """The VJP of one edge, in its terms, which a `Rewrite` may replace before it is built.

    Attributes:
        g: the cotangent of the edge's target. y: the target's value. args: its arguments.
        partial: the derivative of an elementwise operation, as a function of (y, *args).
        to: who receives the result (the edge's source). result: the finished VJP, if a rewrite makes it directly.
    """

    edge: Edge
    places: Places
    g: Node
    y: Node
    args: list[Node]
    to: Node
    partial: Callable[..., Any] | None = None
    result: Any = None
    bars: dict[int, Node] = field(default_factory=dict)

    def bar(self, node: Node) -> Node:
        """The adjoint of a node that the pass has come through already."""
        if node.serial not in self.bars:
            self.bars[node.serial] = leaf(f"bar#{node.serial}", node.shape, batched=node.batched)
        return self.bars[node.serial]

    def build(self) -> Node | None:
        if self.result is not None:
            found: Node | None = sum_to(self.result, self.to)
            return found
        node, slot = self.edge.node, self.edge.slot
        op = node.op
        assert op is not None
        if op.kind == "elementwise":
            partial = self.partial or op.rule[slot]
            return None if partial is None else sum_to(self.g * partial(self.y, *self.args, **node.attrs), self.to)
        if op.kind == "bilinear":
            found = sum_to(op.rule[slot](self.g, *self.args, **node.attrs), self.to)
            return found
        return pullback(node, slot, self.g)


@dataclass(frozen=True)
class Rewrite:
    """What a mistake makes of a VJP. Rewrites with the same tag do the same."""

    tag: tuple[Any, ...]
    change: Callable[[Pull], None] = field(compare=False)


Change = float | Rewrite


class _Compiled:
    """An expression in a cotangent, ready for many values of it; what does not depend on the cotangent is computed
    once."""

    def __init__(self, output: Node, inputs: Sequence[Node], known: Mapping[int, Any], forward: set[Node], batch: int):
        moving = {n.serial for n in inputs}
        self.inputs = [n.serial for n in inputs]
        self.slots: dict[int, Any] = {}
        self.steps: list[tuple[Node, list[int]]] = []
        for node in needed([output], known=forward):
            if node in forward:
                self.slots[node.serial] = known[node.serial]
            elif node.serial in moving:
                continue
            elif node.op is None:
                self.slots[node.serial] = node.attrs["value"]
            elif any(a.serial in moving for a in node.args):
                moving.add(node.serial)
                self.steps.append((node, [a.serial for a in node.args]))
            else:
                self.slots[node.serial] = node.op.value(*[self.slots[a.serial] for a in node.args], **node.attrs)
        self.output, self.moves = output, output.serial in moving
        self.shape = (batch if output.batched else 1, *output.shape)

    def __call__(self, values: Sequence[Array]) -> Array:
        """The values of the expression, (rows, B or 1, *shape), for cotangents of that form."""
        slots = dict(self.slots)
        slots.update(zip(self.inputs, values))
        for node, args in self.steps:
            assert node.op is not None
            value = node.op.value(*[slots[a] for a in args], **node.attrs)
            # a sum over the examples leaves one that they share
            slots[node.serial] = value if value.ndim == len(node.shape) + 2 else value[:, None]
        value = np.asarray(slots[self.output.serial])
        return np.broadcast_to(value, (len(values[0]), *self.shape))


class Reverse:
    """Reverse passes with mistakes over one run.

    Args:
        u: the unrolled recurrence; run: its numbers, whose forward values are shared by all mistakes.
        places: its edges (`Places(u)`), if they are known already.
    """

    def __init__(self, u: Unrolled, run: Run, places: Places | None = None):
        self.u, self.run = u, run
        self.alias: dict[str, Node] = {}  # inner nodes whose adjoint may be asked for, under names of the student's own
        self.places = places or Places(u)
        # also of what no loss reads: a mistake may read it
        self.forward = {*self.places.order, *run.numbers.forward_plan.nodes}
        self.known = {n.serial: run.node_values[n.serial] for n in self.forward}
        self.batch = run.batch or 1
        self.heads = [(h, u.node(h.name)) for h in u.heads]
        self._compiled: dict[Any, tuple[_Compiled, Node, dict[int, Node]] | None] = {}

    def seeds(self, rows: int = 1) -> Array:
        """The right seeds, (rows, losses, B): 1 for every loss, or 1/N for their mean."""
        return np.full((rows, len(self.heads), self.batch), self.u.weight)

    def _pull(self, edge: Edge, rewrite: Rewrite | None) -> tuple[_Compiled, Node, dict[int, Node]] | None:
        key = (edge.index, rewrite.tag if rewrite else None)
        if key not in self._compiled:
            g = leaf("g", edge.node.shape, batched=edge.node.batched)
            pull = Pull(edge, self.places, g, edge.node, list(edge.node.args), edge.arg)
            if rewrite is not None:
                rewrite.change(pull)
            made = pull.build()
            if made is None:
                self._compiled[key] = None
            else:
                inputs = [g, *pull.bars.values()]
                self._compiled[key] = (
                    _Compiled(made, inputs, self.known, self.forward, self.batch),
                    pull.to,
                    pull.bars,
                )
        return self._compiled[key]

    def __call__(
        self, rows: Sequence[Sequence[Mapping[int, Change]]], names: Sequence[str], seeds: Array | None = None
    ) -> dict[str, Array]:
        """One pass for all rows.

        Args:
            rows: for each row, what happens: mappings from an edge's index to a change, which act together. Factors
                multiply; of two rewrites of one edge the last one counts.
            names: variables whose adjoints are wanted. seeds: (rows, losses, B), by default the right ones.

        Returns: name -> (rows, *shape) in the layout of `run.gradients`.
        """
        m = len(rows)
        factors: dict[int, Array] = {}
        rewrites: dict[int, dict[Rewrite, list[int]]] = {}
        for i, row in enumerate(rows):
            chosen: dict[int, Rewrite] = {}
            for changes in row:
                for index, change in changes.items():
                    if isinstance(change, Rewrite):
                        chosen[index] = change
                    else:
                        factors.setdefault(index, np.ones(m))[i] *= change
            for index, rewrite in chosen.items():
                rewrites.setdefault(index, {}).setdefault(rewrite, []).append(i)
        seeds = self.seeds(m) if seeds is None else seeds
        sums: dict[int, Array] = {}
        for j, (_, node) in enumerate(self.heads):
            # one that holds no data counts for every example
            value = seeds[:, j] if node.batched else seeds[:, j].sum(axis=1, keepdims=True)
            sums[node.serial] = sums[node.serial] + value if node.serial in sums else value.copy()
        with np.errstate(all="ignore"):
            for edge in self.places.edges:
                if edge.node.serial in sums:
                    self._send(edge, m, sums, factors.get(edge.index), rewrites.get(edge.index, {}))
        return {name: self._shaped(name, sums, m) for name in names}

    def _send(
        self, edge: Edge, m: int, sums: dict[int, Array], factor: Array | None, rewrites: Mapping[Rewrite, list[int]]
    ) -> None:
        g = sums[edge.node.serial]
        right = self._pull(edge, None)
        if right is None:
            return
        part = right[0]([g])
        if factor is not None or rewrites:
            part = np.array(part)
        for rewrite, rows in rewrites.items():
            made = self._pull(edge, rewrite)
            if made is None:
                part[rows] = 0.0
                continue
            compiled, to, bars = made
            value = compiled(
                [g[rows], *[sums[s][rows] if s in sums else self._zeros(len(rows), n) for s, n in bars.items()]]
            )
            if factor is not None:
                value = value * factor[rows].reshape(-1, *[1] * (np.ndim(value) - 1))
            if to is edge.arg:
                part[rows] = value
            else:
                part[rows] = 0.0
                self._add_rows(sums, to, m, rows, value)
        if factor is not None:
            plain = np.ones(m, bool)
            for rows in rewrites.values():
                plain[rows] = False
            part *= np.where(plain, factor, 1.0).reshape(-1, *[1] * (part.ndim - 1))
        serial = edge.arg.serial
        sums[serial] = sums[serial] + part if serial in sums else part

    def _zeros(self, rows: int, node: Node) -> Array:
        return np.zeros((rows, self.batch if node.batched else 1, *node.shape))

    def _add_rows(self, sums: dict[int, Array], to: Node, m: int, rows: list[int], value: Array) -> None:
        if to.serial not in sums:
            sums[to.serial] = self._zeros(m, to)
        total = np.array(sums[to.serial])
        total[rows] += value
        sums[to.serial] = total

    def _shaped(self, name: str, sums: Mapping[int, Array], m: int) -> Array:
        """As `run.gradient` gives it: without a batch for a single example, and summed over what all examples share."""
        if name in self.u.leaves and name not in self.u.nodes:  # a whole input sequence
            return np.stack([self._shaped(n.name or "", sums, m) for _, n in self.u.leaves[name]], axis=1)
        node = self.alias[name] if name in self.alias else self.u.node(name)
        value = sums.get(node.serial, self._zeros(m, node))
        if not node.batched or self.run.batch is None or node in self.run.shared_leaves:
            found: Array = value.sum(axis=1)
            return found
        return value
