"""Fitting any recurrence to data from a function: sequence classification, generation, sequence to sequence, long-range
dependence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BPTTError
from ..flow.clipping import clip
from .network import Network
from .optimizers import optimizer, schedule

__all__ = ["Fit", "fit"]

Array = np.ndarray[Any, Any]


@dataclass
class Fit:
    """A fitted network and its losses, one an iteration (mean over the batch).

    Example:
        >>> import bpttgraph as bg
        >>> rec = bg.recurrence("h[t] = W h[t-1] + U x[t]; E[t] = squared_error(h[t], target[t])")
        >>> fitted = fit(Network(rec), lambda rng: Network(rec).unrolled(4).instance(batch=5), 4, 3)
        >>> len(fitted.losses), sorted(fitted.network.parameters)
        (3, ['U', 'W'])
    """

    network: Network
    losses: list[float]

    def run(self, steps: Any, data: Mapping[str, Any]) -> Any:
        """Numbers on other data; initial states not given are zero."""
        sizes = [np.asarray(v).shape[1] for k, v in data.items() if np.asarray(v).ndim == 3]
        initial = self.network.initial(steps, sizes[0] if sizes else None)
        return self.network.run(steps, {**initial, **data})


def fit(
    network: Network,
    sample: Callable[[np.random.Generator], Mapping[str, Any]],
    steps: Any,
    iterations: int,
    *,
    rate: float = 0.01,
    method: str = "adam",
    limit: float | None = 1.0,
    decay: str = "constant",
    seed: int = 0,
    report: Callable[[int, float], None] | None = None,
) -> Fit:
    """Fit the parameters of a network to data.

    Args:
        sample: makes a batch: inputs (T, B, n) and targets by name; initial states not given are zero.
        steps: T, or a mapping for blocks. rate, method, decay: the optimiser (see `optimizers`). limit: clips the
            global norm.

    Raises:
        BPTTError: the loss is no number any more.

    Example:
        >>> import bpttgraph as bg
        >>> def sample(rng):
        ...     x = rng.standard_normal((4, 3, 2))  # T steps, B examples, n numbers
        ...     return {"x": x, "target": x.cumsum(0)}
        >>> rec = bg.recurrence("h[t] = W h[t-1] + U x[t]; E[t] = squared_error(h[t], target[t])")
        >>> network = Network(rec, {"x": 2, "h": 2})
        >>> fitted = fit(network, sample, 4, 200, rate=0.1)
        >>> fitted.losses[-1] < 0.05 * fitted.losses[0]
        True
    """
    rng, way, at = np.random.default_rng(seed), optimizer(method), schedule(decay, rate, iterations)
    losses: list[float] = []
    for i in range(iterations):
        data = sample(rng)
        batch = next((np.asarray(v).shape[1] for v in data.values() if np.asarray(v).ndim == 3), None)
        run = network.run(steps, {**network.initial(steps, batch), **data})
        loss = float(np.sum(run.loss)) / (batch or 1)
        if not math.isfinite(loss):
            raise BPTTError(
                f"the loss is no number any more at iteration {i + 1}",
                "lower the rate, or clip the gradient (limit=1.0)",
            )
        gradients = {name: np.asarray(run.gradients[name]) / (batch or 1) for name in network.parameters}
        if limit is not None:
            gradients = clip(gradients, "global", limit).gradients
        way.step(network.parameters, gradients, at(i))
        losses.append(loss)
        if report is not None:
            report(i, loss)
    return Fit(network, losses)
