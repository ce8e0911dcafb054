"""Choices: `cases`, indicators and `np.where`, by the step function `step(a - b)`, which is 1 where a > b and else 0.

`chosen` goes over the tokens of a text before equations are cut. `\\begin{cases} a & u > θ \\\\ b & \\text{otherwise}`
becomes `step(u - θ) * a + (1 - step(u - θ)) * b`, entry by entry. A case for `t = 0` is an initial state. A condition
on the number of the step beyond that is refused: the recurrence would be another one at each step.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import accumulate

from ..errors import BPTTError
from .latex import Source, Token, words
from .notes import Note

__all__ = ["chosen"]

OPENING, CLOSING = ("(", "[", "{"), (")", "]", "}")
ENDS = ("newline", "break", ";", "end")
GREATER = {">": True, "<": False, r"\gt": True, r"\lt": False}
OR_EQUAL = {r"\geq": True, r"\ge": True, r"\geqslant": True, "≥": True, "⩾": True,
            r"\leq": False, r"\le": False, r"\leqslant": False, "≤": False, "⩽": False}  # fmt: skip
COMPARISONS = GREATER | OR_EQUAL
PERIODIC = frozenset(words(r"\bmod \mod \pmod mod even odd"))
BEGIN = re.compile(r"\\begin\s*\{[dr]*cases\*?\}|\\begin\s*\{array\}")
WORDS = frozenset(words("if for when where while with"))
AND, OR = frozenset(words(r"and \land \wedge ∧ &&")), frozenset(words(r"or \lor \vee ∨ ||"))
REST = frozenset(words("otherwise else other elsewhere"))
INDICATORS = ("1", "𝟙")
MAX_DEPTH = 8


def chosen(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Note]]:
    """The tokens with sums in the place of choices, and what was assumed.

    Raises:
        BPTTError: a condition that cannot be read, or one on the number of the step.
    """
    if not any(
        t.text in COMPARISONS or t.text.strip() == "if" or BEGIN.match(t.text) or t.text in PERIODIC for t in tokens
    ):
        return tokens, []
    choices = _Choices(source, tokens)
    return choices.run(), choices.notes


class _Choices:
    def __init__(self, source: Source, tokens: list[Token], depth: int = 0) -> None:
        self.source, self.tokens, self.depth = source, _or_equal(tokens), depth
        self.ends, self.signs = _brackets(self.tokens)
        self.made: list[Token] = []
        self.notes: list[Note] = []

    def run(self) -> list[Token]:
        at = 0
        while at < len(self.tokens):
            token = self.tokens[at]
            stop = at
            if BEGIN.match(token.text) and token.kind in ("bad", "["):
                stop = self.cases(at)
            elif token.kind in OPENING and (self.indicator() or (token.kind == "(" and self.compared(at))):
                stop = self.bracket(at)
            elif token.kind in ("{", "(") and self.listed(at):
                stop = self.cases(at)
            elif token.text.strip() == "if" and token.kind in ("word", "text"):
                stop = self.inline(at)
            elif token.kind == "(" and self.made and self.made[-1].text == "where":
                stop = self.where(at)
            if stop == at:
                self.made.append(token)
                stop = at + 1
            at = stop
        return self.made

    def put(self, signs: str, token: Token) -> list[Token]:
        """Signs and words in the place of a token."""
        return [
            Token("number" if s.isdigit() else "word" if s.isalpha() else s, s, token.start, token.stop, whole=True)
            for s in signs.split()
        ]

    def end(self, at: int) -> int:
        """The place of the end of what opens here; `at` if there is none."""
        return self.ends.get(at, at)

    def cases(self, at: int) -> int:
        """Write the environment that begins here; the place after it, or `at` if it is no choice."""
        end, opening = self.end(at), self.tokens[at]
        inside = self.inner(self.tokens[at + 1 : end], opening)
        parts = [part for part in _split(inside, ("break", ";", "newline")) if part]
        if len(parts) == 1 and opening.kind in ("{", "("):  # {f(x) if u > θ, 0 otherwise}
            parts = [part for part in _split(inside, (",",)) if part]
        rows = [self.row(part, opening.kind in ("{", "(")) for part in parts]
        letters = self.letters()
        conditions = [condition for _, condition in rows if condition is not None]
        if opening.kind == "[":  # a matrix, unless something in it is a condition
            conditions = [c for c in conditions if not c or _comparisons(c) or self.timed(c, letters)]
        if end == at or not conditions:
            return at
        if any(self.timed(condition or [], letters) for _, condition in rows):
            self.initial(rows, letters, opening)
        else:
            self.made += self.sum([(value, condition or []) for value, condition in rows], opening)
            self.say(opening)
        return end + 1

    def listed(self, at: int) -> bool:
        """Whether a brace holds cases, `{f(x) if u > θ; 0 otherwise}`: two values, of which one is for all else."""
        before = self.made[-1].kind if self.made else ""
        inside = self.tokens[at + 1 : self.end(at)]
        if before != "=" or sum(t.text.strip() in REST for t in inside) != 1:
            return False
        return any(t.kind in (";", ",", "break", "newline") for t in inside)

    def inline(self, at: int) -> int:
        """Write `a if u > θ else b` or `a if u > θ, b otherwise`; `at` if that is not what begins here."""
        start, depth = len(self.made), 0
        while start and not (depth == 0 and self.made[start - 1].kind in (*OPENING, *ENDS, "=", ",")):
            start -= 1
            depth += (self.made[start].kind in CLOSING) - (self.made[start].kind in OPENING)
        stop = middle = at + 1
        while stop < len(self.tokens) and not (depth == 0 and self.tokens[stop].kind in (*CLOSING, *ENDS, ",")):
            depth += (self.tokens[stop].kind in OPENING) - (self.tokens[stop].kind in CLOSING)
            if depth == 0 and middle == at + 1 and self.tokens[stop].text.strip() == "else":
                middle = stop
            stop += 1
        value, condition, other = self.made[start:], self.tokens[at + 1 : middle], self.tokens[middle + 1 : stop]
        last = next((i for i in range(stop, len(self.tokens)) if self.tokens[i].kind in ENDS), stop)
        if middle == at + 1 and self.tokens[stop].kind == "," and self.tokens[last - 1].text.strip() in REST:
            condition, other, stop = self.tokens[at + 1 : stop], self.tokens[stop + 1 : last - 1], last
            middle = at + 2 if all(t.kind not in ("=", ",") for t in other) else at + 1
        condition = _or_equal(condition, inside=False)
        given = start > 0 or self.depth > 0
        timed = self.timed(condition, {"t"})
        if not (value and other and middle > at + 1 and given and (timed or _comparisons(condition))):
            return at
        if timed:
            if self.depth or self.made[start - 1].kind != "=":
                return at
            del self.made[start:]
            self.initial([(value, condition), (other, [])], self.letters(), self.tokens[at])
            return stop
        if any(t.text.strip() == "if" for t in other) and self.depth < MAX_DEPTH:
            other = _Choices(self.source, other, self.depth + 1).run()
        del self.made[start:]
        self.made += self.sum([(value, condition), (other, [])], self.tokens[at])
        self.say(self.tokens[at])
        return stop

    def inner(self, tokens: list[Token], opening: Token) -> list[Token]:
        """What stands in an environment, the choices in it written as sums."""
        if not any(BEGIN.match(t.text) for t in tokens):
            return tokens
        if self.depth >= MAX_DEPTH:
            raise self.source.error(
                f"choices stand in choices more than {MAX_DEPTH} deep", opening, "give some of them a name and a line"
            )
        within = _Choices(self.source, tokens, self.depth + 1)
        return within.run()

    def row(self, tokens: list[Token], comma: bool = False) -> tuple[list[Token], list[Token] | None]:
        """A value, and its condition without the words around it; empty for "otherwise", None if there is none.

        `comma`: whether a comma stands between them, as in a brace.
        """
        levels = accumulate((t.kind in OPENING) - (t.kind in CLOSING) for t in tokens)
        flat = [i for i, level in enumerate(levels) if i and level == (tokens[i].kind in OPENING)]
        signs = WORDS | REST | ({","} if comma else set())
        place = next((i for i in flat if tokens[i].text.strip() in signs or self.edge(tokens, i)), None)
        if place is None:
            return _bare(tokens), None
        condition = [t for t in tokens[place:] if t.text.strip() not in WORDS | {"&", ","}]
        if condition and condition[0].text.strip() in REST:
            condition = []
        return _bare(tokens[:place]), _bare(condition)

    def edge(self, tokens: list[Token], i: int) -> bool:
        return tokens[i].text == "&" or "&" in self.source.text[tokens[i - 1].stop : tokens[i].start]

    def letters(self) -> set[str]:
        """The letters that may be the step: t, and what the last subscript on the left is."""
        return {"t", *[t.text for t in self.left() if t.kind == "word"][1:][-1:]}

    def left(self) -> list[Token]:
        """The left side of the equation whose right side begins here."""
        if not self.made or self.made[-1].kind != "=":
            return []
        start = next((i for i in range(len(self.made) - 1, 0, -1) if self.made[i - 1].kind in (*ENDS, ",")), 0)
        return self.made[start:-1]

    def timed(self, condition: Sequence[Token], letters: set[str]) -> bool:
        """Whether a condition is on the number of the step."""
        return any(
            t.text in PERIODIC or (t.text in letters and (i == 0 or condition[i - 1].kind not in ("_", "^", *OPENING)))
            for i, t in enumerate(condition)
        )

    def initial(self, rows: list[tuple[list[Token], list[Token] | None]], letters: set[str], opening: Token) -> None:
        """A case for one step is an equation of its own; the others are one."""
        left = self.left()
        fixed, rest = [], []
        if len(rows) == 2 and not rows[1][1] and (first := self.begins(rows[0][1] or [], letters)):
            rows = [rows[0], (rows[1][0], first)]
        for value, condition in rows:
            kinds = [t.text if t.kind != "number" else "n" for t in condition or []]
            if len(kinds) == 3 and kinds[0] in letters and kinds[1:] == ["=", "n"]:
                fixed.append((value, (condition or [])[2]))
            elif not kinds or (len(kinds) == 3 and kinds[0] in letters and kinds[1] in COMPARISONS and kinds[2] == "n"):
                rest.append(value)
            else:
                raise self.periodic(condition or [])
        if not left or len(rest) != 1:
            raise self.source.error(
                "these cases are several recurrences, each for some steps",
                opening,
                "write one equation for every step t",
            )
        self.made += rest[0]
        for value, number in fixed:
            sides = [
                [replace(number) if t.text in letters and t.kind == "word" else replace(t) for t in side]
                for side in (left, value)
            ]
            signs = [[t.text for t in side if t.kind in ("word", "number")] for side in sides]
            if signs[0] != signs[1]:  # h_0 for t = 0
                self.made += [*self.put(";", opening), *sides[0], *self.put("=", opening), *sides[1]]

    def begins(self, condition: list[Token], letters: set[str]) -> list[Token]:
        """The condition of what is otherwise after `t > 0` or `t ≥ 1`: t = 0."""
        if len(condition) != 3 or condition[0].text not in letters or condition[2].kind != "number":
            return []
        sign, number = condition[1], condition[2]
        if not COMPARISONS.get(sign.text) or not number.text.isdigit():
            return []
        first = int(number.text) - (sign.text not in GREATER)
        return [condition[0], replace(sign, kind="=", text="="), replace(number, text=str(first))] if first >= 0 else []

    def periodic(self, condition: Sequence[Token]) -> BPTTError:
        text = " ".join(self.source.text[condition[0].start : condition[-1].stop].split())
        return self.source.error(
            f"the condition {text} is on the number of the step, as mod and cases of t are: the recurrence is another "
            "one at other steps",
            condition[0],
            "give a mask as an input: h[t] = m[t] * (…) + (1 - m[t]) * h[t-1]",
        )

    def sum(self, rows: list[tuple[list[Token], list[Token]]], opening: Token) -> list[Token]:
        """c₁ a₁ + (1 − c₁) (c₂ a₂ + (1 − c₂) (…)): each value where its condition holds and none before it does."""
        result = self.put("(", opening)
        depth = 1
        for i, (value, condition) in enumerate(rows):
            holds = self.holds(condition) if condition else []
            if not condition or (i and i == len(rows) - 1):  # the last case is what is left
                result += value
                break
            result += [*holds, *self.put("* (", opening), *value, *self.put(")", opening)]
            if i < len(rows) - 1:
                result += [*self.put("+ ( 1 -", opening), *map(replace, holds), *self.put(") * (", opening)]
                depth += 1
        return result + self.put(" ".join(")" * depth), opening)

    def holds(self, condition: Sequence[Token]) -> list[Token]:
        """1 where a condition holds, else 0: `a and b` is a product, `a or b` is 1 − (1 − a) (1 − b)."""
        while condition and condition[0].kind in OPENING and _whole(condition):
            condition = condition[1:-1]
        either, first = _split(condition, OR), condition[0] if condition else self.tokens[0]
        if len(either) > 1:
            result = self.put("( 1", first)
            for i, part in enumerate(either):
                result += [*self.put("* ( 1 -" if i else "- ( 1 -", first), *self.holds(part), *self.put(")", first)]
            return [*result, *self.put(")", first)]
        both = _split(condition, AND)
        if len(both) > 1:
            result = self.put("(", first)
            for i, part in enumerate(both):
                result += [*(self.put("*", first) if i else []), *self.holds(part)]
            return [*result, *self.put(")", first)]
        places = _comparisons(condition)
        if len(places) != 1 or not 0 < places[0] < len(condition) - 1:
            equal = next((i for i, t in enumerate(condition) if t.kind == "="), 0)
            value = self.source.text[first.start : condition[equal - 1].stop] if equal else "u_t"
            hint = f"for a value of 0 and 1 compare {value} > 0.5" if equal else "compare two values, as in u_t > θ"
            raise self.source.error("this condition of the cases cannot be read", first, hint)
        sign = condition[places[0]]
        left, right = condition[: places[0]], condition[places[0] + 1 :]
        greater, strict = COMPARISONS[sign.text], sign.text in GREATER
        if greater != strict:
            left, right = right, left
        inner = [*self.put("step ( (", sign), *left, *self.put(") - (", sign), *right, *self.put(") )", sign)]
        return inner if strict else [*self.put("( 1 -", sign), *inner, *self.put(")", sign)]

    def indicator(self) -> bool:
        """Whether what stands before a bracket is 𝟙, also with the bracket as its subscript."""
        before = len(self.made) - 1 - bool(self.made and self.made[-1].kind == "_")
        scripted = before > 0 and self.made[before - 1].kind in ("_", "^")
        return before >= 0 and self.made[before].text in INDICATORS and not scripted

    def compared(self, at: int) -> bool:
        """Whether the bracket here holds nothing but a comparison, `(u > θ)`, which programs count as 1 or 0."""
        places = self.signs.get(at, [])
        if self.aside(at):
            return False
        called = bool(self.made) and self.made[-1].kind == "word" and not self.tokens[at].space
        choice = any(t.text.strip() == "if" for t in self.tokens[at : places[0]]) if len(places) == 1 else True
        return not (called or choice) and at + 1 < places[0] < self.end(at) - 1

    def aside(self, at: int) -> bool:
        """Whether `(|h_t| < 1)` behind an equation for h_t only says what holds of it."""
        end = min(self.end(at) + 1, len(self.tokens) - 1)
        start = next((i for i in range(len(self.made), 0, -1) if self.made[i - 1].kind in ENDS), 0)
        head = self.made[start].text if start < len(self.made) else ""
        within = {t.text for t in self.tokens[at:end] if t.kind == "word"}
        behind = bool(self.made) and self.made[-1].kind in (*CLOSING, "word", "number", "sub") and self.tokens[at].space
        return behind and head in within and self.tokens[end].kind in (*ENDS, ",", ".")

    def bracket(self, at: int) -> int:
        """Write the indicator of the condition in the bracket here; `at` if it holds none."""
        end = self.end(at)
        inside = self.tokens[at + 1 : end]
        while len(inside) > 2 and inside[0].kind in OPENING and inside[-1].kind in CLOSING:
            inside = inside[1:-1]
        compared = bool(_comparisons(inside))
        if self.timed(inside, {"t"}) and (compared or any(t.text in PERIODIC for t in inside)):
            raise self.periodic(inside)
        if not compared:
            return at
        opening = self.tokens[at]
        if self.indicator():
            while self.made[-1].text not in INDICATORS:
                self.made.pop()
            opening = self.made.pop()
        self.made += self.holds(inside)
        self.say(opening)
        return end + 1

    def where(self, at: int) -> int:
        """`where(a > b, x, y)`."""
        end = self.end(at)
        parts = _split(self.tokens[at + 1 : end], (",",))
        if len(parts) != 3 or not _comparisons(parts[0]):
            return at
        opening = self.made.pop()
        self.made += self.sum([(parts[1], parts[0]), (parts[2], [])], opening)
        self.say(opening)
        return end + 1

    def say(self, place: Token) -> None:
        if not self.notes:
            sentence = "the choice was read as the sum of its cases, each times step(a - b), whose derivative is 0"
            self.notes.append(Note.at(sentence, self.source.span(place.start, place.stop)))


def _or_equal(tokens: list[Token], inside: bool = True) -> list[Token]:
    """`<=` and `>=` as one sign, inside brackets, where no equation begins, or everywhere."""
    result: list[Token] = []
    depth = 0 if inside else 1
    for token in tokens:
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        if depth > 0 and token.kind == "=" and result and result[-1].kind in ("<", ">") and not token.space:
            sign = "≤" if result[-1].kind == "<" else "≥"
            result[-1] = replace(result[-1], kind="bad", text=sign, stop=token.stop)
        else:
            result.append(token)
    return result


def _brackets(tokens: Sequence[Token]) -> tuple[dict[int, int], dict[int, list[int]]]:
    """Of what opens the place of its end, and of the comparisons directly in it."""
    ends: dict[int, int] = {}
    signs: dict[int, list[int]] = {}
    waiting: list[int] = []
    for i, token in enumerate(tokens):
        if token.kind in OPENING or (token.kind == "bad" and token.text.startswith("\\begin")):
            waiting.append(i)
        elif token.kind in CLOSING or (token.kind == "bad" and token.text.startswith("\\end")):
            if waiting:
                ends[waiting.pop()] = i
        elif waiting and token.text in COMPARISONS:
            signs.setdefault(waiting[-1], []).append(i)
    return ends, signs


def _comparisons(tokens: Sequence[Token]) -> list[int]:
    """Where two values are compared, outside brackets: not the signs of `a^{<t>}`."""
    found, depth = [], 0
    for i, token in enumerate(tokens):
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        if depth == 0 and token.text in COMPARISONS and not (i and tokens[i - 1].kind == "^"):
            found.append(i)
    return found


def _whole(tokens: Sequence[Token]) -> bool:
    """Whether the bracket at the beginning closes at the end."""
    levels = list(accumulate((t.kind in OPENING) - (t.kind in CLOSING) for t in tokens))
    return levels.index(0) == len(tokens) - 1 if 0 in levels else False


def _bare(tokens: list[Token]) -> list[Token]:
    """Tokens without the punctuation at their end."""
    while tokens and tokens[-1].kind in (",", ".", ";", "newline"):
        tokens = tokens[:-1]
    return tokens


def _split(tokens: Sequence[Token], signs: Collection[str]) -> list[list[Token]]:
    """The parts between tokens of some kinds or texts, outside brackets and inner cases."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.kind in OPENING or token.text.startswith("\\begin")) - (
            token.kind in CLOSING or token.text.startswith("\\end")
        )
        if depth == 0 and (token.kind in signs or token.text.strip() in signs):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
