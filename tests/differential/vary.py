"""What is put into a random recurrence afterwards: totals that do more than add, operations of one's own, sums and
means of matrices.

Each is drawn from a stream of its own, so that without it every seed gives the recurrence that it always gave.
"""

from __future__ import annotations

import random
from dataclasses import replace

from .trees import Case, Equation, Shape, Tree, call, name, num, places, put, shape_of

ENTRYWISE = ("tanh", "sigmoid", "sin", "cos", "softplus", "silu", "relu", "abs", "gelu", "exp", "identity")


def varied(case: Case, r: random.Random) -> Case:
    """The case with, now and then, another total, and operations of one's own in the place of some functions."""
    total, own = r.random() < 0.25, r.random() < 0.25
    case = with_total(case, r) if total else case
    return with_own(case, r) if own else case


def with_sums(case: Case, r: random.Random, reductions: tuple[str, ...] = ("sum", "mean")) -> Case:
    """The case with the sum or the mean, or another of `reductions`, of a matrix in a loss, a state or a total: of
    products, of outer products, of matrix states. Drawn from a stream of its own."""
    if r.random() > 0.3:
        return case
    shapes, equations = dict(case.shapes), list(case.equations)
    free = iter(f"m{i}" for i in range(1, 20))
    at = [i for i, e in enumerate(equations) if len(e.left) == 1 and not isinstance(e.index, tuple)
          and not any(n.op == "sum_k" for n in e.right.walk())]  # fmt: skip
    if not at or "m1" in shapes:
        return case
    losses = [i for i in at if equations[i].left[0] in (*case.losses, case.total)]
    i = r.choice(losses) if losses and r.random() < 0.6 else r.choice(at)
    e = equations[i]
    # what this equation reads it may read again; of a total, only parameters and last values
    names = [n for n in e.right.walk() if n.op == "name" and shapes[n.value[0]]]
    read = [n for n in names if e.index is not None or n.value[1] is None or n.value[1] == ("T", 0)]

    def new(shape: Shape) -> Tree:
        found = next(free)
        shapes[found] = shape
        return name(found)

    def leaf(rank: int, rows: int | None = None) -> Tree:
        fits = [n for n in read if len(shapes[n.value[0]]) == rank and rows in (None, shapes[n.value[0]][0])]
        if fits and r.random() < 0.75:
            return r.choice(fits)
        return new((rows or r.choice((2, 3, 4)), *[r.choice((2, 3, 4)) for _ in range(rank - 1)]))

    def matrix(depth: int, rows: int | None = None) -> Tree:
        kind = r.choice(("matmul", "matmul", "outer", "T", "same", "function", "leaf")) if depth else "leaf"
        if kind == "matmul":
            a = matrix(depth - 1, rows)
            if rows is None and r.random() < 0.15 and shape_of(a, shapes)[0] == shape_of(a, shapes)[1]:
                return call("matmul", a, a)
            return call("matmul", a, matrix(depth - 1, shape_of(a, shapes)[1]))
        if kind == "outer":
            return call("outer", leaf(1, rows), leaf(1))
        if kind == "T" and rows is None:
            return call("T", matrix(depth - 1))
        if kind == "same":
            a = matrix(depth - 1, rows)
            return call(r.choice(("add", "sub", "mul")), a, new(shape_of(a, shapes)))
        if kind == "function":
            return call(r.choice(("tanh", "sin", "sigmoid")), matrix(depth - 1, rows))
        return leaf(2, rows)

    f, a = r.choice(reductions), matrix(2)
    number = call(f, a, new(shape_of(a, shapes))) if f == "squared_error" else call(f, a)
    number = call("tanh", number) if r.random() < 0.3 else number
    inside = e.right.args and e.right.op in ("tanh", "sigmoid", "sin", "cos")
    whole = e.right.args[0] if inside else e.right
    whole = call(r.choice(("add", "mul", "sub")), *r.sample((whole, number), 2))
    equations[i] = replace(e, right=replace(e.right, args=(whole,)) if inside else whole)
    return replace(case, equations=tuple(equations), shapes=shapes)


def with_own(case: Case, r: random.Random) -> Case:
    equations = list(case.equations)
    for i, e in enumerate(equations):
        for path, part in places(e.right):  # a replaced place keeps the arguments of what stood there
            found = _own(part, case, r) if r.random() < 0.3 else None
            if found is not None:
                equations[i] = replace(e, right=put(e.right, path, found))
                break
    return replace(case, equations=tuple(equations))


def _own(part: Tree, case: Case, r: random.Random) -> Tree | None:
    """An operation of one's own with the arguments of a function, or of a product entry by entry."""
    if part.op in ENTRYWISE:
        return call(r.choice(("wave", "wave", "hump")), *part.args)
    if part.op in ("mul", "div"):
        return call("blend", *part.args)
    return None


def with_total(case: Case, r: random.Random) -> Case:
    """J = a function of sums over the steps, of last values and of parameters, in the place of the total there is."""
    timed = [e for e in case.equations if isinstance(e.index, int) and len(e.left) == 1]
    if not case.losses or not timed:
        return case
    shapes = dict(case.shapes)
    free = iter(f"j{i}" for i in range(1, 20))

    def parameter(shape: tuple[int, ...]) -> Tree:
        new = next(free)
        shapes[new] = shape
        return name(new)

    def number(n: str, index: object, e: Equation) -> Tree:
        """A value as one number."""
        value, shape = name(n, index), shapes[n]
        if not shape:
            return value
        if len(shape) > 1:
            return call("sum", value)
        f = r.choice(("dot", "sum", "norm"))
        return call("dot", parameter(shape), value) if f == "dot" else call(f, value)

    def atom() -> Tree:
        e = r.choice([e for e in timed if e.left[0] in case.losses] if r.random() < 0.6 else timed)
        n, roll = e.left[0], r.random()
        if roll < 0.2:
            return number(n, ("T", e.index), e)
        if roll < 0.3:
            return parameter(())
        if roll < 0.45 and len(shapes[n]) == 1:  # a sum of vectors
            whole = call("sum_t", name(n, e.index))
            return call("dot", whole, whole) if r.random() < 0.3 else call("dot", parameter(shapes[n]), whole)
        one = number(n, e.index, e)
        if r.random() < 0.3:
            one = r.choice((call("pow", one, num(2)), call("mul", parameter(()), one), call("tanh", one)))
        found = call("sum_t", one)
        return call("mul", num(0.25), found) if r.random() < 0.2 else found

    def tree(depth: int) -> Tree:
        if depth == 0:
            return atom()
        a, f = tree(depth - 1), r.choice(("mul", "mul", "add", "sub", "div", "tanh", "log", "sqrt", "softplus", "pow"))
        if f in ("mul", "add", "sub"):
            return call(f, a, tree(r.randint(0, depth - 1)))
        if f == "div":
            return call("div", a, call("add", num(1), call("pow", tree(0), num(2))))
        if f in ("log", "sqrt"):
            return call(f, call("add", num(1), call("pow", a, num(2))))
        return call("pow", a, num(2)) if f == "pow" else call(f, a)

    right = tree(r.choice((1, 2, 2)))
    if not any(n.op in ("sum_t",) for n in right.walk()):
        right = call("mul", right, call("sum_t", name(timed[-1].left[0], timed[-1].index)))
        if shape_of(right, shapes) != ():
            return case
    kept = tuple(e for e in case.equations if e.left[0] != case.total)
    shapes["J"] = ()
    if "J" in {n for e in kept for n in e.left}:
        return case
    return replace(case, equations=(*kept, Equation(("J",), None, right)), shapes=shapes, loss="every", reduce="sum")
