"""A right homework in the manner of CS231n, with a switch `WRONG` for mistakes; written for these tests."""

import numpy as np

WRONG = ""


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    if WRONG == "derivative omitted":
        da = dnext_h
    dprev_h = da @ (Wh if WRONG == "not transposed" else Wh.T)
    return da @ Wx.T, dprev_h, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def rnn_forward(x, h0, Wx, Wh, b):
    h, cache, now = [], [], h0
    for t in range(x.shape[1]):
        now, kept = rnn_step_forward(x[:, t], now, Wx, Wh, b)
        h.append(now)
        cache.append(kept)
    return np.stack(h, axis=1), cache


def rnn_backward(dh, cache):
    dx = np.zeros((dh.shape[0], dh.shape[1], cache[0][0].shape[1]))
    dprev, dWx, dWh, db = 0.0, 0.0, 0.0, 0.0
    for t in reversed(range(dh.shape[1])):
        carried = 0.0 if WRONG == "no carry" else dprev
        dx[:, t], dprev, wx, wh, bb = rnn_step_backward(dh[:, t] + carried, cache[t])
        if WRONG == "overwritten":
            dWx = dWh = db = 0.0
        dWx, dWh, db = dWx + wx, dWh + wh, db + bb
    return dx, dprev, dWx, dWh, db


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    next_c = f * prev_c + i * g
    if WRONG == "forward":
        next_c = f * prev_c + i * np.tanh(g)
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tc = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    if WRONG == "h path into c":
        dc = dnext_c
    da = np.hstack([
        dc * g * i * (1 - i),
        dc * prev_c * f * (1 - f),
        dnext_h * tc * o * (1 - o),
        dc * i * (1 - g**2),
    ])  # fmt: skip
    dprev_c = dc if WRONG == "carried without f" else dc * f
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_forward(x, h0, Wx, Wh, b):
    h, cache, now, c = [], [], h0, np.zeros_like(h0)
    for t in range(x.shape[1]):
        now, c, kept = lstm_step_forward(x[:, t], now, c, Wx, Wh, b)
        h.append(now)
        cache.append(kept)
    return np.stack(h, axis=1), cache


def lstm_backward(dh, cache):
    dx = np.zeros((dh.shape[0], dh.shape[1], cache[0][0].shape[1]))
    dprev, dc, dWx, dWh, db = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in reversed(range(dh.shape[1])):
        dx[:, t], dprev, dc, wx, wh, bb = lstm_step_backward(dh[:, t] + dprev, dc, cache[t])
        if WRONG == "no cell carry":
            dc = 0.0
        dWx, dWh, db = dWx + wx, dWh + wh, db + bb
    return dx, dprev, dWx, dWh, db
