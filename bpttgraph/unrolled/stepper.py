"""A long sequence piece by piece, as training does it: loss and gradients of one piece, and the state with which the
next begins.

No gradient passes from piece to piece (truncated BPTT with chunks). The schedule runs over memory that is made once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .chunks import refuse
from .graph import UnrolledGraph
from .numbers import Array, Numbers

__all__ = ["Stepper"]


class Stepper:
    """Loss and gradients piece by piece, over memory that is made once. Make one with `Unrolled.stepper`.

    Calling it with the data of one piece returns `(loss, gradients, state)`: gradients by name, valid until the next
    call, and the initial states for the next piece, to be put into its data.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> step, data = u.stepper(), u.instance()
        >>> for _ in range(2):
        ...     loss, gradients, state = step(data)
        ...     data = {**data, **state}
        >>> list(state), gradients["W_hh"].shape
        (['h[0]'], (4, 4))
    """

    def __init__(self, u: UnrolledGraph):
        refuse(u, "piece by piece")
        self.u, self._numbers = u, Numbers(u)
        self._names = [name for name in u.schedule.plan().gradients if name in u.slots]

    def __call__(self, data: Mapping[str, Any]) -> tuple[float, dict[str, Array], dict[str, Array]]:
        u = self.u
        admitted = self._numbers.admission.admit(data)
        found = u.schedule.run(admitted, admitted.dtype)
        if found is None:
            refuse(u, "piece by piece")
        assert found is not None
        single = admitted.batch is None
        gradients = {}
        for name in self._names:
            gradient = found.gradient(name)
            gradients[name] = gradient[0] if single and u.slots[name].role == "initial" else gradient
        state = {}
        for name, slot in u.slots.items():
            if slot.role == "initial":
                base, _, step = name[:-1].partition("[")
                later = f"{base}[{int(step) + u.columns}]"
                if later in u.slots:  # a piece shorter than the delay: still a value from before it
                    value = np.broadcast_to(admitted.arrays[later], (admitted.batch or 1, *slot.shape))
                else:
                    value = found.value(later)
                if value is None:  # no loss reads this state, so the schedule leaves it out
                    state[name] = self._numbers.run(data, schedule=False).values[later]
                else:
                    state[name] = value[0] if single else value
        return float(found.loss), gradients, state
