"""NumPy's functions on Tensors: which rule of the table each one is, or how it is put together from rules.

`np.tanh(x)`, `np.sum(x, axis=0)`, `np.concatenate([a, b])` come here through NumPy's own dispatch. A function that is
not listed is an error that names it: it never gives a silent constant. The functions work on plain arrays too.

* `UFUNCS`: universal functions. `FUNCTIONS`: all others. `METHODS`: what can be written `x.name(…)`.
* `PLAIN`: functions whose result has no derivative by nature (shapes, comparisons, positions); they get the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import arrays as A, primitives as P
from ..errors import BPTTError, nearest
from .tensor import Tensor, _constant, _foreign, _index, _lift, raw, stop_gradient

__all__ = ["FUNCTIONS", "METHODS", "PLAIN", "UFUNCS", "array", "stack", "zeros"]

Shape = tuple[int, ...]


def _shape(x: Any) -> Shape:
    return x.shape if hasattr(x, "shape") else np.shape(x)


def _arrayed(x: Any) -> Any:
    """Lists and tuples, with Tensors in them or not, as one Tensor or array."""
    return array(x) if isinstance(x, list | tuple) else x


def _axes(x: Any, axis: Any) -> tuple[int, ...]:
    """Axes as negative numbers, sorted."""
    n = len(_shape(x))
    if axis is None:
        return tuple(range(-n, 0))
    chosen = axis if isinstance(axis, tuple | list) else (axis,)
    out = []
    for a in chosen:
        a = int(a)
        if not -n <= a < n:
            raise BPTTError(
                f"axis {a} does not exist in shape {_shape(x)}",
                f"axes are 0 to {n - 1}, or -1 for the last" if n else "a scalar has no axes",
            )
        out.append(a if a < 0 else a - n)
    if len(set(out)) < len(out):
        raise BPTTError(f"axis {axis} names one axis twice", "name each axis once")
    return tuple(sorted(out))


def _keep(y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return P.reshape(y, shape=P.kept(_shape(x), axes)) if keepdims else y


def _is_complex(x: Any) -> bool:
    return bool(np.iscomplexobj(raw(x)))


# -- elementwise that need more than a rule ----------------------------------------------------------------------------


def absolute(x: Any) -> Any:
    """|x|; of a complex number its modulus."""
    return P.sqrt(_modulus_squared(x)) if _is_complex(x) else P.absolute(x)


def _modulus_squared(x: Any) -> Any:
    return P.square(A.real(x)) + P.square(A.imag(x)) if _is_complex(x) else P.square(x)


def sigmoid(x: Any) -> Any:
    return P.sigmoid(x)


def _power(a: Any, b: Any) -> Any:
    if isinstance(b, np.ndarray | np.generic) and b.ndim == 0:
        b = b.item()
    return P.power(a, b) if isinstance(a, Tensor) else P.pow_(a, b)


def where(condition: Any, *branches: Any) -> Any:
    """`np.where`. The branch not taken has no influence on the derivative, even where it is infinite."""
    if len(branches) != 2:
        return np.where(raw(condition), *branches)
    return A.select(np.asarray(raw(condition), bool), *[_arrayed(b) for b in branches])


def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if a_min is not None else min, a_max if a_max is not None else max
    if isinstance(low, int | float | None) and isinstance(high, int | float | None):
        return P.clip(x, low=-np.inf if low is None else low, high=np.inf if high is None else high)
    x = x if low is None else P.maximum(x, low)
    return x if high is None else P.minimum(x, high)


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return A.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


# -- sums and their like -----------------------------------------------------------------------------------------------


def sum_(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    x = _arrayed(x)
    axes = _axes(x, axis)
    x = x if dtype is None else astype(x, dtype)
    return _keep(P.total(x, axes), x, axes, keepdims) if axes else x


def mean(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    x = _arrayed(x)
    axes = _axes(x, axis)
    count = int(np.prod([_shape(x)[a] for a in axes]))
    return sum_(x, axis, dtype, keepdims) / float(count)


def var(
    x: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False, correction: Any = None
) -> Any:
    x = _arrayed(x)
    axes = _axes(x, axis)
    count = int(np.prod([_shape(x)[a] for a in axes])) - (ddof if correction is None else correction)
    total = sum_(_modulus_squared(x - mean(x, axis, dtype, True)), axis, None, keepdims)
    if count <= 0:  # NumPy: nan and a warning
        return total * np.nan
    return total / float(count)


def std(
    x: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False, correction: Any = None
) -> Any:
    """The standard deviation; where it is 0 its subgradient 0 is used."""
    x = _arrayed(x)
    axes = _axes(x, axis)
    count = int(np.prod([_shape(x)[a] for a in axes])) - (ddof if correction is None else correction)
    deviation = x - mean(x, axis, dtype, True)
    length = (
        norm(deviation, axis=axes if axis is not None else None, keepdims=keepdims)
        if _shape(x)
        else absolute(deviation)
    )
    return length / float(count) ** 0.5 if count > 0 else length * np.nan


def _to_last(x: Any, axes: tuple[int, ...]) -> Any:
    """The chosen axes, flattened, as the last one."""
    n = len(_shape(x))
    kept = tuple(i for i in range(-n, 0) if i not in axes)
    if kept + axes != tuple(range(-n, 0)):
        x = A.permute(x, order=kept + axes)
    if len(axes) != 1:
        x = P.reshape(x, shape=(*_shape(x)[: len(kept)], int(np.prod(_shape(x)[len(kept) :]))))
    return x


def max_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest entry; entries that tie for it share its derivative evenly."""
    x = _arrayed(x)
    axes = _axes(x, axis)
    if not axes:
        return x
    return _keep(P.largest(_to_last(x, axes)), x, axes, keepdims)


def min_(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return -max_(-_arrayed(x), axis, keepdims)


def prod(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product, as a tree of products: its derivative is right at zeros too."""
    x = _arrayed(x)
    axes = _axes(x, axis)
    if not axes:
        return x
    y = _to_last(x, axes)
    while _shape(y)[-1] > 1:
        half = _shape(y)[-1] // 2
        both = y[..., :half] * y[..., half : 2 * half]
        y = both if _shape(y)[-1] % 2 == 0 else concatenate([both, y[..., -1:]], axis=-1)
    y = y[..., 0] if _shape(y)[-1] else y.sum(-1) + 1.0
    return _keep(y, x, axes, keepdims)


def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    x = _arrayed(x)
    if axis is None:
        x, axis = ravel(x), -1
    return A.cumsum(x, axis=_axes(x, axis)[0], reverse=False)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector norms, and the Frobenius norm. At 0 the subgradient 0 is used."""
    x = _arrayed(x)
    axes = _axes(x, axis)
    if not axes:
        return absolute(x)
    flat = _to_last(absolute(x) if _is_complex(x) else x, axes)
    if ord in (None, 2, "fro") and (len(axes) == 1 or ord != 2):
        y = P.norm(flat)
    elif len(axes) > 1 and not (axis is None and len(_shape(x)) == 1):
        raise BPTTError(
            f"np.linalg.norm with ord={ord!r} of a matrix has no rule here",
            "use the Frobenius norm (ord=None), or choose one axis",
        )
    elif ord == 1:
        y = sum_(absolute(flat), -1)
    elif ord in (np.inf, -np.inf):
        y = max_(absolute(flat), -1) if ord > 0 else min_(absolute(flat), -1)
    elif isinstance(ord, int | float):
        y = sum_(absolute(flat) ** ord, -1) ** (1.0 / ord)
    else:
        raise BPTTError(f"np.linalg.norm with ord={ord!r} has no rule here", "use ord=1, 2, np.inf or None")
    return _keep(y, x, axes, keepdims)


def _along(function: Any, x: Any, axis: int) -> Any:
    """A function of the last axis, along another one."""
    (a,) = _axes(x, axis) or (None,)
    return function(x) if a in (None, -1) else swapaxes(function(swapaxes(x, a, -1)), a, -1)


def softmax(x: Any, axis: int = -1) -> Any:
    return _along(P.softmax, x, axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    return _along(P.log_softmax, x, axis)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    axes = _axes(x, axis)
    return _keep(P.logsumexp(_to_last(x, axes)), x, axes, keepdims) if axes else x


def cross_entropy(logits: Any, target: Any) -> Any:
    """−log softmax(logits)[target] along the last axis, from logits, so that nothing overflows; one number for each
    row.

    `target` is a class for each row, or a distribution shaped like `logits`.
    """
    t = np.asarray(raw(target))
    if t.dtype.kind in "iu" and t.shape == _shape(logits)[:-1]:
        t = np.eye(_shape(logits)[-1])[t]
    if t.shape != _shape(logits):
        raise BPTTError(
            f"cross_entropy: logits {_shape(logits)} and target {t.shape} do not fit",
            f"give classes of shape {_shape(logits)[:-1]} or a distribution of shape {_shape(logits)}",
        )
    return -P.dot(P.log_softmax(logits), t)


# -- products ----------------------------------------------------------------------------------------------------------


def matmul(a: Any, b: Any) -> Any:
    """`a @ b` as NumPy's: vectors, matrices and stacks of matrices."""
    if not (isinstance(a, Tensor) or isinstance(b, Tensor)):
        return P.matmul(a, b)
    a, b = _lift(a), _lift(b)
    n, m = len(a.shape), len(b.shape)
    op = P.PRODUCTS.get((n, m))
    if op is not None:
        return a.record(op, (a, b), {})
    if not n or not m:
        raise BPTTError(
            f"matrix product (@): shapes {a.shape} and {b.shape}: a scalar has no axis to sum over", "write a * b"
        )
    if m == 1:
        return A.einsum(a, b, spec=A.explicit_spec("...i,i", [a.shape, b.shape]))
    if n == 1:
        return A.einsum(a, b, spec=A.explicit_spec("i,...ij", [a.shape, b.shape]))
    return P.matmat(a, b)


def dot(a: Any, b: Any) -> Any:
    a, b = _arrayed(a), _arrayed(b)
    n, m = len(_shape(a)), len(_shape(b))
    if not n or not m:
        return a * b
    return P.matmul(a, b) if n <= 2 and m <= 2 else tensordot(a, b, ((n - 1,), (max(0, m - 2),)))


def inner(a: Any, b: Any) -> Any:
    n, m = len(_shape(a)), len(_shape(b))
    return a * b if not n or not m else tensordot(a, b, ((n - 1,), (m - 1,)))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    n, m = len(_shape(a)), len(_shape(b))
    if isinstance(axes, int):
        axes = (tuple(range(n - axes, n)), tuple(range(axes)))
    left, right = ((x,) if isinstance(x, int) else tuple(x) for x in axes)
    letters = "abcdefghijklmnopqrstuvwxyz"
    first = list(letters[:n])
    second = list(letters[n : n + m])
    for i, j in zip(left, right):
        second[j] = first[i]
    result = [c for c in first if c not in second] + [c for c in second if c not in first]
    return A.einsum(a, b, spec=f"{''.join(first)},{''.join(second)}->{''.join(result)}")


def outer(a: Any, b: Any) -> Any:
    return P.outer(ravel(_arrayed(a)), ravel(_arrayed(b)))


def kron(a: Any, b: Any) -> Any:
    n = max(len(_shape(a)), len(_shape(b)))
    sa, sb = (1,) * (n - len(_shape(a))) + _shape(a), (1,) * (n - len(_shape(b))) + _shape(b)
    left = P.reshape(a, shape=tuple(k for s in sa for k in (s, 1)))
    right = P.reshape(b, shape=tuple(k for s in sb for k in (1, s)))
    return P.reshape(left * right, shape=tuple(s * t for s, t in zip(sa, sb)))


def einsum(*operands: Any, **options: Any) -> Any:
    """`np.einsum` with a specification in letters."""
    options.pop("optimize", None)
    if options or not isinstance(operands[0], str):
        raise BPTTError(
            "np.einsum is supported with a specification in letters only", 'write np.einsum("ij,jk->ik", a, b)'
        )
    spec, *args = operands
    return A.einsum(*args, spec=A.explicit_spec(spec, [_shape(a) for a in args]))


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return sum_(diagonal(x, offset, axis1, axis2), -1)


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = _shape(x)[-2:]
    i = np.arange(max(0, min(rows + min(offset, 0), columns - max(offset, 0))))
    return _index_into(x, (..., i - min(offset, 0), i + max(offset, 0)))


def diag(x: Any, k: int = 0) -> Any:
    if len(_shape(x)) == 1:
        if k == 0:
            return P.diag(x)
        i, n = np.arange(_shape(x)[0]), _shape(x)[0] + abs(k)
        return A.scatter(x, key=(i - min(k, 0), i + max(k, 0)), shape=(n, n))
    return diagonal(x, k)


def _index_into(x: Any, key: Any) -> Any:
    return A.getitem(x, key=_index(key))


# -- rearrangements ----------------------------------------------------------------------------------------------------


def reshape(x: Any, *shape: Any, newshape: Any = None, order: str = "C", **more: Any) -> Any:
    if newshape is not None or "shape" in more:
        shape = (more.get("shape", newshape),)
    wanted = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    if order != "C":
        raise BPTTError("reshape works in C order only", "transpose first: x.T.reshape(...)")
    wanted, size = tuple(int(n) for n in wanted), int(np.prod(_shape(x)))
    if wanted.count(-1) == 1:
        rest = -int(np.prod(wanted))
        if rest and size % rest == 0:
            wanted = tuple(size // rest if n == -1 else n for n in wanted)
    if int(np.prod(wanted)) != size or -1 in wanted:
        raise BPTTError(
            f"reshape: shape {_shape(x)} has {size} entries, which do not fill {wanted}",
            "use -1 for one axis to have it computed",
        )
    return P.reshape(x, shape=wanted)


def ravel(x: Any, order: str = "C") -> Any:
    return P.reshape(x, shape=(int(np.prod(_shape(x))),))


def transpose(x: Any, *axes: Any) -> Any:
    chosen = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list)) else axes or None
    n = len(_shape(x))
    if chosen is None:
        return x.T
    order = tuple(a if a < 0 else a - n for a in chosen)
    if sorted(order) != list(range(-n, 0)):
        raise BPTTError(
            f"transpose: axes {tuple(chosen)} are not an order of the {n} axes of shape {_shape(x)}",
            f"name each of 0 to {n - 1} once",
        )
    return (
        P.transpose(x)
        if n == 2 and order == (-1, -2)
        else x
        if order == tuple(range(-n, 0))
        else A.permute(x, order=order)
    )


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    order = list(range(-len(_shape(x)), 0))
    (a,), (b,) = _axes(x, axis1), _axes(x, axis2)
    order[a], order[b] = order[b], order[a]
    return transpose(x, tuple(order))


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    n = len(_shape(x))
    start, end = ([int(a) % n for a in (v if isinstance(v, tuple | list) else (v,))] for v in (source, destination))
    order = [i for i in range(n) if i not in start]
    for d, s in sorted(zip(end, start)):
        order.insert(d, s)
    return transpose(x, tuple(order))


def squeeze(x: Any, axis: Any = None) -> Any:
    n = len(_shape(x))
    gone = {i - n for i, s in enumerate(_shape(x)) if s == 1} if axis is None else set(_axes(x, axis))
    return reshape(x, tuple(s for i, s in enumerate(_shape(x)) if i - n not in gone))


def expand_dims(x: Any, axis: Any) -> Any:
    return P.reshape(x, shape=np.expand_dims(np.broadcast_to(0, _shape(x)), axis).shape)


def broadcast_to(x: Any, shape: Any) -> Any:
    return P.expand(_lift(x), shape=(shape,) if isinstance(shape, int) else tuple(shape))


def concatenate(arrays: Sequence[Any], axis: Any = 0) -> Any:
    parts = [_arrayed(a) for a in arrays]
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    ranks = {len(_shape(p)) for p in parts}
    if ranks == {0}:
        raise BPTTError("concatenate: scalars have no axis to be joined along", "write np.stack([a, b])")
    if len(ranks) > 1:
        raise BPTTError(
            f"concatenate: shapes {', '.join(str(_shape(p)) for p in parts)} have different numbers of axes",
            "add an axis: x[None]",
        )
    n = ranks.pop()
    if not -n <= axis < n:
        raise BPTTError(
            f"concatenate: axis {axis} does not exist in shape {_shape(parts[0])}", "np.stack joins along a new axis"
        )
    return P.concat(*parts) if n == 1 else A.join(*parts, axis=axis if axis < 0 else axis - n)


def stack(arrays: Any, axis: int = 0) -> Any:
    """Join Tensors of one shape along a new axis."""
    parts = [_arrayed(a) for a in arrays]
    shapes = [_shape(p) for p in parts]
    if len(set(shapes)) > 1:
        raise BPTTError(
            f"stack: shapes {', '.join(map(str, shapes))} differ",
            "np.concatenate joins along an axis that is already there",
        )
    return concatenate([expand_dims(p, axis) for p in parts], axis)


def _at_least(n: int) -> Callable[[Any], Any]:
    return lambda x: x if len(_shape(x)) >= n else P.reshape(x, shape=(1,) * (n - len(_shape(x))) + _shape(x))


def vstack(arrays: Any) -> Any:
    return concatenate([_at_least(2)(_arrayed(a)) for a in arrays], 0)


def hstack(arrays: Any) -> Any:
    parts = [_at_least(1)(_arrayed(a)) for a in arrays]
    return concatenate(parts, 0 if len(_shape(parts[0])) == 1 else 1)


def column_stack(arrays: Any) -> Any:
    return concatenate(
        [a if len(_shape(a)) > 1 else P.reshape(a, shape=(*_shape(a), 1)) for a in map(_arrayed, arrays)], 1
    )


def split(x: Any, sections: Any, axis: int = 0) -> list[Any]:
    (a,) = _axes(x, axis)
    n = _shape(x)[a]
    if isinstance(sections, int):
        if n % sections:
            raise BPTTError(
                f"split: axis {axis} of shape {_shape(x)} does not divide into {sections} equal parts",
                "use np.array_split, or give the borders",
            )
        borders = [n // sections * i for i in range(1, sections)]
    else:
        borders = list(sections)
    return [_slice(x, a, s, e) for s, e in zip([0, *borders], [*borders, n])]


def array_split(x: Any, sections: Any, axis: int = 0) -> list[Any]:
    if isinstance(sections, int):
        n, extra = divmod(_shape(x)[axis], sections)
        sections = list(np.cumsum([n + 1] * extra + [n] * (sections - extra))[:-1])
    return split(x, [int(s) for s in sections], axis)


def _slice(x: Any, axis: int, start: Any, stop: Any, step: Any = None) -> Any:
    return _index_into(x, (..., slice(start, stop, step), *[slice(None)] * (-axis - 1)))


def append(x: Any, values: Any, axis: Any = None) -> Any:
    x, values = _arrayed(x), _arrayed(values)
    return concatenate([ravel(x), ravel(values)], 0) if axis is None else concatenate([x, values], axis)


def repeat(x: Any, repeats: Any, axis: Any = None) -> Any:
    if axis is None:
        x, axis = ravel(x), 0
    return take(x, np.repeat(np.arange(_shape(x)[axis]), repeats), axis)


def take(x: Any, indices: Any, axis: Any = None) -> Any:
    if axis is None:
        x, axis = ravel(x), 0
    (a,) = _axes(x, axis)
    return _index_into(x, (..., np.asarray(indices), *[slice(None)] * (-a - 1)))


def tile(x: Any, reps: Any) -> Any:
    reps = (reps,) if isinstance(reps, int) else tuple(reps)
    n = max(len(reps), len(_shape(x)))
    reps, shape = (1,) * (n - len(reps)) + reps, (1,) * (n - len(_shape(x))) + _shape(x)
    spread = P.reshape(x, shape=tuple(k for s in shape for k in (1, s)))
    spread = P.expand(spread, shape=tuple(k for r, s in zip(reps, shape) for k in (r, s)))
    return P.reshape(spread, shape=tuple(r * s for r, s in zip(reps, shape)))


def flip(x: Any, axis: Any = None) -> Any:
    axes = _axes(x, axis)
    return _index_into(x, tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(-len(_shape(x)), 0)))


def roll(x: Any, shift: int, axis: Any = None) -> Any:
    if axis is None:
        return P.reshape(roll(ravel(x), shift, 0), shape=_shape(x))
    n = _shape(x)[axis]
    return take(x, (np.arange(n) - shift) % n, axis)


def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    for _ in range(k % 4):
        x = flip(swapaxes(x, *axes), axes[0])
    return x


def sort(x: Any, axis: Any = -1) -> Any:
    if axis is None:
        x, axis = ravel(x), -1
    return take_along_axis(x, np.argsort(raw(x), axis=axis, kind="stable"), axis)


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    (a,) = _axes(x, axis)
    grid: list[Any] = list(np.indices(np.shape(indices), sparse=True))
    grid[a] = np.asarray(raw(indices))
    return _index_into(x, tuple(grid))


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant" or np.any(np.asarray(constant_values) != 0):
        raise BPTTError(f"np.pad with mode={mode!r} has no rule here", "pad with zeros, or use np.concatenate")
    widths = np.broadcast_to(np.asarray(pad_width), (len(_shape(x)), 2))
    key = tuple(slice(int(b), int(b) + n) for (b, _), n in zip(widths, _shape(x)))
    return A.scatter(x, key=key, shape=tuple(int(n + b + e) for (b, e), n in zip(widths, _shape(x))))


def triu(x: Any, k: int = 0) -> Any:
    return x * np.triu(np.ones(_shape(x)[-2:]), k)


def tril(x: Any, k: int = 0) -> Any:
    return x * np.tril(np.ones(_shape(x)[-2:]), k)


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    (a,) = _axes(x, axis)
    for _ in range(n):
        x = _slice(x, a, 1, None) - _slice(x, a, None, -1)
    return x


def gradient(x: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    if edge_order != 1 or any(np.ndim(s) for s in spacing):
        raise BPTTError("np.gradient is supported with even spacing and edge_order=1 only", "use np.diff")
    axes = [
        a - len(_shape(x)) if a >= 0 else a
        for a in (range(len(_shape(x))) if axis is None else (axis,) if isinstance(axis, int) else axis)
    ]
    steps = list(spacing) * (len(axes) if len(spacing) == 1 else 1) or [1.0] * len(axes)
    found = []
    for a, h in zip(axes, steps):
        first = (_slice(x, a, 1, 2) - _slice(x, a, 0, 1)) / h
        inside = (_slice(x, a, 2, None) - _slice(x, a, None, -2)) / (2.0 * h)
        final = (_slice(x, a, -1, None) - _slice(x, a, -2, -1)) / h
        found.append(concatenate([first, inside, final], a))
    return found[0] if len(found) == 1 else found


def linspace(start: Any, stop: Any, num: int = 50) -> Any:
    steps = np.linspace(0.0, 1.0, num).reshape(-1, *[1] * max(len(_shape(start)), len(_shape(stop))))
    return start * (1.0 - steps) + stop * steps


def astype(x: Any, dtype: Any, **_: Any) -> Any:
    """Another floating type, recorded; to integers or booleans there is no derivative, and the result is a plain
    array."""
    kind = np.dtype(dtype)
    if kind.kind not in "fc":
        return np.asarray(raw(x)).astype(kind)
    origin = np.asarray(raw(x)).dtype
    return x if kind == origin else A.cast(x, dtype=kind, origin=origin)


# -- making Tensors ----------------------------------------------------------------------------------------------------


def array(data: Any, dtype: Any = None, **_: Any) -> Any:
    """Nested lists of numbers and Tensors as one Tensor; without a Tensor in them, a plain array."""
    if isinstance(data, Tensor):
        return data if dtype is None else astype(data, dtype)
    if isinstance(data, list | tuple):
        parts = [array(d) for d in data]
        if any(isinstance(p, Tensor) for p in parts):
            made = stack(parts)
            return made if dtype is None else astype(made, dtype)
    return np.array(data, dtype=dtype)


def zeros(shape: Any, dtype: Any = float) -> Tensor:
    """A Tensor of zeros, to be filled by assignment: `h = bg.zeros((N, T, H)); h[:, t] = …`."""
    return _constant(np.zeros(shape, dtype))


def _filled(maker: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: _fillable(maker(*[raw(a) for a in args], **{k: raw(v) for k, v in kwargs.items()}))


def _fillable(value: Any) -> Any:
    return _constant(value) if np.asarray(value).dtype.kind in "fc" else value


def full_like(x: Any, fill_value: Any, dtype: Any = None, shape: Any = None, **_: Any) -> Any:
    like = np.zeros_like(raw(x), dtype=dtype, shape=shape)
    return (
        broadcast_to(fill_value, like.shape)
        if isinstance(fill_value, Tensor)
        else _fillable(np.full_like(like, fill_value))
    )


def copy(x: Any, **_: Any) -> Any:
    return P.identity(x)


# -- the tables --------------------------------------------------------------------------------------------------------

UFUNCS: dict[Any, Callable[..., Any]] = {
    np.add: P.add,
    np.subtract: P.sub,
    np.multiply: P.mul,
    np.divide: P.div,
    np.negative: P.neg,
    np.positive: lambda x: x,
    np.matmul: matmul,
    np.power: _power,
    np.float_power: _power,
    np.square: P.square,
    np.sqrt: P.sqrt,
    np.reciprocal: A.reciprocal,
    np.absolute: absolute,
    np.fabs: absolute,
    np.sign: P.sign,
    np.maximum: P.maximum,
    np.minimum: P.minimum,
    np.fmax: P.maximum,
    np.fmin: P.minimum,
    np.exp: P.exp,
    np.exp2: A.exp2,
    np.expm1: A.expm1,
    np.log: P.log,
    np.log2: A.log2,
    np.log10: A.log10,
    np.log1p: A.log1p,
    np.logaddexp: A.logaddexp,
    np.tanh: P.tanh,
    np.sinh: A.sinh,
    np.cosh: A.cosh,
    np.sin: P.sin,
    np.cos: P.cos,
    np.tan: A.tan,
    np.arcsin: A.arcsin,
    np.arccos: A.arccos,
    np.arctan: A.arctan,
    np.arcsinh: A.arcsinh,
    np.arccosh: A.arccosh,
    np.arctanh: A.arctanh,
    np.arctan2: A.arctan2,
    np.hypot: A.hypot,
    np.remainder: A.mod,
    np.conjugate: A.conj,
    np.deg2rad: lambda x: x * (np.pi / 180),
    np.radians: lambda x: x * (np.pi / 180),
    np.rad2deg: lambda x: x * (180 / np.pi),
    np.degrees: lambda x: x * (180 / np.pi),
    np.floor: A.floor,
    np.ceil: A.ceil,
    np.rint: A.rint,
    np.trunc: A.trunc,
    np.heaviside: lambda x, half: A.select(raw(x) == 0, half, P.step(x)),
}

_REDUCTIONS: dict[Any, Callable[..., Any]] = {np.add: sum_, np.multiply: prod, np.maximum: max_, np.minimum: min_}

_PLAIN_UFUNCS = {
    np.less,
    np.less_equal,
    np.greater,
    np.greater_equal,
    np.equal,
    np.not_equal,
    np.isfinite,
    np.isinf,
    np.isnan,
    np.signbit,
    np.logical_and,
    np.logical_or,
    np.logical_not,
    np.logical_xor,
    np.floor_divide,
}

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: sum_,
    np.mean: mean,
    np.average: mean,
    np.var: var,
    np.std: std,
    np.max: max_,
    np.min: min_,
    np.amax: max_,
    np.amin: min_,
    np.prod: prod,
    np.cumsum: cumsum,
    np.linalg.norm: norm,
    np.where: where,
    np.clip: clip,
    np.nan_to_num: nan_to_num,
    np.dot: dot,
    np.vdot: lambda a, b: dot(ravel(A.conj(a)), ravel(b)),
    np.inner: inner,
    np.outer: outer,
    np.kron: kron,
    np.tensordot: tensordot,
    np.einsum: einsum,
    np.trace: trace,
    np.diagonal: diagonal,
    np.diag: diag,
    np.reshape: reshape,
    np.ravel: ravel,
    np.transpose: transpose,
    np.swapaxes: swapaxes,
    np.moveaxis: moveaxis,
    np.squeeze: squeeze,
    np.expand_dims: expand_dims,
    np.broadcast_to: broadcast_to,
    np.concatenate: concatenate,
    np.stack: stack,
    np.vstack: vstack,
    np.hstack: hstack,
    np.column_stack: column_stack,
    np.split: split,
    np.array_split: array_split,
    np.hsplit: lambda x, s: split(x, s, 1 if len(_shape(x)) > 1 else 0),
    np.vsplit: lambda x, s: split(x, s, 0),
    np.append: append,
    np.repeat: repeat,
    np.take: take,
    np.tile: tile,
    np.flip: flip,
    np.flipud: lambda x: flip(x, 0),
    np.fliplr: lambda x: flip(x, 1),
    np.roll: roll,
    np.rot90: rot90,
    np.sort: sort,
    np.take_along_axis: take_along_axis,
    np.pad: pad,
    np.triu: triu,
    np.tril: tril,
    np.diff: diff,
    np.gradient: gradient,
    np.linspace: linspace,
    np.real: A.real,
    np.imag: A.imag,
    np.sinc: A.sinc,
    np.copy: copy,
    np.atleast_1d: _at_least(1),
    np.atleast_2d: _at_least(2),
    np.zeros_like: _filled(np.zeros_like),
    np.ones_like: _filled(np.ones_like),
    np.empty_like: _filled(np.zeros_like),
    np.full_like: full_like,
    np.zeros: _filled(np.zeros),
    np.ones: _filled(np.ones),
    np.empty: _filled(np.zeros),
    np.eye: _filled(np.eye),
    np.identity: _filled(np.identity),
    np.full: lambda shape, fill_value, **k: full_like(np.zeros(shape), fill_value),
    np.array: array,
    np.asarray: array,
    np.square: P.square,
    np.round: lambda x, decimals=0: A.rint(x * 10.0**decimals) / 10.0**decimals,
}

PLAIN = {
    np.shape,
    np.ndim,
    np.size,
    np.argmax,
    np.argmin,
    np.argsort,
    np.nonzero,
    np.flatnonzero,
    np.argwhere,
    np.count_nonzero,
    np.any,
    np.all,
    np.allclose,
    np.isclose,
    np.array_equal,
    np.array_equiv,
    np.searchsorted,
    np.iscomplexobj,
    np.isrealobj,
    np.result_type,
    np.may_share_memory,
    np.array_repr,
    np.array_str,
    np.array2string,
    np.iscomplex,
    np.isreal,
    np.isneginf,
    np.isposinf,
    np.unravel_index,
    np.common_type,
    np.shares_memory,
}

METHODS: dict[str, Callable[..., Any]] = {
    "sum": sum_,
    "mean": mean,
    "var": var,
    "std": std,
    "max": max_,
    "min": min_,
    "prod": prod,
    "cumsum": cumsum,
    "norm": norm,
    "reshape": reshape,
    "ravel": ravel,
    "flatten": ravel,
    "transpose": transpose,
    "swapaxes": swapaxes,
    "squeeze": squeeze,
    "repeat": repeat,
    "dot": dot,
    "trace": trace,
    "diagonal": diagonal,
    "take": take,
    "clip": clip,
    "astype": astype,
    "copy": copy,
    "conj": A.conj,
    "round": FUNCTIONS[np.round],
    "argmax": lambda x, *a, **k: np.argmax(x.data, *a, **k),
    "argmin": lambda x, *a, **k: np.argmin(x.data, *a, **k),
    "argsort": lambda x, *a, **k: np.argsort(x.data, *a, **k),
    "tolist": lambda x: np.asarray(x.data).tolist(),
    "all": lambda x, *a, **k: np.all(x.data, *a, **k),
    "any": lambda x, *a, **k: np.any(x.data, *a, **k),
    "tanh": P.tanh,
    "sigmoid": P.sigmoid,
    "relu": P.relu,
    "leaky_relu": P.leaky_relu,
    "elu": P.elu,
    "silu": P.silu,
    "gelu": P.gelu,
    "gelu_tanh": P.gelu_tanh,
    "erf": P.erf,
    "softplus": P.softplus,
    "exp": P.exp,
    "log": P.log,
    "log1p": A.log1p,
    "expm1": A.expm1,
    "sqrt": P.sqrt,
    "square": P.square,
    "sin": P.sin,
    "cos": P.cos,
    "abs": absolute,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
    "pow": _power,
    "stop_gradient": stop_gradient,
    "view": reshape,
}


def call_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    """What NumPy asks for when a universal function meets a Tensor."""
    for x in inputs:
        if _foreign(x):
            return NotImplemented
    if method == "__call__" and not options and ufunc in UFUNCS:
        return UFUNCS[ufunc](*inputs)
    out = options.pop("out", None)
    if out is not None and any(o is not None for o in (out if isinstance(out, tuple) else (out,))):
        raise BPTTError(
            f"np.{ufunc.__name__} with out= writes into an array, which cannot be recorded",
            f"write y = np.{ufunc.__name__}(...)",
        )
    options.pop("dtype", None)
    if method == "__call__" and not options:
        if ufunc in UFUNCS:  # what was given were options without a meaning
            return UFUNCS[ufunc](*inputs)
        if ufunc in _PLAIN_UFUNCS:
            return ufunc(*[raw(x) for x in inputs])
    if method == "reduce" and ufunc in _REDUCTIONS:
        options = {"axis": 0, **{k: v for k, v in options.items() if k in ("axis", "keepdims")}}
        return _REDUCTIONS[ufunc](*inputs, **options)
    if method == "outer" and ufunc is np.multiply:
        return tensordot(inputs[0], inputs[1], 0)
    name = (
        f"np.{ufunc.__name__}"
        + ("" if method == "__call__" else f".{method}")
        + (f" with {', '.join(options)}=" if options else "")
    )
    raise _no_rule(name, ufunc.__name__)


def call_function(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What NumPy asks for when any other function meets a Tensor."""
    implementation = FUNCTIONS.get(function)
    given = {k: v for k, v in kwargs.items() if not (k == "out" and v is None) and v is not np._NoValue}
    if implementation is None:
        if function in PLAIN:
            return function(*[raw(a) for a in args], **{k: raw(v) for k, v in given.items()})
        raise _no_rule(_function_name(function), function.__name__)
    if given.get("out") is not None:
        name = _function_name(function)
        raise BPTTError(f"{name} with out= writes into an array, which cannot be recorded", f"write y = {name}(...)")
    try:
        return implementation(*args, **given)
    except TypeError as error:
        if "argument" in str(error) and "unexpected" in str(error):
            word = str(error).rpartition(" ")[2].strip("'")
            raise BPTTError(
                f"{_function_name(function)} does not support the option {word} on Tensors",
                "leave it out, or write it with other functions",
            ) from None
        raise


def _function_name(function: Any) -> str:
    return f"{getattr(function, '__module__', None) or 'numpy'}.{function.__name__}".replace("numpy", "np", 1)


def _no_rule(name: str, short: str) -> BPTTError:
    known = sorted({f.__name__ for f in UFUNCS} | {f.__name__ for f in FUNCTIONS})
    close = nearest(short, known).removeprefix("there is ")
    return BPTTError(
        f"{name} has no derivative rule here, so it cannot be applied to a Tensor",
        ("write it with operations that have one" if "did you mean" not in close else close)
        + "; bg.primitive adds one; x.data gives plain numbers",
    )


def unknown_method(name: str) -> AttributeError:
    known = [
        *METHODS,
        "data",
        "grad",
        "backward",
        "detach",
        "item",
        "T",
        "shape",
        "ndim",
        "size",
        "dtype",
        "name",
        "numpy",
    ]
    return AttributeError(f"a Tensor has no attribute {name!r}\n  hint: {nearest(name, known)}")
