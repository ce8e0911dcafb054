"""What the views of a gradient are told: terms, links that carry the gradient, local Jacobians and their norms.

Pictures know no derivation; this module asks one and hands over plain data. Nothing is computed for a view that does
not show it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..core import primitives as P
from ..core.graph import Graph, leaf, needed
from ..errors import BPTTError, expect, integer, nearest

if TYPE_CHECKING:
    from ..draw.data import Data, Term
    from ..equations.model import Recurrence
    from ..unrolled.unroll import Unrolled

__all__ = ["default_wrt", "expression", "gather", "picture"]

MOST_TERMS = 12  # small multiples on one page
_MANY = 2000  # above so many links, words that only explain are left out: they are not worth minutes


def picture(
    u: Unrolled,
    view: str,
    fold: Any,
    wrt: str | None,
    t: int | None,
    k: int | None,
    numbers: Mapping[str, Any] | None,
    detail: str | None,
    options: dict[str, Any],
) -> Any:
    """What `Unrolled.draw` returns; its docstring explains the arguments."""
    from ..draw import GRADIENT_VIEWS, VIEWS, draw, draw_network
    from .detail import detailed

    expect(view, str | None, "view", f"write one of {', '.join(VIEWS)}")
    expect(detail, str | None, "detail", 'write detail="names", or leave it out')
    fold = integer(fold)
    steps = isinstance(fold, tuple) and len(fold) == 2 and all(isinstance(n, int) and n >= 0 for n in fold)
    if not steps:
        expect(fold, str | int, "fold", 'write fold="auto", True or False, or (2, 1) for so many steps at the ends')
    if view in VIEWS and view != "forward" and detail is not None:
        raise BPTTError(f"view={view!r} has no levels of detail", "leave detail out, or draw view='forward'")
    if view == "cell":
        from .inside import inside

        return draw_network(inside(u), **options)
    if view in GRADIENT_VIEWS:
        return draw(u.vgraph, view=view, fold=fold, data=gather(u, view, wrt, t, k, numbers), **options)
    if view not in VIEWS or view == "folded":
        return draw(u.vgraph, view=view, fold=fold, **options)
    graph, inside_nodes = detailed(u, detail or "names", fold)
    return draw(graph, view=view, fold=fold, data=inside_nodes, **options)


def expression(rec: Recurrence, at: Mapping[str, float] | None = None) -> Graph:
    """Equations without time as one graph, `d = a*b + c` and `L = tanh(d)`; with numbers if all leaves have one in
    `at`.

    >>> import bpttgraph as bg
    >>> graph = expression(bg.recurrence("d = a*b; L = tanh(d)"), {"a": 2.0, "b": 0.5})
    >>> [graph.name(node) for node in graph], graph["L"].item()
    (['a', 'b', 'd', 'L'], 0.7615941559557649)
    """
    import numpy as np

    from ..eager.tensor import Tensor
    from ..equations.expressions import build
    from ..equations.settings import explicit

    at = at or {}
    unknown = [n for n in at if n not in rec.parameters]
    missing = [n for n in rec.parameters if n not in at] if at else []
    if unknown:
        raise BPTTError(f"there is no leaf {unknown[0]}", nearest(unknown[0], list(rec.parameters)))
    if missing:
        raise BPTTError(f"no number is given for {', '.join(missing)}", "give every leaf one, or none at all")
    nodes: dict[str, Any] = {n: Tensor(at[n], n) if at else leaf(n, role="parameter") for n in rec.parameters}
    names = dict.fromkeys([*rec.parameters, *rec.inputs, *(b for d in rec.definitions for b in d.bases)], ())
    rights, _ = explicit(rec, rec.definitions, names, {})
    for part in rec.order:
        for d in part.definitions:
            if len(d.bases) > 1 or d.kind != "once":
                raise BPTTError(
                    f"this is more than a scalar expression: {d.text}", "unroll it, or write single equations"
                )
            with np.errstate(all="ignore"):  # log(-1) is nan in the picture, not a warning
                node = build(rights[d], lambda name: nodes[rec.key(name, d.block)], lambda r: nodes[r.kind], ())  # noqa: B023
            if node.name is not None or node.op is None:
                node = P.identity(node)
            node.name = d.bases[0]
            nodes[d.bases[0]] = node
    read = {a.serial for n in needed(nodes.values()) for a in n.args}
    return Graph([n for n in nodes.values() if n.serial not in read])


def default_wrt(u: Unrolled) -> str | None:
    """The parameter that teaches most: the one that stands beside a state read from the step before."""
    state_links = {link.target for link in u.links if link.delay}
    for name, node in u.parameters.items():
        for use in node.uses:
            if use.variable in state_links and any(a.role in ("state", "initial") for a in use.node.args):
                return name
    return next(iter(u.parameters), None)


def gather(
    u: Unrolled,
    view: str,
    wrt: str | None = None,
    t: int | None = None,
    k: int | None = None,
    numbers: Mapping[str, Any] | None = None,
    most: int = MOST_TERMS,
) -> Data:
    """The data for one view of ∂E/∂wrt.

    Args:
        t, k: for `paths`, only the terms of this loss step and this step of use.
        numbers: an instance (`u.instance()`); norms are known then.
        most: at most so many terms are drawn.
    """
    from ..derive import Derivation
    from ..draw.data import Data

    t, k = integer(t), integer(k)
    for step, what in ((t, "t"), (k, "k")):
        expect(step, int | None, f"the step {what}", f"write a number, such as {what}=2")
    whole = wrt is None
    name = default_wrt(u) if wrt is None else wrt
    if name is None:
        raise BPTTError("there is no parameter to differentiate by", "say wrt=, for example an initial state")
    d = Derivation(u, name)
    run = u.numbers.run(numbers).finite() if numbers is not None else None
    terms: tuple[Term, ...] = ()
    left_out = 0
    if view == "paths":
        terms, left_out = _terms(d, t, k, run, most)
    elif t is not None or k is not None:
        raise BPTTError("only view='paths' shows one term", "leave t and k out, or write view='paths'")
    if view == "contributions":
        triangle, uses = _triangle(u, name, numbers)
        note = "numbers of a random instance, seed 0" if numbers is None else ""
        return Data(wrt=name, triangle=triangle, uses=uses, note=note)
    if view != "backward":
        return Data(wrt=name, terms=terms, left_out=left_out)
    carrying = None if whole else _carrying(d)
    shown = [x for x in u.links if u.vgraph.variables[x.source].role != "parameter" or x.source == name]
    norms = _norms(d, shown, run) if run is not None else {}
    immediate = frozenset(x.id for x in shown if d.paths.immediate(x)) if len(shown) <= _MANY else frozenset()
    return Data(name, carrying, _formulas(d, shown), norms=norms, immediate=immediate)


def _carrying(d: Any) -> frozenset[str]:
    """The links on some path of the derivation."""
    found: set[str] = set()
    for heads in d.paths.groups():
        names = set(d.paths.on_paths(heads))
        for link in d.unrolled.links:
            if link.source in names and link.target in names and d.paths.passes(link, heads[0][0]):
                found.add(link.id)
    return frozenset(found)


def _formulas(d: Any, links: list[Any]) -> dict[str, str]:
    from ..derive import to_text

    if len(links) > _MANY:
        return {}
    return {x.id: to_text(d.local(x)) for x in links if d.paths.variables[x.target].role != "total"}


def _norms(d: Any, links: list[Any], run: Any) -> dict[str, float]:
    """The spectral norm of each local Jacobian; by a matrix, the one of the Jacobian by its entries; of a batch, the
    mean."""
    import numpy as np

    from ..derive.numeric import Numbers

    numbers = Numbers(d.local_factors, run)
    found = {}
    for x in links:
        if d.paths.variables[x.target].role in ("total", "loss") and d.paths.variables[x.source].role == "loss":
            continue
        value = np.asarray(numbers.jacobian(x))
        found[x.id] = float(np.mean(np.linalg.norm(value.reshape(-1, *value.shape[-2:]), 2, axis=(-2, -1))))
    return found


def _terms(d: Any, t: int | None, k: int | None, run: Any, most: int) -> tuple[tuple[Term, ...], int]:
    import numpy as np

    from ..draw.data import Term

    chosen = _chosen(d, t, k)
    found = list(islice(chosen, most))
    if not found:
        known = ", ".join(f"t={a} k={b}" for a, b in sorted(d.count_by_step)[:12])
        raise BPTTError(
            (
                f"∂E/∂{d.wrt} has no term with"
                f" {', '.join(f'{n}={v}' for n, v in (('t', t), ('k', k)) if v is not None)}"
                if t is not None or k is not None
                else f"∂E/∂{d.wrt} has no terms"
            ),
            f"there are terms at {known}" if known else "choose another variable",
        )
    total = sum(n for (a, b), n in d.count_by_step.items() if t in (None, a) and k in (None, b))
    return tuple(
        Term(
            x.loss_step,
            x.use_step,
            x.links,
            x.mathml(),
            x.unicode(),
            _one_line(x.latex()),
            None if run is None else float(np.linalg.norm(np.ravel(x.value(run)))),
        )
        for x in found
    ), total - len(found)


def _chosen(d: Any, t: int | None, k: int | None) -> Iterator[Any]:
    """The terms of loss step t through the use at step k, without walking through the others: there may be 5^50."""
    from ..derive.derivation import Term
    from ..derive.paths import Path

    if t is None and k is None:
        yield from d.all_terms()
        return
    paths = d.paths
    for step, head in paths.heads:
        if t not in (None, step):
            continue
        leads = paths._numbers(((step, head),))
        for use in sorted(paths.readers.get(d.wrt, ()), key=lambda x: (paths.step_of(x.target), paths.order[x.target])):
            at = paths.step_of(use.target)
            if k not in (None, at) or use.target not in leads or not paths.passes(use, step):
                continue
            for links in paths._from(use, step, head, leads):
                p = Path(step, at, head, links)
                yield Term(step, at, p.names, tuple(x.id for x in links), p, d)


def _one_line(latex: str) -> str:
    """The inside of an environment of one line."""
    return re.sub(r"\\(begin|end)\{[a-z]+\*?\}|&", "", latex).strip()


def _triangle(
    u: Unrolled, name: str, numbers: Mapping[str, Any] | None
) -> tuple[dict[tuple[int, int], float], dict[int, float]]:
    """(t, k) -> norm of dE_t/dwrt through the use at step k, where there is one; k -> norm of the sum over t.

    Without numbers they are those of a random instance.
    """
    import numpy as np

    from ..derive import Derivation

    parts = np.asarray(u.numbers.run(u.instance() if numbers is None else numbers).finite().triangle(name))
    norms = np.linalg.norm(parts.reshape(*parts.shape[:2], -1), axis=-1)
    sums = np.linalg.norm(parts.sum(axis=0).reshape(parts.shape[1], -1), axis=-1)
    if u.recurrence.blocks:  # global time there, steps of a block here
        pairs = [(t + 1, k + 1) for t, k in zip(*np.nonzero(norms))]
    else:
        pairs = [(t, k) for t, k in sorted(Derivation(u, name).count_by_step) if k >= 1]
    return (
        {(int(t), int(k)): float(norms[t - 1, k - 1]) for t, k in pairs},
        {k: float(sums[k - 1]) for k in sorted({int(k) for _, k in pairs})},
    )
