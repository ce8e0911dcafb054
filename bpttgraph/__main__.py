"""Where the program starts: `bpttgraph`, and `python -m bpttgraph`. An interrupt while it loads ends as quietly as a
later one."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["run"]


def run() -> NoReturn:
    """The command line; ends the process."""
    try:
        from .cli import main

        status = main(prog_name="bpttgraph")
    except KeyboardInterrupt:
        status = 130
    raise SystemExit(status)


if __name__ == "__main__":
    run()
