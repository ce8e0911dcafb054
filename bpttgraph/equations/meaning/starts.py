"""The first state where a text counts from 0: `x[t+1] = A x[t]` beside `x[0] = 0`.

Steps count from 1 here, so that the first value which such an equation reads is `x[1]`, and nothing reads `x[0]`. What
is given for `x[0]` is meant for it.
"""

from __future__ import annotations

from dataclasses import replace

from ..notes import Note
from ..syntax import Equation, Index, Name, Program
from ..trees import names_in

__all__ = ["first_states"]


def first_states(program: Program) -> Program:
    """The program with values for steps that nothing reads moved to the steps that are read."""
    if program.blocks:
        return program
    reads: dict[str, list[Index]] = {}
    for e in program.equations:
        for name, _ in names_in(e.right):
            if name.index is not None:
                reads.setdefault(name.name, []).append(name.index)
    every = {n.name: n.index.offset for e in program.equations for n in e.left if n.index and n.index.variable == "t"}
    given: dict[str, list[int]] = {}
    for e in program.equations:
        if (start := _start(e)) and start[0].name in every:
            given.setdefault(start[0].name, []).append(start[1])
    moved: dict[str, int] = {}
    for base, steps in given.items():
        found = reads.get(base, [])
        first = min((index.offset for index in found), default=-1)
        if steps == [0] and every[base] == 1 and first == 0 and all(index.variable == "t" for index in found):
            moved[base] = 1
    if not moved:
        return program
    notes: list[Note] = []
    equations = tuple(_moved(e, moved, notes) for e in program.equations)
    return replace(program, equations=equations, notes=(*program.notes, *notes))


def _start(e: Equation) -> tuple[Name, int] | None:
    """A name and its step, if an equation gives a value for one step."""
    name = e.left[0]
    fixed = len(e.left) == 1 and name.index is not None and name.index.variable is None
    return (name, name.index.offset) if fixed and name.index is not None else None


def _moved(e: Equation, moved: dict[str, int], notes: list[Note]) -> Equation:
    start = _start(e)
    if start is None or start[0].name not in moved:
        return e
    name, step = start
    later = step + moved[name.name]
    notes.append(
        Note.at(
            f"{name.name}[{step}] was read as {name.name}[{later}], the first that is read: steps count from 1", e.span
        )
    )
    return replace(e, left=(replace(name, index=Index(None, later)),))
