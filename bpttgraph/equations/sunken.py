"""Subscripts that sank to the line, as in the text of a PDF: `ht−1` beside `ht = …` or `h_t` is h[t-1], not ht minus 1.

A word that ends in t and stands right before `-1` is refused where the text has such steps, with both readings; spaces
on both sides of the sign say that it is meant, and a note repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from .glued import stepped
from .latex import Source, Token
from .lines import Line
from .notes import Note

__all__ = ["sunken_steps"]

VALUE = re.compile(r"(?!d)[^\W\d_][\u0300-\u036f\u20d0-\u20ff]*t")  # ht, c̃t; dt is a length
_SUNKEN = re.compile(
    r"(?<![^\W\d_])((?:[A-Z][^\W\d_]*?)?)((?!d)[^\W\d_][\u0300-\u036f\u20d0-\u20ff]*)t([-−–+]\d+)?(?![\w(\u0300-\u036f])"
)
WORDS = {"-": "subtracted", "+": "added"}


def sunken_steps(source: Source, lines: list[Line]) -> list[Note]:
    """What is left as typed, as notes.

    Raises:
        BPTTError: for a step that sank to the line.
    """
    left = {word for line in lines for word in left_values(line)}
    known = {token.text for line in lines for i, token in enumerate(line.tokens) if stepped(line.tokens, i)}
    notes: list[Note] = []
    for line in lines:
        for token, sign, number in triples(line):
            base = value_of(token.text, left, known)
            if base is None:
                continue
            typed = source.text[token.start : number.stop]
            step = f"{base}[t{sign.kind}{number.text}]"
            if sign.space and number.space:
                sentence = f"{typed} was read as {token.text} with {number.text} {WORDS[sign.kind]}, not as {step}"
                notes.append(Note.at(sentence, source.span(token.start, number.stop)))
                continue
            raise source.error(
                f"{typed} has two readings: {step}, whose subscript sank to the line, "
                f"and {token.text} with {number.text} {WORDS[sign.kind]}",
                token,
                f"for steps write {_raised(source.text)}; for the other write {token.text} {sign.kind} {number.text} "
                "with spaces",
            )
    return notes


def _raised(text: str) -> str:
    """The text with its steps in brackets: `ht = tanh(Wxxt + ht−1)` is h[t] = tanh(Wx x[t] + h[t-1])."""

    def raise_step(m: re.Match[str]) -> str:
        weight, base, offset = m.groups()
        step = f"{base}[t{re.sub('[−–]', '-', offset or '')}]"
        return f"{weight} {step}" if weight else step

    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [re.sub(_SUNKEN, raise_step, line) for line in lines]
    return "; ".join(raised if len("; ".join(raised)) < 400 else [r for r, line in zip(raised, lines) if r != line][:1])


def left_values(line: Line) -> Iterator[str]:
    """`ht` of `ht = …`, and of `ht+1 = …`."""
    kinds = [token.kind for token in line.tokens[:4]]
    defined = kinds[:2] == ["word", "="] or kinds == ["word", "+", "number", "="]
    if defined and VALUE.fullmatch(line.tokens[0].text):
        yield line.tokens[0].text


def triples(line: Line) -> Iterator[tuple[Token, Token, Token]]:
    """Words with `-1` or `+1` behind them."""
    for i, (token, sign) in enumerate(pairwise(line.tokens)):
        script = i and line.tokens[i - 1].kind in ("_", "^")
        number = line.tokens[i + 2] if i + 2 < len(line.tokens) else sign
        moved = sign.kind in WORDS and number.kind == "number" and number.text.isdigit()
        if token.kind == "word" and token.text.endswith("t") and moved and not script:
            yield token, sign, number


def value_of(word: str, left: set[str], known: set[str]) -> str | None:
    """The name whose step stands at the end of a word: h of `ht` and of `Whhht`."""
    if word[:-1] in known or (left and VALUE.fullmatch(word)):
        return word[:-1]
    if word[:1].isupper() and word[1:-1] in known:
        return word[1:-1]
    return next((value[:-1] for value in left if word.endswith(value)), None)
