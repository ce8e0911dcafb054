"""How a recurrence shows itself in a notebook: its equations as mathematics, and the folded picture.

Nothing here needs JavaScript or the network: formulas are MathML, pictures SVG, whole documents a sandboxed frame.
All text passes through the printers' or this module's escaping.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..document.blocks import Row
    from ..equations import Recurrence

__all__ = ["bundle", "frame", "recurrence_html", "recurrence_latex"]


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


def _rows(rec: Recurrence) -> list[Row]:
    from functools import partial

    from ..document.equations import row_of

    distinct = {id(d): d for d in rec.definitions}.values()
    return [row_of(d.equation, partial(rec.key, block=d.block)) for d in distinct]


def recurrence_html(rec: Recurrence) -> str:
    """Title, equations, folded picture.

    >>> import bpttgraph as bg
    >>> recurrence_html(bg.cell("rnn")).count("<mtr>")
    4
    """
    cell = '<mtd style="text-align:{};padding:0.3em 0.15em">{}</mtd>'
    rows = ""
    for row in _rows(rec):
        left = row.left.mathml if row.left is not None else ""
        parts = (("right", left), ("center", f"<mo>{row.relation}</mo>"), ("left", row.right.mathml))
        rows += f"<mtr>{''.join(cell.format(side, text) for side, text in parts)}</mtr>"
    math = f'<math display="block" style="text-align:left"><mtable displaystyle="true">{rows}</mtable></math>'
    svg = rec._repr_svg_()
    return f"<p><strong>{escape(rec.title)}</strong></p>{math}{svg[svg.index('<svg') :]}"


def recurrence_latex(rec: Recurrence) -> str:
    """The equations as a display."""
    lines = [f"{r.left.latex if r.left is not None else ''} &{r.relation} {r.right.latex}" for r in _rows(rec)]
    return "$$\n\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}\n$$"


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
