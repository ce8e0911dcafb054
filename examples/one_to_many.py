"""One to many: a symbol is given at the first step only; the network unfolds it into a song of five notes.

Expected: all three songs are sung without a mistake.

Run: python examples/one_to_many.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg
from bpttgraph.training import Network, fit

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
songs = np.array([[0, 1, 2, 1, 0], [2, 2, 1, 0, 1], [1, 0, 0, 2, 2]])


def sing(which: np.ndarray) -> dict[str, np.ndarray]:
    x = np.zeros((5, len(which), 3))
    x[0] = np.eye(3)[which]
    return {"x": x, "target": songs[which].T}


net = Network(bg.cell("rnn"), {"x": 3, "h": 12, "y": 3}, inputs="first", steps=5)
found = fit(net, lambda rng: sing(rng.integers(3, size=16)), 5, 250, rate=0.02)
run = found.run(5, sing(np.arange(3)))
sung = np.stack([np.argmax(run.values[f"y[{t}]"], axis=-1) for t in range(1, 6)], axis=1)
for song, notes in zip(songs, sung):
    print(f"song {song}: sung {notes}, {'right' if np.array_equal(song, notes) else 'wrong'}")
net.unrolled(5).draw().save(folder / "one_to_many.svg")
