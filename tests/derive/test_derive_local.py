"""Local Jacobians: the formulas a lecturer expects, and the numbers of the rule table."""

import numpy as np
import pytest

from bpttgraph.core import primitives as op
from bpttgraph.core.autodiff import evaluate as run_graph
from bpttgraph.core.graph import Node, leaf
from bpttgraph.derive import equation, evaluate, local_jacobian, to_text
from bpttgraph.derive.local import numeric_jacobian
from bpttgraph.formulas.to_sympy import to_sympy

W, U, b = leaf("W", (3, 3)), leaf("U", (3, 2)), leaf("b", (3,))
h, x, s, c, M = leaf("h", (3,)), leaf("x", (2,)), leaf("s"), leaf("c", (3,)), leaf("M", (3, 5))
p = leaf("p", (3,))
phi = op.abstract_function("phi")

CASES = [
    (op.tanh(W @ h + U @ x + b), h, "diag(1 − y²) W"),
    (op.sigmoid(W @ h + b), h, "diag(y ∘ (1 − y)) W"),
    (op.relu(W @ h), h, "diag(1₊(W h)) W"),
    (op.exp(h), h, "diag(y)"),
    (c * op.tanh(h), h, "diag(c ∘ (1 − tanh(h)²))"),
    (c * op.tanh(h), c, "diag(tanh(h))"),
    ((1 - h) * c + h * p, h, "diag(p − c)"),
    ((1 - s) * c + s * p, s, "p − c"),
    (c + s * p, p, "s I"),
    (op.softmax(W @ h + b), b, "diag(y) − y yᵀ"),
    (op.softmax(W @ h + b), h, "(diag(y) − y yᵀ) W"),
    (op.log_softmax(h), h, "I − 𝟏 exp(y)ᵀ"),
    (op.cross_entropy(h, c), h, "−(c/h)ᵀ"),
    (op.squared_error(h, c), h, "(h − c)ᵀ"),
    (op.squared_error(h, c), c, "(c − h)ᵀ"),
    (op.dot(p, h), h, "pᵀ"),
    (op.total(op.square(h)), h, "2 𝟏ᵀ diag(h)"),
    (op.mean(h), h, "(1/3) 𝟏ᵀ"),
    (op.TABLE["norm"](h), h, "(h/y)ᵀ"),
    (op.tanh(M @ op.concat(h, x)), h, "diag(1 − y²) M [I; 0]"),
    (op.tanh(op.take(W @ h, start=0, stop=2)), h, "diag(1 − y²) W[1:2]"),
    (h / c, c, "−diag(y/c)"),
    (h @ W, h, "Wᵀ"),
    (h + s, s, "𝟏"),
    (op.power(h, 3), h, "3 diag(h²)"),
    (op.clip(h, low=-1.0, high=1.0), h, None),
    (op.maximum(h, c), c, None),
    (op.gelu(h), h, None),
]


def named(node: Node) -> Node:
    if node.name is None:
        node.name = "y"
    return node


def values(seed: int = 1) -> dict[Node, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {n: np.abs(rng.normal(size=n.shape)) + 0.1 for n in (W, U, b, h, x, s, c, M, p)}


@pytest.mark.parametrize(("node", "source", "text"), CASES)
def test_formula_and_numbers(node: Node, source: Node, text: str | None):
    y = named(node)
    jacobian = local_jacobian(y, source).jacobian
    assert jacobian is not None
    if text is not None:
        assert to_text(jacobian) == text
    data = values()
    data[y] = np.asarray(run_graph([y], data)[0])
    found = evaluate(jacobian, {str(n.name): v for n, v in data.items()})
    want = numeric_jacobian(y, source, data)
    # the rule table against a difference quotient, so that neither reading is its own witness
    eps, step = 1e-6, np.zeros(int(np.prod(source.shape)))
    for i in range(step.size):
        step[:] = 0
        step[i] = eps
        up, down = (
            run_graph(
                [y],
                {
                    **{k: v for k, v in data.items() if k is not y},
                    source: data[source] + d * step.reshape(source.shape),
                },
            )[0]
            for d in (1, -1)
        )
        assert np.allclose(want[..., i], (np.ravel(up) - np.ravel(down)) / (2 * eps), atol=1e-6)
    assert np.allclose(np.reshape(found, want.shape), want, atol=1e-12)
    to_sympy(jacobian)


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (op.tanh(W @ h + b), [("diag(1 − y²)", "h", False)]),
        (W @ h + W @ (h * c), [("I", "h", False), ("I", "h ∘ c", False)]),
        (W.T @ h, [("I", "h", True)]),
        (h @ W, [("I", "h", True)]),
        (op.dot(p, W @ h), [("pᵀ", "h", False)]),
        (op.tanh(op.concat(W @ h, x)), [("diag(1 − y²) [I; 0]", "h", False)]),
    ],
)
def test_contacts_of_a_matrix(node: Node, text: list):
    y = named(node)
    contacts = local_jacobian(y, W).contacts
    assert contacts is not None
    assert [(to_text(k.left), to_text(k.right), k.flipped) for k in contacts] == text
    data = values()
    data[y] = np.asarray(run_graph([y], data)[0])
    by_name = {str(n.name): v for n, v in data.items()}
    change = np.arange(9.0).reshape(3, 3)
    found = 0
    for k in contacts:
        left, right = evaluate(k.left, by_name), evaluate(k.right, by_name)
        found = found + (left @ (change.T if k.flipped else change) @ right)
    want = numeric_jacobian(y, W, data) @ change.ravel()
    assert np.allclose(np.ravel(found), want)


@pytest.mark.parametrize(
    ("y", "by", "text"),
    [
        (op.matmul(op.diag(h), c), h, "diag(c)"),
        (op.matmul(op.outer(h, x), x), h, "(xᵀ x) I"),
        (op.matmul(op.outer(c, h), h), c, "(hᵀ h) I"),
        (op.matmul(op.outer(c, h), p), h, "c pᵀ"),
        (op.matmul(op.transpose(op.outer(c, h)), p), c, "h pᵀ"),
        (op.matmul(op.matmul(W, op.diag(h)), c), h, "W diag(c)"),
        (op.matmul(p, op.matmul(op.diag(h), W)), h, "Wᵀ diag(p)"),
        (op.matmul(op.matmul(op.diag(h), W) - op.transpose(op.diag(h)), c), h, "diag((W − I) c)"),
        (op.matmul(op.total(h) * W, c), h, "W c 𝟏ᵀ"),
        (op.matmul(s * W, c), s, "W c"),
        (op.matmul(2.0 * op.outer(h, x), x), h, "2 (xᵀ x) I"),
        (op.matmul(op.diag(h), h), h, "2 diag(h)"),
    ],
)
def test_matrices_that_move(y: Node, by: Node, text: str):
    named(y)
    jacobian = local_jacobian(y, by).jacobian
    assert jacobian is not None
    data = values()
    data[y] = np.asarray(run_graph([y], data)[0])
    got = evaluate(jacobian, {str(n.name): v for n, v in data.items()})
    assert np.allclose(np.reshape(got, (3, -1)), numeric_jacobian(y, by, data))
    assert to_text(jacobian) == text


def test_abstract_functions_print_their_derivative():
    y = named(phi(W @ h + b))
    assert to_text(local_jacobian(y, h).jacobian) == "diag(φ′(W h + b)) W"
    f = named(op.abstract_function("f", (3,))(x, h, W))
    assert not local_jacobian(f, h).closed and not local_jacobian(f, W).closed


def test_what_has_no_closed_reading_says_so():
    y = named(op.tanh(op.total(op.square(W)) * h))
    assert not local_jacobian(y, W).closed
    assert to_text(equation(y)) == "tanh(sum(W²) h)"


def test_the_equation_of_a_variable():
    y = named((1 - c) * p + c * h)
    assert to_text(equation(y)) == "(1 − c) ∘ p + c ∘ h"
