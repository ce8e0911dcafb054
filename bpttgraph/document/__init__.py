"""Documents: a derivation as a lecturer would hand it out, with the picture it belongs to and the check that was run.

`build(unrolled, wrt, report)` gives a `Document`, which writes itself in every format of `formats`:
`document.written("html")` or `document.html` is one self-contained page, `"pdf"` a paper, and
`document.save("out", "html, md")` writes files. All say the same, from the same blocks, and depend on nothing but their
input.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..machine.files import write
from .blocks import Beside, Picture, Sheet
from .formats import Format, chosen, format_of, formats

if TYPE_CHECKING:
    from ..check import Report
    from ..draw.figure import Figure
    from ..unrolled import Unrolled
    from .choice import Choice

__all__ = ["Document", "Format", "assemble", "build", "formats"]


class Document(Sheet):
    """A finished document, in every format that has a writer: each name of a format is an attribute (`.html`, `.md` or
    `.markdown`, `.pdf`), made when first asked for.

    `.pdf` raises `BPTTError` without `pip install 'bpttgraph[typst]'`. The pictures of `.markdown` are files beside it,
    which `files` has as well.

    Example:
        >>> import bpttgraph as bg
        >>> document = build(bg.cell("rnn").unroll(2), "W_hh")
        >>> document.title, document.html.startswith("<!DOCTYPE html>")
        ('Recurrent network: ∂E/∂W_hh over 2 steps', True)
    """

    # these have names of their own for editors and the reference; a new format needs none

    @property
    def html(self) -> str:
        """One page with everything in it: no network, no script needed."""
        return str(self.written("html"))

    @property
    def markdown(self) -> str:
        """The same as Markdown; the picture is the file `forward.svg` beside it."""
        return str(self.written("md"))

    @property
    def typst(self) -> str:
        """The same as Typst source, pictures inside."""
        return str(self.written("typ"))

    @property
    def pdf(self) -> bytes:
        """The Typst source made into a PDF. Raises `BPTTError` without `pip install 'bpttgraph[typst]'`."""
        return bytes(self.written("pdf"))  # type: ignore[arg-type]

    @property
    def latex(self) -> str:
        """The same as a LaTeX article for pdfLaTeX, pictures inside as TikZ."""
        return str(self.written("tex"))

    @property
    def beamer(self) -> str:
        """Beamer frames: what a lecturer shows of it; with detail "full" all of it."""
        return str(self.written("beamer"))

    def __getattr__(self, name: str) -> Any:
        if not any(name in f.names for f in formats().values()):
            raise AttributeError(f"a document has no {name!r}; its formats are {', '.join(formats())}")
        return self.written(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(n for f in formats().values() for n in f.names)]

    def written(self, name: str) -> str | bytes:
        """The document in a format, such as "html".

        Example:
            >>> import bpttgraph as bg
            >>> build(bg.cell("rnn").unroll(2), "W_hh").written("rst")[:4]
            '===='

        Raises:
            BPTTError: there is no such format, or what it needs is not installed.
        """
        made: dict[str, str | bytes] = self.__dict__.setdefault("_written", {})
        f = format_of(name)
        if f.name not in made:
            made[f.name] = f.write(self)
        return made[f.name]

    def files(self, names: str | Iterable[str] = "html") -> dict[str, bytes]:
        """The files of some formats, such as "html, md", by name, complete in memory, with the pictures that lie beside
        them.

        Example:
            >>> import bpttgraph as bg
            >>> sorted(build(bg.cell("rnn").unroll(2), "W_hh").files("md, json"))
            ['backward-W_hh.svg', 'check.json', 'derivation.md', 'forward.svg']
        """
        wanted = [formats()[name] for name in chosen(names)]
        found: dict[str, bytes] = {}
        for f in wanted:
            made = self.written(f.name)
            found[f.file] = made if isinstance(made, bytes) else made.encode()
        if any(f.pictures == "beside" for f in wanted):
            inside = [b.picture if isinstance(b, Beside) else b for b in self.blocks]
            found |= {b.file: b.svg.encode() for b in inside if isinstance(b, Picture)}
        return found

    def save(self, folder: str | os.PathLike[str], names: str | Iterable[str] = "html") -> None:
        """Write the files of some formats into a folder; nothing half-written is ever left behind."""
        write({Path(folder) / name: data for name, data in self.files(names).items()})

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
    blocks = tuple(blocks_of(choice, names, picture, whole))
    return Document(page_title(choice, names, whole), blocks, choice.detail, picture, choice)
