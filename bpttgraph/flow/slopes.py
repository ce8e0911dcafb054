"""How steep each activation is at most, and whether it has flat places where a unit hardly passes a gradient on.

One table for the bound of Pascanu et al. and for the count of saturated units. Every function of one number is in it;
None says that its slope has no bound, or no meaning (steps and roundings). The test measures each bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.graph import Node

__all__ = ["SLOPES", "Slope", "slope_of"]


@dataclass(frozen=True)
class Slope:
    """`largest` is the largest |φ'|, or a function of the settings that gives it; `flat`: |φ'| comes below a tenth of
    that."""

    largest: float | Callable[..., float]
    flat: bool = False


def _at_least_one(slope: float) -> float:
    return max(1.0, abs(slope))


SLOPES: dict[str, Slope | None] = {
    "tanh": Slope(1.0, flat=True),
    "sigmoid": Slope(0.25, flat=True),
    "relu": Slope(1.0, flat=True),
    "leaky_relu": Slope(lambda slope=0.01: _at_least_one(slope), flat=True),
    "elu": Slope(lambda alpha=1.0: _at_least_one(alpha), flat=True),
    "softplus": Slope(1.0, flat=True),
    "silu": Slope(1.0998393201288670, flat=True),  # at 2.3994
    "gelu": Slope(1.128904145185155, flat=True),  # at √2: Φ + xφ
    "gelu_tanh": Slope(1.1289930686587717, flat=True),
    "erf": Slope(1.1283791670955126, flat=True),
    "normal_cdf": Slope(0.3989422804014327, flat=True),
    "clip": Slope(1.0, flat=True),
    "arctan": Slope(1.0, flat=True),
    "arcsinh": Slope(1.0, flat=True),
    "identity": Slope(1.0),
    "abs": Slope(1.0),
    "sin": Slope(1.0),
    "cos": Slope(1.0),
    "sinc": Slope(1.3703055927694590),  # of sin(πx)/(πx), at 0.6626
    "nan_to_num": Slope(1.0),
    **dict.fromkeys(
        ("square", "power", "exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sqrt", "reciprocal", "tan"), None
    ),
    **dict.fromkeys(("sinh", "cosh", "arcsin", "arccos", "arccosh", "arctanh"), None),
    **dict.fromkeys(
        ("step", "sign", "top_mask", "floor", "ceil", "rint", "trunc", "finite", "stop_gradient", "as_number"), None
    ),
}


def slope_of(node: Node) -> tuple[float, bool] | None:
    """The largest slope of the activation that a node is, and whether it has flat places; None if it is none, or has no
    bound."""
    if node.op is None:
        return None
    if node.op.name not in SLOPES and "slope" in node.op.readings:
        return float(node.op.readings["slope"]), False
    entry = SLOPES.get(node.op.name)
    if entry is None:
        return None
    largest: Any = entry.largest
    return (largest(**node.attrs) if callable(largest) else largest), entry.flat
