r"""Documents as Beamer frames, 16:9, a picture always alone.

Detail "full" shows all that the document says, in its order, one step of the derivation a frame. A "lecture" is what is
shown in one: the way to the result without what a reader looks up (names, code, all paths, the table of the check),
short steps together on a frame; a "slide" is the idea and the result. What does not fit on a frame goes on in the next
one under the same title.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from math import ceil
from typing import TYPE_CHECKING, TypeVar

from .blocks import Beside, Block, Bullets, Code, Display, Heading, Math, Para, Picture, Row, Table, Text, Verdict
from .fonts import asset
from .formats import Format
from .latex import block, drawing, letters, table
from .latex_text import run, text

if TYPE_CHECKING:
    from .blocks import Sheet

__all__ = ["write_beamer"]

X = TypeVar("X")
SHOWN = {
    "slide": {"top", "equations", "why", "adjoints", "result", "recursions", "closed", "check"},
    "lecture": {"top", "equations", "why", "ways", "jacobians", "adjoints", "result", "recursions", "closed", "check"},
}
"""Sections of a talk, by the beginnings of their anchors."""
ONCE = {"slide": {"recursions", "closed"}, "lecture": {"recursions"}}
"""What says for every number of steps what the worked way back, where there is one, says for the steps of the document.
"""
FRAME = 5.6
"""How much a frame holds, in lines of fractions."""


@dataclass(slots=True)
class _Frame:
    title: Text
    alone: bool = True  # a step of the derivation has a frame of its own
    blocks: list[Block] = field(default_factory=list)

    @property
    def height(self) -> float:
        return sum(map(_height, self.blocks))

    @property
    def drawn(self) -> bool:
        return any(isinstance(b, Picture) for b in self.blocks)

    def ends(self, b: Block, following: Block | None) -> bool:
        """Whether `b` must go to the next frame: a step after a step, what stands with no picture, what is too much."""
        if not self.blocks:
            return False
        step = (
            self.alone
            and isinstance(b, Para)
            and b.style == "step"
            and any(isinstance(x, Display) for x in self.blocks)
        )
        whole = _height(b) if not isinstance(b, Display | Table | Code) else min(_height(b), FRAME)
        if isinstance(b, Para) and isinstance(following, Display):  # what introduces a formula stays with it
            whole += min(_height(following), FRAME)
        return step or self.drawn or isinstance(b, Picture) or self.height + whole > FRAME


def _height(b: Block) -> float:
    """How high a block is, roughly."""
    match b:
        case Display(rows, _):
            return sum(map(_row_height, rows))
        case Table(_, _, rows):
            return 1.2 + sum(max(map(_cell_height, row)) for row in rows)
        case Code(words, _):
            return 0.34 * (words.count("\n") + 1)
        case Bullets(items):
            return sum(_text_height(i) + 0.1 for i in items)
        case Para(words, _) | Verdict(_, words):
            return _text_height(words) + 0.2
    return 0


def _row_height(r: Row) -> float:
    lines = ceil((r.right.width + 12) / 66)
    return lines * (1 if r"\frac" in r.right.latex + (r.left.latex if r.left else "") else 0.65)


def _cell_height(parts: Text) -> float:
    lines = max((p.latex.count(r"\\") + 1 for p in parts if isinstance(p, Math) and "matrix" in p.latex), default=0)
    if lines:
        return 0.45 * lines + 0.15
    return 0.8 if any(isinstance(p, Math) and r"\frac" in p.latex for p in parts) else 0.4 * max(1, letters(parts) / 28)


def _text_height(parts: Text) -> float:
    return 0.42 * ceil(letters(parts) / 88)


def _shown(blocks: Sequence[Block], detail: str) -> Iterator[Block]:
    """What a talk shows of a document."""
    anchors = {b.anchor.partition("-")[0] for b in blocks if isinstance(b, Heading)}
    if detail == "full":
        yield from blocks
        return
    shown = SHOWN[detail] - (ONCE[detail] if "adjoints" in anchors else set())
    section = ""
    for b, following in zip_longest(blocks, blocks[1:]):
        section = b.anchor.partition("-")[0] if isinstance(b, Heading) else section
        if section not in shown:
            continue
        spoken = section == "jacobians" and isinstance(b, Para)  # a table says enough
        looked_up = (
            section == "check" and not isinstance(b, Heading | Verdict | Code) and not isinstance(following, Code)
        )
        if not spoken and not looked_up:
            yield b


def _frames(blocks: Iterable[Block], alone: bool) -> Iterator[_Frame]:
    """A frame for each heading, each step, each picture, and each part of what is too long for one."""
    frame = _Frame((), alone)
    every = list(_flat(blocks))
    for b, following in zip_longest(every, every[1:]):
        if isinstance(b, Heading):
            yield frame
            frame = _Frame(b.text, alone)
            continue
        for i, part in enumerate(_parts(b, FRAME - frame.height)):
            introduced = isinstance(part, Display) and frame.blocks and isinstance(frame.blocks[-1], Para)
            if i or (frame.ends(part, following) and not introduced):
                yield frame
                frame = _Frame(frame.title, alone)
            frame.blocks.append(part)
    yield frame


def _flat(blocks: Iterable[Block]) -> Iterator[Block]:
    for b in blocks:
        if isinstance(b, Beside):
            yield from _flat(b.blocks)
            yield b.picture
        else:
            yield b


def _parts(b: Block, room: float) -> list[Block]:
    """A block as one, if it goes into the rest of the frame or onto one frame, else as several of about one height."""
    if _height(b) <= max(room, FRAME):
        return [b]
    match b:
        case Display(rows, _):
            return [replace(b, rows=part) for part in _cut(rows, _row_height)]
        case Table(_, _, rows):
            return [replace(b, rows=part) for part in _cut(rows, lambda row: max(map(_cell_height, row)))]
        case Code(words, _):
            return [replace(b, text="\n".join(part)) for part in _cut(tuple(words.split("\n")), lambda line: 0.34)]
    return [b]


def _cut(rows: Sequence[X], height: Callable[[X], float]) -> list[tuple[X, ...]]:
    """Parts of about one height, none much higher than a frame."""
    total = sum(map(height, rows))
    many, done = ceil(total / (FRAME - 1)), 0.0
    parts: list[list[X]] = [[]]
    for row in rows:
        if parts[-1] and done + height(row) / 2 > total * len(parts) / many:
            parts.append([])
        parts[-1].append(row)
        done += height(row)
    return [tuple(p) for p in parts]


def _body(b: Block) -> str:
    if isinstance(b, Picture):
        return (
            drawing(b, r"\linewidth", r".72\textheight") + f"\n{{\\footnotesize\\color{{soft}}{run(b.caption)}\\par}}"
        )
    return table(b, 88, "footnotesize") if isinstance(b, Table) else block(b)


def _frame(f: _Frame) -> str:
    body = "\n\n".join(map(_body, f.blocks))
    options = "t" if f.drawn else "t,allowframebreaks"  # the latter if our estimate of the height was too low
    return f"\\begin{{frame}}[{options}]\n\\frametitle{{{run(f.title)}}}\n{body}\n\\end{{frame}}"


def _title(heading: Heading, lead: Sequence[Block]) -> str:
    under = "\n".join(rf"{{\small\color{{soft}}{run(b.text)}\par}}" for b in lead if isinstance(b, Para))
    return (
        f"\\begin{{frame}}[plain]\n\\vfill\n{{\\usebeamercolor[fg]{{structure}}\\LARGE {run(heading.text)}\\par}}\n"
        f"\\bigskip\n{under}\n\\vfill\n\\end{{frame}}"
    )


def write_beamer(document: Sheet) -> str:
    """The source of the slides."""
    first, *rest = document.blocks
    if not (isinstance(first, Heading) and first.level == 1):
        raise ValueError("a document begins with its title")
    lead = [b for b in rest[:1] if isinstance(b, Para) and b.style == "lead"]
    shown = _shown(rest[len(lead) :], document.detail)
    frames = [f for f in _frames(shown, document.detail == "full") if f.blocks]
    head = f"% {text(document.title)}\n" + asset("frames.tex") + asset("formulas.tex")
    body = "\n\n".join([_title(first, lead), *map(_frame, frames)])
    return head + "\\begin{document}\n\n" + body + "\n\n\\end{document}\n"


FORMATS = (
    Format(
        "beamer",
        "slides.tex",
        write_beamer,
        "slides, 16:9: a talk, or with `--detail full` every step on a frame of its own",
        "text/x-tex",
        pictures="tikz",
        reader="LaTeX with Beamer",
    ),
)
