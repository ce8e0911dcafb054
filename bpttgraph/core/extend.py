"""Adding an operation: its value, and one statement of its derivative.

`primitive` makes the operation; either `derivative=` states the partial derivatives of an elementwise function, or
`defvjp` says how each argument receives the cotangent of the result. Forward mode, second derivatives, printing and
checking follow from that one statement. Write it with operators and NumPy functions: it is applied to arrays, to
Tensors and to symbolic nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import BPTTError
from .primitive import Elementwise, Vjp
from .primitives import TABLE, Primitive, Shape

__all__ = ["defvjp", "primitive"]


def _shape_by_running(value: Callable[..., Any]) -> Callable[..., Shape]:
    def shape(*shapes: Shape, **attrs: Any) -> Shape:
        with np.errstate(all="ignore"):
            return tuple(np.shape(value(*[np.ones(s) for s in shapes], **attrs)))

    return shape


def primitive(
    value: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    symbol: str = "",
    derivative: Callable[..., Any] | Sequence[Callable[..., Any] | None] | None = None,
    kink: Callable[..., Any] | None = None,
    analytic: bool = True,
) -> Any:
    """Make an operation of a function of arrays. Also a decorator.

    Args:
        value: arrays to array, in NumPy, of any shape.
        name, symbol: how it is called in graphs and messages, and how it prints; by default the name of the function.
        derivative: of an elementwise function the partial derivative `d(y, x, ...)`, written with the result `y` and
            the arguments; several of them for several arguments (None for an argument without a derivative). For
            anything else use `defvjp`.
        kink: for a function with a kink, an expression of the arguments that changes sign there.
        analytic: False if `value` does not work on complex numbers; it is then checked by differences.

    Raises:
        BPTTError: if the name belongs to an operation of the table.

    Example:
        >>> import numpy as np, bpttgraph as bg
        >>> cube = primitive(lambda x: x * x * x, name="cube", derivative=lambda y, x: 3.0 * x * x)
        >>> bg.grad(cube)(2.0), bg.grad(bg.grad(cube))(2.0)
        (12.0, 12.0)
    """
    if value is None:
        return lambda f: primitive(f, name=name, symbol=symbol, derivative=derivative, kink=kink, analytic=analytic)
    title = str(name or getattr(value, "__name__", "primitive"))
    title = "primitive" if title == "<lambda>" else title
    if title in TABLE:
        raise BPTTError(f"there is already an operation called {title}", "choose another name")
    rules = tuple(derivative) if isinstance(derivative, list | tuple) else derivative and (derivative,)
    kind = Vjp if derivative is None else Elementwise
    return _made(kind, title, value, rules, symbol or title, kink, analytic)


def _made(
    kind: type[Primitive], name: str, value: Callable[..., Any], rules: Any, symbol: str, kink: Any, analytic: bool
) -> Primitive:
    """An operation that another process can make, too, if the functions stand at the top of a module."""
    recipe = (_made, (kind, name, value, rules, symbol, kink, analytic))
    return kind(name, value, _shape_by_running(value), rules, symbol, kink=kink, analytic=analytic, recipe=recipe)


def defvjp(op: Primitive, *rules: Callable[..., Any] | None) -> Primitive:
    """State the derivative of an operation made by `primitive`: for each argument `rule(g, y, *args)`, linear in the
    cotangent `g`.

    >>> import numpy as np, bpttgraph as bg
    >>> double = primitive(lambda x: 2.0 * x, name="double")
    >>> _ = defvjp(double, lambda g, y, x: 2.0 * g)
    >>> bg.jvp(double, 3.0, 1.0)
    (6.0, 2.0)
    """
    if not isinstance(op, Vjp):
        raise BPTTError(
            f"defvjp needs an operation made by bg.primitive without derivative=, not {op!r:.40}",
            "write op = bg.primitive(value) first",
        )
    object.__setattr__(op, "rule", rules)
    object.__setattr__(op, "recipe", (_made, (type(op), op.name, op.value, rules, op.symbol, op.kink, op.analytic)))
    return op
