"""Answers in formulas: a student's own backward recursions and sums, evaluated on the values of the forward pass.

The text is parsed by the equation language (never by `eval`), turned into a graph of the same primitives over the nodes of the forward
pass, and read twice: as numbers, and as the rounding error of this very arrangement of the sum. A batch is added by the engine.

    delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh.T @ delta[t+1])
    dW_hh    = sum_t outer(delta[t], h[t-1])

Vectors are columns: `a @ b.T` is an outer product, `a.T @ b` a number. What is not defined after the last step is zero. A product over
steps, `prod_{j=k+1}^{t}`, has its latest factor on the left; `dh[j]/dh[j-1]` is a Jacobian, `dE[t]/dh[t]` a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import primitives as P
from ..errors import BPTTError, Span, nearest
from ..graph import Node, constant, leaf
from ..recurrence.functions import FUNCTIONS, canonical
from ..recurrence.language import parse, walk
from ..recurrence.syntax import (
    Binary,
    Call,
    Equation,
    Expr,
    Index,
    Name,
    Negate,
    Number,
    Program,
    Reduce,
    Stack,
    Transposed,
)
from .columns import ONE, ZERO, Value, elementwise, matmul, solid
from .jacobians import partial

if TYPE_CHECKING:
    from ..recurrence import Unrolled

__all__ = ["Formulas", "Value"]

MOST_CHARACTERS = 20_000  # the parser's own limit
MOST_NODES = 60_000  # operations of one answer
_QUOTIENT = re.compile(r"(?<![\w\])])[d∂]([^\W\d]\w*\[[^][\n]{1,12}\])\s*/\s*[d∂]([^\W\d]\w*\[[^][\n]{1,12}\])")
MOST_NUMBERS = 30_000_000  # numbers that they may make


class _Missing(Exception):
    """A value that has to be computed first."""

    def __init__(self, base: str, step: int | None, name: Name):
        self.base, self.step, self.name = base, step, name


class Formulas:
    """A parsed answer, ready to be asked for the nodes of what it defines.

    Args:
        u: the unrolled recurrence. text: the answer. batch: the size of the batch, for the bound on the work.

    Attributes:
        defined: canonical name -> its equations, in order of appearance. notes: what was not read as it stands.
    """

    def __init__(self, u: Unrolled, text: str, batch: int = 1):
        # `@` binds more tightly than `/`, but a factor of the chain rule is one thing
        text = _QUOTIENT.sub(_grouped, text) if len(text) <= MOST_CHARACTERS else text
        self.u, self.text, self.batch = u, text, batch
        self.program: Program = parse(text)
        self.defined: dict[str, list[Equation]] = {}
        self.notes: list[str] = list(self.program.notes)
        self.names = {canonical(n): n for n in (*u.shapes, *u.parameters)}
        for equation in self.program.equations:
            if len(equation.left) > 1:
                raise self._error("an answer defines one name a line", equation.left[1], "give each its own line")
            base, name = _key(equation.left[0]), equation.left[0].name
            if base in self.names and equation.left[0].index is not None:
                self.notes.append(
                    f"line {equation.span.line}: values of {name} are those of the recurrence, not of this line"
                )
                continue
            if base in self.names and self.names[base] in u.parameters:
                base = f"dE/d{base}"  # W = … can only mean the gradient
            self.defined.setdefault(base, []).append(equation)
        if not self.defined:
            raise BPTTError(
                "this answer defines no gradient", "write dW = …, for example", text=text, span=Span(1, 0, 1)
            )
        for equations in self.defined.values():
            seen: dict[Index | None, Equation] = {}
            for e in equations:
                index = e.left[0].index
                if index in seen:
                    raise self._error(f"{e.left[0].name} is defined twice", e.left[0], "keep one of the two lines")
                seen[index] = e
        self.last = u.steps.get(u._loss_block, u.columns)
        self._values: dict[tuple[str, int | None], Value] = {}
        self._memo: dict[Any, Value] = {}
        self._free: dict[int, frozenset[str]] = {}
        self.factors: dict[tuple[int, int], Value] = {}
        # targets of steps without a loss: node -> name and row of the data
        self.unread: dict[Node, tuple[str, int]] = {}
        self._nodes = self._numbers = 0

    # -- what is asked -----------------------------------------------------------------------------------------------

    def steps_of(self, base: str) -> Iterator[int]:
        """The steps at which `base` is defined, within 0 … T."""
        for t in range(self.last + 1):
            if any(self._matches(e, t) is not None and (t or _fixed(e)) for e in self.defined[base]):
                yield t

    def value(self, base: str, step: int | None = None) -> Value:
        """What the answer says of `base` (canonical) at `step`. No recursion over the steps."""
        first = self.defined[base][0].left[0]
        pending: list[tuple[str, int | None]] = [(base, step)]
        waiting = {pending[0]}
        while pending:
            name, t = pending[-1]
            try:
                self._values[name, t] = self._define(name, t)
            except _Missing as need:
                wanted = (need.base, need.step)
                if wanted in waiting:
                    place = need.name.name + ("" if need.step is None else f"[{need.step}]")
                    raise self._error(
                        f"{place} is defined by itself", need.name, "a recursion must refer to another step"
                    ) from None
                waiting.add(wanted)
                pending.append(wanted)
                if len(pending) > MOST_NODES:
                    raise self._error("the recursion does not end", first, "let it go from T down to 1") from None
                continue
            waiting.discard(pending.pop())
        return self._values[base, step]

    def node(self, base: str, step: int | None, target: Node) -> Node:
        """The value as a node, summed over the batch if the target is shared by all examples; a zero in the target's shape."""
        value = self.value(base, step)
        node = value.node if value.node is not None else constant(1.0 if value.one else 0.0)
        if value.node is None:
            node = P.expand(node, shape=target.shape)
        return P.batch_sum(node) if node.batched and not target.batched else node

    def equation(self, base: str, step: int | None) -> Equation:
        """The student's line that defines `base` at `step`."""
        fitting = [e for e in self.defined[base] if step is None or self._matches(e, step) is not None]
        return next((e for e in fitting if _fixed(e)), (fitting or self.defined[base])[0])

    # -- definitions --------------------------------------------------------------------------------------------------

    def _matches(self, e: Equation, step: int) -> int | None:
        """The t at which an equation defines `step`, or None."""
        index = e.left[0].index
        if index is None:
            return None
        if index.variable is None:
            return 0 if index.offset == step else None
        if index.variable == "T":
            return 0 if self.last + index.offset == step else None
        return step - index.offset

    def _define(self, base: str, step: int | None) -> Value:
        equations = self.defined[base]
        if step is None:
            e = next((e for e in equations if e.left[0].index is None), None)
            if e is None:
                raise self._error(
                    f"{equations[0].left[0].name} has a step", equations[0].left[0], "write the step that is meant"
                )
            return self._go(e.right, {})
        e = next((e for e in equations if _fixed(e) and self._matches(e, step) is not None), None)
        if e is not None:
            return self._go(e.right, {})
        general = next((e for e in equations if e.left[0].index is not None and not _fixed(e)), None)
        index = general.left[0].index if general else None
        if general is None or index is None or not -1 <= step <= self.last:
            if step > self.last:
                return ZERO  # after the last step there is nothing
            raise self._error(f"{equations[0].left[0].name}[{step}] is not defined", equations[0].left[0],
                              f"define {equations[0].left[0].name}[t] as well")  # fmt: skip
        return self._go(general.right, {index.variable or "t": step - index.offset})

    # -- expressions ----------------------------------------------------------------------------------------------------

    def _go(self, e: Expr, bound: Mapping[str, int]) -> Value:
        """The value of an expression. Recursion is over the expression, whose depth the parser bounds."""
        if id(e) not in self._free:
            self._free[id(e)] = frozenset(
                n.index.variable for n, _ in walk(e) if isinstance(n, Name) and n.index and n.index.variable
            ) | {
                b.variable for n, _ in walk(e) if isinstance(n, Reduce) for b in (n.lower, n.upper) if b and b.variable
            }
        key = (id(e), *sorted((v, t) for v, t in bound.items() if v in self._free[id(e)]))
        if key not in self._memo:
            self._memo[key] = self._count(self._expression(e, bound), e)
        return self._memo[key]

    def _count(self, value: Value, e: Expr) -> Value:
        self._nodes += 1
        if value.node is not None:
            self._numbers += int(np.prod(value.node.shape, dtype=object)) * (self.batch if value.node.batched else 1)
        if self._nodes > MOST_NODES or self._numbers > MOST_NUMBERS:
            raise self._error(
                "this answer takes too much work to evaluate",
                e,
                "use a recursion in place of nested sums, or fewer steps",
            )
        return value

    def _expression(self, e: Expr, bound: Mapping[str, int]) -> Value:
        if isinstance(e, Number):
            return ZERO if e.value == 0 else Value(constant(float(e.value)))
        if isinstance(e, Name):
            return self._name(e, bound)
        if isinstance(e, Reduce):
            return self._reduce(e, bound)
        try:
            return self._operation(e, bound)
        except BPTTError as error:
            if error.span is None:
                raise BPTTError(error.message, error.hint, text=self.text, span=e.span) from None
            raise

    def _operation(self, e: Expr, bound: Mapping[str, int]) -> Value:
        if isinstance(e, Negate):
            a = self._go(e.operand, bound)
            return a if a.zero else Value(-solid(a), a.row)
        if isinstance(e, Transposed):
            a = self._go(e.operand, bound)
            if a.node is None or not a.node.shape:
                return a
            return Value(a.node, not a.row) if len(a.node.shape) == 1 else Value(P.transpose(a.node))
        if isinstance(e, Stack):
            return Value(FUNCTIONS["concat"].build(*[solid(self._go(i, bound)) for i in e.items]))
        if isinstance(e, Call):
            return self._call(e, bound)
        assert isinstance(e, Binary)
        factor = self._factor(e, bound)
        if factor is not None:
            return factor
        a, b = self._go(e.left, bound), self._go(e.right, bound)
        if e.operator in "@ ":
            return matmul(a, b, e.operator == " ")
        return elementwise(e.operator, a, b)

    def _factor(self, e: Binary, bound: Mapping[str, int]) -> Value | None:
        """`dh[j]/dh[j-1]` or `dE[t]/dh[t]`: a factor of the chain rule; None for any other quotient."""
        found = []
        for side in (e.left, e.right):
            if e.operator != "/" or not isinstance(side, Name) or side.index is None:
                return None
            base = self.names.get(canonical(side.name[1:])) if side.name[:1] in "d∂" else None
            if base is None or base in self.u.parameters:
                return None
            found.append(f"{base}[{self._step(side.index, bound, e, 0)}]")
        missing = [n for n in found if n not in self.u._nodes]
        if missing:
            raise self._error(f"there is no {missing[0]}", e, "let the product begin one step later")
        top, bottom = (self.u.node(n) for n in found)
        key = (top.serial, bottom.serial)
        if key not in self.factors:
            self.factors[key] = partial(top, bottom)
            self._nodes += 20 * max(1, int(np.prod(top.shape)))
        return self.factors[key]

    def _call(self, e: Call, bound: Mapping[str, int]) -> Value:
        name = canonical(e.function)
        function = FUNCTIONS.get(name)
        if function is None or e.parameters:
            raise self._error(f"{e.function} is not a function here", e, nearest(e.function, list(FUNCTIONS)))
        args = [self._go(a, bound) for a in e.args]
        if name in ("outer", "dot", "diag") and any(a.zero for a in args):
            return ZERO
        low, high = function.arity
        if not low <= len(args) <= high:
            raise self._error(
                f"{name} takes {low} argument{'s' if low > 1 else ''}, not {len(args)}", e, "add or remove one"
            )
        if name == "outer" and any(len(solid(a).shape) > 1 for a in args):
            raise self._error("outer takes two vectors", e, "write a matrix product with @")
        row = len(args) == 1 and args[0].row
        return Value(function.build(*map(solid, args)), row and function.shape == "same")

    def _reduce(self, e: Reduce, bound: Mapping[str, int]) -> Value:
        low, high = self._step(e.lower, bound, e, 1), self._step(e.upper, bound, e, self.last)
        if e.variable in bound:
            raise self._error(
                f"{e.variable} is already the step of something else here", e, "use another letter for the inner sum"
            )
        if high - low > MOST_NODES:
            raise self._error("this sum has too many terms", e, f"sum from 1 to T = {self.last}")
        if e.kind == "sum":
            total = ZERO
            for k in range(low, high + 1):
                total = self._inside(e, "+", total, self._go(e.body, {**bound, e.variable: k}))
            return total
        # prod(low..high) is its last factor times prod(low..high-1), which other sums have met already
        free = tuple(
            sorted((v, t) for v, t in bound.items() if v in self._free.setdefault(id(e.body), _variables(e.body)))
        )
        product, start = ONE, low
        for k in range(high, low - 1, -1):
            if (id(e), low, k, free) in self._memo:
                product, start = self._memo[id(e), low, k, free], k + 1
                break
        for k in range(start, high + 1):
            factor = self._go(e.body, {**bound, e.variable: k})
            square = factor.node is not None and len(factor.node.shape) == 2
            product = self._inside(e, "@" if square else "*", factor, product)
            self._memo[id(e), low, k, free] = product
        return product

    def _inside(self, e: Reduce, operator: str, a: Value, b: Value) -> Value:
        try:
            result = matmul(a, b, False) if operator == "@" else elementwise(operator, a, b)
        except BPTTError as error:
            raise BPTTError(error.message, error.hint, text=self.text, span=e.span) from None
        return self._count(result, e)

    def _step(self, index: Index | None, bound: Mapping[str, int], e: Expr, default: int) -> int:
        if index is None:
            return default
        base = 0 if index.variable is None else {"T": self.last, **bound}.get(index.variable)
        if base is None:
            place = f"{index.variable}{index.offset:+d}" if index.offset else f"{index.variable}"
            raise self._error(f"which step is [{place}]? nothing here counts {index.variable}", e,
                              f"sum over it, sum_{index.variable} …, or define the left side at [{index.variable}]")  # fmt: skip
        return base + index.offset

    # -- names ----------------------------------------------------------------------------------------------------------

    def _name(self, e: Name, bound: Mapping[str, int]) -> Value:
        base, step = _key(e), None if e.index is None else self._step(e.index, bound, e, 0)
        if (base, step) in self._values:
            return self._values[base, step]
        if base in self.defined:
            raise _Missing(base, step, e)
        known = self.names.get(base) or self._upstream(base)
        if known is None:
            candidates = [*self.names.values(), *(d[0].left[0].name for d in self.defined.values())]
            raise self._error(f"{e.name} is not defined", e, nearest(e.name, candidates))
        if step is None:
            if known not in self.u.parameters:
                raise self._error(f"{e.name} has a step", e, f"write {e.name}[t], {e.name}[t-1] or {e.name}[T]")
            return Value(self.u.parameters[known])
        if known in self.u.parameters:
            raise self._error(f"{e.name} is a parameter: it has no step", e, f"write {e.name}")
        place = f"{known}[{step}]"
        if place in self.u._nodes:
            return Value(self.u.node(place))
        if step > self.last:
            return ZERO
        slot = self.u.slots.get(known)
        if slot is not None and slot.length is not None and 1 <= step <= slot.length:
            node = leaf(place, self.u.shapes[known], batched=True, role=slot.role)
            self.unread[node] = (known, step - 1)
            self._values[base, step] = Value(node)
            return self._values[base, step]
        steps = [int(n.rpartition("[")[2][:-1]) for n in self.u._nodes if n.startswith(f"{known}[")]
        raise self._error(f"there is no {e.name}[{step}]", e,
                          f"{e.name} has the steps {min(steps)} to {max(steps)}" if steps else "nothing reads it")  # fmt: skip

    def _upstream(self, base: str) -> str | None:
        """`dE/dh[t]`, where the upstream gradient is given as data named dE_dh."""
        name = base.replace("/", "_")
        return name if name in self.u.leaves and self.u.leaves[name][0][1].role == "upstream" else None

    def _error(self, message: str, place: Any, hint: str) -> BPTTError:
        span: Span = place.span
        return BPTTError(message, hint, text=self.text, span=span)


def _grouped(m: re.Match[str]) -> str:
    quotient = f"d{m[1]}/d{m[2]}"
    return quotient if m.string[m.start() - 1 :][:1] == "(" and m.string[m.end() :][:1] == ")" else f"({quotient})"


def _key(name: Name) -> str:
    """One spelling for `delta` and `δ`, `dE/dW` and `∂E/∂W`; with its block."""
    return (f"{name.block}." if name.block else "") + canonical(name.name)


def _fixed(e: Equation) -> bool:
    index = e.left[0].index
    return index is not None and index.variable in (None, "T")


def _variables(e: Expr) -> frozenset[str]:
    names = (n.index.variable for n, _ in walk(e) if isinstance(n, Name) and n.index and n.index.variable)
    bounds = (b.variable for n, _ in walk(e) if isinstance(n, Reduce) for b in (n.lower, n.upper) if b and b.variable)
    return frozenset([*names, *bounds])
