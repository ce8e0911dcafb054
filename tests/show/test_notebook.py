"""In a notebook everything shows itself, without JavaScript, and hostile names stay text."""

from __future__ import annotations

import importlib.util
import re
import xml.etree.ElementTree as ET
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from pages import Balance

import bpttgraph as bg
from bpttgraph.check import Report
from bpttgraph.document import build

SCRIPT = re.compile(r"<script|javascript:|\son\w+\s*=", re.IGNORECASE)


def objects() -> dict[str, Any]:
    rec = bg.cell("rnn")
    u = rec.unroll(3)
    d = u.derive("W_hh")
    return {
        "recurrence": rec,
        "unrolled": u,
        "derivation": d,
        "symbolic": rec.derive("W_hh"),
        "board": d.worked("lecture"),
        "figure": u.draw(),
        "report": d.check(),
        "document": build(u, "W_hh", None),
    }


SHOWN = objects()


def formats(shown: Any) -> dict[str, str]:
    """What a notebook would store, by the methods that IPython looks for."""
    names = {"text/html": "_repr_html_", "text/latex": "_repr_latex_", "image/svg+xml": "_repr_svg_"}
    return {k: getattr(shown, method)() for k, method in names.items() if hasattr(shown, method)}


def balanced(html: str) -> Balance:
    page = Balance()
    page.feed(html)
    page.close()
    assert page.open == []
    for math in re.findall(r"<math.*?</math>", html, re.DOTALL):
        ET.fromstring(math)
    return page


@pytest.mark.parametrize("name", SHOWN)
def test_everything_shows_itself(name: str) -> None:
    made = formats(SHOWN[name])
    assert made, name
    for media, text in made.items():
        assert not SCRIPT.search(text), (name, media)
        addresses = re.findall(r'(?:href|src|url\()\s*=?\s*["\']?(\w+:[^"\' )]*)', unescape(text))
        assert all(a.startswith("data:") for a in addresses), (name, media, addresses[:3])
        if media == "text/html":
            balanced(text)
        elif media == "text/latex":
            assert text.startswith("$$") and text.endswith("$$") and text.count("{") == text.count("}")
        else:
            ET.fromstring(text[text.index("<svg") :])
    assert formats(objects()[name]) == made  # the same again


def test_what_is_shown() -> None:
    rec = formats(SHOWN["recurrence"])
    assert "<svg" in rec["text/html"] and rec["text/html"].count("<mtr>") == 4
    assert r"h_{t} &= \tanh" in rec["text/latex"]
    assert "∂" in SHOWN["derivation"]._repr_html_() and SHOWN["derivation"]._repr_html_().count("<mtr>") == 6
    assert SHOWN["symbolic"]._repr_html_().count("<math") == len(SHOWN["symbolic"].recursions)
    assert "their effects on the loss add up" in SHOWN["board"]._repr_html_()
    assert "✓" in SHOWN["report"]._repr_html_()
    assert "one parameter" in str(SHOWN["board"]) and isinstance(SHOWN["board"], list)


def test_a_document_is_a_frame_of_its_own() -> None:
    html = SHOWN["document"]._repr_html_()
    page = balanced(html)
    assert page.tags == ["iframe"] and ("sandbox", "allow-same-origin") in page.attributes
    inside = unescape(re.search(r'srcdoc="([^"]*)"', html)[1])  # type: ignore[index]
    assert "<script" not in inside and "<h1" in inside and inside.count("<svg") == 2


def test_bundles_make_what_is_asked_for() -> None:
    for name in ("derivation", "symbolic"):
        shown = SHOWN[name]
        whole = shown._repr_mimebundle_()
        assert set(whole) == {"text/html", "text/latex", "text/plain"}
        assert set(shown._repr_mimebundle_(include={"text/latex"})) == {"text/latex"}
        assert set(shown._repr_mimebundle_(exclude={"text/html"})) == {"text/latex", "text/plain"}
        assert whole["text/plain"] == repr(shown)


def test_more_terms_than_the_cap_are_factored() -> None:
    d = bg.cell("lstm").unroll(8).derive("U_f")
    assert d.count > d.cap
    assert d._repr_html_().count("<math") == len(d.factored) and "$$" in d._repr_latex_()


def test_hostile_names_stay_text() -> None:
    evil = "<script>alert(1)</script>\"'>]]>&"
    rec = bg.recurrence(f"# title: {evil}\nh[t] = tanh(W h[t-1] + x[t])  # {evil}")
    rec.title = evil
    u = rec.unroll(2)
    d = u.derive("W")
    report = Report(evil, d.check().findings, (evil,), evil, evil, "")
    for shown in (rec, u, d, rec.derive("W"), d.worked("full"), u.draw(), report, build(u, "W", report, command=evil)):
        for text in formats(shown).values():
            assert "<script" not in text
            if not text.startswith("$$"):
                balanced(text[text.index("<") :])


CELLS = [
    'import bpttgraph as bg\nrec = bg.cell("rnn")\nrec',
    "u = rec.unroll(3)\nu",
    'd = u.derive("W_hh")\nd',
    'd.worked("slide")',
    'rec.derive("W_hh")',
    'u.draw(view="backward", wrt="W_hh")',
    "d.check()",
    'from bpttgraph.document import build\nbuild(u, "W_hh", d.check())',
]


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(m) is None for m in ("nbclient", "nbconvert", "ipykernel")), reason="needs Jupyter"
)
def test_a_real_notebook(tmp_path: Path) -> None:
    import nbformat  # type: ignore[import-not-found,unused-ignore]
    from nbclient import NotebookClient  # type: ignore[import-not-found,unused-ignore]
    from nbconvert import HTMLExporter  # type: ignore[import-not-found,unused-ignore]

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for cell in notebook.cells:
        (output,) = [o for o in cell.outputs if o.output_type == "execute_result"]
        assert {"text/html", "image/svg+xml"} & set(output["data"]), cell.source
    html, _ = HTMLExporter().from_notebook_node(notebook)
    assert html.count("<math") > 20 and "<iframe sandbox" in html
    (tmp_path / "notebook.html").write_text(html, encoding="utf-8")
