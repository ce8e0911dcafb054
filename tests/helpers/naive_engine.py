"""A second, naive engine for scalars and vectors: a hundred lines that share nothing with ours.

Every value keeps, for each leaf that it depends on, its whole Jacobian as a matrix, computed forwards while it is made.
Wasteful, without a graph, a tape or a reverse pass, and so simple that it can be checked by reading it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Naive"]

Array = np.ndarray[Any, Any]


class Naive:
    """`value` is a scalar or vector as an array; `by[leaf]` its Jacobian, (entries of the value, entries of the
    leaf)."""

    def __init__(self, value: Any, by: dict[str, Array] | None = None):
        self.value = np.asarray(value, float)
        self.by = by or {}

    @staticmethod
    def leaf(name: str, value: Any) -> Naive:
        made = Naive(value)
        made.by = {name: np.eye(made.value.size)}
        return made

    # -- the two ways to make a value ----------------------------------------------------------------------------------

    def _through(self, value: Any, jacobian: Array) -> Naive:
        """A function of this value alone, with its Jacobian."""
        return Naive(value, {name: jacobian @ j for name, j in self.by.items()})

    def _with(self, other: Naive, value: Any, mine: Array, its: Array) -> Naive:
        """A function of two values, with its Jacobian by each."""
        a, b = self._through(value, mine), other._through(value, its)
        names = {*a.by, *b.by}
        zero = np.zeros((1, 1))
        return Naive(value, {n: a.by.get(n, zero) + b.by.get(n, zero) for n in names})

    def _spread(self, size: tuple[int, ...]) -> Array:
        """The Jacobian of broadcasting this value to a shape."""
        count = int(np.prod(size))
        return np.eye(count) if self.value.shape == size else np.ones((count, 1))

    def _elementwise(self, other: Naive, value: Any, d_mine: Any, d_its: Any) -> Naive:
        size = np.shape(value)
        mine = np.broadcast_to(d_mine, size).reshape(-1, 1) * self._spread(size)
        its = np.broadcast_to(d_its, size).reshape(-1, 1) * other._spread(size)
        return self._with(other, value, mine, its)

    # -- operations --------------------------------------------------------------------------------------------------

    def add(self, o: Naive) -> Naive:
        return self._elementwise(o, self.value + o.value, 1.0, 1.0)

    def sub(self, o: Naive) -> Naive:
        return self._elementwise(o, self.value - o.value, 1.0, -1.0)

    def mul(self, o: Naive) -> Naive:
        return self._elementwise(o, self.value * o.value, o.value, self.value)

    def div(self, o: Naive) -> Naive:  # by 2 + o², which is never 0
        d = 2.0 + o.value**2
        return self._elementwise(o, self.value / d, 1.0 / d, -self.value * 2.0 * o.value / d**2)

    def maximum(self, o: Naive) -> Naive:
        a, b = np.broadcast_arrays(self.value, o.value)
        first = np.where(a > b, 1.0, np.where(a == b, 0.5, 0.0))
        return self._elementwise(o, np.maximum(a, b), first, 1.0 - first)

    def tanh(self) -> Naive:
        y = np.tanh(self.value)
        return self._through(y, np.diag((1.0 - y**2).reshape(-1)))

    def sin(self) -> Naive:
        return self._through(np.sin(self.value), np.diag(np.cos(self.value).reshape(-1)))

    def sum(self) -> Naive:
        return self._through(self.value.sum(), np.ones((1, self.value.size)))

    def softmax(self) -> Naive:
        e = np.exp(self.value - self.value.max())
        y = np.atleast_1d(e / e.sum())
        return self._through(y.reshape(self.value.shape), np.diag(y) - np.outer(y, y))

    def reverse(self) -> Naive:
        return self._through(self.value[::-1], np.eye(self.value.size)[::-1])

    def pick(self, i: int) -> Naive:
        return self._through(self.value[i], np.eye(self.value.size)[i : i + 1])

    def put(self, i: int, o: Naive) -> Naive:
        value, keep, place = self.value.copy(), np.eye(self.value.size), np.zeros((self.value.size, 1))
        value[i], keep[i, i], place[i, 0] = o.value, 0.0, 1.0
        return self._with(o, value, keep, place)

    def multiply(self, matrix: Array) -> Naive:
        return self._through(matrix @ self.value, matrix)
