"""Free-form graphs: every node and edge once, values and gradients in the nodes, `dot` for large ones, ours without it."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from test_draw_layout import overlap, rectangle

import bpttgraph.draw.free as free
from bpttgraph.draw.engines import engine_report
from bpttgraph.draw.expression import draw_expression
from bpttgraph.errors import BPTTError
from bpttgraph.graph import Graph, leaf
from bpttgraph.primitives import tanh


def expression(n: int = 1) -> Graph:
    a, b, x = (leaf(s) for s in "abx")
    value: Any = x
    for _ in range(n):
        value = tanh(a * value + b) + value * value
    return Graph([value])


def check(graph: Graph, **options: Any) -> Any:
    figure = draw_expression(graph, "An expression", **options)
    p = figure.layout
    assert sorted(p.nodes) == sorted(graph.name(n) for n in graph)
    assert sorted(m.ends for m in p.edges.values()) == sorted((e.source, e.target) for e in graph.edges)
    boxes = [(m.id, rectangle(m)) for m in p.nodes.values()]
    for (a, ra), (b, rb) in combinations(boxes, 2):
        assert not overlap(ra, rb), (a, b)
    for m in p.edges.values():
        for name, (x, y) in zip(m.ends, (m.path[0], m.path[-1]), strict=True):
            left, top, right, bottom = dict(boxes)[name]
            assert left - 2 <= x <= right + 2 and top - 2 <= y <= bottom + 2, m.id
    return figure


def test_values_and_gradients_stand_in_the_nodes() -> None:
    graph = expression()
    values = {graph.name(n): 1.5 * k for k, n in enumerate(graph)}
    figure = check(graph, values=values, gradients=dict.fromkeys(values, -0.25))
    said = figure.layout.nodes["b"].label
    assert "value" in said.text and "gradient −0.25" in said.text
    assert figure.svg == draw_expression(graph, "An expression", values, dict.fromkeys(values, -0.25)).svg
    assert figure.tikz.isascii() and figure.png.startswith(b"\x89PNG")


@pytest.mark.skipif(not any(r["available"] for r in engine_report() if r["name"] != "built-in"), reason="no Graphviz")
def test_large_ones_are_arranged_by_dot() -> None:
    graph = expression(12)
    assert len(graph) > 40
    names = [graph.name(n) for n in graph]
    places, note = free.place_by_dot(
        names, dict.fromkeys(names, (40.0, 30.0)), [(e.source, e.target) for e in graph.edges]
    )
    assert places is not None and note == "" and len(places[1]) == len(graph.edges)
    check(graph)


def test_without_dot_our_own_layout_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> str:
        raise free.EngineFailure("took longer than 20 s")

    monkeypatch.setattr(free, "run_engine", fails)
    check(expression(12))


def test_too_large_says_so() -> None:
    with pytest.raises(BPTTError, match="at most 400"):
        draw_expression(expression(200))
