"""From tokens to pieces of a text: where an equation ends, and where it goes on. What each is, `remarks` finds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ..errors import BPTTError
from .latex import Source, Token
from .vocabulary import known_function

__all__ = [
    "BINARY",
    "CLOSING",
    "MAX_HEIGHT",
    "MAX_NESTING",
    "MAX_NODES",
    "NAME_A_PART",
    "Line",
    "cut",
    "unclosed",
]

NAME_A_PART = "name a part of it in an equation of its own"
MAX_NODES, MAX_NESTING, MAX_HEIGHT = 5_000, 60, 200
STYLED = re.compile(r"\\(?:mathrm|mathbf|mathit|mathsf|text|textrm|operatorname|boldsymbol|bm)\{\w+[)\]]")
OPENED = re.compile(r"(\\(?:mathbf|mathrm|mathit|boldsymbol|bm|hat|bar|tilde|vec)(?=[A-Za-z])|[_^](?!\{))[^\s{}+=]+\Z")
FUNCTION = re.compile(
    r"(?<![A-Za-z])(\\?(?:tanh|sigma|σ|sigmoid|relu|softmax))(?=[A-Za-z]\w{0,3}(?![\w(]*\())|(\\phi|\\psi|\\sigma)(?=\\math)"
)
STEP = re.compile(r"t(?:\s?[-+−]\s?\d{1,2})?(?=\s*[-+*@/,;)=]|\s+[^\W\d_]|\s*\n|\s*\Z)")
LOOKED_AT = 400  # tokens behind a bracket that clashes
CLOSING = {"(": ")", "[": "]", "{": "}"}
BINARY = {"+": "+", "-": "-", "*": "*", "/": "/", "@": "@", "·": " ", "^": "^"}


@dataclass(slots=True)
class Line:
    """The tokens of one equation, or of a piece of a text; `block` is the block it stands in."""

    tokens: list[Token]
    block: str | None = None
    wrapped: bool = False  # nothing but the end of a line stands before it
    latex: bool = False
    bound: set[str] = field(default_factory=set)  # step variables of the sums in it
    same: int = 0  # of a text about gradients: lines of one number are right sides of one left side, `a = b = c`


def cut(source: Source, tokens: list[Token]) -> list[Line]:
    """Pieces end at a line's end, at `;`, and after an equation at a comma or a full stop, outside brackets. Checks
    brackets."""
    lines = [Line([])]
    equation = False  # has the piece an `=`?
    ends = 0  # line ends since the last token, or many after a stronger sign
    open_brackets: list[Token] = []
    for i, token in enumerate(tokens):
        current = lines[-1].tokens
        if token.kind in CLOSING:
            open_brackets.append(token)
            if len(open_brackets) > MAX_NESTING:
                raise source.error(f"brackets nested deeper than {MAX_NESTING}", token, NAME_A_PART)
        elif token.kind in CLOSING.values():
            if not open_brackets and any(
                t.kind == "text" and t.text.count("(") > t.text.count(")") for t in current[-9:]
            ):
                token.kind = "text"  # \text{(weights } V)
                current.append(token)
                continue
            if not open_brackets:
                raise unopened(source, token, current)
            if CLOSING[open_brackets[-1].kind] != token.kind:
                raise clashing(source, open_brackets, tokens[i:])
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
            or (token.kind in (",", ".") and equation and ends_it(tokens, i))
        ):
            lines.append(Line([]))
            # What follows an operator goes on with the equation, so that its comma ends it.
            goes_on = token.kind == "newline" and bool(current) and current[-1].kind in {*BINARY, "="}
            equation = equation and goes_on
            ends += 1 if token.kind == "newline" else 9
            continue
        equation |= token.kind in ("=", "∈")
        if not current:
            lines[-1].wrapped, ends = ends == 1, 0
        current.append(token)
    return [line for line in lines if line.tokens]


def ends_it(tokens: list[Token], i: int) -> bool:
    """Does the comma or full stop here end an equation? A full stop does before a new sentence."""
    after = tokens[i + 1]
    return tokens[i].kind == "," or (after.space and after.kind in ("word", "text", "accent"))


def unopened(source: Source, closing: Token, before: list[Token]) -> BPTTError:
    """The error for a bracket that closes nothing: behind a function it was to hold the argument, `tanh W h + U x)`."""
    hint = f"remove {closing.kind!r}"
    row = source.text[: closing.start].rpartition("\n")[2]
    start = closing.start - len(row)
    if error := styled(source, closing):
        return error
    if line := opened_script(source, closing):
        hint = f"write {line}"
    for token, after in pairwise([*before, closing]):
        bare = token.kind == "word" and known_function(token.text) and after.kind in ("word", "number", "-", "accent")
        if bare and closing.kind == ")":
            line = source.line_with((token.stop, after.start, "("))
            hint = f"write {line}"
            break
    if closing.kind == ")" and hint.startswith("remove") and (glued := FUNCTION.search(row)):
        place = start + glued.end()
        hint = f"write {source.line_with((place, place, '('))}"
    return source.error(f"unbalanced bracket: {closing.kind!r} closes nothing", closing, hint)


def unclosed(source: Source, bracket: Token) -> BPTTError:
    """The error for a bracket that opens a group with no end."""
    before = source.text[max(0, bracket.start - 40) : bracket.start].rstrip()
    hint = f"close it with {CLOSING[bracket.kind]!r} where the group ends, which need not be the end of the line"
    step = STEP.match(source.text, bracket.stop)
    named = re.search(r"[^\W\d]\w*\Z", before)
    if bracket.kind == "[" and step and named:
        hint = f"a step ends right behind it: write {named[0]}[{step[0]}]"
    if bracket.kind == "{" and before.endswith(("_", "^")):
        script = re.match(r"\([^()\s]+\)|[^\s+,;=(){}\[\]]+", source.text[bracket.stop :])
        name = re.search(r"[^\s+*/,;=(){}\[\]-]*[_^]\Z", before)
        shown = f": {name[0]}{{{script[0]}}}" if script and name else ""
        hint = f"a {'sub' if before.endswith('_') else 'super'}script ends before the next + or space{shown}"
    return source.error(f"unbalanced bracket: {bracket.text!r} is never closed", bracket, hint)


def clashing(source: Source, opened: list[Token], rest: list[Token]) -> BPTTError:
    """The error for a bracket that closes while another one stands open within it, or was opened by another sign.

    `rest` begins with the bracket: where the line is whole with another sign in its place, that is the slip.
    """
    last, closing = opened[-1], rest[0]
    before = source.text[max(0, last.start - 40) : last.start].rstrip()
    if last.kind == "{" and before.endswith(("_", "^")):
        return unclosed(source, last)
    if error := styled(source, closing):
        return error
    missing = CLOSING[last.kind]
    outer = [token.kind for token in opened[:-1]]
    message = f"{closing.kind!r} comes before the {last.text!r} to its left is closed"
    hint = f"put {missing!r} before this {closing.kind!r}, where the group ends"
    if whole(outer, rest[1:]) and not (outer and CLOSING[outer[-1]] == closing.kind and whole(outer[:-1], rest[1:])):
        message = f"{closing.kind!r} closes the {last.text!r} to its left"
        hint = f"write {missing} for the {closing.kind}"
    elif last.kind == "[" and re.search(r"\w\Z", before) and STEP.match(source.text, last.stop):
        return unclosed(source, last)
    elif whole([*outer, last.kind], rest[1:]):
        message, hint = f"{closing.kind!r} closes nothing", f"remove this {closing.kind!r}"
        if line := opened_script(source, closing):
            hint = f"write {line}"
    return source.error(message, closing, hint)


def styled(source: Source, closing: Token) -> BPTTError | None:
    """The error for `\\mathrm{softmax)(o_t)` and `\\mathbf{H]_t`; None if it is no such slip."""
    row = source.text[: closing.start].rpartition("\n")[2]
    found = STYLED.search(row + closing.text)
    if found is None:
        return None
    place = closing.start - len(row) + found.end() - 1
    sign = replace(closing, start=place, stop=place + 1, text=found[0][-1])
    return source.error(f"{sign.text!r} closes the '{{' to its left", sign, f"write }} for the {sign.text}")


def opened_script(source: Source, closing: Token) -> str:
    """The line with the brace that is missing in `\\mathbfO}_t` and `x_t-1}`; empty if it is no such slip."""
    row = source.text[: closing.start].rpartition("\n")[2]
    found = OPENED.search(row) if closing.kind == "}" else None
    place = closing.start - len(row) + found.end(1) if found else 0
    return source.line_with((place, place, "{")) if found else ""


def whole(opened: list[str], tokens: list[Token]) -> bool:
    """Whether the brackets of the rest of an equation close those that are open, and no others."""
    opened = [*opened]
    for token in tokens[:LOOKED_AT]:
        if token.kind in CLOSING:
            opened.append(token.kind)
        elif token.kind in CLOSING.values():
            if not opened or CLOSING[opened.pop()] != token.kind:
                return False
        elif token.kind in ("newline", "break", "end"):
            break
    return not opened
