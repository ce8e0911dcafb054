"""Every registered format: it is complete and safe, written whole or not at all, and one file adds it."""

from __future__ import annotations

import json
import mimetypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import bpttgraph as bg
import bpttgraph.document as room
from bpttgraph.cli import main
from bpttgraph.document import Document, build
from bpttgraph.document.blocks import (
    Beside,
    Bullets,
    Code,
    Display,
    Heading,
    Math,
    Mono,
    Para,
    Picture,
    Strong,
    Table,
    Verdict,
)
from bpttgraph.document.formats import Format, chosen, formats
from bpttgraph.errors import BPTTError
from bpttgraph.machine.optional import OPTIONAL

NAMES = list(formats())
WHOLE = [name for name, f in formats().items() if f.holds == "derivation"]


@cache
def document() -> Document:
    u = bg.cell("rnn").unroll(3)
    return build(u, "W_hh", u.derive("W_hh").check(), detail="full")


def written(made: Document, name: str, tmp_path: Path) -> str:
    """The text that a reader of the file finds."""
    if formats()[name].needs:
        pytest.importorskip(OPTIONAL[formats()[name].needs].module)
    data = made.written(name)
    if isinstance(data, str):
        return data
    if formats()[name].media != "application/pdf" or shutil.which("pdftotext") is None:
        pytest.skip("nothing here reads it")
    (tmp_path / "a").write_bytes(data)
    return subprocess.run(["pdftotext", "a", "-"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout


# -- what a format says of itself


@pytest.mark.parametrize("name", NAMES)
def test_a_format_says_what_everybody_reads(name: str) -> None:
    f = formats()[name]
    assert f.name == name and f.help and f.holds in ("derivation", "picture", "check")
    assert f.pictures in ("svg", "tikz", "beside") and (not f.needs or f.needs in OPTIONAL)
    known = mimetypes.guess_type(f.file)[0]
    assert f.media == known or known is None or f.media.startswith("text/x-")
    assert re.fullmatch(r"[a-z]+\.[a-z]+", f.file) and f.file.endswith(f.suffix)


def test_other_names_mean_the_same() -> None:
    made = document()
    assert made.markdown is made.md and made.written("markdown") is made.md
    assert {"html", "md", "markdown", "rst"} <= set(dir(made))
    assert chosen("markdown,html, md") == ["md", "html"] and chosen([]) == []
    with pytest.raises(AttributeError, match=r"its formats are .*html"):
        made.docx  # noqa: B018
    for asked in (made.written, made.files):
        with pytest.raises(BPTTError, match=r"docx is not a format .*\n.*choose from .*html.*rst"):
            asked("docx")


# -- every format holds the whole derivation


def marked(blocks: Any, marks: list[str]) -> Any:
    """The same blocks with a word of its own for every formula, whatever it says."""
    match blocks:
        case Math():
            marks.append(f"formula{len(marks)}x")
            return Math(f"<mtext>{marks[-1]}</mtext>", rf"\text{{{marks[-1]}}}", 10)
        case tuple():
            return tuple(marked(b, marks) for b in blocks)
        case Heading() | Para() | Verdict():
            return replace(blocks, text=marked(blocks.text, marks))
        case Bullets():
            return replace(blocks, items=marked(blocks.items, marks))
        case Display():
            rows = [replace(r, left=marked(r.left, marks), right=marked(r.right, marks), note=marked(r.note, marks))
                    for r in blocks.rows]  # fmt: skip
            return replace(blocks, rows=tuple(rows))
        case Table():
            t = blocks
            return replace(t, caption=marked(t.caption, marks), head=marked(t.head, marks), rows=marked(t.rows, marks))
        case Picture():
            return replace(blocks, caption=marked(blocks.caption, marks))
        case Beside():
            return replace(blocks, blocks=marked(blocks.blocks, marks), picture=marked(blocks.picture, marks))
    return blocks


@pytest.mark.parametrize("name", WHOLE)
def test_every_format_holds_all_formulas(name: str, tmp_path: Path) -> None:
    marks: list[str] = []
    blocks = document().blocks  # a heading of headings says nothing by itself, and no slide shows it
    kept = tuple(
        b for b, after in zip(blocks, [*blocks[1:], None]) if not isinstance(after, Heading) or after.level < 3
    )
    made = Document("t", marked(kept, marks), "full")
    text = re.sub(r"\s", "", written(made, name, tmp_path)).replace(r"\allowbreak", "")
    assert len(marks) > 200 and [m for m in marks if m not in text] == []


@pytest.mark.parametrize("name", [name for name, f in formats().items() if f.holds == "derivation" and not f.needs])
def test_every_format_holds_all_program_text_and_the_verdict(name: str, tmp_path: Path) -> None:
    words = re.findall(r"[a-z]{4,}", "".join(b.text for b in document().blocks if isinstance(b, Code)))
    text = written(document(), name, tmp_path)
    assert len(words) > 20 and [w for w in words if w not in text] == []
    assert "Right" in text and "comparisons" in text


@pytest.mark.parametrize("name", NAMES)
def test_the_same_document_gives_the_same_file(name: str, tmp_path: Path) -> None:
    if formats()[name].needs:
        pytest.importorskip(OPTIONAL[formats()[name].needs].module)
    first = document().written(name)
    again = formats()[name].write(replace(document()))
    assert first == again and type(first) is type(again)


# -- hostile text

FREE = {"html", "typ"}  # where it does not matter at what a line begins
LINES = [".. raw:: html", "- item", "1. item", "# heading", "| row |", "\\input{x}", "#panic()", "</p><script>", "===="]


@pytest.mark.parametrize("name", WHOLE)
def test_no_text_begins_a_line_of_its_own(name: str) -> None:
    """A line break in a name or a text gives its writer no line of the file, where markup might begin."""
    if name in FREE or formats()[name].needs:
        pytest.skip("its markup is not a matter of lines")
    evil = "".join(f"x{c}{line}{c}" for line in LINES for c in "\n\r\x0b\x0c\x1c\x85\u2028")
    t = (evil,)
    blocks = (Heading(1, ("title",), "top"), Heading(2, t, "a"), Para((evil, Mono(evil), Strong(evil))), Bullets((t,)),
              Table(t, (t, ("b",)), ((t, t),)), Picture("<svg></svg>", evil, t, tikz="x"),
              Verdict("wrong", t))  # fmt: skip
    lines = {line.strip() for line in str(formats()[name].write(Document("t", blocks))).splitlines()}
    assert not lines & set(LINES)


# -- written whole or not at all


@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_written_whole_or_not_at_all(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    if formats()[name].needs:
        pytest.importorskip(OPTIONAL[formats()[name].needs].module)
    folder = tmp_path / "out"
    document().save(folder, name)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert before[formats()[name].file] and set(before) == set(document().files(name))
    for p in folder.iterdir():
        p.write_text("old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BPTTError, match="No space left"):
        document().save(folder, name)
    assert {p.name: p.read_text() for p in folder.iterdir()} == dict.fromkeys(before, "old")


def test_pictures_lie_beside_what_shows_them() -> None:
    for name in WHOLE:
        if not formats()[name].needs:
            beside = formats()[name].pictures == "beside"
            assert (
                ("forward.svg" in document().files(name)) == beside == ("forward.svg" in str(document().written(name)))
            )


def test_a_part_of_a_document_needs_what_it_is_made_of() -> None:
    bare = Document("t", (Heading(1, ("t",), "top"),))
    with pytest.raises(BPTTError, match="without a picture"):
        bare.written("svg")
    assert json.loads(str(bare.written("json"))) == {"right": None, "reason": "no check was run"}
    u = bg.recurrence("h[t] = f(x[t], h[t-1]; w)").unroll(2)
    assert "abstract functions: f" in str(build(u, "w").written("json"))


# -- a stranger's writer

STRANGER = '''
"""Plain text."""
from .blocks import Heading, Sheet
from .formats import Format

def write_plain(document: Sheet) -> str:
    return "".join(f"{b.level} {b.anchor}\\n" for b in document.blocks if isinstance(b, Heading))

FORMATS = (Format("plain", "plain.txt", write_plain, "headings", "text/plain", also=("headings",), needs="typst"),)
'''


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: Any) -> Iterator[Path]:
    (tmp_path / "strange_writer.py").write_text(STRANGER)
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    formats.cache_clear()
    yield tmp_path
    formats.cache_clear()
    sys.modules.pop("bpttgraph.document.strange_writer", None)
    vars(room).pop("strange_writer", None)


def test_one_file_adds_a_format(stranger: Path, monkeypatch: Any) -> None:
    pytest.importorskip("typst")
    run = CliRunner().invoke
    words = ["derive", "rnn", "--wrt", "W_hh", "--steps", "3", "--format", "plain", "-o", str(stranger / "out")]
    done = run(main, words)
    assert done.exit_code == 0 and "wrote plain.txt" in done.output, done.output
    assert (stranger / "out" / "plain.txt").read_text().startswith("1 top\n2 equations\n")
    assert build(bg.cell("rnn").unroll(2), "W_hh").headings.startswith("1 top")
    said = " ".join(run(main, ["derive", "--help"]).output.split())
    assert ", plain, png," in said and "plain needs the extra bpttgraph[typst]" in said
    assert "plain" in run(main, ["derive", "rnn", "--format", "docx"]).output
    assert "plain" in run(main, ["doctor"]).output
    monkeypatch.setitem(sys.modules, "typst", None)
    assert "--format plain needs the package typst" in run(main, words).output
    assert "the package typst is missing" in " ".join(run(main, ["doctor"]).output.split())


def test_two_formats_cannot_share_a_name(stranger: Path) -> None:
    (stranger / "strange_writer.py").write_text(STRANGER.replace('"plain", "plain.txt"', '"md", "plain.txt"'))
    with pytest.raises(TypeError, match="two formats of documents are called md"):
        formats()


def test_a_format_is_one_entry() -> None:
    assert isinstance(formats()["rst"], Format) and formats()["rst"].suffix == ".rst"
    with pytest.raises(TypeError):
        formats()["new"] = formats()["rst"]  # type: ignore[index]
