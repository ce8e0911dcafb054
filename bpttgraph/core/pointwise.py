"""Elementwise entries of the rule table: each states its derivative with the output `y` and the inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import special
from .entering import elementwise
from .graph import Node
from .primitive import Primitive


def quick(name: str) -> Callable[[Any], Any]:
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
        return quick("log1p")(z)
    a, b = np.real(z), np.imag(z)
    small = np.abs(a) < 0.5
    close = 0.5 * np.log1p(np.where(small, a * (2 + a) + b * b, 0.0)) + 1j * np.arctan2(b, 1 + a)
    return np.where(small, close, np.log1p(z))[()]


def choose(condition: Any, a: Any, b: Any) -> Any:
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
    return np.where(zero, 0 * y, y * quick("log")(np.where(zero & (np.real(a) == 0), 1, a)))[()]


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
    meaning="1 where x > 0, else 0; its derivative is 0",
)
sign = elementwise(
    "sign",
    lambda x: np.sign(np.real(x)),
    None,
    kink=lambda x: x,
    numpy="sign",
    word="sign sgn",
    meaning="1, 0 or −1; its derivative is 0",
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
    quick("tanh"),
    lambda y, x: 1.0 - square(y),
    word="tanh",
    meaning="hyperbolic tangent",
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
    meaning="1/(1 + exp(−x))",
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
    meaning="max(x, 0)",
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
    meaning="x if x > 0, else slope · x; the slope is 0.01 unless given",
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
    meaning="log(1 + exp(x))",
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
    meaning="x if x > 0, else α (exp(x) − 1); α is 1 unless given",
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
    meaning="x · sigmoid(x)",
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
    meaning="error function, 2/√π ∫₀ˣ exp(−s²) ds",
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
    meaning="x · Φ(x), Φ the normal distribution function",
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
    meaning="its approximation ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))",
    slope=1.1289930686587717,
    flat=True,
    code="x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))",
    exact=lambda f, x: x / 2 * (1 + f.tanh(f.sqrt(2 / f.pi) * (x + f.number("0.044715") * x * x * x))),
)
exp: Primitive = elementwise(
    "exp", quick("exp"), lambda y, x: y, positive=True, word="exp", meaning="exponential", numpy="exp", slope=None
)
log = elementwise(
    "log",
    quick("log"),
    lambda y, x: 1.0 / x,
    domain=_above_zero,
    word="log ln",
    meaning="natural logarithm",
    numpy="log",
    slope=None,
)
sqrt = elementwise(
    "sqrt",
    quick("sqrt"),
    lambda y, x: 0.5 / y,
    domain=_above_zero,
    word="sqrt",
    meaning="square root",
    numpy="sqrt",
    slope=None,
)
sin = elementwise("sin", quick("sin"), lambda y, x: cos(x), word="sin", meaning="sine", numpy="sin", slope=1.0)
cos: Primitive = elementwise(
    "cos", quick("cos"), lambda y, x: -sin(x), word="cos", meaning="cosine", numpy="cos", slope=1.0
)
absolute = elementwise(
    "abs",
    lambda x: x * np.sign(np.real(x)),
    lambda y, x: sign(x),
    kink=lambda x: x,
    word="abs absolute fabs",
    meaning="absolute value",
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
    meaning="x cut to the interval from the second to the third argument",
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
    lambda a, b: choose((np.real(a) > np.real(b)) | np.isnan(a), a, b),
    lambda y, a, b: above(a, b),
    lambda y, a, b: above(b, a),
    symbol="max",
    kink=lambda a, b: a - b,
    numpy="maximum",
    word=None,
)
minimum = elementwise(
    "minimum",
    lambda a, b: choose((np.real(a) < np.real(b)) | np.isnan(a), a, b),
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
