"""The nodes of an unrolled recurrence: one node a value, named as in the lecture (`h[3]`), one node a parameter with
numbered uses."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from ..core import primitives as P
from ..core.graph import Node, Use, constant, leaf, needed
from ..equations.definitions import Component, Definition
from ..equations.expressions import build, named_parts
from ..equations.extent import check_nodes
from ..equations.settings import Settings
from ..equations.syntax import Expr, Index, Name, Reduce
from ..equations.trees import names_in
from ..errors import BPTTError, expect, nearest

__all__ = ["Head", "Nodes", "Place", "carries", "interior_edges", "no_collection"]


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause Python's search for reference cycles: graphs have none, and it would walk the growing graph again and
    again."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Head:
    """A loss of one step: its step within its block, its column in global time, and its variable."""

    step: int
    column: int
    name: str


@dataclass(slots=True)
class Place:
    """Where a named node stands."""

    base: str
    step: int | None
    block: str | None
    column: int | None
    role: str


class Nodes:
    """What unrolling builds.

    Attributes:
        nodes, places: by name, the node of a variable and where it stands. leaves: by key of the data, its rows and
            nodes.
        heads: the losses that count. total: the name of their sum (or mean). weight: 1, or 1/N for the mean of N
            losses.
        parameters: name -> the one shared node, in order of first appearance. ends: what nothing reads, without the
            total.
    """

    def __init__(self, settings: Settings):
        check_nodes(settings)
        self.settings = settings
        self.places: dict[str, Place] = {}
        self.nodes: dict[str, Node] = {}
        self.leaves: dict[str, list[tuple[int | None, Node]]] = {}
        self._only_shapes = False  # names stand for their shapes: what a sum of no terms would have looked like
        with no_collection():
            for part in settings.order:
                self._build(part)
            self._finish()

    def _build(self, part: Component) -> None:
        rec = self.settings.recurrence
        every = [d for d in part.definitions if d.kind == "every"]
        if not every:
            for d in part.definitions:
                if d.kind == "fixed" and d.index is not None:
                    step = self.settings.fixed_step(d)
                    self._define(d, step - d.index.offset, step)
                elif d.bases[0] != rec.total:
                    self._define(d, None, None)
            return
        blocks = {d.block for d in every}
        last = max(self.settings.steps[b] for b in blocks if b in self.settings.steps)
        counted = set(self.settings.loss_steps)
        times = range(1, last + 1) if part.direction > 0 else range(last, 0, -1)
        for t in times:
            for d in part.definitions:
                if d.bases[0] in self.settings.loss_bases and t not in counted:
                    continue
                if (d.bases[0], t + d.offset) in self.settings.overridden:
                    continue
                self._define(d, t, t + d.offset)

    def _define(self, d: Definition, t: int | None, step: int | None) -> None:
        """Build the node (or, for an unpacked stack, the nodes) that an equation defines at one step."""
        try:
            node = self._expression(self.settings.right(d), d, t, {})
        except BPTTError as error:
            if error.span is None:
                raise BPTTError(f"{error.message} (in {d.text}, step {t})", error.hint,
                                text=self.settings.recurrence.text, span=d.right.span) from None  # fmt: skip
            raise
        for base, value in named_parts(node, d.bases, self.settings.shapes):
            column = None if t is None else self._column(d, t, step)
            role = "initial" if d.kind == "fixed" and self.settings.is_initial(d) else "value"
            self._register(value, base, step, d.block, column, role)

    def _column(self, d: Definition, t: int, step: int | None) -> int:
        if d.kind == "fixed" and step is not None:
            t = step
        return self.settings.offset.get(d.block, 0) + t

    def _register(
        self, node: Node, base: str, step: int | None, block: str | None, column: int | None, role: str
    ) -> None:
        name = base if step is None else f"{base}[{step}]"
        node.name, node.base, node.step, node.role = name, base, step, role
        self.nodes[name] = node
        self.places[name] = Place(base, step, block, column, role)
        stack = list(node.args)
        node.owner = name
        while stack:  # whatever unnamed node was made for this equation belongs to it
            inner = stack.pop()
            if inner.name is None and inner.owner is None:
                inner.owner = name
                stack.extend(inner.args)

    def _value(self, base: str, step: int, block: str | None) -> Node:
        """The node of a variable at a step: built already, or an input, or a state before its first step."""
        name = f"{base}[{step}]"
        if name in self.nodes:
            return self.nodes[name]
        rec = self.settings.recurrence
        defined = any(base in d.bases for d in self.settings.definitions if d.kind == "every")
        last = self.settings.steps.get(block, self.settings.columns)
        inside = 1 <= step <= last
        role = "initial" if defined else "target" if base in rec.targets else "input"
        if (
            not defined
            and self.settings.inputs == "first"
            and step != 1
            and role == "input"
            and (not rec.blocks or block == rec.blocks[-1])
        ):
            node = (
                P.expand(constant(0.0), shape=self.settings.shapes[base])
                if self.settings.shapes[base]
                else P.identity(constant(0.0))
            )
        else:
            node = leaf(name, self.settings.shapes[base], batched=True, role=role)
            key = base if inside and not defined else name
            self.leaves.setdefault(key, []).append((step - 1 if key == base else None, node))
        self._register(node, base, step, block, self.settings.offset.get(block, 0) + step, role)
        found: Node = node
        return found

    def _parameter(self, key: str, block: str | None) -> Node:
        if key not in self.nodes:
            node = leaf(key, self.settings.shapes[key], role="parameter")
            self.leaves[key] = [(None, node)]
            self._register(node, key, None, block, None, "parameter")
        return self.nodes[key]

    def _expression(self, e: Expr, d: Definition, t: int | None, bound: dict[str, int]) -> Node:
        """An equation's right side as nodes, at step t."""
        return build(
            e,
            lambda name: self._name(name, d, t, bound),
            lambda r: self._reduce(r, d, t, bound),
            self.settings.shapes[d.bases[0]],
        )

    def _name(self, e: Name, d: Definition, t: int | None, bound: dict[str, int]) -> Node:
        rec = self.settings.recurrence
        key = rec.key(e, d.block)
        if self._only_shapes:
            return leaf(key, self.settings.shapes[key])
        if e.index is None:
            return self.nodes[key] if key in rec.once else self._parameter(key, e.block or d.block)
        block = (rec.every[key].block if key in rec.every else e.block or d.block) if rec.blocks else None
        last = self.settings.steps.get(block, self.settings.columns)
        v = e.index.variable
        start = 0 if v is None else last if v == "T" else bound.get(v, t)
        assert start is not None
        return self._value(key, start + e.index.offset, block)

    def _reduce(self, e: Reduce, d: Definition, t: int | None, bound: dict[str, int]) -> Node:
        names = [n for n, _ in names_in(e.body) if n.index]
        last = self.settings.steps.get(next((n.block for n in names if n.block), d.block), self.settings.columns)

        def place(index: Index | None, default: int) -> int:
            if index is None:
                return default
            base = 0 if index.variable is None else {"T": last, "t": t or 0, **bound}.get(index.variable)
            if base is None:
                raise BPTTError(f"the step {index.variable} is not known here", "write a number, t or T",
                                text=self.settings.recurrence.text, span=e.span)  # fmt: skip
            return base + index.offset

        result: Node | None = None
        for k in range(place(e.lower, 1), place(e.upper, last) + 1):
            term = self._expression(e.body, d, t, {**bound, e.variable: k})
            if t is None:  # a sum in the total: what stands in a term belongs to the step of the term
                term = P.identity(term) if term.role == "parameter" else term
                stack = [term]
                while stack:
                    node = stack.pop()
                    if node.name is None and node.step is None and node.op is not None:
                        node.step = k
                        stack += node.args
            result = term if result is None else (result * term if e.kind == "prod" else result + term)
        if result is None:  # of no terms
            self._only_shapes = True
            try:
                shape = self._expression(e.body, d, t, {**bound, e.variable: 0}).shape
            finally:
                self._only_shapes = False
            result = P.expand(constant(1.0 if e.kind == "prod" else 0.0), shape=shape)
        return result

    def _finish(self) -> None:
        rec = self.settings.recurrence
        total = rec.total
        self.weight = 1.0
        if total is not None and rec.sums_outputs:
            self._define(rec.once[total], None, None)
            step = self.settings.steps[self.settings.loss_block]
            self.total = total
            self.heads: tuple[Head, ...] = (Head(step, self.settings.columns, total),)
            self.places[total].role = "total"
        else:
            losses = list(rec.losses)
            if self.settings.generic:
                losses = [self._generic_losses()]
            missing = next((b for b in losses if b not in rec.every and not self.settings.generic), None)
            if missing is not None:
                example = f"{missing}[t] = cross_entropy(y[t], target[t])"
                raise BPTTError(f"no line defines the loss {missing}[t]", f"add {example}, for example")
            wanted = [(b, s) for s in self.settings.loss_steps for b in losses]
            shift = {b: rec.every[b].offset for b in losses if b in rec.every}
            if self.settings.generic:  # a loss made by us stands beside the output that it reads
                shift[losses[0]] = self.settings.generic_offset
            heads = [(b, s, f"{b}[{s + shift.get(b, 0)}]") for b, s in wanted]
            block = self.settings.loss_block
            self.heads = tuple(
                Head(s, self.settings.offset.get(block, 0) + s, name) for b, s, name in heads if name in self.nodes
            )
            if not self.heads:
                raise BPTTError("there is no loss at the chosen steps", "choose other loss steps")
            summed: Node = self.nodes[self.heads[0].name]
            for head in self.heads[1:]:
                summed = summed + self.nodes[head.name]
            self.weight = self.settings.loss_weight
            if self.settings.reduce == "mean":
                summed = summed * self.weight
            self.total = total or losses[0]
            self._register(summed if summed.name is None else P.identity(summed), self.total, None, None, None, "total")
            for head in self.heads:
                self.places[head.name].role = "loss"
        self._roles()
        used = {a.serial for n in self.nodes.values() for a in n.args}
        ends = [n for name, n in self.nodes.items() if n.serial not in used and name != self.total]
        order = needed([*ends, self.nodes[self.total]])
        self.parameters = {n.name: n for n in order if n.role == "parameter" and n.name}
        self._number_uses(order)
        self.ends = ends

    def _generic_losses(self) -> str:
        """A recurrence without a loss: E[t] = ⟨∂E/∂y[t], y[t]⟩ with ∂E/∂y given, so that every output has an upstream
        gradient."""
        rec = self.settings.recurrence
        base = self.settings.generic_name
        outputs = rec.outputs
        block = self.settings.loss_block
        if not outputs:
            raise BPTTError(
                "no equation has a step t on its left: there is nothing to unroll",
                "write h[t] = … for what a step computes",
            )
        for s in self.settings.loss_steps:
            parts = []
            for out in outputs:
                d = rec.every[out]
                source = self.nodes.get(f"{out}[{s + d.offset}]")
                if source is None:
                    continue
                key = self.settings.upstream_name(out)
                given = leaf(f"{key}[{source.step}]", source.shape, batched=True, role="upstream")
                self.settings.shapes.setdefault(key, source.shape)
                self.leaves.setdefault(key, []).append((s - 1, given))
                self._register(given, key, source.step, d.block, self.settings.offset.get(d.block, 0) + s, "upstream")
                parts.append(P.dot(given, source) if len(source.shape) == 1 else P.total(given * source))
            if parts:
                value = parts[0]
                for part in parts[1:]:
                    value = value + part
                self._register(
                    value, base, s + self.settings.generic_offset, block, self.settings.offset.get(block, 0) + s, "loss"
                )
        return base

    def _roles(self) -> None:
        rec = self.settings.recurrence
        states, outputs = set(rec.states), set(rec.outputs)
        for name, place in self.places.items():
            if place.role == "value":
                place.role = (
                    "state"
                    if place.base in states
                    else "output"
                    if place.base in outputs and place.step is not None
                    else "value"
                )
            self.nodes[name].role = place.role

    def _number_uses(self, order: list[Node]) -> None:
        uses: dict[str, list[Use]] = {name: [] for name in self.parameters}
        for node in order:
            for slot, arg in enumerate(node.args):
                if arg.role == "parameter" and arg.name:
                    owner = node.name or node.owner or ""
                    place = self.places.get(owner)
                    step = (
                        place.column - self.settings.offset.get(place.block, 0)
                        if place and place.column is not None
                        else None
                    )
                    uses[arg.name].append(Use(0, step, owner, node, slot))
        for name, found in uses.items():
            found.sort(key=lambda u: (u.step is not None, u.step or 0))
            self.parameters[name].uses = tuple(
                Use(i + 1, u.step, u.variable, u.node, u.slot) for i, u in enumerate(found)
            )

    def node(self, name: str) -> Node:
        """The node of a named variable, such as `h[3]`."""
        expect(name, str, "the name of a variable", 'write a name such as "h[3]"')
        if name not in self.nodes:
            raise BPTTError(f"there is no variable {name}", nearest(name, list(self.nodes)))
        return self.nodes[name]

    def use_step(self, node: Node) -> int | None:
        """The step at which a node uses its arguments, as the (t, k) triangle counts; None within a value that has no
        step.

        What stands before the first step counts with the first; what stands after the last, or outside of the sums of a
        value that is made of all steps, such as a total of one's own, with the last.
        """
        owner = node.name or node.owner or ""
        if owner in self.made_of_steps:
            return node.step or self.heads[-1].step
        place = self.places.get(owner)
        if place is None or place.column is None:
            return None
        return min(
            max(place.column - self.settings.offset.get(place.block, 0), 1),
            self.settings.steps.get(place.block, self.settings.columns),
        )

    @cached_property
    def made_of_steps(self) -> set[str]:
        """Values without a step that read values of steps: the total, or m = sum_t h[t]."""
        found: set[str] = set()
        for name in self.order_of_names:
            if self.places[name].column is None:
                sources = [s.name or "" for s, _, _ in interior_edges(self.nodes[name])]
                if any(s in found or self.places[s].column is not None for s in sources):
                    found.add(name)
        return found

    def column(self, name: str) -> int | None:
        """Where a variable stands in global time."""
        return self.places[name].column

    @cached_property
    def order_of_names(self) -> list[str]:
        """Names of all variables, arguments before results."""
        return [n.name for n in needed([*self.ends, self.nodes[self.total]]) if n.name is not None]


def interior_edges(target: Node) -> list[tuple[Node, Node, int]]:
    """The edges by which a variable's equation reads named variables, as (source, consumer, slot), in order of
    appearance."""
    found: list[tuple[Node, Node, int]] = []
    stack, seen = [target], {target.serial}
    while stack:
        node = stack.pop()
        inner = []
        for slot, arg in enumerate(node.args):
            if arg.name is not None:
                found.append((arg, node, slot))
            elif arg.serial not in seen:
                seen.add(arg.serial)
                inner.append(arg)
        stack.extend(reversed(inner))
    return found


def carries(target: Node, source: Node) -> bool:
    """Whether `target` takes `source` over linearly, entry by entry (c[t-1] in c[t] = f∘c[t-1] + i∘g)."""
    linear = ("add", "sub", "neg", "mul", "identity", "expand")
    stack = [target]
    while stack:
        node = stack.pop()
        if node.op is None or node.op.name not in linear:
            continue
        for arg in node.args:
            if arg is source:
                return True
            if arg.name is None:
                stack.append(arg)
    return False
