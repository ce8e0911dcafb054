"""Where values live: in all steps or in one, side by side or alone, in the loop or outside it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .system import outer_rows
from .values import VIEWS, Stage, Value

__all__ = ["Layout"]


class Layout:
    """The stages of a schedule, and what follows from them for memory.

    Args:
        wide: whether the numbers of one step fill a good part of the processor's cache. Then the factors that only a
            loop reads are computed in that loop, where they are still in the cache when they are read; otherwise for
            all steps at once, which needs fewer calls.

    Attributes:
        parts: value -> (the value that it lies in, from, to), for what is read side by side.
        pads: value -> how many rows before the first and after the last step are read.
        single: values that only their own step reads. kept: values of which all steps are there after a run.
    """

    def __init__(self, stages: Sequence[Stage], outputs: Sequence[Value], wide: bool):
        self.stages = _adopt(stages, set(outputs)) if wide else list(stages)
        values = [v for s in self.stages for v in s.values]
        self.parts = _side_by_side(values)
        self.pads: dict[Value, tuple[int, int]] = {}
        for read in values:
            if read.op == "read" and read.attrs["kind"] == "shift":
                source = self.home(read.args[0])
                before, after = self.pads.get(source, (0, 0))
                delay = read.attrs["delay"]
                self.pads[source] = (max(before, delay), max(after, -delay))
        self.single = self._only_in_their_step(set(outputs))
        self.kept = {v for v in values if v.op not in ("full", "concat") and v not in self.single}
        self.kept -= {v for v in self.kept if v.op in VIEWS and _base(v) not in self.kept}

    def _only_in_their_step(self, outputs: set[Value]) -> set[Value]:
        readers: dict[Value, list[tuple[Value, Stage]]] = {}
        for stage in self.stages:
            for v in stage.values:
                for a in v.args:
                    readers.setdefault(a, []).append((v, stage))

        def only_here(v: Value, stage: Stage) -> bool:
            for reader, where in readers.get(v, ()):
                if where is not stage or reader.op == "read":
                    return False
                if (reader.op in VIEWS or reader.op == "concat") and not only_here(reader, stage):
                    return False
            return v not in outputs

        lone = {v for s in self.stages if s.loop for v in s.values if v.op != "read" and only_here(v, s)}
        # what lies side by side is one piece of memory: a single row only if that is enough for every part of it
        kept = {self.home(v) for s in self.stages for v in s.values if v not in lone}
        return {v for v in lone if self.home(v) not in kept}

    def home(self, value: Value) -> Value:
        """The value in whose memory another one lies: itself, or what it is a part of."""
        return self.parts[value][0] if value in self.parts else value

    @staticmethod
    def copied(read: Value) -> bool:
        """Whether a read of all rows is more than other rows of the same memory."""
        kind, cut = read.attrs["kind"], read.attrs["cut"]
        if kind == "pick":
            return tuple(cut) != tuple(range(cut[0], cut[0] + len(cut)))
        return kind in ("place", "spread") or (kind == "shift" and bool(cut))

    @staticmethod
    def outer_rows(read: Value) -> range:
        """The rows outside the steps that a read looks at."""
        rows = read.args[0].rows
        assert rows is not None
        return outer_rows(read.attrs["delay"], rows.length)


def _base(view: Value) -> Value:
    while view.op in VIEWS:
        view = view.args[0]
    return view


def _side_by_side(values: list[Value]) -> dict[Value, tuple[Value, int, int]]:
    """A place for what is read side by side: the longest rows first, shorter ones are parts of them where they can
    be."""
    parts: dict[Value, tuple[Value, int, int]] = {}
    for whole in sorted((v for v in values if v.op in ("concat", "stack")), key=lambda v: -v.shape[0]):
        known = [parts[p] for p in whole.args if p in parts]
        if len(known) == len(whole.args) and all(a[0] is b[0] and a[2] == b[1] for a, b in pairwise(known)):
            parts[whole] = (known[0][0], known[0][1], known[-1][2])
            continue
        start = 0
        for part in whole.args:
            stop = start + part.shape[0]
            computed = part.op not in (*VIEWS, "read", "full", "concat", "stack")
            if computed and part not in parts and part.rows == whole.rows:
                parts[part] = (whole, start, stop)
            start = stop
    return parts


def _adopt(stages: Sequence[Stage], outputs: set[Value]) -> list[Stage]:
    """Move what is computed entry by entry, for one loop alone, into that loop."""
    readers: dict[Value, set[Value]] = {}
    for stage in stages:
        for v in stage.values:
            for a in v.args:
                readers.setdefault(a, set()).add(v)
    home = {v: s for s in stages if s.loop for v in s.values}
    adopted: dict[Stage, list[Value]] = {}
    for stage in reversed(stages):
        value = stage.values[0]
        where = {home.get(r) for r in readers.get(value, ())}
        entries = value.op in ("Σ", "Π", "columns", *VIEWS) or (
            value.primitive is not None and value.primitive.kind == "elementwise"
        )
        if (
            stage.loop
            or not entries
            or value in outputs
            or len(where) != 1
            or any(r.op == "read" for r in readers[value])
        ):
            continue
        (loop,) = where
        if loop is not None and loop.values[-1].rows == value.rows:
            adopted.setdefault(loop, []).append(value)
            home[value] = loop
    gone = {v for found in adopted.values() for v in found}
    result = []
    for stage in stages:
        if stage in adopted:
            result.append(Stage([*reversed(adopted[stage]), *stage.values], True))
        elif stage.values[0] not in gone:
            result.append(stage)
    return result
