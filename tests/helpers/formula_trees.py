"""Random formulas as trees, and their values."""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from bpttgraph.core import primitives as op
from bpttgraph.derive import evaluate
from bpttgraph.formulas.expr import (
    Apply,
    Expr,
    Ones,
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
    transpose,
)

SCALARS, VECTORS, MATRICES = ("a", "b"), ("u", "v"), ("M", "N")


VALUES = {
    "a": 0.7, "b": -1.3, "u": np.array([0.4, -0.9]), "v": np.array([1.1, 0.6]),
    "M": np.array([[0.3, -1.2], [0.8, 0.5]]), "N": np.array([[1.4, 0.2], [-0.6, 0.9]]),
}  # fmt: skip


def tanh(x: Expr) -> Expr:
    return Apply(x.shape, op.tanh, (x,), (), (x.shape if x.shape == (2, 2) else x.shape[:1],))


def trees() -> tuple[st.SearchStrategy, st.SearchStrategy, st.SearchStrategy]:
    """Random scalars, vectors (columns of two) and matrices."""
    numbers = st.sampled_from([1, 2, 3, 0.5, -1, -2, Fraction(1, 3)]).map(num)
    scalar = st.sampled_from(SCALARS).map(symbol) | numbers
    vector = st.sampled_from(VECTORS).map(lambda n: symbol(n, (2,))) | st.just(Ones((2, 1)))
    matrix = st.sampled_from(MATRICES).map(lambda n: symbol(n, (2, 2))) | st.just(identity((2,)))
    for _ in range(3):
        s, v, m = scalar, vector, matrix
        scalar = s | st.one_of(
            st.builds(add, s, s), st.builds(subtract, s, s), st.builds(product, s, s), st.builds(neg, s), s.map(tanh),
            st.builds(dot, v, v), st.builds(lambda x: power(x, num(2)), s),
            st.builds(lambda x, y: divide(x, add(power(y, num(2)), num(1))), s, s),
        )  # fmt: skip
        vector = v | st.one_of(
            st.builds(add, v, v), st.builds(subtract, v, v), st.builds(subtract, st.just(num(1)), v), v.map(neg),
            st.builds(hadamard, v, v), st.builds(hadamard, s, v), st.builds(product, m, v), v.map(tanh),
            st.builds(lambda x: power(x, num(2)), v),
            st.builds(lambda x, y: divide(x, add(power(y, num(2)), num(1))), v, v),
            st.builds(lambda x, y: stack(rows(x, 0, 1), rows(y, 1, 2)), v, v),
        )  # fmt: skip
        matrix = m | st.one_of(
            st.builds(add, m, m),
            st.builds(subtract, m, m),
            st.builds(product, m, m),
            m.map(neg),
            m.map(transpose),
            st.builds(outer, v, v),
            st.builds(lambda x: diag(x, 2), v),
            st.builds(product, s, m),
            st.builds(hadamard, m, m),
            st.builds(subtract, st.just(num(1)), m),
            st.builds(lambda x: power(x, num(2)), m),
            m.map(tanh),
        )
    return scalar, vector, matrix


SCALAR, VECTOR, MATRIX = trees()


ANY = SCALAR | VECTOR | MATRIX


def lifted(e: Expr) -> np.ndarray:
    value = np.asarray(evaluate(e, VALUES))
    return value[:, None] if value.ndim == 1 else value
