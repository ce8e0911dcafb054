"""A right homework in the manner of CMU 11-785, homework 3 part 1, with a switch `WRONG` for mistakes; written for
these tests."""

import numpy as np

WRONG = ""


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class RNNCell:
    def __init__(self, input_size, hidden_size):
        self.W_ih, self.W_hh = np.ones((hidden_size, input_size)), np.ones((hidden_size, hidden_size))
        self.b_ih, self.b_hh = np.zeros(hidden_size), np.zeros(hidden_size)
        self.dW_ih, self.dW_hh = np.zeros_like(self.W_ih), np.zeros_like(self.W_hh)
        self.db_ih, self.db_hh = np.zeros(hidden_size), np.zeros(hidden_size)

    def forward(self, x, h_prev_t):
        return np.tanh(x @ self.W_ih.T + self.b_ih + h_prev_t @ self.W_hh.T + self.b_hh)

    def backward(self, delta, h_t, h_prev_l, h_prev_t):
        batch = 1 if WRONG == "summed" else len(delta)
        dz = delta * (1 - h_t**2)
        self.dW_ih += dz.T @ h_prev_l / batch
        self.dW_hh += dz.T @ (h_t if WRONG == "h_t for h_prev" else h_prev_t) / batch
        self.db_ih += dz.sum(0) / batch
        self.db_hh += dz.sum(0) / batch
        return dz @ self.W_ih, dz @ self.W_hh


class GRUCell:
    def __init__(self, input_size, hidden_size):
        pass

    def forward(self, x, h_prev_t):
        self.x, self.hidden = x, h_prev_t
        self.r = sigmoid(self.Wrx @ x + self.brx + self.Wrh @ h_prev_t + self.brh)
        self.z = sigmoid(self.Wzx @ x + self.bzx + self.Wzh @ h_prev_t + self.bzh)
        self.inside = self.Wnh @ h_prev_t + self.bnh
        self.n = np.tanh(self.Wnx @ x + self.bnx + self.r * self.inside)
        return (1 - self.z) * self.n + self.z * h_prev_t

    def backward(self, delta):
        x, h, r, z, n = self.x, self.hidden, self.r, self.z, self.n
        dn = delta * (1 - z) * (1 - n**2)
        dz = delta * (h - n) * z * (1 - z)
        dr = dn * self.inside * r * (1 - r)
        for gate, da in (("r", dr), ("z", dz), ("n", dn)):
            recurrent = da * r if gate == "n" else da
            setattr(self, f"dW{gate}x", np.outer(da, x))
            setattr(self, f"db{gate}x", da)
            setattr(self, f"dW{gate}h", np.outer(recurrent, h))
            setattr(self, f"db{gate}h", recurrent)
        carried = 0 if WRONG == "carry dropped" else delta * z
        dh = carried + self.Wrh.T @ dr + self.Wzh.T @ dz + self.Wnh.T @ (dn * r)
        return self.Wrx.T @ dr + self.Wzx.T @ dz + self.Wnx.T @ dn, dh
