"""The local Jacobian of one equation, as a formula.

The rule table's tangents (forward mode) are pushed through one equation, from one named variable to another, all else
held fixed; the result is a graph linear in a small change `t`. That graph is then read as a matrix: a factor f∘t as
diag(f), W @ t as W, yᵀt as yᵀ, stacking as blocks. No derivative is stated here: only what linear operations look
like as matrices.

By a matrix the Jacobian would have rank 3. It is kept as the `Contact`s L · dW · v instead, so that a chain term with
the row r in front becomes the outer product (r L)ᵀ vᵀ, shaped like W.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.autodiff import evaluate as run_graph, pushforward
from ..core.graph import Node, leaf
from ..formulas.expr import (
    Expr,
    Identity,
    Ones,
    Zeros,
    diag,
    divide,
    dot,
    identity,
    jacobian_shape,
    joined,
    neg,
    num,
    padding,
    product,
    rows,
    stack,
    transpose,
)
from .read import Reader, inner_nodes

__all__ = ["Contact", "Local", "local_jacobian", "numeric_jacobian"]


@dataclass(frozen=True, slots=True)
class Contact:
    """One place where a matrix W enters: the change of the target is `left` · dW · `right` (dWᵀ if `flipped`)."""

    left: Expr
    right: Expr
    flipped: bool = False


@dataclass(frozen=True, slots=True)
class Local:
    """A local derivative: `jacobian` by a scalar or vector, `contacts` by a matrix; neither if it cannot be read."""

    jacobian: Expr | None = None
    contacts: tuple[Contact, ...] | None = None

    @property
    def closed(self) -> bool:
        return self.jacobian is not None or self.contacts is not None


class Unreadable(Exception):
    """The tangent uses an operation that has no reading as a matrix."""


def local_jacobian(target: Node, source: Node) -> Local:
    """∂⁺target/∂source: through the equation of `target` only, holding the other named variables fixed.

    >>> from bpttgraph.core.graph import leaf
    >>> from bpttgraph.core.primitives import tanh
    >>> from bpttgraph.formulas.printers import to_text
    >>> W, x = leaf("W", (2, 3), role="parameter"), leaf("x[1]", (3,))
    >>> h = tanh(W @ x)
    >>> h.name = "h[1]"
    >>> to_text(local_jacobian(h, x).jacobian)
    'diag(1 − h₁²) W'
    >>> [(to_text(c.left), to_text(c.right)) for c in local_jacobian(h, W).contacts]
    [('diag(1 − h₁²)', 'x₁')]
    """
    if len(target.shape) > 1:
        return Local()
    t = leaf("t", source.shape, batched=source.batched)
    tangent = _tangent(target, source, t)
    if tangent is None and len(source.shape) == 2:
        return Local(contacts=())
    if tangent is None:
        return Local(Zeros(jacobian_shape(target.shape, source.shape)) if target.shape or source.shape else num(0))
    reading = _Reading(t)
    try:
        result = reading.read(tangent)
    except Unreadable:
        return Local()
    if len(source.shape) == 2:
        return Local(contacts=tuple(Contact(m, v, f) for m, v, f in result if v is not None))
    return Local(jacobian=result[0][0])


def _tangent(target: Node, source: Node, t: Node) -> Node | None:
    """The change of `target` for a change `t` of `source`, within the one equation."""
    changed: dict[int, Node] = {source.serial: t}
    for node in inner_nodes([target], lambda n: n.name is not None and n is not target):
        if node.op is None or node.serial in changed or (node.name is not None and node is not target):
            continue
        incoming = [changed.get(a.serial) for a in node.args]
        if any(x is not None for x in incoming):
            result = pushforward(node, incoming)
            if result is not None:
                changed[node.serial] = result
    return changed.get(target.serial)


def numeric_jacobian(target: Node, source: Node, values: dict[Node, Any]) -> Any:
    """The same as numbers, for tangents that have no closed reading: (…, dim target, dim source)."""
    t = leaf("t", source.shape, batched=source.batched)
    tangent = _tangent(target, source, t)
    columns = []
    for i in range(int(np.prod(source.shape))):
        unit = np.zeros(source.shape)
        unit.flat[i] = 1.0
        like = np.asarray(values[source])
        seed = np.broadcast_to(unit, like.shape)
        change = np.zeros(target.shape) if tangent is None else np.asarray(run_graph([tangent], {**values, t: seed})[0])
        lead = change.shape[: change.ndim - len(target.shape)]
        columns.append(change.reshape((*lead, -1)))
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


Piece = tuple[Expr, Expr | None, bool]
"""A summand of a linear map: matrix M (of a scalar or vector t), or (A, B, flipped) for A·t·B of a matrix t."""


class _Reading:
    """Reads a graph that is linear in `t` as matrices."""

    def __init__(self, t: Node):
        self.t = t
        self.by_matrix = len(t.shape) == 2
        self.value = Reader()
        self.known: dict[int, list[Piece]] = {}
        # matrices that change with a scalar or vector t, read where a vector is multiplied
        self.matrices: set[int] = set()

    def read(self, result: Node) -> list[Piece]:
        t = self.t
        if self.by_matrix:
            self.known[t.serial] = [(identity(t.shape), Identity((t.shape[1], t.shape[1])), False)]
        else:
            self.known[t.serial] = [(identity(t.shape), None, False)]
        for node in inner_nodes([result], lambda n: n.name is not None):
            if node.serial in self.known or node.name is not None or not any(map(self._moves, node.args)):
                continue
            if len(node.shape) == 2 and not self.by_matrix:
                self.matrices.add(node.serial)
            else:
                self.known[node.serial] = self._merge(self._read(node))
        if result.serial not in self.known:
            raise Unreadable
        return self.known[result.serial]

    def _moves(self, node: Node) -> bool:
        return node.serial in self.known or node.serial in self.matrices

    def _merge(self, pieces: list[Piece]) -> list[Piece]:
        merged: dict[tuple[Expr | None, bool], Expr] = {}
        for m, v, flipped in pieces:
            key = (v, flipped)
            merged[key] = joined(merged[key], m) if key in merged else m
        return [(m, v, flipped) for (v, flipped), m in merged.items()]

    def _read(self, node: Node) -> list[Piece]:
        assert node.op is not None
        name = node.op.name
        moving = [self.known.get(a.serial) for a in node.args]
        first = moving[0]
        rank = len(node.shape)
        if name in ("add", "sub"):
            plus = self._spread(first, node.args[0], node)
            second = self._spread(moving[1], node.args[1], node)
            return plus + (self._each(second, neg) if name == "sub" else second)
        if name == "neg" and first:
            return self._each(first, neg)
        if name == "identity" and first:
            return first
        if name in ("mul", "div", "ratio"):
            return self._elementwise(node, moving)
        if name == "expand" and first:
            return self._spread(first, node.args[0], node)
        # a number as a vector of one, and back
        if name == "reshape" and first and {node.shape, node.args[0].shape} == {(), (1,)}:
            one = Ones((1, 1))
            return self._each(first, lambda m: product(m, one) if rank and not m.shape else m)
        if name == "sum" and first and rank == 0 and len(node.args[0].shape) == 1:
            ones = transpose(Ones((node.args[0].shape[0], 1)))
            return self._each(first, lambda m: product(ones, m))
        if name in ("take", "pad", "concat") and rank == 1:
            return self._blocks(node, moving)
        if name in ("matvec", "vecmat", "matmat", "dot", "outer", "transpose"):
            return self._products(node, moving)
        raise Unreadable

    @staticmethod
    def _each(pieces: list[Piece], change: Callable[[Expr], Expr]) -> list[Piece]:
        return [(change(m), v, flipped) for m, v, flipped in pieces]

    def _spread(self, pieces: list[Piece] | None, arg: Node, node: Node) -> list[Piece]:
        """Broadcasting of an argument to the shape of the node: a column of ones."""
        if pieces is None:
            return []
        if arg.shape == node.shape:
            return pieces
        if arg.shape == () and len(node.shape) == 1:
            ones = Ones((node.shape[0], 1))
            return self._each(pieces, lambda m: product(ones, m) if m.shape else product(m, ones))
        raise Unreadable

    def _elementwise(self, node: Node, moving: list[list[Piece] | None]) -> list[Piece]:
        assert node.op is not None
        if moving[0] is not None and moving[1] is not None:
            raise Unreadable
        slot = 0 if moving[0] is not None else 1
        if node.op.name != "mul" and slot == 1:
            raise Unreadable
        pieces = self._spread(moving[slot], node.args[slot], node)
        factor = self.value(node.args[1 - slot])
        if node.op.name != "mul":
            factor = divide(num(1), factor)
        if len(node.shape) == 2:
            if factor.shape:
                raise Unreadable
            return self._each(pieces, lambda m: product(factor, m))
        if factor.shape and node.shape:
            factor = diag(factor, node.shape[0])
        return self._each(pieces, lambda m: product(factor, m))

    def _blocks(self, node: Node, moving: list[list[Piece] | None]) -> list[Piece]:
        assert node.op is not None
        attrs = node.attrs
        if node.op.name == "take" and moving[0]:
            return self._each(moving[0], lambda m: rows(m, attrs["start"], attrs["stop"]))
        if node.op.name == "pad" and moving[0]:
            return self._each(moving[0], lambda m: stack(*padding(m, attrs["before"], attrs["after"])))
        # concat: each moving part alone between zeros; for a vector t the parts belong to one matrix
        if not self.by_matrix:
            columns = self.t.shape[0] if self.t.shape else 1
            return [
                (
                    stack(*[p[0][0] if p else Zeros((a.shape[0], columns)) for p, a in zip(moving, node.args)]),
                    None,
                    False,
                )
            ]
        found: list[Piece] = []
        start = 0
        for p, a in zip(moving, node.args):
            after = node.shape[0] - start - a.shape[0]
            found += self._each(p or [], lambda m, s=start, e=after: stack(*padding(m, s, e)))  # type: ignore[misc]
            start += a.shape[0]
        return found

    def _products(self, node: Node, moving: list[list[Piece] | None]) -> list[Piece]:
        assert node.op is not None
        name = node.op.name
        if name == "transpose":
            return self._flip(moving[0] or [])
        left, right = node.args
        if name in ("matvec", "vecmat") and (left.serial in self.matrices or right.serial in self.matrices):
            matrix, vector = (left, right) if name == "matvec" else (right, left)
            if self._moves(vector):
                raise Unreadable
            return self._applied(matrix, self.value.whole(vector), name == "vecmat")
        if moving[0] is not None and moving[1] is not None:
            raise Unreadable
        if node.op.name == "dot" and left.shape == ():
            return self._elementwise_scalars(node, moving)
        if moving[1] is not None:  # the first argument is fixed
            pieces, fixed, rank = moving[1], self.value.whole(left), len(right.shape)
            if rank == 1 and name in ("matvec", "dot"):
                row = transpose(fixed) if name == "dot" else fixed
                return self._each(pieces, lambda m: product(row, m))
            if rank == 2 and name == "matmat" and self.by_matrix:
                return self._each(pieces, lambda m: product(fixed, m))
            if rank == 2 and name == "vecmat" and self.by_matrix:
                return self._right(self._flip(pieces), fixed)
            raise Unreadable
        pieces, fixed, rank = moving[0] or [], self.value.whole(right), len(left.shape)
        if rank == 1 and name in ("vecmat", "dot"):  # xᵀA as a column is Aᵀx, and tᵀb is bᵀt
            turned = transpose(fixed)
            return self._each(pieces, lambda m: product(turned, m))
        if rank == 2 and name in ("matvec", "matmat") and self.by_matrix:
            return self._right(pieces, fixed)
        raise Unreadable

    def _applied(self, matrix: Node, v: Expr, turned: bool) -> list[Piece]:
        """What a matrix that changes with t makes of a fixed column; `turned`: its transpose."""
        assert matrix.op is not None
        name, args = matrix.op.name, matrix.args
        if name in ("add", "sub"):
            plus, minus = (self._applied(a, v, turned) if self._moves(a) else [] for a in args)
            return plus + (self._each(minus, neg) if name == "sub" else minus)
        if all(map(self._moves, args)) and len(args) > 1:
            raise Unreadable
        if name == "diag":
            return self._each(self.known[args[0].serial], lambda m: product(diag(v, matrix.shape[0]), m))
        if name == "transpose":
            return self._applied(args[0], v, not turned)
        if name == "neg":
            return self._each(self._applied(args[0], v, turned), neg)
        if name == "outer":  # (a bᵀ) v is a (bᵀ v)
            a, b = args[::-1] if turned else args
            if self._moves(a):
                scale = dot(self.value.whole(b), v)
                return self._each(self.known[a.serial], lambda m: product(scale, m))
            column = product(self.value.whole(a), transpose(v))
            return self._each(self.known[b.serial], lambda m: product(column, m))
        if name == "matmat":  # (A B) v is A (B v), (A B)ᵀ v is Bᵀ (Aᵀ v)
            near, far = args if turned else args[::-1]
            if self._moves(near):
                fixed = self._turned(self.value.whole(far), turned)
                return self._each(self._applied(near, v, turned), lambda m: product(fixed, m))
            return self._applied(far, product(self._turned(self.value.whole(near), turned), v), turned)
        if name == "mul":
            moving, other = args if self._moves(args[0]) else args[::-1]
            factor = self.value(other)
            if not factor.shape:
                return self._each(self._applied(moving, v, turned), lambda m: product(factor, m))
            if moving.op is not None and moving.op.name == "expand" and moving.args[0].shape == ():
                column = product(self._turned(factor, turned), v)
                return self._each(
                    self.known[moving.args[0].serial], lambda m: product(column, m) if m.shape else product(m, column)
                )
        raise Unreadable

    @staticmethod
    def _turned(e: Expr, turned: bool) -> Expr:
        return transpose(e) if turned else e

    def _elementwise_scalars(self, node: Node, moving: list[list[Piece] | None]) -> list[Piece]:
        slot = 0 if moving[0] is not None else 1
        factor = self.value(node.args[1 - slot])
        return self._each(moving[slot] or [], lambda m: product(factor, m))

    @staticmethod
    def _right(pieces: list[Piece], fixed: Expr) -> list[Piece]:
        return [(m, product(v, fixed) if v is not None else None, flipped) for m, v, flipped in pieces]

    def _flip(self, pieces: list[Piece]) -> list[Piece]:
        """(A dW B)ᵀ = Bᵀ dWᵀ Aᵀ."""
        if not self.by_matrix:
            raise Unreadable
        return [(transpose(v), transpose(m), not flipped) for m, v, flipped in pieces if v is not None]
