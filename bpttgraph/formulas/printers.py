"""Formulas as Unicode text, for terminals; the walk and its rules of brackets are in `walk.py`."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import ClassVar
from unicodedata import combining

from ..core.names import to_unicode
from .expr import Expr, Num, Partial, Tagged
from .walk import ATOM, POSTFIX, QUOTIENT, Printer
from .width import plain_number, width

__all__ = ["Printer", "UnicodePrinter", "to_text", "width"]


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
        lines = []
        for line in self.lines(factors):
            out = line[0][1]
            for (before, _), (e, text) in pairwise(line):
                dotted = is_derivative(before) or is_derivative(e) or text[0] in "0123456789"
                out += (" · " if dotted else " ") + text
            lines.append(out)
        return "\n· ".join(lines)

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
        lines = [", ".join(row) for row in rows]
        wide = self.widest is not None and sum(map(len, lines)) > self.widest
        return "[" + (";\n " if wide else "; ").join(lines) + "]"

    def slice(self, text: str, start: str, stop: str) -> str:
        return f"{text}[{start}:{stop}]"

    def unit_vector(self, text: str) -> str:
        return f"𝐞({text})"

    def column(self, text: str, index: str) -> str:
        return f"{text}[:, {index}]"

    def entry(self, text: str, indices: tuple[int | str, ...]) -> str:
        flat = "".join(map(str, indices))
        apart = any(isinstance(i, int) and i > 9 for i in indices)
        return f"({text})" + (
            flat.translate(_SUB) if not apart and set(flat) <= _LOW else f"_({','.join(map(str, indices))})"
        )

    def big(self, mark: str, index: str, lower: Expr, upper: Expr, body: str) -> str:
        low, high = (self.show(x).replace(" ", "") for x in (lower, upper))
        first, last = (f"{index}={low}", high) if mark == "∑" else (f"{index}={high}", low)
        return f"{mark}[{first}..{last}] {body}"

    def partial(self, e: Partial) -> str:
        top, below = to_unicode(e.target), to_unicode(e.source)
        # names such as ∂E/∂y₃ are fractions themselves
        top, below = (f"({x})" if "/" in x else x for x in (top, below))
        return f"d{top}/d{below}" if e.total else f"{'∂⁺' if e.immediate else '∂'}{top}/∂{below}"

    def statement(self, terms: list[tuple[int, str]], left: str) -> str:
        """The signs in one column."""
        lead = f"{left} = " if left else ""
        out = [lead + ("−" if terms[0][0] < 0 else "") + terms[0][1]]
        indent = " " * max(sum(not combining(c) for c in lead) - 2, 0)
        out += [f"{indent}{'−' if s < 0 else '+'} {text}" for s, text in terms[1:]]
        return "\n".join(line.replace("\n", f"\n{indent}    ") for line in out)


def to_text(e: Expr) -> str:
    """Unicode text for a terminal.

    >>> from bpttgraph.formulas.expr import diag, num, power, product, subtract, symbol
    >>> h = symbol("h[3]", (3,))
    >>> to_text(product(diag(subtract(num(1), power(h, num(2))), 3), symbol("W_hh", (3, 3))))
    'diag(1 − h₃²) W_hh'
    """
    return UnicodePrinter().show(e)
