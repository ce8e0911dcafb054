"""The paths of the chain rule in the graph of named variables: counted, enumerated, never confused.

One path from a use of `wrt` to a per-step loss is one term of the derivation. Their number grows by a factor of four
or five a step for gated cells, so it is counted by dynamic programming (exact integers, linear time) and enumerated
only on request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.graph import Graph, Node
from ..core.variables import Link, Variable, VariableGraph
from ..errors import BPTTError

__all__ = ["Path", "Paths", "Run", "Unrolled", "check_run"]


class Run(Protocol):
    """Numbers of a run: `array` is (B, *shape) for what differs from example to example, else (*shape)."""

    batch: int | None

    def array(self, name: str) -> Any: ...


def check_run(run: object) -> None:
    """Refuse what is no run."""
    if not callable(getattr(run, "array", None)):
        raise BPTTError(f"a run cannot be {repr(run)[:60]} ({type(run).__name__})", "give what u.run(data) returns")


class Unrolled(Protocol):
    """What a derivation needs to know of an unrolled recurrence."""

    @property
    def recurrence(self) -> Any: ...  # of which `rows` is asked: whether its vectors are rows
    @property
    def vgraph(self) -> VariableGraph: ...
    @property
    def graph(self) -> Graph: ...
    @property
    def heads(self) -> Sequence[Any]: ...  # pairs (loss step, name), or objects with `step` and `name`
    @property
    def weight(self) -> float: ...
    @property
    def conventions(self) -> tuple[str, ...]: ...
    def node(self, name: str) -> Node: ...
    def blocked(self, link: Link, loss_step: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Path:
    """One path. `links` run from the loss down to `wrt`; empty if `wrt` is the loss itself."""

    loss_step: int
    use_step: int
    head: str
    links: tuple[Link, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.head, *[link.source for link in self.links])


class Paths:
    """The paths from every use of `wrt` to every per-step loss, honouring truncation."""

    def __init__(self, unrolled: Unrolled, wrt: str):
        self.unrolled, self.wrt = unrolled, wrt
        self.heads = tuple((h.step, h.name) if hasattr(h, "name") else (h[0], h[1]) for h in unrolled.heads)
        self.variables: Mapping[str, Variable] = unrolled.vgraph.variables
        self.order = {name: i for i, name in enumerate(self.variables)}
        self.readers: dict[str, list[Link]] = {}
        self.read: dict[str, list[Link]] = {}
        for link in unrolled.vgraph.links:
            self.readers.setdefault(link.source, []).append(link)
            self.read.setdefault(link.target, []).append(link)
        for links in self.readers.values():  # nearest first, so that paths through gates come before short cuts
            links.sort(key=lambda link: self.order[link.target])
        self.partly_cut = any(link.cut == "partly" for link in unrolled.vgraph.links)
        self._routes: dict[Link, bool] = {}

    def step_of(self, name: str) -> int:
        """The step whose equation defines a variable (t for x[t+1] = …), counted over all blocks; 0 if it has none."""
        return self.variables[name].column or 0

    def passes(self, link: Link, loss_step: int) -> bool:
        return not link.cut or not self.unrolled.blocked(link, loss_step)

    def groups(self) -> list[tuple[tuple[int, str], ...]]:
        """Losses that see the same graph: all together, or each alone if truncation differs between them."""
        return [(head,) for head in self.heads] if self.partly_cut else [self.heads]

    @property
    def total(self) -> str:
        """The name of what is differentiated: the total loss, or the only loss there is."""
        for name, v in self.variables.items():
            if v.role == "total":
                return name
        names = [name for _, name in self.heads]
        return names[0] if len(names) == 1 else self.variables[names[0]].base if names else "E"

    # -- counting

    def _numbers(self, heads: tuple[tuple[int, str], ...]) -> dict[str, int]:
        """How many paths lead from each variable to one of `heads` (which must see the same cuts)."""
        found: dict[str, int] = {name: 1 for _, name in heads}
        if not heads:
            return found
        step = heads[0][0]
        last = max(self.order[name] for _, name in heads)
        for name in reversed(list(self.variables)[: last + 1]):
            if name not in found and name not in self.readers:
                continue
            n = found.get(name, 0)
            for link in self.readers.get(name, ()):
                more = found.get(link.target)
                if more and (not link.cut or self.passes(link, step)):
                    n += more
            if n:
                found[name] = n
        # a parameter may be listed anywhere, also after the loss
        n = sum(found.get(link.target, 0) for link in self.readers.get(self.wrt, ()) if self.passes(link, step))
        if n and self.wrt not in found:
            found[self.wrt] = n
        return found

    def count(self) -> int:
        return sum(self._numbers(group).get(self.wrt, 0) for group in self.groups())

    def count_by_step(self) -> dict[tuple[int, int], int]:
        """(loss step, use step) -> number of paths, where there are any."""
        found: dict[tuple[int, int], int] = {}
        for t, head in self.heads:
            numbers = self._numbers(((t, head),))
            if head == self.wrt:
                found[t, self.step_of(head)] = 1
            for link in self.readers.get(self.wrt, ()):
                n = numbers.get(link.target, 0)
                if n and self.passes(link, t):
                    key = (t, self.step_of(link.target))
                    found[key] = found.get(key, 0) + n
        return found

    def on_paths(self, heads: tuple[tuple[int, str], ...]) -> list[str]:
        """The variables on some path, `wrt` first, the others in topological order."""
        leads = self._numbers(heads)
        step = heads[0][0] if heads else 0
        reached = {self.wrt}
        for name in self.variables:
            links = self.read.get(name, ()) if name in leads else ()
            if any(link.source in reached and self.passes(link, step) for link in links):
                reached.add(name)
        on_path = [name for name in self.variables if name in reached and name in leads and name != self.wrt]
        return [self.wrt, *on_path] if self.wrt in leads else []

    # -- enumeration

    def __iter__(self) -> Iterator[Path]:
        """By loss step, then by step of use (so, on the whole, the longest first), each path once."""
        for t, head in self.heads:
            leads = self._numbers(((t, head),))
            if head == self.wrt:
                yield Path(t, self.step_of(head), head, ())
            uses = [u for u in self.readers.get(self.wrt, ()) if u.target in leads and self.passes(u, t)]
            for use in sorted(uses, key=lambda link: (self.step_of(link.target), self.order[link.target])):
                for links in self._from(use, t, head, leads):
                    yield Path(t, self.step_of(use.target), head, links)

    def _from(self, use: Link, t: int, head: str, leads: Mapping[str, int]) -> Iterator[tuple[Link, ...]]:
        """Depth first with a stack of our own: paths may be as long as time. Every branch taken leads to the loss."""
        trail = [use]
        branches = [self._onward(use.target, t, leads)]
        if use.target == head:
            yield (use,)
        while branches:
            link = next(branches[-1], None)
            if link is None:
                branches.pop()
                trail.pop()
                continue
            trail.append(link)
            branches.append(self._onward(link.target, t, leads))
            if link.target == head:
                yield tuple(reversed(trail))

    def _onward(self, name: str, t: int, leads: Mapping[str, int]) -> Iterator[Link]:
        return (link for link in self.readers.get(name, ()) if link.target in leads and self.passes(link, t))

    # -- immediate or not

    def immediate(self, link: Link) -> bool:
        """Whether ∂target/∂source must be marked as immediate: the target depends on the source by another route, too.

        A parameter is always marked (as Pascanu et al. do): its other uses are other terms.
        """
        if self.variables[link.source].role == "parameter":
            return True
        if link not in self._routes:
            self._routes[link] = self._other_route(link)
        return self._routes[link]

    def _other_route(self, link: Link) -> bool:
        low = self.order[link.source]
        seen: set[str] = set()
        todo = [x.source for x in self.read.get(link.target, ()) if x.source != link.source]
        while todo:
            name = todo.pop()
            if name in seen or self.order[name] <= low:
                continue
            seen.add(name)
            for x in self.read.get(name, ()):
                if x.source == link.source:
                    return True
                todo.append(x.source)
        return False
