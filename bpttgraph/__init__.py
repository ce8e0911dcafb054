"""bpttgraph: from a lecture's recurrence to its unrolled graph, its chain-rule derivation and its gradient.

The public face: names, nothing else. Every name is loaded on first use, so that `import bpttgraph` costs next to
nothing.

>>> import bpttgraph as bg
>>> u = bg.cell("rnn").unroll(steps=3)
>>> run = u.run(u.instance(seed=0))
>>> run.gradients["W_hh"].shape == run.values["h[3]"].shape * 2
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .check import Report as Report
    from .check.gradcheck import check_grads as check_grads, gradcheck as gradcheck
    from .core.extend import defvjp as defvjp, primitive as primitive
    from .core.graph import Graph as Graph, Node as Node
    from .derive import Derivation as Derivation
    from .draw.expression import draw_graph as draw_graph
    from .draw.figure import Figure as Figure
    from .eager.front.joining import array as array, stack as stack
    from .eager.front.making import zeros as zeros
    from .eager.recording import no_grad as no_grad
    from .eager.replay import Replay as Replay, replay as replay
    from .eager.tensor import (
        Tensor as Tensor,
        detach as detach,
        stop_gradient as stop_gradient,
        tensor as tensor,
    )
    from .eager.transforms import (
        grad as grad,
        gradients as gradients,
        hessian as hessian,
        hvp as hvp,
        jacobian as jacobian,
        jvp as jvp,
        linearize as linearize,
        trace as trace,
        value_and_grad as value_and_grad,
        vjp as vjp,
    )
    from .equations import Recurrence as Recurrence, recurrence as recurrence
    from .equations.library import cell as cell, cells as cells
    from .errors import BPTTError as BPTTError
    from .homework import verify as verify
    from .training import train as train
    from .unrolled import Run as Run, Unrolled as Unrolled

__version__ = "0.1.0"

_WHERE = {
    "BPTTError": "errors",
    "Derivation": "derive",
    "Figure": "draw.figure",
    "Graph": "core.graph",
    "Node": "core.graph",
    "Recurrence": "equations",
    "Report": "check",
    "Run": "unrolled",
    "Tensor": "eager.tensor",
    "Unrolled": "unrolled",
    "array": "eager.front.joining",
    "cell": "equations",
    "cells": "equations",
    "check_grads": "check.gradcheck",
    "defvjp": "core.extend",
    "detach": "eager.tensor",
    "draw_graph": "draw.expression",
    "grad": "eager.transforms",
    "gradcheck": "check.gradcheck",
    "gradients": "eager.transforms",
    "hessian": "eager.transforms",
    "hvp": "eager.transforms",
    "jacobian": "eager.transforms",
    "jvp": "eager.transforms",
    "linearize": "eager.transforms",
    "no_grad": "eager.recording",
    "primitive": "core.extend",
    "Replay": "eager.replay",
    "replay": "eager.replay",
    "recurrence": "equations",
    "stack": "eager.front.joining",
    "stop_gradient": "eager.tensor",
    "tensor": "eager.tensor",
    "trace": "eager.transforms",
    "train": "training",
    "value_and_grad": "eager.transforms",
    "verify": "homework",
    "vjp": "eager.transforms",
    "zeros": "eager.front.making",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        value = getattr(import_module("." + _WHERE[name], __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'bpttgraph' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
