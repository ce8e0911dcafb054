"""How a recurrence shows itself in a notebook: its equations as mathematics, and the folded picture.

Nothing here needs JavaScript or the network: formulas are MathML, pictures SVG. All text passes through the printers'
or this module's escaping.
"""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING

from .blocks import Row
from .equations import row_of

if TYPE_CHECKING:
    from ..equations import Recurrence

__all__ = ["recurrence_html", "recurrence_latex"]


def _rows(rec: Recurrence) -> list[Row]:
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
