"""A recurrence as it was understood: its equations with explicit operators, then who is what, in which shape."""

from __future__ import annotations

from ..errors import BPTTError
from .definitions import Definition
from .model import Recurrence
from .settings import explicit, infer_shapes
from .suspicions import suspicions
from .syntax import Expr
from .text import brief

__all__ = ["reading", "suspicions"]


def reading(rec: Recurrence) -> str:
    """One line an equation, then one line for the names of each role and shape.

    The sizes are those that are chosen where none are given. Where shapes contradict each other, the equations stand
    there without explicit operators.

    >>> import bpttgraph as bg
    >>> print(reading(bg.recurrence("h_t = a h_{t-1} + x_t W")))
    h[t] = a * h[t-1] + x[t] @ W
    h: state and output, row vector of 3
    x: input, row vector of 2
    a: parameter, number
    W: parameter, matrix 2×3
    """
    try:
        shapes, constants = infer_shapes(rec, None)
        rights, _ = explicit(rec, rec.definitions, shapes, constants)
    except BPTTError:
        return "\n".join(_equation(d, d.right) for d in rec.definitions)
    groups: dict[tuple[str, str], list[str]] = {}
    for name, role in _roles(rec).items():
        groups.setdefault((role, _shape(shapes[name], rec.rows)), []).append(name)
    lines = [f"{', '.join(names)}: {role}, {shape}" for (role, shape), names in groups.items()]
    if rec.abstract:
        lines.append(f"{', '.join(rec.abstract)}: of which only the name is known")
    return "\n".join([*(_equation(d, rights[d]) for d in rec.definitions), *lines])


def _equation(d: Definition, right: Expr) -> str:
    block = f"{d.block}." if d.block else ""
    left = "; ".join(brief(n) if n.block else block + brief(n) for n in d.equation.left)
    return f"[{left}] = {brief(right)}" if len(d.bases) > 1 else f"{left} = {brief(right)}"


def _roles(rec: Recurrence) -> dict[str, str]:
    """Every name with its role: what is computed first, then what is given, then what is learned."""
    found: dict[str, str] = {}
    losses, targets = ((), ()) if rec.sums_outputs else (rec.losses, rec.targets)
    for d in rec.definitions:
        for base in d.bases:
            kinds = [
                kind
                for kind, names in (("state", rec.states), ("output", rec.outputs), ("loss", losses))
                if base in names
            ]
            found[base] = " and ".join(kinds) or ("total" if base == rec.total else "value")
    found |= {i: "target" if i in targets else "input" for i in rec.inputs if i not in found}
    return found | dict.fromkeys(rec.parameters, "parameter")


def _shape(shape: tuple[int, ...], rows: bool) -> str:
    if len(shape) < 2:
        return f"{'row ' if rows else ''}vector of {shape[0]}" if shape else "number"
    return ("matrix " if len(shape) == 2 else "tensor ") + "×".join(map(str, shape))
