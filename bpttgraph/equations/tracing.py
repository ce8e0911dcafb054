"""A Python function as the second way in: `def step(h, x, *, W_h, W_x, b): return np.tanh(W_h @ h + W_x @ x + b)`.

The function is called once with symbols that write down what is done to them (operators and NumPy calls), and the
result is ordinary equation text, so that everything after this module is the same. Local variables of the function
(`i`, `f`, `c`) become variables of the recurrence under their own names; other values that are used twice are called
v1, v2, ….

Which argument is what: keyword-only arguments are parameters; of the others, those named like an input (`x`, `x_t`,
`u`, `e`, `inputs`, …) are inputs, or else the last one; the rest are states. The function returns the new states in
that order, then any outputs; or a dict that names them all.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.primitive import Primitive, Traced
from ..core.primitives import TABLE
from ..errors import BPTTError
from .model import Recurrence, from_text

__all__ = ["from_function"]

_INPUTS = ("x", "x_t", "xt", "u", "u_t", "e", "e_t", "input", "inputs", "token", "z_in")

_UNARY = {op.ufunc: op.word for op in TABLE.values() if op.ufunc is not None and op.ufunc.nin == 1 and op.word}
_BINARY = {np.add: "+", np.subtract: "-", np.multiply: "∘", np.divide: "/", np.matmul: "@"}
_FUNCTIONS = {
    np.dot: "@",
    np.outer: "outer",
    np.sum: "sum",
    np.mean: "mean",
    np.concatenate: "concat",
    np.hstack: "concat",
    np.diag: "diag",
}


class _Symbol(Traced):
    """A value that writes down what is done to it: pieces of text in the equation language, with other symbols between
    them. `own`: operations of the user's that were met on the way, by name."""

    __slots__ = ("own", "parts")

    def __init__(self, *parts: str | _Symbol):
        self.parts = parts
        self.own: dict[str, Primitive] = {}
        for part in parts:
            if isinstance(part, _Symbol):
                self.own |= part.own

    def record(self, op: Primitive, args: Sequence[Any], attrs: dict[str, Any]) -> _Symbol:
        """What a primitive does to it: one of the user's (`bpttgraph.primitive`) stays what it is."""
        if op.name in TABLE or attrs:
            raise BPTTError(f"{op.name} cannot be traced in a step function", "use operators and NumPy functions")
        made = _call(op.name, args)
        made.own[op.name] = op
        return made

    @property
    def is_leaf(self) -> bool:
        return all(isinstance(p, str) for p in self.parts)

    def write(self, names: Mapping[int, str], top: bool = True) -> str:
        """The text, in which every other symbol that has a name is written by its name."""
        if not top and id(self) in names:
            return f"{names[id(self)]}[t]"
        parts = self.parts
        if top and len(parts) > 1 and parts[0] == "(" and parts[-1] == ")":
            parts = parts[1:-1]  # an equation needs no brackets around its whole right side
        try:
            return "".join(p if isinstance(p, str) else p.write(names, False) for p in parts)
        except RecursionError:
            raise BPTTError(
                "the step function nests too many operations in one value", "give intermediate results names"
            ) from None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> _Symbol:
        given = {k: v for k, v in options.items() if v is not None}
        if method == "__call__" and not given:
            if ufunc in _UNARY:
                return _call(_UNARY[ufunc], inputs)
            if ufunc in _BINARY:
                return _infix(_BINARY[ufunc], *inputs)
            if ufunc is np.negative:
                return -_symbol(inputs[0])
            if ufunc is np.square:
                return _infix("^", inputs[0], 2.0)
            if ufunc is np.power:
                return _infix("^", *inputs)
            if ufunc is np.maximum:
                zero = [i for i in inputs if isinstance(i, int | float) and i == 0]
                return _call("relu", [i for i in inputs if i is not zero[0]]) if zero else _call("max", inputs)
            if ufunc is np.minimum:
                return _call("min", inputs)
            if ufunc is np.reciprocal:
                return _infix("/", 1.0, inputs[0])
        raise BPTTError(
            f"np.{ufunc.__name__} cannot be traced in a step function",
            "use +, -, *, /, @, np.tanh, np.exp, np.log, np.maximum(x, 0) …",
        )

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> _Symbol:
        if function is np.clip and len(args) == 3:
            return _call("clip", args)
        if function is np.linalg.norm and len(args) == 1 and not kwargs:
            return _call("norm", args)
        if function is np.transpose and len(args) == 1:
            return _symbol(args[0]).T
        if function in (np.sum, np.mean) and (kwargs or len(args) > 1):
            return _symbol(args[0]).over_all(function.__name__, args[1:], kwargs)
        if function in _FUNCTIONS and not kwargs:
            name = _FUNCTIONS[function]
            if name == "@":
                return _infix("@", *args)
            return _call(name, args[0] if name == "concat" else args)
        raise BPTTError(
            f"{function.__module__.replace('numpy', 'np', 1)}.{function.__name__} cannot be traced in a step function",
            "write it with operators, np.tanh, np.concatenate, np.sum …",
        )

    def __getitem__(self, key: Any) -> _Symbol:
        raise BPTTError(
            "indexing cannot be traced in a step function",
            "give each gate its own parameters, or use the cell lstm-fused",
        )

    def __bool__(self) -> bool:
        raise BPTTError("an if on a traced value cannot be traced", "use np.maximum, np.clip or relu")

    def __float__(self) -> float:
        raise BPTTError("a traced value has no number", "use NumPy functions (np.tanh), not those of math")

    def __add__(self, o: Any) -> _Symbol:
        return _infix("+", self, o)

    def __radd__(self, o: Any) -> _Symbol:
        return _infix("+", o, self)

    def __sub__(self, o: Any) -> _Symbol:
        return _infix("-", self, o)

    def __rsub__(self, o: Any) -> _Symbol:
        return _infix("-", o, self)

    def __mul__(self, o: Any) -> _Symbol:
        return _infix("∘", self, o)

    def __rmul__(self, o: Any) -> _Symbol:
        return _infix("∘", o, self)

    def __truediv__(self, o: Any) -> _Symbol:
        return _infix("/", self, o)

    def __rtruediv__(self, o: Any) -> _Symbol:
        return _infix("/", o, self)

    def __matmul__(self, o: Any) -> _Symbol:
        return _infix("@", self, o)

    def __rmatmul__(self, o: Any) -> _Symbol:
        return _infix("@", o, self)

    def __pow__(self, o: Any, modulo: Any = None) -> _Symbol:
        if modulo is not None:
            raise _untraced("pow with three arguments", "write a ** b")
        return _infix("^", self, o)

    def __rpow__(self, o: Any) -> _Symbol:
        return _infix("^", o, self)

    def __abs__(self) -> _Symbol:
        return _call("abs", [self])

    def __pos__(self) -> _Symbol:
        return self

    def __neg__(self) -> _Symbol:
        return _Symbol("(-", self, ")")

    @property
    def T(self) -> _Symbol:
        return _Symbol(self, ".T")

    def dot(self, *args: Any, **options: Any) -> _Symbol:
        if len(args) != 1 or options:
            raise _untraced("dot with options", "write a @ b")
        return _infix("@", self, args[0])

    def sum(self, *args: Any, **options: Any) -> _Symbol:
        return self.over_all("sum", args, options)

    def mean(self, *args: Any, **options: Any) -> _Symbol:
        return self.over_all("mean", args, options)

    def transpose(self, *args: Any) -> _Symbol:
        if args:
            raise _untraced("transpose with axes", "write a.T")
        return self.T

    def clip(self, *args: Any, **options: Any) -> _Symbol:
        if len(args) != 2 or options:
            raise _untraced("clip with options", "write a.clip(low, high)")
        return _call("clip", [self, *args])

    def over_all(self, name: str, args: Sequence[Any], options: Mapping[str, Any]) -> _Symbol:
        if args or any(v is not None for v in options.values()):
            fix = "write W @ h for the sum over an axis, or sum without axis= for the sum of all entries"
            raise _untraced(f"{name} along an axis", fix)
        return _call(name, [self])

    def __setitem__(self, key: Any, value: Any) -> None:
        raise _untraced("an assignment to a part of a value", "make a new value, with np.concatenate or operators")

    def __iter__(self) -> Any:
        raise _untraced("a loop over the entries of a value", "write it for the whole vector: +, *, @, np.sum")

    def __format__(self, kind: str) -> str:
        raise _untraced("printing the number of a value", "leave it out of the step function")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python asks for these and takes no for an answer
            raise AttributeError(name)
        raise _untraced(f".{name}", f"write it with {USE}")

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise _untraced("a call of a value", "write * or @ for a product")

    @property
    def shape(self) -> Any:
        raise _untraced(".shape", "sizes are chosen when the recurrence is unrolled, unroll(sizes={…})")


def _untraced(what: str, fix: str) -> BPTTError:
    return BPTTError(f"{what} cannot be traced in a step function", fix)


def _refusing(what: str, fix: str) -> Any:
    def method(self: _Symbol, *_: Any) -> Any:
        raise _untraced(what, fix)

    return method


USE = "+, -, *, /, @, np.tanh, np.exp, np.maximum(x, 0) …"
_CASES = "write an equation with cases: bg.recurrence('h[t] = where(W h[t-1] > 0, …, …)'), or np.maximum, np.clip"
_WHOLE = "there is no derivative by it; leave it out, or write the recurrence as equations"
_REFUSED = {
    "a comparison (<, <=, ==, !=, >=, >)": (("lt", "le", "eq", "ne", "ge", "gt"), _CASES),
    "floor division (//)": (("floordiv", "rfloordiv"), "write / for the quotient"),
    "a remainder (%, divmod)": (("mod", "rmod", "divmod", "rdivmod"), _WHOLE),
    "a bitwise or logical operation (&, |, ^, ~, <<, >>)": (
        ("and", "rand", "or", "ror", "xor", "rxor", "invert", "lshift", "rlshift", "rshift", "rrshift"),
        "write * for the product of two values between 0 and 1, and ** for a power",
    ),
    "rounding": (("round", "floor", "ceil", "trunc"), _WHOLE),
    "len()": (("len",), "sizes are chosen when the recurrence is unrolled, unroll(sizes={…})"),
    "in": (("contains",), "write it with operators"),
    "int(), an index or a count": (("int", "index", "complex"), "use NumPy functions (np.tanh), not those of math"),
}
for _what, (_names, _fix) in _REFUSED.items():
    for _name in _names:
        setattr(_Symbol, f"__{_name}__", _refusing(_what, _fix))
_Symbol.__hash__ = object.__hash__  # type: ignore[method-assign]


def _symbol(value: Any) -> _Symbol:
    if isinstance(value, _Symbol):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise BPTTError(
            f"a step function may use numbers and its arguments, not {type(value).__name__} values",
            "pass arrays in as parameters: def step(h, x, *, W)",
        )
    number = float(value)
    if not np.isfinite(number):
        raise BPTTError("a step function uses a number that is not finite", "use finite numbers")
    # written without an exponent, which the equation language does not read as one number everywhere
    text = np.format_float_positional(abs(number), trim="-")
    return _Symbol(text if number >= 0 else f"(-{text})")


def _infix(operator: str, a: Any, b: Any) -> _Symbol:
    return _Symbol("(", _symbol(a), f" {operator} ", _symbol(b), ")")


def _call(name: str, args: Any) -> _Symbol:
    parts: list[str | _Symbol] = [f"{name}("]
    for i, a in enumerate(args):
        parts += [", ", _symbol(a)] if i else [_symbol(a)]
    return _Symbol(*parts, ")")


def from_function(function: Callable[..., Any], let: Mapping[str, Any] | None = None) -> Recurrence:
    """The recurrence of a step function.

    Raises:
        BPTTError: if the function does something that cannot be written as an equation; the message names it.

    Example:
        >>> import numpy as np
        >>> def step(h, x, *, W_h, W_x, b):
        ...     return np.tanh(W_h @ h + W_x @ x + b)
        >>> from_function(step).equations
        ('h[t] = tanh((((W_h @ h[t-1]) + (W_x @ x[t])) + b))',)
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise BPTTError(
            "the signature of this function cannot be read", "write a plain def step(h, x, *, W_h, W_x, b)"
        ) from None
    kinds = inspect.Parameter
    positional = [
        p.name for p in signature.parameters.values() if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    ]
    parameters = [p.name for p in signature.parameters.values() if p.kind is kinds.KEYWORD_ONLY]
    if any(p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD) for p in signature.parameters.values()):
        raise BPTTError(
            "a step function must name its arguments",
            "write def step(h, x, *, W_h, W_x, b), without *args and **kwargs",
        )
    if len(positional) < 2:
        raise BPTTError("a step function takes at least a state and an input", "write def step(h, x, *, W_h, W_x, b)")
    inputs = [p for p in positional if p in _INPUTS] or [positional[-1]]
    states = [p for p in positional if p not in inputs]
    arguments = [_Symbol(f"{p}[t]" if p in inputs else f"{p}[t-1]") for p in positional]
    result, found = _call_and_look(function, arguments, {p: _Symbol(p) for p in parameters})
    outputs = {name: _symbol(value) for name, value in _equations(result, states).items()}
    equations = _name_values(outputs, found, {*positional, *parameters})
    names = {id(symbol): name for name, symbol in equations.items()}
    text = "\n".join(f"{name}[t] = {symbol.write(names)}" for name, symbol in equations.items())
    title = getattr(function, "__name__", "step")
    own = {n: op for symbol in equations.values() for n, op in symbol.own.items()}
    return from_text(text, {**own, **(let or {})}, title="step" if title == "<lambda>" else title)


def _call_and_look(
    function: Callable[..., Any], args: list[_Symbol], parameters: dict[str, _Symbol]
) -> tuple[Any, dict[str, Any]]:
    """Call the function; also return its local variables as they were when it returned."""
    code = getattr(function, "__code__", None)
    seen: dict[str, Any] = {}

    def look(frame: Any, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            seen.clear()
            seen.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        return function(*args, **parameters), seen
    finally:
        sys.setprofile(before)


def _name_values(outputs: dict[str, _Symbol], found: dict[str, Any], taken: set[str]) -> dict[str, _Symbol]:
    """Equations in order of computation: outputs, named local variables, and whatever else is used more than once."""
    names: dict[int, str] = {}
    for name, symbol in outputs.items():
        names.setdefault(id(symbol), name)
    for name, value in found.items():
        if (
            isinstance(value, _Symbol)
            and not value.is_leaf
            and name not in taken
            and name not in outputs
            and name.isidentifier()
        ):
            names.setdefault(id(value), name)
    order: list[_Symbol] = []
    uses: dict[int, int] = {}
    state: dict[int, bool] = {}
    stack = [(s, False) for s in reversed(list(outputs.values()))]
    while stack:  # depth first: what is used comes before what uses it
        symbol, done = stack.pop()
        if done:
            order.append(symbol)
            continue
        uses[id(symbol)] = uses.get(id(symbol), 0) + 1
        if id(symbol) in state:
            continue
        state[id(symbol)] = True
        stack.append((symbol, True))
        stack += [(p, False) for p in reversed(symbol.parts) if isinstance(p, _Symbol)]
    number = 0
    for symbol in order:
        if uses[id(symbol)] > 1 and not symbol.is_leaf and id(symbol) not in names:
            number += 1
            while f"v{number}" in taken or f"v{number}" in names.values():
                number += 1
            names[id(symbol)] = f"v{number}"
    equations = {names[id(s)]: s for s in order if id(s) in names}
    for name, symbol in outputs.items():  # an output that is an argument handed through, or another output once more
        equations.setdefault(name, symbol if symbol.is_leaf else _Symbol("identity(", symbol, ")"))
    return equations


def _equations(result: Any, states: list[str]) -> dict[str, Any]:
    if isinstance(result, Mapping):
        missing = [s for s in states if s not in result]
        if missing:
            raise BPTTError(
                f"the step function does not return the new {missing[0]}",
                f'return {{"{missing[0]}": …}} with every state',
            )
        return {str(k): v for k, v in result.items()}
    values = list(result) if isinstance(result, tuple | list) else [result]
    if len(values) < len(states):
        raise BPTTError(
            f"the step function has the states {', '.join(states)}, but returns {len(values)} value(s)",
            f"return {', '.join(states)}",
        )
    names = [*states, *("y" if i == 0 else f"y{i + 1}" for i in range(len(values) - len(states)))]
    return dict(zip(names, values))
