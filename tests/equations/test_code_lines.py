"""Lines of NumPy, PyTorch, TensorFlow, Julia and MATLAB, beside the same in the plain language."""

from __future__ import annotations

import time

import pytest

import bpttgraph as bg
from bpttgraph.equations.language import parse
from bpttgraph.equations.text import show

LINES = {
    "h[t] = np.tanh(np.dot(A, h[t-1]) + np.dot(B, x[t]) + b)": "h[t] = tanh(A @ h[t-1] + B @ x[t] + b)",
    "h[t] = torch.nn.functional.relu(x[t] @ W.T + h[t-1] @ U.T)": "h[t] = relu(x[t] @ W.T + h[t-1] @ U.T)",
    "h[t] = tf.nn.relu(tf.matmul(x[t], W) + h[t-1])": "h[t] = relu(x[t] @ W + h[t-1])",
    "h[t] = jnp.tanh(self.W.dot(self.U).dot(h[t-1])) * 2": "h[t] = tanh(W @ U @ h[t-1]) * 2",
    "h[t] = (W @ h[t-1] + b_h).tanh() - x[t].relu()": "h[t] = tanh(W @ h[t-1] + b_h) - relu(x[t])",
    "h[t] = x[t].dot(W_x.T).tanh() + h[t-1]": "h[t] = tanh(x[t] @ W_x.T) + h[t-1]",
    "h[t] = W.t() @ h[t-1] + self.U.transpose(0, 1) @ x[t]": "h[t] = W.T @ h[t-1] + U.T @ x[t]",
    "z[t] = sigmoid(W @ np.concatenate([h[t-1], x[t]]))": "z[t] = sigmoid(W @ [h[t-1]; x[t]])",
    "z[t] = torch.sigmoid(W @ torch.cat((h[t-1], x[t]), dim=1))": "z[t] = sigmoid(W @ [h[t-1]; x[t]])",
    "z[t] = W @ np.hstack((h[t-1], x[t])) + np.r_[a, c]": "z[t] = W @ [h[t-1]; x[t]] + [a; c]",
    "z[t] = W @ tf.concat([h[t-1], x[t]], 1)": "z[t] = W @ [h[t-1]; x[t]]",
    "h[t] = np.multiply(f[t], h[t-1]) + np.square(x[t])**3": "h[t] = f[t] * h[t-1] + (x[t]^2)^3",
    "h[t] = F.leaky_relu(W @ h[t-1], negative_slope=0.2)": "h[t] = leaky_relu(W @ h[t-1], 0.2)",
    "p[t] = F.softmax(V @ h[t], dim=-1)": "p[t] = softmax(V @ h[t])",
    "p[t] = torch.log_softmax(V @ h[t], 1)": "p[t] = log_softmax(V @ h[t])",
    "L[t] = 0.5 * np.sum((h[t] - d[t])**2, axis=0)": "L[t] = 0.5 * sum((h[t] - d[t])^2)",
    "h[t] = np.tanh(K.dot(x[t]) + F.dot(h[t-1]) + K.t() @ K.dot(A, b))": (
        "h[t] = tanh(K @ x[t] + F @ h[t-1] + K.T @ (A @ b))"
    ),
    "h[t] = np.maximum(0, A @ h[t-1])": "h[t] = max(0, A @ h[t-1])",
    "h[0] = np.zeros((n, 1))": "h[0] = 0",
    "s[t,:] = np.matmul(A, s[t-1,:]) + x[:, t] + y[..., t+1]": "s[t] = A @ s[t-1] + x[t] + y[t+1]",
    "h(:,t) = tanh(A*h(:,t-1) + 2*x(:,t) + b)": "h[t] = tanh(A · h[t-1] + (2 · x[t]) + b)",
    "h[t] = tanh.(A * h[t-1] .+ b) .* f[t] .^ 2": "h[t] = tanh(A · h[t-1] + b) * f[t]^2",
    "h[t] <- tanh(W %*% h[t-1])\ny[t] <- V %*% h[t]": "h[t] = tanh(W @ h[t-1])\ny[t] = V @ h[t]",
    "s[t] = (v[t] > 1).float() * a": "s[t] = step(v[t] - 1) * a",
    "s[t] = 2 * (v[t] <= th) + x[t]": "s[t] = 2 * (1 - step(v[t] - th)) + x[t]",
    "h[t] = tanh(W %*% h[t-1] + x[t])  % R": "h[t] = tanh(W @ h[t-1] + x[t])",
    "c[t] = f[t] .* c[t-1] + i[t] .* g[t]": "c[t] = f[t] * c[t-1] + i[t] * g[t]",
    "h[t] = 1./2 * h[t-1] + math.exp(-a) * x[t]": "h[t] = 1/2 * h[t-1] + exp(-a) * x[t]",
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_code_is_read_as_an_equation(line: str) -> None:
    assert show(parse(line)) == show(parse(LINES[line]))


def test_what_was_left_out_is_said_with_its_place() -> None:
    text = "p[t] = F.softmax(V @ h[t], dim=-1)\nh[t] = np.tanh(h[t-1])"
    first, second = parse(text).notes
    assert "line 1: F. was left out" in first and "line 1: dim=-1 was left out" in second
    assert second.pointed(text).splitlines()[-1].count("^") == len("dim=-1")


def test_a_star_of_matlab_and_julia_is_a_matrix_product_and_it_is_said() -> None:
    assert "matrix product" in "".join(parse("h(:,t) = A*h(:,t-1)").notes)
    assert not parse("c[t] = f[t] .* c[t-1]").notes


def test_places_still_point_into_the_text() -> None:
    with pytest.raises(bg.BPTTError) as error:
        bg.recurrence("h[t] = np.tanh(np.dot(A, h[t-1]) + ?)")
    line, caret = str(error.value).splitlines()[1:3]
    assert line[caret.index("^")] == "?"


def test_blocks_and_numbers_keep_their_dots() -> None:
    text = "encoder:\nh[t] = tanh(W h[t-1] + x[t])\ndecoder:\nh[t] = 0.5 * h[t-1]\ndecoder.h[0] = encoder.h[T]"
    assert bg.recurrence(text).notes == () and bg.recurrence(text).blocks == ("encoder", "decoder")


@pytest.mark.parametrize("part", ["np.dot(", "h.dot(", "A.T", "np.r_[", "[t,:]", ".*", "np.tanh(", ")", "(h.tanh()"])
def test_code_without_end_is_refused_soon(part: str) -> None:
    begin = time.process_time()
    with pytest.raises(bg.BPTTError):
        bg.recurrence("h[t] = " + part * (19_000 // len(part)))
    assert time.process_time() - begin < 5
