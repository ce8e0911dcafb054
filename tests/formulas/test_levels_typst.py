"""Typst: every formula of every level compiles, and names stay names."""

import pytest

import bpttgraph as bg
from bpttgraph.derive import to_typst
from bpttgraph.formulas.expr import symbol


def test_hostile_names_stay_text():
    text = to_typst(symbol('x"]) #eval("1")'))
    assert text.startswith('"') and '\\"' in text


def test_all_forms_are_there():
    d = bg.cell("gru").unroll(2).derive("U_z")
    for level in ("chain", "local", "matrix", "elements", "numbers"):
        assert d.typst(level) and d.statement(level, form="typst")
    g = bg.cell("lstm").derive("U_f")
    assert "macron(c)_(t + 1)" in g.typst() and "product_(j = t)^(k + 1)" in g.closed_form.typst()


@pytest.mark.parametrize("name", ["rnn", "lstm-peephole", "gru", "seq2seq", "elman", "exp-trace", "lstm-fused"])
def test_typst_compiles(name: str):
    typst = pytest.importorskip("typst")
    rec = bg.cell(name)
    g = rec.derive("all")
    d = rec.unroll(2).derive(g.names[0])
    lines = [r.typst() for r in g.recursions]
    lines += [d.statement(level, form="typst") for level in ("chain", "local", "matrix", "elements", "numbers")]
    lines += [rec.derive(g.names[0]).closed_form.typst(), rec.derive(g.names[0]).closed_form.typst(width=30)]
    lines += [d.typst("local", width=40), d.typst("matrix", width=20)]
    onehot = [i for i in rec.inputs if len(d.unrolled.shapes[i]) == 1]
    lines += [rec.derive("all", onehot=onehot, reduce="mean").typst(width=30)]
    text = "\n\n".join(f"$ {x} $" for x in lines)
    assert typst.compile(text.encode()).startswith(b"%PDF")
