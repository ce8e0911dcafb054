"""The syntax tree of the equation language: what the parser returns and `Recurrence` reads. Plain data, no behaviour.

A program is a list of equations. A name may carry a step index: `h[t-1]` is `Name("h", Index("t", -1))`, `h[0]` is
`Name("h", Index(None, 0))`, `encoder.h[T]` is `Name("h", Index("T", 0), block="encoder")`, a parameter has no index.
"""

from __future__ import annotations

import re
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
    "Partial",
    "Program",
    "Reduce",
    "Span",
    "Stack",
    "Transposed",
    "step_letters",
]


@dataclass(frozen=True, slots=True)
class Index:
    """A step: `variable + offset`. `variable` is "t", "T" (the last step), another bound name such as "k", or None (a
    fixed step); in a text about gradients also a sum of them, such as "T+t-i"."""

    variable: str | None
    offset: int


def step_letters(index: Index) -> set[str]:
    """The letters in a step: {"t"} of t-1, {"T", "t", "i"} of T+t-i."""
    return set() if index.variable is None else {part for part in re.split("[+-]", index.variable) if part.isalpha()}


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


@dataclass(frozen=True, slots=True)
class Partial:
    """`∂h[j]/∂h[j-1]`, a derivative as a factor, in a text about gradients. A `top` without a name is the loss.

    `immediate` is the plus of `∂⁺h[k]/∂W`: what earlier steps computed is held constant. `column` says that it was
    written with ∇, so that it stands like what it is the gradient by, in every layout.
    """

    top: Name
    bottom: Name
    span: Span
    immediate: bool = False
    column: bool = False


Expr = Number | Constant | Name | Call | Negate | Transposed | Binary | Stack | Reduce | Partial


@dataclass(frozen=True, slots=True)
class Equation:
    """`left = right`. More than one name on the left unpacks a stacked vector: `[i[t]; f[t]] = W @ x[t]`.

    Of a text about gradients, `partial` is the derivative that the left side is, if it is one of a variable
    (`∂h[t]/∂h[k] = …`), and `sign` is "+" or "-" for `+=` and `-=`.
    """

    left: tuple[Name, ...]
    right: Expr
    span: Span
    text: str
    block: str | None = None
    partial: Partial | None = None
    sign: str = ""


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
