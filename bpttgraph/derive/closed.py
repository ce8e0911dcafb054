"""The closed form of a gradient for a symbolic number of steps: Σ over losses, Σ over uses, Π of step Jacobians.

With s_t all that is carried from step t to step t+1 (the LSTM's h and c),

    dE/dθ = Σ_t ∂E_t/∂s_t Σ_{k≤t} (Π_{j=k+1}^t ∂s_j/∂s_{j−1}) ∂⁺s_k/∂θ (+ what a loss reads of s_{t−1}, or of θ itself).

States that run backwards in time have a product of their own, with k ≥ t. Where one network starts from another's last
state (encoder and decoder), the product goes back to the first step of the one and on through all steps of the other.
By an initial state, and by a parameter through one, there is no sum over uses. The pieces are those of `chain`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..core.primitives import TABLE, Primitive
from ..errors import BPTTError
from ..formulas.expr import (
    Apply,
    BigProduct,
    BigSum,
    Expr,
    Partial,
    Product,
    Symbol,
    add,
    jacobian_shape,
    num,
    product,
    subtract,
)
from ..formulas.layout import FORMS, Printed, apart, together
from ..formulas.notation import in_notation
from ..formulas.steps import at_steps, moved, rebased, renamed
from .alike import HOW, irregularity, refused
from .chain import Chain, Within, joined_all, unit
from .chains import chains_of, junction
from .derivation import Derivation
from .factored import Statement
from .meanings import meanings
from .onehot import in_classes

if TYPE_CHECKING:
    from .symbolic import SymbolicDerivation

__all__ = ["ClosedForm"]

_CEIL = Primitive("ceil_divide", "own", lambda a, b: -(-a // b), lambda *s: (), None, "ceil")


class ClosedForm(Printed):
    """The closed form of dE/d`wrt` of a symbolic derivation, for a parameter or an initial state.

    Attributes:
        chains: the chains of states that lie between `wrt` and the losses, that of the losses first.

    Raises:
        BPTTError: for recurrences in which several chains of states feed each other step by step, or whose steps are
            not alike, and for windows of truncation where there is more than one chain.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> closed = bg.cell("rnn").derive("W_hh").closed_form
        >>> print(closed.statements[0].unicode())
        ∂E/∂W_hh = ∑[t=1..T] ∑[k=1..t] ∂Eₜ/∂hₜ · (∏[j=t..k+1] ∂hⱼ/∂hⱼ₋₁) · ∂⁺hₖ/∂W_hh
        >>> closed.contributions(u, u.run(u.instance())).shape  # (T, T, rows, columns)
        (3, 3, 4, 4)
    """

    def __init__(self, g: SymbolicDerivation, wrt: str):
        self.g, self.u = g, g.reference
        if g.loss != "every":  # the structure of a step shows where every step has its loss
            truncate = None if g.windowed else g.truncate
            steps: Any = g.reference.steps
            self.u = g.recurrence.unroll(steps, truncate=truncate, **{**g.options, "loss": g.recurrence.EACH})
        self.wrt = at_steps({"T": self.u.steps[wrt.rpartition(".")[0] or None]})(wrt) if "[T" in wrt else wrt
        self.first = Derivation(self.u, self.wrt)
        self.factors, self.paths = self.first._factors, self.first.paths
        self.variables = self.paths.variables
        if self.variables[self.wrt].role not in ("parameter", "initial"):
            raise BPTTError(f"the closed form is that of a parameter or an initial state; {wrt} is neither", HOW)
        if self.u.recurrence.sums_outputs:
            raise BPTTError(
                f"the closed form is a sum over the losses of single steps, and {self.u.total} is another formula of"
                " them",
                HOW,
            )
        self.chains = chains_of(self.u, self.factors, g.recurrence.title)
        for n in self.states:
            if len(self.variables[n].shape) > 1:
                raise BPTTError(
                    f"{self.variables[n].base}[t] is a matrix, so that no matrix is its derivative by the one before",
                    HOW,
                )
        self._refuse_unlike()
        block = self.u.loss_block
        self.losses = [c for c in self.chains if c.block == block]  # the chains that a loss reads
        self.column = self.u.offset[block] + self.u.steps[block] // 2 + 1
        self.heads = [h.name for h in self.u.heads if h.column == self.column]
        self.step = Within(self.factors, lambda v: v.column == self.column)
        self.own = [c for c in self.chains if self.entered(c) or c.reads(self.wrt)]
        for c in self.chains:
            c.by_f = g.notation == "d2l" and len(c.states) == 1
        windowed = g.truncation is not None and not g.truncation.carousel
        if windowed and (len(self.chains) > 1 or self.entered(self.chains[0]) or self.chains[0].direction < 0):
            raise BPTTError("a window of truncation has a closed form only for parameters and one chain of states", HOW)

    def _refuse_unlike(self) -> None:
        """Every step must read what the middle one reads."""
        if irregularity(self.u) and self.u.inputs != "first":
            raise refused(self.u)
        v = self.variables
        bases = {v[n].base for n in self.paths.on_paths(self.paths.heads)} | {self.wrt}

        def read(name: str) -> set[tuple[str, int | None]]:
            """What it reads, and how many steps before."""
            here, sources = v[name].step or 0, [v[x.source] for x in self.paths.read.get(name, ())]
            return {(x.base, None if x.step is None else here - x.step) for x in sources if x.base in bases}

        for n, x in v.items():
            if x.base in bases and x.role not in ("initial", "parameter") and x.column is not None:
                middle = self.u.offset[x.block] + self.u.steps[x.block] // 2 + 1
                if read(n) != read(moved(n, middle - x.column)):
                    raise refused(self.u)

    # -- what there is

    @property
    def initial(self) -> bool:
        """Whether `wrt` is an initial state."""
        return self.variables[self.wrt].role == "initial"

    @property
    def states(self) -> list[str]:
        """All states of the chains, at the middle step."""
        return [n for c in self.chains for n in c.states]

    def entry(self, c: Chain) -> tuple[Within, list[str]]:
        """What the first states of a chain are made of; and where that ends: at the last states of the chain before
        it."""
        following = junction(self.u, c, self.chains)
        if following is None:
            return Within(self.factors, lambda v: v.role == "initial"), []
        last = self.u.steps[following.block]
        column = self.u.offset[following.block] + last
        ends = [moved(n, last - following.middle) for n in following.states]
        return Within(self.factors, lambda v: v.role == "initial" or v.column == column), ends

    def entered(self, c: Chain) -> list[str]:
        """The states before the first step of a chain that depend on `wrt`, or are it."""
        start, ends = self.entry(c)
        return [f for f in self.first_states(c) if f in self.variables and start.within(f, self.wrt, ends)]

    def first_states(self, c: Chain) -> list[str]:
        """s_0, or s_{T+1} of a chain that runs backwards."""
        last = self.u.steps[c.block]
        return [moved(n, -c.middle if c.direction > 0 else last + 1 - c.middle) for n in c.states]

    @cached_property
    def held(self) -> set[str]:
        """The states of the losses' step and of the step before."""
        return {n for x in self.losses for n in (*x.states, *x.before)}

    def row(self, head: str, state: str) -> Expr | None:
        """∂⁺E_t/∂state with all other states held fixed; None if E_t does not read it so."""
        if head in self.held:
            return unit(self.variables[head].shape) if head == state else None
        paths = self.step.within(head, state, self.held - {state})
        return joined_all([self.step.product_of(p) for p in paths]) if paths else None

    def later(self, c: Chain) -> list[str]:
        """States of the step before that are no states of this one: a loss may read them, too."""
        return [n for n in c.before if n not in c.states]

    def direct(self, head: str) -> Partial | None:
        """The symbol ∂⁺E_t/∂θ, if a loss reads `wrt` other than through a state."""
        return None if head in self.held else self.step.dependent(head, self.wrt, self.held)

    def at_t(self, e: Any) -> Any:
        """A formula of the losses' middle step, for step t."""
        return renamed(e, rebased("t", self.u.steps[self.u.loss_block] // 2 + 1))

    # -- the formula

    def lowest(self) -> Expr:
        """The first use that counts for the loss of step t: 1, or the border of a truncation."""
        t = Symbol((), "t", ())
        rule = self.g.truncation
        if rule is None or rule.carousel:
            return num(1)
        group: Expr = t
        if rule.stride > 1:
            group = product(num(rule.stride), Apply((), _CEIL, (t, num(rule.stride)), (), ((), ())))
        low = subtract(group, num(rule.window - 1)) if rule.window > 1 else group
        return Apply((), TABLE["maximum"], (num(1), low), (), ((), ()))

    def last(self, block: str | None) -> Symbol:
        """T, the number of steps of a block."""
        return Symbol((), f"T_{block}" if block else "T", ())

    @property
    def columns(self) -> int:
        """The number of columns of a Jacobian by `wrt`: its entries."""
        return (jacobian_shape((), self.variables[self.wrt].shape) or (1, 1))[1]

    def _ending(self, c: Chain, start: Expr, front: list[Expr]) -> list[Expr]:
        """front · what step `start` of a chain and all steps before it contribute; through a junction into the chain
        before."""
        found: list[Expr] = []
        k = Symbol((), c.k, ())
        if c.reads(self.wrt):
            inner = _row(*front, self._steps(c, start, k), self.use(c))
            low, high = (self.lowest(), start) if c.direction > 0 else (start, self.last(c.block))
            found.append(BigSum(inner.shape, c.k, low, high, inner))
        whole = self._steps(c, start, None)
        if self.entered(c):
            found.append(_row(*front, whole, *self.first_factor(c)))
        following = junction(self.u, c, self.chains)
        if following is not None and (
            following in self.own or any(junction(self.u, following, self.chains) is x for x in self.own)
        ):
            link = Partial((c.size, following.size), c.vector("", 0), following.vector("T"))
            found += self._ending(following, self.last(following.block), [*front, whole, link])
        return found

    def use(self, c: Chain) -> Partial:
        """∂⁺s_k/∂θ."""
        scalar = c.scalar and not self.variables[self.wrt].shape
        return Partial(() if scalar else (c.size, self.columns), c.vector(c.k), self.wrt, True)

    def _steps(self, c: Chain, start: Expr, end: Expr | None) -> Expr:
        """The product of the step Jacobians from `start` back to, but not of, step `end`; of all steps without
        `end`."""
        jacobian = c.symbol
        if c.direction > 0:
            return BigProduct(jacobian.shape, c.j, num(1) if end is None else add(end, num(1)), start, jacobian)
        upper = self.last(c.block) if end is None else subtract(end, num(1))
        return BigProduct(jacobian.shape, c.j, start, upper, jacobian, True)

    def first_symbol(self, c: Chain) -> Partial:
        """∂s_0/∂θ."""
        name = c.vector("", 0) if c.direction > 0 else c.vector("T", 1)
        return Partial(
            () if c.scalar and not self.variables[self.wrt].shape else (c.size, self.columns), name, self.g.wrt
        )

    def first_factor(self, c: Chain) -> list[Expr]:
        """The same as a factor: none, where θ is s_0."""
        return [] if len(c.states) == 1 and self.entered(c) == [self.wrt] else [self.first_symbol(c)]

    @cached_property
    def body(self) -> Expr:
        """What the losses of step t contribute."""
        t = Symbol((), "t", ())
        terms: list[Expr] = []
        for head in self.heads:
            name = self.at_t(Symbol((), head, ())).name
            for c in self.losses:
                shape = () if c.scalar else (1, c.size)
                if any(self.row(head, s) is not None for s in c.states):
                    one: list[Expr] = (
                        [Partial(shape, name, c.vector("t"), len(self.losses) > 1)] if c.states != [head] else []
                    )
                    terms += self._ending(c, t, one)
                if any(self.row(head, s) is not None for s in self.later(c)):
                    early = Partial(shape, name, c.vector("t", -c.direction), True)
                    terms += self._ending(c, add(t, num(-c.direction)), [early])
            symbol = self.direct(head)
            if symbol is not None:
                terms.append(replace(symbol, target=name))
        return add(*terms) if terms else num(0)

    @cached_property
    def expr(self) -> Expr:
        """The right side of dE/dθ = …"""
        return self.g.over_losses(self.body)

    # -- what the symbols stand for

    @cached_property
    def symbols(self) -> tuple[Statement, ...]:
        """Block Jacobians where there are several states, and what each symbol stands for."""
        return tuple(dict.fromkeys(meanings(self)))

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The closed form, and what stands in it, in the notation chosen."""
        n, main = (
            self.g.notation,
            Statement(self.wrt, self.paths.total, replace(self.first.left_side, source=self.g.wrt), (self.expr,)),
        )
        # of an abstract function, the symbol is all that can be said
        return tuple(
            replace(
                s,
                left=in_notation(s.left, n, s is main),
                terms=in_notation(in_classes(s.terms, self.g._first.onehot), n),
            )
            for s in (main, *self.symbols)
        )

    def between(self, c: Chain) -> bool:
        """Whether a chain lies between `wrt` and the losses."""
        reached: Chain | None = c
        while reached is not None:
            if reached in self.own:
                return True
            reached = junction(self.u, reached, self.chains)
        return False

    # -- forms of output

    def written(self, form: str, width: int | None = None) -> str:
        lines = []
        for s in self.statements:
            parts = apart(s.left, s.terms[0], width) if len(s.terms) == 1 else [(s.left, *s.terms)]
            lines += [FORMS[form](terms, left, width) for left, *terms in parts]
        return together(lines, form)

    @property
    def forward(self) -> tuple[Statement, ...]:
        """Forward mode: ds_t/dθ beside the computation, no pass back (see `forward_mode`)."""
        from .forward import forward_mode

        return forward_mode(self)

    def contributions(self, u: Any, run: Any) -> Any:
        """(T, T, *shape): [t−1, k−1] is the term of loss t and use k, from the formulas alone; summed over the
        batch."""
        from .closed_numbers import ClosedNumbers

        return ClosedNumbers(self, u, run).contributions()


def _row(*factors: Expr) -> Expr:
    shapes = [f.shape for f in factors if f.shape]
    return Product((shapes[0][0], shapes[-1][1]) if shapes else (), factors) if len(factors) > 1 else factors[0]
