"""The views of a gradient: arcs, terms, contributions, for the cells of the library."""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest
from geometry import overlap, rectangle, words_at
from pictures import CELLS, dense, inside, lines, unrolled

from bpttgraph.core.variables import Link, Variable, VariableGraph
from bpttgraph.draw import draw
from bpttgraph.draw.data import Data, Term
from bpttgraph.draw.engines import _check, _drawn, _pygraphviz, engine_report
from bpttgraph.draw.geometry import flatten
from bpttgraph.draw.marks import Layout
from bpttgraph.errors import BPTTError

needs_pygraphviz = pytest.mark.skipif(not any(r["name"] == "pygraphviz" and r["available"] for r in engine_report()),
                                      reason="no pygraphviz here")  # fmt: skip


@cache
def picture(name: str, view: str, steps: int = 3, numbers: bool = True) -> Layout:
    u = unrolled(name, steps)
    step = 2 if view == "paths" else None  # two or three pictures, not twelve
    return u.draw(view, t=step, k=step, data=u.instance() if numbers else None).layout


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("view", ["backward", "paths", "contributions"])
@pytest.mark.parametrize("steps", [3, 8, 50])
def test_nothing_overlaps(name: str, view: str, steps: int) -> None:
    if steps != 3 and (view == "paths" or name not in ("rnn", "lstm")):
        pytest.skip("no new arrangement")
    p = picture(name, view, steps)
    words = [(m, words_at(m)) for m in p.marks if m.kind in ("text", "band") and m.label and m.label.glyphs]
    boxes = [(m, rectangle(m)) for m in p.marks if m.kind in ("node", "cell")]
    for (a, ra), (b, rb) in combinations([(m, r) for m, r in boxes if m.cls != "scale"], 2):
        inner = (ra[0] + 1e-6, ra[1] + 1e-6, ra[2] - 1e-6, ra[3] - 1e-6)  # cells touch
        assert not overlap(inner, rb), (a.id, b.id)
    for (a, ra), (b, rb) in combinations(words, 2):
        assert not overlap(ra, rb), (a.id, b.id)
    for a, ra in words:
        assert min(ra) >= 0 and ra[2] <= p.width and ra[3] <= p.height, a.id
        for b, rb in boxes:
            assert not overlap(ra, rb), (a.id, b.id)
    for line in lines(p):
        points = dense(line.path)
        low, high = points.min(axis=0), points.max(axis=0)
        around = (low[0] - 1, low[1] - 1, high[0] + 1, high[1] + 1)
        for b, r in words + [(b, r) for b, r in boxes if b.kind == "node" and b.id not in (*line.ends, line.id)]:
            if overlap(r, around):
                assert not inside(points, r), (line.id, b.id)


@pytest.mark.parametrize("name", CELLS)
def test_every_arrow_has_its_arc_and_every_arc_its_jacobian(name: str) -> None:
    p = picture(name, "backward")
    arcs = {m.id: m for m in p.marks if m.kind == "arc"}
    assert set(arcs) == set(p.edges) and len(arcs) == sum(m.kind == "arc" for m in p.marks)
    labels = {m.id.removesuffix(" label"): m for m in p.marks if m.cls == "jacobian"}
    assert set(labels) == set(arcs)
    for key, arc in arcs.items():
        assert arc.ends == tuple(reversed(p.edges[key].ends))
        assert "∂" in arc.title and "norm" in arc.title
        # beside its own arrow, never on it
        own = dense(p.edges[key].path).tolist()
        middle = flatten(arc.path, 24)[len(flatten(arc.path, 24)) // 2]
        assert min(np.hypot(x - middle[0], y - middle[1]) for x, y in own) > 4.5, key


def test_arcs_of_one_gradient_are_those_of_its_derivation() -> None:
    u = unrolled("lstm")
    p = u.draw("backward", wrt="U_f").layout
    links = {link for term in u.derive("U_f").terms for link in term.links}
    assert {m.id for m in p.marks if m.kind == "arc"} == links & set(p.edges)
    assert "c[1]->c[2]" in links and "i[1]->c[1]" not in links


def test_widths_are_norms() -> None:
    graph = unrolled("rnn").vgraph
    links = [link.id for link in graph.links]
    norms = {"h[2]->h[3]": 1.0, "h[1]->h[2]": 0.01, "h[0]->h[1]": 0.0}
    arcs = {m.id: m for m in draw(graph, "backward", data=Data("W_hh", norms=norms)).layout.marks if m.kind == "arc"}
    assert arcs["h[2]->h[3]"].style.width > 2 * arcs["h[1]->h[2]"].style.width or set(norms) - set(links)
    assert arcs["h[0]->h[1]"].style.width == arcs["h[1]->h[2]"].style.width == pytest.approx(0.7)
    u = unrolled("rnn")
    run = u.run(u.instance())
    w, h = run.values["W_hh"], run.values["h[2]"]
    expected = np.linalg.norm(np.diag(1 - h**2) @ w, 2)
    made = {m.id: m for m in picture("rnn", "backward").marks if m.kind == "arc"}
    assert f"norm {expected:.2g}" in made["h[1]->h[2]"].title


def test_what_truncation_cuts_has_no_arc() -> None:
    u = unrolled("rnn", 4, "chunk:2")
    p = u.draw("backward").layout
    cut = {link.id for link in u.links if link.cut == "cut"}
    assert cut == {"h[2]->h[3]"}
    assert {m.id for m in p.marks if m.kind == "arc"} == set(p.edges) - cut
    assert [m.id for m in p.marks if m.cls == "cut-mark"] == ["h[2]->h[3] 0", "h[2]->h[3] 1"]


@pytest.mark.parametrize("name", ["rnn", "lstm", "seq2seq"])
@pytest.mark.parametrize("theme", ["light", "print"])
def test_one_term_is_highlighted(name: str, theme: str) -> None:
    u = unrolled(name)
    d = u.derive(next(iter(u.parameters)))
    term = d.terms[-1]
    p = u.draw("paths", wrt=d.wrt, t=term.loss_step, k=term.use_step, theme=theme).layout
    same = [x for x in d.terms if (x.loss_step, x.use_step) == (term.loss_step, term.use_step)]
    panels = sorted({m.panel for m in p.marks if m.kind == "edge"})
    assert len(panels) == len(same)
    for panel, x in zip(panels, same, strict=True):
        mine = [m for m in p.marks if m.kind == "edge" and m.panel == panel]
        assert {m.id for m in mine if m.cls.endswith(" on")} == set(x.links)
        assert len({m.id for m in mine}) == len(mine)
        assert all(
            bool(m.style.dash) == (theme == "print") for m in mine if m.cls.endswith(" off") and "cut" not in m.cls
        )
        assert min(m.style.width for m in mine if m.cls.endswith(" on")) > 3 > max(
            m.style.width for m in mine if m.cls.endswith(" off"))  # fmt: skip
    formulas = [m.label.text for m in p.marks if m.cls == "formula" and m.label]
    assert formulas == [x.unicode() for x in same]


def test_many_terms_are_capped_and_counted() -> None:
    u = unrolled("lstm", 4)
    p = u.draw("paths", wrt="U_f").layout
    count = u.derive("U_f").count
    assert len({m.panel for m in p.marks if m.kind == "edge"}) == 12
    assert f"12 terms of ∂E/∂U_f ({count - 12:,} more not drawn)" in p.title
    with pytest.raises(BPTTError, match="no term with t=1, k=2"):
        u.draw("paths", t=1, k=2)
    with pytest.raises(BPTTError, match="paths"):
        u.draw("backward", t=1)


def test_contributions_are_the_triangle() -> None:
    u = unrolled("rnn")
    data = u.instance(seed=3)
    p = u.draw("contributions", wrt="W_hh", data=data).layout
    parts = u.run(data).triangle("W_hh")
    cells = {m.id: m for m in p.marks if m.kind == "cell" and m.cls == "cell"}
    assert set(cells) == {f"({t}, {k})" for t in (1, 2, 3) for k in range(1, t + 1)} | {f"all {k}" for k in (1, 2, 3)}
    for t in (1, 2, 3):
        for k in range(1, t + 1):
            shown = cells[f"({t}, {k})"].label
            assert shown and float(shown.text) == pytest.approx(np.linalg.norm(parts[t - 1, k - 1]), rel=0.06)
    lightness = sorted(
        (float(m.label.text), -sum(int(m.style.fill[i : i + 2], 16) for i in (1, 3, 5)))
        for m in cells.values()
        if m.label
    )
    assert [b for _, b in lightness] == sorted(b for _, b in lightness)
    taps = [p.edges[f"W_hh->h[{k}]"] for k in (1, 2, 3)]
    sums = np.linalg.norm(parts.sum(axis=0).reshape(3, -1), axis=1)
    assert np.argsort([m.style.width for m in taps]).tolist() == np.argsort(sums).tolist()
    assert "random instance" not in " ".join(m.label.text for m in p.marks if m.cls == "notes" and m.label)


@needs_pygraphviz
@pytest.mark.parametrize("view", ["backward", "paths", "contributions"])
def test_engines_draw_the_views(view: str) -> None:
    figure = unrolled("rnn", 9).draw(view)
    assert figure.engine == "pygraphviz" and figure.engine_note == ""
    svg = _pygraphviz(figure.dot)
    _check(figure.layout, _drawn(svg, "test"), "test")
    assert figure.svg == unrolled("rnn", 9).draw(view).svg


def test_views_of_hostile_names() -> None:
    names = ["<script>[1]", 'a"b', "]]>", "\\N"]
    variables = {n: Variable(n, n, 1, "value", column=0, level=k) for k, n in enumerate(names)}
    variables["W<b>"] = Variable("W<b>", "W<b>", None, "parameter")
    links = (*[Link(a, b) for a, b in pairwise(names)], Link("W<b>", names[0]))
    graph = VariableGraph("x", variables, links, {None: 1})
    term = Term(1, 1, tuple(k.id for k in links), "<math><mi>&lt;script&gt;</mi></math>", "<script>")
    for view in ("backward", "paths", "contributions"):
        data = Data("W<b>", terms=(term,), triangle={(1, 1): 1.0}, uses={1: 1.0}, jacobians={links[0].id: "<img>"})
        svg = draw(graph, view, data=data).svg
        assert "<script" not in svg and "<img" not in svg and svg.startswith("<svg")


def test_one_term_of_many_is_found_without_walking_through_the_others() -> None:
    p = unrolled("lstm", 40).draw("paths", wrt="U_f", t=40, k=39).layout
    assert "5 terms" in p.title
