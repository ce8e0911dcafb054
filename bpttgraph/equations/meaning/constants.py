"""What a lecture writes without defining it: e, π, the identity I, a vector of ones, the number of steps T.

A letter is a constant only where it stands like one: `e^x`, `1/T`, `W − γ I`. Otherwise it stays a name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from ...errors import BPTTError
from ..kinds import looks, terms
from ..notes import Note
from ..products import factors
from ..syntax import Binary, Call, Constant, Expr, Name, Negate, Number, Program, Span, Transposed
from ..text import brief
from ..trees import children, names_in, rebuild, walk

__all__ = ["constants"]

_IDENTITY = re.compile(r"I(_?[a-zA-Z])?")
_PI = ("π", "pi")


def constants(program: Program) -> Program:
    """The program with its constants in their places, and a note for each.

    Raises:
        BPTTError: where the step itself stands as a number.
    """
    once = {n.name for e in program.equations for n in e.left if n.index is None}
    taken = {n.name for e in program.equations for n in e.left}
    taken |= {n.name for e in program.equations for n, _ in names_in(e.right) if n.index is not None}
    notes: list[Note] = []
    said: set[str] = set()

    def say(sentence: str, name: Name) -> None:
        if sentence not in said:
            said.add(sentence)
            notes.append(Note.at(sentence, name.span))

    _refuse_powers_by_the_step(program)
    identities = {n for n in _plain(program) if _IDENTITY.fullmatch(n) and n not in taken and _is_identity(program, n)}
    steps = "T" not in taken and _is_number_of_steps(program)

    def change(e: Expr) -> Expr:
        match e:
            case Binary("^", Name("e", None) as base, power) if "e" not in once:
                say("e^… is read as the exponential function exp(…)", base)
                return Call("exp", (power,), (), e.span)
            case Transposed(Number(1.0)):
                return replace(e, operand=Constant("1", e.operand.span))
            case Name(name, None, span, None) if name not in taken:
                if name in _PI:
                    say(f"{name} is read as the number 3.14159…", e)
                    return Number(math.pi, span)
                if name in identities:
                    say(f"{name} is read as the identity matrix", e)
                    return Constant("I", span)
                if name == "T" and steps:
                    say("T is read as the number of steps", e)
                    return Constant("T", span)
                if name == "t":
                    raise BPTTError(
                        "t stands as a number here, but a step is known only as an index, as in h[t-1]",
                        _lost_subscript(program.text, span)
                        or "let a name such as s[t] stand for it, and give it as data",
                        text=program.text,
                        span=span,
                    )
        return e

    equations = tuple(replace(e, right=rebuild(e.right, change)) for e in program.equations)
    return replace(program, equations=equations, notes=(*program.notes, *notes))


def _lost_subscript(text: str, span: Span) -> str:
    """What to write for `U xt` in LaTeX, where letters side by side are factors; empty if t stands alone."""
    row = text.splitlines()[span.line - 1]
    before = re.search(r"(?<![A-Za-z\\])(?:\\[A-Za-z]+\{[A-Za-z]\}|[A-Za-z]*[A-Za-z])\Z", row[: span.column])
    if before is None:
        return ""
    line = row[: span.column] + "_" + row[span.column :]
    return f"write {' '.join(line.strip(' $').split())} for the value at step t"


def _refuse_powers_by_the_step(program: Program) -> None:
    """`A^{t-k}` is a power of a matrix that no step knows."""
    for e, _ in (pair for equation in program.equations for pair in walk(equation.right)):
        if not (isinstance(e, Binary) and e.operator == "^"):
            continue
        if any(n.name == "t" and n.index is None for n, _ in names_in(e.right)):
            raise BPTTError(
                f"{brief(e)}: a power that depends on the step t is not known here",
                _factor_as_data(program.text, e)
                or "write the recurrence that it comes from, such as h[t] = A h[t-1] + B x[t]",
                text=program.text,
                span=e.span,
            )


def _factor_as_data(text: str, e: Binary) -> str:
    """What to write for `2^{-t} x_t`: a number of each step, as data; empty for powers of names."""
    if any(True for _ in names_in(e.left)):
        return ""
    name = next((a for a in "scmp" if not re.search(rf"(?<![A-Za-z\\]){a}(?![A-Za-z])", text)), "s_0")
    row = text.splitlines()[e.span.line - 1]
    line = " ".join((row[: e.span.column] + f"{name}_t" + row[e.span.end :]).strip(" $").split())
    return f"write {line}, with {name}[t] as data"


def _plain(program: Program) -> set[str]:
    """Names that stand somewhere without a step."""
    return {n.name for e in program.equations for n, _ in names_in(e.right) if n.index is None and n.block is None}


def _is_number_of_steps(program: Program) -> bool:
    """Whether T only divides: 1/T, T^{-1}."""
    below = {id(n) for e in program.equations for node, _ in walk(e.right) for n in _divisors(node)}
    every = [n for e in program.equations for n, _ in names_in(e.right) if n.name == "T" and n.index is None]
    return bool(every) and all(id(n) in below for n in every)


def _divisors(e: Expr) -> Iterator[Name]:
    match e:
        case Binary("/", _, below):
            for part in factors(below)[0]:
                if isinstance(part, Name):
                    yield part
        case Binary("^", Name() as base, Negate(Number()) | Number(-1.0)):
            yield base


def _is_identity(program: Program, name: str) -> bool:
    """Whether a name stands beside matrices, in sums and products, and never beside a vector in a sum."""
    found = [_verdict(e.right, name) for e in program.equations]
    flat = [v for verdicts in found for v in verdicts]
    return True in flat and False not in flat


def _verdict(e: Expr, name: str, factor: bool = False) -> list[bool]:
    """For every place of the name: True where it is used as a matrix, False where as a vector."""
    added = terms(e)
    if len(added) > 1:
        mine = [t for t in added if _scaled(t, name)]
        others = [looks(t).rank for t in added if not _scaled(t, name)]
        below = [v for t in added if not _scaled(t, name) for v in _verdict(t, name)]
        return [*([2 in others or (factor and 1 not in others)] * len(mine)), *below]
    if isinstance(e, Binary) and e.operator in (" ", "@"):
        parts, _ = factors(e)
        axes = [p for p in parts if looks(p).axes]
        return [
            v
            for p in parts
            for v in ([True] if isinstance(p, Name) and p.name == name and len(axes) > 1 else _verdict(p, name, True))
        ]
    return [v for child in children(e) for v in _verdict(child, name)]


def _scaled(e: Expr, name: str) -> bool:
    """Whether a term is the name, or a number times the name."""
    if isinstance(e, Negate):
        return _scaled(e.operand, name)
    parts = factors(e)[0] if not (isinstance(e, Binary) and e.operator in "*/") else [e.left, e.right]
    rest = [p for p in parts if not (isinstance(p, Name) and p.name == name and p.index is None)]
    return len(rest) == len(parts) - 1 and not any(looks(p).axes for p in rest)
