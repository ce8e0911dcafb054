"""What equations define and read, and the order in which a step is computed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import BPTTError
from .syntax import Equation, Expr, Index, Name
from .text import brief
from .trees import names_in, rebuild

__all__ = ["Component", "Definition", "Read", "components"]


@dataclass(frozen=True, eq=False)
class Definition:
    """`bases[at t + offset] = right` for every t; or, with `fixed`, for one step only (`("t", 0)`-style index); or for
    no step.

    Attributes:
        bases: the names on the left, with their block (`encoder.h`); several for an unpacked stack.
        kind: "every" (each t), "fixed" (one step, given by `index`), "once" (no step at all).
        offset: left index minus t, 1 in `x[t+1] = …`.
    """

    bases: tuple[str, ...]
    kind: str
    offset: int
    index: Index | None
    right: Expr
    equation: Equation
    block: str | None

    @property
    def text(self) -> str:
        return self.equation.text


@dataclass(frozen=True, eq=False)
class Read:
    """One definition reads another: `delay` steps of computation before, or None when it needs the whole of it (`h[T]`,
    sums)."""

    reader: Definition
    source: Definition
    delay: int | None


@dataclass(frozen=True, eq=False)
class Component:
    """Definitions that read one another, in their order within a step; `direction` over the steps is 1 or −1."""

    definitions: tuple[Definition, ...]
    direction: int


def components(definitions: list[Definition], reads: list[Read], text: str) -> list[Component]:
    """Group definitions that depend on each other over time, and put groups and definitions in order of computation."""
    place = {id(d): i for i, d in enumerate(definitions)}
    after: list[set[int]] = [set() for _ in definitions]  # after[i]: what i reads, any delay
    now: list[set[int]] = [set() for _ in definitions]  # … in the same step
    for r in reads:
        i, j = place[id(r.reader)], place[id(r.source)]
        after[i].add(j)
        if r.delay == 0:
            now[i].add(j)
        if r.delay is None and i == j:
            raise BPTTError(f"{r.reader.bases[0]} is defined by itself", "read it at an earlier step: [t-1]",
                            text=text, span=r.reader.equation.span)  # fmt: skip
    reach = [_reachable(i, after) for i in range(len(definitions))]
    group = [min([j for j in reach[i] if i in reach[j]] + [i]) for i in range(len(definitions))]
    members: dict[int, list[int]] = {}
    for i, g in enumerate(group):
        members.setdefault(g, []).append(i)
    result = []
    for g in _topological(
        list(members), {g: {group[j] for i in m for j in after[i]} - {g} for g, m in members.items()}
    ):
        inside = members[g]
        delays = [r.delay for r in reads if group[place[id(r.reader)]] == g == group[place[id(r.source)]]]
        within = {i: now[i] & set(inside) for i in inside}
        order = _topological(inside, within)
        if len(order) < len(inside) or any(d is None for d in delays):
            stuck = [i for i in inside if i not in order] or inside
            cycle = _cycle(stuck, within) if len(order) < len(inside) else stuck
            path = " → ".join(
                definitions[i].bases[0] + ("[t]" if definitions[i].kind == "every" else "") for i in (*cycle, cycle[0])
            )
            hint = _changed(definitions, cycle) or _step_hint(definitions[cycle[0]].text)
            raise BPTTError(f"circular definition within a step: {path}", hint, text=text,
                            span=definitions[cycle[0]].equation.span)  # fmt: skip
        known = [d for d in delays if d is not None]
        if any(d > 0 for d in known) and any(d < 0 for d in known):
            names = ", ".join(b for i in inside for b in definitions[i].bases)
            raise BPTTError(f"{names} read each other both at earlier and at later steps: no order computes them",
                            "let states that run forwards and states that run backwards not read each other",
                            text=text, span=definitions[inside[0]].equation.span)  # fmt: skip
        result.append(Component(tuple(definitions[i] for i in order), -1 if any(d < 0 for d in known) else 1))
    return result


def _changed(definitions: list[Definition], cycle: list[int]) -> str:
    """What to write for `x_t = x_t / ‖x_t‖`, which changes what is given: a name of its own for the result. Empty if
    the value is read at an earlier step, too, or is made of other values than itself."""
    d = definitions[cycle[0]]
    old = d.equation.left[0]
    if len(cycle) > 1 or len(d.bases) > 1 or d.block or old.index is None:
        return ""
    reads = [(n, other) for other in definitions for n, _ in names_in(other.right) if n.name == old.name]
    given = {n.name for n, _ in names_in(d.right) if n.index} == {old.name}
    others = [other for n, other in reads if other is not d]
    if not given or not others or old.name in ("h", "s", "c") or any(n.index != old.index for n, _ in reads):
        return ""
    taken = {n.name for other in definitions for n, _ in names_in(other.right)}
    taken |= {n.name for other in definitions for n in other.equation.left}
    new = next((a for a in "uvzpqabdg" if a not in taken), f"{old.name}_1")

    def rename(e: Expr) -> Expr:
        return replace(e, name=new) if isinstance(e, Name) and e.name == old.name else e

    lines = [
        f"{brief(replace(old, name=new))} = {brief(d.right)}"
        if other is d
        else f"{', '.join(map(brief, other.equation.left))} = {brief(rebuild(other.right, rename))}"
        for other in definitions
        if other is d or other in others
    ]
    return f"write {'; '.join(lines)} for a changed value with a name of its own"


def _step_hint(text: str) -> str:
    """What to do about a circle: often `h_t-1` was meant to be `h_{t-1}`."""
    slip = re.search(r"(\w+)_t\s?([+−–-]\s?\d)", text)
    if slip:
        step = "t" + re.sub(r"[−–]", "-", slip[2]).replace(" ", "")
        return f"{slip[0]} is {slip[1]}_t with {step[1:]} added; write {slip[1]}_{{{step}}} or {slip[1]}[{step}]"
    return "let one of them read the step before: [t-1]"


def _reachable(start: int, after: list[set[int]]) -> set[int]:
    found, stack = set(), list(after[start])
    while stack:
        i = stack.pop()
        if i not in found:
            found.add(i)
            stack.extend(after[i])
    return found


def _topological(items: list[int], before: Mapping[int, set[int]]) -> list[int]:
    """Items in an order in which what each needs comes first, otherwise as given; stops at a cycle."""
    done: dict[int, None] = {}
    waiting = list(items)
    while waiting:
        ready = [i for i in waiting if all(j in done for j in before[i])]
        if not ready:
            break
        for i in ready:
            done[i] = None
        waiting = [i for i in waiting if i not in done]
    return list(done)


def _cycle(items: list[int], before: Mapping[int, set[int]]) -> list[int]:
    path = [items[0]]
    inside = set(items)
    while True:
        following = min(before[path[-1]] & inside)
        if following in path:
            return list(reversed(path[path.index(following) :]))
        path.append(following)
