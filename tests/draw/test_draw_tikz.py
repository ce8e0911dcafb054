"""TikZ: every label and arrow is there, hostile names stay text, and LaTeX compiles it where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from draw_graphs import NAMES, sample
from drawings import hostile_graph

import bpttgraph as bg
from bpttgraph.draw import draw
from bpttgraph.draw.figure import Figure


def figures() -> list[tuple[str, Figure]]:
    u = bg.cell("lstm").unroll(steps=3)
    data = u.instance()
    views = [(v, u.draw(v, wrt="U_f", data=data)) for v in ("backward", "paths", "contributions")]
    a = bg.tensor(2.0, "a")
    more = [
        ("expression", bg.draw_graph((a * 3.0 + a) ** 2)),
        ("primitives", u.draw(detail="primitives", theme="print")),
        ("slide", u.draw(detail="equations", fit="slide")),
    ]
    return [
        *more,
        ("hostile", draw(hostile_graph())),
        ("folded", bg.cell("seq2seq").draw()),
        ("cell", u.draw("cell")),
        *views,
    ]


def test_tikz_draws_everything_and_is_the_same_twice() -> None:
    for name in NAMES:
        figure = draw(sample(name))
        edges = re.findall(r"^  % edge (.*)$", figure.tikz, re.MULTILINE)
        assert len(edges) == len(figure.layout.edges)
        assert figure.tikz == draw(sample(name)).tikz and figure.tikz.isascii()
    assert "$\\displaystyle h_{1}$" in draw(sample("rnn")).tikz
    assert r"\frac{\partial h_{2}}{\partial h_{1}}" in bg.cell("rnn").unroll(steps=2).draw("backward").tikz


def test_hostile_names_are_escaped() -> None:
    text = re.sub(r"(?m)^  % .*$", "", draw(hostile_graph()).tex)
    bare = re.sub(r"\\[A-Za-z]+|\\[{}$&#%_]", "", text)
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    assert "#" not in bare and "&" not in bare and text.isascii()
    assert r"\input" not in draw(sample("rnn")).tikz.replace(r"\inputlineno", "")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles_it(tmp_path: Path) -> None:
    for name, figure in figures():
        figure.save(tmp_path / f"{name}.tex")
        done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"],
                              cwd=tmp_path, capture_output=True, text=True, timeout=120)  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Output written" in done.stdout and "(1 page" in done.stdout
