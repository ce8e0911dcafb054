"""Settings: the question that is put to a recurrence: over how many steps, with which loss, sizes, inputs and
truncation.

They are read and checked here, before anything is built; the schedule over time is found from them and the equations
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from operator import index
from typing import Any

from ..errors import BPTTError, expect, integer
from .coefficients import coefficients
from .definitions import Component, Definition, components
from .elaborate import Surroundings, elaborate
from .kinds import Habits, matrices
from .model import Recurrence
from .notes import Note
from .shapes import infer
from .syntax import Equation, Expr, Index, Name
from .trees import calls
from .truncation import Truncation, parse_truncation

__all__ = ["Settings", "explicit", "infer_shapes"]

_MAX_STEPS = 1_000_000


def infer_shapes(
    rec: Recurrence,
    sizes: Mapping[str, Any] | int | None,
    extra: list[Definition] | None = None,
    forced: bool = False,
) -> tuple[dict[str, tuple[int, ...]], dict[int, tuple[int, ...]]]:
    """The shape of every name of a recurrence, and of the constants in it by their `id`; `forced` as for `infer`."""
    equations: list[tuple[list[str], Expr, Callable[[Name], str], str]] = []
    for d in [*rec.definitions, *(extra or [])]:
        equations.append((list(d.bases), d.right, partial(_key, rec, d.block), d.text))
    names = list(dict.fromkeys([*rec.inputs, *[b for d in rec.definitions for b in d.bases], *rec.parameters]))
    total = rec.total
    scalars = {*([total] if total else []), *(() if rec.sums_outputs else rec.losses)}
    vectors = [n for n in names if n in rec.inputs or n in rec.defined]
    pairs = [(d.equation.left, d.right) for d in rec.definitions]
    habits = Habits(rec.rows, matrices(pairs) | rec.program.matrices, frozenset(coefficients(pairs, rec.text)))
    return infer(equations, rec.text, sizes, scalars, vectors, names, habits, forced)


def explicit(
    rec: Recurrence,
    definitions: list[Definition],
    shapes: Mapping[str, tuple[int, ...]],
    constants: dict[int, tuple[int, ...]],
    steps: Mapping[str | None, int] | None = None,
) -> tuple[dict[Definition, Expr], tuple[Note, ...]]:
    """The right sides with explicit operators, and what was assumed about products."""
    notes: dict[Note, None] = {}
    found: dict[Definition, Expr] = {}
    for d in definitions:
        said: list[Note] = []
        around = Surroundings(
            rank=lambda name, d=d: len(shapes[rec.key(name, d.block)]),  # type: ignore[misc]
            left=len(shapes[d.bases[0]]),
            sizes=constants,
            rows=rec.rows,
            text=rec.text,
            notes=said,
            steps=None if steps is None else steps.get(d.block, max(steps.values())),
        )
        found[d] = elaborate(d.right, around)
        notes |= dict.fromkeys(said)
    return found, tuple(notes)


def _key(rec: Recurrence, block: str | None, name: Name) -> str:
    return rec.key(name, block)


def _as_written(rec: Recurrence, sizes: Mapping[str, Any] | int | None) -> Recurrence:
    """The recurrence without the norms that were read into its losses, if with these sizes they are numbers anyway."""
    if rec.written is None or not sizes:
        return rec
    try:
        infer_shapes(rec.written, sizes)
    except BPTTError:
        return rec
    return rec.written


def _step(given: Any) -> int:
    """The number of a step; a truth value is none, though Python counts with it."""
    if isinstance(given, bool):
        raise TypeError(given)
    return index(given)


class Settings:
    """A recurrence and the options under which it is unrolled.

    Attributes:
        recurrence: the equations. steps: T by block, under None without blocks. columns: the steps of all blocks one
            after the other; offset: where each block begins among them. loss_steps: the steps whose losses count.
            shapes: of every name.
        notes: what was assumed about products.
        definitions, order: the equations in force, and the order in which they are computed. generic: there is no loss,
            so that ∂E/∂output is given. truncation: which edges the gradient does not pass, None for all. inputs,
            reduce, given_sizes: as given.

    Raises:
        BPTTError: for a step count, loss step, size or truncation that makes no sense, naming it and one fix.
    """

    def __init__(self, rec: Recurrence, *, steps: Any, loss: Any, sizes: Any, truncate: Any, inputs: str, reduce: str):
        steps = integer(dict(steps) if isinstance(steps, Mapping) else steps)
        sizes, truncate = integer(sizes), integer(truncate)
        self.recurrence = rec = _as_written(rec, sizes)
        self.inputs, self.reduce, self.given_sizes = inputs, reduce, sizes
        self.steps = self._read_steps(steps)
        self.truncation: Truncation | None = parse_truncation(truncate)
        for what, given in (("inputs", inputs), ("reduce", reduce)):
            expect(given, str, what, f'write {what}="{"every" if what == "inputs" else "sum"}"')
        if inputs not in ("every", "first", "feedback"):
            raise BPTTError(f"inputs={inputs!r} is not known", 'write "every", "first" or "feedback"')
        if reduce not in ("sum", "mean"):
            raise BPTTError(f"reduce={reduce!r} is not known", 'write "sum" or "mean"')
        self.offset: dict[str | None, int] = {}
        column = 0
        for block in rec.blocks or (None,):
            self.offset[block] = column
            column += self.steps[block]
        self.offset.setdefault(None, 0)
        self.columns = column
        self.definitions, self.order = self._system()
        extra = [d for d in self.definitions if d not in rec.definitions]
        self.shapes, constants = infer_shapes(rec, sizes, extra)
        self._rights, self.notes = explicit(rec, self.definitions, self.shapes, constants, self.steps)
        self.sizes = dict(self.shapes)
        self.loss_steps = self._read_loss(rec.choose(loss, reduce))
        self.loss_bases = () if rec.sums_outputs else rec.losses
        self.generic = not rec.sums_outputs and not rec.losses

    def right(self, d: Definition) -> Expr:
        """An equation's right side with explicit operators (`elaborate.py`): what is computed."""
        return self._rights[d]

    def _read_steps(self, steps: Any) -> dict[str | None, int]:
        rec = self.recurrence
        blocks: tuple[str | None, ...] = rec.blocks or (None,)
        if steps is None:
            steps = rec.steps_hint or rec.folded_steps or 3
        given = dict(steps) if isinstance(steps, Mapping) else dict.fromkeys(blocks, steps)
        unknown = [b for b in given if b not in blocks]
        if unknown:
            named = ", ".join(b for b in blocks if b)
            fix = (
                f"the blocks are {named}"
                if named
                else f"these equations have no blocks: write steps={given[unknown[0]]}"
            )
            raise BPTTError(f"steps: there is no block {unknown[0]}", fix)
        for block in blocks:
            n = given.setdefault(block, 3)
            if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= _MAX_STEPS:
                raise BPTTError(
                    f"steps={n!r}: a recurrence is unrolled over at least 1 step (at most {_MAX_STEPS:,})",
                    "write steps=3",
                )
        hint = rec.steps_hint
        if hint > given[blocks[-1]]:
            raise BPTTError(
                f"the equations name step {hint}, but there are {given[blocks[-1]]} steps", f"write steps={hint}"
            )
        return given

    def _read_loss(self, loss: Any) -> tuple[int, ...]:
        last = self.steps[self.loss_block]
        if loss == "every":
            return tuple(range(1, last + 1))
        if loss == "last":
            return (last,)
        try:
            steps = (
                sorted({_step(s) for s in loss})
                if not isinstance(loss, str | int)
                else [int(s) for s in str(loss).split(",")]
            )
        except (TypeError, ValueError):
            raise BPTTError(
                f"loss={loss!r} is not a choice of steps", 'write "every", "last", or steps such as [2, 3]'
            ) from None
        bad = [s for s in steps if not 1 <= s <= last]
        if bad or not steps:
            raise BPTTError(f"loss step {bad[0] if bad else loss!r} is outside the steps 1 to {last}",
                            f"choose steps from 1 to {last}, or more steps")  # fmt: skip
        return tuple(sorted(set(steps)))

    @property
    def loss_block(self) -> str | None:
        """The block whose steps have the losses; None without blocks."""
        rec = self.recurrence
        for base in (*rec.losses, *rec.outputs):
            if base in rec.every:
                return rec.every[base].block if rec.blocks else None
        return rec.blocks[-1] if rec.blocks else None

    def _system(self) -> tuple[list[Definition], list[Component]]:
        """The definitions in force: those of the equations, plus `x[t+1] = y[t]` for every input that is fed back."""
        rec = self.recurrence
        definitions = list(rec.definitions)
        if self.inputs != "feedback":
            return definitions, rec.order
        last = rec.blocks[-1] if rec.blocks else None
        fed = [i for i in rec.inputs if i not in rec.targets and (last is None or i.startswith(f"{last}."))]
        outputs = [o for o in rec.outputs if last is None or o.startswith(f"{last}.")]
        if not fed or not outputs:
            raise BPTTError("there is no input, or no output to feed back into it", 'use inputs="every"')
        if len(fed) > 1:
            raise BPTTError(f"several inputs ({', '.join(fed)}): which one is fed back?",
                            f"write the feedback as an equation: {fed[0]}[t+1] = …")  # fmt: skip
        (target,), source = fed, outputs[-1]
        d = rec.every[source]
        span = d.equation.span
        text = f"{target.rpartition('.')[2]}[t+1] = {source.rpartition('.')[2]}[t{'+1' if d.offset else ''}]"
        left = Name(target.rpartition(".")[2], Index("t", 1), span)
        right = Name(source.rpartition(".")[2], Index("t", d.offset), span)
        definitions.append(
            Definition((target,), "every", 1, left.index, right, Equation((left,), right, span, text, last), last)
        )
        return definitions, components(definitions, rec.find_reads(definitions), rec.text)

    @cached_property
    def overridden(self) -> set[tuple[str, int]]:
        """The places at which an equation for one step stands instead of the one for every step: (name, step)."""
        return {
            (base, self.fixed_step(d)) for d in self.recurrence.definitions if d.kind == "fixed" for base in d.bases
        }

    def fixed_step(self, d: Definition) -> int:
        """The step that an equation for one step defines."""
        assert d.index is not None
        last = self.steps.get(d.block, self.steps.get(None, 0))
        return d.index.offset + (last if d.index.variable == "T" else 0)

    def is_inside(self, d: Definition) -> bool:
        """Whether an equation for one step stands in the place of the one for every step."""
        return d.bases[0] in self.recurrence.every and not self.is_initial(d)

    def is_initial(self, d: Definition) -> bool:
        """Whether an equation for one step gives a state before the first step or after the last: c[1] where the others
        are c[t+1] = …"""
        every = self.recurrence.every.get(d.bases[0])
        step = self.fixed_step(d) - (every.offset if every is not None else 0)
        return not 1 <= step <= self.steps.get(d.block, self.columns)

    @property
    def loss_weight(self) -> float:
        """1, or 1/N for the mean of N losses."""
        return 1.0 / len(self.loss_steps) if self.reduce == "mean" else 1.0

    @property
    def generic_name(self) -> str:
        """What the loss of a recurrence without one is called."""
        rec = self.recurrence
        return next(
            n
            for n in ("E", "J", "loss", "E_total")
            if n not in rec.defined and n not in rec.parameters and n not in rec.inputs
        )

    def upstream_name(self, output: str) -> str:
        """The name in the data of ∂E/∂output, for a recurrence without a loss."""
        stem = output.rpartition(".")
        return f"{stem[0]}{stem[1]}d{self.generic_name}_d{stem[2]}"

    @property
    def generic_offset(self) -> int:
        """How many steps ahead the outputs stand on their left sides: 1 for y[t+1] = …; 0 if they differ in this."""
        offsets = {self.recurrence.every[out].offset for out in self.recurrence.outputs}
        return offsets.pop() if len(offsets) == 1 else 0

    @property
    def conventions(self) -> tuple[str, ...]:
        """What was chosen, in words: printed on every picture, document and verdict."""
        n, last = len(self.loss_steps), self.steps[self.loss_block]
        steps = ", ".join(f"{b}: T = {t}" if b else f"T = {t}" for b, t in self.steps.items())
        chosen = "the last step" if self.loss_steps == (last,) else "steps " + ", ".join(map(str, self.loss_steps))
        where = "every step" if n == last else chosen
        summed = f"mean over {n} steps" if self.reduce == "mean" else "summed"
        rec = self.recurrence
        losses = (
            f"total as written: {rec.once[rec.total or ''].text}" if rec.sums_outputs else f"loss at {where}, {summed}"
        )
        found = [steps, losses, f"{'row vectors, x W' if self.recurrence.rows else 'column vectors'}, one example"]
        if self.generic:
            found.append("no loss given: ∂E/∂output is a given vector at each of these steps")
        if self.inputs == "first":
            found.append("input at the first step only, zero afterwards")
        if self.inputs == "feedback":
            found.append("after the first step the input is the last output")
        found.append("truncation: " + (self.truncation.text if self.truncation else "none, the full gradient"))
        if self._softmax_of_a_number:
            found.append("the softmax of a single number is always 1, so a loss behind it is constant: give y a size")
        return (*found, *self.recurrence.conventions)

    @cached_property
    def _softmax_of_a_number(self) -> bool:
        """In the all-scalar reading a softmax says nothing: whoever asked for it should know."""
        vectors = any(self.shapes[name] for name in (*self.recurrence.inputs, *self.recurrence.defined))
        called = (c.function for d in self.recurrence.definitions for c in calls(d.right))
        return not vectors and any(name in ("softmax", "log_softmax") for name in called)
