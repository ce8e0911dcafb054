"""Functions by all their names, and those whose name does not settle their value."""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg

VALUES = {
    "softsign": lambda a: a / (1 + np.where(a.real > 0, a, -a)),
    "Softsign": lambda a: a / (1 + np.where(a.real > 0, a, -a)),
    "hard_sigmoid": lambda a: np.where(abs(a.real) < 2.5, a / 5 + 0.5, a.real > 0),
    "HardTanh": lambda a: np.where(abs(a.real) < 1, a, np.sign(a.real)),
    "selu": lambda a: 1.0507009873554805 * np.where(a.real > 0, a, 1.6732632423543772 * (np.exp(a) - 1)),
    "Mish": lambda a: a * np.tanh(np.log(1 + np.exp(a))),
    "Swish": lambda a: a / (1 + np.exp(-a)),
    "arctan": np.arctan,
    "LeakyReLU": lambda a: np.where(a.real > 0, a, 0.01 * a),
    "layer_norm": lambda a: (a - a.mean()) / np.sqrt(((a - a.mean()) ** 2).mean() + 1e-5),
}
LOSSES = {
    "MSE": lambda y, d: ((y - d) ** 2).mean(),
    "BCE": lambda y, d: -(d * np.log(y) + (1 - d) * np.log(1 - y)).sum(),
}


def by_hand(f, loss, data):  # type: ignore[no-untyped-def]
    """dE/dW by the complex step, in NumPy."""
    found = np.zeros_like(data["W"])
    for index in np.ndindex(found.shape):
        W, h, total = data["W"].astype(complex), data["h[0]"].astype(complex), 0.0
        W[index] += 1e-30j
        for t, x in enumerate(data["x"]):
            h = f(W @ h + data["U"] @ x)
            total = total + loss(h, t)
        found[index] = np.imag(total) / 1e-30
    return found


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("latex", [False, True])
def test_an_activation_by_its_name(name: str, latex: bool) -> None:
    plain = f"h[t] = {name}(W h[t-1] + U x[t]); E[t] = dot(v, h[t])"
    word = name.replace("_", r"\_")
    slide = rf"h_t = \mathrm{{{word}}}(W h_{{t-1}} + U x_t) \\ E_t = \mathrm{{dot}}(v, h_t)"
    u = bg.recurrence(slide if latex else plain).unroll(3, sizes={"h": 3, "x": 2})
    data = u.instance(seed=5)
    true = by_hand(VALUES[name], lambda h, t: data["v"] @ h, data)
    np.testing.assert_allclose(u.run(data).gradients["W"], true, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_by_its_name(name: str) -> None:
    rec = bg.recurrence(f"h[t] = sigmoid(W h[t-1] + U x[t])\nE[t] = {name}(h[t], d[t])")
    assert rec.losses == ("E",) and rec.targets == ("d",) and "is the" in rec.notes[0]
    u = rec.unroll(3, sizes={"h": 3, "x": 2})
    data = u.instance(seed=5)
    data["d"] = np.random.default_rng(1).uniform(size=(3, 3))
    true = by_hand(lambda a: 1 / (1 + np.exp(-a)), lambda h, t: LOSSES[name](h, data["d"][t]), data)
    np.testing.assert_allclose(u.run(data).gradients["W"], true, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", ["softsign", "hard_sigmoid", "selu", "mish", "arctan"])
def test_sympy_reads_an_activation(name: str) -> None:
    u = bg.recurrence(f"h[t] = {name}(w*h[t-1] + x[t]); E[t] = h[t]").unroll(2, sizes=1)
    data = u.instance(seed=2)
    derivation = u.derive("w")
    assert derivation.check(data).right
    assert name not in str(derivation.sympy(level="local"))


def test_a_name_with_two_definitions_is_said() -> None:
    (note,) = bg.recurrence("h[t] = x[t] + hard_sigmoid(A h[t-1])").notes
    assert "line 1: hard_sigmoid is clip(x/5 + 1/2, 0, 1)" in note and note.span.column == 14


def test_short_words_in_capitals_are_matrices_unless_a_bracket_follows() -> None:
    assert bg.recurrence(r"h_t = \tanh(CE h_{t-1} + x_{t})").parameters == ("C", "E")
    assert bg.recurrence(r"h_t = \tanh(W h_{t-1} + x_{t}) \\ L_t = CE(h_t, d_t)").losses == ("L",)


@pytest.mark.parametrize("name", ["layer_norm", "softmax", "log_softmax"])
def test_what_takes_one_vector_is_refused_for_a_matrix(name: str) -> None:
    """A lecture means its rows or its columns, and must say which."""
    rec = bg.recurrence(f"S[t] = tanh(W @ S[t-1]); E[t] = sum({name}(S[t]))")
    with pytest.raises(bg.BPTTError, match=rf"{name} takes a vector, not a matrix of shape \(2, 3\)"):
        u = rec.unroll(2, sizes={"S": (2, 3)})
        u.run(u.instance())
    assert rec.unroll(2, sizes={"S": 3})


def test_of_a_line_that_is_no_equation_little_is_shown() -> None:
    secret = "root:$6$" + "abcdefgh" * 20 + ":19000:0:99999:7:::"
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(secret)
    assert max(len(line) for line in str(caught.value).splitlines()) < 110 and "abcdefgh" * 8 not in str(caught.value)
