"""Layers counted by a letter: `h_t^{(l)} = f(h_{t-1}^{(l)}, h_t^{(l-1)})` is one equation for each layer.

The letter is written out: with two layers, `W^{(l)}` is W1 and W2. Layer 0 is what the first one reads: the input, or
what the text says that it is, `h_t^{(0)} = x_t`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...errors import BPTTError
from ..notes import Note
from ..syntax import Equation, Expr, Name, Number, Program
from ..text import show
from ..trees import names_in, rebuild

__all__ = ["MOST_LAYERS", "counted", "write_layers"]

MOST_LAYERS = 12


def write_layers(program: Program) -> Program:
    """The program with one equation a layer.

    Raises:
        BPTTError: nothing says how many layers there are, or a letter counts them on the right side only.
    """
    layered = [name for e in program.equations for name in names(e) if name.layer]
    if not layered:
        if program.layers and program.asked:
            raise BPTTError("no letter counts layers in this recurrence", "leave layers out, or write h_t^{(l)}",
                            text=program.text)  # fmt: skip
        return program
    letters = list(dict.fromkeys(str(name.layer.variable) for name in layered if name.layer))
    if len(letters) > 1:
        second = next(name for name in layered if name.layer and name.layer.variable == letters[1])
        raise _error(program, second, f"{letters[0]} and {letters[1]} both count layers", "use one letter for all")
    letter = letters[0]
    equations, count = _count(program, letter)
    if count is None:
        raise _error(
            program,
            layered[0],
            f"{letter} is the number of a layer, and nothing says how many layers there are",
            f"give the number, layers=2 or --layers 2, or add a line {letter} = 1, 2",
        )
    return _Writer(program, letter, count).written(equations)


def counted(program: Program, layers: int | None) -> Program:
    """The program with the number of layers that the user asks for.

    Raises:
        BPTTError: it is no number of layers, or the text says another one.
    """
    if layers is None:
        return program
    if type(layers) is not int or not 1 <= layers <= MOST_LAYERS:
        raise BPTTError(f"layers={layers!r} is no number of layers", f"give a whole number from 1 to {MOST_LAYERS}")
    if program.layers not in (None, layers):
        raise BPTTError(f"layers={layers}, but the text speaks of {program.layers} layers", "leave layers out",
                        text=program.text)  # fmt: skip
    return replace(program, layers=layers, asked=True)


def names(e: Equation) -> Iterator[Name]:
    yield from e.left
    yield from (name for name, _ in names_in(e.right))


def _error(program: Program, name: Name, message: str, hint: str) -> BPTTError:
    return BPTTError(message, hint, text=program.text, span=name.span)


def _count(program: Program, letter: str) -> tuple[list[Equation], int | None]:
    """The equations without `L = 2`, and how many layers there are."""
    rest, count = [], program.layers
    for e in program.equations:
        total = [n.name for n in e.left] == [_last(letter)] and e.left[0].index is None
        if total and isinstance(e.right, Number) and e.right.value in range(1, MOST_LAYERS + 1):
            count = count or int(e.right.value)
        else:
            rest.append(e)
    return rest, count


def _last(letter: str) -> str:
    """The letter of the last layer."""
    return "L" if letter == "ℓ" else letter.upper()


class _Writer:
    """Writes the equations of all layers."""

    def __init__(self, program: Program, letter: str, count: int) -> None:
        self.program, self.letter, self.count = program, letter, count
        self.notes: list[str] = []
        self.lowest: dict[str, Name] = {}

    def written(self, equations: list[Equation]) -> Program:
        many = {n.name for e in equations for n in names(e) if n.layer}
        result: list[Equation] = []
        for e in equations:
            if not any(n.layer for n in names(e)):
                result.append(self.rewritten(e, None, many))
                continue
            own = {n.layer.offset for n in e.left if n.layer}
            if len(own) != 1:
                name = next(n for n in names(e) if n.layer)
                raise _error(
                    self.program,
                    name,
                    f"the layer {self.letter} stands on the right side only",
                    f"write the layer that is meant, as in h_t^{{({self.count})}}, or {self.letter} on the left too",
                )
            shared = [n.name for n, _ in names_in(e.right) if n.index is None and n.layer is None]
            if shared and self.count > 1:
                said = ", ".join(dict.fromkeys(shared))
                self.notes.append(Note.at(f"{said} carries no {self.letter}: all layers share it", e.span))
            result += [self.rewritten(e, layer - own.copy().pop(), many) for layer in range(1, self.count + 1)]
        defined = {n.name for e in result for n in e.left}
        for key, name in self.lowest.items():
            if key not in defined and name.index is not None:
                self.notes.append(Note.at(f"{key}, which the first layer reads, was taken as the input", name.span))
        return replace(self.program, equations=tuple(result), notes=(*self.program.notes, *self.notes), layers=None)

    def rewritten(self, e: Equation, layer: int | None, many: set[str]) -> Equation:
        """The equation of one layer; without one, layers have their own names, `h_{t,0}` and
        `h^{(L)}`."""

        def named(name: Name) -> Name:
            if name.layer is not None and layer is not None:
                return self.at(name, layer + name.layer.offset)
            stem, _, label = name.name.rpartition("_")
            if stem not in many or not (label.isdecimal() or label == _last(self.letter)):
                return name
            return self.at(replace(name, name=stem), int(label) if label.isdecimal() else self.count)

        def change(part: Expr) -> Expr:
            return named(part) if isinstance(part, Name) else part

        left = tuple(map(named, e.left))
        right = rebuild(e.right, change)
        if (left, right) == (e.left, e.right):
            return e
        made = replace(e, left=left, right=right)
        return replace(made, text=show(made))

    def at(self, name: Name, layer: int) -> Name:
        if not 0 <= layer <= self.count:
            raise _error(
                self.program,
                name,
                f"{name.name} is read in layer {layer}, but there are {self.count} layers",
                "let a layer read the one below it: l-1",
            )
        head, mark, tail = name.name.partition("_")
        made = replace(name, name=f"{head}{layer}{mark}{tail}", layer=None)
        if layer == 0:
            self.lowest.setdefault(made.name, made)
        return made
