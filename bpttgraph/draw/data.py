"""What a picture may be told besides the graph: plain data, so that drawing depends on no derivation and no numbers.

Links are named by their ids (`h[1]->h[2]`), variables by their names. Everything is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ..core.variables import VariableGraph

__all__ = ["GRADIENT_VIEWS", "VIEWS", "Data", "Label", "Term", "reduced"]

GRADIENT_VIEWS = ("backward", "paths", "contributions")
VIEWS = ("folded", "forward", *GRADIENT_VIEWS, "cell")


@dataclass(frozen=True, slots=True)
class Label:
    """What stands in a node besides (or instead of) its name. An empty `style` leaves the one of the node's role."""

    mathml: str
    text: str
    tex: str
    style: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """One chain-rule term: its loss step, step of use, links from the loss down, formula, and the norm of its value."""

    t: int
    k: int
    links: tuple[str, ...]
    mathml: str = ""
    text: str = ""
    latex: str = ""
    norm: float | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """Additions to a picture.

    Attributes:
        wrt: what the gradient is by; of the parameters only this one is drawn in views of a gradient.
        carrying: the links that carry the gradient; None for every link between drawn variables.
        jacobians: the local Jacobian of a link in words, for tooltips.
        labels: MathML to stand beside a link's arc instead of the fraction ∂target/∂source.
        norms: the size of a link's Jacobian.
        terms: the terms to highlight, one picture each.
        left_out: how many more terms there are.
        triangle: (t, k) -> norm of dE_t/dwrt through the use at step k. uses: k -> norm of their sum over t.
        counted: the triangle holds how often an answer counts each pair, in place of norms.
        faulty: links over which an answer sends nothing, or something wrong, on the way back.
        heading: the end of the title, in place of what the view says.
        note: one more convention, printed under the picture.
        immediate: links whose derivative is marked as immediate, ∂⁺.
        label: asked for each drawn node by its name; None means that its name stands in it.
        stacked: every variable of a step gets a row of its own, because its label is wide.
    """

    wrt: str | None = None
    carrying: frozenset[str] | None = None
    jacobians: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    norms: Mapping[str, float] = field(default_factory=dict)
    terms: tuple[Term, ...] = ()
    left_out: int = 0
    triangle: Mapping[tuple[int, int], float] = field(default_factory=dict)
    uses: Mapping[int, float] = field(default_factory=dict)
    immediate: frozenset[str] = frozenset()
    label: Callable[[str], Label | None] | None = None
    stacked: bool = False
    note: str = ""
    counted: bool = False
    faulty: frozenset[str] = frozenset()
    heading: str = ""

    def carries(self, link: str) -> bool:
        return self.carrying is None or link in self.carrying


def reduced(graph: VariableGraph, data: Data, view: str) -> VariableGraph:
    """The graph without what a gradient does not meet: other parameters, and in some views leaves and the total."""
    drop = {"parameter"}
    if view in ("backward", "paths", "contributions"):
        drop |= {"target", "upstream", "total"}
    if view in ("backward", "paths"):
        drop.add("input")
    gone = {v.name for v in graph.variables.values() if v.role in drop and v.name != data.wrt}
    if not any(v.role in ("loss", "total") for n, v in graph.variables.items() if n not in gone):
        gone -= {v.name for v in graph.variables.values() if v.role == "total"}
    # Parameters computed from parameters (s = σ(α)) would hang in the air.
    links = tuple(k for k in graph.links if k.source not in gone and k.target not in gone)
    used = {n for k in links for n in (k.source, k.target)}
    gone |= {v.name for v in graph.variables.values() if v.column is None and v.name not in used and v.name != data.wrt}
    variables = {n: v for n, v in graph.variables.items() if n not in gone}
    return replace(graph, variables=variables, links=links)
