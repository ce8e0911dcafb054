"""Derivations: every term counted, written and worth what the reverse pass says."""

import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
import sympy
from derive_fakes import Fake, gru, jordan, leaky, lstm, mgu, rnn

from bpttgraph.core import primitives as op
from bpttgraph.core.autodiff import evaluate as run_graph
from bpttgraph.derive import Derivation
from bpttgraph.derive.numeric import Numbers
from bpttgraph.errors import BPTTError

# (builder, wrt, {T: (last-step loss, loss at every step)}): a published table of path counts
COUNTS: list[tuple[Any, dict[str, Any], str, dict[int, tuple[int, int]]]] = [
    (rnn, {}, "W_xh", {3: (3, 6), 5: (5, 15), 12: (12, 78)}),
    (rnn, {"layers": 2}, "W_xh1", {3: (6, 10), 5: (15, 35), 12: (78, 364)}),
    (rnn, {"layers": 3}, "W_xh1", {3: (10, 15), 5: (35, 70), 12: (364, 1365)}),
    (leaky, {}, "U", {3: (7, 11), 5: (31, 57)}),
    (jordan, {}, "W_x", {3: (4, 7), 5: (16, 31), 12: (2048, 4095)}),
    (lstm, {"kind": "1997"}, "W_i", {3: (20, 26), 5: (285, 387), 8: (14840, 20268)}),
    (lstm, {}, "W_f", {3: (30, 37), 5: (696, 878), 8: (76590, 96789)}),
    (lstm, {"kind": "peephole"}, "W_f", {3: (216, 240), 5: (20314, 22650)}),
    (gru, {}, "W_z", {3: (21, 27), 5: (341, 453), 8: (21845, 29124)}),
    (mgu, {}, "W_f", {3: (42, 54), 5: (682, 906)}),
]


@pytest.mark.parametrize(("build", "options", "wrt", "table"), COUNTS)
def test_path_counts(build: Any, options: dict[str, Any], wrt: str, table: dict[int, tuple[int, int]]):
    for T, pair in table.items():
        for losses, want in zip(("last", "every"), pair):
            d = Derivation(build(T, losses, **options), wrt)
            assert d.count == want and sum(d.count_by_step.values()) == want
            if want <= d.cap:
                assert len(d.terms) == want == len({t.links for t in d.terms})
                by_step: dict[tuple[int, int], int] = {}
                for t in d.terms:
                    by_step[t.loss_step, t.use_step] = by_step.get((t.loss_step, t.use_step), 0) + 1
                assert by_step == d.count_by_step
                assert list(by_step) == sorted(by_step)


GRADIENTS = [
    (rnn, {}, ["W_hh", "W_xh", "b", "W_hy", "b_y", "h[0]", "x[2]", "h[2]", "y[3]", "E[2]", "target[1]"]),
    (rnn, {"layers": 2}, ["W_hh1", "W_xh2", "h1[0]"]),
    (leaky, {}, ["a", "W", "U", "n[1]"]),
    (jordan, {}, ["mu", "W_m", "W_y", "m[0]", "y[0]"]),
    (lstm, {}, ["W_f", "U_o", "b_g", "h[0]", "c[0]", "c[1]", "i[2]"]),
    (lstm, {"T": 2, "kind": "peephole"}, ["p_f", "p_o", "U_i", "c[0]"]),
    (gru, {}, ["W_z", "U", "U_r", "h[0]", "h[1]"]),
    (gru, {"after": True}, ["U", "c", "b", "U_r"]),
    (mgu, {}, ["W_f", "U", "h[0]"]),
]


@pytest.mark.parametrize(("build", "options", "names"), GRADIENTS)
@pytest.mark.parametrize("scalar", [False, True])
@pytest.mark.parametrize("batched", [False, True])
def test_terms_sum_to_the_gradient(build: Any, options: dict[str, Any], names: list[str], scalar: bool, batched: bool):
    if scalar and build is jordan:
        pytest.skip("its loss is on vectors")
    u: Fake = build(**options, scalar=scalar, batched=batched)
    u.weight = 1 / 3
    run = u.run(seed=3)
    for wrt in names:
        d = Derivation(u, wrt)
        want = u.gradient(wrt, seed=3)
        got = d.value(run)
        assert np.shape(got) == np.shape(want) or wrt == "E[2]"
        scale = np.abs(sum(np.abs(t.value(run)) for t in d.terms)).max() + 1e-300
        assert np.abs(got - want).max() <= 1e-12 * scale
        assert np.abs(Numbers(d.local_factors, run).factored() - want).max() <= 1e-12 * scale


@pytest.mark.parametrize(("build", "wrt"), [(rnn, "W_hh"), (lstm, "U_f"), (lstm, "b_o"), (gru, "U"), (gru, "W_r")])
def test_terms_sum_to_the_complex_step(build: Any, wrt: str):
    u: Fake = build(batched=False)
    data, total = u.data(5), u.total()
    node, eps = u.nodes[wrt], 1e-30
    want = np.zeros(node.shape)
    for index in np.ndindex(node.shape):
        moved = data[node].astype(complex)
        moved[index] += 1j * eps
        want[index] = run_graph([total], {**data, node: moved})[0].imag / eps
    assert np.allclose(Derivation(u, wrt).value(u.run(5)), want, rtol=1e-12, atol=1e-14)


def test_truncation_is_honoured():
    def blocked(link: Any, loss_step: int) -> bool:  # a sliding window of one step back
        step = int(link.source.split("[")[1][:-1]) if "[" in link.source else 99
        return link.delay == 1 and step < loss_step - 1

    u = rnn(4, blocked=blocked)
    d = Derivation(u, "W_hh")
    assert d.count == 7 == len(d.terms)
    assert set(d.count_by_step) == {(t, k) for t in range(1, 5) for k in (t - 1, t) if k}
    run = u.run()
    assert np.allclose(Numbers(d.local_factors, run).factored(), d.value(run), atol=1e-14)
    assert {s.loss for s in d.factored[:-1]} == {"E[1]", "E[2]", "E[3]", "E[4]"}
    free = Derivation(rnn(4), "W_hh")
    kept = [t for t in free.terms if t.use_step >= t.loss_step - 1]
    assert np.allclose(sum(t.value(run) for t in kept), d.value(run), atol=1e-14)


def test_golden_chain_and_local():
    d = Derivation(rnn(2), "W_hh")
    assert d.statement(form="unicode").splitlines() == [
        "∂E/∂W_hh = ∂E₁/∂y₁ · ∂y₁/∂h₁ · ∂⁺h₁/∂W_hh",
        "         + ∂E₂/∂y₂ · ∂y₂/∂h₂ · ∂h₂/∂h₁ · ∂⁺h₁/∂W_hh",
        "         + ∂E₂/∂y₂ · ∂y₂/∂h₂ · ∂⁺h₂/∂W_hh",
    ]
    assert d.unicode(level="local").splitlines() == [
        "−[(target₁/y₁)ᵀ (diag(y₁) − y₁ y₁ᵀ) W_hy diag(1 − h₁²)]ᵀ h₀ᵀ",
        "− [(target₂/y₂)ᵀ (diag(y₂) − y₂ y₂ᵀ) W_hy diag(1 − h₂²) W_hh diag(1 − h₁²)]ᵀ h₀ᵀ",
        "− [(target₂/y₂)ᵀ (diag(y₂) − y₂ y₂ᵀ) W_hy diag(1 − h₂²)]ᵀ h₁ᵀ",
    ]
    assert d.terms[1].latex() == (
        r"\frac{\partial E_{2}}{\partial y_{2}} \, \frac{\partial y_{2}}{\partial h_{2}} \, "
        r"\frac{\partial h_{2}}{\partial h_{1}} \, \frac{\partial^{+} h_{1}}{\partial W_{hh}}"
    )
    assert d.terms[1].path == ("E[2]", "y[2]", "h[2]", "h[1]", "W_hh")
    assert d.terms[1].links == ("y[2]->E[2]", "h[2]->y[2]", "h[1]->h[2]", "W_hh->h[1]")
    assert d.latex().startswith("\\begin{aligned}\n& \\frac{\\partial E_{1}}") and d._repr_latex_().startswith("$$")
    assert d.statement("local").splitlines()[1].startswith(r"\frac{\partial E}{\partial W_{hh}} &= -\left[\left(\frac{")


def test_golden_factored():
    assert [str(s) for s in Derivation(rnn(2), "W_hh").factored] == [
        "dE/dy₂ = ∂E₂/∂y₂",
        "dE/dh₂ = dE/dy₂ · ∂y₂/∂h₂",
        "dE/dy₁ = ∂E₁/∂y₁",
        "dE/dh₁ = dE/dy₁ · ∂y₁/∂h₁\n       + dE/dh₂ · ∂h₂/∂h₁",
        "dE/dW_hh = dE/dh₁ · ∂⁺h₁/∂W_hh\n         + dE/dh₂ · ∂⁺h₂/∂W_hh",
    ]


def test_scalar_sums_are_sympy_expressions():
    u = rnn(2, scalar=True, batched=False)
    e = Derivation(u, "W_hh").sympy(level="local")
    assert {s.name for s in e.free_symbols} >= {"h[1]", "W_hh", "h[0]", "W_hy"}
    run = u.run()
    value = e.subs({s: run.array(s.name).item() for s in e.free_symbols})
    assert abs(float(value) - u.gradient("W_hh")) < 1e-14


@pytest.mark.parametrize("wrt", ["W_hh", "b", "h[0]"])
def test_vector_sums_evaluate_in_sympy(wrt: str):
    u = rnn(2, batched=False)
    e = Derivation(u, wrt).sympy(level="local")
    run, numbers = u.run(), {}
    for name in u.nodes:
        for index, x in np.ndenumerate(run.array(name)):
            label = name + ("_" + ",".join(str(i + 1) for i in index) if index else "")
            numbers[sympy.Symbol(label, real=True)] = float(x)
    found = np.array(e.subs(numbers).doit().as_explicit().tolist(), float)
    assert np.allclose(found.reshape(np.shape(u.gradient(wrt))), u.gradient(wrt), atol=1e-13)
    assert Derivation(u, wrt).sympy().shape == (1, u.gradient(wrt).size)


def test_scalar_wrt_of_vectors_in_sympy_is_a_scalar():
    e = Derivation(leaky(2, batched=False), "a").sympy(level="local")
    assert isinstance(e, sympy.Expr) and not e.is_Matrix


def test_mathml_links_terms_to_edges():
    d = Derivation(lstm(2), "W_f")
    for level in ("chain", "local"):
        root = ET.fromstring(d.statement(level, form="mathml"))
        ids = {e.get("data-id") for e in root.iter() if e.get("data-id")}
        assert {"W_f->f[2]", "f[2]->c[2]", "c[2]->h[2]"} <= ids
        assert " ".join(d.terms[0].links) in ids
        assert len(root.findall(".//{*}mtr")) == d.count


def test_immediate_partials_are_marked_where_it_matters():
    text = Derivation(gru(2), "W_z").unicode()
    assert "∂⁺h₂/∂h₁" in text and "∂h₂/∂z₂" in text and "∂⁺z₁/∂W_z" in text
    assert "∂⁺h₂/∂h₁" not in Derivation(rnn(2), "W_hh").unicode()


def test_upstream_gradient_is_a_symbol():
    u = Fake()
    y = u.define("y[1]", op.tanh(u.leaf("W", 3, 2) @ u.leaf("x[1]", 2, role="input")))
    u.loss(1, op.dot(u.leaf("dE_dy[1]", 3, role="upstream"), y))
    d = Derivation(u, "W")
    assert d.unicode() == "∂E₁/∂y₁ · ∂⁺y₁/∂W"
    assert d.unicode("local") == "[(∂E/∂y₁)ᵀ diag(1 − y₁²)]ᵀ x₁ᵀ"
    assert d.statement(form="unicode").startswith("∂E₁/∂W = ")


def test_abstract_recurrences_keep_their_symbols():
    u = Fake()
    h = u.leaf("h[0]", 3, role="initial")
    f = op.abstract_function("f", (3,))
    for t in (1, 2):
        h = u.define(f"h[{t}]", f(u.leaf(f"x[{t}]", 2, role="input"), h, u.leaf("w", 4)), "state")
    u.loss(2, op.squared_error(h, u.leaf("target[2]", 3, role="target")))
    d = Derivation(u, "w")
    assert d.unicode("local").splitlines() == [
        "(h₂ − target₂)ᵀ · ∂h₂/∂h₁ · ∂⁺h₁/∂w",
        "+ (h₂ − target₂)ᵀ · ∂⁺h₂/∂w",
    ]
    assert d.sympy("chain") is not None


def test_no_closed_reading_still_has_numbers():
    u = Fake()
    W, x = u.leaf("W", 3, 2), u.leaf("x[1]", 2, role="input")
    y = u.define("y[1]", op.tanh(W @ x) * op.total(op.square(W)))
    u.loss(1, op.squared_error(y, u.leaf("target[1]", 3, role="target")))
    d, run = Derivation(u, "W"), u.run()
    assert d.unicode("local") == "(y₁ − target₁)ᵀ · ∂⁺y₁/∂W"
    assert np.allclose(d.value(run), u.gradient("W"), atol=1e-12)


def test_a_run_without_batch_gives_gradients_without_batch():
    u = rnn(2)
    run, want = u.run(batch=1), u.gradient("h[0]", batch=1)[0]
    run.batch = None
    got = Derivation(u, "h[0]").value(run)
    assert got.shape == (3,) and np.allclose(got, want, atol=1e-14)


def test_terms_with_a_zero_factor_are_left_out():
    u = Fake(scalar=True)
    h = u.define("h[1]", op.tanh(u.leaf("w") * u.leaf("x[1]", role="input")))
    y = u.define("y[1]", op.softmax(h))
    u.loss(1, 0.5 * op.square(y))
    d = Derivation(u, "w")
    assert d.count == 1 and d.statement("local", form="unicode") == "∂E₁/∂w = 0" and d.sympy("local") == 0


def test_mean_over_steps_is_a_factor():
    u = rnn(3, "every")
    u.weight = 1 / 3
    d = Derivation(u, "b")
    assert d.unicode().startswith("(1/3) · ∂E₁/∂y₁") and r"\frac{1}{3}" in d.latex()


def test_errors_teach():
    with pytest.raises(BPTTError, match="W_hh"):
        Derivation(rnn(2), "W_h")
    d = Derivation(lstm(5), "W_f")
    with pytest.raises(BPTTError, match=r"878 chain-rule terms.*cap of 200[\s\S]*factored"):
        d.latex()
    assert len(d.first_terms(5)) == 5
    with pytest.raises(BPTTError, match="level"):
        Derivation(rnn(2), "W_hh").latex(level="nonsense")


def test_nothing_flows_to_what_no_loss_reads():
    u = rnn(2, "last")
    u.leaf("spare", 3)
    d = Derivation(u, "spare")
    assert d.count == 0 and d.terms == () and d.statement(form="unicode") == "∂E₂/∂spare = 0"
    assert not d.value(u.run()).any()


def test_parameters_may_be_listed_last():
    u = lstm(2)
    leaves = [n for n, v in u.variables.items() if v.role == "parameter"]
    u.variables = {**{n: v for n, v in u.variables.items() if n not in leaves}, **{n: u.variables[n] for n in leaves}}
    d, run = Derivation(u, "U_f"), u.run()
    assert d.count == len(d.terms) == 7
    assert np.allclose(Numbers(d.local_factors, run).factored(), u.gradient("U_f"), atol=1e-14)
    assert d.factored[-1].variable == "U_f" and len(d.factored[-1].terms) == 2


def test_importing_loads_neither_sympy_nor_pictures():
    code = "import bpttgraph.derive, sys; print('sympy' in sys.modules, 'bpttgraph.draw' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_speed_and_depth():
    start = time.process_time()
    d = Derivation(lstm(3, scalar=True), "W_f")
    assert len(d.latex("local")) > 1000
    local = time.process_time() - start
    long = lstm(200)
    start = time.process_time()
    assert Derivation(long, "W_f").count > 10**100
    counted = time.process_time() - start
    deep = rnn(3000, "last")
    d = Derivation(deep, "W_hh")
    start = time.process_time()
    assert len(d.factored) == 3002 and d.count == 3000
    first = d.first_terms(1)[0]
    assert len(first.path) == 3003 and len(first.latex("local")) > 10_000
    assert (
        local < 3 and counted < 6 and time.process_time() - start < 30
    )  # a path count that is no count takes for ever
    assert len(Derivation(lstm(40), "W_f").factored) / len(Derivation(lstm(20), "W_f").factored) < 2.2
