"""Readings that a text leaves open are said: forgotten steps, factors before brackets, marks with two meanings."""

from __future__ import annotations

import pytest

import bpttgraph as bg

SAID = [
    ("h_t = tanh(W h_{t-1} + U x)", "x is read as a parameter, the same at each step; write x_t"),
    ("h_t = W^H h_{t-1} + x_t", "another matrix, W_H; write W^T"),
    ("h_t = W' h_{t-1} + U' x_t", "W' is read as a name of its own; write W^T"),
    ("h_t = f'(a_t) ⊙ h_{t-1}\na_t = W h_{t-1}", "not as the derivative of f"),
    ("h_t = \\sigma'(W h_{t-1} + U x_t)", "not as the derivative of σ"),
    ("x_t = x_{t-1} + dt (σ (y_{t-1} - x_{t-1}))\ny_t = β y_{t-1} + x_t", "σ(…) is read as the sigmoid"),
    ("h_t = tanh(W h_{t-1} + U x_t)\ny_t = argmax(V h_t)", "argmax is no function with a gradient"),
    ("h_t = \\tanh W h_{t-1} + U x_t", "without brackets was read as tanh(W h[t-1])"),
    ("def forward(self, x, h):\n    hidden = self.i2h(x)\n    return hidden", "nothing is carried over time"),
    ("W ∈ R^{3×3}, h ∈ R^{4}\nh_t = tanh(W h_{t-1} + U x_t)", "the sizes in it are not used"),
    ("W is 3x3, h is 4x1\nh_t = tanh(W h_{t-1} + U x_t)", "the sizes in it are not used"),
    ("h_t = \\mathrm{softplus}(\\Lambda) \\cdot x_t + W h_{t-1}", "softplus(Λ) @ x[t]; write softplus(Λ) ⊙ x[t]"),
    ("h_t = G W h_{t-1} + x_t, where G is a scalar gain", "the capital G is read as a number"),
    ("h_t = k_1 (x_t - h_{t-1}) + h_{t-1}", "k_1 before a bracket was read as a factor"),
    ("V_t = V_{t-1} - g_L (V_{t-1} - E_L) + I_t", "g_L before a bracket was read as a factor"),
    ("h_t = u_1(x_t) + u_1(h_{t-1} + x_t)", "u_1(…) was read as a function"),
]


@pytest.mark.parametrize(("text", "said"), SAID)
def test_it_is_said(text: str, said: str) -> None:
    notes = bg.recurrence(text).notes
    assert any(said in note for note in notes), notes


READ = [
    ("h_t = a_1 (h_{t-1} + x_t)", "h[t] = a_1 * (h[t-1] + x[t])"),
    ("h_t = c_{in} (h_{t-1} + x_t)", "h[t] = c_in * (h[t-1] + x[t])"),
    ("h_t = g_h(W h_{t-1} + U x_t + b)", "h[t] = g_h(W @ h[t-1] + U @ x[t] + b)"),
    ("h_t = Dropout(tanh(W h_{t-1} + U x_t), p=0.5)", "W: parameter, matrix 3×3"),
    ("a_next = np.tanh(np.dot(W, np.concatenate((a_prev, xt))))", "a[t] = tanh(W @ [a[t-1]; xt[t]])"),
    ("c_t = np.concatenate((a_prev, xt), axis=0)\na_next = np.tanh(np.dot(W, c_t))", "xt: input, vector of 2"),
    ("a_next = np.tanh(W @ np.concatenate((a_prev, inp)) + b)", "inp: input, vector of 2"),
]


@pytest.mark.parametrize(("text", "line"), READ)
def test_it_is_read(text: str, line: str) -> None:
    assert line in bg.recurrence(text).reading


@pytest.mark.parametrize("text", ["h_t = tanh(W h_{t-1} + U x_t)", "h_t = \\sigma(W h_{t-1} + U x_t)"])
def test_nothing_is_said_of_a_plain_cell(text: str) -> None:
    assert bg.recurrence(text).notes == ()
