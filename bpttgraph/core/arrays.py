"""The rest of the rule table: what NumPy code uses beyond the equations of a lecture.

More elementwise functions, and the operations on whole arrays: indexing and its transpose (adding into zeros),
assignment, joining, permuted axes, running sums, einsum, choice by a mask. Same form as `primitives`: one entry, one
derivative statement.

Axes are negative numbers, counted from the end, so that an entry means the same with further axes in front.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import BPTTError
from .entering import bilinear, dims_of, elementwise, linear
from .graph import Node
from .pointwise import choose, cos, div, log1p_value, quick, ratio, sigmoid, sqrt, square
from .primitive import Primitive, Shape

__all__ = [
    "cast",
    "cumsum",
    "einsum",
    "getitem",
    "join",
    "permute",
    "put",
    "scatter",
    "select",
    "stop_gradient",
]

Key = tuple[Any, ...]


def _shape_by_running(value: Callable[..., Any]) -> Callable[..., Shape]:
    """The shape of a result, from one run on zeros that take no memory."""
    return lambda *shapes, **attrs: tuple(np.shape(value(*[np.broadcast_to(0.0, s) for s in shapes], **attrs)))


# -- elementwise -------------------------------------------------------------------------------------------------------


def _logaddexp_value(a: Any, b: Any) -> Any:
    swap = np.real(a) > np.real(b)
    top, low = np.where(swap, a, b), np.where(swap, b, a)
    infinite = np.isinf(top)  # inf − inf would be nan
    apart = np.where(infinite, 0, low) - np.where(infinite, 0, top)
    return np.where(infinite, top, top + log1p_value(np.exp(apart)))[()]


def _sinc_partial(y: Any, x: Any) -> Any:
    return ratio(cos(np.pi * x) - y, x)  # and 0 at 0


def _mod_partial(y: Any, a: Any, b: Any) -> Any:
    return -floor(div(a, b))


def _within_one(x: Any) -> tuple[Any, bool]:
    return 1.0 - np.abs(x), False


def _finite(x: Any, **_: Any) -> Any:
    return np.isfinite(np.real(x)) * 1.0


expm1 = elementwise(
    "expm1", quick("expm1"), lambda y, x: y + 1.0, numpy="expm1", slope=None, exact=lambda f, x: f.exp(x) - 1
)
log1p = elementwise(
    "log1p",
    log1p_value,
    lambda y, x: 1.0 / (1.0 + x),
    domain=lambda x: (1.0 + x, False),
    numpy="log1p",
    slope=None,
    exact=lambda f, x: f.log(1 + x),
)
log2 = elementwise(
    "log2",
    lambda x: np.log(x) / np.log(2) if np.iscomplexobj(x) else np.log2(x),
    lambda y, x: (1 / float(np.log(2))) / x,
    domain=lambda x: (x, False),
    numpy="log2",
    slope=None,
    exact=lambda f, x: f.log(x) / f.log(2),
)
log10 = elementwise(
    "log10",
    lambda x: np.log(x) / np.log(10) if np.iscomplexobj(x) else np.log10(x),
    lambda y, x: (1 / float(np.log(10))) / x,
    domain=lambda x: (x, False),
    numpy="log10",
    slope=None,
    exact=lambda f, x: f.log(x) / f.log(10),
)
exp2 = elementwise(
    "exp2",
    lambda x: 2.0**x,
    lambda y, x: float(np.log(2)) * y,
    numpy="exp2",
    slope=None,
    exact=lambda f, x: f.exp(x * f.log(2)),
)
tan = elementwise("tan", np.tan, lambda y, x: 1.0 + square(y), numpy="tan", slope=None)
sinh = elementwise(
    "sinh", np.sinh, lambda y, x: cosh(x), numpy="sinh", slope=None, exact=lambda f, x: (f.exp(x) - f.exp(-x)) / 2
)
cosh: Primitive = elementwise(
    "cosh", np.cosh, lambda y, x: sinh(x), numpy="cosh", slope=None, exact=lambda f, x: (f.exp(x) + f.exp(-x)) / 2
)
arcsin = elementwise(
    "arcsin", np.arcsin, lambda y, x: 1.0 / sqrt(1.0 - square(x)), domain=_within_one, numpy="arcsin", slope=None
)
arccos = elementwise(
    "arccos", np.arccos, lambda y, x: -1.0 / sqrt(1.0 - square(x)), domain=_within_one, numpy="arccos", slope=None
)
arctan = elementwise(
    "arctan",
    np.arctan,
    lambda y, x: 1.0 / (1.0 + square(x)),
    word="arctan atan Arctan",
    meaning="inverse tangent",
    numpy="arctan",
    slope=1.0,
    flat=True,
)
arcsinh = elementwise(
    "arcsinh",
    np.arcsinh,
    lambda y, x: 1.0 / sqrt(square(x) + 1.0),
    numpy="arcsinh",
    slope=1.0,
    flat=True,
    exact=lambda f, x: f.log(x + f.sqrt(x * x + 1)),
)
arccosh = elementwise(
    "arccosh",
    np.arccosh,
    lambda y, x: 1.0 / sqrt(square(x) - 1.0),
    domain=lambda x: (x - 1.0, False),
    numpy="arccosh",
    slope=None,
    exact=lambda f, x: f.log(x + f.sqrt(x * x - 1)),
)
arctanh = elementwise(
    "arctanh",
    np.arctanh,
    lambda y, x: 1.0 / (1.0 - square(x)),
    domain=_within_one,
    numpy="arctanh",
    slope=None,
    exact=lambda f, x: (f.log(1 + x) - f.log(1 - x)) / 2,
)
reciprocal = elementwise(
    "reciprocal",
    lambda x: 1.0 / x,
    lambda y, x: -square(y),
    symbol="⁻¹",
    notation="postfix",
    domain=lambda x: (x, True),
    numpy="reciprocal",
    slope=None,
    exact=lambda f, x: 1 / x,
)
sinc = elementwise("sinc", np.sinc, _sinc_partial, slope=1.3703055927694590)
logaddexp = elementwise(
    "logaddexp",
    _logaddexp_value,
    lambda y, a, b: sigmoid(a - b),
    lambda y, a, b: sigmoid(b - a),
    numpy="logaddexp",
    exact=lambda f, a, b: f.log(f.exp(a) + f.exp(b)),
)
arctan2 = elementwise(
    "arctan2",
    lambda a, b: np.arctan(a / b) if np.iscomplexobj(a) or np.iscomplexobj(b) else np.arctan2(a, b),
    lambda y, a, b: b / (square(a) + square(b)),
    lambda y, a, b: -a / (square(a) + square(b)),
    numpy="arctan2",
)
hypot = elementwise(
    "hypot",
    lambda a, b: np.sqrt(a * a + b * b),
    lambda y, a, b: a / y,
    lambda y, a, b: b / y,
    numpy="hypot",
    exact=lambda f, a, b: f.sqrt(a * a + b * b),
)
mod = elementwise(
    "mod",
    np.mod,
    lambda y, a, b: 1.0,
    _mod_partial,
    symbol="mod",
    notation="infix",
    kink=lambda a, b: np.sin(np.pi * a / b),
    analytic=False,
    numpy="remainder",
)
floor = elementwise(
    "floor", lambda x: np.floor(np.real(x)), None, kink=lambda x: np.sin(np.pi * np.real(x)), numpy="floor"
)
ceil = elementwise("ceil", lambda x: np.ceil(np.real(x)), None, kink=lambda x: np.sin(np.pi * np.real(x)), numpy="ceil")
rint = elementwise(
    "rint", lambda x: np.rint(np.real(x)), None, symbol="round", kink=lambda x: np.cos(np.pi * np.real(x)), numpy="rint"
)
trunc = elementwise(
    "trunc", lambda x: np.trunc(np.real(x)), None, kink=lambda x: np.sin(np.pi * np.real(x)), numpy="trunc"
)
nan_to_num = elementwise(
    "nan_to_num",
    lambda x, nan, posinf, neginf: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
    lambda y, x, nan, posinf, neginf: finite(x),
    analytic=False,
    attributes={"nan": None, "posinf": None, "neginf": None},
    slope=1.0,
)
finite: Primitive = elementwise("finite", _finite, None, symbol="1_finite")
stop_gradient = elementwise("stop_gradient", lambda x: x, None, symbol="stop")
# The value of one branch, whatever the other one is; `autodiff` keeps the branch not taken out of the derivative too.
select = elementwise(
    "select", choose, None, lambda y, m, a, b: as_number(m), lambda y, m, a, b: 1.0 - as_number(m), symbol="where"
)
as_number: Primitive = elementwise("as_number", lambda m: np.asarray(m, bool) * 1.0, None, symbol="1")

# -- complex numbers: linear over the reals only. A cotangent g of y pairs with a change v as Re(g·v). -----------------

real: Primitive = linear("real", lambda x: np.real(x), lambda s: s, lambda g, slot, node: real(g), "Re", analytic=False)
imag = linear("imag", lambda x: np.imag(x), lambda s: s, lambda g, slot, node: -1j * real(g), "Im", analytic=False)
conj: Primitive = linear("conj", np.conj, lambda s: s, lambda g, slot, node: conj(g), analytic=False, numpy="conjugate")
# Casts remember where they come from, because the transpose goes back there.
cast: Primitive = linear(
    "cast",
    lambda x, dtype, origin: np.asarray(x).astype(dtype)[()],
    lambda s, dtype, origin: s,
    lambda g, slot, node: cast(g, dtype=node.attrs["origin"], origin=node.attrs["dtype"]),
    notation="hidden",
    analytic=False,
)


# -- rearrangements ----------------------------------------------------------------------------------------------------


def _permute_value(x: Any, order: tuple[int, ...]) -> Any:
    lead = np.ndim(x) - len(order)
    return np.transpose(x, (*range(lead), *(lead + len(order) + i for i in order)))


def _permute_back(g: Any, slot: int, node: Node) -> Any:
    n = len(node.attrs["order"])
    order = [0] * n
    for i, source in enumerate(node.attrs["order"]):
        order[source + n] = i - n
    return permute(g, order=tuple(order))


def _join_value(*parts: Any, axis: int) -> Any:
    rank = max(np.ndim(p) for p in parts)
    lead = (
        np.broadcast_shapes(*[np.shape(p)[: np.ndim(p) + axis] for p in parts])
        if any(np.ndim(p) < rank for p in parts)
        else None
    )
    if lead is not None:
        parts = tuple(np.broadcast_to(p, lead + np.shape(p)[np.ndim(p) + axis :]) for p in parts)
    return np.concatenate(parts, axis=axis)


def _join_back(g: Any, slot: int, node: Node) -> Any:
    axis = node.attrs["axis"]
    start = sum(a.shape[axis] for a in node.args[:slot])
    here = slice(start, start + node.args[slot].shape[axis])
    return getitem(g, key=(..., here, *[slice(None)] * (-axis - 1)))


def _scatter_value(g: Any, key: Key, shape: Shape) -> Any:
    out = np.zeros(shape, np.result_type(g))
    if any(isinstance(k, np.ndarray | list) for k in key):
        np.add.at(out, key, g)
    else:
        out[key] = g
    return out


def _put_value(x: Any, v: Any, key: Key) -> Any:
    out = np.array(x, dtype=np.result_type(np.asarray(x).dtype, np.asarray(v).dtype))
    out[key] = v
    return out


def _put_back(g: Any, slot: int, node: Node) -> Any:
    key = node.attrs["key"]
    if slot == 0:
        return put(g, 0.0, key=key)
    part = getitem(g, key=key)
    if any(isinstance(k, np.ndarray) and k.dtype != bool for k in key):
        # NumPy keeps the last of several values assigned to one place: only that one has a derivative.
        number = np.arange(int(np.prod(dims_of(part)))).reshape(dims_of(part))
        owner = np.zeros(dims_of(g), int)
        owner[key] = number
        part = part * (owner[key] == number).astype(float)
    return part


def _cumsum_value(x: Any, axis: int, reverse: bool) -> Any:
    return np.flip(np.cumsum(np.flip(x, axis), axis=axis), axis) if reverse else np.cumsum(x, axis=axis)


permute = linear("permute", _permute_value, _shape_by_running(_permute_value), _permute_back, "transpose")
join = linear("join", _join_value, _shape_by_running(_join_value), _join_back, "concat", joint=True)
getitem = linear(
    "getitem",
    lambda x, key: x[key],
    _shape_by_running(lambda x, key: x[key]),
    lambda g, slot, node: scatter(g, key=node.attrs["key"], shape=node.args[0].shape),
    "[]",
    "postfix",
)
scatter: Primitive = linear(
    "scatter",
    _scatter_value,
    lambda s, key, shape: shape,
    lambda g, slot, node: getitem(g, key=node.attrs["key"]),
    "place",
)
put = linear("put", _put_value, lambda x, v, key: x, _put_back, "put", joint=True)
cumsum: Primitive = linear(
    "cumsum",
    _cumsum_value,
    lambda s, axis, reverse: s,
    lambda g, slot, node: cumsum(g, axis=node.attrs["axis"], reverse=not node.attrs["reverse"]),
)


# -- einsum: linear in each argument, transposed by exchanging the argument's letters with those of the result ---------


class EveryArgument:
    """A transpose for each slot of an operation with any number of arguments: what a pair is for two."""

    def __init__(self, transpose: Callable[..., Any]):
        self.transpose = transpose

    def __getitem__(self, slot: int) -> Callable[..., Any]:
        return lambda g, *args, **attrs: self.transpose(slot, g, *args, **attrs)


def _letters(taken: str) -> Iterator[str]:
    return (c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in taken)


def _einsum_back(slot: int, g: Any, *args: Any, spec: str) -> Any:
    left, result = spec.split("->")
    terms = left.split(",")
    mine, shape = terms[slot], dims_of(args[slot])
    operands = [(result, g), *((term, a) for i, (term, a) in enumerate(zip(terms, args)) if i != slot)]
    fresh = _letters(spec)
    wanted = ""
    known = set(result).union(*(t for i, t in enumerate(terms) if i != slot))
    for i, letter in enumerate(mine):
        if letter in wanted:  # a diagonal was taken: the transpose places it back
            other = next(fresh)
            operands.append((letter + other, np.eye(shape[i])))
            letter = other
        elif letter not in known:  # summed over: the transpose copies
            operands.append((letter, np.ones(shape[i])))
        wanted += letter
    return einsum(*[a for _, a in operands], spec=",".join(t for t, _ in operands) + "->" + wanted)


def _einsum_value(*args: Any, spec: str) -> Any:
    return np.einsum(spec, *args, optimize=len(args) > 2)


einsum = bilinear("einsum", _einsum_value, _shape_by_running(_einsum_value), None, None)
object.__setattr__(einsum, "rule", EveryArgument(_einsum_back))


def explicit_spec(spec: str, shapes: list[Shape]) -> str:
    """An einsum specification with every letter written out: no ellipsis, and an explicit result.

    >>> explicit_spec("...ij,jk", [(2, 3, 4), (4, 5)])
    'aij,jk->aik'
    """
    spec = spec.replace(" ", "")
    left, arrow, result = spec.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise BPTTError(
            f"einsum {spec!r} names {len(terms)} arguments, but there are {len(shapes)}",
            "write one group of letters for each argument",
        )
    free = list(_letters(spec))
    most = max([len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes) if "..." in t] or [0])
    dots = "".join(free[:most])
    written = []
    for term, shape in zip(terms, shapes):
        if "..." in term:
            many = len(shape) - len(term.replace("...", ""))
            term = term.replace("...", dots[most - many :] if many else "")
        if len(term) != len(shape):
            raise BPTTError(
                f"einsum {spec!r}: {term!r} has {len(term)} letters for an argument of shape {shape}",
                "write one letter for each axis",
            )
        written.append(term)
    if not arrow:
        every = "".join(written)
        result = dots + "".join(sorted({c for c in every if every.count(c) == 1} - set(dots)))
    else:
        result = result.replace("...", dots)
    return ",".join(written) + "->" + result
