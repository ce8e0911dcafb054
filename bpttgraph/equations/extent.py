"""How large an unrolled recurrence is, before anything of it is made: the nodes of its graph, and the numbers of a
run."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ..machine.bounds import MOST_NODES, MOST_NUMBERS, many, within
from .syntax import Expr, Index, Name, Number, Reduce
from .trees import children

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["check_nodes", "check_numbers", "nodes", "numbers"]


def nodes(u: Settings) -> int:
    """At most so many nodes: the operations of every equation at each of its steps, those of a sum for each of its
    terms."""
    found = len(u.recurrence.parameters) + len(u.recurrence.inputs) * u.columns
    for d in u.definitions:
        steps = u.steps.get(d.block, u.columns)
        found += (steps if d.kind == "every" else 1) * (_parts(d.right, max(u.steps.values())) + len(d.bases) - 1)
    if u.generic:  # a given vector, its product with the output and their sum
        found += 3 * len(u.loss_steps) * len(u.recurrence.outputs)
    return found


def _parts(e: Expr, steps: int) -> int:
    if isinstance(e, Name | Number):
        return 0
    inside = sum(_parts(c, steps) for c in children(e))
    return 1 + (inside + 1) * _terms(e, steps) if isinstance(e, Reduce) else 1 + inside


def _terms(e: Reduce, steps: int) -> int:
    """At most so many terms. A bound that is a letter is at most T."""

    def place(index: Index | None, default: int, letter: int) -> int:
        return default if index is None else index.offset + (0 if index.variable is None else letter)

    return max(0, place(e.upper, steps, steps) - place(e.lower, 1, 1) + 1)


def check_nodes(u: Settings) -> None:
    """Whether the graph can be built.

    Raises:
        BPTTError: it would have too many nodes; says how many steps are possible.
    """
    amount, steps = nodes(u), max(u.steps.values())
    fix = "take fewer terms in its sums and products"
    if amount > MOST_NODES and steps > 1:
        fewer = max(1, steps * MOST_NODES // amount)
        fix = f"take at most about {10 ** (len(str(fewer)) - 1) * int(str(fewer)[0]):,} steps"
    within(
        amount,
        MOST_NODES,
        f"the graph of {u.recurrence.title} over {many(steps)} steps would have up to {{}} nodes",
        fix,
    )


def numbers(u: Settings, batch: int | None = None) -> dict[str, int]:
    """The numbers in each parameter, and in each variable at all its steps and for all examples."""
    rec, examples = u.recurrence, batch or 1
    return {
        name: prod(shape) * (1 if name in rec.parameters else examples * (1 if name in rec.once else u.columns))
        for name, shape in u.shapes.items()
    }


def check_numbers(u: Settings, batch: int | None = None, computed: bool = True) -> None:
    """Whether a run can be held in memory: data and, if they are all kept, what is `computed` from them.

    Raises:
        BPTTError: it would be too many numbers; names the largest array.
    """
    found = {name: n for name, n in numbers(u, batch).items() if computed or name not in u.recurrence.defined}
    amount = sum(found.values())
    if amount > MOST_NUMBERS:
        largest = max(found, key=found.__getitem__)
        steps = "" if largest in u.recurrence.parameters else " at all steps" + (" of the batch" if batch else "")
        what = f"{u.recurrence.title} would hold {{}} numbers, {many(found[largest])} of them in {largest}{steps}"
        fix = "take smaller sizes (--size h=3)" if not steps else "take fewer steps, a smaller batch or smaller sizes"
        within(amount, MOST_NUMBERS, what, fix)
