"""Gradient flow, truncation and clipping: what happens to gradients over time, measured on any recurrence."""

from __future__ import annotations

from .bound import Bound
from .clipping import Clipped, cliff, clip
from .measure import Flow, measure
from .truncate import Choice, Truncations, compare, randomised, rtrl

__all__ = [
    "Bound",
    "Choice",
    "Clipped",
    "Flow",
    "Truncations",
    "cliff",
    "clip",
    "compare",
    "measure",
    "randomised",
    "rtrl",
]
