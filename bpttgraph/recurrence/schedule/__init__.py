"""The schedule over time, found from the folded graph of any recurrence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .layout import Layout
from .passes import improve
from .system import Unsuited
from .values import Stage, from_system, stages
from .workspace import Workspace

if TYPE_CHECKING:
    from ..admission import Admitted
    from ..unroll import Unrolled

_POOL = 3  # workspaces that are kept for runs to come
_WIDE = 2048  # numbers in one step from which a loop computes its factors itself

__all__ = ["Schedule", "Scheduled", "Unsuited"]


class Schedule:
    """What is computed before, in and after the loops over time, for one unrolled recurrence."""

    def __init__(self, u: Unrolled):
        self.u = u
        self.reason = u.not_scheduled
        self._workspaces: dict[tuple[int, Any], list[Workspace]] = {}
        if u.system is not None:
            self.system = u.system
            try:
                self._plan()
            except Unsuited as reason:
                self.reason = str(reason)

    @property
    def applies(self) -> bool:
        """Whether this recurrence has a schedule; `reason` says why not."""
        return not self.reason

    def explain(self) -> str:
        """What was moved out of the loops over time, and why, in plain words.

        >>> import bpttgraph as bg
        >>> print(bg.cell("rnn").unroll(3).schedule.explain().splitlines()[2])
        FORWARD
        """
        from .explain import explain

        return explain(self)

    def _plan(self) -> None:
        _, found = from_system(self.system)
        wanted = {name: v for name, v in found.items() if name in self.system.losses or name[0] == "∇"}
        wanted = improve(wanted)
        self.losses = [wanted[name] for name in self.system.losses]
        self.gradients = {name[1:]: value for name, value in wanted.items() if name[0] == "∇"}
        self.stages = stages([*self.losses, *self.gradients.values()])
        self._forward = {v for s in stages(self.losses) for v in s.values}
        self.named = {v.name: v for s in self.stages for v in s.values if v.name and not v.name.startswith("∂")}
        self._layouts: dict[bool, Layout] = {}

    def layout(self, batch: int) -> Layout:
        """Where values live, for a number of examples."""
        wide = (
            batch * max((v.shape[0] for s in self.stages if s.loop for v in s.values if len(v.shape) == 1), default=1)
            >= _WIDE
        )
        if wide not in self._layouts:
            self._layouts[wide] = Layout(self.stages, [*self.losses, *self.gradients.values()], wide)
        return self._layouts[wide]

    def needed_forward(self, stage: Stage) -> bool:
        """Whether a stage belongs to the forward pass."""
        return stage.values[-1] in self._forward

    def workspace(self, batch: int, dtype: Any) -> Workspace:
        """Memory and program for a batch size and a type of number: that of the last run, if nobody reads its values any more."""
        pool = self._workspaces.setdefault((batch, np.dtype(dtype)), [])
        for work in pool:
            if not work.in_use:
                return work
        pool.append(Workspace(self, batch, dtype))
        del pool[:-_POOL]  # the oldest are left to the runs that still read them
        return pool[-1]

    def run(self, admitted: Admitted, dtype: Any) -> Scheduled:
        """Loss and gradients on data."""
        work = self.workspace(admitted.batch or 1, dtype)
        work.load(admitted)
        with np.errstate(all="ignore"):
            work.run()
            loss = sum(work.whole(v).sum() for v in self.losses) * work.dtype.type(self.u.loss_weight)
        return Scheduled(work, loss)


class Scheduled:
    """What a run of the schedule found. Its values are read from the memory of the schedule, which is not used again before it is gone."""

    def __init__(self, work: Workspace, loss: Any):
        self.loss, self._work = loss, work
        work.lend_to(self)

    def gradient(self, name: str) -> Any:
        """A gradient, `(*shape)`, or `(B, *shape)` of an initial state; None if it is zero."""
        value = self._work.schedule.gradients.get(name)
        return None if value is None else self._work.gradient(value)

    def data(self) -> dict[str, Any]:
        """The data as they were when the run was made."""
        return self._work.given_arrays()

    def value(self, name: str) -> Any:
        """The value of a variable such as `h[3]`, `(B, *shape)`; None if it was not kept."""
        return self._work.named(name)
