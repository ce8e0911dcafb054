"""Explosion and clipping: one unit over 50 steps has a cliff in its loss; clipping shortens the step that would fall
off it.

The unit is h[t] = sigmoid(w h[t-1] + b), after R. Pascanu, T. Mikolov, Y. Bengio (2013), figure 6. Expected: along w
the slope of the loss jumps by some orders of magnitude within a short stretch. Clipping by the global norm keeps the
direction, clipping by value turns it.

Run: python examples/cliff.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg
from bpttgraph.draw.chart import Series, line_chart
from bpttgraph.flow import cliff, clip

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
rec = bg.recurrence("h[t] = sigmoid(w * h[t-1] + b)\nE[t] = squared_error(h[t], target[t])")
u = rec.unroll(50, loss="last", sizes=1)
data = {"w": 0.0, "b": -3.0, "h[0]": 0.5, "target": np.full(50, 0.7)}
w = np.linspace(3.0, 7.0, 401)
losses, slopes = cliff(u, data, "w", w)
steep = int(np.argmax(np.abs(slopes)))
print(
    f"the slope is {abs(slopes[steep]):.3g} at w = {w[steep]:.2f} and {np.median(np.abs(slopes)):.2g} in the middle of"
    " all places"
)

gradients = {name: u.run({**data, "w": w[steep]}).gradients[name] for name in ("w", "b")}
for how in ("value", "norm", "global"):
    print(f"clipped by {how}: {clip(gradients, how, 0.1)}")
chart = line_chart("The cliff", "w", "loss after 50 steps", [Series("loss", w.tolist(), losses.tolist())])
chart.save(folder / "cliff.svg")
