"""Answers are read as recurrences are: what is printed here is right when handed in, in every notation, for vectors as
columns and as rows; with one sign, transpose or step changed it is not."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.homework.answers.reading import read_answer
from bpttgraph.homework.truth.truth import Truth
from bpttgraph.homework.verdict.tied import to_answer

ROWS = {
    "rnn": r"""H_t = \tanh(X_t W_{xh} + H_{t-1} W_{hh} + b_h)
O_t = H_t W_{hq} + b_q
E_t = squared_error(O_t, Y_t)""",
    "lstm": r"""I_t = \sigma(X_t W_{xi} + H_{t-1} W_{hi} + b_i)
F_t = \sigma(X_t W_{xf} + H_{t-1} W_{hf} + b_f)
O_t = \sigma(X_t W_{xo} + H_{t-1} W_{ho} + b_o)
\tilde{C}_t = \tanh(X_t W_{xc} + H_{t-1} W_{hc} + b_c)
C_t = F_t \odot C_{t-1} + I_t \odot \tilde{C}_t
H_t = O_t \odot \tanh(C_t)""",
    "gru": r"""R_t = \sigma(X_t W_{xr} + H_{t-1} W_{hr} + b_r)
Z_t = \sigma(X_t W_{xz} + H_{t-1} W_{hz} + b_z)
\tilde{H}_t = \tanh(X_t W_{xh} + (R_t \odot H_{t-1}) W_{hh} + b_h)
H_t = Z_t \odot H_{t-1} + (1 - Z_t) \odot \tilde{H}_t""",
}
# seq2seq prints its blocks as labels, which are not read back; the abstract ones have no numbers
CELLS = [c for c in bg.cells() if c != "seq2seq" and not bg.cell(c).abstract]
LEFT = ["rnn", "gru", "deep-rnn"]


def printed(rec):
    return rec.derive("all").recursions


@pytest.mark.parametrize("rec", [*map(bg.cell, CELLS), *map(bg.recurrence, ROWS.values())], ids=[*CELLS, *ROWS])
def test_what_is_printed_is_right(rec):
    """Every parameter and initial state is judged, and right, from plain text and from LaTeX."""
    lines = printed(rec)
    gradients = {*rec.parameters} if not rec.once else set()
    for text in ("\n".join(map(str, lines)), rec.derive("all").latex()):
        verdict = bg.verify(rec, text)
        assert verdict.right, (text, verdict)
        assert gradients <= set(verdict.parameters)


def changes(text):
    """The text with one sign, transpose or step changed, in every place."""
    rules = [
        (r"(?m)^( +)\+ ", r"\1− "),
        (r"ₜ₋₁", "ₜ"),
        (r"\[t\+1\]", "[t]"),
        (r"ₜ₊₁", "ₜ"),
        (r"1 − ", "1 + "),
        (r"((?:W_hh|U|U_z|U_r|U_f|U_i|U_o|U_g|W_h[hfiozrc]))ᵀ", r"\1"),
    ]
    for pattern, instead in rules:
        for found in re.finditer(pattern, text):
            yield text[: found.start()] + found.expand(instead) + text[found.end() :]


@pytest.mark.parametrize("rec", [*map(bg.cell, LEFT), *map(bg.recurrence, ROWS.values())], ids=[*LEFT, *ROWS])
def test_what_is_changed_is_not_right(rec):
    """A change is never right: it is wrong, or it is refused because it defines a value by itself."""
    text = "\n".join(map(str, printed(rec)))
    made = list(changes(text))
    assert len(made) > 5
    u = rec.unroll(5)
    truth = Truth(u, u.instance())
    assert agrees(truth, text)
    for other in random.Random(14).sample(made, min(12, len(made))):
        try:
            assert not agrees(truth, other), other
        except bg.BPTTError as error:
            assert "defined by itself" in str(error)


def agrees(truth, text):
    """Whether all values that a text is read as are those of the gradient: the verdict, without the causes, which take
    their time."""
    given = to_answer(truth, read_answer(text)).given
    return all(np.allclose(g.value, truth.value(name), rtol=1e-9, atol=1e-12) for name, g in given.items())


WRITTEN = {
    "plain": """d[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh.T @ d[t+1])
dW_hh = sum_t d[t] @ h[t-1].T
dW_xh = sum_t outer(d[t], x[t])
db_h = sum_t d[t]""",
    "unicode": """δₜ = (1 − hₜ²) ⊙ (W_hyᵀ (yₜ − targetₜ) + W_hhᵀ δₜ₊₁)
∂E/∂W_hh = ∑_{t=1}^{T} δₜ hₜ₋₁ᵀ
∂E/∂W_xh = ∑_{t=1}^{T} δₜ xₜᵀ
∂E/∂b_h = ∑_{t=1}^{T} δₜ""",
    "latex": r"""\begin{align}
\delta_t &= (1 - h_t^2) \odot \left( W_{hy}^\top (y_t - \mathrm{target}_t) + W_{hh}^\top \delta_{t+1} \right) \tag{1}\\
\frac{\partial E}{\partial W_{hh}} &= \sum_{t=1}^{T} \delta_t h_{t-1}^\top, \qquad
\frac{\partial E}{\partial W_{xh}} = \sum_{t=1}^{T} \delta_t x_t^\top \\
\frac{\partial E}{\partial b_h} &= \sum_{t=1}^{T} \delta_t
\end{align}""",
    "round": """d(t) = (1 - h(t)^2) * (W_hy.T (y(t) - target(t)) + W_hh.T d(t+1))
dW_hh = sum_{t=1}^{T} d(t) h(t-1).T
dW_xh = sum_{t=1}^{T} d(t) x(t).T
db_h = sum_{t=1}^{T} d(t)""",
    "markdown": r"""We start at the end and go back, for $t = T, \dots, 1$:

1. The error: $\delta_t = (1 - h_t^2) \odot ( W_{hy}^\top (y_t - target_t) + W_{hh}^\top \delta_{t+1} )$ (4)
2. **Weights**: $\frac{\partial E}{\partial W_{hh}} = \sum_t \delta_t h_{t-1}^\top$ (5)
3. and $\frac{\partial E}{\partial W_{xh}} = \sum_t \delta_t x_t^\top$ (6)
4. bias: $\frac{\partial E}{\partial b_h} = \sum_t \delta_t$ (7)""",
    "numpy": """d[t] = (1 - h[t]**2) * (W_hy.T @ (y[t] - target[t]) + W_hh.T @ d[t+1])
dW_hh = sum_t np.outer(d[t], h[t-1])
dW_xh = sum_t np.outer(d[t], x[t])
db_h = sum_t d[t]""",
    "numpy, from the left": """d[t] = (1 - h[t]**2) * ((y[t] - target[t]) @ W_hy + d[t+1] @ W_hh)
dW_hh = sum_t np.outer(d[t], h[t-1])
dW_xh = sum_t np.outer(d[t], x[t])
db_h = sum_t d[t]""",
}
SLIPS = [  # patterns that between them find their place in every notation
    (r"t-1|ₜ₋₁", lambda m: {"t-1": "t", "ₜ₋₁": "ₜ"}[m[0]]),
    (r"\+(?= ?(?:W_hh|W_\{hh\}|d\[t\+1\] @))", lambda m: "-"),
    (r"W_hh\.T|W_hhᵀ|W_\{hh\}\^\\top|(?<=@ )W_hh(?=\))", lambda m: _turned(m[0])),
]


def _turned(word):
    return "W_hh.T" if word == "W_hh" else "W_{hh}" if "{" in word else "W_hh"


@pytest.mark.parametrize("form", WRITTEN)
def test_one_answer_in_all_notations(form):
    rec = bg.cell("rnn")
    verdict = bg.verify(rec, WRITTEN[form])
    assert verdict.right and set(verdict.parameters) == {"W_hh", "W_xh", "b_h"}
    for pattern, slip in SLIPS:
        wrong, count = re.subn(pattern, slip, WRITTEN[form], count=1)
        assert count == 1
        assert not bg.verify(rec, wrong, feedback="none").right, wrong


def test_the_letter_of_the_step_is_that_of_the_recurrence():
    rec = bg.recurrence(r"""h_n = \tanh(W h_{n-1} + U x_n), \quad y_n = V h_n, \quad E_n = squared\_error(y_n, d_n)""")
    told = r"\delta_n = (1 - h_n^2) \odot (V^\top (y_n - d_n) + W^\top \delta_{n+1})" + "\n"
    right = told + r"\frac{\partial E}{\partial W} = \sum_{n=1}^{N} \delta_n h_{n-1}^\top"
    assert bg.verify(rec, right).right
    assert not bg.verify(rec, right.replace("h_{n-1}", "h_n"), feedback="none").right
    # in another letter than the recurrence's, too
    assert bg.verify(rec, re.sub(r"(?<![a-z\\])n(?![a-z])", "t", right).replace("{N}", "{T}")).right


def test_rows_are_judged_as_rows():
    rec = bg.recurrence(ROWS["rnn"])
    delta = r"\delta_t = (1 - H_t^2) \odot ((O_t - Y_t) W_{hq}^\top + \delta_{t+1} W_{hh}^\top)" + "\n"
    right = delta + r"\frac{\partial E}{\partial W_{hh}} = \sum_t H_{t-1}^\top \delta_t"
    verdict = bg.verify(rec, right)
    assert verdict.right and not verdict.parameters["W_hh"].convention
    assert not bg.verify(rec, right.replace(r"\delta_{t+1} W_{hh}^\top", r"\delta_{t+1} W_{hh}"), feedback="none").right
    code = delta + "dW_hh = sum_t np.outer(H[t-1], δ[t])"
    assert bg.verify(rec, code).right
    with pytest.raises(bg.BPTTError):  # a number where a matrix is asked for
        bg.verify(rec, delta + r"\frac{\partial E}{\partial W_{hq}} = \sum_t (O_t - Y_t) H_t^\top")


def test_guesses_are_told():
    verdict = bg.verify(
        bg.cell("rnn"), "d[t] = (1 - h[t]^2) (W_hy.T (y[t]-target[t]) + d[t+1] W_hh)\ndb_h = sum_t d[t]"
    )
    notes = " ".join(verdict.notes)
    assert verdict.right and "side by side are multiplied entry by entry" in notes and "is read as a row" in notes
