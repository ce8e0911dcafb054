"""`bpttgraph profiles`: the conventions of courses; and what `bpttgraph check --profile` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BPTTError
from .common import whole
from .terminal import say

if TYPE_CHECKING:
    from ..homework.courses.profile import Profile
    from ..homework.verdict.verdict import Verdict


@click.command("profiles")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_profiles(name: str | None, as_json: bool) -> None:
    """List the profiles of courses, or print one, to copy and change. A file of one's own goes by its path."""
    import json

    from ..homework.courses.profile import profile, profiles

    found = [profile(n) for n in ([name] if name is not None else profiles())]
    if as_json:
        say(json.dumps([p.describe() for p in found], indent=2, ensure_ascii=False))
    elif name is not None:
        say(found[0].text.rstrip())
    else:
        width = max(len(p.name) for p in found)
        for p in found:
            say(f"{p.name:<{width}}  {p.title}")


def judge(name: str, source: str | None, answer: str, options: dict[str, Any], **rest: Any) -> Verdict:
    """The verdict on an answer in the layout of a course."""
    from ..homework.courses.profiled import verify

    p = chosen(name, source)
    steps, unrolling = _unrolling(options)
    return verify(p, answer if ".py:" in answer else Path(answer), steps=steps, **rest, **unrolling)


def instance(name: str, source: str | None, seed: int, batch: int | None, options: dict[str, Any]) -> dict[str, Any]:
    """An instance in the layout of a course."""
    from ..homework.truth.generic import visible

    p = chosen(name, source)
    steps, unrolling = _unrolling(options)
    u = p.unroll(steps, **unrolling)
    return p.outward(visible(u, p.instance(u, seed, batch)).data)


def chosen(name: str, source: str | None) -> Profile:
    """The profile, if it is one of the cell named on the command line."""
    from ..homework.courses.profile import profile

    p = profile(name)
    if source is not None and source.partition(":")[0] not in p.cells:
        known = f"it is one of {' or '.join(p.cells)}" if p.cells else "it has equations of its own"
        raise BPTTError(f"the profile {p.name} is not one of {source}", f"leave CELL out; {known}")
    return p


def _unrolling(options: dict[str, Any]) -> tuple[int | None, dict[str, Any]]:
    if options["let"] or options.get("layers") or options["inputs"] != "every" or options["size"]:
        raise BPTTError(
            "--let, --layers, --inputs and --size do not go with --profile",
            "write a profile of your own: bpttgraph profiles NAME",
        )
    loss: Any = options["loss"]
    if loss not in ("every", "last"):
        loss = [whole(s, "loss") for s in str(loss).split(",")]
    steps = None if options["steps"] is None else whole(options["steps"], "steps")
    return steps, {"loss": loss, "truncate": options["truncate"], "reduce": options["reduce"]}
