"""What comes out: SVG by Graphviz and by us, DOT, PDF, PNG; engines that fail; hostile names; the same bytes twice."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from draw_graphs import NAMES, sample
from drawings import SVG, edges_of, hostile_graph, skeleton

import bpttgraph.draw.engines as engines
from bpttgraph.core.variables import VariableGraph
from bpttgraph.draw import draw, engine_report
from bpttgraph.draw.data import Data
from bpttgraph.draw.dot import write_dot
from bpttgraph.draw.figure import Figure
from bpttgraph.draw.svg import write_svg
from bpttgraph.draw.theme import THEMES
from bpttgraph.errors import BPTTError

needs_pygraphviz = pytest.mark.skipif(not any(r["name"] == "pygraphviz" and r["available"] for r in engine_report()),
                                      reason="no pygraphviz here")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@needs_pygraphviz
def test_graphviz_and_our_own_writer_draw_the_same(name: str) -> None:
    graph = sample(name, 3)
    figure = draw(graph)
    assert figure.engine == "pygraphviz" and figure.engine_note == ""
    own = write_svg(figure.layout)
    assert skeleton(figure.svg) == skeleton(own)
    ids = [i for i, _, _ in skeleton(own) if i]
    assert len(ids) == len(set(ids)) and all(re.fullmatch(r"[A-Za-z][\w.-]*", i) for i in ids)
    theirs, ours = edges_of(figure.svg), edges_of(own)
    assert set(theirs) == set(ours) == {link.id for link in graph.links}
    shift = re.search(r'class="picture" transform="translate\((\S+) (\S+)\)"', figure.svg)
    dx, dy = (float(shift[1]), float(shift[2])) if shift else (0.0, 0.0)
    for key in theirs:
        (a,), (b,) = theirs[key].findall(SVG + "path"), ours[key].findall(SVG + "path")
        mine = [float(v) for v in re.findall(r"-?[\d.]+", b.get("d", ""))]
        drawn = [float(v) for v in re.findall(r"-?[\d.]+", a.get("d", ""))]
        assert len(mine) == len(drawn)
        for k, (u, v) in enumerate(zip(drawn, mine, strict=True)):
            assert u + (dy if k % 2 else dx) == pytest.approx(v, abs=0.6), key


def test_svg_is_accessible_and_needs_no_font() -> None:
    svg = draw(sample("rnn", 2)).svg
    root = ET.fromstring(svg)
    assert root.get("role") == "img" and root.get("aria-label") == "Vanilla RNN, 2 steps"
    assert root.findtext(SVG + "title") and root.findtext(SVG + "desc")
    assert "<text" not in svg and "font" not in svg
    node = next(g for g in root.iter(SVG + "g") if g.get("data-id") == "h[1]")
    assert node.get("class") == "node state" and (node.findtext(SVG + "title") or "").startswith("h₁: state")
    used = {u.get("href") for u in root.iter(SVG + "use")}
    assert used == {"#" + (p.get("id") or "") for p in root.findall(f"{SVG}defs/{SVG}path")}
    assert "<text" in draw(sample("rnn", 2), labels="text").svg


def test_truncation_is_visible() -> None:
    graph = sample("rnn", 4)
    cut = {"h[1]->h[2]": ("cut", ()), "h[2]->h[3]": ("partly", (3, 4))}
    links = tuple(replace(k, cut=cut[k.id][0], cut_for=cut[k.id][1]) if k.id in cut else k for k in graph.links)
    figure = draw(replace(graph, links=links))
    marks = [m.id for m in figure.layout.marks if m.cls == "cut-mark"]
    assert marks == ["h[1]->h[2] 0", "h[1]->h[2] 1", "h[2]->h[3] 0"]
    edges = figure.layout.edges
    assert edges["h[1]->h[2]"].style.dash and edges["h[1]->h[2]"].cls == "edge recurrent cut-cut"
    assert "step 3, 4" in edges["h[2]->h[3]"].title and not edges["h[2]->h[3]"].style.dash
    words = {m.label.text for m in figure.layout.marks if m.cls == "legend" and m.label}
    assert {"gradient cut (truncated)", "gradient cut for some losses"} <= words


_HASHED = """
import sys, zlib
sys.path[:0] = [{tests!r}, {root!r}]
from draw_graphs import sample
from bpttgraph.draw import draw
for name in ("lstm", "seq2seq", "bidirectional"):
    f = draw(sample(name, 9))
    print(name, *(zlib.crc32(b) for b in (f.svg.encode(), f.dot.encode(), f.pdf)))
print(zlib.crc32(draw(sample("rnn", 2)).png))
"""


def test_the_same_bytes_under_every_hash_seed() -> None:
    tests = Path(__file__).parents[1]
    code = _HASHED.format(tests=str(tests / "helpers"), root=str(tests.parent))
    runs = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True,
                       check=True, text=True).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(runs) == 1 and runs.pop().strip()


PY = [sys.executable, "-c"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ([*PY, "import sys; sys.exit(1)"], "status 1"),
        ([*PY, "import os; os.abort()"], "status"),
        ([*PY, "import time; time.sleep(30)"], "took longer"),
        ([*PY, "print('garbage')"], "not SVG"),
        ([*PY, ""], "wrote nothing"),
        ([*PY, "print('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')"], "lost the"),
        ([*PY, "import sys; print('<svg/>'); print('Error: lost', file=sys.stderr)"], "reported an error"),
        (["/nonexistent/python"], "could not be started"),
    ],
)
def test_an_engine_that_fails_is_replaced(monkeypatch: pytest.MonkeyPatch, command: list[str], reason: str) -> None:
    monkeypatch.setattr(engines, "WORKER", command)
    monkeypatch.setattr(engines, "TIME_LIMIT", 0.5 if "sleep" in command[-1] else 20.0)
    monkeypatch.setattr(engines, "_program", lambda: None)
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: object())
    figure = draw(sample("rnn", 2))
    assert len(edges_of(figure.svg)) == len(sample("rnn", 2).links)
    assert figure.engine == "built-in"
    assert reason in figure.engine_note and "\n" not in figure.engine_note


@needs_pygraphviz
def test_an_engine_that_loses_one_edge_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    code = engines._CODE.replace("prog='nop2')", "prog='nop2').replace(b'h_5b_1_5d_&#45;', b'gone')")
    monkeypatch.setattr(engines, "WORKER", [*engines.WORKER[:-1], code])
    monkeypatch.setattr(engines, "_program", lambda: None)
    figure = draw(sample("rnn", 2))
    assert figure.engine == "built-in" and "lost the line h[1]->" in figure.engine_note


def test_without_any_engine_there_is_still_svg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(engines, "_program", lambda: None)
    figure = draw(sample("lstm", 3))
    assert figure.engine == "built-in" and "pygraphviz is not installed" in figure.engine_note
    ET.fromstring(figure.svg)
    report = engine_report()
    assert [r["name"] for r in report if r["used"]] == ["built-in"]
    assert all(set(r) == {"name", "available", "used", "reason", "version"} for r in report)


def test_importing_is_cheap() -> None:
    code = "import sys, bpttgraph.draw; print([m for m in ('ziamath', 'graphviz', 'pygraphviz') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.stdout.strip() == "[]"
    draw(sample("rnn", 1)).svg  # noqa: B018
    assert "pygraphviz" not in sys.modules


@pytest.mark.parametrize("labels", ["math", "text"])
def test_hostile_names_stay_text(labels: str) -> None:
    graph = hostile_graph()
    figure = draw(graph, labels=labels)
    own = write_svg(figure.layout, labels)
    for svg in (figure.svg, own):
        root = ET.fromstring(svg)
        allowed = {"svg", "title", "desc", "defs", "path", "rect", "g", "use", "text", "ellipse", "polygon", "circle"}
        assert {e.tag.removeprefix(SVG) for e in root.iter()} <= allowed
        assert not [a for e in root.iter() for a in e.attrib if a.startswith("on")]
        assert len(edges_of(svg)) == len(graph.links)
    figure.pdf, figure.png  # noqa: B018
    assert figure.engine_note == ""


@needs_pygraphviz
@pytest.mark.parametrize(
    "graph", [hostile_graph(), sample("seq2seq", 9), sample("gru", 1, True)], ids=["hostile", "s2s", "gru"]
)
def test_dot_is_valid_and_complete(graph: VariableGraph) -> None:
    figure = draw(graph)
    for text in (figure.dot, write_dot(figure.layout, text=False)):
        svg = engines._pygraphviz(text)
        engines._check(figure.layout, engines._drawn(svg, "test"), "test")
    assert "neato -n2" in figure.dot


@pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz program here")
def test_a_graphviz_program_draws_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "WORKER", [""])
    figure = draw(sample("lstm", 3))
    assert figure.engine == "graphviz", figure.engine_note


def test_png(tmp_path: Path) -> None:
    figure = draw(sample("rnn", 2))
    data = figure.png
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert abs(width - 2 * figure.layout.width) <= 2 and abs(height - 2 * figure.layout.height) <= 2
    start = data.index(b"IDAT") + 4
    rows = zlib.decompress(data[start : data.index(b"IEND") - 8])
    assert len(rows) == height * (3 * width + 1)
    pixels = {
        rows[k * (3 * width + 1) + 1 :][3 * c : 3 * c + 3] for k in range(0, height, 7) for c in range(0, width, 3)
    }
    assert b"\xff\xff\xff" in pixels and bytes.fromhex("D3E0EE") in pixels and len(pixels) > 20


def test_pdf(tmp_path: Path) -> None:
    figure = draw(sample("lstm", 3))
    data = figure.pdf
    assert data.startswith(b"%PDF-1.4") and data.rstrip().endswith(b"%%EOF")
    start = int(data.split(b"startxref\n")[1].split()[0])
    assert data[start : start + 4] == b"xref"
    for k, offset in enumerate(re.findall(rb"(\d{10}) 00000 n", data), 1):
        assert data[int(offset) :].startswith(b"%d 0 obj" % k)
    if shutil.which("pdftoppm"):
        (tmp_path / "a.pdf").write_bytes(data)
        done = subprocess.run(["pdftoppm", "-r", "20", "-png", str(tmp_path / "a.pdf"), str(tmp_path / "p")],
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0 and not done.stderr and list(tmp_path.glob("p*.png"))


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf", "dot"])
def test_save(tmp_path: Path, suffix: str) -> None:
    figure = draw(sample("rnn", 1))
    target = tmp_path / f"bild.{suffix}"
    figure.save(target)
    made = getattr(figure, suffix)
    assert target.read_bytes() == (made if isinstance(made, bytes) else made.encode())
    assert [p.name for p in tmp_path.iterdir()] == [target.name]


def test_save_explains(tmp_path: Path) -> None:
    figure = draw(sample("rnn", 1))
    with pytest.raises(BPTTError, match=r"\.svg, \.png, \.pdf or \.dot"):
        figure.save(tmp_path / "x.jpg")
    with pytest.raises(BPTTError, match="cannot write"):
        figure.save(tmp_path / "none" / "x.svg")
    for bad in ({"view": "sideways"}, {"theme": "pink"}, {"labels": "x"}, {"fold": 3}, {"view": "folded"}):
        with pytest.raises(BPTTError):
            draw(sample("rnn", 1), **bad)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("theme", ["light", "print", "dark"])
def test_themes_have_a_legend(theme: str) -> None:
    figure = draw(sample("lstm", 3), theme=theme)
    words = {m.label.text for m in figure.layout.marks if m.cls == "legend" and m.label}
    assert {"within a step", "to another step", "cell line", "use of a parameter", "shared parameter", "loss"} <= words
    assert isinstance(figure, Figure) and figure._repr_svg_() == figure.svg


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", list(THEMES))
def test_themes_can_be_read(name: str) -> None:
    theme = THEMES[name]
    grounds = [theme.paper, *theme.bands]
    for ground in grounds:
        assert contrast(theme.ink, ground) >= 7 and contrast(theme.faint, ground) >= 4.5
        assert contrast(theme.gradient_ink, ground) >= 4.5
        for cls in ("forward", "recurrent", "cell-line", "parameter", "gradient"):
            assert contrast(theme.edge[cls].stroke, ground) >= 3, cls
        for style in theme.node.values():
            assert contrast(style.stroke, ground) >= 3
            assert contrast(theme.ink, ground if style.fill == "none" else style.fill) >= 4.5
    assert contrast(f"#{theme.heat[-1]:06X}", theme.paper) > 5 > contrast(f"#{theme.heat[0]:06X}", theme.paper)


def test_print_is_grey() -> None:
    for view in ("forward", "backward", "contributions"):
        graph = sample("lstm", 3)
        data = Data("W_f", triangle={(1, 1): 1.0, (2, 1): 0.2}, uses={1: 1.0}) if view == "contributions" else None
        colours = set(re.findall(r"#([0-9A-Fa-f]{6})\b", draw(graph, view, theme="print", data=data).svg))
        assert colours and all(c[:2] == c[2:4] == c[4:] for c in colours), view


@pytest.mark.parametrize("suffix", ["svg", "dot", "tikz"])
def test_hostile_names_in_every_level_of_detail(suffix: str) -> None:
    """Names as a label function hands them over; whatever the level, they stay text."""
    from bpttgraph.draw.data import Label

    graph = hostile_graph()
    label = lambda name: Label("<mtext>&lt;script&gt;</mtext>", name, r"\text{x}", "op", name)  # noqa: E731
    made = str(getattr(draw(graph, data=Data(label=label)), suffix))
    if suffix == "dot":  # inside quotes only
        made = re.sub(r'"(?:[^"\\]|\\.)*"', "", made)
    if suffix == "tikz":  # comments name what is drawn
        made = re.sub(r"(?m)^  % .*$", "", made)
    assert "<script" not in made


def test_a_rectangle_is_filled_as_any_polygon_is() -> None:
    """The short way for rectangles against the general one (a fifth corner in the middle of a side keeps it off), also
    half outside the paper; and a thin line costs only the pixels on it."""
    from bpttgraph.draw.raster import _blend, _rectangle

    for x0, y0, x1, y1 in [(2.3, 3.6, 9.8, 7.1), (-3.0, 1.0, 4.5, 30.0), (4.25, 4.25, 4.5, 4.75), (3.0, 2.0, 8.0, 6.0)]:
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
        general = np.insert(corners, 1, [(x0 + x1) / 2, y0], axis=0)
        assert _rectangle([corners]) == (x0, y0, x1, y1) and _rectangle([general]) is None
        short, long = np.full((2, 20, 12, 3), 255.0)
        _blend(short, [corners], "#102030")
        _blend(long, [general], "#102030")
        assert np.allclose(short, long, atol=1e-9) and short.min() < 255
    assert _rectangle([np.array([(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 2.0)])]) is None


class NarrowNumPy:
    """NumPy as on a platform whose integers have 32 bits: places are int32, and what counts or repeats takes nothing
    wider."""

    def __getattr__(self, name: str) -> object:
        return {"intp": np.int32}.get(name) or getattr(np, name)

    def arange(self, *args: int, dtype: object = np.int32) -> object:
        return np.arange(*args, dtype=dtype)

    def cumsum(self, x: np.ndarray, **options: object) -> object:
        return np.cumsum(x, dtype=x.dtype, **options)

    def argsort(self, x: np.ndarray, **options: object) -> object:
        return np.argsort(x, **options).astype(np.int32)

    def bincount(self, x: np.ndarray, *args: object) -> object:
        assert np.can_cast(x.dtype, np.int32, "safe"), x.dtype
        return np.bincount(x, *args)

    def repeat(self, x: np.ndarray, count: np.ndarray) -> object:
        assert np.can_cast(count.dtype, np.int32, "safe"), count.dtype
        return np.repeat(x, count)


def test_a_png_where_integers_have_32_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    from bpttgraph.draw import raster

    figure = draw(sample("lstm", 3))
    wide = figure.png
    monkeypatch.setattr(raster, "np", NarrowNumPy())
    assert raster.write_png(figure.layout) == wide


def test_dot_shows_entities_as_they_stand() -> None:
    """Graphviz reads `&lt;` in a label as `<`: an ampersand of ours is an entity itself."""
    from bpttgraph.draw.dot import _quote

    assert _quote("a&lt;b & c") == '"a&amp;lt;b &amp; c"'


@pytest.mark.parametrize("name", NAMES)
def test_arrows_in_dot_point_from_what_is_read_to_what_reads(name: str) -> None:
    graph = sample(name, 3)
    lines = re.findall(r'^ *"([^"]+)" -> "([^"]+)" \[', draw(graph).dot, re.MULTILINE)
    links = {(link.source, link.target) for link in graph.links}
    assert (
        lines and {(a, b) for a, b in lines if a != b} <= links and len(links) > len({(b, a) for a, b in links} & links)
    )
