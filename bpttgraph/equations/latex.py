"""The scanner: plain text, Unicode and LaTeX become one stream of tokens that remember their place in the user's text.

LaTeX is not translated to another text first, so every caret points at what the user typed: a command becomes the token
it stands for (`\\odot` is `*`), a style such as `\\mathbf{…}` or a space such as `\\quad` becomes nothing, an accent
such as `\\hat` becomes the combining mark that the name will carry, `\\text{…}` that is no name a token of kind "text".
What cannot stand in an equation becomes a token of kind "bad", reported only if it is in a part that is kept (what
stands left of `\\Rightarrow` is not).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, replace
from difflib import get_close_matches

from ..errors import BPTTError
from .foreign import REMAINDER, called_kernels, conditional, instead, remainder
from .layout import Layout
from .macros import Definition, definition
from .syntax import Index, Name, Partial, Span
from .vocabulary import known_function

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
        "αβγδεζηθικλμνξοπρστυφχψωεθρφΓΔΘΛΞΠΣΥΦΨΩℓ",
    )
)
FUNCTIONS = words("tanh exp log ln max min sin cos sinh cosh tan arctan")
SYMBOLS = {
    "odot": "*", "circ": "*", "ast": "*", "bigodot": "*", "bullet": "*", "star": "*", "cdot": "·", "times": "·",
    "frac": "frac", "dfrac": "frac", "tfrac": "frac", "sqrt": "sqrt", "top": "⊤", "intercal": "⊤", "prime": "'",
    "Rightarrow": "⇒", "implies": "⇒", "Longrightarrow": "⇒", "in": "∈", "partial": "∂",
    "langle": "<", "rangle": ">", "lt": "<", "gt": ">", "lVert": "‖", "rVert": "‖", "Vert": "‖", "|": "‖",
    "lvert": "|", "rvert": "|", "vert": "|",
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
        "stackrel overset underset mathop mathrel mathopen mathclose mathinner ensuremath mathnormal mathbfit "
        "mathbfcal symbf symbfit colorbox scalebox raisebox href smash cancel fbox uline"
    )
)
# Styles that may tell one letter from another, by the name that it then bears: a bold x beside an x is x_bold.
LOOKS = {
    "mathbf": "bold", "boldsymbol": "bold", "bm": "bold", "pmb": "bold", "vec": "bold", "mathbfit": "bold",
    "symbf": "bold", "bf": "bold", "boldmath": "bold", "mathcal": "cal", "cal": "cal", "mathscr": "cal",
    "mathfrak": "frak", "mathbb": "bb", "mathsf": "sans", "sf": "sans",
}  # fmt: skip
UNICODE_LOOKS = {"SCRIPT": "cal", "FRAKTUR": "frak", "BLACK-LETTER": "frak", "DOUBLE-STRUCK": "bb", "BOLD": "bold",
                 "SANS-SERIF": "sans"}  # fmt: skip
BRACED = set(words("underbrace overbrace underbracket overbracket"))  # what stands in the script after them is a remark
PROSE = set(words("text textrm textbf textit textsf texttt textnormal textsc emph mbox hbox intertext shortintertext"))
TEXTS = PROSE | set(words("mathrm mathit mathtt operatorname"))
HEADINGS = set(words("section subsection subsubsection paragraph subparagraph chapter caption title"))
BREAKS = HEADINGS | set(words("newline cr par item linebreak tabularnewline intertext shortintertext"))
FIRST_ARGUMENT_DROPPED = HEADINGS | set(
    words(
        "textcolor stackrel overset underset label tag color hspace vspace mspace ref eqref cite phantom hphantom "
        "vphantom colorbox scalebox raisebox href footnote eqno leqno"
    )
)
WIDE = set(words("dotfill quad qquad hspace hfill hfil enspace hskip & tag eqno leqno"))
SPACES = (
    set(
        words(
            "left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl "
            "Biggr bigm Bigm limits nolimits displaystyle textstyle scriptstyle "
            "nonumber notag space thinspace medspace thickspace negthinspace nobreakspace "
            ", ; ! : > / bf rm it cal sf tt em bfseries itshape boldmath mit allowbreak nobreak nolinebreak label "
            "color vspace mspace ref eqref cite phantom hphantom vphantom footnote mathstrut strut null relax "
            "IEEEyesnumber IEEEnonumber yesnumber hline toprule midrule bottomrule displaybreak "
            "centering noindent small large"
        )
    )
    | WIDE
    | {" "}
)
MATRICES = set(words("pmatrix bmatrix vmatrix smallmatrix Bmatrix psmallmatrix bsmallmatrix"))
COLUMNS = set(words("array matrix subarray"))  # a system of equations, or a column between brackets
EITHER = set(words("cases dcases rcases drcases tabular"))  # a system of equations, or something else
WITH_ARGUMENT = set(words("array tabular subarray alignat alignedat xalignat IEEEeqnarray numcases minipage"))
DEFINING = set(words("newcommand renewcommand providecommand def DeclareMathOperator"))
UNUSABLE = set(
    words(
        "pm mp det dim ker inf sup lim int oint nabla forall exists "
        "dots ldots cdots vdots ddots uparrow downarrow approx propto rightarrow to mid leq geq neq le ge sim "
        "otimes infty arg"
    )
)
OPERATORS = frozenset(  # products of many kinds to many people
    words(
        "boxtimes boxdot bowtie ltimes rtimes leftthreetimes rightthreetimes divideontimes circledast circledcirc "
        "bigodot bigotimes diamond Diamond wedge vee barwedge veebar amalg wr"
    )
)
INSTEAD = {
    **dict.fromkeys((r"\otimes", "⊗"), "use ∘ (elementwise) or outer(a, b)"),
    **dict.fromkeys((r"\pm", r"\mp", "±", "∓"), "write + or -: each sign is an equation of its own"),
    **dict.fromkeys(
        words(r"\dots \ldots \cdots \vdots \ddots … ⋯"), "write every term out, or a sum over k with its bounds"
    ),
    **dict.fromkeys(
        (r"\infty", "∞"),
        "a sum to infinity has no last step: write the recurrence it comes from, such as h[t] = a h[t-1] + x[t]",
    ),
    **dict.fromkeys((r"\approx", "≈"), "write = for it"),
    r"\arg": r"\arg\max and \arg\min choose a place and have no gradient: leave the line out, or write softmax(…)",
    r"\sim": "it draws a sample: write h[t] = W h[t-1] + S e[t], with the noise e[t] as an input",
    r"\det": "let a name of its own stand for the determinant",
}  # what to write for it

CHARACTERS = {
    "∘": "*", "⊙": "*", "∗": "*", "•": "*", "⋆": "*", "⋅": "·", "·": "·", "×": "·",
    "−": "-", "–": "-", "‐": "-", "‑": "-", "∙": "·", "√": "sqrt", "’": "'", "′": "'",
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
    |(?P<environment>\\(?:begin|end)\s*\{{(?P<kind>[a-zA-Z]{{1,20}})\*?\}})
    |(?P<subword>\\?_(?P<sub>(?:{LETTER}[{MARKS}]*)+))
    |(?P<command>\\(?:[a-zA-Z]+\*?|.))
    |(?P<newline>{NEWLINE})
    |(?P<space>[^\S\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+|~|\ufeff|\u200b|&)
    |(?P<product>%\*%)
    |(?P<comment>[#%].*)
    |(?P<transposed>\.T(?![\w\[(]))
    |(?P<fraction>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒])
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
    |(?P<word>(?:(?![0-9]){LETTER}[{MARKS}]*)(?:{LETTER}[{MARKS}]*)*)
    |(?P<subscript>[{SUBSCRIPTS}]+)
    |(?P<superscript>[{SUPERSCRIPTS}]+)
    |(?P<assign>:=)
    |(?P<other>.)""",
    re.VERBOSE,
)
TEXT_WORD = re.compile(r"\s*\{([ \t]*[^\W\d_](?:\w|\\_|[-' ]){0,40})\}")
OPTIONAL = re.compile(r"\[[^][\n]{0,20}\]")
HALF = re.compile(r"\s*(?P<sign>\\lbrace|\\rbrace|\\?.)")
LABEL = re.compile(r"\s*[_^](?=\s*\{)")
SCRIPTS = (["_", "{"], ["^", "{"])


@dataclass(slots=True)
class Token:
    """`kind` is "word", "number", "name", "reduce", "accent", "sub", "sup", "text", "newline", "break", "end", "bad"
    or the symbol itself."""

    kind: str
    text: str
    start: int
    stop: int
    space: bool = False  # white space stands before it
    latex: bool = False  # a command, or text between dollar signs
    whole: bool = False  # a word that LaTeX mode must not split into letters
    look: str = ""  # the style of a letter: "bold", "cal", …
    wide: bool = False  # a column's edge, or more white space than stands between factors, stands before it
    prose: bool = False  # kind "word": in the letters of running text, as \\text{cell} sets it
    separated: bool = False  # an opening bracket whose contents have a comma or semicolon of their own
    name: Name | None = None  # kind "name"
    undecided: tuple[str, int] | None = None  # kind "name": base and number of `h_3`, a step or part of the name
    reduce: tuple[str, str, Index | None, Index | None] | None = None  # kind "reduce": sum or prod, variable, bounds
    partial: Partial | None = None  # kind "partial"
    steps: tuple[int, ...] = ()  # kind "reduce": the steps that are summed, of \\sum_{t \\in \\{2, 4\\}}


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

    def line_with(self, *changes: tuple[int, int, str]) -> str:
        """The line of the first place with other signs in these places, as a hint shows it."""
        line = self.span(changes[0][0], changes[0][1]).line
        first, last = self.starts[line - 1], self.starts[line] if line < len(self.starts) else len(self.text)
        row, shift = self.text[first:last].rstrip(), first
        for start, stop, new in sorted(changes):
            row = row[: start - shift] + new + row[stop - shift :] if stop <= last else row
            shift -= len(new) - (stop - start)
        return " ".join(row.strip("$ \t").split())

    def bad(self, token: Token) -> BPTTError:
        """The error for a token that no equation can hold."""
        text = token.text
        place = self.span(token.start, token.stop)
        line = self.line_with((token.start, token.start, ""))
        before = self.text[token.start - place.column : token.start]
        after = self.text[token.stop :].split("\n", 1)[0]
        if text.lstrip("\\").rstrip("*") in UNUSABLE or text in "…→≈∝↑↓≤≥≠⊗∞±∓∇∫":
            hint = instead(text, before, after) or INSTEAD.get(text, "write the equation of one step t")
            return self.error(f"{text} cannot stand in a recurrence", token, hint)
        if text.startswith("\\"):
            known = [
                *GREEK,
                *FUNCTIONS,
                *SYMBOLS,
                *ACCENTS,
                *STYLES,
                *TEXTS,
                *SPACES,
                *BREAKS,
                *BRACED,
                "sum",
                "prod",
                "begin",
                "end",
            ]
            # A misspelling keeps its first letter and most of the others; what is only similar is no help.
            like = [
                name for name in known if len(name) > 2 and name[0] == text[1:2] and abs(len(name) + 1 - len(text)) < 3
            ]
            close = get_close_matches(text[1:].rstrip("*"), like, n=2, cutoff=0.7)
            if text[1:] in ("circledast", "ast", "star") and (hint := called_kernels(self.text)):
                return self.error(f"{text} is a convolution, which this language has not", token, hint)
            if text[1:] in OPERATORS:
                hint = "write * (entry by entry), @ (matrix product) or outer(a, b) in its place"
                return self.error(f"{text} has no meaning here", token, hint)
            if text in (r"\bmod", r"\mod", r"\pmod"):
                return self.error(REMAINDER, token, remainder(before, after))
            hint = "write the operation in plain text, as in h[t] = tanh(W x[t])"
            letter = re.match(r"\s*\{\s*([A-Za-z])\s*\}", after)
            if letter:
                whole = self.line_with((token.start, token.stop + letter.end(), letter[1]))
                hint = f"if it only says how {letter[1]} looks, write {whole}"
            hint = f"did you mean {' or '.join(chr(92) + name for name in close)}?" if close else hint
            return self.error(f"unknown LaTeX command {text}", token, hint)
        if text == "|":
            hint = conditional(line) or "write norm(x); p(a | b) is no recurrence"
            return self.error("'|' is not used here", token, hint)
        return self.error(f"unknown character {text!r}", token, "write names, numbers, brackets and + - * / ^ @ ∘ =")


def normal(word: str) -> str:
    """A word in its plain letters; ℓ stays, for it is a loss where l is a letter like others."""
    return "ℓ".join(unicodedata.normalize("NFKC", part) for part in word.split("ℓ"))


def unicode_look(word: str) -> str:
    """The style of a letter such as 𝐖 or 𝒲."""
    if word[0].isascii() or word[0] == "ℓ" or normal(word[0]) == word[0]:
        return ""
    name = unicodedata.name(word[0], "")
    return next((look for part, look in UNICODE_LOOKS.items() if part in name), "")


def scan(source: Source) -> list[Token]:
    """Tokens of the whole text, the last one of kind "end"."""
    return scripts_in_order(inner_products(source, bare_letters(scanned(source, {}, True))))


def scanned(source: Source, macros: dict[str, list[Token]], defining: bool) -> list[Token]:
    """The tokens with all their braces. Within the text of a macro no other is defined."""
    return _Scanner(source, macros, defining).run()


class _Scanner:
    """One pass over a text. It keeps what the text before a place says about what stands there: the style, the open
    braces, a space, and whether a command comes before it."""

    def __init__(self, source: Source, macros: dict[str, list[Token]], defining: bool):
        self.source, self.text, self.macros, self.defining = source, source.text, macros, defining
        self.layout = Layout(source.text)
        self.tokens: list[Token] = []
        self.at = 0
        self.space, self.wide = True, False
        self.matrices, self.dollars = 0, False
        self.looks = [""]  # the style in which the text stands, one more for every open brace
        self.braces: list[str] = []  # of every open brace: "{" if it left a token, "" if not, "_" if a remark follows
        self.transparent = "{"  # the same of the next brace
        self.styles: dict[str, str] = {}  # macros that are other names of a style
        self.look, self.command = "", False  # what a command without a token says about the next token

    def add(self, kind: str, value: str, start: int, latex: bool = False, whole: bool = False, stop: int = -1) -> Token:
        """A token, up to where the scan has come unless `stop` says another place."""
        style, latex = self.look or self.looks[-1], latex or self.dollars or self.command
        stop = self.at if stop < 0 else stop
        self.tokens.append(Token(kind, value, start, stop, self.space, latex, whole, style, self.wide))
        self.space, self.wide, self.look, self.command = False, False, "", False
        return self.tokens[-1]

    def run(self) -> list[Token]:
        while self.at < len(self.text):
            match = TOKEN.match(self.text, self.at)
            assert match is not None
            self.at = match.end()
            self.one(match)
            if not (match["command"] or match["space"] or match["newline"] or match["comment"]):
                self.transparent = "{"
        self.add("end", "", self.at)
        return self.tokens

    def one(self, match: re.Match[str]) -> None:
        """What one match of `TOKEN` stands for."""
        start, value = match.start(), match.group()
        if match["environment"]:
            self.environment(value, match["kind"], start)
        elif match["break"]:
            self.end_of_line(value, start)
        elif match["command"]:
            self.macro_or_command(value, start)
        elif match["newline"]:
            self.add("newline", "\n", start)
            self.space = True
        elif match["space"] or match["comment"]:
            self.between(value, start)
        elif match["product"]:
            self.add("@", "@", start)  # of R
        elif match["transposed"]:
            self.add("ᵀ", value, start)
        elif match["subword"]:
            mark = match.start("sub")
            self.add("_", "_", start, stop=mark)
            self.add("word", normal(match["sub"]), mark)
        elif match["number"]:
            self.add("number", value, start)
        elif match["fraction"]:
            above, _, below = normal(value).partition("⁄")
            for kind, sign in (("number", above), ("/", "/"), ("number", below)):
                self.add(kind, sign, start)
        elif match["word"]:
            word = normal(value)
            self.look = self.look or unicode_look(value)
            self.add("word" if WORD.fullmatch(word) else "bad", word, start)
        elif match["subscript"] or match["superscript"]:
            self.add("sub" if match["subscript"] else "sup", normal(value).replace("−", "-"), start)
        elif match["assign"]:
            self.add("=", "=", start)
        elif value == "{":
            self.opened(start)
        elif value == "}":
            self.closed(start)
        else:
            self.sign(value, start)

    # -- what is no command --------------------------------------------------------------------------------------------

    def environment(self, value: str, kind: str, start: int) -> None:
        begins = value.startswith("\\b")
        while begins and self.text.startswith("[", self.at) and (optional := OPTIONAL.match(self.text, self.at)):
            self.at = optional.end()
        if begins and kind in WITH_ARGUMENT:
            self.at = self.layout.after_group(self.text, self.at)
        system = start in self.layout.systems
        if kind in MATRICES or (kind in COLUMNS and not system):
            self.matrices += 1 if begins else -1
            self.add("[" if begins else "]", value, start, latex=True)
        elif kind in EITHER and not system:
            self.add("bad", value, start)
        else:
            self.add("break", value, start, latex=True)

    def end_of_line(self, value: str, start: int) -> None:
        if value.startswith("\\\\") and self.matrices > 0:
            self.add(";", value, start, latex=True)
            return
        self.add("break", value, start, latex=True)
        if value.startswith("$"):
            self.dollars = not self.dollars

    def between(self, value: str, start: int) -> None:
        """White space, `&`, or a comment."""
        if value.startswith("%") and not is_comment(self.text, start, self.at):
            sentence = "% is no operator here: there is neither a remainder nor a percentage"
            place = Token("bad", "%", start, start + 1)
            raise self.source.error(sentence, place, "write 0.1 for 10%; begin a comment with #, or leave it out")
        if value == "&" and self.matrices > 0:
            self.add("&", value, start)
        self.space = True
        self.wide |= value == "&" or len(value) > 1 or value == "\t"

    def opened(self, start: int) -> None:
        self.braces.append(self.transparent)
        self.looks.append(self.look or self.looks[-1])
        if self.transparent == "{":
            self.add("{", "{", start)

    def closed(self, start: int) -> None:
        if len(self.looks) > 1:
            self.looks.pop()
        kind = self.braces.pop() if self.braces else "{"
        if kind == "{":
            self.add("}", "}", start)
        elif kind == "_" and (script := LABEL.match(self.text, self.at)):
            self.at = self.layout.after_group(self.text, script.end())

    def sign(self, value: str, start: int) -> None:
        symbol = CHARACTERS.get(value, value)
        if symbol in ("∑", "∏"):
            self.add("word", "sum" if symbol == "∑" else "prod", start, whole=True)
        elif symbol == "⊤":
            self.add("word", symbol, start)
        else:
            known = symbol in PUNCTUATION or symbol in CHARACTERS.values()
            self.add(symbol if known else "bad", symbol, start)

    # -- commands ------------------------------------------------------------------------------------------------------

    def macro_or_command(self, value: str, start: int) -> None:
        name = value[1:].rstrip("*") or "*"
        name = self.styles.get(name, name)
        if name in DEFINING and self.defining and (macro := definition(self.text, start, self.layout)):
            self.define(macro, value, start)
        elif name in self.macros:
            for token in self.macros[name]:
                made = self.add(token.kind, token.text, start, True, token.whole)
                made.look = token.look or made.look
            if len(self.tokens) > MAX_CHARACTERS:
                message = "the text is too large with its macros written out"
                raise self.source.error(message, self.tokens[-1], "split the text")
        else:
            self.called(name, value, start)

    def define(self, macro: Definition, value: str, start: int) -> None:
        if macro.refused:
            sentence = f"the macro \\{macro.name} has arguments"
            place = Token("bad", value, start, self.at)
            raise self.source.error(sentence, place, "write out what it stands for")
        if macro.style:
            self.styles[macro.name] = macro.style
        else:
            body = scanned(Source(macro.text), self.macros, False)[:-1]
            self.macros[macro.name] = [replace(t, whole=True) for t in body] if macro.operator else body
        self.at, self.space = macro.stop, True

    def called(self, name: str, value: str, start: int) -> None:
        """A command that LaTeX knows, or nobody."""
        if name in BREAKS:
            self.add("break", value, start, latex=True)
            optional = OPTIONAL.match(self.text, self.at) if name == "item" else None
            self.at = optional.end() if optional else self.at
        if name in FIRST_ARGUMENT_DROPPED:
            self.at = self.layout.after_group(self.text, self.at + self.text.startswith("*", self.at))
        if name in TEXTS:
            self.words(name, start)
        elif name in STYLES:
            self.transparent, self.command = "", True
            self.look = LOOKS.get(name, self.look)
        elif name in BRACED:
            self.transparent, self.command = "_", True
        elif name in SPACES:
            self.blank(name)
        elif name in BREAKS:
            pass
        elif name in ("sum", "prod"):
            self.add("word", name, start, latex=True, whole=True)
        elif name in GREEK or name in FUNCTIONS:
            self.add("word", GREEK.get(name, name), start, latex=True, whole=True)
        elif name in SYMBOLS:
            symbol = SYMBOLS[name]
            self.add("word" if symbol == "⊤" else symbol, symbol, start, latex=True, whole=True)
        elif name in ACCENTS:
            self.add("accent", ACCENTS[name], start, latex=True)
        elif name in ("_", "*"):
            self.add(name, name, start)  # as Markdown writes them
        else:
            self.add("bad", value, start, latex=True)

    def blank(self, name: str) -> None:
        """A command for a space or a size, which leaves no token."""
        self.space = self.command = True
        self.looks[-1] = LOOKS.get(name, self.looks[-1])
        self.wide |= name in WIDE
        if name in ("left", "right"):
            half = HALF.match(self.text, self.at)
            if half and half.start("sign") in self.layout.halves:
                self.at = half.end()

    def words(self, name: str, start: int) -> None:
        r"""`\text{…}` and its like: a name, prose, or formulas in another style."""
        tokens = self.tokens
        inside = bool(tokens) and (tokens[-1].kind in ("_", "^") or [t.kind for t in tokens[-2:]] in SCRIPTS)
        stop = self.layout.after_group(self.text, self.at)
        content = TEXT_WORD.fullmatch(self.text, self.at, stop)
        if content and is_word(content[1], name, self.text, stop, inside):
            word = re.sub(r"\\_|[- ]", "_", normal(content[1].strip()))
            self.look = LOOKS["mathbf"] if name == "textbf" and len(word) == 1 else self.look
            self.add("word", word, start, latex=True, whole=True, stop=stop).prose = name in PROSE
            self.at = stop
        elif name in PROSE and stop > self.at and not inside:
            self.add("text", self.text[self.at : stop].strip(" \t{}"), start, latex=True, stop=stop)
            self.at = stop
        else:
            self.transparent, self.command = "", True


def is_comment(text: str, start: int, stop: int) -> bool:
    """Whether `%` begins a comment: always in LaTeX, elsewhere unless an operand stands before it and a formula after.

    Prose has words (`% new state`), a formula letters, numbers and signs (`% m`, `% 2 + x[t]`); `10%` is a percentage.
    """
    line = re.split(NEWLINE, text[:start])[-1] if start else ""
    rest = text[start + 1 : stop].strip()
    if "\\" in line or "$" in line or not re.search(r"[\w)\]}]\s*\Z", line):
        return True
    if line.endswith(("  ", "\t")):
        return True  # a column of remarks
    if line[-1].isdigit() and rest[:1].isalpha():
        return False
    return not re.match(r"(?:[(\[]*\s*(?:[^\W\d_](?![^\W\d_])|[0-9]))", rest) or "\\" in rest


def is_word(content: str, command: str, text: str, stop: int, inside: bool) -> bool:
    """Is what a text command holds a name? Several words are one only where a name must stand, as before a script."""
    if command not in PROSE or inside or " " not in content:
        return True
    return bool(known_function(content.strip().replace(" ", "_"))) or bool(
        re.match(r"\s*(?:[_^(]|:?=|&\s*=)", text[stop : stop + 20])
    )


def one_name(tokens: list[Token]) -> bool:
    """Is it one sign, or one letter with its accents and scripts?"""
    kinds = [token.kind for token in tokens]
    if len(kinds) < 2:
        return True
    at = 0
    while kinds[at : at + 1] in (["accent"], ["{"]):
        at += 1
    if kinds[at : at + 1] != ["word"]:
        return False
    depth, script = at - kinds[:at].count("accent"), False
    for kind in kinds[at + 1 :]:
        depth += (kind == "{") - (kind == "}")
        outside = depth == 0 and kind != "}"
        if outside and not script and kind not in ("_", "^", "sub", "sup", "'"):
            return False
        script = (outside and kind in ("_", "^")) or (script and depth > 0)
    return depth == 0


def bare_letters(tokens: list[Token]) -> list[Token]:
    """Without the braces around one letter or sign that is no script and no argument: `{h}_{t}`, `{=}`, `\\tanh{}`."""
    partner: dict[int, int] = {}
    opened: list[int] = []
    arguments: set[int] = set()
    for i, token in enumerate(tokens):
        if token.kind == "{":
            opened.append(i)
        elif token.kind == "}" and opened:
            partner[opened.pop()] = i
    for i, token in enumerate(tokens):
        if token.kind in ("frac", "sqrt", "accent", "_", "^"):
            group = i + 1
            for _ in range(2 if token.kind == "frac" else 1):
                arguments.add(group)
                group = partner.get(group, group) + 1
    dropped = around_equations(tokens, partner, arguments)
    for first, last in partner.items():
        if first not in arguments and last < first + 14 and one_name(tokens[first + 1 : last]):
            dropped |= {first, last}
            tokens[first + 1].space |= tokens[first].space
            tokens[first + 1].wide |= tokens[first].wide
    return [token for i, token in enumerate(tokens) if i not in dropped]


def around_equations(tokens: list[Token], partner: dict[int, int], arguments: set[int]) -> set[int]:
    """The braces around whole equations, as Wikipedia writes them: `{\\displaystyle h_t = …}`."""
    found: set[int] = set()
    opened: list[int] = []
    for i, token in enumerate(tokens):
        if token.kind == "{" and i in partner:
            opened.append(i)
        elif token.kind == "}" and opened and partner[opened[-1]] == i:
            opened.pop()
        elif token.kind in ("=", "break"):
            for opening in reversed(opened):
                if opening in arguments or opening in found:
                    break
                found |= {opening, partner[opening]}
    return found


def inner_products(source: Source, tokens: list[Token]) -> list[Token]:
    """`\\langle a, b \\rangle` as `dot(a, b)`; in a script such brackets hold a step."""
    result: list[Token] = []
    waiting: list[tuple[int, int]] = []  # where such brackets open, and the commas in them
    depth = 0
    for token in tokens:
        depth += (token.kind in ("(", "[", "{")) - (token.kind in (")", "]", "}"))
        before = result[-1].kind if result else ""
        scripts = before in ("_", "^") or [t.kind for t in result[-2:]] in SCRIPTS
        if token.kind in ("newline", "break", "="):
            waiting = []
        if token.kind == "<" and source.text.startswith(("\\langle", "⟨"), token.start) and not scripts:
            waiting.append((len(result), depth))
        result.append(token)
        if token.kind == ">" and source.text.startswith(("\\rangle", "⟩"), token.start) and waiting:
            first, level = waiting.pop()
            commas = sum(t.kind == "," for t in outside_brackets(result[first + 1 : -1]))
            if level == depth and commas == 1:
                opening = result[first]
                result[-1] = replace(token, kind=")", text=")")
                result[first : first + 1] = [
                    replace(opening, kind="word", text="dot", whole=True),
                    replace(opening, kind="(", text="(", space=False),
                ]
    return result


def outside_brackets(tokens: list[Token]) -> list[Token]:
    depth, found = 0, []
    for token in tokens:
        depth += token.kind in ("(", "[", "{")
        found += [token] if depth == 0 else []
        depth -= token.kind in (")", "]", "}")
    return found


def scripts_in_order(tokens: list[Token]) -> list[Token]:
    """`k^\\top_t`, `W^T_{hh}` and `\\|x\\|^2_2` with the subscript first, so that it belongs to the name below."""
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        power = script_length(tokens, at, "^", "sup")
        below = script_length(tokens, at + power, "_", "sub") if power else 0
        said = "".join(t.text for t in tokens[at : at + power] if t.kind not in ("^", "{", "}"))
        norm = at > 0 and tokens[at - 1].kind == "‖"
        if below and (said in ("T", "⊤") or (norm and said in ("2", "T"))):
            result += tokens[at + power : at + power + below]
            result += tokens[at : at + power]
            at += power + below
            continue
        result.append(tokens[at])
        at += 1
    return result


def script_length(tokens: list[Token], at: int, *kinds: str) -> int:
    """How many tokens the script that begins here has; 0 if none of these kinds does."""
    if tokens[at].kind not in kinds:
        return 0
    if tokens[at].kind in ("sub", "sup"):
        return 1
    if tokens[at + 1].kind != "{":
        return 2 if tokens[at + 1].kind in ("word", "number") else 0
    depth = 0
    for i in range(at + 1, min(at + 40, len(tokens))):
        depth += (tokens[i].kind == "{") - (tokens[i].kind == "}")
        if depth == 0:
            return i + 1 - at
    return 0
