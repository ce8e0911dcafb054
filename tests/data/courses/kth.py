"""A right homework in the manner of KTH's assignment 4, with a switch `WRONG` for mistakes; written for these tests."""

import numpy as np

WRONG = ""


def compute_gradients(X, Y, h0, U, W, V, b, c):
    h = [h0]
    for t in range(X.shape[1]):
        h.append(np.tanh(W @ h[-1] + U @ X[:, t : t + 1] + b))
    H = np.hstack(h)
    o = V @ H[:, 1:] + c
    p = np.exp(o - o.max(axis=0))
    p /= p.sum(axis=0)
    error = p if WRONG == "target not subtracted" else p - Y
    A = np.zeros((len(b), X.shape[1]))
    later = np.zeros_like(b)
    for t in reversed(range(X.shape[1])):
        later = A[:, t : t + 1] = (V.T @ error[:, t : t + 1] + W.T @ later) * (1 - H[:, t + 1 : t + 2] ** 2)
    return {"dU": A @ X.T, "dW": A @ H[:, :-1].T, "dV": error @ H[:, 1:].T, "db": A.sum(axis=1, keepdims=True),
            "dc": error.sum(axis=1, keepdims=True)}  # fmt: skip
