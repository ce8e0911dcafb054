"""The bound of Pascanu, Mikolov and Bengio (2013), section 2.1: ‖∂h_t/∂h_k‖ ≤ (γ·σ_max(W))^(t−k) for h_t = φ(W h_{t−1}
+ …), |φ'| ≤ γ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.graph import Node
from .slopes import slope_of

if TYPE_CHECKING:
    from .columns import Columns

__all__ = ["Bound", "bound_of"]


@dataclass(frozen=True)
class Bound:
    """The bound of Pascanu, Mikolov and Bengio (2013) on how fast gradients may grow.

    Attributes:
        factor: bounds the growth of the norm a step; None where the theorem does not apply.
        why: where the factor comes from, or why there is none.

    Example:
        >>> import bpttgraph as bg
        >>> bound = bg.cell("rnn").unroll(5).flow().bound
        >>> round(bound.factor, 2), bound.why
        (1.39, 'γ = 1 (tanh), σ_max(W_hh) = 1.39')
    """

    factor: float | None
    why: str

    def sentence(self) -> str:
        """The bound in one sentence, and what follows from it."""
        if self.factor is None:
            return f"no bound of the form (γ·σ_max)^(t−k): {self.why}"
        text = f"bound: ‖∂h_t/∂h_k‖ ≤ {self.factor:.3g}^(t−k), {self.why}"
        return text + ("; gradients must vanish" if self.factor < 1 else "; they may explode, but need not")


def bound_of(columns: Columns) -> Bound:
    """The bound for the recurrence, read off its equation: one state, one activation, one product with the state
    before."""
    if len(columns.bases) != 1:
        return Bound(None, f"there are {len(columns.bases)} states ({', '.join(columns.bases)})")
    base, u = columns.bases[0], columns.u
    here, before = columns.interface(columns.order[-1]), columns.interface(columns.order[-2])
    if len(before) != 1:
        return Bound(None, "more than one step back is read")
    node, past = u.node(here[0]), u.node(before[0])
    node, gamma, activations = _activations(node)
    op = node.op
    if op is not None and op.kind == "elementwise" and len(node.args) == 1 and "slope" not in op.readings:
        return Bound(None, f"no bound of the slope of {op.name} is known (bg.primitive(…, slope=…) states it)")
    name = " of ".join(activations) or "no activation"
    found: list[tuple[float, Node]] = []
    pending = [(1.0, node)]
    while pending:  # the summands that depend on the state before, and the numbers that multiply them
        factor, term = pending.pop()
        if term.op is not None and term.op.name in ("add", "sub", "neg", "identity"):
            pending += [(factor, a) for a in term.args]
        elif (scaled := _scaled(term)) is not None:
            pending.append((factor * scaled[0], scaled[1]))
        elif _reaches(term, past):
            found.append((factor, term))
    if len(found) == 1:
        factor, product = found[0]
        kind, parts = product.op.name if product.op is not None else "", list(product.args)
        if past in parts and kind in ("matvec", "vecmat", "mul"):
            parts.remove(past)
            W = parts[0]
            while W.op is not None and W.op.name == "transpose":  # has the same singular values
                (W,) = W.args
            if W.role == "parameter":
                value = np.atleast_2d(columns.run.array(W.name or ""))
                sigma = float(np.linalg.norm(value, 2)) if kind != "mul" else float(np.max(np.abs(value)))
                times = "" if factor == 1 else f", times {factor:g}"
                return Bound(gamma * factor * sigma, f"γ = {gamma:.5g} ({name}), σ_max({W.name}) = {sigma:.3g}{times}")
    return Bound(None, f"{base} is not of the form φ(W {base}[t-1] + …)")


def _activations(node: Node) -> tuple[Node, float, list[str]]:
    """What stands inside the functions of one number around it, the product of their largest slopes, and their
    names."""
    gamma, names = 1.0, []
    while True:
        op, steep, scaled = node.op, slope_of(node), _scaled(node)
        if op is not None and steep is not None:
            gamma, node = gamma * steep[0], node.args[0]
            names.append(op.name)
        elif scaled is not None and names == []:
            gamma, node = gamma * scaled[0], scaled[1]
        elif op is not None and op.name in ("maximum", "minimum") and any(a.is_constant for a in node.args):
            names.append(op.name.removesuffix("imum"))
            node = next(a for a in node.args if not a.is_constant)
        else:
            return node, gamma, names


def _scaled(node: Node) -> tuple[float, Node] | None:
    """A number times something: the size of the number, and the rest."""
    if node.op is None or node.op.name not in ("mul", "div"):
        return None
    left, right = node.args
    if right.is_constant and not right.shape:
        size = abs(float(right.attrs["value"]))
        return (size if node.op.name == "mul" else 1 / size if size else np.inf), left
    if left.is_constant and not left.shape and node.op.name == "mul":
        return abs(float(left.attrs["value"])), right
    return None


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
