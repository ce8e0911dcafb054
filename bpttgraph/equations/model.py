"""Recurrence: a lecture's equations as a folded graph, in which every read of a variable has a delay.

What a name is follows from how the equations use it: a name defined for step t is a *value*, a *state* if some equation
reads it at another step; an indexed name that no line defines is an *input*; an unindexed one is a *parameter*. Nothing
is declared.

The delays also give the order of computation: within a step along the reads of delay 0, over the steps forwards or, for
states read at `[t+1]`, backwards. A group of equations that would need both is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import facade
from ..errors import BPTTError, expect, visible
from .binding import bind, called, checked_let, fold_steps
from .definitions import Definition, Read, components
from .functions import FUNCTIONS, LOSSES, function_of
from .language import parse
from .meaning import counted, understand
from .syntax import Binary, Call, Equation, Expr, Name, Number, Program, Reduce
from .text import brief
from .totals import steps_of, summands, together
from .trees import calls, children, names_in, rebuild
from .words import LOSS_NAMES

if TYPE_CHECKING:
    from ..core.variables import VariableGraph
    from ..facade import Figure, SymbolicDerivation, Unrolled

__all__ = ["LOSS_NAMES", "Recurrence", "from_text"]


class Recurrence:
    """The folded graph of a system of equations.

    Make one with `bpttgraph.recurrence(text)` or `bpttgraph.cell(name)`.

    Attributes:
        states, inputs, parameters: tuples of names. equations: the equations as written.
        source: the text it was made from. reading: the same as understood. notes: what was assumed or dropped.
        rows: whether its vectors are rows, as in `x_t W`. title: how pictures and documents call it.
        conventions: the conventions that this system fixes, in words. published: whether it is a cell of the library,
        whose reading needs no saying.
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
        published: bool = False,
        written: Recurrence | None = None,
    ):
        self.published = published
        self.written = written  # where a loss was read as a number: the text as it stands, which other sizes may allow
        self.title, self.text, self.source = title, program.text, program.text
        self.conventions = conventions
        self.program = program
        self.blocks, self.rows = program.blocks, program.rows
        let = checked_let(let)
        own = {name.partition("(")[0] for name in let}
        self.let = {head: body for head, body in program.let if head.partition("(")[0] not in own} | let
        notes = list(program.notes)
        folded, fold_notes, self.folded_steps = fold_steps(list(program.equations))
        notes += fold_notes
        equations = bind(folded, self.let, program.text)
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
        same: dict[str, Definition] = {}
        for d in self.definitions:
            if isinstance(d.right, Call) and d.right.function in self.abstract and len(d.bases) == 1:
                first = same.setdefault(brief(d.right), d)
                if first is not d and first.bases != d.bases:
                    left = f"{first.bases[0]} and {d.bases[0]}"
                    notes.append(f"{left} are both {d.right.function}(…) of the same values: "
                                 f"write [{'; '.join(brief(x.equation.left[0]) for x in (first, d))}] = … "
                                 "for one function with two values")  # fmt: skip
        self._said = tuple(notes)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """A sentence for everything that was assumed or dropped, and for every reading that is often not meant."""
        return self._said if self.published else (*self._said, *facade.suspicions(self))

    @cached_property
    def reading(self) -> str:
        """The recurrence as understood: one line an equation, in the plain language with explicit operators, then the
        names with their roles and shapes, in sizes that are chosen where none are given."""
        return facade.reading(self)

    @property
    def title(self) -> str:
        """How pictures and documents call it: one line, whatever the file was called."""
        return self._title

    @title.setter
    def title(self, text: str) -> None:
        expect(text, str, "a title", "write it as a text")
        self._title = " ".join(visible(text).split())

    def __reduce__(self) -> Any:
        return _again, (self.program, self.let, self.title, self.conventions, self.published, self.source, self.written)

    def _check_arguments(self, call: Call) -> None:
        function = function_of(call)
        low, high = (1, 99) if function is None else function.arity
        given = len(call.args) + len(call.parameters)
        if not low <= given <= high:
            count = f"{low} argument{'s' if low > 1 else ''}" if low == high else f"{low} to {high} arguments"
            raise BPTTError(
                f"{call.function} takes {count}, not {given}",
                _fewer(call) if high == 1 else "docs/reference/functions.md has the list of functions",
                text=self.text,
                span=call.span,
            )

    # -- what is what --------------------------------------------------------------------------------------------------

    def key(self, name: Name, block: str | None) -> str:
        """The name with its block. A plain name inside a block is the block's own, unless only the top level defines
        it."""
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
            raise BPTTError(
                f"{first.name} stands outside the blocks",
                f"put it under {last}:, or write {last}.{first.name}",
                text=self.text,
                span=e.span,
            )
        if any(n.index != index for n in e.left):
            raise BPTTError(
                "all names on the left must stand at the same step",
                "write [i[t]; f[t]] = …",
                text=self.text,
                span=e.span,
            )
        if index is None:
            return Definition(bases, "once", 0, None, e.right, e, block)
        if index.variable == "t":
            if abs(index.offset) > 100:
                raise BPTTError(
                    "that step is too far from t", "use an offset of at most 100", text=self.text, span=first.span
                )
            return Definition(bases, "every", index.offset, index, e.right, e, block)
        if index.variable in (None, "T"):
            return Definition(bases, "fixed", 0, index, e.right, e, block)
        raise BPTTError(
            f"the step of {first.name} must be written with t",
            f"write {first.name}[t]",
            text=self.text,
            span=first.span,
        )

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
                        self._begun(other, d)
                        or self._change(other, d)
                        or "keep one of the two equations, or rename one of the variables",
                        text=self.text,
                        span=d.equation.span,
                    )
                table[place] = d
        self.defined = {*self.every, *(base for base, _, _ in self.fixed)}
        self._top = {b for d in self.definitions if d.block is None for b in d.bases}

    def _begun(self, first: Definition, second: Definition) -> str | None:
        """What to write for `state_t = 0`, a loop, and `state_t = output_t` at its end: what stands between reads the
        state of the step before."""
        old, zero = second.equation.left[0], isinstance(first.right, Number)
        if not zero or len(second.bases) > 1 or old.index is None or old.index.offset or second.block:
            return None
        before = replace(old.index, offset=-1)

        def earlier(e: Expr) -> Expr:
            return replace(e, index=before) if isinstance(e, Name) and (e.name, e.index) == (old.name, old.index) else e

        inside = self.definitions[self.definitions.index(first) + 1 : self.definitions.index(second) + 1]
        lines = [f"{', '.join(map(brief, d.equation.left))} = {brief(rebuild(d.right, earlier))}" for d in inside]
        return f"write {'; '.join([f'{old.name}[0] = {brief(first.right)}', *lines])} for a state that begins there"

    def _change(self, first: Definition, second: Definition) -> str | None:
        """What to write for `h_t = tanh(…)` and then `h_t = o_t * h_t`: the first value has a name of its own."""
        old = second.equation.left[0]
        read = [n for n, _ in names_in(second.right) if (n.name, n.block, n.index) == (old.name, old.block, old.index)]
        if len(second.bases) > 1 or len(first.bases) > 1 or not read:
            return None
        taken = {n.name for d in self.definitions for n, _ in names_in(d.right)}
        taken |= {n.name for d in self.definitions for n in d.equation.left}
        new = next((a for a in "abcdgmpqrsuvz" if a not in taken), f"{old.name}_1")
        right = rebuild(second.right, lambda x: replace(x, name=new) if x in read and isinstance(x, Name) else x)
        return (
            f"line {second.equation.span.line} changes the {brief(old)} of line {first.equation.span.line}: "
            f"give that value a name of its own, {brief(replace(old, name=new))} = {brief(first.right)}, "
            f"and write {brief(old)} = {brief(right)}"
        )

    def _classify(self, notes: list[str]) -> None:
        offsets: dict[str, list[tuple[Name, Definition, int | None]]] = {}
        parameters: dict[str, Name] = {}
        for d in self.definitions:
            for name, bound in names_in(d.right):
                key = self.key(name, d.block)
                if name.block and name.block not in self.blocks:
                    raise BPTTError(f"there is no block {name.block}",
                                    f"begin it with a line {name.block}:; for a product, write {name.block} @ …",
                                    text=self.text, span=name.span)  # fmt: skip
                if name.index is None:
                    if key in self.once:
                        continue
                    if key in self.defined:
                        base = isinstance(d.right, Binary) and d.right.operator == "^"
                        earlier = any(self.key(n, d.block) == key and n.index for n, _ in names_in(d.right))
                        hint = _spaced(self.text, name) or f"write {name.name}[t]"
                        stepped = [n for n, _ in names_in(d.right) if self.key(n, d.block) == key and n.index]
                        if hint == f"write {name.name}[t]" and key in d.bases and not (d.offset or stepped or base):
                            hint = f"write {name.name}[t-1]"  # its own value of the step before
                        if (
                            hint.startswith(f"write {name.name}[t]") and key in d.bases and (base or earlier)
                        ):  # a_t = a^{r_t}, e_t = e e_{t-1}
                            hint = (
                                f"if it is a parameter, rename it, such as {name.name}_p, for {name.name}[t] is another"
                            )
                        raise BPTTError(
                            f"{name.name} stands without a step",
                            hint,
                            text=self.text,
                            span=name.span,
                        )
                    parameters.setdefault(key, name)
                else:
                    v = name.index.variable
                    if v not in ("t", "T", None) and v not in {r.variable for r in bound}:
                        raise BPTTError(f"the step {v} is not known here", "write t, or sum over it: sum_{k=1}^{t} …",
                                        text=self.text, span=name.span)  # fmt: skip
                    if v == "t" and d.kind != "every" and not any(r.variable == "t" for r in bound):
                        raise BPTTError(
                            f"{name.name}[t] stands in an equation that has no step t on its left",
                            f"write {d.bases[0]}[t] = …, or sum_t …",
                            text=self.text,
                            span=name.span,
                        )
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
        self.steps_hint = max(
            [d.index.offset for d in self.definitions if d.kind == "fixed" and d.index and d.index.variable is None]
            + [
                n.index.offset
                for d in self.definitions
                if d.kind == "once"
                for n, _ in names_in(d.right)
                if n.index and n.index.variable is None
            ]
            + [0]
        )

    def _undefined_state(self, key: str, name: Name, notes: list[str]) -> None:
        """A name that is only read at earlier steps and never defined is a slip, unless the text is a fragment of a
        cell."""
        rights = [d.right for d in self.definitions]
        schematic = all(isinstance(e, Call) and function_of(e) is None and len(children(e)) > 1 for e in rights)
        apart = not any(self.key(n, d.block) in self.defined for d in self.definitions for n, _ in names_in(d.right))
        if (schematic and apart) or (apart and len(self.definitions) > 1):
            notes.append(f"no line defines {key}[t]: it is read at earlier steps and taken as given data")
            return
        index = name.index
        assert index is not None
        beside = [d for d in self.definitions if any(n is name for n, _ in names_in(d.right))]
        if all(self._carries_itself(d) for d in beside):
            notes.append(f"no line defines {key}[t]: it is taken as given data that is read at earlier steps")
            return
        candidates = [b for b in self.every if b.rpartition(".")[2] not in LOSS_NAMES] or list(self.every)
        states = [
            b
            for b in candidates
            if b
            in {
                self.key(n, d.block)
                for d in self.definitions
                for n, _ in names_in(d.right)
                if n.index and n.index.offset < 0
            }
        ]
        best = (states or candidates or [key])[0].rpartition(".")[2]
        raise BPTTError(
            f"{name.name}[t{index.offset}] is read, but no line defines {name.name}[t]",
            f"did you mean {best}[t{index.offset}]? Otherwise add an equation {name.name}[t] = …",
            text=self.text,
            span=name.span,
        )

    def _carries_itself(self, d: Definition) -> bool:
        """Whether a value reads itself at an earlier step, as x[t] = A x[t-1] + B u[t-1] does: what it reads beside
        that needs no state in its place."""
        return d.kind == "every" and any(
            self.key(n, d.block) in d.bases and n.index is not None and n.index.offset < d.offset
            for n, _ in names_in(d.right)
        )

    def find_reads(self, definitions: list[Definition]) -> list[Read]:
        """Who reads whom, how many steps before."""
        every = {b: d for d in definitions if d.kind == "every" for b in d.bases}
        once = {b: d for d in definitions if d.kind == "once" for b in d.bases}
        fixed: dict[tuple[str, str | None, int], Definition] = {
            (b, d.index.variable, d.index.offset): d
            for d in definitions
            if d.kind == "fixed" and d.index
            for b in d.bases
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
                    elif (
                        (reduce := next((r for r in bound if r.variable == v), None))
                        and reduce.upper
                        and reduce.upper.variable == "t"
                    ):
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
        read = {
            (self.key(n, r.reader.block))
            for r in self.reads
            if r.delay not in (0, None)
            for n, _ in names_in(r.reader.right)
            if n.index and n.index.variable == "t" and r.source.offset - n.index.offset != 0
        }
        return tuple(b for d in self.definitions if id(d) in delayed for b in d.bases if b in read)

    @cached_property
    def abstract(self) -> tuple[str, ...]:
        """Functions of which only the name is known: numbers need `let`."""
        found: dict[str, None] = {}
        for d in self.definitions:
            stack: list[Expr] = [d.right]
            while stack:
                e = stack.pop()
                if isinstance(e, Call) and function_of(e) is None:
                    found[e.function] = None
                stack += children(e)
        return tuple(found)

    # -- losses and outputs --------------------------------------------------------------------------------------------

    @cached_property
    def total(self) -> str | None:
        """The loss that no step belongs to (`E = sum_t E[t]`), if a line defines one."""
        timed: dict[str, None] = {}
        for _ in self.once:  # E = dot(m, m) with m = sum_t h[t] depends on the steps as well
            timed |= {
                b: None
                for b, d in self.once.items()
                if any(n.index or self.key(n, d.block) in timed for n, _ in names_in(d.right))
            }
        read = {self.key(n, d.block) for d in self.definitions for n, _ in names_in(d.right) if n.index is None}
        hits = [b for b in self.once if b in timed and b not in read]
        if len(hits) > 1:
            named = [h for h in hits if h.rpartition(".")[2] in LOSS_NAMES]
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
            if id(d) not in read and (made or base.rpartition(".")[2] in LOSS_NAMES):
                found.append(base)
        return tuple(found)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """What the recurrence gives out: what the losses compare, else what nothing reads, else what nothing of the
        same step reads."""
        losses = set(self.losses) - (set(self.every) if self.sums_outputs else set())
        if self.losses and not self.sums_outputs:
            found = [
                self.key(n, self.every[b].block)
                for b in self.losses
                if b in self.every
                for n, _ in names_in(self.every[b].right)
            ]
            found = [b for b in found if b in self.every and b not in losses]
            if found:
                return tuple(dict.fromkeys(found))
        reads = [r for r in self.reads if not (set(r.reader.bases) & losses) and r.reader.kind != "once"]
        read, read_now = {id(r.source) for r in reads}, {id(r.source) for r in reads if r.delay in (0, None)}
        values = [(b, d) for b, d in self.every.items() if b not in losses]
        return tuple(b for b, d in values if id(d) not in read) or tuple(b for b, d in values if id(d) not in read_now)

    @property
    def sums_outputs(self) -> bool:
        """True for a total of one's own, such as J(y_2, y_3) or 2 sum_t E[t], that is more than the sum of the losses
        of some steps."""
        return self.counted is None

    @cached_property
    def counted(self) -> str | tuple[int, ...] | None:
        """The steps whose losses the total adds up, each once: "every" (also without a total), "last", or the steps
        that it names.

        None if the total is anything else, or adds up what equations read: it is then computed as it is written.
        """
        if self.total is None:
            return "every"
        d = self.once[self.total]
        read = {b for r in self.reads if r.reader is not d for b in r.source.bases}
        found: dict[str, list[str | tuple[int, ...]]] = {}
        for term in summands(d.right):
            name = term.body if isinstance(term, Reduce) and term.kind == "sum" else term
            if not isinstance(name, Name) or name.index is None:
                return None
            key = self.key(name, d.block)
            if key in read or (key in self.defined and key not in self.every):
                return None
            offset = name.index.offset - (self.every[key].offset if key in self.every else 0)
            steps = steps_of(term, name.index, offset)
            if steps is None:
                return None
            found.setdefault(key, []).append(steps)
        kinds = {together(steps) for steps in found.values()}
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

    # -- the ways on ---------------------------------------------------------------------------------------------------

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
            sizes: sizes by name, `{"x": 2, "h": 3}`; 1 is the all-scalar reading. Sizes not given are small and
                pairwise different.
            truncate: None, or which edges the gradient does not pass: "sliding:4", "chunk:4", "8;4" (BPTT(h;h′),
                Williams & Peng 1990), "one-step" (Elman 1990) or "carousel" (Hochreiter & Schmidhuber 1997). A number k
                means "sliding:k".
            inputs: "every" (an input at each step), "first" (zero afterwards), "feedback" (afterwards the last output).
            reduce: "sum" or "mean" over the loss steps.

        Raises:
            BPTTError: for a step count, loss step, size or truncation that makes no sense, naming it and one fix.
        """
        return facade.unrolled(
            self, steps=steps, loss=loss, sizes=sizes, truncate=truncate, inputs=inputs, reduce=reduce
        )

    def derive(self, wrt: str, loss: str = "every", **options: Any) -> SymbolicDerivation:
        """∂E/∂wrt for any number of steps: recursions, NumPy code, closed form (see `derive.SymbolicDerivation`).

        Args:
            wrt: a parameter, an initial state such as "h[0]", or "all" of them.
            loss: "every", "last" or a list of steps.
            options: `truncate`, `sizes`, `inputs` and `reduce` as for `unroll`; `notation` and `onehot` as for
                `Unrolled.derive`.

        Raises:
            BPTTError: for a name that is none of the recurrence, and where no one set of recursions holds for every T.

        Example:
            >>> import bpttgraph as bg
            >>> print(bg.cell("rnn").derive("b_y").recursions[-1])
            ∂E/∂b_y = ∑[t=1..T] δ_y[t]
        """
        return facade.symbolic(self, wrt, loss, **options)

    @property
    def folded(self) -> VariableGraph:
        """The folded graph for pictures: one node a variable, links with their delay."""
        found: VariableGraph = facade.folded(self)
        return found

    def draw(self, **options: Any) -> Figure:
        """The folded picture, with delay loops. Options as for `Unrolled.draw`.

        Example:
            >>> import bpttgraph as bg
            >>> bg.cell("rnn").draw().svg.count("<title>") > 1
            True
        """
        return facade.folded_picture(self, **options)

    def _repr_svg_(self) -> str:
        return str(self.draw().svg)

    def _repr_html_(self) -> str:
        return facade.shown(self, "html")

    def _repr_latex_(self) -> str:
        return facade.shown(self, "latex")

    def __repr__(self) -> str:
        kinds = {"states": self.states, "inputs": self.inputs, "parameters": self.parameters}
        return f"<Recurrence {self.title}: {'; '.join(k + ' ' + (', '.join(v) or 'none') for k, v in kinds.items())}>"


def _spaced(text: str, name: Name) -> str:
    """What to write for `W_hhh_{t-1}`, where a space is missing behind a subscript; empty if that is not the slip."""
    rows = text.splitlines()
    row = " ".join(rows[name.span.line - 1].split()) if name.span.line <= len(rows) else ""
    spaced = re.sub(r"([A-Z])_([a-z]{1,3})([a-z])(?=_\{?[a-z](?:[-+}\W]|\Z))", r"\1_{\2} \3", row)
    return f"write {spaced}" if spaced != row else ""


def _fewer(call: Call) -> str:
    """What to write for `tanh(a, b)`."""
    args = [brief(a) for a in call.args]
    one = f"write {call.function}({' + '.join(args)}) for the function of their sum"
    return f"{one}; for that of their stack {call.function}([{'; '.join(args)}])"


def _again(
    program: Program,
    let: dict[str, Any],
    title: str,
    conventions: tuple[str, ...],
    published: bool,
    source: str,
    written: Recurrence | None,
) -> Recurrence:
    """A recurrence as it comes from another process: read anew from its equations."""
    rec = Recurrence(program, let, title=title, conventions=conventions, published=published, written=written)
    rec.source = source
    return rec


def from_text(text: str, let: Mapping[str, Any] | None = None, layers: int | None = None, **options: Any) -> Recurrence:
    """A recurrence from equations as text; `layers` says how many there are where a letter counts them."""
    return Recurrence(understand(counted(parse(text, called(let)), layers)), let, **options)
