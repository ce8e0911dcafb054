"""What a derivation's document says, in reading order, as blocks that every format can write.

Pure functions of a `Choice` (the unrolled recurrence, the report of its check, the options) and the variables to derive
by: no clock, no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..core.names import to_unicode
from ..derive import Derivation
from ..equations.library import fields
from .blocks import (
    Block,
    Bullets,
    Code,
    Display,
    Heading,
    Inline,
    Math,
    Picture,
    Row,
    Table,
    Text,
    name,
    para,
    words,
)
from .closing import check_blocks, reading_blocks
from .equations import row_of
from .gradient import derivation_blocks
from .lines import ratio, shape_words
from .symbolic import symbolic_blocks
from .whole import whole_blocks

if TYPE_CHECKING:
    from ..draw.figure import Figure
    from ..unrolled import Unrolled
    from .choice import Choice

__all__ = ["blocks_of", "page_title"]


def blocks_of(choice: Choice, wrt: Sequence[str], figure: Figure | None, whole: bool = False) -> list[Block]:
    """The whole document; `whole` if it is the backward pass of a cell, all gradients together."""
    u, brief = choice.unrolled, choice.detail == "slide"
    derivations = [Derivation(u, w, cap=10**9, notation=choice.notation, onehot=choice.onehot) for w in wrt]
    out: list[Block] = [Heading(1, _title(choice, wrt, whole), "top"), *_lead(u, choice)]
    out += _equations(u)
    if whole:
        if not brief:
            out += [*_names(u), *_picture(u, figure)]
        out += whole_blocks(derivations, choice)
    elif choice.symbolic:
        for d in derivations:
            out += (
                [Heading(2, ("The gradient ", ratio(d.paths.total, d.wrt)), f"gradient-{d.wrt}")]
                if len(wrt) > 1
                else []
            )
            at, level = (f"-{d.wrt}", 3) if len(wrt) > 1 else ("", 2)
            out += symbolic_blocks(choice, [d.wrt], whole=False, level=level, at=at)
        if not brief:
            out += [*_picture(u, figure), *_names(u)]
    else:
        for d in derivations:
            out += derivation_blocks(d, choice, len(derivations))
        if not brief:
            out += [*_picture(u, figure), *_names(u)]
    if not brief:
        out += reading_blocks(u, choice.notation)
    return out + check_blocks(u, choice.report, choice.command, brief) + ([] if brief else _source(u))


def _full_title(u: Unrolled) -> str:
    found = fields(u.recurrence.source).get("title", [])
    title = found[0] if found else u.recurrence.title
    return title[:1].upper() + title[1:]


def _cell_title(u: Unrolled) -> str:
    """Without what stands in brackets at its end: that goes under the heading."""
    full = _full_title(u)
    return full[: full.rindex("(")].rstrip() or full if full.endswith(")") and "(" in full else full


def _steps(u: Unrolled) -> str:
    def count(n: int) -> str:
        return f"{n} step" if n == 1 else f"{n} steps"

    return ", ".join(f"{count(n)} of the {b}" if b else count(n) for b, n in u.steps.items())


def _total(u: Unrolled) -> str:
    return Derivation(u, next(iter(u.vgraph.variables))).paths.total


def _title(choice: Choice, wrt: Sequence[str], whole: bool) -> Text:
    u = choice.unrolled
    if whole:
        return (_cell_title(u) + ": the full backward pass",)
    out: list[Inline] = [_cell_title(u) + ": "]
    for i, w in enumerate(wrt):
        out += [", " if i else "", ratio(_total(u), w)]
    return (*out, _over(choice))


def page_title(choice: Choice, wrt: Sequence[str], whole: bool = False) -> str:
    """The title as plain text, for a window or a tab."""
    u = choice.unrolled
    if whole:
        return f"{_cell_title(u)}: the full backward pass"
    names = ", ".join(f"∂{to_unicode(_total(u))}/∂{to_unicode(w)}" for w in wrt)
    return f"{_cell_title(u)}: {names}{_over(choice)}"


def _over(choice: Choice) -> str:
    return " for any number of steps" if choice.symbolic else " over " + _steps(choice.unrolled)


_AUTHORS = {
    "pascanu": "Pascanu et al. (2013)",
    "werbos": "Werbos (1990)",
    "goodfellow": "Goodfellow et al. (2016)",
    "d2l": "Dive into Deep Learning",
}


_E = Math("<mi>𝐞</mi>", r"\mathbf{e}", 1)


def _lead(u: Unrolled, choice: Choice) -> list[Block]:
    """Under the title: which cell exactly, and every convention on which the formulas depend."""
    full = _full_title(u)
    which = [full + "."] if full != _cell_title(u) else []
    said = [f"checked with {c}" if choice.symbolic and "T = " in c else c for c in u.conventions]
    conventions = "; ".join([said[0][:1].upper() + said[0][1:], *said[1:]])
    notation = _AUTHORS[choice.notation]
    lead: list[Inline] = [*which, " " if which else "", f"{conventions}; notation of {notation}."]
    for i, base in enumerate(choice.onehot):
        lead += [" " if not i else " and " if i == len(choice.onehot) - 1 else ", ", name(f"{base}[t]")]
    if choice.onehot:
        one = len(choice.onehot) == 1
        lead += [" is one-hot" if one else " are one-hot", ": ", _E, " is the unit vector of its class."]
    return [para(*lead, style="lead")]


def _equations(u: Unrolled) -> list[Block]:
    rec = u.recurrence
    rows: list[Row] = []
    seen: set[int] = set()
    for d in rec.definitions:
        if id(d) not in seen:
            seen.add(id(d))
            block = words(d.block) if d.block else None
            rows.append(_noted(row_of(d.equation, partial(rec.key, block=d.block)), block))
    return [Heading(2, ("The equations",), "equations"), Display(tuple(rows), "The equations")]


def _source(u: Unrolled) -> list[Block]:
    """The equations as they were given, and where they are from."""
    rec = u.recurrence
    written = "\n".join(line for line in rec.source.strip().splitlines() if not line.startswith("# ")).strip("\n")
    out: list[Block] = [
        Heading(2, ("The equations as written",), "source"),
        Code(written or rec.source, "The equations as written"),
    ]
    for source in fields(rec.source).get("source", []):
        out.append(para("Source: " + source + ("" if source.endswith(".") else "."), style="note"))
    return out


def _noted(row: Row, note: Math | None) -> Row:
    return Row(row.right, row.left, row.relation, note, row.rule)


_KINDS = {
    "state": "state",
    "initial": "initial state",
    "value": "value within a step",
    "input": "input",
    "target": "target",
    "output": "output",
    "loss": "loss of a step",
    "total": "total loss",
    "parameter": "parameter",
    "upstream": "given ∂E/∂output",
}
_KIND_ORDER = list(_KINDS)


def _names(u: Unrolled) -> list[Block]:
    """What is what: one row for each name of the equations, with its shape."""
    rec, found = u.recurrence, dict[tuple[str, str], tuple[int, ...]]()
    initial: dict[str, list[str]] = {}
    for v in u.vgraph.variables.values():
        if v.role == "initial":
            initial.setdefault(v.base, []).append(v.name)
            continue
        role = "state" if v.base in rec.states and v.role not in ("input", "target") else v.role
        found.setdefault((role, v.base), v.shape)
    for names in initial.values():
        for n in names[:2]:
            found.setdefault(("initial", n), u.vgraph.variables[n].shape)
    groups: dict[tuple[str, tuple[int, ...]], list[Inline]] = {}
    for (role, base), shape in sorted(found.items(), key=lambda item: _KIND_ORDER.index(item[0][0])):
        indexed = role not in ("parameter", "total", "initial") and any(
            v.base == base and v.step is not None for v in u.vgraph.variables.values()
        )
        shown = groups.setdefault((role, shape), [])
        shown += [", " if shown else "", name(f"{base}[t]" if indexed else base)]
    rows = [(tuple(names), (_KINDS[role],), (shape_words(shape, rec.rows),)) for (role, shape), names in groups.items()]
    out: list[Block] = [
        Heading(2, ("What is what",), "names"),
        Table(
            ("The names of the equations. Shapes are for one example; a batch adds nothing to the formulas.",),
            (("name",), ("what it is",), ("shape",)),
            tuple(rows),
        ),
    ]
    if not rec.published:
        out += [
            para("The equations as they were read, with explicit operators:"),
            Code(rec.reading, "The equations as read"),
        ]
    if rec.notes:
        out += [para("What was assumed or left out in reading them:"), Bullets(tuple((n,) for n in rec.notes))]
    return out


def _picture(u: Unrolled, figure: Figure | None) -> list[Block]:
    if figure is None:
        return []
    caption = "The forward pass, unrolled. Each parameter is one node, drawn once; every tap of its rail is one use."
    if any(link.cut for link in u.vgraph.links):
        caption += " Cut edges carry values forward, but no gradient back."
    alt = f"Unrolled graph of {_cell_title(u)} over {_steps(u)}"
    return [Heading(2, ("The forward picture",), "picture"), Picture(figure.svg, alt, (caption,), tikz=figure.tikz)]
