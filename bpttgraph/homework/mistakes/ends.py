"""Mistakes at the ends of the loop over time: where the way back starts, which steps it leaves out, and what is read
one step before the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...core.autodiff import backward
from ...core.graph import Node, constant
from .base import Mutant, Site, entry, factor, listed, rewrite
from .operands import line_of, put_operand
from .places import Edge
from .reverse import Change, Pull

# -- the last step -----------------------------------------------------------------------------------------------------


@entry(
    "last-state-ignored",
    "what arrives at the last state is ignored",
    "The way back does not start with zero: the last state acts on the loss of its own step.",
    "a last state that no loss of its step depends on",
    rank=2.7,
)
def last_state(s: Site) -> Iterator[Mutant]:
    every: dict[int, Change] = {}
    states = list(dict.fromkeys(key[0] for key in s.places.carried))
    for base in states:
        edges = [e for e in s.places.edges if e.source == base and e.arg.role != "initial"]
        carried = {e.arg.name for e in edges if e.delay != 0}
        ends = [e for e in edges if e.delay == 0 and e.arg.name not in carried]
        if not ends or len({e.arg.name for e in ends}) > 1:
            continue
        clause = f"nothing that arrives at {s.name(base)} at the last step is counted: the way back starts with zero"
        yield Mutant(base, "", clause, factor(0.0, ends), line=("variable", base))
        every |= factor(0.0, ends)
    if len(states) > 1 and every:
        names = listed(s.name(base) for base in states)
        clause = f"nothing that arrives at {names} at the last step is counted: the way back starts with zero"
        yield Mutant("all", "", clause, every, rank=0.1)


@entry(
    "step-left-out",
    "a step is left out of the loop back",
    "The loop back visits every step once: reversed(range(T)), not range(T − 1, 0, −1).",
    "one step",
    rank=1.7,
)
def step_left_out(s: Site) -> Iterator[Mutant]:
    if len(s.u.steps) > 1 or s.steps < 2:
        return
    for column, word in ((1, "first"), (s.steps, "last")):
        edges = [e for e in s.places.edges if e.column == column]
        clause = f"the {word} step is left out of the loop back: it sends and adds nothing"
        yield Mutant(word, "", clause, factor(0.0, edges))


# -- the loss ----------------------------------------------------------------------------------------------------------


@entry(
    "one-error-for-all",
    "the error of one step is used at all steps",
    "Each step has an error of its own: the output of step t is compared with the target of step t.",
    "a loss at one step only",
    rank=2.0,
)
def one_error(s: Site) -> Iterator[Mutant]:
    for key, edges in s.places.links.items():
        losses = {e.column: s.u.node(e.owner) for e in edges if s.u.node(e.owner).role == "loss"}
        alone = [k for k in s.places.links if k[0] == key[0] and k[2] == 0] == [key]
        if key[2] or not alone or len(losses) < 2 or len(losses) != len({e.owner for e in edges}):
            continue
        read = {e.column: e.arg for e in edges}
        for column, word in ((max(losses), "last"), (min(losses), "first")):  # type: ignore[type-var]
            error = backward({losses[column]: constant(1.0)}, [read[column]]).adjoints.get(read[column])
            if error is None or any(node.shape != error.shape for node in read.values()):
                continue
            changes: dict[int, Change] = {}
            for at, loss in losses.items():
                mine = [e for e in edges if e.column == at and at != column]

                def same(p: Pull, loss: Node = loss, error: Node = error) -> None:
                    p.result = p.bar(loss) * error

                changes |= factor(0.0, mine[1:]) | rewrite(("error", word), mine[:1], same)
            clause = f"what the loss of the {word} step sends back to {s.name(key[0])} is used at every step"
            yield Mutant(f"{key[0]}:{word}", "", clause, changes, line=("link", *key[:2]))


# -- before the first step ---------------------------------------------------------------------------------------------


@entry(
    "index-wraps",
    "at the first step, the state before is read from the end of the array",
    "Stored from step 1 on, the states need h[0] in front: hs[t − 1] with t = 0 is the last entry in Python.",
    rank=2.2,
)
def index_wraps(s: Site) -> Iterator[Mutant]:
    joint: dict[str, list[Edge]] = {}
    for place, found in s.places.products():
        edges = [e for e in found if _wraps(s, e) is not None]
        if edges:
            e = edges[0]
            assert e.other is not None
            base = e.other.base or ""
            into = f"∂E/∂{e.arg.name}" if e.arg.role == "parameter" else f"the adjoint of {s.say(e.arg, e.step)}"
            clause = f"{into} uses the last {base} in place of {e.other.name} at the first step (index −1)"
            key = f"{place[0]}.{'.'.join(map(str, (*place[1], place[2])))}"
            yield Mutant(key, "", clause, rewrite(("wraps",), edges, _wrap(s)), line=line_of(e), rank=0.2)
            joint.setdefault(base, []).extend(edges)
    every = [e for edges in joint.values() for e in edges]
    for base, edges in joint.items():
        clause = f"the last {base} is read in place of {edges[0].other.name} at the first step (index −1)"  # type: ignore[union-attr]
        yield Mutant(base, "", clause, rewrite(("wraps",), edges, _wrap(s)))
    if len(joint) > 1:
        clause = f"the last {listed(joint)} are read in place of the initial ones at the first step (index −1)"
        yield Mutant("all", "", clause, rewrite(("wraps",), every, _wrap(s)), rank=-0.1)


def _wraps(s: Site, e: Edge) -> Node | None:
    """What the index −1 reads in place of an initial state."""
    other = e.other
    if other is None or other.name is None or other.role != "initial" or other.step != 0 or s.steps < 2:
        return None
    last = s.u.nodes.get(f"{other.base}[{s.steps}]")
    return last if last is not None and last in s.places.forward and last.shape == other.shape else None


def _wrap(s: Site) -> Callable[[Pull], None]:
    def change(p: Pull) -> None:
        last = _wraps(s, p.edge)
        assert last is not None
        put_operand(p, last)

    return change
