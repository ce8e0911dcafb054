"""Every displayed recurrence of the lectures, as pasted: chain rule without bindings, numbers with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from data.lectures import RECURRENCES
from truth import assert_gradients

import bpttgraph as bg

SHOWN = list(RECURRENCES)


def shown(*starts: str) -> str:
    """The displayed formulas that begin so, as pasted."""
    found = [next(text for text in SHOWN if text.strip("$").startswith(start)) for start in starts]
    return "\n".join(found)


TYPO = shown(r"\mathbf{y}_t")
CORRECTED = TYPO.replace(r"\mathbf{h}_{t-1}", r"\mathbf{y}_{t-1}")
GATES = shown("g_t =", "i_t =", "o_t =")
CARRY = r"$$c_t = c_{t-1} + i_t \odot g_t$$" + "\n" + r"$$h_t = o_t \odot \tanh(c_t)$$"

# name -> (text, what `let` needs for numbers, expected abstract functions, states, parameters)
SYSTEMS: dict[str, tuple[str, dict[str, str], tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "000 output is the state": (CORRECTED, {"phi": "tanh"}, ("φ",), ("y",), ("W_x", "W_h", "b")),
    "000 with its loss": (
        CORRECTED + "\n" + shown("J("),
        {"phi": "tanh", "J(a, b)": "sum(a * b) + norm(b)"},
        ("φ", "J"),
        ("y",),
        ("W_x", "W_h", "b"),
    ),
    "001 traditional": (
        shown("a^{< t>}", "y^{< t>}"),
        {"g_1": "tanh", "g_2": "softmax"},
        ("g_1", "g_2"),
        ("a",),
        ("W_aa", "W_ax", "b_a", "W_ya", "b_y"),
    ),
    "002 abstract": (
        shown("h_t = f_1", "y_t = f_2"),
        {"f_1(x, h; w_h, w_x)": "tanh(w_x @ x + w_h @ h)", "f_2(x, h; w_y)": "softmax(w_y @ h)"},
        ("f_1", "f_2"),
        ("h",),
        ("w_h", "w_x", "w_y"),
    ),
    "002 concrete": (shown("f_1 =", "f_2 ="), {}, (), ("h",), ("W_xh", "W_hh", "W_yh", "b_y")),
    "002 numbered": (
        shown("E = E_1", "E_t =", r"y_t = \text", r"h_t = \tanh"),
        {"E": "cross_entropy"},
        ("E",),
        ("h",),
        ("W_y", "b_y", "W_h", "W_x"),
    ),
    "002 written out": (
        shown("h_3 =", "h_2 =", "h_1 ="),
        {"f(x, h, W, U)": "tanh(W @ h + U @ x)"},
        ("f",),
        ("h",),
        ("W_h", "W_x"),
    ),
    "004 generator": (shown("h_t = \\sigma", "x_{t+1}"), {"rho": "sigmoid"}, ("ρ",), ("h", "x"), ("W_1", "W_2", "W_3")),
    "004 gates alone": (GATES, {}, (), (), ("W_1", "W_2", "W_3", "W_4", "W_5", "W_6")),
    "004 gates with the carry": (GATES + "\n" + CARRY, {}, (), ("c", "h"), ("W_1", "W_2", "W_3", "W_4", "W_5", "W_6")),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_chain_rule_without_bindings(name: str) -> None:
    text, let, abstract, states, parameters = SYSTEMS[name]
    rec = bg.recurrence(text)
    assert (rec.abstract, rec.states, rec.parameters) == (abstract, states, parameters)
    u = rec.unroll(3)
    for wrt in parameters:
        d = u.derive(wrt)
        latex = d.latex(level="chain")
        assert d.count == len(d.terms) > 0 and r"\frac{\partial" in latex
    if let:
        with pytest.raises(bg.BPTTError, match="abstract") as caught:
            u.run(u.instance())
        assert "--let" in str(caught.value)


@pytest.mark.parametrize("name", SYSTEMS)
def test_numbers_with_bindings(name: str) -> None:
    text, let, *_ = SYSTEMS[name]
    for batch in (None, 3):
        u = bg.recurrence(text, let=let or None).unroll(3)
        run = assert_gradients(u, u.instance(7, batch))
        for wrt in list(u.parameters)[:2]:
            np.testing.assert_allclose(u.derive(wrt).value(run), run.gradients[wrt], rtol=1e-10, atol=1e-13)


def test_what_is_said_about_the_lectures() -> None:
    """A note says what was left out or assumed; the formulas of the lectures need no other."""
    notes = {name: bg.recurrence(text, let=let or None).notes for name, (text, let, *_) in SYSTEMS.items()}
    marks = [f"line {n}: '({n})' was read as the equation's number" for n in range(1, 5)]
    assert {name: list(said) for name, said in notes.items() if said} == {
        "002 concrete": [f"line {n}: what stands left of ⇒ was read as commentary" for n in (1, 2)],
        "002 numbered": marks,
        "002 written out": [
            "the equations for h at the steps 1 to 3 are read as one equation for every step: "
            "h[t] = f(x[t], h[t-1], W_h, W_x)"
        ],
        "004 gates alone": ["no line defines h[t]: it is read at earlier steps and taken as given data"],
    }


def test_every_displayed_recurrence_is_in_a_system() -> None:
    together = "".join(text for text, *_ in SYSTEMS.values())
    left_out = [s for s in SHOWN if s not in together]
    # the slip of lecture 000, the schematic line of 001 (below), and two formulas without a step
    assert [s.strip("$")[:6] for s in left_out] == [r"\mathbf{"[:6], "y^t = ", r"z = \s", "C' = C"]


def test_a_state_that_nobody_defines() -> None:
    for text in (TYPO, TYPO + "\n" + shown("J(")):
        with pytest.raises(bg.BPTTError, match=r"h\[t-1\] is read, but no line defines h\[t\]") as caught:
            bg.recurrence(text)
        assert "did you mean y[t-1]?" in str(caught.value)
        assert "^^^" in str(caught.value)


@pytest.mark.parametrize(("text", "given"), [(shown("y^t ="), "a"), (shown("y_t = f_2"), "h"), (GATES, "h")])
def test_fragments_are_accepted_with_a_note(text: str, given: str) -> None:
    rec = bg.recurrence(text)
    assert given in rec.inputs and rec.states == ()
    assert rec.notes == (f"no line defines {given}[t]: it is read at earlier steps and taken as given data",)
    assert len(rec.unroll(3).graph) > 0


def test_an_equation_written_out_for_each_step() -> None:
    rec = bg.recurrence(shown("h_3 =", "h_2 =", "h_1 ="))
    assert rec.equations == ("h[t] = f(x[t], h[t-1], W_h, W_x)",)
    assert "equations for h at the steps 1 to 3 are read as one equation" in rec.notes[0]
    assert rec.unroll().steps == {None: 3}
    assert rec.unroll(5).derive("W_h").count == 15
    single = bg.recurrence(shown("h_3 ="))
    assert single.equations == rec.equations and single.unroll().steps == {None: 3}
    with pytest.raises(bg.BPTTError, match="h is defined twice"):
        bg.recurrence(shown(r"h_t = \tanh", "h_3 =", "h_2 =", "h_1 ="))


def test_equations_keep_their_own_text() -> None:
    assert bg.recurrence(CORRECTED).equations[0] == CORRECTED.strip("$ \n")
    assert bg.recurrence(shown("f_2 =")).equations == (r"y_t = \text{softmax}(W_{yh} h_t + b_y)",)


def test_losses_named_one_by_one() -> None:
    u = bg.recurrence(SYSTEMS["002 numbered"][0]).unroll()
    assert [h.name for h in u.heads] == ["E[1]", "E[2]", "E[3]"] and u.total == "E"
    with pytest.raises(bg.BPTTError, match="name step 3, but there are 2 steps"):
        u.recurrence.unroll(2)
    with pytest.raises(bg.BPTTError, match=r"no line defines the loss E\[t\]"):
        bg.recurrence(shown("E = E_1")).unroll(3)


@pytest.mark.parametrize("start", ["z =", "C' ="])
def test_formulas_without_a_step_cannot_be_unrolled(start: str) -> None:
    rec = bg.recurrence(shown(start))
    with pytest.raises(bg.BPTTError, match="there is nothing to unroll"):
        rec.unroll(3)


def test_bindings(capsys: Any) -> None:
    text = shown("h_t = f_1")
    for let, message in [
        ({"f_2": "tanh"}, "no equation calls f_2"),
        ({"f_1(a)": "tanh(a)"}, "called with 4 arguments, but bound with 1"),
        ({"f_1": "tanhh"}, "tanhh is not a known function"),
        ({"f_1": 3}, "must be bound by a text"),
    ]:
        with pytest.raises(bg.BPTTError, match=message) as caught:
            bg.recurrence(text, let=let)
        assert "hint: " in str(caught.value)
