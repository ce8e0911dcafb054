"""`bpttgraph derive`: the derivation on the terminal or as a folder of documents, with the check."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BPTTError
from .common import busy, default_wrt, load, shared, unroll, write

if TYPE_CHECKING:
    from ..recurrence import Unrolled


_FORMATS = ("html", "md", "svg", "png", "pdf", "dot", "json")


@click.command()
@click.argument("source", metavar="CELL|FILE|-")
@click.option(
    "--wrt",
    multiple=True,
    metavar="NAME",
    help="The parameter, initial state (h[0]) or variable to differentiate by; repeatable; all for every parameter and initial state.",
)
@shared("steps", "loss", "truncate", "let", "size", "inputs", "reduce")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for the files; without it the derivation is printed.",
)
@click.option(
    "--format",
    "formats",
    default="html,md,svg,json",
    show_default=True,
    help=f"Files to write, from {', '.join(_FORMATS)} (svg, png, pdf, dot are the picture).",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random instance on which the check runs.")
@click.option("--batch", type=int, help="Check on a batch of so many examples.")
def derive(
    source: str,
    wrt: tuple[str, ...],
    output: Path | None,
    formats: str,
    seed: int,
    batch: int | None,
    let: tuple[str, ...],
    **options: Any,
) -> None:
    """Derive the gradient by backpropagation through time, check it, and write a folder to hand out."""
    wanted = [f.strip() for f in formats.split(",") if f.strip()]
    for name in wanted:
        if name not in _FORMATS:
            raise BPTTError(f"--format {name} is not a format of this version", f"choose from {', '.join(_FORMATS)}")
    rec = load(source, let)
    unrolled = unroll(rec, options)
    names = list(wrt) or [default_wrt(unrolled)]
    if names == ["all"]:
        names = [
            *unrolled.parameters,
            *(n.name for rows in unrolled.leaves.values() for _, n in rows if n.role == "initial" and n.name),
        ]
    derivations = [unrolled.derive(name) for name in names]
    report = None
    if not rec.abstract:
        from ..check import check_gradients
        from ..check.gradients import check_derivation

        with busy("checking against the oracles"):
            data = unrolled.instance(seed=seed, batch=batch)
            report = (
                check_derivation(derivations[0], data) if len(names) == 1 else check_gradients(unrolled, names, data)
            )
            report.instance = f"a generic random instance, seed {seed}" + (f", batch of {batch}" if batch else "")
    for note in rec.notes:
        click.echo(f"note: {note}", err=True)
    for d in derivations:
        click.echo(
            f"∂E/∂{d.wrt} of {rec.title}: {d.count:,} chain-rule term{'s' if d.count != 1 else ''} ({'; '.join(unrolled.conventions[:2])})"
        )
    if output is None:
        for d in derivations:
            click.echo()
            if d.count <= d.cap:
                click.echo(d.statement(form="unicode"))
            else:
                for statement in d.factored:
                    click.echo(statement.unicode())
        click.echo()
    else:
        with busy("writing"):
            write(
                _documents(
                    unrolled, names, report, output, wanted, _command(source, wrt, options, let, output, seed, batch)
                )
            )
        click.echo(f"wrote {', '.join(sorted(p.name for p in _names(output, wanted)))} to {output}/")
    if report is None:
        first = rec.abstract[0]
        click.echo(
            f"not checked: {', '.join(rec.abstract)} abstract, so there are no numbers; bind with --let {first}=tanh"
        )
    else:
        click.echo(report.verdict)
        if not report.right:
            sys.exit(1)


def _names(output: Path, formats: list[str]) -> list[Path]:
    table = {"html": "derivation.html", "md": "derivation.md", "json": "check.json"}
    return [output / table.get(f, f"forward.{f}") for f in formats]


def _documents(
    unrolled: Unrolled, names: list[str], report: Any, output: Path, formats: list[str], command: str
) -> dict[Path, bytes]:
    import json

    from ..document import build

    if output.exists() and not output.is_dir():
        raise BPTTError(f"{output} is a file, not a folder", "choose a folder with -o")
    figure = unrolled.draw()
    document = build(unrolled, names, report, command=command, figure=figure)
    files: dict[Path, bytes] = {}
    for name, path in zip(formats, _names(output, formats)):
        if name == "html":
            made: Any = document.html
        elif name == "md":
            made = document.markdown
        elif name == "json":
            unchecked = {"right": None, "reason": f"abstract functions: {', '.join(unrolled.recurrence.abstract)}"}
            made = (
                report.to_json() if report is not None else json.dumps(unchecked, indent=2, ensure_ascii=False) + "\n"
            )
        else:
            made = getattr(figure, name)
        files[path] = made if isinstance(made, bytes) else made.encode()
    return files


def _command(
    source: str,
    wrt: tuple[str, ...],
    options: dict[str, Any],
    let: tuple[str, ...],
    output: Path | None,
    seed: int,
    batch: int | None,
) -> str:
    """The command line that repeats this."""
    import shlex

    words = ["bpttgraph", "derive", source]
    for name in wrt:
        words += ["--wrt", name]
    defaults = {"loss": "every", "inputs": "every", "reduce": "sum"}
    for key in ("steps", "loss", "truncate", "inputs", "reduce"):
        value = options.get(key)
        if value is not None and value != defaults.get(key):
            words += [f"--{key}", str(value)]
    for value in let:
        words += ["--let", value]
    for value in options.get("size", ()):
        words += ["--size", value]
    words += ["--seed", str(seed)] if seed else []
    words += ["--batch", str(batch)] if batch else []
    return shlex.join([*words, "-o", str(output)] if output else words)
