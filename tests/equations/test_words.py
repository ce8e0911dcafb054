"""Words and capital letters before a bracket: functions of which only the name is known, or factors."""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg

FUNCTIONS = {
    r"h_t = \tanh(\mathrm{LN}(W h_{t-1} + U x_t))": ("LN",),
    r"h_t = \operatorname{BN}(W h_{t-1}) + x_t": ("BN",),
    r"h_t = \text{Act}(W h_{t-1} + U x_t)": ("Act",),
    "h_t = act(W h_{t-1} + U x_{t})": ("act",),
    "h[t] = tanh(LN(W h[t-1]) + Embed(w[t]))": ("LN", "Embed"),
    r"h_t = \mathcal{H}(W x_t + V h_{t-1} + b)": ("H",),
    r"h_t = h_{t-1} + \mathscr F_\theta\left(h_{t-1}\right)": ("F_θ",),
    r"s_t = \Theta(A s_{t-1} + B x_t - 1)": ("Θ",),
    "h[t] = F(W h[t-1] + U x[t])": ("F",),
    "h_t = S(W h_{t-1} + U x_{t})": ("S",),
}
FACTORS = [
    "h[t] = U (r[t] * h[t-1]) + x[t]",
    "h[t] = A (W h[t-1] + U x[t]) + b",
    "h[t] = Wh(h[t-1] + x[t])",
    r"h_t = \tanh(W (h_{t-1} + x_t) + b)",
    "h[t] = F(W h[t-1] + x[t])\ny[t] = F h[t]",
    r"h_t = \mathcal{F}(A h_{t-1} + x_t) + \mathcal{F} x_t",
    "h[t] = G_h(h[t-1] + x[t])",
]


@pytest.mark.parametrize("text", FUNCTIONS)
def test_a_word_or_a_script_letter_before_a_bracket_is_a_function(text: str) -> None:
    assert set(bg.recurrence(text).abstract) == set(FUNCTIONS[text])


@pytest.mark.parametrize("text", FACTORS)
def test_a_capital_letter_and_a_product_stay_factors(text: str) -> None:
    assert bg.recurrence(text).abstract == ()


@pytest.mark.parametrize("letter", ["F", "G", "H", "Φ"])
def test_a_letter_read_as_a_function_is_said(letter: str) -> None:
    (note,) = bg.recurrence(f"h[t] = x[t] + {letter}(W h[t-1] + b)").notes
    assert f"line 1: {letter}(…) was read as a function" in note and note.span.column == 14


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        (r"E_t = squared_error(\hat{y}_t, d_t)", "E[t] = squared_error(ŷ[t], d[t])"),
        (r"E_t = cross_entropy(\operatorname{softmax}(\hat{y}_t), d_t)", "E[t] = cross_entropy(softmax(ŷ[t]), d[t])"),
        (r"E_t = \sum_{k=1}^{t} leaky_relu(sum(\hat{y}_{k}))", "E[t] = sum_{k=1}^{t} leaky_relu(sum(ŷ[k]))"),
    ],
)
def test_functions_spelled_with_a_subscript_sign_are_whole_in_latex(line: str, plain: str) -> None:
    state = "h_t = \\tanh(W h_{t-1} + U x_t) \\\\ \\hat{y}_t = V h_t \\\\ "
    means = "h[t] = tanh(W h[t-1] + U x[t]); ŷ[t] = V h[t]; "
    ours, other = (bg.recurrence(text).unroll(3) for text in (state + line, means + plain))
    data = ours.instance(seed=3)
    np.testing.assert_allclose(ours.run(data).gradients["W"], other.run(data).gradients["W"], rtol=1e-12)
