"""The printer of NumPy code against the evaluator of formulas, on random trees: columns, rows, matrices, sizes of one.

The evaluator keeps every value as a matrix; the printed code has one-dimensional arrays for columns and rows. They
share nothing but the tree.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bpttgraph.derive.evaluate import evaluate
from bpttgraph.errors import BPTTError
from bpttgraph.formulas.code_names import NameTable
from bpttgraph.formulas.code_printer import CodePrinter
from bpttgraph.formulas.expr import (
    BigSum,
    Divide,
    Expr,
    Literal,
    Ones,
    Power,
    Symbol,
    add,
    diag,
    divide,
    dot,
    hadamard,
    identity,
    neg,
    num,
    outer,
    power,
    product,
    rows,
    stack,
    subtract,
    symbol,
    tagged,
    transpose,
)

SIZES = (1, 2, 3)


class Trees:
    """Random formulas of a shape, with the values of their symbols."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.values: dict[str, Any] = {}

    def pick(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def leaf(self, shape: tuple[int, ...]) -> Expr:
        """A symbol: a vector or a matrix where the shape is (n, 1)."""
        dims = shape
        if shape and shape[1] == 1 and self.rng.random() < 0.6:
            dims = shape[:1]
        name = f"x{len(self.values)}"
        self.values[name] = self.rng.uniform(0.3, 1.5, size=dims)
        return symbol(name, dims)

    def tree(self, shape: tuple[int, ...], depth: int) -> Expr:
        if depth == 0:
            return self.leaf(shape)
        kind = self.pick("leaf", "sum", "entries", "product", "turned", "own", "own")
        if kind == "leaf":
            return self.leaf(shape)
        if kind == "sum":
            parts = [self.tree(shape, depth - 1) for _ in range(self.pick(2, 3))]
            return subtract(parts[0], add(*parts[1:])) if self.pick(0, 1) else add(*parts, num(1))
        if kind == "entries":
            a, b = self.tree(shape, depth - 1), self.tree(self.pick(shape, ()), depth - 1)
            return self.pick(lambda: hadamard(a, b), lambda: divide(a, b), lambda: power(a, num(2)), lambda: neg(a),
                             lambda: tagged(a, "a->b"), lambda: product(num(Fraction(1, 3)), a))()  # fmt: skip
        if shape == ():
            n = self.pick(*SIZES)
            m = (n, self.pick(1, 1, 2))
            return dot(self.tree(m, depth - 1), self.tree(m, depth - 1))
        r, c = shape
        if kind == "product":
            inner = [r, *[self.pick(*SIZES, 1) for _ in range(self.pick(1, 2, 3))], c]
            factors = [self.tree((a, b), depth - 1) for a, b in itertools.pairwise(inner)]
            return product(*[self.leaf(())] * self.pick(0, 1), *factors)
        if kind == "turned":
            return transpose(self.tree((c, r), depth - 1))
        return self.own(shape, depth)

    def own(self, shape: tuple[int, ...], depth: int) -> Expr:
        r, c = shape
        if r == c and self.pick(0, 1):
            return self.pick(
                lambda: diag(self.tree((r, 1), depth - 1), r), lambda: product(self.leaf(()), identity((r,)))
            )()
        if r > 1 and self.pick(0, 1):
            return stack(self.tree((1, c), depth - 1), self.tree((r - 1, c), depth - 1))
        if self.pick(0, 1):
            return rows(self.tree((r + 2, c), depth - 1), 1, r + 1)
        if c == 1:
            return self.pick(Ones((r, 1)), Literal((r, 1), tuple((float(i + 1),) for i in range(r))))
        return outer(self.tree((r, 1), depth - 1), self.tree((c, 1), depth - 1))


def dims_of(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    yield shape
    if shape and shape[1] == 1:
        yield shape[:1]


@pytest.mark.parametrize("seed", range(400))
def test_printed_trees_have_the_value_of_the_formula(seed: int):
    trees = Trees(seed)
    shape = trees.pick((), (1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (2, 3), (3, 1))
    e = trees.tree(shape, 3)
    want = np.asarray(evaluate(e, trees.values))
    want = want.reshape(shape or ())
    for dims in dims_of(shape):
        text = CodePrinter(NameTable(trees.values)).shaped(e, dims)
        got = np.zeros(dims)
        got[...] = eval(text, {"np": np, **trees.values})  # one number may stand for all entries
        assert np.allclose(got.reshape(shape), want, rtol=1e-12, atol=1e-12), (text, dims)


def test_layout_is_that_of_a_person():
    W, h, d = symbol("W", (3, 3)), symbol("h[t-1]", (3,)), symbol("δ[t]", (3,))
    printer = CodePrinter(NameTable())
    for e, want in [
        (product(transpose(W), d), "W.T @ delta[t]"),
        (outer(d, h), "np.outer(delta[t], h[t-1])"),
        (product(transpose(W), outer(d, h)), "np.outer(W.T @ delta[t], h[t-1])"),
        (product(transpose(h), d), "h[t-1] @ delta[t]"),
        (product(num(2), transpose(h), W, d), "2 * (h[t-1] @ W @ delta[t])"),
        (hadamard(subtract(num(1), power(h, num(2))), d), "(1 - h[t-1]**2) * delta[t]"),
        (Power((), num(2), symbol("a")), "2.0**a"),
        (Divide((), num(1), hadamard(symbol("a"), symbol("b"))), "1 / (a * b)"),
        (BigSum((), "k", num(1), Symbol((), "T", ()), symbol("E[k]")), "sum(E[k] for k in range(1, T + 1))"),
    ]:
        assert printer.show(e) == want


def test_what_has_no_code_says_so():
    from bpttgraph.formulas.expr import BigProduct, Blocks, Entry, partial

    h = symbol("h[t]", (3,))
    for e in (partial("f[t]", (3,), "h[t]", (3,)), Entry((), h, (1,)), Blocks((6, 1), ((h,), (h,))),
              BigProduct((), "k", num(1), num(3), symbol("a"))):  # fmt: skip
        with pytest.raises(BPTTError, match=r"no (NumPy )?(code|formula)"):
            CodePrinter(NameTable()).show(e)


def test_a_printer_says_what_it_lacks():
    """Whatever is not written is one sentence, for every piece that a language must say."""
    from bpttgraph.formulas.walk import Printer

    class Half(Printer):
        def name(self, name: str) -> tuple[str, int]:
            return name, 60

    a, h = symbol("a"), symbol("h", (3,))
    pieces = [
        (num(2), "a number"),
        (add(a, a), "a sum"),
        (neg(a), "a minus sign"),
        (product(a, h), "a product"),
        (diag(h, 3), "a word"),
        (identity((3,)), "the unit matrix"),
        (transpose(h), "a transpose"),
        (rows(h, 0, 2), "some rows"),
    ]
    for e, what in pieces:
        with pytest.raises(BPTTError, match=f"a Half does not write {what}"):
            Half().show(e)
