"""Oracles: derivatives from forward evaluations only. No derivative rule is used here.

`Probe` moves variables and reads every loss. A shared parameter is first *unshared*: each step gets a private copy W⁽ᵏ⁾
of it (Goodfellow et al. 2016, section 10.2.2), so that dE_t/dW through the use at step k can be measured alone; moving
all copies together gives the gradient. Truncation is measured as it is defined: a cut edge passes the value on, but not
the perturbation.

Perturbations are stacked in front of the batch and evaluated in one pass, those of several variables together: the cost
is that of a few forward passes, whatever the number of parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.autodiff import Plan
from ..core.graph import Node, leaf, needed
from ..core.rounding import SAFETY, U, measured_error

if TYPE_CHECKING:
    from ..unrolled import Unrolled
    from ..unrolled.nodes import Head

__all__ = ["COMPLEX_STEP", "FINER", "UNDERFLOW", "Measured", "Move", "Probe"]

Array = np.ndarray[Any, Any]
Move = Mapping[tuple[str, "int | None"], Array]
"""Directions (P, size) in which variables move together, by (name, step of the use); the step None moves all uses."""

COMPLEX_STEP = 1e-30
# below, the imaginary parts of the complex step are no full numbers
UNDERFLOW = float(np.finfo(float).tiny) / COMPLEX_STEP
STENCIL = (2e-2, 1e-2, 5e-3, 2.5e-3)  # steps of the central differences, for data and directions of size one
SMALLER = (1 / 32, 1 / 1024)  # times these, where a function swings so fast that the steps are none too small
ROUGH = 1e-3  # of a derivative: an estimate above it says so
# times these, if differences are all that contradicts: a loss of few steps may swing faster still
FINER = (1.0, 1 / 64, 1 / 4096, 2.0**-18)
NOISE = 4e-15  # of a loss, relative to the largest loss: what a difference quotient has left of rounding
MOST_NUMBERS = 1 << 21  # in the stacked copies of the moved variables, at a time


@dataclass
class Measured:
    """Derivatives of the losses along P directions.

    Attributes:
        value, estimate: the derivatives and an estimate of their error, (heads, P, B).
        kept: (P,), whether they mean something: for differences, whether no unit (ReLU, max, clip) changes side within
            the stencil, and no argument leaves the domain of its function. unit: the first that does, in words.
    """

    value: Array
    estimate: Array
    kept: Array
    unit: str = ""


class Probe:
    """Measure how the losses of a group change with some variables.

    Args:
        u: the unrolled recurrence. names: the variables. heads: losses that share the same cut edges. cut: those edges.
        leaves: arrays of the leaves, batch in front, in float64.

    Attributes:
        analytic: whether every operation takes complex numbers. scale: what the steps of differences are multiplied by.
    """

    scale = 1.0

    def __init__(
        self, u: Unrolled, names: Iterable[str], heads: Sequence[Head], cut: Any, leaves: Mapping[Node, Array]
    ):
        self.u, self.heads = u, heads
        self.targets = {name: u.node(name) for name in names}
        outputs = [u.node(h.name) for h in heads]
        plain = Plan([*outputs, *self.targets.values()])
        self.base = {n.serial: v for n, v in zip(plain.nodes, plain(leaves))}
        self.values: dict[Node, Any] = dict(leaves)
        self.leaf: dict[str, Node] = {}  # what moves for all uses: the variable, or what is added to it
        self.copies: dict[tuple[str, int], Node] = {}
        # a node of the copied graph -> the node whose value it has unless something moves
        self._origin: dict[int, int] = {}
        self._clone(needed(outputs, cut=cut), cut)
        self.plan = Plan([self._new[n.serial] for n in outputs])
        self.analytic = all(n.op is None or n.op.analytic for n in self.plan.nodes)
        self.batch = max([1, *(len(v) for n, v in leaves.items() if n.batched)])

    def steps(self, name: str) -> list[int]:
        """The steps in which a parameter is used."""
        return sorted(k for n, k in self.copies if n == name)

    def _clone(self, order: list[Node], cut: Any) -> None:
        """Copy the graph; uses of a parameter in step k read its copy k, cut edges read a frozen value."""
        self._new = new = dict[int, Node]()
        names = {node.serial: name for name, node in self.targets.items()}
        # the parameters, and what is made of them without a step (s = σ(α))
        timeless = {n.serial for n in self.targets.values() if n.role == "parameter"}
        private: dict[tuple[int, int], Node] = {}
        frozen: dict[int, Node] = {}

        def kept(made: Node, node: Node) -> Node:
            self._origin[made.serial] = node.serial
            return made

        def copy(node: Node, k: int) -> Node:
            """The private copy, for step k, of something timeless."""
            key = (node.serial, k)
            if key not in private:
                if node.serial in names:
                    made = leaf(f"{node.name}#{k}", node.shape, batched=node.batched, role="parameter")
                    self.copies[names[node.serial], k] = made
                else:
                    args = tuple(copy(a, k) if a.serial in timeless else new[a.serial] for a in node.args)
                    made = Node(node.op, args, node.attrs, node.shape, node.batched)
                    made.name, made.owner = node.name, node.owner
                private[key] = kept(made, node)
            return private[key]

        for node in order:
            if node.op is None:
                new[node.serial] = kept(node, node)
                if node.serial in names:
                    self.leaf[names[node.serial]] = node
                continue
            step = self.u.use_step(node)
            if step is None and node.role != "total" and any(a.serial in timeless for a in node.args):
                timeless.add(node.serial)
            args: list[Node] = []
            for slot, arg in enumerate(node.args):
                if (arg.serial, node.serial, slot) in cut:
                    if arg.serial not in frozen:
                        frozen[arg.serial] = kept(leaf(f"{arg.name}!", arg.shape, batched=arg.batched), arg)
                        self.values[frozen[arg.serial]] = self.base[arg.serial]
                    args.append(frozen[arg.serial])
                elif step is not None and arg.serial in timeless:
                    args.append(copy(arg, step))
                else:
                    args.append(new[arg.serial])
            made = kept(Node(node.op, tuple(args), node.attrs, node.shape, node.batched), node)
            made.name, made.owner = node.name, node.owner
            if node.serial in names:  # a value of some step: it moves by what is added to it
                change = self.leaf[names[node.serial]] = leaf(f"{node.name}+", node.shape, batched=node.batched)
                self.values[change] = np.zeros(np.shape(self.base[node.serial]))
                made = kept(made + change, node)
            new[node.serial] = made

    # -- evaluation ----------------------------------------------------------------------------------------------------

    def _chunks(self, moves: Sequence[Move], copies: int) -> Iterator[list[Move]]:
        """Moves that are evaluated together: as many as memory allows, if each is stacked so many times."""
        chunk: list[Move] = []
        rows, names = 0, set[str]()
        for move in moves:
            count = copies * _rows(move)
            together = names | {name for name, _ in move}
            each = len(self.heads) * self.batch + sum(int(np.prod(self.targets[n].shape)) for n in together)
            if chunk and (rows + count) * each > MOST_NUMBERS:
                yield chunk
                chunk, rows, together = [], 0, {name for name, _ in move}
            chunk.append(move)
            rows, names = rows + count, together
        if chunk:
            yield chunk

    def _moved(self, moves: Sequence[Move], factors: Array) -> dict[Node, Any]:
        """Values of the leaves for all moves, P rows, stacked for each of F factors (F, P): (F·P, 1, *shape)."""
        changes: dict[tuple[str, int | None], Array] = {}
        start = 0
        for move in moves:
            stop = start + _rows(move)
            for key, directions in move.items():
                shape = self.targets[key[0]].shape
                change = changes.setdefault(key, np.zeros((factors.shape[1], 1, *shape)))
                change[start:stop] = directions.reshape(-1, 1, *shape)
            start = stop

        def stacked(key: tuple[str, int | None]) -> Any:
            if key not in changes:
                return 0.0
            change = changes[key]
            return (factors.reshape(*factors.shape, *[1] * (change.ndim - 1)) * change).reshape(-1, *change.shape[1:])

        values = dict(self.values)
        for name, node in self.leaf.items():
            if (name, None) in changes:
                values[node] = self.values[node] + stacked((name, None))
        for (name, step), node in self.copies.items():
            whole = values[self.targets[name]]  # one array for all copies that do not move by themselves
            values[node] = whole + stacked((name, step)) if (name, step) in changes else whole
        return values

    def _losses(self, outputs: Sequence[Any], count: int) -> Array:
        """Losses as (heads, P, B); one that holds no data is the same for every example."""
        rows = [np.asarray(o) for o in outputs]
        return np.stack([np.broadcast_to(o if o.ndim == 2 else o.reshape(1, -1), (count, self.batch)) for o in rows])

    def complex_step(self, moves: Sequence[Move]) -> Iterator[Measured]:
        """For each move the derivatives of the losses along its directions: exact up to rounding.

        A step h leaves a sixth of h² times the third derivative, which shows where the first one vanishes: values so
        small are measured with a step shorter by a power of two, too. That changes no digit of a derivative, however
        small.
        """
        for chunk in self._chunks(moves, 1):
            counts = [_rows(m) for m in chunk]
            found = self._imaginary(chunk, sum(counts), COMPLEX_STEP)
            estimate = np.zeros(found.shape)
            largest = float(np.max(np.abs(found), where=np.isfinite(found), initial=1.0))
            if np.any((found != 0) & (np.abs(found) < COMPLEX_STEP * largest)):
                before, found = found, self._imaginary(chunk, sum(counts), COMPLEX_STEP / 2**20)
                estimate = np.abs(found - before)
            yield from _split(Measured(found, estimate, np.ones(sum(counts), bool)), counts)

    def _imaginary(self, moves: Sequence[Move], count: int, step: float) -> Array:
        outputs = self.plan.results(self._moved(moves, np.full((1, count), 1j * step)))
        return self._losses([np.imag(o) for o in outputs], count) / step

    def differences(self, moves: Sequence[Move]) -> Iterator[Measured]:
        """For each move central differences with four steps, three times extrapolated (Richardson)."""
        for chunk in self._chunks(moves, 2 * len(STENCIL)):
            yield from _split(self._differences(chunk), [_rows(m) for m in chunk])

    def losses_at(self, moves: Sequence[Move], factors: Sequence[float]) -> Iterator[Array]:
        """For each move the sum of the losses, (factors, P), with its directions times each factor added."""
        for chunk in self._chunks(moves, len(factors)):
            counts = [_rows(m) for m in chunk]
            outputs = self.plan.results(self._moved(chunk, np.outer(factors, np.ones(sum(counts)))))
            found = self._losses(outputs, len(factors) * sum(counts)).sum(axis=(0, 2)).reshape(len(factors), -1)
            yield from np.split(found, np.cumsum(counts)[:-1], axis=1)

    def _differences(self, moves: Sequence[Move]) -> Measured:
        found, noise = self._quotients(moves, 1.0)
        for factor in SMALLER:
            if not np.any(found.estimate - noise > ROUGH * np.abs(found.value) + noise):
                break
            again, noise = self._quotients(moves, factor)
            better = again.estimate < found.estimate
            found.value = np.where(better, again.value, found.value)
            found.estimate = np.where(better, again.estimate, found.estimate)
        return found

    def _quotients(self, moves: Sequence[Move], factor: float) -> tuple[Measured, Array]:
        """Difference quotients with all steps times `factor`, and what rounding makes of them, (P, 1)."""
        # (4, P)
        steps = self.scale * factor * np.outer(STENCIL, np.concatenate([self._lengths(move) for move in moves]))
        signed = np.concatenate([steps, -steps])
        crossed, unit = np.zeros(steps.shape[1], bool), ""

        def look(node: Node, args: Sequence[Any]) -> None:
            nonlocal crossed, unit
            before = [self.base[self._origin[a.serial]] for a in node.args]
            for here, there in zip(_sides(node, before), _sides(node, args)):
                differs = np.asarray(here != there)
                if differs.ndim and len(differs) == signed.size and differs.any():
                    crossed = crossed | differs.reshape(*signed.shape, -1).any(axis=(0, 2))
                    assert node.op is not None
                    unit = unit or f"{node.op.name} in {node.name or node.owner}"

        outputs = self.plan.results(self._moved(moves, signed), look)
        rows = self._losses(outputs, signed.size).reshape(len(outputs), 2, *steps.shape, self.batch)
        table = list(np.moveaxis((rows[:, 0] - rows[:, 1]) / (2 * steps[..., None]), 1, 0))
        lost = NOISE * np.max(np.abs(rows), where=np.isfinite(rows), initial=0.0)
        noise = (lost if self.scale == 1 else max(lost, self._noise)) / steps[-1][:, None]
        power, last = 4.0, table
        while len(table) > 1:
            last = table
            table = [(power * b - a) / (power - 1) for a, b in pairwise(table)]
            power *= 4
        # how far the two extrapolations before the last one lie apart: larger than the error of the last one, as an
        # estimate should be
        return Measured(table[0], np.abs(last[0] - last[1]) + noise, ~crossed, unit), noise

    @cached_property
    def _noise(self) -> float:
        """What rounding makes of a loss, measured: where gradients are large, it is more than its last place."""
        with np.errstate(all="ignore"):
            errors = measured_error([self.u.node(h.name) for h in self.heads], self.values)
        return SAFETY * U * float(max(np.nanmax(e, initial=0.0) for e in errors))

    def _lengths(self, move: Move) -> Array:
        """What makes a step of 0.02 a small one, for each direction: larger for large data, smaller for long
        directions."""
        largest = max(float(np.abs(self.base[self.targets[name].serial]).max(initial=1.0)) for name, _ in move)
        found: Array = largest / np.sqrt(np.sum([np.square(d).sum(axis=1) for d in move.values()], axis=0))
        return found


def _rows(move: Move) -> int:
    return len(next(iter(move.values())))


def _split(found: Measured, counts: Sequence[int]) -> Iterator[Measured]:
    """What was measured together, for each move."""
    places = np.cumsum(counts)[:-1]
    values, estimates = (np.split(a, places, axis=1) for a in (found.value, found.estimate))
    for value, estimate, kept in zip(values, estimates, np.split(found.kept, places)):
        yield Measured(value, estimate, kept, "" if kept.all() else found.unit)


def _sides(node: Node, args: Sequence[Any]) -> list[Any]:
    """On which side of its kink, and of the border of its domain, a unit is."""
    assert node.op is not None
    found = []
    if node.op.kink is not None:
        found.append(np.sign(np.real(node.op.kink(*args, **node.attrs))))
    if node.op.domain is not None:
        found.append(np.sign(np.real(node.op.domain(*args, **node.attrs)[0])))
    return found
