"""What surrounds the mathematics: exit statuses, terminals, pipes, disks, bounds, and results that travel between
processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

import bpttgraph as bg
from bpttgraph.cli import main, status, terminal
from bpttgraph.errors import BPTTError, Fault, visible
from bpttgraph.homework.programs.child import die_with_parent
from bpttgraph.machine.files import read_bytes

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "bpttgraph"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


def run(*args: object, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(a) for a in args], input=text)


def start(*args: str, **options: Any) -> subprocess.Popen[bytes]:
    """The program; it ends with these tests, however they end."""
    env = {**ENVIRONMENT, **options.pop("env", {})}

    def prepare() -> None:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job hands an ignored one down

    return subprocess.Popen([*PROGRAM, *args], cwd=ROOT, env=env, preexec_fn=prepare, **options)


# -- how a command ends ------------------------------------------------------------------------------------------------


def test_an_interrupt_ends_with_130_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("to be or not to be " * 40)
    words = ["train", "rnn", "--text", str(tmp_path / "t.txt"), "--iterations", "20000", "--every", "5"]
    process = start(*words, "--checkpoint", str(tmp_path / "c.npz"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        while not (tmp_path / "c.npz").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 130 and not out and said.decode().strip() == "bpttgraph: interrupted"
    assert {p.name for p in tmp_path.iterdir()} == {"t.txt", "c.npz"}


def test_an_interrupt_while_the_program_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    from bpttgraph.__main__ import run as start_it

    def pressed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "main", pressed)
    with pytest.raises(SystemExit) as end:
        start_it()
    assert end.value.code == 130


def test_an_interrupt_in_the_middle_of_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All files are there or none: the interrupt comes between the second file and the third."""
    from bpttgraph.machine import files as writing

    (tmp_path / "b").write_bytes(b"old")
    count = 0

    def sync(_: int) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(writing.os, "fsync", sync)
    with pytest.raises(KeyboardInterrupt):
        writing.write({tmp_path / name: b"new" for name in "abc"})
    assert [p.name for p in tmp_path.iterdir()] == ["b"] and (tmp_path / "b").read_bytes() == b"old"


def test_a_closed_pipe_ends_quietly_with_141() -> None:
    with start("cells", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [["cells"], ["--help"], ["derive", "nothing-of-this-name"]])
def test_a_full_disk_is_no_wrong_answer(words: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        place = {"stderr" if "derive" in words else "stdout": full}
        done = start(*words, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **place})
        _, said = done.communicate()
    assert done.returncode == 2
    assert said is None or said.decode() == "bpttgraph: cannot write the output: No space left on device\n"


def test_a_disk_that_is_full_while_a_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bpttgraph.machine import files as writing

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "fsync", full)
    for words in (["derive", "rnn", "-o", tmp_path / "out"], ["draw", "rnn", "-o", tmp_path / "a.svg"]):
        done = run(*words)
        assert done.exit_code == 2 and "No space left on device" in done.stderr
        assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_writing_to_what_is_no_file(tmp_path: Path) -> None:
    """A device is written to, not replaced by a file of its name."""
    from bpttgraph.machine.files import write

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write({pipe: b"whole"})
    assert os.read(reader, 100) == b"whole" and pipe.is_fifo()
    os.close(reader)


def _explode(error: BaseException) -> Any:
    def command(*_: Any, **__: Any) -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ValueError("axes don't match"), 3, "ValueError: axes don't match"),
        (KeyError("value"), 3, "KeyError: 'value'"),
        (RecursionError("maximum recursion depth"), 3, "RecursionError"),
        (RuntimeWarning("overflow in exp"), 3, "RuntimeWarning: overflow in exp"),
        (Fault("two readings disagree", "nothing is known"), 3, "two readings disagree"),
        (SystemExit("stopped"), 3, ""),
        (BPTTError("no", "yes"), 2, "bpttgraph: no\n  hint: yes"),
        (MemoryError(), 2, "not enough memory"),
        (OSError(12, "Cannot allocate memory"), 2, "not enough memory"),
        (PermissionError(13, "Permission denied", "/x"), 2, "/x: Permission denied"),
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_no_end_but_a_wrong_answer_is_1(
    error: BaseException, code: int, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from bpttgraph.equations import library

    monkeypatch.setattr(library, "describe", _explode(error))
    done = run("cells")
    assert done.exit_code == code and says in done.stderr and not done.stdout and "Traceback" not in done.stderr


def test_the_report_of_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Enough to find it: command, versions, kind and place of the fault, and what to attach."""
    import numpy as np

    monkeypatch.setattr("bpttgraph.check.gradients.check_derivations", _explode(ZeroDivisionError("a \x1b[31m\nb")))
    (tmp_path / "mine.txt").write_text("h[t] = tanh(W h[t-1])")
    done = run("derive", tmp_path / "mine.txt", "--wrt", "W")
    assert done.exit_code == 3
    lines = done.stderr.splitlines()
    assert lines[0].startswith("bpttgraph: this is a fault of bpttgraph") and len(lines) == 6
    assert lines[1] == f"  command:  bpttgraph derive {tmp_path / 'mine.txt'} --wrt W"
    assert bg.__version__ in lines[2] and np.__version__ in lines[2] and f"Python {sys.version.split()[0]}" in lines[2]
    assert lines[3] == "  fault:    ZeroDivisionError: a \\u001b[31m b"
    assert lines[4].startswith("  place:    cli/derive.py:") and " in derive" in lines[4]
    assert lines[5] == f"  attach:   {tmp_path / 'mine.txt'} (21 bytes)"
    assert "standard input" in run("derive", "-", text="h[t] = tanh(W h[t-1])").stderr
    monkeypatch.setenv("BPTTGRAPH_DEBUG", "1")
    assert "Traceback" in run("derive", "rnn").stderr


def test_warnings_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from bpttgraph.equations import library

    def warn(_: str) -> Any:
        warnings.warn("overflow\nin exp \x07", RuntimeWarning, stacklevel=1)
        return {"name": "a", "title": "b", "variants": []}

    monkeypatch.setattr(library, "describe", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = run("cells")
    assert done.exit_code == 0 and set(done.stderr.splitlines()) == {"note: overflow in exp \\u0007"}
    assert run("cells").exit_code == 3  # pytest makes them errors, as python -W error does


def test_what_is_undecidable_is_neither_right_nor_wrong() -> None:
    def verdict(**states: str) -> Any:
        found = {name: SimpleNamespace(status=s) for name, s in states.items()}
        return SimpleNamespace(parameters=found, right=all(s == "right" for s in states.values()))

    status.judged(verdict(W="right"), "")
    with pytest.raises(BPTTError, match=r"dU cannot be judged on this instance\n  hint: another"):
        status.judged(verdict(W="right", U="undecidable"), "another")
    with pytest.raises(SystemExit) as end:
        status.judged(verdict(W="wrong", U="undecidable"), "")
    assert end.value.code == 1


# -- what reaches a terminal -------------------------------------------------------------------------------------------

STEERING = "\x1b[2J\x07\x08\r\x7f\x9b31m\u202e\u2066\u200f\u2028\x00\udcff"


def test_visible_leaves_text_and_shows_the_rest() -> None:
    assert visible("∂h₁/∂W·h̄ = ½\n\té\u00a0") == "∂h₁/∂W·h̄ = ½\n\té\u00a0"
    shown = visible(STEERING)
    assert shown == "\\u001b[2J\\u0007\\u0008\\u000d\\u007f\\u009b31m\\u202e\\u2066\\u200f\\u2028\\u0000\\udcff"
    assert visible("\U000e0041") == "\\udb40\\udc41"
    # in JSON the content stays what it was
    text = json.dumps({"a": STEERING}, ensure_ascii=False)
    assert json.loads(visible(text)) == json.loads(text)
    assert json.loads(visible(json.dumps("é∂𝐞", ensure_ascii=False), "ascii")) == "é∂𝐞"


def test_nothing_else_prints() -> None:
    """`say` is the only way out."""
    for path in (ROOT / "bpttgraph" / "cli").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "click.echo" not in text and "print(" not in text.replace("_print(", ""), path.name
        assert path.name == "terminal.py" or "rich" not in text or path.name == "doctor.py", path.name


def test_no_control_character_reaches_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"dW\x1b[31m": 1.0, "dW_hh\u202e": [1.0]}), encoding="utf-8")
    (tmp_path / "f.py").write_text("def g(x):\n    raise ValueError('\\x1b[31mred\\x07')\n")
    (tmp_path / "a.txt").write_text("dW_hh = sum_t outer(q\x1b[t], h[t-1])", encoding="utf-8")
    name = tmp_path / "a\x1b[31m\x07.txt"
    name.write_text("h[t] = tanh(W h[t-1] + U x[t])", encoding="utf-8")
    done = [
        run("derive", f"no{STEERING}"),
        run(f"dr{STEERING}"),
        run("derive", "rnn", f"--wr{STEERING}"),
        run("derive", "rnn", "--level", STEERING),
        run("derive", "-", text=f"h[t] = tanh(W\x1b[31m h[t-1])  # {STEERING[:-1]}"),
        run("derive", "-", text=f"h[t] = tanh(W h[t-1])  # {STEERING[:-1]}"),
        run("check", "rnn", "--answer", tmp_path / "a.json"),
        run("check", "rnn", "--answer", tmp_path / "a.txt"),
        run("check", "rnn", "--answer", f"{tmp_path / 'f.py'}:g"),
        run("derive", name),
        run("derive", name, "-o", tmp_path / "out\x1b[31m"),
        run("draw", name, "-o", tmp_path / "b\x1b.svg"),
        run("train", "rnn", "--text", name, "--iterations", "2", "--steps", "4", "--sample", "5", "--start", "\x1b"),
    ]
    for result in done:
        out = result.stdout + result.stderr
        assert out and visible(out) == out and result.exit_code in (0, 2), (out, result.exit_code)


def test_a_terminal_that_cannot_show_everything() -> None:
    for encoding in ("latin-1", "ascii"):
        done = start("derive", "rnn", "--wrt", "W_hh", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                     env={"PYTHONIOENCODING": encoding})  # fmt: skip
        out, said = done.communicate()
        assert done.returncode == 0 and not said
        shown = out.decode(encoding)
        assert "\\u2202E/\\u2202W_hh of rnn: 6 chain-rule terms" in shown and "Right: " in shown
        assert ("·" in shown) == (encoding == "latin-1")


def test_what_an_encoding_lacks_is_escaped_as_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python itself would write another escape, or stop in the middle."""
    import io

    for encoding, shown in (("ascii", "\\u00e9 \\u2202 \\ud835\\udc1e"), ("latin-1", "é \\u2202 \\ud835\\udc1e")):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace", newline="")
        monkeypatch.setattr(sys, "stdout", stream)
        terminal.say("é ∂ 𝐞", nl=False)
        written = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
        assert written == shown and json.loads(f'"{written}"') == "é ∂ 𝐞"


def test_a_program_without_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    from bpttgraph.cli.common import load

    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(BPTTError, match="there is no standard input"):
        load("-", ())
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    terminal.say("nobody hears this")
    with terminal.busy("working"), terminal.progress(3, "working") as show:
        assert show is None


def test_progress_on_a_terminal_escapes_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """rich takes [red] and ESC for its own: names are neither."""
    import io

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.busy("naming [red]a\x1b]0;title\x07"):
        pass
    with terminal.progress(2, "[red]b\x07") as show:
        assert show is not None
        show(1, "[red]c\x07")
        time.sleep(0.15)
    shown = screen.getvalue()
    assert (
        "\x07" not in shown
        and "\x1b]0" not in shown
        and "[red]a\\u001b]0;title\\u0007" in shown
        and "[red]b\\u0007" in shown
    )


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["derive", "rnn", "--steps", "1000000"],
            ["1,000,000 steps would have up to", "at most 2,000,000", "take at most about 1"],
        ),
        (["draw", "lstm", "--steps", "900000"], ["up to", "nodes; at most 2,000,000"]),
        (["draw", "rnn", "--steps", "2000", "--no-fold"], ["nodes and arrows; at most 20,000", "fold it"]),
        (
            ["check", "rnn", "--make-instance", "OUT/i.npz", "--size", "h=50000"],
            ["2,500,000,000 of them in W_hh", "268,435,456"],
        ),
        (["derive", "rnn", "--size", "h=100000000"], ["h=100,000,000 is too large; at most 100,000"]),
        (["derive", "rnn", "--size", "W_hh=100000x100000"], ["10,000,000,000 of them in W_hh"]),
        (["derive", "rnn", "--batch", "10000", "--size", "h=12000"], ["in h at all steps of the batch", "268,435,456"]),
        (["flow", "rnn", "--steps", "1000", "--size", "h=500"], ["the Jacobians of 1,000 steps, 500×500 each"]),
        (["kill", "rnn", "--steps", "100000"], ["100,000 steps", "at most 500"]),
        (["kill", "--table", "rnn", "--steps", "1000"], ["1,000 steps", "at most 500"]),
        (["train", "rnn", "--text", "/dev/zero"], ["zero is longer than 200,000,000 bytes", "a part of it"]),
        (["train", "rnn", "--text", "README.md", "--hidden", "50000"], ["2,500,000,000 of them in W_hh"]),
        (["derive", "/dev/zero"], ["zero is longer than 200,000 bytes"]),
        (["check", "rnn", "--answer", "/dev/zero"], ["zero is longer than 200,000 bytes"]),
        (["audit", "/dev/zero"], ["zero is longer than 200,000 bytes"]),
        (["derive", "rnn", "--seed", "-1"], ["-1 is not in the range"]),
        (["derive", "a" * 50_000], ["there is no cell", " … "]),
    ],
)  # fmt: skip
def test_what_is_too_large_is_refused_before_it_begins(words: list[str], says: list[str], tmp_path: Path) -> None:
    done = run(*[w.replace("OUT", str(tmp_path)).replace("README.md", str(ROOT / "README.md")) for w in words])
    assert done.exit_code == 2, done.output
    for text in says:
        assert text in done.stderr, done.stderr
    assert len(done.stderr) < 5000 and not list(tmp_path.iterdir())


def test_standard_input_is_bounded() -> None:
    done = run("derive", "-", text="h" * 300_000)
    assert done.exit_code == 2 and "standard input has 200,001 bytes or more; at most 200,000" in done.stderr


def test_sums_within_sums_are_counted() -> None:
    text = "h[t] = tanh(w*h[t-1] + sum_{k=1}^{t} sum_{j=1}^{t} x[j])"
    with pytest.raises(BPTTError, match="130 steps would have up to 2,2"):
        _ = bg.recurrence(text).unroll(130, sizes=1).graph


def test_values_that_need_not_be_kept_do_not_count() -> None:
    """Long sequences of one's own data: what is computed may be computed twice (memory="sqrt")."""
    u = bg.cell("rnn").unroll(1_000_000, sizes={"h": 300, "x": 2, "y": 2})
    with pytest.raises(BPTTError, match="300,000,000 of them in h at all steps"):
        u.instance()
    with pytest.raises(BPTTError, match="400,000,000 of them in x at all steps"):
        bg.cell("rnn").unroll(1_000_000, sizes={"h": 3, "x": 400})


@pytest.mark.parametrize("name", bg.cells())
def test_the_estimate_is_near_what_is_built(name: str) -> None:
    from bpttgraph.equations.extent import nodes, numbers

    u = bg.cell(name, {}).unroll(20)
    built = len(u.graph)
    assert 0.6 * built < nodes(u) < 1.5 * built
    data = {} if u.recurrence.abstract else u.instance()
    for key, value in data.items():
        if key in u.recurrence.parameters:
            assert numbers(u)[key] == value.size


def test_the_count_of_terms_is_readable_however_large() -> None:
    """Python refuses to print an integer of 4,300 digits; the exact number stays."""
    from bpttgraph.machine.bounds import Count, many

    assert many(10**24 - 1) == "999,999,999,999,999,999,999,999" and many(3 * 10**5000) == "about 3.0·10^5000"
    count = Count(7**6000)
    assert count == 7**6000 and f"{count:,}" == str(count) == repr(count) == "about 3.9·10^5070"
    assert f"{Count(12345):,}" == "12,345" and f"{Count(7)}" == "7"
    d = bg.cell("lstm").unroll(60).derive("U_f")
    assert d.count > 10**24 and "·10^" in repr(d)
    with pytest.raises(BPTTError, match="about"):
        _ = d.terms


def test_what_an_archive_may_unpack_to(tmp_path: Path) -> None:
    """A few kilobytes that claim gigabytes, as an answer and as a checkpoint."""
    import io
    import zipfile

    import numpy as np

    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**11,)})
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / f"{kind}.npz", "w", kind) as archive:
            archive.writestr("dW_hh.npy", head.getvalue() + bytes(1_000_000))
        done = run("check", "rnn", "--answer", tmp_path / f"{kind}.npz")
        assert done.exit_code == 2 and "claims the shape (100000000000,): too large" in done.stderr
        done = run(
            "train", "rnn", "--text", ROOT / "README.md", "--iterations", "1", "--checkpoint", tmp_path / f"{kind}.npz"
        )
        assert done.exit_code == 2 and "cannot be read" in done.stderr
    (tmp_path / "a.csv").write_text("dW_hh," + "1," * 1_000_001)
    assert "1,000,001 numbers; at most 1,000,000" in run("check", "rnn", "--answer", tmp_path / "a.csv").stderr


def test_equations_from_a_pipe_and_from_dev_stdin(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    equations = "h[t] = tanh(W h[t-1] + U x[t])"
    with start("derive", "/dev/stdin", "--wrt", "W", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate(equations.encode())
    assert process.returncode == 0 and "∂E/∂W of recurrence: 6 chain-rule terms" in out.decode()
    with start("flow", str(pipe), "--steps", "4", stdout=subprocess.PIPE) as process:
        pipe.write_text(equations)
        out, _ = process.communicate()
    assert process.returncode == 0 and "Gradient flow of recurrence, 4 steps" in out.decode()


CHILDREN = {
    "prints without end": ("import sys\nwhile True: print('x' * 10000)", "TooMuchOutput"),
    "complains without end": ("import sys\nwhile True: print('x' * 10000, file=sys.stderr)", "TooMuchOutput"),
    "sleeps": ("import time; time.sleep(60)", "TimeoutExpired"),
    "ignores its input": ("print('done')", "done"),
    "leaves a grandchild": ("import os, time\nprint('done', flush=True)\nif not os.fork(): time.sleep(60)", "done"),
    "ends at once": ("import os; os._exit(7)", ""),
}


@pytest.mark.parametrize("case", CHILDREN)
def test_other_programs_end_within_their_limits(case: str) -> None:
    from bpttgraph.machine.children import TooMuchOutput, run_child

    code, expected = CHILDREN[case]
    try:
        done = run_child(
            [sys.executable, "-c", code], b"0" * 1_000_000, seconds=1.0 if case == "sleeps" else 30.0, most=100_000
        )
    except (TooMuchOutput, subprocess.TimeoutExpired) as error:
        assert type(error).__name__ == expected
        return
    assert done.stdout.decode().strip() == expected and done.returncode == (7 if case == "ends at once" else 0)


def test_an_engine_that_prints_too_much_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from bpttgraph.draw import engines

    monkeypatch.setattr(engines, "WORKER", [sys.executable, "-c", "while True: print('x' * 10000)"])
    figure = bg.cell("rnn").draw()
    assert figure.svg.startswith("<svg") and "printed more than" in figure.engine_note


# -- before the work ---------------------------------------------------------------------------------------------------


def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts the work now is found out."""
    for place in (
        "bpttgraph.check.gradients.check_derivations",
        "bpttgraph.homework.verify",
        "bpttgraph.training.train",
        "bpttgraph.homework.courses.profiled.verify",
        "bpttgraph.flow.measure",
        "bpttgraph.draw.figure.Figure.save",
    ):
        monkeypatch.setattr(place, _explode(AssertionError("the work has begun")))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["derive", "rnn", "-o", "OUT/new", "--format", "html,pdf"], "--format pdf needs the package typst"),
        (["check", "rnn", "--answer", "ANSWER", "--certify"], "--certify needs the package python-flint"),
        (["check", "--profile", "torch-rnn", "--answer", "ANSWER", "--certify"], "pip install 'bpttgraph[certify]'"),
        (["derive", "rnn", "-o", "ANSWER"], "is a file, not a folder"),
        (["derive", "rnn", "-o", "ANSWER/new"], "is a file, not a folder"),
        (["derive", "rnn", "-o", "OUT/new", "--steps", "40", "--format", "page"], "a page walks through at most 300"),
        (["draw", "rnn", "-o", "OUT/no/a.svg"], "there is no folder"),
        (["draw", "rnn", "-o", "OUT"], "is a folder"),
        (["draw", "rnn", "-o", "OUT/no/a.html"], "there is no folder"),
        (["flow", "rnn", "-o", "ANSWER/a.svg"], "is a file, not a folder"),
        (["check", "rnn", "--answer", "ANSWER", "--picture", "OUT/a.bmp"], "end the name in .svg"),
        (["check", "rnn", "--answer", "ANSWER", "--picture", "OUT/no/a.svg"], "there is no folder"),
        (
            ["check", "rnn", "--answer", "ANSWER", "--picture", "OUT/a.svg", "--feedback", "where"],
            "does not tell the cause",
        ),
        (["check", "rnn", "--make-instance", "OUT"], "is a folder"),
        (["train", "rnn", "--text", "ANSWER", "--checkpoint", "OUT/no/a.npz"], "there is no folder"),
        (["train", "rnn", "--text", "ANSWER", "--log", "ANSWER/a.csv"], "is a file, not a folder"),
        (["train", "rnn", "--text", "ANSWER", "--temperature", "0"], "is no temperature"),
        (["check", "--profile", "torch-rnn", "--make-instance", "OUT/a.npz", "--steps", "0"], "at least 1 step"),
        (["check", "--profile", "torch-rnn", "--make-instance", "OUT/a.npz", "--batch", "0"], "batch=0"),
    ],
)
def test_what_stands_in_the_way_is_said_before_the_work(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.txt"
    answer.write_text("dW_hh = W_hh\n" * 10)
    no_work(monkeypatch)
    monkeypatch.setitem(sys.modules, "typst", None)
    monkeypatch.setitem(sys.modules, "flint", None)
    done = run(*[w.replace("OUT", str(tmp_path)).replace("ANSWER", str(answer)) for w in words])
    assert done.exit_code == 2 and says in done.stderr and not done.stdout, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["answer.txt"]


def test_a_folder_that_may_not_be_written_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from bpttgraph.machine import files

    no_work(monkeypatch)
    monkeypatch.setattr(files.os, "access", lambda *_: False)
    done = run("derive", "rnn", "-o", tmp_path / "new" / "out")
    assert done.exit_code == 2 and f"cannot write in the folder {tmp_path}" in done.stderr


def test_the_name_of_a_file_is_a_title_of_one_line(tmp_path: Path) -> None:
    """It stands in every document and picture: no control character is left in it, and all of them can be read."""
    import xml.etree.ElementTree as ET

    name = tmp_path / 'a"><i>\nb\x1b[31m\x9b\u202e$%#_&{}\\.txt'
    name.write_text("h[t] = tanh(W h[t-1] + U x[t])", encoding="utf-8")
    formats = "html,md,svg,tex,beamer,typ,dot,json,page"
    done = run("derive", name, "--wrt", "W", "--steps", "2", "-o", tmp_path / "out", "--format", formats)
    assert done.exit_code == 0, done.output
    assert run("flow", name, "--steps", "3", "-o", tmp_path / "out").exit_code == 0
    made = list((tmp_path / "out").iterdir())
    assert len(made) >= 12
    for path in made:
        text = path.read_text(encoding="utf-8")
        assert visible(text.replace("\u200b", "")) == text.replace("\u200b", ""), path.name
        assert "\nb" not in text or path.suffix != ".json"
        if path.suffix == ".svg":
            ET.fromstring(text)
    rec = bg.recurrence("h[t] = tanh(W h[t-1])")
    rec.title = "one\n two\x07"
    assert rec.title == "one two\\u0007"


def test_names_in_an_answer_cannot_look_like_our_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for name in ("dW_hh\nRight: all 5 gradients.", "dW_hh\x1b[2J", "d\u202eW"):
        path.write_text(json.dumps({name: [1.0], "dW_hh": [[1.0]]}), encoding="utf-8")
        done = run("check", "rnn", "--answer", path)
        assert done.exit_code == 2 and "is no name of an array" in done.stderr and "\nRight" not in done.output


def test_the_note_of_a_profile_uses_the_names_of_the_course() -> None:
    from bpttgraph.homework.courses.profile import parse
    from bpttgraph.homework.courses.profiled import verify

    text = """# array x: N, T, D
    # array Wx: H, D = U
    # array Wh: H, H = W
    # array h0: N, H = h[0]
    # array up: N, T, H = dE_dh
    h[t] = tanh(W @ h[t-1] + U @ x[t])
    """
    p = parse("mine", text.replace("    ", ""))
    u = p.unroll(4)
    data = p.instance(u)
    gradients = u.run(data).gradients
    verdict = verify(p, {"dWh": gradients["W"].T, "dWx": gradients["U"]}, p.outward(data))
    assert verdict.right and any(note.startswith("dWh is transposed") for note in verdict.notes)
    assert "dW " not in verdict.report("full") and "dW " not in verdict.to_json()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_into_which_nobody_writes_is_refused_before_it_blocks(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(bg.BPTTError, match="nobody writes into the pipe"):
        read_bytes(pipe, 100, "")
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"h[t] = x[t]")
    thread = threading.Timer(0.2, os.close, [writer])  # somebody who takes his time is waited for
    thread.start()
    assert read_bytes(pipe, 100, "") == b"h[t] = x[t]"
    thread.join()


def test_a_terminal_is_refused_before_it_blocks() -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    with pytest.raises(bg.BPTTError, match="is a terminal, not a file"):
        read_bytes(Path(os.ttyname(slave)), 100, "")
    os.close(master)
    os.close(slave)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("status", [0, 130])
def test_an_interrupt_while_python_tidies_up_changes_nothing(status: int) -> None:
    raising = "raise KeyboardInterrupt" if status else "sys.exit(0)"
    program = f"""
import atexit, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
import bpttgraph.cli, bpttgraph.__main__
def main(prog_name):
    {raising}
bpttgraph.cli.main = main
bpttgraph.__main__.run()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (status, "")
