"""From a traced graph to the picture of its named values: the bridge from `bg.trace` to `draw`.

Named nodes become variables; what is unnamed belongs to the equation of the named node that reads it, as in a
recurrence.
"""

from __future__ import annotations

import re

from ..core.graph import Graph, Node, needed
from ..core.variables import Link, Variable, VariableGraph

__all__ = ["variables_of"]


def variables_of(graph: Graph, title: str = "traced function") -> VariableGraph:
    """The variables of a traced graph and the links between them.

    >>> import numpy as np, bpttgraph as bg
    >>> picture = variables_of(bg.trace(lambda h, W: np.tanh(W @ h), np.ones(2), np.eye(2)))
    >>> [link.id for link in picture.links]
    ['h->y', 'W->y']
    """
    nodes = needed(graph.outputs)
    steps: dict[int, int | None] = {}
    for node in nodes:
        found = re.fullmatch(r".+\[(\d+)\]", node.name or "")
        steps[node.serial] = int(found.group(1)) if found else None
    uses: dict[tuple[str, str], list[int]] = {}
    counted: dict[str, int] = {}
    level: dict[int, int] = {}
    variables: dict[str, Variable] = {}
    links: list[Link] = []
    read_later = {
        a.base
        for n in nodes
        if n.name and steps[n.serial]
        for a in _named(n)
        if steps[a.serial] not in (None, steps[n.serial])
    }
    outputs = {n.serial for n in graph.outputs}
    last = max([s for s in steps.values() if s is not None] + [1])
    for node in nodes:
        if node.name is None:
            continue
        sources = _named(node)
        step = steps[node.serial]
        level[node.serial] = (
            1 + max([level[s.serial] for s in sources if steps[s.serial] == step] + [0]) if node.op else 0
        )
        if node.op is None:
            role = "initial" if step == 0 else "input" if step is not None else "parameter"
        else:
            role = (
                "total"
                if node.serial in outputs and not node.shape
                else "state"
                if node.base in read_later
                else "value"
            )
        variables[node.name] = Variable(
            node.name,
            node.base or node.name,
            step,
            role,
            None,
            step if step is not None else (last if role == "value" else None),
            level[node.serial],
            node.shape,
            node.op.name if node.op else "",
        )
        for source in sources:
            pair = (source.name or "", node.name)
            uses[pair] = []
            if variables[pair[0]].role == "parameter":
                counted[pair[0]] = counted.get(pair[0], 0) + 1
                uses[pair].append(counted[pair[0]])
            before = steps[source.serial]
            delay = step - before if step is not None and before is not None else 0
            links.append(Link(*pair, delay=delay, uses=tuple(uses[pair])))
    return VariableGraph(title, variables, tuple(links), {None: last})


def _named(node: Node) -> list[Node]:
    """The named nodes that the equation of a node reads, in order."""
    found: dict[int, Node] = {}
    seen: set[int] = set()
    stack = list(node.args)
    while stack:
        inner = stack.pop()
        if inner.serial in seen:
            continue
        seen.add(inner.serial)
        if inner.name is not None:
            found[inner.serial] = inner
        else:
            stack.extend(inner.args)
    return [found[key] for key in sorted(found)]
