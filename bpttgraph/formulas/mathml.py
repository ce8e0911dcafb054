"""Formulas as presentation MathML (Core), for HTML that must work offline.

Every tagged factor becomes `<mrow data-id="h[2]->h[3]">`, so a page can light up the edge of a picture and the other
way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from xml.sax.saxutils import escape, quoteattr

from ..core.names import to_mathml as name_to_mathml, to_unicode
from .expr import Expr, Partial
from .walk import ATOM, FRACTION, QUOTIENT, Printer, is_word
from .width import plain_number

__all__ = ["MathMLPrinter", "attribute", "to_mathml"]

_TIMES = '<mo lspace="0" rspace="0.17em">&#x2062;</mo>'


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return "".join(
        c if c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff" else "\ufffd" for c in text
    )


def attribute(text: str) -> str:
    """Text as a quoted attribute value."""
    return quoteattr(_clean(text))


def row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def above(text: str, mark: str) -> str:
    """A superscript; over a subscript, not behind it."""
    if text.startswith("<msub>") and text.endswith("</msub>") and text.count("<msub>") == 1:
        return f"<msubsup>{text[6:-7]}{mark}</msubsup>"
    return f"<msup>{text}{mark}</msup>"


class MathMLPrinter(Printer):
    def name(self, name: str) -> tuple[str, int]:
        return name_to_mathml(name), QUOTIENT if "/" in to_unicode(name) else ATOM

    def number(self, value: int | float | Fraction) -> tuple[str, int]:
        if isinstance(value, Fraction) and value.denominator != 1:
            return f"<mfrac><mn>{value.numerator}</mn><mn>{value.denominator}</mn></mfrac>", FRACTION
        text = plain_number(value)
        if "e" in text:
            mantissa, exponent = text.split("e")
            power = f"<msup><mn>10</mn>{self._integer(int(exponent))}</msup>"
            return row(f"<mn>{mantissa}</mn>", "<mo>·</mo>", power), QUOTIENT
        return f"<mn>{text}</mn>", ATOM

    @staticmethod
    def _integer(n: int) -> str:
        return f"<mn>{n}</mn>" if n >= 0 else row("<mo>−</mo>", f"<mn>{-n}</mn>")

    def brackets(self, text: str) -> str:
        return row('<mo stretchy="true">(</mo>', text, '<mo stretchy="true">)</mo>')

    def square(self, text: str) -> str:
        return row('<mo stretchy="true">[</mo>', text, '<mo stretchy="true">]</mo>')

    def signed_sum(self, terms: list[tuple[int, str]]) -> str:
        out = ['<mo form="prefix">−</mo>' if terms[0][0] < 0 else "", terms[0][1]]
        for sign, text in terms[1:]:
            out += ["<mo>−</mo>" if sign < 0 else "<mo>+</mo>", text]
        return row(*out)

    def minus(self, text: str) -> str:
        return row('<mo form="prefix">−</mo>', text)

    def times(self, factors: list[tuple[Expr, str]]) -> str:
        lines = []
        for line in self.lines(factors):
            out = [line[0][1]]
            for _, text in line[1:]:
                out += ["<mo>·</mo>" if text.startswith("<mn>") else _TIMES, text]
            lines.append(row(*out))
        if len(lines) == 1:
            return lines[0]
        # a product that is too wide for a page goes on below, behind a dot that says so
        lines[1:] = [row('<mspace width="1.5em"/><mo>·</mo>', line) for line in lines[1:]]
        cells = "".join(f'<mtr><mtd style="text-align:left;padding:0.25em 0">{line}</mtd></mtr>' for line in lines)
        return f'<mtable displaystyle="true">{cells}</mtable>'

    def infix(self, symbol: str, parts: list[str]) -> str:
        return row(f"<mo>{symbol}</mo>".join(parts))

    def powered(self, base: Expr, exponent: Expr) -> str:
        return above(self.show(base, ATOM), self.show(exponent))

    def quotient(self, top: Expr, bottom: Expr) -> str:
        return f"<mfrac>{self.show(top)}{self.show(bottom)}</mfrac>"

    def transposed(self, text: str) -> str:
        return above(text, "<mo>⊤</mo>")

    def word(self, word: str) -> str:
        return f"<mi>{escape(_clean(word))}</mi>"

    def function(self, symbol: str) -> str:
        if symbol == "1₊":
            return "<msub><mn>1</mn><mo>+</mo></msub>"
        return (
            self.word(symbol) if is_word(symbol) or (symbol.isalpha() and len(symbol) > 1) else name_to_mathml(symbol)
        )

    def call(self, function: str, args: list[str]) -> str:
        return row(function, "<mo>&#x2061;</mo>", self.brackets("<mo>,</mo>".join(args)))

    def bars(self, text: str) -> str:
        return row('<mo stretchy="true">|</mo>', text, '<mo stretchy="true">|</mo>')

    def unit(self) -> str:
        return "<mi>I</mi>"

    def ones(self) -> str:
        return "<mi>𝟏</mi>"

    def blocks(self, rows: list[list[str]]) -> str:
        body = "".join("<mtr>" + "".join(f"<mtd>{cell}</mtd>" for cell in cells) + "</mtr>" for cells in rows)
        return row('<mo stretchy="true">[</mo>', f"<mtable>{body}</mtable>", '<mo stretchy="true">]</mo>')

    def slice(self, text: str, start: str, stop: str) -> str:
        inside = row("<mo>[</mo>", text, "<mo>]</mo>")
        return f"<msub>{inside}{row(f'<mn>{start}</mn><mo>:</mo><mn>{stop}</mn>')}</msub>"

    def unit_vector(self, text: str) -> str:
        return f"<msub><mi>𝐞</mi>{text}</msub>"

    def column(self, text: str, index: str) -> str:
        inside = row("<mo>[</mo>", text, "<mo>]</mo>")
        return f"<msub>{inside}{row('<mo>:</mo><mo>,</mo>', index)}</msub>"

    def entry(self, text: str, indices: tuple[int | str, ...]) -> str:
        low = "<mo>,</mo>".join(f"<mn>{i}</mn>" if isinstance(i, int) else f"<mi>{escape(i)}</mi>" for i in indices)
        return f"<msub>{self.brackets(text)}{row(low)}</msub>"

    def big(self, mark: str, index: str, lower: Expr, upper: Expr, body: str) -> str:
        first, last = (lower, upper) if mark == "∑" else (upper, lower)
        below = row(name_to_mathml(index), "<mo>=</mo>", self.show(first))
        return row(f"<munderover><mo>{mark}</mo>{below}{row(self.show(last))}</munderover>", body)

    def partial(self, e: Partial) -> str:
        d = '<mi mathvariant="normal">d</mi>' if e.total else '<mo lspace="0" rspace="0">∂</mo>'
        top = f"<msup>{d}<mo>+</mo></msup>" if e.immediate else d
        return f"<mfrac>{row(top, name_to_mathml(e.target))}{row(d, name_to_mathml(e.source))}</mfrac>"

    def tag(self, text: str, ids: str) -> str:
        return f"<mrow data-id={attribute(ids)}>{text}</mrow>"

    def statement(self, terms: list[tuple[int, str]], left: str) -> str:
        """A `<math>` element with a table: one row a term."""
        rows = []
        for i, (sign, text) in enumerate(terms):
            lead = "" if i else left
            relation = "<mo>=</mo>" if lead else ""
            if i:
                relation = f'<mo form="infix">{"−" if sign < 0 else "+"}</mo>'
            elif sign < 0:
                text = f'<mrow><mo form="prefix">−</mo>{text}</mrow>'
            cells = [(lead, "right"), (relation, "center"), (text, "left")]
            body = "".join(f'<mtd style="text-align:{side};padding:0.35em 0.15em">{cell}</mtd>' for cell, side in cells)
            rows.append(f"<mtr>{body}</mtr>")
        return _whole(rows)

    def for_steps(self, statement: str, steps: str) -> str:
        return statement.replace(_END, f'<mspace width="2em"/><mtext>{steps}</mtext>{_END}')

    def worked(self, lines: Sequence[str], right: bool) -> str:
        formula, numbers, result = [line[line.index(">") + 1 : -len(_END)] for line in lines]
        result = f'<mrow>{result}<mspace width="1em"/><mo>{"✓" if right else "✗"}</mo></mrow>'
        return _whole([f"<mtr><mtd>{x}</mtd></mtr>" for x in (formula, numbers, result)])


_END = "</math>"


def _whole(rows: Sequence[str]) -> str:
    namespace = 'xmlns="http://www.w3.org/1998/Math/MathML"'
    return f'<math {namespace} display="block"><mtable displaystyle="true">{"".join(rows)}</mtable>{_END}'


def to_mathml(e: Expr) -> str:
    """A MathML fragment (one element, without the enclosing `<math>`).

    >>> from bpttgraph.formulas.expr import symbol, transpose
    >>> to_mathml(transpose(symbol("W", (2, 3))))
    '<msup><mi>W</mi><mo>⊤</mo></msup>'
    """
    return MathMLPrinter().show(e)
