"""Abstract functions: they print, they have derivatives, they have no numbers; and the operators of `Node`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import BPTTError
from .algebra import add, expand, matmul, mul, neg, sub, transpose
from .entering import same_shape
from .graph import Node
from .pointwise import absolute, div, power
from .primitive import OPERATIONS, Elementwise, Linear, Own, Primitive, Shape


def _no_number(name: str) -> Callable[..., Any]:
    def value(*_: Any, **__: Any) -> Any:
        raise BPTTError(
            f"{name} is abstract: it has no numbers",
            f'bind it: --let {name}=tanh on the command line, let={{"{name}": "tanh"}} in Python',
        )

    return value


_abstract: dict[tuple[str, int, int | None], Primitive] = {}


def abstract_function(name: str, shape: Shape | None = None, order: int = 0) -> Primitive:
    """A function of which only the name is known.

    With one argument (`shape` None) it acts elementwise, and its derivative is the abstract function φ'. With several
    it is a map to `shape`, and its derivative by an argument is an opaque linear map, printed ∂f/∂h.
    """
    if shape is None:
        key = (name, order, None)
        if key not in _abstract:
            prime = "'" * order
            _abstract[key] = Elementwise(
                name + prime,
                _no_number(name),
                same_shape,
                (lambda y, x: abstract_function(name, None, order + 1)(x),),
                name + prime,
                recipe=(abstract_function, (name, None, order)),
            )
        return _abstract[key]

    def tangent(t: Any, slot: int, y: Any, *args: Any) -> Any:
        def pull(g: Any, slot_: int, node: Node) -> Any:
            return None if slot_ else back(g, *node.args[1:])

        forth = Linear(f"D{slot}{name}", _no_number(name), lambda *s: y.shape, pull, f"∂{name}")
        back = Linear(
            f"D{slot}{name}ᵀ",
            _no_number(name),
            lambda *s: args[slot].shape,
            lambda g, slot_, node: None if slot_ else forth(g, *node.args[1:]),
            f"∂{name}ᵀ",
        )
        return forth(t, *args)

    return Own(
        name, _no_number(name), lambda *s: shape, tangent, name, recipe=(abstract_function, (name, shape, order))
    )


OPERATIONS.update(
    add=add,
    sub=sub,
    mul=mul,
    div=div,
    neg=neg,
    power=power,
    matmul=matmul,
    transpose=transpose,
    expand=expand,
    abs=absolute,
)
