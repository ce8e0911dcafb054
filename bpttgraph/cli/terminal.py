"""The one place where words leave the program: `say` prints them, `busy` and `progress` show that something goes on.

What a command prints may hold names, texts of files and of exceptions, and these may hold anything. On the way out
`visible` turns what would steer a terminal, and what its encoding cannot show, into escapes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import visible

__all__ = ["busy", "progress", "say"]


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print to standard output, or with `err` to standard error; whoever reads it has it at once."""
    stream = sys.stderr if err else sys.stdout
    if stream is None:  # a program may be started without one
        return
    stream.write(_shown(str(text), stream) + ("\n" if nl else ""))
    stream.flush()


def _shown(text: str, stream: Any) -> str:
    return visible(text, getattr(stream, "encoding", None) or "utf-8")


def _watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def busy(text: str) -> Iterator[Callable[[str], None] | None]:
    """A spinner on a terminal, to be told what is known by now; nothing in a pipe."""
    if not _watched():
        yield None
        return
    from rich.console import Console
    from rich.text import Text

    screen = sys.stderr  # rich puts another in its place while the spinner is there
    with Console(stderr=True).status(Text(_shown(text, screen))) as status:
        yield lambda words: status.update(Text(_shown(words, screen)))


@contextmanager
def progress(total: int, text: str) -> Iterator[Callable[[int, str], None] | None]:
    """A bar on a terminal, to be told how far it is and a few words; nothing in a pipe."""
    if not _watched():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    screen = sys.stderr  # rich puts another in its place while the bar is there
    columns = (
        TextColumn(_shown(text, screen), markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, words="")
        yield lambda done, words: bar.update(task, completed=done, words=_shown(words, screen))
