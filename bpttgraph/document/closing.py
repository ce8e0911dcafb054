"""The end of a document: how to read its formulas, and the check that was run, or why there was none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.names import to_unicode
from ..formulas.notation import legend
from .blocks import Block, Bullets, Code, Heading, Math, Mono, Strong, Table, Text, Verdict, para

if TYPE_CHECKING:
    from ..check import Finding, Report
    from ..unrolled import Unrolled

__all__ = ["check_blocks", "reading_blocks"]

_PLUS = Math("<msup><mo>∂</mo><mo>+</mo></msup>", r"\partial^{+}", 1)
_D = Math("<mi>∂</mi>", r"\partial", 1)
_TOTAL = Math('<mi mathvariant="normal">d</mi>', r"\mathrm{d}", 1)


_GRADIENT: Text = (
    "The gradient itself, ",
    Math("<mrow><mo>∂</mo><mi>E</mi><mo>/</mo><mo>∂</mo><mi>W</mi></mrow>", r"\partial E / \partial W", 5),
    ", is a total derivative; its sign is the customary one.",
)


def _fraction(top: str, below: str) -> Math:
    d = '<mo lspace="0" rspace="0">∂</mo>'
    return Math(
        f'<mrow>{d}<mi>{top}</mi><mo lspace="0" rspace="0">/</mo>{d}<mi>{below}</mi></mrow>',
        rf"\partial {top} / \partial {below}",
        2,
    )


def reading_blocks(u: Unrolled, notation: str = "pascanu") -> list[Block]:
    """Conventions of notation, the ones that change what a formula says."""
    a, b = Math("<mi>a</mi>", "a", 1), Math("<mi>b</mi>", "b", 1)
    items: list[Text] = [
        (
            Strong("Layout."),
            " ",
            _fraction("a", "b"),
            " has one row for each entry of ",
            a,
            " and one column for each entry of ",
            b,
            (
                " (numerator layout), so factors multiply from the loss backwards, left to right. "
                "A gradient by a parameter has the shape of that parameter."
            ),
        ),
        *([_ROWS] if u.recurrence.rows else []),
        _derivatives(notation),
        (
            Math("<mo>∘</mo>", r"\circ", 1),
            (
                " is the elementwise product; quotients, powers and functions of a vector act entry by entry, "
                "and a number beside a "
                "vector is meant for each entry. "
            ),
            Math(
                "<mrow><mi>diag</mi><mo>&#x2061;</mo><mo>(</mo><mi>v</mi><mo>)</mo></mrow>",
                r"\operatorname{diag}(v)",
                6,
            ),
            " is the diagonal matrix of ",
            Math("<mi>v</mi>", "v", 1),
            ", ",
            Math("<mo>⊤</mo>", r"\top", 1),
            " transposes, ",
            Math("<mi>I</mi>", "I", 1),
            " is the unit matrix.",
        ),
    ]
    out: list[Block] = [Heading(2, ("How to read the formulas",), "reading"), Bullets(tuple(items))]
    abstract = u.recurrence.abstract
    if abstract:
        names = ", ".join(to_unicode(f) for f in abstract)
        one = len(abstract) == 1
        out.append(
            para(
                Strong("Abstract functions."),
                f" {names} {'is' if one else 'are'} known by name only, so the formulas hold for every choice of "
                f"{'it' if one else 'them'}. For numbers, say what {'it is' if one else 'they are'}: ",
                Mono(" ".join(f"--let {f}=tanh" for f in abstract[:1])),
                ", or with several arguments ",
                Mono('--let "f(x, h; w)=tanh(w @ h + x)"'),
                ".",
            )
        )
    return out


_ROWS: Text = (
    Strong("Rows."),
    " As in the equations, vectors are rows and stand left of a matrix, ",
    Math("<mrow><mi>x</mi><mi>W</mi></mrow>", r"x \, W", 3),
    ". So δ is a row, a step backwards multiplies it by the local Jacobian on its right, and the gradient by ",
    Math("<mi>W</mi>", "W", 1),
    " is a column times a row, in the shape of ",
    Math("<mi>W</mi>", "W", 1),
    ".",
)


def _derivatives(notation: str) -> Text:
    """What ∂, ∂⁺ and d mean; the literature does not agree."""
    if notation != "pascanu":
        return (Strong("Derivatives."), f" {legend(notation)[:1].upper()}{legend(notation)[1:]}. ", *_GRADIENT)
    return (
        _PLUS,
        " is the ",
        Strong("immediate"),
        (
            " partial derivative: through one equation only, with every other name in it held fixed. It is written "
            "where a plain "
        ),
        _D,
        " could be misread, because the same name also acts by another route. ",
        _TOTAL,
        " is the total derivative, with all routes added up. ",
        *_GRADIENT,
        " This is the notation of Pascanu, Mikolov and Bengio (2013). Beware: Werbos (1974, 1990) writes ",
        _PLUS,
        " for the opposite, the total (“ordered”) derivative.",
    )


def check_blocks(u: Unrolled, report: Report | None, command: str, brief: bool = False) -> list[Block]:
    """The verdict, the unit of error in one sentence, the table of findings, and the command that repeats it.

    `brief` keeps the verdict and the command.
    """
    out: list[Block] = [Heading(2, ("The check",), "check")]
    if report is None or not report.findings:
        if u.recurrence.abstract:
            functions = ", ".join(u.recurrence.abstract)
            out.append(
                Verdict(
                    "none",
                    (
                        (
                            f"No check was possible: {functions} {'is' if len(u.recurrence.abstract) == 1 else 'are'} "
                            "abstract, so there are "
                            "no numbers to compare. Bind with "
                        ),
                        Mono("--let"),
                        " and run again.",
                    ),
                )
            )
        else:
            out.append(Verdict("none", ("No check was run for this document.",)))
    elif brief:
        out.append(Verdict("right" if report.right else "wrong", (report.verdict,)))
    else:
        out.append(Verdict("right" if report.right else "wrong", (report.verdict,)))
        out.append(
            para(
                f"The gradient was computed on {report.instance or 'an instance'} "
                f"and compared with {report.oracle or 'an oracle'}, "
                "which share no derivative rule with it. Errors are measured in ",
                Mono("u·S"),
                ": the rounding unit u times S, the sum of the "
                "absolute values of all path products, which is the size of rounding error "
                "that any correct computation may make; "
                "a wrong or missing term is larger by many powers of ten.",
            )
        )
        worst = report.worst
        out.append(
            para(
                f"Worst entry: {worst.what}{_at(worst)}, computed {worst.given:.10g}, {worst.oracle} {worst.true:.10g}."
            )
        )
        head: tuple[Text, ...] = (
            ("what",),
            ("compared with",),
            ("entries",),
            ("worst at",),
            ("error",),
            ("in u·S",),
            ("allowed",),
            ("verdict",),
        )
        rows = tuple(_finding(f) for f in report.findings)
        out.append(
            Table(
                ("Every comparison. Entries count from 0; a triangle's index begins with (t, k), which count from 1.",),
                head,
                rows,
            )
        )
        notes = [
            f"{f.what}: {f.undecidable} entries are undecidable here ({f.note})."
            for f in report.findings
            if f.undecidable
        ]
        out += [para(n, style="note") for n in notes]
    if command:
        out += [para("This repeats it:"), Code(command, "The command that repeats this")]
    return out


def _at(f: Finding) -> str:
    return f" at [{', '.join(map(str, f.index))}]" if f.index else ""


def _finding(f: Finding) -> tuple[Text, ...]:
    index = "[" + ",\u00a0".join(map(str, f.index)) + "]" if f.index else "–"
    return (
        (f.what,),
        (f.oracle,),
        (f"{f.entries:,}",),
        (index,),
        (_small(f.error),),
        (f"{f.units:.2g}",),
        (f"{f.radius:.3g}",),
        ("right" if f.right else Strong("WRONG"),),
    )


def _small(x: float) -> str:
    return "0" if x == 0 else f"{x:.1e}".replace("-", "\u2212")  # a minus sign: a line may break after a hyphen
