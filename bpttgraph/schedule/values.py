"""What is computed, one `Value` for all steps: sums and products with any number of terms, other primitives, and reads.

Equal expressions are one value. The values of a system form a graph whose cycles all pass through a read with a delay;
the values on a cycle (`Stage.loop`) are what has to wait for the step before, and everything else can be computed for
all steps at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..core.graph import Node, needed
from ..core.primitives import Primitive
from .system import Domain, System, Unsuited

__all__ = ["Build", "Stage", "Value", "stages"]

VIEWS = ("expand", "reshape", "take", "transpose", "rows")
"""Operations that only look at their argument's memory in another way."""


class Value:
    """One value of the folded system.

    Attributes:
        op: "given", "read", "full" (a number everywhere), "Σ", "Π", "concat", "stack" (matrices above one another),
            "rows" (some of them), "copy", or the name of a primitive.
        args: of a read: its source, then the initial values that it looks at. attrs: settings of the operation.
        shape: for one example; rows: which rows it has, None for one value for all steps and examples.
        name: how the equations call it.
    """

    __slots__ = ("args", "attrs", "name", "op", "primitive", "rows", "serial", "shape")

    def __init__(
        self, op: str, args: Sequence[Value], attrs: dict[str, Any], shape: tuple[int, ...], rows: Domain | None
    ):
        self.op, self.args, self.attrs, self.shape, self.rows = op, tuple(args), attrs, shape, rows
        self.primitive: Primitive | None = None
        self.name = ""
        self.serial = 0

    def __repr__(self) -> str:
        inner = ", ".join(a.name or f"#{a.serial}" for a in self.args)
        return f"{self.name or '#' + str(self.serial)} = {self.op}({inner})"


class Build:
    """Makes values, equal ones once."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._known: dict[Any, Value] = {}

    def make(
        self,
        op: str,
        args: Sequence[Value],
        shape: tuple[int, ...],
        rows: Domain | None,
        attrs: dict[str, Any] | None = None,
        primitive: Primitive | None = None,
    ) -> Value:
        """A value; of two with the same operation on the same arguments, the first."""
        attrs = attrs or {}
        if op == "reshape" and len(args[0].shape) > 1 and args[0].op in (*VIEWS, "batch_outer"):
            # entries that do not follow one another in memory cannot be looked at in another shape
            args = [self.make("copy", args, args[0].shape, args[0].rows)]
        key: Any = (op, tuple(a.serial for a in args), repr(sorted(attrs.items())) if attrs else "", shape, rows)
        known = self._known.get(key)
        if known is not None:
            return known
        value = Value(op, args, attrs, shape, rows)
        value.primitive = primitive
        value.serial = len(self.values)
        self.values.append(value)
        self._known[key] = value
        return value

    def full(self, number: float, shape: tuple[int, ...], rows: Domain | None) -> Value:
        return self.make("full", (), shape, rows, {"value": number})

    def sum(self, terms: Iterable[tuple[int, Value]], shape: tuple[int, ...], rows: Domain | None) -> Value:
        """Σ sign·term. Numbers are added up; a number alone and a term alone stand for themselves."""
        kept: list[tuple[int, Value]] = []
        number = 0.0
        for sign, term in terms:
            if term.op == "full":
                number += sign * term.attrs["value"]
            elif term.op == "Π" and term.attrs["factor"] < 0:
                inner = self.make("Π", term.args, term.shape, term.rows, {"factor": -term.attrs["factor"]})
                kept.append((-sign, inner if len(term.args) > 1 or term.attrs["factor"] != -1.0 else term.args[0]))
            else:
                kept.append((sign, term))
        if not kept:
            return self.full(number, shape, rows)
        if not _covers([t for _, t in kept], shape, rows):
            kept.append((1, self.full(number, shape, rows)))
            number = 0.0
        if len(kept) == 1 and number == 0.0:
            sign, term = kept[0]
            return term if sign > 0 else self.make("Π", [term], shape, rows, {"factor": -1.0})
        if kept[0][0] < 0:  # begin with what is added
            first = next((i for i, (s, _) in enumerate(kept) if s > 0), 0)
            kept.insert(0, kept.pop(first))
        return self.make("Σ", [t for _, t in kept], shape, rows, {"signs": tuple(s for s, _ in kept), "number": number})

    def product(
        self, factors: Iterable[Value], shape: tuple[int, ...], rows: Domain | None, factor: float = 1.0
    ) -> Value:
        """The product entry by entry, times a number."""
        kept: list[Value] = []
        for f in factors:
            if f.op == "full":
                factor *= f.attrs["value"]
            elif f.op == "Π" and len(f.args) == 1:
                factor *= f.attrs["factor"]
                kept.append(f.args[0])
            else:
                kept.append(f)
        for f in tuple(kept):  # a / b ∘ b is a: what cross entropy and softmax hand to each other
            if f.op == "ratio" and f.args[1] in kept and f.args[1] is not f and f.args[0].op != "full":
                kept[kept.index(f)] = f.args[0]
                kept.remove(f.args[1])
        if not kept or factor == 0.0:
            return self.full(factor, shape, rows)
        if not _covers(kept, shape, rows):
            kept.append(self.full(factor, shape, rows))
            factor = 1.0
        if len(kept) == 1 and factor == 1.0:
            return kept[0]
        return self.make("Π", kept, shape, rows, {"factor": factor})

    def take(self, source: Value, start: int, stop: int) -> Value:
        if source.op == "full":
            return self.full(source.attrs["value"], (stop - start,), source.rows)
        if source.op == "take":
            start, stop, source = start + source.attrs["start"], stop + source.attrs["start"], source.args[0]
        if (stop - start,) == source.shape:
            return source
        return self.make("take", [source], (stop - start,), source.rows, {"start": start, "stop": stop})


def _covers(values: Sequence[Value], shape: tuple[int, ...], rows: Domain | None) -> bool:
    """Whether values that meet entry by entry have the shape and the rows of their result."""
    whole = tuple(
        max((v.shape[i - len(shape)] for v in values if len(v.shape) >= len(shape) - i), default=1)
        for i in range(len(shape))
    )
    return whole == shape and (rows is None or any(v.rows is not None for v in values))


def from_system(system: System) -> tuple[Build, dict[str, Value]]:
    """The values of a system: name of an equation, or ("gradient of", name) as `"∇name"` -> value."""
    build = Build()
    memo: dict[int, Value] = {}
    found: dict[str, Value] = {}
    pending: list[tuple[Value, Node]] = []
    seed_rows = system.rows[system.seed]

    def leaf_value(node: Node) -> Value:
        if node is system.seed:
            value = build.full(system.u.loss_weight, (), seed_rows)
        elif node.is_constant:
            number = node.attrs["value"]
            if node.shape or not isinstance(number, int | float):
                raise Unsuited("an equation holds an array")
            value = build.full(float(number), (), None)
        elif node in system.given:
            g = system.given[node]
            value = build.make(
                "given", (), node.shape, system.rows.get(node), {"key": g.key, "role": g.role, "timed": g.timed}
            )
            value.name = g.key
        else:
            read = system.reads[node]
            if read.kind == "shift" and not read.delay and not read.rows:
                return found[read.source]
            attrs = {"kind": read.kind, "source": read.source, "delay": read.delay, "cut": read.rows}
            value = build.make("read", (), node.shape, system.rows.get(node), attrs)
            pending.append((value, node))
        return value

    def equation(node: Node) -> Value:
        for n in needed([node]):
            if n.serial not in memo:
                memo[n.serial] = leaf_value(n) if n.op is None else _convert(build, n, [memo[a.serial] for a in n.args])
        return memo[node.serial]

    order = _by_step(system)
    for name in order:
        value = equation(system.equations[name])
        rows = system.domains[name]
        if value.rows != rows and rows is not None:
            value = build.make("copy", [value], value.shape, rows)
        if not value.name and value.op != "full":
            value.name = name
        found[name] = value
    for name, node in system.gradients.items():
        value = equation(node)
        found["∇" + name] = value
    owner: dict[Value, str] = {}  # two variables of one value (x[t+1] = h[t]) have initial values of their own
    for value, node in dict(pending).items():
        read = system.reads[node]
        source = found[read.source]
        viewed = source.op in (*VIEWS, "given", "read", "full") and not (
            source.op == "given" and source.rows is not None
        )
        if viewed or owner.setdefault(source, read.source) != read.source:
            source = build.make("copy", [source], source.shape, system.domains[read.source], {"of": read.source})
        outer = [found[name] for name in system.sources(read)[1:]] if read.kind == "shift" else []
        value.args = (source, *outer)
    return build, found


def _by_step(system: System) -> list[str]:
    """Equations in order of computation within a step."""
    done: dict[str, None] = {}
    forward = set(system.forward)
    stack = [(name, False) for name in reversed(system.equations) if name in forward or name in system.reverse]
    open_: set[str] = set()
    while stack:
        name, ready = stack.pop()
        if name in done:
            continue
        if ready or name in open_:
            done[name] = None
            continue
        open_.add(name)
        stack.append((name, True))
        for node in needed([system.equations[name]]):
            read = system.reads.get(node)
            if read is not None and read.kind == "shift" and not read.delay and not read.rows:
                stack.append((read.source, False))
    return list(done)


def _convert(build: Build, node: Node, args: list[Value]) -> Value:
    """The value of a primitive applied to values."""
    assert node.op is not None
    name, shape = node.op.name, node.shape
    rows = next((a.rows for a in args if a.rows is not None), None) if node.batched else None
    match name:
        case "identity":
            return args[0]
        case "add":
            return build.sum([(1, args[0]), (1, args[1])], shape, rows)
        case "sub":
            return build.sum([(1, args[0]), (-1, args[1])], shape, rows)
        case "neg":
            return build.product(args, shape, rows, -1.0)
        case "mul":
            return build.product(args, shape, rows)
        case "square":
            return build.product([args[0], args[0]], shape, rows)
        case "take":
            return build.take(args[0], **node.attrs)
        case "batch_sum" if args[0].op == "full":
            raise Unsuited("a parameter stands in the loss by itself")
    if name in ("expand", "reshape", "transpose") and args[0].op == "full":
        return build.full(args[0].attrs["value"], shape, rows)
    if any(a.rows is None and _reduced(a) for a in args) and rows is not None:
        raise Unsuited("a step reads a sum over all steps")
    return build.make(name, args, shape, rows, node.attrs, node.op)


def _reduced(value: Value) -> bool:
    return value.op in ("batch_sum", "batch_outer")


# -- stages ------------------------------------------------------------------------------------------------------------


class Stage:
    """Values that are computed together: one value for all its rows at once, or the loop of values that wait for each
    other.

    Attributes:
        values: in order of computation. loop: whether they go through the steps one by one. direction: 1, or −1 from
            the last step to the first.
    """

    def __init__(self, values: list[Value], loop: bool):
        self.values, self.loop = values, loop
        delays = {
            v.attrs["delay"] for v in values if v.op == "read" and v.attrs["kind"] == "shift" and v.args[0] in values
        }
        if any(d > 0 for d in delays) and any(d < 0 for d in delays):
            raise Unsuited("values read each other at earlier and at later steps")
        self.direction = -1 if any(d < 0 for d in delays) else 1


def stages(outputs: Iterable[Value]) -> list[Stage]:
    """The stages that `outputs` need, in order of computation; what earlier outputs need comes first."""
    groups = _components(list(outputs))
    return [Stage(_within(g), len(g) > 1) for g in groups]


def _components(outputs: list[Value], first: Mapping[Value, Sequence[Value]] | None = None) -> list[list[Value]]:
    """Strongly connected components in order of computation (R. Tarjan, 1972), without recursion."""
    number: dict[Value, int] = {}
    low: dict[Value, int] = {}
    path: list[Value] = []
    on_path: set[Value] = set()
    result: list[list[Value]] = []
    more = first or {}

    def needs(value: Value) -> Iterator[Value]:
        return iter((*value.args, *more.get(value, ())))

    for root in outputs:
        if root in number:
            continue
        work = [(root, needs(root))]
        number[root] = low[root] = len(number)
        path.append(root)
        on_path.add(root)
        while work:
            value, rest = work[-1]
            for arg in rest:
                if arg not in number:
                    number[arg] = low[arg] = len(number)
                    path.append(arg)
                    on_path.add(arg)
                    work.append((arg, needs(arg)))
                    break
                if arg in on_path:
                    low[value] = min(low[value], number[arg])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[value])
                if low[value] == number[value]:
                    group = []
                    while True:
                        member = path.pop()
                        on_path.discard(member)
                        group.append(member)
                        if member is value:
                            break
                    result.append(group)
    return result


def _within(group: list[Value], first: Mapping[Value, Sequence[Value]] | None = None) -> list[Value]:
    """The order within a step: arguments first, reads of other steps before everything."""
    if len(group) == 1:
        return group
    inside = set(group)
    done: dict[Value, None] = {v: None for v in group if v.op == "read"}
    stack = [(v, False) for v in sorted(group, key=lambda v: -v.serial)]
    while stack:
        value, ready = stack.pop()
        if value in done:
            continue
        if ready:
            done[value] = None
            continue
        stack.append((value, True))
        ahead = (*value.args, *(first.get(value, ()) if first else ()))
        stack += [(a, False) for a in reversed(ahead) if a in inside and a not in done]
    return list(done)


Change = Callable[[Build, Value, dict[Value, Value]], Value]
"""How a pass makes a value again, from the values that stand for its arguments."""


def rebuild(
    outputs: Mapping[str, Value], change: Change, first: Mapping[Value, Sequence[Value]] | None = None
) -> dict[str, Value]:
    """The same values made again, each by `change(build, value, new)`; `first[v]` are made before v, besides its
    arguments."""
    build = Build()
    new: dict[Value, Value] = {}
    reads: list[Value] = []
    first = first or {}
    for group in _components(list(outputs.values()), first):
        for value in group:
            if value.op == "read":
                made = new[value] = build.make("read", (), value.shape, value.rows, value.attrs)
                made.name = value.name
                reads.append(value)
        for value in _within(group, first):
            if value.op != "read":
                made = new[value] = change(build, value, new)
                if not made.name and made.op != "full":
                    made.name = value.name
    for value in reads:
        source, *outer = (new[a] for a in value.args)
        if source.op in VIEWS:  # a pass has made it a part of another value: other steps need it in memory of its own
            source = build.make("copy", [source], source.shape, source.rows, {"of": value.attrs["source"]})
        new[value].args = (source, *outer)
    return {name: new[value] for name, value in outputs.items()}


def again(build: Build, value: Value, new: Mapping[Value, Value]) -> Value:
    """The value itself, on new arguments."""
    return same(build, value, [new[a] for a in value.args])


def same(build: Build, value: Value, args: Sequence[Value]) -> Value:
    """The operation of a value on these arguments."""
    if value.op == "Σ":
        number = [(1, build.full(value.attrs["number"], (), None))] if value.attrs["number"] else []
        return build.sum([*zip(value.attrs["signs"], args), *number], value.shape, value.rows)
    if value.op == "Π":
        return build.product(args, value.shape, value.rows, value.attrs["factor"])
    return build.make(value.op, args, value.shape, value.rows, value.attrs, value.primitive)
