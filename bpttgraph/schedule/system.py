"""The folded system: every value of a recurrence and of its reverse pass as one equation at "any step t".

Where the unrolled graph has `h[1], h[2], …`, the folded one has a single equation for `h`, and a *read* for `h[t-1]`: a
leaf with a delay. The reverse pass is built by `autodiff.backward` on each equation, from the same rule table as
everywhere else. It is again a system of equations with delays: what reaches `h[t-1]` in step t is read by the adjoint
of `h` one step earlier, as `[t+1]`.

Steps count as part of the batch. So the sum over the examples that ends a parameter's adjoint is at the same time the
sum over all its uses, and both become one product over stacked rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from ..core import primitives as P
from ..core.autodiff import backward
from ..core.graph import Node, leaf, needed
from ..equations.definitions import Definition
from ..equations.expressions import build, named_parts
from ..equations.syntax import Name, Reduce
from ..equations.trees import names_in

if TYPE_CHECKING:
    from ..equations.settings import Settings

__all__ = ["Domain", "Given", "Read", "System", "Unsuited", "outer_rows"]


class Unsuited(Exception):
    """The schedule does not apply; the message says why."""


@dataclass(frozen=True)
class Domain:
    """The rows of a value: the steps of a block, the steps with a loss, or a single row ("once")."""

    name: str
    length: int


@dataclass(frozen=True)
class Read:
    """A leaf that stands for the value of another equation.

    Kind "shift": `delay` steps before, and zero at the rows in `rows`; "at": in row `delay` alone; "pick": at `rows`.
    The transposes of the last two are "place" and "spread": the value at these rows, zero elsewhere.
    """

    kind: str
    source: str
    delay: int = 0
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Given:
    """A leaf that stands for data: a sequence (`timed`), an initial value or a parameter; `key` is its name in the
    data."""

    key: str
    role: str
    timed: bool


ONCE = Domain("once", 1)


class System:
    """The equations and the reverse pass of an unrolled recurrence, folded over time.

    Attributes:
        equations: name -> node. domains: name -> its rows (None: it belongs to no example and no step).
        reads, given: what the leaves stand for; `rows` says which rows a leaf has.
        initial: (base, step) -> the name of a value outside the steps that are computed, such as `h[0]`.
        losses: the losses of a step. gradients: parameter or initial state -> its gradient.
        forward, reverse: names of the equations that a loss needs, and of those that carry adjoints.
        seed: the leaf that starts the reverse pass. offsets: base -> its step in row 0, minus 1.
    """

    def __init__(self, u: Settings):
        self.u, self.rec = u, u.recurrence
        self.equations: dict[str, Node] = {}
        self.domains: dict[str, Domain | None] = {}
        self.reads: dict[Node, Read] = {}
        self.given: dict[Node, Given] = {}
        self.rows: dict[Node, Domain] = {}
        self.offsets: dict[str, int] = {}
        self.initial: dict[tuple[str, int], str] = {}
        self.gradients: dict[str, Node] = {}
        self.outside: set[str] = set()  # initial values that are data
        self._made: dict[tuple[object, ...], Node] = {}
        self.every = {b: d for d in u.definitions if d.kind == "every" for b in d.bases}
        self.blocks = {b: Domain(f"the steps of {b}" if b else "the steps", n) for b, n in u.steps.items()}
        self.loss_rows = tuple(s - 1 for s in u.loss_steps)
        self.total = self.rec.once.get(self.rec.total or "")
        self._refuse()
        self._at_losses = self._needed_by_losses_only()
        for part in u.order:
            for d in part.definitions:
                if d is not self.total:
                    self._define(d)
        self.losses = self._find_losses()
        self.seed = leaf("seed", batched=True, role="seed")
        rows = self.domains[self.losses[0]]
        assert rows is not None
        self.rows[self.seed] = rows
        self._live = self._find_live()
        self.forward = tuple(self._live)
        silent: set[str] = set()
        while True:  # an adjoint to which nothing contributes is left out, and so is what only it would have carried on
            found = self._reverse(silent)
            more = {name for name, node in found.items() if node is None} - silent
            if not more:
                break
            silent |= more
        self.reverse = {name for name, node in found.items() if node is not None}
        self.equations |= {name: node for name, node in found.items() if node is not None}

    # -- what is left to the plain interpreter -------------------------------------------------------------------------

    def _refuse(self) -> None:
        u, rec = self.u, self.rec
        if rec.sums_outputs:
            raise Unsuited("the loss is made of the outputs of several steps together")
        rule = u.truncation
        if rule is not None and (rule.carousel or rule.stride != rule.window):
            raise Unsuited(f"every loss is sent back on a way of its own (truncation: {rule.text})")
        if rule is not None and rec.blocks:
            raise Unsuited("truncation over several blocks")
        for d in u.definitions:
            if d is self.total:
                continue
            for name, bound in names_in(d.right):
                variable = name.index.variable if name.index else ""
                if bound:
                    raise Unsuited(f"{d.text} sums over steps")
                if d.kind == "every" and variable not in ("t", ""):
                    raise Unsuited(f"{d.text} reads the same step at every step")
                if d.kind == "once" and variable:
                    raise Unsuited(f"{d.text} reads steps, but belongs to none")
            if d.kind == "fixed":
                for b in d.bases:
                    if b not in self.every:
                        raise Unsuited(f"{d.text} gives a step to an input")
                    if 1 <= self._step(d) - self.every[b].offset <= u.steps[d.block]:
                        raise Unsuited(f"step {self._step(d)} of {b} has an equation of its own")

    def _needed_by_losses_only(self) -> set[str]:
        """Names that matter only where a loss is: computed at the steps with a loss, if these are not all steps."""
        u, rec = self.u, self.rec
        if len(self.loss_rows) == u.steps[u.loss_block]:
            return set()
        found = set(rec.losses)
        reads = rec.find_reads(u.definitions)
        grew = True
        while grew:
            grew = False
            for d in u.definitions:
                readers = [r for r in reads if r.source is d]
                only = readers and all(r.delay == 0 and set(r.reader.bases) <= found for r in readers)
                plain = all(n.index is None or self._delay(n, d) == 0 for n, _ in names_in(d.right))
                if d.kind == "every" and d.block == u.loss_block and d.bases[0] not in found and only and plain:
                    found |= set(d.bases)
                    grew = True
        return found

    # -- the equations of the forward pass -----------------------------------------------------------------------------

    def _offset(self, key: str) -> int:
        return self.every[key].offset if key in self.every else 0

    def _delay(self, name: Name, d: Definition) -> int:
        assert name.index is not None
        return self._offset(self.rec.key(name, d.block)) - name.index.offset

    def _step(self, d: Definition) -> int:
        """The step that an equation for one step defines."""
        assert d.index is not None
        last = self.u.steps[d.block if d.block in self.u.steps else None]
        return d.index.offset + (last if d.index.variable == "T" else 0)

    def _loss_domain(self) -> Domain:
        block = self.blocks[self.u.loss_block]
        return block if len(self.loss_rows) == block.length else Domain("the steps with a loss", len(self.loss_rows))

    def _define(self, d: Definition) -> None:
        rows: Domain | None = ONCE
        if d.kind == "every":
            rows = self._loss_domain() if d.bases[0] in self._at_losses else self.blocks[d.block]

        def refuse(e: Reduce) -> Node:
            raise Unsuited(f"{d.text} sums over steps")

        node = build(self.u.right(d), lambda e: self._name(e, d, rows), refuse, self.u.shapes[d.bases[0]])
        for base, value in named_parts(node, d.bases, self.u.shapes):
            name = base
            if d.kind == "fixed":
                name = self.initial[base, self._step(d)] = f"{base}[{self._step(d)}]"
            else:
                self.offsets[base] = d.offset
            self.equations[name] = value
            self.domains[name] = rows if d.kind != "once" or value.batched else None

    def _leaf(
        self, key: tuple[object, ...], name: str, shape: tuple[int, ...], rows: Domain | None, what: Read | Given
    ) -> Node:
        if key not in self._made:
            node = self._made[key] = leaf(name, shape, batched=rows is not None, role="read")
            if isinstance(what, Read):
                self.reads[node] = what
            else:
                self.given[node] = what
            if rows is not None:
                self.rows[node] = rows
        return self._made[key]

    def _name(self, e: Name, d: Definition, rows: Domain | None) -> Node:
        """The leaf that stands for a name in an equation."""
        rec, u = self.rec, self.u
        key = rec.key(e, d.block)
        shape = u.shapes[key]
        if e.index is None:
            if key in rec.once:
                return self._leaf(("same", key), key, shape, self.domains[key], Read("shift", key))
            return self._leaf(("given", key), key, shape, None, Given(key, "parameter", False))
        block = (rec.every[key].block if key in rec.every else e.block or d.block) if rec.blocks else None
        if e.index.variable != "t":  # in an equation for one step, such as decoder.h[0] = encoder.h[T]
            step = e.index.offset + (u.steps[block] if e.index.variable == "T" else 0)
            row = step - 1 - self._offset(key)
            if not 0 <= row < u.steps[block]:
                name = self._outside(key, step)
                return self._leaf(("same", name), name, shape, ONCE, Read("shift", name))
            self._sequence(key, block)
            return self._leaf(("at", key, row), f"{key}[{step}]", shape, ONCE, Read("at", key, row))
        if d.block != block:
            raise Unsuited(f"{d.text} reads another block at every step")
        assert rows is not None
        return self._read(key, self._delay(e, d), rows, block)

    def _sequence(self, key: str, block: str | None) -> None:
        """An input is an equation whose right side is data."""
        if key not in self.equations and key not in self.every:
            role = "target" if key in self.rec.targets else "input"
            rows = self.domains[key] = self.blocks[block]
            self.equations[key] = self._leaf(("given", key), key, self.u.shapes[key], rows, Given(key, role, True))
            self.offsets[key] = 0

    def _read(self, key: str, delay: int, rows: Domain, block: str | None) -> Node:
        """The leaf for `key` as it stands `delay` steps before."""
        self._sequence(key, block)
        shape, own = self.u.shapes[key], self.blocks[block]
        if delay:
            for row in outer_rows(delay, own.length):
                self._outside(key, row + 1 + self._offset(key))
            text = f"{key}[t{-delay:+d}]"
            shifted = self._leaf(("shift", key, delay), text, shape, own, Read("shift", key, delay))
            if rows == own:
                return shifted
            if text not in self.equations:
                self.equations[text], self.domains[text] = P.identity(shifted), own
            key = text  # read at the losses below
        # an equation that is not made yet is only read by equations of its own rows
        if self.domains.get(key, rows) == rows:
            return self._leaf(("same", key), key, shape, rows, Read("shift", key))
        return self._leaf(("pick", key), f"{key} at the losses", shape, rows, Read("pick", key, 0, self.loss_rows))

    def _outside(self, key: str, step: int) -> str:
        """The name of a value before the first step or after the last: it has an equation of its own, or is data."""
        name = self.initial.setdefault((key, step), f"{key}[{step}]")
        if name not in self.equations:
            self.outside.add(name)
            role = "initial" if key in self.every else "target" if key in self.rec.targets else "input"
            self.equations[name] = self._leaf(("given", name), name, self.u.shapes[key], ONCE, Given(name, role, False))
            self.domains[name] = ONCE
        return name

    # -- losses --------------------------------------------------------------------------------------------------------

    def _find_losses(self) -> tuple[str, ...]:
        losses = tuple(self.rec.losses) or (self._generic(),)
        for base in losses:
            if base not in self.every and self.rec.losses:
                raise Unsuited(f"{base} has no equation for every step")
            if self.domains[base] != self._loss_domain():
                raise Unsuited(f"{base} stands in another block than the steps with a loss")
            if not self.equations[base].batched or self.equations[base].shape:
                raise Unsuited(f"{base} is not one number for each example")
        return losses

    def _generic(self) -> str:
        """A recurrence without a loss: ⟨∂E/∂y[t], y[t]⟩ with ∂E/∂y given, as in the unrolled graph."""
        rec, block, rows = self.rec, self.u.loss_block, self._loss_domain()
        base = self.u.generic_name
        total: Node | None = None
        for out in rec.outputs:
            d = rec.every[out]
            if d.block != block:
                raise Unsuited("the outputs stand in different blocks")
            key, own = self.u.upstream_name(out), self.blocks[block]
            shape = self.u.shapes[out]
            self.u.shapes.setdefault(key, shape)
            self.equations[key] = self._leaf(("given", key), key, shape, own, Given(key, "upstream", True))
            self.domains[key], self.offsets[key] = own, d.offset
            given, source = self._read(key, 0, rows, block), self._read(out, 0, rows, block)
            part = P.dot(given, source) if len(shape) == 1 else P.total(given * source)
            total = part if total is None else total + part
        if total is None:
            raise Unsuited("nothing is computed")
        self.equations[base], self.domains[base], self.offsets[base] = total, rows, self.u.generic_offset
        return base

    # -- the reverse pass ----------------------------------------------------------------------------------------------

    def leaves(self, name: str) -> list[Node]:
        """The leaves of an equation, in order of their first use."""
        return [n for n in needed([self.equations[name]]) if n in self.reads or n in self.given]

    def sources(self, read: Read) -> list[str]:
        """The equations that a read looks at: its source and, where it reaches outside the steps, the initial
        values."""
        found = [read.source]
        rows = self.domains[read.source]
        if read.kind == "shift" and read.delay and rows is not None:
            offset = self.offsets.get(read.source, 0)
            steps = [row + 1 + offset for row in outer_rows(read.delay, rows.length)]
            found += [self.initial[read.source, s] for s in steps if (read.source, s) in self.initial]
        return found

    def _find_live(self) -> list[str]:
        """The equations that a loss depends on, in order of definition."""
        found: set[str] = set()
        stack = list(self.losses)
        while stack:
            name = stack.pop()
            if name not in found:
                found.add(name)
                for node in self.leaves(name):
                    if node in self.reads:
                        stack += self.sources(self.reads[node])
        return [name for name in self.equations if name in found]

    def _reverse(self, silent: set[str]) -> dict[str, Node | None]:
        """Equations for the adjoint of every read, each the sum of what `backward` finds in the equations that read."""
        read = [n for n in dict.fromkeys(n for name in self._live for n in self.leaves(name)) if self._carries(n)]
        seeds: dict[str, list[Node]] = {name: [self.seed] for name in self.losses}
        for node in read:
            if _adjoint(node) not in silent:
                self._hand_on(node, seeds)
        parts: dict[Node, list[Node]] = {}
        for name in self._live:
            node = self.equations[name]
            if node in self.given or name not in seeds:
                continue
            targets = [
                n
                for n in self.leaves(name)
                if self._carries(n) or (n in self.given and self.given[n].role == "parameter")
            ]
            seed = reduce(lambda a, b: a + b, seeds[name])
            if (
                not node.batched and seed.batched
            ):  # one value for all steps and examples: what they all send back, added up
                seed = P.batch_sum(seed)
            adjoints = backward({node: P.expand(seed, shape=node.shape)}, targets).adjoints
            for target in targets:
                if target in adjoints:
                    parts.setdefault(target, []).append(adjoints[target])
        found: dict[str, Node | None] = {}
        for node in read:
            found[_adjoint(node)] = reduce(lambda a, b: a + b, parts[node]) if node in parts else None
            self.domains[_adjoint(node)] = self.rows.get(node)
        self.gradients = {g.key: reduce(lambda a, b: a + b, parts[n]) for n, g in self.given.items() if n in parts}
        for name in self.initial.values():
            if (
                name in seeds
                and self.equations[name] in self.given
                and self.given[self.equations[name]].role == "initial"
            ):
                self.gradients[name] = reduce(lambda a, b: a + b, seeds[name])
        return found

    def _carries(self, node: Node) -> bool:
        """Whether a leaf reads something that has a gradient."""
        if node not in self.reads:
            return False
        source = self.equations[self.reads[node].source]
        return source not in self.given or self.given[source].role == "initial"

    def _hand_on(self, node: Node, seeds: dict[str, list[Node]]) -> None:
        """Let the adjoints of the values that a leaf stands for read the adjoint of the leaf."""
        read, name = self.reads[node], _adjoint(node)
        self.domains[name] = self.rows.get(node)

        def add(to: str, kind: str, delay: int = 0, rows: tuple[int, ...] = ()) -> None:
            made = self._leaf((kind, name, delay), name, node.shape, self.domains[to], Read(kind, name, delay, rows))
            seeds.setdefault(to, []).append(made)

        if read.kind == "at":
            add(read.source, "place", read.delay)
        elif read.kind == "pick":
            add(read.source, "spread", 0, read.rows)
        elif not read.delay:
            add(read.source, "shift")
        else:
            rows = self.rows[node]
            cut = self._cut_rows(read, rows.length)
            if len(cut) < rows.length:
                add(read.source, "shift", -read.delay, cut)
            offset = self.offsets.get(read.source, 0)
            for row in outer_rows(read.delay, rows.length):
                reader = row + read.delay
                if 0 <= reader < rows.length and reader not in cut:
                    add(self.initial[read.source, row + 1 + offset], "at", reader)

    def _cut_rows(self, read: Read, length: int) -> tuple[int, ...]:
        """The rows whose read of an earlier step truncation does not send the gradient through."""
        rule = self.u.truncation
        if rule is None:
            return ()
        offset = self.offsets.get(read.source, 0)
        found = []
        for row in range(length):
            source = row - read.delay
            column = source + 1 if 0 <= source < length else source + 1 + offset
            if column != row + 1 and rule.cut_losses(column, row + 1, length):
                found.append(row)
        return tuple(found)


def outer_rows(delay: int, length: int) -> range:
    """The rows outside 0 … length−1 that a read with this delay looks at."""
    return range(-delay, min(0, length - delay)) if delay > 0 else range(max(length, -delay), length - delay)


def _adjoint(node: Node) -> str:
    return f"∂E/∂{node.name}"
