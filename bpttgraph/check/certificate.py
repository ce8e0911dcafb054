"""Certificates: derivatives with a rigorous radius, from forward evaluations in ball arithmetic.

Every number is a FLINT ball power series in ε (F. Johansson, Arb: efficient arbitrary-precision midpoint-radius
interval arithmetic, IEEE Transactions on Computers 66(8), 2017). One entry of a parameter starts as w + ε; the
coefficient of ε in the loss is the derivative, with proven bounds on all rounding. No derivative rule of ours takes
part: the values of the primitives are written here once more, for series. Needs the extra `bpttgraph[certify]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.activations import SELU_ALPHA, SELU_SCALE
from ..core.graph import Node, needed
from ..errors import BPTTError
from ..machine.optional import require

if TYPE_CHECKING:
    from ..unrolled import Unrolled

__all__ = ["Certificate", "certify"]

Array = np.ndarray[Any, Any]
BITS = 200


@dataclass(frozen=True)
class Certificate:
    """The derivative by the entries asked for: midpoints in double precision, and rigorous radii around them.

    A radius covers the ball and the rounding of its midpoint to a double.
    """

    name: str
    entries: tuple[int, ...]
    value: Array
    radius: Array
    bits: int


def certify(
    u: Unrolled, name: str, data: Mapping[str, Any], entries: Iterable[int] | None = None, bits: int = BITS
) -> Certificate:
    """dE/d(name) on an instance, entry by entry, summed over the batch.

    Args:
        u: the unrolled recurrence, without truncation (a cut gradient is no derivative of the loss). name: a parameter
            or initial state. data: the instance. entries: flat indices, by default all. bits: working precision.

    Raises:
        BPTTError: python-flint is not installed, a function has no series here, or a unit sits on its kink.
    """
    flint = require("python-flint", "a certificate")
    if u.edge_cuts:
        raise BPTTError("a truncated gradient is not the derivative of the loss", "certify the full gradient")
    leaves = u.run(data).leaves
    target, total = u.node(name), u.node(u.total)
    size = int(np.prod(target.shape))
    chosen = tuple(range(size)) if entries is None else tuple(entries)
    order = needed([total])
    batch = max((len(v) for n, v in leaves.items() if n.batched), default=1)
    values, radii = [], []
    before, flint.ctx.prec, cap = flint.ctx.prec, bits, flint.ctx.cap
    flint.ctx.cap = 2
    try:
        for entry in chosen:
            ball = sum((_derivative(order, total, leaves, target, entry, b) for b in range(batch)), flint.arb(0))
            middle = float(ball.mid())
            values.append(middle)
            radii.append(float((ball - middle).abs_upper()) * (1 + 2.0**-50))
    finally:
        flint.ctx.prec, flint.ctx.cap = before, cap
    return Certificate(name, chosen, np.array(values), np.array(radii), bits)


def _derivative(
    order: list[Node], total: Node, leaves: Mapping[Node, Array], target: Node, entry: int, example: int
) -> Any:
    """The coefficient of ε in the loss of one example."""
    from flint import arb_series

    slots: dict[int, Any] = {}
    for node in order:
        if node.op is None:
            raw = leaves[node] if node in leaves else node.attrs["value"]
            array = np.asarray(raw)
            array = array[example if len(array) > 1 else 0] if node.batched and array.ndim > len(node.shape) else array
            balls = np.empty(array.shape, dtype=object)
            flat = balls.reshape(-1)
            for i, x in enumerate(array.reshape(-1)):
                moved = node is target and i == entry
                flat[i] = arb_series([float(x), 1.0 if moved else 0.0])
            slots[node.serial] = balls
            continue
        function = SERIES.get(node.op.name) or node.op.readings.get("series")
        if function is None:
            raise BPTTError(
                f"{node.op.name} has no power series here", "use the complex step, which needs no certificate"
            )
        slots[node.serial] = _boxed(function(*[slots[a.serial] for a in node.args], **node.attrs))
    result = slots[total.serial]
    return _coefficient(result.reshape(-1)[0], 1)


def _boxed(x: Any) -> Array:
    """A series is a sequence to NumPy, which would take it apart: a single one goes into an array without axes."""
    if isinstance(x, np.ndarray):
        return x
    box = np.empty((), dtype=object)
    box[()] = x
    return box


def _coefficient(x: Any, k: int) -> Any:
    from flint import arb

    return x[k] if len(x) > k else arb(0)


# -- the values of the primitives, for arrays of series ----------------------------------------------------------------


def _each(function: Callable[[Any], Any]) -> Callable[..., Array]:
    def apply(x: Array, **_: Any) -> Array:
        result = np.empty(np.shape(x), dtype=object)
        flat, source = result.reshape(-1), np.asarray(x, dtype=object).reshape(-1)
        for i in range(len(source)):
            flat[i] = function(source[i])
        return result

    return apply


def _tanh(z: Any) -> Any:
    # there is no tanh of a series: 1 − 2/(e^{2z} + 1), mirrored so that the exponential stays small
    if _above_zero(z, strict=False):
        return 1 - 2 / ((2 * z).exp() + 1)
    return 2 / ((-2 * z).exp() + 1) - 1


def _normal_cdf(z: Any) -> Any:
    from flint import arb

    return (-z / arb(2).sqrt()).erfc() / 2


def _gelu_tanh(z: Any) -> Any:
    from flint import arb

    return z * (1 + _tanh((2 / arb.pi()).sqrt() * (z + arb("0.044715") * z * z * z))) / 2


def _above_zero(z: Any, strict: bool = True) -> bool:
    """The side of a kink on which the whole ball lies."""
    first = _coefficient(z, 0)
    if strict and not (first > 0 or first < 0):
        raise BPTTError("a unit sits on its kink", "choose another instance")
    return bool(first > 0)


def _elementwise(function: Callable[..., Any]) -> Callable[..., Array]:
    """A function of several numbers on arrays of one shape, or of shapes that broadcast."""

    def apply(*args: Array) -> Array:
        arrays = np.broadcast_arrays(*[np.asarray(a, dtype=object) for a in args])
        result = np.empty(arrays[0].shape, dtype=object)
        for index in np.ndindex(result.shape):
            result[index] = function(*[a[index] for a in arrays])
        return result

    return apply


def _larger(a: Any, b: Any) -> Any:
    return a if _above_zero(a - b) else b


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return _each(lambda v: v if _above_zero(v) else alpha * (v.exp() - 1))(x)


def _leaky_relu(x: Array, slope: float = 0.01) -> Array:
    return _each(lambda v: v if _above_zero(v) else v * slope)(x)


def _clip(x: Array, low: float, high: float) -> Array:
    def one(v: Any) -> Any:
        return v * 0 + low if _above_zero(low - v) else v * 0 + high if _above_zero(v - high) else v

    return _each(one)(x)


def _greatest(x: Array) -> Any:
    first = _largest(x)
    for other in x:
        if other is not first:
            _larger(first, other)  # a tie has no derivative
    return first


def _softmax(x: Array) -> Array:
    e = _EXP(x - _boxed(_largest(x)))
    return np.asarray(e / _boxed(np.sum(e)))


def _log_softmax(x: Array) -> Array:
    y = x - _boxed(_largest(x))
    return np.asarray(y - _boxed(np.sum(_EXP(y)).log()))


def _largest(x: Array) -> Any:
    return x[int(np.argmax([float(_coefficient(v, 0).mid()) for v in x]))]


def _cross_entropy(y: Array, target: Array) -> Any:
    terms = [-(t * p.log()) for p, t in zip(y, target) if not (_coefficient(t, 0) == 0 and _coefficient(t, 1) == 0)]
    return sum(terms[1:], terms[0]) if terms else y[0] * 0


def _sum(x: Array, axes: tuple[int, ...]) -> Any:
    return np.sum(x, axis=axes)


def _power(x: Array, exponent: float) -> Array:
    if exponent != int(exponent):
        raise BPTTError("a power that is not whole has no series here", "use the complex step")
    return _each(lambda v: _whole_power(v, int(exponent)))(x)


def _whole_power(v: Any, n: int) -> Any:
    result = v * 0 + 1
    for _ in range(abs(n)):
        result = result * v
    return result if n >= 0 else 1 / result


def _expand(x: Array, shape: tuple[int, ...], rank: int) -> Array:
    return np.broadcast_to(x, shape)


_EXP = _each(lambda v: v.exp())
SERIES: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "neg": lambda a: -a,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "identity": lambda a: a,
    "square": lambda a: a * a,
    "power": _power,
    "matvec": lambda a, x: a @ x,
    "vecmat": lambda x, a: x @ a,
    "matmat": lambda a, b: a @ b,
    "dot": lambda a, b: np.sum(a * b),
    "outer": lambda a, b: a[:, None] * b[None],
    "sum": _sum,
    "expand": _expand,
    "reshape": lambda x, shape, rank: np.reshape(x, shape),
    "transpose": lambda x: x.T,
    "concat": lambda *xs: np.concatenate(xs),
    "take": lambda x, start, stop: x[start:stop],
    "diag": lambda x: np.diag(x) + _boxed(x[0] * 0),
    "tanh": _each(_tanh),
    "sigmoid": _each(lambda z: (1 + _tanh(z / 2)) / 2),
    "exp": _EXP,
    "log": _each(lambda v: v.log()),
    "sqrt": _each(lambda v: v.sqrt()),
    "sin": _each(lambda v: v.sin()),
    "cos": _each(lambda v: v.cos()),
    "softplus": _each(lambda v: (1 + v.exp()).log()),
    "silu": _each(lambda z: z * (1 + _tanh(z / 2)) / 2),
    "erf": _each(lambda v: v.erf()),
    "normal_cdf": _each(_normal_cdf),
    "gelu": _each(lambda z: z * _normal_cdf(z)),
    "gelu_tanh": _each(_gelu_tanh),
    "relu": _each(lambda v: v if _above_zero(v) else v * 0),
    "abs": _each(lambda v: v if _above_zero(v) else -v),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "clip": _clip,
    "arctan": _each(lambda v: v.atan()),
    "softsign": _each(lambda v: v / (1 + v if _above_zero(v) else 1 - v)),
    "hard_sigmoid": lambda x: _clip(_each(lambda v: v / 5 + 0.5)(x), 0, 1),
    "selu": lambda x: SELU_SCALE * _elu(x, SELU_ALPHA),
    "mish": _each(lambda z: z * _tanh((1 + z.exp()).log())),
    "maximum": _elementwise(_larger),
    "minimum": _elementwise(lambda a, b: b if _above_zero(a - b) else a),
    "max": _greatest,
    "pow": _elementwise(lambda a, b: (b * a.log()).exp()),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "cross_entropy": _cross_entropy,
    "squared_error": lambda y, target: np.sum((y - target) * (y - target)) / 2,
    "norm": lambda x: np.sum(x * x).sqrt(),
}
