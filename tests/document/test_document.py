"""Documents: well-formed, self-contained, deterministic, safe against hostile names, and saying what they must."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pages import read

import bpttgraph as bg
from bpttgraph.check import check_gradients
from bpttgraph.document import Document, build
from bpttgraph.document.blocks import Display, Math, Row
from bpttgraph.document.equations import function_name
from bpttgraph.document.fonts import font_face

ABSTRACT = "h[t] = f_1(x[t], h[t-1]; w_h, w_x); y[t] = f_2(x[t], h[t-1]; w_y)"


@pytest.fixture(scope="module")
def rnn() -> Document:
    u = bg.cell("rnn").unroll(3)
    return build(u, "W_hh", u.derive("W_hh").check(), command="bpttgraph derive rnn --wrt W_hh --steps 3 -o out")


def test_page_is_whole_and_small(rnn: Document) -> None:
    page = read(rnn.html)
    assert len(rnn.html.encode()) < 300_000
    assert ("lang", "en") in page.attributes and "viewport" in rnn.html
    assert page.tags.count("h1") == 1 and page.tags.count("svg") == 2 and page.tags.count("title") >= 1
    assert ("scope", "col") in page.attributes
    assert "prefers-color-scheme" in rnn.html and "@media print" in rnn.html


def test_page_says_what_it_must(rnn: Document) -> None:
    for text in (rnn.html, rnn.markdown):
        for part in ("6 terms", "comparisons", "the complex step", "u·S", "Werbos", "numerator layout", "Elman"):
            assert part in text
        assert "bpttgraph derive rnn --wrt W_hh --steps 3 -o out" in text
        assert "T = 3" in text and "truncation: none" in text
    assert r"\operatorname{diag}\left(1 - h_{t}^{2}\right) \, W_{hh}" in rnn.markdown
    assert "(t=3,\\ k=1)" in rnn.markdown
    assert "h[t] = tanh(W_hh @ h[t-1]" in rnn.markdown


def test_factors_name_edges_of_the_picture(rnn: Document) -> None:
    pictures = re.findall(r"<svg.*?</svg>", rnn.html, re.DOTALL)
    formulas = re.sub(r"<svg.*?</svg>", "", rnn.html, flags=re.DOTALL)
    edges = {i for svg in pictures for i in re.findall(r'data-id="([^"]*)"', svg)}
    factors = {i for ids in re.findall(r'data-id="([^"]*)"', formulas) for i in ids.split()}
    assert factors and factors <= edges


def test_markdown_resolves(rnn: Document) -> None:
    assert re.findall(r"\]\(([^)]*)\)", rnn.markdown) == ["backward-W_hh.svg", "forward.svg"]
    assert rnn.markdown.count("$$") % 2 == 0
    outside = re.sub(r"```.*?```|\$\$.*?\$\$", "", rnn.markdown, flags=re.DOTALL)
    for line in outside.splitlines():
        assert line.replace(r"\$", "").count("$") % 2 == 0, line
    for formula in re.findall(r"\$\$(.*?)\$\$", rnn.markdown, re.DOTALL):
        assert formula.count("{") == formula.count("}")
        assert formula.count(r"\left") == formula.count(r"\right")
    rows = [line.count("|") for line in outside.splitlines() if line.startswith("|")]
    assert rows and min(rows) >= 3


def test_long_sums_are_begun_and_counted() -> None:
    u = bg.cell("lstm").unroll(6)
    document = build(u, ["U_f"], None)
    read(document.html)
    assert "4,214 terms" in document.markdown and "and 4,202 more" in document.markdown
    assert len(document.html.encode()) < 600_000


def test_many_steps_stay_readable() -> None:
    document = build(bg.cell("rnn").unroll(40), ["W_hh", "b_h"], None)
    read(document.html)
    assert "in the same way" in document.markdown and "⋮" in document.markdown
    assert len(document.html.encode()) < 1_500_000


def test_long_displays_break_over_printed_pages() -> None:
    x = Math("<mi>x</mi>", "x", 1)
    rows = (Row(x, Math("<mi>left</mi>", "l", 4), "="), *[Row(x, None, "+")] * 29)
    html = Document("t", (Display(rows, "long"),)).html
    read(html)
    parts = re.findall("<math.*?</math>", html)
    assert [p.count("<mtr") for p in parts] == [12, 12, 6]
    assert ["<mphantom><mi>left</mi></mphantom>" in p for p in parts] == [False, True, True]


def test_abstract_functions_stay_abstract() -> None:
    u = bg.recurrence(ABSTRACT).unroll(3)
    document = build(u, "w_h", None, command="bpttgraph derive -")
    read(document.html)
    assert "No check was possible" in document.html and "--let" in document.html
    assert "f_{1}\\left(x_{t}, h_{t-1};\\, w_{h}, w_{x}\\right)" in document.markdown
    assert "With the local Jacobians put in" not in build(u, "w_h", None, detail="full").markdown


def test_no_path_gives_zero() -> None:
    u = bg.cell("rnn").unroll(3, loss=[1])
    document = build(u, "x[1]", None)
    assert "gradient is 0" not in document.markdown
    document = build(bg.cell("rnn").unroll(3, loss=[3], truncate="sliding:1"), "x[1]", None)
    read(document.html)
    assert "gradient is 0" in document.markdown


def test_wrong_report_says_so() -> None:
    u = bg.cell("rnn").unroll(2)
    report = check_gradients(u, ["W_hh"])
    report.broken = "the oracles <disagree>"
    html = build(u, "W_hh", report).html
    read(html)
    assert "verdict wrong" in html and "&lt;disagree&gt;" in html


@pytest.mark.parametrize("wrt", ["b_h", "h[0]", "x[1]", "h[2]"])
def test_by_anything(wrt: str) -> None:
    read(build(bg.cell("rnn").unroll(2), wrt, None).html)


def test_options_show() -> None:
    u = bg.cell("rnn").unroll(4, truncate="sliding:2", loss=[2, 4], reduce="mean")
    document = build(u, "W_hh", None)
    read(document.html)
    assert "no gradient back" in document.html
    assert r"\frac{1}{2}" in document.markdown


def test_every_cell_in_time() -> None:
    start = time.process_time()
    for name in bg.cells():
        u = bg.cell(name).unroll(2)
        document = build(u, next(iter(u.parameters)), None)
        read(document.html)
        assert document.markdown
    assert time.process_time() - start < 20


def test_hostile_text_stays_text() -> None:
    evil = "<script>alert(1)</script>\"'>]]>&$`|"
    text = f"# title: {evil}\n# source: {evil} [x](javascript:1)\nh[t] = tanh(W h[t-1] + x[t])  # {evil}"
    u = bg.recurrence(text).unroll(2)
    document = build(u, "W", None, command=f"bpttgraph derive - # {evil}")
    page = read(document.html)
    assert page.tags.count("script") == 1  # our own
    assert "<script>alert" not in document.html and "alert(1)" in document.html
    outside = re.sub(r"```.*?```", "", document.markdown, flags=re.DOTALL)
    active = re.sub(r"\\.", "", outside)  # without what is escaped
    assert "<" not in active and "](javascript" not in active


def test_a_fence_in_the_source_does_not_end_the_listing() -> None:
    u = bg.recurrence("h[t] = tanh(W h[t-1] + x[t])  # ```\n# <b>").unroll(1)
    assert "````text" in build(u, "W", None).markdown


def test_font_is_embedded_with_its_notice() -> None:
    assert "font/woff2;base64," in font_face() and "SIL Open Font License" in font_face()
    assert len(font_face()) < 80_000


def test_function_names() -> None:
    assert function_name("sigmoid").latex == r"\sigma"
    assert function_name("cross_entropy").latex == r"\operatorname{cross~entropy}"
    assert function_name("g_1").latex == "g_{1}"


def test_same_bytes_in_every_process(tmp_path: Path) -> None:
    code = (
        "import sys, hashlib, bpttgraph as bg; from bpttgraph.document import build\n"
        "u = bg.cell('gru').unroll(2); d = build(u, list(u.parameters)[:2], u.derive(list(u.parameters)[0]).check())\n"
        "print(hashlib.sha256((d.html + d.markdown).encode()).hexdigest())"
    )
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


def test_names_of_pictures_differ():
    rec = bg.recurrence("h[t] = tanh(δ h[t-1] + ε x[t])")
    document = build(rec.unroll(2), ["δ", "ε", "h[0]"])
    files = re.findall(r"\]\((backward[^)]*)\)", document.markdown)
    assert files == ["backward--u3b4.svg", "backward--u3b5.svg", "backward-h-0.svg"]


def test_long_lists_of_names_are_broken_in_code():
    code = bg.cell("lstm").derive("all").code()
    head, end = code[: code.index("):")], code[code.index("return") :]
    assert max(map(len, (head + end).splitlines())) <= 88 and head.count("\n") > 4
    assert "def gradients(T, W_hh, W_hy, h, target, y):" in bg.cell("rnn").derive("W_hh").code()


@pytest.mark.parametrize(("right", "mark"), [(True, "✓"), (False, "✗")])
def test_the_mark_says_what_the_verdict_says(right: bool, mark: str) -> None:
    u = bg.cell("rnn").unroll(2)
    report = check_gradients(u, ["W_hh"])
    if not right:
        report.broken = "the oracles disagree"
    state = "right" if right else "wrong"
    shown = re.findall(
        r'<p class="verdict (\w+)"><span class="mark" aria-hidden="true">(.)</span>', build(u, "W_hh", report).html
    )
    assert (state, mark) in shown and all(m == {"right": "✓", "wrong": "✗"}.get(s, "–") for s, m in shown)
