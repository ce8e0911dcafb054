"""∂h[j]/∂h[j−1] as a factor in a student's formula: the Jacobian by reverse passes over the graph, one for each row.

Numerator layout: the derivative of a vector by a vector is a matrix, that of a loss by a vector is a row. It goes over
all paths between the two, as the chain rule's factors do.
"""

from __future__ import annotations

import numpy as np

from ...core import primitives as P
from ...core.autodiff import backward
from ...core.graph import Node, constant
from ...errors import BPTTError
from .columns import ZERO, Value

__all__ = ["partial"]

MOST_ROWS = 64


def partial(top: Node, bottom: Node) -> Value:
    """∂top/∂bottom; zero if nothing leads from `bottom` to `top`.

    >>> import bpttgraph as bg
    >>> u = bg.cell("rnn").unroll(3)
    >>> partial(u.node("h[2]"), u.node("h[1]")).node.shape
    (4, 4)
    """
    if len(top.shape) > 1 or len(bottom.shape) > 1:
        raise BPTTError(
            "the derivative by a matrix has three axes", "write the outer product, as in outer(delta[t], h[t-1])"
        )
    rows = int(np.prod(top.shape))
    if rows > MOST_ROWS:
        raise BPTTError(f"a Jacobian of {rows} rows", f"choose at most {MOST_ROWS} units with --size")
    total: Node | None = None
    for unit in np.eye(rows):
        seed = constant(unit) if top.shape else constant(1.0)
        found = backward({top: P.expand(seed, shape=top.shape)}, [bottom]).adjoints.get(bottom)
        if found is None:
            return ZERO
        row = found
        if top.shape:
            row = P.outer(constant(unit), found) if bottom.shape else found * constant(unit)
        total = row if total is None else total + row
    assert total is not None
    return Value(total, row=not top.shape and bool(bottom.shape))
