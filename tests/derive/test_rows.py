"""Vectors as rows: every formula that goes out is the transpose of the one that was checked, and says what d2l says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from differential.generate import random_recurrence
from differential.own import bound

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.derive.evaluate import matrix_value
from bpttgraph.formulas.expr import Expr, Partial, Symbol
from bpttgraph.formulas.in_rows import in_rows
from bpttgraph.formulas.steps import symbols_of

ROWS = r"""h_t = \tanh(x_t W_{xh} + h_{t-1} W_{hh} + b_h)
y_t = h_t W_{hy} + b_y
E_t = squared_error(y_t, d_t)"""
SIZES = {"x": 2, "h": 3, "y": 4}


def numbers_for(exprs: list[Expr], rng: np.random.Generator) -> dict[str, Any]:
    """Any numbers will do: the two forms are one formula, whatever its symbols are."""
    found = {s.name: s.dims for e in exprs for s in symbols_of(e)}
    return {name: rng.uniform(0.2, 1.5, dims) for name, dims in sorted(found.items())}


def statements(u: Any) -> Iterator[tuple[Expr, tuple[Expr, ...], tuple[int, ...] | None]]:
    for name in u.parameters:
        d = u.derive(name)
        for s in d.adjoints.statements:
            yield s.left, s.terms, u.vgraph.variables[name].shape if isinstance(s.left, Partial) else None
        if d.count <= 40:
            yield d.left_side, tuple(t.expr("local") for t in d.terms), u.vgraph.variables[name].shape


def compared(u: Any, seed: int) -> int:
    """The number of statements about vectors, each of which must be turned as a whole."""
    turned, rng = 0, np.random.default_rng(seed)
    for left, terms, dims in statements(u):
        if any(isinstance(part, Partial) for t in terms for part in parts(t)):
            continue  # a symbol for what has no closed formula
        row_left, rows = in_rows(left, terms, dims)
        values = numbers_for(list(terms), rng)
        about = left.dims if isinstance(left, Symbol) else dims or ()
        for column, row in zip(terms, rows, strict=True):
            want, got = matrix_value(column, values), matrix_value(row, values)
            if len(about) == 1 and column.shape:
                want, turned = np.swapaxes(want, -1, -2), turned + 1
                assert row.shape == (1, about[0]) and row_left.shape[:1] in ((), (1,))
            np.testing.assert_allclose(np.broadcast_to(got, want.shape), want, rtol=1e-12, atol=1e-12)
        if any(s.dims[:1] > (1,) and len(s.dims) == 1 for t in terms for s in symbols_of(t)):
            assert in_rows(row_left, rows, dims) == (row_left, rows)  # once is enough
    return turned


def parts(e: Any) -> Iterator[Any]:
    yield e
    for value in getattr(e, "__dataclass_fields__", {}):
        inner = getattr(e, value)
        for x in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(x, Expr):
                yield from parts(x)


@pytest.mark.parametrize("name", [n for n in bg.cells() if not bg.cell(n).abstract])
def test_the_cells_formulas_are_turned_as_a_whole(name: str) -> None:
    assert compared(bg.cell(name).unroll(2), 1) > 0


@pytest.mark.parametrize("seed", range(40))
def test_random_formulas_are_turned_as_a_whole(seed: int) -> None:
    subject = random_recurrence(seed)
    rec = bg.recurrence(subject.text, let=bound(subject))
    if not rec.parameters:
        pytest.skip("nothing to derive by")
    try:
        u = rec.unroll(3, sizes=subject.sizes)
    except bg.BPTTError:
        pytest.skip("refused")
    compared(u, seed)


def test_rows_read_as_a_lecture_writes_them() -> None:
    rec = bg.recurrence(ROWS)
    assert rec.rows and "row vectors, x W, one example" in rec.unroll(2, sizes=SIZES).conventions
    assert [str(r) for r in rec.derive("W_hh", sizes=SIZES).recursions] == [
        "δ_h[T+1] = 0",
        "ȳₜ = yₜ − dₜ    for t = T, …, 1",
        "h̄ₜ = ȳₜ W_hyᵀ\n   + δ_h[t+1] W_hhᵀ    for t = T, …, 1",
        "δ_h[t] = (1 − hₜ²) ∘ h̄ₜ    for t = T, …, 1",
        "∂E/∂W_hh = ∑[t=1..T] hₜ₋₁ᵀ δ_h[t]",
    ]
    d = rec.unroll(2, sizes=SIZES).derive("W_xh")
    assert d.unicode("local").splitlines()[0] == "x₁ᵀ (y₁ − d₁) W_hyᵀ diag(1 − h₁²)"
    assert d.unicode("matrix") == "x₁ᵀ δ_h[1]\n+ x₂ᵀ δ_h[2]"
    assert d.check().right


def test_columns_stay_columns() -> None:
    columns = bg.recurrence("h[t] = tanh(W h[t-1] + U x[t])")
    assert not columns.rows and str(columns.derive("W").recursions[-1]).endswith("δ_h[t] hₜ₋₁ᵀ")


def test_the_square_of_a_norm_has_a_derivative_everywhere() -> None:
    rec = bg.recurrence("h[t] = tanh(W h[t-1] + U x[t])\nE[t] = 1/2 * norm(h[t] - d[t])^2")
    assert str(rec.derive("W").recursions[1]).startswith("h̄ₜ = (hₜ − dₜ)\n   + Wᵀ δ_h[t+1]")
    u = rec.unroll(2)
    data = dict(u.instance(0))
    data["d"] = np.stack([u.run(data).values[f"h[{t}]"] for t in (1, 2)])  # nothing is wrong, so nothing is to be moved
    run = u.run(data)
    assert run.loss == 0 and all(np.array_equal(g, 0 * g) for g in run.gradients.values())


def test_a_document_of_rows_speaks_of_rows_alone(tmp_path: Path) -> None:
    (tmp_path / "d2l.txt").write_text(ROWS.replace("squared_error(y_t, d_t)", "cross_entropy(softmax(y_t), d_t)"))
    words = [
        "derive",
        str(tmp_path / "d2l.txt"),
        "--wrt",
        "W_hh",
        "--format",
        "md",
        "-o",
        str(tmp_path),
        "--detail",
        "full",
    ]
    assert CliRunner().invoke(main, words).exit_code == 0
    text = (tmp_path / "derivation.md").read_text(encoding="utf-8")
    assert "column vectors" not in text and "column of" not in text and "as a column" not in text
    # y yᵀ of a row is a number: the Jacobian of the softmax is diag(y) − yᵀ y
    assert not re.search(r"([a-z])_\{t\} *\\, *\1_\{t\}\^\{\\top\}", text), text
