"""A NumPy function of one step becomes equations, a derivation and a picture; its numbers are those of the plain loop.

Run: python examples/step_function.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg


def step(h, x, *, W_z, U_z, W, U):
    z = 1 / (1 + np.exp(-(W_z @ x + U_z @ h)))
    n = np.tanh(W @ x + U @ h)
    return (1 - z) * n + z * h


folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
rec = bg.recurrence(step)
print("\n".join(rec.equations))
u = rec.unroll(steps=5)
data = u.instance(seed=0)
h = data["h[0]"]
for x in data["x"]:
    h = step(h, x, **{name: data[name] for name in u.parameters})
print("same numbers as the loop:", np.allclose(h, u.run(data).values["h[5]"]))
print("gradients checked:", all(u.derive(name).check(data).right for name in u.parameters))
u.draw().save(folder / "step.svg")
(folder / "U_z.tex").write_text(rec.unroll(2).derive("U_z").statement(), encoding="utf-8")
