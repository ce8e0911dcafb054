"""The graph of a recurrence over T steps: named nodes, links and cuts, what data it needs, and its schedule over
time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..core.graph import Graph, Node
from ..core.variables import Link, VariableGraph
from ..equations.admission import Slot
from ..equations.custom import subscripted
from ..equations.extent import check_numbers
from ..equations.functions import canonical
from ..equations.model import Recurrence
from ..equations.settings import Settings
from ..errors import BPTTError
from ..schedule.needs import needs
from ..schedule.system import System, Unsuited
from .links import Links
from .nodes import Head, Nodes, Place

if TYPE_CHECKING:
    from ..facade import Unrolled
    from ..schedule import Schedule

__all__ = ["UnrolledGraph"]


class UnrolledGraph(Settings):
    """Settings with the graph that they lead to: what all readings start from.

    What was asked for stands in its `Settings`; the graph is built when somebody asks for a part of it.

    Attributes:
        system: the equations as the schedule over time sees them, None where there is no schedule: `not_scheduled` says
            why.
        kept: what readings of this graph keep beside it, by a key of their own, as its symbolic derivations.
    """

    def __init__(self, rec: Recurrence, **options: Any):
        super().__init__(rec, **options)
        check_numbers(self, computed=False)
        self.system: System | None = None
        self.not_scheduled = ""
        self.kept: dict[tuple[Any, ...], Any] = {}
        try:
            self.system = System(self)
        except (Unsuited, BPTTError) as reason:  # a mistake in the equations is reported by building, with its step
            self.not_scheduled = str(reason)
            _ = self.built

    @cached_property
    def built(self) -> Nodes:
        """The nodes. Runs that follow the schedule do without them."""
        return Nodes(self)

    @cached_property
    def _links(self) -> Links:
        return Links(self.built)

    # -- the graph ----------------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> dict[str, Node]:
        """The named nodes, by name."""
        return self.built.nodes

    @property
    def places(self) -> dict[str, Place]:
        """Where each named node stands."""
        return self.built.places

    @property
    def leaves(self) -> dict[str, list[tuple[int | None, Node]]]:
        """By key of the data: its rows and their nodes."""
        return self.built.leaves

    @property
    def parameters(self) -> dict[str, Node]:
        """Name -> the one shared node, in order of first appearance."""
        return self.built.parameters

    @property
    def heads(self) -> tuple[Head, ...]:
        """The losses that count."""
        return self.built.heads

    @property
    def total(self) -> str:
        """The name of the sum (or mean) of the losses."""
        return self.built.total

    @property
    def weight(self) -> float:
        """1, or 1/N for the mean of N losses."""
        return self.built.weight

    @property
    def order_of_names(self) -> list[str]:
        """Names of all variables, arguments before results."""
        return self.built.order_of_names

    @property
    def graph(self) -> Graph:
        """Every node and edge; the outputs are the total loss and whatever nothing else reads."""
        return self._links.graph

    @cached_property
    def vgraph(self) -> VariableGraph:
        """The graph at the level of named variables, for pictures and derivations."""
        return self._links.vgraph

    @property
    def links(self) -> tuple[Link, ...]:
        """Who reads whom at the level of named variables."""
        return self._links.links

    @property
    def cuts(self) -> dict[tuple[str, str], range]:
        """(source, target) -> columns of the losses whose gradient does not pass from target back to source."""
        return self._links.cuts

    @property
    def edge_cuts(self) -> dict[tuple[int, int, int], range]:
        """The cuts on the edges of the primitive graph: (source serial, target serial, slot) -> columns of losses."""
        return self._links.edge_cuts

    def node(self, name: str) -> Node:
        """The node of a named variable, such as `h[3]`."""
        return self.built.node(name)

    def column(self, name: str) -> int | None:
        """Where a variable stands in global time."""
        return self.built.column(name)

    def use_step(self, node: Node) -> int | None:
        """The step at which a node uses its arguments, as the (t, k) triangle counts (see `Nodes.use_step`)."""
        return self.built.use_step(node)

    @property
    def carried(self) -> set[str]:
        """The states that an equation takes over linearly, entry by entry."""
        return self._links.carried

    def cut(self, source: str, target: str) -> tuple[str, tuple[int, ...]]:
        """How truncation cuts a link (see `Links.cut`)."""
        return self._links.cut(source, target)

    def blocked(self, link: Link, loss_step: int) -> bool:
        """Whether truncation cuts a link for the loss of a step."""
        return self._links.blocked(link, loss_step)

    # -- the readings --------------------------------------------------------------------------------------------------

    @cached_property
    def spellings(self) -> dict[str, str]:
        """What answers may call the variables and the data: their names as they are, in one spelling (`canonical`), and
        h0 or h_0 for h[0]."""
        exact = {n: n for n in (*self.nodes, *self.leaves)}
        known = {canonical(n): n for n in exact}
        initial = {k: n for k, n in known.items() if k.endswith("[0]")}
        apart = {subscripted(k): n for k, n in known.items()}
        return {
            **apart,
            **{k.replace("[", sep).replace("]", ""): n for sep in ("_", "") for k, n in initial.items()},
            **known,
            **exact,
        }

    @cached_property
    def slots(self) -> dict[str, Slot]:
        """What the data of a run consist of, by key."""
        if self.system is not None:
            return needs(self.system)
        classes = self._class_nodes()
        found = {}
        for key, rows in self.leaves.items():
            node = rows[0][1]
            length = None if rows[0][0] is None else self.steps.get(self.places[node.name or ""].block, self.columns)
            found[key] = Slot(
                node.role, node.shape, length, len(node.shape) == 1 and any(n.serial in classes for _, n in rows)
            )
        return found

    def _class_nodes(self) -> set[int]:
        """Leaves that a cross entropy compares with, and inputs that are only multiplied with matrices: whole numbers
        there are classes."""
        found: set[int] = set()
        other: set[str] = set()
        for node in self.graph.nodes if self.inputs == "every" else ():
            for slot, arg in enumerate(node.args):
                if arg.role == "input":
                    if slot == 1 and node.op is not None and node.op.name == "matvec":
                        found.add(arg.serial)
                    else:
                        other.add(arg.base or "")
        found -= {n.serial for rows in self.leaves.values() for row, n in rows if row is None or n.base in other}
        compared = (n.args[1] for n in self.graph.nodes if n.op is not None and n.op.name == "cross_entropy")
        return found | {n.serial for n in compared}

    @cached_property
    def schedule(self) -> Schedule:
        """How loss and gradients are computed: what stands before, in and after the loop over time
        (`schedule.explain()`)."""
        from ..schedule import Schedule

        return Schedule(self, self.system, self.not_scheduled)

    def over(self, steps: Any, sizes: Any) -> Unrolled:
        """The same recurrence and options over other steps; of the losses chosen, those of these steps, or the last."""
        last = steps[self.loss_block] if isinstance(steps, Mapping) else steps
        chosen = self.recurrence.counted == "every" and len(self.loss_steps) < self.steps[self.loss_block]
        at_end = self.loss_steps == (self.steps[self.loss_block],)
        left = [] if at_end else [s for s in self.loss_steps if s <= last]
        truncate = self.truncation.name if self.truncation is not None else None
        loss: Any = "every" if not chosen else left or "last"
        return self.recurrence.unroll(steps, loss, sizes, truncate, self.inputs, self.reduce)
