"""What a picture shows: items, edges, columns and legend, without any coordinates.

`build_scene` decides which class each edge has, and what the legend must explain. `columns.py` says which steps are
shown, `rows.py` how high everything stands, `layout.py` where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.names import to_unicode
from ..core.variables import Link, Variable, VariableGraph
from ..errors import BPTTError
from ..machine.bounds import MOST_MARKS, within
from .columns import Fold, Slot, arrange, fold_for
from .data import GRADIENT_VIEWS, VIEWS, Data, Label, reduced
from .pages import PAGES
from .rows import Rows, assign_rows, steps_between
from .theme import THEMES

__all__ = ["Edge", "Item", "Scene", "build_scene", "check_style"]


@dataclass(frozen=True, slots=True)
class Item:
    """One node. `slot` is None for parameters and totals, which belong to no step."""

    id: str
    base: str
    role: str
    style: str
    slot: int | None
    row: int
    block: str | None
    title: str
    label: Label | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """One link. A slot differs from its item's only where the item is hidden: then it is the ellipsis' slot.

    `twin` counts the links between the same two before this one: in a ∘ a both arguments are a.
    """

    id: str
    source: str
    target: str
    cls: str
    delay: int
    source_slot: int | None
    target_slot: int | None
    cut: str
    title: str
    twin: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a layout needs. `order[block][row]` lists the bases that share a row, left to right."""

    title: str
    notes: tuple[str, ...]
    view: str
    labels: str
    theme: str
    folded: bool
    slots: tuple[Slot, ...]
    items: dict[str, Item]
    edges: tuple[Edge, ...]
    rows: Rows
    legend: tuple[tuple[str, str], ...]
    hidden: dict[str, Item] = field(default_factory=dict)
    data: Data = field(default_factory=Data)
    fit: str = ""

    def item(self, name: str) -> Item:
        """The item of that name, drawn or folded away."""
        return self.items.get(name) or self.hidden[name]


def _check(option: str, value: object, allowed: tuple[object, ...]) -> None:
    # of the types that options have: comparing an array makes no sense
    if not isinstance(value, str | int | None) or value not in allowed:
        listed = ", ".join(repr(a) for a in allowed if a is not None)
        raise BPTTError(f"{option}={value!r} is not something a picture can do", f"choose one of {listed}")


def check_style(labels: str, theme: str, fit: str | None = None) -> None:
    """The options that every picture has."""
    _check("fit", fit, (None, *PAGES))
    _check("labels", labels, ("math", "text"))
    _check("theme", theme, tuple(THEMES))


def _describe(v: Variable) -> str:
    size = "×".join(map(str, v.shape))
    what = {"value": "value", "carry": "cell state"}.get(v.role, v.role)
    return to_unicode(v.name) + f": {'cell state' if v.carry else what}" + (f", size {size}" if size else "")


def _describe_link(link: Link, delay: int) -> str:
    text = f"{to_unicode(link.source)} → {to_unicode(link.target)}"
    if delay:
        text += f", {abs(delay)} step{'s' * (abs(delay) > 1)} {'later' if delay > 0 else 'earlier'}"
    if link.cut == "cut":
        text += "; the gradient is cut here"
    elif link.cut:
        text += "; the gradient is cut here for the losses at step " + ", ".join(map(str, link.cut_for))
    return text


def _edge_class(delay: int, source: Variable, target: Variable) -> str:
    if source.role == "parameter":
        return "parameter"
    if source.carry and target.carry:
        return "cell-line"
    joined = source.block != target.block and "total" not in (source.role, target.role)
    return "recurrent" if delay or joined else "forward"


_NODE_WORDS = {
    "parameter": "shared parameter",
    "input": "input",
    "initial": "state from outside",
    "state": "state",
    "carry": "cell state",
    "value": "gate or value",
    "output": "output",
    "op": "operation",
    "target": "target",
    "upstream": "given ∂E/∂y",
    "loss": "loss",
    "total": "total",
}
_EDGE_WORDS = {
    "forward": "within a step",
    "recurrent": "to another step",
    "cell-line": "cell line",
    "parameter": "use of a parameter",
}


def build_scene(
    graph: VariableGraph,
    view: str | None = None,
    fold: Fold = "auto",
    labels: str = "math",
    theme: str = "light",
    data: Data | None = None,
    fit: str | None = None,
) -> Scene:
    """Decide what is shown. The options are those of `draw`."""
    _check("view", view, (None, *VIEWS))
    if not isinstance(fold, tuple):
        _check("fold", fold, ("auto", True, False))
    check_style(labels, theme, fit)
    if view == "cell":
        raise BPTTError("the inside of a step is not in this graph", "draw the unrolled recurrence with view='cell'")
    if view is not None and (view == "folded") != graph.folded:
        wrong = "an unrolled" if view == "folded" else "the folded"
        raise BPTTError(f"view={view!r} does not fit {wrong} graph", "draw the other graph, or leave the view out")
    data = data or Data()
    view = view or ("folded" if graph.folded else "forward")
    if view in GRADIENT_VIEWS:
        graph = reduced(graph, data, view)
    rows = assign_rows(graph, data.stacked)
    slots, column, hidden = arrange(graph, fold_for(view, fold, graph, rows))
    shown = len(graph.variables) - len(hidden)
    shown += sum(link.source not in hidden and link.target not in hidden for link in graph.links)
    within(
        shown, MOST_MARKS, "this picture has {} nodes and arrows", "fold it (leave --no-fold out), or draw fewer steps"
    )
    items: dict[str, Item] = {}
    away: dict[str, Item] = {}
    for v in graph.variables.values():
        style = "carry" if v.carry and v.role == "state" else v.role
        slot = column.get(v.name)
        row = rows.row.get((v.block, v.base), 0)
        label = data.label(v.name) if data.label is not None and v.name not in hidden else None
        title = (label.title if label else "") or _describe(v)
        item = Item(v.name, v.base, v.role, (label.style if label else "") or style, slot, row, v.block, title, label)
        (away if v.name in hidden else items)[v.name] = item
    edges = []
    seen: dict[str, list[int]] = {}  # the folded graph may read a state at two delays: two links of one id
    for link in graph.links:
        source, target = graph.variables[link.source], graph.variables[link.target]
        gone = [v for v in (source, target) if v.name in hidden]
        # A use by a hidden step has no place to end: its rail runs on through the ellipsis.
        if len(gone) == 2 or (gone and None in (column.get(source.name), column.get(target.name))):
            continue
        delay = steps_between(link, graph)
        others = seen.setdefault(link.id, [])
        twin = others.count(delay)
        name = link.id + f" ({delay:+d})" * bool(others and not twin) + f" {twin + 1}" * bool(twin)
        others.append(delay)
        edges.append(
            Edge(
                name,
                link.source,
                link.target,
                _edge_class(delay, source, target),
                delay,
                column.get(source.name),
                column.get(target.name),
                link.cut,
                _describe_link(link, delay),
                twin,
            )
        )
    styles, classes = {i.style for i in items.values()}, {e.cls for e in edges}
    legend = [("edge:" + c, w) for c, w in _EDGE_WORDS.items() if c in classes]
    if view == "backward":
        legend = [("faded:", "arrow of the computation"), *_gradient_legend(data)]
        legend += [("fault:", "missing or wrong in the answer")] if any(e.id in data.faulty for e in edges) else []
        legend += [("edge:parameter", _EDGE_WORDS["parameter"])] if "parameter" in classes else []
    elif view == "contributions" and data.triangle:
        legend = [(k, w + "; colour: norm, all t" if k == "edge:parameter" else w) for k, w in legend]
    elif view == "paths":
        legend = [("gradient:", "a factor of this term"), ("pale:", "not part of this term")]
    cuts = {e.cut for e in edges}
    legend += [("cut:cut", "gradient cut (truncated)")] if "cut" in cuts else []
    legend += [("cut:partly", "gradient cut for some losses")] if "partly" in cuts else []
    legend += [("delay", "value kept for another step")] if graph.folded and any(e.delay for e in edges) else []
    legend += [("node:" + s, w) for s, w in _NODE_WORDS.items() if s in styles]
    notes = graph.conventions
    title = graph.title
    if view in GRADIENT_VIEWS:
        inputs = "" if view == "contributions" else "inputs, "
        notes = (*notes, f"{inputs}targets and other parameters are left out", *([data.note] if data.note else []))
        title += _heading(view, data)
    return Scene(
        title,
        notes,
        view,
        labels,
        theme,
        graph.folded,
        tuple(slots),
        items,
        tuple(edges),
        rows,
        tuple(legend),
        away,
        data,
        fit or "",
    )


def _heading(view: str, data: Data) -> str:
    if data.heading:
        return f": {data.heading}"
    if view == "backward":
        return ": the way back"
    gradient = f"∂E/∂{to_unicode(data.wrt)}" if data.wrt else "the gradient"
    if view == "contributions":
        return f": what each use adds to {gradient}"
    number = "one term" if len(data.terms) == 1 else f"{len(data.terms)} terms"
    return f": {number} of {gradient}" + (f" ({data.left_out:,} more not drawn)" if data.left_out else "")


def _gradient_legend(data: Data) -> list[tuple[str, str]]:
    if not data.norms:
        return [("gradient:", "gradient, times ∂target/∂source")]
    return [(f"gradient:{n}", f"gradient, Jacobian of norm {n}") for n in ("0.1", "1", "10")]
