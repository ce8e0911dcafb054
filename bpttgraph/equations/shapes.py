"""Shape inference for equations: every name gets a shape from how it is used, or a contradiction is named with both
places.

Shapes and sizes are unknowns joined by union-find. Constraints that need a rank to be known wait until it is. When
nothing moves any more, a lecture's habits decide, one guess at a time, in the order of the priorities below. Sizes that
nobody gave are small and pairwise different, because equal sizes hide a forgotten transpose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from heapq import heappop, heappush
from typing import Any

from ..errors import BPTTError, Span, expect, nearest
from ..machine.bounds import within
from .functions import function_of
from .kinds import Habits, Looks, capital, coefficient, greek, is_form, keeps_shape, looks, scales, terms
from .products import Factor, Undecided, arrange, as_number, factors
from .syntax import Binary, Call, Constant, Expr, Name, Negate, Number, Reduce, Stack, Transposed
from .trees import children, names_in
from .words import LOSS_NAMES

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
    """A shape: union-find cell with a list of sizes once its rank is known, and where it was learned. `watched` are the
    constraints that its rank would help."""

    def __init__(self, sizes: list[_Size] | None = None, place: Place = ("", None)):
        self.link: _Shape | None = None
        self.sizes, self.place = sizes, place
        self.watched: list[int] = []

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


# The habits, the surest first.
CAPITAL = 0  # a capital letter in a product with a vector is a matrix; blocks of a stack are alike
COEFFICIENT = 1  # β[t] that only multiplies is a number
INDEXED = 2  # what is indexed by time, and what is stacked, is a vector
FACTOR = 3  # S[t] q[t] is a matrix times a vector; a[t] S[t] a number times a matrix
OPERAND = 4  # an operand of @ is no number; v^T h is a dot product
BESIDE = 5  # what is added to a vector is a vector
SCALAR = 6  # the last that is indexed by time
SMALL = 7  # a small letter beside a vector is a number
RESULT = 8  # the parts of a sum are what the sum is
REST = 9

_MAX_SIZE = 100_000
A_LOSS = " is a loss, a number"
_KINDS = {0: "a number", 1: "a vector", 2: "a matrix"}


class _Solver:
    def __init__(self, text: str, habits: Habits, coefficients: set[str]):
        self.text, self.habits, self.coefficients = text, habits, coefficients
        self.rows = habits.rows
        self.constants: list[tuple[Constant, _Shape]] = []
        self.numbers: set[int] = set()  # products of a column and a row that must be numbers
        self.seen: dict[int, _Shape] = {}  # the shape of every expression
        self.chains: dict[int, bool] = {}  # of every product: does its vector lie the other way than a plain one?
        self.names: dict[str, _Shape] = {}
        self.waiting: list[Callable[[], bool] | None] = []  # constraints; None once they have said all
        self.due: list[int] = []  # a heap of those that a new rank may help, in the order of the text
        self.sized: list[Callable[[], bool]] = []  # constraints that wait for sizes
        self.sums: list[tuple[_Size, list[_Size], Place]] = []  # a stacked vector's size is the sum of its parts'
        # those of the sums whose parts are equal unless something says otherwise
        self.blocks: list[tuple[_Size, list[_Size], Place]] = []
        self.guesses: list[tuple[int, Callable[[], bool]]] = []
        self.unknown = ""  # a function of one vector of which only the name is known
        self.learned = 0  # how often a rank became known

    # -- joining -----------------------------------------------------------------------------------------------------

    def fail(self, a: str, first: Place, b: str, second: Place) -> BPTTError:
        def where(place: Place) -> str:
            return f"line {place[1].line}: {place[0]}" if place[1] else place[0]

        hint = "make the sizes agree, or put a matrix in between"
        if A_LOSS in f"{first[0]}{second[0]}":
            hint = "make the loss a number: dot(a, b) for a product of vectors, sum(…) for all entries, or "
            hint += "cross_entropy(p[t], y[t])"
            name = next((text.partition(A_LOSS)[0] for text in (first[0], second[0]) if A_LOSS in text), "")
            if name and "[" not in name and name.rpartition(".")[2] not in LOSS_NAMES:
                loss = f"L = norm({name} - d)^2 with a target d"
                hint = f"if {name} is an output, add the loss that reads it, such as {loss}"
            elif name and "[" not in name:
                hint += f'; if {name} is no loss but an output, write {name}[t] = … of values at [t], and loss="last"'
        return BPTTError(
            f"the shapes contradict each other: {a} ({where(first)}), but {b} ({where(second)})",
            hint,
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
        if a.sizes is not None:
            for number in b.watched:
                heappush(self.due, number)
        else:
            few, many = sorted((a.watched, b.watched), key=len)
            many += few
            a.watched = many
        self.learned += 1
        return True

    def make(self, shape: _Shape, rank: int, place: Place) -> bool:
        return self.same(shape, _Shape([_Size(place=place) for _ in range(rank)], place), place)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def name(self, key: str) -> _Shape:
        return self.names.setdefault(key, _Shape())

    def expression(self, e: Expr, key: Callable[[Name], str], here: str) -> _Shape:
        shape = self.seen[id(e)] = self.part(e, key, here)
        return shape

    def part(self, e: Expr, key: Callable[[Name], str], here: str) -> _Shape:
        place = (here, e.span)
        if isinstance(e, Number):
            return _Shape([], place)
        if isinstance(e, Constant):
            return self.constant(e, place)
        if isinstance(e, Name):
            return self.name(key(e))
        if isinstance(e, Negate):
            return self.expression(e.operand, key, here)
        if isinstance(e, Reduce):
            return self.expression(e.body, key, here)
        out = _Shape()
        if isinstance(e, Transposed):
            inner = self.expression(e.operand, key, here)
            self.wait(lambda: self.transposed(out, inner, place), out, inner)
            rank = 1 if looks(e.operand, self.habits).rank is None else 2
            self.guess(SMALL, lambda: inner.rank is None and self.make(inner, rank, place))
        elif isinstance(e, Stack):
            self.stacked(out, [self.expression(i, key, here) for i in e.items], place)
        elif isinstance(e, Binary) and e.operator in (" ", "@"):
            self.chain(out, e, key, here)
        elif isinstance(e, Binary):
            left, right = self.expression(e.left, key, here), self.expression(e.right, key, here)
            self.elementwise(out, left, right, place)
            scaled = isinstance(e.left, Name) and e.left.index is None and greek(e.left.name)
            scaled |= any(key(n) in self.coefficients for n in coefficient(e.left) or ())
            if e.operator == "*" and scaled:
                self.guess(FACTOR, partial(self.beside_matrix, left, [right], place))
        elif isinstance(e, Call):
            self.call(out, e, [self.expression(a, key, here) for a in (*e.args, *e.parameters)], place)
        return out

    def constant(self, e: Constant, place: Place) -> _Shape:
        size = _Size(place=place)
        shape = _Shape({"T": [], "I": [size, size]}.get(e.name, [size]), place)
        self.constants.append((e, shape))
        return shape

    def wait(self, step: Callable[[], bool], *shapes: _Shape) -> None:
        """A constraint that returns True once it has said all it can say, and the shapes whose ranks it waits for."""
        heappush(self.due, len(self.waiting))
        for shape in shapes:
            shape.root().watched.append(len(self.waiting))
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

        self.wait(step, out, a, b)
        # what stands beside a vector is a vector; what stands beside a number, as in 1 − α, may be anything
        self.guess(
            BESIDE,
            lambda: (
                ((a.rank is None and (b.rank or 0) > 0) or (b.rank is None and (a.rank or 0) > 0))
                and self.same(a, b, place)
            ),
        )
        self.guess(
            RESULT,
            lambda: (
                out.rank is not None
                and a.rank is None is b.rank
                and (self.same(a, out, place) | self.same(b, out, place))
            ),
        )

    # -- products ------------------------------------------------------------------------------------------------------

    def chain(self, out: _Shape, e: Binary, key: Callable[[Name], str], here: str) -> None:
        """What stands side by side: which product is meant is known once the ranks of all factors are."""
        place = (here, e.span)
        parts, explicit = factors(e)
        shapes = [self.expression(p, key, here) for p in parts]

        def make(kind: str, a: _Shape, b: _Shape) -> _Shape:
            if kind == "scale":
                return b if a.rank == 0 else a
            x, y = a.known(), b.known()
            if kind == "outer":
                return _Shape([x[0], y[0]], place)
            self.same_size(x[-1], y[0], place)
            return _Shape([] if kind == "dot" else x if kind == "beside" else x[:-1] + y[1:], place)

        def step() -> bool:
            ranks = [s.rank for s in shapes]
            if None in ranks:
                unknown = [s for s in shapes if s.rank is None]
                if len(unknown) == 1 and out.rank is not None and not any(ranks):
                    self.same(out, unknown[0], place)  # numbers times what the product is
                return False
            if any((r or 0) > 2 for r in ranks):
                return True
            chain = [Factor(s.rank or 0, self.rows != self.flipped(p), s) for p, s in zip(parts, shapes)]
            if out.rank == 0 and (number := as_number(chain)):
                chain = number
                self.numbers.add(id(e))
            try:
                found = arrange(chain, explicit, self.rows, make)
                self.chains[id(e)] = found.rank == 1 and found.row != self.rows
                self.same(out, found.payload, place)
            except Undecided:  # said with the names of the factors when the equation is elaborated
                self.same(out, chain[-1].payload if chain[-1].rank == 1 else chain[0].payload, place)
            return True

        self.wait(step, out, *shapes)
        self.habits_of_products(out, parts, explicit, shapes, key, place)

    def flipped(self, e: Expr) -> bool:
        """Whether a vector lies the other way than a plain one, once its rank is known."""
        match e:
            case Transposed():
                return self.seen[id(e.operand)].rank != 2 and not self.flipped(e.operand)
            case Negate():
                return self.flipped(e.operand)
            case Reduce():
                return self.flipped(e.body)
            case Binary() if e.operator in (" ", "@"):
                return self.chains.get(id(e), False)
            case Binary():
                return self.flipped(e.left if self.seen[id(e.left)].rank == 1 else e.right)
            case Call() if keeps_shape(e):
                return self.flipped(e.args[0] if e.args else e.parameters[0])
        return False

    def habits_of_products(
        self,
        out: _Shape,
        parts: list[Expr],
        explicit: list[bool],
        shapes: list[_Shape],
        key: Callable[[Name], str],
        place: Place,
    ) -> None:
        """What the factors of a product are if nothing else says it."""
        seen = [looks(p, self.habits) for p in parts]
        if is_form(parts, seen):
            for end in (shapes[0], shapes[-1]):
                self.guess(CAPITAL, partial(self.becomes, end, 1, place))
        for i, (part, shape, look) in enumerate(zip(parts, shapes, seen)):
            others = [s for j, s in enumerate(shapes) if j != i]
            at = any(explicit[max(i - 1, 0) : i + 1])
            if look.rank == 2 and (at or _meets(seen, i, self.rows)):
                self.guess(CAPITAL, partial(self.becomes, shape, 2, place))
            elif look.rank == 2:
                self.guess(BESIDE, partial(self.beside_vector, shape, others, place))
            if at:
                self.guess(OPERAND, partial(self.operand, shape, others, out, place))
            elif isinstance(part, Transposed) and look.rank == 1:
                self.guess(OPERAND, partial(self.turned, shape, others, out, place))
            j = i - 1 if self.rows else i + 1  # what it would multiply as a matrix
            if _stepped_capital(part) and 0 <= j < len(parts) and seen[j].rank == 1 and not _stepped_capital(parts[j]):
                self.guess(FACTOR, partial(self.beside_vector, shape, others, place))
            if _stepped_capital(part):
                ahead = shapes[:i] if self.rows else shapes[i + 1 :]
                self.guess(FACTOR, partial(self.of_matrices, shape, ahead, parts, place))
                self.guess(BESIDE, partial(self.of_matrices, shape, [out], parts, place))
            if any(key(n) in self.coefficients for n in coefficient(part) or ()):
                self.guess(FACTOR, partial(self.beside_matrix, shape, others, place))
            if len(shapes) > 1 and i == (0 if self.rows else len(shapes) - 1):
                neighbour = 1 if self.rows else len(parts) - 2
                like = seen[neighbour].rank == 2
                self.guess(BESIDE, partial(self.end, shape, shapes[neighbour], like, out, place))
            if look.rank is None and not at:
                # a small letter beside a vector: a number, unless the result shows that it must be a matrix
                self.sized.append(partial(self.must_be_matrix, shape, others, out, place))
                near = seen[j] if 0 <= j < len(parts) else Looks(0)
                turned = near.rank == 1 and near.row != self.rows
                self.guess(SMALL, partial(self.small, shape, turned, out, place))
                k = i + 1 if self.rows else i - 1  # `h_t^T w`, or w h_t^T of rows
                if isinstance(part, Name) and len(parts) == 2 and k >= 0 and parts[k:] and _turned(parts[k], seen[k]):
                    self.guess(COEFFICIENT, partial(self.beside_turned, shape, shapes[k], out, place))

    def becomes(self, shape: _Shape, rank: int, place: Place) -> bool:
        return shape.rank is None and self.make(shape, rank, place)

    def beside_vector(self, shape: _Shape, others: list[_Shape], place: Place) -> bool:
        return any(o.rank for o in others) and self.becomes(shape, 2, place)

    def beside_matrix(self, shape: _Shape, others: list[_Shape], place: Place) -> bool:
        return any(o.rank == 2 for o in others) and self.becomes(shape, 0, place)

    def beside_turned(self, shape: _Shape, other: _Shape, out: _Shape, place: Place) -> bool:
        """A small letter on that side of a transposed vector where their product is a number."""
        if out.rank or shape.rank is not None or other.rank not in (None, 1):
            return False
        return self.becomes(other, 1, place) | self.becomes(shape, 1, place)

    def operand(self, shape: _Shape, others: list[_Shape], out: _Shape, place: Place) -> bool:
        """An operand of `@`: a vector beside a matrix or for a number, else a matrix."""
        vector = out.rank == 0 or any(o.rank == 2 for o in others)
        return any(o.rank for o in others) and self.becomes(shape, 1 if vector else 2, place)

    def turned(self, shape: _Shape, others: list[_Shape], out: _Shape, place: Place) -> bool:
        """`v^T h`: a vector, unless the result is one, too."""
        return any(o.rank for o in others) and self.becomes(shape, 2 if out.rank == 1 else 1, place)

    def end(self, shape: _Shape, beside: _Shape, capital: bool, out: _Shape, place: Place) -> bool:
        """`W u` with a small u: at the end of a product stands what the result is."""
        if out.rank != 1 or shape.rank is not None or not (beside.rank == 2 or (beside.rank is None and capital)):
            return False
        return self.becomes(beside, 2, place) | self.becomes(shape, out.rank, place)

    def of_matrices(self, shape: _Shape, matrices: list[_Shape], parts: list[Expr], place: Place) -> bool:
        """A capital that is multiplied with a matrix, or for one, unless a column and a row make it."""
        turned = any(isinstance(p, Transposed) for p in parts)
        return any(m.rank == 2 for m in matrices) and not turned and self.becomes(shape, 2, place)

    def small(self, shape: _Shape, turned: bool, out: _Shape, place: Place) -> bool:
        """A number; but `m n^T h` is a vector times a number, and m n^T a column times a row."""
        return self.becomes(shape, 1 if turned and out.rank else 0, place)

    def must_be_matrix(self, shape: _Shape, others: list[_Shape], out: _Shape, place: Place) -> bool:
        vectors = [o for o in others if o.rank != 0]
        if shape.rank is None and len(vectors) == 1 and vectors[0].rank == out.rank == 1:
            return _differ(out.known()[0], vectors[0].known()[0]) and self.make(shape, 2, place)
        return shape.rank is not None

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

            self.wait(step, part)
            self.guess(INDEXED, partial(self.vector, part, place))
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
            self.guess(CAPITAL, partial(alike, part))

    def vector(self, part: _Shape, place: Place) -> bool:
        return part.rank is None and self.make(part, 1, place)

    def call(self, out: _Shape, e: Call, args: list[_Shape], place: Place) -> None:
        function = function_of(e)
        if function is None:
            # abstract: elementwise with one argument beside numbers; with more, only the left side says anything
            given = [a for a, part in zip(args, (*e.args, *e.parameters)) if not isinstance(part, Number)]
            if len(given) == 1:  # Dropout(h, 0.5)
                self.unknown = self.unknown or e.function
                self.same(out, given[0], place)
            return
        shape = function.shape_of(len(args))
        if shape == "same":
            self.same(out, args[0], place)
        elif shape == "each":
            together = args[0]
            for i, arg in enumerate(args[1:], 2):
                result = out if i == len(args) else _Shape(None, place)
                self.elementwise(result, together, arg, place)
                together = result
        elif shape == "reduce":
            self.same(out, _Shape([], place), place)
        elif shape == "pair":
            self.same(args[0], args[1], place)
            self.same(out, _Shape([], place), place)
            self.guess(INDEXED, lambda: args[0].rank is None and self.make(args[0], 1, place))
        elif shape == "outer":
            rows, columns = _Size(place=place), _Size(place=place)
            self.same(args[0], _Shape([rows], place), place)
            self.same(args[1], _Shape([columns], place), place)
            self.same(out, _Shape([rows, columns], place), place)
        elif shape == "diag":
            size = _Size(place=place)
            self.same(args[0], _Shape([size], place), place)
            self.same(out, _Shape([size, size], place), place)
        elif shape == "concat":
            self.stacked(out, args, place)

    # -- solving -----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Apply waiting constraints until nothing moves, then one guess, and so on."""
        guesses = [g for _, g in sorted(self.guesses, key=lambda pair: pair[0])]
        while True:
            before = -1
            while before != self.learned:
                before = self.learned
                while self.due:
                    number = heappop(self.due)
                    step = self.waiting[number]
                    if step is not None and step():
                        self.waiting[number] = None
                self.sized = [step for step in self.sized if not step()]
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
                if any(p.root() is whole.root() for p in parts):
                    hint = "give the matrix before the stack, or what is added to it, a name that stands nowhere else"
                    if f := self.unknown:
                        hint = f"{f}(…) has as many entries as what it takes: write W_{f} @ (…) if it is a matrix"
                    raise BPTTError(
                        f"no sizes fit: a stack is longer than each of its parts, and here it must have "
                        f"as many entries as one of them ({place[0]})",
                        hint,
                        text=self.text if place[1] else None,
                        span=place[1],
                    )
                raise BPTTError(
                    f"the sizes of this stack cannot be found ({place[0]})",
                    "give sizes, as in unroll(T, sizes={'h': 3})",
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


def _meets(seen: list[Looks], i: int, rows: bool) -> bool:
    """Whether a matrix has a vector or a matrix to multiply, on the side where this text has its vectors."""
    before = next((seen[j] for j in reversed(range(i)) if seen[j].axes), None)
    after = next((seen[j] for j in range(i + 1, len(seen)) if seen[j].axes), None)
    ahead, behind = (before, after) if rows else (after, before)
    return ahead is not None or (behind is not None and (behind.rank == 2 or behind.row != rows))


def _stepped_capital(e: Expr) -> bool:
    return isinstance(e, Name) and e.index is not None and capital(e.name)


def _turned(e: Expr, look: Looks) -> bool:
    return isinstance(e, Transposed) and look.rank == 1


def _differ(a: _Size, b: _Size) -> bool:
    a, b = a.root(), b.root()
    return a.value is not None and b.value is not None and a.value != b.value


Lines = tuple[list[str], Expr, Callable[[Name], str], str]


def infer(
    equations: list[Lines],
    text: str,
    sizes: Mapping[str, Any] | int | None,
    scalars: set[str],
    vectors: list[str],
    names: list[str],
    habits: Habits,
    forced: bool = False,
) -> tuple[dict[str, tuple[int, ...]], dict[int, tuple[int, ...]]]:
    """The shape of every name, and by their `id` of constants that have one and of products that must be numbers.

    Args:
        equations: (names on the left, right side, how a Name is keyed, the equation as text).
        sizes: what the user gave: a size or a whole shape by name; 1 for the all-scalar reading.
        scalars: names known to be numbers (losses). vectors: names indexed by time, vectors unless something says
            otherwise.
        names: all names, in order; sizes that nobody gave are handed out in this order.
        habits: whether a plain vector is a row, which names with a step are matrices, and which without one numbers.
        forced: only whether the equations contradict each other in every shape, without any habit; the result has only
            the names that must be numbers.
    """
    stacks = any(len(left) > 1 or _has_stack(right) for left, right, _, _ in equations)
    if isinstance(sizes, bool):
        raise BPTTError(f"sizes={sizes} is not a size", "write one size for all vectors, such as sizes=3")
    if isinstance(sizes, int):
        if sizes == 1 and not stacks:
            return dict.fromkeys(names, ()), {}
        sizes = dict.fromkeys((n for n in vectors if n not in scalars), sizes)
    coefficients = _coefficients(equations, set(vectors), habits)
    solver = _Solver(text, habits, coefficients)
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
            solver.same(solver.name(name), _Shape([], (f"{name}{A_LOSS}", None)), (name, None))
    for left, right, key, here in equations:
        if isinstance(right, Number) or (isinstance(right, Negate) and isinstance(right.operand, Number)):
            continue  # h[0] = 0 is a vector of zeros, whatever the size of h
        shape = solver.expression(right, key, here)
        if len(left) == 1:
            solver.same(solver.name(left[0]), shape, (here, right.span))
        else:
            solver.unpacked(shape, [solver.name(n) for n in left], (here, right.span))
    if forced:
        solver.guesses = []
        solver.settle()
        return {name: () for name in names if solver.name(name).rank == 0}, {}
    late = _late(equations, habits)
    for name in names:
        if name.rpartition(".")[2] in habits.numbers and name not in vectors:
            solver.habit(COEFFICIENT, name, 0)
        if name in ("Δt", "δt", "dt") and name not in vectors:  # the width of a step
            solver.habit(INDEXED, name, 0)
    for name in _scalar_states(equations, habits):
        solver.habit(COEFFICIENT, name, 0)
    for name in vectors:
        if name.rpartition(".")[2] in habits.matrices:
            solver.habit(CAPITAL, name, 2)
        if name in coefficients and greek(name):
            solver.habit(COEFFICIENT, name, 0)
        solver.habit(SCALAR if name in late or name in coefficients or capital(name) else INDEXED, name, 1)
    for name in names:
        solver.habit(REST, name, 0)
    solver.settle()
    solver.assign()
    constants = {id(e): _numbers(shape) for e, shape in solver.constants} | dict.fromkeys(solver.numbers, ())
    return {name: _numbers(solver.name(name)) for name in names}, constants


def _numbers(shape: _Shape) -> tuple[int, ...]:
    return tuple(int(s.root().value or 1) for s in shape.known())


def _late(equations: list[Lines], habits: Habits) -> set[str]:
    """Names whose equations look like numbers, such as y[t] = c[t]^T h[t]: vectors only if nothing else is said."""
    return {left[0] for left, right, _, _ in equations if len(left) == 1 and looks(right, habits).rank == 0}


def _scalar_states(equations: list[Lines], habits: Habits) -> set[str]:
    """Names made of numbers and of themselves, such as h in h[t] = tanh(w^T x[t] + u h[t-1])."""
    found = set()
    for left, right, key, _ in equations:
        while isinstance(right, Call) and keeps_shape(right):
            right = (*right.args, *right.parameters)[0]
        numbers = [t for t in terms(right) if looks(t, habits).rank == 0 and _reads(t, key)]
        numbers = [t for t in numbers if left[0] not in _reads(t, key)]  # n^T h[t-1] is a number made of a vector h
        rest = [t for t in terms(right) if t not in numbers]
        if len(left) == 1 and numbers and all(_reads(t, key) <= {left[0]} and _only_numbers(t, habits) for t in rest):
            found.add(left[0])
    return found


def _reads(e: Expr, key: Callable[[Name], str]) -> set[str]:
    return {key(n) for n, _ in names_in(e) if n.index is not None}


def _only_numbers(e: Expr, habits: Habits) -> bool:
    """A product of small letters with something that carries a step."""
    return all(
        looks(p, habits).rank in (0, None) or (isinstance(p, Name) and p.index is not None) for p in factors(e)[0]
    )


def _coefficients(equations: list[Lines], indexed: set[str], habits: Habits) -> set[str]:
    """Inputs that only ever multiply what stands right of them: β[t] h[t-1], (1 - β[t]) W x[t]."""
    inputs = {n for n in indexed if not capital(n)} - {name for left, _, _, _ in equations for name in left}
    seen: dict[str, bool] = {}
    for _, right, key, _ in equations:
        pending = [right]
        while pending:
            e = pending.pop()
            if isinstance(e, Name) and e.index is not None:
                seen[key(e)] = False
            names = coefficient(e.left) if isinstance(e, Binary) and e.operator == "*" else None
            if names and isinstance(e, Binary) and looks(e.right, habits).rank == 2:
                seen |= {key(name): True for name in names if key(name) not in seen}
                e = e.right
            if not (isinstance(e, Binary) and e.operator in (" ", "@")):
                pending += children(e)
                continue
            parts, explicit = factors(e)
            found = [looks(p, habits) for p in parts]
            for i, part in enumerate(parts):
                names = coefficient(part)
                after = found[i + 1 :] if i + 1 < len(parts) and not explicit[i] else []
                alone = habits.rows and all(f.rank != 1 for f in found[:i] + after)  # x W: the vector itself
                ahead = any(f.axes and coefficient(p) is None for p, f in zip(parts[:i], found))
                if (
                    names
                    and after
                    and not alone
                    and not ahead
                    and not (after[0].rank == 1 and after[0].row != habits.rows and not (scales(part) and after[1:]))
                ):
                    for name in names:
                        seen.setdefault(key(name), True)
                else:
                    pending.append(part)
    return {name for name in inputs if seen.get(name)}


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
