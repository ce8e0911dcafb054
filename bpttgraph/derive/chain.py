"""One chain of states: what a network carries from step to step in one direction, and the derivatives within one step.

s_t stacks all states that the next step reads (the LSTM's c and h); one that is read two steps later is carried along for
a step, s_t = [h_t; h_{t−1}], so that ∂s_j/∂s_{j−1} is a companion matrix. Every derivative is a sum over the paths inside a
step of products of local Jacobians, read off the middle step of an unrolling once and shifted to any other.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ..variables import Link
from .expr import (
    Blocks,
    Expr,
    Identity,
    Partial,
    Product,
    Symbol,
    Zeros,
    add,
    jacobian_shape,
    joined,
    num,
    partial,
    product,
)  # fmt: skip
from .factored import Statement
from .steps import fill, moved, rebased, renamed, step_text
from .terms import Factors, gradient_of

__all__ = ["Chain", "joined_all"]


class Chain:
    """The states of one block that run in one `direction` (1: forwards in time, −1: backwards).

    Attributes:
        now: the states of the middle step that a neighbouring step reads, in order of computation.
        states: all of s_t, with those of earlier steps that are carried along. before: the same of the step before.
    """

    def __init__(
        self, factors: Factors, block: str | None, column: int, middle: int, direction: int, now: list[str], reach: dict[str, int]
    ):
        self.factors, self.paths, self.variables = factors, factors.paths, factors.paths.variables
        self.block, self.column, self.direction = block, column, direction
        self.middle, self.now = middle, now
        carried = [moved(n, -direction * m) for n in now for m in range(1, reach[n])]
        self.states = [*now, *carried]
        self.before = [moved(n, -direction) for n in self.states]
        self.by_f = False  # d2l: the derivative by the state before is one of the function f

    # -- derivatives within a step

    def within(self, target: str, source: str, stop: set[str]) -> list[list[Link]]:
        """Paths from `source` to `target` inside one step, not through `stop`; the first factor first."""
        found: list[list[Link]] = []
        todo: list[tuple[str, list[Link]]] = [(target, [])]
        while todo:
            name, trail = todo.pop()
            for link in self.paths.read.get(name, ()):
                if link.cut == "cut":
                    continue
                if link.source == source:
                    found.append([*trail, link])
                elif link.source not in stop and self.variables[link.source].column == self.column:
                    todo.append((link.source, [*trail, link]))
        return found[::-1]

    def product_of(self, links: list[Link]) -> Expr:
        return product(*[self.factors.local_expr(x) for x in links])

    def derivative(self, target: str, source: str) -> Expr:
        """∂target/∂source within a step as a formula; earlier states of the same step by their own symbols."""
        through = self.now[: self.now.index(target)]
        stop = {*through, *self.before}
        terms = [self.product_of(path) for path in self.within(target, source, stop)]
        for state in through:
            inner = self.dependent(state, source)
            outside = [self.product_of(p) for p in self.within(target, state, stop)]
            if inner is not None and outside:
                terms.append(product(joined_all(outside), inner))
        v = self.variables
        return joined_all(terms) if terms else zeros(jacobian_shape(v[target].shape, v[source].shape))

    def dependent(self, state: str, source: str) -> Expr | None:
        """The symbol ∂state/∂source (I, if the state is carried along from there), or None if the step has no path between them."""
        v = self.variables
        if state not in self.now:
            unit = jacobian_shape(v[state].shape, v[state].shape)
            return None if state != source else Identity(unit) if unit else num(1)
        earlier = self.now[: self.now.index(state)]
        stop = {*earlier, *self.before}
        reaches = self.within(state, source, stop) or any(
            self.dependent(e, source) is not None and self.within(state, e, stop) for e in earlier
        )
        if not reaches:
            return None
        immediate = v[source].role == "parameter" or self.by_f
        return partial(state, v[state].shape, source, v[source].shape, immediate=immediate)

    def contracted(self, state: str, wrt: str) -> tuple[Expr, Expr]:
        """r · ∂⁺s/∂W for a row r: by a matrix the derivative has three indices, what it makes of a row is a matrix."""
        size = self.variables[state].shape
        symbol = self.dependent(state, wrt)
        assert symbol is not None
        r = Symbol((1, size[0]) if size else (), "r", ())
        through = self.now[: self.now.index(state)]
        stop = {*through, *self.before}
        terms: list[Expr] = []
        for path in self.within(state, wrt, stop):
            front = [(r, ""), *[(self.factors.local_expr(x), x.id) for x in path[:-1]]]
            terms.append(gradient_of(self.factors, front, path[-1]))
        for earlier in through:
            inner = self.dependent(earlier, wrt)
            outside = [self.product_of(p) for p in self.within(state, earlier, stop)]
            if inner is not None and outside:
                terms.append(Product((1, inner.shape[1]), (r, joined_all(outside), inner)))
        return Product((1, symbol.shape[1]), (r, symbol)), add(*[fill(t, {}) for t in terms])

    # -- the pieces, by step

    def shifted(self, e: Any, letter: str) -> Any:
        return renamed(e, rebased(letter, self.middle))

    @property
    def size(self) -> int:
        return sum((jacobian_shape(self.variables[n].shape, ()) or (1, 1))[0] for n in self.states)

    @property
    def scalar(self) -> bool:
        return len(self.states) == 1 and not self.variables[self.states[0]].shape

    def vector(self, letter: str, offset: int = 0) -> str:
        """The name of s at a step: of the only state, or the letter s."""
        if len(self.states) == 1:
            return rebased(letter, self.middle - offset)(self.states[0]) if letter else moved(self.states[0], offset - self.middle)
        step = step_text(letter, offset) if letter else str(offset)
        return (f"{self.block}." if self.block else "") + f"s{'' if self.direction > 0 else chr(39)}[{step}]"

    @property
    def symbol(self) -> Partial:
        """∂s_j/∂s_{j−1}."""
        shape = () if self.scalar else (self.size, self.size)
        return Partial(shape, self.vector("j"), self.vector("j", -self.direction), self.by_f)

    @property
    def jacobian(self) -> Statement:
        """∂s_j/∂s_{j−1}, block by block."""
        v = self.variables
        grid = tuple(
            tuple(self.dependent(x, y) or zeros(jacobian_shape(v[x].shape, v[y].shape)) for y in self.before) for x in self.states
        )
        rows = self.shifted(grid, "j")
        right: Expr = Blocks(self.symbol.shape, rows) if len(self.states) > 1 else rows[0][0]
        return Statement("", "", self.symbol, (right,))

    @cached_property
    def steps_where(self) -> list[tuple[Expr, Expr]]:
        """What the blocks of ∂s_j/∂s_{j−1} stand for."""
        made = []
        for state in self.now:
            for source in dict.fromkeys(self.before):
                symbol = self.dependent(state, source)
                if symbol is not None:
                    made.append((self.shifted(symbol, "j"), self.shifted(self.derivative(state, source), "j")))
        return made

    def uses_where(self, wrt: str) -> list[tuple[Expr, Expr]]:
        """What the blocks of ∂⁺s_k/∂θ stand for."""
        made = []
        for state in self.now:
            symbol = self.dependent(state, wrt)
            if symbol is None:
                continue
            by_matrix = len(self.variables[wrt].shape) == 2
            pair = self.contracted(state, wrt) if by_matrix else (symbol, self.derivative(state, wrt))
            made.append((self.shifted(pair[0], "k"), self.shifted(pair[1], "k")))
        return made

    def reads(self, wrt: str) -> bool:
        """Whether a step of this chain uses `wrt`."""
        return any(self.dependent(s, wrt) is not None for s in self.now)


def zeros(shape: tuple[int, ...]) -> Expr:
    return Zeros(shape) if shape else num(0)


def joined_all(terms: list[Expr]) -> Expr:
    result = terms[0]
    for t in terms[1:]:
        result = joined(result, t)
    return result
