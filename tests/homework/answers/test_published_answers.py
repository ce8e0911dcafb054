"""The gradients of the literature go in as they are printed, in our own typing of the formulas, and are judged rightly:
what is right there is right, what is a misprint is wrong in that place, what has another sign is another convention."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bpttgraph as bg

TEXT = (Path(__file__).parents[2] / "data" / "published.txt").read_text(encoding="utf-8")
FORMS = {
    name: tuple(re.sub(r"^#.*\n", "", part, flags=re.M).strip() for part in body.split("---"))
    for name, body in re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[|\Z)", TEXT, re.M | re.S)
}
LET = {"greff": {"g": "tanh", "h": "tanh"}, "jaeger": {"f": "tanh"}, "bianchi": {"f": "tanh"}}
DIAGONAL = r"\text{diag}\left(1 - (\boldsymbol{h}^{(t+1)})^2\right)"
NEXT = r"(\nabla_{\boldsymbol{h}^{(t+1)}} L)"
STEPS = r"\frac{\partial x_i}{\partial x_{i-1}}"


def verdict(source, *changes):
    recurrence, answer = FORMS[source]
    for old, new in changes:
        assert old in answer
        answer = answer.replace(old, new)
    return bg.verify(bg.recurrence(recurrence, let=LET.get(source)).unroll(4), answer)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("goodfellow", "b c U V W"),
        ("pascanu", "W_rec dx[t]/dx[k]"),
        ("chen", "W_hh W_hz W_xh b_z"),
        ("d2l", "W_hh W_hx W_qh"),
        ("powers", "W_hh"),
        ("greff", "R_f R_i R_o R_z W_f W_i W_o W_z b_f b_i b_o b_z p_i"),
        ("werbos", "V W"),
    ],
)
def test_what_is_right_in_print_is_right(source, names):
    found = verdict(source)
    assert found.right
    assert {*names.split()} <= {*found.parameters}


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        ("goodfellow", r"= \boldsymbol{W}^\top \text", r"= \boldsymbol{W} \text"),
        ("goodfellow", r"\boldsymbol{x}^{(t)\top}", r"\boldsymbol{x}^{(t+1)\top}"),
        ("goodfellow", r"\boldsymbol{h}^{(t-1)\top}", r"\boldsymbol{h}^{(t)\top}"),
        ("pascanu", r"1 \le k \le t", r"1 \le k < t"),
        ("chen", r"k=1}^{t+1}", r"k=2}^{t+1}"),
        ("d2l", r"\mathbf{h}_{t-1}^\top", r"\mathbf{h}_{t}^\top"),
        ("powers", "T-i}", "T-i+1}"),
        ("greff", r"\odot f^{t+1}", r"\odot f^t"),
        ("greff", r"p_i \odot \boldsymbol{\delta i}^{t+1}", r"p_i \odot \boldsymbol{\delta i}^t"),
        ("werbos", "V.T", "V"),
    ],
)
def test_a_slip_in_what_is_printed_is_not_right(source, old, new):
    try:
        assert not verdict(source, (old, new)).right
    except bg.BPTTError as error:
        assert "defined by itself" in str(error)  # a value that is carried to its own step


def test_a_vector_before_its_diagonal():
    """As (10.21) stands in the book's pages on the web."""
    found = verdict("goodfellow", (f"{DIAGONAL} {NEXT}", f"{NEXT} {DIAGONAL}"))
    assert found.right and "diag(…) times the vector" in " ".join(found.notes)


def test_a_misprinted_jacobian_is_wrong_and_the_sums_around_it_are_right():
    """Wᵀ diag(σ′(x[i-1])) is no Jacobian of x[i] by x[i-1]: it is W diag(σ′(x[i-1]))."""
    given = STEPS + r" = \prod_{t \ge i > k} W_{rec}^T diag(\sigma'(x_{i-1}))"
    assert verdict("pascanu", (STEPS, given)).wrong == ("dx[t]/dx[k]",)
    assert verdict("pascanu", (STEPS, given.replace("^T", ""))).right
    found = verdict("bianchi")
    assert found.wrong == ("dh[t]/dh[τ]",) and found.parameters["W_hh"].status == "right"


def test_the_error_with_the_other_sign_is_a_convention():
    found = verdict("jaeger")
    assert found.right and "opposite sign" in found.parameters["w"].convention


@pytest.mark.parametrize("side", [r"\mathbf{h}_t^\top", r"\frac{\partial \mathbf{o}_t}{\partial \mathbf{W}_{qh}}"])
def test_every_right_side_counts(side):
    """Of `∂L/∂W = prod(…) = ∑ …`, either being wrong is wrong."""
    assert verdict("d2l", (side, rf"{side} \cdot 2")).wrong == ("W_qh",)
