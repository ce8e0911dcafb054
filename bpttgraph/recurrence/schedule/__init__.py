"""The schedule over time, found from the folded graph of any recurrence."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .passes import improve
from .system import Unsuited, outer_rows
from .values import VIEWS, Stage, Value, from_system, stages
from .workspace import Workspace

if TYPE_CHECKING:
    from ..admission import Admitted
    from ..unroll import Unrolled

_POOL = 3

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
        outputs = [*self.losses, *self.gradients.values()]
        self.stages = stages(outputs)
        self._forward = {v for s in stages(self.losses) for v in s.values}
        self.named = {v.name: v for s in self.stages for v in s.values if v.name and not v.name.startswith("∂")}
        self._layout()

    def _layout(self) -> None:
        reads = [v for s in self.stages for v in s.values if v.op == "read"]
        # vectors that are read side by side lie side by side: the longest rows first, shorter ones are parts of them
        self.parts: dict[Value, tuple[Value, int, int]] = {}
        joined = [v for s in self.stages for v in s.values if v.op in ("concat", "stack")]
        for whole in sorted(joined, key=lambda v: -v.shape[0]):
            places = [self.parts.get(p) for p in whole.args]
            known = [p for p in places if p is not None]
            if len(known) == len(places) and all(a[0] is b[0] and a[2] == b[1] for a, b in pairwise(known)):
                self.parts[whole] = (known[0][0], known[0][1], known[-1][2])
                continue
            start = 0
            for part in whole.args:
                stop = start + part.shape[0]
                if (
                    part not in self.parts
                    and part.op not in (*VIEWS, "read", "full", "concat", "stack")
                    and part.rows == whole.rows
                ):
                    self.parts[part] = (whole, start, stop)
                start = stop
        self.pads: dict[Value, tuple[int, int]] = {}
        for read in reads:
            if read.attrs["kind"] == "shift":
                source = read.args[0]
                source = self.parts[source][0] if source in self.parts else source
                before, after = self.pads.get(source, (0, 0))
                delay = read.attrs["delay"]
                self.pads[source] = (max(before, delay), max(after, -delay))
        self.single: set[Value] = set()
        outputs = {*self.losses, *self.gradients.values()}
        readers: dict[Value, list[tuple[Value, Stage]]] = {}
        for stage in self.stages:
            for v in stage.values:
                for a in v.args:
                    readers.setdefault(a, []).append((v, stage))

        def only_here(v: Value, stage: Stage) -> bool:
            if v in outputs:
                return False
            for reader, where in readers.get(v, ()):
                if where is not stage or reader.op == "read":
                    return False
                if (reader.op in VIEWS or reader.op == "concat") and not only_here(reader, stage):
                    return False
            return True

        for stage in self.stages:
            if stage.loop:
                self.single |= {v for v in stage.values if v.op != "read" and only_here(v, stage)}

        self.kept = {
            v for s in self.stages for v in s.values if v.op not in ("full", "concat") and v not in self.single
        }
        self.kept -= {v for v in self.kept if v.op in VIEWS and not self._behind(v) <= self.kept}

    def _behind(self, view: Value) -> set[Value]:
        while view.op in VIEWS:
            view = view.args[0]
        return {view}

    def needed_forward(self, stage: Stage) -> bool:
        return stage.values[0] in self._forward

    def copied(self, read: Value) -> bool:
        """Whether a read of all rows is more than other rows of the same memory."""
        kind, cut = read.attrs["kind"], read.attrs["cut"]
        if kind in ("place", "spread"):
            return True
        if kind == "pick":
            return tuple(cut) != tuple(range(cut[0], cut[0] + len(cut)))
        return kind == "shift" and bool(cut)

    def outer_rows(self, read: Value) -> range:
        return outer_rows(read.attrs["delay"], read.args[0].rows.length)  # type: ignore[union-attr]

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
