"""The reverse pass on numbers: the rules of `autodiff.backward`, applied to values instead of nodes.

One loop over the nodes in reverse order. A program of single numbers has a loop of its own, the chain rule spelled out;
in one of arrays each cotangent is given away as soon as it is complete, and products with weights are added up before
they are multiplied (`products`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..core import primitives as P
from ..core.graph import Node
from ..core.primitives import Primitive, sum_to
from ..errors import BPTTError
from .products import Cotangent, Products, multiplied
from .recording import recorded
from .value import V, Value, raw

__all__ = ["cotangents", "reverse_values", "seed", "zero"]

_ndarray = np.ndarray


def reverse_values(seeds: Mapping[V, Any], targets: Iterable[V] | None = None, since: int = -1) -> dict[V, Any]:
    """The reverse pass as numbers: the cotangents of `targets`, or of everything that `seeds` depend on."""
    chosen = None if targets is None else list(targets)
    return {t: multiplied(g) for t, g in cotangents(seeds, chosen, since)}


def seed(node: Value, grad: Any) -> Any:
    """The cotangent to start from."""
    if grad is None:
        return 1.0 if node.value.__class__ is float else np.ones(node.shape, np.asarray(node.value).dtype)[()]
    g = np.asarray(raw(grad))
    if g.dtype.kind not in "biufc":
        raise BPTTError(f"a cotangent cannot be {grad!r:.60}", "give one number for each entry of the output")
    if g.shape != node.shape:
        raise BPTTError(
            f"the cotangent has shape {g.shape}, but the output has shape {node.shape}",
            "give one number for each entry of the output",
        )
    return g.astype(np.result_type(g.dtype, np.float32) if g.dtype.kind in "biu" else g.dtype)[()]


def zero(t: Value) -> Any:
    return 0.0 if t.value.__class__ is float else np.zeros(t.shape, np.asarray(t.value).dtype)[()]


def cotangents(seeds: Mapping[V, Any], targets: list[V] | None, since: int = -1) -> Iterable[tuple[V, Any]]:
    """Each node with its cotangent, of which a weight's may not be multiplied out yet."""
    found: dict[int, Any] = {node.serial: node for node in seeds if node.serial >= since}
    stack: list[Any] = list(found.values())
    numbers = targets is None
    while stack:  # as `graph.needed`, without constants
        for arg in stack.pop().args:
            serial = arg.serial
            if serial not in found and serial >= since:
                if arg.op is None:
                    numbers = numbers and (arg.value.__class__ is float or arg.value.__class__ is int)
                    if arg.attrs:
                        continue
                found[serial] = arg
                stack.append(arg)
    if numbers:
        with np.errstate(all="ignore"):
            sums = _reverse_numbers(found, {node.serial: g for node, g in seeds.items()})
        if sums is not None:
            return zip(map(found.__getitem__, sums), sums.values())
    return _reverse_arrays(found, seeds, targets)


def _reverse_numbers(found: dict[int, Any], sums: dict[int, Any]) -> dict[int, Any] | None:
    """The reverse pass of a program of single numbers, the chain rule and nothing else; None if it holds anything
    else."""
    rules: dict[Primitive, Any] = {}
    for serial in sorted(found, reverse=True):
        if serial not in sums:
            continue
        node = found[serial]
        op, args, y, g = node.op, node.args, node.value, sums[serial]
        if not args:
            continue
        if op in rules:
            partials = rules[op]
        else:
            partials = rules[op] = op.partials
        if partials is None or y.__class__ is not float or g.__class__ is not float:
            return None
        if len(args) == 2:  # the two arguments spelled out: half of the time of a scalar program goes by here
            a, b = args
            u, v = a.value, b.value
            p, q = partials
            serial = a.serial
            if serial in found and p is not None:
                part = g * p if p.__class__ is float else g * p(y, u, v)
                if part != part:  # perhaps 0 · ∞, at a branch that was not taken
                    return None
                if serial in sums:
                    sums[serial] += part
                else:
                    sums[serial] = part
            serial = b.serial
            if serial in found and q is not None:
                part = g * q if q.__class__ is float else g * q(y, u, v)
                if part != part:
                    return None
                if serial in sums:
                    sums[serial] += part
                else:
                    sums[serial] = part
        elif len(args) == 1 and partials[0] is not None:
            (a,), p = args, partials[0]
            part = g * p if p.__class__ is float else g * p(y, a.value, **node.attrs)
            if part != part:
                return None
            if a.serial in found:
                sums[a.serial] = sums[a.serial] + part if a.serial in sums else part
        elif len(args) > 2:
            return None
    return sums


def _reverse_arrays(found: dict[int, Any], seeds: Mapping[V, Any], targets: list[V] | None) -> Iterator[tuple[V, Any]]:
    """The reverse pass on arrays, each cotangent given away as soon as it is complete."""
    order = sorted(found)
    wanted = None if targets is None else {t.serial for t in targets}
    if wanted is not None:  # only what lies on a path to a target
        on_path = set(wanted)
        for serial in order:
            if serial not in on_path and any(a.serial in on_path for a in found[serial].args):
                on_path.add(serial)
        order = [serial for serial in order if serial in on_path]
        found = {serial: found[serial] for serial in order}
    sums: dict[int, Any] = {node.serial: g for node, g in seeds.items()}
    summed: set[int] = set()  # arrays made here by adding: nobody else holds them, so they may grow in place
    with np.errstate(all="ignore"):
        for serial in reversed(order):
            g = sums.pop(serial, None)
            if g is None:
                continue
            node = found[serial]
            value, op, args = node.value, node.op, node.args
            if g.__class__ is Products and op is not P.transposed:
                g = g.array()
                summed.add(serial)
            if wanted is None or serial in wanted:
                yield node, g if g.__class__ is Products else _like(g, value, op is None, serial in summed)
            if not args:
                continue
            values = [a.value for a in args]
            for slot, arg in enumerate(args):
                serial = arg.serial
                if serial not in found:  # too old, on no path to a target, or a constant
                    continue
                part = _pull(op, node, slot, arg, g, values)
                if part is None:
                    continue
                before = sums.get(serial)
                if before is None:
                    sums[serial] = part
                elif before.__class__ is Products and part.__class__ is Products:
                    before.grow(part)
                elif serial in summed and before.dtype == part.dtype and before.shape == part.shape:
                    before += multiplied(part)
                else:
                    sums[serial] = before + part
                    if arg.shape:
                        summed.add(serial)


def _transposed(linear: Callable[[Node], Any], node: Node, like: Node, g: Any) -> Any:
    """The cotangent of an unknown small change, run on zeros, from that of what is linear in it."""
    t: Any = like.blank()
    with recorded():
        change = linear(t)
        return reverse_values({change: g}, [t], since=t.serial).get(t) if isinstance(change, Value) else None


def _pull(op: Any, node: Any, slot: int, arg: Any, g: Any, values: list[Any]) -> Any:
    """What a cotangent `g` of `node`, a number or an array, contributes to its argument."""
    if g.__class__ is Products:
        return g.transposed()
    if op.kind == "bilinear" and len(arg.shape) == 2 and arg.value.size > g.size:
        part = op.pull(node, slot, Cotangent(g), node.value, values, _transposed)
        if part.__class__ is Products:
            if part.dtype == arg.value.dtype:
                return part
            part = part.array()
    else:
        part = op.pull(node, slot, g, node.value, values, _transposed)
        if part is None:
            return None
    if part.__class__ is float and arg.shape == ():
        return part
    if part.__class__ is np.ndarray and part.shape == arg.shape and part.dtype == getattr(arg.value, "dtype", None):
        return part
    part = sum_to(part, arg)
    if np.iscomplexobj(part) and not np.iscomplexobj(arg.value):
        part = np.real(part)
    return part


def _like(g: Any, value: Any, leaf: bool, ours: bool) -> Any:
    """A cotangent with the kind of its primal: a number for a number, float32 for float32.

    A leaf gets an array of its own, which may be written to: `g`, if nobody else has it (`ours`), else a copy. Other
    Tensors get a read-only look at an array that others may share.
    """
    if value.__class__ is float:
        return g if g.__class__ is float else np.asarray(g).item()
    if g.__class__ is value.__class__ is np.float64:
        return g
    kind = value.dtype if value.__class__ is np.ndarray else np.asarray(value).dtype
    if g.__class__ is _ndarray and g.dtype == kind and g.shape == value.shape:
        if leaf:
            return g if ours else g.copy()
        look = g.view()
        look.setflags(write=False)
        return look
    return np.array(np.broadcast_to(g, np.shape(value)), dtype=kind if kind.kind in "fc" else float)[()]
