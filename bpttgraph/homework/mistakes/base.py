"""What a mistake is: an entry of the catalogue, and its instances in one recurrence.

An `Entry` is one generic mistake ("a derivative is left out"); a `Mutant` is one instance of it in one unrolled
recurrence ("σ′ is left out in f[t]"), ready to be run by `reverse.Reverse`. An entry is a function that yields mutants,
with the words that belong to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .places import Edge, Places
from .reverse import Change, Pull, Rewrite

if TYPE_CHECKING:
    from ...core.graph import Node
    from ...equations.truncation import Truncation
    from ...unrolled import Unrolled

__all__ = ["CATALOGUE", "Entry", "Line", "Mutant", "Site", "entry", "factor", "rewrite"]

Array = np.ndarray[Any, Any]
Results = Mapping[str, Array]
Line = tuple[str, ...]
"""Which line of the derivation is at stake: ("link", source base, target base), ("variable", base) or ("parameter",
name)."""


@dataclass(frozen=True, eq=False)
class Mutant:
    """One mistake in one unrolled recurrence.

    Attributes:
        key: stable name, such as `derivative-omitted:tanh:h`. entry: key of the catalogue's entry.
        clause: completes "… is exactly what you get if …".
        changes: edge index -> what the mistake does there.
        losses: weights of the losses, (losses, B), in place of ones. weights: of the contributions, [t-1, k-1].
        truncation: the rule of another gradient than the one asked for. after: what is done to the finished gradients.
        scope: the only parameters that may change ("" or empty: whatever the changes reach).
        line: the line of the derivation at stake. rank: how plain it is: of two names for the same thing the lower one
            is said.
        alone: whether it is left out of pairs. plain: whether it is done to one finished array, as a whole, so that it
            comes first.
        free: how many constants were read off the answer; numbers that they alone account for are no evidence.
        every: whether the clause speaks of the whole answer, so that one right gradient beside it refutes it.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.mistakes import mutants
        >>> found = {m.key: m for m in mutants(bg.cell("rnn").unroll(3))}
        >>> found["link-dropped:h<-y"].clause
        'nothing is sent from yₜ back to hₜ'
    """

    key: str
    entry: str
    clause: str
    changes: Mapping[int, Change] = field(default_factory=dict)
    losses: Array | None = None
    weights: Array | None = None
    truncation: Truncation | None = None
    after: Callable[[Results], Results] | None = None
    line: Line = ()
    edges: tuple[tuple[str, str], ...] = ()
    rank: float = 0.0
    alone: bool = False
    plain: bool = False
    free: int = 0
    every: bool = False

    @property
    def signature(self) -> Any:
        """Equal for mutants that do the same thing."""
        if (
            self.changes
            and self.losses is None
            and self.weights is None
            and self.truncation is None
            and self.after is None
        ):
            return frozenset((i, c.tag if isinstance(c, Rewrite) else c) for i, c in self.changes.items())
        return self.key


@dataclass(frozen=True)
class Entry:
    """One entry of the catalogue.

    Attributes:
        key, title: its name. lesson: one sentence that teaches.
        blind: where its wrong gradient is the same as the right one. example: a clause, for the reference page.
    """

    key: str
    title: str
    lesson: str
    blind: str
    instances: Callable[[Site], Iterable[Mutant]]
    rank: float
    alone: bool
    plain: bool

    def mutants(self, site: Site) -> Iterator[Mutant]:
        for m in self.instances(site):
            yield replace(m, entry=self.key, key=f"{self.key}:{m.key}" if m.key else self.key,
                          rank=self.rank + m.rank, alone=self.alone or m.alone,
                          plain=self.plain or m.plain, edges=m.edges or site.touched(m.changes))  # fmt: skip


CATALOGUE: dict[str, Entry] = {}


def entry(
    key: str,
    title: str,
    lesson: str,
    blind: str = "nowhere",
    rank: float = 5.0,
    alone: bool = False,
    plain: bool = False,
) -> Callable[[Callable[[Site], Iterable[Mutant]]], Callable[[Site], Iterable[Mutant]]]:
    """Enter a function that yields the instances of a mistake into the catalogue."""

    def enter(function: Callable[[Site], Iterable[Mutant]]) -> Callable[[Site], Iterable[Mutant]]:
        CATALOGUE[key] = Entry(key, title, lesson, blind, function, rank, alone, plain)
        return function

    return enter


def factor(value: float, edges: Iterable[Edge]) -> dict[int, Change]:
    """The contribution of these edges times a number: 0 drops them, 2 counts them twice."""
    return {e.index: value for e in edges}


def rewrite(tag: tuple[Any, ...], edges: Iterable[Edge], change: Callable[[Pull], None]) -> dict[int, Change]:
    made = Rewrite(tag, change)
    return {e.index: made for e in edges}


class Site:
    """An unrolled recurrence as the catalogue sees it: its places, and words for them."""

    def __init__(self, u: Unrolled, places: Places | None = None):
        self.u = u
        self.places = places or Places(u)
        self._words: dict[Any, str] = {}
        self.batch: int | None = None  # number of examples, if there are several

    @property
    def steps(self) -> int:
        return self.u.columns

    def touched(self, changes: Mapping[int, Change]) -> tuple[tuple[str, str], ...]:
        """(source, target) of the links on which the changes stand."""
        found: dict[tuple[str, str], None] = {}
        for index in changes:
            e = self.places.edges[index]
            if e.arg.name is not None:
                found[e.arg.name, e.owner] = None
            else:
                for name in self._named_below(e.arg):
                    found[name, e.owner] = None
        return tuple(found)

    def _named_below(self, node: Node) -> list[str]:
        found: dict[str, None] = {}
        stack = [node]
        while stack:
            n = stack.pop()
            if n.name is None:
                stack.extend(n.args)
            elif n.role not in ("parameter", "input", "target", "upstream"):
                found[n.name] = None
        return list(found)

    def say(self, node: Node, step: int | None) -> str:
        """A node as a formula, in Unicode, with its steps relative to t."""
        from ...derive import formula, to_text
        from ...formulas.steps import rebased, renamed

        key = (node.serial, step)
        if key not in self._words:
            e = formula(node)
            self._words[key] = to_text(e if step is None else renamed(e, rebased("t", step)))
        return self._words[key]

    def name(self, base: str, shift: int = 0) -> str:
        """`h[t]`, as the printers write it."""
        from ...derive import to_text
        from ...formulas.expr import symbol
        from ...formulas.steps import step_text

        return to_text(symbol(f"{base}[{step_text('t', shift)}]"))

    def link(self, key: tuple[str, str, int]) -> str:
        """The way back over a link, in words: "from f[t+1] back to h[t]"."""
        source, target, delay = key
        return f"from {self.name(target, delay)} back to {self.name(source)}"

    @cached_property
    def targets(self) -> list[str]:
        """Parameters, in order of first appearance."""
        return list(self.u.parameters)

    @cached_property
    def leaves(self) -> list[str]:
        """Parameters and initial states."""
        return list(self.u.numbers.leaf_nodes)

    @cached_property
    def square(self) -> list[str]:
        """Parameters whose gradient could be handed in transposed without anybody noticing the shape."""
        return [
            n for n, node in self.u.parameters.items() if len(node.shape) == 2 and node.shape[0] == node.shape[1] > 1
        ]

    @cached_property
    def alike(self) -> list[list[str]]:
        """Groups of parameters of one shape."""
        found: dict[tuple[int, ...], list[str]] = {}
        for name, node in self.u.parameters.items():
            found.setdefault(node.shape, []).append(name)
        return [names for shape, names in found.items() if len(names) > 1]

    @cached_property
    def blocks(self) -> dict[str, dict[str, slice]]:
        """Parameters of a stacked equation with as many rows as the stack -> the rows of each variable that is taken
        out of it."""
        found: dict[str, dict[str, slice]] = {}
        tops: dict[int, dict[str, slice]] = {}
        for e in self.places.edges:
            if e.op == "take" and e.arg.name is None:
                tops.setdefault(e.arg.serial, {})[e.base] = slice(e.node.attrs["start"], e.node.attrs["stop"])
        for serial, rows in tops.items():
            stack = [n for n in self.places.order if n.serial == serial]
            height = max(r.stop for r in rows.values())
            while stack:
                node = stack.pop()
                if node.role == "parameter" and node.name:
                    if node.shape[:1] == (height,):  # not a number that is added to every row
                        found[node.name] = rows
                # of Wᵀ these are columns
                elif node.name is None and node.op is not None and node.op.name != "transpose":
                    stack += node.args[:1] if node.op.kind == "bilinear" else node.args
        return found


def listed(names: Iterable[str]) -> str:
    """a, b and c."""
    names = list(names)
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
