"""Documents: a derivation as a lecturer would hand it out, with the picture it belongs to and the check that was run.

`build(unrolled, wrt, report)` gives a `Document`; its `.html` is one self-contained page, its `.markdown` reads well
where Markdown knows mathematics. Both say the same, from the same blocks, and depend on nothing but their input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..check import Report
    from ..draw.figure import Figure
    from ..recurrence import Unrolled
    from .blocks import Block

__all__ = ["Document", "build"]


@dataclass
class Document:
    """A finished document. `title` is plain text, `blocks` the content in reading order."""

    title: str
    blocks: tuple[Block, ...] = field(repr=False)

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

    def _repr_html_(self) -> str:
        return self.html


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

    Raises:
        BPTTError: for a variable, detail, level or notation that does not exist.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(steps=3)
        >>> build(u, "W_hh").title
        'Recurrent network: ∂E/∂W_hh over 3 steps'
        >>> build(u, "all", detail="slide").title
        'Recurrent network: the full backward pass'
    """
    from .choice import Choice
    from .content import blocks_of, page_title
    from .whole import everything

    levels = None if level is None else (level,) if isinstance(level, str) else tuple(level)
    choice = Choice(unrolled, report, command, detail, levels, notation, data)
    whole = wrt == "all" or list(wrt) == ["all"]
    names = everything(unrolled) if whole else [wrt] if isinstance(wrt, str) else list(dict.fromkeys(wrt))
    picture = figure if figure is not None else unrolled.draw()
    blocks = blocks_of(choice, names, picture, whole)
    return Document(page_title(unrolled, names, whole), tuple(blocks))
