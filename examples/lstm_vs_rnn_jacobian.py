"""How much of step 1 is left at step T? The norm of the state's Jacobian, in a plain network and along an LSTM's cell.

Run: python examples/lstm_vs_rnn_jacobian.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg

T = 30
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
rnn, lstm = bg.cell("rnn").unroll(T), bg.cell("lstm").unroll(T)
closed, opened = lstm.instance(seed=0), lstm.instance(seed=0)
opened["b_f"] = np.full_like(opened["b_f"], 5.0)  # a forget gate near 1: the usual initialisation goes this way
runs = {
    "rnn": (rnn.run(rnn.instance(seed=0)), "h"),
    "lstm": (lstm.run(closed), "c"),
    "lstm, forget bias 5": (lstm.run(opened), "c"),
}
rows = ["t," + ",".join(name.replace(",", "") for name in runs)]
for t in (2, 5, 10, 20, 30):
    norms = [np.linalg.norm(run.jacobian(f"{state}[{t}]", f"{state}[1]"), 2) for run, state in runs.values()]
    rows.append(f"{t}," + ",".join(f"{n:.2e}" for n in norms))
print("norm of ds_t/ds_1\n" + "\n".join(rows))
(folder / "jacobians.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
