"""The adjoint of what an equation reads, from the adjoint of what it defines, for equations that no Jacobian matrix
describes.

Where a matrix is defined, or enters twice or through its diagonal, ∂y/∂W has rank 3 or 4 and is not written as a
matrix. The adjoint has the shape of W all the same, and the reverse pass over the one equation computes it without any
Jacobian. Its graph, made from the rule table, is read as a formula like every other graph.
"""

from __future__ import annotations

from ..core.autodiff import pullback
from ..core.graph import Node, leaf
from ..formulas.expr import Apply, Expr, Zeros, matrix_shape, num
from .read import Reader, inner_nodes

__all__ = ["pulled"]


def pulled(target: Node, source: Node, adjoint: Expr) -> Expr | None:
    """What one equation adds to the adjoint of `source`, in the shape of `source`; None behind an abstract function.

    >>> from bpttgraph.formulas.expr import symbol
    >>> from bpttgraph.formulas.printers import to_text
    >>> from bpttgraph.core.primitives import diag
    >>> d, h = leaf("d", (3,), role="parameter"), leaf("h[1]", (3,))
    >>> y = diag(d) @ h
    >>> y.name = "y[1]"
    >>> to_text(pulled(y, d, symbol("ȳ[1]", (3,))))
    'ȳ₁ ∘ h₁'
    """
    g = leaf("adjoint", target.shape, batched=target.batched)
    sums: dict[int, Node] = {target.serial: g}
    for node in reversed(inner_nodes([target], lambda n: n.name is not None and n is not target)):
        if node.serial not in sums or (node.name is not None and node is not target):
            continue
        for slot, arg in enumerate(node.args):
            if arg.is_constant:
                continue
            part = pullback(node, slot, sums[node.serial])
            if part is not None:
                sums[arg.serial] = sums[arg.serial] + part if arg.serial in sums else part
    if source.serial not in sums:
        return Zeros(matrix_shape(source.shape)) if source.shape else num(0)
    reader = Reader()
    reader.known[g.serial] = adjoint
    found = reader.whole(sums[source.serial])
    return None if _opaque(found) else found


def _opaque(e: object) -> bool:
    """Whether the formula applies a linear map of which only the name is known: ∂f of an abstract f."""
    if isinstance(e, tuple):
        return any(map(_opaque, e))
    if not isinstance(e, Expr):
        return False
    if isinstance(e, Apply) and e.op.symbol.startswith("∂"):
        return True
    return any(_opaque(getattr(e, f)) for f in e.__dataclass_fields__ if f not in ("shape", "op", "attrs"))
