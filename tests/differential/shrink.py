"""Make a failing case small: drop equations, replace subtrees by their parts or by leaves, fewer steps, no batch,
smaller sizes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from .trees import Case, Equation, Shape, Tree, name, num, places, put, shape_of, well_formed

WORDS = ("num", "name")


def shrink(case: Case, fails: Callable[[Case], bool], seconds: float = 20.0) -> Case:
    """The smallest case found for which `fails` still holds."""
    end = time.monotonic() + seconds
    smaller = True
    while smaller and time.monotonic() < end:
        smaller = False
        for candidate in candidates(case):
            if time.monotonic() > end:
                break
            if _size(candidate) < _size(case) and well_formed(candidate) and fails(candidate):
                case, smaller = candidate, True
                break
    return case


def _size(case: Case) -> tuple[int, ...]:
    """What becomes smaller: first the text, then the options."""
    nodes = sum(2 if n.op == "name" else 1 for e in case.equations for n in e.right.walk())
    options = (
        (case.batch is not None) + (case.loss != "every") + (case.reduce != "sum") + len(case.single) + len(case.absent)
    )
    plain = sum(n.op not in (*WORDS, "tanh", "add", "matmul", "mul") for e in case.equations for n in e.right.walk())
    text = nodes + 2 * len(case.equations) + sum(len(e.left) for e in case.equations)
    sizes = sum(sum(s) for s in case.sizes.values())
    return text, options, case.steps, plain, sizes, case.style == "@", -len(set(case.sizes.values()))


def candidates(case: Case) -> Iterator[Case]:
    """Simpler cases, the boldest first."""
    for i in range(len(case.equations)):
        yield replace(case, equations=case.equations[:i] + case.equations[i + 1 :])
    if case.steps > 1:
        for steps in range(1, case.steps):
            loss = case.loss if isinstance(case.loss, str) else tuple(s for s in case.loss if s <= steps) or (steps,)
            yield replace(case, steps=steps, loss=loss)
    if case.batch is not None:
        yield replace(case, batch=None, single=frozenset())
    if case.batch is not None and case.batch != 2:
        yield replace(case, batch=2)
    for simpler in ({"single": frozenset()}, {"absent": frozenset()}, {"loss": "every"}, {"reduce": "sum"}):
        yield replace(case, **simpler)  # type: ignore[arg-type]
    for i, e in enumerate(case.equations):
        before, after = case.equations[:i], case.equations[i + 1 :]
        if len(e.left) > 1:
            (left, *_), shapes = e.left, dict(case.shapes)
            shapes[left] = shape_of(e.right, shapes)
            yield replace(case, equations=(*before, Equation((left,), e.index, e.right), *after), shapes=shapes)
        for path, part in places(e.right):
            for new in simpler_trees(part, case):
                yield replace(case, equations=(*before, replace(e, right=put(e.right, path, new)), *after))
    sizes = sorted({n for s in case.sizes.values() for n in s if n > 2}, reverse=True)
    for n in sizes:
        for m in range(2, n):
            yield replace(case, shapes={k: tuple(m if x == n else x for x in s) for k, s in case.shapes.items()})
    for k, s in case.sizes.items():
        if s:
            yield replace(case, shapes={**case.shapes, k: tuple(max(1, x - 1) for x in s)})
    yield replace(case, style=" ")


def simpler_trees(part: Tree, case: Case) -> Iterator[Tree]:
    """What may stand for a subtree: a part of it, one of its leaves, a number, or a parameter of its shape."""
    if part.op in WORDS:
        if part.op == "name" and isinstance(part.value[1], int) and part.value[1] < -1:
            yield name(part.value[0], -1)
        return
    try:
        shape = shape_of(part, case.shapes)
    except ValueError:
        return
    if part.op != "sum_t":
        for inner in part.walk():
            if inner is not part and _shaped(inner, case) == shape:
                yield inner
        known = [n for n in case.parameters if case.shapes[n] == shape]
        for n in known[:2]:
            yield name(n)
        if shape == ():
            yield num(2)
    if part.op in ("stack", "concat") and len(part.args) > 2:
        for i in range(len(part.args)):
            yield Tree(part.op, part.args[:i] + part.args[i + 1 :])
    if len(part.args) == 1 and part.op not in ("tanh", "sum_t", "sum_k", "T"):
        yield Tree("tanh", part.args)
    if part.op == "concat":
        yield Tree("stack", part.args)


def _shaped(e: Tree, case: Case) -> Shape | None:
    try:
        return shape_of(e, case.shapes)
    except ValueError:
        return None
