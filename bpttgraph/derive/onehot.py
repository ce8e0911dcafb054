"""One-hot inputs and class targets: W x is a column of W, and δ xᵀ adds δ to one column of the gradient.

The equations stay as they are; that a name holds unit vectors is said when deriving (`onehot=("x", "target")`), and a
formula is rewritten with e_x, the unit vector of the class x, in the place of x. The code then takes class numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.variables import Variable
from ..errors import BPTTError, expect, nearest
from ..formulas.nodes import Column, Expr, Num, Product, Symbol, Unit

__all__ = ["checked_classes", "classes_in", "in_classes"]


def checked_classes(onehot: str | Iterable[str], variables: Mapping[str, Variable]) -> frozenset[str]:
    """The names that hold one-hot vectors; a text is one name, or several with commas.

    Raises:
        BPTTError: for a name that is no input or target, or no vector.
    """
    if not isinstance(onehot, Iterable):
        raise BPTTError(f"onehot={onehot!r} is no list of names", 'write onehot="x", or "x, target"')
    names = [n.strip() for n in onehot.split(",") if n.strip()] if isinstance(onehot, str) else list(onehot)
    known = {v.base: v for v in variables.values() if v.role in ("input", "target")}
    for name in names:
        expect(name, str, "a name in onehot", 'write onehot="x", or "x, target"')
        if name not in known:
            raise BPTTError(
                f"onehot: there is no input or target {name}",
                nearest(name, list(known)) if known else "leave onehot out",
            )
        if len(known[name].shape) != 1:
            raise BPTTError(f"onehot: {name} is no vector here", f'give it a size: sizes={{"{name}": 5}}')
    return frozenset(names)


def classes_in(data: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """An instance whose `names` hold one-hot vectors: a 1 where each vector is largest. Numbers of classes stay as they
    are.

    >>> classes_in({"x": np.array([[0.2, 0.7], [0.5, -0.1]])}, ["x"])["x"].tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    made = dict(data)
    for name in names:
        value = np.asarray(made[name])
        if value.dtype.kind == "f":
            made[name] = np.eye(value.shape[-1])[value.argmax(axis=-1)]
    return made


def in_classes(e: Any, names: Collection[str]) -> Any:
    """The formula with unit vectors in the place of what is one-hot, and a matrix times one as a column.

    >>> from bpttgraph.formulas.expr import outer, product, symbol
    >>> from bpttgraph.formulas.printers import to_text
    >>> W, d, x = symbol("W", (3, 5)), symbol("δ[t]", (3,)), symbol("x[t]", (5,))
    >>> to_text(in_classes(product(W, x), {"x"})), to_text(in_classes(outer(d, x), {"x"}))
    ('W[:, xₜ]', 'δₜ 𝐞(xₜ)ᵀ')
    """
    if not names:
        return e
    if isinstance(e, tuple):
        return tuple(in_classes(x, names) for x in e)
    if isinstance(e, Symbol):
        return Unit(e.shape, e) if e.name.partition("[")[0] in names else e
    if not isinstance(e, Expr) or isinstance(e, Num):
        return e
    e = e.mapped(lambda x: in_classes(x, names))
    return _columns(e) if isinstance(e, Product) else e


def _columns(e: Product) -> Expr:
    factors: list[Expr] = []
    for f in e.factors:
        if isinstance(f, Unit) and factors and factors[-1].shape and factors[-1].shape[0] > 1 < factors[-1].shape[1]:
            matrix = factors.pop()
            factors.append(Column((matrix.shape[0], 1), matrix, f.arg))
        else:
            factors.append(f)
    return factors[0] if len(factors) == 1 else replace(e, factors=tuple(factors))
