"""Truth: two sources that share no rule, a radius that fits rounding and hides nothing, generic instances, kinks,
certificates."""

from __future__ import annotations

import re
from fractions import Fraction

import handwritten
import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.check.directions import Directional, locate
from bpttgraph.core import primitives
from bpttgraph.core.rounding import radius
from bpttgraph.homework.truth.generic import faults, hidden_window, visible
from bpttgraph.homework.truth.truth import Truth, U

CELLS = [c for c in bg.cells() if not bg.cell(c).abstract]


def unrolled(cell, **options):
    rec = bg.cell(cell)
    return rec.unroll(None if rec.blocks else 4, **options)


@pytest.mark.parametrize("cell", CELLS)
def test_both_sources_agree_and_shapes_fit(cell):
    u = unrolled(cell)
    truth = Truth(u, u.instance(1, batch=5))
    assert "agrees" in truth.agree()
    for name in truth.run.gradients:
        for array in (truth.radius(name), truth.scale(name), truth.rounding(name), truth.radius(name, 2.0**-24)):
            assert array.shape == truth.value(name).shape and np.all(array >= 0)
        assert truth.undecidable(name) == ""
        assert np.all(truth.radius(name, 2.0**-24) >= truth.radius(name))


@pytest.mark.parametrize(
    "options", [{"truncate": "sliding:2"}, {"loss": "last"}, {"reduce": "mean"}, {"truncate": "chunk:2"}]
)
def test_options(options):
    u = unrolled("rnn", **options)
    assert "agrees" in Truth(u, u.instance(2)).agree()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "relu-rnn", "seq2seq"])
def test_certificates_contain_the_truth(cell):
    pytest.importorskip("flint")
    from bpttgraph.check.certificate import certify

    u = unrolled(cell)
    truth = Truth(u, u.instance(0, batch=2))
    for name in list(truth.run.gradients)[::3]:
        proof = certify(u, name, truth.data, entries=[0])
        value, radius = (truth._summed(name, a).reshape(-1)[0] for a in (truth.value(name), truth.radius(name)))
        assert abs(value - proof.value[0]) <= radius + proof.radius[0] and proof.radius[0] < 1e-14
        assert abs(1.0001 * value - proof.value[0]) > radius + proof.radius[0] or value == 0


def test_a_certified_verdict():
    pytest.importorskip("flint")
    u = unrolled("rnn")
    data = u.instance(0)
    assert "proved by balls" in bg.verify(u, {"b_h": u.run(data).gradients["b_h"]}, data, certify=True).oracle
    with pytest.raises(bg.BPTTError, match="truncated gradient is not the derivative"):
        cut = unrolled("rnn", truncate=2)
        bg.verify(cut, {"b_h": cut.run(data).gradients["b_h"]}, data, certify=True)


def test_a_broken_rule_is_our_fault():
    """A wrong derivative in the table must never become a verdict on a student."""
    u = bg.recurrence("h[t] = tanh(W @ h[t-1] + U @ x[t])").unroll(4)
    data = u.instance(0)
    right = dict(u.run(data).gradients)
    rule = primitives.TABLE["tanh"].rule
    object.__setattr__(primitives.TABLE["tanh"], "rule", (lambda y, x: 1.0 - y,))
    try:
        broken = bg.recurrence("h[t] = tanh(W @ h[t-1] + U @ x[t])").unroll(4)
        with pytest.raises(bg.BPTTError, match="bpttgraph itself is broken"):
            bg.verify(broken, right, data)
    finally:
        object.__setattr__(primitives.TABLE["tanh"], "rule", rule)
    assert bg.verify(bg.recurrence("h[t] = tanh(W @ h[t-1] + U @ x[t])").unroll(4), right, data).right


@pytest.mark.parametrize("off", [1e-10, 1e-3])
def test_a_reverse_pass_that_is_slightly_off_is_our_fault(off, monkeypatch):
    """One entry of one gradient, by much less than the first digits: nobody is judged by it, and it is named."""
    u = unrolled("gru")
    before = type(u.run(u.instance(0))).gradient

    def spoilt(run, name):
        found = before(run, name)
        if name == "U_z":
            found = found.copy()
            found[1, 2] += off
        return found

    right = {n: g.copy() for n, g in u.run(u.instance(0)).gradients.items()}
    monkeypatch.setattr(type(u.run(u.instance(0))), "gradient", spoilt)
    with pytest.raises(bg.BPTTError, match=r"dE/dU_z at \[1, 2\]"):
        bg.verify(u, right, u.instance(0))


def test_bisection_finds_the_entry():
    u = unrolled("lstm")
    truth = Truth(u, u.instance(0))
    oracle = Directional(u, truth.run.gradients, truth.run.leaves)
    bad = {n: truth.value(n).copy() for n in truth.run.gradients}
    bad["U_f"][2, 1] += 1e-9

    def agrees(directions):
        true, _ = oracle.along(directions)
        given = sum(np.tensordot(d, bad[n], bad[n].ndim) for n, d in directions.items())
        return bool(np.all(np.abs(given - true) < 1e-11))

    assert locate(agrees, {n: v.shape for n, v in bad.items()}) == ("U_f", (2, 1))
    bad["U_f"][2, 1] -= 1e-9
    assert locate(agrees, {n: v.shape for n, v in bad.items()}) is None


def test_radius_of_a_scalar_case_against_rational_numbers():
    """h = w h + x exactly, in fractions: the radius holds, and is not wide."""
    u = bg.recurrence("h[t] = w * h[t-1] + x[t]\nE[t] = h[t] * d[t]\nE = sum_t E[t]").unroll(6, sizes=1)
    data = u.instance(5)
    w, h, dw, grad = Fraction(float(data["w"])), Fraction(float(data["h[0]"])), Fraction(0), Fraction(0)
    for t in range(6):
        dw = h + w * dw
        h = w * h + Fraction(float(data["x"][t]))
        grad += dw * Fraction(float(data["d"][t]))
    truth = Truth(u, data)
    assert abs(Fraction(float(truth.value("w"))) - grad) <= float(truth.radius("w")) < 60 * U * float(truth.scale("w"))


def test_the_radius_stays_small_in_large_models():
    """The sum of absolute values of all paths grows without bounds; the radius must not."""
    u = bg.cell("lstm").unroll(60, sizes={"h": 48, "x": 5})
    truth = Truth(u, u.instance(0))
    for name in ("U_f", "b_g", "h[0]"):
        assert truth.radius(name).max() < 1e-12 * np.abs(truth.value(name)).max() + 1e-13
    assert truth.scale("U_f").max() * U > 1  # why u·S does not decide


# -- generic instances -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("seed", [0, 1])
def test_our_instances_are_generic(cell, seed):
    u = bg.cell(cell).unroll(None if bg.cell(cell).blocks else 5)
    serious = [s for bad, s in faults(Truth(u, u.instance(seed, batch=7))) if bad]
    assert not serious or min(u.steps.values()) < 3, serious


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d | {"h[0]": 0 * d["h[0]"]}, r"h\[0\] = 0"),
        (lambda d: d | {"W_hh": d["W_hh"] + d["W_hh"].T}, "symmetric"),
        (lambda d: d | {"W_hh": d["W_hh"] * 0.01}, "tiny"),
        (
            lambda d: {k: v[:, :1] if k in ("x", "target") else v[:1] if k == "h[0]" else v for k, v in d.items()},
            "batch of one",
        ),
    ],
)
def test_what_an_instance_hides_is_said(change, words):
    u = bg.cell("rnn").unroll(5)
    data = change(u.instance(0, batch=6))
    verdict = bg.verify(u, dict(u.run(data).gradients), data)
    assert verdict.right
    assert any(re.search(words, note) for note in verdict.notes), verdict.notes


def test_too_few_steps_are_refused():
    with pytest.raises(bg.BPTTError, match="fewer than 3 steps"):
        bg.verify(bg.cell("rnn").unroll(2), "db_y = sum_t (y[t] - target[t])")


def test_kinks_are_undecidable_and_named():
    u = bg.recurrence("h[t] = relu(W @ h[t-1] + U @ x[t])").unroll(4)
    data = u.instance(0)
    assert bg.verify(u, dict(u.run(data).gradients), data).right
    data["U"][0] = 0
    data["W"][0] = 0  # the first unit is fed nothing but zeros
    right = dict(u.run(data).gradients)
    other = {k: v.copy() for k, v in right.items()}
    other["U"][0] += 1.0
    verdict = bg.verify(u, other, data)
    assert verdict.parameters["U"].status == "undecidable" and "relu in h[1]" in verdict.parameters["U"].note
    assert not verdict.right and "relu" in str(verdict)


# -- truncation shows --------------------------------------------------------------------------------------------------

SHORT = (
    "h[t] = tanh(W @ h[t-1] + U @ x[t] + b)\ny[t] = V @ h[t] + c\nE[t] = squared_error(y[t], target[t])\nE = sum_t E[t]"
)


@pytest.mark.parametrize("radius", [0.3, 0.5, 0.9])
def test_truncated_bptt_is_rejected(radius):
    """Sliding and chunked, any number of steps short of all 20. Where the checker lets one pass it has proved that no
    double shows it."""
    rec, sizes = bg.recurrence(SHORT), {"h": 6, "x": 3, "y": 2}
    full = rec.unroll(20, sizes=sizes)
    cut = [
        (k, w, rec.unroll(20, sizes=sizes, truncate=f"{k}:{w}"))
        for k in ("sliding", "chunk")
        for w in (1, 5, 10, 15, 17, 18, 19)
    ]
    for seed in range(2):
        data = full.instance(seed)
        data["W"] *= radius / np.abs(np.linalg.eigvals(data["W"])).max()
        truth = Truth(full, data)
        hidden = hidden_window(truth)
        assert radius == 0.3 or hidden is None
        for kind, window, u in cut:
            run = u.run(data)
            off = [np.any(np.abs(run.gradient(n) - truth.value(n)) > truth.radius(n)) for n in ("W", "U", "b")]
            assert any(off) or (kind == "sliding" and hidden is not None and window >= hidden), (
                radius,
                seed,
                kind,
                window,
            )


def test_the_window_that_is_hidden_is_the_shortest():
    """By truncated runs: what is cut at that window cannot be told from the gradient, one step earlier it can."""
    found = 0
    for seed in range(6):
        full = bg.recurrence(SHORT).unroll(14, sizes={"h": 4, "x": 3, "y": 2})
        data = full.instance(seed)
        data["W"] *= 0.12 / np.abs(np.linalg.eigvals(data["W"])).max()
        data["b"] *= 3
        truth = Truth(full, data)
        window = hidden_window(truth)
        if window is None:
            continue
        found += 1

        def told(steps, data=data, truth=truth):
            run = bg.recurrence(SHORT).unroll(14, sizes={"h": 4, "x": 3, "y": 2}, truncate=f"sliding:{steps}").run(data)
            return any(np.any(np.abs(run.gradient(n) - truth.value(n)) > truth.radius(n)) for n in ("W", "U", "b"))

        assert not told(window) and told(window - 1), (seed, window)
    assert found >= 3


def test_our_own_instances_keep_the_longest_path_in_sight():
    u = bg.recurrence(SHORT).unroll(20, sizes={"h": 6, "x": 3, "y": 2})
    data = u.instance(0)
    data["W"] *= 0.3 / np.abs(np.linalg.eigvals(data["W"])).max()
    data["b"] *= 6
    assert hidden_window(Truth(u, data)) is not None
    assert hidden_window(visible(u, data)) is None


# -- right answers are accepted ----------------------------------------------------------------------------------------


def right_answers(seed, count, sizes=(2, 12), steps=(3, 25)):
    """Random right answers: (cell, what computed it, instance, gradients). Every cell by our own pass in single and
    double precision, some by hand and by PyTorch."""
    rng = np.random.default_rng(seed)
    kinds = [*CELLS, *handwritten.BY_CELL, *handwritten.BY_CELL]
    for _ in range(count):
        cell = kinds[rng.integers(len(kinds))]
        rec = bg.cell(cell)
        chosen = None if rec.blocks else int(rng.integers(*steps))
        states = {s: int(rng.integers(*sizes)) for s in ("h",) if s in rec.states and cell in handwritten.BY_CELL}
        u = rec.unroll(chosen, sizes=states or None)
        batch = None if rng.random() < 0.4 else int(rng.integers(2, 8))
        data = u.instance(int(rng.integers(2**31)), batch)
        single = rng.random() < 0.5
        given = {k: v.astype(np.float32) if single and v.dtype.kind == "f" else v for k, v in data.items()}
        ways = [*handwritten.BY_CELL.get(cell, ()), lambda d, u=u: dict(u.run(d).gradients)]
        way = ways[rng.integers(len(ways))]
        yield u, cell, getattr(way, "__name__", "ours"), (given if rng.random() < 0.5 else data), way(given), single


def count_accepted(seed, count, **options):
    """How many of `count` right answers are accepted, and those that are not."""
    refused = []
    for u, cell, way, data, answer, single in right_answers(seed, count, **options):
        truth = Truth(u, data)
        unit = 2.0**-24 if single else U
        for name, value in answer.items():
            if np.all(np.isfinite(truth.value(name))) and np.any(
                np.abs(value - truth.value(name)) > truth.radius(name, unit)
            ):
                refused.append(
                    (
                        cell,
                        way,
                        single,
                        name,
                        float(np.max(np.abs(value - truth.value(name)) / truth.radius(name, unit))),
                    )
                )
                break
    return count - len(refused), refused


def test_right_answers_are_accepted():
    accepted, refused = count_accepted(0, 30, steps=(3, 12))
    assert accepted == 30, refused


@pytest.mark.parametrize("batch", [None, 6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("cell", "way"), [(c, w) for c, ways in handwritten.BY_CELL.items() for w in ways])
def test_hand_written_passes_are_right(cell, way, dtype, batch):
    u = bg.cell(cell).unroll(5)
    data = {k: v.astype(dtype) if v.dtype.kind == "f" else v for k, v in u.instance(9, batch).items()}
    verdict = bg.verify(u, way(data), data)
    assert {p.status for p in verdict.parameters.values()} == {"right"}, str(verdict)


@pytest.mark.slow
def test_ten_thousand_right_answers():
    """`pytest -m slow -s -k ten_thousand` prints the counts."""
    accepted, refused = count_accepted(1, 10_000)
    print(f"\n{accepted} of 10000 right answers accepted; refused: {refused}")
    assert accepted == 10_000


@pytest.mark.parametrize("seed", range(6))
def test_terms_computed_alike_err_alike(seed):
    """W h four times: their errors are the same and add up, at every step again. A right answer, by the complex step,
    is right."""
    u = bg.recurrence("h[t] = sin(W h[t-1] + (W h[t-1] + W h[t-1]) + W h[t-1]); E[t] = dot(b, h[t])").unroll(
        6, sizes={"h": 4}
    )
    rng = np.random.default_rng(seed)
    data = {"W": rng.normal(size=(4, 4)) * 0.8, "b": rng.normal(size=4), "h[0]": rng.normal(size=4)}

    def loss(d):
        h, total = d["h[0]"], 0
        for _ in range(6):
            p = d["W"] @ h
            h = np.sin(p + (p + p) + p)
            total = total + d["b"] @ h
        return total

    answer = {}
    for name, array in data.items():
        answer[name] = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            moved = array.astype(complex)
            moved[place] += 1e-30j
            answer[name][place] = loss({**data, name: moved}).imag * 1e30
    assert bg.verify(u, answer, data=data).right
    for name in answer:  # and the least of the wrong ones that matter is wrong
        spoilt = answer[name] * (1 + 1e-8)
        assert not bg.verify(u, {**answer, name: spoilt}, data=data).right


def test_the_last_place_of_a_value_from_both_sides():
    """Where nothing else rounds, the next number is right, and the one after the next is wrong."""
    for value in (1.0, 1.25, 3.9, -7e-9):
        allowed = U * radius(0.0, 0.0, value)
        near = np.nextafter(value, 2 * value)
        far = np.nextafter(np.nextafter(near, 2 * value), 2 * value)
        assert abs(near - value) <= allowed < abs(far - value)


def test_another_arrangement_from_both_sides():
    """A sum in another order may lose u·S beyond what ours rounds, but no more than a hundred standard deviations of
    it."""
    sigma, value = 2.0, 0.0
    ours = radius(sigma, 0.0, value)
    assert ours + 0.99 * 50 <= radius(sigma, 50.0, value) < ours + 1.01 * 50
    assert ours + 99 * sigma <= radius(sigma, 1e9, value) < ours + 101 * sigma
