"""The coefficient triangle: how often an answer counts each pair of steps.

A parameter's gradient is a sum over pairs (t, k): what the loss of step t says about the use at step k. Least squares
of an answer on these T(T+1)/2 contributions shows which pairs it counts: all ones is right, a diagonal alone was never
carried back, a missing column is a forgotten use. The coefficients only suggest a pattern; it counts when the gradient
recomputed from it *is* the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Fit", "describe", "fit", "patterns"]

Array = np.ndarray[Any, Any]
MOST_STEPS = 12  # beyond, the contributions of early steps are too much alike to be told apart
WORST_CONDITION = 1e7


@dataclass(frozen=True)
class Fit:
    """Fitted coefficients (T, T), nan where nothing is contributed; `residual` relative to the answer; `condition` of
    the fit.

    `error`: how far the uncertainty of the answer's digits may carry the coefficients.

    Example:
        >>> Fit(np.eye(2), residual=1e-12, condition=10.0, error=1e-9).tells
        True
    """

    coefficients: Array
    residual: float
    condition: float
    error: float

    @property
    def tells(self) -> bool:
        """Whether the answer is a weighting of the pairs, and the weights can be read."""
        return self.error < 0.1 and self.residual < 1e-3


def fit(contributions: Array, answer: Array, tolerance: Array) -> Fit | None:
    """Least squares of an answer on its contributions `(T, K, *shape)`; None if there are not more numbers than pairs.

    >>> c = np.zeros((2, 2, 4)); c[0, 0], c[1, 0], c[1, 1] = [1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1]
    >>> found = fit(c, np.array([1.0, 0.0, 1.0, 1.0]), np.full(4, 1e-9))
    >>> (np.nan_to_num(found.coefficients).round(6) + 0.0).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    t, k = contributions.shape[:2]
    largest = float(np.abs(answer).max(initial=0.0))
    if max(t, k) > MOST_STEPS or answer.size < 2 or not 0 < largest < np.inf:
        return None
    flat = contributions.reshape(t, k, -1)
    scale = np.abs(flat).max(axis=2)
    pairs = np.argwhere(scale > np.finfo(float).tiny)  # what is smaller has not its digits
    if not len(pairs) or len(pairs) >= answer.size:  # as many constants as numbers always fit
        return None
    weight = 1.0 / np.maximum(tolerance.reshape(-1), 1e-300)
    weight = weight / weight.max()
    columns = flat[pairs[:, 0], pairs[:, 1]] / scale[pairs[:, 0], pairs[:, 1], None]
    matrix = columns.T * weight[:, None]
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    condition = float(s[0] / s[-1]) if s[-1] > 0 else np.inf
    if condition > WORST_CONDITION:
        return None
    y = answer.reshape(-1) / largest * weight  # squares of large numbers would overflow
    solution = vt.T @ ((u.T @ y) / s)
    residual = float(np.linalg.norm(matrix @ solution - y) / max(float(np.linalg.norm(y)), 1e-300))
    solution *= largest
    noise = np.linalg.norm(tolerance.reshape(-1) * weight) / s[-1]
    norms = scale[pairs[:, 0], pairs[:, 1]]
    result = np.full((t, k), np.nan)
    result[pairs[:, 0], pairs[:, 1]] = solution / norms
    return Fit(result, residual, condition, float(noise / norms.min()))


def patterns(coefficients: Array) -> list[Array]:
    """Plain weightings near the fitted one: whole numbers, or one and the same simple fraction of them.

    Example:
        >>> patterns(np.array([[1.02, np.nan], [0.01, 0.98]]))[0].tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    known = ~np.isnan(coefficients)
    found: list[Array] = []
    t = coefficients.shape[0]
    for unit in (1.0, 1.0 / t, 0.5):
        plain = np.where(known, np.round(np.nan_to_num(coefficients) / unit) * unit, 0.0)
        if np.nanmax(np.abs(plain - coefficients)) < 0.1 * unit and not any(np.array_equal(plain, f) for f in found):
            found.append(plain)
    return found


def describe(weights: Array, known: Array) -> str:
    """A weighting in words, completing "… is exactly what you get if …".

    >>> one = np.tri(3)
    >>> missing = one.copy(); missing[2, 0] = 0
    >>> describe(missing, one > 0)
    'the pair (t, k) = (3, 1) is left out'
    >>> missing = one.copy(); missing[:, 1] = 0
    >>> describe(missing, one > 0)
    'the use at step 2 is left out (k = 2, whatever the loss)'
    """
    rows, columns = (
        [int(i) for i in np.flatnonzero(known.any(axis=1))],
        [int(i) for i in np.flatnonzero(known.any(axis=0))],
    )
    wrong = known & (weights != 1.0)
    parts: list[str] = []
    for k in columns:
        here = known[:, k]
        values = set(weights[here, k].tolist())
        if len(values) == 1 and values != {1.0} and wrong[here, k].all() and here.sum() > 1:
            parts.append(f"the use at step {k + 1} is {_times(values.pop())} (k = {k + 1}, whatever the loss)")
            wrong[:, k] = False
    for t in rows:
        here = known[t]
        values = set(weights[t, here].tolist())
        if len(values) == 1 and values != {1.0} and wrong[t, here].all():
            parts.append(f"the loss of step {t + 1} is {_times(values.pop())} (t = {t + 1}, whatever the use)")
            wrong[t] = False
    by_value: dict[float, list[str]] = {}
    for t, k in np.argwhere(wrong):
        by_value.setdefault(float(weights[t, k]), []).append(f"({t + 1}, {k + 1})")
    for value, pairs in by_value.items():
        some = ", ".join(pairs[:8]) + (f" and {len(pairs) - 8} more" if len(pairs) > 8 else "")
        parts.append(
            f"the pair{'s' if len(pairs) > 1 else ''} (t, k) = {some} {'are' if len(pairs) > 1 else 'is'}"
            f" {_times(value)}"
        )
    return "; ".join(parts)


def _times(value: float) -> str:
    return "left out" if value == 0 else "counted twice" if value == 2 else f"counted {value:.4g} times"
