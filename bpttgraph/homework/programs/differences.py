"""The gradient of somebody's forward pass, by differences: nothing is known of it but that it can be run again.

Where a forward pass is not that of the equations, a backward pass may still be right: for the forward pass that was
run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ...errors import BPTTError

__all__ = ["differences"]

Array = np.ndarray[Any, Any]
FIRST = 0.1  # the largest step
STEPS = 6  # each half of the one before
MARGIN = 4.0  # of the estimate: it is a difference of two extrapolations, not a bound
SMALL = [10.0**-k for k in (8, 7, 6, 5, 4, 3.5) for _ in range(3)]  # steps on which noise is looked for
FOURTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0]) / 4.0
MOST = 20_000  # runs of the forward pass


def differences(
    loss: Callable[[Mapping[str, Array]], float], data: Mapping[str, Array], names: Iterable[str]
) -> dict[str, tuple[Array, Array]]:
    """The gradient of `loss(data)` by the arrays `names`, entry by entry, each with an estimate of its error.

    Central differences with halved steps, extrapolated (Richardson); of all extrapolations the one with the least
    error, as Ridders chooses it: how far it lies from its neighbours, and what the noise of the forward pass (states in
    single precision) makes of it.

    Raises:
        BPTTError: the loss is not the same twice, or not finite, or there are too many entries.

    Example:
        >>> found = differences(lambda d: float(np.sum(np.sin(d["x"]))), {"x": np.array([0.5, 2.0])}, ["x"])
        >>> value, error = found["x"]
        >>> bool(np.all(np.abs(value - np.cos([0.5, 2.0])) <= error)), bool(error.max() < 1e-9)
        (True, True)
    """
    names = list(names)
    entries = sum(np.size(data[n]) for n in names)
    if 2 * STEPS * entries > MOST:
        raise BPTTError(
            f"the forward pass would have to be run {2 * STEPS * entries:,} times",
            "choose smaller sizes, fewer steps or a smaller batch",
        )
    if not _same(loss(data), loss(data)):
        raise BPTTError("the forward pass gives another result each time", "switch off dropout and random numbers")
    noise = _noise(loss, data, names)
    found = {}
    for name in names:
        start = np.asarray(data[name], float)
        value, error = np.zeros(start.shape), np.zeros(start.shape)
        for index in np.ndindex(start.shape):

            def at(step: float, index: Any = index, name: str = name, start: Array = start) -> float:
                moved = start.copy()
                moved[index] += step
                return loss({**data, name: moved})

            value[index], error[index] = _derivative(at, max(1.0, abs(float(start[index]))), noise)
        found[name] = value, error
    if not all(np.all(np.isfinite(a)) for pair in found.values() for a in pair):
        raise BPTTError(
            "the forward pass gives numbers that are not finite", "look for a division by zero or a logarithm"
        )
    return found


def _same(a: float, b: float) -> bool:
    return a == b or (np.isnan(a) and np.isnan(b))


def _noise(loss: Callable[[Mapping[str, Array]], float], data: Mapping[str, Array], names: list[str]) -> float:
    """How rough the loss is: its fourth differences over small steps, of which a smooth function has next to none."""
    rng = np.random.default_rng(0)
    largest = 0.0
    for h in SMALL:
        way = {n: h * np.maximum(1.0, np.abs(data[n])) * rng.choice([-1.0, 1.0], np.shape(data[n])) for n in names}
        values = [loss({**data, **{n: data[n] + k * way[n] for n in names}}) for k in (-2, -1, 0, 1, 2)]
        largest = max(largest, abs(float(np.dot(FOURTH, values))))
    return max(largest, 1e-16 * abs(loss(data)))


def _derivative(at: Callable[[float], float], scale: float, noise: float) -> tuple[float, float]:
    best, error = 0.0, np.inf
    row: list[float] = []
    for k in range(STEPS):
        h = FIRST * scale / 2**k
        high, low = at(h), at(-h)
        new = [(high - low) / (2 * h)]
        floor = noise / h + (abs(high) + abs(low)) * 2.0**-52 / h
        for j, old in enumerate(row, 1):
            new.append(new[-1] + (new[-1] - old) / (4**j - 1))
            change = max(abs(new[j] - new[j - 1]), abs(new[j] - old)) + floor
            if change < error:
                best, error = new[j], change
        row = new
    return best, MARGIN * error
