"""`bpttgraph draw`: one picture, or the page that walks through a gradient."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BPTTError
from ..machine.files import check_place, write
from .common import load, pairs, say_reading, shared, unroll, whole
from .terminal import busy, say

if TYPE_CHECKING:
    from ..draw.figure import Figure
    from ..equations import Recurrence
    from ..unrolled import Unrolled


@click.command()
@click.argument("source", metavar="CELL|FILE|-")
@click.option(
    "--view",
    default="forward",
    show_default=True,
    help=(
        "forward (unrolled), folded (with delay loops), backward (gradient arcs), paths (chain-rule terms), "
        "contributions (the (t, k) triangle) or cell (the inside of one step)."
    ),
)
@click.option(
    "--detail",
    help=(
        "For forward: variables (states, outputs, losses), names (every named variable), equations or primitives.  "
        "[default: names]"
    ),
)
@click.option("--wrt", metavar="NAME", help="For views of a gradient: what it is by.  [default: the recurrent weights]")
@click.option("--term", metavar="T,K", help="For paths: only the terms of loss step T through the use at step K.")
@click.option("--numbers", is_flag=True, help="For views of a gradient: norms, on a random instance (seed 0).")
@shared("steps", "loss", "truncate", "let", "layers", "size", "inputs", "reduce", "quiet")
@click.option(
    "--fold/--no-fold",
    default=None,
    help="Hide the middle steps; by default above 8, backward above 4 where there are gates.",
)
@click.option(
    "--labels", default="math", show_default=True, help="math (outlines, no font needed) or text (for vector editors)."
)
@click.option("--theme", default="light", show_default=True, help="light, print or dark.")
@click.option(
    "--at",
    multiple=True,
    metavar="NAME=NUMBER",
    help=(
        "For equations without time (L = tanh(a*b)): the value of a leaf; values and gradients then stand in the nodes."
    ),
)
@click.option(
    "--fit", help="Draw it for a slide (16:9), a page (as wide as the text) or a poster (A1).  [default: its own size]"
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help=(
        "The file: .svg, .png, .pdf, .dot, .tikz or .tex; or .html, a page to walk through the gradient.  [default:"
        " NAME-VIEW.svg]"
    ),
)
def draw(
    source: str,
    view: str,
    wrt: str | None,
    detail: str | None,
    term: str | None,
    numbers: bool,
    fold: bool | None,
    labels: str,
    theme: str,
    at: tuple[str, ...],
    fit: str | None,
    output: Path | None,
    let: tuple[str, ...],
    quiet: bool,
    **options: Any,
) -> None:
    """Draw the computation graph: folded, unrolled, with its gradient, term by term, by contributions, or one step."""
    if output is not None:
        check_place(output, folders=False)
    rec = load(source, let, options["layers"])
    style: dict[str, Any] = {"labels": labels, "theme": theme, "fit": fit}
    if rec.definitions and not rec.every:
        figure = _expression(rec, at, style)
        view = "expression"
    elif at:
        raise BPTTError(
            "--at gives numbers to equations without time", "leave it out; --numbers uses a random instance"
        )
    elif view == "folded":
        if detail is not None:
            raise BPTTError("the folded picture has no levels of detail", "leave --detail out, or --view folded")
        figure = rec.draw(**style)
    else:
        unrolled = unroll(rec, options)
        t, k = _term(term) if term else (None, None)
        if output is not None and output.suffix.lower() == ".html":
            _page(unrolled, wrt, theme, output, (t, k))
            return
        if wrt is not None or term or numbers:
            style |= {"wrt": wrt, "t": t, "k": k, "data": unrolled.instance() if numbers else None}
        figure = unrolled.draw(view=view, fold="auto" if fold is None else fold, detail=detail, **style)
    target = output or Path(f"{rec.title.replace(':', '-')}-{view}.svg")
    with busy("drawing"):
        figure.save(target)
    say_reading(rec, quiet)
    if figure.engine_note and target.suffix == ".svg":
        say(f"note: {figure.engine_note}", err=True)
    if figure.note:
        say(f"note: {figure.note}", err=True)
    say(f"wrote {target}")


def _expression(rec: Recurrence, at: tuple[str, ...], style: dict[str, Any]) -> Figure:
    """Equations without time, as one graph of operations."""
    from ..draw.expression import draw_graph
    from ..show.drawing import expression

    return draw_graph(expression(rec, {k: _number(k, v) for k, v in pairs(at, "at").items()}), title=rec.title, **style)


def _term(text: str) -> tuple[int, int | None]:
    """`--term T` or `--term T,K`."""
    t, *rest = (whole(s, "term") for s in text.split(","))
    if len(rest) > 1:
        raise BPTTError(f"--term {text} names more than a loss step and a step of use", "write --term 3,1")
    return t, rest[0] if rest else None


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise BPTTError(f"--at {name}={text!r} is not a number", f"write --at {name}=0.5")
    return value


def _page(
    unrolled: Unrolled, wrt: str | None, theme: str, target: Path, term: tuple[int | None, int | None] = (None, None)
) -> None:
    """The page that walks through a gradient, for `draw -o x.html`; a term is said as a link into it."""
    from ..page import build_page

    with busy("writing"):
        write({target: build_page(unrolled, wrt, theme=theme).encode()})
    say(f"wrote {target}")
    view = "&".join(f"{name}={step}" for name, step in zip("tk", term) if step is not None)
    if view:
        say(f"this term is at {target}#{view}")
