"""`bpttgraph flow`: how gradients vanish or explode over the steps, and what truncation and clipping make of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import BPTTError, nearest
from ..machine.files import check_place, write
from .common import load, say_reading, shared, unroll
from .terminal import busy, say

if TYPE_CHECKING:
    from ..flow import Flow

__all__ = ["flow"]

_FILES = (".svg", ".png", ".pdf", ".json", ".csv")


@click.command()
@click.argument("source", metavar="[CELL|FILE|-]", required=False)
@click.option(
    "--steps", default="50", show_default=True, metavar="T", help="Number of steps; for blocks encoder=9,decoder=9."
)
@shared("loss", "let", "layers", "size", "inputs", "reduce", "quiet")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the random instance.")
@click.option("--radius", type=float, help="Scale the recurrent matrices to this spectral radius.")
@click.option(
    "--wrt",
    multiple=True,
    metavar="NAME",
    help="Parameters whose contributions are measured; repeatable.  [default: the recurrent ones]",
)
@click.option(
    "--view", default="page", show_default=True, help="decay, jacobian, contributions, values, or page for all of them."
)
@click.option("--theme", default="light", show_default=True, help="light, print or dark.")
@click.option(
    "--compare", is_flag=True, help="tanh, ReLU, LSTM and GRU on the same data, at five spectral radii; needs no CELL."
)
@click.option(
    "--truncations", is_flag=True, help="Also compare the truncation rules with the full gradient (up to 60 steps)."
)
@click.option(
    "--clip", "limit", type=float, metavar="LIMIT", help="Also say what clipping the gradient at LIMIT does to it."
)
@click.option("--json", "as_json", is_flag=True, help="Print everything measured as JSON.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A file (.svg, .png, .pdf, .json, .csv), or a folder for all of them.",
)
def flow(
    source: str | None,
    steps: str,
    seed: int,
    radius: float | None,
    wrt: tuple[str, ...],
    view: str,
    theme: str,
    compare: bool,
    truncations: bool,
    limit: float | None,
    as_json: bool,
    output: Path | None,
    let: tuple[str, ...],
    quiet: bool,
    **options: Any,
) -> None:
    """Measure how gradients vanish or explode: norms of every ∂h_t/∂h_k and contribution, growth rates, bounds,
    saturated units."""
    if output is not None and output.suffix and output.suffix.lower() not in _FILES:
        raise BPTTError(
            f"{output.name!r} is no kind of file that flow writes",
            f"end the name in {', '.join(_FILES)}, or give a folder",
        )
    if output is not None:
        check_place(output if output.suffix else output / "flow.svg")
    if compare:
        _compare(steps, seed, radius, theme, output)
        return
    from ..flow.clipping import WAYS, clip
    from ..flow.pictures import VIEWS

    if view not in VIEWS:
        raise BPTTError(f"there is no view {view!r} of a flow", nearest(view, VIEWS))
    if limit is not None:
        clip({}, "global", limit)  # a wrong limit is an error before anything is measured
    if source is None:
        raise BPTTError("there is no recurrence", "name a CELL or FILE, or write --compare")
    unrolled = unroll(load(source, let, options["layers"]), {"steps": steps, **options})
    if truncations and unrolled.columns > 60:
        raise BPTTError(
            f"{unrolled.columns} steps are too many for the table of truncations", "compare them on --steps 60 or fewer"
        )
    data = unrolled.instance(seed=seed)
    if radius is not None:
        from ..flow.settings import with_radius

        data = with_radius(unrolled, data, radius)
    say_reading(unrolled.recurrence, quiet)
    with busy("measuring"):
        found = unrolled.flow(data, list(wrt) or None)
    say(found.to_json().rstrip() if as_json else str(found))
    if truncations:
        from ..flow import compare as rules

        say(f"\n{rules(unrolled, data)}")
    if limit is not None:
        gradients = {name: unrolled.numbers.run(data).gradients[name] for name in unrolled.parameters}
        say(f"\nClipping at {limit:g}")
        for how, words in WAYS.items():
            say(f"  {how:<7} {clip(gradients, how, limit)} ({words})")
    if output is not None:
        with busy("drawing"):
            files = _files(found, view, theme, output)
            write(files)
        say(f"wrote {', '.join(str(p) for p in files)}")


def _files(found: Flow, view: str, theme: str, output: Path) -> dict[Path, bytes]:
    kinds = [output.suffix.lower()] if output.suffix else [".svg", ".json", ".csv"]
    chart = found.draw(view, theme=theme) if {".svg", ".png", ".pdf"} & set(kinds) else None
    made: dict[Path, bytes] = {}
    for kind in kinds:
        data: Any = (
            found.to_json() if kind == ".json" else found.to_csv() if kind == ".csv" else getattr(chart, kind[1:])
        )
        made[output if output.suffix else output / f"flow{kind}"] = data.encode() if isinstance(data, str) else data
    return made


def _compare(steps: str, seed: int, radius: float | None, theme: str, output: Path | None) -> None:
    from ..draw.chart import panel_chart
    from ..flow.measure import power
    from ..flow.pictures import compared
    from ..flow.settings import RADII, compared_flows
    from .common import whole

    T = whole(steps, "steps")
    target = output if output is None or output.suffix else output / "compare.svg"
    if target is not None and target.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise BPTTError(f"the comparison is a picture, not {target.suffix}", "end the name in .svg, .png or .pdf")
    charts, rows = [], []
    for r in (radius,) if radius is not None else RADII:
        with busy(f"spectral radius {r:g}"):
            flows = compared_flows(T, r, seed=seed)
        charts.append(compared(flows, f"spectral radius {r:g}", theme))
        rows += [(r, label, found) for label, found in flows]
    say(f"{'radius':>6}  {'cell':<16} {'a step':>8}   after {T} steps")
    for r, label, found in rows:
        state = "c" if "c" in found.states else found.states[0]
        last = power(float(found.norms[state][-1, 0]))
        say(f"{r:>6g}  {label:<16} {found.rate(state):>8.3f}   {last}")
    if target is not None:
        page = panel_chart(
            f"Gradient flow of seven recurrent networks on the same data, {T} steps", charts, theme=theme
        )
        data = getattr(page, target.suffix[1:].lower())
        write({target: data.encode() if isinstance(data, str) else data})
        say(f"wrote {target}")
