"""The equations as written, typeset: from the syntax tree of the folded recurrence, so that `[t-1]`, sums and abstract
functions stay what they are (a derivation, in contrast, knows only the steps of one unrolling).
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.names import to_latex as name_latex, to_mathml as name_mathml
from ..equations.functions import FUNCTIONS, canonical
from ..equations.syntax import (
    Binary,
    Call,
    Constant,
    Equation,
    Expr,
    Index,
    Name,
    Negate,
    Number,
    Reduce,
    Stack,
    Transposed,
)
from ..equations.text import show_index
from ..formulas.latex import LatexPrinter
from ..formulas.mathml import MathMLPrinter
from .blocks import Math, Row

__all__ = ["function_name", "row_of"]

SUM, PRODUCT, POSTFIX, ATOM = 10, 20, 30, 40
_LATEX, _MATHML = LatexPrinter(), MathMLPrinter()
_INFIX = {"+": ("<mo>+</mo>", " + "), "-": ("<mo>−</mo>", " - "), "*": ("<mo>∘</mo>", r" \circ ")}
_BESIDE = ('<mo lspace="0" rspace="0.17em">&#x2062;</mo>', r" \, ")


Key = Callable[[Name], str]
"""The full name of a name that an equation reads, with its block: `encoder.W`."""


def row_of(e: Equation, key: Key) -> Row:
    """One equation as a line of a display.

    >>> from bpttgraph.equations.language import parse
    >>> row_of(parse("h[t] = tanh(W h[t-1] + b)").equations[0], lambda n: n.name).right.latex
    '\\\\tanh\\\\left(W \\\\, h_{t-1} + b\\\\right)'
    """
    left = [_show(n, key)[0] for n in e.left]
    return Row(_show(e.right, key)[0], left[0] if len(left) == 1 else _column(left), "=")


def function_name(function: str) -> Math:
    """How a function's name is set: tanh upright, σ and a lecture's own g₁ as letters."""
    known = canonical(function)
    symbol = "σ" if known == "sigmoid" else known if known in FUNCTIONS else function
    if symbol in FUNCTIONS:
        word = symbol.replace("_", " ")  # cross_entropy is two words to a reader
        latex = _LATEX.function(symbol) if "_" not in symbol else rf"\operatorname{{{word.replace(' ', '~')}}}"
        return Math(_MATHML.word(word), latex, len(word))
    return Math(_MATHML.function(symbol), _LATEX.function(symbol), len(symbol))


def _name(n: Name, key: Key) -> Math:
    text = key(n) + (f"[{show_index(n.index)}]" if n.index else "")
    return Math(name_mathml(text), name_latex(text), len(text))


def _column(parts: list[Math]) -> Math:
    width = max(p.width for p in parts) + 2
    return Math(_MATHML.blocks([[p.mathml] for p in parts]), _LATEX.blocks([[p.latex] for p in parts]), width)


def _brackets(m: Math) -> Math:
    return Math(_MATHML.brackets(m.mathml), _LATEX.brackets(m.latex), m.width + 2)


def _join(parts: list[Math], mathml: str, latex: str) -> Math:
    inner = mathml.join(p.mathml for p in parts)
    return Math(f"<mrow>{inner}</mrow>", latex.join(p.latex for p in parts), sum(p.width + 1 for p in parts))


def _index(index: Index | None) -> Math:
    text = show_index(index).replace("-", "−") if index else ""
    body = "".join(
        f"<mn>{c}</mn>" if c.isdigit() else f"<mo>{c}</mo>" if c in "+−" else f"<mi>{c}</mi>"
        for c in text
        if c.isalnum() or c in "+−"
    )
    return Math(f"<mrow>{body}</mrow>", text.replace("−", "-"), len(text))


def _show(e: Expr, key: Key, least: int = 0) -> tuple[Math, int]:
    math, strength = _pair(e, key)
    return (_brackets(math), ATOM) if strength < least else (math, strength)


def _pair(e: Expr, key: Key) -> tuple[Math, int]:
    """Recursion is over one equation, whose depth the parser bounds."""
    match e:
        case Number(value):
            (mathml, _), (latex, _) = _MATHML.number(value), _LATEX.number(value)
            return Math(mathml.replace(".0<", "<"), latex.removesuffix(".0"), len(latex)), ATOM
        case Constant(name) if name == "1":
            return Math("<mn>𝟏</mn>", r"\mathbf{1}", 1), ATOM
        case Constant(name):
            return _name(Name(name, None, e.span), key), ATOM
        case Name():
            return _name(e, key), ATOM
        case Negate(operand):
            m, _ = _show(operand, key, PRODUCT)
            return Math(f'<mrow><mo form="prefix">−</mo>{m.mathml}</mrow>', f"-{m.latex}", m.width + 1), SUM
        case Transposed(operand):
            m, _ = _show(operand, key, ATOM)
            return Math(_MATHML.transposed(m.mathml), _LATEX.transposed(m.latex), m.width + 1), POSTFIX
        case Stack(items):
            return _column([_show(i, key)[0] for i in items]), ATOM
        case Call(function, args, parameters):
            if function == "abs" and len(args) == 1:
                m = _show(args[0], key)[0]
                return Math(_MATHML.bars(m.mathml), _LATEX.bars(m.latex), m.width + 2), ATOM
            groups = [
                _join([_show(a, key)[0] for a in group], "<mo>,</mo>", ", ") for group in (args, parameters) if group
            ]
            inner = _brackets(_join(groups, "<mo>;</mo>", r";\, "))
            f = function_name(function)
            return (
                Math(
                    f"<mrow>{f.mathml}<mo>&#x2061;</mo>{inner.mathml}</mrow>",
                    f.latex + inner.latex,
                    f.width + inner.width,
                ),
                ATOM,
            )
        case Reduce(kind, variable, lower, upper, body):
            sign, command = ("∑", r"\sum") if kind == "sum" else ("∏", r"\prod")
            low = _index(Index(variable, 0))
            if lower is not None:
                low = _join([low, _index(lower)], "<mo>=</mo>", "=")
            m, _ = _show(body, key, PRODUCT)
            if upper is None:
                return (
                    Math(
                        f"<mrow><munder><mo>{sign}</mo>{low.mathml}</munder>{m.mathml}</mrow>",
                        rf"{command}_{{{low.latex}}} {m.latex}",
                        m.width + 3,
                    ),
                    PRODUCT,
                )
            high = _index(upper)
            head = f"<munderover><mo>{sign}</mo>{low.mathml}{high.mathml}</munderover>"
            return (
                Math(
                    f"<mrow>{head}{m.mathml}</mrow>",
                    rf"{command}_{{{low.latex}}}^{{{high.latex}}} {m.latex}",
                    m.width + 3,
                ),
                PRODUCT,
            )
        case Binary("^", left, right):
            a, b = _show(left, key, ATOM)[0], _show(right, key)[0]
            return (
                Math(f"<msup>{a.mathml}{b.mathml}</msup>", f"{{{a.latex}}}^{{{b.latex}}}", a.width + b.width),
                POSTFIX,
            )
        case Binary("/", left, right):
            a, b = _show(left, key)[0], _show(right, key)[0]
            return (
                Math(
                    f"<mfrac>{a.mathml}{b.mathml}</mfrac>", rf"\frac{{{a.latex}}}{{{b.latex}}}", max(a.width, b.width)
                ),
                ATOM,
            )
        case Binary("+" | "-" as op, left, right):
            a, b = (
                _show(left, key, SUM)[0],
                _show(right, key, PRODUCT if op == "-" or isinstance(right, Negate) else SUM)[0],
            )
            return _join([a, b], *_INFIX[op]), SUM
        case Binary(op, left, right):
            number = isinstance(left, Number) and not isinstance(right, Number)
            between = (
                _INFIX["*"]
                if op == "*" and not number
                else ("<mo>·</mo>", r" \cdot ")
                if isinstance(right, Number)
                else _BESIDE
            )
            least = (
                POSTFIX if op == "*" and not number else PRODUCT
            )  # what ∘ joins must not itself be a product without a bracket
            return _join([_show(left, key, PRODUCT)[0], _show(right, key, max(least, PRODUCT))[0]], *between), PRODUCT
    raise TypeError(f"not an expression: {e!r}")
