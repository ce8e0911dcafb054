"""Random recurrences: whatever the package says of them is what the oracle says. A few hundred here, 20,000 in the slow sweep.

`OPEN` lists the categories that still differ somewhere, and `LATER` what a recurrence must not have yet, each with its reason; what is in
neither table is compared. Both must end empty. `RIGHT` are the refusals that are right; any other is a failure, so that a wrong one is
seen.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest

from .__main__ import one, shrunk, sweep
from .categories import CATEGORIES, Difference
from .compare import acceptable
from .generate import random_recurrence
from .trees import Case

OPEN: dict[str, str] = {
    "code all": "shifted equations without a loss",
    "check": "initial states that are not given, with a batch",
    "verify": "unpacked stacks and chosen losses",
    "truncation": "a chunk beyond which the loss reads a state",
}


def _late(case: Case) -> bool:
    """Whether an input is read one step later."""
    names = [n.value for e in case.equations for n in e.right.walk() if n.op == "name"]
    return any(i == -1 and n not in case.defined for n, i in names)


LATER: dict[str, Callable[[Case], bool]] = {
    "symbolic T of own totals of losses with a derivative": lambda c: not c.plain_total,
    "the gradient of x[0]": _late,
    "an instance for 2^x": lambda c: any(n.op == "pow" and n.args[0].op == "num" for e in c.equations for n in e.right.walk()),
    "shifted equations": lambda c: any(isinstance(e.index, int) and e.index for e in c.equations),
}

RIGHT = (
    r"^the total .* says itself which losses count and how",  # a choice of losses beside a total of one's own
    r"recurrence cannot be computed in pieces",  # memory="sqrt" says what it covers
    r'memory="sqrt" computes the full gradient of a loss at every step',
    r"^the closed form is a sum over the losses of single steps",
    r"recurrence has chains of states that feed each other, so it has no single product of Jacobians",
    r"is a matrix, so that no matrix is its derivative by the one before",
    r"^the steps are not alike, so that no formula holds for every number of them: m\[t\] = sum_\{k=1\}\^\{t\}",
)

COSTLY = ("symbolic", "closed", "code", "code all", "check", "verify", "printed")
CHUNKS, EACH = 30, 10


def closed_categories() -> tuple[str, ...]:
    return tuple(c for c in CATEGORIES if c not in OPEN)


def wrong(found: list[Difference]) -> list[Difference]:
    return [d for d in found if d.kind != "refusal" or not any(re.search(r, d.detail) for r in RIGHT)]


def told(seed: int, d: Difference) -> str:
    """A difference with its seed, shrunk."""
    case, d = shrunk(random_recurrence(seed, acceptable), d, seconds=10)
    return f"seed {seed}: {d.category}: {d.kind}: {d.detail}\n{case}"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_recurrences(chunk: int) -> None:
    """Cheap categories for every seed, the costly ones for a third of them each."""
    for seed in range(chunk * EACH, (chunk + 1) * EACH):
        if any(has(random_recurrence(seed, acceptable)) for has in LATER.values()):
            continue
        only = tuple(c for c in closed_categories() if c not in COSTLY or (COSTLY.index(c) + seed) % 3 == 0)
        found = wrong(one(seed, only)[1])
        assert not found, told(seed, found[0])


@pytest.mark.slow
def test_sweep_of_20000() -> None:
    """Everything on 20,000 recurrences, with progress; prints every seed with a difference."""
    counts: Counter[str] = Counter()
    start = time.monotonic()
    for done, (seed, every, _) in enumerate(sweep(range(20_000), closed_categories()), 1):
        for d in wrong(every):
            counts[d.category] += 1
            print(f"seed {seed}: {d.category}: {d.kind}: {d.detail}", flush=True)
        if done % 1000 == 0:
            print(f"{done} recurrences, {time.monotonic() - start:.0f} s, {sum(counts.values())} differences", file=sys.stderr, flush=True)
    assert not counts, dict(counts)
