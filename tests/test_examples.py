"""Each example runs in a process of its own, with warnings as errors, and its output bears out what it claims."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def handout(out: str, folder: Path) -> None:
    assert re.findall(r"∂E/∂(W_\w) of recurrence: (\d+)", out) == [("W_y", "3"), ("W_x", "6"), ("W_h", "6")]
    assert out.count("Right:") == 3
    for name in ("W_y", "W_x", "W_h"):
        files = {"derivation.html", "derivation.md", "forward.svg", "check.json"}
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


CLAIMS: dict[str, Callable[[str, Path], None]] = {
    "lecture_to_handout": handout,
    "which_term_is_missing": missing,
    "truncation_table": truncation,
    "lstm_vs_rnn_jacobian": jacobian,
    "own_cell": own,
    "step_function": step,
    "seq2seq_picture": seq2seq,
    "trace_student_lstm": student,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_example(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
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
        assert len(text.splitlines()) <= 42, path.name
        assert f"({path.name})" in listed
