"""Each example runs in a process of its own, with warnings as errors, and its output bears out what it claims."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def handout(out: str, folder: Path) -> None:
    assert re.findall(r"∂E/∂(W_\w) of recurrence: (\d+)", out) == [("W_y", "3"), ("W_x", "6"), ("W_h", "6")]
    assert out.count("Right:") == 3
    for name in ("W_y", "W_x", "W_h"):
        files = {"derivation.html", "derivation.md", "forward.svg", f"backward-{name}.svg", "check.json"}
        assert {p.name for p in (folder / name).iterdir()} == files


def missing(out: str, folder: Path) -> None:
    assert "[[1 0 0 0]\n [1 1 0 0]\n [0 0 1 0]\n [0 0 1 1]]" in out
    assert "unexplained entry below 1e-12: True" in out
    assert out.count("exactly") == 1 and out.rstrip().endswith("truncation: chunk:2")
    assert (folder / "homework.npz").is_file()


def truncation(out: str, folder: Path) -> None:
    rows = {row.split(",")[0]: row.split(",")[1:] for row in out.splitlines()[1:]}
    assert [int(r[0]) for r in rows.values()] == [78, 62, 42, 30, 12]
    assert float(rows["none"][1]) == 0.0
    assert all(float(rows[how][1]) > 0.5 for how in ("sliding:4", "chunk:4", "one-step"))
    assert len({r[1] for r in rows.values()}) == 5  # they are different gradients
    assert (folder / "truncation.csv").read_text(encoding="utf-8") == out


def jacobian(out: str, folder: Path) -> None:
    last = [float(v) for v in out.splitlines()[-1].split(",")]
    assert last[0] == 30
    assert (
        last[1] < 1e-5 and last[2] < 1e-3 and 0.3 < last[3] < 10
    )  # the plain network forgets; an open forget gate does not
    assert (folder / "jacobians.csv").is_file()


def own(out: str, folder: Path) -> None:
    assert out.startswith("states: fast, slow · parameters: W, V, U, α, C")
    assert out.count("right") == 5 and "WRONG" not in out
    assert (folder / "unrolled.pdf").read_bytes().startswith(b"%PDF") and (folder / "folded.svg").is_file()


def step(out: str, folder: Path) -> None:
    assert "h[t] = ((1 - z[t]) ∘ n[t]) + (z[t] ∘ h[t-1])" in out
    assert "same numbers as the loop: True" in out and "gradients checked: True" in out
    assert r"\partial" in (folder / "U_z.tex").read_text(encoding="utf-8")


def seq2seq(out: str, folder: Path) -> None:
    assert "every decoder step reaches every encoder step: True" in out
    assert "terms: 12" in out
    assert {p.name for p in folder.iterdir()} == {"seq2seq.svg", "seq2seq-editable.svg"}


def student(out: str, folder: Path) -> None:
    assert "named: x Wx Wh b h0 c[1] h[1] c[2] h[2] c[3] h[3] c[4] h[4] loss" in out and "Right:" in out
    assert {p.name for p in folder.iterdir()} == {"student_lstm.svg"}


def hello(out: str, folder: Path) -> None:
    found = re.findall(r'p\("(\w+)"\) = (\S+) before, (\S+) after: (\w+)', out)
    assert [(w, v) for w, _, _, v in found] == [("hello", "rises"), ("htktt", "falls")]
    assert float(found[0][2]) > 20 * float(found[0][1]) and float(found[1][2]) < 1e-4 * float(found[1][1])
    assert (folder / "hello.svg").read_text(encoding="utf-8").startswith("<svg")


def vanishing(out: str, folder: Path) -> None:
    rate = {(float(r), name): float(v) for r, name, v in re.findall(r"radius (\S+), (.+): (\S+)", out)}
    assert rate[1.0, "tanh"] < 0.8 and rate[1.0, "ReLU, identity"] == 1.0 and rate[1.5, "ReLU, identity"] == 1.5
    assert rate[1.0, "LSTM, b_f = 0"] < rate[1.0, "LSTM, b_f = 1"] < rate[1.0, "LSTM, b_f = 5"]
    assert rate[1.5, "ReLU"] > 1.1 and 0.95 < rate[1.0, "LSTM, b_f = 5"] < 1.1
    assert (folder / "vanishing.svg").is_file()


def cliff(out: str, folder: Path) -> None:
    steep, usual = (float(v) for v in re.findall(r"slope is (\S+) at .* and (\S+) in the middle", out)[0])
    assert steep > 1000 * usual
    turned = {how: float(v) for how, v in re.findall(r"clipped by (\w+): .* turned by (\S+)°", out)}
    assert turned["global"] == 0.0 and turned["value"] > 1.0
    assert (folder / "cliff.svg").is_file()


def window(out: str, folder: Path) -> None:
    bits = {int(w): float(b) for w, b in (line.split(",") for line in out.split()[1:])}
    assert all(bits[w] > 0.95 for w in (2, 4, 8)) and bits[9] < 0.2


def long_range(out: str, folder: Path) -> None:
    rows = [[float(v) for v in line.split(",")] for line in out.split()[1:]]
    assert [row[0] for row in rows] == [3, 10, 40]
    assert rows[0][1] < 0.1 and rows[-1][1] > 0.9 and all(row[2] < 0.1 for row in rows)


def filter_(out: str, folder: Path) -> None:
    assert all(float(v) < 1e-12 for v in re.findall(r"largest difference (\S+)", out))
    assert "closed form" in out and "lfilter" in out and (folder / "impulse_response.csv").is_file()


def memory(out: str, folder: Path) -> None:
    assert [float(v) < 1e-15 for v in re.findall(r"at most (\S+)", out)] == [True, True]
    measured, product = re.findall(r"= (\d\.\d+)", out)[-2:]
    assert measured == product and (folder / "kernel.svg").is_file()


def next_symbol(out: str, folder: Path) -> None:
    before, after = (float(v) for v in re.findall(r"(\d\.\d+)", out)[:2])
    assert before > 1.0 > 0.2 > after and out.rstrip().endswith("ABCABCABC")


def many_to_one(out: str, folder: Path) -> None:
    assert float(out.split()[0]) > 90


def one_to_many(out: str, folder: Path) -> None:
    assert out.count("right") == 3 and (folder / "one_to_many.svg").is_file()


def backwards(out: str, folder: Path) -> None:
    assert float(out.split()[0]) > 95


CLAIMS: dict[str, Callable[[str, Path], None]] = {
    "lecture_to_handout": handout,
    "which_term_is_missing": missing,
    "truncation_table": truncation,
    "lstm_vs_rnn_jacobian": jacobian,
    "own_cell": own,
    "step_function": step,
    "seq2seq_picture": seq2seq,
    "trace_student_lstm": student,
    "hello": hello,
    "vanishing": vanishing,
    "cliff": cliff,
    "window": window,
    "long_range": long_range,
    "filter": filter_,
    "memory": memory,
    "next_symbol": next_symbol,
    "many_to_one": many_to_one,
    "one_to_many": one_to_many,
    "write_backwards": backwards,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_example(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"  # the example makes it
    here = tmp_path / "here"
    here.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), str(folder)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "PYTHONUTF8": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    CLAIMS[name](done.stdout, folder)
    assert not list(here.iterdir()), "an example writes only into its folder"


def test_every_example_is_tested_and_short() -> None:
    scripts = sorted(EXAMPLES.glob("*.py"))
    assert {p.stem for p in scripts} == set(CLAIMS)
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        assert text.startswith('"""') and "Run: python examples/" in text
        assert len(text.splitlines()) <= 50, path.name
        assert f"({path.name})" in listed
