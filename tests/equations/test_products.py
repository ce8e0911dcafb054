"""What stands side by side: the numbers are those of the products written out, and what cannot be decided is refused.

The oracle is NumPy, with the products spelled out by hand; it knows neither ranks nor orientation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bpttgraph as bg

Step = Any


def last(text: str, name: str, sizes: dict[str, Any] | None = None, seed: int = 3) -> tuple[Any, dict[str, Any]]:
    """A value at the first step, and the data it was computed from."""
    unrolled = bg.recurrence(text).unroll(2, sizes=sizes)
    data = unrolled.instance(seed=seed)
    return np.asarray(unrolled.run(data).values[f"{name}[1]"]), data


CASES = [
    # rows
    ("h_t = x_t W + h_{t-1} U", "h", lambda d: d["W"].T @ d["x"][0] + d["U"].T @ d["h[0]"]),
    ("h[t] = x[t] @ W + h[t-1] @ U", "h", lambda d: d["W"].T @ d["x"][0] + d["U"].T @ d["h[0]"]),
    ("h_t = x_t W^T + h_{t-1} U^T", "h", lambda d: d["W"] @ d["x"][0] + d["U"] @ d["h[0]"]),
    ("h_t = x_t K W + h_{t-1}", "h", lambda d: d["W"].T @ (d["K"].T @ d["x"][0]) + d["h[0]"]),
    ("H_t = X_t W + H_{t-1} U", "H", lambda d: d["W"].T @ d["X"][0] + d["U"].T @ d["H[0]"]),
    ("h_t = x_t^T W + h_{t-1}^T U", "h", lambda d: d["W"].T @ d["x"][0] + d["U"].T @ d["h[0]"]),
    ("S_t = S_{t-1} + k_t^T v_t; o_t = q_t S_t", "o",
     lambda d: (d["S[0]"] + np.outer(d["k"][0], d["v"][0])).T @ d["q"][0]),
    ("s_t = s_{t-1} A + x_t B; E_t = d_t^T s_t", "E",
     lambda d: d["d"][0] @ (d["A"].T @ d["s[0]"] + d["B"].T @ d["x"][0])),
    ("S[t] = S[t-1] + b[t] * outer(v[t], k[t]); b[t] = dot(w, k[t]); o[t] = S[t].T @ q[t]", "o",
     lambda d: (d["S[0]"] + (d["w"] @ d["k"][0]) * np.outer(d["v"][0], d["k"][0])).T @ d["q"][0]),
    # numbers and matrices
    ("h_t = (1 - a) W x_t + a h_{t-1}", "h", lambda d: (1 - d["a"]) * (d["W"] @ d["x"][0]) + d["a"] * d["h[0]"]),
    ("h_t = h_{t-1} + \\epsilon K h_{t-1}", "h", lambda d: d["h[0]"] + d["ε"] * (d["K"] @ d["h[0]"])),
    ("h_t = \\exp(A) h_{t-1} + x_t", "h", lambda d: np.exp(d["A"]) @ d["h[0]"] + d["x"][0]),
    ("h_t = (A + B) h_{t-1} + x_t", "h", lambda d: (d["A"] + d["B"]) @ d["h[0]"] + d["x"][0]),
    ("h_t = A h_{t-1} + B u_0", "h", lambda d: d["A"] @ d["h[0]"] + d["B"] @ d["u_0"]),
    ("h_t = W W^T h_{t-1} + x_t", "h", lambda d: d["W"] @ d["W"].T @ d["h[0]"] + d["x"][0]),
    ("h_t = A_t h_{t-1} + x_t", "h", lambda d: d["A"][0] @ d["h[0]"] + d["x"][0]),
    ("H_t = A X_t W + H_{t-1}", "H", lambda d: d["A"] @ d["X"][0] @ d["W"] + d["H[0]"]),
    # columns and rows
    ("S_t = S_{t-1} + v_t k_t^T", "S", lambda d: d["S[0]"] + np.outer(d["v"][0], d["k"][0])),
    ("S_t = S_{t-1} + f_t v_t k_t^T; f_t = \\sigma(v_t)", "S",
     lambda d: d["S[0]"] + np.outer(d["v"][0] / (1 + np.exp(-d["v"][0])), d["k"][0])),
    ("h_t = A h_{t-1} + B x_t; y_t = c_t^T h_t", "y", lambda d: d["c"][0] @ (d["A"] @ d["h[0]"] + d["B"] @ d["x"][0])),
    ("S_t = S_{t-1} + v_t k_t^T k_t q_t^T", "S",
     lambda d: d["S[0]"] + (d["k"][0] @ d["k"][0]) * np.outer(d["v"][0], d["q"][0])),
    ("h_t = h_{t-1} + u v^T x_t", "h", lambda d: d["h[0]"] + d["u"] * (d["v"] @ d["x"][0])),
    ("y_t = \\mathbf{1}^T h_t; h_t = A h_{t-1} + x_t", "y", lambda d: np.sum(d["A"] @ d["h[0]"] + d["x"][0])),
    # coefficients
    ("h_t = \\beta_t h_{t-1} + (1 - \\beta_t) B x_t", "h",
     lambda d: d["β"][0] * d["h[0]"] + (1 - d["β"][0]) * (d["B"] @ d["x"][0])),
    ("S_t = a_t S_{t-1} + v_t k_t^T", "S", lambda d: d["a"][0] * d["S[0]"] + np.outer(d["v"][0], d["k"][0])),
    # gates side by side
    ("g_t = A x_t; h_t = g_t h_{t-1} + (1 - g_t) B x_t", "h",
     lambda d: (d["A"] @ d["x"][0]) * d["h[0]"] + (1 - d["A"] @ d["x"][0]) * (d["B"] @ d["x"][0])),
    # constants
    ("h_t = (M - M^T - a I) h_{t-1} + x_t", "h", lambda d: (d["M"] - d["M"].T) @ d["h[0]"] - d["a"] * d["h[0]"]
     + d["x"][0]),
    ("S_t = S_{t-1} (I - \\beta_t k_t k_t^T)", "S",
     lambda d: d["S[0]"] - d["β"][0] * np.outer(d["S[0]"] @ d["k"][0], d["k"][0])),
    ("h_t = e^{-a} h_{t-1} + W x_t", "h", lambda d: np.exp(-d["a"]) * d["h[0]"] + d["W"] @ d["x"][0]),
    ("h_t = \\sin(2 \\pi x_t) + h_{t-1}", "h", lambda d: np.sin(2 * np.pi * d["x"][0]) + d["h[0]"]),
    ("h_t = (I - a K) h_{t-1} + B x_t", "h", lambda d: d["h[0]"] - d["a"] * (d["K"] @ d["h[0]"]) + d["B"] @ d["x"][0]),
    ("h_t = e^{-a_t} \\odot h_{t-1} + W x_t", "h", lambda d: np.exp(-d["a"][0]) * d["h[0]"] + d["W"] @ d["x"][0]),
    ("h[t] = ½ h[t-1] + d/τ (x[t] - h[t-1])", "h", lambda d: d["h[0]"] / 2 + d["d"] / d["τ"] * (d["x"][0] - d["h[0]"])),
    ("h[t] = h[t-1] + d / τ (x[t] - h[t-1])", "h", lambda d: d["h[0]"] + d["d"] / d["τ"] * (d["x"][0] - d["h[0]"])),
    ("h[t] = h[t-1] + d/τ · (x[t] - h[t-1])", "h", lambda d: d["h[0]"] + d["d"] / d["τ"] * (d["x"][0] - d["h[0]"])),
    ("h[t] = h[t-1] + d / (1 + a) x[t]", "h", lambda d: d["h[0]"] + d["d"] / (1 + d["a"]) * d["x"][0]),
    ("h[t] = h[t-1] + d / a b x[t]", "h", lambda d: d["h[0]"] + d["d"] / (d["a"] * d["b"] * d["x"][0])),
    ("S[t] = α * S[t-1] + β[t] * outer(v[t], k[t]); o[t] = S[t] @ q[t]", "o",
     lambda d: (d["α"] * d["S[0]"] + d["β"][0] * np.outer(d["v"][0], d["k"][0])) @ d["q"][0]),
    ("S_t = α S_{t-1} + β_t k_t^T v_t; o_t = q_t S_t", "o",
     lambda d: d["q"][0] @ (d["α"] * d["S[0]"] + d["β"][0] * np.outer(d["k"][0], d["v"][0]))),
    ("h_t = x_t W + h_{t-1} U; y_t = w_o h_t^T", "y",
     lambda d: d["w_o"] @ (d["x"][0] @ d["W"] + d["h[0]"] @ d["U"])),
    ("h_t = W x_t + U h_{t-1}; y_t = h_t^T w", "y",
     lambda d: d["w"] @ (d["W"] @ d["x"][0] + d["U"] @ d["h[0]"])),
    ("h_t = x_t A.T + h_{t-1} B.T; c_t = h_t c_{t-1} + h_t; p_t = softmax(c_t F); E_t = -d_t log(p_t).T", "c",
     lambda d: (1 + d["c[0]"]) * (d["x"][0] @ d["A"].T + d["h[0]"] @ d["B"].T)),
    ("h_t = h_{t-1} + m n^T h_{t-1}", "h", lambda d: d["h[0]"] + d["m"] * (d["n"] @ d["h[0]"])),
    ("h_t = h_{t-1} / T + W x_t", "h", lambda d: d["h[0]"] / 2 + d["W"] @ d["x"][0]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "expected"), CASES, ids=[c[0] for c in CASES])
def test_products_are_those_written_out(text: str, name: str, expected: Any) -> None:
    value, data = last(text, name)
    wanted = np.asarray(expected(data))
    assert value.shape == wanted.shape and np.allclose(value, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("text", [c[0] for c in CASES if "T" not in c[0].replace("^T", "")])
def test_every_derivation_agrees_with_the_numbers(text: str) -> None:
    rec = bg.recurrence(text)
    for wrt in (*rec.parameters, *(f"{s}[0]" for s in rec.states)):
        assert rec.unroll(3).derive(wrt).check().right
        assert rec.derive(wrt).at(steps=3).count >= 0


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("h_t = x_t W + h_{t-1} U", True),
        ("h_t = W x_t + U h_{t-1}", False),
        ("h_t = \\beta_t W x_t + h_{t-1}", False),
        ("h_t = x_t W + U h_{t-1}", False),
        ("S_t = g_t S_{t-1} + v_t k_t^T; o_t = S_t q_t", False),
        ("S_t = S_{t-1} + k_t^T v_t; o_t = q_t S_t", True),
        ("h_t = [h_{t-1}, x_t] W", True),
        ("h_t = \\tanh((z_t \\odot h_{t-1}) W)", True),
        ("h_t = x_t^T W + h_{t-1}^T U", False),  # the vectors themselves are columns
    ],
)
def test_rows_or_columns(text: str, rows: bool) -> None:
    rec = bg.recurrence(text)
    assert rec.rows is rows
    assert any("rows" in note for note in rec.notes) == (rows or text == "h_t = x_t W + U h_{t-1}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("h_t = W^2 h_{t-1} + x_t", ("W_2", "W @ W", "every entry")),
        ("h_t = (I - A)^{-1} (h_{t-1} + B x_t)", ("inverse",)),
        ("h_t = U r_t h_{t-1} + x_t; r_t = \\sigma(V x_t)", ("(U r[t]) ∘ h[t-1]", "U (r[t] ∘ h[t-1])")),
        ("h_t = (1 - A)^{-1} (1 + A) h_{t-1} + x_t", ("inverse",)),
        ("h_t = \\sum_{k=0}^{t} A^{t-k} B x_k", ("power", "A^(t - k)")),
        ("h_t = r_t h_{t-1} U + x_t V; r_t = \\sigma(x_t W)", ("r[t] ∘ (h[t-1] U)", "(r[t] ∘ h[t-1]) U")),
    ],
)
def test_two_readings_are_refused_with_both(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(text).unroll(2)
    for word in words:
        assert word in str(caught.value)
    assert "^" in str(caught.value) and "hint: " in str(caught.value)


def test_a_sum_over_the_steps_with_t_has_no_form_for_every_number_of_steps() -> None:
    rec = bg.recurrence("h_t = W h_{t-1} / T + x_t")
    with pytest.raises(bg.BPTTError, match="number of steps T"):
        str(rec.derive("W"))


def test_a_left_side_that_lies() -> None:
    value, data = last("h_t^T = x_t^T P + h_{t-1}^T Q + b^T", "h")
    assert np.allclose(value, data["P"].T @ data["x"][0] + data["Q"].T @ data["h[0]"] + data["b"], rtol=1e-12)
