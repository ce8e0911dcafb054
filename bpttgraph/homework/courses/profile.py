"""Profiles: the conventions of a course, so that a student's arrays go in as they are and the verdict speaks in the
course's names.

A profile is a text file in `profiles/` or of one's own: the recurrence in the equation language, in the course's names,
and comment lines with what the course does otherwise (`docs/reference/profiles.md`). Here it is read; `profiled` judges
answers by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import BPTTError, expect, nearest
from ...machine.files import decoded
from ..answers.files import read_bytes
from .layout import Layout, Sizes, layout

if TYPE_CHECKING:
    from ...equations import Recurrence
    from ...unrolled import Unrolled

__all__ = ["Profile", "parse", "profile", "profiles"]

Array = np.ndarray[Any, Any]
STEPS = 5  # of an instance of our own
MOST = 50_000  # characters of a profile
_FIELD = re.compile(r"#\s*([a-z]+(?: parameters)?)(?:\s+(.*?))?\s*:\s*(.*?)\s*")
_FACTOR = re.compile(r"(-?)1(?:/([NT]+))?")
FIELDS = ("title", "source", "convention", "cell", "calls", "array", "factor", "factor parameters", "clip")
_FORMS = re.compile(r"(?:(?:d|∂)(?:E|L|J|loss|l|ℓ)(?:/d|/∂|_d)|grad[_ /]|delta|∇_?|[d∂])(?=\w)")


@dataclass(frozen=True)
class Profile:
    """The conventions of a course.

    Attributes:
        name, title, source: for people. text: the equations, in the course's names. cells: names under which the
            recurrence is known.
        arrays: the course's arrays by name. calls: the course's functions (`drivers`). clip: gradients are clipped
            there, or 0.
        factors: what the course multiplies all gradients ("all") and those of parameters ("parameters") with, such as
            "-1" or "1/N".

    Example:
        >>> p = profile("cs231n-lstm")
        >>> p.arrays["Wx"].axes, p.recurrence.parameters
        (('D', '4H'), ('Wx', 'Wh', 'b'))
    """

    name: str
    text: str
    fields: Mapping[str, tuple[str, ...]]
    arrays: Mapping[str, Layout]

    def one(self, field: str, default: str = "") -> str:
        return self.fields.get(field, (default,))[0]

    @property
    def title(self) -> str:
        return self.one("title", self.name)

    @property
    def calls(self) -> str:
        return self.one("calls")

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(c.strip() for line in self.fields.get("cell", ()) for c in line.split(","))

    @property
    def clip(self) -> float:
        return float(self.one("clip", "0"))

    def describe(self) -> dict[str, Any]:
        """For listings."""
        return {
            "name": self.name,
            "title": self.title,
            "source": self.one("source"),
            "cells": list(self.cells),
            "conventions": list(self.fields.get("convention", ())),
            "arrays": {k: list(a.axes) for k, a in self.arrays.items()},
            "text": self.text,
        }

    @cached_property
    def recurrence(self) -> Recurrence:
        """The recurrence in the course's names."""
        from ...equations.model import from_text

        return from_text(self.text, None, title=self.title, conventions=self.fields.get("convention", ()))

    @cached_property
    def of(self) -> dict[str, Layout]:
        """The course's array for each name of the recurrence."""
        return {part: a for a in self.arrays.values() for part in a.parts}

    @cached_property
    def _numbers(self) -> tuple[str, ...]:
        """Names for which the course's arrays have no axis of their own, and which are no classes."""
        slots = self.recurrence.unroll(3).slots
        return tuple(n for n, a in self.of.items() if not a.features and n in slots and not slots[n].classes)

    def factor(self, name: str, u: Unrolled, batch: int | None) -> float:
        """What the course multiplies the gradient by `name` (of the recurrence) with."""
        found = 1.0
        for field in ("factor", "factor parameters"):
            if field == "factor" or name in u.parameters:
                match = _FACTOR.fullmatch(self.one(field, "1"))
                assert match is not None
                sizes = {"N": batch or 1, "T": u.columns}
                found *= -1.0 if match[1] else 1.0
                for letter in match[2] or "":
                    found /= sizes[letter]
        return found

    @property
    def plain(self) -> bool:
        """Whether gradients are what they are, without a sign or a mean."""
        return all(self.one(field, "1") == "1" for field in ("factor", "factor parameters"))

    # -- instances -----------------------------------------------------------------------------------------------------

    def unroll(self, steps: int | None = None, **options: Any) -> Unrolled:
        """The recurrence in sizes of the course's arrays: a number where an array has no axis (`# array a: 1`), and one
        size where the arrays have one letter."""
        given: dict[str, Any] = dict(options.pop("sizes", None) or {})
        sizes: dict[str, Any] = dict.fromkeys(self._numbers, ()) | given
        steps = STEPS if steps is None else steps
        u = self.recurrence.unroll(steps, sizes=sizes, **options)
        for _ in range(2 * len(self.arrays)):  # vectors and matrices of each letter, and there are no more of these
            letter, shapes = self._united(u, given)
            if not shapes:
                break
            try:
                u = self.recurrence.unroll(steps, sizes=sizes | shapes, **options)
            except BPTTError as error:
                raise BPTTError(
                    f"the profile {self.name}: the letter {letter} stands for one size, and the equations do not allow "
                    f"it: {error.message}",
                    "give sizes that may differ letters of their own",
                ) from None
            sizes |= shapes
        return u

    def _united(self, u: Unrolled, given: Mapping[str, Any]) -> tuple[str, dict[str, tuple[int, ...]]]:
        """The first letter that stands for several sizes, and shapes in which it stands for one: the given one, or
        else the largest of a vector. What that means for other letters is for the equations to say."""
        seen: dict[str, list[tuple[str, int, int, int]]] = {}
        of = {n: slot.shape for n, slot in u.slots.items() if n in self.of and slot.role != "upstream"}
        for name, shape in of.items():
            for place, letter, factor in self.of[name].lettered(shape):
                seen.setdefault(letter, []).append((name, place, factor, -(-shape[place] // factor)))
        for letter, places in seen.items():
            fixed = [n for name, _, _, n in places if name.partition("[")[0] in given]
            vectors = [n for name, _, _, n in places if len(of[name]) == 1]
            one = max(fixed or vectors or [n for *_, n in places])
            shapes: dict[str, tuple[int, ...]] = {}
            for name, place, factor, _ in places:
                key = name.partition("[")[0]  # the size of h[0] is that of h
                shape = shapes.get(key, of[name])
                if shape[place] != one * factor and key not in given:
                    shapes[key] = (*shape[:place], one * factor, *shape[place + 1 :])
            if shapes:  # vectors first: from their sizes follow other axes of the matrices, which stay open
                return letter, {k: s for k, s in shapes.items() if len(s) == 1} or shapes
        return "", {}

    @property
    def batched(self) -> bool:
        return any("N" in a.axes for a in self.arrays.values())

    def instance(self, u: Unrolled, seed: int = 0, batch: int | None = None) -> dict[str, Array]:
        """A generic instance of our own, in the recurrence's layout; class indices are repeated, as words are in a
        text."""
        taken = {n for s in u.slots.values() for n in s.shape} | {u.columns}
        if batch is not None and not self.batched:
            raise BPTTError(f"{self.name} has no batch", "leave --batch out")
        if batch is None and self.batched:
            batch = next(n for n in count(2) if n not in taken)
        data = dict(u.instance(seed, batch))
        for a in self.arrays.values():
            slot = u.slots[a.parts[0]]
            if a.classes:
                size = slot.shape[0]
                data[a.parts[0]] = np.eye(size)[np.random.default_rng(seed).integers(0, size, u.columns)]
            elif slot.role == "target" and slot.classes and {*a.axes} - {"N", "T"}:
                data[a.parts[0]] = np.eye(slot.shape[0])[data[a.parts[0]]]
        return data

    def outward(self, data: Mapping[str, Array]) -> dict[str, Array]:
        """An instance in the course's layout: class indices where the course has them."""
        found = {}
        for a in self.arrays.values():
            if all(p in data for p in a.parts):
                array = a.outward({p: np.asarray(data[p]) for p in a.parts})
                found[a.name] = array.argmax(-1) if a.classes else array
        return found

    def inward(self, given: Mapping[str, Any], source: str) -> tuple[dict[str, Array], Sizes]:
        """The course's instance in the recurrence's layout. Initial states that are not there are zero."""
        sizes = Sizes()
        for a in self.arrays.values():
            if a.name in given:
                sizes.learn(source, a, np.asarray(given[a.name]))
        data: dict[str, Array] = {}
        missing = []
        for a in self.arrays.values():
            if a.name in given:
                data |= a.inward(self._classes(a, np.asarray(given[a.name]), sizes), sizes)
            elif a.parts[0].endswith("[0]"):
                size = next((sizes[x] for x in a.axes if x not in ("N", "1") and x in sizes), 1)
                data[a.parts[0]] = np.zeros(((sizes["N"],) if "N" in sizes else ()) + (size,))
            else:
                missing.append(a.name)
        if missing:
            raise BPTTError(
                f"{source}: the instance lacks {', '.join(missing)}", f"the profile has {', '.join(self.arrays)}"
            )
        return data, sizes

    def _classes(self, a: Layout, array: Array, sizes: Sizes) -> Array:
        """Class indices as whole numbers within their range."""
        if not a.classes or array.ndim > len(a.axes):
            return array
        size = sizes.get(a.classes, 0)
        if np.any(array != np.round(array)) or array.min(initial=0) < 0 or array.max(initial=0) >= size:
            raise BPTTError(
                f"{a.name} holds no indices of {size} classes", f"write whole numbers from 0 to {max(size - 1, 0)}"
            )
        return array.astype(int)

    # -- names ---------------------------------------------------------------------------------------------------------

    def array_of(self, key: str) -> str | None:
        """The array by which a gradient of this name is taken: dWx, dE/dWx, grad_Wx, deltaWx or Wx.grad.

        >>> p = profile("dlai-lstm")
        >>> p.array_of("dWf"), p.array_of("da0"), p.array_of("Wf.grad"), p.array_of("Wf")
        ('Wf', 'a0', 'Wf', None)
        """
        plain = key.strip().replace(" ", "")
        match = _FORMS.match(plain)
        stems = (plain[match.end() :] if match else "", plain.removesuffix(".grad"), plain.removesuffix("_grad"))
        return next((s for s in stems if s != plain and s in self.arrays), None)


@lru_cache(maxsize=1)
def profiles() -> tuple[str, ...]:
    """The names of all profiles.

    >>> "cs231n-lstm" in profiles()
    True
    """
    folder = files(__package__) / "profiles"
    return tuple(sorted(f.name[:-4] for f in folder.iterdir() if f.name.endswith(".txt")))


def profile(name: str) -> Profile:
    """A profile by its name, or of one's own by the path of its file (which ends in .txt).

    Raises:
        BPTTError: there is no such profile, or its file cannot be read; the line is named.

    Example:
        >>> profile("dlai-lstm").arrays["x"].axes
        ('n_x', 'N', 'T')
    """
    expect(name, str, "the name of a profile", 'write a name such as "cs231n-rnn"')
    if name in profiles():
        return parse(name, (files(__package__) / "profiles" / f"{name}.txt").read_text(encoding="utf-8"))
    if not name.endswith(".txt"):
        raise BPTTError(
            f"there is no profile {name[:60]!r}",
            nearest(name, profiles()) + " (or give the path of a .txt file of your own)",
        )
    return parse(Path(name).stem, decoded(read_bytes(Path(name)), name))


def parse(name: str, text: str) -> Profile:
    """Read a profile.

    >>> arrays = "# array x: N, T, D\\n# array w: D\\n# array h0: N, D = h[0]\\n# array up: N, T, D = dE_dh\\n"
    >>> parse("mine", arrays + "h[t] = tanh(w * h[t-1] + x[t])").arrays["x"].axes
    ('N', 'T', 'D')
    """
    if len(text) > MOST:
        raise BPTTError(f"the profile {name} is longer than {MOST:,} characters", "give one recurrence and its arrays")
    fields: dict[str, list[str]] = {}
    arrays: dict[str, Layout] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _FIELD.fullmatch(line.strip())
        if match is None:
            continue
        field, rest = match[1], match[3]
        if field not in FIELDS or (match[2] and field != "array"):
            raise BPTTError(f"the profile {name}, line {number}: unknown field {field!r}", nearest(field, FIELDS))
        if field == "array":
            try:
                found = layout(f"{match[2] or ''}: {rest}")
            except BPTTError as error:
                raise BPTTError(f"the profile {name}, line {number}: {error.message}", error.hint) from None
            if found.name in arrays:
                raise BPTTError(f"the profile {name}, line {number}: {found.name} is there twice", "describe it once")
            arrays[found.name] = found
        elif field.startswith("factor") and not _FACTOR.fullmatch(rest):
            raise BPTTError(
                f"the profile {name}, line {number}: {rest[:30]!r} is no factor", "write -1, 1/N, 1/T or -1/NT"
            )
        elif field == "clip" and not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", rest):
            raise BPTTError(
                f"the profile {name}, line {number}: {rest[:30]!r} is no threshold", "write for example  # clip: 5"
            )
        fields.setdefault(field, []).append(rest)
    found_profile = Profile(name, text, {k: tuple(v) for k, v in fields.items()}, arrays)
    _complete(found_profile)
    return found_profile


def _complete(p: Profile) -> None:
    """Every name of the recurrence has its array, and the other way round."""
    slots = p.unroll(3).slots
    for name, slot in slots.items():
        if name not in p.of:
            raise BPTTError(
                f"the profile {p.name}: no line says how {name} is laid out",
                f"add  # array {name.replace('[0]', '0')}: …",
            )
        _fitting(p, name, slot)
    unknown = [name for name in p.of if name not in slots]
    if unknown:
        raise BPTTError(f"the profile {p.name}: the equations have no {unknown[0]}", nearest(unknown[0], list(slots)))


def _fitting(p: Profile, name: str, slot: Any) -> None:
    """The axes of an array are those that its name has in the equations."""
    a = p.of[name]
    kinds = ("a number", "a vector", "a matrix")
    batched = any("N" in b.axes for b in p.arrays.values())
    wrong = ""
    if len(a.features) != len(slot.shape) and not slot.classes:
        wrong = f"in the equations {name} is {kinds[len(slot.shape)]}"
    elif "T" in a.axes and slot.length is None:
        wrong = f"{name} is the same at every step, so T is too much"
    elif "T" not in a.axes and slot.length is not None:
        wrong = f"{name} has a value at each step, so T is missing"
    elif ("N" in a.axes) != (batched and slot.role != "parameter"):
        wrong = (
            f"{name} has no axis N: it is a parameter"
            if "N" in a.axes
            else f"other arrays have a batch, so N is missing in {name}"
        )
    if wrong:
        fix = "give it the axes of one example at one step, with N and T where they belong"
        raise BPTTError(f"the profile {p.name}: array {a.name} is ({', '.join(a.axes)}), but {wrong}", fix)
