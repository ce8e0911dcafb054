"""All known mistakes, tried on one instance: what each makes of every gradient, and whether an answer is that.

Agreement is measured against rounding and the digits given, and against what chance alone could have made agree.
Mistakes that come to the same gradient in general (sliding windows of one step, and nothing ever carried) are one match
with several names; whether they do is seen on a second instance, on which nothing hides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from ...errors import BPTTError
from ..answers.given import Given
from ..mistakes import Mutant, Trial, mutants
from ..truth.truth import Truth

__all__ = ["DOUBT", "LARGE", "WORK", "Combination", "Match", "Tried", "given_entries"]

Array = np.ndarray[Any, Any]
Combination = tuple[Mutant, ...]
SAFETY = 16.0  # standard deviations of the rounding of formulas
SLACK = 1000.0  # units of roundoff of the largest entry: another order of operations in a wrong computation
DOUBT = 3.0  # agreement must be 10³ times less likely by chance than one hit among all that were tried
WORK = 4e9  # numbers that may be added up in one search, some seconds: …
EDGE = 50.0  # … one reverse pass with a mistake costs so many at each edge, beside those of the gradients
LARGE = 3e6  # numbers in the table of all mistakes' gradients


@dataclass(frozen=True)
class Match:
    """A mistake (or two) that reproduces the answer, and the other names under which it is known."""

    combination: Combination
    names: tuple[str, ...]  # parameters that it explains
    aliases: tuple[Combination, ...] = ()
    sure: bool = True  # whether more digits agree than chance could have made agree
    against: int = 0  # how many parameters of the answer it would have changed otherwise
    behind: tuple[Match, ...] = ()  # what would make all of the answer so, where each array has a cause of its own

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(m.key for m in self.combination)

    @property
    def rank(self) -> float:
        return sum(m.rank for m in self.combination)

    @property
    def clause(self) -> str:
        return ", and ".join(m.clause for m in self.combination)


class Tried:
    """All mistakes, tried on one instance.

    Args:
        truth: the gradient on the instance. names: what answers may give beside parameters and initial states.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(4)
        >>> tried = Tried(Truth(u, u.instance()))
        >>> nothing = Given("W_hh", 0 * tried.truth.value("W_hh"))
        >>> [m.key for m, fits in zip(tried.mutants, tried.fits(nothing, tried.table["W_hh"])) if fits]
        ['zero:W_hh', 'link-dropped:h<-y']
    """

    def __init__(self, truth: Truth, names: Iterable[str] = ()):
        self.truth, self.u, self.run = truth, truth.u, truth.run
        self.trial = self.trying([n for n in names if self.knows(n)])
        self.mutants = mutants(self.trial.site)

    def knows(self, name: str) -> bool:
        return name in self.u.nodes or name in self.u.leaves or name in self.truth.alias

    def trying(self, names: Sequence[str], only: bool = False) -> Trial:
        return Trial(self.u, self.run, names, only, self.truth.alias)

    @cached_property
    def table(self) -> dict[str, Array]:
        """What every single mistake makes of every gradient: name -> (mistakes, *shape)."""
        return self.trial([(m,) for m in self.mutants])

    @cached_property
    def reference(self) -> Tried | None:
        """The same recurrence on an instance on which nothing hides: more steps, a loss at each, sizes that differ."""
        u, rec = self.u, self.u.recurrence
        try:
            steps: Any = {b: max(t, 4) for b, t in u.steps.items()}
            made = rec.unroll(
                steps if rec.blocks else next(iter(steps.values())), "every", None,
                u.truncation.name if u.truncation else None, u.inputs, u.reduce,
            )  # fmt: skip
            return Tried(
                Truth(made, made.instance(seed=1789, batch=3 if self.run.batch else None)),
                [n for n in self.trial.names if n not in self.truth.alias],
            )
        except BPTTError:  # a recurrence that cannot be unrolled otherwise has no reference
            return None

    # -- comparing -----------------------------------------------------------------------------------------------------

    def tolerance(self, given: Given) -> Array:
        """How far the digits given and the rounding of a right computation may be off, entry by entry."""
        radius = np.broadcast_to(self.truth.radius(given.name, given.unit), np.shape(given.value))
        if given.rounding is not None and np.shape(given.rounding) == radius.shape:  # of the student's own arrangement
            radius = np.maximum(radius, np.minimum(SAFETY * given.unit * np.abs(given.rounding), 1e6 * radius))
        return radius if given.half is None else radius + given.half

    def slack(self, given: Given, values: Array) -> Array:
        """The tolerance for each row of `values`: a wrong computation has rounding of its own size."""
        axes = tuple(range(1, values.ndim))
        with np.errstate(all="ignore"):
            largest = np.abs(values).max(axis=axes, keepdims=True, initial=0.0)
        found: Array = self.tolerance(given)[None] + SLACK * max(given.unit, 2.0**-53) * largest
        return found

    def fits(self, given: Given, values: Array) -> Array:
        """Which rows of `values` are the answer."""
        with np.errstate(all="ignore"):
            found: Array = np.all(
                np.abs(values - given.value) <= self.slack(given, values), axis=tuple(range(1, values.ndim))
            )
            return found

    def evidence(self, values: Mapping[str, Array], given: Mapping[str, Given], free: int = 0) -> float:
        """Decimal digits by which an answer that a mistake reproduces is told apart from the truth.

        The numbers from which the mistake's `free` constants were read are no evidence; nor are numbers that were not
        given.
        """
        digits = [np.zeros(0)]
        for name, value in values.items():
            true, tol = self.truth.value(name), self.slack(given[name], value[None])[0]
            with np.errstate(all="ignore"):
                digits.append(np.log10(np.abs(value - true) / np.maximum(tol, 1e-300)).ravel())
        found = np.sort(np.concatenate(digits))[::-1]
        return float(np.sum(np.maximum(found[free:], 0.0)))

    def differs(self, name: str, values: Array) -> Array:
        """Which rows of `values` are not the truth to within rounding: no other can be why an answer is wrong."""
        with np.errstate(all="ignore"):
            apart = np.abs(values - self.truth.value(name)) > self.truth.radius(name)
        found: Array = np.any(apart, axis=tuple(range(1, values.ndim)))
        return found

    def moves(self, given: Given, values: Array) -> Array:
        """Which rows of `values` are not the truth to the digits given."""
        with np.errstate(all="ignore"):
            found: Array = ~np.all(
                np.abs(values - self.truth.value(given.name)) <= self.slack(given, values),
                axis=tuple(range(1, values.ndim)),
            )
            return found

    # -- the same elsewhere --------------------------------------------------------------------------------------------

    def merged(self, hits: Sequence[Combination], names: tuple[str, ...]) -> list[Match]:
        """Different names for the same gradient become one match: they agree also where nothing hides."""
        hits = sorted(hits, key=lambda c: (sum(m.rank for m in c), [m.key for m in c]))
        if len(hits) == 1:
            return [Match(hits[0], names)]
        elsewhere = self.elsewhere(hits, names)
        classes: list[list[Combination]] = []
        for hit in hits:
            values = elsewhere.get(tuple(m.key for m in hit))
            for group in classes:
                first = elsewhere.get(tuple(m.key for m in group[0]))
                if (
                    values is not None
                    and first is not None
                    and np.all(np.abs(values - first) <= 1e-9 * np.maximum(np.abs(first).max(), 1e-300))
                ):
                    group.append(hit)
                    break
            else:
                classes.append([hit])
        return [Match(group[0], names, tuple(group[1:])) for group in classes]

    def elsewhere(self, hits: Sequence[Combination], names: tuple[str, ...]) -> dict[tuple[str, ...], Array]:
        """What combinations make of the gradients (of `names`) on the reference instance, flat."""
        other = self.reference
        if other is None:
            return {}
        by_key = {m.key: m for m in other.mutants}
        aliases = {m.signature: m for m in other.mutants}
        rows = [tuple(by_key.get(m.key) or aliases.get(m.signature) for m in hit) for hit in hits]
        known = [(hit, row) for hit, row in zip(hits, rows) if all(m is not None for m in row)]
        if not known:
            return {}
        values = other.trial([row for _, row in known])  # type: ignore[misc]
        kept = [n for n in names if n in values] or list(other.truth.run.gradients)
        flat = np.concatenate([values[n].reshape(len(known), -1) for n in kept], axis=1)
        return {tuple(m.key for m in hit): row for (hit, _), row in zip(known, flat)}

    # -- work ----------------------------------------------------------------------------------------------------------

    @cached_property
    def small(self) -> bool:
        numbers = sum(prod(self.truth.value(n).shape) for n in self.trial.names)
        return numbers * len(self.mutants) <= LARGE and sum(self.work((m,)) for m in self.mutants) <= WORK

    def work(self, combination: Combination) -> float:
        """What it costs to try mistakes, in numbers that are added up: a truncation needs a reverse pass for each group
        of losses."""
        if any(m.weights is not None for m in combination):
            return 0.0
        rule = next((m.truncation for m in combination if m.truncation is not None), self.u.truncation)
        numbers = sum(prod(node.shape) for node in self.u.parameters.values())
        edges = len(self.trial.site.places.edges)
        return len(self.trial.groups(rule)) * (self.u.columns * numbers + EDGE * (self.run.batch or 1) * edges)


def given_entries(given: Given) -> Array:
    """The entries that were given: half a unit of the others is infinite.

    Example:
        >>> given_entries(Given("W", np.zeros(2), half=np.array([0.005, np.inf]))).tolist()
        [True, False]
    """
    return np.ones(np.shape(given.value), bool) if given.half is None else np.isfinite(given.half)
