"""A right homework in the manner of deeplearning.ai's Sequence Models, with a switch `WRONG` for mistakes; written for
these tests."""

import numpy as np

WRONG = ""


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def softmax(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


def rnn_cell_forward(xt, a_prev, parameters):
    p = parameters
    a_next = np.tanh(p["Wax"] @ xt + p["Waa"] @ a_prev + p["ba"])
    return a_next, softmax(p["Wya"] @ a_next + p["by"]), (a_next, a_prev, xt, parameters)


def rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, p = cache
    dz = da_next * (1 - a_next**2)
    if WRONG == "derivative of another step":
        dz = da_next * (1 - a_prev**2)
    return {"dxt": p["Wax"].T @ dz, "da_prev": p["Waa"].T @ dz, "dWax": dz @ xt.T, "dWaa": dz @ a_prev.T,
            "dba": dz.sum(axis=1, keepdims=True)}  # fmt: skip


def rnn_forward(x, a0, parameters):
    a, y, caches = [], [], []
    now = a0
    for t in range(x.shape[2]):
        now, yt, cache = rnn_cell_forward(x[:, :, t], now, parameters)
        a.append(now)
        y.append(yt)
        caches.append(cache)
    return np.stack(a, 2), np.stack(y, 2), (caches, x)


def rnn_backward(da, caches):
    caches, x = caches
    found = {"dx": np.zeros((x.shape[0], x.shape[1], da.shape[2])), "dWax": 0.0, "dWaa": 0.0, "dba": 0.0}
    carry = 0.0
    for t in reversed(range(da.shape[2])):
        g = rnn_cell_backward(da[:, :, t] + carry, caches[t])
        carry = g["da_prev"]
        found["dx"][:, :, t] = g["dxt"]
        for k in ("dWax", "dWaa", "dba"):
            found[k] = found[k] + g[k]
    found["da0"] = carry
    return found


def lstm_cell_forward(xt, a_prev, c_prev, parameters):
    p = parameters
    joined = np.concatenate([a_prev, xt])
    ft, it, ot = (sigmoid(p[f"W{k}"] @ joined + p[f"b{k}"]) for k in "fio")
    cct = np.tanh(p["Wc"] @ joined + p["bc"])
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    yt = softmax(p["Wy"] @ a_next + p["by"])
    return a_next, c_next, yt, (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)


def lstm_cell_backward(da_next, dc_next, cache):
    _, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
    joined = np.concatenate([a_prev, xt])
    tc = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - tc**2)
    d = {
        "o": da_next * tc * ot * (1 - ot),
        "c": dc * it * (1 - cct**2),
        "i": dc * cct * it * (1 - it),
        "f": dc * c_prev * ft * (1 - ft),
    }
    if WRONG == "forget gate missing in da_prev":
        into = {k: v for k, v in d.items() if k != "f"}
    else:
        into = d
    n_a = len(a_prev)
    found = {"da_prev": sum(p[f"W{k}"][:, :n_a].T @ v for k, v in into.items()), "dc_prev": dc * ft,
             "dxt": sum(p[f"W{k}"][:, n_a:].T @ v for k, v in d.items())}  # fmt: skip
    for k, v in d.items():
        found[f"dW{k}"] = v @ joined.T
        found[f"db{k}"] = v.sum(axis=1, keepdims=True)
    return found


def lstm_forward(x, a0, parameters):
    a, y, c, caches = [], [], [], []
    now, cell = a0, np.zeros_like(a0)
    for t in range(x.shape[2]):
        now, cell, yt, cache = lstm_cell_forward(x[:, :, t], now, cell, parameters)
        a.append(now)
        c.append(cell)
        y.append(yt)
        caches.append(cache)
    return np.stack(a, 2), np.stack(y, 2), np.stack(c, 2), (caches, x)


def lstm_backward(da, caches):
    caches, x = caches
    names = [f"d{k}{g}" for g in "fico" for k in "Wb"]
    found = dict.fromkeys(names, 0.0) | {"dx": np.zeros((x.shape[0], x.shape[1], da.shape[2]))}
    carry_a, carry_c = 0.0, 0.0
    for t in reversed(range(da.shape[2])):
        g = lstm_cell_backward(da[:, :, t] + carry_a, carry_c, caches[t])
        if WRONG != "carries left at zero":
            carry_a, carry_c = g["da_prev"], g["dc_prev"]
        found["dx"][:, :, t] = g["dxt"]
        for k in names:
            found[k] = found[k] + g[k]
    found["da0"] = g["da_prev"]
    return found
