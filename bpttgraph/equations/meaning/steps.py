"""Steps that are not written: gates without a step, `h' = f(h)`, `h_prev`, and programs, whose order is their step.

* `g = σ(W x_t + …)` belongs to the step that it reads: `g[t]`.
* `h' = f(h)`, `h_new = f(h)` and `h = f(h_prev)` name two steps by a prime or a word: `h[t]` and `h[t-1]`.
* `h = f(h, x)` in a text without any step, as in a program, is a step of a loop. What is read before it is set is the
  value of the step before; what a matrix multiplies and nothing sets is an input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..entries import ENTRY
from ..notes import Note
from ..syntax import Binary, Call, Equation, Expr, Index, Name, Program, Stack, Transposed
from ..trees import names_in, rebuild, walk

__all__ = ["supply_steps"]

_BEFORE = re.compile(r"(.+)_(?:prev|previous|old|last)|(.+?)_?(?:prev|tm1)|(?:prev|previous|old|last)_(.+)")
_AFTER = re.compile(r"(.+?)_(?:next|new|cur|curr|current)|(?:next|new)_(.+)|(.+)'")
_PROGRAM = re.compile(r"\b(?:np|numpy|torch|tf|jnp|nn|F|self)\.|\.dot\(|\*\*")
_INPUTS = frozenset(("x", "u", "X", "inp", "input", "inputs", "x_in", "xt", "x_t", "ut", "Xt"))
_TARGETS = frozenset(("target", "targets", "label", "labels", "y_true", "y_target"))
_TOTALS = frozenset(("E", "L", "J", "loss", "Loss", "cost", "total"))
_NOW, _BEFORE_NOW = Index("t", 0), Index("t", -1)


def supply_steps(program: Program) -> Program:
    """The program with a step on every value that belongs to one."""
    return program if program.blocks else _Steps(program).supplied()


class _Steps:
    """What is found out about the names of a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.equations = program.equations
        self.timed = {
            name.name for e in self.equations for name in (*e.left, *(n for n, _ in names_in(e.right))) if name.index
        }
        self.place = {
            n.name: i for i, e in enumerate(self.equations) for n in e.left if not n.index and n.name not in self.timed
        }
        self.read: dict[str, Name] = {}
        for e in self.equations:
            for n, _ in names_in(e.right):
                if n.index is None:
                    self.read.setdefault(n.name, n)
        self.now = [
            [n.name for n, _ in names_in(e.right) if not n.index and n.name in self.place] for e in self.equations
        ]
        self.group = _groups({n: self.now[i] for n, i in self.place.items()})
        self.become: dict[str, Name] = {}  # a name with a word or a prime -> the name with its step
        self.ordered = bool(_PROGRAM.search(program.text))  # a program sets its values in turn
        self.early: dict[str, None] = {}  # values that are read before they are set
        self.notes: list[Note] = []

    def supplied(self) -> Program:
        self.pairs()
        again = [n for n in self.place if self.reads_itself(n)]
        if self.timed and any(n in _TOTALS for n in again):
            return self.program  # a running sum such as E = E + E_t: the model says what to write
        loop = bool(self.become or again)
        steps = self.belonging(loop and not self.timed)
        if not (steps or self.become):
            return self.program
        inputs = set(self.inputs()) if loop else set()
        changed = tuple(self.changed(i, e, steps | inputs) for i, e in enumerate(self.equations))
        self.say(steps, inputs, loop and not self.timed)
        return replace(self.program, equations=changed, notes=(*self.program.notes, *self.notes))

    def pairs(self) -> None:
        """Names of two steps by a prime or a word."""
        known = {*self.place, *self.timed}
        for name in self.read:
            base = _base(_BEFORE, name)
            new = next((n for n in self.place if base and _base(_AFTER, n) == base), None)
            if base and name not in self.place and (base in known or new):
                self.pair(name, base, -1)
        marked = [(name, _base(_AFTER, name)) for name in self.place]
        states = any(base and base in self.read and not base[0].isupper() for _, base in marked)
        for name, base in marked:
            if base and base[0].isupper() and name.endswith("'") and not states:
                continue  # C' = C z is another matrix
            if base and base not in known and (base in self.read or any(n.name == base for n in self.become.values())):
                self.pair(name, base, 0)
                if base in self.read:
                    self.pair(base, base, -1)
        for name in self.read:
            if name.endswith("'") and name not in known and name[:-1] in self.place:
                self.pair(name, name[:-1], -1)

    def pair(self, name: str, base: str, offset: int) -> None:
        place = self.read.get(name) or next(n for e in self.equations for n in e.left if n.name == name)
        self.become[name] = Name(base, Index("t", offset), place.span)
        mark = f"{base}[t{offset}]" if offset else f"{base}[t]"
        self.notes.append(Note.at(f"{name} was read as {mark}: a word or a prime tells the step", place.span))

    def reads_itself(self, name: str) -> bool:
        """Whether a value depends on itself: it cannot all be of one step."""
        return any(self.group[n] == self.group[name] for n in self.now[self.place[name]])

    def belonging(self, everything: bool) -> set[str]:
        """The values without a step that belong to one: those that read a value of step t, or all of a loop."""
        own = self.place.keys() - self.become.keys()
        if everything:
            return set(own)
        readers: dict[str, list[str]] = {}
        for name in own:
            for other in self.now[self.place[name]]:
                readers.setdefault(other, []).append(name)
        waiting = [name for name in own if self.of_a_step(self.place[name])]
        found = set(waiting)
        while waiting:
            fresh = [n for n in readers.get(waiting.pop(), ()) if n not in found]
            found.update(fresh)
            waiting += fresh
        return found

    def of_a_step(self, i: int) -> bool:
        return any(
            not any(r.variable == "t" for r in bound)
            and (n.index.variable == "t" if n.index else n.name in self.become)
            for n, bound in names_in(self.equations[i].right)
        )

    def inputs(self) -> Iterator[str]:
        """Names that nothing sets and that come anew at each step."""
        multiplied = {n for e in self.equations for n in _multiplied(e.right)}
        for name in self.read:
            if name in self.place or name in self.become or name in self.timed:
                continue
            target = name in _TARGETS or f"{name}_hat" in self.place
            if name in _INPUTS or target or (name in multiplied and not name[0].isupper()):
                yield name

    def say(self, steps: set[str], inputs: set[str], loop: bool) -> None:
        left = {n.name: n for e in self.equations for n in e.left}
        earlier = ", ".join(f"{n}[t-1]" for n in self.early)
        before = f"; what is read before it is set is the value of the step before: {earlier}" if earlier else ""
        if loop and (steps or inputs):
            every = ", ".join(f"{n}[t]" for n in (*(n for n in self.place if n in steps), *sorted(inputs)))
            sentence = f"no step is written: read as one step t of a loop with {every}{before}"
            self.notes.append(Note.at(sentence, next(iter(left.values())).span))
            return
        for name in self.place:
            if name in steps:
                more = before if name in self.early else ""
                self.notes.append(
                    Note.at(f"{name} has no step on its left and was read as {name}[t]{more}", left[name].span)
                )
        if inputs:
            names = ", ".join(f"{n}[t]" for n in sorted(inputs))
            self.notes.append(Note.at(f"{names}: read as an input of each step", self.read[min(inputs)].span))

    def changed(self, i: int, e: Equation, steps: set[str]) -> Equation:
        own = {n.name for n in e.left}

        def step(x: Expr) -> Expr:
            if not isinstance(x, Name) or x.index is not None:
                return x
            if x.name in self.become:
                return replace(x, name=self.become[x.name].name, index=self.become[x.name].index)
            if x.name not in steps:
                return x
            if self.earlier(x.name, i, own):
                self.early[x.name] = None
                return replace(x, index=_BEFORE_NOW)
            return replace(x, index=_NOW)

        left = tuple(
            replace(n, name=self.become[n.name].name, index=self.become[n.name].index)
            if n.name in self.become and n.index is None
            else replace(n, index=_NOW)
            if n.name in steps and n.index is None
            else n
            for n in e.left
        )
        return replace(e, left=left, right=rebuild(e.right, step))

    def earlier(self, name: str, i: int, own: set[str]) -> bool:
        """Whether an equation reads the value that the step before has set."""
        place = self.place.get(name)
        if place is None or place < i:
            return False
        return (
            place == i
            or (self.ordered and not self.become)  # words for steps say what the order would
            or any(self.group.get(n) == self.group[name] for n in own)
        )


def _groups(reads: Mapping[str, list[str]]) -> dict[str, int]:
    """Numbers for names, the same for those that depend on one another (Kosaraju's two passes)."""
    read_by: dict[str, list[str]] = {name: [] for name in reads}
    for name, others in reads.items():
        for other in others:
            read_by[other].append(name)
    finished: dict[str, None] = {}
    seen: set[str] = set()
    for start in reads:
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(reads[start]))] if start not in seen else []
        seen.add(start)
        while stack:
            name, rest = stack[-1]
            fresh = next((n for n in rest if n not in seen), None)
            if fresh is None:
                finished[name] = None
                stack.pop()
            else:
                seen.add(fresh)
                stack.append((fresh, iter(reads[fresh])))
    group: dict[str, int] = {}
    for number, start in enumerate(reversed(finished)):
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name not in group:
                group[name] = number
                waiting += read_by[name]
    return group


def _base(pattern: re.Pattern[str], name: str) -> str | None:
    match = pattern.fullmatch(name)
    return next((group for group in match.groups() if group), None) if match else None


def _multiplied(e: Expr) -> Iterator[str]:
    """Names that a matrix, a capital letter, multiplies, or an outer product: `x` of `A x`, `x @ A` and `x @ A.T`."""
    for node, _ in walk(e):
        if isinstance(node, Binary) and node.operator in (" ", "@"):
            left, right = _last(node.left), node.right
            if _matrix(left) and isinstance(right, Name) and right.index is None:
                yield right.name
            if node.operator == "@" and isinstance(left, Name) and left.index is None and _matrix(right):
                yield left.name
        elif isinstance(node, Stack):
            yield from (a.name for a in node.items if isinstance(a, Name) and a.index is None)
        elif isinstance(node, Call) and node.function in ("outer", ENTRY):
            yield from (a.name for a in node.args if isinstance(a, Name) and a.index is None)


def _last(e: Expr) -> Expr:
    """The last factor of a product: what meets the operand on its right."""
    while isinstance(e, Binary) and e.operator in (" ", "@", "*"):
        e = e.right
    return e


def _matrix(e: Expr) -> bool:
    e = e.operand if isinstance(e, Transposed) else e
    return isinstance(e, Name) and e.index is None and e.name[0].isupper()
