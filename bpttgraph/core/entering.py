"""How operations are entered into the rule table, by kind, and the shapes that many of them have."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BPTTError
from .primitive import READINGS, Bilinear, Elementwise, Linear, Own, Primitive, Shape, entered

# -- shapes ------------------------------------------------------------------------------------------------------------


def same_shape(*shapes: Shape, **_: Any) -> Shape:
    if shapes.count(shapes[0]) == len(shapes):  # the usual case, and much faster
        return shapes[0]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        named = " and ".join(map(str, shapes))
        raise BPTTError(
            f"shapes {named} do not fit together elementwise", "make them equal, or one of them a scalar"
        ) from None


def dims_of(x: Any) -> Shape:
    """The shape of a node, an array or a Python number."""
    return x.shape if hasattr(x, "shape") else ()


def scalar_shape(*shapes: Shape, **_: Any) -> Shape:
    if len(shapes) == 2 and shapes[0] != shapes[1]:
        raise BPTTError(f"shapes {shapes[0]} and {shapes[1]} must be equal here", "compare vectors of one length")
    return shapes[0][:-1]


def first_shape(shape: Shape, *_: Shape, **__: Any) -> Shape:
    return shape


# -- how the kinds are entered -----------------------------------------------------------------------------------------


def _entry(kind: type[Primitive], name: str, value: Any, shape: Any, rule: Any, symbol: str, more: Any) -> Primitive:
    """A new entry; `more` are fields of `Primitive`, and readings by their own names."""
    readings = {k: more.pop(k) for k in READINGS if k in more}
    return entered(kind(name, value, shape, rule, symbol or name, readings=readings, **more))


def elementwise(name: str, value: Any, *partials: Any, symbol: str = "", **more: Any) -> Primitive:
    return _entry(Elementwise, name, value, same_shape, partials, symbol, more)


def linear(
    name: str, value: Any, shape: Any, transpose: Any, symbol: str = "", notation: str = "call", **more: Any
) -> Primitive:
    return _entry(Linear, name, value, shape, transpose, symbol, more | {"notation": notation})


def bilinear(
    name: str, value: Any, shape: Any, left: Any, right: Any, symbol: str = "", notation: str = "call", **more: Any
) -> Primitive:
    return _entry(Bilinear, name, value, shape, (left, right), symbol, more | {"notation": notation})


def own(name: str, value: Any, shape: Any, tangent: Any, symbol: str = "", **more: Any) -> Primitive:
    return _entry(Own, name, value, shape, tangent, symbol, more)
