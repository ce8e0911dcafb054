"""Functions whose formula the text itself gives: `where φ = tanh`, `g(x) = x / (1 + |x|)`, `σ(x) = 1/(1 + e^{-x})`.

A line counts as such if an equation calls the function; it is then what `let` would say. The formula of a function that
is known anyway is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from .latex import Token
from .lines import Line
from .syntax import Name
from .vocabulary import known_function

__all__ = ["Given", "given_functions"]


@dataclass(frozen=True, slots=True)
class Given:
    """`head` is the function as `let` names it, `body` what stands right of `=`; no body if the function is known."""

    function: str
    head: str
    line: Line
    body: list[Token]
    known: bool


def given_functions(lines: list[Line]) -> list[Given]:
    """The lines that say what a function is."""
    found = [given for line in lines if (given := _given(line))]
    if not found:
        return []
    called = {
        token.name.name
        for line in lines
        for token, after in pairwise(line.tokens)
        if token.name
        and token.name.index is None
        and after.kind in ("(", "[")
        and not any(g.line is line for g in found)
    }
    return [given for given in found if given.known or given.function in called]


def _given(line: Line) -> Given | None:
    tokens = line.tokens
    place = next((i for i, token in enumerate(tokens) if token.kind == "="), 0)
    head, body = tokens[:place], tokens[place + 1 :]
    names = [token.name for token in head if token.name]
    if not names or any(not _plain(name) for name in names) or len(body) < 2:
        return None
    function = names[0].name
    kinds = [token.kind for token in head]
    known = known_function(function) is not None
    if kinds == ["name"]:
        alone = len(body) == 2 and body[0].name and _plain(body[0].name) and known_function(body[0].name.name)
        return Given(function, function, line, body, known) if alone and not known else None
    arguments = [name.name for name in names[1:]]
    count = len(arguments)
    separated = ["," if kind == ";" else kind for kind in kinds]
    if not count or separated != ["name", "(", *(["name", ","] * count)[:-1], ")"] or len(set(arguments)) < count:
        return None
    return Given(function, f"{function}({', '.join(arguments)})", line, body, known)


def _plain(name: Name) -> bool:
    return name.index is None and name.block is None
