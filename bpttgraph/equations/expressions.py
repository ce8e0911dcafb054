"""An equation's right side as nodes, whatever its names stand for: a value at step 3 (unrolling), or at any step t (the
schedule)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard

from ..core import primitives as P
from ..core.graph import Node, constant
from .functions import FUNCTIONS, function_of
from .syntax import Binary, Call, Constant, Expr, Name, Negate, Number, Reduce, Stack, Transposed

__all__ = ["build", "named_parts"]

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": P.add, "-": P.sub, "*": P.mul, "/": P.div, "^": P.power, "@": P.matmul,
}  # fmt: skip


def build(e: Expr, name: Callable[[Name], Node], reduce: Callable[[Reduce], Node], shape: tuple[int, ...]) -> Node:
    """The node of an elaborated expression (`elaborate.py`). Recursion is over the equation, whose depth the
    parser bounds, never over time.

    Args:
        name, reduce: what stands for a name, and for a sum or product over steps.
        shape: of the result of an abstract function of several arguments.
    """

    def go(x: Expr) -> Node:
        return build(x, name, reduce, shape)

    if isinstance(e, Number):
        return constant(float(e.value))
    if isinstance(e, Constant):
        return _constant(e)
    if isinstance(e, Name):
        return name(e)
    if isinstance(e, Negate):
        if isinstance(e.operand, Number):
            return constant(-float(e.operand.value))
        found: Node = -go(e.operand)
        return found
    if isinstance(e, Transposed):
        found = P.transpose(go(e.operand))
        return found
    if isinstance(e, Stack):
        found = FUNCTIONS["concat"].build(*[go(i) for i in e.items])
        return found
    if isinstance(e, Reduce):
        return reduce(e)
    if _is_squared_norm(e):
        found = FUNCTIONS["sum"].build(P.square(go(e.left.args[0])))
        return found
    if isinstance(e, Binary):
        found = _OPERATORS[e.operator](go(e.left), go(e.right))
        return found
    assert isinstance(e, Call)
    args = [go(a) for a in (*e.args, *e.parameters)]
    function = function_of(e)
    if function is not None:
        found = function.build(*args)
        return found
    found = P.abstract_function(e.function, None if len(args) == 1 else shape)(*args)
    return found


def _is_squared_norm(e: Expr) -> TypeGuard[Any]:
    """‖x‖² is a sum of squares: it has a derivative at 0, where ‖x‖ has none, and that derivative is 2 x."""
    return (
        isinstance(e, Binary)
        and e.operator == "^"
        and isinstance(e.left, Call)
        and e.left.function == "norm"
        and isinstance(e.right, Number)
        and e.right.value == 2
    )


def _constant(e: Constant) -> Node:
    """The identity matrix, or a vector of ones."""
    ones: Node = P.expand(constant(1.0), shape=e.shape[:1]) if e.shape else constant(1.0)
    found: Node = P.diag(ones) if len(e.shape) == 2 else ones
    return found


def named_parts(
    node: Node, bases: tuple[str, ...], shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[str, Node]]:
    """The node of each name on a left side: all of a right side, or the parts of an unpacked stack, each in its own
    shape."""
    start = 0
    if len(bases) > 1 and not node.shape:  # one number for all of a stack
        node = P.expand(node, shape=(sum((shapes[b] or (1,))[0] for b in bases),))
    for base in bases:
        shape, value = shapes[base], node
        if len(bases) > 1:
            stop = start + (shape[0] if shape else 1)
            value = P.take(node, start=start, stop=stop)
            start = stop
        if value.shape != shape:
            wider = len(value.shape) <= len(shape) and value.shape != (1,)
            value = P.expand(value, shape=shape) if wider else P.reshape(value, shape=shape)
        yield base, P.identity(value) if value.name is not None or value.op is None else value
