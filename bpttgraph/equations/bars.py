"""Brackets that are functions: `|a|` is abs(a), `[a]_+` is relu(a), and ‖a‖₂, ‖A‖_F, ||a|| are norms; `[a | b]` is the
stack [a; b].

`plain_brackets` writes the first two as calls and leaves of the last the bars alone: the parser knows them as the norm.
"""

from __future__ import annotations

from dataclasses import replace

from .latex import Source, Token
from .lines import CLOSING

__all__ = ["plain_brackets"]

EUCLIDEAN = frozenset(["2", "F", "fro", ""])


def plain_brackets(source: Source, tokens: list[Token]) -> list[Token]:
    """The tokens of an equation with calls in the place of such brackets.

    Raises:
        BPTTError: a norm that is not the Euclidean one.
    """
    if not any(token.text in ("|", "‖", "+") for token in tokens):
        return tokens
    tokens = stacked(double_bars(tokens))
    called = {**bars(tokens), **positive_parts(tokens)}
    dropped = scripts_of_norms(source, tokens)
    for _, closing, stop in called.values():
        dropped |= set(range(closing + 1, stop))
    ends = {closing for _, closing, _ in called.values()}
    result: list[Token] = []
    for i, token in enumerate(tokens):
        if i in called:
            result += [
                replace(token, kind="word", text=called[i][0], whole=True),
                replace(token, kind="(", space=False),
            ]
        elif i in ends:
            result.append(replace(token, kind=")", text=")", space=False))
        elif i not in dropped:
            result.append(token)
    return result


def double_bars(tokens: list[Token]) -> list[Token]:
    """`||` as one bar of a norm."""
    result: list[Token] = []
    for token in tokens:
        before = result[-1] if result else None
        if before and token.text == before.text == "|" and before.stop == token.start:
            result[-1] = replace(before, kind="‖", text="‖", stop=token.stop)
        else:
            result.append(token)
    return result


def stacked(tokens: list[Token]) -> list[Token]:
    """`;` for the bars of `[1 | u | x]`, where the first one has a value before it."""
    result = list(tokens)
    opened: list[tuple[int, list[int]]] = []
    for i, token in enumerate(tokens):
        if token.kind in CLOSING:
            opened.append((i, []))
        elif token.kind in CLOSING.values() and opened:
            start, places = opened.pop()
            value = bool(places) and tokens[places[0] - 1].kind in ("word", "number", "sub", *CLOSING.values())
            if tokens[start].kind == "[" and value and places[-1] < i - 1:
                for place in places:
                    result[place] = replace(tokens[place], kind=";", text=";")
        elif token.text == "|" and opened:
            opened[-1][1].append(i)
    return result


def bars(tokens: list[Token]) -> dict[int, tuple[str, int, int]]:
    """Pairs of `|` in one bracket, outside scripts: place of the first -> function, place of the second, its end."""
    found: dict[int, tuple[str, int, int]] = {}
    waiting: list[int | None] = [None]
    scripts = [False]
    for i, token in enumerate(tokens):
        if token.kind in CLOSING:
            waiting.append(None)
            scripts.append(scripts[-1] or (i > 0 and tokens[i - 1].kind in ("_", "^")))
        elif token.kind in CLOSING.values() and len(waiting) > 1:
            waiting.pop()
            scripts.pop()
        elif token.text == "|" and not scripts[-1]:
            opening = waiting[-1]
            if opening is None:
                waiting[-1] = i
            elif i > opening + 1:
                found[opening] = ("abs", i, i + 1)
                waiting[-1] = None
    return found


def positive_parts(tokens: list[Token]) -> dict[int, tuple[str, int, int]]:
    """`[a]_+` and `(a)_+`: place of the bracket -> function, place of its partner, and where the script ends."""
    found: dict[int, tuple[str, int, int]] = {}
    opened: list[int] = []
    for i, token in enumerate(tokens):
        if token.kind in CLOSING:
            opened.append(i)
        elif token.kind in CLOSING.values() and opened:
            opening = opened.pop()
            script, stop = script_at(tokens, i + 1)
            touches = opening > 0 and tokens[opening - 1].kind in ("_", "^")
            if script == "+" and not touches:
                found[opening] = ("relu", i, stop)
    return found


def scripts_of_norms(source: Source, tokens: list[Token]) -> set[int]:
    """The places of the subscripts of norms, which say that they are Euclidean."""
    places: set[int] = set()
    opened = False
    for i, token in enumerate(tokens):
        if token.kind != "‖":
            continue
        opened = not opened
        after = tokens[i + 1].kind if i + 1 < len(tokens) else ""
        if opened or after not in ("_", "sub"):
            continue
        script, stop = script_at(tokens, i + 1)
        if script not in EUCLIDEAN:
            raise source.error(
                f"the norm {script!r} is not known here",
                tokens[i + 1],
                "‖a‖ is the Euclidean norm; sum(abs(a)) is ‖a‖_1",
            )
        places |= set(range(i + 1, stop))
    return places


def script_at(tokens: list[Token], at: int) -> tuple[str, int]:
    """The text of the script that begins here and the place after it; an empty text if there is none."""
    if at >= len(tokens) or tokens[at].kind not in ("_", "^", "sub", "sup"):
        return "", at
    if tokens[at].kind in ("sub", "sup"):
        return tokens[at].text, at + 1
    if at + 1 < len(tokens) and tokens[at + 1].kind != "{":
        return tokens[at + 1].text, at + 2
    stop = next((i for i in range(at + 2, min(at + 8, len(tokens))) if tokens[i].kind == "}"), at)
    return "".join(token.text for token in tokens[at + 2 : stop]), stop + 1
