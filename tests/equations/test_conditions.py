"""Conditions outside cases: the refusal, and the reading of the equation that its hint gives."""

import re

import pytest

import bpttgraph as bg
from bpttgraph import BPTTError

RNN = r"\tanh(W h_{t-1} + U x_t)"
READ = "tanh(W @ h[t-1] + U @ x[t])"
KEPT = f"h[t] = m[t] * {READ} + (1 - m[t]) * h[t-1]"
CONDITIONS = {
    rf"h_t = {RNN} \quad \text{{if }} m_t = 1": KEPT,
    rf"h_t = {RNN}, if m_t = 1": KEPT,
    rf"h_t = {RNN} \text{{ if }} x_t > 0": KEPT,
    "h_t = tanh(W h_{t-1} + U x_t) when x_t > 0": KEPT,
    rf"h_t = {RNN} for even t": KEPT,
    rf"h_t = {RNN} \text{{ if t is even}}": KEPT,
    "h_t = tanh(W h_{t-1} + U x_t) if x_t > 0\nh_t = h_{t-1} otherwise": KEPT,
    rf"h_t = {RNN} \text{{ if }} x_t > 0, \quad h_t = h_{{t-1}} \text{{ otherwise}}": KEPT,
    "if x_t > 0:\n    h_t = tanh(W h_{t-1} + U x_t)\nelse:\n    h_t = h_{t-1}": KEPT,
    "if (x_t > 0):\n    h_t = tanh(W h_{t-1} + U x_t)": KEPT,
    "h[t] = tanh(W h[t-1] + U x[t]) if m[t] > 0": KEPT.replace("m[t]", "mask[t]"),
    "h[t] = h[t-1] if m[t] else x[t]": "h[t] = m[t] * h[t-1] + (1 - m[t]) * x[t]",
    rf"h_t = {RNN}, if m_t = 0": f"h[t] = m[t] * h[t-1] + (1 - m[t]) * {READ}",
    rf"h_t = {RNN} unless m_t = 1": f"h[t] = m[t] * h[t-1] + (1 - m[t]) * {READ}",
    f"h_t = {RNN}\nif x_t > 0: h_t = 0": f"h[t] = m[t] * 0 + (1 - m[t]) * {READ}",
}


@pytest.mark.parametrize("text", CONDITIONS)
def test_a_condition_outside_cases_is_refused_with_its_mask(text: str) -> None:
    with pytest.raises(BPTTError, match=r"is a condition: h\[t\] is then given only for some steps") as caught:
        bg.recurrence(text)
    equation = re.split(r", with |; ", str(caught.value).partition("as an input: ")[2])[0]
    assert bg.recurrence(equation).reading.splitlines()[0] == CONDITIONS[text]


@pytest.mark.parametrize(
    "text",
    [
        f"h_t = {RNN} where h_0 = 0",
        f"h_t = {RNN}, when h_0 = 0",
        f"h_t = {RNN}, if t > 0",
        f"h_t = {RNN} when t ≥ 1",
        f"The state, if there is an input, is\nh_t = {RNN}",
        f"If the input is x_t, then h_t = {RNN}",
        f"h_t = {RNN}\nwhere W is a matrix, even if it is small",
    ],
)
def test_words_that_are_no_condition_stay_around_the_equations(text: str) -> None:
    assert f"h[t] = {READ}" in bg.recurrence(text).reading
