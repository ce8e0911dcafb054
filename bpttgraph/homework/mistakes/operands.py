"""Mistakes in the other operand of a product: of another step, of another variable, transposed, left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...graph import Node, constant
from ...primitives import matvec, mul, transpose, vecmat
from .base import Mutant, Site, entry, listed, rewrite
from .links import activation
from .places import Edge
from .reverse import Change, Pull, Rewrite

Place = tuple[str, tuple[int, ...], int]
_GIVEN = ("input", "target", "upstream", "initial", "loss", "total")


def _spot(place: Place) -> str:
    return f"{place[0]}.{'.'.join(map(str, (*place[1], place[2])))}"


def _line(e: Edge) -> tuple[str, ...]:
    if e.arg.role == "parameter":
        return ("parameter", e.arg.name or "")
    return ("link", e.source, e.base) if e.arg.name else ("variable", e.base)


def _into(s: Site, e: Edge) -> str:
    """Whose gradient the edge feeds, in words."""
    if e.arg.role == "parameter":
        return f"∂E/∂{e.arg.name}"
    return f"the adjoint of {s.say(e.arg, e.step)}"


def _replace(p: Pull, new: Node) -> None:
    p.args[1 - p.edge.slot] = new


# -- another step -------------------------------------------------------------------------------------------------------------


def _moved(s: Site, steps: int, border: str) -> Any:
    def change(p: Pull) -> None:
        other = p.edge.other
        assert other is not None
        new = s.places.shifted(other, steps)
        if (
            new is None and border == "wrap" and other.step is not None
        ):  # x[t-1] at the first step reads the end of the array
            new = s.places.shifted(other, steps + (s.steps if steps < 0 else -s.steps))
        if new is not None:
            _replace(p, new)
        elif border == "nothing":
            p.g = p.g * 0.0

    return change


@entry(
    "operand-shifted", "a factor of another step",
    "Check the step of every stored value: W h[t−1] gives δ[t] h[t−1]ᵀ, and c[t] = f[t] ∘ c[t−1] carries back with f[t].",
    "one step, for inputs", rank=2.0,
)  # fmt: skip
def operand_shifted(s: Site) -> Iterator[Mutant]:
    joint: dict[tuple[Any, ...], tuple[str, dict[int, Change], list[str]]] = {}
    for place, edges in s.places.products():
        e = edges[len(edges) // 2]
        other = e.other
        if other is None or other.step is None or other.role in ("target", "upstream"):
            continue
        for steps in (-1, 1):
            for border in ("same", "nothing", "wrap"):
                missing = [x for x in edges if x.other is not None and s.places.shifted(x.other, steps) is None]
                if (border != "same" and not missing) or (border == "wrap" and other.role != "input"):
                    continue
                if len(missing) == len(edges):
                    continue
                wrong, right = (
                    s.name(other.base or "", other.step + steps - (e.step or 0)),
                    s.name(other.base or "", other.step - (e.step or 0)),
                )
                end = {
                    "same": "",
                    "nothing": " (and nothing where there is no such step)",
                    "wrap": " (and the other end of the sequence where there is none)",
                }
                clause = f"{_into(s, e)} uses {wrong} in place of {right}{end[border] if missing else ''}"
                changes = rewrite((f"shift{steps:+d}{border}",), edges, _moved(s, steps, border))
                rank = 0.0 if border == "same" else 0.3
                yield Mutant(f"{_spot(place)}:{steps:+d}{border}", "", clause, changes, line=_line(e), rank=rank)
                if e.arg.role == "parameter":
                    key = (other.base, other.step - (e.step or 0), steps, border)
                    found = joint.setdefault(key, (f"{wrong} in place of {right}{end[border]}", {}, []))
                    found[1].update(changes)
                    found[2].append(e.arg.name or "")
    for (base, delay, steps, border), (what, changes, names) in joint.items():
        if len(names) > 1:
            clause = f"the gradients of {listed(dict.fromkeys(names))} use {what}"
            yield Mutant(
                f"{base}{delay:+d}:{steps:+d}{border}",
                "",
                clause,
                changes,
                rank=-0.2 + (0.3 if border != "same" else 0),
            )


# -- the wrong thing ------------------------------------------------------------------------------------------------------------


def _candidates(s: Site, e: Edge) -> list[tuple[str, str, Any, str]]:
    """(tag, what it is, rewrite, kind) for every wrong operand that the structure suggests."""
    other = e.other
    if other is None:
        return []
    found: list[tuple[str, str, Any, str]] = []
    shown = s.say(other, e.step)
    op = other.op
    if other.role == "parameter" or other.is_constant:
        return []
    if (
        op is not None
        and op.kind == "elementwise"
        and len(other.args) == 1
        and op.name not in ("square", "neg", "identity")
    ):
        if other.name is None:  # tanh(c): c itself, or tanh(tanh(c))
            inner = s.say(other.args[0], e.step)
            found.append(
                ("bare", f"{inner} in place of {shown}", lambda p: _replace(p, p.edge.other.args[0]), "operand-bare")
            )
        elif activation(s, other.base or "", other.step or 0) is not None and other.args[0].shape == other.shape:
            found.append(
                ("bare", f"the pre-activation of {shown} in place of {shown}", lambda p: _pre(s, p), "operand-bare")
            )
        found.append(
            (
                "again",
                f"{shown} with {op.name} applied once more",
                lambda p: _replace(p, op(p.edge.other, **other.attrs)),
                "operand-again",
            )
        )
    if op is not None and op.name == "mul" and other.name is None:
        for i in (0, 1):
            part = other.args[i]
            if part.shape == other.shape:
                found.append(
                    (
                        f"part{i}",
                        f"{s.say(part, e.step)} in place of {shown}",
                        lambda p, i=i: _replace(p, p.edge.other.args[i]),
                        "operand-part",
                    )
                )
    if e.op == "mul":
        found.append(("left-out", f"without the factor {shown}", lambda p: _left_out(p), "factor-omitted"))
        if e.arg.shape == other.shape:
            found.append(
                ("own", f"{s.say(e.arg, e.step)} in place of {shown}", lambda p: _replace(p, p.edge.arg), "factor-own")
            )
    return found


def _pre(s: Site, p: Pull) -> None:
    other = p.edge.other
    assert other is not None
    inner = activation(s, other.base or "", other.step or 0)
    if inner is not None:
        _replace(p, inner)


def _left_out(p: Pull) -> None:
    p.partial = lambda y, *args, **_: 1.0


def _instances(s: Site, kind: str) -> Iterator[Mutant]:
    groups: dict[tuple[str, str], tuple[dict[int, Change], int]] = {}
    for place, edges in s.places.products():
        e = edges[len(edges) // 2]
        for tag, what, change, k in _candidates(s, e):
            if k == kind:
                changes = rewrite((tag,), edges, change)
                yield Mutant(
                    f"{_spot(place)}:{tag}",
                    "",
                    f"{_into(s, e)} is computed {'' if tag == 'left-out' else 'with '}{what}",
                    changes,
                    line=_line(e),
                )
                if e.other is not None and e.arg.role != "parameter":
                    key = (tag, "every gate")
                    old = groups.get(key, ({}, 0))
                    groups[key] = ({**old[0], **changes}, old[1] + 1)


@entry(
    "operand-bare",
    "a value before its function",
    "The product rule brings the other factor as it stands in the equation: tanh(c), not c.",
    rank=2.5,
)
def operand_bare(s: Site) -> Iterator[Mutant]:
    yield from _instances(s, "operand-bare")


@entry(
    "operand-again",
    "a function applied once too often",
    "Stored values have been through their function already.",
    rank=2.8,
)
def operand_again(s: Site) -> Iterator[Mutant]:
    yield from _instances(s, "operand-again")


@entry(
    "operand-part", "part of a product",
    "In U(r ∘ h) the matrix meets r ∘ h, so its gradient is δ(r ∘ h)ᵀ.", rank=2.5,
)  # fmt: skip
def operand_part(s: Site) -> Iterator[Mutant]:
    yield from _instances(s, "operand-part")


@entry(
    "factor-omitted",
    "the other factor is left out",
    "Product rule: the adjoint of one factor is multiplied by the other.",
    rank=2.0,
)
def factor_omitted(s: Site) -> Iterator[Mutant]:
    yield from _instances(s, "factor-omitted")


@entry(
    "factor-own",
    "a factor in place of the other one",
    "Product rule: each factor's adjoint is multiplied by the other one.",
    rank=2.2,
)
def factor_own(s: Site) -> Iterator[Mutant]:
    yield from _instances(s, "factor-own")
    for place, edges in s.places.classes.items():
        if edges[0].op == "mul" and place[2] == 0:
            both = [
                x
                for x in s.places.edges
                if x.place[:2] == place[:2] and x.arg.shape == (x.other.shape if x.other else None)
            ]
            if len(both) == 2 * len(edges):
                e = edges[len(edges) // 2]
                clause = f"the two factors of {s.say(e.node, e.step)} are exchanged going back"
                yield Mutant(
                    f"{_spot(place)}:both",
                    "",
                    clause,
                    rewrite(("own",), both, lambda p: _replace(p, p.edge.arg)),
                    line=("variable", place[0]),
                )


@entry(
    "gate-exchanged", "another gate's value",
    "Name the gates in the order in which they were stored: i, f, g and o have one shape, and nothing else tells them apart.", rank=2.5,
)  # fmt: skip
def gate_exchanged(s: Site) -> Iterator[Mutant]:
    for place, edges in s.places.products():
        e = edges[len(edges) // 2]
        other = e.other
        if (
            other is None
            or other.step is None
            or other.role in ("input", "target", "upstream", "initial")
            or e.step is None
        ):
            continue
        shift = other.step - e.step
        bases = dict.fromkeys(
            n.base
            for n in s.places.order
            if n.name
            and n.step is not None
            and n.shape == other.shape
            and n.base != other.base
            and n.role not in _GIVEN
        )
        for base in bases:
            if base == e.source and e.delay == -shift:
                continue  # factor-own

            def change(p: Pull, base: Any = base) -> None:
                old = p.edge.other
                assert old is not None
                new = s.u._nodes.get(f"{base}[{old.step}]")
                if new is not None:
                    _replace(p, new)

            here = [x for x in edges if s.u._nodes.get(f"{base}[{x.other.step if x.other else 0}]") in s.places.forward]
            later = [
                x
                for x in here
                if x.other is not None
                and s.u._nodes[f"{base}[{x.other.step}]"].serial > x.node.serial
                and x.node.batched is False
            ]
            if here and not later:
                clause = f"{_into(s, e)} is computed with {s.name(base or '', shift)} in place of {s.name(other.base or '', shift)}"
                yield Mutant(
                    f"{_spot(place)}:{base}", "", clause, rewrite((f"gate:{base}",), here, change), line=_line(e)
                )


# -- matrices ---------------------------------------------------------------------------------------------------------------------


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
        _replace(p, transpose(other))

    for name, edges in _matrix_edges(s).items():
        if name in s.square:
            e = edges[len(edges) // 2]
            changes = rewrite(("turned",), edges, turn)
            clause = (
                f"{name} is not transposed on the way back to {s.say(e.arg, e.step)}: {name} δ in place of {name}ᵀ δ"
            )
            yield Mutant(name, "", clause, changes, line=_line(e))
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
                        _replace(p, s.u.parameters[wrong])

                    e = edges[len(edges) // 2]
                    clause = f"{wrong}ᵀ stands in place of {name}ᵀ on the way back to {s.say(e.arg, e.step)}"
                    yield Mutant(
                        f"{name}:{wrong}", "", clause, rewrite((f"matrix:{wrong}",), edges, change), line=_line(e)
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


# -- the other convention -------------------------------------------------------------------------------------------------------------


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
    "update-gate-convention", "z and 1 − z are exchanged",
    "Whether z keeps the old state or takes the new one is a convention; the gradient must follow the one that was computed.", rank=1.8,
)  # fmt: skip
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
                    changes[e.index] = Rewrite(("blend",), lambda p, new=one_minus: _replace(p, new))  # type: ignore[misc]
                elif e.op == "mul" and e.other is one_minus:
                    changes[e.index] = Rewrite(("blend",), lambda p, new=z: _replace(p, new))  # type: ignore[misc]
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
