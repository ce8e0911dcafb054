"""The command line. It reads options, calls the library and prints; no other logic lives here.

Exit status: 0 right or done, 1 the check found something wrong, 2 bad input (one message on stderr, nothing written).
Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import BPTTError, nearest

if TYPE_CHECKING:
    from .recurrence import Recurrence, Unrolled

__all__ = ["main"]

_MAX_BYTES = 200_000


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


_Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def _shared(*names: str) -> _Option:
    """The options that several commands share."""
    table: dict[str, _Option] = {
        "steps": click.option(
            "--steps", metavar="T", help="Number of steps; for blocks encoder=4,decoder=2.  [default: 3]"
        ),
        "loss": click.option("--loss", default="every", show_default=True, help="every, last, or steps such as 2,3."),
        "truncate": click.option(
            "--truncate", metavar="HOW", help="sliding:4 (or 4), chunk:4, '8;4' (BPTT(h;h')), one-step, carousel."
        ),
        "let": click.option(
            "--let",
            "let",
            multiple=True,
            metavar="NAME=VALUE",
            help="Bind an abstract function: --let phi=tanh, --let 'f(x, h; w, u)=tanh(w x + u h)'.",
        ),
        "size": click.option(
            "--size",
            "size",
            multiple=True,
            metavar="NAME=N",
            help="A size: --size h=3; --size 1 for the all-scalar reading.",
        ),
        "inputs": click.option(
            "--inputs",
            default="every",
            show_default=True,
            help="every, first (zero afterwards) or feedback (the last output).",
        ),
        "reduce": click.option("--reduce", default="sum", show_default=True, help="sum or mean over the loss steps."),
    }

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            function = table[name](function)
        return function

    return decorate


# -- reading the arguments -----------------------------------------------------------------------------------------------


def _pairs(values: tuple[str, ...], option: str) -> dict[str, str]:
    found = {}
    for value in values:
        # the name may itself hold brackets and commas, f(x, h; w) = …: the first = outside brackets separates
        name, mark, rest = value.partition("=")
        if not mark or not name.strip() or not rest.strip():
            raise BPTTError(
                f"--{option} {value!r} is not NAME=VALUE",
                f"write --{option} {'phi=tanh' if option == 'let' else 'h=3'}",
            )
        found[name.strip()] = rest.strip()
    return found


def _whole(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BPTTError(
            f"--{option} {text!r} is not a whole number", f"write --{option} {'h=3' if option == 'size' else '3'}"
        ) from None


def _load(source: str, let: tuple[str, ...]) -> Recurrence:
    """The recurrence that CELL, FILE or - stands for."""
    from .recurrence import cell, cells, recurrence

    bindings = _pairs(let, "let")
    if source == "-":
        return recurrence(_decode(sys.stdin.buffer.read(_MAX_BYTES + 1), "standard input"), bindings or None)
    if source.partition(":")[0] in cells():
        return cell(source, bindings or None)
    path = Path(source)
    if path.is_file():
        with path.open("rb") as file:
            text = _decode(file.read(_MAX_BYTES + 1), source)
        rec = recurrence(text, bindings or None)
        rec.title = path.stem
        return rec
    raise BPTTError(
        f"there is no cell and no file {source!r}", nearest(source, cells()) + " (bpttgraph cells lists them all)"
    )


def _decode(data: bytes, where: str) -> str:
    if len(data) > _MAX_BYTES:
        raise BPTTError(f"{where} is longer than {_MAX_BYTES:,} bytes", "give the equations of one recurrence")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BPTTError(
            f"{where} is not UTF-8 text (byte {error.start})", "save the equations as plain UTF-8 text"
        ) from None


def _unroll(rec: Recurrence, options: dict[str, Any]) -> Unrolled:
    steps: Any = options.get("steps")
    if steps is not None:
        steps = (
            {k: _whole(v, "steps") for k, v in _pairs(tuple(steps.split(",")), "steps").items()}
            if "=" in steps
            else _whole(steps, "steps")
        )
    loss: Any = options.get("loss", "every")
    if loss not in ("every", "last"):
        loss = [_whole(s, "loss") for s in str(loss).split(",")]
    size = options.get("size", ())
    sizes: Any = 1 if size == ("1",) else {k: _size(v) for k, v in _pairs(size, "size").items()} or None
    return rec.unroll(
        steps, loss, sizes, options.get("truncate"), options.get("inputs", "every"), options.get("reduce", "sum")
    )


def _size(text: str) -> Any:
    parts = [_whole(p, "size") for p in text.replace("x", ",").split(",")]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _default_wrt(unrolled: Unrolled) -> str:
    """The parameter that teaches most: the one that stands beside a state read from the step before."""
    state_links = {link.target for link in unrolled.links if link.delay}
    for name, node in unrolled.parameters.items():
        for use in node.uses:
            carried = any(a.role in ("state", "initial") for a in use.node.args)
            if use.variable in state_links and carried:
                return name
    return next(iter(unrolled.parameters), None) or next(
        v.name for v in unrolled.vgraph.variables.values() if v.role in ("initial", "input")
    )


@contextmanager
def _busy(text: str) -> Iterator[None]:
    """A spinner on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def _write(files: dict[Path, bytes]) -> None:
    """Write files that are complete in memory: under temporary names first, then renamed."""
    import os
    import tempfile

    pending: list[tuple[str, Path]] = []
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            pending.append((name, path))
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(name, 0o644)
        for name, path in pending:
            os.replace(name, path)
    except OSError as error:
        for name, _ in pending:
            Path(name).unlink(missing_ok=True)
        raise BPTTError(
            f"cannot write {error.filename or 'the output'}: {error.strerror}", "choose another place with -o"
        ) from None


# -- commands ------------------------------------------------------------------------------------------------------------

_FORMATS = ("html", "md", "svg", "png", "pdf", "dot", "json")


@main.command()
@click.argument("source", metavar="CELL|FILE|-")
@click.option(
    "--wrt",
    multiple=True,
    metavar="NAME",
    help="The parameter, initial state (h[0]) or variable to differentiate by; repeatable; all for every parameter and initial state.",
)
@_shared("steps", "loss", "truncate", "let", "size", "inputs", "reduce")
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
    rec = _load(source, let)
    unrolled = _unroll(rec, options)
    names = list(wrt) or [_default_wrt(unrolled)]
    if names == ["all"]:
        names = [
            *unrolled.parameters,
            *(n.name for rows in unrolled.leaves.values() for _, n in rows if n.role == "initial" and n.name),
        ]
    derivations = [unrolled.derive(name) for name in names]
    report = None
    if not rec.abstract:
        from .check import check_gradients
        from .check.gradients import check_derivation

        with _busy("checking against the oracles"):
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
        with _busy("writing"):
            _write(
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

    from .document import build

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


@main.command()
@click.argument("source", metavar="CELL|FILE|-")
@click.option(
    "--view",
    default="forward",
    show_default=True,
    help="forward (unrolled), folded (with delay loops), backward (gradient arcs), paths (chain-rule terms), "
    "contributions (the (t, k) triangle) or cell (the inside of one step).",
)
@click.option("--wrt", metavar="NAME", help="For views of a gradient: what it is by.  [default: the recurrent weights]")
@click.option("--term", metavar="T,K", help="For paths: only the terms of loss step T through the use at step K.")
@click.option("--numbers", is_flag=True, help="For views of a gradient: norms, on a random instance (seed 0).")
@_shared("steps", "loss", "truncate", "let", "size", "inputs", "reduce")
@click.option("--fold/--no-fold", default=None, help="Hide the middle steps; by default above 8 steps.")
@click.option(
    "--labels", default="math", show_default=True, help="math (outlines, no font needed) or text (for vector editors)."
)
@click.option("--theme", default="light", show_default=True, help="light, print or dark.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The file: .svg, .png, .pdf, .dot, .tikz or .tex; or .html, a page to walk through the gradient.  [default: NAME-VIEW.svg]",
)
def draw(
    source: str,
    view: str,
    wrt: str | None,
    term: str | None,
    numbers: bool,
    fold: bool | None,
    labels: str,
    theme: str,
    output: Path | None,
    let: tuple[str, ...],
    **options: Any,
) -> None:
    """Draw the computation graph: folded, unrolled, with its gradient, term by term, by contributions, or one step."""
    rec = _load(source, let)
    style: dict[str, Any] = {"labels": labels, "theme": theme}
    if view == "folded":
        figure = rec.draw(**style)
    else:
        unrolled = _unroll(rec, options)
        t, k = ([_whole(s, "term") for s in term.split(",")] + [None])[:2] if term else (None, None)
        if output is not None and output.suffix.lower() == ".html":
            _page(unrolled, wrt, theme, output)
            return
        if wrt is not None or term or numbers:
            style |= {"wrt": wrt, "t": t, "k": k, "data": unrolled.instance() if numbers else None}
        figure = unrolled.draw(view=view, fold="auto" if fold is None else fold, **style)
    target = output or Path(f"{rec.title.replace(':', '-')}-{view}.svg")
    if target.parent != Path() and not target.parent.is_dir():
        raise BPTTError(f"there is no folder {target.parent}", "make it first, or choose another place with -o")
    with _busy("drawing"):
        figure.save(target)
    for note in rec.notes:
        click.echo(f"note: {note}", err=True)
    if figure.engine_note and target.suffix == ".svg":
        click.echo(f"note: {figure.engine_note}", err=True)
    click.echo(f"wrote {target}")


def _page(unrolled: Unrolled, wrt: str | None, theme: str, target: Path) -> None:
    """The page that walks through a gradient, for `draw -o x.html`."""
    from .page import build_page

    if target.parent != Path() and not target.parent.is_dir():
        raise BPTTError(f"there is no folder {target.parent}", "make it first, or choose another place with -o")
    with _busy("writing"):
        _write({target: build_page(unrolled, wrt, theme=theme).encode()})
    click.echo(f"wrote {target}")


@main.command("cells")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_cells(name: str | None, as_json: bool) -> None:
    """List the cell library, or print the equations and citation of one cell."""
    import json

    from .recurrence.library import cell, cells, describe

    if name is not None:
        rec = cell(name)
        if as_json:
            click.echo(
                json.dumps(
                    {**describe(name.partition(":")[0]), "equations": list(rec.equations), "source_text": rec.source},
                    indent=2,
                    ensure_ascii=False,
                )
            )
        else:
            click.echo(rec.source.rstrip())
        return
    rows = [describe(n) for n in cells()]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(len(r["name"]) for r in rows)
    for row in rows:
        variants = f"  [{' '.join(row['variants'])}]" if row["variants"] else ""
        click.echo(f"{row['name']:<{width}}  {row['title']}{variants}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json: bool) -> None:
    """Say which drawing engine is used and why, and which optional parts are installed."""
    import json
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from .draw import engine_report

    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    base = ("bpttgraph", "numpy", "sympy", "networkx", "graphviz", "pygraphviz", "ziamath", "click", "rich")
    optional = {
        "torch": "compares with nn.RNN, nn.LSTM, nn.GRU in the tests",
        "pytest": "runs the tests",
        "hypothesis": "runs the tests",
    }
    engines = engine_report()
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {p: installed(p) for p in base},
        "optional": {p: installed(p) for p in optional},
        "engines": engines,
    }
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    click.echo(f"Python {found['python']} on {found['platform']}")
    for package in base:
        click.echo(f"  {package:<12} {installed(package) or 'MISSING: pip install ' + package}")
    click.echo("Optional")
    for package, use in optional.items():
        click.echo(f"  {package:<12} {installed(package) or 'not installed'} ({use})")
    click.echo("Drawing engines, in order")
    for engine in engines:
        mark = "used" if engine["used"] else "available" if engine["available"] else "missing"
        version_text = f" {engine['version']}" if engine["version"] else ""
        reason = f": {engine['reason']}" if engine["reason"] else ""
        click.echo(f"  {engine['name']!s:<12} {mark}{version_text}{reason}")


if __name__ == "__main__":
    main()
