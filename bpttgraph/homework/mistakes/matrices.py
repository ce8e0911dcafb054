"""Mistakes with whole matrices and with the form of a cell: not transposed, exchanged, a block missing, the other
convention's backward."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.graph import Node, constant
from ...core.primitives import matvec, mul, transpose, vecmat
from .base import Mutant, Site, entry, rewrite
from .operands import line_of, put_operand
from .places import Edge
from .reverse import Change, Pull, Rewrite

# -- matrices ----------------------------------------------------------------------------------------------------------


def _matrix_edges(s: Site) -> dict[str, list[Edge]]:
    """square parameter -> the edges over which something goes back through it."""
    found: dict[str, list[Edge]] = {}
    for e in s.places.edges:
        if (
            e.op in ("matvec", "vecmat")
            and e.other is not None
            and e.other.role == "parameter"
            and e.arg.role != "parameter"
        ):
            found.setdefault(e.other.name or "", []).append(e)
    return found


@entry(
    "matrix-not-transposed", "W in place of Wᵀ", "A gradient goes back through the transpose: Wᵀ δ.",
    "W symmetric; scalar cells; one step, unless ∂E/∂h[0] is asked for", rank=1.5,
)  # fmt: skip
def not_transposed(s: Site) -> Iterator[Mutant]:
    every: dict[int, Change] = {}
    made = 0

    def turn(p: Pull) -> None:
        other = p.edge.other
        assert other is not None
        put_operand(p, transpose(other))

    for name, edges in _matrix_edges(s).items():
        if name in s.square:
            e = edges[len(edges) // 2]
            changes = rewrite(("turned",), edges, turn)
            clause = (
                f"{name} is not transposed on the way back to {s.say(e.arg, e.step)}: {name} δ in place of {name}ᵀ δ"
            )
            yield Mutant(name, "", clause, changes, line=line_of(e))
            every |= changes
            made += 1
    if made > 1:
        yield Mutant("all", "", "no recurrent matrix is transposed on the way back", every, rank=-0.2)


@entry(
    "matrix-exchanged",
    "another matrix of the same shape",
    "Each gate's δ goes back through the matrix of that gate.",
    rank=2.8,
)
def matrix_exchanged(s: Site) -> Iterator[Mutant]:
    for name, edges in _matrix_edges(s).items():
        for group in s.alike:
            for wrong in group if name in group else ():
                if wrong != name:

                    def change(p: Pull, wrong: str = wrong) -> None:
                        put_operand(p, s.u.parameters[wrong])

                    e = edges[len(edges) // 2]
                    clause = f"{wrong}ᵀ stands in place of {name}ᵀ on the way back to {s.say(e.arg, e.step)}"
                    yield Mutant(
                        f"{name}:{wrong}", "", clause, rewrite((f"matrix:{wrong}",), edges, change), line=line_of(e)
                    )


@entry(
    "block-dropped", "one gate's block is missing in the fused product",
    "With the gates stacked, all blocks of δ go back through U at once: Uᵀ [δ_i; δ_f; δ_g; δ_o].", "one step", rank=1.2,
)  # fmt: skip
def block_dropped(s: Site) -> Iterator[Mutant]:
    takes: dict[int, list[Edge]] = {}
    for e in s.places.edges:
        if e.op == "take":
            takes.setdefault(e.arg.serial, []).append(e)
    for key, edges in s.places.carried.items():
        parts: dict[tuple[int, int, str], list[Edge]] = {}
        for e in edges:
            if e.op != "matvec":
                continue
            top = next((x for x in takes if _leads(e.node, x, s)), None)
            for t in takes.get(top or -1, ()):
                parts.setdefault((t.node.attrs["start"], t.node.attrs["stop"], t.base), []).append(e)
        for (start, stop, base), found in parts.items():

            def mask(p: Pull, start: int = start, stop: int = stop) -> None:
                import numpy as np

                keep = np.ones(p.edge.node.shape)
                keep[start:stop] = 0.0
                p.g = p.g * constant(keep)

            clause = f"the block of {s.name(base, key[2])} is missing in what is carried back to {s.name(key[0])}"
            yield Mutant(
                f"{key[0]}<-{base}", "", clause, rewrite((f"block{start}",), found, mask), line=("link", *key[:2])
            )


def _leads(node: Node, serial: int, s: Site) -> bool:
    """Whether a product is a summand of the stacked pre-activation with that number."""
    top = next(n for n in s.places.order if n.serial == serial)
    stack = [top]
    while stack:
        n = stack.pop()
        if n is node:
            return True
        if n.name is None and n.op is not None and n.op.name in ("add", "sub", "identity", "expand"):
            stack.extend(n.args)
    return False


# -- the other convention ----------------------------------------------------------------------------------------------


@entry(
    "other-reset", "the backward pass of the other reset convention",
    "U(r ∘ h) and r ∘ (U h) are different cells with different gradients: differentiate the one that was computed.",
    "one step with h[0] = 0", rank=1.8,
)  # fmt: skip
def other_reset(s: Site) -> Iterator[Mutant]:
    changes: dict[int, Change] = {}
    shown = None
    for e in s.places.edges:
        if e.op == "matvec" and e.slot == 1 and e.arg.op is not None and e.arg.op.name == "mul" and e.arg.name is None:
            inner = [x for x in s.places.edges if x.node is e.arg]
            state = [x for x in inner if x.delay != 0]
            if len(inner) == 2 and len(state) == 1:
                changes |= _reset_before(s, e, state[0], next(x for x in inner if x is not state[0]))
                shown = shown or (e, "before")
        if (
            e.op == "mul"
            and e.delay == 0
            and e.arg.name is not None
            and e.other is not None
            and e.other.name is None
            and e.other.op is not None
        ):
            product = _product_in(e.other)
            if product is not None:
                changes |= _reset_after(s, e, product)
                shown = shown or (e, "after")
    if changes and shown is not None:
        e, kind = shown
        text = (
            "r ∘ (U h), although the cell computes U(r ∘ h)"
            if kind == "before"
            else "U(r ∘ h), although the cell computes r ∘ (U h)"
        )
        yield Mutant("", "", f"the backward pass is that of {text}", changes, line=("variable", e.base))


def _reset_before(s: Site, product: Edge, state: Edge, gate: Edge) -> dict[int, Change]:
    """U(r ∘ h), taken back as r ∘ (U h)."""
    matrix = next(x for x in s.places.edges if x.node is product.node and x.slot == 0)

    def to_matrix(p: Pull) -> None:
        p.g = p.g * gate.arg
        p.args[1] = state.arg

    def to_gate(p: Pull) -> None:
        p.result = p.bar(product.node) * matvec(matrix.arg, state.arg)

    def to_state(p: Pull) -> None:
        p.result = vecmat(p.bar(product.node) * gate.arg, matrix.arg)

    return {matrix.index: Rewrite(("reset-matrix",), to_matrix), gate.index: Rewrite(("reset-gate",), to_gate),
            state.index: Rewrite(("reset-state",), to_state)}  # fmt: skip


def _product_in(node: Node) -> Node | None:
    """The product U h[t-1] in U h[t-1] + b."""
    stack = [node]
    while stack:
        n = stack.pop()
        if n.op is not None and n.op.name == "matvec" and n.args[0].role == "parameter" and n.args[1].name is not None:
            return n
        if n.name is None and n.op is not None and n.op.name in ("add", "expand"):
            stack.extend(n.args)
    return None


def _reset_after(s: Site, gate: Edge, product: Node) -> dict[int, Change]:
    """r ∘ (U h + b), taken back as U(r ∘ h) + b."""
    matrix, state = product.args
    whole = gate.node
    found: dict[int, Change] = {}
    for x in s.places.edges:
        if x.node is product and x.slot == 0:
            found[x.index] = Rewrite(("reset-matrix",), lambda p: _outer(p, p.bar(whole), mul(gate.arg, state)))
        elif x.node is product and x.slot == 1:
            found[x.index] = Rewrite(
                ("reset-state",), lambda p: _result(p, mul(vecmat(p.bar(whole), matrix), gate.arg))
            )
        elif x is gate:
            found[x.index] = Rewrite(("reset-gate",), lambda p: _result(p, mul(vecmat(p.g, matrix), state)))
        elif (
            x.arg.role == "parameter"
            and x.owner == gate.owner
            and x.op in ("add", "expand")
            and _below(gate.other, x.node)
        ):
            found[x.index] = Rewrite(("reset-bias",), lambda p: _result(p, p.bar(whole)))
    return found


def _below(top: Node | None, node: Node) -> bool:
    stack = [top] if top is not None else []
    while stack:
        n = stack.pop()
        if n is node:
            return True
        if n.name is None:
            stack.extend(n.args)
    return False


def _outer(p: Pull, g: Node, value: Node) -> None:
    p.g, p.args[1] = g, value


def _result(p: Pull, value: Node) -> None:
    p.result = value


@entry(
    "update-gate-convention",
    "z and 1 − z are exchanged",
    "Whether z keeps the old state or takes the new one is a convention; the gradient must follow the one that was"
    " computed.",
    rank=1.8,
)
def exchanged_convention(s: Site) -> Iterator[Mutant]:
    for base in dict.fromkeys(p[0] for p in s.places.classes):
        nodes = [n for n in s.places.order if n.base == base and n.name and n.op is not None]
        changes: dict[int, Change] = {}
        gate = ""
        for root in nodes:
            found = _blend(root)
            if found is None:
                continue
            z, one_minus = found
            gate = z.base or ""
            for e in s.places.edges:
                if e.owner != root.name:
                    continue
                if e.op == "mul" and e.other is z:
                    changes[e.index] = Rewrite(("blend",), lambda p, new=one_minus: put_operand(p, new))  # type: ignore[misc]
                elif e.op == "mul" and e.other is one_minus:
                    changes[e.index] = Rewrite(("blend",), lambda p, new=z: put_operand(p, new))  # type: ignore[misc]
                elif e.arg is z:
                    changes[e.index] = -1.0
        if changes and s.places.links.get((gate, base, 0)):
            clause = f"the backward pass of {s.name(base)} exchanges {s.name(gate)} and 1 − {s.name(gate)}"
            yield Mutant(f"{base}:{gate}", "", clause, changes, line=("variable", base))


def _blend(root: Node) -> tuple[Node, Node] | None:
    """(z, 1 − z) of (1 − z) ∘ n + z ∘ h."""
    if root.op is None or root.op.name != "add":
        return None
    factors = [a for product in root.args if product.op is not None and product.op.name == "mul" for a in product.args]
    for f in factors:
        if (
            f.op is not None
            and f.op.name == "sub"
            and f.name is None
            and f.args[1] in factors
            and f.args[1].name is not None
        ):
            return f.args[1], f
    return None
