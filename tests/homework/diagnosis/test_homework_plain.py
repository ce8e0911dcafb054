"""Plain causes come first, and a cause must explain more numbers than it has free constants."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.homework.answers.files import Numbers
from bpttgraph.homework.courses.audit import audit
from bpttgraph.homework.diagnosis.kill import rounded
from bpttgraph.homework.diagnosis.residual import structure
from bpttgraph.homework.diagnosis.triangle import fit
from bpttgraph.homework.verdict import judge


@pytest.fixture(scope="module")
def rnn():
    u = bg.cell("rnn").unroll(5)
    data = u.instance(3)
    return u, data, {n: u.run(data).gradients[n] for n in u.parameters}


def causes(u, answer, data):
    return {n: p.because for n, p in bg.verify(u, answer, data).parameters.items() if p.status == "wrong"}


def noise(a, seed=0):
    return a * (1 + np.random.default_rng(seed).normal(size=np.shape(a)))


# -- array by array ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["W_hh", "W_xh", "b_h", "W_hy", "b_y"])
def test_zeros_beside_what_nothing_explains_are_left_at_zero(rnn, name):
    """A structural cause that makes this array zero would have done something to its neighbours."""
    u, data, g = rnn
    answer = {n: noise(v, i) for i, (n, v) in enumerate(g.items())} | {name: 0 * g[name]}
    found = causes(u, answer, data)
    assert found[name].text == f"∂E/∂{name} is exactly what you get if ∂E/∂{name} is left at zero."
    assert all(c.certainty == "unexplained" for n, c in found.items() if n != name)


def test_zeros_that_a_mistake_leaves_elsewhere_too(rnn):
    """No carry leaves ∂E/∂h[0] at zero; the same mistake explains the other arrays, and is said of all."""
    _, data, _ = rnn
    cut = bg.cell("rnn").unroll(5, loss="last", truncate="one-step").run(data).gradients
    full = bg.cell("rnn").unroll(5, loss="last")
    answer = {n: cut[n] for n in ("W_hh", "W_xh", "b_h", "h[0]")}
    found = causes(full, answer, data)
    assert not answer["h[0]"].any() and all("left at zero" not in c.text for n, c in found.items() if n != "h[0]")
    assert "left at zero" not in found["h[0]"].text, found["h[0]"].text


def test_an_array_of_another_parameter_comes_before_structure():
    u = bg.cell("gru").unroll(4)
    data = u.instance(1)
    g = u.run(data).gradients
    answer = {n: noise(g[n], i) for i, n in enumerate(u.parameters)} | {"U_z": g["U_r"]}
    found = causes(u, answer, data)
    assert found["U_z"].text == "∂E/∂U_z is exactly what you get if the gradient of U_r is handed in as that of U_z."
    twice = noise(g["b_r"])
    found = causes(u, {"b_z": twice, "b_r": twice, "U_r": g["U_r"]}, data)
    assert found["b_z"].text == "∂E/∂b_z is the same array as ∂E/∂b_r, though the two gradients differ."


@pytest.mark.parametrize("by", [1.88123, -0.37, 7.0])
def test_one_factor_for_all_is_one_constant(rnn, by):
    u, data, g = rnn
    found = causes(u, {n: by * v for n, v in g.items()}, data)
    assert {c.text.partition(" is ")[2] for c in found.values()} == {
        f"exactly what you get if every gradient is multiplied by {by:g}."
    }
    verdict = bg.verify(u, {n: by * v for n, v in g.items()}, data)
    assert str(verdict).count("The same cause as for dW_hh") == 4
    two = causes(u, {**g, "b_h": by * g["b_h"], "b_y": by * g["b_y"]}, data)
    assert set(two) == {"b_h", "b_y"} and all(
        "the gradients of b_h and b_y are multiplied" in c.text for c in two.values()
    )


def test_different_factors_are_different_causes(rnn):
    u, data, g = rnn
    verdict = bg.verify(u, {n: (1.3 + i) * v for i, (n, v) in enumerate(g.items())}, data)
    for i, (n, p) in enumerate(verdict.parameters.items()):
        assert p.cause == f"∂E/∂{n} is exactly what you get if the gradient is multiplied by {1.3 + i:g}."
    assert "same cause" not in str(verdict)


def test_known_factors_keep_their_names(rnn):
    u, data, g = rnn
    assert "doubled" in causes(u, {n: 2 * v for n, v in g.items()}, data)["W_hh"].text
    assert "mean over the 5 loss steps" in causes(u, {**g, "b_h": g["b_h"] / 5}, data)["b_h"].text


# -- constants and numbers ---------------------------------------------------------------------------------------------


def test_a_number_is_no_evidence_for_a_factor():
    u = bg.recurrence("s[t] = tanh(w s[t-1] + v x[t] + b)\nE[t] = squared_error(s[t], q[t])").unroll(5, sizes=1)
    for seed in range(3):
        data = u.instance(seed)
        g = {n: u.run(data).gradients[n] for n in "wvb"}
        one = causes(u, {**g, "w": 1.234567 * g["w"]}, data)
        assert one["w"].certainty == "unexplained"
        ratios = causes(u, {n: c * g[n] for n, c in zip("wvb", (6.53, 3.05, -1.37))}, data)
        assert all(c.certainty == "unexplained" for c in ratios.values())
        common = causes(u, {n: 6.53 * g[n] for n in "wvb"}, data)  # three numbers, one constant
        assert all("every gradient is multiplied by 6.53" in c.text for c in common.values())


def test_clipping_needs_two_entries_on_the_threshold_or_a_round_one(rnn):
    u, data, g = rnn
    sizes = np.sort(np.abs(g["W_hh"]).ravel())
    several = (sizes[-4] + sizes[-5]) / 2
    assert "clipped at ±" in causes(u, {"W_hh": np.clip(g["W_hh"], -several, several)}, data)["W_hh"].text
    between = sizes[-1] * 0.37 + sizes[-2] * 0.63
    lone = causes(u, {"W_hh": np.clip(g["W_hh"], -between, between)}, data)["W_hh"]
    assert lone.certainty == "unexplained" and "only the entry" in lone.text
    shared = min(np.abs(v).max() for v in g.values()) * 0.9
    found = causes(u, {n: np.clip(v, -shared, shared) for n, v in g.items()}, data)
    assert all("all entries are clipped" in c.text for c in found.values()), found


def test_a_round_threshold_is_no_free_constant():
    u = bg.recurrence("h[t] = W h[t-1] + x[t]\nE[t] = squared_error(h[t], q[t])").unroll(3, sizes={"h": 2})
    for seed in range(40):
        data = u.instance(seed)
        g = u.run(data).gradients["W"]
        if np.sum(np.abs(g) > 1.0) == 1:
            cause = causes(u, {"W": np.clip(g, -1.0, 1.0)}, data)["W"]
            assert "clipped at ±1" in cause.text
            break
    else:
        pytest.fail("no instance with one large entry")


def test_as_many_coefficients_as_numbers_tell_nothing():
    rng = np.random.default_rng(0)
    triangle = np.zeros((2, 2, 3))
    triangle[0, 0], triangle[1, 0], triangle[1, 1] = rng.normal(size=(3, 3))
    assert fit(triangle, rng.normal(size=3), np.full(3, 1e-12)) is None
    assert fit(
        np.concatenate([triangle, triangle + 1], axis=2)[:, :, :5] * np.tri(2)[..., None],
        rng.normal(size=5),
        np.full(5, 1e-12),
    )


def test_words_about_some_numbers_of_an_array():
    true = np.arange(12.0).reshape(3, 4)
    known = np.zeros((3, 4), bool)
    known[1] = True
    given = np.where(known, true, 0.0)
    tolerance = np.where(known, 1e-9, np.inf)
    given[1, :3] += 1
    assert structure(given, true, tolerance, known=known) == ["3 of the 4 numbers given are wrong"]
    given[1, 1:3] -= 1
    assert structure(given, true, tolerance, known=known) == ["of the 4 numbers given, only the entry [1, 0] is wrong"]


KEY = """
steps: 3
[equations]
h[t] = tanh(W @ h[t-1] + U @ x[t])
E[t] = squared_error(h[t], y[t])
[instance]
seed: 7
x = randn(3, 2)
y = randn(3, 4)
h[0] = randn(4)
W = randn(4, 4)
U = randn(4, 2)
[key]
"""


def test_a_key_with_one_number_for_a_parameter_proves_nothing(tmp_path):
    key = tmp_path / "key.txt"
    rng = np.random.default_rng(5)
    for _ in range(5):
        numbers = rng.normal(size=4)
        key.write_text(
            KEY + "dW[1][2] = {:.10f}\ndU[0][1] = {:.9f}\ndW[0][0] = {:.8f}\ndh0[1] = {:.7f}\n".format(*numbers)
        )
        found = audit(key)
        assert not found.right and all(
            p.because.certainty == "unexplained" for p in found.verdict.parameters.values()
        ), str(found)
        told = " ".join(str(found).split())
        assert (
            "same cause" not in told and "the number given is wrong" in told and "all 2 numbers given are wrong" in told
        )


def test_a_key_with_one_factor_for_all(tmp_path):
    """Four numbers that share one constant: that is said; if one of them does not, nothing is."""
    right = tmp_path / "right.txt"
    right.write_text(KEY + "dW[1][2] = 0\ndU[0][1] = 0\n")
    true = {line.key: float(line.true) for line in audit(right).lines}
    key = tmp_path / "key.txt"
    key.write_text(KEY + "".join(f"{k} = {1.88123 * v:.10f}\n" for k, v in true.items()))
    body = json.loads(CliRunner().invoke(main, ["audit", str(key), "--json"]).stdout)["verdict"]["parameters"]
    assert all("multiplied by 1.88123" in p["cause"] for p in body.values())
    assert "∂E/∂U: the same cause as for ∂E/∂W." in str(audit(key))
    key.write_text(KEY + "".join(f"{k} = {(1.88123 + i) * v:.10f}\n" for i, (k, v) in enumerate(true.items())))
    assert all(p.cause is None for p in audit(key).verdict.parameters.values())


def test_a_number_with_few_digits_is_no_convention(monkeypatch):
    """Among hundreds of layouts, orders and factors, one fits two digits by chance."""
    monkeypatch.setattr(judge, "_causes", lambda *_: {})
    u = bg.cell("lstm-fused").unroll(5)
    data = u.instance(0, batch=3)
    true = u.run(data).gradients["W"]
    rng = np.random.default_rng(0)
    for digits in (2, 3):
        for _ in range(25):
            index = tuple(int(rng.integers(0, n)) for n in true.shape)
            value, half = np.zeros(true.shape), np.full(true.shape, np.inf)
            value[index], half[index] = rounded(true[index] * rng.normal() * 1.5, digits)
            assert not bg.verify(u, {"W": Numbers(value, half)}, data).parameters["W"].convention
    many = Numbers(*rounded(-true, 2))  # the same two digits of many numbers are evidence
    assert "opposite sign" in bg.verify(u, {"W": many}, data).parameters["W"].convention
