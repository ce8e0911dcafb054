"""Figures in notebooks and in other tools: the bundle, graphviz.Source, networkx, a `dot` on the PATH."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from draw_graphs import sample
from drawings import edges_of, skeleton
from pictures import unrolled

import bpttgraph.draw.engines as engines
from bpttgraph.draw import draw
from bpttgraph.draw.svg import write_svg

HELPERS = Path(__file__).parents[1] / "helpers"


def test_a_notebook_gets_svg_and_text_and_more_if_it_asks() -> None:
    figure = draw(sample("rnn", 2))
    bundle = figure._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"} and bundle["image/svg+xml"] == figure.svg
    assert bundle["text/plain"] == "<Figure Vanilla RNN, 2 steps: 17 nodes, 22 arrows>" == repr(figure)
    more = figure._repr_mimebundle_(include={"image/png", "text/latex"})
    assert more["image/png"].startswith(b"\x89PNG") and "tikzpicture" in more["text/latex"] and len(more) == 2
    assert set(figure._repr_mimebundle_(exclude={"image/svg+xml"})) == {"text/plain"}
    assert figure._repr_png_() == figure.png and figure._repr_svg_() == figure.svg


def test_source_is_loaded_when_asked_for() -> None:
    code = (
        "import sys; from draw_graphs import sample; from bpttgraph.draw import draw; f = draw(sample('rnn', 1));"
        " f.svg\nassert 'graphviz' not in sys.modules; s = f.source; assert s.source.rstrip() == f.dot.rstrip();"
        " print(type(s))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HELPERS)
    assert done.stdout.strip() == "<class 'graphviz.sources.Source'>", done.stderr


def test_networkx_has_every_node_and_edge_that_primitives_show() -> None:
    u = unrolled("rnn")
    graph = u.graph.to_networkx()
    drawn = u.draw(detail="primitives").layout
    assert set(drawn.nodes) <= set(graph) and graph.number_of_edges() == len(u.graph.edges)
    for m in drawn.edges.values():
        assert graph.has_edge(*m.ends) or m.ends[1] == u.total


# -- engines on the PATH -----------------------------------------------------------------------------------------------

PROGRAM = """#!{python}
import sys
{body}
"""


def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """A PATH with one program, called dot and neato, and no pygraphviz."""
    for name in ("dot", "neato"):
        file = tmp_path / name
        file.write_text(PROGRAM.format(python=sys.executable, body=body))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engines, "WORKER", [""])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit(3)", "status 3"),
        ("sys.stdout.write('<svg')", "not SVG"),
        ("sys.stdout.write('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')", "lost the"),
        ("import time; time.sleep(30)", "took longer"),
        ("sys.stderr.write('Error: trouble\\n'); print('<svg/>')", "reported an error"),
        ("", "wrote nothing"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="programs there are not scripts")
def test_a_bad_program_on_the_path_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    on_path(tmp_path, monkeypatch, body)
    monkeypatch.setattr(engines, "TIME_LIMIT", 0.7 if "sleep" in body else 20.0)
    figure = draw(sample("rnn", 2))
    assert figure.engine == "built-in" and len(edges_of(figure.svg)) == len(sample("rnn", 2).links)
    assert reason in figure.engine_note and "\n" not in figure.engine_note


@pytest.mark.skipif(os.name == "nt", reason="programs there are not scripts")
def test_a_good_program_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for Graphviz: pygraphviz behind the command line that we call."""
    if importlib.util.find_spec("pygraphviz") is None:
        pytest.skip("no pygraphviz here")
    body = (
        "assert sys.argv[1:] == ['-Knop2', '-Tsvg'], sys.argv\nimport pygraphviz\n"
        "sys.stdout.buffer.write(pygraphviz.AGraph(sys.stdin.read()).draw(format='svg', prog='nop2'))"
    )
    on_path(tmp_path, monkeypatch, body)
    figure = draw(sample("lstm", 3))
    assert figure.engine == "graphviz" and skeleton(figure.svg) == skeleton(write_svg(figure.layout))
    assert [r["name"] for r in engines.engine_report() if r["used"]] == ["graphviz"]


@pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz program here")
def test_any_command_of_graphviz_draws_the_dot_text_in_place(tmp_path: Path) -> None:
    figure = draw(sample("lstm", 3))
    drawn = {
        subprocess.run([c, "-Tsvg"], input=figure.dot.encode(), capture_output=True, check=True).stdout
        for c in ("dot", "neato")
    }
    assert len(drawn) == 1
    root = ET.fromstring(drawn.pop())
    groups = {g.get("class") for g in root.iter("{http://www.w3.org/2000/svg}g")}
    assert {"node", "edge", "cluster"} <= groups
    figure.source.render(tmp_path / "x", quiet=True)
    assert (tmp_path / "x.svg").stat().st_size > 1000


_ALONE = """
import socket, sys
def no(*a, **k): raise OSError("no network")
socket.socket.connect = no
socket.create_connection = no
sys.path.insert(0, {tests!r})
from draw_graphs import sample
from bpttgraph.draw import draw
f = draw(sample("rnn", 2))
print(f.engine, len(f.svg), len(f.png), len(f.pdf), "<text" in f.svg)
"""


def test_without_fonts_and_without_network(tmp_path: Path) -> None:
    """An empty font set and no network change nothing: labels are outlines that come with the packages."""
    fonts = tmp_path / "fonts.conf"
    fonts.write_text('<?xml version="1.0"?><!DOCTYPE fonts SYSTEM "fonts.dtd"><fonts></fonts>')
    code = _ALONE.format(tests=str(HELPERS))
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, cwd=HELPERS
        ).stdout
        for env in (
            os.environ | {"FONTCONFIG_FILE": str(fonts), "FONTCONFIG_PATH": str(tmp_path), "HOME": str(tmp_path)},
            dict(os.environ),
        )
    ]
    assert runs[0] == runs[1] and "False" in runs[0]
