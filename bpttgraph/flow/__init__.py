"""Gradient flow, truncation and clipping: what happens to gradients over time, measured on any recurrence."""

from __future__ import annotations

from .bound import Bound
from .measure import Flow, measure

__all__ = ["Bound", "Flow", "measure"]
