"""Equations with explicit operators: once shapes are known, every product says what it is.

`elaborate` replaces what stands side by side by `@`, `*`, `dot` and `outer`, drops the transpose of a vector, which
only said how it lies, and refuses what has two readings once ranks are known: a power of a matrix, `W f c`. What it
returns is what is computed (`expressions.py`) and what is printed (`reading.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import BPTTError, Span
from .functions import function_of
from .kinds import capital, keeps_shape
from .notes import Note
from .products import Factor, Undecided, arrange, as_number, factors
from .syntax import Binary, Call, Constant, Expr, Name, Negate, Number, Reduce, Stack, Transposed
from .text import brief
from .trees import names_in

__all__ = ["Surroundings", "elaborate", "two_readings"]

_PRODUCTS = {"scale": "*", "beside": "*", "@": "@"}
_RANKS = {"reduce": 0, "pair": 0, "diag": 2, "outer": 2, "concat": 1}


@dataclass(frozen=True)
class Surroundings:
    """What an equation's right side is read with.

    Attributes:
        rank: of a name. left: the rank of the left side, which an abstract function of several arguments has too.
        sizes: of the constants whose size follows from where they stand, and () for products that must be numbers.
        steps: what T is, if that is known.
        rows: whether plain vectors are rows. text: the user's text, for messages. notes: what was assumed.
    """

    rank: Callable[[Name], int]
    left: int
    sizes: dict[int, tuple[int, ...]]
    rows: bool
    text: str
    notes: list[Note]
    steps: int | None = None


@dataclass(frozen=True)
class _Typed:
    """An elaborated expression, its rank, and whether it is a vector that lies the other way than a plain one."""

    expr: Expr
    rank: int
    flipped: bool = False


def elaborate(e: Expr, around: Surroundings) -> Expr:
    """The expression with explicit operators.

    Raises:
        BPTTError: for a product or power with two readings, with both spelled out.
    """
    return _go(e, around).expr


def _go(e: Expr, s: Surroundings) -> _Typed:
    """Recursion is over one equation, whose depth the parser bounds."""
    match e:
        case Number():
            return _Typed(e, 0)
        case Constant("T"):
            return _Typed(e if s.steps is None else Number(float(s.steps), e.span), 0)
        case Constant():
            shape = s.sizes.get(id(e), ())
            return _Typed(replace(e, shape=shape), len(shape))
        case Name():
            return _Typed(e, s.rank(e))
        case Negate():
            inner = _go(e.operand, s)
            return replace(inner, expr=replace(e, operand=inner.expr))
        case Reduce():
            inner = _go(e.body, s)
            return replace(inner, expr=replace(e, body=inner.expr))
        case Transposed():
            inner = _go(e.operand, s)
            if inner.rank < 2:
                return _Typed(inner.expr, inner.rank, not inner.flipped)
            return _Typed(replace(e, operand=inner.expr), 2)
        case Stack():
            return _Typed(replace(e, items=tuple(_go(i, s).expr for i in e.items)), 1)
        case Call():
            return _call(e, s)
        case Binary() if e.operator in (" ", "@"):
            return _chain(e, s)
        case Binary():
            return _entrywise(e, s)
    raise TypeError(f"not an expression: {e!r}")


def _call(e: Call, s: Surroundings) -> _Typed:
    args, parameters = [_go(a, s) for a in e.args], [_go(p, s) for p in e.parameters]
    call = replace(e, args=tuple(a.expr for a in args), parameters=tuple(p.expr for p in parameters))
    given = [*args, *parameters]
    function = function_of(e)
    kind = function.shape_of(len(given)) if function is not None else "free"
    vectors = any(a.rank for a in given)
    if keeps_shape(e):
        if e.function == "exp" and given[0].rank == 2:
            s.notes.append(Note.at(f"{brief(e)} is taken entry by entry, which is not the matrix exponential", e.span))
        return _Typed(call, given[0].rank, given[0].flipped)
    if kind == "each":
        return _Typed(call, max(a.rank for a in given))
    if kind not in _RANKS:
        return _Typed(call, s.left)
    return _Typed(call, _RANKS[kind] if vectors or kind == "concat" else 0)


def _entrywise(e: Binary, s: Surroundings) -> _Typed:
    a, b = _go(e.left, s), _go(e.right, s)
    _check_power(e, a.rank, b.rank, s)
    flipped = (a if a.rank == 1 else b).flipped
    return _Typed(replace(e, left=a.expr, right=b.expr), max(a.rank, b.rank), flipped)


def _capital_summand(e: Expr) -> bool:
    """Whether a matrix may stand in a sum by itself, as in (1 - A)^{-1}, whose 1 may be the identity."""
    match e:
        case Name(index=None):
            return capital(e.name)
        case Negate(operand):
            return _capital_summand(operand)
        case Binary("+" | "-", left, right):
            return _capital_summand(left) or _capital_summand(right)
        case Binary(" " | "@" | "*" | "/", left, right):
            plain = all(n.index is None for n, _ in names_in(e)) and not isinstance(left, Call | Reduce)
            return plain and (_capital_summand(left) or _capital_summand(right))
    return False


def _check_power(e: Binary, base: int, exponent: int, s: Surroundings) -> None:
    """A power of a matrix is a label, a product with itself, an inverse, or meant entry by entry."""
    if e.operator == "/" and exponent == 2 and base < 2:
        name = brief(e.right)
        raise BPTTError(
            f"a division by the matrix {name} has two readings: by its inverse, or entry by entry",
            f"inverses are not known here: let a name stand for the inverse, or write {brief(e.left)} * {name}^-1 … "
            "for every entry in an equation of its own",
            text=s.text,
            span=e.span,
        )
    name, power = brief(e.left, 40), brief(e.right)
    of_one = exponent == 0 and isinstance(e.left, Binary) and power.startswith("-") and _capital_summand(e.left)
    if e.operator != "^" or not (base == 2 or of_one):
        return
    plain = isinstance(e.left, Name)
    if isinstance(e.right, Negate) or power.startswith("-"):
        message = f"{name}^{power}: the inverse of a matrix is not known here, and entry by entry it would be another"
        other = f"{name}_inv" if plain else "M"
        hint = f"let a name of its own stand for the inverse, such as {other}, as a factor: {other} @ (…)"
    else:
        letter, _, script = name.partition("_")
        other = f"{letter}_{{{script}{power}}}" if script else f"{name}_{power}"
        labelled = other if plain and isinstance(e.right, Number) else ""
        label = f"the label of another matrix ({labelled}), " if labelled else ""
        message = (
            f"{name}^{power} of a matrix has several readings: {label}the power {name} @ {name} …, "
            f"or a power of every entry"
        )
        label = f"{labelled} for a label, " if labelled else ""
        hint = f"write {label}{name} @ {name} for the product, ({name} * {name}) for the entries"
    raise BPTTError(message, hint, text=s.text, span=e.span)


def _chain(e: Binary, s: Surroundings) -> _Typed:
    parts, explicit = factors(e)
    typed = [_go(p, s) for p in parts]
    span = e.span

    def make(kind: str, left: Expr, right: Expr) -> Expr:
        if kind in _PRODUCTS:
            if kind == "beside":
                s.notes.append(
                    Note.at(
                        f"{brief(left)} and {brief(right)} stand side by side: multiplied entry by entry; "
                        "dot(a, b) and outer(a, b) are other products",
                        span,
                    )
                )
            return Binary(_PRODUCTS[kind], left, right, span)
        return Call(kind, (left, right), (), span)

    chain = [Factor(t.rank, s.rows != t.flipped, t.expr) for t in typed]
    chain = (as_number(chain) if id(e) in s.sizes else None) or chain
    try:
        found = arrange(chain, explicit, s.rows, make)
    except Undecided as two:
        raise two_readings(two, parts, s.text, span) from None
    return _Typed(found.payload, found.rank, found.rank == 1 and found.row != s.rows)


def two_readings(two: Undecided, parts: list[Expr], text: str, span: Span) -> BPTTError:
    """The refusal of a chain of factors with two readings, with both spelled out."""
    matrix, a, b = (brief(parts[i]) for i in (two.matrix, *sorted((two.first, two.second))))
    before, after = (f"({matrix} {a}) ∘ {b}", f"{matrix} ({a} ∘ {b})")
    if two.matrix > max(two.first, two.second):
        before, after = f"{a} ∘ ({b} {matrix})", f"({a} ∘ {b}) {matrix}"
    together = " ".join(brief(p) for p in parts)
    return BPTTError(
        f"{together} has two readings: {before} and {after}",
        "write brackets around what is multiplied first",
        text=text,
        span=span,
    )
