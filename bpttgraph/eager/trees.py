"""Trees: dicts, lists and tuples of arrays, as arguments and results of functions are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.admitting import plain_numbers
from ..core.graph import Node
from .value import Value

__all__ = ["leaves", "names", "numeric", "rebuild"]


def leaves(tree: Any) -> list[Any]:
    """The leaves of nested dicts, lists and tuples, in order."""
    if isinstance(tree, Mapping):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, list | tuple):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]


def rebuild(tree: Any, found: Sequence[Any]) -> Any:
    """A tree like `tree`, with other leaves."""
    rest = iter(found)

    def build(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {key: build(value) for key, value in part.items()}
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            return type(part)(*[build(value) for value in part])
        if isinstance(part, list | tuple):
            return type(part)(build(value) for value in part)
        return next(rest)

    return build(tree)


def names(tree: Any, base: str | None) -> list[str | None]:
    """A name for each leaf: the key of a dict, the argument's name with a number for lists."""
    if isinstance(tree, Mapping):
        return [
            n
            for key, value in tree.items()
            for n in names(value, key if isinstance(key, str) else f"{base}.{key}" if base else None)
        ]
    if isinstance(tree, list | tuple):
        return [n for i, value in enumerate(tree) for n in names(value, f"{base}.{i + 1}" if base else None)]
    return [base]


def numeric(x: Any) -> bool:
    """Whether there is a derivative by this leaf."""
    if isinstance(x, Value):
        return True
    if x is None or isinstance(x, str | bytes | bool | Node) or callable(x):
        return False
    return np.asarray(plain_numbers(x, "an argument")).dtype.kind in "fciu"
