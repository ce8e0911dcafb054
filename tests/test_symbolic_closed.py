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


@pytest.mark.parametrize(("name", "wrt"), [("bidirectional", "W_f"), ("seq2seq", "encoder.W_hh"), ("rnn", "h[0]"), ("rnn", "all")])
def test_where_there_is_no_closed_form(name: str, wrt: str):
    with pytest.raises(BPTTError, match=r"recursions|parameter"):
        _ = bg.cell(name).derive(wrt).closed_form
