"""Operations of one's own, as a user makes them: a value and its partial derivatives, bound by `let`.

The oracle has its own values of them (`operations`), and knows no derivative. One of them has no `code`, so that no
NumPy code can be printed of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import bpttgraph as bg

from .trees import Case

OWN: dict[str, Any] = {
    "wave": bg.primitive(
        lambda x: x / (1 + x * x / 4),
        name="wave",
        derivative=lambda y, x: (1 - x * x / 4) / (1 + x * x / 4) ** 2,
        code="x / (1 + x * x / 4)",
    ),
    "hump": bg.primitive(lambda x: np.exp(-x * x), name="hump", derivative=lambda y, x: -2 * x * y),
    "blend": bg.primitive(
        lambda x, y: x * y / (1 + y * y),
        name="blend",
        derivative=[lambda z, x, y: y / (1 + y * y), lambda z, x, y: x * (1 - y * y) / (1 + y * y) ** 2],
        code="x * y / (1 + y * y)",
    ),
}


def bound(case: Case) -> dict[str, Any]:
    """The operations that a case calls."""
    called = {n.op for e in case.equations for n in e.right.walk()}
    return {name: op for name, op in OWN.items() if name in called}
