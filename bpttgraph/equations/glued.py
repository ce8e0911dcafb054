"""Products without a space in plain text: `Vh_t` beside `h_t = …` is V times h, and `γV[t-1]` is γ times V.

In plain text a run of letters is one name. It is a product where it begins with a capital or a Greek letter, carries a
step, is defined nowhere, and what follows its first letter is a value that the text defines.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from .latex import Source, Token
from .lines import Line
from .notation import content, step_index
from .notes import Note

__all__ = ["cut_products"]

JOINED = frozenset("ΔδσφψΣΠ∂∇")  # these belong to the name, or are functions


def cut_products(source: Source, lines: list[Line]) -> list[Note]:
    """Cut such words in the plain lines, and say so."""
    defined = {word.text for line in lines for word in left_words(line)}
    notes: list[Note] = []
    found = False
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
