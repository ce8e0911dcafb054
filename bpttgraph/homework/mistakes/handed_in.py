"""Mistakes at the ends: the gradient of an initial state, and what is done to finished gradients before they are handed
in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .base import Mutant, Site, entry, factor, listed, rewrite
from .links import activation
from .places import Edge
from .reverse import Pull
from .sums import Array, Results, only

# -- initial states ----------------------------------------------------------------------------------------------------


@entry(
    "initial-state",
    "the gradient of the initial state",
    "h[0] is read by the first step: its adjoint comes back through that step's equation, like any other.",
    "if ∂E/∂h[0] is not asked for",
    rank=1.0,
)
def initial_state(s: Site) -> Iterator[Mutant]:
    readers: dict[str, list[Edge]] = {}
    for e in s.places.edges:
        if e.arg.role == "initial" and e.arg.op is None:
            readers.setdefault(e.arg.name or "", []).append(e)
    for name, edges in readers.items():
        yield Mutant(f"{name}:dropped", "", f"∂E/∂{name} is left at zero", factor(0.0, edges), rank=0.1, plain=True)
        first = s.u.nodes.get(f"{edges[0].source}[{(edges[0].arg.step or 0) + (1 if edges[0].delay > 0 else -1)}]")
        if first is None or first.shape != edges[0].arg.shape:
            continue

        def copied(p: Pull, first: Any = first) -> None:
            p.result = p.bar(first)

        changes = factor(0.0, edges[1:]) | rewrite(("initial",), edges[:1], copied)
        yield Mutant(
            f"{name}:next",
            "",
            f"∂E/∂{name} is given as ∂E/∂{first.name}: the first step's equation is not gone through",
            changes,
        )
        inner = activation(s, first.base or "", first.step or 0)
        if inner is not None:

            def pre(p: Pull, inner: Any = inner) -> None:
                p.result = p.bar(inner)

            changes = factor(0.0, edges[1:]) | rewrite(("initial-pre",), edges[:1], pre)
            yield Mutant(
                f"{name}:delta",
                "",
                f"∂E/∂{name} is given as the δ of {first.name}, without the matrix between them",
                changes,
            )


# -- what is handed in -------------------------------------------------------------------------------------------------


@entry(
    "transposed",
    "the gradient is transposed",
    "∂E/∂W has the shape of W: δ h[t−1]ᵀ, not h[t−1] δᵀ.",
    "scalar cells",
    rank=1.0,
)
def transposed(s: Site) -> Iterator[Mutant]:
    for name in s.square:
        yield Mutant(
            name,
            "",
            f"∂E/∂{name} is handed in transposed (h δᵀ in place of δ hᵀ)",
            after=only(name, _turned),
            line=("parameter", name),
            rank=0.1,
        )
    if len(s.square) > 1:
        names = tuple(s.square)

        def every(found: Results) -> Results:
            return {n: _turned(a) if n in names else a for n, a in found.items()}

        yield Mutant("all", "", f"the gradients of {listed(names)} are handed in transposed", after=every)


def _turned(a: Array) -> Array:
    return np.swapaxes(a, -1, -2)


@entry(
    "copied",
    "the gradient of another parameter",
    "Copy and paste: each gate's gradient is built with that gate's δ.",
    rank=1.5,
    alone=True,
    plain=True,
)
def copied(s: Site) -> Iterator[Mutant]:
    for group in s.alike:
        for name in group:
            for other in group:
                if other != name:

                    def take(found: Results, name: str = name, other: str = other) -> Results:
                        return {**found, name: found[other]} if name in found and other in found else found

                    yield Mutant(
                        f"{name}:{other}",
                        "",
                        f"the gradient of {other} is handed in as that of {name}",
                        after=take,
                        line=("parameter", name),
                        rank=0.1,
                    )
        for i, a in enumerate(group):
            for b in group[i + 1 :]:

                def swap(found: Results, a: str = a, b: str = b) -> Results:
                    return {**found, a: found[b], b: found[a]} if a in found and b in found else found

                yield Mutant(f"{a}|{b}", "", f"the gradients of {a} and {b} are exchanged", after=swap)
    for name, blocks in s.blocks.items():
        for a, mine in blocks.items():
            for b, theirs in blocks.items():
                if a != b and mine.stop - mine.start == theirs.stop - theirs.start:

                    def paste(value: Array, mine: slice = mine, theirs: slice = theirs) -> Array:
                        made = value.copy()
                        made[mine] = value[theirs]
                        return made

                    clause = f"the rows of {s.name(a)} in ∂E/∂{name} are those of {s.name(b)}"
                    yield Mutant(
                        f"{name}:{a}:{b}", "", clause, after=only(name, paste), line=("parameter", name), rank=0.1
                    )
    gates = _by_gate(s)
    for i, (a, own) in enumerate(gates.items()):
        for b, others in list(gates.items())[i + 1 :]:
            if [s.u.parameters[n].shape for n in own] == [s.u.parameters[n].shape for n in others] and len(own) > 1:
                pairs = dict(zip([*own, *others], [*others, *own]))

                def exchange(found: Results, pairs: dict[str, str] = pairs) -> Results:
                    return {n: found[pairs.get(n, n)] for n in found if pairs.get(n, n) in found}

                yield Mutant(
                    f"gate:{a}|{b}",
                    "",
                    f"all gradients of the gates {s.name(a)} and {s.name(b)} are exchanged",
                    after=exchange,
                    rank=-0.2,
                )


def _by_gate(s: Site) -> dict[str, list[str]]:
    """variable -> its parameters, in the order of its equation."""
    found: dict[str, list[str]] = {}
    for name, edges in s.places.uses.items():
        bases = {e.base for e in edges}
        if len(bases) == 1:
            found.setdefault(bases.pop(), []).append(name)
    return found


@entry(
    "zero",
    "left at zero",
    "An array that is made with zeros and never written to stays zero.",
    rank=0.5,
    alone=True,
    plain=True,
)
def zero(s: Site) -> Iterator[Mutant]:
    for name in s.targets:
        yield Mutant(name, "", f"∂E/∂{name} is left at zero", after=only(name, np.zeros_like), line=("parameter", name))


@entry(
    "clipped",
    "clipped before it was handed in",
    "Clipping belongs to training, not to the gradient: switch it off before comparing.",
    "when nothing exceeds the threshold",
    rank=3.0,
    alone=True,
)
def clipping(s: Site) -> Iterator[Mutant]:
    """None here: the threshold is read off the answer (see `clipped`)."""
    yield from ()


def clipped(names: Sequence[str], threshold: float, free: int) -> Mutant:
    """Every entry of these gradients clipped at ±threshold."""
    clause = (
        f"∂E/∂{listed(names)} is clipped at ±{threshold:.6g}"
        if len(names) == 1
        else f"all entries are clipped at ±{threshold:.6g}"
    )

    def clip(found: Results) -> Results:
        return {n: np.clip(a, -threshold, threshold) if n in names else a for n, a in found.items()}

    return Mutant(f"clipped:{threshold:.6g}", "clipped", clause, after=clip, rank=3.0, alone=True, free=free)


def multiplied(names: Sequence[str], by: float, every: bool, norm: float | None = None) -> Mutant:
    """These gradients, or every one, multiplied by a number that no convention knows; `norm` is what their norm is
    then, if clipping may have made it so."""
    what = (
        "every gradient is"
        if every
        else "the gradient is"
        if len(names) == 1
        else f"the gradients of {listed(names)} are"
    )
    why = f": together they are clipped to the norm {norm:.6g}" if norm is not None else ""
    if norm is not None and len(names) == 1:
        why = f": it is clipped to the norm {norm:.6g}"

    def times(found: Results) -> Results:
        return {n: by * a if n in names else a for n, a in found.items()}

    return Mutant(
        f"factor:{by:.6g}",
        "scale",
        f"{what} multiplied by {by:.6g}{why}",
        after=times,
        rank=1.0,
        alone=True,
        plain=True,
        free=1,
    )
