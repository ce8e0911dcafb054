"""Totals that do more than add, for any number of steps: what is printed, run at T = 1 … 5 against the complex step."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg

from .compare import Subject, acceptable
from .formulas import arguments, chosen, run_code, symbolic
from .generate import random_recurrence
from .vary import with_total

SEEDS = range(2000, 2032)


def entangled(seed: int) -> Any:
    """The recurrence of a seed with a random total, if that has a sum that needs a name and the steps are alike."""
    case = with_total(random_recurrence(seed, plain=True), random.Random(seed))
    runs = any(n.op == "sum_k" for e in case.equations for n in e.right.walk())
    if case.plain_total or runs or (case.loss, case.reduce) != ("every", "sum") or not acceptable(case):
        return None
    key = next(iter(chosen(Subject(case), 1)), None)
    g = None if key is None else symbolic(Subject(case), key)
    return (case, key, g) if g is not None and g.sums else None


@pytest.mark.parametrize("chunk", range(4))
def test_random_totals_at_one_to_five_steps(chunk: int) -> None:
    found = [x for seed in SEEDS[chunk * 8 : (chunk + 1) * 8] if (x := entangled(seed))]
    assert found
    for case, key, g in found:
        code = g.printed()
        for steps in range(1, 6):
            s = Subject(replace(case, steps=steps))
            s.symbolic[key] = g
            if not acceptable(s.case) or key not in s.leaf_keys or steps < g.least:
                continue
            assert run_code(s, code, [key]) is None, f"T = {steps}, d{key}\n{s.case}"
            if s.case.batch is None:
                _sums_are_right(s, g, code)


def _sums_are_right(s: Subject, g: Any, code: Any) -> None:
    """Each sum that has a name is what the printed line says, and what the oracle says of the equation behind it."""
    space: dict[str, Any] = {}
    body = code.text.partition(f"def {code.function}(")[2].partition("):")[2]
    names = [line.split(" = ")[0].strip() for line in body.splitlines() if " = " in line][: len(g.sums)]
    told = ", ".join(f"{n!r}: {n}" for n in names)
    exec(code.text.replace("    return {", f"    return {{{told}, "), space)
    with np.errstate(all="ignore"):
        got = space[code.function](**arguments(s, code, 0))
    run = g.unrolled(s.case.steps).run(s.data)
    for name, n in zip(g.sums, names):
        np.testing.assert_allclose(got[n], run.values[name], rtol=1e-10, atol=1e-12 * s.size)


def test_a_sum_that_is_only_added_needs_no_name() -> None:
    h = "h[t] = tanh(w*h[t-1] + x[t]); L[t] = h[t]^2; "
    for total, names in (
        ("J = v*(sum_t L[t] + h[T])", ()),
        ("J = 2 * sum_t L[t] - sum_t h[t] / v", ()),
        ("m = sum_t h[t]; J = m * exp(m)", ()),
        ("J = log(1 + sum_t L[t])", ("S",)),
        ("J = (sum_t L[t]) * h[T]", ("S",)),
        ("J = v / sum_t L[t]", ("S",)),
        ("J = (sum_t h[t]) * (sum_t L[t]) + sum_t L[t]", ("S", "S_2")),
        ("J = (sum_t L[t]) * (sum_t h[t] * sum_t L[t])", ("S", "S_2")),
        ("S = exp(v); J = S * log(1 + sum_t L[t])", ("S_2",)),
    ):
        rec = bg.recurrence(h + total)
        assert rec.derive("w").sums == names, total


def test_what_is_printed() -> None:
    rec = bg.recurrence("h[t] = tanh(w*h[t-1] + x[t]); L[t] = h[t]^2; J = log(1 + sum_t L[t]) * sum_t h[t]")
    g = rec.derive("w")
    lines = [r.unicode() for r in g.recursions]
    assert lines[0] == "S = ∑[t=1..T] Lₜ" and "L̄ₜ = S̄    for t = T, …, 1" in lines and g.least == 1
    assert "    S = sum(L[t] for t in range(1, T + 1))" in g.code().splitlines()
    assert "S" not in g.printed().arguments
    # the derivation for a number of steps is that of the equations as they were written
    assert g.at(steps=3).unrolled.recurrence is rec


def test_t_in_a_total_is_the_number_of_steps() -> None:
    """Then no one formula holds for every number of steps, and that is said; for a given number it is that number."""
    rec = bg.recurrence("h[t] = tanh(w*h[t-1] + x[t]); J = tanh((sum_t h[t]) / T)")
    assert rec.parameters == ("w",)
    with pytest.raises(bg.BPTTError, match="contains the number of steps T"):
        rec.derive("w").code()
    u = rec.unroll(4)
    run = u.run(data := u.instance(seed=1))
    h, total = np.zeros_like(run.values["h[1]"]) + data["h[0]"], 0.0
    for t in range(4):
        h = np.tanh(data["w"] * h + data["x"][t])
        total = total + h
    assert np.allclose(run.loss, np.tanh(total / 4).sum(), rtol=1e-12)


def test_what_a_product_of_all_steps_passes_back_is_still_refused() -> None:
    rec = bg.recurrence("h[t] = tanh(w*h[t-1] + x[t]); J = prod_t h[t]")
    with pytest.raises(bg.BPTTError, match="the steps are not alike"):
        rec.derive("w").code()


def test_what_a_sum_reads_at_a_step_with_a_number() -> None:
    rec = bg.recurrence("h[t] = tanh(w*h[t-1] + x[t]); L[t] = h[t]^2; J = v * exp(sum_t L[t] * h[1])")
    g = rec.derive("w")
    assert "+ (∑[k=1..T] Lₖ) S̄" in str(g) and "S = sum(L[t] * h[1] for t in range(1, T + 1))" in g.code()
