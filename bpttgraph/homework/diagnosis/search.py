"""Looking for the mistakes that reproduce an answer: alone, as factors, by clipping, and in pairs, within bounded work.

What explains most of the answer comes first, then what contradicts least of it. Large models are searched in stages,
the plain mistakes first.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, combinations
from math import inf, prod
from typing import Any

import numpy as np

from ...errors import BPTTError
from ..answers.given import Given
from ..mistakes import Mutant, Trial, clipped, compatible, multiplied, networks
from .residual import constant_factor
from .tried import DOUBT, LARGE, WORK, Combination, Match, Tried, given_entries

__all__ = ["Search"]

Array = np.ndarray[Any, Any]
PAIRS = 40_000  # pairs tried at most
SECONDS = 3.0  # of computing, after which no further stage of a search begins
TOGETHER = 2000  # pairs in one stage
ROUND = 1e-5  # relative; clipping adds an ε of 1e-6 to the norm
STAGE = 24  # mistakes tried at a time in a large model
PASS = 2e4  # numbers that may be added up for one reverse pass with any number of mistakes, at each edge


class Search:
    """What reproduces an answer.

    Args:
        tried: the mistakes on the instance. given: the answer, all of it in the shapes of the truth.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(4)
        >>> tried = Tried(Truth(u, u.instance()))
        >>> search = Search(tried, {"b_h": Given("b_h", 2 * tried.truth.value("b_h"))})
        >>> [match.clause for match in search.matches(["b_h"])["b_h"]]
        ['everything is doubled']
    """

    def __init__(self, tried: Tried, given: Mapping[str, Given]):
        self.tried, self.given = tried, given
        self.deadline = inf

    def matches(self, wrong: Sequence[str], pairs: bool = True) -> dict[str, list[Match]]:
        """For each of these gradients that something explains, what does; with `pairs`, two mistakes at once as
        well."""
        small = self.tried.small
        self.deadline = time.process_time() + SECONDS
        found = self._singles(wrong) if small else self._staged(wrong)
        found |= self._clipped([n for n in wrong if n not in found])
        found |= self._other_losses([n for n in wrong if n not in found])
        found |= self._other_networks([n for n in wrong if n not in found])
        rest = [n for n in wrong if n not in found or any(m.against for m in found[n])]
        for n, better in (self._pairs(rest) if small and rest and pairs else {}).items():
            old = found.get(n)
            if old is None or len(better[0].names) > len(old[0].names):
                found[n] = better
        return found

    def _singles(self, wrong: Sequence[str]) -> dict[str, list[Match]]:
        table = dict(self.tried.table)
        rows: list[Combination] = [(m,) for m in self.tried.mutants]
        fitting = {n: self.tried.fits(g, table[n]) for n, g in self.given.items()}
        plain = np.array([m.plain for m in self.tried.mutants])
        unnamed = [n for n in wrong if not np.any(fitting[n] & plain & self.tried.differs(n, table[n]))]
        if factors := self._factors(unnamed):
            more = self.tried.trial(factors)
            table = {n: np.concatenate([a, more[n]]) for n, a in table.items()}
            fitting = {n: self.tried.fits(g, table[n]) for n, g in self.given.items()}
            rows += factors
        return self._chosen(wrong, fitting, rows, table, len(rows))

    def _factors(self, names: Sequence[str]) -> list[Combination]:
        """Factors that no convention knows: one for all of the answer, or one of several arrays, or of one with several
        numbers."""
        found: list[Combination] = []
        rest = list(names)
        for group in (names, *([n] for n in names)):
            group = [n for n in group if n in rest]
            c = self._factor(group)
            if c is None:
                continue
            group = [n for n in rest if self.tried.fits(self.given[n], c * self.tried.truth.value(n)[None])[0]]
            if self.tried.evidence({n: c * self.tried.truth.value(n) for n in group}, self.given, free=1) >= DOUBT:
                every = len(group) == len(self.given) > 1
                found.append((multiplied(group, c, every, self._clipped_norm(group, c)),))
                rest = [n for n in rest if n not in group]
        return found

    def _clipped_norm(self, names: Sequence[str], c: float) -> float | None:
        """The round number to which clipping by their common norm made these gradients, or all of the parameters'."""
        if not 0 < c < 1 or any(self.given[n].half is not None for n in names):
            return None
        for group in (names, [n for n in self.tried.u.parameters if n in self.tried.truth.run.gradients]):
            norm = c * float(np.sqrt(sum(np.sum(np.square(self.tried.truth.value(n))) for n in group)))
            if set(names) <= set(group) and norm and abs(float(f"{norm:.2g}") - norm) <= ROUND * norm:
                return float(f"{norm:.2g}")
        return None

    def _factor(self, names: Sequence[str]) -> float | None:
        """The c for which these arrays, in all the numbers that were given, are c times the truth."""
        parts: list[tuple[Array, ...]] = [(np.zeros(0),) * 3]
        for n in names:
            known = given_entries(self.given[n])
            parts.append(
                (
                    np.asarray(self.given[n].value, float)[known],
                    self.tried.truth.value(n)[known],
                    self.tried.tolerance(self.given[n])[known],
                )
            )
        return constant_factor(*(np.concatenate(p) for p in zip(*parts)))

    def _staged(self, wrong: Sequence[str]) -> dict[str, list[Match]]:
        """For large models: the plain mistakes first, a few at a time, until one explains everything or enough work is
        done."""
        trial = self.tried.trying(list(self.given), only=True)
        # the triangles of large parameters would be larger still
        plain = [m for m in self.tried.mutants if m.weights is None]
        plain.sort(key=lambda m: not m.plain)
        each = PASS * len(trial.site.places.edges)
        stages: list[list[Combination]] = [[]]
        done = stage = 0.0
        for m in plain:
            work = self.tried.work((m,))
            if done + work + each > WORK and done:
                continue  # a cheaper one may still have its turn
            if len(stages[-1]) >= STAGE and stage >= each:
                stages.append([])
                done, stage = done + each, 0.0
            stages[-1].append((m,))
            done, stage = done + work, stage + work
        found = self._by_stages(wrong, trial, stages)
        rest = [n for n in wrong if n not in found]
        return found | self._by_stages(rest, trial, [self._factors(rest)])

    def _by_stages(
        self, wrong: Sequence[str], trial: Trial, stages: Iterable[Sequence[Combination]]
    ) -> dict[str, list[Match]]:
        """Try a number of combinations at a time, until one explains the whole answer; only what fits somewhere is
        kept."""
        hits: list[Combination] = []
        kept: dict[str, list[Array]] = {n: [] for n in self.given}
        trials = 0
        for rows in filter(None, stages):
            if trials and time.process_time() > self.deadline:
                break
            values = trial(rows)
            fitting = {n: self.tried.fits(g, values[n]) for n, g in self.given.items()}
            trials += len(rows)
            for i in np.flatnonzero(np.any([fitting[n] for n in wrong], axis=0)):
                hits.append(rows[int(i)])
                for n in self.given:
                    kept[n].append(values[n][i])
            if np.any(np.all(list(fitting.values()), axis=0)):
                break
        if not hits:
            return {}
        stacked = {n: np.stack(v) for n, v in kept.items()}
        return self._chosen(
            wrong, {n: self.tried.fits(self.given[n], v) for n, v in stacked.items()}, hits, stacked, trials
        )

    def _chosen(
        self,
        wrong: Sequence[str],
        fitting: Mapping[str, Array],
        rows: Sequence[Combination],
        values: Mapping[str, Array],
        trials: int,
    ) -> dict[str, list[Match]]:
        """For each wrong parameter, what reproduces it.

        What explains most of the answer comes first, then what contradicts least of it: a mistake that would also have
        changed parameters on which it does not agree.
        """
        names = list(self.given)
        moves = {n: self.tried.moves(self.given[n], values[n]) for n in names}
        fitting = {n: fitting[n] & self.tried.differs(n, values[n]) if n in wrong else fitting[n] for n in names}
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
                self.tried.evidence(
                    {n: values[n][i] for n in explained if n in wrong}, self.given, sum(m.free for m in rows[i])
                )
                for i in hits
            )
            sure = bool(weight >= np.log10(max(trials, 1)) + DOUBT)
            if sure or len(rows[0]) == 1:  # a pair that chance may have produced is no explanation at all
                matches = self.tried.merged([rows[i] for i in hits], explained)
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
        return tuple(self.tried.merged(hits, tuple(wrong))) if hits else ()

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

    def _clipped(self, wrong: Sequence[str]) -> dict[str, list[Match]]:
        """Clipping: the threshold is read off the answer, as the largest size that occurs in it.

        It explains entries that all lie on it, so there must be two at least; one, if the threshold is a round number.
        """
        largest = {
            n: float(np.abs(np.asarray(self.given[n].value)[given_entries(self.given[n])]).max(initial=0.0))
            for n in wrong
        }
        found: dict[str, list[Match]] = {}
        for threshold in sorted({t for t in largest.values() if t > 0}):
            names = [n for n in wrong if n not in found and np.isclose(largest[n], threshold, rtol=1e-12, atol=0.0)]
            free = 0 if float(f"{threshold:.2g}") == threshold and all(self.given[n].half is None for n in names) else 1
            mutant = clipped(names, threshold, free)
            assert mutant.after is not None
            values = {n: mutant.after({n: self.tried.truth.value(n)})[n] for n in names}
            names = [n for n in names if self.tried.fits(self.given[n], values[n][None])[0]]
            if names and self.tried.evidence({n: values[n] for n in names}, self.given, free) >= DOUBT:
                found |= {n: [Match((mutant,), tuple(names))] for n in names}
        return found

    def _other_losses(self, wrong: Sequence[str]) -> dict[str, list[Match]]:
        """The gradient of the losses of all steps, where only some of them were asked for."""
        u = self.tried.u
        if not wrong or len(u.loss_steps) == u.columns or u.recurrence.blocks:
            return {}
        try:
            cut = u.truncation.name if u.truncation else None
            sizes = {n: s[0] for n, s in u.shapes.items() if len(s) == 1 and n not in u.parameters}
            other = u.recurrence.unroll(u.columns, "every", sizes, cut, u.inputs, u.reduce).run(self.tried.truth.data)
            fitting = [n for n in wrong if self.tried.fits(self.given[n], other.gradient(n)[None])[0]]
        except BPTTError:  # sizes of its own, or no data for the other steps
            return {}
        steps = ", ".join(map(str, u.loss_steps))
        clause = f"the losses of all steps are summed, though only step {steps} has one here"
        return {n: [Match((Mutant("loss-counted:every", "loss-forgotten", clause),), (n,))] for n in fitting}

    def _other_networks(self, wrong: Sequence[str]) -> dict[str, list[Match]]:
        """The gradient of another forward pass, if all that was handed in is that."""
        u = self.tried.u
        if not wrong or u.truncation is not None:
            return {}
        sizes = {
            n: s[0] for n, s in u.shapes.items() if len(s) == 1 and n in (*u.recurrence.every, *u.recurrence.inputs)
        }
        end = time.process_time() + SECONDS / 3
        for trials, (key, clause, rec) in enumerate(networks(u.recurrence), 1):
            if time.process_time() > end:
                break
            try:  # the loss of such a network may be infinite, which is nobody's fault
                other = rec.unroll(u.columns, list(u.loss_steps), sizes, None, u.inputs, u.reduce)
                run = other.numbers.run({n: v for n, v in self.tried.truth.data.items() if n in other.slots})
                values = {n: run.gradient(n) for n in self.given}
            except (BPTTError, KeyError):  # a parameter that nothing reads any more, or sizes that no longer fit
                continue
            if not all(
                values[n].shape == g.value.shape and self.tried.fits(g, values[n][None])[0]
                for n, g in self.given.items()
            ):
                continue
            if self.tried.evidence({n: values[n] for n in wrong}, self.given) >= np.log10(trials) + DOUBT:
                return {n: [Match((Mutant(f"other-network:{key}", "other-network", clause),), (n,))] for n in wrong}
        return {}

    def _pairs(self, wrong: Sequence[str]) -> dict[str, list[Match]]:
        """Two mistakes at once, up to a number of pairs: first those of which one alone explains some parameter, then
        plain ones."""
        table, true = self.tried.table, self.tried.truth.value
        moved = [
            any(np.any(np.abs(table[n][i] - true(n)) > self.tried.tolerance(self.given[n])) for n in wrong)
            for i in range(len(self.tried.mutants))
        ]
        partly = np.any([self.tried.fits(self.given[n], table[n]) for n in wrong], axis=0)
        chosen = [(m, bool(partly[i])) for i, m in enumerate(self.tried.mutants) if moved[i] and not m.alone]
        pairs = [
            (not (p or q), a.rank + b.rank, (a, b)) for (a, p), (b, q) in combinations(chosen, 2) if compatible(a, b)
        ]
        pairs = sorted(pairs, key=lambda p: p[:2])[:PAIRS]
        work = list(accumulate(self.tried.work(p[2]) for p in pairs))
        pairs = pairs[: bisect_right(work, WORK)]
        numbers = sum(prod(g.value.shape) for g in self.given.values())
        size = min(TOGETHER, max(64, int(LARGE / max(numbers, 1))))
        trial = self.tried.trying(list(self.given), only=True)
        stages = ([p[2] for p in pairs[i : i + size]] for i in range(0, len(pairs), size))
        return self._by_stages(wrong, trial, stages)
