"""Formula answers over many steps: judged, and explained, with work that grows as the steps do."""

from __future__ import annotations

import pytest

import bpttgraph as bg
from bpttgraph.homework.answers.formulas import Formulas

REC = bg.recurrence("h[t] = tanh(W h[t-1] + U x[t])\ny[t] = V h[t] + c\nE[t] = squared_error(y[t], target[t])")
DELTA = "g[t] = y[t] - target[t]\nd[t] = (1 - h[t]^2) * (V.T g[t] + W.T d[t+1])\n"
WITHOUT_RECURSION = "g[t] = y[t] - target[t]\ndc = sum_t g[t]"


@pytest.mark.parametrize("answer", [WITHOUT_RECURSION, DELTA + "dW = sum_t outer(d[t], h[t-1])"])
def test_a_right_answer_over_3000_steps(answer: str) -> None:
    """T²/2 operations would be more than an answer may take."""
    assert bg.verify(REC.unroll(3000), answer).right


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (DELTA + "dW = sum_{t=2}^{T} outer(d[t], h[t-1])", "with the sum over all steps, without these bounds"),
        ("dW = sum_t outer((1 - h[t]^2) * (V.T (y[t] - target[t])), h[t-1])", "never carried to the step before"),
    ],
)
def test_a_wrong_answer_over_1000_steps_is_explained(answer: str, said: str) -> None:
    verdict = bg.verify(REC.unroll(1000), answer)
    assert not verdict.right and said in (verdict.parameters["W"].cause or "")


def test_an_evaluation_makes_as_many_nodes_a_step_however_many_steps() -> None:
    def nodes(steps: int) -> int:
        formulas = Formulas(REC.unroll(steps), WITHOUT_RECURSION)
        formulas.value("dc")
        return formulas._nodes

    assert nodes(400) <= 2.1 * nodes(200)
