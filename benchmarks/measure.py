"""Measuring: interleaved calls, medians, and gradients compared before anything is timed."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from .peers import NAMES, PEERS, recorded
from .works import Work

__all__ = ["compare", "fit", "interleaved", "timed"]


def installed(packages: tuple[str, ...]) -> bool:
    return all(find_spec(p) is not None for p in packages)


def _flat(found: Mapping[str, Any], name: str) -> Any:
    part = found[name]
    return np.concatenate([np.asarray(a).ravel() for a in part]) if isinstance(part, list) else np.asarray(part).ravel()


def disagreement(a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    """The largest difference of two sets of gradients, each parameter in units of its largest entry."""
    names = [n for n in NAMES if n in a]
    return max(float(np.max(np.abs(_flat(a, n) - _flat(b, n))) / np.max(np.abs(_flat(a, n)))) for n in names)


BLOCK = 2e-3  # seconds


def interleaved(calls: Mapping[str, Callable[[], Any]], seconds: float = 2.0) -> dict[str, float]:
    """Median time of each call in seconds: all take turns, round after round, until each has had `seconds` or 5 rounds.

    A turn is a block of calls of at least 2 ms together, as in training, where one call follows another; a single call
    of some microseconds would measure how far the others have emptied the caches.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, round(BLOCK / max(time.perf_counter() - start, 1e-7)))
    end = time.perf_counter() + seconds * len(calls)
    while min(map(len, times.values())) < 5 or (time.perf_counter() < end and min(map(len, times.values())) < 1000):
        for name, call in calls.items():
            gc.collect(0)
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            times[name].append((time.perf_counter() - start) / repeats[name])
    return {name: statistics.median(found) for name, found in times.items()}


def timed(call: Callable[[], Any], rounds: int = 5) -> float:
    """The median time of one call."""
    return interleaved({"": call}, seconds=0.0 if rounds <= 5 else 1.0)[""]


def compare(work: Work, only: tuple[str, ...] = (), seconds: float = 2.0) -> dict[str, Any]:
    """One work, ours and every installed peer: medians in milliseconds, the first call, and the largest disagreement of
    gradients."""
    data = work.data()
    calls, first, off, missing = {}, {}, {}, []
    if installed(("torch",)):
        import torch

        torch.set_num_threads(1)
    reference: Mapping[str, Any] | None = None
    for name, (make, packages) in PEERS.items():
        if only and name not in only:
            continue
        if not installed(packages):
            missing.append(name)
            continue
        start = time.perf_counter()
        call = make(work, data)
        loss, gradients = call()
        first[name] = 1e3 * (time.perf_counter() - start)
        if gradients:
            if reference is None:
                reference, value = gradients, loss
            off[name] = disagreement(reference, gradients)
            if not (off[name] < 1e-9 and abs(loss - value) < 1e-9 * abs(value)):
                raise SystemExit(
                    f"{name} disagrees with {next(iter(off))} on {work.name}: gradients differ by {off[name]:.1e}"
                )
        calls[name] = call
    medians = {name: 1e3 * t for name, t in interleaved(calls, seconds).items()}
    tape = {name: n for name in calls if (n := recorded(name, work, data)) is not None}
    return {
        "work": work.name,
        "ms": medians,
        "first_ms": first,
        "disagreement": off,
        "operations": tape,
        "missing": missing,
    }


def fit(sizes: list[int], values: list[float]) -> float:
    """The exponent of growth: the slope of log(value) over log(size), by least squares on the larger half of the
    sizes."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(values[half:]), 1)[0])
