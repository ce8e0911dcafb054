"""The gradient of a long sequence in O(√T) memory: the schedule of a short piece is run again and again, over one
memory.

A first pass keeps only the states between the pieces, and the reverse pass computes each piece once more from there (T.
Chen, B. Xu, C. Zhang, C. Guestrin, Training deep nets with sublinear memory cost, 2016, arXiv:1604.06174).
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BPTTError
from ..schedule.instructions import Array
from ..schedule.system import Unsuited
from ..schedule.workspace import Workspace

if TYPE_CHECKING:
    from ..equations.admission import Admitted
    from .graph import UnrolledGraph

__all__ = ["Checkpointed", "refuse"]


def refuse(u: UnrolledGraph, what: str, reason: str = "") -> None:
    """What can be cut into pieces: one block whose states run forwards from initial values that no parameter sets."""
    reason = reason or u.schedule.reason
    if not reason:
        system = u.system
        assert system is not None
        if u.recurrence.blocks:
            reason = "it has several blocks"
        elif any(r.delay is not None and r.delay < 0 for r in u.recurrence.reads):
            reason = "an equation reads a later step"
        elif u.inputs != "every":
            reason = "its inputs are not given at every step"
        elif any(
            g.role == "parameter"
            for n in system.initial.values()
            for g in (system.given.get(x) for x in system.leaves(n))
            if g
        ):
            reason = "a parameter sets an initial state"
    if reason:
        raise BPTTError(f"{u.recurrence.title} cannot be computed {what}: {reason}", "use u.run(data)")


class Checkpointed:
    """The result of `u.run(data, memory="sqrt")`: loss and gradients, no values."""

    def __init__(self, u: UnrolledGraph, data: Admitted, dtype: Any):
        refuse(u, "in pieces")
        if u.truncation is not None or len(u.loss_steps) < u.columns:
            raise BPTTError(
                'memory="sqrt" computes the full gradient of a loss at every step', "leave out memory, truncate or loss"
            )
        steps, batch = u.columns, data.batch or 1
        system = u.system
        assert system is not None
        reach = max([abs(r.delay) for r in system.reads.values() if r.kind == "shift"] + [1])
        length = max(isqrt(steps - 1) + 1, reach)
        starts = list(range(0, steps, length))
        if steps - starts[-1] < reach and len(starts) > 1:  # the last piece must be as long as a read reaches back
            starts.pop()
        ends = [*starts[1:], steps]
        works: dict[int, Workspace] = {}
        for n in {b - a for a, b in zip(starts, ends)}:
            known = u.schedule.pieces
            if (n, batch, dtype) not in known:
                piece = u.recurrence.unroll(n, sizes=u.given_sizes)
                try:
                    known[n, batch, dtype] = Workspace(piece.schedule.plan(batch), batch, dtype)
                except Unsuited as unsuited:
                    refuse(u, "in pieces", str(unsuited))
            works[n] = known[n, batch, dtype]
        states: list[list[Array]] = []
        self.loss: Any = works[ends[0]].dtype.type(0)
        self._gradients: dict[str, Array] = {}
        weight = self.loss.dtype.type(u.loss_weight)
        with np.errstate(all="ignore"):
            left: list[Array] = []
            for a, b in zip(starts, ends):
                work = works[b - a]
                states.append(left)
                self._forward(work, data, a, left)
                self.loss += sum(work.whole(v).sum() for v in work.plan.losses) * weight
                left = [inside.copy() for _, inside in work.borders(False)]
            right: list[Array] = []
            for a, b, left in reversed(list(zip(starts, ends, states))):
                work = works[b - a]
                self._forward(work, data, a, left)
                for i, (outside, _) in enumerate(work.borders(True)):
                    outside[...] = right[i] if right else 0.0
                work.run(1)
                right = [inside.copy() for _, inside in work.borders(True)]
                for name, value in work.plan.gradients.items():
                    found = work.gradient(value) * weight
                    if u.slots[name].role == "parameter" and name in self._gradients:
                        self._gradients[name] += found
                    else:
                        self._gradients[name] = found

    def _forward(self, work: Workspace, data: Admitted, start: int, left: list[Array]) -> None:
        work.load(data, start)
        work.continued = bool(left)
        for (outside, _), states in zip(work.borders(False), left):
            outside[...] = states
        work.run(0)

    def gradient(self, name: str) -> Array | None:
        return self._gradients.get(name)

    def data(self) -> dict[str, Array]:
        """No data are kept."""
        return {}

    def value(self, name: str) -> None:
        """No values are kept."""
