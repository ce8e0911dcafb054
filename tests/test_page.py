"""The page that walks through a gradient: what is in it, and how it behaves in a real browser (where there is one)."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.errors import BPTTError
from bpttgraph.page import build_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


@cache
def page(name: str = "rnn", wrt: str = "W_hh", steps: int = 3) -> str:
    return build_page(bg.cell(name).unroll(steps=steps), wrt)


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def in_browser(tmp_path: Path, text: str, script: str, fragment: str = "") -> Any:
    """What `script` (the body of a function) returns after the page's own script has run."""
    probe = (
        "<script>var out; try { out = (function () {" + script + "})(); } catch (e) { out = 'failed: ' + e; }"
        "document.body.innerHTML = ''; var pre = document.createElement('pre'); pre.id = 'result';"
        "pre.textContent = JSON.stringify(out); document.body.appendChild(pre);</script></body>"
    )
    file = tmp_path / "page.html"
    file.write_text(text.replace("</body>", probe), encoding="utf-8")
    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
               "--virtual-time-budget=2000", "--dump-dom", file.as_uri() + fragment]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-800:]
    return json.loads(html.unescape(found[1]))


def test_one_file_small_and_alone() -> None:
    for text in (page(), page("lstm", "U_f")):
        assert len(text.encode()) < 300_000
        assert not re.findall(r'(?:src|href)="(?!#)[^"]*"|@import|https?://(?!www\.w3\.org)', text)
        assert "default-src 'none'" in text and "{{" not in text
    assert page() == build_page(bg.cell("rnn").unroll(steps=3), "W_hh")


def test_terms_numbers_and_frames_are_those_of_the_derivation() -> None:
    u = bg.cell("rnn").unroll(steps=3)
    d, run = u.derive("W_hh"), u.run(u.instance())
    frames = data_of(page())["frames"]
    assert [f["T"] for f in frames] == [1, 2, 3]
    last = frames[-1]
    assert [x["l"] for x in last["terms"]] == [list(x.links) for x in d.terms]
    np.testing.assert_allclose(
        np.sum([x["v"] for x in last["terms"]], axis=0), run.gradients["W_hh"].ravel(), rtol=1e-9
    )
    assert all(cell["ok"] for f in frames for cell in f["cells"].values()) and all(f["ok"] for f in frames)
    for k, frame in enumerate(frames):
        part = page().split(f'data-frame="{k}"')[1].split("</svg>")[0]
        drawn = re.findall(r'class="edge[^"]*" data-id="([^"]*)"', part)
        assert len(drawn) == len(set(drawn)) and {html.unescape(x) for x in drawn} >= set(frame["factors"])
        steps = bg.cell("rnn").unroll(steps=k + 1)
        shown = [x.id for x in steps.links if not {"target", "total", "parameter"} & {
            steps.vgraph.variables[n].role for n in (x.source, x.target)} or x.source == "W_hh"]  # fmt: skip
        assert sorted(html.unescape(x) for x in drawn) == sorted(shown)


@needs_browser
def test_pointing_stepping_and_sliding(tmp_path: Path) -> None:
    out = in_browser(
        tmp_path,
        page(),
        """
        var f = document.querySelectorAll('#terms li')[3].querySelectorAll('.factor');
        var ids = function (cls) { return [].map.call(document.querySelectorAll('.frame:not([hidden]) .edge.' + cls),
            function (e) { return e.getAttribute('data-id'); }).sort(); };
        var r = {hash: location.hash, say: document.getElementById('say').textContent, linked: ids('on')};
        f[2].dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
        r.on = ids('on'); r.lit = ids('lit');
        f[1].focus(); r.tabbed = ids('lit');
        var edge = document.querySelector('.frame:not([hidden]) .edge[data-id="h[1]->h[2]"]');
        edge.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
        r.factors = document.querySelectorAll('.factor.lit').length;
        document.querySelector('.frame:not([hidden]) .node.parameter').dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
        r.all = ids('on').length;
        var key = function (k) { document.body.dispatchEvent(new KeyboardEvent('keydown', {key: k, bubbles: true})); };
        key('Home'); r.steps = 0;
        while (!document.querySelector('#sum .ok, #sum .wrong') && r.steps < 500) { key('ArrowRight'); r.steps++; }
        r.verdict = document.querySelector('#sum p').textContent;
        r.sums = [].map.call(document.querySelectorAll('#sum table'), function (t) {
            return [].map.call(t.querySelectorAll('td'), function (d) { return d.textContent; }).join(' '); });
        key('ArrowLeft'); r.back = document.querySelectorAll('#sum p').length;
        var T = document.getElementById('T'); T.value = 1; T.dispatchEvent(new Event('input'));
        r.two = document.querySelectorAll('.frame:not([hidden]) .edge').length;
        r.terms = document.querySelectorAll('#terms li').length;
        r.requests = performance.getEntriesByType('resource').filter(function (e) {
            return e.name.indexOf('data:') !== 0; }).length;
        return r;
        """,
        "#t=3&k=2",
    )
    links = {(x.loss_step, x.use_step): list(x.links) for x in bg.cell("rnn").unroll(steps=3).derive("W_hh").terms}
    assert out["linked"] == sorted(links[3, 2]) and "t=3&k=2" in out["hash"] and "✓" in out["say"]
    term = links[3, 1]
    assert out["lit"] == [term[2]] and sorted({*out["on"], *out["lit"]}) == sorted(term)
    assert out["tabbed"] == [term[1]]
    assert out["factors"] == sum("h[1]->h[2]" in x for x in links.values())
    assert out["all"] == len({i for x in links.values() for i in x})
    assert out["steps"] == sum(map(len, links.values())) and out["verdict"].startswith("✓") and out["back"] == 0
    assert out["sums"][0] == out["sums"][1]
    assert out["terms"] == 3 and out["requests"] == 0
    assert out["two"] == len(re.findall('class="edge', page().split('data-frame="1"')[1].split("</svg>")[0]))


@needs_browser
def test_hostile_names_stay_text(tmp_path: Path) -> None:
    rec = bg.recurrence("h[t] = tanh(W h[t-1] + x[t])\nE[t] = sum(h[t])")
    rec.title = '</script><script>window.bad=1</script>"><img src=x onerror="window.bad=1">'
    text = build_page(rec.unroll(steps=2), "W")
    assert "<img" not in text
    assert in_browser(tmp_path, text, "return [window.bad || 0, document.querySelectorAll('#terms li').length];") == [
        0,
        3,
    ]


def test_too_many_terms_say_so() -> None:
    with pytest.raises(BPTTError, match="at most 300"):
        build_page(bg.cell("lstm").unroll(steps=6), "U_f")
    assert len(data_of(build_page(bg.cell("seq2seq").unroll(steps=2)))["frames"]) == 1
