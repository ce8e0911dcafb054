"""The schedule over time: the same numbers as the plain evaluation of the unrolled graph, for every cell and for random recurrences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_numbers import STATES, recurrences
from truth import CELLS, EPS, bound

import bpttgraph as bg


def assert_same(u: bg.Unrolled, data: dict[str, Any], slack: float = 256) -> bg.Run:
    """Loss, gradients and kept values equal the plain interpreter's, within rounding of the sum of the absolute contributions."""
    assert u.schedule.applies, u.schedule.reason
    quick, plain = u.run(data), u.run(data, schedule=False)
    eps = EPS if plain.loss.dtype == float else float(np.finfo(plain.loss.dtype).eps)
    assert quick.loss.dtype == plain.loss.dtype
    heads = [np.abs(plain.values[h.name]).sum() for h in u.heads]
    assert abs(quick.loss - plain.loss) <= eps * slack * (1 + sum(heads))
    assert list(quick.gradients) == list(plain.gradients)
    for name, gradient in plain.gradients.items():
        found = quick.gradients[name]
        size = eps * slack * (plain.absolute_contributions(name).sum() + np.abs(gradient).max(initial=0) + 0.1)
        assert found.shape == gradient.shape and found.dtype == gradient.dtype
        assert np.all(np.abs(found - gradient) <= size), (name, np.abs(found - gradient).max(), size)
    for name, value in plain.values.items():
        assert quick.values[name].shape == value.shape
        np.testing.assert_allclose(quick.values[name], value, rtol=eps * slack * 8, atol=eps * slack, err_msg=name)
    return quick


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("loss", ["every", "last", [1, 3], [2]])
def test_every_cell(name: str, loss: Any) -> None:
    for steps in (1, 2, 3, 6) if loss in ("every", "last") else (3, 4):
        for batch in (None, 1, 2):
            u = bound(name).unroll(steps, loss=loss, reduce="mean" if steps == 2 else "sum")
            assert_same(u, u.instance(steps, batch))


@given(
    text=recurrences(),
    steps=st.integers(1, 5),
    size=st.integers(1, 3),
    batch=st.sampled_from([None, 1, 2]),
    seed=st.integers(0, 99),
    last=st.booleans(),
)
@settings(deadline=None)
def test_random_recurrences(text: str, steps: int, size: int, batch: int | None, seed: int, last: bool) -> None:
    rec = bg.recurrence(text)
    if not rec.parameters and not rec.states:
        return
    sizes = dict.fromkeys([n for n in (*rec.states, *rec.inputs, "p") if n in (*STATES, "x", "z")], size)
    u = rec.unroll(steps, sizes=sizes, loss="last" if last else "every")
    if u.schedule.applies:
        assert_same(u, u.instance(seed, batch), slack=4096)


@pytest.mark.parametrize(
    "name", ["rnn", "lstm", "gru", "deep-rnn:2", "lstm-peephole", "jordan:leaky", "elman:generator"]
)
@pytest.mark.parametrize("steps", [1, 2, 7, 23])
def test_checkpoints_give_the_same_gradient(name: str, steps: int) -> None:
    u = bound(name).unroll(steps, reduce="mean" if steps == 7 else "sum")
    for batch in (None, 2):
        data = u.instance(2, batch)
        whole, pieces = u.run(data), u.run(data, memory="sqrt")
        assert pieces.loss == pytest.approx(whole.loss, rel=1e-13)
        for key, gradient in whole.gradients.items():
            np.testing.assert_allclose(pieces.gradients[key], gradient, rtol=1e-11, atol=1e-13, err_msg=key)


def test_checkpoints_with_delays_and_fixed_starts() -> None:
    for text in ("h[0] = 0; h[t] = tanh(W h[t-1] + U x[t])", "h[t] = tanh(W h[t-1] + V h[t-2] + U x[t] + Q x[t-1])"):
        u = bg.recurrence(text).unroll(17)
        data = u.instance(1)
        whole, pieces = u.run(data), u.run(data, memory="sqrt")
        for key, gradient in whole.gradients.items():
            np.testing.assert_allclose(pieces.gradients[key], gradient, rtol=1e-11, atol=1e-13, err_msg=key)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru-reset-after"])
def test_a_stream_in_pieces_is_chunked_bptt(name: str) -> None:
    whole = bound(name).unroll(12, truncate="chunk:4")
    piece = bound(name).unroll(4)
    for batch in (None, 3):
        data = whole.instance(5, batch)
        run = whole.run(data, schedule=False)
        step, loss = piece.stepper(), 0.0
        total = {k: np.zeros_like(run.gradients[k]) for k in whole.parameters}
        state = {k: v for k, v in data.items() if "[" in k}
        for start in (0, 4, 8):
            part = {k: v if k in whole.parameters else v[start : start + 4] for k, v in data.items() if "[" not in k}
            found, gradients, state = step({**part, **state})
            loss += found
            for key in total:
                total[key] += gradients[key]
        assert loss == pytest.approx(run.loss, rel=1e-13)
        for key, gradient in total.items():
            np.testing.assert_allclose(gradient, run.gradients[key], rtol=1e-11, atol=1e-13, err_msg=key)


def test_a_run_keeps_its_numbers() -> None:
    """Neither changed data nor later runs change what a run says, also where it evaluates the unrolled graph later."""
    u = bg.cell("rnn").unroll(4)
    data = u.instance(1)
    before = u.run(data)
    plain = u.run({k: v.copy() for k, v in data.items()}, schedule=False)
    data["W_hh"] *= 2
    data["target"][:] = 0
    others = [u.run(u.instance(s)) for s in range(6)]
    for name in ("W_hh", "h[0]"):
        np.testing.assert_allclose(before.contributions(name), plain.contributions(name), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(before.gradients[name], plain.gradients[name], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(before.values["h[2]"], plain.values["h[2]"], rtol=1e-14)
    for seed, run in enumerate(others):
        assert run.loss == u.run(u.instance(seed)).loss
        np.testing.assert_array_equal(run.gradients["W_hy"], u.run(u.instance(seed)).gradients["W_hy"])
