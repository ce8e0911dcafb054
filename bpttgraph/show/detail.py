"""How much of a step a picture shows: `variables`, `names` (one node a named variable), `equations` or `primitives`.

Each level is a `VariableGraph` for the same grid, so that time runs to the right in all of them. `shown` reads off
only the steps that are drawn: a picture of 500 steps costs what its five columns cost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.names import to_latex, to_mathml, to_unicode
from ..core.variables import Link, Variable, VariableGraph
from ..errors import BPTTError
from ..unrolled.nodes import interior_edges

if TYPE_CHECKING:
    from ..draw.data import Data, Label
    from ..unrolled.unroll import Unrolled

__all__ = ["DETAILS", "detailed", "shown"]

DETAILS = ("variables", "names", "equations", "primitives")
Fold = bool | str | tuple[int, int]
_PLAIN = ("parameter", "target", "upstream", "value")  # what level `variables` leaves out
_CIRCLES = {"add": "+", "sub": "−", "neg": "−", "mul": "⊙", "div": "÷", "matvec": "@", "vecmat": "@", "matmat": "@"}
_CARRYING = ("add", "sub", "neg", "mul", "identity", "expand")
_HIDDEN = {"identity": "=", "expand": "1⋯n", "reshape": "reshape"}
_TEX = {"−": "-", "⊙": r"\odot", "÷": r"\div", "@": r"\mathbin{@}", "1⋯n": r"1\cdots n"}


def detailed(u: Unrolled, detail: str, fold: Fold = "auto") -> tuple[VariableGraph, Data]:
    """The graph at a level of detail, and what stands in its nodes.

    >>> import bpttgraph as bg
    >>> graph, _ = detailed(bg.cell("lstm").unroll(steps=2), "variables")
    >>> [name for name in graph.variables if name.endswith("[2]")]
    ['x[2]', 'c[2]', 'h[2]', 'E[2]']
    """
    from ..draw.data import Data

    if detail not in DETAILS:
        raise BPTTError(f"detail={detail!r} is not a level of detail", "choose one of " + ", ".join(DETAILS))
    if detail == "primitives":
        return _primitives(u), Data(label=lambda name: _operation(u, name))
    graph = shown(u, fold)
    if detail == "variables":
        return _variables(graph), Data()
    if detail == "equations":
        gone = {v.name for v in graph.variables.values() if v.role == "parameter"}
        return _without(graph, gone, "parameters stand inside the equations"), Data(
            label=lambda name: _equation(u, name), stacked=True
        )
    return graph, Data()


# -- only what is drawn ------------------------------------------------------------------------------------------------


def shown(u: Unrolled, fold: Fold = "auto") -> VariableGraph:
    """The variable graph without the steps in the middle that a folded picture hides.

    Next to the gap as many hidden steps stay as an equation reaches back: the arrows into the gap end at them.
    """
    from ..draw.columns import folding

    reach = max([abs(r.delay) for r in u.recurrence.reads if r.delay is not None] + [1])
    gaps = {}
    for block, length in u.steps.items():
        found = folding(length, fold)
        if found is not None and length - sum(found) > 2 * reach:
            head, tail = found
            first = u.offset.get(block, 0)
            gaps[block] = range(first + head + 1 + reach, first + length - tail + 1 - reach)
    if not gaps or "vgraph" in u.__dict__:
        return u.vgraph
    places = u.places
    names = [n for n, p in places.items() if p.column is None or p.column not in gaps.get(p.block, ())]
    names.sort(key=lambda n: u.node(n).serial)
    kept, carry = set(names), u.carried
    variables: dict[str, Variable] = {}
    links: list[Link] = []
    for name in names:
        place, node = places[name], u.node(name)
        level = 0 if node.op is None else 1
        for source in dict.fromkeys(s.name or "" for s, _, _ in interior_edges(node)):
            if source not in kept:
                continue
            a, b = places[source].column, place.column
            cut, steps = u.cut(source, name)
            links.append(Link(source, name, b - a if a is not None and b is not None else 0, (), cut, steps))
            if b is not None and a == b:
                level = max(level, 1 + variables[source].level)
        variables[name] = Variable(
            name,
            place.base,
            place.step,
            place.role,
            place.block,
            place.column,
            level,
            node.shape,
            node.op.name if node.op else "",
            place.base in carry,
        )
    return VariableGraph(u.recurrence.title, variables, tuple(links), dict(u.steps), u.conventions)


# -- fewer nodes -------------------------------------------------------------------------------------------------------


def _without(graph: VariableGraph, gone: set[str], note: str) -> VariableGraph:
    variables = {n: v for n, v in graph.variables.items() if n not in gone}
    links = tuple(k for k in graph.links if k.source not in gone and k.target not in gone)
    return replace(graph, variables=variables, links=links, conventions=(*graph.conventions, note))


def _variables(graph: VariableGraph) -> VariableGraph:
    """States, inputs, outputs and losses; an arrow stands for every way between two of them through what is left
    out."""
    readers: dict[str, list[Link]] = {}
    for link in graph.links:
        readers.setdefault(link.target, []).append(link)
    ways: dict[str, dict[str, list[Link]]] = {}  # of what is left out: where its ways begin, and what cuts them
    links: list[Link] = []
    for name, v in graph.variables.items():
        found: dict[str, list[Link]] = {}
        for link in readers.get(name, ()):
            if graph.variables[link.source].role in _PLAIN:
                for source, cuts in ways.get(link.source, {}).items():
                    found.setdefault(source, []).extend(
                        replace(c, cut=c.cut or link.cut, cut_for=c.cut_for or link.cut_for) for c in cuts
                    )
            else:
                found.setdefault(link.source, []).append(link)
        if v.role in _PLAIN:
            ways[name] = found
            continue
        for source, parts in found.items():
            kind = parts[0].cut if len({p.cut for p in parts}) == 1 else "partly"
            steps = tuple(sorted({t for p in parts for t in p.cut_for}))
            links.append(
                Link(source, name, _delay(graph.variables, source, name), (), kind, steps if kind == "partly" else ())
            )
    gone = {n for n, v in graph.variables.items() if v.role in _PLAIN}
    slim = _without(graph, gone, "gates, parameters and targets are left out")
    return replace(slim, links=tuple(links), variables=_levels(slim.variables, links))


def _levels(variables: dict[str, Variable], links: Iterable[Link]) -> dict[str, Variable]:
    """Levels counted again: how far each variable is from the inputs of its step. Arguments come before results."""
    below: dict[str, list[str]] = {}
    for link in links:
        below.setdefault(link.target, []).append(link.source)
    out: dict[str, Variable] = {}
    for name, v in variables.items():
        levels = [out[s].level for s in below.get(name, ()) if s in out and out[s].column == v.column]
        leaf = v.role in ("input", "target", "upstream", "initial", "parameter")
        out[name] = replace(v, level=1 + max(levels) if levels and v.column is not None else 0 if leaf else 1)
    return out


# -- what stands in the nodes ------------------------------------------------------------------------------------------


def _equation(u: Unrolled, name: str) -> Label | None:
    from ..derive import equation, to_latex as tex_of, to_mathml as mathml_of
    from ..draw.data import Label

    node = u.node(name)
    if node.op is None or u.places[name].role == "total":
        return None
    right: Any = equation(node)
    inner = re.sub(r"^\s*<math[^>]*>|</math>\s*$", "", mathml_of(right))
    text = to_unicode(name)
    return Label(f"<mrow>{to_mathml(name)}<mo>=</mo>{inner}</mrow>", text, f"{to_latex(name)} = {tex_of(right)}")


def _operation(u: Unrolled, name: str) -> Label | None:
    """The operation of a node of `u.graph`: a sign in a circle, or its name in a box; named nodes say both."""
    from ..draw.data import Label

    node = u.graph[name]
    if node.is_constant:
        said = f"{float(node.attrs['value']):.4g}".replace("-", "−")
        return Label(f"<mn>{said}</mn>", said, said.replace("−", "-"), "value", f"constant {said}")
    if node.op is None or node.role == "total":
        return None
    sign = _CIRCLES.get(node.op.name)
    word = _HIDDEN.get(node.op.name, node.op.symbol)
    mathml = f"<mo>{sign}</mo>" if sign else f"<mtext>{word}</mtext>" if word == "1⋯n" else to_mathml(word)
    tex = _TEX.get(sign or word) or (sign if sign else to_latex(word))
    title = f"{to_unicode(name)}: {node.op.name}"
    if node.name is None:
        return Label(mathml, node.op.name, tex, "op" if sign else "value", title)
    return Label(f"<mrow>{to_mathml(name)}<mo>=</mo>{mathml}</mrow>", title, f"{to_latex(name)} = {tex}", "", title)


# -- every primitive ---------------------------------------------------------------------------------------------------


def _primitives(u: Unrolled) -> VariableGraph:
    """Every node and every edge of `u.graph`; the sum over the steps is one node."""
    graph, named = u.graph, u.vgraph.variables
    total = u.node(u.total)
    variables: dict[str, Variable] = {}
    for node in graph:
        name = graph.name(node)
        if node.name is not None:
            variables[name] = named[name]
            continue
        owner = named.get(node.owner or "")
        if owner is not None and owner.name == total.name:
            continue
        base = f"{owner.base}.{name.rpartition('.')[2]}" if owner else name
        column, step, block = (owner.column, owner.step, owner.block) if owner else (None, None, None)
        # The cell line runs on through the operations that carry it: c[t-1], its product with the gate, c[t].
        inner = [variables[graph.name(a)] for a in node.args if graph.name(a) in variables]
        kind = node.op.name if node.op else ""
        carry = owner is not None and owner.carry and kind in _CARRYING and any(v.carry for v in inner)
        variables[name] = Variable(name, base, step, "value", block, column, 0, node.shape, kind, carry)
    links = [
        Link(e.source, e.target, _delay(variables, e.source, e.target), (), e.cut, e.cut_for)
        for e in graph.edges
        if e.source in variables and e.target in variables and e.target != total.name
    ]
    links += [k for k in u.vgraph.links if k.target == total.name]
    placed = _levels(variables, links)
    reader: dict[str, list[int]] = {}
    for link in links:
        reader.setdefault(link.source, []).append(placed[link.target].level)
    for name, v in placed.items():  # a constant stands just below the operation that reads it
        if name in graph and graph[name].is_constant and name in reader:
            placed[name] = replace(v, level=max(0, min(reader[name]) - 1))
    conventions = (*u.conventions, "@: matrix times vector or matrix; ⊙: entry by entry")
    return VariableGraph(u.recurrence.title, placed, tuple(links), dict(u.steps), conventions)


def _delay(variables: dict[str, Variable], source: str, target: str) -> int:
    a, b = variables[source].column, variables[target].column
    return b - a if a is not None and b is not None else 0
