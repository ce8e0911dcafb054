"""Level `elements`: a matrix formula read entry by entry, with sums over the inner indices.

(W h)ᵢ = Σⱼ Wᵢⱼ hⱼ, (a bᵀ)ᵢⱼ = aᵢ bⱼ, diag(v) disappears, and a scalar stays what it is. Indices are letters (one
statement for all entries) or numbers (one entry).
"""

from __future__ import annotations

from itertools import product as every

from ..formulas.expr import (
    Add,
    Apply,
    BigSum,
    Diag,
    Divide,
    Dot,
    Entry,
    Expr,
    Hadamard,
    Identity,
    Literal,
    Neg,
    Num,
    Ones,
    Partial,
    Power,
    Product,
    Rows,
    Stack,
    Symbol,
    Tagged,
    Transpose,
    Zeros,
    add,
    divide,
    neg,
    num,
    power,
    product,
    tagged,
)
from ..formulas.steps import parts_of_name, symbols_of

__all__ = ["Entries", "all_entries", "entry_of"]

Index = int | str
_LETTERS = "mnprsuvaqwbcdefg"  # first those that Unicode has below the line


def entry_of(e: Expr, *indices: Index) -> Expr:
    """One entry of a formula; with letters, the entry in general.

    >>> from bpttgraph.formulas.expr import product, symbol
    >>> from bpttgraph.formulas.printers import to_text
    >>> to_text(entry_of(product(symbol("W", (3, 2)), symbol("x[1]", (2,))), "i"))
    '∑[m=1..2] (W)ᵢₘ (x₁)ₘ'
    """
    return Entries().entry(e, *indices)


class Entries:
    """Reads entries. `spread` writes inner sums out instead of with Σ."""

    def __init__(self, spread: bool = False):
        self.spread = spread
        self.used: list[str] = []
        self.letters = _LETTERS

    def entry(self, e: Expr, *indices: Index) -> Expr:
        # in ∑ₚ (w_p)ₚ the label could be taken for the index
        taken = {*map(str, indices)}.union(*(parts_of_name(s.name) for s in symbols_of(e)))
        self.letters = "".join(x for x in _LETTERS if x not in taken) or _LETTERS
        i, j = (*indices, 1, 1)[:2]
        return self._at(e, i, j)

    def _at(self, e: Expr, i: Index, j: Index) -> Expr:
        match e:
            case Num() | Literal() if not e.shape:
                return e
            case Symbol(_, _, dims):
                return Entry((), e, (i, j)[: len(dims)]) if dims else e
            case Partial(shape):
                return Entry((), e, (i, j)) if shape else e
            case Add(_, terms):
                return add(*[self._at(t, i, j) for t in terms])
            case Neg(_, arg):
                return neg(self._at(arg, i, j))
            case Tagged(_, arg, ids):
                inner = self._at(arg, i, j)
                return neg(tagged(inner.arg, ids)) if isinstance(inner, Neg) else tagged(inner, ids)
            case Hadamard(_, factors):
                return product(*[self._at(f, i, j) for f in factors])
            case Power(_, base, exponent):
                return power(self._at(base, i, j), self._at(exponent, i, j))
            case Divide(_, top, bottom):
                return divide(self._at(top, i, j), self._at(bottom, i, j))
            case Transpose(_, arg):
                return self._at(arg, j, i)
            case Diag(_, arg):
                return product(_delta(i, j), self._at(arg, i, 1))
            case Identity():
                return _delta(i, j)
            case Ones():
                return num(1)
            case Zeros():
                return num(0)
            case Dot(_, left, right):
                return self._sum(left.shape[0], lambda m: product(self._at(left, m, 1), self._at(right, m, 1)))
            case Product(_, factors):
                lead = [self._at(f, i, j) for f in factors if not f.shape]
                return product(*lead, self._chain([f for f in factors if f.shape], i, j))
            case Apply(shape, op, args):
                # a number that stands for equal entries, or for the only one
                if op.kind == "linear" and not args[0].shape:
                    return args[0]
                if e.entrywise:
                    return Apply((), op, tuple(self._at(a, i, j) for a in args), e.attrs, ((),) * len(args))
                return Entry((), e, (i,) if len(shape) and shape[1] == 1 else (i, j)) if shape else e
            case Rows(_, arg, start, _):
                return self._at(arg, i + start, j) if isinstance(i, int) else Entry((), e, _kept(e, i, j))
            case Stack(_, parts):
                if isinstance(i, int):
                    for p in parts:
                        if i <= p.shape[0]:
                            return self._at(p, i, j)
                        i -= p.shape[0]
                return Entry((), e, _kept(e, i, j))
        return Entry((), e, _kept(e, i, j)) if e.shape else e

    def _chain(self, factors: list[Expr], i: Index, j: Index) -> Expr:
        if not factors:
            return num(1)
        if len(factors) == 1:
            return self._at(factors[0], i, j)
        first, rest = factors[0], factors[1:]
        if isinstance(first, Diag):
            return product(self._at(first.arg, i, 1), self._chain(rest, i, j))
        if isinstance(rest[0], Diag) and len(rest) == 1:
            return product(self._at(first, i, j), self._at(rest[0].arg, j, 1))
        return self._sum(first.shape[1], lambda m: product(self._at(first, i, m), self._chain(rest, m, j)))

    def _sum(self, size: int, body: object) -> Expr:
        if size == 1 or self.spread:
            return add(*[body(m) for m in range(1, size + 1)])  # type: ignore[operator]
        letter = self.letters[len(self.used)]
        self.used.append(letter)
        inner = body(letter)  # type: ignore[operator]
        self.used.pop()
        sign, inner = (-1, inner.arg) if isinstance(inner, Neg) else (1, inner)
        made = BigSum((), letter, num(1), num(size), inner)
        return neg(made) if sign < 0 else made


def _kept(e: Expr, i: Index, j: Index) -> tuple[Index, ...]:
    return (i,) if e.shape[1] == 1 else (i, j)


def _delta(i: Index, j: Index) -> Expr:
    """δᵢⱼ."""
    if i == j:
        return num(1)
    return num(0) if isinstance(i, int) and isinstance(j, int) else Symbol((), f"δ_{i}{j}", ())


def all_entries(e: Expr, dims: tuple[int, ...]) -> dict[tuple[int, ...], Expr]:
    """Every entry of a formula of this shape, inner sums written out."""
    reader = Entries(spread=True)
    return {index: reader.entry(e, *index) for index in every(*[range(1, n + 1) for n in dims])}
