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
    start = time.perf_counter()
    trial = Trial(u, run)
    trial([(m,) for m in mutants(trial.site)])
    assert time.perf_counter() - start < 5  # 0.1 s on an idle core


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
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
