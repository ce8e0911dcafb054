"""What was read of a text is said, on every command and in documents; of the library's cells nothing need be said."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main

PASTED = r"h_t = \tanh(W h_{t-1} + U x_t)   (3)"
COMMANDS = (
    ["derive", "FILE"],
    ["draw", "FILE", "-o", "OUT.svg"],
    ["flow", "FILE", "--steps", "4"],
    ["check", "FILE", "--answer", "ANSWER"],
)


def ran(tmp_path: Path, words: list[str], *more: str) -> object:
    (tmp_path / "slide.txt").write_text(PASTED, encoding="utf-8")
    (tmp_path / "answer.txt").write_text("dE/dW = 0", encoding="utf-8")
    places = {"FILE": "slide.txt", "ANSWER": "answer.txt", "OUT.svg": "out.svg"}
    return CliRunner().invoke(main, [str(tmp_path / places[w]) if w in places else w for w in [*words, *more]])


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_text_is_read_aloud(tmp_path: Path, words: list[str]) -> None:
    done = ran(tmp_path, words)
    reading = bg.recurrence(PASTED).reading.splitlines()
    assert done.exit_code == (1 if words[0] == "check" else 0), done.output
    said = done.stderr.splitlines()
    assert said[: len(reading) + 1] == ["read as:", *("  " + line for line in reading)]
    # the note, and the line it speaks of with a caret
    note = next(i for i, line in enumerate(said) if line.startswith("note: line 1: ") and "(3)" in line)
    assert said[note + 1] == "  " + PASTED and set(said[note + 2].strip()) == {"^"}
    assert "read as" not in done.stdout


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_quiet_and_cells_say_nothing(tmp_path: Path, words: list[str]) -> None:
    quiet = ran(tmp_path, words, "--quiet")
    assert quiet.exit_code in (0, 1) and "read as" not in quiet.stderr and "note: line" not in quiet.stderr
    cell = ran(tmp_path, ["rnn" if word == "FILE" else word for word in words])
    assert "read as" not in cell.stderr, cell.output


def test_documents_show_the_reading(tmp_path: Path) -> None:
    done = ran(tmp_path, ["derive", "FILE"], "--format", "md", "-o", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    text = "".join(p.read_text(encoding="utf-8") for p in (tmp_path / "out").glob("*.md"))
    assert all(line in text for line in bg.recurrence(PASTED).reading.splitlines())
    assert "read as the equation's number" in text
    assert not bg.cell("rnn").notes and bg.cell("rnn").published
