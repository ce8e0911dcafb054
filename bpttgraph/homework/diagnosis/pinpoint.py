"""The place in a student's own line: which part of a formula must change, and to what, for the gradient to come out
right.

Every part of every line on which a wrong gradient depends is changed in the ways in which such lines go wrong (another
step, a transpose, a sign, a factor φ′, a summand that comes back from the next step), and the answer is evaluated again
on a small generic instance. What makes it equal to the true gradient there, and on the instance of the verdict, is
reported. It is one way to repair the answer, found by numbers; it claims nothing about what the student thought.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...equations.text import show
from ...errors import BPTTError, Span
from ..answers.asked import Asked, asked
from ..answers.formulas import Formulas
from ..answers.given import PLAIN, Reading
from ..truth.truth import Truth
from .changes import Change, changes, put
from .smaller import generic

__all__ = ["Repair", "pinpoint"]

MOST_TRIES = 1500
SECONDS = 1.5  # of computing; the likeliest changes come first
MOST_CHARACTERS = 20_000


@dataclass(frozen=True)
class Repair:
    """With the change that `words` tells, at `span` in the student's text, in the line that defines `line`, `names` are
    right."""

    span: Span
    words: str
    line: str
    names: tuple[str, ...]

    @property
    def text(self) -> str:
        """One sentence."""
        return f"In line {self.span.line}, which defines {self.line}: {self.words}, it is right."


def pinpoint(truth: Truth, text: str, wrong: Sequence[str], reading: Reading = PLAIN) -> dict[str, Repair]:
    """The smallest change of one line that makes wrong gradients right, by the name of the gradient; `reading` as for
    `Formulas`.

    >>> import bpttgraph as bg
    >>> u = bg.cell("rnn").unroll(3)
    >>> answer = '''delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh @ delta[t+1])
    ... dW_hh = sum_t outer(delta[t], h[t-1])'''
    >>> print(pinpoint(Truth(u, u.instance()), answer, ["W_hh"])["W_hh"].text)
    In line 1, which defines delta[t]: with W_hh.T in place of W_hh, it is right.
    """
    if len(text) > MOST_CHARACTERS:
        return {}
    try:
        asked = _Asked(_small(truth), text, wrong, reading)
    except BPTTError:
        return {}
    found: dict[str, Repair] = {}
    tries, deadline = 0, time.process_time() + SECONDS
    for key, number, change in sorted(asked.changes(), key=lambda c: c[2].cost):
        waiting = [n for n in asked.names if n not in found and key in asked.reach[n]]
        tries += bool(waiting)
        if tries > MOST_TRIES or time.process_time() > deadline:
            break
        right = tuple(n for n in waiting if asked.right(n, key, number, change))
        if right and asked.still_right(right, key, number, change):
            line = show(asked.formulas.defined[key][number].left[0])
            found |= dict.fromkeys(right, Repair(change.old.span, change.words, line, right))
    return found


def _small(truth: Truth) -> Truth:
    try:
        return generic(truth)
    except BPTTError:
        return truth


class _Asked:
    """An answer in formulas, evaluated again and again with one part of it changed."""

    def __init__(self, truth: Truth, text: str, wrong: Sequence[str], reading: Reading):
        self.truth, self.u = truth, truth.u
        self.formulas = Formulas(self.u, text, reading=reading)
        self.base_of: dict[str, Asked] = {n: a for n, a in asked(self.u, self.formulas).items() if n in wrong}
        self.names = [n for n in wrong if n in self.base_of and not self._equal(n, self.formulas)]
        self.reach = {n: self._reach(self.base_of[n].base) for n in self.names}

    def _reach(self, base: str) -> list[str]:
        """The lines on which a gradient depends, its own first."""
        of = {id(e): key for key, equations in self.formulas.defined.items() for e in equations}
        found, stack = {base: None}, [base]
        while stack:
            for equation in self.formulas.defined[stack.pop()]:
                for key in (of[id(e)] for e in self.formulas.read_by(equation)):
                    if key not in found:
                        found[key] = None
                        stack.append(key)
        return list(found)

    # -- evaluating

    def _equal(self, name: str, formulas: Formulas) -> bool:
        a = self.base_of[name]
        try:
            node = formulas.total(a.base, a.steps, self.u.node(name))
            with np.errstate(all="ignore"):
                (value,) = self.truth.run.read_nodes([node])
        except (BPTTError, ValueError, AssertionError, IndexError):
            return False
        true = self.truth.value(name)
        value = np.asarray(value)
        if node.batched and value.ndim > true.ndim:
            value = value.sum(axis=0)
        return value.shape == true.shape and bool(
            np.all(np.abs(value - true) <= 1e-9 * max(float(np.abs(true).max()), 1e-300))
        )

    def right(self, name: str, key: str, number: int, change: Change) -> bool:
        right = put(self.formulas.defined[key][number].right, change.old, change.new)
        return self._equal(name, self.formulas.changed(key, number, right))

    def still_right(self, names: Sequence[str], key: str, number: int, change: Change) -> bool:
        """On another instance as well."""
        first = self.truth
        self.truth = Truth(self.u, self.u.instance(seed=11, batch=first.run.batch))
        try:
            return all(self.right(n, key, number, change) for n in names)
        finally:
            self.truth = first

    # -- what is tried

    def changes(self) -> Iterator[tuple[str, int, Change]]:
        """(line, number of its equation, change), for every line that matters."""
        for key in dict.fromkeys(k for n in self.names for k in self.reach[n]):
            for number, equation in enumerate(self.formulas.defined[key]):
                for change in changes(self.u, self.formulas, equation):
                    yield key, number, change
