"""The closed form of a gradient for a symbolic number of steps: Σ over losses, Σ over uses, Π of step Jacobians.

With s_t all that is carried from step t to step t+1 (the LSTM's h and c),

    dE/dθ = Σ_t ∂E_t/∂s_t Σ_{k≤t} (Π_{j=k+1}^t ∂s_j/∂s_{j−1}) ∂⁺s_k/∂θ (+ what a loss reads of s_{t−1}, or of θ itself).

States that run backwards in time have a product of their own, with k ≥ t. Where one network starts from another's last
state (encoder and decoder), the product goes back to the first step of the one and on through all steps of the other.
By an initial state, and by a parameter through one, there is no sum over uses. The pieces are those of `chain` and
`closed_pieces`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

from ..core.primitive import Own
from ..core.primitives import TABLE
from ..formulas.expr import (
    Apply,
    BigProduct,
    BigSum,
    Expr,
    Partial,
    Product,
    Symbol,
    add,
    num,
    product,
    subtract,
)
from ..formulas.layout import FORMS, Printed, apart, check_form, statement
from .chain import Chain
from .chains import junction
from .closed_numbers import ClosedNumbers
from .closed_pieces import Pieces
from .factored import Statement
from .forward import forward_mode
from .meanings import meanings
from .onehot import in_classes
from .paths import check_run

__all__ = ["ClosedForm"]

_CEIL = Own("ceil_divide", lambda a, b: -(-a // b), lambda *s: (), None, "ceil")


class ClosedForm(Pieces, Printed):
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

    def __reduce__(self) -> Any:
        return ClosedForm, (self.g, self.wrt)

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

    def _steps(self, c: Chain, start: Expr, end: Expr | None) -> Expr:
        """The product of the step Jacobians from `start` back to, but not of, step `end`; of all steps without
        `end`."""
        jacobian = c.symbol
        if c.direction > 0:
            return BigProduct(jacobian.shape, c.j, num(1) if end is None else add(end, num(1)), start, jacobian)
        upper = self.last(c.block) if end is None else subtract(end, num(1))
        return BigProduct(jacobian.shape, c.j, start, upper, jacobian, True)

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
        left = replace(self.first.left_side, source=self.g.wrt)
        main = Statement(self.wrt, self.paths.total, left, (self.expr,))
        # of an abstract function, the symbol is all that can be said
        return tuple(
            self.g.shown(replace(s, terms=in_classes(s.terms, self.g.onehot)), s is main) for s in (main, *self.symbols)
        )

    # -- forms of output

    def written(self, form: str, width: int | None = None) -> str:
        check_form(form, width)
        lines = []
        for s in self.statements:
            parts = apart(s.left, s.terms[0], width) if len(s.terms) == 1 else [(s.left, *s.terms)]
            lines += [statement(form, terms, left, width) for left, *terms in parts]
        return FORMS[form](width).below(lines)

    @property
    def forward(self) -> tuple[Statement, ...]:
        """Forward mode: ds_t/dθ beside the computation, no pass back (see `forward_mode`)."""
        return forward_mode(self)

    def contributions(self, u: Any, run: Any) -> Any:
        """(T, T, *shape): [t−1, k−1] is the term of loss t and use k, from the formulas alone; summed over the
        batch."""
        check_run(run)
        wrt, weight = self.g.names_at(u)[0], self.g.weight
        return ClosedNumbers(self.expr, self.symbols, wrt, weight, u, run).contributions()


def _row(*factors: Expr) -> Expr:
    shapes = [f.shape for f in factors if f.shape]
    return Product((shapes[0][0], shapes[-1][1]) if shapes else (), factors) if len(factors) > 1 else factors[0]
