"""Functions of all entries of a matrix, in print: each is evaluated and its code run; sizes in code are asserted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bpttgraph as bg

TERMS = ("norm(W)", "norm(W.T)", "max(W)", "min(W)", "max(max(W, 0))", "dot(W, W)", "dot(W, V)", "squared_error(W, V)",
         "mean_squared_error(W, V)", "norm(outer(b, h[t]) V)", "norm(W)^2", "sum(abs(W))", "mean(W) * norm(V)",
         "binary_cross_entropy(sigmoid(W), V)", "exp(-norm(W V))")  # fmt: skip


def value_of(term: str, d: dict[str, Any], h: Any) -> Any:
    """The term in plain NumPy, of complex numbers too."""
    W, V, b = d["W"], d["V"], d["b"]

    def norm(x: Any) -> Any:
        return np.sqrt(np.sum(x**2))

    def extreme(x: Any, sign: int) -> Any:
        return x.reshape(-1)[np.argmax(sign * x.real)]

    squared, s = np.sum((W - V) ** 2), 1 / (1 + np.exp(-W))
    return {
        "norm(W)": norm(W),
        "norm(W.T)": norm(W),
        "max(W)": extreme(W, 1),
        "min(W)": extreme(W, -1),
        "max(max(W, 0))": extreme(W, 1),
        "dot(W, W)": np.sum(W * W),
        "dot(W, V)": np.sum(W * V),
        "squared_error(W, V)": squared / 2,
        "mean_squared_error(W, V)": squared / 9,
        "norm(outer(b, h[t]) V)": norm(np.outer(b, h) @ V),
        "norm(W)^2": np.sum(W**2),
        "sum(abs(W))": np.sum(np.where(W.real > 0, W, -W)),
        "mean(W) * norm(V)": np.mean(W) * norm(V),
        "binary_cross_entropy(sigmoid(W), V)": -np.sum(V * np.log(s) + (1 - V) * np.log(1 - s)),
        "exp(-norm(W V))": np.exp(-norm(W @ V)),
    }[term]


def loss_of(term: str, d: dict[str, Any], steps: int) -> Any:
    h, loss = d["h[0]"], 0
    for _ in range(steps):
        h = np.tanh(d["W"] @ h + d["b"])
        loss = loss + d["c"] @ h + 0.5 * value_of(term, d, h)
    return loss


@pytest.mark.parametrize("term", TERMS)
def test_in_print_and_in_numbers(term: str) -> None:
    rec = bg.recurrence(f"h[t] = tanh(W h[t-1] + b); E[t] = dot(c, h[t]) + 0.5 * {term}")
    u = rec.unroll(2, sizes={"h": 3, **({"V": (3, 3)} if "V" in term else {})})
    data = u.instance(seed=1)
    found = u.run(data).gradients["W"]
    for i, j in np.ndindex(3, 3):
        step = np.zeros((3, 3), complex)
        step[i, j] = 1e-30j
        moved = {k: np.asarray(v, complex) for k, v in data.items()}
        moved.setdefault("V", np.zeros((3, 3)))
        want = loss_of(term, {**moved, "W": data["W"] + step}, 2).imag / 1e-30
        assert abs(found[i, j] - want) <= 1e-13 * (1 + abs(want))
    report = u.derive("W").check(data)
    assert report.right and "printed NumPy code" in str(report.findings)


def test_sizes_in_code_are_asserted() -> None:
    """(1/2) 𝟏 is a mean over two entries: with three it would be a wrong number, and no error."""
    for text in ("h[t] = tanh(W @ h[t-1] + b); E[t] = mean(h[t])", "h[t] = W @ h[t-1]; E[t] = mean(h[t] * x[t])"):
        code = bg.recurrence(text).derive("W").code()
        names: dict[str, Any] = {}
        exec(code, names)
        rng = np.random.default_rng(0)
        with pytest.raises(AssertionError, match=r"W is \(2, 2\)"):
            arrays = {"h": rng.normal(size=(5, 3)), "x": rng.normal(size=(5, 3)), "b": np.zeros(3)}
            wanted = names["gradients"].__code__.co_varnames[: names["gradients"].__code__.co_argcount]
            names["gradients"](3, **{"W": np.eye(3), **{k: v for k, v in arrays.items() if k in wanted}})


def test_code_without_sizes_asserts_nothing() -> None:
    assert "assert" not in bg.recurrence("h[t] = tanh(W @ h[t-1] + b); E[t] = dot(c, h[t])").derive("W").code()
