"""An answer in formulas judged as a teacher reads it: line by line, each with the true values of what it reads.

What a name stands for is known by its numbers (`meanings`): a quantity which the lines that read it need, and which its
own line gives at least where nothing wrong has come in yet. With every name at its true value each line is compared
with what it claims to be, so that an error is found where it is made, several at once, and a line that only inherits
one is right in itself. For a wrong line the smallest change that makes it right is sought, or what is missing in it.

One reverse pass gives all true values, and a line is evaluated for itself: no search over pairs, at any number of
errors.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, combinations
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.graph import constant
from ...equations.syntax import Equation, Expr, Name
from ...equations.text import brief, show
from ...equations.trees import walk
from ...errors import BPTTError
from ..answers.asked import Asked, asked
from ..answers.columns import ZERO, Value
from ..answers.formulas import Formulas
from ..answers.given import PLAIN, Reading
from ..answers.lines import spelled
from ..truth.truth import Truth
from .changes import Change, changes, put
from .meanings import Meaning, Meanings, equal
from .smaller import alike, alone, generic

if TYPE_CHECKING:
    from ...errors import Span

__all__ = ["Judged", "Line", "line_by_line"]

Array = np.ndarray[Any, Any]
Key = tuple[str, bool]  # a name that lines define, and whether it has a step
Candidates = Mapping[Key, Sequence[tuple[int, Meaning]]]
ROUNDS = 2  # times that every name may change what it stands for
MOST_MEANINGS = 150  # tried for a name that is nowhere right
NATURAL = 0.3  # the rank of adjoints of values, and of the places inside equations
UNKNOWN = 10.0  # the rank of not knowing
LEAST = 1e-9
SEEN = 0.3  # what it weighs that a name is a quantity at every step, beside one line that is wrong
GUESSED = 0.02  # a far-fetched meaning weighs less than any line that it would save
LONGEST = 2000  # characters of a correction
# to be told what a name stands for: by its own line as well, by all lines that are known, carefully
SURE = ((False, True, True), (True, True, True))
ALL = ((False, True, False), (True, True, False), (True, False, False))
EARLY = (0, -1)  # steps before the first, which wrong lines read
MOST_WHOLE = 12  # adjoints tried for a name whose lines are all wrong
SMALL = 3.2  # the cost of a change that is a plain slip
TOGETHER = 64  # changes that share the values of what they leave alone
SECONDS = 2.5  # for what names stand for, and again for the changes of wrong lines


@dataclass(frozen=True)
class Line:
    """One line of an answer.

    Attributes:
        number, span, name: its place in the text, and what it defines, as typed.
        meaning: what it is taken for, such as "∂E/∂h[t]".
        status: "right" in itself, "wrong" in itself, or "open": what it stands for, or what would make it right, is not
            known.
        steps: where it is wrong. cause: what is wrong with it. place: of what must change. correction: the whole line
            with the change, as text; "" where no single change does.
    """

    number: int
    span: Span
    name: str
    meaning: str
    status: str
    steps: tuple[int, ...] = ()
    cause: str = ""
    place: Span | None = None
    correction: str = ""

    @property
    def text(self) -> str:
        """One sentence on a wrong line."""
        return f"In line {self.number}, which defines {self.name}: {self.cause}."


@dataclass(frozen=True)
class Judged:
    """All lines, and for each wrong gradient the numbers of the lines on which it depends."""

    lines: tuple[Line, ...]
    reach: Mapping[str, tuple[int, ...]]

    def wrong(self, name: str) -> tuple[Line, ...]:
        """The lines that are wrong by themselves and on which a gradient depends, first to last."""
        return tuple(line for line in self.lines if line.status == "wrong" and line.number in self.reach[name])

    def of(self, name: str) -> tuple[Line, ...]:
        """All lines on which a gradient depends."""
        return tuple(line for line in self.lines if line.number in self.reach[name])

    def explains(self, name: str) -> bool:
        """Whether these lines, each by itself, are all that is wrong with a gradient."""
        mine = [line for line in self.lines if line.number in self.reach.get(name, ())]
        wrong = [line for line in mine if line.status == "wrong"]
        return bool(wrong) and all(line.status != "open" for line in mine)


def line_by_line(truth: Truth, text: str, wrong: Sequence[str], reading: Reading = PLAIN) -> Judged | None:
    """Judge the lines on which wrong gradients depend; None if the answer cannot be taken line by line.

    >>> import bpttgraph as bg
    >>> u = bg.cell("rnn").unroll(3)
    >>> answer = '''delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh @ delta[t+1])
    ... dW_hh = sum_t outer(delta[t], h[t])'''
    >>> found = line_by_line(Truth(u, u.instance()), answer, ["W_hh"])
    >>> for line in found.wrong("W_hh"): print(line.text)
    In line 1, which defines delta[t]: with W_hh.T in place of W_hh, it is right.
    In line 2, which defines dW_hh: with h[t-1] in place of h[t], it is right.
    """
    if truth.u.truncation is not None:
        return None  # with cut edges an adjoint is another one for each loss
    for instance in (generic, alike, alone):
        try:
            judge = _Judge(instance(truth), text, wrong, reading)
            found = judge.judged(truth.u.columns) if judge.names else None
        except BPTTError:  # an answer for these sizes or these steps only
            continue
        if found is not None:
            return found
    return None


class _Judge:
    def __init__(self, truth: Truth, text: str, wrong: Sequence[str], reading: Reading):
        self.truth, self.u = truth, truth.u
        self.formulas = Formulas(self.u, text, reading=reading)
        self.of: dict[str, Asked] = {n: a for n, a in asked(self.u, self.formulas).items() if n in self.u.nodes}
        self.names = [n for n in wrong if n in self.of]
        self.meanings = Meanings(truth)
        self.lines: dict[Key, list[Equation]] = {}
        for equations in self.formulas.defined.values():
            for e in equations:
                self.lines.setdefault(_key(e), []).append(e)
        self.names = [n for n in self.names if self._gradient(n) in self.lines]
        self.reach = {n: self._reach(self._gradient(n)) for n in self.names}
        self.keys = list(dict.fromkeys(key for n in self.names for key in self.reach[n]))
        self.readers: dict[Key, set[Key]] = {key: {key} for key in self.keys}
        self.reads: dict[int, list[Key]] = {}
        for key in self.keys:
            for e in self.lines[key]:
                self.reads[id(e)] = list(dict.fromkeys(_key(d) for d in self.formulas.read_by(e)))
                for read in self.reads[id(e)]:
                    self.readers[read].add(key)
        self.steps = {key: self._steps(key) for key in self.keys}
        self.own = {key: self._own(key) for key in self.keys}
        self.stands: dict[Key, Meaning | None] = {}
        self.mended: set[Key] = set()
        self.hits: dict[tuple[Key, int], float] = {}  # the share of the steps at which a name is a quantity anyway
        self._cache: dict[tuple[Any, ...], list[Array] | None] = {}
        self._changes: dict[int, list[Change]] = {}
        self._quick: dict[tuple[Any, ...], list[Array] | None] = {}  # at one step in the middle
        self._values: dict[tuple[Key, int], dict[tuple[str, int | None], Value]] = {}
        self._deadline = time.process_time() + SECONDS

    def _gradient(self, name: str) -> Key:
        """The lines that are a gradient; their sum, for contributions of the steps."""
        return self.of[name].base, self.of[name].steps != (None,)

    def _reach(self, key: Key) -> list[Key]:
        """The names on which one depends, itself first."""
        found, stack = {key: None}, [key]
        while stack:
            for e in self.lines[stack.pop()]:
                for d in self.formulas.read_by(e):
                    if _key(d) not in found:
                        found[_key(d)] = None
                        stack.append(_key(d))
        return list(found)

    # -- values --------------------------------------------------------------------------------------------------------

    def _steps(self, key: Key) -> tuple[int | None, ...]:
        base, timed = key
        if not timed:
            return (None,)
        return tuple(t for t in self.formulas.steps_of(base) if self.formulas.says(base, t))

    def _own(self, key: Key) -> dict[int | None, tuple[Array, bool]]:
        """What the answer itself says of a name, and whether it is a row."""
        values = {t: self.formulas.value(key[0], t) for t in self.steps[key]}
        return dict(zip(values, self._numbers(list(values.values()))))

    def _numbers(self, values: Sequence[Value]) -> list[tuple[Array, bool]]:
        nodes = [v.node if v.node is not None else constant(1.0 if v.one else 0.0) for v in values]
        with np.errstate(all="ignore"):
            read = self.truth.run.read_nodes(nodes)
        found = []
        for node, v, value in zip(nodes, values, read):
            array = np.asarray(value, float)
            lone = array.size == int(np.prod(node.shape))
            found.append((array.reshape(node.shape) if lone else array.sum(axis=0), v.row))
        return found

    def _given(self, stands: Mapping[Key, Meaning | None]) -> dict[tuple[str, int | None], Value]:
        given: dict[tuple[str, int | None], Value] = {}
        for key, meaning in stands.items():
            if meaning is None:
                continue
            if (key, id(meaning)) not in self._values:
                self._values[key, id(meaning)] = self._taken(key, meaning)
            given |= self._values[key, id(meaning)]
        return given

    def _taken(self, key: Key, meaning: Meaning) -> dict[tuple[str, int | None], Value]:
        """A name at its steps, and at those before the first, as this quantity."""
        row = any(row for value, row in self.own[key].values() if value.ndim == 1)
        early = [t for t in EARLY if t not in self.steps[key]] if key[1] else []
        values: dict[tuple[str, int | None], Value] = {(key[0], t): ZERO for t in early if t not in meaning.at}
        for t in (*self.steps[key], *(t for t in early if t in meaning.at)):
            value = meaning.value(t or 0)
            node = constant(value) if value.shape else constant(float(value))
            values[key[0], t] = Value(node, row=row and value.ndim == 1)
        return values

    def _line(self, e: Equation, stands: Mapping[Key, Meaning | None], right: Expr | None = None) -> list[Array] | None:
        """The values of a line at its steps, with the true values of what it reads; None if it cannot be evaluated."""
        return self._evaluated(self.formulas.taking(self._given(stands)), e, self._own_steps(e), right)

    def _evaluated(
        self, formulas: Formulas, e: Equation, steps: Sequence[int | None], right: Expr | None
    ) -> list[Array] | None:
        try:
            return [a for a, _ in self._numbers([formulas.line(e, t, right) for t in steps])]
        except (BPTTError, ValueError, AssertionError, IndexError):
            return None

    def _own_steps(self, e: Equation) -> list[int | None]:
        key = _key(e)
        return [t for t in self.steps[key] if t is None or self.formulas.equation(key[0], t) is e]

    # -- what names stand for ------------------------------------------------------------------------------------------

    def _assign(self) -> None:
        """Let names stand for what makes lines right: first what lines that read them need, then what their own lines
        give; what neither tells is taken for what it equals somewhere, or for what makes the fewest lines wrong."""
        gradients = {(a.base, False): n for n, a in self.of.items() if a.steps == (None,)}
        self.stands = {
            key: Meaning(f"∂E/∂{n}", {0: self.truth.value(n)}) for key, n in gradients.items() if key in self.keys
        }
        found = {key: self._candidates(key) for key in self._near_first() if key not in self.stands}
        self._follow(found, SURE)
        while any(step(found) for step in (self._suppose, self._told_in_part, self._mend_one)):
            self._follow(found, SURE)
        self._follow(found, ALL)
        rest = {key: [m for _, m in hits] for key, hits in found.items() if key not in self.stands}
        for key in rest:
            self.stands[key] = self._by_nature(found[key])
        self._descend(rest)
        known = {key: [m for count, m in hits if count] for key, hits in found.items() if key not in self.mended}
        self._descend(known)

    def _follow(self, found: Candidates, ways: Sequence[tuple[bool, bool, bool]]) -> None:
        """What lines say of names, and of others once these are known."""
        for way in ways:
            while any(self._told(key, found[key], *way) for key in found if key not in self.stands):
                pass

    def _told_in_part(self, found: Candidates) -> bool:
        """A name for a whole adjoint that makes one of its lines right at least."""
        natural = {key: [hit for hit in hits if hit[1].rank <= NATURAL] for key, hits in found.items()}
        return any(self._told(key, natural[key], True, False) for key in found if key not in self.stands)

    def _mend_one(self, found: Candidates) -> bool:
        return any(self._mended(key, found[key]) for key in found if key not in self.stands)

    def _suppose(self, found: Candidates) -> bool:
        """Of the whole adjoints that a name may stand for, the one that makes most lines right with what follows; also
        for a name that one line alone has told."""
        before, self.stands = self.stands, dict(self.stands)
        self._follow(found, ALL)
        most, best = self._worth(found), None
        for key in [key for key in found if key not in before or self._told_by_one(key)]:
            for m in [m for _, m in found[key] if m.rank <= NATURAL][:MOST_WHOLE]:
                if time.process_time() > self._deadline:
                    break
                self.stands = {**before, key: m}
                self._follow(found, ALL)
                if (worth := self._worth(found)) > most + LEAST:
                    best, most = self.stands, worth
        self.stands = before if best is None else best
        return best is not None

    def _told_by_one(self, key: Key) -> bool:
        """Whether one line alone says what a name stands for, and others could, if more were known."""
        lines = [e for reader in self.readers[key] for e in self.lines[reader]]
        known = [e for e in lines if self._known_but(e, key)]
        return len(known) < len(lines) and sum(not self._wrong(e, self.stands) for e in known) < 2

    def _worth(self, found: Candidates) -> float:
        """How many lines of names that are known are right; of as many, with what is least far-fetched for names that
        they tell."""
        known = [e for key in self.keys if key in self.stands for e in self.lines[key] if self._known_but(e, key)]
        right = [e for e in known if not self._wrong(e, self.stands)]
        told = {key for e in right for key in (_key(e), *self.reads[id(e)])}
        return len(right) - sum(self._weight(key, self.stands[key] if key in told else None) for key in found)

    def _near_first(self) -> list[Key]:
        """The names, those that gradients read first."""
        order = dict.fromkeys(map(self._gradient, self.names))
        level = list(order)
        while level:
            level = [
                key for reader in level for e in self.lines[reader] for key in self.reads[id(e)] if key not in order
            ]
            order |= dict.fromkeys(level)
        return list(order)

    def _told(
        self, key: Key, hits: Sequence[tuple[int, Meaning]], own: bool, all_of_them: bool, careful: bool = False
    ) -> bool:
        """Whether lines say what a name stands for: those that read it, whose other names are known, and its own."""
        lines = [e for reader in sorted(self.readers[key]) for e in self.lines[reader] if self._known_but(e, key)]
        if not lines or not (own or any(_key(e) != key for e in lines)):
            return False
        best, seen = None, (0, False, 0, 0)
        for place, (count, m) in enumerate(hits):
            stands: dict[Key, Meaning | None] = {**self.stands, key: m}
            right = 0
            for e in lines:
                if self._right(e, stands):
                    right += 1
                elif all_of_them:
                    break
            enough = right == len(lines) if all_of_them else right > 0
            if careful and right < 2 and m.rank > NATURAL:
                continue  # one line alone can make much of a name
            if enough and (found := (right, m.rank <= NATURAL, count, -place)) > seen:
                best, seen = m, found
        if best is not None:
            self.stands[key] = best
        return best is not None

    def _mended(self, key: Key, hits: Sequence[tuple[int, Meaning]]) -> bool:
        """A name whose lines are all wrong: what lets one small change mend each of them, the least in all."""
        lines = [e for reader in sorted(self.readers[key]) for e in self.lines[reader] if self._known_but(e, key)]
        whole = [m for _, m in hits if m.rank <= NATURAL][:MOST_WHOLE] if len(lines) > 1 else []
        costs: dict[int, float] = {}
        lines.sort(key=lambda e: sum(1 for _ in walk(e.right)))  # short ones reject most
        for m in whole:
            self.stands[key] = m
            costs[id(m)] = self._costs(lines, min(costs.values(), default=inf))
        self.stands.pop(key, None)
        best = min(whole, key=lambda m: costs[id(m)], default=None)
        if best is None or costs[id(best)] == inf:
            return False
        self.mended.add(key)
        self.stands[key] = best
        return True

    def _costs(self, lines: Sequence[Equation], most: float) -> float:
        """What it costs to mend all of these lines, each by one small change; infinite if that is not less than
        `most`."""
        total = 0.0
        for e in lines:
            change = (
                self._repair(e, self.stands[_key(e)], min(SMALL, most - total)) if self._wrong(e, self.stands) else None
            )
            if change is None and self._wrong(e, self.stands):
                return inf
            total += change.cost if change is not None else 0.0
        return total if total < most else inf

    def _known_but(self, e: Equation, key: Key) -> bool:
        """Whether what a line claims to be and all that it reads is known, but for one name."""
        return all(k in self.stands or k == key for k in (_key(e), *self.reads[id(e)])) and bool(self._own_steps(e))

    def _descend(self, found: Mapping[Key, Sequence[Meaning]]) -> None:
        """One name after the other, and with it a name that is made of it, to where fewer lines are wrong."""
        for _ in range(ROUNDS if time.process_time() < self._deadline else 0):
            changed = False
            for key, meanings in found.items():
                if time.process_time() > self._deadline:
                    return
                lines = [e for reader in self.readers[key] for e in self.lines[reader]]
                if not meanings or not any(self._wrong(e, self.stands) for e in lines):
                    continue
                moves = [move for m in meanings for move in self._moves(key, m, found)]
                best = min(moves, key=self._gain)
                if self._gain(best) < -LEAST:
                    self.stands, changed = {**self.stands, **best}, True
            if not changed:
                return

    def _moves(self, key: Key, m: Meaning, found: Mapping[Key, Sequence[Meaning]]) -> Iterator[dict[Key, Meaning]]:
        """A name for this quantity, alone; and with a name whose only line then gives a quantity as well."""
        yield {key: m}
        stands: dict[Key, Meaning | None] = {**self.stands, key: m}
        for reader in sorted(self.readers[key] - {key}):
            if reader not in found or len(self.lines[reader]) > 1:
                continue
            e = self.lines[reader][0]
            values, steps = self._value(e, stands), self._own_steps(e)
            other = next((x for x in found[reader] if values is not None and not _apart(values, steps, x)), None)
            if other is not None and other is not self.stands[reader]:
                yield {key: m, reader: other}

    def _gain(self, move: Mapping[Key, Meaning]) -> float:
        """By how much a move makes things worse: less than nothing if it makes them better."""
        keys = {reader for key in move for reader in self.readers[key]}
        lines = [e for key in sorted(keys) for e in self.lines[key]]
        after: dict[Key, Meaning | None] = {**self.stands, **move}
        wrong = sum(bool(self._wrong(e, after)) - bool(self._wrong(e, self.stands)) for e in lines)
        return wrong + sum(self._weight(key, m) - self._weight(key, self.stands[key]) for key, m in move.items())

    def _weight(self, key: Key, m: Meaning | None) -> float:
        """How far-fetched it is that a name stands for a quantity; less if it has its value somewhere anyway."""
        if m is None:
            return GUESSED * UNKNOWN
        return GUESSED * m.rank - (SEEN * self.hits.get((key, id(m)), 0.0) if m.rank < 1 else 0.0)

    def _by_nature(self, hits: Sequence[tuple[int, Meaning]]) -> Meaning | None:
        """Whole adjoints first: a line that leaves something out is more likely than a name for a part."""
        return next((m for _, m in hits if m.rank <= NATURAL), hits[0][1] if hits else None)

    def _candidates(self, key: Key) -> list[tuple[int, Meaning]]:
        """What a name may stand for, with the number of steps at which its own value is that."""
        own = self.own[key]
        shapes = {a.shape for a, _ in own.values() if a.shape or np.any(a)}  # what is zero may have any
        found = []
        for m in self.meanings.all:
            if shapes and m.shape not in shapes:
                continue
            hits = [t for t, (a, _) in own.items() if t is not None and equal(a, m.value(t))]
            count = len(hits) if any(np.any(own[t][0]) for t in hits) else 0
            self.hits[key, id(m)] = count / max(len(own), 1)
            found.append((count, m))
        named = f"{self._named(key[0])}[t]"
        inside = f" in {named})"
        found.sort(key=lambda hit: (-hit[0], hit[1].words != f"∂E/∂{named}", inside not in hit[1].words, hit[1].rank))
        known = [hit for hit in found if hit[0]]
        natural = [hit for hit in found if not hit[0] and hit[1].rank <= NATURAL]
        return [*known, *natural] if known else [hit for hit in found if hit[1].rank < 3][:MOST_MEANINGS]

    def _named(self, base: str) -> str:
        """The variable of which a name seems to be the adjoint: h of dh, ∂h and δ_h."""
        found = re.fullmatch(r"(?:[d∂δΔ]|delta)_?(\w+)", base)
        return found[1] if found else ""

    def _wrong(self, e: Equation, stands: Mapping[Key, Meaning | None]) -> list[int | None]:
        """The steps at which a line is not what it claims to be."""
        meaning = stands.get(_key(e))
        if meaning is None:
            return []
        return _apart(self._value(e, stands), self._own_steps(e), meaning)

    def _right(self, e: Equation, stands: Mapping[Key, Meaning | None]) -> bool:
        """Whether a line is what it claims to be; most that are not are seen at one step in the middle."""
        meaning, key, steps = stands.get(_key(e)), self._state(e, stands), self._own_steps(e)
        if meaning is not None and key not in self._cache and len(steps) > 1:
            middle = [steps[len(steps) // 2]]
            if key not in self._quick:
                formulas = self.formulas.taking(self._given({k: stands.get(k) for k in self.reads[id(e)]}))
                self._quick[key] = self._evaluated(formulas, e, middle, None)
            if _apart(self._quick[key], middle, meaning):
                return False
        return not self._wrong(e, stands)

    def _state(self, e: Equation, stands: Mapping[Key, Meaning | None]) -> tuple[Any, ...]:
        """What the values of a line depend on."""
        return (id(e), *((b, id(stands.get(b))) for b in self.reads[id(e)]))

    def _value(self, e: Equation, stands: Mapping[Key, Meaning | None]) -> list[Array] | None:
        """The values of a line with what it reads at these values, computed once."""
        key = self._state(e, stands)
        if key not in self._cache:
            self._cache[key] = self._line(e, {k: stands.get(k) for k in self.reads[id(e)]})
        return self._cache[key]

    # -- verdicts on lines ---------------------------------------------------------------------------------------------

    def judged(self, last: int) -> Judged | None:
        """Every line on which the wrong gradients depend, of the `last` steps that were asked for; None if no line is
        wrong here."""
        self._assign()
        self._deadline = time.process_time() + SECONDS
        lines = []
        known = {key: self._credible(key) for key in self.keys}
        for key in self.keys:
            for e in self.lines[key]:
                if self._own_steps(e):
                    sure = known[key] and all(known[read] for read in self.reads[id(e)])
                    lines.append(self._verdict(key, e, sure))
        order = sorted(lines, key=lambda line: (line.number, line.span.column))
        reach = {n: tuple(e.span.line for key in self.reach[n] for e in self.lines[key]) for n in self.names}
        if not all(any(line.status != "right" and line.number in reach[n] for line in order) for n in self.names):
            return None
        return Judged(tuple(replace(line, steps=self._counted(line.steps, last)) for line in order), reach)

    def _counted(self, steps: tuple[int, ...], last: int) -> tuple[int, ...]:
        """Steps of this instance as steps of the one that was asked for: early ones from the first, late ones from the
        last."""
        if not steps or last == self.u.columns:
            return steps
        late = last - self.u.columns
        if len(steps) > 1 and steps[-1] - steps[0] == len(steps) - 1:
            return tuple(range(steps[0], steps[-1] + late + 1))
        return tuple(t if 2 * t <= self.u.columns else t + late for t in steps)

    def _credible(self, key: Key) -> bool:
        """Whether something besides its own wrong lines says what a name stands for."""
        meaning = self.stands[key]
        if meaning is None:
            return False
        if not key[1] or key in self.mended:
            return True
        if any(t is not None and np.any(a) and equal(a, meaning.value(t)) for t, (a, _) in self.own[key].items()):
            return True
        lines = [e for reader in self.readers[key] for e in self.lines[reader]]
        return any(not self._wrong(e, self.stands) for e in lines if self._own_steps(e))

    def _verdict(self, key: Key, e: Equation, known: bool) -> Line:
        meaning, name = self.stands[key], show(e.left[0])
        line = Line(e.span.line, e.span, name, meaning.words if meaning else "", "right")
        steps = self._wrong(e, self.stands)
        if meaning is not None and self._credible(key) and not steps:
            return line
        if meaning is None or not known:
            return replace(line, meaning="", status="open")
        where = tuple(t for t in steps if t is not None)
        line = replace(line, status="wrong", steps=where)
        value = self._value(e, self.stands)
        if value is not None and not any(np.any(v) for v in value):
            return replace(line, cause=f"it is zero, where {meaning.words} is meant")
        change = self._repair(e, meaning)
        if change is not None:
            new = f"{name} = {_bare(brief(put(e.right, change.old, change.new), LONGEST))}"
            cause = f"{change.words}, it is right{self._known_as(change, e)}"
            return replace(line, cause=cause, place=change.old.span, correction=new)
        cause = self._missing(e, value, meaning) if value is not None else ""
        if not cause:  # what it stands for may have been guessed wrong
            return replace(line, meaning="", status="open", steps=())
        return replace(line, cause=cause + self._when(where, len(self._own_steps(e))))

    def _when(self, steps: tuple[int, ...], whole: int) -> str:
        """The steps at which a line is wrong, unless it is at all of them."""
        last = self.u.columns
        if not steps or len(steps) == whole:
            return ""
        known = {(1,): "the first step", (last,): "the last step", (*range(1, last),): "every step but the last",
                 (*range(2, last + 1),): "every step but the first"}  # fmt: skip
        return f" at {known.get(steps, 'some steps')}"

    def _known_as(self, change: Change, e: Equation) -> str:
        """What a name stands for that must change, if another line says so."""
        other = change.old
        if not (isinstance(other, Name) and other.index):
            return ""
        key = (spelled(other), True)
        meaning = self.stands.get(key) if key != _key(e) else None
        if meaning is None:
            return ""
        number = self.lines[key][-1].span.line
        return f"; {other.name}[t], from line {number}, is {meaning.words}"

    def _repair(self, e: Equation, meaning: Meaning | None, most: float = 9.0) -> Change | None:
        """The likeliest change, of no more than this cost, that makes a line what it claims to be, at all its steps."""
        if meaning is None:
            return None
        steps, own = self._own_steps(e), (spelled(e.left[0]), e.left[0].index)
        wrong = _apart(self._value(e, self.stands), steps, meaning) or steps
        quick = [wrong[len(wrong) // 2]]  # most changes are not right there
        tried: list[Expr] = []  # kept, for values are remembered by the expression that they are of
        if id(e) not in self._changes:
            self._changes[id(e)] = changes(self.u, self.formulas, e)
        for change in self._changes[id(e)]:
            if change.cost > most or time.process_time() > self._deadline:
                return None
            right = put(e.right, change.old, change.new)
            if any(isinstance(x, Name) and (spelled(x), x.index) == own for x, _ in walk(right)):
                continue  # a line that reads what it defines
            if len(tried) % TOGETHER == 0:
                formulas = self.formulas.taking(self._given(self.stands))
            tried.append(right)
            if _apart(self._evaluated(formulas, e, quick, right), quick, meaning):
                continue
            if not _apart(self._line(e, self.stands, right), steps, meaning):
                return change
        return None

    def _missing(self, e: Equation, values: Sequence[Array], meaning: Meaning) -> str:
        """What a line lacks, or has too much, in numbers: a summand or factor that is a quantity of the recurrence."""
        steps = self._own_steps(e)
        true = [_turned(meaning.value(t or 0), v.shape) for t, v in zip(steps, values)]
        if any(a is None for a in true):
            return ""
        pairs = [(t, v, a) for t, v, a in zip(steps, values, true) if a is not None]
        quantities = [
            (m, [(t, v, a, m.value(t or 0)) for t, v, a in pairs])
            for m in self.meanings.all
            if m.rank < 3 and m.shape == meaning.shape and m is not meaning
        ]
        for m, quantity in quantities:
            if all(equal(v + x, a) for _, v, a, x in quantity):
                return f"{m.words} is missing"
        for m, quantity in quantities:
            if all(equal(v - x, a) for _, v, a, x in quantity):
                return f"{m.words} is one summand too many"
            if "′" in m.words and all(equal(v * x, a) for _, v, a, x in quantity):
                return f"the factor {m.words} is missing"
            if "′" in m.words and all(equal(a * x, v) for _, v, a, x in quantity):
                return f"the factor {m.words} is one too many"
            if all(equal(v, x) for _, v, _, x in quantity):
                return f"it is {m.words}, but it is read as {meaning.words}"
        return self._uses(e, pairs) or self._constant(pairs)

    def _uses(self, e: Equation, pairs: Sequence[tuple[int | None, Array, Array]]) -> str:
        """The steps whose share in a gradient is missing."""
        name = next((n for n in self.names if self.of[n].base == _key(e)[0]), None)
        if name is None or name not in self.u.parameters or len(pairs) != 1:
            return ""
        (_, value, true), last = pairs[0], self.u.columns
        shares = self.truth.run.contributions(name).sum(axis=0)
        for size in range(1, last):
            for steps in combinations(range(1, last + 1), size):
                lost = sum(shares[t - 1] for t in steps)
                if value.shape == true.shape and equal(true - value, lost):
                    called = {1: "the first step", last: "the last step"}
                    said = " and ".join(called.get(t, f"step {t}") for t in steps)
                    return f"what the use of {name} at {said} adds is missing"
        return ""

    @staticmethod
    def _constant(pairs: Sequence[tuple[int | None, Array, Array]]) -> str:
        """One factor for all entries and steps."""
        given = np.concatenate([np.ravel(v) for _, v, _ in pairs])
        true = np.concatenate([np.ravel(a) for _, _, a in pairs])
        place = int(np.argmax(np.abs(true))) if true.size else 0
        if true.size < 2 or not true[place]:
            return ""
        factor = float(given[place] / true[place])
        return f"it is {factor:.6g} times what it should be" if equal(given, factor * true) and factor else ""


def _apart(values: Sequence[Array] | None, steps: Sequence[int | None], meaning: Meaning) -> list[int | None]:
    """The steps at which values are not what they should be; all of them if there are no values."""
    if values is None:
        return list(steps)
    found = []
    for t, value in zip(steps, values):
        true = meaning.value(0 if t is None else t)
        spread = np.broadcast_to(value, true.shape) if not value.shape and not value.any() else value
        turned = _turned(true, spread.shape)
        if turned is None or not equal(spread, turned):
            found.append(t)
    return found


def _turned(true: Array, shape: tuple[int, ...]) -> Array | None:
    """The true value in the layout of an answer: a matrix may be handed in transposed."""
    if true.shape == shape:
        return true
    return true.T if true.ndim == 2 and true.T.shape == shape else None


def _bare(text: str) -> str:
    """A right side without the brackets around it all."""
    depths = list(accumulate((c == "(") - (c == ")") for c in text))
    whole = text.startswith("(") and text.endswith(")") and 0 not in depths[:-1]
    return text[1:-1] if whole else text


def _key(e: Equation) -> Key:
    return spelled(e.left[0]), e.left[0].index is not None
