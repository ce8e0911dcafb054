"""Answers in single precision: right ones are right, what shows is wrong, and the verdict says what can be seen."""

from __future__ import annotations

import json
from typing import Any

import handwritten
import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.check import check_gradients
from bpttgraph.core.rounding import LAST
from bpttgraph.homework.truth.truth import LEAST, SINGLE, SPREAD, Truth
from bpttgraph.unrolled.numbers import Run

WAYS = [(cell, way) for cell, ways in handwritten.BY_CELL.items() for way in ways]


def single(data: dict[str, Any]) -> dict[str, Any]:
    return {k: np.asarray(v, np.float32) if np.asarray(v).dtype.kind == "f" else v for k, v in data.items()}


def half(data: dict[str, Any]) -> dict[str, Any]:
    return {k: np.asarray(v, np.float16) if np.asarray(v).dtype.kind == "f" else v for k, v in data.items()}


@pytest.mark.parametrize("cell, way", WAYS)
@pytest.mark.parametrize("steps", [4, 40])
@pytest.mark.parametrize("rounded", [True, False])
def test_right_ones_are_right_and_an_entry_off_by_1e_4_is_wrong(cell: str, way: Any, steps: int, rounded: bool) -> None:
    """Computed by hand in single precision, from data that were rounded to it, or that had to be."""
    for seed in range(3):
        u = bg.cell(cell).unroll(steps)
        data = u.instance(seed)
        answer = way(single(data))
        truth = Truth(u, single(data) if rounded else data)
        for name, value in answer.items():
            assert value.dtype == np.float32
            true, radius = truth.value(name), truth.radius(name, SINGLE)
            assert np.all(np.abs(value - true) <= radius), (seed, name)
            largest = np.abs(true).max()
            assert radius.max() < 1e-4 * largest  # so any entry off by 10⁻⁴ is seen
            worst = np.unravel_index(np.argmax(radius), radius.shape)
            wrong = np.array(value)
            wrong[worst] += np.float32(1e-4 * largest)
            assert np.any(np.abs(wrong - true) > radius), (seed, name)


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_truncation_that_shows_is_wrong(cell: str) -> None:
    """The nearest of all windows that moves the gradient by more than 3·10⁻⁵ of it is seen, at 60 steps too."""
    seen = 0
    for seed in range(2):
        u = bg.cell(cell).unroll(60)
        data = single(u.instance(seed))
        truth = Truth(u, data)
        for kept in (5, 29, 55):
            cut = bg.cell(cell).unroll(60, truncate=f"sliding:{kept}").run(data).gradients
            for name in u.parameters:
                true = truth.value(name)
                off = np.abs(cut[name] - true)
                if off.max() > 3e-5 * np.abs(true).max():
                    assert np.any(off > truth.radius(name, SINGLE)), (seed, kept, name)
                    seen += 1
    assert seen > 5


def test_the_verdict_says_to_which_size_it_judges() -> None:
    u = bg.cell("rnn").unroll(5)
    data = single(u.instance(1))
    verdict = bg.verify(u, dict(u.run(data).gradients), data)
    assert verdict.right
    assert "e-06 of its largest entry, single precision (small entries to " in str(verdict)
    assert verdict.report("verdict").endswith("as far as single precision shows.")
    found = json.loads(verdict.to_json())["parameters"]["W_hh"]
    p = verdict.parameters["W_hh"]
    assert found["precision"] == "single"
    assert found["judged to"] == pytest.approx(p.radius.max() / np.abs(p.true).max())
    assert found["each entry judged to"] == pytest.approx((p.radius / np.abs(p.true)).max())
    wide = {k: np.asarray(v, float) if np.asarray(v).dtype.kind == "f" else v for k, v in data.items()}
    double = bg.verify(u, dict(u.run(wide).gradients), wide)
    assert "judged to" not in str(double)
    assert json.loads(double.to_json())["parameters"]["W_hh"]["precision"] == "double"
    assert json.loads(double.to_json())["parameters"]["W_hh"]["judged to"] < 1e-13


@pytest.mark.parametrize("factor, status", [(0.9, "right"), (1.1, "wrong")])
def test_both_sides_of_the_radius(factor: float, status: str) -> None:
    """Of single, and of double precision."""
    u = bg.cell("rnn").unroll(4)
    data = single(u.instance(2))
    truth = Truth(u, data)
    for unit, kind in ((SINGLE, np.float32), (2.0**-53, np.float64)):
        answer = {n: np.array(truth.value(n), kind) for n in u.parameters}
        radius = truth.radius("W_hh", unit)
        place = np.unravel_index(np.argmax(radius / np.spacing(np.abs(answer["W_hh"]))), radius.shape)
        answer["W_hh"][place] += kind(factor * radius[place])
        verdict = bg.verify(u, answer, data)
        assert verdict.parameters["W_hh"].status == status, unit
        assert all(p.status == "right" for n, p in verdict.parameters.items() if n != "W_hh")


def test_what_the_radius_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen of single precision times SPREAD, and the last place; half precision by statistics. Known to a
    factor of two."""
    u = bg.cell("gru").unroll(6)
    truth = Truth(u, single(u.instance(3)))
    runs = truth._rounded()
    for name in u.parameters:
        sigma, value = truth.rounding(name), truth.value(name)
        off = max(float(np.max(np.abs(r.gradient(name) - value) / (sigma * SINGLE))) for r in runs)
        want = (SPREAD * max(off, LEAST) * sigma + LAST * np.abs(value)) * SINGLE
        np.testing.assert_allclose(truth.radius(name, SINGLE), want, rtol=1e-12)
        assert np.max(np.abs(value - runs[0].gradient(name))) <= np.max(want) / 5
        half = truth.radius(name, 2.0**-11)
        assert 5e-4 < half.max() / np.abs(value).max() < 0.1


def test_answers_in_half_precision() -> None:
    u = bg.cell("rnn").unroll(4)
    data = u.instance(1)
    true = u.run(data).gradients
    assert bg.verify(u, {n: np.asarray(true[n], np.float16) for n in u.parameters}, data).right
    wrong = {n: np.asarray(true[n] * (1.5 if n == "W_hh" else 1), np.float16) for n in u.parameters}
    verdict = bg.verify(u, wrong, data)
    assert verdict.parameters["W_hh"].status == "wrong" and "half precision" in str(verdict)


@pytest.mark.parametrize("seed", range(4))
def test_half_precision_right_and_truncated(seed: int) -> None:
    """Computed in half precision throughout it is right, also of other runs; a truncated one, 20 to 60 % off, is
    not."""
    u = bg.cell("rnn").unroll(6)
    data = u.instance(seed=seed)
    for way in handwritten.BY_CELL["rnn"]:
        found = way(half(data))
        assert {np.asarray(v).dtype for v in found.values()} == {np.dtype(np.float16)}
        for name, verdict in bg.verify(u, found, data).parameters.items():
            # rounding may leave little of what comes back as far as the first state
            assert verdict.status == "right" or (name == "h[0]" and verdict.status == "undecidable"), name
    true = u.run(data).gradients
    for how in ("one-step", "sliding:2", "chunk:3"):
        other = bg.cell("rnn").unroll(6, truncate=how).run(data).gradients
        for name in ("W_hh", "W_xh", "b_h"):
            off = np.abs(other[name] - true[name]).max() / np.abs(true[name]).max()
            found = bg.verify(u, {name: np.asarray(other[name], np.float16)}, data).parameters[name]
            assert found.status == "wrong" or off < 0.1, (how, name, off)


@pytest.mark.parametrize("cell, way", WAYS)
def test_half_precision_is_never_called_wrong(cell: str, way: Any) -> None:
    decided = 0
    for seed in range(3):
        u = bg.cell(cell).unroll(5)
        data = u.instance(seed)
        found = bg.verify(u, way(half(data)), data).parameters.values()
        assert not [p.name for p in found if p.status == "wrong"]
        decided += sum(p.status == "right" for p in found)
    assert decided > 0


def test_half_precision_that_shows_nothing_decides_nothing() -> None:
    """Of contributions that cancel to a thousandth nothing is left in half precision."""
    u = bg.recurrence("h[t] = w * x[t] + h[t-1]; E[t] = h[t]").unroll(2, sizes=1, loss="last")
    data = {"w": 1.0, "h[0]": 0.0, "x": np.array([300.0, -299.5])}
    found = bg.verify(u, {"w": np.float16(0.9)}, data).parameters["w"]
    assert found.status != "right" and not found.status.startswith("right")


def test_numbers_beyond_single_precision() -> None:
    """10⁴⁰ is no float32: statistics decide, and a warning is none of the user's business."""
    u = bg.recurrence("h[t] = w * h[t-1] + x[t]; E[t] = 0.5 * h[t]^2").unroll(3, sizes=1)
    data = {"w": 0.5, "h[0]": 1.0, "x": np.array([1.0, 2.0, 3.0])}
    truth = Truth(u, {**data, "x": 1e40 * data["x"]})
    assert np.isfinite(truth.radius("w", SINGLE)) and truth.radius("w", SINGLE) < 1e-3 * abs(truth.value("w"))


@pytest.mark.parametrize("size, right", [(1e-8, True), (1e-4, False)])
def test_the_check_of_a_run_in_single_precision(size: float, right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check_gradients` judges a float32 run by its own rounding, not by a hundred times that."""
    u = bg.cell("lstm").unroll(5)
    data = single(u.instance(2))
    true = Run.gradient

    def nudged(self: Run, name: str) -> Any:
        value = np.array(true(self, name))
        if name == "W_i" and self._dtype == np.float32:
            value[1, 1] += np.float32(size * np.abs(value).max())
        return value

    monkeypatch.setattr(Run, "gradient", nudged)
    assert check_gradients(u, ["W_i"], data, triangle=False).right is right
