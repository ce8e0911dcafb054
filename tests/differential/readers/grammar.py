"""One grammar for printed formulas: items, whatever language they come from, with the usual precedence, and their
values.

Items: ("num", x), ("name", head, below, above), ("op", sign), ("(", items), ("[", items), ("|", items), ("frac", top,
bottom), ("call", function, arguments), ("d", mark, top, bottom), ("unit", "I" or "ones"), ("big", sign, letter, low,
high), ("mat", rows), ("e", items) for a unit vector; and behind another item ("T",), ("^", items), ("at", lists of
items) for an entry, ("rows", a, b), ("column", items).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["GREEK", "MARKS", "Item", "Items", "Unit", "Unsized", "evaluate", "key", "placed", "sides"]

Item = tuple[Any, ...]
Items = list[Item]
MARKS = {
    "bar": "\u0304",
    "hat": "\u0302",
    "tilde": "\u0303",
    "macron": "\u0304",
    "¯": "\u0304",
    "^": "\u0302",
    "~": "\u0303",
}
GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "theta": "θ", "lambda": "λ", "mu": "μ", "rho": "ρ"}
GREEK |= {"Phi": "Φ", "sigma": "σ", "tau": "τ", "varphi": "φ", "phi": "ϕ", "varepsilon": "ε"}
_erf = np.vectorize(math.erf, otypes=[float])


def _column(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of all entries, to a number."""
    return lambda *xs: function(*[np.asarray(x).reshape(-1) for x in xs])


def _log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum())


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tanh": np.tanh,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "σ": lambda x: 1 / (1 + np.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "1₊": lambda x: (x > 0) * 1.0,
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "Φ": lambda x: 0.5 * (1 + _erf(x / math.sqrt(2))),
    "gelu": lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2))),
    "leaky_relu": lambda x, slope=0.01: np.where(x > 0, x, slope * x),
    "elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "clip": np.clip,
    "max": lambda *xs: np.maximum(*xs) if len(xs) > 1 else np.max(xs[0]),
    "min": lambda *xs: np.minimum(*xs) if len(xs) > 1 else np.min(xs[0]),
    "argmax": lambda x: (x == np.max(x)) * 1.0,
    "softmax": lambda x: np.exp(_log_softmax(x)),
    "log_softmax": _log_softmax,
    "sum": np.sum,
    "norm": _column(lambda x: np.sqrt((x**2).sum())),
    "logsumexp": lambda x: np.log(np.exp(x).sum()),
    "wave": lambda x: x / (1 + x * x / 4),
    "hump": lambda x: np.exp(-x * x),
    "blend": lambda x, y: x * y / (1 + y * y),
    "SE": _column(lambda x, y: 0.5 * ((x - y) ** 2).sum()),
    "CE": _column(lambda y, d: -(d * np.log(y)).sum()),
}


def key(name: str) -> Item:
    """How a name of the equations is printed: `h[2]` with 2 below, `p_i[2]` with i,2 below, `h1[2]` with (1) above.

    >>> key("W_hh"), key("h1[t-1]")
    (('name', 'W', 'hh', ''), ('name', 'h', 't-1', '(1)'))
    """
    base, _, step = name.partition("[")
    pair = re.fullmatch(r"[d∂](\w+?)_[d∂](\w+)", base)
    if pair:
        return ("d", "∂", key(pair[1]), key(pair[2] + ("[" + step if step else "")))
    head, *below = base.split("_")
    layer = re.fullmatch(r"([^\W\d]+)(\d+)", unicodedata.normalize("NFC", head))
    above = f"({layer[2]})" if layer and step else ""
    below = [*([layer[2]] if layer and not step else []), *below, *([step[:-1]] if step else [])]
    head = layer[1] if layer else head
    return (
        "name",
        unicodedata.normalize("NFD", GREEK.get(head, head)),
        ",".join(GREEK.get(b, b) for b in below),
        above,
    )


Values = Callable[[Item], Any]
Formula = Callable[[Values], Any]


class Unsized(LookupError):
    """I or 0 stands where nothing says how large it is."""


class Unit:
    """`by` times I or ones whose size the place decides: a column "ones", a "row", or a "grid" 𝟏𝟏ᵀ.

    `by` is a number; of 𝟏 aᵀ it is the row aᵀ, of a 𝟏ᵀ the column a.
    """

    def __init__(self, kind: str, by: Any = 1.0):
        self.kind, self.by = kind, by[0, 0] if np.shape(by) == (1, 1) else by

    def like(self, other: Any) -> Any:
        if isinstance(other, Unit) or np.ndim(other) == 0:
            return self.by
        return self.by * (np.eye(len(other)) if self.kind == "I" else np.ones(np.shape(other)))


def times(a: Any, b: Any) -> Any:
    """The product of matrices; one of 1 by 1 is a number."""
    found = _times(a, b)
    return found[0, 0] if np.shape(found) == (1, 1) else found


def _times(a: Any, b: Any) -> Any:
    # an adjoint beyond the last step is printed as 0, of any shape; a number of NumPy that happens to be 0 is a number
    if any(type(x) is float and x == 0 for x in (a, b)):
        return 0.0
    if isinstance(a, Unit) and isinstance(b, Unit):
        if a.kind == "I" or b.kind == "I":
            return Unit(b.kind if a.kind == "I" else a.kind, a.by * b.by)
        if a.kind == "ones" and b.kind == "row" and np.ndim(a.by) == np.ndim(b.by) == 0:
            return Unit("grid", a.by * b.by)
        raise Unsized("ones beside ones")
    if isinstance(a, Unit):
        if np.ndim(b) == 0 or a.kind == "I":
            return Unit(a.kind, a.by * b) if np.ndim(b) == 0 else a.by * b
        if a.kind == "row":
            return times(a.by, np.ones((1, len(b))) @ b)
        if a.kind == "grid":
            return Unit("ones", a.by * (np.ones((1, len(b))) @ b))
        return Unit("ones", a.by @ b if np.ndim(a.by) else a.by * column_of(b.T).T)
    if isinstance(b, Unit):
        if np.ndim(a) == 0 or b.kind == "I":
            return Unit(b.kind, a * b.by) if np.ndim(a) == 0 else a * b.by
        if b.kind == "row":  # a column before 𝟏ᵀ: what follows says how long 𝟏 is
            return Unit("row", a @ b.by if np.ndim(b.by) else column_of(a) * b.by)
        added = a @ np.ones((a.shape[1], 1))
        return Unit("row", b.by * added) if b.kind == "grid" else added * b.by
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    return a @ b


def column_of(a: Any) -> Any:
    if np.shape(a)[1] != 1:
        raise ValueError(f"a matrix of shape {np.shape(a)} stands where only a column fits")
    return a


def meet(function: Callable[..., Any], a: Any, b: Any) -> Any:
    """Entry by entry; I and 1 take the shape of what they meet."""
    if isinstance(a, Unit) and isinstance(b, Unit):
        if {a.kind, b.kind} == {"ones", "row"} and np.ndim(a.by) == np.ndim(b.by) == 2:
            return function(a.by, b.by)
        for x, y in ((a, b), (b, a)):
            if x.kind == "I" != y.kind:  # beside a 𝟏ᵀ or 𝟏 aᵀ, which say how large I is
                if np.ndim(y.by) != 2:
                    raise Unsized("I beside ones")
                square = np.eye(y.by.size)
                return function(*[x.by * square if z is x else np.broadcast_to(z.by, square.shape) for z in (a, b)])
        return Unit(b.kind if a.kind == "grid" else a.kind, function(a.by, b.by))
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Unit) and np.ndim(y) == 0 and (x.kind != "I" or np.ndim(x.by)):
            return Unit(x.kind, function(*[z.by if isinstance(z, Unit) else z for z in (a, b)]))
    a, b = (x.like(y) if isinstance(x, Unit) else x for x, y in ((a, b), (b, a)))
    if np.ndim(a) == 2 == np.ndim(b) and np.shape(a) != np.shape(b):
        raise ValueError(f"shapes {np.shape(a)} and {np.shape(b)} meet entry by entry")
    found = function(a, b)
    return float(found) if type(a) is float and type(b) is float else found


def sized(a: Any) -> Any:
    if isinstance(a, Unit):
        raise Unsized(a.kind)
    return a


def rowed(a: Any) -> Any:
    """What has rows and columns: a number stands for a vector of one entry, as `times` leaves it, whose only entry has
    the index 1."""
    return np.atleast_2d(sized(a))


def turned(a: Any) -> Any:
    if isinstance(a, Unit):
        return Unit(
            {"I": "I", "ones": "row", "row": "ones", "grid": "grid"}[a.kind],
            np.transpose(a.by) if np.ndim(a.by) else a.by,
        )
    return np.transpose(a) if np.ndim(a) else a


class Reader:
    def __init__(self, items: Items):
        self.items, self.i = items, 0

    @property
    def peek(self) -> Item:
        return self.items[self.i] if self.i < len(self.items) else ("end",)

    def sign(self, *signs: str) -> str:
        """The next sign, if it is one of these, which is then passed."""
        if self.peek[0] == "op" and self.peek[1] in signs:
            self.i += 1
            return str(self.items[self.i - 1][1])
        return ""

    def whole(self) -> Formula:
        found = self.sum()
        if self.peek != ("end",):
            raise ValueError(f"{self.peek} stands where a formula ends")
        return found

    def sum(self) -> Formula:
        left = (lambda f: lambda v: times(-1.0, f(v)))(self.hadamard()) if self.sign("-") else self.hadamard()
        while sign := self.sign("+", "-"):
            function = np.add if sign == "+" else np.subtract
            left = (lambda f, g, op: lambda v: meet(op, f(v), g(v)))(left, self.hadamard(), function)
        return left

    def hadamard(self) -> Formula:
        left = self.product()
        while self.sign("∘"):
            left = (lambda f, g: lambda v: meet(np.multiply, f(v), g(v)))(left, self.product())
        return left

    def product(self) -> Formula:
        left = self.factor()
        while self.peek[0] not in ("end", "op") or self.peek[1:] in (("·",), ("/",)):
            sign = self.sign("·", "/")
            combine = (lambda a, b: a / b) if sign == "/" else times
            left = (lambda f, g, op: lambda v: op(f(v), g(v)))(left, self.factor(), combine)
        return left

    def factor(self) -> Formula:
        found = self.atom()
        while self.peek[0] in ("T", "^", "at", "rows", "column"):
            found = self.behind(found, self.items[self.i])
            self.i += 1
        return found

    def behind(self, f: Formula, item: Item) -> Formula:
        if item[0] == "T":
            return lambda v: turned(f(v))
        if item[0] == "rows":
            one = item[1] == item[2]  # one row of a column is a number

            def part(v: Values) -> Any:
                whole = f(v)
                if type(whole) is float and whole == 0:
                    return 0.0  # of an adjoint that is printed as 0
                rows = rowed(whole)[item[1] - 1 : item[2]]
                return rows[0, 0] if one and rows.shape[1] == 1 else rows

            return part
        inner = [Reader(i).whole() for i in (item[1] if item[0] == "at" else [item[1]])]
        if item[0] == "^":
            return lambda v: f(v) ** inner[0](v)
        if item[0] == "column":
            return lambda v: rowed(f(v))[:, [int(inner[0](v)) - 1]]

        def entry(v: Values) -> Any:
            value, place = rowed(f(v)), [int(i(v)) - 1 for i in inner]
            return value[place[0], place[1] if len(place) > 1 else 0]

        return entry

    def atom(self) -> Formula:
        item = self.peek
        self.i += 1
        match item:
            case ("num", number):
                return lambda v: number
            case ("name" | "d" | "unit", *_):
                return lambda v: v(item)
            case ("(" | "[", items):
                return Reader(items).whole()
            case ("|", items):
                return (lambda f: lambda v: np.abs(f(v)))(Reader(items).whole())
            case ("frac", top, bottom):
                return (lambda f, g: lambda v: meet(np.divide, f(v), g(v)))(Reader(top).whole(), Reader(bottom).whole())
            case ("call", function, arguments):
                return self.call(function, [Reader(a).whole() for a in arguments])
            case ("mat", rows):
                if [("num", 0.0)] in [x for row in rows for x in row]:
                    raise Unsized("0 in a matrix")
                blocks = [[Reader(x).whole() for x in row] for row in rows]
                return lambda v: np.block([[np.atleast_2d(sized(f(v))) for f in row] for row in blocks])
            case ("big", sign, letter, low, high):
                body = self.hadamard() if sign == "∑" else self.product()  # it reaches over the products behind it
                return big(sign, letter, Reader(low).whole(), Reader(high).whole(), body)
        raise ValueError(f"{item} stands where a value is expected")

    @staticmethod
    def call(function: str, arguments: list[Formula]) -> Formula:
        if function == "diag":
            return lambda v: np.diag(np.ravel(arguments[0](v)))  # of a column, or of a row
        return lambda v: FUNCTIONS[function](*[f(v) for f in arguments])


def big(sign: str, letter: str, low: Formula, high: Formula, body: Formula) -> Formula:
    """A sum from low to high, or a product that is counted down: from t down to t+1 it is empty, so I."""

    def value(v: Values) -> Any:
        first, last = int(low(v)), int(high(v))
        steps = range(first, last + 1) if sign == "∑" else range(first, last - 1, -1)
        found: Any = None
        for step in steps:
            part = body(lambda item, k=step: stepped(v, item, letter, k))
            found = part if found is None else meet(np.add, found, part) if sign == "∑" else times(found, part)
        return (0.0 if sign == "∑" else Unit("I")) if found is None else found

    return value


def stepped(v: Values, item: Item, letter: str, k: int) -> Any:
    """A value with a number in the place of the letter that counts."""
    if item == ("name", letter, "", ""):
        return float(k)
    return v(placed(item, {letter: k}))


def placed(item: Item, steps: Mapping[str, int]) -> Item:
    """Names with numbers in the places of letters: below them stands j, j-1 or i,j."""
    if item[0] == "d":
        return (item[0], item[1], placed(item[2], steps), placed(item[3], steps))

    def number(m: re.Match[str]) -> str:
        return str(steps[m[1]] + int(m[2] or 0)) if m[1] in steps else m[0]

    head, _, last = item[2].rpartition(",")
    below = re.sub(r"(?<![A-Za-z])([A-Za-z])(?![A-Za-z])([+-]\d+)?", number, last)
    return (item[0], item[1], (head + "," if head else "") + below, item[3])


def evaluate(items: Items, values: Values) -> Any:
    """The value of a formula: a number, or a matrix (a vector is one of one column)."""
    return Reader(items).whole()(values)


def sides(items: Items) -> tuple[Items, Items]:
    """What stands left and right of the equals sign."""
    i = items.index(("op", "="))
    return items[:i], items[i + 1 :]
