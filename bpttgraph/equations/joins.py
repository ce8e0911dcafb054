"""Signs that lectures use in their own ways: stacks by `‖`, `\\oplus` or a space, products by ⊗ or `(.)`, tuples.

`settled` goes over the tokens of a text before equations are cut. `[h ‖ x]`, `W (h \\oplus x)` and `[h \\; x]` become
`[h; x]`, `⊗` becomes the product entry by entry or the outer product, `i, f = a, b` two equations.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

from .latex import Source, Token, words
from .letters import REDUCTIONS
from .notes import Note
from .vocabulary import known_function

__all__ = ["settled"]

OPENING, CLOSING = ("(", "[", "{"), (")", "]", "}")
OPERATORS = frozenset(words("+ - * / @ · = , ; ‖ bad frac sqrt"))
SPACING = re.compile(r"\\[;,:! ]|\\q?quad\b|&")
ENDS = ("newline", "break", ";", "end")


def settled(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Note]]:
    """The tokens with such signs in plain form, and what was assumed.

    Raises:
        BPTTError: ⊗ stands beside ⊙, so that it may be either product.
    """
    notes: list[Note] = []
    tokens = _bounds(_positive(_double_sums(_dots(tokens))))
    if any(_is(t, "⊕", "‖") or t.kind == "[" for t in tokens):
        tokens = _stacks(source, tokens, notes)
    if any(_is(t, "⊗") for t in tokens):
        tokens = _products(source, tokens, notes)
    if any(t.kind == "," for t in tokens):
        tokens = _tuples(tokens)
    return tokens, notes


def _is(token: Token, *signs: str) -> bool:
    names = {r"\oplus": "⊕", r"\otimes": "⊗"}
    return token.kind in ("bad", "‖") and names.get(token.text, token.text) in signs


def _dots(tokens: list[Token]) -> list[Token]:
    """`a (.) b` is `a * b`."""
    result: list[Token] = []
    for token in tokens:
        if token.kind == ")" and [t.kind for t in result[-2:]] == ["(", "."]:
            result[-2:] = [Token("*", "*", result[-2].start, token.stop, result[-2].space)]
        else:
            result.append(token)
    return result


def _bounds(tokens: list[Token]) -> list[Token]:
    """`∑[t=1..T]` is `∑_{t=1}^{T}`."""
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        token, inside = tokens[at], tokens[at + 1 : at + 16]
        stop = next((i for i, t in enumerate(inside) if t.kind == "]"), 0)
        if token.text in REDUCTIONS and [t.kind for t in inside[:3:2]] == ["[", "="]:
            dots = [i for i, t in enumerate(inside[:stop]) if t.text in (".", "…", "⋯", ".T")]
            low, high = inside[1 : dots[0]] if dots else [], inside[dots[-1] + 1 : stop] if dots else []
            if dots and inside[dots[-1]].text == ".T":  # the second dot of 1..T
                last = inside[dots[-1]]
                high = [replace(last, kind="word", text="T", start=last.stop - 1), *high]
            if low and high:
                signs = [replace(inside[0], kind=k, text=k) for k in "_{^{"]
                end = replace(inside[stop], kind="}", text="}", space=False)
                signs[0].space = False
                result += [token, signs[0], signs[1], *low, end, signs[2], signs[3], *high, end]
                at += stop + 2
                continue
        result.append(token)
        at += 1
    return result


def _positive(tokens: list[Token]) -> list[Token]:
    """`1₊(x)` and `1_{+}(x)`, which are 1 where x > 0 and else 0, as `step(x)`."""
    result: list[Token] = []
    for token in tokens:
        for script in (["+"], ["_", "+"], ["_", "{", "+"]):
            head = result[-len(script) - 1 - (script[-2:-1] == ["{"]) :]
            plain = [t.text for t in head if t.kind != "}"] == ["1", *script]
            if token.kind == "(" and plain and head[0].kind == "number" and head[1].kind in ("sub", "_"):
                step = Token("word", "step", head[0].start, head[-1].stop, head[0].space, head[0].latex, whole=True)
                result[-len(head) :] = [step]
        result.append(token)
    return result


def _double_sums(tokens: list[Token]) -> list[Token]:
    """`\\sum_{i,j}` is `\\sum_i \\sum_j`."""
    result: list[Token] = []
    for i, token in enumerate(tokens):
        result.append(token)
        kinds = [t.kind for t in tokens[i - 6 : i + 1]] if token.kind == "}" and i > 5 else []
        if kinds == ["word", "_", "{", "word", ",", "word", "}"] and tokens[i - 6].text == "sum":
            name, script, _, first, _, second, _ = tokens[i - 6 : i + 1]
            result[-7:] = [name, script, first, replace(name), replace(script), second]
    return result


def _stacks(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """Brackets whose parts are joined by a sign or a space, as stacks."""
    result = list(tokens)
    open_at: list[list[int]] = []  # of every open bracket the places of the tokens directly in it, itself first
    gaps: list[int] = []
    for i, token in enumerate(tokens):
        if token.kind in OPENING:
            if open_at:
                open_at[-1].append(i)
            open_at.append([i])
        elif token.kind in CLOSING and open_at:
            places = open_at.pop()
            if tokens[places[0]].kind != "{" and tokens[places[0]].text != "{":
                gaps += _stack(source, tokens, result, places, i, notes)
        elif open_at:
            open_at[-1].append(i)
    for i in sorted(gaps, reverse=True):
        result.insert(i, Token(";", ";", result[i].start, result[i].start + 1))
    return result


def _stack(
    source: Source, tokens: list[Token], result: list[Token], places: list[int], end: int, notes: list[Note]
) -> list[int]:
    """Write one bracket as a stack, if it is one; places where a `;` has to come in."""
    opening, inside = tokens[places[0]], [tokens[i] for i in places[1:]]
    before = tokens[places[0] - 1] if places[0] else None
    signs = [i for i in places[1:] if _is(tokens[i], "⊕")]
    bars = [i for i in places[1:] if tokens[i].kind == "‖"]
    signs += bars if len(bars) == 1 else []
    if signs:
        beside = before is not None and (before.kind in ("word", "sub", *CLOSING, "@", "·", "number"))
        called = before is not None and before.kind == "word" and known_function(before.text) is not None
        if opening.kind == "(" and (not beside or called):
            return []
        for i in signs:
            result[i] = replace(tokens[i], kind=";", text=";")
        result[places[0]] = replace(opening, kind="[", text="[")
        result[end] = replace(tokens[end], kind="]", text="]")
        if any(_is(tokens[i], "⊕") for i in signs):
            place = source.span(tokens[signs[0]].start, tokens[signs[0]].stop)
            notes.append(Note.at("⊕ was read as one vector stacked on the other, [a; b]", place))
        return []
    if opening.kind != "[" or not inside or any(t.kind in OPERATORS for t in inside):
        return []
    if not any(t.kind in ("_", "sub", "^", "sup") or t.text == "t" for t in inside):
        return []
    return [b for a, b in pairwise(places[1:]) if SPACING.search(source.text, tokens[a].stop, tokens[b].start)]


def _products(source: Source, tokens: list[Token], notes: list[Note]) -> list[Token]:
    """`⊗`: of two small letters in the equation of a capital one the outer product, else entry by entry."""
    first = next(t for t in tokens if _is(t, "⊗"))
    if any(_is(t, "⊕") for t in tokens):
        return tokens
    if any(source.text[t.start : t.stop] in ("⊙", "∘", r"\odot", r"\circ") for t in tokens if t.kind == "*"):
        raise source.error(
            "⊗ beside ⊙ is the outer product, or the same product entry by entry",
            first,
            "write outer(a, b) for the outer product, a ⊙ b for the other",
        )
    result: list[Token] = []
    left: Token | None = None
    for i, token in enumerate(tokens):
        if token.kind in ENDS:
            left = None
        elif left is None and token.kind == "word":
            left = token
        if not _is(token, "⊗"):
            result.append(token)
            continue
        near = [next((t for t in part if t.kind == "word" and t.text not in ("t", "T")), None)
                for part in (reversed(tokens[max(0, i - 8) : i]), tokens[i + 1 : i + 8])]  # fmt: skip
        outer = bool(left and left.text[0].isupper()) and all(w is not None and w.text[0].islower() for w in near)
        result.append(replace(token, kind="⊗" if outer else "*", text="⊗" if outer else "*"))
        sentence = "the outer product" if outer else "the product entry by entry; write outer(a, b) for the outer one"
        if not any("⊗" in note for note in notes):
            notes.append(Note.at(f"⊗ was read as {sentence}", source.span(token.start, token.stop)))
    return result


def _tuples(tokens: list[Token]) -> list[Token]:
    """`a_t, b_t = f, g` as `a_t = f; b_t = g`."""
    result: list[Token] = []
    start = depth = 0
    for i, token in enumerate(tokens):
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        if token.kind in ENDS and (depth <= 0 or token.kind == "end"):
            result += [*_untied(tokens[start:i]), token]
            start = i + 1
    return result


def _untied(line: list[Token]) -> list[Token]:
    """One line, taken apart if its left side is a tuple of names and its right side has a part for each."""
    edge = [i for i, t in enumerate(line) if t.kind == "="]
    left = line[: edge[0]] if edge else []
    names = _parts(_bare(left))
    if len(names) < 2 or not all(map(_is_name, names)):
        return line
    values = _parts(_bare(line[edge[0] + 1 :]))
    if len(values) == 1 and [t.kind for t in values[0]] == ["number"]:
        values = values * len(names)
    if len(values) < len(names):
        return line
    equals, result = line[edge[0]], []
    for name, value in zip(names, values):
        result += [*name, equals, *value, Token(";", ";", equals.start, equals.stop)]
    for value in values[len(names) :]:
        result += [*value, Token(",", ",", equals.start, equals.stop)]
    return result[:-1]


def _bare(tokens: list[Token]) -> list[Token]:
    """A side of an equation without the brackets around all of it."""
    if len(tokens) > 2 and tokens[0].kind == "(" and tokens[-1].kind == ")":
        depths, depth = [], 0
        for token in tokens:
            depth += (token.kind in OPENING) - (token.kind in CLOSING)
            depths.append(depth)
        if min(depths[:-1]) > 0:
            return tokens[1:-1]
    return tokens


def _parts(tokens: list[Token]) -> list[list[Token]]:
    """What stands between the commas outside brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        if token.kind == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _is_name(tokens: list[Token]) -> bool:
    """Whether tokens are one name: a letter or word with its marks, scripts and index."""
    depth, letters = 0, 0
    for i, token in enumerate(tokens):
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        script = i > 0 and tokens[i - 1].kind in ("_", "^")
        if depth == 0 and token.kind == "word" and not script:
            letters += 1
        elif depth == 0 and token.kind not in ("_", "^", "sub", "sup", "accent", "'", *CLOSING) and not script:
            return False
    return letters == 1
