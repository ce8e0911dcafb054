"""Unrolled: the computation graph of T steps.

One node a value, named as in the lecture (`h[3]`); one node a parameter, with its uses numbered in order of time. Truncation does
not change the graph: it is a set of edges that the gradient of some or all losses does not pass, visible as `edge.cut`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from operator import index
from typing import TYPE_CHECKING, Any

from .. import primitives as P
from ..errors import BPTTError, expect, nearest
from ..graph import Graph, Node, Use, constant, leaf, needed
from ..variables import Link, Variable, VariableGraph
from .admission import Slot
from .expressions import build, named_parts
from .extent import check_nodes, check_numbers
from .functions import canonical
from .model import Component, Definition, Recurrence, calls, components, names_in
from .schedule.needs import needs
from .schedule.system import System, Unsuited
from .shapes import infer
from .syntax import Equation, Expr, Index, Name, Reduce
from .truncation import Truncation, parse_truncation

if TYPE_CHECKING:
    from ..flow import Flow
    from .numbers import Run
    from .schedule import Schedule
    from .schedule.chunks import Stepper

__all__ = ["Head", "Unrolled", "infer_shapes"]

_MAX_STEPS = 1_000_000


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause Python's search for reference cycles: graphs have none, and it would walk the growing graph again and again."""
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
class _Place:
    """Where a named node stands."""

    base: str
    step: int | None
    block: str | None
    column: int | None
    role: str


def _key(rec: Recurrence, block: str | None, name: Name) -> str:
    return rec.key(name, block)


def infer_shapes(
    rec: Recurrence, sizes: Mapping[str, Any] | int | None, extra: list[Definition] | None = None
) -> dict[str, tuple[int, ...]]:
    """The shape of every name of a recurrence."""
    equations: list[tuple[list[str], Expr, Callable[[Name], str], str]] = []
    for d in [*rec.definitions, *(extra or [])]:
        equations.append((list(d.bases), d.right, partial(_key, rec, d.block), d.text))
    names = list(dict.fromkeys([*rec.inputs, *[b for d in rec.definitions for b in d.bases], *rec.parameters]))
    total = rec.total
    scalars = {*([total] if total else []), *(() if rec.sums_outputs else rec.losses)}
    vectors = [n for n in names if n in rec.inputs or n in rec.defined]
    return infer(equations, rec.text, sizes, scalars, vectors, names)


class Unrolled:
    """A recurrence unrolled over T steps. Make one with `Recurrence.unroll`.

    Attributes:
        graph: every node and edge. parameters: name -> the one shared node, in order of first appearance.
        heads: the losses that count. total: the name of their sum (or mean). weight: 1, or 1/N for the mean of N losses.
        vgraph: the graph at the level of named variables. conventions: what was chosen, in words.
    """

    def __init__(self, rec: Recurrence, *, steps: Any, loss: Any, sizes: Any, truncate: Any, inputs: str, reduce: str):
        self.recurrence = rec
        self.inputs, self.reduce, self.given_sizes = inputs, reduce, sizes
        self.steps = self._read_steps(steps)
        self.truncation: Truncation | None = parse_truncation(truncate)
        for what, given in (("inputs", inputs), ("reduce", reduce)):
            expect(given, str, what, f'write {what}="{"every" if what == "inputs" else "sum"}"')
        if inputs not in ("every", "first", "feedback"):
            raise BPTTError(f"inputs={inputs!r} is not known", 'write "every", "first" or "feedback"')
        if reduce not in ("sum", "mean"):
            raise BPTTError(f"reduce={reduce!r} is not known", 'write "sum" or "mean"')
        self.offset: dict[str | None, int] = {}
        column = 0
        for block in rec.blocks or (None,):
            self.offset[block] = column
            column += self.steps[block]
        self.offset.setdefault(None, 0)
        self.columns = column
        self.definitions, self.order = self._system()
        self.shapes = infer_shapes(rec, sizes, [d for d in self.definitions if d not in rec.definitions])
        self.sizes = dict(self.shapes)
        check_numbers(self, computed=False)
        self.loss_steps = self._read_loss(rec.choose(loss, reduce))
        self._loss_bases = () if rec.sums_outputs else rec.losses
        self.generic = not rec.sums_outputs and not rec.losses
        self.system: System | None = None
        self.not_scheduled = ""
        try:
            self.system = System(self)
        except (Unsuited, BPTTError) as reason:  # a mistake in the equations is reported by unrolling, with its step
            self.not_scheduled = str(reason)
            self._unroll()

    def _unroll(self) -> None:
        """Build the graph. Runs that follow the schedule do without it."""
        check_nodes(self)
        self._places: dict[str, _Place] = {}
        self._nodes: dict[str, Node] = {}
        self.leaves: dict[str, list[tuple[int | None, Node]]] = {}
        self._only_shapes = False  # names stand for their shapes: what a sum of no terms would have looked like
        with no_collection():
            for part in self.order:
                self._build(part)
            self._finish()

    def __reduce__(self) -> Any:
        """What travels to another process is the recipe: the recurrence and the options, of any number of steps."""
        steps = self.steps if self.recurrence.blocks else self.steps[None]
        rule = self.truncation.name if self.truncation is not None else None
        return _again, (self.recurrence, steps, list(self.loss_steps), self.given_sizes, rule, self.inputs, self.reduce)

    def __getattr__(self, name: str) -> Any:
        # only reached for what is not there yet: the graph is built when somebody asks for a part of it
        if name not in _FROM_GRAPH or "_places" in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._unroll()
        return getattr(self, name)

    # -- reading the options ------------------------------------------------------------------------------------------

    def _read_steps(self, steps: Any) -> dict[str | None, int]:
        rec = self.recurrence
        blocks: tuple[str | None, ...] = rec.blocks or (None,)
        if steps is None:
            steps = rec.steps_hint or rec.folded_steps or 3
        given = dict(steps) if isinstance(steps, Mapping) else dict.fromkeys(blocks, steps)
        unknown = [b for b in given if b not in blocks]
        if unknown:
            named = ", ".join(b for b in blocks if b)
            fix = f"the blocks are {named}" if named else f"these equations have no blocks: write steps={given[unknown[0]]}"
            raise BPTTError(f"steps: there is no block {unknown[0]}", fix)
        for block in blocks:
            n = given.setdefault(block, 3)
            if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= _MAX_STEPS:
                raise BPTTError(f"steps={n!r}: a recurrence is unrolled over at least 1 step (at most {_MAX_STEPS:,})", "write steps=3")
        hint = rec.steps_hint
        if hint > given[blocks[-1]]:
            raise BPTTError(f"the equations name step {hint}, but there are {given[blocks[-1]]} steps", f"write steps={hint}")
        return given

    def _read_loss(self, loss: Any) -> tuple[int, ...]:
        last = self.steps[self._loss_block]
        if loss == "every":
            return tuple(range(1, last + 1))
        if loss == "last":
            return (last,)
        try:
            steps = sorted({index(s) for s in loss}) if not isinstance(loss, str | int) else [int(s) for s in str(loss).split(",")]
        except (TypeError, ValueError):
            raise BPTTError(f"loss={loss!r} is not a choice of steps", 'write "every", "last", or steps such as [2, 3]') from None
        bad = [s for s in steps if not 1 <= s <= last]
        if bad or not steps:
            raise BPTTError(f"loss step {bad[0] if bad else loss!r} is outside the steps 1 to {last}",
                            f"choose steps from 1 to {last}, or more steps")  # fmt: skip
        return tuple(sorted(set(steps)))

    @property
    def _loss_block(self) -> str | None:
        rec = self.recurrence
        for base in (*rec.losses, *rec.outputs):
            if base in rec.every:
                return rec.every[base].block if rec.blocks else None
        return rec.blocks[-1] if rec.blocks else None

    def _system(self) -> tuple[list[Definition], list[Component]]:
        """The definitions in force: those of the equations, plus `x[t+1] = y[t]` for every input that is fed back."""
        rec = self.recurrence
        definitions = list(rec.definitions)
        if self.inputs != "feedback":
            return definitions, rec.order
        last = rec.blocks[-1] if rec.blocks else None
        fed = [i for i in rec.inputs if i not in rec.targets and (last is None or i.startswith(f"{last}."))]
        outputs = [o for o in rec.outputs if last is None or o.startswith(f"{last}.")]
        if not fed or not outputs:
            raise BPTTError("there is no input, or no output to feed back into it", "use inputs=\"every\"")
        if len(fed) > 1:
            raise BPTTError(f"several inputs ({', '.join(fed)}): which one is fed back?",
                            f"write the feedback as an equation: {fed[0]}[t+1] = …")  # fmt: skip
        (target,), source = fed, outputs[-1]
        d = rec.every[source]
        span = d.equation.span
        text = f"{target.rpartition('.')[2]}[t+1] = {source.rpartition('.')[2]}[t{'+1' if d.offset else ''}]"
        left = Name(target.rpartition(".")[2], Index("t", 1), span)
        right = Name(source.rpartition(".")[2], Index("t", d.offset), span)
        definitions.append(Definition((target,), "every", 1, left.index, right, Equation((left,), right, span, text, last), last))
        return definitions, components(definitions, rec.find_reads(definitions), rec.text)

    # -- building -----------------------------------------------------------------------------------------------------

    def _build(self, part: Component) -> None:
        rec = self.recurrence
        every = [d for d in part.definitions if d.kind == "every"]
        if not every:
            for d in part.definitions:
                if d.kind == "fixed" and d.index is not None:
                    step = self._fixed_step(d)
                    self._define(d, step - d.index.offset, step)
                elif d.bases[0] != rec.total:
                    self._define(d, None, None)
            return
        blocks = {d.block for d in every}
        last = max(self.steps[b] for b in blocks if b in self.steps)
        counted = set(self.loss_steps)
        times = range(1, last + 1) if part.direction > 0 else range(last, 0, -1)
        for t in times:
            for d in part.definitions:
                if d.bases[0] in self._loss_bases and t not in counted:
                    continue
                if (d.bases[0], t + d.offset) in self._overridden:
                    continue
                self._define(d, t, t + d.offset)

    @cached_property
    def _overridden(self) -> set[tuple[str, int]]:
        return {(base, self._fixed_step(d)) for d in self.recurrence.definitions if d.kind == "fixed" for base in d.bases}

    def _fixed_step(self, d: Definition) -> int:
        """The step that an equation for one step defines."""
        assert d.index is not None
        last = self.steps.get(d.block, self.steps.get(None, 0))
        return d.index.offset + (last if d.index.variable == "T" else 0)

    def is_inside(self, d: Definition) -> bool:
        """Whether an equation for one step stands in the place of the one for every step."""
        return d.bases[0] in self.recurrence.every and not self.is_initial(d)

    def is_initial(self, d: Definition) -> bool:
        """Whether an equation for one step gives a state before the first step or after the last: c[1] where the others are c[t+1] = …"""
        every = self.recurrence.every.get(d.bases[0])
        step = self._fixed_step(d) - (every.offset if every is not None else 0)
        return not 1 <= step <= self.steps.get(d.block, self.columns)

    def _define(self, d: Definition, t: int | None, step: int | None) -> None:
        """Build the node (or, for an unpacked stack, the nodes) that an equation defines at one step."""
        try:
            node = self._expression(d.right, d, t, {})
        except BPTTError as error:
            if error.span is None:
                raise BPTTError(f"{error.message} (in {d.text}, step {t})", error.hint,
                                text=self.recurrence.text, span=d.right.span) from None  # fmt: skip
            raise
        for base, value in named_parts(node, d.bases, self.shapes):
            column = None if t is None else self._column(d, t, step)
            role = "initial" if d.kind == "fixed" and self.is_initial(d) else "value"
            self._register(value, base, step, d.block, column, role)

    def _column(self, d: Definition, t: int, step: int | None) -> int:
        if d.kind == "fixed" and step is not None:
            t = step
        return self.offset.get(d.block, 0) + t

    def _register(self, node: Node, base: str, step: int | None, block: str | None, column: int | None, role: str) -> None:
        name = base if step is None else f"{base}[{step}]"
        node.name, node.base, node.step, node.role = name, base, step, role
        self._nodes[name] = node
        self._places[name] = _Place(base, step, block, column, role)
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
        if name in self._nodes:
            return self._nodes[name]
        rec = self.recurrence
        defined = any(base in d.bases for d in self.definitions if d.kind == "every")
        last = self.steps.get(block, self.columns)
        inside = 1 <= step <= last
        role = "initial" if defined else "target" if base in rec.targets else "input"
        if not defined and self.inputs == "first" and step != 1 and role == "input" and (not rec.blocks or block == rec.blocks[-1]):
            node = P.expand(constant(0.0), shape=self.shapes[base]) if self.shapes[base] else P.identity(constant(0.0))
        else:
            node = leaf(name, self.shapes[base], batched=True, role=role)
            key = base if inside and not defined else name
            self.leaves.setdefault(key, []).append((step - 1 if key == base else None, node))
        self._register(node, base, step, block, self.offset.get(block, 0) + step, role)
        return node

    def _parameter(self, key: str, block: str | None) -> Node:
        if key not in self._nodes:
            node = leaf(key, self.shapes[key], role="parameter")
            self.leaves[key] = [(None, node)]
            self._register(node, key, None, block, None, "parameter")
        return self._nodes[key]

    def _expression(self, e: Expr, d: Definition, t: int | None, bound: dict[str, int]) -> Node:
        """An equation's right side as nodes, at step t."""
        return build(e, lambda name: self._name(name, d, t, bound), lambda r: self._reduce(r, d, t, bound), self.shapes[d.bases[0]])

    def _name(self, e: Name, d: Definition, t: int | None, bound: dict[str, int]) -> Node:
        rec = self.recurrence
        key = rec.key(e, d.block)
        if self._only_shapes:
            return leaf(key, self.shapes[key])
        if e.index is None:
            return self._nodes[key] if key in rec.once else self._parameter(key, e.block or d.block)
        block = (rec.every[key].block if key in rec.every else e.block or d.block) if rec.blocks else None
        last = self.steps.get(block, self.columns)
        v = e.index.variable
        start = 0 if v is None else last if v == "T" else bound.get(v, t)
        assert start is not None
        return self._value(key, start + e.index.offset, block)

    def _reduce(self, e: Reduce, d: Definition, t: int | None, bound: dict[str, int]) -> Node:
        names = [n for n, _ in names_in(e.body) if n.index]
        last = self.steps.get(next((n.block for n in names if n.block), d.block), self.columns)

        def place(index: Index | None, default: int) -> int:
            if index is None:
                return default
            base = 0 if index.variable is None else {"T": last, "t": t or 0, **bound}.get(index.variable)
            if base is None:
                raise BPTTError(f"the step {index.variable} is not known here", "write a number, t or T",
                                text=self.recurrence.text, span=e.span)  # fmt: skip
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
        rec = self.recurrence
        total = rec.total
        self.weight = 1.0
        if total is not None and rec.sums_outputs:
            self._define(rec.once[total], None, None)
            step = self.steps[self._loss_block]
            self.total = total
            self.heads: tuple[Head, ...] = (Head(step, self.columns, total),)
            self._places[total].role = "total"
        else:
            losses = list(rec.losses)
            if self.generic:
                losses = [self._generic_losses()]
            missing = next((b for b in losses if b not in rec.every and not self.generic), None)
            if missing is not None:
                example = f"{missing}[t] = cross_entropy(y[t], target[t])"
                raise BPTTError(f"no line defines the loss {missing}[t]", f"add {example}, for example")
            wanted = [(b, s) for s in self.loss_steps for b in losses]
            shift = {b: rec.every[b].offset for b in losses if b in rec.every}
            if self.generic:  # a loss made by us stands beside the output that it reads
                shift[losses[0]] = self._generic_offset
            heads = [(b, s, f"{b}[{s + shift.get(b, 0)}]") for b, s in wanted]
            block = self._loss_block
            self.heads = tuple(Head(s, self.offset.get(block, 0) + s, name) for b, s, name in heads if name in self._nodes)
            if not self.heads:
                raise BPTTError("there is no loss at the chosen steps", "choose other loss steps")
            summed: Node = self._nodes[self.heads[0].name]
            for head in self.heads[1:]:
                summed = summed + self._nodes[head.name]
            self.weight = self.loss_weight
            if self.reduce == "mean":
                summed = summed * self.weight
            self.total = total or losses[0]
            self._register(summed if summed.name is None else P.identity(summed), self.total, None, None, None, "total")
            for head in self.heads:
                self._places[head.name].role = "loss"
        self._roles()
        used = {a.serial for n in self._nodes.values() for a in n.args}
        ends = [n for name, n in self._nodes.items() if n.serial not in used and name != self.total]
        order = needed([*ends, self._nodes[self.total]])
        self.parameters = {n.name: n for n in order if n.role == "parameter" and n.name}
        self._number_uses(order)
        self._ends = ends

    def _generic_losses(self) -> str:
        """A recurrence without a loss: E[t] = ⟨∂E/∂y[t], y[t]⟩ with ∂E/∂y given, so that every output has an upstream gradient."""
        rec = self.recurrence
        base = self.generic_name
        outputs = rec.outputs
        block = self._loss_block
        if not outputs:
            raise BPTTError("no equation has a step t on its left: there is nothing to unroll", "write h[t] = … for what a step computes")
        for s in self.loss_steps:
            parts = []
            for out in outputs:
                d = rec.every[out]
                source = self._nodes.get(f"{out}[{s + d.offset}]")
                if source is None:
                    continue
                key = self.upstream_name(out)
                given = leaf(f"{key}[{source.step}]", source.shape, batched=True, role="upstream")
                self.shapes.setdefault(key, source.shape)
                self.leaves.setdefault(key, []).append((s - 1, given))
                self._register(given, key, source.step, d.block, self.offset.get(d.block, 0) + s, "upstream")
                parts.append(P.dot(given, source) if len(source.shape) == 1 else P.total(given * source))
            if parts:
                value = parts[0]
                for part in parts[1:]:
                    value = value + part
                self._register(value, base, s + self._generic_offset, block, self.offset.get(block, 0) + s, "loss")
        return base

    @property
    def loss_weight(self) -> float:
        """1, or 1/N for the mean of N losses."""
        return 1.0 / len(self.loss_steps) if self.reduce == "mean" else 1.0

    @property
    def generic_name(self) -> str:
        """What the loss of a recurrence without one is called."""
        rec = self.recurrence
        return next(n for n in ("E", "J", "loss", "E_total") if n not in rec.defined and n not in rec.parameters and n not in rec.inputs)

    def upstream_name(self, output: str) -> str:
        """The name in the data of ∂E/∂output, for a recurrence without a loss."""
        stem = output.rpartition(".")
        return f"{stem[0]}{stem[1]}d{self.generic_name}_d{stem[2]}"

    @property
    def _generic_offset(self) -> int:
        offsets = {self.recurrence.every[out].offset for out in self.recurrence.outputs}
        return offsets.pop() if len(offsets) == 1 else 0

    def _roles(self) -> None:
        rec = self.recurrence
        states, outputs = set(rec.states), set(rec.outputs)
        for name, place in self._places.items():
            if place.role == "value":
                place.role = "state" if place.base in states else "output" if place.base in outputs and place.step is not None else "value"
            self._nodes[name].role = place.role

    def _number_uses(self, order: list[Node]) -> None:
        uses: dict[str, list[Use]] = {name: [] for name in self.parameters}
        for node in order:
            for slot, arg in enumerate(node.args):
                if arg.role == "parameter" and arg.name:
                    owner = node.name or node.owner or ""
                    place = self._places.get(owner)
                    step = place.column - self.offset.get(place.block, 0) if place and place.column is not None else None
                    uses[arg.name].append(Use(0, step, owner, node, slot))
        for name, found in uses.items():
            found.sort(key=lambda u: (u.step is not None, u.step or 0))
            self.parameters[name].uses = tuple(Use(i + 1, u.step, u.variable, u.node, u.slot) for i, u in enumerate(found))

    # -- what others read ---------------------------------------------------------------------------------------------

    def node(self, name: str) -> Node:
        """The node of a named variable, such as `h[3]`."""
        expect(name, str, "the name of a variable", 'write a name such as "h[3]"')
        if name not in self._nodes:
            raise BPTTError(f"there is no variable {name}", nearest(name, list(self._nodes)))
        return self._nodes[name]

    def use_step(self, node: Node) -> int | None:
        """The step at which a node uses its arguments, as the (t, k) triangle counts; None within a value that has no step.

        What stands before the first step counts with the first; what stands after the last, or outside of the sums of a value that
        is made of all steps, such as a total of one's own, with the last.
        """
        owner = node.name or node.owner or ""
        if owner in self._made_of_steps:
            return node.step or self.heads[-1].step
        place = self._places.get(owner)
        if place is None or place.column is None:
            return None
        return min(max(place.column - self.offset.get(place.block, 0), 1), self.steps.get(place.block, self.columns))

    @cached_property
    def _made_of_steps(self) -> set[str]:
        """Values without a step that read values of steps: the total, or m = sum_t h[t]."""
        found: set[str] = set()
        for name in self.order_of_names:
            if self._places[name].column is None:
                sources = [s.name or "" for s, _, _ in interior_edges(self._nodes[name])]
                if any(s in found or self._places[s].column is not None for s in sources):
                    found.add(name)
        return found

    def column(self, name: str) -> int | None:
        """Where a variable stands in global time."""
        return self._places[name].column

    @cached_property
    def order_of_names(self) -> list[str]:
        """Names of all variables, arguments before results."""
        return [n.name for n in needed([*self._ends, self._nodes[self.total]]) if n.name is not None]

    @cached_property
    def spellings(self) -> dict[str, str]:
        """What answers may call the variables and the data: their names in one spelling (`canonical`), and h0 or h_0 for h[0]."""
        known = {canonical(n): n for n in (*self._nodes, *self.leaves)}
        initial = {k: n for k, n in known.items() if k.endswith("[0]")}
        return {k.replace("[", sep).replace("]", ""): n for sep in ("_", "") for k, n in initial.items()} | known

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Who reads whom at the level of named variables."""
        found: list[Link] = []
        uses: dict[tuple[int, int, int], int] = {}
        for parameter in self.parameters.values():
            for use in parameter.uses:
                uses[(parameter.serial, use.node.serial, use.slot)] = use.number
        for name in self.order_of_names:
            target = self._nodes[name]
            sources: dict[str, list[int]] = {}
            for source, consumer, slot in interior_edges(target):
                numbers = sources.setdefault(source.name or "", [])
                number = uses.get((source.serial, consumer.serial, slot))
                if number is not None:
                    numbers.append(number)
            for source_name, numbers in sources.items():
                a, b = self._places[source_name].column, self._places[name].column
                delay = b - a if a is not None and b is not None else 0
                cut, steps = self._cut(source_name, name)
                found.append(Link(source_name, name, delay, tuple(sorted(numbers)), cut, steps))
        return tuple(found)

    def _cut(self, source: str, target: str) -> tuple[str, tuple[int, ...]]:
        """How truncation cuts a link: for every loss that comes as far ("cut"), or for some, which are listed ("partly")."""
        losses = self.cuts.get((source, target))
        if losses is None or self.truncation is None:
            return "", ()
        if losses is ALL:
            return "cut", ()
        a, b = self._places[source].column, self._places[target].column
        assert a is not None and b is not None
        steps = tuple(h.step for h in self.heads if h.column in losses)
        rest = any(h.column not in losses and self.truncation.reaches(h.column, a, b, self.columns) for h in self.heads)
        return ("", ()) if not steps else ("partly", steps) if rest else ("cut", ())

    @cached_property
    def cuts(self) -> dict[tuple[str, str], range]:
        """(source, target) -> columns of the losses whose gradient does not pass from target back to source."""
        rule = self.truncation
        if rule is None:
            return {}
        found: dict[tuple[str, str], range] = {}
        carried = False
        for name in self.order_of_names:
            b = self._places[name].column
            if b is None or self._places[name].role == "total":
                continue
            for source, _, _ in interior_edges(self._nodes[name]):
                assert source.name is not None
                place = self._places[source.name]
                if place.column is None or place.column == b or place.role in ("input", "target", "upstream"):
                    continue
                if rule.carousel:
                    if place.base == self._places[name].base and carries(self._nodes[name], source):
                        carried = True
                    else:
                        found[source.name, name] = ALL
                else:
                    losses = rule.cut_losses(place.column, b, self.columns)
                    if losses:
                        found[source.name, name] = losses
        if rule.carousel and not carried:
            raise BPTTError(f"{self.recurrence.title} has no state that is carried linearly into itself, so it has no carousel",
                            'use truncate="one-step" or "sliding:k"')  # fmt: skip
        return found

    @cached_property
    def edge_cuts(self) -> dict[tuple[int, int, int], range]:
        """The cuts on the edges of the primitive graph: (source serial, target serial, slot) -> columns of losses."""
        found: dict[tuple[int, int, int], range] = {}
        targets = {t for _, t in self.cuts}
        for name in targets:
            for source, consumer, slot in interior_edges(self._nodes[name]):
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
            kind, steps = self._cut(source, target)
            for node, consumer, slot in interior_edges(self._nodes[target]) if kind else ():
                if node.name == source:
                    cuts[(node.serial, consumer.serial, slot)] = None if kind == "cut" else steps
        ends = {n.serial: n for n in [*self._ends, self._nodes[self.total]]}
        return Graph(ends.values(), cuts)

    @cached_property
    def vgraph(self) -> VariableGraph:
        """The graph at the level of named variables, for pictures and derivations."""
        read_by: dict[str, list[Link]] = {}
        for link in self.links:
            read_by.setdefault(link.target, []).append(link)
        carry = self._carries()
        variables: dict[str, Variable] = {}
        for name in self.order_of_names:
            place, node = self._places[name], self._nodes[name]
            sources = [variables[k.source] for k in read_by.get(name, [])] if place.column is not None else []
            below = [v.level for v in sources if v.column == place.column]
            level = 1 + max(below) if below else 0 if node.op is None else 1
            variables[name] = Variable(
                name, place.base, place.step, place.role, place.block, place.column, level,
                node.shape, node.op.name if node.op else "", place.base in carry,
            )  # fmt: skip
        return VariableGraph(self.recurrence.title, variables, self.links, dict(self.steps), self.conventions)

    def _carries(self) -> set[str]:
        found = set()
        for base in self.recurrence.states:
            nodes = [n for name, n in self._nodes.items() if self._places[name].base == base and n.op is not None][:2]
            for node in nodes:
                if any(s.base == base and carries(node, s) for s, _, _ in interior_edges(node)):
                    found.add(base)
        return found

    @property
    def conventions(self) -> tuple[str, ...]:
        """What was chosen, in words: printed on every picture, document and verdict."""
        n, last = len(self.loss_steps), self.steps[self._loss_block]
        steps = ", ".join(f"{b}: T = {t}" if b else f"T = {t}" for b, t in self.steps.items())
        chosen = "the last step" if self.loss_steps == (last,) else "steps " + ", ".join(map(str, self.loss_steps))
        where = "every step" if n == last else chosen
        summed = f"mean over {n} steps" if self.reduce == "mean" else "summed"
        rec = self.recurrence
        losses = f"total as written: {rec.once[rec.total or ''].text}" if rec.sums_outputs else f"loss at {where}, {summed}"
        found = [steps, losses, "column vectors, one example"]
        if self.generic:
            found.append("no loss given: ∂E/∂output is a given vector at each of these steps")
        if self.inputs == "first":
            found.append("input at the first step only, zero afterwards")
        if self.inputs == "feedback":
            found.append("after the first step the input is the last output")
        found.append("truncation: " + (self.truncation.text if self.truncation else "none, the full gradient"))
        if self._softmax_of_a_number:
            found.append("the softmax of a single number is always 1, so a loss behind it is constant: give y a size")
        return (*found, *self.recurrence.conventions)

    @cached_property
    def _softmax_of_a_number(self) -> bool:
        """In the all-scalar reading a softmax says nothing: whoever asked for it should know."""
        vectors = any(self.shapes[name] for name in (*self.recurrence.inputs, *self.recurrence.defined))
        called = (c.function for d in self.recurrence.definitions for c in calls(d.right))
        return not vectors and any(name in ("softmax", "log_softmax") for name in called)

    # -- the readings -------------------------------------------------------------------------------------------------

    @cached_property
    def slots(self) -> dict[str, Slot]:
        """What the data of a run consist of, by key."""
        if self.system is not None:
            return needs(self.system)
        classes = self._class_nodes()
        found = {}
        for key, rows in self.leaves.items():
            node = rows[0][1]
            length = None if rows[0][0] is None else self.steps.get(self._places[node.name or ""].block, self.columns)
            found[key] = Slot(node.role, node.shape, length, len(node.shape) == 1 and any(n.serial in classes for _, n in rows))
        return found

    def _class_nodes(self) -> set[int]:
        """Leaves that a cross entropy compares with, and inputs that are only multiplied with matrices: whole numbers there are classes."""
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
    def _numbers(self) -> Any:
        from .numbers import Numbers

        return Numbers(self)

    def instance(self, seed: int = 0, batch: int | None = None) -> dict[str, Any]:
        """A generic random instance: weights of order one and not symmetric, initial states not zero, a random upstream gradient.

        Returns a flat mapping by the equations' own names: inputs `(T, n)` or `(T, B, n)`, class targets `(T,)` or `(T, B)`. A run also
        takes an input that is only multiplied with matrices as class numbers, `(T,)` or `(T, B)`: they stand for one-hot vectors.

        Raises:
            BPTTError: no instance was found on which every function (log, sqrt, division, powers) is defined.
        """
        from .instance import instance

        check_numbers(self, batch if isinstance(batch, int) else None)
        return instance(self, seed, batch)

    @cached_property
    def schedule(self) -> Schedule:
        """How loss and gradients are computed: what stands before, in and after the loop over time (`schedule.explain()`)."""
        from .schedule import Schedule

        return Schedule(self)

    def stepper(self) -> Stepper:
        """Loss and gradients of one piece of a long sequence after the other, with carried states (see `schedule.chunks`).

        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> data, step = u.instance(), u.stepper()
        >>> loss, gradients, state = step(data)
        >>> list(state)
        ['h[0]']
        >>> loss, gradients, state = step({**data, **state})
        """
        from .schedule.chunks import Stepper

        return Stepper(self)

    def run(self, data: Mapping[str, Any], schedule: bool = True, memory: str = "all") -> Run:
        """Numbers: loss, values and gradients on `data` (see `instance` for its form).

        Args:
            schedule: False evaluates the unrolled graph node by node instead of using the schedule over time; the results are
                equal up to rounding.
            memory: "all" keeps every step; "sqrt" keeps about √T of them and computes the others twice (a loss at every step).
        """
        return self._numbers.run(data, schedule, memory)

    def tried(self, data: Mapping[str, Any]) -> Run:
        """`run` for a verdict: the schedule over time is first compared with the unrolled graph, once, on a small instance.

        Where they differ the fault is ours: `schedule.fault` says what to report, and the unrolled graph is used.
        """
        return self._numbers.tried(data)

    def over(self, steps: Any, sizes: Any) -> Unrolled:
        """The same recurrence and options over other steps; of the losses chosen, those of these steps, or the last."""
        last = steps[self._loss_block] if isinstance(steps, Mapping) else steps
        chosen = self.recurrence.counted == "every" and len(self.loss_steps) < self.steps[self._loss_block]
        at_end = self.loss_steps == (self.steps[self._loss_block],)
        left = [] if at_end else [s for s in self.loss_steps if s <= last]
        truncate = self.truncation.name if self.truncation is not None else None
        loss: Any = "every" if not chosen else left or "last"
        return self.recurrence.unroll(steps, loss, sizes, truncate, self.inputs, self.reduce)

    def derive(self, wrt: str, cap: int = 200, notation: str = "pascanu", onehot: Any = ()) -> Any:
        """The chain-rule derivation of ∂E/∂wrt (see `derive.Derivation`)."""
        from ..derive import Derivation

        return Derivation(self, wrt, cap=cap, notation=notation, onehot=onehot)

    def draw(
        self, view: str = "forward", fold: Any = "auto", *, wrt: str | None = None, t: int | None = None,
        k: int | None = None, data: Mapping[str, Any] | None = None, detail: str | None = None, **options: Any,
    ) -> Any:  # fmt: skip
        """The picture (see `draw.Figure`).

        Args:
            view: "forward", or a view of the gradient by `wrt`: "backward", "paths" (of loss step `t` and use `k`), "contributions";
                "cell" for the inside of one step.
            data: an instance, such as `u.instance()`; widths and numbers show the norms of the local Jacobians on it.
            detail: for view "forward": "variables" (states, outputs, losses), "names" (every named variable, the default),
                "equations" (every variable with its equation) or "primitives" (every node and edge of `u.graph`).
        """
        from .drawing import picture

        return picture(self, view, fold, wrt, t, k, data, detail, options)

    def flow(self, data: Mapping[str, Any] | None = None, wrt: Any = None) -> Flow:
        """How gradients vanish or explode over the steps (see `flow.measure`)."""
        from ..flow import measure

        return measure(self, data, wrt)

    def _repr_svg_(self) -> str:
        return str(self.draw().svg)

    def __repr__(self) -> str:
        return f"<Unrolled {self.recurrence.title}: {'; '.join(self.conventions)}>"


def _again(rec: Recurrence, *options: Any) -> Unrolled:
    return rec.unroll(*options)


_FROM_GRAPH = ("_places", "_nodes", "leaves", "weight", "total", "heads", "parameters", "_ends")

ALL = range(-1, 1 << 40)
"""The losses of every step."""

def interior_edges(target: Node) -> list[tuple[Node, Node, int]]:
    """The edges by which a variable's equation reads named variables, as (source, consumer, slot), in order of appearance."""
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
