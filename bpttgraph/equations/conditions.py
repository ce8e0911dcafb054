"""Conditions outside `cases`: `h_t = … if m_t > 0`, `a if c else b`, `if … : … else: …`, `for even t`.

They give a value for some steps only, and are refused with the equation that says the same through a mask, an input
which is 1 where the condition holds. What only says the steps (`if t > 0`) or an initial state (`when h_0 = 0`) stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from ..errors import BPTTError
from .choices import COMPARISONS
from .latex import Source, Token

__all__ = ["refuse_conditions"]

OPENING = frozenset(["if", "elif", "when", "whenever", "unless", "except"])
REST = frozenset(["else", "otherwise", "elsewhere"])
PARITY = frozenset(["even", "odd"])
STEPS = frozenset(["t", "n", "k", "step", "steps", "times"])
LINE_ENDS = frozenset(["newline", "break", ";", "end"])
STOPS = LINE_ENDS | {",", ":"}
UNEQUAL = frozenset(["≠", r"\neq", r"\ne", "!"])
OPENS, CLOSES = ("(", "[", "{"), (")", "]", "}")


def refuse_conditions(source: Source, tokens: list[Token]) -> None:
    """Check that nothing outside `cases` gives a value for some steps only.

    Raises:
        BPTTError: for a condition, with the equation that a mask makes of it.
    """
    depth = 0  # of brackets in which no condition stands: subscripts, matrices
    for i, token in enumerate(tokens):
        depth += (token.kind in ("{", "[")) - (token.kind in ("}", "]"))
        said = token.text.lower().split() if token.kind in ("word", "text") else []
        scripted = i and tokens[i - 1].kind in ("_", "^", ".")
        told = said and (said[0] in OPENING | REST or said[-1] == "for" or PARITY & set(said))
        if not told or depth > 0 or scripted or tokens[i + 1].kind in ("_", "^", "="):
            continue
        stop = next(j for j in range(i + 1, len(tokens)) if _stops(tokens, j))
        condition = tokens[i + 1 : stop]
        if said[0] in OPENING and (_holds(source, condition) or _short(tokens, stop, condition)):
            raise _Choice(source, tokens, i, stop).refusal()
        equal = PARITY & set(said)
        near = {t.text for t in tokens[max(i - 2, 0) : i + 3] if t.kind in ("word", "text")} | set(said)
        compared = said[0] in OPENING and (COMPARISONS.keys() | {"="}) & set(token.text)
        for_values = said[-1] == "for" and _stepped(condition) and _compared(condition)
        left_over = said[0] in REST and tokens[i + 1].kind in {*STOPS, "."}
        if equal and STEPS & near:
            raise _Choice(source, tokens, _words_before(tokens, i), stop).refusal()
        if compared or for_values or left_over:
            raise _Choice(source, tokens, i, stop).refusal()


def _stops(tokens: list[Token], j: int) -> bool:
    """Whether a condition ends before this token."""
    token = tokens[j]
    words = token.text.lower().split() if token.kind in ("word", "text") else []
    return token.kind in STOPS or bool(words and words[0] in REST | OPENING | PARITY | {"then", "for"})


def _words_before(tokens: list[Token], i: int) -> int:
    """Where `for even t`, `if t is even`, `t even` begin, whose "even" stands at `i`."""
    for j in range(i - 1, max(i - 5, 0), -1):
        if tokens[j].text.lower() in OPENING | {"for", "at", "on", "in"}:
            return j
    return i - (tokens[i - 1].text in STEPS and tokens[i - 2].kind not in ("_", "^", "{"))


def _compared(condition: list[Token]) -> bool:
    return any(t.text in COMPARISONS or t.text in UNEQUAL for t in condition)


def _stepped(condition: list[Token]) -> bool:
    """x_t, x[t], but no t alone."""
    return len(condition) > 2 and condition[1].kind in ("_", "[", "^") and any(t.text == "t" for t in condition[2:4])


def _holds(source: Source, condition: list[Token]) -> bool:
    """Is it a comparison, other than one that says the steps (t > 0) or an initial state (h_0 = 0)?"""
    signs = [i for i, t in enumerate(condition) if t.kind == "=" or t.text in COMPARISONS or t.text in UNEQUAL]
    made = any(t.text == "step" and source.text[t.start : t.stop] != "step" for t in condition)  # of (x_t > 0)
    if not signs:
        return made
    words = [a.kind == b.kind == "word" and "mod" not in a.text + b.text for a, b in pairwise(condition[: signs[0]])]
    if any(words):  # if we let h_t = …, then
        return False
    left, sign, right = condition[: signs[0]], condition[signs[0]], condition[signs[-1] + 1 :]
    if len(left) == 1 and len(right) == 1 and sign.kind != "=":
        from_start = COMPARISONS.get(sign.text, False) and right[0].kind == "number"
        to_the_end = right[0].text in ("T", "N") and sign.text not in ("<", r"\lt")  # t < T leaves out the last step
        return not (from_start or to_the_end)
    initial = [t.text for t in left if t.kind not in OPENS + CLOSES]
    formula = len(right) > 6 or any(t.kind == "(" for t in right)  # if h_t = tanh(…), then y_t = V h_t
    return not (sign.kind == "=" and (initial[-1:] == ["0"] or formula))


def _short(tokens: list[Token], stop: int, condition: list[Token]) -> bool:
    """`if m_t else …`, `if m[t]:`, whose condition is a value that is 0 or 1."""
    ends = tokens[stop].text.lower() == "else" or (tokens[stop].kind == ":" and tokens[stop + 1].kind in LINE_ENDS)
    return ends and 0 < len(condition) < 9 and any(t.kind in ("_", "[") or len(condition) == 1 for t in condition)


@dataclass
class _Choice:
    """A condition that begins at `at` and ends before `stop`, and what it chooses between, as far as the text says."""

    source: Source
    tokens: list[Token]
    at: int
    stop: int

    def refusal(self) -> BPTTError:
        first = self.tokens[self.at]
        written = self.source.text[first.start : self.tokens[self.stop].start].replace("$", "")
        typed = re.sub(r"\s*(?:\\q?quad\s*)+\Z", "", " ".join(written.split()))
        typed = re.sub(r"\\(?:text|textrm|mathrm|mbox|textit)\{([^{}]*)\}", r"\1", typed).strip()
        equation = self.equation()
        value = self.value(equation[0]) if equation else ""
        what = f"{value} is then given" if value else "what it belongs to is then given"
        return self.source.error(
            f"`{typed}` is a condition: {what} only for some steps, and a condition is read only in \\begin{{cases}}",
            first,
            self.hint(equation, value),
        )

    def text(self, tokens: list[Token]) -> str:
        while tokens and tokens[-1].kind in (",", ".", ";"):
            tokens = tokens[:-1]
        return " ".join(self.source.text[tokens[0].start : tokens[-1].stop].split()) if tokens else ""

    def value(self, left: list[Token]) -> str:
        stepped = len(left) > 1 and left[1].kind in ("_", "^", "[", "(")
        return f"{left[0].text}[t]" if stepped and any(t.text == "t" for t in left) else self.text(left)

    def hint(self, equation: tuple[list[Token], list[Token]] | None, value: str) -> str:
        mask, negative = self.mask()
        given = mask not in (self.own(), self.step())
        holds = f"; {mask} is 1 where the condition holds, else 0" if given else ""
        if equation is None:
            return "give a mask as an input: h[t] = m[t] * (…) + (1 - m[t]) * (what h[t] is otherwise)" + holds
        rest = self.rest() or self.before(equation[0])
        other = f"({rest})" if rest else value.replace("[t]", "[t-1]")
        if not rest and ("[t]" not in value or self.more()):
            other = "(…)"
        one, two = f"({self.text(equation[1])})", other
        if negative:
            one, two = two, one
        kept = "" if rest else f", with {other} for what {value} is otherwise"
        left = self.text(equation[0])
        how = "give a mask as an input:" if given or mask == self.own() else "write"
        return f"{how} {left} = {mask} * {one} + (1 - {mask}) * {two}{kept}{holds}"

    def own(self) -> str:
        """The value that is the mask itself: m_t of `if m_t = 1`."""
        condition = self.tokens[self.at + 1 : self.stop]
        sign = next((i for i, t in enumerate(condition) if t.kind == "="), len(condition))
        number = [t.text for t in condition[sign:] if t.kind != "="]
        plain = all(t.kind in ("word", "_", "[", "]", "{", "}", "number") for t in condition[:sign])
        valued = (
            sign > 1
            and condition[1].kind in ("_", "[")
            and condition[0].kind == "word"
            and condition[0].text not in ("t", "not")
            and plain
        )
        return self.text(condition[:sign]) if valued and number in ([], ["1"], ["0"]) else ""

    def step(self) -> str:
        """The step function of a condition on a value that the text computes: no input says where it holds."""
        condition = self.tokens[self.at + 1 : self.stop]
        signs = [i for i, t in enumerate(condition) if t.text in COMPARISONS]
        heads = {a.text for a, b in pairwise(self.tokens) if b.kind in ("_", "[") and self.defines(a)}
        if len(signs) != 1 or not condition[0].text or condition[0].text not in heads:
            return ""
        sign = condition[signs[0]]
        left, right = self.text(condition[: signs[0]]), self.text(condition[signs[0] + 1 :])
        greater, strict = COMPARISONS[sign.text], sign.text in (">", "<", r"\gt", r"\lt")
        if greater != strict:
            left, right = right, left
        right = f"({right})" if re.search(r"[-+−](?![^{\[]*[}\]])", right) else right
        return f"step({left} - {right})" if strict else f"(1 - step({left} - {right}))"

    def defines(self, token: Token) -> bool:
        """Whether a word begins a left side."""
        line = self.source.text[token.start :].split("\n", 1)[0][:60]
        return bool(re.match(r"[^=<>]{1,24}=", line)) and (
            not self.source.text[: token.start].strip() or self.source.text[: token.start].rstrip(" $\t")[-1:] in "\n;,"
        )

    def mask(self) -> tuple[str, bool]:
        """The mask, and whether the value with the condition is the one where it is 0."""
        own = self.own()
        unless = self.tokens[self.at].text.lower().startswith(("unless", "except"))
        if own:
            return own, unless != (self.tokens[self.stop - 1].text == "0")
        if step := self.step():
            return step, unless
        free = (name for name in ("m", "mask") if not re.search(rf"(?<![A-Za-z]){name}(?![A-Za-z])", self.source.text))
        return next(free, "condition") + "[t]", unless

    def equation(self) -> tuple[list[Token], list[Token]] | None:
        """The sides of the equation with this condition: before it in its line, or after it."""
        start = next((j for j in range(self.at, 0, -1) if self.tokens[j - 1].kind in LINE_ENDS), 0)
        before = _sides(self.tokens[start : self.at])
        if before:
            return before
        after = self.stop
        words = ("then", *LINE_ENDS, ":", ",")
        while after < len(self.tokens) - 1 and self.tokens[after].text.lower() in (*words, "\n"):
            after += 1
        if self.tokens[after].kind in LINE_ENDS or _rest(self.tokens[after]):
            return None
        return _sides(self.tokens[after : _line_end(self.tokens, after)])

    def more(self) -> bool:
        """Whether other conditions follow."""
        said = [t.text.lower().split()[:1] for t in self.tokens[self.stop :] if t.kind in ("word", "text")]
        return any(OPENING & set(word) for word in said)

    def before(self, left: list[Token]) -> str:
        """The right side of an equation for the same value in a line before, which holds without the condition."""
        start = 0
        for j in range(self.at):
            if self.tokens[j].kind in LINE_ENDS:
                sides = _sides(self.tokens[start:j])
                if sides and self.text(sides[0]) == self.text(left) and not self.more():
                    return self.text(sides[1])
                start = j + 1
        return ""

    def rest(self) -> str:
        """What is taken where the condition does not hold, as typed; empty if the text says nothing or several."""
        places = [j for j in range(self.stop, len(self.tokens)) if _rest(self.tokens[j])]
        if len(places) != 1 or self.more():
            return ""
        place = places[0]
        start = next((j for j in range(place, self.stop, -1) if self.tokens[j - 1].kind in STOPS), self.stop)
        alone = self.tokens[place + 1].kind in LINE_ENDS and self.tokens[start:place]
        if alone and not _sides(self.tokens[start:place]):  # 0 otherwise
            return self.text(self.tokens[start:place])
        after = place + 1
        while self.tokens[after].kind in ("newline", "break", ":", ","):
            after += 1
        tokens = self.tokens[after : _line_end(self.tokens, after)]
        if not tokens:  # h_t = … otherwise
            start = next(j for j in range(place, 0, -1) if self.tokens[j - 1].kind in STOPS or j == self.stop)
            tokens = self.tokens[start:place]
        sides = _sides(tokens)
        return self.text(sides[1] if sides else tokens)


def _rest(token: Token) -> bool:
    return token.kind in ("word", "text") and bool(REST & set(token.text.lower().split()[:1]))


def _line_end(tokens: list[Token], at: int) -> int:
    """Where the line ends, or a condition begins in it."""
    return next(
        j for j in range(at, len(tokens)) if tokens[j].kind in LINE_ENDS or (j > at and _stops(tokens, j)
        and tokens[j].kind not in STOPS)
    )  # fmt: skip


def _sides(tokens: list[Token]) -> tuple[list[Token], list[Token]] | None:
    """The sides of the last equation in a piece of a line."""
    depth = 0
    commas, equals = [-1], -1
    for i, token in enumerate(tokens):
        depth += (token.kind in OPENS) - (token.kind in CLOSES)
        if depth == 0 and token.kind == "=":
            equals, start = i, commas[-1] + 1
        elif depth == 0 and token.kind in (",", ":", "text"):
            commas.append(i)
    if depth or equals < 1 or not tokens[equals + 1 :]:
        return None
    return tokens[start:equals], tokens[equals + 1 :]
