"""What a whole paste agrees on about its names: which letter counts the steps, and what marks on a letter mean.

`survey` looks at every script and bracket behind a letter before any name is made. One paste has one letter for the
step (`t`, unless another one does its work), one way of numbering layers, and says the same thing by the same mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .latex import Token
from .letters import REDUCTIONS
from .lines import CLOSING, Line
from .syntax import Index
from .vocabulary import known_function

__all__ = ["OPENING", "Notation", "bound_letters", "content", "parts_of", "step_index", "survey"]

STEP = re.compile(r"([^\W\d_])?(?:(?<=[^\W\d_])([+-][0-9]{1,6}))?|([0-9]{1,6})")
SUM_OF_STEPS = re.compile(r"[^\W\d_](?:[+-](?:[^\W\d_]|[0-9]{1,6})){2,4}|[^\W\d_][+-][^\W\d_]")
OPENING = {**CLOSING, "<": ">"}
# What counts steps, if several letters run on the left: l counts layers rather than steps.
STEP_LETTERS = "tnkτimsjlℓ"
LAYER_LETTERS = ("l", "ℓ")
LONG = 64  # tokens: a mark that says a step is short


def step_index(text: str, before: bool = False) -> Index | None:
    """`t-1`, `T`, `3` as a step, with `before` also `-1`, a step before 0; None if the text is none."""
    if before and re.fullmatch("-[0-9]{1,6}", text):
        return Index(None, int(text))
    match = STEP.fullmatch(text)
    if not text or not match:
        return None
    return Index(None, int(match[3])) if match[3] else Index(match[1], int(match[2] or 0))


def content(tokens: list[Token], at: int, limit: int = LONG) -> tuple[str, int] | None:
    """The text of the script or bracket that begins with the token at `at`, and where it ends; None if it does not."""
    if at >= len(tokens) or tokens[at].kind == "end":
        return None
    close = OPENING.get(tokens[at].kind)
    if close is None:
        return tokens[at].text, at + 1
    parts: list[str] = []
    depth, accent = 0, ""
    for i in range(at, min(len(tokens), at + limit)):
        token = tokens[i]
        depth += (token.kind == tokens[at].kind) - (token.kind == close)
        if depth == 0:
            opening = tokens[at].kind.replace("{", "")
            return opening + "".join(parts) + close * bool(opening), i + 1
        if token.kind == "accent":
            accent += token.text
        elif i > at and token.kind not in ("{", "}"):
            text = "|" if token.text == "\\mid" else token.text
            parts.append(text[:1] + accent + text[1:])
            accent = ""
    return None


def parts_of(text: str) -> list[str]:
    """`(l, t-1)` as its parts, without the brackets around all or around one: `1,[t]`."""
    parts = [without_brackets(text)]
    if len(parts := re.split("[,;]", parts[0])) > 1:
        parts = [without_brackets(part) for part in parts]
    return parts


def without_brackets(text: str) -> str:
    return text[1:-1] if text and OPENING.get(text[0]) == text[-1:] else text


@dataclass(slots=True)
class Mark:
    """A script or a bracket behind a letter. `kind` is "_", "^", "[" or "("."""

    kind: str
    text: str
    token: Token
    space: bool = False  # before a bracket

    @property
    def steps(self) -> list[Index]:
        """What could be a step in it."""
        found = [step_index(part.partition("|")[0]) for part in parts_of(self.text)]
        return [index for index in found if index is not None and index.variable is not None]

    @property
    def bare(self) -> bool:
        return self.kind == "^" and self.text[:1] not in OPENING


@dataclass(slots=True)
class Letter:
    """A letter with its marks, somewhere in the paste."""

    base: str
    marks: list[Mark]
    left: bool

    def variables(self) -> set[str]:
        return {str(step.variable) for mark in self.marks for step in mark.steps}


@dataclass(frozen=True, slots=True)
class Notation:
    """What all equations of a paste agree on.

    Attributes:
        step: the letter that counts steps. last: the letter of the last step. rival: another that seems to.
        round: whether steps stand in round brackets, `h(t)`. raised: whether `h^t` is a step.
        layers: letters that count layers. units: letters of entries, `h_j^{(t)}` under a sum over j.
        labels: superscripts of letters on a left side, where no power stands.
        numbered: letters on which a number at the top is a label, `W^1`. stepped: letters that carry a step.
        letters: all of them. defined: those on a left side. tops: letters with what stands at their top.
        place: where the letter of the step is seen first.
        given: names that the text takes over from a recurrence. gradients: whether it is about their gradients.
        constant: those of parameters.
    """

    step: str = "t"
    last: str = "T"
    rival: str = ""
    round: bool = False
    raised: bool = True
    layers: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()
    numbered: frozenset[str] = frozenset()
    stepped: frozenset[str] = frozenset()
    letters: frozenset[str] = frozenset()
    defined: frozenset[str] = frozenset()
    tops: frozenset[tuple[str, str]] = frozenset()
    place: Token | None = None
    given: frozenset[str] = frozenset()
    gradients: bool = False
    constant: frozenset[str] = frozenset()

    def index(self, text: str, bound: set[str]) -> Index | None:
        """The step that a mark says, in t and T; None if it says none. `bound`: letters of sums around it."""
        index = step_index(text, before=True)
        if index is None and self.gradients and SUM_OF_STEPS.fullmatch(text):
            names = {self.step: "t", self.last: "T"}
            letters = [names.get(part, part) for part in re.split("([+-])", text)]
            counted = all(not p.isalpha() or p in ("t", "T") or p in bound - self.units for p in letters)
            return Index("".join(letters), 0) if counted else None
        if index is None or index.variable is None:
            return index
        if index.variable == self.step:
            return Index("t", index.offset)
        if index.variable in (self.last, "T"):
            return Index("T", index.offset)
        return index if index.variable in bound - self.units else None

    def layer(self, text: str) -> Index | None:
        """The layer that a mark says, as `l-1`."""
        index = step_index(text)
        return index if index and index.variable in self.layers else None

    def labelled(self, base: str) -> bool:
        """Whether a number at the top of this letter is a label."""
        return base in self.numbered or (bool(self.numbered) and base[:1].isupper())

    def power(self, base: str, number: str) -> bool:
        """Whether a number between a letter and its step is a power: `g^2_t` where nothing is g^1 or g^3."""
        others = any(top[0] == base and top[1].isdigit() and top[1] != number for top in self.tops)
        return base in self.stepped and not (others or self.labelled(base) or (base, number) in self.labels)

    def sibling(self, base: str, label: str) -> bool:
        """Whether a letter at the top of another is a label, because it is one elsewhere: `b^o` beside `W^o`, `b^f`."""
        if base in self.stepped or not label.isalpha():
            return False
        matrices = any(top[1] == label and top[0][:1].isupper() for top in self.tops)
        return matrices or any(top[0] == base and top[1] in self.stepped for top in self.tops)


def letters_of(line: Line) -> Iterator[Letter]:
    """Every letter of a line with its marks."""
    tokens = line.tokens
    left = any(token.kind == "=" for token in tokens)
    for i, token in enumerate(tokens):
        left &= token.kind != "="
        if token.kind != "word" or token.text in REDUCTIONS or (i and tokens[i - 1].kind in ("_", "^")):
            continue
        at = i + 1
        if i and at < len(tokens) and tokens[i - 1].kind == "{" and tokens[at].kind == "}":
            at += 1  # \hat{y}_t
        marks: list[Mark] = []
        while at < len(tokens):
            kind, found = tokens[at].kind, None
            if kind == "'":
                at += 1
                continue
            if kind in ("_", "^"):
                found = content(tokens, at + 1)
            elif kind in ("sub", "sup"):
                found = tokens[at].text, at + 1
            elif kind in ("[", "(") and not known_function(token.text):
                found = content(tokens, at)
                if kind == "[" and tokens[at].space:
                    break
            if found is None:
                break
            mark = Mark({"sub": "_", "sup": "^"}.get(kind, kind), found[0], tokens[at], tokens[at].space)
            if kind in ("[", "(") and not mark.steps:
                break
            marks.append(mark)
            at = found[1]
        yield Letter(token.text, marks, left)


@dataclass
class Evidence:
    """What speaks for a letter as the step."""

    left: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)  # seen as n-1
    seen: set[str] = field(default_factory=set)
    place: dict[str, Token] = field(default_factory=dict)


def weigh(letters: list[Letter]) -> Evidence:
    found = Evidence()
    raised = {(a.base, str(s.variable)) for a in letters if a.left for m in a.marks if m.bare for s in m.steps}
    for letter in letters:
        for mark in letter.marks:
            for step in mark.steps:
                variable = str(step.variable)
                if mark.bare and (letter.base, variable) not in raised:
                    continue  # a power, as in a^{k-1}
                found.place.setdefault(variable, mark.token)
                if letter.left:
                    found.left.add(variable)
                if step.offset:
                    found.moved.add(variable)
                if mark.kind != "(":
                    found.seen.add(variable)
    return found


def survey(
    lines: list[Line],
    counted: frozenset[str] = frozenset(),
    custom: str = "t",
    given: frozenset[str] = frozenset(),
    constant: frozenset[str] = frozenset(),
) -> Notation:
    """The notation of a paste.

    Args:
        counted: letters that the text says to count layers, as in "l = 1, 2". custom: the letter of the step, unless
            the text says otherwise. given: names that it takes over from a recurrence; T is then the last step and
            counts nothing, as in an answer's `dh[T-1] = … dh[T]`, and a number at the top is a label only where one
            of the names has it. constant: those of them that have no step.
    """
    letters = [letter for line in lines for letter in letters_of(line)]
    bound = {token.text for line in lines for token in bound_letters(line.tokens)}
    evidence = weigh(letters)
    strong = (evidence.left & evidence.moved) - counted
    strong -= {"T"} if len(strong) > 1 or "t" in evidence.seen or given else set()
    said = evidence.left | evidence.moved
    if custom in said:
        step = custom
    elif "t" in said or not strong:
        step = "t" if "t" in evidence.place else custom
    else:
        step = min(strong, key=lambda v: (STEP_LETTERS.find(v) % 99, v))
    beside = set[str]()
    for letter in letters:
        if letter.variables() & {step, "T"}:
            beside |= letter.variables()
    beside -= {step, "T"}
    raised = {str(s.variable) for letter in letters for m in letter.marks if m.kind == "^" for s in m.steps}
    layers = {v for v in beside - bound if v in evidence.moved or (v in LAYER_LETTERS and v in raised)}
    layers |= counted - {step}
    rivals = strong - {step} - layers - bound
    stepped = {letter.base for letter in letters if step in letter.variables()}
    ends = {v for letter in letters if letter.base in given for v in letter.variables() if v in "τN"} - bound - {step}
    last = min(ends, default="T") if "T" not in evidence.seen else "T"  # ∇_{h^{(τ)}} L
    bare_left = any(m.bare for a in letters if a.left for m in a.marks for s in m.steps if s.variable == step)
    low_left = any(not m.bare for a in letters if a.left for m in a.marks for s in m.steps if s.variable == step)
    return Notation(
        step=step,
        last=last_letter(lines, step) if last == "T" else last,
        rival=min(rivals, default=""),
        round=any(
            mark.kind == "(" and letter.left and any(s.variable == step for s in mark.steps)
            for letter in letters
            for mark in letter.marks
        ),
        raised=bare_left or not low_left,
        layers=frozenset(layers),
        units=frozenset(beside & bound),
        labels=frozenset((a.base, m.text) for a in letters if a.left for m in a.marks if m.bare),
        numbered=frozenset(
            a.base
            for a in letters
            for m in a.marks
            if m.bare and m.text in ("0", "1") and (not given or {a.base + m.text, a.base[1:] + m.text} & given)
        ),
        stepped=frozenset(stepped),
        letters=frozenset(letter.base for letter in letters),
        defined=frozenset(letter.base for letter in letters if letter.left),
        tops=frozenset((a.base, without_brackets(m.text)) for a in letters for m in a.marks if m.kind == "^"),
        place=evidence.place.get(step),
        given=given,
        gradients=bool(given),
        constant=constant,
    )


def bound_letters(tokens: list[Token]) -> Iterator[Token]:
    """The letters over which sums run."""
    for i, token in enumerate(tokens[:-1]):
        if token.text in REDUCTIONS and tokens[i + 1].kind in ("_", "sub"):
            if tokens[i + 1].kind == "sub":
                yield tokens[i + 1]
            elif i + 2 < len(tokens):
                after = tokens[i + 2]
                yield tokens[min(i + 3, len(tokens) - 1)] if after.kind == "{" else after


def last_letter(lines: list[Line], step: str) -> str:
    """The letter of the last step: T, or the N of a sum over n = 1, …, N."""
    if step == "T":
        return ""
    for line in lines:
        for i, token in enumerate(line.tokens):
            if token.text not in REDUCTIONS or i + 1 >= len(line.tokens) or line.tokens[i + 1].kind != "_":
                continue
            low = content(line.tokens, i + 2)
            if low is None or low[0].partition("=")[0] != step or low[1] >= len(line.tokens):
                continue
            high = content(line.tokens, low[1] + 1) if line.tokens[low[1]].kind == "^" else None
            if high and len(high[0]) == 1 and high[0].isupper():
                return high[0]
    return "T"
