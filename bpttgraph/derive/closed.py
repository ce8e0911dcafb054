"""The closed form of a gradient for a symbolic number of steps: Σ over losses, Σ over uses, Π of step Jacobians.

With s_t all that is carried from step t to step t+1 (the LSTM's h and c),

    dE/dθ = Σ_t ∂E_t/∂s_t Σ_{k≤t} (Π_{j=k+1}^t ∂s_j/∂s_{j−1}) ∂⁺s_k/∂θ  (+ what a loss reads of s_{t−1}, or of θ itself).

The block Jacobian ∂s_j/∂s_{j−1}, the row ∂E_t/∂s_t and ∂⁺s_k/∂θ are products of local Jacobians within one step, read
off an unrolling once. By a matrix, ∂⁺s_k/∂θ has three indices: it is printed as the outer product that a row makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BPTTError
from ..primitives import TABLE, Primitive
from ..variables import Link
from .derivation import Derivation
from .expr import (
    Apply,
    BigProduct,
    BigSum,
    Blocks,
    Expr,
    Num,
    Partial,
    Product,
    Symbol,
    Zeros,
    add,
    jacobian_shape,
    joined,
    neg,
    num,
    partial,
    product,
    subtract,
)  # fmt: skip
from .factored import Statement
from .notation import in_notation
from .steps import fill, rebased, renamed
from .terms import gradient_of

if TYPE_CHECKING:
    from .symbolic import SymbolicDerivation

__all__ = ["ClosedForm"]

_CEIL = Primitive("ceil_divide", "own", lambda a, b: -(-a // b), lambda *s: (), None, "ceil")


@dataclass(frozen=True, slots=True)
class Where:
    """One definition below the closed form: `left` = `right`."""

    left: Expr
    right: Expr

    @property
    def statement(self) -> Statement:
        return Statement("", "", self.left, (self.right,))


class ClosedForm:
    """The closed form of dE/d`wrt` of a symbolic derivation.

    Raises:
        BPTTError: for recurrences that are not one chain of states in time (blocks, states that run backwards, longer
            delays, an initial state as `wrt`), or whose local Jacobians are not closed.
    """

    def __init__(self, g: SymbolicDerivation, wrt: str):
        self.g, self.wrt, self.u = g, wrt, g.reference
        if g.loss != "every":  # the structure of a step shows where every step has its loss
            truncate = None if g.windowed else g.truncate
            self.u = g.recurrence.unroll(g.reference.steps.get(None), truncate=truncate,
                                         **{**g.options, "loss": "every"})  # fmt: skip
        self.first = Derivation(self.u, wrt)
        self.factors, self.paths = self.first._factors, self.first.paths
        self.variables = self.paths.variables
        if self.variables[wrt].role != "parameter":
            raise BPTTError(f"the closed form is that of a parameter; {wrt} is none", "use .recursions")
        if self.u.recurrence.blocks:
            raise BPTTError("a recurrence of several blocks has no single product of Jacobians", "use .recursions")
        links = [x for x in self.u.links if self.variables[x.target].column is not None]
        delays = {x.delay for x in links if self.variables[x.source].role not in ("input", "target", "upstream")}
        if not {d for d in delays if d} <= {1}:
            raise BPTTError(f"{g.recurrence.title} is not one chain of steps, so it has no single product of Jacobians",
                            "use .recursions")  # fmt: skip
        self.middle = self.u.columns // 2 + 1
        self.states = self._states()

    def _at(self, column: int) -> list[str]:
        return [n for n, v in self.variables.items() if v.column == column]

    def _states(self) -> list[str]:
        """The variables of the middle step that the next step reads, in order of computation."""
        read = {x.source for x in self.u.links if x.delay == 1 and self.variables[x.source].column == self.middle}
        return [n for n in self._at(self.middle) if n in read and self.variables[n].role not in ("input", "target")]

    @cached_property
    def before(self) -> list[str]:
        """The same states, one step before."""
        shift = rebased("t", self.middle)
        wanted = [shift(n) for n in self.states]
        earlier = {rebased("t", self.middle - 1)(n): n for n in self._at(self.middle - 1)}
        return [earlier[n] for n in wanted]

    # -- derivatives within a step

    def within(self, target: str, source: str, stop: set[str]) -> list[list[Link]]:
        """Paths from `source` to `target` inside the middle step, not through `stop`; the first factor first."""
        found: list[list[Link]] = []
        todo: list[tuple[str, list[Link]]] = [(target, [])]
        while todo:
            name, trail = todo.pop()
            for link in self.paths.read.get(name, ()):
                if link.cut == "cut":
                    continue
                if link.source == source:
                    found.append([*trail, link])
                elif link.source not in stop and self.variables[link.source].column == self.middle:
                    todo.append((link.source, [*trail, link]))
        return found[::-1]

    def derivative(self, target: str, source: str, through: list[str]) -> Expr:
        """∂target/∂source within a step as a formula; earlier states of the same step (`through`) by their own symbols."""
        v = self.variables
        shape = jacobian_shape(v[target].shape, v[source].shape)
        terms: list[Expr] = []
        stop = {*through, *self.before}
        for path in self.within(target, source, stop):
            terms.append(self._product(path))
        for state in through:
            inner = self.dependent(state, source)
            if inner is None:
                continue
            outside = [self._product(p) for p in self.within(target, state, stop)]
            if outside:
                terms.append(product(joined_all(outside), inner))
        return joined_all(terms) if terms else Zeros(shape) if shape else num(0)

    def dependent(self, state: str, source: str) -> Partial | None:
        """The symbol ∂state/∂source, or None if the step has no path between them."""
        earlier = self.states[: self.states.index(state)]
        direct = self.within(state, source, {*earlier, *self.before})
        reaches = direct or any(
            self.dependent(e, source) is not None and self.within(state, e, {*earlier, *self.before}) for e in earlier
        )
        v = self.variables
        if not reaches:
            return None
        # d2l writes f for the function of one step, so that the derivative by the state before is one of f, too
        immediate = v[source].role == "parameter" or self._by_f
        return partial(state, v[state].shape, source, v[source].shape, immediate=immediate)

    @property
    def _by_f(self) -> bool:
        return self.g.notation == "d2l" and len(self.states) == 1

    def _product(self, links: list[Link]) -> Expr:
        return product(*[self.factors.local_expr(x) for x in links])

    # -- the pieces, by step

    def shifted(self, e: Any, letter: str) -> Any:
        return renamed(e, rebased(letter, self.middle))

    @cached_property
    def heads(self) -> list[str]:
        """The losses of the middle step (of the last, if only that counts)."""
        return [h.name for h in self.u.heads if h.column == self.middle]

    @cached_property
    def where(self) -> tuple[Statement, ...]:
        """What the symbols in the closed form stand for: one statement for each block."""
        made: list[Where] = []
        v = self.variables
        for i, state in enumerate(self.states):
            for source in self.before:
                symbol = self.dependent(state, source)
                if symbol is not None:
                    made.append(Where(self.shifted(symbol, "j"), self.shifted(self.derivative(state, source, self.states[:i]), "j")))
        for i, state in enumerate(self.states):
            symbol = self.dependent(state, self.wrt)
            if symbol is None:
                continue
            if len(v[self.wrt].shape) < 2:
                right = self.derivative(state, self.wrt, self.states[:i])
                made.append(Where(self.shifted(symbol, "k"), self.shifted(right, "k")))
            else:
                left, right = self._contracted(state, symbol, self.states[:i])
                made.append(Where(self.shifted(left, "k"), self.shifted(right, "k")))
        for head in self.heads:
            rows = [(x, self.row(head, x), False) for x in self.states] + [(x, self.row(head, x), True) for x in self.before]
            for state, row, earlier in rows:
                if row is not None:
                    left = partial(head, v[head].shape, state, v[state].shape, immediate=earlier or len(self.states) > 1)
                    made.append(Where(self.shifted(left, "t"), self.shifted(row, "t")))
        # of an abstract function, the symbol is all that can be said
        return tuple(w.statement for w in made if w.left != w.right)

    def row(self, head: str, state: str) -> Expr | None:
        """∂⁺E_t/∂state with all other states held fixed; None if E_t does not read it so."""
        paths = self.within(head, state, {*self.states, *self.before} - {state})
        return joined_all([self._product(p) for p in paths]) if paths else None

    def _contracted(self, state: str, symbol: Partial, through: list[str]) -> tuple[Expr, Expr]:
        """r · ∂⁺s/∂W for a row r: by a matrix the derivative has three indices, what it makes of a row is a matrix."""
        size = self.variables[state].shape
        r = Symbol((1, size[0]) if size else (), "r", ())
        left = Product((1, symbol.shape[1]), (r, symbol))
        terms: list[Expr] = []
        stop = {*through, *self.before}
        for path in self.within(state, self.wrt, stop):
            terms.append(gradient_of(self.factors, [(r, ""), *[(self.factors.local_expr(x), x.id) for x in path[:-1]]], path[-1]))
        for earlier in through:
            inner = self.dependent(earlier, self.wrt)
            outside = [self._product(p) for p in self.within(state, earlier, stop)]
            if inner is not None and outside:
                terms.append(Product((1, inner.shape[1]), (r, joined_all(outside), inner)))
        return left, add(*[fill(t, {}) for t in terms])

    # -- the formula

    def lowest(self) -> Expr:
        """The first use that counts for the loss of step t: 1, or the border of a truncation."""
        t = Symbol((), "t", ())
        rule = self.g.truncation
        if rule is None or rule.carousel:
            return num(1)
        group: Expr = t
        if rule.stride > 1:
            ceil = Apply((), _CEIL, (t, num(rule.stride)), (), ((), ()))
            group = product(num(rule.stride), ceil)
        low = subtract(group, num(rule.window - 1)) if rule.window > 1 else group
        return Apply((), TABLE["maximum"], (num(1), low), (), ((), ()))

    def _vector(self, letter: str, names: list[str]) -> str:
        """The name of s at a step: of the only state, or the letter s."""
        if len(names) == 1:
            return str(self.shifted(Symbol((), names[0], ()), letter).name)
        return f"s[{letter}]"

    @property
    def jacobian(self) -> Statement:
        """J_j = ∂s_j/∂s_{j−1}, block by block."""
        v = self.variables
        left = self._step_symbol()
        grid = []
        for state in self.states:
            row: list[Expr] = []
            for source in self.before:
                found = self.dependent(state, source)
                row.append(found or Zeros(jacobian_shape(v[state].shape, v[source].shape)))
            grid.append(tuple(row))
        rows = tuple(self.shifted(r, "j") for r in grid)
        right: Expr = Blocks(left.shape, rows) if len(self.states) > 1 else rows[0][0]
        return Statement("", "", left, (right,))

    def _stacked(self) -> tuple[Statement, ...]:
        """∂⁺s_k/∂θ block by block, and the row ∂E_t/∂s_t with 0 for the states that the loss does not read."""
        v, made = self.variables, []
        columns = jacobian_shape((), v[self.wrt].shape) or (1, 1)
        uses = []
        for state in self.states:
            size = (jacobian_shape(v[state].shape, ()) or (1, 1))[0]
            uses.append((self.dependent(state, self.wrt) or Zeros((size, columns[1])),))
        use = Partial((self._size(), columns[1]), self._vector("k", self.states), self.wrt, True)
        made.append(Statement("", "", use, (Blocks(use.shape, self.shifted(tuple(uses), "k")),)))
        for head in self.heads[:1]:
            row = tuple(
                partial(head, (), x, v[x].shape, immediate=True)
                if self.row(head, x) is not None else Zeros((1, (jacobian_shape(v[x].shape, ()) or (1, 1))[0]))
                for x in self.states
            )  # fmt: skip
            if any(isinstance(x, Partial) for x in row):
                name = self.shifted(Symbol((), head, ()), "t").name
                left = Partial((1, self._size()), name, self._vector("t", self.states))
                made.append(Statement("", "", left, (Blocks(left.shape, (self.shifted(row, "t"),)),)))
        return tuple(made)

    def _size(self) -> int:
        return sum(int(np.prod(self.variables[n].shape)) for n in self.states)

    def _step_symbol(self) -> Partial:
        n = self._size()
        shape = () if n == 1 and not self.variables[self.states[0]].shape else (n, n)
        return Partial(shape, self._vector("j", self.states), self._vector("j", self.before).replace("[j]", "[j-1]"), self._by_f)

    @cached_property
    def expr(self) -> Expr:
        """The right side of dE/dθ = …"""
        t, k = Symbol((), "t", ()), Symbol((), "k", ())
        v, n = self.variables, self._size()
        loss = self.g.loss
        body: list[Expr] = []
        by = (int(np.prod(v[self.wrt].shape)),) if v[self.wrt].shape else ()
        scalar = not by and all(not v[s].shape for s in self.states)
        columns = by[0] if by else 1
        if self.states:
            jacobian = self._step_symbol()
            chain = BigProduct(jacobian.shape, "j", add(k, num(1)), t, jacobian)
            use = Partial(() if scalar else (n, columns), self._vector("k", self.states), self.wrt, True)
            for head in self.heads[:1]:
                name = self.shifted(Symbol((), head, ()), "t").name
                row = Partial(() if scalar else (1, n), name, self._vector("t", self.states))
                if any(self.row(head, s) is not None for s in self.states) and self._uses_states:
                    inner = Product(() if scalar else (1, columns), (row, chain, use))
                    body.append(BigSum(inner.shape, "k", self.lowest(), t, inner))
                if any(self.row(head, s) is not None for s in self.before) and self._uses_states:
                    earlier = self._vector("t", self.before)
                    earlier = "s[t-1]" if len(self.states) > 1 else earlier
                    row2 = Partial(row.shape, name, earlier, True)
                    shorter = BigProduct(jacobian.shape, "j", add(k, num(1)), add(t, neg(num(1))), jacobian)
                    inner = Product(() if scalar else (1, columns), (row2, shorter, use))
                    body.append(BigSum(inner.shape, "k", self.lowest(), add(t, neg(num(1))), inner))
        for head in self.heads[:1]:
            if self.within(head, self.wrt, {*self.states, *self.before}):
                name = self.shifted(Symbol((), head, ()), "t").name
                body.append(Partial(() if not by else (1, columns), name, self.wrt, True))
        inside = add(*body) if body else num(0)
        if loss == "last":
            return _last(inside)
        return BigSum(inside.shape, "t", num(1), Symbol((), "T", ()), inside)

    @cached_property
    def _uses_states(self) -> bool:
        return any(self.dependent(s, self.wrt) is not None for s in self.states)


    @property
    def statements(self) -> tuple[Statement, ...]:
        """The closed form, its block Jacobian if there are several states, and what each symbol stands for."""
        main = Statement(self.wrt, self.paths.total, self.first.left_side, (self.expr,))
        blocks = (self.jacobian, *self._stacked()) if len(self.states) > 1 and self._uses_states else ()
        found = (main, *blocks, *(self.where if self._uses_states else ()))
        n = self.g.notation
        return tuple(Statement(s.variable, s.loss, in_notation(s.left, n, s is main), in_notation(s.terms, n)) for s in found)

    def latex(self) -> str:
        return "\\begin{gathered}\n" + " \\\\[2pt]\n".join(s.latex() for s in self.statements) + "\n\\end{gathered}"

    def unicode(self) -> str:
        return "\n".join(s.unicode() for s in self.statements)

    def mathml(self) -> str:
        return "\n".join(s.mathml() for s in self.statements)

    def typst(self) -> str:
        return " \\\n".join(s.typst() for s in self.statements)

    def __str__(self) -> str:
        return self.unicode()

    @property
    def forward(self) -> tuple[Statement, ...]:
        """Forward mode (real-time recurrent learning): ds_t/dθ beside the computation, no pass back.

        ds_t/dθ = ∂⁺s_t/∂θ + ∂s_t/∂s_{t−1} ds_{t−1}/dθ, one statement a state, and the gradient as it accumulates.
        """
        v, shape = self.variables, self.variables[self.wrt].shape
        made: list[Statement] = []

        def total(name: str) -> Partial:
            return partial(name, v[name].shape, self.wrt, shape, total=True)

        for state in self.states if self._uses_states else ():
            own = self.dependent(state, self.wrt)
            terms: list[Expr] = [own] if own is not None else []
            for source in self.before:
                symbol = self.dependent(state, source)
                if symbol is not None:
                    terms.append(product(symbol, total(source)))
            made.append(Statement(state, state, *self.shifted((total(state), tuple(terms)), "t")))
        losses: list[Expr] = []
        for head in self.heads[:1]:
            for state in [*self.states, *self.before]:
                if self.row(head, state) is not None and self._uses_states:
                    marked = state in self.before or len(self.states) > 1
                    losses.append(product(partial(head, v[head].shape, state, v[state].shape, immediate=marked), total(state)))
            if self.within(head, self.wrt, {*self.states, *self.before}):
                losses.append(partial(head, v[head].shape, self.wrt, shape, immediate=True))
        body = add(*self.shifted(tuple(losses), "t")) if losses else num(0)
        right = _last(body) if self.g.loss == "last" else BigSum(body.shape, "t", num(1), Symbol((), "T", ()), body)
        made.append(Statement(self.wrt, self.paths.total, self.first.left_side, (right,)))
        n = self.g.notation
        return tuple(replace(s, left=in_notation(s.left, n, s is made[-1]), terms=in_notation(s.terms, n)) for s in made)

    def contributions(self, u: Any, run: Any) -> Any:
        """(T, T, *shape): [t−1, k−1] is the term of loss t and use k, from the formulas alone; summed over the batch."""
        from .closed_numbers import ClosedNumbers

        return ClosedNumbers(self).contributions(u, run)


def _last(e: Any) -> Any:
    """t = T throughout."""
    if isinstance(e, tuple):
        return tuple(_last(x) for x in e)
    if isinstance(e, Symbol):
        return replace(e, name="T" if e.name == "t" else e.name)
    if isinstance(e, Partial):
        return replace(e, target=e.target.replace("[t", "[T"), source=e.source.replace("[t", "[T"))
    if not isinstance(e, Expr) or isinstance(e, Num):
        return e
    return replace(e, **{f.name: _last(getattr(e, f.name)) for f in fields(e) if f.name not in ("shape", "op", "attrs")})


def joined_all(terms: list[Expr]) -> Expr:
    result = terms[0]
    for t in terms[1:]:
        result = joined(result, t)
    return result
