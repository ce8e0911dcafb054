"""The one data structure: ordered repeated edges, stable names, numbered uses, export, and cuts that stay visible."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bpttgraph as bg
from bpttgraph.core.graph import Graph, constant, leaf, needed

ROOT = Path(__file__).parents[2]


def test_edges_are_ordered_and_repeat() -> None:
    a = leaf("a")
    graph = Graph([a * a])
    assert [(e.source, e.slot) for e in graph.edges] == [("a", 0), ("a", 1)]
    exported = graph.to_networkx()
    assert exported.number_of_edges("a", "mul.1") == 2
    assert sorted(d["slot"] for _, _, d in exported.edges(data=True)) == [0, 1]


def test_a_deep_graph_needs_no_recursion() -> None:
    node = leaf("x")
    for _ in range(50_000):
        node = node + constant(1.5)
    assert len(needed([node])) == 100_001


def test_a_parameter_is_one_node_with_numbered_uses() -> None:
    u = bg.cell("rnn").unroll(4)
    assert list(u.parameters) == ["W_hh", "W_xh", "b_h", "W_hy", "b_y"] or set(u.parameters) == {
        "W_hh",
        "W_xh",
        "b_h",
        "W_hy",
        "b_y",
    }
    w = u.parameters["W_hh"]
    assert [n for n in u.graph.nodes if n.name == "W_hh"] == [w]
    assert [(use.number, use.step, use.variable) for use in w.uses] == [(k, k, f"h[{k}]") for k in (1, 2, 3, 4)]
    assert all(use.node.args[use.slot] is w for use in w.uses)
    assert len([e for e in u.graph.edges if e.source == "W_hh"]) == 4
    assert [link.uses for link in u.vgraph.links if link.source == "W_hh"] == [(1,), (2,), (3,), (4,)]


def test_names_are_stable() -> None:
    code = (
        "import bpttgraph as bg; g = bg.cell('lstm').unroll(2).graph; print([(e.source, e.target, e.slot) for e in"
        " g.edges])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout and "h[2]" in runs[0].stdout


def test_nothing_is_destroyed() -> None:
    u = bg.cell("rnn").unroll(3)
    before = [n.serial for n in u.graph.nodes]
    data = u.instance()
    first = {k: v.copy() for k, v in u.run(data).gradients.items()}
    u.draw()
    u.derive("W_hh").latex()
    again = u.run(data).gradients
    assert all((first[k] == again[k]).all() for k in first)
    assert [n.serial for n in u.graph.nodes] == before


def test_cuts_are_visible_edges() -> None:
    u = bg.cell("rnn").unroll(6, truncate="chunk:2")
    cut = [(e.source, e.cut) for e in u.graph.edges if e.cut]
    assert cut == [("h[2]", "cut"), ("h[4]", "cut")]
    sliding = bg.cell("rnn").unroll(4, truncate="sliding:2")
    assert [(e.source, e.cut, e.cut_for) for e in sliding.graph.edges if e.cut] == [
        ("h[0]", "partly", (2,)), ("h[1]", "partly", (3,)), ("h[2]", "partly", (4,))]  # fmt: skip
    assert {n: d["cut"] for n, _, d in u.graph.to_networkx().edges(data=True) if d["cut"]} == {
        "h[2]": "cut",
        "h[4]": "cut",
    }
