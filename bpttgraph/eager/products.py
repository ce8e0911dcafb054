"""A sum of matrix products that is not multiplied out yet: the gradient of a weight that is used at every step.

Backpropagation through time adds one outer product a step to the gradient of a shared weight:

    dW = dz[1] h[0]ᵀ + dz[2] h[1]ᵀ + … = [dz[1] dz[2] …] [h[0] h[1] …]ᵀ

The left side makes T matrices as large as W; the right side is one product of two small ones. `Products` keeps the
factors and multiplies once, when the sum is complete. The rule table states the derivative (`outer(g, h)`); `Cotangent`
is what its rules are given for `g`, so that they record that product instead of computing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.graph import Traced
from ..core.primitives import TABLE, Primitive

__all__ = ["Cotangent", "Products", "multiplied"]

_OUTER, _MATMAT = TABLE["outer"], TABLE["matmat"]


class Products(Traced):
    """The sum of aᵀ b over pairs of matrices a (k, n) and b (k, m), with a k of its own for each pair.

    >>> a, b = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    >>> s = Products([a], [b])
    >>> s.grow(Products([b], [a]))
    >>> s.array()
    array([[ 6., 10.],
           [10., 16.]])
    """

    __slots__ = ("lefts", "rights")

    def __init__(self, lefts: list[Any], rights: list[Any]):
        self.lefts, self.rights = lefts, rights

    @property
    def shape(self) -> tuple[int, ...]:
        return self.lefts[0].shape[1], self.rights[0].shape[1]

    @property
    def dtype(self) -> Any:
        return self.lefts[0].dtype

    def transposed(self) -> Products:
        return Products(self.rights.copy(), self.lefts.copy())

    def grow(self, other: Products) -> None:
        """Add the products of another sum."""
        self.lefts += other.lefts
        self.rights += other.rights

    def record(self, op: Primitive, args: Sequence[Any], attrs: dict[str, Any]) -> Any:
        """A rule that goes on computing with it has it multiplied out."""
        return op.value(*[multiplied(x) for x in args], **attrs)

    def array(self) -> Any:
        """The sum as an array of its own."""
        if len(self.lefts) == 1:
            return self.lefts[0].T.dot(self.rights[0])
        return np.concatenate(self.lefts).T.dot(np.concatenate(self.rights))


class Cotangent(Traced):
    """An array, given to a rule: a product with it whose factors are smaller than itself is not multiplied out."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    def record(self, op: Primitive, args: Sequence[Any], attrs: dict[str, Any]) -> Any:
        values = [multiplied(x) for x in args]
        if op is _OUTER or op is _MATMAT:
            a, b = values
            if a.dtype == b.dtype:
                if op is _OUTER and a.ndim == b.ndim == 1:
                    return Products([a[None]], [b[None]])
                if op is _MATMAT and a.ndim == b.ndim == 2 and a.size + b.size < a.shape[0] * b.shape[1]:
                    return Products([a.T], [b])
        return op.value(*values, **attrs)


def multiplied(x: Any) -> Any:
    """The array that stands behind a `Cotangent` or `Products`; anything else as it is."""
    return x.value if x.__class__ is Cotangent else x.array() if x.__class__ is Products else x
