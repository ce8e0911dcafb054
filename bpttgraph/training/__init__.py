"""Training by our own BPTT: a character model on any text, and any recurrence on any data."""

from __future__ import annotations

from .fit import Fit, fit
from .network import Network
from .optimizers import Optimizer, optimizer
from .trainer import Settings, Trainer, train

__all__ = ["Fit", "Network", "Optimizer", "Settings", "Trainer", "fit", "optimizer", "train"]
