"""Readings of a whole reverse pass: gradients and single uses of several variables in one walk over the graph.

A reading is a way to look at nodes of the reverse pass: their values, the sums of absolute values, the rounding errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.autodiff import evaluate_absolute
from ..core.rounding import measured_error, radius, rounding_error

if TYPE_CHECKING:
    from ..core.graph import Node
    from ..unrolled import Run
    from .report import Finding

__all__ = [
    "Reading",
    "Use",
    "magnitude",
    "measured",
    "radii_of_uses",
    "read_gradients",
    "read_uses",
    "rounding",
    "settled",
    "whole_radii",
]

SEEN = 2.0  # times the analysis: below that, a measurement of few runs says nothing new

Array = np.ndarray[Any, Any]
Reading = Callable[[Sequence[Any], Mapping[Any, Any]], list[Any]]
Use = tuple[str, int]
"""A parameter and a column of its triangle: the step k of a use."""


def magnitude(run: Run) -> Reading:
    """S, the sum of the absolute values of all path products."""
    seeds = set(run.numbers.seeds.values())
    return lambda nodes, given: evaluate_absolute(nodes, given, seeds)


def rounding(inputs: float = 0.0) -> Reading:
    """The standard deviation of the rounding, in units of u, of data that are off by `inputs` units in the last
    place."""
    return lambda nodes, given: rounding_error(nodes, given, inputs)


def measured(nodes: Sequence[Any], given: Mapping[Any, Any]) -> list[Any]:
    """The standard deviation of the rounding, measured where it is larger than the analysis says
    (`core.rounding.measured_error`)."""
    pairs = zip(rounding_error(nodes, given), measured_error(nodes, given))
    return [np.where(seen > SEEN * told, seen, told) for told, seen in pairs]


def settled(compare: Callable[[Reading], list[Finding]]) -> list[Finding]:
    """What a comparison finds; where something is just beyond its radius, with the rounding measured."""
    found = compare(rounding())
    return compare(measured) if any(f.doubtful for f in found) else found


def read_gradients(run: Run, targets: Mapping[str, Node], read: Reading) -> dict[str, Array]:
    """A reading of the gradients by some variables, each in the shape of the gradient."""
    numbers = run.numbers
    known = {node: run.gradient_nodes[name] for name, node in numbers.leaf_nodes.items()}
    groups = {name: known[node] if node in known else numbers.adjoint(node) for name, node in targets.items()}
    flat = iter(run.read_nodes([node for nodes in groups.values() for node in nodes], None, read))
    return {
        name: np.abs(run.summed_up(targets[name], [np.asarray(next(flat), float) for _ in nodes]))
        for name, nodes in groups.items()
    }


def whole_radii(run: Run, names: Iterable[str], errors: Reading | None = None) -> dict[str, tuple[Array, Array]]:
    """S and the radius of the gradients by some variables, in units of u; `errors` reads the rounding
    (`rounding()`)."""
    targets = {name: run.u.node(name) for name in names}
    sizes, sigmas = (read_gradients(run, targets, read) for read in (magnitude(run), errors or rounding()))
    return {n: (sizes[n], radius(sigmas[n], sizes[n], run.gradient(n))) for n in targets}


def read_uses(run: Run, uses: Iterable[Use], losses: Sequence[int], read: Reading | None = None) -> dict[Use, Array]:
    """A reading of dE_t/d(name) through the uses at step k, (t, *shape) for the losses asked for, summed over the
    batch."""
    wanted = set(uses)
    nodes: dict[Use, list[Node]] = {}
    for name in dict.fromkeys(name for name, _ in wanted):
        for step, found in run.numbers.uses(name).items():
            if (name, step) in wanted:
                nodes[name, step] = found
    flat = iter(run.read_nodes([n for found in nodes.values() for n in found], run.loss_seeds(losses), read))
    result = {use: np.zeros((len(losses), *run.u.node(use[0]).shape)) for use in wanted}
    for use, found in nodes.items():
        for _ in found:
            run.add_cotangents(result[use], [np.asarray(next(flat))], run.u.node(use[0]))
    return result


def radii_of_uses(
    run: Run, uses: Iterable[Use], losses: Sequence[int], errors: Reading | None = None
) -> dict[Use, tuple[Array, Array]]:
    """S and the radius, in units of u, of what `read_uses` reads."""
    wanted = list(uses)
    values, sizes, sigmas = (
        read_uses(run, wanted, losses, read) for read in (None, magnitude(run), errors or rounding())
    )
    return {use: (sizes[use], radius(sigmas[use], sizes[use], values[use])) for use in wanted}
