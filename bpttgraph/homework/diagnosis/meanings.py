"""What a name in an answer may stand for: the true quantities of a recurrence, step by step, as numbers.

Nobody has to call a pre-activation's adjoint `delta`. So a name is known by its numbers: adjoints of every value and of
every place inside an equation, what comes to them from one reader alone, from the loss of their own step or from other
steps, derivatives of functions, values, Jacobians of one step, and what the steps contribute to a parameter's gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...core.autodiff import pullback
from ...core.graph import Node, constant
from ..truth.truth import Truth

__all__ = ["Meaning", "Meanings"]

Array = np.ndarray[Any, Any]
Place = tuple[str, tuple[int, ...]]  # the base of an equation, and the way from its root to a node
MOST_NODES = 4000  # of the graph on which lines are judged
_WORDS = {"add": "sum", "mul": "product"}
SPARE = 1e-9  # relative; the instance is small, and nothing on it is close by chance


@dataclass(frozen=True, eq=False)
class Meaning:
    """A quantity of every step.

    Args:
        words: what it is at step t, such as "∂E/∂h[t]". at: its value, by step. rank: how far-fetched it is.
        link: (reader, value) if it is what comes back from one reader, for the line of the derivation.
    """

    words: str
    at: Mapping[int, Array]
    rank: float = 0.0
    link: tuple[str, str] | None = None

    def value(self, step: int) -> Array:
        """Its value at a step; nothing where there is none, as after the last step."""
        if step in self.at:
            return self.at[step]
        return np.zeros_like(next(iter(self.at.values())))

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(next(iter(self.at.values())))


def equal(a: Array, b: Array) -> bool:
    """Whether two values are the same up to rounding, relative to the second.

    >>> equal(np.ones(2), np.ones(2) + 1e-15), equal(np.ones(2), np.ones(3))
    (True, False)
    """
    if np.shape(a) != np.shape(b):
        return False
    with np.errstate(all="ignore"):
        return bool(np.all(np.abs(a - b) <= SPARE * max(float(np.max(np.abs(b), initial=0.0)), 1e-300)))


class Meanings:
    """The quantities of a recurrence on one instance without a batch.

    Args:
        truth: the gradient on the instance.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> found = Meanings(Truth(u, u.instance()))
        >>> [m.words for m in found.all if m.shape == (4,)][:2]
        ['∂E/∂h[t]', '∂E/∂(the argument of tanh in h[t])']
    """

    def __init__(self, truth: Truth):
        self.truth, self.u, self.run = truth, truth.u, truth.run
        self.last = self.u.columns

    @cached_property
    def all(self) -> list[Meaning]:
        """The most natural first."""
        if len(self.u.graph) > MOST_NODES:
            return []
        found = _distinct([m for m in self._found() if any(np.any(v) for v in m.at.values())])
        turned = [replace(m, words=f"−{m.words}", at={t: -v for t, v in m.at.items()}, rank=m.rank + 3) for m in found]
        return sorted([*found, *turned], key=lambda m: m.rank)

    def _found(self) -> Iterator[Meaning]:
        nodes = self._places
        wanted = [n for steps in nodes.values() for n in steps.values()]
        passes = self.u.numbers.reverse(wanted)
        adjoint: dict[int, list[Node]] = {}
        parts: dict[int, list[tuple[Node, int, Node]]] = {}
        for p in passes:
            for node in wanted:
                if node in p.adjoints:
                    adjoint.setdefault(node.serial, []).append(p.adjoints[node])
                parts.setdefault(node.serial, []).extend(p.contributions.get(node, ()))
        self._adjoint = adjoint
        total = self._numbers(adjoint)
        own = self._own(adjoint, wanted)
        for place, steps in nodes.items():
            what = self._words(place, steps)
            sums = {t: total[n.serial] for t, n in steps.items() if n.serial in total}
            if not sums:
                continue
            root = not place[1]
            yield Meaning(f"∂E/∂{what}", sums, 0.0 if root else 0.2)
            # an initial state has no loss of its own step: all comes from others
            alone = {t: own.get(steps[t].serial, np.zeros_like(sums[t])) for t in sums if own}
            if alone and any(not equal(alone[t], sums[t]) for t in alone):
                yield Meaning(f"∂E[t]/∂{what}, from the loss of the same step alone", alone, 0.6)
                other = {t: sums[t] - alone[t] for t in alone}
                words = f"the part of ∂E/∂{what} that comes from other steps"
                yield from self._moved(Meaning(words, other, 0.6))
            yield from self._through(place, steps, what, parts)
        yield from self._slopes(nodes)
        yield from self._values(nodes)
        yield from self._uses()
        yield from self._jacobians()

    # -- places --------------------------------------------------------------------------------------------------------

    @cached_property
    def _places(self) -> dict[Place, dict[int, Node]]:
        """The nodes of the unrolled graph that are alike at every step, by step."""
        found: dict[Place, dict[int, Node]] = {}
        for node in self.u.graph:
            if node.name is None or node.base is None or node.step is None or node.role == "upstream":
                continue
            stack: list[tuple[Node, tuple[int, ...]]] = [(node, ())]
            while stack:
                inner, way = stack.pop()
                found.setdefault((node.base, way), {})[node.step] = inner
                stack += [(a, (*way, i)) for i, a in enumerate(inner.args) if a.name is None and a.op is not None]
        return found

    def _words(self, place: Place, steps: Mapping[int, Node]) -> str:
        base, way = place
        if not way:
            return f"{base}[t]"
        node: Node = self._places[base, way[:-1]].get(next(iter(steps))) or next(iter(steps.values()))
        name = node.op.name if node.op is not None else ""
        if len(node.args) == 1:
            return f"(the argument of {name} in {base}[t])"
        inner = next(iter(steps.values()))
        if inner.op is not None and len(inner.args) == 1 and inner.args[0].name is not None:
            return f"({inner.op.name}({inner.args[0].base}) in {base}[t])"
        return f"(part {way[-1] + 1} of the {_WORDS.get(name, name)} in {base}[t])"

    def _moved(self, m: Meaning) -> Iterator[Meaning]:
        """Of what comes from another step, the same counted by the step that it comes from."""
        yield m
        yield Meaning(m.words.replace("[t]", "[t-1]"), {t + 1: v for t, v in m.at.items()}, m.rank + 0.4, m.link)

    # -- numbers -------------------------------------------------------------------------------------------------------

    def _read(self, nodes: list[Node]) -> list[Array]:
        values = self.run.read_nodes(nodes)
        return [_alone(v, n) for v, n in zip(values, nodes)]

    def _numbers(self, by: Mapping[int, list[Node]]) -> dict[int, Array]:
        flat = [(serial, n) for serial, nodes in by.items() for n in nodes]
        found: dict[int, Array] = {}
        for (serial, _), value in zip(flat, self._read([n for _, n in flat])):
            found[serial] = found[serial] + value if serial in found else value
        return found

    def _own(self, adjoint: Mapping[int, list[Node]], wanted: list[Node]) -> dict[int, Array]:
        """The adjoints that the loss of the same step alone gives."""
        step = {n.serial: t for steps in self._places.values() for t, n in steps.items()}
        steps = sorted({h.step for h in self.u.heads})
        flat = [(serial, n) for serial, nodes in adjoint.items() for n in nodes if step[serial] in steps]
        if not steps or len(steps) < 2:
            return {}
        values = self.run.read_nodes([n for _, n in flat], self.run.loss_seeds(steps))
        found: dict[int, Array] = {}
        for (serial, node), value in zip(flat, values):
            size = int(np.prod(node.shape))
            row = np.asarray(value).reshape(-1, size) if np.ndim(value) else np.zeros((1, size))
            mine = row[steps.index(step[serial])] if len(row) == len(steps) else np.zeros(size)
            part = mine.reshape(node.shape)
            found[serial] = found[serial] + part if serial in found else part
        return found

    # -- kinds of quantities -------------------------------------------------------------------------------------------

    def _through(
        self, place: Place, steps: Mapping[int, Node], what: str, parts: Mapping[int, list[tuple[Node, int, Node]]]
    ) -> Iterator[Meaning]:
        """What comes back from one reader alone, to a value and to the argument of the function that makes it."""
        by_reader: dict[tuple[str, int], dict[int, list[Node]]] = {}
        for t, node in steps.items():
            for consumer, _, cotangent in parts.get(node.serial, ()):
                reader = consumer.name or consumer.owner or ""
                base, _, index = reader.partition("[")
                late = int(index[:-1]) - t if index[:-1].lstrip("-").isdigit() else 0
                by_reader.setdefault((base, late), {}).setdefault(t, []).append(cotangent)
        if len(by_reader) < 2:
            return
        inside = self._places.get((place[0], (0,))) if not place[1] else None
        for (base, late), cotangents in by_reader.items():
            shift = f"{late:+d}" if late else ""
            reader = f"{base}[t{shift}]" if base in self.u.recurrence.every or late else base
            flat = {t: self._sum(nodes) for t, nodes in cotangents.items()}
            values = dict(zip(flat, self._read(list(flat.values()))))
            words = f"the part of ∂E/∂{what} that comes back from {reader}"
            found = Meaning(words, values, 0.5, (base, place[0]))
            yield from self._moved(found) if late else (found,)
            if inside:
                pulled = {t: pullback(steps[t], 0, n) for t, n in flat.items() if len(steps[t].args) == 1}
                known = {t: n for t, n in pulled.items() if n is not None}
                if known:
                    at = dict(zip(known, self._read(list(known.values()))))
                    called = self._words((place[0], (0,)), inside)
                    yield Meaning(f"the part of ∂E/∂{called} that comes back from {reader}", at, 0.7, (base, place[0]))

    @staticmethod
    def _sum(nodes: list[Node]) -> Node:
        total = nodes[0]
        for node in nodes[1:]:
            total = total + node
        return total

    def _slopes(self, nodes: Mapping[Place, Mapping[int, Node]]) -> Iterator[Meaning]:
        """φ′ of every function of one argument."""
        for place, steps in nodes.items():
            made = {}
            for t, node in steps.items():
                plain = node.op is not None and len(node.args) == 1 and node.args[0].shape == node.shape
                if plain and node.op is not None and node.op.kind in ("elementwise", "own"):
                    slope = pullback(node, 0, constant(np.ones(node.shape)) if node.shape else constant(1.0))
                    if slope is not None:
                        made[t] = slope
            if made:
                op = steps[next(iter(made))].op
                name = op.name if op is not None else ""
                values = dict(zip(made, self._read(list(made.values()))))
                yield Meaning(f"{name}′ of {self._words(place, steps)}", values, 1.0)

    def _values(self, nodes: Mapping[Place, Mapping[int, Node]]) -> Iterator[Meaning]:
        flat = {(place, t): n for place, steps in nodes.items() for t, n in steps.items()}
        values = dict(zip(flat, self._read(list(flat.values()))))
        for place, steps in nodes.items():
            yield Meaning(self._words(place, steps), {t: values[place, t] for t in steps}, 1.2)

    def _uses(self) -> Iterator[Meaning]:
        """What each step contributes to the gradient by a parameter, and running sums of it; the gradient of each
        loss."""
        for name in self.u.parameters:
            triangle = self.run.contributions(name)
            for axis, what in ((0, f"what the use at step t adds to ∂E/∂{name}"), (1, f"∂E[t]/∂{name}")):
                each = triangle.sum(axis=axis)
                yield Meaning(what, dict(enumerate(each, 1)), 0.8)
                yield Meaning(f"{what}, added up from the last step to t", dict(enumerate(
                    np.cumsum(each[::-1], axis=0)[::-1], 1)), 1.0)  # fmt: skip
                yield Meaning(f"{what}, added up from the first step to t",
                              dict(enumerate(np.cumsum(each, axis=0), 1)), 1.0)  # fmt: skip

    def _jacobians(self) -> Iterator[Meaning]:
        """∂state[t]/∂state[t−1], ∂loss[t]/∂value[t], and by parameters that are numbers or vectors."""
        u = self.u
        states = [s for s in u.recurrence.states if s in u.recurrence.every]
        pairs = [(a, b, 1) for a in states for b in states]
        pairs += [(h.name.partition("[")[0], v, 0) for h in u.heads[:1] for v in u.recurrence.every]
        pairs += [(a, b, 0) for a in u.recurrence.every for b in u.recurrence.every if a != b]
        for a, b, late in pairs:
            at = {}
            for t in range(1, self.last + 1):
                if f"{a}[{t}]" in u.nodes and f"{b}[{t - late}]" in u.nodes:
                    at[t] = np.asarray(self.run.jacobian(f"{a}[{t}]", f"{b}[{t - late}]"))
            words = f"∂{a}[t]/∂{b}[t{f'-{late}' if late else ''}]"
            if at and all(np.ndim(v) <= 2 for v in at.values()):
                yield from _in_both_layouts(Meaning(words, at, 1.0))
        for w, node in u.parameters.items():
            values = () if len(node.shape) > 1 else states if node.shape else u.recurrence.every
            for a in values:
                at = {
                    t: np.asarray(self.run.jacobian(f"{a}[{t}]", w))
                    for t in range(1, self.last + 1) if f"{a}[{t}]" in u.nodes
                }  # fmt: skip
                if at and all(np.ndim(v) <= 2 for v in at.values()):
                    yield from _in_both_layouts(Meaning(f"∂{a}[t]/∂{w}", at, 0.9))


def _in_both_layouts(m: Meaning) -> Iterator[Meaning]:
    """A Jacobian, and its transpose."""
    yield m
    if len(m.shape) == 2:
        yield Meaning(f"({m.words})ᵀ", {t: v.T for t, v in m.at.items()}, m.rank + 0.1)


def _distinct(found: list[Meaning]) -> list[Meaning]:
    """Of several names for the same numbers the most natural."""
    seen: dict[tuple[Any, ...], list[Meaning]] = {}
    kept = []
    for m in sorted(found, key=lambda m: m.rank):
        alike = seen.setdefault((m.shape, tuple(sorted(m.at))), [])
        if not any(all(equal(m.at[t], other.at[t]) for t in m.at) for other in alike):
            alike.append(m)
            kept.append(m)
    return kept


def _alone(value: Any, node: Node) -> Array:
    """The value of a node for the one example that there is."""
    array = np.asarray(value, float)
    if array.size == int(np.prod(node.shape)):
        return array.reshape(node.shape)
    return np.array(np.broadcast_to(array, (1, *node.shape))[0])
