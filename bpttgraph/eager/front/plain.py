"""Functions whose result has no derivative by nature (comparisons, shapes, positions): they get the numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dispatch import METHODS, PLAIN

__all__: list[str] = []

PLAIN.update(
    {
        np.less,
        np.less_equal,
        np.greater,
        np.greater_equal,
        np.equal,
        np.not_equal,
        np.isfinite,
        np.isinf,
        np.isnan,
        np.signbit,
        np.logical_and,
        np.logical_or,
        np.logical_not,
        np.logical_xor,
        np.floor_divide,
        np.shape,
        np.ndim,
        np.size,
        np.argmax,
        np.argmin,
        np.argsort,
        np.nonzero,
        np.flatnonzero,
        np.argwhere,
        np.count_nonzero,
        np.any,
        np.all,
        np.allclose,
        np.isclose,
        np.array_equal,
        np.array_equiv,
        np.searchsorted,
        np.iscomplexobj,
        np.isrealobj,
        np.result_type,
        np.may_share_memory,
        np.array_repr,
        np.array_str,
        np.array2string,
        np.iscomplex,
        np.isreal,
        np.isneginf,
        np.isposinf,
        np.unravel_index,
        np.common_type,
        np.shares_memory,
    }
)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, *args, **options: function(x.data, *args, **options)


METHODS.update({f.__name__: _method(f) for f in (np.argmax, np.argmin, np.argsort, np.all, np.any)})
METHODS["tolist"] = lambda x: np.asarray(x.data).tolist()
