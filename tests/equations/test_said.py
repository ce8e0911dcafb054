"""Readings that a text leaves open are said: forgotten steps, factors before brackets, marks with two meanings."""

from __future__ import annotations

import pytest

import bpttgraph as bg

GRAVES = "a_h^t = \\sum_{i=1}^I w_{ih} x_i^t + \\sum_{k=1}^H w_{kh} b_k^{t-1}\nb_h^t = \\tanh(a_h^t)"

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
    ("h_t = \\prod_{k=1}^{t} A_k h_0", "entry by entry; for matrices write"),
    ("J_t = \\sum_{j=1}^{t} y_{t,j} \\log p_{t,j}", "the bound t of the sum over j was left out"),
    ("h = [0] * (T+1)\nh[t] = math.tanh(w*h[t-1] + u*x[t])", "it makes room for the values"),
    ("h_t = nn.Linear(H, H)(h_{t-1}) + x_t", "(H, H) was left out"),
    (GRAVES, "matrices of their own"),
    ("z_t = σ(W x_t)\nh_t = (1 - z_t) ∘ h_{t-1} + z_t ∘ \\tilde h_t", "equation h̃[t] = … missing"),
    ("C_t = f_t * C_{t-1} + i_t * \\tilde C_t\nh_t = tanh(C_t)", "equation C̃[t] = … missing"),
    ("h_t = tanh(W h_{t-1} + U x_t)\ny_t = W h_t", "W is one parameter, in the equation of h[t] and in that of y[t]"),
    ("h_t = tanh(W h_{t-1} + U x_t + b)\ny_t = softmax(V h_t + b)", "b is one parameter"),
    ("h_t = u_1(x_t) + u_1(h_{t-1} + x_t)", "u_1(…) was read as a function"),
]


@pytest.mark.parametrize(("text", "said"), SAID)
def test_it_is_said(text: str, said: str) -> None:
    notes = bg.recurrence(text).notes
    assert any(said in note for note in notes), notes


READ = [
    (GRAVES, "a[t] = w_ih.T @ x[t] + w_kh.T @ b[t-1]"),
    ("h = [0] * (T+1)\nh[t] = math.tanh(w*h[t-1] + u*x[t])\nloss = (h[T]-y)**2", "w, u, y: parameter, number"),
    ("h_t = nn.Linear(H, H)(h_{t-1}) + x_t", "h[t] = Linear(h[t-1]) + x[t]"),
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


def test_vectors_that_a_letter_counts_are_refused() -> None:
    with pytest.raises(bg.BPTTError, match="seems to count vectors") as caught:
        bg.recurrence("α_{t,i} = softmax_i(q_t^T k_i)\no_t = \\sum_i α_{t,i} v_i")
    assert "a_t = softmax(K q_t) and o_t = V^T a_t" in caught.value.hint
    assert "V.T @ a[t]" in bg.recurrence("a_t = softmax(K q_t)\no_t = V^T a_t").reading


@pytest.mark.parametrize(
    "text",
    [
        "h_t = tanh(W h_{t-1} + E x_t)\ny_t = softmax(E^T h_t)",  # tied on purpose: the ᵀ says so
        "h_t = tanh(W h_{t-1} + U x_t)\nE_t = squared_error(V h_t, d_t)",
        "h_t = tanh(W h_{t-1} + U x_t)\nŷ_t = V h_t\nE_t = squared_error(ŷ_t, y_t)",  # y is the target
    ],
)
def test_nothing_is_said_of_what_is_usual(text: str) -> None:
    assert not any("one parameter" in note or "missing" in note for note in bg.recurrence(text).notes)


def test_a_gate_without_a_line_and_dots_at_an_end_are_said() -> None:
    text = """i_t = σ(W_i x_t + U_i h_{t-1} + b_i)
f_t = σ(W_f x_t + U_f h_{t-1} + b_f)
c_t = f_t ∘ c_{t-1} + i_t ∘ g_t
h_t = tanh c_t ..."""
    notes = [str(n) for n in bg.recurrence(text).notes]
    assert any("g[t] is taken as given data, for no line defines it" in n for n in notes)
    assert any("'...' was left out" in n for n in notes)
    complete = text.replace(" ...", "") + "\ng_t = tanh(W_g x_t + U_g h_{t-1})"
    assert not any("given data" in str(n) or "left out" in str(n) for n in bg.recurrence(complete).notes)
