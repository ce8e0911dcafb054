"""The worked derivation: not only the result but the way to it, one rule a step, each with its reason.

It reads like a lecturer's board: the gradient as a sum over the losses and over the uses; how each variable reaches the
loss; the local derivatives; the named adjoints; the result. How much of it is shown is a budget: "slide" (the idea and
the result), "lecture" (every kind of step once), "full" (every statement of every step).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape

from ..core.names import to_mathml, to_unicode
from ..errors import BPTTError, expect, nearest
from ..formulas.expr import Expr, Tagged, num, partial, product
from .adjoints import Part
from .factored import Statement
from .gradient import Gradient
from .parts import Piece

__all__ = ["DETAILS", "Board", "Name", "WorkedStep", "worked"]

DETAILS = ("slide", "lecture", "full")


class Name(str):
    """The name of a variable within a reason, so that a document can set it as mathematics."""


@dataclass(frozen=True, slots=True)
class WorkedStep:
    """One line of the board: a formula and why it holds.

    Attributes:
        words: the reason, as text and names. rule: the kind of step: "uses", "losses", "chain", "local", "adjoint",
            "delta", "gradient" or "none". links: the edges that the formula walks.

    Example:
        >>> import bpttgraph as bg
        >>> step = bg.cell("rnn").unroll(2).derive("W_hh").worked()[2]
        >>> step.rule, step.formula.unicode(), step.reason
        ('chain', 'dE/dy₂ = ∂E₂/∂y₂', 'y₂ is read by E₂ only, so there is one way on')
    """

    formula: Statement
    words: tuple[str, ...]
    rule: str
    links: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The reason as plain text."""
        return "".join(to_unicode(w) if isinstance(w, Name) else w for w in self.words)

    def latex(self) -> str:
        """The formula as LaTeX."""
        return self.formula.latex()

    def mathml(self) -> str:
        """The formula as a `<math>` element."""
        return self.formula.mathml()

    def typst(self) -> str:
        """The formula as Typst mathematics."""
        return self.formula.typst()

    def unicode(self) -> str:
        """The formula as text, the reason below it."""
        return f"{self.formula.unicode()}\n    ({self.reason})"

    def __str__(self) -> str:
        return self.unicode()

    def __iter__(self) -> Iterator[Statement | str]:
        return iter((self.formula, self.reason))


class Board(list[WorkedStep]):
    """The steps in order; a list that prints line by line, and shows itself in a notebook.

    Example:
        >>> import bpttgraph as bg
        >>> board = bg.cell("rnn").unroll(2).derive("W_hh").worked("slide")
        >>> [step.rule for step in board][0]
        'uses'
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        items = (f"<li>{s.mathml()}<p>{''.join(map(_word, s.words))}.</p></li>" for s in self)
        return f"<ol>{''.join(items)}</ol>"

    def _repr_latex_(self) -> str:
        return "\n\n".join(f"$$\n{s.latex()}\n$$" for s in self)


def _word(word: str) -> str:
    return f"<math>{to_mathml(word)}</math>" if isinstance(word, Name) else escape(word)


def worked(d: Gradient, detail: str = "lecture") -> Board:
    """The steps of a derivation in its notation; each unpacks as (formula, reason).

    >>> import bpttgraph as bg
    >>> for formula, reason in bg.cell("rnn").unroll(2).derive("W_hh").worked("slide")[:1]:
    ...     print(reason.partition(",")[0])
    W_hh is one parameter
    """
    expect(detail, str, "how much is shown", f"write one of {', '.join(DETAILS)}")
    if detail not in DETAILS:
        raise BPTTError(f'there is no detail "{detail}"', nearest(detail, list(DETAILS)))
    wrt = Name(d.wrt)
    if d.count == 0:
        nothing = Statement(d.wrt, d.paths.total, d.left_side, (num(0),))
        return Board([WorkedStep(nothing, ("no path leads from ", wrt, " to a loss that counts"), "none")])
    *chain, uses = d.statements_at("chain")
    steps = [WorkedStep(uses, _uses_reason(d), "uses", _links(uses.terms))]
    if detail != "slide":
        steps += [_noted(s, d) for s in _over_losses(d)]
        steps += _chain(d, chain, detail)
        steps += [_noted(s, d) for s in _locals(d)]
    return Board([*steps, *(_noted(s, d) for s in _adjoints(d, detail))])


def _noted(step: WorkedStep, d: Gradient) -> WorkedStep:
    """In the notation of the derivation."""
    f, gradient = step.formula, step.rule in ("losses", "gradient")
    left, terms = d.shown(f.left, f.terms, gradient)
    return replace(step, formula=replace(f, left=left, terms=terms))


def _over_losses(d: Gradient) -> list[WorkedStep]:
    heads, v = d.paths.heads, d.paths.variables
    if len(heads) < 2:
        return []
    weight = d.local_factors.weight
    terms = tuple(product(weight, partial(name, (), d.wrt, v[d.wrt].shape, total=True)) for _, name in heads)
    left = partial(d.paths.total, (), d.wrt, v[d.wrt].shape, total=True)
    mean = "the mean" if d.paths.unrolled.weight != 1 else "the sum"
    steps = _list(t for t, _ in heads)
    reason = (Name(d.paths.total), f" is {mean} of the losses at steps {steps}, so its derivative is {mean} of theirs: "
              "the same terms, sorted by loss")  # fmt: skip
    return [WorkedStep(Statement(d.wrt, d.paths.total, left, terms), reason, "losses")]


def _uses_reason(d: Gradient) -> tuple[str, ...]:
    name = Name(d.wrt)
    steps = sorted({k for _, k in d.count_by_step})
    if d.paths.variables[d.wrt].role == "parameter":
        if len(steps) == 1:
            return (
                name,
                (
                    f" is read at step {steps[0]} only: the immediate derivative there times the total derivative by"
                    " what reads it"
                ),
            )
        readers = _words([Name(x.partition("->")[2]) for x in _links(d.statements_at("chain")[-1].terms)])
        return (
            name,
            f" is one parameter, but steps {_list(steps)} each read it: a change of ",
            name,
            " changes ",
            *readers,
            (
                " directly, and their effects on the loss add up. So there is one summand for each use: how the loss"
                " changes with what is computed there, times how that changes with "
            ),
            name,
            ", all else held fixed",
        )
    return (name, " reaches the loss through every equation that reads it: one summand for each")


def _chain(d: Gradient, statements: list[Statement], detail: str) -> list[WorkedStep]:
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


def _chain_reason(name: str, links: tuple[str, ...]) -> tuple[str, ...]:
    ways = [Name(x.split("->")[1]) for x in links]
    if not ways:
        return (Name(name), " is a loss itself")
    if len(ways) == 1:
        return (Name(name), " is read by ", ways[0], " only, so there is one way on")
    return (Name(name), " reaches the loss through ", *_words(ways), ": one summand for each way")


def _locals(d: Gradient) -> list[WorkedStep]:
    """The local derivative of each kind of link, once."""
    made: list[WorkedStep] = []
    seen: set[object] = set()
    paths = d.paths
    on_path = {n for heads in paths.groups() for n in paths.on_paths(heads)}
    for link in paths.unrolled.vgraph.links:
        kind = (_base(link.source), _base(link.target), link.delay)
        if link.source not in on_path or link.target not in on_path or kind in seen or link.source == d.wrt:
            continue
        jacobian = d.local_factors.local(link).jacobian
        if jacobian is None:
            continue
        seen.add(kind)
        op = paths.unrolled.node(link.target).op
        rule = op.readings.get("reason") if op is not None else None
        why = f"; {rule}" if rule else ""
        formula = Statement(link.source, link.target, d.local_factors.partial(link), (jacobian,))
        reason = ("from the equation of ", Name(link.target), f", all else held fixed{why}")
        made.append(WorkedStep(formula, reason, "local", (link.id,)))
    return made


def _adjoints(d: Gradient, detail: str) -> list[WorkedStep]:
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
        kind = (
            part.kind,
            _base(part.of),
            tuple((_base(p.target), _offset(part.of, f"{part.of}->{p.target}")) for p in part.pieces),
        )
        if detail != "full" and kind in seen and part.kind != "gradient":
            continue
        seen.add(kind)
        made.append(WorkedStep(part.statement, _adjoint_reason(d, part), part.kind, _links(part.statement.terms)))
    return made


def _adjoint_reason(d: Gradient, part: Part) -> tuple[str, ...]:
    of, name = Name(part.of), Name(part.name)
    if part.kind == "gradient":
        if len(d.paths.variables[part.of].shape) == 2:
            return (
                "each use adds an outer product: the adjoint of what reads ",
                of,
                ", times what ",
                of,
                " multiplies there",
            )
        return ("each use adds its adjoint, and the result has the shape of ", of)
    if part.kind == "adjoint":
        ways = [_way(d, p) for p in part.pieces if p.target]
        through: tuple[str, ...] = (", one summand for each of ", *_words(ways)) if len(ways) > 1 else ()
        turned = d.unrolled.recurrence.rows
        how = " as a row, so the Jacobians follow it" if turned else " as a column, so the Jacobians are transposed"
        return (name, " is the total derivative by ", of, how, *through)
    if part.members:
        rows = _words([Name(m) for m in part.members])
        return (name, " stacks the adjoints of ", *rows, ": they are the rows of one equation")
    op = d.paths.unrolled.node(part.of).op
    kind = op.name if op is not None else ""
    pieces = {d.paths.unrolled.node(p.target).op for p in part.pieces if p.target}
    if kind == "softmax" and any(o is not None and o.name == "cross_entropy" for o in pieces):
        return (
            "softmax and cross entropy together: the terms collapse to ",
            of,
            " minus the target, because the target sums to 1",
        )
    function = op.symbol or kind if op is not None else kind
    return (name, f" goes back through {function} to what it is applied to, entry by entry")


def _way(d: Gradient, piece: Piece) -> Name:
    """What reads the variable: the whole of a stack if all its rows do so together."""
    whole = len(piece.ids.split()) > 1 and d.adjoints.stack_of(piece.target)
    return Name(whole or piece.target)


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
    return "".join(_words([str(n) for n in numbers]))


def _words(items: Sequence[str]) -> tuple[str, ...]:
    """
    >>> "".join(_words(["a", "b", "c"]))
    'a, b and c'
    """
    shown = [*items[:3], "…", items[-1]] if len(items) > 6 else list(items)
    out: list[str] = []
    for i, item in enumerate(shown):
        out += [" and " if i == len(shown) - 1 else ", "] if i else []
        out.append(item)
    return tuple(out) or ("none",)
