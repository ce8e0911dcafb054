"""The numbers of a derivation, from its local formulas and products alone.

Nothing of the reverse pass is used here, so that a derivation that agrees with it proves something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..core.variables import Link
from .evaluate import matrix_value
from .local import numeric_jacobian
from .paths import Path, Run
from .terms import Factors

__all__ = ["Numbers"]


class _Values(Mapping[str, Any]):
    """The arrays of a run by name, each fetched when a formula asks for it."""

    def __init__(self, run: Run, names: Mapping[str, Any]):
        self.run, self.names = run, names

    def __getitem__(self, name: str) -> Any:
        return self.run.array(name)

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Numbers:
    """Values of terms on one run; every local Jacobian is computed once."""

    def __init__(self, factors: Factors, run: Run):
        self.factors, self.run = factors, run
        self.paths = factors.paths
        self.node = self.paths.unrolled.node(self.paths.wrt)
        self.values = _Values(run, self.paths.variables)
        self._known: dict[str, Any] = {}

    def zero(self) -> Any:
        lead = (self.run.batch,) if self.node.batched and self.run.batch is not None else ()
        return np.zeros(lead + self.node.shape)

    def jacobian(self, link: Link) -> Any:
        """(…, dim target, dim source); by a matrix, its entries row by row."""
        if link.id not in self._known:
            local = self.factors.local(link)
            if local.jacobian is not None:
                value = matrix_value(local.jacobian, self.values)
            else:
                node = self.paths.unrolled.node
                given = {n: self.run.array(n.name) for n in self.paths.unrolled.graph.nodes if n.name is not None}
                value = numeric_jacobian(node(link.target), node(link.source), given)
            self._known[link.id] = value
        return self._known[link.id]

    @property
    def start(self) -> Any:
        """The row that a term begins with: ∂E/∂E_t, for every example."""
        return np.full((self.run.batch or 1, 1, 1), self.paths.unrolled.weight)

    def term(self, path: Path) -> Any:
        """The numbers of one term, shaped like `wrt`."""
        row = self.start
        for link in path.links[:-1]:
            row = row @ self.jacobian(link)
        return self._gradient(row, path.links[-1]) if path.links else self._shaped(row)

    def factored(self) -> Any:
        """The sum of all terms, by the adjoint of each variable: linear in the number of links."""
        total = self.zero()
        for heads in self.paths.groups():
            names, step = self.paths.on_paths(heads), heads[0][0]
            adjoints: dict[str, Any] = {}
            for _, head in heads:
                adjoints[head] = self.start
            if self.paths.wrt in adjoints:
                total = total + self._shaped(adjoints[self.paths.wrt])
            for name in reversed(names):
                onward = [
                    x for x in self.paths.readers.get(name, ()) if x.target in adjoints and self.paths.passes(x, step)
                ]
                for link in onward:
                    if name == self.paths.wrt:
                        total = total + self._gradient(adjoints[link.target], link)
                    else:
                        part = adjoints[link.target] @ self.jacobian(link)
                        if not self.paths.unrolled.node(name).batched:  # what all examples share
                            part = np.sum(part, axis=tuple(range(part.ndim - 2)))
                        adjoints[name] = adjoints[name] + part if name in adjoints else part
        return total

    def _gradient(self, row: Any, link: Link) -> Any:
        contacts = self.factors.local(link).contacts
        if contacts is None:
            return self._shaped(row @ self.jacobian(link))
        total = self.zero()
        for c in contacts:
            left = row @ matrix_value(c.left, self.values)
            right = matrix_value(c.right, self.values)
            part = right @ left if c.flipped else np.swapaxes(left, -1, -2) @ np.swapaxes(right, -1, -2)
            total = total + self._reduced(part)
        return total

    def _shaped(self, row: Any) -> Any:
        """A row (…, 1, n) in the shape of `wrt`."""
        return self._reduced(np.reshape(row, row.shape[:-2] + self.node.shape))

    def _reduced(self, value: Any) -> Any:
        extra = value.ndim - len(self.node.shape)
        # one example stands in a batch of one when the run has no batch: that axis goes, too
        kept = not extra or (self.node.batched and self.run.batch is not None)
        return value if kept else np.sum(value, axis=tuple(range(extra)))
