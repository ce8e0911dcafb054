"""Gradient flow: against `run.jacobian` and `run.contributions`, known rates, and where floats under- and overflow."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.flow import Flow, measure

NUMBERED = [name for name in bg.cells() if not bg.cell(name).abstract]
DELAYED = "h[t] = tanh(W @ h[t-1] + V @ h[t-3] + x[t])\nE[t] = squared_error(h[t], target[t])"


def agrees(u: bg.Unrolled, data: dict[str, object], flow: Flow) -> None:
    run = u.run(data)
    variables = u.vgraph.variables.values()
    for base, norms in flow.norms.items():
        columns = flow.columns[base]
        names = {v.column: v.name for v in variables if v.base == base}
        for i, t in enumerate(columns):
            for j, k in enumerate(columns[: i + 1]):
                if t in names and k in names:
                    want = np.linalg.norm(np.atleast_2d(run.jacobian(names[t], names[k])), 2)
                    assert np.exp(norms[i, j]) == pytest.approx(want, rel=1e-11), (base, t, k)
            assert np.all(np.isnan(norms[i, i + 1 :]))
    assert flow.contributions
    for name, logs in flow.contributions.items():
        whole = run.contributions(name)
        want = np.sqrt(np.sum(whole.reshape(*whole.shape[:2], -1) ** 2, axis=-1))
        got = np.exp(np.where(np.isnan(logs), -np.inf, logs))
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-14 * want.max())


@pytest.mark.parametrize("name", NUMBERED)
def test_every_cell(name: str) -> None:
    u = bg.cell(name).unroll(steps=4, loss=[2, 4] if name == "lstm" else "every")
    data = u.instance(seed=1)
    agrees(u, data, measure(u, data))


def test_delays_of_several_steps() -> None:
    u = bg.recurrence(DELAYED).unroll(6)
    data = u.instance(seed=2)
    agrees(u, data, measure(u, data))


def test_a_dropped_link_would_be_seen() -> None:
    """The comparison can fail: a recurrence without one of its links does not agree."""
    u, without = bg.recurrence(DELAYED).unroll(6), bg.recurrence(DELAYED).unroll(6)
    data = u.instance(seed=2)
    with pytest.raises(AssertionError):
        agrees(u, data, measure(without, {**data, "V": 0 * data["V"]}))


@pytest.mark.parametrize(("rate", "sentence"), [(0.1, "vanishes"), (9.0, "explodes"), (1.0, "keeps its size")])
def test_rates_beyond_the_range_of_floats(rate: float, sentence: str) -> None:
    """‖W^t‖ for T = 1,000 is 10^±1000 and must come out exactly."""
    u = bg.recurrence("h[t] = W @ h[t-1]\nE[t] = sum(h[t])").unroll(1000, loss="last", sizes={"h": 2})
    W = rate * np.array([[0.6, 0.8], [-0.8, 0.6]])  # a rotation: every direction changes alike
    flow = measure(u, {"W": W, "h[0]": np.zeros(2)})
    t = np.arange(1001)
    np.testing.assert_allclose(flow.norms["h"][-1], (1000 - t) * np.log(rate), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(flow.growth, np.log(rate), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(flow.lag_radius, (1000 - t) * np.log(rate), rtol=1e-9, atol=1e-9)
    assert sentence in flow.verdict("h") and sentence in str(flow)
    assert flow.bound.factor == pytest.approx(rate)


def test_growth_rates_are_the_logarithms_of_the_eigenvalues() -> None:
    u = bg.recurrence("h[t] = W @ h[t-1] + x[t]\nE[t] = squared_error(h[t], target[t])").unroll(60, sizes={"h": 3})
    data = u.instance(seed=0) | {"W": np.diag([0.9, 0.5, 0.1]) + np.diag([0.3, 0.2], 1)}
    np.testing.assert_allclose(np.exp(measure(u, data).growth), [0.9, 0.5, 0.1], rtol=0.03)


def test_growth_rates_are_those_of_the_whole_product() -> None:
    """Directions that no step leaves apart: of a matrix that is far from triangular, and of steps that all differ."""
    u = bg.recurrence("h[t] = W @ h[t-1] + x[t]\nE[t] = squared_error(h[t], target[t])").unroll(200, sizes={"h": 3})
    turn = np.array([[1.0, 2.0, -1.0], [0.5, -1.0, 3.0], [2.0, 1.0, 0.7]])
    data = u.instance(seed=0) | {"W": turn @ np.diag([0.9, 0.5, 0.2]) @ np.linalg.inv(turn)}
    np.testing.assert_allclose(np.exp(measure(u, data).growth), [0.9, 0.5, 0.2], rtol=0.02)
    u = bg.cell("rnn").unroll(12, sizes={"h": 3, "x": 2, "y": 2})
    data = u.instance(seed=3)
    run, flow = u.run(data), measure(u, data)
    product = np.linalg.multi_dot([run.jacobian(f"h[{t}]", f"h[{t - 1}]") for t in range(12, 0, -1)])
    assert flow.growth.sum() == pytest.approx(np.log(abs(np.linalg.det(product))) / 12, rel=1e-9)
    assert np.all(np.diff(flow.growth) < 0)


@pytest.mark.parametrize(("name", "gamma"), [("rnn", 1.0), ("elman", 0.25), ("relu-rnn", 1.0), ("elman-linear", 1.0)])
def test_the_bound_holds(name: str, gamma: float) -> None:
    u = bg.cell(name).unroll(12)
    for seed in range(3):
        data = u.instance(seed=seed)
        flow = measure(u, data)
        recurrent = data["W_2" if name.startswith("elman") else "W_hh"]
        assert flow.bound.factor == pytest.approx(gamma * np.linalg.norm(recurrent, 2))
        lags = np.subtract.outer(np.arange(13), np.arange(13))
        below = np.tril_indices(13)
        assert np.all(flow.norms["h"][below] <= (lags * np.log(flow.bound.factor))[below] + 1e-9)


@pytest.mark.parametrize("name", ["lstm", "gru", "deep-rnn", "rnn-pre-activation"])
def test_where_there_is_no_bound_it_says_why(name: str) -> None:
    flow = measure(bg.cell(name).unroll(3))
    assert flow.bound.factor is None and "no bound" in flow.bound.sentence()


FORMS = {
    "h[t] = max(0, W h[t-1] + U x[t])": 1.0,
    "h[t] = min(1, max(W h[t-1] + U x[t], -1))": 1.0,
    "h[t] = tanh(W.T h[t-1] + U x[t])": 1.0,
    "h[t] = 0.5 * tanh(2 * (W h[t-1]) + U x[t])": 1.0,
    "h[t] = sigmoid(relu(U x[t] - (W h[t-1]) / 4))": 1 / 16,
    "h[t] = leaky_relu(W h[t-1] + U x[t], 1.5)": 1.5,
    "h[t] = elu(W h[t-1] + U x[t], 2)": 2.0,
    "h[t] = clip(W h[t-1] + U x[t], -1, 1)": 1.0,
}


def bounded(text: str, gamma: float) -> None:
    """The bound is γ σ_max, and no Jacobian of 12 steps exceeds it."""
    u = bg.recurrence(text).unroll(12, sizes={"h": 4, "x": 2})
    lags, below = np.subtract.outer(np.arange(13), np.arange(13)), np.tril_indices(13)
    for seed in range(2):
        data = u.instance(seed=seed)
        flow = measure(u, data, wrt=[])
        assert flow.bound.factor == pytest.approx(gamma * np.linalg.norm(data["W"], 2), rel=1e-3), flow.bound.sentence()
        assert np.all(flow.norms["h"][below] <= (lags * np.log(flow.bound.factor))[below] + 1e-9)


@pytest.mark.parametrize("text", FORMS)
def test_the_bound_of_other_forms(text: str) -> None:
    bounded(text, FORMS[text])


def _one_number() -> list[str]:
    from bpttgraph.core.primitives import TABLE

    return [n for n, p in TABLE.items() if p.kind == "elementwise" and len(p.rule) == 1 and p.rule[0]] + ["identity"]


@pytest.mark.parametrize("name", _one_number())
def test_every_function_of_one_number_has_its_largest_slope_measured(name: str) -> None:
    """Differences of the values themselves, close together and far apart: they share nothing with the rule."""
    from bpttgraph.core.primitives import TABLE
    from bpttgraph.equations.functions import FUNCTIONS

    steepest, flat = TABLE[name].readings["slope"], bool(TABLE[name].readings.get("flat"))
    if steepest is None:
        return
    several: dict[str, list[dict[str, float]]] = {
        "leaky_relu": [{}, {"slope": 0.2}, {"slope": -3.0}],
        "elu": [{}, {"alpha": 2.5}],
        "clip": [{"low": -1.0, "high": 2.0}],
        "nan_to_num": [{"nan": 0.0, "posinf": 9.0, "neginf": -9.0}],
    }
    for settings in several.get(name, [{}]):
        largest = steepest(**settings) if callable(steepest) else steepest
        x = np.linspace(-40.0, 40.0, 400_001)
        slopes = np.abs(np.diff(np.asarray(TABLE[name].value(x, **settings), float)) / np.diff(x))
        assert slopes.max() <= largest * (1 + 1e-9) and slopes.max() >= largest * (1 - 2e-4)
        far = np.array([-2000.0, -1999.0, 1999.0, 2000.0])
        least = min(slopes.min(), *np.abs(np.diff(np.asarray(TABLE[name].value(far, **settings), float))[::2]))
        if settings in ({}, several.get(name, [{}])[0]):
            assert flat == (least < 0.1 * largest and name not in ("sin", "cos", "sinc", "abs"))
    if name in FUNCTIONS and name != "clip":
        bounded(f"h[t] = {name}(W h[t-1] + U x[t])", largest if name not in ("leaky_relu", "elu") else 1.0)


def test_saturation_counts_units() -> None:
    u = bg.cell("rnn").unroll(3, sizes={"h": 4, "x": 2, "y": 3})
    data = u.instance(seed=0)
    data |= {"W_hh": 0 * data["W_hh"], "W_xh": 0 * data["W_xh"], "b_h": np.array([0.0, 5.0, -5.0, 0.1])}
    assert measure(u, data).saturated["h"].tolist() == [0.5, 0.5, 0.5]
    gates = measure(bg.cell("lstm").unroll(3)).saturated
    assert {"i", "f", "o", "g", "tanh in h"} == set(gates)


def test_an_exact_zero_is_said() -> None:
    u = bg.cell("relu-rnn").unroll(5)
    data = u.instance(seed=0)
    data["b_h"] = data["b_h"] - 100.0  # every unit is off
    flow = measure(u, data)
    assert np.isneginf(flow.norms["h"][-1, 0]) and "exactly zero" in flow.verdict("h")
    assert np.all(flow.saturated["h"] == 1.0)


def test_files() -> None:
    u = bg.cell("lstm").unroll(5)
    flow = measure(u, wrt=["U_f"])
    found = json.loads(flow.to_json())
    assert found["states"] == ["h", "c"] and set(found["contributions"]) == {"U_f"}
    assert found["norms"]["h"][0][1] is None
    rows = [line.split(",") for line in flow.to_csv().splitlines()]
    assert rows[0] == ["quantity", "of", "t", "k", "log10_norm"]
    assert len(rows) == 1 + 2 * 21 + 15
    found = {(r[0], r[1], int(r[2]), int(r[3])): float(r[4]) for r in rows[1:]}
    for t in range(6):
        for k in range(t + 1):
            assert found["jacobian", "c", t, k] == pytest.approx(flow.norms["c"][t, k] / np.log(10), rel=1e-5, abs=1e-5)
    assert found["contribution", "U_f", 5, 2] == pytest.approx(flow.contributions["U_f"][4, 1] / np.log(10), rel=1e-5)


def test_names_stay_one_field_of_a_csv() -> None:
    """A comma, a quote and a line end in a name: the reader of the standard library finds the same five fields."""
    import csv
    import io

    flow = measure(bg.cell("rnn").unroll(3))
    for name in ("a,b", 'say "h"', "two\nlines", "h"):
        flow.norms = {name: flow.norms[next(iter(flow.norms))]}
        flow.columns = {name: flow.columns[next(iter(flow.columns))]}
        rows = list(csv.reader(io.StringIO(flow.to_csv())))
        assert {len(r) for r in rows} == {5} and {r[1] for r in rows if r[0] == "jacobian"} == {name}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: measure(bg.cell("rnn").unroll(3), wrt=["W_h"]), "no parameter W_h"),
        (lambda: measure(bg.cell("rnn").unroll(3)).rate("c"), "no state c"),
        (lambda: measure(bg.recurrence("y[t] = W @ x[t]").unroll(3)), "nothing is carried"),
        (lambda: _batched(), "one example"),
    ],
)
def test_errors(make: object, words: str) -> None:
    with pytest.raises(bg.BPTTError) as error:
        make()  # type: ignore[operator]
    assert words in str(error.value)


def _batched() -> Flow:
    u = bg.cell("rnn").unroll(3)
    return measure(u, u.instance(batch=2))


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_writes_whole_files(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["flow", "lstm", "--steps", "6", "-o", str(tmp_path / "out"), "--truncations", "--clip", "0.5"]
    )
    assert result.exit_code == 0, result.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"flow.svg", "flow.json", "flow.csv"}
    assert all(word in result.stdout for word in ("h: the gradient", "c: the gradient", "sliding:1", "global"))
    again = CliRunner().invoke(main, ["flow", "lstm", "--steps", "6", "-o", str(tmp_path / "again.svg")])
    assert again.exit_code == 0
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "out" / "flow.svg").read_bytes()


def test_the_comparison(tmp_path: Path) -> None:
    target = tmp_path / "c.png"
    result = CliRunner().invoke(main, ["flow", "--compare", "--steps", "8", "--radius", "1.1", "-o", str(target)])
    assert result.exit_code == 0, result.stderr
    rates = {line.split("  ")[2].strip(): float(line.split()[-2]) for line in result.stdout.splitlines()[1:8]}
    assert len(result.stdout.splitlines()) == 9 and target.read_bytes().startswith(b"\x89PNG")
    assert rates["ReLU, identity"] == 1.1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["rnn", "--radius", "-1"], "spectral radius"),
        (["rnn", "--view", "pie"], "no view 'pie'"),
        (["rnn", "--clip", "0"], "not a limit"),
        (["rnn", "--steps", "100", "--truncations"], "too many"),
        (["rnn", "--steps", "6000"], "too many"),
        (["rnn", "-o", "x.txt"], "x.txt"),
        (["--compare", "-o", "x.json"], "picture"),
        ([], "no recurrence"),
        (["rnn", "--wrt", "Q"], "no parameter Q"),
        (["exp-trace", "--radius", "1"], "no square matrix"),
    ],
)
def test_bad_options(options: list[str], words: str) -> None:
    result = CliRunner().invoke(main, ["flow", *options])
    assert result.exit_code == 2 and words in result.stderr and "hint:" in result.stderr
    assert not result.stdout, "nothing is printed before the options are known to be right"


@pytest.mark.parametrize("theme", ["light", "print", "dark"])
def test_charts(theme: str) -> None:
    flow = measure(bg.cell("lstm").unroll(100), wrt=["U_f"])
    chart = flow.draw(theme=theme)
    assert len(chart.svg) < 1_000_000 and chart.svg == flow.draw(theme=theme).svg
    assert chart.pdf.startswith(b"%PDF") and flow._repr_svg_().startswith("<svg")
    names = [m for m in chart.layout.marks if m.id.startswith("name ")]
    for a, b in combinations(names, 2):  # no name covers another
        if a.panel == b.panel:
            assert abs(a.label_point[1] - b.label_point[1]) >= 12
    inside = chart.layout
    for m in inside.marks:
        if m.label is not None:
            x, y = m.label_point
            assert x - m.label.width / 2 >= 0 and x + m.label.width / 2 <= inside.width and 0 <= y <= inside.height


def test_hostile_names_stay_text() -> None:
    from bpttgraph.draw.chart import Series, line_chart

    svg = line_chart("<script>", "a & b", '"]]>', [Series("<b onload='x'>", [0, 1], [0.0, float("nan")])]).svg
    assert "<script" not in svg and "<b " not in svg
