"""The functions that an equation may call: how each is built from the rule table, and the shape it has.

`FUNCTIONS[name] = Function(build, shape)`; `shape` is one of

* "same": elementwise, or a vector to a vector of the same size;
* "reduce": a vector to a scalar;
* "pair": two vectors of one size to a scalar;
* "outer", "diag", "concat": as they say;
* "free": of a user's own, nothing is known before it is asked.

In the all-scalar reading (`sizes=1`) a vector has no axis, so the vector functions have a scalar meaning, given here
too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from ..core import primitives as P
from ..core.primitive import Elementwise, Primitive
from ..errors import BPTTError
from .spellings import ALIASES, GREEK, canonical
from .syntax import Call

__all__ = ["ALIASES", "FUNCTIONS", "GREEK", "LOSSES", "Function", "canonical", "function_of", "own_function"]


@dataclass(frozen=True, slots=True)
class Function:
    """`build(*nodes)` makes the node; `arity` is the number of arguments (at least, at most)."""

    build: Callable[..., Any]
    shape: str
    arity: tuple[int, int] = (1, 1)


def _vector(function: Callable[..., Any], scalar: Callable[..., Any]) -> Callable[..., Any]:
    """A function of vectors, with what it means for scalars. The entries of a matrix count as one long vector."""

    def build(*args: Any) -> Any:
        if not any(a.shape for a in args):
            return scalar(*args)
        return function(*[P.reshape(a, shape=(prod(a.shape),)) if len(a.shape) > 1 else a for a in args])

    return build


def _along(function: Callable[..., Any], scalar: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one vector to a vector (softmax): of a matrix, a lecture means its rows or its columns, and must
    say which."""

    def build(x: Any) -> Any:
        if len(x.shape) > 1:
            raise BPTTError(
                f"softmax takes a vector, not a matrix of shape {x.shape}", "apply it to one row or column at a time"
            )
        return function(x) if x.shape else scalar(x)

    return build


def _clip(x: Any, low: Any, high: Any) -> Any:
    return P.clip(x, low=_number(low), high=_number(high))


def _number(node: Any) -> float:
    if not node.is_constant:
        raise BPTTError(
            "the bounds and slopes of clip, leaky_relu and elu must be numbers",
            "write a number, such as clip(x, -5, 5)",
        )
    return float(node.attrs["value"])


def _stack(*parts: Any) -> Any:
    return P.concat(*[P.reshape(p, shape=(1,)) if p.shape == () else p for p in parts])


def own_function(op: Primitive) -> Function:
    """An operation made by `bpttgraph.primitive` as a function of the language.

    Entry by entry, shapes are known from one another; of others nothing is known but what the value says.
    """
    if isinstance(op, Elementwise):
        count = len(op.rule)
        return Function(op, {1: "same", 2: "reduce"}.get(count, "free"), (count, count))
    return Function(op, "free", (1, 99))


FUNCTIONS: dict[str, Function] = {
    **{
        name: Function(P.TABLE[name], "same")
        for name in (
            "tanh",
            "sigmoid",
            "relu",
            "softplus",
            "silu",
            "gelu",
            "gelu_tanh",
            "erf",
            "exp",
            "log",
            "sqrt",
            "abs",
            "sin",
            "cos",
            "identity",
        )
    },
    "leaky_relu": Function(lambda x, *s: P.leaky_relu(x, slope=_number(s[0]) if s else 0.01), "same", (1, 2)),
    "elu": Function(lambda x, *a: P.elu(x, alpha=_number(a[0]) if a else 1.0), "same", (1, 2)),
    "clip": Function(_clip, "same", (3, 3)),
    "softmax": Function(_along(P.softmax, lambda x: 0.0 * x + 1.0), "same"),
    "log_softmax": Function(_along(P.log_softmax, lambda x: 0.0 * x), "same"),
    "sum": Function(P.total, "reduce"),
    "mean": Function(P.mean, "reduce"),
    "norm": Function(_vector(P.norm, P.absolute), "reduce"),
    "max": Function(lambda *a: P.maximum(*a) if len(a) == 2 else _vector(P.largest, P.identity)(*a), "reduce", (1, 2)),
    "min": Function(
        lambda *a: P.minimum(*a) if len(a) == 2 else -_vector(P.largest, P.identity)(-a[0]), "reduce", (1, 2)
    ),
    "dot": Function(_vector(P.dot, P.mul), "pair", (2, 2)),
    "cross_entropy": Function(_vector(P.cross_entropy, lambda y, target: -(target * P.log(y))), "pair", (2, 2)),
    "squared_error": Function(_vector(P.squared_error, lambda y, target: 0.5 * P.square(y - target)), "pair", (2, 2)),
    "outer": Function(_vector(P.outer, P.mul), "outer", (2, 2)),
    "diag": Function(_vector(P.diag, P.identity), "diag"),
    "concat": Function(_stack, "concat", (1, 99)),
    # an entry of the table may bring its own word along
    **{str(op.readings["word"]): own_function(op) for op in P.TABLE.values() if "word" in op.readings},
}

LOSSES = ("cross_entropy", "squared_error")


def function_of(call: Call) -> Function | None:
    """What a call calls: a function of the language, or one of the user's; None for an abstract one."""
    own: Function | None = call.own
    return own or FUNCTIONS.get(canonical(call.function))
