"""What stands left of `=`: a name, though lectures write more there.

`E_t(y_t, d_t) = …` and `L(\\theta) = …` say of what a value is a function; `h_t = f(x_t, h_{t-1}) = \\tanh(…)` gives a
value two names; `h_0 = c_0 = 0` sets two values at once. `heads` leaves one name, one `=` and one right side a line.
"""

from __future__ import annotations

from dataclasses import replace

from .latex import Source, Token
from .lines import CLOSING, Line
from .notes import Note
from .vocabulary import known_function

__all__ = ["heads", "sides"]

LOSSES = frozenset(["E", "L", "J", "C", "ℓ", "loss", "Loss", "cost", "E_cal", "L_cal", "J_cal"])


def heads(source: Source, lines: list[Line], gradients: bool = False) -> tuple[list[Line], list[Note]]:
    """The lines with one name left of one `=`, and what was left out. In a text about `gradients`, every right side of
    `a = b = c` is a line of its own."""
    result: list[Line] = []
    notes: list[Note] = []
    for number, line in enumerate(lines, 1):
        parts = sides(line.tokens)
        if gradients and len(parts) > 2 and [t.kind for t in parts[0]] in (["name"], ["partial"]):
            named = sum(names_a_value(part, parts[0]) for part in parts[1:-1])
            if not named and not any(len(right) > 2 and another_equation(right) for right in parts[1:-1]):
                end = [token for token in parts[-1] if token.kind == "end"]
                rights = [[token for token in part if token.kind != "end"] for part in parts[1:]]
                result += [replace(line, tokens=[*parts[0], *right, *end], same=number) for right in rights]
                continue
        if len(parts) > 1:
            parts[0] = without_arguments(source, parts[0], notes)
            parts = one_right_side(source, parts, notes)
        result += equations(line, parts)
    return result, notes


def sides(tokens: list[Token]) -> list[list[Token]]:
    """The tokens between the signs `=` that stand in no bracket; each part but the first begins with its sign."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.kind in CLOSING) - (token.kind in CLOSING.values())
        if token.kind == "=" and depth == 0:
            parts.append([])
        parts[-1].append(token)
    return parts


def without_arguments(source: Source, left: list[Token], notes: list[Note]) -> list[Token]:
    """`E_t(y_t, d_t)` as `E_t`: a value with a step, or a loss, is no function to be defined."""
    if len(left) < 4 or [left[0].kind, left[1].kind, left[-1].kind] != ["name", "(", ")"]:
        return left
    name = left[0].name
    assert name is not None
    if any(token.kind in (")", "(") for token in left[2:-1]) or not (name.index or name.name in LOSSES):
        return left
    place = source.span(left[1].start, left[-1].stop)
    notes.append(Note.at(f"what {name.name} is a function of was left out", place))
    return left[:1]


def one_right_side(source: Source, parts: list[list[Token]], notes: list[Note]) -> list[list[Token]]:
    """Of `a_t = f(x_t) = W x_t = …`, the names and the first right side that is no mere name of a function."""
    named = 1
    while named < len(parts) - 1 and names_a_value(parts[named], parts[0]):
        named += 1
    rights = parts[named:]
    if len(rights) < 2 or any(another_equation(right) for right in rights[:-1]):
        return parts
    last = [token for token in rights[-1] if token.kind != "end"]
    kept = next((right for right in rights if not abstract(right)), rights[-1])
    for right in rights:
        if right is kept or len(right) < 2:
            continue
        inner = [token for token in right if token.kind != "end"]
        place = source.span(inner[0].start, inner[-1].stop)
        what = "is the name of a function" if abstract(right) else "is the same once more"
        text = source.text[inner[0].start : inner[-1].stop].strip()
        notes.append(Note.at(f"'{text}' was left out: it {what}", place))
    end = rights[-1][len(last) :]
    return [*parts[:named], kept if kept is rights[-1] else [*kept, *end]]


def names_a_value(part: list[Token], left: list[Token]) -> bool:
    """Whether a part is one name, with a step if the left side has one."""
    if [token.kind for token in part[1:]] != ["name"] or part[1].name is None:
        return False
    return part[1].name.index is not None or all(token.name is None or token.name.index is None for token in left)


def abstract(right: list[Token]) -> bool:
    """Whether a right side is one call of a function without a formula: `= f(x_t, h_{t-1})`."""
    tokens = [token for token in right[1:] if token.kind != "end"]
    if len(tokens) < 4 or tokens[0].name is None or tokens[0].name.index or tokens[1].kind != "(":
        return False
    depth = 0
    for i, token in enumerate(tokens[1:], 1):
        depth += (token.kind in CLOSING) - (token.kind in CLOSING.values())
        if depth == 0:
            return i == len(tokens) - 1 and not known_function(tokens[0].name.name)
    return False


def another_equation(right: list[Token]) -> bool:
    """Whether a part ends with a value of this step beside something else: the left side of an equation that goes on.

    In `h_t = W x_t y_t = V h_t` the end of a line is missing.
    """
    if len(right) < 3:
        return True
    last, before = right[-1], right[-2]
    here = last.name is not None and last.name.index is not None and last.name.index.offset == 0
    return here and before.kind in {"name", "number", "ᵀ", *CLOSING.values()}


def equations(line: Line, parts: list[list[Token]]) -> list[Line]:
    """`a = b = right` as `b = right` and `a = b`; numbers are given to each."""
    if len(parts) < 3 or not all(names_a_value(part, parts[0]) for part in parts[1:-1]):
        return [replace(line, tokens=[token for part in parts for token in part])]
    right = parts[-1]
    end = right[-1]
    names = [parts[0], *(part[1:] for part in parts[1:-1])]
    constant = all(token.kind in ("=", "number", "-", "end") for token in right)
    if constant:
        return [replace(line, tokens=[*name, *right]) for name in names]
    result = [replace(line, tokens=[*names[-1], *right])]
    for name, same in zip(reversed(names[:-1]), reversed(parts[1:-1])):
        result.append(replace(line, tokens=[*name, *same, end]))
    return result
