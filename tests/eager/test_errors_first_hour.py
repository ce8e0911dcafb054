"""What a beginner meets in the first hour: every message names the operation, the shapes or values, and one fix."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg

W = bg.tensor(np.ones((3, 2)), name="W")
x = bg.tensor(np.ones(3), name="x")


def fill(x: Any) -> Any:
    h = np.zeros((4, 3))
    h[0] = x
    return h.sum()


def fill_scalar(x: Any) -> Any:
    h = np.zeros(4)
    h[1] = x[0]
    return h.sum()


MESSAGES: list[tuple[str, Callable[[], Any], list[str]]] = [
    ("adding shapes that do not fit", lambda: W + np.ones(3), ["add", "(3, 2)", "(3,)", "b[:, None]"]),
    ("adding a transpose", lambda: W * np.ones((2, 3)), ["mul", "(3, 2)", "(2, 3)", "x.T"]),
    ("matrix product, wrong order", lambda: W @ x, ["matrix product", "W (3, 2)", "x (3,)", "x.T @ y"]),
    ("matrix product with a scalar", lambda: W @ 2.0, ["@", "(3, 2)", "()", "a * b"]),
    ("backward from an array", lambda: (x * 2).backward(), ["backward", "(3,)", "sum()"]),
    ("backward with a wrong cotangent", lambda: (x * 2).backward(np.ones(2)), ["cotangent", "(2,)", "(3,)"]),
    ("grad of an array", lambda: bg.grad(lambda x: x * 2)(np.ones(3)), ["grad", "(3,)", "bg.jacobian"]),
    ("grad of a value", lambda: bg.grad(x.sum()), ["not a function", "bg.grad(f)(x)"]),
    ("a missing return", lambda: bg.grad(lambda x: None)(1.0), ["None", "return"]),
    ("text in the parameters", lambda: bg.grad(lambda p: p["w"])({"w": 1.0, "kind": "lstm"}), ["str", "argnums"]),
    ("math.tanh", lambda: math.tanh(bg.tensor(0.5) * 2), ["np.tanh", "math", ".item()"]),
    (
        "a Tensor assigned into a plain array",
        lambda: bg.grad(fill)(np.ones(3)),
        ["plain array h", "h[0] = x", "np.zeros((4, 3), like=x)"],
    ),
    (
        "a scalar Tensor assigned into a plain array",
        lambda: bg.grad(fill_scalar)(np.ones(3)),
        ["plain array h", "np.zeros((4,), like=x)"],
    ),
    ("np.array of Tensors", lambda: np.asarray(x * 1), ["(3,)", "x.data", "np.stack"]),
    (
        "a NumPy function without a rule",
        lambda: np.linalg.det(W[:2]),
        ["np.linalg.det", "no derivative rule", "bg.primitive"],
    ),
    ("an out= argument", lambda: np.tanh(x, out=np.zeros(3)), ["np.tanh", "out=", "y = np.tanh"]),
    ("an unknown method", lambda: x.sums(), ["sums", "did you mean sum"]),
    ("an index out of range", lambda: x[5], ["index", "(3,)", "5"]),
    ("a float as an index", lambda: x[1.0], ["index", "1.0", "int(i)"]),
    ("a reshape that does not fill", lambda: W.reshape(4, 2), ["reshape", "(3, 2)", "6 entries", "-1"]),
    (
        "concatenate along a missing axis",
        lambda: np.concatenate([x, x], axis=1),
        ["concatenate", "axis 1", "(3,)", "np.stack"],
    ),
    ("stacking different shapes", lambda: np.stack([x, W]), ["stack", "(3,)", "(3, 2)", "np.concatenate"]),
    ("sum along a missing axis", lambda: x.sum(axis=1), ["axis 1", "(3,)"]),
    ("if on an array", lambda: bool(x), ["(3,)", "np.where"]),
    ("item of an array", lambda: x.item(), ["item()", "(3,)", "x.data"]),
    ("arithmetic with None", lambda: x + None, ["None", "arithmetic"]),
    ("a ragged list", lambda: bg.tensor([[1.0], [1.0, 2.0]]), ["rows of equal length"]),
    ("text as data", lambda: bg.tensor("abc"), ["numbers", "str"]),
    (
        "a missing argument",
        lambda: bg.grad(lambda a, b: a * b, argnums=2)(1.0, 2.0),
        ["argument number 2", "2 positional"],
    ),
    ("gradients of a plain number", lambda: bg.gradients(3.0, x), ["Tensor", "float", "bg.tensor"]),
    ("a change of the wrong shape", lambda: bg.jvp(lambda x: x * 2, np.ones(3), np.ones(2)), ["(2,)", "(3,)"]),
    (
        "an assigned value that does not fit",
        lambda: (x * 1).__setitem__(slice(0, 2), np.ones(3)),
        ["assigning", "(3,)", "0:2"],
    ),
    ("einsum with too few letters", lambda: np.einsum("ij,j->i", W, W), ["einsum", "'j'", "(3, 2)"]),
    ("a Tensor as a count", lambda: range(bg.tensor(3.0)), ["int(x.item())"]),  # type: ignore[call-overload]
]


@pytest.mark.parametrize(("call", "parts"), [m[1:] for m in MESSAGES], ids=[m[0] for m in MESSAGES])
def test_message(call: Callable[[], Any], parts: list[str]) -> None:
    with pytest.raises((bg.BPTTError, AttributeError)) as caught:
        call()
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    assert "hint:" in message


def test_there_are_twenty() -> None:
    assert len(MESSAGES) >= 20
