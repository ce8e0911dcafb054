"""Which data a recurrence needs, in the order in which unrolling would meet them, without unrolling it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.graph import needed
from ..equations.admission import Slot
from ..equations.trees import names_in

if TYPE_CHECKING:
    from .system import System

__all__ = ["needs"]


def needs(system: System) -> dict[str, Slot]:
    """The slots of the data. Only the first and the last steps are looked at: between them nothing new is read."""
    u, rec = system.u, system.rec
    reach = 2 + max((abs(n.index.offset) for d in u.definitions for n, _ in names_in(d.right) if n.index), default=0)
    reach += max((abs(d.offset) for d in u.definitions), default=0)
    found: dict[str, Slot] = {}
    classes, symbols = _classes(system), _symbols(system)
    losses = set(rec.losses)

    def meet(key: str, step: int | None, block: str | None) -> None:
        shape = u.shapes[key]
        if step is None:
            found.setdefault(key, Slot("parameter", shape, None))
            return
        defined = key in system.every
        name, length = f"{key}[{step}]", u.steps[block]
        first = 1 + system.offsets.get(key, 0) if defined else 1
        known = system.initial.get((key, step))
        if (defined and first <= step < first + length) or (
            (defined or known is not None) and known not in system.outside
        ):
            return  # an equation computes it, perhaps one for this step only
        role = "initial" if defined else "target" if key in rec.targets else "input"
        if (
            not defined
            and u.inputs == "first"
            and step != 1
            and role == "input"
            and (not rec.blocks or block == rec.blocks[-1])
        ):
            return
        whole = not defined and 1 <= step <= length
        slot = key if whole else name
        either = (key in classes and (whole or not defined)) or (key in symbols and whole)
        found.setdefault(slot, Slot(role, shape, length if whole else None, len(shape) == 1 and either))

    for part in u.order:
        every = [d for d in part.definitions if d.kind == "every"]
        last = max((u.steps[d.block] for d in every), default=1)
        times = [*range(1, min(last, reach) + 1), *range(max(reach, last - reach) + 1, last + 1)]
        counted = set(u.loss_steps)
        near = sorted(counted)
        times = sorted({*times, *near[:reach], *near[-reach:]}) if any(d.bases[0] in losses for d in every) else times
        for t in times if part.direction > 0 else reversed(times):
            for d in part.definitions:
                if d is system.total or (d.bases[0] in losses and d.kind == "every" and t not in counted):
                    continue
                for name, _ in names_in(d.right):
                    key = rec.key(name, d.block)
                    if name.index is None:
                        if key not in rec.once:
                            meet(key, None, d.block)
                        continue
                    block = (
                        (rec.every[key].block if key in rec.every else name.block or d.block) if rec.blocks else None
                    )
                    start = {"t": t, "T": u.steps[block]}.get(name.index.variable or "", 0)
                    meet(key, start + name.index.offset, block)
    if u.generic:
        for out in rec.outputs:
            block = rec.every[out].block
            found[u.upstream_name(out)] = Slot("upstream", u.shapes[out], u.steps[block])
    return found


def _classes(system: System) -> set[str]:
    """Inputs that a cross entropy compares with: whole numbers there are classes."""
    found = set()
    for name in system.equations:
        for node in needed([system.equations[name]]):
            if node.op is not None and node.op.name == "cross_entropy" and node.args[1] in system.reads:
                found.add(system.reads[node.args[1]].source)
    return found


def _symbols(system: System) -> set[str]:
    """Inputs that are only multiplied with matrices: whole numbers there mean one-hot vectors."""
    if system.u.inputs != "every":
        return set()
    found: set[str] = set()
    other: set[str] = set()
    for name in system.equations:
        if name in system.reverse:
            continue
        for node in needed([system.equations[name]]):
            for slot, arg in enumerate(node.args):
                if arg in system.reads:
                    product = slot == 1 and node.op is not None and node.op.name == "matvec"
                    (found if product else other).add(system.reads[arg].source)
    return {key for key in found - other if key not in system.every and key not in system.rec.targets}
