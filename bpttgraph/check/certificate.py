"""Certificates: derivatives with a rigorous radius, from forward evaluations in ball arithmetic.

Every number is a FLINT ball power series in ε (F. Johansson, Arb: efficient arbitrary-precision midpoint-radius
interval arithmetic, IEEE Transactions on Computers 66(8), 2017). One entry of a parameter starts as w + ε; the
coefficient of ε in the loss is the derivative, with proven bounds on all rounding. No derivative rule of ours takes
part, only the values of the operations, in exact functions. Needs the extra `bpttgraph[certify]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.graph import Node, needed
from ..core.primitive import Bilinear, Elementwise, Linear, Primitive
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
    leaves = u.numbers.run(data).leaves
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
        function = _value(node.op)
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


def _value(op: Primitive) -> Callable[..., Any] | None:
    """The value of an operation for arrays of series. What is linear in its arguments adds and multiplies, which series
    do as numbers do; anything else has a reading in exact functions."""
    series: Callable[..., Any] | None = op.readings.get("series")
    if series is not None:
        return series
    if isinstance(op, Linear | Bilinear) and op.analytic:
        return op.value
    exact = op.exactly(_Balls())
    return exact and (_each(exact) if isinstance(op, Elementwise) else _whole(exact))


def _each(function: Callable[..., Any]) -> Callable[..., Array]:
    """A function of numbers on arrays of one shape, or of shapes that broadcast."""

    def apply(*args: Array, **attrs: Any) -> Array:
        arrays = np.broadcast_arrays(*[np.asarray(a, dtype=object) for a in args])
        result = np.empty(arrays[0].shape, dtype=object)
        for index in np.ndindex(result.shape):
            result[index] = function(*[a[index] for a in arrays], **attrs)
        return result

    return apply


def _whole(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of vectors as lists, of arrays."""

    def apply(*args: Array) -> Any:
        made = function(*[list(a.reshape(-1)) for a in args])
        if not isinstance(made, list):
            return made
        result = np.empty(len(made), dtype=object)
        result[:] = made
        return result.reshape(args[0].shape)

    return apply


def _above_zero(z: Any) -> bool:
    """The side of a kink on which the whole ball lies."""
    first = _coefficient(z, 0)
    if not (first > 0 or first < 0):
        raise BPTTError("a unit sits on its kink", "choose another instance")
    return bool(first > 0)


def _of_ball(name: str) -> Any:
    """A function of a ball or of a series, also of a plain number."""

    def function(x: Any) -> Any:
        from flint import arb

        return getattr(arb(x) if isinstance(x, int | float) else x, name)()

    return staticmethod(function)


class _Balls:
    """The functions of balls and of series of them, by their NumPy names."""

    exp, log, sqrt = _of_ball("exp"), _of_ball("log"), _of_ball("sqrt")
    sin, cos, tan = _of_ball("sin"), _of_ball("cos"), _of_ball("tan")
    arcsin, arccos, arctan = _of_ball("asin"), _of_ball("acos"), _of_ball("atan")
    erf, erfc = _of_ball("erf"), _of_ball("erfc")

    @property
    def pi(self) -> Any:
        from flint import arb

        return arb.pi()

    @staticmethod
    def number(text: str) -> Any:
        from flint import arb

        return arb(text)

    @staticmethod
    def tanh(x: Any) -> Any:
        # there is no tanh of a series: 1 − 2/(e^{2x} + 1), mirrored so that the exponential stays small
        if _coefficient(x, 0) > 0:
            return 1 - 2 / ((2 * x).exp() + 1)
        return 2 / ((-2 * x).exp() + 1) - 1

    @staticmethod
    def abs(x: Any) -> Any:
        return x if _above_zero(x) else -x

    @staticmethod
    def sign(x: Any) -> Any:
        return 0 * x + (1 if _above_zero(x) else -1)

    @staticmethod
    def step(x: Any, there: Any) -> Any:
        return 0 * x + (there if _Balls.zero(x) else 1 if _above_zero(x) else 0)

    @staticmethod
    def maximum(a: Any, b: Any) -> Any:
        return 0 * (a - b) + (a if _above_zero(a - b) else b)

    @staticmethod
    def minimum(a: Any, b: Any) -> Any:
        return 0 * (a - b) + (b if _above_zero(a - b) else a)

    @staticmethod
    def power(x: Any, exponent: float) -> Any:
        if exponent != int(exponent):
            return (exponent * x.log()).exp()
        result = 0 * x + 1
        for _ in range(abs(int(exponent))):
            result = result * x
        return result if exponent >= 0 else 1 / result

    @staticmethod
    def sum(numbers: Any) -> Any:
        return sum(numbers[1:], numbers[0])

    @staticmethod
    def max(numbers: Any) -> Any:
        first = max(numbers, key=lambda x: float(_coefficient(x, 0).mid()))
        for other in numbers:
            if other is not first:
                _above_zero(first - other)  # a tie has no derivative
        return first

    @staticmethod
    def zero(x: Any) -> bool:
        return bool(_coefficient(x, 0) == 0 and _coefficient(x, 1) == 0)
