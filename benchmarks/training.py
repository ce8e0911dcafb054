"""Training throughput: min-char-rnn's set-up by our trainer and by textbook NumPy, gradient for gradient at the first
iteration."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

__all__ = ["compare_training"]

Array = np.ndarray[Any, Any]


def _textbook(model: Any, iterations: int) -> tuple[list[float], dict[str, Array]]:
    """The same training by hand: losses in bits per character and the gradients of the first iteration."""
    p = {k: v.copy() for k, v in model.network.parameters.items()}
    squares = {k: np.zeros_like(v) for k, v in p.items()}
    V, H = len(model.vocabulary), model.settings.hidden
    h, losses, first = np.zeros((H, 1)), [], {}
    for i in range(iterations):
        if i % model.data.chunks == 0:
            h = np.zeros((H, 1))
        inputs, targets = (a[:, 0] for a in model.data.chunk(i))
        xs, hs, ps, loss = {}, {-1: h}, {}, 0.0
        for t in range(len(inputs)):
            xs[t] = np.zeros((V, 1))
            xs[t][inputs[t]] = 1
            hs[t] = np.tanh(p["W_xh"] @ xs[t] + p["W_hh"] @ hs[t - 1] + p["b_h"][:, None])
            z = p["W_hy"] @ hs[t] + p["b_y"][:, None]
            e = np.exp(z - z.max())
            ps[t] = e / e.sum()
            loss -= float(np.log(ps[t][targets[t], 0]))
        g = {k: np.zeros_like(v) for k, v in p.items()}
        dh_next = np.zeros((H, 1))
        for t in reversed(range(len(inputs))):
            dy = ps[t].copy()
            dy[targets[t]] -= 1
            g["W_hy"] += dy @ hs[t].T
            g["b_y"] += dy[:, 0]
            dz = (1 - hs[t] * hs[t]) * (p["W_hy"].T @ dy + dh_next)
            g["b_h"] += dz[:, 0]
            g["W_xh"] += dz @ xs[t].T
            g["W_hh"] += dz @ hs[t - 1].T
            dh_next = p["W_hh"].T @ dz
        if i == 0:
            first = {k: v.copy() for k, v in g.items()}
        for k in p:
            np.clip(g[k], -5, 5, out=g[k])
            squares[k] += g[k] * g[k]
            p[k] -= 0.1 * g[k] / np.sqrt(squares[k] + 1e-8)
        h = hs[len(inputs) - 1]
        losses.append(loss / len(inputs) / np.log(2))
    return losses, first


def compare_training(text: str, iterations: int = 300) -> dict[str, Any]:
    """Milliseconds an iteration, losses side by side, and the largest difference of the first gradients."""
    import bpttgraph as bg
    from bpttgraph.training import Settings, Trainer

    model = Trainer(text, bg.cell("rnn"), Settings())
    x, target = model.data.chunk(0)
    _, mine, _ = model.gradients(x, target, model.state)
    _, first = _textbook(model, 1)
    off = max(float(np.max(np.abs(mine[k] - first[k])) / np.max(np.abs(first[k]))) for k in first)
    if off > 1e-9:
        raise SystemExit(f"the first gradients differ by {off:.1e}")
    times: dict[str, list[float]] = {"bpttgraph": [], "textbook NumPy": []}
    theirs, _ = _textbook(model, 2)
    for _ in range(3):
        fresh = Trainer(text, bg.cell("rnn"), Settings())
        start = time.perf_counter()
        theirs, _ = _textbook(fresh, iterations)
        times["textbook NumPy"].append(time.perf_counter() - start)
        start = time.perf_counter()
        fresh.learn(iterations)
        times["bpttgraph"].append(time.perf_counter() - start)
    return {
        "work": f"training, min-char-rnn's set-up (H=100, V={len(model.vocabulary)}, 25 steps), an iteration",
        "ms": {name: 1e3 * min(found) / iterations for name, found in times.items()},
        "first_gradients_differ_by": off,
        "bits_per_character": {
            "bpttgraph": float(np.mean(fresh.losses[-50:])),
            "textbook NumPy": float(np.mean(theirs[-50:])),
        },
    }
