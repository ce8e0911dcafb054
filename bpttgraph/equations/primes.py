"""`'` is a transpose in MATLAB, Julia and control theory, and a part of the name elsewhere: decided once for a paste.

`W'*h(:,t-1)`, `y_t = c' h_t`, `v_t k_t'` and `A P_{t-1} A'` have transposes. A prime is a part of the name where a name
with one is defined (`h' = f(h)`, `h'_t = …`) or is added to something (`+ b'`); so it is in `W h_{t-1} + W' x_t`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .latex import Source, Token
from .letters import script_end
from .lines import CLOSING, Line
from .notes import Note

__all__ = ["transposes"]

MATRIX_CODE = re.compile(r"\(\s*:\s*,|[\w)\]]\s*\.[*/^]|\w\.\(|\s\.[-+]\s")
OPERANDS = ("word", "(", "accent")
TYPED = re.compile("[⊤ᵀ]")
MORE = ("'", "_", "sub", "^", "sup", "[")  # what a name with a prime goes on with
SUMS = ("+", "-", "=", ",", ";", "end")


@dataclass(slots=True)
class _Primed:
    """A name with one prime behind all of it: the places of its first token and of the prime."""

    line: Line
    first: int
    prime: int

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.line.tokens[self.first : self.prime])

    @property
    def letter(self) -> str:
        return self.line.tokens[self.first].text

    def near(self, at: int) -> str:
        tokens = self.line.tokens
        return tokens[at].kind if 0 <= at < len(tokens) else "end"

    @property
    def followed(self) -> bool:
        after = self.near(self.prime + 1)
        return after in OPERANDS or (after in ("*", "·", "@") and self.near(self.prime + 2) in OPERANDS)

    @property
    def multiplied(self) -> bool:
        before = self.near(self.first - 1)
        return self.followed or before in ("word", ")", "}", "]", "*", "·", "@", "'", "sub")

    def before(self) -> set[str]:
        """The names before it in its product."""
        found: set[str] = set()
        depth = 0
        for token in reversed(self.line.tokens[: self.first]):
            depth += (token.kind in CLOSING.values()) - (token.kind in CLOSING)
            if depth < 0 or (depth == 0 and token.kind in SUMS):
                break
            if depth == 0:
                found.add(token.text)
        return found


def transposes(source: Source, lines: list[Line]) -> list[Note]:
    """Turn primes into transposes where they are some, and say so."""
    code = bool(MATRIX_CODE.search(source.text))
    primed = [found for line in lines for found in _primed(line)]
    if not primed or any(_defined(line) for line in lines):
        return []
    if not code and not all(found.multiplied for found in primed):
        return []
    plain = {t.text for line in lines for i, t in enumerate(line.tokens) if t.kind == "word" and _bare(line.tokens, i)}
    typed = any(TYPED.fullmatch(token.text) for line in lines for token in line.tokens)  # transposes, without primes
    sure = code or any(found.letter in plain and _turned(found, plain) for found in primed)  # C P C'
    notes: list[Note] = []
    said: set[str] = set()
    for found in primed:
        tokens = found.line.tokens
        turned = sure or (not typed and _turned(found, plain))
        beside = found.letter in plain or found.prime - found.first > 1
        if found.text not in said and (turned or beside):
            said.add(found.text)
            does = "the transpose" if turned else "another name than"
            hint = (
                f"; write {found.letter}_2 for another name" if turned else f"; write {found.letter}^T for a transpose"
            )
            sentence = f"{found.text}' was read as {does} {'of ' * turned}{found.text}{hint}"
            place = source.span(tokens[found.first].start, tokens[found.prime].stop)
            notes.append(Note.at(sentence, place))
        if turned:
            tokens[found.prime] = replace(tokens[found.prime], kind="ᵀ", text="ᵀ")
    return notes


def _turned(found: _Primed, plain: set[str]) -> bool:
    """Whether a name with a prime is a transpose where nothing else in the text says so."""
    if found.prime - found.first > 1:  # k_t': a vector that lies, or a matrix in a product
        return found.followed or any(word[:1].islower() for word in found.before())
    if found.letter in plain:
        return found.letter in found.before()
    return not found.letter[:1].isupper()  # a matrix of its own, whichever way it is written down


def _bare(tokens: list[Token], at: int) -> bool:
    return at + 1 >= len(tokens) or tokens[at + 1].kind != "'"


def _primed(line: Line) -> list[_Primed]:
    tokens, found = line.tokens, []
    at = 0
    while at < len(tokens):
        if tokens[at].kind == "word" and not (at and tokens[at - 1].kind in ("_", "^")):
            stop = script_end(tokens, at + 1)
            if stop < len(tokens) and tokens[stop].kind == "'":
                after = tokens[stop + 1] if stop + 1 < len(tokens) else tokens[stop]
                called = after.kind == "(" and not after.space and not tokens[at].text[:1].isupper()  # f'(a)
                if not called and (after is tokens[stop] or after.kind not in MORE):
                    found.append(_Primed(line, at, stop))
                at = stop
        at += 1
    return found


def _defined(line: Line) -> bool:
    """Whether a name with a prime stands on the left side."""
    kinds = [token.kind for token in line.tokens]
    return "'" in kinds[: kinds.index("=")] if "=" in kinds else False
