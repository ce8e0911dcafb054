"""What is said when an operation on Tensors fails: its name, the shapes, and a fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.primitives import Primitive
from ..errors import BPTTError

__all__ = ["described", "explained", "key_text"]


def explained(op: Primitive, args: Sequence[Any], attrs: dict[str, Any], error: Exception) -> BPTTError:
    """The error of an operation, with its name, the shapes and a fix."""
    shapes = [tuple(np.shape(a.value)) for a in args]
    named = " and ".join(f"{a.name} {s}" if a.name else str(s) for a, s in zip(args, shapes))
    sign = f"{op.name} ({op.symbol})" if op.symbol and op.symbol != op.name else op.name
    if len(shapes) == 2 and op.name in ("add", "sub", "mul", "div", "pow", "maximum", "minimum"):
        a, b = shapes
        hint = "axes must be equal or 1, counted from the right"
        if a[::-1] == b:
            hint = "transpose one of them: x.T"
        elif len(a) > 1 and len(b) == 1 and a[0] == b[0]:
            hint = f"to add to each column write b[:, None], shape ({b[0]}, 1)"
        return BPTTError(f"{sign}: shapes {named} do not fit together elementwise", hint)
    if op.name in ("matvec", "vecmat", "matmat", "dot") and len(shapes) == 2:
        a, b = shapes
        hint = f"the inner sizes {a[-1]} and {b[-2] if len(b) > 1 else b[-1]} must be equal"
        if len(a) > 1 and a[0] == (b[-2] if len(b) > 1 else b[-1]):
            hint += "; did you mean x.T @ y?"
        elif len(b) == 2 and a[-1] == b[1]:
            hint += "; did you mean x @ y.T?"
        return BPTTError(f"matrix product ({op.name}): shapes {named} do not fit", hint)
    if op.name == "getitem":
        return BPTTError(
            f"indexing a Tensor of shape {named} with {key_text(attrs['key'])}: {error}",
            f"axes have the sizes {shapes[0]}",
        )
    if op.name == "put":
        return BPTTError(
            f"assigning a value of shape {shapes[1]} to x[{key_text(attrs['key'])}] of shape {shapes[0]}: {error}",
            "give the value the shape of the place",
        )
    if op.name == "reshape":
        n = int(np.prod(shapes[0]))
        return BPTTError(
            f"reshape: shape {named} has {n} entries, which do not fill {attrs['shape']}",
            "use -1 for one axis to have it computed",
        )
    if op.name in ("join", "concat"):
        return BPTTError(
            f"concatenate: shapes {', '.join(map(str, shapes))} differ outside of the joined axis",
            "np.stack joins along a new axis",
        )
    return BPTTError(f"{sign}: shapes {named} do not fit: {error}", "print the shapes of the arguments")


def key_text(key: Any) -> str:
    def one(k: Any) -> str:
        if isinstance(k, slice):
            return ":".join(
                "" if v is None else str(v)
                for v in ((k.start, k.stop) if k.step is None else (k.start, k.stop, k.step))
            )
        return (
            "..." if k is Ellipsis else f"array of shape {k.shape}" if isinstance(k, np.ndarray) and k.ndim else str(k)
        )

    return ", ".join(one(k) for k in key) if isinstance(key, tuple) else one(key)


def described(a: Any) -> str:
    """A thing that is no number, in an error message."""
    return "None" if a is None else f"a {type(a).__name__} ({a!r:.40})"
