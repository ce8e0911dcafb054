"""Truncated BPTT is several different gradients: the pairs (t, k) that each keeps, and its distance from the full
gradient.

Run: python examples/truncation_table.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg

T = 12
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
rnn = bg.cell("rnn")
data = rnn.unroll(T).instance(seed=0)
data["W_hh"] = 1.1 * np.linalg.qr(data["W_hh"])[0]  # a rotation and small inputs, so that the far past still counts
data["x"], data["b_h"] = 0.2 * data["x"], 0.2 * data["b_h"]
full = rnn.unroll(T).run(data).gradients["W_hh"]

rows = ["truncation,pairs,angle to the full gradient in degrees"]
for how in ("none", "8;4", "sliding:4", "chunk:4", "one-step"):
    u = rnn.unroll(T, truncate=how)
    g = u.run(data).gradients["W_hh"]
    cosine = np.sum(g * full) / np.linalg.norm(g) / np.linalg.norm(full)
    rows.append(f"{how},{u.derive('W_hh').count},{np.degrees(np.arccos(min(1.0, cosine))):.1f}")
print("\n".join(rows))
(folder / "truncation.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
