"""Running somebody's code in a child process: bounded time, memory and output, and nothing of it left behind.

The child is the leader of a session of its own, and its whole process group is killed when it ends or when its time is over, so that
no grandchild is waited for. It writes to files only, never to a pipe, and reads nothing. This keeps accidents from the checker; it does
not keep hostile code from the machine.
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
from typing import BinaryIO

from ..errors import BPTTError

__all__ = ["SECONDS", "bound", "read_result", "run_child"]

SECONDS = 60.0
MEMORY = 2 << 30  # bytes of data that a child may hold
FILE = 100_000_000  # bytes of a file that it may write: its result, or what it prints as errors
TAIL = 4_000  # bytes of its errors that are looked at


def run_child(code: str, words: Sequence[str], folder: Path, what: str, seconds: float = SECONDS) -> None:
    """Run `code` with `words` as arguments, to its end.

    Raises:
        BPTTError: it did not end in time, or it failed; `what` and the last line of its errors are named.
    """
    with (folder / "errors").open("w+b") as errors:
        child = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
        )  # fmt: skip
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            fix = "give it a small instance, or look for an endless loop"
            raise BPTTError(f"{what} did not end within {seconds:g} seconds", fix) from None
        finally:
            _kill(child)
        lines = _tail(errors).strip().splitlines()
        full = errors.seek(0, os.SEEK_END) >= FILE
    if status:
        reason = lines[-1][:300] if lines else f"exit status {status}" if status > 0 else _signal(-status)
        reason = f"it printed {FILE:,} bytes of errors" if full else reason
        raise BPTTError(f"{what} failed: {reason}", "run it by itself on the instance (--make-instance)")


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and all of its group."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
    if child.poll() is None:
        child.kill()
    child.wait()


def _signal(number: int) -> str:
    names = {signal.SIGKILL: "it was killed, as for want of memory", signal.SIGSEGV: "it crashed (segmentation fault)"}
    return names.get(signal.Signals(number), f"it was ended by {signal.Signals(number).name}")


def _tail(file: BinaryIO) -> str:
    """The end of a text, without control characters."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
    text = file.read(TAIL).decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def read_result(path: Path, what: str) -> bytes:
    """The file that a child left: a plain one of bounded size, or an error.

    Raises:
        BPTTError: there is none, or it is none of a plain file.
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

    The parent keeps the time, but a parent that is killed cannot: the child's own processor time ends, and on Linux it dies with it.
    """
    _die_with_parent()
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


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, however it ends."""
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
