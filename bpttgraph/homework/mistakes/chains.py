"""Mistakes in the product of step Jacobians, ∂h[t]/∂h[k] = ∂h[t]/∂h[t−1] ⋯ ∂h[k+1]/∂h[k]: each factor transposed."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.autodiff import backward
from ...core.graph import Node, leaf
from .base import Mutant, Site, entry, factor, rewrite
from .places import Edge
from .reverse import Change, Pull


@entry(
    "step-jacobians-transposed",
    "each step Jacobian is transposed",
    "∂h[t]/∂h[t−1] is diag(φ′) W, and an adjoint goes back through its transpose, Wᵀ diag(φ′): first φ′, then Wᵀ.",
    "symmetric step Jacobians, scalar cells; one step, unless ∂E/∂h[0] is asked for",
    rank=2.4,
)
def step_jacobians(s: Site) -> Iterator[Mutant]:
    states = {key[0] for key in s.places.carried}
    if len(states) != 1 or len(s.u.steps) > 1 or any(key[2] != 1 for key in s.places.carried):
        return
    (base,) = states
    if not _only_through(s, base):
        return
    changes: dict[int, Change] = {}
    by_state: dict[str, list[Edge]] = {}
    for e in s.places.edges:
        if e.source == base and e.delay == 1:
            by_state.setdefault(e.arg.name or "", []).append(e)
    for edges in by_state.values():
        before, column = edges[0].arg, edges[0].column
        after = s.u.nodes.get(f"{base}[{column}]")
        if after is None or after.shape != before.shape or len(before.shape) != 1 or before.shape[0] < 2:
            return
        if after.batched != before.batched:
            continue  # an initial state that all examples share

        def turned(p: Pull, before: Node = before, after: Node = after) -> None:
            p.result = _forward(after, before, p.bar(after))

        changes |= factor(0.0, edges[:-1]) | rewrite(("jacobian",), edges[-1:], turned)
    if changes:
        clause = (
            f"the Jacobian of {s.name(base)} by the state before is transposed at every step (W φ′ in place of φ′ W)"
        )
        yield Mutant(base, "", clause, changes, line=("link", base, base))


def _only_through(s: Site, base: str) -> bool:
    """Whether everything that reads the state before acts through the next state alone."""
    seen, stack = {base}, [key[1] for key in s.places.carried]
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        readers = [key for key in s.places.links if key[0] == name]
        if not readers or any(s.u.node(s.places.links[key][0].owner).role in ("loss", "total") for key in readers):
            return False
        stack += [key[1] for key in readers]
    return True


def _forward(y: Node, x: Node, v: Node) -> Node | None:
    """∂y/∂x times a vector, in the place of its transpose: the transpose is linear, and this is its own transpose."""
    u = leaf("u", y.shape, batched=y.batched)
    back = backward({y: u}, [x]).adjoints.get(x)
    return None if back is None else backward({back: v}, [u]).adjoints.get(u)
