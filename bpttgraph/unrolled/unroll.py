"""Unrolled: a recurrence over T steps, and what it is asked for: numbers, formulas and pictures of the same graph."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import facade
from ..equations.extent import check_numbers
from ..equations.model import Recurrence
from ..errors import integer
from .graph import UnrolledGraph

if TYPE_CHECKING:
    from ..facade import Derivation, Figure, Flow
    from .numbers import Numbers, Run
    from .stepper import Stepper

__all__ = ["Unrolled"]


class Unrolled(UnrolledGraph):
    """A recurrence unrolled over T steps. Make one with `Recurrence.unroll`.

    Attributes:
        recurrence: the equations. steps: T by block, under None without blocks.
        loss_steps: the steps whose losses count.
        sizes: name → shape, of one example and one step.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> u.sizes["W_hh"], [use.step for use in u.parameters["W_hh"].uses]
        ((4, 4), [1, 2, 3])
        >>> u.run(u.instance()).gradients["W_hh"].shape
        (4, 4)
    """

    def __reduce__(self) -> Any:
        """What travels to another process is the recipe: the recurrence and the options, of any number of steps."""
        steps = self.steps if self.recurrence.blocks else self.steps[None]
        rule = self.truncation.name if self.truncation is not None else None
        return _again, (self.recurrence, steps, list(self.loss_steps), self.given_sizes, rule, self.inputs, self.reduce)

    @cached_property
    def numbers(self) -> Numbers:
        """Data admitted and evaluated: what `run` is made with."""
        from .numbers import Numbers

        return Numbers(self)

    def instance(self, seed: int = 0, batch: int | None = None) -> dict[str, Any]:
        """A generic random instance: weights of order one and not symmetric, initial states not zero, a random upstream
        gradient.

        Returns a flat mapping by the equations' own names: inputs `(T, n)` or `(T, B, n)`, class targets `(T,)` or `(T,
        B)`. A run also takes an input that is only multiplied with matrices as class numbers, `(T,)` or `(T, B)`: they
        stand for one-hot vectors.

        Raises:
            BPTTError: no instance was found on which every function (log, sqrt, division, powers) is defined.
        """
        from .instance import instance

        seed, batch = integer(seed), integer(batch)
        check_numbers(self, batch if isinstance(batch, int) else None)
        return instance(self.numbers, seed, batch)

    def stepper(self) -> Stepper:
        """Loss and gradients of one piece of a long sequence after the other, with carried states (see
        `unrolled.stepper`).

        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> data, step = u.instance(), u.stepper()
        >>> loss, gradients, state = step(data)
        >>> list(state)
        ['h[0]']
        >>> loss, gradients, state = step({**data, **state})
        """
        from .stepper import Stepper

        return Stepper(self)

    def run(self, data: Mapping[str, Any], schedule: bool = True, memory: str = "all") -> Run:
        """Numbers: loss, values and gradients on `data` (see `instance` for its form).

        Args:
            schedule: False evaluates the unrolled graph node by node instead of using the schedule over time; the
                results are equal up to rounding.
            memory: "all" keeps every step; "sqrt" keeps about √T of them and computes the others twice (a loss at every
                step).

        Warns:
            RuntimeWarning: the loss is not a finite number, as −log(softmax(z)) is not where the softmax underflows.
        """
        run = self.numbers.run(data, schedule, memory)
        if not np.isfinite(run.loss):
            what = "not a number" if np.isnan(run.loss) else "infinite"
            said = f"the loss is {what} on these numbers, so compare nothing with it, though gradients may be right"
            warnings.warn(f"{said}; run.finite() names the first value that is no number", RuntimeWarning, stacklevel=2)
        return run

    def tried(self, data: Mapping[str, Any]) -> Run:
        """`run` for a verdict: the schedule over time is first compared with the unrolled graph, once, on a small
        instance.

        Where they differ the fault is ours: `schedule.fault` says what to report, and the unrolled graph is used.
        """
        from .trial import fault

        admitted = None if self.recurrence.abstract else self.numbers.admission.admit(data)
        if admitted is not None and admitted.dtype.kind == "f":
            self.schedule.tried(admitted, partial(fault, self))
        return self.numbers.run(data)

    def derive(self, wrt: str, cap: int = 200, notation: str = "pascanu", onehot: Any = ()) -> Derivation:
        """The chain-rule derivation of ∂E/∂wrt (see `derive.Derivation`).

        Args:
            wrt: a parameter ("W_hh"), an initial state ("h[0]"), an input ("x[1]") or any variable between.
            cap: at most so many terms are written out; their number is always exact.
            notation: "pascanu", "werbos", "goodfellow" or "d2l".
            onehot: inputs and targets that hold one-hot vectors, as names or "x, target".

        Raises:
            BPTTError: for a name that is no variable of the graph.

        Example:
            >>> import bpttgraph as bg
            >>> bg.cell("lstm").unroll(50).derive("U_f").count > 10**20
            True
        """
        return facade.derivation(self, wrt, cap=cap, notation=notation, onehot=onehot)

    def draw(
        self, view: str = "forward", fold: Any = "auto", *, wrt: str | None = None, t: int | None = None,
        k: int | None = None, data: Mapping[str, Any] | None = None, detail: str | None = None, **options: Any,
    ) -> Figure:  # fmt: skip
        """The picture (see `draw.Figure`).

        Args:
            view: "forward", or a view of the gradient by `wrt`: "backward", "paths" (of loss step `t` and use `k`),
                "contributions"; "cell" for the inside of one step.
            data: an instance, such as `u.instance()`; widths and numbers show the norms of the local Jacobians on it.
            detail: for view "forward": "variables" (states, outputs, losses), "names" (every named variable, the
                default), "equations" (every variable with its equation) or "primitives" (every node and edge of
                `u.graph`).
        """
        return facade.picture(self, view, fold, wrt, t, k, data, detail, options)

    def flow(self, data: Mapping[str, Any] | None = None, wrt: Any = None) -> Flow:
        """How gradients vanish or explode over the steps (see `flow.measure`).

        Args:
            data: one example, as `instance` makes it; by default that of seed 0.
            wrt: the parameters whose contributions are measured, by default those of the recurrent equations.
        """
        return facade.flow(self, data, wrt)

    def _repr_svg_(self) -> str:
        return str(self.draw().svg)

    def __repr__(self) -> str:
        return f"<Unrolled {self.recurrence.title}: {'; '.join(self.conventions)}>"


def _again(rec: Recurrence, *options: Any) -> Unrolled:
    return rec.unroll(*options)
