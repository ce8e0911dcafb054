"""A student's own NumPy forward pass of an LSTM, as handed in: traced into a graph, drawn, and its gradient checked.

The code fills state arrays step by step, as homework code does. One word of it had to change: `np.zeros(...)` got `like=x`, so that the
arrays can hold what has a derivative. It still runs on plain arrays.
"""

import numpy as np

import bpttgraph as bg
from bpttgraph.draw import draw
from bpttgraph.traced_variables import variables_of


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def loss(x, Wx, Wh, b, h0):
    """x: (T, N, D), time-major; the last h scores the sequence."""
    T, N, _ = x.shape
    H = h0.shape[1]
    h = np.zeros((T, N, H), like=x)
    c = np.zeros((T, N, H), like=x)
    for t in range(T):
        h_prev = h[t - 1] if t > 0 else h0
        c_prev = c[t - 1] if t > 0 else np.zeros((N, H))
        a = x[t] @ Wx + h_prev @ Wh + b
        i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 2 * H : 3 * H])
        g = np.tanh(a[:, 3 * H :])
        c[t] = f * c_prev + i * g
        h[t] = o * np.tanh(c[t])
    return np.sum(h[-1] ** 2) / 2 + np.mean(h * h)


rng = np.random.default_rng(0)
T, N, D, H = 4, 2, 3, 5
data = (
    rng.normal(size=(T, N, D)),
    rng.normal(size=(D, 4 * H)),
    rng.normal(size=(H, 4 * H)) / 2,
    rng.normal(size=4 * H),
    rng.normal(size=(N, H)),
)

graph = bg.trace(loss, *data)
named = [node.name for node in graph if node.name]
print(f"{len(graph)} nodes, {len(graph.edges)} edges; named: {', '.join(named)}")

draw(variables_of(graph, "the student's LSTM")).save("student_lstm.svg")
print("drawn: student_lstm.svg")

report = bg.gradcheck(loss, data)
print(report)
assert report.right and loss(*data) == bg.value_and_grad(loss)(*data)[0]
