"""What is printed is what is checked: the text of every language, read back by `readers` and evaluated, is the gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from differential.readers import READERS, Item, evaluate, key
from test_derive_printers import ANY, VALUES, lifted

from bpttgraph.derive.expr import Expr
from bpttgraph.derive.latex import LatexPrinter
from bpttgraph.derive.mathml import MathMLPrinter
from bpttgraph.derive.printers import UnicodePrinter
from bpttgraph.derive.typst import TypstPrinter

PRINTERS: dict[str, Any] = {"latex": LatexPrinter, "mathml": MathMLPrinter, "typst": TypstPrinter, "unicode": UnicodePrinter}
FORMS = list(PRINTERS)


def column(value: Any) -> Any:
    """A number, or a matrix; a vector is one of one column."""
    value = np.asarray(value, float)
    return value[:, None] if value.ndim == 1 else value


def looked_up(values: dict[Item, Any]) -> Callable[[Item], Any]:
    def value(item: Item) -> Any:
        if item not in values:
            raise LookupError(f"{item} is printed, but nothing is called so")
        return values[item]

    return value


TREE = looked_up(
    {key(name): column(value) for name, value in VALUES.items()} | {("unit", "I"): np.eye(2), ("unit", "ones"): np.ones((2, 1))}
)


@pytest.mark.parametrize("form", FORMS)
@given(ANY)
@settings(max_examples=200, deadline=None)
def test_a_formula_reads_back_as_itself(form: str, e: Expr) -> None:
    for width in (None, 8):
        text = PRINTERS[form](width).show(e)
        found = evaluate(READERS[form](text), TREE)
        want = lifted(e)
        assert np.allclose(np.broadcast_to(found, want.shape), want, rtol=1e-9, atol=1e-9), text
