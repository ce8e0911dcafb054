"""The next symbol of ABCABC…: many to many, the smallest language model.

Expected: after a few passes the next symbol is almost certain.

Run: python examples/next_symbol.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import bpttgraph as bg

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
model = bg.train("ABC" * 60, "rnn", 200, hidden=10, steps=9, scale=0.3)
print(
    f"{model.losses[0]:.2f} bits per symbol before, {model.losses[-1]:.3f} after; it writes"
    f" {model.sample(8, 'A', temperature=0.2)}"
)
model.save(folder / "abc.npz")
