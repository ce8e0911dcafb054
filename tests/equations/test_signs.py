"""Signs, scripts and brackets as pages write them mean what the plain language says in words."""

from __future__ import annotations

import pytest

import bpttgraph as bg

SAME = [
    (r"{\displaystyle h_{t}=\tanh(W_{h}x_{t}+U_{h}h_{t-1}+b_{h})}", "h[t] = tanh(W_h x[t] + U_h h[t-1] + b_h)"),
    (
        r"{\displaystyle {\begin{aligned}h_{t}&=\tanh(Wx_{t}+Uh_{t-1})\\y_{t}&=Vh_{t}\end{aligned}}}",
        "h[t] = tanh(W x[t] + U h[t-1])\ny[t] = V h[t]",
    ),
    (r"S_t = S_{t-1} + v_t k^\top_t", "S[t] = S[t-1] + outer(v[t], k[t])"),
    (r"h_t = \tanh(W^T_{hh} h_{t-1} + U x_t)", "h[t] = tanh(W_hh.T h[t-1] + U x[t])"),
    (
        "h_t = \\tanh(W h_{t-1} + x_t)\nE_t = \\|h_t - d_t\\|^2_2",
        "h[t] = tanh(W h[t-1] + x[t])\nE[t] = norm(h[t] - d[t])^2",
    ),
    (r"s_t = s_{t-1} + \langle k_t, q_t\rangle", "s[t] = s[t-1] + dot(k[t], q[t])"),
    ("s_t = s_{t-1} + ⟨k_t, q_t⟩", "s[t] = s[t-1] + dot(k[t], q[t])"),
    (r"a^{\langle t \rangle} = \tanh(W a^{\langle t-1 \rangle})", "a[t] = tanh(W a[t-1])"),
    ("h_t = (1 ‐ z_t) ∘ h_{t-1} + z_t", "h[t] = (1 - z[t]) * h[t-1] + z[t]"),
    ("h_t = √(h_{t-1}) + x_t", "h[t] = sqrt(h[t-1]) + x[t]"),
    ("h_t = tanh(W ∙ h_{t-1} + U ∙ x_t)", "h[t] = tanh(W h[t-1] + U x[t])"),
    ("h_t = th(W h_{t-1} + U x_t)", "h[t] = tanh(W h[t-1] + U x[t])"),
]


@pytest.mark.parametrize(("pasted", "plain"), SAME)
def test_it_reads_as_the_plain_text(pasted: str, plain: str) -> None:
    assert bg.recurrence(pasted).reading == bg.recurrence(plain).reading


REFUSED = [
    (r"h_t = h_{t-1} \pm x_t", r"\pm cannot stand", "write + or -"),
    (r"h_t = \det h_{t-1} + x_t", r"\det cannot stand", "determinant"),
    ("h_t = tanh(W h_t−1 + U x_t)", "circular definition", "write h_{t-1} or h[t-1]"),
    ("a_t = a^{c r_t}\nh_t = a_t h_{t-1} + x_t", "a stands without a step", "such as a_p"),
    ("e_t = e e_{t-1} + x_t", "e stands without a step", "such as e_p"),
]


@pytest.mark.parametrize(("text", "message", "hint"), REFUSED)
def test_a_refusal_says_what_to_write(text: str, message: str, hint: str) -> None:
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(text)
    assert message in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "other", ["w_t ~ N(0, Q)", r"w_t \sim \mathcal{N}(0, Q)", "其中 W 是权重", "outs.append(h)", "print(h)"]
)
def test_lines_that_say_something_else_are_left_out_with_a_note(other: str) -> None:
    model = "x_t = \\tanh(A x_{t-1} + w_t)"
    rec = bg.recurrence(f"{model}\n{other}")
    assert rec.reading == bg.recurrence(model).reading
    assert any("was read as text around the equations" in note for note in rec.notes)


def test_hints_speak_the_words_of_the_command_line() -> None:
    from bpttgraph.cli.common import as_options

    assert as_options('write sizes={"h": 3}') == "write --size h=3"
    assert as_options('sizes={"w": …} gives it another shape') == "--size w=N gives it another shape"


def test_a_sum_into_a_state_says_what_to_write() -> None:
    with pytest.raises(bg.BPTTError, match=r"write h\[t\] = h\[t-1\] \+ W x_t"):
        bg.recurrence("h_t += W x_t")
