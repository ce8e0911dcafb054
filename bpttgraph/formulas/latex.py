r"""Formulas as LaTeX, in commands that amsmath, KaTeX, MathJax and ziamath all know."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..core.names import to_latex as name_to_latex
from .expr import Apply, Expr, Num, Partial, Tagged
from .walk import ATOM, FRACTION, POSTFIX, QUOTIENT, Printer, is_word
from .width import plain_number

__all__ = ["LatexPrinter", "to_latex"]

_COMMANDS = frozenset(["tanh", "exp", "log", "sin", "cos", "max", "min", "arg"])
_SPECIAL = {"σ": r"\sigma", "1₊": r"\mathbf{1}_{+}"}


class LatexPrinter(Printer):
    def name(self, name: str) -> tuple[str, int]:
        text = name_to_latex(name)
        if "/" in text:
            return text, QUOTIENT
        # a second superscript on the same letter is a LaTeX error, so such a name gets brackets under a power
        return text, POSTFIX if "^" in text or "'" in text else ATOM

    def number(self, value: int | float | Fraction) -> tuple[str, int]:
        if isinstance(value, Fraction) and value.denominator != 1:
            return rf"\frac{{{value.numerator}}}{{{value.denominator}}}", FRACTION
        text = plain_number(value)
        if "e" in text:
            mantissa, exponent = text.split("e")
            return rf"{mantissa} \cdot 10^{{{int(exponent)}}}", QUOTIENT
        return text, ATOM

    def brackets(self, text: str) -> str:
        return rf"\left({text}\right)"

    def square(self, text: str) -> str:
        return rf"\left[{text}\right]"

    def signed_sum(self, terms: list[tuple[int, str]]) -> str:
        first = ("-" if terms[0][0] < 0 else "") + terms[0][1]
        return first + "".join((" - " if s < 0 else " + ") + text for s, text in terms[1:])

    def minus(self, text: str) -> str:
        return "-" + text

    def times(self, factors: list[tuple[Expr, str]]) -> str:
        lines = []
        for line in self.lines(factors):
            out = line[0][1]
            for _, text in line[1:]:
                out += (r" \cdot " if text[0] in "0123456789" else r" \, ") + text
            lines.append(out)
        if len(lines) == 1:
            return lines[0]
        # a product that is too wide for a page goes on below, behind a dot that says so
        return r"\begin{aligned} & " + r" \\ & \quad {} \cdot ".join(lines) + r" \end{aligned}"

    def infix(self, symbol: str, parts: list[str]) -> str:
        return r" \circ ".join(parts)

    def powered(self, base: Expr, exponent: Expr) -> str:
        above = self.show(exponent)
        inner = base.arg if isinstance(base, Tagged) else base
        if isinstance(inner, Apply) and isinstance(exponent, Num) and inner.op.symbol in _COMMANDS | {"σ"}:
            return self.call(rf"{self.function(inner.op.symbol)}^{{{above}}}", [self.show(a) for a in inner.args])
        return f"{self.show(base, ATOM)}^{{{above}}}"

    def quotient(self, top: Expr, bottom: Expr) -> str:
        return rf"\frac{{{self.show(top)}}}{{{self.show(bottom)}}}"

    def transposed(self, text: str) -> str:
        return text + r"^{\top}"

    def word(self, word: str) -> str:
        return rf"\operatorname{{{word}}}"

    def function(self, symbol: str) -> str:
        if symbol in _COMMANDS:
            return "\\" + symbol
        if symbol in _SPECIAL:
            return _SPECIAL[symbol]
        return self.word(symbol.replace("_", r"\_")) if is_word(symbol) else name_to_latex(symbol)

    def call(self, function: str, args: list[str]) -> str:
        return function + self.brackets(", ".join(args))

    def bars(self, text: str) -> str:
        return rf"\left|{text}\right|"

    def unit(self) -> str:
        return "I"

    def ones(self) -> str:
        return r"\mathbf{1}"

    def blocks(self, rows: list[list[str]]) -> str:
        return r"\begin{bmatrix} " + r" \\ ".join(" & ".join(row) for row in rows) + r" \end{bmatrix}"

    def slice(self, text: str, start: str, stop: str) -> str:
        return rf"\left[{text}\right]_{{{start}:{stop}}}"

    def unit_vector(self, text: str) -> str:
        return rf"\mathbf{{e}}_{{{text}}}"

    def column(self, text: str, index: str) -> str:
        return rf"\left[{text}\right]_{{:,{index}}}"

    def entry(self, text: str, indices: tuple[int | str, ...]) -> str:
        return rf"\left({text}\right)_{{{','.join(map(str, indices))}}}"

    def big(self, mark: str, index: str, lower: Expr, upper: Expr, body: str) -> str:
        low, high = self.show(lower), self.show(upper)
        if mark == "∑":
            return rf"\sum_{{{index}={low}}}^{{{high}}} {body}"
        # the largest index stands on the left: written from above to below, as the factors are
        return rf"\prod_{{{index}={high}}}^{{{low}}} {body}"

    def partial(self, e: Partial) -> str:
        d = r"\mathrm{d} " if e.total else r"\partial "
        above = r"\partial^{+} " if e.immediate else d
        return rf"\frac{{{above}{name_to_latex(e.target)}}}{{{d}{name_to_latex(e.source)}}}"

    def statement(self, terms: list[tuple[int, str]], left: str) -> str:
        lead = f"{left} " if left else ""
        first = ("-" if terms[0][0] < 0 else "") + terms[0][1]
        if len(terms) == 1:
            return f"{lead}= {first}" if lead else first
        lines = [f"{lead}&= {first}" if lead else f"& {first}"]
        lines += [rf"&\quad {'-' if s < 0 else '+'} {text}" for s, text in terms[1:]]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def below(self, statements: Sequence[str]) -> str:
        return "\\begin{gathered}\n" + " \\\\[2pt]\n".join(statements) + "\n\\end{gathered}"

    def for_steps(self, statement: str, steps: str) -> str:
        steps = steps.replace("…", r"\dots").replace("−", "-").replace("≥", r"\ge")
        return rf"{statement}, \qquad {steps}"

    def worked(self, lines: Sequence[str], right: bool) -> str:
        formula, numbers, result = lines
        sign = r"\checkmark" if right else r"\times"
        rows = " \\\\\n".join([formula, f"= {numbers}", rf"{result} \quad {sign}"])
        return "\\begin{gathered}\n" + rows + "\n\\end{gathered}"


def to_latex(e: Expr) -> str:
    r"""LaTeX, without delimiters.

    >>> from bpttgraph.formulas.expr import partial, product
    >>> print(to_latex(partial("h[2]", (3,), "W_hh", (3, 3), immediate=True)))
    \frac{\partial^{+} h_{2}}{\partial W_{hh}}
    """
    return LatexPrinter().show(e)
