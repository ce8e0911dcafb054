"""A cell of one's own, from a text: a unit with two time scales. It is checked, and drawn folded and unrolled.

Run: python examples/own_cell.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import bpttgraph as bg

EQUATIONS = """
# title: Two time scales
fast[t] = tanh(W fast[t-1] + V slow[t-1] + U x[t])
slow[t] = (1 - α) ∘ slow[t-1] + α ∘ fast[t]
y[t] = C slow[t]
E[t] = squared_error(y[t], target[t])
"""

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
rec = bg.recurrence(EQUATIONS)
print("states:", ", ".join(rec.states), "· parameters:", ", ".join(rec.parameters))
u = rec.unroll(steps=4)
data = u.instance(seed=3)
for parameter in u.parameters:
    derivation = u.derive(parameter)
    print(f"dE/d{parameter}: {derivation.count} terms,", "right" if derivation.check(data).right else "WRONG")
rec.draw().save(folder / "folded.svg")
u.draw(theme="print").save(folder / "unrolled.pdf")
