"""Scalar programs replayed on levels of vectors: equal to the recorded program and to the complex step."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import bpttgraph as bg

OPERATIONS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: (a * b).tanh(),
    lambda a, b: (a - 0.5).sigmoid(),
    lambda a, b: -b + 2 * a,
    lambda a, b: a.relu() - (b - (a - b)),
    lambda a, b: a.tanh() ** 3,
    lambda a, b: a / (b * b + 1.0),
]


def program(rng: random.Random, operations: int) -> bg.Tensor:
    """A random program with sharing, constants, long sums and functions."""
    made = [bg.tensor(rng.uniform(-1.5, 1.5), name=f"p{i}") for i in range(rng.randint(1, 5))]
    for _ in range(operations):
        made.append(rng.choice(OPERATIONS)(rng.choice(made), rng.choice(made[-6:])))
        if abs(made[-1].item()) > 10:
            made[-1] = made[-1].tanh()
    return made[-1] * 1.5 + made[len(made) // 2]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 60))
def test_random_programs(seed: int, operations: int) -> None:
    out = program(random.Random(seed), operations)
    again = bg.replay(out)
    out.backward()
    value, gradient = again()
    assert value == pytest.approx(out.item(), rel=1e-12, abs=1e-12)
    for leaf, g in zip(again.leaves, gradient):
        assert g == pytest.approx(leaf.grad, rel=1e-10, abs=1e-10)


def test_other_numbers_are_not_the_recorded_ones() -> None:
    """New leaves give what recording anew gives, one setting at a time and many at once."""
    out = program(random.Random(5), 40)
    again = bg.replay(out)
    rng = np.random.default_rng(0)
    settings_ = rng.uniform(-1, 1, size=(len(again.leaves), 7))
    values, gradients = again(settings_)
    for m in range(7):
        for leaf, v in zip(again.leaves, settings_[:, m]):
            leaf.data = float(v)
        value, gradient = again(settings_[:, m])
        assert value == pytest.approx(values[m], rel=1e-13)
        np.testing.assert_allclose(gradient, gradients[:, m], rtol=1e-12, atol=1e-14)
        step = 1e-6  # central differences of the replay itself: its forward pass uses no derivative
        for i in range(len(again.leaves)):
            e = np.zeros(len(again.leaves))
            e[i] = step
            slope = (again(settings_[:, m] + e)[0] - again(settings_[:, m] - e)[0]) / (2 * step)
            assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_leaves_may_be_named() -> None:
    a, b = bg.tensor(2.0, name="a"), bg.tensor(-1.0, name="b")
    again = bg.replay(a * a * b)
    for new, (x, y) in (
        ({"a": 3.0}, (3.0, -1.0)),
        ({b: 5.0}, (2.0, 5.0)),
        ({"a": 0.5, "b": 4.0}, (0.5, 4.0)),
        ({}, (2.0, -1.0)),
    ):
        value, gradient = again(new)
        by = dict(zip((leaf.name for leaf in again.leaves), gradient))
        assert value == x * x * y and by == {"a": 2 * x * y, "b": x * x}


def test_a_recurrence_of_scalars_is_a_few_vectors() -> None:
    H, T = 6, 12
    rng = random.Random(1)
    W = [[bg.tensor(rng.gauss(0, 0.4)) for _ in range(H)] for _ in range(H)]
    h = [bg.tensor(0.1) for _ in range(H)]
    for _ in range(T):
        h = [sum((W[i][j] * h[j] for j in range(H)), bg.tensor(0.1)).relu() for i in range(H)]
    loss = sum((x * x for x in h), bg.tensor(0.0))
    again = bg.replay(loss)
    assert again.depth <= 3 * T + 2 and again.operations > 2 * H * H * T - 10
    loss.backward()
    np.testing.assert_allclose(again()[1], [x.grad for x in again.leaves], rtol=1e-12, atol=1e-15)
    assert str(again.operations) in repr(again) and "levels" in again.explain()


def test_sums_of_any_nesting_are_linear() -> None:
    """Chains to the left, to the right and through minus signs, 20,000 long."""
    n = 20_000
    x = [bg.tensor(float(i % 7)) for i in range(3)]
    left = right = x[0]
    for i in range(n):
        left = left + x[i % 3]
        right = x[i % 3] - right
    again = bg.replay(left * right)
    assert again.depth == 2
    (left * right).backward()
    np.testing.assert_allclose(again()[1], [leaf.grad for leaf in again.leaves])


def test_edges_of_the_definition() -> None:
    x = bg.tensor(3.0, name="x")
    assert bg.replay(x)()[1].tolist() == [1.0]
    assert bg.replay(x + x)()[1].tolist() == [2.0]
    assert bg.replay(x * 0.0 + 2.0)({"x": 5.0})[0] == 2.0
    off = bg.tensor(0.0, name="off")
    value, gradient = bg.replay(off * off.sqrt() * 0.0)()  # 0 · ∞ contributes nothing, as in backward()
    assert value == 0.0 and gradient.tolist() == [0.0]
    unused = (x * 2.0).relu()
    assert bg.replay(unused - unused)()[1].tolist() == [0.0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: bg.replay((bg.tensor([1.0, 2.0]) * 2.0).sum()), "single numbers"),
        (lambda: bg.replay(3.0), "float"),  # type: ignore[arg-type]
        (lambda: bg.replay(bg.tensor(1.0, name="w") * 2)({"v": 1.0}), "'v' is no leaf"),
        (lambda: bg.replay(bg.tensor(1.0) * 2)([1.0, 2.0]), "shape (2,)"),
    ],
)
def test_errors(make: object, words: str) -> None:
    with pytest.raises(bg.BPTTError) as error:
        make()  # type: ignore[operator]
    assert words in str(error.value)


def test_operations_of_ones_own() -> None:
    """Elementwise ones of one and two arguments; two of one name stay two."""
    cube = bg.primitive(lambda x: x**3, name="own", derivative=lambda y, x: 3 * x * x)
    ratio = bg.primitive(
        lambda x, y: x / (1 + y * y),
        name="own",
        derivative=[lambda z, x, y: 1 / (1 + y * y), lambda z, x, y: -2 * x * y / (1 + y * y) ** 2],
    )
    sine = bg.primitive(np.sin, name="own", derivative=lambda y, x: np.cos(x))
    x, y = bg.tensor(0.5), bg.tensor(-1.5)
    program = bg.replay(ratio(cube(x), sine(y)) + sine(x) * cube(y))
    a, b = 0.3, 1.1
    value, (da, db) = program([a, b])
    s, c = np.sin(b), np.cos(b)
    assert abs(value - (a**3 / (1 + s * s) + np.sin(a) * b**3)) < 1e-14
    assert abs(da - (3 * a * a / (1 + s * s) + np.cos(a) * b**3)) < 1e-14
    assert abs(db - (-2 * a**3 * s * c / (1 + s * s) ** 2 + 3 * np.sin(a) * b * b)) < 1e-14
