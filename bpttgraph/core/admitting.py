"""What may come in as numbers: `plain_numbers` refuses an array that is more than its numbers, before `np.asarray`
drops the rest without a word."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BPTTError

__all__ = ["plain_numbers"]

_DEEPEST = 64  # NumPy knows no more axes


def plain_numbers(value: Any, what: str) -> Any:
    """The value, unless it is, or holds in its lists, a masked array, a matrix, a sparse matrix, numbers with a unit, …

    Raises:
        BPTTError: naming the kind, and what to write.

    Example:
        >>> plain_numbers(np.ma.masked_array([1.0, 2.0], [True, False]), "x")
        Traceback (most recent call last):
          ...
        bpttgraph.errors.BPTTError: x is a MaskedArray: what it says beyond its numbers would be lost
          hint: fill what is masked (a.filled(0.0)) or leave it out, and give a plain array
    """
    level = [value]
    for _ in range(_DEEPEST):
        inside: list[Any] = []
        for item in level:
            if isinstance(item, list | tuple):
                inside += [i for i in item if not isinstance(i, float | int)]
            elif isinstance(item, np.ndarray):
                if item.__class__ is not np.ndarray and item.__class__ is not np.memmap:
                    raise _refused(item, what)
            elif hasattr(item, "toarray") and hasattr(item, "nnz"):
                raise _refused(item, what)
        if not inside:
            break
        level = inside
    return value


def _refused(item: Any, what: str) -> BPTTError:
    fix = "give its numbers, np.asarray(a)"
    if isinstance(item, np.ma.MaskedArray):
        fix = "fill what is masked (a.filled(0.0)) or leave it out, and give a plain array"
    elif not isinstance(item, np.ndarray):
        fix = "write it out, a.toarray()"
    return BPTTError(f"{what} is a {type(item).__name__}: what it says beyond its numbers would be lost", fix)
