"""Lines that say what a gradient is, `\\frac{∂L}{∂W} = …`: an answer, and no part of the recurrence it belongs to.

Beside other equations they are left out with a note. Alone they are refused: there is nothing to unroll.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import BPTTError
from .notes import Note
from .syntax import Equation, Program, Span

__all__ = ["an_answer", "without_gradients"]


def without_gradients(program: Program) -> Program:
    """The program without the lines whose left side is a derivative.

    Raises:
        BPTTError: there are no others.
    """
    found = [e for e in program.equations if _is_gradient(e)]
    if not found:
        return program
    kept = tuple(e for e in program.equations if e not in found)
    if not kept:
        raise an_answer(found[0].left[0].name, program.text, found[0].span)
    notes = tuple(Note.at(f"{e.left[0].name} = … is a gradient and was left out: derive computes it, and "
                          "check --answer judges it", e.span) for e in found)  # fmt: skip
    return replace(program, equations=kept, notes=(*program.notes, *notes))


def _is_gradient(e: Equation) -> bool:
    return e.partial is not None or "/d" in e.left[0].name


def an_answer(name: str, text: str, span: Span) -> BPTTError:
    """The error for a text that only says what a gradient is."""
    return BPTTError(
        f"{name} = … is an answer: no line says how the net computes a step",
        "write the equations of the net into one file and this into another: bpttgraph check NET --answer ANSWER; "
        "bpttgraph derive NET shows the right one",
        text=text,
        span=span,
    )
