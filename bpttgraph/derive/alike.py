"""Why the steps of a recurrence may not be alike: then no formula for a symbolic number of steps holds at all of
them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BPTTError

if TYPE_CHECKING:
    from ..unrolled import Unrolled

__all__ = ["HOW", "irregularity", "refused"]

HOW = "derive for a number of steps: --steps 3, or .unroll(3).derive(…)"


def irregularity(u: Unrolled) -> str:
    """What stands at one step and not at the others, in words; empty if there is nothing of the kind.

    >>> import bpttgraph as bg
    >>> irregularity(bg.recurrence("h[t] = tanh(W h[t-1]); E[t] = dot(h[t], h[1])").unroll(3))
    'E[t] = dot(h[t], h[1]) reads a step by its number'
    """
    from ..equations.syntax import Constant
    from ..equations.trees import names_in, walk

    for d in u.definitions:
        if any(isinstance(e, Constant) and e.name == "T" for e, _ in walk(d.right)):
            return f"{d.text} contains the number of steps T"
        if d.kind == "every":
            for name, bound in names_in(d.right):
                if bound:
                    return f"{d.text} runs over steps itself"
                if name.index is not None and name.index.variable != "t":
                    return f"{d.text} reads a step by its number"
        elif d.kind == "fixed" and u.is_inside(d):
            return f"{d.text} stands beside the equation of the other steps"
    if u.inputs == "first":
        return "the input stands at the first step only"
    total = u.recurrence.once.get(u.recurrence.total or "")
    return f"{total.text} reads several steps in one formula" if total is not None and u.recurrence.sums_outputs else ""


def refused(u: Unrolled) -> BPTTError:
    """The refusal of a form for every number of steps: which part is in the way, and what to do."""
    return BPTTError(
        f"the steps are not alike, so that no formula holds for every number of them: {irregularity(u)}", HOW
    )
