"""Equations that no Jacobian matrix describes: their adjoints are formulas all the same, and the numbers are the
complex step's."""

from typing import Any

import numpy as np
import pytest
from truth import complex_step

import bpttgraph as bg

SYSTEMS: list[tuple[str, Any]] = [
    ("h[t] = diag(d) @ h[t-1] + U x[t]; E[t] = squared_error(h[t], target[t])", None),
    (
        "h[t] = tanh(V h[t-1] + U x[t]); y[t] = (V U) h[t]; E[t] = squared_error(y[t], target[t])",
        {"h": 3, "x": 3, "y": 3},
    ),
    ("h[t] = tanh((V @ U) * h[t-1]); E[t] = dot(b, h[t] @ c)", {"h": (2, 2), "V": (2, 3)}),
    ("H[t] = tanh(A @ H[t-1] + outer(x[t], u)); y[t] = H[t] @ u; E[t] = squared_error(y[t], target[t])", {"H": (2, 3)}),
    ("h[t] = tanh(W (W h[t-1]) + U x[t]); E[t] = norm(h[t])", {"h": 3, "x": 2}),
]


@pytest.mark.parametrize(("text", "sizes"), SYSTEMS)
@pytest.mark.parametrize("batch", [None, 3])
def test_statements_are_formulas_and_right(text: str, sizes: Any, batch: int | None):
    u = bg.recurrence(text).unroll(3, sizes=sizes)
    data = u.instance(seed=1, batch=batch)
    run = u.run(data)
    for name in u.parameters:
        d = u.derive(name)
        truth = complex_step(u, data, name)
        assert d.adjoints.closed
        assert np.allclose(d.value_at("matrix", run), truth, rtol=1e-12, atol=1e-12), name


def test_behind_an_abstract_function_there_is_no_formula():
    d = bg.cell("rnn-abstract").unroll(2).derive("w_h")
    assert not d.adjoints.closed
