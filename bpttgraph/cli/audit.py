"""`bpttgraph audit`: an answer key against the truth."""

from __future__ import annotations

from pathlib import Path

import click

from .status import judged
from .terminal import busy, say


@click.command("audit")
@click.argument("keyfile", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
def audit_key(keyfile: Path, as_json: bool) -> None:
    """Compare an answer key with the truth, and say what its wrong numbers come from. Exit status 0: right, 1: wrong,
    2: undecidable."""
    from ..homework.courses.audit import audit

    with busy("auditing"):
        found = audit(keyfile)
    say(found.to_json() if as_json else str(found), nl=not as_json)
    judged(found.verdict, "publish the numbers of another instance")
