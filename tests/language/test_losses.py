"""Every way of writing a loss gives the loss that was meant, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg

from .losses import cases

SIZES = {"x": 2, "h": 3, "ŷ": 4, "y": 4}


@pytest.mark.parametrize(("text", "means"), [*cases()])
def test_a_loss_is_the_one_that_was_meant(text: str, means: str) -> None:
    wanted = bg.recurrence(means).unroll(3, sizes=SIZES | ({"m": ()} if "m[t]" in means else {}))
    data = dict(wanted.instance(seed=2))
    read = bg.recurrence(text).unroll(3, sizes=SIZES)
    assert {*read.instance(seed=0)} == {*data}
    one, other = read.run(data), wanted.run(data)
    assert np.isclose(one.loss, other.loss, rtol=1e-12)
    for name in ("W", "U", "V", "c"):
        np.testing.assert_allclose(one.gradients[name], other.gradients[name], rtol=1e-9, atol=1e-13)
