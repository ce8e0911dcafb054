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


FUNCTIONS.update(
    {
        np.add: P.add,
        np.subtract: P.sub,
        np.multiply: P.mul,
        np.divide: P.div,
        np.negative: P.neg,
        np.positive: lambda x: x,
        np.power: _power,
        np.float_power: _power,
        np.square: P.square,
        np.sqrt: P.sqrt,
        np.reciprocal: A.reciprocal,
        np.absolute: absolute,
        np.fabs: absolute,
        np.sign: P.sign,
        np.maximum: P.maximum,
        np.minimum: P.minimum,
        np.fmax: P.maximum,
        np.fmin: P.minimum,
        np.exp: P.exp,
        np.exp2: A.exp2,
        np.expm1: A.expm1,
        np.log: P.log,
        np.log2: A.log2,
        np.log10: A.log10,
        np.log1p: A.log1p,
        np.logaddexp: A.logaddexp,
        np.tanh: P.tanh,
        np.sinh: A.sinh,
        np.cosh: A.cosh,
        np.sin: P.sin,
        np.cos: P.cos,
        np.tan: A.tan,
        np.arcsin: A.arcsin,
        np.arccos: A.arccos,
        np.arctan: A.arctan,
        np.arcsinh: A.arcsinh,
        np.arccosh: A.arccosh,
        np.arctanh: A.arctanh,
        np.arctan2: A.arctan2,
        np.hypot: A.hypot,
        np.remainder: A.mod,
        np.conjugate: A.conj,
        np.deg2rad: lambda x: x * (np.pi / 180),
        np.radians: lambda x: x * (np.pi / 180),
        np.rad2deg: lambda x: x * (180 / np.pi),
        np.degrees: lambda x: x * (180 / np.pi),
        np.floor: A.floor,
        np.ceil: A.ceil,
        np.rint: A.rint,
        np.trunc: A.trunc,
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

METHODS.update(
    {
        "clip": clip,
        "conj": A.conj,
        "round": _round,
        "tanh": P.tanh,
        "sigmoid": P.sigmoid,
        "relu": P.relu,
        "leaky_relu": P.leaky_relu,
        "elu": P.elu,
        "silu": P.silu,
        "gelu": P.gelu,
        "gelu_tanh": P.gelu_tanh,
        "erf": P.erf,
        "softplus": P.softplus,
        "exp": P.exp,
        "log": P.log,
        "log1p": A.log1p,
        "expm1": A.expm1,
        "sqrt": P.sqrt,
        "square": P.square,
        "sin": P.sin,
        "cos": P.cos,
        "abs": absolute,
        "pow": _power,
    }
)
