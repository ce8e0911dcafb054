"""What could be taken for something else: layouts, a loss that is scaled, names that could be gradients, vectors for
matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bpttgraph as bg

TEXT = "h[t] = tanh(W h[t-1] + U x[t] + b); y[t] = V h[t]; E[t] = squared_error(y[t], target[t])"
LINES = """dh[t] = V.T @ (y[t] - target[t]) + W.T @ da[t+1]
da[t] = (1 - h[t]^2) * dh[t]
db = sum_t da[t]
"""


def by_hand(d: dict[str, Any], loss_times: float = 1.0, weight: float = 0.0) -> dict[str, Any]:
    """A program of its own: the loss it returns may be another than its gradients are of."""
    T, h, y, loss = len(d["x"]), [d["h[0]"]], [], 0.0
    for t in range(T):
        h.append(np.tanh(d["W"] @ h[-1] + d["U"] @ d["x"][t] + d["b"]))
        y.append(d["V"] @ h[-1])
        loss += 0.5 * np.sum((y[-1] - d["target"][t]) ** 2)
    g = {n: np.zeros_like(d[n]) for n in ("W", "U", "b", "V")}
    later = np.zeros_like(h[0])
    for t in reversed(range(T)):
        dy = y[t] - d["target"][t]
        da = (1 - h[t + 1] ** 2) * (d["V"].T @ dy + later)
        g["W"] += np.outer(da, h[t])
        g["U"] += np.outer(da, d["x"][t])
        g["b"] += da
        g["V"] += np.outer(dy, h[t + 1])
        later = d["W"].T @ da
    return {"loss": loss_times * loss + weight * np.sum(d["W"] ** 2), **{f"d{n}": v for n, v in g.items()}}


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
@pytest.mark.parametrize("order, words", [("C", "row by row"), ("F", "column by column")])
def test_a_flattened_matrix_is_a_convention(cell: str, order: Any, words: str) -> None:
    u = bg.cell(cell).unroll(3)
    data = u.instance(seed=2)
    for name, value in u.run(data).gradients.items():
        if name in u.parameters and value.ndim == 2:
            found = bg.verify(u, {name: value.ravel(order)}, data).parameters[name]
            assert found.status == "convention" and words in found.convention
    name = "W_hh" if cell == "rnn" else "U_f"
    wrong = u.run(data).gradients[name].ravel(order)
    wrong[1] += 1e-6
    assert bg.verify(u, {name: wrong}, data).parameters[name].status == "wrong"


@pytest.mark.parametrize("times, weight", [(1.01, 0.0), (1.1, 0.0), (1.0, 0.05)])
def test_another_loss_does_not_make_gradients_quotients(times: float, weight: float) -> None:
    """∂E/∂W of the equations is no difference quotient, whatever loss stands beside it."""
    u = bg.recurrence(TEXT).unroll(4)
    data = u.instance(seed=0)

    def answer(**given: Any) -> dict[str, Any]:
        return by_hand({k if k != "h0" else "h[0]": v for k, v in given.items()}, times, weight)

    verdict = bg.verify(u, answer, data)
    assert verdict.parameters["W"].status == "wrong" and "differences with a step" not in str(verdict)
    assert "another" in str(verdict) or "agrees to" in str(verdict)
    assert bg.verify(u, lambda **d: by_hand({k if k != "h0" else "h[0]": v for k, v in d.items()}), data).right


@pytest.mark.parametrize("name", ["gW", "g_W", "D_W", "delta_W", "W_dot", "gW[t]", "gb[t]"])
def test_what_could_be_a_gradient_and_is_not_read_is_refused(name: str) -> None:
    u = bg.recurrence(TEXT).unroll(3)
    right = "3*da[t]" if name.endswith("[t]") else "7*sum_t outer(da[t], h[t-1])"
    with pytest.raises(bg.BPTTError, match="could be meant as the gradient by"):
        bg.verify(u, f"{LINES}{name} = {right}", u.instance())


@pytest.mark.parametrize("name", ["gradW", "nabla_W", "gradient_W", "dE/dW", "W.grad"])
def test_spellings_of_a_gradient_are_judged(name: str) -> None:
    u = bg.recurrence(TEXT).unroll(3)
    for factor, status in (("", "right"), ("7*", "wrong")):
        verdict = bg.verify(u, f"{LINES}{name} = {factor}sum_t outer(da[t], h[t-1])", u.instance())
        assert verdict.parameters["W"].status == status


def test_a_helper_that_nothing_reads_is_a_note() -> None:
    u = bg.recurrence(TEXT).unroll(3)
    verdict = bg.verify(u, f"{LINES}sub[t] = 2*da[t]", u.instance())
    assert verdict.right and any("no gradient reads sub" in n for n in verdict.notes)


def test_a_vector_where_a_matrix_belongs() -> None:
    u = bg.recurrence(TEXT).unroll(3)
    with pytest.raises(bg.BPTTError, match=r"has shape \(4,\), but W has shape \(4, 4\)(.|\n)*outer"):
        bg.verify(u, f"{LINES}dW = sum_t da[t] * h[t-1]", u.instance())
