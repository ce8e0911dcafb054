"""Worked derivations: the way to the result, within a budget of steps, each with its reason."""

import pytest
from truth import CELLS, bound

import bpttgraph as bg
from bpttgraph.errors import BPTTError


def test_the_rnn_on_a_board():
    steps = bg.cell("rnn").unroll(3).derive("W_hh").worked("lecture")
    reasons = [s.reason for s in steps]
    assert reasons[0].startswith("W_hh is one parameter, but steps 1, 2 and 3 each read it")
    assert "a change of W_hh changes h₁, h₂ and h₃ directly, and their effects on the loss add up" in reasons[0]
    assert reasons[1].startswith(
        "E is the sum of the losses at steps 1, 2 and 3, so its derivative is the sum of theirs"
    )
    assert "h₂ reaches the loss through h₃ and y₂: one summand for each way" in reasons
    assert any("collapse to y₃ minus the target" in r for r in reasons)
    assert steps[-1].formula.unicode() == "∂E/∂W_hh = δ_h[1] h₀ᵀ\n         + δ_h[2] h₁ᵀ\n         + δ_h[3] h₂ᵀ"
    assert steps[0].links == ("W_hh->h[1]", "W_hh->h[2]", "W_hh->h[3]")


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_at_every_detail(name: str):
    u = bound(name).unroll(3)
    for wrt in list(u.parameters)[:2]:
        slide, lecture, full = (u.derive(wrt).worked(detail) for detail in ("slide", "lecture", "full"))
        assert 2 <= len(slide) <= len(lecture) <= len(full)
        assert slide[-1] == lecture[-1] == full[-1]
        for step in full:
            formula, reason = step
            assert reason and formula.latex() and step.mathml().startswith("<math") and step.typst()


NOTED = {
    "pascanu": "dE/dW_hh = dE/dh₁ · ∂⁺h₁/∂W_hh",
    "werbos": "∂⁺E/∂W_hh = ∂⁺E/∂h₁ · ∂h₁/∂W_hh",
    "goodfellow": "dE/dW_hh = dE/dh₁ · ∂h₁/∂W⁽¹⁾_hh",
    "d2l": "∂E/∂W_hh = ∂E/∂h₁ · ∂f_h[1]/∂W_hh",
}


@pytest.mark.parametrize("notation", NOTED)
def test_every_step_is_in_the_notation(notation: str):
    steps = bg.cell("rnn").unroll(2).derive("W_hh", notation=notation).worked("full")
    assert steps[0].formula.unicode().splitlines()[0] == NOTED[notation]
    text = "\n".join(s.formula.unicode() for s in steps)
    assert ("∂⁺E" in text) == (notation == "werbos") and ("∂⁺h" in text) == (notation == "pascanu")
    assert "dE" not in text or notation in ("pascanu", "goodfellow")


def test_lecture_does_not_grow_with_time():
    a, b = (len(bg.cell("lstm").unroll(t).derive("U_f").worked("lecture")) for t in (4, 8))
    assert a == b


def test_initial_states_missing_paths_and_errors():
    u = bg.cell("rnn").unroll(2, loss="last")
    assert "through every equation that reads it" in u.derive("h[0]").worked("slide")[0].reason
    with pytest.raises(BPTTError, match="lecture"):
        u.derive("W_hh").worked("lectur")


def test_a_stacked_equation_is_named_as_a_whole():
    reasons = [s.reason for s in bg.cell("lstm-fused").unroll(2).derive("W").worked("lecture")]
    assert any(r.endswith("one summand for each of E₁ and a₂") for r in reasons)
    assert (
        "δ_a[2] stacks the adjoints of a_i[2], a_f[2], a_g[2] and a_o[2]: they are the rows of one equation" in reasons
    )
