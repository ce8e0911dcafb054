"""What the shapes of a recurrence say as soon as its text is read.

Shapes are found when a recurrence is unrolled, for sizes may change them. What no usual reading of the shapes allows is
refused at once: a power of a matrix, a product with two readings, and shapes that contradict each other even where all
are numbers. A loss of vectors is a number: the square in `½ (y_t - d_t)^2` is that of the norm, `-y_t log p_t` a dot
product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from itertools import pairwise

from ..errors import BPTTError
from .functions import function_of
from .kinds import capital, chains, looks, scales
from .model import Recurrence
from .notes import Note
from .products import factors
from .settings import explicit, infer_shapes
from .syntax import Binary, Call, Equation, Expr, Name, Negate, Number, Reduce, Transposed
from .text import brief
from .trees import calls, names_in
from .words import LOSS_NAMES

__all__ = ["checked"]


def checked(rec: Recurrence) -> Recurrence:
    """The recurrence, with squares and products of vectors in its losses as numbers.

    Raises:
        BPTTError: for what `unroll` would refuse with default sizes and that is no mere matter of sizes.
    """
    factors_of = _matrices(rec)
    _refuse_summands_of_losses(rec, factors_of)
    try:
        shapes, constants = infer_shapes(rec, None)
    except BPTTError as error:
        changed = _with_numbers(rec)
        if changed is not rec:
            return checked(changed)
        if _mended_by_sizes(rec, {*factors_of}.union(*factors_of.values())):
            return rec  # the notes say what contradicts what
        hint = _largest_entry(rec) or error.hint
        raise BPTTError(error.message, hint, text=rec.text, span=error.span) from None
    if _flattened(rec, shapes):
        changed = _with_numbers(rec)
        try:
            if changed is not rec and not _flattened(changed, infer_shapes(changed, None)[0]):
                return checked(changed)
        except BPTTError:
            pass  # these are numbers, then
    explicit(rec, rec.definitions, shapes, constants)
    return rec


def _matrices(rec: Recurrence) -> dict[str, set[str]]:
    """The capitals that stand before values with a step, as W in `W h[t-1]`, and those values."""
    found: dict[str, set[str]] = {}
    for d in rec.definitions:
        for part, after in (pair for parts in chains(d.right) for pair in pairwise(parts)):
            plain = isinstance(part, Name) and part.index is None and capital(part.name)
            if plain and isinstance(part, Name) and isinstance(after, Name) and after.index is not None:
                found.setdefault(rec.key(part, d.block), set()).add(rec.key(after, d.block))
    return found


def _largest_entry(rec: Recurrence) -> str:
    """What to write for `max(W h[t-1] + U x[t])`, which is a number."""
    for d in rec.definitions:
        for call in calls(d.right):
            if call.function in ("max", "min") and len(call.args) == 1:
                whole, inner = brief(call), brief(call.args[0])
                return (
                    f"{whole} is one number, an entry of its vector; write {call.function}({inner}, 0) for each entry "
                    f"beside 0, {call.function}(a, b) for two vectors"
                )
    return ""


def _refuse_summands_of_losses(rec: Recurrence, matrices: Mapping[str, set[str]]) -> None:
    """`L = Σ_t y_t^T y_t + W`: a loss is a number, and the W of `W h_{t-1}`, or that h, is none.

    Raises:
        BPTTError: naming the summand.
    """
    states = {value for values in matrices.values() for value in values if value in rec.states}
    for base in (*rec.losses, *([rec.total] if rec.total else [])):
        d = rec.every.get(base) or rec.once.get(base)
        if d is None or base.rpartition(".")[2] not in LOSS_NAMES:
            continue
        for term in _added(d.right):
            key = rec.key(term, d.block)
            if key in matrices or key in states:
                what = "matrix" if key in matrices else "vector"
                raise BPTTError(
                    f"{base} is a loss, a number, and the {what} {brief(term)} is added to it",
                    f"write norm({brief(term)})^2 for the squares of its entries; sum({brief(term)}) adds them up",
                    text=rec.text,
                    span=term.span,
                )


def _added(e: Expr) -> Iterator[Name]:
    """The names that are summands of an expression, also times numbers."""
    match e:
        case Name():
            yield e
        case Negate(operand):
            yield from _added(operand)
        case Reduce(body=body):
            yield from _added(body)
        case Binary("+" | "-", left, right):
            yield from (*_added(left), *_added(right))
        case Binary("/", left):
            yield from _added(left)
        case Binary(" " | "*", Number() | Name(_, None) as factor, right) if not (
            isinstance(factor, Name) and capital(factor.name)
        ):
            yield from _added(right)


def _flattened(rec: Recurrence, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether `W h[t-1]` is a number times a number, because a loss below must be one."""
    return any(
        isinstance(part, Name) and part.index is None and capital(part.name) and not shapes[rec.key(part, d.block)]
        for d in rec.definitions
        for parts in chains(d.right)
        for part, after in pairwise(parts)
        if isinstance(after, Name) and after.index is not None
    )


def _mended_by_sizes(rec: Recurrence, factors_of: set[str]) -> bool:
    """Whether sizes could bring the shapes together, where a habit set them apart. That `W h` may be a product of
    numbers is no help: nobody means that."""
    try:
        numbers, _ = infer_shapes(rec, None, forced=True)
        return not factors_of.intersection(numbers)
    except BPTTError:
        return False


def _with_numbers(rec: Recurrence) -> Recurrence:
    """`E_t = (y_t - d_t)^2` with ‖y_t - d_t‖^2 in the place of the square, `E_t = -d_t log y_t` with a dot product."""
    notes: list[Note] = []
    losses = {*rec.losses, rec.total}

    def read(e: Equation) -> Equation:
        name = e.left[0].name
        key = f"{e.block}.{name}" if e.block else name
        return replace(e, right=_number(e.right, notes)) if key in losses and name in LOSS_NAMES else e

    equations = tuple(read(e) for e in rec.program.equations)
    if not notes:
        return rec
    program = replace(rec.program, equations=equations, notes=(*rec.program.notes, *notes))
    return Recurrence(program, rec.let, title=rec.title, conventions=rec.conventions, written=rec)


def _number(e: Expr, notes: list[Note]) -> Expr:
    """The summands of a loss as numbers: squares of vectors as those of norms, two vectors as their dot product."""
    match e:
        case Negate(operand):
            return replace(e, operand=_number(operand, notes))
        case Reduce(body=body):
            return replace(e, body=_number(body, notes))
        case Binary("+" | "-", left, right):
            return replace(e, left=_number(left, notes), right=_number(right, notes))
        case Binary("/", left):
            return replace(e, left=_number(left, notes))
        case Binary(" " | "*"):
            return _product(e, notes)
        case Binary("^", left):
            square = _square(e, notes)
            return square if square is not e else replace(e, left=_number(left, notes))
        case Call(args=(argument,)) if (f := function_of(e)) and f.shape == "same":
            # log(1 + y_t^2), but not what reads vectors, as sum does
            return replace(e, args=(_number(argument, notes),))
    return e


def _square(e: Expr, notes: list[Note]) -> Expr:
    match e:
        case Binary("^", base, Number(2.0)) if not isinstance(base, Call) and any(n.index for n, _ in names_in(base)):
            return _said(e, replace(e, left=Call("norm", (base,), (), base.span)), notes)
    return e


def _product(e: Binary, notes: list[Note]) -> Expr:
    """`y_t log p_t`: a dot product, times the numbers beside it; what has one vector is looked at inside."""
    parts = factors(e)[0] if e.operator == " " else [e.left, e.right]
    vectors = [i for i, part in enumerate(parts) if looks(part).rank == 1 and not scales(part)]
    last = len(parts) - 2
    if last > 0 and [i for i, part in enumerate(parts) if isinstance(part, Transposed)] == [last]:
        turned = parts[last]
        if isinstance(turned, Transposed) and all(looks(part).rank != 2 for part in parts):  # m_t y_t^T log p_t
            product = _said(e, Call("dot", (turned.operand, parts[-1]), (), e.span), notes)
            return reduce(lambda a, b: Binary("*", a, b, e.span), [*parts[:last], product])
    if any(isinstance(part, Transposed) for part in parts):
        return e
    if len(vectors) == 2 and all(looks(part).rank == 2 for part in parts[vectors[0] + 1 : vectors[1]]):
        numbers = [part for i, part in enumerate(parts) if not vectors[0] <= i <= vectors[1]]
        right = reduce(lambda a, b: Binary(" ", a, b, e.span), parts[vectors[0] + 1 : vectors[1] + 1])
        parts = [*numbers, _said(e, Call("dot", (parts[vectors[0]], right), (), e.span), notes)]
    else:
        parts = [_number(part, notes) for part in parts]
    return reduce(lambda a, b: Binary(e.operator, a, b, e.span), parts)


def _said(e: Expr, number: Expr, notes: list[Note]) -> Expr:
    sentence = f"{brief(e)} in a loss was read as the sum over the entries, {brief(number)}"
    notes.append(Note.at(sentence, e.span))
    return number
