"""A right homework in the manner of Edinburgh's NLU coursework, with a switch `WRONG` for mistakes; written for these
tests."""

import numpy as np

WRONG = ""


class RNN:
    def __init__(self, vocab_size, hidden_dims, out_vocab_size):
        self.vocab_size = vocab_size

    def acc_deltas_bptt(self, x, d, y, s, steps):
        look_back = 2 if WRONG == "two steps" else steps
        for t in range(len(x)):
            error = np.eye(y.shape[1])[d[t]] - y[t]
            self.deltaW += np.outer(error, s[t])
            delta = (self.W.T @ error) * s[t] * (1 - s[t])
            for k in range(t, max(-1, t - look_back), -1):
                self.deltaV[:, x[k]] += delta
                self.deltaU += np.outer(delta, s[k - 1])
                delta = (self.U.T @ delta) * s[k - 1] * (1 - s[k - 1])
