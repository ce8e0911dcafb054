"""A hint is followed mechanically: what it says to write takes its place, and the text that results is the one meant.

`followed` cuts the text to write out of a hint. An equation takes the place of the line with the caret, several those
of the whole text; anything else that of the signs over the caret. Beside each refused text stands what its author
meant, in plain language and written by hand.
"""

import re

import pytest

import bpttgraph as bg

ENDS = (
    r"(?: for (?:a|the)\b|, (?:with|where|for|or|and|the|as|a |which|if|in|because)\b|; (?:for|the|or|if|a) |: "
    r"|; \w+(?:\[t\])? is |\Z)"
)


def followed(text: str, error: bg.BPTTError) -> str:
    """The text after its author has done what the hint says."""
    hint = error.hint
    said = re.search(rf"(?:\bwrite|did you mean) (.+?)(?:\?|{ENDS})", hint)
    assert said, hint
    new, lines = said[1], text.split("\n")
    place = error.span.line - 1
    if re.search(r"[^=]=[^=]", re.sub(r"\{[^{}]*\}", "", new)):
        several = new.count("; ") - len(re.findall(r"\[[^\]]*; ", new)) > 0 and len(lines) > 1
        return "\n".join(new.split("; ")) if several else "\n".join([*lines[:place], new, *lines[place + 1 :]])
    line = lines[place]
    lines[place] = line[: error.span.column] + new + line[error.span.end :]
    return "\n".join(lines)


ELMAN = "h[t] = tanh(W @ h[t-1] + U @ x[t])"
REFUSED = [  # a text, and what was meant
    ("h_t = tanh W h_{t-1} + U x_t)", ELMAN),
    (r"h_t = \tanh W h_{t-1} + U x_t)", ELMAN),
    (
        "U_t = W x_t + S_{t-1}\nS_t = S_{t-1} + 1 when U_t < θ + b",
        "U[t] = W @ x[t] + S[t-1]\nS[t] = step(θ + b - U[t]) * (S[t-1] + 1) + (1 - step(θ + b - U[t])) * S[t-1]",
    ),
    ("h += np.tanh(W @ h + U @ x[t])", "h[t] = h[t-1] + tanh(W @ h[t-1] + U @ x[t])"),
    ("h_t -= W x_t + b", "h[t] = h[t-1] - (W @ x[t] + b)"),
    ("h_t = W^* h_{t-1} + x_t", "h[t] = W^T @ h[t-1] + x[t]"),
    ("h_t = W^{*} h_{t-1} + x_t", "h[t] = W^T @ h[t-1] + x[t]"),
    ("h_t = W^\\dagger h_{t-1} + x_t", "h[t] = W^T @ h[t-1] + x[t]"),
    ("h_t = tanh(W h_{t-1}, U x_t)", ELMAN),
    (ELMAN + "\np(y_t | y_{<t}) = softmax(V h_t)", ELMAN + "\np[t] = softmax(V @ h[t])"),
    ("\\theta_{t+1} = \\theta_t - \\eta \\nabla L(\\theta_t)", "θ[t+1] = θ[t] - η g(θ[t])"),
    ("\\theta_{t+1} = \\theta_t - \\eta \\nabla_\\theta L_t", "θ[t+1] = θ[t] - η g[t]"),
    ("h_t = \\int_0^t e^{-(t-s)} x_s ds", "h[t] = exp(-Δt) h[t-1] + Δt x[t]"),
    ("h(t) = \\int_0^t e^{-(t-s)/\\tau} W x(s) ds", "h[t] = exp(-Δt/τ) h[t-1] + Δt * (W x[t])"),
    ("h_t ∝ exp(W h_{t-1}) * x_t", "h[t] = exp(W @ h[t-1]) * x[t] / sum(exp(W @ h[t-1]) * x[t])"),
    ("h_t = W h_{t-1} mod 3 + x_t", "h[t] = mod3(W @ h[t-1]) + x[t]"),
    ("h_t = W h_{t-1} mod 2", "h[t] = mod2(W @ h[t-1])"),
    ("h_t = W h_{t-1} + x_t \\bmod 2", "h[t] = mod2(W @ h[t-1] + x[t])"),
    ("h_t = \\tanh(W_{hh}^2 h_{t-1} + U x_t)", "h[t] = tanh(W_hh2 @ h[t-1] + U @ x[t])"),
    (
        "τ dh_i/dt = -h_i + Σ_j W_ij φ(h_j) + I_i",
        "h_{i,t+1} = h_{i,t} + Δt/τ * (-h_{i,t} + Σ_j W_ij φ(h_{j,t}) + I_{i,t})",
    ),
    ("h_t=tanh(W_hhh_{t-1}+W_xhx_t)", "h[t] = tanh(W_hh @ h[t-1] + W_xh @ x[t])"),
    ("h_t = 2^{-t} x_t + h_{t-1}", "h[t] = s[t] x[t] + h[t-1]"),
    ("h_t = (-1)^t h_{t-1} + x_t", "h[t] = s[t] h[t-1] + x[t]"),
    ("h_t = W^t h_0", "h[t] = W @ h[t-1]"),
    (ELMAN + "\ny_t = (V h_t)_1", ELMAN + "\ny[t] = dot(e_1, V @ h[t])"),
    (ELMAN + "\ny_t = softmax(V h_t + c)_i", ELMAN + "\ny[t] = softmax(V @ h[t] + c)"),
    ("ht = tanh(Whht−1 + Wxxt)\nyt = Wyht", "h[t] = tanh(Wh @ h[t-1] + Wx @ x[t])\ny[t] = Wy @ h[t]"),
    (r"\dot{h}(t) = -h(t) + \tanh(W h(t) + U x(t))", "h[t+1] = h[t] + Δt (-h[t] + tanh(W @ h[t] + U @ x[t]))"),
    (
        "h t = tanh(W hh h t−1 + W xh x t)\ny t = W hy h t",
        "h[t] = tanh(W_hh @ h[t-1] + W_xh @ x[t])\ny[t] = W_hy @ h[t]",
    ),
    ("h t = σ( W hh h t−1 + W xh x t + b h )", "h[t] = sigmoid(W_hh @ h[t-1] + W_xh @ x[t] + b_h)"),
    ("ht = tanh(W hh ht−1 + W xh xt)", "h[t] = tanh(W_hh @ h[t-1] + W_xh @ x[t])"),
    (
        r"h_t = \tanh(W * h_{t-1} + U * x_t) \text{ where } * \text{ denotes convolution}",
        "h[t] = tanh(k(h[t-1], W) + k(x[t], U))",
    ),
    (
        "where * denotes the convolution operator\ni_t = σ(W_{xi} * x_t + W_{hi} * h_{t-1} + b_i)\nh_t = i_t ∘ h_{t-1}",
        "i[t] = sigmoid(k(x[t], W_xi) + k(h[t-1], W_hi) + b_i)\nh[t] = i[t] * h[t-1]",
    ),
    (r"h_t = \tanh(\mathrm{conv}(W, h_{t-1}) + U x_t)", "h[t] = tanh(k(h[t-1], W) + U @ x[t])"),
    (r"h_t = \tanh(\sum_{j,k} W_{ijk} h_{t-1}^j x_t^k)", "h[t] = tanh(f(h[t-1], x[t]; W))"),
    (r"h_{t,i} = \tanh(\sum_{j}\sum_k W_{ijk} h_{t-1,j} x_{t,k})", "h[t] = tanh(f(h[t-1], x[t]; W))"),
    (r"h_i(t) = g\left(\sum_{j,k} W_{ijk} h_j(t-1) x_k(t)\right)", "h[t] = g(f(h[t-1], x[t]; W))"),
    (r"h_t = \tanh(W_{ijk} h_{t-1} x_t + b)", "h[t] = tanh(f(h[t-1], x[t]; W) + b)"),
    (
        r"h(t) = \tanh(\int k(t-t') x(t') dt' + W h(t-1))",
        "h[t] = tanh(z[t] + W @ h[t-1])\nz[t] = a * z[t-1] + Δt * x[t]",
    ),
    ("v_t = ∫ k(t−s) W x_s ds", "v[t] = z[t]\nz[t] = a * z[t-1] + Δt * (W @ x[t])"),
    (
        r"x_t = x_t/\|x_t\| \\ h_t = \tanh(W h_{t-1} + U x_t)",
        "u[t] = x[t] / norm(x[t])\nh[t] = tanh(W @ h[t-1] + U @ u[t])",
    ),
    ("x_t = x_t/‖x_t‖\nh_t = tanh(W h_{t-1} + U x_t)", "u[t] = x[t] / norm(x[t])\nh[t] = tanh(W @ h[t-1] + U @ u[t])"),
    (
        "x[t] = relu(E x[t])\nh[t] = tanh(W h[t-1] + U x[t])",
        "u[t] = relu(E @ x[t])\nh[t] = tanh(W @ h[t-1] + U @ u[t])",
    ),
    (
        ELMAN + "\nL_t = \\|h_t - y_t\\|^2, \\quad t \\in \\{2,4,6\\}",
        ELMAN + "\nL[t] = norm(h[t] - y[t])^2\nL = L[2] + L[4] + L[6]",
    ),
    (r"h_t = \tanhW h_{t-1} + U x_t)", ELMAN),
    ("h[t] = tanhW h[t-1] + U x[t])", ELMAN),
    (r"\mathbfh}_t = \tanh(W h_{t-1} + U x_t)", ELMAN),
    (r"h_t = \tanh(W h_t-1} + U x_t)", ELMAN),
    (r"h^{(t)} = \tanh(W h^{(t-1)} + U x^(t)})", ELMAN),
    (r"h_t = \mathrm{tanh)(W h_{t-1} + U x_t)", ELMAN),
    (r"h_t = \tanh(\mathbf{W) h_{t-1} + U x_t)", ELMAN),
    (r"h_t = \tanh(\foo{W} h_{t-1} + U x_t)", ELMAN),
    (r"h_t \tanh(W h_{t-1} + U x_t)", ELMAN),
    ("h_t = tanh(W h + U x_t)", ELMAN),
    (r"h_t = \tanh(\mathbf{W] h_{t-1} + U x_t)", ELMAN),
    (
        "state_t = 0\nfor input_t in input_sequence:\n"
        "    output_t = np.tanh(np.dot(W, input_t) + np.dot(U, state_t) + b)\n    state_t = output_t",
        "state[0] = 0\noutput[t] = tanh(W @ input[t] + U @ state[t-1] + b)\nstate[t] = output[t]",
    ),
    (r"h_t = \tanh(W \circledast h_{t-1} + U x_t)", "h[t] = tanh(k(h[t-1], W) + U @ x[t])"),
    ("h[t] = tanh(np.einsum('ij,j->i', W, h[t-1]) + U @ x[t])", ELMAN),
    ("h[t] = tanh(np.einsum('ba,b->a', W, h[t-1]) + x[t])", "h[t] = tanh(W.T @ h[t-1] + x[t])"),
    ("h[t] = tanh(einsum('ijk,j,k->i', W, h[t-1], x[t]))", "h[t] = tanh(f(h[t-1], x[t], W))"),
    (r"h_t = \max_k (W_k h_{t-1} + U_k x_t)", "h[t] = max(W_1 @ h[t-1] + U_1 @ x[t], W_2 @ h[t-1] + U_2 @ x[t])"),
    (ELMAN + "\ny[t] = max_k(V_{k} h[t] + c_k)", ELMAN + "\ny[t] = max(V_1 @ h[t] + c_1, V_2 @ h[t] + c_2)"),
    (r"h_t = \tanh(W h_{t-1} + U xt)", ELMAN),
    (r"h_t = \tanh(W h_{t-1} + Uxt + b)", "h[t] = tanh(W @ h[t-1] + U @ x[t] + b)"),
    (r"h_t = \tanh(W h_{t-1} + U x_t]", ELMAN),
    ("h[t] = tanh(W h[t-1) + U x[t])", ELMAN),
    ("h[t] = tanh(W [h[t-1]; x[t]) + b)", "h[t] = tanh(W @ [h[t-1]; x[t]] + b)"),
    ("h[t] = tanh(W (h[t-1] + x[t]] + b)", "h[t] = tanh(W @ (h[t-1] + x[t]) + b)"),
    (
        ELMAN + "\ny_t = V h_t\nL = \\sum_t y_t^T y_t + W",
        ELMAN + "\ny[t] = V @ h[t]\nL = sum_t dot(y[t], y[t]) + norm(W)^2",
    ),
    (
        ELMAN + "\ny_t = V h_t\nL_t = y_t^T y_t + \\lambda W",
        ELMAN + "\ny[t] = V @ h[t]\nL[t] = dot(y[t], y[t]) + λ norm(W)^2",
    ),
    (
        ELMAN + "\ny_t = V h_t\nL_t = y_t^T y_t + h_t",
        ELMAN + "\ny[t] = V @ h[t]\nL[t] = dot(y[t], y[t]) + norm(h[t])^2",
    ),
]


@pytest.mark.parametrize(("text", "meant"), REFUSED)
def test_the_next_try_after_a_hint_is_what_was_meant(text: str, meant: str) -> None:
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(text)
    assert bg.recurrence(followed(text, caught.value)).reading == bg.recurrence(meant).reading


def spiking(condition: str, one: str, other: str) -> str:
    return f"U[t] = W @ x[t] + h[t-1]\nh[t] = {condition} * {one} + (1 - {condition}) * {other}"


GATES = "\nz[t] = sigmoid(W_z @ x[t])\nr[t] = sigmoid(W_r @ x[t])"
FIRE = "U_t = W x_t + h_{t-1}\nh_t = "
READ = [  # a text, what was meant, and a part of the note
    (FIRE + "1 if U_t > θ else 0", spiking("step(U[t] - θ)", "1", "0"), "choice"),
    (FIRE + "1 if U_t > θ, 0 otherwise", spiking("step(U[t] - θ)", "1", "0"), "choice"),
    (
        FIRE + "U_t if U_t >= θ else (1 if x_t < 0 else 0)",
        spiking("(1 - step(θ - U[t]))", "U[t]", "(step(0 - x[t]) * 1 + (1 - step(0 - x[t])) * 0)"),
        "choice",
    ),
    (FIRE + "{ 1, U_t > θ; 0, otherwise }", spiking("step(U[t] - θ)", "1", "0"), "choice"),
    (FIRE + "\\{ 1 \\text{ if } U_t > θ, 0 \\text{ otherwise} \\}", spiking("step(U[t] - θ)", "1", "0"), "choice"),
    (
        "loss = 0\nfor t in range(T):\n    " + ELMAN + "\n    loss += cross_entropy(softmax(V h[t]), y[t])",
        ELMAN + "\nloss = sum_t cross_entropy(softmax(V @ h[t]), y[t])",
        "sum over the steps",
    ),
    (
        ELMAN + "\nJ = -\\sum_{j=1}^{|V|} y_{T,j} \\log ŷ_{T,j}\nŷ[t] = softmax(V @ h[t])",
        ELMAN + "\nJ = -dot(y[T], log(ŷ[T]))\nŷ[t] = softmax(V @ h[t])",
        "single units",
    ),
    ("h_t = {tanh(W h_{t-1} + U x_t) if t>0; 0 otherwise}", ELMAN + "\nh[0] = 0", ""),
    ("h_t = \\begin{cases} tanh(W h_{t-1} + U x_t) & t \\ge 1 \\\\ 0 & else \\end{cases}", ELMAN + "\nh[0] = 0", ""),
    ("h[t] = tanh(W h[t-1] + U x[t]) if t > 0, h_0 otherwise", ELMAN, ""),
    ("h_t = tanh(W h_{t-1} + U x_t) \\text{ if } t > 0, h_0 \\text{ otherwise}", ELMAN, ""),
    ("h[t] = tanh(W h[t-1] + U x[t]) if t > 0 else 0", ELMAN + "\nh[0] = 0", ""),
    ("h_t = 0 if t = 0 else tanh(W h_{t-1} + U x_t)", ELMAN + "\nh[0] = 0", ""),
    (r"h_t = \tanh(W h_{t-1} + U x_t) (|h_t| < 1)", ELMAN, "(|h_t| < 1)"),
    (r"h_t = \tanh(W h_{t-1} + U x_t), |h_t| < 1", ELMAN, "|h_t| < 1"),
    (r"h_t = \tanh(W h_{t-1} + U x_t) \quad (W \in \mathbb{R}^{n \times n})", ELMAN, "was read as a remark"),
    ("h_t = tanh(W h_{t-1} + U x_t)   (W \\in R^{n x n})", ELMAN, "was read as a remark"),
    (ELMAN + "  (W ∈ R^{n×n}, U ∈ R^{n×m})", ELMAN, "was read as a remark"),
    (ELMAN + " (W ∈ R^{3×3})", ELMAN, "the sizes in it are not used"),
    ("h has 128 units.\n\n" + ELMAN + "\n\nU is 128 x 64", ELMAN, "the sizes in it are not used"),
    (ELMAN + "\nE = \\sum_{t \\in \\{2,4\\}} h_t^T h_t", ELMAN + "\nE = dot(h[2], h[2]) + dot(h[4], h[4])", ""),
    (ELMAN + ", t in {1, 2, 3}", ELMAN, "number of steps"),
    (
        "h_t = tanh(W hh h_{t-1} + W xh x_t + b h)\ny_t = W hy h_t + b y",
        "h[t] = tanh(W_hh @ h[t-1] + W_xh @ x[t] + b_h)\ny[t] = W_hy @ h[t] + b_y",
        "W hh was read as W_hh",
    ),
    ("h_t = 0,5 h_{t-1} + x_t", "h[t] = 0.5 h[t-1] + x[t]", "number 0.5"),
    ("h_t = 0{,}5 h_{t-1} + tanh(0{,}25 x_t)", "h[t] = 0.5 h[t-1] + tanh(0.25 x[t])", "number 0.25"),
    ("h_t = 1,5 * h_{t-1} - 0,25", "h[t] = 1.5 * h[t-1] - 0.25", "number 1.5"),
    ("h_t = \\sigma^{-1}(W h_{t-1})", "h[t] = logit(W @ h[t-1])", "inverse function"),
    ("h_t = tanh(W_hh x h_{t-1} + W_xh x x_t)", "h[t] = tanh(W_hh @ h[t-1] + W_xh @ x[t])", "×"),
    (r"h_{t_k} = \tanh(W h_{t_{k-1}} + U x_{t_k})", ELMAN, "step k"),
    (r"h_{t_1} = \tanh(W h_{t_0} + U x_{t_1})", ELMAN, "step 1"),
    ("h_0 = tanh(W h_{-1} + U x_0)", ELMAN, "every step"),
    (
        "r_j = σ([W_r x_t]_j + [U_r h_{t-1}]_j)\nh_j^{t} = r_j h_j^{t-1} + [V x_t]_j",
        "r[t] = sigmoid(W_r @ x[t] + U_r @ h[t-1])\nh[t] = r[t] * h[t-1] + V @ x[t]",
        "whole vectors",
    ),
    (
        "h_t = z_t * h_{t-1} + tanh(U[r_t * h_{t-1}])" + GATES,
        "h[t] = z[t] * h[t-1] + tanh(U @ (r[t] * h[t-1]))" + GATES,
        "",
    ),
    ("h_t = tanh(W h_{t-1} + U E[x_t])", "h[t] = tanh(W @ h[t-1] + U @ (E @ x[t]))", "one-hot"),
    ("s[t] = np.tanh(self.U[:,x[t]] + self.W.dot(s[t-1]))", "s[t] = tanh(U @ x[t] + W @ s[t-1])", "one-hot"),
    (ELMAN + "\nL = \\mathbb{E}[(h_T - y)^2]", ELMAN + "\nL = norm(h[T] - y)^2", "mean over examples"),
    (r"h_t = \tanh^{-1}(W h_{t-1} + U x_t)", "h[t] = arctanh(W @ h[t-1] + U @ x[t])", "inverse function"),
    (r"h_t = \tan^{-1}(W h_{t-1} + U x_t)", "h[t] = arctan(W @ h[t-1] + U @ x[t])", "inverse function"),
    (
        ELMAN + "\nŷ[t] = softmax(V @ h[t])\n" + r"L = -\sum_t \sum_{c=1}^{C} y_{tc} \log ŷ_{tc}",
        ELMAN + "\nŷ[t] = softmax(V @ h[t])\nL = -(sum_t dot(y[t], log(ŷ[t])))",
        "single units",
    ),
]


@pytest.mark.parametrize(("text", "meant", "note"), READ)
def test_what_every_reader_understands_is_read_with_a_note(text: str, meant: str, note: str) -> None:
    rec = bg.recurrence(text)
    assert rec.reading == bg.recurrence(meant).reading
    assert any(note in said for said in rec.notes) or not note


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("c_0, h_0 = 0,0\nh_t = tanh(W h_{t-1} + c_{t-1})\nc_t = h_t", "c[0] = 0\nh[0] = 0"),  # two values
        ("h_t = clip(W h_{t-1}, 0,5)", "h[t] = clip(W @ h[t-1], 0, 5)"),  # arguments
        ("h_t = tanh(x h_{t-1})", "h[t] = tanh(x * h[t-1])"),  # a parameter
        ("h_t = tanh(W h_{t-1} + b_{t1})", "h[t] = tanh(W @ h[t-1] + b_t1)"),  # a label
        ("h_0 = 1\nh_t = tanh(W h_{t-1})", "h[0] = 1\nh[t] = tanh(W @ h[t-1])"),  # an initial value
    ],
)
def test_what_only_looks_like_such_a_sign_stays(text: str, plain: str) -> None:
    assert bg.recurrence(text).reading.startswith(plain)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("h_{t0} = tanh(W h_{t-1} + U x_t)", "h_t or h_0"),
        ("h_t = tanh(W h_{t_0} + U x_t)", "h_t or h_0"),
        ("h_t = tanh(W h_{t1} + U x_t)", "h_{t-1}"),
    ],
)
def test_a_step_with_a_slip_has_its_own_question(text: str, said: str) -> None:
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(text)
    assert caught.value.hint == f"did you mean {said}?"


GRADIENT = r"\frac{\partial L}{\partial W} = \sum_t \delta_t h_{t-1}^T"


@pytest.mark.parametrize(
    "text", [GRADIENT, "dE/dW = sum_t delta[t] h[t-1]^T", r"\frac{∂L}{∂W} = \sum_{t=1}^T \frac{∂L_t}{∂W}"]
)
def test_a_gradient_alone_is_an_answer(text: str) -> None:
    with pytest.raises(bg.BPTTError, match="is an answer") as caught:
        bg.recurrence(text)
    assert "bpttgraph check NET --answer ANSWER" in caught.value.hint


@pytest.mark.parametrize("line", [GRADIENT, r"\frac{∂L}{∂W} = \sum_{t=1}^T \frac{∂L_t}{∂W}"])
def test_a_gradient_beside_its_recurrence_is_left_out(line: str) -> None:
    rec = bg.recurrence(f"{ELMAN}\n{line}")
    assert rec.reading == bg.recurrence(ELMAN).reading
    assert any("gradient and was left out" in note for note in rec.notes)


def test_the_largest_entry_of_a_vector_is_no_state() -> None:
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(r"h_t = \max(W h_{t-1} + U x_t)")
    assert "write max(W h[t-1] + U x[t], 0)" in caught.value.hint


@pytest.mark.parametrize("step", ["t", "i"])
def test_weights_of_positions_need_a_line(step: str) -> None:
    text = rf"s_{step} = \tanh(W s_{{{step}-1}} + C c_{step}) \\ c_{step} = \sum_{{j=1}}^{{T_x}} \alpha_{{{step}j}} h_j"
    with pytest.raises(bg.BPTTError, match="no line defines it") as caught:
        bg.recurrence(text)
    said = re.search(r"write in lines of their own (.*?) and (.*?), or how", caught.value.hint)
    assert said
    scores = "exp(dot(s[t-1], A @ h[j])) / (sum_k exp(dot(s[t-1], A @ h[k])))"
    assert f"c[t] = sum_{{j=1}}^{{T}} ({scores} * h[j])" in bg.recurrence("\n".join([text, *said.groups()])).reading


def test_steps_that_are_chosen_are_no_range() -> None:
    with pytest.raises(bg.BPTTError, match="chooses steps") as caught:
        bg.recurrence(ELMAN + r", \quad t \in \{2,4,6\}")
    assert "loss=[2, 4, 6]" in caught.value.hint
    assert bg.recurrence(ELMAN).unroll(6, loss=[2, 4, 6]).instance(seed=0)


def test_a_mask_in_brackets_is_no_remark() -> None:
    rec = bg.recurrence("h[t] = tanh(W h[t-1]) * (x[t] > 0)")
    assert "step(x[t] - 0)" in rec.reading


@pytest.mark.parametrize(
    ("text", "hint", "next_try"),
    [
        ("h[t] = tanh(W @ h[t-1 + U @ x[t])", "a step ends right behind it: write h[t-1]", ELMAN),
        ("h[t = tanh(W h[t-1] + U x[t])", "write h[t]", ELMAN),
        ("h_t = tanh(W h_{t-1}} + U x_t)", "remove this '}'", ELMAN),
        ("h[t] = tanh(W h[t-1] + + U x[t])", "leave the second sign out: write h[t] = tanh(W h[t-1] + U x[t])", ELMAN),
    ],
)
def test_a_slip_of_signs_is_found_where_it_is(text: str, hint: str, next_try: str) -> None:
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(text)
    assert hint in caught.value.hint
    assert bg.recurrence(next_try).states == ("h",)


def test_a_letter_glued_to_its_matrix_is_cut_where_capitals_are_matrices() -> None:
    rec = bg.recurrence("hₜ = tanh(W hₜ₋₁ + Uxₜ)")
    assert rec.reading == bg.recurrence(ELMAN).reading
    assert any("U times x" in note for note in rec.notes)


def test_an_output_of_the_whole_sequence_needs_a_loss() -> None:
    text = ELMAN + "\nc = \\sum_t \\alpha_t h_t\ny = V c"
    assert any("add the loss that reads it, such as L = norm(y - d)^2" in note for note in bg.recurrence(text).notes)
    rec = bg.recurrence(text + "\nL = norm(y - d)^2")
    assert rec.unroll(3).run(rec.unroll(3).instance(seed=0)).loss > 0


def test_a_mark_cannot_count() -> None:
    text = "a_h^t = \\sum_{i=1}^I w_{ih} x_i^t + \\sum_{h'=1}^H w_{h'h} b_{h'}^{t-1}\nb_h^t = \\tanh(a_h^t)"
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(text)
    assert caught.value.hint == "let another letter count, such as k wherever h' stands"
    assert "b[t] = tanh(a[t])" in bg.recurrence(text.replace("h'", "k")).reading


def test_a_comma_between_step_and_position_changes_nothing() -> None:
    text = (
        "s_t = \\tanh(W s_{t-1} + C c_t) \\\\ c_t = \\sum_{j=1}^{T_x} \\alpha_{t,j} h_j \\\\ "
        "\\alpha_{t,j} = \\frac{\\exp(e_{t,j})}{\\sum_{k} \\exp(e_{t,k})} \\\\ e_{t,j} = s_{t-1}^T A h_j"
    )
    assert bg.recurrence(text).reading == bg.recurrence(text.replace("t,", "t")).reading


def test_missing_scores_are_asked_for() -> None:
    """Two numbers e_ti and e_tk would make all weights alike."""
    weights = r"""\alpha_{t,i} = \frac{\exp(e_{t,i})}{\sum_{k=1}^{T_x} \exp(e_{t,k})}
c_t = \sum_{i=1}^{T_x} \alpha_{t,i} h_i
s_t = \tanh(W s_{t-1} + C c_t)
"""
    with pytest.raises(
        bg.BPTTError, match="e_ti is a score of step t for position i, and no line defines it"
    ) as caught:
        bg.recurrence(weights)
    line = re.search(r"write in a line of its own (.*?), or how else", caught.value.hint or "")
    assert line is not None
    found = bg.recurrence(weights + line[1])
    assert "exp(dot(s[t-1], A @ h[i])) / (sum_{k=1}^{T} exp(dot(s[t-1], A @ h[k])))" in found.reading


def test_a_sample_beside_a_space_of_latex() -> None:
    with pytest.raises(bg.BPTTError, match="draws a sample") as caught:
        bg.recurrence(r"h_t ~ N(W h_{t-1} + U x_t, \sigma^2 I)")
    assert "h[t] = W h[t-1] + S e[t]" in str(caught.value)


@pytest.mark.parametrize(
    "text, cell",
    [
        ("rnn = nn.LSTM(input_size=10, hidden_size=20)\noutput, (hn, cn) = rnn(input, (h0, c0))", "lstm"),
        ("self.cell = torch.nn.GRUCell(3, 4)\nh = self.cell(x, h)", "gru"),
        ("layer = tf.keras.layers.SimpleRNN(32)\ny = layer(x)", "rnn"),
    ],
)
def test_modules_of_libraries_have_no_equations_here(text: str, cell: str) -> None:
    with pytest.raises(bg.BPTTError, match="is a module of a library") as caught:
        bg.recurrence(text)
    assert f"bpttgraph derive {cell} " in (caught.value.hint or "") and bg.cell(cell).reading


def test_lambdas_are_named() -> None:
    text = "carry, ys = jax.lax.scan(lambda h, x: (jnp.tanh(W @ h + U @ x), h), h0, xs)"
    with pytest.raises(bg.BPTTError, match="lambda"):
        bg.recurrence(text)


def test_bars_between_values_stack_them() -> None:
    text = r"x_{n+1} = \tanh(W x_n + W_{in} u_{n+1}); y_n = W_{out} [1 | u_n | x_n]"
    assert "W_out @ [1; u[t]; x[t]]" in bg.recurrence(text).reading
    assert "abs(" in bg.recurrence("h[t] = tanh(W @ h[t-1]) + [|x[t]|; b]").reading


def test_an_unknown_function_in_a_stack_is_named() -> None:
    text = "combined = torch.cat((x, h), 1)\nh = self.i2h(combined)\ny = self.softmax(self.h2o(h))"
    with pytest.raises(bg.BPTTError, match=r"write W_i2h @ \(…\) if it is a matrix"):
        bg.recurrence(text).unroll(2)
    mended = text.replace("self.i2h(combined)", "self.W_i2h @ combined").replace("self.h2o(h)", "self.W_h2o @ h")
    assert "h[t] = W_i2h @ combined[t]" in bg.recurrence(mended).reading
