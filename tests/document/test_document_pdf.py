"""Documents as Typst and PDF: they compile, say what they must, stay on the page, and take no name for code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import typing
import unicodedata
from pathlib import Path

import pytest

import bpttgraph as bg
from bpttgraph.document import Document, blocks, build
from bpttgraph.document.blocks import (
    Bullets,
    Code,
    Display,
    Heading,
    Math,
    Mono,
    Para,
    Picture,
    Row,
    Strong,
    Table,
    Verdict,
)
from bpttgraph.document.formats import formats
from bpttgraph.document.typst import compile_pdf
from bpttgraph.document.typst_math import pieces, typst_math
from bpttgraph.errors import BPTTError

WRITERS: dict[str, typing.Any] = {
    f.name: f.write for f in formats().values() if f.holds == "derivation" and not f.needs
}
X = Math("<mi>x</mi>", "x", 1)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><path d="M 0 0 L 10 10" stroke="#000000"/></svg>'
TIKZ = "\\begin{tikzpicture}\\draw (0,0) -- (1,1);\\end{tikzpicture}%\n"
PICTURE = Picture(SVG, "a line", ("markpicture",), tikz=TIKZ)


def mark(word: str) -> Math:
    return Math(f"<mtext>mark{word}</mtext>", rf"\text{{mark{word}}}", 8)


EQUALS = {"html": '<mo form="infix">=</mo>', "typ": "relation: $=$", "tex": "}{=}{", "beamer": "}{=}{"}
ONE_OF_EACH: dict[type, blocks.Block] = {
    Heading: Heading(2, ("markheading",), "a"),
    Para: Para(("markpara", X, Mono("m"), Strong("s"))),
    Bullets: Bullets((("markbullets",),)),
    Code: Code("markcode", "code"),
    Display: Display((Row(mark("display"), mark("left"), "=", mark("note"), True),), "lines"),
    Table: Table(("marktable",), (("a",), ("b",)), ((("1",), (X,)),)),
    Picture: PICTURE,
    blocks.Beside: blocks.Beside((Para(("markbeside",)),), PICTURE),
    Verdict: Verdict("right", ("markverdict",)),
}


def test_every_kind_of_block_is_written_by_every_writer() -> None:
    assert set(typing.get_args(blocks.Block)) == set(ONE_OF_EACH)
    for writer in WRITERS.values():
        for kind, example in ONE_OF_EACH.items():
            text = writer(Document("t", (Heading(1, ("title",), "top"), example, Para(("end",)))))
            assert "mark" + kind.__name__.lower() in text, (writer.__name__, kind)


def test_lines_have_a_left_side_a_relation_and_a_note() -> None:
    for name, writer in WRITERS.items():
        text = writer(Document("t", (Heading(1, ("title",), "top"), ONE_OF_EACH[Display])))
        assert "markleft" in text and "marknote" in text and EQUALS.get(name, "& =") in text.replace("&=", "& ="), name


@pytest.mark.parametrize("name", WRITERS)
def test_control_characters_reach_no_page(name: str) -> None:
    """Wherever a text stands: in words, code, a table, a caption, a verdict."""
    evil = "a\x00b\x1b[31mc\x07d\x7f"
    found = (Heading(2, (evil,), "a"), Para((evil, Mono(evil), Strong(evil))), Bullets(((evil,),)), Code(evil, evil),
             Table((evil,), ((evil,), ("b",)), (((evil,), (evil,)),)), Verdict("wrong", (evil,)))  # fmt: skip
    text = WRITERS[name](Document("t", (Heading(1, ("title",), "top"), *found)))
    assert not [c for c in text if unicodedata.category(c) == "Cc" and c not in "\n\t\r\x7f"]


def test_an_unknown_block_is_an_error() -> None:
    for writer in WRITERS.values():
        with pytest.raises(TypeError, match="not a block"):
            writer(Document("t", (Heading(1, ("title",), "top"), "what is this?")))  # type: ignore[arg-type]


def test_formulas_are_cut_where_a_line_may_end() -> None:
    row = "<mrow><mi>a</mi><mo>&#x2062;</mo><mfrac><mi>b</mi><mi>c</mi></mfrac><mo>+</mo><mi>d</mi></mrow>"
    assert [text for _, text in pieces(row)] == ["a", "thin", "frac(b, c)", "+", "d"]
    bracket = f'<mrow><mo stretchy="true">(</mo>{row}<mo stretchy="true">)</mo></mrow>'
    assert len(pieces(bracket)) == 1
    wide = bracket.replace("<mi>d</mi>", "<mi>d</mi><mo>+</mo>" + "<mi>e</mi><mo>+</mo>" * 30 + "<mi>f</mi>")
    assert len(pieces(wide)) > 60 and "stretch" in pieces(wide)[0][1]


@pytest.mark.parametrize(
    "text", ["#eval(1)", '"]) #panic("x")', "$ #x $", "\\u{23}", "*/", "a, b; c: d", "//", "é\u0304 中"]
)
def test_hostile_text_in_formulas(text: str) -> None:
    typst = pytest.importorskip("typst")
    from xml.sax.saxutils import escape

    for tag in ("mi", "mo", "mn", "mtext"):
        made = typst_math(f"<msub><{tag}>{escape(text)}</{tag}><mi>t</mi></msub>")
        assert "#" not in re.sub(r'"(\\.|[^"\\])*"', "", made)
        found = typst.compile(f"$ {made} $".encode(), format="svg")
        assert found


def compiled(document: Document) -> bytes:
    pytest.importorskip("typst")
    return document.pdf


def words(pdf: bytes, tmp_path: Path) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext here")
    (tmp_path / "a.pdf").write_bytes(pdf)
    return subprocess.run(
        ["pdftotext", "-layout", "a.pdf", "-"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout


def test_pdf_says_what_it_must(tmp_path: Path) -> None:
    u = bg.cell("rnn").unroll(3)
    pdf = compiled(build(u, "W_hh", u.derive("W_hh").check(), command="bpttgraph derive rnn -o out"))
    assert pdf.startswith(b"%PDF")
    text = words(pdf, tmp_path)
    for part in (
        "Recurrent network",
        "T = 3",
        "truncation: none",
        "Werbos",
        "Right: ",
        "bpttgraph derive rnn -o out",
        "Elman",
    ):
        assert part in text, part


WIDE = {
    "product": "<mo>&#x2062;</mo>".join(["<msub><mi>abcd</mi><mi>t</mi></msub>"] * 40),
    "sum": "<mo>+</mo>".join(["<mi>abcd</mi>"] * 40),
    "fraction": "<mfrac><mrow>" + "<mi>abcd</mi><mo>+</mo>" * 30 + "<mi>e</mi></mrow><mi>f</mi></mfrac>",
    "matrix": (
        '<mrow><mo stretchy="true">[</mo><mtable><mtr>'
        + "<mtd><mi>abcd</mi></mtd>" * 40
        + '</mtr></mtable><mo stretchy="true">]</mo></mrow>'
    ),
}
WIDE["brackets"] = (
    f'<msup><mrow><mo stretchy="true">[</mo>{WIDE["sum"]}<mo stretchy="true">]</mo></mrow><mi>T</mi></msup>'
)


def edges(pdf: bytes, tmp_path: Path) -> list[float]:
    """The right ends of all words."""
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext here")
    (tmp_path / "a.pdf").write_bytes(pdf)
    command = ["pdftotext", "-bbox", "a.pdf", "-"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    return [float(x) for x in re.findall(r'<word [^>]*xMax="([0-9.]+)"', found)]


RIGHT = 595.3 - 60  # A4; the margin is 62


@pytest.mark.parametrize("kind", WIDE)
def test_wide_formulas_stay_on_the_page(kind: str, tmp_path: Path) -> None:
    wide = Math(f"<mrow>{WIDE[kind]}</mrow>", "", 160)
    table = Table(("wide",), (("a",), ("b",)), ((("1",), (wide,)),))
    for block in (Display((Row(wide, X, "=", X),), "wide"), table):
        found = edges(compiled(Document("t", (Heading(1, ("title",), "top"), block))), tmp_path)
        assert len(found) > 5 and max(found) < RIGHT


@pytest.mark.parametrize("name", ["rnn", "lstm-peephole", "seq2seq"])
def test_nothing_leaves_the_page(name: str, tmp_path: Path) -> None:
    found = edges(compiled(build(bg.cell(name).unroll(3), "all", None)), tmp_path)
    assert len(found) > 300 and max(found) < RIGHT


def test_hostile_names_and_text_compile(tmp_path: Path) -> None:
    evil = '#panic("no") $x$ *b* _i_ `r` <l> @ref "]) \\u{23} // /* é ⊙ 中'
    text = f"# title: {evil}\n# source: {evil}\nh[t] = tanh(W h[t-1] + x[t])  # {evil}"
    document = build(bg.recurrence(text).unroll(2), "W", None, command=f"bpttgraph derive - # {evil}")
    found = words(compiled(document), tmp_path)
    assert '#panic("no")' in found.replace("“", '"').replace("”", '"')


def test_same_bytes_in_every_process() -> None:
    pytest.importorskip("typst")
    code = (
        "import hashlib, bpttgraph as bg; from bpttgraph.document import build\n"
        "d = build(bg.cell('gru').unroll(2), 'U_z', None)\n"
        "print(hashlib.sha256(d.pdf).hexdigest(), hashlib.sha256((d.typst + d.latex + d.beamer).encode()).hexdigest())"
    )
    found = set()
    for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        env = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


def test_without_the_wheel_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(BPTTError, match=r"pip install 'bpttgraph\[typst\]'"):
        compile_pdf("x")


def test_wide_pictures_lie_on_their_side() -> None:
    """On an upright page the names of three LSTM steps would be 5 pt high."""
    pytest.importorskip("typst")
    lstm, rnn = (build(bg.cell(c).unroll(3), w) for c, w in (("lstm", "U_i"), ("rnn", "W_hh")))
    assert lstm.typst.count("#page(flipped: true, picture(") == 1 and "flipped" not in rnn.typst
    sizes = set(re.findall(rb"/MediaBox ?\[0 0 ([0-9.]+) ", lstm.pdf))
    assert len(sizes) == 2
