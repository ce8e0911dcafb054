"""The unrolled recurrence at the level of named variables: who reads whom, and where truncation cuts the way back.

Truncation does not change the graph: it is a set of edges that the gradient of some or all losses does not pass,
visible as `edge.cut`.
"""

from __future__ import annotations

from functools import cached_property

from ..core.graph import Graph
from ..core.variables import Link, Variable, VariableGraph
from ..errors import BPTTError
from .nodes import Nodes, carries, interior_edges

__all__ = ["ALL", "Links"]

ALL = range(-1, 1 << 40)
"""The losses of every step."""


class Links:
    """Links and cuts of an unrolled recurrence, and the two graphs that are made of them."""

    def __init__(self, built: Nodes):
        self.built, self.settings = built, built.settings

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Who reads whom at the level of named variables."""
        found: list[Link] = []
        uses: dict[tuple[int, int, int], int] = {}
        for parameter in self.built.parameters.values():
            for use in parameter.uses:
                uses[(parameter.serial, use.node.serial, use.slot)] = use.number
        for name in self.built.order_of_names:
            target = self.built.nodes[name]
            sources: dict[str, list[int]] = {}
            for source, consumer, slot in interior_edges(target):
                numbers = sources.setdefault(source.name or "", [])
                number = uses.get((source.serial, consumer.serial, slot))
                if number is not None:
                    numbers.append(number)
            for source_name, numbers in sources.items():
                a, b = self.built.places[source_name].column, self.built.places[name].column
                delay = b - a if a is not None and b is not None else 0
                cut, steps = self.cut(source_name, name)
                found.append(Link(source_name, name, delay, tuple(sorted(numbers)), cut, steps))
        return tuple(found)

    def cut(self, source: str, target: str) -> tuple[str, tuple[int, ...]]:
        """How truncation cuts a link: for every loss that comes as far ("cut"), or for some, which are listed
        ("partly")."""
        losses = self.cuts.get((source, target))
        if losses is None or self.settings.truncation is None:
            return "", ()
        if losses is ALL:
            return "cut", ()
        a, b = self.built.places[source].column, self.built.places[target].column
        assert a is not None and b is not None
        steps = tuple(h.step for h in self.built.heads if h.column in losses)
        rule, last = self.settings.truncation, self.settings.columns
        rest = any(h.column not in losses and rule.reaches(h.column, a, b, last) for h in self.built.heads)
        return ("", ()) if not steps else ("partly", steps) if rest else ("cut", ())

    @cached_property
    def cuts(self) -> dict[tuple[str, str], range]:
        """(source, target) -> columns of the losses whose gradient does not pass from target back to source."""
        rule = self.settings.truncation
        if rule is None:
            return {}
        found: dict[tuple[str, str], range] = {}
        carried = False
        for name in self.built.order_of_names:
            b = self.built.places[name].column
            if b is None or self.built.places[name].role == "total":
                continue
            for source, _, _ in interior_edges(self.built.nodes[name]):
                assert source.name is not None
                place = self.built.places[source.name]
                if place.column is None or place.column == b or place.role in ("input", "target", "upstream"):
                    continue
                if rule.carousel:
                    if place.base == self.built.places[name].base and carries(self.built.nodes[name], source):
                        carried = True
                    else:
                        found[source.name, name] = ALL
                else:
                    losses = rule.cut_losses(place.column, b, self.settings.columns)
                    if losses:
                        found[source.name, name] = losses
        if rule.carousel and not carried:
            raise BPTTError(
                f"{self.settings.recurrence.title} has no state that is carried linearly into itself, so it has no"
                " carousel",
                'use truncate="one-step" or "sliding:k"',
            )
        return found

    @cached_property
    def edge_cuts(self) -> dict[tuple[int, int, int], range]:
        """The cuts on the edges of the primitive graph: (source serial, target serial, slot) -> columns of losses."""
        found: dict[tuple[int, int, int], range] = {}
        targets = {t for _, t in self.cuts}
        for name in targets:
            for source, consumer, slot in interior_edges(self.built.nodes[name]):
                losses = self.cuts.get((source.name or "", name))
                if losses:
                    found[(source.serial, consumer.serial, slot)] = losses
        return found

    def blocked(self, link: Link, loss_step: int) -> bool:
        """Whether truncation cuts a link for the loss of a step."""
        return link.cut == "cut" or loss_step in link.cut_for

    @cached_property
    def graph(self) -> Graph:
        """Every node and edge; the outputs are the total loss and whatever nothing else reads."""
        cuts: dict[tuple[int, int, int], tuple[int, ...] | None] = {}
        for source, target in self.cuts:
            kind, steps = self.cut(source, target)
            for node, consumer, slot in interior_edges(self.built.nodes[target]) if kind else ():
                if node.name == source:
                    cuts[(node.serial, consumer.serial, slot)] = None if kind == "cut" else steps
        ends = {n.serial: n for n in [*self.built.ends, self.built.nodes[self.built.total]]}
        return Graph(ends.values(), cuts)

    @cached_property
    def vgraph(self) -> VariableGraph:
        """The graph at the level of named variables, for pictures and derivations."""
        read_by: dict[str, list[Link]] = {}
        for link in self.links:
            read_by.setdefault(link.target, []).append(link)
        carry = self.carried
        variables: dict[str, Variable] = {}
        for name in self.built.order_of_names:
            place, node = self.built.places[name], self.built.nodes[name]
            sources = [variables[k.source] for k in read_by.get(name, [])] if place.column is not None else []
            below = [v.level for v in sources if v.column == place.column]
            level = 1 + max(below) if below else 0 if node.op is None else 1
            variables[name] = Variable(
                name, place.base, place.step, place.role, place.block, place.column, level,
                node.shape, node.op.name if node.op else "", place.base in carry,
            )  # fmt: skip
        return VariableGraph(
            self.settings.recurrence.title, variables, self.links, dict(self.settings.steps), self.settings.conventions
        )

    @cached_property
    def carried(self) -> set[str]:
        """The states that an equation takes over linearly, entry by entry."""
        found = set()
        for base in self.settings.recurrence.states:
            nodes = [
                n for name, n in self.built.nodes.items() if self.built.places[name].base == base and n.op is not None
            ][:2]
            for node in nodes:
                if any(s.base == base and carries(node, s) for s, _, _ in interior_edges(node)):
                    found.add(base)
        return found
