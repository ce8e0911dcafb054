"""Settings for experiments on gradient flow: recurrent matrices of a chosen spectral radius, and the cells that are
compared.

Sources: Q. Le, N. Jaitly, G. Hinton, A simple way to initialize recurrent networks of rectified linear units (2015),
for the identity; R. Jozefowicz, W. Zaremba, I. Sutskever, An empirical exploration of recurrent network architectures
(2015), for the forget bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..equations import cell
from ..errors import BPTTError
from .bound import _reaches
from .columns import Columns
from .measure import Flow, measure

if TYPE_CHECKING:
    from ..unrolled import Unrolled

__all__ = ["COMPARED", "RADII", "compared_flows", "recurrent_matrices", "with_radius"]

RADII = (0.5, 0.9, 1.0, 1.1, 1.5)
# name -> (cell, what is set after the recurrent matrices have their radius)
COMPARED: dict[str, tuple[str, dict[str, Any]]] = {
    "tanh": ("rnn", {}),
    "ReLU": ("relu-rnn", {}),
    "ReLU, identity": ("relu-rnn", {"W_hh": "identity"}),
    "LSTM, b_f = 0": ("lstm", {"b_f": 0.0}),
    "LSTM, b_f = 1": ("lstm", {"b_f": 1.0}),
    "LSTM, b_f = 5": ("lstm", {"b_f": 5.0}),
    "GRU": ("gru", {}),
}


def recurrent_matrices(u: Unrolled) -> list[str]:
    """The square parameters that multiply something of the step before."""
    run = u.numbers.run(u.instance(seed=0))
    columns = Columns(run)
    past = [u.node(name) for column in columns.order[:-1] for name in columns.interface(column)]
    found = []
    for name, node in u.parameters.items():
        if len(node.shape) != 2 or node.shape[0] != node.shape[1] or not node.uses:
            continue
        use = node.uses[-1]
        others = [a for i, a in enumerate(use.node.args) if i != use.slot]
        if any(_reaches(other, p) for other in others for p in past):
            found.append(name)
    return found


def with_radius(u: Unrolled, data: Mapping[str, Any], radius: float) -> dict[str, Any]:
    """The data with every recurrent matrix scaled to a spectral radius.

    Raises:
        BPTTError: a radius that is no positive number; no recurrent matrix; one whose eigenvalues are all zero.
    """
    if not 0 < radius < float("inf"):
        raise BPTTError(f"{radius!r} is not a spectral radius", "give a positive number, such as 0.9")
    names = recurrent_matrices(u)
    if not names:
        raise BPTTError(f"{u.recurrence.title} has no square matrix on its state", "leave the radius out")
    result = dict(data)
    for name in names:
        W = np.asarray(data[name], float)
        largest = float(np.max(np.abs(np.linalg.eigvals(W))))
        if largest == 0:
            raise BPTTError(f"all eigenvalues of {name} are zero", "no scaling gives it another spectral radius")
        result[name] = W * (radius / largest)
    return result


def compared_flows(steps: int = 50, radius: float = 1.0, hidden: int = 16, seed: int = 0) -> list[tuple[str, Flow]]:
    """The flow of the usual cells on the same inputs, recurrent matrices scaled to the same spectral radius, no biases
    otherwise."""
    x = np.random.default_rng(seed).normal(size=(steps, 4))
    found = []
    for label, (name, settings) in COMPARED.items():
        u = cell(name).unroll(steps, "last", {"x": 4, "h": hidden})
        rng = np.random.default_rng(seed)
        data: dict[str, Any] = {}
        for key, value in u.instance(seed=seed).items():
            node = u.leaves[key][0][1]
            if node.role == "parameter":  # input weights of a size that does not saturate the units by itself
                value = (
                    rng.normal(size=node.shape) * 0.5 / (node.shape[-1] ** 0.5)
                    if len(node.shape) == 2
                    else np.zeros(node.shape)
                )
            data[key] = x if key == "x" else value
        data = with_radius(u, data, radius)
        for key, value in settings.items():
            data[key] = radius * np.eye(hidden) if isinstance(value, str) else np.full(hidden, value)
        found.append((label, measure(u, data, wrt=[])))
    return found
