"""A Python step function gives the same recurrence, and the same numbers, as its equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.check import check_gradients


def vanilla(h: Any, x: Any, *, W_h: Any, W_x: Any, b: Any) -> Any:
    return np.tanh(W_h @ h + W_x @ x + b)


def lstm(h: Any, c: Any, x: Any, *, Wi: Any, Ui: Any, Wf: Any, Uf: Any, Wo: Any, Uo: Any, Wg: Any, Ug: Any) -> Any:
    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    i = sigmoid(Wi @ x + Ui @ h)
    f = sigmoid(Wf @ x + Uf @ h)
    o = sigmoid(Wo @ x + Uo @ h)
    g = np.tanh(Wg @ x + Ug @ h)
    c = f * c + i * g
    h = o * np.tanh(c)
    return h, c


def test_the_vanilla_step_is_its_equation() -> None:
    traced = bg.recurrence(vanilla)
    written = bg.recurrence("h[t] = tanh(W_h @ h[t-1] + W_x @ x[t] + b)")
    assert traced.parameters == written.parameters and traced.states == ("h",) and traced.inputs == ("x",)
    u, v = traced.unroll(4), written.unroll(4)
    data = u.instance(seed=3, batch=2)
    a, b = u.run(data), v.run(data)
    assert a.loss == b.loss
    for name in a.gradients:
        np.testing.assert_array_equal(a.gradients[name], b.gradients[name])


def test_local_variables_become_variables() -> None:
    rec = bg.recurrence(lstm)
    assert set(rec.states) == {"h", "c"}
    assert [e.split("[")[0] for e in rec.equations] == ["o", "f", "i", "g", "c", "h"]
    u = rec.unroll(3)
    data = u.instance(1)
    run = u.run(data)
    h, c = data["h[0]"], data["c[0]"]
    for t in range(3):
        h, c = lstm(h, c, data["x"][t], **{k: data[k] for k in rec.parameters})
        np.testing.assert_allclose(run.values[f"h[{t + 1}]"], h, rtol=1e-14)
        np.testing.assert_allclose(run.values[f"c[{t + 1}]"], c, rtol=1e-14)
    assert check_gradients(u, ["Uf"], data).right


def test_outputs_after_the_states_and_dicts() -> None:
    def generator(h: Any, x: Any, *, W: Any, U: Any, V: Any) -> Any:
        h = np.maximum(W @ h + U @ x, 0)
        return h, V @ h

    def named(s: Any, u: Any, *, A: Any, B: Any, C: Any) -> Any:
        new = A @ s + B @ u
        return {"s": new, "out": C @ new}

    assert bg.recurrence(generator).outputs == ("y",)
    rec = bg.recurrence(named)
    assert rec.states == ("s",) and rec.inputs == ("u",) and rec.outputs == ("out",)


def test_what_is_used_twice_is_written_once() -> None:
    def doubling(h: Any, x: Any, *, W: Any) -> Any:
        for _ in range(30):  # inlined, this would be 2^30 terms
            h = h * h + x
        return W @ h

    rec = bg.recurrence(doubling)
    assert sum(len(e) for e in rec.equations) < 3000


@pytest.mark.parametrize(
    "expression",
    [
        lambda h, x, *, W: np.exp(np.sin(W @ h)) + np.cos(x) - np.sqrt(np.abs(x) + 1.0),
        lambda h, x, *, W: np.clip(W @ h, -0.5, 0.5) + x / 2 - np.minimum(h, x) * np.maximum(h, x),
        lambda h, x, *, W: (W.T @ h) ** 2 * 0.1 + np.outer(h, x) @ x - 1e-7 * x + np.square(h) * np.linalg.norm(x),
        lambda h, x, *, W: (
            -(2 - h.dot(x)) * x + np.diag(x) @ h + (+1.5) * h.sum() + x.mean() + 2.0 ** (h * 0.1) + W @ h
        ),
    ],
)
def test_numpy_calls_keep_their_values(expression: Any) -> None:
    rec = bg.recurrence(expression)
    u = rec.unroll(2, sizes={"h": 3, "x": 3})
    data = u.instance(4)
    run = u.run(data)
    h = data["h[0]"]
    for t in range(2):
        h = expression(h, data["x"][t], W=data["W"])
        np.testing.assert_allclose(run.values[f"h[{t + 1}]"], h, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "function, says",
    [
        (lambda h, x, *, W: np.sinh(W @ h + x), "np.sinh cannot be traced"),
        (lambda h, x, *, W: np.hypot(W @ h, x), "np.hypot cannot be traced"),
        (lambda h, x, *, W: W @ h + x[0], "indexing cannot be traced"),
        (lambda h, x, *, W: h if h else x, "an if on a traced value"),
        (lambda h, x, *, W: float(h) + x, "has no number"),
        (lambda h: h, "at least a state and an input"),
        (lambda h, c, x: h, "returns 1 value"),
        (lambda h, *x: h, "must name its arguments"),
        (lambda h, x, *, W: np.array([1.0, 2.0]) + h, "not ndarray"),
        (lambda h, x: float("nan") * h + x, "not finite"),
        (lambda h, x: {"y": h + x}, "does not return the new h"),
        (lambda h, x: np.cumsum(h) + x, "np.cumsum cannot be traced"),
        (lambda h, x, *, W: np.where(W @ h > 0, np.tanh(W @ h), x), "a comparison .* cannot be traced"),
        (lambda h, x: h if np.sum(h) > 0 else x, "a comparison .* cannot be traced"),
        (lambda h, x: max(h, 0) + x, "a comparison .* cannot be traced"),
        (lambda h, x: (h == 0) + x, "a comparison .* cannot be traced"),
        (lambda h, x: (h + x) // 1, "floor division .* cannot be traced"),
        (lambda h, x: 1 // (h + x), "floor division .* cannot be traced"),
        (lambda h, x: h % 2 + x, "a remainder .* cannot be traced"),
        (lambda h, x: divmod(h, x)[0], "a remainder .* cannot be traced"),
        (lambda h, x: h & x, "a bitwise or logical operation .* cannot be traced"),
        (lambda h, x: ~h + x, "a bitwise or logical operation .* cannot be traced"),
        (lambda h, x: round(h) + x, "rounding cannot be traced"),
        (lambda h, x, *, W: np.tanh((W * h).sum(axis=1) + x), "sum along an axis cannot be traced"),
        (lambda h, x, *, W: np.tanh(np.mean(W * h, axis=1) + x), "mean along an axis cannot be traced"),
        (lambda h, x: h.sum(0) + x, "sum along an axis cannot be traced"),
        (lambda h, x: h.reshape(-1) + x, r"\.reshape cannot be traced"),
        (lambda h, x: h / h.shape[0] + x, r"\.shape cannot be traced"),
        (lambda h, x: h / len(h) + x, r"len\(\) cannot be traced"),
        (lambda h, x: [a + b for a, b in zip(h, x)], "a loop over the entries .* cannot be traced"),
        (lambda h, x: pow(h, 2, 3) + x, "pow with three arguments cannot be traced"),
        (lambda h, x: h + int(x), "an index or a count cannot be traced"),
        (lambda h, x: h(x), "a call of a value cannot be traced"),
    ],
)
def test_what_cannot_be_traced_is_explained(function: Any, says: str) -> None:
    with pytest.raises(bg.BPTTError, match=says) as caught:
        bg.recurrence(function)
    assert "hint:" in str(caught.value)


def test_methods_are_the_functions_of_their_names() -> None:
    def functions(h: Any, x: Any, *, W: Any) -> Any:
        return np.clip(W.T @ h, 0, 1) + np.abs(x) + np.sum(x)

    def methods(h: Any, x: Any, *, W: Any) -> Any:
        return (W.transpose() @ h).clip(0, 1) + abs(x) + x.sum(axis=None)

    assert bg.recurrence(methods).equations == bg.recurrence(functions).equations


def test_what_the_hint_on_a_comparison_says_works() -> None:
    u = bg.recurrence("h[t] = where(W h[t-1] > 0, tanh(W h[t-1]), x[t])").unroll(1, sizes={"h": 3})
    data = u.instance(2)
    inside = data["W"] @ data["h[0]"]
    expected = np.where(inside > 0, np.tanh(inside), data["x"][0])
    np.testing.assert_allclose(u.run(data).values["h[1]"], expected, rtol=1e-14)


def test_a_negative_number_stays_in_one_piece() -> None:
    """(−½)^h is no −(½^h), and a − (−b) no a − −b."""
    u = bg.recurrence(lambda h, x: (-0.5) ** h - (-2.0) * x).unroll(1, sizes=1)
    assert u.run({"h[0]": np.array(2.0), "x": np.array([0.3])}).values["h[1]"] == pytest.approx(0.25 + 0.6)


def test_tracing_leaves_no_profiler_behind() -> None:
    import sys

    before = sys.getprofile()
    with pytest.raises(bg.BPTTError):
        bg.recurrence(lambda h, x: np.sinh(h + x))
    assert sys.getprofile() is before


def test_a_function_of_numpy_with_a_word_is_that_word() -> None:
    """np.arctan, np.abs, np.sign: each by the word of its entry."""
    rec = bg.recurrence(lambda h, x, *, w: np.arctan(w * h) + np.abs(x) * np.sign(h))
    assert rec.equations == ("h[t] = arctan((w ∘ h[t-1])) + (abs(x[t]) ∘ sign(h[t-1]))",)
