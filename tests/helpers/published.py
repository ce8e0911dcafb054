"""Equations as a paper prints them: read as expression trees, evaluated backwards in time, and spoilt in every way.

The equation language is the notation; a paper's names are told by a renaming of ours. Nothing here knows a derivative.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

import bpttgraph as bg
from bpttgraph.core.graph import leaf
from bpttgraph.derive.evaluate import matrix_value, unlift
from bpttgraph.derive.read import formula
from bpttgraph.equations.functions import FUNCTIONS, canonical
from bpttgraph.equations.language import parse
from bpttgraph.equations.syntax import Binary, Call, Index, Name, Negate, Number, Reduce, Transposed
from bpttgraph.formulas.expr import (
    Add,
    BigSum,
    Expr,
    Hadamard,
    Num,
    Partial,
    Product,
    Symbol,
    Transpose,
    add,
    diag,
    hadamard,
    neg,
    num,
    power,
    product,
    subtract,
    symbol,
    transpose,
)
from bpttgraph.formulas.steps import fill

Shapes = Mapping[str, tuple[int, ...]]


def step(index: Index | None) -> str:
    if index is None:
        return ""
    offset = f"{index.offset:+d}" if index.variable and index.offset else "" if index.variable else str(index.offset)
    return f"[{index.variable or ''}{offset}]"


def tree(e: Any, shapes: Shapes) -> Expr:
    """A syntax tree as an expression; `shapes` by the paper's names."""

    def bound(index: Index) -> Expr:
        if index.variable is None:
            return num(index.offset)
        return add(Symbol((), index.variable, ()), num(index.offset))

    def go(e: Any) -> Expr:
        if isinstance(e, Number):
            return num(e.value)
        if isinstance(e, Name):
            return symbol(e.name + step(e.index), shapes[e.name])
        if isinstance(e, Negate):
            return neg(go(e.operand))
        if isinstance(e, Transposed):
            return transpose(go(e.operand))
        if isinstance(e, Reduce):
            body = go(e.body)
            assert e.kind == "sum"
            return BigSum(
                body.shape, e.variable, bound(e.lower or Index(None, 1)), bound(e.upper or Index("T", 0)), body
            )
        if isinstance(e, Binary):
            a, b = go(e.left), go(e.right)
            kinds = {"+": add, "-": subtract, "*": hadamard, "@": product, " ": product, "^": power}
            return kinds[e.operator](a, b)
        assert isinstance(e, Call)
        args = [go(a) for a in e.args]
        if e.function == "diag":
            return diag(args[0], args[0].shape[0])
        # a known function is applied as the rule table has it, to a stand-in that then is replaced
        inner = leaf("·", args[0].shape[:1] if args[0].shape and args[0].shape[1] == 1 else args[0].shape)
        made = formula(FUNCTIONS[canonical(e.function)].build(inner))
        return instead(made, "·", args[0])

    return go(e)


def instead(e: Any, name: str, value: Expr) -> Any:
    if isinstance(e, tuple):
        return tuple(instead(x, name, value) for x in e)
    if isinstance(e, Symbol):
        return value if e.name == name else e
    if not isinstance(e, Expr) or isinstance(e, Num):
        return e
    return replace(
        e,
        **{
            f.name: instead(getattr(e, f.name), name, value)
            for f in fields(e)
            if f.name not in ("shape", "op", "attrs", "arg_dims")
        },
    )


class Paper:
    """A backward pass as printed: `left[t] = …` in the order of computation, then sums for the parameters.

    Args:
        text: the equations. u: an unrolling of our recurrence. names: our names -> the paper's, also of adjoints
        (`δ_g`) and gradients (`∂U_g`).
    """

    def __init__(self, text: str, u: bg.Unrolled, names: Mapping[str, str]):
        self.u, self.names = u, dict(names)
        shapes: dict[str, tuple[int, ...]] = {}
        for v in u.vgraph.variables.values():
            shapes[self.names.get(v.base, v.base)] = shapes["∂" + v.base] = v.shape
            shapes[self.names.get("∂" + v.base, "∂" + v.base)] = v.shape
        program = parse(text)
        for r in u.recurrence.derive("all").recursions:
            shapes[self.names.get(r.key, r.key)] = r.dims
        for e in program.equations:  # an intermediate of the paper is shaped like the first vector in it
            shapes.setdefault(e.left[0].name, shapes[self.names.get("h", "h")])
        self.equations = {e.left[0].name + step(e.left[0].index): tree(e.right, shapes) for e in program.equations}
        self.shapes = shapes

    def gradients(self, run: bg.Run, equations: Mapping[str, Expr] | None = None) -> dict[str, Any]:
        """The sums, by the paper's name, from the paper's equations alone; beyond the last step everything is 0."""
        T = self.u.steps[None]
        values: dict[str, Any] = {}
        for name in self.u.vgraph.variables:
            base, bracket, rest = name.partition("[")
            values[self.names.get(base, base) + bracket + rest] = (
                run.array(name)[0] if self.u.node(name).batched else run.array(name)
            )
        equations = self.equations if equations is None else equations
        steps = {n: e for n, e in equations.items() if n.endswith("[t]")}
        for name in steps:
            for t in (0, T + 1, T + 2):
                values.setdefault(f"{name[:-3]}[{t}]", np.zeros(self.shapes[name[:-3]]))
        for s in [x for x in self.shapes if f"{x}[1]" in values]:
            for t in (-1, 0, T + 1):
                values.setdefault(f"{s}[{t}]", np.zeros(self.shapes[s]))
        for t in range(T, 0, -1):
            for name, e in steps.items():
                values[f"{name[:-3]}[{t}]"] = unlift(matrix_value(fill(e, {"t": t, "T": T}), values), e.shape)
        return {
            n: unlift(matrix_value(fill(e, {"T": T}), values), e.shape) for n, e in equations.items() if n not in steps
        }


def mutants(e: Any) -> Iterator[Expr]:
    """The tree spoilt at one place: a term or a factor of ∘ missing, a sign turned, a transpose missing, a step off by
    one."""
    if isinstance(e, tuple):
        for i, x in enumerate(e):
            for m in mutants(x):
                yield (*e[:i], m, *e[i + 1 :])  # type: ignore[misc]
        return
    if not isinstance(e, Expr) or isinstance(e, Num):
        return
    if isinstance(e, Add | Hadamard):
        parts = e.terms if isinstance(e, Add) else e.factors
        made = add if isinstance(e, Add) else hadamard
        for i in range(len(parts)):
            rest = (*parts[:i], *parts[i + 1 :])
            if any(p.shape for p in rest) or not e.shape:
                yield made(*rest)
            if isinstance(e, Add) and i:  # two signs are left when one is turned: not the whole negated
                yield made(*parts[:i], neg(parts[i]), *parts[i + 1 :])
    if isinstance(e, Product):
        yield neg(e)
    if isinstance(e, Transpose):
        yield e.arg
    if isinstance(e, Symbol) and "[t" in e.name:
        base, _, rest = e.name.partition("[t")
        for by in (-1, 1):
            offset = int(rest[:-1] or 0) + by
            yield replace(e, name=f"{base}[t{offset:+d}]" if offset else f"{base}[t]")
    if isinstance(e, Partial):
        yield replace(e, immediate=not e.immediate)
        moved = e.target.replace("[t]", "[t-1]").replace("[k]", "[k-1]").replace("[j]", "[j+1]")
        if moved != e.target:
            yield replace(e, target=moved)
    if not isinstance(e, Symbol):
        for f in fields(e):
            if f.name not in ("shape", "op", "attrs", "arg_dims", "index", "lower", "upper"):
                for m in mutants(getattr(e, f.name)):
                    yield replace(e, **{f.name: m})


def instead_partial(e: Any, name: Expr, value: Expr) -> Any:
    """`value` in the place of a derivative's symbol."""
    if isinstance(e, tuple):
        return tuple(instead_partial(x, name, value) for x in e)
    if e == name:
        return value
    if not isinstance(e, Expr) or isinstance(e, Num | Symbol | Partial):
        return e
    kept = ("shape", "op", "attrs", "arg_dims")
    return replace(
        e, **{f.name: instead_partial(getattr(e, f.name), name, value) for f in fields(e) if f.name not in kept}
    )
