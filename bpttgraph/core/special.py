"""The error function for numbers and arrays, real and complex: Φ(x), the normal distribution function, is made of it.

Real arrays: two polynomials, fitted with mpmath at the Chebyshev points of their intervals (in 50 digits,
`tests/core/test_special.py` compares the values): erf(x)/x in x² below 1, and e^{x²} erfc(x) (x + 3) in 1/(x + 3)
above ½. Few numbers go through `math.erfc`.

Complex numbers, which the derivative by a complex step needs, must not be made of the derivative: the Taylor series of
erf below 1, and above the continued fraction of erfc (Abramowitz and Stegun, 7.1.5 and 7.1.14). Meant for arguments
near the real axis.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["erf", "erfc", "normal_cdf"]

Array = np.ndarray[Any, Any]
FEW = 256  # numbers, below which a loop is quicker
BORDER = 0.5  # of the polynomial for erfc
SERIES = 1.0  # between the Taylor series and the continued fraction
# fmt: off
_ERF = (  # erf(x)/x in 2x² − 1, for x from 0 to 1
    0.9654687386698673, -0.1405360890227171, 0.019852496688983708, -0.0022854855611441132, 0.00021751715604160108,
    -1.7537169441124826e-05, 1.223382738352401e-06, -7.51156928660089e-08, 4.11580059766496e-09,
    -2.035228404899467e-10, 9.167606746069445e-12, -3.8078827395263415e-13, 1.454817075960679e-14,
)
_ERFC = (  # e^{x²} erfc(x) (x + 3) in 7/(x + 3) − 1, for x from ½ to infinity
    0.9589962033754297, 0.6277955952806216, 0.3460562090899474, 0.15596654978028354, 0.0541319082496085,
    0.012338549339513413, 0.000575279902887478, -0.0007631143584816342, -0.00023152726656230457,
    2.5286311146420208e-05, 2.7642784811204553e-05, 6.857347381862381e-07, -3.1790388431884694e-06,
    -2.7783267798950195e-07, 4.0843464428918565e-07, 3.961573542637521e-08, -5.9387617561080265e-08,
    -3.207474724572228e-09, 9.106288412622764e-09, -2.125503644668757e-10, -1.2429471011437762e-09,
    1.303875047596013e-10, 1.0385156848625515e-10, -1.749919378915166e-11,
)
# fmt: on


def erfc(x: Any) -> Any:
    """1 − erf(x), to a few units in the last place also where it is small.

    >>> erfc(10.0), erfc(np.float32(-1.0)).dtype
    (2.088487583762545e-45, dtype('float32'))
    """
    if type(x) is float:
        return math.erfc(x)
    x = np.asarray(x)
    if x.dtype.kind == "c":
        return _complex_erfc(x)[()]
    result = _few(math.erfc, x) if x.size <= FEW else _real_erfc(np.asarray(x, float))
    return result.astype(np.result_type(x, np.float32), copy=False)[()]


def erf(x: Any) -> Any:
    """The error function, 2/√π times the integral of e^{−s²} from 0 to x.

    >>> erf(0.5), erf(np.array([0.0, 0.5]))
    (0.5204998778130465, array([0.        , 0.52049988]))
    """
    if type(x) is float:
        return math.erf(x)
    x = np.asarray(x)
    if x.dtype.kind == "c":
        return np.where(abs(x.real) < SERIES, _taylor(x), 1.0 - _complex_erfc(x))[()]
    if x.size <= FEW:
        result = _few(math.erf, x)
    else:
        wide = np.asarray(x, float)
        result = np.where(abs(wide) < 1.0, _small_erf(wide), 1.0 - _real_erfc(wide))
    return result.astype(np.result_type(x, np.float32), copy=False)[()]


def normal_cdf(x: Any) -> Any:
    """Φ(x), the probability that a standard normal number is below x.

    >>> normal_cdf(0.0), normal_cdf(-30.0) > 0
    (0.5, True)
    """
    return 0.5 * erfc(-math.sqrt(0.5) * x)


def _few(function: Any, x: Array) -> Array:
    return np.array([function(v) for v in x.ravel().tolist()]).reshape(x.shape)


def _horner(coefficients: tuple[float, ...], x: Array) -> Array:
    result = np.full(x.shape, coefficients[-1])
    for c in coefficients[-2::-1]:
        result *= x
        result += c
    return result


def _small_erf(x: Array) -> Array:
    x = np.clip(x, -1.0, 1.0)
    return x * _horner(_ERF, 2.0 * x * x - 1.0)


def _real_erfc(x: Array) -> Array:
    size = np.clip(np.abs(x), BORDER, 28.0)  # beyond, the value is zero
    far = _gauss(size, size) * _horner(_ERFC, 7.0 / (size + 3.0) - 1.0) / (size + 3.0)
    found = np.where(np.abs(x) < BORDER, 1.0 - _small_erf(x), np.where(x < 0, 2.0 - far, far))
    return np.where(np.isnan(x), x, found)


def _gauss(z: Array, real: Array) -> Array:
    """e^{−z²}, to full accuracy although z² is rounded: the square of the leading digits is exact."""
    high = real.astype(np.float32).astype(float)
    return np.asarray(np.exp(-high * high) * np.exp((high - z) * (high + z)))


def _taylor(z: Array) -> Array:
    z = np.where(abs(z.real) < SERIES, z, 0)
    term = total = 2.0 / math.sqrt(math.pi) * z
    for n in range(1, 28):
        term = term * (-z * z / n)
        total = total + term / (2 * n + 1)
    return np.asarray(total)


def _complex_erfc(z: Array) -> Array:
    near = abs(z.real) < SERIES
    far = np.where(near, SERIES, np.where(z.real < 0, -z, z))
    # of the fraction z + ½/(z + 1/(z + 3/2/(z + …))) so many parts are needed; an even number of them, taken from the
    # inside
    smallest = float(np.min(far.real, initial=28.0))
    fraction = far
    for n in range(int(200.0 / smallest**2) + 10, 0, -1):
        fraction = far + 0.5 * n / fraction
    value = _gauss(far, far.real) / (math.sqrt(math.pi) * fraction)
    return np.where(near, 1.0 - _taylor(z), np.where(z.real < 0, 2.0 - value, value))
