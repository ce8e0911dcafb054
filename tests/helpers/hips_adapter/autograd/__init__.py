"""The names of another library for ours, so that its own tests can run against us. It renames; nothing is computed
here."""

from typing import Any

import bpttgraph as bg

__all__ = ["grad", "hessian", "jacobian", "value_and_grad"]


def grad(f: Any, argnum: Any = 0) -> Any:
    return bg.grad(f, tuple(argnum) if isinstance(argnum, list) else argnum)


def value_and_grad(f: Any, argnum: Any = 0) -> Any:
    return bg.value_and_grad(f, argnum)


def jacobian(f: Any, argnum: Any = 0) -> Any:
    return bg.jacobian(f, argnum)


hessian = bg.hessian
