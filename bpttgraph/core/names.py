r"""How a variable's name prints: LaTeX, Unicode for the terminal, and MathML for pages and pictures.

Names come from the equations: `h[3]`, `W_hh`, `encoder.h[t-1]`, `x̄[2]`, `dE_dy[2]`. One parse serves all three
printers, so a formula, a terminal line and the label in a picture cannot disagree about what a name is. The decisions:

- the step is a subscript, after the name's own subscript and a comma: `p_i[2]` is p_{i,2};
- digits at the end of a name that has steps are a layer, `h1[2]` is h^{(1)}_{2}; else a subscript, `W1` is W_{1};
- a block is a superscript: `encoder.h[2]` is h^{\mathrm{enc}}_{2};
- Unicode keeps `_` before letters: W_xh would have real subscripts, W_hy would not, and they stand side by side.

Every output is safe for any name at all (`<script>`, `\input{…}`, control characters): what is not a letter, a digit or
a known mark is escaped.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from xml.sax.saxutils import escape

__all__ = ["to_latex", "to_mathml", "to_unicode"]

_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
_GREEK = dict(zip(_GREEK_NAMES.split(), "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", strict=True))
_COMMAND = {letter: "\\" + name for name, letter in _GREEK.items()}
_COMMAND |= {"ε": r"\varepsilon", "µ": r"\mu", "∂": r"\partial", "ϑ": r"\vartheta", "ℓ": r"\ell", "∇": r"\nabla"}
_COMMAND |= {"φ": r"\varphi", "ϕ": r"\phi", "ϵ": r"\epsilon"}
# Combining mark -> (LaTeX command, the spacing character that MathML puts over the letter).
_MARKS = {
    "\u0302": ("hat", "^"),
    "\u0304": ("bar", "¯"),
    "\u0303": ("tilde", "~"),
    "\u0307": ("dot", "˙"),
    "\u0308": ("ddot", "¨"),
    "\u030c": ("check", "ˇ"),
    "\u20d7": ("vec", "→"),
    "\u0306": ("breve", "˘"),
    "\u0301": ("acute", "´"),
    "\u0300": ("grave", "`"),
}
_WORD_MARKS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
_BLOCKS = {"encoder": "enc", "decoder": "dec"}
_SUBSCRIPTS = str.maketrans("0123456789+-−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
_SUPERSCRIPTS = str.maketrans("0123456789+-()abcdefghijklmnoprstuvwxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")
_SUBSCRIPTABLE = frozenset("0123456789+-−=()aehijklmnoprstuvx")
_SUPERSCRIPTABLE = frozenset("0123456789+-()abcdefghijklmnoprstuvwxyz")
_SHAPE = re.compile(r"(?:(?P<block>[^.\[\]]+)\.)?(?P<base>[^\[\].]+)(?:\[(?P<step>[^\[\]]+)\])?", re.DOTALL)
_DERIVATIVE = re.compile(r"[d∂](\w+?)_[d∂]([\w\u0300-\u036f\u20d7]+)")
LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': "''",
}
"""What stands in running LaTeX for characters that mean something else there."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A name taken apart. `head` is letters (Greek already Greek), `marks` combining marks over the whole head."""

    head: str
    marks: str = ""
    primes: int = 0
    subs: tuple[str, ...] = ()
    supers: tuple[str, ...] = ()
    step: str = ""
    derivative: tuple[str, str] | None = None


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold at all (and that no terminal should be sent)."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn", "Cf", "Zl", "Zp") else c for c in text)


def _greek(word: str) -> str:
    return _GREEK.get(word, word)


def _below(word: str) -> str:
    """A subscript: W_xi stands between x and i."""
    return word if word == "xi" else _greek(word)


@lru_cache(maxsize=4096)
def _parse(name: str) -> _Name:
    name = _clean(name)
    shape = _SHAPE.fullmatch(name)
    if shape is None:
        return _Name(name)
    block, base, step = shape["block"], shape["base"], (shape["step"] or "").replace(" ", "").replace("-", "−")
    supers = [_BLOCKS.get(block, block)] if block else []
    pair = _DERIVATIVE.fullmatch(base)
    if pair:
        below = (f"{block}." if block else "") + pair[2] + (f"[{step}]" if step else "")
        return _Name("", derivative=(pair[1], below))
    stripped = base.rstrip("'′")
    primes, base = len(base) - len(stripped), stripped
    head, *subs = base.split("_") if base.strip("_") else [base]
    subs = [s for s in subs if s]
    head = unicodedata.normalize("NFD", head)
    marks = "".join(c for c in head if c in _MARKS)
    head = unicodedata.normalize("NFC", "".join(c for c in head if c not in _MARKS))
    if subs and subs[0] in _WORD_MARKS:
        marks += _WORD_MARKS[subs.pop(0)]
    tail = re.fullmatch(r"([^\W\d]+)(\d+)", head)
    if tail:
        head = tail[1]
        if step:
            supers.append(f"({tail[2]})")
        else:
            subs.insert(0, tail[2])
    return _Name(_greek(head), marks, primes, tuple(_below(s) for s in subs), tuple(supers), step)


def _plain(text: str) -> bool:
    return bool(text) and all(c.isalnum() or c in "+−-(),′" for c in text)


# --- LaTeX ------------------------------------------------------------------------------------------------------------


def _latex_word(text: str, upright_from: int = 3) -> str:
    if not text:
        return "{}"
    if not _plain(text):
        return r"\text{" + "".join(LATEX_SPECIAL.get(c, c) for c in text) + "}"
    if text.isalpha() and len(text) >= upright_from and not any(c in _COMMAND for c in text):
        return r"\mathrm{" + text + "}"
    out = ""
    for c in text.replace("−", "-"):
        if out and out[-1].isalpha() and "\\" in out.rsplit(" ", 1)[-1] and c.isalpha():
            out += " "  # \alpha x, not \alphax
        out += _COMMAND.get(c, c)
    return out


@lru_cache(maxsize=4096)
def to_latex(name: str) -> str:
    r"""The name as LaTeX math.

    >>> to_latex("encoder.h[t-1]"), to_latex("W_hh"), to_latex("x̂[t+1]"), to_latex("p_i[2]")
    ('h^{\\mathrm{enc}}_{t-1}', 'W_{hh}', '\\hat{x}_{t+1}', 'p_{i,2}')
    """
    n = _parse(name)
    if n.derivative:
        top, bottom = (r"\partial " + to_latex(part) for part in n.derivative)
        return f"{top} / {bottom}"
    out = _latex_word(n.head, 2)
    for mark in n.marks:
        out = rf"\{_MARKS[mark][0]}{{{out}}}"
    out += "'" * n.primes
    if n.supers:
        supers = ",".join(s if s.startswith("(") else _latex_word(s, 1) for s in n.supers)
        out = (f"{{{out}}}" if n.primes else out) + f"^{{{supers}}}"
    below = ",".join([_latex_word(s) for s in n.subs] + ([_latex_word(n.step)] if n.step else []))
    return out + (f"_{{{below}}}" if below else "")


# --- Unicode ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def to_unicode(name: str) -> str:
    """The name as plain text for the terminal.

    >>> to_unicode("h[3]"), to_unicode("h[t-1]"), to_unicode("W_hh"), to_unicode("W1"), to_unicode("h[T]")
    ('h₃', 'hₜ₋₁', 'W_hh', 'W₁', 'h[T]')
    """
    n = _parse(name)
    if n.derivative:
        return "/".join("∂" + to_unicode(part) for part in n.derivative)
    out = unicodedata.normalize("NFC", n.head + n.marks) + "′" * n.primes
    for sup in n.supers:
        out += sup.translate(_SUPERSCRIPTS) if set(sup) <= _SUPERSCRIPTABLE else "^" + sup
    lettered = False
    for sub in n.subs:
        digits = sub.isdecimal() and sub.isascii() and not lettered
        out += sub.translate(_SUBSCRIPTS) if digits else "_" + sub
        lettered = lettered or not digits
    if n.step:
        # After a written-out subscript a small step would read as a part of it; two small numbers need a comma as well.
        small = set(n.step) <= _SUBSCRIPTABLE and not n.subs
        out += n.step.translate(_SUBSCRIPTS) if small else f"[{n.step}]"
    return out


# --- MathML -----------------------------------------------------------------------------------------------------------


def _mathml_word(text: str, upright_from: int = 3) -> str:
    if not _plain(text):
        return f"<mtext>{escape(text)}</mtext>"
    if text.isalpha() and len(text) >= upright_from:
        return f'<mi mathvariant="normal">{escape(text)}</mi>'
    pieces = re.findall(r"\d+|[^\d]", text)
    out = "".join(
        f"<mn>{p}</mn>" if p[0].isdigit() else f"<mi>{escape(p)}</mi>" if p.isalpha() else f"<mo>{escape(p)}</mo>"
        for p in pieces
    )
    return out if len(pieces) == 1 else f"<mrow>{out}</mrow>"


@lru_cache(maxsize=4096)
def to_mathml(name: str) -> str:
    """The name as a MathML fragment (one element, without the enclosing `<math>`).

    >>> to_mathml("h[3]")
    '<msub><mi>h</mi><mn>3</mn></msub>'
    """
    n = _parse(name)
    if n.derivative:
        top, bottom = n.derivative
        return f"<mrow><mo>∂</mo>{to_mathml(top)}<mo>/</mo><mo>∂</mo>{to_mathml(bottom)}</mrow>"
    out = _mathml_word(n.head, 2)
    for mark in n.marks:
        out = f'<mover accent="true">{out}<mo>{escape(_MARKS[mark][1])}</mo></mover>'
    above = [f"<mo>{'′' * n.primes}</mo>"] if n.primes else []
    above += [_mathml_word(s, 1) for s in n.supers]
    below = [_mathml_word(s) for s in n.subs] + ([_mathml_word(n.step)] if n.step else [])
    upper = above[0] if len(above) == 1 else f"<mrow>{'<mo>,</mo>'.join(above)}</mrow>"
    lower = below[0] if len(below) == 1 else f"<mrow>{'<mo>,</mo>'.join(below)}</mrow>"
    if above and below:
        return f"<msubsup>{out}{lower}{upper}</msubsup>"
    if below:
        return f"<msub>{out}{lower}</msub>"
    return f"<msup>{out}{upper}</msup>" if above else out
