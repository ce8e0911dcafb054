"""What does not fit is refused at the door, in one sentence; numbers of any size are judged without a warning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.errors import BPTTError, Fault
from bpttgraph.homework.courses.audit import audit

REC = bg.recurrence("h[t] = tanh(W h[t-1] + x[t]); h[0] = w; L[t] = dot(a, h[t])")
U = REC.unroll(4, sizes={"h": 3})
DATA = U.instance(seed=0)
RUN = U.run(DATA)
G = dict(RUN.gradients)
U3 = REC.unroll(3, sizes={"h": 3})
RUN3 = U3.run(U3.instance(seed=1))
STRANGE = (1.5, object(), b"x", [1, 2], {"a": object()})
PAIR = np.array([2.5, 1j])
NO_TEXT = (None, 1, *STRANGE)
NO_WHOLE = (None, "a", True, float("nan"), np.arange(2), *STRANGE)


def train(**given: Any) -> Any:
    """A model that is trained in a moment."""
    options = {"text": "to be or not to be " * 4, "iterations": 1, "hidden": 3, "steps": 4, **given}
    return bg.train(options.pop("text"), **options)


DOORS: dict[str, tuple[tuple[Any, ...], Callable[[Any], Any]]] = {
    "grad: argnums": ((None, 1.5, "a", True, [1.5], np.arange(2), object()), lambda x: bg.grad(abs, x)),
    "value_and_grad: argnums": ((None, 1.5, {"a"}), lambda x: bg.value_and_grad(abs, x)),
    "jacobian: argnums": ((None, 1.5, "a"), lambda x: bg.jacobian(abs, x)),
    "hessian: argnums": ((None, 1.5, "a"), lambda x: bg.hessian(abs, x)),
    "tensor: name": ((1, np.ones(2), ["a"], object()), lambda x: bg.tensor(1.0, name=x)),
    "verify: seed": ((1.5, "a", -1, True, float("nan"), [1]), lambda x: bg.verify(U, G, seed=x)),
    "verify: batch": ((1.5, "a", 0, True), lambda x: bg.verify(U, G, batch=x)),
    "verify: data": (([1, 2], "q.npz", 1, *STRANGE), lambda x: bg.verify(U, G, data=x)),
    "verify: recurrence": (("h[t] = W h[t-1]", None, 1, *STRANGE), lambda x: bg.verify(x, G, data=DATA)),
    "verify: recurrence of a profile": (
        ("h", None, *STRANGE),
        lambda x: bg.verify(x, G, data=DATA, profile="cs231n-rnn"),
    ),
    "verify: profile": ((1, *STRANGE), lambda x: bg.verify(U, G, data=DATA, profile=x)),
    "verify: answer": ((None, 1, {}, "", *STRANGE), lambda x: bg.verify(U, x, data=DATA)),
    "verify: feedback": (NO_TEXT, lambda x: bg.verify(U, G, data=DATA, feedback=x)),
    "instance: seed": ((None, 1.5, "a", -1, True), lambda x: U.instance(x)),
    "run": ((None, 1, "q.npz", [], *STRANGE), lambda x: U.run(x)),
    "run: once more": ((1, [0] * len(DATA)), lambda x: (U.run(DATA), U.run(x))),
    "check": ((1, "q.npz", [], *STRANGE), lambda x: U.derive("W").check(x)),
    "numbers": ((1, "q.npz", [], *STRANGE), lambda x: U.derive("W").statement("numbers", "unicode", x)),
    "recurrence": (NO_TEXT, bg.recurrence),
    "cell": (NO_TEXT, bg.cell),
    "derive": (NO_TEXT, U.derive),
    "derive for any T": (NO_TEXT, REC.derive),
    "gradient": (NO_TEXT, RUN.gradient),
    "contributions": (NO_TEXT, RUN.contributions),
    "jacobian": (NO_TEXT, lambda x: RUN.jacobian(x, "h[1]")),
    "level": (NO_TEXT, lambda x: U.derive("W").statement(x)),
    "form": (NO_TEXT, lambda x: U.derive("W").statement("matrix", x)),
    "notation": (NO_TEXT, lambda x: U.derive("W", notation=x)),
    "onehot": ((1, *STRANGE), lambda x: U.derive("W", onehot=x)),
    "sizes": ((1.5, object(), b"x", "h"), lambda x: REC.unroll(3, sizes=x)),
    "let": ((1, "phi", [1, 2], b"x", PAIR), lambda x: bg.recurrence("h[t] = phi(W h[t-1])", let=x)),
    "steps": ((None, 1.5, "a", *STRANGE), lambda x: REC.derive("W").at(steps=x)),
    "loss": (([1.5], [2.0], ["a"], PAIR, object(), {"a": 1}), lambda x: U.recurrence.unroll(4, loss=x)),
    "truncate": ((1.5, PAIR, [4], object()), lambda x: REC.unroll(4, truncate=x)),
    "inputs": ((*NO_TEXT, PAIR), lambda x: REC.unroll(4, inputs=x)),
    "reduce": ((*NO_TEXT, PAIR), lambda x: REC.unroll(4, reduce=x)),
    "memory": ((*NO_TEXT, PAIR), lambda x: U.run(DATA, memory=x)),
    "view": ((1, *STRANGE, PAIR), lambda x: U.draw(view=x)),
    "picture": (NO_TEXT, lambda x: U.draw().save(x)),
    "values": (NO_TEXT, lambda x: RUN.values[x]),
    "order": ((None, 1.5, "a", PAIR, *STRANGE), lambda x: bg.check_grads(np.sin, 1.0, order=x)),
    "modes": ((None, 1, "fwd", PAIR, *STRANGE), lambda x: bg.check_grads(np.sin, 1.0, modes=x)),
    "name of a tensor": ((1, *STRANGE), lambda x: bg.tensor(1.0, name=x)),
    "cell: let": ((1, "phi", [1, 2], b"x", PAIR, {1: "tanh"}, {"phi": 1}), lambda x: bg.cell("rnn-abstract", let=x)),
    "let by no name": ((1, None, b"x"), lambda x: bg.recurrence("h[t] = phi(W h[t-1])", let={x: "tanh"})),
    "sizes by no name": ((1, None, b"x"), lambda x: REC.unroll(3, sizes={x: 2})),
    "title": (NO_TEXT, lambda x: setattr(bg.recurrence("h[t] = W h[t-1]"), "title", x)),
    "cap": ((*NO_WHOLE, -1), lambda x: U.derive("W", cap=x)),
    "width": ((*NO_WHOLE[1:], 0, -1), lambda x: U.derive("W").latex(width=x)),
    "width for any T": ((*NO_WHOLE[1:], 0, -1), lambda x: REC.derive("W").latex(width=x)),
    "width of a recursion": ((*NO_WHOLE[1:], 0), lambda x: REC.derive("W").recursions[0].latex(width=x)),
    "width of a closed form": ((*NO_WHOLE[1:], 0), lambda x: REC.derive("W").closed_form.latex(width=x)),
    "width of a statement": ((*NO_WHOLE[1:], 0), lambda x: U.derive("W").factored[0].latex(width=x)),
    "form for any T": (("text", "", *NO_TEXT), lambda x: REC.derive("W").written(x)),
    "form of a closed form": (("text", "", *NO_TEXT), lambda x: REC.derive("W").closed_form.written(x)),
    "steps of a derivation": (({"decoder": 2}, {1: 2}, np.arange(2), 0), lambda x: REC.derive("W").at(x)),
    "instantiate": ((None, 1.5, "a", *STRANGE), lambda x: REC.derive("W").instantiate(x)),
    "name of a function": (
        ("", "a b", "for", "np", "range", "tanh(x)", "softmax", "é", *NO_TEXT),
        lambda x: REC.derive("W").code(name=x),
    ),
    "number of terms": ((*NO_WHOLE, -1), lambda x: U.derive("W").first_terms(x)),
    "board": (("all", *NO_TEXT, PAIR), lambda x: U.derive("W").worked(x)),
    "level of a value": (("all", *NO_TEXT, PAIR), lambda x: U.derive("W").value_at(x, RUN)),
    "level of a term": (("all", *NO_TEXT, PAIR), lambda x: U.derive("W").terms[0].latex(x)),
    "level in SymPy": (("all", *NO_TEXT, PAIR), lambda x: U.derive("W").sympy(x)),
    "value of no run": ((DATA, *NO_TEXT, PAIR), lambda x: U.derive("W").value(x)),
    "value of a level of no run": ((DATA, *NO_TEXT, PAIR), lambda x: U.derive("W").value_at("matrix", x)),
    "value of a term of no run": ((DATA, *NO_TEXT, PAIR), lambda x: U.derive("W").terms[0].value(x)),
    "entry": (
        (1, "ij", (0, 1), (1, 4), (1,), (1, 2, 3), (1.5, 1), PAIR),
        lambda x: U.derive("W").factored_at("elements", x),
    ),
    "link": (NO_TEXT, lambda x: U.derive("W").local(x)),
    "values by no name": ((np.arange(2), {1}), lambda x: RUN.values[x]),
    "gradients by no name": ((np.arange(2), *NO_TEXT), lambda x: RUN.gradients[x]),
    "fold": ((np.arange(3), None, [1, 2], object(), "a", (1,), (1, "a"), (1, -1), 1.5), lambda x: U.draw(fold=x)),
    "detail": ((np.arange(3), 1, b"x", [1]), lambda x: U.draw(detail=x)),
    "labels": ((*NO_TEXT, PAIR), lambda x: U.draw(labels=x)),
    "theme": ((*NO_TEXT, PAIR), lambda x: REC.draw(theme=x)),
    "term of a picture": ((np.arange(2), 1.5, "a"), lambda x: U.draw("paths", wrt="W", t=x)),
    "flow": ((*NO_TEXT[1:], "W", PAIR), lambda x: U.flow(wrt=x)),
    "audit": ((None, 1, 1.5, object(), [1, 2], {"a": 1}, PAIR), audit),
    "train: text": (NO_TEXT, lambda x: train(text=x)),
    "train: a short text": (("", "a"), lambda x: train(text=x)),
    "train: cell": (NO_TEXT, lambda x: train(cell=x)),
    "train: iterations": ((*NO_WHOLE, -1), lambda x: train(iterations=x)),
    "train: every": ((*NO_WHOLE, 0), lambda x: train(every=x)),
    "train: report": ((1, "a", [1, 2], PAIR), lambda x: train(report=x)),
    "train: checkpoint": ((1, 1.5, b"x", [1, 2], object()), lambda x: train(checkpoint=x)),
    "train: hidden": ((*NO_WHOLE, 0), lambda x: train(hidden=x)),
    "train: steps": ((*NO_WHOLE, 0), lambda x: train(steps=x)),
    "train: batch": ((*NO_WHOLE, 0), lambda x: train(batch=x)),
    "train: seed": ((*NO_WHOLE, -1), lambda x: train(seed=x)),
    "train: optimizer": ((*NO_TEXT, "none"), lambda x: train(optimizer=x)),
    "train: schedule": ((*NO_TEXT, "none"), lambda x: train(schedule=x)),
    "train: clip": ((*NO_TEXT, "value:x"), lambda x: train(clip=x)),
    "train: rate": ((None, "a", b"x", [1, 2], PAIR, 0.0, float("nan")), lambda x: train(rate=x)),
    "train: scale": (("a", b"x", [1, 2], PAIR, -1.0, float("nan")), lambda x: train(scale=x)),
    "train: validation": ((None, "a", b"x", [1, 2], PAIR, 1.0), lambda x: train(validation=x)),
    "train: a setting": ((1,), lambda x: train(hiden=x)),
    "sample: length": ((*NO_WHOLE, -1), lambda x: train().sample(x)),
    "sample: start": (NO_TEXT, lambda x: train().sample(3, start=x)),
    "sample: temperature": ((None, "a", [1, 2], 0.0, float("nan")), lambda x: train().sample(3, temperature=x)),
    "sample: seed": ((*NO_WHOLE, -1), lambda x: train().sample(3, seed=x)),
    "tangents": ((None, 1.0, object()), lambda x: bg.jvp(np.multiply, (1.0, 2.0), x)),
    "profile": (NO_TEXT, __import__("bpttgraph.homework.courses.profile").homework.courses.profile.profile),
}


@pytest.mark.parametrize("door", DOORS)
def test_what_does_not_fit_is_refused_at_the_door(door: str) -> None:
    values, call = DOORS[door]
    for value in values:
        with pytest.raises(BPTTError) as refused:
            call(value)
        assert refused.value.message and refused.value.hint and not isinstance(refused.value, Fault), value


def test_steps_that_nobody_named_are_those_of_an_unrolling() -> None:
    """`at` reads steps as `unroll` does: {} names no block, so all of them have as many steps as nobody asked for."""
    g = REC.derive("W", sizes={"h": 3})
    assert g.at({}).unrolled.steps == REC.unroll({}).steps == {None: 3}
    assert np.array_equal(g.at({}).value(RUN3), g.at(3).value(RUN3))
    two = bg.cell("seq2seq")
    d = two.derive(next(iter(two.parameters))).at({"encoder": 2})
    assert d.unrolled.steps == two.unroll({"encoder": 2}).steps


def test_steps_with_a_loss_may_be_an_array() -> None:
    for loss in (np.array([2, 4]), [np.int64(2), 4], range(2, 5, 2), "2,4"):
        assert REC.unroll(4, loss=loss).loss_steps == (2, 4)


@pytest.mark.parametrize("name", ["W", "x", "w"])
def test_complex_numbers_are_refused_where_they_mean_nothing(name: str) -> None:
    data = {**DATA, name: DATA[name] + 1j}
    for call in (
        lambda: bg.verify(U, G, data=data),
        lambda: U.derive("W").check(data),
        lambda: U.derive("W").statement("numbers", "unicode", data),
    ):
        with pytest.raises(BPTTError, match=f"{name} holds complex numbers"):
            call()
    for answer in ({"W": G["W"] + 1j}, {"W": (G["W"] + 1j).tolist()}, lambda **_: {"W": G["W"] + 0j}):
        with pytest.raises(BPTTError, match="not an array of"):
            bg.verify(U, answer, data=DATA)
    assert np.iscomplexobj(U.run(data).loss)  # a run takes them: for a complex step of one's own


@pytest.mark.parametrize("size", [1e160, 1e200, 1e300, 1e308, 1e-300, 1e-320])
def test_answers_of_any_size_are_judged(size: float) -> None:
    entry = G["W"].copy()
    entry[1, 1] = size
    for answer in ({**G, "W": G["W"] * size}, {k: v * size for k, v in G.items()}, {"W": entry}):
        verdict = bg.verify(U, answer, data=DATA)
        assert "W" in verdict.wrong and verdict.report() and verdict.to_json()
    if size > 1:
        said = bg.verify(U, {k: v * size for k, v in G.items()}, data=DATA).parameters["W"].cause
        assert f"multiplied by {size:.6g}" in said


@pytest.mark.parametrize("size", [1e160, 1e200, 1e300])
@pytest.mark.parametrize("name", ["x", "w", "a"])
def test_data_of_any_size_is_run_and_judged(name: str, size: float) -> None:
    data = {**DATA, name: DATA[name] * size}
    U.run(DATA)  # what follows has the form of data admitted before
    gradients = dict(U.run(data).gradients)
    verdict = bg.verify(U, gradients, data=data)
    assert not verdict.wrong and verdict.parameters["a"].status == "right"
    assert "W" in bg.verify(U, {**gradients, "W": gradients["W"] * 1.5 + size}, data=data).wrong
    assert U.derive("a").check(data).right


def test_what_rounding_swamps_is_undecidable() -> None:
    """1 − h² of a saturated step is pure rounding; multiplied by an h[0] of 1e20 it is larger than the gradient, so
    that any answer would pass. Nothing is called right then, whatever is handed in, and what is farther off is
    wrong."""
    for name, size, decided in (("w", 1e8, True), ("w", 1e20, False), ("w", 1e160, False), ("x", 1e4, False)):
        data = {**DATA, name: DATA[name] * size}
        gradients = dict(U.run(data).gradients)
        right = bg.verify(U, gradients, data=data)
        half = bg.verify(U, {**gradients, "W": 1.5 * gradients["W"]}, data=data)
        if decided:
            assert right.parameters["W"].status == "right" and half.wrong == ("W",) and U.derive("W").check(data).right
            assert right.parameters["w"].status == "undecidable"  # what stands behind the saturated step
            continue
        for verdict in (right, half):
            assert verdict.parameters["W"].status == "undecidable" and not verdict.right and not verdict.wrong
            assert "rounding alone may move it by" in verdict.parameters["W"].note and "undecidable" in verdict.report()
        with pytest.raises(BPTTError, match="on these numbers dE/dW is undecidable"):
            U.derive("W").check(data)
        assert right.parameters["a"].status == "right"  # whose gradient reads h itself
        far = {**gradients, "W": gradients["W"] + (1e3 * size if name == "w" else 1.0)}
        assert "W" in bg.verify(U, far, data=data).wrong


def test_a_gradient_of_nothing_is_right() -> None:
    """Zero is no doubt: where the loss reads nothing, rounding moves nothing."""
    u = bg.recurrence("h[t] = tanh(W h[t-1] + x[t]); z[t] = V h[t]; L[t] = 0 * dot(a, h[t])").unroll(3, sizes={"h": 3})
    data = u.instance(seed=0)
    gradients = dict(u.run(data).gradients)
    assert not np.any(gradients["W"])
    assert bg.verify(u, {"W": gradients["W"]}, data=data).right and u.derive("W").check(data).right
    assert bg.verify(u, {"W": gradients["W"] + 1e-9}, data=data).wrong == ("W",)


def test_one_dead_unit_does_not_hide_the_others() -> None:
    """A row of the gradient that is pure rounding is small beside the rows that are not."""
    data = {**DATA, "x": DATA["x"].copy()}
    data["x"][:, 1] = 80.0  # this unit is saturated at each step
    gradients = dict(U.run(data).gradients)
    assert not np.any(gradients["W"][1]) and bg.verify(U, gradients, data=data).right
    assert bg.verify(U, {**gradients, "W": 1.01 * gradients["W"]}, data=data).wrong == ("W",)


def test_single_precision_of_what_it_cannot_hold_is_undecidable() -> None:
    """The same instance decides in double precision and not in single."""
    data = {**DATA, "w": DATA["w"] * 1e8}
    gradients = dict(U.run(data).gradients)
    assert bg.verify(U, gradients, data=data).parameters["W"].status == "right"
    verdict = bg.verify(U, {k: v.astype(np.float32) for k, v in gradients.items()}, data=data)
    assert verdict.parameters["W"].status == "undecidable" and verdict.parameters["a"].status.startswith("right")


@pytest.mark.parametrize("name, size", [("W", 1e160), ("W", 1e300), ("a", 1e308)])
def test_where_rounding_has_no_bound_nothing_is_judged(name: str, size: float) -> None:
    data = {**DATA, name: DATA[name] * size}
    gradients = dict(U.run(data).gradients)
    for call in (lambda: U.derive("W").check(data), lambda: bg.verify(U, gradients, data=data)):
        with pytest.raises(BPTTError, match="overflow") as refused:
            call()
        assert "smaller" in str(refused.value.hint)


@pytest.mark.parametrize("size", [1e-290, 1e-300])
def test_gradients_too_small_for_the_complex_step_are_no_fault_of_ours(size: float) -> None:
    u = bg.cell("lstm").unroll(3)
    data = u.instance(0)
    data["dE_dh"] = data["dE_dh"] * size  # so that every gradient is as small
    gradients = dict(u.run(data).gradients)
    assert bg.verify(u, gradients, data=data).right
    assert "W_i" in bg.verify(u, {**gradients, "W_i": 2 * gradients["W_i"]}, data=data).wrong


@pytest.mark.parametrize("size", [1e20, 1e160, 1e300])
def test_whole_numbers_too_large_for_a_class_are_numbers(size: float) -> None:
    u = bg.recurrence("h[t] = a * h[t-1] + U x[t]; E[t] = dot(v, h[t])").unroll(3)  # nothing saturates
    data = u.instance(0, batch=3)
    data["x"] = np.round(data["x"] * size)
    assert bg.verify(u, dict(u.run(data).gradients), data=data).right
