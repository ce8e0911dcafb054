"""Every meaning of truncated BPTT: which (loss, use) pairs are reached, cut edges that stay visible, published
truncated gradients."""

from __future__ import annotations

import numpy as np
import pytest
import reference_cells as ref
from truth import bound

import bpttgraph as bg

NET = "h[t] = tanh(W h[t-1] + U x[t] + b)"


def reached(truncate: str | int | None, steps: int) -> np.ndarray:
    """Which pairs (loss t, use k) the rule reaches, from its definition in words."""
    t, k = np.mgrid[1 : steps + 1, 1 : steps + 1]
    if truncate is None:
        return k <= t
    if truncate == "one-step":
        return k == t
    name, _, number = str(truncate).rpartition(":")
    if ";" in str(truncate):
        window, stride = map(int, str(truncate).split(";"))
        return (k <= t) & (k > -(-t // stride) * stride - window)
    size = int(number)
    if name == "chunk":
        return (k <= t) & ((k - 1) // size == (t - 1) // size)
    return (k <= t) & (k > t - size)


@pytest.mark.parametrize(
    ("truncate", "pairs"),
    [
        (None, 78),
        ("sliding:4", 42),
        (4, 42),
        ("chunk:4", 30),
        ("8;4", 62),
        ("one-step", 12),
        ("sliding:12", 78),
        ("sliding:30", 78),
        ("chunk:5", None),
        ("5;2", None),
        ("3;3", None),
        ("7;1", 63),
    ],
)
def test_reached_pairs_and_masked_sums(truncate: str | int | None, pairs: int | None) -> None:
    rec = bg.recurrence(NET)
    u, full = rec.unroll(12, truncate=truncate), rec.unroll(12)
    data = u.instance(1)
    run, whole = u.run(data), full.run(data)
    mask = reached(truncate, 12)
    assert pairs is None or mask.sum() == pairs
    assert run.loss == pytest.approx(whole.loss, rel=1e-14)
    for name in u.parameters:
        triangle = run.contributions(name)
        shape = (12, 12) + (1,) * (triangle.ndim - 2)
        np.testing.assert_allclose(triangle, whole.contributions(name) * mask.reshape(shape), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(run.gradients[name], triangle.sum((0, 1)), rtol=1e-12, atol=1e-14)
        derivation = u.derive(name)
        assert derivation.count == mask.sum()  # one path a pair in a network with a single state
        np.testing.assert_allclose(derivation.value(run), run.gradients[name], rtol=1e-11, atol=1e-14)
    last = rec.unroll(12, loss="last", truncate=truncate)
    assert last.derive("W").count == mask[-1].sum()


@pytest.mark.parametrize("truncate", ["sliding:2", "chunk:2", "4;2", "one-step"])
def test_cut_edges_stay_in_the_graph(truncate: str) -> None:
    rec = bg.recurrence(NET)
    u = rec.unroll(6, truncate=truncate)
    assert len(u.graph.edges) == len(rec.unroll(6).graph.edges)
    cut = {(link.source, link.target): link for link in u.vgraph.links if link.cut}
    assert cut and all(link.source.startswith("h[") and link.target.startswith("h[") for link in cut.values())
    if truncate == "chunk:2":
        assert set(cut) == {("h[2]", "h[3]"), ("h[4]", "h[5]")} and {link.cut for link in cut.values()} == {"cut"}
    if truncate == "one-step":
        assert set(cut) == {(f"h[{t}]", f"h[{t + 1}]") for t in range(6)}
    if truncate == "sliding:2":
        assert cut["h[1]", "h[2]"].cut == "partly" and cut["h[1]", "h[2]"].cut_for == (
            3,
        )  # later losses are cut nearer by
    edges = [e for e in u.graph.edges if e.cut]
    assert {(e.source) for e in edges} == {s for s, _ in cut}
    assert any("truncation: " in c and "none" not in c for c in u.conventions)


def test_where_the_initial_state_stands() -> None:
    """A chunk keeps its way to h[0]; a window of one step does not."""
    rec = bg.recurrence(NET)
    data = rec.unroll(4).instance()
    assert np.any(rec.unroll(4, truncate="chunk:2").run(data).gradients["h[0]"] != 0)
    assert np.all(rec.unroll(4, truncate="one-step").run(data).gradients["h[0]"] == 0)


@pytest.mark.parametrize("delay", [2, 3])
def test_an_initial_state_belongs_to_the_first_chunk(delay: int) -> None:
    """Where a later chunk reads it, over more than one step, it is a constant: the state before that chunk."""
    rec = bg.recurrence(f"h[t] = tanh(W h[t-{delay}] + U x[t]); E[t] = squared_error(h[t], y[t])")
    data = rec.unroll(4).instance()
    whole, cut = rec.unroll(4).run(data), rec.unroll(4, truncate="chunk:2").run(data)
    for step in range(1 - delay, 1):
        triangle = whole.contributions(f"h[{step}]")
        np.testing.assert_allclose(cut.gradients[f"h[{step}]"], triangle[:2].sum((0, 1)), rtol=1e-14, atol=1e-14)
    assert np.any(whole.contributions("h[0]")[2:] != 0)


@pytest.mark.parametrize(("name", "forget"), [("lstm-1997", "none"), ("lstm", "own"), ("lstm-coupled", "coupled")])
def test_the_truncated_rule_of_1997(name: str, forget: str) -> None:
    u = bg.cell(name).unroll(6, truncate="carousel")
    data = u.instance(9)
    run = u.run(data)
    _, gradients = ref.lstm(data, data["dE_dh"], forget=forget, carousel=True)
    for key, expected in gradients.items():
        np.testing.assert_allclose(run.gradients[key], expected, rtol=1e-11, atol=1e-14, err_msg=key)
    for wrt in ("W_i", "U_g"):
        np.testing.assert_allclose(u.derive(wrt).value(run), run.gradients[wrt], rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(run.contributions(wrt).sum((0, 1)), run.gradients[wrt], rtol=1e-11, atol=1e-14)
    open_links = {(k.source[0], k.target[0]) for k in u.vgraph.links if k.delay == 1 and not k.cut}
    assert open_links == {("c", "c")}


def test_a_cell_without_a_carry_has_no_carousel() -> None:
    for name in ("rnn", "jordan", "bidirectional"):
        u = bg.cell(name).unroll(3, truncate="carousel")
        with pytest.raises(bg.BPTTError, match="no carousel") as caught:
            u.run(u.instance())
        assert "hint: " in str(caught.value)


@pytest.mark.parametrize(
    "name", ["lstm", "jordan:leaky", "deep-rnn", "seq2seq", "seq2seq:feedback", "bidirectional", "elman:generator"]
)
@pytest.mark.parametrize("truncate", ["sliding:2", "chunk:2", "3;2", "one-step"])
def test_every_reading_of_a_truncated_graph_agrees(name: str, truncate: str) -> None:
    u = bound(name).unroll(4, truncate=truncate)
    run = u.run(u.instance(2, batch=2)) if name == "lstm" else u.run(u.instance(2))
    for wrt in list(u.parameters)[:4]:
        np.testing.assert_allclose(run.contributions(wrt).sum((0, 1)), run.gradients[wrt], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(u.derive(wrt, cap=5000).value(run), run.gradients[wrt], rtol=1e-10, atol=1e-13)


def test_backward_states_are_cut_in_the_mirror() -> None:
    u = bg.recurrence("r[t] = tanh(W r[t+1] + U x[t])").unroll(5, truncate="sliding:2")
    run = u.run(u.instance(4))
    t, k = np.mgrid[1:6, 1:6]
    reach = np.abs(run.contributions("U")).sum((2, 3)) > 0
    np.testing.assert_array_equal(reach, (k >= t) & (k < t + 2))


@pytest.mark.parametrize(("text", "steps", "counted"), [
    ("s[t] = s[t-2]; s[0] = a", 4, 1),  # s[2] is a, in the first chunk; s[4] = s[2] passes the border
    ("s[t] = s[t-3]; s[0] = a", 3, 0),  # s[3] stands in the second chunk
    ("s[t] = s[t+2]; s[T+1] = a", 4, 1),  # the same in the mirror
    ("s[t] = s[t+3]; s[T+1] = a", 4, 0),
])  # fmt: skip
def test_chunks_detach_what_passes_their_border(text: str, steps: int, counted: int) -> None:
    """An initial state is kept for the steps of the first chunk (of the last one, where states run backwards) and no
    other."""
    u = bg.recurrence(text + "; E[t] = dot(v, s[t])").unroll(steps, truncate="chunk:2", sizes={"s": 2})
    data = u.instance(0)
    for schedule in (True, False):
        np.testing.assert_allclose(u.run(data, schedule=schedule).gradients["a"], counted * data["v"], rtol=1e-13)


def test_a_window_that_reaches_before_the_first_step_cuts_nothing() -> None:
    u = bg.recurrence("h[t] = tanh(w * h[t-3]); h[-2] = d; E[t] = h[t]").unroll(2, truncate="sliding:2", sizes=1)
    data = u.instance(1)
    assert u.run(data).gradients["d"] == pytest.approx((1 - np.tanh(data["w"] * data["d"]) ** 2) * data["w"], rel=1e-13)


@pytest.mark.parametrize("value", ["sliding:0", "window:3", "4;8", "0;0", "chunk:", "-1", "sliding:x", 0, ""])
def test_what_is_not_a_truncation(value: str | int) -> None:
    with pytest.raises(bg.BPTTError, match="is not a truncation") as caught:
        bg.cell("rnn").unroll(3, truncate=value)
    assert "they are different gradients" in str(caught.value)
