"""The meanings are computed right: an oracle that shares no code with the package says the same."""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg

from .mixtures import mixture
from .oracle import contradiction
from .pasted import cases, known_open
from .readings import STEPS, Case, Reading, every_name, rec_of

MEANT = {
    f"{name}-{i}": (case, meaning)
    for name, case in cases().items()
    if case["expect"] != "refuse"
    for i, meaning in enumerate((case["means"], *case.get("or", ())))
}
LISTED = known_open()


def against(case: Case, meaning: str) -> str:
    meant = rec_of(meaning)
    let = {n: f for n, f in case.get("let", {}).items() if n in meant.abstract}
    sizes = {n: tuple(s) if isinstance(s, list) else s for n, s in case["sizes"].items() if n in every_name(meant)}
    reading = Reading(meaning, let, sizes)
    with np.errstate(all="ignore"):
        return contradiction(meaning, STEPS, let, reading.unrolled, reading.data)


@pytest.mark.parametrize("name", MEANT)
def test_meanings_of_the_cases(name: str) -> None:
    try:
        assert not against(*MEANT[name])
    except bg.BPTTError as error:
        if LISTED.get(name.partition("-")[0]) == "refused":
            pytest.xfail(error.message)
        raise


@pytest.mark.parametrize("first", range(0, 100, 10))
def test_meanings_of_mixtures(first: int) -> None:
    for seed in range(first, first + 10):
        found = mixture(seed)
        assert not against(found.case, found.means), found.means


def test_the_oracle_contradicts() -> None:
    case = {"sizes": {"x": 2, "h": 3}}
    text = "h[t] = tanh(W @ h[t-1] + U @ x[t])"
    reading = Reading(text, {}, case["sizes"])
    told = [
        contradiction(other, STEPS, {}, reading.unrolled, reading.data)
        for other in (text, text.replace("W @", "W.T @"), text.replace("tanh", "sigmoid"), text.replace("x[t]", "x[2]"))
    ]
    assert [bool(t) for t in told] == [False, True, True, True]
