"""What a total adds up: the losses of all steps, of the last, of those that it names, or anything else, computed as it
is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg

EQUATIONS = "h[t] = tanh(w*h[t-1] + x[t]); L[t] = h[t]^2; M[t] = 3*h[t]; "
Lists = Callable[[list[Any], list[Any], dict[str, Any]], Any]

# the total, its value from the lists of all L[t] and M[t], and the steps whose losses it adds up (None: it is more than
# such a sum)
TOTALS: list[tuple[str, Lists, Any]] = [
    ("sum_t L[t]", lambda L, M, d: sum(L), "every"),
    ("sum_{k=1}^{T} L[k]", lambda L, M, d: sum(L), "every"),
    ("sum_t L[t] + sum_t M[t]", lambda L, M, d: sum(L) + sum(M), "every"),
    ("L[T]", lambda L, M, d: L[-1], "last"),
    ("L[T] + M[T]", lambda L, M, d: L[-1] + M[-1], "last"),
    ("L_1 + L_2", lambda L, M, d: L[0] + L[1], (1, 2)),
    ("L_3 + L_1", lambda L, M, d: L[0] + L[2], (1, 3)),
    ("sum_{t=2}^{3} L[t]", lambda L, M, d: L[1] + L[2], (2, 3)),
    ("sum_{t=2}^{T} L[t]", lambda L, M, d: sum(L[1:]), None),
    ("sum_{t=1}^{T-1} L[t]", lambda L, M, d: sum(L[:-1]), None),
    ("sum_{t=2}^{T} L[t-1]", lambda L, M, d: sum(L[:-1]), None),
    ("h[T]", lambda L, M, d: M[-1] / 3, None),
    ("sum_t h[t]", lambda L, M, d: sum(M) / 3, None),
    ("L[T-1]", lambda L, M, d: L[-2], None),
    ("L_1 + L_2 + M_1", lambda L, M, d: L[0] + L[1] + M[0], None),
    ("sum_t L[t] + L[1]", lambda L, M, d: sum(L) + L[0], None),
    ("L[1] + L[1]", lambda L, M, d: 2 * L[0], None),
    ("L[T] + L[1]", lambda L, M, d: L[-1] + L[0], None),
    ("sum_t L[t] + sum_t L[t]", lambda L, M, d: 2 * sum(L), None),
    ("sum_t L[t] + M[T]", lambda L, M, d: sum(L) + M[-1], None),
    ("2*sum_t L[t]", lambda L, M, d: 2 * sum(L), None),
    ("sum_t (w * L[t])", lambda L, M, d: d["w"] * sum(L), None),
    ("v*sum_t L[t] + w", lambda L, M, d: d["v"] * sum(L) + d["w"], None),
    ("tanh(sum_t M[t])", lambda L, M, d: np.tanh(sum(M)), None),
    ("sum_t L[t] + v", lambda L, M, d: sum(L) + d["v"], None),
]


def by_hand(d: dict[str, Any], total: Lists) -> Any:
    h, squares, triples = d["h[0]"], [], []
    for x in d["x"]:
        h = np.tanh(d["w"] * h + x)
        squares.append(h * h)
        triples.append(3 * h)
    return total(squares, triples, d)


def derivative(d: dict[str, Any], key: str, f: Callable[[dict[str, Any]], Any]) -> Any:
    """By the complex step, entry by entry."""
    found = np.zeros(np.shape(d[key]))
    for place in np.ndindex(found.shape):
        moved = np.array(d[key], complex)
        moved[place] += 1e-30j
        found[place] = f({**d, key: moved}).imag * 1e30
    return found


@pytest.mark.parametrize(("total", "value", "counted"), TOTALS, ids=[t for t, _, _ in TOTALS])
def test_a_total_is_what_it_says(total: str, value: Lists, counted: Any) -> None:
    rec = bg.recurrence(EQUATIONS + "E = " + total)
    assert rec.counted == counted and rec.sums_outputs == (counted is None)
    u = rec.unroll(4, sizes=1)
    data = u.instance(0)
    for schedule in (True, False):
        run = u.run(data, schedule=schedule)
        assert run.loss == pytest.approx(by_hand(data, value), rel=1e-13)
        for key in data:
            expected = derivative(data, key, lambda d: by_hand(d, value))
            np.testing.assert_allclose(run.gradients[key], expected, rtol=1e-12, atol=1e-14, err_msg=key)
        for key in run.gradients:
            np.testing.assert_allclose(run.contributions(key).sum((0, 1)), run.gradients[key], rtol=1e-12, atol=1e-14)
    said = u.conventions[1]
    assert said.startswith(
        "total as written" if counted is None else f"loss at {'every' if counted == 'every' else ''}"
    )
    measured = [f for f in u.derive("w").check(data).findings if f.what.startswith(("dE/d", "each dE"))]
    assert len(measured) >= 4 and all(f.right for f in measured)  # by the complex step and by differences


@pytest.mark.parametrize(("total", "value", "counted"), TOTALS, ids=[t for t, _, _ in TOTALS])
def test_another_choice_is_made_or_refused(total: str, value: Lists, counted: Any) -> None:
    """A choice of losses never changes nothing, or something else."""
    rec = bg.recurrence(EQUATIONS + "E = " + total)

    def chosen(steps: tuple[int, ...], weight: float = 1.0) -> Lists:
        return lambda L, M, d: weight * value([L[s - 1] for s in steps], [M[s - 1] for s in steps], d)

    choices: list[tuple[dict[str, Any], Any, Lists]] = [
        ({"loss": "last"}, "last", chosen((4,))),
        ({"loss": [2, 3]}, (2, 3), chosen((2, 3))),
        ({"loss": [1, 2]}, (1, 2), chosen((1, 2))),
    ]
    for options, same, expected in choices:
        if counted in ("every", same):
            u = rec.unroll(4, sizes=1, **options)
            data = u.instance(0)
            assert u.run(data).loss == pytest.approx(by_hand(data, value if counted == same else expected), rel=1e-13)
        else:
            with pytest.raises(bg.BPTTError, match="says itself which losses count"):
                rec.unroll(4, sizes=1, **options)
            with pytest.raises(bg.BPTTError, match="says itself which losses count"):
                rec.derive("w", sizes=1, **options)
    if counted is None:
        with pytest.raises(bg.BPTTError, match="reduce='mean' cannot be chosen"):
            rec.unroll(4, sizes=1, reduce="mean")
    else:
        u = rec.unroll(4, sizes=1, reduce="mean")
        number = {"every": 4, "last": 1}.get(counted) or len(counted)
        data = u.instance(0)
        assert u.run(data).loss == pytest.approx(by_hand(data, value) / number, rel=1e-13)


def test_one_step_does_not_count_twice() -> None:
    """With one step, E[T] and E[1] are the same loss."""
    u = bg.recurrence(EQUATIONS + "E = L[T] + L[1]").unroll(1, sizes=1)
    data = u.instance(0)
    assert u.run(data).loss == pytest.approx(by_hand(data, lambda L, M, d: 2 * L[0]), rel=1e-13)


@pytest.mark.parametrize("total", ["L[T]", "L_1 + L_2"])
def test_chosen_by_the_total_for_symbolic_steps(total: str) -> None:
    g = bg.recurrence(EQUATIONS + "E = " + total).derive("w", sizes=1)
    u = g.recurrence.unroll(4, sizes=1)
    data = u.instance(3)
    run = u.run(data)
    assert g.at(4).check(data).right
    np.testing.assert_allclose(g.closed_form.contributions(u, run).sum((0, 1)), run.gradients["w"], rtol=1e-12)


def test_what_equations_read_is_computed_at_every_step() -> None:
    text = "h[t] = tanh(w*h[t-1] + x[t]); L[t] = h[t]^2; q[t] = L[t] + L[t-1]; E = sum_t L[t]"
    u = bg.recurrence(text).unroll(4, sizes=1)
    data = u.instance(1)
    assert "L[2]" not in data and u.run(data).loss == pytest.approx(by_hand(data, lambda L, M, d: sum(L)), rel=1e-13)
    with pytest.raises(bg.BPTTError, match="loss='last' cannot be chosen"):
        bg.recurrence(text).unroll(4, sizes=1, loss="last")


def test_classes_in_a_total_of_ones_own() -> None:
    text = "h[t] = tanh(W h[t-1]); C[t] = cross_entropy(softmax(h[t]), target[t]); "
    own, plain = (
        bg.recurrence(text + total).unroll(3, sizes={"h": 4}) for total in ("J = 2*sum_t C[t]", "J = sum_t C[t]")
    )
    for batch in (None, 4, 2):
        data = own.instance(0, batch)
        assert data["target"].dtype.kind == "i"
        assert own.run(data).loss == pytest.approx(2 * plain.run(data).loss, rel=1e-13)
        np.testing.assert_allclose(own.run(data).gradients["W"], 2 * plain.run(data).gradients["W"], rtol=1e-12)
