"""Every rule of the table: first and second derivatives, forward and reverse, random shapes; and a wrong rule is found
out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import bpttgraph as bg
from bpttgraph.core import arrays as A, primitives as P
from bpttgraph.core.autodiff import backward, evaluate
from bpttgraph.core.graph import constant, leaf
from bpttgraph.core.primitives import TABLE, Primitive

Sampler = Callable[[np.random.Generator, tuple[int, ...]], tuple[Any, ...]]


def normal(r: np.random.Generator, s: tuple[int, ...]) -> Any:
    return r.normal(size=s)


def positive(r: np.random.Generator, s: tuple[int, ...]) -> Any:
    return r.uniform(0.4, 2.0, size=s)


def inside(r: np.random.Generator, s: tuple[int, ...]) -> Any:
    return r.uniform(-0.8, 0.8, size=s)


DOMAIN = {
    **dict.fromkeys(
        ["log", "sqrt", "log1p", "log2", "log10", "reciprocal", "ratio", "div", "pow", "ylog", "power"], positive
    ),
    **dict.fromkeys(["arcsin", "arccos", "arctanh", "tan"], inside),
    "arccosh": lambda r, s: r.uniform(1.2, 3.0, size=s),
    "mod": lambda r, s: r.uniform(0.7, 1.0, size=s) * r.choice([0.3, 2.2, 5.1], size=s),
}
ATTRS: dict[str, dict[str, Any]] = {
    "clip": {"low": -0.5, "high": 0.5},
    "power": {"exponent": 2.5},
    "nan_to_num": {"nan": 0.0, "posinf": None, "neginf": None},
    "elu": {"alpha": 0.7},
    "leaky_relu": {"slope": 0.3},
}
NODES_ONLY = {"batch_sum", "batch_copy", "batch_outer"}  # the batch is an axis of its own only for recurrences
FLAT = {"as_number", "finite", "top_mask", "stop_gradient"}  # no derivative: asked directly


def elementwise_case(op: Primitive) -> Callable[[np.random.Generator, tuple[int, ...]], tuple[Any, tuple[Any, ...]]]:
    def case(r: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, tuple[Any, ...]]:
        draw = DOMAIN.get(op.name, normal)
        attrs = ATTRS.get(op.name, {})
        if op.name == "select":
            mask = r.random(size=shape) > 0.5
            return lambda a, b: A.select(mask, a, b), (normal(r, shape), normal(r, shape[1:]))
        if op.name in ("as_number", "finite"):
            return lambda x: op(x) + 0.0 * x, (normal(r, shape),)
        shapes = [shape, shape[1:], shape][: len(op.rule)] if r.random() < 0.5 else [shape] * len(op.rule)
        return lambda *a: op(*a, **attrs), tuple(draw(r, s) for s in shapes)

    return case


def fixed(f: Any, *shapes: Any, draw: Any = normal) -> Any:
    return lambda r, shape: (f, tuple(draw(r, s) for s in shapes))


def lead(f: Any, *tails: tuple[int, ...], draw: Any = normal) -> Any:
    """Arguments whose shapes end in these, with random axes in front."""
    return lambda r, shape: (f, tuple(draw(r, (*shape[:1], *t)) for t in tails))


CASES: dict[str, Any] = {
    "add": fixed(P.add, (3, 2), (2,)),
    "sub": fixed(P.sub, (2,), (3, 2)),
    "neg": lead(P.neg, (2,)),
    "identity": lead(P.identity, (2,)),
    "expand": fixed(lambda x: P.expand(x, shape=(2, 3, 2)), (3, 1)),
    "sum": fixed(lambda x: P.total(x, (-1, -3)), (2, 3, 2)),
    "reshape": fixed(lambda x: P.reshape(x, shape=(3, 4)), (2, 6)),
    "transpose": fixed(P.transpose, (2, 3)),
    "concat": fixed(P.concat, (2,), (3,)),
    "take": fixed(lambda x: P.take(x, start=1, stop=3), (5,)),
    "pad": fixed(lambda x: P.pad(x, before=1, after=2), (3,)),
    "diag": fixed(P.diag, (3,)),
    "diagonal": fixed(P.diagonal, (3, 3)),
    "matvec": fixed(P.matvec, (2, 3), (3,)),
    "vecmat": fixed(P.vecmat, (2,), (2, 3)),
    "matmat": fixed(P.matmat, (2, 2, 3), (3, 4)),
    "dot": lead(P.dot, (3,), (3,)),
    "outer": fixed(P.outer, (2,), (3,)),
    "softmax": lead(P.softmax, (3,)),
    "log_softmax": lead(P.log_softmax, (3,)),
    "logsumexp": lead(P.logsumexp, (3,)),
    "max": lead(P.largest, (4,)),
    "norm": lead(P.norm, (3,)),
    "squared_error": lead(P.squared_error, (3,), (3,)),
    "cross_entropy": lead(P.cross_entropy, (3,), (3,), draw=positive),
    "top_mask": lead(lambda x: P.top_mask(x) * x, (3,)),
    "permute": fixed(lambda x: A.permute(x, order=(-1, -3, -2)), (2, 3, 4)),
    "join": fixed(lambda a, b: A.join(a, b, axis=-2), (2, 3), (1, 3)),
    "getitem": fixed(lambda x: A.getitem(x, key=(slice(None), np.array([0, 2, 0]))), (2, 3)),
    "scatter": fixed(lambda x: A.scatter(x, key=(np.array([0, 2, 0]),), shape=(4,)), (3,)),
    "put": fixed(lambda x, v: A.put(x, v, key=(np.array([0, 2, 0]),)), (4,), (3,)),
    "cumsum": fixed(lambda x: A.cumsum(x, axis=-2, reverse=False), (3, 2)),
    "einsum": fixed(lambda a, b: A.einsum(a, b, spec="iij,jk->ki"), (2, 2, 3), (3, 4)),
    "real": fixed(lambda x: A.real(x * (1 + 2j)), (3,)),
    "imag": fixed(lambda x: A.imag(x * (1 + 2j)), (3,)),
    "conj": fixed(lambda x: A.real(A.conj(x * (1 + 2j)) * 1j), (3,)),
    "cast": fixed(lambda x: A.cast(x * x, dtype=np.dtype(np.longdouble), origin=np.dtype(float)), (3,)),
}


def case_of(op: Primitive) -> Any:
    return CASES[op.name] if op.name in CASES else elementwise_case(op)


def right(op: Primitive, seed: int, shape: tuple[int, ...], order: int = 2) -> bool:
    f, args = case_of(op)(np.random.default_rng(seed), shape)
    with np.errstate(all="ignore"):
        return bg.check_grads(f, args, order=order, seed=seed).right


SHOWN = [name for name in TABLE if name not in NODES_ONLY | {"stop_gradient"}]


@pytest.mark.parametrize("name", SHOWN)
def test_first_and_second_derivatives(name: str) -> None:
    for seed, shape in enumerate([(2, 3), (1, 2)]):
        f, args = case_of(TABLE[name])(np.random.default_rng(seed), shape)
        report = bg.check_grads(f, args, order=2, seed=seed)
        assert report.right, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), shape=st.lists(st.integers(1, 3), min_size=0, max_size=3).map(tuple))
def test_random_shapes(name: str, seed: int, shape: tuple[int, ...]) -> None:
    assert right(TABLE[name], seed, shape)


def mutants(op: Primitive) -> list[Any]:
    """Wrong rules: each statement scaled by 1.001, one at a time; the derivative of an operation without one set to
    1."""

    def scaled(rule: Any) -> Any:
        return lambda *args, **attrs: (lambda r: None if r is None else r * 1.001)(rule(*args, **attrs))

    if op.kind == "elementwise":
        slots = [i for i, r in enumerate(op.rule) if r is not None]
        if not slots:
            return [tuple((lambda y, *a, **k: 1.0) if i == 0 else r for i, r in enumerate(op.rule))]
        return [tuple(scaled(r) if i == slot else r for i, r in enumerate(op.rule)) for slot in slots]
    if op.kind == "own" and op.name in FLAT:
        return [lambda t, *_: t]
    if op.kind == "bilinear" and op.name == "einsum":
        return [A.EveryArgument(scaled(op.rule.transpose))]
    if op.kind == "bilinear":
        return [(scaled(op.rule[0]), op.rule[1]), (op.rule[0], scaled(op.rule[1]))]
    return [scaled(op.rule)]


def found_out(name: str) -> None:
    op = TABLE[name]
    if name in FLAT:
        return _flat_found_out(op)
    for mutant in mutants(op):
        before = op.rule
        object.__setattr__(op, "rule", mutant)
        try:
            caught = not all(right(op, seed, (2, 3), 1) for seed in range(2))
        finally:
            object.__setattr__(op, "rule", before)
        assert caught, f"a wrong rule of {name} is not noticed"
        assert right(op, 0, (2, 3), 1)
    return None


def _flat_found_out(op: Primitive) -> None:
    before = op.rule
    object.__setattr__(op, "rule", mutants(op)[0])
    try:
        x = np.array([0.3, 1.2, -0.4])
        assert np.any(bg.grad(lambda x: (op(x) * 1.0).sum())(x) != 0)
    finally:
        object.__setattr__(op, "rule", before)
    assert np.all(bg.grad(lambda x: (op(x) * 1.0).sum())(x) == 0)


SAMPLE = ["tanh", "div", "matvec", "sum", "softmax", "getitem", "put", "einsum", "concat", "sign"]


@pytest.mark.parametrize("name", SAMPLE)
def test_a_wrong_rule_is_found_out(name: str) -> None:
    found_out(name)


@pytest.mark.parametrize("name", [n for n in [*SHOWN, "stop_gradient"] if n not in SAMPLE])
def test_every_wrong_rule_is_found_out(name: str) -> None:
    found_out(name)


@pytest.mark.parametrize("name", sorted(NODES_ONLY))
def test_rules_of_the_batch(name: str) -> None:
    """A shared W meets batched x: its derivative sums over the batch, and the derivative of that sum copies."""
    r = np.random.default_rng(0)
    W, x, g = leaf("W", (2, 3)), leaf("x", (3,), batched=True), leaf("g", (2,), batched=True)
    w, b = leaf("w", (3,)), leaf("b", (3,))
    values = {
        W: r.normal(size=(2, 3)),
        x: r.normal(size=(4, 3)),
        g: r.normal(size=(4, 2)),
        w: r.normal(size=3),
        b: r.normal(size=3),
    }

    def second(source: Any, target: Any, through: Any) -> Any:
        first = backward({source: constant(1.0) if not source.shape else g}, [through]).adjoints[through]
        again = backward({P.total(P.square(first)): constant(1.0)}, [target]).adjoints[target]
        return evaluate([first, again], values)

    def check() -> bool:
        if name == "batch_outer":
            first, again = second(P.matvec(W, x), x, W)
            full = values[g].T @ values[x]
            return np.allclose(first, full) and np.allclose(again, 2 * values[g] @ full)
        y = P.dot(P.mul(w, x), x)  # dE/dw = Σ over examples of x²
        adjoint = backward({y: constant(1.0)}, [w]).adjoints[w]
        again = backward({P.total(P.square(adjoint)): constant(1.0)}, [x]).adjoints[x]
        one, two = evaluate([adjoint, again], values)
        X = values[x]
        return np.allclose(one, (X**2).sum(0)) and np.allclose(two, 4 * (X**2).sum(0) * X)

    if name == "batch_copy":  # the transpose of the sum, whose own transpose is the sum
        copied = P.batch_copy(w, x)
        assert copied.batched
        (back,) = evaluate([backward({copied: leaf_like(x, values)}, [w]).adjoints[w]], values)
        assert np.allclose(back, values[x].sum(0))
        return
    assert check()
    op = TABLE[name]
    before = op.rule
    scaled = (
        tuple(lambda *a, r=r: r(*a) * 1.01 for r in before)
        if isinstance(before, tuple)
        else lambda *a: before(*a) * 1.01
    )
    object.__setattr__(op, "rule", scaled)
    try:
        assert not check()
    finally:
        object.__setattr__(op, "rule", before)


def leaf_like(x: Any, values: dict[Any, Any]) -> Any:
    return P.identity(x)


def test_only_functions_of_one_number_have_settings() -> None:
    """The reverse pass of scalar programs passes settings (an exponent, a slope) on for one argument only."""
    import inspect

    for primitive in TABLE.values():
        if primitive.kind == "elementwise" and len(primitive.rule) == 2 and not isinstance(primitive.value, np.ufunc):
            assert len(inspect.signature(primitive.value).parameters) == 2, primitive.name


def test_partials_of_sums_come_from_their_transpose() -> None:
    assert TABLE["add"].partials == (1.0, 1.0)
    assert TABLE["sub"].partials == (1.0, -1.0)
    assert TABLE["neg"].partials[0] == -1.0
    assert TABLE["matvec"].partials is None


VALUES: dict[str, Callable[..., Any]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0.0),
    "leaky_relu": lambda x, slope=0.01: np.where(x > 0, x, slope * x),
    "elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hard_sigmoid": lambda x: np.minimum(np.maximum(0.2 * x + 0.5, 0), 1),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "mish": lambda x: x * np.tanh(np.log(1 + np.exp(x))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "clip": lambda x, low=-0.5, high=0.5: np.minimum(np.maximum(x, low), high),
    "square": lambda x: x**2,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
    "logsumexp": lambda x: np.log(np.exp(x).sum(-1)),
    "norm": lambda x: np.sqrt((x**2).sum(-1)),
    "max": lambda x: np.sort(x)[..., -1],
    "maximum": np.maximum,
    "minimum": np.minimum,
    "squared_error": lambda x, y: 0.5 * ((x - y) ** 2).sum(-1),
    "dot": lambda x, y: np.einsum("...i,...i", x, y),
    "hypot": np.hypot,
    "logaddexp": np.logaddexp,
    "arctan2": np.arctan2,
    "sinc": np.sinc,
    "cumsum": lambda x, axis=-1, reverse=False: np.cumsum(x, axis),
    **{n: getattr(np, n) for n in ("tanh", "sin", "cos", "exp", "expm1", "exp2", "arctan", "arcsinh", "sinh", "cosh")},
    **{n: getattr(np, n) for n in ("floor", "ceil", "rint", "trunc", "sign", "tan")},
}


@pytest.mark.parametrize("name", VALUES)
def test_values_are_those_of_plain_numpy(name: str) -> None:
    """A derivative that fits a wrong value is wrong as well: the values are compared by themselves, with settings."""
    op, function, r = TABLE[name], VALUES[name], np.random.default_rng(4)
    args = tuple(r.normal(size=(2, 4)) * 1.5 for _ in range(2 if name in TWO else 1))
    for attrs in (
        ({}, ATTRS[name])
        if name in ATTRS and name != "clip"
        else (ATTRS.get(name, CUMSUM if name == "cumsum" else {}),)
    ):
        np.testing.assert_allclose(op.value(*args, **attrs), function(*args, **attrs), rtol=1e-12, atol=1e-14)
        if op.kind == "elementwise":
            one = tuple(float(a[1, 2]) for a in args)
            np.testing.assert_allclose(op.value(*one, **attrs), function(*map(np.float64, one), **attrs), rtol=1e-12)


TWO = ("maximum", "minimum", "squared_error", "dot", "hypot", "logaddexp", "arctan2")
CUMSUM = {"axis": -1, "reverse": False}


def test_what_is_no_number_stays_none() -> None:
    """A nan in a pre-activation is not silenced by a relu or a maximum."""
    x = np.array([np.nan, 1.0, -1.0])
    for value in (
        P.relu.value(x),
        P.maximum.value(x, np.zeros(3)),
        P.minimum.value(x, np.zeros(3)),
        P.clip.value(x, -2.0, 2.0),
    ):
        assert np.isnan(value[0]) and np.isfinite(value[1:]).all()
    assert np.isnan(P.relu.value(float("nan")))
