"""Stacks, products and tuples by the signs of lectures, and columns of functions, beside the plain language."""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg

JOINS = {
    "h_t = tanh(W · [h_{t-1} ‖ x_t] + b)": "h[t] = tanh(W · [h[t-1]; x[t]] + b)",
    "h_t = tanh(P (u_t ‖ h_{t-1}))": "h[t] = tanh(P [u[t]; h[t-1]])",
    r"h_t = \tanh(W [h_{t-1} \; x_t])": "h[t] = tanh(W [h[t-1]; x[t]])",
    r"h_t = \tanh(W [h_{t-1} \quad x_t \quad u_t])": "h[t] = tanh(W [h[t-1]; x[t]; u[t]])",
    r"h_t = \tanh(W (h_{t-1} \oplus x_t) + b)": "h[t] = tanh(W [h[t-1]; x[t]] + b)",
    "h[t] = tanh(W [h[t-1] ⊕ x[t]])": "h[t] = tanh(W [h[t-1]; x[t]])",
    r"c_t = f_t \otimes c_{t-1} + i_t \otimes x_t": "c[t] = f[t] * c[t-1] + i[t] * x[t]",
    "sₜ = aₜ ⊗ sₜ₋₁ + xₜ": "s[t] = a[t] * s[t-1] + x[t]",
    r"S_t = S_{t-1} + v_t \otimes k_t": "S[t] = S[t-1] + outer(v[t], k[t])",
    r"h_t = z_t \bullet h_{t-1} + p \star x_t": "h[t] = z[t] * h[t-1] + p * x[t]",
    "h[t] = z[t] (.) h[t-1] + (1 - z[t]) (.) x[t]": "h[t] = z[t] * h[t-1] + (1 - z[t]) * x[t]",
    "i_t, f_t = σ(A x_t), σ(B h_{t-1})\nh_t = f_t * h_{t-1} + i_t": (
        "i[t] = σ(A x[t])\nf[t] = σ(B h[t-1])\nh[t] = f[t] * h[t-1] + i[t]"
    ),
    "a[t], s[t] = A @ s[t-1] + x[t], tanh(a[t])": "a[t] = A @ s[t-1] + x[t]\ns[t] = tanh(a[t])",
    r"(u_t, v_{t}) = (\tanh(A v_{t-1} + x_t), \sigma(B u_t))": "u[t] = tanh(A v[t-1] + x[t])\nv[t] = σ(B u[t])",
    "a_0, b_0 = 0\na_t = g * a_{t-1} + x_t\nb_t = a_t + b_{t-1}": (
        "a[0] = 0\nb[0] = 0\na[t] = g * a[t-1] + x[t]\nb[t] = a[t] + b[t-1]"
    ),
}


@pytest.mark.parametrize("text", JOINS)
def test_a_sign_is_read_as_it_is_meant(text: str) -> None:
    assert bg.recurrence(text).reading == bg.recurrence(JOINS[text]).reading


@pytest.mark.parametrize("text", [t for t in JOINS if "otimes" in t or "⊗" in t or "oplus" in t or "⊕" in t])
def test_what_has_two_meanings_is_said(text: str) -> None:
    assert any("⊗" in note or "⊕" in note for note in bg.recurrence(text).notes)


REFUSED = {
    r"h_t = f_t \otimes h_{t-1} \oplus x_t": "cannot stand",
    r"c_t = f_t \odot c_{t-1} + i_t \otimes x_t": "outer product, or the same product",
    r"(h_t, c_t) = \mathrm{LSTM}(x_t, h_{t-1}, c_{t-1})": "one name",
    "h[t] = [σ; tanh] x[t]": "2 functions for 1 name",
    "[i[t]; f[t]] = W x[t] + [σ; tanh] h[t-1]": "must stand before",
    "h[t] = [tanh; x[t]] W": "functions and vectors",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_decided_is_refused(text: str) -> None:
    with pytest.raises(bg.BPTTError, match=REFUSED[text]):
        bg.recurrence(text).unroll(3)


COLUMNS = [
    r"\begin{pmatrix} i_t \\ f_t \\ g_t \end{pmatrix} = \begin{pmatrix} \sigma \\ \sigma \\ \tanh \end{pmatrix} "
    r"W \begin{pmatrix} h_{t-1} \\ x_t \end{pmatrix}, \quad h_t = f_t \odot h_{t-1} + i_t \odot g_t",
    "[i[t]; f[t]; g[t]] = [σ; σ; tanh] (W [h[t-1]; x[t]])\nh[t] = f[t] * h[t-1] + i[t] * g[t]",
    r"\left( \begin{array}{c} i_t \\ f_t \\ g_t \end{array} \right) = \left( \begin{array}{c} \mathrm{sigm} \\ "
    r"\mathrm{sigm} \\ \tanh \end{array} \right) W \left( \begin{array}{c} h_{t-1} \\ x_t \end{array} \right), "
    r"\quad h_t = f_t \odot h_{t-1} + i_t \odot g_t",
]


@pytest.mark.parametrize("text", COLUMNS)
def test_a_column_of_functions_acts_on_parts(text: str) -> None:
    u = bg.recurrence(text).unroll(3, sizes={"h": 3, "x": 2})
    data = u.instance(seed=4)
    true = np.zeros_like(data["W"])
    up = data[next(k for k in data if k.startswith("dE_d"))]
    for index in np.ndindex(true.shape):
        W, h, loss = data["W"].astype(complex), data["h[0]"].astype(complex), 0.0
        W[index] += 1e-30j
        for x, weight in zip(data["x"], up):
            a = W @ np.concatenate([h, x])
            gate = 1 / (1 + np.exp(-a[:6]))
            h = gate[3:] * h + gate[:3] * np.tanh(a[6:])
            loss = loss + weight @ h
        true[index] = np.imag(loss) / 1e-30
    np.testing.assert_allclose(u.run(data).gradients["W"], true, rtol=1e-10, atol=1e-13)
