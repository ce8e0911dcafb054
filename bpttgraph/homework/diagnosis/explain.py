"""Why is a gradient wrong? The catalogue of mistakes, alone and in pairs; the coefficient triangle; what the difference
looks like.

A cause is named only if the gradient recomputed with it is the answer, to within rounding and the digits given.
Mistakes that come to the same gradient in general (sliding windows of one step, and nothing ever carried) are one cause
with several names; mistakes that only happen to agree on this instance are a tie, and all of them are listed. Nothing
is concluded from an agreement that chance alone could have produced: the digits that agree must outweigh the number of
mistakes tried.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, combinations
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import BPTTError
from ..answers.given import Answer, Given
from ..mistakes import CATALOGUE, Mutant, Trial, clipped, compatible, multiplied, mutants
from ..mistakes.lines import missing_line
from ..truth.truth import Truth
from .cause import Cause
from .pinpoint import pinpoint
from .residual import constant_factor, structure
from .triangle import Fit, describe, fit, patterns

if TYPE_CHECKING:
    from ...errors import Span

__all__ = ["Diagnosis", "Match", "diagnose"]

Array = np.ndarray[Any, Any]
Combination = tuple[Mutant, ...]
SAFETY = 16.0  # standard deviations of the rounding of formulas
SLACK = 1000.0  # units of roundoff of the largest entry: another order of operations in a wrong computation
PAIRS = 40_000  # pairs tried at most
DOUBT = 3.0  # agreement must be 10³ times less likely by chance than one hit among all that were tried
STAGE = 24  # mistakes tried at a time in a large model
WORK = 4e9  # numbers that may be added up in one search, some seconds: …
EDGE = 50.0  # … one reverse pass with a mistake costs so many at each edge, beside those of the gradients,
PASS = 2e4  # … and any number of them at once so many more
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


def diagnose(truth: Truth, answer: Answer, wrong: Sequence[str]) -> dict[str, Cause]:
    """Explain the parameters of an answer that are wrong.

    Args:
        truth: the gradient on the instance. answer: what was handed in, in the recurrence's own layout.
        wrong: the names to explain; what else the answer gives is taken into account as right.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(4)
        >>> truth = Truth(u, u.instance())
        >>> wrong = 2 * truth.value("W_hh")
        >>> answer = Answer({"W_hh": Given("W_hh", wrong), "b_h": Given("b_h", truth.value("b_h"))}, "arrays")
        >>> diagnose(truth, answer, ["W_hh"])["W_hh"].text
        '∂E/∂W_hh is exactly what you get if ∂E/∂W_hh is doubled.'
    """
    found = Diagnosis(truth).explain(answer, wrong)
    if answer.text:
        for name, repair in pinpoint(truth, answer.text, wrong, answer.ascending).items():
            if name in found:
                found[name] = _with_place(name, found[name], repair.text, repair.span)
    return found


def _with_place(name: str, cause: Cause, text: str, span: Span) -> Cause:
    """A cause with the place in the student's own line; where nothing was known, the place alone."""
    if cause.certainty == "unexplained":
        words = f"{_shown(name)} differs from the true gradient in one place only. {text}"
        return replace(cause, certainty="exact", text=words, mistakes=(("formula",),), span=span)
    return replace(cause, text=f"{cause.text} {text}", span=span)


def _shown(name: str) -> str:
    return name if name.startswith(("δ", "delta")) else f"∂E/∂{name}"


class Diagnosis:
    """All mistakes, tried on one instance; answers are compared with the results.

    Args:
        truth: the gradient on the instance. names: what answers may give beside parameters and initial states.
    """

    def __init__(self, truth: Truth, names: Iterable[str] = ()):
        self.truth, self.u, self.run = truth, truth.u, truth.run
        self.trial = self._trial([n for n in names if self._known(n)])
        self.mutants = mutants(self.trial.site)

    def _known(self, name: str) -> bool:
        return name in self.u.nodes or name in self.u.leaves or name in self.truth.alias

    def _trial(self, names: Sequence[str], only: bool = False) -> Trial:
        return Trial(self.u, self.run, names, only, self.truth.alias)

    @cached_property
    def table(self) -> dict[str, Array]:
        """What every single mistake makes of every gradient: name -> (mistakes, *shape)."""
        return self.trial([(m,) for m in self.mutants])

    @cached_property
    def reference(self) -> Diagnosis | None:
        """The same recurrence on an instance on which nothing hides: more steps, a loss at each, sizes that differ."""
        u, rec = self.u, self.u.recurrence
        try:
            steps: Any = {b: max(t, 4) for b, t in u.steps.items()}
            made = rec.unroll(
                steps if rec.blocks else next(iter(steps.values())), "every", None,
                u.truncation.name if u.truncation else None, u.inputs, u.reduce,
            )  # fmt: skip
            return Diagnosis(
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

    def _slack(self, given: Given, values: Array) -> Array:
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
                np.abs(values - given.value) <= self._slack(given, values), axis=tuple(range(1, values.ndim))
            )
            return found

    def evidence(self, values: Mapping[str, Array], given: Mapping[str, Given], free: int = 0) -> float:
        """Decimal digits by which an answer that a mistake reproduces is told apart from the truth.

        The numbers from which the mistake's `free` constants were read are no evidence; nor are numbers that were not
        given.
        """
        digits = [np.zeros(0)]
        for name, value in values.items():
            true, tol = self.truth.value(name), self._slack(given[name], value[None])[0]
            with np.errstate(all="ignore"):
                digits.append(np.log10(np.abs(value - true) / np.maximum(tol, 1e-300)).ravel())
        found = np.sort(np.concatenate(digits))[::-1]
        return float(np.sum(np.maximum(found[free:], 0.0)))

    # -- explaining ----------------------------------------------------------------------------------------------------

    def explain(self, answer: Answer, wrong: Sequence[str]) -> dict[str, Cause]:
        given = {
            n: g
            for n, g in answer.given.items()
            if self._known(n) and np.shape(g.value) == np.shape(self.truth.value(n))
        }
        if any(n not in self.trial.true for n in given):
            return Diagnosis(self.truth, [*self.trial.names, *given]).explain(answer, wrong)
        wrong = [n for n in wrong if n in given]
        if not wrong:
            return {}
        fits = {n: self._fit(given[n]) for n in wrong}
        found: dict[str, list[Match]] = {}
        if self._small:
            found = self._singles(given, wrong)
            rest = [n for n in wrong if n not in found]
            found |= self._clipped(given, rest)
            found |= self._other_losses(given, [n for n in wrong if n not in found])
            rest = [n for n in wrong if n not in found or any(m.against for m in found[n])]
            for n, better in (self._pairs(given, rest) if rest else {}).items():
                old = found.get(n)
                if old is None or len(better[0].names) > len(old[0].names):
                    found[n] = better
        else:
            found = self._staged(given, wrong)
            found |= self._clipped(given, [n for n in wrong if n not in found])
            found |= self._other_losses(given, [n for n in wrong if n not in found])
        copies = {n: self._copied(n, given, wrong) for n in wrong if n not in found}
        return {n: copies.get(n) or self._cause(n, given[n], found.get(n, []), fits[n]) for n in wrong}

    def _copied(self, name: str, given: Mapping[str, Given], wrong: Sequence[str]) -> Cause | None:
        """One array handed in twice, where the other one is wrong as well; that of a right one is among the
        mistakes."""
        mine = given[name]
        for other in wrong:
            value = np.asarray(given[other].value, float)
            if other == name or value.shape != np.shape(mine.value) or not (_known(mine) & _known(given[other])).all():
                continue
            if (
                self.fits(mine, value[None])[0]
                and self.evidence({name: value - self.truth.value(other) + self.truth.value(name)}, given) >= DOUBT
            ):
                text = f"{_shown(name)} is the same array as {_shown(other)}, though the two gradients differ."
                return Cause("exact", text, ((f"copied:{name}:{other}",),), CATALOGUE["copied"].lesson)
        return None

    @cached_property
    def _small(self) -> bool:
        numbers = sum(prod(self.truth.value(n).shape) for n in self.trial.names)
        return numbers * len(self.mutants) <= LARGE and sum(self._work((m,)) for m in self.mutants) <= WORK

    def _work(self, combination: Combination) -> float:
        """What it costs to try mistakes, in numbers that are added up: a truncation needs a reverse pass for each group
        of losses."""
        if any(m.weights is not None for m in combination):
            return 0.0
        rule = next((m.truncation for m in combination if m.truncation is not None), self.u.truncation)
        numbers = sum(prod(node.shape) for node in self.u.parameters.values())
        edges = len(self.trial.site.places.edges)
        return len(self.trial.groups(rule)) * (self.u.columns * numbers + EDGE * (self.run.batch or 1) * edges)

    def _singles(self, given: Mapping[str, Given], wrong: Sequence[str]) -> dict[str, list[Match]]:
        table = dict(self.table)
        rows: list[Combination] = [(m,) for m in self.mutants]
        fitting = {n: self.fits(g, table[n]) for n, g in given.items()}
        plain = np.array([m.plain for m in self.mutants])
        unnamed = [n for n in wrong if not np.any(fitting[n] & plain & self._differs(n, table[n]))]
        if factors := self._factors(given, unnamed):
            more = self.trial(factors)
            table = {n: np.concatenate([a, more[n]]) for n, a in table.items()}
            fitting = {n: self.fits(g, table[n]) for n, g in given.items()}
            rows += factors
        return self._chosen(given, wrong, fitting, rows, table, len(rows))

    def _factors(self, given: Mapping[str, Given], names: Sequence[str]) -> list[Combination]:
        """Factors that no convention knows: one for all of the answer, or one of several arrays, or of one with several
        numbers."""
        found: list[Combination] = []
        rest = list(names)
        for group in (names, *([n] for n in names)):
            group = [n for n in group if n in rest]
            c = self._factor(given, group)
            if c is None:
                continue
            group = [n for n in rest if self.fits(given[n], c * self.truth.value(n)[None])[0]]
            if self.evidence({n: c * self.truth.value(n) for n in group}, given, free=1) >= DOUBT:
                found.append((multiplied(group, c, every=len(group) == len(given) > 1),))
                rest = [n for n in rest if n not in group]
        return found

    def _factor(self, given: Mapping[str, Given], names: Sequence[str]) -> float | None:
        """The c for which these arrays, in all the numbers that were given, are c times the truth."""
        parts: list[tuple[Array, ...]] = [(np.zeros(0),) * 3]
        for n in names:
            known = _known(given[n])
            parts.append(
                (np.asarray(given[n].value, float)[known], self.truth.value(n)[known], self.tolerance(given[n])[known])
            )
        return constant_factor(*(np.concatenate(p) for p in zip(*parts)))

    def _staged(self, given: Mapping[str, Given], wrong: Sequence[str]) -> dict[str, list[Match]]:
        """For large models: the plain mistakes first, a few at a time, until one explains everything or enough work is
        done."""
        trial = self._trial(list(given), only=True)
        plain = [
            m for m in self.mutants if m.weights is None
        ]  # the triangles of large parameters would be larger still
        plain.sort(key=lambda m: not m.plain)
        each = PASS * len(trial.site.places.edges)
        stages: list[list[Combination]] = [[]]
        done = stage = 0.0
        for m in plain:
            work = self._work((m,))
            if done + work + each > WORK and done:
                continue  # a cheaper one may still have its turn
            if len(stages[-1]) >= STAGE and stage >= each:
                stages.append([])
                done, stage = done + each, 0.0
            stages[-1].append((m,))
            done, stage = done + work, stage + work
        found = self._by_stages(given, wrong, trial, stages)
        rest = [n for n in wrong if n not in found]
        return found | self._by_stages(given, rest, trial, [self._factors(given, rest)])

    def _by_stages(
        self, given: Mapping[str, Given], wrong: Sequence[str], trial: Trial, stages: Iterable[Sequence[Combination]]
    ) -> dict[str, list[Match]]:
        """Try a number of combinations at a time, until one explains the whole answer; only what fits somewhere is
        kept."""
        hits: list[Combination] = []
        kept: dict[str, list[Array]] = {n: [] for n in given}
        tried = 0
        for rows in filter(None, stages):
            values = trial(rows)
            fitting = {n: self.fits(g, values[n]) for n, g in given.items()}
            tried += len(rows)
            for i in np.flatnonzero(np.any([fitting[n] for n in wrong], axis=0)):
                hits.append(rows[int(i)])
                for n in given:
                    kept[n].append(values[n][i])
            if np.any(np.all(list(fitting.values()), axis=0)):
                break
        if not hits:
            return {}
        stacked = {n: np.stack(v) for n, v in kept.items()}
        return self._chosen(given, wrong, {n: self.fits(given[n], v) for n, v in stacked.items()}, hits, stacked, tried)

    def _chosen(
        self,
        given: Mapping[str, Given],
        wrong: Sequence[str],
        fitting: Mapping[str, Array],
        rows: Sequence[Combination],
        values: Mapping[str, Array],
        tried: int,
    ) -> dict[str, list[Match]]:
        """For each wrong parameter, what reproduces it.

        What explains most of the answer comes first, then what contradicts least of it: a mistake that would also have
        changed parameters on which it does not agree.
        """
        names = list(given)
        moves = {n: self._moves(given[n], values[n]) for n in names}
        fitting = {n: fitting[n] & self._differs(n, values[n]) if n in wrong else fitting[n] for n in names}
        behind = self._behind(wrong, rows, fitting)
        fitting = self._plain_first(wrong, rows, fitting)
        against = np.stack([~fitting[n] & moves[n] for n in names]).sum(axis=0)
        refuted = np.array([any(m.every for m in c) for c in rows]) & (against > 0)
        fitting = {n: f & ~refuted for n, f in fitting.items()}
        fit = np.stack([fitting[n] for n in names])
        count = fit.sum(axis=0)
        found: dict[str, list[Match]] = {}
        for name in wrong:
            hits = [int(i) for i in np.flatnonzero(fitting[name])]
            if not hits:
                continue
            best = max((int(count[i]), -int(against[i])) for i in hits)
            hits = [i for i in hits if (count[i], -against[i]) == best]
            sets = {tuple(n for n, f in zip(names, fit[:, i]) if f) for i in hits}
            explained = max(sets, key=lambda s: (len(set(s) & set(wrong)), s))
            hits = [i for i in hits if tuple(n for n, f in zip(names, fit[:, i]) if f) == explained]
            weight = max(
                self.evidence({n: values[n][i] for n in explained if n in wrong}, given, sum(m.free for m in rows[i]))
                for i in hits
            )
            sure = bool(weight >= np.log10(max(tried, 1)) + DOUBT)
            if sure or len(rows[0]) == 1:  # a pair that chance may have produced is no explanation at all
                matches = self._merged([rows[i] for i in hits], explained)
                found[name] = [
                    replace(
                        m, sure=sure, against=-best[1], behind=behind if all(c.plain for c in m.combination) else ()
                    )
                    for m in matches
                ]
        return found

    def _behind(
        self, wrong: Sequence[str], rows: Sequence[Combination], fitting: Mapping[str, Array]
    ) -> tuple[Match, ...]:
        """The mistakes at one place each of which makes the whole answer, unless a common factor of all does."""
        hits = [rows[int(i)] for i in np.flatnonzero(np.all(list(fitting.values()), axis=0))]
        if any(m.every for hit in hits for m in hit):
            return ()
        hits = [hit for hit in hits if not any(m.plain for m in hit)]
        return tuple(self._merged(hits, tuple(wrong))) if hits else ()

    def _plain_first(
        self, wrong: Sequence[str], rows: Sequence[Combination], fitting: Mapping[str, Array]
    ) -> dict[str, Array]:
        """An array's own simplest cause comes first: zero, equal to another one, a factor. Another mistake explains
        such an array only if it explains a neighbour that has no cause so simple."""
        plain = np.array([len(c) == 1 and c[0].plain for c in rows], dtype=bool)
        simple = {n for n in wrong if np.any(fitting[n] & plain)}
        rest = [fitting[n] for n in wrong if n not in simple]
        allowed = plain | (np.any(rest, axis=0) if rest else False)
        return {n: f & allowed if n in simple else f for n, f in fitting.items()}

    def _differs(self, name: str, values: Array) -> Array:
        """Which rows of `values` are not the truth to within rounding: no other can be why an answer is wrong."""
        with np.errstate(all="ignore"):
            apart = np.abs(values - self.truth.value(name)) > self.truth.radius(name)
        found: Array = np.any(apart, axis=tuple(range(1, values.ndim)))
        return found

    def _moves(self, given: Given, values: Array) -> Array:
        """Which rows of `values` are not the truth to the digits given."""
        with np.errstate(all="ignore"):
            found: Array = ~np.all(
                np.abs(values - self.truth.value(given.name)) <= self._slack(given, values),
                axis=tuple(range(1, values.ndim)),
            )
            return found

    def _merged(self, hits: Sequence[Combination], names: tuple[str, ...]) -> list[Match]:
        """Different names for the same gradient become one match: they agree also where nothing hides."""
        hits = sorted(hits, key=lambda c: (sum(m.rank for m in c), [m.key for m in c]))
        if len(hits) == 1:
            return [Match(hits[0], names)]
        elsewhere = self._elsewhere(hits, names)
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

    def _elsewhere(self, hits: Sequence[Combination], names: tuple[str, ...]) -> dict[tuple[str, ...], Array]:
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

    def _clipped(self, given: Mapping[str, Given], wrong: Sequence[str]) -> dict[str, list[Match]]:
        """Clipping: the threshold is read off the answer, as the largest size that occurs in it.

        It explains entries that all lie on it, so there must be two at least; one, if the threshold is a round number.
        """
        largest = {n: float(np.abs(np.asarray(given[n].value)[_known(given[n])]).max(initial=0.0)) for n in wrong}
        found: dict[str, list[Match]] = {}
        for threshold in sorted({t for t in largest.values() if t > 0}):
            names = [n for n in wrong if n not in found and np.isclose(largest[n], threshold, rtol=1e-12, atol=0.0)]
            free = 0 if float(f"{threshold:.2g}") == threshold and all(given[n].half is None for n in names) else 1
            mutant = clipped(names, threshold, free)
            assert mutant.after is not None
            values = {n: mutant.after({n: self.truth.value(n)})[n] for n in names}
            names = [n for n in names if self.fits(given[n], values[n][None])[0]]
            if names and self.evidence({n: values[n] for n in names}, given, free) >= DOUBT:
                found |= {n: [Match((mutant,), tuple(names))] for n in names}
        return found

    def _other_losses(self, given: Mapping[str, Given], wrong: Sequence[str]) -> dict[str, list[Match]]:
        """The gradient of the losses of all steps, where only some of them were asked for."""
        u = self.u
        if not wrong or len(u.loss_steps) == u.columns or u.recurrence.blocks:
            return {}
        try:
            cut = u.truncation.name if u.truncation else None
            sizes = {n: s[0] for n, s in u.shapes.items() if len(s) == 1 and n not in u.parameters}
            other = u.recurrence.unroll(u.columns, "every", sizes, cut, u.inputs, u.reduce).run(self.truth.data)
            fitting = [n for n in wrong if self.fits(given[n], other.gradient(n)[None])[0]]
        except BPTTError:  # sizes of its own, or no data for the other steps
            return {}
        steps = ", ".join(map(str, u.loss_steps))
        clause = f"the losses of all steps are summed, though only step {steps} has one here"
        return {n: [Match((Mutant("loss-counted:every", "loss-forgotten", clause),), (n,))] for n in fitting}

    def _pairs(self, given: Mapping[str, Given], wrong: Sequence[str]) -> dict[str, list[Match]]:
        """Two mistakes at once, up to a number of pairs: first those of which one alone explains some parameter, then
        plain ones."""
        table, true = self.table, self.truth.value
        moved = [
            any(np.any(np.abs(table[n][i] - true(n)) > self.tolerance(given[n])) for n in wrong)
            for i in range(len(self.mutants))
        ]
        partly = np.any([self.fits(given[n], table[n]) for n in wrong], axis=0)
        chosen = [(m, bool(partly[i])) for i, m in enumerate(self.mutants) if moved[i] and not m.alone]
        pairs = [
            (not (p or q), a.rank + b.rank, (a, b)) for (a, p), (b, q) in combinations(chosen, 2) if compatible(a, b)
        ]
        pairs = sorted(pairs, key=lambda p: p[:2])[:PAIRS]
        work = list(accumulate(self._work(p[2]) for p in pairs))
        pairs = pairs[: bisect_right(work, WORK)]
        size = max(64, int(LARGE / max(sum(prod(g.value.shape) for g in given.values()), 1)))
        trial = self._trial(list(given), only=True)
        stages = ([p[2] for p in pairs[i : i + size]] for i in range(0, len(pairs), size))
        return self._by_stages(given, wrong, trial, stages)

    # -- the triangle --------------------------------------------------------------------------------------------------

    def _fit(self, given: Given) -> Fit | None:
        if given.name not in self.u.parameters or given.value.size < 2 or len(self.u.steps) > 1:
            return None
        if given.value.size * self.u.columns**2 > LARGE:
            return None
        known = _known(given)
        parts = np.asarray(given.value, float)[known], self.tolerance(given)[known]
        return fit(self.trial.triangle(given.name)[:, :, known], *parts)

    def _pattern(self, given: Given, found: Fit | None) -> tuple[str, Array] | None:
        """A weighting of the pairs that is the answer, in words."""
        if found is None or not found.tells:
            return None
        for weights in patterns(found.coefficients):
            if self.fits(given, self.trial.weighted(given.name, weights)[None])[0]:
                known = ~np.isnan(found.coefficients)
                text = describe(weights, known)
                if text:
                    return text, weights
        return None

    # -- words ---------------------------------------------------------------------------------------------------------

    def _cause(self, name: str, given: Given, matches: list[Match], found: Fit | None) -> Cause:
        shown = _shown(name)
        coefficients = found.coefficients if found is not None and found.tells else None
        if not matches:
            return self._without_match(name, given, found, coefficients)
        matches = [self._relevant(m, given) for m in matches]
        best = min(matches, key=lambda m: m.rank)
        others = [alias for m in (*matches, *best.behind) for alias in m.aliases]
        mistakes = (*(m.keys for m in (*matches, *best.behind)), *(tuple(m.key for m in alias) for alias in others))
        entry = CATALOGUE.get(best.combination[0].entry)
        lesson = (
            " ".join(dict.fromkeys(CATALOGUE[m.entry].lesson for m in best.combination if m.entry in CATALOGUE))
            if entry
            else ""
        )
        edges = tuple(dict.fromkeys(e for m in best.combination for e in m.edges))
        if len(matches) == 1 and best.sure:
            text = f"{shown} is exactly what you get if {best.clause}{_also(best)}{_behind(best)}."
            missing = missing_line(self.u, best.combination[0].line)
            return Cause("exact", text, mistakes, lesson, missing, edges, coefficients)
        if len(matches) == 1:
            text = f"{shown} is consistent with this (it has too few digits to be sure): {best.clause}."
            return Cause(
                "consistent",
                text,
                mistakes,
                lesson,
                missing_line(self.u, best.combination[0].line),
                edges,
                coefficients,
            )
        text = f"{shown} is consistent with several mistakes: " + "; or ".join(m.clause for m in matches) + "."
        return Cause("consistent", text, mistakes, lesson, "", edges, coefficients)

    def _relevant(self, match: Match, given: Given) -> Match:
        """Of a pair, the one that matters for this parameter, if the other does not."""
        if len(match.combination) == 2:
            for m in match.combination:
                if self.fits(given, self.trial([(m,)])[given.name])[0]:
                    return replace(match, combination=(m,))
        return match

    def _without_match(self, name: str, given: Given, found: Fit | None, coefficients: Array | None) -> Cause:
        shown = _shown(name)
        pattern = self._pattern(given, found)
        if pattern is not None:
            lesson = (
                "The gradient is the sum over all pairs of a loss step t and a step k ≤ t "
                "at which the parameter was used, each counted once."
            )
            return Cause(
                "exact", f"{shown} is exactly what you get if {pattern[0]}.", (("pairs",),), lesson, triangle=pattern[1]
            )
        true, tol = self.truth.value(name), self.tolerance(given)
        facts = structure(np.asarray(given.value, float), true, tol, self._blocks(name), _known(given))
        text = (
            f"{shown} is not explained by any known mistake or pair of them"
            + (": " + "; ".join(facts) if facts else "")
            + "."
        )
        return Cause("unexplained", text, triangle=coefficients)

    def _blocks(self, name: str) -> dict[str, slice]:
        """Rows of a stacked parameter, by the variable that they belong to."""
        site = self.trial.site
        return {site.name(base): rows for base, rows in site.blocks.get(name, {}).items()}


def _known(given: Given) -> Array:
    """The entries that were given: half a unit of the others is infinite."""
    return np.ones(np.shape(given.value), bool) if given.half is None else np.isfinite(given.half)


def _also(match: Match) -> str:
    """The other name of a gradient that has one in the literature."""
    windows = [
        m.key.partition(":")[2] for alias in match.aliases for m in alias if m.entry == "truncated" and len(alias) == 1
    ]
    own = any(m.entry == "truncated" for m in match.combination)
    return f"; that is BPTT truncated to {windows[0]}" if windows and not own and ":" in windows[0] else ""


def _behind(match: Match) -> str:
    """What would make all of the answer so."""
    clauses = [m.clause + _also(m) for m in match.behind]
    return f"; all that is wrong is what you get if {', or if '.join(clauses)}" if clauses else ""
