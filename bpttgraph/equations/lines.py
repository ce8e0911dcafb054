"""From tokens to equations: where one ends, which block it stands in, and what a slide adds around it."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    "join",
    "split_blocks",
    "trim",
    "unclosed",
]

NAME_A_PART = "name a part of it in an equation of its own"
MAX_NODES, MAX_NESTING, MAX_HEIGHT = 5_000, 60, 200
CLOSING = {"(": ")", "[": "]", "{": "}"}
BINARY = {"+": "+", "-": "-", "*": "*", "/": "/", "@": "@", "·": " ", "^": "^"}


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
