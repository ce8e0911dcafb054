"""The command line. It reads options, calls the library and prints; no other logic lives here.

Exit status: 0 right or done, 1 the check found something wrong, 2 bad input (one message on stderr, nothing written).
Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

from typing import Any

import click

from ..errors import BPTTError, nearest
from .audit import audit_key
from .cells import list_cells
from .check import check
from .derive import derive
from .doctor import doctor
from .draw import draw
from .flow import flow
from .kill import kill
from .profiles import list_profiles
from .train import train

__all__ = ["main"]


class _Group(click.Group):
    """A click group that suggests the nearest command and turns our own errors into exit status 2."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(
                f"{error.message.rstrip('.')}: {nearest(args[0], self.list_commands(ctx))}"
            ) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BPTTError as error:
            click.echo(f"bpttgraph: {error}", err=True)
            ctx.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bpttgraph", message="bpttgraph %(version)s")
def main() -> None:
    """From a lecture's recurrence to its unrolled graph, its BPTT derivation and its gradient, each proved against the others.

    CELL is a name from `bpttgraph cells` (with a variant: lstm-fused:ifog), FILE a text file with equations in plain text or
    LaTeX, and - reads them from standard input.
    """


for _command in (audit_key, check, derive, draw, flow, list_cells, list_profiles, kill, train, doctor):
    main.add_command(_command)
