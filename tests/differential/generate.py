"""Random recurrences: small, readable, and nasty often."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .trees import Case, Equation, Shape, Tree, call, name, num, shape_of, well_formed
from .vary import varied, with_sums

SMOOTH = ("tanh", "sigmoid", "softplus", "silu", "sin", "cos", "identity")
KINKED = ("relu", "leaky_relu", "elu", "clip", "abs", "max0", "max2", "min2")
SUMS_FROM = 300_000  # earlier seeds give what they always gave
REDUCTIONS_FROM = 500_000
REDUCTIONS = ("sum", "mean", "norm", "max", "min", "squared_error")
NASTY = (
    "np",
    "range",
    "dh",
    "delta_h",
    "δ",
    "delta",
    "w_p",
    "w_prime",
    "print",
    "W_1",
    "θ",
    "len",
    "steps",
    "zeros",
    "dE",
    "dW",
)


class Generator:
    """Builds one case. `readable` are the names an equation may read now, with the index to read them at."""

    def __init__(self, seed: int):
        self.r = random.Random(seed)
        r = self.r
        self.chance = lambda p: r.random() < p
        self.seed = seed
        self.shapes: dict[str, Shape] = {}
        self.kinds: dict[str, str] = {}
        self.parameters: list[str] = []
        self.inputs: list[str] = []
        self.scalar_only = self.chance(0.12)
        self.steps = r.choices((1, 2, 3, 4, 5), (1, 3, 5, 2, 1))[0]
        pool = r.sample((2, 3, 4, 5), 4)
        if self.chance(0.3):
            pool = [max(2, self.steps)] * 2 + pool[:1] if self.chance(0.6) else [pool[0]] * 2 + pool[1:2]
        if self.chance(0.04):
            pool = [1, *pool]
        self.pool = pool
        self.sharing = r.choice((0.1, 0.3, 0.7))
        self.timed: list[tuple[str, Any]] = []  # values of this step, and states at earlier ones
        self.once: list[str] = []
        self.in_once = False
        self.letters = iter(["W", "U", "V", "A", "D", "F", "G", "K", "M", "N", "P", "Q", "R", "B", "S", "X"])
        self.small = iter(["b", "a", "d", "w", "v", "p", "q", "g1", "a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4"])

    # -- names and leaves ----------------------------------------------------------------------------------------------

    def dim(self) -> int:
        return self.r.choice(self.pool)

    def parameter(self, shape: Shape) -> Tree:
        known = [p for p in self.parameters if self.shapes[p] == shape and p not in self.kinds]
        if known and (self.chance(self.sharing) or len(self.parameters) > 6):
            return name(self.r.choice(known))
        return name(self.parameter_named(next(self.letters if len(shape) == 2 else self.small), shape))

    def parameter_named(self, new: str, shape: Shape) -> str:
        self.shapes[new] = shape
        self.parameters.append(new)
        return new

    def input(self, shape: Shape) -> Tree:
        known = [i for i in self.inputs if self.shapes[i] == shape and i not in self.kinds]
        if known and self.chance(0.7):
            n = self.r.choice(known)
            if self.chance(0.04):
                return name(n, -1)
        else:
            n = next(i for i in ("x", "z_in", "p_in", "q_in", *[f"x_{j}" for j in range(40)]) if i not in self.shapes)
            self.shapes[n] = shape
            self.inputs.append(n)
        return name(n, 0)

    def target(self, shape: Shape, kind: str = "") -> Tree:
        n = next(
            i for i in ("target", "d_out", "target_2", *[f"target_{j}" for j in range(3, 40)]) if i not in self.shapes
        )
        self.shapes[n] = shape
        if kind:
            self.kinds[n] = kind
        return name(n, 0)

    def readable(self, shape: Shape | None = None, rank: int | None = None) -> list[Tree]:
        found = [] if self.in_once else [name(n, i) for n, i in self.timed]
        found += [name(n) for n in self.once]
        return [f for f in found if (shape is None or self.shapes[f.value[0]] == shape)
                and (rank is None or len(self.shapes[f.value[0]]) == rank)]  # fmt: skip

    def leaf(self, shape: Shape) -> Tree:
        known = self.readable(shape)
        roll = self.r.random()
        if known and roll < 0.6:
            return self.r.choice(known)
        if self.in_once or roll < 0.8:
            return (
                num(self.r.choice((0.5, 2, 1, -1.5, 0.25)))
                if shape == () and self.chance(0.25)
                else self.parameter(shape)
            )
        return self.input(shape)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def tree(self, shape: Shape, depth: int) -> Tree:
        if depth <= 0:
            return self.leaf(shape)
        roll = self.r.random()
        if roll < 0.42:
            return self.affine(shape, depth)
        if roll < 0.68:
            return self.elementwise(self.tree(shape, depth - 1), shape, depth)
        if roll < 0.8:
            other = self.tree(shape if self.chance(0.8) else (), depth - 1)
            args = [self.tree(shape, depth - 1), other]
            if self.chance(0.2):
                args.reverse()
            return call("mul", *args)
        return self.special(shape, depth)

    def affine(self, shape: Shape, depth: int) -> Tree:
        """A sum of products: A h + C h + U x + b."""
        terms = [self.product(shape, depth) for _ in range(self.r.choices((1, 2, 3), (3, 5, 1))[0])]
        if self.chance(0.15) and self.readable():  # several products of one value
            terms.append(self.product(shape, depth, again=terms[0]))
        if self.chance(0.3):
            terms.append(self.parameter(shape if self.chance(0.85) else ()))
        total = terms[0]
        for term in terms[1:]:
            total = call("sub" if self.chance(0.15) else "add", total, term)
        if shape and _rank_zero(total, self.shapes):
            total = call("add", total, self.parameter(shape))
        return total

    def product(self, shape: Shape, depth: int, again: Tree | None = None) -> Tree:
        if shape == ():
            if self.scalar_only or self.chance(0.5):
                factors = [self.parameter(()), self.leaf(())]
                return call(self.r.choice(("mul", "mul", "matmul")), *factors)
            n = (self.dim(),)
            return call("dot", self.parameter(n), self.vector(n, depth - 1))
        if len(shape) == 2:
            roll = self.r.random()
            if roll < 0.4:
                k = self.dim()
                return call("matmul", self.parameter((shape[0], k)), self.tree((k, shape[1]), depth - 1))
            if roll < 0.7:
                return call("outer", self.vector(shape[:1], depth - 1), self.vector(shape[1:], depth - 1))
            return call("mul", self.parameter(shape if self.chance(0.5) else ()), self.leaf(shape))
        if again is not None and again.op == "matmul" and self.fits(again.args[1]):
            source = again.args[1]
        else:
            source = self.source(depth)
        m = _size(source, self.shapes)
        roll = self.r.random()
        if roll < 0.7:
            return call("matmul", self.parameter((*shape, m)), source)
        if roll < 0.78:
            return call("matmul", call("T", self.parameter((m, *shape))), source)
        if roll < 0.86:
            k = self.dim()
            v, u = self.parameter((*shape, k)), self.parameter((k, m))
            return (
                call("matmul", call("matmul", v, u), source)
                if self.chance(0.5)
                else call("matmul", v, call("matmul", u, source))
            )
        if roll < 0.92 and (m,) == shape:
            return call("matmul", call("diag", self.parameter(shape)), source)
        if (m,) == shape:
            return call("mul", self.parameter(shape if self.chance(0.6) else ()), source)
        return call("matmul", self.parameter((*shape, m)), source)

    def fits(self, e: Tree) -> bool:
        try:
            return _size(e, self.shapes) > 0
        except (ValueError, IndexError):
            return False

    def source(self, depth: int) -> Tree:
        """A vector to be multiplied with a matrix: mostly a state, sometimes a stack or an inner expression."""
        known = self.readable(rank=1)
        roll = self.r.random()
        if roll < 0.12 and depth > 0:
            return self.stack([self.source(0), self.source(0)])
        if known and roll < 0.65:
            return self.r.choice(known)
        if roll < 0.75 and depth > 1:
            return self.tree((self.dim(),), depth - 2)
        return self.leaf((self.dim(),)) if self.in_once else self.input((self.dim(),))

    def stack(self, parts: list[Tree]) -> Tree:
        return call("stack" if self.chance(0.8) else "concat", *parts)

    def vector(self, shape: Shape, depth: int) -> Tree:
        return self.tree(shape, depth) if self.chance(0.4) else self.leaf(shape)

    def positive(self, shape: Shape) -> Tree:
        """A parameter that must be positive: a quotient, a logarithm, a root or a power of it says so."""
        known = [p for p in self.parameters if self.kinds.get(p) == "positive" and self.shapes[p] == shape]
        if known and self.chance(0.6):
            return name(self.r.choice(known))
        new = self.parameter_named(next(self.small), shape)
        self.kinds[new] = "positive"
        return name(new)

    def elementwise(self, e: Tree, shape: Shape, depth: int) -> Tree:
        if self.chance(0.04):
            p = self.positive(shape if self.chance(0.5) else ())
            kind = self.r.choice(("div", "log", "sqrt", "pow"))
            if kind == "div":
                return call("div", e, p)
            return call("mul", call("pow", p, num(0.5)) if kind == "pow" else call(kind, call("mul", num(2), p)), e)
        f = self.r.choice((*SMOOTH, *SMOOTH, *KINKED, "gelu", "exp", "log", "sqrt", "pow", "pow2", "div"))
        if f in SMOOTH or f in ("relu", "abs", "gelu"):
            return call(f, e)
        if f == "leaky_relu":
            return call(f, e, *[num(0.2)] * self.chance(0.5))
        if f == "elu":
            return call(f, e, *[num(0.7)] * self.chance(0.6))
        if f == "clip":
            return call(f, e, num(self.r.choice((-0.5, -1))), num(self.r.choice((0.6, 1))))
        if f == "max0":
            return call("max", *([num(0), e] if self.chance(0.5) else [e, num(0)]))
        if f in ("max2", "min2"):
            return call(f[:3], e, self.tree(shape, depth - 2))
        if f == "exp":
            return call("exp", call("tanh", e) if self.chance(0.6) else call("neg", call("pow", e, num(2))))
        if f == "log":
            return call(
                "log", call("add", num(1), call("pow", e, num(2)) if self.chance(0.6) else call("exp", call("tanh", e)))
            )
        if f == "sqrt":
            return call("sqrt", call("add", num(1), call("pow", e, num(2)) if self.chance(0.6) else call("sigmoid", e)))
        if f == "pow":
            return call("pow", call("tanh", e) if self.chance(0.5) else e, num(self.r.choice((2, 2, 3))))
        if f == "pow2":
            return call("pow", num(2), call("tanh", e) if self.chance(0.5) else e)
        return call(
            "div", e, call("add", num(1), call("pow", self.tree(shape if self.chance(0.6) else (), depth - 2), num(2)))
        )

    def special(self, shape: Shape, depth: int) -> Tree:
        r = self.r
        if shape == ():
            if self.scalar_only:
                return self.elementwise(self.affine((), depth), (), depth)
            n = (self.dim(),)
            f = r.choice(("sum", "mean", "norm", "max", "min", "dot", "dot", "squared_error"))
            if f in ("dot", "squared_error"):
                return call(f, self.vector(n, depth - 1), self.vector(n, depth - 1))
            return call(f, self.vector(n, depth - 1))
        if len(shape) == 1:
            roll = r.random()
            if roll < 0.3:
                return call(r.choice(("softmax", "softmax", "log_softmax")), self.tree(shape, depth - 1))
            if roll < 0.75 and shape[0] > 1:
                cut = r.randint(1, shape[0] - 1)
                parts = [cut, shape[0] - cut]
                return self.stack([self.tree((p,) if p > 1 or self.chance(0.3) else (), depth - 1) for p in parts])
            if roll < 0.9:
                return call(
                    "matmul",
                    call("outer", self.vector(shape, 0), self.vector((m := (self.dim(),)), 0)),
                    self.vector(m, 0),
                )
            return call("matmul", call("diag", self.vector(shape, depth - 1)), self.vector(shape, 0))
        if shape[0] == shape[1] and self.chance(0.5):
            return call("diag", self.vector(shape[:1], depth - 1))
        return call("outer", self.vector(shape[:1], depth - 1), self.vector(shape[1:], depth - 1))

    # -- the recurrence ------------------------------------------------------------------------------------------------

    def case(self) -> Case:
        r = self.r
        equations: list[Equation] = []
        for n in r.sample(("k", "k2", "u0"), r.choices((0, 1, 2), (7, 2, 1))[0]):  # values that do not depend on t
            self.in_once = True
            shape = () if self.scalar_only or self.chance(0.4) else (self.dim(),)
            shape = (self.dim(), self.dim()) if not self.scalar_only and self.chance(0.15) else shape
            e = r.choice((self.affine, self.tree))(shape, 1)
            if e.op in ("name", "num"):
                e = (
                    call("exp", self.parameter(shape))
                    if self.chance(0.5)
                    else call("mul", self.parameter(()), self.parameter(shape))
                )
            equations.append(Equation((n,), None, e))
            self.shapes[n] = shape
            self.once.append(n)
        self.in_once = False
        states = r.sample(("h", "s", "c"), r.choices((1, 2, 3), (6, 3, 1))[0])
        delays = r.choices((1, 2, 3), (7, 2, 1))[0]
        for s in states:
            self.shapes[s] = () if self.scalar_only or self.chance(0.2) else (self.dim(),)
            if not self.scalar_only and self.chance(0.06):
                self.shapes[s] = (self.dim(), self.dim())
        lags = [(s, -d) for s in states for d in range(1, delays + 1) if d == 1 or self.chance(0.6)]
        self.timed = list(lags)
        timed: list[Equation] = []
        for n in r.sample(("z", "u", "g", "f"), r.choices((0, 1, 2), (6, 3, 1))[0]):
            timed.append(self.gate(n))
        for s in states:
            timed.append(self.state(s))
            if self.chance(0.8):
                self.timed.append((s, 0))
        if self.chance(0.15):
            timed += self.unpacked()
        if self.chance(0.08) and self.readable(rank=1):
            v = next((t for t in self.readable() if isinstance(t.value[1], int)), None)
            if v is not None:
                self.shapes["m"] = self.shapes[v.value[0]]
                timed.append(Equation(("m",), 0, call("sum_k", name(v.value[0], ("k", v.value[1])))))
                self.timed.append(("m", 0))
        if not self.scalar_only and self.chance(0.05):  # a state that runs backwards in time
            self.shapes["r"] = shape = (self.dim(),)
            inner = call("add", call("matmul", self.parameter(shape * 2), name("r", 1)), self.affine(shape, 1))
            timed.append(Equation(("r",), 0, call("tanh", inner)))
            self.timed.append(("r", 0))
        outputs: list[str] = []
        if self.chance(0.4):
            shape = () if self.scalar_only else (self.dim(),)
            right = self.affine(shape, 1)
            if self.chance(0.5):
                right = call("softmax", right) if shape else call("sigmoid", right)
            timed.append(Equation(("y",), 0, right))
            self.shapes["y"] = shape
            self.timed.append(("y", 0))
            outputs.append("y")
        losses: list[str] = []
        if not self.chance(0.1):
            for n in r.sample(("E", "L", "C"), r.choices((1, 2, 3), (8, 2, 1))[0]):
                timed.append(Equation((n,), 0, self.loss()))
                self.shapes[n] = ()
                losses.append(n)
        equations += timed
        equations += self.initial(states, lags)
        total = self.total(losses) if losses and self.chance(0.35) else None
        if total:
            equations.append(total)
            self.shapes[total.left[0]] = ()
        choice: Any = r.choices(("every", "last", "some"), (5, 2, 2))[0]
        if choice == "some":
            choice = tuple(sorted(r.sample(range(1, self.steps + 1), r.randint(1, self.steps))))
        case = Case(
            self.seed,
            tuple(equations),
            self.shapes,
            self.steps,
            choice,
            "mean" if self.chance(0.25) else "sum",
            r.choice((2, 3, 4)) if self.chance(0.4) else None,
            self.kinds,
            style=r.choice("@ "),
            data_seed=self.seed,
        )
        if not case.plain_total and self.chance(0.9):  # another choice contradicts it
            case = replace(case, loss="every", reduce="sum")
        before = [f"{s}[{i}]" for s in states for i in (0, -1, -2)]
        if self.chance(0.3):
            case = replace(case, absent=frozenset(k for k in before if self.chance(0.5)))
        if case.batch is not None and self.chance(0.3):
            case = replace(case, single=frozenset(k for k in (*before, *self.inputs) if self.chance(0.5)))
        if self.chance(0.05):
            case = self.shifted(case, states)
        return self.renamed(case) if self.chance(0.05) else case

    def shifted(self, case: Case, states: list[str]) -> Case:
        """h[t+1] = f(h[t]) in the place of h[t] = f(h[t-1])."""
        s = self.r.choice(states)
        if any(
            n.op == "name" and n.value[0] == s and isinstance(n.value[1], tuple)
            for e in case.equations
            for n in e.right.walk()
        ):
            return case

        def change(e: Tree) -> Tree:
            value = (s, e.value[1] + 1) if e.op == "name" and e.value[0] == s else e.value
            return Tree(e.op, tuple(change(a) for a in e.args), value)

        def left(e: Equation) -> Any:
            if e.left != (s,):
                return e.index
            return ("at", e.index[1] + 1) if isinstance(e.index, tuple) else 1

        return replace(case, equations=tuple(Equation(e.left, left(e), change(e.right)) for e in case.equations))

    def gate(self, n: str) -> Equation:
        shape = () if self.scalar_only or self.chance(0.25) else (self.dim(),)
        e = self.tree(shape, 2)
        if e.op in ("name", "num") or _rank_zero(e, self.shapes) != (shape == ()):
            e = call("sigmoid", self.affine(shape, 1))
        self.shapes[n] = shape
        self.timed.append((n, 0))
        return Equation((n,), 0, e)

    def state(self, s: str) -> Equation:
        """h[t] = tanh(something that reads the state before)."""
        shape = self.shapes[s]
        own = name(s, -1)
        roll = self.r.random()
        if len(shape) == 1 and roll < 0.12 and shape[0] > 1:
            cut = self.r.randint(1, shape[0] - 1)
            inner = self.stack(
                [
                    (
                        call("matmul", self.parameter((p, *shape)), own)
                        if i and p > 1
                        else self.tree((p,) if p > 1 else (), 1)
                    )
                    for i, p in enumerate((cut, shape[0] - cut))
                ]
            )
        elif len(shape) == 1:
            first = (
                call("matmul", self.parameter(shape * 2), own)
                if self.chance(0.7)
                else call("mul", self.parameter(shape), own)
            )
            inner = call("add", first, self.tree(shape, 2)) if self.chance(0.75) else first
            if self.chance(0.12):
                inner = call("add", inner, call("matmul", self.parameter(shape * 2), own))
        elif shape == ():
            first = call("mul", self.parameter(()), own)
            inner = call("add", first, self.tree((), 2)) if self.chance(0.7) else first
        else:
            inner = call("add", call("matmul", own, self.parameter((shape[1], shape[1]))), self.tree(shape, 1))
        bounded = ("tanh", "tanh", "tanh", "sigmoid", "sin", "cos", "clip", "softmax", "gate", "any")
        f = self.r.choice(bounded)
        if f == "softmax" and len(shape) != 1:
            f = "tanh"
        if f == "gate":
            gate = call("sigmoid", self.affine(shape, 1))
            return Equation(
                (s,),
                0,
                call("add", call("mul", gate, own), call("mul", call("sub", num(1), gate), call("tanh", inner))),
            )
        if f == "any":
            free = self.elementwise(inner, shape, 1)
            return Equation((s,), 0, call("tanh", free) if self.chance(0.5) else free)
        right = call(f, inner, num(-1), num(0.8)) if f == "clip" else call(f, inner)
        return Equation((s,), 0, right)

    def unpacked(self) -> list[Equation]:
        each = () if self.scalar_only or self.chance(0.15) else (self.dim(),)
        names = ("i", "o", "q3")[: self.r.choice((2, 2, 3))]
        size = len(names) * (each or (1,))[0]
        if self.chance(0.6):
            right = call(self.r.choice(("sigmoid", "tanh", "identity")), self.affine((size,), 1))
        else:
            m = self.dim()
            right = call("matmul", self.parameter((size, m)), self.input((m,)))
        for n in names:
            self.shapes[n] = each
            self.timed.append((n, 0))
        return [Equation(names, 0, right)]

    def initial(self, states: list[str], lags: list[tuple[str, int]]) -> list[Equation]:
        found: list[Equation] = []
        for s in states:
            furthest = max([-d for n, d in lags if n == s], default=1)
            for step in range(0, -furthest, -1):
                roll = self.r.random()
                shape = self.shapes[s]
                if roll < 0.65 or (step < 0 and roll < 0.92):
                    continue
                right = num(0)
                if roll > 0.8:
                    self.in_once = True
                    right = self.parameter(shape) if self.chance(0.7) else call("tanh", self.parameter(shape))
                    self.in_once = False
                found.append(Equation((s,), ("at", step), right))
        return found

    def loss(self) -> Tree:
        r = self.r
        roll = r.random()
        vectors = self.readable(rank=1)
        recent = [v for v in vectors if v.value[1] == 0] or vectors
        if vectors and roll < 0.45:
            v = r.choice(recent)
            shape = self.shapes[v.value[0]]
            kind = r.random()
            if kind < 0.3:
                return call("squared_error", v, self.target(shape))
            if kind < 0.5:
                y = call("softmax", v if self.chance(0.6) else self.affine(shape, 1))
                return call("cross_entropy", y, self.target(shape, r.choice(("classes", "distribution"))))
            if kind < 0.8:
                return call("dot", self.parameter(shape), v)
            f = r.choice(("sum", "mean", "norm", "max", "min"))
            return call(f, call("tanh", v) if self.chance(0.3) else v)
        e = self.affine((), 2) if self.chance(0.5) else self.special((), 2)
        if roll < 0.85:
            e = self.elementwise(e, (), 2)
        return e if e.op not in ("name", "num") else call("mul", self.parameter(()), call("tanh", e))

    def total(self, losses: list[str]) -> Equation:
        r = self.r
        sums = [call("sum_t", name(n, 0)) for n in losses]
        plain = sums[0]
        for s in sums[1:]:
            plain = call("add", plain, s)
        n = "J" if self.chance(0.8) or len(losses) > 1 else losses[0]
        kind = r.choice(("plain", "plain", "twice", "last", "square", "body"))
        right = plain
        if kind == "twice":
            right = call("mul", num(r.choice((2, 0.5))) if self.chance(0.6) else self.parameter(()), plain)
        elif kind == "last":
            v = [t for t in self.readable() if t.value[1] == 0 and len(self.shapes[t.value[0]]) < 2]
            if v:
                last = r.choice(v).value[0]
                shape = self.shapes[last]
                end = name(last, ("T", 0))
                right = call(
                    "add",
                    plain,
                    call("dot", self.parameter(shape), end) if shape else call("mul", self.parameter(()), end),
                )
        elif kind == "square":
            right = call(r.choice(("tanh", "softplus", "identity")), plain)
        elif kind == "body":
            right = call("sum_t", call("mul", self.parameter(()), name(losses[0], 0)))
        if right is not plain:
            n = "J"
        return Equation((n,), None, right)

    def renamed(self, case: Case) -> Case:
        """Parameters called as Python, NumPy or the printed code call things."""
        old = list(case.parameters)
        new = dict(zip(old, self.r.sample(NASTY, min(len(old), 3))))

        def change(e: Tree) -> Tree:
            value = (new.get(e.value[0], e.value[0]), e.value[1]) if e.op == "name" else e.value
            return Tree(e.op, tuple(change(a) for a in e.args), value)

        return replace(case, equations=tuple(replace(e, right=change(e.right)) for e in case.equations),
                       shapes={new.get(n, n): s for n, s in case.shapes.items()},
                       kinds={new.get(n, n): k for n, k in case.kinds.items()}, style="@")  # fmt: skip


def _size(e: Tree, shapes: dict[str, Shape]) -> int:
    (n,) = shape_of(e, shapes)
    return n


def _rank_zero(e: Tree, shapes: dict[str, Shape]) -> bool:
    return shape_of(e, shapes) == ()


def _reaches_state(case: Case) -> bool:
    """Whether a loss depends on a state (always true without a loss)."""
    names = [n.value for e in case.equations for n in e.right.walk() if n.op == "name"]
    states = {n for n, i in names if isinstance(i, int) and i < 0}
    found, waiting = set(), [*case.losses]
    while waiting:
        n = waiting.pop()
        if n in case.defined and n not in found:
            found.add(n)
            waiting += [x.value[0] for x in case.defined[n].right.walk() if x.op == "name"]
    return not case.losses or bool(found & states)


def random_recurrence(seed: int, accept: Callable[[Case], bool] = lambda case: True, plain: bool = False) -> Case:
    """The case of a seed: the first that fits of a fixed sequence of attempts. `accept` judges its numbers (finite,
    away from kinks); `plain` is without what `varied` puts into some.

    Seeds from `SUMS_FROM` on have sums of matrices, those from `REDUCTIONS_FROM` on norms and extremes of them.
    """
    for attempt in range(200):
        try:
            case = Generator(seed * 1000 + attempt).case()
            if not plain:
                case = varied(case, random.Random(-(seed * 1000 + attempt) - 1))
            if seed >= SUMS_FROM:
                stream = random.Random(f"sums of matrices {seed * 1000 + attempt}")
                case = with_sums(case, stream, REDUCTIONS if seed >= REDUCTIONS_FROM else REDUCTIONS[:2])
        except (StopIteration, ValueError, IndexError):
            continue
        case = replace(case, seed=seed)
        if not well_formed(case) or len(case.text) > 420 or not (_reaches_state(case) or attempt % 10 == 0):
            continue
        for again in range(4):
            moved = replace(case, data_seed=seed * 10 + again)
            if accept(moved):
                return moved
    raise RuntimeError(f"seed {seed}: no recurrence found")
