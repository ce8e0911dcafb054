"""Running somebody's code in a child process: bounded time, memory and output, and nothing of it left behind.

It is run as any other program (`children`), ends with us, and leaves its result in a file. This keeps accidents from
the checker; it does not keep hostile code from the machine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ...errors import BPTTError
from ...machine.children import TooMuchOutput, run_child

__all__ = ["SECONDS", "bound", "die_with_parent", "read_result", "run_code"]

SECONDS = 60.0
MEMORY = 2 << 30  # bytes of data that a child may hold
FILE = 100_000_000  # bytes of a file that it may write: its result
TAIL = 4_000  # bytes of its errors that are looked at


def run_code(code: str, words: Sequence[str], what: str, seconds: float = SECONDS) -> None:
    """Run `code` with `words` as arguments, to its end.

    Raises:
        BPTTError: it did not end in time, printed without end, or failed; `what` and the last line of its errors are
            named.

    Example:
        >>> run_code("import sys; open(sys.argv[1], 'w').write('done')", ["result.txt"], "the example")
        >>> read_result(Path("result.txt"), "the example")
        b'done'
    """
    try:
        done = run_child([sys.executable, "-c", code, *words], seconds=seconds)
    except subprocess.TimeoutExpired:
        fix = "give it a small instance, or look for an endless loop"
        raise BPTTError(f"{what} did not end within {seconds:g} seconds", fix) from None
    except TooMuchOutput as error:
        reason = f"it{str(error).removeprefix(sys.executable)}"
        raise BPTTError(f"{what} failed: {reason}", "print less, and look for an endless loop") from None
    if done.returncode:
        lines = _plain(done.stderr[-TAIL:]).strip().splitlines()
        status = done.returncode
        reason = lines[-1][:300] if lines else f"exit status {status}" if status > 0 else _signal(-status)
        raise BPTTError(f"{what} failed: {reason}", "run it by itself on the instance (--make-instance)")


def _signal(number: int) -> str:
    names = {signal.SIGKILL: "it was killed, as for want of memory", signal.SIGSEGV: "it crashed (segmentation fault)"}
    return names.get(signal.Signals(number), f"it was ended by {signal.Signals(number).name}")


def _plain(said: bytes) -> str:
    """A text without control characters."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in said.decode("utf-8", "replace"))


def read_result(path: Path, what: str) -> bytes:
    """The file that a child left: a plain one of bounded size, or an error.

    Raises:
        BPTTError: there is none, or it is none of a plain file.

    Example:
        >>> _ = Path("result.txt").write_bytes(b"done")
        >>> read_result(Path("result.txt"), "the example")
        b'done'
    """
    fix = "let the function return its gradients: no exit, and nothing written in its place"
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        raise BPTTError(f"{what} ended the process before it returned anything", fix) from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise BPTTError(f"{what} put something else in the place of its result", fix)
    with os.fdopen(number, "rb") as file:
        content = file.read(FILE + 1)
    if len(content) > FILE:
        raise BPTTError(f"{what} returns more than {FILE:,} bytes", "hand in the gradients of one small instance")
    return content


def bound() -> None:
    """Called in the child, before it imports anything of a stranger's: no more memory, time and larger files than this.

    The parent keeps the time, but a parent that is killed cannot: the child's own processor time ends, and on Linux it
    dies with it.
    """
    die_with_parent()
    try:
        import resource
    except ImportError:  # a system without limits: time alone is bounded
        return
    for kind, most in (
        ("RLIMIT_DATA", MEMORY), ("RLIMIT_FSIZE", FILE), ("RLIMIT_CORE", 0), ("RLIMIT_CPU", int(2 * SECONDS)),
    ):  # fmt: skip
        number = getattr(resource, kind, None)
        if number is not None:
            _, hard = resource.getrlimit(number)
            limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(number, (limit, limit))


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, however it ends."""
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
