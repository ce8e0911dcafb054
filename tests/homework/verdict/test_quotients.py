"""Difference quotients handed in as a gradient are recognised and named; other small errors are not excused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.homework.answers.given import Given
from bpttgraph.homework.truth.truth import Truth
from bpttgraph.homework.verdict import quotients
from bpttgraph.homework.verdict.quotients import recognised

CELLS = {"rnn": ["W_hh", "b_h", "W_hy"], "lstm": ["W_i", "U_f", "b_o"], "gru": ["W_z", "W_r", "b_z"]}


def loss(cell: str, data: dict[str, Any]) -> float:
    """A forward pass in plain NumPy, as a student has one (the package's own where the cell is no plain RNN)."""
    if cell != "rnn":
        u = bg.cell(cell).unroll(len(data["x"]))
        return float(u.numbers.run(data, schedule=False).loss)
    h, total = data["h[0]"], 0.0
    for x, target in zip(data["x"], data["target"]):
        h = np.tanh(data["W_hh"] @ h + data["W_xh"] @ x + data["b_h"])
        o = data["W_hy"] @ h + data["b_y"]
        total += -np.log(np.exp(o - o.max()) / np.exp(o - o.max()).sum())[target]
    return float(total)


def quotient(cell: str, data: dict[str, Any], name: str, step: float, sides: int = 2) -> np.ndarray[Any, Any]:
    found = np.zeros(data[name].shape)
    for index in np.ndindex(found.shape):

        def at(s: float, index: Any = index) -> float:
            moved = data[name].copy()
            moved[index] += s * step
            return loss(cell, {**data, name: moved})

        found[index] = (at(1) - at(-1)) / (2 * step) if sides == 2 else (at(1) - at(0)) / step
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("step", [1e-3, 1e-4, 1e-5, 1e-6, 1e-7])
def test_central_differences_are_named_with_their_step(cell: str, step: float) -> None:
    u = bg.cell(cell).unroll(5)
    data = u.instance(7)
    verdict = bg.verify(u, {n: quotient(cell, data, n, step) for n in CELLS[cell]}, data)
    assert verdict.right
    for name, p in verdict.parameters.items():
        assert p.status == "right to the digits given", (name, str(verdict))
        assert f"central differences with a step of {step:.3g}" in p.note
        off = np.abs(p.given - p.true).max() / np.abs(p.true).max()
        assert f"agree to {int(-np.log10(off))} digits" in p.note
    assert "central differences" in str(verdict)
    assert "central differences" in json.loads(verdict.to_json())["parameters"][CELLS[cell][0]]["note"]


def test_one_sided_differences() -> None:
    """To six digits they are right, to two they are not; the cause is told in both cases."""
    u = bg.cell("rnn").unroll(5)
    data = u.instance(7)
    p = bg.verify(u, {"W_hh": quotient("rnn", data, "W_hh", 1e-7, 1)}, data).parameters["W_hh"]
    assert p.status == "right to the digits given" and "forward differences with a step of 1e-07" in p.note
    p = bg.verify(u, {"W_hh": quotient("rnn", data, "W_hh", 1e-2, 1)}, data).parameters["W_hh"]
    assert p.status == "wrong" and p.cause is not None and "forward differences with a step of 0.01" in p.cause


@pytest.mark.parametrize("step", [1e-2, 1e-3, 1e-4, 1e-5])
def test_in_single_precision_they_show_if_they_are_farther_off_than_it(step: float) -> None:
    """Differences with a small step, rounded to single precision, are the gradient to the last digit that is there."""
    u = bg.cell("rnn").unroll(5)
    data = u.instance(3)
    truth = Truth(u, data)
    for name in ("W_hh", "b_h", "W_hy"):
        given = quotient("rnn", data, name, step).astype(np.float32)
        p = bg.verify(u, {name: given}, data).parameters[name]
        shows = bool(np.any(np.abs(given - truth.value(name)) > truth.radius(name, 2.0**-24)))
        assert p.status == ("right to the digits given" if shows else "right"), name
        assert ("central differences" in p.note) == shows
        assert shows or step < 1e-2
        assert not shows or step > 1e-5


def test_small_errors_of_another_kind_are_not_excused() -> None:
    """Truncation that loses 10⁻³ to 10⁻¹² of the gradient, and noise of any such size."""
    rng = np.random.default_rng(0)
    seen = 0
    for seed in range(6):
        u = bg.cell("rnn").unroll(20)
        data = u.instance(seed)
        data["W_hh"] *= 0.5 / np.abs(np.linalg.eigvals(data["W_hh"])).max()
        run, truth = u.run(data), Truth(u, data)
        wrong = [bg.cell("rnn").unroll(20, truncate=f"sliding:{kept}").run(data).gradients for kept in range(6, 19)]
        for size in 10.0 ** rng.uniform(-11, -3, 4):
            wrong.append({n: v + size * rng.normal(size=v.shape) for n, v in run.gradients.items()})
        for gradients in wrong:
            given = {n: Given(n, gradients[n]) for n in ("W_hh", "b_h")}
            visible = [n for n, g in given.items() if np.any(np.abs(g.value - truth.value(n)) > truth.radius(n))]
            assert not recognised(truth, {n: given[n] for n in visible}), seed
            seen += len(visible)
    assert seen > 150


def test_both_sides_of_what_is_near_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quotient may be off by NOISE units of the loss over the step, and no more; of its digits DIGITS have to be
    right."""
    u = bg.cell("rnn").unroll(5)
    data = u.instance(7)
    truth = Truth(u, data)
    given = quotient("rnn", data, "W_hh", 1e-3)
    size = sum(abs(float(truth.run.values[h.name])) for h in u.heads)
    allowed = quotients.NOISE * 2.0**-53 * size / 1e-3
    for factor, near in ((0.9, True), (1.2, False)):
        moved = given.copy()
        moved[1, 2] += factor * allowed
        status = bg.verify(u, {"W_hh": moved}, data).parameters["W_hh"].status
        assert status == ("right to the digits given" if near else "wrong"), factor
    agree = recognised(truth, {"W_hh": Given("W_hh", given)})["W_hh"].digits
    for digits, status in ((agree, "right to the digits given"), (agree + 1, "wrong")):
        monkeypatch.setattr(quotients, "DIGITS", digits)
        assert bg.verify(u, {"W_hh": given}, data).parameters["W_hh"].status == status


def test_what_is_too_much_work_is_not_looked_at() -> None:
    u = bg.cell("rnn").unroll(3, sizes={"h": 300, "x": 2, "y": 2})
    data = u.instance(0)
    wrong = u.run(data).gradients["W_hh"] * (1 + 1e-6)
    assert bg.verify(u, {"W_hh": wrong}, data).parameters["W_hh"].status == "wrong"


def test_one_number_that_happens_to_be_a_quotient_is_no_excuse() -> None:
    """A single wrong number is within rounding of the quotient of one step or another about once in a hundred."""
    u = bg.recurrence("h[t] = a + b * b * b\nE[t] = squared_error(h[t], d[t])").unroll(2, sizes=1)
    data = u.instance(seed=1)
    b, true = float(data["b"]), float(u.run(data).gradients["b"])

    def loss(x: float) -> float:
        return float(u.run({**data, "b": x}).loss)

    for step in (6.0554544523933429e-06, 1e-5, 1e-6):
        second = (loss(b + 1e-4) - 2 * loss(b) + loss(b - 1e-4)) / 1e-8
        spoilt = true + step / 2 * second * (1 + 2e-4)  # as far off as a forward difference, but for its fourth digit
        assert bg.verify(u, {"b": spoilt}, data=data).wrong == ("b",)
