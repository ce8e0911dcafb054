"""Arrays that were rounded before they were handed in: right to the digits given, whatever their number, and no
further. Rounding is written here with Python's own formats, not with what reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.homework.answers.files import numbers_of, rounded_alike

RIGHT = {"right", "right to the digits given"}


def rounded(a: Any, digits: int, how: str) -> Any:
    texts = [f"{x:.{digits - 1}e}" if how == "significant" else f"{x:.{digits}f}" for x in np.ravel(a)]
    return np.array([float(t) for t in texts]).reshape(np.shape(a))


def unit(x: float, digits: int, how: str) -> float:
    return 10.0 ** (int(f"{x:.{digits - 1}e}".partition("e")[2]) - digits + 1 if how == "significant" else -digits)


@pytest.mark.parametrize("how", ["significant", "places"])
@pytest.mark.parametrize(("cell", "seed"), [("rnn", 3), ("gru", 1), ("mgu", 5)])
def test_a_rounded_answer_is_right_at_any_number_of_digits(cell: str, seed: int, how: str) -> None:
    """Jointly: the more digits the better, and never wrong; alone in the next test."""
    u = bg.cell(cell).unroll(4)
    data = u.instance(seed)
    full = u.run(data).gradients
    for digits in range(1, 18):
        found = bg.verify(u, {n: rounded(full[n], digits, how) for n in u.parameters}, data).parameters
        allowed = RIGHT if digits > 3 else RIGHT | {"undecidable"}
        assert {p.status for p in found.values()} <= allowed, (digits, found)


@pytest.mark.parametrize("how", ["significant", "places"])
@pytest.mark.parametrize("seed", range(3))
def test_one_entry_off_by_two_units_of_its_last_digit_is_wrong(seed: int, how: str) -> None:
    u = bg.cell("rnn").unroll(4)
    data = u.instance(seed)
    full = np.asarray(u.run(data).gradients["W_hh"])
    rng = np.random.default_rng(seed)
    for digits in (3, 4, 5, 7, 8, 9, 10, 12):
        answer = rounded(full, digits, how)
        assert bg.verify(u, {"W_hh": answer}, data).parameters["W_hh"].status in RIGHT, digits
        place = tuple(rng.integers(n) for n in full.shape)
        answer[place] += rng.choice([-2, 2]) * unit(full[place], digits, how)
        assert bg.verify(u, {"W_hh": answer}, data, feedback="verdict").parameters["W_hh"].status == "wrong", digits


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_numbers_of_a_smaller_type_in_doubles(cell: str, together: bool) -> None:
    """float32, plain or rounded once more, whatever type holds it."""
    u = bg.cell(cell).unroll(3)
    data = u.instance(3)
    single = {n: np.asarray(u.run(data).gradients[n]).astype(np.float32) for n in list(u.parameters)[:3]}
    for answer in (
        {n: a.astype(float) for n, a in single.items()},
        {n: np.round(a, 4) for n, a in single.items()},
        {n: np.round(a, 4).astype(float) for n, a in single.items()},
    ):
        for part in [answer] if together else [{n: a} for n, a in answer.items()]:
            assert {p.status for p in bg.verify(u, part, data).parameters.values()} <= RIGHT
        moved = {n: a * (1 + 1e-2) for n, a in answer.items()}
        assert {p.status for p in bg.verify(u, moved, data, feedback="verdict").parameters.values()}.isdisjoint(RIGHT)


def test_what_an_array_says_of_its_digits() -> None:
    """A zero has no digits of its own, and few whole numbers are exact."""
    half = numbers_of(np.array([1.23e-4, 0.0]), "answer").half
    assert half is not None and half.tolist() == pytest.approx([5e-7, 5e-7])
    assert all(numbers_of(np.array(a), "answer").half is None for a in ([0.0, 0.0], [1.0, 0.0, -2.0], [0.1 + 0.2, 0.5]))
    assert np.all(numbers_of(np.array([12346.0, 41523.0]), "answer").half == 0.5)
    assert numbers_of(np.array([1 / 3, 0.25], np.float32).astype(float), "answer").unit == 2.0**-24
    assert numbers_of(np.array([1 / 3, 0.1], np.float16).astype(np.float32), "answer").unit == 2.0**-11
    assert numbers_of(np.array([0.5, 0.25]), "answer").unit == 2.0**-53


def test_zeros_beside_numbers_of_so_many_places() -> None:
    """Rounded to three places together, a small gradient is all zeros: that decides nothing; zeros alone are wrong."""
    u = bg.recurrence("h[t] = tanh(W @ h[t-1] + x[t] + 0.00001*b); E[t] = sum(h[t])").unroll(4)
    data = u.instance(0)
    full = u.run(data).gradients
    answer = {n: rounded(full[n], 3, "places") for n in ("W", "b")}
    found = bg.verify(u, answer, data).parameters
    assert found["W"].status in RIGHT and found["b"].status == "undecidable"
    assert bg.verify(u, {"W": full["W"], "b": answer["b"]}, data).parameters["b"].status == "wrong"
    assert bg.verify(u, {"b": answer["b"]}, data).parameters["b"].status == "wrong"
    assert rounded_alike({"a": numbers_of([0.1 + 0.2], "a"), "b": numbers_of([0.0], "b")})["b"].half is None
