"""One comparison a category: the package against the oracle. Each returns a difference in words, or None.

A difference is judged by what rounding may do: a small multiple of the unit roundoff times the sizes of the values and
of the sum of the absolute (t, k) contributions. Nothing is compared with a relative tolerance of its own.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import numpy as np

import bpttgraph as bg
from bpttgraph.errors import BPTTError

from .data import STEP, moves
from .oracle import World
from .own import bound
from .trees import Case

Array = np.ndarray[Any, Any]
SLACK = 2.0**14  # units of rounding; right results stay below 2**9 or so (see the sweep's column "most")


class Subject:
    """A case with the package's objects and the oracle's results, each made once, when asked for."""

    def __init__(self, case: Case):
        self.case = case
        self.symbolic: dict[str, Any] = {}  # derivations for any number of steps, by what they derive by
        self.most = 0.0  # the largest error seen, in units of rounding

    @cached_property
    def rec(self) -> Any:
        return bg.recurrence(self.case.text, let=bound(self.case))

    @cached_property
    def u(self) -> Any:
        return self.rec.unroll(**self.case.options())

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Without a loss: the outputs as the package says (a convention, not a number)."""
        return () if self.case.losses or self.case.total else tuple(self.rec.outputs)

    @cached_property
    def world(self) -> World:
        w = World(self.case, outputs=self.outputs)
        with np.errstate(all="ignore"):
            w.everything(), w.losses()  # draws all data
        return w

    @cached_property
    def values(self) -> dict[str, Array]:
        """Every value by its name in the package, (1, B or 1, *shape)."""
        with np.errstate(all="ignore"):
            return self.world.everything()

    @cached_property
    def losses(self) -> dict[int, Array]:
        return self.world.losses()

    @cached_property
    def data(self) -> dict[str, Array]:
        return {k: v for k, v in self.world.data.items() if k not in self.case.absent}

    @property
    def batch(self) -> int:
        return self.case.batch or 1

    @cached_property
    def size(self) -> float:
        """The size of the largest value that is a number: 2^h soon overflows where no loss reads it."""
        return max([1.0, *[float(np.abs(v).max(initial=0, where=np.isfinite(v))) for v in self.values.values()]])

    @cached_property
    def loss(self) -> float:
        return float(sum(np.broadcast_to(v, (1, self.batch)).sum() for v in self.losses.values()))

    @cached_property
    def run(self) -> Any:
        return self.u.run(self.data)

    @cached_property
    def plain(self) -> Any:
        return self.u.run(self.data, schedule=False)

    # -- derivatives by the complex step -------------------------------------------------------------------------------

    @cached_property
    def differentiable(self) -> list[str]:
        return [k for k in self.world.data if self.case.kinds.get(k) != "classes" and not k.startswith("dE_d")]

    @cached_property
    def leaf_keys(self) -> list[str]:
        """Parameters and initial states."""
        return [
            k
            for k in self.differentiable
            if k in self.case.parameters or ("[" in k and k.partition("[")[0] in self.case.defined)
        ]

    def moved(self, key: str, only: int | None = None, step: float = STEP) -> dict[int, Array]:
        """The derivatives of the loss of each step by the entries of a key, (P, B), through all uses or those of one
        step."""
        base = self.case.shapes[key.partition("[")[0]]
        array = self.world.data[key]
        length = 0 if key in self.case.parameters or "[" in key else self.case.steps
        if length:  # of a sequence every step is moved alone
            lead = array.shape[1 : array.ndim - len(base)]
            rows = moves(np.zeros((*lead, *base)), base or (1,), step).reshape(-1, *lead, *base)
            size = len(rows)
            copies = np.repeat(array[None].astype(complex), length * size, axis=0)
            for s in range(length):
                copies[s * size : (s + 1) * size, s] += rows
        else:
            copies = moves(array, base or (1,), step).reshape(-1, *array.shape)
        with np.errstate(all="ignore"):
            w = World(self.case, self.world.data, {key: copies}, only, outputs=self.outputs)
            return {s: np.broadcast_to(np.imag(v) / step, (len(copies), self.batch)) for s, v in w.losses().items()}

    @cached_property
    def gradients(self) -> dict[str, Array]:
        return {k: self.gradient(k) for k in self.differentiable}

    def gradient(self, key: str, step: float = STEP) -> Array:
        """In the shape of the data."""
        total = sum(self.moved(key, step=step).values())
        array = self.world.data[key]
        base = self.case.shapes[key.partition("[")[0]]
        sequence = key not in self.case.parameters and "[" not in key
        batched = array.ndim > len(base) + sequence
        length = (self.case.steps,) if sequence else ()
        if not batched:
            return total.sum(-1).reshape((*length, *base))
        found = np.moveaxis(total.reshape(*length, -1, self.batch), -1, len(length))  # (T, B, size)
        return found.reshape((*length, self.batch, *base))

    def cleared(self, key: str) -> Array:
        """The gradient with 0 where it is 0: there the complex step leaves h² times the third derivative, which grows
        with h; a derivative, of any smallness, does not."""
        found = self.gradients[key]
        if not np.any((found != 0) & (np.abs(found) < STEP**1.5 * self.scale(key))):
            return found
        return np.where(np.abs(self.gradient(key, 8 * STEP) - found) > np.abs(found), 0.0, found)

    @cached_property
    def triangles(self) -> dict[str, Array]:
        """(T, T + 1, *shape) of parameters and initial states, summed over the batch; column k is that of the uses at
        step k."""
        found = {}
        for key in self.leaf_keys:
            base = self.case.shapes[key.partition("[")[0]]
            triangle = np.zeros((self.case.steps, self.case.steps + 1, *base))
            for k in range(self.case.steps + 1):
                for s, part in self.moved(key, k).items():
                    triangle[s - 1, k] = part.sum(-1).reshape(base)
            found[key] = triangle
        return found

    def scale(self, key: str) -> float:
        """What errors of a gradient are measured by: the sum of its absolute contributions, and the size of the
        values."""
        parts = (
            np.abs(self.triangles[key]).sum((0, 1)) if key in self.leaf_keys else np.abs(self.gradients.get(key, 1.0))
        )
        return self.size * (1 + float(parts.max(initial=0)))

    @cached_property
    def unrest(self) -> float:
        """How far the oracle's own gradients move, in units of rounding, if all data move by half a unit in the last
        place."""
        if not self.leaf_keys:
            return 0.0
        other, rng = Subject(self.case), np.random.default_rng(0)
        for key, v in other.world.data.items():
            if np.asarray(v).dtype.kind == "f":
                other.world.data[key] = v * (1 + 2.0**-53 * rng.choice([-1, 1], np.shape(v)))
        apart = [np.abs(self.gradients[k] - other.gradients[k]).max(initial=0) / self.scale(k) for k in self.leaf_keys]
        return float(max(apart)) / 2.0**-53

    def differs(self, got: Any, want: Any, scale: float) -> str | None:
        got, want = np.asarray(got), np.asarray(want)
        if got.shape != want.shape:
            return f"shape {got.shape} for {want.shape}"
        error = float(np.abs(got - want).max(initial=0)) if np.all(np.isfinite(got)) else np.inf
        units = error / (2.0**-53 * scale)
        if units <= SLACK or (units <= SLACK * 2**8 and units <= 8 * self.unrest):
            self.most = max(self.most, units)
            return None
        return f"got {_short(got)}, want {_short(want)}"


def _short(a: Array) -> str:
    text = np.array2string(np.asarray(a), precision=5, threshold=8, separator=", ").replace("\n", "")
    return text if len(text) < 90 else text[:87] + "..."


# -- the categories ----------------------------------------------------------------------------------------------------


def compare_loss(s: Subject, run: Any = None) -> str | None:
    return s.differs((run or s.run).loss, s.loss, s.size * s.batch * s.case.steps)


def compare_values(s: Subject, run: Any = None) -> str | None:
    run = run or s.run
    for n, want in s.values.items():
        if n not in run.values:
            return f"{n} is no value"
        got = run.values[n]
        shape = s.case.shapes[n.partition("[")[0]]
        want = np.broadcast_to(want[0], (s.batch, *shape))
        if np.shape(got) not in ((s.batch, *shape), shape):
            return f"{n}: shape {np.shape(got)}"
        if s.case.batch is None and np.shape(got) != shape:
            return f"{n}: shape {np.shape(got)}"
        if found := s.differs(np.broadcast_to(got, want.shape), want, s.size):
            return f"{n}: {found}"
    return None


def compare_gradients(s: Subject, run: Any = None) -> str | None:
    run = run or s.run
    missing = [k for k in s.leaf_keys if k not in set(run.gradients)]
    if missing:
        return f"no gradient of {missing[0]}"
    for key, want in s.gradients.items():
        if found := s.differs(run.gradients[key], want, s.scale(key)):
            return f"d{key}: {found}"
    return None


def compare_triangle(s: Subject, run: Any = None) -> str | None:
    run = run or s.run
    for key in s.leaf_keys:
        want, got = s.triangles[key].copy(), run.contributions(key)
        if got.shape[1] != s.case.steps:
            return f"{key}: shape {got.shape}"
        total = s.gradients[key]
        total = total if total.ndim == got.ndim - 2 else total.sum(0)
        # uses in a total of one's own that stand in none of its sums: at the last step
        want[-1, -1] += total - want.sum((0, 1))
        want[:, 1] += want[:, 0]  # uses before the first step count with the first
        want[:, 0] = 0
        if found := s.differs(got.sum((0, 1)), total, s.scale(key)):
            return f"{key}: the sum: {found}"
        if not s.case.plain_total:  # rows of a total of one's own are a convention
            got, want = got.sum(0, keepdims=True), want.sum(0, keepdims=True)
        if found := s.differs(got, want[:, 1:], s.scale(key)):
            row = (
                np.unravel_index(np.argmax(np.abs(got - want[:, 1:])), got.shape)
                if got.shape == want[:, 1:].shape
                else ()
            )
            return f"{key} at {row[:2]}: {found}"
    return None


def compare_schedule(s: Subject) -> str | None:
    """The run without the schedule."""
    return compare_loss(s, s.plain) or compare_values(s, s.plain) or compare_gradients(s, s.plain)


def compare_memory(s: Subject) -> str | None:
    """The run that keeps √T steps; where it says that it does not apply, that is no difference."""
    run = s.u.run(s.data, memory="sqrt")
    if found := compare_loss(s, run):
        return found
    for key in run.gradients:
        if key in s.gradients and (found := s.differs(run.gradients[key], s.gradients[key], s.scale(key))):
            return f"d{key}: {found}"
    return None


def _either(s: Subject) -> bool:
    """Whether class numbers of B = n examples could be the vectors of one example, as nothing else has a batch."""
    c = s.case
    batched = {k for k in s.world.data if c.batch is not None and k not in {*c.parameters, *c.single, *c.absent}}
    classes = {k for k in batched if c.kinds.get(k) == "classes"}
    return batched == classes and any(c.shapes[k] == (c.batch,) for k in classes)


def _counted_from_0(case: Case) -> bool:
    """Whether c[0] is given beside c[t+1] = f(c[t]): the language reads it as c[1], the first that is read, and says
    so."""
    ahead = {e.left[0] for e in case.equations if e.index == 1}
    given = {e.left[0] for e in case.equations if e.index == ("at", 0)}
    reads = [n.value for e in case.equations for n in e.right.walk() if n.op == "name"]
    early = {n for n, at in reads if not isinstance(at, int) or at < 0}
    return bool((ahead & given) - early)


def acceptable(case: Case) -> bool:
    """Whether the numbers are finite, moderate and away from kinks, and a batch, if any, reaches the loss."""
    s = Subject(case)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            world = s.world
    except BPTTError:
        return True  # a refusal is counted, not hidden
    values = [*s.values.values(), *s.losses.values()]
    if not all(np.all(np.isfinite(v)) and np.abs(v).max(initial=0) < 50 for v in values) or world.margin < 1e-3:
        return False
    if _either(s) or _counted_from_0(case):
        return False
    total = sum(s.losses.values())
    return case.batch is None or (np.ndim(total) == 2 and np.shape(total)[1] == case.batch)
