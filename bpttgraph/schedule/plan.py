"""The plan for one form of the data: its values, the stages in which they are computed, and where they live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .layout import Layout
from .needs import needs
from .proof import prove
from .values import Stage, Value, stages

if TYPE_CHECKING:
    from .system import System

__all__ = ["Plan"]


class Plan:
    """Values in order of computation, with a proof that they can be computed so (`proof`; `Unsuited` if there is none).

    Attributes:
        slots: what the data consist of.
        losses: the losses of a step. gradients: by parameter and initial state. named: by the name in the equations.
        stages: what is computed together, in order. layout: where it lives.
    """

    def __init__(self, system: System, found: Mapping[str, Value], wide: bool):
        self.system, self.slots = system, needs(system)
        self.losses = [found[name] for name in system.losses]
        self.gradients = {name[1:]: value for name, value in found.items() if name[0] == "∇"}
        outputs = [*self.losses, *self.gradients.values()]
        self.stages = stages(outputs)
        self._forward = {v for s in stages(self.losses) for v in s.values}
        self.named = {v.name: v for s in self.stages for v in s.values if v.name and not v.name.startswith("∂")}
        self.layout = Layout(self.stages, outputs, wide)
        prove(self.layout)

    def needed_forward(self, stage: Stage) -> bool:
        """Whether a stage belongs to the forward pass."""
        return stage.values[-1] in self._forward
