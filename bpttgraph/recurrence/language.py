"""The equation language: `parse` turns a recurrence, as plain text or as LaTeX from a slide, into a syntax tree.

Four small stages: the scanner (`latex.py`), cutting into equations, joining letters with their subscripts, superscripts
and accents into names with a step, and a precedence parser. Only syntax is decided here; what is a state, an input or a
parameter is decided by `Recurrence`. Nothing is ever evaluated; size and depth are bounded before anything recurses.

>>> print(show(parse(r"h_t = \\tanh(W_{xh} x_t + W_{hh} h_{t-1})")))
h[t] = tanh(((W_xh x[t]) + (W_hh h[t-1])))
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from ..errors import BPTTError, expect
from .latex import MAX_CHARACTERS, Source, Token, scan, words
from .syntax import (
    Binary,
    Call,
    Equation,
    Expr,
    Index,
    Name,
    Negate,
    Number,
    Program,
    Reduce,
    Span,
    Stack,
    Transposed,
)

__all__ = ["KNOWN_FUNCTIONS", "parse", "parse_binding", "parse_expression", "show", "walk"]

KNOWN_FUNCTIONS = frozenset(
    words(
        "tanh sigmoid logistic relu leaky_relu softplus identity exp log sqrt abs softmax log_softmax sum mean dot "
        "outer diag norm concat cross_entropy squared_error clip sin cos elu silu gelu gelu_tanh erf max min"
    )
)
ALIASES = {"σ": "sigmoid", "sigma": "sigmoid", "sigm": "sigmoid", "id": "identity", "ln": "log"}
# Words that LaTeX mode keeps whole although they stand there as a run of letters.
WHOLE_WORDS = KNOWN_FUNCTIONS | ALIASES.keys() | {"target", "prod", "loss"}
NAME_A_PART = "name a part of it in an equation of its own"
REDUCTIONS = {"sum": "sum", "prod": "prod", "Σ": "sum", "Π": "prod"}

MAX_NODES, MAX_NESTING, MAX_HEIGHT = 5_000, 60, 200
CLOSING = {"(": ")", "[": "]", "{": "}"}
BINARY = {"+": "+", "-": "-", "*": "*", "/": "/", "@": "@", "·": " ", "^": "^"}
POWER = {"+": 10, "-": 10, "*": 20, "/": 20, "@": 30, "·": 30, "^": 40, "ᵀ": 40}
STARTS = {"name", "(", "[", "{", "frac", "sqrt", "reduce", "‖"}
STEP = re.compile(r"([^\W\d_])?(?:(?<=[^\W\d_])([+-][0-9]{1,6}))?|([0-9]{1,6})")
STEP_HINT = "a step is t, t-1, t+1, T, or a number, as in h[t-1] or h[0]"


def known_function(name: str) -> str | None:
    """The canonical name of a known function ("σ" and "ReLU" are "sigmoid" and "relu"), or None."""
    if name in ALIASES:
        return ALIASES[name]
    # Slides spell Softmax and ReLU with capitals.
    return next((n for n in (name, name.lower()) if n in KNOWN_FUNCTIONS), None)


def step_index(text: str, before: bool = False) -> Index | None:
    """`t-1`, `T`, `3` as a step, with `before` also `-1`, a step before 0; None if the text is none."""
    if before and re.fullmatch("-[0-9]{1,6}", text):
        return Index(None, int(text))
    match = STEP.fullmatch(text)
    if not text or not match:
        return None
    return Index(None, int(match[3])) if match[3] else Index(match[1], int(match[2] or 0))


def children(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Call():
            return expr.args + expr.parameters
        case Negate() | Transposed():
            return (expr.operand,)
        case Binary():
            return (expr.left, expr.right)
        case Stack():
            return expr.items
        case Reduce():
            return (expr.body,)
    return ()


def walk(expr: Expr) -> Iterator[tuple[Expr, int]]:
    """Every node with its depth, parents first, without recursion."""
    pending = [(expr, 1)]
    while pending:
        node, depth = pending.pop()
        yield node, depth
        pending += [(child, depth + 1) for child in reversed(children(node))]


# -- cutting the text into equations ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Line:
    """The tokens of one equation; `block` is the block it stands in."""

    tokens: list[Token]
    block: str | None = None
    latex: bool = False
    bound: set[str] = field(default_factory=set)  # step variables of the sums in it


def cut(source: Source, tokens: list[Token]) -> list[Line]:
    """Equations end at a line's end, at `;`, and at a comma after one, outside brackets. Checks brackets."""
    lines = [Line([])]
    open_brackets: list[Token] = []
    for token in tokens:
        current = lines[-1].tokens
        if token.kind in CLOSING:
            open_brackets.append(token)
            if len(open_brackets) > MAX_NESTING:
                raise source.error(f"brackets nested deeper than {MAX_NESTING}", token, NAME_A_PART)
        elif token.kind in CLOSING.values():
            if not open_brackets:
                raise source.error(
                    f"unbalanced bracket: {token.kind!r} closes nothing", token, f"remove {token.kind!r}"
                )
            if CLOSING[open_brackets[-1].kind] != token.kind:
                raise unclosed(source, open_brackets[-1])
            open_brackets.pop()
        elif open_brackets:
            top = open_brackets[-1]
            if token.kind == "end" or token.text.startswith("$") or (token.kind == "=" and top.kind != "{"):
                raise unclosed(source, top)
            if token.kind in (",", ";"):
                top.separated = True
            if token.kind in ("newline", "break"):
                continue
        elif (
            token.kind in ("newline", "break", ";", "end")
            or (token.kind == "⇒" and not current)
            or (token.kind == "," and any(t.kind == "=" for t in current))
        ):
            lines.append(Line([]))
            continue
        current.append(token)
    return join(split_blocks(source, [line for line in lines if line.tokens]))


def unclosed(source: Source, bracket: Token) -> BPTTError:
    missing = CLOSING[bracket.kind]
    return source.error(f"unbalanced bracket: {bracket.text!r} is never closed", bracket, f"add {missing!r}")


def split_blocks(source: Source, lines: list[Line]) -> list[Line]:
    """`encoder:` opens a block; it leaves a line without tokens, so that the block is known even if it stays empty."""
    block, result = None, []
    for line in lines:
        colon = next((i for i, token in enumerate(line.tokens) if token.kind == ":"), None)
        if colon and all(token.kind in ("word", "_") for token in line.tokens[:colon]):
            if any(token.space for token in line.tokens[1:colon]):
                raise source.error(
                    "expected an equation or a block's name before ':'", line.tokens[colon], "write encoder: on a line"
                )
            block = "".join(token.text for token in line.tokens[:colon])
            result.append(Line([], block))
            line.tokens = line.tokens[colon + 1 :]
        if line.tokens:
            line.block = block
            result.append(line)
    return result


def join(lines: list[Line]) -> list[Line]:
    """A line that begins with an operator, or that follows one and has no `=`, continues the equation before it."""
    result: list[Line] = []
    operators = {*BINARY, "="}
    for line in lines:
        before = result[-1].tokens if result else []
        if before and line.tokens:
            follows = before[-1].kind in operators and all(token.kind != "=" for token in line.tokens)
            if follows or line.tokens[0].kind in operators:
                before += line.tokens
                continue
        result.append(line)
    return result


def trim(line: Line) -> str | None:
    """Drop what a slide adds: commentary left of ⇒, `∈ …`, an equation number, a full stop. Says what it dropped."""
    tokens, note = line.tokens, None
    arrows = [i for i, token in enumerate(tokens) if token.kind == "⇒" and any(t.kind == "=" for t in tokens[i:])]
    if arrows:
        tokens, note = tokens[arrows[-1] + 1 :], "what stands left of ⇒ was read as commentary"
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token.kind in CLOSING) - (token.kind in CLOSING.values())
        if token.kind == "∈" and depth == 0:
            tokens, note = tokens[:i], "what follows ∈ was left out"
            break
    while tokens and tokens[-1].kind in (".", ","):
        tokens = tokens[:-1]
    if (
        len(tokens) > 4
        and [t.kind for t in tokens[-3:]] == ["(", "number", ")"]
        and tokens[-3].space
        and tokens[-2].text.isdigit()
    ):
        before = tokens[-4]
        if before.kind not in {*BINARY, "="} and not (before.kind == "word" and known_function(before.text)):
            tokens, note = tokens[:-3], f"({tokens[-2].text}) was read as the equation's number"
            while tokens[-1].kind in (".", ","):
                tokens = tokens[:-1]
    line.tokens = tokens
    return note


# -- names -------------------------------------------------------------------------------------------------------------


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


def split_letters(tokens: list[Token]) -> Iterator[Token]:
    """In LaTeX a run of letters is a product: `WX` is W X, `W_xx_t` is W_x x_t. Functions and `h[t]` stay whole."""
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else token
        adjacent = not after.space and after is not token
        whole = (
            token.whole or token.text in WHOLE_WORDS or known_function(token.text) or (adjacent and after.kind == "[")
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
        self.tokens = list(split_letters(line.tokens)) if line.latex else line.tokens
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

    def name(self) -> Token:
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
            token = self.name()
            if token.name is None or token.name.block:
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


# -- numbers as steps --------------------------------------------------------------------------------------------------


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


# -- the parser --------------------------------------------------------------------------------------------------------


class Reader:
    """What the equations of one text share."""

    def __init__(self, text: str) -> None:
        expect(text, str, "a recurrence", "write the equations as text, or a Python function of one step")
        if len(text) > MAX_CHARACTERS:
            start = Span(1, 0, 1)
            raise BPTTError(
                f"the text is too large: {len(text)} characters",
                f"the limit is {MAX_CHARACTERS}",
                text=text[:200],
                span=start,
            )
        self.source = Source(text)
        self.nodes = 0
        self.notes: list[str] = []
        self.lines = cut(self.source, scan(self.source))
        for line in self.lines:
            if line.tokens:
                note = trim(line)
                if note:
                    place = self.source.span(line.tokens[0].start if line.tokens else 0, 0)
                    self.notes.append(f"line {place.line}: {note}")
            if line.tokens:
                line.latex = is_latex(line.tokens)
                line.tokens = Names(self.source, line).run()
        if not any(line.tokens for line in self.lines):
            hint = "write an equation such as h[t] = tanh(W x[t])"
            raise BPTTError("there is no equation in this text", hint, text=text, span=Span(1, 0, 1))
        stepped = decide_steps(self.lines)
        for token in (token for line in self.lines for token in line.tokens):
            if token.undecided and token.undecided[0] in stepped and token.name:
                base, number = token.undecided
                token.name = Name(base, Index(None, number), token.name.span, token.name.block)
        # Names that stand somewhere as a factor are no functions there: α (x + y) after 1 − α.
        self.factors = Counter(
            token.text
            for line in self.lines
            for token, after in pairwise(line.tokens)
            if token.name and token.name.index is None and after.kind != "("
        )


class Parser:
    """Precedence parser for one equation."""

    def __init__(self, reader: Reader, line: Line, tokens: list[Token] | None = None) -> None:
        self.reader, self.source, self.line = reader, reader.source, line
        self.tokens = tokens if tokens is not None else line.tokens
        self.at = 0
        self.depth = 0
        self.norms = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def span(self, start: Token) -> Span:
        return self.source.span(start.start, self.tokens[max(0, self.at - 1)].stop)

    def node(self) -> None:
        self.reader.nodes += 1
        if self.reader.nodes > MAX_NODES:
            raise self.source.error(f"too many terms: more than {MAX_NODES}", self.token, "split the text")

    def whole(self) -> Expr:
        """An expression up to the end."""
        first = self.token
        expr = self.expression(0)
        if self.token.kind != "end":
            raise self.unexpected()
        if max(depth for _, depth in walk(expr)) > MAX_HEIGHT:
            raise self.source.error(f"more than {MAX_HEIGHT} operations in a row", first, NAME_A_PART)
        return expr

    def unexpected(self) -> BPTTError:
        token = self.token
        if token.kind == "=":
            return self.source.error("a second '=' in one equation", token, "put each equation on a line of its own")
        if token.kind == "∂":
            return self.source.error(
                "a partial derivative cannot stand here", token, "write dE/dW_h as a name on the left of '='"
            )
        what = "a number" if token.kind == "number" else repr(token.text)
        return self.source.error(
            f"expected an operator or the end of the equation, found {what}", token, "write + - * / @ or ∘ between"
        )

    def missing(self) -> BPTTError:
        token = self.token
        if token.kind == "∂":
            return self.unexpected()
        before = self.tokens[self.at - 1] if self.at else None
        place = token if token.kind != "end" or before is None else before
        if before is None or (token.kind in BINARY and before.kind not in BINARY):
            what = f"an operand is missing before {token.text!r}"
        else:
            what = f"an operand is missing after {before.text!r}"
        return self.source.error(what, place, "write a name, a number or an expression in brackets there")

    def expect(self, kind: str) -> None:
        if self.token.kind != kind:
            if self.token.kind == "end":
                raise self.missing()
            raise self.unexpected()
        self.at += 1

    def expression(self, least: int) -> Expr:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise self.source.error(f"expressions nested deeper than {MAX_NESTING}", self.token, NAME_A_PART)
        first = self.token
        left = self.operand(least)
        while True:
            kind = self.token.kind
            juxtaposed = kind in STARTS and not (kind == "‖" and self.norms)
            power = 30 if juxtaposed else POWER.get(kind, -1)
            # ᵀ after an exponent belongs to the whole power.
            if power < least or power < 0 or (kind == "ᵀ" and isinstance(left, Number)):
                break
            self.node()
            self.at += not juxtaposed
            if kind == "ᵀ":
                left = Transposed(left, self.span(first))
            else:
                right = self.expression(power if kind == "^" else power + 1)
                left = Binary(" " if juxtaposed else BINARY[kind], left, right, self.span(first))
        self.depth -= 1
        return left

    def operand(self, least: int) -> Expr:
        self.node()
        token = self.token
        self.at += 1
        match token.kind:
            case "number":
                return self.number(token)
            case "-":
                return Negate(self.expression(max(30, least)), self.span(token))
            case "(" | "{":
                inner = self.expression(0)
                self.expect(CLOSING[token.kind])
                return inner
            case "[":
                items = [self.expression(0)]
                while self.token.kind in (";", ","):
                    self.at += 1
                    items.append(self.expression(0))
                self.expect("]")
                return Stack(tuple(items), self.span(token)) if len(items) > 1 else items[0]
            case "‖":
                self.norms += 1
                inner = self.expression(0)
                self.expect("‖")
                self.norms -= 1
                return Call("norm", (inner,), (), self.span(token))
            case "frac":
                top, bottom = self.expression(50), self.expression(50)
                return Binary("/", top, bottom, self.span(token))
            case "sqrt":
                return Call("sqrt", (self.expression(50),), (), self.span(token))
            case "reduce":
                return self.reduction(token)
            case "name":
                return self.name(token)
        self.at -= 1
        raise self.missing()

    def number(self, token: Token) -> Expr:
        value = float(token.text)
        if not math.isfinite(value):
            raise self.source.error("this number is too large", token, "use a number below 1e308")
        result = Number(value, self.source.span(token.start, token.stop))
        tokens = self.tokens
        # `1/2 x` is a half of x, although juxtaposition binds tighter than `/`; not so after another `/`.
        if [t.kind for t in tokens[self.at : self.at + 2]] == ["/", "number"] and (
            self.at < 2 or tokens[self.at - 2].kind != "/"
        ):
            after = tokens[self.at + 2].kind
            if after in STARTS:
                self.at += 1
                below = self.token
                self.at += 1
                return Binary(
                    "/", result, Number(float(below.text), self.source.span(below.start, below.stop)), self.span(token)
                )
        return result

    def reduction(self, token: Token) -> Expr:
        assert token.reduce is not None
        kind, variable, lower, upper = token.reduce
        at, opened = self.at, self.tokens[max(self.at - 2, 0)].kind in ("(", "{")
        body = self.expression(20)
        # Brackets say what belongs to a product: around its body, or around nothing but the product.
        bracketed = opened and self.token.kind in (")", "}")
        begin = self.source.span(self.tokens[at].start, self.tokens[at].stop)
        outside: list[Binary] = []
        # ∏_j A_j B: the product ends with its last factor that depends on j (if there is one).
        while (
            kind == "prod"
            and not bracketed
            and isinstance(body, Binary)
            and (body.span.line, body.span.column) == (begin.line, begin.column)
            and not depends(body.right, variable)
            and depends(body.left, variable)
        ):
            if body.operator not in (" ", "@", "*", "/"):
                break
            outside.append(body)
            body = body.left
        result: Expr = Reduce(kind, variable, lower, upper, body, self.span(token))
        for factor in reversed(outside):
            result = Binary(factor.operator, result, factor.right, factor.span)
        return result

    def name(self, token: Token) -> Expr:
        name = token.name
        assert name is not None
        function = known_function(name.name) if name.index is None and name.block is None else None
        if (self.token.kind == "[" and function) or (self.token.kind == "(" and (function or self.applies(token))):
            return self.call(function or name.name, token)
        if function is None or (name.name in ("σ", "id") and not self.line.latex and self.token.kind not in STARTS):
            return name
        if (self.line.latex or token.latex) and self.token.kind in STARTS | {"number"}:
            operand = self.expression(30)
            return Call(function, (operand,), (), self.span(token))
        raise self.source.error(f"{name.name} is a function: it needs an argument", token, f"write {function}(…)")

    def applies(self, token: Token) -> bool:
        """Is the unknown name before a bracket an abstract function, and not a factor?"""
        bracket, name = self.token, token.name
        if name is None or name.index is not None or name.block is not None:
            return False
        if bracket.separated:
            return True
        if name.name[0].isupper():
            return False
        return self.reader.factors[token.text] == 0 if self.line.latex else not bracket.space

    def call(self, function: str, token: Token) -> Expr:
        opening = self.token
        self.at += 1
        args: list[Expr] = [self.expression(0)]
        parameters: list[Expr] = []
        target = args
        while self.token.kind in (",", ";"):
            if self.token.kind == ";":
                if target is parameters:
                    raise self.source.error("a second ';' in one call", self.token, "write f(arguments; parameters)")
                target = parameters
            self.at += 1
            target.append(self.expression(0))
        self.expect(CLOSING[opening.kind])
        return Call(function, tuple(args), tuple(parameters), self.span(token))


def depends(expr: Expr, variable: str) -> bool:
    return any(
        isinstance(node, Name) and node.index is not None and node.index.variable == variable for node, _ in walk(expr)
    )


# -- derivative names --------------------------------------------------------------------------------------------------


def derivatives(line: Line) -> list[Token]:
    """Join `dE/dW_h`, `∂E/∂W_h` and `\\frac{∂E}{∂W_h}` into a name: a left side, or the gradient of a loss."""
    tokens, result, at = line.tokens, [], 0
    equals = next((i for i, token in enumerate(tokens) if token.kind == "="), 0)
    while at < len(tokens):
        shape = [token.kind for token in tokens[at : at + 9]]
        top = bottom = None
        size = 0
        if shape[:3] == ["name", "/", "name"] and not (tokens[at + 1].space or tokens[at + 2].space):
            top, bottom, size = tokens[at], tokens[at + 2], 3
        elif shape[:5] == ["∂", "name", "/", "∂", "name"]:
            top, bottom, size = tokens[at + 1], tokens[at + 4], 5
        elif shape == ["frac", "{", "∂", "name", "}", "{", "∂", "name", "}"]:
            top, bottom, size = tokens[at + 3], tokens[at + 7], 9
        if top and bottom and top.name and bottom.name and top.name.index is None and top.name.block is None:
            over, under = top.name.name, bottom.name.name
            if size == 3:
                plain = over[:1] == under[:1] == "d" and len(over) > 1 and len(under) > 1
                allowed = plain and (over in ("dE", "dL", "dJ", "dloss") or (at == 0 and equals == size))
                over, under = over[1:], under[1:]
            else:
                allowed = (at == 0 and equals == size) or over in ("E", "L", "J", "loss")
            if allowed:
                stop = tokens[at + size - 1].stop
                joined = Token("name", f"d{over}/d{under}", tokens[at].start, stop, tokens[at].space)
                span = Span(bottom.name.span.line, bottom.name.span.column, bottom.name.span.end)
                joined.name = Name(joined.text, bottom.name.index, span)
                result.append(joined)
                at += size
                continue
        result.append(tokens[at])
        at += 1
    return result


# -- equations ---------------------------------------------------------------------------------------------------------


def equation(reader: Reader, line: Line) -> Equation:
    source, tokens = reader.source, derivatives(line)
    end = tokens[-1]
    place = next((i for i, token in enumerate(tokens) if token.kind == "="), None)
    start = tokens[0].start
    if source.text.count("}", start, end.start) > source.text.count("{", start, end.start):
        style = re.search(r"\\[A-Za-z]+\s*\{\s*\Z", source.text[:start])  # \mathbf{ before the first name belongs to the equation
        start = style.start() if style else start
    text = source.text[start : end.start].strip()
    span = source.span(tokens[0].start, end.start)
    if place is None:
        name = tokens[0].name
        bare = Parser(reader, line, tokens).whole()
        if not (isinstance(bare, Call) and name and bare.function == name.name and name.name[0].isupper()):
            raise source.error("expected '=' in this equation", tokens[-2], "write name = expression")
        return Equation((Name(name.name, None, name.span),), bare, span, text, line.block)
    left = left_side(source, tokens[:place], tokens[place])
    if place + 2 >= len(tokens):
        raise source.error("the right side is missing after '='", tokens[place], "write what it equals")
    right = Parser(reader, line, tokens[place + 1 :]).whole()
    return Equation(left, right, span, text, left[0].block or line.block)


def left_side(source: Source, tokens: list[Token], equals: Token) -> tuple[Name, ...]:
    if not tokens:
        raise source.error("the left side is missing before '='", equals, "write a name such as h[t] there")
    names = [token.name for token in tokens if token.name]
    kinds = [token.kind for token in tokens]
    count = len(names)
    stacked = count > 1 and [k if k != "," else ";" for k in kinds] == ["[", *(["name", ";"] * count)[:-1], "]"]
    if not (kinds == ["name"] or stacked):
        hint = "write h[t] = …"
        if kinds[:2] == ["name", "("]:
            inside = "".join(token.text for token in tokens[2:-1]).replace(" ", "")
            hint = (
                f"a step stands in square brackets: {names[0].name}[{inside}]"
                if re.fullmatch(r"t([+-]\d+)?", inside)
                else "give a function's formula with --let, as in --let 'f(x, h) = tanh(x + h)'"
            )
        if names and kinds[-1] in ("+", "-"):
            hint = f"no {kinds[-1]}= here: write {names[0].name} = sum_t …"
        wrong = next((token for token in tokens[1:] if token.name is None), tokens[0])
        raise source.error(
            "the left side must be one name, such as h[t], or names to unpack, [i[t]; f[t]]", wrong, hint
        )
    for name in names:
        if name.index is None and name.name in KNOWN_FUNCTIONS:
            token = next(token for token in tokens if token.name is name)
            raise source.error(f"{name.name} is the name of a function", token, "choose another name")
    return tuple(names)


def parse(text: str) -> Program:
    """The equations of a text, as syntax.

    Raises:
        BPTTError: with the line, a caret and what was expected there.
    """
    reader = Reader(text)
    equations = tuple(equation(reader, line) for line in reader.lines if line.tokens)
    blocks = dict.fromkeys(
        [line.block for line in reader.lines if line.block] + [e.block for e in equations if e.block]
    )
    return Program(equations, tuple(blocks), text, tuple(reader.notes))


def parse_expression(text: str) -> Expr:
    """One expression, such as a student's answer without its left side."""
    reader = Reader(text)
    lines = [line for line in reader.lines if line.tokens]
    if len(lines) > 1:
        raise reader.source.error("expected one expression", lines[1].tokens[0], "leave out what follows")
    return Parser(reader, lines[0], derivatives(lines[0])).whole()


def parse_binding(text: str) -> tuple[str, tuple[str, ...], Expr]:
    """`f_1(x, h; w) = tanh(w x + h)` as ("f_1", ("x", "h", "w"), tree); `phi = tanh` as ("phi", (), Name("tanh"))."""
    reader = Reader(text)
    source = reader.source
    lines = [line for line in reader.lines if line.tokens]
    tokens = lines[0].tokens
    if len(lines) > 1:
        raise source.error("expected one binding", lines[1].tokens[0], "give each function a --let of its own")
    place = next((i for i, token in enumerate(tokens) if token.kind == "="), None)
    if place is None:
        raise source.error("expected '=' in this binding", tokens[-2], "write phi = tanh, or f(x, h) = tanh(x + h)")
    head, right = tokens[:place], tokens[place + 1 :]
    kinds = ["," if token.kind == ";" else token.kind for token in head]
    count = kinds.count("name") - 1
    if not (kinds == ["name"] or (count > 0 and kinds == ["name", "(", *(["name", ","] * count)[:-1], ")"])):
        raise source.error(
            "the left side of a binding must be a function's name",
            head[0] if head else tokens[place],
            "write f(x, h; w) = …",
        )
    names = [token.name for token in head if token.name]
    for token in head:
        if token.name and (token.name.index or token.name.block):
            raise source.error("the names of a binding carry no step", token, "write f(x, h) = tanh(x + h)")
    formals = tuple(name.name for name in names[1:])
    if len(set(formals)) < len(formals):
        raise source.error("a parameter's name is there twice", head[1], "give each parameter a name of its own")
    bare = right[0].name
    if len(right) == 2 and bare and bare.index is None and (function := known_function(bare.name)):
        return names[0].name, formals, Name(function, None, bare.span)
    if len(right) == 1:
        raise source.error("the right side is missing after '='", tokens[place], "write phi = tanh")
    return names[0].name, formals, Parser(reader, lines[0], right).whole()


# -- printing ----------------------------------------------------------------------------------------------------------


def show(tree: Program | Equation | Expr) -> str:
    """Plain text with every bracket written, which parses to the same tree again."""
    match tree:
        case Program():
            lines: list[str] = []
            block = None
            for eq in tree.equations:
                if eq.block != block and not eq.left[0].block:
                    block = eq.block
                    lines.append(f"{block}:")
                lines.append(show(eq))
            return "\n".join(lines)
        case Equation():
            left = "; ".join(map(show, tree.left))
            return f"[{left}] = {show(tree.right)}" if len(tree.left) > 1 else f"{left} = {show(tree.right)}"
        case Number():
            return repr(tree.value).removesuffix(".0")
        case Name():
            block = f"{tree.block}." if tree.block else ""
            return block + tree.name + (f"[{show_index(tree.index)}]" if tree.index else "")
        case Call():
            inner = ", ".join(map(show, tree.args))
            return (
                f"{tree.function}({inner}; {', '.join(map(show, tree.parameters))})"
                if tree.parameters
                else f"{tree.function}({inner})"
            )
        case Negate():
            return f"(-{show(tree.operand)})"
        case Transposed():
            return f"{show(tree.operand)}.T"
        case Stack():
            return f"[{'; '.join(map(show, tree.items))}]"
        case Reduce():
            lower = f"_{{{tree.variable}={show_index(tree.lower)}}}" if tree.lower else f"_{tree.variable}"
            upper = f"^{{{show_index(tree.upper)}}}" if tree.upper else ""
            return f"({tree.kind}{lower}{upper} ({show(tree.body)}))"
        case Binary():
            # A number needs its dot: `x 2` would not parse.
            operator = " · " if tree.operator == " " and isinstance(tree.right, Number) else f" {tree.operator} "
            return f"({show(tree.left)}{' ' if operator == '   ' else operator}{show(tree.right)})"


def show_index(index: Index) -> str:
    if index.variable is None:
        return str(index.offset)
    return f"{index.variable}{index.offset:+d}" if index.offset else index.variable
