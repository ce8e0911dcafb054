"""What the levels `matrix`, `elements` and `numbers` of a derivation say: entries, SymPy objects, values with a
verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import facade
from ..errors import Fault
from ..formulas.expr import Entry, Expr, Literal, Symbol, Transpose, num
from ..formulas.layout import FORMS, statement
from ..formulas.printers import to_text
from .adjoints import Adjoints
from .entries import Entries, all_entries
from .evaluate import matrix_value
from .factored import Statement
from .gradient import Gradient
from .numeric import _Values

__all__ = [
    "LEVELS",
    "Known",
    "by_entries",
    "entries_gradient",
    "inlined",
    "literal",
    "matrix_gradient",
    "shaped",
    "summands",
    "with_numbers",
]

LEVELS = ("chain", "local", "matrix", "elements", "numbers")


# -- numbers of statements


class Known(Mapping[str, Any]):
    """Values by name: the adjoints made so far, then the run."""

    def __init__(self, run: Any, names: Any):
        self.made: dict[str, Any] = {}
        self.run = _Values(run, names)

    def __getitem__(self, name: str) -> Any:
        return self.made[name] if name in self.made else self.run[name]

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Any:
        return iter(self.made)

    def __len__(self) -> int:
        return len(self.made)


def matrix_gradient(adjoints: Adjoints, run: Any) -> dict[str, Any]:
    """The gradients of `wrt` by the statements of level `matrix`, one after the other; nothing of the reverse pass
    takes part."""
    return {n: sum(parts[1:], parts[0]) for n, parts in summands(adjoints, run).items()}


def entries_gradient(adjoints: Adjoints, run: Any) -> dict[str, Any]:
    """The gradients of `wrt` from the statements of level `elements`: every entry of every adjoint by its own scalar
    formula."""
    return {n: sum(parts[1:], parts[0]) for n, parts in summands(adjoints, run, by_entry=True).items()}


def summands(adjoints: Adjoints, run: Any, by_entry: bool = False) -> dict[str, list[Any]]:
    """The value of every summand of every gradient, shaped as the gradient is.

    What a loss, or an equation that belongs to an example, contributes counts for every example, whether or not the
    formula reads their data; the adjoint of what all examples share is the sum over them.
    """
    paths = adjoints.paths
    known = Known(run, paths.variables)
    size = getattr(run, "batch", None)
    found: dict[str, list[Any]] = {}
    # whose adjoint is the weight itself
    losses = {name for _, name in paths.heads} - {part.of for part in adjoints.parts}
    for part in adjoints.parts:
        own, values = paths.unrolled.node(part.of), []
        dims = part.left.dims if isinstance(part.left, Symbol) else own.shape
        for p in part.pieces:
            value = _by_entry(p.expr, dims, known) if by_entry else _whole(p.expr, dims, known)
            each = p.target in losses or paths.unrolled.node(p.target).batched if p.target else bool(p.source)
            lead = (size or 1,) if each else ()
            value = np.broadcast_to(value, np.broadcast_shapes(value.shape, lead + dims))
            values.append(value if own.batched else np.sum(value, axis=tuple(range(value.ndim - len(dims)))))
        if part.kind == "gradient":
            values = [v[0] if own.batched and size is None else v for v in values]
            found[part.of] = values or [np.zeros(((size,) if own.batched and size else ()) + dims)]
        elif values:
            known.made[part.name] = sum(values[1:], values[0])
    return found


def _whole(e: Expr, dims: tuple[int, ...], known: Known) -> Any:
    """The value of a formula, (…, *dims)."""
    if not e.shape and any(n > 1 for n in dims):
        raise Fault(f"a number stands for an array of shape {dims}: {to_text(e)[:60]}", "report this")
    value = matrix_value(e, known)
    return value[..., 0, 0] if not dims else value[..., 0] if len(dims) == 1 else value


def _by_entry(e: Expr, dims: tuple[int, ...], known: Known) -> Any:
    """The same, each entry from a scalar formula."""
    cells = [matrix_value(cell, known)[..., 0, 0] for cell in all_entries(e, dims).values()]
    value = np.stack(np.broadcast_arrays(*cells), axis=-1)
    return value.reshape((*value.shape[:-1], *dims))


def shaped(value: Any, dims: tuple[int, ...], batch: bool) -> Any:
    value = value[..., 0, 0] if not dims else value[..., 0] if len(dims) == 1 else value
    extra = value.ndim - len(dims)
    return value if batch or not extra else np.sum(value, axis=tuple(range(extra)))


# -- entries


def by_entries(d: Gradient, entry: tuple[int | str, ...] | None) -> tuple[Statement, ...]:
    """The statements of level `matrix`, read at the entry i, j (letters, or numbers for the last one)."""
    made = []
    for part in d.adjoints.parts:
        dims = part.left.dims if isinstance(part.left, Symbol) else d.paths.variables[part.of].shape
        index = entry if entry is not None and part.kind == "gradient" else ("i", "j")[: len(dims)]
        terms = tuple(Entries().entry(p.expr, *index) for p in part.pieces)
        left: Expr = part.left
        if dims:
            # a gradient by a matrix is shaped like the matrix, so its entry (i, j) is that of the symbol dE/dW
            left = Entry((), part.left, index)
        made.append(Statement(part.of, part.loss, left, terms))
    return tuple(made)


# -- SymPy


def inlined(d: Gradient, level: str) -> Any:
    """The gradient as one SymPy object in named variables only: adjoints are put in as objects, shared and never
    expanded.

    At level `elements` a matrix of the entries, each a scalar; else products of matrices that `.doit()` multiplies out.
    """
    import sympy

    from ..formulas.to_sympy import to_sympy

    known: dict[str, Any] = {}
    for part in d.adjoints.parts:
        dims = part.left.dims if isinstance(part.left, Symbol) else d.paths.variables[part.of].shape
        if level == "elements" and dims:
            grids = [all_entries(p.expr, dims) for p in part.pieces]
            cells = [_sum([to_sympy(g[tuple(i + 1 for i in at)], known) for g in grids]) for at in np.ndindex(*dims)]
            known[part.name] = sympy.ImmutableMatrix(dims[0], dims[1] if len(dims) > 1 else 1, cells)
            continue
        parts = [_as_matrix(to_sympy(p.expr, known), dims) for p in part.pieces]
        if dims:
            zero = sympy.ZeroMatrix(dims[0], dims[1] if len(dims) > 1 else 1)
            known[part.name] = sympy.MatAdd(*parts) if len(parts) > 1 else parts[0] if parts else zero
        else:
            known[part.name] = _sum(parts)
    return known[d.wrt]


def _sum(parts: list[Any]) -> Any:
    import sympy

    parts = [p.as_explicit()[0, 0] if getattr(p, "is_Matrix", False) else p for p in parts]
    return sympy.Add(*parts, evaluate=False) if len(parts) > 1 else parts[0] if parts else sympy.Integer(0)


def _as_matrix(value: Any, dims: tuple[int, ...]) -> Any:
    import sympy

    if dims and not getattr(value, "is_Matrix", False):
        ones = sympy.ImmutableMatrix(sympy.ones(dims[0], dims[1] if len(dims) > 1 else 1))
        return sympy.MatMul(value, ones)
    return value


# -- numbers beside formulas


def with_numbers(d: Gradient, data: Any, form: str, left: bool) -> str:
    """Each summand of level `matrix` with its value, the sum, and the mark of the check: ✓ or ✗."""
    data = d.unrolled.instance(seed=0) if data is None else data  # type: ignore[attr-defined]
    right = facade.certain(d.unrolled, d.wrt, data)
    run = d.unrolled.tried(data)  # type: ignore[attr-defined]
    values = summands(d.adjoints, run)[d.wrt]
    total = sum(values[1:], values[0])
    own = bool(np.allclose(total, run.gradient(d.wrt), rtol=1e-10, atol=1e-12))
    pieces = d.adjoints.parts[-1].pieces
    lead = d.left_side if left else None
    shown = [(p.expr, literal(v)) for p, v in zip(pieces, values)]
    lines = [statement(form, [e for e, _ in shown], lead), statement(form, [x for _, x in shown])]
    lines.append(statement(form, [literal(total)], d.left_side))
    return FORMS[form]().worked(lines, right and own)


def literal(value: Any) -> Expr:
    """Numbers to four digits; a vector as a row that is turned, to save room."""
    array = np.asarray(value, float)
    if array.ndim > 2:  # the examples of a batch, one below the other
        array = array.reshape(-1, array.shape[-1])

    def short(x: float) -> float:
        return float(f"{x:.4g}")

    if not array.ndim:
        return num(short(float(array)))
    if array.ndim == 1:
        return Transpose((len(array), 1), Literal((1, len(array)), (tuple(map(short, array)),)))
    return Literal(array.shape, tuple(tuple(map(short, row)) for row in array))
