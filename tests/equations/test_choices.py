"""Cases, indicators and `np.where`: conditions on values, initial states, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg

NET = r"u_t = A x_t + B h_{t-1}, \quad "
CHOICES = {
    NET + r"h_t = \begin{cases} u_t & u_t > 0 \\ 0 & \text{otherwise} \end{cases}": lambda u, x: np.where(u > 0, u, 0),
    NET + r"h_t = \begin{cases} u_t, & \text{if } u_t \geq 0, \\ 0.1 u_t, & \text{if } u_t < 0. \end{cases}": (
        lambda u, x: np.where(u >= 0, u, 0.1 * u)
    ),
    NET + r"h_t = \left\{ \begin{array}{ll} u_t & \text{if } u_t < 0.3 \\ 2 & \text{else} \end{array} \right.": (
        lambda u, x: np.where(u < 0.3, u, 2 + 0 * u)
    ),
    NET + r"h_t = \begin{cases} 2 u_t & u_t > 0.5 \\ u_t & u_t > 0 \\ -u_t & \text{otherwise} \end{cases}": (
        lambda u, x: np.where(u > 0.5, 2 * u, np.where(u > 0, u, -u))
    ),
    NET + r"h_t = \begin{cases} 2 u_t & u_t > 0 \text{ and } u_t < 0.5 \\ u_t & \text{otherwise} \end{cases}": (
        lambda u, x: np.where((u > 0) & (u < 0.5), 2 * u, u)
    ),
    NET + r"h_t = \begin{cases} 2 u_t & (u_t < 0) \lor (u_t > 0.5) \\ u_t & \text{else} \end{cases}": (
        lambda u, x: np.where((u < 0) | (u > 0.5), 2 * u, u)
    ),
    NET
    + r"h_t = \begin{cases} \begin{cases} 2 u_t & u_t > 0.5 \\ u_t & \text{else} \end{cases} & u_t > 0 \\ "
    + r"-u_t & \text{otherwise} \end{cases}": lambda u, x: np.where(u > 0, np.where(u > 0.5, 2 * u, u), -u),
    NET
    + r"h_t = \begin{cases} 0.1 u_t & u_t > 0 \\ \begin{cases} -u_t & u_t > -0.5 \\ 3 u_t & \text{else} \end{cases} & "
    + r"\text{otherwise} \end{cases}": lambda u, x: np.where(u > 0, 0.1 * u, np.where(u > -0.5, -u, 3 * u)),
    NET + r"h_t = u_t \odot \mathbb{1}[u_t > 0.2] + 0.5 u_t": lambda u, x: u * (u > 0.2) + 0.5 * u,
    NET + r"h_t = u_t - u_t \odot \mathbf{1}_{\{u_t \leq 0\}}": lambda u, x: u * (u > 0),
    "u[t] = A @ x[t] + B @ h[t-1]\nh[t] = np.where(u[t] > 0.1, u[t], 0.2 * u[t])": (
        lambda u, x: np.where(u > 0.1, u, 0.2 * u)
    ),
}


@pytest.mark.parametrize("text", CHOICES)
def test_a_condition_on_values_chooses_entry_by_entry(text: str) -> None:
    rec = bg.recurrence(text)
    assert any("derivative is 0" in note for note in rec.notes)
    u = rec.unroll(3, sizes={"h": 3, "x": 2})
    data = u.instance(seed=7)
    up = data[next(k for k in data if k.startswith("dE_d"))]

    def loss(B):  # type: ignore[no-untyped-def]
        h, total = data["h[0]"], 0.0
        for x, weight in zip(data["x"], up):
            h = CHOICES[text](data["A"] @ x + B @ h, x)
            total = total + weight @ h
        return total

    true = np.zeros_like(data["B"])
    for index in np.ndindex(true.shape):
        step = np.zeros_like(true)
        step[index] = 1e-6
        true[index] = (loss(data["B"] + step) - loss(data["B"] - step)) / 2e-6
    run = u.run(data)
    np.testing.assert_allclose(run.loss, loss(data["B"]), rtol=1e-12)
    np.testing.assert_allclose(run.gradients["B"], true, rtol=1e-6, atol=1e-8)
    assert u.derive("B").check(data).right


INITIAL = {
    r"h_t = \begin{cases} 0 & t = 0 \\ \tanh(A h_{t-1} + B x_t) & \text{otherwise} \end{cases}": 0,
    r"h_t = \begin{cases} \tanh(A h_{t-1} + B x_t) & t > 0 \\ \mathbf{0} & t = 0 \end{cases}": 0,
    r"h_t = \begin{cases} \tanh(A h_{t-1} + B x_t), & \text{if } t \geq 1, \\ 1, & \text{if } t = 0. \end{cases}": 1,
}


@pytest.mark.parametrize("text", INITIAL)
def test_a_case_for_one_step_is_an_equation_of_its_own(text: str) -> None:
    plain = bg.recurrence(f"h[t] = tanh(A h[t-1] + B x[t])\nh[0] = {INITIAL[text]}")
    assert bg.recurrence(text).reading == plain.reading


REFUSED = {
    r"h_t = \begin{cases} \tanh(A h_{t-1}) & t \bmod 2 = 0 \\ h_{t-1} & \text{otherwise} \end{cases}": "bmod",
    r"h_t = \begin{cases} a h_{t-1} & t \text{ even} \\ b h_{t-1} & t \text{ odd} \end{cases}": "even",
    r"h_t = \mathbb{1}[t \bmod T_i = 0] \tanh(A h_{t-1} + B x_t)": "bmod",
    r"h_t = \begin{cases} a h_{t-1} & t < 5 \\ b h_{t-1} & t \geq 5 \end{cases}": "several recurrences",
    r"h_t = \begin{cases} a h_{t-1} & \text{if awake} \\ b h_{t-1} & \text{otherwise} \end{cases}": "condition",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_condition_on_the_number_of_the_step_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(bg.BPTTError, match=REFUSED[text]) as error:
        bg.recurrence(text)
    assert error.value.hint


def test_a_matrix_of_blocks_is_no_choice() -> None:
    blocks = r"\left( \begin{array}{cc} A & B \end{array} \begin{array}{c} h_{t-1} \\ x_t \end{array} \right)"
    assert bg.recurrence(rf"h_t = \tanh {blocks}").parameters == ("A", "B")


def test_many_cases_stay_linear() -> None:
    rows = r" \\ ".join(f"{i} & u_t > {i}" for i in range(15, 0, -1))
    rec = bg.recurrence(r"u_t = A u_{t-1}, \quad h_t = \begin{cases} " + rows + r" \\ 0 & \text{otherwise} \end{cases}")
    assert rec.outputs == ("h",)


def test_cases_in_cases_are_bounded() -> None:
    text = "u_t"
    for _ in range(200):
        text = rf"\begin{{cases}} {text} & u_t > 0 \\ 1 & \text{{else}} \end{{cases}}"
    with pytest.raises(bg.BPTTError, match="8 deep"):
        bg.recurrence("u_t = A u_{t-1}, h_t = " + text)


def test_equality_of_a_mask_is_refused_with_a_comparison_that_works() -> None:
    text = r"u_t = A u_{t-1} + x_t, h_t = \begin{cases} u_t & m_t = 1 \\ 0 & \text{else} \end{cases}"
    with pytest.raises(bg.BPTTError, match="cannot be read") as caught:
        bg.recurrence(text)
    assert "compare m_t > 0.5" in caught.value.hint
    assert "m" in bg.recurrence(text.replace("m_t = 1", "m_t > 0.5")).inputs
