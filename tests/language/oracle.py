"""Plain-language recurrences as numbers, by means that share nothing with the package: Python's own parser, complex
numbers.

The text is changed into Python expressions (`^` is `**`, `[a; b]` a list, `sum_t` the sign `~`), whose trees are walked
over complex arrays. A derivative in a direction is the imaginary part after a step of 1e-30 along it.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
STEP = 1e-30
TOLERANCE = 1e-8


def lifted(f: Callable[[float], float], slope: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A real function along an infinitesimal imaginary part."""
    return lambda x: np.vectorize(f)(np.real(x)) + 1j * np.imag(x) * slope(np.real(x))


def by_sign(x: Array) -> Array:
    """The absolute value."""
    return np.where(np.real(x) < 0, -x, x)


def softmax(x: Array) -> Array:
    e = np.exp(x - np.max(np.real(x)))
    return e / np.sum(e)


def picked(better: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    return lambda a, b: np.where(better(np.real(a), np.real(b)), a, b)


def cross_entropy(y: Array, target: Array) -> Array:
    return -np.log(y[int(target.real)]) if np.ndim(target) == 0 else -np.sum(target * np.log(y))


def relu(x: Array) -> Array:
    return np.where(np.real(x) > 0, x, 0)


erf = lifted(math.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-(x**2)))
FUNCTIONS: dict[str, Callable[..., Array]] = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": relu,
    "leaky_relu": lambda x, a=0.01: np.where(np.real(x) > 0, x, a * x),
    "softplus": lambda x: np.where(np.real(x) > 0, x, 0) + np.log(1 + np.exp(-by_sign(x))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "elu": lambda x, a=1.0: np.where(np.real(x) > 0, x, a * (np.exp(x) - 1)),
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "erf": erf,
    "arctan": lifted(math.atan, lambda x: 1 / (1 + x**2)),
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "abs": by_sign,
    "clip": lambda x, low, high: np.where(np.real(x) < low, low, np.where(np.real(x) > high, high, x)),
    "max": picked(lambda a, b: a >= b),
    "min": picked(lambda a, b: a <= b),
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
    "sum": np.sum,
    "mean": np.mean,
    "norm": lambda x: np.sqrt(np.sum(x * x)),
    "dot": lambda a, b: np.sum(a * b),
    "outer": lambda a, b: a[:, None] * b[None, :],
    "diag": np.diag,
    "cross_entropy": cross_entropy,
    "squared_error": lambda y, d: np.sum((y - d) ** 2) / 2,
}
OPERATORS: dict[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
    ast.MatMult: lambda a, b: a @ b,
}


def spelled(name: str) -> str:
    """A name as Python spells it."""
    return unicodedata.normalize("NFKC", name)


@dataclass(frozen=True)
class Line:
    """`at`: the step on the left, from t if `moving`; None on a name without steps. `part` of so many `parts`."""

    right: ast.expr
    at: int | None
    moving: bool
    part: int = 0
    parts: int = 1


def is_total(line: Line) -> bool:
    """Whether a line sums over the steps, or reads the last one."""
    last = any(isinstance(e, ast.Name) and e.id == "T" for e in ast.walk(line.right))
    return line.at is None and (last or any(isinstance(e, ast.Invert) for e in ast.walk(line.right)))


class Oracle:
    """A recurrence over given steps. `let` names functions of `FUNCTIONS`; `sizes` are the lengths of vectors."""

    def __init__(self, text: str, steps: int, let: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]):
        self.steps, self.shapes = steps, {spelled(n): s for n, s in shapes.items()}
        self.functions = FUNCTIONS | {spelled(n): FUNCTIONS[f] for n, f in let.items()}
        self.lines: dict[str, list[Line]] = {}
        for line in text.splitlines():
            left, _, right = line.partition(" = ")
            right = re.sub(r"\bsum_t\b", "~", right.replace("^", "**").replace(";", ","))
            tree = ast.parse(right.strip(), mode="eval").body
            names = left.strip("[] ").split(";") if left.startswith("[") else [left]
            for i, n in enumerate(names):
                m = re.fullmatch(r"(.+?)(?:\[(t)?([+-]?\d+)?\])?", n.strip() + "]" * (n.count("[") > n.count("]")))
                assert m is not None
                at = None if "[" not in n else int(m[3] or 0)
                found = self.lines.setdefault(spelled(m[1]), [])
                found.append(Line(tree, at, m[2] is not None, i, len(names)))

    def loss(self, data: Mapping[str, Array], losses: tuple[str, ...]) -> Array:
        """The loss of the data: a total, or losses of single steps, or what the data weigh outputs with."""
        self.data = {spelled(k): v for k, v in data.items()}
        self.known: dict[tuple[str, int | None], Array] = {}
        weighed = {k.split("_d", 1)[1]: w for k, w in self.data.items() if re.match(r"d[^\W\d_]+_d", k)}
        if weighed:
            every = range(1, self.steps + 1)
            return sum(np.sum(w[t - 1] * self.value(n, t + self.ahead(n))) for n, w in weighed.items() for t in every)
        total = next((n for n, lines in self.lines.items() if any(map(is_total, lines))), None)
        if total:
            return self.value(total, None)
        return sum(np.sum(self.value(spelled(n), t)) for n in losses for t in range(1, self.steps + 1))

    def ahead(self, name: str) -> int:
        """1 for what is defined as x[t+1]."""
        return next((x.at for x in self.lines[name] if x.moving and x.at is not None), 0)

    def value(self, name: str, at: int | None) -> Array:
        """A name at a step."""
        if (name, at) not in self.known:
            self.known[name, at] = self.computed(name, at)
        return self.known[name, at]

    def computed(self, name: str, at: int | None) -> Array:
        key = name if at is None else f"{name}[{at}]"
        if key in self.data:
            return self.data[key]
        lines = self.lines.get(name, [])
        line = next((x for x in lines if x.at == at and not x.moving), None)
        if line is None:
            line = next((x for x in lines if x.moving), None)
        if line is None:
            return self.data[name][at - 1]
        now = at - line.at if line.moving and at is not None and line.at is not None else None
        found = self.evaluate(line.right, now)
        if line.parts > 1:
            found = np.split(found, line.parts)[line.part]
        shape = self.shapes.get(name, np.shape(found))
        return np.broadcast_to(found, shape) if np.ndim(found) == 0 else found

    def evaluate(self, e: ast.expr, t: int | None) -> Array:
        match e:
            case ast.Constant(value=number):
                return number
            case ast.Name(id=name):
                return self.value(name, None)
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                return self.value(name, self.step(index, t))
            case ast.Attribute(value=inner, attr="T"):
                return np.transpose(self.evaluate(inner, t))
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self.evaluate(inner, t)
            case ast.UnaryOp(op=ast.Invert(), operand=inner):
                return sum(self.evaluate(inner, k) for k in range(1, self.steps + 1))
            case ast.BinOp(left=a, op=operator, right=b):
                return OPERATORS[type(operator)](self.evaluate(a, t), self.evaluate(b, t))
            case ast.List(elts=parts):
                return np.concatenate([np.atleast_1d(self.evaluate(p, t)) for p in parts])
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.functions[name](*(self.evaluate(a, t) for a in args))
        raise ValueError(ast.dump(e))

    def step(self, e: ast.expr, t: int | None) -> int:
        match e:
            case ast.Constant(value=int(number)):
                return number
            case ast.Name(id="t") if t is not None:
                return t
            case ast.Name(id="T"):
                return self.steps
            case ast.BinOp(left=a, op=ast.Add(), right=b):
                return self.step(a, t) + self.step(b, t)
            case ast.BinOp(left=a, op=ast.Sub(), right=b):
                return self.step(a, t) - self.step(b, t)
        raise ValueError(ast.dump(e))


def contradiction(text: str, steps: int, let: Mapping[str, str], unrolled: Any, data: Mapping[str, Array]) -> str:
    """What the oracle says against the loss and the gradients that a plain text was given, or ""."""
    oracle, run = Oracle(text, steps, let, unrolled.shapes), unrolled.run(data)
    losses = unrolled.recurrence.losses
    loss, found = float(run.loss), oracle.loss(data, losses)
    if not abs(found - loss) <= TOLERANCE * max(1, abs(found)):
        return f"the loss is {loss:.8g}, by the oracle {found:.8g}"
    r = np.random.default_rng(5)
    for name, gradient in run.gradients.items():
        direction = r.standard_normal(np.shape(gradient))
        moved = oracle.loss({**data, name: data[name] + 1j * STEP * direction}, losses)
        want, have = np.imag(moved) / STEP, np.sum(gradient * direction)
        if not abs(want - have) <= TOLERANCE * max(1, abs(want)):
            return f"the gradient by {name} along a direction is {have:.8g}, by the oracle {want:.8g}"
    return ""
