"""Random mixtures of real constructs: what is accepted is what was meant. A refusal is no failure here."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from .mixtures import mixture, one, shown, simpler, sweep
from .readings import judge

SEEDS = range(80)


def test_what_is_accepted_is_what_was_meant() -> None:
    failures = []
    for seed in SEEDS:
        kind = one(seed).verdict.kind
        assert kind != "crashed", mixture(seed).text
        if kind == "misread":
            failures.append(seed)
    if failures:
        small = [simpler(mixture(seed), "misread") for seed in failures]
        pytest.fail("\n".join(shown(s, judge(s.case)) for s in small))


def test_the_plain_language_is_read() -> None:
    """Every meaning runs, and is judged the same as itself and not the same as another."""
    kinds: Counter[str] = Counter()
    for seed in range(300, 330):
        case = mixture(seed).case
        assert judge({**case, "text": case["means"]}).kind == "right"
        changed = case["means"].replace("[t-1]", "[t-2]", 1)
        kinds[judge({**case, "text": changed}).kind] += 1
    assert kinds["right"] == 0 and kinds["misread"] >= 25


def test_sizes_differ() -> None:
    """Inputs, states and outputs have sizes of their own, so that no matrix between two of them fits transposed."""
    for seed in range(100):
        shapes = mixture(seed).recurrence.shapes
        matrices = [s for n, s in shapes.items() if len(s) == 2]
        vectors = {s for n, s in shapes.items() if len(s) == 1}
        assert (len(vectors) > 1 and any(a != b for a, b in matrices)) or len(shapes) < 4


@pytest.mark.slow
def test_sweep_of_4000() -> None:
    start, kinds = time.monotonic(), Counter[str]()
    for found in sweep(range(4000), 2):
        kinds[found.verdict.kind] += 1
        if found.verdict.kind not in ("right", "refused"):
            print(shown(mixture(found.seed), found.verdict), flush=True)
    print(dict(kinds), f"{time.monotonic() - start:.0f} s")
    assert kinds.keys() <= {"right", "refused"}
