"""What small marks mean, decided for a whole paste: sunken steps, letters and numbers at the top, primes, σ, dt.

A text as people paste it must compute what its plain-language twin computes, on the same random data.
"""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg

TWINS = [
    # a letter at the top of a parameter is a label where it is one elsewhere
    (
        "f_t = \\sigma(W^f x_t + U^f h_{t-1} + b^f)\nh_t = f_t \\odot h_{t-1} + \\tanh(W^o x_t + b^o)",
        "f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + b_f)\nh[t] = f[t] * h[t-1] + tanh(W_o @ x[t] + b_o)",
    ),
    ("h_t = \\tanh(b^r + W^r h_{t-1} + U x_t)", "h[t] = tanh(b_r + W_r @ h[t-1] + U @ x[t])"),
    # a number between a letter and its step is a power
    ("v_t = \\beta v_{t-1} + (1-\\beta) g^2_t + W g_t", "v[t] = β v[t-1] + (1 - β) g[t]^2 + W @ g[t]"),
    ("h_t = \\tanh(W h_{t-1} + U x_t + V x^2_t)", "h[t] = tanh(W @ h[t-1] + U @ x[t] + V @ x[t]^2)"),
    # transposes
    ("h(:,t) = tanh(W'*h(:,t-1) + U*x(:,t))", "h[t] = tanh(W^T @ h[t-1] + U @ x[t])"),
    ("h_t = tanh.(W' * h_{t-1} .+ U * x_t)", "h[t] = tanh(W^T @ h[t-1] + U @ x[t])"),
    ("h_t = A h_{t-1} + B x_t\ny_t = c' h_t", "h[t] = A @ h[t-1] + B @ x[t]\ny[t] = dot(c, h[t])"),
    ("S_t = S_{t-1} + v_t k_t'\ny_t = S_t q_t", "S[t] = S[t-1] + outer(v[t], k[t])\ny[t] = S[t] @ q[t]"),
    # the size of noise, and the length of a step
    ("h_t = \\tanh(W h_{t-1}) + \\sigma \\epsilon_t", "h[t] = tanh(W @ h[t-1]) + s ε[t]"),
    ("h_t = h_{t-1} + dt(x_t - h_{t-1})", "h[t] = h[t-1] + d (x[t] - h[t-1])"),
    ("h_t = h_{t-1} + \\frac{dt}{\\tau} (W x_t - h_{t-1})", "h[t] = h[t-1] + d / τ (W @ x[t] - h[t-1])"),
    # a matrix before values in round brackets
    ("h_t = \\tanh(W_i \\cdot (h_{t-1}, x_t) + b_i)", "h[t] = tanh(W_i @ [h[t-1]; x[t]] + b_i)"),
]
OTHER_NAMES = {"σ": "s", "dt": "d"}


@pytest.mark.parametrize(("pasted", "plain"), TWINS)
def test_a_paste_computes_what_the_plain_text_does(pasted: str, plain: str) -> None:
    rec = bg.recurrence(pasted)
    mine, twin = rec.unroll(3), bg.recurrence(plain).unroll(3)
    data = mine.instance(seed=3)
    other = twin.run({OTHER_NAMES.get(name, name): value for name, value in data.items()})
    run = mine.run(data)
    for name in rec.defined:
        np.testing.assert_allclose(run.values[f"{name}[3]"], other.values[f"{name}[3]"], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ht = tanh(Whh ht−1 + Wxh xt)\nyt = Why ht", "h[t-1]"),
        ("ht = tanh(Whh ht-1 + Wxh xt)", "h[t-1]"),
        ("ht = tanh(Whhht−1 + Wxhxt)", "h[t-1]"),
        ("Ht = tanh(Xt*(Wi^T) + Ht-1*(Ri^T))", "H[t-1]"),
        ("h_t = tanh(W ht−1 + U x_t)", "h[t-1]"),
        ("ht = tanh(W xt−1)", "x[t-1]"),
    ],
)
def test_a_step_that_sank_to_the_line_is_refused_with_both_readings(text: str, place: str) -> None:
    with pytest.raises(bg.BPTTError, match="two readings") as caught:
        bg.recurrence(text)
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("text", "raised"),
    [
        ("ht = tanh(Whhht−1 + Wxhxt)", "h[t] = tanh(Whh @ h[t-1] + Wxh @ x[t])"),
        (
            "ht = tanh(W ht−1 + U xt)\nyt = softmax(V ht)",
            "h[t] = tanh(W @ h[t-1] + U @ x[t])\ny[t] = softmax(V @ h[t])",
        ),
        ("ft = σ(Wf xt + Uf ht−1)\nht = ft ∘ ht−1", "f[t] = sigmoid(Wf @ x[t] + Uf @ h[t-1])\nh[t] = f[t] * h[t-1]"),
    ],
)
def test_the_hint_for_sunken_steps_is_the_whole_text_with_its_steps(text: str, raised: str) -> None:
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(text)
    hint = caught.value.hint.removeprefix("for steps write ").split("; for the other")[0]
    assert bg.recurrence(hint).reading == bg.recurrence(raised).reading


def test_spaces_say_that_one_is_subtracted() -> None:
    rec = bg.recurrence("ht = tanh(W @ xt + ht - 1)")
    assert any("subtracted" in note for note in rec.notes)


@pytest.mark.parametrize(
    "text", ["h[t] = tanh(W @ h[t-1] + weight-1)", "h[t] = h[t-1] + dt-1", "h[t] = tanh(W @ h[t-1] + count-1)"]
)
def test_words_that_end_in_t_are_no_steps(text: str) -> None:
    bg.recurrence(text)


def test_primes_are_parts_of_names_beside_their_letter() -> None:
    rec = bg.recurrence("h_t = tanh(W h_{t-1} + W' x_t + b)")
    assert {"W", "W'"} <= set(rec.parameters)
    assert any("another name than W" in note for note in rec.notes)
    gate = bg.recurrence("r_t = sigmoid(W' x_t + b')\nh_t = r_t * h_{t-1}")
    assert {"W'", "b'"} <= set(gate.parameters)


def test_a_matrix_on_both_sides_is_transposed() -> None:
    rec = bg.recurrence("P_t = A P_{t-1} A' + Q")
    assert set(rec.parameters) == {"A", "Q"}


def test_labels_at_the_top_of_several_numbers_stay_labels() -> None:
    rec = bg.recurrence("h_t = tanh(U x^2_t + V x^3_t + W h_{t-1})")
    assert set(rec.inputs) == {"x2", "x3"}


@pytest.mark.parametrize("word", ["LN_1", "MLP_{2}", "Linear_{d_h}", "\\mathrm{LN}_1"])
def test_a_function_keeps_its_subscript(word: str) -> None:
    rec = bg.recurrence(f"h_t = {word}(W h_{{t-1}} + U x_t)")
    assert set(rec.parameters) == {"W", "U"}


@pytest.mark.parametrize(
    "noise", ["\\sigma \\odot \\epsilon_t", "\\sigma \\cdot \\epsilon_t", "\\sigma \\sqrt{dt} \\xi_t"]
)
def test_the_size_of_noise_is_a_parameter(noise: str) -> None:
    rec = bg.recurrence(f"h_t = A h_{{t-1}} + {noise}")
    assert "σ" in rec.parameters
    assert any("read as a parameter" in note for note in rec.notes)


def test_a_derivative_of_a_function_and_another_input_keep_their_primes() -> None:
    assert "f'(h[t - 1])".replace(" ", "") in bg.recurrence("h_t = f'(h_{t-1}) + x_t").reading.replace(" ", "")
    assert set(bg.recurrence("h_t = tanh(W x_t' + U h_{t-1})").inputs) == {"x'"}


def test_one_decision_about_primes_for_all_names() -> None:
    rec = bg.recurrence("K_t = P_t C'\nP_t = A P_{t-1} A' + Q\ny_t = C P_t")
    assert set(rec.parameters) == {"A", "C", "Q"}


def test_a_lone_letter_at_the_top_is_said_to_be_a_power() -> None:
    assert any("not as a label" in note for note in bg.recurrence("h_t = tanh(A h_{t-1} + b^o)").notes)


def test_unbracketed_sigma_is_said() -> None:
    notes = bg.recurrence("h_t = \\sigma W h_{t-1}").notes
    assert any("sigmoid" in note for note in notes)


def test_a_capital_with_two_arguments_is_said_to_be_a_function() -> None:
    notes = bg.recurrence("i_t = \\sigma(W_i(h_{t-1}, x_t))\nh_t = i_t \\odot h_{t-1}").notes
    assert any("function" in note and "[a; b]" in note for note in notes)
