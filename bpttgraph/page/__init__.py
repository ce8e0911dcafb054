"""The page: a gradient to walk through, in one file that needs no network.

Every factor of every chain-rule term is linked to its arrow in the picture; the backward pass can be stepped through
while the sum at the shared parameter grows; each factor, each (t, k) and the whole stand beside what the complex step
measures. All pictures, formulas and numbers are made here; the script shows and hides, and adds up terms.

* `frames`: terms, factors and numbers of each number of steps; `measured`: the checked values; `pictures`: the SVGs;
* `page.html`, `page.css`, and the script in five files: `state.js`, `light.js` (what lights up), `lists.js` (terms,
  triangle, numbers), `export.js` (SVG, PNG, LaTeX) and `page.js` (address, keys, pointing).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np

from ..core.names import to_mathml, to_unicode
from ..errors import BPTTError

if TYPE_CHECKING:
    from ..unrolled.unroll import Unrolled

__all__ = ["build_page", "build_pages", "readable"]

_SCRIPTS = ("state.js", "light.js", "lists.js", "export.js", "page.js")


def build_page(
    u: Unrolled,
    wrt: str | None = None,
    data: Mapping[str, Any] | None = None,
    theme: str = "light",
    instance: str = "",
) -> str:
    """The HTML text for ∂E/∂wrt of `u` and of its shorter unrollings.

    Args:
        wrt: a parameter, an initial state or another variable; by default the recurrent weights.
        data: an instance of one example; by default a random one (seed 0). Shorter unrollings read its first steps.
        theme: "light" (dark where the reader's system is), "dark", or "print" (no tints).
        instance: what the data is, in words.

    Errors: `BPTTError` if there are more than 300 terms or 400 entries, or nothing to differentiate.

    Example:
        >>> import bpttgraph as bg
        >>> page = build_page(bg.cell("rnn").unroll(steps=2), "W_hh")
        >>> page.startswith("<!DOCTYPE html>") and len(page) < 300_000
        True
    """
    from ..document.fonts import font_face
    from .frames import Book, lengths
    from .pictures import Pictures, dark_rules, inside_ids

    name = readable(u, wrt)
    units = lengths(u, name)
    if u.recurrence.abstract:
        instance = "no numbers: abstract functions"
    else:
        instance = "numbers of " + (instance or ("the given instance" if data else "a generic random instance, seed 0"))
        data = data or u.instance()
    book, pictures = Book(name, data), Pictures(theme)
    frames = [book.frame(v) for v in units]
    drawn = [
        f'<div class="frame" data-frame="{k}" data-fold="{fold}" hidden>{svg}</div>'
        for k, v in enumerate(units)
        for fold, svg in enumerate(pictures.graph(v, name))
    ]
    told = {
        "frames": frames,
        "terms": book.terms,
        "factors": book.factors,
        "variables": book.variables,
        "inside": inside_ids(u),
        "name": to_unicode(name),
    }
    # No "<" may stand in a script element: it could close it.
    values = json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    title = f"∂E/∂{to_unicode(name)} of {u.recurrence.title}, term by term"
    fill = {
        "title": _text(title),
        "of": _text(u.recurrence.title),
        "font": font_face(),
        "css": _asset("page.css"),
        "dark": dark_rules() if theme != "print" else "",
        "js": "\n".join(_asset(script) for script in _SCRIPTS),
        "gradient": (
            f"<math><mfrac><mrow><mo>∂</mo><mi>E</mi></mrow><mrow><mo>∂</mo>{to_mathml(name)}</mrow></mfrac></math>"
        ),
        "wrt": f"<math>{to_mathml(name)}</math>",
        "instance": _text(instance),
        "inside": pictures.inside(u),
        "pictures": "".join(drawn),
        "defs": pictures.defs,
        "data": values,
        "theme": theme if theme in ("light", "print", "dark") else "light",
    }
    # One pass, so that nothing in a value can be taken for a place to fill.
    return re.sub(r"\{\{(\w+)\}\}", lambda m: fill[m[1]], _asset("page.html"))


def build_pages(u: Unrolled, names: list[str], data: Mapping[str, Any] | None, instance: str) -> dict[str, str]:
    """A page for each name, by the names of their files: `page.html` for a single one."""
    pages: dict[str, str] = {}
    for name in names:
        file = "page" if len(names) == 1 else "page-" + re.sub(r"\W+", "_", name).strip("_")
        while f"{file}.html" in pages:
            file += "_"
        pages[f"{file}.html"] = build_page(u, name, data, instance=instance)
    return pages


def readable(u: Unrolled, wrt: str | None) -> str:
    """The variable to differentiate by, if a page can show it; else an error that says why not."""
    from ..show.drawing import default_wrt
    from .frames import MOST_ENTRIES, MOST_TERMS

    name = wrt or default_wrt(u)
    if name is None:
        raise BPTTError("there is no parameter to differentiate by", "say wrt=, for example an initial state")
    count = u.derive(name).count
    if count > MOST_TERMS:
        raise BPTTError(
            f"∂E/∂{name} has {count:,} chain-rule terms; a page walks through at most {MOST_TERMS}",
            "use fewer steps, or bpttgraph derive, which has the factored form",
        )
    if not count:
        raise BPTTError(f"no loss depends on {name}, so there is no term to walk through", "choose another variable")
    size = int(np.prod(u.node(name).shape))
    if size > MOST_ENTRIES:
        raise BPTTError(
            f"{name} has {size:,} entries; a page shows at most {MOST_ENTRIES}", "use small sizes, such as --size h=3"
        )
    return name


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _text(text: str) -> str:
    clean = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return escape(clean, {'"': "&quot;", "'": "&#39;"})
