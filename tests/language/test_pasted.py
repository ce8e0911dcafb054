"""Every pasted text is read as what it means, or refused with the right words; `open.txt` holds what is not there
yet."""

from __future__ import annotations

from collections import Counter

import pytest

from .pasted import cases, known_open
from .readings import KINDS, judge

CASES = cases()
LISTED = known_open()


@pytest.mark.parametrize("name", CASES)
def test_pasted(name: str) -> None:
    verdict = judge(CASES[name])
    if name in LISTED and verdict.kind in ("misread", "refused", "silent"):
        pytest.xfail(f"open: {verdict.kind}: {verdict.reason}")
    assert verdict.kind == "right", f"{verdict.kind}: {verdict.reason}\n{CASES[name]['text']}"


def test_the_list_of_open_cases() -> None:
    assert LISTED.keys() <= CASES.keys() and set(LISTED.values()) <= set(KINDS[1:])


def test_every_construct_has_four_cases() -> None:
    counts = Counter(c["construct"] for n, c in CASES.items() if n.startswith("p"))
    assert min(counts.values()) >= 4
    assert {c["construct"] for c in CASES.values()} == counts.keys()
