"""The math font that a page carries: a subset of STIX Two Math (SIL Open Font License; its text lies beside it).

Brackets and sums stretch only with a font that has a MATH table, and few systems have one. The subset keeps the
letters, Greek, digits, operators and accents that the printers can emit, with the MATH table and its stretched
variants. It was made once, with fontTools, from the font in the `ziamath` wheel:
`pyftsubset STIXTwoMath-Regular.ttf --unicodes=… --flavor=woff2 --no-hinting --layout-features=`.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from importlib.resources import files

__all__ = ["asset", "font_face"]


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    """A text file of this package."""
    return (files(__package__) / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def font_face() -> str:
    """The CSS rule that embeds the font, with the notice that its licence asks for."""
    data = b64encode((files(__package__) / "stix-two-math-subset.woff2").read_bytes()).decode()
    notice = "STIX Two Math, a subset. Copyright 2001-2020 The STIX Fonts Project Authors. SIL Open Font License 1.1."
    source = f"url(data:font/woff2;base64,{data}) format('woff2')"
    return f"/* {notice} */\n@font-face{{font-family:'bpttgraph math';src:{source}}}\n"
