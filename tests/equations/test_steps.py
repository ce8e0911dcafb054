"""Steps that a text leaves to its reader: gates without one, primes, words, and programs."""

from __future__ import annotations

import time

import pytest

import bpttgraph as bg

CASES = {
    # a gate belongs to the step that it reads
    "g = σ(A x_t + B h_{t-1})\nh_t = g ⊙ h_{t-1} + (1 - g) ⊙ tanh(C x_t)": (
        "g[t] = σ(A x[t] + B h[t-1])\nh[t] = g[t] ⊙ h[t-1] + (1 - g[t]) ⊙ tanh(C x[t])"
    ),
    "h[t] = s * h[t-1]\ns = 1 - a\na = σ(W x[t])\nE = squared_error(h[t], d[t])": (
        "h[t] = s[t] * h[t-1]\ns[t] = 1 - a[t]\na[t] = σ(W x[t])\nE[t] = squared_error(h[t], d[t])"
    ),
    # a prime
    r"h' = \tanh(A h + B x)": "h[t] = tanh(A h[t-1] + B x[t])",
    "i = σ(A x + B h)\nn = tanh(C x + D h)\nh' = i * n + (1 - i) * h\ny = V h'": (
        "i[t] = σ(A x[t] + B h[t-1])\nn[t] = tanh(C x[t] + D h[t-1])\nh[t] = i[t] * n[t] + (1 - i[t]) * h[t-1]\n"
        "y[t] = V h[t]"
    ),
    "c' = f * c + tanh(A x)\nh' = o * tanh(c')\nf = σ(B h)\no = σ(C h)": (
        "c[t] = f[t] * c[t-1] + tanh(A x[t])\nh[t] = o[t] * tanh(c[t])\nf[t] = σ(B h[t-1])\no[t] = σ(C h[t-1])"
    ),
    "h = tanh(W h' + U x)": "h[t] = tanh(W h[t-1] + U x[t])",
    # words
    "next_h = tanh(Wx @ x + Wh @ prev_h + b)": "h[t] = tanh(Wx @ x[t] + Wh @ h[t-1] + b)",
    r"h_{\text{new}} = f(W h_{\text{old}} + U x)": "h[t] = f(W h[t-1] + U x[t])",
    "h_t = tanh(W @ x_t + U @ h_prev)": "h[t] = tanh(W @ x[t] + U @ h[t-1])",
    # programs: their order is their step
    "self.h = np.tanh(self.W.dot(self.h) + self.U.dot(x))\ny = self.V.dot(self.h)": (
        "h[t] = tanh(W @ h[t-1] + U @ x[t])\ny[t] = V @ h[t]"
    ),
    "y = self.V.dot(self.h)\nself.h = np.tanh(self.W.dot(self.h) + self.U.dot(x))": (
        "y[t] = V @ h[t-1]\nh[t] = tanh(W @ h[t-1] + U @ x[t])"
    ),
    "c = f * c + i\nf = σ(A @ h)\ni = σ(B @ x)\nh = np.tanh(c)": (
        "c[t] = f[t-1] * c[t-1] + i[t-1]\nf[t] = σ(A @ h[t-1])\ni[t] = σ(B @ x[t])\nh[t] = tanh(c[t])"
    ),
    "next_c = f * prev_c\nnext_h = np.tanh(next_c)\nf = σ(Wf @ x + Uf @ prev_h)": (
        "c[t] = f[t] * c[t-1]\nh[t] = tanh(c[t])\nf[t] = σ(Wf @ x[t] + Uf @ h[t-1])"
    ),
    # equations without an order: only what goes round is earlier
    "y = V h\nh = tanh(W h + U x)": "y[t] = V h[t]\nh[t] = tanh(W h[t-1] + U x[t])",
    "h = tanh(W h + U x)\nE = squared_error(V h, target)": (
        "h[t] = tanh(W h[t-1] + U x[t])\nE[t] = squared_error(V h[t], target[t])"
    ),
}


@pytest.mark.parametrize("text", CASES)
def test_the_steps_that_are_meant_are_supplied_and_said(text: str) -> None:
    ours, plain = bg.recurrence(text), bg.recurrence(CASES[text])
    assert ours.reading == plain.reading
    assert ours.notes and (ours.states, set(ours.inputs)) == (plain.states, set(plain.inputs))
    assert not plain.notes


SAID = {
    "h[t] = g * h[t-1]\ng = σ(W x[t])": "line 2: g has no step on its left and was read as g[t]",
    "h' = tanh(A h)": "line 1: h' was read as h[t]",
    "h = a * h + x": "the step before: h[t-1]",
}


@pytest.mark.parametrize("text", SAID)
def test_each_step_supplied_is_said(text: str) -> None:
    assert any(SAID[text] in note for note in bg.recurrence(text).notes)


@pytest.mark.parametrize(
    "text",
    [
        "h[t] = tanh(W h[t-1] + U x[t])\nE = sum_t squared_error(h[t], d[t])",
        "h[t] = g * h[t-1] + x[t]\ng = sigmoid(a)",
        "W = exp(a) U\nh[t] = tanh(W h[t-1])",
        "h[t] = a_old * h[t-1] + C' x[t]",
    ],
)
def test_what_belongs_to_no_step_stays(text: str) -> None:
    assert not bg.recurrence(text).notes


@pytest.mark.parametrize(
    "left",
    [r"\dot h", r"\tau \dot{h}", r"\frac{dh}{dt}", r"\tau \frac{d h}{d t}", r"\frac{d}{dt} h", "dh/dt", "τ dh/dt", "ḣ"],
)
def test_a_differential_equation_is_refused_with_its_euler_step(left: str) -> None:
    with pytest.raises(bg.BPTTError, match="differential equation") as error:
        bg.recurrence(f"{left} = -h + tanh(W h + U x)")
    step = "Δt/τ" if "τ" in left or "tau" in left else "Δt"
    assert error.value.hint == (f"write the Euler step of it, h[t+1] = h[t] + {step} * (-h[t] + tanh(W h[t] + U x[t]))")
    followed = bg.recurrence(error.value.hint.split("of it, ")[1])
    assert followed.states == ("h",) and {"W", "U"} <= set(followed.parameters)


def test_the_euler_steps_of_several_equations_stand_together() -> None:
    with pytest.raises(bg.BPTTError) as error:
        bg.recurrence(r"\tau \dot h = -h + W r \\ r = \tanh(h) \\ \dot a = -a + h")
    assert error.value.hint.endswith("h[t+1] = h[t] + Δt/τ * (-h[t] + W r[t]) and a[t+1] = a[t] + Δt * (-a[t] + h[t])")


def test_where_a_right_side_is_not_read_its_euler_step_is_an_example() -> None:
    with pytest.raises(bg.BPTTError) as error:
        bg.recurrence(r"\dot y = -y + \sum_j w_j \sigma(y_j)")
    assert "such as" in error.value.hint


def test_the_euler_step_of_single_units_is_one_of_single_units() -> None:
    with pytest.raises(bg.BPTTError) as error:
        bg.recurrence(r"\dot y_i = -y_i + \sum_j w_{ij} \sigma(y_j)")
    followed = bg.recurrence(error.value.hint.split("of it, ")[1])
    assert followed.reading.startswith("y[t+1] = y[t] + Δt * (-y[t] + w @ sigmoid(y[t]))")


def test_a_dot_on_a_candidate_is_an_accent() -> None:
    assert bg.recurrence(r"\dot c_t = \tanh(W h_{t-1}), h_t = \dot c_t").states == ("h",)


def test_a_running_sum_and_a_static_map_are_refused() -> None:
    with pytest.raises(bg.BPTTError, match="no step t"):
        bg.recurrence("h[t] = w h[t-1]\nE = E + h[t]")
    with pytest.raises(bg.BPTTError, match="nothing to unroll"):
        bg.recurrence("y = A x + b").unroll(3)


@pytest.mark.parametrize("count", [500, 1400])
def test_long_chains_of_gates_take_little_time(count: int) -> None:
    lines = [f"a{i} = a{i + 1}" for i in range(count)][:1400]
    begin = time.process_time()
    from bpttgraph.equations.language import parse
    from bpttgraph.equations.meaning import understand

    program = understand(parse("\n".join([*lines, f"a{len(lines)} = x[t]"])))
    assert len(program.equations) > 400 and time.process_time() - begin < 5


def test_a_first_state_that_nothing_reads_is_moved_and_it_is_said() -> None:
    rec = bg.recurrence("x_{k+1} = A x_k + B u_k, \\quad y_k = C x_k, \\quad x_0 = 0")
    assert rec.reading == bg.recurrence("x[t+1] = A x[t] + B u[t]\ny[t] = C x[t]\nx[1] = 0").reading
    assert sum("x[0] was read as x[1]" in note for note in rec.notes) == 1
    assert "x[1]" not in rec.unroll(3).instance()
    both = "x[t+1] = A x[t] + B x[t-1] + u[t]\nx[0] = 0\nx[1] = 0"
    assert not any("was read as" in note for note in bg.recurrence(both).notes)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("h^{t} = \\tanh(W h^{t-1} + x^t)\nh^{0} = 0", "h[t] = tanh(W @ h[t-1] + x[t])\nh[0] = 0"),
        ("h_k = \\tanh(W h_{k-1} + x_k), \\quad k = 1, 2, \\dots, T", "h[t] = tanh(W @ h[t-1] + x[t])"),
        ("h_t = x_t W + h_{t-1} U\ny_t = w_o (h_t)^\\top", "h[t] = x[t] W + h[t-1] U\ny[t] = w_o h[t]^T"),
        (
            "\\begin{cases} h_t = W h_{t-1} + x_t \\\\ y_t = V h_t \\quad \\text{for } t = 1, \\dots, T \\end{cases}",
            "h[t] = W h[t-1] + x[t]\ny[t] = V h[t]",
        ),
    ],
)
def test_numbers_of_steps(text: str, plain: str) -> None:
    assert bg.recurrence(text).reading == bg.recurrence(plain).reading


def test_what_stands_beside_its_estimate_is_an_input() -> None:
    rec = bg.recurrence("h = np.tanh(A @ h + B @ x)\ny_hat = C @ h\nE = np.sum((y_hat - y)**2)")
    assert rec.inputs == ("x", "y")
