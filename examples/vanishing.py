"""Vanishing and exploding gradients, and what ReLU, LSTM and GRU change, on the same data at three spectral radii.

Expected: with tanh the gradient vanishes also at radius 1, for the units saturate; the identity-initialised ReLU
network keeps it at exactly radius^distance as long as a unit is on; an LSTM keeps it better the larger its forget bias.

Run: python examples/vanishing.py [FOLDER]   (about 10 seconds)
"""

import sys
import tempfile
from pathlib import Path

from bpttgraph.draw.chart import panel_chart
from bpttgraph.flow.pictures import compared
from bpttgraph.flow.settings import compared_flows

T = 40
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
charts = []
print(f"factor a step over {T} steps")
for radius in (0.9, 1.0, 1.5):
    flows = compared_flows(T, radius)
    charts.append(compared(flows, f"spectral radius {radius:g}"))
    for name, flow in flows:
        print(f"radius {radius:g}, {name}: {flow.rate('c' if 'c' in flow.states else 'h'):.3f}")
panel_chart("What is left of the gradient", charts).save(folder / "vanishing.svg")
