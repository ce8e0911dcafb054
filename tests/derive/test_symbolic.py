"""Symbolic T: recursions that instantiate to the unrolled statements, and NumPy code that computes the gradient."""

import inspect
from typing import Any

import numpy as np
import pytest
from code_arguments import arguments
from truth import CELLS, bound

import bpttgraph as bg
from bpttgraph.errors import BPTTError


def run_code(name: str, loss: str, steps: tuple[int, ...]) -> None:
    rec = bound(name)
    space: dict[str, Any] = {}
    exec(rec.derive("all", loss=loss).code(), space)
    function = space["gradients"]
    for T in steps:
        u = rec.unroll(T, loss=loss)
        run = u.run(u.instance(seed=T))
        got = function(*arguments(u, run, inspect.signature(function).parameters))
        assert set(got) >= set(u.parameters)
        for w in u.parameters:
            assert np.allclose(got[w], run.gradient(w), rtol=1e-9, atol=1e-11), w


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("loss", ["every", "last"])
def test_recursions_and_code(name: str, loss: str):
    g = bound(name).derive("all", loss=loss)
    for T in (1, 2, 5):
        g.at(T)
    run_code(name, loss, (3,))


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("loss", ["every", "last"])
def test_recursions_and_code_everywhere(name: str, loss: str):
    rec = bound(name)
    for wrt in rec.unroll(2).parameters:
        g = rec.derive(wrt, loss=loss)
        for T in range(1, 7):
            assert g.at(T).factored_at("matrix")[-1].variable == wrt
    run_code(name, loss, (1, 2, 3, 4, 5))


def text(g: Any) -> list[str]:
    return [str(r) for r in g.recursions]


def test_rnn_recursions():
    assert text(bg.cell("rnn").derive("W_hh", loss="last")) == [
        "δ_y[T] = y[T] − target[T]    for t = T",
        "h̄[T] = W_hyᵀ δ_y[T]    for t = T",
        "h̄ₜ = W_hhᵀ δ_h[t+1]    for t = T−1, …, 1",
        "δ_h[t] = (1 − hₜ²) ∘ h̄ₜ    for t = T, …, 1",
        "∂E/∂W_hh = ∑[t=1..T] δ_h[t] hₜ₋₁ᵀ",
    ]


def test_peephole_recursions_as_greff_prints_them():
    got = text(bg.cell("lstm-peephole").derive("all"))
    for want in [
        (
            "c̄ₜ = p_o ∘ δ_o[t]\n   + oₜ ∘ (1 − tanh(cₜ)²) ∘ h̄ₜ\n   + p_i ∘ δ_i[t+1]\n   + p_f ∘ δ_f[t+1]\n"
            "   + fₜ₊₁ ∘ c̄ₜ₊₁    for t = T, …, 1"
        ),
        "δ_f[t] = fₜ ∘ (1 − fₜ) ∘ cₜ₋₁ ∘ c̄ₜ    for t = T, …, 1",
        "δ_i[t] = iₜ ∘ (1 − iₜ) ∘ gₜ ∘ c̄ₜ    for t = T, …, 1",
        "δ_g[t] = (1 − gₜ²) ∘ iₜ ∘ c̄ₜ    for t = T, …, 1",
        "∂E/∂p_i = ∑[t=1..T] cₜ₋₁ ∘ δ_i[t]",
        "∂E/∂p_o = ∑[t=1..T] cₜ ∘ δ_o[t]",
        "∂E/∂U_f = ∑[t=1..T] δ_f[t] hₜ₋₁ᵀ",
        "c̄[T+1] = 0",
    ]:
        assert want in got, want


def test_a_backward_layer_runs_forwards():
    got = text(bg.cell("bidirectional").derive("U_r"))
    assert "δ_r[0] = 0" in got and any(s.startswith("r̄ₜ = V_rᵀ ȳₜ\n") and s.endswith("for t = 1, …, T") for s in got)


def test_blocks_meet():
    got = text(bg.cell("seq2seq").derive("encoder.W_hh"))
    assert "δᵉⁿᶜ_h[T] = (1 − hᵉⁿᶜ[T]²) ∘ h̄ᵈᵉᶜ₀    for t = T" in got


@pytest.mark.parametrize("truncate", ["one-step", "carousel"])
def test_structural_truncation(truncate: str):
    g = bg.cell("lstm").derive("U_f", truncate=truncate)
    for T in (1, 2, 4):
        g.at(T)
    assert "U_iᵀ" not in g.unicode() and ("fₜ₊₁ ∘ c̄ₜ₊₁" in g.unicode()) == (truncate == "carousel")


def test_windows_have_no_single_recursion():
    g = bg.cell("rnn").derive("W_hh", truncate="sliding:2")
    with pytest.raises(BPTTError, match="different losses"):
        _ = g.recursions
    assert g.at(4).count == 7


def test_printers_and_errors():
    g = bg.cell("lstm").derive("U_f")
    assert r"\bar{c}_{t}" in g.latex() and g.mathml().count("<math") == len(g.recursions)
    with pytest.raises(BPTTError, match="every"):
        bg.cell("rnn").derive("W_hh", loss="sometimes")
    with pytest.raises(BPTTError, match="W_hx"):
        bg.cell("rnn").derive("W_hx")


@pytest.mark.parametrize(
    ("wrt", "options", "message"),
    [
        ("h[T+9]", {}, r"h\[T\+9\]"),
        ("foo.h[T]", {}, "foo"),
        ("W_hh", {"loss": 5}, "choice of steps"),
        ("W_hh", {"loss": [0]}, "step 0"),
        ("W_hh", {"loss": ["a"]}, "choice of steps"),
        ("W_hh", {"onehot": 3}, "list of names"),
        ("W_hh", {"reduce": "median"}, "median"),
    ],
)
def test_bad_input_is_named(wrt: str, options: dict[str, Any], message: str):
    with pytest.raises(BPTTError, match=message):
        bg.cell("rnn").derive(wrt, **options)


W0, A0 = np.array([[0.3, -0.5], [0.7, 0.2]]), np.array([0.9, -0.4])


def states(W: Any, first: Any, steps: int) -> list[Any]:
    """tanh(W s), again and again, in plain NumPy, of complex numbers too."""
    found = [first]
    for _ in range(steps):
        found.append(np.tanh(W @ found[-1]))
    return found


def by_complex_step(f: Any, at: Any) -> Any:
    found = np.zeros(at.shape)
    for i in np.ndindex(at.shape):
        z = at.astype(complex)
        z[i] += 1e-30j
        found[i] = np.imag(f(z)) / 1e-30
    return found


START = np.array([0.5, -1.1])
ALIKE: dict[str, tuple[str, Any, Any]] = {
    "a loss that reads the step before, below a total": (
        "s[t] = tanh(W s[t-1]); L[t] = silu(dot(a, s[t-1])); J = 2*sum_t L[t]", "every",
        lambda W, a, T: 2 * sum(x / (1 + np.exp(-x)) for s in states(W, START, T)[:-1] for x in [a @ s])),
    "chosen losses of a state called s[t+1]": (
        "s[t+1] = tanh(W s[t]); L[t] = dot(a, s[t+1])", [1, 3],
        lambda W, a, T: sum(a @ states(W, START, T)[t] for t in (1, 3))),
    "the first state given by an equation": (
        "s[t+1] = tanh(W s[t]); s[1] = v; L[t] = dot(a, s[t+1])", "every",
        lambda W, a, T: sum(a @ s for s in states(W, START, T)[1:])),
    "the first state is zero, and a loss reads it": (
        "s[t+1] = tanh(W s[t] + v); s[1] = 0; L[t] = tanh(dot(a, s[t]))", "every",
        lambda W, a, T: sum(np.tanh(a @ s) for s in _from_zero(W, T))),
}  # fmt: skip


def _from_zero(W: Any, steps: int) -> list[Any]:
    found = [np.zeros(2)]
    for _ in range(steps - 1):
        found.append(np.tanh(W @ found[-1] + START))
    return found


@pytest.mark.parametrize("case", ALIKE)
@pytest.mark.parametrize("wrt", ["W", "a"])
def test_steps_that_are_alike_have_one_formula(case: str, wrt: str):
    text, loss, f = ALIKE[case]
    rec = bg.recurrence(text)
    at = {"W": W0, "a": A0}
    space: dict[str, Any] = {}
    g = rec.derive(wrt, loss=loss, sizes={"s": 2})
    exec(g.code(), space)
    for T in (3, 4, 7):
        u = rec.unroll(T, loss=loss, sizes={"s": 2})
        data = {**u.instance(seed=0), **at}
        data |= {k: START for k in ("s[0]", "s[1]", "v") if k in data}
        run = u.run(data)
        want = by_complex_step(lambda z, T=T: f(**{**at, wrt: z}, T=T), at[wrt])
        got = space["gradients"](*arguments(u, run, inspect.signature(space["gradients"]).parameters))[wrt]
        assert np.allclose(got, want, rtol=1e-12, atol=1e-13)
        assert np.allclose(g.at(T).value_at("matrix", run), want, rtol=1e-12, atol=1e-13)
        if "J" not in text:
            assert np.allclose(g.closed_form.contributions(u, run).sum((0, 1)), want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_layer_written_backwards_starts_at_the_last_step(steps: int) -> None:
    """r[t-1] = w r[t]: the data are r[T], for any T; by hand E = Σ_t (w^(T-t) r[T])², so that dE/dr[T] = 2 r[T] Σ
    w^(2(T-t))."""
    rec = bg.recurrence("r[t-1] = w*r[t]\nE[t] = r[t]*r[t]")
    g = rec.derive("all")
    assert [r.key for r in g.recursions if r.kind == "gradient"] == ["w", "r[T]"]
    w, end = 0.8, -1.5
    r = np.zeros(steps + 8)
    r[: steps + 1] = end * w ** np.arange(steps, -1.0, -1)
    names: dict[str, Any] = {}
    exec(g.code(), names)
    got, ahead = names["gradients"](steps, r, w), np.arange(steps)
    assert np.allclose(got["r[T]"], 2 * end * (w ** (2 * ahead)).sum())
    assert np.allclose(got["w"], end**2 * (2 * ahead * w ** np.maximum(2 * ahead - 1, 0)).sum())
    u = rec.unroll(steps)
    report = u.derive(f"r[{steps}]").check(u.instance(seed=0))
    assert report.right and any("printed" in f.what for f in report.findings)
