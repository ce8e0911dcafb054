"""Random recurrences: whatever the package says of them is what the oracle says. A few hundred here, 20,000 in the slow
sweep.

`RIGHT` are the refusals that are right; any other is a failure, so that a wrong refusal is seen.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter

import pytest

from .__main__ import one, shrunk, sweep
from .categories import CATEGORIES, Difference
from .compare import acceptable
from .generate import random_recurrence

RIGHT = (
    r"^the total .* says itself which losses count and how",  # a choice of losses beside a total of one's own
    r"recurrence cannot be computed in pieces",  # memory="sqrt" says what it covers
    r'memory="sqrt" computes the full gradient of a loss at every step',
    r"^the closed form is a sum over the losses of single steps",
    r"recurrence has chains of states that feed each other, so it has no single product of Jacobians",
    r"on these numbers",  # on the package's own instance squares of squares overflow, and it says where
    r"is a matrix, so that no matrix is its derivative by the one before",
    r"^the steps are not alike, so that no formula holds for every number of them: m\[t\] = sum_\{k=1\}\^\{t\}",
    r"of a matrix has several readings",  # U^2: the language asks which one
    r"^∂\w+(\[\d+\])?/∂\w+ has no closed formula here, so no numbers",  # a state that reads the sum of a matrix
    r"^there is no NumPy code for hump",  # an operation of one's own without code
)

# of the sweeps, each of another kind: chosen losses of states called c[t+1] (with and without memory), a copied state,
# rounding; zeros beyond the last step in printed code (of a loss that looks ahead, of few steps); readings of u 𝟏ᵀ
# diag(…), of functions with a setting, of the only entry of a vector; errors that reach a sum by several ways (a right
# gradient was wrong), an oracle that moves as much; a fraction over dh; initial states that only the loss of few steps
# reads; a loop too short for the losses in it; a row of ones before one entry;
# the logarithm of a complex number near 1; δ and delta in one answer; a gradient as small as 1e-32
MENDED = (51649, 5311, 50450, 50485, 134, 70036, 50756, 50803, 50295, 50191, 51092, 70984,
          61007, 111736, 111953, 110610, 110393, 120335, 122297, 127163, 127464, 127522)  # fmt: skip

# with operations of one's own and totals of any form
MENDED_TOTALS = (200296, 200490, 200774, 200836, 200965, 201056, 202773, 202943, 203502, 203892, 203921,
                 204249, 204334, 206111, 206378, 206670, 206782)  # fmt: skip
# sums and means of matrices, in a product with other matrices: a number in the place of 𝟏𝟏ᵀ
SUMS = (300016, 300017, 300019, 300046, 300053, 300071, 300074, 300532, 400490, 401223)

COSTLY = ("symbolic", "closed", "code", "code all", "check", "verify", "printed")
CHUNKS, EACH = 30, 7


def wrong(found: list[Difference]) -> list[Difference]:
    """What differs, and the refusals that are not right."""
    return [d for d in found if not (d.kind == "refusal" and any(re.search(r, d.detail) for r in RIGHT))]


def told(seed: int, d: Difference, plain: bool = False) -> str:
    """A difference with its seed, shrunk."""
    case, d = shrunk(random_recurrence(seed, acceptable, plain), d, seconds=10)
    return f"seed {seed}: {d.category}: {d.kind}: {d.detail}\n{case}"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_recurrences(chunk: int) -> None:
    """Cheap categories for every seed, the costly ones for a third of them each."""
    for seed in range(chunk * EACH, (chunk + 1) * EACH):
        only = tuple(c for c in CATEGORIES if c not in COSTLY or (COSTLY.index(c) + seed) % 3 == 0)
        found = wrong(one(seed, only)[1])
        assert not found, told(seed, found[0])


@pytest.mark.parametrize("seed", MENDED)
def test_what_once_differed(seed: int) -> None:
    found = wrong(one(seed, tuple(CATEGORIES), plain=True)[1])
    assert not found, told(seed, found[0], plain=True)


@pytest.mark.parametrize("seed", MENDED_TOTALS)
def test_what_once_differed_with_a_total(seed: int) -> None:
    found = wrong(one(seed, tuple(CATEGORIES))[1])
    assert not found, told(seed, found[0])


@pytest.mark.parametrize("seed", SUMS)
def test_what_once_differed_in_sums_of_matrices(seed: int) -> None:
    found = wrong(one(seed, tuple(CATEGORIES))[1])
    assert not found, told(seed, found[0])


@pytest.mark.slow
def test_sweep_of_20000() -> None:
    """Everything on 20,000 recurrences, with progress; prints every seed with a difference."""
    counts: Counter[str] = Counter()
    start = time.monotonic()
    for done, (seed, every, _) in enumerate(sweep(range(20_000), tuple(CATEGORIES)), 1):
        for d in wrong(every):
            counts[d.category] += 1
            print(f"seed {seed}: {d.category}: {d.kind}: {d.detail}", flush=True)
        if done % 1000 == 0:
            print(
                f"{done} recurrences, {time.monotonic() - start:.0f} s, {sum(counts.values())} differences",
                file=sys.stderr,
                flush=True,
            )
    assert not counts, dict(counts)
