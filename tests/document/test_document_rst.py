"""Documents as reStructuredText: docutils and Sphinx build them with every warning an error, and no name is markup."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bpttgraph as bg
from bpttgraph.document import Document, build
from bpttgraph.document.blocks import Bullets, Code, Heading, Math, Mono, Para, Strong, Table, Verdict
from bpttgraph.document.rst import write_rst

docutils = pytest.importorskip("docutils.core")

STRICT = {"halt_level": 2, "report_level": 2, "raw_enabled": False, "file_insertion_enabled": False}
EVIL = (
    "<script>\"'>&$`|`x`_ *a* **b** |c| _`t` [1]_ ``q`` :math:`x` http://e.org a@b.org foo_ foo__ :: \\ 中é {{ }} "
    ".. raw:: html end::"
)
STARTS = [
    "- a", "* a", "+ a", "1. a", "(1) a", "#. a", "A. a", "i) a", ".. raw:: html", ".. _a: b", "| a", ">>> a", ":a: b",
    "====", "--a", "-a", "/V a", "..", "__ a", "+--+", "\\", "`", "``", "*", "**", "a::", "::", "_", "|", "• a",
    "[1]_", " ",
]  # fmt: skip


def tree(text: str) -> Any:
    return docutils.publish_doctree(text, settings_overrides=STRICT)


def test_text_stays_text_wherever_it_stands() -> None:
    """One block of each kind around a hostile text: the tree holds the same text, and nothing but what we wrote."""
    for evil in (EVIL, *STARTS, *(f"{s} and more" for s in STARTS)):
        t = (evil,)
        blocks = (Heading(1, ("title",), "top"), Heading(2, ("x ", *t), "a"), Para(t), Bullets((t, t)),
                  Para(("a", Strong(evil), "b ", Mono(evil), ".")), Table(t, (t, ("b",)), ((t, t),)),
                  Verdict("wrong", t), Code(evil, "code"))  # fmt: skip
        made = tree(write_rst(Document("t", blocks)))
        shown = evil.strip()
        section = made if made.tagname == "document" else made[0]
        kinds = [n.tagname for n in section.children if n.tagname not in ("title", "subtitle")]
        expected = ["paragraph", "bullet_list", "paragraph", "table", "admonition"] + ["literal_block"] * bool(shown)
        assert kinds == expected or not shown, (evil, kinds)
        if shown:
            assert [p.astext() for p in section.findall(lambda n: n.tagname == "paragraph")].count(shown) >= 5, evil
            assert section.children[-1].astext() == evil.rstrip()
        names = {n.tagname for n in made.findall()}
        assert not names & {"reference", "target", "raw", "substitution_reference", "footnote_reference", "problematic"}


def test_formulas_and_program_text_come_back_as_they_were() -> None:
    x = Math("<mi>x</mi>", r"\frac{a_{1}}{b}\,", 3)
    code = "    indented\n\n\tback`tick` \\ **x**\nend"
    made = tree(
        write_rst(Document("t", (Heading(1, ("t",), "top"), Para(("a", x, "b", x, ", c", x)), Code(code, "c"))))
    )
    found = [n.astext() for n in made.findall(lambda n: n.tagname == "math")]
    assert found == [x.latex] * 3
    assert made.children[-1].astext() == code.expandtabs(8)
    assert made.astext().split("\n\n")[1].startswith("a" + x.latex + "b")


def test_levels_of_headings_are_never_skipped() -> None:
    levels = (1, 2, 4, 3, 2, 4, 4)
    blocks = tuple(Heading(n, (f"part {i} 中",), f"a{i}") for i, n in enumerate(levels))
    assert "part 6" in tree(write_rst(Document("t", blocks))).astext()


def documents() -> dict[str, Document]:
    made = {}
    for name in ("rnn", "lstm", "gru"):
        u = bg.cell(name).unroll(3)
        w = next(iter(u.parameters))
        made[name] = build(u, w, u.derive(w).check(), detail="full", command=f"bpttgraph derive {name}")
    made["whole"] = build(bg.cell("seq2seq").unroll(2), "all")
    made["greek"] = build(bg.recurrence("h[t] = φ_é(δ * h[t-1] + 状態 * x[t])").unroll(2), ["δ", "状態"])
    text = f"# title: {EVIL}\n# source: {EVIL}\nh[t] = tanh(W h[t-1] + x[t])  # {EVIL}\n   # .. raw:: html"
    made["hostile"] = build(bg.recurrence(text).unroll(2), "W", command=f"bpttgraph # {EVIL}", detail="full")
    return made


@pytest.mark.parametrize("builder", ["html", "latex"])
def test_sphinx_is_content(builder: str, tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    made = documents()
    for name, document in made.items():
        document.save(tmp_path / name, "rst")
        tree((tmp_path / name / "derivation.rst").read_text(encoding="utf-8"))
    (tmp_path / "conf.py").write_text("extensions = ['sphinx.ext.mathjax']\n")
    (tmp_path / "index.rst").write_text(
        "Course\n======\n\n.. toctree::\n\n" + "".join(f"   {name}/derivation\n" for name in made)
    )
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", builder, ".", "made"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    if builder == "html":
        page = (tmp_path / "made" / "rnn" / "derivation.html").read_text(encoding="utf-8")
        assert page.count('class="math') > 100 and "highlight-python" in page and "backward-W_hh" in page
        for path in (tmp_path / "made").rglob("derivation.html"):
            assert "<script>alert" not in path.read_text(encoding="utf-8")
