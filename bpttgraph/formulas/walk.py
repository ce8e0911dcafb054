"""How formulas print: one walk decides brackets by precedence, a printer only says how its language writes things.

The printers are in `printers.py` (Unicode, for terminals), `latex.py`, `mathml.py` and `typst.py`; `code_printer.py` is
no such walk, since it keeps account of shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from ..core.primitives import TABLE
from ..errors import BPTTError
from .expr import (
    Add,
    Apply,
    BigProduct,
    BigSum,
    Blocks,
    Column,
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
    Unit,
    Zeros,
    hadamard,
    num,
    split_sign,
    subtract,
)  # fmt: skip
from .width import width

__all__ = ["ATOM", "FRACTION", "HADAMARD", "POSTFIX", "PRODUCT", "QUOTIENT", "SUM", "Printer", "is_word"]

# How strongly a construct holds together. An operand that holds less than its place demands gets brackets.
SUM, QUOTIENT, HADAMARD, PRODUCT, FRACTION, POSTFIX, ATOM = 10, 15, 20, 30, 40, 50, 60


def _on(name: str, x: Expr) -> Expr:
    return Apply(x.shape, TABLE[name], (x,), (), (x.shape[:1],))


# What the rule table has for its own use, in words that a reader knows.
_SPELLED: dict[str, Callable[..., Expr]] = {
    "reshape": lambda x: x,  # a number in a stack
    "ylog": lambda y, a: hadamard(y, _on("log", a)),
    "above": lambda a, b: _on("step", subtract(a, b)),
}


def is_word(symbol: str) -> bool:
    """A function of the rule table is a word, set upright and whole: `log_softmax` is no log to a base.
    A lecture's own φ or g₁ is a name."""
    return symbol.replace("_", "").isascii() and any(symbol in (p.symbol, p.name) for p in TABLE.values())


def _settings(e: Apply) -> list[Expr]:
    """The bounds of a clip, the α of an elu: settings that are not those that everybody expects, in the order of the
    language."""
    attrs = dict(e.attrs)
    return [num(attrs[k]) for k, usual in e.op.attributes.items() if attrs.get(k) not in (None, usual)]


class Printer:
    """The walk. Subclasses write the pieces: each method takes finished text and returns text."""

    fraction = FRACTION  # precedence of a quotient: a built-up fraction needs no brackets in a product, a/b does
    derivative = FRACTION

    def __init__(self, widest: int | None = None):
        """`widest`: letters in one line of a product, after which it continues on the next; None never breaks a
        line."""
        self.widest = widest

    def lines(self, factors: list[tuple[Expr, str]]) -> list[list[tuple[Expr, str]]]:
        """The factors of a product by lines, all about as long and none much wider than `widest`."""
        if self.widest is None or len(factors) < 3:
            return [factors]
        widths = [width(e) + 1 for e, _ in factors]
        total, used = sum(widths), 0
        many = -(-total // self.widest)
        lines: list[list[tuple[Expr, str]]] = [[]]
        for factor, w in zip(factors, widths):
            if lines[-1] and len(lines) < many and used + w / 2 > len(lines) * total / many:
                lines.append([])
            lines[-1].append(factor)
            used += w
        return lines

    def show(self, e: Expr, least: int = 0) -> str:
        """The text of `e`, in brackets if it holds less than `least`."""
        text, strength = self.pair(e)
        return self.brackets(text) if strength < least else text

    def pair(self, e: Expr) -> tuple[str, int]:
        match e:
            case Symbol(_, name):
                return self.name(name)
            case Num(_, value):
                return self.number(value)
            case Add(_, terms):
                return self.total(terms), SUM
            case Neg(_, arg):
                return self.minus(self.show(arg, QUOTIENT)), SUM
            case Product(_, factors):
                # a tagged product within a product needs no brackets: the tag marks it off, and products associate
                least = [PRODUCT if isinstance(f, Tagged) and isinstance(f.arg, Product) else FRACTION for f in factors]
                return self.times([(f, self.show(f, n)) for f, n in zip(factors, least)]), PRODUCT
            case Hadamard(_, factors):
                return self.infix("∘", [self.show(f, FRACTION) for f in factors]), HADAMARD
            case Dot(_, left, right):
                row = left.shape[:1] == (1,) < left.shape[1:]  # two rows: a bᵀ
                turned, plain = (right, left) if row else (left, right)
                first = self.show(turned) if not turned.shape else self.transposed(self.show(turned, ATOM))
                second = self.show(plain, FRACTION)
                pair = [(plain, second), (turned, first)] if row else [(turned, first), (plain, second)]
                return self.times(pair), PRODUCT
            case Power(_, base, exponent):
                return self.powered(base, exponent), POSTFIX
            case Divide(_, top, bottom):
                return self.quotient(top, bottom), self.fraction
            case Transpose(_, arg):
                # a whole chain that is turned stands in square brackets: it has round ones inside
                whole = isinstance(arg, Product)
                return self.transposed(self.square(self.show(arg)) if whole else self.show(arg, ATOM)), POSTFIX
            case Diag(_, arg):
                return self.call(self.word("diag"), [self.show(arg)]), ATOM
            case Apply(_, op, args):
                return self.applied(e, op.symbol or op.name, args)
            case Identity():
                return self.unit(), ATOM
            case Ones():
                return self.ones(), ATOM
            case Zeros():
                return self.number(0)
            case Stack(_, parts):
                return self.blocks([[self.show(p)] for p in parts]), ATOM
            case Literal(_, entries):
                return self.blocks([[self.show(num(x)) for x in row] for row in entries]), ATOM
            case Rows(_, arg, start, stop):
                return self.slice(self.show(arg, ATOM), f"{start + 1}", f"{stop}"), POSTFIX
            case Unit(_, arg):
                return self.unit_vector(self.show(arg)), ATOM
            case Column(_, arg, index):
                return self.column(self.show(arg, ATOM), self.show(index)), POSTFIX
            case Partial():
                return self.partial(e), self.derivative
            case Entry(_, arg, indices):
                return self.entry(self.show(arg), indices), POSTFIX
            case BigSum(_, index, lower, upper, body) | BigProduct(_, index, lower, upper, body):
                # the sign reaches over the products behind it, and no further
                mark = "∑" if isinstance(e, BigSum) else "∏"
                if isinstance(e, BigProduct) and e.rising:
                    lower, upper = upper, lower
                holds = HADAMARD if isinstance(e, BigSum) else PRODUCT
                return self.big(mark, index, lower, upper, self.show(body, holds)), HADAMARD
            case Blocks(_, rows):
                return self.blocks([[self.show(p) for p in row] for row in rows]), ATOM
            case Tagged(_, arg, ids):
                text, strength = self.pair(arg)
                return self.tag(text, ids), strength
        raise TypeError(f"not an expression: {e!r}")

    def applied(self, e: Apply, symbol: str, args: Sequence[Expr]) -> tuple[str, int]:
        if e.op.notation == "hidden":
            return self.pair(args[0])
        if e.op.name in _SPELLED:
            return self.pair(_SPELLED[e.op.name](*args))
        if symbol == "abs":
            return self.bars(self.show(args[0])), ATOM
        return self.call(self.function(symbol), [self.show(a) for a in (*args, *_settings(e))]), ATOM

    def total(self, terms: Sequence[Expr]) -> str:
        signed = [(s, self.show(t, QUOTIENT)) for s, t in map(split_sign, terms)]
        return self.signed_sum(signed)

    def lacks(self, what: str) -> BPTTError:
        """What a printer raises that does not write something."""
        return BPTTError(f"a {type(self).__name__} does not write {what}", "print the formula in another way")

    # What a language must say

    def name(self, name: str) -> tuple[str, int]:
        raise self.lacks("a name")

    def number(self, value: int | float | Fraction) -> tuple[str, int]:
        raise self.lacks("a number")

    def brackets(self, text: str) -> str:
        raise self.lacks("brackets")

    def square(self, text: str) -> str:
        raise self.lacks("brackets")

    def signed_sum(self, terms: list[tuple[int, str]]) -> str:
        raise self.lacks("a sum")

    def minus(self, text: str) -> str:
        raise self.lacks("a minus sign")

    def times(self, factors: list[tuple[Expr, str]]) -> str:
        raise self.lacks("a product")

    def infix(self, symbol: str, parts: list[str]) -> str:
        raise self.lacks("a product of entries")

    def powered(self, base: Expr, exponent: Expr) -> str:
        raise self.lacks("a power")

    def quotient(self, top: Expr, bottom: Expr) -> str:
        raise self.lacks("a quotient")

    def transposed(self, text: str) -> str:
        raise self.lacks("a transpose")

    def word(self, word: str) -> str:
        raise self.lacks("a word")

    def function(self, symbol: str) -> str:
        raise self.lacks("a function")

    def call(self, function: str, args: list[str]) -> str:
        raise self.lacks("a function's value")

    def bars(self, text: str) -> str:
        raise self.lacks("an absolute value")

    def unit(self) -> str:
        raise self.lacks("the unit matrix")

    def ones(self) -> str:
        raise self.lacks("a column of ones")

    def blocks(self, rows: list[list[str]]) -> str:
        raise self.lacks("a matrix of blocks")

    def slice(self, text: str, start: str, stop: str) -> str:
        raise self.lacks("some rows of a matrix")

    def unit_vector(self, text: str) -> str:
        raise self.lacks("a unit vector")

    def column(self, text: str, index: str) -> str:
        raise self.lacks("a column of a matrix")

    def partial(self, e: Partial) -> str:
        raise self.lacks("a derivative by its symbol")

    def entry(self, text: str, indices: tuple[int | str, ...]) -> str:
        raise self.lacks("an entry")

    def big(self, mark: str, index: str, lower: Expr, upper: Expr, body: str) -> str:
        raise self.lacks("a sum or product over steps")

    def tag(self, text: str, ids: str) -> str:
        return text

    # How a language lays out what is more than a formula; as plain text unless it says otherwise

    def statement(self, terms: list[tuple[int, str]], left: str) -> str:
        """`left = term + term …` from signs and texts, one term a line where the language has lines; `left` may be
        ""."""
        return (f"{left} = " if left else "") + self.signed_sum(terms)

    def below(self, statements: Sequence[str]) -> str:
        """Statements one below the other."""
        return "\n".join(statements)

    def for_steps(self, statement: str, steps: str) -> str:
        """A statement that holds for some steps, such as `t = T, …, 1`."""
        return f"{statement}    for {steps}"

    def worked(self, lines: Sequence[str], right: bool) -> str:
        """A formula, the same in numbers, and what comes out, with the mark of a check."""
        formula, numbers, result = lines
        return f"{formula}\n= {numbers}\n{result} {'✓' if right else '✗'}"
