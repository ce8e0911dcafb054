"""The numbers of a closed form, from its printed formulas: rows of losses, blocks of step Jacobians, uses."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .chain import Chain
from .chains import junction, junction_blocks
from .evaluate import matrix_value
from .expr import Expr, Num, Partial, Symbol, Zeros
from .levels import Known, shaped
from .steps import at_steps, moved, rebased, renamed

if TYPE_CHECKING:
    from .closed import ClosedForm

__all__ = ["ClosedNumbers"]


class ClosedNumbers:
    """Evaluates a `ClosedForm` on a run; nothing of the reverse pass takes part."""

    def __init__(self, closed: ClosedForm):
        self.c = closed

    def contributions(self, u: Any, run: Any) -> Any:
        """(T, T, *shape): [t−1, k−1] is the term of loss t and use k, from the formulas alone; summed over the batch.

        By an initial state everything stands at the step that is nearest to it.
        """
        c, known = self.c, Known(run, u.vgraph.variables)
        shape = c.variables[c.wrt].shape
        block = u._loss_block
        uses = max([u.steps[x.block] for x in c.own] or [u.steps[block]])
        out = np.zeros((u.steps[block], uses, *shape))
        jacobians: dict[tuple[int, int], Any] = {}
        for chain in c.chains:
            for s in range(1, u.steps[chain.block] + 1):
                jacobians[id(chain), s] = self._jacobian_at(chain, s, known)
        head = c.heads[0]
        loss = Chain(c.factors, block, c._column, c.u.steps[block] // 2 + 1, 1, [], {})
        held = {n for x in c.losses for n in (*x.states, *x.before)}
        for h in u.heads:
            t = h.step
            one = np.ones((run.batch or 1, 1, 1))  # each example counts, whether or not the formulas read its data
            if not c.initial and c.direct(head):
                out[t - 1, t - 1] += self._direct(loss, head, held, t, known, one)
            for chain in c.losses:
                rows = self._row_at(chain, head, chain.states, t, known, one)
                early = self._row_at(chain, head, c.later(chain), t, known, one)
                self._back(chain, t, rows, early, out[t - 1], u, known, jacobians, t)
        return out * u.weight

    def _back(
        self, chain: Chain, start: int, rows: dict[str, Any], early: dict[str, Any], out: Any, u: Any, known: Any, jacobians: Any, t: int
    ) -> None:
        """Rows ∂E_t/∂s_start sent back to the first step of a chain, and on into the chain before it."""
        c, last = self.c, u.steps[chain.block]
        rule = u.truncation
        low = 1 if rule is None or rule.carousel else max(1, rule.borders(t, u.columns)[0] + 1)
        end = low - 1 if chain.direction > 0 else last + 1
        for k in range(start, end, -chain.direction):
            if k == start - chain.direction:
                rows = self._with_early(chain, rows, early)
            if not c.initial and chain in c.own:
                for state, row in rows.items():
                    if state in chain.now:
                        out[k - 1] += self._direct(chain, state, set(chain.before), k, known, row)
            rows = self._one_back(rows, jacobians[id(chain), k])
        if start == (1 if chain.direction > 0 else last):
            rows = self._with_early(chain, rows, early)
        if low > 1:
            return
        for state, first in zip(chain.states, _first_at(chain, last)):
            if c.starts(chain) and first == _at(c.wrt, chain, c.u.steps[chain.block], last) and state in rows:
                out[0 if chain.direction > 0 else -1] += shaped(np.swapaxes(rows[state], -1, -2), c.variables[c.wrt].shape, False)
        following = junction(c.u, chain, c.chains)
        if following is not None:
            found: dict[str, Any] = {}
            for state, blocks in zip(chain.states, junction_blocks(c.u, chain, following, u.steps[following.block])):
                for source, block in zip(following.states, blocks):
                    if state in rows and not isinstance(block, Zeros):
                        part = rows[state] @ matrix_value(block, known)
                        found[source] = found[source] + part if source in found else part
            self._back(following, u.steps[following.block], found, {}, out, u, known, jacobians, t)

    @staticmethod
    def _with_early(chain: Chain, rows: dict[str, Any], early: dict[str, Any]) -> dict[str, Any]:
        """What a loss reads of the step before joins the row there."""
        rows = dict(rows)
        for name, value in early.items():
            later = chain.states[chain.before.index(name)]
            rows[later] = rows[later] + value if later in rows else value
        return rows

    @staticmethod
    def _one_back(rows: dict[str, Any], jacobian: dict[tuple[str, str], Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for (state, source), block in jacobian.items():
            if state in rows:
                part = rows[state] @ block
                found[source] = found[source] + part if source in found else part
        return found

    @staticmethod
    def _at_step(chain: Chain, e: Any, step: int) -> Any:
        return renamed(renamed(e, rebased("t", chain.middle)), at_steps({"t": step}))

    def _row_at(self, chain: Chain, head: str, states: list[str], t: int, known: Any, one: Any) -> dict[str, Any]:
        rows = {s: self.c.row(chain, head, s) for s in states}
        return {s: one * matrix_value(self._at_step(chain, e, t), known) for s, e in rows.items() if e is not None}

    def _jacobian_at(self, chain: Chain, step: int, known: Any) -> dict[tuple[str, str], Any]:
        """The blocks of ∂s_j/∂s_{j−1}, each from its printed formula; keys are the states of the middle step."""
        found: dict[tuple[str, str], Any] = {}
        for state in chain.states:
            for later, source in zip(chain.states, chain.before):
                symbol = chain.dependent(state, source)
                if symbol is None:
                    continue
                formula = chain.derivative(state, source) if state in chain.now else symbol
                value = matrix_value(self._at_step(chain, _symbols(formula), step), known)
                found[state, later] = value
                if isinstance(symbol, Partial):
                    place = self._at_step(chain, _symbols(symbol), step)
                    known.made[place.name] = value[..., 0, 0] if not place.dims else value
        return found

    def _direct(self, chain: Chain, target: str, stop: set[str], step: int, known: Any, row: Any) -> Any:
        """row · ∂⁺target/∂θ within one step, through earlier states of the step as well, shaped like θ."""
        node = self.c.u.node(self.c.wrt)
        total = np.zeros(node.shape)
        for path in chain.within(target, self.c.wrt, stop):
            front = row
            for link in path[:-1]:
                front = front @ matrix_value(self._at_step(chain, self.c.factors.local_expr(link), step), known)
            local = self.c.factors.local(path[-1])
            if local.contacts is None:
                value = front @ matrix_value(self._at_step(chain, local.jacobian, step), known)
                total = total + shaped(np.swapaxes(value, -1, -2), node.shape, False)
                continue
            for c in local.contacts:
                left = front @ matrix_value(self._at_step(chain, c.left, step), known)
                right = matrix_value(self._at_step(chain, c.right, step), known)
                made = right @ left if c.flipped else np.swapaxes(left, -1, -2) @ np.swapaxes(right, -1, -2)
                total = total + shaped(made, node.shape, False)
        return total


def _first_at(chain: Chain, last: int) -> list[str]:
    return [moved(n, (0 if chain.direction > 0 else last + 1) - chain.middle) for n in chain.states]


def _at(name: str, chain: Chain, reference: int, last: int) -> str:
    """The name of an initial state of the reference unrolling in one of another length."""
    return name if chain.direction > 0 else moved(name, last - reference)


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
