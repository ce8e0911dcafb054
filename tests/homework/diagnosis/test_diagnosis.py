"""The cause of a wrong gradient is named, or nothing is said."""

from __future__ import annotations

import numpy as np
import pytest
import wrong_backprop

import bpttgraph as bg
from bpttgraph.homework.answers.given import Answer, Given
from bpttgraph.homework.diagnosis.cause import Cause
from bpttgraph.homework.diagnosis.explain import Diagnosis, diagnose
from bpttgraph.homework.diagnosis.kill import concrete, naming, rounded
from bpttgraph.homework.diagnosis.pinpoint import pinpoint
from bpttgraph.homework.diagnosis.triangle import fit
from bpttgraph.homework.truth.truth import Truth

HAND = {"rnn": wrong_backprop.rnn, "lstm": wrong_backprop.lstm, "gru": wrong_backprop.gru}


def explain(d: Diagnosis, answer: dict, digits: int | None = None) -> dict[str, Cause]:
    given = {n: Given(n, *rounded(v, digits)) if digits else Given(n, np.asarray(v)) for n, v in answer.items()}
    wrong = [n for n, g in given.items() if np.any(np.abs(g.value - d.truth.value(n)) > d.tolerance(g))]
    return d.explain(Answer(given, "arrays"), wrong)


@pytest.mark.parametrize("name", HAND)
@pytest.mark.parametrize("digits", [None, 4])
def test_hand_written_mistakes_are_named(name: str, digits: int | None) -> None:
    u = bg.cell(name).unroll(5)
    d = Diagnosis(Truth(u, u.instance(1)))
    for bug, key in getattr(wrong_backprop, name.upper()).items():
        causes = explain(d, HAND[name](d.truth.data, bug), digits)
        assert causes, bug
        for n, cause in causes.items():
            assert cause.certainty == "exact" or (digits and cause.certainty == "consistent"), (bug, n, cause)
            assert any(key in said or (key == "clipped:" and said[0].startswith(key)) for said in cause.mistakes), (
                bug,
                n,
                cause.text,
            )
            assert "exactly what you get if" in cause.text or "consistent" in cause.text


@pytest.mark.parametrize("name", HAND)
def test_right_answers_have_no_cause(name: str) -> None:
    u = bg.cell(name).unroll(5)
    d = Diagnosis(Truth(u, u.instance(1)))
    for digits in (None, 4, 2):
        assert explain(d, HAND[name](d.truth.data), digits) == {}


@pytest.mark.parametrize("name", ["rnn", "bidirectional", "seq2seq"])
def test_every_mistake_is_named(name: str) -> None:
    u = bg.cell(name).unroll(4)
    total = naming(Diagnosis(Truth(u, u.instance(0)))).total
    assert total["misnamed"] == total["not explained"] == total["tie"] == total["hidden"] == 0, total
    assert total["exact"] > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", [c for c in bg.cells() if concrete(c) is not None])
@pytest.mark.parametrize("digits", [None, 4])
@pytest.mark.parametrize("options", [{}, {"loss": "last"}])
def test_every_mistake_on_every_cell(name: str, digits: int | None, options: dict) -> None:
    u = concrete(name).unroll(5, **options)
    for seed in (0, 1):
        for batch in (None, 3):
            found = naming(Diagnosis(Truth(u, u.instance(seed, batch))), digits)
            assert found.total["misnamed"] == found.total["not explained"] == 0, found.examples


def test_pairs_are_named_or_not_explained() -> None:
    u = bg.cell("rnn").unroll(4)
    found = naming(Diagnosis(Truth(u, u.instance(0))), pairs=12)
    assert found.total["misnamed"] == 0, found.examples
    assert found.total["exact"] > 6


@pytest.mark.parametrize("radius", [0.3, 0.5, 0.9])
def test_truncation_is_named_with_its_window(radius: float) -> None:
    sizes = {"x": 3, "h": 6, "y": 4}
    u = bg.cell("rnn").unroll(20, sizes=sizes)
    data = u.instance(0)
    for name in ("W_xh", "b_h"):
        data[name] = data[name] * 0.3  # units that are not saturated, so that early steps matter
    data["W_hh"] = data["W_hh"] * radius / np.abs(np.linalg.eigvals(data["W_hh"])).max()
    d = Diagnosis(Truth(u, data))
    for k in (1, 2, 5, 9, 13, 16) if radius < 0.5 else (1, 2, 7, 12, 17, 19):
        for kind in ("sliding", "chunk"):
            run = bg.cell("rnn").unroll(20, sizes=sizes, truncate=f"{kind}:{k}").run(data)
            cause = explain(d, dict(run.gradients))["W_hh"]
            assert (f"truncated:{kind}:{k}",) in cause.mistakes, (kind, k, cause)
            assert cause.certainty == "exact", (kind, k, cause.text)
            assert f"{kind}:{k}" in cause.text or k == 1, cause.text


def test_ties_are_listed_and_chance_is_no_evidence() -> None:
    u = bg.cell("rnn").unroll(4, loss="last")
    truth = Truth(u, u.instance(0))
    d = Diagnosis(truth)
    wrong = bg.cell("rnn").unroll(4, loss="last", truncate="sliding:1").run(truth.data)
    cause = explain(d, {"W_hh": wrong.gradients["W_hh"]})[
        "W_hh"
    ]  # with one loss, no carry and the last use alone are the same
    assert cause.certainty == "consistent"
    assert {("no-carry",), ("only-last-use:last:W_hh",)} & set(cause.mistakes)
    assert "several" in cause.text
    u = bg.cell("rnn").unroll(4, sizes=1)
    d = Diagnosis(Truth(u, u.instance(0)))
    for value in (0.11, 0.12, 0.13, 0.14):  # a number with two digits proves nothing
        given = {"W_hh": Given("W_hh", np.array(value), half=np.array(0.005))}
        assert d.explain(Answer(given, "arrays"), ["W_hh"])["W_hh"].certainty != "exact"


def test_noise_is_not_explained() -> None:
    u = bg.cell("lstm").unroll(4)
    truth = Truth(u, u.instance(0))
    rng = np.random.default_rng(0)
    value = truth.value("U_f") * (1 + 0.1 * rng.normal(size=truth.value("U_f").shape))
    cause = diagnose(truth, Answer({"U_f": Given("U_f", value)}, "arrays"), ["U_f"])["U_f"]
    assert cause.certainty == "unexplained" and "not explained" in cause.text


def test_the_triangle_finds_what_the_catalogue_does_not_list() -> None:
    u = bg.cell("rnn").unroll(4, sizes={"h": 5, "x": 3, "y": 4})
    truth = Truth(u, u.instance(0))
    weights = np.tri(4)
    weights[3, 0], weights[2, 1] = 0, 2
    value = np.tensordot(weights, truth.run.contributions("W_hh"), axes=2)
    for digits in (None, 4):
        given = Given("W_hh", *rounded(value, digits)) if digits else Given("W_hh", value)
        cause = diagnose(truth, Answer({"W_hh": given}, "arrays"), ["W_hh"])["W_hh"]
        assert cause.certainty == "exact", cause
        assert "(4, 1) is left out" in cause.text and "(3, 2) is counted twice" in cause.text
        np.testing.assert_array_equal(np.nan_to_num(cause.triangle), weights)


def test_contributions_that_are_too_much_alike_tell_nothing() -> None:
    """Two pairs of steps that contribute the same but for the ninth digit: their weights are noise, and no triangle is
    shown."""
    rng = np.random.default_rng(0)
    c = np.zeros((2, 2, 6))
    c[0, 0], c[1, 1] = rng.normal(size=(2, 6))
    c[1, 0] = c[0, 0] * (1 + 1e-9 * rng.normal(size=6))
    assert fit(c, c.sum((0, 1)), np.full(6, 1e-16)) is None
    c[1, 0] = rng.normal(size=6)
    found = fit(c, c.sum((0, 1)), np.full(6, 1e-16))
    assert found is not None and found.tells and np.allclose(np.nan_to_num(found.coefficients), np.tri(2))


def test_a_cause_shows_line_edges_and_triangle() -> None:
    u = bg.cell("rnn").unroll(4)
    truth = Truth(u, u.instance(0))
    wrong = wrong_backprop.rnn(truth.data, "no carry")
    cause = explain(Diagnosis(truth), wrong)["W_hh"]
    assert ("h[1]", "h[2]") in cause.edges
    assert cause.missing.startswith("W_hhᵀ δ_h[t+1]  in  h̄ₜ")
    assert cause.triangle is not None
    np.testing.assert_allclose(np.nan_to_num(cause.triangle), np.eye(4), atol=1e-6)
    assert cause.lesson


def test_what_remains_is_described() -> None:
    u = bg.cell("rnn").unroll(4)
    truth = Truth(u, u.instance(0))
    value = truth.value("W_xh").copy()
    value[1, 0] += 0.1
    cause = diagnose(truth, Answer({"W_xh": Given("W_xh", value)}, "arrays"), ["W_xh"])["W_xh"]
    assert "only the entry [1, 0] is wrong" in cause.text
    value = 1.37 * truth.value("W_xh")
    cause = diagnose(truth, Answer({"W_xh": Given("W_xh", value)}, "arrays"), ["W_xh"])["W_xh"]
    assert "multiplied by 1.37" in cause.text and cause.certainty == "exact"


def test_a_published_scalar_slip() -> None:
    """Two steps, h0 = 0.5, w = 2, w_y = 40, tanh: −40.2153 was published for 8.1888, with 1 − z² for 1 − h²."""
    rec = bg.recurrence("h[t] = tanh(w * h[t-1]); E[t] = w_y * h[t]")
    u = rec.unroll(2, loss="last", sizes=1)
    truth = Truth(u, {"w": 2.0, "w_y": 40.0, "h[0]": 0.5})
    assert round(float(truth.value("w")), 4) == 8.1888
    given = Given("w", np.array(-40.2153), half=np.array(5e-5))
    cause = diagnose(truth, Answer({"w": given}, "arrays"), ["w"])["w"]
    assert ("derivative-of-preactivation:tanh:h",) in cause.mistakes, cause


PLACES = [
    ("outer(delta[t], h[t-1])", "outer(delta[t], h[t])", "line 2", "h[t]", "with h[t-1] in place of h[t]"),
    ("1 - h[t]^2", "1 - h[t-1]^2", "line 1", "h[t-1]", "with h[t] in place of h[t-1]"),
    (" + W_hh.T @ delta[t+1]", "", "line 1", "W_hy.T @ (y[t] - target[t])", "with + W_hh.T @ delta[t+1] after"),
    ("W_hh.T @", "W_hh @", "line 1", "W_hh", "with W_hh.T in place of W_hh"),
    ("(y[t] - target[t])", "y[t]", "line 1", "y[t]", "with y[t] - target[t] in place of y[t]"),
    (
        "(1 - h[t]^2) * ",
        "",
        "line 1",
        "(W_hy.T @ (y[t] - target[t]) + W_hh.T @ delta[t+1])",
        "with the factor (1 - h[t]^2)",
    ),
]


@pytest.mark.parametrize("right, wrong, line, place, words", PLACES)
def test_the_place_in_the_students_own_line(right: str, wrong: str, line: str, place: str, words: str) -> None:
    answer = (
        "delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh.T @ delta[t+1])\n"
        "dW_hh = sum_t outer(delta[t], h[t-1])"
    )
    u = bg.cell("rnn").unroll(5)
    truth = Truth(u, u.instance(0))
    assert pinpoint(truth, answer, ["W_hh"]) == {}  # a right answer has no place to repair
    changed = answer.replace(right, wrong)
    repair = pinpoint(truth, changed, ["W_hh"])["W_hh"]
    assert line in repair.text and words in repair.text
    shown = changed.splitlines()[repair.span.line - 1][repair.span.column : repair.span.end]
    assert shown.strip("()") == place.strip("()")
    cause = bg.verify(u, changed).parameters["W_hh"].because
    assert cause is not None and cause.certainty == "exact" and cause.span == repair.span and words in cause.text


def test_a_large_model_is_explained_in_stages() -> None:
    u = bg.cell("rnn").unroll(6, sizes={"h": 130, "x": 30, "y": 5})
    truth = Truth(u, u.instance(0))
    wrong = wrong_backprop.rnn(truth.data, "no carry")
    given = Answer({n: Given(n, v) for n, v in wrong.items()}, "arrays")
    d = Diagnosis(truth)
    assert "table" not in vars(d)
    cause = d.explain(given, ["W_hh", "b_h"])["W_hh"]
    assert ("no-carry",) in cause.mistakes and cause.certainty == "exact"
    assert "table" not in vars(d)  # the gradients of all mistakes at once would not fit


@pytest.mark.parametrize("factor, one, every", [
    (2.0, "is doubled", "everything"), (-1.0, "is reversed", "every sign"), (0.5, "is halved", "everything"),
])  # fmt: skip
@pytest.mark.parametrize("text, sizes", [
    ("h[t] = tanh(w*h[t-1] + u*x[t]); L[t] = h[t]*h[t]", None),
    ("h[t] = tanh(w h[t-1] + u x[t]); L[t] = squared_error(h[t], target[t])", {"h": 3, "x": 2}),
])  # fmt: skip
def test_a_common_factor_is_said_of_all_only_if_all_are_off_by_it(text, sizes, factor, one, every):
    u = bg.recurrence(text).unroll(5, sizes=sizes)
    data = u.instance(seed=0)
    g = dict(u.run(data).gradients)
    assert list(g) == ["w", "u", "h[0]"]
    for off in (["h[0]"], ["w"], ["w", "h[0]"], ["w", "u"]):
        verdict = bg.verify(u, {n: factor * v if n in off else v for n, v in g.items()}, data)
        assert list(verdict.wrong) == off
        for n in off:
            cause = verdict.parameters[n].cause
            assert one in cause and f"∂E/∂{n}" in cause.partition(" if ")[2] and every not in cause
    whole = bg.verify(u, {n: factor * v for n, v in g.items()}, data)
    assert all(p.convention or every in p.cause for p in whole.parameters.values())


@pytest.mark.parametrize(
    "factor, own, link",
    [
        (0.0, "is left at zero", "nothing is sent from"),
        (2.0, "is doubled", "is added twice"),
        (-1.0, "is reversed", "has the wrong sign"),
    ],
)
def test_what_makes_the_whole_answer_is_said_beside_what_each_array_is(factor, own, link):
    """An encoder reached only through the decoder: all of its arrays are off by what is wrong between the two."""
    u = bg.cell("seq2seq").unroll({"encoder": 4, "decoder": 3})
    data = u.instance(seed=0)
    g = dict(u.run(data).gradients)
    encoder = [n for n in g if n.startswith("encoder.")]
    verdict = bg.verify(u, {n: factor * v if n in encoder else v for n, v in g.items()}, data)
    assert list(verdict.wrong) == encoder
    for n in encoder:
        first, _, behind = verdict.parameters[n].cause.partition("; all that is wrong is what you get if ")
        assert f"∂E/∂{n}" in first.partition(" if ")[2] and own in first
        assert "hᵈᵉᶜₜ back to hᵉⁿᶜₜ" in behind and link in behind
    for some in (encoder[:1], encoder[:2], [*encoder, "decoder.W_hy"], list(g)):  # no one place does that
        verdict = bg.verify(u, {n: factor * v if n in some else v for n, v in g.items()}, data)
        assert not any("all that is wrong" in (p.cause or "") for p in verdict.parameters.values())


@pytest.mark.parametrize("steps", [(4, 2), (1, 3), (3, 1)])
@pytest.mark.parametrize("name, loss", [("seq2seq", "every"), ("seq2seq:feedback", "last")])
def test_every_mistake_between_an_encoder_and_a_decoder_is_named(name, loss, steps):
    u = bg.cell(name).unroll(dict(zip(("encoder", "decoder"), steps)), loss=loss)
    found = naming(Diagnosis(Truth(u, u.instance(0))))
    assert found.total["misnamed"] == found.total["not explained"] == found.total["hidden"] == 0, found.examples
    assert found.total["exact"] > 100
