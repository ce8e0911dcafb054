"""A student's dE/dW_hh is wrong. Which terms are missing? Fit it on the triangle of contributions and compare with
known masks.

Run: python examples/which_term_is_missing.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg

T = 4
folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
rnn = bg.cell("rnn")
u = rnn.unroll(T, sizes={"h": 7})
data = u.instance(seed=1)
triangle = u.run(data).contributions("W_hh")  # [t-1, k-1] is dE_t/dW_hh through the use at step k
t, k = np.tril_indices(T)

answer = rnn.unroll(T, sizes={"h": 7}, truncate="chunk:2").run(data).gradients["W_hh"]  # what the student handed in
np.savez(folder / "homework.npz", answer=answer, **data)

columns = triangle[t, k].reshape(len(t), -1).T
fitted, *_ = np.linalg.lstsq(columns, answer.ravel(), rcond=None)
found = np.zeros((T, T), int)
found[t, k] = np.rint(fitted)
print("coefficient of each contribution (row: loss t, column: use k)")
print(found)
print("largest unexplained entry below 1e-12:", bool(np.abs(columns @ fitted - answer.ravel()).max() < 1e-12))

for how in (None, "sliding:2", "sliding:3", "chunk:2", "chunk:3", "one-step"):
    counts = rnn.unroll(T, truncate=how).derive("W_hh").count_by_step
    if all(found[a, b] == counts.get((a + 1, b + 1), 0) for a, b in zip(t, k)):
        print("this is exactly the gradient of truncation:", how)
