"""What several tests of numbers share: the complex step, unit of error, names of all cells with their variants."""

from __future__ import annotations

from typing import Any

import numpy as np

import bpttgraph as bg
from bpttgraph.equations.library import describe, suggestion

EPS = float(np.finfo(float).eps)

CELLS = [f"{name}:{v}" if v else name for name in bg.cells() for v in describe(name)["variants"] or [""]]


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


def assert_gradients(u: bg.Unrolled, data: dict[str, Any], slack: float = 256) -> bg.Run:
    """Gradients of parameters and initial states equal the complex step, within rounding; contributions sum to them.

    The allowance is a few units of rounding of the sum of the absolute contributions.
    """
    run = u.run(data)
    for name, gradient in run.gradients.items():
        oracle, triangle = complex_step(u, data, name), run.contributions(name)
        size = EPS * slack * (np.abs(triangle).sum((0, 1)).max() + np.abs(gradient).max(initial=0) + 0.1)
        assert gradient.shape == np.shape(data[name])
        total = gradient if gradient.ndim == triangle.ndim - 2 else gradient.sum(0)  # contributions sum over the batch
        assert np.all(np.abs(triangle.sum((0, 1)) - total) <= size), name
        assert np.all(np.abs(gradient - oracle) <= size), (name, np.abs(gradient - oracle).max())
    return run
