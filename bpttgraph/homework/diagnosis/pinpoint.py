"""The place in a student's own line: which part of a formula must change, and to what, for the gradient to come out
right.

Every part of every line on which a wrong gradient depends is changed in the ways in which such lines go wrong (another
step, a transpose, a sign, a factor φ′, a summand that comes back from the next step), and the answer is evaluated again
on a small generic instance. What makes it equal to the true gradient there, and on the instance of the verdict, is
reported. It is one way to repair the answer, found by numbers; it claims nothing about what the student thought.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ...equations.language import parse_expression
from ...equations.syntax import Binary, Call, Equation, Expr, Index, Name, Negate, Reduce, Transposed
from ...equations.text import show
from ...equations.trees import children, walk
from ...errors import BPTTError, Span
from ..answers.asked import Asked, asked
from ..answers.formulas import Formulas
from ..answers.given import PLAIN, Reading
from ..truth.truth import Truth

__all__ = ["Repair", "pinpoint"]

MOST_TRIES = 1500
MOST_CHARACTERS = 20_000
STEPS = 4


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
        small = _small(truth)
        asked = _Asked(small, text, wrong, reading)
    except BPTTError:
        return {}
    found: dict[str, Repair] = {}
    tries = 0
    for _, key, number, old, new, words in sorted(asked.changes(), key=lambda c: c[0]):
        waiting = [n for n in asked.names if n not in found and key in asked.reach[n]]
        tries += bool(waiting)
        if tries > MOST_TRIES:
            break
        right = tuple(n for n in waiting if asked.right(n, key, number, old, new))
        if right and asked.still_right(right, key, number, old, new):
            line = show(asked.formulas.defined[key][number].left[0])
            found |= dict.fromkeys(right, Repair(old.span, words, line, right))
    return found


def _small(truth: Truth) -> Truth:
    """The same question on an instance that is quick to evaluate and on which nothing hides."""
    u = truth.u
    if u.recurrence.blocks or u.truncation is not None:
        return truth
    last = u.loss_steps == (u.steps[None],)
    numbers = {name: () for name, shape in u.shapes.items() if not shape and name not in u.recurrence.targets}
    sizes = 1 if not any(u.shapes.values()) else {n: s for n, s in numbers.items() if n in u.slots}
    made = u.recurrence.unroll(STEPS, "last" if last else "every", sizes, None, u.inputs, u.reduce)
    return Truth(made, made.instance(seed=3, batch=None))


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

    def _changed(self, formulas: Formulas, key: str, number: int, old: Expr, new: Expr) -> Formulas:
        return formulas.changed(key, number, _put(formulas.defined[key][number].right, old, new))

    def right(self, name: str, key: str, number: int, old: Expr, new: Expr) -> bool:
        return self._equal(name, self._changed(self.formulas, key, number, old, new))

    def still_right(self, names: Sequence[str], key: str, number: int, old: Expr, new: Expr) -> bool:
        """On another instance as well."""
        first = self.truth
        self.truth = Truth(self.u, self.u.instance(seed=11, batch=first.run.batch))
        try:
            return all(self.right(n, key, number, old, new) for n in names)
        finally:
            self.truth = first

    # -- what is tried

    def changes(self) -> Iterator[tuple[float, str, int, Expr, Expr, str]]:
        """(cost, line, number of its equation, old part, new part, in words), for every line that matters."""
        for key in dict.fromkeys(k for n in self.names for k in self.reach[n]):
            for number, equation in enumerate(self.formulas.defined[key]):
                powers = [e.right for e, _ in walk(equation.right) if isinstance(e, Binary) and e.operator == "^"]
                exponents = {id(part) for power in powers for part, _ in walk(power)}
                for e, _ in walk(equation.right):
                    where = " in the exponent" if id(e) in exponents else ""
                    for cost, new, words in (*self._replaced(e), *self._added(e, equation)):
                        yield cost, key, number, e, new, words + where

    def _replaced(self, e: Expr) -> Iterator[tuple[float, Expr, str]]:
        """Something else in place of a part, or less of it."""
        old = self._said(e)

        def instead(cost: float, new: Expr, text: str) -> tuple[float, Expr, str]:
            return cost, new, f"with {text} in place of {old}"

        if isinstance(e, Name):
            if e.index is not None and e.index.variable is not None:
                for shift in (-1, 1):
                    moved = replace(e, index=Index(e.index.variable, e.index.offset + shift))
                    yield instead(1.0, moved, show(moved))
            shape = self._shape(e)
            if shape is not None and len(shape) == 2:
                yield instead(1.0, Transposed(e, e.span), f"{old}.T")
            for other in self._alike(e, shape):
                renamed = replace(e, name=other)
                yield instead(2.5, renamed, show(renamed))
            yield instead(2.2, Binary("^", e, parse_expression("2"), e.span), f"{old}^2")
        if isinstance(e, Transposed):
            yield instead(1.0, e.operand, self._said(e.operand))
        if isinstance(e, Negate):
            yield 1.2, e.operand, f"without the minus sign of {old}"
        if isinstance(e, Binary):
            left, right = self._said(e.left), self._said(e.right)
            if e.operator in "+-":
                sign = "-" if e.operator == "+" else "+"
                yield 1.2, replace(e, operator=sign), f"with {sign} in place of {e.operator} before {right}"
                yield 2.0, e.left, f"without {e.operator} {right}"
                yield 2.0, e.right, f"without {left}"
            if e.operator in "*/^":
                yield 1.8, e.left, f"without {e.operator} {right}"
            if e.operator == "*":
                yield 1.8, e.right, f"without the factor {left}"
            if e.operator in "@ *":
                yield 2.0, replace(e, left=e.right, right=e.left), f"with the factors of {old} exchanged"
        if isinstance(e, Reduce) and (e.lower is not None or e.upper is not None):
            yield 1.0, replace(e, lower=None, upper=None), "with the sum over all steps, without these bounds"
        if isinstance(e, Call) and e.function == "outer" and len(e.args) == 2:
            yield 1.0, replace(e, args=(e.args[1], e.args[0])), f"with the factors of {old} exchanged"

    def _added(self, e: Expr, equation: Equation) -> Iterator[tuple[float, Expr, str]]:
        """A part that is missing: a sign, a factor, a summand."""
        if isinstance(e, Reduce):
            return
        old, t = self._said(e), self._letter(e, equation)
        yield 2.0, Negate(e, e.span), f"with a minus sign before {old}"
        if t is None:
            return
        if isinstance(e, Name) and e.index is not None:
            for target in self.u.recurrence.targets:
                yield (
                    1.5,
                    Binary("-", e, parse_expression(f"{target}[{t}]"), e.span),
                    f"with {old} - {target}[{t}] in place of {old}",
                )
        for slope in self._slopes(t):
            yield 3.0, Binary("*", parse_expression(slope), e, e.span), f"with the factor {slope} before {old}"
        if e is equation.right or self._is_factor(e, equation):
            for term in self._terms(t):
                yield 3.5, Binary("+", e, parse_expression(term), e.span), f"with + {term} after {old}"

    def _said(self, e: Expr) -> str:
        """A part in the student's own words; a long one by its beginning and end."""
        text = _cut(self.formulas.text, e.span) or show(e)
        return text if len(text) <= 60 else f"{text[:28].rstrip()} … {text[-24:].lstrip()}"

    def _shape(self, e: Name) -> tuple[int, ...] | None:
        known = self.formulas.names.get(e.name)
        return self.u.shapes.get(known) if known is not None else None

    def _alike(self, e: Name, shape: tuple[int, ...] | None) -> Iterator[str]:
        """Names that could have been meant: of the same kind and shape."""
        if shape is not None:
            for name in (*self.u.parameters, *self.u.recurrence.every):
                if (
                    name != e.name
                    and self.u.shapes.get(name) == shape
                    and (name in self.u.parameters) == (e.index is None)
                ):
                    yield name
        elif e.index is not None:
            for equations in self.formulas.defined.values():
                other = equations[0].left[0]
                if other.index is not None and other.name != e.name:
                    yield other.name

    def _letter(self, e: Expr, equation: Equation) -> str | None:
        """The step that is counted at a part of a line: by the innermost sum around it, or by the left side."""
        index = equation.left[0].index
        letter = index.variable if index is not None else None
        stack: list[tuple[Expr, str | None]] = [(equation.right, letter)]
        while stack:
            x, here = stack.pop()
            if x is e:
                return here
            for child in children(x):
                stack.append((child, x.variable if isinstance(x, Reduce) else here))
        return letter

    def _slopes(self, t: str) -> list[str]:
        """φ′ of every nonlinear variable, written with its value."""
        forms = {"tanh": "(1 - {0}^2)", "sigmoid": "({0} * (1 - {0}))"}
        found: dict[str, None] = {}
        for node in self.u.nodes.values():
            if node.op is not None and node.step is not None:
                if node.op.name in forms:
                    found[forms[node.op.name].format(f"{node.base}[{t}]")] = None
                for a in node.args:
                    if a.name is None and a.op is not None and a.op.name == "tanh" and a.args[0].name is not None:
                        found[f"(1 - tanh({a.args[0].base}[{t}])^2)"] = None
                        found[f"tanh({a.args[0].base}[{t}])"] = None
        for name in self.u.recurrence.every:
            if self.u.shapes.get(name):
                found[f"{name}[{t}]"] = None
        return list(found)

    def _terms(self, t: str) -> list[str]:
        """What could come back to an adjoint: Wᵀ δ, a gate times an adjoint, an adjoint itself; of this step or the
        next."""
        own = [e[0].left[0].name for e in self.formulas.defined.values() if e[0].left[0].index is not None]
        matrices = [n for n, node in self.u.parameters.items() if len(node.shape) == 2]
        gates = [n for n in self.u.recurrence.every if len(self.u.shapes.get(n, ())) == 1]
        found = []
        for step in (f"{t}+1", t):
            found += [f"{m}.T @ {d}[{step}]" for d in own for m in matrices]
            found += [f"{g}[{step}] * {d}[{step}]" for d in own for g in gates]
            found += [f"{d}[{step}]" for d in own]
        return found

    @staticmethod
    def _is_factor(e: Expr, equation: Equation) -> bool:
        return any(
            isinstance(x, Binary) and x.operator in "*@ " and (x.left is e or x.right is e)
            for x, _ in walk(equation.right)
        )


def _put(tree: Expr, old: Expr, new: Expr) -> Expr:
    """The tree with one part replaced; recursion is over one line, whose depth the parser bounds."""
    if tree is old:
        return new
    changes: dict[str, Any] = {}
    for f in fields(tree):
        value = getattr(tree, f.name)
        if isinstance(value, tuple):
            made = tuple(_put(v, old, new) if isinstance(v, Expr) else v for v in value)
            if any(a is not b for a, b in zip(made, value)):
                changes[f.name] = made
        elif isinstance(value, Expr):
            part = _put(value, old, new)
            if part is not value:
                changes[f.name] = part
    return replace(tree, **changes) if changes else tree


def _cut(text: str, span: Span) -> str:
    lines = text.splitlines()
    return lines[span.line - 1][span.column : span.end] if 0 < span.line <= len(lines) else ""
