"""The numbers of a closed form, from its printed formulas: rows of losses, blocks of step Jacobians, uses."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .evaluate import matrix_value
from .expr import Expr, Num, Partial, Symbol
from .levels import Known, shaped
from .steps import at_steps, rebased, renamed

if TYPE_CHECKING:
    from .closed import ClosedForm

__all__ = ["ClosedNumbers"]


class ClosedNumbers:
    """Evaluates a `ClosedForm` on a run; nothing of the reverse pass takes part."""

    def __init__(self, closed: ClosedForm):
        self.c = closed

    def contributions(self, u: Any, run: Any) -> Any:
        """(T, T, *shape): [t−1, k−1] is the term of loss t and use k, from the formulas above; summed over the batch."""
        v, steps = self.c.variables, u.columns
        known = Known(run, u.vgraph.variables)
        shape = v[self.c.wrt].shape
        out = np.zeros((steps, steps, *shape))
        jacobians = {s: self._jacobian_at(s, known) for s in range(1, steps + 1)}
        rule = u.truncation
        for head in u.heads:
            t = head.column
            low = 1 if rule is None or rule.carousel else max(1, rule.borders(t, steps)[0] + 1)
            out[t - 1, t - 1] += self._direct(self.c.heads[0], {*self.c.states, *self.c.before}, t, known, None)
            rows = self._row_at(self.c.heads[0], self.c.states, t, known)
            for k in range(t, low - 1, -1):
                if k == t - 1:
                    for name, value in self._row_at(self.c.heads[0], self.c.before, t, known).items():
                        later = self.c.states[self.c.before.index(name)]
                        rows[later] = rows[later] + value if later in rows else value
                for state, row in rows.items():
                    out[t - 1, k - 1] += self._direct(state, {*self.c.before}, k, known, row)
                rows = self._back(rows, jacobians[k])
        return out * u.weight

    def _back(self, rows: dict[str, Any], jacobian: dict[tuple[str, str], Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for (state, source), block in jacobian.items():
            if state in rows:
                part = rows[state] @ block
                found[source] = found[source] + part if source in found else part
        return found

    def _at_step(self, e: Any, step: int) -> Any:
        return renamed(renamed(e, rebased("t", self.c.middle)), at_steps({"t": step}))

    def _row_at(self, head: str, states: list[str], t: int, known: Any) -> dict[str, Any]:
        rows = {s: self.c.row(head, s) for s in states}
        return {s: matrix_value(self._at_step(e, t), known) for s, e in rows.items() if e is not None}

    def _jacobian_at(self, step: int, known: Any) -> dict[tuple[str, str], Any]:
        """The blocks of ∂s_j/∂s_{j−1}, each from its printed formula; keys are the states of the middle step."""
        found: dict[tuple[str, str], Any] = {}
        for i, state in enumerate(self.c.states):
            for later, source in zip(self.c.states, self.c.before):
                symbol = self.c.dependent(state, source)
                if symbol is None:
                    continue
                formula = self.c.derivative(state, source, self.c.states[:i])
                value = matrix_value(self._at_step(_symbols(formula), step), known)
                found[state, later] = value
                place = self._at_step(_symbols(symbol), step)
                known.made[place.name] = value[..., 0, 0] if not place.dims else value
        return found

    def _direct(self, target: str, stop: set[str], step: int, known: Any, row: Any) -> Any:
        """row · ∂⁺target/∂θ within one step, shaped like θ."""
        node = self.c.u.node(self.c.wrt)
        total = np.zeros(node.shape)
        for path in self.c.within(target, self.c.wrt, stop):
            front = np.ones((1, 1)) if row is None else row
            for link in path[:-1]:
                front = front @ matrix_value(self._at_step(self.c.factors.local_expr(link), step), known)
            local = self.c.factors.local(path[-1])
            if local.contacts is None:
                value = front @ matrix_value(self._at_step(local.jacobian, step), known)
                total = total + shaped(np.swapaxes(value, -1, -2), node.shape, False)
                continue
            for c in local.contacts:
                left = front @ matrix_value(self._at_step(c.left, step), known)
                right = matrix_value(self._at_step(c.right, step), known)
                made = right @ left if c.flipped else np.swapaxes(left, -1, -2) @ np.swapaxes(right, -1, -2)
                total = total + shaped(made, node.shape, False)
        return total


def _symbols(e: Any) -> Any:
    """Derivatives by their symbols as ordinary symbols, whose numbers are known."""
    if isinstance(e, tuple):
        return tuple(_symbols(x) for x in e)
    if isinstance(e, Partial):
        base = e.target.rpartition("[")[0] + "/" + e.source
        return Symbol(e.shape, f"∂{base}", e.shape)
    if not isinstance(e, Expr) or isinstance(e, Num | Symbol):
        return e
    return replace(e, **{f.name: _symbols(getattr(e, f.name)) for f in fields(e) if f.name not in ("shape", "op", "attrs")})
