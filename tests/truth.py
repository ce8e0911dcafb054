"""What several tests of numbers share: the complex step, unit of error, names of all cells with their variants."""

from __future__ import annotations

from typing import Any

import numpy as np

import bpttgraph as bg
from bpttgraph.recurrence.library import describe, suggestion

EPS = float(np.finfo(float).eps)

CELLS = [f"{name}:{v}" if v else name for name in bg.cells() for v in (describe(name)["variants"] or [""])]


def bound(name: str) -> bg.Recurrence:
    """A cell with numbers: its abstract functions bound as its file suggests."""
    return bg.cell(name, let=suggestion(name) or None)


def complex_step(u: bg.Unrolled, data: dict[str, Any], name: str) -> np.ndarray[Any, Any]:
    """dE/d(name) by the complex step, entry by entry: no derivative rule takes part."""
    gradient = np.zeros(np.shape(data[name]))
    for index in np.ndindex(gradient.shape):
        moved = {k: np.asarray(v) for k, v in data.items()}
        moved[name] = moved[name].astype(complex)
        moved[name][index] += 1e-30j
        gradient[index] = u.run(moved).loss.imag / 1e-30
    return gradient


def assert_gradients(u: bg.Unrolled, data: dict[str, Any], names: list[str] | None = None, slack: float = 64) -> bg.Run:
    """Gradients of parameters and initial states equal the complex step within a few units u·S; contributions sum to them."""
    run = u.run(data)
    for name in names if names is not None else list(run.gradients):
        gradient, oracle = run.gradients[name], complex_step(u, data, name)
        triangle, absolute = run.contributions(name), run.absolute_contributions(name)
        size = EPS * slack * (absolute.sum((0, 1)) + absolute.max() + 0.1)
        if gradient.shape != absolute.shape[2:]:  # initial states keep their batch, contributions sum over it
            total, size = gradient.sum(0), size + 0 * absolute[0, 0]
        else:
            total = gradient
        assert gradient.shape == np.shape(data[name])
        assert np.all(np.abs(triangle.sum((0, 1)) - total) <= size), name
        assert np.all(np.abs(gradient - oracle) <= size), (name, np.abs(gradient - oracle).max())
    return run
