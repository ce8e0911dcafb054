"""View `paths`: one chain-rule term in full colour on the faded graph, or several such pictures on one page."""

from __future__ import annotations

import re
from dataclasses import replace

from .data import Term
from .labels import Outline, mathml_label, words
from .marks import Mark
from .pages import PAGES
from .scene import Scene
from .theme import Style, Theme

__all__ = ["arrange", "caption", "highlight"]

_GAP = 34.0


def highlight(marks: list[Mark], term: Term, scene: Scene, theme: Theme) -> list[Mark]:
    """The marks of one picture, with the links of the term as arrows of the gradient and all else faded."""
    on = set(term.links)
    names = {n for e in scene.edges if e.id in on for n in (e.source, e.target)}
    pale = theme.edge["pale"]
    lower: list[Mark] = []
    bright: list[Mark] = []
    for m in marks:
        if m.kind == "edge" and m.id in on:
            style = replace(theme.edge["gradient"], width=3.6)
            # The factor is met on the way back, so the arrow points back.
            ends = (m.ends[1], m.ends[0])
            bright.append(replace(m, style=style, path=tuple(reversed(m.path)), cls=m.cls + " on", ends=ends))
        elif m.kind in ("edge", "rail"):
            dash = pale.dash or m.style.dash
            faded = replace(pale, head=min(m.style.head, 6.0), dot=min(m.style.dot, 1.6), dash=dash)
            if m.kind == "rail" and m.id in names:
                faded = m.style
            lower.append(replace(m, style=faded, cls=m.cls + " off"))
        elif m.kind == "node" and m.id not in names:
            style = replace(m.style, stroke=pale.stroke, fill=theme.paper)
            lower.append(replace(m, style=style, ink=pale.stroke, cls=m.cls + " off"))
        elif m.kind == "node":
            bright.append(replace(m, cls=m.cls + " on"))
        else:
            lower.append(m)
    # Bands first, then what is faded, then the term above it.
    ground = [m for m in lower if m.kind == "band"]
    return ground + [m for m in lower if m.kind != "band"] + bright


def caption(term: Term, scene: Scene, theme: Theme, x: float, y: float, number: int) -> list[Mark]:
    """Which term this is and its formula, hanging above (x, y)."""
    heading = words(f"t = {term.t}, k = {term.k}" + (f", norm {term.norm:.2g}" if term.norm is not None else ""), 11.0)
    out = []
    formula = _formula(term)
    if formula is not None:
        y -= formula.height / 2
        at = (x + formula.width / 2, y)
        ink = theme.gradient_ink
        out.append(
            Mark(f"term {number}", "text", "formula", Style(), label=formula, label_at=at, ink=ink, tex=term.latex)
        )
        y -= formula.height / 2 + 8
    at = (x + heading.width / 2, y - heading.height / 2)
    out.append(Mark(f"heading {number}", "text", "heading", Style(), label=heading, label_at=at, ink=theme.ink))
    return out


def _formula(term: Term) -> Outline | None:
    if not term.mathml:
        return None
    inner = re.sub(r"^\s*<math[^>]*>|</math>\s*$", "", term.mathml)
    inner = re.sub(r' data-id="[^"]*"', "", inner)
    # ziamath measures every level twice, so each one that changes nothing is worth half the time.
    if inner.count("<mtr>") == 1:
        inner = re.sub(r"</?mt(able|r|d)[^>]*>", "", inner)
    inner = re.sub(r"<mrow>(<mfrac>((?!<mfrac>).)*?</mfrac>)</mrow>", r"\1", inner)
    while inner.startswith("<mrow><mrow>") and inner.endswith("</mrow></mrow>"):
        inner = inner.removeprefix("<mrow>").removesuffix("</mrow>")
    return mathml_label(inner, term.text, 13.0)


def arrange(pictures: list[list[Mark]], terms: tuple[Term, ...], scene: Scene, theme: Theme) -> list[Mark]:
    """Pictures of equal size side by side and below each other, in the form of the page."""
    from .legend import extent, moved

    if len(pictures) == 1:
        left, top, _, _ = extent(pictures[0])
        return pictures[0] + caption(terms[0], scene, theme, left + 18.0, top - 14, 1)
    left, top, right, bottom = extent(pictures[0])
    formulas = [f for f in map(_formula, terms) if f is not None]
    above = max([f.height for f in formulas], default=0.0) + 34
    width = max([right - left, *(f.width + 18 for f in formulas)])
    height = bottom - top + above
    page = PAGES.get(scene.fit)
    wide, high = (page.width, page.height * 0.85) if page else (1.6, 1.0)  # the rest is for title and legend
    # As many columns as let the pictures be largest there.
    columns = max(
        range(1, len(pictures) + 1), key=lambda n: min(wide / (n * width), high / (-(-len(pictures) // n) * height))
    )
    out: list[Mark] = []
    for k, (marks, term) in enumerate(zip(pictures, terms)):
        dx = (k % columns) * (width + _GAP)
        dy = (k // columns) * (height + _GAP)
        made = marks + caption(term, scene, theme, left + 18.0, top - 10, k + 1)
        out += [replace(moved(m, dx, dy), panel=f"p{k + 1}-") for m in made]
    return out
