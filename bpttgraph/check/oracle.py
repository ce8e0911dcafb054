"""Oracles: derivatives from forward evaluations only. No derivative rule is used here.

`Probe` perturbs one variable and reads every loss. A shared parameter is first *unshared*: each step gets a private copy W⁽ᵏ⁾ of it
(Goodfellow et al. 2016, section 10.2.2), so that dE_t/dW through the use at step k can be measured alone; perturbing all copies
together gives the gradient. Truncation is measured as it is defined: a cut edge passes the value on, but not the perturbation.

All perturbations of one variable are stacked in front of the batch and evaluated in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff import Plan
from ..graph import Node, leaf, needed

if TYPE_CHECKING:
    from ..recurrence import Unrolled
    from ..recurrence.unroll import Head

__all__ = ["Kinks", "Probe"]

Array = np.ndarray[Any, Any]
COMPLEX_STEP = 1e-30


class Kinks:
    """Which perturbations push a kinked unit (ReLU, max, clip) over its kink: there a difference quotient means nothing."""

    def __init__(self) -> None:
        self.crossed: Array | None = None
        self.unit = ""

    def kept(self, entries: int) -> Array:
        """Which entries are decidable."""
        if self.crossed is None:
            return np.ones(entries, bool)
        return ~np.any(self.crossed.reshape(2, -1), axis=0)

    def look(self, plan: Plan, base: list[Any], moved: list[Any], count: int, name: Any) -> None:
        for node in plan.nodes:
            if node.op is None or node.op.kink is None:
                continue
            places = [plan.place[a.serial] for a in node.args]
            before = np.sign(np.real(node.op.kink(*[base[p] for p in places], **node.attrs)))
            after = np.sign(np.real(node.op.kink(*[moved[p] for p in places], **node.attrs)))
            differs = before != after
            if np.ndim(differs) and np.any(differs) and np.shape(differs)[0] == count:
                hit = differs.reshape(count, -1).any(axis=1)
                self.crossed = hit if self.crossed is None else self.crossed | hit
                self.unit = self.unit or f"{node.op.name} in {name(node)}"


class Probe:
    """Measure how the losses of a group change with one variable.

    Args:
        u: the unrolled recurrence. name: the variable. heads: losses that share the same cut edges. cut: those edges.
        leaves: arrays of the leaves, batch in front, in float64.
    """

    def __init__(self, u: Unrolled, name: str, heads: list[Head], cut: Any, leaves: Mapping[Node, Array]):
        self.u, self.heads = u, heads
        self.target = u.node(name)
        self.leaves = dict(leaves)
        order = needed([u.node(h.name) for h in heads])
        self.plain = Plan([u.node(h.name) for h in heads])
        self.base = self.plain(self.leaves)
        self.copies: dict[int, Node] = {}
        self.values: dict[Node, Any] = dict(self.leaves)
        self._clone(order, cut)
        self.plan = Plan([self._new[u.node(h.name).serial] for h in heads])

    def _step(self, node: Node) -> int | None:
        """The step of a node: that of the variable in whose equation it stands."""
        owner = node.name or node.owner
        if owner is None or owner not in self.u._places:
            return None
        place = self.u._places[owner]
        return None if place.column is None else place.column - self.u.offset.get(place.block, 0)

    def _clone(self, order: list[Node], cut: Any) -> None:
        """Copy the graph; uses of the target in step k read the copy k, cut edges read a frozen value."""
        new: dict[int, Node] = {}
        timeless = {self.target.serial}  # the target, and what is made of it without a step (s = σ(α))
        private: dict[tuple[int, int], Node] = {}
        frozen: dict[int, Node] = {}
        value = {n.serial: v for n, v in zip(self.plain.nodes, self.base)}
        shared = self.target.role == "parameter"

        def copy(node: Node, k: int) -> Node:
            """The private copy, for step k, of something timeless."""
            key = (node.serial, k)
            if key not in private:
                if node is self.target:
                    made = leaf(f"{node.name}#{k}", node.shape, batched=node.batched, role="parameter")
                    self.copies[k] = made
                else:
                    args = tuple(copy(a, k) if a.serial in timeless else new[a.serial] for a in node.args)
                    made = Node(node.op, args, node.attrs, node.shape, node.batched)
                private[key] = made
            return private[key]

        for node in order:
            if node.op is None or node is self.target:
                new[node.serial] = node
                continue
            step = self._step(node)
            if shared and step is None and any(a.serial in timeless for a in node.args) and node.role != "total":
                timeless.add(node.serial)
            args: list[Node] = []
            for slot, arg in enumerate(node.args):
                if (arg.serial, node.serial, slot) in cut:
                    if arg.serial not in frozen:
                        frozen[arg.serial] = leaf(f"{arg.name}!", arg.shape, batched=arg.batched)
                        self.values[frozen[arg.serial]] = value[arg.serial]
                    args.append(frozen[arg.serial])
                elif shared and step is not None and arg.serial in timeless:
                    args.append(copy(arg, step))
                else:
                    args.append(new[arg.serial])
            new[node.serial] = Node(node.op, tuple(args), node.attrs, node.shape, node.batched)
            new[node.serial].name, new[node.serial].owner = node.name, node.owner
        if shared and not self.copies:
            self.copies[0] = self.target
        if not shared:
            self.copies[0] = new[self.target.serial]
        self._new = new

    def _directions(self, directions: Array) -> Array:
        """Perturbations, given flat as (P, size) or as the numbers of single entries (P,), stacked: (P, [1,] *shape)."""
        if directions.ndim == 1:
            unit = np.zeros((len(directions), int(np.prod(self.target.shape))))
            unit[np.arange(len(directions)), directions] = 1.0
            directions = unit
        lead = (1,) if self.target.batched or self.target.role == "parameter" else ()
        return directions.reshape(len(directions), *lead, *self.target.shape)

    def _losses(self, k: int | None, change: Array) -> tuple[list[Array], list[Any]]:
        """Every loss of the group, `(P, B)`, with copy k (None: all copies) moved by `change`."""
        values = dict(self.values)
        start = self._start()
        for step, node in self.copies.items():
            values[node] = start + change if k is None or step == k else start
        slots = self.plan(values)
        outputs = [np.asarray(slots[i]) for i in self.plan.outputs]
        return outputs, slots

    def _start(self) -> Array:
        if self.target.op is None:
            return self.leaves[self.target]
        return np.asarray(self.base[self.plain.place[self.target.serial]])

    def _rows(self, outputs: list[Array], count: int) -> Array:
        """Losses as (heads, P, B); one that holds no data is the same for every example."""
        batch = max([1, *(len(v) for n, v in self.leaves.items() if n.batched)])
        rows = []
        for o, head in zip(outputs, self.heads):  # (P, B) or (P, 1); (B,) or () where nothing moved; (P,) without data
            moved_alone = o.ndim == 1 and not self.u.node(head.name).batched
            rows.append(np.broadcast_to(o[:, None] if moved_alone else o, (count, batch)))
        return np.stack(rows)

    def complex_step(self, k: int | None, entries: Array) -> Array:
        """Derivatives (heads, P, B) of the losses by the chosen entries (or along directions): exact up to rounding."""
        outputs, _ = self._losses(k, 1j * COMPLEX_STEP * self._directions(entries))
        return self._rows([np.imag(o) for o in outputs], len(entries)) / COMPLEX_STEP

    def differences(self, k: int | None, entries: Array, kinks: Kinks | None = None) -> tuple[Array, Array]:
        """Central differences at steps h, h/2 and h/4, twice extrapolated (Richardson), with an error estimate: both (heads, P, B)."""
        scale = np.maximum(np.abs(self._start()).max(initial=1.0), 1.0)
        h = 2e-2 * float(scale)
        unit = self._directions(entries)
        quotients = []
        noise = 0.0
        for step in (h, h / 2, h / 4, h / 8):
            both = np.concatenate([unit * step, -unit * step])
            outputs, slots = self._losses(k, both)
            rows = self._rows(outputs, 2 * len(entries))
            if kinks is not None:
                base = self.plan({**self.values, **dict.fromkeys(self.copies.values(), self._start())})
                kinks.look(self.plan, base, slots, 2 * len(entries), lambda node: node.name or node.owner)
            quotients.append((rows[:, : len(entries)] - rows[:, len(entries) :]) / (2 * step))
            noise = np.abs(rows).max() * 1e-15 / step
        table = quotients
        power = 4.0
        while len(table) > 1:
            last = table
            table = [(power * b - a) / (power - 1) for a, b in pairwise(table)]
            power *= 4
        best = table[0]
        # how far the two extrapolations before the last one lie apart: larger than the error of the last one, as an estimate should be
        return best, np.abs(last[0] - last[1]) + 4 * noise
