"""Forward mode, real-time recurrent learning (Williams & Zipser 1989): the sensitivity of the states beside the
computation."""

from __future__ import annotations

from ..errors import BPTTError
from ..formulas.expr import Expr, Partial, add, num, partial, product
from .chain import Chain
from .closed_pieces import Pieces
from .factored import Statement

__all__ = ["forward_mode"]


def forward_mode(form: Pieces) -> tuple[Statement, ...]:
    """Forward mode (real-time recurrent learning): ds_t/dθ beside the computation, no pass back.

    ds_t/dθ = ∂⁺s_t/∂θ + ∂s_t/∂s_{t−1} ds_{t−1}/dθ, one statement a state, and the gradient as it accumulates.
    """
    if len(form.chains) > 1 or form.initial:
        raise BPTTError(
            "forward mode is printed for parameters and one chain of states", "use .recursions, or .at(steps=…)"
        )
    v, shape = form.variables, form.variables[form.wrt].shape
    c = form.chains[0] if form.chains else Chain(form.factors, None, 1, 1, 1, [], {})
    made: list[Statement] = []

    def total(name: str) -> Partial:
        return partial(name, v[name].shape, form.wrt, shape, total=True)

    states = c.now if c.reads(form.wrt) or form.entered(c) else []
    for state in form.entered(c) if states else ():  # the sensitivity of a first state
        start = partial(state, v[state].shape, form.wrt, shape)
        made.append(Statement(state, state, total(state), (start,)))
    for state in states:
        own = c.by(state, form.wrt)
        terms: list[Expr] = [own] if own is not None else []
        for source in c.before:
            symbol = c.by(state, source)
            if symbol is not None:
                terms.append(product(symbol, total(source)))
        made.append(Statement(state, state, *c.shifted((total(state), tuple(terms)), "t")))
    losses: list[Expr] = []
    for head in form.heads:
        for state in [*c.states, *form.later(c)] if states else ():
            if form.row(head, state) is not None:
                marked = state not in c.states or len(c.states) > 1
                one = [partial(head, v[head].shape, state, v[state].shape, immediate=marked)] if state != head else []
                losses.append(product(*one, total(state)))
        direct = form.direct(head)
        losses += [direct] if direct is not None else []
    body = add(*form.at_t(tuple(losses))) if losses else num(0)
    made.append(Statement(form.wrt, form.paths.total, form.first.left_side, (form.g.over_losses(body),)))
    return tuple(form.g.shown(s, s is made[-1]) for s in made)
