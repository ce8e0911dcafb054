"""The bound of Pascanu, Mikolov and Bengio (2013), section 2.1: ‖∂h_t/∂h_k‖ ≤ (γ·σ_max(W))^(t−k) for h_t = φ(W h_{t−1} + …), |φ'| ≤ γ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..graph import Node

if TYPE_CHECKING:
    from .columns import Columns

__all__ = ["GAMMA", "Bound", "bound_of"]

GAMMA = {
    "tanh": 1.0,
    "sigmoid": 0.25,
    "relu": 1.0,
    "identity": 1.0,
    "leaky_relu": 1.0,
    "softplus": 1.0,
    "sin": 1.0,
    "cos": 1.0,
}


@dataclass(frozen=True)
class Bound:
    """`factor` bounds the growth of the norm a step; None where the theorem does not apply, for the reason `why`."""

    factor: float | None
    why: str

    def sentence(self) -> str:
        if self.factor is None:
            return f"no bound of the form (γ·σ_max)^(t−k): {self.why}"
        text = f"bound: ‖∂h_t/∂h_k‖ ≤ {self.factor:.3g}^(t−k), {self.why}"
        return text + ("; gradients must vanish" if self.factor < 1 else "; they may explode, but need not")


def bound_of(columns: Columns) -> Bound:
    """The bound for the recurrence, read off its equation: one state, one activation, one product with the state before."""
    if len(columns.bases) != 1:
        return Bound(None, f"there are {len(columns.bases)} states ({', '.join(columns.bases)})")
    base, u = columns.bases[0], columns.u
    here, before = columns.interface(columns.order[-1]), columns.interface(columns.order[-2])
    if len(before) != 1:
        return Bound(None, "more than one step back is read")
    node, past = u.node(here[0]), u.node(before[0])
    gamma, name = 1.0, "no activation"
    if node.op is not None and node.op.name in GAMMA:
        gamma, name, node = GAMMA[node.op.name], node.op.name, node.args[0]
    found: list[Node] = []
    pending = [node]
    while pending:  # the summands that depend on the state before
        term = pending.pop()
        if term.op is not None and term.op.name in ("add", "sub", "neg", "identity"):
            pending += term.args
        elif _reaches(term, past):
            found.append(term)
    if len(found) == 1 and found[0].op is not None and found[0].op.name in ("matvec", "mul"):
        parts = list(found[0].args)
        if past in parts:
            parts.remove(past)
            if len(parts) == 1 and parts[0].role == "parameter":
                W = np.atleast_2d(columns.run.array(parts[0].name or ""))
                sigma = float(np.linalg.norm(W, 2)) if found[0].op.name == "matvec" else float(np.max(np.abs(W)))
                return Bound(gamma * sigma, f"γ = {gamma:g} ({name}), σ_max({parts[0].name}) = {sigma:.3g}")
    return Bound(None, f"{base} is not of the form φ(W {base}[t-1] + …)")


def _reaches(node: Node, past: Node) -> bool:
    seen: set[int] = set()
    stack = [node]
    while stack:
        other = stack.pop()
        if other is past:
            return True
        if other.serial > past.serial and other.serial not in seen:
            seen.add(other.serial)
            stack += other.args
    return False
