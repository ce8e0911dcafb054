"""Printed code, called as its text says: arrays whose row t is step t."""

from __future__ import annotations

from typing import Any

import numpy as np

import bpttgraph as bg
from bpttgraph.derive.code import Code


def arguments(code: Code, u: bg.Unrolled, run: bg.Run) -> dict[str, Any]:
    """Sequences as arrays whose row t is step t, with room beyond the last step, and before the first at the end."""
    given: dict[str, Any] = {name: u.steps[block or None] for name, block in code.lengths.items()}
    for argument, base in code.arguments.items():
        values = {
            v.step: run.array(n)[0] if u.node(n).batched else run.array(n)
            for n, v in u.vgraph.variables.items()
            if v.base == base
        }
        if set(values) <= {None}:
            given[argument] = values[None]
            continue
        values.pop(None, None)  # a total with the name of the losses
        given[argument] = np.zeros((max(u.steps.values()) + 8, *next(iter(values.values())).shape))
        for step, value in values.items():
            given[argument][step] = value
    return given
