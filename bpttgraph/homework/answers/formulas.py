"""Answers in formulas: a student's own backward recursions and sums, evaluated on the values of the forward pass.

The text is parsed by the equation language (never by `eval`), turned into a graph of the same primitives over the nodes
of the forward pass, and read twice: as numbers, and as the rounding error of this very arrangement of the sum. A batch
is added by the engine.

    delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh.T @ delta[t+1])
    dW_hh    = sum_t outer(delta[t], h[t-1])

Vectors are columns, `a @ b.T` an outer product and `a.T @ b` a number, unless those of the recurrence are rows. Before
the first step and after the last there are zeros. Papers print products over steps without an order:
`prod_{j=k+1}^{t}` has its latest factor on the left, or on the right if `ascending`; `prod_{j=t}^{k+1}` has the order
of its bounds. `dh[j]/dh[j-1]` is a Jacobian, `dE[t]/dh[t]` a row. `W^2` is W @ W where W is a square matrix; T and the
letters of steps are numbers where they stand alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core import primitives as P
from ...core.graph import Node, constant, leaf
from ...equations.elaborate import two_readings
from ...equations.functions import FUNCTIONS, canonical
from ...equations.products import Undecided, factors
from ...equations.syntax import (
    Binary,
    Call,
    Equation,
    Expr,
    Index,
    Name,
    Negate,
    Number,
    Reduce,
    Stack,
    Transposed,
)
from ...equations.text import brief, show
from ...equations.trees import walk
from ...errors import BPTTError, nearest
from .columns import ONE, ZERO, Value, elementwise, product, solid
from .jacobians import partial
from .lines import Lines, fixed, spelled
from .products import overreached, running_down, whole_number

if TYPE_CHECKING:
    from ...unrolled import Unrolled

__all__ = ["Formulas", "Value"]

MOST_NODES = 60_000  # operations of one answer …
MOST_A_STEP = 300  # … or so many for each step, for long sequences: what grows like the square of the steps is too much
FIRST = -1  # lines that count back in time may be asked for a value of steps 0 and −1, where initial states are
MOST_NUMBERS = 30_000_000  # numbers that they may make


class _Missing(Exception):
    """A value that has to be computed first."""

    def __init__(self, base: str, step: int | None, name: Name):
        self.base, self.step, self.name = base, step, name


class Formulas(Lines):
    """A parsed answer, ready to be asked for the nodes of what it defines.

    Args:
        u: the unrolled recurrence. text: the answer. batch: the size of the batch, for the bound on the work.
        ascending: the order of products over steps.

    Attributes:
        defined: canonical name -> its equations, in order of appearance. notes: what was not read as it stands.
        ordered: lines with a product of matrices over steps whose order the text leaves open, once it was evaluated.

    Example:
        >>> import bpttgraph as bg
        >>> text = "delta[t] = y[t] - target[t]" + chr(10) + "dW_hy = sum_t outer(delta[t], h[t])"
        >>> Formulas(bg.cell("rnn").unroll(3), text).value("dW_hy").node.shape
        (3, 4)
    """

    def __init__(self, u: Unrolled, text: str, batch: int = 1, ascending: bool = False):
        super().__init__(u, text)
        self.batch, self.ascending, self.rows = batch, ascending, u.recurrence.rows
        self.ordered: set[int] = set()
        self._values: dict[tuple[str, int | None], Value] = {}
        self._memo: dict[Any, Value] = {}
        self._partial: dict[Any, list[Value]] = {}  # sums and products over steps, up to each step
        self._free: dict[int, frozenset[str]] = {}
        self._down: dict[int, set[int]] = {}  # equation -> the sums and products in it that run down
        self.factors: dict[tuple[int, int], Value] = {}
        # targets of steps without a loss: node -> name and row of the data
        self.unread: dict[Node, tuple[str, int]] = {}
        self._leaves = {node for rows in u.leaves.values() for _, node in rows}
        self._nodes = self._numbers = 0
        self._reader: dict[tuple[str, int | None], Name] = {}  # where a value was first read
        self._absent: set[str] = set()  # names that were read before the first step

    # -- what is asked -------------------------------------------------------------------------------------------------

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
                self._reader.setdefault(wanted, need.name)
                if wanted in waiting:
                    place = need.name.name + ("" if need.step is None else f"[{need.step}]")
                    raise self.error(
                        f"{place} is defined by itself", need.name, "a recursion must refer to another step"
                    ) from None
                waiting.add(wanted)
                pending.append(wanted)
                if len(pending) > MOST_NODES:
                    raise self.error("the recursion does not end", first, "let it go from T down to 1") from None
                continue
            waiting.discard(pending.pop())
        return self._values[base, step]

    def total(self, base: str, steps: Iterable[int | None], target: Node) -> Node:
        """The sum of the values at `steps`, and over the batch if all examples share the target; a zero in its
        shape."""
        value = ZERO
        for step in steps:
            value = elementwise("+", value, self.value(base, step))
        node = value.node if value.node is not None else constant(1.0 if value.one else 0.0)
        if value.node is None:
            node = P.expand(node, shape=target.shape)
        return P.batch_sum(node) if node.batched and not target.batched else node

    def changed(self, base: str, number: int, right: Expr) -> Formulas:
        """The same answer with another right side in one of the equations of `base`."""
        made = copy.copy(self)
        equations = list(self.defined[base])
        equations[number] = replace(equations[number], right=right)
        made.defined = {**self.defined, base: equations}
        made._values, made._memo, made._partial, made._free, made._down = {}, {}, {}, {}, {}
        made.notes, made.ordered, made._absent = [], set(), set()
        made._nodes = made._numbers = 0
        return made

    # -- definitions ---------------------------------------------------------------------------------------------------

    def _define(self, base: str, step: int | None) -> Value:
        equations = self.defined[base]
        for line in equations:
            if id(line) not in self._down:
                self._down[id(line)] = running_down(line.right)
        if step is None:
            e = next((e for e in equations if e.left[0].index is None), None)
            if e is None:
                raise self.error(
                    f"{equations[0].left[0].name} has a step", equations[0].left[0], "write the step that is meant"
                )
            return self._go(e.right, {})
        e = next((e for e in equations if fixed(e) and self.matches(e, step) is not None), None)
        if e is not None:
            return self._go(e.right, {})
        general = next((e for e in equations if e.left[0].index is not None and not fixed(e)), None)
        index = general.left[0].index if general else None
        if step > self.last and not (general and self._goes_on(general, step)):
            return ZERO  # after the last step there is nothing
        if general is None or index is None:
            name = equations[0].left[0]
            raise self.error(f"{name.name}[{step}] is not defined", self._reader.get((base, step), name),
                              f"define {name.name}[t] as well")  # fmt: skip
        if step < FIRST or (step < 1 and self.goes_forward(base)):
            return self._before(equations[0].left[0].name, step)
        return self._go(general.right, {index.variable or "t": step - index.offset})

    def _goes_on(self, e: Equation, step: int) -> bool:
        """Whether a line for step T+1 reads a value that the last step has computed for it."""
        names = (n for n, _ in walk(e.right) if isinstance(n, Name) and n.index and n.index == e.left[0].index)
        bases = (self.names.get(spelled(n)) or self._upstream(spelled(n)) for n in names)
        found = (self.u.nodes.get(f"{base}[{step}]") for base in bases)
        return any(node is not None and (node not in self._leaves or node.role == "upstream") for node in found)

    def _before(self, name: str, step: int) -> Value:
        """Before the first step there is nothing, as after the last; that it was read is said."""
        if name not in self._absent:
            self._absent.add(name)
            self.notes.append(f"{name}[{step}], before the first step, is read as zero")
        return ZERO

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _go(self, e: Expr, bound: Mapping[str, int]) -> Value:
        """The value of an expression. Recursion is over the expression, whose depth the parser bounds."""
        if id(e) not in self._free:
            self._free[id(e)] = _variables(e)
        key = (id(e), *sorted((v, t) for v, t in bound.items() if v in self._free[id(e)]))
        if key not in self._memo:
            self._memo[key] = self._count(self._expression(e, bound), e)
        return self._memo[key]

    def _count(self, value: Value, e: Expr) -> Value:
        self._nodes += 1
        if value.node is not None:
            self._numbers += int(np.prod(value.node.shape, dtype=object)) * (self.batch if value.node.batched else 1)
        if self._nodes > max(MOST_NODES, MOST_A_STEP * self.last) or self._numbers > MOST_NUMBERS:
            raise self.error(
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
            return self._stacked([self._go(i, bound) for i in e.items], e)
        if isinstance(e, Call):
            return self._call(e, bound)
        assert isinstance(e, Binary)
        factor = self._factor(e, bound)
        if factor is not None:
            return factor
        if e.operator == "^":
            return self._power(e, bound)
        if e.operator in "@ ":
            return self._product(e, bound)
        a, b = self._go(e.left, bound), self._go(e.right, bound)
        return elementwise(e.operator, a, b)

    def _product(self, e: Binary, bound: Mapping[str, int]) -> Value:
        parts, explicit = factors(e)

        def say(what: str) -> None:
            said = {
                "beside": "two vectors side by side are multiplied entry by entry",
                "turned": f"a vector on this side of a matrix is read as a {'column' if self.rows else 'row'}",
            }
            self._say(f"line {e.span.line}: {brief(e)}: {said[what]}")

        try:
            return product([self._go(p, bound) for p in parts], explicit, self.rows, say)
        except Undecided as two:
            raise two_readings(two, parts, self.text, e.span) from None

    def _say(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _times(self, a: Value, b: Value) -> Value:
        """`a @ b` of two matrices."""
        return product([a, b], [True], self.rows, self._say)

    def _power(self, e: Binary, bound: Mapping[str, int]) -> Value:
        """A square matrix to a whole number is a product of matrices; any other power is taken entry by entry."""
        a, exponent = self._go(e.left, bound), whole_number(e.right, {"T": self.last, **bound})
        if a.node is None:
            return a if a.one or exponent != 0 else ONE
        if not (len(a.node.shape) == 2 and a.node.shape[0] == a.node.shape[1]):
            b = self._go(e.right, bound) if exponent is None else Value(constant(float(exponent)))
            return elementwise("^", a, b)
        if exponent is None or exponent < 0:
            raise self.error(
                "a matrix has powers 0, 1, 2, … here", e, "write a product with @; entry by entry is W * W"
            )
        if exponent > MOST_NODES:
            raise self.error(f"a matrix to the power of {exponent:,} is too much work", e, "use fewer steps")
        note = f"line {e.span.line}: powers of {show(e.left)} are products of matrices"
        self._say(note)
        result, square = ONE, a
        while exponent:
            if exponent % 2:
                result = self._count(self._times(result, square), e)
            exponent //= 2
            square = self._count(self._times(square, square), e) if exponent else square
        return result

    def _factor(self, e: Binary, bound: Mapping[str, int]) -> Value | None:
        """`dh[j]/dh[j-1]` or `dE[t]/dh[t]`: a factor of the chain rule; None for any other quotient."""
        sides = self.quotient(e)
        if sides is None:
            return None
        found = [f"{base}[{self._step(index, bound, e, 0)}]" for base, index in sides]
        missing = [n for n in found if n not in self.u.nodes]
        if missing:
            raise self.error(f"there is no {missing[0]}", e, "let the product begin one step later")
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
            raise self.error(f"{e.function} is not a function here", e, nearest(e.function, list(FUNCTIONS)))
        args = [self._go(a, bound) for a in e.args]
        if name in ("outer", "dot", "diag") and any(a.zero for a in args):
            return ZERO
        low, high = function.arity
        if not low <= len(args) <= high:
            raise self.error(
                f"{name} takes {low} argument{'s' if low > 1 else ''}, not {len(args)}", e, "add or remove one"
            )
        ranks = {len(solid(a).shape) for a in args}
        if name == "outer" and ranks not in ({0}, {1}):
            raise self.error("outer takes two vectors" + ("" if 2 in ranks else ", not a number and a vector"), e,
                              "write a matrix product with @, a number times a vector with *")  # fmt: skip
        if name == "concat":
            return self._stacked(args, e)
        row = len(args) == 1 and args[0].row
        made = function.build(*map(solid, args))
        return Value(made, row) if function.shape == "same" else self._plain(made)

    def _stacked(self, parts: list[Value], e: Expr) -> Value:
        if any(len(solid(p).shape) > 1 for p in parts):
            raise self.error("a stack is made of vectors, not of matrices", e, "write each block in a line of its own")
        return self._plain(FUNCTIONS["concat"].build(*map(solid, parts)))

    def _reduce(self, e: Reduce, bound: Mapping[str, int]) -> Value:
        low, high = self._step(e.lower, bound, e, 1), self._step(e.upper, bound, e, self.last)
        if e.variable in bound:
            raise self.error(
                f"{e.variable} is already the step of something else here", e, "use another letter for the inner sum"
            )
        beyond = overreached(e, self.text)
        if beyond is not None:
            raise self.error(
                f"this product reaches over {show(beyond)} as well",
                beyond,
                f"put brackets around what is multiplied: (prod_{e.variable} …) @ {show(beyond)}",
            )
        down = self._runs_down(e)
        if down:
            low, high = high, low
        if high - low > MOST_NODES:
            raise self.error("this sum has too many terms", e, f"sum from 1 to T = {self.last}")
        # up to each k it is one term more than up to k - 1, which other sums have met already, or this one before a
        # value was missing
        free = tuple(
            sorted((v, t) for v, t in bound.items() if v in self._free.setdefault(id(e.body), _variables(e.body)))
        )
        made = self._partial.setdefault((id(e), low, free), [])
        result = made[min(len(made), high - low + 1) - 1] if made and high >= low else ZERO if e.kind == "sum" else ONE
        for k in range(low + len(made), high + 1):
            term = self._go(e.body, {**bound, e.variable: k})
            if e.kind == "sum":
                result = self._inside(e, "+", result, term)
            elif term.node is None or len(term.node.shape) < 2:
                result = self._inside(e, "*", term, result)
            elif self.ascending and not down:
                result = self._inside(e, "@", result, term)
            else:
                result = self._inside(e, "@", term, result)
            if e.kind == "prod" and k > low and not down and result.node is not None and len(result.node.shape) == 2:
                self.ordered.add(e.span.line)
            made.append(result)
        return result

    def _runs_down(self, e: Reduce) -> bool:
        """Whether the bounds say that the steps are counted down."""
        return any(id(e) in found for found in self._down.values())

    def _inside(self, e: Reduce, operator: str, a: Value, b: Value) -> Value:
        try:
            result = self._times(a, b) if operator == "@" else elementwise(operator, a, b)
        except BPTTError as error:
            raise BPTTError(error.message, error.hint, text=self.text, span=e.span) from None
        return self._count(result, e)

    def _step(self, index: Index | None, bound: Mapping[str, int], e: Expr, default: int) -> int:
        if index is None:
            return default
        base = 0 if index.variable is None else {"T": self.last, **bound}.get(index.variable)
        if base is None:
            place = f"{index.variable}{index.offset:+d}" if index.offset else f"{index.variable}"
            raise self.error(
                f"which step is [{place}]? nothing here counts {index.variable}",
                e,
                f"sum over it, sum_{index.variable} …, or define the left side at [{index.variable}]",
            )
        return base + index.offset

    # -- names ---------------------------------------------------------------------------------------------------------

    def _name(self, e: Name, bound: Mapping[str, int]) -> Value:
        base, step = spelled(e), None if e.index is None else self._step(e.index, bound, e, 0)
        if (base, step) in self._values:
            return self._values[base, step]
        if base in self.defined and not (self._upstream(base) and not self.says(base, step)):
            raise _Missing(base, step, e)
        known = self.names.get(base) or self._upstream(base)
        if known is None and step is None and e.name in {"T", *bound}:
            return Value(constant(float({"T": self.last, **bound}[e.name])))
        if known is None:
            candidates = [*self.names.values(), *(d[0].left[0].name for d in self.defined.values())]
            raise self.error(f"{e.name} is not defined", e, nearest(e.name, candidates))
        if step is None:
            if known not in self.u.parameters:
                raise self.error(f"{e.name} has a step", e, f"write {e.name}[t], {e.name}[t-1] or {e.name}[T]")
            return self._plain(self.u.parameters[known])
        if known in self.u.parameters:
            raise self.error(f"{e.name} is a parameter: it has no step", e, f"write {e.name}")
        place = f"{known}[{step}]"
        if place in self.u.nodes:
            return self._plain(self.u.node(place))
        if step > self.last:
            return ZERO
        if step < 1 and e.index is not None and e.index.variable is not None:
            return self._before(e.name, step)
        slot = self.u.slots.get(known)
        if slot is not None and slot.length is not None and 1 <= step <= slot.length:
            node = leaf(place, self.u.shapes[known], batched=True, role=slot.role)
            self.unread[node] = (known, step - 1)
            self._values[base, step] = self._plain(node)
            return self._values[base, step]
        steps = [int(n.rpartition("[")[2][:-1]) for n in self.u.nodes if n.startswith(f"{known}[")]
        raise self.error(
            f"there is no {e.name}[{step}]",
            e,
            f"{e.name} has the steps {min(steps)} to {max(steps)}" if steps else "nothing reads it",
        )

    def _plain(self, node: Node) -> Value:
        return Value(node, row=self.rows and len(node.shape) == 1)

    def _upstream(self, base: str) -> str | None:
        """`dE/dh[t]`, where the upstream gradient is given as data named dE_dh."""
        name = base.replace("/", "_")
        return name if name in self.u.leaves and self.u.leaves[name][0][1].role == "upstream" else None


def _variables(e: Expr) -> frozenset[str]:
    """The letters whose value may matter in `e`: of steps, of bounds, and those that stand alone, as in W^k."""
    names = (n.index.variable if n.index else n.name for n, _ in walk(e) if isinstance(n, Name))
    bounds = (b.variable for n, _ in walk(e) if isinstance(n, Reduce) for b in (n.lower, n.upper) if b and b.variable)
    return frozenset(filter(None, (*names, *bounds)))
