"""Stacked equations: [a_i; a_f; a_o; a_g] = W x + U h + b defines four variables by the rows of one value.

A person writes their adjoint once, δ_a = [ā_i; ā_f; ā_o; ā_g], and then ∂E/∂W = δ_a xᵀ; without this every use of W
would be four summands between blocks of zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from ..core.graph import Node
from ..core.variables import Variable
from ..formulas.expr import Expr, stack, symbol
from ..formulas.steps import substituted
from .local import local_jacobian
from .read import formula

if TYPE_CHECKING:
    from .paths import Unrolled

__all__ = ["Stacked", "stacks"]


@dataclass(frozen=True, slots=True)
class Stacked:
    """`members`, from the top, are all the rows of `value`; `name` is that of the whole (a[2] for a_i[2], a_f[2], …).

    `node` is what the adjoint of the whole is by: the value, or a where it is φ(a). `own` is then ∂φ(a)/∂a.
    """

    name: str
    value: Node
    node: Node
    members: tuple[str, ...]
    own: Expr | None = None


def stacks(unrolled: Unrolled, variables: Mapping[str, Variable]) -> dict[str, Stacked]:
    """For every variable that is some rows of a stacked equation, the stack it belongs to.

    >>> import bpttgraph as bg
    >>> u = bg.cell("lstm-fused").unroll(2)
    >>> found = stacks(u, u.vgraph.variables)["a_f[2]"]
    >>> found.name, found.members
    ('a[2]', ('a_i[2]', 'a_f[2]', 'a_g[2]', 'a_o[2]'))
    """
    parts: dict[int, list[tuple[int, int, str]]] = {}
    values: dict[int, Node] = {}
    for name in variables:
        node = unrolled.node(name)
        if node.op is not None and node.op.name == "take" and node.args[0].name is None:
            values[node.args[0].serial] = node.args[0]
            parts.setdefault(node.args[0].serial, []).append((node.attrs["start"], node.attrs["stop"], name))
    bases = {v.base for v in variables.values()}
    found: dict[str, Stacked] = {}
    for serial, rows in parts.items():
        rows.sort()
        ends = [0, *[stop for _, stop, _ in rows]]
        if len(rows) > 1 and [start for start, _, _ in rows] == ends[:-1] and values[serial].shape == (ends[-1],):
            members = tuple(name for _, _, name in rows)
            name = _whole([variables[m] for m in members], bases)
            made = _stacked(name, values[serial], [unrolled.node(m) for m in members])
            found.update(dict.fromkeys(members, made))
    return found


def _stacked(name: str, value: Node, members: list[Node]) -> Stacked:
    """With the slope of φ written in the members: [z; r] ∘ (1 − [z; r])."""
    names = tuple(m.name or "" for m in members)
    inner = value.args[0] if value.op is not None and value.op.kind == "elementwise" and len(value.args) == 1 else None
    if inner is None or inner.name is not None or inner.op is None:
        return Stacked(name, value, value, names)
    own = local_jacobian(value, inner).jacobian
    whole = stack(*[symbol(m.name or "", m.shape) for m in members])
    return Stacked(name, value, inner, names, None if own is None else substituted(own, formula(value), whole))


def _whole(members: list[Variable], bases: set[str]) -> str:
    """What the whole is called: what the names begin with, or "gates"."""
    block = f"{members[0].block}." if members[0].block else ""
    letters = zip(*[m.base.removeprefix(block) for m in members])
    head = "".join(c[0] for c in takewhile(lambda c: len(set(c)) == 1, letters)).rstrip("_")
    name = block + (head if head and block + head not in bases else "gates")
    return name if members[0].step is None else f"{name}[{members[0].step}]"
