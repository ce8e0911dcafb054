"""The published backward passes come out as printed, compared as trees, and each of them is the gradient by its own
numbers.

Every comparison is shown to be able to fail: the printed form is spoilt in every place, and then neither the trees nor
the numbers agree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from published import Paper, instead, instead_partial, mutants, tree
from truth import complex_step

import bpttgraph as bg
from bpttgraph.derive.evaluate import matrix_value
from bpttgraph.equations.language import parse
from bpttgraph.formulas.expr import (
    Blocks,
    Expr,
    Partial,
    Symbol,
    add,
    diag,
    hadamard,
    num,
    partial,
    power,
    product,
    subtract,
    symbol,
    transpose,
)
from bpttgraph.formulas.nodes import BigProduct, BigSum, Product
from bpttgraph.formulas.same import put, same
from bpttgraph.formulas.steps import at_steps, fill, renamed

BAR = "\u0304"

# I. Goodfellow, Y. Bengio, A. Courville, Deep Learning (2016), equations 10.18 to 10.28; 10.21 in the order in which
# the types fit
GOODFELLOW = """
go[t] = p[t] - q[t]
gh[t] = W.T @ diag(1 - h[t+1]^2) @ gh[t+1] + V.T @ go[t]
gc = sum_t go[t]
gb = sum_t diag(1 - h[t]^2) @ gh[t]
gV = sum_t go[t] @ h[t].T
gW = sum_t diag(1 - h[t]^2) @ gh[t] @ h[t-1].T
gU = sum_t diag(1 - h[t]^2) @ gh[t] @ x[t].T
"""
GOODFELLOW_NAMES = {
    "y": "p",
    "target": "q",
    "W_hh": "W",
    "W_xh": "U",
    "W_hy": "V",
    "δ_y": "go",
    "h" + BAR: "gh",
    "∂b_y": "gc",
    "∂b_h": "gb",
    "∂W_hy": "gV",
    "∂W_hh": "gW",
    "∂W_xh": "gU",
}

# A. Zhang et al., Dive into Deep Learning, section 9.7.2: a linear state, squared error in the place of a loss without
# a name
D2L = """
go[t] = o[t] - y[t]
gh[t] = W_hh.T @ gh[t+1] + W_qh.T @ go[t]
gW_qh = sum_t go[t] @ h[t].T
gW_hx = sum_t gh[t] @ x[t].T
gW_hh = sum_t gh[t] @ h[t-1].T
"""
D2L_NAMES = {"o" + BAR: "go", "h" + BAR: "gh", "∂W_qh": "gW_qh", "∂W_hx": "gW_hx", "∂W_hh": "gW_hh"}
D2L_SYSTEM = "h[t] = W_hx x[t] + W_hh h[t-1]; o[t] = W_qh h[t]; l[t] = squared_error(o[t], y[t]); L = sum_t l[t]"

# K. Greff et al., LSTM: a search space odyssey (2017), appendix: all deltas and all parameter gradients
GREFF = """
δy[t] = Δ[t] + R_z.T @ δz[t+1] + R_i.T @ δi[t+1] + R_f.T @ δf[t+1] + R_o.T @ δo[t+1]
δo[t] = δy[t] * tanh(c[t]) * o[t] * (1 - o[t])
δc[t] = δy[t] * o[t] * (1 - tanh(c[t])^2) + p_o * δo[t] + p_i * δi[t+1] + p_f * δf[t+1] + δc[t+1] * f[t+1]
δf[t] = δc[t] * c[t-1] * f[t] * (1 - f[t])
δi[t] = δc[t] * z[t] * i[t] * (1 - i[t])
δz[t] = δc[t] * i[t] * (1 - z[t]^2)
δp_i = sum_{t=0}^{T-1} c[t] * δi[t+1]
δp_f = sum_{t=0}^{T-1} c[t] * δf[t+1]
δp_o = sum_t c[t] * δo[t]
""" + "".join(
    f"δW_{k} = sum_t δ{k}[t] @ x[t].T\nδR_{k} = sum_{{t=0}}^{{T-1}} δ{k}[t+1] @ y[t].T\nδb_{k} = sum_t δ{k}[t]\n"
    for k in "zifo"
)
GREFF_NAMES = {
    "dE_dh": "Δ", "g": "z", "h": "y", "h" + BAR: "δy", "c" + BAR: "δc", "b_g": "b_z", "W_g": "W_z",
    **{f"U_{a}": f"R_{b}" for a, b in zip("gifo", "zifo")}, **{f"δ_{a}": f"δ{b}" for a, b in zip("gifo", "zifo")},
    **{f"∂{w}_{a}": f"δ{v}_{b}" for a, b in zip("gifo", "zifo") for w, v in ("WW", "UR", "bb")},
    **{f"∂p_{a}": f"δp_{a}" for a in "ifo"},
}  # fmt: skip


def gru(after: bool, keeps: bool) -> tuple[str, bg.Recurrence]:
    """Backward pass of a GRU: the reset gate before (K. Cho et al., EMNLP 2014) or after the product (cuDNN, PyTorch);
    z keeps the old state (Cho), or 1−z does (J. Chung et al., 2014)."""
    keep, write, sign = ("z[{}]", "(1 - z[{}])", "") if keeps else ("(1 - z[{}])", "z[{}]", "-")
    path = "U.T @ (r[t+1] * δn[t+1])" if after else "r[t+1] * (U.T @ δn[t+1])"
    reset = "δn[t] * (U @ h[t-1] + b_hn)" if after else "(U.T @ δn[t]) * h[t-1]"
    text = f"""
    δh[t] = Δ[t] + {keep.format("t+1")} * δh[t+1] + {path} + U_z.T @ δz[t+1] + U_r.T @ δr[t+1]
    δn[t] = δh[t] * {write.format("t")} * (1 - n[t]^2)
    δz[t] = {sign}δh[t] * (h[t-1] - n[t]) * z[t] * (1 - z[t])
    δr[t] = {reset} * r[t] * (1 - r[t])
    gU = sum_t {"(r[t] * δn[t]) @ h[t-1].T" if after else "δn[t] @ (r[t] * h[t-1]).T"}
    gW = sum_t δn[t] @ x[t].T
    {"gb_in = sum_t δn[t]" if after else "gb = sum_t δn[t]"}
    {"gb_hn = sum_t r[t] * δn[t]" if after else ""}
    """
    for k in "zr":
        text += f"gW_{k} = sum_t δ{k}[t] @ x[t].T\ngU_{k} = sum_t δ{k}[t] @ h[t-1].T\ngb_{k} = sum_t δ{k}[t]\n"
    cell = bg.cell("gru-reset-after" if after else "gru")
    return text, (
        cell
        if keeps
        else bg.recurrence(
            cell.source.replace("(1 - z[t]) * n[t] + z[t] * h[t-1]", "z[t] * n[t] + (1 - z[t]) * h[t-1]")
        )
    )


GRU_NAMES = {"dE_dh": "Δ", "h" + BAR: "δh", **{f"δ_{k}": f"δ{k}" for k in "nzr"}}


def published(which: str) -> tuple[str, bg.Recurrence, dict[str, str]]:
    if which == "goodfellow":
        return GOODFELLOW, bg.cell("rnn"), GOODFELLOW_NAMES
    if which == "d2l":
        return D2L, bg.recurrence(D2L_SYSTEM), D2L_NAMES
    if which == "greff":
        return GREFF, bg.cell("lstm-peephole"), GREFF_NAMES
    text, rec = gru("after" in which, "keeps" in which)
    return text, rec, {**GRU_NAMES, **{f"∂{p}": f"g{p}" for p in rec.parameters}}


FORMS = [
    "goodfellow",
    "d2l",
    "greff",
    *[f"gru reset {a}, z {b}" for a in ("before", "after") for b in ("keeps", "writes")],
]


def ours(rec: bg.Recurrence, names: dict[str, str]) -> dict[str, Expr]:
    """Our recursions by the paper's names, each as one sum."""
    found = {}
    for r in rec.derive("all").recursions:
        if r.kind != "terminal" and not (r.kind == "gradient" and "[" in r.key):  # papers print no gradient by h[0]
            key = names.get("∂" + r.key) if r.kind == "gradient" else names.get(r.key, r.key)
            found[f"{key}[t]" if r.kind != "gradient" else str(key)] = renamed(
                add(*r.terms), lambda n: _named(n, names)
            )
    return found


def _named(name: str, names: dict[str, str]) -> str:
    base, bracket, step = name.partition("[")
    return names.get(base, base) + bracket + step


def expanded(equations: dict[str, Expr], kept: set[str]) -> dict[str, Expr]:
    """What only one side names, written out."""
    for name in [n for n in equations if n not in kept]:
        meaning = equations[name]
        equations = {n: put(e, name[:-3], meaning) for n, e in equations.items() if n != name}
    return equations


@pytest.mark.parametrize("which", FORMS)
def test_printed_as_published(which: str):
    text, rec, names = published(which)
    u = rec.unroll(3)
    paper = Paper(text, u, names)
    mine = ours(rec, names)
    shared = set(mine) & set(paper.equations)
    assert {n for n in mine if not n.endswith("[t]")} <= shared  # every parameter's gradient is printed
    left, right = expanded(mine, shared), expanded(paper.equations, shared)
    for name in shared:
        assert same(left[name], right[name]), name
    data = u.instance(seed=4)
    run = u.run(data)
    got = paper.gradients(run)
    truth = {names["∂" + p]: complex_step(u, data, p) for p in u.parameters}
    for name, g in truth.items():
        assert np.allclose(got[name], g, rtol=1e-11, atol=1e-12), name

    # what fails must be able to fail: each spoilt form differs from ours, and so do its numbers
    spoilt = 0
    for name in shared:
        for bad in mutants(paper.equations[name]):
            equations = {**paper.equations, name: bad}
            assert not same(left[name], expanded(equations, shared)[name]), (name, bad)
            try:
                wrong = paper.gradients(run, equations)
                agree = all(
                    np.shape(wrong[n]) == g.shape and np.allclose(wrong[n], g, rtol=1e-6, atol=1e-8)
                    for n, g in truth.items()
                )
            except ValueError:  # shapes that do not fit
                agree = False
            assert not agree, (name, bad)
            spoilt += 1
    assert spoilt > 20


# R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural networks (2013), equations 3 to 5


def pascanu() -> dict[str, tuple[Expr, Expr]]:
    """Temporal components: ∂E/∂W = Σ_t Σ_{k≤t} ∂E_t/∂s_t (Π_{t≥j>k} ∂s_j/∂s_{j−1}) ∂⁺s_k/∂W, with ∂s_j/∂s_{j−1} = W
    diag(φ'(s_{j−1})).

    The paper prints Wᵀ diag(φ'), which is not the Jacobian; and the immediate derivative is that of W φ(s_{k−1}), all
    else fixed.
    """
    n, t, k, T = (3,), Symbol((), "t", ()), Symbol((), "k", ()), Symbol((), "T", ())
    W = symbol("W", (3, 3))
    row = Partial((1, 3), "E[t]", "s[t]")
    jacobian = partial("s[j]", n, "s[j-1]", n)
    use = partial("s[k]", n, "W", (3, 3), immediate=True)
    body = Product((1, 9), (row, BigProduct((3, 3), "j", add(k, num(1)), t, jacobian), use))
    total = BigSum((1, 9), "t", num(1), T, BigSum((1, 9), "k", num(1), t, body))

    slope = subtract(num(1), power(_tanh("s[j-1]"), num(2)))
    r = Symbol((1, 3), "r", ())
    return {
        "∂E/∂W": (partial("E", (), "W", (3, 3)), total),
        "∂s[j]": (jacobian, product(W, diag(slope, 3))),
        "r ∂⁺s[k]": (Product((1, 9), (r, use)), product(transpose(r), transpose(_tanh("s[k-1]")))),
    }


def _tanh(name: str, n: tuple[int, ...] = (3,)) -> Expr:
    return instead(tree(parse("y[t] = tanh(s[t])").equations[0].right, {"s": n}), "s[t]", symbol(name, n))


def test_pascanu_temporal_components():
    rec = bg.cell("rnn-pre-activation", let={"φ": "tanh"})
    u = rec.unroll(3)
    form = rec.derive("W", sizes={"s": 3, "x": 2}).closed_form
    got = [(s.left, add(*s.terms)) for s in form.statements]
    for name, (left, right) in pascanu().items():
        match = [r for x, r in got if same(x, left)]
        assert len(match) == 1 and same(match[0], right), name
        for bad in mutants(right):
            assert not same(match[0], bad), (name, bad)
    # the same trees by numbers: rows, Jacobians and immediate derivatives of each (t, k)
    data = u.instance(seed=2)
    run = u.run(data)
    values = {n: run.array(n)[0] if u.node(n).batched else run.array(n) for n in u.vgraph.variables}

    def at(e: Expr, letter: str, step: int) -> Any:
        return matrix_value(renamed(e, at_steps({letter: step})), values)

    jacobian = pascanu()["∂s[j]"][1]
    total = np.zeros((3, 3))
    for t in range(1, 4):
        for k in range(1, t + 1):
            row = np.asarray(values[f"dE_ds[{t}]"])[None, :]
            for j in range(t, k, -1):
                row = row @ at(jacobian, "j", j)
            total += row.T @ at(_tanh("s[k-1]"), "k", k).T
    assert np.allclose(total, complex_step(u, data, "W"), rtol=1e-12, atol=1e-14)
    printed = product(transpose(symbol("W", (3, 3))), diag(subtract(num(1), power(_tanh("s[j-1]"), num(2))), 3))
    assert not same(jacobian, printed)  # the form in the paper, with its transpose


# A. Zhang et al., Dive into Deep Learning, equations 9.7.4 and 9.7.7

ABSTRACT = "h[t] = f(x[t], h[t-1]; w_h); o[t] = g(h[t]; w_o); l[t] = q(o[t], target[t]); L = sum_t l[t]"


def test_d2l_sensitivity_of_the_state():
    form = bg.recurrence(ABSTRACT).derive("w_h", notation="d2l").closed_form
    got = {str(s).split(" = ")[0]: add(*s.terms) for s in form.forward}
    h, w = form.variables["h[1]"].shape, form.variables["w_h"].shape
    f_w, f_h = partial("f_h[t]", h, "w_h", w), partial("f_h[t]", h, "h[t-1]", h)
    want = add(f_w, product(f_h, partial("h[t-1]", h, "w_h", w)))
    assert same(got["∂hₜ/∂w_h"], want)
    assert not any(same(got["∂hₜ/∂w_h"], bad) for bad in mutants(want))


@pytest.mark.parametrize("T", [1, 2, 3, 4])
def test_d2l_sum_of_products(T: int):
    """∂h_t/∂w_h = ∂f_t/∂w_h + Σ_{i=1}^{t−1} (Π_{j=i+1}^t ∂f_j/∂h_{j−1}) ∂f_i/∂w_h, written out for each t."""
    form = bg.recurrence(ABSTRACT).derive("w_h", notation="d2l").closed_form
    h, w = form.variables["h[1]"].shape, form.variables["w_h"].shape
    ours = fill(form.statements[0].terms[0], {"T": T})

    def use(i: int) -> Expr:
        return partial(f"f_h[{i}]", h, "w_h", w)

    rows = []
    for t in range(1, T + 1):
        chains = [
            product(*[partial(f"f_h[{j}]", h, f"h[{j - 1}]", h) for j in range(t, i, -1)], use(i)) for i in range(1, t)
        ]
        rows.append(product(partial(f"l[{t}]", (), f"h[{t}]", h), add(use(t), *chains)))
    assert same(ours, add(*rows))
    if T > 1:
        assert not same(ours, add(*rows[:-1])) and not same(
            ours, add(*rows[:-1], product(partial(f"l[{T}]", (), f"h[{T}]", h), use(T)))
        )


@pytest.mark.parametrize("T", [1, 2, 4])
def test_d2l_powers_of_a_linear_state(T: int):
    """∂L/∂h_t = Σ_{i=t}^T (W_hhᵀ)^{T−i} W_qhᵀ ∂L/∂o_{T+t−i}: the recursion written out, compared as a tree."""
    rec = bg.recurrence(D2L_SYSTEM)
    u = rec.unroll(T)
    parts = {p.name: add(*[x.expr for x in p.pieces]) for p in rec.derive("W_hh").at(T).adjoints.parts}
    shapes = u.shapes
    W, V = transpose(symbol("W_hh", shapes["W_hh"])), transpose(symbol("W_qh", shapes["W_qh"]))

    def inline(e: Any, t: int) -> Any:
        return instead(e, f"h{BAR}[{t + 1}]", inline(parts[f"h{BAR}[{t + 1}]"], t + 1)) if t < T else e

    for t in range(1, T + 1):
        want = add(*[product(*[W] * (T - i), V, symbol(f"o{BAR}[{T + t - i}]", shapes["o"])) for i in range(t, T + 1)])
        mine = inline(parts[f"h{BAR}[{t}]"], t)
        assert same(mine, want)
        if t < T:
            assert not same(
                mine, add(*[product(*[W] * (T - i), V, symbol(f"o{BAR}[{i}]", shapes["o"])) for i in range(t, T + 1)])
            )


def test_the_state_block_of_the_lstm():
    """J_t = [[f, A], [o h'(c) f, o h'(c) A + h(c) o (1−o) R_o]], A = z i(1−i) R_i + i g' R_z + c₋ f(1−f) R_f: the union
    of all paths."""
    form = bg.cell("lstm").derive("b_f").closed_form
    got = {str(s).split(" = ")[0]: add(*s.terms) for s in form.statements}
    n = form.variables["h[1]"].shape
    i, f, o, g = (symbol(f"{x}[j]", n) for x in "ifog")
    old = symbol("c[j-1]", n)

    def D(*x: Expr) -> Expr:
        return diag(hadamard(*x), n[0])

    def U(x: str) -> Expr:
        return symbol(f"U_{x}", (n[0], n[0]))

    one = num(1)
    A = add(
        product(D(g, i, subtract(one, i)), U("i")), product(D(i, subtract(one, power(g, num(2)))), U("g")),
        product(D(old, f, subtract(one, f)), U("f")),
    )  # fmt: skip
    tanh = _tanh("c[j]", n)
    out = D(o, subtract(one, power(tanh, num(2))))
    assert same(got["∂cⱼ/∂cⱼ₋₁"], D(f)) and same(got["∂cⱼ/∂hⱼ₋₁"], A)
    whole = add(product(out, A), product(D(tanh, o, subtract(one, o)), U("o")))
    inner = partial("c[j]", n, "h[j-1]", n)
    assert same(instead_partial(got["∂hⱼ/∂hⱼ₋₁"], inner, A), whole)
    for bad in mutants(A):
        assert not same(got["∂cⱼ/∂hⱼ₋₁"], bad)
    assert isinstance(got["∂sⱼ/∂sⱼ₋₁"], Blocks)
