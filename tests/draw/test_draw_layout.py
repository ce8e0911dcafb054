"""Layouts: nothing overlaps, no arrow runs through a box or a label, time goes right, the same node keeps its place."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from draw_graphs import NAMES, sample
from geometry import overlap, rectangle, words_at

from bpttgraph.core.variables import Link, Variable, VariableGraph
from bpttgraph.draw import draw
from bpttgraph.draw.geometry import flatten
from bpttgraph.draw.marks import Layout

CASES = [(name, steps) for name in NAMES for steps in (1, 3, 8, 50, 0)]


def layout_of(name: str, steps: int, fold: bool | str = "auto") -> Layout:
    return draw(sample(name, steps or 1, steps == 0), fold=fold).layout


@pytest.mark.parametrize(("name", "steps"), CASES)
def test_boxes_are_disjoint_and_labels_fit(name: str, steps: int) -> None:
    picture = layout_of(name, steps)
    boxes = [m for m in picture.marks if m.kind in ("node", "mark")]
    for a, b in combinations(boxes, 2):
        assert not overlap(rectangle(a), rectangle(b)), (a.id, b.id)
    for m in picture.nodes.values():
        assert m.label is not None and m.box is not None
        assert m.label.width <= m.box[2] - 6, m.id
    for m in picture.marks:
        spots = [words_at(m)] if m.label else []
        spots += [rectangle(m)] if m.box else []
        for left, top, right, bottom in spots:
            assert left >= 0 and top >= 0 and right <= picture.width and bottom <= picture.height, m.id


@pytest.mark.parametrize(("name", "steps"), CASES)
def test_no_arrow_through_a_box_or_a_label(name: str, steps: int) -> None:
    picture = layout_of(name, steps)
    nodes = [(m.id, rectangle(m)) for m in picture.nodes.values()]
    words = [(m.id, words_at(m)) for m in picture.marks if m.kind in ("band", "text", "stroke") and m.label]
    for edge in [*picture.edges.values(), *(m for m in picture.marks if m.kind == "rail")]:
        points = flatten(edge.path, 24)
        dense = [
            (a[0] + (b[0] - a[0]) * k / n, a[1] + (b[1] - a[1]) * k / n)
            for a, b in pairwise(points)
            for n in [int(max(abs(b[0] - a[0]), abs(b[1] - a[1])) / 3) + 1]
            for k in range(n + 1)
        ]
        own = {*edge.ends, edge.id}
        if edge.ends != ("", ""):  # a delay square stands on the ways of its own state only
            for m in picture.marks:
                if m.cls == "delay" and m.id.split()[1] != edge.ends[0]:
                    left, top, right, bottom = rectangle(m)
                    assert not [p for p in dense if left < p[0] < right and top < p[1] < bottom], (edge.id, m.id)
        for box_id, (left, top, right, bottom) in [(i, r) for i, r in nodes if i not in own] + words:
            inside = [p for p in dense if left - 1 < p[0] < right + 1 and top - 1 < p[1] < bottom + 1]
            assert not inside, f"{edge.id} runs through {box_id} at {inside[0]}"
        for end in edge.ends:
            box = dict(nodes).get(end)
            if box is not None:  # touching its own nodes' borders, but not crossing them
                left, top, right, bottom = box
                assert not [p for p in dense if left + 5 < p[0] < right - 5 and top + 5 < p[1] < bottom - 5], edge.id


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 3, 8])
def test_every_link_once_and_parameters_once(name: str, steps: int) -> None:
    graph = sample(name, steps)
    picture = draw(graph).layout
    assert sorted(m.id for m in picture.marks if m.kind == "edge") == sorted(link.id for link in graph.links)
    assert sorted(m.id for m in picture.marks if m.kind == "node") == sorted(graph.variables)
    rails = [m.id for m in picture.marks if m.kind == "rail"]
    assert sorted(rails) == sorted(v.name for v in graph.variables.values() if v.role == "parameter")


@pytest.mark.parametrize("name", NAMES)
def test_time_goes_right_and_layers_go_up(name: str) -> None:
    graph = sample(name, 8)
    nodes = draw(graph).layout.nodes
    bands = [m for m in draw(graph).layout.marks if m.kind == "band"]
    assert [b.box[0] for b in bands if b.box] == sorted(b.box[0] for b in bands if b.box)
    for link in graph.links:
        source, target = graph.variables[link.source], graph.variables[link.target]
        if source.column is None or target.column is None or not nodes[source.name].box:
            continue
        (x0, y0, *_), (x1, y1, *_) = nodes[source.name].box or (), nodes[target.name].box or ()
        if link.delay > 0:
            assert x0 < x1
        elif link.delay < 0:
            assert x0 > x1
        elif source.block == target.block:
            assert y0 > y1


@pytest.mark.parametrize("name", NAMES)
def test_the_same_node_stands_at_the_same_place_for_every_length(name: str) -> None:
    if name == "seq2seq":
        pytest.skip("the decoder moves with the encoder's length")
    short, long = draw(sample(name, 3)).layout, draw(sample(name, 7)).layout
    for key, mark in short.nodes.items():
        if mark.cls not in ("node total", "node initial") and mark.box and key in long.nodes:
            assert mark.box == long.nodes[key].box, key


def test_folding_hides_the_middle_and_says_so() -> None:
    graph = sample("lstm", 50)
    figure = draw(graph)
    picture = figure.layout
    steps = sorted({graph.variables[n].step for n in picture.nodes if graph.variables[n].step is not None})
    assert steps == [0, 1, 2, 3, 49, 50]
    (gap,) = [m for m in picture.marks if m.kind == "band" and "…" in m.id]
    assert gap.title == "45 steps not shown" and gap.label and gap.label.text == "t = 4 … 48"
    assert {"c[3]->c[4]", "c[48]->c[49]", "h[3]->i[4]"} <= set(picture.edges)
    assert "c[20]->c[21]" not in picture.edges and "W_i->i[20]" not in picture.edges
    left, _, right, _ = rectangle(gap)
    assert picture.edges["c[3]->c[4]"].path[-1][0] == pytest.approx(left, abs=0.1)
    assert picture.edges["c[48]->c[49]"].path[0][0] == pytest.approx(right, abs=0.1)
    assert len(draw(graph, fold=False).layout.edges) == len(graph.links)
    assert len(draw(sample("rnn", 8)).layout.edges) == len(sample("rnn", 8).links)


def test_the_folded_graph_names_its_delays() -> None:
    picture = draw(sample("bidirectional", 1, folded=True)).layout
    delays = [m.label.text for m in picture.marks if m.kind == "mark" and m.cls == "delay" and m.label]
    assert sorted(delays) == ["t+1", "t−1"]
    assert picture.edges["hf[t]->hf[t]"].cls == "edge recurrent"


def test_two_delays_between_the_same_two_variables_are_two_arrows() -> None:
    picture = draw(sample("second-order", 1, folded=True)).layout
    assert {"h[t]->h[t]", "h[t]->h[t] (+2)"} <= set(picture.edges)


def test_a_graph_without_anything_is_still_a_picture() -> None:
    assert draw(VariableGraph("nothing", {}, (), {})).svg.startswith("<svg")
    lone = {"W": Variable("W", "W", None, "parameter"), "C": Variable("C", "C", None, "value")}
    assert len(draw(VariableGraph("once", lone, (Link("W", "C"),), {})).layout.edges) == 1


def test_a_left_side_of_the_next_step_stands_in_the_next_column() -> None:
    """`x̂[t+1] = W h[t]`, `E[t] = …x̂[t]…`: delays of links are those of the equations, columns those of the names."""
    variables = [Variable("W", "W", None, "parameter")]
    links = []
    for t in (1, 2):
        variables += [
            Variable(f"h[{t}]", "h", t, "state", column=t - 1, level=1),
            Variable(f"x̂[{t + 1}]", "x̂", t + 1, "state", column=t, level=2),
        ]
        links += [Link(f"h[{t}]", f"x̂[{t + 1}]"), Link("W", f"x̂[{t + 1}]", uses=(t,))]
    variables.append(Variable("E[2]", "E", 2, "loss", column=1, level=3))
    links += [Link("h[1]", "h[2]", 1), Link("x̂[2]", "E[2]", 1)]
    edges = draw(VariableGraph("ahead", {v.name: v for v in variables}, tuple(links), {None: 2})).layout.edges
    assert edges["h[1]->x̂[2]"].cls == "edge recurrent" and edges["x̂[2]->E[2]"].cls == "edge forward"
    assert edges["x̂[2]->E[2]"].path[0][1] > edges["x̂[2]->E[2]"].path[-1][1]
