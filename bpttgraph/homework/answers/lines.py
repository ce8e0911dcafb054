"""The lines of an answer in formulas: what each defines, at which steps, and which other lines it reads.

Only the text and its syntax are looked at; `Formulas` evaluates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...equations.custom import Custom, subscripted
from ...equations.functions import canonical
from ...equations.language import parse
from ...equations.syntax import Binary, Equation, Expr, Index, Name, Program
from ...equations.trees import children, walk
from ...errors import BPTTError, Span

if TYPE_CHECKING:
    from ...unrolled import Unrolled

__all__ = ["Lines", "fixed", "spelled"]

MOST_CHARACTERS = 20_000  # the parser's own limit
_QUOTIENT = re.compile(r"(?<![\w\])])[d∂]([^\W\d]\w*\[[^][\n]{1,12}\])\s*/\s*[d∂]([^\W\d]\w*\[[^][\n]{1,12}\])")


class Lines:
    """A parsed answer.

    Args:
        u: the unrolled recurrence. text: the answer.

    Attributes:
        defined: canonical name -> its equations, in order of appearance. notes: what was not read as it stands.
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
        # `@` binds more tightly than `/`, but a factor of the chain rule is one thing
        text = _QUOTIENT.sub(_grouped, text) if len(text) <= MOST_CHARACTERS else text
        self.u, self.text = u, text
        rec = u.recurrence
        known = dict.fromkeys((*u.shapes, *u.parameters))
        self.program: Program = parse(text, custom=Custom.of(rec.program.step, known))
        self.defined: dict[str, list[Equation]] = {}
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
        for equation in self.program.equations:
            if len(equation.left) > 1:
                raise self.error("an answer defines one name a line", equation.left[1], "give each its own line")
            base, name = spelled(equation.left[0]), equation.left[0].name
            if base in self.names and equation.left[0].index is not None:
                self.notes.append(
                    f"line {equation.span.line}: values of {name} are those of the recurrence, not of this line"
                )
                continue
            if base in self.names and self.names[base] in u.parameters:
                base = f"dE/d{base}"  # W = … can only mean the gradient
            self.defined.setdefault(base, []).append(equation)
        if not self.defined:
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

    def steps_of(self, base: str) -> Iterator[int]:
        """The steps at which `base` is defined, within 1 … T, and 0 and T+1 if lines of their own say so."""
        for t in range(self.last + 2):
            if any(self.matches(e, t) is not None and (0 < t <= self.last or fixed(e)) for e in self.defined[base]):
                yield t

    def read_by(self, e: Equation) -> list[Equation]:
        """The lines of the answer that a line reads (those of its own name among them)."""
        found: list[Equation] = []
        stack: list[Expr] = [e.right]
        while stack:
            part = stack.pop()
            if isinstance(part, Name):
                whole = part.index is None
                found += [d for d in self.defined.get(spelled(part), ()) if (d.left[0].index is None) is whole]
            elif self.quotient(part) is None:
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

    def quotient(self, e: Expr) -> list[tuple[str, Index]] | None:
        """The two variables of `dh[j]/dh[j-1]`, each with its step; None for anything else."""
        if not isinstance(e, Binary) or e.operator != "/":
            return None
        found = []
        for side in (e.left, e.right):
            if not isinstance(side, Name) or side.index is None:
                return None
            base = self.names.get(canonical(side.name[1:])) if side.name[:1] in "d∂" else None
            if base is None or base in self.u.parameters:
                return None
            found.append((base, side.index))
        return found

    def error(self, message: str, place: Any, hint: str) -> BPTTError:
        span: Span = place.span
        return BPTTError(message, hint, text=self.text, span=span)


def _grouped(m: re.Match[str]) -> str:
    quotient = f"d{m[1]}/d{m[2]}"
    return quotient if m.string[m.start() - 1 :][:1] == "(" and m.string[m.end() :][:1] == ")" else f"({quotient})"


def spelled(name: Name) -> str:
    """One spelling for `delta` and `δ`, `dE/dW` and `∂E/∂W`; with its block."""
    return (f"{name.block}." if name.block else "") + canonical(name.name)


def fixed(e: Equation) -> bool:
    index = e.left[0].index
    return index is not None and index.variable in (None, "T")
