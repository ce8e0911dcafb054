"""More activations of the literature, as entries of the rule table (see `primitives`), with their constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from .entering import elementwise
from .pointwise import clip, sigmoid, softplus, square, step, tanh
from .primitive import TABLE, Elementwise

__all__ = ["hard_sigmoid", "mish", "selu", "softsign", "surrogate"]

_SCALE, _ALPHA = 1.0507009873554805, 1.6732632423543772
"""λ and α of Klambauer et al., Self-normalizing neural networks, NeurIPS 2017."""


def _distance(x: Any) -> Any:
    """1 + |x|, also of the real side of a complex x."""
    return 1.0 + x * np.sign(np.real(x))


def _selu_value(x: Any) -> Any:
    up = np.real(x) > 0
    return (_SCALE * np.where(up, x, _ALPHA * np.expm1(np.where(up, 0 * x, x))))[()]


def _mish_value(x: Any) -> Any:
    """x tanh(log(1 + eˣ)), with the exponential that does not overflow."""
    up = np.real(x) > 0
    e = np.exp(np.where(up, -x, x))
    return (x * np.where(up, (1 + 2 * e) / (1 + 2 * e + 2 * e * e), e * (e + 2) / (e * (e + 2) + 2)))[()]


def _mish_partial(y: Any, x: Any) -> Any:
    gate = tanh(softplus(x))
    return gate + x * (1.0 - square(gate)) * sigmoid(x)


softsign = elementwise(
    "softsign",
    lambda x: x / _distance(x),
    lambda y, x: 1.0 / square(1.0 + abs(x)),
    word="softsign Softsign",
    meaning="x/(1 + |x|)",
    slope=1.0,
    flat=True,
    code="x / (1 + np.abs(x))",
    exact=lambda f, x: x / (1 + f.abs(x)),
)
hard_sigmoid = elementwise(
    "hard_sigmoid",
    lambda x: clip.value(0.2 * x + 0.5, 0.0, 1.0),
    lambda y, x: 0.2 * step(2.5 - x) * step(2.5 + x),
    kink=lambda x: 2.5 - abs(np.real(x)),
    word="hard_sigmoid hardsigmoid HardSigmoid Hardsigmoid",
    meaning="x/5 + ½, cut to the interval from 0 to 1",
    slope=0.2,
    flat=True,
    code="np.clip(0.2 * x + 0.5, 0, 1)",
    exact=lambda f, x: f.maximum(0, f.minimum(1, x / 5 + f.number("0.5"))),
)
selu = elementwise(
    "selu",
    _selu_value,
    lambda y, x: _SCALE * step(x) + (1.0 - step(x)) * (y + _SCALE * _ALPHA),
    kink=lambda x: x,
    word="selu SELU",
    meaning="1.0507 x if x > 0, else 1.7581 (exp(x) − 1)",
    slope=_SCALE * _ALPHA,
    flat=True,
    code=f"{_SCALE} * np.where(x > 0, x, {_ALPHA} * np.expm1(np.minimum(x, 0)))",
    exact=lambda f, x: _SCALE * (f.maximum(x, 0) + _ALPHA * (f.exp(-f.maximum(-x, 0)) - 1)),
)
mish = elementwise(
    "mish",
    _mish_value,
    _mish_partial,
    word="mish Mish",
    meaning="x · tanh(log(1 + exp(x)))",
    slope=1.0884981612562655,  # at 1.4906
    flat=True,
    code="x * np.tanh(np.logaddexp(0, x))",
    exact=lambda f, x: x * f.tanh(f.log(1 + f.exp(x))),
)


def surrogate(smooth: str, slope: float = 1.0) -> Elementwise:
    """The step function, whose derivative is taken to be that of a smooth function: that of `smooth(slope * x)`.

    So spiking networks are trained (E. Neftci, H. Mostafa & F. Zenke, Surrogate gradient learning in spiking neural
    networks, IEEE Signal Processing Magazine 36(6), 2019). The gradient is that of no loss; it is checked as what it
    is: for a small complex change the value follows the smooth function.
    """
    stated = (TABLE[smooth].partials or (None,))[0]

    def partial(y: Any, x: Any) -> Any:
        z = slope * x
        return slope * (stated(TABLE[smooth](z), z) if callable(stated) else stated + 0.0 * z)

    def value(x: Any) -> Any:
        up = step.value(x)
        return up + 1j * np.imag(x) * partial(up, np.real(x)) if np.iscomplexobj(x) else up

    return Elementwise(
        f"step_{smooth}",
        value,
        step.shape_of,
        (partial,),
        "1₊",
        kink=lambda x: np.nan * np.real(x),  # differences of the values see the smooth function nowhere
        readings={"code": "(x > 0) * 1.0"},
        recipe=(surrogate, (smooth, slope)),
    )
