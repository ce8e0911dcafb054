"""The sections of one gradient: the worked derivation, then the levels that were asked for, then any number of
steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..derive import Derivation
from ..derive.levels import literal, summands
from ..formulas.expr import Add, Expr
from ..formulas.layout import signed_terms
from ..formulas.notation import in_notation
from ..machine.bounds import many
from .blocks import Block, Display, Heading, Inline, Math, Para, Row, Strong, Table, Text, formula, name, para, words
from .board import board_blocks
from .lines import is_step, led, listed, ratio, shape_words, statement_rows
from .symbolic import symbolic_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..derive import Statement, Term
    from .choice import Choice

__all__ = ["derivation_blocks", "number_rows"]

LONGEST = {"chain": 80, "local": 40}  # terms written out; longer sums are begun, and their factored form says the rest
LONGEST_OF_MANY = {"chain": 24, "local": 12}  # the same where many gradients share one document
MANY = 3  # gradients
SHOWN = 12  # terms of such a beginning
STATEMENTS = 48  # statements of the factored form written out in full
TRIANGLE = 10  # steps of the table of counts before it is folded
ENTRIES = 36  # of a matrix of numbers that is printed
USES = 8  # matrices of numbers printed one below the other

_D = Math('<mi mathvariant="normal">d</mi>', r"\mathrm{d}", 1)


def derivation_blocks(d: Derivation, choice: Choice, gradients: int) -> list[Block]:
    """Everything about ∂E/∂wrt; `gradients` is how many such sections the document has."""
    many, longest = gradients > 1, LONGEST if gradients <= MANY else LONGEST_OF_MANY
    at, level = (f"-{d.wrt}", 3) if many else ("", 2)
    out: list[Block] = [Heading(2, ("The gradient ", ratio(d.paths.total, d.wrt)), f"gradient{at}")] if many else []
    if d.count == 0:
        return [*out, para("No path leads from ", name(d.wrt), " to a loss that counts, so this gradient is 0.")]
    out += board_blocks(d, choice, level, at)
    if "numbers" in choice.levels:
        out += _numbers(d, choice, level, at)
    if not many:
        out += symbolic_blocks(choice, [d.wrt], whole=False, level=level)
    if "chain" in choice.levels:
        out += _chain(d, choice, longest["chain"], level, at)
    if "local" in choice.levels and d.adjoints.closed:
        out += _local(d, choice, longest["local"], level, at)
    if "matrix" in choice.levels and choice.detail != "full":  # the full board has every statement of it
        text = "All statements, in order of computation: the adjoints of every step, then the gradient."
        out += _statements(d, d.factored_at("matrix"), "At level matrix", text, f"matrix{at}", level)
    if "elements" in choice.levels:
        text = "The same, read entry by entry."
        out += _statements(d, d.factored_at("elements"), "Entry by entry", text, f"elements{at}", level)
    return out


# -- level chain


def _chain(d: Derivation, choice: Choice, longest: int, level: int, at: str) -> list[Block]:
    out: list[Block] = [Heading(level, ("All chain-rule terms, path by path",), f"chain{at}"), _why(d), _triangle(d)]
    out += [_sum_intro(d, longest), _sum_display(d, "chain", longest)]
    if choice.detail == "full" or d.count > longest:
        text = (
            "Written once for every variable, each link is used once: work grows linearly with the steps, and no path"
            " is listed."
        )
        out += _statements(
            d, d.factored_at("chain"), "Factored: what a program computes", text, f"factored{at}", level + 1
        )
    return out


def _why(d: Derivation) -> Para:
    u, w = d.unrolled, d.wrt
    v = u.vgraph.variables[w]
    steps = sorted({k for _, k in d.count_by_step})
    losses = sorted({t for t, _ in d.count_by_step})
    terms = "1 term" if d.count == 1 else f"{d.count:,} terms"
    start: list[Inline] = [Strong(terms), ". "]
    if v.role == "parameter":
        used = "the step" if len(steps) == 1 else "the steps"
        start += [
            "Multiplied out, the gradient is one product for every path from a use of ",
            name(w),
            f" (at {used} {listed(steps)}) to {_losses(losses)}.",
        ]
    else:
        start += [
            "Each path from ",
            name(w),
            f" to {_losses(losses)} gives one product of partial derivatives; the gradient is their sum.",
        ]
    if any(link.cut for link in u.vgraph.links):
        start.append(" Paths through a cut edge do not count.")
    return Para(tuple(start))


def _losses(losses: list[int]) -> str:
    return f"the loss at step {losses[0]}" if len(losses) == 1 else f"the losses at the steps {listed(losses)}"


def _triangle(d: Derivation) -> Table:
    counts = d.count_by_step
    losses, uses = sorted({t for t, _ in counts}), sorted({k for _, k in counts})
    totals = {t: sum(n for (s, _), n in counts.items() if s == t) for t in losses}
    shown_t, shown_k = _folded(losses), _folded(uses)

    def cell(t: int | None, k: int | None) -> Text:
        if t is None or k is None:
            return ("⋯" if k is None and t is not None else "⋮" if t is None and k is not None else "⋱",)
        return (f"{counts[t, k]:,}",) if (t, k) in counts else ("",)

    head: tuple[Text, ...] = (
        ("loss ╲ use",),
        *[(is_step("k", k),) if k is not None else ("⋯",) for k in shown_k],
        ("together",),
    )
    rows = [
        (
            (is_step("t", t),) if t is not None else ("⋮",),
            *[cell(t, k) for k in shown_k],
            (f"{totals[t]:,}",) if t is not None else ("⋮",),
        )
        for t in shown_t
    ]
    caption = (
        "Paths from the use at step ",
        Math("<mi>k</mi>", "k", 1),
        " (column) to the loss at step ",
        Math("<mi>t</mi>", "t", 1),
        f" (row): {d.count:,} in all.",
    )
    return Table(caption, head, tuple(rows), "triangle")


def _folded(steps: list[int]) -> list[int | None]:
    return [*steps[:4], None, *steps[-2:]] if len(steps) > TRIANGLE else list(steps)


def _sum_intro(d: Derivation, longest: int) -> Para:
    if d.count <= longest:
        return para(
            "One factor for every link of the path, from the loss back to the use; the margin says which loss ",
            Math("<mi>t</mi>", "t", 1),
            " and which use ",
            Math("<mi>k</mi>", "k", 1),
            ".",
        )
    return para(
        f"The sum has {d.count:,} terms, too many to write out. These are the first {SHOWN}; the factored form below "
        "contains all of them, each link once."
    )


def _sum_display(d: Derivation, level: str, longest: int) -> Display:
    long = d.count > longest
    terms = d.first_terms(SHOWN) if long else d.terms
    rows: list[Row] = []
    before: Term | None = None
    for term in terms:
        for part in _parts(d.shown(d.left_side, (term.expr(level),))[1][0]):
            (sign, e), *_ = signed_terms([part])
            first = not rows
            same = before is not None and (before.loss_step, before.use_step) == (term.loss_step, term.use_step)
            rows.append(
                Row(
                    led(formula(e), sign, first),
                    formula(in_notation(d.left_side, d.notation, gradient=True)) if first else None,
                    "=" if first else "+" if sign > 0 else "−",
                    None if same else _place(term),
                    before is not None and before.loss_step != term.loss_step,
                )
            )
            before = term
    if long:
        rows.append(Row(words(f"… and {many(d.count - len(terms))} more"), None, "+"))
    return Display(tuple(rows), f"The sum over paths, level {level}")


def _parts(e: Expr) -> tuple[Expr, ...]:
    return e.terms if isinstance(e, Add) else (e,)


def _place(term: Term) -> Math:
    mathml = (
        f"<mrow><mi>t</mi><mo>=</mo><mn>{term.loss_step}</mn><mo>,</mo><mspace width='0.3em'/>"
        f"<mi>k</mi><mo>=</mo><mn>{term.use_step}</mn></mrow>"
    )
    return Math(mathml, rf"(t={term.loss_step},\ k={term.use_step})", 8)


# -- level local


def _local(d: Derivation, choice: Choice, longest: int, level: int, at: str) -> list[Block]:
    w = d.wrt
    begun = f" These are the first {SHOWN} of {d.count:,}." if d.count > longest else ""
    shape = d.unrolled.vgraph.variables[w].shape
    shaped = f", {shape_words(shape, d.unrolled.recurrence.rows)}." if shape else ", a number."
    out: list[Block] = [
        Heading(level, ("With the local Jacobians put in",), f"local{at}"),
        para("The terms path by path, in the same order, each shaped like ", name(w), shaped + begun),
        _sum_display(d, "local", longest),
    ]
    if choice.detail == "full":
        text = (
            "Factored, with the local Jacobians. The total derivatives are rows here; only the last line has the shape"
            " of the gradient."
        )
        out += _statements(d, d.factored_at("local"), "", text, "", level)
    return out


# -- factored forms


def _statements(
    d: Derivation, statements: Sequence[Statement], title: str, text: str, anchor: str, level: int
) -> list[Block]:
    """Statements of a factored form, one a line if they are short."""
    ordered = _by_step(d, statements)
    keep = len(ordered) if len(ordered) <= STATEMENTS else STATEMENTS // 2
    skipped = len(ordered) - keep - 1
    rows: list[Row] = []
    for i, s in enumerate(ordered):
        if skipped > 0 and keep <= i < len(ordered) - 1:
            if i == keep:
                rows.append(Row(words(f"⋮ in the same way for {skipped} more"), None, ""))
            continue
        last = s.variable == d.wrt
        rows += statement_rows(s, split=last, rule=last and bool(rows))
    head: list[Block] = [Heading(level, (title,), anchor)] if title else []
    total: list[Inline] = [" ", _D, " marks a total derivative: everything behind it is already added up."]
    shown = total if title.startswith("Factored") and d.notation in ("pascanu", "goodfellow") else []
    return [*head, para(text, *shown), Display(tuple(rows), title or "The factored form")]


def _by_step(d: Derivation, statements: Sequence[Statement]) -> list[Statement]:
    """Step by step, the last first, as a program loops; as they are if some statement would then need a later one."""
    *front, last = statements
    made = [*sorted(front, key=lambda s: -d.paths.step_of(s.variable)), last]
    place = {s.variable: i for i, s in enumerate(made)}
    late = any(
        place[link.target] > place[link.source]
        for link in d.unrolled.vgraph.links
        if link.source in place and link.target in place
    )
    return list(statements) if late or len({s.loss for s in front}) > 1 or len(place) < len(made) else made


# -- level numbers


def _numbers(d: Derivation, choice: Choice, level: int, at: str) -> list[Block]:
    head = Heading(level, ("In numbers",), f"numbers{at}")
    if not choice.has_numbers:
        functions = ", ".join(choice.unrolled.recurrence.abstract)
        return [head, para(f"There are none: {functions} stay abstract.")]
    mark = {
        "✓": " The mark ✓ says that the check at the end of this document found it right.",
        "✗": " The check found an error.",
    }
    caption = "Each summand on the instance of the check, to four digits; then their sum." + mark.get(choice.mark, "")
    return [head, Table((caption,), (("",), ("formula",), ("value",)), number_rows(d, choice))]


def number_rows(d: Derivation, choice: Choice) -> tuple[tuple[Text, ...], ...]:
    """(which use, its formula, its value), and the sum with the mark of the check."""
    values = [np.asarray(v, float) for v in summands(d.adjoints, choice.run)[d.wrt]]
    pieces = d.adjoints.parts[-1].pieces
    variables = d.unrolled.vgraph.variables
    rows: list[tuple[Text, ...]] = []
    if len(values) > 1:
        for i, (piece, value) in enumerate(zip(pieces, values)):
            if len(values) > USES and USES - 2 <= i < len(values) - 1:
                if i == USES - 2:
                    rows.append((("⋮",), (f"{len(values) - USES + 1} more",), ("⋮",)))
                continue
            target = variables.get(piece.target)
            use: Text = (is_step("k", target.step),) if target is not None and target.step is not None else ("",)
            rows.append((use, (formula(d.shown(d.left_side, (piece.expr,))[1][0]),), _value(value)))
    total = sum(values[1:], values[0])
    left = formula(in_notation(d.left_side, d.notation, gradient=True))
    mark: Text = (" ", Strong(choice.mark)) if choice.mark else ()
    rows.append((("sum" if len(values) > 1 else "",), (left,), (*_value(total), *mark)))
    return tuple(rows)


def _value(value: np.ndarray) -> Text:
    if value.size <= ENTRIES:
        return (formula(literal(value)),)
    return (f"{' × '.join(map(str, value.shape))} numbers, norm {float(np.linalg.norm(value)):.4g}",)
