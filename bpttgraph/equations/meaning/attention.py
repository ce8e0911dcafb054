"""Attention: scores `e_ij` of step i for position j, their softmax over j, and the sum over the positions.

What carries a step and a position is a function of the position. It is put into the sums over positions, which the
model knows: `c_i = Σ_j α_ij k_j` with `α_ij = exp(e_ij) / Σ_l exp(e_il)` becomes one equation. There are as many
positions as steps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ...errors import BPTTError
from ..lines import MAX_NODES
from ..notes import Note
from ..syntax import Binary, Call, Equation, Expr, Index, Name, Program, Reduce
from ..trees import calls, names_in, rebuild, walk

__all__ = ["positions"]

_SOFTMAX = re.compile(r"softmax_\w")
_LETTERS = "lmpqrsuvwabcdefg"


@dataclass(frozen=True)
class _Score:
    """A value of a step and a position; `letter` is the position in its formula."""

    letter: str
    right: Expr
    equation: Equation


def positions(program: Program) -> Program:
    """The program with scores put into the sums over their positions.

    Raises:
        BPTTError: scores that need one another, or a formula that becomes too large.
    """
    step = _step_letter(program)
    if step is None:
        _refuse_missing_weights(program)
        if not any(_SOFTMAX.fullmatch(c.function) for e in program.equations for c in calls(e.right)):
            return program
        return replace(program, equations=tuple(replace(e, right=rebuild(e.right, _bare)) for e in program.equations))
    return _Positions(program, step).program


def _step_letter(program: Program) -> str | None:
    """The first letter of `α_ij` in a sum over j, where a line defines `α_ij` or `e_ij` for all j."""
    defined = {n.name.rpartition("_")[2] for e in program.equations for n in e.left if n.index is None}
    firsts = {label[0] for label in defined if len(label) == 2 and label.isalpha()}
    for e in program.equations:
        for node, _ in walk(e.right):
            if isinstance(node, Reduce) and any(n.index and n.index.variable == "t" for n in e.left):
                labels = {n.name.rpartition("_")[2] for n, _ in names_in(node.body) if n.index is None}
                found = [label[0] for label in labels if len(label) == 2 and label[1] == node.variable]
                if found and found[0] in firsts:
                    return found[0]
    return None


def _refuse_missing_weights(program: Program) -> None:
    """`c_i = Σ_j α_ij h_j` without a line for the weights α.

    Raises:
        BPTTError: with the usual scores.
    """
    defined = {n.name for e in program.equations for n in e.left}
    for e in program.equations:
        for node, _ in walk(e.right):
            if not isinstance(node, Reduce) or node.variable == "t":
                continue
            names = [n for n, _ in names_in(node.body)]
            value = next((n.name for n in names if n.index and n.index.variable == node.variable), "")
            for n in names:
                label = n.name.rpartition("_")[2]
                pair = n.index is None and label in (f"{program.step}{node.variable}", f"t{node.variable}")
                if value and pair and n.name not in defined and len(label) < len(n.name):
                    i, j = label[0], label[1]
                    state = next((a for a in "shqd" if a != value and a in defined), "s")
                    other = next(a for a in "klm" if a not in label)
                    total = f"\\sum_{other} \\exp(e_{{{i}{other}}})"
                    score = f"e_{{{label}}} = {state}_{{{i}-1}}^T A {value}_{j}"
                    raise BPTTError(
                        f"{n.name} is a weight of step {i} for position {j}, and no line defines it",
                        f"write in lines of their own {n.name.removesuffix(label)}{{{label}}} = "
                        f"\\frac{{\\exp(e_{{{label}}})}}{{{total}}} and {score}, "
                        "or how else the scores are made",
                        text=program.text,
                        span=n.span,
                    )


def _bare(e: Expr) -> Expr:
    """`softmax_k(z)` of a whole vector."""
    return replace(e, function="softmax") if isinstance(e, Call) and _SOFTMAX.fullmatch(e.function) else e


class _Positions:
    """The scores of one program, and the program without them."""

    def __init__(self, program: Program, step: str) -> None:
        self.text, self.step = program.text, step
        used = {r.variable for e in program.equations for r, _ in walk(e.right) if isinstance(r, Reduce)}
        self.fresh = next(letter for letter in _LETTERS if letter not in used)
        self.scores: dict[str, _Score] = {}
        kept = []
        for e in program.equations:
            pair = self.pair(e.left[0]) if len(e.left) == 1 and e.left[0].index is None else None
            if pair is None:
                kept.append(e)
            else:
                self.scores[pair[0]] = _Score(pair[1], e.right, e)
        self._refuse_missing(program, used)
        self.scores = {base: replace(s, right=self.own(s)) for base, s in self.scores.items()}
        for _ in self.scores:  # the longest chain of scores
            self.scores = {base: replace(s, right=self.put(s.right, s)) for base, s in self.scores.items()}
        first = next(iter(self.scores.values()))
        if any(self.known(n) for s in self.scores.values() for n, _ in names_in(s.right)):
            raise BPTTError("these scores need one another", "let each score be computed from states and inputs",
                            text=self.text, span=first.equation.span)  # fmt: skip
        equations = tuple(replace(e, right=rebuild(self.put(e.right, first), _bare)) for e in kept)
        names = ", ".join(s.equation.left[0].name for s in self.scores.values())
        note = f"{names}: read for each position {first.letter} = 1, …, T, as many as there are steps"
        said = Note.at(note, first.equation.left[0].span)
        self.program = replace(program, equations=equations, notes=(*program.notes, said))

    def pair(self, n: Name) -> tuple[str, str] | None:
        """The base and the position of `e_ij`."""
        base, _, label = n.name.rpartition("_")
        if base and n.index is None and len(label) == 2 and label[0] == self.step and label[1] != self.step:
            return base, label[1]
        return None

    def _refuse_missing(self, program: Program, bound: set[str]) -> None:
        """`α_ij = exp(e_ij) / Σ_l exp(e_il)` without a line for e: as parameters, they would be two numbers."""
        letters = bound | {s.letter for s in self.scores.values()}
        states = [n.name for e in program.equations for n in e.left if n.index and n.index.variable == "t"]
        for n in (n for e in program.equations for n, _ in names_in(e.right)):
            pair = self.pair(n)
            if pair is not None and pair[0] not in self.scores and pair[1] in letters:
                label = f"{self.step},{pair[1]}"
                state = next((a for a in reversed(states) if len(a) == 1), "s")
                raise BPTTError(
                    f"{n.name} is a score of step {self.step} for position {pair[1]}, and no line defines it",
                    f"write in a line of its own {pair[0]}_{{{label}}} = {state}_{{{self.step}-1}}^T A h_{pair[1]}, or "
                    "how else the scores are made",
                    text=program.text,
                    span=n.span,
                )

    def known(self, n: Name) -> _Score | None:
        pair = self.pair(n)
        return self.scores.get(pair[0]) if pair else None

    def own(self, s: _Score) -> Expr:
        """The formula of a score: a softmax as its quotient, and no sum over the letter of the position itself."""

        def change(e: Expr) -> Expr:
            if isinstance(e, Reduce) and e.variable == s.letter:
                return replace(e, variable=self.fresh, body=self.moved(e.body, s.letter, self.fresh))
            if isinstance(e, Call) and (e.function == "softmax" or _SOFTMAX.fullmatch(e.function)) and len(e.args) == 1:
                top = Call("exp", e.args, (), e.span)
                body = self.moved(top, s.letter, self.fresh)
                return Binary("/", top, Reduce("sum", self.fresh, None, None, body, e.span), e.span)
            return e

        return rebuild(self.moved(s.right, s.letter, s.letter), change)

    def moved(self, e: Expr, letter: str, to: str) -> Expr:
        """An expression at another position: `k_j` and `e_ij` with another letter in the place of j."""

        def change(x: Expr) -> Expr:
            if not isinstance(x, Name):
                return x
            base, _, label = x.name.rpartition("_")
            if x.index is not None:
                return replace(x, index=Index(to, x.index.offset)) if x.index.variable == letter else x
            if base and label == letter:
                return replace(x, name=base, index=Index(to, 0))
            pair = self.pair(x)
            return replace(x, name=f"{base}_{self.step}{to}") if pair and pair[1] == letter else x

        return rebuild(e, change)

    def put(self, e: Expr, place: _Score) -> Expr:
        """The formulas of the scores in their places."""

        def change(x: Expr) -> Expr:
            score = self.known(x) if isinstance(x, Name) else None
            if score is None or not isinstance(x, Name):
                return x
            return self.moved(score.right, score.letter, x.name[-1])

        result = rebuild(e, change)
        if sum(1 for _ in walk(result)) > MAX_NODES:
            raise BPTTError("these scores make a formula that is too large", "name fewer of them",
                            text=self.text, span=place.equation.span)  # fmt: skip
        return result
