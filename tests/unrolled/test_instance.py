"""Random instances lie in the domain of every function, or it is said that none was found; never NaN, never a
warning."""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.check import check_gradients
from bpttgraph.core.primitives import TABLE
from bpttgraph.unrolled.instance import MARGIN, NEAR, draw, outside

DOMAINS = [
    r"h_t = \sqrt{2\alpha} h_{t-1} + x_t",
    "h[t] = tanh(w*h[t-1] + log(x[t]))",
    "h[t] = tanh(W h[t-1] + sqrt(x[t]))",
    "h[t] = tanh(W h[t-1]); E[t] = log(dot(b, h[t]))",
    "h[t] = tanh(W h[t-1])^0.5",
    "h[t] = tanh(W h[t-1]) ^ a",
    "h[t] = sqrt(h[t-1] + x[t])",
    "h[t] = tanh(W h[t-1]); y[t] = V h[t]; E[t] = cross_entropy(y[t], target[t])",
    "h[t] = tanh(W h[t-1]); E[t] = log(1 - norm(h[t]))",
    "h[t] = x[t] / h[t-1]",
    "s[t] = s[t-1] ^ p * v[t]",
    "h[t] = sqrt(1 - h[t-1]^2) * x[t]",
    "c[t] = c[t-1]*x[t]; E[t] = log(c[t])",
    "h[t] = tanh(w*h[t-1]); J = log(sum_t h[t])",
    "h[t] = tanh(W h[t-1] + b)^(-2)",
    "h[t] = 2^tanh(W h[t-1]); k = 2^tanh(0.25); E[t] = k * sum(h[t])",
]


@pytest.mark.parametrize("text", DOMAINS)
@pytest.mark.parametrize("seed", range(4))
def test_instances_lie_in_the_domain(text: str, seed: int) -> None:
    """Warnings are errors here, and a NaN is never right."""
    u = bg.recurrence(text).unroll(4)
    data = u.instance(seed)
    assert not outside(u.numbers, data)
    report = check_gradients(u, None, data)
    assert report.right, str(report)
    with np.errstate(all="ignore"):
        gradients = u.run(data).gradients
        assert all(np.all(np.isfinite(gradients[name])) for name in gradients)


@pytest.mark.parametrize("text", ["h[t] = tanh(w*h[t-1] + log(x[t]))", "c[t] = c[t-1]*x[t]; E[t] = log(c[t])"])
def test_long_sequences_too(text: str) -> None:
    u = bg.recurrence(text).unroll(120)
    assert not outside(u.numbers, u.instance())


def test_where_there_is_no_instance_it_is_said() -> None:
    u = bg.recurrence("h[t] = tanh(w*h[t-1]); E[t] = log(-(h[t]^2))").unroll(3)
    with pytest.raises(bg.BPTTError, match=r"no random instance was found on which log in E\[1\] is defined"):
        u.instance()


def test_data_outside_the_domain_are_no_wrong_gradient() -> None:
    u = bg.recurrence("h[t] = tanh(w*h[t-1] + log(x[t])); E[t] = h[t]").unroll(3, sizes=1)
    data = {**u.instance(), "x": np.array([1.0, -2.0, 1.0])}
    with pytest.raises(bg.BPTTError, match=r"log in h\[2\] is not defined"):
        check_gradients(u, None, data)


def test_instances_that_need_no_move_are_as_drawn() -> None:
    """A move changes numbers that people may have written down."""
    for name in bg.cells():
        rec = bg.cell(name)
        if rec.abstract:
            continue
        u = rec.unroll(3)
        drawn, data = draw(u, 3, 2), u.instance(3, 2)
        assert all(np.array_equal(drawn[k], data[k]) for k in data), name


def test_a_cross_entropy_compares_with_a_distribution() -> None:
    """ŷ − q is the gradient only if q sums to one: what is no class is drawn as a distribution."""
    text = "y[t] = softmax(V h[t]); E[t] = cross_entropy(y[t], q[t]); J = 2*sum_t E[t]"
    u = bg.recurrence(text).unroll(3)
    assert u.instance(1)["q"].dtype.kind == "i"  # only a loss compares with it: classes, also in a total of one's own
    assert u.derive("V").check().right
    assert bg.verify(u, "dV = 2*sum_t outer(y[t] - q[t], h[t])").right
    read = bg.recurrence("z[t] = A q[t]; y[t] = softmax(V z[t]); E[t] = cross_entropy(y[t], q[t])").unroll(3)
    q = read.instance(1)["q"]
    assert q.shape == (3, *read.shapes["q"]) and np.all(q > 0) and np.allclose(q.sum(-1), 1)
    assert read.derive("V").check().right
    shared = bg.recurrence("y[t] = softmax(V h[t]); E[t] = cross_entropy(y[t], q)").unroll(3).instance()["q"]
    assert np.isclose(shared.sum(), 1)


def test_domains_are_those_of_the_values() -> None:
    """Each function is a number just inside its domain and none just outside; 10⁻⁹ is far below every margin."""
    rng = np.random.default_rng(0)
    found = 0
    for op in TABLE.values():
        if op.domain is None or op.name in ("cross_entropy", "norm", "pow", "power", "div", "reciprocal"):
            continue
        for x in rng.uniform(-2, 2, size=200):
            quantity, _ = op.domain(np.float64(x))
            if abs(quantity) < 1e-9:
                continue
            with np.errstate(all="ignore"):
                number = bool(np.isfinite(op.value(np.float64(x))))
            assert number == bool(quantity > 0) or op.name == "arccosh", (op.name, x)
        found += 1
    assert found >= 8


def test_margins() -> None:
    """A denominator may have either sign, but not be zero; other arguments keep a distance from the border if they are
    moved."""
    u = bg.recurrence("h[t] = x[t] / a; E[t] = h[t]").unroll(3, sizes=1)
    near = {"x": np.ones(3), "a": 0.5 * NEAR}
    assert not outside(u.numbers, near) and outside(u.numbers, {**near, "a": 0.0})
    u = bg.recurrence("h[t] = log(x[t]); E[t] = h[t]").unroll(3, sizes=1)
    moved = u.instance(0)["x"]
    drawn = draw(u, 0, None)["x"]
    assert np.any(drawn <= 0) and np.all(moved > 0)
    assert np.sum(moved <= MARGIN) <= np.sum(np.abs(drawn) <= MARGIN)
