"""Functions of NumPy on Tensors that stand in no other test; and that every one stands in some."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.core.primitives import TABLE
from bpttgraph.eager.dispatch import FUNCTIONS

TESTS = Path(__file__).parents[1]
EXAMPLES: dict[str, Callable[[Any], Any]] = {
    "amax": lambda x: np.amax(x, axis=1),
    "amin": lambda x: np.amin(x, axis=(0, 2)),
    "array_split": lambda x: np.array_split(x, 3, axis=2)[0] ** 2,
    "average": lambda x: np.average(x * x, axis=1),
    "column_stack": lambda x: np.column_stack([x[0, 0], x[1, 1] ** 2]),
    "deg2rad": lambda x: np.sin(np.deg2rad(x)),
    "degrees": lambda x: np.degrees(x) * x,
    "diagonal": lambda x: np.diagonal(x[0, :3, :3]) ** 2,
    "empty_like": lambda x: np.empty_like(x).shape[0] * x,
    "expand_dims": lambda x: np.expand_dims(x, 1) * x[:, None],
    "fabs": lambda x: np.fabs(x) * x,
    "flip": lambda x: np.flip(x, axis=1) * x,
    "fliplr": lambda x: np.fliplr(x) * x,
    "flipud": lambda x: np.flipud(x) * x,
    "float_power": lambda x: np.float_power(x, 2) * x,
    "fmax": lambda x: np.fmax(x, 0.1 * x * x),
    "fmin": lambda x: np.fmin(x, 0.1 * x * x),
    "heaviside": lambda x: np.heaviside(x, 0.5) * x,
    "hsplit": lambda x: np.hsplit(x, 3)[1] ** 2,
    "identity": lambda x: x[0, :3, :3] @ np.identity(3) @ x[1, :3, :3],
    "inner": lambda x: np.inner(x[0], x[1]),
    "positive": lambda x: np.positive(x) * x,
    "power": lambda x: np.power(x, 3),
    "rad2deg": lambda x: np.rad2deg(x) * x,
    "radians": lambda x: np.cos(np.radians(x)),
    "rot90": lambda x: np.rot90(x, axes=(1, 2)) ** 2,
    "tril": lambda x: np.tril(x[1]) ** 2,
    "vdot": lambda x: np.vdot(x[0], x[1]),
    "vsplit": lambda x: np.vsplit(x, 2)[1] * np.vsplit(x, 2)[0],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_values_are_those_of_numpy_and_the_gradient_is_right(name: str) -> None:
    f, x = EXAMPLES[name], np.random.default_rng(7).normal(size=(2, 3, 4))
    np.testing.assert_allclose(f(bg.tensor(x)).data, f(x), rtol=1e-13)
    report = bg.check_grads(f, (x,))
    assert report.right, str(report)


def test_every_function_is_tried() -> None:
    rules = {op.ufunc for op in TABLE.values() if op.ufunc is not None}  # these are tried with the table
    text = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py"))
    named = set(re.findall(r"\bnp\.(?:\w+\.)*(\w+)", text))
    untried = sorted(f.__name__ for f in FUNCTIONS if f not in rules and f.__name__ not in named)
    assert not untried, f"write an example into EXAMPLES: {untried}"
