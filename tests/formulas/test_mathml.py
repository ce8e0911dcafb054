"""The MathML of documents and of every printed level: valid MathML Core, and laid out by a real browser at any
width."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from browsers import FOUND, Browser, Chromium

import bpttgraph as bg
from bpttgraph.document import build

CELLS = ("rnn", "deep-rnn", "lstm", "lstm-peephole", "gru-reset-after")
LEVELS = ("chain", "local", "matrix", "elements", "numbers")
WIDTHS = (1000, 420)

# https://www.w3.org/TR/mathml-core/: elements with the number of children that they must have (None: any)
ELEMENTS: dict[str, int | None] = {
    "math": None, "mrow": None, "mi": 0, "mn": 0, "mo": 0, "mtext": 0, "ms": 0, "mspace": 0, "mfrac": 2, "msqrt": None,
    "mroot": 2, "mstyle": None, "mpadded": None, "mphantom": None, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2,
    "mover": 2, "munderover": 3, "mtable": None, "mtr": None, "mtd": None,
}  # fmt: skip
GLOBAL = {
    "class",
    "dir",
    "displaystyle",
    "id",
    "mathbackground",
    "mathcolor",
    "mathsize",
    "scriptlevel",
    "style",
    "tabindex",
    "role",
}
OWN = {
    "math": {"display", "alttext"},
    "mi": {"mathvariant"},
    "mo": {
        "form",
        "fence",
        "separator",
        "lspace",
        "rspace",
        "stretchy",
        "symmetric",
        "maxsize",
        "minsize",
        "largeop",
        "movablelimits",
    },
    "mspace": {"width", "height", "depth"},
    "mfrac": {"linethickness"},
    "mpadded": {"width", "height", "depth", "lspace", "voffset"},
    "munder": {"accentunder"},
    "mover": {"accent"},
    "munderover": {"accent", "accentunder"},
    "mtd": {"columnspan", "rowspan"},
}
LENGTH = re.compile(r"-?\d*\.?\d+(em|ex|px|%)|0")


def faults(mathml: str) -> list[str]:
    """What MathML Core does not know, or would show as an error, in one `<math>` element."""
    found = []
    root = ET.fromstring(mathml)
    parents = {c: p for p in root.iter() for c in p}
    for e in root.iter():
        tag = e.tag.removeprefix("{http://www.w3.org/1998/Math/MathML}")
        if tag not in ELEMENTS:
            found.append(f"<{tag}>")
            continue
        if ELEMENTS[tag] is not None and len(e) != ELEMENTS[tag]:
            found.append(f"<{tag}> with {len(e)} children")
        if tag in ("mi", "mn", "mo", "mtext") and not (e.text or "").strip() and tag != "mtext":
            found.append(f"empty <{tag}>")
        if ELEMENTS[tag] != 0 and ((e.text or "").strip() or any((c.tail or "").strip() for c in e)):
            found.append(f"text in <{tag}>")
        above = parents[e].tag.rpartition("}")[2] if e in parents else ""
        if {"mtr": "mtable", "mtd": "mtr"}.get(tag, above) != above or (tag == "math") == bool(above):
            found.append(f"<{tag}> in <{above}>")
        if (above == "mtable") != (tag == "mtr") or (above == "mtr") != (tag == "mtd"):
            found.append(f"<{tag}> in <{above}>")
        for key, value in e.attrib.items():
            if not (key in GLOBAL or key in OWN.get(tag, ()) or key.startswith(("data-", "aria-"))):
                found.append(f"{tag} {key}=")
            if key in ("lspace", "rspace", "width", "height", "depth") and not LENGTH.fullmatch(value):
                found.append(f"{tag} {key}={value}")
            if key == "mathvariant" and value != "normal":
                found.append(f"{tag} {key}={value}")
    return found


@cache
def document(name: str) -> str:
    u = bg.cell(name).unroll(steps=3)
    return build(u, next(w for w in u.parameters if w[0] in "WU"), detail="full" if name == "rnn" else "lecture").html


@cache
def printed(name: str) -> tuple[str, ...]:
    """A derivation at every level, for T steps, and as a lecture."""
    rec = bg.cell(name)
    u = rec.unroll(steps=2)
    out = []
    for wrt in (next(iter(u.parameters)), "h1[0]" if name == "deep-rnn" else "h[0]"):
        d = u.derive(wrt)
        out += [d.mathml(level) for level in LEVELS]
        g = rec.derive(wrt)
        out += [g.mathml(), g.closed_form.mathml(), *(s.mathml() for s in d.worked("full"))]
    return tuple(m for text in out for m in maths(text))


def maths(text: str) -> list[str]:
    return re.findall(r"<math\b.*?</math>", text, re.S)


def test_faults_are_found() -> None:
    assert faults("<math><mfrac><mi>a</mi></mfrac></math>") == ["<mfrac> with 1 children"]
    assert faults("<math><mfenced><mi>a</mi></mfenced></math>") == ["<mfenced>"]
    assert faults("<math><mtable columnalign='left'><mtr><mtd/></mtr></mtable></math>") == ["mtable columnalign="]
    assert faults("<math><mrow>a</mrow></math>") == ["text in <mrow>"]
    assert faults("<math><mtable><mtd/></mtable></math>") != [] != faults("<math><mi mathvariant='bold'>a</mi></math>")
    assert faults("<math><mspace width='thin'/></math>") == ["mspace width=thin"]


@pytest.mark.parametrize("name", CELLS)
def test_mathml_core_only(name: str) -> None:
    for text in (*maths(document(name)), *printed(name)):
        assert faults(text) == [], text


# -- in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    if FOUND["chromium"] is None:
        pytest.skip("no chromium here")
    found = Chromium(tmp_path_factory.mktemp("chromium"))
    yield found
    found.close()


LOOK = """
const out = [], wide = innerWidth + 0.5;
if (document.documentElement.scrollWidth > innerWidth) {
  const e = [...document.body.querySelectorAll('*')].find(e => e.getBoundingClientRect().right > wide && !scrolls(e));
  out.push('the page is ' + document.documentElement.scrollWidth + ' wide: ' + (e ? e.outerHTML.slice(0, 200) : ''));
}
function scrolls(e) {
  for (let p = e; p; p = p.parentElement) if (['auto', 'scroll'].includes(getComputedStyle(p).overflowX)) return true;
  return false;
}
if (document.querySelector('merror')) out.push('merror');
for (const m of document.querySelectorAll('math')) {
  const r = m.getBoundingClientRect();
  if (!(r.width > 0 && r.height > 0)) out.push('no box: ' + m.outerHTML.slice(0, 200));
  if (r.right > wide && !scrolls(m)) out.push('beyond the page: ' + m.outerHTML.slice(0, 200));
}
for (const f of document.querySelectorAll('mfrac')) {
  const [a, b] = [...f.children].map(e => e.getBoundingClientRect());
  const apart = Math.abs((a.left + a.right) - (b.left + b.right));
  if (a.bottom > b.top + 1 || apart > 3) out.push('no fraction: ' + f.outerHTML);
}
for (const e of document.querySelectorAll('.formula, .scroll, figure, div.picture, pre')) {
  if (e.getBoundingClientRect().right > wide) out.push('a container beyond the page: ' + e.outerHTML.slice(0, 100));
  const cut = e.scrollHeight > e.clientHeight + 2 && getComputedStyle(e).overflowY === 'hidden';
  if (cut) out.push('cut below: ' + e.outerHTML.slice(0, 200));
}
return [document.querySelectorAll('math').length, document.querySelectorAll('mfrac').length, out];
"""


def look(browser: Chromium, file: Path, text: str, width: int) -> tuple[int, int, list[str]]:
    file.write_text(text, encoding="utf-8")
    browser.page("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.open(file.as_uri())
    many, fractions, wrong = browser.run(LOOK)
    return many, fractions, wrong


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", CELLS)
def test_documents_show(browser: Chromium, tmp_path: Path, name: str, width: int) -> None:
    browser.errors.clear()
    many, fractions, wrong = look(browser, tmp_path / "a.html", document(name), width)
    assert wrong == [] and many > 60 and fractions > 40
    assert browser.errors == [] and [r for r in browser.requests if not r.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("name", CELLS)
def test_printed_levels_show(browser: Chromium, tmp_path: Path, name: str) -> None:
    lines = "".join(f"<div style='overflow-x:auto'>{m}</div>" for m in printed(name))
    many, fractions, wrong = look(browser, tmp_path / "a.html", f"<!doctype html><meta charset=utf-8>{lines}", 1000)
    assert wrong == [] and many == len(printed(name)) > 10 and fractions > 10


def test_the_browser_can_say_no(browser: Browser, tmp_path: Path) -> None:
    bad = "<!doctype html><meta charset=utf-8><math><mtext>" + "w" * 400
    bad += "</mtext></math><math></math><math><mfrac><mi>a</mi><mi>b</mi><mi>c</mi></mfrac></math><merror></merror>"
    assert isinstance(browser, Chromium)
    wrong = look(browser, tmp_path / "a.html", bad, 1000)[2]
    assert any("beyond" in w for w in wrong) and any("no box" in w for w in wrong) and "merror" in wrong
    assert any(w.startswith("the page is") for w in wrong)
