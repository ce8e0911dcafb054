"""Long lines are broken where a person would, and nothing of the formula is lost."""

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

import bpttgraph as bg
from bpttgraph.formulas.expr import Expr, add, neg, num, product, symbol, tagged
from bpttgraph.formulas.layout import apart, opened, statement
from bpttgraph.formulas.nodes import BigSum, Blocks
from bpttgraph.formulas.same import same


def letters(text: str) -> str:
    """Without layout."""
    return re.sub(r"\s+", "", text)


def test_nothing_changes_without_a_width():
    d = bg.cell("lstm").unroll(2).derive("U_f")
    assert d.unicode("local") == d.unicode("local", width=10**6)
    assert d.latex("local") == d.latex("local", width=10**6)


def test_lines_of_a_terminal():
    d = bg.cell("lstm").unroll(2).derive("U_f")
    long, short = d.unicode("local"), d.unicode("local", width=40)
    assert max(map(len, long.splitlines())) > 90 > 75 > max(map(len, short.splitlines()))
    assert letters(short.replace("\n    · ", "")) == letters(long)


def test_sums_are_opened():
    t, T = symbol("t"), symbol("T")
    a, b, c = (symbol(f"{x}[t]", (3,)) for x in ("alpha", "beta", "gamma"))
    whole: list[Expr] = [tagged(neg(add(a, neg(b))), "e1"), BigSum((3, 1), "t", num(1), T, add(a, neg(product(t, c))))]
    parts = opened(whole, 5)
    assert len(parts) == 4 and same(add(*parts), add(*whole))
    assert opened(whole, None) == whole and opened(whole, 100) == whole
    text = statement("unicode", whole, symbol("y"), 5)
    assert text.splitlines() == ["y = −αₜ", "  + βₜ", "  + ∑[t=1..T] αₜ", "  − ∑[t=1..T] t γₜ"]
    assert statement("mathml", whole, None, 5).count('data-id="e1"') == 2


def test_wide_matrices_show_some_columns_at_a_time():
    grid = tuple(tuple(symbol(f"A_{i}{j}", (2, 2)) for j in range(6)) for i in range(2))
    right, left = Blocks((4, 12), grid), symbol("J", (4, 12))
    parts = apart(left, right, 14)
    assert [statement("unicode", [x]) for x, _ in parts] == ["(J)_(:,1…4)", "(J)_(:,5…8)", "(J)_(:,9…12)"]
    assert sum(len(b.rows[0]) for _, b in parts if isinstance(b, Blocks)) == 6
    assert [b.rows[0] for _, b in parts if isinstance(b, Blocks)] == [grid[0][:2], grid[0][2:4], grid[0][4:]]
    assert apart(left, right, None) == apart(left, right, 100) == [(left, right)]
    assert "\\begin{bmatrix}" in statement("latex", [parts[0][1]], parts[0][0]) and "mat(" in statement(
        "typst", [parts[0][1]], parts[0][0]
    )


@pytest.mark.parametrize("form", ["latex", "unicode", "mathml", "typst"])
def test_every_printer_takes_a_width(form: str):
    g = bg.cell("lstm").derive("U_f")
    things: list[Any] = [g, g.closed_form, g.recursions[-1], g.closed_form.statements[0]]
    for thing in things:
        wide, narrow = getattr(thing, form)(), getattr(thing, form)(width=24)
        assert wide and narrow
    closed, narrow = getattr(g.closed_form, form)(), getattr(g.closed_form, form)(width=24)
    assert closed != narrow
    if form == "mathml":
        for part in narrow.split("</math>")[:-1]:
            ET.fromstring(part + "</math>")
