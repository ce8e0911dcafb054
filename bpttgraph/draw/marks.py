"""What a layout consists of: flat marks with coordinates, in points, y downwards."""

from __future__ import annotations

from dataclasses import dataclass

from .geometry import Path, Point
from .labels import Outline
from .theme import Style

__all__ = ["Layout", "Mark"]


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing on the paper.

    Attributes:
        id: for nodes and edges the name of the variable or link; unique within its kind.
        kind: "band", "rail", "edge", "arc" (a gradient's way back), "stroke", "node", "mark" (a delay square), "dot",
            "cell" (of a matrix) or "text".
        cls: CSS classes.
        box: centre, width and height, for boxes and ellipses.
        path: a chain of Béziers, for lines; up to and including an arrow's tip.
        label, label_at, ink: words or mathematics, by default in the middle of the box.
        title: the tooltip and what a screen reader says.
        ends: source and target of an edge.
        tex: the label as LaTeX mathematics, where it is not the name of a node.
        panel: which of several pictures on one page it belongs to; ids are unique within a panel.
    """

    id: str
    kind: str
    cls: str
    style: Style
    box: tuple[float, float, float, float] | None = None
    path: Path = ()
    label: Outline | None = None
    label_at: Point | None = None
    ink: str = ""
    title: str = ""
    ends: tuple[str, str] = ("", "")
    panel: str = ""
    tex: str = ""

    @property
    def label_point(self) -> Point:
        if self.label_at is not None:
            return self.label_at
        assert self.box is not None
        return self.box[0], self.box[1]


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture with all its coordinates: the size of the paper and what is on it, in the order of painting.

    Printed or shown, every length is `scale` times as long: 1 unless the picture was fitted to a page.
    """

    width: float
    height: float
    paper: str
    ink: str
    title: str
    description: str
    marks: tuple[Mark, ...]
    scale: float = 1.0
    note: str = ""  # why it is not arranged as it would be otherwise

    @property
    def smallest_text(self) -> float:
        """The size of the smallest words, in points of the finished picture (subscripts are smaller)."""
        # words are 0.76 of their size high, from the baseline to the top of a d
        found = [
            m.label.height / 0.76 for m in self.marks if m.label and m.kind in ("text", "band", "stroke") and not m.tex
        ]
        names = [15.0] * any(m.kind == "node" for m in self.marks)
        return min([*found, *names], default=0.0) * self.scale

    @property
    def nodes(self) -> dict[str, Mark]:
        """The node of each shown variable."""
        return {m.id: m for m in self.marks if m.kind == "node"}

    @property
    def edges(self) -> dict[str, Mark]:
        """The edge of each shown link."""
        return {m.id: m for m in self.marks if m.kind == "edge"}
