"""Runs of letters: in LaTeX `Wh` is W times h, in plain text it is a name; `Δt` is one name in both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from .latex import Token
from .lines import CLOSING, Line
from .vocabulary import known_function, whole_words
from .words import sounds_like_a_function, spelled_function

__all__ = ["REDUCTIONS", "bracket_end", "decide_latex", "left_words", "letters", "script_end", "split_letters"]

REDUCTIONS = {"sum": "sum", "prod": "prod", "Σ": "sum", "Π": "prod"}
INCREMENTS = ("Δ", "δ")  # before a lone t they belong to its name
TIMES = ("t", "τ")
LENGTHS = ("dt", "dτ")  # one name as well
LETTER = r"[^\W_][\u0300-\u036f\u20d0-\u20ff]*"
LONG = 64  # tokens: a script is short
SHORT = 4  # a lower-case run of that many letters is a word: bias, not b i a s


def decide_latex(lines: list[Line]) -> None:
    """Which lines are LaTeX: if one is, so are those beside it that do not look like plain text."""
    own = [is_latex(line.tokens) for line in lines]
    paste = any(own)
    for line, sure in zip(lines, own):
        line.latex = sure or (paste and not is_plain(line.tokens))


def is_plain(tokens: list[Token]) -> bool:
    """Has it steps in brackets behind a word, or `@`, which leaves no product to the reader?"""
    pairs = pairwise(tokens)
    return any(a.kind == "@" or (a.kind == "word" and b.kind == "[" and not b.space) for a, b in pairs)


def is_latex(tokens: list[Token]) -> bool:
    """Has it a command, a dollar sign or a braced script (other than `sum_{k=1}^{t}`), and does not look plain?"""
    if any(token.latex for token in tokens):
        return True
    if is_plain(tokens):
        return False
    return any(
        a.kind in ("_", "^") and b.kind == "{" and not (i and tokens[i - 1].text in (*REDUCTIONS, "}"))
        for i, (a, b) in enumerate(pairwise(tokens))
    )


def split_letters(line: Line, names: frozenset[str]) -> list[Token]:
    """The tokens of a line with its runs of letters cut as its notation has it; `names` are words known to be whole."""
    tokens = list(cut_runs(join_words(line.tokens), names)) if line.latex else list(line.tokens)
    return join_increments(tokens)


def left_words(lines: list[Line]) -> frozenset[str]:
    """Words on a left side are names: nothing is assigned to a product."""
    found = set()
    for line in lines:
        equals = next((i for i, token in enumerate(line.tokens) if token.kind == "="), 0)
        for i, token in enumerate(line.tokens[:equals]):
            script = i and line.tokens[i - 1].kind in ("_", "^", "{")
            if token.kind == "word" and len(token.text) > 1 and not script:
                found.add(token.text)
    return frozenset(found)


def join_increments(tokens: list[Token]) -> list[Token]:
    """`Δt`, typed as Δ and t, is one name: the length of a step."""
    result: list[Token] = []
    for i, token in enumerate(tokens):
        before = result[-1] if result else None
        # after `\\Delta_t` or in `\\Delta x` the Δ stands for itself
        joins = token.kind == "word" and token.text in TIMES  # δₜ has a subscript
        if joins and before and before.kind == "word" and before.text in INCREMENTS:
            script = i > 1 and tokens[i - 2].kind in ("_", "^")
            if not script:
                result[-1] = replace(before, text=before.text + token.text, stop=token.stop)
                continue
        result.append(token)
    return result


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


def known(word: str) -> bool:
    return word in whole_words() or known_function(word) is not None


def called(tokens: list[Token], at: int) -> bool:
    """Whether a bracket stands behind a word, or behind its subscript: `LN(…)`, `LN_1(…)`, `MLP_{2}(…)`."""
    after = script_end(tokens, at + 1)
    return after < len(tokens) and tokens[after].kind == "("


def script_end(tokens: list[Token], at: int) -> int:
    """Where the scripts and steps that begin at a place end: `_{t-1}`, `_1^f`, `[t-1]`."""
    while at < len(tokens):
        kind = tokens[at].kind
        if kind in ("sub", "sup"):
            at += 1
        elif kind in ("_", "^") and at + 1 < len(tokens):
            at = bracket_end(tokens, at + 1) if tokens[at + 1].kind == "{" else at + 2
        elif kind == "[" and not tokens[at].space:
            at = bracket_end(tokens, at)
        else:
            break
    return at


def bracket_end(tokens: list[Token], at: int) -> int:
    """Where the bracket at a place ends; just behind its sign if it is never closed."""
    opening, close, depth = tokens[at].kind, CLOSING[tokens[at].kind], 0
    for i in range(at, min(len(tokens), at + LONG)):
        depth += (tokens[i].kind == opening) - (tokens[i].kind == close)
        if depth == 0:
            return i + 1
    return at + 1


def initials(word: str) -> bool:
    """Whether a word may be matrices side by side: `CE` is the cross entropy before a bracket only."""
    return word.isupper() and len(word) < 4


def cut_runs(tokens: list[Token], names: frozenset[str]) -> Iterator[Token]:
    """In LaTeX a run of letters is a product: `WX` is W X, `W_xx_t` is W_x x_t. Functions and `h[t]` stay whole."""
    for i, token in enumerate(tokens):
        after = tokens[i + 1] if i + 1 < len(tokens) else token
        adjacent = not after.space and after is not token
        whole = (
            token.whole
            or token.text in names
            or (known(token.text) and (after.kind == "(" or not initials(token.text)))
            or (adjacent and after.kind == "[")
            or (len(token.text) >= SHORT and token.text.isascii() and token.text.islower())
            or token.text in LENGTHS
            or (called(tokens, i) and sounds_like_a_function(token.text))
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
            first_piece = piece is pieces[0]
            yield replace(
                token,
                kind=kind,
                text=piece,
                start=min(start, stop - 1),
                stop=stop,
                space=token.space and first_piece,
                whole=True,
            )
            start = stop


def letters(run: str) -> list[str]:
    """The symbols of a run of letters; digits stay with the letter before them."""
    return re.findall(LETTER + "[0-9]*", run)
