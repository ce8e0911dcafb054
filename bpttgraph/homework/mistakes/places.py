"""Where a mistake can be made: the edges of an unrolled recurrence, with what they are in the equations.

A hand-derived gradient goes wrong at the same place of the same equation at every step. So every edge of the
computation graph is given the class to which it belongs (equation, position in it, argument), and nodes can be asked
for what they are one step earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ...core.graph import Node, needed

if TYPE_CHECKING:
    from ...unrolled import Unrolled

__all__ = ["Edge", "Places"]

Position = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Edge:
    """`arg` is argument number `slot` of `node`, within the equation of the variable `owner`.

    `place` is the class of the edge: (base of the owner, way from the root of its equation to `node`, slot), the same
    at every step. `delay` is how many steps earlier a named `arg` stands than its reader.
    """

    index: int
    node: Node
    slot: int
    arg: Node
    owner: str
    base: str
    step: int | None
    column: int | None
    place: tuple[str, tuple[int, ...], int]
    delay: int

    @property
    def op(self) -> str:
        assert self.node.op is not None
        return self.node.op.name

    @property
    def source(self) -> str:
        """Base of the variable that is read here, "" for the inside of an equation."""
        return (self.arg.base or "") if self.arg.name else ""

    @property
    def other(self) -> Node | None:
        """The other operand of a product."""
        return self.node.args[1 - self.slot] if len(self.node.args) == 2 else None


class Places:
    """All edges between the losses and the leaves that are asked for, last first.

    Args:
        u: the unrolled recurrence.
        inputs: whether gradients of the inputs are wanted as well.
    """

    def __init__(self, u: Unrolled, inputs: bool = False):
        self.u = u
        heads = [u.node(h.name) for h in u.heads]
        self.order = needed(heads)
        self.forward = set(self.order)
        roles = {"parameter", "initial", *(["input"] if inputs else [])}
        active: set[int] = set()
        for node in self.order:
            if node.role in roles or any(a.serial in active for a in node.args):
                active.add(node.serial)
        self._position: dict[int, Position] = {}
        self._at: dict[tuple[str, tuple[int, ...]], Node] = {}
        for node in self.order:
            if node.name is not None:
                self._enter(node)
        self.edges: list[Edge] = []
        for node in reversed(self.order):
            if node.serial not in active or node.op is None:
                continue
            for slot, arg in enumerate(node.args):
                if arg.serial in active:
                    self.edges.append(self._edge(len(self.edges), node, slot, arg))

    def _enter(self, root: Node) -> None:
        """Note the way from the root of an equation to each node inside it."""
        stack: list[tuple[Node, tuple[int, ...]]] = [(root, ())]
        while stack:
            node, way = stack.pop()
            if node.serial in self._position:
                continue
            self._position[node.serial] = (root.name or "", way)
            self._at[root.name or "", way] = node
            stack += [(a, (*way, i)) for i, a in reversed(list(enumerate(node.args))) if a.name is None]

    def _edge(self, index: int, node: Node, slot: int, arg: Node) -> Edge:
        owner, way = self._position[node.serial]
        place = self.u.places[owner]
        column = place.column
        other = self.u.places[arg.name].column if arg.name else None
        delay = column - other if column is not None and other is not None else 0
        return Edge(index, node, slot, arg, owner, place.base, place.step, column, (place.base, way, slot), delay)

    # -- readings

    def way(self, node: Node) -> tuple[int, ...]:
        """The way from the root of its equation to a node."""
        return self._position[node.serial][1]

    def owner(self, node: Node) -> Node:
        """The variable in whose equation a node stands."""
        return self.u.node(self._position[node.serial][0])

    def shifted(self, node: Node, steps: int) -> Node | None:
        """What stands at the same place `steps` later; None if there is no such step."""
        if node.base is not None and node.name is not None:
            if node.step is None:
                return node
            name = f"{node.base}[{node.step + steps}]"
            found = self.u.nodes.get(name)
            return found if found in self.forward and found is not None and found.shape == node.shape else None
        name, way = self._position[node.serial]
        root = self.shifted(self.u.node(name), steps)
        found = self._at.get((root.name or "", way)) if root is not None else None
        return found if found is not None and found.op is node.op and found.shape == node.shape else None

    @cached_property
    def classes(self) -> dict[tuple[str, tuple[int, ...], int], list[Edge]]:
        """Edges that stand at the same place of the same equation."""
        found: dict[tuple[str, tuple[int, ...], int], list[Edge]] = {}
        for edge in self.edges:
            same = found.setdefault(edge.place, [])
            if not same or same[0].op == edge.op:  # h[0] = encoder.h[T] is another equation than that of h[t]
                same.append(edge)
        return found

    @cached_property
    def links(self) -> dict[tuple[str, str, int], list[Edge]]:
        """(source base, target base, delay) -> the edges by which the target's equation reads the source; no
        parameters."""
        found: dict[tuple[str, str, int], list[Edge]] = {}
        for edge in self.edges:
            if edge.arg.name is None or edge.arg.role in ("parameter", "input", "target", "upstream"):
                continue
            if self.u.places[edge.owner].column is not None and self.u.places[edge.arg.name].column is not None:
                found.setdefault((edge.source, edge.base, edge.delay), []).append(edge)
        return found

    @cached_property
    def carried(self) -> dict[tuple[str, str, int], list[Edge]]:
        """The links between different steps."""
        return {key: edges for key, edges in self.links.items() if key[2] != 0}

    @cached_property
    def uses(self) -> dict[str, list[Edge]]:
        """parameter -> the edges of its uses, last first."""
        found: dict[str, list[Edge]] = {name: [] for name in self.u.parameters}
        for edge in self.edges:
            if edge.arg.role == "parameter" and edge.arg.name in found:
                found[edge.arg.name].append(edge)
        return {name: edges for name, edges in found.items() if edges}

    @cached_property
    def functions(self) -> dict[tuple[str, tuple[int, ...], int], list[Edge]]:
        """Places of functions of one argument with a derivative to get wrong: tanh, σ, relu, …"""
        found = {}
        for place, edges in self.classes.items():
            op = edges[0].node.op
            assert op is not None
            if (
                op.kind == "elementwise"
                and len(edges[0].node.args) == 1
                and op.name not in ("square", "power", "neg", "identity")
            ):
                found[place] = edges
        return found

    def products(self) -> Iterator[tuple[tuple[str, tuple[int, ...], int], list[Edge]]]:
        """Places of products, matrix products included: there the derivative is the other operand."""
        for place, edges in self.classes.items():
            op = edges[0].node.op
            assert op is not None
            if op.kind == "bilinear" or op.name == "mul":
                yield place, edges

    def last(self, edges: Iterable[Edge]) -> int:
        """The last column in which some of these edges end."""
        return max((e.column for e in edges if e.column is not None), default=0)
