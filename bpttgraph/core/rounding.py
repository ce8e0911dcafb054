"""Rounding: how far a computed value is likely to be from the true one, entry by entry.

`rounding_error` is a running error analysis (N. Higham, Accuracy and Stability of Numerical Algorithms, 2002, section
3.3) in its statistical form: roundings are independent, so their effects add up in squares. Every operation passes the
errors of its arguments on, times its local derivative, and adds its own rounding. It runs over any graph, so that the
reverse pass of a saturated network gets the bound that it deserves: 1 − h² loses digits when h is near 1, and the bound
says how many.

`radius` makes of it how far a right gradient may be off. Errors are in units of the unit roundoff u. Local derivatives
come from the rule table, but no verdict rests on them: a wrong rule changes a bound by a small factor, and a wrong
gradient is off by 10¹⁰ times as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import BPTTError
from .autodiff import evaluate_absolute, last_reads, pushforward
from .graph import Node, leaf, needed

__all__ = ["LAST", "SAFETY", "SWAMPED", "U", "bounded", "measured_error", "radius", "rounding_error", "swamped"]

Array = np.ndarray[Any, Any]

U = 2.0**-53
# Linear operations that add numbers up, and so round; all others only move them about.
_ADDING = ("add", "sub", "sum", "batch_sum", "cumsum")
_CONTRACTING = ("matvec", "vecmat", "matmat", "dot")  # over the last axis of their first argument
# Right answers in other arrangements of the sum (written by hand, by PyTorch) stay below 0.7 of the radius, also where
# units are saturated; a wider one would hide the last terms of a sequence that fades quickly.
SAFETY = 6.0  # standard deviations of the rounding of our own arrangement of the sum
# Another arrangement may lose u·S. But S grows like a power of T (at 100 steps of an LSTM u·S is larger than the
# gradient), so only as long as it is not many standard deviations.
ARRANGEMENT = 100.0
# What leaves more open than this share of all contributions together decides nothing: in a saturated step 1 − h² may be
# pure rounding, and if it is multiplied by 1e20, so is the gradient. (Answers in half precision leave up to 0.3 open.)
SWAMPED = 0.5
LAST = 2.0  # and units in the last place of the value itself
_TERMS = 8  # of a sum that are looked at for terms computed alike
# Terms of a sum that round as if alone. Of more, the partial sums count: added up one after the other, each rounds once
# more, and they are as large as the sum if the terms have one sign, or as a random walk if they do not.
_SHORT = 64
_FUNCTION = 4.0  # library functions (tanh, exp) and compounds (softmax) are good to a few units in the last place


def rounding_error(outputs: Sequence[Node], values: Mapping[Node, Any], inputs: float = 0.0) -> list[Array]:
    """Standard deviations, in units of u, of the rounding errors of `outputs`, given arrays for the leaves.

    The leaves are exact, or off by `inputs` units in the last place (1 for data that were rounded to single precision).
    `values` may also give values of inner nodes that are known already; their rounding is counted all the same.

    >>> from bpttgraph.core.graph import leaf
    >>> x = leaf("x")
    >>> big = x + 1e8
    >>> [float(e) for e in rounding_error([big - 1e8], {x: np.float64(0.5)})][0] > 1e7
    True
    """
    value: dict[int, Any] = {}
    error: dict[int, Any] = {}
    nodes = needed(outputs)
    reads = [[a.serial for a in n.args] for n in nodes]
    shared = _shared(nodes)
    for node, spent in zip(nodes, last_reads(reads, [n.serial for n in outputs])):
        if node.op is None:
            # a number as NumPy has it, which divides by zero without a fuss
            value[node.serial] = values[node] if node in values else np.asarray(node.attrs["value"])[()]
            exact = not inputs or node.is_constant
            error[node.serial] = 0.0 if exact else inputs * np.abs(np.asarray(value[node.serial]))
            continue
        args = [value[a.serial] for a in node.args]
        value[node.serial] = values[node] if node in values else node.op.value(*args, **node.attrs)
        error[node.serial] = _passed_on(
            node, args, value[node.serial], [error[a.serial] for a in node.args], node in shared
        )
        for serial in spent:
            del value[serial], error[serial]
    return [np.broadcast_to(error[node.serial], np.shape(value[node.serial])) for node in outputs]


def measured_error(outputs: Sequence[Node], values: Mapping[Node, Any], runs: int = 16) -> list[Array]:
    """The same standard deviations, measured: the graph is computed again and again, each value off by its own
    rounding, drawn anew.

    An error that reaches a sum by several ways adds to itself there, which the analysis, whose errors are independent,
    does not see. It costs `runs` evaluations of the whole graph from its leaves, so it is for what the analysis alone
    would call wrong. (Monte Carlo arithmetic: D. Parker, UCLA report CSD-970002, 1997; the draws are the same each
    time.)

    >>> from bpttgraph.core.graph import leaf
    >>> x = leaf("x")
    >>> y = x * x
    >>> given = {x: np.float64(0.5)}
    >>> float(measured_error([y + 2 * y], given)[0]) > float(rounding_error([y + 2 * y], given)[0])
    True
    """
    rng = np.random.default_rng(0)
    nodes = needed(outputs)
    spent_at = last_reads([[a.serial for a in n.args] for n in nodes], [n.serial for n in outputs])
    value: list[dict[int, Any]] = [{} for _ in range(runs + 1)]  # the first one without errors
    for node, spent in zip(nodes, spent_at):
        if node.op is None:
            exact = values[node] if node in values else np.asarray(node.attrs["value"])[()]
            for held in value:
                held[node.serial] = exact
            continue
        true = [value[0][a.serial] for a in node.args]
        y = node.op.value(*true, **node.attrs)
        own = U * np.asarray(_passed_on(node, true, y, [0.0] * len(true), False))
        value[0][node.serial] = y
        for held in value[1:]:
            drawn = node.op.value(*[held[a.serial] for a in node.args], **node.attrs)
            held[node.serial] = drawn + own * rng.standard_normal(np.shape(own)) if np.any(own) else drawn
        for held in value:
            for serial in spent:
                del held[serial]
    found = []
    for node in outputs:
        off = np.stack([held[node.serial] - value[0][node.serial] for held in value[1:]])
        large = np.abs(off).max(axis=0)  # whose square is not lost
        found.append(large * np.sqrt(np.mean((off / np.where(large == 0, 1.0, large)) ** 2, axis=0)) / U)
    return found


def radius(sigma: Any, scale: Any, value: Any, safety: float = SAFETY) -> Array:
    """How far rounding may carry a right gradient, in units of u, entry by entry.

    Args:
        sigma: standard deviations of the rounding of the reverse pass (`rounding_error`). scale: S, the sum of the
            absolute values of all path products (`autodiff.evaluate_absolute`). value: the gradient.
    """
    return np.asarray(safety * sigma + np.minimum(scale, ARRANGEMENT * sigma) + LAST * np.abs(value))


def swamped(scale: Any, radius: Any) -> str:
    """Why nothing can be said of a gradient, if rounding alone may carry an entry by more than a share of what there is
    of it; else "".

    Args:
        scale: S, the sum of the absolute values of all path products, of every entry. radius: how far rounding may
            carry it.

    >>> swamped(np.array([2.0, 1e-20]), np.array([1e-15, 1e-15]))
    ''
    >>> swamped(np.array([0.5, 0.5]), np.array([1e-15, 1e4]))
    'rounding alone may move it by 1e+04, and all contributions to it together are 0.5'
    """
    most, whole = (float(np.max(np.abs(a), initial=0.0)) for a in (radius, scale))
    if most <= SWAMPED * whole:
        return ""
    return f"rounding alone may move it by {most:.2g}, and all contributions to it together are {whole:.2g}"


def bounded(name: str, value: Any, *sizes: Any) -> None:
    """Refuse to judge where the gradient is a number and how far rounding carries it is none: on the way there, numbers
    overflow.

    Raises:
        BPTTError: one of `sizes` (S, the radius) is not finite, though `value` is.
    """
    if np.all(np.isfinite(value)) and not all(np.all(np.isfinite(s)) for s in sizes):
        raise BPTTError(
            f"on this data the rounding of dE/d{name} has no bound, as numbers overflow on the way",
            "choose smaller numbers",
        )


def _shared(nodes: Sequence[Node]) -> set[Node]:
    """Sums of which two terms are computed alike, as in `W h + (U h + W h)`: those err alike, so their errors add up,
    not the squares.

    Nodes are compared by what they compute, and of a long sum only the last few terms are.
    """
    kinds: dict[Any, int] = {}
    kind: dict[int, int] = {}
    terms: dict[int, frozenset[int]] = {}
    found = set()
    for node in nodes:
        args = tuple(kind[a.serial] for a in node.args)
        what = (
            node.serial
            if node.op is None
            else (node.op.name, repr(sorted(node.attrs.items())) if node.attrs else "", args)
        )
        own = kind[node.serial] = kinds.setdefault(what, len(kinds))
        terms[node.serial] = frozenset([own])
        if node.op is not None and node.op.name in ("add", "sub"):
            a, b = (terms[x.serial] for x in node.args)
            if a & b:
                found.add(node)
            if len(a) + len(b) <= _TERMS:
                terms[node.serial] = a | b
    return found


def _passed_on(node: Node, args: list[Any], y: Any, errors: list[Any], shared: bool) -> Any:
    """The error of a node: that of its arguments passed on, and its own rounding. The number 0.0 is the error of what
    is exact.

    shared: whether it adds terms that err alike (`_shared`).
    """
    assert node.op is not None
    op, attrs = node.op, node.attrs
    if op.kind == "bilinear" or op.name == "mul":
        return _product(node, args, errors, y)
    if op.name in ("div", "ratio"):  # as for every elementwise function, but in an order that does not overflow
        below = np.where(args[1] == 0, 1.0, np.abs(args[1]))
        return _length(errors[0] / below, np.abs(y) * (errors[1] / below), y)
    if op.kind == "linear":
        if all(type(e) is float for e in errors):
            moved: Any = 0.0
        elif op.name in ("add", "sub"):
            moved = errors[0] + errors[1] if shared else np.hypot(*errors)
        elif op.name in _ADDING:
            moved = _in_squares(node, errors[0])[0]
        elif op.name == "neg":
            moved = errors[0]
        else:  # what only moves numbers about
            moved = op.value(*[np.broadcast_to(e, np.shape(a)) for e, a in zip(errors, args)], **attrs)
        if op.name not in _ADDING:
            return moved
        if op.name in ("add", "sub"):
            return _length(np.hypot(*args), y, moved)
        own, terms = _in_squares(node, args[0])
        more = max(0, terms - _SHORT)
        return _length(own * (1 + more / 2) ** 0.5, y * (1 + more / 3) ** 0.5, moved)
    own = np.abs(y) * _FUNCTION
    for slot, e in enumerate(errors):
        if type(e) is float:
            continue
        if op.partials is not None:
            partial = op.partials[slot]
            if partial is not None:
                own = np.hypot(own, partial(y, *args, **attrs) * e)
            continue
        t = leaf("t", node.args[slot].shape, batched=node.batched)
        tangent = pushforward(node, [t if i == slot else None for i in range(len(args))])
        if tangent is not None:
            given = {t: np.broadcast_to(e, np.shape(args[slot])), node: y, **dict(zip(node.args, args))}
            own = np.hypot(own, evaluate_absolute([tangent], given, {t})[0])
    return own


def _length(*parts: Any) -> Any:
    """√(a² + b² + …), without overflow."""
    result = parts[0]
    for part in parts[1:]:
        if type(part) is not float:
            result = np.hypot(result, part)
    return result


def _product(node: Node, args: Sequence[Any], errors: Sequence[Any], y: Any) -> Any:
    """The error of a product: (d + a)(e + b) in squares, where d and e are the errors of a and b.

    Both factors may be pure rounding (1 − h² of two saturated steps): then the product of their errors, in units of u,
    is left.
    """
    assert node.op is not None
    (a, b), (d, e) = args, errors
    if node.op.name == "mul":
        own = np.hypot(a, d) * b
        return np.abs(own) if type(e) is float else np.hypot(own, np.hypot(a, d * U) * e)
    first, second = (_scale([x, y], arg) for x, y, arg in zip(args, errors, node.args))
    a, b, d, e = (_over(a, first), _over(b, second), _over(d, first), _over(e, second))
    total = node.op.value(a * a + d * d, b * b, **node.attrs)
    if type(e) is not float:
        total = total + node.op.value(a * a + U * U * d * d, np.broadcast_to(e * e, np.shape(b)), **node.attrs)
    more = max(0, np.shape(args[0])[-1] - _SHORT) if node.op.name in _CONTRACTING else 0
    if node.op.name == "batch_outer":
        more = max(0, np.shape(args[0])[-2] - _SHORT)
    if more:
        total = (
            total + (more / 2) * node.op.value(a * a, b * b, **node.attrs) + (more / 3) * _over(y, first * second) ** 2
        )
    return np.sqrt(total) * _aligned(first * second, total)


def _in_squares(node: Node, x: Any) -> tuple[Any, int]:
    """A sum of independent errors: of their squares, signs left out; and of how many."""
    assert node.op is not None
    scale = _scale([x], node.args[0])
    total = node.op.value(np.square(_over(x, scale)), **node.attrs)
    return np.sqrt(total) * _aligned(scale, total), np.size(x) // max(1, np.size(total))


# Squares are scaled, so that none overflows or vanishes: for each of a stack of seeds apart, as the gradients of a loss
# far away may be smaller by many powers of ten.


def _scale(arrays: Sequence[Any], node: Node) -> Any:
    """The largest absolute value, for each seed of a stack."""
    found: Any = 0.0
    for x in arrays:
        if type(x) is not float:
            rank = min(len(node.shape) + node.batched, x.ndim)
            found = np.maximum(found, np.abs(x).max(axis=tuple(range(-rank, 0)), initial=0.0))
    return np.where(found == 0, 1.0, found)


def _over(x: Any, scale: Any) -> Any:
    return x if type(x) is float else x / _aligned(scale, x)


def _aligned(scale: Any, x: Any) -> Any:
    return scale.reshape(scale.shape + (1,) * (x.ndim - scale.ndim)) if scale.ndim else scale
