"""Truncated BPTT cannot learn what lies farther back than its window.

The task: a symbol at the first step, then noise; at the last step, eight later, name the symbol. The networks begin
without any weight from the symbol to their units, so writing it down must be learned; only how far the gradient goes
back differs.
Expected: with a window of fewer than nine steps the use of W_xh at the first step gets no gradient at all, and the
network guesses (1 bit); with nine it learns the task.

Run: python examples/window.py [FOLDER]   (about 20 seconds)
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg
from bpttgraph.training import Network, fit

T = 9
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)


def sample(rng: np.random.Generator) -> dict[str, np.ndarray]:
    symbol = rng.integers(2, size=32)
    x = rng.normal(size=(T, 32, 3)) * 0.5
    x[:, :, :2] = 0.0
    x[0, :, :2] = np.eye(2)[symbol]
    return {"x": x, "target": np.broadcast_to(symbol, (T, 32))}


rows = ["window,bits"]
for window in (2, 4, 8, 9):
    blind = np.concatenate([np.zeros((12, 2)), np.random.default_rng(0).normal(size=(12, 1)) * 0.5], axis=1)
    start = {"W_hh": 0.9 * np.eye(12), "W_xh": blind}
    net = Network(
        bg.cell("rnn"), {"x": 3, "h": 12, "y": 2}, loss="last", truncate=f"sliding:{window}", steps=T, start=start
    )
    losses = fit(net, sample, T, 500, rate=0.01).losses
    rows.append(f"{window},{np.mean(losses[-50:]) / np.log(2):.3f}")
print("\n".join(rows))
(folder / "window.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
