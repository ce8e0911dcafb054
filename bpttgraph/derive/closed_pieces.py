"""What a closed form is made of: the chains of states, what enters them, what the losses read, and their symbols.

`meanings` and `forward` read it; a `ClosedForm` is this together with the formula. The pieces are those of `chain`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import BPTTError
from ..formulas.expr import Expr, Partial, jacobian_shape
from ..formulas.steps import at_steps, moved, rebased, renamed
from .alike import HOW, irregularity, refused
from .chain import Chain, Within, joined_all, unit
from .chains import chains_of, junction
from .derivation import Derivation
from .factored import Statement

if TYPE_CHECKING:
    from ..equations import Recurrence
    from ..equations.truncation import Truncation
    from ..unrolled import Unrolled

__all__ = ["Pieces", "Question"]


class Question(Protocol):
    """What is asked for any number of steps, as far as a closed form reads it; a `SymbolicDerivation` is one."""

    recurrence: Recurrence
    wrt: str
    loss: Any
    notation: str
    truncate: str | int | None
    truncation: Truncation | None
    options: dict[str, Any]
    reference: Unrolled

    @property
    def windowed(self) -> bool: ...

    @property
    def weight(self) -> Expr | None: ...

    @property
    def onehot(self) -> frozenset[str]: ...

    def over_losses(self, body: Expr) -> Expr: ...

    def names_at(self, u: Any) -> list[str]: ...

    def shown(self, s: Statement, gradient: bool) -> Statement: ...


class Pieces:
    """The structure of the closed form of dE/d`wrt`; what it raises is said in `ClosedForm`."""

    def __init__(self, g: Question, wrt: str):
        self.g, self.u = g, g.reference
        if g.loss != "every":  # the structure of a step shows where every step has its loss
            truncate = None if g.windowed else g.truncate
            steps: Any = g.reference.steps
            self.u = g.recurrence.unroll(steps, truncate=truncate, **{**g.options, "loss": g.recurrence.EACH})
        self.wrt = at_steps({"T": self.u.steps[wrt.rpartition(".")[0] or None]})(wrt) if "[T" in wrt else wrt
        self.first = Derivation(self.u, self.wrt)
        self.factors, self.paths = self.first.local_factors, self.first.paths
        self.variables = self.paths.variables
        if self.variables[self.wrt].role not in ("parameter", "initial"):
            raise BPTTError(f"the closed form is that of a parameter or an initial state; {wrt} is neither", HOW)
        if self.u.recurrence.sums_outputs:
            raise BPTTError(
                f"the closed form is a sum over the losses of single steps, and {self.u.total} is another formula of"
                " them",
                HOW,
            )
        self.chains = chains_of(self.u, self.factors, g.recurrence.title)
        for n in self.states:
            if len(self.variables[n].shape) > 1:
                raise BPTTError(
                    f"{self.variables[n].base}[t] is a matrix, so that no matrix is its derivative by the one before",
                    HOW,
                )
        self._refuse_unlike()
        block = self.u.loss_block
        self.losses = [c for c in self.chains if c.block == block]  # the chains that a loss reads
        self.column = self.u.offset[block] + self.u.steps[block] // 2 + 1
        self.heads = [h.name for h in self.u.heads if h.column == self.column]
        self.step = Within(self.factors, lambda v: v.column == self.column)
        self.own = [c for c in self.chains if self.entered(c) or c.reads(self.wrt)]
        for c in self.chains:
            c.by_f = g.notation == "d2l" and len(c.states) == 1
        windowed = g.truncation is not None and not g.truncation.carousel
        if windowed and (len(self.chains) > 1 or self.entered(self.chains[0]) or self.chains[0].direction < 0):
            raise BPTTError("a window of truncation has a closed form only for parameters and one chain of states", HOW)

    def _refuse_unlike(self) -> None:
        """Every step must read what the middle one reads."""
        if irregularity(self.u) and self.u.inputs != "first":
            raise refused(self.u)
        v = self.variables
        bases = {v[n].base for n in self.paths.on_paths(self.paths.heads)} | {self.wrt}

        def read(name: str) -> set[tuple[str, int | None]]:
            """What it reads, and how many steps before."""
            here, sources = v[name].step or 0, [v[x.source] for x in self.paths.read.get(name, ())]
            return {(x.base, None if x.step is None else here - x.step) for x in sources if x.base in bases}

        for n, x in v.items():
            if x.base in bases and x.role not in ("initial", "parameter") and x.column is not None:
                middle = self.u.offset[x.block] + self.u.steps[x.block] // 2 + 1
                if read(n) != read(moved(n, middle - x.column)):
                    raise refused(self.u)

    # -- what there is

    @property
    def initial(self) -> bool:
        """Whether `wrt` is an initial state."""
        return self.variables[self.wrt].role == "initial"

    @property
    def states(self) -> list[str]:
        """All states of the chains, at the middle step."""
        return [n for c in self.chains for n in c.states]

    def entry(self, c: Chain) -> tuple[Within, list[str]]:
        """What the first states of a chain are made of; and where that ends: at the last states of the chain before
        it."""
        following = junction(self.u, c, self.chains)
        if following is None:
            return Within(self.factors, lambda v: v.role == "initial"), []
        last = self.u.steps[following.block]
        column = self.u.offset[following.block] + last
        ends = [moved(n, last - following.middle) for n in following.states]
        return Within(self.factors, lambda v: v.role == "initial" or v.column == column), ends

    def entered(self, c: Chain) -> list[str]:
        """The states before the first step of a chain that depend on `wrt`, or are it."""
        start, ends = self.entry(c)
        return [f for f in self.first_states(c) if f in self.variables and start.within(f, self.wrt, ends)]

    def first_states(self, c: Chain) -> list[str]:
        """s_0, or s_{T+1} of a chain that runs backwards."""
        last = self.u.steps[c.block]
        return [moved(n, -c.middle if c.direction > 0 else last + 1 - c.middle) for n in c.states]

    @cached_property
    def held(self) -> set[str]:
        """The states of the losses' step and of the step before."""
        return {n for x in self.losses for n in (*x.states, *x.before)}

    def row(self, head: str, state: str) -> Expr | None:
        """∂⁺E_t/∂state with all other states held fixed; None if E_t does not read it so."""
        if head in self.held:
            return unit(self.variables[head].shape) if head == state else None
        paths = self.step.within(head, state, self.held - {state})
        return joined_all([self.step.product_of(p) for p in paths]) if paths else None

    def later(self, c: Chain) -> list[str]:
        """States of the step before that are no states of this one: a loss may read them, too."""
        return [n for n in c.before if n not in c.states]

    def direct(self, head: str) -> Partial | None:
        """The symbol ∂⁺E_t/∂θ, if a loss reads `wrt` other than through a state."""
        return None if head in self.held else self.step.dependent(head, self.wrt, self.held)

    def at_t(self, e: Any) -> Any:
        """A formula of the losses' middle step, for step t."""
        return renamed(e, rebased("t", self.u.steps[self.u.loss_block] // 2 + 1))

    @property
    def columns(self) -> int:
        """The number of columns of a Jacobian by `wrt`: its entries."""
        return (jacobian_shape((), self.variables[self.wrt].shape) or (1, 1))[1]

    def use(self, c: Chain) -> Partial:
        """∂⁺s_k/∂θ."""
        scalar = c.scalar and not self.variables[self.wrt].shape
        return Partial(() if scalar else (c.size, self.columns), c.vector(c.k), self.wrt, True)

    def first_symbol(self, c: Chain) -> Partial:
        """∂s_0/∂θ."""
        name = c.vector("", 0) if c.direction > 0 else c.vector("T", 1)
        return Partial(
            () if c.scalar and not self.variables[self.wrt].shape else (c.size, self.columns), name, self.g.wrt
        )

    def between(self, c: Chain) -> bool:
        """Whether a chain lies between `wrt` and the losses."""
        reached: Chain | None = c
        while reached is not None:
            if reached in self.own:
                return True
            reached = junction(self.u, reached, self.chains)
        return False
