"""How formulas are read: what is judged whatever helpers are called, products in either order, powers, the steps before
the first."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import bpttgraph as bg
from bpttgraph.homework.answers.formulas import Formulas
from bpttgraph.homework.answers.given import Reading
from bpttgraph.homework.verdict import judge

REC = """
h[t] = tanh(W h[t-1] + U x[t] + b)
z[t] = V h[t] + c
E[t] = squared_error(z[t], q[t])
"""
ANSWER = """
e[t] = z[t] - q[t]
d[t] = (1 - h[t]^2) * (V.T e[t] + W.T d[t+1])
k[t] = outer(d[t], h[t-1])
dW = sum_t k[t]
db = sum_t d[t]
dV = sum_t outer(e[t], h[t])
"""


@pytest.fixture(scope="module")
def u():
    return bg.recurrence(REC).unroll(5)


def statuses(u, text, **options):
    return {n: p.status for n, p in bg.verify(u, text, **options).parameters.items()}


# -- what is judged ----------------------------------------------------------------------------------------------------

MISTAKES = [
    ("", ""),
    ("dW = sum_t k", "dW = sum_t 7*k"),
    ("W.T d[t+1]", "W d[t+1]"),
    ("d[t], h[t-1]", "d[t], h[t]"),
    ("(1 - h[t]^2)", "(1 - h[t])"),
    ("+ W.T d[t+1]", ""),
    ("db = sum_t d[t]", "db = d[1]"),
    ("e[t], h[t])", "e[t], h[t])/2"),
]
NAMES = [
    "dW",
    "dh",
    "dz",
    "dx",
    "dU",
    "dV",
    "db",
    "dc",
    "delta",
    "δ_2",
    "delta_h",
    "dE",
    "∂E/∂h",
    "dh_next",
    "grad_h",
    "d",
    "dq",
    "dt",
    "dd",
    "a",
    "g",
    "dW_2",
    "dWW",
    "p",
    "dfoo",
    "gradient",
    "deltaW",
]


@pytest.fixture
def no_causes():
    """Verdicts only: what a wrong gradient comes from is looked for elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "_causes", lambda *_: {})
        yield


@pytest.mark.usefixtures("no_causes")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(MISTAKES), st.lists(st.sampled_from(NAMES), min_size=3, max_size=3, unique=True))
def test_names_of_helpers_decide_nothing(mistake, names):
    """Helpers are lines that others read; whatever they are called, the same gradients are judged, with the same
    outcome."""
    u = bg.recurrence(REC).unroll(4)
    text = ANSWER.replace(*mistake) if mistake[0] else ANSWER
    renamed = text
    for old, new in zip("edk", names):
        renamed = re.sub(rf"\b{old}\[", f"<{new}>[", renamed)
    assert statuses(u, renamed.replace("<", "").replace(">", "")) == statuses(u, text)


def test_a_gradient_beside_its_own_contributions_is_judged(u):
    contributions = "dW[t] = outer(d[t], h[t-1])\ndW = sum_t {}dW[t]"
    lead = "\n".join(ANSWER.splitlines()[:3]) + "\n"
    assert statuses(u, lead + contributions.format("")) == {"W": "right"}
    verdict = bg.verify(u, lead + contributions.format("7*"))
    assert verdict.wrong == ("W",) and "multiplied by 7" in verdict.parameters["W"].cause


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("dW[t] = outer(d[t], h[t-1])", {"W": "right"}),  # contributions of the steps
        ("dW[t] = 3*outer(d[t], h[t-1])", {"W": "wrong"}),
        ("db[t] = db[t+1] + d[t]", {"b": "right"}),  # a running sum
        ("db[t] = db[t-1] + d[t]", {"b": "right"}),
        ("db[t] = db[t-1] + 3*d[t]", {"b": "wrong"}),
        ("db[T] = d[T]\ndb[t] = db[t+1] + d[t]", {"b": "right"}),
        ("dh0 = W.T d[1]", {"h[0]": "right"}),
        ("dh_0 = 3 * W.T d[1]", {"h[0]": "wrong"}),
        ("dh[0] = W d[1]", {"h[0]": "wrong"}),
        ("dc = sum_t e[t]\ndx[t] = U.T d[t]", {"c": "right"} | {f"x[{t}]": "right" for t in range(1, 6)}),
        ("dc = sum_t e[t]\ndx[t] = 2 * U.T d[t]", {"c": "right"} | {f"x[{t}]": "wrong" for t in range(1, 6)}),
        (
            "dc = sum_t e[t]\ndh[t] = V.T e[t]",
            {"c": "right"} | {f"h[{t}]": "wrong" if t < 5 else "right" for t in range(1, 6)},
        ),
        (
            "dc = sum_t e[t]\ndelta[t] = V.T e[t]",
            {"c": "right"} | {f"δ[{t}]": "wrong" if t < 5 else "right" for t in range(1, 6)},
        ),
        ("dc = sum_t e[t]\ng[t] = V.T e[t]", {"c": "right"}),
        ("c = sum_t e[t]", {"c": "right"}),
    ],
)
def test_every_gradient_that_is_defined_is_judged(u, line, found):
    lead = "\n".join(ANSWER.splitlines()[:3]) + "\n"
    if "sum_t e[t]" in line:
        lead = lead.replace("d[t] = (1", "d[t] = 1 * (1")
    got = statuses(u, lead + line)
    assert {n: s for n, s in got.items() if n in found} == found and not {"W", "U", "V"} & (got.keys() - found.keys())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("dWW = sum_t d[t]", "nothing here is called dWW"),
        ("dfoo[t] = 3 * d[t]", "nothing here is called dfoo"),
        ("dx = U.T d[1]", "the gradient by x has a step"),
        ("dE/dc = sum_t d[t]", "the gradient by c is defined twice"),
        ("dc[t] = e[t]", "the gradient by c is defined twice"),
    ],
)
def test_what_cannot_be_judged_is_an_error(u, line, words):
    text = ANSWER + "dc = sum_t e[t]\n" + line
    with pytest.raises(bg.BPTTError) as caught:
        bg.verify(u, text)
    assert words in caught.value.message and caught.value.span.line == len(text.splitlines())


FUNCTIONS = [
    "tanh",
    "sigmoid",
    "outer",
    "dot",
    "diag",
    "sum",
    "norm",
    "softmax",
    "exp",
    "log",
    "sqrt",
    "concat",
    "max",
    "abs",
    "cross_entropy",
]


def random_expression(draw, u, depth, scope, helpers):
    """Anything that the grammar of answers allows, whether it fits together or not."""

    def part(more=()):
        return random_expression(draw, u, depth - 1, [*scope, *more], helpers)

    kind = draw.random()
    if depth == 0 or kind < 0.35:
        if draw.random() < 0.35:
            return draw.choice([*u.parameters, "1", "2", "0", "0.5", "T", *scope])
        name = draw.choice([n for n in u.shapes if n not in u.parameters] + 2 * helpers)
        return f"{name}[{draw.choice(scope or ['T'])}{draw.choice(['', '', '-1', '+1', '-2'])}]"
    if kind < 0.65:
        return f"({part()} {draw.choice(['+', '-', '*', '/', '@', '', '∘'])} {part()})"
    if kind < 0.75:
        return part() + ".T"
    if kind < 0.83:
        return f"{draw.choice(FUNCTIONS)}({part()}{', ' + part() if draw.random() < 0.5 else ''})"
    if kind < 0.92:
        v = next(x for x in "tkjimn" if x not in scope)
        low, high = ([*ends, *scope, *(f"{x}+1" for x in scope)] for ends in (["1", "0", "T"], ["1", "T"]))
        return f"({draw.choice(['sum', 'prod'])}_{{{v}={draw.choice(low)}}}^{{{draw.choice(high)}}} ({part([v])}))"
    if kind < 0.97:
        return f"({part()})^({draw.choice(['2', 'T', '0', '-1', '0.5', *(f'T-{x}' for x in scope)])})"
    return f"[{part()}; {part()}]"


@pytest.mark.usefixtures("no_causes")
def test_any_answer_ends_in_a_verdict_or_in_one_message():
    draw = random.Random(7)
    scalar = bg.recurrence("s[t] = tanh(w s[t-1] + v x[t] + b)\nE[t] = squared_error(s[t], q[t])").unroll(4, sizes=1)
    counts = [0, 0]
    for _ in range(250):
        u = draw.choice(
            [bg.recurrence(REC).unroll(4), scalar, bg.recurrence("h[t] = tanh(W h[t-1] + U x[t])").unroll(4)]
        )
        helpers = draw.sample("dgmn", draw.randint(0, 2))
        lines = [f"{h}[t] = {random_expression(draw, u, draw.randint(1, 3), ['t'], helpers)}" for h in helpers]
        lines.append(
            f"d{draw.choice(list(u.parameters))} = sum_t"
            f" ({random_expression(draw, u, draw.randint(1, 3), ['t'], helpers)})"
        )
        try:
            assert str(bg.verify(u, "\n".join(lines)))
            counts[0] += 1
        except bg.BPTTError as error:
            assert error.message
            counts[1] += 1
    assert min(counts) > 20, counts


# -- products over steps -----------------------------------------------------------------------------------------------

PRODUCTS = {
    "dW": "outer(({}) * (1-h[k]^2), h[k-1])",
    "forward": "(prod_{{j={}}}^{{{}}} (diag(1-h[j]^2) W)).T (V.T (z[t]-q[t]))",
    "backward": "(prod_{{j={}}}^{{{}}} (W.T diag(1-h[j]^2))) (V.T (z[t]-q[t]))",
}


def product(layout, low, high, rest="{}"):
    return "dW = sum_t sum_{k=1}^{t} " + PRODUCTS["dW"].format(rest.format(PRODUCTS[layout].format(low, high)))


def test_products_in_either_order(u):
    """∂h_t/∂h_k: in numerator layout the latest factor is on the left, in denominator layout on the right."""
    first = bg.verify(u, product("forward", "k+1", "t"))
    assert (
        first.right
        and "in the other order dW would be wrong" in first.notes[0]
        and "the latest step on the left" in first.notes[0]
    )
    other = bg.verify(u, product("backward", "k+1", "t"))
    assert other.right and "the earliest step on the left" in other.notes[0]
    assert statuses(u, product("forward", "t", "k+1")) == {"W": "right"}  # the bounds say it
    assert statuses(u, product("backward", "t", "k+1")) == {"W": "wrong"}


@pytest.mark.usefixtures("no_causes")
@pytest.mark.parametrize("layout", ["forward", "backward"])
def test_what_is_wrong_in_both_orders_is_wrong(u, layout):
    right = product(layout, "k+1", "t")
    for old, new in [
        ("(V.T", "(3*V.T"),
        ("h[k-1]", "h[k]"),
        ("j=k+1", "j=k+2"),
        ("^{t} (", "^{t-1} ("),
        ("1-h[j]^2", "1-h[j]"),
        ("1-h[k]^2", "1"),
        ("sum_{k=1}^{t}", "sum_{k=2}^{t}"),
    ]:
        verdict = bg.verify(u, right.replace(old, new))
        assert verdict.wrong == ("W",), (old, new)
    transposed = {
        "forward": ("(diag(1-h[j]^2) W)", "(W.T diag(1-h[j]^2))"),
        "backward": ("(W.T diag(1-h[j]^2))", "(W diag(1-h[j]^2))"),
    }
    assert bg.verify(u, right.replace(*transposed[layout])).right is (layout == "never")


def test_a_mistake_is_found_in_the_order_that_was_meant(u):
    verdict = bg.verify(u, product("backward", "k+1", "t").replace("h[k-1]", "h[k]"))
    assert "with h[k-1] in place of h[k]" in verdict.parameters["W"].cause
    assert any("the earliest step on the left; in the other order it is wrong as well" in n for n in verdict.notes)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.booleans(), st.integers(1, 5), st.integers(-2, 6), st.sampled_from(["up", "down"]))
def test_products_and_sums_against_numpy(seed, ascending, k, t, runs):
    u = bg.recurrence(REC).unroll(5)
    run = u.run(u.instance(seed))
    h = [np.asarray(run.values[f"h[{j}]"]) for j in range(6)]
    w = run.data["W"] if hasattr(run, "data") else u.instance(seed)["W"]
    low, high = (k, t) if runs == "up" else (t, k)
    bounds = f"_{{j={low}}}^{{{high}}}"
    steps = range(low, high + 1) if low <= high else range(low, high - 1, -1) if high < low - 1 else ()
    factors = [np.diag(1 - h[j] ** 2) @ w for j in steps if 0 <= j <= 5]
    if any(not 0 <= j <= 5 for j in steps):
        return
    expected = np.eye(len(w))
    for f in factors:  # an order that the bounds give, latest on the left, counts down; otherwise `ascending` says
        left_to_right = ascending if low <= high else True
        expected = expected @ f if left_to_right else f @ expected
    formulas = Formulas(
        u,
        f"dW = (prod{bounds} (diag(1-h[j]^2) W)) @ W + sum{bounds} (diag(h[j]) @ W)",
        reading=Reading(ascending=ascending),
    )
    (value,) = run.read_nodes([formulas.total("dW", [None], u.node("W"))])
    total = sum((np.diag(h[j]) @ w for j in steps), np.zeros_like(w))
    np.testing.assert_allclose(np.squeeze(value), expected @ w + total, rtol=1e-12, atol=1e-14)


def test_products_that_reach_too_far_are_refused():
    u = bg.recurrence("s[t] = A s[t-1] + B u[t]\nE[t] = squared_error(s[t], q[t])").unroll(4, loss="last")
    with pytest.raises(bg.BPTTError, match="this product reaches over") as caught:
        bg.verify(u, "dB = sum_{k=1}^{T} outer(prod_{j=k+1}^{T} A.T @ (s[T]-q[T]), u[k])")
    assert "brackets" in caught.value.hint and caught.value.span.line == 1
    assert bg.verify(u, "dB = sum_{k=1}^{T} outer((prod_{j=k+1}^{T} A.T) @ (s[T]-q[T]), u[k])").right


def test_a_number_is_no_vector(u):
    for line in ("dU = outer(1, x[1])", "dU = outer(x[1], 2)", "dU = outer(h[1], W)"):
        with pytest.raises(bg.BPTTError, match="outer takes two vectors"):
            bg.verify(u, line)


# -- powers ------------------------------------------------------------------------------------------------------------

LINEAR = "h[t] = W h[t-1] + U x[t]\no[t] = V h[t]\nE[t] = squared_error(o[t], q[t])"


def test_powers_of_matrices_are_products():
    """d2l 9.7: ∂L/∂h_t = Σ_{i=t}^T (W_hhᵀ)^{T−i} W_qhᵀ ∂L/∂o_{T+t−i}, with the sum counted from the other end."""
    u = bg.recurrence(LINEAR).unroll(5)
    closed = "dh[t] = sum_{i=t}^{T} (W.T)^(i-t) V.T (o[i] - q[i])\n"
    verdict = bg.verify(u, closed + "dW = sum_t dh[t] h[t-1].T\ndU = sum_t dh[t] x[t].T")
    assert verdict.right and "line 1: powers of W.T are products of matrices" in verdict.notes
    late = bg.verify(u, closed.replace("i-t", "i-t+1") + "dU = sum_t dh[t] x[t].T")
    assert (
        late.wrong == ("U",)
        and "line 1, which defines dh[t]: without + 1 in the exponent" in late.parameters["U"].cause
    )
    written = "dh[T-2] = V.T (o[T-2]-q[T-2]) + W.T V.T (o[T-1]-q[T-1]) + (W.T)^2 V.T (o[T]-q[T])"
    assert bg.verify(u, written).right and not bg.verify(u, written.replace("(W.T)^2", "(W.T * W.T)")).right


def test_the_last_step_counts_nothing():
    """`T` is the last step of what was unrolled, though no `t` stands in the answer; in a recurrence it may count."""
    u = bg.recurrence(LINEAR).unroll(5)
    last = "dh[T] = V.T (o[T]-q[T])\n"
    verdict = bg.verify(u, last + "dh[T-1] = V.T (o[T-1]-q[T-1]) + W.T dh[T]")
    assert verdict.right and set(verdict.parameters) == {"h[4]", "h[5]"} and not verdict.notes
    assert not bg.verify(u, last + "dh[T-1] = V.T (o[T]-q[T]) + W.T dh[T]").right
    assert bg.recurrence(LINEAR.replace("[t", "[T")).states == ("h",)


def test_a_number_at_the_top_is_what_it_is_in_the_recurrence():
    r"""A label where the recurrence has the name, `W^1` for its W1, and a power where it has W alone."""
    labelled = bg.recurrence("h_t = W^1 h_{t-1} + W^2 x_t\nE_t = squared\\_error(h_t, q_t)").unroll(4)
    assert set(labelled.parameters) == {"W1", "W2"}
    answer = "d[t] = (h[t]-q[t]) + W^1.T d[t+1]\ndW^1 = sum_t d[t] h[t-1].T\ndW^2 = sum_t d[t] x[t].T"
    assert bg.verify(labelled, answer).right
    u = bg.recurrence(LINEAR).unroll(4)
    last = "dh[T] = V.T (o[T]-q[T])\ndh[T-1] = V.T (o[T-1]-q[T-1]) + (W.T)^1 V.T (o[T]-q[T])"
    assert bg.verify(u, last).right and bg.verify(u, last.replace("(W.T)^1", "W^0 W.T")).right


def test_powers_of_the_rest_are_taken_entry_by_entry(u):
    assert statuses(u, ANSWER.replace("h[t]^2", "(h[t]^3/h[t])"))["W"] == "right"
    scalar = bg.recurrence("s[t] = w*s[t-1] + v*x[t]\nE[t] = squared_error(s[t], q[t])").unroll(5, loss="last", sizes=1)
    assert bg.verify(scalar, "dv = sum_{k=1}^{T} (s[T]-q[T]) * w^(T-k) * x[k]").right
    with pytest.raises(bg.BPTTError, match="a matrix has powers 0, 1, 2"):
        bg.verify(u, "dW = W^(0-1)")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 50), st.integers(0, 9))
def test_powers_against_numpy(seed, n):
    u = bg.recurrence(LINEAR).unroll(3)
    data = u.instance(seed)
    (value,) = u.run(data).read_nodes([Formulas(u, f"dW = W^{n} @ W").total("dW", [None], u.node("W"))])
    np.testing.assert_allclose(value, np.linalg.matrix_power(data["W"], n + 1), rtol=1e-9)


def test_steps_are_numbers_where_they_stand_alone():
    u = bg.recurrence(REC).unroll(5, reduce="mean")
    assert bg.verify(u, "dc = sum_t (z[t] - q[t]) / T").right
    weighted = bg.recurrence("h[t] = tanh(W h[t-1] + U x[t])\nE[t] = dot(v, h[t])").unroll(4)
    assert bg.verify(weighted, "dv = sum_t t*h[t] - sum_t (t-1)*h[t]").right


# -- before the first step ---------------------------------------------------------------------------------------------

SCALAR = "s[t] = tanh(w s[t-1] + v u[t] + b)\nE[t] = squared_error(s[t], q[t])"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("n[t] = (1 - s[t]^2) * (s[t-1] + w n[t-1])\ndw = sum_t (s[t] - q[t]) * n[t]", ()),
        ("n[t] = (1 - s[t]^2) * (1 + w n[t-1])\ndb = sum_t (s[t] - q[t]) * n[t]", ()),
        ("db[t] = (1 - s[t]^2) * (1 + w db[t-1])\ndb = sum_t (s[t] - q[t]) * db[t]", ()),
        ("n[t] = (1 - s[t]^2) * (1 + n[t-1])\ndb = sum_t (s[t] - q[t]) * n[t]", ("b",)),
        ("p[t] = w n[t-1]\nn[t] = (1 - s[t]^2) * (1 + p[t])\ndb = sum_t (s[t] - q[t]) * n[t]", ()),
        ("m[t] = (1 - s[t]^2) * ((s[t]-q[t]) + w m[t+1])\ndv = sum_{t=0}^{T} m[t] u[t]", ()),
        ("m[t] = (1 - s[t]^2) * ds[t]\nds[t] = (s[t]-q[t]) + w m[t+1]\ndw = sum_t m[t] s[t-1]\nds0 = w m[1]", ()),
        ("m[t] = (1 - s[t]^2) * ((s[t]-q[t]) + w m[t+1])\ndw = sum_t m[t] s[t-2]", ("w",)),
        ("m[t] = (1 - s[t]^2) * ((s[t]-q[t]) + w m[t+1])\nf[t] = s[t]\ndw = sum_t m[t] f[t-1]", ()),
    ],
)
def test_nothing_is_there_before_the_first_step(text, wrong):
    verdict = bg.verify(bg.recurrence(SCALAR).unroll(5, sizes=1), text)
    assert verdict.wrong == wrong, str(verdict)


def test_forward_sensitivities_of_vectors(u):
    text = "n[t] = diag(1 - h[t]^2) (diag(h[t]/h[t]) + W n[t-1])\ndb = sum_t n[t].T V.T (z[t] - q[t])"
    verdict = bg.verify(u, text)
    assert verdict.right and "n[0], before the first step, is read as zero" in verdict.notes
    assert not bg.verify(u, text.replace("W n", "W.T n")).right


def test_a_step_that_is_written_out_must_exist(u):
    with pytest.raises(bg.BPTTError, match=r"there is no x\[0\]"):
        bg.verify(u, "dW = outer(h[1], x[0])")


def test_the_caret_stands_where_a_value_is_read(u):
    text = "e[t] = z[t] - q[t]\nm[T] = V.T e[T]\ndb = sum_t e[t].T V * m[t]"
    with pytest.raises(bg.BPTTError, match=r"m\[1\] is not defined") as caught:
        bg.verify(u, text)
    span = caught.value.span
    assert span.line == 3 and text.splitlines()[2][span.column : span.end].startswith("m")


def test_the_other_direction_ends_before_the_first_step():
    rec = (
        "l[t] = tanh(A l[t-1] + B u[t])\nr[t] = tanh(D r[t+1] + F u[t])\nz[t] = C l[t] + G r[t]\nE[t] ="
        " squared_error(z[t], q[t])"
    )
    text = "m[t] = (1 - r[t]^2) * (G.T (z[t]-q[t]) + D.T m[t-1])\ndD = sum_t m[t] r[t+1].T\ndF = sum_t m[t] u[t].T"
    assert bg.verify(bg.recurrence(rec).unroll(5), text).right
    assert bg.verify(bg.recurrence(rec).unroll(5), text.replace("D.T m", "D m")).wrong == ("D", "F")


# -- adjoints beside gradients -----------------------------------------------------------------------------------------

LSTM = """
i[t] = sigmoid(A_i u[t] + B_i y[t-1])
f[t] = sigmoid(A_f u[t] + B_f y[t-1])
o[t] = sigmoid(A_o u[t] + B_o y[t-1])
g[t] = tanh(A_g u[t] + B_g y[t-1])
k[t] = f[t]*k[t-1] + i[t]*g[t]
y[t] = o[t]*tanh(k[t])
E[t] = squared_error(y[t], q[t])
"""
GATES = """dy[t] = y[t] - q[t] + B_i.T di[t+1] + B_f.T df[t+1] + B_o.T do[t+1] + B_g.T dg[t+1]
do[t] = dy[t]*tanh(k[t])*o[t]*(1-o[t])
dk[t] = dy[t]*o[t]*(1-tanh(k[t])^2) + dk[t+1]*f[t+1]
df[t] = dk[t]*k[t-1]*f[t]*(1-f[t])
di[t] = dk[t]*g[t]*i[t]*(1-i[t])
dg[t] = dk[t]*i[t]*(1-g[t]^2)
"""


@pytest.mark.usefixtures("no_causes")
def test_adjoints_that_nothing_reads():
    """They are compared with the gradient that the name says, or with that by the inside of the function; and judged by
    themselves only where the gradients that were asked for are right."""
    u = bg.recurrence(LSTM).unroll(4)
    alone = bg.verify(u, GATES)
    assert alone.right and {p.convention for n, p in alone.parameters.items() if n[0] in "ifog"} == {
        "by what stands inside its function (the pre-activation)"
    }
    assert {p.status for n, p in alone.parameters.items() if n[0] in "yk"} == {"right"}
    last = GATES.replace(
        " + B_i.T di[t+1] + B_f.T df[t+1] + B_o.T do[t+1] + B_g.T dg[t+1]", ""
    )  # right at the last step only
    assert not bg.verify(u, last).right
    beside = bg.verify(u, last + "dA_f = sum_t outer(df[t], u[t])")
    assert beside.wrong == ("A_f",) == tuple(n for n in beside.parameters if n[0] == "A")
    assert "line 5: not the gradient that its name says; no gradient that is asked for reads it" in beside.notes
    unread = GATES + "dA_f = sum_t outer(df[t], u[t])\ndx[t] = 1"
    with pytest.raises(bg.BPTTError, match="nothing here is called dx"):
        bg.verify(u, unread)
    right = bg.verify(u, unread.replace("dx[t] = 1", "du[t] = A_i.T di[t] + A_f.T df[t] + A_o.T do[t] + A_g.T dg[t]"))
    assert right.right and {"A_f", "u[1]", "u[4]"} <= right.parameters.keys()
    wrong = bg.verify(u, unread.replace("dx[t] = 1", "du[t] = A_i.T di[t] + A_f.T df[t] + A_o.T do[t]"))
    assert wrong.wrong == tuple(f"u[{t}]" for t in range(1, 5))


def test_a_paper_in_denominator_layout():
    """The product ascends, as papers print it; where it would reach over the vector behind it, brackets are asked
    for."""
    u = bg.recurrence("h[t] = tanh(W h[t-1] + U x[t]); y[t] = V h[t]; E[t] = squared_error(y[t], d[t])").unroll(5)
    product, vector = "prod_{i=k+1}^{t} (W^T diag(1-h[i]^2))", "(V.T @ (y[t]-d[t]))"
    whole = "dW = sum_t sum_{{k=1}}^{{t}} outer({} * (1-h[k]^2), h[k-1])"
    verdict = bg.verify(u, whole.format(f"(({product}) @ {vector})"))
    assert verdict.right and "the earliest step on the left" in verdict.notes[0]
    assert not bg.verify(u, whole.format(f"(({product.replace('W^T', 'W')}) @ {vector})")).right
    with pytest.raises(bg.BPTTError, match="this product reaches over") as refused:
        bg.verify(u, whole.format(f"({product} @ {vector})"))
    assert "brackets" in refused.value.hint


def test_two_names_of_one_spelling():
    """`delta` and `δ` are two parameters: arrays are told apart by their names as they are, formulas are refused."""
    u = bg.recurrence("g[t] = tanh(delta * g[t-1] + x[t] * δ); E[t] = g[t] * v").unroll(3)
    data = u.instance()
    found = dict(u.run(data).gradients)
    for answer in (found, {"ddelta": found["delta"], "dE/dδ": found["δ"]}):
        assert bg.verify(u, answer, data=data).right
    swapped = bg.verify(u, {"delta": found["δ"], "δ": found["delta"]}, data=data)
    assert set(swapped.wrong) == {"delta", "δ"}
    with pytest.raises(bg.BPTTError, match="delta and δ are two names of the recurrence and one in formulas"):
        bg.verify(u, "dE/dδ = 1", data=data)
