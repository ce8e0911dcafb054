"""What to write instead, as a line of the text with a part of it changed: the words of hints that can be followed."""

from __future__ import annotations

import re

from .latex import Source

__all__ = ["several_terms"]


def several_terms(source: Source, start: int, bracket: int, letter: str) -> str:
    """What to write for `max_k (W_k h_{t-1})`, which begins at `start`: the largest entries of two vectors; empty if
    the bracket does not end or nothing in it is counted."""
    depth = 0
    for at in range(bracket, min(len(source.text), bracket + 400)):
        depth += {"(": 1, ")": -1}.get(source.text[at], 0)
        if depth == 0:
            break
    inside = source.text[bracket + 1 : at]
    counted = re.compile(rf"_(?:\{{{letter}\}}|{letter}(?![A-Za-z])|\(\s*{letter}\s*\))")
    if depth or not counted.search(inside):
        return ""
    terms = ", ".join(counted.sub(f"_{number}", inside.strip()) for number in (1, 2))
    name = re.match(r"\\?[A-Za-z]+", source.text[start:])
    line = source.line_with((start, at + 1, f"{name[0] if name else 'max'}({terms})"))
    return f"write {line}, with a term for each {letter}"
