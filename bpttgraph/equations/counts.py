"""How many layers there are, where a text says so: `l = 1, 2`, `l = 1, \\ldots, 3`, `l \\in \\{1, 2\\}`."""

from __future__ import annotations

import re

from .latex import Source
from .notes import Note

__all__ = ["without_counts"]

_GAP = r"(?:[ \t~$]|\\[,;:! ]|\\q?quad){0,8}"
_LETTER = r"(?P<letter>\\ell|ℓ|[a-zA-Z])"
_DOTS = r"(?:\\[lc]?dots|…|⋯|\.{2,3})"
_LIST = rf"1{_GAP}(?P<list>(?:,{_GAP}(?:and|or)?{_GAP}[0-9]{{1,2}}{_GAP}){{1,9}})"
_SPAN = rf"1{_GAP}(?:,?{_GAP}2{_GAP})?(?:,?{_GAP}{_DOTS}{_GAP},?|:|\bto\b){_GAP}(?P<last>[0-9]{{1,2}})"
_COUNT = re.compile(
    rf"(?<![\w^_{{\\.])\(?(?:for|where|with)?{_GAP}(?<![\w\\]){_LETTER}{_GAP}(?:=|\\in\b|∈|\bin\b){_GAP}(?:\\?\{{|\\lbrace)?"
    rf"{_GAP}(?:{_SPAN}|{_LIST})(?:\\?\}}|\\rbrace)?\)?(?![\w(])"
    rf"(?!{_GAP},?{_GAP}{_DOTS})"  # k = 1, 2, …, T counts steps
)
_STEPS = frozenset("tnτT")  # these count steps, of which there are as many as the user asks for


def without_counts(text: str) -> tuple[str, list[Note], dict[str, int]]:
    """The text with blanks for what it says about the number of layers, notes, and the number by its letter.

    >>> without_counts("h_t^{(l)} = x_t, l = 1, 2")[2]
    {'l': 2}
    """
    source, notes = Source(text), list[Note]()
    counts: dict[str, int] = {}

    def blank(found: re.Match[str]) -> str:
        letter = "ℓ" if found["letter"] == "\\ell" else found["letter"]
        listed = [1, *map(int, re.findall("[0-9]+", found["list"] or ""))]
        last = int(found["last"] or 0) or (listed[-1] if listed == list(range(1, len(listed) + 1)) else 0)
        if letter in _STEPS or last < 2 or counts.get(letter, last) != last:
            return found[0]
        counts[letter] = last
        lead = len(found[0]) - len(found[0].lstrip())
        notes.append(Note.at(f"{letter} counts {last} layers", source.span(found.start() + lead, found.end())))
        return re.sub(r"[^\n$]", " ", found[0])

    return _COUNT.sub(blank, text), notes, counts
