"""Sizes: the right form for slide, page and poster in every format, and words that can be read there."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from geometry import overlap, words_at
from pictures import unrolled

import bpttgraph as bg
from bpttgraph.draw.marks import Layout
from bpttgraph.draw.pages import PAGES
from bpttgraph.errors import BPTTError

SVG = "{http://www.w3.org/2000/svg}"
PICTURES: list[tuple[str, dict[str, Any]]] = [
    ("rnn", {}),
    ("rnn", {"view": "backward"}),
    ("rnn", {"detail": "equations"}),
    ("lstm", {}),
    ("lstm", {"view": "cell"}),
    ("lstm", {"detail": "variables"}),
    ("gru", {"detail": "variables"}),
    ("gru", {"view": "cell"}),
]


def size(layout: Layout) -> tuple[float, float]:
    return layout.width * layout.scale, layout.height * layout.scale


@pytest.mark.parametrize(("name", "options"), PICTURES)
@pytest.mark.parametrize("fit", list(PAGES))
def test_the_form_and_the_words(name: str, options: dict[str, Any], fit: str) -> None:
    p = unrolled(name).draw(**options, fit=fit).layout
    wide, high = size(p)
    page = PAGES[fit]
    assert wide == pytest.approx(page.width, abs=0.02) and high <= page.height + 0.02
    if page.whole:
        assert high == pytest.approx(page.height, abs=0.02)
    least = {"slide": 8.5, "page": 5.0, "poster": 22.0}[fit]
    assert p.smallest_text >= least, p.smallest_text
    words = [(m.id, words_at(m)) for m in p.marks if m.kind in ("text", "band") and m.label and m.label.glyphs]
    for k, (a, ra) in enumerate(words):
        assert min(ra) >= 0 and ra[2] <= p.width and ra[3] <= p.height, a
        assert not [b for b, rb in words[k + 1 :] if overlap(ra, rb)], a


def test_a_slide_is_16_to_9_in_every_format() -> None:
    figure = unrolled("lstm").draw(fit="slide")
    root = ET.fromstring(figure.svg)
    assert (root.get("width"), root.get("height")) == ("960", "540")
    _, _, w, h = map(float, (root.get("viewBox") or "").split())
    assert w / h == pytest.approx(16 / 9, abs=1e-3)
    assert struct.unpack(">II", figure.png[16:24]) == (1920, 1080)
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", figure.pdf)
    assert box and (float(box[1]), float(box[2])) == (960, 540)
    assert "paperwidth=960bp,paperheight=540bp" in figure.tex and r"\scalebox{0.6" in figure.tikz
    assert 'size="13.3333,7.5000!"' in figure.dot


def test_smallest_text_is_what_the_svg_shows() -> None:
    """The letter x of the legend, measured in the finished SVG: x is 0.547 of the size high in that font."""
    figure = unrolled("rnn").draw(fit="poster", labels="math")
    root = ET.fromstring(figure.svg)
    scale = float(root.get("width") or 0) / float((root.get("viewBox") or "").split()[2])
    legend = next(m for m in figure.layout.marks if m.cls == "legend" and m.label and m.label.text == "output").label
    assert legend is not None
    letter = legend.glyphs[1]  # u, as high as x
    heights = [float(v) for v in re.findall(r"-?\d+\.?\d*", letter.path)][1::2]
    size = (max(heights) - min(heights)) * letter.scale * scale / 0.56
    assert size >= 24.0 and size >= figure.layout.smallest_text


def test_too_crowded_says_so() -> None:
    crowded = bg.cell("lstm").unroll(steps=5).draw("backward", fit="page", fold=False)
    assert re.match(r"names are \d\.\d points high on this page; 6 can be read", crowded.note)
    assert unrolled("rnn").draw(fit="slide").note == "" == unrolled("lstm").draw().note
    with pytest.raises(BPTTError, match="'slide', 'page', 'poster'"):
        unrolled("rnn").draw(fit="a4")


def test_without_a_page_nothing_is_scaled() -> None:
    assert unrolled("rnn").draw().layout.scale == 1.0
    assert "scalebox" not in unrolled("rnn").draw().tikz and " size=" not in unrolled("rnn").draw().dot


@pytest.mark.parametrize(("name", "options"), [
    (name, options)
    for name in ("rnn", "lstm", "lstm-peephole", "gru", "seq2seq")
    for options in ({"view": "backward"}, {"view": "paths"}, {"detail": "equations"})
])  # fmt: skip
@pytest.mark.parametrize("steps", [3, 8])
def test_every_slide_can_be_read(name: str, options: dict[str, Any], steps: int) -> None:
    """Names of nine points on 960 by 540, all terms and steps accounted for: drawn, or counted as not drawn."""
    u = unrolled(name, steps)
    figure = u.draw(**options, fit="slide")
    assert figure.note == "" and 15 * figure.layout.scale >= 9
    scene = figure.scene
    hidden = sum(s.hidden for s in scene.slots)
    assert hidden + sum(s.kind == "step" for s in scene.slots) == sum(u.steps.values())
    if options.get("view") == "paths":
        count = u.derive(scene.data.wrt).count
        assert len(scene.data.terms) + scene.data.left_out == count
        assert f"{count - len(scene.data.terms):,} more" in figure.layout.title or len(scene.data.terms) == count
        drawn = {m.id for m in figure.layout.marks if m.kind == "node"}
        links = {link.split("->")[0] for term in scene.data.terms for link in term.links}
        assert links <= drawn or u.recurrence.blocks  # no part of a term is folded away


def test_the_way_back_of_lstm_at_three_steps_is_whole_on_a_slide() -> None:
    figure = unrolled("lstm").draw("backward", fit="slide")
    labels = [m for m in figure.layout.marks if m.cls == "jacobian"]
    assert not figure.scene.folded and not figure.scene.hidden and len(labels) == len(figure.layout.edges) == 36


def test_wide_ways_back_fold_above_four_steps() -> None:
    def shown(name: str, steps: int, **options: Any) -> list[int]:
        return [s.hidden or -(s.step or 0) for s in unrolled(name, steps).draw("backward", **options).scene.slots[1:]]

    assert shown("lstm", 4) == [-1, -2, -3, -4] and shown("gru", 5) == [-1, 2, -4, -5] == shown("lstm", 5)
    assert shown("rnn", 8) == [-t for t in range(1, 9)] == shown("lstm", 8, fold=False)
