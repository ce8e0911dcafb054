"""What a whole paste agrees on: the letter of the step, labels and powers, styles, layers, left sides.

Each text stands beside the same in the plain language, which uses none of this; both must be one model.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph import BPTTError
from bpttgraph.equations.language import parse
from bpttgraph.equations.text import show

READ = {
    # The step: in round brackets, by another letter, in other places.
    "h(t) = tanh(W h(t-1) + U x(t))": "h[t] = tanh(((W h[t-1]) + (U x[t])))",
    r"\mathbf{h}(n+1) = \tanh\left(\mathbf{W}\mathbf{h}(n) + \mathbf{U}\mathbf{x} (n)\right)": (
        "h[t+1] = tanh(((W h[t]) + (U x[t])))"
    ),
    "h(t) = tanh(W h(t-1))\nh(0) = 0\nE = h(T)": "h[t] = tanh((W h[t-1]))\nh[0] = 0\nE = h[T]",
    r"s_\ell(t) = \tanh(a s_\ell(t-1))": "s_ℓ[t] = tanh((a s_ℓ[t-1]))",
    "h_t = tanh(W h_(t-1) + U x_t)": "h[t] = tanh(((W h[t-1]) + (U x[t])))",
    r"h_{[t]} = \tanh(W h_{[t-1]})": "h[t] = tanh((W h[t-1]))",
    "h_i = tanh(W h_{i-1} + U c_i)": "h[t] = tanh(((W h[t-1]) + (U c[t])))",
    "h[n] = W h[n-1] + x[n]": "h[t] = ((W h[t-1]) + x[t])",
    r"h^{(\tau)} = \tanh(W h^{(\tau-1)})": "h[t] = tanh((W h[t-1]))",
    r"x_k = A x_{k-1}, \quad E = \frac{1}{N} \sum_{k=1}^{N} x_k": (
        "x[t] = (A x[t-1])\nE = ((1 / T) (sum_{t=1}^{T} (x[t])))"
    ),
    "h_T = tanh(W h_{T-1})": "h[t] = tanh((W h[t-1]))",
    # i and n are labels here: t counts the steps.
    "i_t = σ(W_i x_t + U_i h_{t-1})\nh_t = i_t ∘ n_t": (
        "i[t] = sigmoid(((W_i x[t]) + (U_i h[t-1])))\nh[t] = (i[t] * n[t])"
    ),
    # Labels and powers.
    r"z_t = \sigma(W^{z} h_{t-1} + b^{z}), h_t = z_t": "z[t] = sigmoid(((W_z h[t-1]) + b_z))\nh[t] = z[t]",
    r"h_t = \tanh(W^1 h_{t-1} + W_z^2 x_t)": "h[t] = tanh(((W1 h[t-1]) + (W2_z x[t])))",
    r"h_t = \gamma^2 h_{t-1} + (1-\gamma)^2 x_t": "h[t] = (((γ ^ 2) h[t-1]) + (((1 - γ) ^ 2) x[t]))",
    r"v_t^{\text{new}} = v_{t-1}^{\text{new}} + x_t^{(f)}": "v_new[t] = (v_new[t-1] + x_f[t])",
    r"x_{t|t-1} = A x_{t-1|t-1}, \quad x_{t \mid t} = x_{t|t-1} + K y_t": (
        "x_prior[t] = (A x_post[t-1])\nx_post[t] = (x_prior[t] + (K y[t]))"
    ),
    "h_{1,t} = tanh(A_1 h_{1,t-1}); h_2(t) = h_{1,t}": "h_1[t] = tanh((A_1 h_1[t-1]))\nh_2[t] = h_1[t]",
    r"c_t = \tanh(W_{\tilde c} x_t + W_{x \to h} c_{t-1})": "c[t] = tanh(((W_c̃ x[t]) + (W_xh c[t-1])))",
    "yₜ = Wₕᵧ hₜ + bᵧ\nhₜ = tanh(hₜ₋₁)": "y[t] = ((W_hy h[t]) + b_y)\nh[t] = tanh(h[t-1])",
    # One symbol of two letters; factors before a bracket.
    r"h_t = h_{t-1} + \Delta t (x_t - h_{t-1})": "h[t] = (h[t-1] + (Δt (x[t] - h[t-1])))",
    r"h_t = h_{t-1} + \tau_m (x_t - h_{t-1})": "h[t] = (h[t-1] + (τ_m (x[t] - h[t-1])))",
    r"h_t = h_{t-1} + \overline{\Delta t}_t x_t": "h[t] = (h[t-1] + (Δ̄t[t] x[t]))",
    r"h_t = \Delta_t h_{t-1}": "h[t] = (Δ[t] h[t-1])",
    # LaTeX or plain text: decided for all lines.
    "h_{t} = tanh(Ah_{t-1} + Bx_{t})\no_t = Ch_t + d": "h[t] = tanh(((A h[t-1]) + (B x[t])))\no[t] = ((C h[t]) + d)",
    "h_{t} = tanh(A h_{t-1})\nout_t = C h_t": "h[t] = tanh((A h[t-1]))\nout[t] = (C h[t])",
    "H_t = relu(X_t @ A^T + H_{t-1} @ B^T + Ab)": "H[t] = relu((((X[t] @ A.T) + (H[t-1] @ B.T)) + Ab))",
    # Products without a space in plain text.
    "U[t+1] = βU[t] + W x[t+1]": "U[t+1] = ((β U[t]) + (W x[t+1]))",
    "hₜ = tanh(Whₜ₋₁ + Uxₜ)": "h[t] = tanh(((W h[t-1]) + (U x[t])))",
    "h[t] = tanh(Wx[t] + h[t-1])\nWx[t] = Vy": "h[t] = tanh((Wx[t] + h[t-1]))\nWx[t] = Vy",
    "s[t] = tanh(W^in u[t] + W^rec s[t-1])": "s[t] = tanh(((W_in u[t]) + (W_rec s[t-1])))",
    "h_t = decay h_{t-1} + bias": "h[t] = ((decay h[t-1]) + bias)",
    r"h_t = h_{t-1}, y_t = e^{h_t}": "h[t] = h[t-1]\ny[t] = (e ^ h[t])",
    # Left sides.
    r"h_t = f(x_t, h_{t-1}) = \tanh(A h_{t-1})": "h[t] = tanh((A h[t-1]))",
    r"E_t(y_t, d_t) = y_t - d_t, y_t = y_{t-1}": "E[t] = (y[t] - d[t])\ny[t] = y[t-1]",
    r"L(\theta) = \sum_t h_t, h_t = h_{t-1}": "L = (sum_t (h[t]))\nh[t] = h[t-1]",
    "h_0 = c_0 = 0; c_t = h_t = h_{t-1} + c_{t-1}": "h[0] = 0\nc[0] = 0\nh[t] = (h[t-1] + c[t-1])\nc[t] = h[t]",
    # Two styles.
    r"h_t = \tanh(\mathbf{W} h_{t-1} + \mathcal{W} x_t)": "h[t] = tanh(((W h[t-1]) + (W_cal x[t])))",
    "hₜ = 𝐂 hₜ₋₁ + 𝒞 xₜ": "h[t] = ((C h[t-1]) + (C_cal x[t]))",
    r"\mathbf{h}_t = \tanh(W h_{t-1})": "h[t] = tanh((W h[t-1]))",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), READ.items())
def test_reading(text: str, expected: str) -> None:
    assert show(parse(text)) == expected


REFUSED = {
    r"h_t = \tanh(W h_{t_1})": "did you mean h_{t-1}?",
    "h_t = tanh(W h_{t-l} + x_t)": "did you mean h_{t-1}?",
    r"h_t = \gamma^t h_{t-1}": "a step or a power",
    "h_t = tanh(x_t)\ns_i = tanh(s_{i-1})\nh_t = h_{t-1}": "both t and i count steps",
    "h_t = W x_t y_t = V h_t": "a second '='",
    "h_n = h_{n-1} + x_t": "both n and t count steps",
    "h_t == x_t": "==",
    "==": "the left side is missing",
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), REFUSED.items())
def test_refusals(text: str, said: str) -> None:
    with pytest.raises(BPTTError, match=said.replace("?", r"\?").replace("{", r"\{").replace("}", r"\}")) as caught:
        parse(text)
    assert caught.value.span is not None


NOTED = {
    "h_n = W h_{n-1}": "n counts the steps",
    r"h_t = h_{t-1} + \tau_m (x_t - h_{t-1})": "read as a factor",
    r"h_t = f(h_{t-1}) = \tanh(h_{t-1})": "left out",
    "U[t+1] = βU[t] + x[t]": "β times U",
    r"h_t = W^1 h_{t-1} + W^2 x_t": "a label and no power",
    r"h_t = \mathbf{W} h_{t-1} + \mathcal{W} x_t": "W, W_cal",
    r"\mathbf{h}_t = \tanh(W h_{t-1})": "read as one",
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), NOTED.items())
def test_what_is_assumed_is_said(text: str, said: str) -> None:
    assert sum(said in note for note in parse(text).notes) == 1


LAYERED = {
    r"h_t^{(l)} = \tanh(W^{(l)} h_{t-1}^{(l)} + U^{(l)} h_t^{(l-1)}), \quad l = 1, 2, \quad h_t^{(0)} = x_t": None,
    r"h^{\ell}_t = \tanh(W^{\ell} h^{\ell}_{t-1} + U^{\ell} h^{\ell-1}_t) (\ell = 1, \dots, 2), h^{0}_t = x_t": None,
    "h_{t,l} = tanh(W_l h_{t-1,l} + U_l h_{t,l-1})\nh_{t,0} = x_t": 2,
    "h[l,t] = tanh(W[l] h[l,t-1] + U[l] h[l-1,t])\nL = 2\nh0[t] = x[t]": None,
}  # fmt: skip
TWO = "h1[t] = tanh(W1 @ h1[t-1] + U1 @ x[t])\nh2[t] = tanh(W2 @ h2[t-1] + U2 @ h1[t])"


@pytest.mark.parametrize(("text", "layers"), LAYERED.items())
def test_layers_counted_by_a_letter(text: str, layers: int | None) -> None:
    sizes = {"x": 2, "h1": 3, "h2": 4}
    u = bg.recurrence(text, layers=layers).unroll(3, sizes=sizes)
    v = bg.recurrence(TWO).unroll(3, sizes=sizes)
    data = v.instance(seed=5)
    got, want = u.run(data), v.run(data)
    assert abs(got.loss - want.loss) < 1e-12
    assert got.gradients.keys() == want.gradients.keys()
    for name in want.gradients:
        np.testing.assert_allclose(got.gradients[name], want.gradients[name], rtol=1e-10)


@pytest.mark.parametrize(
    ("text", "layers", "said"),
    [
        (r"h_t^{(l)} = \tanh(W^{(l)} h_t^{(l-1)})", None, "is the number of a layer"),
        (r"h_t^{(l)} = \tanh(W^{(l)} h_t^{(l-1)}), l = 1, 2", 3, "speaks of 2 layers"),
        (r"h_t^{(l)} = \tanh(W^{(l)} h_t^{(l-1)}), y_t = h_t^{(l)}", 2, "right side only"),
        (r"h_t^{(l)} = \tanh(h_t^{(l+1)})", 2, "there are 2 layers"),
        ("h[t] = tanh(h[t-1])", 2, "no letter counts layers"),
        (r"h_t^{(l)} = \tanh(h_t^{(l-1)})", 0, "no number of layers"),
    ],
)
def test_layers_that_cannot_be_counted(text: str, layers: int | None, said: str) -> None:
    with pytest.raises(BPTTError, match=said):
        bg.recurrence(text, layers=layers)


def test_hundreds_of_names_in_linear_time() -> None:
    """Twice the text takes no more than thrice the time: the survey walks it once."""

    def seconds(lines: int) -> float:
        text = "h_n = W h_{n-1}\n" + "\n".join(f"y{i}_n = V^{{a}} h_n + b^{{(l)}}" for i in range(lines))
        start = time.process_time()
        parse(text)
        return time.process_time() - start

    seconds(10)
    assert min(seconds(200) for _ in range(3)) < 4 * min(seconds(100) for _ in range(3)) + 0.02
