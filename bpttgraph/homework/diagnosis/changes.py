"""The ways in which one line of an answer goes wrong, undone: every small change of a line, the likeliest first.

Another step, a transpose, a sign, a bracket, a bound, a name for another, a factor φ′ or a summand that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...equations.functions import canonical
from ...equations.language import parse_expression
from ...equations.syntax import Binary, Call, Equation, Expr, Index, Name, Negate, Partial, Reduce, Transposed
from ...equations.text import brief, show
from ...equations.trees import children, walk
from .slopes import Slopes, elementwise

if TYPE_CHECKING:
    from ...errors import Span
    from ...unrolled import Unrolled
    from ..answers.formulas import Formulas

__all__ = ["Change", "changes", "put"]

SUMS, PRODUCTS = "+-", "*@ "


@dataclass(frozen=True)
class Change:
    """`new` in place of `old`, as `words` tell; the cost says how unlikely a slip it undoes."""

    cost: float
    old: Expr
    new: Expr
    words: str


def changes(u: Unrolled, formulas: Formulas, equation: Equation) -> list[Change]:
    """The changes of a line, the likeliest first.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.answers.formulas import Formulas
        >>> u = bg.cell("rnn").unroll(3)
        >>> formulas = Formulas(u, "dW_hy = sum_t outer(y[t] + target[t], h[t])")
        >>> found = changes(u, formulas, formulas.defined["dW_hy"][0])
        >>> [c.words for c in found if c.cost == 1.2]
        ['with - in place of + before target[t]']
    """
    return sorted(_Changes(u, formulas, equation).found(), key=lambda c: c.cost)


class _Changes:
    def __init__(self, u: Unrolled, formulas: Formulas, equation: Equation):
        self.u, self.formulas, self.equation = u, formulas, equation
        self.slopes = Slopes(u)

    def found(self) -> Iterator[Change]:
        right = self.equation.right
        powers = [e.right for e, _ in walk(right) if isinstance(e, Binary) and e.operator == "^"]
        exponents = {id(part) for power in powers for part, _ in walk(power)}
        inside = {id(part) for e, _ in walk(right) if isinstance(e, Partial) for part in (e.top, e.bottom)}
        for e, _ in walk(right):
            where = " in the exponent" if id(e) in exponents else ""
            more = () if id(e) in inside else (*self._grouped(e), *self._derived(e), *self._added(e))
            for cost, new, words in (*self._replaced(e), *more):
                yield Change(cost, e, new, words + where)
        yield from self._running(right)

    # -- something else in place of a part, or less of it --------------------------------------------------------------

    def _replaced(self, e: Expr) -> Iterator[tuple[float, Expr, str]]:
        old = self._said(e)

        def instead(cost: float, new: Expr, text: str) -> tuple[float, Expr, str]:
            return cost, new, f"with {text} in place of {old}"

        if isinstance(e, Name):
            if e.index is not None:
                for index in self._steps(e):
                    moved = replace(e, index=index)
                    yield instead(1.0, moved, show(moved))
            shape = self._shape(e)
            if shape is not None and len(shape) == 2:
                yield instead(1.0, Transposed(e, e.span), f"{old}.T")
            for other in self._alike(e, shape):
                renamed = replace(e, name=other)
                yield instead(2.5, renamed, show(renamed))
            yield instead(2.2, Binary("^", e, _parsed("2"), e.span), f"{old}^2")
        if isinstance(e, Transposed):
            yield instead(1.0, e.operand, self._said(e.operand))
        if isinstance(e, Negate):
            yield 1.2, e.operand, f"without the minus sign of {old}"
        if isinstance(e, Binary):
            yield from self._without(e)
        if isinstance(e, Reduce):
            for bounds in self._bounds(e):
                yield instead(1.4, bounds, _head(show(bounds)))
            if e.lower is not None or e.upper is not None:
                yield 1.0, replace(e, lower=None, upper=None), "with the sum over all steps, without these bounds"
        if isinstance(e, Call) and e.function == "outer" and len(e.args) == 2:
            yield 1.0, replace(e, args=(e.args[1], e.args[0])), f"with the factors of {old} exchanged"

    def _without(self, e: Binary) -> Iterator[tuple[float, Expr, str]]:
        """Of two operands one, or another sign between them."""
        left, right = self._said(e.left), self._said(e.right)
        if e.operator in SUMS:
            sign = "-" if e.operator == "+" else "+"
            yield 1.2, replace(e, operator=sign), f"with {sign} in place of {e.operator} before {right}"
            yield 2.0, e.left, f"without {e.operator} {right}"
            yield 2.0, e.right, f"without {left}"
            yield 2.4, replace(e, operator="*"), f"with * in place of {e.operator} before {right}"
        if e.operator in "*/^":
            yield 1.8, e.left, f"without {e.operator} {right}"
        if e.operator == "*":
            yield 1.8, e.right, f"without the factor {left}"
            yield 2.4, replace(e, operator="+"), f"with + in place of * before {right}"
        if e.operator in "@ ":
            yield 1.7, Transposed(e, e.span), f"with {self._said(e)} transposed as a whole"
        if e.operator in PRODUCTS:
            yield 2.0, replace(e, left=e.right, right=e.left), f"with the factors of {self._said(e)} exchanged"

    def _steps(self, e: Name) -> Iterator[Index]:
        """Other steps: one earlier or later; a running one for a fixed one."""
        assert e.index is not None
        if e.index.variable not in (None, "T"):
            for shift in (-1, 1):
                yield Index(e.index.variable, e.index.offset + shift)
            return
        letter = self._letter(e)
        for shift in (0, -1, 1) if letter is not None and letter != "T" else ():
            yield Index(letter, shift)

    def _running(self, right: Expr) -> Iterator[Change]:
        """All fixed steps of a line as the step of its left side: z[T] − q[T] for z[t] − q[t]."""
        mine = self.equation.left[0].index
        fixed = [e for e, _ in walk(right) if isinstance(e, Name) and e.index and e.index.variable in (None, "T")]
        places = {(e.index.variable, e.index.offset) for e in fixed if e.index}
        if mine is None or mine.variable in (None, "T") or len(fixed) < 2 or len(places) != 1:
            return
        new = right
        for e in fixed:
            new = put(new, e, replace(e, index=Index(mine.variable, 0)))
        step = show(fixed[0]).rpartition("[")[2][:-1]
        yield Change(1.5, right, new, f"with step {mine.variable} in place of step {step} everywhere")

    def _bounds(self, e: Reduce) -> Iterator[Reduce]:
        for shift in (-1, 1):
            if e.upper is not None:
                yield replace(e, upper=replace(e.upper, offset=e.upper.offset + shift))
            if e.lower is not None:
                yield replace(e, lower=replace(e.lower, offset=e.lower.offset + shift))
        if e.upper is not None and e.lower is not None:
            lower, upper = replace(e.lower, offset=e.lower.offset - 1), replace(e.upper, offset=e.upper.offset + 1)
            yield replace(e, lower=lower, upper=upper)

    # -- brackets ------------------------------------------------------------------------------------------------------

    def _grouped(self, e: Expr) -> Iterator[tuple[float, Expr, str]]:
        """Brackets that are missing, or too many: (a − b) c for a − b c."""
        if not isinstance(e, Binary):
            return
        found: list[Expr] = []
        if e.operator in SUMS:
            if isinstance(e.right, Binary) and e.right.operator in PRODUCTS:
                found.append(replace(e.right, left=replace(e, right=e.right.left)))
            if isinstance(e.left, Binary) and e.left.operator in PRODUCTS:
                found.append(replace(e.left, right=replace(e, left=e.left.right)))
        if e.operator in PRODUCTS:
            if isinstance(e.left, Binary) and e.left.operator in SUMS:
                found.append(replace(e.left, right=replace(e, left=e.left.right)))
            if isinstance(e.right, Binary) and e.right.operator in SUMS:
                found.append(replace(e.right, left=replace(e, right=e.right.left)))
        for new in found:
            yield 1.6, new, f"with the brackets of {_plain(show(new))} in place of {self._said(e)}"

    # -- derivatives of functions --------------------------------------------------------------------------------------

    def _derived(self, e: Expr) -> Iterator[tuple[float, Expr, str]]:
        """φ′ for φ, φ for φ′, φ′ of another argument, and φ′ of a variable for the variable."""
        old, t = self._said(e), self._letter(e)

        def instead(cost: float, new: Expr) -> tuple[float, Expr, str]:
            return cost, new, f"with {_plain(brief(new))} in place of {old}"

        if isinstance(e, Name) and e.index is not None:
            for text in self.slopes.of(self.formulas.names.get(e.name, e.name), self._step(e)):
                yield instead(1.9, _parsed(text))
        if not isinstance(e, Call) or len(e.args) != 1 or not elementwise(e):
            return
        name = e.function.rstrip("'")
        if name == e.function:
            yield instead(1.5, replace(e, function=f"{name}'"))
        else:
            yield instead(2.2, replace(e, function=name))
            for other in self.slopes.functions:
                if other != name:
                    yield instead(2.3, replace(e, function=f"{other}'"))
        steps = dict.fromkeys(filter(None, (t, *(self._step(x) for x, _ in walk(e)))))
        for step in (s for s in steps if re.fullmatch(r"\w+([+-]\d+)?", s)):
            for new in self.slopes.primed(step, canonical(name)):
                yield instead(1.4 if name != e.function else 1.6, replace(new, function=f"{name}'", span=e.span))
            for text in self.slopes.written(step):
                yield instead(2.4, _parsed(text))

    # -- a part that is missing ----------------------------------------------------------------------------------------

    def _added(self, e: Expr) -> Iterator[tuple[float, Expr, str]]:
        """A sign, a factor, a summand."""
        if isinstance(e, Reduce):
            return
        old, t = self._said(e), self._letter(e)
        yield 2.0, Negate(e, e.span), f"with a minus sign before {old}"
        for weight in self._weights(e):
            yield 3.2, Binary("@" if "." in weight or self._matrix(weight) else "*", _parsed(weight), e,
                              e.span), f"with the factor {weight} before {old}"  # fmt: skip
        if t is None:
            return
        if isinstance(e, Name) and e.index is not None:
            for target in self.u.recurrence.targets:
                new = Binary("-", e, _parsed(f"{target}[{t}]"), e.span)
                yield 1.5, new, f"with {old} - {target}[{t}] in place of {old}"
        steps = [t]
        own = self._step(e)
        if own:
            steps = [own, t] if own != t and re.fullmatch(r"\w+([+-]\d+)?", own) else [t]  # and not T+t-i
        for step in steps:
            for text in self._factors(step):
                factor = Binary("*", _parsed(text), e, e.span)
                yield 3.0, factor, f"with the factor {text} before {old}"
            for name in self._own_names():
                factor = Binary("*", _parsed(f"{name}[{step}]"), e, e.span)
                yield 3.3, factor, f"with the factor {name}[{step}] before {old}"
        if e is self.equation.right or self._is_factor(e):
            for term in self._terms(t):
                yield 3.5, Binary("+", e, _parsed(term), e.span), f"with + {term} after {old}"

    def _weights(self, e: Expr) -> Iterator[str]:
        """Parameters that may be missing before a value of a step: numbers, and matrices, turned or not."""
        if not self._step(e):
            return
        for name, node in self.u.parameters.items():
            if not node.shape:
                yield name
            elif len(node.shape) == 2:
                yield from (f"{name}.T", name)

    def _matrix(self, name: str) -> bool:
        return name in self.u.parameters and len(self.u.parameters[name].shape) == 2

    def _factors(self, t: str) -> Iterator[str]:
        """What may be missing before a value: φ′ of a function, or a variable."""
        yield from self.slopes.written(t)
        yield from (f"{name}[{t}]" for name in self.u.recurrence.every if self.u.shapes.get(name))

    def _terms(self, t: str) -> list[str]:
        """What could come back to an adjoint: Wᵀ δ, a gate times an adjoint, an adjoint itself; of this step or the
        next."""
        own = self._own_names()
        matrices = [n for n, node in self.u.parameters.items() if len(node.shape) == 2]
        gates = [n for n in self.u.recurrence.every if len(self.u.shapes.get(n, ())) == 1]
        found = []
        for step in (f"{t}+1", t):
            found += [f"{m}.T @ {d}[{step}]" for d in own for m in matrices]
            found += [f"{g}[{step}] * {d}[{step}]" for d in own for g in gates]
            found += [f"{d}[{step}]" for d in own]
        return found

    @staticmethod
    def _step(e: Expr) -> str:
        """The step of a name, or of what a derivative is by; "" if it has none."""
        name = e.bottom if isinstance(e, Partial) else e
        return show(name).rpartition("[")[2][:-1] if isinstance(name, Name) and name.index is not None else ""

    def _own_names(self) -> list[str]:
        """The names of each step that lines define."""
        return [e[0].left[0].name for e in self.formulas.defined.values() if e[0].left[0].index is not None]

    def _is_factor(self, e: Expr) -> bool:
        return any(
            isinstance(x, Binary) and x.operator in "*@ " and (x.left is e or x.right is e)
            for x, _ in walk(self.equation.right)
        )

    # -- names and words -----------------------------------------------------------------------------------------------

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

    def _letter(self, e: Expr) -> str | None:
        """The step that is counted at a part of a line: by the innermost sum around it, or by the left side."""
        index = self.equation.left[0].index
        letter = index.variable if index is not None else None
        stack: list[tuple[Expr, str | None]] = [(self.equation.right, letter)]
        while stack:
            x, here = stack.pop()
            if x is e:
                return here
            for child in children(x):
                stack.append((child, x.variable if isinstance(x, Reduce) else here))
        return letter


def put(tree: Expr, old: Expr, new: Expr) -> Expr:
    """The tree with one part replaced; recursion is over one line, whose depth the parser bounds.

    Example:
        >>> e = parse_expression("a + b")
        >>> show(put(e, e.right, parse_expression("c")))
        '(a + c)'
    """
    if tree is old:
        return new
    made: dict[str, Any] = {}
    for f in fields(tree):
        value = getattr(tree, f.name)
        if isinstance(value, tuple):
            parts = tuple(put(v, old, new) if isinstance(v, Expr) else v for v in value)
            if any(a is not b for a, b in zip(parts, value)):
                made[f.name] = parts
        elif isinstance(value, Expr):
            part = put(value, old, new)
            if part is not value:
                made[f.name] = part
    return replace(tree, **made) if made else tree


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Expr:
    """An expression that is tried at many places."""
    return parse_expression(text)


def _plain(text: str) -> str:
    """Without the brackets around it all; a long text by its beginning and end."""
    text = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    return text if len(text) <= 60 else f"{text[:28].rstrip()} … {text[-24:].lstrip()}"


def _head(text: str) -> str:
    """The sign of a sum with its bounds, without what is added."""
    return text.partition(" ")[0].strip("(")


def _cut(text: str, span: Span) -> str:
    lines = text.splitlines()
    return lines[span.line - 1][span.column : span.end] if 0 < span.line <= len(lines) else ""
