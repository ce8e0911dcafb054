"""Rounding: how far a computed value is likely to be from the true one, entry by entry.

`rounding_error` is a running error analysis (N. Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.3) in its
statistical form: roundings are independent, so their effects add up in squares. Every operation passes the variance of its
arguments on, times its squared local derivative, and adds that of its own rounding. It runs over any graph, so that the reverse
pass of a saturated network gets the bound that it deserves: 1 − h² loses digits when h is near 1, and the bound says how many.

Errors are in units of the unit roundoff u. Local derivatives come from the rule table, but no verdict rests on them: a wrong rule
changes a bound by a small factor, and a wrong gradient is off by 10¹⁰ times as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .autodiff import evaluate_absolute
from .graph import Node, leaf, needed

__all__ = ["rounding_error"]

Array = np.ndarray[Any, Any]

U = 2.0**-53
# Linear operations that add numbers up, and so round; all others only move them about.
_ADDING = ("add", "sub", "sum", "batch_sum", "cumsum")
_FUNCTION = 4.0  # library functions (tanh, exp) and compounds (softmax) are good to a few units in the last place


def rounding_error(outputs: Sequence[Node], values: Mapping[Node, Any]) -> list[Array]:
    """Standard deviations, in units of u, of the rounding errors of `outputs`, given exact arrays for the leaves.

    `values` may also give values of inner nodes that are known already; their rounding is counted all the same.

    >>> from bpttgraph.graph import leaf
    >>> x = leaf("x")
    >>> big = x + 1e8
    >>> [float(e) for e in rounding_error([big - 1e8], {x: np.float64(0.5)})][0] > 1e7
    True
    """
    value: dict[int, Any] = {}
    variance: dict[int, Any] = {}
    for node in needed(outputs):
        if node.op is None:
            value[node.serial] = values[node] if node in values else node.attrs["value"]
            variance[node.serial] = 0.0
            continue
        args = [value[a.serial] for a in node.args]
        value[node.serial] = values[node] if node in values else node.op.value(*args, **node.attrs)
        variance[node.serial] = _passed_on(node, args, value[node.serial], [variance[a.serial] for a in node.args])
    return [np.broadcast_to(np.sqrt(variance[node.serial]), np.shape(value[node.serial])) for node in outputs]


def _passed_on(node: Node, args: list[Any], y: Any, variances: list[Any]) -> Any:
    """The variance of a node: that of its arguments passed on, and its own rounding."""
    assert node.op is not None
    op, attrs = node.op, node.attrs
    if op.kind == "bilinear" or op.name == "mul":
        a, b = (np.square(np.abs(x)) for x in args)
        v, w = (np.broadcast_to(e, np.shape(x)) for e, x in zip(variances, args))
        # both factors may be pure rounding (1 − h² of two saturated steps): then the product of their errors is what is left
        return op.value(v, b, **attrs) + op.value(a, w, **attrs) + op.value(v, w, **attrs) * U**2 + op.value(a, b, **attrs)
    if op.kind == "elementwise":
        own = np.square(np.abs(y) * _FUNCTION)
        for partial, v in zip(op.rule, variances):
            if partial is not None and np.any(v):
                own = own + np.square(np.abs(partial(y, *args, **attrs))) * v
        return own
    full = [np.broadcast_to(v, np.shape(a)) for v, a in zip(variances, args)]
    if op.kind == "linear":
        moved = _together(op, full, attrs)
        return moved + (np.square(np.abs(y)) + _together(op, [np.square(np.abs(a)) for a in args], attrs) if op.name in _ADDING else 0.0)
    own = np.square(np.abs(y) * _FUNCTION)
    for slot, (arg, v) in enumerate(zip(node.args, full)):
        if np.any(v):
            t = leaf("t", arg.shape, batched=node.batched)
            tangent = op.rule(t, slot, node, *node.args, **attrs)
            known = {t: np.sqrt(v), node: y, **dict(zip(node.args, args))}
            own = own + np.square(evaluate_absolute([tangent], known, {t})[0])
    return own


def _together(op: Any, args: list[Any], attrs: Mapping[str, Any]) -> Any:
    """A linear operation on variances: signs do not matter."""
    if op.name == "neg":
        return args[0]
    return args[0] + args[1] if op.name == "sub" else op.value(*args, **attrs)
