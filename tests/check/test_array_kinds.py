"""Arrays that are more than their numbers, at every door where numbers come in: refused in one sentence, for what they
say would be lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg

U = bg.cell("rnn").unroll(3)
DATA = U.instance()
RIGHT = dict(U.run(DATA).gradients)
T = bg.tensor(np.ones((2, 2)))
SQUARE = np.ones((2, 2))


class Metres(np.ndarray[Any, Any]):
    """Numbers with a unit."""


class Sparse:
    """What a sparse matrix looks like from outside."""

    nnz = 1

    def toarray(self) -> Any:
        return np.ones((2, 2))


KINDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "masked": (lambda a: np.ma.masked_array(a, True), "filled"),
    "nothing masked": (np.ma.masked_array, "filled"),
    "a unit": (lambda a: np.asarray(a).view(Metres), "np.asarray"),
    "in a list": (lambda a: [np.ma.masked_array(row, True) for row in a], "filled"),
}
DOORS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "run": lambda odd: U.run({**DATA, "x": odd(DATA["x"])}),
    "target": lambda odd: U.run({**DATA, "target": odd(np.eye(5)[DATA["target"]])}),
    "check": lambda odd: U.derive("W_hh").check({**DATA, "x": odd(DATA["x"])}),
    "verify, data": lambda odd: bg.verify(U, {"W_hh": RIGHT["W_hh"]}, {**DATA, "x": odd(DATA["x"])}),
    "verify, answer": lambda odd: bg.verify(U, {"W_hh": odd(RIGHT["W_hh"])}, DATA),
    "verify, function": lambda odd: bg.verify(U, lambda data: {"W_hh": odd(RIGHT["W_hh"])}, DATA),
    "tensor": lambda odd: bg.tensor(odd(SQUARE)),
    "an operator": lambda odd: T * odd(SQUARE),
    "a ufunc": lambda odd: np.add(T, odd(SQUARE)),
    "a function": lambda odd: np.dot(T, odd(SQUARE)),
    "a condition": lambda odd: np.where(odd(SQUARE), T, 0.0),
    "grad": lambda odd: bg.gradcheck(lambda a: a * a, (odd(SQUARE),)),
    "jvp": lambda odd: bg.jvp(lambda a: a * a, (SQUARE,), (odd(SQUARE),)),
    "backward": lambda odd: (T * 2).backward(odd(SQUARE)),
}


@pytest.mark.parametrize("door", DOORS)
def test_what_is_more_than_its_numbers_is_refused(door: str) -> None:
    for kind, (odd, fix) in KINDS.items():
        with pytest.raises(bg.BPTTError, match=f"would be lost\n.*{fix}"):
            print(kind, DOORS[door](odd))


@pytest.mark.parametrize("door", [d for d in DOORS if d not in ("run", "target", "check", "verify, data")])
def test_matrices_are_refused(door: str) -> None:
    """`*` of a np.matrix is another product than `*` of a Tensor; a sparse one is no array at all."""
    with pytest.raises(bg.BPTTError, match=r"is a matrix: .*\n.*np\.asarray"):
        DOORS[door](lambda a: np.asarray(a).view(np.matrix))
    with pytest.raises(bg.BPTTError, match=r"is a Sparse: .*\n.*toarray|cannot be|not supported|no numbers"):
        DOORS[door](lambda a: Sparse())


def test_what_cannot_be_made_an_array_is_refused() -> None:
    class Torn:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("not now")

    with pytest.raises(bg.BPTTError, match="x is not an array of numbers"):
        U.run({**DATA, "x": Torn()})


def test_plain_arrays_of_all_kinds_come_in(tmp_path: Any) -> None:
    """Lists, tuples, read-only arrays, views, and arrays that lie in a file."""
    loss = U.run(DATA).loss
    kept = np.memmap(tmp_path / "x", np.float64, "w+", shape=DATA["x"].shape)
    kept[:] = DATA["x"]
    for x in (DATA["x"].tolist(), tuple(map(tuple, DATA["x"])), np.asfortranarray(DATA["x"]), kept, DATA["x"][::1]):
        assert U.run({**DATA, "x": x}).loss == loss
