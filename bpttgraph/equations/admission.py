"""Admission of data: what a recurrence needs, what the user gave, and one message that says where the two differ.

Arrays come out with the batch in front of the example: sequences `(T, B, *shape)`, initial values `(B, *shape)`,
parameters in their own shape. What all examples share has B = 1.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.admitting import plain_numbers
from ..errors import BPTTError, expect, nearest

__all__ = ["Admission", "Admitted", "Slot", "real"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """One entry of the data.

    Attributes:
        role: "parameter", "initial", "input", "target" or "upstream". shape: for one example and one step.
        length: how many steps a sequence has, None for what is no sequence.
        classes: whether class numbers are meant when whole numbers are given: targets of a cross entropy, and inputs
            that are only multiplied with matrices.
    """

    role: str
    shape: tuple[int, ...]
    length: int | None
    classes: bool = False


@dataclass(slots=True)
class Admitted:
    """Data that fit. `shared`: keys that all examples share; `batch`: the number of examples, None for a single one.

    Sequences that are given as classes stay numbers in `arrays`, `(T, B)`; `classes` says how many classes there are.
    """

    arrays: dict[str, Array]
    batch: int | None
    shared: set[str]
    dtype: Any
    classes: dict[str, int]

    def array(self, key: str) -> Array:
        """The array of a key, classes as one-hot vectors."""
        array = self.arrays[key]
        return np.eye(self.classes[key], dtype=self.dtype)[array] if key in self.classes else array


class Admission:
    """Checks data against slots.

    Args:
        slots: what is needed, by key. unused: names that may be given although nothing reads them.
        short: whether a sequence may have fewer (or more) steps than there are, because only its first one is read.
    """

    def __init__(self, slots: Mapping[str, Slot], unused: Container[str], short: bool):
        self.slots, self.unused, self.short = dict(slots), unused, short
        self._last: tuple[list[tuple[str, tuple[int, ...], Any, bool]], Admitted] | None = None

    def admit(self, data: Mapping[str, Any]) -> Admitted:
        """Check data and bring it to the form described above."""
        again = self._again(data)
        if again is not None:
            return again
        expect(data, Mapping, "data", "give a mapping from names to arrays; u.instance() makes a complete example")
        slots = self.slots
        for key in data:
            if key not in slots and key not in self.unused:
                raise BPTTError(f"data: there is no {key} here", nearest(str(key), list(slots)))
        with np.errstate(over="ignore", invalid="ignore"):
            given = {key: _array(key, value) for key, value in data.items()}
        kinds = {a.dtype for a in given.values() if a.dtype.kind in "fc"}
        dtype = np.result_type(*kinds) if kinds else np.dtype(float)
        maybe = {k for k, s in slots.items() if s.classes and k in given and given[k].dtype.kind in "iu"}
        sized = [
            (given[k].ndim, s) for k, s in slots.items() if k in given and k not in maybe and s.role != "parameter"
        ]
        batched = any(axes == len(s.shape) + (s.length is not None) + 1 for axes, s in sized)
        found: dict[str, Array] = {}
        classes: dict[str, int] = {}
        shared: set[str] = set()
        batches: dict[str, int] = {}
        for key, slot in slots.items():
            array = self._given(key, slot, given, dtype)
            if slot.role == "parameter":
                if array.shape != slot.shape:
                    raise BPTTError(f"data: {key} has shape {array.shape}, but it must be {self.describe(key)}",
                                    f"reshape or transpose {key}")  # fmt: skip
                found[key] = array if array.dtype.kind in "fc" else array.astype(dtype)
            elif slot.length is None:
                core = array if array.dtype.kind in "fc" else array.astype(dtype)
                if array.shape == slot.shape:
                    core = core[None]
                    shared.add(key)
                elif array.ndim == len(slot.shape) + 1 and array.shape[1:] == slot.shape:
                    batches[key] = array.shape[0]
                else:
                    raise BPTTError(
                        f"data: {key} has shape {array.shape}, but it must be {self.describe(key)}", f"reshape {key}"
                    )
                found[key] = core
            else:
                if self._are_classes(key, slot, array, batched):
                    classes[key] = slot.shape[0]
                found[key], batch = self._sequence(key, slot, array, dtype, key in classes)
                if batch is None:
                    shared.add(key)
                else:
                    batches[key] = batch
        sizes = {b for b in batches.values() if b != 1} or set(batches.values())
        if len(sizes) > 1:
            named = ", ".join(f"{k}: {b}" for k, b in batches.items())
            raise BPTTError(f"data: the batch sizes differ ({named})", "give every input the same number of examples")
        used = {a.dtype for key, a in found.items() if key not in classes}
        real = np.result_type(*used) if used else np.dtype(float)
        result = Admitted(found, sizes.pop() if sizes else None, shared, real, classes)
        plain = all(type(data.get(k)) is np.ndarray and (given[k].dtype.kind == "f" or k in classes) for k in slots)
        clear = all(given[k].shape[1:] != slots[k].shape for k in classes)  # not to be taken for one-hot vectors
        if plain and clear and len(data) == len(slots):
            self._last = ([(k, a.shape, a.dtype, a.ndim < found[k].ndim) for k, a in given.items()], result)
        return result

    def outward(self, admitted: Admitted) -> dict[str, Array]:
        """Admitted data in the form in which users give them."""
        found = dict(admitted.arrays)
        for key, slot in self.slots.items():
            if slot.role != "parameter" and (admitted.batch is None or key in admitted.shared):
                found[key] = found[key][0] if slot.length is None else found[key][:, 0]
        return found

    def _again(self, data: Mapping[str, Any]) -> Admitted | None:
        """Data of the same form as those before, as in training: only their numbers are new."""
        if self._last is None or not isinstance(data, Mapping) or len(data) != len(self._last[0]):
            return None
        form, last = self._last
        found: dict[str, Array] = {}
        with np.errstate(over="ignore", invalid="ignore"):
            for key, shape, dtype, widened in form:
                array = data.get(key)
                if type(array) is not np.ndarray or array.shape != shape or array.dtype != dtype:
                    return None
                if key in last.classes:
                    if array.size and (array.min() < 0 or array.max() >= last.classes[key]):
                        return None
                else:
                    flat = array.ravel()
                    if not abs(flat.dot(flat)) < np.inf:
                        return None
                slot = self.slots[key]
                found[key] = array if not widened else array[None] if slot.length is None else array[:, None]
        return Admitted(found, last.batch, last.shared, last.dtype, last.classes)

    def _given(self, key: str, slot: Slot, given: Mapping[str, Array], dtype: Any) -> Array:
        """The user's array, or what stands for it if he need not give it."""
        if key in given:
            return given[key]
        if slot.role == "initial":
            stem = key.partition("[")[0]
            if stem in given and stem in self.unused:  # the first input of a generator
                found: Array = given[stem][0]
                return found
            return np.zeros(slot.shape, dtype)
        if slot.role == "upstream":
            return (
                np.random.default_rng(0).normal(size=(slot.length or 1, *slot.shape)).astype(dtype.type(0).real.dtype)
            )
        raise BPTTError(
            f"data: {key} is missing", f"it has shape {self.describe(key)}; u.instance() makes a complete example"
        )

    def _sequence(self, key: str, slot: Slot, array: Array, dtype: Any, classes: bool) -> tuple[Array, int | None]:
        """A sequence as (T, B, *shape), with its batch size."""
        wrong = BPTTError(f"data: {key} has shape {array.shape}, but it must be {self.describe(key)}",
                          f"the first axis is time (T = {slot.length}), the last ones are {slot.shape}")  # fmt: skip
        rows = len(array) if array.ndim else 0
        if rows != slot.length and not (self.short and rows >= 1 and slot.role == "input"):
            raise wrong
        if classes:
            if array.size and (array.min() < 0 or array.max() >= slot.shape[0]):
                raise BPTTError(f"data: {key} has a class outside 0 to {slot.shape[0] - 1}", "classes count from 0")
            return (array[:, None], None) if array.ndim == 1 else (array, array.shape[1])
        if array.dtype.kind not in "fc":
            array = array.astype(np.zeros(1, dtype).real.dtype)
        if array.shape[1:] == slot.shape:
            return array[:, None], None
        if array.ndim == len(slot.shape) + 2 and array.shape[2:] == slot.shape:
            return array, array.shape[1]
        raise wrong

    def _are_classes(self, key: str, slot: Slot, array: Array, batched: bool) -> bool:
        """Whether a sequence is given as class numbers, `(T,)` or `(T, B)`.

        Whole numbers of shape `(T, n)` with n classes could be either. They are one-hot vectors if they look so and
        nothing else in the data has a batch; other whole numbers are classes of targets, but numbers of inputs.
        """
        if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or not slot.classes:
            return False
        if array.shape[1:] != slot.shape:
            return True
        hot = np.all((array == 0) | (array == 1)) and np.all(array.sum(axis=1) == 1)
        if slot.role == "target":
            return bool(batched or not hot)
        if batched and not hot:
            raise BPTTError(f"data: {key} could be {slot.shape[0]} examples of class numbers or one example of vectors",
                            "give one-hot vectors, (T, B, n), or floating-point numbers for vectors")  # fmt: skip
        return False

    def describe(self, key: str) -> str:
        """The shapes that an entry may have, in words."""
        slot = self.slots[key]
        dims = ", ".join(map(str, slot.shape))
        if slot.role == "parameter":
            return f"({dims}{',' if len(slot.shape) == 1 else ''})"
        if slot.length is None:
            return f"({dims}{',' if len(slot.shape) == 1 else ''}) or (B, {dims})" if dims else "() or (B,)"
        t = slot.length
        classes = f" or classes ({t},) or ({t}, B)" if slot.classes else ""
        return (f"({t}, {dims}) or ({t}, B, {dims})" if dims else f"({t},) or ({t}, B)") + classes


def _array(key: str, value: Any) -> Array:
    plain_numbers(value, f"data: {key}")
    try:
        array = np.asarray(value)
    except Exception:  # whatever a stranger's __array__ raises
        array = np.asarray(None)
    kind = array.dtype.kind
    if kind not in "fciub":
        raise BPTTError(f"data: {key} is not an array of numbers", "give nested lists or a NumPy array of floats")
    if kind == "f" and array.dtype.itemsize < 4:
        array = array.astype(np.float32)
    if kind in "fc":
        # a sum of squares that is finite has no entry that is not: one quick call, and the slow look only where it
        # overflows
        flat = array.reshape(-1)
        square = flat.dot(flat)
        if not abs(square) < np.inf and not np.all(np.isfinite(array)):
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise BPTTError(f"data: {key} holds {array[place]} at index {place}", "every number must be finite")
    return array


def real(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data, which a verdict or a report takes as they are: there, complex numbers have no meaning.

    Raises:
        BPTTError: for complex numbers, for arrays that are more than their numbers, or if this is no mapping.
    """
    expect(data, Mapping, "data", "give a mapping from names to arrays; u.instance() makes a complete example")
    for key, value in data.items():
        if np.iscomplexobj(plain_numbers(value, f"data: {key}")):
            raise BPTTError(f"data: {key} holds complex numbers", "give real numbers")
    return data
