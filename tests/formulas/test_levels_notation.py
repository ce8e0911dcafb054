"""Notation presets: the same formula in the symbols of different texts."""

import pytest

import bpttgraph as bg
from bpttgraph.derive import NOTATIONS, Derivation, legend
from bpttgraph.errors import BPTTError


def last_term(notation: str) -> str:
    return Derivation(bg.cell("rnn").unroll(2), "W_hh", notation=notation).unicode().splitlines()[-1]


def test_the_same_term_in_four_notations():
    assert last_term("pascanu") == "+ ∂E₂/∂y₂ · ∂y₂/∂h₂ · ∂⁺h₂/∂W_hh"
    assert last_term("werbos") == "+ ∂E₂/∂y₂ · ∂y₂/∂h₂ · ∂h₂/∂W_hh"
    assert last_term("goodfellow") == "+ ∂E₂/∂y₂ · ∂y₂/∂h₂ · ∂h₂/∂W⁽²⁾_hh"
    assert last_term("d2l") == "+ ∂E₂/∂y₂ · ∂y₂/∂h₂ · ∂f_h[2]/∂W_hh"


def test_werbos_marks_the_total():
    d = Derivation(bg.cell("rnn").unroll(2), "W_hh", notation="werbos")
    assert d.statement(form="unicode").startswith("∂⁺E/∂W_hh = ")
    assert "∂⁺E/∂h₂ = ∂⁺E/∂y₂ · ∂y₂/∂h₂" in [str(s) for s in d.factored]


def test_closed_forms_and_legends():
    text = bg.cell("rnn").derive("W_hh", notation="goodfellow").closed_form.unicode()
    assert "∂hₖ/∂W⁽ᵏ⁾_hh" in text
    assert all(legend(n) for n in NOTATIONS)
    with pytest.raises(BPTTError, match="werbos"):
        Derivation(bg.cell("rnn").unroll(2), "W_hh", notation="werbo")


@pytest.mark.parametrize("notation", list(NOTATIONS))
def test_numbers_do_not_depend_on_notation(notation: str):
    u = bg.cell("gru").unroll(2)
    d = Derivation(u, "U_z", notation=notation)
    run = u.run(u.instance())
    assert abs(d.value(run) - run.gradient("U_z")).max() < 1e-12
    assert all(d.latex(level) for level in ("chain", "local", "matrix", "elements"))
