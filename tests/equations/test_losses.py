"""Losses as lectures write them: sums without an index, squares and products of vectors, cross entropies.

A text as people paste it must give the loss and the gradients of its plain-language twin on the same random data.
"""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg

RNN = "h_t = tanh(W h_{t-1} + U x_t)\n"
SOFTMAX = RNN + "\\hat{y}_t = softmax(V h_t)\n"
SIGMOID = RNN + "p_t = \\sigma(V h_t)\n"
PLAIN = "h[t] = tanh(W @ h[t-1] + U @ x[t])\n"
PLAIN_SOFTMAX = PLAIN + "ŷ[t] = softmax(V @ h[t])\n"
PLAIN_SIGMOID = PLAIN + "p[t] = sigmoid(V @ h[t])\n"
ENTROPY = "E[t] = -dot(y[t], log(ŷ[t]))\n"
BITS = "dot(d[t], log(p[t])) + dot(1 - d[t], log(1 - p[t]))"
MEAN_ENTROPY = "E[t] = -dot(y[t], log(ŷ[t])) / 3\n"
CLASS = "E[t] = -dot(c[t], log(ŷ[t]))\n"
LOGITS = "E[t] = -dot(y[t], V @ h[t]) + log(sum(exp(V @ h[t])))\n"
MEAN_BITS = f"L[t] = -({BITS}) / 3"

TWINS = [
    # the power belongs to the summand
    (RNN + "L_t = \\sum (h_t - d_t)^2", PLAIN + "L[t] = sum((h[t] - d[t])^2)"),
    (RNN + "L = \\sum (h_t - d_t)^2", PLAIN + "L[t] = sum((h[t] - d[t])^2)"),
    (RNN + "L = \\frac12 \\sum \\left(d_t - h_t\\right)^2", PLAIN + "L[t] = 0.5 * sum((h[t] - d[t])^2)"),
    (RNN + "L = \\sum_{t} \\sum (d_t - h_t)^2", PLAIN + "L[t] = sum((h[t] - d[t])^2)"),
    (RNN + "L = ½ Σ (h_t - d_t)²", PLAIN + "L[t] = 0.5 * sum((h[t] - d[t])^2)"),
    (RNN + "L_t = ∑ (h_t - d_t)² / 2", PLAIN + "L[t] = 0.5 * sum((h[t] - d[t])^2)"),
    (RNN + "y_t = \\sum (h_t)^2\nL_t = y_t", PLAIN + "L[t] = sum(h[t]^2)"),
    (RNN + "L_t = 3 \\sum (h_t - d_t)^2 + \\sum h_t", PLAIN + "L[t] = 3 * sum((h[t] - d[t])^2) + sum(h[t])"),
    ("h[t] = tanh(W h[t-1] + U x[t])\nL[t] = sum (h[t] - d[t])^2", PLAIN + "L[t] = sum((h[t] - d[t])^2)"),
    ("h[t] = tanh(W @ h[t-1] + U @ x[t])\nloss[t] = np.sum(h[t])**2", PLAIN + "loss[t] = sum(h[t]) * sum(h[t])"),
    (RNN + "L_t = -\\sum d_t \\log(h_t^2)", PLAIN + "L[t] = -dot(d[t], log(h[t]^2))"),
    # two vectors side by side in a loss
    (SOFTMAX + "E_t = - y_t \\log \\hat y_t", PLAIN_SOFTMAX + ENTROPY),
    (SOFTMAX + "E(y, \\hat{y}) = -\\sum_t y_t \\log \\hat{y}_t", PLAIN_SOFTMAX + ENTROPY),
    (SOFTMAX + "E = -\\frac{1}{T} \\sum_{t=1}^T y_t \\log \\hat{y}_t", PLAIN_SOFTMAX + MEAN_ENTROPY),
    (SOFTMAX + "E_t = - y_t \\odot \\log(\\hat y_t)", PLAIN_SOFTMAX + ENTROPY),
    (SIGMOID + "L_t = -[d_t \\log p_t + (1-d_t) \\log(1-p_t)]", PLAIN_SIGMOID + f"L[t] = -({BITS})"),
    (SIGMOID + "L_t = -d_t \\log p_t - (1-d_t) \\log(1-p_t)", PLAIN_SIGMOID + f"L[t] = -({BITS})"),
    (RNN + "L = \\sum_t d_t h_t", PLAIN + "L[t] = dot(d[t], h[t])"),
    (RNN + "L_t = h_t A d_t", PLAIN + "L[t] = dot(h[t], A @ d[t])"),
    (RNN + "L_t = λ d_t h_t - 2 (h_t - d_t)^2", PLAIN + "L[t] = λ dot(d[t], h[t]) - 2 * norm(h[t] - d[t])^2"),
    # a sum over the steps goes on behind a plus sign
    (SIGMOID + "L = -\\frac{1}{T}\\sum_t d_t \\log p_t + (1-d_t) \\log(1-p_t)", PLAIN_SIGMOID + MEAN_BITS),
    (SIGMOID + "L = -\\sum_t d_t \\log p_t + (1-d_t) \\log(1-p_t)", PLAIN_SIGMOID + f"L[t] = -({BITS})"),
    # a class label picks an entry
    (SOFTMAX + "E_t = -\\log \\hat{y}_{t,y_t}", PLAIN_SOFTMAX + ENTROPY),
    (SOFTMAX + "E_t = -\\log \\hat{y}_{t,c}", PLAIN_SOFTMAX + CLASS),
    (SOFTMAX + "E = -\\frac{1}{T}\\sum_{t=1}^T \\log \\hat{y}_{t,y_t}", PLAIN_SOFTMAX + MEAN_ENTROPY),
    (SOFTMAX + "E_t = -\\log \\hat{y}_t[y_t]", PLAIN_SOFTMAX + ENTROPY),
    (SOFTMAX + "E_t = -\\log \\hat{y}_t(y_t)", PLAIN_SOFTMAX + ENTROPY),
    (RNN + "E = -\\sum_{t} \\log \\text{softmax}(V h_t)_{y_t}", PLAIN_SOFTMAX + ENTROPY),
    (SOFTMAX + "E = -\\sum_{t}\\sum_{c=1}^{C} y_{tc} \\log \\hat{y}_{tc}", PLAIN_SOFTMAX + ENTROPY),
    (SOFTMAX + "E_t = -\\sum_{j=1}^{|V|} y_{t,j} \\log \\hat{y}_{t,j}", PLAIN_SOFTMAX + ENTROPY),
    (RNN + "o_t = V h_t\nE_t = \\log \\sum_j \\exp(o_{t,j}) - o_{t,y_t}", PLAIN + LOGITS),
    (
        "h[t] = np.tanh(np.dot(U, x[t]) + np.dot(W, h[t-1]))\nps[t] = np.exp(np.dot(V, h[t])) / "
        "np.sum(np.exp(np.dot(V, h[t])))\nloss += -np.log(ps[t][y[t],0])",
        PLAIN_SOFTMAX + ENTROPY,
    ),
    ("h[t] = tanh(W h[t-1] + U x[t])\nL[t] = -log(softmax(V h[t])[y[t]])", PLAIN_SOFTMAX + ENTROPY),
    # capitals stay matrices where only the loss must be a number
    ("h_t = W h_{t-1} + x_t\nL = \\sum_{t=1}^T (d_t - h_t)^2", "h[t] = W @ h[t-1] + x[t]\nL[t] = norm(d[t] - h[t])^2"),
    ("h_t = W h_{t-1} + x_t\nL_t = -d_t h_t", "h[t] = W @ h[t-1] + x[t]\nL[t] = -dot(d[t], h[t])"),
]  # fmt: skip


@pytest.mark.parametrize(("pasted", "plain"), TWINS)
def test_a_pasted_loss_is_that_of_its_plain_twin(pasted: str, plain: str) -> None:
    mine, twin = bg.recurrence(pasted).unroll(3), bg.recurrence(plain).unroll(3)
    data = {name: np.abs(value) for name, value in mine.instance(seed=4).items()}
    classes = [name for name, value in data.items() if value.dtype.kind in "iu"]
    run, other = mine.run(data), twin.run(data | {name: np.eye(len(data["V"]))[data[name]] for name in classes})
    np.testing.assert_allclose(run.loss, other.loss, rtol=1e-12)
    for name, gradient in other.gradients.items():
        np.testing.assert_allclose(run.gradients[name], gradient, rtol=1e-10, err_msg=name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RNN + "L = \\sum (h_t - d_t)^2", "sum((h[t] - d[t])^2)"),
        (SOFTMAX + "E_t = - y_t \\log \\hat y_t", "dot(y[t], log(ŷ[t]))"),
        (SIGMOID + "L = -\\sum_t d_t \\log p_t + (1-d_t) \\log(1-p_t)", "a part of its summand"),
    ],
)
def test_the_note_says_what_the_loss_is(text: str, said: str) -> None:
    assert any(said in note for note in bg.recurrence(text).notes)


@pytest.mark.parametrize(
    "text", [SOFTMAX + "E_t = -\\log \\hat{y}_{t,y_t}", SOFTMAX + "E = -\\sum_t \\log \\hat{y}_t[y_t]"]
)
def test_a_class_label_makes_a_cross_entropy(text: str) -> None:
    rec = bg.recurrence(text)
    assert "cross_entropy(ŷ[t], y[t])" in rec.reading
    assert any("one-hot" in note for note in rec.notes)


def test_a_class_of_given_data_is_refused_by_name() -> None:
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(RNN + "L_t = -\\log p_{t,y_t}")
    assert "p[t]" in caught.value.message
    bg.recurrence(RNN + "L_t = -\\log p_{t,y_t}\np_t = softmax(V h_t)")  # as the hint says


def test_a_running_sum_takes_its_first_value_with_it() -> None:
    rec = bg.recurrence(
        "loss = 0\nfor t in range(T):\n    h[t] = tanh(W @ h[t-1] + U @ x[t])\n    loss += (h[t] - y[t])**2"
    )
    assert "loss = sum_t norm(h[t] - y[t])^2" in rec.reading


def test_steps_stay_steps_beside_products_in_brackets() -> None:
    assert "z[t] * h[t-1]" in bg.recurrence("h_t = z_t(h_{t-1}) + x_t").reading


def test_a_covariance_is_no_sum() -> None:
    rec = bg.recurrence("h_t = Σ x_t + W h_{t-1}\nL_t = h_t^T Σ h_t")
    assert "Σ" in rec.parameters


def test_numbers_stay_numbers() -> None:
    rec = bg.recurrence("h_t = w h_{t-1} + x_t\nL = \\sum_{t=1}^T (d_t - h_t)^2")
    assert "w: parameter, number" in rec.reading


def test_a_vector_for_a_loss_is_told_how_to_become_a_number() -> None:
    rec = bg.recurrence(SOFTMAX + "L_t = -\\log \\hat{y}_t")
    with pytest.raises(bg.BPTTError) as caught:
        rec.unroll(3)
    assert "cross_entropy" in caught.value.hint and any("cross_entropy" in note for note in rec.notes)


def test_a_letter_on_several_names_counts_entries_and_is_no_class() -> None:
    rec = bg.recurrence(SOFTMAX + "E_t = -\\sum_{k=1}^{t} y_{t,j} \\log \\hat{y}_{t,j}")
    assert "cross_entropy" not in rec.reading
