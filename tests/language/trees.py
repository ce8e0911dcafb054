"""Recurrences as trees, and their plain text with explicit operators: the canonical rewriting of every mixture.

A `Node` knows its shape. `apply` is a matrix times a vector: `W @ v`, or, where vectors are rows and the text says
`v W`, `W.T @ v` with W of the transposed shape.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Name:
    """A letter with a label: W and "xh" are W_xh, W^{(xh)}, Wxh … `accent` is a mark over the letter ("~", "^")."""

    base: str
    label: str = ""
    accent: str = ""

    @property
    def plain(self) -> str:
        marks = {"": "", "~": "\u0303", "^": "\u0302"}
        return unicodedata.normalize("NFC", self.base + marks[self.accent]) + (f"_{self.label}" if self.label else "")


@dataclass(frozen=True)
class Node:
    """An operation on `args`: name, num, apply, add, sub, neg, had, scale, call, stack, outer, dot, norm2, frac, exp,
    log, pi, unit (the identity), matrices (the product of two)."""

    op: str
    args: tuple[Node, ...] = ()
    name: Name | None = None
    at: int | None = None
    """The step that a name is read at, from now; None: a name without steps."""
    word: str = ""
    """A function's canonical name, or a number as written."""
    shape: Shape = ()

    def walk(self) -> Iterator[Node]:
        yield self
        for a in self.args:
            yield from a.walk()


@dataclass(frozen=True)
class Equation:
    """`left[t] = right`; at=None is a total, `left = weight * sum_t right`."""

    left: Name
    right: Node
    at: int | None = 0
    weight: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Recurrence:
    equations: tuple[Equation, ...]
    shapes: dict[Name, Shape]
    rows: str = ""
    """ "": columns; "W": a product is v W; "T": it is v W^T."""
    let: tuple[tuple[str, str], ...] = ()
    initial: tuple[Name, ...] = ()
    """States that begin at 0."""
    traits: tuple[str, ...] = ()
    """What is in it, for the table."""
    written: tuple[Equation, ...] = ()
    """The equations as written: one for all layers l, where `bottom` is the name of layer 0 and its value."""
    bottom: tuple[Name, Node] | None = None


FORMULAS = {  # functions that plain texts do not have under the name
    "softsign": "({0} / (1 + abs({0})))",
    "hardtanh": "clip({0}, -1, 1)",
    "mish": "({0} * tanh(softplus({0})))",
    "swish": "silu({0})",
}


def ones(n: int) -> str:
    return f"[{'; '.join('1' * n)}]"


def plain(recurrence: Recurrence) -> str:
    """The canonical text."""
    lines = []
    for e in recurrence.equations:
        if e.at is None:
            lines.append(f"{e.left.plain} = {e.weight + ' * ' if e.weight else ''}sum_t ({text(e.right, recurrence)})")
        else:
            lines.append(f"{e.left.plain}[t] = {text(e.right, recurrence)}")
    lines += [f"{n.plain}[0] = 0" for n in recurrence.initial]
    return "\n".join(lines)


def text(e: Node, of: Recurrence) -> str:
    """An expression with every bracket."""
    a = [text(x, of) for x in e.args]
    match e.op:
        case "name":
            assert e.name is not None
            return e.name.plain + ("" if e.at is None else "[t]" if e.at == 0 else f"[t{e.at:+d}]")
        case "num":
            return e.word
        case "pi":
            return "3.141592653589793"
        case "unit":
            return f"diag({ones(e.shape[0])})"
        case "matrices":
            return f"({a[0]} @ {a[1]})"
        case "apply":
            return f"({a[0]}{'.T' if of.rows == 'W' else ''} @ {a[1]})"
        case "add" | "sub":
            return f"({a[0]} {'+' if e.op == 'add' else '-'} {a[1]})"
        case "neg":
            return f"(-{a[0]})"
        case "had" | "scale":
            return f"({a[0]} * {a[1]})"
        case "call":
            return FORMULAS[e.word].format(*a) if e.word in FORMULAS else f"{e.word}({', '.join(a)})"
        case "stack":
            return f"[{'; '.join(a)}]"
        case "outer" | "dot":
            return f"{e.op}({a[0]}, {a[1]})"
        case "norm2":
            return f"norm({a[0]})^2"
        case "frac":
            return f"({a[0]} / {a[1]})"
        case "exp" | "log":
            return f"{e.op}({a[0]})"
    raise ValueError(e.op)
