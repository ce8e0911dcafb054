"""What the schedule changes before it computes: terms out of the loop, products with a common operand into one product.

Each pass makes the values of a system again; none changes what is computed, only how sums and products are bracketed.

1. `flatten`: nested sums and products become one with many terms.
2. `hoist`: of a sum or product in a loop, the terms that do not wait for the step before are put together outside it.
3. `pack`: `W_i x` and `W_f x` become rows of one product `[W_i; W_f] x`; in the reverse pass `U_iᵀ a + U_fᵀ b` becomes
   `[U_i; U_f]ᵀ [a; b]`, and `Σ a xᵀ`, `Σ b xᵀ` rows of `Σ [a; b] xᵀ`.
4. `lift`: what is done to all parts of such a product alike is done to the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from .values import Build, Value, again, rebuild, same, stages

__all__ = ["Values", "improve", "loops", "readers"]

Values = dict[str, Value]
Key = tuple[object, ...]
_LAST = 1 << 30


def improve(found: Values) -> Values:
    """All passes, on the values that are wanted, by name."""
    for each in (flatten, hoist, pack, lift, lift, lift):
        found = each(found)
    return found


def loops(found: Values) -> dict[Value, int]:
    """Value -> the number of the loop that it stands in, 0 for none."""
    return {v: i + 1 if s.loop else 0 for i, s in enumerate(stages(found.values())) for v in s.values}


def readers(values: Mapping[Value, int]) -> dict[Value, list[Value]]:
    """Value -> the values that read it."""
    uses: dict[Value, list[Value]] = {}
    for value in values:
        for arg in value.args:
            uses.setdefault(arg, []).append(value)
    return uses


def flatten(found: Values) -> Values:
    """A sum that only another sum reads is part of it; the same for products."""
    uses, kept = readers(loops(found)), set(found.values())

    def change(build: Build, value: Value, new: dict[Value, Value]) -> Value:
        if value.op not in ("Σ", "Π"):
            return again(build, value, new)
        pairs = []
        for old in value.args:
            inner = new[old]
            alike = old.op == value.op == inner.op and inner.shape == value.shape and inner.rows == value.rows
            pairs.append((alike and len(uses[old]) == 1 and old not in kept, inner))
        if value.op == "Π":
            factors: list[Value] = []
            factor = value.attrs["factor"]
            for opened, inner in pairs:
                factors += inner.args if opened else [inner]
                factor *= inner.attrs["factor"] if opened else 1.0
            return build.product(factors, value.shape, value.rows, factor)
        terms = [(1, build.full(value.attrs["number"], (), None))]
        for sign, (opened, inner) in zip(value.attrs["signs"], pairs):
            if opened:
                terms += [(sign * s, t) for s, t in zip(inner.attrs["signs"], inner.args)]
                terms.append((sign, build.full(inner.attrs["number"], (), None)))
            else:
                terms.append((sign, inner))
        return build.sum(terms, value.shape, value.rows)

    return rebuild(found, change)


def hoist(found: Values) -> Values:
    """Terms and factors that are there before the loop are put together before the loop."""
    loop = loops(found)

    def change(build: Build, value: Value, new: dict[Value, Value]) -> Value:
        if value.op not in ("Σ", "Π") or not loop[value]:
            return again(build, value, new)
        outer = [loop[old] != loop[value] for old in value.args]
        constant = value.attrs["number"] != 0 if value.op == "Σ" else value.attrs["factor"] != 1.0
        if sum(outer) + constant < 2 or not any(outer) or all(outer):
            return again(build, value, new)
        args = [new[a] for a in value.args]
        rows = next((a.rows for o, a in zip(outer, args) if o and a.rows is not None), None)
        if value.op == "Π":
            before = build.product([a for o, a in zip(outer, args) if o], value.shape, rows, value.attrs["factor"])
            return build.product([a for o, a in zip(outer, args) if not o] + [before], value.shape, value.rows)
        signed = list(zip(value.attrs["signs"], args))
        number = [(1, build.full(value.attrs["number"], (), None))]
        before = build.sum([t for o, t in zip(outer, signed) if o] + number, value.shape, rows)
        return build.sum([t for o, t in zip(outer, signed) if not o] + [(1, before)], value.shape, value.rows)

    return rebuild(found, change)


# -- products with a common operand ------------------------------------------------------------------------------------


def _weights(value: Value) -> bool:
    """A matrix of parameters, as it stands in the data."""
    return value.op == "given" and value.rows is None and len(value.shape) == 2


def pack(found: Values) -> Values:
    """One product for all that share an operand."""
    loop = loops(found)
    uses = readers(loop)
    order: dict[Key, list[Value]] = {}
    for value in loop:
        if value.op == "matvec" and _weights(value.args[0]) and value.args[1].rows is not None:
            order.setdefault(("matvec", value.args[1], loop[value]), []).append(value)
        elif (
            value.op == "batch_outer"
            and len(value.shape) == 2
            and all(a.rows is not None and len(a.shape) == 1 for a in value.args)
        ):
            order.setdefault(("batch_outer", value.args[1]), []).append(value)
        elif value.op == "batch_sum" and len(value.shape) == 1 and value.args[0].rows is not None:
            order.setdefault(("batch_sum", value.args[0].rows, loop[value.args[0]]), []).append(value)
    goals: dict[Value, int] = {}
    for key, members in sorted(order.items(), key=lambda item: not (item[1][0].op == "matvec" and item[0][2])):
        if (
            key[0] == "matvec"
        ):  # gates with one activation stand together; loops first, what they read in the same order
            found_goals = {m: _goal(m, uses) for m in members}
            kinds = list(dict.fromkeys(g.op for g in found_goals.values()))
            members.sort(key=lambda m: (goals.get(found_goals[m], _LAST), kinds.index(found_goals[m].op)))
            for m in members:
                goals.setdefault(found_goals[m], len(goals))
    place = {m.args[0]: i for members in order.values() if members[0].op == "matvec" for i, m in enumerate(members)}
    # what is multiplied with these matrices on the way back, in the order of the matrices
    sums: dict[Value, list[Value]] = {}
    rank: dict[Value, int] = {}
    for value in loop:
        if value.op == "Σ":
            terms = [
                a
                for sign, a in zip(value.attrs["signs"], value.args)
                if sign > 0
                and a.op == "vecmat"
                and _weights(a.args[1])
                and len(uses[a]) == 1
                and a.args[0].rows is not None
            ]
            if len(terms) > 1:
                sums[value] = sorted(terms, key=lambda a: place.get(a.args[1], _LAST))
                for a in sums[value]:
                    rank.setdefault(a.args[0], len(rank))
    for members in order.values():
        if members[0].op != "matvec":
            members.sort(key=lambda m: rank.get(m.args[0], _LAST))
    group_of = {m: key for key, members in order.items() if len({m.args[0] for m in members}) > 1 for m in members}
    made: dict[Key, Value] = {}

    def change(build: Build, value: Value, new: dict[Value, Value]) -> Value:
        if value in sums:
            chosen = sums[value]
            whole = _concat(build, [new[a.args[0]] for a in chosen])
            stack = _stack(build, [new[a.args[1]] for a in chosen])
            one = build.make("vecmat", [whole, stack], value.shape, value.rows, {}, chosen[0].primitive)
            rest = [(s, new[a]) for s, a in zip(value.attrs["signs"], value.args) if a not in chosen]
            return build.sum(
                [*rest, (1, one), (1, build.full(value.attrs["number"], (), None))], value.shape, value.rows
            )
        key = group_of.get(value)
        if key is None:
            return again(build, value, new)
        firsts = list(dict.fromkeys(m.args[0] for m in order[key]))
        if key not in made:
            parts = [new[a] for a in firsts]
            join = _stack(build, parts) if value.op == "matvec" else _concat(build, parts)
            args = [join, *(new[a] for a in value.args[1:])]
            shape = (join.shape[0], *value.shape[1:])
            made[key] = build.make(value.op, args, shape, value.rows, value.attrs, value.primitive)
        start = sum(a.shape[0] for a in firsts[: firsts.index(value.args[0])])
        if value.op == "matvec":
            return build.take(made[key], start, start + value.shape[0])
        return build.make("rows", [made[key]], value.shape, None, {"start": start, "stop": start + value.shape[0]})

    first = {m: [a for other in order[key] for a in other.args] for m, key in group_of.items()}
    return rebuild(found, change, first)


def _goal(value: Value, uses: Mapping[Value, list[Value]]) -> Value:
    """What a product is for: the first that is done to it besides adding."""
    for _ in range(6):
        if len(uses.get(value, ())) != 1:
            break
        value = uses[value][0]
        if value.op != "Σ":
            break
    return value


def _stack(build: Build, parts: list[Value]) -> Value:
    return build.make("stack", parts, (sum(p.shape[0] for p in parts), *parts[0].shape[1:]), None)


def _concat(build: Build, parts: list[Value]) -> Value:
    """Vectors one after the other; consecutive parts of one value are that value."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if all(p.op == "take" and p.args[0] is first.args[0] for p in parts):
        ends = [(p.attrs["start"], p.attrs["stop"]) for p in parts]
        if all(a[1] == b[0] for a, b in pairwise(ends)):
            return build.take(first.args[0], ends[0][0], ends[-1][1])
    rows = first.rows
    return (
        _stack(build, parts) if rows is None else build.make("concat", parts, (sum(p.shape[0] for p in parts),), rows)
    )


# -- the same operation on all parts -----------------------------------------------------------------------------------


def lift(found: Values) -> Values:
    """What is done to parts of one value alike (`+ b_i`, sigmoid) is done to the whole."""
    loop, kept = loops(found), set(found.values())
    groups: dict[Key, list[tuple[int, Value]]] = {}
    for value in loop:
        alike = value.op in ("Σ", "Π") or (value.primitive is not None and value.primitive.kind == "elementwise")
        slots = [
            i for i, a in enumerate(value.args) if a.op == "take" and a.shape == value.shape and a.rows == value.rows
        ]
        if not alike or not slots or value in kept or len(value.args) > 2:
            continue
        others = [a for i, a in enumerate(value.args) if i != slots[0]]
        if all(
            a.shape == value.shape and a.op != "full" and (not loop[value] or loop[a] != loop[value]) for a in others
        ):
            base = value.args[slots[0]]
            key = (
                value.op,
                repr(sorted(value.attrs.items())),
                slots[0],
                base.args[0],
                loop[value],
                tuple(a.rows for a in others),
            )
            groups.setdefault(key, []).append((base.attrs["start"], value))
    runs: dict[Value, list[Value]] = {}
    for members in groups.values():
        members.sort(key=lambda m: (m[0], m[1].serial))
        run: list[Value] = []
        for start, value in members:
            run = [*run, value] if run and start == _range(run)[1] and not _entangled([*run, value]) else [value]
            if len(run) > 1:
                runs |= dict.fromkeys(run, run)
    made: dict[Value, Value] = {}

    def change(build: Build, value: Value, new: dict[Value, Value]) -> Value:
        run = runs.get(value)
        if run is None:
            return again(build, value, new)
        if run[0] not in made:
            slot = next(i for i, a in enumerate(value.args) if a.op == "take")
            base = new[value.args[slot].args[0]]
            whole = build.take(base, *_range(run))
            args = [
                whole if i == slot else _concat(build, [new[v.args[i]] for v in run]) for i in range(len(value.args))
            ]
            wide = Value(value.op, args, value.attrs, whole.shape, value.rows)
            wide.primitive = value.primitive
            made[run[0]] = same(build, wide, args)
        start = _range(run[: run.index(value) + 1])[1] - value.shape[0] - _range(run)[0]
        return build.take(made[run[0]], start, start + value.shape[0])

    first = {
        v: [a for other in run for a in (*other.args, *(b for t in other.args for b in t.args if t.op == "take"))]
        for v, run in runs.items()
    }
    return rebuild(found, change, first) if runs else found


def _range(run: list[Value]) -> tuple[int, int]:
    """The part of their common argument that values take together."""
    ends = [next((a.attrs["start"], a.attrs["stop"]) for a in v.args if a.op == "take") for v in run]
    return ends[0][0], ends[-1][1]


def _entangled(run: list[Value]) -> bool:
    """Whether one of these values needs another one of them, within a step."""
    members, seen = set(run), set()
    stack = [a for v in run for a in v.args]
    while stack:
        value = stack.pop()
        if value in members:
            return True
        if value not in seen and value.op != "read":
            seen.add(value)
            stack += value.args
    return False
