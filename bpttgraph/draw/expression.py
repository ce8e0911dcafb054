"""Pictures of any graph of nodes, such as a traced function or a scalar expression: every primitive is a node.

Values and gradients stand in the nodes when they are known, as in a lecture on reverse mode. Shared nodes are drawn
once; an argument used twice has two wires.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import BPTTError
from ..graph import Graph, Node
from ..names import to_latex, to_mathml
from .network import Network, Part, Wire

if TYPE_CHECKING:
    from .figure import Figure

__all__ = ["draw_expression", "expression_network"]

MOST_NODES = 400
_SIGNS = {"add": ("+", "+"), "sub": ("−", "-"), "mul": ("×", r"\times"), "div": ("÷", r"\div"), "neg": ("−", "-")}


def _number(value: Any) -> str:
    """A number, short; of an array its size."""
    shape = getattr(value, "shape", ())
    if shape:
        return "array " + "×".join(map(str, shape))
    value = float(value)
    return f"{value:.4g}".replace("-", "−")


def expression_network(
    graph: Graph, title: str = "", values: Mapping[str, Any] | None = None, gradients: Mapping[str, Any] | None = None
) -> Network:
    """The nodes of a graph as parts. `values` and `gradients` go by the graph's names of its nodes."""
    if len(graph) > MOST_NODES:
        raise BPTTError(
            f"this expression has {len(graph):,} nodes; a picture shows at most {MOST_NODES}",
            "draw a part of it, or the unrolled recurrence, which folds",
        )
    parts = {}
    for node in graph:
        name = graph.name(node)
        lines = [f"value {_number(values[name])}"] if values and name in values else []
        lines += [f"gradient {_number(gradients[name])}"] if gradients and name in gradients else []
        parts[name] = _part(node, name, node in graph.outputs, tuple(lines))
    wires = tuple(
        Wire(f"{e.source}->{e.target}" + f" {e.slot}" * (e.slot > 0), e.source, e.target) for e in graph.edges
    )
    words = {"input": "leaf", "parameter": "parameter", "value": "function", "op": "operation", "output": "result"}
    used = {p.style for p in parts.values()}
    legend = [
        ("edge:forward", "argument"),
        *((f"node:{s}" if s != "op" else "op:", w) for s, w in words.items() if s in used),
    ]
    return Network(title, parts, wires, (), frozenset(), frozenset(), tuple(legend))


def _part(node: Node, name: str, last: bool, lines: tuple[str, ...]) -> Part:
    if node.is_constant:
        value = _number(node.attrs["value"])
        return Part(name, "value", f"<mtext>{value}</mtext>", rf"\text{{{value}}}".replace("−", "-"), value, lines)
    if node.op is None:
        return Part(name, "parameter" if node.role == "parameter" else "input", title=name, lines=lines)
    sign = _SIGNS.get(node.op.name)
    label, tex = (f"<mo>{sign[0]}</mo>", sign[1]) if sign else (to_mathml(node.op.symbol), to_latex(node.op.symbol))
    if node.name is not None:
        label = f"<mrow>{to_mathml(name)}<mo>=</mo>{label}</mrow>"
        tex = f"{to_latex(name)} = {tex}"
    plain = sign is not None and not lines and node.name is None
    style = "output" if last else "op" if plain else "value"
    return Part(name, style, label, tex, f"{name}: {node.op.name}", lines)


def draw_expression(
    graph: Graph,
    title: str = "",
    values: Mapping[str, Any] | None = None,
    gradients: Mapping[str, Any] | None = None,
    labels: str = "math",
    theme: str = "light",
) -> Figure:
    """Draw any graph of nodes.

    >>> from bpttgraph.graph import Graph, leaf
    >>> a, b = leaf("a"), leaf("b")
    >>> figure = draw_expression(Graph([a * b + a]), values={"a": 2.0, "b": -3.0, "mul.1": -6.0, "add.1": -4.0})
    >>> len(figure.layout.nodes), len(figure.layout.edges)
    (4, 4)
    """
    from . import draw_network

    return draw_network(expression_network(graph, title, values, gradients), labels, theme, "expression")
