"""Replay: a program of single numbers, recorded once, run again on levels of vectors.

A recurrence written with scalars (`a = a + W[i][j] * h[j]`) makes one node an operation, and Python pays for each of
them. `replay(loss)` sorts the recorded graph into levels: whatever stands on one level depends only on levels below, so
all products of a level are one product of vectors. Sums of sums become one sum. Nothing is differentiated twice: values
and partial derivatives are those of the rule table, which do not care whether they meet numbers or arrays.

The reverse pass walks the levels downwards. Each edge has a place of its own for its cotangent, edges of one source
stand side by side, and the adjoint of a node is the sum of its stretch: the sum over uses, for every node of a level at
once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from ..core.graph import needed
from ..core.primitives import Primitive
from ..errors import BPTTError, nearest
from .tensor import Tensor
from .value import current

__all__ = ["Replay", "replay"]

Array = np.ndarray[Any, Any]


@dataclass
class _Group:
    """The nodes of one level with one operation: `stop - start` places of the values, and where their arguments are.

    For a sum (op None), `args[0]` lists all summands, `signs` their signs, and `first` where those of each node begin.
    """

    op: Primitive | None
    attrs: dict[str, Any]
    start: int
    stop: int
    args: list[Array]
    edges: list[Array | None]
    signs: Array | None = None
    first: Array | None = None
    owner: Array | None = None


class Replay:
    """A recorded scalar program that runs again with other numbers. Call it; see `replay`.

    Attributes:
        leaves: the Tensors that it depends on, in the order of their creation.
        operations, depth: how many operations were recorded, and on how many levels they run.
    """

    def __init__(self, output: Tensor):
        node = current(output)
        nodes = needed([node])
        for other in nodes:
            if other.shape != () or (other.op is not None and other.op.partials is None):
                what = f"{other.op.name} " if other.op is not None else "a leaf "
                raise BPTTError(
                    f"replay takes a program of single numbers, and {what}here has shape {other.shape}",
                    "build it from scalar Tensors; programs of arrays run fast as they are",
                )
        self.operations = sum(other.op is not None for other in nodes)
        self.leaves: tuple[Tensor, ...] = tuple(n for n in nodes if n.op is None and not n.is_constant)  # type: ignore[misc]
        self._build(nodes, node)

    # -- the plan ------------------------------------------------------------------------------------------------------

    def _build(self, nodes: Sequence[Any], output: Any) -> None:
        terms, inlined = _sums(nodes, output)
        level: dict[int, int] = {}
        members: dict[Any, list[Any]] = {}
        for node in nodes:
            if node.serial in inlined:
                continue
            if node.op is None:
                level[node.serial] = 0
                members.setdefault((0, "constant" if node.is_constant else "leaf", ()), []).append(node)
                continue
            summands = terms.get(node.serial)
            args = node.args if summands is None else [a for a, _ in summands]
            deep = level[node.serial] = 1 + max(level[a.serial] for a in args)
            key = (deep, "", (), 0)
            if summands is None:  # two operations of one's own may bear one name
                key = (deep, node.op.name, tuple(sorted(node.attrs.items())), id(node.op))
            members.setdefault(key, []).append(node)
        place: dict[int, int] = {}
        for kind in ("constant", "leaf"):
            for node in members.pop((0, kind, ()), []):
                place[node.serial] = len(place)
        self._constants = np.array([n.value for n in nodes if n.is_constant and n.serial not in inlined], float)
        levels = sorted(members, key=lambda key: key[:2])
        self._groups: list[_Group] = []
        edges: list[Array] = []
        for key in levels:
            start = len(place)
            for node in members[key]:
                place[node.serial] = len(place)
            group = _group(members[key], terms, place, key, start)
            self._groups.append(group)
            edges += group.args
        self.depth = levels[-1][0] if levels else 0
        self._count, self._output = len(place), place[output.serial]
        self._lay_edges(edges, [key[0] for key in levels])

    def _lay_edges(self, sources: list[Array], levels: list[int]) -> None:
        """Give each edge a place: edges of one source side by side, sources in order."""
        constants = len(self._constants)
        source = np.concatenate(sources) if sources else np.zeros(0, int)
        order = np.argsort(source, kind="stable")
        where = np.empty_like(order)
        where[order] = np.arange(len(order))
        self._edges = len(order)
        begin = 0
        for group in self._groups:
            for slot, args in enumerate(group.args):
                held = np.all(args < constants)  # nobody asks for the cotangent of a constant
                group.edges[slot] = None if held else where[begin : begin + len(args)]
                begin += len(args)
        bounds = np.searchsorted(source[order], np.arange(self._count + 1))
        # One stretch of values a level, with the groups that stand on it; the leaves are the lowest.
        self._levels: list[tuple[_Stretch, list[_Group]]] = []
        self._levels.append((_Stretch(constants, constants + len(self.leaves), bounds), []))
        for _, found in groupby(zip(levels, self._groups), key=lambda pair: pair[0]):
            groups = [group for _, group in found]
            self._levels.append((_Stretch(groups[0].start, groups[-1].stop, bounds), groups))

    # -- running -------------------------------------------------------------------------------------------------------

    def __call__(self, values: Any = None) -> tuple[Any, Array]:
        """The value of the program and its gradient by all leaves.

        Args:
            values: new numbers for the leaves: an array in the order of `leaves`, shape (n,), or (n, m) for m settings
                at once; or a mapping from leaves, or their names, to numbers (all others as recorded); by default the
                recorded ones.

        Returns:
            The value, a number or shape (m,), and the gradient, shape (n,) or (n, m).
        """
        start = self._start(values)
        v = np.empty((self._count, *start.shape[1:]))
        constants = len(self._constants)
        v[:constants] = self._constants.reshape(-1, *[1] * (start.ndim - 1))
        v[constants : constants + len(start)] = start
        with np.errstate(all="ignore"):
            self._forward(v)
            gradient = self._backward(v, False)
            if np.isnan(gradient).any():
                gradient = self._backward(v, True)
        value = v[self._output]
        return (float(value) if start.ndim == 1 else value.copy()), gradient

    def _start(self, values: Any) -> Array:
        recorded = np.array([leaf.value for leaf in self.leaves], float)
        if values is None:
            return recorded
        if not isinstance(values, Mapping):
            array = _numbers(values)
            if array.ndim not in (1, 2) or len(array) != len(self.leaves):
                raise BPTTError(
                    f"values of shape {array.shape} for a program of {len(self.leaves)} leaves",
                    f"give an array of shape ({len(self.leaves)},), or ({len(self.leaves)}, m) for m settings at once",
                )
            return array
        index: dict[Any, int] = {id(leaf): i for i, leaf in enumerate(self.leaves)}
        named = {leaf.name: i for i, leaf in enumerate(self.leaves) if leaf.name}
        for key, value in values.items():
            i = named.get(key) if isinstance(key, str) else index.get(id(key))
            if i is None:
                raise BPTTError(
                    f"{key!r} is no leaf of this program", nearest(str(key), [*named]) if named else "name the leaves"
                )
            recorded[i] = _numbers(value).item()
        return recorded

    def _forward(self, v: Array) -> None:
        for group in self._groups:
            if group.op is None:
                assert group.signs is not None and group.first is not None
                parts = v[group.args[0]] * group.signs.reshape(-1, *[1] * (v.ndim - 1))
                v[group.start : group.stop] = np.add.reduceat(parts, group.first, axis=0)
            else:
                v[group.start : group.stop] = group.op.value(*[v[a] for a in group.args], **group.attrs)

    def _backward(self, v: Array, careful: bool) -> Array:
        cotangents = np.zeros((self._edges, *v.shape[1:]))
        adjoint = cotangents
        for stretch, groups in reversed(self._levels):
            adjoint = stretch.sums(cotangents)
            if stretch.start <= self._output < stretch.stop:
                adjoint[self._output - stretch.start] += 1.0
            for group in groups:
                _spread(
                    group, v, adjoint[group.start - stretch.start : group.stop - stretch.start], cotangents, careful
                )
        return adjoint

    def explain(self) -> str:
        """In words: how many operations became how many vector operations."""
        sums = sum(g.op is None for g in self._groups)
        return (
            f"{self.operations:,} operations on single numbers run as {len(self._groups):,} operations on "
            f"vectors ({sums:,} of them sums), "
            f"on {self.depth:,} levels; {len(self.leaves):,} leaves"
        )

    def __repr__(self) -> str:
        return f"Replay({self.operations} operations, {self.depth} levels, {len(self.leaves)} leaves)"


class _Stretch:
    """The places of one level, and how the cotangents of their edges are summed."""

    def __init__(self, start: int, stop: int, bounds: Array):
        self.start, self.stop = start, stop
        begin, end = bounds[start:stop], bounds[start + 1 : stop + 1]
        self.low, self.high = (int(begin[0]), int(end[-1])) if stop > start else (0, 0)
        self.used = np.flatnonzero(end > begin)
        self.first = begin[self.used] - self.low
        self.all_used, self.one_each = len(self.used) == stop - start, bool(np.all(end - begin == 1))

    def sums(self, cotangents: Array) -> Array:
        part = cotangents[self.low : self.high]
        if self.one_each:
            return part
        if self.all_used:
            return np.add.reduceat(part, self.first, axis=0)
        result = np.zeros((self.stop - self.start, *cotangents.shape[1:]))
        if len(self.used):
            result[self.used] = np.add.reduceat(part, self.first, axis=0)
        return result


def _spread(group: _Group, v: Array, g: Array, cotangents: Array, careful: bool) -> None:
    """What the adjoints `g` of a group contribute to its arguments, each to the place of its edge."""
    if group.op is None:
        assert group.signs is not None and group.edges[0] is not None
        cotangents[group.edges[0]] = g[group.owner] * group.signs.reshape(-1, *[1] * (v.ndim - 1))
        return
    y, args = v[group.start : group.stop], [v[a] for a in group.args]
    partials = group.op.partials
    assert partials is not None
    for slot, edges in enumerate(group.edges):
        partial = partials[slot]
        if edges is None or partial is None:
            continue
        p = partial if partial.__class__ is float else partial(y, *args, **group.attrs)
        part = g * p
        cotangents[edges] = np.where((g == 0) | (np.asarray(p) == 0), 0.0, part) if careful else part


def _numbers(given: Any) -> Array:
    try:
        return np.asarray(given, float)
    except (TypeError, ValueError):
        raise BPTTError(f"replay runs with numbers, not with {given!r:.60}", "give one number for each leaf") from None


def _group(members: list[Any], terms: Mapping[int, Any], place: Mapping[int, int], key: Any, start: int) -> _Group:
    stop = start + len(members)
    if key[1]:
        args = [np.array([place[n.args[i].serial] for n in members]) for i in range(len(members[0].args))]
        return _Group(members[0].op, dict(key[2]), start, stop, args, [None] * len(args))
    lengths = np.array([len(terms[n.serial]) for n in members])
    flat = [(place[a.serial], sign) for n in members for a, sign in terms[n.serial]]
    where, signs = np.array([p for p, _ in flat]), np.array([s for _, s in flat])
    first, owner = np.concatenate([[0], np.cumsum(lengths)[:-1]]), np.repeat(np.arange(len(members)), lengths)
    return _Group(None, {}, start, stop, [where], [None], signs, first, owner)


def _sums(nodes: Sequence[Any], output: Any) -> tuple[dict[int, list[tuple[Any, float]]], set[int]]:
    """The summands, with signs, of each sum; and the sums that stand only inside another sum, which need no place of
    their own."""
    uses: dict[int, int] = {output.serial: 2}
    for node in nodes:
        for arg in node.args:
            uses[arg.serial] = uses.get(arg.serial, 0) + 1
    parts: dict[int, tuple[list[tuple[Any, float]], float]] = {}
    inlined: set[int] = set()
    for node in nodes:
        if node.op is None or node.op.kind != "linear":
            continue
        merged: tuple[list[tuple[Any, float]], float] = ([], 1.0)
        for arg, sign in zip(node.args, node.op.partials):
            one = ([(arg, 1.0)], sign)
            if arg.serial in parts and uses[arg.serial] == 1:
                inside, flip = parts.pop(arg.serial)
                one = (inside, flip * sign)
                inlined.add(arg.serial)
            merged = _merge(merged, one)
        parts[node.serial] = merged
    return {serial: [(a, s * flip) for a, s in found] for serial, (found, flip) in parts.items()}, inlined


def _merge(a: Any, b: Any) -> Any:
    """Two lists of summands as one: the shorter is copied into the longer, so that chains of any nesting stay cheap."""
    (long, flip), (short, other) = (a, b) if len(a[0]) >= len(b[0]) else (b, a)
    long.extend((node, sign * other * flip) for node, sign in short)
    return long, flip


def replay(output: Tensor) -> Replay:
    """Make a recorded program of single numbers ready to run again, with its gradient, on vectors.

    Raises:
        BPTTError: if an array, or an operation that needs one, stands in the program.

    What was decided while recording (an `if` on a value) stays decided.

    >>> import bpttgraph as bg
    >>> w, x = bg.tensor(0.5, name="w"), bg.tensor(2.0, name="x")
    >>> again = replay((w * x).tanh() * x)
    >>> value, gradient = again({"w": 0.25})
    >>> round(value, 6), gradient.round(6)
    (0.924234, array([3.145791, 0.855341]))
    """
    if not isinstance(output, Tensor):
        raise BPTTError(
            f"replay takes the Tensor that a program computed, not {type(output).__name__}", "bg.replay(loss)"
        )
    return Replay(output)
