"""Names: letters with their accents, subscripts, superscripts and indices become one name with a step."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from .latex import Source, Token
from .lines import Line
from .syntax import Index, Name
from .vocabulary import known_function, whole_words
from .words import sounds_like_a_function, spelled_function

__all__ = [
    "REDUCTIONS",
    "STEP",
    "STEP_HINT",
    "Names",
    "decide_steps",
    "is_latex",
    "letters",
    "split_letters",
    "step_index",
]

REDUCTIONS = {"sum": "sum", "prod": "prod", "Σ": "sum", "Π": "prod"}
STEP = re.compile(r"([^\W\d_])?(?:(?<=[^\W\d_])([+-][0-9]{1,6}))?|([0-9]{1,6})")
STEP_HINT = "a step is t, t-1, t+1, T, or a number, as in h[t-1] or h[0]"


def step_index(text: str, before: bool = False) -> Index | None:
    """`t-1`, `T`, `3` as a step, with `before` also `-1`, a step before 0; None if the text is none."""
    if before and re.fullmatch("-[0-9]{1,6}", text):
        return Index(None, int(text))
    match = STEP.fullmatch(text)
    if not text or not match:
        return None
    return Index(None, int(match[3])) if match[3] else Index(match[1], int(match[2] or 0))


def is_latex(tokens: list[Token]) -> bool:
    """Has it a command, a dollar sign or a braced script (other than `sum_{k=1}^{t}`, and no steps in brackets)?"""
    if any(token.latex for token in tokens):
        return True
    pairs = list(pairwise(tokens))
    if any(a.kind == "word" and b.kind == "[" and not b.space for a, b in pairs):
        return False
    return any(
        a.kind in ("_", "^") and b.kind == "{" and not (i and tokens[i - 1].text in (*REDUCTIONS, "}"))
        for i, (a, b) in enumerate(pairs)
    )


def join_words(tokens: list[Token]) -> list[Token]:
    """A function spelled with `_`, as `leaky_relu` before its bracket, is one word in LaTeX too."""
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        token, stop = tokens[at], at + 1
        if token.kind == "word" and len(token.text) > 1:
            while [t.kind for t in tokens[stop : stop + 2]] == ["_", "word"] and not tokens[stop].space:
                stop += 2
        text = spelled_function([t.text for t in tokens[at:stop:2]]) if stop > at + 1 else None
        if text and stop < len(tokens) and tokens[stop].kind == "(":
            result.append(Token("word", text, token.start, tokens[stop - 1].stop, token.space, token.latex, whole=True))
            at = stop
        else:
            result.append(token)
            at += 1
    return result


def _known(word: str) -> bool:
    return word in whole_words() or known_function(word) is not None


def _initials(word: str) -> bool:
    """Whether a word may be matrices side by side: `CE` is the cross entropy before a bracket only."""
    return word.isupper() and len(word) < 4


def split_letters(tokens: list[Token]) -> Iterator[Token]:
    """In LaTeX a run of letters is a product: `WX` is W X, `W_xx_t` is W_x x_t. Functions and `h[t]` stay whole."""
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else token
        adjacent = not after.space and after is not token
        whole = (
            token.whole
            or (_known(token.text) and (after.kind == "(" or not _initials(token.text)))
            or (adjacent and after.kind == "[")
            or (after.kind == "(" and sounds_like_a_function(token.text))
        )
        pieces: list[str] = []
        if token.kind == "number" and i and tokens[i - 1].kind == "frac" and token.text.isdigit():
            pieces = list(token.text)
        elif token.kind == "word" and i and tokens[i - 1].kind == "_" and len(token.text) > 1:
            first = re.match(r"[0-9]+|.[\u0300-\u036f\u20d0-\u20ff]*", token.text, re.DOTALL)
            head = first[0] if first else ""
            # `W_hh h_t` means the name W_hh, though it is set as W_h h; before a further script it cannot.
            strict = (adjacent and after.kind in ("_", "^", "sub", "sup")) or head in ("t", "T") or head.isdigit()
            if not token.whole and (strict or not token.text.islower()):
                pieces = [head, *letters(token.text[len(head) :])]
        elif token.kind == "word" and not whole and len(token.text) > 1:
            pieces = letters(token.text)
        if len(pieces) < 2:
            yield token
            continue
        start = token.start
        for piece in pieces:
            # NFKC may have changed the length; a place inside the token is close enough then.
            stop = min(start + len(piece), token.stop)
            kind = "number" if piece.isdigit() and token.kind == "number" else "word"
            yield Token(
                kind,
                piece,
                min(start, stop - 1),
                stop,
                token.space and piece is pieces[0],
                latex=token.latex,
                whole=True,
            )
            start = stop


def letters(run: str) -> list[str]:
    """The symbols of a run of letters; digits stay with the letter before them."""
    return re.findall(r"[^\W_][\u0300-\u036f\u20d0-\u20ff]*[0-9]*", run)


class Names:
    """Joins words with accents, subscripts, superscripts and indices into tokens of kind "name" and "reduce"."""

    def __init__(self, source: Source, line: Line) -> None:
        self.source, self.line = source, line
        self.tokens = list(split_letters(join_words(line.tokens))) if line.latex else line.tokens
        end = self.tokens[-1].stop
        self.tokens = [*self.tokens, Token("end", "", end, end)]
        self.at = 0
        for i, token in enumerate(self.tokens[:-2]):
            if token.text in REDUCTIONS and self.tokens[i + 1].kind in ("_", "sub"):
                inner = self.tokens[i + 2 if self.tokens[i + 2].kind != "{" else i + 3 : i + 4]
                line.bound |= (
                    {self.tokens[i + 1].text} if self.tokens[i + 1].kind == "sub" else {t.text for t in inner[:1]}
                )

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def run(self) -> list[Token]:
        result: list[Token] = []
        while self.token.kind != "end":
            token = self.token
            if token.kind == "bad":
                raise self.source.bad(token)
            if token.kind in ("word", "accent"):
                result.append(self.name())
            elif token.kind in ("^", "sup"):
                result += self.power()
            elif token.kind in ("_", "sub", "'"):
                raise self.source.error(
                    "expected a name before this subscript", token, "subscripts belong to names, as in W_h or h_t"
                )
            else:
                result.append(token)
                self.at += 1
        return [*result, self.token]

    def power(self) -> list[Token]:
        """A superscript that is no part of a name: a transpose or a power."""
        token = self.token
        start = self.at
        content = self.script()
        last = self.tokens[self.at - 1]
        if content in ("T", "⊤"):
            return [Token("ᵀ", "^T", token.start, last.stop)]
        if token.kind == "^":
            self.at = start + 1
            return [token]
        if not re.fullmatch("-?[0-9]+", content):
            raise self.source.error(f"superscript {content!r} is neither a power nor ᵀ", token, "write ^2, ^T or [t-1]")
        power = [Token("^", "^", token.start, token.stop)]
        power += [Token("-", "-", token.start, token.stop)] if content.startswith("-") else []
        return [*power, Token("number", content.lstrip("-"), token.start, token.stop)]

    def script(self) -> str:
        """The text of the subscript or superscript that begins here."""
        token = self.token
        self.at += 1
        if token.kind in ("sub", "sup"):
            return token.text
        close = {"{": "}", "<": ">"}.get(self.token.kind)
        if not close:
            if self.token.kind == "end":
                raise self.source.error(
                    f"something is missing after {token.kind!r}", token, "write the subscript or the power"
                )
            self.at += 1
            return self.tokens[self.at - 1].text
        return self.enclosed(close)

    def enclosed(self, close: str) -> str:
        """The text between the bracket here and its partner, without spaces."""
        opening = self.token
        parts, depth = [], 0
        while True:
            token = self.token
            if token.kind == "end":
                raise self.source.error(
                    f"unbalanced bracket: {opening.text!r} is never closed", opening, f"add {close!r}"
                )
            if token.kind == "bad":
                raise self.source.bad(token)
            depth += (token.kind == opening.kind) - (token.kind == close)
            parts.append(token.text)
            self.at += 1
            if depth == 0:
                inner = "".join(parts[1:-1])
                return f"<{inner}>" if close == ">" else inner

    def is_step(self, index: Index | None) -> bool:
        return index is not None and (index.variable is None or index.variable in {"t", "T"} | self.line.bound)

    def name(self, inside: bool = False) -> Token:
        first = self.token
        base = self.base()
        if base in REDUCTIONS and self.token.kind in ("_", "sub"):
            header = self.reduction(REDUCTIONS[base], first)
            if header:
                return header
        index: Index | None = None
        subscripts: list[str] = []
        layer: str | None = None
        undecided_layer = False
        while True:
            token = self.token
            start = self.at
            if token.kind == "'":
                base += "'"
                self.at += 1
            elif token.kind in ("_", "sub"):
                if known_function(base) and first.latex and not base == "σ":
                    raise self.source.error(f"{base} cannot carry a subscript", token, f"write {base}(…)")
                subscripts.append(self.subscript(token))
            elif token.kind in ("^", "sup"):
                content = self.script()
                kind, text, step = self.superscript(content, index is not None or self.has_step(subscripts))
                if kind == "power":
                    self.at = start
                    break
                base += text if kind == "prime" else ""
                subscripts += [text] if kind == "part" else []
                layer = text if kind in ("layer", "layer?") else layer
                undecided_layer = kind == "layer?"
                index = self.one_index(index, step, token)
            elif token.kind == "[" and not token.separated and (step := self.bracket(base)):
                index = self.one_index(index, step, token)
            else:
                break
        undecided = None
        step = step_index(subscripts[-1], before=True) if subscripts else None
        if index is None and step is not None and self.is_step(step):
            if step.variable is not None or step.offset < 0:
                index = step
                subscripts.pop()
            elif undecided_layer is False or layer is None:
                undecided = ("_".join([base + (layer or ""), *subscripts[:-1]]), step.offset)
        elif undecided_layer and index is None and not subscripts and layer:
            undecided = (base, int(layer))
        if any(self.has_step([part]) for part in subscripts):
            raise self.source.error(f"{base} has two steps", first, STEP_HINT)
        text = "_".join([base + (layer or ""), *subscripts])
        last = self.tokens[self.at - 1]
        span = self.source.span(first.start, last.stop)
        token = Token("name", text, first.start, last.stop, first.space, first.latex, first.whole)
        token.name, token.undecided = Name(text, index, span), undecided
        dot, after = self.token, self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if dot.kind == "." and not dot.space and after.kind == "word" and not after.space and index is None:
            # `encoder.h[T]`: what was read is the block, the name follows.
            self.at += 1
            token = token if inside else self.name(inside=True)
            if inside or token.name is None:
                raise self.source.error("expected a name after the block's name", token, "write encoder.h[T]")
            token.name = Name(token.name.name, token.name.index, self.source.span(first.start, token.stop), text)
            token.start, token.space = first.start, first.space
        return token

    def has_step(self, subscripts: list[str]) -> bool:
        index = step_index(subscripts[-1], before=True) if subscripts else None
        return index is not None and (index.variable is not None or index.offset < 0) and self.is_step(index)

    def one_index(self, index: Index | None, step: Index | None, token: Token) -> Index | None:
        if index and step:
            raise self.source.error("a second step on one name", token, STEP_HINT)
        return step or index

    def base(self) -> str:
        token = self.token
        if token.kind == "bad":
            raise self.source.bad(token)
        self.at += 1
        if token.kind == "accent":
            braced = self.token.kind == "{"
            self.at += braced
            if self.token.kind not in ("word", "accent"):
                raise self.source.error("expected a letter under this accent", token, r"write \hat{y}_t")
            inner = self.base()
            if braced and self.token.kind != "}":
                raise self.source.error("an accent covers one letter", token, r"write \hat{y}_t, not \hat{y_t}")
            self.at += braced
            return unicodedata.normalize("NFC", inner[:1] + token.text + inner[1:])
        return token.text

    def subscript(self, token: Token) -> str:
        """The subscript here: a step such as `t-1`, or a part of the name with its commas and inner `_` removed."""
        content = self.script()
        if content.startswith("(") and content.endswith(")"):
            content = content[1:-1]
        index = step_index(content, before=True)
        if index and self.is_step(index):
            return content
        if any(part in ("t", "T") for part in content.split(",")[1:] + content.split(",")[:-1]):
            raise self.source.error(
                f"subscript {content!r} mixes a step with something else",
                token,
                "write h1[t], or h^{(1)}_t for a layer",
            )
        content = content.replace(",", "").replace("_", "").replace("'", "")
        if not content or not re.fullmatch(r"[\w\u0300-\u036f\u20d0-\u20ff]+", content):
            raise self.source.error(f"bad index {content!r}: neither a step nor a part of a name", token, STEP_HINT)
        return content

    def superscript(self, content: str, has_step: bool) -> tuple[str, str, Index | None]:
        """A name's superscript: a "power", "prime", "index", "layer", "layer?" (or a step) or "part" of the name."""
        if re.fullmatch("'+", content):
            return "prime", content, None
        if match := re.fullmatch(r"(?:[\[(]([0-9]{1,6})[\])])?<(.*)>", content):
            index = step_index(match[2], before=True)
            if index is None:
                raise self.source.error(f"bad index {match[2]!r}", self.tokens[self.at - 1], STEP_HINT)
            return ("layer" if match[1] else "index"), match[1] or "", index
        step = step_index(content)
        inner = content[1:-1] if content[:1] + content[-1:] in ("()", "[]") else ""
        if inner.isdigit() and len(inner) < 7:
            return ("layer?" if content[0] == "(" and not has_step else "layer"), inner, None
        if self.is_step(step_index(inner)):
            return "index", "", step_index(inner)
        if inner.isalpha():
            return "part", inner, None
        followed = self.token.kind in ("_", "sub")
        if step and not has_step and (step.variable == "t" or (step.variable == "T" and step.offset)):
            return "index", "", step
        if step and step.variable is None and followed:
            return "layer", content, None
        if (
            content != "T"
            and content.isalpha()
            and content != "⊤"
            and self.line.latex
            and (followed or len(content) > 1)
        ):
            return "part", content, None
        return "power", "", None

    def bracket(self, base: str) -> Index | None:
        """The step in the brackets here, or None if they are not an index (`tanh[…]`, `W [a; b]`)."""
        opening, start = self.token, self.at
        content = self.enclosed("]")
        index = step_index(content, before=True)
        if index and (self.is_step(index) or not (opening.space or known_function(base))):
            return index
        if not opening.space and not known_function(base):
            raise self.source.error(f"bad index {content!r}", self.tokens[start + 1], STEP_HINT)
        self.at = start
        return None

    def reduction(self, kind: str, first: Token) -> Token | None:
        """`sum_t`, `sum_{k=1}^{t}`; None if it is only a name such as sum_xy."""
        start = self.at
        variable, _, low = self.script().partition("=")
        lower, upper = step_index(low), None
        if not (len(variable) == 1 and variable.isalpha()) or (low and lower is None):
            if first.text in ("Σ", "Π") or not (low or first.whole):
                self.at = start
                return None
            raise self.source.error(f"bad bounds of a {kind}", self.tokens[start], "write sum_t, or sum_{k=1}^{t}")
        if self.token.kind in ("^", "sup"):
            token = self.token
            upper = step_index(self.script())
            if upper is None:
                raise self.source.error(f"bad upper bound of a {kind}", token, "write sum_{k=1}^{t}")
        last = self.tokens[self.at - 1]
        result = Token("reduce", kind, first.start, last.stop, first.space)
        result.reduce = (kind, variable, lower, upper)
        return result


def decide_steps(lines: list[Line]) -> set[str]:
    """Names whose numeric subscript is a step: `h_3` where h_t stands too, or where `h_3 = …`, `h_2 = …` stand."""
    indexed: set[str] = set()
    numbers: dict[str, set[int]] = {}
    on_the_left: set[str] = set()
    per_line: list[set[str]] = []
    for line in lines:
        here: set[str] = set()
        bare = all(token.kind != "=" for token in line.tokens)
        left = True
        for token, after in pairwise(line.tokens):
            left &= token.kind != "="
            if token.name is None:
                continue
            if token.name.index and token.name.index.variable:
                indexed.add(token.name.name)
            base = token.undecided[0] if token.undecided else token.name.name
            if token.undecided and not (after.kind == "(" and (line.latex or not after.space)):
                numbers.setdefault(base, set()).add(token.undecided[1])
                here.add(base)
            # A lone `J(y_2, y_3)` names steps as well: its arguments are what is counted.
            if left and (not bare or base[0].islower()) and token.name.index is None:
                on_the_left.add(base)
        per_line.append(here)
    stepped = {base for base in on_the_left if len(numbers.get(base, ())) > 1}
    for here in per_line:
        if here & stepped:
            # Beside h_3 = f(x_3, h_2, …), x_3 counts steps too; W_1 and b_1 are parameters by custom.
            stepped = stepped | {
                base for base in here if base in on_the_left or (base[0].islower() and base[0] not in "bwuvθ")
            }
    return indexed | stepped
