"""Saturated units: where an activation hardly passes a gradient on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.graph import needed
from .slopes import slope_of

if TYPE_CHECKING:
    from ..unrolled import Run

__all__ = ["saturation"]

Array = np.ndarray[Any, Any]
SATURATED = 0.1  # of the largest slope


def saturation(run: Run) -> dict[str, Array]:
    """For each activation, by the variable that it makes (`tanh in h` for one inside an equation), the share of
    saturated units a step.

    A unit counts when |φ'| is below a tenth of its largest value (`slopes`): tanh beyond ±0.95, a sigmoid gate below
    0.025 or above 0.975, a ReLU that is off.
    """
    u = run.u
    variables = u.vgraph.variables
    names = {u.node(name): name for name in variables}
    values: dict[int, Any] = {}
    found: dict[str, dict[int, float]] = {}
    for node in needed([u.node(name) for name in u.order_of_names]):
        if node in names:
            values[node.serial] = run.array(names[node])
        elif node.op is None:
            values[node.serial] = node.attrs["value"]
        else:
            values[node.serial] = node.op.value(*[values[a.serial] for a in node.args], **node.attrs)
        steep = slope_of(node)
        if node.op is None or steep is None or not steep[1]:
            continue
        variable = variables.get(node.name or node.owner or "")
        if variable is None or variable.column is None:
            continue
        slope = np.abs(node.op.rule[0](values[node.serial], *[values[a.serial] for a in node.args], **node.attrs))
        key = variable.base if node.name else f"{node.op.name} in {variable.base}"
        found.setdefault(key, {})[variable.column] = float(np.mean(slope < SATURATED * steep[0]))
    return {key: np.array([shares[c] for c in sorted(shares)]) for key, shares in found.items()}
