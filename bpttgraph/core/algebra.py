"""Linear and bilinear entries of the rule table: sums, copies, products. Each states its transpose."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import BPTTError
from .entering import bilinear, dims_of, elementwise, linear, same_shape, scalar_shape
from .graph import Node
from .primitive import Primitive, Shape

# -- linear: sums, copies and rearrangements ---------------------------------------------------------------------------


def _expand_value(x: Any, shape: Shape, rank: int) -> Any:
    lead = x.shape[: x.ndim - rank] if hasattr(x, "shape") else ()
    core = np.shape(x)[len(lead) :]
    return np.broadcast_to(np.reshape(x, lead + (1,) * (len(shape) - rank) + core), lead + shape)


def _axes(shape: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple(n for i, n in enumerate(shape) if i - len(shape) not in axes)


@lru_cache(1024)
def kept(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """The shape of a sum over `axes` that keeps them, with length 1."""
    return tuple(1 if i - len(shape) in axes else n for i, n in enumerate(shape))


def _sum_transpose(g: Any, slot: int, node: Node) -> Any:
    (x,), axes = node.args, node.attrs["axes"]
    shape = kept(x.shape, axes)
    if (
        isinstance(g, np.ndarray | float) and dims_of(g) == node.shape
    ):  # numbers: filled in less time than a view is described
        return np.full(x.shape, np.reshape(g, shape) if node.shape else g)
    return expand(reshape(g, shape=shape) if shape != dims_of(g) and len(shape) > 1 else g, shape=x.shape)


def _move(x: Any, shape: Shape, rank: int) -> Any:
    return x.reshape(x.shape[: x.ndim - rank] + shape) if isinstance(x, np.ndarray) else np.reshape(x, shape)


def _concat_shape(*shapes: Shape) -> Shape:
    if any(len(s) != len(shapes[0]) or s[1:] != shapes[0][1:] or not s for s in shapes):
        raise BPTTError(f"cannot stack shapes {', '.join(map(str, shapes))}", "stack vectors: [a; b]")
    return (sum(s[0] for s in shapes), *shapes[0][1:])


def _concat_transpose(g: Any, slot: int, node: Node) -> Any:
    start = sum(a.shape[0] for a in node.args[:slot])
    return take(g, start=start, stop=start + node.args[slot].shape[0])


def _concat_value(*xs: Any) -> Any:
    # Parts of a stack may carry the batch or not (a parameter beside a state): bring the leading axes together first.
    lead = np.broadcast_shapes(*[x.shape[:-1] for x in xs])
    return np.concatenate([np.broadcast_to(x, lead + x.shape[-1:]) for x in xs], axis=-1)


def _pad_value(x: Any, before: int, after: int) -> Any:
    return np.pad(x, [(0, 0)] * (np.ndim(x) - 1) + [(before, after)])


def _diagonal_value(x: Any) -> Any:
    return np.diagonal(x, axis1=-2, axis2=-1)


def _swap(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def _batch_sum_value(x: Any, rank: int) -> Any:
    return np.sum(x, axis=-rank - 1)


add = linear(
    "add",
    lambda a, b: a + b,
    same_shape,
    lambda g, slot, node: sum_to(g, node.args[slot]),
    "+",
    "infix",
    joint=True,
    signs=(1, 1),
    neutral=(0, 0),
    numpy="add",
    reason="only the summands that read it count",
)
sub = linear(
    "sub",
    lambda a, b: a - b,
    same_shape,
    lambda g, slot, node: sum_to(-g if slot else g, node.args[slot]),
    "−",
    "infix",
    joint=True,
    signs=(1, -1),
    neutral=(None, 0),
    numpy="subtract",
    reason="only the summands that read it count",
)
neg = linear("neg", lambda x: -x, same_shape, lambda g, slot, node: -g, "−", "prefix", signs=(-1,), numpy="negative")
identity = linear(
    "identity",
    lambda x: x,
    same_shape,
    lambda g, slot, node: g,
    notation="hidden",
    signs=(1,),
    word="identity id",
    meaning="x itself",
    result="same",
    slope=1.0,
)
_expand = linear(
    "expand",
    _expand_value,
    lambda s, shape, rank: shape,
    lambda g, slot, node: sum_to(g, node.args[0]),
    notation="hidden",
)
_sum = linear(
    "sum", lambda x, axes: np.add.reduce(x, axis=axes), lambda s, axes: _axes(s, axes), _sum_transpose, numpy="sum"
)
_reshape = linear(
    "reshape", _move, lambda s, shape, rank: shape, lambda g, slot, node: reshape(g, shape=node.args[0].shape)
)
transposed = linear(
    "transpose", _swap, lambda s: (*s[:-2], s[-1], s[-2]), lambda g, slot, node: transpose(g), "ᵀ", "postfix"
)
concat = linear("concat", _concat_value, _concat_shape, _concat_transpose, joint=True)
take = linear(
    "take",
    lambda x, start, stop: x[..., start:stop],
    lambda s, start, stop: (stop - start,),
    lambda g, slot, node: pad(g, before=node.attrs["start"], after=node.args[0].shape[0] - node.attrs["stop"]),
)
pad: Primitive = linear(
    "pad",
    _pad_value,
    lambda s, before, after: (s[0] + before + after,),
    lambda g, slot, node: take(g, start=node.attrs["before"], stop=g.shape[0] - node.attrs["after"]),
)
diag = linear(
    "diag",
    lambda x: x[..., :, None] * np.eye(x.shape[-1], dtype=x.dtype),
    lambda s: (s[0], s[0]),
    lambda g, slot, node: diagonal(g),
    word="diag",
    meaning="the diagonal matrix of a vector",
    result="diag",
    scalar=identity,
)
diagonal: Primitive = linear(
    "diagonal", _diagonal_value, lambda s: (s[0],), lambda g, slot, node: diag(g), numpy="diag"
)
_batch_sum = linear(
    "batch_sum", _batch_sum_value, lambda s, rank: s, lambda g, slot, node: batch_copy(g, node.args[0]), "Σ_batch"
)
batch_copy: Primitive = linear(
    "batch_copy",
    lambda g, like: g,
    lambda g, like: g,
    lambda g, slot, node: None if slot else batch_sum(g),
    notation="hidden",
)


def expand(x: Any, shape: Shape) -> Any:
    """Broadcast to `shape` (missing axes go in front). Transpose: sum over what was repeated."""
    own = dims_of(x)
    return x if own == shape else _expand(x, shape=shape, rank=len(own))


def reshape(x: Any, shape: Shape) -> Any:
    """The same numbers in another shape."""
    own = dims_of(x)
    return x if own == shape else _reshape(x, shape=shape, rank=len(own))


def transpose(x: Any) -> Any:
    """`x.T`: the last two axes exchanged; vectors and scalars stay as they are."""
    return transposed(x) if len(dims_of(x)) >= 2 else x


def total(x: Any, axes: tuple[int, ...] | None = None) -> Any:
    """The sum over `axes` (negative numbers), by default over all of them."""
    axes = tuple(range(-len(dims_of(x)), 0)) if axes is None else axes
    return _sum(x, axes=axes) if axes else x


def mean(x: Any) -> Any:
    """The mean over all entries."""
    return total(x) / float(np.prod(x.shape)) if x.shape else x


def batch_sum(x: Any) -> Any:
    """The sum over the examples of a batch. A batch of outer products is summed without forming them."""
    if x.op is outer and all(a.batched for a in x.args):
        return batch_outer(*x.args)
    node = _batch_sum(x, rank=len(x.shape))
    node.batched = False
    return node


@lru_cache(1024)
def _repeated(have: Shape, want: Shape) -> tuple[int, ...]:
    """The axes along which broadcasting repeats an array of shape `want` to make one of shape `have`."""
    extra = len(have) - len(want)
    return tuple(i - len(have) for i, n in enumerate(have) if i < extra or (want[i - extra] == 1 and n != 1))


def sum_to(g: Any, target: Any) -> Any:
    """Undo broadcasting: sum `g` over whatever was repeated to bring `target` to the shape of `g` (batch included)."""
    want = target.shape
    if not want and g.__class__ is float:
        return g
    have = dims_of(g)
    if have != want:
        if g.__class__ is np.ndarray and g.size == math.prod(
            want
        ):  # nothing was repeated: they differ in axes of length 1
            return g.reshape(want)
        axes = _repeated(have, want)
        if axes:
            g = reshape(np.add.reduce(g, axis=axes) if g.__class__ is np.ndarray else total(g, axes), shape=want)
    if isinstance(g, Node) and g.batched and not target.batched and not target.is_constant:
        g = batch_sum(g)
    return g


# -- bilinear: products ------------------------------------------------------------------------------------------------


def last(x: Any) -> Any:
    """Numbers that belong to vectors, ready to meet the entries of these vectors: a new last axis of length 1 (none for
    one number)."""
    own = dims_of(x)
    return reshape(x, shape=(*own, 1)) if own else x


def _matvec_value(a: Any, x: Any) -> Any:
    return x @ a.T if a.ndim == 2 else (a @ x[..., None])[..., 0]


def _matmat_value(a: Any, b: Any) -> Any:
    # NumPy's dot hands every product of two matrices to BLAS, `@` not one of a column by a row
    return a.dot(b) if a.ndim == 2 and b.ndim == 2 else a @ b


def _batch_outer_value(a: Any, b: Any) -> Any:
    return np.swapaxes(a, -1, -2) @ b


def _inner(a: Shape, b: Shape, what: str) -> None:
    if a[-1] != (b[-2] if len(b) > 1 else b[-1]):
        raise BPTTError(
            f"cannot multiply {what}: shapes {a} and {b}", f"the inner sizes {a[-1]} and {b[0]} must be equal"
        )


def _matvec_shape(a: Shape, b: Shape) -> Shape:
    _inner(a, b, "matrix by vector")
    return (a[0],)


def _matmat_shape(a: Shape, b: Shape) -> Shape:
    _inner(a, b, "matrix by matrix")
    return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])


def _vecmat_shape(a: Shape, b: Shape) -> Shape:
    _inner(a, b, "row vector by matrix")
    return (b[1],)


_Pair = tuple[Any, Any]
mul = elementwise(
    "mul",
    lambda a, b: a * b,
    lambda y, a, b: b,
    lambda y, a, b: a,
    symbol="∘",
    notation="infix",
    neutral=(1, 1),
    numpy="multiply",
    exact=lambda f, a, b: a * b,
    reason="the other factor stays, as a diagonal matrix",
)
matvec = bilinear(
    "matvec", _matvec_value, _matvec_shape, lambda g, a, x: outer(g, x), lambda g, a, x: vecmat(g, a), "", "infix"
)
vecmat: Primitive = bilinear(
    "vecmat",
    lambda x, a: x @ a if a.ndim == 2 else (x[..., None, :] @ a)[..., 0, :],
    _vecmat_shape,
    lambda g, x, a: matvec(a, g),
    lambda g, x, a: outer(x, g),
    "",
    "infix",
)
matmat: Primitive = bilinear(
    "matmat",
    _matmat_value,
    _matmat_shape,
    lambda g, a, b: matmat(g, transpose(b)),
    lambda g, a, b: matmat(transpose(a), g),
    "",
    "infix",
)
dot = bilinear(
    "dot",
    lambda a, b: np.sum(a * b, axis=-1),
    scalar_shape,
    lambda g, a, b: last(g) * b,
    lambda g, a, b: a * last(g),
    word="dot",
    meaning="Σᵢ xᵢ yᵢ",
    result="pair",
    scalar=mul,
)
outer: Primitive = bilinear(
    "outer",
    lambda a, b: a[..., :, None] * b[..., None, :],
    lambda a, b: (a[0], b[0]),
    lambda g, a, b: matvec(g, b),
    lambda g, a, b: vecmat(a, g),
    word="outer",
    meaning="the matrix xᵢ yⱼ",
    result="outer",
    scalar=mul,
)


def _batch_outer_node(left: bool) -> Callable[..., Any]:
    # g is the same matrix for every example, so each example's factor meets it alone
    return (lambda g, a, b: matvec(g, b)) if left else (lambda g, a, b: vecmat(a, g))


batch_outer = bilinear(
    "batch_outer",
    _batch_outer_value,
    lambda a, b: (a[0], b[0]),
    _batch_outer_node(True),
    _batch_outer_node(False),
    "outer",
    unbatching=True,
)


PRODUCTS = {(2, 1): matvec, (1, 2): vecmat, (2, 2): matmat, (1, 1): dot}


def matmul(a: Any, b: Any) -> Any:
    """`a @ b` for vectors and matrices; with scalars the ordinary product (the all-scalar reading of a lecture's
    equations)."""
    kinds = (len(dims_of(a)), len(dims_of(b)))
    if 0 in kinds:
        return mul(a, b)
    chosen = PRODUCTS.get(kinds)
    if chosen is None:
        raise BPTTError(f"cannot multiply shapes {a.shape} and {b.shape}", "use vectors and matrices")
    return chosen(a, b)
