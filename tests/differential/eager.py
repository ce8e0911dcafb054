"""The same trees as programs on the package's Tensors: arrays for `bg.grad` and `backward`, single numbers for
`bg.replay`.

A `World` only needs arithmetic, so it runs on Tensors, and on NumPy's object arrays of single-number Tensors. Only
functions that the oracle writes with complex numbers in mind are written here as a user would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

import bpttgraph as bg

from .compare import Array, Subject
from .operations import OPS, _flat
from .oracle import World
from .own import OWN


def _all(f: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function of one number, entry by entry."""
    each = np.frompyfunc(lambda x: f(x if isinstance(x, bg.Tensor) else bg.tensor(float(x))), 1, 1)
    return lambda x: each(np.asarray(x))


def _softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


class Eager(World):
    """On Tensors of shape (1, B, *shape)."""

    ops: ClassVar = {
        **OPS,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "relu": lambda x: np.maximum(x, 0),
        "abs": np.abs,
        "gelu": lambda x: x.gelu() if isinstance(x, bg.Tensor) else OPS["gelu"](x),
        "softplus": lambda x: np.logaddexp(0, x),
        "silu": lambda x: x / (1 + np.exp(-x)),
        "leaky_relu": lambda x, s=0.01: np.where(x > 0, x, s * x),
        "elu": lambda x, a=1.0: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))),
        "clip": lambda x, low, high: np.clip(x, low, high),
        "softmax": _softmax,
        "log_softmax": lambda x: np.log(_softmax(x)),
        "max": lambda x, y=None: np.maximum(x, y) if y is not None else np.max(_flat(x), axis=-1),
        "min": lambda x, y=None: np.minimum(x, y) if y is not None else np.min(_flat(x), axis=-1),
        "norm": lambda x: np.linalg.norm(_flat(x), axis=-1),
        **OWN,
    }
    kinks: ClassVar = {}

    def __init__(self, case: Any, data: Any, moved: Any, outputs: tuple[str, ...]):
        super().__init__(case, data, moved, outputs=outputs)


def eager_loss(s: Subject, tensors: dict[str, Any]) -> Any:
    """The total loss of a case as one Tensor, from Tensors for the data."""
    w = Eager(s.case, s.world.data, {k: t[None] for k, t in tensors.items()}, s.outputs)
    parts = [np.sum(v * np.ones((1, s.batch))) for v in w.losses().values()]
    return sum(parts[1:], parts[0])


def compare_eager(s: Subject) -> str | None:
    """The recurrence as a program on arrays: `value_and_grad` of a dict of data, and `backward`."""
    given = {k: s.world.data[k] for k in s.gradients}
    if not given:
        return None
    value, gradients = bg.value_and_grad(lambda d: eager_loss(s, d) + 0 * sum(np.sum(x) for x in d.values()))(given)
    if found := s.differs(value, s.loss, s.size * s.batch * s.case.steps):
        return f"value: {found}"
    for key, want in s.gradients.items():
        if found := s.differs(gradients[key], want, s.scale(key)):
            return f"grad by {key}: {found}"
    tensors = {k: bg.tensor(v, name=k) for k, v in given.items()}
    loss = eager_loss(s, tensors)
    if isinstance(loss, bg.Tensor):  # a loss may depend on nothing
        loss.backward()
    for key, want in s.gradients.items():
        got = tensors[key].grad
        if found := s.differs(np.zeros(want.shape) if got is None else got, want, s.scale(key)):
            return f"backward, {key}: {found}"
    return None


class Scalars(World):
    """On object arrays of single-number Tensors."""

    ops: ClassVar = {
        **OPS,
        **{f: _all(lambda x, f=f: getattr(x, f)()) for f in (
            "tanh", "sigmoid", "relu", "softplus", "silu", "gelu", "exp", "log", "sqrt", "sin", "cos")},
        **{f: _all(OWN[f]) for f in ("wave", "hump")}, "blend": lambda x, y: _pairs(OWN["blend"], x, y),
        "abs": _all(abs), "leaky_relu": lambda x, s=0.01: _all(lambda v: v.leaky_relu(slope=float(np.ravel(s)[0])))(x),
        "elu": lambda x, a=1.0: _all(lambda v: v.elu(alpha=float(np.ravel(a)[0])))(x),
        "clip": lambda x, low, high: _all(lambda v: v.clip(float(np.ravel(low)[0]), float(np.ravel(high)[0])))(x),
        "max": lambda x, y=None: _fold(np.maximum, x, y), "min": lambda x, y=None: _fold(np.minimum, x, y),
        "norm": lambda x: _all(lambda v: v.sqrt())((_flat(x) ** 2).sum(-1)),
        "softmax": lambda x: (e := _all(lambda v: v.exp())(x)) / e.sum(-1, keepdims=True),
        "log_softmax": lambda x: x - _all(lambda v: v.log())(_all(lambda v: v.exp())(x).sum(-1, keepdims=True)),
        "cross_entropy": lambda y, d: -(d * _all(lambda v: v.log())(y)).sum(-1),
    }  # fmt: skip
    kinks: ClassVar = {}


def _pairs(f: Any, x: Any, y: Any) -> Any:
    """A function of two numbers, entry by entry."""
    each = np.frompyfunc(
        lambda a, b: f(*[v if isinstance(v, bg.Tensor) else bg.tensor(float(v)) for v in (a, b)]), 2, 1
    )
    return each(x, y)


def _fold(f: Any, x: Any, y: Any) -> Any:
    """The larger (smaller) of two arguments, or of all entries."""
    if y is not None:
        return _pairs(f, x, y)
    flat = np.asarray(_flat(x))
    found = flat[..., 0]
    for i in range(1, flat.shape[-1]):
        found = _pairs(f, found, flat[..., i])
    return found


def compare_replay(s: Subject) -> str | None:
    """The recurrence as a program of single numbers, recorded on other data and replayed on those of the case."""
    keys = list(s.gradients)
    if not keys:
        return None
    tensors = {k: np.empty(np.shape(s.world.data[k]), object) for k in keys}
    for key in keys:
        for i, x in np.ndenumerate(s.world.data[key]):
            tensors[key][i] = bg.tensor(0.9 * float(x) + 0.01)
    w = Scalars(s.case, s.world.data, {k: t[None] for k, t in tensors.items()}, outputs=s.outputs)
    parts = [(v * np.ones((1, s.batch))).sum() for v in w.losses().values()]
    loss = sum(parts[1:], parts[0])
    if not isinstance(loss, bg.Tensor):
        return None
    again = bg.replay(loss)
    order = {id(t): (key, i) for key in keys for i, t in np.ndenumerate(tensors[key])}
    places = [order.get(id(t)) for t in again.leaves]  # None for a number that an operation of ours made a Tensor
    value, gradient = again(
        [np.asarray(s.world.data[p[0]])[p[1]] if p else t.item() for p, t in zip(places, again.leaves)]
    )
    if found := s.differs(value, s.loss, s.size * s.batch * s.case.steps):
        return f"value: {found}"
    got: dict[str, Array] = {k: np.zeros(s.gradients[k].shape) for k in keys}
    for p, g in zip(places, gradient):
        if p:
            got[p[0]][p[1]] = g
    for key in keys:
        if found := s.differs(got[key], s.gradients[key], s.scale(key)):
            return f"replayed gradient by {key}: {found}"
    return None
