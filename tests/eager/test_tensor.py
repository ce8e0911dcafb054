"""Tensor and the transformations: values, gradients, depth, nesting, assignment, purity."""

from __future__ import annotations

import copy
import math
import sys
import threading
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.eager.reverse import reverse_values
from bpttgraph.eager.value import PromotionNote
from bpttgraph.errors import BPTTError

RNG = np.random.default_rng(0)


def test_reused_values_and_repeated_backward() -> None:
    a = bg.tensor(3.0)
    b = a + a
    c = b + b
    for _ in range(2):
        c.backward()
        assert (a.grad, b.grad) == (4.0, 2.0)
    x = bg.tensor(3.0)
    cube = x * x * x
    cube.backward()
    cube.backward()
    assert x.grad == 27.0 and type(x.grad) is float and type(cube.data) is float


def test_reflected_operators_and_scalars() -> None:
    x = bg.tensor(2.0)
    for y, value, slope in [
        (1 + x, 3.0, 1.0),
        (1 - x, -1.0, -1.0),
        (3 * x, 6.0, 3.0),
        (1 / x, 0.5, -0.25),
        (2**x, 4.0, 4 * math.log(2)),
        (x**3, 8.0, 12.0),
        (-x, -2.0, -1.0),
        (x % 1.5, 0.5, 1.0),
        (abs(-x), 2.0, 1.0),
        (x**0, 1.0, 0.0),
        (x**-1, 0.5, -0.25),
        (+x, 2.0, 1.0),
        (x / 4, 0.5, 0.25),
        (x - 1, 1.0, 1.0),
    ]:
        x.grad = None
        y.backward()
        assert y.item() == pytest.approx(value) and x.grad == pytest.approx(slope)
    assert bg.grad(lambda x: x**0.5)(4.0) == 0.25
    assert bg.grad(lambda x: x**0.5)(0.0) == np.inf  # no ZeroDivisionError
    assert np.isnan(((bg.tensor(-8.0)) ** 0.5).item())


def test_depth_is_no_recursion() -> None:
    depth = 20_000
    assert depth > sys.getrecursionlimit()
    x = bg.tensor(1.0)
    y = x
    for _ in range(depth):
        y = y + x
    y.backward()
    assert x.grad == depth + 1

    def rnn(w: Any) -> Any:
        h = 0.3
        for _ in range(5000):
            h = np.tanh(w * h + 0.1) if isinstance(h, float) else (w * h + 0.1).tanh()
        return h

    value, slope = bg.value_and_grad(rnn)(0.9)
    step = 1e-6
    assert slope == pytest.approx(
        (bg.value_and_grad(rnn)(0.9 + step)[0] - bg.value_and_grad(rnn)(0.9 - step)[0]) / (2 * step), rel=1e-6
    )
    assert type(value) is float


@pytest.mark.parametrize("shapes", [((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 2)), ((1,), (4,)), ((2, 3, 1), (1, 4))])
def test_broadcasting_is_undone(shapes: Any) -> None:
    a, b = (RNG.normal(size=s) + 3 for s in shapes)
    for f in (
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        np.maximum,
        np.logaddexp,
        np.hypot,
    ):
        assert bg.check_grads(f, (a, b)).right


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x, axis=(0, 2), keepdims=True),
        lambda x: x.mean(axis=1),
        lambda x: np.max(x, axis=(0, 1)),
        lambda x: x.min(),
        lambda x: x.reshape(3, -1),
        lambda x: x.transpose(2, 0, 1),
        lambda x: x.T,
        lambda x: np.swapaxes(x, 0, 2),
        lambda x: np.moveaxis(x, 0, -1),
        lambda x: x[1, :, ::-1],
        lambda x: x[:, [0, 2, 0]],
        lambda x: x[np.array([True, False])],
        lambda x: x[..., None, 1],
        lambda x: x[-1][0],
        lambda x: np.concatenate([x, 2 * x], axis=1),
        lambda x: np.stack([x, x * x], axis=-1),
        lambda x: np.split(x, 3, axis=1)[2],
        lambda x: np.where(x > 0, x, 2 * x),
        lambda x: np.clip(x, -0.5, 0.5),
        lambda x: np.einsum("ijk,ilk->jl", x, x),
        lambda x: np.einsum("...k->...", x),
        lambda x: np.linalg.norm(x),
        lambda x: np.linalg.norm(x, axis=1),
        lambda x: np.outer(x[0, 0], x[1, 1]),
        lambda x: np.log1p(x * x),
        lambda x: x.softmax(axis=1),
        lambda x: x.log_softmax(),
        lambda x: x.logsumexp(axis=(0, 2)),
        lambda x: np.cumsum(x, axis=1),
        lambda x: np.prod(x, axis=2),
        lambda x: np.var(x, axis=0),
        lambda x: np.std(x),
        lambda x: np.tile(x, (2, 1, 2)),
        lambda x: np.repeat(x, 2, axis=0),
        lambda x: np.sort(x, axis=1),
        lambda x: np.broadcast_to(x, (2, 2, 3, 4)),
        lambda x: np.tensordot(x, x, ((0, 2), (0, 2))),
        lambda x: x @ x[0].T,
        lambda x: x[0, 0] @ x.transpose(0, 2, 1),
        lambda x: x @ x[0, 0],
        lambda x: np.matmul(x, x.transpose(0, 2, 1)),
        lambda x: np.dot(x, x[0].T),
        lambda x: np.kron(x[0], x[1]),
        lambda x: np.pad(x, 1),
        lambda x: np.diff(x, axis=1),
        lambda x: np.triu(x[0]),
        lambda x: np.trace(x),
        lambda x: np.roll(x, 1, axis=2),
        lambda x: np.add.reduce(x, axis=1),
        lambda x: np.hstack([x, x]),
        lambda x: np.vstack([x[0, 0], x[0, 1]]),
        lambda x: np.linalg.norm(x, ord=1, axis=0),
        lambda x: np.full_like(x, x[0, 0, 0]),
    ],
)
def test_numpy_manners(f: Any) -> None:
    x = np.random.default_rng(3).normal(size=(2, 3, 4))
    assert np.allclose(f(bg.tensor(x)).data, f(x) if _works(f, x) else f(bg.tensor(x)).data)
    report = bg.check_grads(f, (x,))
    assert report.right, str(report)


def _works(f: Any, x: Any) -> bool:
    try:
        f(x)
    except AttributeError:
        return False
    return True


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda x, y: np.add.reduce(x, where=y > 0), "add.reduce does not support the option where"),
        (lambda x, y: np.maximum.reduce(x, initial=9.0), "maximum.reduce does not support the option initial"),
        (lambda x, y: np.add(x, y, where=y > 0), "np.add does not support the option where"),
        (lambda x, y: np.add(x, y, out=np.zeros(y.shape)), "out= writes into an array"),
        (lambda x, y: np.add.accumulate(x, axis=0), "np.add.accumulate has no derivative rule"),
    ],
)
def test_an_option_is_honoured_or_refused(f: Any, said: str) -> None:
    x, y = bg.tensor(RNG.normal(size=(3, 4))), RNG.normal(size=(3, 4))
    with pytest.raises(BPTTError, match=said):
        f(x, y)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: np.add(x, y, dtype=np.float32),
        lambda x, y: np.multiply(y, x, dtype=np.float32, where=True),
        lambda x, y: np.add.reduce(x, None, np.float32),
        lambda x, y: np.maximum.reduce(x, axis=1, keepdims=True, initial=None),
        lambda x, y: np.multiply.outer(x, y[0]),
        lambda x, y: np.less(x, y, out=np.zeros(y.shape, bool)),
    ],
)
def test_options_mean_what_they_mean_to_numpy(f: Any) -> None:
    x, y = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
    found, expected = f(bg.tensor(x), y), f(x, y)
    np.testing.assert_allclose(getattr(found, "data", found), expected, rtol=1e-6, atol=1e-6)
    assert found.dtype == expected.dtype


def test_assignment_is_recorded() -> None:
    def fill(x: Any, W: Any) -> Any:
        h = np.zeros((3, 2), like=x)
        h[0] = x
        for t in range(1, 3):
            h[t] = np.tanh(W @ h[t - 1])
        before = h.sum()
        h[:, 0] *= 2.0
        return (h * h).sum() + before

    report = bg.check_grads(fill, (np.array([0.3, -0.4]), RNG.normal(size=(2, 2))))
    assert report.right, str(report)
    A = RNG.normal(size=4)

    def overwrite(A: Any, b: Any) -> Any:
        old = A[1] * 10.0
        A[1] = b
        return (A * A).sum() + old

    ga, gb = bg.grad(overwrite, (0, 1))(A, 3.0)
    assert np.allclose(ga, [2 * A[0], 10.0, 2 * A[2], 2 * A[3]]) and gb == 6.0


def test_rtrl_equals_bptt() -> None:
    """Real-time recurrent learning is forward mode: for each entry of W the state carries its own derivative along."""
    W, x = RNG.normal(size=(3, 3)), RNG.normal(size=(6, 3))

    def loss(W: Any) -> Any:
        h, total = np.zeros(3), 0.0
        for t in range(6):
            h = np.tanh(W @ h + x[t])
            total = total + ((h - 0.1) ** 2).sum()
        return total

    def rtrl(W: Any) -> Any:
        h, influence, gradient = np.zeros(3), np.zeros((3, 3, 3)), np.zeros((3, 3))
        for t in range(6):
            new = np.tanh(W @ h + x[t])
            by_h = (1 - new**2)[:, None] * W
            direct = np.einsum("i,ij,k->ijk", 1 - new**2, np.eye(3), h)
            influence = np.einsum("il,ljk->ijk", by_h, influence) + direct
            h = new
            gradient += np.einsum("i,ijk->jk", 2 * (h - 0.1), influence)
        return gradient

    bptt = bg.grad(loss)(W)
    assert np.allclose(bg.jacobian(loss, mode="fwd")(W), bptt, rtol=1e-13)
    assert np.allclose(rtrl(W), bptt, rtol=1e-13)


def test_no_perturbation_confusion() -> None:
    assert bg.grad(lambda x: x * bg.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert bg.grad(lambda x: x * bg.jvp(lambda y: x * y, 2.0, 1.0)[1])(3.0) == 6.0
    assert bg.jvp(lambda x: x * bg.jvp(lambda y: x + y, 1.0, 1.0)[1], 1.0, 1.0)[1] == 1.0
    assert bg.jvp(lambda x: x * bg.grad(lambda y: x * y * y)(2.0), 3.0, 1.0)[1] == 24.0


def test_seven_ways_to_the_same_hessian() -> None:
    W = RNG.normal(size=(3, 3))
    f = lambda x: np.sum(np.tanh(W @ x) ** 3)  # noqa: E731
    x = RNG.normal(size=3)
    expected = bg.hessian(f)(x)
    for outer in ("fwd", "rev"):
        for inner in ("fwd", "rev"):
            assert np.allclose(bg.jacobian(bg.jacobian(f, mode=inner), mode=outer)(x), expected)
    assert np.allclose(np.stack([bg.hvp(f, x, e) for e in np.eye(3)]), expected)
    assert np.allclose(np.stack([bg.vjp(bg.grad(f), x)[1](e)[0] for e in np.eye(3)]), expected)
    assert np.allclose(expected, expected.T)
    third = bg.jacobian(bg.hessian(f))(x)
    assert np.allclose(third, np.transpose(third, (2, 0, 1)))


@pytest.mark.parametrize("mode", ["rev", "fwd"])
def test_jacobians_lie_as_numpy_lays_them(mode: str) -> None:
    """Output axes first, then those of the argument, entry by entry: sizes that differ, so that no transpose can
    hide."""
    W, x = RNG.normal(size=(2, 3)), RNG.normal(size=3)
    f = lambda W, x: np.stack([np.tanh(W @ x), (W * W) @ x, W[:, 0]])  # noqa: E731
    by_W, by_x = bg.jacobian(f, (0, 1), mode=mode)(W, x)
    assert by_W.shape == (3, 2, 2, 3) and by_x.shape == (3, 2, 3)

    def moved(i: tuple[int, ...], a: Any) -> Any:
        e = np.zeros(a.shape, complex)
        e[i] = 1e-30j
        return a + e

    for i in np.ndindex(W.shape):
        assert np.allclose(by_W[(..., *i)], f(moved(i, W), x).imag / 1e-30)
    for i in np.ndindex(x.shape):
        assert np.allclose(by_x[(..., *i)], f(W, moved(i, x)).imag / 1e-30)


def test_an_output_that_is_returned_twice_counts_twice() -> None:
    def f(x: Any) -> Any:
        y = x * x
        return y, y

    for x in (3.0, np.array([3.0, -1.0])):
        _, pull = bg.vjp(f, x)
        assert np.allclose(pull((np.ones_like(x), 10.0 * np.ones_like(x)))[0], 22.0 * np.asarray(x))
        by = bg.jacobian(f)(x)
        assert np.allclose(by[0], by[1])


def test_what_was_stored_is_read_at_its_own_place_only() -> None:
    """`h[:, -1]` and `h[:, 2]` of three columns are one place, though their indices differ."""

    def f(x: Any) -> Any:
        h = np.zeros((2, 3), like=x)
        h[:, 2] = x
        h[:, -1] = 2.0 * x
        h[:, 1] = 5.0 * x
        return (h[:, 2] * h[:, 2]).sum() + h[:, -2].sum()

    x = np.array([1.0, -2.0])
    assert np.allclose(bg.grad(f)(x), 8 * x + 5)


def test_gradients_have_the_precision_of_what_they_are_gradients_of() -> None:
    """Also where a cotangent in double precision arrives, or one number stands for all entries."""
    x, w = np.ones((2, 3), np.float32), np.full(3, 0.5, np.float32)
    for f in (
        lambda x, w: (x * w).sum(),
        lambda x, w: (x @ w).mean() * np.float64(2.0),
        lambda x, w: x.sum() + w.sum(),
    ):
        for g, a in zip(bg.grad(f, (0, 1))(x, w), (x, w)):
            assert g.dtype == np.float32 and g.shape == a.shape


def test_parameters_may_be_dicts_lists_and_tuples() -> None:
    p = {"W": np.eye(2), "layers": [np.ones(2), (2.0,)]}

    def loss(p: Any, x: Any, *, scale: float = 1.0) -> Any:
        return scale * ((p["W"] @ x + p["layers"][0]) ** 2).sum() * p["layers"][1][0], {"seen": x}

    g, aux = bg.grad(loss, has_aux=True)(p, np.ones(2), scale=2.0)
    assert (
        set(g) == {"W", "layers"} and g["W"].shape == (2, 2) and g["layers"][1] == (16.0,) and np.all(aux["seen"] == 1)
    )
    value, gs = bg.value_and_grad(lambda a, b: a * b, (0, 1))(2.0, 5.0)
    assert value == 10.0 and gs == (5.0, 2.0)
    assert bg.grad(lambda a, b: a * b, -1)(2.0, 5.0) == 2.0


def test_linearize_vjp_and_gradients() -> None:
    y, push = bg.linearize(lambda a, b: {"p": a * b, "s": a + b}, 2.0, 3.0)
    assert (
        y == {"p": 6.0, "s": 5.0} and push(1.0, 0.0) == {"p": 3.0, "s": 1.0} and push(0.0, 1.0) == {"p": 2.0, "s": 1.0}
    )
    W = bg.tensor(RNG.normal(size=(2, 2)), name="W")
    x = bg.tensor([1.0, 2.0], name="x")
    g = bg.gradients(np.tanh(W @ x).sum(), {"W": W, "x": x})
    assert g["W"].shape == (2, 2) and isinstance(g["x"], bg.Tensor)
    again = bg.gradients((g["x"] ** 2).sum(), W)
    assert again.shape == (2, 2) and np.any(again.data != 0)
    assert np.all(bg.gradients(W.sum(), x).data == 0)


def test_nothing_is_destroyed_and_nothing_leaks() -> None:
    f = lambda x: np.tanh(x) * x  # noqa: E731
    x = np.array(0.5)
    assert bg.grad(f)(x) == bg.grad(f)(x) and x == 0.5
    with pytest.raises(RuntimeError), bg.no_grad():
        raise RuntimeError
    assert not (bg.tensor(1.0) * 2).is_constant
    with bg.no_grad():
        assert (bg.tensor(1.0) * 2).is_constant
        assert bg.grad(f)(0.5) == bg.grad(lambda x: f(x))(0.5) != 0  # a transformation records for itself
        seen: list[bool] = []
        worker = threading.Thread(target=lambda: seen.append((bg.tensor(1.0) * 2).is_constant))
        worker.start()
        worker.join()
        assert seen == [False]
    buffer = np.ones(3)
    y = bg.tensor(2.0) * buffer
    total = y.sum()
    buffer[:] = 0  # what was recorded keeps what it saw
    w = bg.tensor(2.0)
    z = (w * np.ones(3)).sum()
    z.backward()
    assert total.item() == 6.0 and w.grad == 3.0


def test_stop_gradient_and_detach() -> None:
    assert bg.grad(lambda x: x * bg.stop_gradient(x))(3.0) == 3.0
    assert bg.grad(lambda x: x * bg.detach(x))(3.0) == 3.0
    graph = bg.trace(lambda x: x * bg.stop_gradient(x), 3.0)
    assert any(n.op and n.op.name == "stop_gradient" for n in graph)


def test_dtypes() -> None:
    x = np.ones(3, np.float32)
    assert bg.grad(lambda x: np.tanh(x * 2.0).mean())(x).dtype == np.float32
    assert np.tanh(bg.tensor(x) + 1).dtype == np.float32
    with pytest.warns(PromotionNote, match="integers"):
        assert bg.tensor([1, 2]).dtype == np.float64
    assert type(bg.tensor(3).data) is float
    z = np.array([1.0 + 2.0j, 0.5 - 1.0j])
    assert bg.check_grads(lambda z: np.sum(np.abs(z) ** 2) + np.real(z * z).sum(), (z,)).right


@pytest.mark.parametrize("far", [1000.0, -1000.0])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.tanh(),
        lambda x: x.sigmoid(),
        lambda x: x.softplus(),
        lambda x: x.softmax(),
        lambda x: x.log_softmax(),
        lambda x: x.logsumexp(),
        lambda x: np.logaddexp(x, 0.0),
        lambda x: x.relu(),
        lambda x: x.silu(),
        lambda x: x.gelu(),
        lambda x: x.elu(),
    ],
)
def test_far_out_nothing_overflows(f: Any, far: float) -> None:  # warnings are errors here
    value, pull = bg.vjp(f, np.array([far, 0.0, 1.0]))
    (g,) = pull(np.ones_like(value))
    assert np.all(np.isfinite(value)) and np.all(np.isfinite(g))


def test_cross_entropy_from_logits() -> None:
    logits, target = np.array([[1000.0, -1000.0, 0.0], [0.1, 0.2, 0.3]]), np.eye(3)[[1, 2]]
    f = lambda z: -(z.log_softmax() * target).sum()  # noqa: E731
    assert np.isclose(bg.value_and_grad(f)(logits)[0], 2000.0 + np.log(np.exp([0.1, 0.2, 0.3]).sum()) - 0.3)
    assert np.allclose(bg.grad(f)(logits)[0], [1.0, -1.0, 0.0])


def test_subgradients() -> None:
    assert np.all(bg.grad(np.linalg.norm)(np.zeros(3)) == 0)
    assert np.all(bg.grad(lambda x: np.std(x))(np.ones(3)) == 0)
    assert bg.grad(lambda x: np.maximum(x, x))(1.0) == 1.0
    assert np.allclose(bg.grad(np.max)(np.array([2.0, 2.0, 1.0])), [0.5, 0.5, 0.0])
    assert bg.grad(lambda x: x.relu())(0.0) == 0.0 and bg.grad(np.abs)(0.0) == 0.0
    x = np.array([0.0, 4.0])
    with np.errstate(divide="ignore"):
        for f in (lambda x: np.where(x > 0, np.sqrt(x), 0.0).sum(), lambda x: np.where(x > 0, np.log(x), 0.0).sum()):
            assert np.all(np.isfinite(bg.grad(f)(x))) and np.all(np.isfinite(bg.hessian(f)(x)))
    assert np.allclose(bg.grad(lambda x: np.prod(x))(np.array([0.0, 2.0, 3.0])), [6.0, 0.0, 0.0])


def test_trace_names_and_draws() -> None:
    def step(h: Any, p: Any) -> Any:
        return np.tanh(p["W"] @ h + p["b"])

    graph = bg.trace(step, np.ones(2), {"W": np.eye(2), "b": np.zeros(2)})
    assert [graph.name(n) for n in graph] == ["h", "W", "b", "matvec.1", "add.1", "step"]
    assert graph.to_networkx().number_of_edges() == len(graph.edges) == 5
    doubled = bg.trace(lambda a: a + a, 1.0)
    assert len(doubled.edges) == 2


def test_copies() -> None:
    x = bg.tensor([1.0], name="x")
    y = copy.deepcopy(x)
    assert y is not x and y.name == "x" and np.all(y.data == x.data)
    assert bg.grad(lambda x: x.copy().sum())(np.ones(2)).tolist() == [1, 1]


def test_own_operations() -> None:
    """An operation of the user is checked, printed, drawn and differentiated twice like the built-in ones."""
    from bpttgraph.core.graph import leaf
    from bpttgraph.derive.read import formula
    from bpttgraph.formulas.printers import to_text

    swish = bg.primitive(
        lambda x: x / (1 + np.exp(-x)), name="swish", derivative=lambda y, x: y + (1 - y) / (1 + np.exp(-x))
    )
    assert bg.check_grads(swish, (np.array([0.3, -2.0]),), oracle="complex").right
    assert to_text(formula(swish(leaf("z[1]", (2,))))) == "swish(z₁)"
    rotate = bg.primitive(lambda x, k: np.roll(x, 1) * k, name="rotate")
    bg.defvjp(rotate, lambda g, y, x, k: np.roll(g, -1) * k, lambda g, y, x, k: (g * np.roll(x, 1)).sum())
    assert bg.check_grads(rotate, (np.arange(3.0), 2.0)).right
    assert bg.check_grads(rotate, (np.arange(3.0), 2.0), oracle="complex").right
    assert any(n.op is rotate for n in bg.trace(rotate, np.arange(3.0), 2.0))
    wrong = bg.primitive(lambda x: x**2, name="wrong", derivative=lambda y, x: x)
    assert not bg.gradcheck(wrong, 3.0).right


def test_a_cotangent_that_two_arguments_share_is_not_summed_in_place() -> None:
    """`a + b` hands both the same array; what else arrives at `a` must not arrive at `b`."""
    a, b = bg.tensor(np.ones(2)), bg.tensor(np.ones(2))
    elsewhere = (a * 5.0).sum() + (a * 7.0).sum()
    (((a + b) * np.array([1.0, 2.0])).sum() + elsewhere).backward()
    assert a.grad.tolist() == [13.0, 14.0]
    assert b.grad.tolist() == [1.0, 2.0]


def test_gradients_of_leaves_may_be_written_to_and_others_not() -> None:
    a, b = bg.tensor(np.ones(2)), bg.tensor(np.ones(2))
    y = a + b
    y.sum().backward()
    a.grad *= 3.0
    assert b.grad.tolist() == [1.0, 1.0] and y.grad.tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        y.grad *= 2.0


def test_gradients_of_shared_weights_are_multiplied_out_late_and_right() -> None:
    """A weight used at every step, also transposed, sliced, and outside of any product, in every order of the uses."""
    W, U, h0 = RNG.normal(size=(5, 7)), RNG.normal(size=(5, 5)) / 3, RNG.normal(size=(1, 5))
    x = RNG.normal(size=(4, 1, 7))

    def steps(W: Any, U: Any, h: Any, early: int, late: int) -> Any:
        loss = early * np.sum(W * W) + early * np.sum(U.T * U)
        for t in range(4):
            h = np.tanh(x[t] @ W.T + h @ U.T)
            loss = loss + np.sum(np.tanh(U @ h[0] + h[0] @ U) ** 2) + np.sum((W[:, 1:] @ x[t, 0, 1:]) * h)
        return loss + late * np.sum(W * W * W) + late * np.sum(U.T * U)

    for early in (0, 1):
        for late in (0, 1):
            assert bg.check_grads(lambda W, U, h: steps(W, U, h, early, late), (W, U, h0)).right  # noqa: B023


def test_what_is_multiplied_out_late_belongs_to_nobody_else() -> None:
    """Each transposed copy has a gradient of its own, read-only; that of the weight may be written to and changes no
    other."""
    x, y = RNG.normal(size=(2, 1, 4))
    W = bg.tensor(RNG.normal(size=(6, 4)))
    a, b = W.T, W.T
    p, q = x @ a, y @ b
    (p.sum() + 2.0 * q.sum()).backward()
    ones = np.ones((1, 6))
    np.testing.assert_array_equal(a.grad, x.T @ ones)
    W.grad += 1.0
    p_before = p.grad.copy()
    np.testing.assert_array_equal(b.grad, 2.0 * y.T @ ones)
    np.testing.assert_allclose(W.grad, ones.T @ x + 2.0 * ones.T @ y + 1.0, rtol=1e-15)
    np.testing.assert_array_equal(p.grad, p_before)
    with pytest.raises(ValueError, match="read-only"):
        a.grad[0] = 0.0
    assert type(a.grad) is np.ndarray and a.grad is a.grad
    found = reverse_values({(x @ a).sum(): 1.0}, [a])
    np.testing.assert_array_equal(found[a], x.T @ ones)


def test_a_gradient_that_is_given_away_is_not_a_cotangent_that_is_still_used() -> None:
    """`w` meets sums that grow in place, then its gradient is written to: that of its neighbour and of the sum stay."""
    w, v = bg.tensor(np.ones(3)), bg.tensor(np.ones(3))
    s = w + v
    y = (s * 2.0).sum() + (s * 3.0).sum() + (s * 4.0).sum()
    y.backward()
    w.grad *= 0.0
    assert v.grad.tolist() == s.grad.tolist() == [9.0, 9.0, 9.0]
    v.grad *= 0.0
    assert s.grad.tolist() == [9.0, 9.0, 9.0]
