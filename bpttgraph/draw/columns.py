"""The columns of a picture: which steps are shown, and which fold into one ellipsis.

Above eight steps the middle folds; backward, a cell whose gates stand side by side folds above four.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.variables import Variable, VariableGraph
from .rows import Rows

__all__ = ["AUTO_FOLD", "WIDE_FOLD", "Fold", "Slot", "arrange", "fold_for", "folding"]

Fold = bool | str | tuple[int, int]  # "auto", always or never, or so many steps before and after the ellipsis
AUTO_FOLD, WIDE_FOLD = 8, 4
_HEAD, _TAIL = 3, 2


@dataclass(frozen=True, slots=True)
class Slot:
    """One column: a step, a column of states from outside the sequence, or the ellipsis.

    `kind` is "step", "outside" or "ellipsis"; `hidden` counts the steps an ellipsis stands for.
    """

    kind: str
    block: str | None
    step: int | None
    label: str = ""
    hidden: int = 0


def folding(length: int, fold: Fold) -> tuple[int, int] | None:
    """How many of so many steps stay before and after the ellipsis, if there is one."""
    if isinstance(fold, tuple):
        return fold if sum(fold) < length else None
    return (_HEAD, _TAIL) if (length > AUTO_FOLD if fold == "auto" else fold) else None


def fold_for(view: str, fold: Fold, graph: VariableGraph, rows: Rows) -> Fold:
    """Backward, cells with gates side by side fold earlier, to the first and the last two steps.

    The gradient starts at the last step; the one before shows what repeats from there on.
    """
    wide = view == "backward" and max(map(len, rows.order.values()), default=0) > 1
    return (1, 2) if fold == "auto" and wide and max(graph.steps.values(), default=0) > WIDE_FOLD else fold


def arrange(graph: VariableGraph, fold: Fold) -> tuple[list[Slot], dict[str, int], set[str]]:
    """The columns, the column of each variable, and the names that are folded away."""
    blocks = list(dict.fromkeys(v.block for v in graph.variables.values() if v.role not in ("parameter", "total")))
    groups: dict[tuple[int, float], list[Variable]] = {}
    for v in graph.variables.values():
        if v.role not in ("parameter", "total"):
            groups.setdefault((blocks.index(v.block), 0.5 if v.step is None else v.step), []).append(v)
    slots: list[Slot] = []
    column: dict[str, int] = {}
    hidden: set[str] = set()
    for (index, step), members in sorted(groups.items()):
        block = blocks[index]
        length = graph.steps.get(block, 0)
        kept = folding(length, fold)
        head, tail = kept or (0, 0)
        outside = all(v.role == "initial" for v in members)
        if kept and not graph.folded and head < step <= length - tail:
            count = length - tail - head
            if step == head + 1:  # the first hidden one
                label = f"t = {step} … {step + count - 1}" if count > 1 else f"t = {step}"
                slots.append(Slot("ellipsis", block, None, label, count))
            hidden.update(v.name for v in members)
        elif outside:
            slots.append(Slot("outside", block, members[0].step))
        elif members[0].step is None:
            slots.append(Slot("step", block, None, "step t" if graph.folded else "once"))
        else:
            slots.append(Slot("step", block, members[0].step, f"t = {step}"))
        column.update((v.name, len(slots) - 1) for v in members)
    return slots, column, hidden
