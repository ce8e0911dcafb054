"""One chain of states: what a network carries from step to step in one direction, and the derivatives within one step.

s_t stacks all states that the next step reads (the LSTM's c and h); one that is read two steps later is carried along
for a step, s_t = [h_t; h_{t−1}], so that ∂s_j/∂s_{j−1} is a companion matrix. Every derivative is a sum over the paths
inside a step of products of local Jacobians, read off the middle step of an unrolling once and shifted to any other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from ..core.variables import Link, Variable
from ..formulas.expr import (
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
    transpose,
)
from ..formulas.steps import fill, moved, parts_of_name, rebased, renamed, step_text
from .factored import Statement
from .pulled import pulled
from .terms import Factors, gradient_of, tagged_product

__all__ = ["Chain", "Within", "joined_all", "size_of"]


class Within:
    """Derivatives inside a part of the graph, along links whose sources are `inside`; values without a step always
    are."""

    def __init__(self, factors: Factors, inside: Callable[[Variable], bool]):
        self.factors, self.paths, self.variables = factors, factors.paths, factors.paths.variables
        self.inside = inside
        taken = {n for n, v in self.variables.items() if v.step is None}
        self.row = next(x for x in ("r", "q", "v", "u", "z", "row") if x not in taken)
        self.j, self.k = self.letters(taken.union(*map(parts_of_name, self.variables)))

    @staticmethod
    def letters(taken: Container[str]) -> tuple[str, str]:
        """Of the steps on the way back and of the step of the use: j and k, unless a name has such a part."""
        free = [x for x in "jkilmnpqabcdefgo" if x not in taken]
        j = free[0]
        return j, next(x for x in ("k", *free) if x not in taken and x != j)

    def within(self, target: str, source: str, stop: Collection[str]) -> list[list[Link]]:
        """Paths from `source` to `target`, not through `stop`; the first factor first. The empty one, if they are the
        same."""
        if target == source:
            return [[]]
        found: list[list[Link]] = []
        todo: list[tuple[str, list[Link]]] = [(target, [])]
        while todo:
            name, trail = todo.pop()
            for link in self.paths.read.get(name, ()):
                v = self.variables[link.source]
                if link.cut == "cut":
                    continue
                if link.source == source:
                    found.append([*trail, link])
                elif link.source not in stop and (self.inside(v) or (v.column is None and v.role == "value")):
                    todo.append((link.source, [*trail, link]))
        return found[::-1]

    def product_of(self, links: Sequence[Link]) -> Expr:
        return product(*[self.factors.local_expr(x) for x in links])

    def derivative(self, target: str, source: str, stop: Collection[str], through: Sequence[str] = ()) -> Expr:
        """∂target/∂source as a formula; the states in `through` by their own symbols."""
        v = self.variables
        stop = {*through, *stop}
        paths = self.within(target, source, stop)
        terms = [self.product_of(path) if path else unit(v[target].shape) for path in paths]
        for i, state in enumerate(through):
            inner = self.dependent(state, source, stop, through[:i])
            outside = [self.product_of(p) for p in self.within(target, state, stop)]
            if inner is not None and outside:
                terms.append(product(joined_all(outside), inner))
        return joined_all(terms) if terms else zeros(jacobian_shape(v[target].shape, v[source].shape))

    def dependent(self, target: str, source: str, stop: Collection[str], through: Sequence[str] = ()) -> Partial | None:
        """The symbol ∂target/∂source, or None if there is no path between them."""
        stop = {*through, *stop}
        reaches = self.within(target, source, stop) or any(
            self.dependent(x, source, stop, through[:i]) is not None and self.within(target, x, stop)
            for i, x in enumerate(through)
        )
        return self.symbol_of(target, source) if reaches else None

    def symbol_of(self, target: str, source: str) -> Partial:
        """∂⁺target/∂source, all else held fixed."""
        return partial(target, self.variables[target].shape, source, self.variables[source].shape, immediate=True)

    def contracted(
        self, symbol: Partial, target: str, wrt: str, stop: Collection[str], through: Sequence[str] = ()
    ) -> tuple[Expr, Expr]:
        """r · ∂⁺target/∂W for a row r: by a matrix the derivative has three indices, what it makes of a row is a
        matrix."""
        size = self.variables[target].shape
        r = Symbol((1, size_of(size)) if size else (), self.row, ())
        stop = {*through, *stop}
        terms: list[Expr] = []
        for path in self.within(target, wrt, stop):
            front, last = [(r, ""), *[(self.factors.local_expr(x), x.id) for x in path[:-1]]], path[-1]
            local, node = self.factors.local(last), self.paths.unrolled.node
            # where no matrix describes the derivative, what the reverse pass makes of the row
            row = tagged_product(front)
            part = (
                None
                if local.closed
                else pulled(node(last.target), node(last.source), transpose(row) if row.shape else row)
            )
            terms.append(gradient_of(self.factors, front, last) if part is None else part)
        for i, earlier in enumerate(through):
            inner = self.dependent(earlier, wrt, stop, through[:i])
            outside = [self.product_of(p) for p in self.within(target, earlier, stop)]
            if inner is not None and outside:
                terms.append(Product((r.shape or (1,))[:1] + inner.shape[1:], (r, joined_all(outside), inner)))
        return Product((1, symbol.shape[1]), (r, symbol)), add(*[fill(t, {}) for t in terms])

    def meaning(
        self, symbol: Partial, target: str, wrt: str, stop: Collection[str], through: Sequence[str] = ()
    ) -> tuple[Expr, Expr]:
        """What a symbol ∂⁺target/∂θ stands for; by a matrix, what r · ∂⁺target/∂θ does."""
        if len(self.variables[wrt].shape) == 2:
            return self.contracted(symbol, target, wrt, stop, through)
        return symbol, self.derivative(target, wrt, stop, through)


class Chain(Within):
    """The states of one block that run in one `direction` (1: forwards in time, −1: backwards).

    Attributes:
        now: the states of the middle step that a neighbouring step reads, in order of computation.
        states: all of s_t, with those of earlier steps that are carried along. before: the same of the step before.
    """

    def __init__(
        self,
        factors: Factors,
        block: str | None,
        column: int,
        middle: int,
        direction: int,
        now: list[str],
        reach: dict[str, int],
    ):
        super().__init__(factors, lambda v: v.column == column)
        self.block, self.column, self.direction = block, column, direction
        self.middle, self.now = middle, now
        carried = [moved(n, -direction * m) for n in now for m in range(1, reach[n])]
        self.states = [*now, *carried]
        self.before = [moved(n, -direction) for n in self.states]
        self.by_f = False  # d2l: the derivative by the state before is one of the function f
        bases = {v.base for v in self.variables.values()}
        prefix = f"{block}." if block else ""
        self.letter = next(prefix + x for x in ("s", "S", "state", "all_states") if prefix + x not in bases)

    # -- derivatives within a step

    def through(self, state: str) -> list[str]:
        """The states of the same step that are computed before one."""
        return self.now[: self.now.index(state)]

    def by(self, state: str, source: str) -> Expr | None:
        """The symbol ∂state/∂source (I, if the state is carried along from there), or None if the step has no path
        between them."""
        if state not in self.now:
            return None if state != source else unit(self.variables[state].shape)
        return self.dependent(state, source, self.before, self.through(state))

    def symbol_of(self, target: str, source: str) -> Partial:
        """∂⁺ by a parameter only: what a step makes of the state before is all that it makes of it."""
        found = super().symbol_of(target, source)
        return found if self.by_f or self.variables[source].role == "parameter" else replace(found, immediate=False)

    # -- the pieces, by step

    def shifted(self, e: Any, letter: str) -> Any:
        return renamed(e, rebased(letter, self.middle))

    @property
    def size(self) -> int:
        return sum(size_of(self.variables[n].shape) for n in self.states)

    @property
    def scalar(self) -> bool:
        return len(self.states) == 1 and not self.variables[self.states[0]].shape

    def vector(self, letter: str, offset: int = 0) -> str:
        """The name of s at a step: of the only state, or the letter s."""
        if len(self.states) == 1:
            return (
                rebased(letter, self.middle - offset)(self.states[0])
                if letter
                else moved(self.states[0], offset - self.middle)
            )
        step = step_text(letter, offset) if letter else str(offset)
        return f"{self.letter}{'' if self.direction > 0 else chr(39)}[{step}]"

    @property
    def symbol(self) -> Partial:
        """∂s_j/∂s_{j−1}."""
        shape = () if self.scalar else (self.size, self.size)
        return Partial(shape, self.vector(self.j), self.vector(self.j, -self.direction), self.by_f)

    @property
    def jacobian(self) -> Statement:
        """∂s_j/∂s_{j−1}, block by block."""
        v = self.variables
        grid = tuple(
            tuple(self.by(x, y) or zeros(jacobian_shape(v[x].shape, v[y].shape)) for y in self.before)
            for x in self.states
        )
        rows = self.shifted(grid, self.j)
        right: Expr = Blocks(self.symbol.shape, rows) if len(self.states) > 1 else rows[0][0]
        return Statement("", "", self.symbol, (right,))

    @cached_property
    def steps_where(self) -> list[tuple[Expr, Expr]]:
        """What the blocks of ∂s_j/∂s_{j−1} stand for."""
        made: list[tuple[Expr, Expr]] = []
        if len(self.states) == 1 and self.by(self.states[0], self.before[0]) is None:
            made.append((self.symbol, zeros(self.symbol.shape)))
        for state in self.now:
            for source in dict.fromkeys(self.before):
                symbol = self.by(state, source)
                if symbol is not None:
                    right = self.derivative(state, source, self.before, self.through(state))
                    made.append((self.shifted(symbol, self.j), self.shifted(right, self.j)))
        return made

    def uses_where(self, wrt: str) -> list[tuple[Expr, Expr]]:
        """What the blocks of ∂⁺s_k/∂θ stand for."""
        made = []
        for state in self.now:
            symbol = self.by(state, wrt)
            if isinstance(symbol, Partial):
                pair = self.meaning(symbol, state, wrt, self.before, self.through(state))
                made.append((self.shifted(pair[0], self.k), self.shifted(pair[1], self.k)))
        return made

    def reads(self, wrt: str) -> bool:
        """Whether a step of this chain uses `wrt`."""
        return any(self.by(s, wrt) is not None for s in self.now)


def size_of(shape: tuple[int, ...]) -> int:
    """How many entries a variable has."""
    return (jacobian_shape(shape, ()) or (1, 1))[0]


def unit(shape: tuple[int, ...]) -> Expr:
    """∂x/∂x for x of this shape."""
    return Identity((size_of(shape),) * 2) if shape else num(1)


def zeros(shape: tuple[int, ...]) -> Expr:
    return Zeros(shape) if shape else num(0)


def joined_all(terms: list[Expr]) -> Expr:
    result = terms[0]
    for t in terms[1:]:
        result = joined(result, t)
    return result
