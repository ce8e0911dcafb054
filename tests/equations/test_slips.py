"""Texts whose obvious reading used to be another: what they compute, compared with NumPy, and what is refused instead.

The oracle is the formula written out in NumPy; what cannot be read must say what it met.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bpttgraph as bg

COMPUTED = [
    # a slash
    (r"h_t = h_{t-1} - \eta/2 x_t", "h", lambda d: d["h[0]"] - d["η"] / 2 * d["x"][0]),
    (r"h_t = \tanh(x_t/2 h_{t-1})", "h", lambda d: np.tanh(d["x"][0] / 2 * d["h[0]"])),
    (r"h_t = \alpha / \tau h_{t-1} + x_t", "h", lambda d: d["α"] / d["τ"] * d["h[0]"] + d["x"][0]),
    (r"h_t = h_{t-1} + \Delta t/2 x_t", "h", lambda d: d["h[0]"] + d["Δt"] / 2 * d["x"][0]),
    (r"h_t = \Delta/2 \cdot h_{t-1} + x_t", "h", lambda d: d["Δ"] / 2 * d["h[0]"] + d["x"][0]),
    ("h_t = a/2 · W h_{t-1} + x_t", "h", lambda d: d["a"] / 2 * (d["W"] @ d["h[0]"]) + d["x"][0]),
    (r"h_t = (I + \Delta/2 A) h_{t-1} + B x_t", "h",
     lambda d: (np.eye(len(d["A"])) + d["Δ"] / 2 * d["A"]) @ d["h[0]"] + d["B"] @ d["x"][0]),
    # a form of two letters, columns and rows
    ("S_t = S_{t-1} + v_t k_t^T; y_t = u^T S_t w", "y",
     lambda d: d["u"] @ (d["S[0]"] + np.outer(d["v"][0], d["k"][0])) @ d["w"]),
    ("S_t = S_{t-1} + k_t^T v_t; y_t = u S_t w^T", "y",
     lambda d: d["u"] @ (d["S[0]"] + np.outer(d["k"][0], d["v"][0])) @ d["w"]),
    # coefficients
    (r"S_t = \gamma S_{t-1} + k_t^T v_t", "S", lambda d: float(d["γ"]) * d["S[0]"] + np.outer(d["k"][0], d["v"][0])),
    (r"h_t = \exp(\Delta_t A) h_{t-1} + B x_t", "h",
     lambda d: np.exp(float(d["Δ"][0]) * d["A"]) @ d["h[0]"] + d["B"] @ d["x"][0]),
    (r"x_i(t) = (1-\alpha) x_i(t-1) + \sum_j W_{ij} x_j(t-1) + u_i(t)", "x",
     lambda d: (1 - float(d["α"])) * d["x[0]"] + d["W"] @ d["x[0]"] + d["u"][0]),
    # e in a formula that the text gives
    ("g(z) = 1/(1+e^{-z})\nh_t = g(W h_{t-1} + x_t)", "h", lambda d: 1 / (1 + np.exp(-d["W"] @ d["h[0]"] - d["x"][0]))),
    # code
    ("h[t] = tanh(F.linear(x[t], w, b) + F.linear(h[t-1], u))", "h",
     lambda d: np.tanh(d["w"] @ d["x"][0] + d["b"] + d["u"] @ d["h[0]"])),
    ("h[t] = tanh(matmul(x[t], k) + matmul(h[t-1], r) + b)", "h",
     lambda d: np.tanh(d["k"].T @ d["x"][0] + d["r"].T @ d["h[0]"] + d["b"])),
    # the gain of a filter is a matrix
    ("P_t = A P_{t-1} A^T + Q\nK_t = P_t H^T R\nS_t = (I - K_t H) P_t", "S",
     lambda d: (lambda p: (d["I"] - p @ d["H"].T @ d["R"] @ d["H"]) @ p)(d["A"] @ d["P[0]"] @ d["A"].T + d["Q"])),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "value"), COMPUTED, ids=[text for text, _, _ in COMPUTED])
def test_what_is_read_is_what_is_meant(text: str, name: str, value: Any) -> None:
    unrolled = bg.recurrence(text).unroll(2)
    data = unrolled.instance(seed=5)
    np.testing.assert_allclose(np.asarray(unrolled.run(data).values[f"{name}[1]"]), value(data), rtol=1e-12, atol=1e-12)


REFUSED = {
    r"h_t = \sqrt[3]{h_{t-1}} + x_t": "a root with an order",
    "h[t] = h[t-1] % 2 + x[t]": "neither a remainder nor a percentage",
    "h[t] = (a h[t-1] + c) % m": "neither a remainder nor a percentage",
    "h[t] = h[t-1] + 10% x[t]": "neither a remainder nor a percentage",
    r"r_t = \sum_i w_t(i) M_t(i); M_t = M_{t-1} + a_t": "an index of its entries, or a factor",
    r"h_t = h_{t-1} + \sum_k A_k x_t^k": "k counts entries here, and stands as a number",
    r"h_t = \tanh(W h_{t-1} + h_{2t})": "2t is no step",
    "h_t = [[0, 1], [1, 0]] h_{t-1} + x_t": "a matrix written out entry by entry",
    "h_t = [0 1; 1 0] h_{t-1} + x_t": "a matrix written out entry by entry",
    "h_t = [a b; c d] h_{t-1} + x_t": "a matrix written out entry by entry",
    "x'(t) = A x(t) + B u(t)": "a differential equation has no steps",
    "h[t] = h[t-1] if m[t] else x[t]": "is a condition",
    "h = z o h_prev + (1 - z) o x\nz = sigmoid(W x)": "o between two operands",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_read_says_what_was_met(text: str) -> None:
    with pytest.raises(bg.BPTTError, match=REFUSED[text]):
        bg.recurrence(text)


SAID = {
    r"h_t = h_{t-1} - \eta/2 x_t": "read as a fraction times what follows",
    "h[t] = h[t-1] + a / τ x[t]": "not as (a/τ) x[t]",
    r"h_t = \tanh(\sum_i W_i h_{t-1} + x_t)": "W[i] is read as an input that the sum takes at every step",
    r"h_t = \tanh(W h_{t-1} + E_{x_t})": "E_{x_t} is read as the parameter E_xt",
    "h_t = h_{t-1} + k(x_t - h_{t-1})": "k(…) was read as a function",
    r"h_t = h_{t-1} - \eta \frac{\partial E}{\partial h}": "not as a gradient that is computed",
}


@pytest.mark.parametrize("text", SAID)
def test_what_is_assumed_is_said(text: str) -> None:
    assert sum(SAID[text] in note for note in bg.recurrence(text).notes) == 1


@pytest.mark.parametrize(
    "text",
    [
        "h[t] = tanh(W h[t-1] + x[t]) % the new state",
        "h[t] = tanh(W h[t-1] + x[t])  % R",
        "% h[t] = x[t]\nh[t] = tanh(W h[t-1] + x[t])",
        r"h_t = \tanh(W h_{t-1} + x_t) % + b",
        "h[t] = tanh(weight_ih @ x[t] + weight_hh @ h[t-1] + bias)",
        "h_t = 1/2 h_{t-1} + x_t / 2",
        "h[t] = tanh(W [h[t-1]; x[t]])",
    ],
)
def test_innocent_texts_have_no_note(text: str) -> None:
    assert not bg.recurrence(text).notes
