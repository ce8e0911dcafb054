"""Pictures of recurrences, from the variable graph alone: scene (what), layout (where), engines (who draws).

`draw(graph)` gives a `Figure`; `figure.save("x.svg")` writes it. Importing this package loads no engine and no font.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .data import GRADIENT_VIEWS, VIEWS

if TYPE_CHECKING:
    from ..core.variables import VariableGraph
    from .data import Data
    from .figure import Figure
    from .network import Network

__all__ = ["GRADIENT_VIEWS", "VIEWS", "draw", "draw_network", "engine_report"]


def draw(
    graph: VariableGraph,
    view: str | None = None,
    fold: bool | str | tuple[int, int] = "auto",
    labels: str = "math",
    theme: str = "light",
    data: Data | None = None,
    fit: str | None = None,
) -> Figure:
    """Draw a variable graph.

    Args:
        view: one of `VIEWS`; by default "folded" or "forward", what the graph is.
        fold: "auto" shows the first three and last two of more than eight steps (the first and the last two of more
            than four, where gates make the way back wide), and fewer if a page of given size asks for it; True always
            does, False never; (head, tail) shows so many first and last steps.
        labels: "math" for outlines that need no font, "text" for text that a vector editor can change.
        theme: "light", "print" (no tints) or "dark".
        fit: "slide" (16:9), "page" (as wide as the text of an A4 page) or "poster" (A1); by default its own size.
        data: what a view of a gradient shows besides the graph (see `data.Data`).
    """
    from .crowded import legible
    from .data import Data
    from .scene import build_scene

    return legible(lambda f, d: build_scene(graph, view, f, labels, theme, d, fit), fold, data or Data(), graph.steps)


def draw_network(
    network: Network, labels: str = "math", theme: str = "light", view: str = "cell", fit: str | None = None
) -> Figure:
    """Draw parts and wires that belong to no grid: the inside of a step, or an expression."""
    from .figure import Figure
    from .network import network_scene
    from .scene import check_style

    check_style(labels, theme, fit)
    return Figure(network_scene(network, labels, theme, view, fit), network)


def engine_report() -> list[dict[str, object]]:
    """Which engines there are, which one is used, and why."""
    from .engines import engine_report as report

    return report()
