"""The functions that an equation may call: how each is built from the rule table, and the shape it has.

An entry of the table that has a word is one of them, by what the entry says (`core.primitive.READINGS`); those that are
made of several operations stand here. `FUNCTIONS[name] = Function(build, shape)`; `shape` is one of

* "same": entry by entry, or a vector to a vector of the same size;
* "each": entry by entry of several arguments, of which some may be numbers;
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
from .syntax import Call

__all__ = ["ALIASES", "FUNCTIONS", "LOSSES", "Function", "canonical", "function_of", "own_function"]


LAYER_NORM_EPSILON = 1e-5
"""What keeps the division of `layer_norm` away from zero, as in PyTorch and in ONNX."""


@dataclass(frozen=True, slots=True)
class Function:
    """`build(*nodes)` makes the node; `arity` is the number of arguments (at least, at most); `two` is the shape with
    two arguments, if it is another; `meaning` says for the list of functions what it is; `counts` whether the number of
    entries stands in its value."""

    build: Callable[..., Any]
    shape: str
    arity: tuple[int, int] = (1, 1)
    two: str = ""
    meaning: str = ""
    counts: bool = False

    def shape_of(self, count: int) -> str:
        """The shape with so many arguments."""
        return self.two if self.two and count == 2 else self.shape


def _vector(function: Callable[..., Any], scalar: Callable[..., Any]) -> Callable[..., Any]:
    """A function of vectors, with what it means for scalars. The entries of a matrix count as one long vector."""

    def build(*args: Any) -> Any:
        if not any(a.shape for a in args):
            return scalar(*args)
        return function(*[P.reshape(a, shape=(prod(a.shape),)) if len(a.shape) > 1 else a for a in args])

    return build


def _along(op: Primitive, scalar: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one vector to a vector (softmax): of a matrix, a lecture means its rows or its columns, and must
    say which."""

    def build(x: Any) -> Any:
        _one_vector(op.name, x)
        return op(x) if x.shape else scalar(x)

    return build


def _one_vector(name: str, x: Any) -> None:
    if len(x.shape) > 1:
        raise BPTTError(
            f"{name} takes a vector, not a matrix of shape {x.shape}", "apply it to one row or column at a time"
        )


def _with_attributes(op: Elementwise) -> Callable[..., Any]:
    """A function whose last arguments are plain numbers, such as the bounds of clip."""
    count = len(op.rule)

    def build(*args: Any) -> Any:
        given = dict(zip(op.attributes, args[count:]))
        for name, node in given.items():
            if not node.is_constant:
                raise BPTTError(f"{name} of {op.name} must be a number", "write a number, such as clip(x, -5, 5)")
        return op(*args[:count], **{**op.attributes, **{k: float(v.attrs["value"]) for k, v in given.items()}})

    return build


def _stack(*parts: Any) -> Any:
    return P.concat(*[P.reshape(p, shape=(1,)) if p.shape == () else p for p in parts])


def _layer_norm(x: Any) -> Any:
    """Ba, Kiros & Hinton, Layer normalization, 2016, without gain and bias, which equations write beside it."""
    _one_vector("layer_norm", x)
    centred = x - P.mean(x)
    return centred / P.sqrt(P.mean(P.square(centred)) + LAYER_NORM_EPSILON)


def _bits(y: Any, target: Any) -> Any:
    return -(target * P.log(y) + (1.0 - target) * P.log(1.0 - y))


def own_function(op: Primitive) -> Function:
    """An operation as a function of the language, by what its entry says. One made by `bpttgraph.primitive` says
    nothing: entry by entry, shapes are known from one another; of others nothing is known but what the value says."""
    count, meaning = op.count, _meaning(op)
    if isinstance(op, Elementwise):
        needed = count + sum(default is None for default in op.attributes.values())
        build = _with_attributes(op) if op.attributes else op
        shape = "same" if count == 1 else "each"
        return Function(build, shape, (needed, count + len(op.attributes)), meaning=meaning)
    result, scalar = op.readings.get("result", "free"), op.readings.get("scalar")
    if result == "free":
        return Function(op, "free", (1, 99))
    build = op if scalar is None else _along(op, scalar) if result == "same" else _vector(op, scalar)
    return Function(build, result, (count, count), meaning=meaning)


def _meaning(op: Primitive) -> str:
    """What an entry says that it is, else its value in NumPy, else nothing."""
    said, code, numpy = (op.readings.get(k) or "" for k in ("meaning", "code", "numpy"))
    shown = code if code and not code.startswith("def ") else numpy and f"np.{numpy}"
    return said or (f"`{shown}`" if shown else "")


_CALLED = [op for op in P.TABLE.values() if op.word]

ALIASES = {
    **{other: op.word for op in _CALLED for other in op.readings["word"].split()[1:]},
    **dict.fromkeys(("HardTanh", "Hardtanh", "hard_tanh"), "hardtanh"),
    **dict.fromkeys(("LayerNorm", "layernorm", "Layernorm"), "layer_norm"),
    **dict.fromkeys(("MSE", "mse"), "mean_squared_error"),
    **dict.fromkeys(("BCE", "bce"), "binary_cross_entropy"),
    "maximum": "max",
    "minimum": "min",
}

FUNCTIONS: dict[str, Function] = {
    **{op.word: own_function(op) for op in _CALLED},
    # what is made of several operations
    "sum": Function(P.total, "reduce", meaning="Σᵢ xᵢ"),
    "mean": Function(P.mean, "reduce", meaning="Σᵢ xᵢ / n", counts=True),
    "max": Function(
        lambda *a: P.maximum(*a) if len(a) == 2 else _vector(P.largest, P.identity)(*a),
        "reduce",
        (1, 2),
        two="each",
        meaning="largest entry; with two arguments the larger one, entry by entry",
    ),
    "min": Function(
        lambda *a: P.minimum(*a) if len(a) == 2 else -_vector(P.largest, P.identity)(-a[0]),
        "reduce",
        (1, 2),
        two="each",
        meaning="smallest entry; with two arguments the smaller one, entry by entry",
    ),
    "concat": Function(_stack, "concat", (1, 99), meaning="one vector after the other, as [a; b]"),
    "hardtanh": Function(lambda x: P.clip(x, low=-1.0, high=1.0), "same", meaning="x cut to the interval from −1 to 1"),
    "layer_norm": Function(_layer_norm, "same", meaning="(x − mean(x)) / √(variance(x) + 0.00001)", counts=True),
    "mean_squared_error": Function(
        _vector(lambda y, target: P.mean(P.square(y - target)), lambda y, target: P.square(y - target)),
        "pair",
        (2, 2),
        meaning="Σᵢ (yᵢ − targetᵢ)² / n",
        counts=True,
    ),
    "binary_cross_entropy": Function(
        _vector(lambda y, target: P.total(_bits(y, target)), _bits),
        "pair",
        (2, 2),
        meaning="−Σᵢ (targetᵢ log yᵢ + (1 − targetᵢ) log(1 − yᵢ))",
    ),
}

LOSSES = ("cross_entropy", "squared_error", "mean_squared_error", "binary_cross_entropy")


_LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega"
)
_GREEK = dict(zip(_LETTERS.split(), "αβγδεζηθικλμνξρστυφχψω"))


def canonical(name: str) -> str:
    """One spelling of a function or variable name for look-ups: `phi` and `φ` are the same, so are `sigma`, `σ` and
    `sigmoid`.

    >>> canonical("phi"), canonical("sigma"), canonical("g_1")
    ('φ', 'sigmoid', 'g_1')
    """
    head, mark, tail = name.partition("_")
    name = _GREEK.get(head, head) + mark + tail
    return ALIASES.get(name, name)


def function_of(call: Call) -> Function | None:
    """What a call calls: a function of the language, or one of the user's; None for an abstract one."""
    own: Function | None = call.own
    return own or FUNCTIONS.get(canonical(call.function))
