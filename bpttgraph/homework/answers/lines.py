"""The lines of an answer in formulas: what each defines, at which steps, and which other lines it reads.

Only the text and its syntax are looked at; `Formulas` evaluates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...equations.custom import LOSS_WORDS, Custom, subscripted
from ...equations.functions import canonical
from ...equations.language import parse
from ...equations.meaning.units import sums_to_products
from ...equations.syntax import Binary, Call, Equation, Expr, Index, Name, Negate, Partial, Program, Reduce
from ...equations.trees import children, depends, rebuild, walk
from ...errors import BPTTError, Span
from .bound import Bound

if TYPE_CHECKING:
    from ...unrolled import Unrolled

__all__ = ["Lines", "fixed", "spelled"]


_OF_A_LOSS = re.compile(r"d([^/]+)/d(.+)")


class Lines:
    """A parsed answer.

    Args:
        u: the unrolled recurrence. text: the answer.

    Attributes:
        defined: canonical name -> its equations, in order of appearance. notes: what was not read as it stands.
        jacobians: what a derivative is of and by -> its equations. others: further right sides of `a = b = c`.
        names: canonical name -> that of the recurrence. last: the last step.

    Raises:
        BPTTError: the text is no answer; the line is shown.

    Example:
        >>> import bpttgraph as bg
        >>> text = "delta[t] = W_hh.T @ delta[t+1]" + chr(10) + "dW_hh = sum_t outer(delta[t], h[t-1])"
        >>> lines = Lines(bg.cell("rnn").unroll(3), text)
        >>> list(lines.defined), list(lines.steps_of("δ")), lines.own_offsets("δ")
        (['δ', 'dW_hh'], [1, 2, 3], [1])
    """

    def __init__(self, u: Unrolled, text: str):
        self.u, self.text = u, text
        rec = u.recurrence
        known = dict.fromkeys((*u.shapes, *u.parameters))
        losses = {u.total, *(head.name.partition("[")[0] for head in u.heads)}
        circled = any(sign in rec.program.text for sign in ("⊗", "\\otimes"))
        custom = Custom.of(rec.program.step, known, losses, u.parameters, circled)
        self.losses = custom.losses
        self.functions = Bound(rec.let, text)
        self.program: Program = sums_to_products(parse(text, self.functions.called, custom), custom.names)
        equations = self.functions.put(self.program.equations)
        self.defined: dict[str, list[Equation]] = {}
        self.jacobians: dict[tuple[str, str], list[Equation]] = {}
        self.others: list[tuple[str, int, Equation]] = []  # further right sides, with the line that they belong to
        self.notes: list[str] = list(self.program.notes)
        self.names: dict[str, str] = {}
        for n in known:
            other = self.names.setdefault(canonical(n), n)
            if other != n:
                raise BPTTError(
                    f"{other} and {n} are two names of the recurrence and one in formulas",
                    "rename one of them, or hand in arrays",
                )
        for n in known:
            self.names.setdefault(canonical(subscripted(n)), n)
        for equation in (part for e in equations for part in _unpacked(e)):
            if equation.partial is not None:
                lines = self.jacobians.setdefault(self.pair(equation.partial), [])
                lines.append(equation)
                continue
            base, name = self.base(equation.left[0]), equation.left[0].name
            if base in self.names and equation.left[0].index is not None:
                self.notes.append(
                    f"line {equation.span.line}: values of {name} are those of the recurrence, not of this line"
                )
                continue
            if base in self.names and self.names[base] in u.parameters:
                base = f"dE/d{base}"  # W = … can only mean the gradient
            self._add(base, equation)
        if not self.defined and not self.jacobians:
            raise BPTTError(
                "this answer defines no gradient", "write dW = …, for example", text=text, span=Span(1, 0, 1)
            )
        for equations in self.defined.values():
            seen: dict[Index | None, Equation] = {}
            for e in equations:
                index = e.left[0].index
                if index in seen:
                    raise self.error(f"{e.left[0].name} is defined twice", e.left[0], "keep one of the two lines")
                seen[index] = e
        self.last = u.steps.get(u.loss_block, u.columns)

    def _add(self, base: str, e: Equation) -> None:
        """Keep an equation; `+=` adds to what another line says of the same steps, or to nothing."""
        lines = self.defined.setdefault(base, [])
        first = next((i for i, other in enumerate(lines) if other.left[0] == e.left[0]), None)
        if first is not None and not e.sign:  # a = b = c
            self.others.append((base, first, lines[first]))
            lines[first] = e  # the last one is what it comes to
            return
        if not e.sign:
            lines.append(e)
            return
        index, right = e.left[0].index, e.right
        if index is None and any(depends(right, v) for v in ("t",)):
            right = Reduce("sum", "t", None, None, right, e.span)
        if index is not None and index.variable is not None and index.offset:  # dh[t-1] += … says what dh[t] gets
            letter, shift = index.variable, -index.offset
            right = rebuild(right, lambda part: _moved(part, letter, shift))
            index = Index(letter, 0)
        e = replace(e, left=(replace(e.left[0], index=index),), right=Negate(right, e.span) if e.sign == "-" else right)
        place = next((i for i, other in enumerate(lines) if other.left[0].index == index), None)
        if place is None:
            lines.append(e)
        else:
            before = lines[place]
            lines[place] = replace(before, right=Binary("+", before.right, e.right, e.span))

    def base(self, name: Name) -> str:
        """One spelling for a name, and for the gradient by one thing however its loss is called."""
        found = _OF_A_LOSS.fullmatch(name.name)
        if found and self.is_loss(found[1]):
            return (f"{name.block}." if name.block else "") + f"dE/d{canonical(found[2])}"
        return spelled(name)

    def is_loss(self, name: str) -> bool:
        """Whether a name is the loss: that of the recurrence, or a usual letter that nothing else has."""
        return name in self.losses or (name in LOSS_WORDS and canonical(name) not in self.names)

    def pair(self, e: Partial) -> tuple[str, str]:
        """What a derivative is of and by, in one spelling; "" for the loss."""
        top = "" if not e.top.name or self.is_loss(e.top.name) else spelled(e.top)
        return top, spelled(e.bottom)

    def said_of(self, e: Partial) -> list[Equation]:
        """The lines that may say what a derivative is."""
        if e.immediate:
            return []
        found = list(self.jacobians.get(self.pair(e), ()))
        return found if self.pair(e)[0] else found + self.defined.get(self.gradient_base(e.bottom), [])

    def gradient_base(self, bottom: Name) -> str:
        """What the answer calls the gradient of the loss by a name."""
        block, name = (f"{bottom.block}." if bottom.block else ""), canonical(bottom.name)
        usual = [f"{block}{sign}{name}" for sign in ("dE/d", "d", "∂", "δ", "Δ")]
        return next((base for base in usual if base in self.defined), usual[0])

    def steps_of(self, base: str) -> Iterator[int]:
        """The steps at which `base` is defined, within 1 … T, and 0 and T+1 if lines of their own say so."""
        for t in range(self.last + 2):
            if any(self.matches(e, t) is not None and (0 < t <= self.last or fixed(e)) for e in self.defined[base]):
                yield t

    def read_by(self, e: Equation) -> list[Equation]:
        """The lines of the answer that a line reads (those of its own name among them)."""
        found: list[Equation] = []
        stack: list[Expr] = [e.right]
        through: set[int] = set()  # lines that say what a Jacobian is
        while stack:
            part = stack.pop()
            if isinstance(part, Name):
                whole = part.index is None
                found += [d for d in self.defined.get(spelled(part), ()) if (d.left[0].index is None) is whole]
            elif isinstance(part, Partial):
                for line in self.said_of(part):
                    if line.partial is None:
                        found.append(line)
                    elif id(line) not in through:
                        through.add(id(line))
                        stack.append(line.right)
            else:
                stack += children(part)
        return found

    def own_offsets(self, base: str) -> list[int]:
        """How many steps later the values are that the general equation of `base` reads of itself."""
        found = []
        for e in self.defined[base]:
            mine = e.left[0].index
            for part, _ in walk(e.right):
                if (
                    isinstance(part, Name)
                    and spelled(part) == base
                    and part.index
                    and mine
                    and part.index.variable == mine.variable
                ):
                    found.append(part.index.offset - mine.offset)
        return found

    def equation(self, base: str, step: int | None) -> Equation:
        """The student's line that defines `base` at `step`."""
        fitting = [e for e in self.defined[base] if step is None or self.matches(e, step) is not None]
        return next((e for e in fitting if fixed(e)), (fitting or self.defined[base])[0])

    def says(self, base: str, step: int | None) -> bool:
        """Whether a line defines `base` at `step`."""
        lines = self.defined[base]
        return any(e.left[0].index is None if step is None else self.matches(e, step) is not None for e in lines)

    def matches(self, e: Equation, step: int) -> int | None:
        """The t at which an equation defines `step`, or None."""
        index = e.left[0].index
        if index is None:
            return None
        if index.variable is None:
            return 0 if index.offset == step else None
        if index.variable == "T":
            return 0 if self.last + index.offset == step else None
        return step - index.offset

    def unify(self, index: Index | None, step: int | None, bound: dict[str, int]) -> bool:
        """Whether a step on a left side may be this one, with the values of its letters in `bound`."""
        if index is None or step is None:
            return index is None and step is None
        if index.variable in (None, "T"):
            return (self.last if index.variable else 0) + index.offset == step
        return bound.setdefault(index.variable, step - index.offset) == step - index.offset

    def goes_forward(self, base: str) -> bool:
        """Whether values of `base` come from earlier ones, as sensitivities do: such a recursion starts at the first
        step."""
        seen, stack = set[tuple[str, int]](), [(base, 0)]
        while stack:
            name, shift = stack.pop()
            for e in self.defined.get(name, ()):
                mine = e.left[0].index
                for part, _ in walk(e.right):
                    if (
                        not isinstance(part, Name)
                        or not part.index
                        or not mine
                        or part.index.variable != mine.variable
                        or fixed(e)
                    ):
                        continue
                    there = spelled(part), shift + part.index.offset - mine.offset
                    if there[0] == base and there[1] < 0:
                        return True
                    if there not in seen and abs(there[1]) <= len(self.defined):
                        seen.add(there)
                        stack.append(there)
        return False

    def error(self, message: str, place: Any, hint: str) -> BPTTError:
        span: Span = place.span
        return BPTTError(message, hint, text=self.text, span=span)


def _unpacked(e: Equation) -> Iterator[Equation]:
    """`[da[t]; dx[t]] = …` as a line for each name, with a part of what stands on the right."""
    if len(e.left) < 2:
        yield e
        return
    for i, name in enumerate(e.left):
        part = Call("part", (e.right,), (), e.right.span, own=(i, e.left))
        yield replace(e, left=(name,), right=part)


def _moved(e: Expr, variable: str | None, shift: int) -> Expr:
    """The steps that a letter counts, moved."""
    if isinstance(e, Name) and e.index is not None and e.index.variable == variable:
        return replace(e, index=Index(variable, e.index.offset + shift))
    return e


def spelled(name: Name) -> str:
    """One spelling for `delta` and `δ`, `dE/dW` and `∂E/∂W`; with its block."""
    return (f"{name.block}." if name.block else "") + canonical(name.name)


def fixed(e: Equation) -> bool:
    index = e.left[0].index
    return index is not None and index.variable in (None, "T")
