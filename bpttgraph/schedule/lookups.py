"""Class numbers instead of one-hot vectors: products become look-ups.

Where x[t] has a 1 in one place, `W x[t]` is a column of W, `cross_entropy(y, target)` is −log of one entry of y, and
its gradient with softmax, y − target, is y with 1 subtracted in one place. Anything else that reads such a vector gets
it written out (`one_hot`); so does `Σ_t δ[t] x[t]ᵀ`, because one product of matrices is no slower than adding the δ[t]
to the columns one by one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from .passes import Values, loops, readers
from .values import Build, Value, again, rebuild

__all__ = ["classes_of", "look_up"]

Array = np.ndarray[Any, Any]


def classes_of(array: Array) -> Array | None:
    """The places of the ones of one-hot vectors `(T, B, n)`, as `(T, B)`; None if these are other numbers.

    >>> classes_of(np.eye(3)[[[2], [0]]]).tolist()
    [[2], [0]]
    >>> classes_of(np.ones((2, 1, 3))) is None
    True
    """
    rows = array.reshape(-1, array.shape[-1])
    if np.count_nonzero(rows[0]) != 1 or np.count_nonzero(rows) != len(rows):
        return None
    places = rows.argmax(1)
    return places.reshape(array.shape[:-1]) if np.all(rows[np.arange(len(rows)), places] == 1.0) else None


def look_up(found: Values, keys: Collection[str], wide: bool) -> Values:
    """The same values, from sequences `keys` that are given as class numbers.

    Args:
        wide: whether the matrices are transposed, and constants added to them, before anything is looked up: worth it
            if a matrix has fewer columns than there are steps and examples.
    """
    loop, uses = loops(found), readers(loops(found))
    indices: dict[Value, Value] = {}

    def scaled(value: Value) -> tuple[Value, float]:
        """A vector and the number that it is multiplied with."""
        alone = value.op == "Π" and len(value.args) == 1
        return (value.args[0], value.attrs["factor"]) if alone else (value, 1.0)

    def product(build: Build, value: Value, new: dict[Value, Value], plus: list[Value]) -> Value:
        matrix, index = new[value.args[0]], indices[value.args[1]]
        if wide:
            matrix = build.make("table", [matrix], (matrix.shape[1], matrix.shape[0]), None)
            matrix = build.sum([(1, matrix), *((1, p) for p in plus)], matrix.shape, None)
        return build.make("columns", [matrix, index], value.shape, value.rows, {"table": wide})

    def change(build: Build, value: Value, new: dict[Value, Value]) -> Value:
        args = value.args
        if value.op == "given" and value.attrs["key"] in keys:
            indices[value] = build.make("given", (), (), value.rows, {**value.attrs, "index": True})
            return build.make("one_hot", [indices[value]], value.shape, value.rows)
        if value.op == "matvec" and args[1] in indices and args[0].rows is None:
            return product(build, value, new, [])
        if value.op == "Σ" and wide and not value.attrs["number"] and set(value.attrs["signs"]) == {1}:
            looked = [a for a in args if a.op == "matvec" and a.args[1] in indices and len(uses[a]) == 1]
            if len(looked) == 1 and all(a is looked[0] or a.rows is None for a in args):
                return product(build, looked[0], new, [new[a] for a in args if a is not looked[0]])
        if value.op == "sum" and args[0] in indices and not value.shape:
            return build.full(1.0, (), value.rows)
        if value.op in ("expand", "reshape") and new[args[0]].op == "full":
            return build.full(new[args[0]].attrs["value"], value.shape, value.rows)
        if loop[value]:
            return again(build, value, new)
        if value.op == "cross_entropy" and args[1] in indices and args[0].rows == value.rows:
            return build.make("cross_entropy_at", [new[args[0]], indices[args[1]]], (), value.rows)
        if (
            value.op == "Σ"
            and len(args) > 1
            and len(hot := [i for i, a in enumerate(args) if scaled(a)[0] in indices]) == 1
        ):
            sign, (vector, factor) = value.attrs["signs"][hot[0]], scaled(args[hot[0]])
            rest = [(s, new[a]) for i, (s, a) in enumerate(zip(value.attrs["signs"], args)) if i != hot[0]]
            number = [(1, build.full(value.attrs["number"], (), None))] if value.attrs["number"] else []
            total = build.sum([*rest, *number], value.shape, value.rows)
            if total.op != "full" and total.shape == value.shape and total.rows == value.rows:
                attrs = {"amount": sign * factor}
                return build.make("add_at", [total, indices[vector]], value.shape, value.rows, attrs)
        return again(build, value, new)

    return rebuild(found, change)
