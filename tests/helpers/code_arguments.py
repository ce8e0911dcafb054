"""What printed code is called with, from a run."""

from typing import Any

import numpy as np

import bpttgraph as bg
from bpttgraph.derive.code import python_name


def arguments(u: bg.Unrolled, run: bg.Run, names: Any) -> list[Any]:
    """What the printed code asks for: sequences as arrays whose row t is step t."""
    given: dict[str, Any] = {}
    for name, v in u.vgraph.variables.items():
        value = run.array(name)[0] if u.node(name).batched else run.array(name)
        if v.step is None:
            given.setdefault(python_name(name), value)  # the total may be called as the losses are
        else:
            base = python_name(name.partition("[")[0])
            rows = given.setdefault(base, np.zeros((max(u.steps.values()) + 3, *value.shape)))
            rows[v.step] = value
    for block, n in u.steps.items():
        given[f"T_{block}" if block else "T"] = n
    return [given[n] for n in names]
