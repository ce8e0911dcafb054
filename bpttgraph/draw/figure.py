"""A finished picture: its scene, its layout, and its formats, each made when first asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Container
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BPTTError, expect
from ..machine.files import write
from .dot import write_dot
from .engines import render_svg
from .layout import layout
from .marks import Layout
from .network import Network, network_layout
from .pages import too_small
from .scene import Scene

if TYPE_CHECKING:
    from graphviz import Source

__all__ = ["Figure"]


class Figure:
    """A picture of a recurrence.

    Attributes:
        scene: what is shown.
        dot: the picture as positioned DOT text, for `neato -n2`.
        svg, pdf, png: the picture in these formats (text, bytes, bytes).
        tikz, tex: a `tikzpicture`, and a document of one page that shows it.
        source: `graphviz.Source` of the DOT text, for those who work with that package.
        engine, engine_note: who drew the SVG, and why an engine before it could not (one line, usually empty).

    Example:
        >>> import bpttgraph as bg
        >>> figure = bg.cell("rnn").unroll(3).draw()
        >>> figure
        <Figure rnn: 22 nodes, 33 arrows>
        >>> figure.dot.startswith("digraph")
        True
    """

    def __init__(self, scene: Scene, network: Network | None = None):
        self.scene, self.network = scene, network

    @cached_property
    def layout(self) -> Layout:
        """All coordinates."""
        if self.network is not None:
            return network_layout(self.network, self.scene)
        return layout(self.scene)

    @cached_property
    def dot(self) -> str:
        """The picture as positioned DOT text."""
        return write_dot(self.layout)

    @cached_property
    def _rendered(self) -> tuple[str, str, str]:
        return render_svg(self.layout, self.scene.labels)

    @property
    def svg(self) -> str:
        """The picture as SVG text."""
        return self._rendered[0]

    @property
    def engine(self) -> str:
        """Who drew the SVG."""
        return self._rendered[1]

    @property
    def engine_note(self) -> str:
        """Why an engine before it could not, in one line, usually empty."""
        return "; ".join(n for n in (self.layout.note, self._rendered[2]) if n)

    @cached_property
    def tikz(self) -> str:
        """The picture as a `tikzpicture`, for a LaTeX document."""
        from .tikz import write_tikz

        return write_tikz(self.layout)

    @cached_property
    def tex(self) -> str:
        """The same as a LaTeX document of one page."""
        from .tikz import write_tex

        return write_tex(self.layout)

    @cached_property
    def pdf(self) -> bytes:
        """The picture as a PDF of one page, bytes."""
        from .pdf import write_pdf

        return write_pdf(self.layout)

    @cached_property
    def png(self) -> bytes:
        """The picture as PNG, bytes."""
        from .raster import write_png

        return write_png(self.layout)

    @property
    def source(self) -> Source:
        """The DOT text as a `graphviz.Source`. Needs the Python package graphviz (and to render, a `dot` on the
        PATH)."""
        try:
            from graphviz import Source
        except ImportError:
            raise BPTTError(
                "the Python package graphviz is not installed", "pip install graphviz, or use figure.dot"
            ) from None
        return Source(self.dot, engine="neato", format="svg")

    @property
    def note(self) -> str:
        """A warning if the picture is too crowded for the page that it was fitted to, usually empty."""
        return too_small(self.scene.fit, self.layout)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_png_(self) -> bytes:
        return self.png

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, Any]:
        """What a notebook shows: the SVG, and the title as text. PNG and LaTeX are made only if `include` asks for
        them."""
        makers: dict[str, Callable[[], Any]] = {
            "image/svg+xml": lambda: self.svg,
            "text/plain": lambda: repr(self),
            "image/png": lambda: self.png,
            "text/latex": lambda: self.tikz,
        }
        asked = ("image/svg+xml", "text/plain") if include is None else [k for k in makers if k in include]
        return {k: makers[k]() for k in asked if exclude is None or k not in exclude}

    def __repr__(self) -> str:
        nodes, edges = len(self.layout.nodes), len(self.layout.edges)
        return f"<Figure {self.layout.title}: {nodes} nodes, {edges} arrows>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture; the ending of the name says which format. Nothing half-written is ever left behind."""
        expect(path, str | os.PathLike, "the name of a picture", 'write a file name, such as "rnn.svg"')
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix not in (".svg", ".png", ".pdf", ".dot", ".tikz", ".tex"):
            raise BPTTError(
                f"a picture cannot be saved as {target.name!r}",
                "end the name in .svg, .png, .pdf or .dot, or in .tikz or .tex",
            )
        made = getattr(self, suffix[1:])
        data = made if isinstance(made, bytes) else made.encode()
        write({target: data}, folders=False)
