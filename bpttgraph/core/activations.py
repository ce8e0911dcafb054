"""More activations of the literature, as entries of the rule table (see `lecture`), with their constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from .lecture import clip, elementwise, sigmoid, softplus, square, step, tanh

__all__ = ["SELU_ALPHA", "SELU_SCALE", "hard_sigmoid", "mish", "selu", "softsign"]

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
"""λ and α of Klambauer et al., Self-normalizing neural networks, NeurIPS 2017."""


def _distance(x: Any) -> Any:
    """1 + |x|, also of the real side of a complex x."""
    return 1.0 + x * np.sign(np.real(x))


def _selu_value(x: Any) -> Any:
    up = np.real(x) > 0
    return (SELU_SCALE * np.where(up, x, SELU_ALPHA * np.expm1(np.where(up, 0 * x, x))))[()]


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
    slope=1.0,
    code="x / (1 + np.abs(x))",
)
hard_sigmoid = elementwise(
    "hard_sigmoid",
    lambda x: clip.value(0.2 * x + 0.5, 0.0, 1.0),
    lambda y, x: 0.2 * step(2.5 - x) * step(2.5 + x),
    kink=lambda x: 2.5 - abs(np.real(x)),
    word="hard_sigmoid hardsigmoid HardSigmoid Hardsigmoid",
    slope=0.2,
    code="np.clip(0.2 * x + 0.5, 0, 1)",
)
selu = elementwise(
    "selu",
    _selu_value,
    lambda y, x: SELU_SCALE * step(x) + (1.0 - step(x)) * (y + SELU_SCALE * SELU_ALPHA),
    kink=lambda x: x,
    word="selu SELU",
    slope=SELU_SCALE * SELU_ALPHA,
    code=f"{SELU_SCALE} * np.where(x > 0, x, {SELU_ALPHA} * np.expm1(np.minimum(x, 0)))",
)
mish = elementwise(
    "mish",
    _mish_value,
    _mish_partial,
    word="mish Mish",
    slope=1.0884981612562655,  # at 1.4906
    code="x * np.tanh(np.logaddexp(0, x))",
)
