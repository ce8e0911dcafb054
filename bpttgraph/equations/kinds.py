"""What an expression looks like before any shape is known: a matrix, a vector or a number, by the habits of lectures.

A name that is indexed by time is a vector, a capital letter without a step is a matrix, a small one usually a number;
`v k^T` is a matrix, `k^T v` a number. `meaning` and `shapes` ask here where nothing else decides.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from .functions import function_of
from .products import Factor, Undecided, arrange, factors
from .syntax import Binary, Call, Constant, Expr, Name, Negate, Number, Reduce, Stack, Transposed
from .trees import children, names_in, walk

__all__ = [
    "Habits",
    "Looks",
    "capital",
    "chains",
    "coefficient",
    "greek",
    "is_form",
    "keeps_shape",
    "looks",
    "matrices",
    "scales",
    "terms",
]

_LOSSES = frozenset(["E", "L", "J", "C"])
_SHAPES = {"reduce": 0, "pair": 0, "diag": 2, "outer": 2, "concat": 1}


@dataclass(frozen=True)
class Habits:
    """What a text has decided: whether plain vectors are `rows`, which names that carry a step are `matrices`, and
    which that carry none `numbers`."""

    rows: bool = False
    matrices: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()


_COLUMNS = Habits()


class Looks:
    """A guess: `rank` is 0, 1, 2, or None for a small letter that may be anything; `row`: a vector that lies."""

    __slots__ = ("rank", "row")

    def __init__(self, rank: int | None, row: bool = False):
        self.rank, self.row = rank, row

    @property
    def axes(self) -> bool:
        """Whether it looks like anything but a number."""
        return bool(self.rank)


def capital(name: str) -> bool:
    """Whether a name begins with a capital letter, as matrices do (Δ stands for a difference)."""
    letter = unicodedata.normalize("NFD", name.rpartition(".")[2])[:1]
    return letter.isupper() and letter != "Δ"


def greek(name: str) -> bool:
    """Whether a name begins with a small Greek letter or a Δ, as coefficients do."""
    letter = unicodedata.normalize("NFD", name.rpartition(".")[2])[:1]
    return "α" <= letter <= "ω" or letter == "Δ"


def coefficient(e: Expr) -> list[Name] | None:
    """The names in what may be a number at each step, `β[t]` or `1 - β[t]`; None for anything else."""
    match e:
        case Number():
            return []
        case Name() if e.index is not None:
            return [e]
        case Negate(operand):
            return coefficient(operand)
        case Binary("+" | "-", left, right):
            a, b = coefficient(left), coefficient(right)
            return None if a is None or b is None else [*a, *b]
    return None


def keeps_shape(e: Call) -> bool:
    """Whether a call has the shape of its only argument."""
    function = function_of(e)
    count = len(e.args) + len(e.parameters)
    return count == 1 if function is None else function.shape_of(count) == "same"


def looks(e: Expr, habits: Habits = _COLUMNS) -> Looks:
    """What an expression looks like in a text with these habits."""
    match e:
        case Number() | Constant("T"):
            return Looks(0)
        case Constant(name):
            return Looks(2) if name == "I" else Looks(1, habits.rows)
        case Name():
            if e.index is not None:
                return Looks(2) if e.name in habits.matrices else Looks(1, habits.rows)
            if e.name in habits.numbers:
                return Looks(0)
            return Looks(2) if capital(e.name) or e.name in habits.matrices else Looks(None)
        case Negate(operand):
            return looks(operand, habits)
        case Reduce():
            return looks(e.body, habits)
        case Transposed(operand):
            inner = looks(operand, habits)
            # a small letter is transposed because it is a vector
            return Looks(1, not habits.rows) if inner.rank is None else Looks(inner.rank, not inner.row)
        case Stack():
            return Looks(1, habits.rows)
        case Call():
            return _call(e, habits)
        case Binary(operator, left, right):
            if operator in (" ", "@"):
                return _chain(e, habits)
            a, b = looks(left, habits), looks(right, habits)
            return _together(a, b, added=operator in "+-")
    raise TypeError(f"not an expression: {e!r}")


def _together(a: Looks, b: Looks, added: bool) -> Looks:
    """Entry by entry, a vector makes a vector; `1 − Z` may be anything, `I − A` is a matrix."""
    for x in (a, b):
        if x.rank == 1:
            return x
    ranks = {a.rank, b.rank}
    if added and 2 in ranks and 0 in ranks:
        return Looks(None)
    return Looks(2) if 2 in ranks else Looks(None) if None in ranks else Looks(0)


def _call(e: Call, habits: Habits) -> Looks:
    given = (*e.args, *e.parameters)
    function = function_of(e)
    if keeps_shape(e):
        return looks(given[0], habits)
    kind = function.shape_of(len(given)) if function is not None else "free"
    if kind == "each":
        found = looks(given[0], habits)
        for other in given[1:]:
            found = _together(found, looks(other, habits), added=False)
        return found
    if kind not in _SHAPES:
        return Looks(1, habits.rows)
    return Looks(_SHAPES[kind], habits.rows)


def _chain(e: Binary, habits: Habits) -> Looks:
    parts, explicit = factors(e)
    found = [looks(p, habits) for p in parts]
    if any(f.rank == 2 for f in found):
        found = [Looks(0) if scales(p) else f for p, f in zip(parts, found)]
        if is_form(parts, found):
            return Looks(0)
    if not any(f.axes for f in found):
        return Looks(0 if all(f.rank == 0 for f in found) else None)
    try:
        whole = arrange([Factor(f.rank or 0, f.row, None) for f in found], explicit, habits.rows, lambda *_: None)
    except Undecided:
        return Looks(1, habits.rows)
    return Looks(whole.rank, whole.row)


def is_form(parts: list[Expr], found: list[Looks]) -> bool:
    """`u^T A w` with small letters, or u A w^T of rows: a number."""
    ends = [e.operand if isinstance(e, Transposed) else e for e in (parts[0], parts[-1])]
    turned = isinstance(parts[0], Transposed) + isinstance(parts[-1], Transposed)
    small = all(isinstance(e, Name) and e.index is None and not capital(e.name) for e in ends)
    return small and turned == 1 and len(parts) > 2 and all(f.rank == 2 for f in found[1:-1])


def terms(e: Expr) -> list[Expr]:
    """What a sum adds up, without signs."""
    found: list[Expr] = []
    pending = [e]
    while pending:
        match pending.pop():
            case Binary("+" | "-", left, right):
                pending += [right, left]
            case Negate(operand):
                pending.append(operand)
            case other:
                found.append(other)
    return found


def chains(e: Expr) -> Iterator[list[Expr]]:
    """The factors of every product in an expression."""
    pending = [e]
    while pending:
        e = pending.pop()
        parts = factors(e)[0]
        if len(parts) > 1:
            yield parts
        pending += reversed(parts if len(parts) > 1 else children(e))


def matrices(equations: Iterable[tuple[tuple[Name, ...], Expr]]) -> frozenset[str]:
    """Names that carry a step and look like matrices: a capital that adds up products of vectors (`v k^T`), and what
    has a matrix on either side (`A X[t] W`)."""
    found = set()
    for left, right in equations:
        stepped = len(left) == 1 and left[0].index is not None and capital(left[0].name) and not _loss(left[0], right)
        if stepped and any(looks(t).rank == 2 or _of_two_vectors(t) or _is_scaled_matrix(t) for t in terms(right)):
            found.add(left[0].name)
        for parts in chains(right):
            seen = [(p, looks(p)) for p in parts]
            seen = [pair for pair in seen if pair[1].axes]
            for i in range(1, len(seen) - 1):
                (middle, look), after = seen[i], seen[i + 2 :]
                between = seen[i - 1][1].rank == seen[i + 1][1].rank == 2 and look.rank == 1
                if between and isinstance(middle, Name) and (not after or after[0][1].rank == 2):
                    found.add(middle.name)
        for e, _ in walk(right):  # K[t] in I - K[t] H
            added = terms(e) if isinstance(e, Binary) and e.operator in "+-" else []
            if any(isinstance(t, Name) and t.name == "I" and t.index is None for t in added):
                ahead = [factors(t)[0] for t in added]
                found |= {p[0].name for p in ahead if len(p) > 1 and _stepped_capital(p[0])}
    return frozenset(found)


def _stepped_capital(e: Expr) -> TypeGuard[Name]:
    return isinstance(e, Name) and e.index is not None and capital(e.name)


def _loss(left: Name, right: Expr) -> bool:
    """Whether a capital is what losses are called, and adds nothing up over the steps: `E_t = -d_t log y_t^T`."""
    return left.name in _LOSSES and all(name.name != left.name for name, _ in names_in(right))


def _is_scaled_matrix(e: Expr) -> bool:
    """`β[t] * outer(v, k)`: a call that makes a matrix, among what is multiplied entry by entry."""
    while isinstance(e, Binary) and e.operator == "*":
        if isinstance(e.right, Call) and looks(e.right).rank == 2:
            return True
        e = e.left
    return isinstance(e, Call) and looks(e).rank == 2


def _of_two_vectors(e: Expr) -> bool:
    """`k^T v`: a number for columns, a matrix for rows."""
    seen = [looks(p) for p in factors(e)[0] if not scales(p)]
    lying = [look.row for look in seen if look.axes]
    return len(lying) == 2 and lying[0] != lying[1] and all(look.rank == 1 for look in seen if look.axes)


def scales(e: Expr) -> bool:
    """Whether a factor is a Greek letter with a step, as coefficients are: `β_t k_t^T v_t`."""
    return isinstance(e, Name) and e.index is not None and greek(e.name)
