"""The code block of every document, taken out of each format and run: escapes, line ends and spaces included."""

from __future__ import annotations

import html
import json
import re
from functools import cache
from html.parser import HTMLParser
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from printed_code import arguments
from truth import complex_step

import bpttgraph as bg
from bpttgraph.derive.code import Code
from bpttgraph.derive.symbolic import symbolic_of
from bpttgraph.document import Document, build
from bpttgraph.document.blocks import Code as Block
from bpttgraph.document.formats import formats
from bpttgraph.document.whole import everything
from bpttgraph.errors import BPTTError

NASTY = (
    "h[t] = max(0, W h[t-1] + w' * x[t]) - 2^(δ * h[t-1]); c[t] = sigmoid(delta * c[t-1] + np * h[t]) * γ; "
    "E[t] = squared_error(V c[t], target[t]) + softplus(ж * sum(h[t]))"
)
SYSTEMS = {"rnn": None, "lstm": None, "gru": None, "bidirectional": None, "nasty": NASTY}


@cache
def document(name: str, wrt: str) -> tuple[Document, Code, bg.Unrolled]:
    rec = bg.cell(name) if SYSTEMS[name] is None else bg.recurrence(SYSTEMS[name] or "")
    u = rec.unroll(3)
    key = wrt or next(iter(u.parameters))
    return build(u, key, detail="full"), symbolic_of(u, key).printed("backward"), u


class Pre(HTMLParser):
    """The text of all <pre> elements, by their label."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.label = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "pre":
            self.label = dict(attrs).get("aria-label") or ""
            self.found[self.label] = ""

    def handle_endtag(self, tag: str) -> None:
        self.label = "" if tag == "pre" else self.label

    def handle_data(self, data: str) -> None:
        if self.label:
            self.found[self.label] += data


def from_html(d: Document) -> str:
    parser = Pre()
    parser.feed(d.html)
    return parser.found["The backward pass as NumPy code"]


def from_markdown(d: Document) -> str:
    return next(
        m[2]
        for m in re.finditer(r"^(`{3,})\w*\n(.*?)\n\1$", d.markdown, re.DOTALL | re.MULTILINE)
        if "def backward(" in m[2]
    )


def from_typst(d: Document) -> str:
    """#raw("…", block: true), a string of Typst: escapes as in JSON, but for \\u{…}."""
    for m in re.finditer(r'#raw\("((?:[^"\\]|\\.)*)", block: true\)', d.typst):
        text = re.sub(r"\\u\{([0-9a-fA-F]+)\}", lambda u: chr(int(u[1], 16)), m[1])
        text = json.loads(f'"{text}"', strict=False)
        if "def backward(" in text:
            return text
    raise AssertionError("no code")


_GREEK = {r"\delta": "δ", r"\gamma": "γ", r"\mu": "μ"}


def untex(text: str) -> str:
    """What TeX would set: spaces, characters by number, letters by name."""
    text = text.replace(r"\strut", "").replace("~", " ").replace(r"\ ", " ")
    # a number ends where no digit follows
    text = re.sub(r"\\char(\d+)\\allowbreak\{\}", lambda m: chr(int(m[1])), text)
    text = re.sub(r"\\ensuremath\{(\\\w+)\}", lambda m: _GREEK[m[1]], text)
    return re.sub(r"\\=\{(\w)\}", "\\1\u0304", text)


def listings(source: str) -> list[str]:
    found = re.findall(r"\{\\footnotesize\\ttfamily\\raggedright\\hangafter=1 (.*?)\\par\}", source, re.DOTALL)
    return ["\n".join(map(untex, text.split(r"\\"))) for text in found]


def from_latex(d: Document) -> str:
    return next(text for text in listings(d.latex) if "def backward(" in text)


def from_beamer(d: Document) -> str:
    """Code that is too long for a frame goes on in the next."""
    parts = listings(d.beamer)
    first = next(i for i, text in enumerate(parts) if "import numpy" in text)
    last = next(
        i for i, text in enumerate(parts) if i >= first and re.search(r"^    (return \{.*\}|\})$", text, re.MULTILINE)
    )
    return "\n".join(parts[first : last + 1])


def as_it_stands(text: str) -> str:
    """In a format that escapes nothing in program text: the lines as they are, however far indented."""
    m = re.search(r"^( *)import numpy as np\n.*?^\1    (return \{[^\n]*\}|\})$", text, re.DOTALL | re.MULTILINE)
    assert m is not None, "no code; a format that escapes program text needs a reader here"
    return dedent(m[0])


READERS = {"html": from_html, "md": from_markdown, "typ": from_typst, "tex": from_latex, "beamer": from_beamer}
"""What undoes a format's escapes, for those that have any in program text."""
TEXTS = [f.name for f in formats().values() if f.holds == "derivation" and not f.needs]  # a PDF is its Typst source


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("wrt", ["all", ""])
def test_the_code_of_every_format_is_the_text_that_was_run(name: str, wrt: str) -> None:
    made, code, u = document(name, wrt)
    data = u.instance(seed=2)
    run = u.numbers.run(data, schedule=False)
    names = everything(u) if wrt else list(code.gradients)
    truth = {w: complex_step(u, data, w) for w in names}
    for kind in TEXTS:
        text = READERS[kind](made) if kind in READERS else as_it_stands(str(made.written(kind)))
        assert text.strip("\n") == code.text.strip("\n"), kind
        space: dict[str, Any] = {}
        exec(text, space)
        for key, value in space["backward"](**arguments(code, u, run)).items():
            w = key.replace("[T+1]", "[4]")
            assert np.allclose(value, truth[w], rtol=1e-9, atol=1e-12), (kind, w)


def test_lines_of_a_long_code_stand_on_paper_as_they_are() -> None:
    made, code, _ = document("lstm", "all")
    assert html.unescape(made.html).count("def backward(") == 1
    assert max(map(len, code.text.splitlines())) <= 100


def test_a_document_says_why_there_is_no_code() -> None:
    u = bg.cell("rnn").unroll(3, truncate="sliding:2")
    made = build(u, "all")
    assert "There is no NumPy code, because" in made.markdown
    assert not any(isinstance(b, Block) and "NumPy" in b.label for b in made.blocks)


def test_states_before_step_zero_have_a_place() -> None:
    u = bg.recurrence("h[t] = tanh(W h[t-1] + U h[t-2] + x[t]); E[t] = dot(b, h[t])").unroll(3)
    made = build(u, "all").markdown
    assert "stand 2 rows of zeros" in made and "`[-1]` is the last one" in made


def test_code_that_is_not_the_gradient_makes_no_document(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from bpttgraph.derive import code as module

    real = module.numpy_code
    monkeypatch.setattr(module, "numpy_code", lambda *a: replace(m := real(*a), text=m.text.replace("[t+1]", "[t]")))
    with pytest.raises(BPTTError, match="printed NumPy code"):
        build(bg.cell("rnn").unroll(3), "W_hh", detail="full")
