"""The full backward pass of a cell in one document: every parameter and initial state at once.

Recursions, parameter sums, block Jacobians and code are those for any number of steps; counts and numbers are those of
the unrolling that was checked. `--detail full` adds the derivation of each gradient by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..derive import Derivation
from ..errors import NOTHING, BPTTError
from .blocks import Block, Heading, Math, Table, Text, formula, name, para
from .gradient import derivation_blocks
from .lines import listed, ratio, shape_words
from .symbolic import symbolic_blocks

if TYPE_CHECKING:
    from ..unrolled import Unrolled
    from .choice import Choice

__all__ = ["everything", "whole_blocks"]

GROWTH = (5, 10, 20)  # steps at which the numbers of paths are shown, besides the document's own
ENTRIES = 24  # of a gradient that is printed in the table


def everything(u: Unrolled) -> list[str]:
    """The parameters and the initial states, in order of appearance."""
    initial = [n.name for rows in u.leaves.values() for _, n in rows if n.role == "initial" and n.name]
    found = [*u.parameters, *initial]
    if not found:
        raise BPTTError(NOTHING.format(u.recurrence.title), "take a recurrence with a parameter")
    return found


def whole_blocks(derivations: Sequence[Derivation], choice: Choice) -> list[Block]:
    """The backward pass, the counts, the numbers; with detail "full" also each gradient by itself."""
    out = symbolic_blocks(choice, [d.wrt for d in derivations], whole=True)
    if choice.detail == "slide":
        return out
    out += _counts(derivations, choice)
    asked = set(choice.levels) if choice.level is not None else {"numbers"}
    if choice.has_numbers and "numbers" in asked:
        out += _numbers(derivations, choice)
    wanted = choice.detail == "full" or asked - {"numbers"}
    for d in derivations if wanted else ():
        out += derivation_blocks(d, choice, max(len(derivations), 2))
    return out


def _counts(derivations: Sequence[Derivation], choice: Choice) -> list[Block]:
    u = choice.unrolled
    longer = _longer(u)
    head: tuple[Text, ...] = (("by",), ("shape",), ("read at",), (_steps_of(u),), *[(f"T = {n}",) for n, _ in longer])
    rows: list[tuple[Text, ...]] = []
    for d in derivations:
        v = u.vgraph.variables[d.wrt]
        steps = sorted({k for _, k in d.count_by_step})
        counts = [f"{Derivation(long, d.wrt).count:,}" if d.wrt in long.vgraph.variables else "–" for _, long in longer]
        read = f"step {listed(steps)}" if len(steps) == 1 else f"steps {listed(steps)}" if steps else "never"
        rows.append(
            (
                (name(d.wrt),),
                (shape_words(v.shape, d.unrolled.recurrence.rows),),
                (read,),
                (f"{d.count:,}",),
                *[(c,) for c in counts],
            )
        )
    return [
        Heading(2, ("How many chain-rule terms that is",), "count"),
        para(
            "Multiplied out, each gradient is one product for every path from a use to a loss. The recursions above "
            "contain all of them, and their work grows linearly with the steps; the number of paths does not. "
            "These counts are exact: they are added up along the graph, no path is listed."
        ),
        Table(("Chain-rule terms of each gradient.",), head, tuple(rows), "counts"),
    ]


def _steps_of(u: Unrolled) -> str:
    return "terms, " + ", ".join(f"T = {n}" + (f" ({b})" if b else "") for b, n in u.steps.items())


def _longer(u: Unrolled) -> list[tuple[int, Unrolled]]:
    """The same over more steps, where that means the same."""
    last = u.steps[u.loss_block]
    loss = "every" if u.loss_steps == tuple(range(1, last + 1)) else "last" if u.loss_steps == (last,) else ""
    if not loss or u.recurrence.blocks:
        return []
    truncate = u.truncation.name if u.truncation else None
    made = []
    for n in GROWTH:
        if n <= last:
            continue
        try:
            made.append((n, u.recurrence.unroll(n, loss, u.given_sizes, truncate, u.inputs, u.reduce)))
        except BPTTError:
            continue
    return made


def _numbers(derivations: Sequence[Derivation], choice: Choice) -> list[Block]:
    """Every gradient's value on the instance of the check, from the run that was checked."""
    from ..derive.levels import literal

    rows: list[tuple[Text, ...]] = []
    for d in derivations:
        value = np.asarray(choice.run.gradient(d.wrt), float)
        shown: Math | str = f"norm {float(np.linalg.norm(value)):.4g}"
        if value.size <= ENTRIES:
            shown = formula(literal(value))
        rows.append(((ratio(d.paths.total, d.wrt),), (shown,), (choice.mark or "–",)))
    caption = "Each gradient on the instance of the check, to four digits."
    mark = " The mark ✓ says that the check at the end of this document found it right." if choice.mark == "✓" else ""
    return [
        Heading(2, ("In numbers",), "numbers"),
        Table((caption + mark,), (("gradient",), ("value",), ("check",)), tuple(rows)),
    ]
