"""Random graphs, built side by side by the naive engine and ours: values and gradients never differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from naive_engine import Naive

import bpttgraph as bg

SIZE = 3
MATRIX = np.random.default_rng(5).normal(size=(SIZE, SIZE)) / 2
NUMBER = st.integers(-8, 8).map(lambda n: n / 4)


class Machine(RuleBasedStateMachine):
    """Each value is a pair: naive, ours. Vectors have three entries."""

    scalars, vectors = Bundle("scalars"), Bundle("vectors")

    @initialize()
    def start(self) -> None:
        self.leaves: dict[str, bg.Tensor] = {}
        self.made: list[tuple[Naive, Any]] = []

    def keep(self, naive: Naive, ours: Any) -> tuple[Naive, Any]:
        self.made.append((naive, ours))
        assert np.allclose(naive.value, ours.data, rtol=1e-12, atol=1e-12)
        return naive, ours

    def leaf(self, value: Any) -> tuple[Naive, Any]:
        name = f"x{len(self.leaves)}"
        self.leaves[name] = bg.tensor(value, name=name)
        return self.keep(Naive.leaf(name, value), self.leaves[name])

    @rule(target=scalars, value=NUMBER)
    def scalar_leaf(self, value: float) -> Any:
        return self.leaf(value)

    @rule(target=vectors, value=st.lists(NUMBER, min_size=SIZE, max_size=SIZE))
    def vector_leaf(self, value: list[float]) -> Any:
        return self.leaf(np.array(value))

    def combine(self, name: str, a: Any, b: Any) -> Any:
        ours = {
            "add": lambda a, b: a + b,
            "sub": lambda a, b: a - b,
            "mul": lambda a, b: a * b,
            "div": lambda a, b: a / (2 + b**2),
            "maximum": np.maximum,
        }[name]
        naive = getattr(a[0], name)(b[0])
        if np.abs(naive.value).max() > 100:  # keep the numbers of a size at which they can be compared
            a, b, naive = (a[0].tanh(), a[1].tanh()), (b[0].tanh(), b[1].tanh()), None
        return self.keep(naive or getattr(a[0], name)(b[0]), ours(a[1], b[1]))

    @rule(target=scalars, name=st.sampled_from(["add", "sub", "mul", "div", "maximum"]), a=scalars, b=scalars)
    def scalar_pair(self, name: str, a: Any, b: Any) -> Any:
        return self.combine(name, a, b)

    @rule(
        target=vectors,
        name=st.sampled_from(["add", "sub", "mul", "div", "maximum"]),
        a=vectors,
        b=st.one_of(vectors, scalars),
        swap=st.booleans(),
    )
    def vector_pair(self, name: str, a: Any, b: Any, swap: bool) -> Any:
        return self.combine(name, *((b, a) if swap else (a, b)))

    @rule(target=scalars, name=st.sampled_from(["tanh", "sin"]), a=scalars)
    def scalar_one(self, name: str, a: Any) -> Any:
        return self.keep(getattr(a[0], name)(), getattr(np, name)(a[1]))

    @rule(target=vectors, name=st.sampled_from(["tanh", "sin", "softmax"]), a=vectors)
    def vector_one(self, name: str, a: Any) -> Any:
        return self.keep(getattr(a[0], name)(), getattr(a[1], name)())

    @rule(target=vectors, a=vectors)
    def matrix(self, a: Any) -> Any:
        return self.keep(a[0].multiply(MATRIX), MATRIX @ a[1])

    @rule(target=vectors, a=vectors)
    def backwards(self, a: Any) -> Any:
        return self.keep(a[0].reverse(), a[1][::-1])

    @rule(target=scalars, a=vectors)
    def total(self, a: Any) -> Any:
        return self.keep(a[0].sum(), a[1].sum())

    @rule(target=scalars, a=vectors, i=st.integers(0, SIZE - 1))
    def pick(self, a: Any, i: int) -> Any:
        return self.keep(a[0].pick(i), a[1][i])

    @rule(target=vectors, a=vectors, b=scalars, i=st.integers(0, SIZE - 1))
    def assign(self, a: Any, b: Any, i: int) -> Any:
        changed = a[1].copy()
        changed[i] = b[1]
        return self.keep(a[0].put(i, b[0]), changed)

    @invariant()
    def gradients_agree(self) -> None:
        if not getattr(self, "made", None):
            return
        naive, ours = self.made[-1]
        cotangent = np.arange(1.0, naive.value.size + 1).reshape(naive.value.shape)
        for repeat in range(2):
            ours.backward(cotangent)
            for name, x in self.leaves.items():
                expected = (cotangent.reshape(1, -1) @ naive.by[name]).reshape(x.shape) if name in naive.by else None
                if expected is not None:
                    assert x.grad is not None and np.allclose(x.grad, expected, rtol=1e-9, atol=1e-9), (name, repeat)
        recorded = bg.gradients(ours, self.leaves, cotangent)
        for name in naive.by:
            expected = (cotangent.reshape(1, -1) @ naive.by[name]).reshape(self.leaves[name].shape)
            assert np.allclose(recorded[name].data, expected, rtol=1e-9, atol=1e-9)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


@pytest.mark.slow
class TestMachineLong(Machine.TestCase):  # type: ignore[name-defined, misc]
    settings = settings(max_examples=1500, stateful_step_count=40, deadline=None)


def test_the_size_of_a_sum_is_that_of_its_absolute_products() -> None:
    """S of W g + U (V g) − g: |W| |g| + |U| |V| |g| + |g|, whatever cancels in the sum itself."""
    from bpttgraph.core import primitives as P
    from bpttgraph.core.autodiff import evaluate_absolute
    from bpttgraph.core.graph import leaf

    rng = np.random.default_rng(3)
    numbers = {n: rng.normal(size=(3, 3)) for n in "WUV"} | {"g": rng.normal(size=3)}
    nodes = {n: leaf(n, v.shape) for n, v in numbers.items()}
    W, U, V, g = (nodes[n] for n in "WUVg")
    total = P.matvec(W, g) + P.matvec(U, P.matvec(V, g)) - g
    (found,) = evaluate_absolute([total], {nodes[n]: v for n, v in numbers.items()}, {g})
    a = {n: np.abs(v) for n, v in numbers.items()}
    np.testing.assert_allclose(found, a["W"] @ a["g"] + a["U"] @ (a["V"] @ a["g"]) + a["g"], rtol=1e-14)
