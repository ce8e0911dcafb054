"""One step at a time: the Jacobian of all states of a column by all states of the column before, and what goes with it.

A *column* is a step of global time (a decoder's columns follow its encoder's). Its *interface* is every value of this
column or an older one that later columns still read: the states, and for delays of more than one step what waits to be
read. Nothing passes from the past to the future except through interfaces, so ∂I_t/∂I_k = A_t A_{t−1} ⋯ A_{k+1} with
A_t = ∂I_t/∂I_{t−1}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.autodiff import backward
from ..core.graph import Node, leaf, needed
from ..errors import BPTTError

if TYPE_CHECKING:
    from ..unrolled import Run

__all__ = ["Columns"]

Array = np.ndarray[Any, Any]


class _Into:
    """All edges into some nodes, as a container: a reverse pass that cuts them stops there."""

    def __init__(self, nodes: Iterable[Node]):
        self.serials = {node.serial for node in nodes}

    def __contains__(self, key: object) -> bool:
        return key[1] in self.serials  # type: ignore[index]


class Columns:
    """Interfaces of an unrolled recurrence, and local derivatives between neighbours, on one example.

    Args:
        run: numbers without a batch. direction: +1 for chains that run with time, −1 for those that run against it.

    Attributes:
        order: the columns in the direction of the chain, beginning with that of the initial states.
        bases: names of the states in the chain.
    """

    def __init__(self, run: Run, direction: int = 1):
        self.run, self.u, self.direction = run, run.u, direction
        u = self.u
        if run.batch not in (None, 1):
            raise BPTTError(
                f"the flow of gradients is measured on one example, and the data hold {run.batch}",
                "give x of shape (T, n), or one example of the batch",
            )
        variables = u.vgraph.variables
        self._latest: dict[str, int] = {}  # the last column, in the chain's direction, that reads a variable
        for link in u.links:
            source, target = variables[link.source], variables[link.target]
            if source.column is None or target.column is None or source.role in ("input", "target", "upstream"):
                continue
            if (target.column - source.column) * direction > 0:
                at = target.column * direction
                self._latest[link.source] = max(at, self._latest.get(link.source, at))
        self.bases = tuple(dict.fromkeys(variables[name].base for name in self._latest))
        if not self.bases:
            raise BPTTError(
                "nothing is carried from step to step here", "gradient flow needs a recurrence with a state"
            )
        columns = sorted({v.column for v in variables.values() if v.column is not None and v.base in self.bases})
        self.order = columns[::direction]
        self._states: dict[int, list[str]] = {c: [] for c in self.order}
        for v in variables.values():
            if v.base in self.bases and v.column in self._states:
                self._states[v.column].append(v.name)

    @cached_property
    def _heads(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for head in self.u.heads:
            column = self.u.vgraph.variables[head.name].column
            if column is not None:
                found.setdefault(column, []).append(head.name)
        return found

    def interface(self, column: int) -> list[str]:
        """The variables of the interface of a column, the newest first."""
        names = list(self._states[column])
        place = self._place[column]
        for older in reversed(self.order[max(0, place - self._longest + 1) : place]):
            names += [
                n for n in self._states[older] if self._latest.get(n, column * self.direction) > column * self.direction
            ]
        return names

    @cached_property
    def _place(self) -> dict[int, int]:
        return {column: i for i, column in enumerate(self.order)}

    @cached_property
    def _longest(self) -> int:
        variables = self.u.vgraph.variables
        return max((at - (variables[n].column or 0) * self.direction for n, at in self._latest.items()), default=1)

    def size(self, names: Sequence[str]) -> int:
        return sum(int(np.prod(self.u.node(n).shape)) for n in names)

    def rows(self, names: Sequence[str], base: str, column: int) -> slice:
        """Where the state `base` of this column stands in an interface."""
        at = 0
        variables = self.u.vgraph.variables
        for name in names:
            n = self.size([name])
            if variables[name].base == base and variables[name].column == column:
                return slice(at, at + n)
            at += n
        return slice(0, 0)

    def feeding(self) -> set[str]:
        """The variables that a state is computed from within its column, itself included."""
        sources: dict[str, list[str]] = {}
        for link in self.u.links:
            if link.delay == 0:
                sources.setdefault(link.target, []).append(link.source)
        found: set[str] = set()
        stack = [name for names in self._states.values() for name in names]
        while stack:
            name = stack.pop()
            if name not in found:
                found.add(name)
                stack += sources.get(name, [])
        return found

    # -- derivatives within a column -----------------------------------------------------------------------------------

    def derivative(
        self, outputs: Sequence[str], inputs: Sequence[str], before: Sequence[str], seeds: Array
    ) -> dict[str, Array]:
        """Cotangents of `inputs` for each row of `seeds`, not passing the variables `before`.

        Args:
            seeds: cotangents of the outputs laid end to end, (rows, size of outputs).

        Returns:
            For each input its cotangents, (rows, *shape).
        """
        nodes = [self.u.node(n) for n in outputs]
        start: dict[Node, Node] = {}
        given: dict[Node, Any] = {}
        at = 0
        for node in nodes:
            n = int(np.prod(node.shape))
            seed = leaf("seed", node.shape, batched=node.batched)
            part = seeds[:, at : at + n].reshape(len(seeds), *((1,) if node.batched else ()), *node.shape)
            start[node], given[seed] = seed, part
            at += n
        targets = [self.u.node(n) for n in inputs]
        barrier = [self.u.node(n) for n in before]
        adjoints = backward(start, targets, _Into(barrier)).adjoints
        reached = [node for node in targets if node in adjoints]
        values = dict(zip(reached, self._evaluate([adjoints[node] for node in reached], given)))
        result = {}
        for name, node in zip(inputs, targets):
            value = np.asarray(values.get(node, 0.0))
            value = value[:, 0] if value.ndim == len(node.shape) + 2 else value  # the batch of one
            result[name] = np.broadcast_to(value, (len(seeds), *node.shape))
        return result

    def _evaluate(self, nodes: Sequence[Node], given: Mapping[Node, Any]) -> list[Any]:
        """Numbers for nodes of a local reverse pass; the values of named variables are known, so the walk stops
        there."""
        values: dict[int, Any] = {n.serial: v for n, v in given.items()}
        known = self._known
        with np.errstate(all="ignore"):  # an exploded loss has no derivative: NaN in its row, as in `run.gradients`
            for node in needed(nodes, known=known):
                if node.serial in values:
                    continue
                if node in known:
                    values[node.serial] = self.run.array(known[node])
                elif node.op is None:
                    values[node.serial] = node.attrs["value"]
                else:
                    values[node.serial] = node.op.value(*[values[a.serial] for a in node.args], **node.attrs)
        return [values[n.serial] for n in nodes]

    @cached_property
    def _known(self) -> dict[Node, str]:
        return {self.u.node(name): name for name in self.u.vgraph.variables}

    def jacobian(self, outputs: Sequence[str], inputs: Sequence[str], before: Sequence[str] = ()) -> Array:
        """∂outputs/∂inputs, (size of outputs, size of inputs), numerator layout.

        `before` stops the walk; a variable that is both an output and an input is its own derivative, the identity.
        """
        n = self.size(outputs)
        found = self.derivative(outputs, inputs, before, np.eye(n))
        return np.concatenate([found[name].reshape(n, -1) for name in inputs], axis=1) if inputs else np.zeros((n, 0))

    def heads(self, column: int) -> list[str]:
        """The losses of a column."""
        return self._heads.get(column, [])
