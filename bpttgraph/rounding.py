"""Rounding: how far a computed value is likely to be from the true one, entry by entry.

`rounding_error` is a running error analysis (N. Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.3) in its
statistical form: roundings are independent, so their effects add up in squares. Every operation passes the errors of its
arguments on, times its local derivative, and adds its own rounding. It runs over any graph, so that the reverse pass of a
saturated network gets the bound that it deserves: 1 − h² loses digits when h is near 1, and the bound says how many.

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


def rounding_error(outputs: Sequence[Node], values: Mapping[Node, Any], inputs: float = 0.0) -> list[Array]:
    """Standard deviations, in units of u, of the rounding errors of `outputs`, given arrays for the leaves.

    The leaves are exact, or off by `inputs` units in the last place (1 for data that were rounded to single precision). `values` may
    also give values of inner nodes that are known already; their rounding is counted all the same.

    >>> from bpttgraph.graph import leaf
    >>> x = leaf("x")
    >>> big = x + 1e8
    >>> [float(e) for e in rounding_error([big - 1e8], {x: np.float64(0.5)})][0] > 1e7
    True
    """
    value: dict[int, Any] = {}
    error: dict[int, Any] = {}
    for node in needed(outputs):
        if node.op is None:
            value[node.serial] = values[node] if node in values else node.attrs["value"]
            error[node.serial] = inputs * np.abs(value[node.serial]) if inputs and not node.is_constant else 0.0
            continue
        args = [value[a.serial] for a in node.args]
        value[node.serial] = values[node] if node in values else node.op.value(*args, **node.attrs)
        error[node.serial] = _passed_on(node, args, value[node.serial], [error[a.serial] for a in node.args])
    return [np.broadcast_to(error[node.serial], np.shape(value[node.serial])) for node in outputs]


def _passed_on(node: Node, args: list[Any], y: Any, errors: list[Any]) -> Any:
    """The error of a node: that of its arguments passed on, and its own rounding."""
    assert node.op is not None
    op, attrs = node.op, node.attrs
    if op.kind == "bilinear" or op.name == "mul":
        a, b = (np.abs(x) for x in args)
        d, e = (np.broadcast_to(e, np.shape(x)) for e, x in zip(errors, args))
        # both factors may be pure rounding (1 − h² of two saturated steps): then the product of their errors is what is left
        pairs = ((d, b), (a, e), (d * U, e), (a, b))
        return _length(
            *[_in_squares(op, pair, attrs) for pair in pairs if np.any(pair[0]) and np.any(pair[1])], 0.0 * np.abs(y)
        )
    if op.name in ("div", "ratio"):  # as for every elementwise function, but in an order that does not overflow
        below = np.where(args[1] == 0, 1.0, np.abs(args[1]))
        return _length(errors[0] / below, np.abs(y) * (errors[1] / below), np.abs(y))
    full = [np.broadcast_to(e, np.shape(a)) for e, a in zip(errors, args)]
    if op.kind == "linear":
        moved = _in_squares(op, full, attrs)
        return (
            _length(moved, np.abs(y), _in_squares(op, [np.abs(a) for a in args], attrs))
            if op.name in _ADDING
            else moved
        )
    own = np.abs(y) * _FUNCTION
    for slot, e in enumerate(full):
        if not np.any(e):
            continue
        if op.kind == "elementwise":
            partial = op.rule[slot]
            if partial is not None:
                own = _length(own, np.abs(partial(y, *args, **attrs)) * e)
        else:
            t = leaf("t", node.args[slot].shape, batched=node.batched)
            tangent = op.rule(t, slot, node, *node.args, **attrs)
            own = _length(own, evaluate_absolute([tangent], {t: e, node: y, **dict(zip(node.args, args))}, {t})[0])
    return own


def _length(*parts: Any) -> Any:
    """√(a² + b² + …), without overflow."""
    result = parts[0]
    for part in parts[1:]:
        result = np.hypot(result, part)
    return result


def _in_squares(op: Any, args: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
    """A linear or bilinear operation on independent errors: on their squares, signs left out. Scaled, so that no square overflows."""
    if op.name == "neg":
        return args[0]
    if op.name in ("add", "sub"):
        return np.hypot(args[0], args[1])
    if op.kind == "elementwise":  # the product entry by entry adds nothing up
        return np.where((args[0] == 0) | (args[1] == 0), 0.0, args[0] * args[1])
    scales = [float(np.max(a, initial=0.0)) or 1.0 for a in args]
    joint = max(scales) if op.kind == "linear" else 0.0
    squares = [np.square(a / (joint or s)) for a, s in zip(args, scales)]
    return np.sqrt(op.value(*squares, **attrs)) * (joint or scales[0] * scales[1])
