"""The folded graph for pictures: one node a variable, every link with its delay."""

from __future__ import annotations

from ..core.variables import Link, Variable, VariableGraph
from ..equations.model import Recurrence

__all__ = ["fold"]


def fold(rec: Recurrence) -> VariableGraph:
    """The recurrence as a `VariableGraph` whose names stand at step t and whose links carry delays.

    It is read off an unrolling of a few steps, so that the folded and the unrolled picture cannot disagree: of every
    link between two variables, the one that ends at the latest step is kept.
    """
    reach = max([abs(r.delay) for r in rec.reads if r.delay is not None] + [1])
    u = rec.unroll(steps=dict.fromkeys(rec.blocks, 2 + reach) if rec.blocks else max(rec.steps_hint, 2 + reach))
    graph = u.vgraph
    reference = {block: u.offset.get(block, 0) + 1 + reach for block in (*rec.blocks, None)}

    def folded_name(v: Variable) -> str:
        if v.column is None or v.step is None:
            return v.name
        shift = v.step - (v.column - u.offset.get(v.block, 0))
        return f"{v.base}[t]" if shift == 0 else f"{v.base}[t{shift:+d}]"

    variables: dict[str, Variable] = {}
    for v in graph.variables.values():
        if v.role == "initial" or (v.column is not None and v.column != reference.get(v.block)):
            continue
        name = folded_name(v)
        variables[name] = Variable(
            name, v.base, None, v.role, v.block, v.column and 1, v.level, v.shape, v.kind, v.carry
        )
    links: dict[tuple[str, str, int], Link] = {}
    for link in graph.links:
        source, target = graph.variables[link.source], graph.variables[link.target]
        names = folded_name(source), folded_name(target)
        elsewhere = target.column is not None and target.column != reference.get(target.block)
        # the only links kept from other steps are those between blocks (the decoder's start from the encoder's end)
        if elsewhere and (source.block == target.block or source.block is None):
            continue
        if names[0] in variables and names[1] in variables:
            delay = link.delay if source.block == target.block or target.column is None else 1
            links.setdefault((*names, delay), Link(*names, delay))
    if rec.blocks:
        for link in graph.links:
            source, target = graph.variables[link.source], graph.variables[link.target]
            if (
                target.role == "initial"
                and source.block != target.block
                and source.base in {v.base for v in variables.values()}
            ):
                end = next((n for n, v in variables.items() if v.base == target.base), None)
                start = next((n for n, v in variables.items() if v.base == source.base), None)
                if start and end:
                    links.setdefault((start, end, 1), Link(start, end, 1))
    conventions = ("folded over time", *rec.conventions)
    return VariableGraph(rec.title, variables, tuple(links.values()), {}, conventions, folded=True)
