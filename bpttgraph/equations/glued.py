"""Letters whose subscript a PDF lost, and products without a space.

`spaced_labels`: in `W hh h_{t-1} + W xh x_t` the letters behind the capital are names with a step, so they are no
factors: W_{hh} and W_{xh} are meant.

Products without a space in plain text: `Vh_t` beside `h_t = …` is V times h, and `γV[t-1]` is γ times V.

In plain text a run of letters is one name. It is a product where it begins with a capital or a Greek letter, carries a
step, is defined nowhere, and what follows its first letter is a value that the text defines.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from itertools import pairwise

from .latex import Source, Token
from .lines import Line
from .notation import content, step_index
from .notes import Note

__all__ = ["cut_products", "spaced_labels"]

JOINED = frozenset("ΔδσφψΣΠ∂∇")  # these belong to the name, or are functions


def cut_products(source: Source, lines: list[Line]) -> list[Note]:
    """Cut such words in the plain lines, and say so."""
    defined = {word.text for line in lines for word in left_words(line)}
    notes: list[Note] = []
    found = any(
        len(token.text) == 1
        and token.text.isupper()
        and after.space
        and len(after.text) == 1
        and stepped(line.tokens, i)
        for line in lines
        if not line.latex
        for i, (token, after) in enumerate(pairwise(line.tokens), 1)
    )  # W h_{t-1}: capitals are matrices here
    for again in (False, True):  # once there are such products, `Ux_t` is one too, though nothing defines x
        for line in lines:
            tokens: list[Token] = []
            for i, token in enumerate(line.tokens):
                rest = token.text[1:]
                known = rest in defined or (again and found and len(rest) == 1 and rest.islower())
                if line.latex or not known or not product(line.tokens, i) or token.text in defined:
                    tokens.append(token)
                    continue
                found = True
                middle = min(token.start + 1, token.stop - 1)
                tokens += [
                    replace(token, text=token.text[0], stop=middle),
                    replace(token, text=rest, start=middle, space=False),
                ]
                place = source.span(token.start, token.stop)
                notes.append(Note.at(f"{token.text} was read as {token.text[0]} times {rest}", place))
            line.tokens = tokens
    return notes


def spaced_labels(source: Source, lines: list[Line]) -> list[Note]:
    """Join `W hh` before `h_{t-1}` to W_{hh}, and `b h` in such a text to b_h, and say so."""
    values = {
        t.text for line in lines for i, t in enumerate(line.tokens) if len(t.text) == 1 and stepped(line.tokens, i)
    }
    notes: list[Note] = []
    for line in lines:
        joined: list[Token] = []
        for i, token in enumerate(line.tokens):
            before = joined[-1] if joined else None
            if before is not None and labels(line.tokens, i, values, bool(notes)):
                mark = replace(token, kind="_", text="_", space=False, stop=token.start)
                joined += [mark, replace(token, space=False, whole=True)]
                typed = source.text[before.start : token.stop]
                sentence = f"{typed} was read as {before.text}_{token.text}, whose subscript sank to the line"
                notes.append(Note.at(sentence, source.span(before.start, token.stop)))
            else:
                joined.append(token)
        line.tokens = joined
    return notes


def labels(tokens: list[Token], at: int, values: set[str], found: bool) -> bool:
    """Whether a word is the lost subscript of the letter before it: `hh` of `W hh h_{t-1}`; h of `b h` at an end."""
    token, before, after = tokens[at], tokens[at - 1], tokens[min(at + 1, len(tokens) - 1)]
    if token.kind != "word" or before.kind != "word" or len(before.text) > 1 or not (at and token.space):
        return False
    if not {*token.text} <= values or (at > 1 and tokens[at - 2].kind in ("_", "^")):
        return False
    if len(token.text) == 2 and before.text.isupper():
        return after.kind == "word" and after.text in token.text and stepped(tokens, at + 1)
    ends = after is token or after.kind in ("+", "-", ")", "]", "newline", "end", ";", ",")
    return found and len(token.text) == 1 and before.text == "b" and ends


def left_words(line: Line) -> list[Token]:
    """Words with a step on the left side."""
    equals = next((i for i, token in enumerate(line.tokens) if token.kind == "="), 0)
    return [token for i, token in enumerate(line.tokens[:equals]) if stepped(line.tokens, i)]


def product(tokens: list[Token], at: int) -> bool:
    """Whether a word may be a product by its letters and by its place."""
    first = tokens[at].text[0]
    greek = "GREEK" in unicodedata.name(first, "") and first not in JOINED
    return (greek or ("A" <= first <= "Z")) and stepped(tokens, at)


def stepped(tokens: list[Token], at: int) -> bool:
    """Whether a word carries a step."""
    if tokens[at].kind != "word" or (at and tokens[at - 1].kind in ("_", "^")) or at + 1 >= len(tokens):
        return False
    mark = tokens[at + 1]
    if mark.space or mark.kind not in ("_", "[", "(", "sub"):
        return False
    found = (mark.text, 0) if mark.kind == "sub" else content(tokens, at + 1 + (mark.kind == "_"))
    index = step_index(found[0].strip("[]()")) if found else None
    return index is not None and index.variable is not None
