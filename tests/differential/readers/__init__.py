"""Readers of printed formulas: LaTeX, MathML, Typst and Unicode are read back as a person reads them, and evaluated
with NumPy.

What is printed is what a student copies, so it is judged by its own text: a missing bracket, transpose, sign or index
is another number here. Nothing of the package takes part, neither its printers nor its expressions: each language
becomes the same short list of items, `grammar` gives them their usual precedence, `evaluate` computes.
"""

from __future__ import annotations

from collections.abc import Callable

from .grammar import Item, Items, Unit, Unsized, evaluate, key, placed, sides
from .latex import latex
from .mathml import mathml
from .typst import typst
from .unicode import unicode

__all__ = [
    "READERS",
    "Item",
    "Items",
    "Unit",
    "Unsized",
    "evaluate",
    "key",
    "latex",
    "mathml",
    "placed",
    "sides",
    "typst",
    "unicode",
]

READERS: dict[str, Callable[[str], Items]] = {"latex": latex, "mathml": mathml, "typst": typst, "unicode": unicode}
