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
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from ..core import arrays as A, primitives as P
from ..core.graph import Node, Traced, _serial
from ..core.primitives import Primitive, sum_to
from ..errors import BPTTError, expect
from .products import Cotangent, Products, multiplied

__all__ = ["PromotionNote", "Tensor", "detach", "no_grad", "reverse_values", "stop_gradient", "tensor"]

Array = np.ndarray[Any, Any]


class PromotionNote(UserWarning):
    """Integers were made floating point, because integers have no derivative."""


class _Recording(threading.local):
    off = False


_recording = _Recording()
_new = object.__new__
_ndarray = np.ndarray
_NO_ATTRS: dict[str, Any] = {}


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording: results are constants. Only for this thread, and undone also after an error.

    >>> x = tensor(2.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.is_constant, (x * x).is_constant
    (True, False)
    """
    before = _recording.off
    _recording.off = True
    try:
        yield
    finally:
        _recording.off = before


@contextmanager
def _recorded() -> Iterator[None]:
    """Record, also inside `no_grad`: what a transformation needs for its own derivative."""
    before = _recording.off
    _recording.off = False
    try:
        yield
    finally:
        _recording.off = before


def _make(op: Primitive | None, args: tuple[Node, ...], attrs: dict[str, Any], value: Any) -> Tensor:
    t: Tensor = _new(Tensor)
    t.op, t.args, t.attrs, t.value = op, args, attrs, value
    t.shape = value.shape if value.__class__ is _ndarray else () if value.__class__ is float else np.shape(value)
    t.serial = next(_serial)
    t._grad = t.latest = None
    return t


def _constant(value: Any) -> Tensor:
    return _make(None, (), {"value": value}, value)


def _admit(data: Any, what: str = "a tensor") -> Any:
    """Data as a Python float or complex, a NumPy number or an array of floats; integers promoted."""
    if type(data) is float or type(data) is complex:
        return data
    if isinstance(data, bool | int):
        return float(data)
    try:
        array = np.asarray(data)
    except BPTTError:
        raise BPTTError(
            f"{what} cannot be made of a list with Tensors in it", "write np.stack([a, b]) or bg.stack([a, b])"
        ) from None
    except (ValueError, TypeError):
        raise BPTTError(
            f"{what} needs numbers in rows of equal length", "pad the rows, or make one tensor for each"
        ) from None
    if array.dtype.kind in "biu":
        if array.ndim:
            warnings.warn(
                f"integers of shape {array.shape} were made float64: integers have no derivative",
                PromotionNote,
                stacklevel=4,
            )
        array = array.astype(float)
    elif array.dtype.kind not in "fc":
        raise BPTTError(
            f"{what} needs numbers, not {type(data).__name__} of {array.dtype}", "give floats: np.array(x, dtype=float)"
        )
    return array.copy() if array.ndim else array[()]


def _lift(a: Any) -> Tensor:
    """An argument of an operation as a Tensor: a constant, unless it is one."""
    if a.__class__ is Tensor:
        return a if a.latest is None else a.latest
    if a.__class__ is _ndarray and a.dtype.kind != "O":
        return _constant(a.copy() if a.ndim and a.flags.writeable else a)  # the caller may go on writing into it
    if isinstance(a, Node):
        if a.is_constant:
            return _constant(a.attrs["value"])
        raise BPTTError(f"{a!r} has no value yet, so it cannot meet a Tensor", "use a Tensor: bg.tensor(value, name=…)")
    if isinstance(a, list | tuple):
        made = _front.array(a)
        return made if isinstance(made, Tensor) else _constant(made)
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
                f"{_describe(a)} cannot be used in arithmetic with a Tensor", "use numbers, arrays or Tensors"
            )
        a = np.asarray(a)
    return _constant(a)


def _describe(a: Any) -> str:
    return "None" if a is None else f"a {type(a).__name__} ({a!r:.40})"


def _explain(op: Primitive, args: Sequence[Any], attrs: dict[str, Any], error: Exception) -> BPTTError:
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
            f"indexing a Tensor of shape {named} with {_key_text(attrs['key'])}: {error}",
            f"axes have the sizes {shapes[0]}",
        )
    if op.name == "put":
        return BPTTError(
            f"assigning a value of shape {shapes[1]} to x[{_key_text(attrs['key'])}] of shape {shapes[0]}: {error}",
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


def _key_text(key: Any) -> str:
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


def _index(key: Any) -> tuple[Any, ...]:
    """An index as a tuple, with lists as arrays, and Tensors of whole numbers as their values."""
    out = []
    for k in key if isinstance(key, tuple) else (key,):
        if isinstance(k, Tensor):
            value = np.asarray(k.data)
            if value.dtype.kind == "f" and np.all(value == np.round(value)):
                raise BPTTError(
                    "an index must be an integer array, not a Tensor", "write x[np.argmax(y)] or x[i.data.astype(int)]"
                )
            k = value
        elif isinstance(k, list):
            k = np.asarray(k) if k else np.zeros(0, int)
        if isinstance(k, float) or (isinstance(k, np.ndarray) and k.dtype.kind == "f"):
            raise BPTTError(
                f"an index must be an integer, a slice or a mask, not {_key_text(k)}",
                "write x[int(i)] or x[i.astype(int)]",
            )
        if isinstance(k, np.ndarray) and k.flags.writeable:
            k = k.copy()
        elif isinstance(k, np.integer):
            k = int(k)
        out.append(k)
    return tuple(out)


def _stored(node: Tensor, key: tuple[Any, ...]) -> tuple[Tensor, Tensor | None]:
    """What was assigned to this very place, if that can be seen from the indices; else the value to index.

    A loop that fills `h[:, t]` and reads `h[:, t - 1]` reads what it stored: the graph shows the recurrence, not the
    array around it.
    """
    if not all(isinstance(k, int | slice) for k in key):
        return node, None
    while node.op is A.put:
        place = node.attrs["key"]
        if place == key:
            stored: Any = node.args[1]
            if (
                stored.shape == np.shape(node.value[key])
                and np.asarray(stored.value).dtype == np.asarray(node.value).dtype
            ):
                return node, stored
            break
        pairs = [(a, b) for a, b in zip(place, key) if isinstance(a, int) and isinstance(b, int)]
        if not all(isinstance(k, int | slice) for k in place) or not any(
            a != b and (a < 0) == (b < 0) for a, b in pairs
        ):
            break
        node = node.args[0]  # type: ignore[assignment]
    return node, None


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
        elif _foreign(other):
            return NotImplemented
        else:
            b = _lift(other)
        try:
            value = compute(a.value, b.value)
        except ValueError as error:
            raise _explain(op, (a, b), _NO_ATTRS, error) from None
        return _constant(value) if _recording.off else _make(op, (a, b), _NO_ATTRS, value)

    return method


def _unary(op: Primitive) -> Callable[[Tensor], Any]:
    compute = op.value

    def method(self: Tensor) -> Any:
        a = self if self.latest is None else self.latest
        value = compute(a.value)
        return _constant(value) if _recording.off else _make(op, (a,), _NO_ATTRS, value)

    return method


def _reflected(op: Primitive) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        if _foreign(other):
            return NotImplemented
        return self.record(op, (other, self), _NO_ATTRS)

    return method


def _foreign(other: Any) -> bool:
    """Whether this is a container of another library that knows itself how to meet us (a labelled array, say)."""
    kind = type(other)
    if kind is Tensor or kind is _ndarray or kind is float:
        return False
    return hasattr(kind, "__array_ufunc__") and not isinstance(other, np.ndarray | np.generic | Traced)


def _compare(name: str) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        if other is None or isinstance(other, str):
            return NotImplemented
        return getattr(np, name)(self.data, raw(other))

    return method


def raw(x: Any) -> Any:
    """The value of a Tensor, also inside lists and tuples; anything else as it is."""
    if isinstance(x, Tensor):
        return x.data
    if isinstance(x, list | tuple):
        return type(x)(raw(v) for v in x)
    return x


def _lost(x: Tensor, what: str, instead: str) -> BPTTError:
    label = f"the Tensor {x.name}" if x.name else "a Tensor"
    return BPTTError(
        f"{what} would turn {label} of shape {x.shape} into plain numbers, and its derivative would be lost", instead
    )


class Tensor(Node):
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

    __slots__ = ("_grad", "latest", "value")
    priority = 1
    __array_priority__ = 1000.0
    __hash__ = object.__hash__

    value: Any
    _grad: Any
    latest: Tensor | None

    def __init__(self, data: Any, name: str | None = None):
        if name is not None and not isinstance(name, str):
            expect(name, str, "the name of a tensor", 'write bg.tensor(1.0, name="a")')
        self.op, self.args, self.attrs, self.value = (
            None,
            (),
            {},
            _admit(raw(data), f"tensor {name}" if name else "a tensor"),
        )
        self.shape = np.shape(self.value)
        self.serial = next(_serial)
        self._grad = self.latest = None
        if name is not None:
            self.named(name)

    # -- recording ----------------------------------------------------------------------------------------------------

    def record(self, op: Primitive, args: Sequence[Any], attrs: dict[str, Any]) -> Any:
        nodes = tuple([a if a.__class__ is Tensor and a.latest is None else _lift(a) for a in args])
        try:
            value = op.value(*[n.value for n in nodes], **attrs)
        except BPTTError:
            raise
        except (ValueError, IndexError, TypeError, np.exceptions.AxisError) as error:
            raise _explain(op, nodes, attrs, error) from None
        return _constant(value) if _recording.off else _make(op, nodes, attrs, value)

    def blank(self) -> Tensor:
        return _make(None, (), {}, np.zeros(self.shape, np.asarray(self.value).dtype) if self.shape else 0.0)

    def zeros(self) -> Tensor:
        return _constant(np.zeros(self.shape, np.asarray(self.value).dtype))

    def times(self, partial: Any) -> Any:
        product = self * partial
        if not np.all(np.isfinite(product.value)):
            # 0 · ∞: a branch that was not taken, or an entry that nobody reads. It contributes nothing.
            here = np.broadcast_to(self.value, product.shape) != 0
            there = np.broadcast_to(partial.value if isinstance(partial, Tensor) else partial, product.shape) != 0
            if not np.all(here & there):
                product = A.select(there, self, 0.0) * A.select(here, partial, 0.0)
        return product

    def named(self, name: str) -> Tensor:
        """Give this value a name (`"h[3]"`) for graphs and messages; returns itself."""
        expect(name, str, "the name of a tensor", 'write a text, such as "h[3]"')
        self.name = self.base = name
        head, bracket, tail = name.partition("[")
        if bracket and tail[:-1].isdigit():
            self.base, self.step = head, int(tail[:-1])
        if self.op is None:
            self.role = "input"
        return self

    # -- looking ------------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        return self.value if self.latest is None else self.latest.value

    @data.setter
    def data(self, value: Any) -> None:
        if self.op is not None:
            raise BPTTError(
                "the data of a computed Tensor cannot be set",
                "set that of the leaf it was computed from, and compute again",
            )
        self.value = _admit(raw(value))
        self.shape = np.shape(self.value)

    @property
    def grad(self) -> Any:
        if self._grad.__class__ is Products:  # of a transposed weight: multiplied out only for the one who looks
            self._grad = self._grad.array()
            self._grad.setflags(write=False)
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        self._grad = value

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def dtype(self) -> Any:
        return np.asarray(self.data).dtype

    def item(self) -> Any:
        """The number in a Tensor of one entry, without its derivative."""
        if self.size != 1:
            raise BPTTError(
                f"item() needs a Tensor of one entry; this one has shape {self.shape}", "use x.data for the whole array"
            )
        return np.asarray(self.data).item()

    def numpy(self) -> Array:
        """The value as an array, without its derivative."""
        return np.array(self.data)

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
        from .assignment import explain_assignment

        raise explain_assignment(self) or _lost(
            self,
            "float(x), or a function of the math module,",
            "write np.tanh(x) instead of math.tanh(x); for the number itself x.item()",
        )

    def __int__(self) -> int:
        if self.is_constant and self.size == 1:
            return int(self.item())
        raise _lost(self, "int(x)", "for the number itself write int(x.item())")

    def __index__(self) -> int:
        raise BPTTError("a Tensor cannot be used as an index or a count", "write int(x.item())")

    def __complex__(self) -> complex:
        raise _lost(self, "complex(x)", "for the number itself write x.item()")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        if self.is_constant and self.latest is None:
            return np.array(self.value, dtype=dtype)
        from .assignment import explain_conversion

        raise explain_conversion(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        op = _front.UFUNCS.get(ufunc)
        if op.__class__ is Primitive and method == "__call__" and not options and not any(map(_foreign, inputs)):
            return self.record(op, inputs, _NO_ATTRS)  # the shortest way for the commonest call
        return _front.call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _front.call_function(function, args, kwargs)

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
        return NotImplemented if _foreign(other) else P.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return P.pow_(other, self)

    __neg__ = _unary(P.neg)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return _front.absolute(self)

    def __matmul__(self, other: Any) -> Any:
        return NotImplemented if _foreign(other) else _front.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _front.matmul(other, self)

    def __getitem__(self, key: Any) -> Any:
        index = _index(key)
        node, stored = _stored(self if self.latest is None else self.latest, index)
        return stored if stored is not None else self.record(A.getitem, (node,), {"key": index})

    def __setitem__(self, key: Any, value: Any) -> None:
        if _recording.off:
            raise BPTTError(
                "assignment into a Tensor inside no_grad would not be recorded", "change x.data, which is a plain array"
            )
        index = _index(key)
        if isinstance(value, Tensor) and value.op is not None and value.name is None and value.latest is None:
            from .assignment import assigned_name

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
        node = self if self.latest is None else self.latest
        if grad is None and node.size != 1:
            raise BPTTError(
                f"backward() starts from a scalar, but this Tensor has shape {node.shape}",
                "reduce it to the loss, such as y.sum().backward(), or give the cotangent: "
                "y.backward(np.ones_like(y.data))",
            )
        for other, g in _reverse({node: _seed(node, grad)}, None):
            other._grad = g

    def detach(self) -> Tensor:
        """The same value as a constant without a history."""
        return _constant(self.data)

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
        function = _front.METHODS.get(name)
        if function is None:
            raise _front.unknown_method(name)
        return lambda *args, **kwargs: function(self, *args, **kwargs)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_front.METHODS})

    def beyond(self) -> tuple[Any, ...]:
        return self.value, self.grad

    def restore(self, beyond: tuple[Any, ...]) -> None:
        self.value, self._grad = beyond
        self.latest = None

    def __deepcopy__(self, memo: Any) -> Tensor:
        return tensor(self.data, name=self.name)


def _seed(node: Tensor, grad: Any) -> Any:
    """The cotangent to start from."""
    if grad is None:
        return 1.0 if node.value.__class__ is float else np.ones(node.shape, np.asarray(node.value).dtype)[()]
    g = np.asarray(raw(grad))
    if g.shape != node.shape:
        raise BPTTError(
            f"the cotangent has shape {g.shape}, but the output has shape {node.shape}",
            "give one number for each entry of the output",
        )
    return g.astype(np.result_type(g.dtype, np.float32) if g.dtype.kind in "biu" else g.dtype)[()]


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


# -- the reverse pass on numbers ---------------------------------------------------------------------------------------


def reverse_values(
    seeds: Mapping[Tensor, Any], targets: Iterable[Tensor] | None = None, since: int = -1
) -> dict[Tensor, Any]:
    """The reverse pass as numbers: the cotangents of `targets`, or of everything that `seeds` depend on."""
    chosen = None if targets is None else list(targets)
    return {t: multiplied(g) for t, g in _reverse(seeds, chosen, since)}


def _reverse(
    seeds: Mapping[Tensor, Any], targets: list[Tensor] | None, since: int = -1
) -> Iterable[tuple[Tensor, Any]]:
    """Each Tensor with its cotangent.

    It applies the same rules as `autodiff.backward`, to numbers and arrays instead of nodes: one loop over the nodes in
    reverse order.
    """
    found: dict[int, Any] = {node.serial: node for node in seeds if node.serial >= since}
    stack: list[Any] = list(found.values())
    numbers = targets is None
    while stack:  # as `graph.needed`, without constants
        for arg in stack.pop().args:
            serial = arg.serial
            if serial not in found and serial >= since:
                if arg.op is None:
                    numbers = numbers and (arg.value.__class__ is float or arg.value.__class__ is int)
                    if arg.attrs:
                        continue
                found[serial] = arg
                stack.append(arg)
    if numbers:
        with np.errstate(all="ignore"):
            sums = _reverse_numbers(found, {node.serial: g for node, g in seeds.items()})
        if sums is not None:
            return zip(map(found.__getitem__, sums), sums.values())
    return _reverse_arrays(found, seeds, targets)


def _reverse_numbers(found: dict[int, Any], sums: dict[int, Any]) -> dict[int, Any] | None:
    """The reverse pass of a program of single numbers, the chain rule and nothing else; None if it holds anything
    else."""
    rules: dict[Primitive, Any] = {}
    for serial in sorted(found, reverse=True):
        if serial not in sums:
            continue
        node = found[serial]
        op, args, y, g = node.op, node.args, node.value, sums[serial]
        if not args:
            continue
        if op in rules:
            partials = rules[op]
        else:
            partials = rules[op] = op.partials
        if partials is None or y.__class__ is not float or g.__class__ is not float:
            return None
        if len(args) == 2:  # the two arguments spelled out: half of the time of a scalar program goes by here
            a, b = args
            u, v = a.value, b.value
            p, q = partials
            serial = a.serial
            if serial in found and p is not None:
                part = g * p if p.__class__ is float else g * p(y, u, v)
                if part != part:  # perhaps 0 · ∞, at a branch that was not taken
                    return None
                if serial in sums:
                    sums[serial] += part
                else:
                    sums[serial] = part
            serial = b.serial
            if serial in found and q is not None:
                part = g * q if q.__class__ is float else g * q(y, u, v)
                if part != part:
                    return None
                if serial in sums:
                    sums[serial] += part
                else:
                    sums[serial] = part
        elif len(args) == 1 and partials[0] is not None:
            (a,), p = args, partials[0]
            part = g * p if p.__class__ is float else g * p(y, a.value, **node.attrs)
            if part != part:
                return None
            if a.serial in found:
                sums[a.serial] = sums[a.serial] + part if a.serial in sums else part
        elif len(args) > 2:
            return None
    return sums


def _reverse_arrays(
    found: dict[int, Any], seeds: Mapping[Tensor, Any], targets: list[Tensor] | None
) -> Iterator[tuple[Tensor, Any]]:
    """The reverse pass on arrays, each cotangent given away as soon as it is complete."""
    order = sorted(found)
    wanted = None if targets is None else {t.serial for t in targets}
    if wanted is not None:  # only what lies on a path to a target
        on_path = set(wanted)
        for serial in order:
            if serial not in on_path and any(a.serial in on_path for a in found[serial].args):
                on_path.add(serial)
        order = [serial for serial in order if serial in on_path]
        found = {serial: found[serial] for serial in order}
    sums: dict[int, Any] = {node.serial: g for node, g in seeds.items()}
    summed: set[int] = set()  # arrays made here by adding: nobody else holds them, so they may grow in place
    with np.errstate(all="ignore"):
        for serial in reversed(order):
            g = sums.pop(serial, None)
            if g is None:
                continue
            node = found[serial]
            value, op, args = node.value, node.op, node.args
            if g.__class__ is Products and op is not P.transposed:
                g = g.array()
                summed.add(serial)
            if wanted is None or serial in wanted:
                yield node, g if g.__class__ is Products else _like(g, value, op is None, serial in summed)
            if not args:
                continue
            values = [a.value for a in args]
            for slot, arg in enumerate(args):
                serial = arg.serial
                if serial not in found:  # too old, on no path to a target, or a constant
                    continue
                part = _pull(op, node, slot, arg, g, values)
                if part is None:
                    continue
                before = sums.get(serial)
                if before is None:
                    sums[serial] = part
                elif before.__class__ is Products and part.__class__ is Products:
                    before.grow(part)
                elif serial in summed and before.dtype == part.dtype and before.shape == part.shape:
                    before += multiplied(part)
                else:
                    sums[serial] = before + part
                    if arg.shape:
                        summed.add(serial)


def _transposed(linear: Callable[[Tensor], Any], node: Tensor, like: Tensor, g: Any) -> Any:
    """The cotangent of an unknown small change, run on zeros, from that of what is linear in it."""
    t = like.blank()
    with _recorded():
        change = linear(t)
        return reverse_values({change: g}, [t], since=t.serial).get(t) if isinstance(change, Tensor) else None


def _pull(op: Any, node: Any, slot: int, arg: Any, g: Any, values: list[Any]) -> Any:
    """What a cotangent `g` of `node`, a number or an array, contributes to its argument."""
    if g.__class__ is Products:
        return g.transposed()
    if op.kind == "bilinear" and len(arg.shape) == 2 and arg.value.size > g.size:
        part = op.pull(node, slot, Cotangent(g), node.value, values, _transposed)
        if part.__class__ is Products:
            if part.dtype == arg.value.dtype:
                return part
            part = part.array()
    else:
        part = op.pull(node, slot, g, node.value, values, _transposed)
        if part is None:
            return None
    if part.__class__ is float and arg.shape == ():
        return part
    if part.__class__ is np.ndarray and part.shape == arg.shape and part.dtype == getattr(arg.value, "dtype", None):
        return part
    part = sum_to(part, arg)
    if np.iscomplexobj(part) and not np.iscomplexobj(arg.value):
        part = np.real(part)
    return part


def _like(g: Any, value: Any, leaf: bool, ours: bool) -> Any:
    """A cotangent with the kind of its primal: a number for a number, float32 for float32.

    A leaf gets an array of its own, which may be written to: `g`, if nobody else has it (`ours`), else a copy. Other
    Tensors get a read-only look at an array that others may share.
    """
    if value.__class__ is float:
        return g if g.__class__ is float else np.asarray(g).item()
    if g.__class__ is value.__class__ is np.float64:
        return g
    kind = value.dtype if value.__class__ is np.ndarray else np.asarray(value).dtype
    if g.__class__ is _ndarray and g.dtype == kind and g.shape == value.shape:
        if leaf:
            return g if ours else g.copy()
        look = g.view()
        look.setflags(write=False)
        return look
    return np.array(np.broadcast_to(g, np.shape(value)), dtype=kind if kind.kind in "fc" else float)[()]


_front: Any = import_module(".numpy_front", __package__)  # NumPy's functions; it needs everything above
