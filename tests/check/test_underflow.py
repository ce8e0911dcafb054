"""A softmax that underflows: 0/0 in a printed formula decides nothing, and the right gradient is not called wrong."""

from __future__ import annotations

import warnings

import pytest

import bpttgraph as bg


@pytest.mark.parametrize("offset", [-740.0, -745.0, -1e5])
def test_what_is_no_number_in_a_formula_is_not_wrong(offset: float) -> None:
    u = bg.cell("rnn").unroll(5)
    data = u.instance(seed=1)
    data["b_y"] = data["b_y"].copy()
    data["b_y"][0] = offset  # class 0 is no target here
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = u.derive("W_hh").check(data)
    assert report.right
    lost = [f for f in report.findings if f.undecidable]
    assert bool(lost) == (offset < -740.0) == ("not decidable on these numbers" in report.verdict)
    assert all(f.undecidable == f.entries and "level local" in f.what for f in lost)
