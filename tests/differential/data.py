"""The data of a case, and copies of it with one entry moved by an imaginary step."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from .trees import Case

Array = np.ndarray[Any, Any]
STEP = 1e-30


def draw(case: Case, key: str, seed: int) -> Array:
    """The data of a key, a function of the seed and the key alone: a sequence (T, [B,] n), an initial state ([B,] n) or
    a parameter."""
    rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
    base, kind = key.partition("[")[0], case.kinds.get(key.partition("[")[0], "")
    lead: tuple[int, ...] = (
        () if key in case.parameters else () if case.batch is None or key in case.single else (case.batch,)
    )
    if key not in case.parameters and "[" not in key:
        lead = (case.steps, *lead)
    if key.startswith("dE_d"):
        return rng.normal(size=(*lead, *case.shapes[key[4:]]))
    shape = (*lead, *case.shapes[base])
    if kind == "classes":
        return rng.integers(0, shape[-1], size=shape[:-1])
    found = rng.normal(size=shape) * 0.8
    if kind == "distribution":
        return np.exp(found) / np.exp(found).sum(-1, keepdims=True)
    return np.abs(found) + 0.3 if kind == "positive" else found


def moves(array: Array, entries: tuple[int, ...], step: float = STEP) -> Array:
    """`array` once for each index over its last axes `entries`, with that entry moved (for all examples and steps
    before it)."""
    size = int(np.prod(entries))
    out = np.repeat(array[None].astype(complex), size, axis=0)
    flat = out.reshape(size, -1, size)
    flat[np.arange(size), :, np.arange(size)] += step * 1j
    return out
