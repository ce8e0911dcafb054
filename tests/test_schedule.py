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
