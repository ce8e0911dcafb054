"""Step functions with a surrogate derivative: the gradient of NumPy written by hand, and what checks it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import bpttgraph as bg

TEXT = "u[t] = β*u[t-1] + W x[t] - s[t-1]; s[t] = S(u[t] - 1); E[t] = dot(v, s[t])"
SLOPES = {
    "sigmoid": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "sigmoid(4 x)": lambda z: 4 * np.exp(-4 * z) / (1 + np.exp(-4 * z)) ** 2,
    "fast_sigmoid": lambda z: 1 / (1 + np.abs(z)) ** 2,
    "atan(2*x)": lambda z: 2 / (1 + 4 * z * z),
    "straight_through": np.ones_like,
}


def by_hand(slope, data):  # type: ignore[no-untyped-def]
    """dE/dW backwards through the steps, with the slope in the place of the derivative of the step."""
    u, s, us = data["u[0]"], data["s[0]"], []
    for x in data["x"]:
        u = data["β"] * u + data["W"] @ x - s
        s = (u > 1) * 1.0
        us.append(u)
    grad, later = np.zeros_like(data["W"]), np.zeros_like(u)
    for u, x in zip(reversed(us), data["x"][::-1]):
        # s_t is read by the loss and, with a minus, by u_{t+1}
        later = data["β"] * later + slope(u - 1) * (data["v"] - later)
        grad += np.outer(later, x)
    return grad


@pytest.mark.parametrize("smooth", SLOPES)
def test_the_gradient_is_that_of_the_surrogate(smooth: str) -> None:
    rec = pickle.loads(pickle.dumps(bg.recurrence(TEXT, let={"S": f"step, surrogate={smooth}"})))
    u = rec.unroll(4, sizes={"u": 3, "x": 2, "β": ()})
    data = u.instance(seed=3)
    true = by_hand(SLOPES[smooth], data)
    np.testing.assert_allclose(u.run(data).gradients["W"], true, rtol=1e-12, atol=1e-14)
    assert set(np.unique(u.run(data).values["s[2]"])) <= {0.0, 1.0}
    report = u.derive("W").check(data)
    assert report.right and "undecidable" in str(report)
    assert bg.verify(u, {"dW": true}, data).right
    assert not bg.verify(u, {"dW": true * 1.001}, data).right


def test_a_letter_that_let_names_is_a_function_wherever_it_stands() -> None:
    assert bg.recurrence("s[t] = C(s[t-1] + x[t])", let={"C": "tanh"}).parameters == ()
    assert bg.recurrence("s[t] = C(s[t-1] + x[t])").parameters == ("C",)


@pytest.mark.parametrize("smooth", ["relu6", "softmax", "clip", "sigmoid(x + 1)", "sigmoyd"])
def test_what_is_no_surrogate_is_refused(smooth: str) -> None:
    with pytest.raises(bg.BPTTError):
        bg.recurrence(TEXT, let={"S": f"step, surrogate={smooth}"})
