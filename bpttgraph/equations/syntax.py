"""The syntax tree of the equation language: what the parser returns and `Recurrence` reads. Plain data, no behaviour.

A program is a list of equations. A name may carry a step index: `h[t-1]` is `Name("h", Index("t", -1))`, `h[0]` is
`Name("h", Index(None, 0))`, `encoder.h[T]` is `Name("h", Index("T", 0), block="encoder")`, a parameter has no index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import Span

__all__ = [
    "Binary",
    "Call",
    "Constant",
    "Equation",
    "Expr",
    "Index",
    "Name",
    "Negate",
    "Number",
    "Program",
    "Reduce",
    "Span",
    "Stack",
    "Transposed",
]


@dataclass(frozen=True, slots=True)
class Index:
    """A step: `variable + offset`. `variable` is "t", "T" (the last step), another bound name such as "k", or None (a
    fixed step)."""

    variable: str | None
    offset: int


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    span: Span


@dataclass(frozen=True, slots=True)
class Constant:
    """What a lecture writes without defining it: "I" (the identity matrix), "1" (a vector of ones), "T" (the number of
    steps). `shape` is known once the equations are elaborated."""

    name: str
    span: Span
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Name:
    """`layer` is a layer that a letter counts, `Index("l", -1)` in `h^{(l-1)}_t`, until layers are written out."""

    name: str
    index: Index | None
    span: Span
    block: str | None = None
    layer: Index | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """`function(args; parameters)`. Whether the function is known or abstract is decided by `Recurrence`; `own` is the
    `Function` made of one of the user's, bound by `let`."""

    function: str
    args: tuple[Expr, ...]
    parameters: tuple[Expr, ...]
    span: Span
    own: Any = None


@dataclass(frozen=True, slots=True)
class Negate:
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Transposed:
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """`operator` is one of "+", "-", "/", "^", "*" (elementwise), "@" (matrix product) and " " (juxtaposed or `\\cdot`:
    the matrix product, or the product with a scalar; shapes decide)."""

    operator: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Stack:
    """`[a; b]`: vectors one below the other."""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Reduce:
    """`sum_t body`, `sum_{k=1}^{t} body`, `prod_{j=k+1}^{t} body`; `kind` is "sum" or "prod"; the bounds are None for
    "all steps"."""

    kind: str
    variable: str
    lower: Index | None
    upper: Index | None
    body: Expr
    span: Span


Expr = Number | Constant | Name | Call | Negate | Transposed | Binary | Stack | Reduce


@dataclass(frozen=True, slots=True)
class Equation:
    """`left = right`. More than one name on the left unpacks a stacked vector: `[i[t]; f[t]] = W @ x[t]`."""

    left: tuple[Name, ...]
    right: Expr
    span: Span
    text: str
    block: str | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """The equations of a text. `let`: functions whose formula it gives, as pairs of texts; `notes`: what was assumed or
    dropped; `latex`: whether it is LaTeX; `rows`: whether its vectors are rows, as in `x_t W`.
    `layers`: how many layers there are, if a letter counts them; `asked`: whether the user said so; `step`: the letter
    that counts the steps in the text; `matrices`: parameters that are known to be matrices, by their two indices."""

    equations: tuple[Equation, ...]
    blocks: tuple[str, ...]
    text: str
    notes: tuple[str, ...] = ()
    latex: bool = False
    rows: bool = False
    let: tuple[tuple[str, str], ...] = ()
    layers: int | None = None
    asked: bool = False
    step: str = "t"
    matrices: frozenset[str] = frozenset()
