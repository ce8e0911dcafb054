"""View `cell`: the inside of one step of every cell of the library."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from geometry import overlap, rectangle
from pictures import dense, inside

import bpttgraph as bg
from bpttgraph.draw import draw
from bpttgraph.draw.layers import arrange_layers
from bpttgraph.errors import BPTTError


def cell(name: str) -> Any:
    return bg.cell(name).unroll(steps=3).draw("cell")


@pytest.mark.parametrize("name", [n for n in bg.cells() if n not in ("char-lm", "exp-trace")])
def test_nothing_overlaps_and_every_wire_goes_right(name: str) -> None:
    figure = cell(name)
    p = figure.layout
    nodes = [(m.id, rectangle(m)) for m in p.nodes.values()]
    assert nodes
    for (a, ra), (b, rb) in combinations(nodes, 2):
        assert not overlap(ra, rb), (a, b)
    for m in p.nodes.values():
        assert m.label and m.box and m.label.width <= m.box[2] - 4 and m.label.height <= m.box[3] - 2, m.id
    assert len(p.edges) == len(figure.network.wires)
    for edge in p.edges.values():
        points = dense(edge.path)
        assert edge.path[0][0] < edge.path[-1][0]
        for n, r in nodes:
            assert n in edge.ends or not inside(points, r), (edge.id, n)
    assert figure.svg == cell(name).svg and figure.engine_note == ""


def test_the_lstm_has_its_gates_products_and_motorway() -> None:
    p = cell("lstm").layout
    said = sorted(m.label.text for m in p.nodes.values() if m.label and m.cls == "node op")
    assert said == ["add", "product", "product", "product"]
    line = [m for m in p.edges.values() if m.cls == "edge cell-line"]
    assert len(line) == 3 and len({round(y, 1) for m in line for _, y in m.path}) == 1
    assert {"f[2]", "i[2]", "o[2]", "g[2]", "c[1]", "c[2]", "h[1]", "h[2]", "x[2]"} < set(p.nodes)
    assert "U_f" not in p.nodes and "U_{f}" in p.nodes["f[2]"].tex and "h_{t-1}" in p.nodes["f[2]"].tex


def test_the_inside_is_of_an_unrolled_recurrence() -> None:
    u = bg.cell("rnn").unroll(steps=1)
    with pytest.raises(BPTTError, match="inside"):
        draw(u.vgraph, "cell")
    assert u.draw("cell", theme="dark").layout.nodes


def test_layers_of_a_graph_without_wires() -> None:
    placed = arrange_layers(["a", "b"], [], {"a": 10.0, "b": 10.0})
    assert placed.column == {"a": 0, "b": 0} and placed.y["a"] != placed.y["b"]


def test_an_output_of_the_next_step_is_named_so() -> None:
    """Elman's network predicts x[t+1] at step t: the inside of a step may not name a number there."""
    texts = [m.label.text for m in bg.cell("elman").unroll(steps=3).draw("cell").layout.marks if m.kind == "node"]
    assert any("x̂ₜ₊₁" in t for t in texts) and not any(c in t for t in texts for c in "₃₄"), texts
