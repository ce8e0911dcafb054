"""One-hot inputs and class targets: columns in the formulas, class numbers in the code, the same gradient."""

import inspect
from typing import Any

import numpy as np
import pytest
from code_arguments import arguments
from truth import complex_step

import bpttgraph as bg
from bpttgraph.errors import BPTTError

ROWS = (
    "h[t] = tanh(W.T @ x[t] + U h[t-1] + r * (V x[t])); y[t] = softmax(C h[t]); E[t] = cross_entropy(y[t], target[t])"
)


def instance(u: bg.Unrolled, seed: int) -> dict[str, Any]:
    data = u.instance(seed=seed)
    n = data["x"].shape[1]
    return {**data, "x": np.eye(n)[np.random.default_rng(seed).integers(0, n, len(data["x"]))]}


@pytest.mark.parametrize("system", ["rnn", "char-lm", "gru-loss", ROWS])
def test_code_takes_classes(system: str):
    cells = {"rnn": bg.cell("rnn"), "char-lm": bg.cell("char-lm")}
    loss = "y[t] = softmax(C h[t]); E[t] = cross_entropy(y[t], target[t])"
    text = bg.cell("gru").source + "\n" + loss if system == "gru-loss" else system
    rec = cells.get(system) or bg.recurrence(text)
    g = rec.derive("all", onehot="x, target")
    space: dict[str, Any] = {}
    exec(g.code(), space)
    function = space["gradients"]
    for T, sizes in ((1, None), (3, {"x": 6, "h": 4, "y": 7}), (5, {"x": 2, "h": 3, "y": 3})):
        g.at(T)
        u = rec.unroll(T, sizes=sizes)
        data = instance(u, T)
        run = u.run(data)
        names = list(inspect.signature(function).parameters)
        given = dict(zip(names, arguments(u, run, names)))
        given["x"] = np.argmax(given["x"], axis=1)
        given["target"] = np.concatenate([[0], data["target"]])
        got = function(**given)
        for w in u.parameters:
            truth = complex_step(u, data, w)
            assert np.allclose(got[w], truth, rtol=1e-11, atol=1e-12), w
            assert np.allclose(u.derive(w, onehot="x,target").value_at("matrix", run), truth, rtol=1e-11, atol=1e-12), w


def test_columns_are_seen():
    g = bg.cell("rnn").derive("all", onehot=["x", "target"])
    lines = [str(r) for r in g.recursions]
    assert "δ_y[t] = yₜ − 𝐞(targetₜ)    for t = T, …, 1" in lines
    assert "∂E/∂W_xh = ∑[t=1..T] δ_h[t] 𝐞(xₜ)ᵀ" in lines
    assert "dW_xh[:, x[t]] += delta_h[t]" in g.code()
    assert any("x is one-hot" in a for a in g.assumptions)
    assert r"\mathbf{e}_{x_{t}}^{\top}" in g.latex() and "<mi>𝐞</mi>" in g.mathml() and "bold(e)_(x_(t))" in g.typst()
    reset = bg.recurrence("h[t] = tanh(U h[t-1]) * (W x[t])").derive("U", onehot="x")
    assert "W[:, xₜ]" in reset.unicode() and r"\left[W\right]_{:,x_{t}}" in reset.latex()
    assert "W[:, x[t]]" in reset.code()


def test_levels_keep_the_numbers():
    u = bg.cell("rnn").unroll(2, sizes={"x": 2, "h": 2, "y": 2})
    data = instance(u, 1)
    d, run = u.derive("W_xh", onehot="x"), u.run(data)
    assert "𝐞(x₁)ᵀ" in d.statement("local", "unicode") and "(𝐞(x₂))ⱼ" in d.statement("elements", "unicode")
    names = {}
    for name in u.vgraph.variables:
        value = run.array(name)[0] if u.node(name).batched else run.array(name)
        for index, x in np.ndenumerate(value):
            names[name + ("_" + ",".join(str(i + 1) for i in index) if index else "")] = float(x)
    for level in ("local", "matrix", "elements"):
        e = d.sympy(level)
        found = np.array(e.subs({s: names[s.name] for s in e.free_symbols}).doit().as_explicit().tolist(), float)
        assert np.allclose(found, complex_step(u, data, "W_xh"), rtol=1e-12), level


@pytest.mark.parametrize("bad", ["h", "y", ["x", "W_xh"]])
def test_only_inputs_are_one_hot(bad: Any):
    with pytest.raises(BPTTError, match="no input or target"):
        bg.cell("rnn").derive("W_hh", onehot=bad)


def test_a_number_is_no_class():
    with pytest.raises(BPTTError, match="no vector"):
        bg.cell("rnn").unroll(2, sizes=1).derive("W_hh", onehot="x")


def test_initial_states_have_code():
    g = bg.cell("lstm").derive("c[0]")
    space: dict[str, Any] = {}
    exec(g.code(), space)
    u = bg.cell("lstm").unroll(3)
    data = u.instance()
    got = space["gradients"](*arguments(u, u.run(data), inspect.signature(space["gradients"]).parameters))
    assert np.allclose(got["c[0]"], complex_step(u, data, "c[0]"), rtol=1e-12)
