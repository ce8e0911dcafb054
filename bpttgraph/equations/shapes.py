"""Shape inference for equations: every name gets a shape from how it is used, or a contradiction is named with both
places.

Shapes and sizes are unknowns joined by union-find. Constraints that need a rank to be known wait until it is. When
nothing moves any more, a lecture's habits decide, one name at a time: what is indexed by time is a vector; what is
added to a vector is a vector; a capital letter beside a vector is a matrix, a small letter a number. Sizes that nobody
gave are small and pairwise different, because equal sizes hide a forgotten transpose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..errors import BPTTError, Span, expect, nearest
from ..machine.bounds import within
from .functions import function_of
from .syntax import Binary, Call, Expr, Name, Negate, Number, Reduce, Stack, Transposed

__all__ = ["infer"]

Place = tuple[str, Span | None]


class _Size:
    """One axis: union-find cell with a value once known, and where that value came from."""

    def __init__(self, value: int | None = None, place: Place = ("", None)):
        self.link: _Size | None = None
        self.value, self.place = value, place

    def root(self) -> _Size:
        cell = self
        while cell.link is not None:
            cell = cell.link
        return cell


class _Shape:
    """A shape: union-find cell with a list of sizes once its rank is known, and where it was learned."""

    def __init__(self, sizes: list[_Size] | None = None, place: Place = ("", None)):
        self.link: _Shape | None = None
        self.sizes, self.place = sizes, place

    def root(self) -> _Shape:
        cell = self
        while cell.link is not None:
            cell = cell.link
        return cell

    @property
    def rank(self) -> int | None:
        sizes = self.root().sizes
        return None if sizes is None else len(sizes)

    def known(self) -> list[_Size]:
        sizes = self.root().sizes
        assert sizes is not None
        return sizes


_MAX_SIZE = 100_000
_KINDS = {0: "a number", 1: "a vector", 2: "a matrix"}


class _Solver:
    def __init__(self, text: str):
        self.text = text
        self.names: dict[str, _Shape] = {}
        self.waiting: list[Callable[[], bool]] = []
        self.sums: list[tuple[_Size, list[_Size], Place]] = []  # a stacked vector's size is the sum of its parts'
        # those of the sums whose parts are equal unless something says otherwise
        self.blocks: list[tuple[_Size, list[_Size], Place]] = []
        self.guesses: list[tuple[int, Callable[[], bool]]] = []
        self.learned = 0  # how often a rank became known

    # -- joining -----------------------------------------------------------------------------------------------------

    def fail(self, a: str, first: Place, b: str, second: Place) -> BPTTError:
        def where(place: Place) -> str:
            return f"line {place[1].line}: {place[0]}" if place[1] else place[0]

        return BPTTError(
            f"the shapes contradict each other: {a} ({where(first)}), but {b} ({where(second)})",
            "make the sizes agree, or put a matrix in between",
            text=self.text if second[1] else None,
            span=second[1],
        )

    def same_size(self, a: _Size, b: _Size, place: Place) -> bool:
        a, b = a.root(), b.root()
        if a is b:
            return False
        if a.value is not None and b.value is not None and a.value != b.value:
            raise self.fail(f"size {a.value}", a.place, f"size {b.value}", (f"{place[0]}; {b.place[0]}", place[1]))
        if b.value is not None:
            a, b = b, a
        b.link = a
        return True

    def same(self, a: _Shape, b: _Shape, place: Place) -> bool:
        a, b = a.root(), b.root()
        if a is b:
            return False
        if a.sizes is not None and b.sizes is not None:
            if len(a.sizes) != len(b.sizes):
                raise self.fail(
                    _KINDS.get(len(a.sizes), "a tensor"), a.place, _KINDS.get(len(b.sizes), "a tensor"), place
                )
            for x, y in zip(a.sizes, b.sizes):
                self.same_size(x, y, place)
            b.link = a
            return True
        if b.sizes is not None:
            a, b = b, a
        b.link = a
        self.learned += 1
        return True

    def make(self, shape: _Shape, rank: int, place: Place) -> bool:
        return self.same(shape, _Shape([_Size(place=place) for _ in range(rank)], place), place)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def name(self, key: str) -> _Shape:
        return self.names.setdefault(key, _Shape())

    def expression(self, e: Expr, key: Callable[[Name], str], here: str) -> _Shape:
        place = (here, e.span)
        if isinstance(e, Number):
            return _Shape([], place)
        if isinstance(e, Name):
            return self.name(key(e))
        if isinstance(e, Negate):
            return self.expression(e.operand, key, here)
        if isinstance(e, Reduce):
            return self.expression(e.body, key, here)
        out = _Shape()
        if isinstance(e, Transposed):
            inner = self.expression(e.operand, key, here)
            self.wait(lambda: self.transposed(out, inner, place))
            self.guess(3, lambda: inner.rank is None and self.make(inner, 2, place))
        elif isinstance(e, Stack):
            self.stacked(out, [self.expression(i, key, here) for i in e.items], place)
        elif isinstance(e, Binary):
            left, right = self.expression(e.left, key, here), self.expression(e.right, key, here)
            if e.operator in ("+", "-", "*", "/", "^"):
                self.elementwise(out, left, right, place)
            else:
                self.product(out, left, right, e, place)
        elif isinstance(e, Call):
            self.call(out, e, [self.expression(a, key, here) for a in (*e.args, *e.parameters)], place)
        return out

    def wait(self, step: Callable[[], bool]) -> None:
        """A constraint that returns True once it has said all it can say."""
        self.waiting.append(step)

    def guess(self, priority: int, step: Callable[[], bool]) -> None:
        self.guesses.append((priority, step))

    def habit(self, priority: int, name: str, rank: int) -> None:
        """Unless something says otherwise, a name is a vector or a number."""
        shape = self.name(name)
        self.guess(priority, lambda: shape.rank is None and self.make(shape, rank, (f"{name} is {_KINDS[rank]}", None)))

    def transposed(self, out: _Shape, inner: _Shape, place: Place) -> bool:
        known, other = (inner, out) if inner.rank is not None else (out, inner)
        if known.rank is None:
            return False
        self.same(other, _Shape(list(reversed(known.known())), place), place)
        return True

    def elementwise(self, out: _Shape, a: _Shape, b: _Shape, place: Place) -> None:
        def step() -> bool:
            if a.rank == 0 or b.rank == 0:
                self.same(out, b if a.rank == 0 else a, place)
            elif out.rank == 0 or (a.rank is not None and b.rank is not None):
                self.same(a, b, place)
                self.same(out, a, place)
            else:
                if out.rank is None and (a.rank is not None or b.rank is not None):
                    # one side has axes, so the result has them too
                    self.same(out, a if a.rank is not None else b, place)
                return False
            return True

        self.wait(step)
        # what stands beside a vector is a vector; what stands beside a number, as in 1 − α, may be anything
        self.guess(
            2,
            lambda: (
                ((a.rank is None and (b.rank or 0) > 0) or (b.rank is None and (a.rank or 0) > 0))
                and self.same(a, b, place)
            ),
        )
        self.guess(
            4,
            lambda: (
                out.rank is not None
                and a.rank is None is b.rank
                and (self.same(a, out, place) | self.same(b, out, place))
            ),
        )

    def product(self, out: _Shape, a: _Shape, b: _Shape, e: Binary, place: Place) -> None:
        def step() -> bool:
            if a.rank == 0 or b.rank == 0:
                self.same(out, b if a.rank == 0 else a, place)
                return True
            if a.rank is None or b.rank is None:
                if a.rank == 2 and b.rank is None and out.rank is not None and out.rank > 0:
                    self.make(b, out.rank, place)
                return False
            x, y = a.known(), b.known()
            if a.rank == 1 and b.rank == 1:
                if e.operator == " ":
                    raise BPTTError(
                        f"two vectors stand side by side ({place[0]})",
                        "write a ∘ b for the elementwise product or dot(a, b)",
                        text=self.text,
                        span=e.span,
                    )
                self.same_size(x[0], y[0], place)
                self.same(out, _Shape([], place), place)
                return True
            if a.rank > 2 or b.rank > 2:
                return False
            self.same_size(x[-1], y[0], place)
            self.same(out, _Shape(x[:-1] + y[1:], place), place)
            return True

        def as_matrix() -> bool:
            if a.rank is None and (b.rank or 0) > 0:
                self.make(a, 2, place)
            return a.rank is not None

        self.wait(step)
        letter = e.left.name.rpartition(".")[2][:1] if isinstance(e.left, Name) else ""
        if e.operator == "@" or letter.isupper():
            self.wait(as_matrix)
        else:
            # a small letter beside a vector: a number, unless the result shows that it must be a matrix
            self.wait(
                lambda: (
                    a.rank is None
                    and b.rank == 1
                    and out.rank == 1
                    and _differ(out.known()[0], b.known()[0])
                    and as_matrix()
                )
            )
            self.guess(3, lambda: a.rank is None and self.same(a, _Shape([], place), place))

    def stacked(self, out: _Shape, parts: list[_Shape], place: Place) -> None:
        whole = _Size(place=place)
        self.same(out, _Shape([whole], place), place)
        sizes: list[_Size] = []
        for part in parts:
            size = _Size(place=place)
            sizes.append(size)

            def step(part: _Shape = part, size: _Size = size) -> bool:
                if part.rank == 0:
                    self.same_size(size, _Size(1, place), place)
                elif part.rank is not None:
                    self.same(part, _Shape([size], place), place)
                return part.rank is not None

            self.wait(step)
            self.guess(1, partial(self.vector, part, place))
        self.sums.append((whole, sizes, place))

    def unpacked(self, whole: _Shape, parts: list[_Shape], place: Place) -> None:
        """Taken apart again: into equal blocks, where nothing else says how large they are."""
        self.stacked(whole, parts, place)
        self.blocks.append(self.sums[-1])

        def alike(part: _Shape) -> bool:
            known = next((p for p in parts if p.rank is not None), None)
            return (
                part.rank is None
                and known is not None
                and known.rank is not None
                and self.make(part, known.rank, place)
            )

        for part in parts:
            self.guess(0, partial(alike, part))

    def vector(self, part: _Shape, place: Place) -> bool:
        return part.rank is None and self.make(part, 1, place)

    def call(self, out: _Shape, e: Call, args: list[_Shape], place: Place) -> None:
        function = function_of(e)
        if function is None:
            # abstract: elementwise with one argument; with more, nothing is known but what the left side says
            if len(args) == 1:
                self.same(out, args[0], place)
            return
        if function.shape == "same":
            self.same(out, args[0], place)
        elif function.shape == "reduce":
            if len(args) == 2:
                self.elementwise(out, args[0], args[1], place)
            else:
                self.same(out, _Shape([], place), place)
        elif function.shape == "pair":
            self.same(args[0], args[1], place)
            self.same(out, _Shape([], place), place)
            self.guess(1, lambda: args[0].rank is None and self.make(args[0], 1, place))
        elif function.shape == "outer":
            rows, columns = _Size(place=place), _Size(place=place)
            self.same(args[0], _Shape([rows], place), place)
            self.same(args[1], _Shape([columns], place), place)
            self.same(out, _Shape([rows, columns], place), place)
        elif function.shape == "diag":
            size = _Size(place=place)
            self.same(args[0], _Shape([size], place), place)
            self.same(out, _Shape([size, size], place), place)
        elif function.shape == "concat":
            self.stacked(out, args, place)

    # -- solving -----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Apply waiting constraints until nothing moves, then one guess, and so on."""
        guesses = [g for _, g in sorted(self.guesses, key=lambda pair: pair[0])]
        while True:
            before = -1
            while before != self.learned:
                before = self.learned
                self.waiting = [step for step in self.waiting if not step()]
            if not any(g() for g in guesses):
                return

    def assign(self) -> None:
        """Give every size a number."""
        self.add_up()
        for whole, parts, place in self.blocks:
            unknown = [p for p in parts if p.root().value is None]
            first = parts if whole.root().value is None else unknown  # what is left of a whole is shared out equally
            for part in unknown:
                self.same_size(next((p for p in first if p.root().value is not None), unknown[0]), part, place)
            self.add_up()
        free: list[_Size] = []
        wholes = {id(whole.root()) for whole, _, _ in self.sums}
        for shape in self.names.values():
            for size in shape.root().sizes or []:
                cell = size.root()
                if cell.value is None and id(cell) not in wholes and cell not in free:
                    free.append(cell)
        self.add_up()
        taken = {s.root().value for shape in self.names.values() for s in shape.root().sizes or []} | {1}
        number = 2
        for cell in free:
            if cell.value is None:
                while number in taken:
                    number += 1
                cell.value, cell.place = number, ("a size chosen freely", None)
                taken.add(number)
                self.add_up()
        for whole, parts, place in self.sums:
            if whole.root().value is None or any(p.root().value is None for p in parts):
                raise BPTTError(
                    f"the sizes of this stack cannot be found ({place[0]})",
                    "give sizes, such as sizes={'h': 3}",
                    text=self.text if place[1] else None,
                    span=place[1],
                )

    def add_up(self) -> None:
        moved = True
        while moved:
            moved = False
            for whole, parts, place in self.sums:
                w, ps = whole.root(), [p.root() for p in parts]
                missing = [p for p in ps if p.value is None]
                known = sum(p.value or 0 for p in ps)
                if not missing:
                    if w.value is None:
                        w.value, w.place, moved = known, place, True
                    elif w.value != known:
                        raise self.fail(
                            f"size {w.value}",
                            w.place,
                            f"a stack of {' + '.join(str(p.value) for p in ps)} = {known}",
                            place,
                        )
                elif w.value is not None and len({id(p) for p in missing}) == 1:
                    each, rest = divmod(w.value - known, len(missing))
                    if rest or each < 1:
                        raise self.fail(f"size {w.value}", w.place, f"{len(missing)} equal blocks", place)
                    missing[0].value, missing[0].place, moved = each, place, True


def _differ(a: _Size, b: _Size) -> bool:
    a, b = a.root(), b.root()
    return a.value is not None and b.value is not None and a.value != b.value


def infer(
    equations: list[tuple[list[str], Expr, Callable[[Name], str], str]],
    text: str,
    sizes: Mapping[str, Any] | int | None,
    scalars: set[str],
    vectors: list[str],
    names: list[str],
) -> dict[str, tuple[int, ...]]:
    """The shape of every name.

    Args:
        equations: (names on the left, right side, how a Name is keyed, the equation as text).
        sizes: what the user gave: a size or a whole shape by name; 1 for the all-scalar reading.
        scalars: names known to be numbers (losses). vectors: names indexed by time, vectors unless something says
            otherwise.
        names: all names, in order; sizes that nobody gave are handed out in this order.
    """
    stacks = any(len(left) > 1 or _has_stack(right) for left, right, _, _ in equations)
    if isinstance(sizes, int):
        if sizes == 1 and not stacks:
            return dict.fromkeys(names, ())
        sizes = dict.fromkeys((n for n in vectors if n not in scalars), sizes)
    solver = _Solver(text)
    for name in names:
        solver.name(name)
    given = _match_sizes({} if sizes is None else sizes, [n for n in names if n not in scalars])
    for name, value in given.items():
        if isinstance(value, int):
            cell = _Shape(
                [_Size(value, (f"{name} has size {value}", None))], (f"{name} is a vector of size {value}", None)
            )
        else:
            cell = _Shape(
                [_Size(n, (f"{name} has shape {tuple(value)}", None)) for n in value],
                (f"{name} has shape {tuple(value)}", None),
            )
        solver.same(solver.name(name), cell, (name, None))
    for name in sorted(scalars):
        if name in names and name not in given:
            solver.same(solver.name(name), _Shape([], (f"{name} is a loss, a number", None)), (name, None))
    for left, right, key, here in equations:
        if isinstance(right, Number) or (isinstance(right, Negate) and isinstance(right.operand, Number)):
            continue  # h[0] = 0 is a vector of zeros, whatever the size of h
        shape = solver.expression(right, key, here)
        if len(left) == 1:
            solver.same(solver.name(left[0]), shape, (here, right.span))
        else:
            solver.unpacked(shape, [solver.name(n) for n in left], (here, right.span))
    for name in vectors:
        solver.habit(1, name, 1)
    for name in names:
        solver.habit(5, name, 0)
    solver.settle()
    solver.assign()
    return {name: tuple(int(s.root().value or 1) for s in solver.name(name).known()) for name in names}


def _has_stack(e: Expr) -> bool:
    if isinstance(e, Stack):
        return True
    if isinstance(e, Call):
        return e.function == "concat" or any(_has_stack(a) for a in (*e.args, *e.parameters))
    if isinstance(e, Binary):
        return _has_stack(e.left) or _has_stack(e.right)
    if isinstance(e, Negate | Transposed):
        return _has_stack(e.operand)
    return _has_stack(e.body) if isinstance(e, Reduce) else False


def _match_sizes(sizes: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Sizes by full name; `h` also means `encoder.h` and `decoder.h`."""
    expect(sizes, Mapping, "sizes", 'write one size for all vectors, sizes=3, or sizes={"h": 3}')
    found: dict[str, Any] = {}
    for name, value in sizes.items():
        expect(name, str, "a name in sizes", 'write the name of a variable, such as sizes={"h": 3}')
        hits = [n for n in names if n == name] or [n for n in names if n.rpartition(".")[2] == name]
        if not hits:
            raise BPTTError(f"sizes: there is no {name}", nearest(name, names))
        values = (value,) if isinstance(value, int) else tuple(value) if isinstance(value, tuple | list) else (None,)
        for v in values:
            if isinstance(v, int):
                within(
                    v,
                    _MAX_SIZE,
                    f"sizes: {name}={{}} is too large",
                    f'take a smaller size, such as sizes={{"{name}": 3}}',
                )
        if not all(isinstance(v, int) and not isinstance(v, bool) and v >= 1 for v in values):
            raise BPTTError(
                f"sizes: {name}={value!r} is not a size",
                f'give a whole number of at least 1, such as sizes={{"{name}": 3}}',
            )
        for hit in hits:
            found[hit] = value if isinstance(value, int) else values
    return found
