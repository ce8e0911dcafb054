"""Documents as LaTeX: escaped, balanced, broken where a line may end; compiled without overfull boxes (slow)."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import bpttgraph as bg
from bpttgraph.document import Document, build
from bpttgraph.document.beamer import _frames, _shown
from bpttgraph.document.blocks import Display, Para
from bpttgraph.document.latex_text import code, flow, math, text
from bpttgraph.formulas.expr import partial, product, symbol
from bpttgraph.formulas.latex import LatexPrinter

EVIL = r"\input{/etc/passwd} $x$ % & # _ ^ ~ \end{document} \end{verbatim} ``a'' -- é ⊙ 中 δ̄ <b> |"
PACKAGES = {"geometry", "fontenc", "lmodern", "amsmath", "amssymb", "array", "longtable", "booktabs", "tikz"}


def hostile() -> Document:
    source = f"# title: {EVIL}\n# source: {EVIL}\nh[t] = tanh(W h[t-1] + x[t])  # {EVIL}"
    return build(bg.recurrence(source).unroll(2), "W", None, command=f"bpttgraph derive - # {EVIL}")


@pytest.fixture(scope="module")
def rnn() -> Document:
    u = bg.cell("rnn").unroll(3)
    return build(u, "W_hh", u.derive("W_hh").check(), command="bpttgraph derive rnn --wrt W_hh -o out")


def test_article_is_whole(rnn: Document) -> None:
    assert rnn.latex.count(r"\begin{tikzpicture}") == rnn.latex.count(r"\end{tikzpicture}") >= 1
    assert not re.search(r"\\(input|include|includegraphics)\b", rnn.latex)
    assert {
        p for names in re.findall(r"\\usepackage(?:\[.*?\])?\{(.*?)\}", rnn.latex) for p in names.split(",")
    } <= PACKAGES
    for part in ("T = 3", "truncation: none", "Werbos", r"\verdict{right}", "Elman"):
        assert part in rnn.latex
    assert rnn.latex.isascii() and rnn.beamer.isascii()


def test_environments_close_in_order(rnn: Document) -> None:
    for source in (rnn.latex, rnn.beamer, hostile().latex, hostile().beamer):
        body = re.sub(r"(?<!\\)%.*", "", source[source.index(r"\begin{document}") :])
        open_: list[str] = []
        for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
            if kind == "begin":
                open_.append(name)
            else:
                assert open_.pop() == name
        assert open_ == []
        plain = re.sub(r"\\[{}\\]", "", body)
        assert plain.count("{") == plain.count("}")


def test_a_frame_a_step() -> None:
    u = bg.cell("rnn").unroll(3)
    steps = [s for s in u.derive("W_hh").worked("full") if s.rule in ("chain", "adjoint", "delta")]
    full = build(u, "W_hh", detail="full").beamer
    frames = re.findall(r"\\begin\{frame\}.*?\\end\{frame\}", full, re.DOTALL)
    shown = [f for f in frames if "From each variable" in f or "The way back, the last step first" in f]
    assert len(shown) == len(steps) and all(f.count(r"\begin{derivation}") == 1 for f in shown)
    assert all(f.count(r"\begin{tikzpicture}") + f.count(r"\begin{derivation}") <= 3 for f in frames)
    assert "aspectratio=169" in full
    drawn = [f for f in frames if "tikzpicture" in f]
    assert drawn and not any(r"\begin{derivation}" in f for f in drawn)


def test_text_is_escaped() -> None:
    assert "\\input" not in text(EVIL) and "\\end" not in text(EVIL) and "\\input" not in code(EVIL)
    assert not set("$%#_^~&") & set(code("a\\b{c}$%#_^~&"))
    assert text("x̄") == r"\={x}" and text("é") == r"\'{e}" and text("中") == "[U+4E2D]"
    assert math("γ中") == r"\gamma \text{[U+4E2D]}"


def test_line_breaks() -> None:
    factors = [partial(f"h[{i + 1}]", (3,), f"h[{i}]", (3,)) for i in range(30)]
    broken = LatexPrinter(widest=88).show(product(*factors))
    assert "aligned" in broken and "aligned" not in math(broken)
    assert math(broken) == LatexPrinter().show(product(*factors))
    assert flow(broken).count(r"\allowbreak") == 29
    assert flow(r"\left(a + b\right)") == r"\left(a + b\right)"
    wide = flow(r"\left[" + " + ".join(["abc"] * 20) + r"\right]^{\top}")
    assert wide.startswith(r"\bigl[") and wide.endswith(r"\bigr]^{\top}") and wide.count(r"\allowbreak") == 19
    assert flow(r"-a \, x^{-1}").startswith("-a") and r"^{-1}" in flow(r"-a \, x^{-1}")
    assert math(symbol("h", ()).name) == "h"


def compiled(source: str, folder: Path) -> str:
    """The log."""
    (folder / "a.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=180)
    assert done.returncode == 0, done.stdout[-1500:]
    return (folder / "a.log").read_text(errors="replace")


def overfull(log: str) -> list[str]:
    return [x for x, size in re.findall(r"(Overfull \\[hv]box \(([\d.]+)pt.*)", log) if float(size) > 2]


latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")


@latex
@pytest.mark.slow
@pytest.mark.parametrize("name", bg.cells())
def test_articles_compile_and_stay_on_the_page(name: str, tmp_path: Path) -> None:
    u = bg.cell(name).unroll(3)
    for wrt in (next(iter(u.parameters)), "all"):
        assert overfull(compiled(build(u, wrt, None).latex, tmp_path)) == []


@latex
@pytest.mark.slow
@pytest.mark.parametrize("name", ["rnn", "deep-rnn", "lstm", "lstm-peephole", "gru-reset-after", "seq2seq"])
def test_slides_compile_and_stay_on_the_frame(name: str, tmp_path: Path) -> None:
    u = bg.cell(name).unroll(3)
    for detail in ("slide", "lecture"):
        assert overfull(compiled(build(u, next(iter(u.parameters)), None, detail=detail).beamer, tmp_path)) == []


@latex
@pytest.mark.slow
def test_hostile_names_compile(tmp_path: Path) -> None:
    for source in (hostile().latex, hostile().beamer):
        compiled(source, tmp_path)


def test_a_talk_is_short_and_keeps_steps_whole() -> None:
    """What a lecturer shows: a slide, a lecture, or everything; a reason is never parted from its formula."""
    u = bg.cell("rnn").unroll(3)
    sources = {detail: build(u, "W_hh", detail=detail).beamer for detail in ("slide", "lecture", "full")}
    counts = {detail: source.count(r"\begin{frame}") for detail, source in sources.items()}
    assert counts["slide"] <= 8 < counts["lecture"] <= 15 < counts["full"]
    for source in sources.values():
        assert r"\delta_{h,1}" in source and "The check" in source
    assert "How to read" not in sources["lecture"] and "How to read" in sources["full"]
    for name in ("lstm", "deep-rnn"):
        u = bg.cell(name).unroll(3)
        d = build(u, next(iter(u.parameters)))
        frames = list(_frames(_shown(d.blocks[2:], "lecture"), False))
        firsts, lasts = zip(*[(f.blocks[0], f.blocks[-1]) for f in frames if f.blocks])
        parted = [a for a, b in zip(lasts, firsts[1:]) if isinstance(a, Para) and isinstance(b, Display)]
        assert parted == [] and len(frames) > 10


def test_no_dollar_of_a_text_opens_a_formula() -> None:
    for escaped in (text(r"5$ and $x$ and \(y\)"), code(r"5$ and $x$ and \(y\)")):
        assert not re.search(r"(?<!\\)\$", escaped) and not re.search(r"(?<!\\)\\\(", escaped)
    assert text("5$ and $x$") == r"5\$ and \$x\$"
