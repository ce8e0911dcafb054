"""`bpttgraph check`: is a gradient that somebody handed in right, and if not, which term is missing?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BPTTError, nearest
from ..machine.files import check_place, write
from ..machine.optional import require
from .common import is_given, load, say_reading, shared, unroll
from .status import judged
from .terminal import busy, say

if TYPE_CHECKING:
    from ..equations import Recurrence
    from ..homework import Verdict

__all__ = ["check"]


@click.command()
@click.argument("source", metavar="CELL|FILE|-", required=False)
@click.option(
    "--answer",
    metavar="FILE",
    help="The gradient: .npz, .json or .csv arrays, file.py:function, or formulas in any other text file.",
)
@click.option(
    "--profile",
    metavar="NAME",
    help="Arrays in the layout and names of a course, such as cs231n-lstm (bpttgraph profiles); CELL may be left out.",
)
@click.option(
    "--feedback",
    type=click.Choice(["none", "verdict", "where", "why", "full"]),
    default="why",
    show_default=True,
    help="How much is told; full shows the true numbers.",
)
@click.option("--json", "as_json", is_flag=True, help="The verdict as JSON.")
@click.option(
    "--seed", type=click.IntRange(0), help="Seed of the instance, unless the answer brings its own.  [default: 0]"
)
@click.option("--batch", type=int, help="A batch of so many examples.")
@click.option("--certify", is_flag=True, help="Also prove the truth by ball arithmetic (bpttgraph[certify]).")
@click.option(
    "--make-instance",
    "made",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="Write the instance to compute on (.npz or .json) and stop.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the cause on the unrolled graph: .svg, .png or .pdf.",
)
@click.option(
    "--steps",
    metavar="T",
    help="Number of steps; for blocks encoder=4,decoder=2.  [default: those of the answer's instance, or 5]",
)
@shared("loss", "truncate", "let", "layers", "size", "inputs", "reduce", "quiet")
def check(
    source: str | None,
    answer: str | None,
    profile: str | None,
    feedback: str,
    as_json: bool,
    seed: int | None,
    batch: int | None,
    certify: bool,
    made: Path | None,
    picture: Path | None,
    let: tuple[str, ...],
    quiet: bool,
    **options: Any,
) -> None:
    """Judge a gradient: right, right in another convention, or wrong, and why. Exit status 0 if right, 1 if wrong, 2 if
    undecidable."""
    if source is None and profile is None:
        raise BPTTError("no recurrence is named", "write bpttgraph check CELL --answer FILE, or give --profile NAME")
    if made is None and answer is None:
        raise BPTTError(
            "there is no answer to check", "give --answer FILE, or --make-instance FILE.npz to get an instance"
        )
    if made is None and not (answer or "").strip():
        raise BPTTError("--answer names no file", "write --answer FILE")
    _look(made, picture, certify, feedback)
    if profile is not None:
        from . import profiles

        if made is not None:
            _write(made, profiles.instance(profile, source, seed or 0, batch, {**options, "let": let}))
            return
        rest: dict[str, Any] = {"seed": seed, "batch": batch, "feedback": feedback, "certify": certify}
        with busy("checking") as words, _told(words, feedback):
            verdict = profiles.judge(profile, source, answer or "", {**options, "let": let}, **rest)
    else:
        rec = load(source or "", let, options["layers"])
        if made is not None:
            _make(rec, made, seed or 0, batch, options)
            return
        from ..homework import verify
        from ..homework.answers.reading import read_answer

        raw = read_answer(answer if ":" in (answer or "") else Path(answer or ""))
        with busy("checking") as words, _told(words, feedback):
            chosen = any(map(is_given, ("steps", "loss", "truncate", "size", "inputs", "reduce")))
            recurrence = unroll(rec, _with_steps(rec, raw, options)) if chosen else rec
            verdict = verify(recurrence, raw, seed=seed, batch=batch, feedback=feedback, certify=certify)
        say_reading(rec, quiet)
    say(verdict.to_json() if as_json else str(verdict), nl=not as_json)
    if picture is not None:
        _draw(verdict, picture)
    judged(verdict, "compute the answer on another instance (--make-instance FILE.npz --seed 1)")


@contextmanager
def _told(words: Callable[[str], None] | None, feedback: str) -> Iterator[None]:
    """What is known by now goes to the spinner, as far as the level of feedback lets it be seen."""
    from ..homework.diagnosis.told import watched
    from ..homework.verdict.feedback import level

    def listen(text: str, needed: str) -> None:
        if words is not None and level(feedback) >= level(needed):
            words(text)

    with watched(listen):
        yield


def _look(made: Path | None, picture: Path | None, certify: bool, feedback: str) -> None:
    """What stands in the way of the options, looked for before the work."""
    if certify:
        require("python-flint", "--certify")
    if made is not None:
        check_place(made)
        if made.suffix not in (".npz", ".json"):
            raise BPTTError(
                f"--make-instance {made.name}: {made.suffix or 'no suffix'}", nearest(made.suffix, [".npz", ".json"])
            )
    if picture is not None:
        check_place(picture, folders=False)
        if picture.suffix.lower() not in (".svg", ".png", ".pdf"):
            raise BPTTError(
                f"--picture {picture.name}: {picture.suffix or 'no suffix'}", "end the name in .svg, .png or .pdf"
            )
        if feedback in ("none", "verdict", "where"):
            raise BPTTError(f"--feedback {feedback} does not tell the cause", "leave out --picture, or --feedback why")


def _draw(verdict: Verdict, path: Path) -> None:
    """Write the picture of the cause; that there is none is no failure of the check."""
    from ..homework.verdict.picture import cause_figure

    try:
        figure = cause_figure(verdict, fit="slide" if path.suffix.lower() == ".pdf" else None)
    except BPTTError as error:
        say(f"note: {error.message}", err=True)
        return
    with busy("drawing"):
        figure.save(path)
    say(f"wrote {path}", err=True)


def _with_steps(rec: Recurrence, raw: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The options with the number of steps of the answer's instance, or of ours, if none was given."""
    if options["steps"] is not None:
        return options
    from ..homework.answers.reading import steps_of
    from ..homework.verdict.plain import STEPS

    own = steps_of(raw, rec.inputs)
    if isinstance(own, dict):
        return {**options, "steps": ",".join(f"{block}={steps}" for block, steps in own.items())}
    return {**options, "steps": None if rec.blocks and own is None else str(own or max(STEPS, rec.steps_hint))}


def _make(rec: Recurrence, path: Path, seed: int, batch: int | None, options: dict[str, Any]) -> None:
    """Write the instance on which an answer may be computed."""
    import numpy as np

    from ..equations.extent import check_nodes
    from ..homework.truth.generic import visible

    u = unroll(rec, _with_steps(rec, _Nothing, options))
    check_nodes(u)  # whether mistakes show is seen on the graph
    data = u.instance(seed, batch)
    truth = visible(u, data)
    truth.run.finite()
    _write(path, truth.data)
    if any(not np.array_equal(truth.data[key], value) for key, value in data.items()):
        say(
            "note: inputs and biases are smaller than those of this seed, so that the longest paths show: "
            "hand in the data together with the gradients",
            err=True,
        )


def _write(path: Path, data: Mapping[str, Any]) -> None:
    """Write an instance, as `.npz` or `.json`."""
    import io
    import json

    import numpy as np

    if path.suffix == ".json":
        body = {"data": {key: np.asarray(value).tolist() for key, value in data.items()}}
        content = (json.dumps(body, indent=1) + "\n").encode()
    else:
        buffer = io.BytesIO()
        np.savez(buffer, **{f"data/{key}": value for key, value in data.items()})
        content = buffer.getvalue()
    write({path: content})
    say(f"wrote {path}: {', '.join(f'{key} {np.shape(value)}' for key, value in data.items())}")


class _Nothing:
    """No answer: no instance of its own."""

    data: dict[str, Any] = {}  # noqa: RUF012
    numbers: dict[str, Any] = {}  # noqa: RUF012
