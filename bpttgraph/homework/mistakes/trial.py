"""Trying mistakes out: the gradients that come of them, many at once, on one forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Mutant, Site
from .places import Edge, Places
from .reverse import Change, Reverse, Rewrite

if TYPE_CHECKING:
    from ...core.graph import Node
    from ...equations.truncation import Truncation
    from ...unrolled import Run, Unrolled

__all__ = ["Trial"]

Array = np.ndarray[Any, Any]
Group = tuple[list[int], Mapping[int, Change]]
ROWS = 2048  # mistakes in one pass, at most
MEMORY = 3e7  # numbers of all their adjoints together


class Trial:
    """The gradients that mistakes lead to, on one instance.

    Args:
        u: the unrolled recurrence; run: its numbers; names: gradients that are wanted beside those of parameters and
            initial states; `only`: these alone; alias: nodes for names of the student's own.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.mistakes import mutants
        >>> u = bg.cell("rnn").unroll(4)
        >>> run = u.run(u.instance())
        >>> trial = Trial(u, run)
        >>> wrong = trial([[m] for m in mutants(u)[:3]])
        >>> wrong["W_hh"].shape
        (3, 4, 4)
    """

    def __init__(
        self,
        u: Unrolled,
        run: Run,
        names: Sequence[str] = (),
        only: bool = False,
        alias: Mapping[str, Node] | None = None,
    ):
        self.u, self.run, self.alias = u, run, dict(alias or {})
        self.names = list(names) if only else list(dict.fromkeys([*names, *run.gradients]))
        self.site = Site(
            u,
            Places(
                u,
                inputs=any(
                    (n in u.leaves and u.leaves[n][0][1].role == "input") or u.node(n).role == "input"
                    for n in names
                    if n in u.leaves or n in u.nodes
                ),
            ),
        )
        self.site.batch = run.batch
        self.reverse = Reverse(u, run, self.site.places)
        self.reverse.alias = self.alias
        self._groups: dict[str, list[Group]] = {}
        self._triangles: dict[str, Array] = {}

    @cached_property
    def true(self) -> dict[str, Array]:
        found = {}
        for n in self.names:
            node = self.alias.get(n)
            adjoint = None if node is None else self.run.read_nodes(self.run.numbers.adjoint(node))
            found[n] = self.run.gradient(n) if adjoint is None else self.run.summed_up(node, adjoint)  # type: ignore[arg-type]
        return found

    def groups(self, rule: Truncation | None) -> list[Group]:
        """Losses (their numbers) that share a set of cut edges, and the cut edges as factors of 0."""
        name = rule.name if rule is not None else ""
        if name not in self._groups:
            every: list[int] = []  # cut for all losses
            of: dict[int, list[int]] = {}  # column of a loss -> edges cut for it, in order
            for e in self.site.places.edges if rule is not None else ():
                losses = self._cut(e, rule)  # type: ignore[arg-type]
                if len(losses) == self.u.columns:
                    every.append(e.index)
                else:
                    for loss in losses:
                        of.setdefault(loss, []).append(e.index)
            sets: dict[tuple[int, ...], list[int]] = {}
            for j, head in enumerate(self.u.heads):
                sets.setdefault(tuple(of.get(head.column, ())), []).append(j)
            self._groups[name] = [(heads, dict.fromkeys((*every, *cut), 0.0)) for cut, heads in sets.items()]
        return self._groups[name]

    def _cut(self, e: Edge, rule: Truncation) -> range:
        """The columns of the losses that are not sent back through an edge."""
        none, every = range(0), range(1, self.u.columns + 1)
        if (
            e.arg.name is None
            or e.arg.role in ("parameter", "input", "target", "upstream")
            or e.delay == 0
            or e.column is None
        ):
            return none
        if rule.carousel:
            from ...unrolled.nodes import carries

            return none if e.source == e.base and carries(self.u.node(e.owner), e.arg) else every
        return rule.cut_losses(e.column - e.delay, e.column, self.u.columns)

    def __call__(self, combinations: Sequence[Sequence[Mutant]]) -> dict[str, Array]:
        """name -> (number of combinations, *shape): what each combination of mistakes makes of the gradient."""
        result = {n: np.zeros((len(combinations), *self.true[n].shape)) for n in self.names}
        rows: list[list[Mapping[int, Change]]] = []
        seeds: list[tuple[Array, list[int]]] = []  # the weights of all losses, and those that count in this row
        owner: list[int] = []
        for i, chosen in enumerate(combinations):
            weighted = next((m for m in chosen if m.weights is not None), None)
            if weighted is not None and weighted.weights is not None:
                for n in self.names:
                    result[n][i] = self.weighted(n, weighted.weights)
                continue
            rule = next((m.truncation for m in chosen if m.truncation is not None), self.u.truncation)
            changes = [m.changes for m in chosen if m.changes]
            scale = np.full((len(self.u.heads), self.reverse.batch), self.u.weight)
            for m in chosen:
                if m.losses is not None:
                    scale = scale * (m.losses / self.u.weight)
            for heads, cut in self.groups(rule):
                rows.append([*changes, cut])
                seeds.append((scale, heads))
                owner.append(i)
        numbers = sum(prod(node.shape) * (self.reverse.batch if node.batched else 1) for node in self.site.places.order)
        size = max(8, min(ROWS, int(MEMORY / max(numbers, 1))))
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            counted = np.zeros((len(rows[part]), len(self.u.heads), self.reverse.batch))
            for seed, (scale, heads) in zip(counted, seeds[part]):
                seed[heads] = scale[heads]
            found = self.reverse(rows[part], self.names, counted)
            for n in self.names:
                np.add.at(result[n], owner[part], found[n])
        for i, chosen in enumerate(combinations):
            for m in chosen:
                if m.after is not None:
                    for n, value in m.after({n: result[n][i].copy() for n in self.names}).items():
                        result[n][i] = value
        return result

    def triangle(self, name: str) -> Array:
        """The contributions of all pairs (loss step, step of use), for what has them."""
        if name not in self._triangles:
            self._triangles[name] = self.run.triangle(name)
        return self._triangles[name]

    def weighted(self, name: str, weights: Array) -> Array:
        """The gradient with each pair (t, k) counted `weights[t-1, k-1]` times; unchanged if there are no such
        pairs."""
        if name not in self.u.parameters:
            return self.true[name]
        found = self.triangle(name)
        if found.shape[:2] != weights.shape:
            return self.true[name]
        return np.tensordot(weights, found, axes=2)


def compatible(a: Mutant, b: Mutant) -> bool:
    """Whether two mistakes can be made at once: not two rewrites of one edge, not two truncations, not the same kind of
    factor twice."""
    if a.alone or b.alone or (a.truncation is not None and b.truncation is not None) or a.entry == b.entry == "scale":
        return False
    if a.weights is not None or b.weights is not None:
        return False
    small, large = (a.changes, b.changes) if len(a.changes) < len(b.changes) else (b.changes, a.changes)
    return not any(i in large and isinstance(c, Rewrite) and isinstance(large[i], Rewrite) for i, c in small.items())
