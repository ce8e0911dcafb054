"""Formulas as NumPy code, and names as Python identifiers."""

from __future__ import annotations

import keyword
import re
import unicodedata
from fractions import Fraction

from .expr import Expr, Ones, Product, Tagged, Transpose, Unit
from .walk import ATOM, FRACTION, HADAMARD, POSTFIX, PRODUCT, QUOTIENT, Printer

__all__ = ["CodePrinter", "python_name"]

_NUMPY = {"tanh", "exp", "log", "sin", "cos", "sqrt", "abs", "sum", "maximum", "minimum", "sign", "dot"}


def python_name(name: str) -> str:
    """A name of the equations as a Python identifier (its step stays an index); ASCII wherever a textbook letter allows.

    >>> python_name("h\u0304[t+1]"), python_name("δ_h[t]"), python_name("encoder.W_hh"), python_name("x\u0302[t]")
    ('dh[t+1]', 'delta_h[t]', 'encoder_W_hh', 'x_hat[t]')
    """
    base, bracket, step = name.partition("[")
    block, dot, base = base.rpartition(".")
    text = unicodedata.normalize("NFD", base)
    bars = text.count("\u0304")
    text = text.replace("\u0304", "", 1) if bars else text
    for mark, word in (("\u0304", "_bar"), ("\u0302", "_hat"), ("\u0303", "_tilde")):
        text = text.replace(mark, word)
    text = "".join(_letter(c) for c in text).replace("'", "_prime")
    text = re.sub(r"\W", "_", text)
    if bars:
        text = "d" + text
    if keyword.iskeyword(text):
        text += "_"
    return (f"{re.sub(chr(92) + 'W', '_', block)}_" if dot else "") + text + bracket + step


def _letter(c: str) -> str:
    words = {"α": "alpha", "β": "beta", "δ": "delta", "μ": "mu", "σ": "sigma", "θ": "theta", "ρ": "rho", "φ": "phi"}
    return words.get(c, c)


class CodePrinter(Printer):
    """NumPy code: vectors are one-dimensional arrays."""

    fraction = QUOTIENT
    derivative = ATOM

    def __init__(self) -> None:
        super().__init__()
        self.helpers: dict[str, None] = {}
        self.size = ""  # of the vector that a statement defines, as code

    def pair(self, e: Expr) -> tuple[str, int]:
        if isinstance(e, Tagged):
            return self.pair(e.arg)
        if isinstance(e, Product) and e.shape:
            return self.matrix_product(e)
        if isinstance(e, Ones):
            return f"np.ones({e.shape[0]})", ATOM
        if isinstance(e, Transpose) and e.arg.shape[1] == 1:
            return self.pair(e.arg)  # a row vector is a one-dimensional array, too
        return self._others(e)

    def _others(self, e: Expr) -> tuple[str, int]:
        from .expr import Column, Diag, Dot, Hadamard, Identity, Rows, Stack, Zeros

        if isinstance(e, Diag):
            return f"np.diag({self.show(e.arg)})", ATOM
        if isinstance(e, Hadamard):
            return " * ".join(self.show(f, FRACTION) for f in e.factors), HADAMARD
        if isinstance(e, Dot):
            return f"np.dot({self.show(e.left)}, {self.show(e.right)})", ATOM
        if isinstance(e, Identity):
            return f"np.eye({e.shape[0]})", ATOM
        if isinstance(e, Zeros):
            return f"np.zeros({e.shape[0] if e.shape[1] == 1 else e.shape})", ATOM
        if isinstance(e, Stack):
            return f"np.concatenate([{', '.join(self.show(p) for p in e.parts)}])", ATOM
        if isinstance(e, Unit):
            return f"np.eye({self.size or e.shape[0]})[{self.show(e.arg)}]", POSTFIX
        if isinstance(e, Column):
            return f"{self.show(e.arg, POSTFIX)}[:, {self.show(e.index)}]", POSTFIX
        if isinstance(e, Rows):
            return f"{self.show(e.arg, POSTFIX)}[{e.start}:{e.stop}]", POSTFIX
        return super().pair(e)

    def matrix_product(self, e: Product) -> tuple[str, int]:
        lead = [self.show(f, FRACTION) for f in e.factors if not f.shape]
        factors = [f for f in e.factors if f.shape]
        outer = len(factors) == 2 and factors[0].shape[1] == 1 and factors[1].shape[0] == 1
        if outer:
            left, right = (self.show(f) for f in factors)
            text, strength = f"np.outer({left}, {right})", ATOM
        elif len(factors) == 1:
            text, strength = self.show(factors[0], FRACTION), FRACTION
        else:
            text, strength = " @ ".join(self.show(f, FRACTION) for f in factors), PRODUCT
        if not lead:
            return text, strength
        return " * ".join([*lead, f"({text})" if " @ " in text else text]), HADAMARD

    def name(self, name: str) -> tuple[str, int]:
        return python_name(name), ATOM

    def number(self, value: int | float | Fraction) -> tuple[str, int]:
        if isinstance(value, Fraction) and value.denominator != 1:
            return f"{value.numerator} / {value.denominator}", QUOTIENT
        return repr(value if not isinstance(value, Fraction) else int(value)), ATOM

    def brackets(self, text: str) -> str:
        return f"({text})"

    square = brackets

    def signed_sum(self, terms: list[tuple[int, str]]) -> str:
        first = ("-" if terms[0][0] < 0 else "") + terms[0][1]
        return first + "".join((" - " if s < 0 else " + ") + text for s, text in terms[1:])

    def minus(self, text: str) -> str:
        return "-" + text

    def times(self, factors: list[tuple[Expr, str]]) -> str:
        return " * ".join(text for _, text in factors)

    def infix(self, symbol: str, parts: list[str]) -> str:
        return " * ".join(parts)

    def powered(self, base: Expr, exponent: Expr) -> str:
        return f"{self.show(base, ATOM)}**{self.show(exponent, ATOM)}"

    def quotient(self, top: Expr, bottom: Expr) -> str:
        return f"{self.show(top, PRODUCT)} / {self.show(bottom, ATOM)}"

    def transposed(self, text: str) -> str:
        return (f"({text})" if " " in text and not text.endswith(")") else text) + ".T"

    def word(self, word: str) -> str:
        return word

    def applied(self, e: object, symbol: str, args: object) -> tuple[str, int]:
        from .expr import Apply

        assert isinstance(e, Apply)
        name, shown = e.op.name, [self.show(a) for a in e.args]
        if e.op.notation == "hidden":
            return self.pair(e.args[0])
        if name in _NUMPY:
            return f"np.{name}({', '.join(shown)})", ATOM
        self.helpers[name] = None
        return f"{name}({', '.join(shown)})", ATOM
