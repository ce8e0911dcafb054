"""Which of the names that an answer in formulas defines are gradients, to be judged, and which are means to them.

Names do not decide it, use does: what another line reads is a means, whatever it is called, as long as it is no
gradient by a parameter or an initial state; what no line reads is an answer. So every gradient that is defined is
judged, or is an error, and verdicts do not depend on the names of helpers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...equations.functions import canonical
from ...equations.syntax import Call
from ...errors import BPTTError, nearest

if TYPE_CHECKING:
    from ...equations.syntax import Equation
    from ...unrolled import Unrolled
    from .lines import Lines

__all__ = ["Asked", "asked", "delta_step", "target_of"]

_PREFIX = re.compile(r"(?:d|∂)(?:E|L|J|loss|l|ℓ)/(?:d|∂)|grad(?:ient)?[_ /]?|nabla_?|∇_?|F_|[d∂]")


@dataclass(frozen=True)
class Asked:
    """A gradient to be judged: what the answer calls `base`, added up over `steps` (None: it has no step); `note` on
    how it was read.

    `aside`: an adjoint of a variable, given beside gradients that do not read it.
    """

    base: str
    steps: tuple[int | None, ...] = (None,)
    note: str = ""
    aside: bool = False


def target_of(u: Unrolled, key: str) -> str | None:
    """The parameter, initial state, variable or input sequence whose gradient `key` names.

    >>> import bpttgraph as bg
    >>> u = bg.cell("rnn").unroll(3)
    >>> [target_of(u, k) for k in ("dW_hh", "dE/dW_hh", "W_hh.grad", "dh0", "dh[2]", "dx", "nonsense")]
    ['W_hh', 'W_hh', 'W_hh', 'h[0]', 'h[2]', 'x', None]
    """
    for stem in _stems(key):
        found = u.spellings.get(stem) or u.spellings.get(canonical(stem))
        if found is not None:
            return found
    return None


def _stems(key: str) -> Iterator[str]:
    """What a name may be the gradient by."""
    plain = key.strip().replace(" ", "")
    match = _PREFIX.match(plain)
    yield from filter(
        None, (plain, plain[match.end() :] if match else "", plain.removesuffix(".grad"), plain.removesuffix("_grad"))
    )


def delta_step(key: str) -> tuple[str, int] | None:
    """`delta[2]`, an adjoint under a name of the student's own, as ("δ", 2).

    Example:
        >>> delta_step("delta[2]"), delta_step("δ_h[1]"), delta_step("dh[2]")
        (('δ', 2), ('δ_h', 1), None)
    """
    match = re.fullmatch(r"(delta|δ)(\w*)\[(\d{1,6})\]", key.strip())
    return ("δ" + match[2], int(match[3])) if match else None


def asked(u: Unrolled, lines: Lines) -> dict[str, Asked]:
    """The gradients that an answer gives, by the name of what they are gradients by. What was not read as one is in
    `lines.notes`.

    Raises:
        BPTTError: a gradient is given twice, or its name means nothing here; nothing in the answer is a gradient.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.answers.lines import Lines
        >>> u = bg.cell("rnn").unroll(3)
        >>> text = "dh[t] = W_hy.T @ (y[t] - target[t])" + chr(10) + "dW_hy = sum_t outer(y[t] - target[t], h[t])"
        >>> list(asked(u, Lines(u, text)))
        ['W_hy', 'h[1]', 'h[2]', 'h[3]']
    """
    return _Reader(u, lines).read()


class _Reader:
    def __init__(self, u: Unrolled, lines: Lines):
        self.u, self.lines = u, lines
        self.found: dict[str, Asked] = {}
        self.inputs = {n.name for rows in u.leaves.values() for _, n in rows}
        self.used: set[int] = set()  # equations that are judged, or that judged ones read

    def read(self) -> dict[str, Asked]:
        for base, equations in self.lines.defined.items():
            for e in equations:
                if e.left[0].index is None:
                    name = target_of(self.u, base)
                    if name is None and base[:1] in ("δ", "Δ"):
                        name = target_of(self.u, base[1:])
                    self._claim(name, Asked(base), e)
            for t in self.lines.steps_of(base):
                name = target_of(self.u, f"{base}[{t}]")
                if name in self.u.numbers.leaf_nodes:  # an initial state
                    self._claim(name, Asked(base, (t,)), self.lines.equation(base, t))
        for base, left in self._left():
            name = target_of(self.u, base)
            if name in self.u.parameters and all(e.left[0].index is not None for e in left):
                self._claim(name, self._whole(base, left[0]), *left)
        self.beside = bool(self.found)
        for by_name in (True, False):  # dh[t] first; a δ under a name of the student's own may be a means to it
            # where nothing else is given, all adjoints are the answer, though they read each other
            for base, left in self._left() if self.found else list(self._left()):
                self._adjoints(base, left, by_name)
        self._rest()
        return self.found

    def _claim(self, name: str | None, what: Asked, *equations: Equation) -> None:
        if name is None or name not in self.u.numbers.leaf_nodes:
            return
        if name in self.found:
            raise self._error(f"the gradient by {name} is defined twice", equations[0], "keep one of the two lines")
        self.found[name] = what
        self._use(*equations)

    def _use(self, *equations: Equation) -> None:
        """Mark equations, and all that they read."""
        stack = [*equations]
        while stack:
            e = stack.pop()
            if id(e) not in self.used:
                self.used.add(id(e))
                stack += self.lines.read_by(e)

    def _left(self) -> Iterator[tuple[str, list[Equation]]]:
        """What no judged line reads, by its name."""
        for base, equations in self.lines.defined.items():
            left = [e for e in equations if id(e) not in self.used]
            if left:
                yield base, left

    def _adjoints(self, base: str, left: list[Equation], by_name: bool) -> None:
        """`dh[t]`, the gradient by a variable or an input, or `δ[t]`, at every step at which these lines define it."""
        for t in self.lines.steps_of(base):
            e = self.lines.equation(base, t)
            if not 1 <= t <= self.u.columns or not any(e is x for x in left):
                continue
            name = target_of(self.u, f"{base}[{t}]") if by_name else f"{base}[{t}]" if base.startswith("δ") else None
            if by_name and name is None and base[:1] == "δ" and target_of(self.u, f"{base[1:]}[{t}]") in self.inputs:
                name = target_of(self.u, f"{base[1:]}[{t}]")
            if name is not None and name not in self.found:
                cut = isinstance(e.right, Call) and e.right.function == "part"
                aside = self.beside and (cut or name not in self.inputs)
                self.found[name] = Asked(base, (t,), aside=aside)
                self._use(e)

    def _whole(self, base: str, e: Equation) -> Asked:
        """`dW[t]` without a line for dW: the contributions of the steps, or a running sum, whose end is then the
        gradient."""
        last, called = self.lines.last, f"{e.left[0].name}[t]"
        offsets = self.lines.own_offsets(base)
        if not offsets:
            return Asked(
                base, tuple(range(1, last + 1)), f"{called} is read as the contribution of step t: their sum is judged"
            )
        end = last if max(offsets) < 0 else 1
        return Asked(base, (end,), f"{called} is read as a running sum: its value at t = {end} is judged")

    def _rest(self) -> None:
        """Lines that nothing reads and that are no gradients: an error if they claim to be one, a note otherwise."""
        for base, left in self._left():
            e = left[0]
            name, stems = e.left[0], [s for s in _stems(base) if s != base]
            if stems:
                if target_of(self.u, base) is not None:
                    raise self._error(f"the gradient by {stems[0]} has a step", e, f"write {name.name}[t] = …")
                raise self._unknown(base, e)
            if (by := self._claimed(base)) is not None:
                raise self._error(
                    f"no gradient reads {name.name}, and it could be meant as the gradient by {by}",
                    e,
                    f"write d{by} = … if it is, or leave the line out",
                )
            self.lines.notes.append(f"line {e.span.line}: no gradient reads {name.name}")
        if not self.found and not self.lines.jacobians:
            base, equations = next(iter(self.lines.defined.items()))
            raise self._unknown(base, equations[0])

    def _claimed(self, base: str) -> str | None:
        """The parameter whose name stands at the end of a name, or at its beginning: `g_W_hh`, `gW`, `W_hh_dot`. A
        longer one counts before its parts."""
        for by in sorted(self.u.parameters, key=len, reverse=True):
            before = base.removesuffix(by)
            known = re.fullmatch(r"(g|G|d|D|δ|Δ|delta|[Gg]rad|der|deriv)_?", before)
            word = len(by) > 1 and re.fullmatch(r"[^\W\d_]+_?", before)
            if (
                base != by
                and base.isidentifier()
                and ((before != base and (known or word)) or base.startswith(by + "_"))
            ):
                return by
        return None

    def _unknown(self, base: str, e: Equation) -> BPTTError:
        names = [f"d{n}" for n in self.u.numbers.leaf_nodes]
        called = e.left[0].name[:60]
        return self._error(f"nothing here is called {called}, and no gradient reads it", e, nearest(called, names))

    def _error(self, message: str, e: Equation, hint: str) -> BPTTError:
        return self.lines.error(message, e.left[0], hint)
