"""The command line. It reads options, calls the library and prints; no other logic lives here.

How a command ends, and with which exit status, is in `status`; what it prints goes through `terminal`. Heavy modules
are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from .. import __version__
from ..errors import nearest
from .audit import audit_key
from .cells import list_cells
from .check import check
from .derive import derive
from .doctor import doctor
from .draw import draw
from .flow import flow
from .kill import kill
from .profiles import list_profiles
from .status import ended
from .train import train

__all__ = ["main"]


class _Group(click.Group):
    """A click group that suggests the nearest command, and that ends as `status` says."""

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As a program; with standalone_mode=False as a function that passes its exceptions on, as click has it."""
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        words, name = list(sys.argv[1:] if args is None else args), prog_name or "bpttgraph"
        if asked := os.environ.get("_BPTTGRAPH_COMPLETE"):
            from click.shell_completion import shell_complete

            sys.exit(shell_complete(self, extra, name, "_BPTTGRAPH_COMPLETE", asked))
        if hasattr(sys.stdout, "reconfigure"):  # help is printed by click
            sys.stdout.reconfigure(errors="backslashreplace")

        def command() -> None:
            with self.make_context(name, list(words)) as ctx:
                self.invoke(ctx)

        sys.exit(ended(command, words))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(
                f"{error.message.rstrip('.')}: {nearest(args[0], self.list_commands(ctx))}"
            ) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="bpttgraph %(version)s")
def main() -> None:
    """From a lecture's recurrence to its unrolled graph, its BPTT derivation and its gradient, each proved against the
    others.

    CELL is a name from `bpttgraph cells` (with a variant: lstm-fused:ifog), FILE a text file with equations in plain
    text or LaTeX, and - reads them from standard input.
    """


for _command in (audit_key, check, derive, draw, flow, list_cells, list_profiles, kill, train, doctor):
    main.add_command(_command)
