"""The worked derivation as a document shows it: the idea with its picture first, then every step with its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..derive import WorkedStep
from ..derive.worked import Name
from ..errors import BPTTError
from .blocks import Beside, Block, Display, Heading, Inline, Math, Para, Picture, Table, Text, name, para, words
from .closed import row_letter
from .jacobians import local_rows
from .lines import ratio, rows_of

if TYPE_CHECKING:
    from ..derive import Derivation
    from .choice import Choice

__all__ = ["board_blocks", "reason_text"]

BESIDE = 1250  # width of a picture that still stands beside formulas
TALL = 6  # summands; of more, the picture stands below them
MOST_STEPS = 60  # of one section; longer ones are begun and ended


def reason_text(step: WorkedStep) -> Text:
    """The reason as a sentence with its names set as mathematics."""
    parts: list[Inline] = [name(w) if isinstance(w, Name) else w for w in step.words]
    if isinstance(parts[0], str):
        parts[0] = parts[0][:1].upper() + parts[0][1:]
    return (*parts, ".")


def board_blocks(d: Derivation, choice: Choice, level: int = 2, at: str = "") -> list[Block]:
    """All steps, under headings that say what they are for."""
    steps = d.worked(choice.detail)
    by: dict[str, list[WorkedStep]] = {}
    for step in steps:
        by.setdefault({"losses": "uses", "none": "uses", "delta": "adjoint"}.get(step.rule, step.rule), []).append(step)
    out = _idea(d, by.get("uses", []), level, at)
    if "chain" in by:
        out.append(Heading(level, ("From each variable to the loss",), f"ways{at}"))
        out.append(para("Each of the total derivatives above is found in the same way, from what reads the variable."))
        out += _all(by["chain"])
    if "local" in by:
        out += _local(d, choice, level, at)
    if "adjoint" in by:
        out.append(Heading(level, ("The way back, the last step first",), f"adjoints{at}"))
        note = (
            ""
            if choice.detail == "full"
            else " Each kind of statement is shown once; at the other steps it reads the same."
        )
        put = "Every total derivative gets a name" + (
            ", and the local Jacobians are put in." if d.adjoints.closed else "."
        )
        out.append(para(put + note))
        out += _all(by["adjoint"])
    if "gradient" in by:
        out.append(Heading(level, ("The gradient, in the shape of ", name(d.wrt)), f"result{at}"))
        for step in by["gradient"]:
            out += [
                Para(reason_text(step)),
                Display(tuple(rows_of(step.formula.left, step.formula.terms)), "The gradient"),
            ]
    return out


def _all(steps: Sequence[WorkedStep]) -> list[Block]:
    out: list[Block] = []
    skipped = len(steps) - MOST_STEPS
    for i, step in enumerate(steps):
        if skipped > 0 and MOST_STEPS // 2 <= i < MOST_STEPS // 2 + skipped:
            if i == MOST_STEPS // 2:
                out.append(para(f"⋮ and in the same way for {skipped} more."))
            continue
        out.append(Para(reason_text(step), "step"))
        out.append(Display(tuple(rows_of(step.formula.left, step.formula.terms)), "One step of the derivation"))
    return out


def _idea(d: Derivation, steps: Sequence[WorkedStep], level: int, at: str) -> list[Block]:
    """Why the gradient is a sum: the uses, with the picture in which each of them is an arrow that ends at W."""
    uses = sorted({k for _, k in d.count_by_step})
    parameter = d.paths.variables[d.wrt].role == "parameter"
    over_time = parameter and len(uses) > 1
    title: Text = ("Why ", ratio(d.paths.total, d.wrt), " is a sum over time" if over_time else " is what it is")
    out: list[Block] = [Heading(level, title, f"why{at}")]
    for step in steps:
        out.append(Para(reason_text(step)))
        if step.rule == "none":
            continue
        notes = _notes(d, step) if over_time else []
        rows = rows_of(step.formula.left, step.formula.terms, notes, split=True)
        display = Display(
            tuple(rows), "One summand for each use" if step.rule == "uses" else "One summand for each loss"
        )
        picture = _picture(d, over_time) if step.rule == "uses" else None
        if picture is None:
            out.append(display)
        else:  # side by side if there is room for both
            out += [Beside((display,), picture)] if len(rows) <= TALL and _narrow(picture) else [display, picture]
    return out


def _notes(d: Derivation, step: WorkedStep) -> list[Math | None]:
    """In the margin, which use or which loss a summand is for."""
    if step.rule == "losses":
        return [words(f"loss {t}") for t, _ in d.paths.heads]
    found: list[Math | None] = []
    for link in step.links:
        target = d.paths.variables.get(link.partition("->")[2])
        found.append(words(f"use at step {target.step}") if target is not None and target.step else None)
    return found if len(found) == len(step.formula.terms) else []


def _picture(d: Derivation, over_time: bool) -> Picture | None:
    try:
        figure = d.unrolled.draw(view="backward", wrt=d.wrt)  # type: ignore[attr-defined]
    except BPTTError:
        return None
    text: list[Inline] = ["The way back. "]
    if over_time:
        text += ["Each thick arrow that ends at ", name(d.wrt), " is one use: one summand."]
    else:
        text += ["Each thick arrow is one factor of the chain rule."]
    return Picture(figure.svg, f"The backward pass to {d.wrt}", tuple(text), _file(d.wrt), figure.tikz)


def _file(wrt: str) -> str:
    """A file's name that every system takes, and another one for every variable.

    >>> _file("W_hh"), _file("h[0]"), _file("δ")
    ('backward-W_hh.svg', 'backward-h-0.svg', 'backward--u3b4.svg')
    """
    plain = wrt.replace("[", "-").replace("]", "")
    return f"backward-{re.sub(r'[^a-zA-Z0-9_.-]', lambda m: f'-u{ord(m[0]):x}', plain)}.svg"


def _narrow(picture: Picture) -> bool:
    """Whether it leaves room for formulas beside it."""
    found = re.search(r'<svg[^>]* width="([0-9.]+)"', picture.svg)
    return found is not None and float(found[1]) <= BESIDE


def _local(d: Derivation, choice: Choice, level: int, at: str) -> list[Block]:
    rows, remarks, by_matrix = local_rows(d, d.unrolled.recurrence.abstract, choice.notation)
    out: list[Block] = [Heading(level, ("The local Jacobians",), f"jacobians{at}")]
    if not rows:
        return [*out, *remarks]
    out.append(para(
        "Every factor is the derivative of one equation, with everything else it reads held fixed. "
        "These are all the kinds there are, at a step ", name("t"), ".",
    ))  # fmt: skip
    if by_matrix:
        r = name(row_letter(d.unrolled))  # type: ignore[arg-type]
        out.append(para("By a matrix the derivative has three indices, so it is given by what it makes of the row ", r,
                        " of factors to its left: that has the shape of the matrix."))  # fmt: skip
    out.append(
        Table(
            ("Local Jacobians, one row for each kind of link.",), (("factor",), ("local Jacobian",), ("because",)), rows
        )
    )
    return [*out, *remarks]
