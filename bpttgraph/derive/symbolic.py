"""Derivations for a symbolic number of steps T: backward recursions, NumPy code, closed forms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import facade
from ..equations.named_sums import named_sums
from ..errors import NOTHING, BPTTError, Fault, expect, integer, nearest
from ..formulas.code_names import check_function
from ..formulas.expr import BigSum, Expr, Num, Symbol, Zeros, add, divide, num, product
from ..formulas.in_rows import in_rows
from ..formulas.layout import FORMS, Printed, check_form
from ..formulas.notation import checked, in_notation
from ..formulas.steps import at_steps, fill, renamed, step_text, substituted, symbols_of
from ..machine.notebooks import bundle
from .adjoints import Adjoints
from .alike import irregularity, refused
from .closed import ClosedForm
from .derivation import Derivation
from .factored import Statement
from .paths import Paths
from .recursion import Recursion, names_of, steps_from
from .recursions import Recursions
from .stacked import stacks

if TYPE_CHECKING:
    from ..core.variables import Variable
    from ..equations import Recurrence
    from ..unrolled import Unrolled
    from .code import Code

__all__ = ["SymbolicDerivation", "symbolic_of"]

EXAMPLE = 3  # steps on which printed code is tried


def symbolic_of(u: Any, wrt: str, notation: str = "pascanu", onehot: Iterable[str] = ()) -> SymbolicDerivation:
    """The symbolic derivation of what was unrolled: same losses, truncation, sizes, inputs and mean.

    Raises:
        BPTTError: if `wrt` is neither a parameter nor an initial state, and so stands at one step only.
    """
    key = (symbolic_of, wrt, notation, tuple(onehot))
    if key not in u.kept:
        u.kept[key] = _symbolic_of(u, wrt, notation, key[-1])
    found: SymbolicDerivation = u.kept[key]
    return found


def _symbolic_of(u: Any, wrt: str, notation: str, onehot: tuple[str, ...]) -> SymbolicDerivation:
    v = u.vgraph.variables.get(wrt)
    if v is not None and v.role not in ("parameter", "initial"):
        raise BPTTError(
            f"{wrt} stands at one step of a given number of steps", "derive by a parameter or an initial state"
        )
    last = u.steps[u.loss_block]
    loss: Any = (
        "every" if u.loss_steps == tuple(range(1, last + 1)) else "last" if u.loss_steps == (last,) else u.loss_steps
    )
    name = _general(u, v) if v is not None and v.step is not None else wrt
    truncate = u.truncation.name if u.truncation else None
    found: SymbolicDerivation = u.recurrence.derive(
        name,
        loss,
        truncate=truncate,
        sizes=u.given_sizes,
        inputs=u.inputs,
        reduce=u.reduce,
        notation=notation,
        onehot=onehot,
    )
    return found


class SymbolicDerivation(Printed):
    """∂E/∂`wrt` for any number of steps T.

    Args:
        recurrence: the folded recurrence. wrt: a parameter, an initial state such as `h[0]` (or `r[T+1]`), or "all" of
            them.
        loss: "every", "last" or a list of steps. reduce: "sum" or "mean" over them. truncate, sizes, inputs: as for
            `Recurrence.unroll`.
        notation: of the closed form; onehot: inputs and targets that hold one-hot vectors; both as for `Derivation`.

    Example:
        >>> import bpttgraph as bg
        >>> g = SymbolicDerivation(bg.cell("rnn"), "W_hh")
        >>> for line in g.recursions:
        ...     print(line)
        δ_h[T+1] = 0
        δ_y[t] = yₜ − targetₜ    for t = T, …, 1
        h̄ₜ = W_hyᵀ δ_y[t]
           + W_hhᵀ δ_h[t+1]    for t = T, …, 1
        δ_h[t] = (1 − hₜ²) ∘ h̄ₜ    for t = T, …, 1
        ∂E/∂W_hh = ∑[t=1..T] δ_h[t] hₜ₋₁ᵀ
    """

    def __init__(
        self,
        recurrence: Recurrence,
        wrt: str,
        loss: str | Iterable[int] = "every",
        truncate: str | int | None = None,
        sizes: Any = None,
        inputs: str = "every",
        reduce: str = "sum",
        notation: str = "pascanu",
        onehot: str | Iterable[str] = (),
    ):
        from ..equations.truncation import parse_truncation

        expect(wrt, str, "what is differentiated by", 'write the name of a variable, such as "W_hh", or "all"')
        loss = recurrence.choose(loss, reduce)
        self.recurrence, self.wrt, self.truncate = recurrence, wrt, truncate
        self.read, self.sums = named_sums(recurrence)  # as the recursions read it: sums that they need have names
        self.loss: Any = loss
        self.notation = checked(notation)
        self.truncation = parse_truncation(truncate)
        self._printed: dict[str, Code] = {}
        self._unrolled: dict[Any, Unrolled] = {}
        self.options: dict[str, Any] = {"loss": loss, "sizes": sizes, "inputs": inputs, "reduce": reduce}
        # over how many steps a path may run without passing a variable twice; what is farther from both ends by one
        # more read is general
        delays: dict[int, int] = {}
        for r in self.read.reads:
            delays[id(r.source)] = max(delays.get(id(r.source), 0), abs(r.delay or 0))
        self.reach = max(sum(delays.values()), 1)
        # the middle lies beyond all that a chosen loss reads: a state called c[t+1] stands later than the step that
        # computes it
        ahead = self.reach + max((d.offset for d in recurrence.every.values()), default=0)
        chosen = [2 * (step + ahead) for step in _listed(loss)]
        n = max(2 * (self.reach + max(delays.values(), default=1)) + 2, recurrence.steps_hint, *chosen)
        self.reference = self.read.unroll(n, truncate=None if self.windowed else truncate, **self.options)
        self.names = self._everything(self.reference) if wrt == "all" else [wrt]
        for given, name in zip(self.names, self.names_at(self.reference)):
            if name not in self.reference.vgraph.variables:
                raise BPTTError(f"there is no variable {given} in this recurrence",
                                nearest(name, [*self.reference.parameters, "all"]))  # fmt: skip
        names = self.names_at(self.reference)
        self.first = Derivation(self.reference, names[0], onehot=onehot)
        self.adjoints = Adjoints(
            self.first.local_factors,
            names,
            self.weight,
            onehot=self.first.onehot,
            alike=frozenset(_alike(self.first.paths)),
        )

    def _everything(self, u: Any) -> list[str]:
        """The parameters, then the initial states; one at the end of time is called r[T+1], or r[T] of r[t-1] =
        w*r[t]."""
        initial = {n.name or "" for rows in u.leaves.values() for _, n in rows if n.role == "initial"}
        found = list(u.parameters)
        for name, v in u.vgraph.variables.items():
            if name in initial:
                found.append(_general(u, v))
        if not found:
            raise BPTTError(NOTHING.format(self.recurrence.title), "take a recurrence with a parameter")
        return found

    def __reduce__(self) -> Any:
        given = (self.options[k] for k in ("sizes", "inputs", "reduce"))
        return SymbolicDerivation, (
            self.recurrence,
            self.wrt,
            self.loss,
            self.truncate,
            *given,
            self.notation,
            self.first.onehot,
        )

    def names_at(self, u: Any) -> list[str]:
        """What is differentiated by, with the number of steps in the place of T: the state r[T+1] of a layer that runs
        backwards."""
        return [
            at_steps({"T": u.steps.get(n.rpartition(".")[0] or None, 0)})(n) if "[T" in n else n for n in self.names
        ]

    @property
    def windowed(self) -> bool:
        """Whether truncation depends on the loss step, so that no single recursion computes it."""
        return self.truncate is not None and self.truncate not in ("one-step", "carousel", "none")

    @cached_property
    def system(self) -> Recursions:
        """The statements with their order and loops, for what prints them as one program.

        Raises:
            BPTTError: truncation cuts differently for different losses.
        """
        if self.windowed:
            raise BPTTError(
                f"truncate={self.truncate!r} cuts differently for different losses: no one recursion computes it",
                'use .closed_form, or .at(steps=…).factored_at("matrix") with one recursion a loss',
            )
        return Recursions(self.adjoints, {b or "": n for b, n in self.reference.steps.items()}, self.sums)

    def shown(self, s: Statement, gradient: bool) -> Statement:
        """A statement in the notation chosen, vectors as rows where the lecture's are; `gradient`: its left side is
        dE/dW."""
        left, terms = in_rows(s.left, s.terms) if self.recurrence.rows else (s.left, s.terms)
        return replace(s, left=in_notation(left, self.notation, gradient), terms=in_notation(terms, self.notation))

    @cached_property
    def recursions(self) -> tuple[Recursion, ...]:
        """Terminal conditions, one statement for each adjoint in order of computation, and the sum for each
        parameter."""
        found = self.system.statements
        if self.recurrence.rows:
            found = tuple(r.turned() for r in found)
        if self.least == 1:
            return found
        # if nothing else differs, it is only the gradient by an initial state
        initial = {
            name for n, wrong in self._wrong.items() for name in {*self.names_at(self.reference), *self._only_at(n)}
        }
        alone = all("[" in name and name in initial for wrong in self._wrong.values() for name in wrong)
        return tuple(
            replace(r, condition=f"T ≥ {self.least}") if r.kind == "gradient" and ("[" in r.of or not alone) else r
            for r in found
        )

    @cached_property
    def least(self) -> int:
        """The fewest steps for which the recursions hold: of fewer, the last step may be one that reads an initial
        state, too.

        Raises:
            BPTTError: if no one set of recursions holds for every number of steps.
        """
        if self.windowed:
            return 1
        return max(self._wrong, default=0) + 1

    @cached_property
    def _wrong(self) -> dict[int, list[str]]:
        """Numbers of steps for which the recursions do not hold, and which of them."""
        many = max(self.reference.steps.values()) + 1
        if different := self._different(many):
            if irregularity(self.reference):
                raise refused(self.reference)
            raise Fault(
                f"the recursion for {different[0]} at {many} steps is not that of the unrolled graph", "report this"
            )
        found: dict[int, list[str]] = {}
        first = max(1, self.recurrence.steps_hint, max(_listed(self.loss), default=0))
        for n in range(first, many):
            if different := self._different(n):
                found[n] = different
            elif n > self.reach:
                break
        return found

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the recursions take for granted, in words."""
        _ = self.adjoints.parts
        return tuple(self.adjoints.assumptions)

    @cached_property
    def closed_form(self) -> ClosedForm:
        """Σ over losses, Σ over uses, descending Π of step Jacobians (see `ClosedForm`); for one parameter.

        >>> import bpttgraph as bg
        >>> print(bg.cell("rnn").derive("b_h").closed_form)
        ∂E/∂b_h = ∑[t=1..T] ∑[k=1..t] ∂Eₜ/∂hₜ · (∏[j=t..k+1] ∂hⱼ/∂hⱼ₋₁) · ∂⁺hₖ/∂b_h
        ∂hⱼ/∂hⱼ₋₁ = diag(1 − hⱼ²) W_hh
        ∂⁺hₖ/∂b_h = diag(1 − hₖ²)
        ∂Eₜ/∂hₜ = −(targetₜ/yₜ)ᵀ (diag(yₜ) − yₜ yₜᵀ) W_hy
        """
        if self.wrt == "all":
            raise BPTTError("a closed form is that of one parameter", 'name it: derive("W_hh")')
        return ClosedForm(self, self.wrt)

    def over_losses(self, body: Expr) -> Expr:
        """Σ of what the loss of step t contributes over the losses that count; 1/T before it for a mean."""
        if self.loss == "last":
            found: Expr = at_loss(body, self.end)
            return found
        if self.loss == "every":
            total: Expr = BigSum(body.shape, "t", num(1), self.end, body)
            return total if self.weight is None else product(self.weight, total)
        steps = self.reference.loss_steps
        total = add(*[at_loss(body, num(t)) for t in steps])
        return product(num(Fraction(1, len(steps))), total) if self._is_mean and len(steps) > 1 else total

    # -- printers

    def written(self, form: str, width: int | None = None) -> str:
        """The recursions, one below the other; in MathML one `<math>` element each."""
        check_form(form, width)
        return FORMS[form](width).below([r.written(form, width) for r in self.recursions])

    def code(self, name: str = "gradients") -> str:
        """The recursions as a NumPy function: forward values in, gradients out. It was run before it is returned.

        Raises:
            BPTTError: if there is no code for these formulas (in one sentence), or if it computes something else (our
                fault).

        Example:
            >>> import bpttgraph as bg
            >>> print(bg.recurrence("h[t] = w*h[t-1]; E[t] = v*h[t]").derive("w").code())
            import numpy as np
            <BLANKLINE>
            <BLANKLINE>
            def gradients(T, h, v, w):
                dh = np.zeros_like(h)
                for t in range(T, 0, -1):
                    dh[t] = v + w * dh[t+1]
                dw = np.zeros_like(w)
                for t in range(1, T + 1):
                    dw += h[t-1] * dh[t]
                return {"w": dw}
            <BLANKLINE>
        """
        return self.printed(name).text

    def printed(self, name: str = "gradients") -> Code:
        """The code of `code(name)` together with what its arguments hold and what it returns."""
        check_function(name)
        if name not in self._printed:
            from .code import numpy_code

            if self.recurrence.abstract:
                functions = ", ".join(self.recurrence.abstract)
                one = len(self.recurrence.abstract) == 1
                raise BPTTError(
                    f"{functions} {'is' if one else 'are'} abstract: there is no code without numbers",
                    f"bind: --let {self.recurrence.abstract[0]}=tanh on the command line, let={{…}} in Python",
                )
            self._printed[name] = facade.verified(
                self, numpy_code(self.system, name, max([self.least, *_listed(self.loss)]))
            )
        return self._printed[name]

    def example(self, least: int = 1) -> Any:
        """The recurrence unrolled over a few steps, at least so many."""
        steps = max(EXAMPLE, least, self.recurrence.steps_hint, max(_listed(self.loss), default=0))
        return self.unrolled(steps)

    @property
    def onehot(self) -> frozenset[str]:
        """The inputs and targets that are taken for one-hot vectors."""
        return self.first.onehot

    # -- instances

    def instantiate(self, steps: Any) -> dict[str, tuple[Expr, ...]]:
        """The symbolic recursions at a number of steps: the name of each adjoint -> its summands."""
        given = self.unrolled(steps).steps  # of each block, also of those that nobody named
        last = {b: given[b or None] for b in self.system.last}
        made: dict[str, list[Expr]] = {}
        for r in self.system.statements:
            if r.kind in ("terminal", "value") or r.summed:
                continue
            n = last[r.block]
            low, high = (steps_from(x, n) for x in ((r.last, r.first) if self._downward(r) else (r.first, r.last)))
            for s in range(low, high + 1):  # an empty range, such as T−1 … 1 for T = 1, is none
                values = {"t": s, "T": n}
                assert isinstance(r.left, Symbol)
                name = at_steps(values)(r.left.name)
                if name not in made:
                    made[name] = [fill(e, values) for e in r.terms]
        for r in self.system.statements:
            if r.summed:
                found = made[at_steps({"T": last.get(r.block, max(last.values()))})(r.key)] = []
                for low_text, high_text, block, uses in r.uses:
                    n = last.get(block, max(last.values()))
                    span = [0] if not low_text else range(steps_from(low_text, n), steps_from(high_text, n) + 1)
                    found += [fill(e, {"t": s, "T": n}) for s in span for e in uses]
        return self._without_zeros(made)

    def _without_zeros(self, made: dict[str, list[Expr]]) -> dict[str, tuple[Expr, ...]]:
        """The summands without those that come back from an adjoint that is 0, or from beyond the ends."""
        keys = set(self.system.lines)
        zero = {name for name, terms in made.items() if not terms}
        while True:
            left: dict[str, tuple[Expr, ...]] = {}
            for name, terms in made.items():
                gone = [
                    {n for n in names_of(e) if n in zero or (n.rpartition("[")[0] in keys and n not in made)}
                    for e in terms
                ]
                found = [_without(e, n, keys) if n else e for e, n in zip(terms, gone)]
                left[name] = tuple(e for e in found if e is not None)
            more = {name for name, terms in left.items() if not terms} - zero
            if not more:
                return left
            zero |= more

    def unrolled(self, steps: Any) -> Unrolled:
        """The recurrence with the same losses, sizes and truncation over a number of steps."""
        steps = integer(steps)
        expect(steps, int | Mapping, "steps", "write steps=3")
        key = tuple(sorted(steps.items())) if isinstance(steps, Mapping) else steps
        if key not in self._unrolled:
            self._unrolled[key] = self.read.unroll(steps, truncate=self.truncate, **self.options)
        return self._unrolled[key]

    def read_in(self, u: Unrolled) -> list[str]:
        """What is differentiated by, as far as an unrolling reads it: with h[t-2] alone, one step does not read
        h[0]."""
        return [n for n in self.names_at(u) if n in u.vgraph.variables]

    def _different(self, steps: Any) -> list[str]:
        """The statements in which the recursions at `steps` are not those of the unrolled graph."""
        u = self.unrolled(steps)
        names = self.read_in(u)
        if not names:
            return []
        adjoints = Adjoints(
            Derivation(u, names[0]).local_factors,
            names,
            self.weight,
            self.adjoints.several,
            self.first.onehot,
            self.adjoints.alike,
        )
        want = self._without_zeros({p.name: [fill(x.expr, {}) for x in p.pieces] for p in adjoints.parts})
        got = self.instantiate(steps)
        differ = [name for name, terms in want.items() if Counter(got.get(name, ())) != Counter(terms)]
        return [*differ, *self._only_at(steps)]

    def _only_at(self, steps: Any) -> list[str]:
        """The initial states that the loss of few steps reads, but not that of many."""
        return [n for n in self._everything(self.unrolled(steps)) if n not in self.names] if self.wrt == "all" else []

    @property
    def end(self) -> Symbol:
        """T, the number of steps of the block that has the losses."""
        block = self.reference.loss_block
        return Symbol((), f"T_{block}" if block else "T", ())

    @property
    def weight(self) -> Expr | None:
        """1/T for the mean over all steps; None where the weight is a number."""
        return divide(num(1), self.end) if self._is_mean and self.loss == "every" else None

    @property
    def _is_mean(self) -> bool:
        """Whether the total is the mean of losses; a total of one's own is what its equation says."""
        return self.options["reduce"] == "mean" and not self.recurrence.sums_outputs

    def _downward(self, r: Recursion) -> bool:
        return next((loop.direction < 0 for loop in self.system.loops if r.key in loop.keys), True)

    def at(self, steps: Any) -> Derivation:
        """The derivation for a number of steps: that of the unrolled recurrence, checked to be the symbolic one at
        `steps`.

        Raises:
            Fault: if the recursions at `steps` differ from the unrolled statements (then this program is wrong).
        """
        steps = integer(steps)
        expect(steps, int | Mapping, "steps", "write steps=3")
        u = self.recurrence.unroll(steps, truncate=self.truncate, **self.options) if self.sums else self.unrolled(steps)
        names = self.read_in(u)
        if not names:
            raise BPTTError(
                f"in {steps} steps nothing reads {self.names_at(u)[0]}: there is nothing to derive", "take more steps"
            )
        d = Derivation(u, names[0], notation=self.notation, onehot=self.first.onehot)
        if len(names) == 1:
            d.__dict__["adjoints"] = Adjoints(d.local_factors, names, split=self.adjoints.several, onehot=d.onehot)
            d.__dict__["made_by"] = (SymbolicDerivation.at, (self, steps))  # for another process
        fewest = self.least  # of fewer steps the recursions say nothing
        if not self.windowed and (isinstance(steps, dict) or steps >= fewest):
            for name in self._different(steps):
                raise Fault(
                    f"the recursion for {name} at {steps} steps is not that of the unrolled graph", "report this"
                )
        return d

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex()}\n$$"

    def _repr_html_(self) -> str:
        return self.mathml()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return bundle(self, include, exclude)

    def __repr__(self) -> str:
        return f"<SymbolicDerivation ∂E/∂{self.wrt} of {self.recurrence.title}, loss at {self.loss} step>"


def _general(u: Any, v: Variable) -> str:
    """What an initial state is called for any number of steps: h[0], but r[T+1] where all others of its name come
    before it."""
    made = [x.step or 0 for x in u.vgraph.variables.values() if x.base == v.base and x.role != "initial"]
    step, last = v.step or 0, u.steps[v.block if v.block in u.steps else None]
    return f"{v.base}[{step_text('T', step - last)}]" if made and step > max(made) else v.name


def _without(e: Expr, zero: set[str], keys: set[str]) -> Expr | None:
    """A summand with 0 for some adjoints; None if it is 0. Only that of a stack reads several: its rows."""
    adjoints = [x for x in symbols_of(e) if x.name.rpartition("[")[0] in keys]
    if all(x.name in zero for x in adjoints):
        return None
    for x in adjoints:
        e = substituted(e, x, Zeros(x.shape)) if x.name in zero else e
    return e


def _alike(paths: Paths) -> Iterator[str]:
    """The bases of what depends on itself over time, along links that the gradient passes, and of the rows of stacked
    equations."""
    import networkx

    v, graph = paths.variables, networkx.DiGraph()
    graph.add_edges_from(
        (v[x.source].base, v[x.target].base) for links in paths.readers.values() for x in links if x.cut != "cut"
    )
    for group in networkx.strongly_connected_components(graph):
        if len(group) > 1 or any(graph.has_edge(b, b) for b in group):
            yield from group
    leads = set.union(
        set(), *[networkx.ancestors(graph, b) | {b} for b in {v[name].base for _, name in paths.heads} if b in graph]
    )
    for stack in stacks(paths.unrolled, v).values():
        rows = {v[m].base for m in stack.members}
        if rows <= leads:
            yield from rows


def at_loss(e: Any, step: Expr) -> Any:
    """A formula of the loss step t, for t = T or a number."""
    if isinstance(step, Num):
        named = renamed(e, at_steps({"t": int(step.value)}))
    else:
        named = renamed(e, lambda n: re.sub(r"\[t(?=[\]+-])", "[T", n))
    return substituted(named, Symbol((), "t", ()), step)


def _listed(loss: str | Iterable[int]) -> list[int]:
    """The steps of a loss that is a list (or a text such as "2,3")."""
    if isinstance(loss, str):
        return [int(x) for x in loss.split(",") if x.strip().isdigit()]
    if not isinstance(loss, Iterable):
        raise BPTTError(f"loss={loss!r} is not a choice of steps", 'write "every", "last", or steps such as [2, 3]')
    return [x for x in integer(list(loss)) if isinstance(x, int)]
