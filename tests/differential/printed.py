"""What is printed, read back by its own text: the statements of every level, in every language, evaluate to the
gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import product as every
from typing import Any

import numpy as np

from .compare import Array, Subject
from .formulas import chosen, compare_forms, total
from .readers import READERS, Item, Items, Unit, Unsized, evaluate, key, sides

MOST_TERMS = 60


class Unnamed(LookupError):
    """A derivative is printed by its symbol: it has no formula."""


class Names:
    """Values by what is printed: those of the oracle, and what the statements define."""

    def __init__(self, s: Subject, rows: bool = False):
        self.found: dict[Item, Any] = {}
        self.rows = rows
        values = {n: v[0, 0] for n, v in s.values.items()}
        for n, array in s.world.data.items():
            base = n.partition("[")[0]
            if n in s.case.parameters or "[" in n:
                values[n] = s.world.leaf(n, None, None)[0, 0]
            elif n.startswith("dE_d"):
                offset = s.case.defined[n[4:]].index
                values |= {f"{n}[{t + offset}]": s.world.leaf(n, t, None)[0, 0] for t in range(1, len(array) + 1)}
            else:
                values |= {f"{base}[{t}]": s.world.leaf(n, t, None)[0, 0] for t in range(1, len(array) + 1)}
        if s.case.total is not None:
            values[s.case.total] = s.world.value(s.case.total, None)[0, 0]
        self.clash = len({key(n) for n in values}) < len(values)
        for n, value in values.items():
            self.found[key(n)] = self.laid(value)

    def laid(self, value: Any) -> Any:
        """A vector as the matrix that it is in print."""
        return value.reshape((1, -1) if self.rows else (-1, 1)) if value.ndim == 1 else value

    def __call__(self, item: Item) -> Any:
        if item in self.found:
            return self.found[item]
        if item[0] == "unit":  # where vectors are rows, so are ones
            return Unit("row" if self.rows and item[1] == "ones" else item[1])
        if item[0] == "d":
            raise Unnamed(item)
        raise LookupError(f"{item} is printed, but nothing is called so")


def shaped(names: Names, value: Any, dims: tuple[int, ...]) -> Array:
    """A value as the matrix that a variable of this shape is in print; a number is none."""
    rows = names.laid(np.zeros(dims)).shape
    if isinstance(value, Unit):
        value = value.like(np.zeros(rows)) if rows else value.by
    if np.ndim(value) == 0 and rows and not (type(value) is float and value == 0) and rows != (1, 1):
        raise ValueError(f"a number stands for an array of shape {dims}")
    return np.broadcast_to(value, rows)


def statement(names: Names, text: Items, dims: tuple[int, ...]) -> Array:
    """The value of the right side, which is from then on that of the left side."""
    (left,), right = sides(text)
    value = shaped(names, evaluate(right, names), dims)
    names.found[left] = value[0, 0] if value.shape == (1, 1) else value
    return value


def entries(names: Names, text: Items, shape: tuple[int, ...]) -> Array:
    """A statement about entries, for all entries, each by itself; letters below brackets count them."""
    left, right = sides(text)
    value = np.zeros(shape)
    letters = [i[0][1] for i in left[1][1]] if len(left) > 1 else []
    for place in every(*[range(n) for n in shape]):
        at = {letter: str(i + 1) for letter, i in zip(letters, place)}

        def one(item: Item, at: dict[str, str] = at) -> Any:
            if item[1] in at and not item[2]:
                return float(at[item[1]])
            if item[1] == "δ" and len(item[2]) == 2 and item not in names.found:  # Kronecker's
                a, b = (at.get(c, c) for c in item[2])
                return float(a == b)
            return names(item)

        value[place] = evaluate(right, one)
    inner = left[0][1][0] if left[0][0] == "(" else left[0]
    names.found[inner] = names.laid(value)
    return value


def readings(s: Subject, wrt: str) -> Iterator[tuple[str, Any]]:
    """Level and language, with the value of what is printed there."""
    d = s.u.derive(wrt)
    shape = s.case.shapes[wrt.partition("[")[0]]
    rows = s.u.recurrence.rows  # x W in the text: then vectors are rows in print as well
    for form, read in READERS.items():
        if d.count <= MOST_TERMS:
            for width in (None, 20):
                with suppress(Unnamed):
                    names = Names(s, rows)
                    value = statement(names, read(d.statement("local", form, width=width)), shape)
                    yield f"local as {form}", value.reshape(shape)
        if not d.adjoints.closed:
            continue
        names = Names(s, rows)
        for part, line in zip(d.adjoints.parts, d.factored_at("matrix")):
            value = statement(names, read(getattr(line, form)()), getattr(part.left, "dims", shape))
        yield f"matrix as {form}", value.reshape(shape)
        names = Names(s)
        for part, line in zip(d.adjoints.parts, d.factored_at("elements")):
            dims = getattr(part.left, "dims", None)
            value = entries(names, read(getattr(line, form)()), shape if dims is None else dims)
        yield f"elements as {form}", value


def compare_printed(s: Subject) -> str | None:
    """Every form of every level is there; formulas for one example are evaluated."""
    if found := compare_forms(s):
        return found
    if s.case.batch is not None or Names(s).clash:
        return None
    for wrt in chosen(s, 2):
        try:
            for what, value in readings(s, wrt):
                if found := s.differs(value, total(s, wrt), s.scale(wrt)):
                    return f"d{wrt} at level {what}: {found}"
        except Unsized:
            continue
    return None
