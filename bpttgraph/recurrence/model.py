"""Recurrence: a lecture's equations as a folded graph, in which every read of a variable has a delay.

What a name is follows from how the equations use it: a name defined for step t is a *value*, a *state* if some equation reads it at
another step; an indexed name that no line defines is an *input*; an unindexed one is a *parameter*. Nothing is declared.

The delays also give the order of computation: within a step along the reads of delay 0, over the steps forwards or, for states
read at `[t+1]`, backwards. A group of equations that would need both is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import BPTTError, expect, nearest, visible
from .functions import ALIASES, FUNCTIONS, LOSSES, canonical
from .language import parse, parse_binding
from .syntax import Binary, Call, Equation, Expr, Index, Name, Negate, Program, Reduce, Stack, Transposed

if TYPE_CHECKING:
    from ..variables import VariableGraph
    from .unroll import Unrolled

__all__ = ["Definition", "Read", "Recurrence", "calls", "children", "names_in"]

_LOSS_NAMES = ("E", "L", "J", "loss", "Loss", "ℓ", "ℒ", "C", "cost")


def children(e: Expr) -> tuple[Expr, ...]:
    """The direct parts of an expression."""
    if isinstance(e, Call):
        return (*e.args, *e.parameters)
    if isinstance(e, Binary):
        return (e.left, e.right)
    if isinstance(e, Negate | Transposed):
        return (e.operand,)
    if isinstance(e, Stack):
        return e.items
    return (e.body,) if isinstance(e, Reduce) else ()


def names_in(e: Expr, bound: tuple[Reduce, ...] = ()) -> Iterator[tuple[Name, tuple[Reduce, ...]]]:
    """Every name in an expression, with the sums and products it stands in."""
    if isinstance(e, Name):
        yield e, bound
    inner = (*bound, e) if isinstance(e, Reduce) else bound
    for child in children(e):
        yield from names_in(child, inner)


def rebuild(e: Expr, change: Any) -> Expr:
    """The expression with `change` applied to every part, from the leaves up."""
    if isinstance(e, Call):
        e = replace(e, args=tuple(rebuild(a, change) for a in e.args), parameters=tuple(rebuild(a, change) for a in e.parameters))
    elif isinstance(e, Binary):
        e = replace(e, left=rebuild(e.left, change), right=rebuild(e.right, change))
    elif isinstance(e, Negate | Transposed):
        e = replace(e, operand=rebuild(e.operand, change))
    elif isinstance(e, Stack):
        e = replace(e, items=tuple(rebuild(i, change) for i in e.items))
    elif isinstance(e, Reduce):
        e = replace(e, body=rebuild(e.body, change))
    return change(e)


@dataclass(frozen=True, eq=False)
class Definition:
    """`bases[at t + offset] = right` for every t; or, with `fixed`, for one step only (`("t", 0)`-style index); or for no step.

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
    """One definition reads another: `delay` steps of computation before, or None when it needs the whole of it (`h[T]`, sums)."""

    reader: Definition
    source: Definition
    delay: int | None


class Recurrence:
    """The folded graph of a system of equations.

    Make one with `bpttgraph.recurrence(text)` or `bpttgraph.cell(name)`.

    Attributes:
        states, inputs, parameters: tuples of names. equations: the equations as written.
        source: the text it was made from. notes: what had to be assumed. title: how pictures and documents call it.
        conventions: the conventions that this system fixes, in words.
        EACH: a choice of losses for those who look at the structure of a step: all of them, whatever the total adds up.

    Example:
        >>> import bpttgraph as bg
        >>> rec = bg.recurrence("h[t] = tanh(W h[t-1] + U x[t] + b)")
        >>> rec.states, rec.inputs, rec.parameters
        (('h',), ('x',), ('W', 'U', 'b'))
    """

    EACH = "each step"

    def __init__(
        self,
        program: Program,
        let: Mapping[str, Any] | None = None,
        *,
        title: str = "recurrence",
        conventions: tuple[str, ...] = (),
    ):
        self.title, self.text, self.source = title, program.text, program.text
        self.conventions = conventions
        self.program = program
        self.blocks = program.blocks
        expect({} if let is None else let, Mapping, "let", 'bind functions by name, such as let={"phi": "tanh"}')
        self.let = dict(let or {})
        notes = list(program.notes)
        folded, fold_notes, self.folded_steps = _fold_steps(list(program.equations))
        notes += fold_notes
        equations = _bind(folded, self.let, program.text)
        for call in (c for e in equations for c in calls(e.right)):
            self._check_arguments(call)
        self.equations = tuple(e.text for e in equations)
        self.definitions = [self._definition(e) for e in equations]
        self._index_definitions()
        self._classify(notes)
        self.reads = self.find_reads(self.definitions)
        self.order = components(self.definitions, self.reads, self.text)
        for name in self.abstract:
            close = get_close_matches(name, FUNCTIONS, n=1, cutoff=0.75)
            if close:
                notes.append(f"{name} is not a known function and stays abstract; did you mean {close[0]}?")
        self.notes = tuple(notes)

    @property
    def title(self) -> str:
        """How pictures and documents call it: one line, whatever the file was called."""
        return self._title

    @title.setter
    def title(self, text: str) -> None:
        self._title = " ".join(visible(text).split())

    def __reduce__(self) -> Any:
        return _again, (self.program, self.let, self.title, self.conventions, self.source)

    def _check_arguments(self, call: Call) -> None:
        low, high = FUNCTIONS[call.function].arity if call.function in FUNCTIONS else (1, 99)
        given = len(call.args) + len(call.parameters)
        if not low <= given <= high:
            count = f"{low} argument{'s' if low > 1 else ''}" if low == high else f"{low} to {high} arguments"
            raise BPTTError(f"{call.function} takes {count}, not {given}", "look at docs/reference for the list of functions",
                            text=self.text, span=call.span)  # fmt: skip

    # -- what is what -------------------------------------------------------------------------------------------------

    def key(self, name: Name, block: str | None) -> str:
        """The name with its block. A plain name inside a block is the block's own, unless only the top level defines it."""
        if name.block is not None:
            return f"{name.block}.{name.name}"
        if block is None or name.name in self._top:
            return name.name
        return f"{block}.{name.name}"

    def _definition(self, e: Equation) -> Definition:
        first = e.left[0]
        block = first.block or e.block
        prefix = f"{block}." if block else ""
        bases = tuple(f"{n.block}.{n.name}" if n.block else prefix + n.name for n in e.left)
        index = first.index
        if block and block not in self.blocks:
            raise BPTTError(f"there is no block {block}", f"begin it with a line {block}:", text=self.text, span=e.span)
        if self.blocks and index is not None and not block:
            last = self.blocks[-1]
            raise BPTTError(f"{first.name} stands outside the blocks", f"put it under {last}:, or write {last}.{first.name}",
                            text=self.text, span=e.span)  # fmt: skip
        if any(n.index != index for n in e.left):
            raise BPTTError("all names on the left must stand at the same step", "write [i[t]; f[t]] = …", text=self.text, span=e.span)
        if index is None:
            return Definition(bases, "once", 0, None, e.right, e, block)
        if index.variable == "t":
            if abs(index.offset) > 100:
                raise BPTTError("that step is too far from t", "use an offset of at most 100", text=self.text, span=first.span)
            return Definition(bases, "every", index.offset, index, e.right, e, block)
        if index.variable in (None, "T"):
            return Definition(bases, "fixed", 0, index, e.right, e, block)
        raise BPTTError(f"the step of {first.name} must be written with t", f"write {first.name}[t]", text=self.text, span=first.span)

    def _index_definitions(self) -> None:
        self.every: dict[str, Definition] = {}
        self.once: dict[str, Definition] = {}
        self.fixed: dict[tuple[str, str | None, int], Definition] = {}
        for d in self.definitions:
            for base in d.bases:
                table: dict[Any, Definition] = {"every": self.every, "once": self.once, "fixed": self.fixed}[d.kind]  # type: ignore[assignment]
                place = (base, d.index.variable, d.index.offset) if d.kind == "fixed" and d.index else base
                if place in table:
                    other = table[place]
                    raise BPTTError(
                        f"{base} is defined twice: in line {other.equation.span.line} ({other.text}) and here",
                        "keep one of the two equations, or rename one of the variables", text=self.text, span=d.equation.span,
                    )  # fmt: skip
                table[place] = d
        self.defined = {*self.every, *(base for base, _, _ in self.fixed)}
        self._top = {b for d in self.definitions if d.block is None for b in d.bases}

    def _classify(self, notes: list[str]) -> None:
        offsets: dict[str, list[tuple[Name, Definition, int | None]]] = {}
        parameters: dict[str, Name] = {}
        for d in self.definitions:
            for name, bound in names_in(d.right):
                key = self.key(name, d.block)
                if name.block and name.block not in self.blocks:
                    raise BPTTError(f"there is no block {name.block}", f"begin it with a line {name.block}:",
                                    text=self.text, span=name.span)  # fmt: skip
                if name.index is None:
                    if key in self.once:
                        continue
                    if key in self.defined:
                        raise BPTTError(f"{name.name} stands without a step", f"write {name.name}[t]", text=self.text, span=name.span)
                    parameters.setdefault(key, name)
                else:
                    v = name.index.variable
                    if v not in ("t", "T", None) and v not in {r.variable for r in bound}:
                        raise BPTTError(f"the step {v} is not known here", "write t, or sum over it: sum_{k=1}^{t} …",
                                        text=self.text, span=name.span)  # fmt: skip
                    if v == "t" and d.kind != "every" and not any(r.variable == "t" for r in bound):
                        raise BPTTError(f"{name.name}[t] stands in an equation that has no step t on its left",
                                        f"write {d.bases[0]}[t] = …, or sum_t …", text=self.text, span=name.span)  # fmt: skip
                    if key not in self.every and (key not in self.defined or v is not None):
                        offsets.setdefault(key, []).append((name, d, name.index.offset if v == "t" else None))
        for key, found in offsets.items():
            if key in parameters:
                raise BPTTError(f"{key} stands with and without a step", f"write {key}[t], or rename the parameter",
                                text=self.text, span=parameters[key].span)  # fmt: skip
            if all(offset is not None and offset < 0 for _, _, offset in found):
                self._undefined_state(key, found[0][0], notes)
        self.inputs = tuple(offsets)
        self.parameters = tuple(parameters)
        self.steps_hint = max([d.index.offset for d in self.definitions if d.kind == "fixed" and d.index and d.index.variable is None]
                              + [n.index.offset for d in self.definitions if d.kind == "once" for n, _ in names_in(d.right)
                                 if n.index and n.index.variable is None] + [0])  # fmt: skip

    def _undefined_state(self, key: str, name: Name, notes: list[str]) -> None:
        """A name that is only read at earlier steps and never defined is a slip, unless the text is a fragment of a cell."""
        rights = [d.right for d in self.definitions]
        schematic = all(isinstance(e, Call) and e.function not in FUNCTIONS and len(children(e)) > 1 for e in rights)
        apart = not any(self.key(n, d.block) in self.defined for d in self.definitions for n, _ in names_in(d.right))
        if (schematic and apart) or (apart and len(self.definitions) > 1):
            notes.append(f"no line defines {key}[t]: it is read at earlier steps and taken as given data")
            return
        index = name.index
        assert index is not None
        candidates = [b for b in self.every if b.rpartition(".")[2] not in _LOSS_NAMES] or list(self.every)
        states = [b for b in candidates if b in {self.key(n, d.block) for d in self.definitions for n, _ in names_in(d.right)
                                                 if n.index and n.index.offset < 0}]  # fmt: skip
        best = (states or candidates or [key])[0].rpartition(".")[2]
        raise BPTTError(
            f"{name.name}[t{index.offset}] is read, but no line defines {name.name}[t]",
            f"did you mean {best}[t{index.offset}]? Otherwise add an equation {name.name}[t] = …", text=self.text, span=name.span,
        )  # fmt: skip

    def find_reads(self, definitions: list[Definition]) -> list[Read]:
        """Who reads whom, how many steps before."""
        every = {b: d for d in definitions if d.kind == "every" for b in d.bases}
        once = {b: d for d in definitions if d.kind == "once" for b in d.bases}
        fixed: dict[tuple[str, str | None, int], Definition] = {
            (b, d.index.variable, d.index.offset): d for d in definitions if d.kind == "fixed" and d.index for b in d.bases
        }
        found = []
        for d in definitions:
            for name, bound in names_in(d.right):
                key = self.key(name, d.block)
                if name.index is None:
                    if key in once:
                        found.append(Read(d, once[key], None))
                    continue
                v, offset = name.index.variable, name.index.offset
                special = fixed.get((key, v, offset))
                if special is not None:
                    found.append(Read(d, special, None))
                    continue
                if key in every:
                    source = every[key]
                    if v == "t" and d.kind == "every" and not any(r.variable == "t" for r in bound):
                        found.append(Read(d, source, source.offset - offset))
                    elif v is None and offset < 1 + source.offset:
                        pass  # before the first step: an initial state
                    elif (reduce := next((r for r in bound if r.variable == v), None)) and reduce.upper and reduce.upper.variable == "t":
                        found.append(Read(d, source, max(0, source.offset - offset - reduce.upper.offset)))
                    else:
                        found.append(Read(d, source, None))
                if v not in (None,):  # a read that may reach a step with an equation of its own
                    found += [Read(d, f, None) for (b, _, _), f in fixed.items() if b == key and f is not d]
        return found

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Names whose value at one step is read at another."""
        delayed = {id(r.source): r.source for r in self.reads if r.delay not in (0, None)}
        read = {(self.key(n, r.reader.block)) for r in self.reads if r.delay not in (0, None) for n, _ in names_in(r.reader.right)
                if n.index and n.index.variable == "t" and r.source.offset - n.index.offset != 0}  # fmt: skip
        return tuple(b for d in self.definitions if id(d) in delayed for b in d.bases if b in read)

    @cached_property
    def abstract(self) -> tuple[str, ...]:
        """Functions of which only the name is known: numbers need `let`."""
        found: dict[str, None] = {}
        for d in self.definitions:
            stack: list[Expr] = [d.right]
            while stack:
                e = stack.pop()
                if isinstance(e, Call) and e.function not in FUNCTIONS:
                    found[e.function] = None
                stack += children(e)
        return tuple(found)

    # -- losses and outputs -------------------------------------------------------------------------------------------

    @cached_property
    def total(self) -> str | None:
        """The loss that no step belongs to (`E = sum_t E[t]`), if a line defines one."""
        timed: dict[str, None] = {}
        for _ in self.once:  # E = dot(m, m) with m = sum_t h[t] depends on the steps as well
            timed |= {b: None for b, d in self.once.items() if any(n.index or self.key(n, d.block) in timed for n, _ in names_in(d.right))}
        read = {self.key(n, d.block) for d in self.definitions for n, _ in names_in(d.right) if n.index is None}
        hits = [b for b in self.once if b in timed and b not in read]
        if len(hits) > 1:
            named = [h for h in hits if h.rpartition(".")[2] in _LOSS_NAMES]
            hits = named or hits
        return hits[-1] if hits else None

    @cached_property
    def losses(self) -> tuple[str, ...]:
        """The losses of a step: what the total sums, or what is named or made like a loss and read by nothing."""
        total = self.total
        if total is not None:
            d = self.once[total]
            return tuple(dict.fromkeys(self.key(n, d.block) for n, _ in names_in(d.right) if n.index is not None))
        read = {id(r.source) for r in self.reads}
        found = []
        for base, d in self.every.items():
            made = isinstance(d.right, Call) and d.right.function in LOSSES
            if id(d) not in read and (made or base.rpartition(".")[2] in _LOSS_NAMES):
                found.append(base)
        return tuple(found)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """What the recurrence gives out: what the losses compare, else what nothing reads, else what nothing of the same step reads."""
        losses = set(self.losses) - (set(self.every) if self.sums_outputs else set())
        if self.losses and not self.sums_outputs:
            found = [self.key(n, self.every[b].block) for b in self.losses if b in self.every for n, _ in names_in(self.every[b].right)]
            found = [b for b in found if b in self.every and b not in losses]
            if found:
                return tuple(dict.fromkeys(found))
        reads = [r for r in self.reads if not (set(r.reader.bases) & losses) and r.reader.kind != "once"]
        read, read_now = {id(r.source) for r in reads}, {id(r.source) for r in reads if r.delay in (0, None)}
        values = [(b, d) for b, d in self.every.items() if b not in losses]
        return tuple(b for b, d in values if id(d) not in read) or tuple(b for b, d in values if id(d) not in read_now)

    @property
    def sums_outputs(self) -> bool:
        """True for a total of one's own, such as J(y_2, y_3) or 2 sum_t E[t], that is more than the sum of the losses of some steps."""
        return self.counted is None

    @cached_property
    def counted(self) -> str | tuple[int, ...] | None:
        """The steps whose losses the total adds up, each once: "every" (also without a total), "last", or the steps that it names.

        None if the total is anything else, or adds up what equations read: it is then computed as it is written.
        """
        if self.total is None:
            return "every"
        d = self.once[self.total]
        read = {b for r in self.reads if r.reader is not d for b in r.source.bases}
        found: dict[str, list[str | tuple[int, ...]]] = {}
        for term in _summands(d.right):
            name = term.body if isinstance(term, Reduce) and term.kind == "sum" else term
            if not isinstance(name, Name) or name.index is None:
                return None
            key = self.key(name, d.block)
            if key in read or (key in self.defined and key not in self.every):
                return None
            offset = name.index.offset - (self.every[key].offset if key in self.every else 0)
            steps = _steps_of(term, name.index, offset)
            if steps is None:
                return None
            found.setdefault(key, []).append(steps)
        kinds = {_together(steps) for steps in found.values()}
        return kinds.pop() if len(kinds) == 1 else None

    def choose(self, loss: Any, reduce: str = "sum") -> Any:
        """The steps whose losses count: `loss`, or what the total says if it leaves no choice.

        Raises:
            BPTTError: another choice than that of the total, or the mean of a total of one's own.
        """
        loss = loss.tolist() if hasattr(loss, "tolist") else loss  # of NumPy
        own = self.counted
        if loss == self.EACH or own == "every":
            return "every" if loss == self.EACH else loss
        asked = tuple(loss) if isinstance(loss, list | tuple) else loss
        if own is None and (asked != "every" or reduce != "sum"):
            what = f"loss={loss!r}" if asked != "every" else f"reduce={reduce!r}"
        elif own is not None and asked not in ("every", own):
            what = f"loss={loss!r}"
        else:
            return own or "every"
        total = self.once[self.total or ""].text
        raise BPTTError(f"the total {total} says itself which losses count and how, so {what} cannot be chosen",
                        f"leave {what.partition('=')[0]} out, or leave out the line {total}")  # fmt: skip

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Inputs that only losses read."""
        losses = set(self.losses) | ({self.total} if self.total else set())
        readers: dict[str, set[str]] = {}
        for d in self.definitions:
            for name, _ in names_in(d.right):
                readers.setdefault(self.key(name, d.block), set()).update(d.bases)
        return tuple(i for i in self.inputs if readers[i] <= losses)

    # -- the ways on --------------------------------------------------------------------------------------------------

    def unroll(
        self,
        steps: int | Mapping[str, int] | None = None,
        loss: str | list[int] | tuple[int, ...] = "every",
        sizes: Mapping[str, Any] | int | None = None,
        truncate: str | int | None = None,
        inputs: str = "every",
        reduce: str = "sum",
    ) -> Unrolled:
        """The computation graph of `steps` steps, in which every parameter is one node with numbered uses.

        Args:
            steps: T, by default 3; with blocks also `{"encoder": 4, "decoder": 2}`.
            loss: "every", "last", or a list of steps such as [2, 3].
            sizes: sizes by name, `{"x": 2, "h": 3}`; 1 is the all-scalar reading. Sizes not given are small and pairwise different.
            truncate: None, or which edges the gradient does not pass: "sliding:4", "chunk:4", "8;4" (BPTT(h;h′), Williams & Peng
                1990), "one-step" (Elman 1990) or "carousel" (Hochreiter & Schmidhuber 1997). A number k means "sliding:k".
            inputs: "every" (an input at each step), "first" (zero afterwards), "feedback" (afterwards the last output).
            reduce: "sum" or "mean" over the loss steps.

        Raises:
            BPTTError: for a step count, loss step, size or truncation that makes no sense, naming it and one fix.
        """
        from .unroll import Unrolled

        return Unrolled(self, steps=steps, loss=loss, sizes=sizes, truncate=truncate, inputs=inputs, reduce=reduce)

    def derive(self, wrt: str, loss: str = "every", **options: Any) -> Any:
        """∂E/∂wrt for a symbolic number of steps: recursions, NumPy code, closed form (see `derive.SymbolicDerivation`)."""
        from ..derive import SymbolicDerivation

        return SymbolicDerivation(self, wrt, loss, **options)

    @property
    def folded(self) -> VariableGraph:
        """The folded graph for pictures: one node a variable, links with their delay."""
        from .folded import fold

        return fold(self)

    def draw(self, **options: Any) -> Any:
        """The folded picture, with delay loops. Options as for `Unrolled.draw`."""
        from ..draw import draw

        return draw(self.folded, view="folded", **options)

    def _repr_svg_(self) -> str:
        return str(self.draw().svg)

    def _repr_html_(self) -> str:
        from ..notebook import recurrence_html

        return recurrence_html(self)

    def _repr_latex_(self) -> str:
        from ..notebook import recurrence_latex

        return recurrence_latex(self)

    def __repr__(self) -> str:
        kinds = {"states": self.states, "inputs": self.inputs, "parameters": self.parameters}
        return f"<Recurrence {self.title}: {'; '.join(k + ' ' + (', '.join(v) or 'none') for k, v in kinds.items())}>"


def _summands(e: Expr) -> list[Expr]:
    """The terms of a sum written with +."""
    return [*_summands(e.left), *_summands(e.right)] if isinstance(e, Binary) and e.operator == "+" else [e]


def _steps_of(term: Expr, index: Index, offset: int) -> str | tuple[int, ...] | None:
    """The steps of one term of a total, `sum_t E[t]`, `E[T]` or `E[2]`, whose index is `offset` away from that of its equation."""
    if not isinstance(term, Reduce):
        return (offset,) if index.variable is None else "last" if index.variable == "T" and offset == 0 else None
    if index.variable != term.variable or offset:
        return None
    low, high = term.lower or Index(None, 1), term.upper or Index("T", 0)
    if low.variable is None and high.variable is None:
        return tuple(range(low.offset, high.offset + 1))
    return "every" if (low.variable, low.offset, high.variable, high.offset) == (None, 1, "T", 0) else None


def _together(steps: list[str | tuple[int, ...]]) -> str | tuple[int, ...] | None:
    """The steps of several terms with one loss, if none of them stands there twice."""
    if len(steps) == 1 and isinstance(steps[0], str):
        return steps[0]
    named = [s for each in steps for s in each if isinstance(s, int)]
    return tuple(sorted(named)) if not any(isinstance(s, str) for s in steps) and len({*named}) == len(named) > 0 else None


# -- binding and folding the text -----------------------------------------------------------------------------------------------


def _bind(equations: list[Equation], let: Mapping[str, Any], text: str) -> list[Equation]:
    """Put what `let` says in the place of abstract functions."""
    bindings: dict[str, tuple[tuple[str, ...], Expr]] = {}
    for name, value in let.items():
        if not isinstance(value, str):
            raise BPTTError(f"let: {name} must be bound by a text", 'write let={"phi": "tanh"} or let={"f(x, h; w)": "tanh(w x + h)"}')
        function, formals, body = parse_binding(f"{name} = {value}")
        if isinstance(body, Name) and body.index is None and not formals and canonical(body.name) not in FUNCTIONS:
            raise BPTTError(f"let: {value} is not a known function", nearest(value, sorted(FUNCTIONS)))
        bindings[canonical(function)] = (formals, body)
    used: set[str] = set()

    def change(e: Expr) -> Expr:
        if not isinstance(e, Call):
            return e
        name = canonical(e.function)
        if name in bindings:
            used.add(name)
            formals, body = bindings[name]
            if not formals and isinstance(body, Name):
                return replace(e, function=canonical(body.name), args=(*e.args, *e.parameters), parameters=())
            given = (*e.args, *e.parameters)
            if len(formals) != len(given):
                call = f"{e.function}({', '.join('abcdefgh'[: len(given)])})"
                raise BPTTError(f"{e.function} is called with {len(given)} arguments, but bound with {len(formals)}",
                                f"write let {call} = …", text=text, span=e.span)  # fmt: skip
            table = dict(zip(formals, given))
            return rebuild(body, lambda x: table.get(x.name, x) if isinstance(x, Name) and x.index is None else x)
        return replace(e, function=name) if name in FUNCTIONS or e.function in ALIASES else e

    changed = [replace(e, right=rebuild(e.right, change)) for e in equations]
    unknown = set(bindings) - used
    if unknown:
        known = sorted({e.function for q in equations for e in calls(q.right) if canonical(e.function) not in FUNCTIONS})
        hint = nearest(sorted(unknown)[0], known) if known else "this recurrence has no abstract function: leave let out"
        raise BPTTError(f"let: no equation calls {', '.join(sorted(unknown))}", hint)
    return [replace(e, right=rebuild(e.right, change)) for e in changed] if bindings else changed


def calls(e: Expr) -> Iterator[Call]:
    """Every function call in an expression."""
    if isinstance(e, Call):
        yield e
    for child in children(e):
        yield from calls(child)


def _fold_steps(equations: list[Equation]) -> tuple[list[Equation], list[str], int]:
    """`h_3 = f(x_3, h_2); h_2 = f(x_2, h_1); …` is one equation written out by hand: fold it back to `h[t] = f(x[t], h[t-1])`.

    Returns the equations, notes, and the last step that was written out.
    """
    groups: dict[tuple[str | None, str], list[Equation]] = {}
    for e in equations:
        index = e.left[0].index
        if len(e.left) == 1 and index and index.variable is None and index.offset >= 1:
            groups.setdefault((e.left[0].block or e.block, e.left[0].name), []).append(e)
    whole = {(e.left[0].block or e.block, e.left[0].name) for e in equations if e.left[0].index and e.left[0].index.variable == "t"}
    notes: list[str] = []
    dropped: set[int] = set()
    folded: dict[int, Equation] = {}
    last = 0
    for place, group in groups.items():
        name = place[1]
        steps = sorted(e.left[0].index.offset for e in group if e.left[0].index)
        before = any(n.name == name and n.index and n.index.variable is None for e in group for n, _ in names_in(e.right))
        alone = len(group) < 2 and (place in whole or not before)  # a step with an equation of its own, such as the first
        if alone or steps != list(range(steps[0], steps[0] + len(group))):
            continue
        shifted = [_shift(e) for e in group]
        if len({_plain(e.right) for e in shifted}) == 1:
            dropped |= {id(e) for e in group}
            folded[id(group[0])] = shifted[0]
            last = max(last, steps[-1])
            one, many = f"equation for {name} at step {steps[0]} is", f"equations for {name} at the steps {steps[0]} to {steps[-1]} are"
            notes.append(f"the {many if len(group) > 1 else one} read as one equation for every step: {shifted[0].text}")
    result = [folded.get(id(e), e) for e in equations if id(e) not in dropped or id(e) in folded]
    return result, notes, last


def _shift(e: Equation) -> Equation:
    index = e.left[0].index
    assert index is not None
    base = index.offset

    def change(x: Expr) -> Expr:
        if isinstance(x, Name) and x.index and x.index.variable is None:
            return replace(x, index=Index("t", x.index.offset - base))
        return x

    from .language import show

    right, left = rebuild(e.right, change), replace(e.left[0], index=Index("t", 0))
    return replace(e, left=(left,), right=right, text=f"{left.name}[t] = {show(right)}")


def _plain(e: Expr) -> str:
    from .language import show

    return show(e)


# -- order of computation ---------------------------------------------------------------------------------------------------------


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
    for g in _topological(list(members), {g: {group[j] for i in m for j in after[i]} - {g} for g, m in members.items()}):
        inside = members[g]
        delays = [r.delay for r in reads if group[place[id(r.reader)]] == g == group[place[id(r.source)]]]
        within = {i: now[i] & set(inside) for i in inside}
        order = _topological(inside, within)
        if len(order) < len(inside) or any(d is None for d in delays):
            stuck = [i for i in inside if i not in order] or inside
            cycle = _cycle(stuck, within) if len(order) < len(inside) else stuck
            path = " → ".join(definitions[i].bases[0] + ("[t]" if definitions[i].kind == "every" else "") for i in (*cycle, cycle[0]))
            raise BPTTError(f"circular definition within a step: {path}", _step_hint(definitions[cycle[0]].text),
                            text=text, span=definitions[cycle[0]].equation.span)  # fmt: skip
        known = [d for d in delays if d is not None]
        if any(d > 0 for d in known) and any(d < 0 for d in known):
            names = ", ".join(b for i in inside for b in definitions[i].bases)
            raise BPTTError(f"{names} read each other both at earlier and at later steps: no order computes them",
                            "let states that run forwards and states that run backwards not read each other",
                            text=text, span=definitions[inside[0]].equation.span)  # fmt: skip
        result.append(Component(tuple(definitions[i] for i in order), -1 if any(d < 0 for d in known) else 1))
    return result


def _step_hint(text: str) -> str:
    """What to do about a circle: often `h_t-1` was meant to be `h_{t-1}`."""
    slip = re.search(r"(\w+)_t\s?([+-]\s?\d)", text)
    if slip:
        return f"{slip[0]} is {slip[1]}_t with {slip[2]} added; write {slip[1]}_{{t{slip[2]}}} or {slip[1]}[t{slip[2]}]"
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


def _again(program: Program, let: dict[str, Any], title: str, conventions: tuple[str, ...], source: str) -> Recurrence:
    """A recurrence as it comes from another process: read anew from its equations."""
    rec = Recurrence(program, let, title=title, conventions=conventions)
    rec.source = source
    return rec


def from_text(text: str, let: Mapping[str, Any] | None = None, **options: Any) -> Recurrence:
    """A recurrence from equations as text."""
    return Recurrence(parse(text), let, **options)


