"""Mistakes in the other operand of a product: of another step, of another variable, transposed, left out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from ...core.graph import Node
from .base import Mutant, Site, entry, listed, rewrite
from .links import activation
from .places import Edge
from .reverse import Change, Pull

Place = tuple[str, tuple[int, ...], int]
_GIVEN = ("input", "target", "upstream", "initial", "loss", "total")


def _spot(place: Place) -> str:
    return f"{place[0]}.{'.'.join(map(str, (*place[1], place[2])))}"


def line_of(e: Edge) -> tuple[str, ...]:
    if e.arg.role == "parameter":
        return ("parameter", e.arg.name or "")
    return ("link", e.source, e.base) if e.arg.name else ("variable", e.base)


def _into(s: Site, e: Edge) -> str:
    """Whose gradient the edge feeds, in words."""
    if e.arg.role == "parameter":
        return f"∂E/∂{e.arg.name}"
    return f"the adjoint of {s.say(e.arg, e.step)}"


def put_operand(p: Pull, new: Node) -> None:
    p.args[1 - p.edge.slot] = new


# -- another step ------------------------------------------------------------------------------------------------------


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
            put_operand(p, new)
        elif border == "nothing":
            p.g = p.g * 0.0

    return change


@entry(
    "operand-shifted",
    "a factor of another step",
    "Check the step of every stored value: W h[t−1] gives δ[t] h[t−1]ᵀ, and c[t] = f[t] ∘ c[t−1] carries back with"
    " f[t].",
    "one step, for inputs",
    rank=2.0,
)
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
                yield Mutant(f"{_spot(place)}:{steps:+d}{border}", "", clause, changes, line=line_of(e), rank=rank)
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


# -- the wrong thing ---------------------------------------------------------------------------------------------------


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
                ("bare", f"{inner} in place of {shown}", lambda p: put_operand(p, p.edge.other.args[0]), "operand-bare")
            )
        elif activation(s, other.base or "", other.step or 0) is not None and other.args[0].shape == other.shape:
            found.append(
                ("bare", f"the pre-activation of {shown} in place of {shown}", lambda p: _pre(s, p), "operand-bare")
            )
        found.append(
            (
                "again",
                f"{shown} with {op.name} applied once more",
                lambda p: put_operand(p, op(p.edge.other, **other.attrs)),
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
                        lambda p, i=i: put_operand(p, p.edge.other.args[i]),
                        "operand-part",
                    )
                )
    if e.op == "mul":
        found.append(("left-out", f"without the factor {shown}", lambda p: _left_out(p), "factor-omitted"))
        if e.arg.shape == other.shape:
            found.append(
                (
                    "own",
                    f"{s.say(e.arg, e.step)} in place of {shown}",
                    lambda p: put_operand(p, p.edge.arg),
                    "factor-own",
                )
            )
    return found


def _pre(s: Site, p: Pull) -> None:
    other = p.edge.other
    assert other is not None
    inner = activation(s, other.base or "", other.step or 0)
    if inner is not None:
        put_operand(p, inner)


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
                    line=line_of(e),
                )
                if e.other is not None and e.arg.role != "parameter":
                    key = (tag, "every gate")
                    old = groups.get(key, ({}, 0))
                    groups[key] = ({**old[0], **changes}, old[1] + 1)


for key, title, lesson, rank in (
    (
        "operand-bare",
        "a value before its function",
        "The product rule brings the other factor as it stands in the equation: tanh(c), not c.",
        2.5,
    ),
    (
        "operand-again",
        "a function applied once too often",
        "Stored values have been through their function already.",
        2.8,
    ),
    ("operand-part", "part of a product", "In U(r ∘ h) the matrix meets r ∘ h, so its gradient is δ(r ∘ h)ᵀ.", 2.5),
    (
        "factor-omitted",
        "the other factor is left out",
        "Product rule: the adjoint of one factor is multiplied by the other.",
        2.0,
    ),
):
    entry(key, title, lesson, rank=rank)(partial(_instances, kind=key))


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
                    rewrite(("own",), both, lambda p: put_operand(p, p.edge.arg)),
                    line=("variable", place[0]),
                )


@entry(
    "gate-exchanged",
    "another gate's value",
    "Name the gates in the order in which they were stored: i, f, g and o have one shape, and nothing else tells them"
    " apart.",
    rank=2.5,
)
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
                new = s.u.nodes.get(f"{base}[{old.step}]")
                if new is not None:
                    put_operand(p, new)

            here = [x for x in edges if s.u.nodes.get(f"{base}[{x.other.step if x.other else 0}]") in s.places.forward]
            later = [
                x
                for x in here
                if x.other is not None
                and s.u.nodes[f"{base}[{x.other.step}]"].serial > x.node.serial
                and x.node.batched is False
            ]
            if here and not later:
                clause = (
                    f"{_into(s, e)} is computed with {s.name(base or '', shift)} in place of"
                    f" {s.name(other.base or '', shift)}"
                )
                yield Mutant(
                    f"{_spot(place)}:{base}", "", clause, rewrite((f"gate:{base}",), here, change), line=line_of(e)
                )
