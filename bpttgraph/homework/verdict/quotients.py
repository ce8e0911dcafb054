"""Difference quotients handed in as a gradient: recognised by their errors, and named.

(E(w + ε) − E(w − ε)) / 2ε is off by ε²E‴/6 and by the rounding of E over ε. Nobody who derives a gradient makes such
errors, so as far as its digits agree it is not wrong; but it is no derivation. Two things give it away, each with its
ε: the quotient, computed here with the same step, is far closer than the gradient; or every number, times 2ε, is a
whole multiple of the last place of E, as a difference of two such numbers is. A small error that shows neither is not
excused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...check.oracle import Move, Probe
from ...core.rounding import U
from ..answers.given import Given
from ..truth.forward import Ran

if TYPE_CHECKING:
    from ..truth.truth import Truth

__all__ = ["Recognised", "recognised"]

Array = np.ndarray[Any, Any]
# ∛u and √u among them
STEPS = (1e-2, 5e-3, 1e-3, 5e-4, 1e-4, 5e-5, 1e-5, 6.0554544523933429e-06, 1e-6, 1e-7, 2.0**-26, 1e-8)
FAR = 0.1  # of the largest entry: what is farther off is something else
DIGITS = 4  # that have to agree for numbers to be right to these digits
NOISE = 64.0  # units in the last place of the loss that a quotient may be off by, whoever computed it
CLOSER = 0.1  # of the distance from the gradient is what is left of the distance from the quotient
CHANCE = 1e-9  # that numbers that are no differences are whole multiples
LUCK = 1e-5  # that a wrong gradient is as near to the quotient of one of these steps, and of whole multiples
SAMPLE = 40  # entries by which the step is found
MOST_MOVES = 200_000  # entries times steps that are computed here
MOST_STEPS = 1_000


@dataclass(frozen=True)
class _Quotient:
    """A way to take differences: central (`sides` 2) or one-sided (1 forward, −1 backward), with a step."""

    sides: int
    step: float

    @property
    def below(self) -> float:
        return 2 * self.step if self.sides == 2 else self.step

    def __str__(self) -> str:
        kind = {2: "central", 1: "forward", -1: "backward"}[self.sides]
        return f"{kind} differences with a step of {self.step:.3g}"


@dataclass(frozen=True)
class Recognised:
    """What is said of numbers that are difference quotients: how, and to how many digits they are the gradient."""

    way: _Quotient
    digits: int

    @property
    def right(self) -> bool:
        return self.digits >= DIGITS

    def __str__(self) -> str:
        return f"these numbers agree to {self.digits} digits: they are {self.way}, not a derivation"


def recognised(truth: Truth, given: Mapping[str, Given]) -> dict[str, Recognised]:
    """Those of the gradients given that are difference quotients.

    Args:
        truth: the gradient. given: what is not right within rounding, numbers of full precision.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> truth = Truth(u, u.instance())
        >>> def loss(step):
        ...     return float(u.run({**truth.data, "b_h": truth.data["b_h"] + step}).loss)
        >>> forward = np.array([(loss(row) - loss(0 * row)) / 1e-6 for row in 1e-6 * np.eye(4)])
        >>> print(recognised(truth, {"b_h": Given("b_h", forward)})["b_h"])
        these numbers agree to 6 digits: they are forward differences with a step of 1e-06, not a derivation
    """
    if isinstance(truth, Ran):
        return {}  # the differences here are those of the equations, not of the forward pass that was run
    u = truth.u
    close = {n: g for n, g in given.items() if n in truth.run.numbers.leaf_nodes and _is_close(truth, g)}
    size = sum(g.value.size for g in close.values())
    if not close or u.edge_cuts or size * u.columns > MOST_MOVES or u.columns > MOST_STEPS:
        return {}
    losses = _Losses(truth, close)
    rng = np.random.default_rng(0)
    some = {n: rng.permutation(g.value.size)[: max(SAMPLE // len(close), 4)] for n, g in close.items()}
    seen = losses.at(some, STEPS)
    # a multiple of ε is a multiple of 10 ε as well: the smallest that fits is meant
    ways = sorted((_Quotient(sides, step) for step in STEPS for sides in (2, 1, -1)), key=lambda w: w.below)
    likely = [w for w in ways if _gives_away(truth, close, some, seen, losses, w)]
    found: dict[str, Recognised] = {}
    for way in likely:
        entries = {n: np.arange(g.value.size) for n, g in close.items() if n not in found}
        every = losses.at(entries, [way.step])
        for name in entries:
            if np.all(_off(truth, close[name], every, losses, way, entries[name]) <= 1):
                off = np.abs(close[name].value - truth.value(name)).max() / np.abs(truth.value(name)).max()
                found[name] = Recognised(way, int(-np.log10(max(off, U))))
    return found


def _is_close(truth: Truth, g: Given) -> bool:
    true = truth.value(g.name)
    if (
        g.value.shape != true.shape
        or (g.half is not None and np.any(g.half > 8 * g.unit * np.abs(g.value)))
        or not true.size
        or g.value.ndim > len(truth.node(g.name).shape)
    ):
        return False
    return bool(np.all(np.abs(g.value - true) <= FAR * np.abs(true).max()))


class _Losses:
    """The total loss with one entry of a variable moved."""

    def __init__(self, truth: Truth, names: Iterable[str]):
        self.u = truth.u
        self.probe = Probe(truth.u, names, truth.u.heads, (), truth.run.leaves)
        self.value = float(np.real(truth.run.loss))
        self.size = float(sum(np.sum(np.abs(truth.run.array(h.name))) for h in truth.u.heads)) * self.u.weight

    def at(self, entries: Mapping[str, Array], steps: Sequence[float]) -> dict[tuple[str, float], Array]:
        """(name, step) -> the losses (P,), for each step and for its negative."""
        moves: list[Move] = []
        for name, chosen in entries.items():
            unit = np.zeros((len(chosen), int(np.prod(self.u.node(name).shape))))
            unit[np.arange(len(chosen)), chosen] = 1.0
            moves.append({(name, None): unit})
        factors = [s * step for step in steps for s in (1.0, -1.0)]
        with np.errstate(all="ignore"):
            found = list(self.probe.losses_at(moves, factors))
        return {
            (name, factor): values[i] * self.u.weight
            for name, values in zip(entries, found) for i, factor in enumerate(factors)
        }  # fmt: skip


def _quotient(losses: _Losses, seen: Mapping[tuple[str, float], Array], name: str, way: _Quotient) -> Array:
    here = {0: losses.value} | {s: seen[name, s * way.step] for s in (1, -1)}
    top, bottom = {2: (1, -1), 1: (1, 0), -1: (0, -1)}[way.sides]
    return np.asarray(here[top] - here[bottom]) / way.below


def _off(
    truth: Truth, g: Given, seen: Mapping[tuple[str, float], Array], losses: _Losses, way: _Quotient, entries: Array
) -> Array:
    """How far each entry lies from our own quotient, in what rounding may do to such a quotient."""
    value = g.value.reshape(-1)[entries]
    allowed = NOISE * U * losses.size / way.step + g.unit * np.abs(value)
    found: Array = np.abs(value - _quotient(losses, seen, g.name, way)) / allowed
    return found


def _gives_away(
    truth: Truth, close: Mapping[str, Given], some: Mapping[str, Array], seen: Mapping[tuple[str, float], Array],
    losses: _Losses, way: _Quotient,
) -> bool:  # fmt: skip
    """Whether a sample of the entries is near the quotients of a step, and could not be so by chance."""
    left, away, chance, near = 0.0, 0.0, 0.0, 0.0
    last = float(np.spacing(0.9 * abs(losses.value)))  # of the loss; a little smaller ones may have a smaller one
    for name, entries in some.items():
        g = close[name]
        if not np.all(_off(truth, g, seen, losses, way, entries) <= 1):
            return False
        value = g.value.reshape(-1)[entries]
        allowed = NOISE * U * losses.size / way.step + g.unit * np.abs(value)
        error = np.abs(value - truth.value(name).reshape(-1)[entries])
        near += float(np.sum(np.log10(np.minimum(allowed / np.maximum(error, 1e-300), 1.0))))
        left += float(np.sum((value - _quotient(losses, seen, name, way)) ** 2))
        away += float(np.sum((value - truth.value(name).reshape(-1)[entries]) ** 2))
        if g.unit <= U and last:
            whole = value * way.below / last
            margin = 8 * U * np.abs(whole) + 1e-6
            told = (np.abs(whole) >= 0.5) & (margin < 0.1)
            if np.any(np.abs(whole - np.round(whole))[told] > margin[told]):
                chance = np.inf
            chance += float(np.sum(np.log10(2 * margin[told])))
    closer = left <= CLOSER**2 * away and near + min(chance, 0.0) <= np.log10(LUCK)
    return bool(closer or chance <= np.log10(CHANCE))
