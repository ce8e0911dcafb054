"""The numbers of a closed form, from what is printed: its sums and products, and what each symbol stands for.

Symbols such as ∂h_j/∂h_{j−1} are looked up among the statements below the closed form and evaluated at their step.
Nothing else is known here, and no derivative, so a closed form that evaluates to the gradient is right as it stands on
the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from ..errors import BPTTError
from ..formulas.expr import Add, BigProduct, BigSum, Blocks, Expr, Neg, Num, Partial, Product, Symbol, num
from ..formulas.steps import at_steps, renamed, substituted, value_of
from .evaluate import matrix_value
from .factored import Statement
from .levels import Known, shaped
from .recursion import without_step

__all__ = ["ClosedNumbers"]

Letters = Mapping[str, int]
_LETTER = re.compile(r"\[([a-z])([+-]\d+)?\]")


class ClosedNumbers:
    """Evaluates a closed form on the run of an unrolling.

    Args:
        expr: the closed form. symbols: what its symbols stand for. wrt: what it is by, in this unrolling. weight: the
            1/T of a mean, if it stands there.
    """

    def __init__(self, expr: Expr, symbols: Sequence[Statement], wrt: str, weight: Expr | None, u: Any, run: Any):
        self.wrt, self.u, self.run, self.shape = wrt, u, run, u.node(wrt).shape
        # the length in 1/T is no symbol of the equations, whatever they call T
        self.expr = expr if weight is None else substituted(expr, weight, num(u.weight))
        self.known = Known(run, u.vgraph.variables)
        self.lengths = {f"T_{b}" if b else "T": n for b, n in u.steps.items()}
        self.meanings: list[tuple[Partial, Symbol | None, Expr]] = []  # what a symbol is, or what it makes of a row r
        for s in symbols:
            match s.left:
                case Partial():
                    self.meanings.append((s.left, None, s.terms[0]))
                case Product(_, (Symbol() as r, Partial() as symbol)):
                    self.meanings.append((symbol, r, s.terms[0]))

    def contributions(self) -> Any:
        """(T, T, *shape): [t−1, k−1] is the term of loss t and use k; summed over the batch.

        What comes through a state before the first step stands at the first step (at the last one, if the states run
        backwards).
        """
        last = self.u.steps[self.u.loss_block]
        out = np.zeros((last, max(self.u.steps.values()), *self.shape))
        one = np.ones((self.run.batch or 1, 1, 1))  # each example counts, whether or not the formulas read its data
        for e, letters, factor in self._terms(self.expr, {}, 1.0):
            t, k = self._place(e, letters)
            value = one * self._value(e, letters)
            value = value if len(self.shape) == 2 else np.swapaxes(value, -1, -2)
            out[t - 1, min(max(k, 1), out.shape[1]) - 1] += factor * shaped(value, self.shape, False)
        return out

    def _terms(self, e: Expr, letters: Letters, factor: Any) -> Iterator[tuple[Expr, Letters, Any]]:
        """The products behind the sums over t and k, with the values of t and k and the factor in front."""
        match e:
            case Add(_, terms):
                for x in terms:
                    yield from self._terms(x, letters, factor)
            case Neg(_, arg):
                yield from self._terms(arg, letters, -factor)
            case BigSum(_, index, lower, upper, body):
                for i in self._range(lower, upper, letters):
                    yield from self._terms(body, {**letters, index: i}, factor)
            case Product(_, (scale, rest)) if isinstance(rest, Add | BigSum):
                yield from self._terms(rest, letters, factor * self._value(scale, letters)[0, 0])
            case _ if e != Num((), 0):
                yield e, letters, factor

    def _place(self, e: Expr, letters: Letters) -> tuple[int, int]:
        """The step of the loss, which is what the first derivative is of, and that of the use, which the last one is
        of."""
        symbols = [
            self._at(x, letters) for x in (e.factors if isinstance(e, Product) else (e,)) if isinstance(x, Partial)
        ]
        losses = {h.name: h.step for h in self.u.heads}
        t = letters["t"] if "t" in letters else losses[symbols[0].target]
        use = [step for letter, step in letters.items() if letter != "t"]
        if use:
            return t, use[0]
        of = symbols[-1].target if symbols and symbols[-1].source == self.wrt else self.wrt
        return t, losses[of] if of in losses else without_step(of)[1] or 0

    def _at(self, e: Any, letters: Letters) -> Any:
        """A name or a formula at given steps; T is the length of the block that the name belongs to."""

        def change(name: str) -> str:
            name = at_steps(letters)(name)
            return at_steps({"T": self.u.steps[name.rpartition(".")[0] or None]})(name) if "[T" in name else name

        return change(e) if isinstance(e, str) else renamed(e, change)

    def _range(self, lower: Expr, upper: Expr, letters: Letters) -> range:
        values = {**self.lengths, **letters}
        return range(value_of(lower, values), value_of(upper, values) + 1)

    # -- values, (…, rows, columns)

    def _value(self, e: Expr, letters: Letters) -> Any:
        match e:
            case BigSum(_, index, lower, upper, body):
                terms = [self._value(body, {**letters, index: i}) for i in self._range(lower, upper, letters)]
                return reduce(np.add, terms, np.zeros(e.shape or (1, 1)))
            case BigProduct(shape, index, lower, upper, body, rising):
                factors = [self._value(body, {**letters, index: i}) for i in self._range(lower, upper, letters)]
                return reduce(np.matmul, factors if rising else factors[::-1], np.eye(shape[0] if shape else 1))
            case Product(_, factors):
                value, shape = np.ones((1, 1)), ()
                for x in factors:
                    value, shape = self._times(value, shape, x, letters), shape or x.shape
                return value
            case Partial():
                return self._times(np.ones((1, 1)), (), e, letters)
            case Blocks(_, rows):
                return _blocks([[self._value(x, letters) for x in row] for row in rows])
        return matrix_value(self._at(self._plain(e, letters), letters), self.known)

    def _times(self, value: Any, shape: tuple[int, ...], e: Expr, letters: Letters) -> Any:
        """value · e. Of ∂⁺y/∂W it is only known what it makes of a row, and a column of these takes the row in
        parts."""
        if not isinstance(e, Partial):
            right = self._value(e, letters)
            return value @ right if shape and e.shape else value * right
        symbol = self._at(e, letters)
        r, meaning, letters = self._meaning(symbol)
        if r is not None:
            return self._value(substituted(meaning, r, self._named(value, r.shape)), letters)
        if isinstance(meaning, Blocks) and symbol.source == self.wrt and len(self.shape) == 2:
            cells = [row[0] for row in meaning.rows]
            parts = np.split(value, np.cumsum([x.shape[0] if x.shape else 1 for x in cells])[:-1], axis=-1)
            return reduce(
                np.add, [self._times(v, (1, 1), x, letters) for v, x in zip(parts, cells) if isinstance(x, Partial)]
            )
        right = self._value(meaning, letters)
        return value @ right if shape and e.shape else value * right

    def _meaning(self, symbol: Partial) -> tuple[Symbol | None, Expr, Letters]:
        for left, r, meaning in self.meanings:
            letters: dict[str, int] = {}
            for pattern, name in ((left.target, symbol.target), (left.source, symbol.source)):
                letter, step = _LETTER.search(pattern), without_step(name)[1]
                if letter and step is not None:
                    letters.setdefault(letter[1], step - int(letter[2] or 0))
            if self._at(replace(left, shape=symbol.shape), letters) == symbol:
                return r, meaning, letters
        raise BPTTError(
            f"∂{symbol.target}/∂{symbol.source} has no closed formula here, so no numbers",
            "derive for a number of steps",
        )

    def _plain(self, e: Any, letters: Letters) -> Any:
        """The formula with symbols that stand for numbers in the place of all that `_value` knows."""
        if isinstance(e, tuple):
            return tuple(self._plain(x, letters) for x in e)
        if isinstance(e, Product | Partial | BigSum | BigProduct | Blocks):
            return self._named(self._value(e, letters), e.shape)
        if not isinstance(e, Expr) or isinstance(e, Num | Symbol):
            return e
        return e.mapped(lambda x: self._plain(x, letters))

    def _named(self, value: Any, shape: tuple[int, ...]) -> Symbol:
        name = f"#{len(self.known.made)}"
        self.known.made[name] = value if shape else value[..., 0, 0]
        return Symbol(value.shape[-2:] if shape else (), name, shape)


def _blocks(rows: list[list[Any]]) -> Any:
    """A matrix of matrices, each with a batch or without."""
    lead = np.broadcast_shapes(*[x.shape[:-2] for row in rows for x in row])
    return np.concatenate(
        [np.concatenate([np.broadcast_to(x, lead + x.shape[-2:]) for x in row], axis=-1) for row in rows], axis=-2
    )
