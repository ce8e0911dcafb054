"""The works: a character model (one-hot input of V, softmax cross entropy at each step) for a cell, and its weights and
data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["EQUATIONS", "WORKS", "Work"]

Array = np.ndarray[Any, Any]

_OUTPUT = """
y[t] = softmax(W_hy @ h[t] + b_y)
E[t] = cross_entropy(y[t], target[t])
"""
EQUATIONS = {
    "rnn": "h[t] = tanh(W_hh @ h[t-1] + W_xh @ x[t] + b_h)" + _OUTPUT,
    "lstm": """
i[t] = sigmoid(W_i @ x[t] + U_i @ h[t-1] + b_i)
f[t] = sigmoid(W_f @ x[t] + U_f @ h[t-1] + b_f)
o[t] = sigmoid(W_o @ x[t] + U_o @ h[t-1] + b_o)
g[t] = tanh(W_g @ x[t] + U_g @ h[t-1] + b_g)
c[t] = f[t] * c[t-1] + i[t] * g[t]
h[t] = o[t] * tanh(c[t])"""
    + _OUTPUT,
}
GATES = "ifog"


@dataclass(frozen=True)
class Work:
    """A cell at a size: hidden units H, symbols V, steps T, examples B. Arrays: x (T, B, V), target (T, B), h0 and c0
    (B, H)."""

    cell: str
    H: int
    V: int
    T: int
    B: int

    @property
    def name(self) -> str:
        return f"{self.cell} H={self.H} V={self.V} T={self.T} B={self.B}"

    def data(self) -> dict[str, Array]:
        """Weights with the gates stacked in the order i, f, o, g: W (4H, V), U (4H, H), b (4H,); for the RNN one
        block."""
        rng = np.random.default_rng(0)
        rows = self.H * (4 if self.cell == "lstm" else 1)
        symbols = rng.integers(0, self.V, size=(self.T + 1, self.B))
        found = {
            "W": rng.normal(size=(rows, self.V)) * 0.3,
            "U": rng.normal(size=(rows, self.H)) * 0.7 / self.H**0.5,
            "b": rng.normal(size=rows) * 0.1,
            "W_hy": rng.normal(size=(self.V, self.H)) * 0.3,
            "b_y": rng.normal(size=self.V) * 0.1,
            "h0": rng.normal(size=(self.B, self.H)) * 0.3,
            "x": np.eye(self.V)[symbols[:-1]],
            "target": symbols[1:],
        }
        if self.cell == "lstm":
            found["c0"] = rng.normal(size=(self.B, self.H)) * 0.3
        return found


WORKS = (
    Work("rnn", 100, 65, 25, 1),
    Work("lstm", 100, 65, 25, 1),
    Work("rnn", 3, 2, 3, 1),
    Work("lstm", 128, 65, 100, 32),
)
