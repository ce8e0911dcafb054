"""What stands side by side is multiplied: numbers, rows, columns and matrices as linear algebra has them.

A chain is a run of factors that only juxtaposition and `@` join: `α W x[t]`, `v[t] k[t]^T`. `arrange` decides, once the
rank of each factor and the orientation of its vectors are known, which product stands between which factors: a number
times anything, a matrix times a vector, a row times a column (`dot`), a column times a row (`outer`). Two columns side
by side are multiplied entry by entry, as lectures write gates. Shapes (`shapes.py`) and the equations with explicit
operators (`elaborate.py`) both ask here, so that what is printed is what is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Generic, TypeVar

from .syntax import Binary, Expr, Span

__all__ = ["Factor", "Undecided", "arrange", "as_number", "factors"]

Payload = TypeVar("Payload")

NUMBER, COLUMN, ROW, MATRIX = (1, 1), ("n", 1), (1, "n"), ("n", "n")


class Undecided(Exception):
    """A chain with two readings: the places of the factors that could be multiplied in either order."""

    def __init__(self, matrix: int, first: int, second: int):
        super().__init__(matrix, first, second)
        self.matrix, self.first, self.second = matrix, first, second


@dataclass(frozen=True)
class Factor(Generic[Payload]):
    """One factor: its rank, whether a vector lies (a row) or stands (a column), and what it is for whoever asks."""

    rank: int
    row: bool
    payload: Payload

    @property
    def kind(self) -> tuple[int | str, int | str]:
        return (NUMBER, ROW if self.row else COLUMN, MATRIX)[self.rank]


def factors(e: Expr) -> tuple[list[Expr], list[bool]]:
    """The factors of a chain, and for each gap between two whether an explicit `@` stands in it.

    Brackets are respected: `(a b) c` has two factors. An expression that is no product is a chain of one.
    """
    found: list[Expr] = []
    explicit: list[bool] = []
    while isinstance(e, Binary) and e.operator in (" ", "@"):
        found.append(e.right)
        explicit.append(e.operator == "@")
        if isinstance(e.left, Binary) and _start(e.left.span) != _start(e.span):  # its bracket begins earlier
            e = e.left
            break
        e = e.left
    found.append(e)
    return found[::-1], explicit[::-1]


def _start(span: Span) -> tuple[int, int]:
    return span.line, span.column


def arrange(
    chain: list[Factor[Payload]], explicit: list[bool], rows: bool, make: Callable[[str, Payload, Payload], Payload]
) -> Factor[Payload]:
    """The chain as one factor.

    Args:
        chain: ranks are 0, 1 or 2. explicit: for each gap, whether `@` stands in it: two vectors are then a dot product
            unless a transpose says otherwise.
        rows: whether a plain vector of this text is a row. make: what a product is, `make(kind, left, right)` with kind
            "scale" (a number times anything), "beside" (two vectors that stand side by side: entry by entry), "@",
            "dot" or "outer".

    Raises:
        Undecided: `W f c` has two readings, `(W f) ∘ c` and `W (f ∘ c)`.
    """
    numbers = [f for f in chain if f.rank == 0]
    places = [i for i, f in enumerate(chain) if f.rank]
    gaps = [any(explicit[a:b]) for a, b in pairwise(places)]
    rest = _oriented([chain[i] for i in places], gaps)
    if rows:  # the transpose of everything: columns, from the other end
        rest = [Factor(f.rank, not f.row, f.payload) for f in reversed(rest)]
        places = places[::-1]
    ordered: Callable[[str, Payload, Payload], Payload] = (lambda kind, a, b: make(kind, b, a)) if rows else make
    pieces = [_multiplied(piece, ordered) for piece in _segments(rest, places, ordered)]
    front = reduce(lambda a, b: Factor(0, False, make("scale", a.payload, b.payload)), numbers) if numbers else None
    if not pieces:
        assert front is not None
        return front
    result = reduce(lambda a, b: _joined(a, b, ordered), pieces)
    result = Factor(result.rank, result.row != rows, result.payload)
    return result if front is None else _joined(front, result, make)


def as_number(chain: list[Factor[Payload]]) -> list[Factor[Payload]] | None:
    """A column times a row, read as the dot product instead, where the result must be a number: a text of rows may
    write a loss as dᵀ log p. None if the chain is anything else."""
    vectors = [f for f in chain if f.rank]
    if [(f.rank, f.row) for f in vectors] != [(1, False), (1, True)]:
        return None
    return [Factor(f.rank, not f.row, f.payload) if f.rank else f for f in chain]


def _oriented(chain: list[Factor[Payload]], gaps: list[bool]) -> list[Factor[Payload]]:
    """An explicit `@` says how a vector lies: it is a row before a matrix and a column after one."""
    result = list(chain)
    for i, explicit in enumerate(gaps):
        a, b = result[i], result[i + 1]
        if explicit and a.rank == 1 and (b.rank == 2 or a.row == b.row):
            result[i] = a = Factor(1, True, a.payload)
        if explicit and b.rank == 1 and (a.rank == 2 or a.row == b.row):
            result[i + 1] = Factor(1, False, b.payload)
    return result


def _segments(
    chain: list[Factor[Payload]], places: list[int], make: Callable[[str, Payload, Payload], Payload]
) -> list[list[Factor[Payload]]]:
    """The chain cut where linear algebra has no product: between two columns, two rows, a column and a matrix.

    Of two columns side by side, the first belongs to whatever the second begins (`f v kᵀ` is `(f ∘ v) kᵀ`).
    """
    segments: list[list[Factor[Payload]]] = []
    merged = -1  # the place of a row that the row before it was multiplied with
    before = -1
    for place, factor in zip(places, chain):
        last = segments[-1] if segments else None
        if last is not None and last[-1].kind[1] == factor.kind[0]:
            if factor.rank == 2 and merged == before:
                raise Undecided(place, merged, before)
            last.append(factor)
        elif last is not None and last[-1].rank == factor.rank == 1 and len(last) == 1:
            last[0] = Factor(1, factor.row, make("beside", last[0].payload, factor.payload))
            merged = place if factor.row else -1
        else:
            if last is not None and factor.rank == last[-1].rank == 1 and not last[0].row and last[0].rank == 2:
                raise Undecided(places[places.index(before) - 1], before, place)
            segments.append([factor])
        before = place
    return segments


def _multiplied(chain: list[Factor[Payload]], make: Callable[[str, Payload, Payload], Payload]) -> Factor[Payload]:
    """A chain in which every product is defined, from its end on, so that matrices are not multiplied first."""
    return reduce(lambda b, a: _product(a, b, make), reversed(chain))


def _product(
    a: Factor[Payload], b: Factor[Payload], make: Callable[[str, Payload, Payload], Payload]
) -> Factor[Payload]:
    if 0 in (a.rank, b.rank):
        return _joined(a, b, make)
    if a.rank == b.rank == 1:
        return (
            Factor(0, False, make("dot", a.payload, b.payload))
            if a.row
            else Factor(2, False, make("outer", a.payload, b.payload))
        )
    rank = 2 if a.rank == b.rank else 1
    return Factor(rank, a.rank == 1, make("@", a.payload, b.payload))


def _joined(
    a: Factor[Payload], b: Factor[Payload], make: Callable[[str, Payload, Payload], Payload]
) -> Factor[Payload]:
    """Side by side where linear algebra has no product."""
    if a.rank == 0 or b.rank == 0:
        number, other = (a, b) if a.rank == 0 else (b, a)
        return Factor(other.rank, other.row, make("scale", number.payload, other.payload))
    if a.rank == b.rank:
        return Factor(a.rank, a.row, make("beside" if a.rank == 1 else "@", a.payload, b.payload))
    # a vector on the side of a matrix where the text has no vectors otherwise
    return Factor(1, a.rank == 1, make("@", a.payload, b.payload))
