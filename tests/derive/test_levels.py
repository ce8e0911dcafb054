"""Levels matrix, elements and numbers: every statement evaluates to the gradient, and reads as a textbook writes it."""

from typing import Any

import numpy as np
import pytest
import sympy
from truth import CELLS, bound, complex_step

import bpttgraph as bg
from bpttgraph.derive.adjoints import Adjoints
from bpttgraph.derive.levels import matrix_gradient


def all_adjoints(u: bg.Unrolled, names: list[str]) -> Adjoints:
    return Adjoints(u.derive(next(iter(u.parameters))).local_factors, names)


def agree(got: Any, want: Any) -> bool:
    return np.shape(got) == np.shape(want) and bool(np.allclose(got, want, rtol=1e-9, atol=1e-11))


def check(name: str, steps: int, loss: str, batch: int | None, **options: Any) -> None:
    u = bound(name).unroll(steps, loss=loss, **options)
    data = u.instance(seed=2, batch=batch)
    run = u.run(data)
    got = matrix_gradient(all_adjoints(u, list(run.gradients)), run)
    for w, g in run.gradients.items():
        assert agree(got[w], g), w
        if not options and steps <= 2:
            assert np.allclose(g, complex_step(u, data, w), atol=1e-11), w


@pytest.mark.parametrize("name", CELLS)
def test_matrix_statements_are_the_gradient(name: str):
    check(name, 2, "every", None)
    check(name, 3, "last", 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_matrix_statements_everywhere(name: str, steps: int):
    for loss in ("every", "last"):
        for batch in (None, 3):
            check(name, steps, loss, batch)
            check(name, steps, loss, batch, reduce="mean")
    for truncate in ("sliding:2", "chunk:2", "one-step"):
        check(name, steps, "every", None, truncate=truncate)


def lines(u: bg.Unrolled, *wrt: str) -> list[str]:
    return [str(s) for s in all_adjoints(u, list(wrt)).statements]


def test_rnn_as_goodfellow_prints_it():
    u = bg.cell("rnn").unroll(2)
    assert lines(u, "W_hh", "b_y") == [
        "δ_y[2] = y₂ − target₂",
        "δ_y[1] = y₁ − target₁",
        "h̄₂ = W_hyᵀ δ_y[2]",
        "δ_h[2] = (1 − h₂²) ∘ h̄₂",
        "h̄₁ = W_hyᵀ δ_y[1]\n   + W_hhᵀ δ_h[2]",
        "δ_h[1] = (1 − h₁²) ∘ h̄₁",
        "∂E/∂W_hh = δ_h[1] h₀ᵀ\n         + δ_h[2] h₁ᵀ",
        "∂E/∂b_y = δ_y[1]\n        + δ_y[2]",
    ]
    d = u.derive("W_hh")
    assert d.statement("matrix", form="unicode").splitlines()[0] == "∂E/∂W_hh = δ_h[1] h₀ᵀ"
    assert "distribution" in d.assumptions[0]
    assert d.terms[1].unicode("matrix") == "((1 − h₁²) ∘ (W_hhᵀ ((1 − h₂²) ∘ (W_hyᵀ (y₂ − target₂))))) h₀ᵀ"
    assert d.factored_at("matrix")[-1].terms == d.exprs("matrix")


def test_peephole_lstm_as_greff_prints_it():
    got = lines(bg.cell("lstm-peephole").unroll(2), "U_f", "p_o", "p_i", "c[0]")
    for want in [
        "δ_o[2] = o₂ ∘ (1 − o₂) ∘ tanh(c₂) ∘ h̄₂",
        "c̄₁ = p_o ∘ δ_o[1]\n   + o₁ ∘ (1 − tanh(c₁)²) ∘ h̄₁\n   + p_i ∘ δ_i[2]\n   + p_f ∘ δ_f[2]\n   + f₂ ∘ c̄₂",
        "δ_f[2] = f₂ ∘ (1 − f₂) ∘ c₁ ∘ c̄₂",
        "∂E/∂p_o = c₁ ∘ δ_o[1]\n        + c₂ ∘ δ_o[2]",
        "∂E/∂p_i = c₀ ∘ δ_i[1]\n        + c₁ ∘ δ_i[2]",
        "∂E/∂c₀ = p_i ∘ δ_i[1]\n       + p_f ∘ δ_f[1]\n       + f₁ ∘ c̄₁",
    ]:
        assert want in got


def test_both_resets_of_the_gru():
    before, after = (lines(bg.cell(n).unroll(1), "U", "h[0]") for n in ("gru", "gru-reset-after"))
    assert "∂E/∂U = δ_n[1] (r₁ ∘ h₀)ᵀ" in before and "δ_r[1] = r₁ ∘ (1 − r₁) ∘ h₀ ∘ (Uᵀ δ_n[1])" in before
    assert "∂E/∂U = (r₁ ∘ δ_n[1]) h₀ᵀ" in after and "δ_r[1] = r₁ ∘ (1 − r₁) ∘ (U h₀ + b_hn) ∘ δ_n[1]" in after


@pytest.mark.parametrize(("name", "wrt"), [("rnn", "W_hh"), ("lstm", "U_f"), ("gru", "h[0]"), ("gru", "b_z")])
@pytest.mark.parametrize("sizes", [None, 1])
def test_sympy_objects_evaluate(name: str, wrt: str, sizes: int | None):
    u = bg.cell(name, let=None).unroll(2, sizes=sizes)
    d, run = u.derive(wrt), u.run(u.instance())
    numbers = {}
    for n in u.vgraph.variables:
        array = run.array(n)[0] if u.node(n).batched else run.array(n)
        for at, x in np.ndenumerate(array):
            numbers[sympy.Symbol(n + ("_" + ",".join(str(i + 1) for i in at) if at else ""), real=True)] = float(x)
    want = run.gradient(wrt)
    for level in ("matrix", "elements"):
        e = d.sympy(level)
        if level == "matrix" or sizes == 1:
            found = e.subs(numbers).doit()
            found = found.as_explicit().tolist() if want.shape else found
        else:
            found = sympy.lambdify(list(numbers), e, cse=True)(*numbers.values())
        assert np.allclose(np.array(found, float).reshape(want.shape), want, atol=1e-12), level


def test_elements():
    d = bg.cell("rnn").unroll(2).derive("W_hh")
    text = [str(s) for s in d.factored_at("elements")]
    assert "(h̄₂)ᵢ = ∑[m=1..3] (W_hy)ₘᵢ (δ_y[2])ₘ" in text
    assert d.statement("elements", form="unicode").splitlines()[0] == "(∂E/∂W_hh)ᵢⱼ = (δ_h[1])ᵢ (h₀)ⱼ"
    assert str(d.factored_at("elements", (1, 2))[-1]).startswith("(∂E/∂W_hh)₁₂ = (δ_h[1])₁ (h₀)₂")
    scalar = bg.cell("rnn-traditional", let={"g_1": "tanh", "g_2": "sigmoid"}).unroll(1, sizes=1).derive("W_aa")
    assert scalar.unicode("elements") == scalar.unicode("matrix")


@pytest.mark.parametrize("form", ["latex", "unicode", "mathml"])
def test_numbers_stand_beside_the_formula(form: str):
    u = bg.cell("rnn").unroll(2, sizes={"h": 2})
    d = u.derive("b_h")
    text = d.statement("numbers", form=form)
    value = u.run(u.instance()).gradient("b_h")
    assert ("✓" in text or r"\checkmark" in text) and f"{abs(value[0]):.4g}" in text.replace("−", "")
    assert d.latex("numbers", data=u.instance(seed=4)) != d.latex("numbers")


def test_abstract_functions_keep_their_partials():
    text = lines(bg.cell("rnn-abstract").unroll(2), "w_h")
    assert any("(∂y₂/∂h₁)ᵀ" in s for s in text)


def test_linear_size_and_time():
    import time

    start = time.process_time()
    u = bg.cell("lstm").unroll(50)
    parts = all_adjoints(u, list(u.parameters)).parts
    assert len(parts) == 50 * 6 + 12 and time.process_time() - start < 10


@pytest.mark.parametrize(
    ("name", "wrt"), [("rnn", "W_hh"), ("lstm-peephole", "p_f"), ("gru", "h[0]"), ("rnn-abstract", "w_h")]
)
@pytest.mark.parametrize("batch", [None, 2])
def test_the_check_covers_the_statements(name: str, wrt: str, batch: int | None):
    u = bound(name).unroll(3)
    report = u.derive(wrt).check(u.instance(seed=1, batch=batch))
    assert report.right and any("level matrix" in f.what for f in report.findings)


LOSSES = [
    *[
        f"dot(b, {f}(2*b^2 + h[t]^2))"
        for f in (
            "tanh",
            "sigmoid",
            "relu",
            "softplus",
            "silu",
            "gelu",
            "gelu_tanh",
            "erf",
            "exp",
            "log",
            "sqrt",
            "abs",
            "sin",
            "cos",
            "identity",
            "leaky_relu",
            "elu",
            "softmax",
            "log_softmax",
        )
    ],
    *[f"{f}(h[t])" for f in ("sum", "mean", "norm", "max", "min")],
    "sum(clip(h[t], -0.1, 0.2))",
    "sum(max(h[t], b))",
    "dot(b, min(h[t], b))",
    "sum(max(0, h[t])^2)",
    "sum(2^h[t])",
    "squared_error(h[t], b)",
    "cross_entropy(softmax(h[t]), softmax(b))",
    "sum([h[t]; b; 2*b]^2)",
    "dot(diag(h[t]) @ b, b)",
    "dot(outer(h[t], b) @ b, b)",
    "sum(h[t] / (2 + b^2))",
    "dot(b, tanh(W (-h[t])))",
    "dot(b, tanh(-(W (-h[t]))))",
]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_function_at_every_level_and_in_sympy(loss: str) -> None:
    u = bg.recurrence(f"h[t] = tanh(W h[t-1] + b); E[t] = {loss}").unroll(2, sizes={"h": 2})
    data = u.instance(seed=1)
    run, values = u.run(data, schedule=False), {}
    for name in u.vgraph.variables:
        array = run.array(name)[0] if u.node(name).batched else run.array(name)
        for at, x in np.ndenumerate(array):
            values[name + ("_" + ",".join(str(i + 1) for i in at) if at else "")] = sympy.Float(float(x), 17)
    for wrt in ("W", "b"):
        want = complex_step(u, data, wrt)
        d = u.derive(wrt)
        for level in ("chain", "local", "matrix", "elements"):
            assert np.allclose(d.value_at(level, run), want, rtol=1e-10, atol=1e-13), (wrt, level)
        for level in ("local", "matrix", "elements"):
            e = d.sympy(level)
            found = e.subs({s: values[s.name] for s in e.free_symbols}).doit()
            assert np.allclose(
                np.array(found.as_explicit().tolist(), float).reshape(want.shape), want, rtol=1e-10, atol=1e-13
            ), level


@pytest.mark.parametrize("level", ["chain", "local", "matrix", "elements", "numbers"])
@pytest.mark.parametrize("sizes", [1, {"h": 2, "s": 3}])
def test_what_reaches_no_loss_has_a_gradient_of_zeros(level: str, sizes: Any) -> None:
    u = bg.recurrence("h[t] = tanh(W h[t-1]); s[t] = tanh(a * s[t-1]); E[t] = sum(h[t])").unroll(3, sizes=sizes)
    data = u.instance(0)
    for name in ("a", "s[0]"):
        found = u.derive(name).value_at(level, u.run(data))
        assert np.array_equal(found, np.zeros(np.shape(data[name]))) and np.shape(found) == np.shape(data[name])
