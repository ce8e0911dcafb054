"""A wrong gradient as a picture: the way back over the unrolled graph, with what the answer leaves out or has wrong
crossed out, and beside it how often the answer counts each pair of a loss step t and a step of use k.

It joins the diagnosis, which knows no pictures, and the drawing, which knows no answers, by the ids of variables and
links.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import BPTTError

if TYPE_CHECKING:
    from ...draw.figure import Figure
    from ..diagnosis.cause import Cause
    from .findings import Findings

__all__ = ["cause_figure"]


def cause_figure(verdict: Findings, name: str | None = None, *, theme: str = "light", fit: str | None = None) -> Figure:
    """Draw why a gradient is wrong.

    Args:
        verdict: what `verify` returned. name: the gradient; by default the first one whose cause can be drawn.
        theme, fit: as in `draw`.

    Raises:
        BPTTError: nothing is wrong, or the cause stands at no place of the graph.

    Example:
        >>> import bpttgraph as bg
        >>> answer = "dW_hh = sum_t outer((1 - h[t]^2) * (W_hy.T @ (y[t] - target[t])), h[t-1])"
        >>> verdict = bg.verify(bg.cell("rnn"), answer)
        >>> cause_figure(verdict).layout.title
        'rnn: what is wrong with ∂E/∂W_hh'
    """
    from ...core.names import to_unicode
    from ...draw import draw
    from ...draw.data import Data

    u = verdict.unrolled
    causes = {n: p.because for n, p in verdict.parameters.items() if p.because is not None and name in (None, n)}
    chosen = next((n for n, c in causes.items() if c.edges or _telling(c)), None)
    if u is None or chosen is None:
        what = "nothing is wrong" if not causes else "the cause stands at no single place of the graph"
        raise BPTTError(
            f"there is no picture: {what}", "read the verdict instead, or draw the graph with bpttgraph draw"
        )
    cause = causes[chosen]
    parameter = chosen if chosen in u.parameters else next((a for a, _ in cause.edges if a in u.parameters), None)
    ids = {f"{a}->{b}" for a, b in cause.edges}
    faulty = frozenset(link.id for link in u.links if link.id in ids)
    triangle = {}
    if _telling(cause) and parameter == chosen:
        coefficients = np.asarray(cause.triangle)
        triangle = {
            (t + 1, k + 1): round(float(v), 3) + 0.0
            for (t, k), v in np.ndenumerate(coefficients)
            if k <= t and np.isfinite(v)
        }
    sentence = cause.text.replace(f"∂E/∂{chosen}", f"∂E/∂{to_unicode(chosen)}").rstrip(".")
    shown = f"∂E/∂{to_unicode(chosen)}" if not chosen.startswith(("δ", "delta")) else to_unicode(chosen)
    data = Data(
        parameter,
        triangle=triangle,
        counted=bool(triangle),
        faulty=faulty,
        heading=f"what is wrong with {shown}",
        note=sentence,
    )
    return draw(u.vgraph, view="backward", data=data, theme=theme, fit=fit)


def _telling(cause: Cause) -> bool:
    """Whether the triangle shows anything: some pair is not counted once."""
    if cause.triangle is None:
        return False
    known = np.asarray(cause.triangle, float)
    known = known[np.isfinite(known)]
    return bool(known.size and np.any(np.abs(known - 1) > 1e-3))
