"""A recurrence with weights: started, run over chunks with its state carried, and asked for samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BPTTError

if TYPE_CHECKING:
    from ..equations import Recurrence
    from ..unrolled import Run, Unrolled

__all__ = ["Network", "character_model"]

Array = np.ndarray[Any, Any]


class Network:
    """A recurrence unrolled for any number of steps on demand, with its parameters.

    Args:
        rec: the recurrence. sizes: as for `unroll`. options: other options of `unroll` (loss, truncate, inputs,
            reduce).
        scale: standard deviation of the first weights; None for 1/√n with n the number of columns. Biases begin at
            zero.

    Example:
        >>> import bpttgraph as bg
        >>> network = Network(bg.cell("rnn"), {"x": 2, "h": 3, "y": 4})
        >>> network.parameters["W_xh"].shape, network.unrolled(7).steps
        ((3, 2), {None: 7})
    """

    def __init__(
        self,
        rec: Recurrence,
        sizes: Mapping[str, Any] | int | None = None,
        *,
        seed: int = 0,
        scale: float | None = None,
        start: Mapping[str, Any] | None = None,
        **options: Any,
    ):
        self.rec, self.sizes, self.options = rec, sizes, options
        self._unrolled: dict[Any, Unrolled] = {}
        u = self.unrolled(options.pop("steps", None) or 2)
        rng = np.random.default_rng(seed)
        self.parameters: dict[str, Array] = {}
        for name, node in u.parameters.items():
            deviation = scale if scale is not None else 1 / np.sqrt(node.shape[-1]) if node.shape else 0.5
            self.parameters[name] = (
                rng.normal(size=node.shape) * deviation
                if len(node.shape) == 2 or not node.shape
                else np.zeros(node.shape)
            )
        for name, value in (start or {}).items():
            if name not in self.parameters:
                raise BPTTError(
                    f"there is no parameter {name} to start from {value!r}", f"there is {', '.join(self.parameters)}"
                )
            self.parameters[name] = np.broadcast_to(np.asarray(value, float), self.parameters[name].shape).copy()

    def unrolled(self, steps: Any) -> Unrolled:
        """The recurrence unrolled over so many steps; kept for the next time."""
        key = tuple(sorted(steps.items())) if isinstance(steps, Mapping) else steps
        if key not in self._unrolled:
            self._unrolled[key] = self.rec.unroll(steps, sizes=self.sizes, **self.options)
        return self._unrolled[key]

    def initial(self, steps: Any, batch: int | None) -> dict[str, Array]:
        """Initial states of zero."""
        lead = () if batch is None else (batch,)
        leaves = self.unrolled(steps).leaves
        return {
            key: np.zeros((*lead, *rows[0][1].shape)) for key, rows in leaves.items() if rows[0][1].role == "initial"
        }

    def run(self, steps: Any, data: Mapping[str, Any]) -> Run:
        """Numbers for a chunk: `data` holds inputs, targets and initial states."""
        return self.unrolled(steps).numbers.run({**data, **self.parameters})

    def carried(self, run: Run, steps: int, state: Mapping[str, Array]) -> dict[str, Array]:
        """The initial state of the next chunk: what this one ended with."""
        found = {}
        for key in state:
            base, _, at = key.rpartition("[")
            found[key] = np.array(run.values[f"{base}[{int(at[:-1]) + steps}]"])
        return found


def character_model(rec: Recurrence) -> Recurrence:
    """The recurrence as a model of characters: one input, and at each step the cross entropy of a softmax with the next
    character.

    A cell without a loss, such as `lstm`, gets an output of that kind on its last state.

    Raises:
        BPTTError: more than one input; a loss that is not a cross entropy; a state that reads the future.
    """
    from ..equations import recurrence

    inputs = [n for n in rec.inputs if n != "target"]
    if len(inputs) != 1:
        raise BPTTError(
            f"{rec.title} has {len(inputs)} inputs; a character model has one, x[t]",
            "choose a cell with one input, such as rnn or lstm",
        )
    if rec.abstract:
        raise BPTTError(f"{', '.join(rec.abstract)} is abstract: there is nothing to train", "bind it: --let phi=tanh")
    if not rec.losses:
        text = (
            f"{rec.text}\ny_char[t] = softmax(W_char @ {rec.outputs[0]}[t] + b_char)\nE[t] = "
            "cross_entropy(y_char[t], target[t])\n"
        )
        title = rec.title
        rec = recurrence(text, rec.let or None)
        rec.title = title
    u = rec.unroll(2)
    if any(link.delay < 0 for link in u.links):
        raise BPTTError(
            f"{rec.title} reads the future, so it cannot predict it",
            "choose a cell that runs forwards, such as rnn or lstm",
        )
    if "target" not in u.leaves or any(u.vgraph.variables[head.name].kind != "cross_entropy" for head in u.heads):
        raise BPTTError(
            f"{rec.title} has a loss that is no cross entropy with the next character",
            "write E[t] = cross_entropy(y[t], target[t]) with y[t] = softmax(…)",
        )
    return rec
