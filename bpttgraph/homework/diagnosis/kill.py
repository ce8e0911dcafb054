"""The kill table: how far each known mistake moves the gradient on an instance, and whether the diagnosis names it.

An instance on which a mistake moves nothing cannot be used for grading: the mistake would pass. `effects` shows that,
mistake by mistake. `naming` hands every mistake in as an answer, alone or in random pairs, and counts what the
diagnosis says of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import NOTHING, BPTTError
from ...machine.bounds import within
from ..answers.given import Answer, Given
from ..mistakes import CATALOGUE, Mutant, compatible
from ..truth.truth import Truth
from .cause import Cause
from .explain import Diagnosis

if TYPE_CHECKING:
    from ...equations import Recurrence
    from ...unrolled import Unrolled

__all__ = ["KINDS", "Effect", "Naming", "concrete", "effects", "kill_table", "naming", "rounded", "subject"]

Array = np.ndarray[Any, Any]
MOST_STEPS = 500  # at each of which every mistake is made, and compared at every later one
KINDS = ("exact", "tie", "not explained", "misnamed", "hidden")


@dataclass(frozen=True)
class Effect:
    """How far one mistake moves the gradient: relative to its largest entry, by parameter. `hidden`: nowhere beyond
    rounding."""

    mutant: Mutant
    relative: Mapping[str, float]
    hidden: bool

    @property
    def largest(self) -> float:
        return max(self.relative.values(), default=0.0)


def kill_table(u: Unrolled, data: Mapping[str, Any]) -> list[Effect]:
    """The effect of every mistake of the catalogue on an instance, plain mistakes first.

    >>> import bpttgraph as bg
    >>> u = bg.cell("rnn").unroll(3)
    >>> any(e.hidden for e in kill_table(u, u.instance()))
    False
    >>> one = bg.cell("rnn").unroll(1)
    >>> "overwritten" in {e.mutant.entry for e in kill_table(one, one.instance()) if not e.hidden}
    False
    """
    within(u.columns, MOST_STEPS, "a table of the mistakes over {} steps is out of reach", "take fewer --steps")
    return effects(subject(u, data))


def subject(u: Unrolled, data: Mapping[str, Any]) -> Diagnosis:
    """What mistakes can be made in: a recurrence with a gradient, on numbers on which it is one.

    Raises:
        BPTTError: there is nothing to derive by, or a value is no finite number.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> len(subject(u, u.instance()).mutants) > 100
        True
    """
    truth = Truth(u, data)
    if not truth.run.gradients:
        raise BPTTError(NOTHING.format(u.recurrence.title), "take a recurrence with a parameter")
    truth.run.finite()
    return Diagnosis(truth)


def effects(d: Diagnosis) -> list[Effect]:
    """The effect of every mistake that was tried, plain mistakes first.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.recurrence("h[t] = tanh(w * h[t-1] + x[t])").unroll(3)
        >>> round(next(e.largest for e in effects(subject(u, u.instance())) if e.mutant.key == "scale:2"), 3)
        1.0
    """
    found = []
    for i, mutant in enumerate(d.mutants):
        relative, hidden = {}, True
        for name, true in d.trial.true.items():
            with np.errstate(all="ignore"):
                moved = np.abs(d.table[name][i] - true)
                relative[name] = float(moved.max(initial=0.0) / max(float(np.abs(true).max(initial=0.0)), 1e-300))
            if not np.all(moved <= d.truth.radius(name)):
                hidden = False
        if not (hidden and _harmless(d, mutant)):
            found.append(Effect(mutant, relative, hidden))
    present = {m.entry for m in d.mutants}  # with one step, what goes wrong between steps cannot even be made
    absent = [m for m in d.reference.mutants if m.entry not in present] if d.reference is not None else []
    return found + [Effect(m, {}, True) for m in absent]


def _harmless(d: Diagnosis, mutant: Mutant) -> bool:
    """Whether something is no mistake in this recurrence: nowhere wrong, also where nothing hides (relu applied
    twice)."""
    other = d.reference
    values = d.elsewhere([(mutant,)], ())
    if other is None or not values:
        return False
    true = np.concatenate([np.ravel(v) for v in other.truth.run.gradients.values()])
    (wrong,) = values.values()
    return bool(np.all(np.abs(wrong - true) <= 1e-9 * np.abs(true).max()))


def rounded(value: Array, digits: int) -> tuple[Array, Array]:
    """A value typed with so many significant digits, and half a unit of the last one.

    >>> rounded(np.array([31248.9]), 4)[0].tolist()
    [31250.0]
    """
    with np.errstate(all="ignore"):
        size = np.where(value == 0, 0.0, np.floor(np.log10(np.abs(np.where(value == 0, 1.0, value)))))
    unit = 10.0 ** (size - digits + 1)
    return np.round(value / unit) * unit, unit / 2


@dataclass
class Naming:
    """What the diagnosis says of the mistakes of one recurrence: entry of the catalogue -> kind -> how many; `examples`
    of bad ones."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def add(self, entry: str, kind: str, text: str) -> None:
        self.counts.setdefault(entry, dict.fromkeys(KINDS, 0))[kind] += 1
        if kind == "misnamed":
            self.examples.append(text)

    @property
    def total(self) -> dict[str, int]:
        return {k: sum(row[k] for row in self.counts.values()) for k in KINDS}


def naming(
    d: Diagnosis, digits: int | None = None, pairs: int = 0, seed: int = 0, entries: Sequence[str] = ()
) -> Naming:
    """Hand in every mistake, or random pairs of them, and judge what the diagnosis says.

    Named is what was done, or what comes to the same gradient also on another instance. A cause that agrees on this
    instance only is misnamed.

    Args:
        digits: significant digits of the answers; None for all. pairs: how many random pairs, instead of single
            mistakes. entries: only those of the catalogue; all by default.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.recurrence("h[t] = tanh(w * h[t-1] + x[t])").unroll(3)
        >>> naming(subject(u, u.instance())).total["misnamed"]
        0
    """
    result = Naming()
    single = [(m,) for m in d.mutants if not entries or m.entry in entries]
    for combination in _pairs(d, pairs, seed) if pairs else single:
        values = {n: v[0] for n, v in d.trial([combination]).items()}
        if not all(np.isfinite(v).all() for v in values.values()):
            continue
        given = {n: Given(n, *rounded(v, digits)) if digits else Given(n, v) for n, v in values.items()}
        wrong = [n for n, g in given.items() if np.any(np.abs(g.value - d.truth.value(n)) > d.tolerance(g))]
        entry = combination[0].entry if not pairs else "pairs"
        text = " + ".join(m.key for m in combination)
        if not wrong:
            if pairs or not _harmless(d, combination[0]):
                result.add(entry, "hidden", text)
            continue
        causes = d.explain(Answer(given, "arrays"), wrong)
        kinds = {n: _judge(d, combination, n, cause) for n, cause in causes.items()}
        kind = max(kinds.values(), key=("exact", "tie", "not explained", "misnamed").index)
        bad = next((n for n in kinds if kinds[n] == "misnamed"), None)
        result.add(entry, kind, f"{text}: {causes[bad].text}" if bad else text)
    return result


def _pairs(d: Diagnosis, count: int, seed: int) -> Iterator[tuple[Mutant, ...]]:
    rng = np.random.default_rng(seed)
    free = [m for m in d.mutants if not m.alone]
    while count > 0:
        a, b = (free[int(i)] for i in rng.choice(len(free), 2, replace=False))
        if compatible(a, b):
            count -= 1
            yield a, b


def _judge(d: Diagnosis, done: Sequence[Mutant], name: str, cause: Cause) -> str:
    if cause.certainty == "unexplained":
        return "not explained"
    said = "exact" if cause.certainty == "exact" else "tie"
    keys = tuple(m.key for m in done)
    if keys in cause.mistakes or keys[::-1] in cause.mistakes:
        return said
    return said if any(_same(d, done, key, name) for key in cause.mistakes) else "misnamed"


def _same(d: Diagnosis, done: Sequence[Mutant], keys: tuple[str, ...], name: str) -> bool:
    """Whether another name comes to the same gradient on the reference instance as well."""
    by_key = {m.key: m for m in d.mutants}
    if any(k not in by_key for k in keys):
        return _facts(d, done, keys, name)
    named = tuple(by_key[k] for k in keys)
    found = d.elsewhere([tuple(done), named], (name,))
    a, b = found.get(tuple(m.key for m in done)), found.get(keys)
    return a is not None and b is not None and bool(np.all(np.abs(a - b) <= 1e-9 * max(float(np.abs(a).max()), 1e-300)))


def _facts(d: Diagnosis, done: Sequence[Mutant], keys: tuple[str, ...], name: str) -> bool:
    """A constant factor, weights of pairs of steps and clipping are facts about the answer: they were verified entry by
    entry."""
    return keys[0].startswith(("factor", "pairs", "clipped"))


def concrete(name: str) -> Recurrence | None:
    """A cell of the library that can be computed: abstract functions of one argument become tanh; None if that is not
    enough.

    Example:
        >>> concrete("lstm").title
        'lstm'
    """
    from ...equations import cell

    rec = cell(name)
    if not rec.abstract:
        return rec
    try:
        rec = cell(name, dict.fromkeys(rec.abstract, "tanh"))
        u = rec.unroll(2)
        u.run(u.instance())
    except BPTTError:
        return None
    return rec


def titles() -> dict[str, str]:
    """Key of each entry of the catalogue -> its title."""
    return {key: e.title for key, e in CATALOGUE.items()}
