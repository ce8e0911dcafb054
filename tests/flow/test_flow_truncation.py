"""Truncation compared: bias, cost, memory; randomised truncation without bias; real-time recurrent learning;
clipping."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import bpttgraph as bg
from bpttgraph.flow.clipping import cliff, clip
from bpttgraph.flow.truncate import compare, randomised, rtrl, variance

NUMBERED = [name for name in bg.cells() if not bg.cell(name).abstract]


@pytest.mark.parametrize("name", NUMBERED)
def test_forward_mode_equals_backward_mode(name: str) -> None:
    u = bg.cell(name).unroll(3)
    data = u.instance(seed=1)
    gradients = u.run(data).gradients
    for parameter in u.parameters:
        want = gradients[parameter]
        np.testing.assert_allclose(
            rtrl(u, data, parameter), want, rtol=1e-11, atol=1e-13 * np.max(np.abs(want), initial=1.0)
        )


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "seq2seq", "bidirectional"])
def test_the_table(name: str) -> None:
    u = bg.cell(name).unroll(8)
    table = compare(u, u.instance(seed=2))
    rows = {c.rule: c for c in table.choices}
    assert rows["full"].cosine == 1.0 and rows["rtrl"].cosine == pytest.approx(1.0, abs=1e-12)
    assert ("carousel" in rows) == (name in ("lstm", "gru"))  # their state is carried linearly into itself
    biased = [c for c in table.choices if c.rule not in ("full", "rtrl") and not c.rule.startswith("randomised")]
    assert all(c.cosine < 1 - 1e-12 for c in biased)
    assert all(c.memory <= rows["full"].memory for c in biased)
    one, full = next(c for c in biased if c.rule == "one-step"), rows["full"]
    assert one.memory * u.columns == full.memory
    found = json.loads(table.to_json())
    assert [row["rule"] for row in found["choices"]] == [*rows]
    assert all(rule in str(table) for rule in rows)


def test_a_window_as_long_as_the_sequence_loses_nothing() -> None:
    u = bg.cell("rnn").unroll(6)
    last = compare(u, rules=["sliding:6", "sliding:5"], wrt=["W_hh"]).choices
    assert last[1].cosine == pytest.approx(1.0, abs=1e-13) and last[2].cosine < 1 - 1e-9
    assert [c.backward_steps for c in last] == [6, 21, 20]


def test_what_passes_a_random_border_is_said_with_its_factor() -> None:
    table = compare(bg.cell("rnn").unroll(4), rules=["randomised:0.2", "randomised:0.75"])
    assert [c.text.rpartition(" ")[2] for c in table.choices[1:]] == ["1.25", "4"]


def test_randomised_truncation_has_no_bias() -> None:
    """The mean of all outcomes, each with its probability, is the full gradient; so is their variance the one
    computed."""
    u = bg.cell("rnn").unroll(4)
    data = u.instance(seed=0)
    triangle, full = u.run(data).contributions("W_hh"), u.run(data).gradients["W_hh"]
    c = 0.3

    class Fixed:
        """A generator whose draws are all 2³ outcomes."""

        def random(self, shape: tuple[int, int]) -> np.ndarray:
            return np.array([[float(i >> j & 1) for j in range(3)] for i in range(8)])

    draws = randomised(u, data, "W_hh", c, Fixed(), draws=8)  # type: ignore[arg-type]
    chance = np.array([np.prod([(1 - c) if i >> j & 1 else c for j in range(3)]) for i in range(8)])
    np.testing.assert_allclose(np.tensordot(chance, draws, 1), full, rtol=1e-12)
    spread = np.tensordot(chance, (draws - full) ** 2, 1).sum()
    assert variance(u, data, "W_hh", c) == pytest.approx(spread, rel=1e-10)
    assert variance(u, data, "W_hh", 0.0) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(
        draws[7], np.sum([triangle[t, k] * 0.7 ** (k - t) for t in range(4) for k in range(t + 1)], axis=0)
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["value", "norm", "global"]), st.floats(1e-3, 1e3))
def test_clipping(seed: int, how: str, limit: float) -> None:
    rng = np.random.default_rng(seed)
    gradients = {"W": rng.normal(size=(3, 2)) * 10 ** rng.uniform(-3, 3), "b": rng.normal(size=3)}
    c = clip(gradients, how, limit)
    size = np.sqrt(sum(np.sum(g**2) for g in gradients.values()))
    assert c.before == pytest.approx(size) and c.after <= c.before * (1 + 1e-12)
    if how == "value":
        assert all(np.max(np.abs(g)) <= limit for g in c.gradients.values())
    elif how == "norm":
        for name, g in c.gradients.items():
            assert np.linalg.norm(g) == pytest.approx(min(np.linalg.norm(gradients[name]), limit))
    else:
        assert c.after == pytest.approx(min(size, limit)) and c.cosine == 1.0
    a, b = (np.concatenate([np.ravel(d[n]) for n in gradients]) for d in (gradients, c.gradients))
    assert c.cosine == pytest.approx(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), abs=1e-12)
    assert (c.share == 0) == (
        max(np.max(np.abs(g)) for g in gradients.values()) <= limit if how == "value" else c.after >= c.before
    )


def test_clipping_survives_squares_that_overflow() -> None:
    c = clip({"W": np.array([1e200, 1e200])}, "global", 1.0)
    np.testing.assert_allclose(c.gradients["W"], [0.5**0.5] * 2)
    assert "turned by 0.0°" in str(c)


def test_the_cliff_of_one_unit() -> None:
    """A unit h = σ(w h + b) over 50 steps: the loss jumps where the slope is largest, and the slope is that of the
    loss."""
    rec = bg.recurrence("h[t] = sigmoid(w * h[t-1] + b)\nE[t] = squared_error(h[t], target[t])")
    u = rec.unroll(50, loss="last", sizes=1)
    data = {"w": 0.0, "b": -3.0, "h[0]": 0.5, "target": np.full(50, 0.7)}
    values = np.linspace(3.0, 7.0, 161)
    losses, slopes = cliff(u, data, "w", values)
    numeric = np.gradient(losses, values)
    steep = int(np.argmax(np.abs(slopes)))
    assert np.max(np.abs(slopes)) > 30 * np.median(np.abs(slopes))
    smooth = np.abs(np.arange(161) - steep) > 6
    np.testing.assert_allclose(slopes[smooth][1:-1], numeric[smooth][1:-1], atol=2e-2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: compare(bg.cell("rnn").unroll(4, truncate="sliding:2")), "already"),
        (lambda: compare(bg.cell("rnn").unroll(4), rules=["slide:2"]), "slide:2"),
        (lambda: compare(bg.cell("rnn").unroll(4), rules=["randomised:1"]), "randomised:1"),
        (lambda: compare(bg.cell("rnn").unroll(4), wrt=["V"]), "no parameter V"),
        (lambda: clip({"W": np.ones(2)}, "length", 1.0), "length"),
        (lambda: clip({"W": np.ones(2)}, "norm", -1.0), "-1.0"),
        (lambda: clip({"W": np.array([np.nan])}, "norm", 1.0), "not finite"),
    ],
)
def test_errors(make: object, words: str) -> None:
    with pytest.raises(bg.BPTTError) as error:
        make()  # type: ignore[operator]
    assert words in str(error.value)
