"""Attention over positions, against NumPy: scores, their softmax in several notations, the sum over the positions."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest

import bpttgraph as bg

STATE = r" \\ c_i = \sum_j \alpha_{ij} k_j \\ s_i = \tanh(A s_{i-1} + C c_i)"
ADDITIVE = r"e_{ij} = v^\top \tanh(W s_{i-1} + U k_j) \\ "
QUOTIENT = r"\alpha_{ij} = \frac{\exp(e_{ij})}{\sum_{l=1}^{T_x} \exp(e_{il})}"
TEXTS = {
    ADDITIVE + QUOTIENT + STATE: "additive",
    ADDITIVE + r"\alpha_{ij} = \exp(e_{ij}) / \sum_{j} \exp(e_{ij})" + STATE: "additive",
    ADDITIVE + r"\alpha_{ij} = \mathrm{softmax}_j(e_{ij})" + STATE: "additive",
    ADDITIVE + r"\alpha_{ij} = \mathrm{softmax}(e_{ij})" + STATE: "additive",
    (ADDITIVE + QUOTIENT + STATE).replace("_{i", "_{t").replace("_i", "_t"): "additive",
    r"e_{ij} = s_{i-1}^\top W k_j \\ " + QUOTIENT + STATE: "bilinear",
}


def by_hand(kind: str, data):  # type: ignore[no-untyped-def]
    """dE/dW by the complex step, in NumPy."""
    k, true = data["k"], np.zeros_like(data["W"])
    up = data[next(n for n in data if n.startswith("dE_d"))]
    for index in np.ndindex(true.shape):
        W, s, total = data["W"].astype(complex), data["s[0]"].astype(complex), 0.0
        W[index] += 1e-30j
        for weight in up:
            if kind == "additive":
                e = np.array([data["v"] @ np.tanh(W @ s + data["U"] @ x) for x in k])
            else:
                e = np.array([s @ W @ x for x in k])
            a = np.exp(e) / np.exp(e).sum()
            s = np.tanh(data["A"] @ s + data["C"] @ (a @ k))
            total = total + weight @ s
        true[index] = np.imag(total) / 1e-30
    return true


@pytest.mark.parametrize("text", TEXTS)
def test_attention_has_the_gradient_of_numpy(text: str) -> None:
    rec = bg.recurrence(text)
    assert rec.states == ("s",) and rec.inputs == ("k",) and any("position" in note for note in rec.notes)
    sizes = {"s": 3, "k": 2} | ({"v": 4} if TEXTS[text] == "additive" else {})
    u = rec.unroll(3, sizes=sizes)
    data = u.instance(seed=6)
    np.testing.assert_allclose(u.run(data).gradients["W"], by_hand(TEXTS[text], data), rtol=1e-10, atol=1e-13)


def test_a_formula_proves_itself() -> None:
    u = bg.recurrence(ADDITIVE + QUOTIENT + STATE).unroll(3, sizes={"s": 3, "k": 2, "v": 4})
    assert u.derive("U").check(u.instance(seed=2)).right


def test_scores_that_need_one_another_are_refused() -> None:
    text = r"e_{ij} = \alpha_{ij} + s_{i-1}^\top k_j \\ \alpha_{ij} = \exp(e_{ij})" + STATE
    with pytest.raises(bg.BPTTError, match="need one another"):
        bg.recurrence(text)


def test_long_chains_of_scores_are_bounded() -> None:
    letters = "abdefgmnopqruvw"
    lines = [rf"{x}_{{ij}} = {y}_{{ij}} {y}_{{ij}}" for x, y in pairwise(letters)]
    text = r" \\ ".join([r"\alpha_{ij} = a_{ij}", *lines, rf"{letters[-1]}_{{ij}} = s_{{i-1}}^\top k_j"]) + STATE
    begin = time.process_time()
    with pytest.raises(bg.BPTTError, match="too large"):
        bg.recurrence(text)
    assert time.process_time() - begin < 5


def test_a_softmax_with_a_subscript_is_one_of_the_vector() -> None:
    rec = bg.recurrence(r"h_t = \tanh(A h_{t-1} + x_t), \quad y_t = \mathrm{softmax}_k(V h_t)")
    assert "softmax(V @ h[t])" in rec.reading and rec.abstract == ()
