"""What NumPy asks of a Tensor: `np.tanh(x)`, `np.sum(x, axis=0)` come here through NumPy's own dispatch.

The tables say which rule of the core each function is, or how it is put together from rules. They are filled by the
modules of `front`, a family of functions each, which are loaded with this room. A function that is in no table is an
error that names it: it never gives a silent constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.graph import Traced
from ..errors import BPTTError, nearest
from .value import raw

__all__ = ["FUNCTIONS", "METHODS", "PLAIN", "call_function", "call_ufunc", "foreign", "unknown_method"]

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""NumPy's functions on Tensors, universal and other; a reduction of a universal function (`np.add.reduce`) is a
function of its own. They work on plain arrays too."""

METHODS: dict[str, Callable[..., Any]] = {}
"""What can be written `x.name(…)`."""

PLAIN: set[Any] = set()
"""Functions whose result has no derivative by nature (comparisons, shapes, positions): they get the numbers."""


def foreign(other: Any) -> bool:
    """Whether this is a container of another library that knows itself how to meet us (a labelled array, say)."""
    kind = type(other)
    if kind is np.ndarray or kind is float or isinstance(other, Traced):
        return False
    return hasattr(kind, "__array_ufunc__") and not isinstance(other, np.ndarray | np.generic)


def call_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    """What NumPy asks for when a universal function meets a Tensor."""
    if any(map(foreign, inputs)):
        return NotImplemented
    called, name = ufunc, f"np.{ufunc.__name__}"
    if method != "__call__":
        called, name = getattr(ufunc, method), f"{name}.{method}"
    given = {k: v for k, v in options.items() if k == "axis" or not (v is None or (k == "where" and v is True))}
    if method == "__call__" and called in FUNCTIONS:  # entry by entry: rules, which take no options
        dtype = given.pop("dtype", None)
        if dtype is not None:
            inputs = [METHODS["astype"](x, dtype) for x in inputs]
        if given and "out" not in given:
            raise _no_option(name, next(iter(given)))
    return _answer(called, name, inputs, given)


def call_function(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What NumPy asks for when any other function meets a Tensor."""
    name = f"{getattr(function, '__module__', None) or 'numpy'}.{function.__name__}".replace("numpy", "np", 1)
    return _answer(function, name, args, {k: v for k, v in kwargs.items() if not (k == "out" and v is None)})


def _answer(function: Any, name: str, args: Sequence[Any], options: dict[str, Any]) -> Any:
    given = {k: v for k, v in options.items() if v is not np._NoValue}
    if function in PLAIN:
        return function(*[raw(a) for a in args], **{k: raw(v) for k, v in given.items()})
    implementation = FUNCTIONS.get(function)
    if implementation is None:
        raise _no_rule(name, function.__name__)
    if "out" in given:
        raise BPTTError(f"{name} with out= writes into an array, which cannot be recorded", f"write y = {name}(...)")
    try:
        return implementation(*args, **given)
    except TypeError as error:
        if "argument" in str(error) and "unexpected" in str(error):
            word = str(error).rpartition(" ")[2].strip("'")
            raise _no_option(name, word) from None
        raise


def _no_option(name: str, option: str) -> BPTTError:
    return BPTTError(
        f"{name} does not support the option {option} on Tensors", "leave it out, or write it with other functions"
    )


def _no_rule(name: str, short: str) -> BPTTError:
    close = nearest(short, sorted({f.__name__ for f in FUNCTIONS})).removeprefix("there is ")
    return BPTTError(
        f"{name} has no derivative rule here, so it cannot be applied to a Tensor",
        ("write it with operations that have one" if "did you mean" not in close else close)
        + "; bg.primitive adds one; x.data gives plain numbers",
    )


def unknown_method(name: str) -> AttributeError:
    known = [
        *METHODS,
        "data",
        "grad",
        "backward",
        "detach",
        "item",
        "T",
        "shape",
        "ndim",
        "size",
        "dtype",
        "name",
        "numpy",
    ]
    return AttributeError(f"a Tensor has no attribute {name!r}\n  hint: {nearest(name, known)}")
