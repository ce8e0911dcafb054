"""`bpttgraph kill`: how far each known mistake moves the gradient, and whether the diagnosis names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import BPTTError, Fault
from ..machine.bounds import within
from .common import load, shared, unroll
from .terminal import busy, say

if TYPE_CHECKING:
    from ..homework.diagnosis.kill import Effect, Naming

SHOWN = 2  # hidden places of one mistake


@click.command("kill")
@click.argument("cells", nargs=-1, metavar="[CELL|FILE|-]...")
@click.option(
    "--table", is_flag=True, help="Name every mistake: exactly, tie, not explained, misnamed; all cells by default."
)
@click.option("--all", "every", is_flag=True, help="Every place where a mistake can be made, not only every mistake.")
@click.option(
    "--pairs", type=click.IntRange(0, 100_000), default=0, help="With --table: so many random pairs of mistakes."
)
@click.option(
    "--digits", type=click.IntRange(1, 17), help="With --table: answers typed with so many significant digits."
)
@click.option("--batch", type=click.IntRange(1, 1000), help="Number of examples.  [default: one, without a batch]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random instance.")
@shared("steps", "loss", "truncate", "let", "size", "reduce")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def kill(cells: tuple[str, ...], table: bool, every: bool, as_json: bool, **options: Any) -> None:
    """The mistakes that are known, and how far each moves the gradient of CELL on a random instance.

    An instance on which a mistake is hidden cannot tell it from a right answer: it is unfit for grading.

    \b
    bpttgraph kill rnn
    bpttgraph kill lstm --steps 1          many mistakes hide with one step
    bpttgraph kill --table rnn lstm gru    does the diagnosis name them?
    """
    import json

    options["steps"] = options["steps"] or "5"
    if table:
        found = _named(cells, options)
        if as_json:
            say(json.dumps({c: {"mistakes": n.counts, "misnamed": n.examples} for c, n in found.items()}, indent=2))
        else:
            _print_table(found)
        misnamed = [n.examples[0] for n in found.values() if n.total["misnamed"]]
        if misnamed:
            raise Fault(f"a mistake was given another name: {misnamed[0]}", "report this")
        return
    if len(cells) != 1:
        raise BPTTError("the effects are those on one recurrence", "write bpttgraph kill rnn, or --table for several")
    from ..homework.diagnosis.kill import kill_table

    u = unroll(load(cells[0], options["let"]), options)
    with busy("making every mistake"):
        rows = kill_table(u, u.instance(options["seed"], options["batch"]))
    if as_json:
        say(json.dumps([{"mistake": e.mutant.key, "what": e.mutant.clause, "hidden": e.hidden, "relative": e.relative}
                               for e in rows], indent=2, ensure_ascii=False))  # fmt: skip
        return
    say(f"{u.recurrence.title}: {'; '.join(u.conventions)}")
    say("effect: largest change of an entry, relative to the largest entry, in the parameter that changes most\n")
    _print_effects(rows, every)


def _print_effects(rows: list[Effect], every: bool) -> None:
    from ..homework.diagnosis.kill import titles

    names = titles()
    groups: dict[str, list[Effect]] = {}
    for e in rows:
        groups.setdefault(e.mutant.entry, []).append(e)
    width = max(len(t) for t in names.values())
    say(f"{'mistake':<{width}}  places  hidden  least effect  greatest")
    for key, found in groups.items():
        hidden = sum(e.hidden for e in found)
        sizes = [e.largest for e in found if not e.hidden]
        effect = f"{min(sizes):>12.2g}  {max(sizes):>8.2g}" if sizes else f"{'hidden':>12}"
        say(f"{names[key]:<{width}}  {len(found):>6}  {hidden or '':>6}  {effect}")
        hiding = [e for e in found if e.hidden]
        for e in found if every else hiding[:SHOWN]:
            say(f"    {'hidden' if e.hidden else f'{e.largest:.2g}':>8}  {e.mutant.clause}")
        if not every and len(hiding) > SHOWN:
            say(f"              and {len(hiding) - SHOWN} more places (--all lists them)")
    total = sum(e.hidden for e in rows)
    say(f"\n{len(rows)} mistakes, {total} hidden on this instance" + (": unfit for grading" if total else ""))


def _named(cells: tuple[str, ...], options: dict[str, Any]) -> dict[str, Naming]:
    from ..equations import cells as library
    from ..homework.diagnosis.kill import MOST_STEPS, concrete, naming, subject

    found: dict[str, Naming] = {}
    for name in cells or tuple(library()):
        rec = load(name, options["let"]) if cells else concrete(name)
        if rec is None:
            say(f"{name}: abstract, there are no numbers (bind it with --let)", err=True)
            continue
        with busy(f"naming the mistakes of {name}"):
            u = unroll(rec, options)
            within(u.columns, MOST_STEPS, "naming the mistakes over {} steps is out of reach", "take fewer --steps")
            if u.columns == 1:
                say(f"note: {name}: mistakes between steps are not in the table, as there is one step only", err=True)
            d = subject(u, u.instance(options["seed"], options["batch"]))
            found[name] = naming(d, options["digits"], options["pairs"], options["seed"])
    return found


def _print_table(found: dict[str, Naming]) -> None:
    from ..homework.diagnosis.kill import KINDS, titles

    width = max(len(c) for c in found)
    say(f"{'':<{width}}  " + "  ".join(f"{k:>13}" for k in KINDS))
    for name, n in found.items():
        say(f"{name:<{width}}  " + "  ".join(f"{n.total[k] or '·':>13}" for k in KINDS))
    keys = [k for k in titles() if any(k in n.counts for n in found.values())]
    if keys:
        say("\nmistake × cell: how many were named exactly, +n tied, ?n not explained, !n misnamed, (n) hidden\n")
        columns = {c: str(i + 1) for i, c in enumerate(found)}
        say("columns: " + ", ".join(f"{i} {c}" for c, i in columns.items()) + "\n")
        wide = max(len(k) for k in keys)
        cells = {k: [_cell(n.counts.get(k)) for n in found.values()] for k in keys}
        size = max(len(x) for row in cells.values() for x in row) + 1
        say(" " * wide + "".join(f"{i:>{size}}" for i in columns.values()))
        for k in keys:
            say(f"{k:<{wide}}" + "".join(f"{x:>{size}}" for x in cells[k]))
    for name, n in found.items():
        if n.total["hidden"]:
            say(
                f"{name}: {n.total['hidden']} mistakes do not show on this instance, so nobody can name them; more"
                " --steps show more"
            )
        for text in n.examples[:5]:
            say(f"misnamed in {name}: {text}")


def _cell(counts: dict[str, int] | None) -> str:
    if counts is None:
        return "·"
    marks = {"tie": "+{}", "not explained": "?{}", "misnamed": "!{}", "hidden": "({})"}
    text = str(counts["exact"]) if counts["exact"] else ""
    return (text + "".join(m.format(counts[k]) for k, m in marks.items() if counts[k])) or "0"
