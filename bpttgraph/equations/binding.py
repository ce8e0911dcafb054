"""What stands before the model: functions that are let be others, and steps written out by hand that are one
equation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.activations import surrogate
from ..core.primitive import TABLE, Primitive
from ..errors import BPTTError, expect, nearest
from .functions import ALIASES, FUNCTIONS, Function, canonical, own_function
from .language import parse_binding
from .syntax import Call, Equation, Expr, Index, Name
from .text import brief, show
from .trees import calls, names_in, rebuild

__all__ = ["bind", "called", "checked_let", "fold_steps"]


_SURROGATE = re.compile(
    r"\s*(?:step|heaviside|Heaviside)\s*[,;]\s*surrogate\s*=\s*(\w+)\s*(?:\(\s*([0-9]*\.?[0-9]+)\s*\*?\s*x?\s*\))?\s*"
)
SMOOTH = {"fast_sigmoid": "softsign", "straight_through": "identity"}


def _surrogate(spelled: re.Match[str]) -> Primitive:
    """`step, surrogate=sigmoid(25 x)`: the step function with the derivative of another."""
    name = SMOOTH.get(spelled[1], canonical(spelled[1]))
    op = TABLE.get(name)
    if op is None or name not in FUNCTIONS or op.attributes or len(op.partials or ()) != 1:
        known = ["sigmoid", "tanh", "arctan", "softsign", "erf", "fast_sigmoid", "straight_through"]
        raise BPTTError(
            f"let: {spelled[1]} is no function whose derivative a step can take", nearest(spelled[1], known)
        )
    return surrogate(name, float(spelled[2] or 1))


def called(let: Mapping[str, Any] | None) -> frozenset[str]:
    """The names that `let` says to be functions."""
    return frozenset(str(name).partition("(")[0].strip() for name in let) if isinstance(let, Mapping) else frozenset()


def checked_let(let: Mapping[str, Any] | None) -> dict[str, Any]:
    """What abstract functions stand for, by their names."""
    hint = 'bind functions by name, such as let={"phi": "tanh"}'
    expect({} if let is None else let, Mapping, "let", hint)
    for name in let or {}:
        expect(name, str, "the name of a function in let", hint)
    return dict(let or {})


def bind(equations: list[Equation], let: Mapping[str, Any], text: str) -> list[Equation]:
    """Put what `let` says in the place of abstract functions."""
    bindings: dict[str, tuple[tuple[str, ...], Expr]] = {}
    own: dict[str, Function] = {}
    for name, value in let.items():
        if isinstance(value, Primitive):
            own[canonical(name)] = own_function(value)
            continue
        if isinstance(value, str) and (spelled := _SURROGATE.fullmatch(value)):
            own[canonical(name)] = own_function(_surrogate(spelled))
            continue
        if not isinstance(value, str):
            raise BPTTError(
                f"let: {name} must be bound by a text, or by an operation of your own",
                'write let={"phi": "tanh"}, let={"f(x, h; w)": "tanh(w x + h)"} or let={"phi": bpttgraph.primitive(…)}',
            )
        function, formals, body = parse_binding(f"{name} = {value}")
        if isinstance(body, Name) and body.index is None and not formals and canonical(body.name) not in FUNCTIONS:
            raise BPTTError(f"let: {value} is not a known function", nearest(value, sorted(FUNCTIONS)))
        bindings[canonical(function)] = (formals, body)
    used: set[str] = set()

    def change(e: Expr) -> Expr:
        if not isinstance(e, Call):
            return e
        name = canonical(e.function)
        if name in own:
            used.add(name)
            return replace(e, own=own[name], args=(*e.args, *e.parameters), parameters=())
        if name in bindings:
            used.add(name)
            formals, body = bindings[name]
            if not formals and isinstance(body, Name):
                return replace(e, function=canonical(body.name), args=(*e.args, *e.parameters), parameters=())
            given = (*e.args, *e.parameters)
            if len(formals) != len(given):
                call = f"{e.function}({', '.join('abcdefgh'[: len(given)])})"
                count = f"{len(given)} argument{'s' if len(given) > 1 else ''}"
                free = [*dict.fromkeys(n.name for n, _ in names_in(body) if n.index is None)]
                hint = f"write let {call} = …"
                if not formals and len(free) == len(given):
                    hint = f'write let={{"{e.function}({", ".join(free)})": "{brief(body)}"}}'
                raise BPTTError(f"{e.function} is called with {count}, but bound with {len(formals) or 'none'}",
                                hint, text=text, span=e.span)  # fmt: skip
            table = dict(zip(formals, given))
            return rebuild(body, lambda x: table.get(x.name, x) if isinstance(x, Name) and x.index is None else x)
        return replace(e, function=name) if name in FUNCTIONS or e.function in ALIASES else e

    changed = [replace(e, right=rebuild(e.right, change)) for e in equations]
    unknown = (set(bindings) | own.keys()) - used
    if unknown:
        known = sorted(
            {e.function for q in equations for e in calls(q.right) if canonical(e.function) not in FUNCTIONS}
        )
        hint = (
            nearest(sorted(unknown)[0], known) if known else "this recurrence has no abstract function: leave let out"
        )
        raise BPTTError(f"let: no equation calls {', '.join(sorted(unknown))}", hint)
    return [replace(e, right=rebuild(e.right, change)) for e in changed] if bindings else changed


def fold_steps(equations: list[Equation]) -> tuple[list[Equation], list[str], int]:
    """`h_3 = f(x_3, h_2); h_2 = f(x_2, h_1); …` is one equation written out by hand: fold it back to `h[t] = f(x[t],
    h[t-1])`.

    Returns the equations, notes, and the last step that was written out.
    """
    groups: dict[tuple[str | None, str], list[Equation]] = {}
    for e in equations:
        index = e.left[0].index
        if len(e.left) == 1 and index and index.variable is None and (index.offset >= 1 or _reads_before(e, index)):
            groups.setdefault((e.left[0].block or e.block, e.left[0].name), []).append(e)
    whole = {
        (e.left[0].block or e.block, e.left[0].name)
        for e in equations
        if e.left[0].index and e.left[0].index.variable == "t"
    }
    notes: list[str] = []
    dropped: set[int] = set()
    folded: dict[int, Equation] = {}
    last = 0
    for place, group in groups.items():
        name = place[1]
        steps = sorted(e.left[0].index.offset for e in group if e.left[0].index)
        before = any(
            n.name == name and n.index and n.index.variable is None for e in group for n, _ in names_in(e.right)
        )
        alone = len(group) < 2 and (
            place in whole or not before
        )  # a step with an equation of its own, such as the first
        if alone or steps != list(range(steps[0], steps[0] + len(group))):
            continue
        shifted = [_shift(e) for e in group]
        if len({show(e.right) for e in shifted}) == 1:
            dropped |= {id(e) for e in group}
            folded[id(group[0])] = shifted[0]
            last = max(last, steps[-1])
            one, many = (
                f"equation for {name} at step {steps[0]} is",
                f"equations for {name} at the steps {steps[0]} to {steps[-1]} are",
            )
            notes.append(
                f"the {many if len(group) > 1 else one} read as one equation for every step: {shifted[0].text}"
            )
    result = [folded.get(id(e), e) for e in equations if id(e) not in dropped or id(e) in folded]
    return result, notes, last


def _reads_before(e: Equation, index: Index) -> bool:
    """`h_0 = f(h_{-1}, x_0)`: an equation for one step, and no initial value."""
    steps = [n.index for n, _ in names_in(e.right) if n.name == e.left[0].name and n.index]
    return any(s.variable is None and s.offset < index.offset for s in steps)


def _shift(e: Equation) -> Equation:
    index = e.left[0].index
    assert index is not None
    base = index.offset

    def change(x: Expr) -> Expr:
        if isinstance(x, Name) and x.index and x.index.variable is None:
            return replace(x, index=Index("t", x.index.offset - base))
        return x

    right, left = rebuild(e.right, change), replace(e.left[0], index=Index("t", 0))
    return replace(e, left=(left,), right=right, text=f"{left.name}[t] = {show(right)}")
