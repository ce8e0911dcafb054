"""What no shapes allow is refused when the text is read, and squares of vectors in losses are numbers."""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg

LATE = [
    ("h_t = W^2 h_{t-1} + x_t", "W^2 of a matrix has several readings"),
    ("h_t = W^{-1} h_{t-1} + x_t", "the inverse of a matrix is not known"),
    ("r_t = σ(A x_t + B h_{t-1})\nh_t = tanh(W x_t + U r_t h_{t-1})", "U r[t] h[t-1] has two readings"),
    ("P_t = F P_{t-1} F^T + Q\nK_t = P_t H^T (H P_t H^T + R)^{-1}", "(H P[t] H.T + R)^-1: the inverse"),
]


@pytest.mark.parametrize(("text", "message"), LATE)
def test_it_is_refused_before_it_is_unrolled(text: str, message: str) -> None:
    with pytest.raises(bg.BPTTError) as caught:
        bg.recurrence(text)
    assert message in str(caught.value)


MODEL = "h_t = \\tanh(W h_{t-1} + U x_t)\ny_t = V h_t\n"


@pytest.mark.parametrize(
    ("loss", "plain"),
    [
        ("E_t = (y_t - d_t)^2", "E_t = norm(y_t - d_t)^2"),
        ("E_t = ½ (y_t - d_t)^2", "E_t = 1/2 norm(y_t - d_t)^2"),
        ("E = \\frac12 \\sum_t (y_t - d_t)^2", "E = 1/2 \\sum_t norm(y_t - d_t)^2"),
    ],
)
def test_the_square_of_a_vector_in_a_loss_is_that_of_its_norm(loss: str, plain: str) -> None:
    rec, other = bg.recurrence(MODEL + loss), bg.recurrence(MODEL + plain)
    assert rec.reading == other.reading
    assert any("was read as the sum over the entries" in note for note in rec.notes)
    assert rec.unroll(3, sizes=1).derive("W") is not None  # of numbers it is the square itself


def test_the_square_of_a_number_stays() -> None:
    rec = bg.recurrence("s_t = dot(h_t, h_{t-1})\nh_t = \\tanh(W h_{t-1} + x_t)\nE_t = (s_t - 1)^2")
    assert "norm" not in rec.reading


def test_an_input_that_is_read_one_step_earlier_is_given() -> None:
    rec = bg.recurrence("x_k = A x_{k-1} + B u_{k-1}\ny_k = C x_k")
    assert rec.inputs == ("u",)
    assert rec.reading.splitlines()[0] == "x[t] = A @ x[t-1] + B @ u[t-1]"
    assert any("no line defines u[t]" in note for note in rec.notes)


def test_a_state_that_no_line_defines_is_a_slip() -> None:
    with pytest.raises(bg.BPTTError, match=r"did you mean h\[t-1\]"):
        bg.recurrence("h_t = tanh(W x_t + U s_{t-1})\ny_t = V h_t")


@pytest.mark.parametrize("width", ["Δt", "δt", "dt"])
def test_the_width_of_a_step_is_a_number(width: str) -> None:
    rec = bg.recurrence(f"h[t+1] = h[t] + {width} * (-h[t] + tanh(W h[t]))")
    assert f"{width}: parameter, number" in rec.reading


def test_what_given_sizes_mend_is_no_contradiction() -> None:
    """A state that the sizes make a matrix: by habit it is a vector, and then nothing fits."""
    rec = bg.recurrence(
        "z[t] = U [z[t-1]; a]; h[t] = sin(h[t-1] V + (A V - (D x[t]) - A)); E[t] = sum(h[t]) + sum(z[t])"
    )
    u = rec.unroll(2, sizes={"h": (3, 2), "V": (2, 2), "A": (3, 2), "D": (3, 2), "x": (2, 2), "z": 3, "a": 3})
    data = dict(u.instance(seed=1))
    h = data["h[0]"]
    h = np.sin(h @ data["V"] + data["A"] @ data["V"] - data["D"] @ data["x"][0] - data["A"])
    assert np.allclose(u.run(data).values["h[1]"], h, rtol=1e-13)


def test_squares_inside_a_function_of_vectors_are_those_of_entries() -> None:
    """`squared_error(u^2 + q, …)` reads vectors: only a loss that would be one itself is read as a number."""
    text = "h[t] = tanh(h[t-1] + R_0 @ u[t])\nE[t] = squared_error(u[t]^2 + q, M @ (R @ q))"
    rec = bg.recurrence(text)
    assert "norm" not in rec.reading
    u = rec.unroll(2, sizes={"h": 3, "u": 2, "q": 2, "R": (4, 2), "M": (2, 4), "R_0": (3, 2)})
    d = u.instance(seed=0)
    want = sum(0.5 * np.sum((x**2 + d["q"] - d["M"] @ d["R"] @ d["q"]) ** 2) for x in d["u"])
    np.testing.assert_allclose(u.run(d).loss, want, rtol=1e-12)


def test_a_square_in_a_function_of_a_loss_is_that_of_the_norm() -> None:
    rec = bg.recurrence("h[t] = tanh(W h[t-1] + x[t])\nE[t] = -log(1 + (y[t] - h[t])^2)")
    assert "-log(1 + norm(y[t] - h[t])^2)" in rec.reading


def test_only_a_matrix_that_stands_by_itself_may_want_an_inverse() -> None:
    rec = bg.recurrence("h[t] = tanh(W h[t-1] + x[t])\nE[t] = sum((1 + (W @ h[t])^2)^(-1))")
    u = rec.unroll(2)
    d = u.instance(seed=1)
    h, want = d["h[0]"], 0.0
    for x in d["x"]:
        h = np.tanh(d["W"] @ h + x)
        want += np.sum(1 / (1 + (d["W"] @ h) ** 2))
    np.testing.assert_allclose(u.run(d).loss, want, rtol=1e-12)
    with pytest.raises(bg.BPTTError, match="inverse"):
        bg.recurrence("h[t] = (1 - A)^{-1} B x[t] + h[t-1]")
