"""Pictures of a given size: a slide, the text width of a page, a poster.

Everything is scaled alike; only the words around the picture may grow first, and the legend may move to its right, so
that what is printed can be read. `choose` tries these arrangements and takes the best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .marks import Layout, Mark

__all__ = ["PAGES", "Page", "choose", "too_small"]


@dataclass(frozen=True, slots=True)
class Page:
    """Its size in points. `whole`: the picture fills the page; otherwise only its width counts, and `height` is the
    limit.

    `words`: how large the words of the legend should be at least. `names`: if the names of the variables are smaller
    than this, the picture is too crowded for the page.
    """

    width: float
    height: float
    whole: bool
    words: float
    names: float


PAGES = {
    "slide": Page(960.0, 540.0, True, 10.0, 9.0),
    "page": Page(453.54, 680.31, False, 7.0, 6.0),  # 160 mm by at most 240 mm
    "poster": Page(2383.94, 1683.78, True, 24.0, 24.0),  # A1
}
NAME = 15.0  # the size of a variable's name before scaling
_WORDS = 9.5  # and of the smallest words around the picture
_GROW = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0)


def choose(fit: str, compose: Callable[[bool, float], Layout], moved: Callable[[Mark, float, float], Mark]) -> Layout:
    """The best arrangement on the page, scaled and centred.

    Args:
        compose: lays the picture out with the legend aside (or below) and its words so much larger.
    """
    page = PAGES[fit]

    def scale(layout: Layout) -> float:
        s = min(page.width / layout.width, page.height / layout.height)
        return s if page.whole else min(s, 1.0)

    def quality(option: tuple[Layout, float]) -> tuple[bool, float]:
        layout, grow = option
        s = scale(layout)
        words = _WORDS * grow * s
        return words >= page.words, s if words >= page.words else words

    layout, _ = max(((compose(aside, grow), grow) for aside in (False, True) for grow in _GROW), key=quality)
    s = scale(layout)
    width, height = page.width / s, page.height / s if page.whole else layout.height
    dx, dy = (width - layout.width) / 2, (height - layout.height) / 2
    marks = tuple(moved(m, dx, dy) for m in layout.marks)
    return replace(layout, width=width, height=height, marks=marks, scale=s)


def too_small(fit: str, layout: Layout) -> str:
    """A warning if the names on that page are too small to read, else ""."""
    size = NAME * layout.scale
    if not fit or size >= PAGES[fit].names:
        return ""
    return (
        f"names are {size:.1f} points high on this {fit}; {PAGES[fit].names:g} can be read: "
        "draw fewer steps, less detail, or fold more"
    )
