"""Free-form graphs: every node and edge once, values and gradients in the nodes, `dot` for large ones, ours without
it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from geometry import overlap, rectangle

import bpttgraph as bg
import bpttgraph.draw.free as free
from bpttgraph.cli import main
from bpttgraph.core.graph import Graph, leaf
from bpttgraph.core.primitives import tanh
from bpttgraph.draw.engines import engine_report
from bpttgraph.draw.expression import draw_expression
from bpttgraph.errors import BPTTError


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


def test_a_tensor_is_drawn_with_its_values_and_gradients() -> None:
    a, b, c, f = (bg.tensor(v, n) for v, n in ((2.0, "a"), (-3.0, "b"), (10.0, "c"), (-2.0, "f")))
    loss = ((a * b + c).named("d") * f).named("L")
    p = bg.draw_graph(loss, title="L").layout
    said = {n: m.label.text for n, m in p.nodes.items() if m.label}
    # by hand: d = ab + c = 4, L = df = -8; dL/df = d, dL/dd = f, dL/da = fb, dL/db = fa
    assert said["a"] == "a value 2 gradient 6" and said["b"] == "b value −3 gradient −4"
    assert said["d"].endswith("value 4 gradient −2") and said["f"].endswith("value −2 gradient 4")
    assert said["L"].endswith("value −8 gradient 1")
    plain = bg.draw_graph(loss, values=False, gradients=False).layout
    assert "value" not in "".join(m.label.text for m in plain.nodes.values() if m.label and m.id != "mul.1")
    assert bg.draw_graph([a * b, a + c], fit="slide").layout.scale > 1


def test_a_traced_function_is_drawn() -> None:
    graph = bg.trace(lambda x, W: np.sum(np.tanh(W @ x) ** 2), np.ones(2), np.eye(2))
    p = bg.draw_graph(graph).layout
    assert sorted(p.nodes) == sorted(graph.name(n) for n in graph) and len(p.edges) == len(graph.edges)
    assert p.nodes["W"].label and "size 2×2" in p.nodes["W"].label.text


@pytest.mark.parametrize("bad", [3.0, "x", [], [1.0], np.ones(3)])
def test_what_has_no_computation_says_so(bad: Any) -> None:
    with pytest.raises(BPTTError, match="no computation to draw"):
        bg.draw_graph(bad)


def test_two_nodes_of_one_name_are_refused() -> None:
    with pytest.raises(BPTTError, match="two nodes of this expression are called 'a'"):
        bg.draw_graph(bg.tensor(1.0, "a") * bg.tensor(2.0, "a"))


def test_why_dot_did_not_arrange_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> str:
        raise free.EngineFailure("dot took longer than 8 s")

    monkeypatch.setattr(free, "run_engine", fails)
    note = bg.draw_graph(expression(12)).engine_note
    assert note.startswith("arranged without dot: dot took longer than 8 s")


def test_equations_without_time_on_the_command_line(tmp_path: Path) -> None:
    file, target = tmp_path / "neuron.txt", tmp_path / "neuron.svg"
    file.write_text("o = tanh(x_1 w_1 + x_2 w_2 + b)\n")
    numbers = {"x_1": "2", "x_2": "0", "w_1": "-3", "w_2": "1", "b": "6.8813735870195432"}
    main(["draw", str(file), *(f"--at={k}={v}" for k, v in numbers.items()), "-o", str(target)], standalone_mode=False)
    svg = target.read_text()
    assert "value 0.7071" in svg and "gradient −1.5" in svg and "gradient 0.5" in svg  # Karpathy's neuron
    for wrong, said in (("b=x", "not a number"), ("z=1", "no leaf z"), ("b=1", "no number is given for")):
        done = CliRunner().invoke(main, ["draw", str(file), f"--at={wrong}", "-o", str(tmp_path / "no.svg")])
        assert done.exit_code == 2 and said in done.output and not (tmp_path / "no.svg").exists()
    done = CliRunner().invoke(main, ["draw", "rnn", "--at=W=1"])
    assert done.exit_code == 2 and "without time" in done.output


def test_values_stand_in_tikz_too() -> None:
    a = bg.tensor(2.0, "a")
    tikz = bg.draw_graph(a * bg.tensor(-3.0, "b")).tikz
    assert r"\mathsf{gradient\ -3}" in tikz and r"\mathsf{value\ -6}" in tikz and tikz.isascii()


def test_our_own_layout_grows_with_what_it_places() -> None:
    """A leaf that is read everywhere needs one bend a column, not one a column and reader."""
    from bpttgraph.draw.layers import arrange_layers

    def bends(n: int) -> int:
        names = ["w", *(f"n{i}" for i in range(n))]
        wires = [(f"n{i - 1}", f"n{i}") for i in range(1, n)] + [("w", f"n{i}") for i in range(n)]
        placed = arrange_layers(names, wires, dict.fromkeys(names, 20.0), frozenset(["w"]))
        assert all(placed.column[a] < placed.column[b] for a, b in wires)
        return len(placed.y) - len(names)

    assert bends(200) <= 200 and bends(400) <= 400
