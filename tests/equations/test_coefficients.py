"""Parameters that only scale are numbers: below fractions, under roots, in `1 - α`, before a star.

A text as people paste it must compute what its plain-language twin computes, on the same random data.
"""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg

DYNAMICS = "h[t+1] = h[t] + Δt / τ * (-h[t] + W @ tanh(h[t]) + I[t])"
UPDATE = "h[t] = W @ tanh(h[t-1]) / N + U @ x[t]"

TWINS = [
    ("h_t = \\frac{g}{\\sqrt{N}} J \\tanh(h_{t-1}) + x_t", "h[t] = g / sqrt(N) * (J @ tanh(h[t-1])) + x[t]", "N"),
    ("h_t = \\frac{K}{N} W h_{t-1} + U x_t", "h[t] = K / N * (W @ h[t-1]) + U @ x[t]", "KN"),
    ("h_t = W \\tanh(h_{t-1}) / N + U x_t", UPDATE, "N"),
    ("h_t = \\frac{W \\tanh(h_{t-1})}{N} + U x_t", UPDATE, "N"),
    ("h_t = \\frac1N W \\tanh(h_{t-1}) + U x_t", UPDATE, "N"),
    ("h_t = 1/N W \\tanh(h_{t-1}) + U x_t", UPDATE, "N"),
    ("h_t = 1 / N W \\tanh(h_{t-1}) + U x_t", UPDATE, "N"),
    ("h_t = N^{-1} W \\tanh(h_{t-1}) + U x_t", UPDATE, "N"),
    ("h_t = \\frac{W}{N} \\tanh(h_{t-1}) + U x_t", UPDATE, "N"),
    ("h_i(t) = \\frac{1}{N} \\sum_{j=1}^N W_{ij} \\tanh(h_j(t-1)) + \\sum_k U_{ik} x_k(t)", UPDATE, "N"),
    ("h_t = \\frac{1}{N} \\sum_j W_{ij} \\tanh(h_{t-1,j}) + U x_t", UPDATE, "N"),
    ("h_t = \\frac{1}{\\sqrt{D}} W h_{t-1} + x_t", "h[t] = W @ h[t-1] / sqrt(D) + x[t]", "D"),
    ("h_t = N^{-1/2} W h_{t-1} + x_t", "h[t] = W @ h[t-1] / sqrt(N) + x[t]", "N"),
    ("h_t = α * h_{t-1} + (1 - α) * x_t", "h[t] = α h[t-1] + (1 - α) x[t]", "α"),
    ("h_t = leak * h_{t-1} + (1 - leak) * (W x_t)", "h[t] = a h[t-1] + (1 - a) (W @ x[t])", ""),
    ("h[t+1] = h[t] + Δt/τ * (-h[t] + W tanh(h[t]) + I[t])", DYNAMICS, "τ"),
    ("h_{t+1} = h_t + \\frac{Δt}{τ}(-h_t + W \\tanh(h_t) + I_t)", DYNAMICS, ""),
    ("V_t = V_{t-1} + \\frac{dt}{C_m}(W x_t - V_{t-1})", "V[t] = V[t-1] + d / C_m * (W @ x[t] - V[t-1])", "C_m"),
    ("Q_{t+1} = Q_t + α (r_t + γ \\max Q_t - Q_t)", "Q[t+1] = Q[t] + α (r[t] + γ max(Q[t]) - Q[t])", ""),
    ("S_{t+1} = S_t - β S_t I_t / N", "S[t+1] = S[t] - β (S[t] * I[t]) / N", "N"),
]
OTHER_NAMES = {"leak": "a", "dt": "d"}


@pytest.mark.parametrize(("pasted", "plain", "said"), TWINS)
def test_a_coefficient_is_a_number(pasted: str, plain: str, said: str) -> None:
    rec = bg.recurrence(pasted)
    mine, twin = rec.unroll(3), bg.recurrence(plain).unroll(3)
    data = {name: np.abs(value) for name, value in mine.instance(seed=5).items()}
    other = twin.run({OTHER_NAMES.get(name, name): value for name, value in data.items()})
    run = mine.run(data)
    for name in rec.defined:
        np.testing.assert_allclose(run.values[f"{name}[3]"], other.values[f"{name}[3]"], rtol=1e-10, err_msg=name)
    for name in [said] if "_" in said else said:
        assert any(f"{name} is read as a number" in note for note in rec.notes), rec.notes


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("h_t = α ⊙ h_{t-1} + (1 - α) ⊙ x_t", "α: parameter, vector of 2"),
        ("h_t = γ * \\text{LayerNorm}(W h_{t-1}) + β", "γ, β: parameter, vector of 2"),
        ("h_t = \\frac{J}{N} \\tanh(h_{t-1}) + x_t", "J: parameter, matrix 2×2"),
        ("h_t = W h_{t-1} / 2 + N x_t", "N: parameter, matrix 3×2"),
        ("h[t] = α * h[t-1] + (1 - α) * x[t]", "α: parameter, vector of 2"),
        ("h_t = u * h_{t-1} + W x_t", "u: parameter, vector of 3"),
    ],
)
def test_what_is_no_coefficient_keeps_its_shape(text: str, shape: str) -> None:
    assert shape in bg.recurrence(text).reading


def test_given_sizes_say_what_a_coefficient_is() -> None:
    unrolled = bg.recurrence("h_t = α * h_{t-1} + (1 - α) * x_t").unroll(3, sizes={"α": 2})
    assert unrolled.instance(seed=0)["α"].shape == (2,)


@pytest.mark.parametrize(
    "said",
    [
        r"W \in \mathbb{R}^{n \times n}",
        r"W \in \mathbb R^{n \times n}",
        "W ∈ ℝ^{n×n}",
        r"W \in\mathbb{R}^{n\times n}, U \in \mathbb{R}^{n\times d}",
    ],
)
@pytest.mark.parametrize("between", ["\n", ", \\quad "])
def test_what_is_said_to_be_a_matrix_is_no_number(said: str, between: str) -> None:
    rec = bg.recurrence(r"h_t = \tanh(W h_{t-1} + U x_t)" + between + said)
    assert rec.reading.startswith("h[t] = tanh(W @ h[t-1] + U @ x[t])")


def test_what_is_said_to_be_a_number_is_one() -> None:
    rec = bg.recurrence(r"h_t = \tanh(G W h_{t-1} + U x_t), \quad G \in \mathbb{R}")
    assert "G: parameter, number" in rec.reading
