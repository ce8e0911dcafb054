"""The worked derivation: not only the result but the way to it, one rule a step, each with its reason.

It reads like a lecturer's board: the gradient as a sum over the losses and over the uses; how each variable reaches the
loss; the local derivatives; the named adjoints; the result. How much of it is shown is a budget: "slide" (the idea and
the result), "lecture" (every kind of step once), "full" (every statement of every step).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BPTTError, nearest
from ..names import to_unicode
from .adjoints import Part
from .expr import Expr, Tagged, num, partial, product
from .factored import Statement

if TYPE_CHECKING:
    from .derivation import Derivation

__all__ = ["DETAILS", "WorkedStep", "worked"]

DETAILS = ("slide", "lecture", "full")


@dataclass(frozen=True, slots=True)
class WorkedStep:
    """One line of the board: a formula and why it holds. `rule` names the kind of step; `links` the edges it walks."""

    formula: Statement
    reason: str
    rule: str
    links: tuple[str, ...] = ()

    def latex(self) -> str:
        return self.formula.latex()

    def mathml(self) -> str:
        return self.formula.mathml()

    def typst(self) -> str:
        return self.formula.typst()

    def unicode(self) -> str:
        return f"{self.formula.unicode()}\n    ({self.reason})"

    def __str__(self) -> str:
        return self.unicode()

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.formula, self.reason))


def worked(d: Derivation, detail: str = "lecture") -> list[WorkedStep]:
    """The steps of a derivation; each unpacks as (formula, reason).

    >>> import bpttgraph as bg
    >>> for formula, reason in bg.cell("rnn").unroll(2).derive("W_hh").worked("slide")[:1]:
    ...     print(reason.partition(",")[0])
    W_hh is one parameter
    """
    if detail not in DETAILS:
        raise BPTTError(f'there is no detail "{detail}"', nearest(detail, list(DETAILS)))
    if d.count == 0:
        nothing = Statement(d.wrt, d.paths.total, d.left_side, (num(0),))
        return [WorkedStep(nothing, f"no path leads from {to_unicode(d.wrt)} to a loss that counts", "none")]
    steps: list[WorkedStep] = []
    if detail != "slide":
        steps += _over_losses(d)
    *chain, uses = d.factored_at("chain")
    steps.append(WorkedStep(uses, _uses_reason(d), "uses", _links(uses.terms)))
    if detail != "slide":
        steps += _chain(d, chain, detail)
        steps += _locals(d)
    steps += _adjoints(d, detail)
    return steps


def _over_losses(d: Derivation) -> list[WorkedStep]:
    heads, v = d.paths.heads, d.paths.variables
    if len(heads) < 2:
        return []
    weight = d._factors.weight
    terms = tuple(product(weight, partial(name, (), d.wrt, v[d.wrt].shape, total=True)) for _, name in heads)
    left = partial(d.paths.total, (), d.wrt, v[d.wrt].shape, total=True)
    mean = "the mean" if d.paths.unrolled.weight != 1 else "the sum"
    reason = f"{to_unicode(d.paths.total)} is {mean} of the losses at steps {_list(t for t, _ in heads)}, and so is its derivative"
    return [WorkedStep(Statement(d.wrt, d.paths.total, left, terms), reason, "losses")]


def _uses_reason(d: Derivation) -> str:
    name = to_unicode(d.wrt)
    steps = sorted({k for _, k in d.count_by_step})
    if d.paths.variables[d.wrt].role == "parameter":
        if len(steps) == 1:
            return f"{name} is read at step {steps[0]} only: the immediate derivative there times the total derivative by what reads it"
        return (
            f"{name} is one parameter, read at steps {_list(steps)}: one summand for each step, the immediate derivative "
            f"there times the total derivative by what reads {name}"
        )
    return f"{name} reaches the loss through every equation that reads it: one summand for each"


def _chain(d: Derivation, statements: list[Statement], detail: str) -> list[WorkedStep]:
    """How each variable reaches the loss; in a lecture each kind once."""
    made: list[WorkedStep] = []
    seen: set[object] = set()
    for s in statements:
        links = _links(s.terms)
        kind = (_base(s.variable), tuple(sorted((_base(x), _offset(s.variable, x)) for x in links)))
        if detail != "full" and kind in seen:
            continue
        seen.add(kind)
        made.append(WorkedStep(s, _chain_reason(s.variable, links), "chain", links))
    return made


def _chain_reason(name: str, links: tuple[str, ...]) -> str:
    shown = to_unicode(name)
    ways = [to_unicode(x.split("->")[1]) for x in links]
    if not ways:
        return f"{shown} is a loss itself"
    if len(ways) == 1:
        return f"{shown} is read by {ways[0]} only, so there is one way on"
    return f"{shown} reaches the loss through {_words(ways)}: one summand for each way"


def _locals(d: Derivation) -> list[WorkedStep]:
    """The local derivative of each kind of link, once."""
    made: list[WorkedStep] = []
    seen: set[object] = set()
    paths = d.paths
    on_path = {n for heads in paths.groups() for n in paths.on_paths(heads)}
    for link in paths.unrolled.vgraph.links:
        kind = (_base(link.source), _base(link.target), link.delay)
        if link.source not in on_path or link.target not in on_path or kind in seen or link.source == d.wrt:
            continue
        jacobian = d._factors.local(link).jacobian
        if jacobian is None:
            continue
        seen.add(kind)
        op = paths.unrolled.node(link.target).op
        why = _rule(op.name if op is not None else "")
        formula = Statement(link.source, link.target, d._factors.partial(link), (jacobian,))
        made.append(WorkedStep(formula, f"from the equation of {to_unicode(link.target)}, all else held fixed{why}", "local", (link.id,)))
    return made


def _rule(op: str) -> str:
    return {
        "tanh": "; tanh′ = 1 − tanh², written with the value itself",
        "sigmoid": "; σ′ = σ (1 − σ), written with the value itself",
        "relu": "; relu′ is 1 where the argument is positive, else 0",
        "softmax": "; every probability depends on every score",
        "cross_entropy": "; −log yᵢ has the derivative −1/yᵢ",
        "squared_error": "; the square's 2 cancels the ½",
        "mul": "; the other factor stays, as a diagonal matrix",
    }.get(op, "")


def _adjoints(d: Derivation, detail: str) -> list[WorkedStep]:
    made: list[WorkedStep] = []
    seen: set[object] = set()
    parts = list(d.adjoints.parts)
    if detail == "slide":  # of each adjoint the richest statement, which is the general one
        best: dict[str, Part] = {}
        for part in parts[:-1]:
            key = part.name.partition("[")[0]
            if key not in best or len(part.pieces) > len(best[key].pieces):
                best[key] = part
        parts = [*best.values(), parts[-1]]
    for part in parts:
        kind = (part.kind, _base(part.of), tuple((_base(p.target), _offset(part.of, f"{part.of}->{p.target}")) for p in part.pieces))
        if detail != "full" and kind in seen and part.kind != "gradient":
            continue
        seen.add(kind)
        made.append(WorkedStep(part.statement, _adjoint_reason(d, part), part.kind, _links(part.statement.terms)))
    return made


def _adjoint_reason(d: Derivation, part: Part) -> str:
    of, name = to_unicode(part.of), to_unicode(part.name)
    if part.kind == "gradient":
        if len(d.paths.variables[part.of].shape) == 2:
            return f"each use adds an outer product, the adjoint of what reads {of} times what {of} multiplies there"
        return f"each use adds its adjoint, and the result has the shape of {of}"
    if part.kind == "adjoint":
        ways = [to_unicode(p.target) for p in part.pieces if p.target]
        through = f", one summand for each of {_words(ways)}" if len(ways) > 1 else ""
        return f"{name} is dE/d{of} as a column: the Jacobians are turned{through}"
    op = d.paths.unrolled.node(part.of).op
    kind = op.name if op is not None else ""
    pieces = {d.paths.unrolled.node(p.target).op for p in part.pieces if p.target}
    if kind == "softmax" and any(o is not None and o.name == "cross_entropy" for o in pieces):
        return f"softmax and cross entropy together: the terms collapse to {of} minus the target, because the target sums to 1"
    return f"{name} goes back through {op.symbol or kind if op is not None else kind} to what it is applied to, entry by entry"


def _links(terms: Iterable[Expr]) -> tuple[str, ...]:
    """The ids of the links that terms stand for, the outer tags only."""
    found: list[str] = []
    for t in terms:
        inner = t if isinstance(t, Tagged) else getattr(t, "arg", None)
        if isinstance(inner, Tagged):
            found += inner.ids.split() if "->" in inner.ids else []
    return tuple(dict.fromkeys(found))


def _base(name: str) -> str:
    return name.rpartition("->")[2].partition("[")[0]


def _offset(name: str, link: str) -> int | None:
    """Steps from a variable to the target of a link."""
    here, there = (re.search(r"\[(-?\d+)\]", x) for x in (name, link.rpartition("->")[2]))
    return int(there[1]) - int(here[1]) if here and there else None


def _list(numbers: Iterable[int]) -> str:
    return _words([str(n) for n in numbers])


def _words(items: list[str]) -> str:
    if len(items) > 6:
        items = [*items[:3], "…", items[-1]]
    return ", ".join(items[:-1]) + " and " + items[-1] if len(items) > 1 else items[0] if items else "none"
