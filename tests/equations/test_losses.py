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
    # capitals stay matrices where only the loss must be a number
    ("h_t = W h_{t-1} + x_t\nL = \\sum_{t=1}^T (d_t - h_t)^2", "h[t] = W @ h[t-1] + x[t]\nL[t] = norm(d[t] - h[t])^2"),
    ("h_t = W h_{t-1} + x_t\nL_t = -d_t h_t", "h[t] = W @ h[t-1] + x[t]\nL[t] = -dot(d[t], h[t])"),
]  # fmt: skip


@pytest.mark.parametrize(("pasted", "plain"), TWINS)
def test_a_pasted_loss_is_that_of_its_plain_twin(pasted: str, plain: str) -> None:
    mine, twin = bg.recurrence(pasted).unroll(3), bg.recurrence(plain).unroll(3)
    data = {name: np.abs(value) for name, value in mine.instance(seed=4).items()}
    run, other = mine.run(data), twin.run(data)
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
