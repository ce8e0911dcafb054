"""Backward passes written by hand with NumPy, as a student would hand them in: right answers that share no code with
the project.

Each takes an instance (data by name, with or without a batch) and returns gradients by name, computed in the type of
the data. They differ in arrangement: one example at a time, matrices of a batch, sums at the end as one product.
"""

from __future__ import annotations

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def batched(data, *names):
    """Arrays with a batch axis, (T, B, n) and (B, n)."""
    return [np.asarray(data[n]) if has_batch(data) else np.asarray(data[n])[..., None, :] for n in names]


def has_batch(data):
    return data["x"].ndim == 3


def outcome(data, g):
    """Initial states lose the batch axis again where there is none."""
    return {k: v[0] if k.endswith("[0]") and not has_batch(data) else v for k, v in g.items()}


def rnn_example(data):
    """Vanilla RNN with softmax and cross entropy, one example and one step at a time."""
    W, U, b, V, c = (data[k] for k in ("W_hh", "W_xh", "b_h", "W_hy", "b_y"))
    g = {k: np.zeros_like(data[k]) for k in ("W_hh", "W_xh", "b_h", "W_hy", "b_y")}
    x, h0 = batched(data, "x", "h[0]")
    target = data["target"].reshape(len(x), -1)
    g["h[0]"] = np.zeros_like(h0)
    for n in range(x.shape[1]):
        h, dh = [h0[n]], np.zeros_like(b)
        for t in range(len(x)):
            h.append(np.tanh(W @ h[-1] + U @ x[t, n] + b))
        for t in reversed(range(len(x))):
            e = np.exp(V @ h[t + 1] + c)
            d = e / e.sum()
            d[target[t, n]] -= 1
            g["W_hy"] += np.outer(d, h[t + 1])
            g["b_y"] += d
            a = (V.T @ d + dh) * (1 - h[t + 1] ** 2)
            g["W_hh"] += np.outer(a, h[t])
            g["W_xh"] += np.outer(a, x[t, n])
            g["b_h"] += a
            dh = W.T @ a
        g["h[0]"][n] = dh
    return outcome(data, g)


def rnn_rows(data):
    """The same in row vectors, with the sums over steps and batch as one product at the end."""
    W, U, b, V, c = (data[k] for k in ("W_hh", "W_xh", "b_h", "W_hy", "b_y"))
    x, h0 = batched(data, "x", "h[0]")
    steps, target = len(x), data["target"].reshape(len(x), -1)
    h = [h0]
    for t in range(steps):
        h.append(np.tanh(h[-1] @ W.T + x[t] @ U.T + b))
    H = np.stack(h)
    z = H[1:] @ V.T + c
    p = np.exp(z - z.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    D = p - np.eye(len(c), dtype=p.dtype)[target]
    A = np.zeros_like(H[1:])
    carry = np.zeros_like(h0)
    for t in range(steps - 1, -1, -1):
        A[t] = (D[t] @ V + carry) * (1 - H[t + 1]) * (1 + H[t + 1])
        carry = A[t] @ W
    g = {
        "W_hh": np.einsum("tbi,tbj->ij", A, H[:-1]), "W_xh": np.tensordot(A, x, ((0, 1), (0, 1))), "b_h": A.sum((0, 1)),
        "W_hy": np.tensordot(D, H[1:], ((0, 1), (0, 1))), "b_y": D.sum((0, 1)), "h[0]": carry,
    }  # fmt: skip
    return outcome(data, g)


def lstm(data):
    """LSTM with separate gates and a given upstream gradient."""
    x, h0, c0, up = batched(data, "x", "h[0]", "c[0]", "dE_dh")
    g = {k: np.zeros_like(v) for k, v in data.items() if k[:2] in ("W_", "U_", "b_")}
    h, c, kept = h0, c0, []
    for t in range(len(x)):
        a = {k: x[t] @ data[f"W_{k}"].T + h @ data[f"U_{k}"].T + data[f"b_{k}"] for k in "ifog"}
        i, f, o, n = sigmoid(a["i"]), sigmoid(a["f"]), sigmoid(a["o"]), np.tanh(a["g"])
        new = f * c + i * n
        kept.append((h, c, i, f, o, n, new))
        h, c = o * np.tanh(new), new
    dh, dc = np.zeros_like(h0), np.zeros_like(c0)
    for t in range(len(x) - 1, -1, -1):
        before, old, i, f, o, n, new = kept[t]
        dh = dh + up[t]
        th = np.tanh(new)
        dc = dc + dh * o * (1 - th * th)
        d = {
            "o": dh * th * o * (1 - o),
            "i": dc * n * i * (1 - i),
            "f": dc * old * f * (1 - f),
            "g": dc * i * (1 - n * n),
        }
        dh = np.zeros_like(h0)
        for k, v in d.items():
            g[f"W_{k}"] += v.T @ x[t]
            g[f"U_{k}"] += v.T @ before
            g[f"b_{k}"] += v.sum(0)
            dh = dh + v @ data[f"U_{k}"]
        dc = dc * f
    return outcome(data, {**g, "h[0]": dh, "c[0]": dc})


def gru(data, after=False):
    """GRU; the reset gate before the recurrent product, or after it with a bias of its own."""
    x, h0, up = batched(data, "x", "h[0]", "dE_dh")
    g = {k: np.zeros_like(v) for k, v in data.items() if k[0] in "WUb"}
    h, kept = h0, []
    for t in range(len(x)):
        z = sigmoid(x[t] @ data["W_z"].T + h @ data["U_z"].T + data["b_z"])
        r = sigmoid(x[t] @ data["W_r"].T + h @ data["U_r"].T + data["b_r"])
        q = h @ data["U"].T + data["b_hn"] if after else (r * h) @ data["U"].T
        n = np.tanh(x[t] @ data["W"].T + data["b_in" if after else "b"] + (r * q if after else q))
        kept.append((h, z, r, q, n))
        h = (1 - z) * n + z * h
    dh = np.zeros_like(h0)
    for t in range(len(x) - 1, -1, -1):
        before, z, r, q, n = kept[t]
        dh = dh + up[t]
        az, an = dh * (before - n) * z * (1 - z), dh * (1 - z) * (1 - n * n)
        back = dh * z
        if after:
            ar, inner = an * q * r * (1 - r), an * r
            g["U"] += inner.T @ before
            g["b_hn"] += inner.sum(0)
            g["b_in"] += an.sum(0)
            back = back + inner @ data["U"]
        else:
            m = an @ data["U"]
            ar = m * before * r * (1 - r)
            g["U"] += an.T @ (r * before)
            g["b"] += an.sum(0)
            back = back + m * r
        g["W"] += an.T @ x[t]
        for k, v in (("z", az), ("r", ar)):
            g[f"W_{k}"] += v.T @ x[t]
            g[f"U_{k}"] += v.T @ before
            g[f"b_{k}"] += v.sum(0)
            back = back + v @ data[f"U_{k}"]
        dh = back
    return outcome(data, {**g, "h[0]": dh})


def gru_after(data):
    return gru(data, after=True)


def lstm_kind(data, peephole=False, coupled=False):
    """LSTM with peepholes (the output gate sees the new cell), or with f = 1 − i."""
    x, h0, c0, up = batched(data, "x", "h[0]", "c[0]", "dE_dh")
    g = {k: np.zeros_like(v) for k, v in data.items() if k[:2] in ("W_", "U_", "b_", "p_")}
    gates = "iog" if coupled else "ifog"
    see = {k: data[f"p_{k}"] if peephole else 0 for k in "ifo"}
    h, c, kept = h0, c0, []
    for t in range(len(x)):
        a = {k: x[t] @ data[f"W_{k}"].T + h @ data[f"U_{k}"].T + data[f"b_{k}"] for k in gates}
        i, n = sigmoid(a["i"] + see["i"] * c), np.tanh(a["g"])
        f = 1 - i if coupled else sigmoid(a["f"] + see["f"] * c)
        new = f * c + i * n
        o = sigmoid(a["o"] + see["o"] * new)
        kept.append((h, c, i, f, o, n, new))
        h, c = o * np.tanh(new), new
    dh, dc = np.zeros_like(h0), np.zeros_like(c0)
    for t in range(len(x) - 1, -1, -1):
        before, old, i, f, o, n, new = kept[t]
        dh = dh + up[t]
        th = np.tanh(new)
        d = {"o": dh * th * o * (1 - o)}
        dc = dc + dh * o * (1 - th * th) + d["o"] * see["o"]
        d["i"] = dc * (n - old if coupled else n) * i * (1 - i)
        d["g"] = dc * i * (1 - n * n)
        dc_next = dc * f + d["i"] * see["i"]
        if not coupled:
            d["f"] = dc * old * f * (1 - f)
            dc_next = dc_next + d["f"] * see["f"]
        dh = np.zeros_like(h0)
        for k, v in d.items():
            g[f"W_{k}"] += v.T @ x[t]
            g[f"U_{k}"] += v.T @ before
            g[f"b_{k}"] += v.sum(0)
            if peephole and k != "g":
                g[f"p_{k}"] += (v * (new if k == "o" else old)).sum(0)
            dh = dh + v @ data[f"U_{k}"]
        dc = dc_next
    return outcome(data, {**g, "h[0]": dh, "c[0]": dc})


def lstm_peephole(data):
    return lstm_kind(data, peephole=True)


def lstm_coupled(data):
    return lstm_kind(data, coupled=True)


def rnn_torch(data):
    """The vanilla RNN by another library's automatic differentiation."""
    import torch

    leaves = {k: torch.tensor(np.asarray(v), requires_grad=np.asarray(v).dtype.kind == "f") for k, v in data.items()}
    h, loss = leaves["h[0]"], 0.0
    for t in range(len(leaves["x"])):
        h = torch.tanh(h @ leaves["W_hh"].T + leaves["x"][t] @ leaves["W_xh"].T + leaves["b_h"])
        z = h @ leaves["W_hy"].T + leaves["b_y"]
        loss = loss + torch.nn.functional.cross_entropy(z, leaves["target"][t], reduction="sum")
    loss.backward()
    return {k: leaves[k].grad.numpy() for k in ("W_hh", "W_xh", "b_h", "W_hy", "b_y", "h[0]")}


BY_CELL = {
    "rnn": (rnn_example, rnn_rows),
    "lstm": (lstm,),
    "gru": (gru,),
    "gru-reset-after": (gru_after,),
    "lstm-peephole": (lstm_peephole,),
    "lstm-coupled": (lstm_coupled,),
}
