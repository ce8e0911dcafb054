"""Closed forms for symbolic T: each (t, k) of the instantiated formula is that of the unrolled graph."""

from typing import Any

import numpy as np
import pytest
from truth import CELLS, bound

import bpttgraph as bg
from bpttgraph.errors import BPTTError

CHAINS = [n for n in CELLS if not n.startswith(("seq2seq", "bidirectional"))]


def check(name: str, wrt: str, steps: int, loss: str = "every", truncate: Any = None) -> None:
    rec = bound(name)
    u = rec.unroll(steps, loss=loss, truncate=truncate)
    run = u.run(u.instance(seed=steps))
    got = rec.derive(wrt, loss=loss, truncate=truncate).closed_form.contributions(u, run)
    want = run.contributions(wrt)
    assert np.allclose(got[:, : want.shape[1]], want, atol=1e-10)
    assert np.allclose(got.sum((0, 1)), run.gradient(wrt), atol=1e-10)


@pytest.mark.parametrize("name", CHAINS)
def test_each_term_is_the_unrolled_one(name: str):
    names = bound(name).parameters
    check(name, names[0], 3)
    check(name, names[-1], 2, "last")


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAINS)
def test_each_term_everywhere(name: str):
    for wrt in bound(name).parameters:
        for steps in range(1, 7):
            check(name, wrt, steps)
            check(name, wrt, steps, "last")
            for truncate in ("sliding:2", "4;2", "chunk:2", "one-step"):
                check(name, wrt, steps, truncate=truncate)


@pytest.mark.parametrize("truncate", ["sliding:2", "chunk:2", "4;2", "one-step", "carousel"])
def test_truncated_closed_forms(truncate: str):
    check("lstm-peephole", "U_f", 4, truncate=truncate)
    check("lstm", "b_i", 5, truncate=truncate)


def test_pascanu_prints_the_temporal_components():
    lines = bg.cell("rnn").derive("W_hh").closed_form.unicode().splitlines()
    assert lines == [
        "∂E/∂W_hh = ∑[t=1..T] ∑[k=1..t] ∂Eₜ/∂hₜ · (∏[j=t..k+1] ∂hⱼ/∂hⱼ₋₁) · ∂⁺hₖ/∂W_hh",
        "∂hⱼ/∂hⱼ₋₁ = diag(1 − hⱼ²) W_hh",
        "r · ∂⁺hₖ/∂W_hh = [r diag(1 − hₖ²)]ᵀ hₖ₋₁ᵀ",
        "∂Eₜ/∂hₜ = −(targetₜ/yₜ)ᵀ (diag(yₜ) − yₜ yₜᵀ) W_hy",
    ]


def test_the_blocks_of_the_lstm():
    lines = bg.cell("lstm").derive("b_f").closed_form.unicode().splitlines()
    assert "∂sⱼ/∂sⱼ₋₁ = [∂cⱼ/∂cⱼ₋₁, ∂cⱼ/∂hⱼ₋₁; ∂hⱼ/∂cⱼ₋₁, ∂hⱼ/∂hⱼ₋₁]" in lines
    assert "∂cⱼ/∂cⱼ₋₁ = diag(fⱼ)" in lines
    assert "∂hⱼ/∂cⱼ₋₁ = diag(oⱼ ∘ (1 − tanh(cⱼ)²)) · ∂cⱼ/∂cⱼ₋₁" in lines


def test_truncation_shows_in_the_bounds():
    def first(truncate: str) -> str:
        return str(bg.cell("rnn").derive("b_h", truncate=truncate).closed_form).splitlines()[0]

    assert "∑[k=max(1,t−3)..t]" in first("sliding:4") and "∑[k=max(1,t)..t]" in first("one-step")
    assert "∑[k=max(1,4ceil(t,4)−7)..t]" in first("8;4")


def test_forward_mode():
    lines = [str(s) for s in bg.cell("lstm").derive("U_f").closed_form.forward]
    assert "dcₜ/dU_f = ∂⁺cₜ/∂U_f\n         + ∂cₜ/∂cₜ₋₁ · dcₜ₋₁/dU_f\n         + ∂cₜ/∂hₜ₋₁ · dhₜ₋₁/dU_f" in lines
    assert lines[-1] == "∂E/∂U_f = ∑[t=1..T] ∂⁺Eₜ/∂hₜ · dhₜ/dU_f"


DELAYED = "h[t] = tanh(W h[t-1] + V h[t-3] + U x[t]); E[t] = squared_error(h[t] + h[t-2], target[t])"
BACKWARDS = "r[t] = tanh(U r[t+1] + V r[t+2] + W x[t]); E[t] = squared_error(r[t], target[t])"
JOINED = """
encoder:
c[t] = a * c[t-1] + tanh(W x[t] + U h[t-1])
h[t] = tanh(c[t])
decoder:
h[t] = tanh(V h[t-1] + b)
E[t] = squared_error(h[t], target[t])
decoder.h[0] = tanh(encoder.h[T]) * encoder.c[T]
"""
OUTPUT = """
encoder:
h[t] = tanh(W h[t-1] + U x[t])
y[t] = tanh(R h[t])
decoder:
h[t] = tanh(V h[t-1] + b)
E[t] = squared_error(h[t], target[t])
decoder.h[0] = V encoder.y[T]
"""
SYSTEMS = {"delays": DELAYED, "backwards": BACKWARDS, "joined": JOINED}


def compare(rec: bg.Recurrence, steps: Any, **options: Any) -> None:
    """All parameters and initial states, each (t, k)."""
    u = rec.unroll(steps, **options)
    run = u.run(u.instance(seed=5))
    for wrt in run.gradients:
        v = u.vgraph.variables[wrt]
        late = (v.step or 0) - u.steps[v.block] if v.step is not None else 0
        g = rec.derive(f"{v.base}[T+{late}]" if late > 0 else wrt, **options)
        got = g.closed_form.contributions(u, run)
        assert np.allclose(got.sum((0, 1)), run.gradient(wrt), rtol=1e-11, atol=1e-13), wrt
        if v.role == "parameter":
            want = run.contributions(wrt)
            assert np.allclose(got[:, : want.shape[1]], want, rtol=1e-11, atol=1e-13), wrt
            assert not np.any(got[:, want.shape[1] :])
        assert g.closed_form.latex() and g.closed_form.mathml()


@pytest.mark.parametrize("T", [1, 2, 3, 6])
@pytest.mark.parametrize("name", ["bidirectional", "seq2seq:forced", "seq2seq:feedback", "rnn", "lstm", *SYSTEMS])
def test_parameters_and_initial_states(name: str, T: int):
    rec = bg.recurrence(SYSTEMS[name]) if name in SYSTEMS else bound(name)
    compare(rec, T)
    if rec.blocks:
        compare(rec, {"encoder": T, "decoder": 2}, loss="last")


@pytest.mark.parametrize("name", CELLS)
def test_losses_and_means(name: str):
    compare(bound(name), 3, reduce="mean")
    compare(bound(name), 4, loss=[2, 3], reduce="mean" if CELLS.index(name) % 2 else "sum")


def test_a_companion_matrix():
    lines = bg.recurrence(DELAYED).derive("V").closed_form.unicode().splitlines()
    assert lines[1:4] == [
        "∂sⱼ/∂sⱼ₋₁ = [∂hⱼ/∂hⱼ₋₁, 0, ∂hⱼ/∂hⱼ₋₃; I, 0, 0; 0, I, 0]",
        "∂⁺sₖ/∂V = [∂⁺hₖ/∂V; 0; 0]",
        "∂Eₜ/∂sₜ = [∂⁺Eₜ/∂hₜ, 0, ∂⁺Eₜ/∂hₜ₋₂]",
    ]
    assert "∂hⱼ/∂hⱼ₋₃ = diag(1 − hⱼ²) V" in lines


def test_what_runs_backwards():
    lines = bg.cell("bidirectional").derive("W_r").closed_form.unicode().splitlines()
    assert lines[0] == "∂E/∂W_r = ∑[t=1..T] ∑[k=t..T] ∂⁺Eₜ/∂rₜ · (∏[j=t..k−1] ∂rⱼ/∂rⱼ₊₁) · ∂⁺rₖ/∂W_r"
    start = str(bg.cell("bidirectional").derive("r[T+1]").closed_form).splitlines()[0]
    assert start == "∂E/∂r[T+1] = ∑[t=1..T] ∂⁺Eₜ/∂rₜ · (∏[j=t..T] ∂rⱼ/∂rⱼ₊₁)"


def test_through_the_junction_of_two_networks():
    lines = bg.cell("seq2seq").derive("encoder.W_hh").closed_form.unicode().splitlines()
    assert (
        lines[0] == "∂Eᵈᵉᶜ/∂Wᵉⁿᶜ_hh = ∑[t=1..T_decoder] ∑[k=1..T_encoder] ∂Eᵈᵉᶜₜ/∂hᵈᵉᶜₜ · (∏[j=t..1] ∂hᵈᵉᶜⱼ/∂hᵈᵉᶜⱼ₋₁) ·"
        " ∂hᵈᵉᶜ₀/∂hᵉⁿᶜ[T] · (∏[j=T_encoder..k+1] ∂hᵉⁿᶜⱼ/∂hᵉⁿᶜⱼ₋₁) · ∂⁺hᵉⁿᶜₖ/∂Wᵉⁿᶜ_hh"
    )
    assert "∂hᵈᵉᶜ₀/∂hᵉⁿᶜ[T] = I" in lines


def test_means_and_chosen_losses():
    first = str(bg.cell("rnn").derive("b_h", reduce="mean").closed_form).splitlines()[0]
    assert first.startswith("∂E/∂b_h = (1/T) (∑[t=1..T] ∑[k=1..t]")
    first = str(bg.cell("rnn").derive("b_h", loss=[2, 3]).closed_form).splitlines()[0]
    assert first.startswith("∂E/∂b_h = ∑[k=1..2] ∂E₂/∂h₂") and "+ ∑[k=1..3] ∂E₃/∂h₃" in first
    first = str(bg.cell("rnn").derive("h[0]").closed_form).splitlines()[0]
    assert first == "∂E/∂h₀ = ∑[t=1..T] ∂Eₜ/∂hₜ · (∏[j=t..1] ∂hⱼ/∂hⱼ₋₁)"
    for T in range(1, 7):
        bg.cell("lstm").derive("all", reduce="mean").at(T)
        bg.cell("lstm").derive("c[0]", reduce="mean").at(T)
        if T >= 3:
            bg.cell("lstm").derive("all", loss=[1, 3]).at(T)


STACKED = "f[t] = tanh(U f[t-1] + x[t]); r[t] = tanh(V r[t+1] + f[t]); E[t] = squared_error(r[t], target[t])"


@pytest.mark.parametrize(
    ("system", "wrt", "options"),
    [("rnn", "all", {}), (STACKED, "U", {}), ("rnn", "x[1]", {}), ("bidirectional", "W_f", {"truncate": "sliding:2"}),
     ("rnn", "h[0]", {"truncate": "chunk:2"})],
)  # fmt: skip
def test_where_there_is_no_closed_form(system: str, wrt: str, options: dict[str, Any]):
    rec = bg.recurrence(system) if "=" in system else bg.cell(system)
    with pytest.raises(BPTTError, match=r"recursions|parameter|chains"):
        _ = rec.derive(wrt, **options).closed_form


@pytest.mark.parametrize("T", [1, 3])
def test_a_parameter_that_enters_through_another_networks_output(T: int):
    rec = bg.recurrence(OUTPUT)
    u = rec.unroll(T)
    run = u.run(u.instance(seed=5))
    for wrt in run.gradients:
        got = rec.derive(wrt).closed_form.contributions(u, run).sum((0, 1))
        assert np.allclose(got, run.gradient(wrt), rtol=1e-11, atol=1e-13), wrt
