"""The sections for a symbolic number of steps T: recursions, sums over the uses, closed form, NumPy code, forward mode.

What a recurrence does not have (a closed form, a general form for chosen losses) is not left out in silence: one
sentence says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.names import to_unicode
from ..derive.recursions import Recursion
from ..errors import BPTTError
from .blocks import Block, Code, Display, Heading, Inline, Math, Mono, Para, Row, Strong, formula, name, para
from .closed import closed_blocks, reason, symbolic_of
from .lines import listed, plain_rows, statement_rows
from .recursive import Loop, Plan, compared, plan

if TYPE_CHECKING:
    from ..derive import SymbolicDerivation
    from .choice import Choice

__all__ = ["symbolic_blocks"]

_T = Math("<mi>T</mi>", "T", 1)
_DELTA = Math("<mi>δ</mi>", r"\delta", 1)
_D = '<mi mathvariant="normal">d</mi>'
_DE_DH = Math(f"<mrow>{_D}<mi>E</mi><mo>/</mo>{_D}<mi>h</mi></mrow>", r"\mathrm{d}E / \mathrm{d}h", 5)


def symbolic_blocks(choice: Choice, wrt: Sequence[str], whole: bool, level: int = 2, at: str = "") -> list[Block]:
    """All sections for T steps.

    Args:
        wrt: what the gradients are by. whole: all of them share one set of recursions; else there is only one.
        level: of the heading. at: the end of the anchors.
    """
    brief = choice.detail == "slide"
    title = "The backward pass, for any number of steps " if whole else "For any number of steps "
    out: list[Block] = [Heading(level, (title, _T), f"symbolic{at}")]
    try:
        g = symbolic_of(choice.unrolled, "all" if whole else wrt[0], choice.notation, choice.onehot)
    except BPTTError as error:
        return [*out, reason("There is no form for every T", error)]
    if whole or not brief:  # the slide of one gradient has its closed form only
        out += _recursions(g, choice, level + 1, at)
    if not (whole and brief):
        out += closed_blocks(choice, wrt, level + 1, at)
    if not brief:
        out += _code(g, level + 1, at)
    if choice.detail == "full":
        out += _forward(choice, wrt, level + 1, at)
    return out


# -- recursions and sums


def _recursions(g: SymbolicDerivation, choice: Choice, level: int, at: str) -> list[Block]:
    head = Heading(level, ("Recursions, and the sum over the uses",), f"recursions{at}")
    try:
        found = plan(g)
    except BPTTError as error:
        return [head, reason("There is no recursion that serves all losses", error)]
    out: list[Block] = [head, _intro(found, bool(g.recurrence.blocks), g.recurrence.rows)]
    if found.values:
        what = "a sum" if len(found.values) == 1 else "sums"
        out += [
            para(Strong("First."), f" The loss is a function of {what} over all steps:"),
            _display(found.values, choice, "Sums over the steps"),
        ]
    if found.terminal:
        ends = "ends" if len({loop.direction for loop in found.loops if loop.direction}) > 1 else "end"
        row = Row(formula(found.terminal[0].terms[0]), _chained([formula(r.left) for r in found.terminal]), "=")
        out += [
            para(Strong("Start."), f" Beyond the {ends} there is nothing to come back from:"),
            Display((row,), "Start"),
        ]
    for loop in found.loops:
        out += _loop(loop, choice)
    shares = "Each parameter is" if len(found.sums) > 1 else "The parameter is"
    summed = any(low for r in found.sums for low, *_ in r.uses)
    text = f" {shares} read at every step, and each step adds its share:" if summed else ""
    out += [para(Strong("Sum."), text), _display(found.sums, choice, "The gradients")]
    notes = ["Taken for granted: " + "; ".join(g.assumptions) + "."] if g.assumptions else []
    steps = compared(g)
    if steps:
        what = f"graphs of {listed(steps)} steps" if len(steps) > 1 else f"graph of {steps[0]} steps"
        notes.append(f"These lines were compared with the unrolled {what}: the same statements, term for term.")
    return out + [para(n, style="note") for n in notes]


def _intro(found: Plan, blocks: bool, rows: bool) -> Para:
    kinds = {r.kind for r in found.all}
    out: list[Inline] = ["What a program computes, in this order."]
    if "adjoint" in kinds:
        out += [
            " A bar marks the adjoint of a value: ",
            name("h\u0304"),
            " is ",
            _DE_DH,
            " as a row" if rows else " as a column",
        ]
        out.append(", and " if "delta" in kinds else ".")
    if "delta" in kinds:
        out += [
            " " if "adjoint" not in kinds else "",
            _DELTA,
            " the same for what the function of an equation is applied to.",
        ]
    if blocks:
        out += [" ", _T, " is the number of steps of the block to which a name belongs."]
    return Para(tuple(out))


def _chained(parts: Sequence[Math]) -> Math:
    """a = b = c, as the left side of … = 0."""
    mathml = "<mo>=</mo>".join(p.mathml for p in parts)
    return Math(f"<mrow>{mathml}</mrow>", " = ".join(p.latex for p in parts), sum(p.width + 3 for p in parts))


def _loop(loop: Loop, choice: Choice) -> list[Block]:
    """The lines of one loop in order of computation; where they hold at different steps, the margin says at which."""
    if not loop.direction:
        return [para(Strong("Once"), ", for what does not depend on the step:"), _display(loop.after, choice, "Once")]
    back = loop.direction < 0
    way = Strong("Back." if back else "Forth.")
    where = f" In the {loop.block}, " if loop.block else " "
    out: list[Block] = []
    if len(loop.ranges) == 1:
        out += [para(way, where + ("for " if loop.block else "For "), _span(loop.ranges[0]), ":")]
        out.append(_display(loop.lines, choice, "One step"))
    elif loop.lines:
        order = "from the last step to the first" if back else "from the first step to the last"
        text = where + ("step by step, " if loop.block else "Step by step, ") + order
        out.append(para(way, f"{text}; the margin says at which steps a line holds:"))
        out.append(_display(loop.lines, choice, "One step", margin=True))
    if loop.after:
        out += [para("and once, after all steps:"), _display(loop.after, choice, "At the border")]
    return out


def _display(lines: Sequence[Recursion], choice: Choice, label: str, margin: bool = False) -> Display:
    rows: list[Row] = []
    for r in lines:
        first, *more = plain_rows(r.left, r.terms, choice.notation, gradient=r.kind == "gradient")
        note = _span(r.range) if margin or r.condition else first.note
        rows += [Row(first.right, first.left, first.relation, note, first.rule), *more]
    return Display(tuple(rows), label)


def _span(text: str) -> Math:
    """t = T, …, 1 as a formula."""
    parts = []
    for c in text.replace(" ", ""):
        tag = "mn" if c.isdigit() else "mi" if c.isalpha() or c == "…" else "mo"
        parts.append(f"<{tag}>{c}</{tag}>")
    return Math(
        f"<mrow>{''.join(parts)}</mrow>", text.replace("…", r"\dots").replace("−", "-").replace("≥", r"\ge"), len(text)
    )


# -- code, forward mode


def _code(g: SymbolicDerivation, level: int, at: str) -> list[Block]:
    if g.recurrence.abstract:
        return []
    head = Heading(level, ("As NumPy code",), f"code{at}")
    try:
        code = g.code("backward")
    except BPTTError as error:
        return [head, reason("There is no NumPy code", error)]
    zeros = "stands a row of zeros" if g.reach == 1 else f"stand {g.reach} rows of zeros"
    last = max(g.reference.steps.values())
    late = any(v.role == "initial" and (v.step or 0) > last for v in g.reference.vgraph.variables.values())
    beyond = " (of what runs backwards in time, the state that it starts from)" if late else ""
    classes = (
        f" {to_unicode(' and '.join(sorted(g.first.onehot)))}: numbers of classes, from 0." if g.first.onehot else ""
    )
    early = any(v.role == "initial" and (v.step or 0) < 0 for v in g.reference.vgraph.variables.values())
    before = (
        (" What stands before step 0 is in the last rows, where Python finds it: ", Mono("[-1]"), " is the last one.")
        if early
        else ()
    )
    return [
        head,
        para(
            "The values of the forward pass go in, the gradients come out. Row t of an array is step t, row 0 the "
            f"initial state, and after the last step {zeros}{beyond}.",
            *before,
            *([classes] if classes else []),
        ),
        Code(code.strip("\n"), "The backward pass as NumPy code"),
    ]


def _forward(choice: Choice, wrt: Sequence[str], level: int, at: str) -> list[Block]:
    rows: list[Row] = []
    for w in wrt:
        try:
            statements = symbolic_of(choice.unrolled, w, choice.notation, choice.onehot).closed_form.forward
        except BPTTError:
            continue
        rows += [r for s in statements for r in statement_rows(s, choice.notation)]
    if not rows:
        return []
    return [
        Heading(level, ("Forward mode",), f"forward-mode{at}"),
        para(
            "Real-time recurrent learning (Williams and Zipser, 1989) carries the same derivatives along with the "
            "computation and never goes back:"
        ),
        Display(tuple(rows), "Forward mode"),
    ]
