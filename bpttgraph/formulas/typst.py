"""Formulas as Typst mathematics (without the dollar signs), for PDF through the `typst` wheel.

Names are written as quoted or single-letter identifiers, so that no name can reach Typst's code mode.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from ..core.names import _MARKS, _parse
from .expr import Apply, Expr, Num, Partial, Tagged
from .walk import ATOM, FRACTION, POSTFIX, QUOTIENT, Printer, is_word
from .width import plain_number

__all__ = ["TypstPrinter", "name_to_typst", "to_typst"]

_ACCENTS = {"hat": "hat", "bar": "macron", "tilde": "tilde", "dot": "dot", "ddot": "dot.double", "check": "caron",
            "vec": "arrow", "breve": "breve", "acute": "acute", "grave": "grave"}  # fmt: skip
_OPERATORS = {"tanh", "exp", "log", "sin", "cos", "max", "min", "arg"}


def _word(text: str, upright_from: int = 3) -> str:
    """Letters and digits as Typst math: one letter as it is, more of them apart (or upright as a word)."""
    if re.fullmatch(r"[^\W\d_]+", text) and len(text) >= upright_from:
        return quoted(text)
    if re.fullmatch(r"[\w+\-−(),]*", text) and "_" not in text:
        return " ".join(re.findall(r"\d+|.", text.replace("−", "-")))
    return quoted(text)


def quoted(text: str) -> str:
    """Text as a Typst string: nothing in it is read as code."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def name_to_typst(name: str) -> str:
    r"""A name as Typst mathematics.

    >>> name_to_typst("W_hh"), name_to_typst("h\u0304[t+1]"), name_to_typst("encoder.h[2]")
    ('W_(h h)', 'macron(h)_(t + 1)', 'h_(2)^("enc")')
    """
    n = _parse(name)
    if n.derivative:
        return " \\/ ".join("∂ " + name_to_typst(part) for part in n.derivative)
    out = _word(n.head, 2)
    for mark in n.marks:
        out = f"{_ACCENTS.get(_MARKS[mark][0], 'hat')}({out})"
    below = [_word(s) for s in n.subs] + ([_word(n.step)] if n.step else [])
    above = (["prime " * n.primes] if n.primes else []) + [_word(s, 1) if s.isdecimal() else _word(s) for s in n.supers]
    out += f"_({', '.join(below)})" if below else ""
    return out + (f"^({', '.join(x.strip() for x in above)})" if above else "")


class TypstPrinter(Printer):
    def name(self, name: str) -> tuple[str, int]:
        text = name_to_typst(name)
        return text, QUOTIENT if "\\/" in text else POSTFIX if "^" in text else ATOM

    def number(self, value: int | float | Fraction) -> tuple[str, int]:
        if isinstance(value, Fraction) and value.denominator != 1:
            return f"frac({value.numerator}, {value.denominator})", FRACTION
        text = plain_number(value)
        if "e" in text:
            mantissa, exponent = text.split("e")
            return f"{mantissa} dot 10^({int(exponent)})", QUOTIENT
        return text, ATOM

    def brackets(self, text: str) -> str:
        return f"lr(( {text} ))"

    def square(self, text: str) -> str:
        return f"lr([ {text} ])"

    def signed_sum(self, terms: list[tuple[int, str]]) -> str:
        first = ("- " if terms[0][0] < 0 else "") + terms[0][1]
        return first + "".join((" - " if s < 0 else " + ") + text for s, text in terms[1:])

    def minus(self, text: str) -> str:
        return "- " + text

    def times(self, factors: list[tuple[Expr, str]]) -> str:
        lines = []
        for line in self.lines(factors):
            out = line[0][1]
            for _, text in line[1:]:
                out += (" dot " if text[0] in "0123456789" else " thin ") + text
            lines.append(out)
        if len(lines) == 1:
            return lines[0]
        # a product that is too wide for a page goes on below, behind a dot that says so
        return (
            "mat(delim: #none, align: #left, row-gap: #0.6em, "
            + "; quad dot ".join(f"display({x})" for x in lines)
            + ")"
        )

    def infix(self, symbol: str, parts: list[str]) -> str:
        return " ∘ ".join(parts)

    def powered(self, base: Expr, exponent: Expr) -> str:
        above = self.show(exponent)
        inner = base.arg if isinstance(base, Tagged) else base
        if isinstance(inner, Apply) and isinstance(exponent, Num) and inner.op.symbol in _OPERATORS | {"σ"}:
            return self.call(f"{self.function(inner.op.symbol)}^({above})", [self.show(a) for a in inner.args])
        return f"{self.show(base, ATOM)}^({above})"

    def quotient(self, top: Expr, bottom: Expr) -> str:
        return f"frac({self.show(top)}, {self.show(bottom)})"

    def transposed(self, text: str) -> str:
        return text + "^(⊤)"

    def word(self, word: str) -> str:
        return f"op({quoted(word)})"

    def function(self, symbol: str) -> str:
        if symbol in _OPERATORS:
            return symbol
        if symbol == "1₊":
            return "bold(1)_(+)"
        return self.word(symbol) if is_word(symbol) or re.fullmatch(r"[A-Za-z]{2,}", symbol) else name_to_typst(symbol)

    def call(self, function: str, args: list[str]) -> str:
        return f"{function} " + self.brackets(", ".join(args))

    def bars(self, text: str) -> str:
        return f"abs({text})"

    def unit(self) -> str:
        return "I"

    def ones(self) -> str:
        return "bold(1)"

    def blocks(self, rows: list[list[str]]) -> str:
        return 'mat(delim: "[", ' + "; ".join(", ".join(row) for row in rows) + ")"

    def slice(self, text: str, start: str, stop: str) -> str:
        return f"lr([ {text} ])_({start} : {stop})"

    def unit_vector(self, text: str) -> str:
        return f"bold(e)_({text})"

    def column(self, text: str, index: str) -> str:
        return f"lr([ {text} ])_(:, {index})"

    def entry(self, text: str, indices: tuple[int | str, ...]) -> str:
        return f"lr(( {text} ))_({', '.join(map(str, indices))})"

    def big(self, mark: str, index: str, lower: Expr, upper: Expr, body: str) -> str:
        sign, first, last = ("sum", lower, upper) if mark == "∑" else ("product", upper, lower)
        return f"{sign}_({index} = {self.show(first)})^({self.show(last)}) {body}"

    def partial(self, e: Partial) -> str:
        d = "upright(d) " if e.total else "∂ "
        above = "∂^(+) " if e.immediate else d
        return f"frac({above}{name_to_typst(e.target)}, {d}{name_to_typst(e.source)})"

    def statement(self, terms: list[tuple[int, str]], left: str) -> str:
        """The summands aligned behind the equals sign."""
        lead = f"{left} &= " if left else "&"
        out = lead + ("- " if terms[0][0] < 0 else "") + terms[0][1]
        return out + "".join(f" \\\n  &quad {'-' if s < 0 else '+'} {text}" for s, text in terms[1:])

    def below(self, statements: Sequence[str]) -> str:
        return " \\\n".join(statements)

    def for_steps(self, statement: str, steps: str) -> str:
        return f'{statement}, quad "{steps}"'

    def worked(self, lines: Sequence[str], right: bool) -> str:
        formula, numbers, result = lines
        return f"{formula} \\\n= {numbers} \\\n{result} quad {'✓' if right else '✗'}"


def to_typst(e: Expr) -> str:
    """Typst mathematics, without delimiters.

    >>> from bpttgraph.formulas.expr import partial, symbol, transpose
    >>> to_typst(partial("h[2]", (3,), "W_hh", (3, 3), immediate=True)), to_typst(transpose(symbol("W", (2, 3))))
    ('frac(∂^(+) h_(2), ∂ W_(h h))', 'W^(⊤)')
    """
    return TypstPrinter().show(e)
