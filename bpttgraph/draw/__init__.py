"""Pictures of recurrences, from the variable graph alone: scene (what), layout (where), engines (who draws).

`draw(graph)` gives a `Figure`; `figure.save("x.svg")` writes it. Importing this package loads no engine and no font.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..variables import VariableGraph
    from .figure import Figure

__all__ = ["draw", "engine_report"]


def draw(
    graph: VariableGraph,
    view: str | None = None,
    fold: bool | str = "auto",
    labels: str = "math",
    theme: str = "light",
) -> Figure:
    """Draw a variable graph.

    Args:
        view: "folded" or "forward"; by default what the graph is.
        fold: "auto" shows the first three and last two of more than eight steps, True always does, False never.
        labels: "math" for outlines that need no font, "text" for text that a vector editor can change.
        theme: "light", "print" (no tints) or "dark".
    """
    from .figure import Figure
    from .scene import build_scene

    return Figure(build_scene(graph, view, fold, labels, theme))


def engine_report() -> list[dict[str, object]]:
    """Which engines there are, which one is used, and why."""
    from .engines import engine_report as report

    return report()
