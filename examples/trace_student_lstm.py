"""A student's own NumPy forward pass of an LSTM over arrays: traced into a graph, drawn, and its gradient checked.

One thing had to change: `np.zeros(...)` got `like=x`, so that the arrays can hold what has a derivative. It still runs
on plain arrays.
Run: python examples/trace_student_lstm.py [folder]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import bpttgraph as bg
from bpttgraph.draw import draw
from bpttgraph.show.traced_variables import variables_of


def loss(x, Wx, Wh, b, h0):  # x is (T, N, D), time-major
    (T, N, _), H = x.shape, h0.shape[1]
    h, c = np.zeros((T, N, H), like=x), np.zeros((T, N, H), like=x)
    for t in range(T):
        h_prev, c_prev = (h[t - 1], c[t - 1]) if t > 0 else (h0, np.zeros((N, H)))
        a = x[t] @ Wx + h_prev @ Wh + b
        i, f, o = (1 / (1 + np.exp(-a[:, k * H : (k + 1) * H])) for k in range(3))
        c[t] = f * c_prev + i * np.tanh(a[:, 3 * H :])
        h[t] = o * np.tanh(c[t])
    return np.sum(h[-1] ** 2) / 2 + np.mean(h * h)


folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)
T, N, D, H = 4, 2, 3, 5
data = [rng.normal(size=s) * 0.7 for s in ((T, N, D), (D, 4 * H), (H, 4 * H), (4 * H,), (N, H))]

graph = bg.trace(loss, *data)
print(f"{len(graph)} nodes, {len(graph.edges)} edges; named: {' '.join(node.name for node in graph if node.name)}")
draw(variables_of(graph, "the student's LSTM")).save(folder / "student_lstm.svg")
print(bg.gradcheck(loss, tuple(data)))
