"""What the symbols of a closed form stand for: step Jacobians, rows of losses, columns of uses, first states, joints of
networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..formulas.expr import Blocks, Expr, Partial, Symbol, Zeros, partial
from ..formulas.steps import rebased, renamed
from .chain import Chain, size_of, unit
from .chains import junction
from .closed_pieces import Pieces
from .factored import Statement

__all__ = ["meanings"]


def meanings(form: Pieces) -> list[Statement]:
    """Statements for all symbols of a closed form, blocks first."""
    made: list[Statement] = []
    between = [c for c in form.chains if form.between(c)]
    for c in between:
        if len(c.states) > 1:
            made += [c.jacobian, *_stacked(form, c)]
    for c in between:
        made += _where([*c.steps_where, *c.uses_where(form.wrt), *_first(form, c)])
        for head in form.heads if c in form.losses else ():
            made += _where(_rows(form, c, head))
        made += _joint(form, c)
    for head in form.heads:
        symbol = form.direct(head)
        if symbol is not None:
            pair = form.step.meaning(symbol, head, form.wrt, form.held)
            made += _where([(form.at_t(pair[0]), form.at_t(pair[1]))])
    return made


def _where(pairs: Iterable[tuple[Expr, Expr]]) -> list[Statement]:
    return [Statement("", "", left, (right,)) for left, right in pairs if left != right]


def _rows(form: Pieces, c: Chain, head: str) -> list[tuple[Expr, Expr]]:
    """∂E_t by each state that the loss reads, all other states held fixed."""
    v, made = form.variables, []
    several = len(c.states) > 1 or len(form.losses) > 1
    for state, earlier in [*[(s, False) for s in c.states], *[(s, True) for s in form.later(c)]]:
        row = form.row(head, state)
        if row is not None and state != head:
            left = partial(head, v[head].shape, state, v[state].shape, immediate=earlier or several)
            made.append((form.at_t(left), form.at_t(row)))
    return made


def _stacked(form: Pieces, c: Chain) -> list[Statement]:
    """∂⁺s_k/∂θ and ∂s_0/∂θ block by block, and the row ∂E_t/∂s_t with 0 for the states that the loss does not read."""
    v, made = form.variables, []

    def column(left: Partial, blocks: dict[str, Expr], states: list[str]) -> Statement:
        grid = tuple((blocks.get(s) or Zeros((size_of(v[s].shape), form.columns)),) for s in states)
        return Statement("", "", left, (Blocks(left.shape, grid),))

    if c.reads(form.wrt):
        uses = {s: c.shifted(x, c.k) for s in c.now if (x := c.by(s, form.wrt)) is not None}
        made.append(column(form.use(c), uses, c.states))
    if entered := form.entered(c):
        made.append(column(form.first_symbol(c), {s: _by(form, s) for s in entered}, form.first_states(c)))
    for head in form.heads if c in form.losses else ():
        for states, offset, fixed in ((c.states, 0, len(form.losses) > 1), (c.before, -c.direction, True)):
            asked = c.states if not offset else form.later(c)
            row = tuple(
                Zeros((1, size_of(v[x].shape))) if x not in asked or form.row(head, x) is None
                else unit(()) if x == head else partial(head, (), x, v[x].shape, immediate=True)
                for x in states
            )  # fmt: skip
            if not all(isinstance(x, Zeros) for x in row):
                left = Partial((1, c.size), form.at_t(Symbol((), head, ())).name, c.vector("t", offset), fixed)
                made.append(Statement("", "", left, (Blocks(left.shape, (form.at_t(row),)),)))
    return made


def _by(form: Pieces, state: str) -> Expr:
    """∂(a first state)/∂θ: I, if it is θ."""
    v = form.variables
    return unit(v[state].shape) if state == form.wrt else partial(state, v[state].shape, form.wrt, v[form.wrt].shape)


def _first(form: Pieces, c: Chain) -> list[tuple[Expr, Expr]]:
    """What the first states make of θ."""
    start, ends = form.entry(c)
    pairs = []
    for state in form.entered(c):
        symbol = _by(form, state)
        if isinstance(symbol, Partial):
            pairs.append(start.meaning(symbol, state, form.wrt, ends))
    following = junction(form.u, c, form.chains)
    if following is not None:  # what is read of another network stands at its last step
        return [_at_last(form, following, p) for p in pairs]
    return pairs if c.direction > 0 else [renamed(p, rebased("T", form.u.steps[c.block])) for p in pairs]


def _joint(form: Pieces, c: Chain) -> list[Statement]:
    """∂ of the first states of a chain by the last ones of the chain before it."""
    following = junction(form.u, c, form.chains)
    if following is None or not form.between(following):
        return []
    rows = tuple(map(tuple, _junction_blocks(form, c, following)))
    left = Partial((c.size, following.size), c.vector("", 0), following.vector("T"))
    one = len(c.states) == len(following.states) == 1
    return [Statement("", "", left, (rows[0][0] if one else Blocks(left.shape, rows),))]


def _junction_blocks(form: Pieces, c: Chain, following: Chain) -> list[list[Expr]]:
    """∂s_0/∂s_T, block by block: the first states of `c` by the last ones of the chain before it."""
    start, ends = form.entry(c)
    return [
        [_at_last(form, following, start.derivative(first, end, ends)) for end in ends]
        for first in form.first_states(c)
    ]


def _at_last(form: Pieces, following: Chain, e: Any) -> Any:
    """A formula with T for the last step of the block of a chain."""
    v, last = form.variables, form.u.steps[following.block]
    return renamed(e, lambda name: rebased("T", last)(name) if name in v and v[name].block == following.block else name)
