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
    "levels": "entries of max and min of a vector",
    "printed": "a shape in the check's instance",
    "closed": "several losses, own totals, values without a step, fixed initial states, diag, delays",
    "code": "helpers, matrix chains, values without a step, unpacking, names, zero gradients",
    "code all": "as code; initial states",
    "check": "a shape with a batch",
    "verify": "fixed initial states with a batch",
    "instance": "2^x is refused",
    "truncation": "a chunk of numbers",
}


def _has(case: Case, op: str) -> bool:
    return any(n.op == op for e in case.equations for n in e.right.walk())


def _late(case: Case) -> bool:
    """Whether an input is read one step later."""
    names = [n.value for e in case.equations for n in e.right.walk() if n.op == "name"]
    return any(i == -1 and n not in case.defined for n, i in names)


LATER: dict[str, Callable[[Case], bool]] = {
    "gelu is the tanh approximation": lambda c: _has(c, "gelu"),
    "an own total ignores the choice of losses; its body, its classes": lambda c: not c.plain_total,
    "h[-1] cannot be written": lambda c: any(isinstance(e.index, tuple) and e.index[1] < 0 for e in c.equations),
    "gradients of inputs that some steps do not read, or in another order": lambda c: (
        c.loss != "every" or c.total is not None or "r" in c.sizes or _late(c)),
    "numbers unpacked": lambda c: any(len(e.left) > 1 and not c.shapes[e.left[0]] for e in c.equations),
}

RIGHT = (
    r"recurrence cannot be computed in pieces",  # memory="sqrt" says what it covers
    r'memory="sqrt" computes the full gradient of a loss at every step',
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
