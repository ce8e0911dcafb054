"""The memory of a schedule for one batch size and one type of number, and the program over it.

A value of the steps has one array `(before + T + after, B, *shape)`; the rows before and after hold initial values, or
the zeros that the reverse pass starts from, so that a read of `h[t-1]` is the same memory one row earlier. A value that
only its own step reads has one row. The program is a flat list of NumPy calls on views made once: running it again
costs no set-up.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .instructions import Array, Instruction, emit
from .system import Unsuited
from .values import VIEWS, Stage, Value

if TYPE_CHECKING:
    from ..equations.admission import Admitted
    from .plan import Plan

__all__ = ["Workspace"]

_LONGEST_LIST = 1_000_000


class _Buffer:
    """The array of one value, or of several side by side (`concat`).

    Outside the steps stand zeros, until an initial value is put there. Within them stands no number before one is
    computed: what is never written cannot pass for a result.
    """

    def __init__(self, value: Value, before: int, after: int, rows: int, batch: int, dtype: Any):
        self.row = before
        self.array = np.zeros((before + rows + after, batch, *value.shape), dtype)
        if self.array.dtype.kind == "f":
            self.array[before : before + rows] = np.nan


class Workspace:
    """Arrays and program of a schedule.

    Attributes:
        forward, backward: the calls of the two passes, in order.
    """

    def __init__(self, plan: Plan, batch: int, dtype: Any):
        self.plan, self.batch, self.dtype = plan, batch, np.dtype(dtype)
        self._buffers: dict[Value, tuple[_Buffer, slice | None]] = {}
        self._fixed: dict[Value, Array] = {}
        self._scratch: dict[Any, Array] = {}
        self._zero: dict[tuple[int, ...], Array] = {}
        self.layout = plan.layout
        self._pads, self._parts = self.layout.pads, self.layout.parts
        self.continued = False
        self._user: weakref.ref[Any] | None = None
        self.given: dict[str, Value] = {}
        self.programs: list[list[Instruction]] = [[], []]
        for stage in self.layout.stages:
            program = self.programs[0 if plan.needed_forward(stage) else 1]
            if stage.loop:
                self._loop(stage, program)
            else:
                self._whole_stage(stage.values[0], program)

        entries = [self._entry(key, value) for key, value in self.given.items()]
        # a value outside the steps that is not among the data is read at no step that counts: it stays zero
        self._entries = [entry for entry in entries if entry[0] in plan.slots]

    # -- memory --------------------------------------------------------------------------------------------------------

    def _type(self, value: Value) -> Any:
        return np.dtype(np.intp) if value.op == "given" and "index" in value.attrs else self.dtype

    def _allocate(self, value: Value) -> tuple[_Buffer, slice | None]:
        if value not in self._buffers:
            if value in self._parts:
                whole, start, stop = self._parts[value]
                self._buffers[value] = (self._allocate(whole)[0], slice(start, stop))
            else:
                assert value.rows is not None
                before, after = self._pads.get(value, (0, 0))
                rows = 1 if value in self.layout.single else value.rows.length
                self._buffers[value] = (_Buffer(value, before, after, rows, self.batch, self._type(value)), None)
        return self._buffers[value]

    def _rows(self, value: Value, first: int, last: int) -> Array:
        """Rows first … last−1 of a value, examples of all rows one after the other."""
        buffer, part = self._allocate(value)
        array = buffer.array[buffer.row + first : buffer.row + last]
        if part is not None:
            array = array[..., part]
        found: Array = _same_memory(array.reshape((last - first) * self.batch, *value.shape), array)
        return found

    def _row(self, value: Value, row: int) -> Array:
        """One row of a value; a single example stands without an axis for the batch."""
        buffer, part = self._allocate(value)
        array = buffer.array[buffer.row + row]
        if part is not None:
            array = array[..., part]
        found: Array = array[0, ...] if self.batch == 1 else array  # the dots keep a single number an array
        return found

    def _example(self, value: Value) -> tuple[int, ...]:
        """The shape of one row of a value; a single example stands without an axis for the batch."""
        return (self.batch, *value.shape) if self.batch > 1 else value.shape

    def _lend(self, value: Value) -> Any:
        def lend(i: int, shape: tuple[int, ...]) -> Array:
            key = (value, i, shape)
            if key not in self._scratch:
                self._scratch[key] = np.empty(shape, self.dtype)
            return self._scratch[key]

        return lend

    def whole(self, value: Value) -> Any:
        """All rows of a value: `(rows · B, *shape)`, or the one array of what has no rows."""
        if value in self._fixed:
            return self._fixed[value]
        if value.op == "full":
            found: Any = np.full((), value.attrs["value"], self.dtype)
            if value.rows is not None:
                found = np.broadcast_to(found, (value.rows.length * self.batch, *value.shape))
            elif value.shape:
                found = np.broadcast_to(found, value.shape)
        elif value.op in VIEWS:
            found = _view(value, self.whole(value.args[0]))
        elif value.op == "read" and not self.layout.copied(value):
            source, first = value.args[0], -value.attrs["delay"]
            assert value.rows is not None
            if value.attrs["kind"] == "at":
                first = value.attrs["delay"]
            elif value.attrs["kind"] == "pick":
                first = value.attrs["cut"][0]
            found = self._rows(source, first, first + value.rows.length)
        elif value.rows is None:
            if value in self._parts:
                whole, start, stop = self._parts[value]
                found = self.whole(whole)[start:stop]
            else:
                found = _matrix(value, self.dtype)
        else:
            found = self._rows(value, 0, value.rows.length)
        self._fixed[value] = found
        return found

    # -- program -------------------------------------------------------------------------------------------------------

    def _whole_stage(self, value: Value, program: list[Instruction]) -> None:
        """A value for all its rows at once."""
        if value.op == "given":
            self.given[value.attrs["key"]] = value
            self.whole(value)
        elif value.op == "read":
            self._start(value, program)
            self._copy(value, program)
        elif value.op in ("concat", "stack"):
            self._join(value, program)
        elif value.op != "full" and value.op not in VIEWS:
            out = self.whole(value)
            program += emit(value, [self.whole(a) for a in value.args], out, self._lend(value))

    def _join(self, value: Value, program: list[Instruction]) -> None:
        """What stands side by side in memory: parts that are not computed in their place are copied there."""
        out = self.whole(value)
        for part, start, stop in self._elsewhere(value):
            target = out[start:stop] if value.op == "stack" else out[..., start:stop]
            program.append((np.copyto, (target, self.whole(part))))

    def _elsewhere(self, value: Value) -> list[tuple[Value, int, int]]:
        """The parts of a `concat` or `stack` that do not lie there already, with their place."""
        whole, offset = (value, 0) if value not in self._parts else self._parts[value][:2]
        start, found = 0, []
        for part in value.args:
            stop = start + part.shape[0]
            if self._parts.get(part) != (whole, offset + start, offset + stop):
                found.append((part, start, stop))
            start = stop
        return found

    def _start(self, read: Value, program: list[Instruction]) -> None:
        """Initial values in the rows that a read looks at outside the steps."""
        source = read.args[0]
        if read.attrs["kind"] == "shift":
            for initial, row in zip(read.args[1:], self.layout.outer_rows(read)):
                target = self._rows(source, row, row + 1)
                program.append((self._begin, (target, self.whole(initial))))

    def _copy(self, read: Value, program: list[Instruction]) -> None:
        """A read that is not just other rows of the memory of its source has memory of its own."""
        source = read.args[0]
        if self.layout.copied(read):
            out, rows = self.whole(read), read.rows
            assert rows is not None and source.rows is not None
            kind, cut, delay = read.attrs["kind"], read.attrs["cut"], read.attrs["delay"]
            every = out.reshape(rows.length, self.batch, *read.shape)
            whole = self.whole(source).reshape(source.rows.length, self.batch, *read.shape)
            every[...] = 0.0
            if kind == "place":
                program.append((np.copyto, (every[delay : delay + 1], whole)))
            elif kind == "spread":
                program.append((_scatter, (every, list(cut), whole)))
            elif kind == "pick":
                program.append((np.take, (whole, list(cut), 0, every)))
            else:
                first = -delay
                program.append(
                    (np.copyto, (every, self._rows(source, first, first + rows.length).reshape(every.shape)))
                )
                for row in cut:
                    if 0 <= row + delay < rows.length:
                        every_row = every[row + delay]
                        program.append((every_row.fill, (0.0,)))

    def _begin(self, target: Array, initial: Array) -> None:
        """An initial value before the first step; in a later chunk the states of the chunk before stand there
        already."""
        if not self.continued:
            np.copyto(target, initial)

    def borders(self, after: bool) -> list[tuple[Array, Array]]:
        """For chunks: (rows outside the steps, the same rows as the neighbouring chunk has them within its steps).

        Before the first step stand the last states of the chunk before; after the last step (`after`) the adjoints that
        the next chunk sends back.
        """
        found = []
        for value, (before, behind) in self._pads.items():
            if value.rows is None or value not in self._buffers:
                continue
            n = value.rows.length
            if after and behind:
                found.append((self._rows(value, n, n + behind), self._rows(value, 0, behind)))
            if not after and before:
                found.append((self._rows(value, -before, 0), self._rows(value, n - before, n)))
        return found

    def _loop(self, stage: Stage, program: list[Instruction]) -> None:
        reads = [v for v in stage.values if v.op == "read"]
        for read in reads:
            self._start(read, program)
        rows = stage.values[-1].rows
        assert rows is not None
        order = range(rows.length) if stage.direction > 0 else range(rows.length - 1, -1, -1)
        if rows.length * len(stage.values) <= _LONGEST_LIST:
            program += self._steps(stage, order)
        else:
            for start in range(0, rows.length, 256):
                program.append((self._window, (stage, order[start : start + 256])))
        for read in reads:  # for those who read it after the loop
            self._copy(read, program)

    def _window(self, stage: Stage, order: Sequence[int]) -> None:
        for function, args in self._steps(stage, order):
            function(*args)

    def _steps(self, stage: Stage, order: Sequence[int]) -> list[Instruction]:
        """The calls of a loop, step by step."""
        found: list[Instruction] = []
        inside = set(stage.values)
        fixed: dict[Value, Any] = {}
        lenders = {v: self._lend(v) for v in stage.values}
        single = self.layout.single
        for row in order:
            at: dict[Value, Any] = dict(fixed)

            def look(value: Value, row: int = row, at: dict[Value, Any] = at) -> Any:
                if value in at:
                    return at[value]
                if value.rows is None:
                    made = fixed[value] = self.whole(value)
                elif value.op in VIEWS:
                    made = _view(value, look(value.args[0]))
                elif value.op == "read" and (value in inside or not self.layout.copied(value)):
                    made = self._look_back(value, row)
                elif value.op == "full":
                    made = fixed[value] = np.full(self._example(value), value.attrs["value"], self.dtype)
                elif value in single:
                    made = fixed[value] = self._row(value, 0)
                else:
                    made = self._row(value, row)
                at[value] = made
                return made

            for value in stage.values:
                if value.op in ("read", "full") or value.op in VIEWS:
                    continue
                if value.op == "concat":
                    found += [
                        (np.copyto, (look(value)[..., start:stop], look(part)))
                        for part, start, stop in self._elsewhere(value)
                    ]
                    continue
                found += emit(value, [look(a) for a in value.args], look(value), lenders[value])
        return found

    def _look_back(self, read: Value, row: int) -> Array:
        """What a read sees in a row: its source some rows away, or zero where truncation cuts."""
        source = row - read.attrs["delay"]
        if read.attrs["kind"] == "shift" and source in read.attrs["cut"]:
            shape = self._example(read)
            return self._zero.setdefault(shape, np.zeros(shape, self.dtype))
        if read.attrs["kind"] == "pick":
            source = read.attrs["cut"][0] + row
        return self._row(read.args[0], source)

    # -- running -------------------------------------------------------------------------------------------------------

    @property
    def in_use(self) -> bool:
        return self._user is not None and self._user() is not None

    def lend_to(self, user: object) -> None:
        """Leave the values to `user` as long as it lives."""
        self._user = weakref.ref(user)

    def _entry(self, key: str, value: Value) -> tuple[str, Array, bool]:
        """Where the data of a key go: the array, and whether it is a sequence."""
        target = self.whole(value)
        if value.rows is not None:
            rows = (value.rows.length,) if value.attrs["timed"] else ()
            target = _same_memory(target.reshape(*rows, self.batch, *value.shape), target)
        target[...] = 0
        if self._first_only(value):
            target = target[:1]  # the other steps stay zero
        return key, target, value.attrs["timed"]

    def _first_only(self, value: Value) -> bool:
        """Whether only the first step of an input is given, and the others are zero."""
        u = self.plan.system.u
        last = u.recurrence.blocks[-1] + "." if u.recurrence.blocks else ""
        given = value.op == "given" and value.attrs["role"] == "input" and value.attrs["timed"]
        return u.inputs == "first" and given and value.name.startswith(last)

    def load(self, data: Admitted, start: int = 0, classes: Mapping[str, Array] | None = None) -> None:
        """Copy the data in.

        Args:
            start: the first step of a sequence that is taken. classes: class numbers `(T, B)` of the sequences that
                this plan looks up.
        """
        arrays = data.arrays
        for key, target, timed in self._entries:
            if classes and key in classes:
                np.copyto(target, classes[key], "unsafe")
                continue
            array = arrays[key]
            if timed and (start or len(array) != len(target)):
                array = array[start : start + len(target)]
            if key in data.classes:
                target.fill(0.0)
                flat = np.broadcast_to(array, target.shape[:2]).reshape(-1)
                target.reshape(len(flat), -1)[np.arange(len(flat)), flat] = 1.0
            else:
                target[...] = array

    def given_arrays(self) -> dict[str, Array]:
        """Copies of the data of the last run, classes as one-hot vectors."""
        shapes = self.plan.slots
        return {
            key: np.eye(shapes[key].shape[0], dtype=self.dtype)[target] if target.dtype.kind == "i" else target.copy()
            for key, target, _ in self._entries
        }

    def run(self, *which: int) -> None:
        """The forward (0) and the reverse pass (1), or one of them."""
        for i in which or (0, 1):
            for function, args in self.programs[i]:
                function(*args)

    def gradient(self, value: Value) -> Array:
        """A gradient: `(*shape)`, or `(B, *shape)` of an initial state."""
        return np.asarray(self.whole(value))

    def named(self, name: str) -> Array | None:
        """A copy of the value of a variable at a step, `(B, *shape)`, if it is kept and differs from example to
        example."""
        stem, _, index = name.partition("[")
        system, named = self.plan.system, self.plan.named
        value, row = named.get(name), 0
        if value is None or value.rows is None or value.rows.name != "once":
            name, value = stem, named.get(stem)
            step = index[:-1]
            if value is None or not step.lstrip("-").isdigit() or value.rows is None:
                return None
            row = int(step) - 1 - system.offsets.get(stem, 0)
            if value.rows.name == "the steps with a loss":
                row = system.loss_rows.index(row) if row in system.loss_rows else -1
            if row and self._first_only(value):
                return None
        equation = system.equations.get(name)
        if (
            value not in self.layout.kept
            or not 0 <= row < value.rows.length
            or (equation is not None and not equation.batched)
        ):
            return None
        return np.array(self.whole(value).reshape(value.rows.length, self.batch, *value.shape)[row])


def _matrix(value: Value, dtype: Any) -> Array:
    """Memory for what belongs to no step. A tall product lies there transposed: the library multiplies up to three
    times as fast."""
    if value.op == "batch_outer" and len(value.shape) == 2 and value.shape[0] > value.shape[1]:
        return np.full(value.shape[::-1], np.nan, dtype).T
    return np.full(value.shape, np.nan, dtype)


def _view(value: Value, array: Any) -> Any:
    if value.op == "rows":
        return array[value.attrs["start"] : value.attrs["stop"]]
    if value.op == "take":
        return array[..., value.attrs["start"] : value.attrs["stop"]]
    assert value.primitive is not None
    return _same_memory(value.primitive.value(array, **value.attrs), array)


def _same_memory(view: Any, array: Any) -> Any:
    """A view, if it is one: a copy would go on showing what stood in the array when the program was made."""
    if not np.may_share_memory(view, array):
        raise Unsuited("an array cannot be looked at in another shape where it lies")
    return view


def _scatter(out: Array, rows: list[int], values: Array) -> None:
    out[rows] = values
