"""The page: a gradient to walk through, in one file that needs no network.

Every factor of every chain-rule term is linked to its arrow in the picture; the backward pass can be stepped through
while the sum at the shared parameter grows; each (t, k) has its number and the number of an independent reverse pass
beside it. All frames, formulas and numbers are made here; the script only shows and hides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from ..errors import BPTTError
from ..names import to_mathml, to_unicode

if TYPE_CHECKING:
    from ..draw.marks import Layout
    from ..recurrence.unroll import Unrolled

__all__ = ["build_page"]

MOST_TERMS = 300
_TOLERANCE = 1e-8


def build_page(u: Unrolled, wrt: str | None = None, data: Mapping[str, Any] | None = None, theme: str = "light") -> str:
    """The HTML text for ∂E/∂wrt of `u` and of its shorter unrollings.

    Args:
        data: an instance for the numbers of the whole; by default a random one (seed 0), as for the shorter ones.
    """
    from ..document.fonts import font_face
    from ..recurrence.drawing import default_wrt

    name = wrt or default_wrt(u)
    if name is None:
        raise BPTTError("there is no parameter to differentiate by", "say wrt=, for example an initial state")
    count = u.derive(name).count
    if count > MOST_TERMS:
        raise BPTTError(
            f"∂E/∂{name} has {count:,} chain-rule terms; a page walks through at most {MOST_TERMS}",
            "use fewer steps, or bpttgraph derive, which has the factored form",
        )
    frames = [_frame(v, name, data if v is u else None, theme) for v in _lengths(u, name)]
    glyphs: dict[str, str] = {}
    pictures = []
    for k, frame in enumerate(frames):
        svg, found = _picture(frame.pop("layout"))
        glyphs |= found
        pictures.append(f'<div class="frame" data-frame="{k}" hidden>{svg}</div>')
    defs = "".join(f'<path id="{k}" d="{d}"/>' for k, d in glyphs.items())
    title = f"{u.recurrence.title}: ∂E/∂{to_unicode(name)}, term by term"
    values = json.dumps({"frames": frames}, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    fill = {
        "title": _text(title),
        "font": font_face(),
        "css": _asset("page.css"),
        "js": _asset("page.js"),
        "gradient": f"<math><mfrac><mrow><mo>∂</mo><mi>E</mi></mrow><mrow><mo>∂</mo>{to_mathml(name)}</mrow></mfrac></math>",
        "wrt": f"<math>{to_mathml(name)}</math>",
        "notes": _text("; ".join(u.conventions)),
        "instance": _text("numbers of a random instance, seed 0" if data is None else "numbers of the given instance"),
        "defs": f'<svg width="0" height="0" class="glyphs" aria-hidden="true"><defs>{defs}</defs></svg>',
        "pictures": "".join(pictures),
        "data": values,
        "theme": theme if theme in ("light", "print", "dark") else "light",
    }
    # One pass, so that nothing in a value can be taken for a place to fill.
    return re.sub(r"\{\{(\w+)\}\}", lambda m: fill[m[1]], _asset("page.html"))


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _text(text: str) -> str:
    clean = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return escape(clean, {'"': "&quot;", "'": "&#39;"})


def _lengths(u: Unrolled, name: str) -> list[Unrolled]:
    """The recurrence over 1, 2, … steps up to its own number; only itself where that means something else."""
    steps = u.steps.get(None)
    every = steps is not None and u.loss_steps == tuple(range(1, steps + 1))
    if steps is None or not every or u.recurrence.blocks:
        return [u]
    rec, found = u.recurrence, []
    sizes = {base: shape for base, shape in u.sizes.items() if shape} or 1
    truncate = u.truncation.name if u.truncation else None
    for n in range(max(1, rec.steps_hint or 1), steps):
        v = rec.unroll(n, "every", sizes, truncate, u.inputs, u.reduce)
        if name in v.vgraph.variables and u.derive(name).count:
            found.append(v)
    return [*found, u]


def _frame(u: Unrolled, name: str, data: Mapping[str, Any] | None, theme: str) -> dict[str, Any]:
    """What the script shows for one length: the layout, the factors, the terms and their numbers."""
    import numpy as np

    from ..derive import to_text
    from ..draw import draw
    from ..draw.backward import fraction_of
    from ..draw.data import Data

    d = u.derive(name)
    run = u.run(u.instance() if data is None else data)
    terms = d.first_terms(MOST_TERMS)
    gradient = np.asarray(d.value(run))
    reverse = np.asarray(run.triangle(name)) if u.vgraph.variables[name].role == "parameter" else None
    links = {link.id: link for link in u.links}
    used = dict.fromkeys(i for x in terms for i in x.links)
    factors = {}
    for i in used:
        mathml, said = fraction_of(links[i].target, links[i].source, d.paths.immediate(links[i]))
        factors[i] = {"m": mathml, "s": said, "j": to_text(d.local(links[i]))}
    cells: dict[str, dict[str, Any]] = {}
    rows = []
    for x in terms:
        value = np.asarray(x.value(run), dtype=float)
        rows.append({"t": x.loss_step, "k": x.use_step, "l": list(x.links), "tex": x.latex(), "v": _flat(value)})
        key = f"{x.loss_step},{x.use_step}"
        cells[key] = {"sum": value + cells[key]["sum"] if key in cells else value}
    for key, cell in cells.items():
        t, k = map(int, key.split(","))
        value = cell["sum"]
        cell["sum"] = float(np.linalg.norm(value))
        if reverse is not None and not u.recurrence.blocks and 1 <= k <= reverse.shape[1]:
            other = reverse[t - 1, k - 1]
            scale = max(float(np.linalg.norm(other)), 1e-300)
            cell["other"] = float(np.linalg.norm(other))
            cell["ok"] = bool(np.linalg.norm(value - other) <= _TOLERANCE * scale)
    checked = np.asarray(run.gradients[name]) if name in run.gradients else gradient
    scale = max(float(np.linalg.norm(checked)), 1e-300)
    layout = draw(u.vgraph, "paths", fold=False, theme=theme, data=Data(wrt=name)).layout
    return {
        "T": max(u.steps.values()),
        "layout": layout,
        "shape": list(gradient.shape),
        "weight": float(u.weight),
        "factors": factors,
        "terms": rows,
        "cells": cells,
        "gradient": _flat(checked),
        "ok": bool(np.linalg.norm(gradient - checked) <= _TOLERANCE * scale),
    }


def _flat(value: Any) -> list[float]:
    return [float(f"{v:.12g}") for v in value.ravel()]


def _picture(layout: Layout) -> tuple[str, dict[str, str]]:
    """The picture without title and legend, and its glyphs, which all frames share."""
    from ..draw.legend import extent
    from ..draw.svg import write_svg

    kept = tuple(
        m for m in layout.marks if m.cls not in ("title", "legend", "notes") and not m.cls.startswith("legend")
    )
    left, top, right, bottom = extent(list(kept))
    svg = write_svg(replace(layout, marks=kept))
    glyphs = dict(re.findall(r'<path id="(g[0-9a-f]+)" d="([^"]*)"/>', svg))
    svg = re.sub(r"<defs>.*?</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # the same ids in every frame
    box = f"{left - 6:.0f} {top - 6:.0f} {right - left + 12:.0f} {bottom - top + 12:.0f}"
    svg = re.sub(r'viewBox="[^"]*"', f'viewBox="{box}"', svg, count=1)
    size = f'width="{right - left + 12:.0f}" height="{bottom - top + 12:.0f}"'
    svg = re.sub(r'width="[^"]*" height="[^"]*"', size, svg, count=1)
    return re.sub(r'<rect class="paper"[^>]*/>', "", svg), glyphs
