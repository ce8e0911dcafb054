"""Node and Graph: the one data structure of the project.

A `Node` is an operation applied to earlier nodes, or a leaf. A `Graph` is the nodes that some outputs need, in
topological order. Nothing here knows a derivative or a picture: those are readings of this structure. Nodes carry
labels of a recurrence (step, role, numbered uses); what they mean is for the rooms above.

Three properties that everything else relies on:

* Edges are ordered and may repeat: `a * a` has two edges from `a`, in slots 0 and 1.
* A node is never changed after it is made, so a graph is never destroyed by reading it, and a derivative graph is just
  more nodes.
* Every node is made after its arguments and numbered when it is made, so sorting by that number *is* a topological
  order: no walk in this project recurses, however deep the graph.

A node's `shape` is that of **one example**. `batched` says that its value differs from example to example, so that its
array has the batch in front: `(B, *shape)`. The equations never mention the batch.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from .primitive import Primitive, Traced, operation

if TYPE_CHECKING:
    import networkx


__all__ = ["Edge", "Graph", "Node", "Traced", "Use", "constant", "leaf", "needed"]

_serial = count()


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a shared parameter: the `number`-th, at `step`, as argument `slot` of `node` within the equation of
    `variable`.

    Example:
        >>> import bpttgraph as bg
        >>> use = bg.cell("rnn").unroll(3).parameters["W_hh"].uses[1]
        >>> use.number, use.step, use.variable
        (2, 2, 'h[2]')
    """

    number: int
    step: int | None
    variable: str
    node: Node
    slot: int


class Node(Traced):
    """One value: `op` applied to `args`, or a leaf (`op` is None).

    Attributes:
        op: the primitive, None for a leaf.
        args: the arguments, ordered, with repeats.
        attrs: static settings of the operation (an axis, an exponent), or the value of a constant.
        shape: shape for one example.
        batched: whether the value differs between the examples of a batch.
        name: `h[3]`, `W_hh`; None for the unnamed inside of an equation.
        base, step, role: `h`, 3 and the role of a named node (see `variables.Variable`).
        owner: name of the variable in whose equation the node stands.
        uses: for a parameter, its numbered uses.

    Example:
        >>> import bpttgraph as bg
        >>> h = bg.cell("rnn").unroll(3).node("h[2]")
        >>> h.name, h.base, h.step, h.shape, h.op.name
        ('h[2]', 'h', 2, (4,), 'tanh')
    """

    # Labels are rare (most nodes are the unnamed inside of an equation), so they have defaults here and a dict only
    # where set.
    __slots__ = ("__dict__", "args", "attrs", "op", "serial", "shape")
    shape: tuple[int, ...]
    batched: bool = False
    name: str | None = None
    base: str | None = None
    step: int | None = None
    role: str = ""
    owner: str | None = None
    uses: tuple[Use, ...] = ()

    def __init__(
        self, op: Primitive | None, args: tuple[Node, ...], attrs: dict[str, Any], shape: tuple[int, ...], batched: bool
    ):
        self.op, self.args, self.attrs, self.shape = op, args, attrs, shape
        if batched:
            self.batched = True
        self.serial = next(_serial)

    def record(self, op: Primitive, args: Sequence[Any], attrs: dict[str, Any]) -> Node:
        """A new node, `op` applied to these arguments: what an operator does."""
        return applied(op, tuple(a if isinstance(a, Node) else constant(a) for a in args), attrs)

    @property
    def is_constant(self) -> bool:
        """Whether it is a number that stands in the equations, and no value of the data."""
        return self.op is None and "value" in self.attrs

    # What `autodiff` needs to make beside a node: a Tensor makes these with values.

    def blank(self) -> Node:
        """A fresh leaf shaped like this node: an unknown small change of it."""
        return leaf("t", self.shape, batched=self.batched)

    def zeros(self) -> Node:
        """No change of this node."""
        found: Node = operation("expand")(constant(0.0), shape=self.shape)
        return found

    # Graphs travel between processes as lists of rows: see `_rows`. A Tensor has more than a Node.

    def beyond(self) -> tuple[Any, ...]:
        """What a row must hold besides what every node has."""
        return ()

    def restore(self, beyond: tuple[Any, ...]) -> None:
        """Take that back."""

    def __reduce__(self) -> Any:
        rows, place = _rows([self])
        return _nodes, (rows, place[self.serial])

    def __repr__(self) -> str:
        if self.name:
            return self.name
        if self.is_constant:
            return f"{self.attrs['value']}"
        return f"{self.op.name if self.op else 'leaf'}#{self.serial}"


def applied(op: Primitive, args: tuple[Node, ...], attrs: dict[str, Any]) -> Node:
    """The node of an operation. What changes nothing (0 + x, 1·x) makes none: a derivative is as short as one by
    hand."""
    for one, other, neutral in zip(args, args[::-1], op.neutral if len(args) == 2 else ()):
        if neutral is not None and one.is_constant and one.shape == () and one.attrs["value"] == neutral:
            return other
    shape = op.shape_of(*[a.shape for a in args], **attrs)
    if op.kind == "elementwise" or (op.signs is not None and len(args) == 2):
        args = tuple(
            a if a.is_constant or len(a.shape) == len(shape) else operation("expand")(a, shape=shape) for a in args
        )
    return Node(op, args, attrs, shape, not op.unbatching and any(a.batched for a in args))


def leaf(name: str, shape: tuple[int, ...] = (), *, batched: bool = False, role: str = "input") -> Node:
    """A named leaf: its value is given when the graph is evaluated."""
    node = Node(None, (), {}, shape, batched)
    node.name, node.base, node.role = name, name, role
    return node


def constant(value: Any) -> Node:
    """A leaf with a value of its own. Python numbers stay Python numbers, so they never widen a float32."""
    shape: tuple[int, ...] = () if isinstance(value, int | float | complex) else tuple(value.shape)
    node = Node(None, (), {"value": value}, shape, False)
    node.role = "constant"
    return node


def needed(
    outputs: Iterable[Node], since: int = -1, cut: Container[tuple[int, int, int]] = (), known: Container[Node] = ()
) -> list[Node]:
    """All nodes that `outputs` depend on, themselves included, arguments before results. Linear, no recursion.

    Leaves out nodes made before number `since`, what only edges in `cut` (source, target, slot) lead to, and what only
    `known` nodes need.
    """
    found: dict[int, Node] = {}
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node.serial not in found and node.serial >= since:
            found[node.serial] = node
            if known and node in known:
                continue
            if cut:
                stack.extend(a for i, a in enumerate(node.args) if (a.serial, node.serial, i) not in cut)
            else:
                stack.extend(node.args)
    return [found[key] for key in sorted(found)]


@dataclass(frozen=True, slots=True)
class _Row:
    """A node as it travels between processes: other nodes are places in a list, so that no depth is a recursion."""

    kind: type[Node]
    op: Any
    args: tuple[int, ...]
    attrs: dict[str, Any]
    shape: tuple[int, ...]
    labels: dict[str, Any]
    uses: tuple[tuple[Any, ...], ...]
    beyond: tuple[Any, ...]


def _rows(outputs: Iterable[Node]) -> tuple[list[_Row], dict[int, int]]:
    """The rows of all nodes that `outputs` depend on and of those that use their parameters, and the place of each by
    its number."""
    found: dict[int, Node] = {}
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node.serial not in found:
            found[node.serial] = node
            stack += [*node.args, *(use.node for use in node.uses)]
    nodes = [found[serial] for serial in sorted(found)]
    place = {node.serial: i for i, node in enumerate(nodes)}
    rows = []
    for node in nodes:
        args = tuple(place[a.serial] for a in node.args)
        uses = tuple((u.number, u.step, u.variable, place[u.node.serial], u.slot) for u in node.uses)
        labels = {k: v for k, v in node.__dict__.items() if k != "uses"}
        rows.append(_Row(type(node), node.op, args, node.attrs, node.shape, labels, uses, node.beyond()))
    return rows, place


def _nodes(rows: list[_Row], place: int | None = None) -> Any:
    """The nodes of rows, or one of them."""
    nodes: list[Node] = []
    for row in rows:
        node = row.kind.__new__(row.kind)
        node.op, node.args, node.attrs, node.shape = row.op, tuple(nodes[i] for i in row.args), row.attrs, row.shape
        node.serial = next(_serial)
        node.__dict__.update(row.labels)
        node.restore(row.beyond)
        nodes.append(node)
    for node, row in zip(nodes, rows):
        if row.uses:
            node.uses = tuple(
                Use(number, step, variable, nodes[i], slot) for number, step, variable, i, slot in row.uses
            )
    return nodes if place is None else nodes[place]


def _graph(rows: list[_Row], outputs: list[int], cuts: dict[tuple[int, int, int], Any]) -> Graph:
    nodes = _nodes(rows)
    serial = [n.serial for n in nodes]
    return Graph(
        [nodes[i] for i in outputs], {(serial[a], serial[b], slot): steps for (a, b, slot), steps in cuts.items()}
    )


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge: `source` is argument number `slot` of `target`.

    Attributes:
        source, target: names of nodes.
        slot: which argument it is.
        cut, cut_for: what truncation does to the gradient here (see `Link`).

    Example:
        >>> import bpttgraph as bg
        >>> edge = bg.cell("rnn").unroll(3).graph.edges[0]
        >>> edge.source, edge.target, edge.slot
        ('W_hh', 'h[1].1', 0)
    """

    source: str
    target: str
    slot: int
    cut: str = ""
    cut_for: tuple[int, ...] = ()


class Graph:
    """The nodes that `outputs` need, each with a stable name, and the edges between them.

    Unnamed nodes are called after the variable in whose equation they stand, `h[3].1`, `h[3].2`: the same equation
    gives the same names in every process.

    Example:
        >>> from bpttgraph.core.graph import leaf, Graph
        >>> a = leaf("a")
        >>> [(e.source, e.target, e.slot) for e in Graph([a * a]).edges]
        [('a', 'mul.1', 0), ('a', 'mul.1', 1)]
    """

    def __init__(self, outputs: Iterable[Node], cuts: dict[tuple[int, int, int], tuple[int, ...] | None] | None = None):
        self.outputs: tuple[Node, ...] = tuple(outputs)
        self.nodes: tuple[Node, ...] = tuple(needed(self.outputs))
        # (source serial, target serial, slot) -> the loss steps cut there, None for all of them
        self._cuts = cuts or {}
        self._names: dict[int, str] = {}
        counters: dict[str, int] = {}
        for node in self.nodes:
            name = node.name
            if name is None:
                owner = node.owner or (node.op.name if node.op else "constant")
                counters[owner] = counters.get(owner, 0) + 1
                name = f"{owner}.{counters[owner]}"
            self._names[node.serial] = name
        self._by_name = {self._names[node.serial]: node for node in self.nodes}

    def name(self, node: Node) -> str:
        """The stable name of a node of this graph."""
        return self._names[node.serial]

    def __reduce__(self) -> Any:
        rows, place = _rows(self.outputs)
        cuts = {
            (place[a], place[b], slot): steps for (a, b, slot), steps in self._cuts.items() if a in place and b in place
        }
        return _graph, (rows, [place[n.serial] for n in self.outputs], cuts)

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every edge, in order of its target and slot. An argument used twice gives two edges."""
        found = []
        for node in self.nodes:
            for slot, arg in enumerate(node.args):
                key = (arg.serial, node.serial, slot)
                if key in self._cuts:
                    steps = self._cuts[key]
                    cut, cut_for = ("cut", ()) if steps is None else ("partly", steps)
                else:
                    cut, cut_for = "", ()
                found.append(Edge(self.name(arg), self.name(node), slot, cut, cut_for))
        return tuple(found)

    def to_networkx(self) -> networkx.MultiDiGraph:
        """The graph as a `networkx.MultiDiGraph`; edge keys are slots, node attributes are op, shape, role, step and
        base."""
        import networkx

        graph = networkx.MultiDiGraph()
        for node in self.nodes:
            graph.add_node(
                self.name(node),
                op=node.op.name if node.op else "",
                shape=node.shape,
                role=node.role,
                step=node.step,
                base=node.base,
            )
        for edge in self.edges:
            graph.add_edge(edge.source, edge.target, key=edge.slot, slot=edge.slot, cut=edge.cut, cut_for=edge.cut_for)
        return graph
