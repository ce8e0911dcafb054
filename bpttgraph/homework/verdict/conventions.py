"""Other conventions: exact maps under which an answer is the right gradient after all.

A layout belongs to one array: each may be transposed, or hold vectors as columns, whatever the others do. The order of
gate blocks is common to the arrays of one stack of gates. Sign and scale are common to the whole answer: one bias with
the opposite sign among right gradients is a mistake, all of them with the opposite sign are descent directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np

from ...equations.syntax import Call
from ...equations.trees import walk

if TYPE_CHECKING:
    from ...unrolled import Unrolled
    from ..truth.truth import Truth

__all__ = ["Convention", "blocks_of", "find"]

Array = np.ndarray[Any, Any]
Map = Callable[[Array], Array]
MOST_GATES = 4


@dataclass(frozen=True)
class Convention:
    """A map from one true gradient to the one in another convention. Radii are mapped alike.

    Attributes:
        words: the map, for people; "" if it changes nothing. apply: the array in that convention. factor: the factor in
            it.
    """

    words: str
    apply: Map
    factor: float = 1.0

    def then(self, other: Convention) -> Convention:
        """Both, this one first."""
        words = "; ".join(filter(None, (self.words, other.words)))
        return Convention(words, lambda v: other.apply(self.apply(v)), self.factor * other.factor)


AS_IT_IS = Convention("", lambda v: v)


def _layouts(u: Unrolled, name: str, value: Array) -> list[Convention]:
    """Ways to lay one array out: matrices transposed or flattened, vectors as `(n, 1)` or `(1, n)`, the batch of an
    initial state last."""
    found = [AS_IT_IS]
    if value.ndim == 2:
        words = "transposed" if name in u.parameters else "the batch last (columns)"
        found.append(Convention(words, lambda v: v.T))
        if name in u.parameters:
            found.append(Convention("flattened row by row (m·n,)", lambda v: v.reshape(-1)))
            found.append(Convention("flattened column by column (m·n,)", lambda v: v.T.reshape(-1)))
    elif value.ndim == 1 and name in u.parameters:
        found.append(Convention("vectors as columns (n, 1)", lambda v: v.reshape(-1, 1)))
        found.append(Convention("vectors as rows (1, n)", lambda v: v.reshape(1, -1)))
    return found


def _factors(truth: Truth) -> Iterator[Convention]:
    """Factors of the whole answer: means, squared errors without ½, descent directions, and products of these."""
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
        yield Convention(f"{words} (factor {_nice(factor)})", _times(factor), factor)


def _times(factor: float) -> Map:
    return lambda v: v * factor


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
    """Whether the equations call squared_error, whose ½ is a convention. In the all-scalar reading it is no operation
    of its own."""
    calls = (n for d in u.recurrence.definitions for n, _ in walk(d.right) if isinstance(n, Call))
    nodes = u.numbers.forward_plan.nodes
    return any(c.function == "squared_error" for c in calls) or any(
        n.op is not None and n.op.name == "squared_error" for n in nodes
    )


# -- gate blocks -------------------------------------------------------------------------------------------------------


def blocks_of(u: Unrolled) -> dict[str, tuple[str, ...]]:
    """For each fused parameter, the names of its row blocks: [i; f; o; g] = W @ x gives W four.

    Example:
        >>> import bpttgraph as bg
        >>> gates = "[i[t]; f[t]] = sigmoid(W @ x[t] + U @ h[t-1]); h[t] = f[t] * h[t-1] + i[t] * x[t]"
        >>> blocks_of(bg.recurrence(gates).unroll(3))
        {'W': ('i', 'f'), 'U': ('i', 'f')}
    """
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


def _orders(gates: Sequence[str]) -> Iterator[Convention]:
    """Orders of the row blocks of one stack of gates, the recurrence's own first."""
    short = [g.rpartition(".")[2] for g in gates]
    yield AS_IT_IS
    if len(gates) > MOST_GATES:
        return
    for order in list(permutations(range(len(gates))))[1:]:

        def apply(v: Array, order: tuple[int, ...] = order) -> Array:
            parts = np.split(v, len(order))
            return np.concatenate([parts[k] for k in order])

        yield Convention(f"gate order {', '.join(short[k] for k in order)} instead of {', '.join(short)}", apply)


# -- the one that fits -------------------------------------------------------------------------------------------------

Fits = Callable[[str, Array, Array], bool]
Found = dict[str, Convention]


def find(truth: Truth, names: Mapping[str, float], right: set[str], fits: Fits) -> tuple[Found, float]:
    """Conventions under which as much as possible of an answer is right.

    Args:
        names: what is given -> unit roundoff. right: those that are right as they stand.
        fits: `fits(name, value, radius)` says whether the answer is that.

    Returns:
        The convention of each gradient that follows one, and the factor that all of the answer has in common. A factor
        that only some of the answer has is a mistake in what has it, unless most of the answer has it.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> truth = Truth(u, u.instance())
        >>> turned = truth.value("W_hh").T
        >>> fits = lambda name, value, radius: bool(np.all(np.abs(turned - value) <= radius))
        >>> find(truth, {"W_hh": 2.0**-53}, set(), fits)[0]["W_hh"].words
        'transposed'
    """
    u = truth.u
    values = {n: truth.value(n) for n in names}
    radii = {n: truth.radius(n, unit) for n, unit in names.items()}
    blocks = blocks_of(u)
    stacks: dict[Any, list[str]] = {}
    for n in names:
        stacks.setdefault(blocks.get(n, n), []).append(n)

    def explained(common: Convention, stack: Any, members: list[str]) -> Found:
        """The convention of each member that has one, in the order of gates that suits most of them."""
        best: Found = {}
        for order in _orders(stack) if isinstance(stack, tuple) else (AS_IT_IS,):
            made: Found = {}
            for n in members:
                for layout in _layouts(u, n, values[n]):
                    candidate = common.then(order).then(layout)
                    if fits(n, candidate.apply(values[n]), np.abs(candidate.apply(radii[n]))):
                        made[n] = candidate
                        break
            if len(made) > len(best) and right.intersection(members) <= made.keys():
                best = made
            if len(best) == len(members):
                break
        return best

    best: tuple[Found, float] = {}, 1.0
    for common in (AS_IT_IS, *_factors(truth)):
        found: Found = {}
        for stack, members in stacks.items():
            found |= explained(common, stack, members)
        most = common.factor == 1.0 or 2 * len(found) > len(names)
        if most and right <= found.keys() and len(found) > len(best[0]):
            best = found, common.factor
        if len(best[0]) == len(names):
            break
    return {n: c for n, c in best[0].items() if n not in right}, best[1]
