"""What adjoints are made of: named statements, and their summands with the edges they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..formulas.expr import Expr, Neg, Num, Ones, Partial, Tagged, Zeros, neg, split_sign, tagged
from .factored import Statement

__all__ = ["Part", "Piece", "has_partial", "tag", "untagged"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One summand of a statement: what the link from `source` to `target` contributes.

    Without a target `source` is the loss itself; without a source either, it is made of the variable's own adjoint.
    """

    source: str
    target: str
    expr: Expr
    ids: str = ""


@dataclass(slots=True)
class Part:
    """One named adjoint: `name` = sum of `pieces`; `kind` is "adjoint", "delta" or "gradient"; `of` the variable."""

    name: str
    of: str
    kind: str
    loss: str
    step: int
    left: Expr
    pieces: list[Piece] = field(default_factory=list)
    members: tuple[str, ...] = ()  # of the adjoint of a stack

    @property
    def statement(self) -> Statement:
        return Statement(self.of, self.loss, self.left, tuple(p.expr for p in self.pieces))


def tag(e: Expr, ids: str) -> Expr:
    sign, rest = split_sign(e)
    if not ids or isinstance(rest, Zeros | Num | Ones):
        return e
    seen = tagged(rest, ids)
    return seen if sign > 0 else neg(seen)


def untagged(e: Expr) -> Expr:
    """Without the tag around it, so that products can join."""
    if isinstance(e, Tagged):
        return untagged(e.arg)
    return neg(untagged(e.arg)) if isinstance(e, Neg) else e


def has_partial(e: object) -> bool:
    todo: list[object] = [e]
    while todo:
        x = todo.pop()
        if isinstance(x, Partial):
            return True
        if isinstance(x, tuple):
            todo.extend(x)
        elif isinstance(x, Expr):
            todo.extend(getattr(x, f) for f in x.__dataclass_fields__ if f not in ("shape", "op", "attrs"))
    return False
