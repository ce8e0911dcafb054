"""Small recurrences that once gave wrong numbers, each written out by hand in NumPy: every reading is compared with it.

Compared are the loss and every gradient of a run (compiled, plain, with √T memory, with a batch), the triangle, the
derivation at every level, the recursions, the printed code when it is executed, the check, and the verdicts on the
right answer and on answers that are wrong in one entry. The oracle is the complex step through a loop that is written
here; nothing of the package computes in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import erf
from typing import Any

import numpy as np
import pytest
from printed_code import arguments

import bpttgraph as bg
from bpttgraph.derive.symbolic import symbolic_of
from bpttgraph.document.whole import everything

Numbers = dict[str, Any]
STEP = 1e-30


def squares(y: Any, target: Any) -> Any:
    return 0.5 * np.sum((y - target) ** 2)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softplus(x: Any) -> Any:
    return np.log(1 + np.exp(x))


def softmax(x: Any) -> Any:
    return np.exp(x) / np.sum(np.exp(x))


def by_sign(x: Any, above: Any, below: Any) -> Any:
    return np.where(np.real(x) > 0, above, below)


def largest(x: Any) -> Any:
    return x[np.argmax(np.real(x))]


def gelu(x: Any) -> Any:
    """x Φ(x): the distribution function of the normal distribution, with its density as the slope."""
    real = np.real(x)
    below = np.array([0.5 * (1 + erf(v / 2**0.5)) for v in np.ravel(real)]).reshape(np.shape(real))
    return x * (below + (x - real) * np.exp(-(real**2) / 2) / (2 * np.pi) ** 0.5)


def states(d: Numbers, T: int, step: Callable[[Numbers, Any, int], Any], name: str = "h") -> list[Any]:
    """h[0], …, h[T] of `h[t] = step(d, h[t-1], t)`."""
    h = [d[name + "[0]"]]
    for t in range(1, T + 1):
        h.append(step(d, h[-1], t))
    return h


def at(d: Numbers, name: str, t: int) -> Any:
    """What a sequence of the data holds at step t."""
    return d[name][t - 1]


@dataclass(frozen=True)
class Case:
    """A text, and its loss for one example written out by hand: `loss(data, T)`."""

    text: str
    loss: Callable[[Numbers, int], Any]
    sizes: Any = None
    steps: int = 3
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join([self.text, f"T={self.steps}", *[f"{k}={v}" for k, v in self.options.items()]])


def rnn(inner: Callable[[Numbers, Any], Any]) -> Callable[[Numbers, int], Any]:
    """The generic linear loss of `h[t] = inner(W h[t-1] + U x[t])`."""

    def loss(d: Numbers, T: int) -> Any:
        h = states(d, T, lambda d, h, t: inner(d, d["W"] @ h + d["U"] @ at(d, "x", t)))
        return sum(at(d, "dE_dh", t) @ h[t] for t in range(1, T + 1))

    return loss


def of_states(step: Callable[[Numbers, Any, int], Any], each: Callable[[Numbers, Any, int], Any]) -> Any:
    """The sum over the steps of `each(d, h[t], t)`."""
    return lambda d, T: sum(each(d, h, t) for t, h in enumerate(states(d, T, step)) if t)


def tanh_of(*names: str) -> Callable[[Numbers, Any, int], Any]:
    return lambda d, h, t: np.tanh(sum((d[n] @ h if np.ndim(d[n]) > 1 else d[n] * h) for n in names))


def far_back(*delays: int) -> Callable[[Numbers, int], Any]:
    """`h[t] = tanh(W1 h[t-d1] + W2 h[t-d2] + … + x[t])` with squared errors."""

    def loss(d: Numbers, T: int) -> Any:
        h = {t: d[f"h[{t}]"] for t in range(1 - max(delays), 1) if f"h[{t}]" in d}
        for t in range(1, T + 1):
            h[t] = np.tanh(sum(d[w] @ h[t - back] for w, back in zip("WUV", delays)) + at(d, "x", t))
        return sum(squares(h[t], at(d, "target", t)) for t in range(1, T + 1))

    return loss


def two_delays_and_a_product(d: Numbers, T: int) -> Any:
    h = {t: d[f"h[{t}]"] for t in (-1, 0)}
    for t in range(1, T + 1):
        h[t] = np.sin(sigmoid(d["W"] @ (h[t - 2] + at(d, "x", t))))
    entropy = -np.sum(at(d, "target", T) * np.log(softmax(d["W"] @ h[T]))) if T else 0.0
    return entropy + d["b"] @ h[T]


def zero_before(d: Numbers, T: int) -> Any:
    h = {-1: np.zeros(d["W"].shape[0]), 0: d["h[0]"]}
    for t in range(1, T + 1):
        h[t] = np.tanh(d["W"] @ h[t - 1] + d["U"] @ h[t - 2] + at(d, "x", t))
    return sum(d["b"] @ h[t] for t in range(1, T + 1))


def driven_by_parameters(d: Numbers, T: int) -> Any:
    h = states(d, T, lambda d, h, t: np.tanh(d["A"] @ h + d["W"] @ d["c"]))
    return sum(squares(d["V"] @ h[t], at(d, "target", t)) for t in range(1, T + 1))


def beside_the_loop(d: Numbers, T: int) -> Any:
    h = states(d, T, tanh_of("w"))
    return sum(d["c"] @ (at(d, "x", t) + d["b"]) + d["c"] @ h[t] for t in range(1, T + 1))


def a_part_at_the_end(d: Numbers, T: int) -> Any:
    h = states(d, T, tanh_of("w"))
    return sum(d["b"] @ h[t] for t in range(1, T + 1)) + d["v"] @ h[T]


def unpacked(d: Numbers, T: int) -> Any:
    total = 0.0
    for t in range(1, T + 1):
        both = d["W"] @ at(d, "x", t)
        n = d["c"].shape[0]
        total += d["c"] @ np.tanh(both[:n]) + np.sum(both[n:] ** 2)
    return total


def norms_over_a(d: Numbers, T: int) -> Any:
    h = states(d, T, lambda d, h, t: np.tanh(d["W"] @ h + d["U"] @ at(d, "x", t)))
    return sum(np.sqrt(np.sum(h[t] ** 2)) for t in range(1, T + 1)) / d["a"]


def doubled_entropy(d: Numbers, T: int) -> Any:
    h = states(d, T, lambda d, h, t: np.tanh(d["W"] @ h + at(d, "x", t)))
    logs = [np.log(softmax(d["V"] @ h[t])) for t in range(1, T + 1)]
    return 2 * sum(-np.sum(at(d, "q", t) * logs[t - 1]) for t in range(1, T + 1))


def read_by_nothing(d: Numbers, T: int) -> Any:
    r, s, total = [], d["s[0]"], 0.0
    for _ in range(T):
        r.append(sigmoid(d["D"] @ s))
        s = np.tanh(d["A"] @ s)
    for t in range(1, T + 1):
        total += at(d, "dE_dr", t) @ r[t - 1]
    return total


SQUARED = "E[t] = squared_error(h[t], target[t])"
W = "W h[t-1] + U x[t]"


def looped(step: Callable[[Numbers, Any, int], Any]) -> Any:
    return of_states(step, lambda d, h, t: squares(h, at(d, "target", t)))


def stack(*parts: Any) -> Any:
    return np.tanh(np.concatenate(parts))


CASES = [
    # stacks, shared operands, values without a step
    Case(
        "h[t] = tanh([V h[t-1]; U x[t]]); " + SQUARED,
        looped(lambda d, h, t: stack(d["V"] @ h, d["U"] @ at(d, "x", t))),
        {"h": 4, "x": 3},
    ),
    Case("h[t] = tanh([b; V h[t-1]]); " + SQUARED, looped(lambda d, h, t: stack(d["b"], d["V"] @ h)), {"h": 4, "b": 1}),
    Case("h[t] = tanh([V h[t-1]; b]); " + SQUARED, looped(lambda d, h, t: stack(d["V"] @ h, d["b"])), {"h": 4, "b": 2}),
    Case(
        "z[t] = V h[t-1]; h[t] = tanh([b; z[t]]); " + SQUARED,
        looped(lambda d, h, t: stack(d["b"], d["V"] @ h)),
        {"h": 4, "b": 1},
    ),
    Case(
        "h[t] = tanh(W [h[t-1]; x[t]]); " + SQUARED,
        looped(lambda d, h, t: np.tanh(d["W"] @ np.concatenate([h, at(d, "x", t)]))),
        {"h": 4, "x": 3},
    ),
    Case(
        "h[t] = tanh([V h[t-1]; U h[t-1]]); " + SQUARED,
        looped(lambda d, h, t: stack(d["V"] @ h, d["U"] @ h)),
        {"h": 4, "V": (2, 4)},
    ),
    *[
        Case("h[t] = A h[t-1] + C h[t-1]; " + SQUARED, looped(lambda d, h, t: d["A"] @ h + d["C"] @ h), {"h": 2}, T)
        for T in (1, 2, 4)
    ],
    Case("h[t] = tanh(A h[t-1] + C h[t-1]); " + SQUARED, looped(tanh_of("A", "C")), {"h": 2}),
    *[
        Case(
            "y[t] = W c; E[t] = squared_error(y[t], target[t])",
            lambda d, T: sum(squares(d["W"] @ d["c"], at(d, "target", t)) for t in range(1, T + 1)),
            {"y": y, "c": c},
            4,
        )
        for y, c in ((4, 4), (3, 2))
    ],
    Case(
        "k[t] = W c; h[t] = tanh(A h[t-1] + k[t]); y[t] = V h[t]; L[t] = squared_error(y[t], target[t])",
        driven_by_parameters,
        {"c": 2},
    ),
    # functions
    Case(f"h[t] = max(0, {W})", rnn(lambda d, a: by_sign(a, a, 0 * a))),
    Case(f"h[t] = min(0.3, {W})", rnn(lambda d, a: by_sign(a - 0.3, 0.3 + 0 * a, a))),
    Case(f"h[t] = relu({W})", rnn(lambda d, a: by_sign(a, a, 0 * a))),
    Case(f"h[t] = elu({W}, 0.7)", rnn(lambda d, a: by_sign(a, a, 0.7 * (np.exp(a) - 1)))),
    Case(f"h[t] = elu({W})", rnn(lambda d, a: by_sign(a, a, np.exp(a) - 1))),
    Case(f"h[t] = leaky_relu({W}, 0.2)", rnn(lambda d, a: by_sign(a, a, 0.2 * a))),
    Case(f"h[t] = silu({W})", rnn(lambda d, a: a * sigmoid(a))),
    Case(
        f"h[t] = clip({W}, -0.3, 0.4)",
        rnn(lambda d, a: by_sign(a - 0.4, 0.4 + 0 * a, by_sign(a + 0.3, a, -0.3 + 0 * a))),
    ),
    Case(f"h[t] = gelu({W})", rnn(lambda d, a: gelu(a))),
    Case(
        f"h[t] = gelu_tanh({W})",
        rnn(lambda d, a: 0.5 * a * (1 + np.tanh((2 / np.pi) ** 0.5 * (a + 0.044715 * a**3)))),
    ),
    Case(f"h[t] = log_softmax({W})", rnn(lambda d, a: np.log(softmax(a)))),
    Case(f"h[t] = softplus({W})", rnn(lambda d, a: softplus(a))),
    Case(f"h[t] = tanh(2^h[t-1] + {W})", lambda d, T: two_to_the(d, T)),
    Case(
        f"h[t] = tanh({W}); E[t] = max(h[t])",
        of_states(lambda d, h, t: np.tanh(d["W"] @ h + d["U"] @ at(d, "x", t)), lambda d, h, t: largest(h)),
    ),
    # composites, losses that are not linear
    *[
        Case(
            "h[t] = tanh(W h[t-1]); y[t] = V (U h[t]); E[t] = squared_error(y[t], target[t])",
            of_states(tanh_of("W"), lambda d, h, t: squares(d["V"] @ (d["U"] @ h), at(d, "target", t))),
            sizes,
        )
        for sizes in (None, {"h": 3, "y": 3, "U": (3, 3)})
    ],
    Case(
        "h[t] = tanh(W h[t-1]); y[t] = (V U) h[t]; E[t] = squared_error(y[t], target[t])",
        of_states(tanh_of("W"), lambda d, h, t: squares(d["V"] @ d["U"] @ h, at(d, "target", t))),
        {"V": (2, 3), "U": (3, 4)},
    ),
    Case(
        "h[t] = diag(d) @ h[t-1] + U x[t]",
        lambda d, T: sum(
            at(d, "dE_dh", t) @ h
            for t, h in enumerate(states(d, T, lambda d, h, t: d["d"] * h + d["U"] @ at(d, "x", t)))
            if t
        ),
    ),
    Case(
        "h[t] = tanh((V @ U) * h[t-1]); E[t] = sum(h[t] @ c)",
        of_states(lambda d, h, t: np.tanh((d["V"] @ d["U"]) * h), lambda d, h, t: np.sum(h @ d["c"])),
        {"h": (2, 2), "V": (2, 3), "c": 2},
    ),
    Case("h[t] = tanh(w*h[t-1]); E[t] = log(1 + h[t]^2)", of_states(tanh_of("w"), lambda d, h, t: np.log(1 + h**2)), 1),
    Case(
        "h[t] = tanh(w*h[t-1]); E[t] = sigmoid(m[t]*h[t])",
        of_states(tanh_of("w"), lambda d, h, t: sigmoid(at(d, "m", t) * h)),
        1,
    ),
    Case(
        "h[t] = tanh(w*h[t-1]); E[t] = softplus(h[t]*m[t])",
        of_states(tanh_of("w"), lambda d, h, t: softplus(h * at(d, "m", t))),
        1,
    ),
    Case(
        "g[t] = tanh(W g[t-1]); E[t] = sigmoid(dot(w, g[t]))",
        lambda d, T: sum(sigmoid(d["w"] @ g) for g in states(d, T, tanh_of("W"), "g")[1:]),
    ),
    Case(
        "k = exp(a); h[t] = tanh(k*h[t-1]); E[t] = dot(b, h[t])",
        of_states(lambda d, h, t: np.tanh(np.exp(d["a"]) * h), lambda d, h, t: d["b"] @ h),
        {"h": 2},
    ),
    Case(
        "h[t] = tanh(w*h[t-1]); E[t] = 0.5*dot(b, h[t])",
        lambda d, T: of_states(tanh_of("w"), lambda d, h, t: 0.5 * d["b"] @ h)(d, T) / T,
        {"h": 2},
        3,
        {"reduce": "mean"},
    ),
    # what holds no data
    Case(
        "h[t] = tanh(w*h[t-1]); z[t] = x[t]+b; E[t] = dot(c,z[t]) + dot(c,h[t])",
        beside_the_loop,
        {"h": 2},
    ),
    Case(
        "h[t] = tanh(W h[t-1]); E[t] = dot(b, h[t]); h[0] = h0",
        lambda d, T: of_states(tanh_of("W"), lambda d, h, t: d["b"] @ h)({**d, "h[0]": d["h0"]}, T),
    ),
    Case(
        "h[t] = tanh(a*h[t-1]+a); E[t] = h[t]",
        of_states(lambda d, h, t: np.tanh(d["a"] * h + d["a"]), lambda d, h, t: h),
        1,
    ),
    # delays
    Case("h[t] = tanh(W h[t-2] + x[t]); " + SQUARED, far_back(2), {"h": 2}),
    Case("h[t] = tanh(W h[t-1] + U h[t-2] + V h[t-3] + x[t]); " + SQUARED, far_back(1, 2, 3), {"h": 2}, 4),
    Case(
        "h[t] = sin(sigmoid(W (h[t-2] + x[t]))); y[t] = softmax(W h[t]); E[t] = cross_entropy(y[t], target[t]); "
        "J[t] = dot(b, h[t])",
        two_delays_and_a_product,
        {"h": 3},
        3,
        {"loss": "last"},
    ),
    Case("h[t] = tanh(W h[t-1] + U h[t-2] + x[t]); E[t] = dot(b, h[t]); h[-1] = 0", zero_before, {"h": 2}),
    # totals of one's own, unpacking, parameters outside of the loop
    Case("h[t] = tanh(w*h[t-1]); E[t] = dot(b, h[t]); J = sum_t E[t] + dot(v, h[T])", a_part_at_the_end, {"h": 2}),
    Case(
        "h[t] = tanh(w*h[t-1]); E[t] = dot(b, h[t]); J = 2*sum_t E[t]",
        lambda d, T: 2 * of_states(tanh_of("w"), lambda d, h, t: d["b"] @ h)(d, T),
        {"h": 2},
        2,
    ),
    Case("[u[t]; v[t]] = W x[t]; E[t] = dot(c, tanh(u[t])) + sum(v[t]^2)", unpacked, {"u": 2, "v": 3, "x": 2}),
    Case("h[t] = tanh(W h[t-1] + U x[t]); L = (1/a) * sum_t norm(h[t])", norms_over_a),
    Case(
        "h[t] = tanh(W h[t-1] + x[t]); y[t] = softmax(V h[t]); E[t] = cross_entropy(y[t], q[t]); J = 2*sum_t E[t]",
        doubled_entropy,
    ),
    Case("r[t] = sigmoid(D s[t-1]); s[t] = tanh(A s[t-1])", read_by_nothing, {"s": 2}),
]


def two_to_the(d: Numbers, T: int) -> Any:
    h = states(d, T, lambda d, h, t: np.tanh(2**h + d["W"] @ h + d["U"] @ at(d, "x", t)))
    return sum(at(d, "dE_dh", t) @ h[t] for t in range(1, T + 1))


def as_distribution(u: Any, data: Numbers) -> Numbers:
    """Classes as the rows of a unit matrix, so that the loops need not know of them."""
    made = dict(data)
    for name, value in data.items():
        wide = u.slots[name].shape
        if np.asarray(value).dtype.kind == "i" and wide:
            made[name] = np.eye(wide[0])[value]
    return made


def examples(u: Any, data: Numbers, batch: int | None) -> list[Numbers]:
    if batch is None:
        return [data]
    own = [k for k in data if k not in u.parameters]
    return [{**data, **{k: data[k][:, b] if u.slots[k].length else data[k][b] for k in own}} for b in range(batch)]


def gradient(case: Case, each: list[Numbers], name: str, shared: bool) -> Any:
    """By the complex step, of each example or of their sum."""
    found = np.zeros((len(each), *np.shape(each[0][name])))
    for place in np.ndindex(found.shape):
        moved = np.array(each[place[0]][name], complex)
        moved[place[1:]] += STEP * 1j
        found[place] = np.imag(case.loss({**each[place[0]], name: moved}, case.steps)) / STEP
    return np.array(found.sum(axis=0)) if shared else found


def near(got: Any, want: Any) -> bool:
    return np.shape(got) == np.shape(want) and bool(np.allclose(got, want, rtol=1e-10, atol=1e-12))


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_numbers(case: Case, batch: int | None) -> None:
    u = bg.recurrence(case.text).unroll(case.steps, sizes=case.sizes, **case.options)
    data = as_distribution(u, u.instance(0, batch))
    if all(k in u.parameters for k in data):
        batch = None  # every example would be the same
    each = examples(u, data, batch)
    runs = [u.run(data), u.run(data, schedule=False)]
    if (
        u.schedule.applies
        and "h[0] = h0" not in case.text
        and case.options.get("loss", "every") == "every"
        and u.recurrence.counted == "every"
    ):
        runs.append(u.run(data, memory="sqrt"))
    loss = sum(case.loss(e, case.steps) for e in each)
    for run in runs:
        assert run.loss == pytest.approx(loss, rel=1e-12)
        for name, value in run.gradients.items():
            want = gradient(case, each, name, batch is None or name in u.parameters)
            assert near(value, want), (name, value, want)
            triangle = run.contributions(name).sum((0, 1))
            assert near(triangle, want if np.shape(triangle) == np.shape(want) else want.sum(axis=0)), name


@pytest.mark.parametrize("case", CASES, ids=str)
def test_formulas_code_and_verdicts(case: Case) -> None:
    rec = bg.recurrence(case.text)
    u = rec.unroll(case.steps, sizes=case.sizes, **case.options)
    data = as_distribution(u, u.instance(1))
    run = u.run(data, schedule=False)
    names = everything(u)
    true = {name: gradient(case, [data], name, True) for name in names if name in data}
    code = symbolic_of(u, "all").printed()
    space: dict[str, Any] = {}
    exec(code.text, space)
    printed = space[code.function](**arguments(code, u, run))
    for name, want in true.items():
        d = u.derive(name)
        assert near(printed[name], want), (name, code.text)
        for level in ("chain", "local", "matrix", "elements", "numbers"):
            assert near(d.value_at(level, run), want), (name, level)
        report = d.check(data)
        assert report.right, str(report)
        assert any("recursion" in f.what or "symbolic" in f.what or "printed" in f.what for f in report.findings)
    assert bg.verify(u, true, data).right
    for name, want in true.items():
        wrong = {**true, name: np.array(want)}
        wrong[name].flat[-1] += 1e-7 * max(1.0, np.abs(want).max())
        verdict = bg.verify(u, wrong, data)
        assert not verdict.right and verdict.parameters[name].status == "wrong", (name, str(verdict))


def test_the_loss_of_the_first_row_is_the_one_computed_by_hand() -> None:
    """The value was worked out outside of this project, entry by entry."""
    case = CASES[0]
    u = bg.recurrence(case.text).unroll(3, sizes=case.sizes)
    data = u.instance(0)
    assert u.run(data).loss == pytest.approx(case.loss(data, 3), rel=1e-14) and 3.1069 < u.run(data).loss < 3.1070
