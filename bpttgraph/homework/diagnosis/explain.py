"""Why is a gradient wrong? The catalogue of mistakes, alone and in pairs; the coefficient triangle; what the difference
looks like.

A cause is named only if the gradient recomputed with it is the answer, to within rounding and the digits given.
Mistakes that come to the same gradient in general are one cause with several names; mistakes that only happen to agree
on this instance are a tie, and all of them are listed. Nothing is concluded from an agreement that chance alone could
have produced: the digits that agree must outweigh the number of mistakes tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..answers.given import Answer, Given
from ..mistakes import CATALOGUE
from ..mistakes.lines import missing_line
from ..truth.truth import Truth
from .cause import Cause
from .line_by_line import Judged, line_by_line
from .pinpoint import pinpoint
from .residual import structure
from .search import Search
from .told import tell
from .triangle import Fit, describe, fit, patterns
from .tried import DOUBT, LARGE, Match, Tried, given_entries

if TYPE_CHECKING:
    from ...errors import Span

__all__ = ["Diagnosis", "diagnose"]

Array = np.ndarray[Any, Any]
LEARNED = ("truncated",)  # names from the literature, which come after the plain cause


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
    judged = line_by_line(truth, answer.text, wrong, answer.reading) if answer.text else None
    for line in judged.lines if judged is not None else ():
        if line.status == "wrong":
            tell(line.text, "why")
    told = [n for n in wrong if judged is not None and judged.explains(n)]
    found = Diagnosis(truth).explain(answer, wrong, pairs=len(told) < len(wrong))
    if judged is not None:
        found |= {n: _by_lines(n, found[n], judged) for n in told if n in found}
    for cause in {c.text: c for c in found.values() if c.certainty != "unexplained"}.values():
        tell(cause.text, "why")
    rest = [n for n in wrong if n not in told]
    if answer.text and rest:
        for name, repair in pinpoint(truth, answer.text, rest, answer.reading).items():
            if name in found:
                found[name] = _with_place(name, found[name], repair.text, repair.span)
    if judged is not None:
        for name in (n for n in rest if n in found and n in judged.reach):
            found[name] = _beside(found[name], judged, name)
    return found


def _beside(cause: Cause, judged: Judged, name: str) -> Cause:
    """A cause, with what is known of the lines although they do not explain all of it."""
    wrong = judged.wrong(name)
    if cause.certainty != "unexplained" or not wrong:
        return replace(cause, lines=judged.of(name))
    told = " ".join(line.text for line in wrong)
    return replace(cause, text=f"{cause.text} {told}", span=wrong[0].place or wrong[0].span, lines=judged.of(name))


def _by_lines(name: str, cause: Cause, judged: Judged) -> Cause:
    """A cause with the lines that are wrong by themselves; what is only equal in its numbers comes after them."""
    wrong, lines = judged.wrong(name), judged.of(name)
    told = " ".join(line.text for line in wrong)
    place = wrong[0].place or wrong[0].span
    single = cause.certainty != "unexplained" and all(len(keys) == 1 for keys in cause.mistakes)
    if len(wrong) == 1 and single and cause.mistakes:
        learned = cause.mistakes[0][0].startswith(LEARNED)
        text = f"{told} {cause.text}" if learned else f"{cause.text} {told}"
        return replace(cause, text=text, span=place, lines=lines)
    if len(wrong) == 1:
        words = f"{_shown(name)} differs from the true gradient in one place only. {told}"
    else:
        words = f"{_shown(name)} depends on {len(wrong)} lines that are wrong, each by itself. {told}"
    return Cause("exact", words, (("formula",),), triangle=cause.triangle, span=place, lines=lines)


def _with_place(name: str, cause: Cause, text: str, span: Span) -> Cause:
    """A cause with the place in the student's own line; where nothing was known, the place alone."""
    if cause.certainty == "unexplained":
        words = f"{_shown(name)} differs from the true gradient in one place only. {text}"
        return replace(cause, certainty="exact", text=words, mistakes=(("formula",),), span=span)
    return replace(cause, text=f"{cause.text} {text}", span=span)


def _shown(name: str) -> str:
    return name if name.startswith(("δ", "delta")) else f"∂E/∂{name}"


class Diagnosis(Tried):
    """All mistakes, tried on one instance; answers are compared with the results.

    Args:
        truth: the gradient on the instance. names: what answers may give beside parameters and initial states.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(4)
        >>> d = Diagnosis(Truth(u, u.instance()))
        >>> cause = d.explain(Answer({"b_h": Given("b_h", 0 * d.truth.value("b_h"))}, "arrays"), ["b_h"])["b_h"]
        >>> cause.certainty, cause.mistakes[0]
        ('exact', ('zero:b_h',))
    """

    def explain(self, answer: Answer, wrong: Sequence[str], pairs: bool = True) -> dict[str, Cause]:
        """The causes of these gradients, looked for among single mistakes and, if `pairs`, two at once."""
        given = {
            n: g
            for n, g in answer.given.items()
            if self.knows(n) and np.shape(g.value) == np.shape(self.truth.value(n))
        }
        if any(n not in self.trial.true for n in given):
            return Diagnosis(self.truth, [*self.trial.names, *given]).explain(answer, wrong, pairs)
        wrong = [n for n in wrong if n in given]
        if not wrong:
            return {}
        fits = {n: self._fit(given[n]) for n in wrong}
        found = Search(self, given).matches(wrong, pairs)
        copies = {n: self._copied(n, given, wrong) for n in wrong if n not in found}
        return {n: copies.get(n) or self._cause(n, given[n], found.get(n, []), fits[n]) for n in wrong}

    def _copied(self, name: str, given: Mapping[str, Given], wrong: Sequence[str]) -> Cause | None:
        """One array handed in twice, where the other one is wrong as well; that of a right one is among the
        mistakes."""
        mine = given[name]
        for other in wrong:
            value = np.asarray(given[other].value, float)
            if (
                other == name
                or value.shape != np.shape(mine.value)
                or not (given_entries(mine) & given_entries(given[other])).all()
            ):
                continue
            if (
                self.fits(mine, value[None])[0]
                and self.evidence({name: value - self.truth.value(other) + self.truth.value(name)}, given) >= DOUBT
            ):
                text = f"{_shown(name)} is the same array as {_shown(other)}, though the two gradients differ."
                return Cause("exact", text, ((f"copied:{name}:{other}",),), CATALOGUE["copied"].lesson)
        return None

    # -- the triangle --------------------------------------------------------------------------------------------------

    def _fit(self, given: Given) -> Fit | None:
        if given.name not in self.u.parameters or given.value.size < 2 or len(self.u.steps) > 1:
            return None
        if given.value.size * self.u.columns**2 > LARGE:
            return None
        known = given_entries(given)
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
        facts = structure(np.asarray(given.value, float), true, tol, self._blocks(name), given_entries(given))
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
