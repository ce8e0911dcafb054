"""From nodes to formulas: the value of a node in terms of named variables.

A named node is a symbol and ends the reading, so a formula never reaches beyond one equation. What each operation
means as a formula is decided here, once, for all printers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.graph import Node
from ..core.primitives import TABLE
from ..errors import Fault
from ..formulas.expr import (
    Apply,
    Expr,
    Literal,
    Ones,
    Product,
    Zeros,
    add,
    diag,
    divide,
    dot,
    hadamard,
    matrix_shape,
    neg,
    num,
    outer,
    padding,
    power,
    product,
    rows,
    signed,
    split_sign,
    spread,
    stack,
    subtract,
    symbol,
    transpose,
)

__all__ = ["Reader", "equation", "formula"]


def inner_nodes(roots: Iterable[Node], stop: Callable[[Node], bool] = lambda n: n.name is not None) -> list[Node]:
    """The nodes that `roots` need, `roots` included, not going beyond a node where `stop` holds; arguments first."""
    found: dict[int, Node] = {}
    todo = list(roots)
    while todo:
        node = todo.pop()
        if node.serial not in found:
            found[node.serial] = node
            if not stop(node):
                todo.extend(node.args)
    return [found[key] for key in sorted(found)]


class Reader:
    """Reads nodes as formulas, each node once."""

    def __init__(self) -> None:
        self.known: dict[int, Expr] = {}
        self.flat: set[int] = set()  # the entries of a matrix as one long vector: read as the matrix

    def __call__(self, node: Node) -> Expr:
        """
        >>> from bpttgraph.core.graph import leaf
        >>> from bpttgraph.formulas.printers import to_text
        >>> to_text(formula(leaf("W", (2, 2)) @ leaf("h[1]", (2,)) + leaf("b", (2,))))
        'W h₁ + b'
        """
        for inner in inner_nodes([node], lambda n: n.name is not None or n.serial in self.known):
            if inner.serial not in self.known:
                self.known[inner.serial] = self._leaf(inner) if inner.name or inner.op is None else self._read(inner)
        return self.known[node.serial]

    def whole(self, node: Node) -> Expr:
        """As a column or matrix: a scalar that stands for equal entries is written out as that many ones."""
        return spread(self(node), node.shape)

    def _leaf(self, node: Node) -> Expr:
        if node.name is not None:
            return symbol(node.name, node.shape)
        value = node.attrs["value"]
        if not node.shape:
            return num(value if isinstance(value, int | float) else float(value))
        array = np.asarray(value, float)
        shape = matrix_shape(node.shape)
        if not array.any():
            return Zeros(shape)
        if shape[1] == 1 and (array == 1).all():
            return Ones(shape)
        return Literal(shape, tuple(tuple(map(float, row)) for row in array.reshape(shape)))

    def _read(self, node: Node) -> Expr:
        assert node.op is not None
        name = node.op.name
        attrs: dict[str, Any] = node.attrs
        a = [self(x) for x in node.args]
        if name != "reshape" and any(x.serial in self.flat for x in node.args):
            return self._of_flat(node, a)
        if name in _ELEMENTWISE:
            return _ELEMENTWISE[name](*a)
        if name == "expand":
            return expanded(a[0], node.args[0].shape, node.shape)
        if name == "reshape" and (found := self._reshaped(node, a[0])) is not None:
            return found
        if name == "power":
            return power(a[0], num(attrs["exponent"]))
        if node.op.kind == "elementwise" or name not in _STRUCTURAL:
            shape = matrix_shape(node.shape)
            if node.op.kind == "elementwise" and all(x.shape == () for x in a):
                shape = ()
            if node.op.kind != "elementwise":
                a = [self.whole(x) for x in node.args]
            return Apply(shape, node.op, tuple(a), tuple(sorted(attrs.items())), tuple(x.shape for x in node.args))
        a = [self.whole(x) for x in node.args]
        if name == "take":
            return rows(a[0], attrs["start"], attrs["stop"])
        if name == "pad":
            return stack(*padding(a[0], attrs["before"], attrs["after"]))
        if name == "diag":
            return diag(a[0], node.shape[0])
        made: Expr = _STRUCTURAL[name](*a)
        return made

    def _reshaped(self, node: Node, x: Expr) -> Expr | None:
        """An array in another shape, where that needs no sign."""
        own, shape = node.args[0].shape, node.shape
        if node.args[0].serial in self.flat and len(shape) == 2:
            return x
        if len(own) == 2 and len(shape) == 1 and min(own) > 1:
            self.flat.add(node.serial)
            return x
        if x.shape == ():  # a number on its way to be spread over a matrix
            return x if len(shape) == 2 else None
        if x.shape == matrix_shape(shape):  # a column as a matrix of one column
            return x
        return transpose(x) if x.shape[::-1] == matrix_shape(shape) and 1 in x.shape else None

    def _of_flat(self, node: Node, args: list[Expr]) -> Expr:
        """What is made of the entries of matrices: entry by entry another matrix, or a number."""
        assert node.op is not None
        shape = next(x.shape for x, n in zip(args, node.args) if n.serial in self.flat)
        attrs: dict[str, Any] = node.attrs
        if node.shape:
            self.flat.add(node.serial)
        if node.op.kind != "elementwise":
            args = [spread(x, shape) for x in args]
        args = [x if n.serial in self.flat else self._as_matrix(x, n, shape) for x, n in zip(args, node.args)]
        if node.op.name in _ELEMENTWISE:
            found: Expr = _ELEMENTWISE[node.op.name](*args)
            return found
        if node.op.name == "power":
            return power(args[0], num(attrs["exponent"]))
        if node.op.name == "batch_sum":
            return args[0]
        if node.op.name == "dot":
            return product(transpose(Ones((shape[0], 1))), hadamard(*args), Ones((shape[1], 1)))
        own = shape if node.shape else ()
        dims = tuple(n.shape for n in node.args)
        return Apply(own, node.op, tuple(args), tuple(sorted(attrs.items())), dims)

    def _as_matrix(self, x: Expr, node: Node, shape: tuple[int, ...]) -> Expr:
        """A number for all entries, or a vector of constants, as a matrix; a number by itself may stay."""
        if x.shape in ((), shape):
            return x
        if node.op is not None and node.op.name == "expand":  # of a row of one
            return product(Ones((shape[0], 1)), self(node.args[0]), transpose(Ones((shape[1], 1))))
        if isinstance(x, Ones):
            return spread(num(1), shape)
        if isinstance(x, Zeros):
            return Zeros(shape)
        if isinstance(x, Literal):
            flat = [v for row in x.entries for v in row]
            return Literal(shape, tuple(tuple(flat[i : i + shape[1]]) for i in range(0, len(flat), shape[1])))
        raise Fault(f"a vector of {x.shape[0]} entries stands beside the entries of a matrix", "report this")


def expanded(x: Expr, own: tuple[int, ...], dims: tuple[int, ...]) -> Expr:
    """An array whose entries, rows or columns repeat; a number stays the number that all entries are.

    >>> from bpttgraph.formulas.printers import to_text
    >>> to_text(expanded(symbol("b", (2,)), (2,), (3, 2)))
    '𝟏 bᵀ'
    """
    if not x.shape or own == dims:
        return x
    x = transpose(x) if len(own) == 1 < len(dims) else x
    rows, columns = matrix_shape(dims)
    above = [Ones((rows, 1))] if x.shape[0] == 1 < rows else []
    beside = [transpose(Ones((columns, 1)))] if x.shape[1] == 1 < columns else []
    return product(*above, x, *beside)


def diagonal(x: Expr) -> Expr:
    """The diagonal of a matrix as a column; of a bᵀ, that is a ∘ b.

    >>> from bpttgraph.formulas.printers import to_text
    >>> to_text(diagonal(outer(symbol("a", (3,)), symbol("b", (3,)))))
    'a ∘ b'
    """
    sign, e = split_sign(x)
    if isinstance(e, Product):
        matrices = [f for f in e.factors if f.shape]
        cuts = [i for i, (a, b) in enumerate(pairwise(matrices), 1) if a.shape[1] == b.shape[0] == 1]
        if cuts:
            halves = product(*matrices[: cuts[0]]), transpose(product(*matrices[cuts[0] :]))
            return signed(sign, hadamard(*[f for f in e.factors if not f.shape], *halves))
    return Apply((x.shape[0], 1), TABLE["diagonal"], (x,), (), (x.shape,))


_ELEMENTWISE: dict[str, Callable[..., Expr]] = {
    "add": add, "sub": subtract, "neg": neg, "identity": lambda x: x, "mul": hadamard, "div": divide, "ratio": divide,
    "square": lambda x: power(x, num(2)), "pow": power,
}  # fmt: skip
_STRUCTURAL: dict[str, Any] = {
    "matvec": product, "matmat": product, "vecmat": lambda x, a: product(transpose(a), x), "dot": dot, "outer": outer,
    "transpose": transpose, "concat": stack, "take": None, "pad": None, "diag": None, "diagonal": diagonal,
    "batch_outer": outer, "batch_sum": lambda x: x,  # formulas are for one example
}  # fmt: skip


def formula(node: Node) -> Expr:
    """The value of a node as a formula of named variables; of a named node, its symbol."""
    return Reader()(node)


def equation(node: Node) -> Expr:
    """The right side of a named node's own equation.

    >>> from bpttgraph.core.graph import leaf
    >>> from bpttgraph.core.primitives import tanh
    >>> from bpttgraph.formulas.printers import to_text
    >>> h = tanh(leaf("a[1]"))
    >>> h.name = "h[1]"
    >>> to_text(formula(h)), to_text(equation(h))
    ('h₁', 'tanh(a₁)')
    """
    reader = Reader()
    return reader(node) if node.op is None else reader._read(node)
