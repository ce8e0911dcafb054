"""Every notation of a gradient means the same numbers as its twin in plain notation, and a planted error is not right.

The twins are written with nothing but names, steps, products and sums; the Jacobians are compared with a complex step
in NumPy alone.
"""

from __future__ import annotations

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.homework.answers.reading import read_answer
from bpttgraph.homework.truth.truth import Truth
from bpttgraph.homework.verdict.readings import in_its_best_reading
from bpttgraph.homework.verdict.tied import to_answer

RNN = """s[t] = tanh(A s[t-1] + B u[t] + a)
z[t] = C s[t] + c
E[t] = squared_error(z[t], q[t])"""
LINEAR = """s[t] = A s[t-1] + B u[t]
z[t] = C s[t]
E[t] = squared_error(z[t], q[t])"""
STACKED = """s[t] = tanh(W [s[t-1]; u[t]] + a)
z[t] = C s[t]
E[t] = squared_error(z[t], q[t])"""
M = "m[t] = (1 - s[t]^2) * (C.T (z[t] - q[t]) + A.T m[t+1])\n"
TWIN = M + "dA = sum_t outer(m[t], s[t-1])"
TWIN_B = M + "dB = sum_t outer(m[t], u[t])"
LINEAR_TWIN = "m[t] = C.T (z[t] - q[t]) + A.T m[t+1]\ndB = sum_t outer(m[t], u[t])"
STACKED_TWIN = """g[t] = C.T (z[t] - q[t]) + slice(W.T m[t+1], 0, 0, 4)
m[t] = (1 - s[t]^2) * g[t]
dW = sum_t outer(m[t], [s[t-1]; u[t]])"""

# recurrence, twin, notation, and what a planted error changes in it
NOTATIONS = {
    "fractions": (
        RNN,
        TWIN,
        r"\frac{\partial E}{\partial A} = \sum_{t=1}^{T}\sum_{k=1}^{t}\left(\frac{\partial E_t}{\partial s_t}"
        r"\left(\prod_{j=k+1}^{t}\frac{\partial s_j}{\partial s_{j-1}}\right)"
        r"\operatorname{diag}(1-s_k^2)\right)^{\top} s_{k-1}^{\top}",
        ("s_{k-1}^", "s_k^"),
    ),
    "immediate": (
        RNN,
        TWIN,
        r"\frac{\partial E}{\partial A} = \sum_{t=1}^{T}\sum_{k=1}^{t} \frac{\partial E_t}{\partial z_t}"
        r"\frac{\partial z_t}{\partial s_t}\frac{\partial s_t}{\partial s_k}\frac{\partial^+ s_k}{\partial A}",
        ("{t} \\frac", "{t-1} \\frac"),
    ),
    "unicode": (
        RNN,
        TWIN,
        "∂E/∂A = Σ_{t=1}^{T} Σ_{k=1}^{t} (∂E[t]/∂s[t]) (∂s[t]/∂s[k]) ∂⁺s[k]/∂A",
        ("∂⁺s[k]", "∂s[k]/∂s[k-1] ∂⁺s[k-1]"),
    ),
    "without the plus": (
        RNN,
        TWIN,
        "dA = sum_t sum_{k=1}^{t} dE[t]/ds[t] ds[t]/ds[k] ds[k]/dA",
        ("ds[t]/ds[k]", "ds[t]/ds[k] ds[t]/ds[k]"),
    ),
    "the whole derivative": (
        RNN,
        TWIN,
        r"\frac{d E}{d A} = \sum_t \frac{d E_t}{d s_t} \frac{d s_t}{d A}",
        ("d E_t", "2 d E_t"),
    ),
    "denominator layout": (
        RNN,
        TWIN,
        r"\frac{\partial E}{\partial A} = \sum_t \sum_{k=1}^t \frac{\partial^+ s_k}{\partial A}"
        r"\frac{\partial s_t}{\partial s_k} \frac{\partial E_t}{\partial s_t}",
        ("sum_{k=1}", "sum_{k=2}"),
    ),
    "bounds": (
        RNN,
        TWIN,
        "∂E/∂A = Σ_{1≤t≤T} Σ_{k≤t} ∂E_t/∂s_t (∏_{t≥i>k} ∂s_i/∂s_{i-1}) ∂⁺s_k/∂A",
        ("k≤t", "k<t"),
    ),
    "forward": (
        RNN,
        TWIN,
        "ds[t]/dA = ∂⁺s[t]/∂A + ds[t]/ds[t-1] ds[t-1]/dA\ndA = sum_t dE[t]/ds[t] ds[t]/dA",
        ("+ ds[t]", "- ds[t]"),
    ),
    "nabla": (
        RNN,
        TWIN,
        "\\nabla_{z_t} L = z_t - q_t\n"
        "\\nabla_{s_t} L = C^\\top \\nabla_{z_t} L + A^\\top \\operatorname{diag}(1 - s_{t+1}^2) \\nabla_{s_{t+1}} L\n"
        "\\nabla_A L = \\sum_t \\operatorname{diag}(1 - s_t^2) (\\nabla_{s_t} L) s_{t-1}^\\top",
        ("A^\\top", "A"),
    ),
    "partial with a subscript": (RNN, TWIN, M + "∂_A L = Σ_t m[t] s[t-1]ᵀ", ("s[t-1]", "s[t]")),
    "a step's share": (
        RNN,
        TWIN,
        M + r"\frac{\partial E_t}{\partial A} = m_t s_{t-1}^\top" + "\n"
        r"\frac{\partial E}{\partial A} = \sum_t \frac{\partial E_t}{\partial A}",
        ("s_{t-1}", "s_t"),
    ),
    "at a step": (
        RNN,
        TWIN,
        M + r"\left.\frac{\partial E}{\partial A}\right|_{(t)} = m_t s_{t-1}^\top",
        ("s_{t-1}", "s_t"),
    ),
    "primes": (
        RNN,
        TWIN,
        "m[t] = tanh'(A s[t-1] + B u[t] + a) * (C.T (z[t] - q[t]) + A.T m[t+1])\ndA = sum_t m[t] s[t-1].T",
        ("+ a)", ")"),
    ),
    "units": (
        RNN,
        TWIN,
        r"\delta_{t,i} = (1 - s_{t,i}^2)\left(\sum_k C_{ki}(z_{t,k} - q_{t,k}) + \sum_j A_{ji}\delta_{t+1,j}\right)"
        "\n" + r"\frac{\partial L}{\partial A_{ij}} = \sum_{t} \delta_{t,i}\, s_{t-1,j}",
        ("A_{ji}", "A_{ij}"),
    ),
    "adding up": (
        RNN,
        TWIN,
        "dA = np.zeros_like(A)\n" + M + "dA += np.outer(m[t], s[t-1])",
        ("s[t-1])", "s[t])"),
    ),
    "carried by adding": (
        RNN,
        TWIN,
        "g[t] = np.dot(C.T, z[t] - q[t])\ng[t-1] += np.dot(A.T, (1 - s[t]**2) * g[t])\n"
        "dA += np.outer((1 - s[t]**2) * g[t], s[t-1])",
        ("A.T", "A"),
    ),
    "names with a prefix": (
        RNN,
        TWIN,
        "\\boldsymbol{\\delta s}^t = C^T (z^t - q^t) + A^T ((1 - (s^{t+1})^2) \\odot \\boldsymbol{\\delta s}^{t+1})\n"
        "\\boldsymbol{\\delta A} = \\sum_{t=1}^T ((1 - (s^t)^2) \\odot \\boldsymbol{\\delta s}^t) (s^{t-1})^T",
        ("A^T", "A"),
    ),
    "words with a prefix": (
        RNN,
        TWIN,
        "δstate_t = (1 - s_t^{2}) ⊙ (Cᵀ (z_t - q_t) + Aᵀ δstate_{t+1})\ndA = Σ_t δstate_t s_{t-1}ᵀ",
        ("Aᵀ", "A"),
    ),
    "circled cross": (RNN, TWIN, M + "dA = sum_t m[t] ⊗ s[t-1]", ("s[t-1]", "s[t]")),
    "angles": (RNN, TWIN, M + r"dA = \sum_{t=1}^{T} \langle m_t, s_{t-1} \rangle", ("s_{t-1}", "s_t")),
    "angles of two sizes": (RNN, TWIN_B, M + "dB = Σ_t ⟨m_t, u_t⟩", ("m_t,", "s_t,")),
    "a sum without an index": (RNN, TWIN, M + "∂A = Σ m[t] s[t-1]ᵀ", ("s[t-1]", "s[t]")),
    "transposed with its step": (
        RNN,
        TWIN,
        "\\delta^{(t)} = (1 - (s^{(t)})^{\\circ 2}) \\bullet (C^\\top (z^{(t)} - q^{(t)}) + A^\\top \\delta^{(t+1)})\n"
        "\\nabla_A L = \\sum_t \\delta^{(t)} s^{(t-1)\\top}",
        ("(t-1)\\top", "(t)\\top"),
    ),
    "round brackets and n": (
        RNN,
        TWIN,
        "m(n) = (1 - s(n)^2) * (C.T (z(n) - q(n)) + A.T m(n+1))\ndA = sum_n m(n) s(n-1).T",
        ("s(n-1)", "s(n)"),
    ),
    "the identity": (
        RNN,
        TWIN,
        "m[t] = (I - diag(s[t]^2)) (C.T (z[t] - q[t]) + A.T m[t+1])\ndA = sum_t m[t] s[t-1].T",
        ("I -", "I +"),
    ),
    "cases": (
        RNN,
        TWIN,
        "\\delta_t = \\begin{cases} (1-s_t^2) \\odot C^\\top (z_t-q_t) & t = T \\\\ "
        "(1-s_t^2) \\odot (C^\\top (z_t-q_t) + A^\\top \\delta_{t+1}) & t < T \\end{cases}\n"
        "\\frac{\\partial E}{\\partial A} = \\sum_t \\delta_t s_{t-1}^\\top",
        ("A^\\top", "A"),
    ),
    "a word for the steps": (
        RNN,
        TWIN,
        "\\delta_T = (1-s_T^2) \\odot C^\\top (z_T-q_T)\n"
        "\\delta_t = (1-s_t^2) \\odot (C^\\top (z_t-q_t) + A^\\top \\delta_{t+1}) \\quad \\text{for } t < T\n"
        "\\frac{\\partial E}{\\partial A} = \\sum_t \\delta_t s_{t-1}^\\top",
        ("A^\\top", "A"),
    ),
    "a product of arguments": (
        RNN,
        TWIN,
        "g[t] = prod(dE[t]/dz[t], dz[t]/ds[t]) + g[t+1] diag(1-s[t+1]^2) A\n"
        "dA = sum_t (g[t] diag(1-s[t]^2)).T s[t-1].T",
        ("+ g", "- g"),
    ),
    "the matrix behind the product": (
        RNN,
        TWIN,
        "dA = sum_t sum_{k=1}^t dE[t]/ds[t] (prod_{j=k+1}^t diag(1-s[j]^2) A) ∂⁺s[k]/∂A",
        ("1-s[j]", "1-s[k]"),
    ),
    "powers": (
        LINEAR,
        LINEAR_TWIN,
        r"\frac{\partial E}{\partial B} = \sum_{t=1}^T \sum_{k=1}^t (A^\top)^{t-k} C^\top (z_t-q_t) u_k^\top",
        ("t-k", "t-k+1"),
    ),
    "powers, plain": (
        LINEAR,
        LINEAR_TWIN,
        "dB = sum_{t=1}^{T} sum_{k=1}^{t} ((A^(t-k)).T C.T (z[t]-q[t])) u[k].T",
        ("t-k", "T-k"),
    ),
    "steps added up": (
        LINEAR,
        LINEAR_TWIN,
        r"\frac{\partial E}{\partial s_t} = \sum_{i=t}^T (A^\top)^{T-i} C^\top \frac{\partial E}{\partial z_{T+t-i}}"
        "\n" + r"\frac{\partial E}{\partial z_t} = z_t - q_t" + "\n"
        r"\frac{\partial E}{\partial B} = \sum_t \frac{\partial E}{\partial s_t} u_t^\top",
        ("T+t-i", "i+t-t"),
    ),
    "unpacked": (
        STACKED,
        STACKED_TWIN,
        "[dsp[t]; du[t]] = W.T m[t]\nm[t] = (1 - s[t]^2) * (C.T (z[t]-q[t]) + dsp[t+1])\n"
        "dW = sum_t m[t] [s[t-1]; u[t]].T",
        ("+ dsp", "- dsp"),
    ),
    "sliced": (
        STACKED,
        STACKED_TWIN,
        "m[t] = (1 - s[t]^2) * (C.T (z[t]-q[t]) + W[:, :n].T m[t+1])\ndW = sum_t m[t] [s[t-1]; u[t]].T",
        ("[:, :n]", "[:, 1:5]"),
    ),
}  # fmt: skip


def values(truth, text):
    """What a text is judged as, by name, and whether it is right."""
    verdict = in_its_best_reading(truth, read_answer(text))
    return verdict.right, {n: p.given for n, p in verdict.parameters.items()}


@pytest.fixture(scope="module")
def truths():
    made = {}
    for recurrence in (RNN, LINEAR, STACKED):
        u = bg.recurrence(recurrence).unroll(4)
        made[recurrence] = Truth(u, u.instance(seed=5))
    return made


@pytest.mark.parametrize("notation", NOTATIONS)
def test_a_notation_means_what_its_twin_means(truths, notation):
    recurrence, twin, text, _ = NOTATIONS[notation]
    truth = truths[recurrence]
    right, found = values(truth, text)
    plain = to_answer(truth, read_answer(twin)).given
    assert right
    for name, g in plain.items():
        assert np.allclose(found[name], g.value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_a_planted_error_is_not_right(truths, notation):
    recurrence, _, text, (old, new) = NOTATIONS[notation]
    assert old in text
    try:
        right, _ = values(truths[recurrence], text.replace(old, new))
    except bg.BPTTError:
        return  # refused: that is no verdict
    assert not right


@pytest.mark.parametrize("batch", [None, 3])
def test_derivatives_by_a_matrix_are_those_of_each_example(batch):
    u = bg.recurrence(RNN).unroll(3)
    for text in (NOTATIONS["immediate"][2], NOTATIONS["forward"][2], NOTATIONS["the whole derivative"][2]):
        assert bg.verify(u, text, batch=batch).right


def test_a_sum_of_entries_is_no_sum_over_steps():
    """`np.sum(x)` adds up the entries of a vector, `\\sum x` without an index goes over the steps."""
    u = bg.recurrence(RNN).unroll(3)
    assert bg.verify(u, M + "da = \\sum m_t").right
    assert not bg.verify(u, M + "da = sum_t np.sum(m[t])").right
    with pytest.raises(bg.BPTTError, match="which step"):
        bg.verify(u, M + "da = np.sum(m[t])")


def test_a_long_answer_with_whole_derivatives_is_quick():
    """A sum of ∂E_t/∂s_t ∂s_t/∂A is put together step by step, and does not go back from every t."""
    u = bg.recurrence(RNN).unroll(120)
    assert bg.verify(u, "dA = sum_t dE[t]/ds[t] ds[t]/dA").right


# -- Jacobians ---------------------------------------------------------------------------------------------------------


def complex_jacobian(A, B, a, s, u, steps):
    """∂s[steps]/∂s[0] by a complex step."""
    n = len(s)
    found = np.zeros((n, n))
    for i in range(n):
        x = s.astype(complex)
        x[i] += 1e-30j
        for t in range(steps):
            x = np.tanh(A @ x + B @ u[t] + a)
        found[:, i] = x.imag / 1e-30
    return found


@pytest.mark.parametrize(
    ("text", "right", "note"),
    [
        ("ds[t]/ds[t-1] = diag(1-s[t]^2) A", True, "numerator"),
        ("∂s_t/∂s_{t-1} = Aᵀ diag(1-s_t²)", True, "denominator"),
        ("ds[t]/ds[t-1] = A diag(1-s[t]^2)", False, ""),
        (r"\frac{\partial s_t}{\partial s_k} = \prod_{j=k+1}^t \operatorname{diag}(1-s_j^2) A", True, "numerator"),
        ("∂s_t/∂s_k = ∏_{j=k+1}^t A^T diag(1-s_j^2)", True, "denominator"),
        (r"\frac{\partial s_t}{\partial s_k} = \prod_{t \ge i > k} \frac{\partial s_i}{\partial s_{i-1}}", True, ""),
        (r"\frac{\partial s_t}{\partial s_k} = \prod_{j=k+2}^t \operatorname{diag}(1-s_j^2) A", False, ""),
        (r"\frac{\partial s_T}{\partial s_1} = \prod_{j=2}^T \operatorname{diag}(1-s_j^2) A", True, "numerator"),
        ("ds[t]/dA = sum_{k=1}^t ds[t]/ds[k] ∂⁺s[k]/∂A", True, "numerator"),
        ("ds[t]/dA = sum_{k=1}^{t-1} ds[t]/ds[k] ∂⁺s[k]/∂A", False, ""),
        ("dz[t]/ds[t] = C.T", True, "denominator"),
        ("dE[t]/dz[t] = (z[t] - q[t]).T", True, ""),
    ],
)  # fmt: skip
def test_jacobians_are_judged(text, right, note):
    verdict = bg.verify(bg.recurrence(RNN).unroll(4), text)
    assert verdict.right is right
    assert note in " ".join(verdict.notes)
    if not right:
        assert "wrong at" in verdict.report("why")


def test_true_jacobians_are_those_of_the_complex_step():
    u = bg.recurrence(RNN).unroll(3)
    data = u.instance(seed=2)
    verdict = bg.verify(u, "ds[t]/ds[k] = prod_{j=k+1}^t (diag(1-s[j]^2) A)", data)
    (p,) = verdict.parameters.values()
    run = u.run(data)
    steps = [(2, 1), (3, 1), (3, 2)]
    for array, (t, k) in zip(p.true, steps, strict=True):
        inputs = [np.asarray(data["u"])[j] for j in range(k, t)]
        expected = complex_jacobian(data["A"], data["B"], data["a"], np.asarray(run.values[f"s[{k}]"]), inputs, t - k)
        assert np.allclose(array, expected, rtol=1e-12)


def test_the_cell_state_with_the_rest_held_constant():
    lstm = """f[t] = sigmoid(A_f u[t] + B_f y[t-1])
g[t] = tanh(A_g u[t] + B_g y[t-1])
k[t] = f[t]*k[t-1] + (1-f[t])*g[t]
y[t] = tanh(k[t])
E[t] = squared_error(y[t], q[t])"""
    u = bg.recurrence(lstm).unroll(4)
    verdict = bg.verify(u, "dk[t]/dk[t-1] = diag(f[t])")
    assert verdict.right and "held constant" in " ".join(verdict.notes)
    whole = "diag(f[t]) + diag((k[t-1] - g[t]) * f[t] * (1-f[t])) B_f diag(1-y[t-1]^2)"
    whole += " + diag((1-f[t]) * (1-g[t]^2)) B_g diag(1-y[t-1]^2)"
    assert bg.verify(u, "dk[t]/dk[t-1] = " + whole.replace("y[t-1]^2", "tanh(k[t-1])^2")).right
    assert not bg.verify(u, "dk[t]/dk[t-1] = diag(f[t-1])").right


def test_a_wrong_jacobian_beside_the_gradient_that_it_spoils():
    text = "ds[t]/ds[t-1] = diag(1-s[t]^2) A.T\n"
    text += "dA = sum_t sum_{k<=t} dE[t]/ds[t] (prod_{j=k+1}^{t} ds[j]/ds[j-1]) ∂⁺s[k]/∂A"
    verdict = bg.verify(bg.recurrence(RNN).unroll(4), text)
    assert verdict.wrong == ("A", "ds[t]/ds[t-1]")


# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("dA = dE/dA", "is defined by itself", ""),
        ("dA = sum_t dE[t]/dA", "is what is asked for", "what it equals"),
        (M + "dA = m[1] s[0].T + ... + m[T] s[T-1].T", "dots stand for terms", "sum_t"),
        ("m[t] = softmax'(s[t])\ndA = sum_t m[t] s[t-1].T", "no vector", "dy[t]/dz[t]"),
        ("m[t] = tahn'(s[t])\ndA = sum_t m[t] s[t-1].T", "tahn is not a function here", "tanh"),
        ("m[t] = W[:, :n].T s[t]\ndA = sum_t m[t] s[t-1].T", "W is not defined", ""),
        ("m[t] = A[:, :n].T s[t]\ndA = sum_t m[t] s[t-1].T", "which number is n?", "[:, :3]"),
        ("ds[t]/ds[k] = prod_{j=k}^t ds[j]/ds[j-1]", "", "one step later"),
        ("ds[t]/ds[t-1] = ds[t]/ds[t-1]", "defined by itself", "what it equals"),
        ("dA = \\prod m_t", "over which steps", "bounds"),
    ],
)
def test_what_is_not_understood_is_refused(text, message, hint):
    with pytest.raises(bg.BPTTError) as caught:
        bg.verify(bg.recurrence(RNN).unroll(4), text)
    assert message in str(caught.value) and hint in str(caught.value)


@pytest.mark.parametrize(
    "part",
    ["∂s[t]/∂", "\\frac{", "\\frac{\\partial ", "∇_", "∇_{", "∂⁺", "dA[", "[:,", "Σ_{1≤", "\\begin{cases} ", "(∇_s L)_",
     "+= "],
)  # fmt: skip
def test_hostile_text_is_refused_at_once(part):
    u = bg.recurrence(RNN).unroll(3)
    for text in ("dA = " + part * (6_000 // len(part)), part * (6_000 // len(part)) + " = 1"):
        with pytest.raises(bg.BPTTError):
            bg.verify(u, text)
