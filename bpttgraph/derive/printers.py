"""How formulas print: one walk decides brackets by precedence, a printer only says how its language writes things.

`to_text` (Unicode, for terminals) stands here; `latex.py`, `mathml.py` and `to_sympy.py` hold the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import ClassVar

from ..names import to_unicode
from .expr import (
    Add,
    Apply,
    BigProduct,
    BigSum,
    Blocks,
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
    split_sign,
)  # fmt: skip

__all__ = ["Printer", "UnicodePrinter", "to_text", "width"]

# How strongly a construct holds together. An operand that holds less than its place demands gets brackets.
SUM, QUOTIENT, HADAMARD, PRODUCT, FRACTION, POSTFIX, ATOM = 10, 15, 20, 30, 40, 50, 60


class Printer:
    """The walk. Subclasses write the pieces: each method takes finished text and returns text."""

    fraction = FRACTION  # precedence of a quotient: a built-up fraction needs no brackets in a product, a/b does
    derivative = FRACTION

    def __init__(self, widest: int | None = None):
        """`widest`: letters in one line of a product, after which it continues on the next; None never breaks a line."""
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
                turned = self.show(left) if not left.shape else self.transposed(self.show(left, ATOM))
                return self.times([(left, turned), (right, self.show(right, FRACTION))]), PRODUCT
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
                return self.blocks([[self.show(_entry(x)) for x in row] for row in entries]), ATOM
            case Rows(_, arg, start, stop):
                return self.slice(self.show(arg, ATOM), f"{start + 1}", f"{stop}"), POSTFIX
            case Partial():
                return self.partial(e), self.derivative
            case Entry(_, arg, indices):
                return self.entry(self.show(arg), indices), POSTFIX
            case BigSum(_, index, lower, upper, body) | BigProduct(_, index, lower, upper, body):
                # the sign reaches over the products behind it, and no further
                mark = "∑" if isinstance(e, BigSum) else "∏"
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
        if symbol == "abs":
            return self.bars(self.show(args[0])), ATOM
        return self.call(self.function(symbol), [self.show(a) for a in args]), ATOM

    def total(self, terms: Sequence[Expr]) -> str:
        signed = [(s, self.show(t, QUOTIENT)) for s, t in map(split_sign, terms)]
        return self.signed_sum(signed)

    # What a language must say

    def name(self, name: str) -> tuple[str, int]:
        raise NotImplementedError

    def number(self, value: int | float | Fraction) -> tuple[str, int]:
        raise NotImplementedError

    def brackets(self, text: str) -> str:
        raise NotImplementedError

    def square(self, text: str) -> str:
        raise NotImplementedError

    def signed_sum(self, terms: list[tuple[int, str]]) -> str:
        raise NotImplementedError

    def minus(self, text: str) -> str:
        raise NotImplementedError

    def times(self, factors: list[tuple[Expr, str]]) -> str:
        raise NotImplementedError

    def infix(self, symbol: str, parts: list[str]) -> str:
        raise NotImplementedError

    def powered(self, base: Expr, exponent: Expr) -> str:
        raise NotImplementedError

    def quotient(self, top: Expr, bottom: Expr) -> str:
        raise NotImplementedError

    def transposed(self, text: str) -> str:
        raise NotImplementedError

    def word(self, word: str) -> str:
        raise NotImplementedError

    def function(self, symbol: str) -> str:
        raise NotImplementedError

    def call(self, function: str, args: list[str]) -> str:
        raise NotImplementedError

    def bars(self, text: str) -> str:
        raise NotImplementedError

    def unit(self) -> str:
        raise NotImplementedError

    def ones(self) -> str:
        raise NotImplementedError

    def blocks(self, rows: list[list[str]]) -> str:
        raise NotImplementedError

    def slice(self, text: str, start: str, stop: str) -> str:
        raise NotImplementedError

    def partial(self, e: Partial) -> str:
        raise NotImplementedError

    def entry(self, text: str, indices: tuple[int | str, ...]) -> str:
        raise NotImplementedError

    def big(self, mark: str, index: str, lower: Expr, upper: Expr, body: str) -> str:
        raise NotImplementedError

    def tag(self, text: str, ids: str) -> str:
        return text


def _entry(x: float) -> Expr:
    from .expr import num

    return num(x)


def plain_number(value: int | float | Fraction) -> str:
    """A number as a person writes it: 2, 0.5, 1/3."""
    if isinstance(value, Fraction):
        return str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
    return f"{value}" if isinstance(value, int) else f"{value:.12g}"


def width(e: Expr) -> int:
    """How wide a formula is, roughly, in letters."""
    match e:
        case Symbol(_, name):
            text = to_unicode(name)
            return max(1, len(text.replace("[", "").replace("]", "").replace("_", "")))
        case Tagged(_, arg, _) | Neg(_, arg):
            return width(arg)
        case Partial():
            return max(width(Symbol((), e.target, ())), width(Symbol((), e.source, ()))) + 1
        case Divide(_, top, bottom):
            return max(width(top), width(bottom)) + 1
        case Transpose(_, arg):
            return width(arg) + (3 if isinstance(arg, Product) else 1)
        case Stack(_, parts):
            return 2 + max(width(p) for p in parts)
        case Diag(_, arg) | Rows(_, arg):
            return width(arg) + 6
        case Power(_, base, exponent):
            return width(base) + width(exponent)
        case Apply(_, op, args):
            return len(op.symbol or op.name) + 2 + sum(width(a) for a in args)
        case Product(_, parts) | Hadamard(_, parts):
            # a sum among factors stands in brackets
            return sum(width(p) + (2 if isinstance(p, Add) else 1) for p in parts)
        case Add(_, parts):
            return sum(width(p) + 2 for p in parts)
        case Dot(_, left, right):
            return width(left) + width(right) + 2
        case Literal(_, entries):
            return 2 + max(sum(len(plain_number(x)) + 1 for x in row) for row in entries)
        case Num(_, value):
            return len(plain_number(value))
        case Entry(_, arg, indices):
            return width(arg) + len(indices) + 1
        case BigSum(_, _, _, _, body) | BigProduct(_, _, _, _, body):
            return width(body) + 3
        case Blocks(_, grid):
            return 2 + max(sum(width(x) + 2 for x in row) for row in grid)
    return 1


def is_derivative(e: Expr) -> bool:
    return isinstance(e.arg if isinstance(e, Tagged) else e, Partial)


_SUB = str.maketrans("0123456789aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
_LOW = frozenset("0123456789aehijklmnoprstuvx")


class UnicodePrinter(Printer):
    fraction = QUOTIENT
    _SUPER: ClassVar[dict[int, int]] = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

    def name(self, name: str) -> tuple[str, int]:
        text = to_unicode(name)
        if "/" in text:
            return text, QUOTIENT
        return text, POSTFIX if any(c in "⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾′^" for c in text) else ATOM

    def number(self, value: int | float | Fraction) -> tuple[str, int]:
        text = plain_number(value)
        return text, QUOTIENT if "/" in text or "e" in text else ATOM

    def brackets(self, text: str) -> str:
        return f"({text})"

    def square(self, text: str) -> str:
        return f"[{text}]"

    def signed_sum(self, terms: list[tuple[int, str]]) -> str:
        first = ("−" if terms[0][0] < 0 else "") + terms[0][1]
        return first + "".join((" − " if s < 0 else " + ") + text for s, text in terms[1:])

    def minus(self, text: str) -> str:
        return "−" + text

    def times(self, factors: list[tuple[Expr, str]]) -> str:
        out = factors[0][1]
        for (before, _), (e, text) in pairwise(factors):
            dotted = is_derivative(before) or is_derivative(e) or text[0] in "0123456789"
            out += (" · " if dotted else " ") + text
        return out

    def infix(self, symbol: str, parts: list[str]) -> str:
        return f" {symbol} ".join(parts)

    def powered(self, base: Expr, exponent: Expr) -> str:
        below = self.show(base, ATOM)
        if isinstance(exponent, Num) and isinstance(exponent.value, int):
            return below + str(exponent.value).translate(self._SUPER)
        return f"{below}^({self.show(exponent)})"

    def quotient(self, top: Expr, bottom: Expr) -> str:
        return f"{self.show(top, POSTFIX)}/{self.show(bottom, POSTFIX)}"

    def transposed(self, text: str) -> str:
        return text + "ᵀ"

    def word(self, word: str) -> str:
        return word

    def function(self, symbol: str) -> str:
        return to_unicode(symbol)

    def call(self, function: str, args: list[str]) -> str:
        return f"{function}({', '.join(args)})"

    def bars(self, text: str) -> str:
        return f"|{text}|"

    def unit(self) -> str:
        return "I"

    def ones(self) -> str:
        return "𝟏"

    def blocks(self, rows: list[list[str]]) -> str:
        return "[" + "; ".join(", ".join(row) for row in rows) + "]"

    def slice(self, text: str, start: str, stop: str) -> str:
        return f"{text}[{start}:{stop}]"

    def entry(self, text: str, indices: tuple[int | str, ...]) -> str:
        flat = "".join(map(str, indices))
        apart = any(isinstance(i, int) and i > 9 for i in indices)
        return f"({text})" + (flat.translate(_SUB) if not apart and set(flat) <= _LOW else f"_({','.join(map(str, indices))})")

    def big(self, mark: str, index: str, lower: Expr, upper: Expr, body: str) -> str:
        low, high = (self.show(x).replace(" ", "") for x in (lower, upper))
        first, last = (f"{index}={low}", high) if mark == "∑" else (f"{index}={high}", low)
        return f"{mark}[{first}..{last}] {body}"

    def partial(self, e: Partial) -> str:
        top, below = to_unicode(e.target), to_unicode(e.source)
        # names such as ∂E/∂y₃ are fractions themselves
        top, below = (f"({x})" if "/" in x else x for x in (top, below))
        return f"d{top}/d{below}" if e.total else f"{'∂⁺' if e.immediate else '∂'}{top}/∂{below}"


def to_text(e: Expr) -> str:
    """Unicode text for a terminal.

    >>> from bpttgraph.derive.expr import diag, num, power, product, subtract, symbol
    >>> h = symbol("h[3]", (3,))
    >>> to_text(product(diag(subtract(num(1), power(h, num(2))), 3), symbol("W_hh", (3, 3))))
    'diag(1 − h₃²) W_hh'
    """
    return UnicodePrinter().show(e)
