"""Mistakes in the derivative of a function: left out, of something else, at the wrong place or step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...core.primitives import TABLE
from .base import Mutant, Site, entry, factor, rewrite
from .places import Edge
from .reverse import Change, Pull

Rule = Callable[[Pull], None]

_SAME = {"tanh": "sigmoid", "sigmoid": "tanh"}


def _partial(make: Callable[[Any, Any], Any]) -> Rule:
    """A rewrite that puts `make(y, x)` in the place of the derivative."""

    def change(p: Pull) -> None:
        p.partial = lambda y, x, **_: make(y, x)

    return change


def _everywhere(
    s: Site, rule: Rule, tag: str, clause: str, fits: Callable[[Edge], bool] = lambda e: True
) -> Iterator[Mutant]:
    """The mistake at every function: one place at a time, all places of one function, all functions."""
    groups: dict[str, dict[int, Change]] = {}
    single: dict[str, int] = {}
    for place, edges in s.places.functions.items():
        edges = [e for e in edges if fits(e)]
        if not edges:
            continue
        e = edges[len(edges) // 2]
        changes = rewrite((tag,), edges, rule)
        shown = s.say(e.node, e.step)
        where = (
            f"the derivative of {e.op} in {shown}"
            if not e.node.name
            else f"the derivative of {e.op} in the equation of {shown}"
        )
        yield Mutant(
            f"{e.op}:{place[0]}" + ("" if not place[1] else f".{'.'.join(map(str, place[1]))}"),
            "",
            clause.format(where),
            changes,
            line=("variable", place[0]),
        )
        for group in (e.op, "every function"):
            groups.setdefault(group, {}).update(changes)
            single[group] = single.get(group, 0) + 1
    for group, changes in groups.items():
        if single[group] > 1:
            what = "every derivative" if group == "every function" else f"every derivative of {group}"
            yield Mutant(
                f"all:{group.split()[-1]}" if group != "every function" else "all",
                "",
                clause.format(what),
                changes,
                rank=0.5,
            )


def _omit(p: Pull) -> None:
    p.partial = lambda y, x, **_: 1.0


@entry(
    "derivative-omitted", "φ′ is left out",
    "A gradient that goes back through φ is multiplied by φ′, entry by entry: once for each φ on its way.",
    "nowhere; at weights of size 0.01 the effect is only 10⁻⁵", rank=1.5,
)  # fmt: skip
def omitted(s: Site) -> Iterator[Mutant]:
    yield from _everywhere(s, _omit, "omitted", "{} is left out")


def _of_input(p: Pull) -> None:
    p.y = p.args[0]


@entry(
    "derivative-of-preactivation",
    "φ′ is written with the output but evaluated at the pre-activation",
    "1 − y² is the derivative of tanh in terms of its output y = tanh(a); with a itself in the place of y it is"
    " something else.",
    "nowhere; at weights of size 0.01 the effect is only 10⁻⁷",
    rank=2.0,
)
def preactivation(s: Site) -> Iterator[Mutant]:
    yield from _everywhere(
        s,
        _of_input,
        "preactivation",
        "{} is evaluated at the argument of the function, not at its value (1 − a² for 1 − tanh(a)²)",
        lambda e: e.op in ("tanh", "sigmoid", "softplus", "elu", "exp", "silu"),
    )


def _twice(p: Pull) -> None:
    op = p.edge.node.op
    assert op is not None
    p.args = [p.y]
    p.y = op(p.edge.node, **p.edge.node.attrs)


@entry(
    "derivative-of-output",
    "φ′ is a function of the pre-activation but evaluated at the output",
    "A derivative written for the pre-activation, 1 − tanh(a)², must not be given the stored output h = tanh(a): that"
    " applies tanh twice.",
    "nowhere; at weights of size 0.01 the effect is only 10⁻⁷; relu",
    rank=2.0,
)
def twice(s: Site) -> Iterator[Mutant]:
    yield from _everywhere(s, _twice, "twice", "{} is evaluated at the stored output: the function is applied twice")


def _reciprocal(p: Pull) -> None:
    rule = p.edge.node.op.rule[0]  # type: ignore[union-attr]
    p.partial = lambda y, x, **attrs: 1.0 / rule(y, x, **attrs)


@entry(
    "derivative-reciprocal",
    "1/φ′ in place of φ′",
    "Going back multiplies by φ′; dividing by it is the derivative of the inverse function.",
    rank=2.5,
)
def reciprocal(s: Site) -> Iterator[Mutant]:
    clause = "{} is divided by instead of multiplied with"
    yield from _everywhere(s, _reciprocal, "reciprocal", clause, lambda e: e.op not in ("relu", "clip", "abs"))


def _squared(p: Pull) -> None:
    rule = p.edge.node.op.rule[0]  # type: ignore[union-attr]
    p.partial = lambda y, x, **attrs: rule(y, x, **attrs) * rule(y, x, **attrs)


@entry(
    "derivative-squared",
    "φ′ is multiplied in twice",
    "Each function on the way back contributes its derivative once.",
    rank=2.5,
)
def squared(s: Site) -> Iterator[Mutant]:
    yield from _everywhere(s, _squared, "squared", "{} is multiplied in twice", lambda e: e.op != "relu")


def _of_other(p: Pull) -> None:
    rule = TABLE[_SAME[p.edge.op]].rule[0]
    p.partial = lambda y, x, **_: rule(y, x)


@entry(
    "derivative-of-other",
    "the derivative of another function",
    "σ′ = σ(1 − σ), tanh′ = 1 − tanh²: each function brings its own derivative.",
    rank=2.0,
)
def other(s: Site) -> Iterator[Mutant]:
    clause = "{} is that of the other one of tanh and σ (y(1 − y) for 1 − y², or the reverse)"
    yield from _everywhere(s, _of_other, "other", clause, lambda e: e.op in _SAME)


@entry(
    "derivative-without-square",
    "1 − y in place of the derivative",
    "tanh′ is 1 − y² and σ′ is y(1 − y); 1 − y alone is neither.",
    rank=2.5,
)
def unsquared(s: Site) -> Iterator[Mutant]:
    rule = _partial(lambda y, x: 1.0 - y)
    clause = "{} is taken to be 1 − y"
    yield from _everywhere(s, rule, "unsquared", clause, lambda e: e.op in _SAME)


@entry(
    "function-for-derivative",
    "φ in place of φ′",
    "The local derivative is φ′, not φ: for a gate σ(1 − σ), not σ.",
    rank=2.5,
)
def function_itself(s: Site) -> Iterator[Mutant]:
    clause = "{} is replaced by the value of the function itself"
    yield from _everywhere(s, _partial(lambda y, x: y), "itself", clause, lambda e: e.op != "exp")


@entry(
    "derivative-plus",
    "1 + y² in place of 1 − y²",
    "tanh′ = 1 − tanh²: it is at most 1, and 0 where the unit is saturated.",
    rank=3.0,
)
def plus(s: Site) -> Iterator[Mutant]:
    rule = _partial(lambda y, x: 1.0 + y * y)
    yield from _everywhere(s, rule, "plus", "{} is taken to be 1 + y²", lambda e: e.op == "tanh")


def _shift(steps: int) -> Rule:
    def change(p: Pull) -> None:
        y, x = p.places.shifted(p.edge.node, steps), p.places.shifted(p.edge.arg, steps)
        if y is not None:
            p.y = y
            # at the border the value h[0] is known, but not what it was made of
            p.args = [x if x is not None else y]

    return change


@entry(
    "derivative-shifted", "φ′ of another step",
    "φ′ belongs to the step in which φ was applied: h[t] = tanh(a[t]) brings 1 − h[t]².", rank=2.0,
)  # fmt: skip
def shifted(s: Site) -> Iterator[Mutant]:
    for steps, word in ((-1, "before"), (1, "after")):

        def fits(e: Edge, steps: int = steps) -> bool:
            return s.places.shifted(e.node, steps) is not None and e.op in ("tanh", "sigmoid")

        for m in _everywhere(s, _shift(steps), f"shifted{steps:+d}", f"{{}} is taken from the step {word}", fits):
            yield Mutant(f"{m.key}:{steps:+d}", "", m.clause, m.changes, line=m.line, rank=m.rank)


@entry(
    "softmax-elementwise",
    "softmax is differentiated entry by entry",
    "Every softmax output depends on all scores: the Jacobian is diag(p) − p pᵀ, not its diagonal.",
    "softmax of one number",
    rank=2.0,
)
def softmax(s: Site) -> Iterator[Mutant]:
    for place, edges in s.places.classes.items():
        if edges[0].op != "softmax":
            continue

        def diagonal(p: Pull) -> None:
            p.result = p.g * (p.y * (1.0 - p.y))

        def first(p: Pull) -> None:
            p.result = p.g * p.y

        def omit(p: Pull) -> None:
            p.result = p.g * 1.0

        name = s.name(place[0])
        yield Mutant(
            f"{place[0]}:diagonal",
            "",
            f"only the diagonal p(1 − p) of the Jacobian of softmax is used in {name}",
            rewrite(("diagonal",), edges, diagonal),
            line=("variable", place[0]),
        )
        yield Mutant(f"{place[0]}:product", "", f"of the Jacobian of softmax in {name} only diag(p) is used",
                     rewrite(("product",), edges, first), line=("variable", place[0]))  # fmt: skip
        yield Mutant(
            f"{place[0]}:omitted",
            "",
            f"the Jacobian of softmax in {name} is left out",
            rewrite(("omitted",), edges, omit),
            line=("variable", place[0]),
        )


@entry(
    "target-not-subtracted",
    "the target is not subtracted",
    "Softmax with cross entropy gives p − target, squared error y − target: else a right prediction would be punished"
    " too.",
    rank=1.5,
)
def target(s: Site) -> Iterator[Mutant]:
    for place, edges in s.places.classes.items():
        e = edges[0]
        if e.op == "squared_error" and e.slot == 0:

            def without(p: Pull) -> None:
                p.result = p.g * p.args[0] if not p.args[0].shape else _column(p.g) * p.args[0]

            yield Mutant(f"{e.source}", "", "the target is not subtracted: the output itself is sent back",
                         rewrite(("target",), edges, without), line=("variable", e.source))  # fmt: skip
        if e.op == "softmax":
            found: list[Edge] = []
            for x in edges:
                loss = [r for r in s.places.edges if r.arg is x.node and r.op == "cross_entropy" and r.slot == 0]
                if len(loss) == 1 and x.node.name:
                    found.append(x)
            if not found:
                continue
            losses = {
                x.node.serial: next(r for r in s.places.edges if r.arg is x.node and r.op == "cross_entropy")
                for x in found
            }

            def bare(p: Pull, losses: dict[int, Edge] = losses) -> None:
                p.result = _column(p.bar(losses[p.edge.node.serial].node)) * p.y

            yield Mutant(
                f"{place[0]}",
                "",
                "the one-hot target is not subtracted from the softmax: p is sent back instead of p − target",
                rewrite(("target",), found, bare),
                line=("variable", place[0]),
            )


def _column(g: Any) -> Any:
    from ...core.primitives import last

    return last(g)


@entry(
    "loss-factor",
    "a factor of the loss",
    "½‖y − target‖² has the derivative y − target: the ½ and the 2 cancel.",
    rank=3.0,
)
def loss_factor(s: Site) -> Iterator[Mutant]:
    edges = [e for e in s.places.edges if e.op == "squared_error" and e.slot == 0]
    if edges:
        yield Mutant(
            "2", "", "the ½ of the squared error is forgotten: everything is doubled", factor(2.0, edges), every=True
        )
