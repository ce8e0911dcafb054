"""Which instances hide mistakes. On a generic one none of the catalogue can hide; others are refused for grading, or flagged.

`faults` lists what an instance cannot show: one step hides everything that is carried, h[0] = 0 hides the first use, a symmetric
matrix hides its transpose, tiny weights hide the derivative of the nonlinearity, a single example hides a mean over the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .truth import Truth

__all__ = ["faults"]


def faults(truth: Truth) -> list[tuple[bool, str]]:
    """What the instance of `truth` cannot show, as (serious, sentence). Serious faults refuse an instance that we chose ourselves."""
    u, data, run = truth.u, truth.data, truth.run
    found: list[tuple[bool, str]] = []
    steps = min(u.steps.values())
    if steps < 3:
        found.append(
            (True, f"T = {steps}: with fewer than 3 steps, terms that are carried over several steps do not show")
        )
    for key, rows in u.leaves.items():
        node = rows[0][1]
        value = np.asarray(data.get(key, 0.0), float)
        if node.role == "initial" and not np.any(value):
            base = key.partition("[")[0]
            if not _generator(u, base):
                found.append((True, f"{key} = 0: the use of a weight at the first step does not show"))
        elif node.role == "parameter":
            if len(node.shape) == 2 and node.shape[0] == node.shape[1] > 1 and np.array_equal(value, value.T):
                found.append((True, f"{key} is symmetric: a missing transpose does not show"))
            if len(node.shape) == 2 and np.abs(value).max(initial=0.0) < 0.03:
                found.append(
                    (
                        True,
                        f"{key} is tiny (at most {np.abs(value).max(initial=0.0):.1g}): derivatives of the nonlinearity hardly show",
                    )
                )
        elif node.role == "upstream" and len(value) > 1 and _alike(value):
            found.append((True, f"{key} is the same at every step: a shift by one step does not show"))
    found += _sizes(truth)
    saturated = _saturated(run)
    if saturated:
        found.append((False, saturated))
    return found


def _generator(u: Any, base: str) -> bool:
    """Whether the value at step 0 is an input that is fed back, not a state."""
    return base not in u.recurrence.states


def _alike(value: Any) -> bool:
    return bool(np.all(value == value[:1]))


def _sizes(truth: Truth) -> list[tuple[bool, str]]:
    """Axes of equal length can be mistaken for each other."""
    u = truth.u
    axes: dict[str, int] = {"T": max(u.steps.values())}
    axes |= {
        name: shape[0]
        for name, shape in u.shapes.items()
        if len(shape) == 1 and name in (*u.recurrence.inputs, *u.recurrence.states)
    }
    if truth.run.batch is not None:
        axes["batch"] = truth.run.batch
    if truth.run.batch == 1:
        return [(False, "a batch of one: a mean over the batch does not show")]
    seen: dict[int, str] = {}
    found = []
    for name, size in axes.items():
        if size in seen and "batch" in (name, seen[size]):
            found.append(
                (False, f"{seen[size]} and {name} are both {size}: exchanging these axes does not show in the shapes")
            )
        seen.setdefault(size, name)
    return found


def _saturated(run: Any) -> str:
    """Units that let nothing through: terms behind them may lie below rounding."""
    inside: dict[str, Any] = {"tanh": lambda y: 1 - y * y, "sigmoid": lambda y: 4 * y * (1 - y)}
    for node in run.numbers.forward_plan.nodes:
        if node.op is not None and node.op.name in inside:
            y = np.asarray(run._slots[node.serial])
            if np.median(inside[node.op.name](y)) < 1e-6:
                return (
                    f"most units of {node.name or node.owner} are saturated: terms behind them may lie below rounding"
                )
    return ""


def described(data: Mapping[str, Any]) -> str:
    """The shapes of an instance, for a line of a report."""
    return ", ".join(f"{k} {np.shape(v)}" for k, v in data.items())
