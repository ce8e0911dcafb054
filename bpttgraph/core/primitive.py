"""What is recorded, and what records: operations, and the values that take part in them.

A `Primitive` is one operation of the rule table. Called with arrays it computes; called with anything `Traced` (a node
of a graph, a Tensor) it lets that record. Both sides meet here, so that the table and the graph need not know each
other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np

from .. import facade
from ..errors import BPTTError

__all__ = [
    "OPERATIONS",
    "READINGS",
    "TABLE",
    "Bilinear",
    "Elementwise",
    "Linear",
    "Own",
    "Primitive",
    "Shape",
    "Traced",
    "Vjp",
    "entered",
    "operation",
]

Shape = tuple[int, ...]
Reverse = Callable[[Callable[[Any], Any], Any, Any, Any], Any]
"""The caller's own reverse pass, for a rule that is stated the other way round: `reverse(linear, node, like, g)` sends
the cotangent `g` of `linear(t)` back to `t`, an unknown shaped like `like`."""

READINGS = {
    "word": "its name in equations, and its other spellings after it",
    "meaning": "what it is, for the list of functions; without one the list shows its value in NumPy",
    "result": "what equations know of the result where that does not follow from the kind: `Function.shape`",
    "scalar": "of a function of vectors, what it is of numbers, which have no axis",
    "numpy": "the function of NumPy with the same meaning",
    "slope": "the largest |partial derivative|, or a function of the attributes that gives it",
    "flat": "whether |partial derivative| comes below a tenth of that",
    "code": "its value as the text of a NumPy expression of its arguments x, y, z (so y is the second one, "
    "not the result as in a derivative), or of a whole definition",
    "exact": "its value in exact functions `f`, of single numbers or, for a function of vectors, of lists of them",
    "reason": "why its derivative is what it is, in a few words",
    "series": "its value on arrays of FLINT power series",
}
"""What an entry may say to the rooms above, and None says that there is none."""


@dataclass(frozen=True, eq=False)
class Primitive:
    """One operation. Its class, the kind, says in which form the derivative is stated.

    Attributes:
        name: its name in graphs and error messages.
        kind: the name of its class, in small letters.
        value: arrays (and attrs) to array.
        shape_of: shapes of one example (and attrs) to the shape of the result.
        rule: the derivative, in the form of its kind.
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
        attributes: the numbers that belong to the value beside the arguments, in order: what each is unless it is
            given, or None. (What only says shapes, as the axes of a sum, is not among them.)
        readings: what the rooms above read of it, `READINGS`.
        recipe: how another process makes it, as (function, arguments); by default by its name in the table.
    """

    kind: ClassVar[str] = ""

    name: str
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
    attributes: Mapping[str, float | None] = field(default_factory=dict, repr=False)
    readings: Mapping[str, Any] = field(default_factory=dict, repr=False)
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
        return self.signs and tuple(float(s) for s in self.signs)

    @property
    def count(self) -> int:
        """How many arguments it takes, where that is one number."""
        return 2 if self.readings.get("result") in ("pair", "outer") else 1

    @property
    def word(self) -> str:
        """Its name in equations, "" if they do not call it."""
        return str(self.readings.get("word") or "").partition(" ")[0]

    @property
    def ufunc(self) -> np.ufunc | None:
        """The universal function of NumPy with the same meaning, if there is one."""
        found = getattr(np, self.readings.get("numpy") or "", None)
        return found if isinstance(found, np.ufunc) else None

    def exactly(self, f: Any) -> Callable[..., Any] | None:
        """The value in the functions `f`, which has them by their NumPy names, whatever its numbers are: symbols,
        balls; None if it has no such reading."""
        exact = self.readings.get("exact")
        return getattr(f, self.readings.get("numpy") or "", None) if exact is None else partial(exact, f)

    def pull(self, node: Any, slot: int, g: Any, y: Any, args: Sequence[Any], reverse: Reverse) -> Any:
        """The VJP: what a cotangent `g` of the result `y` contributes to an argument, before broadcasting is undone.

        `y` and `args` are the nodes themselves, or their numbers: the same statement makes a graph of one and computes
        with the other. None for nothing.
        """
        raise NotImplementedError

    def push(self, node: Any, slot: int, t: Any, reverse: Reverse) -> Any:
        """The JVP: the change of the result for a change `t` of one argument, before broadcasting. None for nothing."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"Primitive({self.name})"


@dataclass(frozen=True, eq=False, repr=False)
class Elementwise(Primitive):
    """Entry by entry. The rule: a `partial(y, *args)` for each argument, None for one without a derivative."""

    kind: ClassVar[str] = "elementwise"

    @property
    def partials(self) -> tuple[Any, ...] | None:
        return tuple(self.rule)

    @property
    def count(self) -> int:
        return len(self.rule)

    def pull(self, node: Any, slot: int, g: Any, y: Any, args: Sequence[Any], reverse: Reverse) -> Any:
        partial = self.rule[slot]
        if partial is None:
            return None
        p = partial(y, *args, **node.attrs) if node.attrs else partial(y, *args)
        return g.times(p) if isinstance(g, Traced) else _weighted(g, p)

    def push(self, node: Any, slot: int, t: Any, reverse: Reverse) -> Any:
        partial = self.rule[slot]
        return None if partial is None else t.times(partial(node, *node.args, **node.attrs))


@dataclass(frozen=True, eq=False, repr=False)
class Linear(Primitive):
    """Linear, in each argument or (`joint`) in all together. The rule: `transpose(g, slot, node)`."""

    kind: ClassVar[str] = "linear"

    def pull(self, node: Any, slot: int, g: Any, y: Any, args: Sequence[Any], reverse: Reverse) -> Any:
        return self.rule(g, slot, node)

    def push(self, node: Any, slot: int, t: Any, reverse: Reverse) -> Any:
        return self(*[t if i == slot else a for i, a in enumerate(node.args)], **node.attrs)


@dataclass(frozen=True, eq=False, repr=False)
class Bilinear(Primitive):
    """Linear in each argument with the others held fixed. The rule: a `transpose(g, *args)` for each argument."""

    kind: ClassVar[str] = "bilinear"

    def pull(self, node: Any, slot: int, g: Any, y: Any, args: Sequence[Any], reverse: Reverse) -> Any:
        return self.rule[slot](g, *args, **node.attrs)

    push = Linear.push


@dataclass(frozen=True, eq=False, repr=False)
class Own(Primitive):
    """Anything else, as softmax. The rule: `tangent(t, slot, y, *args)`, the change of y for a change t of one
    argument, written with the other kinds; what is linear in t can be transposed."""

    kind: ClassVar[str] = "own"

    def pull(self, node: Any, slot: int, g: Any, y: Any, args: Sequence[Any], reverse: Reverse) -> Any:
        return reverse(lambda t: self.rule(t, slot, y, *args, **node.attrs), node, node.args[slot], g)

    def push(self, node: Any, slot: int, t: Any, reverse: Reverse) -> Any:
        return self.rule(t, slot, node, *node.args, **node.attrs)


@dataclass(frozen=True, eq=False, repr=False)
class Vjp(Primitive):
    """An operation of a user's own. The rule: for each argument `rule(g, y, *args)`, linear in the cotangent g."""

    kind: ClassVar[str] = "vjp"

    def stated(self, slot: int) -> Callable[..., Any]:
        """The rule for an argument.

        Raises:
            BPTTError: none was stated.
        """
        if self.rule is None or slot >= len(self.rule):
            raise BPTTError(
                f"{self.name} has no derivative for its argument number {slot}",
                f"state it: bg.defvjp({self.name}, lambda g, y, *args: …)",
            )
        return self.rule[slot] or (lambda *_, **__: None)

    def pull(self, node: Any, slot: int, g: Any, y: Any, args: Sequence[Any], reverse: Reverse) -> Any:
        return self.stated(slot)(g, y, *args, **node.attrs)

    def push(self, node: Any, slot: int, t: Any, reverse: Reverse) -> Any:
        return reverse(lambda g: self.stated(slot)(g, node, *node.args, **node.attrs), node, node, t)


def _weighted(g: Any, p: Any) -> Any:
    """A cotangent of numbers times a partial derivative; 0 · ∞, at an entry that nobody reads, is 0."""
    part = g * p
    if part.__class__ is float:
        return 0.0 if part - part != 0.0 and (g == 0.0 or p == 0.0) else part
    finite = np.vdot(part, part)  # finds any nan or infinity; that it may overflow itself does no harm
    return np.where((g == 0) | (p == 0), 0.0, part) if finite - finite != 0.0 else part


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

    def times(self, partial: Any) -> Any:
        """This cotangent or tangent times a partial derivative."""
        return self * partial

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

    def __abs__(self) -> Any:
        return operation("abs")(self)

    def __matmul__(self, other: Any) -> Any:
        return operation("matmul")(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return operation("matmul")(other, self)

    @property
    def T(self) -> Any:
        return operation("transpose")(self)
