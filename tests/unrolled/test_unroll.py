"""Unrolling: every option, shared parameters with numbered uses, errors that name the place and one fix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from truth import assert_gradients, bound

import bpttgraph as bg

NET = "h[t] = tanh(W h[t-1] + U x[t] + b); y[t] = softmax(V h[t] + c); E[t] = cross_entropy(y[t], target[t])"


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "steps"), [("every", (1, 2, 3, 4)), ("last", (4,)), ([2, 3], (2, 3)), ((4, 1), (1, 4)), ("2,3", (2, 3))]
)
def test_loss(loss: Any, steps: tuple[int, ...]) -> None:
    u = bg.recurrence(NET).unroll(4, loss=loss)
    assert u.loss_steps == steps
    assert [h.name for h in u.heads] == [f"E[{s}]" for s in steps]
    run = assert_gradients(u, u.instance(1))
    assert run.loss == pytest.approx(sum(run.values[f"E[{s}]"] for s in steps), rel=1e-15)


@pytest.mark.parametrize("loss", ["every", [2, 3]])
def test_mean(loss: Any) -> None:
    rec = bg.recurrence(NET)
    summed, mean = rec.unroll(4, loss=loss), rec.unroll(4, loss=loss, reduce="mean")
    data = summed.instance(1, batch=2)
    count = len(summed.loss_steps)
    one, other = summed.run(data), assert_gradients(mean, data)
    assert other.loss == pytest.approx(one.loss / count)
    np.testing.assert_allclose(other.gradients["W"], one.gradients["W"] / count, rtol=1e-13)
    assert f"loss at {'every step' if loss == 'every' else 'steps 2, 3'}, mean over {count} steps" in mean.conventions


def test_steps_of_each_block() -> None:
    u = bg.cell("seq2seq").unroll({"encoder": 4, "decoder": 2})
    assert u.steps == {"encoder": 4, "decoder": 2} and u.columns == 6
    data = u.instance()
    assert data["encoder.x"].shape[0] == 4 and data["decoder.x"].shape[0] == data["decoder.target"].shape[0] == 2
    run = assert_gradients(u, data)
    np.testing.assert_array_equal(run.values["decoder.h[0]"], run.values["encoder.h[4]"])
    assert run.contributions("encoder.W_hh").shape[:2] == (2, 4)
    assert u.column("encoder.h[4]") == 4 and u.column("decoder.h[1]") == 5
    assert bg.cell("seq2seq").unroll({"encoder": 2}).steps == {"encoder": 2, "decoder": 3}
    with pytest.raises(bg.BPTTError, match="there is no block enc"):
        bg.cell("seq2seq").unroll({"enc": 2})


def test_one_to_many_with_zero_input() -> None:
    u = bg.recurrence(NET).unroll(3, inputs="first")
    data = u.instance(2, batch=2)
    run = assert_gradients(u, data)
    assert np.all(run.values["x[2]"] == 0) and np.any(run.values["x[1]"] != 0)
    full = bg.recurrence(NET).unroll(3)
    padded = {**data, "x": np.concatenate([data["x"][:1], 0 * data["x"][1:]])}
    np.testing.assert_allclose(run.gradients["U"], full.run(padded).gradients["U"], rtol=1e-13)
    short = {**data, "x": data["x"][:1]}  # the first step alone is enough
    assert u.run(short).loss == run.loss


def test_one_to_many_with_the_output_fed_back() -> None:
    u = bg.recurrence(NET).unroll(3, inputs="feedback")
    data = u.instance(2)
    assert data["x[1]"].shape == u.shapes["y"]
    run = assert_gradients(u, data)
    np.testing.assert_array_equal(run.values["x[3]"], run.values["y[2]"])
    written = bg.recurrence(NET + "; x[t+1] = y[t]").unroll(3)
    assert written.run(data).loss == run.loss
    whole = {k: v for k, v in data.items() if k != "x[1]"} | {"x": np.stack([data["x[1]"]] * 3)}
    assert u.run(whole).loss == run.loss
    batched = u.instance(2, batch=3)
    whole = {k: v for k, v in batched.items() if k != "x[1]"} | {"x": batched["x[1]"][None]}
    assert u.run(whole).gradients["x[1]"].shape == batched["x[1]"].shape


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("elman:generator", {}),
        ("seq2seq:feedback", {}),
        ("seq2seq", {"inputs": "feedback"}),
        ("gru", {"inputs": "feedback"}),
    ],
)
@pytest.mark.parametrize("batch", [None, 2])
def test_generators(name: str, options: dict[str, Any], batch: int | None) -> None:
    u = bound(name).unroll(3, **options)
    assert_gradients(u, u.instance(5, batch))


def test_many_to_one_and_sizes() -> None:
    rec = bg.recurrence(NET)
    u = rec.unroll(3, loss="last", sizes={"x": 3, "h": 5, "y": 2})
    assert u.shapes == {
        "x": (3,),
        "target": (2,),
        "h": (5,),
        "y": (2,),
        "E": (),
        "W": (5, 5),
        "U": (5, 3),
        "b": (5,),
        "V": (2, 5),
        "c": (2,),
    }
    assert rec.unroll(3, sizes={"U": (4, 6)}).shapes["x"] == (6,)
    assert rec.unroll(3, sizes={"W": [4, 4]}).shapes["h"] == (4,)
    default = rec.unroll(3).shapes
    assert len({default["x"], default["h"], default["y"]}) == 3, "sizes that nobody gave differ pairwise"
    scalar = bound("lstm").unroll(3, sizes=1)
    assert set(scalar.shapes.values()) == {()}
    run = assert_gradients(scalar, scalar.instance(1, batch=2))
    assert run.jacobian("h[3]", "h[1]").shape == (2,)
    stacked = bg.cell("lstm-fused").unroll(3, sizes=1)
    assert stacked.shapes["h"] == (1,) and stacked.shapes["W"] == (4, 1)


def test_sums_and_products_over_steps_reach_both_bounds() -> None:
    u = bg.recurrence(
        "a[t] = sum_{k=1}^{t} x[k]; b[t] = prod_{k=1}^{t} x[k]; c[t] = sum_{k=t}^{T} x[k]; d[t] = sum_{k=2}^{t-1} x[k];"
        " e[t] = sum_k x[k]; E[t] = a[t] + b[t] + c[t] + d[t] + e[t]"
    ).unroll(5, sizes=1)
    x = np.array([0.7, -1.3, 0.4, 2.1, -0.6])
    run = u.run({"x": x})
    for t in range(1, 6):
        assert run.values[f"a[{t}]"] == pytest.approx(x[:t].sum()) and run.values[f"b[{t}]"] == pytest.approx(
            x[:t].prod()
        )
        assert run.values[f"c[{t}]"] == pytest.approx(x[t - 1 :].sum()) and run.values[f"d[{t}]"] == pytest.approx(
            x[1 : t - 1].sum()
        )
        assert run.values[f"e[{t}]"] == pytest.approx(x.sum())


def test_a_parameter_is_one_node_with_numbered_uses() -> None:
    u = bg.cell("lstm").unroll(4)
    assert list(u.parameters) == list(u.recurrence.parameters)
    for name, node in u.parameters.items():
        assert u.graph[name] is node and [n for n in u.graph.nodes if n.name == name] == [node]
        assert [(use.number, use.step) for use in node.uses] == [(t, t) for t in range(1, 5)]
        assert all(use.node.args[use.slot] is node for use in node.uses)
    twice = bg.recurrence("h[t] = tanh(W h[t-1]) + W x[t]").unroll(2)
    assert [(use.number, use.step, use.variable) for use in twice.parameters["W"].uses] == [
        (i + 1, 1 + i // 2, f"h[{1 + i // 2}]") for i in range(4)
    ]
    assert_gradients(twice, twice.instance())


def test_the_graph_has_stable_names_and_goes_to_networkx() -> None:
    one, other = (bg.cell("gru").unroll(2).graph for _ in range(2))
    assert [one.name(n) for n in one] == [other.name(n) for n in other]
    graph = one.to_networkx()
    assert graph.number_of_nodes() == len(one) and graph.number_of_edges() == len(one.edges)
    doubled = bg.recurrence("h[t] = h[t-1] * h[t-1] + x[t]").unroll(1).graph.to_networkx()
    assert doubled.number_of_edges("h[0]", "h[1].1") == 2


@pytest.mark.parametrize(
    "text",
    [
        "h[0] = 0; h[t] = tanh(W h[t-1] + x[t])",
        "h[0] = h_init; h[t] = tanh(W h[t-1] + x[t])",
        "h[t] = tanh(W h[t-1] + V h[t-2] + x[t])",
        "h[1] = x[1]; h[t] = tanh(W h[t-1] + x[t])",
        "a[t] = tanh(W b[t-1] + x[t]); b[t] = sigmoid(V a[t] + U b[t-2])",
        "s = sigmoid(α); h[t] = s * h[t-1] + (1 - s) * tanh(W x[t])",
        "h[t] = tanh(W h[t-1] + x[t]); E = squared_error(h[T], target[T])",
        "h[t] = tanh(W h[t-1] + x[t]); m = sum_t h[t]; E = dot(m, m)",
        "h[t] = tanh(W h[t-1] + x[t]); q[t] = sum_{k=1}^{t} h[k]; E[t] = dot(q[t], q[t])",
        "h[t] = tanh(W^T h[t-1] + x[t]); y[t] = [h[t]; x[t]]; E[t] = dot(y[t], y[t]); E = sum_t E[t]",
        "[a[t]; b[t]] = W h[t-1] + U x[t]; h[t] = sigmoid(a[t]) * tanh(b[t])",
        "p[t] = h[t-1] / (1 + h[t-1]^2); h[t] = tanh(W p[t] + x[t])",
        "h[t] = tanh(U x[t] + W @ sum_{k=1}^{t-1} h[k])",
        "h[t] = tanh(W h[t-1] + x[t]); A[t] = -mean(h[t]); L[t] = norm(h[t]) + A[t]",
    ],
)
def test_what_the_language_can_say(text: str) -> None:
    for batch in (None, 2):
        u = bg.recurrence(text).unroll(4)
        assert_gradients(u, u.instance(3, batch))


# -- bad input ---------------------------------------------------------------------------------------------------------

RNN = bg.cell("rnn")
BAD: dict[str, tuple[Any, str, str]] = {
    "no steps": (lambda: RNN.unroll(0), "steps=0: a recurrence is unrolled over at least 1 step", "write steps=3"),
    "negative steps": (lambda: RNN.unroll(-2), "steps=-2", "write steps=3"),
    "steps that are no number": (lambda: RNN.unroll("3"), "steps='3'", "write steps=3"),
    "a truth value": (lambda: RNN.unroll(True), "steps=True", "write steps=3"),
    "a loss outside": (
        lambda: RNN.unroll(3, loss=[2, 5]),
        "loss step 5 is outside the steps 1 to 3",
        "choose steps from 1 to 3",
    ),
    "a loss at 0": (lambda: RNN.unroll(3, loss=[0]), "loss step 0 is outside", "choose steps"),
    "no loss step": (lambda: RNN.unroll(3, loss=[]), "is outside the steps", "choose steps"),
    "a loss in words": (lambda: RNN.unroll(3, loss="first"), "loss='first' is not a choice of steps", 'write "every"'),
    "a loss without meaning": (lambda: RNN.unroll(3, loss=1.5), "loss=1.5 is not a choice", 'write "every"'),
    "inputs": (lambda: RNN.unroll(3, inputs="some"), "inputs='some' is not known", '"every"'),
    "reduce": (lambda: RNN.unroll(3, reduce="max"), "reduce='max' is not known", '"sum" or "mean"'),
    "feedback into nothing": (
        lambda: bg.recurrence("h[t] = tanh(W h[t-1])").unroll(3, inputs="feedback"),
        "no input",
        'inputs="every"',
    ),
    "feedback into several": (
        lambda: bg.recurrence("h[t] = tanh(W h[t-1] + U x[t] + V z[t])").unroll(3, inputs="feedback"),
        "several inputs (x, z)",
        "x[t+1] = …",
    ),
    "an undefined state": (
        lambda: bg.recurrence("h[t] = tanh(W s[t-1] + U x[t])"),
        "s[t-1] is read, but no line defines s[t]",
        "did you mean h[t-1]?",
    ),
    "a circle": (
        lambda: bg.recurrence("a[t] = tanh(b[t]); b[t] = W a[t] + x[t]"),
        "circular definition within a step: ",
        "[t-1]",
    ),
    "a circle of one": (
        lambda: bg.recurrence("a[t] = tanh(W a[t])"),
        "circular definition within a step: a[t] → a[t]",
        "[t-1]",
    ),
    "both directions": (
        lambda: bg.recurrence("a[t] = tanh(b[t-1]); b[t] = tanh(b[t+1] + a[t])"),
        "earlier and at later steps",
        "let states",
    ),
    "two definitions": (
        lambda: bg.recurrence("h[t] = tanh(x[t])\nh[t] = h[t-1]"),
        "h is defined twice: in line 1 (h[t] = tanh(x[t])) and here",
        "keep one",
    ),
    "a parameter with a step": (
        lambda: bg.recurrence("h[t] = tanh(W h[t-1] + W[t])"),
        "W stands with and without a step",
        "rename",
    ),
    "a state without a step": (
        lambda: bg.recurrence("h[t] = tanh(W h[t-1]); y[t] = h"),
        "h stands without a step",
        "write h[t]",
    ),
    "an unknown step": (lambda: bg.recurrence("h[t] = tanh(W h[k])"), "the step k is not known here", "sum_{k=1}^{t}"),
    "t in the last loss": (
        lambda: bg.recurrence("h[t] = tanh(W h[t-1]); E[T] = norm(h[t])"),
        "no step t on its left",
        "sum_t",
    ),
    "too far": (lambda: bg.recurrence("h[t+200] = tanh(W h[t])"), "too far from t", "at most 100"),
    "different steps on the left": (lambda: bg.recurrence("[a[t]; b[t-1]] = W x[t]"), "same step", "write"),
    "arguments": (
        lambda: bg.recurrence("h[t] = tanh(W h[t-1], x[t])").unroll(3),
        "tanh takes 1 argument, not 2",
        "write tanh(W h[t-1] + x[t])",
    ),
    "contradicting shapes": (
        lambda: RNN.unroll(3, sizes={"h": 3, "W_xh": (4, 2)}),
        "the shapes contradict each other",
        "make the sizes agree",
    ),
    "a size nobody has": (lambda: RNN.unroll(3, sizes={"hidden": 3}), "sizes: there is no hidden", ""),
    "a size of 0": (lambda: RNN.unroll(3, sizes={"h": 0}), "sizes: h=0 is not a size", 'sizes={"h": 3}'),
    "arguments of numbers": (
        lambda: bg.recurrence("h[t] = clip(h[t-1])").unroll(3, sizes=1),
        "clip takes 3 arguments, not 1",
        "functions",
    ),
    "no such block": (
        lambda: bg.recurrence("h[t] = tanh(h[t-1] + encoder.h[T])"),
        "there is no block encoder",
        "encoder:",
    ),
    "outside the blocks": (
        lambda: bg.recurrence("y[t] = tanh(encoder.h[T])\nencoder:\nh[t] = tanh(h[t-1])"),
        "y stands outside the blocks",
        "encoder.y",
    ),
    "a sum over its own future": (
        lambda: bg.recurrence("h[t] = tanh(sum_t h[t-1])"),
        "h is defined by itself",
        "[t-1]",
    ),
    "abstract": (
        lambda: _run(bg.cell("rnn-traditional").unroll(3)),
        "g_1, g_2 are abstract: there are no numbers",
        "--let g_1=tanh",
    ),
    "no such parameter": (lambda: RNN.unroll(3).derive("W_h"), "W_h", "W_hh"),
}


def _run(u: bg.Unrolled) -> bg.Run:
    return u.run(u.instance())


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    action, message, hint = BAD[name]
    with pytest.raises(bg.BPTTError) as caught:
        action()
    assert message in caught.value.message
    assert "hint: " in str(caught.value) and hint in str(caught.value)
    assert str(caught.value).count("hint: ") == 1


# -- size --------------------------------------------------------------------------------------------------------------


def test_ten_thousand_steps_are_linear() -> None:
    def work(steps: int) -> tuple[int, int]:
        u = bg.cell("rnn").unroll(steps, sizes={"x": 1, "h": 2, "y": 2})
        return len(u.graph), len(u.numbers.full_plan[0].nodes)

    (a, b), (c, d) = work(250), work(1000)
    assert c <= 4.01 * a and d <= 4.01 * b
    u = bg.cell("rnn").unroll(10_000, sizes={"x": 1, "h": 2, "y": 2})
    run = u.run(u.instance())
    assert np.isfinite(run.loss) and np.all(np.isfinite(run.gradients["W_hh"]))
    assert u.derive("W_hh").count == 10_000 * 10_001 // 2


@pytest.mark.parametrize(
    "text",
    [
        "h[t] = tanh(W h[t-1] + U x[t])\na[t] = V (sum_{k=1}^{t-1} (A h[k])) + c",
        "h[t] = tanh(W h[t-1] + U x[t])\na[t] = V (prod_{k=2}^{t} (A h[k])) + c",
        "M[t] = 0.5 M[t-1] + outer(x[t], x[t])\nE[t] = squared_error(M[t], N[t]) + 0.1 dot(M[t], M[t]) + norm(M[t])",
    ],
)
def test_sums_of_no_terms_and_losses_of_matrices(text: str) -> None:
    from bpttgraph.check import check_gradients

    u = bg.recurrence(text).unroll(3)
    report = check_gradients(u, None, u.instance(3, batch=2))
    assert report.right, str(report)


def test_softmax_of_a_matrix_must_say_along_what() -> None:
    with pytest.raises(bg.BPTTError, match="softmax takes a vector"):
        bg.recurrence("M[t] = softmax(0.5 M[t-1] + outer(x[t], x[t]))").unroll(2)


def test_a_misspelt_function_is_pointed_out() -> None:
    rec = bg.recurrence("h[t] = tahn(W h[t-1] + x[t])")
    assert rec.abstract == ("tahn",) and "did you mean tanh?" in rec.notes[0]
    assert bg.recurrence("h[t] = phi(W h[t-1] + x[t])").notes == ()


# -- states before step 0, and first steps of inputs -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first"),
    [("h[t] = tanh(W h[t-1] + V h[t-2]); h[0] = 0; h[-1] = 0", {"h[0]": 0, "h[-1]": 0}),
     ("h[t] = tanh(W h[t-1] + V h[t-3]); h[0] = 0; h[-1] = b; h[-2] = 2*b", {"h[0]": 0, "h[-1]": 1, "h[-2]": 2}),
     (r"h_t = \tanh(W h_{t-1} + V h_{t-2}); h_{-1} = 0; h_0 = b", {"h[0]": 1, "h[-1]": 0}),
     (r"h^{<t>} = \tanh(W h^{<t-1>} + V h^{<t-2>} + b); h^{<-1>} = b; h^{<0>} = 0", {"h[0]": 0, "h[-1]": 1}),
     ("hₜ = tanh(W hₜ₋₂ + b); h₋₁ = 0; h₀ = b", {"h[0]": 1, "h[-1]": 0})],
)  # fmt: skip
def test_states_before_step_0_can_be_given(text: str, first: dict[str, int]) -> None:
    """`first` says which multiple of b each of them is."""
    u = bg.recurrence(text).unroll(3)
    data = u.instance(seed=2)
    assert not [k for k in data if k.startswith("h[")]
    run = assert_gradients(u, data)
    for name, times in first.items():
        assert np.array_equal(run.values[name], times * data.get("b", np.zeros(u.sizes["h"])))


def test_a_state_before_step_0_may_stay_data_and_may_be_read_anywhere() -> None:
    u = bg.recurrence("h[t] = tanh(W h[t-1] + V h[t-2]); E[t] = dot(h[t], h[-1]); h[0] = 0").unroll(3)
    assert [k for k in u.instance() if k.startswith("h[")] == ["h[-1]"]
    assert_gradients(u, u.instance(seed=1))
    assert "h" in bg.recurrence("h_t = \\alpha^{-1} h_{t-1}").states  # a power, no step


def test_the_first_step_of_an_input_can_be_given() -> None:
    rec = bg.recurrence("h[t] = tanh(W h[t-1] + U x[t-1] + V x[t]); x[0] = b")
    assert rec.inputs == ("x",)
    u = rec.unroll(3, sizes={"x": 2, "h": 3})
    data = u.instance(seed=4)
    assert "x[0]" not in data
    run, h, loss = assert_gradients(u, data), data["h[0]"], 0.0
    for t in range(3):
        before = data["x"][t - 1] if t else data["b"]
        h = np.tanh(data["W"] @ h + data["U"] @ before + data["V"] @ data["x"][t])
        loss += data["dE_dh"][t] @ h
    assert np.isclose(run.loss, loss, rtol=1e-13)
    assert np.isclose(u.run(data, schedule=False).loss, loss, rtol=1e-13)
