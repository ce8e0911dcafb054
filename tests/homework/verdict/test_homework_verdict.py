"""The verdict: statuses, conventions with their map, partial answers, and how much is told."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.homework.verdict.conventions import blocks_of
from bpttgraph.homework.verdict.feedback import LEVELS, measures, worst_entries


@pytest.fixture(scope="module")
def rnn():
    u = bg.cell("rnn").unroll(5)
    data = u.instance(0, batch=7)
    return u, data, dict(u.run(data).gradients)


def statuses(verdict):
    return {p.status for p in verdict.parameters.values()}


def moved(g, f):
    return {k: f(v) for k, v in g.items()}


def test_right_wrong_and_partial(rnn):
    u, data, g = rnn
    assert bg.verify(u, g, data).right and bool(bg.verify(u, {"b_h": g["b_h"]}, data))
    verdict = bg.verify(u, {**g, "b_h": g["b_h"] + 1e-12}, data)
    assert not verdict.right and verdict.parameters["b_h"].status == "wrong"
    assert [n for n, p in verdict.parameters.items() if p.status == "wrong"] == ["b_h"]
    run = u.run(data)
    assert bg.verify(u, {"dh[2]": run.gradient("h[2]"), "dx": run.gradient("x")}, data).right
    assert not bg.verify(u, {"dh[2]": run.gradient("h[3]")}, data).right


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.T if v.ndim == 2 and len(v) != 7 else v, "transposed"),
        (lambda v: -v, "opposite sign"),
        (lambda v: v / 5, "mean over the steps"),
        (lambda v: v / 7, "mean over the batch"),
        (lambda v: v / 35, "mean over the steps"),
        (lambda v: -v / 7, "opposite sign"),
        (lambda v: v[:, None] if v.ndim == 1 else v, "columns"),
    ],
)
def test_conventions_name_the_exact_map(rnn, change, words):
    u, data, g = rnn
    verdict = bg.verify(u, moved(g, change), data)
    assert verdict.right and statuses(verdict) <= {"right", "convention"} and "convention" in statuses(verdict), str(
        verdict
    )
    assert any(words in p.convention for p in verdict.parameters.values())
    assert words in str(verdict)
    typed = {k: [[f"{x:.5g}" for x in row] for row in v] for k, v in moved(g, change).items() if v.ndim == 2}
    assert bg.verify(u, typed, data).right


def test_a_single_array_in_another_convention(rnn):
    u, data, g = rnn
    for value, words in [(g["W_hh"].T, "transposed"), (-g["W_hh"], "sign"), (g["W_hh"] / 7, "batch")]:
        p = bg.verify(u, {"W_hh": value}, data).parameters["W_hh"]
        assert p.status == "convention" and words in p.convention


def test_a_layout_belongs_to_one_array(rnn):
    """One matrix transposed among right ones is right, and the verdict says that it is laid out differently."""
    u, data, g = rnn
    for name in ("W_hh", "W_hy"):
        verdict = bg.verify(u, {**g, name: g[name].T}, data)
        assert verdict.right and verdict.parameters[name].convention == "transposed"
        assert verdict.parameters["W_xh"].status == "right"
        assert any(f"d{name} is transposed, other matrices are not" in n for n in verdict.notes)
    mixed = bg.verify(u, {k: -(v.T if k == "W_hh" else v) for k, v in g.items()}, data)
    assert mixed.right and mixed.parameters["W_hh"].convention.endswith("transposed")
    assert "sign" in mixed.parameters["W_hh"].convention and "transposed" not in mixed.parameters["W_xh"].convention


def test_sign_and_scale_hold_for_the_whole_answer(rnn):
    """One gradient with the opposite sign or a mean among right ones is a mistake, transposed or not, and it is
    named."""
    u, data, g = rnn
    for value, words in [(-g["W_hh"], "sign"), (g["W_hh"] / 5, "mean"), (-g["W_hh"].T, "")]:
        verdict = bg.verify(u, {**g, "W_hh": value}, data)
        assert verdict.parameters["W_hh"].status == "wrong" and verdict.parameters["b_h"].status == "right"
        assert words in (verdict.parameters["W_hh"].cause or ""), str(verdict)
    two = bg.verify(u, {**g, "W_hh": -g["W_hh"], "b_h": -g["b_h"]}, data)
    assert [n for n, p in two.parameters.items() if p.status == "wrong"] == ["W_hh", "b_h"]
    assert not bg.verify(u, moved(g, lambda v: 2 * v), data).right
    assert not bg.verify(u, moved(g, lambda v: v / 6), data).right


def test_squared_error_without_the_half():
    u = bg.recurrence(
        "h[t] = tanh(W @ h[t-1] + U @ x[t])\nE[t] = squared_error(h[t], target[t])\nE = sum_t E[t]"
    ).unroll(4)
    data = u.instance(0)
    verdict = bg.verify(u, moved(u.run(data).gradients, lambda v: 2 * v), data)
    assert verdict.right and "without the factor ½" in str(verdict)


def test_gate_orders():
    u = bg.cell("lstm-fused").unroll(4)
    data = u.instance(0, batch=5)
    g = dict(u.run(data).gradients)
    for order in list(permutations(range(4)))[1::6]:
        answer = {
            k: np.concatenate([np.split(v, 4)[i] for i in order]) if k in ("W", "U", "b") else v for k, v in g.items()
        }
        verdict = bg.verify(u, answer, data)
        assert verdict.right and "gate order" in verdict.parameters["W"].convention
        rows = {k: v.T if v.ndim == 2 and k in ("W", "U") else v for k, v in answer.items()}
        assert bg.verify(u, rows, data).right
    answer["U"] = g["U"]  # one of them in another order than the rest
    assert not bg.verify(u, answer, data).right


def test_an_order_of_gates_is_named_as_it_was_handed_in():
    """Orders that are not their own reverse: the words say which block of the answer is which gate."""
    u = bg.cell("lstm-fused").unroll(4)
    data = u.instance(0)
    g = dict(u.run(data).gradients)
    own = [b.rpartition(".")[2] for b in blocks_of(u)["W"]]
    for order in ((1, 2, 0, 3), (3, 0, 1, 2), (2, 3, 1, 0)):
        answer = {
            k: np.concatenate([np.split(v, 4)[i] for i in order]) if k in ("W", "U", "b") else v for k, v in g.items()
        }
        words = bg.verify(u, answer, data).parameters["W"].convention
        assert words.startswith(f"gate order {', '.join(own[i] for i in order)} instead of {', '.join(own)}"), words


def test_a_factor_of_a_minority_is_no_convention(rnn):
    """Two arrays are wrong in ways of their own; that the third is the mean over the steps does not make it right."""
    u, data, g = rnn
    noise = np.random.default_rng(0)
    wrong = {k: noise.normal(size=g[k].shape) for k in ("W_xh", "b_h", "W_hy")}
    verdict = bg.verify(u, {**wrong, "W_hh": g["W_hh"] / 5, "b_y": g["b_y"] / 5}, data)
    assert statuses(verdict) == {"wrong"}, str(verdict)
    verdict = bg.verify(u, {"b_h": wrong["b_h"], **{k: g[k] / 5 for k in ("W_hh", "W_xh", "b_y", "W_hy")}}, data)
    assert [n for n, p in verdict.parameters.items() if p.status == "wrong"] == ["b_h"]


def test_one_wrong_entry_is_enough(rnn):
    """Wherever it stands, in arrays of any size, and however few it is among right ones."""
    u, data, g = rnn
    for name in ("W_hh", "W_xh", "b_h", "W_hy"):
        for place in (0, g[name].size // 2, g[name].size - 1):
            value = g[name].copy()
            value.flat[place] += 1e-9 * max(1.0, abs(value.flat[place]))
            verdict = bg.verify(u, {**g, name: value}, data)
            assert verdict.parameters[name].status == "wrong" and not verdict.right
    x = u.run(data).gradient("x").copy()
    x[-1, -1, -1] += 1e-9
    assert not bg.verify(u, {"dx": x}, data).right


def test_two_biases(rnn):
    u, data, g = rnn
    answer = {k: v for k, v in g.items() if k != "b_h"}
    verdict = bg.verify(u, {**answer, "b_ih": g["b_h"], "b_hh": g["b_h"]}, data)
    assert verdict.right and any("second bias" in n for n in verdict.notes)
    with pytest.raises(bg.BPTTError, match="nothing here is called"):
        bg.verify(u, {**answer, "b_h": g["b_h"], "b_hh": 0 * g["b_h"]}, data)


def test_truncation_is_asked_for_not_assumed(rnn):
    _, data, _ = rnn
    rec = bg.cell("rnn")
    cut = rec.unroll(5, truncate="sliding:2")
    g = dict(cut.run(data).gradients)
    assert bg.verify(cut, g, data).right and not bg.verify(rec.unroll(5), g, data).right


def test_how_much_is_told(rnn):
    u, data, g = rnn
    wrong = {**g, "W_hh": g["W_hh"] * (1 + 1e-3)}
    i, j = np.unravel_index(
        np.argmax(np.abs(g["W_hh"]) / (bg.verify(u, wrong, data).parameters["W_hh"].radius)), (4, 4)
    )
    true = f"{g['W_hh'][i, j]:.4f}"[:-1]
    told = {level: bg.verify(u, wrong, data, feedback=level) for level in LEVELS}
    texts = {level: str(v) for level, v in told.items()}
    assert "WRONG" not in texts["none"] and "W_hh" in texts["none"]
    assert texts["verdict"] == "WRONG: 1 of 6 gradients."
    assert "16 of 16 entries differ" in texts["where"]
    assert len(texts["where"]) <= len(texts["why"]) < len(texts["full"])
    for level in LEVELS[:-1]:
        body = told[level].to_json()
        assert true not in body and true not in texts[level] and str(g["W_hh"][i, j]) not in body
        json.loads(body)
    assert true in texts["full"] and "±" in texts["full"] and "CS231n" in texts["full"]
    full = json.loads(told["full"].to_json())
    assert full["parameters"]["W_hh"]["true"] == g["W_hh"].tolist() and full["right"] is False
    assert "<pre>" in told["why"]._repr_html_() and texts["where"] == told["full"].report("where")
    with pytest.raises(bg.BPTTError, match="feedback"):
        bg.verify(u, g, data, feedback="whhy")


def test_customary_measures_are_shown_and_do_not_decide(rnn):
    u, data, g = rnn
    p = bg.verify(u, {"W_hh": g["W_hh"] + 1e-9}, data).parameters["W_hh"]
    found = measures(p)
    assert p.status == "wrong" and found["numpy.allclose (rtol 1e-5, atol 1e-8)"] is True
    assert worst_entries(p, 2)[0]["times"] > 1e4 and len(worst_entries(p, 2)) == 2


def test_the_same_verdict_twice(rnn):
    u, data, g = rnn
    wrong = {**g, "W_hh": 2 * g["W_hh"]}
    assert bg.verify(u, wrong, data).to_json("full") == bg.verify(u, wrong, data).to_json("full")


def test_what_cannot_be_judged(rnn):
    with pytest.raises(bg.BPTTError, match="abstract"):
        bg.verify(bg.cell("rnn-abstract"), {"W": [1.0]})
    u, data, g = rnn
    with pytest.raises(bg.BPTTError, match="x has shape"):
        bg.verify(u, g, {**data, "x": data["x"][:3]})
    with pytest.raises(bg.BPTTError, match="x is missing"):
        bg.verify(u, g, {k: v for k, v in data.items() if k != "x"})
    with pytest.raises(bg.BPTTError, match="is infinite on these numbers"):
        bg.verify(bg.recurrence("h[t] = W @ h[t-1] + x[t]").unroll(5), {"W": np.zeros((2, 2))},
                  {"W": np.eye(2) * 1e200, "x": np.ones((5, 2)), "h[0]": np.ones(2)})  # fmt: skip


def test_wrong_in_another_layout_is_wrong_not_unreadable(rnn):
    u, data, _ = rnn
    other = bg.cell("rnn").unroll(5, truncate="one-step")
    cut = other.run(data).gradients
    verdict = bg.verify(u, {k: v.T for k, v in cut.items() if v.ndim == 2 and k != "h[0]"}, data)
    assert [p.status for p in verdict.parameters.values()].count("wrong") == 2 and any(
        "transposed" in n for n in verdict.notes
    )


def test_a_mistake_in_descent_directions_does_not_make_the_rest_wrong(rnn):
    u, data, g = rnn
    cut = bg.cell("rnn").unroll(5, truncate="one-step").run(data).gradients
    verdict = bg.verify(u, {"W_hh": -cut["W_hh"], "W_hy": -g["W_hy"], "b_y": -g["b_y"]}, data)
    assert [p.status for p in verdict.parameters.values()] == ["wrong", "convention", "convention"]
    assert "opposite sign" not in (verdict.parameters["W_hh"].cause or "")


def test_two_blocks_bring_their_own_lengths(tmp_path):
    rec = bg.cell("seq2seq")
    u = rec.unroll({"encoder": 5, "decoder": 4})
    data = u.instance(0, batch=3)
    verdict = bg.verify(rec, dict(u.run(data).gradients), data)
    assert verdict.right, str(verdict)
    np.savez(tmp_path / "a.npz", **data, **{f"d{k}": v for k, v in u.run(data).gradients.items()})
    assert bg.verify(rec, tmp_path / "a.npz").right


SCALARS = "s[t] = s[t-1]*w + x[t]*v\nE[t] = squared_error(s[t], y[t])"


@pytest.mark.parametrize("loss", ["last", "every"])
@pytest.mark.parametrize("batch", [None, 4])
def test_conventions_of_numbers_are_those_of_vectors(loss, batch):
    for sizes in (1, {"s": 1, "x": 1, "y": 1, "w": 1, "v": 1}):
        u = bg.recurrence(SCALARS).unroll(5, loss, sizes)
        data = u.instance(0, batch)
        g = {n: u.run(data).gradients[n] for n in "wv"}
        n = 5 if loss == "every" else 1
        words = {2.0: "without the factor ½", -1.0: "opposite sign", 2.0 / n: "½", -2.0: "½"} | (
            {1 / n: "mean over the steps"} if n > 1 else {}
        )
        words |= {1 / batch: "mean over the batch", 2 / batch: "½"} if batch else {}
        for factor, word in words.items():
            verdict = bg.verify(u, moved(g, lambda a, f=factor: f * a), data)
            assert statuses(verdict) == {"convention"} and word in str(verdict), (sizes, factor, str(verdict))
        assert not bg.verify(u, moved(g, lambda a: 3.5 * a), data).right


def test_a_factor_of_two_in_formulas_of_numbers():
    u = bg.recurrence(SCALARS).unroll(5, "last", 1)
    text = "g[T] = 2*(s[T]-y[T])\ng[t] = w*g[t+1]\ndw = sum_t g[t]*s[t-1]\ndv = sum_t g[t]*x[t]"
    assert statuses(bg.verify(u, text)) == {"convention"}
    assert bg.verify(u, text.replace("dv = sum_t g[t]", "dv = sum_t g[t]/2")).wrong == ("w",)
    plain = bg.recurrence(SCALARS.replace("squared_error(s[t], y[t])", "(s[t] - y[t])^2")).unroll(5, "last", 1)
    assert statuses(bg.verify(plain, text)) == {"right"}  # a loss without ½ has the 2
    assert bg.verify(plain, text.replace("2*(s", "(s")).wrong == ("w", "v")


def test_an_axis_of_one_more_or_less_says_nothing():
    u = bg.recurrence(SCALARS).unroll(5, sizes=1)
    data = u.instance(0)
    w = float(u.run(data).gradients["w"])
    for shape in ((), (1,), (1, 1)):
        assert statuses(bg.verify(u, {"w": np.full(shape, w)}, data)) == {"right"}
        assert statuses(bg.verify(u, {"w": np.full(shape, -w)}, data)) == {"convention"}
        assert statuses(bg.verify(u, {"w": np.full(shape, 1.1 * w)}, data)) == {"wrong"}
    u = bg.cell("rnn").unroll(4)
    data = u.instance(0)
    start = u.run(data).gradients["h[0]"]
    for shape in ((4, 1), (1, 4)):
        assert bg.verify(u, {"h[0]": start.reshape(shape)}, data).right
        assert not bg.verify(u, {"h[0]": start.reshape(shape) * 1.1}, data).right


@pytest.mark.parametrize(("factor", "right"), [("1", True), ("2", True), ("3", False), ("0.5", False)])
def test_numbers_have_the_conventions_of_vectors(factor, right):
    """The course's g[T] = 2·(s[T] − y[T]) is the squared error without ½, for numbers as well."""
    rec = bg.recurrence("s[t] = s[t-1]*w + x[t]*v; E[t] = squared_error(s[t], y[t])")
    u = rec.unroll(4, sizes=1, loss="last")
    text = f"g[T] = {factor}*(s[T]-y[T])\ng[t] = w*g[t+1]\ndw = sum_t g[t]*s[t-1]\ndv = sum_t g[t]*x[t]"
    verdict = bg.verify(u, text)
    assert verdict.right is right and ("without the factor ½" in str(verdict)) is (factor == "2")
