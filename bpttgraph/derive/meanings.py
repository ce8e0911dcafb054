"""What the symbols of a closed form stand for: rows of losses, block columns of uses, and the joint between two networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .chain import Chain
from .chains import junction, junction_blocks
from .expr import Blocks, Expr, Identity, Partial, Symbol, Zeros, jacobian_shape, partial
from .factored import Statement

if TYPE_CHECKING:
    from .closed import ClosedForm

__all__ = ["joint", "rows", "stacked"]


def rows(form: ClosedForm, c: Chain, head: str) -> list[tuple[Expr, Expr]]:
    """∂E_t by each state that the loss reads, all other states held fixed."""
    v, made = form.variables, []
    several = len(c.states) > 1 or len(form.losses) > 1
    for state, earlier in [*[(s, False) for s in c.states], *[(s, True) for s in form.later(c)]]:
        row = form.row(c, head, state)
        if row is not None:
            left = partial(head, v[head].shape, state, v[state].shape, immediate=earlier or several)
            made.append((form.at_t(left), form.at_t(row)))
    return made


def stacked(form: ClosedForm, c: Chain) -> list[Statement]:
    """∂⁺s_k/∂θ block by block, and the row ∂E_t/∂s_t with 0 for the states that the loss does not read."""
    v, made = form.variables, []
    if c.reads(form.wrt):
        size = {s: (jacobian_shape(v[s].shape, ()) or (1, 1))[0] for s in c.states}
        uses = tuple(((c.dependent(s, form.wrt) if s in c.now else None) or Zeros((size[s], form.columns)),) for s in c.states)
        use = Partial((c.size, form.columns), c.vector("k"), form.wrt, True)
        made.append(Statement("", "", use, (Blocks(use.shape, c.shifted(uses, "k")),)))
    if form.starts(c):
        place = form.first_states(c).index(form.wrt)
        n = v[form.wrt].shape
        first = tuple((Identity((form.columns,) * 2) if i == place else Zeros(jacobian_shape(v[s].shape, n) or (1, 1)),)
                      for i, s in enumerate(c.states))  # fmt: skip
        made.append(Statement("", "", form.first_symbol(c), (Blocks((c.size, form.columns), first),)))
    for head in form.heads[:1] if c in form.losses else ():
        row = tuple(
            partial(head, (), x, v[x].shape, immediate=True) if form.row(c, head, x) is not None
            else Zeros((1, (jacobian_shape(v[x].shape, ()) or (1, 1))[0])) for x in c.states
        )  # fmt: skip
        if any(isinstance(x, Partial) for x in row):
            left = Partial((1, c.size), form.at_t(Symbol((), head, ())).name, c.vector("t"), len(form.losses) > 1)
            made.append(Statement("", "", left, (Blocks(left.shape, (form.at_t(row),)),)))
    return made


def joint(form: ClosedForm, c: Chain) -> list[Statement]:
    """∂ of the first states of a chain by the last ones of the chain before it."""
    following = junction(form.u, c, form.chains)
    if following is None or not form.between(following):
        return []
    rows = tuple(map(tuple, junction_blocks(form.u, c, following)))
    left = Partial((c.size, following.size), c.vector("", 0), following.vector("T"))
    one = len(c.states) == len(following.states) == 1
    return [Statement("", "", left, (rows[0][0] if one else Blocks(left.shape, rows),))]
