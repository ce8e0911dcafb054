"""Answers that run as code: whatever they do ends in a result or in one message, in bounded time and memory, and leaves
nothing behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.homework.programs import child
from bpttgraph.homework.programs.functions import run_file

CODE = """
import os, signal, subprocess, sys, time
import numpy as np

def right(x): return {"W": x}
def leaves(x): os._exit(0)
def leaves_with(x): os._exit(3)
def exits(x): sys.exit(0)
def exits_saying(x): sys.exit("I give up")
def killed(x): os.kill(os.getpid(), signal.SIGKILL)
def large(x): return {"W": np.ones(3 * 10**9 // 8)}
def larger(x): return {"W": np.zeros(8_000_000)}
def bells(x): raise ValueError("\\x1b[31mred\\x07 text")
def writes(x):
    while True: sys.stderr.write("x" * 100_000)
def prints(x):
    while True: print("x" * 100_000)
def fifo(x):
    os.mkfifo(os.path.join(sys.argv[3], "answer.npz"))
    os._exit(0)
def forged(x):
    with open(os.path.join(sys.argv[3], "answer.npz"), "wb") as f: np.savez(f, a=x)
    os._exit(0)
def rubbish(x):
    with open(os.path.join(sys.argv[3], "answer.npz"), "wb") as f: f.write(b"PK" * 1000)
    os._exit(0)
def forks(x):
    if os.fork() == 0:
        with open(FOLDER + "/grandchild", "w") as f: f.write(str(os.getpid()))
        time.sleep(600)
    while not os.path.exists(FOLDER + "/grandchild"): time.sleep(0.01)
    return {"W": x}
def forks_and_loops(x):
    forks(x)
    while True: pass
def sleeps(x):
    with open(FOLDER + "/grandchild", "w") as f: f.write(str(os.getpid()))
    time.sleep(600)
def starts(x):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return {"W": x}
def both_return(x):
    os.fork()
    return {"W": x}
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    file = folder / "mine.py"
    file.write_text(CODE + f"\nFOLDER = {str(folder)!r}\n")
    return file


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ran(path, function, seconds=20.0):
    return run_file(f"{path}:{function}", {"x": np.arange(3.0)}, ["W"], seconds=seconds)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("leaves", "ended the process before it returned anything"),
        ("leaves_with", "exit status 3"),
        ("exits", "ended the process before it returned anything"),
        ("exits_saying", "I give up"),
        ("killed", "it was killed"),
        ("large", "MemoryError"),
        ("larger", "it returns more than"),
        ("bells", "ValueError: �[31mred� text"),
        ("writes", "it printed more than 67,108,864 bytes"),
        ("fifo", "something else in the place of its result"),
        ("forged", "something else in the place of its result"),
        ("rubbish", "is not an .npz file"),
    ],
)
def test_what_goes_wrong_is_one_message(path, function, words):
    with pytest.raises(bg.BPTTError) as caught:
        ran(path, function)
    assert words in caught.value.message and len(str(caught.value)) < 1000
    assert all(c.isprintable() or c == "\n" for c in str(caught.value))


def test_output_without_end_ends(path):
    with pytest.raises(bg.BPTTError, match=r"printed more than|did not end within"):
        ran(path, "prints", seconds=20.0)


@pytest.mark.parametrize("function", ["forks", "starts", "both_return"])
def test_nobody_waits_for_grandchildren(path, function):
    np.testing.assert_array_equal(ran(path, function)["W"], np.arange(3.0))


def test_grandchildren_end_with_their_parent(path):
    mark = path.parent / "grandchild"
    for function, seconds in (("forks", 20.0), ("forks_and_loops", 2.0)):
        mark.unlink(missing_ok=True)
        try:
            ran(path, function, seconds)
        except bg.BPTTError as error:
            assert "did not end" in error.message
        number = int(mark.read_text())
        for _ in range(200):
            if not alive(number):
                break
            time.sleep(0.05)
        assert not alive(number)


def test_nothing_stays_in_the_temporary_folder(path, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for function in ("right", "fifo", "leaves"):
        with contextlib.suppress(bg.BPTTError):
            ran(path, function)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("function", ["leaves", "large", "fifo"])
def test_the_command_line_says_it_with_status_2(path, function):
    done = CliRunner().invoke(main, ["check", "rnn", "--answer", f"{path}:{function}"])
    assert done.exit_code == 2 and isinstance(done.exception, SystemExit) and "Traceback" not in done.stderr
    assert function in done.stderr and not done.stdout


def test_the_result_is_read_as_a_plain_file_only(tmp_path):
    (tmp_path / "a").write_bytes(b"1" * 10)
    assert child.read_result(tmp_path / "a", "it") == b"1" * 10
    os.symlink(tmp_path / "a", tmp_path / "b")
    os.mkdir(tmp_path / "c")
    for name in "bcd":
        with pytest.raises(bg.BPTTError):
            child.read_result(tmp_path / name, "it")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the parent's end")
def test_a_child_ends_with_a_checker_that_is_killed(path):
    """Nobody keeps its time any more."""
    mark = path.parent / "grandchild"
    mark.unlink(missing_ok=True)
    head = "from bpttgraph.homework.programs.functions import run_file"
    ask = f"{head}; run_file({f'{path}:sleeps'!r}, {{'x': 1.0}}, ['W'])"
    checker = subprocess.Popen([sys.executable, "-c", ask])
    try:
        for _ in range(600):
            if mark.exists() and mark.read_text():
                break
            time.sleep(0.05)
        number = int(mark.read_text())
    finally:
        checker.kill()
        checker.wait()
    for _ in range(200):
        if not alive(number):
            break
        time.sleep(0.05)
    assert not alive(number)
