"""Functions of each entry: most are a rule of the core by another name."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import arrays as A, primitives as P
from ..dispatch import FUNCTIONS, METHODS
from ..tensor import Tensor
from ..value import raw
from .axes import is_complex
from .joining import arrayed

__all__ = ["absolute", "clip", "modulus_squared", "nan_to_num", "where"]


def absolute(x: Any) -> Any:
    """|x|; of a complex number its modulus."""
    return P.sqrt(modulus_squared(x)) if is_complex(x) else P.absolute(x)


def modulus_squared(x: Any) -> Any:
    return P.square(A.real(x)) + P.square(A.imag(x)) if is_complex(x) else P.square(x)


def _power(a: Any, b: Any) -> Any:
    if isinstance(b, np.ndarray | np.generic) and b.ndim == 0:
        b = b.item()
    return P.power(a, b) if isinstance(a, Tensor) else P.pow_(a, b)


def where(condition: Any, *branches: Any) -> Any:
    """`np.where`. The branch not taken has no influence on the derivative, even where it is infinite."""
    if len(branches) != 2:
        return np.where(raw(condition), *branches)
    return A.select(np.asarray(raw(condition), bool), *[arrayed(b) for b in branches])


def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if a_min is not None else min, a_max if a_max is not None else max
    if isinstance(low, int | float | None) and isinstance(high, int | float | None):
        return P.clip(x, low=-np.inf if low is None else low, high=np.inf if high is None else high)
    x = x if low is None else P.maximum(x, low)
    return x if high is None else P.minimum(x, high)


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return A.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


def _round(x: Any, decimals: int = 0) -> Any:
    return A.rint(x * 10.0**decimals) / 10.0**decimals


FUNCTIONS.update({op.ufunc: op for op in P.TABLE.values() if op.ufunc is not None})
FUNCTIONS.update(
    {
        np.positive: lambda x: x,
        np.power: _power,
        np.float_power: _power,
        np.absolute: absolute,
        np.fabs: absolute,
        np.fmax: P.maximum,
        np.fmin: P.minimum,
        np.deg2rad: lambda x: x * (np.pi / 180),
        np.radians: lambda x: x * (np.pi / 180),
        np.rad2deg: lambda x: x * (180 / np.pi),
        np.degrees: lambda x: x * (180 / np.pi),
        np.heaviside: lambda x, half: A.select(raw(x) == 0, half, P.step(x)),
        np.where: where,
        np.clip: clip,
        np.nan_to_num: nan_to_num,
        np.real: A.real,
        np.imag: A.imag,
        np.sinc: A.sinc,
        np.round: _round,
    }
)

METHODS.update({op.word: op for op in P.TABLE.values() if op.word and op.kind == "elementwise"})
METHODS.update(
    {
        "clip": clip,
        "conj": A.conj,
        "round": _round,
        "log1p": A.log1p,
        "expm1": A.expm1,
        "square": P.square,
        "abs": absolute,
        "pow": _power,
    }
)
