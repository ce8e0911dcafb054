"""The schedule over time: the same numbers as the plain evaluation of the unrolled graph, for every cell and for random
recurrences."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from differential.compare import Subject, acceptable
from differential.generate import random_recurrence
from hypothesis import given, settings, strategies as st
from random_recurrences import STATES, recurrences
from truth import CELLS, EPS, bound

import bpttgraph as bg
from bpttgraph.check import check_gradients
from bpttgraph.core.primitive import TABLE
from bpttgraph.schedule import Unsuited, instructions, passes, workspace
from bpttgraph.schedule.plan import Plan
from bpttgraph.schedule.proof import prove
from bpttgraph.schedule.values import Value
from bpttgraph.unrolled.trial import _small


def assert_same(u: bg.Unrolled, data: dict[str, Any], slack: float = 256) -> bg.Run:
    """Loss, gradients and kept values equal the plain interpreter's, within rounding of the sum of the absolute
    contributions."""
    assert u.schedule.applies, u.schedule.reason
    quick, plain = u.run(data), u.run(data, schedule=False)
    eps = EPS if plain.loss.dtype == float else float(np.finfo(plain.loss.dtype).eps)
    assert quick.loss.dtype == plain.loss.dtype
    heads = [np.abs(plain.values[h.name]).sum() for h in u.heads]
    assert abs(quick.loss - plain.loss) <= eps * slack * (1 + sum(heads))
    assert list(quick.gradients) == list(plain.gradients)
    for name, gradient in plain.gradients.items():
        found = quick.gradients[name]
        size = eps * slack * (plain.absolute_contributions(name).sum() + np.abs(gradient).max(initial=0) + 0.1)
        assert found.shape == gradient.shape and found.dtype == gradient.dtype
        assert np.all(np.abs(found - gradient) <= size), (name, np.abs(found - gradient).max(), size)
    for name, value in plain.values.items():
        assert quick.values[name].shape == value.shape
        np.testing.assert_allclose(quick.values[name], value, rtol=eps * slack * 8, atol=eps * slack, err_msg=name)
    return quick


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("loss", ["every", "last", [1, 3], [2]])
def test_every_cell(name: str, loss: Any) -> None:
    for steps in (1, 2, 3, 6) if loss in ("every", "last") else (3, 4):
        for batch in (None, 1, 2):
            u = bound(name).unroll(steps, loss=loss, reduce="mean" if steps == 2 else "sum")
            assert_same(u, u.instance(steps, batch))


@given(
    text=recurrences(),
    steps=st.integers(1, 5),
    size=st.integers(1, 3),
    batch=st.sampled_from([None, 1, 2]),
    seed=st.integers(0, 99),
    last=st.booleans(),
)
@settings(deadline=None)
def test_random_recurrences(text: str, steps: int, size: int, batch: int | None, seed: int, last: bool) -> None:
    rec = bg.recurrence(text)
    if not rec.parameters and not rec.states:
        return
    sizes = dict.fromkeys([n for n in (*rec.states, *rec.inputs, "p") if n in (*STATES, "x", "z")], size)
    u = rec.unroll(steps, sizes=sizes, loss="last" if last else "every")
    if u.schedule.applies:
        assert_same(u, u.instance(seed, batch), slack=4096)


@pytest.mark.parametrize(
    "name", ["rnn", "lstm", "gru", "deep-rnn:2", "lstm-peephole", "jordan:leaky", "elman:generator"]
)
@pytest.mark.parametrize("steps", [1, 2, 7, 23])
def test_checkpoints_give_the_same_gradient(name: str, steps: int) -> None:
    u = bound(name).unroll(steps, reduce="mean" if steps == 7 else "sum")
    for batch in (None, 2):
        data = u.instance(2, batch)
        whole, pieces = u.run(data), u.run(data, memory="sqrt")
        assert pieces.loss == pytest.approx(whole.loss, rel=1e-13)
        for key, gradient in whole.gradients.items():
            np.testing.assert_allclose(pieces.gradients[key], gradient, rtol=1e-11, atol=1e-13, err_msg=key)


def test_checkpoints_with_delays_and_fixed_starts() -> None:
    for text in ("h[0] = 0; h[t] = tanh(W h[t-1] + U x[t])", "h[t] = tanh(W h[t-1] + V h[t-2] + U x[t] + Q x[t-1])"):
        u = bg.recurrence(text).unroll(17)
        data = u.instance(1)
        whole, pieces = u.run(data), u.run(data, memory="sqrt")
        for key, gradient in whole.gradients.items():
            np.testing.assert_allclose(pieces.gradients[key], gradient, rtol=1e-11, atol=1e-13, err_msg=key)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru-reset-after"])
def test_a_stream_in_pieces_is_chunked_bptt(name: str) -> None:
    whole = bound(name).unroll(12, truncate="chunk:4")
    piece = bound(name).unroll(4)
    for batch in (None, 3):
        data = whole.instance(5, batch)
        run = whole.run(data, schedule=False)
        step, loss = piece.stepper(), 0.0
        total = {k: np.zeros_like(run.gradients[k]) for k in whole.parameters}
        state = {k: v for k, v in data.items() if "[" in k}
        for start in (0, 4, 8):
            part = {k: v if k in whole.parameters else v[start : start + 4] for k, v in data.items() if "[" not in k}
            found, gradients, state = step({**part, **state})
            loss += found
            for key in total:
                total[key] += gradients[key]
        assert loss == pytest.approx(run.loss, rel=1e-13)
        for key, gradient in total.items():
            np.testing.assert_allclose(gradient, run.gradients[key], rtol=1e-11, atol=1e-13, err_msg=key)


def test_a_run_keeps_its_numbers() -> None:
    """Neither changed data nor later runs change what a run says, also where it evaluates the unrolled graph later."""
    u = bg.cell("rnn").unroll(4)
    data = u.instance(1)
    before = u.run(data)
    plain = u.run({k: v.copy() for k, v in data.items()}, schedule=False)
    data["W_hh"] *= 2
    data["target"][:] = 0
    others = [u.run(u.instance(s)) for s in range(6)]
    for name in ("W_hh", "h[0]"):
        np.testing.assert_allclose(before.contributions(name), plain.contributions(name), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(before.gradients[name], plain.gradients[name], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(before.values["h[2]"], plain.values["h[2]"], rtol=1e-14)
    for seed, run in enumerate(others):
        assert run.loss == u.run(u.instance(seed)).loss
        np.testing.assert_array_equal(run.gradients["W_hy"], u.run(u.instance(seed)).gradients["W_hy"])


@pytest.mark.parametrize(
    "name", ["lstm", "gru", "lstm-fused:ifgo", "deep-rnn:2", "lstm-peephole", "bidirectional", "mgu", "exp-trace"]
)
def test_factors_computed_in_the_loop(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large steps compute in the loop what small ones compute for all steps at once."""
    narrow = bound(name).unroll(3)
    data = narrow.instance(4, 2)
    expected = narrow.run(data)
    before = [len(s.values) for s in narrow.schedule.plan(2).layout.stages if s.loop]
    monkeypatch.setattr(sys.modules["bpttgraph.schedule"], "_WIDE", 1)
    wide = bound(name).unroll(3)
    found = assert_same(wide, data)
    after = [len(s.values) for s in wide.schedule.plan(2).layout.stages if s.loop]
    assert sum(after) > sum(before)
    for key, gradient in expected.gradients.items():
        np.testing.assert_allclose(found.gradients[key], gradient, rtol=1e-11, atol=1e-13)


def test_memory_of_checkpoints_grows_with_the_root() -> None:
    def peak(steps: int, memory: str) -> int:
        u = bg.cell("lstm").unroll(steps, sizes={"x": 2, "h": 40})
        data = u.instance(1)
        tracemalloc.start()
        u.run(data, memory=memory)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(1600, "sqrt") < 0.15 * peak(1600, "all")
    assert peak(1600, "sqrt") < 3 * peak(400, "sqrt")


def test_what_the_schedule_leaves_to_the_graph() -> None:
    for text, options, reason in [
        ("h[t] = tanh(U x[t] + W @ sum_{k=1}^{t-1} h[k])", {}, "sums over steps"),
        ("h[1] = x[1]; h[t] = tanh(W h[t-1] + x[t])", {}, "step 1 of h has an equation of its own"),
        ("h[t] = tanh(W h[t-1] + x[t]); m = sum_t h[t]; E = dot(m, m)", {}, "outputs of several steps together"),
        ("h[t] = tanh(W h[t-1] + x[t])", {"truncate": "sliding:2"}, "sent back on a way of its own"),
    ]:
        u = bg.recurrence(text).unroll(4, **options)
        data = u.instance(1)
        assert not u.schedule.applies and reason in u.schedule.reason and reason in u.schedule.explain()
        assert u.run(data).loss == u.run(data, schedule=False).loss
        with pytest.raises(bg.BPTTError, match="cannot be computed piece by piece"):
            u.stepper()


@pytest.mark.parametrize("truncate", ["chunk:1", "chunk:3", "one-step", "5;5"])
@pytest.mark.parametrize(
    "name", ["rnn", "lstm", "gru", "jordan:leaky", "deep-rnn:2", "bidirectional", "elman:generator"]
)
def test_truncation_by_chunks(name: str, truncate: str) -> None:
    u = bound(name).unroll(7, truncate=truncate)
    for batch in (None, 2):
        assert_same(u, u.instance(1, batch))


@pytest.mark.parametrize("truncate", ["chunk:1", "chunk:2", "one-step", "2;2"])
@pytest.mark.parametrize(
    "text", ["s[t] = w * s[t-1]; E[t] = tanh(q * s[t-1] + w)", "s[t] = w * s[t-1] * s[t-2]; E[t] = q * s[t]^2"]
)
def test_adjoints_that_are_read_outside_of_their_loop(text: str, truncate: str) -> None:
    """The sum over uses of a number reads what comes back from the next step for all steps at once; truncation cuts
    some of it."""
    u = bg.recurrence(text).unroll(7, truncate=truncate, sizes=1)
    for batch in (None, 2):
        assert_same(u, u.instance(1, batch))


@pytest.mark.parametrize("inputs", ["first", "feedback"])
@pytest.mark.parametrize("name", ["rnn", "gru", "seq2seq:forced", "elman-linear:forced"])
def test_inputs(name: str, inputs: str) -> None:
    rec = bound(name)
    u = rec.unroll(4, inputs=inputs)
    for batch in (None, 2):
        assert_same(u, u.instance(3, batch))


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru-reset-after", "bidirectional"])
def test_single_precision(name: str) -> None:
    u = bound(name).unroll(5)
    data = {k: v.astype(np.float32) if v.dtype.kind == "f" else v for k, v in u.instance(1, 2).items()}
    assert_same(u, data, slack=2048)


def test_a_traced_function_and_bound_functions() -> None:
    def step(h: Any, c: Any, x: Any, *, W: Any, U: Any, b: Any) -> Any:
        gate = 1 / (1 + np.exp(-(W @ h + U @ x + b)))
        new = gate * c + (1 - gate) * np.tanh(h)
        return np.tanh(new), new

    for rec in (bg.recurrence(step), bg.recurrence("h[t] = phi(W h[t-1] + U x[t])", let={"phi": "softplus"})):
        u = rec.unroll(6)
        assert_same(u, u.instance(1, 2))


@pytest.mark.parametrize("name", CELLS)
def test_the_data_are_known_without_unrolling(name: str) -> None:
    """The slots that the schedule finds from the equations are the leaves of the unrolled graph, in their order."""
    for steps in (1, 2, 5):
        for options in ({}, {"loss": "last"}, {"inputs": "first"}, {"loss": [1]}):
            u = bound(name).unroll(steps, **options)
            assert u.system is not None
            quick, u.system = u.slots, None
            del u.__dict__["slots"]
            assert list(u.slots.items()) == list(quick.items())


def test_a_run_does_not_unroll() -> None:
    u = bg.cell("lstm").unroll(50)
    run = u.run(u.instance())
    assert run.gradients["W_i"].shape == (3, 2) and run.values["h[50]"].shape == (3,)
    assert "built" not in vars(u)
    assert run.jacobian("h[3]", "h[2]").shape == (3, 3) and "built" in vars(u)


def test_the_explanation_is_that_of_the_schedule() -> None:
    text = bg.cell("lstm").unroll(5).schedule.explain()
    assert text.count("loop over") == 2 and "one product for 4" in text
    before, loop = text.split("loop over t = 1")[0], text.split("loop over t = 1")[1].split("after the loop")[0]
    assert "[W_i; W_f; W_o; W_g] x[t]" in before and "W_i" not in loop and "[U_i; U_f; U_o; U_g] h[t-1]" in loop
    assert text.count("one product over the stacked steps") == 2


CHARACTERS = """
h[t] = tanh(W_hh @ h[t-1] + W_xh @ x[t] + {more}b_h)
y[t] = softmax(W_hy @ h[t] + b_y)
E[t] = cross_entropy(y[t], target[t])
"""


@pytest.mark.parametrize("loss", ["every", "last", [2, 3]])
@pytest.mark.parametrize("more", ["", "V @ x[t-1] + ", "sum(x[t]) * "])
@pytest.mark.parametrize("wide", [False, True])
def test_one_hot_inputs_are_looked_up(loss: Any, more: str, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors, class numbers and the plain interpreter agree; dense inputs of the same shape go another way, in any
    order of runs."""
    if wide:
        monkeypatch.setattr(sys.modules["bpttgraph.schedule"], "_WIDE", 1)
    for batch, reduce in ((None, "sum"), (1, "sum"), (3, "mean")):
        u = bg.recurrence(CHARACTERS.format(more=more)).unroll(
            4, loss=loss, reduce=reduce, sizes={"x": 40, "h": 60, "y": 9}
        )
        dense = u.instance(1, batch)
        classes = np.random.default_rng(2).integers(0, 40, dense["x"].shape[:-1])
        classes[1] = classes[0]  # a symbol twice
        hot = {**dense, "x": np.eye(40)[classes]}
        found = [assert_same(u, d) for d in (hot, dense, hot)]
        assert found[0].loss == found[2].loss != found[1].loss
        assert any("x" in keys for _, keys in u.schedule._plans) and any(
            "x" not in keys for _, keys in u.schedule._plans
        )
        almost = {**hot, "x": hot["x"].copy()}
        almost["x"][(2, *([0] * (almost["x"].ndim - 2)), 7)] += 1e-200  # not one-hot
        assert u.schedule._classes(u.numbers.admission.admit(almost)).keys() == {"target"}
        assert_same(u, almost)
        if "sum" in more:  # x is not only multiplied with a matrix: whole numbers would be no vectors
            with pytest.raises(bg.BPTTError, match="x has shape"):
                u.run({**hot, "x": classes})
            continue
        for dtype in (np.int64, np.uint8):
            given = {**hot, "x": classes.astype(dtype)}
            run = assert_same(u, given)
            assert run.loss == found[0].loss
            for key, gradient in found[0].gradients.items():
                np.testing.assert_array_equal(run.gradients[key], gradient)
        np.testing.assert_allclose(run.gradients["x"], found[0].gradients["x"], rtol=1e-12, atol=1e-14)
        with pytest.raises(bg.BPTTError, match="x has a class outside 0 to 39"):
            u.run({**hot, "x": classes - 40})
        window = bg.recurrence(CHARACTERS.format(more=more)).unroll(
            4, truncate="sliding:2", sizes={"x": 40, "h": 60, "y": 9}
        )
        assert window.run({**hot, "x": classes}).loss == window.run(hot).loss


def test_class_numbers_that_could_be_vectors() -> None:
    u = bg.recurrence(CHARACTERS.format(more="")).unroll(3, sizes={"x": 4, "h": 5, "y": 6})
    data = u.instance(1)
    numbers = np.arange(12).reshape(3, 4) % 4
    assert u.run({**data, "x": numbers}).loss == u.run({**data, "x": numbers.astype(float)}).loss
    batch = u.instance(1, 4)
    with pytest.raises(bg.BPTTError, match="x could be 4 examples of class numbers or one example of vectors"):
        u.run({**batch, "x": numbers})


def test_a_looked_up_run_keeps_its_numbers() -> None:
    u = bg.recurrence(CHARACTERS.format(more="")).unroll(4, sizes={"x": 40, "h": 60, "y": 9})
    data = u.instance(1)
    data["x"] = np.array([3, 0, 3, 39])
    before, plain = u.run(data), u.run({k: v.copy() for k, v in data.items()}, schedule=False)
    data["x"][:] = 1
    data["target"][:] = 0
    after = u.run(data)
    assert after.loss != before.loss
    np.testing.assert_allclose(before.contributions("W_xh"), plain.contributions("W_xh"), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(before.values["x[4]"], plain.values["x[4]"])


@pytest.mark.parametrize("name", ["lstm", "deep-rnn:2", "bidirectional"])
def test_long_loops_are_made_in_windows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above a number of calls they are not kept as one list; a window of 256 steps and the rest, forwards and
    backwards."""
    listed = bound(name).unroll(300)
    for batch in (None, 2):
        data = listed.instance(3, batch)
        expected = listed.run(data)
        monkeypatch.setattr(sys.modules["bpttgraph.schedule.workspace"], "_LONGEST_LIST", 1)
        u = bound(name).unroll(300)
        found = u.run(data)
        monkeypatch.undo()
        (work,) = (w for pool in u.schedule._workspaces.values() for w in pool)
        windows = [f for program in work.programs for f, _ in program if getattr(f, "__name__", "") == "_window"]
        assert len(windows) == 2 * sum(s.loop for s in u.schedule.plan().stages)
        assert found.loss == expected.loss
        for key, gradient in expected.gradients.items():
            np.testing.assert_array_equal(found.gradients[key], gradient)


def test_memory_grows_with_the_steps() -> None:
    def peak(steps: int) -> int:
        u = bg.cell("lstm").unroll(steps, sizes={"x": 2, "h": 40})
        data = u.instance(1)
        tracemalloc.start()
        run = u.run(data)
        assert len(dict(run.gradients)) > 4
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    sizes = (100, 1000, 4000)
    assert np.polyfit(np.log(sizes), np.log([peak(n) for n in sizes]), 1)[0] < 1.1


def test_checkpoints_want_real_numbers() -> None:
    u = bg.cell("rnn").unroll(4)
    data = u.instance()
    data["W_hh"] = data["W_hh"] + 0j
    with pytest.raises(bg.BPTTError, match="real numbers"):
        u.run(data, memory="sqrt")


# -- against recurrences written out by hand: nothing here is computed by the package ----------------------------------

Numbers = dict[str, Any]
SQUARES = "E[t] = squared_error(h[t], target[t])"


def squares(y: Any, target: Any) -> Any:
    return 0.5 * np.sum((y - target) ** 2)


def looped(step: Callable[[Numbers, Any, int], Any]) -> Callable[[Numbers], Any]:
    """The loss of `h[t] = step(data, h[t-1], t)` under squared errors."""

    def loss(d: Numbers) -> Any:
        h, total = d["h[0]"], 0.0
        for t in range(len(d["target"])):
            h = step(d, h, t)
            total = total + squares(h, d["target"][t])
        return total

    return loss


def two_states(d: Numbers) -> Any:
    h, s, total = d["h[0]"], d["s[0]"], 0.0
    for target in d["target"]:
        h, s = np.tanh(np.concatenate([s, d["V"] @ h])), np.tanh(d["A"] @ s)
        total = total + squares(h, target)
    return total


def no_state(d: Numbers) -> Any:
    return sum(squares(d["W"] @ d["c"], target) for target in d["target"])


def constant_drive(d: Numbers) -> Any:
    h, total = d["h[0]"], 0.0
    for target in d["target"]:
        h = np.tanh(d["A"] @ h + d["W"] @ d["c"])
        total = total + squares(d["V"] @ h, target)
    return total


def transposed_inside(d: Numbers) -> Any:
    h, total = d["h[0]"], 0.0
    for x in d["x"]:
        h = np.tanh(d["W"] @ h + x)
        total = total + np.sum(np.outer(h, x).T * d["M"])
    return total


def a_parameter_twice(d: Numbers) -> Any:
    h, before, total = d["h[0]"], d["h[-1]"], 0.0
    for target in d["target"]:
        h, before = np.tanh(d["A"] @ h + d["A"] @ before + d["B"] @ h), h
        total = total + squares(h, target)
    return total


def far_back(d: Numbers) -> Any:
    states, total = [d["h[-1]"], d.get("h[0]")], 0.0
    for x, target in zip(d["x"], d["target"]):
        states.append(np.tanh(d["A"] @ states[-2] + x))
        total = total + squares(states[-1], target)
    return total


def read_at_other_steps(d: Numbers) -> Any:
    """f and g share an operand, so they are rows of one product; both are read a step later."""
    h, f, g, total = d["h[0]"], d["f[0]"], d["g[0]"], 0.0
    for target in d["target"]:
        h, f, g = np.tanh(f * g + d["B"] @ h), np.tanh(d["A"] @ h), np.tanh(d["C"] @ h)
        total = total + squares(h, target)
    return total


def read_linear(d: Numbers) -> Any:
    h, f, total = d["h[0]"], d["f[0]"], 0.0
    for target in d["target"]:
        h, f = d["B"] @ h + f, d["A"] @ h
        total = total + squares(h, target)
    return total


BY_HAND = [
    ("f[t] = A h[t-1]; h[t] = B h[t-1] + f[t-1]; " + SQUARES, {"h": 2}, 3, read_linear),
    (
        "f[t] = tanh(A h[t-1]); g[t] = tanh(C h[t-1]); h[t] = tanh(f[t-1] * g[t-1] + B h[t-1]); " + SQUARES,
        {"h": 3},
        4,
        read_at_other_steps,
    ),
    (
        "h[t] = tanh([V h[t-1]; U x[t]]); " + SQUARES,
        {"h": 4, "x": 3},
        3,
        looped(lambda d, h, t: np.tanh(np.concatenate([d["V"] @ h, d["U"] @ d["x"][t]]))),
    ),
    (
        "h[t] = tanh([b; V h[t-1]]); " + SQUARES,
        {"h": 4, "b": 1},
        3,
        looped(lambda d, h, t: np.tanh(np.concatenate([d["b"], d["V"] @ h]))),
    ),
    (
        "h[t] = tanh([V h[t-1]; b]); " + SQUARES,
        {"h": 4, "b": 2},
        3,
        looped(lambda d, h, t: np.tanh(np.concatenate([d["V"] @ h, d["b"]]))),
    ),
    ("s[t] = tanh(A s[t-1]); h[t] = tanh([s[t-1]; V h[t-1]]); " + SQUARES, {"h": 4, "s": 2}, 3, two_states),
    (
        "z[t] = V h[t-1]; h[t] = tanh([b; z[t]]); " + SQUARES,
        {"h": 4, "b": 1},
        3,
        looped(lambda d, h, t: np.tanh(np.concatenate([d["b"], d["V"] @ h]))),
    ),
    (
        "h[t] = tanh([tanh(V h[t-1]); sigmoid(U x[t])]); " + SQUARES,
        {"h": 5, "x": 2, "U": (2, 2)},
        4,
        looped(lambda d, h, t: np.tanh(np.concatenate([np.tanh(d["V"] @ h), 1 / (1 + np.exp(-d["U"] @ d["x"][t]))]))),
    ),
    ("h[t] = A h[t-1] + C h[t-1]; " + SQUARES, {"h": 2}, 3, looped(lambda d, h, t: d["A"] @ h + d["C"] @ h)),
    (
        "h[t] = tanh(A h[t-1] + C h[t-1]); " + SQUARES,
        {"h": 2},
        1,
        looped(lambda d, h, t: np.tanh(d["A"] @ h + d["C"] @ h)),
    ),
    (
        "h[t] = tanh(A h[t-1] + C h[t-1]); " + SQUARES,
        {"h": 3},
        5,
        looped(lambda d, h, t: np.tanh(d["A"] @ h + d["C"] @ h)),
    ),
    ("h[t] = tanh(A h[t-1] + A h[t-2] + B h[t-1]); " + SQUARES, {"h": 3}, 4, a_parameter_twice),
    ("y[t] = W c; E[t] = squared_error(y[t], target[t])", {"y": 4, "c": 4}, 4, no_state),
    ("y[t] = W c; E[t] = squared_error(y[t], target[t])", {"y": 3, "c": 2}, 4, no_state),
    (
        "k[t] = W c; h[t] = tanh(A h[t-1] + k[t]); y[t] = V h[t]; L[t] = squared_error(y[t], target[t])",
        {"c": 2},
        3,
        constant_drive,
    ),
    (
        "h[t] = tanh(W h[t-1] + x[t] + b - 0.5); " + SQUARES,
        {"h": 3},
        4,
        looped(lambda d, h, t: np.tanh(d["W"] @ h + d["x"][t] + d["b"] - 0.5)),
    ),
    (
        "h[t] = 0.5 * a * h[t-1] * x[t] - (2 * (1 - x[t]) - h[t-1]); " + SQUARES,
        {"h": 3},
        3,
        looped(lambda d, h, t: 0.5 * d["a"] * h * d["x"][t] - 2 * (1 - d["x"][t]) + h),
    ),
    (
        "h[t] = tanh(3 - b - W h[t-1] - (U x[t] - c)); " + SQUARES,
        {"h": 3, "x": 2},
        3,
        looped(lambda d, h, t: np.tanh(3 - d["b"] - d["W"] @ h - d["U"] @ d["x"][t] + d["c"])),
    ),
    ("h[t] = tanh(A h[t-2] + x[t]); " + SQUARES, {"h": 2}, 1, far_back),
    ("h[t] = tanh(A h[t-2] + x[t]); " + SQUARES, {"h": 2}, 4, far_back),
    ("h[t] = tanh(W h[t-1] + x[t]); E[t] = dot(outer(h[t], x[t]).T, M)", {"h": 3}, 3, transposed_inside),
]


@pytest.mark.parametrize(
    ("text", "sizes", "steps", "loss"), BY_HAND, ids=[f"{case[0]}, T={case[2]}" for case in BY_HAND]
)
def test_by_hand(text: str, sizes: Any, steps: int, loss: Callable[[Numbers], Any]) -> None:
    """Loss and every gradient entry, by the complex step through a loop written by hand."""
    u = bg.recurrence(text).unroll(steps, sizes=sizes)
    assert u.schedule.applies, u.schedule.reason
    for batch in (None, 1, 3, steps):
        data = u.instance(0, batch)
        batched = [k for k in data if k not in u.parameters] if batch else []
        runs = [u.run(data), u.run(data, schedule=False), u.run(data, memory="sqrt")]
        for run in runs:
            assert list(run.gradients) == list(runs[0].gradients)
        examples = [
            {k: v[:, b] if u.slots[k].length else v[b] for k, v in data.items() if k in batched}
            for b in range(batch or 1)
        ]
        assert sum(loss({**data, **e}) for e in examples) == pytest.approx(runs[0].loss, rel=1e-12)
        for name in runs[0].gradients:
            shape = u.slots[name].shape
            expected = np.zeros((len(examples), *shape))
            for place in np.ndindex(expected.shape):
                example = {**data, **examples[place[0]]}
                moved = np.array(example[name], complex)
                moved[place[1:]] += 1e-30j
                expected[place] = loss({**example, name: moved}).imag * 1e30
            if name not in batched:
                expected = expected.sum(axis=0)
            for run in runs:
                np.testing.assert_allclose(run.gradients[name], expected, rtol=1e-10, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("loss", ["last", (1, 3)])
def test_the_losses_of_some_steps_read_rows_of_a_product(loss: Any) -> None:
    u = bg.recurrence("f[t] = D s[t-1]; s[t] = A s[t-1] + f[t]; L[t] = dot(a, f[t])").unroll(
        3, loss=loss, sizes={"s": 2}
    )
    d = u.instance(1)
    s, losses = d["s[0]"], {}
    for t in (1, 2, 3):
        f = d["D"] @ s
        s, losses[t] = d["A"] @ s + f, d["a"] @ f
    assert u.schedule.applies and u.run(d).loss == pytest.approx(
        sum(losses[t] for t in ((3,) if loss == "last" else loss)), rel=1e-13
    )


# -- what stands between a fault of the schedule and a verdict ---------------------------------------------------------


def _without_the_last_term(value: Any, ins: Any, out: Any, scratch: Any) -> Any:
    return instructions._sum(value, ins[:-1] if len(ins) > 1 else ins, out, scratch)


def _exchanged(found: Any) -> Any:
    """A pass that mistakes one matrix for another of its shape."""
    kept = true_pack(found)
    for v in passes.loops(kept):
        if v.op == "stack" and len(v.args) > 1 and len({a.shape for a in v.args}) == 1:
            v.args = v.args[::-1]
    return kept


true_pack = passes.pack
FAULTS = {
    "a dropped term": (instructions._SPECIAL, "Σ", _without_the_last_term),
    "a buffer that is not filled": (workspace.Workspace, "_elsewhere", lambda self, value: []),
    "exchanged matrices": (passes, "pack", _exchanged),
    "an initial value forgotten": (workspace.Workspace, "_begin", lambda self, target, initial: None),
}
TWO_GATES = "i[t] = sigmoid(A h[t-1] + U x[t]); h[t] = i[t] * tanh([b; B h[t-1]] + V x[t]); E[t] = dot(c, h[t])"


@pytest.mark.filterwarnings("ignore:the loss is not a number")  # of the faulty run, before it is thrown away
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("steps", [3, 400])
def test_a_fault_of_the_schedule_reaches_no_verdict(kind: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule is broken on purpose: it is noticed, reported as our fault, and the plain numbers are used."""
    sizes = {"h": 4, "b": 1, "x": 4, "A": (4, 4), "B": (3, 4)}
    sizes = {**sizes, "U": (4, 4)}
    text = TWO_GATES.replace("B h[t-1]] + V x[t]", "B h[t-1]] + V x[t] + C h[t-1]")
    sound = bg.recurrence(text).unroll(steps, sizes=sizes)
    data = sound.instance(1)
    expected = sound.run(data, schedule=False)
    right = {name: expected.gradients[name] for name in sound.parameters}
    place, name, fault = FAULTS[kind]
    if isinstance(place, dict):
        monkeypatch.setitem(place, name, fault)
    else:
        monkeypatch.setattr(place, name, fault)
    broken = bg.recurrence(text).unroll(steps, sizes=sizes)
    assert broken.schedule.applies, broken.schedule.reason
    with np.errstate(all="ignore"):
        assert not np.isclose(broken.run(data).loss, expected.loss, rtol=1e-9) or any(
            not np.allclose(broken.run(data).gradients[k], right[k], rtol=1e-9) for k in right
        )
    run = broken.tried(data)
    assert run.loss == expected.loss and not broken.schedule.applies
    assert broken.run(data).loss == expected.loss  # from now on
    said = broken.schedule.fault
    assert "a fault of bpttgraph" in said and "A h[t-1]" in said and "'h': (4,)" in said and "seed 0" in said
    again = bg.recurrence(text).unroll(steps, sizes=sizes)
    verdict = bg.verify(again, right, data)
    assert verdict.right and said in verdict.notes and said in str(verdict)
    if steps == 3:
        report = check_gradients(bg.recurrence(text).unroll(steps, sizes=sizes), data=data)
        assert report.right and report.note == said and said in report.verdict and said in report.to_json()
        derived = bg.recurrence(text).unroll(steps, sizes=sizes).derive("A").check(data)
        assert derived.right and said in str(derived)


def test_a_sound_schedule_is_used_and_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trials: list[Any] = []
    trial = sys.modules["bpttgraph.unrolled.trial"]
    true = trial.fault
    monkeypatch.setattr(trial, "fault", lambda *args: trials.append(args) or true(*args))
    u = bg.recurrence(CHARACTERS.format(more="")).unroll(40, sizes={"x": 40, "h": 60, "y": 9})
    data = u.instance(0)
    hot = {**data, "x": np.eye(40)[np.arange(40) % 7]}
    for numbers in (data, data, hot, hot, u.instance(0, 3), u.instance(1, 50), u.instance(2, 60)):
        run = u.tried(numbers)
        assert u.schedule.applies and not u.schedule.fault and run.loss == u.run(numbers).loss
    forms = [args[1:] for args in trials]
    assert forms == [
        (False, ("target",), False),
        (False, ("target", "x"), False),
        (True, ("target",), False),
        (True, ("target",), True),
    ]
    assert check_gradients(u, ["b_h"], data, triangle=False).note == ""


@pytest.mark.parametrize(("text", "options", "expected"), [
    ("h[t] = tanh(W h[t-1] + U x[t])", {}, (5, 5)),
    ("h[t] = tanh(W h[t-1] + V h[t-4])", {}, (8, 8)),
    ("h[t] = tanh(W h[t-1])", {"loss": "last"}, (5, 1)),
    ("h[t] = tanh(W h[t-1])", {"loss": [2, 3, 70]}, (5, 2)),
    ("h[t] = tanh(W h[t-1])", {"loss": [70]}, (5, 1)),
    ("h[t] = tanh(W h[t-1])", {"truncate": "chunk:7"}, (14, 14)),
    ("h[t] = tanh(W h[t-1])", {"truncate": "one-step", "reduce": "mean"}, (5, 5)),
    ("h[t] = tanh(W h[t-1] + U x[t])", {"sizes": {"h": 300, "x": 200}}, (5, 5)),
    ("h[t] = tanh([b; W h[t-1]])", {"sizes": {"h": 300, "b": 290}}, (5, 5)),
])  # fmt: skip
def test_what_is_tried_is_small(text: str, options: Any, expected: tuple[int, int]) -> None:
    """A few steps, whatever T; small sizes if the parameters are large; the same losses and truncation."""
    u = bg.recurrence(text + "; y[t] = V2 h[t]; E[t] = dot(c, y[t])").unroll(100, **options)
    small = _small(u)
    assert (small.columns, len(small.loss_steps)) == expected
    assert small.truncation == u.truncation and small.reduce == u.reduce and small.inputs == u.inputs
    assert sum(np.prod(n.shape) for n in small.parameters.values()) <= 20_000
    assert {k: len(s) for k, s in small.shapes.items()} == {k: len(s) for k, s in u.shapes.items()}


# -- what is proved before a plan is run -------------------------------------------------------------------------------

STACKED = (
    "s[t] = tanh(A s[t-1] + B h[t-2]); h[t] = tanh([s[t-1]; V h[t-1]] + [b; U x[t]]); E[t] = squared_error(h[t],"
    " target[t])"
)


def _the(plan: Plan, op: str, loop: bool, kind: str = "") -> Any:
    """The first value of a kind in a plan."""
    return next(
        v
        for s in plan.layout.stages
        for v in s.values
        if v.op == op and s.loop == loop and v.attrs.get("kind", "") == kind
    )


def _swapped_stages(plan: Plan) -> None:
    loop = next(i for i, s in enumerate(plan.layout.stages) if s.loop)
    plan.layout.stages.insert(0, plan.layout.stages.pop(loop))


def _backwards(plan: Plan) -> None:
    next(s for s in plan.layout.stages if s.loop).direction = -1


def _one_row(plan: Plan) -> None:
    part = next(
        v for v, (home, _, _) in plan.layout.parts.items() if v.op not in ("concat", "stack") and home.rows is not None
    )
    plan.layout.single |= {plan.layout.home(part)}


def _overlapping(plan: Plan) -> None:
    part = next(
        v
        for v in plan.layout.parts
        if v.rows is not None and v.op not in ("concat", "stack") and plan.layout.parts[v][1]
    )
    home, start, stop = plan.layout.parts[part]
    plan.layout.parts[part] = (home, start - 1, stop - 1)


def _other_shape(plan: Plan) -> None:
    _the(plan, "matvec", True).shape = (9,)


def _other_rows(plan: Plan) -> None:
    _the(plan, "given", False).rows = None
    value = next(v for s in plan.layout.stages for v in s.values if v.op == "batch_outer")
    value.args = (
        value.args[0],
        next(v for s in plan.layout.stages for v in s.values if v.op == "given" and v.rows is None),
    )


def _no_initial_value(plan: Plan) -> None:
    read = next(v for s in plan.layout.stages for v in s.values if v.op == "read" and len(v.args) > 2)
    read.args = read.args[:2]


def _two_initial_values(plan: Plan) -> None:
    read = next(v for s in plan.layout.stages for v in s.values if v.op == "read" and len(v.args) > 2)
    read.args = (read.args[0], read.args[2], read.args[1])


def _outside(plan: Plan) -> None:
    read = _the(plan, "read", False, "at")
    read.attrs = {**read.attrs, "delay": 99}


def _twice(plan: Plan) -> None:
    plan.layout.stages.append(plan.layout.stages[-1])


def _no_memory(plan: Plan) -> None:
    read = next(v for s in plan.layout.stages for v in s.values if v.op == "read" and v.attrs["kind"] == "shift")
    part = Value("take", [read.args[0]], {"start": 0, "stop": read.shape[0]}, read.shape, read.rows)
    next(s for s in plan.layout.stages if read.args[0] in s.values).values.append(part)
    read.args = (part, *read.args[1:])


BAD_PLANS = [
    _swapped_stages,
    _backwards,
    _one_row,
    _overlapping,
    _other_shape,
    _other_rows,
    _no_initial_value,
    _two_initial_values,
    _outside,
    _twice,
    _no_memory,
]


@pytest.mark.parametrize("spoil", BAD_PLANS, ids=[f.__name__.strip("_") for f in BAD_PLANS])
def test_a_plan_that_cannot_be_proved_is_refused(spoil: Callable[[Plan], None]) -> None:
    u = bg.recurrence(STACKED).unroll(5, sizes={"s": 2, "h": 4, "b": 1, "x": 3, "U": (3, 3)})
    plan = u.schedule.plan()
    prove(plan.layout)
    spoil(plan)
    with pytest.raises(Unsuited):
        prove(plan.layout)


def test_what_is_not_proved_is_computed_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = bg.recurrence(STACKED).unroll(4, sizes={"s": 2, "h": 4, "b": 1, "x": 3, "U": (3, 3)})
    data = sound.instance(0)

    def refuse(plan: Plan) -> None:
        raise Unsuited("nothing is proved today")

    monkeypatch.setattr(sys.modules["bpttgraph.schedule.plan"], "prove", refuse)
    u = bg.recurrence(STACKED).unroll(4, sizes={"s": 2, "h": 4, "b": 1, "x": 3, "U": (3, 3)})
    assert not u.schedule.applies and "nothing is proved today" in u.schedule.explain()
    assert u.run(data).loss == sound.run(data, schedule=False).loss
    for refused in (lambda: u.stepper(), lambda: u.run(data, memory="sqrt")):
        with pytest.raises(bg.BPTTError, match="nothing is proved today"):
            refused()


@pytest.mark.filterwarnings("ignore:the loss is not a number")
def test_memory_that_nothing_fills_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the steps begin without numbers, so a part of a stack that is not computed cannot pass for one."""
    monkeypatch.setattr(workspace.Workspace, "_elsewhere", lambda self, value: [])
    u = bg.recurrence("h[t] = tanh([b; V h[t-1]]); " + SQUARES).unroll(3, sizes={"h": 4, "b": 1})
    assert np.isnan(u.run(u.instance(0)).loss)


# -- random recurrences of the differential tester: stacks, shared operands, values without a step, delays, batches


@pytest.mark.parametrize("start", range(0, 240, 12))
def test_every_way_to_run_is_right(start: int) -> None:
    """The schedule, with its factors inside and outside of the loops, the unrolled graph, √T memory and a stepper, by
    the oracle."""
    for seed in range(start, start + 12):
        subject = Subject(random_recurrence(seed, acceptable))
        try:
            u, data = subject.u, subject.data
        except bg.BPTTError:
            continue  # another choice than that of the total
        runs = {"plain": u.run(data, schedule=False)}
        for wide in (False, True):
            again = subject.rec.unroll(**subject.case.options())
            again.schedule.wide = wide
            runs[f"wide {wide}"] = again.run(data)
        try:
            runs["sqrt"] = u.run(data, memory="sqrt")
        except bg.BPTTError as error:
            assert "cannot be computed in pieces" in str(error) or "full gradient of a loss at every step" in str(error)
        for way, run in runs.items():
            assert subject.differs(run.loss, subject.loss, subject.size * subject.batch * u.columns) is None, (
                seed,
                way,
            )
            for name in run.gradients:
                if name in subject.gradients:
                    found = subject.differs(run.gradients[name], subject.gradients[name], subject.scale(name))
                    assert found is None, (seed, way, name, found)
        try:
            loss, gradients, state = u.stepper()(data)
        except bg.BPTTError as error:
            assert "cannot be computed piece by piece" in str(error)
            continue
        assert subject.differs(loss, subject.loss, subject.size * subject.batch * u.columns) is None, seed
        assert set(gradients) <= set(runs["plain"].gradients)
        for name, gradient in gradients.items():
            want = runs["plain"].gradients[name]
            got = np.reshape(gradient.sum(0) if gradient.ndim > want.ndim else gradient, want.shape)
            found = subject.differs(got, want, subject.scale(name))
            assert found is None, (seed, name, found)
        for name, value in state.items():
            base, _, step = name[:-1].partition("[")
            later = f"{base}[{int(step) + u.columns}]"
            want = data[later] if later in data else runs["plain"].values[later] if later not in u.slots else 0.0
            assert subject.differs(*np.broadcast_arrays(value, want), subject.size) is None, (seed, name)


def test_columns_in_rows_of_64_bytes_are_negated_themselves() -> None:
    """NumPy's `negative` takes other numbers for them where its result has gaps; a gradient was wrong by it."""
    rec = bg.recurrence(
        "z[t] = W @ c[t-1]\nh[t] = b\nc[t] = A @ c[t-1] + [(D.T) @ z[t] + (G @ c[t-1]) - a; mean(h[t-1])]"
    )
    sizes = {"h": 2, "c": 2, "W": (5, 2), "z": 5, "b": 2, "A": (2, 2), "D": (5, 1), "G": (1, 2), "a": 1}
    u = rec.unroll(1, sizes=sizes)
    data = u.instance(seed=1, batch=3)
    run, up = u.run(data), np.asarray(data["dE_dc"])
    np.testing.assert_allclose(run.gradients["a"], [-up[0, :, 0].sum()], rtol=1e-12)


@pytest.mark.parametrize("gap", [7, 8, 9])
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_every_call_reads_and_writes_arrays_with_gaps(gap: int, stop: int) -> None:
    """What a program calls on parts of wider rows, beside the same on arrays of their own."""
    rng = np.random.default_rng(gap)
    wide, out = rng.uniform(0.1, 0.9, (5, gap)), np.zeros((5, stop + 3))
    seen = 0
    for name, op in sorted(TABLE.items()):
        ufunc = getattr(op, "ufunc", None)
        if ufunc is None or ufunc.nin > 2 or name == "arccosh":  # of numbers above 1 alone
            continue
        ins = [wide[:, :stop], wide[:, gap - stop :]][: ufunc.nin]
        value = Value(name, (), {}, (stop,), None)
        value.primitive = op
        for function, arguments in instructions.emit(
            value, ins, out[:, 1 : 1 + stop], lambda i, shape: np.empty(shape)
        ):
            function(*arguments)
        np.testing.assert_allclose(out[:, 1 : 1 + stop], op.value(*[x.copy() for x in ins]), rtol=1e-12, err_msg=name)
        seen += 1
    assert seen > 10
