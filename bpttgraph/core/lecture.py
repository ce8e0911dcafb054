"""The rule table: one entry an operation, with its value, its derivative, its shape and how it prints.

Each entry states its derivative **once**, in the form that fits its kind:

* **elementwise**: the partial derivative by each argument, written with the output `y` and the inputs (`1 - y²` for
  tanh);
* **linear**: the transpose of the operation (broadcasting and summing are each other's transpose);
* **bilinear** (`W @ h`, outer product): the transpose in each argument with the other held fixed;
* **own**: the tangent, the effect of a small change `t` of one argument, written with the kinds above (softmax: `y∘t −
  y(yᵀt)`).

From that one statement `autodiff` builds the VJP (reverse mode), the JVP (forward mode) and, read as a matrix, the
local Jacobian that the derivations print. Rules are written with primitives, so a derivative is again a graph.

Values work on arrays whose *last* axes are the shape of one example, with any number of axes in front (a batch, or a
stack of seeds), and on complex numbers wherever the function is analytic (the complex-step check needs that; kinks
decide by the real part).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import BPTTError
from . import special
from .graph import Node
from .primitive import OPERATIONS, READINGS, TABLE, Bilinear, Elementwise, Linear, Own, Primitive, Shape, entered

__all__ = ["TABLE", "Primitive", "abstract_function", "matmul", "sum_to"]


# -- shapes ------------------------------------------------------------------------------------------------------------


def _same(*shapes: Shape, **_: Any) -> Shape:
    if shapes.count(shapes[0]) == len(shapes):  # the usual case, and much faster
        return shapes[0]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        named = " and ".join(map(str, shapes))
        raise BPTTError(
            f"shapes {named} do not fit together elementwise", "make them equal, or one of them a scalar"
        ) from None


def _dims(x: Any) -> Shape:
    """The shape of a node, an array or a Python number."""
    return x.shape if hasattr(x, "shape") else ()


def _scalar(*shapes: Shape, **_: Any) -> Shape:
    if len(shapes) == 2 and shapes[0] != shapes[1]:
        raise BPTTError(f"shapes {shapes[0]} and {shapes[1]} must be equal here", "compare vectors of one length")
    return shapes[0][:-1]


def _first(shape: Shape, *_: Shape, **__: Any) -> Shape:
    return shape


# -- how the kinds are entered -----------------------------------------------------------------------------------------


def _entry(kind: type[Primitive], name: str, value: Any, shape: Any, rule: Any, symbol: str, more: Any) -> Primitive:
    """A new entry; `more` are fields of `Primitive`, and readings by their own names."""
    readings = {k: more.pop(k) for k in READINGS if k in more}
    return entered(kind(name, value, shape, rule, symbol or name, readings=readings, **more))


def elementwise(name: str, value: Any, *partials: Any, symbol: str = "", **more: Any) -> Primitive:
    return _entry(Elementwise, name, value, _same, partials, symbol, more)


def linear(
    name: str, value: Any, shape: Any, transpose: Any, symbol: str = "", notation: str = "call", **more: Any
) -> Primitive:
    return _entry(Linear, name, value, shape, transpose, symbol, more | {"notation": notation})


def bilinear(
    name: str, value: Any, shape: Any, left: Any, right: Any, symbol: str = "", notation: str = "call", **more: Any
) -> Primitive:
    return _entry(Bilinear, name, value, shape, (left, right), symbol, more | {"notation": notation})


def own(name: str, value: Any, shape: Any, tangent: Any, symbol: str = "", **more: Any) -> Primitive:
    return _entry(Own, name, value, shape, tangent, symbol, more)


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
        isinstance(g, np.ndarray | float) and _dims(g) == node.shape
    ):  # numbers: filled in less time than a view is described
        return np.full(x.shape, np.reshape(g, shape) if node.shape else g)
    return expand(reshape(g, shape=shape) if shape != _dims(g) and len(shape) > 1 else g, shape=x.shape)


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
    _same,
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
    _same,
    lambda g, slot, node: sum_to(-g if slot else g, node.args[slot]),
    "−",
    "infix",
    joint=True,
    signs=(1, -1),
    neutral=(None, 0),
    numpy="subtract",
    reason="only the summands that read it count",
)
neg = linear("neg", lambda x: -x, _same, lambda g, slot, node: -g, "−", "prefix", signs=(-1,), numpy="negative")
identity = linear(
    "identity",
    lambda x: x,
    _same,
    lambda g, slot, node: g,
    notation="hidden",
    signs=(1,),
    word="identity id",
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
    own = _dims(x)
    return x if own == shape else _expand(x, shape=shape, rank=len(own))


def reshape(x: Any, shape: Shape) -> Any:
    """The same numbers in another shape."""
    own = _dims(x)
    return x if own == shape else _reshape(x, shape=shape, rank=len(own))


def transpose(x: Any) -> Any:
    """`x.T`: the last two axes exchanged; vectors and scalars stay as they are."""
    return transposed(x) if len(_dims(x)) >= 2 else x


def total(x: Any, axes: tuple[int, ...] | None = None) -> Any:
    """The sum over `axes` (negative numbers), by default over all of them."""
    axes = tuple(range(-len(_dims(x)), 0)) if axes is None else axes
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
    have = _dims(g)
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
    own = _dims(x)
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
    _scalar,
    lambda g, a, b: last(g) * b,
    lambda g, a, b: a * last(g),
    word="dot",
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
    kinds = (len(_dims(a)), len(_dims(b)))
    if 0 in kinds:
        return mul(a, b)
    chosen = PRODUCTS.get(kinds)
    if chosen is None:
        raise BPTTError(f"cannot multiply shapes {a.shape} and {b.shape}", "use vectors and matrices")
    return chosen(a, b)


# -- elementwise -------------------------------------------------------------------------------------------------------


def _quick(name: str) -> Callable[[Any], Any]:
    """A function of `math` for Python numbers, ten times as fast; NumPy's for arrays and outside the domain (nan, inf,
    a warning)."""
    of_number, of_array = getattr(math, name), getattr(np, name)

    def value(x: Any) -> Any:
        if type(x) is float:
            try:
                return of_number(x)
            except (ValueError, OverflowError):
                pass
        return of_array(x)

    return value


def log1p_value(z: Any) -> Any:
    """log(1 + z), also of complex numbers near 0, where NumPy takes the logarithm of |1 + z|, which has lost z's
    digits."""
    if not np.iscomplexobj(z):
        return _quick("log1p")(z)
    a, b = np.real(z), np.imag(z)
    small = np.abs(a) < 0.5
    close = 0.5 * np.log1p(np.where(small, a * (2 + a) + b * b, 0.0)) + 1j * np.arctan2(b, 1 + a)
    return np.where(small, close, np.log1p(z))[()]


def _choose(condition: Any, a: Any, b: Any) -> Any:
    chosen: Any = np.where(condition, a, b)
    return chosen[()]  # a number for numbers


def _positive(x: Any) -> Any:
    return np.real(x) > 0


def _relu_value(x: Any) -> Any:
    return (x if x > 0 or x != x else 0.0) if type(x) is float else np.where(_positive(x) | np.isnan(x), x, 0 * x)


def _divide_value(a: Any, b: Any) -> Any:
    try:
        return a / b
    except ZeroDivisionError:
        return np.true_divide(a, b)


def _pow_value(a: Any, b: Any) -> Any:
    try:
        y = a**b
    except (ZeroDivisionError, OverflowError):
        return np.power(float(a), b)
    return np.nan if type(y) is complex and type(a) is float and type(b) is not complex else y


def _step_value(x: Any) -> Any:
    if type(x) is float:
        return 1.0 if x > 0 else 0.0
    return _positive(x).astype(np.real(x).dtype) if hasattr(x, "dtype") else float(np.real(x) > 0)


def _above_value(a: Any, b: Any) -> Any:
    a, b = np.real(a), np.real(b)
    return (np.asarray(a > b, np.result_type(a, b, np.float32)) + 0.5 * (a == b))[()]


def _sigmoid_value(x: Any) -> Any:
    if type(x) is float:
        return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))
    up = _positive(x)
    e = np.exp(np.where(up, -x, x))  # never overflows
    return np.where(up, 1 / (1 + e), e / (1 + e))[()]


def _softplus_value(x: Any) -> Any:
    up = _positive(x)
    return (log1p_value(np.exp(np.where(up, -x, x))) + np.where(up, x, 0 * x))[()]


def _ratio_value(a: Any, b: Any) -> Any:
    zero = a == 0
    return np.where(zero, 0 * a, a / np.where(zero & (b == 0), 1, b))[()]


def _elu_value(x: Any, alpha: float = 1.0) -> Any:
    return np.where(_positive(x), x, alpha * np.expm1(np.where(_positive(x), 0 * x, x)))


def _above_zero(x: Any) -> tuple[Any, bool]:
    return x, False


def _power_domain(x: Any, exponent: float) -> tuple[Any, bool]:
    whole = exponent == int(exponent)
    return (1.0 if whole and exponent > 0 else x), whole


def _ylog_value(y: Any, a: Any) -> Any:
    zero = y == 0  # 0 · log 0 is 0: the derivative of 0^b by b
    return np.where(zero, 0 * y, y * _quick("log")(np.where(zero & (np.real(a) == 0), 1, a)))[()]


_GELU = (2 / np.pi) ** 0.5


def _gelu_gate(x: Any) -> Any:
    """½ (1 + tanh z) = σ(2z), which loses no digits where it is small."""
    return sigmoid(2 * _GELU * (x + 0.044715 * x * square(x)))


def _gelu_tanh_partial(y: Any, x: Any) -> Any:
    gate = _gelu_gate(x)
    return gate + y * (1 - gate) * (2 * _GELU * (1 + 3 * 0.044715 * square(x)))


def _bell(x: Any) -> Any:
    """The density of the normal distribution."""
    return 0.5 * _GELU * exp(-0.5 * square(x))


def _normal_cdf_exactly(f: Any, x: Any) -> Any:
    return f.erfc(-x / f.sqrt(2)) / 2


step = elementwise(
    "step",
    _step_value,
    None,
    symbol="1₊",
    kink=lambda x: x,
    code="(x > 0) * 1.0",
    exact=lambda f, x: f.step(x, 0),
    word="step heaviside Heaviside",
)
sign = elementwise(
    "sign",
    lambda x: np.sign(np.real(x)),
    None,
    kink=lambda x: x,
    numpy="sign",
    word="sign sgn",
)
above = elementwise(
    "above",
    _above_value,
    None,
    None,
    symbol="1₊",
    kink=lambda a, b: a - b,
    code="def above(a, b):\n    return (a > b) + 0.5 * (a == b)\n",
    exact=lambda f, a, b: f.step(a - b, f.number("0.5")),
    word=None,
)
square = elementwise(
    "square",
    lambda x: x * x,
    lambda y, x: 2.0 * x,
    symbol="²",
    notation="postfix",
    numpy="square",
    slope=None,
    exact=lambda f, x: x * x,
)
tanh = elementwise(
    "tanh",
    _quick("tanh"),
    lambda y, x: 1.0 - square(y),
    word="tanh",
    numpy="tanh",
    slope=1.0,
    flat=True,
    reason="tanh′ = 1 − tanh², written with the value itself",
)
sigmoid = elementwise(
    "sigmoid",
    _sigmoid_value,
    lambda y, x: y * (1.0 - y),
    symbol="σ",
    positive=True,
    word="sigmoid σ sigma sigm logistic",
    slope=0.25,
    flat=True,
    code="np.exp(-np.logaddexp(0, -x))",
    exact=lambda f, x: 1 / (1 + f.exp(-x)),
    reason="σ′ = σ (1 − σ), written with the value itself",
)
relu = elementwise(
    "relu",
    _relu_value,
    lambda y, x: step(x),
    kink=lambda x: x,
    word="relu ReLU",
    slope=1.0,
    flat=True,
    code="np.maximum(x, 0)",
    exact=lambda f, x: f.maximum(x, 0),
    reason="relu′ is 1 where the argument is positive, else 0",
)
leaky_relu = elementwise(
    "leaky_relu",
    lambda x, slope=0.01: np.where(_positive(x), x, slope * x),
    lambda y, x, slope=0.01: slope + (1 - slope) * step(x),
    kink=lambda x, slope=0.01: x,
    attributes={"slope": 0.01},
    word="leaky_relu lrelu LeakyReLU LeakyRelu leakyrelu",
    slope=lambda slope=0.01: max(1.0, abs(slope)),
    flat=True,
    code="np.where(x > 0, x, slope * x)",
    exact=lambda f, x, slope=0.01: f.maximum(x, 0) - slope * f.maximum(-x, 0),
)
softplus = elementwise(
    "softplus",
    _softplus_value,
    lambda y, x: sigmoid(x),
    positive=True,
    word="softplus",
    slope=1.0,
    flat=True,
    code="np.logaddexp(0, x)",
    exact=lambda f, x: f.log(1 + f.exp(x)),
)
elu = elementwise(
    "elu",
    _elu_value,
    lambda y, x, alpha=1.0: step(x) + (1.0 - step(x)) * (y + alpha),
    kink=lambda x, alpha=1.0: x,
    attributes={"alpha": 1.0},
    word="elu ELU",
    slope=lambda alpha=1.0: max(1.0, abs(alpha)),
    flat=True,
    code="np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))",
    exact=lambda f, x, alpha=1.0: f.maximum(x, 0) + alpha * (f.exp(-f.maximum(-x, 0)) - 1),
)
silu = elementwise(
    "silu",
    lambda x: x * _sigmoid_value(x),
    lambda y, x: sigmoid(x) + y * (1.0 - sigmoid(x)),
    word="silu SiLU swish Swish",
    slope=1.0998393201288670,
    flat=True,
    code="x * sigmoid(x)",
    exact=lambda f, x: x / (1 + f.exp(-x)),
)
erf = elementwise(
    "erf",
    special.erf,
    lambda y, x: (2 / np.pi**0.5) * exp(-square(x)),
    word="erf",
    slope=1.1283791670955126,
    flat=True,
    code="def erf(x):\n    each = np.vectorize(math.erf, otypes='d')\n    return each(x)\n",
    exact=lambda f, x: f.erf(x),
)
normal_cdf = elementwise(
    "normal_cdf",
    special.normal_cdf,
    lambda y, x: _bell(x),
    symbol="Φ",
    positive=True,
    slope=0.3989422804014327,
    flat=True,
    code="def normal_cdf(x):\n    erfc = np.vectorize(math.erfc, otypes='d')\n    return erfc(-x / np.sqrt(2)) / 2\n",
    exact=_normal_cdf_exactly,
    word=None,
)
gelu = elementwise(
    "gelu",
    lambda x: x * special.normal_cdf(x),
    lambda y, x: normal_cdf(x) + x * _bell(x),
    word="gelu GELU",
    slope=1.128904145185155,
    flat=True,
    code="x * normal_cdf(x)",
    exact=lambda f, x: x * _normal_cdf_exactly(f, x),
)
gelu_tanh = elementwise(
    "gelu_tanh",
    lambda x: x * _gelu_gate(x),
    _gelu_tanh_partial,
    word="gelu_tanh",
    slope=1.1289930686587717,
    flat=True,
    code="x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))",
    exact=lambda f, x: x / 2 * (1 + f.tanh(f.sqrt(2 / f.pi) * (x + f.number("0.044715") * x * x * x))),
)
exp: Primitive = elementwise("exp", _quick("exp"), lambda y, x: y, positive=True, word="exp", numpy="exp", slope=None)
log = elementwise(
    "log", _quick("log"), lambda y, x: 1.0 / x, domain=_above_zero, word="log ln", numpy="log", slope=None
)
sqrt = elementwise(
    "sqrt", _quick("sqrt"), lambda y, x: 0.5 / y, domain=_above_zero, word="sqrt", numpy="sqrt", slope=None
)
sin = elementwise("sin", _quick("sin"), lambda y, x: cos(x), word="sin", numpy="sin", slope=1.0)
cos: Primitive = elementwise("cos", _quick("cos"), lambda y, x: -sin(x), word="cos", numpy="cos", slope=1.0)
absolute = elementwise(
    "abs",
    lambda x: x * np.sign(np.real(x)),
    lambda y, x: sign(x),
    kink=lambda x: x,
    word="abs absolute fabs",
    numpy="abs",
    slope=1.0,
)
clip = elementwise(
    "clip",
    lambda x, low, high: np.where(np.real(x) < low, low, np.where(np.real(x) > high, high, x)),
    lambda y, x, low, high: step(x - low) * step(high - x),
    kink=lambda x, low, high: np.minimum(np.real(x) - low, high - np.real(x)),
    attributes={"low": None, "high": None},
    word="clip clamp",
    numpy="clip",
    slope=1.0,
    flat=True,
    exact=lambda f, x, low, high: f.maximum(low, f.minimum(high, x)),
)
div = elementwise(
    "div",
    _divide_value,
    lambda y, a, b: 1.0 / b,
    lambda y, a, b: -y / b,
    symbol="/",
    notation="infix",
    domain=lambda a, b: (b, True),
    neutral=(None, 1),
    numpy="divide",
    exact=lambda f, a, b: a / b,
)
ratio: Primitive = elementwise(
    "ratio",
    _ratio_value,
    lambda y, a, b: 1.0 / b,
    lambda y, a, b: -ratio(y, b),
    symbol="/",
    notation="infix",
    exact=lambda f, a, b: a / b,
)
pow_: Primitive = elementwise(
    "pow",
    _pow_value,
    lambda y, a, b: b * pow_(a, b - 1.0),
    lambda y, a, b: ylog(y, a),
    symbol="^",
    notation="infix",
    domain=lambda a, b: (a, False),
    exact=lambda f, a, b: f.exp(b * f.log(a)),
)
ylog: Primitive = elementwise(
    "ylog",
    _ylog_value,
    lambda y, a, b: log(b),
    lambda y, a, b: ratio(a, b),
    symbol="ylog",
    code="def ylog(y, a):\n    return np.where(y == 0, 0, y * np.log(np.where(y == 0, 1, a)))\n",
    exact=lambda f, y, a: y * f.log(a),
    word=None,
)
power_ = elementwise(
    "power",
    lambda x, exponent: _pow_value(x, exponent),
    lambda y, x, exponent: exponent * power(x, exponent - 1),
    symbol="^",
    domain=_power_domain,
    attributes={"exponent": None},
    slope=None,
    code=None,
    exact=lambda f, x, exponent: f.power(x, exponent),
    word=None,
)
# A tie gives half of the derivative to each: `maximum(x, x)` has the derivative 1.
maximum = elementwise(
    "maximum",
    lambda a, b: _choose((np.real(a) > np.real(b)) | np.isnan(a), a, b),
    lambda y, a, b: above(a, b),
    lambda y, a, b: above(b, a),
    symbol="max",
    kink=lambda a, b: a - b,
    numpy="maximum",
    word=None,
)
minimum = elementwise(
    "minimum",
    lambda a, b: _choose((np.real(a) < np.real(b)) | np.isnan(a), a, b),
    lambda y, a, b: above(b, a),
    lambda y, a, b: above(a, b),
    symbol="min",
    kink=lambda a, b: a - b,
    numpy="minimum",
    word=None,
)


def power(x: Any, exponent: Any) -> Any:
    """`x ** exponent`. A constant exponent is part of the operation, so that x³ has the derivative 3x² also at 0."""
    if isinstance(exponent, Node) and exponent.is_constant and not exponent.shape:
        exponent = exponent.attrs["value"]
    if isinstance(exponent, int | float):
        if exponent == 2:
            return square(x)
        if exponent in (0, 1):
            return x if exponent == 1 else 0.0 * x + 1.0
        return power_(x, exponent=exponent)
    return pow_(x, exponent)


# -- own kinds: what has a derivative of its own shape -----------------------------------------------------------------


def _shifted(x: Any) -> Any:
    return x - np.max(np.real(x), axis=-1, keepdims=True)


def _softmax_value(x: Any) -> Any:
    e = np.exp(_shifted(x))
    return e / np.sum(e, axis=-1, keepdims=True)


def _log_softmax_value(x: Any) -> Any:
    x = _shifted(x)
    return x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True))


def _logsumexp_value(x: Any) -> Any:
    top = np.max(np.real(x), axis=-1)
    return top + np.log(np.sum(np.exp(x - top[..., None]), axis=-1))


def _cross_entropy_value(y: Any, target: Any) -> Any:
    hit = target != 0
    return -np.sum(np.where(hit, target * np.log(np.where(hit, y, 1)), 0), axis=-1)


def _softmax_exactly(f: Any, v: Any) -> Any:
    e = [f.exp(x) for x in v]
    total = f.sum(e)
    return [x / total for x in e]


def _logsumexp_exactly(f: Any, v: Any) -> Any:
    return f.log(f.sum([f.exp(x) for x in v]))


def _cross_entropy_exactly(f: Any, y: Any, target: Any) -> Any:
    return -f.sum([b * f.log(a) for a, b in zip(y, target) if not f.zero(b)] or [0 * y[0]])


def _top_mask_exactly(f: Any, v: Any) -> Any:
    top = f.max(v)
    tops = [f.step(x - top, 1) for x in v]
    total = f.sum(tops)
    return [x / total for x in tops]


def _top_value(x: Any) -> Any:
    top = np.real(x) == np.max(np.real(x), axis=-1, keepdims=True)
    return top / np.sum(top, axis=-1, keepdims=True)


def _norm_value(x: Any) -> Any:
    return np.sqrt(np.sum(x * x, axis=tuple(range(-1, 0))))


def _vector(shape: Shape, *_: Shape, **__: Any) -> Shape:
    return shape[:-1]


top_mask = own(
    "top_mask",
    _top_value,
    _first,
    lambda t, slot, y, x: None,
    "argmax",
    code="def top_mask(x):\n    top = x == np.max(x)\n    return top / np.sum(top)\n",
    exact=_top_mask_exactly,
    word=None,
)
softmax = own(
    "softmax",
    lambda x: _softmax_value(x) if np.ndim(x) else x * 0 + 1.0,
    _first,
    lambda t, slot, y, x: y * t - y * last(dot(y, t)) if _dims(x) else 0.0 * t,
    positive=True,
    word="softmax Softmax",
    result="same",
    scalar=lambda x: 0.0 * x + 1.0,
    code="def softmax(x):\n    e = np.exp(x - np.max(x))\n    return e / np.sum(e)\n",
    exact=_softmax_exactly,
    reason="every probability depends on every score",
)
log_softmax = own(
    "log_softmax",
    _log_softmax_value,
    _first,
    lambda t, slot, y, x: t - expand(last(dot(exp(y), t)), shape=x.shape),
    word="log_softmax LogSoftmax logsoftmax",
    result="same",
    scalar=lambda x: 0.0 * x,
    code="def log_softmax(x):\n    x = x - np.max(x)\n    return x - np.log(np.sum(np.exp(x)))\n",
    exact=lambda f, v: [x - _logsumexp_exactly(f, v) for x in v],
)
logsumexp = own(
    "logsumexp",
    _logsumexp_value,
    _vector,
    lambda t, slot, y, x: dot(softmax(x), t),
    code="def logsumexp(x):\n    top = np.max(x)\n    return top + np.log(np.sum(np.exp(x - top)))\n",
    exact=_logsumexp_exactly,
    word=None,
)
cross_entropy = own(
    "cross_entropy",
    _cross_entropy_value,
    _scalar,
    lambda t, slot, e, y, target: -dot(log(y), t) if slot else -dot(ratio(target, y), t),
    "CE",
    domain=lambda y, target: (np.where(target != 0, y, 1.0), False),
    word="cross_entropy CE CrossEntropy crossentropy",
    result="pair",
    scalar=lambda y, target: -(target * log(y)),
    code="def cross_entropy(y, target):\n    return -np.sum(target * np.log(np.where(target == 0, 1, y)))\n",
    exact=_cross_entropy_exactly,
    reason="−log yᵢ has the derivative −1/yᵢ",
)
squared_error = own(
    "squared_error",
    lambda y, target: 0.5 * np.sum((y - target) ** 2, axis=-1),
    _scalar,
    lambda t, slot, e, y, target: dot(target - y, t) if slot else dot(y - target, t),
    "SE",
    word="squared_error",
    result="pair",
    scalar=lambda y, target: 0.5 * square(y - target),
    code="def squared_error(y, target):\n    return 0.5 * np.sum((y - target)**2)\n",
    exact=lambda f, y, target: f.sum([(a - b) * (a - b) for a, b in zip(y, target)]) / 2,
    reason="the square's 2 cancels the ½",
)
norm = own(
    "norm",
    _norm_value,
    _vector,
    lambda t, slot, y, x: dot(ratio(x, expand(last(y), shape=x.shape)), t),
    domain=lambda x: (_norm_value(x), True),
    word="norm",
    result="reduce",
    scalar=absolute,
    code="np.sqrt(np.sum(x**2))",
    exact=lambda f, v: f.sqrt(f.sum([x * x for x in v])),
)
largest = own(
    "max",
    lambda x: np.max(np.real(x), axis=-1) if not np.iscomplexobj(x) else np.sum(x * _top_value(x), axis=-1),
    _vector,
    lambda t, slot, y, x: dot(top_mask(x), t),
    numpy="max",
    word=None,
)


# -- abstract functions: they print, they have derivatives, they have no numbers ---------------------------------------


def _no_number(name: str) -> Callable[..., Any]:
    def value(*_: Any, **__: Any) -> Any:
        raise BPTTError(
            f"{name} is abstract: it has no numbers",
            f'bind it: --let {name}=tanh on the command line, let={{"{name}": "tanh"}} in Python',
        )

    return value


_abstract: dict[tuple[str, int, int | None], Primitive] = {}


def abstract_function(name: str, shape: Shape | None = None, order: int = 0) -> Primitive:
    """A function of which only the name is known.

    With one argument (`shape` None) it acts elementwise, and its derivative is the abstract function φ'. With several
    it is a map to `shape`, and its derivative by an argument is an opaque linear map, printed ∂f/∂h.
    """
    if shape is None:
        key = (name, order, None)
        if key not in _abstract:
            prime = "'" * order
            _abstract[key] = Elementwise(
                name + prime,
                _no_number(name),
                _same,
                (lambda y, x: abstract_function(name, None, order + 1)(x),),
                name + prime,
                recipe=(abstract_function, (name, None, order)),
            )
        return _abstract[key]

    def tangent(t: Any, slot: int, y: Any, *args: Any) -> Any:
        def pull(g: Any, slot_: int, node: Node) -> Any:
            return None if slot_ else back(g, *node.args[1:])

        forth = Linear(f"D{slot}{name}", _no_number(name), lambda *s: y.shape, pull, f"∂{name}")
        back = Linear(
            f"D{slot}{name}ᵀ",
            _no_number(name),
            lambda *s: args[slot].shape,
            lambda g, slot_, node: None if slot_ else forth(g, *node.args[1:]),
            f"∂{name}ᵀ",
        )
        return forth(t, *args)

    return Own(
        name, _no_number(name), lambda *s: shape, tangent, name, recipe=(abstract_function, (name, shape, order))
    )


OPERATIONS.update(
    add=add,
    sub=sub,
    mul=mul,
    div=div,
    neg=neg,
    power=power,
    matmul=matmul,
    transpose=transpose,
    expand=expand,
    abs=absolute,
)
