"""Other programs, run within limits of time and output; whatever they started ends with them, also when we are
interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from typing import IO

from .bounds import MOST_PRINTED

__all__ = ["TooMuchOutput", "run_child"]


class TooMuchOutput(Exception):
    """The program printed more than it may."""


def run_child(
    command: Sequence[str], given: bytes = b"", seconds: float = 20.0, most: int = MOST_PRINTED
) -> subprocess.CompletedProcess[bytes]:
    """Run a program on `given` as standard input.

    Raises:
        OSError: it cannot be started. subprocess.TimeoutExpired: it took longer than `seconds`. TooMuchOutput: it
            printed more than `most` bytes. In each case it is gone, with all that it started in its group of processes.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    said = [bytearray(), bytearray()]

    def read(stream: IO[bytes], into: bytearray) -> None:
        while len(into) <= most and (piece := os.read(stream.fileno(), 1 << 16)):
            into += piece
        if len(into) > most:
            _kill(process)

    def feed(stream: IO[bytes]) -> None:
        with suppress(OSError), stream:  # it may end before it has read everything
            stream.write(given)

    threads = [Thread(target=read, args=pair, daemon=True) for pair in zip((process.stdout, process.stderr), said)]
    threads.append(Thread(target=feed, args=(process.stdin,), daemon=True))
    try:
        for thread in threads:
            thread.start()
        process.wait(seconds)
    finally:
        _kill(process)  # and what it left running, or nobody would ever close its output
        process.wait()
        for thread in threads:
            thread.join(5.0)
        if not any(thread.is_alive() for thread in threads):
            process.stdout.close()
            process.stderr.close()
    if max(map(len, said)) > most:
        raise TooMuchOutput(f"{command[0]} printed more than {most:,} bytes")
    return subprocess.CompletedProcess(command, process.returncode, bytes(said[0]), bytes(said[1]))


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):  # nothing of it is left
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
