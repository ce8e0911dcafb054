"""The backward recursions for a symbolic number of steps: what a programmer implements.

They are read off a short unrolling. The statement of a middle step is taken as the general one; at every other step it
must say the same, apart from summands whose adjoint does not exist there (those are the terminal conditions: adjoints
beyond the last step are 0). A step where it says something else, such as T when only the last loss counts, gets a
statement of its own. So nothing is guessed: a cell that is not regular in this sense shows more lines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ..core.graph import Node, leaf
from ..equations.expressions import build
from ..equations.syntax import Name, Reduce
from ..equations.text import show_index
from ..equations.trees import names_in
from ..formulas.expr import BigSum, Expr, Symbol, add, num, symbol
from ..formulas.steps import at_steps, bound, folded, near, rebased, renamed, step_text
from .adjoints import Adjoints, Part, Piece
from .alike import refused
from .onehot import in_classes
from .read import formula
from .recursion import Recursion, names_of, steps_from, without_step

__all__ = ["Recursion", "Recursions", "names_of", "steps_from", "without_step"]


@dataclass(slots=True)
class Loop:
    """Keys computed together, step by step, downwards (−1) or upwards (+1) in time.

    `ahead`: how many steps ahead of t a key is computed at t, where one loop needs it: of h[t+1] = s[t-1] and
    s[t] = σ(h[t+1]) neither the adjoints of step t nor those of step t+1 come first, but those of h[t+1] and s[t] do.
    """

    keys: list[str]
    direction: int
    block: str
    ahead: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Line:
    """All that is known of one adjoint over the steps."""

    key: str
    kind: str
    block: str
    dims: tuple[int, ...]
    of: str
    members: tuple[str, ...] = ()
    parts: dict[int, Part] = field(default_factory=dict)
    general: tuple[Piece, ...] | None = None
    steps: list[int] = field(default_factory=list)  # where the general statement holds
    special: dict[int, tuple[Piece, ...]] = field(default_factory=dict)


class Recursions:
    """The recursions of an unrolling of `last` steps (per block), read as symbolic.

    `sums` are names of values without a step that nobody gives: the statements begin with what they are.
    """

    def __init__(self, adjoints: Adjoints, last: dict[str, int], sums: tuple[str, ...] = ()):
        self.adjoints, self.last, self.sums = adjoints, last, sums
        self.middle = {b: n // 2 + 1 for b, n in last.items()}
        self.names = {p.name for p in adjoints.parts if p.kind != "gradient"}
        self.lines: dict[str, _Line] = {}
        for part in adjoints.parts:
            if part.kind != "gradient" and without_step(part.name)[1] is not None:
                self._collect(part)
        for line in self.lines.values():
            self._generalise(line)
        self.once = {p.name: p for p in adjoints.parts if p.kind != "gradient" and without_step(p.name)[1] is None}
        self.order = self._ordered_loops()
        self.loops = [x for x in self.order if isinstance(x, Loop)]

    def block_of(self, name: str) -> str:
        return self.adjoints.paths.variables[name].block or ""

    def _collect(self, part: Part) -> None:
        key, step = without_step(part.name)
        dims = part.left.dims if isinstance(part.left, Symbol) else ()
        members = tuple(without_step(m)[0] for m in part.members)
        line = self.lines.setdefault(
            key, _Line(key, part.kind, self.block_of(part.of), dims, without_step(part.of)[0], members)
        )
        line.parts[step or 0] = part

    def _relative(
        self, pieces: list[Piece], step: int, block: str, letter: str = "t", along: bool = False
    ) -> tuple[Piece, ...]:
        """Pieces of a statement at `step`, relative to it; `along`: in a formula of the total, what stands at other
        steps moves, too."""
        change, last = rebased(letter, step), self.last[block]

        def rename(name: str) -> str:
            # names of another block do not move with this one: they stand at its own T, or at a fixed step
            other = name.rpartition(".")[0]
            if other and other in self.last and other != block:
                end = self.last.get(other)
                return rebased("T", end)(name) if end and name.endswith(f"[{end}]") else name
            return change(name)

        def within(name: str) -> str:  # a formula of the total may have names of any steps
            return rename(name) if along or without_step(name)[1] == step else near(name, last)

        found = []
        for p in pieces:
            e = renamed(folded(p.expr, last), within) if self._stepless(p.target) else renamed(p.expr, rename)
            found.append(Piece(rename(p.source), rename(p.target), e))
        return tuple(found)

    def _stepless(self, name: str) -> bool:
        return bool(name) and self.adjoints.paths.variables[name].step is None

    def _exists(self, piece: Piece, step: int) -> bool:
        """Whether a summand of the general statement has its adjoint at this step."""
        change = at_steps({"t": step})
        wanted = {change(n) for n in names_of(piece.expr)} & self._adjoint_like(piece, step)
        return all(n in self.names for n in wanted)

    def _adjoint_like(self, piece: Piece, step: int) -> set[str]:
        change = at_steps({"t": step})
        return {change(n) for n in names_of(piece.expr) if n.rpartition("[")[0] in self.lines}

    def _generalise(self, line: _Line) -> None:
        last, middle = self.last[line.block], self.middle[line.block]
        best: list[int] = []
        for along in (False, True):
            # with J = sum_t L[t] and L[t] = silu(dot(a, h[t-1])), h[t-1] moves with L[t]; with J = sum_t L[t] h[1],
            # h[1] stays
            relative = {s: self._relative(p.pieces, s, line.block, along=along) for s, p in line.parts.items()}
            general = relative.get(middle)
            if general is not None:
                found = [s for s in sorted(relative) if 1 <= s <= last + 1
                         and Counter(relative[s]) == Counter(p for p in general if self._exists(p, s))]  # fmt: skip
                if len(found) > len(best):
                    best, line.general = found, general
            if len(best) == len(relative):
                break
        line.steps = best
        line.special = {s: self._absolute(p, s, line.block) for s, p in sorted(line.parts.items()) if s not in best}

    def _absolute(self, part: Part, step: int, block: str) -> tuple[Piece, ...]:
        """A statement of one step only, relative to T near the end, with numbers near the start."""
        if step > self.middle[block]:
            return self._relative(part.pieces, self.last[block], block, "T")
        last = self.last[block]
        total = partial(renamed, change=partial(near, last=last))
        return tuple(
            Piece(p.source, p.target, total(folded(p.expr, last)) if self._stepless(p.target) else p.expr)
            for p in part.pieces
        )

    def place(self, step: int, block: str) -> str:
        """A step of the unrolling as a text: "1", "T", "T-1"."""
        return step_text("T", step - self.last[block]) if step > self.middle[block] else str(step)

    def ends(self, low: int, high: int, block: str) -> tuple[str, str]:
        """The ends of a range of steps: one that reaches the middle starts at a number and ends relative to T."""
        middle = self.middle[block]
        last = step_text("T", high - self.last[block]) if high >= middle else str(high)
        if low == high:
            return last, last
        return (str(low) if low <= middle else step_text("T", low - self.last[block])), last

    # -- the order of computation

    def needs(self, line: _Line) -> set[tuple[str, int]]:
        """(key, offset) of the adjoints that the general statement reads."""
        found = set()
        for piece in line.general or ():
            for name in names_of(piece.expr):
                base, _, step = name.rpartition("[")
                if base in self.lines and step.startswith("t"):
                    found.add((base, int(step[1:-1] or 0)))
        return found

    def reads(self, line: _Line) -> set[tuple[str, int]]:
        """(key, offset) of the adjoints that any statement of the line reads, also one for a single step."""
        found = set()
        for own, part in line.parts.items():
            for name in (n for piece in part.pieces for n in names_of(piece.expr)):
                base, step = without_step(name)
                if step is not None and base in self.lines and self.lines[base].block == line.block:
                    found.add((base, step - own))
        return found

    def _ordered_loops(self) -> list[Loop | str]:
        """Loops, and between them the names of adjoints without a step, in an order in which every statement finds what
        it reads."""
        import networkx

        graph = networkx.DiGraph()
        pieces: dict[str, list[Piece]] = {k: p.pieces for k, p in self.once.items()}
        for key, line in self.lines.items():
            pieces[key] = [*(line.general or ()), *[p for s in line.special.values() for p in s]]
        place = {key: i for i, key in enumerate(dict.fromkeys(without_step(p.name)[0] for p in self.adjoints.parts))}
        graph.add_nodes_from(sorted(pieces, key=lambda k: place[k]))
        for key, found in pieces.items():
            read = [n.partition("[")[0] for piece in found for n in sorted(names_of(piece.expr))]
            graph.add_edges_from((n, key) for n in read if n in pieces)
        condensed = networkx.condensation(graph)
        made: list[Any] = []
        rank = {c: min(place[k] for k in condensed.nodes[c]["members"]) for c in condensed}
        for c in networkx.lexicographical_topological_sort(condensed, key=lambda c: rank[c]):
            members = condensed.nodes[c]["members"]
            if members & set(self.once):
                made += sorted(members)
                continue
            ahead = self._ahead(members)
            asked = {(k, n, o) for k in members for n, o in self.reads(self.lines[k])}
            offsets = {o for *_, o in asked}
            within = {o + ahead.get(k, 0) - ahead.get(n, 0) for k, n, o in asked if n in members}
            direction = 1 if min(within, default=0) < 0 else -1
            keys = self._ordered(members, place, ahead)
            block = self.lines[keys[0]].block
            if ahead:
                made.append(Loop(keys, direction, block, ahead))
                continue
            joins = (
                made
                and isinstance(made[-1], Loop)
                and not made[-1].ahead
                and made[-1].block == block
                and (made[-1].direction == direction or not (within - {0}))
                and all(o * made[-1].direction <= 0 for o in offsets)
            )
            if joins:
                made[-1].keys += keys
            else:
                made.append(Loop(keys, direction, block))
        return made

    def _ahead(self, members: set[str]) -> dict[str, int]:
        """Where adjoints of one loop are read both earlier and later: by how much each equation's left side is ahead of
        t."""
        within = {o for k in members for n, o in self.reads(self.lines[k]) if n in members}
        if not within or min(within) >= 0 or max(within) <= 0:
            return {}
        every = self.adjoints.paths.unrolled.recurrence.every
        return {k: every[of].offset for k in members if (of := self.lines[k].of) in every}

    def _ordered(self, members: set[str], place: dict[str, int], ahead: dict[str, int]) -> list[str]:
        import networkx

        inner = networkx.DiGraph()
        inner.add_nodes_from(members)
        for k in members:
            found = ((n, o + ahead.get(k, 0) - ahead.get(n, 0)) for n, o in self.reads(self.lines[k]) if n in members)
            inner.add_edges_from((n, k) for n, o in found if o == 0 and n != k)
        return list(networkx.lexicographical_topological_sort(inner, key=lambda k: place[k]))

    # -- what is printed

    def left(self, line: _Line, step: str) -> Symbol:
        return Symbol((line.dims[0], 1) if len(line.dims) == 1 else line.dims, f"{line.key}[{step}]", line.dims)

    @property
    def statements(self) -> tuple[Recursion, ...]:
        """The sums that have names, terminal conditions, recursions in order of computation, accumulations."""
        made: list[Recursion] = [self._value(name) for name in self.sums]
        beyond: dict[str, set[int]] = {}
        for reader in self.lines.values():
            for key, offset in self.needs(reader):
                steps = {s + offset for s in reader.steps} if offset else set()
                beyond.setdefault(key, set()).update(steps - set(self.lines[key].parts))
        for key, line in self.lines.items():
            for step in sorted(beyond.get(key, ())):
                at = self.place(step, line.block)
                made.append(Recursion(key, "terminal", self.left(line, at), (num(0),), at, at, line.block, line.dims))
        for loop in self.loops:
            for key in loop.keys:
                made += [_ahead(r, loop.ahead.get(key, 0)) for r in self._line(self.lines[key], loop.direction)]
        for part in self.adjoints.parts:
            if without_step(part.name)[1] is None or part.kind == "gradient":
                made += self._accumulation(part)
        return tuple(made)

    def _value(self, name: str) -> Recursion:
        """What a sum over steps is called: read off its equation, as one letter in it is the step."""
        u: Any = self.adjoints.paths.unrolled
        d = u.recurrence.once[name]
        total = d.right
        assert isinstance(total, Reduce)
        block = next((n.block for n, _ in names_in(total.body) if n.index and n.block), d.block) or ""

        def value(n: Name) -> Node:
            key = u.recurrence.key(n, d.block)
            return leaf(key if n.index is None else f"{key}[{show_index(n.index)}]", u.shapes[key])

        def inner(_: Reduce) -> Node:
            raise refused(u)

        body = in_classes(formula(build(total.body, value, inner, u.shapes[name])), self.adjoints.onehot)
        low, high = (show_index(i) if i else end for i, end in ((total.lower, "1"), (total.upper, "T")))
        value_of = BigSum(body.shape, total.variable, bound(low), bound(high), body)
        shape = u.shapes[name]
        return Recursion(name, "value", symbol(name, shape), (value_of,), block=block, dims=shape, of=name)

    def _line(self, line: _Line, direction: int) -> list[Recursion]:
        made = []
        for s in sorted(line.special, reverse=direction < 0):
            at = self.place(s, line.block)
            pieces = line.special[s]
            made.append(self._made(line.key, line.kind, self.left(line, at), pieces, at, at, line))
        for low, high in sorted(_runs(line.steps), reverse=direction < 0):
            ends = self.ends(low, high, line.block)
            first, last = ends[::-1] if direction < 0 else ends
            made.append(self._made(line.key, line.kind, self.left(line, "t"), line.general or (), first, last, line))
        return made

    @staticmethod
    def _made(
        key: str, kind: str, left: Expr, pieces: tuple[Piece, ...], first: str, last: str, line: _Line
    ) -> Recursion:
        return Recursion(key, kind, left, tuple(p.expr for p in pieces), first, last, line.block, line.dims, line.of)

    def _accumulation(self, part: Part) -> list[Recursion]:
        """A gradient: the uses of all steps added up, one Σ for those that look alike."""
        v = self.adjoints.paths.variables
        dims, own = v[part.of].shape, v[part.of]
        if own.step is not None:
            block = own.block or ""
            terms = tuple(p.expr for p in self._absolute(part, own.step, block))
            late = own.step > self.middle[block]
            change = rebased("T", self.last[block]) if late else lambda name: name
            name, left = change(part.name), renamed(part.left, change)
            return [
                Recursion(name, part.kind, left, terms, "", "", block, dims, change(part.of), (("", "", block, terms),))
            ]
        groups: dict[tuple[str, Expr], list[int]] = {}
        uses: dict[tuple[str, str, str], list[Expr]] = {}
        for p in part.pieces:
            target = v.get(p.target)
            if target is None or target.step is None:
                last = max(self.last.values())
                expr = renamed(folded(p.expr, last), partial(near, last=last))
                uses.setdefault(("", "", ""), []).append(expr)
            else:
                block = target.block or ""
                groups.setdefault((block, self._relative([p], target.step, block)[0].expr), []).append(target.step)
        for (block, e), steps in groups.items():
            for low, high in _runs(steps):
                uses.setdefault((*self.ends(low, high, block), block), []).append(e)
        terms = tuple(_sum(low, high, add(*found)) for (low, high, _), found in uses.items())
        kept = tuple((low, high, block, tuple(found)) for (low, high, block), found in uses.items())
        return [Recursion(part.name, part.kind, part.left, terms, "", "", "", dims, part.of, kept)]


def _ahead(r: Recursion, by: int) -> Recursion:
    """The same recursion, counted so that at t it says what stands `by` steps ahead of t."""
    if not by:
        return r

    def later(name: str) -> str:
        match = re.fullmatch(r"(.*)\[t([+-]\d+)?\]", name)
        return f"{match[1]}[{step_text('t', int(match[2] or 0) + by)}]" if match else name

    def earlier(step: str) -> str:
        late = step.startswith("T")
        return step_text("T", int(step[1:] or 0) - by) if late else str(int(step) - by)

    first, last = earlier(r.first), earlier(r.last)
    return replace(r, left=renamed(r.left, later), terms=renamed(r.terms, later), first=first, last=last)


def _runs(steps: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Steps as ranges without gaps; a step that stands there twice is in two ranges.

    >>> list(_runs([1, 2, 3, 5, 2]))
    [(1, 3), (5, 5), (2, 2)]
    """
    left = Counter(steps)
    while left:
        row: list[int] = []
        for s in sorted(left):
            if row and s != row[-1] + 1:
                yield row[0], row[-1]
                row = []
            row.append(s)
        yield row[0], row[-1]
        left -= Counter(dict.fromkeys(left, 1))


def _sum(low: str, high: str, body: Expr) -> Expr:
    if low == high:  # one step only, or none: no sum
        return renamed(body, lambda n: _moved(n, low)) if low else body
    return BigSum(body.shape, "t", bound(low), bound(high), body)


def _moved(name: str, low: str) -> str:
    """The name with T−1, say, in the place of t."""
    match = re.fullmatch(r"(.*)\[t([+-]\d+)?\]", name)
    if match is None:
        return name
    offset = int(match[2] or 0)
    if low.lstrip("-").isdigit():
        return f"{match[1]}[{int(low) + offset}]"
    return f"{match[1]}[{step_text('T', int(low[1:] or 0) + offset)}]"
