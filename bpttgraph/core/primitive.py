"""What is recorded, and what records: operations, and the values that take part in them.

A `Primitive` is one operation of the rule table. Called with arrays it computes; called with anything `Traced` (a node
of a graph, a Tensor) it lets that record. Both sides meet here, so that the table and the graph need not know each
other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import facade
from ..errors import BPTTError

__all__ = ["OPERATIONS", "TABLE", "Primitive", "Shape", "Traced", "entered", "operation"]

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Primitive:
    """One operation.

    Attributes:
        name: its name in graphs and error messages.
        kind: "elementwise", "linear", "bilinear" or "own".
        value: arrays (and attrs) to array.
        shape_of: shapes of one example (and attrs) to the shape of the result.
        rule: the derivative, by kind: elementwise, a tuple of `partial(y, *args)` (None: no derivative); linear,
            `transpose(g, slot, node)`; bilinear, a pair of `transpose(g, a, b)`; own, `tangent(t, slot, y, *args)`.
        symbol: what is printed; `notation`: "call", "infix", "prefix", "postfix", "hidden" (prints as its argument).
        kink: for a function with a kink, what decides the side, as a function of the arguments.
        joint: of a linear operation, whether it is linear in all arguments together (`a + b`), not in each alone.
        analytic: whether the value may be asked at complex arguments, for the derivative by a complex step.
        domain: for a function that is not defined everywhere, `(quantity, either)` from the arguments: the value is a
            number where the quantity is above zero, or (`either`) not zero. positive: whether its values are always
            above zero.
        signs: of an operation that adds its arguments up, with which sign each (1, −1 for a − b).
        neutral: what leaves the other argument of two as it is, on the left and on the right (0 + x, x / 1).
        unbatching: whether the result belongs to no single example.
        recipe: how another process makes it, as (function, arguments); by default by its name in the table.
    """

    name: str
    kind: str
    value: Callable[..., Any]
    shape_of: Callable[..., Shape]
    rule: Any
    symbol: str = ""
    notation: str = "call"
    kink: Callable[..., Any] | None = field(default=None, repr=False)
    joint: bool = False
    analytic: bool = True
    domain: Callable[..., tuple[Any, bool]] | None = field(default=None, repr=False)
    positive: bool = False
    signs: tuple[int, ...] | None = None
    neutral: tuple[float | None, float | None] = (None, None)
    unbatching: bool = False
    recipe: tuple[Callable[..., Any], tuple[Any, ...]] | None = field(default=None, repr=False)

    def __reduce__(self) -> Any:
        if self.recipe is not None:
            return self.recipe
        return _operation, (self.name,)

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        recorder: Any = None
        for arg in args:
            if isinstance(arg, Traced) and (recorder is None or arg.priority > recorder.priority):
                recorder = arg
        return self.value(*args, **attrs) if recorder is None else recorder.record(self, args, attrs)

    @property
    def partials(self) -> tuple[Any, ...] | None:
        """The partial derivatives of an operation on single numbers: functions of (y, *args), plain numbers, or
        None."""
        if self.kind == "elementwise":
            return tuple(self.rule)
        return self.signs and tuple(float(s) for s in self.signs)

    def __repr__(self) -> str:
        return f"Primitive({self.name})"


TABLE: dict[str, Primitive] = {}


def _operation(name: str) -> Primitive:
    """An operation of the table. (Those that belong to one graph, such as ∂f of an abstract f, are in no table and do
    not travel.)"""
    if name not in TABLE:
        raise BPTTError(
            f"the operation {name} is no operation of the table", "send the recurrence instead of its graph"
        )
    return TABLE[name]


def entered(primitive: Primitive) -> Primitive:
    """A new entry of the table."""
    TABLE[primitive.name] = primitive
    return primitive


OPERATIONS: dict[str, Callable[..., Any]] = {}
"""What the operators of `Traced` stand for, by name: entered by the table."""


def operation(name: str) -> Callable[..., Any]:
    """What an operator stands for; the table is read when the first one is asked for."""
    if not OPERATIONS:
        facade.read_table()
    return OPERATIONS[name]


class Traced:
    """Anything that a primitive can be applied to symbolically: it records instead of computing.

    The operators are spelled once, here, so that a derivative rule such as `1 - y * y` reads the same for every reader.
    """

    __slots__ = ()
    priority = 0  # who records when kinds meet: a Tensor (1) before a Node (0)

    def record(self, op: Primitive, args: Sequence[Any], attrs: dict[str, Any]) -> Any:
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        # `array + node` and `np.tanh(node)` must come to the rule table, never to NumPy's elementwise loop
        return facade.numpy_call(ufunc, method, inputs, options)

    def __add__(self, other: Any) -> Any:
        return operation("add")(self, other)

    def __radd__(self, other: Any) -> Any:
        return operation("add")(other, self)

    def __sub__(self, other: Any) -> Any:
        return operation("sub")(self, other)

    def __rsub__(self, other: Any) -> Any:
        return operation("sub")(other, self)

    def __mul__(self, other: Any) -> Any:
        return operation("mul")(self, other)

    def __rmul__(self, other: Any) -> Any:
        return operation("mul")(other, self)

    def __truediv__(self, other: Any) -> Any:
        return operation("div")(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return operation("div")(other, self)

    def __pow__(self, other: Any) -> Any:
        return operation("power")(self, other)

    def __rpow__(self, other: Any) -> Any:
        return operation("power")(other, self)

    def __neg__(self) -> Any:
        return operation("neg")(self)

    def __matmul__(self, other: Any) -> Any:
        return operation("matmul")(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return operation("matmul")(other, self)

    @property
    def T(self) -> Any:
        return operation("transpose")(self)
