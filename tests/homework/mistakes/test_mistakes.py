"""The catalogue of mistakes: rewrites of the backward graph do what students do, and nothing else."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import wrong_backprop
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.homework.diagnosis.kill import concrete, kill_table, naming, subject
from bpttgraph.homework.mistakes import CATALOGUE, Trial, mutants

HAND = {"rnn": wrong_backprop.rnn, "lstm": wrong_backprop.lstm, "gru": wrong_backprop.gru}


@pytest.mark.parametrize("name", [c for c in bg.cells() if concrete(c) is not None])
@pytest.mark.parametrize("options", [{}, {"batch": 3, "loss": "last", "reduce": "mean"}, {"truncate": "sliding:2"}])
def test_without_a_mistake_it_is_the_gradient(name: str, options: dict) -> None:
    batch, options = options.get("batch"), {k: v for k, v in options.items() if k != "batch"}
    u = concrete(name).unroll(4, **options)
    run = u.run(u.instance(2, batch))
    found = Trial(u, run)([()])
    for parameter, value in run.gradients.items():
        np.testing.assert_allclose(found[parameter][0], value, rtol=1e-12, atol=1e-13)


UNEVEN = [
    "r[t] = sigmoid(D s[t-1]); s[t] = tanh(A s[t-1])",  # r is read by nothing
    "h[t] = W h[t-1]; h[0] = 0",
    "h[t] = W h[t-1]; h[0] = d",
    "c[t] = b * c[t-1]; c[0] = 0",
    "u[t] = U s[t-1]; s[t] = b * s[t-1] + (A x[t] + (d * u[t])); s[0] = b",
    "h[t] = tanh(W h[t-1] + [V x[t]; b]); E[t] = dot(a, h[t]) + dot(b, b); h[0] = c",
    "c[t] = tanh(V c[t-1] + outer(z[t], g[t]) g[t]); g[t] = tanh(U c[t-1]); E[t] = norm(c[t]); c[0] = d",
]


@pytest.mark.parametrize("text", UNEVEN)
@pytest.mark.parametrize("batch", [None, 3])
def test_where_something_holds_no_data_or_is_read_by_nothing(text: str, batch: int | None) -> None:
    """Every mistake can be tried: without one it is the gradient, and any wrong answer gets a verdict."""
    u = bg.recurrence(text).unroll(3)
    data = u.instance(1, batch)
    run = u.run(data)
    trial = Trial(u, run)
    for parameter, value in run.gradients.items():
        np.testing.assert_allclose(trial([()])[parameter][0], value, rtol=1e-12, atol=1e-13)
    tried = trial([(m,) for m in mutants(trial.site)])
    assert all(tried[n].shape[1:] == np.shape(v) for n, v in run.gradients.items())
    assert bg.verify(u, dict(run.gradients), data).right
    verdict = bg.verify(u, {n: v + 1 for n, v in run.gradients.items()}, data)
    assert not verdict.right and str(verdict)


@pytest.mark.parametrize(
    "text, sizes, blocked",
    [
        ("[i[t]; o[t]] = D h[t-1] + d; h[t] = tanh(W i[t] + o[t])", {"i": 3, "o": 3, "d": (), "h": 3}, {"D"}),
        (
            "[i[t]; o[t]] = G [h[t-1]; x[t]] + w; h[t] = tanh(a * i[t] + o[t])",
            {"i": (), "o": (), "w": (), "h": (), "x": 3},
            {"G"},
        ),
        ("[i[t]; o[t]] = D^T h[t-1]; h[t] = tanh(W i[t] + o[t])", {"i": 2, "o": 2, "h": 2}, set()),
        ("[i[t]; o[t]] = D^T h[t-1]; h[t] = tanh(W [i[t]; o[t]])", {"i": 2, "o": 2, "h": 4}, set()),
        (
            "[i[t]; o[t]] = (D F) h[t-1] + b; h[t] = tanh(W i[t] + o[t])",
            {"i": 2, "o": 2, "h": 2, "D": (4, 3), "F": (3, 2)},
            {"D", "b"},
        ),
    ],
)
def test_only_parameters_with_the_rows_of_a_stack_have_blocks(text: str, sizes: dict, blocked: set[str]) -> None:
    """Of a number added to all rows, or of a transposed matrix, no rows belong to one gate."""
    u = bg.recurrence(text).unroll(3, sizes=sizes)
    data = u.instance(1)
    run = u.run(data)
    trial = Trial(u, run)
    assert set(trial.site.blocks) == blocked
    trial([(m,) for m in mutants(trial.site)])
    assert bg.verify(u, dict(run.gradients), data).right


@pytest.mark.parametrize("name", HAND)
def test_hand_written_passes_are_right_without_their_mistakes(name: str) -> None:
    u = bg.cell(name).unroll(5)
    data = u.instance(1)
    for parameter, value in HAND[name](data).items():
        np.testing.assert_allclose(value, u.run(data).gradients[parameter], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", HAND)
def test_the_catalogue_does_what_students_do(name: str) -> None:
    u = bg.cell(name).unroll(5)
    data = u.instance(1)
    run = u.run(data)
    trial = Trial(u, run)
    found = {m.key: m for m in mutants(trial.site)}
    for bug, key in getattr(wrong_backprop, name.upper()).items():
        if key.startswith("clipped"):
            continue
        wrong = HAND[name](data, bug)
        made = trial([(found[key],)])
        assert any(np.abs(wrong[n] - run.gradients[n]).max() > 1e-3 for n in wrong), bug
        for n, value in wrong.items():
            np.testing.assert_allclose(made[n][0], value, rtol=1e-9, atol=1e-11, err_msg=f"{bug}: {n}")


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "lstm-peephole", "lstm-fused", "leaky"])
def test_nothing_hides_on_a_generic_instance(name: str) -> None:
    u = bg.cell(name).unroll(5)
    table = kill_table(u, u.instance(0))
    assert not [e.mutant.key for e in table if e.hidden]
    assert len({e.mutant.key for e in table}) == len(table)
    assert all(e.mutant.clause and e.mutant.entry in CATALOGUE for e in table)


def test_instances_on_which_mistakes_hide() -> None:
    u = bg.cell("rnn").unroll(3, sizes={"h": 2, "x": 3, "y": 4})
    data = u.instance(0)
    data["W_hh"] = data["W_hh"] + data["W_hh"].T
    hidden = {e.mutant.key for e in kill_table(u, data) if e.hidden}
    assert hidden == {"matrix-not-transposed:W_hh"}
    u = bg.cell("rnn").unroll(3)
    data = {**u.instance(0), "h[0]": np.zeros(4)}
    assert "use-forgotten:1:W_hh" in {e.mutant.key for e in kill_table(u, data) if e.hidden}


def test_entries_have_words() -> None:
    for e in CATALOGUE.values():
        assert e.title and e.lesson.endswith(".") and e.blind, e.key


def test_the_page_is_generated_from_the_catalogue() -> None:
    docs = Path(bg.__file__).parent.parent / "docs"
    spec = importlib.util.spec_from_file_location("generate_mistakes", docs / "generate_mistakes.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.page()
    assert all(f"`{key}`" in text for key in CATALOGUE)
    assert text == (docs / "reference" / "mistakes.md").read_text(encoding="utf-8"), (
        "run python docs/generate_mistakes.py"
    )


def test_no_entry_knows_a_cell() -> None:
    """Mistakes are rewrites on any recurrence: no name of a cell, gate or parameter stands in the code."""
    folder = Path(bg.__file__).parent / "homework" / "mistakes"
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                texts = [c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
                assert not {"h", "c", "f", "z", "r", "lstm", "gru", "rnn", "W_hh"} & set(texts), (path.name, texts)


def test_every_mistake_of_lstm_is_tried_in_no_time() -> None:
    import time

    u = bg.cell("lstm").unroll(5)
    run = u.run(u.instance())
    start = time.process_time()
    trial = Trial(u, run)
    trial([(m,) for m in mutants(trial.site)])
    assert time.process_time() - start < 5  # 0.1 s on an idle core


@pytest.mark.parametrize("name", ["rnn", pytest.param("lstm", marks=pytest.mark.slow), "gru"])
def test_one_step_has_no_mistakes_between_steps(name: str) -> None:
    """What can be made is named; that the rest is not in the table is said."""
    u = bg.cell(name).unroll(1)
    found = naming(subject(u, u.instance()))
    assert not found.total["misnamed"] and "use-forgotten" not in found.counts
    for steps, said in ((1, True), (2, False)):
        done = CliRunner().invoke(main, ["kill", "--table", name, "--steps", str(steps)])
        assert done.exit_code == 0 and ("mistakes between steps are not in the table" in done.stderr) is said


def test_the_table_makes_few_passes_however_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass makes up to 2,048 mistakes at once: a pass for each by itself takes minutes over 400 steps."""
    from bpttgraph.homework.mistakes.reverse import Reverse

    passes, plain = [], Reverse.__call__
    monkeypatch.setattr(
        Reverse, "__call__", lambda self, rows, *more: passes.append(len(rows)) or plain(self, rows, *more)
    )
    u = bg.cell("rnn").unroll(200)
    assert len(kill_table(u, u.instance(0))) > 400
    assert len(passes) <= 12 and sum(passes) <= 40 * 200


def at_the_ends(u, data) -> dict[str, dict[str, np.ndarray]]:
    """What a student's loop over a network with one state gives, with a mistake at one of its ends; by hand."""
    h, x, q = [data["h[0]"]], data["x"], data["q"]
    for t in range(u.columns):
        h.append(np.tanh(data["W"] @ h[-1] + data["U"] @ x[t]))
    last = u.columns

    def loop(steps=None, uses=None, first=None, error=None, ignored=False, turned=False) -> dict[str, np.ndarray]:
        found, back = {"W": np.zeros_like(data["W"]), "U": np.zeros_like(data["U"])}, np.zeros_like(h[0])
        for t in reversed(range(1, last + 1)):
            if steps and t not in steps:
                continue
            e = h[t] - q[t - 1] if error is None else h[error] - q[error - 1]
            bar = (0 * e if ignored and t == last else e) + back
            delta = (1 - h[t] ** 2) * bar
            if not uses or t in uses:
                found["W"] += np.outer(delta, h[t - 1] if t > 1 or first is None else h[first])
                found["U"] += np.outer(delta, x[t - 1])
            back = (1 - h[t] ** 2) * (data["W"] @ bar) if turned else data["W"].T @ delta
        return found

    return {
        "": loop(),
        "step-left-out:first": loop(steps=range(2, last + 1)),
        "step-left-out:last": loop(steps=range(1, last)),
        "use-forgotten:last:2:all": loop(uses=(last - 1, last)),
        "use-forgotten:first:2:all": loop(uses=(1, 2)),
        "one-error-for-all:h:last": loop(error=last),
        "one-error-for-all:h:first": loop(error=1),
        "index-wraps:h": loop(first=last),
        "direct-term:h<-E:last": loop(ignored=True),
        "step-jacobians-transposed:h": loop(turned=True),
    }


def test_mistakes_at_the_ends_of_the_loop_are_those_of_a_loop_by_hand() -> None:
    u = bg.recurrence("h[t] = tanh(W h[t-1] + U x[t])\nE[t] = squared_error(h[t], q[t])").unroll(5)
    data = u.instance(3)
    found, run = {m.key: m for m in mutants(u)}, u.run(data)
    for key, hand in at_the_ends(u, data).items():
        made = Trial(u, run)([[found[key]] if key else []])
        for name, value in hand.items():
            np.testing.assert_allclose(made[name][0], value, rtol=1e-10, atol=1e-12, err_msg=key)


NEW = ("last-state-ignored", "step-left-out", "use-forgotten", "one-error-for-all", "index-wraps",
       "step-jacobians-transposed")  # fmt: skip


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "bidirectional", "leaky", "seq2seq"])
def test_mistakes_at_the_ends_are_named(name: str) -> None:
    u = bg.cell(name).unroll(5 if name != "seq2seq" else 4)
    found = naming(subject(u, u.instance()), entries=NEW)
    assert found.total["misnamed"] == found.total["not explained"] == found.total["hidden"] == 0, found.examples
    assert found.total["exact"] > 10 and len(found.counts) >= 3


def test_clipping_by_the_norm_is_told_by_its_round_number() -> None:
    u = bg.cell("rnn").unroll(4)
    data = u.instance()
    g = {n: v for n, v in u.run(data).gradients.items() if n in u.parameters}
    norm = np.sqrt(sum(np.sum(v**2) for v in g.values()))
    verdict = bg.verify(u, {n: v * 0.25 / (norm + 1e-6) for n, v in g.items()}, data)
    assert "together they are clipped to the norm 0.25" in (verdict.parameters["W_hh"].cause or "")
    one = g["W_hh"] * 0.5 / np.linalg.norm(g["W_hh"])
    verdict = bg.verify(u, {**g, "W_hh": one}, data)
    assert "it is clipped to the norm 0.5" in (verdict.parameters["W_hh"].cause or "")
    verdict = bg.verify(u, {n: 0.1237 * v for n, v in g.items()}, data)
    assert "clipped" not in (verdict.parameters["W_hh"].cause or "")


@pytest.mark.parametrize(
    "name, equations, said",
    [
        ("rnn", "h[t] = tanh(W_hh @ h[0] + W_xh @ x[t] + b_h)", "reads h[0] at every step in place of h[t-1]"),
        ("gru", "n[t] = tanh(W @ x[t] + U @ h[t-1] + b)", "computed without r[t] in n[t]"),
        ("lstm", "h[t] = o[t] * c[t]", "computed without tanh in h[t]"),
    ],
)
def test_the_gradient_of_another_forward_pass_is_named(name: str, equations: str, said: str) -> None:
    rec = bg.cell(name)
    left = equations.partition(" = ")[0]
    text = "\n".join(equations if e.startswith(f"{left} = ") else e for e in rec.equations)
    u = rec.unroll(4)
    data, sizes = u.instance(), {n: u.shapes[n][0] for n in (*rec.every, *rec.inputs) if len(u.shapes.get(n, ())) == 1}
    other = bg.recurrence(text).unroll(4, sizes=sizes)
    run = other.run({n: v for n, v in data.items() if n in other.slots})
    answer = {n: run.gradients[n] for n in u.parameters}
    verdict = bg.verify(u, answer, data)
    assert not verdict.right
    for p in verdict.parameters.values():
        assert p.status != "wrong" or said in (p.cause or "")
