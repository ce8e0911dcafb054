"""Class labels: `-\\log p_{t,y_t}` is the cross entropy of p[t] and the class y[t], given as a one-hot vector.

An entry that a class picks is the dot product with that vector, of a matrix its column. Where the vector is
given data and no value of the text, the entry is refused.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ...errors import BPTTError
from ..entries import EITHER, ENTRY
from ..notes import Note
from ..syntax import Binary, Call, Expr, Name, Negate, Program, Reduce
from ..text import brief
from ..trees import calls, names_in, rebuild

__all__ = ["class_labels"]

_ENTRIES = (ENTRY, EITHER)


def class_labels(program: Program) -> Program:
    """The program with dot products and cross entropies in the place of entries.

    Raises:
        BPTTError: an entry of something that the text does not define.
    """
    logs = any(c.function == "log" for e in program.equations for c in calls(e.right))
    entries = any(c.function in _ENTRIES for e in program.equations for c in calls(e.right))
    return _Classes(program).read() if logs or entries else program


class _Classes:
    """The probabilities of a program, and what was said about their classes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.defined = {n.name for e in program.equations for n in e.left}
        self.probabilities = {
            n.name for e in program.equations for n in e.left if len(e.left) == 1 and _is_softmax(e.right)
        }
        self.plain = {n.name for e in program.equations for n, _ in names_in(e.right) if n.index is None}
        self.read_names = {n.name for e in program.equations for n, _ in names_in(e.right)}
        self.notes: list[Note] = []

    def read(self) -> Program:
        equations = tuple(
            replace(e, right=rebuild(rebuild(e.right, self.logarithm), self.entry)) for e in self.program.equations
        )
        return replace(self.program, equations=equations, notes=(*self.program.notes, *self.notes))

    def labelled(self, log: Call) -> tuple[Name, Name] | None:
        """`log p_{t,k}`: the probabilities and their class, if p is a softmax, and p_k nothing of its own."""
        name = log.args[0] if len(log.args) == 1 else None
        if not isinstance(name, Name) or name.index is None or name.name in self.defined:
            return None
        base, _, label = name.name.rpartition("_")
        if base not in self.probabilities or not re.fullmatch(r"[^\W\d_]", label) or label in self.plain:
            return None
        if any(other.endswith(f"_{label}") and other != name.name for other in self.read_names):
            return None  # y_j log p_j: j counts entries
        return replace(name, name=base), replace(name, name=label)

    def logarithm(self, e: Expr) -> Expr:
        """`log p_{t,y_t}` as minus the cross entropy."""
        match e:
            case Negate(operand) if (positive := _without_sign(operand)) is not None:
                return positive
            case Call("log", (Call(function, (p, Name() as label)),)) if function in _ENTRIES and self.probable(p):
                return self.entropy(p, label)
            case Call("log") if found := self.labelled(e):
                return self.entropy(*found)
        return e

    def probable(self, e: Expr) -> bool:
        return _is_softmax(e) or (isinstance(e, Name) and e.name in self.probabilities)

    def entropy(self, p: Expr, label: Name) -> Expr:
        made = Call("cross_entropy", (p, label), (), p.span)
        self.say(f"the logarithm of entry {brief(label)} of {brief(p)} was read as -{brief(made)}", label)
        return Negate(made, p.span)

    def entry(self, e: Expr) -> Expr:
        """Any other entry: of a value, of a matrix; or a product after all."""
        if not (isinstance(e, Call) and e.function in _ENTRIES):
            return e
        p, label = e.args
        assert isinstance(label, Name)
        if e.function == EITHER and not self.probable(p):
            return Binary(" ", p, label, e.span)
        if isinstance(p, Name) and p.index is None and p.name not in self.defined:
            made: Expr = Binary("@", p, label, e.span)
            self.say(f"column {brief(label)} of {p.name} was read as {brief(made)}", label)
            return made
        if isinstance(p, Name) and p.name not in self.defined:
            raise BPTTError(
                f"entry {brief(label)} of {brief(p)}: no line says what {brief(p)} is",
                f"add its equation, such as {brief(p)} = softmax(V h[t]), or write dot({brief(label)}, {brief(p)}) "
                f"with a one-hot vector {brief(label)}",
                text=self.program.text,
                span=p.span,
            )
        made = Call("dot", (label, p), (), e.span)
        self.say(f"entry {brief(label)} of {brief(p)} was read as {brief(made)}", label)
        return made

    def say(self, sentence: str, label: Name) -> None:
        self.notes.append(Note.at(f"{sentence}, with the class {brief(label)} given as a one-hot vector", label.span))


def _without_sign(e: Expr) -> Expr | None:
    """`-(1/T) sum_t -x` without both signs; None if there is no sign inside."""
    match e:
        case Negate(operand):
            return operand
        case Reduce("sum", body=body):
            inner = _without_sign(body)
            return inner and replace(e, body=inner)
        case Binary(" " | "*", right=right):
            inner = _without_sign(right)
            return inner and replace(e, right=inner)
        case Binary("/", left):
            inner = _without_sign(left)
            return inner and replace(e, left=inner)
    return None


def _is_softmax(e: Expr) -> bool:
    """`softmax(o)`, or `exp(o) / sum(exp(o))`."""
    match e:
        case Call("softmax"):
            return True
        case Binary("/", Call("exp") as above, Call("sum", (below,))):
            return brief(above) == brief(below)
    return False
