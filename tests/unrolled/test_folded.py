"""The folded graph: every variable once, at step t, and every read with its delay."""

from __future__ import annotations

import pytest
from truth import CELLS

import bpttgraph as bg

Links = set[tuple[str, str, int]]


def links(rec: bg.Recurrence, *, parameters: bool = False) -> Links:
    graph = rec.folded
    timed = {n for n, v in graph.variables.items() if v.role not in ("parameter", "total", "loss", "upstream")}
    return {(k.source, k.target, k.delay) for k in graph.links if parameters or {k.source, k.target} <= timed}


FOLDED: dict[str, Links] = {
    "rnn": {("x[t]", "h[t]", 0), ("h[t]", "h[t]", 1), ("h[t]", "y[t]", 0)},
    "rnn-output-state": {("x[t]", "y[t]", 0), ("y[t]", "y[t]", 1)},
    "rnn-abstract": {("x[t]", "h[t]", 0), ("h[t]", "h[t]", 1), ("x[t]", "y[t]", 0), ("h[t]", "y[t]", 1)},
    "elman": {("x[t]", "h[t]", 0), ("h[t]", "h[t]", 1), ("h[t]", "x̂[t+1]", 0)},
    "elman:generator": {("x[t+1]", "h[t]", 1), ("h[t]", "h[t]", 1), ("h[t]", "x[t+1]", 0)},
    "jordan": {("y[t]", "m[t]", 1), ("m[t]", "h[t]", 0), ("x[t]", "h[t]", 0), ("h[t]", "y[t]", 0)},
    "jordan:leaky": {
        ("y[t]", "m[t]", 1),
        ("m[t]", "m[t]", 1),
        ("m[t]", "h[t]", 0),
        ("x[t]", "h[t]", 0),
        ("h[t]", "y[t]", 0),
    },
    "deep-rnn:3": {
        ("x[t]", "h1[t]", 0),
        ("h1[t]", "h1[t]", 1),
        ("h1[t]", "h2[t]", 0),
        ("h2[t]", "h2[t]", 1),
        ("h2[t]", "h3[t]", 0),
        ("h3[t]", "h3[t]", 1),
    },
    "bidirectional": {
        ("x[t]", "f[t]", 0),
        ("f[t]", "f[t]", 1),
        ("x[t]", "r[t]", 0),
        ("r[t]", "r[t]", -1),
        ("f[t]", "y[t]", 0),
        ("r[t]", "y[t]", 0),
    },
    "lstm-1997": {
        *{("x[t]", f"{g}[t]", 0) for g in "iog"},
        *{("h[t]", f"{g}[t]", 1) for g in "iog"},
        ("c[t]", "c[t]", 1),
        ("i[t]", "c[t]", 0),
        ("g[t]", "c[t]", 0),
        ("o[t]", "h[t]", 0),
        ("c[t]", "h[t]", 0),
    },
    "lstm-peephole": {
        *{("x[t]", f"{g}[t]", 0) for g in "ifog"},
        *{("h[t]", f"{g}[t]", 1) for g in "ifog"},
        ("c[t]", "i[t]", 1),
        ("c[t]", "f[t]", 1),
        ("c[t]", "o[t]", 0),
        ("c[t]", "c[t]", 1),
        *{(f"{g}[t]", "c[t]", 0) for g in "ifg"},
        ("o[t]", "h[t]", 0),
        ("c[t]", "h[t]", 0),
    },
    "gru": {
        *{("x[t]", f"{g}[t]", 0) for g in "zrn"},
        *{("h[t]", f"{g}[t]", 1) for g in "zrnh"},
        ("r[t]", "n[t]", 0),
        ("n[t]", "h[t]", 0),
        ("z[t]", "h[t]", 0),
    },
}


@pytest.mark.parametrize("name", FOLDED)
def test_variables_and_delays(name: str) -> None:
    assert links(bg.cell(name)) == FOLDED[name]


def test_blocks() -> None:
    graph = bg.cell("seq2seq:feedback").folded
    assert {v.block for n, v in graph.variables.items() if n.startswith("encoder.")} == {"encoder"}
    found = links(bg.cell("seq2seq:feedback"))
    assert {
        ("encoder.h[t]", "encoder.h[t]", 1),
        ("decoder.h[t]", "decoder.h[t]", 1),
        ("decoder.x[t+1]", "decoder.h[t]", 1),
    } <= found
    assert {(s, t) for s, t, _ in found if s.startswith("encoder.") and t.startswith("decoder.")} == {
        ("encoder.h[t]", "decoder.h[t]")
    }
    assert ("decoder.y[t]", "decoder.x[t+1]", 0) in found


@pytest.mark.parametrize("name", CELLS)
def test_the_folded_graph_of_every_cell(name: str) -> None:
    rec = bg.cell(name)
    graph = rec.folded
    assert graph.folded and {n for n, v in graph.variables.items() if v.role == "parameter"} == set(rec.parameters)
    bases = [v.base for v in graph.variables.values() if v.role not in ("parameter", "total")]
    assert len(bases) == len(set(bases)), "every variable stands once"
    assert set(rec.inputs) <= {*bases} and set(rec.states) <= {*bases}
    assert all(k.source in graph.variables and k.target in graph.variables for k in graph.links)
    # reads within the recurrence itself are exactly those of the equations
    expected = {
        (s, t, r.delay)
        for r in rec.reads
        if r.delay is not None
        for s in r.source.bases
        for t in r.reader.bases
        if any(rec.key(n, r.reader.block) == s for n in names(r))
    }
    base = {n: v.base for n, v in graph.variables.items()}
    timed = {v.base for v in graph.variables.values() if v.step is None and v.role in ("state", "value", "output")}
    found = {
        (base[k.source], base[k.target], k.delay)
        for k in graph.links
        if base[k.source] in timed and base[k.target] in timed
    }
    between = {(s, t, d) for s, t, d in found if s.partition(".")[0] != t.partition(".")[0] and "." in s}
    assert found - between == {e for e in expected if e[0] in timed and e[1] in timed}


def names(read: object) -> list[object]:
    from bpttgraph.equations.trees import names_in

    return [
        n
        for n, _ in names_in(read.reader.right)
        if n.index and n.index.variable == "t" and read.source.offset - n.index.offset == read.delay
    ]  # type: ignore[attr-defined]


def test_longer_delays_and_hand_written_steps() -> None:
    assert links(bg.recurrence("h[t] = tanh(W h[t-1] + V h[t-3] + x[t])")) == {
        ("x[t]", "h[t]", 0),
        ("h[t]", "h[t]", 1),
        ("h[t]", "h[t]", 3),
    }
    assert links(bg.recurrence("h_2 = f(x_2, h_1); h_1 = f(x_1, h_0)")) == {("x[t]", "h[t]", 0), ("h[t]", "h[t]", 1)}
    assert links(bg.recurrence("h[t] = tanh(W h[t-1] + x[t-1] + x[t])")) == {
        ("x[t]", "h[t]", 0),
        ("x[t]", "h[t]", 1),
        ("h[t]", "h[t]", 1),
    }
    assert links(bg.recurrence("y[t] = f(x[t], a[t-1])")) >= {("x[t]", "y[t]", 0)}
