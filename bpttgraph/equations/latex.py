"""The scanner: plain text, Unicode and LaTeX become one stream of tokens that remember their place in the user's text.

LaTeX is not translated to another text first, so every caret points at what the user typed: a command becomes the token
it stands for (`\\odot` is `*`), a style such as `\\mathbf{…}` or a space such as `\\quad` becomes nothing, an accent
such as `\\hat` becomes the combining mark that the name will carry. What cannot stand in an equation becomes a token of
kind "bad", reported only if it is in a part that is kept (commentary left of `\\Rightarrow` is not).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

from ..errors import BPTTError, nearest
from .syntax import Index, Name, Span

__all__ = ["MAX_CHARACTERS", "Source", "Token", "scan"]

MAX_CHARACTERS = 20_000


def words(text: str) -> list[str]:
    return text.split()


GREEK = dict(
    zip(
        words(
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon "
            "phi chi psi omega varepsilon vartheta varrho varphi "
            "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell"
        ),
        "αβγδεζηθικλμνξοπρστυφχψωεθρφΓΔΘΛΞΠΣΥΦΨΩl",
    )
)
FUNCTIONS = words("tanh exp log ln max min sin cos sinh cosh tan arctan")
SYMBOLS = {
    "odot": "*", "circ": "*", "ast": "*", "bigodot": "*", "cdot": "·", "times": "·",
    "frac": "frac", "dfrac": "frac", "tfrac": "frac", "sqrt": "sqrt", "top": "⊤", "intercal": "⊤", "prime": "'",
    "Rightarrow": "⇒", "implies": "⇒", "Longrightarrow": "⇒", "in": "∈", "partial": "∂",
    "langle": "<", "rangle": ">", "lt": "<", "gt": ">", "lVert": "‖", "rVert": "‖", "Vert": "‖", "|": "‖",
    "triangleq": "=", "coloneqq": "=", "leftarrow": "=", "gets": "=",
    "lbrack": "[", "rbrack": "]", "lbrace": "(", "rbrace": ")", "{": "(", "}": ")",
}  # fmt: skip
ACCENTS = {
    "hat": "\u0302", "widehat": "\u0302", "bar": "\u0304", "overline": "\u0304", "tilde": "\u0303",
    "widetilde": "\u0303",
    "dot": "\u0307", "ddot": "\u0308", "check": "\u030c", "overrightarrow": "\u20d7", "overleftarrow": "\u20d6",
}  # fmt: skip
STYLES = set(
    words(
        "mathbf boldsymbol bm vec underline boxed mathcal mathbb mathsf mathfrak mathscr pmb mathord mathbin textcolor "
        "stackrel overset"
    )
)
# Styles that may tell one letter from another, by the name that it then bears: a bold x beside an x is x_bold.
LOOKS = {
    "mathbf": "bold", "boldsymbol": "bold", "bm": "bold", "pmb": "bold", "vec": "bold", "mathcal": "cal",
    "mathscr": "cal", "mathfrak": "frak", "mathbb": "bb", "mathsf": "sans",
}  # fmt: skip
UNICODE_LOOKS = {"SCRIPT": "cal", "FRAKTUR": "frak", "BLACK-LETTER": "frak", "DOUBLE-STRUCK": "bb", "BOLD": "bold",
                 "SANS-SERIF": "sans"}  # fmt: skip
TEXTS = set(words("text textrm textbf textit textsf texttt textnormal mathrm mathit mathtt operatorname"))
FIRST_ARGUMENT_DROPPED = set(words("textcolor stackrel overset label tag color hspace vspace ref eqref cite"))
SPACES = set(
    words(
        "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl "
        "Biggr bigm limits nolimits displaystyle textstyle "
        "nonumber notag quad qquad space thinspace enspace "
        ", ; ! : > & hfill bf rm it allowbreak label tag color hspace vspace ref "
        "eqref cite"
    )
) | {" "}
MATRICES = set(words("pmatrix bmatrix matrix vmatrix smallmatrix"))
ENVIRONMENTS = set(
    words("aligned align equation gather gathered split multline eqnarray displaymath math alignat flalign")
)
UNUSABLE = set(
    words(
        "dots ldots cdots vdots ddots uparrow downarrow approx propto rightarrow to mid leq geq neq le ge sim "
        "otimes infty"
    )
)

CHARACTERS = {
    "∘": "*", "⊙": "*", "∗": "*", "⋅": "·", "·": "·", "×": "·", "−": "-", "–": "-", "’": "'", "′": "'",
    "≜": "=", "←": "=",
    "⇒": "⇒", "⟹": "⇒", "∈": "∈", "∂": "∂", "⟨": "<", "⟩": ">", "‖": "‖", "∥": "‖", "⊤": "⊤",
}  # fmt: skip
PUNCTUATION = set("+-*/@^=()[]{},;:<>'_.")
SUBSCRIPTS = "₀-₉₊₋₍₎ₐ-ₜᵢᵣᵤᵥⱼᵦᵧᵨᵩᵪ"
SUPERSCRIPTS = "⁰¹²³⁴-⁹⁺⁻⁽⁾ⁿⁱᵀᵃᵇᵈᵉᵍʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶜᶠᶻ"
MARKS = "\u0300-\u036f\u20d0-\u20ff"
LETTER = rf"(?![{SUBSCRIPTS}{SUPERSCRIPTS}])[^\W_]"
WORD = re.compile(rf"(?:[^\W\d_][{MARKS}]*)(?:[^\W_][{MARKS}]*)*")
NEWLINE = r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]"

# Every alternative is anchored by its first characters, so that the scan is linear.
TOKEN = re.compile(
    rf"""(?P<break>\\\\\*?(?:\[[^\]\n]{{0,12}}\])?|\$\$?|\\[][()])
    |(?P<environment>\\(?:begin|end)\s*\{{(?P<kind>[a-zA-Z]{{1,20}})\*?\}}(?:\{{[a-z0-9|]{{0,20}}\}})?)
    |(?P<command>\\(?:[a-zA-Z]+\*?|.))
    |(?P<newline>{NEWLINE})
    |(?P<space>[^\S\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+|~|\ufeff|\u200b|&)
    |(?P<comment>[#%].*)
    |(?P<transposed>\.T(?![\w\[(]))
    |(?P<subword>_(?P<sub>(?:{LETTER}[{MARKS}]*)+))
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    |(?P<word>(?:(?![0-9]){LETTER}[{MARKS}]*)(?:{LETTER}[{MARKS}]*)*)
    |(?P<subscript>[{SUBSCRIPTS}]+)
    |(?P<superscript>[{SUPERSCRIPTS}]+)
    |(?P<assign>:=)
    |(?P<other>.)""",
    re.VERBOSE,
)
TEXT_WORD = re.compile(r"\s*\{\s*((?:[^\W\d_])(?:\w|\\_|[-' ]){0,40}?)\s*\}")
ARGUMENT = re.compile(r"\*?\s*\{[^{}]*\}")


@dataclass(slots=True)
class Token:
    """`kind` is "word", "number", "name", "reduce", "accent", "sub", "sup", "newline", "break", "end", "bad"
    or the symbol itself."""

    kind: str
    text: str
    start: int
    stop: int
    space: bool = False  # white space stands before it
    latex: bool = False  # a command, or text between dollar signs
    whole: bool = False  # a word that LaTeX mode must not split into letters
    look: str = ""  # the style of a letter: "bold", "cal", …
    separated: bool = False  # an opening bracket whose contents have a comma or semicolon of their own
    name: Name | None = None  # kind "name"
    undecided: tuple[str, int] | None = None  # kind "name": base and number of `h_3`, a step or part of the name
    reduce: tuple[str, str, Index | None, Index | None] | None = None  # kind "reduce": sum or prod, variable, bounds


class Source:
    """The user's text and the places in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def span(self, start: int, stop: int) -> Span:
        line = min(bisect_right(self.starts, start), max(1, len(self.starts) - 1))
        first = self.starts[line - 1]
        # A span lies in one line: what goes on in the next one is marked to the end of the first.
        last = self.starts[line] if line < len(self.starts) else len(self.text)
        return Span(line, start - first, max(start - first + 1, min(stop, last) - first))

    def error(self, message: str, token: Token, hint: str | None = None) -> BPTTError:
        return BPTTError(message, hint, text=self.text, span=self.span(token.start, token.stop))

    def bad(self, token: Token) -> BPTTError:
        """The error for a token that no equation can hold."""
        text = token.text
        if text.lstrip("\\").rstrip("*") in UNUSABLE or text in "…→≈∝↑↓≤≥≠⊗∞":
            hint = (
                "use ∘ (elementwise) or outer(a, b)"
                if text in ("\\otimes", "⊗")
                else "write the equation of one step t"
            )
            return self.error(f"{text} cannot stand in a recurrence", token, hint)
        if text.startswith("\\"):
            known = [*GREEK, *FUNCTIONS, *SYMBOLS, *ACCENTS, *STYLES, *TEXTS, *SPACES, "sum", "prod"]
            close = nearest(text[1:], [name for name in known if len(name) > 1])
            hint = close if close.startswith("did") else "write the operation in plain text, as in h[t] = tanh(W x[t])"
            return self.error(f"unknown LaTeX command {text}", token, hint)
        if text == "|":
            return self.error("'|' is not used here", token, "write norm(x); p(a | b) is no recurrence")
        return self.error(f"unknown character {text!r}", token, "write names, numbers, brackets and + - * / ^ @ ∘ =")


def normal(word: str) -> str:
    return unicodedata.normalize("NFKC", word)


def unicode_look(word: str) -> str:
    """The style of a letter such as 𝐖 or 𝒲."""
    if word[0].isascii() or word[0] == "ℓ" or normal(word[0]) == word[0]:
        return ""
    name = unicodedata.name(word[0], "")
    return next((look for part, look in UNICODE_LOOKS.items() if part in name), "")


def scan(source: Source) -> list[Token]:
    """Tokens of the whole text, the last one of kind "end"."""
    text = source.text
    tokens: list[Token] = []
    braces: list[bool] = []  # for every open brace: is it one that leaves no token?
    looks = [""]  # the style in which the text stands, one more for every open brace
    matrices = 0
    at, space, transparent, dollars = 0, True, False, False
    look, command = "", False  # what a command without a token says about the next token

    def add(kind: str, value: str, start: int, stop: int, latex: bool = False, whole: bool = False) -> None:
        nonlocal space, look, command
        tokens.append(Token(kind, value, start, stop, space, latex or dollars or command, whole, look or looks[-1]))
        space, look, command = False, "", False

    while at < len(text):
        match = TOKEN.match(text, at)
        assert match is not None
        start, at = at, match.end()
        value = match.group()
        if match["environment"]:
            if match["kind"] in MATRICES:
                matrices += 1 if value.startswith("\\b") else -1
                add("[" if value.startswith("\\b") else "]", value, start, at, latex=True)
            elif match["kind"] in ENVIRONMENTS:
                add("break", value, start, at, latex=True)
            else:
                add("bad", value, start, at)
        elif match["break"]:
            if value.startswith("\\\\") and matrices > 0:
                add(";", value, start, at, latex=True)
            else:
                add("break", value, start, at, latex=True)
                if value.startswith("$"):
                    dollars = not dollars
        elif match["command"]:
            name = value[1:].rstrip("*") or "*"
            if name in FIRST_ARGUMENT_DROPPED and (argument := ARGUMENT.match(text, at)):
                at = argument.end()
            if name in TEXTS and (words := TEXT_WORD.match(text, at)):
                at = words.end()
                add("word", re.sub(r"\\_|[- ]", "_", normal(words[1])), start, at, latex=True, whole=True)
            elif name in STYLES or name in TEXTS:
                transparent = command = True
                look = LOOKS.get(name, look)
            elif name in SPACES:
                space = command = True
                if name == "right" and text.startswith(".", at):
                    at += 1
            elif name in ("sum", "prod"):
                add("word", name, start, at, latex=True, whole=True)
            elif name in GREEK or name in FUNCTIONS:
                add("word", GREEK.get(name, name), start, at, latex=True, whole=True)
            elif name in SYMBOLS:
                add("word" if SYMBOLS[name] == "⊤" else SYMBOLS[name], SYMBOLS[name], start, at, latex=True, whole=True)
            elif name in ACCENTS:
                add("accent", ACCENTS[name], start, at, latex=True)
            else:
                add("bad", value, start, at, latex=True)
        elif match["newline"]:
            add("newline", "\n", start, at)
            space = True
        elif match["space"] or match["comment"]:
            if value == "&" and matrices > 0:
                add("bad", value, start, at)
            space = True
        elif match["transposed"]:
            add("ᵀ", value, start, at)
        elif match["subword"]:
            add("_", "_", start, start + 1)
            add("word", normal(match["sub"]), start + 1, at)
        elif match["number"]:
            add("number", value, start, at)
        elif match["word"]:
            word = normal(value)
            look = look or unicode_look(value)
            add("word" if WORD.fullmatch(word) else "bad", word, start, at)
        elif match["subscript"] or match["superscript"]:
            add("sub" if match["subscript"] else "sup", normal(value).replace("−", "-"), start, at)
        elif match["assign"]:
            add("=", "=", start, at)
        elif value == "{":
            braces.append(transparent)
            looks.append(look or looks[-1])
            if not transparent:
                add("{", value, start, at)
            transparent = False
            continue
        elif value == "}":
            if len(looks) > 1:
                looks.pop()
            if not (braces and braces.pop()):
                add("}", value, start, at)
        else:
            symbol = CHARACTERS.get(value, value)
            if symbol in ("∑", "∏"):
                add("word", "sum" if symbol == "∑" else "prod", start, at, whole=True)
            elif symbol == "⊤":
                add("word", symbol, start, at)
            else:
                known = symbol in PUNCTUATION or symbol in CHARACTERS.values()
                add(symbol if known else "bad", symbol, start, at)
        if not (match["command"] or match["space"] or match["newline"] or match["comment"]):
            transparent = False
    add("end", "", len(text), len(text))
    return tokens
