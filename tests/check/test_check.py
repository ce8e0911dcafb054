"""The check: right gradients pass, wrong ones are rejected, however small the missing term; and it says what it
found."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.check import check_gradients
from bpttgraph.core import primitives
from bpttgraph.equations.library import suggestion
from bpttgraph.unrolled.numbers import Run


def cell(name: str) -> bg.Recurrence:
    return bg.cell(name, suggestion(name) or None)


@pytest.mark.parametrize("name", bg.cells())
def test_every_cell_is_right(name: str) -> None:
    u = cell(name).unroll(3)
    report = check_gradients(u, None, u.instance(seed=2, batch=2))
    assert report.right, str(report)
    assert {f.what for f in report.findings} >= {f"dE/d{p}" for p in u.parameters}


@pytest.mark.parametrize("truncate", ["sliding:2", "chunk:2", "3;2", "one-step", "carousel"])
def test_truncated_gradients_are_checked_as_what_they_are(truncate: str) -> None:
    u = bg.cell("lstm").unroll(5, truncate=truncate)
    report = check_gradients(u, ["U_f", "b_o", "h[0]"], u.instance(1))
    assert report.right, str(report)
    full = bg.cell("lstm").unroll(5)
    assert not np.allclose(full.run(u.instance(1)).gradients["U_f"], u.run(u.instance(1)).gradients["U_f"])


def test_a_derivation_checks_its_terms() -> None:
    report = bg.cell("gru").unroll(2).derive("W_z").check()
    assert report.right
    assert any("terms at level local" in f.what for f in report.findings)


@pytest.mark.parametrize("name", ["s[0]", "a", "b"])
def test_an_initial_state_that_all_examples_share(name: str) -> None:
    """No loss reads s, so there is no term: the formulas and the gradient by s[0] are zeros, of each example or of
    their sum."""
    text = "z[t] = sigmoid(b); s[t] = sigmoid(a * s[t-1]); E[t] = squared_error(z[t], target[t])"
    u = bg.recurrence(text).unroll(2, sizes={"s": 2, "z": 2})
    data = u.instance(3, batch=3)
    for start in (data["s[0]"], data["s[0]"][0]):
        report = u.derive(name).check({**data, "s[0]": start})
        assert report.right and any("matrix" in f.what for f in report.findings), str(report)


def test_a_function_that_swings_fast() -> None:
    """Steps that suit a unit are none too small for cos(100 w): the differences notice, take smaller ones, and find a
    wrong gradient."""
    u = bg.recurrence("h[t] = cos(k * w * h[t-1]); E[t] = h[t]").unroll(3, sizes={"h": ()})
    data = {"k": 100.0, "w": 0.7, "h[0]": 0.9}
    report = u.derive("w").check(data)
    differences = [f for f in report.findings if f.estimated]
    assert report.right and differences, str(report)
    assert all(f.error <= 1e-3 * abs(f.true) for f in differences)


def test_a_gradient_that_vanishes_where_its_slope_does_not() -> None:
    """E is cubic in s[0], which is 0: what the complex step leaves, h² times the third derivative, is no gradient."""
    u = bg.recurrence("s[t] = W s[t-1] * s[t-1]; E[t] = dot(s[t], s[t-1])").unroll(1, sizes={"s": 2})
    data = {"W": np.array([[0.5, -2.0], [1.0, 3.0]]), "s[0]": np.zeros(2)}
    assert u.derive("s[0]").check(data).right
    assert bg.verify(u, {"s[0]": np.zeros(2)}, data).right
    assert not bg.verify(u, {"s[0]": np.array([0.0, 1e-20])}, data).right


WRONG_RULES: list[tuple[str, Any]] = [
    ("tanh", (lambda y, x: 1.0 - y,)),
    ("tanh", (lambda y, x: 1.0 - primitives.square(x),)),
    ("tanh", (lambda y, x: 1.0 - primitives.square(primitives.tanh(y)),)),
    ("softmax", lambda t, slot, y, x: y * t),
    ("softmax", lambda t, slot, y, x: y * t - y * primitives.dot(y, t) * 1.0000001),
    ("matvec", (lambda g, a, x: primitives.outer(g, x), lambda g, a, x: primitives.matvec(a, g))),
    ("cross_entropy", lambda t, slot, e, y, target: primitives.dot(primitives.ratio(target, y), t)),
]


@pytest.mark.parametrize("name, rule", WRONG_RULES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_wrong_rule_is_rejected(name: str, rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # equal sizes, so that even the forgotten transpose has a shape that fits
    u = bg.cell("rnn").unroll(3, sizes={"h": 3, "x": 3, "y": 3})
    monkeypatch.setitem(primitives.TABLE[name].__dict__, "rule", rule)
    report = check_gradients(u, ["W_hh"])
    assert not report.right
    assert report.worst.given != report.worst.true
    assert "WRONG" in str(report)


def spectral(u: bg.Unrolled, radius: float, seed: int) -> dict[str, Any]:
    data = u.instance(seed)
    data["W_hh"] = data["W_hh"] * radius / np.abs(np.linalg.eigvals(data["W_hh"])).max()
    data["b_h"] = 0.1 * data["b_h"]  # units that are not saturated, so that the radius is that of W_hh
    data["x"] = 0.1 * data["x"]
    return data


@pytest.mark.parametrize("radius", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("kept", [1, 7, 13, 19])
@pytest.mark.parametrize("kind", ["sliding", "chunk"])
def test_truncated_bptt_never_passes_as_the_gradient(
    radius: float, kept: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the customary tolerances, BPTT over 7 of 20 steps passes; here not even 19 of 20 steps do."""
    rec = bg.cell("rnn")
    u, truncated = rec.unroll(20), rec.unroll(20, truncate=f"{kind}:{kept}")
    data = spectral(u, radius, seed=kept)
    wrong = truncated.run(data).gradients["W_hh"]
    true = Run.gradient
    monkeypatch.setattr(Run, "gradient", lambda self, name: wrong if name == "W_hh" else true(self, name))
    assert not check_gradients(u, ["W_hh"], data, triangle=False).right


def test_saturated_units_are_right() -> None:
    """1 − h² loses its digits when h is near 1: that is rounding, and the radius says so."""
    u = bg.recurrence("h[t] = tanh(w h[t-1] + u x[t])").unroll(2, sizes=1)
    data = {"w": 0.5, "u": 1.0, "h[0]": 0.3, "dE_dh": [1.0, 1.0]}
    for x in (1.0, 3.0, 5.0, 8.0, 12.0):
        assert u.derive("w").check({**data, "x": [x, x]}).right, x
    with pytest.raises(bg.BPTTError, match="undecidable"):  # of h = 1 nothing is left but rounding
        u.derive("w").check({**data, "x": [20.0, 20.0]})


@pytest.mark.parametrize("name", bg.cells())
def test_right_gradients_are_right_on_many_instances(name: str, seeds: int = 8) -> None:
    u = cell(name).unroll(4)
    for seed in range(seeds):
        report = check_gradients(u, None, u.instance(seed))
        assert report.right, f"seed {seed}\n{report}"


@pytest.mark.slow
@pytest.mark.parametrize("name", bg.cells())
def test_right_gradients_are_right_on_very_many_instances(name: str) -> None:
    test_right_gradients_are_right_on_many_instances(name, seeds=100)


def test_the_radius_leaves_room_for_rounding_only() -> None:
    report = check_gradients(bg.cell("rnn").unroll(20))
    assert all(f.radius < 1e4 for f in report.findings if not f.estimated)


def test_a_wrong_entry_is_named_with_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    u = bg.cell("rnn").unroll(3)
    true = Run.gradient

    def nudged(self: Run, name: str) -> Any:
        value = true(self, name).copy()
        value[2, 1] *= 1 + 1e-9
        return value

    monkeypatch.setattr(Run, "gradient", nudged)
    worst = check_gradients(u, ["W_hh"], triangle=False).worst
    assert not worst.right and worst.index == (2, 1) and worst.units > 1e5


def test_one_wrong_summand_is_found_though_the_sum_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    u = bg.cell("rnn").unroll(3)
    true = Run.contributions

    def moved(self: Run, name: str) -> Any:
        value = true(self, name).copy()
        value[2, 0] += 1e-6
        value[2, 1] -= 1e-6
        return value

    monkeypatch.setattr(Run, "contributions", moved)
    report = check_gradients(u, ["W_hh"])
    wrong = [f for f in report.findings if not f.right]
    assert wrong and all("through the use at step k" in f.what for f in wrong)
    assert wrong[0].index[0] == 3 and wrong[0].index[1] in (1, 2)


def test_float32_is_judged_by_its_own_rounding() -> None:
    u = bg.cell("lstm").unroll(4)
    data = {k: np.asarray(v, np.float32) if np.asarray(v).dtype.kind == "f" else v for k, v in u.instance().items()}
    assert u.run(data).gradients["W_i"].dtype == np.float32
    report = check_gradients(u, ["W_i", "U_f"], data)
    assert report.right and report.worst.error > 1e-12


def test_a_kink_within_the_stencil_is_undecidable_not_wrong() -> None:
    u = bg.recurrence("h[t] = relu(W h[t-1] + U x[t])\nE[t] = squared_error(h[t], target[t])").unroll(
        3, sizes={"h": 2, "x": 2}
    )
    data = u.instance(5)
    data["h[0]"] = np.zeros(2)
    data["U"] = np.eye(2)
    data["x"] = np.array([[1e-6, 0.7], [0.4, -0.9], [0.3, 0.8]])
    report = check_gradients(u, ["U"], data, triangle=False)
    rough = next(f for f in report.findings if f.estimated)
    assert report.right, str(report)
    assert rough.undecidable > 0 and "relu in h[1]" in rough.note
    assert "undecidable" in str(report)


def test_contradicting_oracles_blame_the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    # a function whose value is not analytic where the complex step needs it: the two oracles see different derivatives
    u = bg.cell("rnn").unroll(2)
    value = primitives.TABLE["tanh"].value
    monkeypatch.setitem(
        primitives.TABLE["tanh"].__dict__,
        "value",
        lambda x: value(np.real(x)) + 0.5j * np.imag(x) if np.iscomplexobj(x) else value(x),
    )
    report = check_gradients(bg.cell("rnn").unroll(2), ["W_hh"])
    assert not report.right and report.broken and "broken" in report.verdict
    del u


def test_the_report_as_json_and_text() -> None:
    report = bg.cell("rnn").unroll(3).derive("W_hh").check()
    body = json.loads(report.to_json())
    assert body["right"] is True and body["worst"]["index"] and "complex step" in body["oracle"]
    assert body["verdict"] == report.verdict and report.verdict in str(report)
    shown = report._repr_html_()
    assert bool(report) and "Right:" in shown and "<script" not in shown and shown.count("<li>") == len(report.findings)


def test_large_parameters_are_sampled() -> None:
    u = bg.cell("rnn").unroll(2, sizes={"h": 40, "x": 3, "y": 2})
    report = check_gradients(u, ["W_hh"], triangle=False)
    assert report.right and report.findings[0].entries == 400
    assert "sampled" in str(report)


@pytest.mark.parametrize("loss", [[2], [1], [1, 3]])
def test_losses_that_end_before_the_last_step(loss):
    report = bg.cell("rnn").unroll(4, loss=loss).derive("W_hh").check()
    assert report.right and any(f.entries == 4 * 4 * 16 for f in report.findings)


@pytest.mark.slow
def test_a_wrong_entry_of_a_long_lstm_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """u·S is larger than the gradient here: along random directions an entry off by 10⁻⁶ of itself still shows."""
    u = bg.cell("lstm").unroll(100, sizes={"h": 64, "x": 10})
    data = u.instance()
    assert check_gradients(u, ["U_f"], data, triangle=False).right
    true = Run.gradient

    def nudged(self: Run, name: str) -> Any:
        value = true(self, name).copy()
        value[19, 2] *= 1 + 1e-6
        return value

    monkeypatch.setattr(Run, "gradient", nudged)
    wrong = [f for f in check_gradients(u, ["U_f"], data, triangle=False).findings if not f.right]
    assert "along 8 random directions" in wrong[0].what


TOTALS = [
    "h[t] = tanh(W h[t-1] + U x[t]); L = (1/a) * sum_t norm(h[t])",
    "h[t] = tanh(a*h[t-1]); E[t] = dot(b, h[t]); L = (1/a) * sum_t E[t]",
    "h[t] = tanh(w*h[t-1]); L = a * sum_t norm(h[t]) + dot(a*b, h[T])",
    "k = exp(a); h[t] = tanh(k*h[t-1]); E[t] = dot(b, h[t]); L = k * sum_t E[t]",
]


@pytest.mark.parametrize("text", TOTALS)
@pytest.mark.parametrize("seed", range(3))
def test_a_parameter_in_the_total_has_a_radius(text: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step uses it there, so no triangle gives its size; its gradient has one all the same, and it is a narrow
    one."""
    u = bg.recurrence(text).unroll(3)
    data = u.instance(seed)
    report = check_gradients(u, None, data)
    assert report.right, str(report)
    # the complex step by hand, on every parameter
    for name in u.parameters:
        moved = {k: np.array(v, complex) for k, v in data.items()}
        index = np.unravel_index(0, moved[name].shape)
        moved[name][index] += 1e-30j
        true = u.run(moved, schedule=False).loss.imag / 1e-30
        assert abs(u.run(data).gradients[name][index] - true) <= 1e-12 * max(1, abs(true))
    gradient = Run.gradient
    monkeypatch.setattr(Run, "gradient", lambda self, name: gradient(self, name) * (1 + 1e-12 * (name == "a")))
    assert "a" not in u.parameters or not check_gradients(u, ["a"], data).right


@pytest.mark.parametrize(
    "text", ["h[t] = tanh(W h[t-1]); E[t] = dot(b, h[t]); h[0] = h0", "h[t] = tanh(a*h[t-1]+a); h[0] = b"]
)
@pytest.mark.parametrize("sizes", [None, 1])
def test_where_nothing_has_a_batch(text: str, sizes: Any) -> None:
    """No input and no free initial state: every example is the same one."""
    u = bg.recurrence(text).unroll(3, sizes=sizes)
    report = check_gradients(u)
    assert report.right, str(report)
    assert all(f.entries for f in report.findings)


def test_uses_before_the_first_step_stand_with_those_of_step_one() -> None:
    """W makes the initial state and every step."""
    u = bg.recurrence("h[0] = W c; h[t] = tanh(W h[t-1]); E[t] = dot(b, h[t]); J = 2 * sum_t E[t]").unroll(3)
    data = u.instance(2)
    assert check_gradients(u, None, data).right
    run = u.run(data)
    assert np.allclose(run.contributions("W").sum((0, 1)), run.gradients["W"], rtol=1e-12, atol=0)


def test_a_check_of_any_variable() -> None:
    """Values of a step are moved by what is added to them."""
    u = bg.cell("lstm").unroll(4)
    report = check_gradients(u, ["h[2]", "c[1]", "h[0]", "E[3]"])
    assert report.right and {f.what for f in report.findings} >= {"dE/dh[2]", "dE/dc[1]", "dE/dh[0]", "dE/dE[3]"}


@pytest.mark.parametrize("name", ["rnn", pytest.param("lstm", marks=pytest.mark.slow)])
def test_long_sequences_are_sampled_and_it_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    u = bg.cell(name).unroll(400)
    weight = "W_hh" if name == "rnn" else "U_f"
    data = u.instance(1)
    report = check_gradients(u, None, data)
    assert report.right, str(report)
    assert any("along 2 random directions" in f.what and "k = 1, " in f.what for f in report.findings)
    gradient = Run.gradient

    def nudged(self: Run, name: str) -> Any:
        value = gradient(self, name)
        return value * (1 + 1e-9) if name == weight else value

    monkeypatch.setattr(Run, "gradient", nudged)
    wrong = [f for f in check_gradients(u, None, data).findings if not f.right]
    assert wrong and all(f.what.startswith(f"dE/d{weight}") for f in wrong)


def test_a_wrong_entry_that_is_not_sampled_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    u = bg.cell("rnn").unroll(150, sizes={"h": 30, "x": 3, "y": 2})
    gradient = Run.gradient
    sampled = check_gradients(u, ["W_hh"], triangle=False).findings[0]
    assert 100 < sampled.entries < 900

    for place in range(0, 900, 177):

        def nudged(self: Run, name: str, place: int = place) -> Any:
            value = gradient(self, name).copy()
            value.flat[place] += 1e-7 * np.abs(value).max()
            return value

        monkeypatch.setattr(Run, "gradient", nudged)
        assert not check_gradients(u, ["W_hh"], triangle=False).right


def test_a_wrong_use_in_a_long_triangle_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One step k lost from what reaches the weight: each of the steps that are looked at shows it."""
    from bpttgraph.unrolled.numbers import Numbers

    u = bg.cell("rnn").unroll(150)
    uses = Numbers.uses
    monkeypatch.setattr(Numbers, "uses", lambda self, name: {k: v for k, v in uses(self, name).items() if k != 1})
    wrong = [f for f in check_gradients(u, ["W_hh"]).findings if not f.right]
    assert wrong and all("through the use at step k" in f.what and f.index[1] == 1 for f in wrong)


def test_gradients_smaller_than_the_complex_step_resolves() -> None:
    """10⁻²⁹⁰ times the step of 10⁻³⁰ is no full number any more; 10⁻²⁷⁰ still is, and is compared in full."""
    u = bg.recurrence("h[t] = w * h[t-1]; E[t] = h[t]").unroll(60, loss="last", sizes=1)
    for w in (1e-3, 1e-4, 2e-5, 1.3e-5):
        report = u.derive("h[0]").check({"w": w, "h[0]": 0.7})
        assert report.right, str(report)


def test_a_stencil_that_leaves_the_domain_is_undecidable() -> None:
    """log(x) at 0.01: a step of 0.02 leaves its domain, so differences say nothing; the complex step says all."""
    u = bg.recurrence("h[t] = w*h[t-1] + log(x[t]); E[t] = h[t]").unroll(3, sizes=1)
    data = {"w": 0.5, "h[0]": 0.3, "x": np.array([1.0, 0.01, 2.0])}
    report = check_gradients(u, ["x[2]", "w"], data)
    assert report.right, str(report)
    assert any(f.undecidable and "log in h[2]" in f.note for f in report.findings)


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize(
    "text", ["h[t] = tanh([b; dot(p, x[t])])", "c[t] = a * c[t-1] + F p[t]; L[t] = squared_error(b, [w; c[t-1]])"]
)
def test_stacks_of_what_holds_data_and_what_does_not(text: str, batch: int | None) -> None:
    u = bg.recurrence(text).unroll(2)
    assert check_gradients(u, None, u.instance(1, batch)).right


ANSWER = """dy[t] = y[t] - target[t]
delta[t] = (W_hy.T dy[t] + W_hh.T delta[t+1]) * (1 - h[t]^2)
dW_hh = sum_t outer(delta[t], h[t-1])
db_h = sum_t delta[t]
dW_hy = sum_t outer(dy[t], h[t])"""

LONG_JOBS = {
    "check": lambda u, data: check_gradients(u, None, data),
    "derivation": lambda u, data: u.derive("W_hh").check(data),
    "arrays": lambda u, data: bg.verify(u, dict(u.run(data).gradients), data),
    "formulas": lambda u, data: bg.verify(u, ANSWER, data),
}


@pytest.mark.parametrize("job", LONG_JOBS)
def test_the_work_grows_like_the_number_of_steps(job: str) -> None:
    """Counted in calls of functions, not in seconds: three times the steps, at most 3^1.1 times the calls."""
    calls = {}
    for steps in (150, 450):
        u = bg.cell("rnn").unroll(steps)
        data = u.instance(1)
        count = 0

        def counted(frame: Any, event: str, argument: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(counted)
        try:
            found = LONG_JOBS[job](u, data)
        finally:
            sys.setprofile(None)
        assert found.right, str(found)
        calls[steps] = count
    assert calls[450] <= 3**1.1 * calls[150]


def test_errors_that_reach_a_sum_by_several_ways_are_measured() -> None:
    """Right gradients of an unruly recurrence (NumPy and the complex step alone) are right; ten radii off, they are
    wrong."""
    from bpttgraph.check.readings import measured, whole_radii

    u = bg.recurrence("c[t] = cos(W @ c[t-1] - V @ [c[t-1]; c[t-1]] + W @ x[t]); E[t] = sum(c[t])").unroll(9, sizes=4)
    beyond = 0
    for seed in range(10):
        data = {k: v * 3 if k in "WV" else v for k, v in u.instance(seed).items()}
        W = np.repeat(data["W"][None].astype(complex), 16, axis=0)
        W.reshape(16, 16)[np.arange(16), np.arange(16)] += 1e-30j
        c, loss = np.repeat(data["c[0]"][None], 16, axis=0), np.zeros(16, complex)
        for x in data["x"]:
            wc, wx, vc = (
                np.einsum("...ij,...j->...i", m, v) for m, v in ((W, c), (W, x), (data["V"], np.concatenate([c, c], 1)))
            )
            c = np.cos(wc - vc + wx)
            loss += c.sum(axis=1)
        true = np.imag(loss).reshape(4, 4) / 1e-30
        run = u.run(data)
        analysed, seen = (whole_radii(run, ["W"], read)["W"][1] * 2.0**-53 for read in (None, measured))
        assert np.all(seen >= analysed * (1 - 1e-12))
        beyond += bool(np.any(np.abs(true - run.gradient("W")) > analysed))
        assert bg.verify(u, {"dW": true}, data).right, seed
        assert check_gradients(u, ["W"], data).right, seed
        assert not bg.verify(u, {"dW": run.gradient("W") + 10 * seen}, data).right, seed
    assert beyond, "no right gradient lies beyond the analysis, so the measurement is not needed"
