"""NumPy's names, with ours where NumPy cannot dispatch by itself: lists of Tensors, array constructors, casts."""

from typing import Any

import numpy as _np

import bpttgraph as bg
from bpttgraph.eager.dispatch import FUNCTIONS as _FUNCTIONS, METHODS as _METHODS
from bpttgraph.eager.trees import leaves as _leaves

from . import random  # noqa: F401


def _traced(value: Any) -> bool:
    return any(isinstance(x, bg.Tensor) for x in _leaves(value))


def _renamed(function: Any) -> Any:
    ours = _FUNCTIONS.get(function)

    def call(*args: Any, **kwargs: Any) -> Any:
        if _traced(args) or _traced(kwargs):
            args = tuple(
                bg.array(a) if isinstance(a, list | tuple) and _traced(a) and function not in _SEVERAL else a
                for a in args
            )
            return ours(*args, **kwargs) if ours else function(*args, **kwargs)
        return function(*args, **kwargs)

    return call


_SEVERAL = {_np.concatenate, _np.stack, _np.vstack, _np.hstack, _np.column_stack}


class _Joined:
    """`r_` and `c_` of Tensors."""

    def __init__(self, plain: Any, join: Any):
        self.plain, self.join = plain, join

    def __getitem__(self, key: Any) -> Any:
        if not _traced(key):
            return self.plain[key]
        parts = [self.plain[k] if isinstance(k, slice) else k for k in (key if isinstance(key, tuple) else (key,))]
        return self.join(parts)


array = bg.array
r_ = _Joined(_np.r_, lambda parts: _FUNCTIONS[_np.concatenate](parts, 0))
c_ = _Joined(_np.c_, lambda parts: _FUNCTIONS[_np.concatenate](parts, -1))


def int64(x: Any) -> Any:
    return _METHODS["astype"](x, _np.int64)


def make_diagonal(d: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return d[..., None] * _np.eye(d.shape[-1])


def __getattr__(name: str) -> Any:
    value = getattr(_np, name)
    return _renamed(value) if callable(value) and not isinstance(value, type) else value
