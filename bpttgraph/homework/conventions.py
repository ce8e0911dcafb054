"""Other conventions: exact maps under which an answer is the right gradient after all.

A convention holds for the whole answer, not for one array of it: one bias with the opposite sign among right gradients is a mistake,
all of them with the opposite sign are descent directions. So a map counts only if it fits every gradient that it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..recurrence import Unrolled
    from .truth import Truth

__all__ = ["Convention", "blocks_of", "conventions"]

Array = np.ndarray[Any, Any]
Map = Callable[[str, Array], Array]


@dataclass(frozen=True)
class Convention:
    """A map from the true gradient to the one in another convention. It keeps radii as well: they are mapped alike, without sign.

    Attributes:
        words: the map, for people. apply: name and array to the array in that convention. touches: which names it changes.
        factor: the factor in it.
    """

    words: str
    apply: Map
    touches: Callable[[str, Array], bool]
    factor: float = 1.0


def conventions(truth: Truth) -> Iterator[Convention]:
    """Maps, simplest first: transposed, factors, orders of gate blocks, and factors together with one of the others."""
    u = truth.u
    factors = list(_factors(truth))
    shapes = [*_layouts(u), *_blocks(u)]
    yield from shapes
    yield from factors
    for factor, shape in product(factors, shapes):
        yield _both(factor, shape)


def _both(a: Convention, b: Convention) -> Convention:
    return Convention(
        f"{a.words}; {b.words}",
        lambda n, v: b.apply(n, a.apply(n, v)),
        lambda n, v: a.touches(n, v) or b.touches(n, v),
        a.factor,
    )


def _layouts(u: Unrolled) -> Iterator[Convention]:
    """Rows for columns: matrices transposed, vectors as `(n, 1)` or `(1, n)`. The batch of an initial state stays in front."""

    def layout(words: str, matrix: bool, vector: tuple[int, int] | None) -> Convention:
        def touches(n: str, v: Array) -> bool:
            return n in u.parameters and ((v.ndim == 2 and matrix) or (v.ndim == 1 and vector is not None))

        def apply(n: str, v: Array) -> Array:
            if not touches(n, v):
                return v
            return v.T if v.ndim == 2 else v.reshape(vector or v.shape)

        return Convention(words, apply, touches)

    yield layout("transposed", True, None)
    yield layout("vectors as columns (n, 1)", False, (-1, 1))
    yield layout("vectors as rows (1, n)", False, (1, -1))
    yield layout("transposed, vectors as rows (1, n)", True, (1, -1))
    everything = Convention(
        "transposed, the batch last", lambda n, v: v.T if v.ndim == 2 else v, lambda n, v: v.ndim == 2
    )
    columns = Convention(
        "the batch last (columns)",
        lambda n, v: v.T if v.ndim == 2 and n not in u.parameters else v,
        lambda n, v: v.ndim == 2 and n not in u.parameters,
    )
    yield from (columns, everything)


def _factors(truth: Truth) -> Iterator[Convention]:
    u, batch = truth.u, truth.run.batch
    losses = len(u.loss_steps)
    every: dict[float, str] = {}
    per_step = (
        (losses, "sum over the steps instead of the mean")
        if u.reduce == "mean"
        else (1 / losses, "mean over the steps instead of the sum")
    )
    options = [[(1.0, "")], [(1.0, "")]]
    if losses > 1:
        options[0].append(per_step)
        if len({*u.steps.values()}) == 1 and u.columns != losses and u.reduce != "mean":
            options[0].append((1 / u.columns, f"divided by T = {u.columns}"))
    if batch is not None and batch > 1:
        options[1].append((1 / batch, "mean over the batch instead of the sum"))
    halves = [(1.0, "")]
    if _squared(u):
        halves.append((2.0, "squared error without the factor ½"))
    for (a, x), (b, y), (c, z), (s, w) in product(
        *options, halves, [(1.0, ""), (-1.0, "the opposite sign (descent direction)")]
    ):
        words = ", ".join(filter(None, (x, y, z, w)))
        if words:
            every.setdefault(a * b * c * s, words)
    for factor, words in every.items():
        yield Convention(f"{words} (factor {_nice(factor)})", _times(factor), lambda n, v: True, factor)


def _times(factor: float) -> Map:
    return lambda n, v: v * factor


def _nice(factor: float) -> str:
    if factor == int(factor):
        return f"{int(factor)}"
    inverse = 1 / factor
    return (
        f"{'−' if inverse < 0 else ''}1/{abs(round(inverse))}"
        if abs(inverse - round(inverse)) < 1e-12
        else f"{factor:.4g}"
    )


def _squared(u: Unrolled) -> bool:
    nodes = u._numbers.forward_plan.nodes
    return any(n.op is not None and n.op.name == "squared_error" for n in nodes)


# -- gate blocks ------------------------------------------------------------------------------------------------------------


def blocks_of(u: Unrolled) -> dict[str, tuple[str, ...]]:
    """For each fused parameter, the names of its row blocks: [i; f; o; g] = W @ x gives W four."""
    found: dict[str, tuple[str, ...]] = {}
    for d in u.recurrence.definitions:
        if len(d.bases) < 2:
            continue
        rows = sum((u.shapes[b] or (1,))[0] for b in d.bases)
        equal = len({u.shapes[b] for b in d.bases}) == 1
        for name, node in u.parameters.items():
            mine = any(use.variable.partition("[")[0] in d.bases or use.variable == "" for use in node.uses)
            if equal and mine and node.shape and node.shape[0] == rows:
                found[name] = d.bases
    return found


def _blocks(u: Unrolled) -> Iterator[Convention]:
    blocks = blocks_of(u)
    kinds = dict.fromkeys(blocks.values())
    if len(kinds) != 1 or len(next(iter(kinds))) > 4:
        return
    gates = next(iter(kinds))
    short = [g.rpartition(".")[2] for g in gates]
    for order in permutations(range(len(gates))):
        if order == tuple(range(len(gates))):
            continue
        words = f"gate order {', '.join(short[k] for k in order)} instead of {', '.join(short)}"
        for transposed in (False, True):

            def apply(n: str, v: Array, order: tuple[int, ...] = order, transposed: bool = transposed) -> Array:
                if n in blocks:
                    parts = np.split(v, len(order))
                    v = np.concatenate([parts[k] for k in order])
                return v.T if transposed and v.ndim == 2 and n in u.parameters else v

            def touches(n: str, v: Array, transposed: bool = transposed) -> bool:
                return n in blocks or (transposed and v.ndim == 2 and n in u.parameters)

            yield Convention(words + (", transposed" if transposed else ""), apply, touches)


Fits = Callable[[str, Array, Array], bool]


def find(truth: Truth, names: Mapping[str, float], right: set[str], fits: Fits) -> tuple[Convention, list[str]] | None:
    """The first convention that fits all of `names` (name -> unit roundoff) that are not `right` as they stand.

    `fits(name, value, radius)` says whether the answer is that. A convention that would change a gradient that is right as it
    stands is none, unless the change does not show on it. If none fits everything, because something is wrong as well, the one
    that fits most of the rest. Returns the convention and the names that fit it.
    """
    wrong = [n for n in names if n not in right]
    values = {n: truth.value(n) for n in names}
    radii = {n: truth.radius(n, unit) for n, unit in names.items()}
    best: tuple[Convention, list[str]] | None = None
    for convention in conventions(truth):
        touched = [n for n in names if convention.touches(n, values[n])]
        fitting = [n for n in touched if fits(n, convention.apply(n, values[n]), np.abs(convention.apply(n, radii[n])))]
        if any(n in right and n not in fitting for n in touched):
            continue
        changed = [n for n in wrong if n in fitting]
        if len(changed) == len(wrong):
            return convention, changed
        if changed and (best is None or len(changed) > len(best[1])):
            best = convention, changed
    return best
