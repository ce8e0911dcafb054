"""Levels of detail: every node and edge of that level once, nothing overlaps, and only what is drawn is read."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest
from geometry import overlap, rectangle
from pictures import CELLS, dense, inside, lines, unrolled

import bpttgraph as bg
from bpttgraph.draw import draw
from bpttgraph.draw.marks import Layout
from bpttgraph.errors import BPTTError
from bpttgraph.show.detail import DETAILS, detailed, shown

NEW = [d for d in DETAILS if d != "names"]


def picture(name: str, detail: str) -> Layout:
    return unrolled(name).draw(detail=detail).layout


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("detail", DETAILS)
def test_nothing_overlaps_and_time_goes_right(name: str, detail: str) -> None:
    p = picture(name, detail)
    boxes = [(m.id, rectangle(m)) for m in p.nodes.values()]
    for (a, ra), (b, rb) in combinations(boxes, 2):
        assert not overlap(ra, rb), (a, b)
    for m in p.nodes.values():
        assert m.label and m.box and m.label.width <= m.box[2] - 4 and m.label.height <= m.box[3] - 2, m.id
    words = [(m.id, rectangle_of_words(m)) for m in p.marks if m.kind in ("band", "text", "stroke") and m.label]
    for line in lines(p):
        points = dense(line.path)
        for other, r in [x for x in boxes if x[0] not in (*line.ends, line.id)] + words:
            assert not inside(points, r), (line.id, other)
    bands = [m.box[0] for m in p.marks if m.kind == "band" and m.box]
    assert bands == sorted(bands)


def rectangle_of_words(m: Any) -> tuple[float, float, float, float]:
    x, y = m.label_point
    return x - m.label.width / 2, y - m.label.height / 2, x + m.label.width / 2, y + m.label.height / 2


@pytest.mark.parametrize("name", CELLS)
def test_every_primitive_and_every_edge_is_drawn_once(name: str) -> None:
    u = unrolled(name)
    graph, p = u.graph, picture(name, "primitives")
    # the sum over the steps, E = E[1] + E[2] + E[3], is one node there
    adding = {graph.name(n) for n in graph if n.owner == u.total or n.name == u.total}
    losses = {h.name for h in u.heads}
    assert sorted(p.nodes) == sorted({graph.name(n) for n in graph} - adding | {u.total})
    drawn = sorted(m.ends for m in p.marks if m.kind == "edge")
    asked = [(e.source, e.target) for e in graph.edges if e.target not in adding]
    assert drawn == sorted(asked + [(e, u.total) for e in losses])
    assert sorted(m.id for m in p.marks if m.kind == "rail") == sorted(u.parameters)


@pytest.mark.parametrize("name", CELLS)
def test_variables_stand_for_the_ways_between_them(name: str) -> None:
    u = unrolled(name)
    full, p = u.vgraph, picture(name, "variables")
    kept = {n for n, v in full.variables.items() if v.role in ("input", "initial", "state", "output", "loss", "total")}
    assert set(p.nodes) == kept
    before: dict[str, set[str]] = {}
    for link in full.links:
        before.setdefault(link.target, set()).add(link.source)

    def reach(name: str) -> set[str]:
        found: set[str] = set()
        for s in before.get(name, ()):
            found |= {s} if s in kept else reach(s)
        return found

    expected = {(s, t) for t in kept for s in reach(t) if s in kept}
    drawn = [m.ends for m in p.marks if m.kind == "edge"]
    assert len(drawn) == len(set(drawn)) and set(drawn) == expected


def test_equations_stand_in_the_nodes() -> None:
    p = picture("lstm", "equations")
    assert "U_f" not in p.nodes and r"f_{2} = \sigma" in p.nodes["f[2]"].tex and "h_{1}" in p.nodes["f[2]"].tex
    assert set(p.edges) == {k.id for k in unrolled("lstm").vgraph.links if k.source not in unrolled("lstm").parameters}
    heights = sorted(m.box[1] for n, m in p.nodes.items() if m.box and n in ("i[2]", "f[2]", "o[2]", "g[2]"))
    assert len(set(heights)) == 4


def test_an_argument_used_twice_has_two_arrows() -> None:
    u = bg.recurrence("h[t] = tanh(h[t-1] * h[t-1] + w * w * x[t])").unroll(steps=2)
    p = u.draw(detail="primitives").layout
    pairs = [m for m in p.marks if m.kind == "edge" and m.ends[0] in ("h[1]", "w")]
    assert {m.ends[0] for m in pairs} == {"h[1]", "w"}
    for m, n in combinations(pairs, 2):
        assert m.id != n.id and m.path != n.path
    assert len([m for m in pairs if m.ends[0] == "h[1]"]) >= 2
    figure = u.draw(detail="primitives")
    assert figure.svg and figure.engine_note == ""


@pytest.mark.parametrize("truncate", [None, "sliding:3", "chunk:4", "one-step"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "bidirectional", "seq2seq", "jordan"])
def test_folded_steps_are_not_read(name: str, truncate: str | None) -> None:
    made = bg.cell(name).unroll(steps=40, truncate=truncate)
    slim = shown(made)
    assert "vgraph" not in made.__dict__ and len(slim.variables) < len(made.vgraph.variables) / 2
    for view in (True, "auto", (1, 1)):
        fresh = bg.cell(name).unroll(steps=40, truncate=truncate)
        assert draw(shown(fresh, view), fold=view).layout == draw(made.vgraph, fold=view).layout


def test_cuts_are_kept() -> None:
    u = unrolled("rnn", 4, "chunk:2")
    for detail in NEW:
        marks = {m.id.rpartition(" ")[0] for m in u.draw(detail=detail).layout.marks if m.cls == "cut-mark"}
        assert len(marks) == 1 and next(iter(marks)).startswith("h[2]->h[3]"), detail
    carousel = unrolled("lstm", 3, "carousel").draw(detail="variables").layout.edges
    assert "cut" not in carousel["c[1]->c[2]"].cls and carousel["h[1]->c[2]"].cls.endswith("cut-cut")


def test_bad_levels_are_explained() -> None:
    u = unrolled("rnn")
    with pytest.raises(BPTTError, match="variables, names, equations, primitives"):
        u.draw(detail="all")
    with pytest.raises(BPTTError, match="no levels of detail"):
        u.draw("backward", detail="primitives")
    assert u.draw(detail="names").svg == u.draw().svg


@pytest.mark.parametrize("detail", NEW)
def test_every_format_and_the_same_bytes(detail: str) -> None:
    figure, again = (bg.cell("gru").unroll(steps=2).draw(detail=detail) for _ in range(2))
    assert figure.svg == again.svg and figure.dot == again.dot and figure.tikz == again.tikz
    assert len(re.findall(r"(?m)^  % edge ", figure.tikz)) == len(figure.layout.edges)
    assert figure.engine_note == "" and figure.tikz.isascii()


def test_folding_works_in_every_level() -> None:
    u = bg.cell("lstm").unroll(steps=20)
    for detail in NEW:
        p = u.draw(detail=detail).layout
        assert {"h[3]", "h[19]"} < set(p.nodes) and "h[10]" not in p.nodes
        graph, _ = detailed(u, detail)
        assert graph.steps == {None: 20}
