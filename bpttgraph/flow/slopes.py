"""How steep an activation is at most, and whether it has flat places where a unit hardly passes a gradient on.

The bound of Pascanu et al. and the count of saturated units start from this.
"""

from __future__ import annotations

from ..core.graph import Node

__all__ = ["slope_of"]


def slope_of(node: Node) -> tuple[float, bool] | None:
    """The largest slope of the activation that a node is, and whether |φ'| comes below a tenth of that; None if it is
    none, or has no bound."""
    readings = node.op.readings if node.op is not None else {}
    largest = readings.get("slope")
    if largest is None:
        return None
    return float(largest(**node.attrs) if callable(largest) else largest), bool(readings.get("flat"))
