"""The oracle and the generator themselves: against loops written by hand, and against what the issue asks to be
covered."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import mpmath
import numpy as np

from .categories import differences
from .compare import Subject, acceptable
from .generate import random_recurrence
from .operations import OPS
from .trees import Case, Equation, call, name, num


def rnn(**options: object) -> Case:
    """h[t] = tanh(W h[t-1] + U x[t] + b), E[t] = squared_error(h[t], target[t])."""
    inner = call(
        "add", call("add", call("matmul", name("W"), name("h", -1)), call("matmul", name("U"), name("x", 0))), name("b")
    )
    equations = (
        Equation(("h",), 0, call("tanh", inner)),
        Equation(("E",), 0, call("squared_error", name("h", 0), name("target", 0))),
    )
    shapes = {"h": (3,), "x": (2,), "target": (3,), "W": (3, 3), "U": (3, 2), "b": (3,), "E": ()}
    return Case(0, equations, shapes, **options)  # type: ignore[arg-type]


def by_hand(d: dict[str, np.ndarray], steps: int) -> tuple[float, dict[str, np.ndarray], np.ndarray]:
    """The textbook's forward and backward pass, and the triangle of b."""
    h = [d["h[0]"]]
    for t in range(steps):
        h.append(np.tanh(d["W"] @ h[-1] + d["U"] @ d["x"][t] + d["b"]))
    loss = sum(0.5 * np.sum((h[t + 1] - d["target"][t]) ** 2) for t in range(steps))
    triangle = np.zeros((steps, steps, 3))
    gradients = {"W": np.zeros((3, 3)), "U": np.zeros((3, 2)), "b": np.zeros(3), "h[0]": np.zeros(3)}
    for t in range(steps):
        delta = h[t + 1] - d["target"][t]
        for k in range(t, -1, -1):
            inner = delta * (1 - h[k + 1] ** 2)
            triangle[t, k] = inner
            gradients["W"] += np.outer(inner, h[k])
            gradients["U"] += np.outer(inner, d["x"][k])
            gradients["b"] += inner
            delta = d["W"].T @ inner
        gradients["h[0]"] += delta
    return float(loss), gradients, triangle


def test_the_oracle_is_the_textbook() -> None:
    s = Subject(rnn(steps=4))
    loss, gradients, triangle = by_hand(s.world.data, 4)
    assert abs(s.loss - loss) < 1e-14
    for key, want in gradients.items():
        np.testing.assert_allclose(s.gradients[key], want, rtol=0, atol=1e-13)
    np.testing.assert_allclose(s.triangles["b"][:, 1:], triangle, rtol=0, atol=1e-13)


def test_a_batch_is_the_sum_of_its_examples() -> None:
    s = Subject(rnn(batch=3, loss=(2, 3), reduce="mean"))
    apart = []
    for i in range(3):
        data = {k: v if k in s.case.parameters else v[:, i] if v.ndim == 3 else v[i] for k, v in s.world.data.items()}
        one = Subject(replace(s.case, batch=None))
        one.world.data.update(data)
        one.world.memo.clear()
        one.losses = one.world.losses()
        apart.append(one)
    assert abs(s.loss - sum(one.loss for one in apart)) < 1e-14
    np.testing.assert_allclose(s.gradients["W"], sum(one.gradient("W") for one in apart), rtol=0, atol=1e-14)
    np.testing.assert_allclose(s.gradients["h[0]"], [one.gradient("h[0]") for one in apart], rtol=0, atol=1e-14)


def test_wrong_numbers_are_differences() -> None:
    """The comparison is no rubber stamp: another oracle is told apart by loss and gradient."""
    s = Subject(rnn())
    assert not list(differences(s.case, ["loss", "gradients", "triangle"], s))
    wrong = Subject(
        replace(
            s.case,
            equations=(
                replace(
                    s.case.equations[0],
                    right=call("tanh", call("mul", num(1 + 1e-9), s.case.equations[0].right.args[0])),
                ),
                s.case.equations[1],
            ),
        )
    )
    wrong.__dict__["rec"] = s.rec
    assert {d.category for d in differences(wrong.case, ["loss", "gradients", "triangle"], wrong)} == {
        "loss",
        "gradients",
        "triangle",
    }


def test_gelu_keeps_its_digits_far_below_zero() -> None:
    for x in (-5.0, -3.0, 0.5):
        got, want = OPS["gelu"](np.array([[x + 1e-30j]]))[0, 0], mpmath.mpf(x) * mpmath.ncdf(x)
        slope = mpmath.ncdf(x) + mpmath.mpf(x) * mpmath.npdf(x)
        assert abs(got.real - want) < 1e-14 * abs(want) and abs(got.imag * 1e30 - slope) < 1e-14 * (
            abs(want) + abs(slope)
        )


def test_the_generator_covers_the_language() -> None:
    """Every function, and every feature that the tester is for, within a few hundred seeds; a seed gives the same case
    each time."""
    cases = [random_recurrence(seed) for seed in range(400)]
    assert cases[:20] == [random_recurrence(seed) for seed in range(20)]
    seen = Counter(n.op for c in cases for e in c.equations for n in e.right.walk())
    assert set(OPS) <= set(seen)
    features = {
        "delay 3": lambda c: any(n.op == "name" and n.value[1] == -3 for e in c.equations for n in e.right.walk()),
        "no step": lambda c: bool([n for n in c.once if n != c.total]),
        "own total": lambda c: not c.plain_total,
        "no loss": lambda c: not c.losses,
        "several losses": lambda c: len(c.losses) > 1,
        "unpacked": lambda c: any(len(e.left) > 1 for e in c.equations),
        "fixed": lambda c: any(isinstance(e.index, tuple) for e in c.equations),
        "shared": lambda c: bool(c.single),
        "batch": lambda c: c.batch is not None,
        "T = dim": lambda c: any(c.steps in s for s in c.sizes.values()) and c.steps > 1,
        "all numbers": lambda c: not any(c.sizes.values()),
        "a matrix as state": lambda c: any(
            len(c.shapes[n]) == 2 for e in c.equations if isinstance(e.index, int) for n in e.left
        ),
        "chosen steps": lambda c: not isinstance(c.loss, str),
        "mean": lambda c: c.reduce == "mean",
    }
    rare = {what: sum(map(has, cases)) for what, has in features.items()}
    assert min(rare.values()) >= 4, rare


def test_instances_are_moderate_and_away_from_kinks() -> None:
    for seed in range(40):
        s = Subject(random_recurrence(seed, acceptable))
        assert s.world.margin >= 1e-3 and s.size < 50
