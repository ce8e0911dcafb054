"""How a command ends: the exit status, and the words for an end that nobody wanted.

| status | meaning |
|---|---|
| 0 | right, or done |
| 1 | the answer is wrong: said by the commands that judge, and by nothing else |
| 2 | bad input; an instance on which the answer cannot be judged; a full disk, no memory, no permission |
| 3 | a fault of ours: a short report to send |
| 130, 141 | interrupted; whoever read the output has closed it |
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BPTTError, Fault
from .common import as_options
from .terminal import say

if TYPE_CHECKING:
    from ..homework import Verdict

__all__ = ["DONE", "WRONG", "ended", "judged"]

DONE, WRONG, BAD, FAULT, INTERRUPTED, CLOSED = 0, 1, 2, 3, 130, 141
_PACKAGE = Path(__file__).parent.parent


def judged(verdict: Verdict, fix: str) -> None:
    """End the command as a verdict says; `fix` is what helps where nothing is wrong, but something cannot be judged."""
    states = {name: p.status for name, p in verdict.parameters.items()}
    if verdict.right:
        return
    open_ = [f"d{name}" for name, status in states.items() if status == "undecidable"]
    if open_ and "wrong" not in states.values():
        raise BPTTError(f"{', '.join(open_)} cannot be judged on this instance", fix)
    sys.exit(WRONG)


def ended(command: Callable[[], Any], words: list[str]) -> int:
    """Do it, and return the exit status. `words` is the command line, for a report."""
    try:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _note  # type: ignore[assignment]
                return _ended(command, words)
        except OSError as error:  # also one that stood in the way of a message
            _abandon(sys.stdout)
            if error.errno == errno.EPIPE:
                return CLOSED
            say(f"bpttgraph: cannot write the output: {error.strerror or error}", err=True)
            return BAD
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError:  # nor can it be said
        _abandon(sys.stderr)
        return BAD


def _ended(command: Callable[[], Any], words: list[str]) -> int:
    """The status of all ends but those in which the output itself fails."""
    try:
        command()
        return DONE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE if end.code is None else FAULT
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        say("\nbpttgraph: interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        from io import StringIO

        shown = StringIO()
        error.show(shown)
        say(shown.getvalue(), err=True, nl=False)
        return BAD
    except Fault as error:
        _report(error, words)
        return FAULT
    except BPTTError as error:
        say("bpttgraph: " + as_options(str(error)), err=True)
        return BAD
    except MemoryError as error:
        return _no_memory(str(error))
    except OSError as error:
        if error.errno == errno.ENOMEM:
            return _no_memory(str(error.strerror))
        if error.filename is None:  # standard output or standard error
            raise
        say(f"bpttgraph: {BPTTError(f'{error.filename}: {error.strerror}')}", err=True)
        return BAD
    except Exception as error:
        _report(error, words)
        return FAULT


def _no_memory(why: str) -> int:
    say(f"bpttgraph: there is not enough memory for this{f' ({why})' if why else ''}", err=True)
    say("  hint: take smaller sizes (--size), fewer --steps or a smaller --batch", err=True)
    return BAD


def _abandon(stream: Any) -> None:
    """What could not be written is forgotten, or Python would try once more at the end and complain."""
    with suppress(OSError, ValueError, AttributeError):  # no file behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _note(message: Warning | str, *_: Any) -> None:
    say(f"note: {' '.join(str(message).split())}", err=True)


def _report(error: Exception, words: list[str]) -> None:
    """What somebody who is to find the fault needs to know, on a few lines."""
    import platform
    import shlex
    import traceback

    import numpy

    from .. import __version__

    if os.environ.get("BPTTGRAPH_DEBUG"):
        say("".join(traceback.format_exception(error)), err=True, nl=False)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _PACKAGE in Path(f.filename).parents]
    places = [f"{Path(f.filename).relative_to(_PACKAGE).as_posix()}:{f.lineno} in {f.name}" for f in frames]
    files = [w for w in words if os.path.isfile(w)]
    inputs = [f"{name} ({Path(name).stat().st_size:,} bytes)" for name in files] + ["standard input"] * ("-" in words)
    said = " ".join(str(error).split())[:300]
    rows = {
        "command": shlex.join(["bpttgraph", *words])[:1000],
        "versions": (
            f"bpttgraph {__version__}, Python {platform.python_version()}, NumPy {numpy.__version__},"
            f" {platform.platform()}"
        ),
        "fault": f"{type(error).__name__}: {said}",
        "place": "; called from ".join(reversed(places[-2:])) or "outside the package",
        "attach": ", ".join(inputs) or "nothing: the command says it all",
    }
    say("bpttgraph: this is a fault of bpttgraph, not of your input. Please report it with these lines:", err=True)
    for key, value in rows.items():
        say(f"  {key + ':':<9} {value}", err=True)
