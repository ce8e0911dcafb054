"""Mistakes on the ways that a gradient takes: a link dropped, counted twice, with the wrong sign, past a derivative."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from ...core.graph import Node
from .base import Mutant, Site, entry, factor, listed, rewrite
from .places import Edge
from .reverse import Change, Pull

Key = tuple[str, str, int]


@entry(
    "no-carry", "nothing is carried from step to step",
    "A state acts on its own loss and, through the next step, on all later ones: its adjoint is a sum of both.",
    "one step", rank=0.0,
)  # fmt: skip
def no_carry(s: Site) -> Iterator[Mutant]:
    edges = [e for found in s.places.carried.values() for e in found]
    if edges:
        keys = list(s.places.carried)
        clause = "the gradient is never carried to the step before (dh_next is never added)"
        yield Mutant("", "", clause, factor(0.0, edges), line=("link", *keys[0][:2]))
        inner = [e for e in edges if e.arg.role != "initial"]
        if 0 < len(inner) < len(edges):
            through = " nor ".join(dict.fromkeys(e.source for e in inner))
            through = f", through neither {through}" if " nor " in through else ""
            clause = (
                f"the gradient is never carried to the step before{through} (what arrives from the next step stays "
                "at zero); only the initial state still gets its own from the first step"
            )
            yield Mutant("between", "", clause, factor(0.0, inner), line=("link", *keys[0][:2]))


@entry(
    "link-dropped", "one way back is forgotten",
    "Every equation that reads a variable sends a gradient back to it; the adjoint is the sum over all of its readers.",
    "one step, if the link comes from the step before", rank=1.0,
)  # fmt: skip
def link_dropped(s: Site) -> Iterator[Mutant]:
    for key, edges in s.places.links.items():
        if s.u.node(edges[0].owner).role in ("loss", "total"):
            continue
        where = "carried" if key[2] else "sent"
        clause = f"nothing is {where} {s.link(key)}"
        yield Mutant(f"{key[0]}<-{key[1]}", "", clause, factor(0.0, edges), line=("link", *key[:2]))


@entry(
    "links-dropped", "several ways back are forgotten",
    "Count the equations that read the state: so many summands has its adjoint.", "one step", rank=2.0,
)  # fmt: skip
def links_dropped(s: Site) -> Iterator[Mutant]:
    by_source: dict[str, list[Key]] = {}
    for key in s.places.carried:
        by_source.setdefault(key[0], []).append(key)
    for source, keys in by_source.items():
        name = s.name(source)
        if len(by_source) > 1 or len(keys) > 1:
            edges = [e for k in keys for e in s.places.carried[k]]
            clause = f"nothing at all is carried back to {name} from the step after it"
            yield Mutant(f"{source}:all", "", clause, factor(0.0, edges), line=("link", *keys[0][:2]))
        for size in range(2, len(keys)):  # of three ways back, two; of four, two or three
            for chosen in combinations(keys, size):
                edges = [e for k in chosen for e in s.places.carried[k]]
                others = [s.name(k[1], k[2]) for k in keys if k not in chosen]
                clause = f"of all that is carried back to {name}, only what comes from {listed(others)} is counted"
                made = Mutant(
                    f"{source}<-{'+'.join(k[1] for k in chosen)}", "", clause, factor(0.0, edges), rank=0.1 * size
                )
                yield made


@entry(
    "term-dropped", "one of several terms of the same equation is forgotten",
    "If a variable stands twice in an equation, both places send a gradient back: product rule.", rank=2.0,
)  # fmt: skip
def term_dropped(s: Site) -> Iterator[Mutant]:
    for key, edges in s.places.links.items():
        places: dict[object, list[Edge]] = {}
        for e in edges:
            places.setdefault(e.place, []).append(e)
        for i, found in enumerate(places.values()):
            if len(places) > 1:
                e = found[len(found) // 2]
                node = e.node  # 1 − z alone says little: show the product in which it stands
                for reader in s.places.owner(e.node).args:
                    if any(a is node for a in reader.args):
                        node = reader
                term = s.say(node, (e.step or 0) - key[2])
                clause = f"in {s.name(key[1], key[2])} the term {term} sends nothing back to {s.name(key[0])}"
                yield Mutant(f"{key[0]}<-{key[1]}:{i + 1}", "", clause, factor(0.0, found), line=("link", *key[:2]))


@entry(
    "direct-term",
    "the loss of a step is left out of the state's adjoint before the last step",
    "At every step the adjoint of a state has a direct term, from that step's own output, beside what is carried from"
    " later.",
    "one step; a loss at the last step only",
    rank=1.5,
)
def direct_term(s: Site) -> Iterator[Mutant]:
    for key, edges in s.places.links.items():
        last = max(e.column or 0 for e in edges)
        loss = s.u.node(edges[0].owner).role in ("loss", "total")
        to = s.name(key[0])
        whence = "that step's loss" if loss else s.name(key[1])
        if key[2] == 0 and len(edges) > 1:
            early = [e for e in edges if e.column != last]
            late = [e for e in edges if e.column == last]
            if early:
                clause = f"{to} gets its direct term from {whence} only at the last step"
                yield Mutant(f"{key[0]}<-{key[1]}:early", "", clause, factor(0.0, early), line=("link", *key[:2]))
            if early and late:
                clause = f"{to} does not get its direct term from {whence} at the last step"
                yield Mutant(
                    f"{key[0]}<-{key[1]}:last", "", clause, factor(0.0, late), line=("link", *key[:2]), rank=1.0
                )


@entry(
    "counted-twice", "a way back is counted twice",
    "Each link contributes once. If a shared buffer already holds a term, adding it again doubles it.",
    "one step, if the link comes from the step before", rank=2.5,
)  # fmt: skip
def counted_twice(s: Site) -> Iterator[Mutant]:
    if len(s.places.carried) > 1:
        edges = [e for found in s.places.carried.values() for e in found]
        yield Mutant("carried", "", "everything that is carried from the next step is added twice", factor(2.0, edges))
    for key, edges in s.places.links.items():
        clause = f"what comes {s.link(key)} is added twice"
        yield Mutant(f"{key[0]}<-{key[1]}", "", clause, factor(2.0, edges), line=("link", *key[:2]))


@entry("sign-lost", "a minus sign is lost or gained", "The derivative of 1 − z by z is −1.", rank=3.0)
def sign_lost(s: Site) -> Iterator[Mutant]:
    for place, edges in s.places.classes.items():
        e = edges[len(edges) // 2]
        if (e.op == "sub" and e.slot == 1) or e.op == "neg":
            clause = f"the minus sign in {s.say(e.node, e.step)} (in the equation of {s.name(place[0])}) is lost"
            yield Mutant(f"{_spot(place)}", "", clause, factor(-1.0, edges), line=("variable", e.source or place[0]))
    for key, edges in s.places.links.items():
        if s.u.node(edges[0].owner).role not in ("loss", "total"):
            clause = f"what comes {s.link(key)} has the wrong sign"
            yield Mutant(f"{key[0]}<-{key[1]}", "", clause, factor(-1.0, edges), line=("link", *key[:2]), rank=0.5)


def _spot(place: tuple[str, tuple[int, ...], int]) -> str:
    return f"{place[0]}.{'.'.join(map(str, (*place[1], place[2])))}"


def activation(s: Site, base: str, step: int) -> Node | None:
    """The pre-activation of a variable φ(a) at a step, if its equation is of that form."""
    node = s.u.nodes.get(f"{base}[{step}]")
    if node is None or node.op is None or len(node.args) != 1 or node.args[0].name is not None:
        return None
    if node.args[0].op is None or not (node.op.kind == "elementwise" or node.op.name in ("softmax", "log_softmax")):
        return None
    return node.args[0] if node.op.name not in ("neg", "identity", "square") else None


@entry(
    "after-derivative", "the carried part is added after φ′",
    "First add all that comes back to h[t], then multiply the whole sum by φ′: δ = φ′ ∘ (direct + carried).",
    "one step", rank=2.0,
)  # fmt: skip
def after_derivative(s: Site) -> Iterator[Mutant]:
    every: dict[int, Change] = {}
    for key, edges in s.places.carried.items():
        found = [e for e in edges if e.arg.step is not None and activation(s, key[0], e.arg.step) is not None]
        if found:

            def into(p: Pull) -> None:
                inner = activation(s, p.edge.source, p.edge.arg.step or 0)
                assert inner is not None
                p.to = inner

            changes = rewrite(("after",), found, into)
            clause = f"what is carried {s.link(key)} is added after the multiplication by φ′ instead of before"
            yield Mutant(f"{key[0]}<-{key[1]}", "", clause, changes, line=("variable", key[0]))
            every |= changes
    if len(s.places.carried) > 1 and every:
        clause = (
            "everything that is carried from the next step is added after the multiplication by φ′ instead of before"
        )
        yield Mutant("all", "", clause, every, rank=-0.5)


@entry(
    "recursion-skips-derivative", "the carried part misses φ′",
    "What goes back through W is δ = φ′ ∘ h̄, the adjoint of the pre-activation, not h̄ itself.",
    "one step, unless ∂E/∂h[0] is asked for", rank=2.0,
)  # fmt: skip
def recursion_skips(s: Site) -> Iterator[Mutant]:
    every: dict[int, Change] = {}
    for key, edges in s.places.carried.items():
        found = [e for e in edges if _through_function(s, e)]
        if found:
            changes = rewrite(("skip",), found, _from_owner)
            clause = f"what is carried {s.link(key)} is not multiplied by φ′ of {s.name(key[1], key[2])} on its way"
            yield Mutant(f"{key[0]}<-{key[1]}", "", clause, changes, line=("link", *key[:2]))
            every |= changes
    if len(s.places.carried) > 1 and every:
        yield Mutant(
            "all", "", "nothing that is carried to the step before is multiplied by φ′ on its way", every, rank=-0.5
        )


@entry(
    "parameter-skips-derivative", "the parameter's gradient is built with h̄ in place of δ",
    "The weights stand inside φ: their gradient is built from δ = φ′ ∘ h̄, not from h̄.", rank=2.0,
)  # fmt: skip
def parameter_skips(s: Site) -> Iterator[Mutant]:
    for name, edges in s.places.uses.items():
        found = [e for e in edges if _through_function(s, e)]
        if found:
            clause = f"∂E/∂{name} is built with the adjoint of {s.name(found[0].base)} itself, without φ′"
            yield Mutant(name, "", clause, rewrite(("skip",), found, _from_owner), line=("parameter", name))
    for base in dict.fromkeys(e.base for edges in s.places.uses.values() for e in edges):
        found = [e for edges in s.places.uses.values() for e in edges if e.base == base and _through_function(s, e)]
        if len({e.arg.name for e in found}) > 1:
            clause = f"the gradients of all parameters of {s.name(base)} are built with its adjoint itself, without φ′"
            yield Mutant(
                f"{base}:all", "", clause, rewrite(("skip",), found, _from_owner), line=("variable", base), rank=-0.2
            )


def _through_function(s: Site, e: Edge) -> bool:
    """Whether the equation is φ(a) and the edge stands inside a, with a cotangent of the same shape."""
    return (
        e.step is not None
        and activation(s, e.base, e.step) is not None
        and e.node.shape == s.u.node(e.owner).shape
        and e.node is not s.u.node(e.owner)
    )


def _from_owner(p: Pull) -> None:
    p.g = p.bar(p.places.owner(p.edge.node))
