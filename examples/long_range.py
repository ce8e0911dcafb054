"""Long-range dependence: the first symbol decides the last, over a gap of g steps. Where does the RNN fail and the LSTM
not?

Expected: both learn a short gap; over a long one the tanh network stays near guessing (1 bit) while the LSTM, its
forget gates open, still learns.

Run: python examples/long_range.py [FOLDER]   (about 50 seconds)
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg
from bpttgraph.training import Network, fit

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
lstm = bg.recurrence(bg.cell("lstm").text + "\ny[t] = softmax(V @ h[t] + b_y)\nE[t] = cross_entropy(y[t], target[t])")
rows = ["gap,rnn,lstm"]
for gap in (3, 10, 40):
    T = gap + 1

    def sample(rng: np.random.Generator, T: int = T) -> dict[str, np.ndarray]:
        symbol = rng.integers(2, size=32)
        x = rng.normal(size=(T, 32, 3)) * 0.5
        x[:, :, :2] = 0.0
        x[0, :, :2] = np.eye(2)[symbol]
        return {"x": x, "target": np.broadcast_to(symbol, (T, 32))}

    bits = []
    for rec, start in ((bg.cell("rnn"), {}), (lstm, {"b_f": 3.0})):
        net = Network(rec, {"x": 3, "h": 12, "y": 2}, loss="last", steps=T, start=start)
        losses = fit(net, sample, T, 400, rate=0.01).losses
        bits.append(np.mean(losses[-40:]) / np.log(2))
    rows.append(f"{gap},{bits[0]:.3f},{bits[1]:.3f}")
    print(rows[0] + "\n" + rows[-1] if gap == 3 else rows[-1], flush=True)
(folder / "long_range.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
