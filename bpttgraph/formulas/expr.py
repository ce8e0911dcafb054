"""A small algebra of ordered products: what a derivation is written in.

SymPy's matrix calculus cannot carry this (it raises on two nested layers), so formulas are trees of our own:
immutable nodes with a shape, made by functions (`add`, `product`, `hadamard`, …) that simplify as a person would
while writing, and never further: empty product = I, 1·x, −(−x), (Aᵀ)ᵀ, diag(1) = I, scalar factors in front.

Shapes are () for a scalar and (rows, columns) for all else; a vector is a column (n, 1), so that yᵀ really is a row
and a product of a row and a matrix can be checked by eye. Sums and products are flat: a tree is as deep as one
equation is nested, never as long as time.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod

from .nodes import (
    Add,
    Apply,
    BigProduct,
    BigSum,
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
    Number,
    Ones,
    Partial,
    Power,
    Product,
    Rows,
    Shape,
    Stack,
    Symbol,
    Tagged,
    Transpose,
    Unit,
    Zeros,
)  # fmt: skip

__all__ = [
    "Add", "Apply", "BigProduct", "BigSum", "Blocks", "Column",
    "Diag", "Divide", "Dot", "Entry", "Expr", "Hadamard", "Identity", "Literal", "Neg", "Num", "Ones",
    "Partial", "Power", "Product", "Rows", "Shape", "Stack", "Symbol", "Tagged", "Transpose", "Unit", "Zeros", "add",
    "diag", "divide", "dot", "even", "hadamard", "identity", "jacobian_shape", "joined", "matrix_shape", "neg", "num",
    "outer", "partial", "power", "product", "rows", "signed", "split_sign", "spread", "stack", "subtract", "symbol",
    "tagged", "transpose",
]  # fmt: skip


def matrix_shape(dims: Shape) -> Shape:
    """The shape of a variable as a column or matrix: (3,) is (3, 1)."""
    return (dims[0], 1) if len(dims) == 1 else dims


def jacobian_shape(target: Shape, source: Shape) -> Shape:
    """Numerator layout: dim y × dim x, () for scalar by scalar."""
    return () if target == source == () else (prod(target), prod(source))


def symbol(name: str, dims: Shape = ()) -> Symbol:
    """
    >>> symbol("h[2]", (3,)).shape
    (3, 1)
    """
    return Symbol(matrix_shape(dims), name, dims)


def num(value: Number) -> Expr:
    """A number; whole floats become integers, so that 2.0 prints as 2."""
    if isinstance(value, float) and abs(value) < 1e15 and value == int(value):
        value = int(value)
    return Neg((), Num((), -value)) if value < 0 else Num((), value)


def identity(dims: Shape) -> Expr:
    """∂x/∂x for x of this shape."""
    return Identity((dims[0], dims[0])) if dims else Num((), 1)


def partial(
    target: str, target_dims: Shape, source: str, source_dims: Shape, *, immediate: bool = False, total: bool = False
) -> Partial:
    return Partial(jacobian_shape(target_dims, source_dims), target, source, immediate, total)


def tagged(arg: Expr, ids: str) -> Expr:
    return Tagged(arg.shape, arg, ids)


def _common(shapes: list[Shape]) -> Shape:
    return max(shapes, key=len)


def _is_number(x: Expr, value: int) -> bool:
    return isinstance(x, Num) and x.value == value


def split_sign(x: Expr) -> tuple[int, Expr]:
    """Sign and the rest, looking through a tag."""
    if isinstance(x, Neg):
        return -1, x.arg
    if isinstance(x, Tagged) and isinstance(x.arg, Neg):
        return -1, tagged(x.arg.arg, x.ids)
    return 1, x


def neg(x: Expr) -> Expr:
    if isinstance(x, Zeros) or _is_number(x, 0):
        return x
    return x.arg if isinstance(x, Neg) else Neg(x.shape, x)


def add(*terms: Expr) -> Expr:
    """A sum; a scalar beside vectors is added to every entry, as in 1 − h²."""
    if not terms:
        return Num((), 0)
    shape = _common([t.shape for t in terms])
    flat: list[Expr] = []
    for term in terms:
        if isinstance(term, Zeros) or _is_number(term, 0):
            continue
        flat.extend(term.terms if isinstance(term, Add) else (term,))
    if not flat:
        return Zeros(shape) if shape else Num((), 0)
    # a lone scalar that stands for a vector of equal entries may stay a scalar: elementwise readers broadcast it
    return flat[0] if len(flat) == 1 else Add(shape, tuple(flat))


def subtract(a: Expr, b: Expr) -> Expr:
    return add(a, *[neg(t) for t in (b.terms if isinstance(b, Add) else (b,))])


def product(*factors: Expr) -> Expr:
    """An ordered product: numbers and scalars first, unit matrices dropped, the sign in front.

    >>> W = symbol("W", (3, 3))
    >>> product(identity((3,)), W) == W
    True
    """
    sign, coefficient = 1, 1
    scalars: list[Expr] = []
    matrices: list[Expr] = []
    unit: Expr | None = None
    todo = list(reversed(factors))
    while todo:
        s, f = split_sign(todo.pop())
        sign *= s
        if isinstance(f, Product):
            todo.extend(reversed(f.factors))
        elif isinstance(f, Num):
            coefficient = f.value * coefficient  # type: ignore[assignment]
        elif isinstance(f, Identity):
            unit = f
        elif f.shape == ():
            scalars.append(f)
        elif isinstance(f, Zeros):
            matrices.append(f)
        elif matrices and isinstance(matrices[-1], Diag) and isinstance(f, Ones):
            matrices[-1] = matrices[-1].arg  # diag(v)·1 = v
        elif matrices and isinstance(matrices[-1], Diag) and isinstance(f, Diag):
            matrices[-1] = diag(hadamard(matrices[-1].arg, f.arg), f.shape[0])
        else:
            matrices.append(f)
    if not matrices and unit is not None:
        matrices.append(unit)
    shape = (matrices[0].shape[0], matrices[-1].shape[1]) if matrices else ()
    if coefficient == 0 or any(isinstance(m, Zeros) for m in matrices):
        return Zeros(shape) if shape else Num((), 0)
    parts = ([] if coefficient == 1 else [num(coefficient)]) + scalars + matrices
    result = parts[0] if len(parts) == 1 else Product(shape, tuple(parts)) if parts else Num((), 1)
    return neg(result) if sign < 0 else result


def hadamard(*factors: Expr) -> Expr:
    """An elementwise product; scalar factors go in front of it."""
    sign = 1
    scalars: list[Expr] = []
    vectors: list[Expr] = []
    for factor in factors:
        s, f = split_sign(factor)
        sign *= s
        if isinstance(f, Product) and f.factors[0].shape == ():  # 2 a ∘ b: the 2 belongs in front
            lead = [x for x in f.factors if x.shape == ()]
            scalars += lead
            f = product(*f.factors[len(lead) :])
        if f.shape == ():
            scalars.append(f)
        elif even(f) is None:
            vectors.extend(f.factors if isinstance(f, Hadamard) else (f,))
        elif all(x.shape == () or even(x) is not None for x in factors):
            vectors = [f]
    inner: list[Expr] = (
        [vectors[0] if len(vectors) == 1 else Hadamard(vectors[0].shape, tuple(vectors))] if vectors else []
    )
    result = product(*scalars, *inner)
    return neg(result) if sign < 0 else result


def power(base: Expr, exponent: Expr) -> Expr:
    return base if _is_number(exponent, 1) else Power(_common([base.shape, exponent.shape]), base, exponent)


def divide(top: Expr, bottom: Expr) -> Expr:
    sign, top = split_sign(top)
    shape = _common([top.shape, bottom.shape])
    if isinstance(top, Num) and isinstance(bottom, Num) and {type(top.value), type(bottom.value)} == {int}:
        return signed(sign, num(Fraction(top.value, bottom.value))) if bottom.value else Divide((), top, bottom)  # type: ignore[arg-type]
    result = top if _is_number(bottom, 1) else Divide(shape, top, bottom)
    return neg(result) if sign < 0 else result


def diag(x: Expr, size: int) -> Expr:
    """diag(x); of a scalar that stands for `size` equal entries, the scalar itself (times I)."""
    sign, rest = split_sign(x)
    if sign < 0:
        return neg(diag(rest, size))
    if isinstance(x, Ones):
        return Identity((size, size))
    if x.shape == ():
        return product(x, Identity((size, size)))
    if isinstance(x, Product) and x.factors[0].shape == ():
        return product(
            *[f for f in x.factors if f.shape == ()], diag(product(*[f for f in x.factors if f.shape]), size)
        )
    return Diag((size, size), x)


def transpose(x: Expr) -> Expr:
    if x.shape == () or isinstance(x, Identity | Diag):
        return x
    if isinstance(x, Transpose):
        return x.arg
    if isinstance(x, Neg):
        return neg(transpose(x.arg))
    if isinstance(x, Tagged):
        return tagged(transpose(x.arg), x.ids)
    if isinstance(x, Zeros):
        return Zeros((x.shape[1], x.shape[0]))
    if isinstance(x, Product) and x.factors[0].shape == ():
        lead = [f for f in x.factors if f.shape == ()]
        return product(*lead, transpose(product(*[f for f in x.factors if f.shape])))
    return Transpose((x.shape[1], x.shape[0]), x)


def dot(a: Expr, b: Expr) -> Expr:
    if a.shape == () and b.shape == ():
        return product(a, b)
    (sa, a), (sb, b) = split_sign(a), split_sign(b)
    result: Expr = Dot((), a, b)
    return neg(result) if sa * sb < 0 else result


def outer(a: Expr, b: Expr) -> Expr:
    """a bᵀ."""
    return product(a, transpose(b))


def spread(x: Expr, dims: Shape) -> Expr:
    """A number that stands for equal entries written out: times 𝟏, or 𝟏𝟏ᵀ. In a product the number alone would scale.

    >>> from bpttgraph.formulas.printers import to_text
    >>> to_text(product(spread(num(2), (3, 2)), symbol("b", (2,))))
    '2 𝟏 𝟏ᵀ b'
    """
    if x.shape or not dims:
        return x
    if isinstance(x, Num) and x.value == 0:
        return Zeros(matrix_shape(dims))
    return product(x, *[Ones((dims[0], 1)), transpose(Ones((dims[-1], 1)))][: len(dims)])


def even(x: Expr) -> Expr | None:
    """The number that every entry of c 𝟏 or c 𝟏𝟏ᵀ is; None of all else."""
    sign, x = split_sign(x)
    factors = x.factors if isinstance(x, Product) else (x,)
    arrays = [f.arg if isinstance(f, Transpose) else f for f in factors if f.shape]
    if not arrays or not all(isinstance(f, Ones) for f in arrays) or len(arrays) > 2:
        return None
    if len(arrays) == 2 and x.shape in ((), (1, 1)):
        return None  # 𝟏ᵀ𝟏 counts
    return signed(sign, product(*[f for f in factors if not f.shape]))


def stack(*parts: Expr) -> Expr:
    if all(isinstance(p, Zeros) for p in parts):
        return Zeros((sum(p.shape[0] for p in parts), parts[0].shape[1]))
    return parts[0] if len(parts) == 1 else Stack((sum(p.shape[0] for p in parts), parts[0].shape[1]), parts)


def padding(x: Expr, before: int, after: int) -> list[Expr]:
    """`x` between rows of zeros; a number is a row."""
    x = x if x.shape else product(x, Ones((1, 1)))
    parts = [Zeros((before, x.shape[1])), x, Zeros((after, x.shape[1]))]
    return [p for p in parts if p.shape[0]]


def rows(x: Expr, start: int, stop: int) -> Expr:
    if isinstance(x, Zeros):
        return Zeros((stop - start, x.shape[1]))
    return x if (start, stop) == (0, x.shape[0]) else Rows((stop - start, x.shape[1]), x, start, stop)


def joined(a: Expr, b: Expr) -> Expr:
    """The sum of two Jacobians as a person writes it: a common right factor once, diag(a) − diag(b) as diag(a − b)."""
    (sa, a), (sb, b) = split_sign(a), split_sign(b)
    if isinstance(a, Add) and sa > 0:
        return add(a, b if sb > 0 else neg(b))
    if isinstance(a, Num) and isinstance(b, Num):
        return num(sa * a.value + sb * b.value)
    left, right = (list(x.factors) if isinstance(x, Product) else [x] for x in (a, b))
    shared: list[Expr] = []
    while left and right and left[-1] == right[-1] and left[-1].shape:
        shared.insert(0, left.pop())
        right.pop()
    if shared and len(shared) == 1 and isinstance(shared[0], Identity):
        return product(joined(signed(sa, product(*left)), signed(sb, product(*right))), *shared)
    if shared:
        unit = Identity((shared[0].shape[0],) * 2)
        parts = [product(*x) if any(f.shape for f in x) else product(*x, unit) for x in (left, right)]
        return product(joined(signed(sa, parts[0]), signed(sb, parts[1])), *shared)
    if isinstance(a, Diag) and isinstance(b, Diag):
        return diag(joined(signed(sa, a.arg), signed(sb, b.arg)), a.shape[0])
    return add(b, neg(a)) if sa < 0 < sb else add(signed(sa, a), signed(sb, b))


def signed(sign: int, x: Expr) -> Expr:
    return x if sign > 0 else neg(x)
