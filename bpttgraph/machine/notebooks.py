"""What a notebook asks of an object: its formats by media type, and a whole page within a sandboxed frame."""

from __future__ import annotations

import re
from html import escape
from typing import Any

__all__ = ["bundle", "frame"]


def bundle(shown: Any, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """The formats of an object by media type, for `_repr_mimebundle_`; only those that are asked for are made."""
    makers = {
        "text/html": "_repr_html_",
        "text/latex": "_repr_latex_",
        "image/svg+xml": "_repr_svg_",
        "text/plain": "__repr__",
    }
    wanted = [k for k in makers if (not include or k in include) and (not exclude or k not in exclude)]
    return {k: getattr(shown, makers[k])() for k in wanted if hasattr(shown, makers[k])}


def frame(page: str, title: str) -> str:
    """A whole page within a notebook: its styles stay its own, and scripts may not run (ours is left out as well).

    >>> frame("<p>1 < 2</p>", "x").partition(" srcdoc=")[2][:37]
    '"&lt;p&gt;1 &lt; 2&lt;/p&gt;" style="'
    """
    page = re.sub(r"<script>.*?</script>\n?", "", page, flags=re.DOTALL)
    style = "width:100%;height:44rem;border:1px solid #ccc;background:#fff"
    return (
        f'<iframe sandbox="allow-same-origin" title="{escape(title)}" srcdoc="{escape(page)}" style="{style}"></iframe>'
    )
