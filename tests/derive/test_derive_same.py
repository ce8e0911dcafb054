"""Formulas compared as trees: what is called the same has the same numbers, and what differs is told apart."""

import numpy as np
import pytest

from bpttgraph.derive.evaluate import matrix_value
from bpttgraph.formulas.expr import (
    Diag,
    Expr,
    Identity,
    Ones,
    add,
    diag,
    divide,
    dot,
    hadamard,
    neg,
    num,
    outer,
    power,
    product,
    subtract,
    symbol,
    transpose,
)
from bpttgraph.formulas.nodes import BigSum, Symbol
from bpttgraph.formulas.same import same

W, V = symbol("W", (3, 3)), symbol("V", (3, 3))
a, b, c, s = symbol("a", (3,)), symbol("b", (3,)), symbol("c", (3,)), symbol("s")
T = Symbol((), "T", ())

EQUAL: list[tuple[Expr, Expr]] = [
    (transpose(product(W, V)), product(transpose(V), transpose(W))),
    (product(W, add(a, b)), add(product(W, b), product(W, a))),
    (product(W, diag(a, 3), b), product(W, hadamard(b, a))),
    (transpose(product(diag(a, 3), b)), product(transpose(b), diag(a, 3))),
    (product(Diag((3, 3), subtract(num(1), power(a, num(2)))), b), subtract(b, hadamard(a, b, a))),
    (product(diag(a, 3), outer(b, c)), outer(hadamard(a, b), c)),
    (product(diag(a, 3), diag(b, 3), W), product(Diag((3, 3), hadamard(b, a)), W)),
    (product(s, num(2), W), product(num(2), W, s)),
    (dot(a, b), dot(b, a)),
    (neg(subtract(a, b)), subtract(b, a)),
    (product(add(Identity((3, 3)), W), a), add(a, product(W, a))),
    (hadamard(subtract(num(1), a), a), subtract(a, power(a, num(2)))),
]
DIFFERENT: list[tuple[Expr, Expr]] = [
    (product(W, a), product(transpose(W), a)),
    (product(W, V), product(V, W)),
    (outer(a, b), outer(b, a)),
    (add(Identity((3, 3)), W), add(num(1), W)),
    (product(transpose(Ones((3, 1))), a), a),
    (product(W, hadamard(a, b)), hadamard(product(W, a), b)),
    (divide(a, b), divide(b, a)),
    (dot(a, a), power(a, num(2))),
    (product(diag(a, 3), W), product(W, diag(a, 3))),
    (add(a, a), a),
]


def values() -> dict[str, object]:
    rng = np.random.default_rng(1)
    return {
        "W": rng.normal(size=(3, 3)),
        "V": rng.normal(size=(3, 3)),
        "s": 0.3,
        **{x: rng.normal(size=3) for x in "abc"},
    }


@pytest.mark.parametrize(("x", "y"), EQUAL)
def test_equal_formulas(x: Expr, y: Expr):
    assert same(x, y) and same(y, x)
    assert np.allclose(matrix_value(x, values()), matrix_value(y, values()), rtol=1e-13)


@pytest.mark.parametrize(("x", "y"), DIFFERENT)
def test_different_formulas(x: Expr, y: Expr):
    assert not same(x, y)
    one, two = matrix_value(x, values()), matrix_value(y, values())
    assert one.shape != two.shape or not np.allclose(one, two)


def test_sums_over_steps():
    def total(low: int, high: Expr, body: Expr) -> Expr:
        return BigSum(body.shape, "t", num(low), high, body)

    d, h = symbol("d[t]", (3,)), symbol("h[t-1]", (3,))
    later, now = symbol("d[t+1]", (3,)), symbol("h[t]", (3,))
    assert same(total(1, T, outer(d, h)), total(0, subtract(T, num(1)), outer(later, now)))
    assert not same(total(1, T, outer(d, h)), total(0, T, outer(later, now)))
    assert not same(total(1, T, outer(d, h)), total(2, T, outer(d, h)))
    assert same(total(1, T, add(d, neg(now))), add(total(1, T, d), neg(total(1, T, now))))
    assert same(total(1, T, d), total(1, T, symbol("e[t]", (3,))), {"d": "e"})
