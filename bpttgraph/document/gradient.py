"""The sections of one gradient: the count, the sum over paths, local Jacobians, and the factored form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..derive import Derivation
from ..derive.expr import Add, Expr
from ..derive.layout import signed_terms
from .blocks import (
    Block,
    Display,
    Heading,
    Inline,
    Math,
    Para,
    Row,
    Strong,
    Table,
    Text,
    formula,
    name,
    para,
    words,
)
from .jacobians import local_rows

if TYPE_CHECKING:
    from ..derive import Statement, Term

__all__ = ["derivation_blocks", "ratio", "shape_words"]

LONGEST = {"chain": 80, "local": 40}  # terms written out; longer sums are begun, and their factored form says the rest
LONGEST_OF_MANY = {"chain": 24, "local": 12}  # the same where many gradients share one document
MANY = 3  # gradients
SHOWN = 12  # terms of such a beginning
ONE_LINE = 64  # letters of a statement of the factored form that stay in one line
USES = 24  # uses of the parameter in the last line of the factored form
STATEMENTS = 48  # statements of the factored form written out in full
TRIANGLE = 10  # steps of the table of counts before it is folded


def ratio(top: str, below: str) -> Math:
    """∂E/∂W in one line, for headings."""
    a, b = name(top), name(below)
    mathml = f"<mrow><mo>∂</mo>{a.mathml}<mo>/</mo><mo>∂</mo>{b.mathml}</mrow>"
    return Math(mathml, rf"\partial {a.latex} / \partial {b.latex}", a.width + b.width + 3)


def shape_words(shape: tuple[int, ...]) -> str:
    if not shape:
        return "number"
    return f"column of {shape[0]}" if len(shape) == 1 else " × ".join(map(str, shape))


def derivation_blocks(d: Derivation, abstract: Sequence[str], gradients: int) -> list[Block]:
    """Everything about ∂E/∂wrt; `gradients` is how many such sections the document has."""
    many, longest = gradients > 1, LONGEST if gradients <= MANY else LONGEST_OF_MANY
    u, w = d.unrolled, d.wrt
    at, level = (f"-{w}", 3) if many else ("", 2)
    out: list[Block] = [Heading(2, ("The gradient ", ratio(d.paths.total, w)), f"gradient{at}")] if many else []
    out.append(Heading(level, ("How many chain-rule terms",), f"count{at}"))
    if d.count == 0:
        return [*out, para("No path leads from ", name(w), " to a loss that counts, so this gradient is 0.")]
    out += [_why(d), _triangle(d)]
    out.append(Heading(level, ("The chain rule, path by path",), f"chain{at}"))
    out += [_sum_intro(d, longest["chain"]), _sum_display(d, "chain", longest["chain"])]
    rows, remarks, by_matrix = local_rows(d, abstract)
    if not rows:  # abstract functions throughout: nothing to put in
        return [*out, *remarks, *_factored(d, level, at, ("chain",))]
    out.append(Heading(level, ("The local Jacobians",), f"jacobians{at}"))
    out.append(
        para(
            "Every factor above is the derivative of one equation with everything else it reads held fixed. "
            "These are all the kinds there are; the step is written ",
            name("t"),
            ".",
        )
    )
    if by_matrix:
        out.append(
            para(
                "By a matrix the derivative has three indices. It is therefore given by what it does to the row ",
                Math("<mi>r</mi>", "r", 1),
                " of factors to its left: the result already has the shape of the matrix.",
            )
        )
    out.append(Table(("Local Jacobians, one row for each kind of link.",), (("factor",), ("local Jacobian",)), rows))
    out += remarks
    out.append(Heading(level, ("With the local Jacobians put in",), f"local{at}"))
    begun = f" These are the first {SHOWN} of {d.count:,}." if d.count > longest["local"] else ""
    out.append(
        para(
            "The same terms in the same order, each shaped like ",
            name(w),
            _with_shape(u.vgraph.variables[w].shape) + "." + begun,
        )
    )
    out.append(_sum_display(d, "local", longest["local"]))
    out += _factored(d, level, at)
    return out


def _with_shape(shape: tuple[int, ...]) -> str:
    return f", {shape_words(shape)}" if shape else ", a number"


def _why(d: Derivation) -> Para:
    u, w = d.unrolled, d.wrt
    v = u.vgraph.variables[w]
    steps = sorted({k for _, k in d.count_by_step})
    losses = sorted({t for t, _ in d.count_by_step})
    terms = "1 term" if d.count == 1 else f"{d.count:,} terms"
    start: list[Inline] = [Strong(terms), ". "]
    if v.role == "parameter":
        used = "step" if len(steps) == 1 else "steps"
        start += [
            name(w),
            f" is one parameter that the equations read at {used} {_list(steps)}. Each use is an immediate partial ",
        ]
        start += [Math("<msup><mo>∂</mo><mo>+</mo></msup>", r"\partial^{+}", 1)]
        start += [
            f" of its own; the gradient adds up, over {_losses(losses)} and over the uses, "
            "one product for every path between them."
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
    return f"the loss at step {losses[0]}" if len(losses) == 1 else f"the losses at the steps {_list(losses)}"


def _list(numbers: list[int]) -> str:
    if len(numbers) > 6 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers[:-1])) + (" and " if len(numbers) > 1 else "") + str(numbers[-1])


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
        *[(_is("k", k),) if k is not None else ("⋯",) for k in shown_k],
        ("together",),
    )
    rows = [
        (
            (_is("t", t),) if t is not None else ("⋮",),
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


def _is(letter: str, value: int) -> Math:
    return Math(f"<mrow><mi>{letter}</mi><mo>=</mo><mn>{value}</mn></mrow>", f"{letter}={value}", 3)


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
        for part in _parts(term.expr(level)):
            (sign, e), *_ = signed_terms([part])
            first = not rows
            note = (
                None
                if before is not None and (before.loss_step, before.use_step) == (term.loss_step, term.use_step)
                else _place(term)
            )
            rule = before is not None and before.loss_step != term.loss_step
            rows.append(
                Row(
                    _led(formula(e), sign, first),
                    formula(d.left_side) if first else None,
                    "=" if first else "+" if sign > 0 else "−",
                    note,
                    rule,
                )
            )
            before = term
    if long:
        rows.append(Row(words(f"… and {d.count - len(terms):,} more"), None, "+"))
    return Display(tuple(rows), f"The sum over paths, level {level}")


def _parts(e: Expr) -> tuple[Expr, ...]:
    return e.terms if isinstance(e, Add) else (e,)


def _place(term: Term) -> Math:
    mathml = (
        f"<mrow><mi>t</mi><mo>=</mo><mn>{term.loss_step}</mn><mo>,</mo><mspace width='0.3em'/>"
        f"<mi>k</mi><mo>=</mo><mn>{term.use_step}</mn></mrow>"
    )
    return Math(mathml, rf"(t={term.loss_step},\ k={term.use_step})", 8)


def _led(m: Math, sign: int, first: bool) -> Math:
    if not first or sign > 0:
        return m
    return Math(f'<mrow><mo form="prefix">−</mo>{m.mathml}</mrow>', f"-{m.latex}", m.width + 1)


def _factored(d: Derivation, level: int, at: str, forms: tuple[str, ...] = ("chain", "local")) -> list[Block]:
    out: list[Block] = [
        Heading(level, ("Factored: what a program computes",), f"factored{at}"),
        para(
            "Written once for every variable, last step first, each link is used once: "
            "the work grows linearly with the steps, "
            "and no path is ever listed. ",
            Math('<mi mathvariant="normal">d</mi>', r"\mathrm{d}", 1),
            " marks a total derivative: everything behind it is already added up.",
        ),
    ]
    labels = {"chain": "The adjoints, as partial derivatives", "local": "The adjoints, with the local Jacobians put in"}
    for form in forms:
        statements = _by_step(d, d.factored_at(form))
        keep = len(statements) if len(statements) <= STATEMENTS else STATEMENTS // 2
        rows: list[Row] = []
        skipped = len(statements) - keep - 1
        for i, s in enumerate(statements):
            if skipped > 0 and keep <= i < len(statements) - 1:
                if i == keep:
                    rows.append(Row(words(f"⋮ in the same way for {skipped} more"), None, ""))
                continue
            signed = [pair for term in s.terms for pair in _signed(term)] or signed_terms([])
            total = len(signed)
            rule = s.variable == d.wrt and len(rows) > 0
            if s.variable != d.wrt and sum(formula(e).width + 3 for _, e in signed) <= ONE_LINE:
                rows.append(Row(_in_line(signed), formula(s.left), "=", None, rule))
                continue
            for j, (sign, e) in enumerate(signed):
                if total > USES and SHOWN <= j < total - 2:
                    if j == SHOWN:
                        rows.append(Row(words(f"… {total - SHOWN - 2} more uses"), None, "+"))
                    continue
                relation = "=" if j == 0 else "+" if sign > 0 else "−"
                rows.append(
                    Row(
                        _led(formula(e), sign, j == 0),
                        formula(s.left) if j == 0 else None,
                        relation,
                        None,
                        rule=j == 0 and rule,
                    )
                )
        if form == "local":
            out.append(
                para(
                    "With the local Jacobians. The adjoints are rows here; only the last line has the shape of ",
                    name(d.wrt),
                    ".",
                )
            )
        out.append(Display(tuple(rows), labels[form]))
    return out


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
    return list(statements) if late or len({s.loss for s in front}) > 1 else made


def _in_line(signed: list[tuple[int, Expr]]) -> Math:
    """A short sum in one line."""
    parts = [formula(e) for _, e in signed]
    mathml, latex = "", ""
    for (sign, _), m in zip(signed, parts):
        form = "infix" if mathml else "prefix"
        shown = sign < 0 or bool(mathml)
        mathml += (f'<mo form="{form}">{"−" if sign < 0 else "+"}</mo>' if shown else "") + m.mathml
        latex += ((" - " if sign < 0 else " + ") if shown else "") + m.latex
    return Math(f"<mrow>{mathml}</mrow>", latex.strip(), sum(m.width + 3 for m in parts))


def _signed(term: Expr) -> list[tuple[int, Expr]]:
    from ..derive.layout import signed_terms as split
    from ..derive.nodes import Num, Zeros
    from ..derive.nodes import Tagged as Tag

    inner = term.arg if isinstance(term, Tag) else term
    if isinstance(inner, Zeros) or inner == Num((), 0):
        return []
    return split([term])
