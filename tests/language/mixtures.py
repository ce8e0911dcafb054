"""`python -m tests.language.mixtures --seeds 0:500 [-v] [--only WORD]`: random recurrences in random mixtures of real
constructs.

A seed draws a recurrence (`cells`), a notation with its options (`notations`) and what stands around the equations
(`documents`). Whatever of it is accepted is compared with the recurrence in plain language with explicit operators
(`trees.plain`): another model is a misreading, a refusal is counted. The tables tell which constructs are refused or
misread; a construct counts where the text would be another one without it. A misread text is made simpler first: every
option that does not matter goes back to its plainest value.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from . import documents
from .cells import UNSAID, random_recurrence
from .documents import document
from .notations import WORDS, Code, Latex, Notation, Plain, Unicode, Units, Unwritable
from .readings import KINDS, Verdict, judge, rec_of
from .trees import Recurrence, plain

NOTATIONS: tuple[tuple[type[Notation], int], ...] = ((Latex, 8), (Units, 2), (Unicode, 3), (Plain, 4), (Code, 3))
DENSITIES = (0.1, 0.3, 0.6, 1.0)
"""How often an option is not at its plainest value."""
ROWS = ("", "", "", "W", "W", "T")


@dataclass(frozen=True)
class Mixture:
    """A recurrence and how it is written."""

    seed: int
    recurrence: Recurrence
    notation: type[Notation]
    options: Mapping[str, str]
    sized: bool
    """Whether all sizes are given (pairwise different), or those of numbers only."""

    @cached_property
    def text(self) -> str:
        return document(self.recurrence, self.notation(self.recurrence, self.options), self.options)

    @cached_property
    def means(self) -> str:
        return plain(self.recurrence)

    @property
    def case(self) -> dict[str, Any]:
        every = self.recurrence.shapes.items()
        shapes = {n.plain: list(s) for n, s in every if n.label not in UNSAID}
        rename = {**{w: letter for letter, w in WORDS.items()}, "lambda": "λ", "y_hat": "ŷ", "target": "d"}
        rename |= {f"{n.base}_tilde": n.plain for n in self.recurrence.shapes if n.accent == "~"}
        rename |= {f"next_{n.base}": n.plain for n in self.recurrence.shapes if not n.label}
        return {
            "text": self.text,
            "means": self.means,
            "expect": "same",
            "sizes": shapes if self.sized else {n: s for n, s in shapes.items() if not s},
            "rename": rename,
            "let": dict(self.recurrence.let),
        }

    @property
    def constructs(self) -> list[str]:
        """What this text has that a plainer one has not."""
        found = [self.notation.__name__.lower(), *self.recurrence.traits]
        if self.recurrence.rows:
            found.append(f"rows: {self.recurrence.rows}")
        for option, value in self.options.items():
            if option != "noise" and self.without(option):
                found.append(f"{option}: {value or 'none'}")
        return found

    def plainest(self, option: str) -> str:
        return {**self.notation.choices, **documents.CHOICES[documents.family(self.notation)]}[option][0]

    def without(self, option: str) -> Mixture | None:
        """This with the plainest value of an option, if that is another text."""
        simpler = replace(self, options={**self.options, option: self.plainest(option)})
        try:
            return simpler if simpler.text != self.text else None
        except Unwritable:
            return None


def mixture(seed: int) -> Mixture:
    """The mixture of a seed: the first that can be written."""
    chosen = random.Random(seed)
    kind = chosen.choices([n for n, _ in NOTATIONS], [w for _, w in NOTATIONS])[0]
    density = chosen.choice(DENSITIES)
    for attempt in range(500):
        r = random.Random(1000 * seed + attempt)
        recurrence = random_recurrence(r, r.choice(ROWS))
        options = {**kind.draw(r, density), **documents.draw(r, kind, density)}
        sized = seed % 4 != 3 or "identity" in recurrence.traits  # the plain language has an identity of a size only
        found = Mixture(seed, recurrence, kind, options, sized)
        try:
            if found.text:
                return found
        except Unwritable:
            continue
    raise RuntimeError(f"seed {seed}: nothing to write")


def simpler(found: Mixture, kind: str) -> Mixture:
    """The same failure in a plainer text."""
    for option in found.options:
        if option != "noise" and (other := found.without(option)) and judge(other.case).kind == kind:
            found = other
    for e in found.recurrence.equations[::-1]:
        rest = tuple(x for x in found.recurrence.equations if x is not e)
        if found.recurrence.bottom or any(n.name == e.left for x in rest for n in x.right.walk()) or not rest:
            continue
        names = {x.left for x in rest} | {n.name for x in rest for n in x.right.walk() if n.name is not None}
        shapes = {n: s for n, s in found.recurrence.shapes.items() if n in names}
        other = replace(found, recurrence=replace(found.recurrence, equations=rest, written=rest, shapes=shapes))
        if judge(other.case).kind == kind:
            found = other
    return found


@dataclass(frozen=True)
class Outcome:
    seed: int
    verdict: Verdict
    constructs: list[str]
    seconds: float
    """How long the text took to be read or refused."""


def one(seed: int) -> Outcome:
    found = mixture(seed)
    start = time.perf_counter()
    with contextlib.suppress(Exception):  # `judge` says what becomes of it
        rec_of(found.text)
    seconds = time.perf_counter() - start
    return Outcome(seed, judge(found.case), found.constructs, seconds)


def several(seeds: range) -> list[Outcome]:
    return [one(seed) for seed in seeds]


def sweep(seeds: range, processes: int = 1) -> Iterator[Outcome]:
    if processes == 1:
        yield from map(one, seeds)
        return
    with ProcessPoolExecutor(processes) as pool:
        for rows in pool.map(several, [seeds[i : i + 50] for i in range(0, len(seeds), 50)]):
            yield from rows


def shown(found: Mixture, verdict: Verdict) -> str:
    return f"seed {found.seed}: {verdict.kind}: {verdict.reason[:300]}\n{found.text}\n--- means\n{found.means}\n"


def table(counts: Mapping[str, Counter[str]]) -> str:
    width = max(map(len, counts), default=9)
    order = sorted(counts, key=lambda c: (c.partition(":")[0], -(counts[c]["misread"] + counts[c]["refused"]), c))
    rows = ["construct".ljust(width) + "".join(k.rjust(9) for k in KINDS)]
    return "\n".join(rows + [c.ljust(width) + "".join(f"{counts[c][k] or '.':>9}" for k in KINDS) for c in order])


def main() -> int:
    ask = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0].split(": ", 1)[1])
    ask.add_argument("--seeds", default="0:500", help="first and last (exclusive)")
    ask.add_argument("--only", default="", help="only texts with a construct that contains this word")
    ask.add_argument("-v", "--verbose", action="store_true", help="print refused texts too")
    ask.add_argument("--most", type=int, default=20, help="print so many texts of a kind")
    ask.add_argument("--processes", type=int, default=1)
    options = ask.parse_args()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    total: Counter[str] = Counter()
    slowest = 0.0
    for found in sweep(range(*map(int, options.seeds.split(":"))), options.processes):
        verdict, constructs = found.verdict, found.constructs
        if options.only and not any(options.only in c for c in constructs):
            continue
        slowest = max(slowest, found.seconds)
        total[verdict.kind] += 1
        for c in constructs:
            counts[c][verdict.kind] += 1
        loud = ("misread", "crashed", "refused") if options.verbose else ("misread", "crashed")
        if verdict.kind in loud and total[verdict.kind] <= options.most:
            small = simpler(mixture(found.seed), verdict.kind)
            print(shown(small, judge(small.case)), flush=True)
    print(table(counts))
    print(f"the slowest took {slowest:.3f} s")
    print(f"{sum(total.values())} texts: " + ", ".join(f"{total[k]} {k}" for k in KINDS))
    return 1 if total["misread"] or total["crashed"] else 0


if __name__ == "__main__":
    sys.exit(main())
