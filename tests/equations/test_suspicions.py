"""Readings that are right by the rules and often wrong by intention are said, with their place; ordinary ones are
not."""

from __future__ import annotations

import pytest

import bpttgraph as bg
from bpttgraph.equations.notes import Note

SAID = {
    "h_t = (1 - Z) h_{t-1} + x_t": "the capital Z is read as a number",
    "h_t = w x_t + v h_{t-1} + b": "the small letter w beside a vector is read as a number",
    "h_t = \\beta_t h_{t-1} + W x_t": "β[t] is read as a number at each step",
    "h[t] = tanh(W h[t-1] + x[t]) update": "the word update is read as a factor",
    "h[t] = tanh(W h[t-1] + x[t] + e)": "e is read as a parameter",
    "h[t] = tanh(W h[t-1] + x[t] + I)": "I is read as a parameter",
    "h[t] = tanh(T h[t-1] + x[t])": "T is read as a parameter",
    "h_t = \\tanh(W * h_{t-1} + x_t)": "entry by entry; write W @ h[t-1] for the matrix product",
    "U[t+1] = b * V[t] + W x[t+1]": "nothing is carried over time",
    "h[t] = tanh(W h[t-1] + x[t]); z[t] = V h[t]; E[t] = squared_error(h[t], d[t])": "nothing reads z[t]",
    "\\overrightarrow{H}_t = \\tanh(A x_t + B \\overrightarrow{H}_{t-1}), O_t = C H_t": "H[t] is taken as given data",
    "h_t = \\tanh(W h_{t-1} + x_k + x_t)": "the index k occurs only here",
    "g_t = A x_t; h_t = g_t h_{t-1} + x_t": "multiplied entry by entry",
    "h_t = \\exp(A) h_{t-1} + x_t": "entry by entry, which is not the matrix exponential",
    "h_t = e^{-\\lambda} h_{t-1} + x_t": "exponential",
    "h_t = (A - I) h_{t-1} + x_t": "I is read as the identity matrix",
    "h[t] = W h[t-1] + 1 / τ x[t]": "not as (1/τ) x[t]",
    "h[t] = W h[t-1] + 1/τ x[t]": "is read as a fraction times what follows",
    "\\tilde{s}_t = \\tanh(A x_t + B \\tilde{s}_{t-1}), \\quad y_t = C s_t": "s[t] is taken as given data",
    "o_t = σ(A x_t + B h_{t-1})\nh_t = o_t ⊙ tanh(c_t)": "c[t] is taken as given data",
    "r_t = σ(A x_t + B h_{t-1})\nh_t = tanh(C x_t + D h_{t-1})": "nothing reads r[t]",
    "p_t = F q_{t-1} \\\\ q_t = p_t + G (y_t - H p_t)": "G before a difference was read as a matrix",
    "h_t = x_t W + h_{t-1} U": "vectors are read as rows",
}


@pytest.mark.parametrize("text", SAID)
def test_what_is_often_not_meant_is_said_with_its_place(text: str) -> None:
    rec = bg.recurrence(text)
    hits = [note for note in rec.notes if SAID[text] in note]
    assert len(hits) == 1, rec.notes
    assert isinstance(hits[0], Note) and hits[0].span is not None
    assert rec.unroll(3).run(rec.unroll(3).instance()).loss is not None


@pytest.mark.parametrize(
    "text",
    [
        "h[t] = tanh(W h[t-1] + U x[t] + b)\ny[t] = softmax(V h[t] + c)",
        "h_t = \\tanh(W h_{t-1} + U x_t) \\\\ c_t = f_t \\odot c_{t-1} + W_c \\circ h_t",
        "h[t] = (1 - α) h[t-1] + α tanh(W x[t])",
        "S[t] = S[t-1] + v[t] k[t]^T; o[t] = S[t] q[t]",
    ],
)
def test_ordinary_texts_are_read_without_a_note(text: str) -> None:
    assert bg.recurrence(text).notes == ()


def test_cells_are_read_without_a_note_as_texts_too() -> None:
    for name in bg.cells():
        assert bg.recurrence(bg.cell(name).text).notes == (), name


def test_the_reading_is_read_to_the_same_recurrence() -> None:
    """The equations of a reading are plain language: they give the same numbers, and are their own reading."""
    for text in (*SAID, *(bg.cell(name).text for name in bg.cells() if not bg.cell(name).blocks)):
        rec = bg.recurrence(text)
        if rec.abstract or "I" in text:
            continue
        lines = rec.reading.splitlines()[: len(rec.definitions)]
        again = bg.recurrence("\n".join(lines))
        shapes = rec.unroll(3).shapes
        given = (*rec.parameters, *rec.inputs, *rec.defined)
        sizes = {n: shapes[n] for n in given if n not in rec.losses}
        first, second = rec.unroll(3, sizes=sizes), again.unroll(3, sizes=sizes)
        assert float(first.run(first.instance()).loss) == pytest.approx(float(second.run(first.instance()).loss))
        assert again.reading.splitlines()[: len(lines)] == lines
