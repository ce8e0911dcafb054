"""Documents: a derivation as a lecturer would hand it out, with the picture it belongs to and the check that was run.

`build(unrolled, wrt, report)` gives a `Document`: `.html` is one self-contained page, `.pdf` a paper (`.typst` its
source), `.latex` an article, `.beamer` slides, `.markdown` reads well where Markdown knows mathematics. All say the
same, from the same blocks, and depend on nothing but their input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .blocks import Sheet

if TYPE_CHECKING:
    from ..check import Report
    from ..draw.figure import Figure
    from ..unrolled import Unrolled
    from .choice import Choice

__all__ = ["Document", "assemble", "build"]


class Document(Sheet):
    """A finished document, in every format that has a writer.

    Example:
        >>> import bpttgraph as bg
        >>> document = build(bg.cell("rnn").unroll(2), "W_hh")
        >>> document.title, document.html.startswith("<!DOCTYPE html>")
        ('Recurrent network: ∂E/∂W_hh over 2 steps', True)
    """

    @cached_property
    def html(self) -> str:
        """One page with everything in it: no network, no script needed."""
        from .html import write_html

        return write_html(self)

    @cached_property
    def markdown(self) -> str:
        """The same as Markdown; the picture is the file `forward.svg` beside it."""
        from .markdown import write_markdown

        return write_markdown(self)

    @cached_property
    def typst(self) -> str:
        """The same as Typst source, pictures inside."""
        from .typst import write_typst

        return write_typst(self)

    @cached_property
    def pdf(self) -> bytes:
        """The Typst source made into a PDF. Raises `BPTTError` without `pip install 'bpttgraph[typst]'`."""
        from .typst import compile_pdf

        return compile_pdf(self.typst)

    @cached_property
    def latex(self) -> str:
        """The same as a LaTeX article for pdfLaTeX, pictures inside as TikZ."""
        from .latex import write_latex

        return write_latex(self)

    @cached_property
    def beamer(self) -> str:
        """Beamer frames: what a lecturer shows of it; with detail "full" all of it, one step of the derivation a
        frame."""
        from .beamer import write_beamer

        return write_beamer(self)

    def _repr_html_(self) -> str:
        from ..machine.notebooks import frame

        return frame(self.html, self.title)


def build(
    unrolled: Unrolled,
    wrt: Sequence[str] | str,
    report: Report | None = None,
    *,
    command: str = "",
    figure: Figure | None = None,
    detail: str = "lecture",
    level: Sequence[str] | None = None,
    notation: str = "pascanu",
    data: Mapping[str, Any] | None = None,
    symbolic: bool = False,
    onehot: Sequence[str] | str = (),
) -> Document:
    """Put a document together.

    Args:
        unrolled: the unrolled recurrence.
        wrt: the parameters (or other variables) to derive by, one section each; "all" for the full backward pass of the
            cell: every parameter and initial state, with recursions, block Jacobians and code for any number of steps.
        report: what the check found; None if there could be none (abstract functions).
        command: the command that repeats it. figure: the forward picture; drawn here if not given.
        detail: "slide" (the idea and the result), "lecture" (every kind of step once) or "full" (everything).
        level: the levels that stand beside the worked derivation, of "chain", "local", "matrix", "elements" and
            "numbers"; None for what suits the detail.
        notation: "pascanu", "werbos", "goodfellow" or "d2l".
        data: the instance whose numbers are printed; by default the one of seed 0.
        symbolic: the number of steps is left open: recursions, closed form and code for T steps. The unrolled graph
            then serves for shapes, the picture and the check only.
        onehot: inputs and targets that hold one-hot vectors, as names or "x, target": a matrix times one is a column.

    Raises:
        BPTTError: for a variable, detail, level, notation or one-hot name that does not exist.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(steps=3)
        >>> build(u, "W_hh").title
        'Recurrent network: ∂E/∂W_hh over 3 steps'
        >>> build(u, "all", detail="slide").title
        'Recurrent network: the full backward pass'
    """
    from ..derive.onehot import checked_classes
    from .choice import Choice
    from .whole import everything

    levels = None if level is None else (level,) if isinstance(level, str) else tuple(level)
    classes = tuple(sorted(checked_classes(onehot, unrolled.vgraph.variables)))
    choice = Choice(unrolled, report, command, detail, levels, notation, data, symbolic, classes)
    whole = wrt == "all" or list(wrt) == ["all"]
    names = everything(unrolled) if whole else [wrt] if isinstance(wrt, str) else list(dict.fromkeys(wrt))
    return assemble(choice, names, figure, whole)


def assemble(choice: Choice, names: Sequence[str], figure: Figure | None = None, whole: bool = False) -> Document:
    """The document of a `Choice`: one section for each name, or, if `whole`, all of them as the backward pass of a
    cell."""
    from .content import blocks_of, page_title

    picture = figure if figure is not None else choice.unrolled.draw()
    return Document(page_title(choice, names, whole), tuple(blocks_of(choice, names, picture, whole)), choice.detail)
