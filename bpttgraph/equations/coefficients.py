"""Parameters that only scale: N in `W h / N`, g in `\\frac{g}{\\sqrt N} J h`, α in `α * h + (1 - α) * x`.

A name that stands below fractions, under roots, in exponents, in `1 - α`, or as a Greek letter before a star is a
number by habit, a capital letter too, unless it stands somewhere as a matrix or a vector does. Where steps are written
as in `h[t]`, a star says that entries are multiplied, and α beside it is a vector.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from .kinds import capital, greek
from .latex import GREEK
from .products import factors
from .syntax import Binary, Call, Expr, Name, Negate, Number, Reduce, Span
from .trees import children, names_in

__all__ = ["coefficients", "starred"]

_OWN = re.compile(r"\w\[t")  # steps as this language writes them
_CODE = re.compile(r"\b(?:np|numpy|torch|tf|math|self)\.")
_SAID = re.compile(  # "where G is a scalar gain", "α ∈ (0, 1)", "\\tau \\in \\mathbb{R}"
    r"(?<![\w}])\\?(\w+)\$?\s+(?:is|are|denotes)\s+(?:an?\s+|the\s+)?(?:\w+\s+)?(?:scalar|number)\b"
    r"|(?<![\w}])\\?(\w+)\s*(?:∈|\\in)\s*(?:[(\[]0\s*,|(?:\\mathbb\s*(?:\{R\}|R)|ℝ)(?![\s{]*\^|\w))"
)
_ROOTS = ("sqrt", "exp", "log", "abs")


def coefficients(equations: Iterable[tuple[tuple[Name, ...], Expr]], text: str) -> Mapping[str, bool]:
    """Such names, and for each whether a vector could stand in its place."""
    pairs = list(equations)
    lines = text.splitlines()
    own = _OWN.search(text) is not None and not _CODE.search(text)
    defined = {n.name for left, _ in pairs for n in left}
    numbers: dict[str, bool] = {}
    others: set[str] = set()
    for _, right in pairs:
        for name, verdict, vector in _places(right, [] if own else lines):
            if verdict:
                numbers[name] = numbers.get(name, False) or vector
            else:
                others.add(name)
    found = {name: vector for name, vector in numbers.items() if name not in others | defined}
    parameters = {n.name for _, right in pairs for n, _ in names_in(right) if n.index is None} - defined
    said = {GREEK.get(match[1] or match[2], match[1] or match[2]) for match in _SAID.finditer(text)}
    return found | dict.fromkeys(said & parameters, True)


def starred(left: Span, right: Span, lines: list[str]) -> bool:
    """Whether the sign between two operands is a star, and not the ∘ or ⊙ of an elementwise product."""
    if left.line != right.line or left.line > len(lines):
        return True
    between = lines[left.line - 1][left.end : right.column]
    return re.search(r"\*|∗|\\ast\b", between) is not None


def _places(e: Expr, lines: list[str]) -> Iterator[tuple[str, bool, bool]]:
    """For every parameter in an expression its name, whether it is a number there, and whether it might be a vector."""
    pending: list[Expr] = [e]
    while pending:
        e = pending.pop()
        match e:
            case Name(name, None):
                yield name, False, False
            case Binary("/", above, below) if not _stepped(below):
                yield from _all(below, vector=not _plain(above))
                if _plain(above):
                    yield from _small(above)
                else:
                    pending.append(above)
            case Binary("^", base, power) if not _stepped(power):
                yield from _all(power)
                if not (isinstance(base, Name) and base.index is None):
                    pending.append(base)
                elif base.name == "N" or not capital(base.name):
                    yield base.name, base.name == "N" or not isinstance(power, Number), False
                else:
                    yield base.name, False, False
            case Call(function, (inner,)) if function in _ROOTS and not _stepped(inner):
                if function == "sqrt":
                    yield from _all(inner)
            case Binary(" " | "@"):
                yield from _chain(e, pending)
            case Binary("*"):
                yield from _star(e, lines, pending)
            case _:
                pending += children(e)


def _chain(e: Binary, pending: list[Expr]) -> Iterator[tuple[str, bool, bool]]:
    """The factors that stand side by side."""
    parts, explicit = factors(e)
    for i, part in enumerate(parts):
        match part:
            case Name(name, None) if not capital(name):
                if any(explicit[max(i - 1, 0) : i + 1]):
                    yield name, False, False
                elif greek(name) and all(_number(p) for p in parts if p is not part):
                    yield name, True, False
            case Binary("/", above, below) if _plain(above) and not _stepped(below):
                matrix = any(isinstance(p, Name) and p.index is None and capital(p.name) for p in parts[i + 1 :])
                matrix |= any(isinstance(p, Reduce) or _number(p) for p in parts[i + 1 :])
                yield from _all(below)
                yield from _all(above) if matrix else _small(above)
            case _ if len(parts) > 1 and (names := _complement(part)):
                yield from ((name, True, False) for name in names)
            case _:
                pending.append(part)


def _star(e: Binary, lines: list[str], pending: list[Expr]) -> Iterator[tuple[str, bool, bool]]:
    """The two factors of `a * b`; without lines, the text is of this language, where a star is a product of entries."""
    star = bool(lines) and starred(e.left.span, e.right.span, lines)
    for part, other in ((e.left, e.right), (e.right, e.left)):
        normal = isinstance(other, Call) and other.function == "layer_norm"  # its gain is a vector
        match part:
            case Name(name, None) if not capital(name):
                letter = GREEK.get(name.partition("_")[0], name)
                if not star or normal or greek(letter):  # u * h is left open: it may stand in 1 - u as well
                    yield name, star and not normal, True
            case Binary("/", above, below) if (star or not lines) and _plain(above) and not _stepped(below):
                yield from _all(below, vector=True)
                yield from _all(above, vector=True)
            case _ if star and (names := _complement(part)):
                yield from ((name, True, True) for name in names)
            case _:
                pending.append(part)


def _complement(e: Expr) -> list[str]:
    """The small letters of `1 - α`; none for anything else."""
    names = [n.name for n, _ in names_in(e)]
    sums = isinstance(e, Binary) and e.operator in "+-" and isinstance(e.left, Number)
    return names if sums and not _stepped(e) and not any(map(capital, names)) and _plain(e) else []


def _number(e: Expr) -> bool:
    """Whether a factor is a number that depends on the step, such as `max(Q[t])`."""
    return isinstance(e, Call) and e.function in ("max", "min", "sum", "mean", "norm", "dot") and len(e.args) == 1


def _stepped(e: Expr) -> bool:
    return any(n.index is not None for n, _ in names_in(e))


def _plain(e: Expr) -> bool:
    """Whether an expression holds nothing but parameters, numbers and their arithmetic."""
    match e:
        case Name():
            return e.index is None
        case Number():
            return True
        case Call(function, (inner,)):
            return function in _ROOTS and _plain(inner)
        case Binary() | Negate():
            return all(map(_plain, children(e)))
    return False


def _all(e: Expr, vector: bool = False) -> Iterator[tuple[str, bool, bool]]:
    if _plain(e):
        yield from ((n.name, True, vector) for n, _ in names_in(e))


def _small(e: Expr) -> Iterator[tuple[str, bool, bool]]:
    """Above a fraction a capital may be a matrix, which the fraction scales."""
    yield from ((n.name, not capital(n.name), False) for n, _ in names_in(e))
