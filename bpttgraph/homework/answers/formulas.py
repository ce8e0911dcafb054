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
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
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
    Partial,
    Reduce,
    Stack,
    Transposed,
    step_letters,
)
from ...equations.text import brief, show
from ...equations.trees import children, walk
from ...errors import BPTTError, nearest
from .bound import ARGUMENT, is_elementwise, slope
from .columns import ONE, ZERO, Value, elementwise, product, solid
from .given import PLAIN, Reading
from .jacobians import Derivatives, in_denominator_layout
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
        reading: how it is read where its text leaves it open.

    Attributes:
        defined: canonical name -> its equations, in order of appearance. notes: what was not read as it stands.
        ordered: lines with a product of matrices over steps whose order the text leaves open, once it was evaluated.
        open: what else it leaves open, once it was evaluated: "layout" of derivatives, the "plus" of those by a
            parameter.

    Example:
        >>> import bpttgraph as bg
        >>> text = "delta[t] = y[t] - target[t]" + chr(10) + "dW_hy = sum_t outer(delta[t], h[t])"
        >>> Formulas(bg.cell("rnn").unroll(3), text).value("dW_hy").node.shape
        (3, 4)
    """

    def __init__(self, u: Unrolled, text: str, batch: int = 1, reading: Reading = PLAIN):
        super().__init__(u, text)
        self.batch, self.rows = batch, u.recurrence.rows
        self.reading = reading
        self.open: set[str] = set()
        self.ordered: set[int] = set()
        self._values: dict[tuple[str, int | None], Value] = {}
        self._memo: dict[Any, Value] = {}
        self._partial: dict[Any, list[Value]] = {}  # sums and products over steps, up to each step
        self._free: dict[int, frozenset[str]] = {}
        self._down: dict[int, set[int]] = {}  # equation -> the sums and products in it that run down
        self.derivatives = Derivatives(u, self._made)
        self._pairs: dict[str, tuple[Equation, dict[str, int]]] = {}  # what the answer says of a derivative
        self._waiting: set[tuple[str, int | None]] = set()
        self._wide: dict[int, Reduce] = {}  # products with the factor behind them
        # targets of steps without a loss: node -> name and row of the data
        self.unread: dict[Node, tuple[str, int]] = {}
        self._leaves = {node for rows in u.leaves.values() for _, node in rows}
        self._nodes = self._numbers = 0
        self._reader: dict[tuple[str, int | None], Name] = {}  # where a value was first read
        self._absent: set[str] = set()  # names that were read before the first step

    # -- what is asked -------------------------------------------------------------------------------------------------

    def value(self, base: str, step: int | None = None) -> Value:
        """What the answer says of `base` (canonical) at `step`. No recursion over the steps."""
        first = (self.defined[base][0] if base in self.defined else self._pairs[base][0]).left[0]
        pending: list[tuple[str, int | None]] = [(base, step)]
        waiting = self._waiting = {pending[0]}
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
        equations = list(self.defined[base])
        equations[number] = replace(equations[number], right=right)
        made = self.taking({})
        made.defined = {**self.defined, base: equations}
        return made

    def taking(self, values: Mapping[tuple[str, int | None], Value]) -> Formulas:
        """The same answer, in which some of what its lines define has these values, by name and step."""
        made = copy.copy(self)
        made._values, made._memo, made._partial, made._free, made._down = dict(values), {}, {}, {}, {}
        made._pairs, made._waiting = {}, set()
        made.notes, made.ordered, made._absent = [], set(), set()
        made._nodes = made._numbers = 0
        return made

    def line(self, e: Equation, step: int | None, right: Expr | None = None) -> Value:
        """The right side of one line at a step, or `right` in its place: what else the answer defines is taken as it
        is."""
        if right is not None or id(e) not in self._down:
            self._down[id(e)] = running_down(right or e.right)
        index = e.left[0].index
        bound = {} if step is None or index is None or fixed(e) else {index.variable or "t": step - index.offset}
        while True:
            try:
                return self._go(right or e.right, bound)
            except _Missing as need:
                self._reader.setdefault((need.base, need.step), need.name)
                self.value(need.base, need.step)

    # -- definitions ---------------------------------------------------------------------------------------------------

    def _define(self, base: str, step: int | None) -> Value:
        equations = [self._pairs[base][0]] if base in self._pairs else self.defined[base]
        for line in equations:
            if id(line) not in self._down:
                self._down[id(line)] = running_down(line.right)
        if base in self._pairs:
            return self._go(equations[0].right, self._pairs[base][1])
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
            return a if a.zero else Value(-solid(a), a.row, a.by)
        if isinstance(e, Transposed):
            a = self._go(e.operand, bound)
            if a.node is None or not a.node.shape:
                return a
            return in_denominator_layout(a)
        if isinstance(e, Stack):
            return self._stacked([self._go(i, bound) for i in e.items], e)
        if isinstance(e, Call):
            return self._call(e, bound)
        if isinstance(e, Partial):
            return self._derivative(e, bound)
        assert isinstance(e, Binary)
        if e.operator == "^":
            return self._power(e, bound)
        if e.operator in "@ ":
            return self._product(e, bound)
        a, b = self._go(e.left, bound), self._go(e.right, bound)
        return elementwise(e.operator, a, b)

    def _product(self, e: Binary, bound: Mapping[str, int]) -> Value:
        parts, explicit = factors(e)
        head = parts[0]
        if isinstance(head, Reduce) and head.kind == "prod" and head.span.column < e.span.column:
            # ∏_j diag(…) W: the text does not say whether W, which has no step, is a factor of every j
            following = parts[1].operand if isinstance(parts[1], Transposed) else parts[1]
            if isinstance(following, Name) and self.names.get(spelled(following)) in self.u.parameters:
                self.open.add("reach")
                if self.reading.wide:
                    parts, explicit = [self._widened(head, parts[1]), *parts[2:]], explicit[1:]
                    if len(parts) == 1:
                        return self._go(parts[0], bound)

        values = [self._go(p, bound) for p in parts]
        for i in range(1, len(parts) - 1):
            behind = parts[i + 1]
            if isinstance(behind, Call) and behind.function == "diag" and _is_column(values[i], self.rows):
                self.open.add("diag")  # W.T v diag(…) is (W.T v) diag(…), or W.T diag(…) v
                if self.reading.diagonal_first:
                    values[i : i + 2] = values[i + 1], values[i]
        try:
            return product(values, explicit, self.rows, self._guess(e))
        except Undecided as two:
            raise two_readings(two, parts, self.text, e.span) from None

    def _guess(self, e: Expr) -> Callable[[str], None]:
        """What says how a product was guessed."""

        def say(what: str) -> None:
            said = {
                "beside": "two vectors side by side are multiplied entry by entry",
                "turned": f"a vector on this side of a matrix is read as a {'column' if self.rows else 'row'}",
            }
            self._say(f"line {e.span.line}: {brief(e)}: {said[what]}")

        return say

    def _widened(self, e: Reduce, factor: Expr) -> Reduce:
        """The product with one factor more."""
        if id(e) not in self._wide:
            self._wide[id(e)] = replace(e, body=Binary(" ", e.body, factor, e.body.span))
        return self._wide[id(e)]

    def _say(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _times(self, a: Value, b: Value) -> Value:
        """`a @ b` of two matrices."""
        return product([a, b], [True], self.rows, lambda what: None)

    def _power(self, e: Binary, bound: Mapping[str, int]) -> Value:
        """A square matrix to a whole number is a product of matrices; any other power is taken entry by entry."""
        a, exponent = self._go(e.left, bound), whole_number(e.right, {"T": self.last, **bound})
        if a.node is None:
            return a if a.one or exponent != 0 else ONE
        before = (self.text.splitlines() or [""])[min(e.right.span.line - 1, self.text.count("\n"))][
            : e.right.span.column
        ]
        apart = re.search(r"(?:\\circ|\\odot|∘|⊙|\*)\s*\Z", before) is not None  # W^{\circ 2}
        if apart or not (len(a.node.shape) == 2 and a.node.shape[0] == a.node.shape[1]):
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

    def _made(self, value: Value) -> None:
        """Count a value that no expression of the answer made."""
        self._nodes += 1
        if value.node is not None:
            self._numbers += int(np.prod(value.node.shape, dtype=object)) * (self.batch if value.node.batched else 1)

    def _derivative(self, e: Partial, bound: Mapping[str, int]) -> Value:
        """`∂h[j]/∂h[j-1]`, `∂E[t]/∂h[t]`, `∂⁺h[k]/∂W`: what the answer says of it, or what it is."""
        if not (isinstance(e.top, Name) and isinstance(e.bottom, Name)):  # changed, to see whether it is right then
            raise self.error("a derivative is of a name by a name", e, "write ∂h[t]/∂h[t-1]")
        of, by = self.pair(e)
        above, below = (None if n.index is None else self._step(n.index, bound, e, 0) for n in (e.top, e.bottom))
        key = self._said(of, by, above, below, e)
        if key is not None and (key, None) in self._values:
            return self._values[key, None]
        if key is not None and (key, None) not in self._waiting:
            raise _Missing(key, None, e.bottom)
        own = self.gradient_base(e.bottom)
        if not (key or of or e.immediate) and own in self.defined and (above is None or below is None):
            step = below if above is None else above
            if (own, step) in self._values:
                return self._values[own, step]
            given = self._given(of, by, above, below)
            if given is not None and not self.says(own, step):
                return given
            if self.says(own, step) or (step is not None and any(x.left[0].index for x in self.defined[own])):
                raise _Missing(own, step, e.bottom)
        given = self._given(of, by, above, below)
        if given is not None:
            return given
        # what a line says of itself without a plus, as ∂h[t]/∂W = ∂h[t]/∂W + …, is the immediate one
        return self._true(e, of, by, above, below, e.immediate or key is not None)

    def _given(self, of: str, by: str, above: int | None, below: int | None) -> Value | None:
        """`∂E/∂h[t]` of a recurrence without a loss, where it is data."""
        known = self._upstream(f"d{self.u.total}/d{self.names.get(by, by)}") if not of and above is None else None
        if known is None or below is None:
            return None
        place = f"{known}[{below}]"
        return self._plain(self.u.nodes[place]) if place in self.u.nodes else ZERO if below > self.last else None

    def _said(self, of: str, by: str, above: int | None, below: int | None, e: Partial) -> str | None:
        """The key of the line that says what a derivative at some steps is."""
        line = self.line_of(of, by, above, below, e.immediate)
        if line is None:
            return None
        key = f"∂{'⁺' * e.immediate}{of}[{above}]/∂{by}[{below}]"
        return key if key in self._pairs else self._keep(key, line, above, below)

    def _keep(self, key: str, line: Equation, above: int | None, below: int | None) -> str:
        assert line.partial is not None
        bound: dict[str, int] = {}
        self.unify(line.partial.top.index, above, bound)
        self.unify(line.partial.bottom.index, below, bound)
        self._pairs[key] = line, bound
        return key

    def line_of(self, of: str, by: str, above: int | None, below: int | None, immediate: bool) -> Equation | None:
        """The line that says what a derivative at some steps is: the one for the fewest steps."""
        fitting = []
        for line in self.jacobians.get((of, by), ()):
            assert line.partial is not None
            bound: dict[str, int] = {}
            steps = ((line.partial.top.index, above), (line.partial.bottom.index, below))
            if line.partial.immediate == immediate and all(self.unify(i, step, bound) for i, step in steps):
                fitting.append((len(bound), line))
        if not fitting or (above is not None and above < 1 and min(fitting, key=lambda f: f[0])[0]):
            return None
        return min(fitting, key=lambda f: f[0])[1]

    def speaks(self, line: Equation, of: str, by: str, above: int | None, below: int | None) -> bool:
        """Whether a line is the one that says what a derivative at two steps is, or another right side of that one."""
        assert line.partial is not None
        chosen = self.line_of(of, by, above, below, line.partial.immediate)
        return chosen is not None and (chosen is line or chosen.left[0] == line.left[0])

    def pair_value(self, line: Equation, of: str, by: str, above: int | None, below: int | None) -> Value:
        """What a line says of a derivative at two steps."""
        assert line.partial is not None
        key = self._said(of, by, above, below, line.partial)
        if key is None or self._pairs[key][0] is not line:
            key = self._keep(f"{key} {id(line)}", line, above, below)
        return self._values[key, None] if (key, None) in self._values else self.value(key)

    def ends(
        self, e: Partial, of: str, by: str, above: int | None, below: int | None
    ) -> tuple[Node | None, Node | None]:
        """The two variables of a derivative; None for what lies outside of the steps."""
        if self.names.get(by) in self.u.parameters and below in (None, above):  # W, or the copy of it that a step uses
            bottom: Node | None = self.u.parameters[self.names[by]]
        else:
            bottom = self._place(e.bottom, self.names.get(by), below, e)
        if of:
            top = self._place(e.top, self.names.get(of), above, e)
        elif above is None:
            top = self.u.nodes[self.u.total]
        else:
            heads = {head.step: head.name for head in self.u.heads}
            top = self.u.nodes.get(heads.get(above, f"{self.u.total}[{above}]"))
            if top is None and heads.keys() == {None}:
                raise self.error(
                    "the loss of one step is no value of this recurrence", e, "write ∂E for the whole loss"
                )
        return top, bottom

    def _true(self, e: Partial, of: str, by: str, above: int | None, below: int | None, immediate: bool) -> Value:
        """The derivative itself, in the layout in which the answer is read."""
        top, bottom = self.ends(e, of, by, above, below)
        immediate |= bottom is not None and bottom.role == "parameter" and below is not None
        if top is None or bottom is None:
            return ZERO
        by_parameter = bottom.role == "parameter"
        if not of and by_parameter and not immediate:
            raise self.error(f"{show(e)} is what is asked for", e, "write what it equals, or give it a line of its own")
        if by_parameter and of and not immediate:
            self.open.add("plus")
            immediate = self.reading.immediate
        value = self.derivatives.of(top, bottom, immediate)
        self._count(value, e)
        if e.column and not of:
            return value if value.node is None else Value(value.node, self.rows and len(value.node.shape) == 1)
        self.open.add("layout")
        return in_denominator_layout(value) if self.reading.denominator else value

    def _place(self, name: Name, known: str | None, step: int | None, e: Expr) -> Node | None:
        """The variable of a derivative; None after the last step."""
        if known is None:
            raise self.error(f"{name.name} is not defined", e, nearest(name.name, [*self.names.values()]))
        if known in self.u.parameters:
            raise self.error(f"{name.name} is a parameter: it has no step", e, _without_step(name.name, step))
        place = f"{known}[{step}]" if step is not None else known
        if place in self.u.nodes:
            return self.u.nodes[place]
        if step is None:
            raise self.error(f"{name.name} has a step", e, f"write {name.name}[t], {name.name}[t-1] or {name.name}[T]")
        if step > self.last:
            return None
        raise self.error(f"there is no {place}", e, "let the product begin one step later")

    def _call(self, e: Call, bound: Mapping[str, int]) -> Value:
        if e.function == "part":
            return self._part(e, bound)
        if e.function == "slice" and len(e.args) == 4:
            return self._slice(e, bound)
        if e.function.endswith("'"):
            return self._slope(e, bound)
        name = canonical(e.function)
        function = e.own or FUNCTIONS.get(name)
        if name == "prod" and function is None and not e.parameters:
            args = [self._go(a, bound) for a in (e.args[::-1] if self.reading.denominator else e.args)]
            return product(args, [False] * (len(e.args) - 1), self.rows, self._guess(e))
        if function is None or e.parameters:
            known = [*FUNCTIONS, *self.functions.called]
            raise self.error(f"{e.function} is not a function here", e, nearest(e.function, known))
        args = [self._go(a, bound) for a in e.args]
        if name == "dot" and any(a.by for a in args):  # Σ_i ∂L/∂o_i ∇_V o_i
            first, last = args if args[1].by else args[::-1]
            return product([Value(first.node, not last.row, one=first.one), last], [True], self.rows, self._guess(e))
        if name == "dot" and self._angled(e) and self._is_outer(args, e):
            name, function = "outer", FUNCTIONS["outer"]
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

    def _slope(self, e: Call, bound: Mapping[str, int]) -> Value:
        """`φ'(z)`, `tanh''(z)`: the derivative of a function, at each entry of its argument."""
        name = e.function.rstrip("'")
        formula, function = self.functions.formula(name, e.span), FUNCTIONS.get(canonical(name))
        if formula is None and (function is None or not is_elementwise(canonical(name)) or len(e.args) != 1):
            if function is None:
                known = sorted({*self.functions.called, *FUNCTIONS})
                raise self.error(f"{name} is not a function here, so it has no derivative", e, nearest(name, known))
            raise self.error(
                f"the derivative of {name} is no vector",
                e,
                "write it out, or as a factor dy[t]/dz[t] of the chain rule",
            )
        at = self._go(e.args[0], bound)
        x = P.identity(solid(at))
        if formula is None:
            assert function is not None
            y = function.build(x)
        else:
            kept = self._memo, self._values.get((ARGUMENT, None))
            self._memo, self._values[ARGUMENT, None] = {}, Value(x, at.row)
            y = solid(self._go(formula, {}))
            self._memo = kept[0]
        for _ in range(len(e.function) - len(name)):
            y = slope(y, x)
        return Value(y, at.row)

    def _angled(self, e: Call) -> bool:
        """Whether ⟨a, b⟩ was written."""
        lines = self.text.splitlines()
        line = lines[e.span.line - 1] if e.span.line <= len(lines) else ""
        return line.startswith(("⟨", "\\langle", "\\left\\langle", "\\left<", "\\bigl\\langle"), e.span.column)

    def _is_outer(self, args: list[Value], e: Call) -> bool:
        """⟨a, b⟩ is the outer product where no number can stand: of vectors of two sizes, or as the gradient of a
        matrix."""
        shapes = [solid(a).shape for a in args]
        if len(shapes) != 2 or any(len(s) != 1 for s in shapes):
            return False
        outer = shapes[0] != shapes[1] or id(e) in self._of_matrices
        if outer:
            self._say(f"line {e.span.line}: ⟨a, b⟩ is read as the outer product")
        return outer

    @cached_property
    def _of_matrices(self) -> set[int]:
        """Calls that are summands of the gradient of a matrix, by `id`."""
        found = set[int]()
        for base, lines in self.defined.items():
            target = self.names.get(re.sub(r"^(?:dE/d|[dδΔ∂])", "", base), "")
            if len(self.u.shapes.get(target, ())) == 2:
                for line in lines:
                    stack = [line.right]
                    while stack:
                        part = stack.pop()
                        if isinstance(part, Call) and part.function == "dot":
                            found.add(id(part))
                        elif not (isinstance(part, Binary) and part.operator not in "+-") and not isinstance(
                            part, Call
                        ):
                            stack += children(part)
        return found

    # -- parts of vectors and matrices ---------------------------------------------------------------------------------

    def _part(self, e: Call, bound: Mapping[str, int]) -> Value:
        """One of several names that a vector is cut into, `[da[t]; dx[t]] = …`."""
        place, names = e.own
        value = self._go(e.args[0], bound)
        if value.node is None or not value.node.shape:
            return value
        sizes = self._sizes_of([self._bare(n) for n in names], value.node.shape[0], e)
        low = sum(sizes[:place])
        return self._cut(value, 0, low, low + sizes[place])

    def _bare(self, name: Name) -> str | None:
        """What a name is the gradient of, as the recurrence calls it."""
        plain = canonical(re.sub(r"^(?:dE/d|d|δ|Δ|∂)", "", name.name))
        return self.names.get(plain) or self.names.get(canonical(name.name))

    def _sizes_of(self, names: list[str | None], total: int, e: Expr) -> list[int]:
        """The sizes of the parts of a vector: those of what they are gradients of, or of the stack that the recurrence
        makes of as many parts."""
        known = [self.u.shapes[n][0] if n and self.u.shapes.get(n) else None for n in names]
        given = [k for k in known if k is not None]
        if len(given) == len(names) - 1 and sum(given) < total:
            known = [total - sum(given) if k is None else k for k in known]
        if all(k is not None for k in known) and sum(k for k in known if k is not None) == total:
            return [k for k in known if k is not None]
        fitting = {
            sizes
            for sizes in self._stacks
            if len(sizes) == len(names) and sum(sizes) == total and all(k in (None, s) for k, s in zip(known, sizes))
        }
        if len(fitting) == 1:
            return list(fitting.pop())
        if not fitting and total % len(names) == 0 and not given:
            self._say(f"line {e.span.line}: a vector of {total} is cut into {len(names)} parts of one size")
            return [total // len(names)] * len(names)
        raise self.error(
            f"how long are the parts of this vector of {total}?", e, "cut it by numbers, as in da[t] = (W.T dz[t])[:3]"
        )

    @cached_property
    def _stacks(self) -> set[tuple[int, ...]]:
        """The sizes of the parts of every stack, and of what is unpacked, in the recurrence."""
        found = set[tuple[int, ...]]()
        for line in self.u.recurrence.program.equations:
            groups: list[tuple[Expr, ...]] = [line.left] if len(line.left) > 1 else []
            for part, _ in walk(line.right):
                if isinstance(part, Stack) or (isinstance(part, Call) and canonical(part.function) == "concat"):
                    groups.append(part.items if isinstance(part, Stack) else part.args)
            for group in groups:
                shapes = [self.u.shapes.get(n.name, ()) for n in group if isinstance(n, Name)]
                if len(shapes) == len(group) and all(len(s) == 1 for s in shapes):
                    found.add(tuple(s[0] for s in shapes))
        return found

    def _slice(self, e: Call, bound: Mapping[str, int]) -> Value:
        """`W[:, :n]`: some rows or columns."""
        value, axis = self._go(e.args[0], bound), whole_number(e.args[1], {}) or 0
        if value.node is None:
            return value
        if len(value.node.shape) <= axis:
            raise self.error("this has no second axis to cut", e, "write x[:n] for the first entries of a vector")
        length = value.node.shape[axis]
        low, high = (self._edge(edge, length, e) for edge in e.args[2:])
        high = length if high == -1 else high
        low, high = (length + n if n < 0 else n for n in (low, high))
        if not 0 <= low < high <= length:
            raise self.error(
                f"there are no entries {low} to {high} of {length}", e, "count from 0; the end is left out"
            )
        return self._cut(value, axis, low, high)

    def _edge(self, e: Expr, length: int, place: Expr) -> int:
        """Where a slice begins or ends: a number, or a name for a size such as n or n_h."""
        number = whole_number(e, {})
        if number is not None:
            return number
        if isinstance(e, Name) and e.index is None:
            shape = self.u.shapes.get(self.names.get(canonical(e.name.partition("_")[2]), ""), ())
            if len(shape) == 1:
                return shape[0]
            firsts = {sizes[0] for sizes in self._stacks if len(sizes) == 2 and sum(sizes) == length}
            if len(firsts) == 1:
                (first,) = firsts
                self._say(
                    f"line {place.span.line}: {e.name} is read as {first}, where the stack of the recurrence is cut"
                )
                return first
        raise self.error(f"which number is {show(e)}?", place, "write the number of entries, as in W[:, :3]")

    def _cut(self, value: Value, axis: int, low: int, high: int) -> Value:
        node = solid(value)
        chosen = constant(np.eye(node.shape[axis])[low:high])
        return Value(P.matmul(chosen, node) if axis == 0 else P.matmul(node, P.transpose(chosen)), value.row)

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
        shift = _shift(e) if e.lower is None and e.upper is None else 0
        if shift:
            low, high = low - shift, high - shift
            self._say(f"line {e.span.line}: a sum without bounds goes over all steps that it reads, from {low} on")
        if low == 0 and e.lower is not None and e.lower.variable is None and self._starts_early(e):
            low = 1
            self._say(
                f"line {e.span.line}: the sum from {e.variable} = 0 is read from the first step on, {e.variable} = 1"
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
            elif self.reading.ascending and not down:
                result = self._inside(e, "@", result, term)
            else:
                result = self._inside(e, "@", term, result)
            if e.kind == "prod" and k > low and not down and result.node is not None and len(result.node.shape) == 2:
                self.ordered.add(e.span.line)
            made.append(result)
        return result

    def _starts_early(self, e: Reduce) -> bool:
        """Whether the term at 0 reads what there is at a step only: an input, or what the answer says of every step."""
        for n, _ in walk(e.body):
            if isinstance(n, Name) and n.index is not None and (n.index.variable, n.index.offset) == (e.variable, 0):
                known = self.names.get(spelled(n))
                if (known is None and self.base(n) in self.defined) or (known and f"{known}[0]" not in self.u.nodes):
                    return True
        return False

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
        known = {"T": self.last, **bound}
        base = 0 if index.variable is None else known.get(index.variable)
        if base is None and len(step_letters(index)) > 1 and known.keys() >= step_letters(index):
            base = sum(  # T+t-i
                int(sign + "1") * (int(part) if part.isdigit() else known[part])
                for sign, part in re.findall(r"([+-]?)(\w+)", index.variable or "")
            )
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
        base, step = self.base(e), None if e.index is None else self._step(e.index, bound, e, 0)
        if (base, step) in self._values:
            return self._values[base, step]
        if base in self.defined and not (self._upstream(base) and not self.says(base, step)):
            raise _Missing(base, step, e)
        known = self.names.get(base) or self._upstream(base)
        if known is None and base == "I" and step is None:
            return ONE
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
            raise self.error(f"{e.name} is a parameter: it has no step", e, _without_step(e.name, step))
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


def _is_column(value: Value, rows: bool) -> bool:
    """Whether a value is a vector that stands where the text has its vectors."""
    return value.node is not None and len(value.node.shape) == 1 and value.row == rows


def _shift(e: Reduce) -> int:
    """By how much all steps that a sum reads are moved: 1 if they are all t+1, as where a paper counts from 0."""
    inner = [n.index for n, _ in walk(e.body) if isinstance(n, Name) and n.index is not None]
    inner += [b for n, _ in walk(e.body) if isinstance(n, Reduce) for b in (n.lower, n.upper) if b is not None]
    offsets = {i.offset for i in inner if i.variable == e.variable}
    return offsets.pop() if len(offsets) == 1 else 0


def _variables(e: Expr) -> frozenset[str]:
    """The letters whose value may matter in `e`: of steps, of bounds, and those that stand alone, as in W^k."""
    names = [n for n, _ in walk(e) if isinstance(n, Name)]
    bounds = [b for n, _ in walk(e) if isinstance(n, Reduce) for b in (n.lower, n.upper) if b is not None]
    indices = [*(n.index for n in names if n.index is not None), *bounds]
    return frozenset((*(n.name for n in names if n.index is None), *(v for i in indices for v in step_letters(i))))


def _without_step(name: str, step: int | None) -> str:
    inverse = step is not None and step < 0  # W^(-1)
    return f"write {name}" + ("; an inverse is not read: multiply both sides by the matrix" if inverse else "")
