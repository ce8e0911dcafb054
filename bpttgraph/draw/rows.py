"""How high each variable stands: inputs at the bottom, then gates and values, states, outputs, losses on top.

The level of a variable (how far it is from the inputs within its step) gives most of it. Added here: a state has a
row of its own, so that its recurrent arrow runs straight from column to column; outputs stand above all states and
losses above all outputs, even where a level would put them lower; targets stand next to what they are compared with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..core.variables import Link, VariableGraph

__all__ = ["Rows", "assign_rows", "steps_between"]

Key = tuple[str | None, str]  # block and base


@dataclass(frozen=True, slots=True)
class Rows:
    """`row` of each (block, base); `order` of the bases within a row; `output_from`: the first row above all states."""

    row: dict[Key, int]
    order: dict[tuple[str | None, int], tuple[str, ...]]
    count: int
    output_from: int


def steps_between(link: Link, graph: VariableGraph) -> int:
    """How many columns of its block an arrow crosses; 0 between blocks and for whatever belongs to no step.

    Not the same as the delay that the equation writes: in `x̂[t+1] = W h[t]` both stand in one equation, yet `x̂[2]`
    belongs to step 2.
    """
    source, target = graph.variables[link.source], graph.variables[link.target]
    if source.block != target.block or "parameter" in (source.role, target.role) or target.role == "total":
        return 0
    if graph.folded or source.step is None or target.step is None:
        return link.delay
    return target.step - source.step


def _raise_along(level: dict[Key, int], links: Iterable[tuple[Key, Key]]) -> None:
    """Lift targets until every link within a step goes upwards. Ends because a step has no cycles; bounded in any
    case."""
    pairs = list(links)
    for _ in range(len(level)):
        changed = False
        for source, target in pairs:
            if level[target] <= level[source]:
                level[target], changed = level[source] + 1, True
        if not changed:
            return


def assign_rows(graph: VariableGraph, stacked: bool = False) -> Rows:
    """Rows of every variable that belongs to a step, counted over all blocks alike so that states line up; `stacked`
    gives each a row of its own."""
    role: dict[Key, str] = {}
    level: dict[Key, int] = {}
    for v in graph.variables.values():
        if v.role in ("parameter", "total"):
            continue
        key = (v.block, v.base)
        if v.role != "initial" or key not in role:
            role[key] = v.role
        level[key] = max(level.get(key, 0), v.level)
    where = {v.name: (v.block, v.base) for v in graph.variables.values() if (v.block, v.base) in role}
    within = dict.fromkeys(
        (where[k.source], where[k.target])
        for k in graph.links
        if steps_between(k, graph) == 0
        and k.source in where
        and k.target in where
        and where[k.source] != where[k.target]
        and where[k.source][0] == where[k.target][0]
    )
    aside = {k for k, r in role.items() if r in ("target", "upstream")}
    upwards = [(s, t) for s, t in within if s not in aside]
    _raise_along(level, upwards)
    for block in dict.fromkeys(b for b, _ in role):
        mine = [k for k in role if k[0] == block]
        core = [level[k] for k in mine if role[k] in ("state", "value", "initial", "input")]
        feeding = {s for s, t in within if role[t] in ("state", "value")}
        for k in mine:
            if role[k] == "output" and k not in feeding:
                level[k] = max(level[k], 1 + max(core, default=0))
        top = [level[k] for k in mine if role[k] != "loss" and k not in aside]
        for k in mine:
            if role[k] == "loss":
                level[k] = max(level[k], 1 + max(top, default=0))
    _raise_along(level, upwards)

    row: dict[Key, int] = {}
    blocks = list(dict.fromkeys(b for b, _ in role))
    for block in blocks:
        mine = [k for k in role if k[0] == block and k not in aside]
        split: dict[Key, tuple[int, int]] = {}
        for height in sorted({level[k] for k in mine}):
            states = [k for k in mine if level[k] == height and role[k] in ("state", "initial")]
            split.update({k: (height, 1 + i) for i, k in enumerate(states)})
            split.update({k: (height, 0) for k in mine if level[k] == height and k not in split})
        if stacked:
            split = {k: (height, i) for i, (k, (height, _)) in enumerate(sorted(split.items(), key=lambda p: p[1]))}
        ranks = {key: i for i, key in enumerate(sorted(set(split.values())))}
        row.update({k: ranks[split[k]] for k in mine})
    _align(row, role, blocks)
    for k in aside:
        readers = [row[t] for s, t in within if s == k and t in row]
        outputs = [row[j] for j in row if j[0] == k[0] and role[j] == "output"]
        row[k] = max(0, min(readers) - 1) if readers else max(outputs, default=0)
    order: dict[tuple[str | None, int], tuple[str, ...]] = {}
    for block, r in dict.fromkeys((k[0], row[k]) for k in role):
        bases = [k[1] for k in role if k[0] == block and row[k] == r]
        # Targets to the left: the right side stays free for an output that is fed back.
        order[block, r] = tuple(sorted(bases, key=lambda b: (block, b) not in aside))
    states_at = [row[k] + 1 for k in role if role[k] in ("state", "initial")]
    return Rows(row, order, max(row.values(), default=0) + 1, max(states_at, default=0))


def _align(row: dict[Key, int], role: dict[Key, str], blocks: list[str | None]) -> None:
    """Lift whole blocks until their first states stand level: the encoder hands its state straight on to the
    decoder."""
    first = {b: min((r for k, r in row.items() if k[0] == b and role[k] == "state"), default=None) for b in blocks}
    height = max((r for r in first.values() if r is not None), default=0)
    for k in row:
        own = first[k[0]]
        if own is not None:
            row[k] += height - own
