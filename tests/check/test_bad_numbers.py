"""Numbers that are none, recurrences without a gradient, answers without content: one message, and never the status of
a wrong answer."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.errors import BPTTError

INFINITE = "h[t] = exp(exp(exp(w*h[t-1]+9)))"
BY_ZERO = "h[t] = w*h[t-1]/0"
BARE = "h[t] = x[t]"


def run(*words: object, text: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(w) for w in words], input=text)


@pytest.mark.parametrize("text", [INFINITE, BY_ZERO])
@pytest.mark.parametrize(
    "words",
    [
        ["flow", "-", "--steps", 3],
        ["kill", "-", "--steps", 3],
        ["kill", "--table", "-", "--steps", 3],
        ["derive", "-", "--steps", 3, "--wrt", "w"],
        ["draw", "-", "--view", "contributions", "--wrt", "w"],
    ],
)
def test_a_value_that_is_no_number_is_named(text: str, words: list[object], tmp_path: Path) -> None:
    more = ["-o", tmp_path / "x.svg"] if words[0] == "draw" else []
    result = run(*words, *more, text=text)
    assert result.exit_code == 2 and not list(tmp_path.iterdir())
    assert "h[1] is " in result.output


def test_the_first_value_is_named() -> None:
    u = bg.recurrence("h[t] = w*h[t-1]; y[t] = log(h[t])\nE[t] = y[t]").unroll(4)
    data = {"w": -1.0, "h[0]": 1.0}
    with pytest.raises(BPTTError, match=r"^y\[1\] is not a number on these numbers, by y\[t\] = log\(h\[t\]\)"):
        u.numbers.run(data).finite()
    data = {"w": 2.0, "h[0]": 1.0}
    assert u.run(data).finite().loss == pytest.approx(math.log(2) * 10)


def test_a_gradient_that_is_no_number_although_the_values_are() -> None:
    u = bg.recurrence("h[t] = sqrt(w*h[t-1]); E[t] = h[t]").unroll(2)
    with pytest.raises(BPTTError, match="the gradient by w is not a finite number here, though all values are"):
        u.run({"w": 0.0, "h[0]": 1.0}).finite()


@pytest.mark.parametrize(
    "words",
    [
        ["derive", "-", "--wrt", "all"],
        ["derive", "-", "--wrt", "all", "--steps", 3],
        ["kill", "-"],
        ["kill", "--table", "-"],
    ],
)
def test_a_recurrence_without_parameters(words: list[object]) -> None:
    result = run(*words, text=BARE)
    assert result.exit_code == 2 and "there is nothing to derive by" in result.output


@pytest.mark.parametrize("answer", ["", "   ", "\n"])
def test_an_empty_answer(answer: str, tmp_path: Path) -> None:
    with pytest.raises(BPTTError, match=r"the answer is empty|no equation"):
        bg.verify(bg.cell("rnn"), answer)
    (tmp_path / "a.txt").write_text(answer)
    result = run("check", "rnn", "--answer", tmp_path / "a.txt")
    assert result.exit_code == 2 and "a.txt is empty" in result.output


def test_the_loss_by_itself() -> None:
    u = bg.cell("rnn").unroll(3)
    loss = u.run(u.instance()).gradient("E")
    assert loss.shape == () and loss == 1.0
    assert bg.verify(u, {"E": 1.0}).right and not bg.verify(u, {"E": 2.0}).right


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["draw", "rnn", "--view", "paths", "--wrt", "W_hh", "--term", "1,2,3"], "--term 1,2,3 names more than"),
        (["derive", "rnn", "--batch", 100_000], "10000"),
        (["check", "rnn", "--make-instance", "x.npz", "--steps", 1_000_000], "take at most about 100,000 steps"),
    ],
)
def test_what_is_asked_too_much_of(
    words: list[object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*words)
    assert result.exit_code == 2 and said in result.output and not list(tmp_path.iterdir())


# -- answer keys -------------------------------------------------------------------------------------------------------

KEY = """\
cell: exp-trace
{fields}
[instance]
{instance}
[key]
{key}
"""


def audited(tmp_path: Path, text: str) -> Result:
    (tmp_path / "key.txt").write_text(text)
    return run("audit", tmp_path / "key.txt")


SCALAR = """\
{fields}
[equations]
h[t] = tanh(w*h[t-1] + u*x[t])
E[t] = squared_error(h[t], target[t])
[instance]
seed: 1
x = {x}
target = zeros(3)
w = 0.5
u = 0.3
h[0] = 0.1
[key]
{key}
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fields": "steps: 3\nsteps: 2"}, "line 2: steps is there twice"),
        ({"key": "dw = 1\ndw = 2"}, "dw was given in line 13 already"),
        ({"key": "dx[0] = 1\ndx = 1, 2, 3"}, "dx was given in line 13 already"),
        ({"key": "dx = 1, 2, 3\ndx[1] = 2"}, r"dx[1] was given in line 13 already"),
        ({"x": "randint(99999999999999999999, 3)"}, "has no classes to choose from"),
    ],
)
def test_a_key_says_a_thing_once(change: dict[str, str], said: str, tmp_path: Path) -> None:
    text = SCALAR.format(**{"fields": "steps: 3", "x": "randn(3)", "key": "dw = 1"} | change)
    result = audited(tmp_path, text)
    assert result.exit_code == 2 and said in " ".join(result.output.split()), result.output


def test_entries_of_one_array_may_be_given_one_by_one(tmp_path: Path) -> None:
    text = SCALAR.format(fields="steps: 3", x="randn(3)", key="dx[0] = 9\ndx[1] = 9\ndx[2] = 9")
    result = audited(tmp_path, text)
    assert result.exit_code == 1, result.output  # read, and wrong


# -- long sums ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signs", ["one", "both"])
def test_a_sum_over_many_examples_one_after_the_other(signs: str) -> None:
    """Added up in a loop, as a student does; `math.fsum` is the truth."""
    u = bg.recurrence("E[t] = w*x[t]").unroll(1, sizes=1)
    rng = random.Random(3)
    x = [rng.random() * (1 if signs == "one" else rng.choice([-1, 1])) for _ in range(20_000)]
    total, exact = 0.0, math.fsum(x)
    for v in x:
        total += v
    data = {"w": np.array(0.3), "x": np.array(x)[None, :]}
    assert bg.verify(u, {"w": total}, data).right
    assert not bg.verify(u, {"w": exact + 1e-9 * sum(map(abs, x))}, data).right


@pytest.mark.parametrize("batch", [2_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_many_examples_are_no_fault(batch: int) -> None:
    u = bg.cell("rnn").unroll(3)
    assert u.derive("W_hh").check(u.instance(0, batch=batch)).right


# -- powers, files and instances ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "h[t] = w*h[t-1]^(10^400)",
        "h[t] = w*h[t-1]^(9^9^9^9)",
        "h[t] = w*2^(10^20)*h[t-1]",
        "h[t] = (w*h[t-1]+9)^(10^3)",
    ],
)
def test_a_power_that_is_too_large_is_not_called_a_wrong_derivation(text: str) -> None:
    result = run("derive", "-", "--wrt", "w", text=text)
    assert (
        result.exit_code == 2 and "h[1] is infinite on these numbers" in result.output and "WRONG" not in result.output
    )


@pytest.mark.parametrize("answer", ["", " "])
def test_an_answer_without_a_name(answer: str) -> None:
    result = run("check", "rnn", "--answer", answer)
    assert result.exit_code == 2 and "--answer names no file" in result.output


def test_no_instance_is_written_on_which_nothing_can_be_computed(tmp_path: Path) -> None:
    result = run("check", "-", "--make-instance", tmp_path / "i.npz", text=INFINITE)
    assert result.exit_code == 2 and "h[1] is infinite" in result.output and not list(tmp_path.iterdir())


def test_a_model_whose_numbers_are_none_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("to be or not to be " * 9)
    text = "h[t] = exp(exp(exp(W h[t-1] + U x[t] + 9)))\ny[t] = V h[t]\nE[t] = cross_entropy(y[t], target[t])"
    words = ["train", "-", "--text", tmp_path / "t.txt", "--iterations", 3, "--steps", 5, "--hidden", 4]
    result = run(*words, "--log", tmp_path / "log.csv", text=text)
    assert result.exit_code == 2 and "the loss is no number any more at iteration 1" in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["t.txt"]


def test_an_infinite_loss_is_said() -> None:
    """−log of a softmax that underflows: the gradient, y − target, knows nothing of it, so somebody has to."""
    u = bg.cell("rnn").unroll(5)
    data = u.instance(seed=1)
    data["b_y"] = data["b_y"].copy()
    data["b_y"][0] = 800.0
    for options in ({}, {"schedule": False}, {"memory": "sqrt"}):
        with pytest.warns(RuntimeWarning, match="the loss is infinite on these numbers"):
            run = u.run(data, **options)
        assert np.isinf(run.loss)
        if not options:
            assert all(np.all(np.isfinite(g)) for g in run.gradients.values())
    with pytest.raises(bg.BPTTError, match=r"in E\[1\] is not defined"):
        u.derive("W_hh").check(data)
    wild = bg.recurrence("h[t] = h[t-1] + log(x[t]); E[t] = sum(h[t])").unroll(2)
    with pytest.warns(RuntimeWarning, match="the loss is not a number"):
        wild.run({**wild.instance(), "x": -np.ones(np.shape(wild.instance()["x"]))})


def test_a_triangle_that_no_memory_holds_is_refused_before_it_is_made() -> None:
    u = bg.cell("rnn").unroll(10_000)
    run = u.run(u.instance())
    with pytest.raises(BPTTError, match=r"the triangle of W_hh, 10,000 losses by 10,000 uses .* 1,600,000,000 numbers"):
        run.contributions("W_hh")
    with pytest.raises(BPTTError, match=r"∂h\[2\]/∂W_hh has 1,025,312,000 numbers"):
        small = bg.cell("rnn").unroll(3, sizes={"h": 20})
        small.run(small.instance(batch=358)).jacobian("h[2]", "W_hh")


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    rec = bg.cell("rnn")
    for kind in (int, np.int64, np.uint8, np.int32):
        u = rec.unroll(kind(3), sizes={"h": kind(3)}, loss=[kind(1), kind(3)], truncate=kind(2))
        assert (u.steps[None], u.sizes["h"], u.loss_steps, u.truncation.name) == (3, (3,), (1, 3), "sliding:2")
        assert rec.unroll(3, sizes=kind(2), loss=kind(2)).sizes["h"] == (2,)
        assert u.instance(kind(1), kind(2))["x"].shape == (3, 2, 2)
        assert rec.derive("W_hh", loss=[kind(2)]).at(kind(3)).count == rec.derive("W_hh", loss=[2]).at(3).count
        blocks = {"encoder": kind(2), "decoder": kind(3)}
        assert bg.cell("seq2seq").unroll(blocks).steps == {"encoder": 2, "decoder": 3}


@pytest.mark.parametrize(
    "options",
    [
        {"steps": True},
        {"steps": np.True_},
        {"loss": True},
        {"loss": [True]},
        {"loss": np.array([True])},
        {"sizes": True},
        {"sizes": {"h": True}},
        {"truncate": True},
    ],
)
def test_truth_values_are_no_numbers(options: dict[str, object]) -> None:
    with pytest.raises(BPTTError):
        bg.cell("rnn").unroll(**options)
    u = bg.cell("rnn").unroll(3)
    for attempt in ({"seed": True}, {"batch": True}, {"seed": np.True_}):
        with pytest.raises(BPTTError):
            u.instance(**attempt)
