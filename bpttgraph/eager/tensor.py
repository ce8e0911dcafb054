"""Tensor: a node that knows its value. The eager, NumPy-mannered front of the graph.

`x = tensor([1.0, 2.0]); y = (x * x).sum()` computes at once and records every step as a node, so the same graph that is
run here can be drawn, printed and differentiated. `y.backward()` fills `x.grad`; the transformations of `transforms`
(`grad`, `vjp`, `jvp`, …) build on it.

* Shapes are NumPy's; a Python number stays a Python number, so that scalar graphs are quick.
* Nothing is destroyed: `backward` twice gives the same `grad` twice. It *replaces* `grad`, it does not add to it.
* `h[:, t] = v` is recorded: `h` is from then on the new value; what was computed with the old value keeps the old
  value.
* `float(x)`, `math.tanh(x)`, `np.asarray(x)` would lose the derivative silently. They are errors that say what to write
  instead.

This module records. What a value is without that stands in `value`, the reverse pass in `reverse`, the functions of
NumPy in `front`, found through the tables of `dispatch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core import arrays as A, primitives as P
from ..core.admitting import plain_numbers
from ..core.graph import Node, _serial
from ..core.primitives import Primitive
from ..errors import BPTTError, expect
from .assignment import assigned_name, explain_assignment, explain_conversion, lost
from .dispatch import FUNCTIONS, METHODS, call_function, call_ufunc, foreign, unknown_method
from .indexing import indices, stored
from .messages import described, explained
from .products import Products
from .recording import recording
from .reverse import cotangents, seed
from .value import Value, admitted, current, raw

__all__ = ["Tensor", "constant", "detach", "lift", "stop_gradient", "tensor"]

Array = np.ndarray[Any, Any]
_new = object.__new__
_ndarray = np.ndarray
_NO_ATTRS: dict[str, Any] = {}


def _make(op: Primitive | None, args: tuple[Node, ...], attrs: dict[str, Any], value: Any) -> Tensor:
    t: Tensor = _new(Tensor)
    t.op, t.args, t.attrs, t.value = op, args, attrs, value
    t.shape = value.shape if value.__class__ is _ndarray else () if value.__class__ is float else np.shape(value)
    t.serial = next(_serial)
    t._grad = t.latest = None
    return t


def constant(value: Any) -> Tensor:
    """A value without a history."""
    return _make(None, (), {"value": value}, value)


def lift(a: Any) -> Tensor:
    """An argument of an operation as a Tensor: a constant, unless it is one."""
    if a.__class__ is Tensor:
        return a if a.latest is None else a.latest
    if a.__class__ is _ndarray and a.dtype.kind != "O":
        return constant(a.copy() if a.ndim and a.flags.writeable else a)  # the caller may go on writing into it
    if isinstance(a, Node):
        if a.is_constant:
            return constant(a.attrs["value"])
        raise BPTTError(f"{a!r} has no value yet, so it cannot meet a Tensor", "use a Tensor: bg.tensor(value, name=…)")
    plain_numbers(a, "an argument")
    if isinstance(a, list | tuple):
        made = FUNCTIONS[np.array](a)
        return made if isinstance(made, Tensor) else constant(made)
    if isinstance(a, np.ndarray):
        if a.dtype.kind == "O":
            raise BPTTError(
                f"an array of Python objects, shape {a.shape}, cannot be used with a Tensor",
                "write np.stack([...]) instead of np.array([...])",
            )
        a = a.copy() if a.ndim and a.flags.writeable else a
    elif isinstance(a, int) and not isinstance(a, bool) and abs(a) > 2**53:
        a = float(a)
    elif not isinstance(a, int | float | complex | np.generic):
        if a is None or isinstance(a, str | dict | set) or callable(a):
            raise BPTTError(
                f"{described(a)} cannot be used in arithmetic with a Tensor", "use numbers, arrays or Tensors"
            )
        a = np.asarray(a)
    return constant(a)


def _forward(op: Primitive) -> Callable[[Tensor, Any], Any]:
    """The operator method of a binary operation."""
    compute = op.value

    def method(self: Tensor, other: Any) -> Any:
        a = self if self.latest is None else self.latest
        kind = other.__class__
        if kind is Tensor:
            b = other if other.latest is None else other.latest
        elif kind is float or kind is int:
            b = _make(None, (), {"value": other}, other)
        elif foreign(other):
            return NotImplemented
        else:
            b = lift(other)
        try:
            value = compute(a.value, b.value)
        except ValueError as error:
            raise explained(op, (a, b), _NO_ATTRS, error) from None
        return constant(value) if recording.off else _make(op, (a, b), _NO_ATTRS, value)

    return method


def _unary(op: Primitive) -> Callable[[Tensor], Any]:
    compute = op.value

    def method(self: Tensor) -> Any:
        a = self if self.latest is None else self.latest
        value = compute(a.value)
        return constant(value) if recording.off else _make(op, (a,), _NO_ATTRS, value)

    return method


def _reflected(op: Primitive) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        if foreign(other):
            return NotImplemented
        return self.record(op, (other, self), _NO_ATTRS)

    return method


def _compare(name: str) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        if other is None or isinstance(other, str):
            return NotImplemented
        return getattr(np, name)(self.data, raw(other))

    return method


class Tensor(Value):
    """An array, or a Python number, that records what is done to it.

    Attributes:
        data: its value. grad: the last derivative that `backward` gave it, shaped like `data`; None before.
        shape, ndim, size, dtype, T: as NumPy's.
        name: what it is called in graphs and messages.

    Example:
        >>> x = tensor([3.0, 4.0], name="x")
        >>> y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        array([6., 8.])
    """

    __slots__ = ("_grad",)
    __array_priority__ = 1000.0
    __hash__ = object.__hash__

    _grad: Any

    def __init__(self, data: Any, name: str | None = None):
        if name is not None and not isinstance(name, str):
            expect(name, str, "the name of a tensor", 'write bg.tensor(1.0, name="a")')
        self.op, self.args, self.attrs, self.value = (
            None,
            (),
            {},
            admitted(raw(data), f"tensor {name}" if name else "a tensor"),
        )
        self.shape = np.shape(self.value)
        self.serial = next(_serial)
        self._grad = self.latest = None
        if name is not None:
            self.named(name)

    # -- recording ----------------------------------------------------------------------------------------------------

    def record(self, op: Primitive, args: Sequence[Any], attrs: dict[str, Any]) -> Any:
        nodes = tuple([a if a.__class__ is Tensor and a.latest is None else lift(a) for a in args])
        try:
            value = op.value(*[n.value for n in nodes], **attrs)
        except BPTTError:
            raise
        except (ValueError, IndexError, TypeError, np.exceptions.AxisError) as error:
            raise explained(op, nodes, attrs, error) from None
        return constant(value) if recording.off else _make(op, nodes, attrs, value)

    def blank(self) -> Tensor:
        return _make(None, (), {}, np.zeros(self.shape, np.asarray(self.value).dtype) if self.shape else 0.0)

    def zeros(self) -> Tensor:
        return constant(np.zeros(self.shape, np.asarray(self.value).dtype))

    def times(self, partial: Any) -> Any:
        product = self * partial
        if not np.all(np.isfinite(product.value)):
            # 0 · ∞: a branch that was not taken, or an entry that nobody reads. It contributes nothing.
            here = np.broadcast_to(self.value, product.shape) != 0
            there = np.broadcast_to(partial.value if isinstance(partial, Tensor) else partial, product.shape) != 0
            if not np.all(here & there):
                product = A.select(there, self, 0.0) * A.select(here, partial, 0.0)
        return product

    # -- looking ------------------------------------------------------------------------------------------------------

    @property
    def grad(self) -> Any:
        if self._grad.__class__ is Products:  # of a transposed weight: multiplied out only for the one who looks
            self._grad = self._grad.array()
            self._grad.setflags(write=False)
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        self._grad = value

    def __repr__(self) -> str:
        body = repr(self.data) if not isinstance(self.data, np.ndarray) else np.array2string(self.data, separator=", ")
        return f"Tensor({body}" + (f", name={self.name!r})" if self.name else ")")

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __len__(self) -> int:
        if not self.shape:
            raise BPTTError("a scalar Tensor has no length", "use x.size for the number of entries") from None
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a scalar Tensor")
        return (self[i] for i in range(self.shape[0]))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise BPTTError(
                f"the truth of a Tensor of shape {self.shape} is ambiguous",
                "write np.where(condition, a, b) for an elementwise choice",
            )
        return bool(self.data)

    def __contains__(self, item: object) -> bool:
        return bool(np.any(self.data == raw(item)))

    # -- what would lose the derivative --------------------------------------------------------------------------------

    def __float__(self) -> float:
        if self.is_constant and self.size == 1:
            return float(self.item())
        raise explain_assignment(self) or lost(
            self,
            "float(x), or a function of the math module,",
            "write np.tanh(x) instead of math.tanh(x); for the number itself x.item()",
        )

    def __int__(self) -> int:
        if self.is_constant and self.size == 1:
            return int(self.item())
        raise lost(self, "int(x)", "for the number itself write int(x.item())")

    def __index__(self) -> int:
        raise BPTTError("a Tensor cannot be used as an index or a count", "write int(x.item())")

    def __complex__(self) -> complex:
        raise lost(self, "complex(x)", "for the number itself write x.item()")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        if self.is_constant and self.latest is None:
            return np.array(self.value, dtype=dtype)
        raise explain_conversion(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        op = FUNCTIONS.get(ufunc)
        if isinstance(op, Primitive) and method == "__call__" and not options and not any(map(foreign, inputs)):
            return self.record(op, inputs, _NO_ATTRS)  # the shortest way for the commonest call
        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call_function(function, args, kwargs)

    # -- operators ----------------------------------------------------------------------------------------------------

    __add__, __radd__ = _forward(P.add), _reflected(P.add)
    __sub__, __rsub__ = _forward(P.sub), _reflected(P.sub)
    __mul__, __rmul__ = _forward(P.mul), _reflected(P.mul)
    __truediv__, __rtruediv__ = _forward(P.div), _reflected(P.div)
    __mod__, __rmod__ = _forward(A.mod), _reflected(A.mod)
    __lt__, __le__, __gt__, __ge__ = (
        _compare("less"),
        _compare("less_equal"),
        _compare("greater"),
        _compare("greater_equal"),
    )
    __eq__, __ne__ = _compare("equal"), _compare("not_equal")

    def __pow__(self, other: Any) -> Any:
        return NotImplemented if foreign(other) else P.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return P.pow_(other, self)

    __neg__ = _unary(P.neg)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return FUNCTIONS[np.absolute](self)

    def __matmul__(self, other: Any) -> Any:
        return NotImplemented if foreign(other) else FUNCTIONS[np.matmul](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return FUNCTIONS[np.matmul](other, self)

    def __getitem__(self, key: Any) -> Any:
        index = indices(key)
        node, found = stored(current(self), index)
        return found if found is not None else self.record(A.getitem, (node,), {"key": index})

    def __setitem__(self, key: Any, value: Any) -> None:
        if recording.off:
            raise BPTTError(
                "assignment into a Tensor inside no_grad would not be recorded", "change x.data, which is a plain array"
            )
        index = indices(key)
        if isinstance(value, Tensor) and value.op is not None and value.name is None and value.latest is None:
            name = assigned_name(self, index)
            if name:
                value.named(name)
        self.latest = A.put(self, value, key=index)

    # -- derivatives ---------------------------------------------------------------------------------------------------

    def backward(self, grad: Any = None) -> None:
        """Fill `grad` of every Tensor that this one was computed from: the derivative of this Tensor by it.

        Args:
            grad: the cotangent, shaped like this Tensor; 1 by default, for which this Tensor must be a scalar.

        Raises:
            BPTTError: if this Tensor is not a scalar and no cotangent is given.

        A second call replaces `grad`; it never adds to it, and the graph stays whole.
        """
        node = current(self)
        if grad is None and node.size != 1:
            raise BPTTError(
                f"backward() starts from a scalar, but this Tensor has shape {node.shape}",
                "reduce it to the loss, such as y.sum().backward(), or give the cotangent: "
                "y.backward(np.ones_like(y.data))",
            )
        for other, g in cotangents({node: seed(node, grad)}, None):
            other._grad = g

    def detach(self) -> Tensor:
        """The same value as a constant without a history."""
        return constant(self.data)

    # -- methods -------------------------------------------------------------------------------------------------------

    # The commonest methods, and all others by `__getattr__`.
    tanh, relu, sigmoid = _unary(P.tanh), _unary(P.relu), _unary(P.sigmoid)
    exp, log = _unary(P.exp), _unary(P.log)

    @property
    def T(self) -> Any:
        if len(self.shape) == 2:
            return self.record(P.transposed, (self,), _NO_ATTRS)
        return self if self.ndim < 2 else A.permute(self, order=tuple(range(-1, -self.ndim - 1, -1)))

    def __getattr__(self, name: str) -> Any:
        # Methods are the functions of the NumPy front, so that x.sum(axis=0) and np.sum(x, axis=0) are one thing.
        if name.startswith("_"):  # other libraries look for marks of their own; they want no hint
            raise AttributeError(f"a Tensor has no attribute {name!r}")
        function = METHODS.get(name)
        if function is None:
            raise unknown_method(name)
        return lambda *args, **kwargs: function(self, *args, **kwargs)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *METHODS})

    def beyond(self) -> tuple[Any, ...]:
        return self.value, self.grad

    def restore(self, beyond: tuple[Any, ...]) -> None:
        self.value, self._grad = beyond
        self.latest = None

    def __deepcopy__(self, memo: Any) -> Tensor:
        return tensor(self.data, name=self.name)


def tensor(data: Any, name: str | None = None) -> Tensor:
    """A Tensor of numbers, an array or nested lists; integers become floats. The data are copied.

    >>> a = tensor(2.0, name="a")
    >>> b = a * a + 3 * a
    >>> b.backward()
    >>> b.item(), a.grad
    (10.0, 7.0)
    """
    return Tensor(data, name)


def stop_gradient(x: Any) -> Any:
    """The same value, which the derivative does not pass: recorded, and drawn, as an operation of its own."""
    return A.stop_gradient(x)


def detach(x: Any) -> Any:
    """The same value as a constant, cut off from what it was computed from (`x.detach()`)."""
    return x.detach() if isinstance(x, Tensor) else x
