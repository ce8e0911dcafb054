"""Training: the same numbers as a textbook implementation, checkpoints that survive being killed, samples, and bad
input."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.training import Network, Settings, Trainer, fit
from bpttgraph.training.optimizers import Optimizer, optimizer, schedule
from bpttgraph.training.text import Text, Vocabulary

TEXT = "the cat sat on the mat; the dog sat on the log. " * 6


def textbook(
    x: np.ndarray, target: np.ndarray, h: np.ndarray, p: dict[str, np.ndarray]
) -> tuple[float, dict[str, np.ndarray], np.ndarray]:
    """Loss, gradients and last state as courses write them, one example, x and target (T,)."""
    hs, ps, loss, V = {-1: h}, {}, 0.0, len(p["b_y"])
    for t in range(len(x)):
        hs[t] = np.tanh(p["W_xh"][:, x[t]] + p["W_hh"] @ hs[t - 1] + p["b_h"])
        z = p["W_hy"] @ hs[t] + p["b_y"]
        ps[t] = np.exp(z - z.max()) / np.sum(np.exp(z - z.max()))
        loss -= math.log(ps[t][target[t]])
    g, dh_next = {k: np.zeros_like(v) for k, v in p.items()}, np.zeros_like(h)
    for t in reversed(range(len(x))):
        dy = ps[t] - np.eye(V)[target[t]]
        g["W_hy"] += np.outer(dy, hs[t])
        g["b_y"] += dy
        dz = (1 - hs[t] ** 2) * (p["W_hy"].T @ dy + dh_next)
        g["b_h"] += dz
        g["W_xh"][:, x[t]] += dz
        g["W_hh"] += np.outer(dz, hs[t - 1])
        dh_next = p["W_hh"].T @ dz
    return loss, g, hs[len(x) - 1]


def test_min_char_rnn_step_for_step() -> None:
    """Forty iterations of Adagrad with clipping and carried state: the textbook's losses and parameters."""
    trainer = Trainer(TEXT, bg.cell("rnn"), Settings(hidden=12, steps=7, scale=0.2))
    p = {k: v.copy() for k, v in trainer.network.parameters.items()}
    squares = {k: np.zeros_like(v) for k, v in p.items()}
    h = np.zeros(12)
    for i in range(40):
        x, target = (a[:, 0] for a in trainer.data.chunk(i))
        if i % trainer.data.chunks == 0:
            h = np.zeros(12)
        loss, g, h = textbook(x, target, h, p)
        if i == 0:
            _, first, _ = trainer.gradients(x[:, None], target[:, None], trainer.state)
            for name in p:
                np.testing.assert_allclose(first[name], g[name], rtol=1e-11, atol=1e-14)
        trainer.learn(1)
        assert trainer.losses[-1] == pytest.approx(loss / len(x) / math.log(2), rel=1e-9)
        for name in p:
            c = np.clip(g[name], -5, 5)
            squares[name] += c * c
            p[name] -= 0.1 * c / np.sqrt(squares[name] + 1e-8)
    for name in p:
        np.testing.assert_allclose(trainer.network.parameters[name], p[name], rtol=1e-7, atol=1e-10)
    assert trainer.losses[-1] < 0.8 * trainer.losses[0]


def test_a_new_pass_begins_with_an_empty_memory_and_streams_count_as_their_mean() -> None:
    """Two passes over two streams, by the textbook: each stream's own state, the mean of their gradients, zeros at the
    second pass."""
    trainer = Trainer(
        TEXT[:45],
        bg.cell("rnn"),
        Settings(hidden=6, steps=7, batch=2, optimizer="sgd", rate=0.05, scale=0.3, clip="none"),
    )
    p = {k: v.copy() for k, v in trainer.network.parameters.items()}
    assert trainer.data.chunks == 4
    for i in range(8):
        if i % 4 == 0:
            h = [np.zeros(6), np.zeros(6)]
        x, target = trainer.data.chunk(i)
        made = [textbook(x[:, b], target[:, b], h[b], p) for b in range(2)]
        h = [m[2] for m in made]
        trainer.learn(1)
        assert trainer.losses[-1] == pytest.approx(sum(m[0] for m in made) / x.size / math.log(2), rel=1e-9)
        for name in p:
            p[name] = p[name] - 0.05 * (made[0][1][name] + made[1][1][name]) / 2
            np.testing.assert_allclose(trainer.network.parameters[name], p[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("steps", "batch"), [(7, 1), (5, 3), (287, 1), (10, 4)])
def test_chunks_lose_and_repeat_nothing(steps: int, batch: int) -> None:
    vocabulary = Vocabulary.of(TEXT)
    data = Text(TEXT, vocabulary, steps, batch)
    pieces = list(data.passes())
    x, target = (np.concatenate([p[i] for p in pieces]) for i in (0, 1))
    whole = vocabulary.encode(TEXT)
    for b in range(batch):
        stream = whole[b * data.length : (b + 1) * data.length + 1]
        assert x[:, b].tolist() == stream[:-1].tolist() and target[:, b].tolist() == stream[1:].tolist()
    assert vocabulary.decode(whole) == TEXT


def test_carried_state_makes_chunks_one_forward_pass() -> None:
    """The losses of chunks with carried state are those of the whole sequence at once; only the gradient is cut."""
    trainer = Trainer(TEXT, bg.cell("lstm"), Settings(hidden=5, steps=6, scale=0.4))
    state, parts = trainer.network.initial(6, 1), []
    for i in range(4):
        x, target = trainer.data.chunk(i)
        run, _, bits = trainer.gradients(x, target, state)
        state = trainer.network.carried(run, len(x), state)
        parts.append(bits)
    long = Text(TEXT, trainer.vocabulary, 24)
    _, _, whole = trainer.gradients(*long.chunk(0), trainer.network.initial(24, 1))
    assert np.mean(parts) == pytest.approx(whole, rel=1e-12)


def test_optimisers_against_their_papers() -> None:
    g = [np.array([0.5, -2.0]), np.array([1.0, 0.1]), np.array([-0.3, 0.7])]
    w = {"w": np.zeros(2)}
    way = Optimizer("adam")
    m = v = np.zeros(2)
    x = np.zeros(2)
    for t, each in enumerate(g, 1):
        way.step(w, {"w": each}, 0.01)
        m, v = 0.9 * m + 0.1 * each, 0.999 * v + 0.001 * each**2
        x = x - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(w["w"], x, rtol=1e-12)
    heavy, w = Optimizer("momentum"), {"w": np.zeros(2)}
    for each in g:
        heavy.step(w, {"w": each}, 1.0)
    np.testing.assert_allclose(-w["w"], g[0] * (1 + 0.9 + 0.81) + g[1] * 1.9 + g[2])
    at = schedule("cosine", 1.0, 10)
    assert at(0) == 1.0 and at(5) == pytest.approx(0.5) and at(10) == pytest.approx(0.0)
    with pytest.raises(bg.BPTTError, match="did you mean"):
        optimizer("adamm")


@pytest.mark.parametrize("cell", ["lstm", "gru", "deep-rnn", "char-lm", "rnn"])
def test_cells_learn(cell: str) -> None:
    model = bg.train("abcabd" * 40, cell, 150, hidden=10, steps=8, scale=0.3)
    assert np.mean(model.losses[-10:]) < 0.6 * model.losses[0]
    assert set(model.sample(20, "ab", seed=3)) <= set("abcd")


def test_sampling() -> None:
    model = bg.train("abc" * 60, "rnn", 200, hidden=10, steps=8, scale=0.3)
    assert model.sample(9, "a", temperature=0.05) == "abcabcabca"
    assert model.sample(12, "a", seed=1) == model.sample(12, "a", seed=1)
    assert model.bits("abcabc") < model.bits("acbacb")
    hot = model.sample(60, "a", temperature=1e6, seed=0)
    assert hot.count("aa") + hot.count("bb") + hot.count("cc") > 3
    with pytest.raises(bg.BPTTError, match="'z'"):
        model.sample(3, "z")
    with pytest.raises(bg.BPTTError, match="temperature"):
        model.sample(3, "a", temperature=0.0)


def test_fit_many_to_one() -> None:
    """Which of two symbols came first: the loss at the last step alone."""
    net = Network(bg.cell("rnn"), {"x": 2, "h": 8, "y": 2}, loss="last", steps=5)

    def sample(rng: np.random.Generator) -> dict[str, np.ndarray]:
        x = rng.integers(2, size=(5, 16))
        return {"x": np.eye(2)[x], "target": np.broadcast_to(x[0], (5, 16))}

    found = fit(net, sample, 5, 250, rate=0.02)
    assert np.mean(found.losses[-20:]) < 0.1 < found.losses[0]
    data = sample(np.random.default_rng(9))
    y = found.run(5, data).values["y[5]"]
    assert np.mean(np.argmax(y, axis=-1) == data["target"][0]) > 0.95


# -- checkpoints -------------------------------------------------------------------------------------------------------

COMMAND = [
    "lstm",
    "--iterations",
    "120",
    "--hidden",
    "8",
    "--steps",
    "6",
    "--every",
    "1",
    "--sample",
    "0",
    "--optimizer",
    "adam",
    "--rate",
    "0.01",
]


def test_resuming_is_bit_for_bit(tmp_path: Path) -> None:
    whole = bg.train(TEXT, "lstm", 60, hidden=6, steps=6, optimizer="adam", rate=0.01)
    path = tmp_path / "c.npz"
    for stop in (7, 8, 31, 60):
        last = bg.train(TEXT, "lstm", stop, hidden=6, steps=6, optimizer="adam", rate=0.01, checkpoint=path, every=1000)
    assert last.losses == whole.losses
    for name, value in whole.network.parameters.items():
        assert np.array_equal(last.network.parameters[name], value)


def killed(tmp_path: Path, delays: list[float]) -> None:
    text = tmp_path / "t.txt"
    text.write_text(TEXT)
    path = tmp_path / "c.npz"
    base = [sys.executable, "-m", "bpttgraph.cli", "train", *COMMAND, "--text", str(text)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for delay in delays:
        process = subprocess.Popen(
            [*base, "--checkpoint", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        started = time.monotonic()
        while not path.exists() and process.poll() is None and time.monotonic() - started < 60:
            time.sleep(0.005)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    for target in (path, tmp_path / "whole.npz"):
        subprocess.run([*base, "--checkpoint", str(target)], check=True, stdout=subprocess.DEVNULL, env=environment)
    with np.load(path) as a, np.load(tmp_path / "whole.npz") as b:
        assert a.files == b.files
        for name in a.files:
            assert np.array_equal(a[name], b[name]), name
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".npz" and not p.name.startswith(".")]


def test_killed_and_resumed(tmp_path: Path) -> None:
    killed(tmp_path, [0.02, 0.11])


@pytest.mark.slow
def test_killed_ten_times(tmp_path: Path) -> None:
    rng = np.random.default_rng()
    killed(tmp_path, [float(d) for d in rng.uniform(0, 0.4, size=10)])


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_checkpoint_that_is_not_finished_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Any
) -> None:
    """Interrupted in the middle of the writing, or out of disk: the old file is there, to the bit, and nothing else."""
    trainer = Trainer(TEXT, bg.cell("rnn"), Settings(hidden=4, steps=7))
    path = tmp_path / "a.npz"
    trainer.learn(2)
    trainer.save(path)
    before = path.read_bytes()

    def half(file: Any, **arrays: Any) -> None:
        file.write(b"PK half of it")
        file.flush()
        raise stop

    trainer.learn(1)
    monkeypatch.setattr(np, "savez", half)
    with pytest.raises((KeyboardInterrupt, bg.BPTTError)):
        trainer.save(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_checkpoints_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    bg.train(TEXT, "rnn", 3, hidden=4, steps=5, checkpoint=path)
    for make, words in (
        (lambda: bg.train(TEXT, "lstm", 5, hidden=4, steps=5, checkpoint=path), "another recurrence"),
        (lambda: bg.train(TEXT, "rnn", 5, hidden=5, steps=5, checkpoint=path), "hidden=4, not 5"),
        (lambda: bg.train(TEXT + "!", "rnn", 5, hidden=4, steps=5, checkpoint=path), "another text"),
    ):
        with pytest.raises(bg.BPTTError, match=words):
            make()
    for content in (b"", b"PK\x03\x04nothing", b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(bg.BPTTError, match="cannot be read"):
            bg.train(TEXT, "rnn", 5, hidden=4, steps=5, checkpoint=path)
    np.savez(path, about=np.array([object()], dtype=object), losses=np.zeros(1))
    with pytest.raises(bg.BPTTError, match="cannot be read"):
        bg.train(TEXT, "rnn", 5, hidden=4, steps=5, checkpoint=path)


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("", [], "is empty"),
        ("aaaa" * 20, [], "'a' alone"),
        ("abc", [], "shorter than a chunk of 25 steps"),
        (TEXT, ["--start", "Z"], "'Z' does not occur"),
        (
            TEXT,
            ["--rate", "1e8", "--optimizer", "sgd", "--clip", "none", "--scale", "5"],
            "no number any more at iteration",
        ),
        (TEXT, ["--optimizer", "adma"], "did you mean"),
        (TEXT, ["--clip", "length:3"], "no clipping by"),
        (TEXT, ["--clip", "norm:x"], "no way to clip"),
        (TEXT, ["--scale", "big"], "standard deviation"),
        (TEXT, ["--schedule", "stairs"], "no schedule"),
        (TEXT, ["--validation", "2"], "share of the text"),
        (TEXT, ["--hidden", "0"], "hidden=0"),
    ],
)
def test_bad_input(tmp_path: Path, content: str, options: list[str], words: str) -> None:
    text = tmp_path / "t.txt"
    text.write_text(content)
    result = CliRunner().invoke(
        main, ["train", "rnn", "--text", str(text), "--iterations", "30", "--log", str(tmp_path / "l.csv"), *options]
    )
    assert result.exit_code == 2, result.output
    assert words in result.stderr and "hint:" in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "l.csv").exists()


@pytest.mark.parametrize(
    ("cell", "words"), [("bidirectional", "future"), ("seq2seq", "inputs"), ("rnn-abstract", "abstract")]
)
def test_cells_that_are_no_character_models(cell: str, words: str) -> None:
    with pytest.raises(bg.BPTTError, match=words):
        bg.train(TEXT, cell, 3)


def test_the_command(tmp_path: Path) -> None:
    text, log = tmp_path / "t.txt", tmp_path / "l.csv"
    text.write_text(TEXT)
    result = CliRunner().invoke(
        main,
        [
            "train",
            "gru",
            "--text",
            str(text),
            "--iterations",
            "20",
            "--hidden",
            "6",
            "--steps",
            "6",
            "--validation",
            "0.2",
            "--sample",
            "12",
            "--start",
            "the ",
            "--log",
            str(log),
        ],
    )
    assert result.exit_code == 0, result.stderr
    first, sample = result.stdout.splitlines()[0], result.stdout.split("\n", 1)[1]
    assert "bits per character" in first and "held back" in first
    assert sample.startswith("the ") and len(sample.rstrip("\n")) >= 12
    assert len(log.read_text().splitlines()) == 21
