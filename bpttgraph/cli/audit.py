"""`bpttgraph audit`: an answer key against the truth."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .common import busy


@click.command("audit")
@click.argument("keyfile", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
def audit_key(keyfile: Path, as_json: bool) -> None:
    """Compare an answer key with the truth, and say what its wrong numbers come from. Exit status 0 if right, 1 if wrong."""
    from ..homework.audit import audit

    with busy("auditing"):
        found = audit(keyfile)
    click.echo(found.to_json() if as_json else str(found), nl=not as_json)
    if not found.right:
        sys.exit(1)
