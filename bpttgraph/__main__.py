"""Where the program starts: `bpttgraph`, and `python -m bpttgraph`. An interrupt while it loads ends as quietly as a
later one."""

from __future__ import annotations

import signal
from typing import NoReturn

__all__ = ["run"]


def run() -> NoReturn:
    """The command line; ends the process."""
    try:
        try:
            from .cli import main

            status = main(prog_name="bpttgraph")
        except SystemExit as end:
            status = end.code
        # an interrupt that comes while Python tidies up comes too late, and would end the process as a signal does
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        status = 130
    raise SystemExit(status)


if __name__ == "__main__":
    run()
