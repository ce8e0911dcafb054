"""Comparing arrays entry by entry, each within its own radius."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BPTTError
from .oracle import UNDERFLOW
from .report import Finding

__all__ = ["COMPLEX", "DIFFERENCES", "UNDERFLOW", "entries", "wide"]

Array = np.ndarray[Any, Any]
COMPLEX = "the complex step"
DIFFERENCES = "central differences"


def wide(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


@np.errstate(over="ignore")
def entries(
    what: str,
    oracle: str,
    value: Array,
    truth: Array,
    size: Array,
    index: list[tuple[int, ...]],
    unit: float,
    radius: Array,
    keep: Array | None,
    note: str,
) -> Finding:
    """Compare entry by entry; the worst is the one farthest out in its own radius."""
    value, truth, size, radius = (
        np.asarray(a, float).reshape(-1)
        for a in (value, truth, np.broadcast_to(size, value.shape), np.broadcast_to(radius, value.shape))
    )
    error = np.abs(value - truth)
    error = np.where(np.isfinite(error), error, np.inf)
    ratio = error / (radius + UNDERFLOW)
    if keep is not None:
        ratio = np.where(keep, ratio, 0.0)
    worst = int(np.argmax(ratio))
    one = unit * float(size[worst]) + UNDERFLOW
    if not len(index):
        raise BPTTError(f"{what}: there is nothing to compare", "choose a parameter that the loss depends on")
    return Finding(
        what,
        oracle,
        bool(np.all(ratio <= 1.0)),
        index[worst],
        float(value[worst]),
        float(truth[worst]),
        float(error[worst]),
        one,
        float(error[worst] / one),
        float(radius[worst] / one),
        int(value.size),
        0 if keep is None else int(np.sum(~keep)),
        note,
        oracle == DIFFERENCES,
    )
