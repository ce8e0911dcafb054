"""One letter in two styles: 𝐖 and 𝒲, or x and a bold x, are two names, if a text uses both.

Most texts are careless with styles, and a letter in one style is just the letter. Only where one whole name (with its
subscripts) stands there in two styles, they are told apart; the plainest keeps the name. A value that is read in a
style in which nothing defines it is the one that is defined.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .latex import Source, Token
from .lines import Line
from .notes import Note

__all__ = ["tell_styles_apart"]

PLAINEST = ["", "bold", "sans", "bb", "frak", "cal"]
CALLED = {
    "": "plain", "bold": "bold", "sans": "sans-serif", "bb": "blackboard", "frak": "Fraktur", "cal": "calligraphic",
}  # fmt: skip


def tell_styles_apart(source: Source, lines: list[Line]) -> list[Note]:
    """Give names that differ in style names of their own: `W_cal`, `x_bold`. Says which."""
    found: dict[str, dict[str, list[Token]]] = {}
    defined: set[tuple[str, str]] = set()
    for line in lines:
        left = True
        for token in styled(line.tokens):
            left &= token.kind != "="
            if token.name is not None:
                found.setdefault(token.text, {}).setdefault(token.look, []).append(token)
                if left:
                    defined.add((token.text, token.look))
    notes: list[Note] = []
    for name, looks in found.items():
        if len(looks) < 2:
            continue
        order = sorted(looks, key=PLAINEST.index)
        made = [look for look in order if (name, look) in defined]
        second = looks[order[1]][0]
        place = source.span(second.start, second.stop)
        words = "two styles, " if len(order) == 2 else ""
        words += " and ".join(f"a {CALLED[look]} one" for look in order)
        if len(made) == 1 and set(order) <= {"", "bold"}:
            notes.append(Note.at(f"{words} of the letter {name} stand here; they were read as one", place))
            continue
        for look in order[1:]:
            for token in looks[look]:
                rename(token, f"_{look}")
        names = ", ".join([name, *(f"{name}_{look}" for look in order[1:])])
        notes.append(Note.at(f"{words} of the letter {name} stand here; they were read as {names}", place))
    return notes


def styled(tokens: list[Token]) -> Iterator[Token]:
    return (token for token in tokens if token.name is not None or token.kind == "=")


def rename(token: Token, suffix: str) -> None:
    assert token.name is not None
    token.text += suffix
    token.name = replace(token.name, name=token.name.name + suffix)
    if token.undecided:
        token.undecided = (token.undecided[0] + suffix, token.undecided[1])
