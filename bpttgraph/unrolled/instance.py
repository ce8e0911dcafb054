"""Random instances: generic, and inside the domain of every function (log, sqrt, division, powers).

`draw` makes the numbers; `instance` moves them inside the domain where they are not. Which data to move is found by
trial: the recurrence is evaluated, and of all ways to move one array (its absolute value, half of it, …) the one that
leaves the fewest arguments outside is taken, again and again. Nobody has to know what a function's argument is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.graph import Node, needed
from ..errors import BPTTError
from .numbers import Numbers

if TYPE_CHECKING:
    from .graph import UnrolledGraph

__all__ = ["instance", "outside"]

Array = np.ndarray[Any, Any]
# How far inside its domain an argument is to lie: as far as central differences (steps of 0.02) usually reach.
MARGIN = 0.05
NEAR = 1e-3  # for a denominator, which may have either sign
ROUNDS = 12  # arrays moved one after the other
DRAWS = 4  # before giving up
SHORT = 12  # steps on which the moves are tried, if there are many more
MOVES: tuple[Callable[[Array], Array], ...] = (
    np.abs, lambda v: 0.5 * v, lambda v: -np.abs(v), lambda v: 0.25 * v, lambda v: 0.5 + np.abs(v), lambda v: 2.0 * v,
    lambda v: -0.5 - np.abs(v),
)  # fmt: skip


def instance(numbers: Numbers, seed: int = 0, batch: int | None = None) -> dict[str, Array]:
    """A generic random instance (see `Unrolled.instance`).

    Raises:
        BPTTError: no instance was found on which every function is defined.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise BPTTError(f"seed={seed!r} is no seed", "give a whole number of at least 0")
    if batch is not None and (isinstance(batch, bool) or not isinstance(batch, Integral) or not 1 <= batch <= 100_000):
        raise BPTTError(f"batch={batch!r} is not a number of examples", "write batch=3, or None for a single example")
    u = numbers.u
    data = draw(u, seed, batch)
    if u.recurrence.abstract or not any(_may_leave(u, node) for node in _equations(u)):
        return data
    for again in range(DRAWS):
        if max(u.steps.values()) > 4 * SHORT and outside(numbers, data):
            short = _short(u)
            data = _moved(data, _search(short, draw(short.u, seed, batch)))
        data = _moved(data, _search(numbers, data))
        places = outside(numbers, data)
        if not places:
            return data
        data = draw(u, [seed, again], batch)
    raise BPTTError(
        f"no random instance was found on which {places[0]} is defined", "give data of your own, inside its domain"
    )


def draw(u: UnrolledGraph, seed: int | list[int], batch: int | None) -> dict[str, Array]:
    """Numbers of order one for every slot, and distributions for what a cross entropy compares with."""
    rng = np.random.default_rng(seed)
    lead = () if batch is None else (batch,)
    data: dict[str, Array] = {}
    order = {"input": 0, "target": 1, "initial": 2, "parameter": 3, "upstream": 4}
    slots, compared = u.slots, _compared(u)
    for key in sorted(slots, key=lambda k: order[slots[k].role]):
        slot = slots[key]
        length = () if slot.length is None else (slot.length,)
        shape = length + (() if slot.role == "parameter" else lead) + slot.shape
        if slot.classes and slot.role == "target":
            data[key] = rng.integers(0, slot.shape[0], size=shape[:-1])
        elif slot.role == "parameter" and len(slot.shape) == 2:
            data[key] = rng.normal(size=shape) * 0.7 * min(1.0, (4 / slot.shape[1]) ** 0.5)
        else:
            data[key] = rng.normal(size=shape) * (0.7 if slot.role != "upstream" else 1.0)
        if key.partition("[")[0] in compared and slot.shape and data[key].dtype.kind == "f":
            weights = np.exp(data[key])
            data[key] = weights / weights.sum(axis=-1, keepdims=True)
    return data


def _equations(u: UnrolledGraph) -> Iterator[Node]:
    """The operations of the equations: of any step, if they could be folded over time, or of all."""
    if u.system is None:
        return iter(u.graph.nodes)
    forward = [node for name, node in u.system.equations.items() if name not in u.system.reverse]
    return iter(needed(forward))


def _source(u: UnrolledGraph, node: Node) -> str | None:
    """The name of the value or the data that a leaf of an equation stands for."""
    if u.system is not None and node in u.system.reads:
        return u.system.reads[node].source
    if u.system is not None and node in u.system.given:
        return u.system.given[node].key
    return node.base or node.name


def _compared(u: UnrolledGraph) -> set[str]:
    """Names of the data that a cross entropy takes for the true distribution."""
    targets = [n.args[1] for n in _equations(u) if n.op is not None and n.op.name == "cross_entropy"]
    return {(_source(u, node) or "").partition("[")[0] for node in targets if node.op is None}


def _may_leave(u: UnrolledGraph, node: Node) -> bool:
    """Whether an operation may be asked outside its domain; not if its argument is a value that is always positive."""
    if node.op is None or node.op.domain is None:
        return False
    arg = node.args[-1 if node.op.name == "div" else 0]
    if arg.op is None and u.system is not None:
        arg = u.system.equations.get(_source(u, arg) or "", arg)
    return not (arg.is_constant or (arg.op is not None and arg.op.positive))


def outside(numbers: Numbers, data: Mapping[str, Any]) -> list[str]:
    """The places where a function is asked outside its domain, such as "log in E[2]"."""
    admitted = numbers.admission.admit(data)
    if admitted.dtype.kind == "c":
        return []
    return [place for place, beyond, _ in _distances(numbers, numbers.spread(admitted)[0]) if beyond]


def _distances(numbers: Numbers, leaves: Mapping[Node, Any]) -> Iterator[tuple[str, int, int]]:
    """Each function that is not defined everywhere: where it stands, how many numbers lie beyond its domain and how
    many near it."""
    plan = numbers.forward_plan
    with np.errstate(all="ignore"):
        slots = plan(leaves)
        for node in plan.nodes:
            if node.op is not None and node.op.domain is not None:
                quantity, either = node.op.domain(*[slots[plan.place[a.serial]] for a in node.args], **node.attrs)
                distance = np.asarray(np.abs(quantity) if either else np.real(quantity))
                place = f"{node.op.name} in {node.name or node.owner}"
                yield place, int(np.sum(~(distance > 0))), int(np.sum(~(distance > (NEAR if either else MARGIN))))


def _score(numbers: Numbers, data: Mapping[str, Any]) -> tuple[int, int]:
    """How many numbers lie beyond the domain of a function, and how many near or beyond it."""
    found = list(_distances(numbers, numbers.spread(numbers.admission.admit(data))[0]))
    return sum(beyond for _, beyond, _ in found), sum(near for _, _, near in found)


Moves = list[tuple[str, Callable[[Array], Array]]]


def _moved(data: Mapping[str, Array], moves: Moves) -> dict[str, Array]:
    found = dict(data)
    for key, move in moves:
        if key in found:
            found[key] = move(found[key])
    return found


def _search(numbers: Numbers, data: dict[str, Array]) -> Moves:
    """The moves that bring an instance inside, found greedily: one array at a time, or all of them if one is not
    enough."""
    moves: Moves = []
    score = _score(numbers, data)
    compared = _compared(numbers.u)
    free = [k for k, v in data.items() if v.dtype.kind == "f" and k.partition("[")[0] not in compared]
    trials: list[Moves] = [[(key, move)] for move in MOVES for key in free]
    trials += [[(key, move) for key in free] for move in MOVES]
    for _ in range(ROUNDS):
        if not score[0] or not free:
            break
        scores = [_score(numbers, _moved(data, trial)) for trial in trials]
        best = min(range(len(trials)), key=scores.__getitem__)
        if scores[best] >= score:
            break
        moves += trials[best]
        data, score = _moved(data, trials[best]), scores[best]
    return moves


def _short(u: UnrolledGraph) -> Numbers:
    """The same recurrence over fewer steps."""
    steps: Any = {block: min(n, SHORT) for block, n in u.steps.items()}
    return Numbers(u.over(steps, u.given_sizes))
