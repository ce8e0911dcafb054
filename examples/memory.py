"""Exponential trace memory and gates: two ways to keep the past.

* The trace x̄[t] = (1 − μ) x[t] + μ x̄[t−1] weighs the input of s steps ago with the kernel (1 − μ) μ^s.
* A gate z in C′ = C · z lets a part of C through: ∂C′/∂C is z, whatever C is, and over many steps the product of all z.

Expected: the measured kernel and Jacobians are these, to the last digits.

Run: python examples/memory.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg
from bpttgraph.draw.chart import Series, line_chart

T = 20
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)

trace = bg.cell("exp-trace").unroll(T, sizes={"x": 1, "h": 1})
lines = []
for mu in (0.5, 0.9):
    run = trace.run({**trace.instance(), "μ": np.array([mu])})
    kernel = np.array([run.jacobian(f"x̄[{T}]", f"x[{T - s}]").item() for s in range(T)])
    print(
        f"μ = {mu}: kernel differs from (1 − μ) μ^s by at most"
        f" {np.max(np.abs(kernel - (1 - mu) * mu ** np.arange(T))):.1e}"
    )
    lines.append(Series(f"μ = {mu}", list(range(T)), kernel.tolist()))
line_chart("The kernel of an exponential trace", "steps ago", "weight", lines).save(folder / "kernel.svg")

gate = bg.recurrence("z[t] = sigmoid(a[t])\nC[t] = C[t-1] * z[t]").unroll(5, sizes=1)
data = gate.instance(seed=0)
run = gate.run(data)
z = 1 / (1 + np.exp(-data["a"]))
print(f"∂C[5]/∂C[0] = {run.jacobian('C[5]', 'C[0]').item():.6f}, the product of all z = {np.prod(z):.6f}")
