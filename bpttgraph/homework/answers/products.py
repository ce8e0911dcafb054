"""Sums and products over steps, and powers, as people write them: which way they run, how far they reach, what an
exponent is.

Only the syntax tree is looked at; `Formulas` evaluates.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...equations.syntax import Binary, Expr, Index, Name, Negate, Number, Reduce
from ...equations.trees import children, walk
from ...errors import Span

__all__ = ["overreached", "running_down", "whole_number"]

Pair = tuple[str | None, str | None]


def running_down(e: Expr) -> set[int]:
    """The sums and products in `e`, by `id`, whose bounds run down: `prod_{j=t}^{k+1}` where k goes up to t,
    `sum_{t=T}^{1}`.

    >>> from bpttgraph.equations.language import parse_expression
    >>> len(running_down(parse_expression("sum_{t=1}^{T} sum_{k=1}^{t} prod_{j=t}^{k+1} W")))
    1
    >>> len(running_down(parse_expression("sum_{t=1}^{T} sum_{k=1}^{t} prod_{j=k+1}^{t} W")))
    0
    """
    found = set[int]()
    stack: list[tuple[Expr, frozenset[Pair]]] = [
        (e, frozenset())
    ]  # with pairs of step variables, the smaller one first
    while stack:
        part, known = stack.pop()
        if isinstance(part, Reduce):
            low, high = part.lower, part.upper
            if low is not None and high is not None and _below(high, low, known):
                found.add(id(part))
                low, high = high, low
            variables = (low.variable if low else None, part.variable, high.variable if high else "T")
            known |= {(variables[0], variables[1]), (variables[1], variables[2])}
        stack += [(child, known) for child in children(part)]
    return found


def _below(a: Index, b: Index, known: frozenset[Pair]) -> bool:
    """Whether step `a` comes before `b`, whatever the values of the variables; an empty range such as t+1 … t does not
    count."""
    if a.variable == b.variable:
        return a.offset < b.offset - 1
    if a.variable is None or b.variable == "T":
        return True
    reached: set[str | None] = {a.variable}
    while more := {y for x, y in known if x in reached} - reached:
        reached |= more
    return b.variable in reached


def overreached(e: Reduce, text: str) -> Expr | None:
    """The factor that a product without brackets takes in though it has nothing to do with its steps; None if there is
    none.

    `prod_{j=k+1}^{t} W.T @ d[t]` would take d[t] in at every j.

    >>> from bpttgraph.equations.language import parse_expression
    >>> text = "prod_{j=k+1}^{t} W.T @ d[t]"
    >>> overreached(parse_expression(text), text).name
    'd'
    >>> overreached(parse_expression("prod_{j=k+1}^{t} (W.T @ d[t])"), "prod_{j=k+1}^{t} (W.T @ d[t])")
    """
    if e.kind != "prod" or _bracketed(e.span, e.body.span, text):
        return None
    factors, stack = list[Expr](), [e.body]
    while stack:
        part = stack.pop()
        if isinstance(part, Binary) and part.operator in "*@ /":
            stack += [part.right, part.left]
        else:
            factors.append(part)
    for factor in factors[1:]:
        steps = {n.index.variable for n, _ in walk(factor) if isinstance(n, Name) and n.index}
        if steps and e.variable not in steps:
            return factor
    return None


def _bracketed(whole: Span, body: Span, text: str) -> bool:
    """Whether one pair of brackets holds all of the body."""
    lines = text.splitlines()
    line = lines[whole.line - 1] if whole.line <= len(lines) else ""
    start = len(line[: body.column].rstrip())
    if body.line != whole.line or not line[:start].endswith("("):
        return False
    depth = 0
    for i in range(start - 1, len(line)):
        depth += (line[i] == "(") - (line[i] == ")")
        if depth == 0:
            return i >= body.end
    return True


def whole_number(e: Expr, steps: Mapping[str, int]) -> int | None:
    """The value of an exponent such as 2, T-k or k+1; None if it is no whole number that is known from the steps.

    >>> from bpttgraph.equations.language import parse_expression
    >>> whole_number(parse_expression("T-k+1"), {"T": 5, "k": 2})
    4
    """
    if isinstance(e, Number):
        return int(e.value) if e.value == int(e.value) and abs(e.value) < 1e6 else None
    if isinstance(e, Name):
        return steps.get(e.name) if e.index is None else None
    if isinstance(e, Negate):
        inner = whole_number(e.operand, steps)
        return None if inner is None else -inner
    if isinstance(e, Binary) and e.operator in "+-*":
        a, b = whole_number(e.left, steps), whole_number(e.right, steps)
        if a is None or b is None:
            return None
        return a + b if e.operator == "+" else a - b if e.operator == "-" else a * b
    return None
