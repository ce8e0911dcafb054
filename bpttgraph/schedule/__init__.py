"""The schedule over time, found from the folded graph of any recurrence."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from .lookups import classes_of, look_up
from .passes import improve
from .plan import Plan
from .system import System, Unsuited
from .values import from_system
from .workspace import Workspace

if TYPE_CHECKING:
    from ..equations.admission import Admitted
    from ..equations.settings import Settings

_POOL = 3  # workspaces that are kept for runs to come
_WIDE = 2048  # numbers in one step from which a loop computes its factors itself
_LARGE = 2048  # entries of a matrix from which one-hot vectors are looked for

__all__ = ["Schedule", "Scheduled", "Unsuited"]


class Schedule:
    """What is computed before, in and after the loops over time, for a recurrence under its settings.

    Attributes:
        reason: why there is none, "" if there is one. fault: what a trial found, "" if nothing or none was made (see
            `unrolled.trial`).
        wide: whether the numbers of a step fill a good part of the cache; None decides by their number.
        large: entries of a matrix from which one-hot vectors are looked for.

    Example:
        >>> import bpttgraph as bg
        >>> bg.cell("rnn").unroll(3).schedule.applies
        True
    """

    def __init__(self, settings: Settings, system: System | None, reason: str = ""):
        self.settings = settings
        self.reason = reason
        self.fault = ""
        self.wide: bool | None = None
        self.large = _LARGE
        self._tried: set[tuple[Any, ...]] = set()
        self._workspaces: dict[tuple[int, Any, tuple[str, ...]], list[Workspace]] = {}
        self.pieces: dict[tuple[int, int, Any], Workspace] = {}  # of `chunks`: memory for pieces of this many steps
        self._plans: dict[tuple[bool, tuple[str, ...]], Plan] = {}
        if system is not None:
            self.system = system
            try:
                self._find()
            except Unsuited as reason:
                self.reason = str(reason)

    def __reduce__(self) -> Any:
        """Memory and plans are made anew."""
        return attrgetter("schedule"), (self.settings,)

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

        if not self.applies:
            return (
                f"{self.settings.recurrence.title}: no schedule, because {self.reason}.\n"
                "The unrolled graph is evaluated node by node; the numbers are the same."
            )
        return explain(self.plan())

    def _find(self) -> None:
        _, found = from_system(self.system)
        wanted = {name: v for name, v in found.items() if name in self.system.losses or name[0] == "∇"}
        self._found = improve(wanted)
        plan = Plan(self.system, self._found, False)
        self._plans[False, ()] = plan
        self._width = max((v.shape[0] for s in plan.stages if s.loop for v in s.values if len(v.shape) == 1), default=1)
        values = [v for s in plan.stages for v in s.values]
        whole = [v for v in values if v.op == "given" and v.attrs["timed"] and len(v.shape) == 1]
        self._indexed = {v.attrs["key"] for v in whole if self.settings.inputs == "every"}
        self._multiplied: dict[str, int] = {}  # the most entries of a matrix that a sequence is multiplied with
        for p in values:
            if p.op == "matvec" and p.args[0].rows is None and p.args[1] in whole:
                key = p.args[1].attrs["key"]
                if key in self._indexed:
                    self._multiplied[key] = max(self._multiplied.get(key, 0), p.shape[0] * p.args[1].shape[0])

    def plan(self, batch: int = 1, keys: tuple[str, ...] = ()) -> Plan:
        """The plan for a number of examples, and for sequences `keys` given as class numbers."""
        wide = self._is_wide(batch)
        if (wide, keys) not in self._plans:
            found = look_up(self._found, keys, wide) if keys else self._found
            self._plans[wide, keys] = Plan(self.system, found, wide)
        return self._plans[wide, keys]

    def _is_wide(self, batch: int) -> bool:
        return batch * self._width >= _WIDE if self.wide is None else self.wide

    def workspace(self, batch: int, dtype: Any, keys: tuple[str, ...] = ()) -> Workspace:
        """Memory and program for a form of data: that of the last run, if nobody reads its values any more."""
        pool = self._workspaces.setdefault((batch, dtype, keys), [])
        for work in pool:
            if not work.in_use:
                return work
        pool.append(Workspace(self.plan(batch, keys), batch, dtype))
        del pool[:-_POOL]  # the oldest are left to the runs that still read them
        return pool[-1]

    def _classes(self, admitted: Admitted) -> dict[str, Any]:
        """Class numbers `(T, B)` of the sequences that were given as such, or that turn out to be one-hot and meet
        large matrices."""
        found = {key: admitted.arrays[key] for key in admitted.classes if key in self._indexed}
        for key, entries in self._multiplied.items():
            if entries >= self.large and key not in found and (classes := classes_of(admitted.arrays[key])) is not None:
                found[key] = classes
        return found

    def tried(self, admitted: Admitted, trial: Callable[..., str]) -> None:
        """Compare once with the unrolled graph, for data of this form; where they differ there is no schedule any more
        (`fault`).

        Args:
            trial: makes the comparison, with batched, hot and wide of the form: the fault as a text, "" for none.
        """
        if not self.applies:
            return
        batch, hot = admitted.batch or 1, tuple(sorted(self._classes(admitted)))
        form = (batch > 1, hot, self._is_wide(batch))
        if form not in self._tried:
            self._tried.add(form)
            self.fault = self.reason = trial(*form)

    def run(self, admitted: Admitted, dtype: Any) -> Scheduled | None:
        """Loss and gradients on data; None if there is no schedule for data of this form (`reason` says why)."""
        classes = self._classes(admitted)
        try:
            work = self.workspace(admitted.batch or 1, np.dtype(dtype), tuple(sorted(classes)))
        except Unsuited as reason:
            self.reason = str(reason)
            return None
        work.load(admitted, classes=classes)
        with np.errstate(all="ignore"):
            work.run()
            loss = sum(work.whole(v).sum() for v in work.plan.losses) * work.dtype.type(self.settings.loss_weight)
        return Scheduled(work, loss)


class Scheduled:
    """What a run of the schedule found. Its values are read from the memory of the schedule, which is not used again
    before it is gone."""

    def __init__(self, work: Workspace, loss: Any):
        self.loss, self._work = loss, work
        work.lend_to(self)

    def gradient(self, name: str) -> Any:
        """A gradient, `(*shape)`, or `(B, *shape)` of an initial state; None if it is zero."""
        value = self._work.plan.gradients.get(name)
        return None if value is None else self._work.gradient(value)

    def data(self) -> dict[str, Any]:
        """The data as they were when the run was made."""
        return self._work.given_arrays()

    def value(self, name: str) -> Any:
        """The value of a variable such as `h[3]`, `(B, *shape)`; None if it was not kept."""
        return self._work.named(name)
