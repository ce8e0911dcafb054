"""Sums and means of matrices: the adjoint of what is inside has equal entries, and in a product these are a matrix 𝟏𝟏ᵀ,
not the number that they all are."""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.derive.evaluate import evaluate
from bpttgraph.errors import Fault
from bpttgraph.formulas.expr import Apply, Ones, product, spread, symbol, transpose
from bpttgraph.formulas.printers import to_text
from tests.differential.readers import READERS, Unit, evaluate as read_value, key, sides

H = "h[t] = tanh(W @ h[t-1] + x[t])\n"
J = np.ones

# text, sizes, by what, the gradient over two steps by hand
CASES = (
    ("E[t] = sum(R @ Q) + sum(h[t])", {"R": (3, 2), "Q": (2, 4)}, "R", lambda d: 2 * J((3, 4)) @ d["Q"].T),
    ("E[t] = sum(R @ Q) + sum(h[t])", {"R": (3, 2), "Q": (2, 4)}, "Q", lambda d: 2 * d["R"].T @ J((3, 4))),
    ("E[t] = mean(A @ A) + sum(h[t])", {"A": (2, 2)}, "A",
     lambda d: (J((2, 2)) @ d["A"].T + d["A"].T @ J((2, 2))) / 2),
    ("E[t] = mean(R - outer(a, b)) + sum(h[t])", {"R": (3, 2)}, "a", lambda d: -d["b"].sum() / 3 * J(3)),
    ("E[t] = mean(R - outer(a, b)) + sum(h[t])", {"R": (3, 2)}, "b", lambda d: -d["a"].sum() / 3 * J(2)),
    ("E[t] = mean(R - outer(a, b)) + sum(h[t])", {"R": (3, 2)}, "R", lambda d: J((3, 2)) / 3),
    ("E[t] = sum((R @ Q).T) + sum(h[t])", {"R": (3, 2), "Q": (2, 4)}, "R", lambda d: 2 * J((3, 4)) @ d["Q"].T),
)  # fmt: skip


@pytest.mark.parametrize(("text", "sizes", "wrt", "by_hand"), CASES)
@pytest.mark.parametrize("truncate", [None, "sliding:2"])
def test_every_level_and_language_says_it(text, sizes, wrt, by_hand, truncate) -> None:  # type: ignore[no-untyped-def]
    u = bg.recurrence(H + text).unroll(2, sizes={"h": 2, **sizes}, truncate=truncate)
    data = u.instance(seed=1)
    d, run, want = u.derive(wrt), u.run(data), by_hand(data)
    np.testing.assert_allclose(run.gradients[wrt], want, rtol=1e-12)
    assert d.check(data).right
    for level in ("local", "matrix", "elements"):
        np.testing.assert_allclose(d.value_at(level, run), want, rtol=1e-12)

    known = {key(n): data[n].reshape(len(data[n]), -1) for n in (*sizes, "a", "b") if n in data}
    for form, read in READERS.items():
        right = sides(read(d.statement("matrix", form)))[1]
        value = read_value(right, lambda item: Unit(item[1]) if item[0] == "unit" else known[item])
        value = value.like(np.zeros(want.reshape(len(want), -1).shape)) if isinstance(value, Unit) else value
        np.testing.assert_allclose(value.reshape(want.shape), want, rtol=1e-12)


def test_inside_states_decoders_and_totals() -> None:
    """The printed code is run, and each level evaluated, by the check; the gradients by the complex step."""
    texts = {
        "S[t] = tanh(A @ S[t-1] + outer(x[t], x[t])); E[t] = sum(S[t] @ B)": ({"S": (2, 2), "B": (2, 3)}, "A B"),
        "S[t] = tanh(A @ S[t-1] + outer(x[t], z[t])); E[t] = sum(S[t] @ S[t].T)": ({"S": (3, 2)}, "A"),
        "h[t] = tanh(W @ h[t-1] + x[t] * mean(R @ Q)); E[t] = sum(h[t])": ({"h": 2, "R": (3, 2), "Q": (2, 4)}, "R W"),
        "h[t] = tanh(W @ h[t-1] + x[t]); E[t] = dot(v, h[t]); E = sum_t E[t] * exp(mean(R @ Q))":
            ({"h": 2, "R": (3, 2), "Q": (2, 4)}, "R Q v"),
        "c[t] = tanh(A @ c[t-1] + u[t]); E[t] = mean(outer(W @ u[t], c[t-1]))": ({"W": (4, 2), "c": 2, "u": 2}, "A W"),
        "encoder:\nh[t] = tanh(W @ h[t-1] + x[t])\ndecoder:\ns[t] = tanh(V @ s[t-1])\nE[t] = sum(outer(s[t], a) @ Q)\n"
        "decoder.s[0] = encoder.h[T]": ({}, "decoder.a decoder.Q decoder.V"),
    }  # fmt: skip
    for text, (sizes, names) in texts.items():
        rec = bg.recurrence(text)
        u = rec.unroll(2, sizes=sizes)
        for wrt in names.split():
            d = u.derive(wrt)
            assert d.check().right, (text, wrt)
            if "sum_t" not in text:
                rec.derive(wrt, sizes=sizes).code()  # is run before it is returned


def test_vectors_as_rows() -> None:
    rec = bg.recurrence("h[t] = tanh(h[t-1] @ W + x[t])\nE[t] = sum(outer(h[t], a) @ Q)")
    assert rec.rows
    d = rec.unroll(2, sizes={"h": 2, "a": 3, "Q": (3, 4)}).derive("Q")
    assert d.check().right
    assert "𝟏ᵀ 𝟏" in d.unicode("matrix")


def test_a_number_is_no_matrix_for_the_check() -> None:
    """A formula is evaluated as it is printed."""
    from bpttgraph.core.graph import leaf
    from bpttgraph.core.primitives import TABLE, expand

    wide = expand(leaf("c", ()), shape=(3, 2))
    assert wide.op is TABLE["expand"]
    c, b = symbol("c"), symbol("b", (2,))
    hidden = Apply((3, 2), wide.op, (c,), (("rank", 0), ("shape", (3, 2))), ((),))
    assert to_text(product(hidden, b)) == "c b"
    with pytest.raises(Fault):
        evaluate(product(hidden, b), {"c": 2.0, "b": np.array([1.0, 5.0])})
    whole = product(spread(c, (3, 2)), b)
    assert to_text(whole) == "c 𝟏 𝟏ᵀ b"
    np.testing.assert_allclose(evaluate(whole, {"c": 2.0, "b": np.array([1.0, 5.0])}), [12.0, 12.0, 12.0])
    assert to_text(spread(c, (3,))) == "c 𝟏"
    assert to_text(product(Ones((3, 1)), transpose(Ones((2, 1))))) == "𝟏 𝟏ᵀ"
