"""Gradients of a function that are off in their last digits only: an answer to a forward pass in lower precision."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..answers.given import Forward, Given
from ..diagnosis.explain import Diagnosis
from ..truth.forward import digits, relative
from ..truth.truth import Truth

__all__ = ["last_digits"]

Array = np.ndarray[Any, Any]
NEAR = 3e-6  # single precision does not get farther off in a few steps
APART = 1e-3  # a known mistake must lie a thousand times as far away


def last_digits(truth: Truth, given: Mapping[str, Given], wrong: Collection[str]) -> Forward | None:
    """A function whose gradients are off in their last digits only: its forward pass, which is not seen, must be off as
    well.

    For no known mistake comes as close on this instance: that is tried out. The gradients are judged to the digits that
    agree.
    """
    apart = {
        n: relative(g.value, truth.value(n)) for n, g in given.items() if np.shape(g.value) == np.shape(truth.value(n))
    }
    near = {n: off for n, off in apart.items() if off < NEAR and n in wrong}
    if not near:
        return None
    off, table = max(near.values()), Diagnosis(truth).table
    effects = np.max([_effects(truth, n, table[n]) for n in near if n in table] or [np.zeros(1)], axis=0)
    closest = float(np.min(effects[effects > 0], initial=np.inf))
    if off > APART * closest or digits(off) < 1:
        return None
    own = {
        n: (truth.value(n), np.full(truth.value(n).shape, 4 * off * np.abs(truth.value(n)).max(initial=0.0)))
        for n in apart
    }
    return Forward(
        f"the gradients of {', '.join(near)} agree to {digits(off)} digits and no more, closer than any known mistake"
        f" comes here ({closest:.0e}): the program, forwards or backwards, computes in lower precision than the"
        f" equations; it is judged to {digits(off)}",
        off,
        own,
        tuple(near),
    )


def _effects(truth: Truth, name: str, rows: Array) -> Array:
    """How far each mistake moves a gradient, relative to its largest entry; 0 for those that do not touch it."""
    with np.errstate(all="ignore"):
        moved = np.abs(rows - truth.value(name)).max(axis=tuple(range(1, rows.ndim)))
    moved = moved / max(float(np.abs(truth.value(name)).max(initial=0.0)), 1e-300)
    return np.where(moved > 1e-13, moved, 0.0)
