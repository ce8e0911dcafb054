"""`bpttgraph check` as somebody would type it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main

RIGHT = """delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh.T @ delta[t+1])
dW_hh = sum_t outer(delta[t], h[t-1])
db_h = sum_t delta[t]
"""


def run(*words):
    result = CliRunner().invoke(main, ["check", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def answer(tmp_path):
    path = tmp_path / "answer.txt"
    path.write_text(RIGHT)
    return path


def test_right_and_wrong(answer):
    result = run("rnn", "--answer", answer)
    assert result.exit_code == 0 and result.stdout.endswith("Right: all 2 gradients.\n")
    answer.write_text(RIGHT.replace(" + W_hh.T @ delta[t+1]", ""))
    result = run("rnn", "--answer", answer, "--batch", "4")
    assert result.exit_code == 1 and "WRONG" in result.stdout and "never carried" in result.stdout
    assert run("rnn", "--answer", answer, "--truncate", "one-step").exit_code == 0
    assert run("rnn", "--answer", answer, "--feedback", "verdict").stdout == "WRONG: 2 of 2 gradients.\n"


def test_options(answer):
    assert run("rnn", "--answer", answer, "--steps", "7", "--size", "h=6", "--seed", "3").exit_code == 0
    assert run("rnn", "--answer", answer, "--loss", "last").exit_code != 0
    assert run("rnn", "--answer", answer, "--reduce", "mean").exit_code == 0  # another convention
    body = json.loads(run("rnn", "--answer", answer, "--json").stdout)
    assert body["right"] is True and body["parameters"]["W_hh"]["status"] == "right"


@pytest.mark.parametrize("kind", ["npz", "json"])
def test_an_instance_to_compute_on(tmp_path, kind):
    made = tmp_path / f"instance.{kind}"
    assert run("rnn", "--make-instance", made, "--steps", "4", "--batch", "3", "--seed", "8").exit_code == 0
    u = bg.cell("rnn").unroll(4)
    if kind == "npz":
        data = {k.removeprefix("data/"): v for k, v in np.load(made).items()}
        np.savez(tmp_path / "mine.npz", **np.load(made), **{f"d{k}": v for k, v in u.run(data).gradients.items()})
    else:
        body = json.loads(made.read_text())
        body["gradients"] = {k: v.tolist() for k, v in u.run(body["data"]).gradients.items()}
        (tmp_path / "mine.json").write_text(json.dumps(body))
    result = run("rnn", "--answer", tmp_path / f"mine.{kind}")
    assert result.exit_code == 0 and "the instance handed in: T = 4, batch of 3" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "there is no answer"),
        (["--answer", "nowhere.npz"], "cannot read"),
        (["--answer", "."], "is not a file"),
        (["--answer", "nowhere.py:f"], "there is no file"),
        (["--answer", "ANSWER", "--steps", "2"], "not generic"),
        (["--answer", "ANSWER", "--steps", "0"], "at least 1 step"),
        (["--answer", "ANSWER", "--batch", "0"], "not a number of examples"),
        (["--make-instance", "x.txt"], ".npz"),
    ],
)
def test_bad_input(answer, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("rnn", *[answer if w == "ANSWER" else w for w in words])
    assert result.exit_code == 2 and message in result.stderr and not result.stdout
    assert "Traceback" not in result.stderr


def test_it_is_quick(answer):
    """A formula answer for the vanilla RNN in under 2 s, start-up included: processor time, since other tests run
    beside this one."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "bpttgraph", "check", "rnn", "--answer", answer], capture_output=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
