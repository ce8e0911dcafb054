"""Backward passes in the manner of Keras's layers (rows; i f c o, or z r h with a bias of two rows); for these
tests."""

import numpy as np

WRONG = ""


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def lstm(inputs, h0, c0, doutputs, kernel, recurrent_kernel, bias):
    h, c, kept = h0, c0, []
    for t in range(inputs.shape[1]):
        i, f, g, o = np.split(inputs[:, t] @ kernel + h @ recurrent_kernel + bias, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        new = f * c + i * g
        kept.append((h, c, i, f, g, o, new))
        h, c = o * np.tanh(new), new
    found = {"dkernel": 0.0, "drecurrent_kernel": 0.0, "dbias": 0.0, "dinputs": np.zeros_like(inputs)}
    dh, dc = np.zeros_like(h0), np.zeros_like(c0)
    for t in reversed(range(inputs.shape[1])):
        before, old, i, f, g, o, new = kept[t]
        dh = dh + doutputs[:, t]
        dc = dc + dh * o * (1 - np.tanh(new) ** 2)
        a = np.hstack(
            [dc * g * i * (1 - i), dc * old * f * (1 - f), dc * i * (1 - g**2), dh * np.tanh(new) * o * (1 - o)]
        )
        found["dkernel"] = found["dkernel"] + inputs[:, t].T @ a
        found["drecurrent_kernel"] = found["drecurrent_kernel"] + before.T @ a
        found["dbias"] = found["dbias"] + a.sum(axis=0)
        found["dinputs"][:, t] = a @ kernel.T
        dh, dc = a @ recurrent_kernel.T, dc * f
    return {**found, "dh0": dh, "dc0": dc}


def gru(inputs, h0, doutputs, kernel, recurrent_kernel, bias):
    h, kept = h0, []
    for t in range(inputs.shape[1]):
        xz, xr, xh = np.split(inputs[:, t] @ kernel + bias[0], 3, axis=1)
        sz, sr, sh = np.split(h @ recurrent_kernel + bias[1], 3, axis=1)
        z, r = sigmoid(xz + sz), sigmoid(xr + sr)
        n = np.tanh(xh + r * sh)
        kept.append((h, z, r, n, sh))
        h = z * h + (1 - z) * n
    found = {"dkernel": 0.0, "drecurrent_kernel": 0.0, "dbias": 0.0, "dinputs": np.zeros_like(inputs)}
    dh = np.zeros_like(h0)
    for t in reversed(range(inputs.shape[1])):
        before, z, r, n, sh = kept[t]
        dh = dh + doutputs[:, t]
        dn = dh * (1 - z) * (1 - n**2)
        dz, dr = dh * (before - n) * z * (1 - z), dn * sh * r * (1 - r)
        into = np.hstack([dz, dr, dn])
        state = into if WRONG == "reset forgotten" else np.hstack([dz, dr, dn * r])
        found["dkernel"] = found["dkernel"] + inputs[:, t].T @ into
        found["drecurrent_kernel"] = found["drecurrent_kernel"] + before.T @ state
        found["dbias"] = found["dbias"] + np.stack([into.sum(axis=0), state.sum(axis=0)])
        found["dinputs"][:, t] = into @ kernel.T
        dh = dh * z + state @ recurrent_kernel.T
    return {**found, "dh0": dh}
