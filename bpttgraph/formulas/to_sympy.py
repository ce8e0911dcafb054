"""Formulas as SymPy objects: the independent reader of a derivation.

Scalars become `sympy.Symbol(name, real=True)` with the variable's own name, `h[2]`; vectors and matrices become
explicit matrices of such symbols, `h[2]_1`, `W_hh_1,2`. Products of matrices stay unevaluated (`MatMul`), so nothing
grows; substitute numbers for the symbols and call `.doit()`, or `.as_explicit()` for the entries.

SymPy is imported on first use. Nothing is parsed, simplified or differentiated by it. `real=True` is not a detail:
without it SymPy spends minutes asking whether the argument of a tanh may be complex.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

from ..errors import BPTTError
from .expr import (
    Add,
    Apply,
    Blocks,
    Column,
    Diag,
    Divide,
    Dot,
    Entry,
    Expr,
    Hadamard,
    Identity,
    Literal,
    Neg,
    Num,
    Ones,
    Partial,
    Power,
    Product,
    Rows,
    Stack,
    Symbol,
    Tagged,
    Transpose,
    Unit,
    Zeros,
)  # fmt: skip

__all__ = ["entry_names", "to_sympy"]


def entry_names(name: str, dims: tuple[int, ...]) -> Any:
    """The names of a variable's entries, nested as the array is: `h[2]_1` …, `W_1,2` …; of a scalar, its own name."""
    if not dims:
        return name
    if len(dims) == 1:
        return [f"{name}_{i + 1}" for i in range(dims[0])]
    return [[f"{name}_{i + 1},{j + 1}" for j in range(dims[1])] for i in range(dims[0])]


def to_sympy(e: Expr, known: Mapping[str, Any] | None = None) -> Any:
    """The formula as a SymPy expression (scalars) or matrix expression.

    `known` gives symbols that stand for objects already made. Then nothing is evaluated: SymPy sorts the summands of an
    evaluated sum by comparing their trees, which are exponentially larger than the graph that they share.

    >>> from bpttgraph.formulas.expr import num, power, product, subtract, symbol
    >>> to_sympy(product(symbol("W"), subtract(num(1), power(symbol("h[2]"), num(2)))))
    W*(1 - h[2]**2)
    """
    import sympy

    match e:
        case Symbol(_, name, dims):
            if known is not None and name in known:
                return known[name]
            names = entry_names(name, dims)
            if not dims:
                return sympy.Symbol(name, real=True)
            grid = [[n] for n in names] if len(dims) == 1 else names
            return sympy.ImmutableMatrix([[sympy.Symbol(n, real=True) for n in row] for row in grid])
        case Num(_, value):
            return sympy.Float(value) if isinstance(value, float) else sympy.Rational(value)
        case Literal(_, entries):
            return sympy.ImmutableMatrix(entries)
        case Add(shape, terms):
            parts = [to_sympy(t, known) for t in terms]
            if not shape:
                return sympy.Add(*parts, evaluate=known is None)
            if all(t.shape == shape for t in terms):
                return sympy.MatAdd(*parts)
            return _entrywise(sympy.Add, parts, shape)
        case Neg(_, arg):
            inner = to_sympy(arg, known)
            if not arg.shape:
                return -inner if known is None else sympy.Mul(-1, inner, evaluate=False)
            return sympy.MatMul(-1, inner)
        case Product(shape, factors):
            parts = [to_sympy(f, known) for f in factors]
            if not shape:
                return sympy.Mul(*parts, evaluate=known is None)
            return sympy.MatMul(*parts) if len(parts) > 1 else parts[0]
        case Hadamard(shape, factors):
            parts = [to_sympy(f, known) for f in factors]
            lazy = [p for p in parts if not isinstance(p, sympy.MatrixBase)]
            if known is not None and len(lazy) == 1 and shape[1] == 1 and len(parts) > 1:
                # what is known may be long: d ∘ v stays a product diag(d) v and is not written out
                given = _entrywise(sympy.Mul, [p for p in parts if p is not lazy[0]], shape)
                return sympy.MatMul(sympy.ImmutableMatrix(sympy.diag(*list(given))), lazy[0])
            return _entrywise(sympy.Mul, parts, shape)
        case Power(shape, base, exponent):
            return _entrywise(sympy.Pow, [to_sympy(base, known), to_sympy(exponent, known)], shape)
        case Divide(shape, top, bottom):
            return _entrywise(lambda a, b: a / b, [to_sympy(top, known), to_sympy(bottom, known)], shape)
        case Diag(_, arg):
            column = _explicit(to_sympy(arg, known))
            return sympy.ImmutableMatrix(sympy.diag(*list(column)))
        case Transpose(_, arg):
            inner = to_sympy(arg, known)
            return inner.T if isinstance(inner, sympy.MatrixBase) else sympy.Transpose(inner)
        case Identity(shape):
            return sympy.ImmutableMatrix(sympy.eye(shape[0]))
        case Ones(shape):
            return sympy.ImmutableMatrix(sympy.ones(*shape))
        case Zeros(shape):
            return sympy.ImmutableMatrix(sympy.zeros(*shape))
        case Stack(shape, blocks) if known is not None:
            # what is known may be long: a block is put in its place by a product and is not written out
            start = 0
            pieces = []
            for block in blocks:
                place = sympy.ImmutableMatrix(shape[0], block.shape[0], lambda i, j, s=start: int(i == s + j))
                pieces.append(sympy.MatMul(place, to_sympy(block, known)))
                start += block.shape[0]
            return sympy.MatAdd(*pieces)
        case Stack(_, blocks):
            return sympy.ImmutableMatrix(
                sympy.Matrix.vstack(*[sympy.Matrix(_explicit(to_sympy(b, known))) for b in blocks])
            )
        case Rows(_, arg, start, stop):
            return _explicit(to_sympy(arg, known))[start:stop, :]
        case Dot(_, left, right):
            a, b = (list(_explicit(to_sympy(x, known))) for x in (left, right))
            return sympy.Add(*[x * y for x, y in zip(a, b)])
        case Tagged(_, arg, _):
            return to_sympy(arg, known)
        case Partial(shape, target, source, immediate, total):
            mark = "d" if total else "∂"
            name = f"{mark}{'⁺' if immediate else ''}{target}/{mark}{source}"
            return sympy.MatrixSymbol(name, *shape) if shape else sympy.Symbol(name, real=True)
        case Entry(_, arg, indices) if all(isinstance(i, int) for i in indices):
            column = _explicit(to_sympy(arg, known))
            return column[tuple(int(i) - 1 for i in indices) if len(indices) == 2 else int(indices[0]) - 1]
        case Blocks(_, grid):
            return sympy.BlockMatrix([[to_sympy(x, known) for x in row] for row in grid]).as_explicit()
        case Unit(_, arg):
            return to_sympy(arg, known)
        case Column(_, arg, index):
            return sympy.MatMul(to_sympy(arg, known), to_sympy(index, known))
        case Apply():
            return _applied(e, known)
    raise TypeError(f"not an expression: {e!r}")


def _explicit(x: Any) -> Any:
    """A matrix of entries. Unevaluated products are multiplied out entry by entry here, and only here."""
    import sympy

    return x if isinstance(x, sympy.MatrixBase) else x.as_explicit()


def _entrywise(function: Callable[..., Any], parts: list[Any], shape: tuple[int, ...]) -> Any:
    import sympy

    if not shape:
        return function(*parts)
    grids = [None if isinstance(p, sympy.Expr) and not p.is_Matrix else _explicit(p) for p in parts]
    return sympy.ImmutableMatrix(
        shape[0], shape[1], lambda i, j: function(*[p if g is None else g[i, j] for p, g in zip(parts, grids)])
    )


def _applied(e: Apply, known: Mapping[str, Any] | None = None) -> Any:
    import sympy

    args, exact = [to_sympy(a, known) for a in e.args], e.op.exactly(_functions())
    if e.op.kind == "elementwise":
        if exact is None:
            return _entrywise(sympy.Function(e.op.symbol, real=True), args, e.shape)
        return _entrywise(partial(exact, **dict(e.attrs)), args, e.shape)
    made = exact and exact(*[list(_explicit(x)) if a.shape else [x] for x, a in zip(args, e.args)])
    if made is None or (e.shape and not isinstance(made, list)):
        raise BPTTError(f"{e.op.name} has no SymPy reading here", 'use level="chain", or read the formula as LaTeX')
    return made if not isinstance(made, list) else sympy.ImmutableMatrix(made) if e.shape else made[0]


@cache
def _functions() -> SimpleNamespace:
    """The functions of SymPy by their NumPy names."""
    import sympy

    names = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sign", "erf", "erfc", "pi")
    return SimpleNamespace(
        **{name: getattr(sympy, name) for name in names},
        **{f"arc{name}": getattr(sympy, f"a{name}") for name in ("sin", "cos", "tan")},
        abs=sympy.Abs,
        maximum=sympy.Max,
        minimum=sympy.Min,
        power=sympy.Pow,
        step=sympy.Heaviside,
        number=sympy.Rational,
        sum=lambda numbers: sympy.Add(*numbers),
        max=lambda numbers: sympy.Max(*numbers),
        zero=lambda x: x == 0,
    )
