"""Many to one: a whole sequence is read, the loss stands at the last step alone. Is the sum of the sequence positive?

Expected: nine of ten new sequences, or more, are classified correctly.

Run: python examples/many_to_one.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg
from bpttgraph.training import Network, fit

T = 8
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)


def sample(rng: np.random.Generator, batch: int = 32) -> dict[str, np.ndarray]:
    x = rng.normal(size=(T, batch, 1))
    return {"x": x, "target": np.broadcast_to((x.sum(axis=0)[:, 0] > 0).astype(int), (T, batch))}


found = fit(Network(bg.cell("rnn"), {"x": 1, "h": 8, "y": 2}, loss="last", steps=T), sample, T, 300, rate=0.02)
test = sample(np.random.default_rng(7), 1000)
guess = np.argmax(found.run(T, test).values[f"y[{T}]"], axis=-1)
print(f"{100 * np.mean(guess == test['target'][-1]):.1f} % of 1,000 new sequences classified correctly")
np.savetxt(folder / "losses.csv", found.losses)
