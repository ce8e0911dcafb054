"""Adding an operation: its value, and one statement of its derivative.

`primitive` makes the operation; either `derivative=` states the partial derivatives of an elementwise function, or
`defvjp` says how each argument receives the cotangent of the result. Forward mode, second derivatives, printing and
checking follow from that one statement. Write it with operators and NumPy functions: it is applied to arrays, to
Tensors and to symbolic nodes.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import BPTTError, expect
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
    slope: float | None = None,
    code: str = "",
    series: Callable[..., Any] | None = None,
) -> Any:
    """Make an operation of a function of arrays. Also a decorator.

    It works on arrays and Tensors, in step functions, and in equations, bound by `let={"phi": operation}`; its own
    derivative is used in numbers, formulas, documents, pictures and printed code alike.

    Args:
        value: arrays to array, in NumPy, of any shape.
        name, symbol: how it is called in graphs and messages, and how it prints; by default the name of the function.
        derivative: of an elementwise function the partial derivative `d(y, x, ...)`, written with the result `y` and
            the arguments; several of them for several arguments (None for an argument without a derivative). For
            anything else use `defvjp`.
        kink: for a function with a kink, an expression of the arguments that changes sign there.
        analytic: False if `value` does not work on complex numbers; it is then checked by differences.
        slope: the largest |derivative|, for the bound of `u.flow()`.
        code: the value as a NumPy expression of x (of x and y for two arguments, and so on to z: here y is the second
            argument, not the result), such as "x / (1 + np.abs(x))": printed code defines the function by it. It is
            run and compared before it goes out.
        series: the value on an array of FLINT power series, for `verify(…, certify=True)`.

    Raises:
        BPTTError: if the name belongs to an operation of the table or is no name; if `slope` is no number; if `code` is
            no expression.

    Example:
        >>> import numpy as np, bpttgraph as bg
        >>> cube = primitive(lambda x: x * x * x, name="cube", derivative=lambda y, x: 3.0 * x * x)
        >>> bg.grad(cube)(2.0), bg.grad(bg.grad(cube))(2.0)
        (12.0, 12.0)
        >>> rec = bg.recurrence("h[t] = cube(w*h[t-1]); E[t] = h[t]", let={"cube": cube})
        >>> rec.unroll(2).derive("w").check().right
        True
    """
    if value is None:
        return lambda f: primitive(
            f, name=name, symbol=symbol, derivative=derivative, kink=kink, analytic=analytic, slope=slope, code=code,
            series=series,
        )  # fmt: skip
    if not callable(value):
        raise BPTTError(
            f"an operation is made of a function, not of {value!r:.40}", "write bg.primitive(lambda x: x * x, name=…)"
        )
    title = str(name or getattr(value, "__name__", "primitive"))
    title = "primitive" if title == "<lambda>" else title
    if title in TABLE:
        raise BPTTError(f"there is already an operation called {title}", "choose another name")
    if not title.isidentifier():
        raise BPTTError(f"{title!r:.40} is no name for an operation", "choose a name such as squash")
    expect(slope, (int, float, type(None)), "slope", "give the largest |derivative|, such as slope=1.0")
    expect(code, str, "code", 'give a text such as code="x / (1 + np.abs(x))"')
    code = _one_expression(code) if code else ""
    rules = tuple(derivative) if isinstance(derivative, list | tuple) else derivative and (derivative,)
    _check_rules(rules or (), "derivative=lambda y, x: 2 * x")
    readings = {k: v for k, v in (("slope", slope), ("code", code), ("series", series)) if v not in (None, "")}
    kind = Vjp if derivative is None else Elementwise
    return _made(kind, title, value, rules, symbol or title, kink, analytic, readings)


def _check_rules(rules: Sequence[Any], how: str) -> None:
    for rule in rules:
        if rule is not None and not callable(rule):
            raise BPTTError(f"a derivative is a function (or None), not {rule!r:.40}", f"write {how}")


def _one_expression(code: str) -> str:
    """The text, if it is one expression on one line: what stands in printed code as it was said must not end there."""
    try:
        return ast.unparse(ast.parse(code.strip(), mode="eval"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BPTTError(
            f"code={code[:40]!r} is no expression", 'give one, without statements: code="x / (1 + np.abs(x))"'
        ) from None


def _made(
    kind: type[Primitive],
    name: str,
    value: Callable[..., Any],
    rules: Any,
    symbol: str,
    kink: Any,
    analytic: bool,
    readings: dict[str, Any],
) -> Primitive:
    """An operation that another process can make, too, if the functions stand at the top of a module."""
    recipe = (_made, (kind, name, value, rules, symbol, kink, analytic, readings))
    return kind(
        name, value, _shape_by_running(value), rules, symbol, kink=kink, analytic=analytic, readings=readings,
        recipe=recipe,
    )  # fmt: skip


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
    _check_rules(rules, "bg.defvjp(op, lambda g, y, x: 2 * x * g)")
    object.__setattr__(op, "rule", rules)
    made = (type(op), op.name, op.value, rules, op.symbol, op.kink, op.analytic, dict(op.readings))
    object.__setattr__(op, "recipe", (_made, made))
    return op
