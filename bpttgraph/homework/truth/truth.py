"""Truth: the gradient on an instance, and how far rounding may carry a right answer from it.

Two sources that share no derivative rule must agree: the reverse pass, and forward evaluations with a complex step. If
they do not, the tool says that it is itself broken; no answer is judged then. How far a right answer may be off is a
running error analysis of the reverse pass; errors are shown in u·S, unit roundoff times the sum of the absolute values
of all path products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...check.directions import Directional, locate
from ...check.oracle import FINER, UNDERFLOW
from ...check.readings import magnitude, measured, read_gradients, rounding
from ...check.report import CLOSE
from ...core.graph import needed
from ...core.rounding import LAST, SAFETY, U, bounded, radius, rounding_error
from ...equations.admission import real
from ...errors import BPTTError, Fault

if TYPE_CHECKING:
    from ...core.graph import Node
    from ...unrolled import Run, Unrolled

__all__ = ["SAFETY", "Truth", "U"]

Array = np.ndarray[Any, Any]
# Single and half precision: errors of the forward pass that many steps share are not independent, so statistics say
# little. They are measured: the gradient is computed in that precision, from data that are off in the last place too,
# and a right answer may be off by SPREAD times what was seen (of 10⁴ arrays of right answers in single precision the
# one farthest off used up 0.72 of that).
SINGLE = 2.0**-24
TYPES: dict[float, Any] = {SINGLE: np.float32, 2.0**-11: np.float16}
RUNS = 7
SPREAD = 6.0
LEAST = 0.1  # standard deviations, if less was seen
# What half precision cannot hold is left to statistics: errors may add up like √T more than they say.
HALF = 3.0  # times √T


class Truth:
    """The true gradient of an unrolled recurrence on one instance.

    Args:
        u: the unrolled recurrence. data: the instance; its numbers are taken as exact and widened to float64.

    Attributes:
        u, data: as given. run: the numbers, in float64.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> truth = Truth(u, u.instance())
        >>> bool((truth.radius("W_hh") < 1e-13).all())
        True
    """

    def __init__(self, u: Unrolled, data: Mapping[str, Any]):
        self.u = u
        self.data = {k: _wide(v) for k, v in real(data).items()}
        self.run: Run = u.tried(self.data)
        self.alias: dict[str, Node] = {}  # other nodes whose adjoint is asked for, under names of the student's own
        self._read: dict[tuple[str, str], Array] = {}
        self._values: dict[str, Array] = {}
        self._agreed: dict[int, str] = {}
        self._measured = False
        self._coarse: dict[float, list[Run]] = {}

    def value(self, name: str) -> Array:
        """The gradient by a parameter, an initial state or any variable, in the shape of `run.gradients`."""
        if name not in self._values:
            self._values[name] = self._value(self.run, name)
        return self._values[name]

    def _value(self, run: Run, name: str) -> Array:
        if name not in self.alias:
            return run.gradient(name)
        node = self.alias[name]
        return run.summed_up(node, run.read_nodes(run.numbers.adjoint(node)))

    def mean(self, name: str, node: Node | None) -> None:
        """Let `name` be the adjoint of `node`; of its own again, if that is None."""
        self.alias.pop(name, None)
        self._values.pop(name, None)
        for kind in ("scale", "rounding", "rounding of rounded data"):
            self._read.pop((name, kind), None)
        if node is not None:
            self.alias[name] = node

    def inside(self, name: str) -> Node | None:
        """The argument of the function that makes a variable of one step, its pre-activation."""
        node = self.u.nodes.get(name)
        op = None if node is None else node.op
        if (
            node is None
            or op is None
            or op.kind not in ("elementwise", "own")
            or op.name == "mul"
            or node.args[0].name is not None
        ):
            return None
        return node.args[0]

    def node(self, name: str) -> Node:
        """The node of a name, or of an alias."""
        return self.alias[name] if name in self.alias else self.u.node(name)

    def scale(self, name: str) -> Array:
        """S, the sum of the absolute values of all path products, entry by entry, in the shape of `value`."""
        return self._reading(name, "scale")

    def rounding(self, name: str) -> Array:
        """Standard deviation of the rounding error of the reverse pass, in units of u, in the shape of `value`."""
        return self._reading(name, "rounding")

    def radius(self, name: str, unit: float = U) -> Array:
        """How far rounding may carry a right answer, computed with unit roundoff `unit`, entry by entry."""
        unit = max(unit, U)
        value, sigma = self.value(name), self.rounding(name)
        if unit <= U:
            return radius(sigma, self.scale(name), value) * unit
        seen = self._seen(name, unit) if unit in TYPES else None
        if seen is not None:
            return (SPREAD * max(seen, LEAST) * sigma + LAST * np.abs(value)) * unit
        sigma = sigma if self._single else self._reading(name, "rounding of rounded data")
        return radius(sigma, self.scale(name), value, HALF * SAFETY * float(np.sqrt(self.u.columns))) * unit

    def doubts(self, error: Array, radius: Array) -> bool:
        """Whether to judge once more: something is off by little, and from now on the rounding is measured, not only
        analysed."""
        if self._measured or not bool(np.all(error <= CLOSE * radius)):
            return False
        self._measured = True
        for key in [k for k in self._read if k[1] == "rounding"]:
            del self._read[key]
        return True

    def _seen(self, name: str, unit: float = SINGLE) -> float | None:
        """How far single or half precision is off, in standard deviations of our error analysis; None if it gives no
        finite numbers."""
        sigma, value = self.rounding(name), self.value(name)
        with np.errstate(all="ignore"):
            off = [np.abs(np.asarray(self._value(run, name), float) - value)[sigma > 0] for run in self._rounded(unit)]
            found = [float(np.max(e / (sigma[sigma > 0] * unit), initial=0.0)) for e in off if np.all(np.isfinite(e))]
        return max(found, default=None)

    def _rounded(self, unit: float = SINGLE) -> list[Run]:
        """The run in single (or half) precision, on the data as they are rounded and as they might be: weights that
        need no rounding are exact."""
        if unit in self._coarse:
            return self._coarse[unit]
        rng, found = np.random.default_rng(0), []
        for k in range(RUNS):
            data = dict(self.data)
            for key, array in data.items():
                if np.asarray(array).dtype.kind == "f":
                    slot = self.u.slots.get(key)
                    exact = k == 0 or (
                        unit == SINGLE and self._single and slot is not None and slot.role == "parameter"
                    )
                    off = 0.0 if exact else unit * rng.uniform(-1, 1, np.shape(array))
                    with np.errstate(over="ignore"):
                        data[key] = np.asarray(array * (1 + off), TYPES[unit])
            with np.errstate(all="ignore"), suppress(BPTTError):  # beyond what such a number can hold
                found.append(self.u.numbers.run(data))
        self._coarse[unit] = found
        return found

    def _reading(self, name: str, kind: str) -> Array:
        if (name, kind) not in self._read:
            leaves = self.run.numbers.leaf_nodes
            if name in self.u.leaves and name not in leaves and name not in self.alias:  # a whole sequence
                parts = [self._reading(n.name or "", kind) for _, n in self.u.leaves[name]]
                self._read[name, kind] = np.stack(parts)
                return self._read[name, kind]
            # one rounded weight is off by the same amount at every step, so its uses add up, not their squares (2:
            # margin)
            inputs = 2 * self.u.columns**0.5 if kind == "rounding of rounded data" else 0.0
            read = (
                magnitude(self.run)
                if kind == "scale"
                else rounding(inputs)
                if inputs or not self._measured
                else measured
            )
            for n, value in read_gradients(
                self.run, leaves if name in leaves else {name: self.node(name)}, read
            ).items():
                self._read[n, kind] = value
        return self._read[name, kind]

    @cached_property
    def _single(self) -> bool:
        """Whether the data are numbers of single precision, so that nobody has to round them to compute with it."""
        arrays = [np.asarray(v) for v in self.data.values()]
        with np.errstate(over="ignore"):
            return all(np.array_equal(a.astype(np.float32), a) for a in arrays if a.dtype.kind == "f")

    # -- the oracle ---------------------------------------------------------------------------------------------------

    def agree(self, seed: int = 0) -> str:
        """Compare the reverse pass with the oracle along random directions in all parameters and initial states.

        Returns the oracle and what was done, in words.

        Raises:
            Fault: they disagree, so bpttgraph itself is broken; the tensor and the entry are named.
        """
        if seed in self._agreed:
            return self._agreed[seed]
        names = list(self.run.numbers.leaf_nodes)
        for name in names:
            bounded(name, self.value(name), self.radius(name))
        oracle = Directional(self.u, names, self.run.leaves)
        unit = UNDERFLOW if oracle.analytic else 0.0
        kinked = any(distance <= SAFETY for _, distance in self._on_kink)
        summed = {n: self._summed(n, self.value(n)) for n in names}

        def agrees(directions: Mapping[str, Array]) -> bool:
            return any(agrees_at(directions, scale) for scale in (FINER if not oracle.analytic else FINER[:1]))

        def agrees_at(directions: Mapping[str, Array], scale: float) -> bool:
            true, estimate = oracle.along(directions, scale)
            given = sum(np.tensordot(d, summed[n], summed[n].ndim) for n, d in directions.items())
            error = np.abs(given - true)
            lost = 10 * estimate + unit * sum(np.abs(d).reshape(len(d), -1).sum(axis=1) for d in directions.values())

            def allowed() -> Array:
                radii = ((d, self._summed(n, self.radius(n))) for n, d in directions.items())
                return np.asarray(lost + sum(np.tensordot(np.abs(d), radius, radius.ndim) for d, radius in radii))

            return bool(
                np.all(error <= (bound := allowed())) or (self.doubts(error, bound) and np.all(error <= allowed()))
            )

        found = None if kinked or not names else locate(agrees, {n: self.u.node(n).shape for n in names}, seed)
        if found is not None:
            name, index = found
            place = f" at {list(index)}" if index else ""
            raise Fault(
                f"bpttgraph itself is broken: the reverse pass and {oracle.oracle} disagree on dE/d{name}{place}",
                "please report this, with the equations; nothing was judged",
            )
        self._agreed[seed] = f"the reverse pass agrees with {oracle.oracle} along 8 random directions (seed {seed})"
        return self._agreed[seed]

    def certify(self, names: Sequence[str]) -> str:
        """Prove the reverse pass by balls with rigorous radii (the extra `[certify]`); returns what was done, in words.

        Raises:
            BPTTError: python-flint is missing. Fault: the proof fails, so bpttgraph itself is broken.
        """
        from ...check.certificate import certify

        worst = 0.0
        for name in names:
            proof = certify(self.u, name, self.data)
            given, radius = (self._summed(name, a).reshape(-1) for a in (self.value(name), self.radius(name)))
            off = np.flatnonzero(np.abs(given - proof.value) > radius + proof.radius)
            if len(off):
                raise Fault(f"bpttgraph itself is broken: dE/d{name} lies outside its certificate at entry {off[0]}",
                                "please report this, with the equations; nothing was judged")  # fmt: skip
            worst = max(worst, float(proof.radius.max(initial=0.0)))
        return f"proved by balls of radius at most {worst:.1e} (FLINT, {proof.bits} bits)" if names else ""

    def _summed(self, name: str, value: Array) -> Array:
        """Summed over the batch, for what each example has of its own."""
        return value.sum(axis=0) if value.ndim > len(self.u.node(name).shape) else value

    def candidates(self, step: tuple[str, int]) -> list[Node]:
        """What a student's δ of a step may be the adjoint of: the inside of a variable's nonlinearity, or the
        variable."""
        inner, outer = [], []
        for name in self.u.order_of_names:
            node = self.u.node(name)
            if node.step != step[1] or node.op is None or node.role in ("loss", "total"):
                continue
            outer.append(node)
            inside = self.inside(name)
            if inside is not None:
                inner.append(inside)
        states = [n for n in outer if n.role == "state"]
        return [*inner, *states, *(n for n in outer if n not in states)]

    # -- kinks --------------------------------------------------------------------------------------------------------

    @cached_property
    def _on_kink(self) -> list[tuple[Node, float]]:
        """Kinked units, each with its distance from the kink in standard deviations of rounding (in units of u)."""
        plan = self.run.numbers.forward_plan
        kinked = [n for n in plan.nodes if n.op is not None and n.op.kink is not None]
        if not kinked:
            return []
        given: dict[Node, Any] = {n: self.run.node_values[n.serial] for n in plan.nodes}
        found = []
        with np.errstate(all="ignore"):
            errors = iter(rounding_error([a for n in kinked for a in n.args], given))
            for node in kinked:
                assert node.op is not None and node.op.kink is not None
                noise = sum(next(errors) for _ in node.args)
                distance = np.abs(node.op.kink(*[given[a] for a in node.args], **node.attrs))
                least = np.min(np.where(distance == 0, 0.0, distance / np.maximum(noise, 1e-300)))
                found.append((node, float(least)))
        return found

    def undecidable(self, name: str, unit: float = U) -> str:
        """The unit that sits on its kink, in words, if the gradient by `name` passes one; "" if it is decidable."""
        target = None
        for node, distance in self._on_kink:
            if distance > SAFETY * max(unit, U):
                continue
            if target is None:
                sources = self.u.leaves[name] if name in self.u.leaves else [(None, self.node(name))]
                target = {n.serial for _, n in sources}
            if any(n.serial in target for n in needed([node])):
                assert node.op is not None
                return f"{node.op.name} in {node.name or node.owner} sits on its kink"
        return ""


def _wide(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind == "f" else value
