"""Scalar programs: a ReLU RNN written with single numbers, by micrograd, by our eager Tensors, and replayed on
vectors."""

from __future__ import annotations

import random
import statistics
import sys
import threading
import time
from typing import Any

import numpy as np

from .measure import installed

__all__ = ["compare_scalars"]


def network(number: Any, units: int, steps: int) -> tuple[Any, list[Any]]:
    rng = random.Random(0)
    W = [[number(rng.gauss(0, 0.9 / units**0.5)) for _ in range(units)] for _ in range(units)]
    u, b = [number(rng.gauss(0, 1)) for _ in range(units)], [number(rng.gauss(0, 0.1)) for _ in range(units)]
    h, loss = [number(0.1) for _ in range(units)], number(0.0)
    for _ in range(steps):
        x, new = rng.gauss(0, 1), []
        for i in range(units):
            a = b[i] + u[i] * x
            for j in range(units):
                a = a + W[i][j] * h[j]
            new.append(a.relu())
        h = new
        d = h[0] - 0.5
        loss = loss + d * d
    return loss, [w for row in W for w in row] + u + b


def compare_scalars(units: int = 16, steps: int = 50, rounds: int = 7) -> dict[str, Any]:
    """Milliseconds for building the loss and all its derivatives (micrograd, eager) and for running it again
    (replay)."""
    found: dict[str, Any] = {}

    def work() -> None:
        import bpttgraph as bg

        kinds = {"bpttgraph, eager": bg.tensor}
        if installed(("micrograd",)):
            from micrograd.engine import Value

            kinds["micrograd"] = Value
        times: dict[str, list[float]] = {name: [] for name in [*kinds, "bpttgraph, replay"]}
        recorded, leaves = network(bg.tensor, units, steps)
        again = bg.replay(recorded)
        for _ in range(rounds):
            gradients = {}
            for name, number in kinds.items():
                start = time.perf_counter()
                loss, made = network(number, units, steps)
                loss.backward()
                times[name].append(time.perf_counter() - start)
                gradients[name] = np.array([w.grad or 0.0 for w in made], float)
                del loss
            start = time.perf_counter()
            _, g = again()
            times["bpttgraph, replay"].append(time.perf_counter() - start)
            place = {id(leaf): i for i, leaf in enumerate(again.leaves)}
            gradients["bpttgraph, replay"] = np.array([g[place[id(w)]] if id(w) in place else 0.0 for w in leaves])
            first, *others = gradients.values()
            for other in others:
                np.testing.assert_allclose(first, other, rtol=1e-9, atol=1e-12)
        found["ms"] = {name: 1e3 * statistics.median(t) for name, t in times.items()}
        found["explain"] = again.explain()

    # micrograd's backward recurses as deep as the graph
    before, stack = sys.getrecursionlimit(), threading.stack_size(512 * 2**20)
    sys.setrecursionlimit(10**6)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(before)
        threading.stack_size(stack)
    return {"work": f"scalar ReLU RNN H={units} T={steps}", **found}
