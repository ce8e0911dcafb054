"""bpttgraph: from a lecture's recurrence to its unrolled graph, its chain-rule derivation and its gradient.

The public face: names, nothing else. Every name is loaded on first use, so that `import bpttgraph` costs next to nothing.

>>> import bpttgraph as bg
>>> u = bg.cell("rnn").unroll(steps=3)
>>> run = u.run(u.instance(seed=0))
>>> run.gradients["W_hh"].shape == run.values["h[3]"].shape * 2
True
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .check import Report
    from .derive import Derivation
    from .draw.expression import draw_graph
    from .draw.figure import Figure
    from .errors import BPTTError
    from .extend import defvjp, primitive
    from .gradcheck import check_grads, gradcheck
    from .graph import Graph, Node
    from .homework import verify
    from .numpy_front import array, stack, zeros
    from .recurrence import Recurrence, Run, Unrolled, recurrence
    from .recurrence.library import cell, cells
    from .replay import Replay, replay
    from .tensor import Tensor, detach, no_grad, stop_gradient, tensor
    from .training import train
    from .transforms import grad, gradients, hessian, hvp, jacobian, jvp, linearize, trace, value_and_grad, vjp

__version__ = "0.1.0"

_WHERE = {
    "BPTTError": "errors",
    "Derivation": "derive",
    "Figure": "draw.figure",
    "Graph": "graph",
    "Node": "graph",
    "Recurrence": "recurrence",
    "Report": "check",
    "Run": "recurrence",
    "Tensor": "tensor",
    "Unrolled": "recurrence",
    "array": "numpy_front",
    "cell": "recurrence",
    "cells": "recurrence",
    "check_grads": "gradcheck",
    "defvjp": "extend",
    "detach": "tensor",
    "draw_graph": "draw.expression",
    "grad": "transforms",
    "gradcheck": "gradcheck",
    "gradients": "transforms",
    "hessian": "transforms",
    "hvp": "transforms",
    "jacobian": "transforms",
    "jvp": "transforms",
    "linearize": "transforms",
    "no_grad": "tensor",
    "primitive": "extend",
    "Replay": "replay",
    "replay": "replay",
    "recurrence": "recurrence",
    "stack": "numpy_front",
    "stop_gradient": "tensor",
    "tensor": "tensor",
    "trace": "transforms",
    "train": "training",
    "value_and_grad": "transforms",
    "verify": "homework",
    "vjp": "transforms",
    "zeros": "numpy_front",
}

__all__ = [
    "BPTTError", "Derivation", "Figure", "Graph", "Node", "Recurrence", "Replay", "Report", "Run", "Tensor", "Unrolled", "array", "cell",
    "cells", "check_grads", "defvjp", "detach", "draw_graph", "grad", "gradcheck", "gradients", "hessian", "hvp", "jacobian", "jvp",
    "linearize", "no_grad", "primitive", "recurrence", "replay", "stack", "stop_gradient", "tensor", "trace", "train",
    "value_and_grad", "verify",
    "vjp", "zeros",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        value = getattr(import_module("." + _WHERE[name], __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'bpttgraph' has no attribute {name!r}")


class _Face(ModuleType):
    """This package: importing the submodule `recurrence` must not hide the function of the same name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
