"""Entries of the rule table that take a vector as a whole: softmax, norms, the losses. Each states its tangent."""

from __future__ import annotations

from typing import Any

import numpy as np

from .algebra import dot, expand, last
from .entering import dims_of, first_shape, own, scalar_shape
from .pointwise import absolute, exp, log, ratio, square
from .primitive import Shape


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
    first_shape,
    lambda t, slot, y, x: None,
    "argmax",
    code="def top_mask(x):\n    top = x == np.max(x)\n    return top / np.sum(top)\n",
    exact=_top_mask_exactly,
    word=None,
)
softmax = own(
    "softmax",
    lambda x: _softmax_value(x) if np.ndim(x) else x * 0 + 1.0,
    first_shape,
    lambda t, slot, y, x: y * t - y * last(dot(y, t)) if dims_of(x) else 0.0 * t,
    positive=True,
    word="softmax Softmax",
    meaning="exp(xᵢ) / Σⱼ exp(xⱼ)",
    result="same",
    scalar=lambda x: 0.0 * x + 1.0,
    code="def softmax(x):\n    e = np.exp(x - np.max(x))\n    return e / np.sum(e)\n",
    exact=_softmax_exactly,
    reason="every probability depends on every score",
)
log_softmax = own(
    "log_softmax",
    _log_softmax_value,
    first_shape,
    lambda t, slot, y, x: t - expand(last(dot(exp(y), t)), shape=x.shape),
    word="log_softmax LogSoftmax logsoftmax",
    meaning="xᵢ − log Σⱼ exp(xⱼ)",
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
    scalar_shape,
    lambda t, slot, e, y, target: -dot(log(y), t) if slot else -dot(ratio(target, y), t),
    "CE",
    domain=lambda y, target: (np.where(target != 0, y, 1.0), False),
    word="cross_entropy CE CrossEntropy crossentropy",
    meaning="−Σᵢ targetᵢ log yᵢ; y are probabilities, the target a distribution or a class",
    result="pair",
    scalar=lambda y, target: -(target * log(y)),
    code="def cross_entropy(y, target):\n    return -np.sum(target * np.log(np.where(target == 0, 1, y)))\n",
    exact=_cross_entropy_exactly,
    reason="−log yᵢ has the derivative −1/yᵢ",
)
squared_error = own(
    "squared_error",
    lambda y, target: 0.5 * np.sum((y - target) ** 2, axis=-1),
    scalar_shape,
    lambda t, slot, e, y, target: dot(target - y, t) if slot else dot(y - target, t),
    "SE",
    word="squared_error",
    meaning="½ Σᵢ (yᵢ − targetᵢ)²",
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
    meaning="√(Σᵢ xᵢ²)",
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
