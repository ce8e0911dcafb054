"""Stacked gates: one δ for all rows, in the statements, in the recursions and in the code."""

import inspect
from typing import Any

import numpy as np
import pytest
from code_arguments import arguments
from truth import complex_step

import bpttgraph as bg
from bpttgraph.errors import BPTTError

GRU = """
[a_z[t]; a_r[t]; a_n[t]] = W x[t] + b
[u_z[t]; u_r[t]; u_n[t]] = U h[t-1] + c
z[t] = sigmoid(a_z[t] + u_z[t])
r[t] = sigmoid(a_r[t] + u_r[t])
n[t] = tanh(a_n[t] + r[t] * u_n[t])
h[t] = (1 - z[t]) * n[t] + z[t] * h[t-1]
"""
VALUES = """
[z[t]; r[t]] = sigmoid(W x[t] + U h[t-1] + b)
n[t] = tanh(V x[t] + r[t] * (C @ h[t-1]))
h[t] = (1 - z[t]) * n[t] + z[t] * h[t-1]
"""


def systems() -> dict[str, bg.Recurrence]:
    return {"lstm": bg.cell("lstm-fused:fgio"), "gru": bg.recurrence(GRU), "values": bg.recurrence(VALUES)}


@pytest.mark.parametrize("name", ["lstm", "gru", "values"])
def test_one_delta_for_all_rows(name: str):
    rec = systems()[name]
    g = rec.derive("all")
    lines = [str(r) for r in g.recursions]
    assert sum("∂E/∂W" in x for x in lines) == 1 and not any("0" in x for x in lines if x.startswith("∂E"))
    space: dict[str, Any] = {}
    exec(g.code(), space)
    for T in (1, 2, 4):
        g.at(T)
        u = rec.unroll(T)
        data = u.instance(seed=T)
        run = u.run(data)
        got = space["gradients"](*arguments(u, run, inspect.signature(space["gradients"]).parameters))
        for w in u.parameters:
            truth = complex_step(u, data, w)
            assert np.allclose(got[w], truth, rtol=1e-11, atol=1e-12), w
            assert np.allclose(u.derive(w).value_at("matrix", run), truth, rtol=1e-11, atol=1e-12), w


def test_as_a_person_writes_it():
    lines = [str(r) for r in systems()["lstm"].derive("all").recursions]
    assert "h̄ₜ = ∂E/∂hₜ\n   + Uᵀ δ_a[t+1]    for t = T, …, 1" in lines
    assert "δ_a[t] = [ā_f[t]; ā_g[t]; ā_i[t]; ā_o[t]]    for t = T, …, 1" in lines
    assert "∂E/∂U = ∑[t=1..T] δ_a[t] hₜ₋₁ᵀ" in lines
    lines = [str(r) for r in systems()["values"].derive("all").recursions]
    assert "δ_gates[t] = [zₜ; rₜ] ∘ (1 − [zₜ; rₜ]) ∘ [z̄ₜ; r̄ₜ]    for t = T, …, 1" in lines


def test_a_part_of_the_rows_stays_apart():
    rec = bg.recurrence("[h[t]; s[t]] = W x[t] + U v[t]; v[t] = V h[t-1]; E[t] = squared_error(h[t], target[t])")
    u = rec.unroll(3, sizes={"h": 2})
    data = u.instance()
    assert "; 0]" in u.derive("W").statement("matrix", "unicode")
    assert np.allclose(u.derive("W").value_at("matrix", u.run(data)), complex_step(u, data, "W"), atol=1e-13)


def test_sympy_shares_the_rows():
    u = bg.cell("lstm-fused").unroll(3, sizes=1)
    with pytest.raises(BPTTError):
        u.derive("nothing")
    u = bg.cell("lstm-fused").unroll(2, sizes={"x": 1, "h": 1})
    data = u.instance()
    run = u.run(data)
    e = u.derive("U").sympy("matrix")
    names = {}
    for name in u.vgraph.variables:
        value = run.array(name)[0] if u.node(name).batched else run.array(name)
        for index, x in np.ndenumerate(value):
            names[name + ("_" + ",".join(str(i + 1) for i in index) if index else "")] = float(x)
    found = np.array(e.subs({s: names[s.name] for s in e.free_symbols}).doit().as_explicit().tolist(), float)
    assert np.allclose(found, complex_step(u, data, "U"), rtol=1e-12)
