"""A right homework in the manner of MIT 6.036, with a switch `WRONG` for mistakes; written for these tests."""

import numpy as np

WRONG = ""


class RNN:
    def __init__(self, input_dim, hidden_dim, output_dim, loss):
        raise RuntimeError("the checker must not need the constructor")

    def bptt(self, xs, dLtdz2, states):
        steps = xs.shape[1]
        before = np.hstack([self.init_state, states[:, :-1]])
        dWsx, dWss, dWss0 = np.zeros_like(self.Wsx), np.zeros_like(self.Wss), np.zeros_like(self.Wss0)
        dFtdst = np.zeros((len(self.Wss), 1))
        for t in range(steps - 1, -1, -1):
            st = states[:, t : t + 1]
            ds = self.Wo.T @ dLtdz2[:, t : t + 1] + dFtdst
            dz1 = ds * self.df1(np.tanh(st) if WRONG == "tanh twice" else st)
            dWsx += dz1 @ xs[:, t : t + 1].T
            dWss += dz1 @ before[:, t : t + 1].T
            dWss0 += dz1
            dFtdst = self.Wss.T @ dz1
        return dWsx, dWss, dLtdz2 @ states.T, dWss0, dLtdz2.sum(axis=1, keepdims=True)
