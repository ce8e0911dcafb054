"""Pictures of any graph of nodes, such as a traced function or a scalar expression: every primitive is a node.

Values and gradients stand in the nodes when they are known, as in a lecture on reverse mode. Shared nodes are drawn
once; an argument used twice has two wires.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.graph import Graph, Node
from ..core.names import to_latex, to_mathml
from ..errors import BPTTError
from .network import Network, Part, Wire

if TYPE_CHECKING:
    from .figure import Figure

__all__ = ["draw_expression", "draw_graph", "expression_network"]

MOST_NODES = 400
_SIGNS = {
    "matvec": ("@", r"\mathbin{@}"),
    "vecmat": ("@", r"\mathbin{@}"),
    "matmat": ("@", r"\mathbin{@}"),
    "square": ("( )²", r"(\;)^{2}"),
    "add": ("+", "+"),
    "sub": ("−", "-"),
    "neg": ("−", "-"),
    "mul": ("×", r"\times"),
    "div": ("÷", r"\div"),
}


def _number(value: Any) -> str:
    """A number, short; of an array its size."""
    shape = getattr(value, "shape", ())
    if shape:
        return "array " + "×".join(map(str, shape))
    return f"{complex(value) if isinstance(value, complex) else float(value):.4g}".replace("-", "−")


def _line(what: str, value: Any) -> str:
    """A number with what it is; of an array its size alone."""
    shape = getattr(value, "shape", ())
    return f"size {'×'.join(map(str, shape))}" if shape else f"{what} {_number(value)}"


def expression_network(
    graph: Graph, title: str = "", values: Mapping[str, Any] | None = None, gradients: Mapping[str, Any] | None = None
) -> Network:
    """The nodes of a graph as parts. `values` and `gradients` go by the graph's names of its nodes."""
    if len(graph) > MOST_NODES:
        raise BPTTError(
            f"this expression has {len(graph):,} nodes; a picture shows at most {MOST_NODES}",
            "draw a part of it, or the unrolled recurrence, which folds",
        )
    parts: dict[str, Part] = {}
    for node in graph:
        name = graph.name(node)
        if name in parts:
            raise BPTTError(f"two nodes of this expression are called {name!r}", "give each a name of its own")
        lines = [_line("value", values[name])] if values and name in values else []
        if gradients and name in gradients and not getattr(gradients[name], "shape", ()):
            lines.append(_line("gradient", gradients[name]))
        parts[name] = _part(node, name, any(node is o for o in graph.outputs), tuple(lines))
    wires = tuple(
        Wire(f"{e.source}->{e.target}" + f" {e.slot}" * (e.slot > 0), e.source, e.target) for e in graph.edges
    )
    words = {"input": "leaf", "parameter": "parameter", "value": "function", "op": "operation", "loss": "result"}
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
    mathml = (
        "<msup><mrow><mo>(</mo><mo>⋅</mo><mo>)</mo></mrow><mn>2</mn></msup>"
        if node.op.name == "square"
        else f"<mo>{sign[0]}</mo>"
        if sign
        else ""
    )
    label, tex = (mathml, sign[1]) if sign else (to_mathml(node.op.symbol), to_latex(node.op.symbol))
    if node.name is not None:
        label = f"<mrow>{to_mathml(name)}<mo>=</mo>{label}</mrow>"
        tex = f"{to_latex(name)} = {tex}"
    plain = sign is not None and not lines and node.name is None
    style = "loss" if last else "op" if plain else "value"
    return Part(name, style, label, tex, f"{name}: {node.op.name}", lines)


def draw_expression(
    graph: Graph,
    title: str = "",
    values: Mapping[str, Any] | None = None,
    gradients: Mapping[str, Any] | None = None,
    labels: str = "math",
    theme: str = "light",
    fit: str | None = None,
) -> Figure:
    """Draw any graph of nodes, with numbers that are given by the names of its nodes.

    >>> from bpttgraph.core.graph import Graph, leaf
    >>> a, b = leaf("a"), leaf("b")
    >>> figure = draw_expression(Graph([a * b + a]), values={"a": 2.0, "b": -3.0, "mul.1": -6.0, "add.1": -4.0})
    >>> len(figure.layout.nodes), len(figure.layout.edges)
    (4, 4)
    """
    from . import draw_network

    return draw_network(expression_network(graph, title, values, gradients), labels, theme, "expression", fit)


def draw_graph(
    graph: Graph | Node | Sequence[Node],
    values: bool = True,
    gradients: bool = True,
    title: str = "",
    labels: str = "math",
    theme: str = "light",
    fit: str | None = None,
) -> Figure:
    """Draw any computation: every operation is a node, with its value and gradient where they are known.

    Args:
        graph: a `Tensor` (all that it was computed from), several, or a `Graph` such as `bg.trace(f, x)` returns.
        values, gradients: leave the numbers out. Gradients are those of a single scalar result.
        title, labels, theme, fit: as for all pictures (see `draw`).

    Up to 40 nodes are laid out here, larger ones by Graphviz' `dot` within a time limit (if there is one).

    >>> import bpttgraph as bg
    >>> a, b, c = (bg.tensor(v, n) for v, n in ((2.0, "a"), (-3.0, "b"), (10.0, "c")))
    >>> figure = bg.draw_graph(a * b + c)
    >>> figure.layout.nodes["a"].label.text
    'a value 2 gradient −3'
    """
    from ..eager.tensor import Tensor

    if isinstance(graph, Node):
        graph = Graph([graph])
    elif not isinstance(graph, Graph):
        wrong = next((x for x in graph if not isinstance(x, Node)), None) if isinstance(graph, list | tuple) else graph
        if wrong is not None or not graph:
            raise BPTTError(
                f"a {type(wrong).__name__} has no computation to draw",
                "give a Tensor, a list of them, or bg.trace(f, x)",
            )
        graph = Graph(graph)
    known = {graph.name(n): n for n in graph if isinstance(n, Tensor)}
    found: dict[str, Any] = {}
    result = graph.outputs[0]
    if gradients and len(graph.outputs) == 1 and isinstance(result, Tensor) and not result.shape:
        from ..eager.transforms import gradients as by

        names = [n for n, t in known.items() if not t.is_constant and len(known) == len(graph)]
        found = {n: g.data for n, g in zip(names, by(result, [known[n] for n in names]))}
    shown = {n: t.data for n, t in known.items()} if values else {}
    return draw_expression(graph, title, shown, found, labels, theme, fit)
