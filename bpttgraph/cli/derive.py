"""`bpttgraph derive`: the derivation on the terminal or as a folder of documents, with the check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BPTTError, Fault, visible
from ..machine.files import check_place, write
from ..machine.optional import require
from .common import default_wrt, is_given, load, say_reading, shared, unroll
from .terminal import busy, say

if TYPE_CHECKING:
    from ..unrolled import Unrolled

_PAGE = "page"  # what this command writes besides the formats of a document: the room of pages is above theirs
_DETAILS = ("slide", "lecture", "full")
_LEVELS = ("chain", "local", "matrix", "elements", "numbers")
_NOTATIONS = ("pascanu", "werbos", "goodfellow", "d2l")


class _Formats(click.Option):
    """`--format`, whose help lists the formats; the folder of their writers is read when somebody asks for it."""

    @property
    def help(self) -> str:
        from ..document import formats

        known = formats().values()
        drawn = ", ".join(f.name for f in known if f.holds == "picture")
        extras = "".join(f"; {f.name} needs the extra {f.install}" for f in known if f.needs)
        return (
            f"Files to write, from {', '.join([*formats(), _PAGE])} ({drawn} are the picture; "
            f"{_PAGE} walks through the terms{extras})."
        )

    @help.setter
    def help(self, _: str | None) -> None:
        """`click` writes what it was given: nothing."""


@click.command()
@click.argument("source", metavar="CELL|FILE|-")
@click.option(
    "--wrt",
    multiple=True,
    metavar="NAME",
    help=(
        "The parameter, initial state (h[0]) or variable to differentiate by; repeatable. "
        "all: the full backward pass of the cell, every parameter and initial state in one document."
    ),
)
@click.option(
    "--steps",
    metavar="T",
    help=(
        "Number of steps, or the letter T for any number of steps (recursions, closed form, code); "
        "for blocks encoder=4,decoder=2.  [default: 3]"
    ),
)
@shared("loss", "truncate", "let", "layers", "size", "inputs", "reduce", "quiet")
@click.option(
    "--detail",
    type=click.Choice(_DETAILS),
    help=(
        "How much of the way is shown, each step with its reason: slide (the idea and the result), lecture (every kind "
        "of step once) or full (everything).  [default: lecture in documents, the result alone on the terminal]"
    ),
)
@click.option(
    "--level",
    multiple=True,
    type=click.Choice(_LEVELS),
    help=(
        "How the gradient is written: chain, local, matrix, elements or numbers; repeatable.  "
        "[default: chain; in documents what suits --detail]"
    ),
)
@click.option(
    "--notation",
    type=click.Choice(_NOTATIONS),
    default="pascanu",
    show_default=True,
    help="Whose signs for derivatives: pascanu, werbos, goodfellow or d2l.",
)
@click.option(
    "--onehot",
    metavar="NAMES",
    help=(
        "Inputs and targets that hold one-hot vectors, such as x,target: W x is then a column of W, and the code takes "
        "numbers of classes. The check then runs on one-hot vectors, too."
    ),
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for the files; without it the derivation is printed.",
)
@click.option(
    "--format",
    "formats",
    cls=_Formats,
    default="html,md,svg,json",
    show_default=True,
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the random instance on which the check runs.",
)
@click.option("--batch", type=click.IntRange(max=10_000), help="Check on a batch of so many examples.")
def derive(
    source: str,
    wrt: tuple[str, ...],
    detail: str | None,
    level: tuple[str, ...],
    notation: str,
    onehot: str | None,
    output: Path | None,
    formats: str,
    seed: int,
    batch: int | None,
    let: tuple[str, ...],
    quiet: bool,
    **options: Any,
) -> None:
    """Derive the gradient by backpropagation through time, check it, and write a folder to hand out."""
    from ..document.formats import chosen, formats as known

    wanted = chosen(formats, [_PAGE], "--format")
    if output is not None:
        check_place(output / "derivation.html")
        for needing in (f for n, f in known().items() if n in wanted and f.needs):
            require(needing.needs, f"--format {needing.name}")
    symbolic = options["steps"] in ("T", "t")
    options["steps"] = "T" if symbolic else options["steps"]
    command = _command(
        source,
        wrt,
        {**options, "detail": detail, "notation": notation, "onehot": onehot},
        level,
        let,
        output,
        seed,
        batch,
    )
    rec = load(source, let, options["layers"])
    from ..derive.onehot import checked_classes, classes_in

    unrolled = unroll(rec, {**options, "steps": None} if symbolic else options)
    whole = wrt == ("all",)
    names = _names(unrolled, wrt)
    if output is not None and _PAGE in wanted:
        from ..page import readable

        for name in names:
            readable(unrolled, name)
    classes = tuple(sorted(checked_classes(onehot or "", unrolled.vgraph.variables)))
    if symbolic:
        from ..document.closed import symbolic_of

        symbolic_of(
            unrolled, names[0], onehot=classes
        )  # what has no form for every T is an error now, not after the check
    derivations = [unrolled.derive(name, notation=notation, onehot=classes) for name in names]
    data, report = None, None
    if not rec.abstract:
        from ..check.gradients import check_derivations

        with busy("checking against the oracles"):
            data = classes_in(unrolled.instance(seed=seed, batch=batch), classes)
            report = check_derivations(derivations, data, whole)
            given = f", one-hot {' and '.join(classes)}" if classes else ""
            report.instance = (
                f"a generic random instance, seed {seed}" + (f", batch of {batch}" if batch else "") + given
            )
    from ..document.choice import Choice

    choice = Choice(unrolled, report, command, detail or "lecture", level or None, notation, data, symbolic, classes)
    say_reading(rec, quiet)
    if output is None:
        _print(choice, derivations, whole, detail)
    else:
        for d in derivations:
            say(_headline(d, symbolic))
        with busy("writing"):
            files = _files(choice, names, whole, output, wanted)
            write(files)
        say(f"wrote {', '.join(sorted(p.name for p in files))} to {output}/")
    if report is None:
        first = rec.abstract[0]
        say(f"not checked: {', '.join(rec.abstract)} abstract, so there are no numbers; bind with --let {first}=tanh")
    else:
        say(report.verdict)
        if report.broken:
            raise Fault(report.broken, "nothing is known about the derivation")
        if not report.right:  # nobody handed in an answer: it is ours that is wrong
            raise Fault(report.verdict, "report this")


def _names(unrolled: Unrolled, wrt: tuple[str, ...]) -> list[str]:
    if "all" in wrt and len(wrt) > 1:
        raise BPTTError("--wrt all is every parameter and initial state already", "leave the other --wrt out")
    if wrt != ("all",):
        return list(dict.fromkeys(wrt)) or [default_wrt(unrolled)]
    from ..document.whole import everything

    return everything(unrolled)


def _headline(d: Any, symbolic: bool) -> str:
    rec = d.unrolled.recurrence
    if symbolic:
        loss = next((c for c in d.conventions if c.startswith("loss")), "")
        return f"∂E/∂{d.wrt} of {rec.title} for any number of steps T" + (f" ({loss})" if loss else "")
    terms = f"{d.count:,} chain-rule term{'s' if d.count != 1 else ''}"
    return f"∂E/∂{d.wrt} of {rec.title}: {terms} ({'; '.join(d.conventions[:2])})"


def _print(choice: Any, derivations: list[Any], whole: bool, detail: str | None) -> None:
    from ..document.text import gradient_text, symbolic_text

    names = [d.wrt for d in derivations]
    if whole:
        for d in derivations:
            say(_headline(d, choice.symbolic))
        say("\n" + symbolic_text(choice, names, whole) + "\n")
    for d in derivations:
        if whole and not choice.level and detail != "full":
            break
        say(f"∂E/∂{d.wrt}:" if whole else _headline(d, choice.symbolic))
        symbolic = choice.symbolic and not whole
        text = symbolic_text(choice, [d.wrt], False) if symbolic else gradient_text(d, choice, detail)
        say("\n" + text + "\n")


def _files(choice: Any, names: list[str], whole: bool, output: Path, formats: list[str]) -> dict[Path, bytes]:
    """Everything that is written, complete in memory."""
    from ..document import assemble

    document = assemble(choice, names, whole=whole)
    made = document.files(n for n in formats if n != _PAGE)
    files = {output / file: data for file, data in made.items()}
    if _PAGE not in formats:
        return files
    from ..page import build_pages

    instance = choice.report.instance if choice.report is not None else ""
    pages = build_pages(choice.unrolled, names, choice.data, instance)
    return files | {output / file: page.encode() for file, page in pages.items()}


def _command(
    source: str,
    wrt: tuple[str, ...],
    options: dict[str, Any],
    level: tuple[str, ...],
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
    for key in ("steps", "layers", "loss", "truncate", "inputs", "reduce", "detail", "notation", "onehot"):
        if is_given(key):
            words += [f"--{key}", str(options[key])]
    for option, values in (("level", level), ("let", let), ("size", options.get("size", ()))):
        for value in values:
            words += [f"--{option}", value]
    words += ["--seed", str(seed)] if seed else []
    words += ["--batch", str(batch)] if batch else []
    return visible(shlex.join([*words, "-o", str(output)] if output else words))
