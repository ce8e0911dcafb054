"""Numbers: data types, batches, Jacobians, admission of data, and random recurrences against the complex step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from random_recurrences import STATES, recurrences
from truth import CELLS, assert_gradients, bound, complex_step

import bpttgraph as bg
from bpttgraph.check import check_gradients

RNN = bg.cell("rnn")


# -- instances ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_instances_are_generic(name: str) -> None:
    u = bound(name).unroll(4)
    data, again, other = u.instance(3, batch=2), u.instance(3, batch=2), u.instance(4, batch=2)
    for key, value in data.items():
        np.testing.assert_array_equal(value, again[key])
        if value.dtype.kind == "f":
            assert not np.array_equal(value, other[key]) and np.all(value != 0)
        if value.ndim == 2 and value.shape[0] == value.shape[1] and key in u.parameters:
            assert not np.allclose(value, value.T)
    run = u.run(data)
    assert all(np.any(np.abs(g) > 1e-6) for g in run.gradients.values()), "no gradient of an instance vanishes"


@pytest.mark.parametrize("batch", [0, -1, True, 2.0, "3"])
def test_what_is_no_batch(batch: Any) -> None:
    with pytest.raises(bg.BPTTError, match="is not a number of examples"):
        RNN.unroll(3).instance(batch=batch)


# -- types -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["rnn", "lstm", "gru-reset-after", "bidirectional", "seq2seq:feedback", "relu-rnn", "exp-trace", "lstm-fused"],
)
@pytest.mark.parametrize("batch", [None, 2])
def test_float32_stays_float32(name: str, batch: int | None) -> None:
    u = bound(name).unroll(3, reduce="mean")
    data = u.instance(1, batch)
    small = {k: v.astype(np.float32) if v.dtype.kind == "f" else v for k, v in data.items()}
    run, exact = u.run(small), u.run(data)
    assert run.loss.dtype == np.float32
    assert {v.dtype for v in run.values.values()} == {v.dtype for v in run.gradients.values()} == {np.dtype(np.float32)}
    wrt = next(iter(u.parameters))
    state = next(n for n in run.gradients if "[" in n)
    assert run.contributions(wrt).dtype == run.jacobian(u.heads[-1].name, state).dtype == np.float32
    for key, gradient in run.gradients.items():
        np.testing.assert_allclose(gradient, exact.gradients[key], rtol=2e-3, atol=1e-5)


def test_complex_data_give_complex_numbers() -> None:
    u = RNN.unroll(3)
    data = u.instance(1)
    data["W_hh"] = data["W_hh"] + 0.1j
    run = u.run(data)
    assert run.loss.dtype == complex and run.gradients["W_hh"].dtype == complex
    step = 1e-7
    moved = {**data, "W_hh": data["W_hh"] + step * np.eye(4)[[0]].T @ np.eye(4)[[1]]}
    assert (u.run(moved).loss - run.loss) / step == pytest.approx(run.gradients["W_hh"][0, 1], rel=1e-5)  # analytic


# -- batches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_a_batch_is_its_examples(name: str) -> None:
    u = bound(name).unroll(3)
    data = u.instance(6, batch=3)
    run = u.run(data)
    total: dict[str, Any] = dict.fromkeys(u.parameters, 0.0)
    loss = 0.0
    for b in range(3):
        alone = {k: v if k in u.parameters else v[b] if "[" in k else v[:, b] for k, v in data.items()}
        one = u.run(alone)
        loss += one.loss
        for key in one.values:
            whole = run.values[key]
            if key not in u.parameters and key != u.total:
                np.testing.assert_allclose(whole[b], one.values[key], rtol=1e-13, atol=1e-15)
        for key, gradient in one.gradients.items():
            if key in total:
                total[key] = total[key] + gradient
            else:
                np.testing.assert_allclose(run.gradients[key][b], gradient, rtol=1e-12, atol=1e-14)
    assert run.loss == pytest.approx(loss, rel=1e-13)
    for key, gradient in total.items():
        np.testing.assert_allclose(run.gradients[key], gradient, rtol=1e-11, atol=1e-13)


def test_what_all_examples_share() -> None:
    u = RNN.unroll(3)
    data = u.instance(2, batch=3)
    for key, value in [("h[0]", data["h[0]"][0]), ("x", data["x"][:, 0]), ("target", data["target"][:, 0])]:
        lone = {**data, key: value}
        assert_gradients(u, lone)
        gradient = u.run(lone).gradients[key]
        assert gradient.shape == (np.shape(value) if key != "target" else (*np.shape(value), 3))
    absent = {k: v for k, v in data.items() if k != "h[0]"}
    zero = {**data, "h[0]": np.zeros(4)}
    assert u.run(absent).loss == u.run(zero).loss
    np.testing.assert_array_equal(u.run(absent).gradients["W_hh"], u.run(zero).gradients["W_hh"])


def test_a_batch_that_only_one_part_sees() -> None:
    """The other part stands in every example's loss, so its gradient is counted for each of them."""
    u = bg.recurrence("a[t] = tanh(A a[t-1]); b[t] = tanh(B b[t-1]); L[t] = dot(v, a[t]) + dot(w, b[t])").unroll(
        3, sizes={"a": 2, "b": 3}
    )
    data = u.instance(1)
    data["a[0]"] = np.random.default_rng(1).normal(size=(4, 2))
    run = assert_gradients(u, data)
    assert run.gradients["b[0]"].shape == (3,) and run.gradients["a[0]"].shape == (4, 2)


# -- gradients of anything, Jacobians ----------------------------------------------------------------------------------


def test_gradients_of_inputs_and_inner_variables() -> None:
    u = bg.cell("lstm").unroll(3)
    for batch in (None, 2):
        data = u.instance(8, batch)
        run = u.run(data)
        np.testing.assert_allclose(run.gradients["x"], complex_step(u, data, "x"), rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(run.gradients["dE_dh"], [run.values[f"h[{t}]"] for t in (1, 2, 3)], rtol=1e-14)
        inner = run.gradients["c[2]"]
        later = run.jacobian("c[3]", "c[2]")
        assert inner.shape == run.values["c[2]"].shape and later.shape == (*inner.shape, 3)
        assert set(run.gradients) == {*u.parameters, "h[0]", "c[0]"} and len(run.gradients) == 14
    with pytest.raises(bg.BPTTError, match=r"there is no variable c\[9\]"):
        run.gradients["c[9]"]
    with pytest.raises(bg.BPTTError, match="there is no parameter q"):
        run.contributions("q")


@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("by", ["h[0]", "x", "W", "U_z"])
def test_jacobians(batch: int | None, by: str) -> None:
    u = bg.cell("gru").unroll(3)
    data = u.instance(5, batch)
    run = u.run(data)
    lead = () if batch is None else (batch,)
    node = "x[2]" if by == "x" else by
    found = run.jacobian("h[3]", node)
    assert found.shape == (*lead, 3, *u.node(node).shape)
    for index in np.ndindex(u.node(node).shape):
        moved = {k: v.astype(complex) for k, v in data.items()}
        place: Any = (1, Ellipsis, *index) if by == "x" else (Ellipsis, *index)
        moved[by][place] += 1e-30j
        column = u.run(moved).values["h[3]"].imag / 1e-30
        np.testing.assert_allclose(found[(Ellipsis, *index)], column, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("batch", [None, 2])
def test_jacobians_of_what_belongs_to_no_example(batch: int | None) -> None:
    """A product of parameters by a vector and by a matrix, and a scalar: axes of the output first."""
    u = bg.recurrence("k = W a; h[t] = tanh(U h[t-1] + k); E[t] = dot(k, h[t])").unroll(2, sizes={"h": 2, "a": 3})
    data = u.instance(1, batch)
    run = u.run(data)
    np.testing.assert_array_equal(run.jacobian("k", "a"), data["W"])
    np.testing.assert_array_equal(run.jacobian("k", "W"), np.einsum("ij,k->ijk", np.eye(2), data["a"]))
    found = run.jacobian("h[1]", "W")
    inner = 1 - np.asarray(run.values["h[1]"]) ** 2
    np.testing.assert_allclose(found, np.einsum("...i,ij,k->...ijk", inner, np.eye(2), data["a"]), rtol=1e-13)


def test_jacobians_of_numbers_and_of_what_does_not_depend() -> None:
    u = RNN.unroll(3)
    run = u.run(u.instance(2))
    np.testing.assert_array_equal(run.jacobian("h[2]", "h[2]"), np.eye(4))
    assert np.all(run.jacobian("h[1]", "h[3]") == 0)
    assert run.jacobian("E[2]", "h[1]").shape == (4,)
    assert np.all(run.jacobian("h[1]", "b_y") == 0)
    chain = run.jacobian("h[3]", "h[2]") @ run.jacobian("h[2]", "h[1]")
    np.testing.assert_allclose(run.jacobian("h[3]", "h[1]"), chain, rtol=1e-13)
    cut = RNN.unroll(3, truncate="one-step")
    np.testing.assert_allclose(
        cut.run(u.instance(2)).jacobian("h[3]", "h[1]"), chain, rtol=1e-13
    )  # truncation does not apply


def test_nothing_is_destroyed() -> None:
    u = RNN.unroll(3)
    data = u.instance(1)
    run = u.run(data)
    first = {k: v.copy() for k, v in run.gradients.items()}
    run.contributions("W_hh")
    run.jacobian("h[3]", "h[1]")
    run.gradients["W_hh"][...] = 0
    for key, value in first.items():
        if key != "W_hh":
            np.testing.assert_array_equal(run.gradients[key], value)
        np.testing.assert_array_equal(u.run(data).gradients[key], value)


# -- admission ---------------------------------------------------------------------------------------------------------


def changed(key: str, value: Any, batch: int | None = None) -> dict[str, Any]:
    return {**RNN.unroll(3).instance(1, batch), key: value}


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (changed("W_hh", np.full((4, 4), np.nan)), "data: W_hh holds nan at index (0, 0)", "finite"),
        (changed("x", [[1, 2], [3, np.inf], [0, 0]]), "data: x holds inf at index (1, 1)", "finite"),
        (changed("W_xh", np.ones((2, 4))), "data: W_xh has shape (2, 4), but it must be (4, 2)", "transpose W_xh"),
        (
            changed("x", np.ones((4, 2))),
            "data: x has shape (4, 2), but it must be (3, 2) or (3, B, 2)",
            "the first axis is time (T = 3)",
        ),
        (changed("x", np.ones((3, 5))), "data: x has shape (3, 5)", "the first axis is time"),
        (changed("x", 1.0), "data: x has shape ()", "the first axis is time"),
        (changed("h[0]", np.ones(3)), "data: h[0] has shape (3,), but it must be (4,) or (B, 4)", "reshape h[0]"),
        (changed("target", [0, 1, 3]), "data: target has a class outside 0 to 2", "classes count from 0"),
        (changed("target", [0, 1, -1]), "data: target has a class outside 0 to 2", "classes count from 0"),
        (
            changed("target", [0, 1]),
            "data: target has shape (2,), but it must be (3, 3) or (3, B, 3) or classes (3,) or (3, B)",
            "time",
        ),
        (changed("target", [0.5, 1.0, 2.0]), "data: target has shape (3,)", "time"),
        (
            changed("x", np.ones((3, 4, 2)), batch=2),
            "data: the batch sizes differ (h[0]: 2, x: 4, target: 2)",
            "same number of examples",
        ),
        (changed("x", "abc"), "data: x is not an array of numbers", "NumPy array"),
        (changed("x", [[1, 2], [3]]), "data: x is not an array of numbers", "NumPy array"),
        (changed("x", None), "data: x is not an array of numbers", "NumPy array"),
        (changed("W_hx", np.ones((4, 2))), "data: there is no W_hx here", "W_xh"),
        ({k: v for k, v in changed("b_h", 0).items() if k != "b_h"}, "data: b_h is missing", "it has shape (4,)"),
        (
            {k: v for k, v in changed("x", 0).items() if k != "x"},
            "data: x is missing",
            "u.instance() makes a complete example",
        ),
    ],
)
def test_bad_data(data: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(bg.BPTTError) as caught:
        RNN.unroll(3).run(data)
    assert message in caught.value.message and hint in str(caught.value)
    assert str(caught.value).count("hint: ") == 1


def test_what_data_may_look_like() -> None:
    u = RNN.unroll(3)
    data = u.instance(1)
    run = u.run(data)
    lists = {k: v.tolist() for k, v in data.items()}
    assert u.run(lists).loss == run.loss
    hot = {**data, "target": np.eye(3)[data["target"]]}
    np.testing.assert_allclose(u.run(hot).gradients["W_hh"], run.gradients["W_hh"], rtol=1e-15)
    whole = {**data, "x": np.ones((3, 2), int)}
    assert np.isfinite(u.run(whole).loss)
    last = RNN.unroll(3, loss="last")
    assert last.run(data).loss == pytest.approx(run.values["E[3]"])  # targets of steps without a loss do no harm
    square = RNN.unroll(3).instance(1, batch=3)  # as many examples as classes
    assert square["target"].shape == (3, 3)
    spread = {**square, "target": np.eye(3)[square["target"]]}
    assert u.run(square).loss == u.run(spread).loss
    assert u.run({**data, "target": np.eye(3, dtype=int)}).loss == u.run({**data, "target": [0, 1, 2]}).loss
    mixture = {**data, "target": np.full((3, 3), 1 / 3)}
    assert_gradients(u, mixture)


# -- random recurrences ------------------------------------------------------------------------------------------------


@given(
    text=recurrences(),
    steps=st.integers(1, 4),
    size=st.integers(1, 3),
    batch=st.sampled_from([None, 1, 2]),
    seed=st.integers(0, 99),
    last=st.booleans(),
)
def test_random_recurrences(text: str, steps: int, size: int, batch: int | None, seed: int, last: bool) -> None:
    rec = bg.recurrence(text)
    if not rec.parameters and not rec.states:
        return
    u = rec.unroll(
        steps,
        sizes=dict.fromkeys([n for n in (*rec.states, *rec.inputs, "p") if n in (*STATES, "x", "z")], size),
        loss="last" if last else "every",
    )
    run = assert_gradients(u, u.instance(seed, batch), slack=4096)
    for wrt in list(u.parameters)[:1]:
        d = u.derive(wrt)
        if d.count <= 200:
            np.testing.assert_allclose(d.value(run), run.gradients[wrt], rtol=1e-8, atol=1e-10)


# -- what holds no data, and what belongs to no step -------------------------------------------------------------------


def moved_gradient(u: Any, data: dict[str, Any], key: str, loss: Any) -> Any:
    """By the complex step through a loss written by hand."""
    found = np.zeros(np.shape(data[key]))
    for place in np.ndindex(found.shape):
        array = np.array(data[key], complex)
        array[place] += 1e-30j
        found[place] = loss({**data, key: array}).imag * 1e30
    return found


def without_data(d: dict[str, Any]) -> Any:
    """`z[t] = x[t] + b; k[t] = tanh(W c); E[t] = dot(c, z[t]) + dot(b, k[t])`: k is the same for all examples and
    counts for each."""
    steps, batch = d["x"].shape[:2]
    each = np.sum((d["x"] + d["b"]) @ d["c"])
    return each + steps * batch * (d["b"] @ np.tanh(d["W"] @ d["c"]))


def only_parameters(d: dict[str, Any]) -> Any:
    """`k[t] = tanh(W c); L[t] = dot(c, k[t]); M[t] = dot(b, x[t])`: a loss without data beside one with."""
    steps, batch = d["x"].shape[:2]
    return steps * batch * (d["c"] @ np.tanh(d["W"] @ d["c"])) + np.sum(d["x"] @ d["b"])


@pytest.mark.parametrize("schedule", [True, False])
@pytest.mark.parametrize(("text", "loss"), [
    ("z[t] = x[t] + b; k[t] = tanh(W c); E[t] = dot(c, z[t]) + dot(b, k[t])", without_data),
    ("k[t] = tanh(W c); L[t] = dot(c, k[t]); M[t] = dot(b, x[t]); E = sum_t L[t] + sum_t M[t]", only_parameters),
])  # fmt: skip
def test_what_holds_no_data_counts_for_every_example(text: str, loss: Any, schedule: bool) -> None:
    u = bg.recurrence(text).unroll(3, sizes={"x": 2, "b": 2, "c": 2})
    for batch in (1, 2, 3):
        data = u.instance(1, batch)
        run = u.run(data, schedule=schedule)
        assert run.loss == pytest.approx(loss(data), rel=1e-13)
        assert {np.shape(v)[0] for n, v in run.values.items() if "[" in n} == {batch}
        for key in ("b", "c", "W"):
            expected = moved_gradient(u, data, key, loss)
            np.testing.assert_allclose(run.gradients[key], expected, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(run.contributions(key).sum((0, 1)), expected, rtol=1e-12, atol=1e-13)
        assert check_gradients(u, data=data).right


def test_the_gradient_of_an_input_that_is_not_read_at_every_step() -> None:
    u = bg.recurrence("h[t] = tanh(w*h[t-1] + x[t]); E[t] = dot(z[t], h[t])").unroll(4, sizes={"x": 2}, loss=[1, 3])
    for batch in (None, 2):
        data = u.instance(0, batch)
        run = u.run(data)
        assert run.gradients["z"].shape == data["z"].shape and run.gradients["x"].shape == data["x"].shape
        for t in (1, 2, 3, 4):
            expected = run.values[f"h[{t}]"] if t in (1, 3) else 0.0
            np.testing.assert_allclose(
                run.gradients["z"][t - 1], np.broadcast_to(expected, data["z"][t - 1].shape), rtol=1e-13
            )


def test_the_gradient_of_an_input_before_the_first_step() -> None:
    u = bg.recurrence("h[t] = tanh(w*h[t-1] + x[t] * x[t-1]); E[t] = h[t]").unroll(2, sizes=1)
    data = u.instance(0)
    moved = u.run({**data, "x[0]": data["x[0]"] + 1e-30j}, schedule=False).loss.imag * 1e30
    assert u.run(data).gradients["x[0]"] == pytest.approx(moved, rel=1e-13)


def test_uses_outside_the_steps_have_a_place_in_the_triangle() -> None:
    """Before the first step: with the first. In a total: at the step of its sum, or with the last."""
    u = bg.recurrence("h[t] = tanh(a*h[t-1]); L[t] = h[t]^2; E = a*sum_t (a * L[t]); h[0] = a").unroll(3, sizes=1)
    data = {"a": np.float64(0.7)}
    states, squares = [0.7], []
    for _ in range(3):
        states.append(np.tanh(0.7 * states[-1]))
        squares.append(states[-1] ** 2)
    slopes = [1 - h * h for h in states]
    carried = [2 * 0.49 * h for h in states]  # of E by h[t] through L[t]
    expected = np.zeros(3)
    adjoint = 0.0
    for t in (3, 2, 1):
        adjoint = (adjoint * 0.7 + carried[t]) if t == 3 else adjoint * 0.7 * slopes[t + 1] + carried[t]
        expected[t - 1] += adjoint * slopes[t] * states[t - 1] + 0.7 * squares[t - 1]
    expected[0] += adjoint * slopes[1] * 0.7  # h[0] = a
    expected[2] += 0.7 * sum(squares)  # the factor before the sum
    run = u.run(data)
    np.testing.assert_allclose(run.contributions("a").sum(0), expected, rtol=1e-12)
    assert run.gradients["a"] == pytest.approx(expected.sum(), rel=1e-12)
    found = [f for f in u.derive("a").check(data).findings if f.what.startswith(("dE/d", "each dE"))]
    assert len(found) >= 4 and all(f.right for f in found)


def test_jacobians_of_numbers_without_data() -> None:
    u = bg.recurrence("h[t] = tanh(a*h[t-1] + a); h[0] = 0").unroll(3, sizes=1)
    run = u.run({"a": np.float64(0.3)})
    h = [0.0]
    for _ in range(2):
        h.append(np.tanh(0.3 * h[-1] + 0.3))
    assert run.jacobian("h[2]", "h[1]") == pytest.approx((1 - h[2] ** 2) * 0.3, rel=1e-14)
    by_a = (1 - h[2] ** 2) * (h[1] + 1 + 0.3 * (1 - h[1] ** 2))
    assert run.jacobian("h[2]", "a") == pytest.approx(by_a, rel=1e-14)
