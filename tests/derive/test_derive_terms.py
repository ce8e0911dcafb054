"""Every term carries the ids of exactly the edges that it walks, and the picture lights up exactly these."""

import html
import re
import time
import xml.etree.ElementTree as ET

import pytest

import bpttgraph as bg
from bpttgraph.derive.adjoints import Adjoints
from bpttgraph.errors import BPTTError


def lit(svg: str) -> set[str]:
    """The edges that a picture of paths shows as walked."""
    groups = re.findall(r'<g id="[^"]*" class="edge [^"]*\bon\b[^"]*" data-id="([^"]*)"', svg)
    return {html.unescape(g) for g in groups}


@pytest.mark.parametrize(
    ("name", "wrt", "steps"), [("rnn", "W_hh", 3), ("lstm", "U_f", 2), ("gru", "W_r", 2), ("deep-rnn", "W1", 2)]
)
def test_a_term_is_a_path_of_the_picture(name: str, wrt: str, steps: int):
    u = bg.cell(name).unroll(steps)
    known = {x.id for x in u.vgraph.links}
    d = u.derive(wrt)
    for term in d.terms:
        ends = [x.split("->") for x in term.links]
        assert set(term.links) <= known
        assert [target for _, target in ends] == list(term.path[:-1])
        assert [source for source, _ in ends] == list(term.path[1:]) and ends[-1][0] == wrt
    for t, k in d.count_by_step:
        walked = {x for term in d.terms if (term.loss_step, term.use_step) == (t, k) for x in term.links}
        assert walked == lit(str(u.draw(view="paths", wrt=wrt, t=t, k=k).svg)), (t, k)


@pytest.mark.parametrize("level", ["chain", "local"])
def test_the_ids_stand_in_the_formula(level: str):
    d = bg.cell("lstm").unroll(2).derive("U_f")
    rows = ET.fromstring(d.statement(level, form="mathml")).findall(".//{*}mtr")
    assert len(rows) == d.count
    for row, term in zip(rows, d.terms):
        ids = [e.get("data-id", "") for e in row.iter() if e.get("data-id")]
        assert ids[0].split() == list(term.links)  # the whole term, then its factors
        assert {x for i in ids for x in i.split()} == set(term.links)


def test_uses_of_a_stack_carry_all_its_edges():
    u = bg.cell("lstm-fused").unroll(2)
    ids = set(re.findall(r'data-id="([^"]*)"', u.derive("U").mathml("matrix")))
    want = {" ".join(f"U->a_{g}[{t}]" for g in "ifgo") for t in (1, 2)}
    assert {html.unescape(i) for i in ids} >= want


def test_size_and_time_are_linear():
    """All parameters of an LSTM, factored: T = 50 in under two seconds, and a constant amount more for every step."""
    sizes, seconds = {}, {}
    for steps in (50, 100, 200):
        start = time.process_time()
        u = bg.cell("lstm").unroll(steps)
        made = Adjoints(u.derive("U_f").local_factors, list(u.parameters))
        sizes[steps] = (len(made.parts), sum(len(p.pieces) for p in made.parts))
        _ = [u.derive(w).factored for w in u.parameters]
        seconds[steps] = time.process_time() - start
    assert seconds[50] < 2 and seconds[200] < 8
    for i in (0, 1):
        assert sizes[200][i] - sizes[100][i] == 2 * (sizes[100][i] - sizes[50][i])


def test_beyond_the_cap_the_count_is_exact_and_at_once():
    start = time.process_time()
    d = bg.cell("lstm").unroll(40).derive("U_f")
    # dynamic programming by hand: p(n) = 5 p(n−1) − p(n−2) paths over n steps, for every loss and every use
    p = [1, 5]
    while len(p) < 40:
        p.append(5 * p[-1] - p[-2])
    assert d.count == sum((40 - n) * p[n] for n in range(40))
    with pytest.raises(BPTTError, match=re.escape(f"{d.count} chain-rule terms") + ".*cap of 200"):
        _ = d.terms
    assert len(d.first_terms(3)) == 3 and len(d.factored) < 400
    assert time.process_time() - start < 2
