r"""Text, program text and formulas for LaTeX documents: escaped, in characters that pdfLaTeX has, with line ends
allowed.

A name can become neither a command nor the end of an argument: `names` escapes it in formulas, this module elsewhere. A
formula stays in one paragraph, and a line may end between its factors and before + - =, so TeX breaks it by its true
width.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import normalize

from ..core.names import _COMMAND, LATEX_SPECIAL
from .blocks import Inline, Math, Mono, Strong, Text

__all__ = ["code", "flow", "math", "run", "text"]

LONGEST = 42
"""Letters within one pair of brackets; around more of them the brackets get a fixed size, and a line may end inside."""

_SPECIAL = LATEX_SPECIAL | {"|": r"\textbar{}", "-": "-{}"}
_MATH = {
    "∂": r"\partial ",
    "…": r"\ldots ",
    "⋯": r"\cdots ",
    "⋮": r"\vdots ",
    "⋱": r"\ddots ",
    "−": "-",
    "→": r"\to ",
    "↦": r"\mapsto ",
    "×": r"\times ",
    "·": r"\cdot ",
    "′": "'",
    "∘": r"\circ ",
    "⊙": r"\odot ",
    "‖": r"\| ",
    "∞": r"\infty ",
    "∑": r"\textstyle\sum ",
    "∏": r"\textstyle\prod ",
    "⁺": "^{+}",
    "⊤": r"\top ",
    "ᵀ": r"^{\top}",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "≈": r"\approx ",
    "∈": r"\in ",
    "√": r"\surd ",
    "½": r"\tfrac12 ",
    "✓": r"\checkmark ",
    "✗": r"\times ",
    "╲": r"\backslash ",
    "°": r"^{\circ}",
    "←": r"\gets ",
    "∇": r"\nabla ",
}
_MATH |= {c: f"_{{{p}}}" for c, p in zip("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-aehijklmnoprstuvx")}
_MATH |= {c: f"^{{{p}}}" for c, p in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁽⁾", "0123456789-()")}
_ACCENTS = {
    "\u0301": "'", "\u0300": "`", "\u0302": "^", "\u0308": '"', "\u0303": "~", "\u0304": "=", "\u0307": ".",
    "\u030c": "v", "\u0327": "c", "\u030a": "r",
}  # fmt: skip
_TEXT = {
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "–": "--",
    "—": "---",
    "\u00a0": "~",
    "\u202f": r"\,",
    "ß": r"\ss{}",
    "ø": r"\o{}",
}


def _other(c: str) -> str:
    """A character beyond ASCII in running text."""
    if c in _TEXT:
        return _TEXT[c]
    if c in _MATH or c in _COMMAND:
        return rf"\ensuremath{{{_MATH.get(c) or _COMMAND[c]}}}"
    base, *marks = list(normalize("NFD", c))
    if len(marks) == 1 and marks[0] in _ACCENTS and base.isascii() and base.isalpha():
        return rf"\{_ACCENTS[marks[0]]}{{{base}}}"
    return " " if c.isspace() else "".join(f"[U+{ord(x):04X}]" for x in c)


def text(words: str) -> str:
    r"""
    >>> text(r"\input{x} & h₂, δ “a-b”")
    "\\textbackslash{}input\\{x\\} \\& h\\ensuremath{_{2}}, \\ensuremath{\\delta} ``a-{}b''"
    """
    return "".join(_SPECIAL.get(c, c) if c.isascii() and c.isprintable() else _other(c) for c in _characters(words))


def _characters(words: str) -> list[str]:
    """Letters with the marks over them."""
    return re.findall(r".[\u0300-\u036f\u20d7]*", normalize("NFC", words), re.DOTALL)


def code(line: str) -> str:
    """One line of program text: spaces kept, and allowed to go on below after whatever is not a letter."""
    start = len(line) - len(line.lstrip(" "))
    out = "~" * start
    for c in _characters(line[start:].replace("\t", "    ")):
        if c == " ":
            out += r"\ "
        elif c.isascii() and c.isalnum():
            out += c
        else:
            out += rf"\char{ord(c)}\allowbreak{{}}" if c.isascii() and c.isprintable() else _other(c)
    return out


def run(parts: Text) -> str:
    return "".join(map(_inline, parts))


def _inline(part: Inline) -> str:
    match part:
        case Math():
            return f"${math(part.latex)}$"
        case Mono(words):
            return rf"\texttt{{{code(words)}}}"
        case Strong(words):
            return rf"\textbf{{{text(words)}}}"
    return text(part)


def math(latex: str) -> str:
    """A formula in ASCII and in one piece; letters that pdfLaTeX does not have are spelled as their code points."""
    for cut, whole in _CUTS:
        latex = latex.replace(cut, whole)
    return "".join(c if " " <= c <= "~" else _letter(c) for c in latex)


_CUTS = (
    (r"\begin{aligned} & ", ""),
    (r" \\ & \quad {} \cdot ", r" \, "),
    (r" \end{aligned}", ""),
)  # where `LatexPrinter(widest)` ends a line, for those who cannot break one; TeX can


def _letter(c: str) -> str:
    known = _MATH.get(c) or _COMMAND.get(c)
    return rf"\text{{{_other(c)}}}" if known is None else known if known[-1:] in " }" else known + " "


# --- Where a line may end ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Group:
    """A stretch of LaTeX: `opener` is `{`, `\\left(`, `\\begin{bmatrix}` or nothing."""

    opener: str
    children: list[_Group | str]
    closer: str = ""

    def __str__(self) -> str:
        return self.opener + "".join(map(str, self.children)) + self.closer

    @property
    def letters(self) -> int:
        plain = re.sub(r"\\(operatorname|mathrm|text|left|right|begin|end|frac|,)|\\top", "", str(self))
        return len(re.findall(r"\\(?:tanh|exp|log)|\\[A-Za-z]+|[A-Za-z0-9+=()\[\]-]", plain))


_TOKEN = re.compile(
    r"\\left(?:\\[A-Za-z]+|\\.|.)|\\right(?:\\[A-Za-z]+|\\.|.)|\\begin\{\w+\}|\\end\{\w+\}|\\[A-Za-z]+\*?|\\.|.",
    re.DOTALL,
)
_INFIX = frozenset(["+", "-", "=", r"\circ", r"\cdot", r"\mapsto"])


def _grouped(latex: str) -> _Group:
    stack = [_Group("", [])]
    for token in _TOKEN.findall(latex):
        if token == "{" or token.startswith((r"\left", r"\begin")):
            stack.append(_Group(token, []))
        elif (token == "}" or token.startswith((r"\right", r"\end"))) and len(stack) > 1:
            done = stack.pop()
            done.closer = token
            stack[-1].children.append(done)
        else:
            stack[-1].children.append(token)
    while len(stack) > 1:  # never with our own printers
        rest = stack.pop()
        stack[-1].children += [rest.opener, *rest.children]
    return stack[0]


def flow(latex: str) -> str:
    r"""A formula that TeX may break between factors and before + - =, also inside brackets that are too wide for a
    line.

    >>> print(flow(r"a \, b + c"))
    a \,\allowbreak b \allowbreak + c
    """
    return _flowing(_grouped(math(latex)).children)


def _flowing(children: list[_Group | str]) -> str:
    out: list[str] = []
    for child in children:
        if isinstance(child, _Group):
            out.append(_piece(child))
        elif child == r"\,":
            out.append(r"\,\allowbreak ")
        elif child in _INFIX and "".join(out).strip() and out[-1].strip() not in ("^", "_", *_INFIX):
            out.append(rf"\allowbreak {child} ")
        else:
            out.append(child)
    return re.sub(r" {2,}", " ", "".join(out))


def _piece(g: _Group) -> str:
    if g.opener.startswith(r"\begin"):
        rows = str(g).replace(r" \\ ", r" \\[9pt] ") if r"\frac" in str(g) else str(g)
        return rf"\fit{{{rows}}}"
    if g.letters <= LONGEST:
        return str(g)
    if g.opener.startswith(r"\left"):
        size = "Big" if r"\frac" in str(g) else "big"
        first, last = rf"\{size}l{g.opener[5:]}", rf"\{size}r{g.closer[6:]}"
        return f"{first}{_flowing(g.children)}{last}"
    return str(g)
