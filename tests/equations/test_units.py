"""Equations for single units, beside the same in vectors and matrices."""

from __future__ import annotations

import pytest

import bpttgraph as bg

UNITS = {
    r"h_i^{(t)} = \tanh\left(\sum_j W_{ij} h_j^{(t-1)} + \sum_k U_{ik} x_k^{(t)} + b_i\right)": (
        "h[t] = tanh(W @ h[t-1] + U @ x[t] + b)"
    ),
    r"s_j(t) = f\left(\sum_i x_i(t) v_{ji} + \sum_l s_l(t-1) w_{jl}\right)": "s[t] = f(v @ x[t] + w @ s[t-1])",
    r"h_{t,i} = \sigma\left(\sum_{j=1}^{n} A_{ji} h_{t-1,j} + x_{t,i}\right)": "h[t] = σ(A.T @ h[t-1] + x[t])",
    r"f_i^{(t)} = \sigma\Big(\sum_j A_{i,j} h_j^{(t-1)}\Big), "
    r"h_i^{(t)} = f_i^{(t)} h_i^{(t-1)} + \sum_j B_{i,j} x_j^{(t)}": (
        "f[t] = σ(A @ h[t-1])\nh[t] = f[t] * h[t-1] + B @ x[t]"
    ),
    r"a_j^t = \sum_i W_{ij} x_i^t + \sum_k R_{kj} b_k^{t-1}, \quad b_j^t = \tanh(a_j^t)": (
        "a[t] = W.T @ x[t] + R.T @ b[t-1]\nb[t] = tanh(a[t])"
    ),
    "v_i[t] = λ v_i[t-1] + Σ_j W_ij s_j[t-1]\ns_i[t] = sigmoid(v_i[t])": (
        "v[t] = λ v[t-1] + W @ s[t-1]\ns[t] = sigmoid(v[t])"
    ),
    r"h_i^{(t)} = \tanh\Big(\sum_j U_{ij} x_j^{(t)} + \sum_j W_{ij} r_j^{(t)} h_j^{(t-1)}\Big), "
    r"r_i^{(t)} = \sigma(x_i^{(t)})": ("h[t] = tanh(U @ x[t] + W @ (r[t] * h[t-1]))\nr[t] = σ(x[t])"),
    "h_t = \\tanh(A h_{t-1} + B x_t), y_t = \\mathrm{softmax}(C h_t)\nE = -\\sum_t \\sum_k d_{t,k} \\log y_{t,k}": (
        "h[t] = tanh(A h[t-1] + B x[t])\ny[t] = softmax(C h[t])\nE = -sum_t dot(d[t], log(y[t]))"
    ),
    r"h_i^{(t)} = \sum_j W_{ij} h_j^{(t-1)} + x_i^{(t)}, "
    r"\quad p_i^{(t)} = \frac{\exp(h_i^{(t)})}{\sum_j \exp(h_j^{(t)})}": (
        "h[t] = W @ h[t-1] + x[t]\np[t] = exp(h[t]) / sum(exp(h[t]))"
    ),
    r"S_{ij}^{(t)} = S_{ij}^{(t-1)} + v_i^{(t)} k_j^{(t)}, \quad o_i^{(t)} = \sum_j S_{ij}^{(t)} q_j^{(t)}": (
        "S[t] = S[t-1] + outer(v[t], k[t])\no[t] = S[t] @ q[t]"
    ),
}


@pytest.mark.parametrize("text", UNITS)
def test_sums_over_units_are_products(text: str) -> None:
    rec = bg.recurrence(text)
    assert rec.reading == bg.recurrence(UNITS[text]).reading
    assert any("single units" in note for note in rec.notes)


REFUSED = {
    r"s_k^{(t)} = \tanh\left(\sum_{i,j} U_{ijk} x_i^{(t)} s_j^{(t-1)} + b_k\right)": "U_ijk has three indices",
    r"h_k(t) = \sigma\Big(\sum_i \sum_j W_{kij} h_i(t-1) x_j(t)\Big)": "W_kij has three indices",
    r"h_i^{(t)} = \tanh\Big(\sum_j W_{ij} h_j^{(t-1)} + x_k^{(t)} \sum_k c_k\Big)": (
        "count different entries|stands on the right"
    ),
    r"h_i^{(t)} = \sum_j W_{ij}": "matrix alone",
}


@pytest.mark.parametrize("text", REFUSED)
def test_letters_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(bg.BPTTError, match=REFUSED[text]):
        bg.recurrence(text)


@pytest.mark.parametrize(
    "text", [r"h_t = \sum_{k=1}^{t} a_k h_{k-1}", "h[t] = W h[t-1]\nE = sum_t E_h[t]\nE_h[t] = sum(h[t])"]
)
def test_sums_over_steps_stay(text: str) -> None:
    try:
        rec = bg.recurrence(text)
    except bg.BPTTError as error:
        assert "unit" not in str(error)
    else:
        assert not any("units" in note for note in rec.notes)


def test_the_first_state_of_all_units() -> None:
    text = r"s_i^{(t)} = \tanh(\sum_j W_{ij} s_j^{(t-1)} + x_i^{(t)}), \quad s_i^{(0)} = 0"
    assert bg.recurrence(text).reading == bg.recurrence("s[t] = tanh(W @ s[t-1] + x[t])\ns[0] = 0").reading


def test_small_letters_with_two_indices_are_matrices() -> None:
    rec = bg.recurrence(r"a_j^t = \sum_i w_{ij} x_i^t + \sum_k r_{kj} b_k^{t-1}, \quad b_j^t = \tanh(a_j^t)")
    assert "a[t] = w.T @ x[t] + r.T @ b[t-1]" in rec.reading
    assert "w: parameter, matrix 2×3" in rec.reading and "r: parameter, matrix 3×3" in rec.reading
